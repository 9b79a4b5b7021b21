//! The attribute definitions of a DynamoDB table are exactly the attributes that its keys use.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::validate::{Finding, Rule};

pub(super) fn check(logical_id: &str, properties: &Map<String, Value>, findings: &mut Vec<Finding>) {
    let Some((defined, used)) = attributes(properties) else { return };
    for attribute in used.difference(&defined) {
        let message = format!("the key attribute `{attribute}` is not defined");
        let finding = Finding::new(Rule::TableKey, logical_id, "AttributeDefinitions", message);
        findings.push(finding.expected(format!("a definition of `{attribute}`")));
    }
    for attribute in defined.difference(&used) {
        let message = format!("the attribute `{attribute}` is defined but no key uses it");
        findings.push(Finding::new(Rule::TableKey, logical_id, "AttributeDefinitions", message));
    }
}

/// The defined and the used attributes; none if a part of them is not known.
fn attributes(properties: &Map<String, Value>) -> Option<(BTreeSet<&str>, BTreeSet<&str>)> {
    let defined = names(properties.get("AttributeDefinitions")?)?;
    let mut used = names(properties.get("KeySchema")?)?;
    for indexes in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        let Some(indexes) = properties.get(indexes) else { continue };
        for index in indexes.as_array()? {
            used.extend(names(index.get("KeySchema")?)?);
        }
    }
    Some((defined, used))
}

fn names(list: &Value) -> Option<BTreeSet<&str>> {
    list.as_array()?.iter().map(|item| item.get("AttributeName")?.as_str()).collect()
}
