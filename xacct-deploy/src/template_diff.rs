//! What differs between the deployed template and the new one: resources, properties, and what gets replaced because of which.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A resource that would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceDiff {
    /// The logical id.
    pub logical_id: String,
    /// The resource type: the new one, if it changes.
    pub resource_type: String,
    /// The construct's path.
    pub path: Option<String>,
    /// What would happen to it.
    pub change: ChangeKind,
    /// Whether the old resource stays behind when it is removed or replaced.
    pub retained: bool,
    /// What differs in it, or makes it change.
    pub properties: Vec<PropertyDiff>,
}

impl ResourceDiff {
    /// Whether nothing happens to it unless a value changes that is not known yet.
    pub fn is_open(&self) -> bool {
        !self.properties.is_empty() && self.properties.iter().all(|it| it.open)
    }

    /// Whether it is replaced only if a value changes that is not known yet.
    pub fn is_replacement_open(&self) -> bool {
        let is_cause = |it: &PropertyDiff| !it.open && it.effect != Effect::Update;
        self.change == ChangeKind::MayReplace && !self.properties.iter().any(is_cause)
    }
}

/// What would happen to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It is new.
    Add,
    /// It is updated where it is.
    Modify,
    /// It depends on values that are known only later, or on the service, whether it is replaced.
    MayReplace,
    /// A new one is made, and the old one removed.
    Replace,
    /// It goes.
    Remove,
}

/// A property, or another attribute of a resource, that would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropertyDiff {
    /// Where in the resource: `Properties.BucketName`, `DeletionPolicy`.
    pub path: String,
    /// What is there now, in the terms of the template.
    pub before: Option<Value>,
    /// What would be there.
    pub after: Option<Value>,
    /// What it does to the resource.
    pub effect: Effect,
    /// The parameter or resource through which it changes, if the template says the same as before.
    pub because: Option<String>,
    /// Whether it changes only if a value does that is not known yet: of another stack, or of the Parameter Store.
    #[serde(default)]
    pub open: bool,
}

/// What changing a property does to its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It is updated where it is.
    Update,
    /// It may be replaced.
    MayReplace,
    /// It is replaced.
    Replace,
}

/// Another entry of the template that would change: an output, a parameter, a condition, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryDiff {
    /// `Outputs`, `Parameters`, …; `Template` for a key of the template itself, such as `Transform`.
    pub section: String,
    /// The name of the entry.
    pub name: String,
    /// What is there now.
    pub before: Option<Value>,
    /// What would be there.
    pub after: Option<Value>,
}

/// What is compared entry by entry.
const SECTIONS: [&str; 7] = ["Parameters", "Mappings", "Conditions", "Rules", "Hooks", "Outputs", "Metadata"];

/// What differs outside of resources.
pub(crate) fn entry_diffs(before: &Value, after: &Value) -> Vec<EntryDiff> {
    let mut found = Vec::new();
    for name in names(object(Some(before)), object(Some(after))) {
        let (a, b) = (before.get(name), after.get(name));
        if name != "Resources" && !SECTIONS.contains(&name) && a != b {
            found.push(EntryDiff {
                section: "Template".to_owned(),
                name: name.to_owned(),
                before: a.cloned(),
                after: b.cloned(),
            });
        }
    }
    for section in SECTIONS {
        let (old, new) = (object(before.get(section)), object(after.get(section)));
        for name in names(old, new) {
            let (before, after) = (get(old, name), get(new, name));
            if before != after {
                found.push(EntryDiff {
                    section: section.to_owned(),
                    name: name.to_owned(),
                    before: before.cloned(),
                    after: after.cloned(),
                });
            }
        }
    }
    found
}

/// Parameters with another value than the last time, though the template may be the same.
#[derive(Debug, Default)]
pub(crate) struct ChangedParameters {
    /// Those that have another value.
    pub(crate) surely: BTreeSet<String>,
    /// Those of which nobody knows yet, and where their value comes from.
    pub(crate) perhaps: BTreeMap<String, String>,
}

/// What differs in resources. Of what changes only with a value that is not known yet, only what would be replaced is told.
pub(crate) fn resource_diffs(
    before: &Value,
    after: &Value,
    changed_parameters: &ChangedParameters,
) -> Vec<ResourceDiff> {
    let (old, new) = (object(before.get("Resources")), object(after.get("Resources")));
    let mut diffs: BTreeMap<&str, ResourceDiff> = BTreeMap::new();
    for id in names(old, new) {
        let diff = match (get(old, id), get(new, id)) {
            (None, Some(resource)) => bare(id, resource, ChangeKind::Add),
            (Some(resource), None) => bare(id, resource, ChangeKind::Remove),
            (Some(a), Some(b)) => match changed(id, a, b, changed_parameters) {
                Some(diff) => diff,
                None => continue,
            },
            (None, None) => continue,
        };
        diffs.insert(id, diff);
    }
    spread_replacements(new, &mut diffs);
    diffs.into_values().collect()
}

fn bare(id: &str, resource: &Value, change: ChangeKind) -> ResourceDiff {
    let policy = resource.get("DeletionPolicy").and_then(Value::as_str).unwrap_or_default();
    ResourceDiff {
        logical_id: id.to_owned(),
        resource_type: type_of(resource).to_owned(),
        path: None,
        change,
        retained: change == ChangeKind::Remove && policy.starts_with("Retain"),
        properties: Vec::new(),
    }
}

fn changed(id: &str, before: &Value, after: &Value, parameters: &ChangedParameters) -> Option<ResourceDiff> {
    let mut diff = bare(id, after, ChangeKind::Modify);
    let policy = after.get("UpdateReplacePolicy").and_then(Value::as_str).unwrap_or_default();
    diff.retained = policy.starts_with("Retain");
    if type_of(before) != type_of(after) {
        diff.change = ChangeKind::Replace;
        diff.properties.push(PropertyDiff {
            path: "Type".to_owned(),
            before: before.get("Type").cloned(),
            after: after.get("Type").cloned(),
            effect: Effect::Replace,
            because: None,
            open: false,
        });
    }
    for name in names(object(Some(before)), object(Some(after))) {
        let (a, b) = (before.get(name), after.get(name));
        if name == "Type" || a == b || name == "Metadata" && is_cdk_noise(a) && is_cdk_noise(b) {
            continue;
        }
        if name == "Properties" {
            compare(&mut vec![], a, b, &mut |path, a, b| {
                diff.properties.push(property_diff(type_of(after), path, a, b, None));
            });
        } else {
            diff.properties.push(PropertyDiff {
                path: name.to_owned(),
                before: a.cloned(),
                after: b.cloned(),
                effect: Effect::Update,
                because: None,
                open: false,
            });
        }
    }
    for (name, value) in object(after.get("Properties")).into_iter().flatten() {
        if diff.properties.iter().any(|it| touches(&it.path, name)) {
            continue;
        }
        let through = || property_diff(type_of(after), std::slice::from_ref(name), Some(value), Some(value), None);
        if let Some(parameter) = parameters.surely.iter().find(|it| mentions(value, it)) {
            diff.properties.push(PropertyDiff { because: Some(format!("parameter `{parameter}`")), ..through() });
        } else if let Some((_, from)) = parameters.perhaps.iter().find(|(it, _)| mentions(value, it)) {
            diff.properties.extend(open_replacement(through(), from));
        }
    }
    diff.change = diff.change.max(kind_of(&diff.properties));
    (!diff.properties.is_empty()).then_some(diff)
}

/// A replaced resource has a new id: what mentions it changes too, and may be replaced in turn.
fn spread_replacements<'a>(resources: Option<&'a Map<String, Value>>, diffs: &mut BTreeMap<&'a str, ResourceDiff>) {
    let mut done: BTreeSet<String> = BTreeSet::new();
    loop {
        let next = diffs.values().find(|it| {
            matches!(it.change, ChangeKind::Replace | ChangeKind::MayReplace) && !done.contains(&it.logical_id)
        });
        let Some(replaced) = next.cloned() else { return };
        for (id, resource) in resources.into_iter().flatten() {
            for (name, value) in object(resource.get("Properties")).into_iter().flatten() {
                if *id == replaced.logical_id || !mentions(value, &replaced.logical_id) {
                    continue;
                }
                let from = format!("resource `{}`", replaced.logical_id);
                let mut through = property_diff(
                    type_of(resource),
                    std::slice::from_ref(name),
                    Some(value),
                    Some(value),
                    Some(from.clone()),
                );
                if replaced.change == ChangeKind::MayReplace {
                    through.effect = through.effect.min(Effect::MayReplace);
                }
                if replaced.is_replacement_open() {
                    let Some(open) = open_replacement(through, &from) else { continue };
                    through = open;
                }
                let diff = diffs.entry(id.as_str()).or_insert_with(|| bare(id, resource, ChangeKind::Modify));
                let known = diff.properties.iter().any(|it| touches(&it.path, name));
                if known || matches!(diff.change, ChangeKind::Add | ChangeKind::Remove) {
                    continue;
                }
                diff.change = diff.change.max(kind_of(std::slice::from_ref(&through)));
                diff.properties.push(through);
            }
        }
        done.insert(replaced.logical_id);
    }
}

/// A change that comes only if a value does; nothing if it would replace nothing.
fn open_replacement(change: PropertyDiff, from: &str) -> Option<PropertyDiff> {
    let effect = change.effect.min(Effect::MayReplace);
    let because = Some(from.to_owned());
    (effect == Effect::MayReplace).then_some(PropertyDiff { effect, because, open: true, ..change })
}

fn kind_of(properties: &[PropertyDiff]) -> ChangeKind {
    match properties.iter().map(|it| it.effect).max() {
        Some(Effect::Replace) => ChangeKind::Replace,
        Some(Effect::MayReplace) => ChangeKind::MayReplace,
        _ => ChangeKind::Modify,
    }
}

fn property_diff(
    resource_type: &str,
    path: &[String],
    before: Option<&Value>,
    after: Option<&Value>,
    because: Option<String>,
) -> PropertyDiff {
    let steps: Vec<&str> = path.iter().map(String::as_str).collect();
    let effect = match xacct_schema::resource_type(resource_type).map(|it| it.replacement(&steps)) {
        Some(xacct_schema::Replacement::Always) => Effect::Replace,
        Some(xacct_schema::Replacement::Maybe) => Effect::MayReplace,
        Some(xacct_schema::Replacement::Never) => Effect::Update,
        // Nobody knows what a custom or unknown type does.
        None => Effect::MayReplace,
    };
    let mut text = "Properties".to_owned();
    for step in path {
        if step.bytes().all(|it| it.is_ascii_digit()) {
            text.push_str(&format!("[{step}]"));
        } else {
            text.push('.');
            text.push_str(step);
        }
    }
    PropertyDiff { path: text, before: before.cloned(), after: after.cloned(), effect, because, open: false }
}

/// Whether a path is that of a property or of something in it.
fn touches(path: &str, property: &str) -> bool {
    let rest = path.strip_prefix("Properties.").and_then(|it| it.strip_prefix(property));
    rest.is_some_and(|it| it.is_empty() || it.starts_with(['.', '[']))
}

/// Finds the smallest parts that differ. Lists of different lengths, and intrinsic functions, are compared as a whole.
fn compare(
    path: &mut Vec<String>,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut impl FnMut(&[String], Option<&Value>, Option<&Value>),
) {
    if before == after {
        return;
    }
    match (before, after) {
        (None, Some(Value::Object(b))) if path.is_empty() => compare_maps(path, &Map::new(), b, found),
        (Some(Value::Object(a)), None) if path.is_empty() => compare_maps(path, a, &Map::new(), found),
        (Some(Value::Object(a)), Some(Value::Object(b))) if !is_intrinsic(a) && !is_intrinsic(b) => {
            compare_maps(path, a, b, found);
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                path.push(number.to_string());
                compare(path, Some(a), Some(b), found);
                path.pop();
            }
        }
        _ => found(path, before, after),
    }
}

fn compare_maps(
    path: &mut Vec<String>,
    a: &Map<String, Value>,
    b: &Map<String, Value>,
    found: &mut impl FnMut(&[String], Option<&Value>, Option<&Value>),
) {
    for name in names(Some(a), Some(b)) {
        path.push(name.to_owned());
        compare(path, a.get(name), b.get(name), found);
        path.pop();
    }
}

fn is_intrinsic(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
}

/// Whether a value refers to a parameter or resource.
pub(crate) fn mentions(value: &Value, id: &str) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, inner)| match (key.as_str(), inner) {
            ("Ref", Value::String(name)) => name == id,
            ("Fn::GetAtt", Value::Array(parts)) => {
                parts.first().and_then(Value::as_str) == Some(id) || mentions(inner, id)
            }
            ("Fn::GetAtt", Value::String(text)) => text.split('.').next() == Some(id),
            ("Fn::Sub", Value::String(text)) => text_mentions(text, id),
            ("Fn::Sub", Value::Array(parts)) => {
                parts.first().and_then(Value::as_str).is_some_and(|it| text_mentions(it, id))
                    || parts.iter().skip(1).any(|it| mentions(it, id))
            }
            _ => mentions(inner, id),
        }),
        Value::Array(items) => items.iter().any(|it| mentions(it, id)),
        _ => false,
    }
}

fn text_mentions(text: &str, id: &str) -> bool {
    text.split("${")
        .skip(1)
        .filter_map(|it| it.split('}').next())
        .any(|name| name == id || name.strip_prefix(id).is_some_and(|rest| rest.starts_with('.')))
}

/// CDK writes the construct's path into the metadata; it changes nothing.
fn is_cdk_noise(metadata: Option<&Value>) -> bool {
    object(metadata).is_none_or(|it| it.keys().all(|key| key.starts_with("aws:cdk:")))
}

fn type_of(resource: &Value) -> &str {
    resource.get("Type").and_then(Value::as_str).unwrap_or_default()
}

fn object(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn get<'a>(map: Option<&'a Map<String, Value>>, name: &str) -> Option<&'a Value> {
    map.and_then(|it| it.get(name))
}

fn names<'a>(a: Option<&'a Map<String, Value>>, b: Option<&'a Map<String, Value>>) -> BTreeSet<&'a str> {
    a.into_iter().chain(b).flat_map(|it| it.keys()).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Value, after: Value) -> Vec<(String, ChangeKind, Vec<String>)> {
        let template = |resources| json!({ "Resources": resources });
        resource_diffs(&template(before), &template(after), &ChangedParameters::default())
            .into_iter()
            .map(|it| (it.logical_id, it.change, it.properties.into_iter().map(|it| it.path).collect()))
            .collect()
    }

    fn bucket(name: &str, versioning: &str) -> Value {
        json!({"Type": "AWS::S3::Bucket",
            "Properties": {"BucketName": name, "VersioningConfiguration": {"Status": versioning}}})
    }

    #[test]
    fn names_the_property_that_replaces() {
        let found = check(json!({"B": bucket("a", "Enabled")}), json!({"B": bucket("b", "Enabled")}));
        assert_eq!(found, [("B".into(), ChangeKind::Replace, vec!["Properties.BucketName".into()])]);
        let found = check(json!({"B": bucket("a", "Enabled")}), json!({"B": bucket("a", "Suspended")}));
        let path = vec!["Properties.VersioningConfiguration.Status".into()];
        assert_eq!(found, [("B".into(), ChangeKind::Modify, path)]);
    }

    #[test]
    fn a_replacement_changes_what_refers_to_it() {
        let policy =
            json!({"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "B"}, "PolicyDocument": {}}});
        let found =
            check(json!({"B": bucket("a", "Enabled"), "P": policy}), json!({"B": bucket("b", "Enabled"), "P": policy}));
        // The policy's bucket is create-only: the replacement goes on.
        assert_eq!(found[1], ("P".into(), ChangeKind::Replace, vec!["Properties.Bucket".into()]));
    }

    #[test]
    fn a_changed_parameter_changes_what_uses_it() {
        let template = json!({"Resources": {"Q": {"Type": "AWS::SQS::Queue",
            "Properties": {"DelaySeconds": {"Fn::Sub": "${Delay}"}}}}});
        let surely = BTreeSet::from(["Delay".to_owned()]);
        let found = resource_diffs(&template, &template, &ChangedParameters { surely, ..Default::default() });
        assert_eq!(found[0].properties[0].because.as_deref(), Some("parameter `Delay`"));
    }

    #[test]
    fn a_value_that_is_not_known_yet_may_replace_what_uses_it_and_what_refers_to_that() {
        let template = json!({"Resources": {
            "B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Ref": "Name"}}},
            "P": {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "B"}, "PolicyDocument": {}}},
            "Q": {"Type": "AWS::SQS::Queue", "Properties": {"DelaySeconds": {"Ref": "Name"}}},
        }});
        let perhaps = BTreeMap::from([("Name".to_owned(), "output `Name` of `Tools`".to_owned())]);
        let found = resource_diffs(&template, &template, &ChangedParameters { perhaps, ..Default::default() });
        let told: Vec<_> = found.iter().map(|it| (it.logical_id.as_str(), it.change, it.is_open())).collect();
        assert_eq!(told, [("B", ChangeKind::MayReplace, true), ("P", ChangeKind::MayReplace, true)]);
        assert_eq!(found[0].properties[0].because.as_deref(), Some("output `Name` of `Tools`"));
        assert!(found[0].is_replacement_open());
    }

    #[test]
    fn every_key_of_a_template_is_compared() {
        let after = json!({"Transform": "AWS::LanguageExtensions", "Hooks": {"H": {}}, "Unheard": 1, "Resources": {}});
        let found: Vec<_> = entry_diffs(&json!({"Description": "x", "Resources": {"Q": {}}}), &after)
            .into_iter()
            .map(|it| format!("{} {}", it.section, it.name))
            .collect();
        assert_eq!(found, ["Template Description", "Template Transform", "Template Unheard", "Hooks H"]);
    }

    #[test]
    fn the_same_is_no_difference() {
        assert!(check(json!({"B": bucket("a", "Enabled")}), json!({"B": bucket("a", "Enabled")})).is_empty());
    }

    #[test]
    fn a_removal_says_what_stays() {
        let kept = json!({"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"});
        let before = json!({"Resources": {"B": kept}});
        let found = resource_diffs(&before, &json!({"Resources": {}}), &ChangedParameters::default());
        assert!(found[0].change == ChangeKind::Remove && found[0].retained);
    }
}
