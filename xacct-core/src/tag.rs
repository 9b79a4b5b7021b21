//! Tags that were set further up the tree, put on the resources that can have them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use xacct_schema::Kind;

/// Adds inherited tags to a resource's properties, where its type takes tags. A tag of the resource's own wins.
pub(crate) fn apply(cfn_type: &str, tags: &BTreeMap<&str, Option<&str>>, properties: &mut BTreeMap<String, Json>) {
    let Some((name, kind)) = tag_property(cfn_type) else { return };
    let set = tags.iter().filter_map(|(key, value)| Some((*key, (*value)?)));
    if kind == Kind::List {
        let Json::Array(list) = properties.entry(name.to_owned()).or_insert_with(|| json!([])) else { return };
        for (key, value) in set {
            if !list.iter().any(|it| it["Key"] == key) {
                list.push(json!({ "Key": key, "Value": value }));
            }
        }
        list.sort_by_cached_key(|it| it["Key"].to_string());
    } else {
        let Json::Object(map) = properties.entry(name.to_owned()).or_insert_with(|| json!({})) else { return };
        for (key, value) in set {
            map.entry(key).or_insert_with(|| value.into());
        }
    }
}

/// The property that holds a type's tags, and whether it is a list of keys and values or an object.
fn tag_property(cfn_type: &str) -> Option<(&'static str, Kind)> {
    let resource = xacct_schema::resource_type(cfn_type)?;
    let name = resource.tag_property()?;
    let property = resource.property(&[name])?;
    let plain = match property.kind() {
        Kind::List => {
            let item = property.item()?;
            item.properties().any(|it| it.name() == "Key") && item.properties().any(|it| it.name() == "Value")
        }
        Kind::Map | Kind::Json => true,
        _ => false,
    };
    plain.then(|| (name, property.kind()))
}
