//! Writes `xacct-schema/data/schemas.bin`: resource types, their properties and constraints, attributes, handlers and regions.
//!
//! Constraints, formats, handlers and regions come from the provider schemas that cfn-lint ships; what `Ref` returns, ARN templates and
//! the replacement behaviour of types without handlers come from the CDK's database. What is left out, and why, is in [`left_out`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use xacct_schema::layout::{NONE, field, flag};

use crate::Output;
use crate::source::{Archive, CFN_LINT, SERVICE_SPEC, SourceError, Sources};
use nodes::Nodes;
use pool::Pool;

mod document;
mod nodes;
mod pattern;
mod pool;
mod spec;

use spec::Spec;

/// Where the table is written.
pub const TABLE: &str = "xacct-schema/data/schemas.bin";
/// Where its strings are written.
pub const STRINGS: &str = "xacct-schema/data/schemas.txt";

/// Mends defects of the sources; each entry says why.
const PATCHES: &str = include_str!("../patches.json");

/// Whether a resource type of the sources is left out, and why.
pub fn left_out(name: &str) -> Option<&'static str> {
    if name.starts_with("AMZN::") || name.starts_with("AWS::GammaDilithium::") {
        Some("internal to AWS, published by mistake")
    } else if name.starts_with("AWS::Serverless::") {
        Some("not a resource type of CloudFormation: a macro turns it into others")
    } else {
        None
    }
}

/// What the generator found, beside the table.
#[derive(Debug, Default)]
pub struct Report {
    /// How many types, properties, … the schemas have.
    pub source: BTreeMap<&'static str, usize>,
    /// How many the CDK's database has.
    pub database: BTreeMap<&'static str, usize>,
    /// How many the table has.
    pub counts: BTreeMap<&'static str, usize>,
    /// Resource types that are left out, with the reason.
    pub left_out: Vec<(String, &'static str)>,
    /// Patterns that are not checked, with the reason.
    pub untranslated: Vec<(String, String)>,
    /// Regions whose list of types is not used.
    pub unusable_regions: Vec<String>,
    /// Extensions of cfn-lint that are not used, with the reason.
    pub unused_extensions: Vec<(String, String)>,
}

/// Writes the table.
pub fn generate(sources: &Sources) -> Result<Output, SourceError> {
    let (table, strings, report) = build(sources)?;
    let document = document::write(&report).into_bytes();
    Ok(Output::from([(TABLE.to_owned(), table), (STRINGS.to_owned(), strings), (document::FILE.to_owned(), document)]))
}

/// The table, its strings, and what was found while making them.
pub fn build(sources: &Sources) -> Result<(Vec<u8>, Vec<u8>, Report), SourceError> {
    let lint = sources.archive(&CFN_LINT)?;
    let spec = Spec::read(&sources.archive(&SERVICE_SPEC)?)?;
    let mut report = Report::default();
    let patches: Value = serde_json::from_str(PATCHES)
        .map_err(|error| SourceError::Content { path: "patches.json".to_owned(), reason: error.to_string() })?;
    let mut schemas = read_schemas(&lint, &mut report)?;
    let get_att = GetAtt::read(&lint)?;
    apply_patches(&mut schemas, &patches)?;
    for (schema, _) in schemas.values() {
        count_properties(schema, &mut report.counts);
    }
    add_extensions(&lint, &mut schemas, &patches, &mut report)?;
    add_policies(&lint, &mut schemas, &patches)?;
    add_tags(&lint, &mut schemas)?;

    let mut pool = Pool::default();
    let mut types = Vec::new();
    let mut attributes = Vec::new();
    for (name, (schema, regions)) in &schemas {
        let record = type_record(name, schema, regions, &spec, &get_att, &mut pool, &mut attributes)?;
        types.extend(record);
    }
    for (name, only) in &spec.resources {
        if !schemas.contains_key(name) && left_out(name).is_none() && !only.is_null() {
            report.left_out.push((name.clone(), "retired: AWS no longer publishes a schema for it"));
        }
    }
    report.counts.insert("attributes", attributes.len() / 2);
    report.database = spec.counts();
    report.counts.extend(pool.counts());
    report.untranslated = std::mem::take(&mut pool.untranslated);
    let runtimes = runtimes(&lint, &mut pool)?;
    let date = lint.json("cfnlint/data/schemas/version.json")?;
    let date = pool.string(date["schema_date"].as_str().and_then(|date| date.get(..10)).unwrap_or_default());
    let (table, strings) = pool.write(&types, &attributes, &runtimes, &[date]);
    Ok((table, strings, report))
}

fn runtimes(lint: &Archive, pool: &mut Pool) -> Result<Vec<u32>, SourceError> {
    let runtimes = lint.json("cfnlint/data/AdditionalSpecs/LmbdRuntimeLifecycle.json")?;
    let runtimes: BTreeMap<&String, &Value> = runtimes.as_object().into_iter().flatten().collect();
    let mut records = Vec::new();
    for (name, runtime) in runtimes {
        records.push(pool.string(name));
        for field in ["deprecated", "create-block", "update-block", "successor"] {
            records.push(pool.maybe_string(runtime[field].as_str()));
        }
    }
    Ok(records)
}

type Schemas = BTreeMap<String, (Value, BTreeSet<String>)>;

fn read_schemas(lint: &Archive, report: &mut Report) -> Result<Schemas, SourceError> {
    const PROVIDERS: &str = "cfnlint/data/schemas/providers/";
    let reference = lint.bytes(&format!("{PROVIDERS}us-east-1.json"))?;
    let mut schemas = Schemas::new();
    let files: Vec<(String, bool)> = lint
        .under(PROVIDERS)
        .filter(|(path, _)| path.ends_with(".json"))
        .map(|(path, content)| {
            let copied = content == reference && !path.ends_with("/us-east-1.json");
            (path.to_owned(), copied)
        })
        .collect();
    for (path, copied) in files {
        let region = path.trim_start_matches(PROVIDERS).trim_end_matches(".json").to_owned();
        if copied {
            report.unusable_regions.push(region);
            continue;
        }
        for (name, hash) in lint.json(&path)?.as_object().into_iter().flatten() {
            if !schemas.contains_key(name) {
                let hash = hash.as_str().unwrap_or_default();
                let schema = lint.json(&format!("cfnlint/data/schemas/resources/{hash}.json"))?;
                schemas.insert(name.clone(), (schema, BTreeSet::new()));
            }
            if let Some((_, regions)) = schemas.get_mut(name) {
                regions.insert(region.clone());
            }
        }
    }
    for (name, (schema, _)) in &schemas {
        count_properties(schema, &mut report.source);
        if let Some(reason) = left_out(name) {
            report.left_out.push((name.clone(), reason));
        }
    }
    schemas.retain(|name, _| left_out(name).is_none());
    Ok(schemas)
}

/// A patch names a type, a JSON pointer into its schema, a reason, and the new `value` (or none, to remove).
fn apply_patches(schemas: &mut Schemas, patches: &Value) -> Result<(), SourceError> {
    for patch in patches["schemas"].as_array().into_iter().flatten() {
        let name = patch["type"].as_str().unwrap_or_default();
        let pointer = patch["pointer"].as_str().unwrap_or_default();
        let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", pointer));
        let key = key.replace("~1", "/").replace("~0", "~");
        let target =
            schemas.get_mut(name).and_then(|(schema, _)| schema.pointer_mut(parent)).and_then(Value::as_object_mut);
        let Some(target) = target else {
            return Err(stale(name, pointer));
        };
        let applied = match patch.get("value") {
            Some(value) => {
                let same = target.get(&key) == Some(value);
                target.insert(key, value.clone());
                !same
            }
            None => target.shift_remove(&key).is_some(),
        };
        if !applied {
            return Err(stale(name, pointer));
        }
    }
    Ok(())
}

fn stale(name: &str, pointer: &str) -> SourceError {
    SourceError::Content {
        path: "patches.json".to_owned(),
        reason: format!("the patch of `{name}` at `{pointer}` has nothing to change: remove it"),
    }
}

/// cfn-lint's own conditions on some types, beside the providers' schemas.
fn add_extensions(
    lint: &Archive,
    schemas: &mut Schemas,
    patches: &Value,
    report: &mut Report,
) -> Result<(), SourceError> {
    const EXTENSIONS: &str = "cfnlint/data/schemas/extensions/";
    let names: HashMap<String, String> =
        schemas.keys().map(|name| (name.to_lowercase().replace("::", "_"), name.clone())).collect();
    let paths: Vec<String> =
        lint.under(EXTENSIONS).map(|(path, _)| path.to_owned()).filter(|path| path.ends_with(".json")).collect();
    for path in paths {
        let short = path.trim_start_matches(EXTENSIONS);
        let extension = lint.json(&path)?;
        let text = extension.to_string();
        let reason = if let Some(reason) = patches["extensions"][short].as_str() {
            Some(reason.to_owned())
        } else if ["cfnGather", "$data", "awsType"].iter().any(|key| text.contains(&format!("\"{key}\""))) {
            Some("relates several resources, in a language of cfn-lint's own".to_owned())
        } else if text.len() > 12_000 || is_regional(&extension) {
            Some("values that differ by region, and change weekly".to_owned())
        } else {
            None
        };
        if let Some(reason) = reason {
            report.unused_extensions.push((short.to_owned(), reason));
            continue;
        }
        let folder = short.split('/').next().unwrap_or_default();
        let places: Vec<&str> = match patches["extension_places"][short].as_array() {
            Some(places) => places.iter().filter_map(Value::as_str).collect(),
            None => names.get(folder).map(String::as_str).into_iter().collect(),
        };
        for place in places {
            attach(schemas, place, &extension)?;
        }
    }
    Ok(())
}

/// The shape of IAM's policies, wherever a property holds one.
fn add_policies(lint: &Archive, schemas: &mut Schemas, patches: &Value) -> Result<(), SourceError> {
    let read = |file: &str| -> Result<Value, SourceError> {
        let mut schema = lint.json(&format!("cfnlint/data/schemas/other/iam/{file}"))?;
        for patch in patches["policies"].as_array().into_iter().flatten().filter(|patch| patch["file"] == file) {
            let pointer = patch["pointer"].as_str().unwrap_or_default();
            match schema.pointer_mut(pointer) {
                Some(target) if *target != patch["value"] => *target = patch["value"].clone(),
                _ => return Err(stale(file, pointer)),
            }
        }
        Ok(schema)
    };
    let common = read("policy.json")?;
    for (file, places) in patches["policy_documents"].as_object().into_iter().flatten() {
        let mut schema = serde_json::json!({
            "if": { "type": "object" },
            "then": { "$ref": format!("#/definitions/{file}") },
        });
        let renamed = |schema: &Value, name: &str| -> Value {
            let text = schema.to_string();
            let text = text.replace("\"#/", &format!("\"#/definitions/{name}/"));
            serde_json::from_str(&text.replace("\"policy#/", "\"#/definitions/policy.json/")).unwrap_or_default()
        };
        let definitions: Value = serde_json::json!({
            "policy.json": renamed(&common, "policy.json"),
            file: renamed(&read(file)?, file),
        });
        schema["definitions"] = definitions;
        for place in places.as_array().into_iter().flatten().filter_map(Value::as_str) {
            attach(schemas, place, &schema)?;
        }
    }
    Ok(())
}

/// Tags have keys, each once, and none that AWS keeps for itself.
fn add_tags(lint: &Archive, schemas: &mut Schemas) -> Result<(), SourceError> {
    let tagging = lint.json("cfnlint/data/schemas/other/resources/tagging.json")?;
    for (name, (schema, _)) in schemas.iter_mut() {
        if schema["tagging"]["taggable"] == true && schema["properties"]["Tags"].is_object() {
            add_part(schema, &tagging).ok_or_else(|| stale(name, "Tags"))?;
        }
    }
    Ok(())
}

/// Adds a schema at a place such as `AWS::EC2::Instance/BlockDeviceMappings/*`.
fn attach(schemas: &mut Schemas, place: &str, extension: &Value) -> Result<(), SourceError> {
    let mut steps: Vec<&str> = place.split('/').collect();
    let name = steps.remove(0);
    let mut wrapped = extension.clone();
    let definitions = wrapped.as_object_mut().and_then(|map| map.shift_remove("definitions"));
    for step in steps.iter().rev() {
        wrapped = match *step {
            "*" => serde_json::json!({ "items": wrapped }),
            step => serde_json::json!({ "properties": { step: wrapped } }),
        };
    }
    if let Some(definitions) = definitions {
        wrapped["definitions"] = definitions;
    }
    let schema = schemas.get_mut(name).map(|(schema, _)| schema);
    schema.and_then(|schema| add_part(schema, &wrapped)).ok_or_else(|| stale(name, place))
}

/// Lets a schema hold together with another one, whose definitions it takes over.
fn add_part(schema: &mut Value, part: &Value) -> Option<()> {
    let map = schema.as_object_mut()?;
    if let Some(own) = part["definitions"].as_object() {
        let definitions = map.entry("definitions").or_insert_with(|| serde_json::json!({})).as_object_mut()?;
        for (name, definition) in own {
            definitions.entry(name.clone()).or_insert_with(|| definition.clone());
        }
    }
    let parts = map.entry("allOf").or_insert_with(|| Value::Array(Vec::new())).as_array_mut()?;
    parts.push(part.clone());
    Some(())
}

fn is_regional(extension: &Value) -> bool {
    extension.as_object().is_some_and(|map| map.keys().any(|key| key.contains("-east-")))
}

fn type_record(
    name: &str,
    schema: &Value,
    regions: &BTreeSet<String>,
    spec: &Spec,
    get_att: &GetAtt,
    pool: &mut Pool,
    attributes: &mut Vec<u32>,
) -> Result<Vec<u32>, SourceError> {
    let mut nodes = Nodes::new(pool, schema);
    let root = nodes.node(schema);
    let found = attributes_of(name, schema, spec, get_att);
    let first = attributes.len() as u32 / 2;
    for (attribute, kind) in &found {
        let node = match kind {
            Some(kind) => nodes.node(kind),
            None => nodes.at(&attribute.replace('.', "/")).unwrap_or(0),
        };
        attributes.extend([0, node]);
    }
    let unknown = std::mem::take(&mut nodes.unknown);
    if !unknown.is_empty() {
        return Err(SourceError::Content {
            path: name.to_owned(),
            reason: format!("unknown keywords {}", unknown.join(", ")),
        });
    }
    for (index, (attribute, _)) in found.iter().enumerate() {
        attributes[(first as usize + index) * 2] = pool.string(attribute);
    }
    let pointers = |key: &str| -> BTreeSet<String> {
        schema[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|pointer| {
                pointer
                    .trim_start_matches("/properties/")
                    .replace("/items/properties/", "/*/")
                    .replace("/properties/", "/")
                    .replace("/items", "/*")
            })
            .collect()
    };
    let has_handlers = schema["handlers"].is_object();
    let mut create_only = pointers("createOnlyProperties");
    let mut conditional = pointers("conditionalCreateOnlyProperties");
    let (replaces, may_replace) = spec.replacements(name, !has_handlers);
    if has_handlers {
        conditional.extend(replaces);
    } else {
        create_only.extend(replaces);
    }
    conditional.extend(may_replace);
    conditional.retain(|pointer| !create_only.contains(pointer));

    let primary: Vec<String> = schema["primaryIdentifier"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|pointer| pointer.trim_start_matches("/properties/").to_owned())
        .collect();
    let reference = spec.reference(name).unwrap_or_else(|| primary.clone());
    let mut read_only = pointers("readOnlyProperties");
    // Where the other source knows a property that can be set, the schema is wrong about it.
    let settable = spec.resources.get(name).and_then(|resource| resource["properties"].as_object());
    read_only.retain(|pointer| settable.is_none_or(|settable| !settable.contains_key(pointer)));
    let arn = spec.resources.get(name).and_then(|r| r["arnTemplate"].as_str());
    let tagging = &schema["tagging"];
    let tag_property = tagging["tagProperty"]
        .as_str()
        .map(|pointer| pointer.trim_start_matches("/properties/"))
        .or_else(|| spec.resources.get(name)?["tagInformation"]["tagPropertyName"].as_str());

    let mut record = vec![NONE; xacct_schema::layout::TYPE_FIELDS];
    record[field::NAME] = pool.string(name);
    record[field::ROOT] = root;
    record[field::CREATE_ONLY] = pool.list(create_only);
    record[field::CONDITIONAL_CREATE_ONLY] = pool.list(conditional);
    record[field::WRITE_ONLY] = pool.list(pointers("writeOnlyProperties"));
    record[field::DEPRECATED] = pool.list(pointers("deprecatedProperties"));
    record[field::NAME_PROPERTY] = pool.maybe_string(name_property(name, schema, &primary, &read_only, arn).as_deref());
    record[field::READ_ONLY] = pool.list(read_only);
    record[field::PRIMARY_IDENTIFIER] = pool.list(primary);
    record[field::REF] = pool.list(reference);
    record[field::ATTRIBUTE_FIRST] = first;
    record[field::ATTRIBUTE_COUNT] = found.len() as u32;
    record[field::ARN] = pool.maybe_string(arn);
    record[field::TAG_PROPERTY] = pool.maybe_string(tag_property);
    record[field::FLAGS] = flags(name, schema, tag_property, spec);
    for (index, handler) in ["create", "read", "update", "delete", "list"].iter().enumerate() {
        if let Some(actions) = schema["handlers"][handler]["permissions"].as_array() {
            record[field::HANDLERS + index] = pool.list(actions_of(actions));
        }
    }
    if let Some(actions) = tagging["permissions"].as_array() {
        record[field::TAG_PERMISSIONS] = pool.list(actions_of(actions));
    }
    record[field::REGIONS] = pool.list(regions);
    record[field::LIFECYCLE] = pool.maybe_string(schema["lifecycle"]["status"].as_str());
    record[field::LIFECYCLE_DATE] = pool.maybe_string(schema["lifecycle"]["date"].as_str());
    Ok(record)
}

/// The sources have a few empty entries and some without a service.
fn actions_of(actions: &[Value]) -> BTreeSet<String> {
    actions
        .iter()
        .filter_map(Value::as_str)
        .map(str::trim)
        .filter(|action| action.contains(':'))
        .map(str::to_owned)
        .collect()
}

fn flags(name: &str, schema: &Value, tag_property: Option<&str>, spec: &Spec) -> u32 {
    let tagging = &schema["tagging"];
    let is = |key: &str| tagging[key].as_bool();
    let mut flags = 0;
    if is("taggable").unwrap_or(tag_property.is_some()) {
        flags |= flag::TAGGABLE;
    }
    if is("tagUpdatable").unwrap_or(tag_property.is_some()) {
        flags |= flag::TAG_UPDATABLE;
    }
    if is("cloudFormationSystemTags").unwrap_or(tag_property.is_some()) {
        flags |= flag::SYSTEM_TAGS;
    }
    if schema["replacementStrategy"] == "delete_then_create" {
        flags |= flag::DELETE_FIRST;
    }
    if spec.resources.get(name).is_some_and(|resource| resource["isStateful"] == true) {
        flags |= flag::STATEFUL;
    }
    match name {
        "AWS::CloudFormation::CustomResource" => flags |= flag::ANY_ATTRIBUTE,
        "AWS::CloudFormation::Stack" | "AWS::ServiceCatalog::CloudFormationProvisionedProduct" => {
            flags |= flag::OUTPUT_ATTRIBUTES;
        }
        _ => {}
    }
    flags
}

/// Attributes for `Fn::GetAtt`, with a schema where the provider's has none: what the service sets, and what the CDK's database adds.
fn attributes_of(name: &str, schema: &Value, spec: &Spec, get_att: &GetAtt) -> BTreeMap<String, Option<Value>> {
    let mut found = BTreeMap::new();
    for (attribute, kind) in spec.attributes(name) {
        found.insert(attribute, Some(kind));
    }
    for pointer in schema["readOnlyProperties"].as_array().into_iter().flatten() {
        let path = pointer.as_str().unwrap_or_default().trim_start_matches("/properties/");
        if !path.contains('*') && !path.contains("/items") {
            found.insert(path.replace('/', "."), None);
        }
    }
    for property in get_att.more.get(name).into_iter().flatten() {
        found.insert(property.clone(), None);
    }
    if get_att.all_properties.contains(name) {
        scalars(schema, schema, "", &mut found);
    }
    found
}

/// Every property that is no list of objects, as an attribute.
fn scalars(schema: &Value, root: &Value, path: &str, found: &mut BTreeMap<String, Option<Value>>) {
    let resolve = |schema: &'_ Value| match schema["$ref"].as_str() {
        Some(pointer) => root.pointer(pointer.trim_start_matches('#')).cloned().unwrap_or_default(),
        None => schema.clone(),
    };
    let schema = resolve(schema);
    let properties = schema["properties"].as_object().filter(|_| path.matches('.').count() < 5);
    if let Some(properties) = properties {
        for (name, property) in properties {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            scalars(property, root, &path, found);
        }
        return;
    }
    let item = resolve(&schema["items"]);
    if schema["type"] != "object" && item["type"] != "object" && item["type"] != "array" && !path.is_empty() {
        found.entry(path.to_owned()).or_insert(None);
    }
}

/// Types for which `Fn::GetAtt` takes more than what the service sets, which cfn-lint knows and no schema says.
struct GetAtt {
    all_properties: BTreeSet<String>,
    more: BTreeMap<String, Vec<String>>,
}

impl GetAtt {
    /// Reads the two lists in cfn-lint's source.
    fn read(lint: &Archive) -> Result<Self, SourceError> {
        const PATH: &str = "cfnlint/schema/_getatts.py";
        let source = String::from_utf8_lossy(lint.bytes(PATH)?).into_owned();
        let between = |start: &str, end: &str| {
            let (_, rest) = source.split_once(start)?;
            Some(rest.split_once(end)?.0.to_owned())
        };
        let lists = between("_all_property_types = [", "]\n").zip(between("_exceptions = {", "\n}"));
        let Some((all, exceptions)) = lists else {
            return Err(SourceError::Content { path: PATH.to_owned(), reason: "it has no such lists".to_owned() });
        };
        let quoted = |text: &str| -> Vec<String> { text.split('"').skip(1).step_by(2).map(str::to_owned).collect() };
        let mut more: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut current = String::new();
        for text in quoted(&exceptions) {
            if text.contains("::") {
                current = text;
            } else {
                more.entry(current.clone()).or_default().push(text);
            }
        }
        Ok(Self { all_properties: quoted(&all).into_iter().collect(), more })
    }
}

/// The property that gives the physical resource its name: the identifier, the last part of its ARN, or the one called after the type.
fn name_property(
    name: &str,
    schema: &Value,
    primary: &[String],
    read_only: &BTreeSet<String>,
    arn: Option<&str>,
) -> Option<String> {
    let short = name.rsplit("::").next().unwrap_or_default();
    let named =
        |property: &str| property == "Name" || property == format!("{short}Name") || property == format!("{short}Id");
    let settable = |property: &str| {
        schema["properties"][property]["type"] == "string" && !read_only.contains(property) && property != "Description"
    };
    let from_arn = arn.and_then(|arn| arn.rsplit_once("${")).and_then(|(_, rest)| rest.strip_suffix('}'));
    let identifier = match primary {
        [one] if one.ends_with("Name") || named(one) => Some(one.as_str()),
        _ => None,
    };
    [identifier, from_arn]
        .into_iter()
        .flatten()
        .map(str::to_owned)
        .chain([format!("{short}Name"), "Name".to_owned()])
        .find(|property| settable(property))
}

fn count_properties(schema: &Value, counts: &mut BTreeMap<&'static str, usize>) {
    let top = schema["properties"].as_object().map_or(0, |map| map.len());
    let definitions = schema["definitions"].as_object();
    let nested: usize = definitions
        .into_iter()
        .flatten()
        .filter_map(|(_, definition)| definition["properties"].as_object())
        .map(|map| map.len())
        .sum();
    *counts.entry("resource types").or_default() += 1;
    *counts.entry("properties").or_default() += top;
    *counts.entry("nested properties").or_default() += nested;
    *counts.entry("nested types").or_default() += definitions.map_or(0, |map| map.len());
    *counts.entry("types with handlers").or_default() += usize::from(schema["handlers"].is_object());
}
