//! cfn-lint's provider schemas: per resource type, the JSON schema that AWS publishes, with formats that name what a text identifies.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::source::{Archive, SourceError};

const FOLDER: &str = "cfnlint/data/schemas/";

/// The schema of every type that some region has.
pub(super) fn read(archive: &Archive) -> Result<BTreeMap<String, Value>, SourceError> {
    let providers = format!("{FOLDER}providers/");
    let regions: Vec<&str> =
        archive.under(&providers).map(|(path, _)| path).filter(|it| it.ends_with(".json")).collect();
    // us-east-1 first: another region's schema counts only for types that it lacks.
    let home = format!("{providers}us-east-1.json");
    let mut schemas = BTreeMap::new();
    for region in std::iter::once(home.as_str()).chain(regions) {
        for (cfn_type, file) in archive.json(region)?.as_object().into_iter().flatten() {
            let Some(file) = file.as_str().filter(|_| !schemas.contains_key(cfn_type)) else { continue };
            schemas.insert(cfn_type.clone(), archive.json(&format!("{FOLDER}resources/{file}.json"))?);
        }
    }
    Ok(schemas)
}

/// A place in a schema, with the schema it is in, for references.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    root: &'a Value,
    at: &'a Value,
}

impl<'a> Place<'a> {
    pub(super) fn root(schema: &'a Value) -> Self {
        Self { root: schema, at: schema }
    }

    /// The schema of a property.
    pub(super) fn property(self, name: &str) -> Option<Self> {
        self.step(|at| at.get("properties")?.get(name))
    }

    /// The schema of a list's items or a map's values.
    pub(super) fn element(self) -> Option<Self> {
        self.step(|at| at.get("items").or_else(|| at.get("patternProperties")?.as_object()?.values().next()))
    }

    /// The formats that a text here may have: `AWS::KMS::Key.Arn`.
    pub(super) fn formats(self) -> Vec<&'a str> {
        let here = self.at.get("format").into_iter();
        let choices = ["anyOf", "oneOf"].iter().filter_map(|it| self.at.get(*it)?.as_array()).flatten();
        here.chain(choices.filter_map(|it| it.get("format")))
            .filter_map(Value::as_str)
            .filter(|it| it.contains("::"))
            .collect()
    }

    /// Whether an object here must have the property.
    pub(super) fn requires(self, name: &str) -> bool {
        self.at.get("required").and_then(Value::as_array).is_some_and(|it| it.iter().any(|it| it == name))
    }

    fn step(self, step: impl FnOnce(&'a Value) -> Option<&'a Value>) -> Option<Self> {
        let mut at = step(self.at)?;
        for _ in 0..8 {
            let Some(reference) = at.get("$ref").and_then(Value::as_str) else { break };
            at = self.root.pointer(reference.trim_start_matches('#'))?;
        }
        Some(Self { root: self.root, at })
    }
}
