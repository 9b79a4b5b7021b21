//! What the schemas do not say: schedules, runtimes, names, keys of tables, key policies.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::conditions::Conditions;
use super::intrinsic::{self, is_dynamic};
use super::names::{Names, get};
use super::{Finding, Rule};
use crate::layout::{NONE, RUNTIME_FIELDS, RUNTIMES, fact};
use crate::resource::ResourceType;
use crate::table;

mod key_policy;
mod schedule;
mod table_keys;

/// What is wrong within the properties of one resource.
pub(super) fn check(
    logical_id: &str,
    kind: ResourceType,
    properties: &Map<String, Value>,
    findings: &mut Vec<Finding>,
) {
    match kind.name() {
        "AWS::DynamoDB::Table" => table_keys::check(logical_id, properties, findings),
        "AWS::Events::Rule" => schedule::check(logical_id, properties, false, findings),
        "AWS::KMS::Key" => key_policy::check(logical_id, properties, findings),
        "AWS::Lambda::Function" => check_runtime(logical_id, properties, findings),
        "AWS::SNS::Topic" => check_fifo(logical_id, properties, "FifoTopic", "TopicName", findings),
        "AWS::SQS::Queue" => check_fifo(logical_id, properties, "FifoQueue", "QueueName", findings),
        "AWS::Scheduler::Schedule" => schedule::check(logical_id, properties, true, findings),
        _ => {}
    }
}

/// Text that is known as it stands.
fn literal<'t>(properties: &'t Map<String, Value>, name: &str) -> Option<&'t str> {
    get(properties, name).and_then(Value::as_str).filter(|text| !is_dynamic(text))
}

/// The day of the data stands for today, so that a template's findings do not change by themselves.
fn check_runtime(logical_id: &str, properties: &Map<String, Value>, findings: &mut Vec<Finding>) {
    let Some(runtime) = literal(properties, "Runtime") else { return };
    let today = table::string(table::word(crate::layout::FACTS, fact::DATE));
    for index in 0..table::words(RUNTIMES) / RUNTIME_FIELDS {
        let field = |field: usize| table::word(RUNTIMES, index * RUNTIME_FIELDS + field);
        if table::string(field(0)) != runtime {
            continue;
        }
        if field(2) != NONE && table::string(field(2)) <= today {
            let since = table::string(field(2));
            let message = format!("Lambda creates no functions with the runtime `{runtime}`, since {since}");
            let finding = Finding::new(Rule::RetiredRuntime, logical_id, "Runtime", message);
            findings.push(finding.nearest(table::maybe_string(field(4))));
        }
    }
}

fn check_fifo(
    logical_id: &str,
    properties: &Map<String, Value>,
    flag: &str,
    name_property: &str,
    findings: &mut Vec<Finding>,
) {
    let Some(name) = literal(properties, name_property) else { return };
    let fifo = match properties.get(flag) {
        None => Some(false),
        Some(Value::Bool(fifo)) => Some(*fifo),
        Some(Value::String(text)) => text.to_lowercase().parse().ok(),
        Some(_) => None,
    };
    let ends = name.ends_with(".fifo");
    match fifo {
        Some(true) if !ends => {
            let message = format!("the name `{name}` must end in `.fifo`, by `{flag}`");
            let finding = Finding::new(Rule::FifoName, logical_id, name_property, message);
            findings.push(finding.expected(format!("`{name}.fifo`")));
        }
        Some(false) if ends => {
            let message = format!("the name `{name}` ends in `.fifo` without `{flag}`");
            findings.push(
                Finding::new(Rule::FifoName, logical_id, name_property, message).expected(format!("`{flag}: true`")),
            );
        }
        _ => {}
    }
}

/// A type, and the values that tell one resource of it from another.
type Identity<'t> = (ResourceType, Vec<&'t str>);

/// Names that two resources of a type share.
pub(super) fn check_across(names: &Names<'_>, conditions: &Conditions<'_>, findings: &mut Vec<Finding>) {
    let mut seen: HashMap<Identity<'_>, Vec<(&str, Option<&str>)>> = HashMap::new();
    for resource in names.resources() {
        let Some(properties) = resource.properties().and_then(Value::as_object) else { continue };
        let identity = resource.kind.and_then(|kind| Some((kind, identity(kind, properties)?)));
        let Some((kind, identity)) = identity else { continue };
        let (logical_id, condition) = (resource.logical_id, resource.condition());
        let others = seen.entry((kind, identity)).or_default();
        let same = others.iter().find(|(_, other_condition)| {
            let both = [condition, *other_condition].into_iter().flatten();
            conditions.can_hold(&both.map(|name| (name, true)).collect::<Vec<_>>()) == Some(true)
        });
        if let Some((first, _)) = same {
            let names = identifying(kind);
            let values: Vec<&str> = names.iter().filter_map(|name| identifier(get(properties, name)?)).collect();
            let message = format!("`{first}` has the same name, `{}`", values.join("`, `"));
            findings.push(Finding::new(Rule::DuplicateName, logical_id, names.join(", "), message));
        }
        others.push((logical_id, condition));
    }
}

/// The properties that tell one resource of a type from another, if the template can set them all.
fn identifying(kind: ResourceType) -> Vec<&'static str> {
    let primary: Vec<&str> = kind.primary_identifier().collect();
    let settable = |name: &&str| !name.contains('/') && !kind.is_read_only(&[name]);
    if !primary.is_empty() && primary.iter().all(settable) {
        return primary;
    }
    // Two roles may each have an inline policy of the same name, although the source gives such a policy an ARN.
    if kind.name() == "AWS::IAM::Policy" {
        return Vec::new();
    }
    // A name that is not in the ARN need not be unique.
    let is_in_arn =
        kind.arn_template().is_some_and(|arn| arn.rsplit("${").next().is_some_and(|it| it.contains("Name")));
    kind.name_property().filter(|_| is_in_arn).into_iter().collect()
}

fn identity(kind: ResourceType, properties: &Map<String, Value>) -> Option<Vec<&str>> {
    let names = identifying(kind);
    let values: Option<Vec<&str>> = names.iter().map(|name| identifier(get(properties, name)?)).collect();
    values.filter(|values| !values.is_empty())
}

/// Text, or a reference, which is the same value wherever it stands.
fn identifier(value: &Value) -> Option<&str> {
    match intrinsic::intrinsic(value) {
        Some(("Ref", Value::String(name))) if name != "AWS::NoValue" => Some(name),
        Some(_) => None,
        None => value.as_str().filter(|text| !is_dynamic(text)),
    }
}
