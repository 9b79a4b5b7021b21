//! The parts of a template around the properties of its resources.

use serde_json::{Map, Value};

use super::names::{Names, get};
use super::{Finding, Rule};
use crate::nearest::nearest;

const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Hooks",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
];

const RESOURCE_ATTRIBUTES: [&str; 10] = [
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "Metadata",
    "Properties",
    "Type",
    "UpdatePolicy",
    "UpdateReplacePolicy",
    "Version",
];

const PARAMETER_ATTRIBUTES: [&str; 11] = [
    "AllowedPattern",
    "AllowedValues",
    "ConstraintDescription",
    "Default",
    "Description",
    "MaxLength",
    "MaxValue",
    "MinLength",
    "MinValue",
    "NoEcho",
    "Type",
];

const OUTPUT_ATTRIBUTES: [&str; 4] = ["Condition", "Description", "Export", "Value"];

/// Types whose resources CloudFormation can take a snapshot of before it deletes them.
const WITH_SNAPSHOTS: [&str; 8] = [
    "AWS::DocDB::DBCluster",
    "AWS::EC2::Volume",
    "AWS::ElastiCache::CacheCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::Neptune::DBCluster",
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::Redshift::Cluster",
];

pub(super) fn check(sections: &Map<String, Value>, names: &Names<'_>, findings: &mut Vec<Finding>) {
    let mut check = Check { names, extended: super::has_language_extensions(sections), findings };
    check.keys("", "", sections, &SECTIONS, "a template has no section");
    if let Some(version) = sections.get("AWSTemplateFormatVersion")
        && version != "2010-09-09"
    {
        check.report(
            "",
            "AWSTemplateFormatVersion",
            "there is only one version of templates".to_owned(),
            "`2010-09-09`",
        );
    }
    match sections.get("Resources") {
        Some(Value::Object(resources)) if !resources.is_empty() => {
            resources.iter().for_each(|(logical_id, declaration)| check.resource(logical_id, declaration));
        }
        _ => check.report("", "Resources", "a template must have resources".to_owned(), "an object with resources"),
    }
    for (name, parameter) in section(sections, "Parameters") {
        check.parameter(name, parameter);
    }
    for (name, output) in section(sections, "Outputs") {
        check.output(name, output);
    }
}

fn section<'t>(sections: &'t Map<String, Value>, name: &str) -> impl Iterator<Item = (&'t String, &'t Value)> {
    sections.get(name).and_then(Value::as_object).into_iter().flatten()
}

struct Check<'t, 'f> {
    names: &'t Names<'t>,
    extended: bool,
    findings: &'f mut Vec<Finding>,
}

impl Check<'_, '_> {
    fn resource(&mut self, logical_id: &str, declaration: &Value) {
        if logical_id.starts_with("Fn::") {
            return;
        }
        self.logical_id(logical_id, "");
        let Some(declaration) = declaration.as_object() else {
            return self.report(logical_id, "", "a resource is an object".to_owned(), "an object with `Type`");
        };
        self.keys(logical_id, "", declaration, &RESOURCE_ATTRIBUTES, "a resource has no attribute");
        match get(declaration, "Type") {
            Some(Value::String(_)) => {}
            _ => self.report(logical_id, "Type", "a resource must have a type".to_owned(), "such as `AWS::S3::Bucket`"),
        }
        self.depends_on(logical_id, declaration);
        self.condition(logical_id, "Condition", declaration);
        self.policies(logical_id, declaration);
    }

    fn depends_on(&mut self, logical_id: &str, declaration: &Map<String, Value>) {
        let dependencies = match get(declaration, "DependsOn") {
            None => return,
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        for dependency in dependencies {
            let Some(name) = dependency.as_str() else {
                self.report(logical_id, "DependsOn", "`DependsOn` takes no functions".to_owned(), "logical ids");
                continue;
            };
            if self.names.index(name).is_none() {
                let message = format!("there is no resource `{name}`");
                let finding = Finding::new(Rule::UnknownDependency, logical_id, "DependsOn", message);
                self.findings.push(finding.nearest(self.names.nearest_resource(name)));
            }
        }
    }

    fn condition(&mut self, logical_id: &str, path: &str, declaration: &Map<String, Value>) {
        match get(declaration, "Condition") {
            None => {}
            Some(Value::String(name)) if self.names.has_condition(name) => {}
            Some(Value::String(name)) => {
                let message = format!("there is no condition `{name}`");
                let finding = Finding::new(Rule::UnknownCondition, logical_id, path, message);
                self.findings.push(finding.nearest(self.names.nearest_condition(name)));
            }
            Some(_) => {
                self.report(logical_id, path, "`Condition` takes no functions".to_owned(), "the name of a condition")
            }
        }
    }

    fn policies(&mut self, logical_id: &str, declaration: &Map<String, Value>) {
        let kind = get(declaration, "Type").and_then(Value::as_str).unwrap_or_default();
        for (attribute, values) in [
            ("DeletionPolicy", ["Delete", "Retain", "RetainExceptOnCreate", "Snapshot"].as_slice()),
            ("UpdateReplacePolicy", ["Delete", "Retain", "Snapshot"].as_slice()),
        ] {
            let Some(value) = get(declaration, attribute) else { continue };
            if value.is_object() && self.extended {
                continue;
            }
            let text = value.as_str().unwrap_or_default();
            if !values.contains(&text) {
                let message = format!("`{attribute}` cannot be {value}");
                let finding = Finding::new(Rule::Structure, logical_id, attribute, message);
                let finding = finding.expected(format!("one of `{}`", values.join("`, `")));
                self.findings.push(finding.nearest(nearest(text, values.iter().copied())));
            } else if text == "Snapshot" && kind.starts_with("AWS::") && !WITH_SNAPSHOTS.contains(&kind) {
                let message = format!("there are no snapshots of `{kind}`");
                self.report(logical_id, attribute, message, "`Delete` or `Retain`");
            }
        }
    }

    fn parameter(&mut self, name: &str, parameter: &Value) {
        let path = format!("Parameters.{name}");
        self.logical_id(name, &path);
        let Some(parameter) = parameter.as_object() else {
            return self.report("", &path, "a parameter is an object".to_owned(), "an object with `Type`");
        };
        self.keys("", &path, parameter, &PARAMETER_ATTRIBUTES, "a parameter has no attribute");
        let type_path = format!("{path}.Type");
        match parameter.get("Type").and_then(Value::as_str) {
            Some(kind) if is_parameter_type(kind) => {}
            Some(kind) => {
                let message = format!("there is no parameter type `{kind}`");
                let finding = Finding::new(Rule::Structure, "", type_path, message);
                self.findings.push(finding.nearest(nearest(kind, ["String", "Number", "CommaDelimitedList"])));
            }
            None => self.report("", &type_path, "a parameter must have a type".to_owned(), "such as `String`"),
        }
        self.default(&path, parameter);
    }

    /// CloudFormation refuses a default that the parameter's own limits rule out.
    fn default(&mut self, path: &str, parameter: &Map<String, Value>) {
        let plain = |value: &Value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let (Some(default), Some("String" | "Number")) =
            (parameter.get("Default"), parameter.get("Type").and_then(Value::as_str))
        else {
            return;
        };
        let default = plain(default);
        if let Some(allowed) = parameter.get("AllowedValues").and_then(Value::as_array) {
            let allowed: Vec<String> = allowed.iter().map(plain).collect();
            if !allowed.contains(&default) {
                let message = format!("the default `{default}` is not allowed");
                let expected = format!("one of `{}`", allowed.join("`, `"));
                self.report("", &format!("{path}.Default"), message, &expected);
            }
        }
    }

    fn output(&mut self, name: &str, output: &Value) {
        if name.starts_with("Fn::") {
            return;
        }
        let path = format!("Outputs.{name}");
        self.logical_id(name, &path);
        let Some(output) = output.as_object() else {
            return self.report("", &path, "an output is an object".to_owned(), "an object with `Value`");
        };
        self.keys("", &path, output, &OUTPUT_ATTRIBUTES, "an output has no attribute");
        if output.get("Value").is_none() {
            self.report("", &path, "an output must have a value".to_owned(), "`Value`");
        }
        self.condition("", &format!("{path}.Condition"), output);
    }

    fn logical_id(&mut self, name: &str, path: &str) {
        let right = name.len() <= 255 && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !right {
            let message = format!("`{name}` is not a right name");
            let logical_id = if path.is_empty() { name } else { "" };
            self.report(logical_id, path, message, "1 to 255 letters and digits");
        }
    }

    fn keys(&mut self, logical_id: &str, path: &str, map: &Map<String, Value>, known: &[&str], message: &str) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str()) && !key.starts_with("Fn::")) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let finding = Finding::new(Rule::Structure, logical_id, path, format!("{message} `{key}`"));
            self.findings.push(finding.nearest(nearest(key, known.iter().copied())));
        }
    }

    fn report(&mut self, logical_id: &str, path: &str, message: String, expected: &str) {
        self.findings.push(Finding::new(Rule::Structure, logical_id, path, message).expected(expected));
    }
}

fn is_parameter_type(kind: &str) -> bool {
    let inner = kind.strip_prefix("List<").and_then(|rest| rest.strip_suffix('>'));
    matches!(kind, "String" | "Number" | "CommaDelimitedList")
        || inner == Some("Number")
        || inner.unwrap_or(kind).starts_with("AWS::")
}
