//! How much of the sources is generated.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::model::{Model, Resource, Type};
use crate::source::{SERVICE_SPEC, SourceError, Sources};

/// Numbers of things, by name.
pub type Counts = BTreeMap<&'static str, usize>;

/// What the source has.
pub fn in_source(sources: &Sources) -> Result<Counts, SourceError> {
    count_source(sources, &|_| true)
}

/// What the source has in the resource types that are left out.
pub fn left_out(sources: &Sources, model: &Model) -> Result<Counts, SourceError> {
    count_source(sources, &|cfn_type| model.left_out.contains_key(cfn_type))
}

fn count_source(sources: &Sources, of: &dyn Fn(&str) -> bool) -> Result<Counts, SourceError> {
    let schema = &sources.archive(&SERVICE_SPEC)?.json("db.json.gz")?["schema"];
    let table = |name: &str| schema[name]["entities"].as_array().into_iter().flatten();
    let resources: Vec<&Value> =
        table("resource").filter(|it| it["cloudFormationType"].as_str().is_some_and(of)).collect();
    let uses = &schema["usesType"]["forward"];
    let used: BTreeSet<&str> = resources
        .iter()
        .filter_map(|it| uses[it["$id"].as_str()?].as_array())
        .flatten()
        .filter_map(|it| it["$id"].as_str())
        .collect();
    let types: Vec<&Value> =
        table("typeDefinition").filter(|it| it["$id"].as_str().is_some_and(|it| used.contains(it))).collect();
    let sum =
        |of: &[&Value], field: &str| of.iter().filter_map(|it| it[field].as_object()).map(serde_json::Map::len).sum();
    Ok(BTreeMap::from([
        ("resource types", resources.len()),
        ("properties of resources", sum(&resources, "properties")),
        ("attributes", sum(&resources, "attributes")),
        ("nested types", types.len()),
        ("properties of nested types", sum(&types, "properties")),
    ]))
}

/// What is generated.
pub fn generated(model: &Model) -> Counts {
    let resources: Vec<&Resource> = model.services.values().flat_map(|it| it.resources.values()).collect();
    let nested = || resources.iter().flat_map(|it| it.objects.values());
    let properties =
        || resources.iter().flat_map(|it| it.properties.values()).chain(nested().flat_map(|it| it.properties.values()));
    BTreeMap::from([
        ("services", model.services.len()),
        ("resource types", resources.len()),
        ("properties of resources", resources.iter().map(|it| it.properties.len()).sum()),
        ("attributes", resources.iter().map(|it| it.attributes.len()).sum()),
        ("nested types", nested().count()),
        ("properties of nested types", nested().map(|it| it.properties.len()).sum()),
        ("required properties", properties().filter(|it| it.required).count()),
        ("enumerations", resources.iter().map(|it| it.enums.len()).sum()),
        ("properties that take an enumeration", properties().filter(|it| holds(&it.takes, &is_enum)).count()),
        ("kinds of text", model.kinds.single.len() + model.kinds.unions.len()),
        ("properties that take a kind of text", properties().filter(|it| holds(&it.takes, &is_kind)).count()),
        (
            "attributes and `Ref`s that give a kind of text",
            resources
                .iter()
                .flat_map(|it| it.attributes.values().map(|it| &it.gives).chain([&it.reference.1]))
                .filter(|it| is_kind(it))
                .count(),
        ),
    ])
}

fn is_enum(it: &Type) -> bool {
    matches!(it, Type::Enum(_))
}

fn is_kind(it: &Type) -> bool {
    matches!(it, Type::Kind(_))
}

fn holds(of: &Type, test: &dyn Fn(&Type) -> bool) -> bool {
    match of {
        Type::List(inner) | Type::Map(inner) => holds(inner, test),
        other => test(other),
    }
}
