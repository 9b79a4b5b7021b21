//! What is taken from the CDK's database: `Ref`, ARN templates, extra attributes, replacement.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::source::{Archive, SourceError};

/// The database, by resource type.
pub(super) struct Spec {
    /// Its entry for each resource type.
    pub(super) resources: BTreeMap<String, Value>,
    definitions: HashMap<String, Value>,
}

impl Spec {
    /// Reads the database.
    pub(super) fn read(archive: &Archive) -> Result<Self, SourceError> {
        let mut database = archive.json("db.json.gz")?;
        let mut entities = |kind: &str| match database["schema"][kind]["entities"].take() {
            Value::Array(entities) => entities,
            _ => Vec::new(),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let resources =
            entities("resource").into_iter().map(|entity| (text(&entity["cloudFormationType"]), entity)).collect();
        let definitions = entities("typeDefinition").into_iter().map(|entity| (text(&entity["$id"]), entity)).collect();
        Ok(Self { resources, definitions })
    }

    /// How many types, properties and attributes it has.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let entries = |resource: &Value, key: &str| resource[key].as_object().map_or(0, |map| map.len());
        let sum = |key: &str| self.resources.values().map(|resource| entries(resource, key)).sum();
        let nested = self.definitions.values().map(|definition| entries(definition, "properties")).sum();
        BTreeMap::from([
            ("resource types", self.resources.len()),
            ("properties", sum("properties")),
            ("attributes", sum("attributes")),
            ("nested types", self.definitions.len()),
            ("nested properties", nested),
        ])
    }

    /// What `Ref` returns, where it is not the primary identifier.
    pub(super) fn reference(&self, name: &str) -> Option<Vec<String>> {
        let names = self.resources.get(name)?["cfnRefIdentifier"].as_array()?;
        Some(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// The attributes of a type, each with a small schema.
    pub(super) fn attributes(&self, name: &str) -> Vec<(String, Value)> {
        let Some(attributes) = self.resources.get(name).and_then(|resource| resource["attributes"].as_object()) else {
            return Vec::new();
        };
        attributes.iter().map(|(attribute, entry)| (attribute.clone(), schema_of(&entry["type"]))).collect()
    }

    /// The pointers of properties whose change replaces the resource, and of those whose change may; `nested` also looks into objects.
    pub(super) fn replacements(&self, name: &str, nested: bool) -> (BTreeSet<String>, BTreeSet<String>) {
        let mut found = (BTreeSet::new(), BTreeSet::new());
        if let Some(resource) = self.resources.get(name) {
            self.walk(&resource["properties"], "", nested, &mut Vec::new(), &mut found);
            for path in resource["additionalReplacementProperties"].as_array().into_iter().flatten() {
                let steps: Vec<&str> = path.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                found.0.insert(steps.join("/"));
            }
        }
        found
    }

    fn walk(
        &self,
        properties: &Value,
        prefix: &str,
        nested: bool,
        above: &mut Vec<String>,
        found: &mut (BTreeSet<String>, BTreeSet<String>),
    ) {
        for (name, property) in properties.as_object().into_iter().flatten() {
            let path = format!("{prefix}{name}");
            match property["causesReplacement"].as_str() {
                Some("yes") => {
                    found.0.insert(path);
                    continue;
                }
                Some("maybe") => {
                    found.1.insert(path.clone());
                }
                _ => {}
            }
            if !nested {
                continue;
            }
            let (mut kind, mut path) = (&property["type"], path);
            while kind["element"].is_object() {
                kind = &kind["element"];
                path.push_str("/*");
            }
            let Some(id) = kind["reference"]["$ref"].as_str() else {
                continue;
            };
            if above.iter().any(|one| one == id) {
                continue;
            }
            if let Some(definition) = self.definitions.get(id) {
                above.push(id.to_owned());
                let inner = &definition["properties"];
                self.walk(inner, &format!("{path}/"), nested, above, found);
                above.pop();
            }
        }
    }
}

fn schema_of(kind: &Value) -> Value {
    match kind["type"].as_str() {
        Some("string" | "date-time") => json!({ "type": "string" }),
        Some(plain @ ("integer" | "number" | "boolean")) => json!({ "type": plain }),
        Some("array") => json!({ "type": "array", "items": schema_of(&kind["element"]) }),
        Some("map") => {
            json!({ "type": "object", "additionalProperties": schema_of(&kind["element"]) })
        }
        Some("ref" | "json" | "tag") => json!({ "type": "object" }),
        _ => json!({}),
    }
}
