//! Writes `xacct-schema/data/actions.bin`: IAM's services, actions, resources and condition keys.

use std::collections::BTreeMap;

use indexmap::IndexSet;
use serde_json::Value;
use xacct_schema::layout::actions as layout;

use crate::Output;
use crate::source::{IAM_DATA, SourceError, Sources};

/// Where the table is written.
pub const TABLE: &str = "xacct-schema/data/actions.bin";
/// Where its strings are written.
pub const STRINGS: &str = "xacct-schema/data/actions.txt";

/// Writes the table.
pub fn generate(sources: &Sources) -> Result<Output, SourceError> {
    let archive = sources.archive(&IAM_DATA)?;
    let titles = archive.json("data/serviceNames.json")?;
    let services = archive.json("data/services.json")?;
    let mut services: Vec<&str> = services.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    services.sort_unstable();
    let mut table = Table::default();
    for service in services {
        let read = |kind: &str| archive.json(&format!("data/{kind}/{service}.json"));
        let title = titles[service].as_str().unwrap_or(service);
        table.service(service, title, &read("actions")?, &read("resourceTypes")?, &read("conditionKeys")?)?;
    }
    let (table, strings) = table.write();
    Ok(Output::from([(TABLE.to_owned(), table), (STRINGS.to_owned(), strings)]))
}

#[derive(Default)]
struct Table {
    strings: IndexSet<String>,
    lists: IndexSet<Vec<u32>>,
    services: Vec<u32>,
    actions: Vec<u32>,
    resources: Vec<u32>,
    keys: Vec<u32>,
}

impl Table {
    fn service(
        &mut self,
        prefix: &str,
        title: &str,
        actions: &Value,
        resources: &Value,
        keys: &Value,
    ) -> Result<(), SourceError> {
        let first = [
            self.actions.len() / layout::ACTION_FIELDS,
            self.resources.len() / layout::RESOURCE_FIELDS,
            self.keys.len() / layout::KEY_FIELDS,
        ];
        for action in sorted(actions, "name").values() {
            self.action(prefix, action)?;
        }
        for (name, resource) in sorted(resources, "key") {
            let record =
                [self.string(&name), self.string(text(&resource["arn"])), self.names(&resource["conditionKeys"])];
            self.resources.extend(record);
        }
        for key in sorted(keys, "key").values() {
            let record = [self.string(text(&key["key"])), self.string(text(&key["type"]))];
            self.keys.extend(record);
        }
        let counts = [
            self.actions.len() / layout::ACTION_FIELDS - first[0],
            self.resources.len() / layout::RESOURCE_FIELDS - first[1],
            self.keys.len() / layout::KEY_FIELDS - first[2],
        ];
        let (prefix, title) = (self.string(prefix), self.string(title));
        self.services.extend([prefix, title]);
        for (first, count) in first.into_iter().zip(counts) {
            self.services.extend([first as u32, count as u32]);
        }
        Ok(())
    }

    fn action(&mut self, prefix: &str, action: &Value) -> Result<(), SourceError> {
        let name = text(&action["name"]);
        let level = match text(&action["accessLevel"]) {
            "List" => 0,
            "Read" => 1,
            "Write" => 2,
            "Tagging, Write" | "Tagging" => 3,
            "Permissions management, Write" | "Permissions management" => 4,
            other => {
                return Err(SourceError::Content {
                    path: format!("data/actions/{prefix}.json"),
                    reason: format!("`{name}` has the unknown access level `{other}`"),
                });
            }
        };
        let mut resources = [Vec::new(), Vec::new()];
        let mut keys: Vec<&Value> = vec![&action["conditionKeys"]];
        let mut dependent: Vec<&Value> = vec![&action["dependentActions"]];
        for resource in action["resourceTypes"].as_array().into_iter().flatten() {
            resources[usize::from(resource["required"] != true)].push(text(&resource["name"]).to_owned());
            keys.push(&resource["conditionKeys"]);
            dependent.push(&resource["dependentActions"]);
        }
        let [required, other] = resources;
        let record = [
            self.string(&format!("{prefix}:{name}")),
            level,
            self.list(required),
            self.list(other),
            self.union(&keys),
            self.union(&dependent),
        ];
        self.actions.extend(record);
        Ok(())
    }

    fn string(&mut self, text: &str) -> u32 {
        match self.strings.get_index_of(text) {
            Some(index) => index as u32,
            None => self.strings.insert_full(text.to_owned()).0 as u32,
        }
    }

    fn list(&mut self, items: Vec<String>) -> u32 {
        let items = items.iter().map(|item| self.string(item)).collect();
        self.lists.insert_full(items).0 as u32
    }

    fn names(&mut self, value: &Value) -> u32 {
        self.union(&[value])
    }

    fn union(&mut self, values: &[&Value]) -> u32 {
        let mut names: Vec<String> = values
            .iter()
            .flat_map(|value| value.as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        self.list(names)
    }

    fn write(self) -> (Vec<u8>, Vec<u8>) {
        let mut strings = Vec::new();
        let mut string_offsets = vec![0];
        for text in &self.strings {
            strings.extend(text.as_bytes());
            strings.push(b'\n');
            string_offsets.push(strings.len() as u32);
        }
        let mut list_offsets = vec![0];
        let mut list_items = Vec::new();
        for list in &self.lists {
            list_items.extend(list);
            list_offsets.push(list_items.len() as u32);
        }
        let sections: [Vec<u32>; layout::SECTIONS] =
            [string_offsets, list_offsets, list_items, self.services, self.actions, self.resources, self.keys];
        let mut header = Vec::new();
        let mut at = layout::SECTIONS * 8;
        for section in &sections {
            header.extend([at as u32, section.len() as u32 * 4]);
            at += section.len() * 4;
        }
        let words = header.into_iter().chain(sections.into_iter().flatten());
        (words.flat_map(u32::to_le_bytes).collect(), strings)
    }
}

/// The entries by their name in lower case.
fn sorted<'v>(entries: &'v Value, name: &str) -> BTreeMap<String, &'v Value> {
    let entries = entries.as_object().into_iter().flatten();
    entries.map(|(_, entry)| (text(&entry[name]).to_lowercase(), entry)).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
