//! Mends defects of the sources from `patches/l1.json`, in which each patch says why it is there.

use serde::Deserialize;
use serde_json::Value;

use crate::source::SourceError;

const PATCHES: &str = include_str!("../../patches/l1.json");

/// One mended property.
#[derive(Debug, Deserialize)]
struct Patch {
    /// The resource type.
    resource: String,
    /// The nested type that has the property, where it is not the resource itself.
    #[serde(default)]
    nested: Option<String>,
    /// The property.
    property: String,
    /// The fields of the property that get another value; `null` removes one.
    set: serde_json::Map<String, Value>,
    /// Why.
    reason: String,
}

/// Applies every patch to the database. One that finds nothing to mend, or changes nothing, is an error: the source has moved on.
pub(super) fn apply(database: &mut Value) -> Result<(), SourceError> {
    let patches: Vec<Patch> = serde_json::from_str(PATCHES).map_err(|error| fail(error.to_string()))?;
    for patch in &patches {
        let place = format!("{}.{}.{}", patch.resource, patch.nested.as_deref().unwrap_or_default(), patch.property);
        if patch.reason.is_empty() {
            return Err(fail(format!("the patch of `{place}` gives no reason")));
        }
        let property = find(database, patch).ok_or_else(|| fail(format!("the source has no `{place}`")))?;
        let before = property.clone();
        for (field, value) in &patch.set {
            if value.is_null() {
                property.remove(field);
            } else {
                property.insert(field.clone(), value.clone());
            }
        }
        if *property == before {
            return Err(fail(format!("the patch of `{place}` changes nothing: remove it")));
        }
    }
    Ok(())
}

fn find<'a>(database: &'a mut Value, patch: &Patch) -> Option<&'a mut serde_json::Map<String, Value>> {
    let schema = database.get_mut("schema")?;
    let resources = schema["resource"]["entities"].as_array()?;
    let resource = resources.iter().position(|it| it["cloudFormationType"] == patch.resource.as_str())?;
    let holder = match &patch.nested {
        None => &mut schema["resource"]["entities"][resource],
        Some(nested) => {
            let id = schema["resource"]["entities"][resource]["$id"].as_str()?;
            let used: Vec<&str> =
                schema["usesType"]["forward"][id].as_array()?.iter().filter_map(|it| it["$id"].as_str()).collect();
            let types = schema["typeDefinition"]["entities"].as_array()?;
            let index = types.iter().position(|it| {
                it["name"] == nested.as_str() && it["$id"].as_str().is_some_and(|id| used.contains(&id))
            })?;
            &mut schema["typeDefinition"]["entities"][index]
        }
    };
    holder["properties"].get_mut(&patch.property)?.as_object_mut()
}

fn fail(reason: String) -> SourceError {
    SourceError::Content { path: "patches/l1.json".to_owned(), reason }
}
