//! A template as CloudFormation reads it: its sections, what its resources depend on, and the errors that are found before
//! anything is done.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::{Map, Value};

/// A template.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) description: Option<String>,
    pub(super) parameters: IndexMap<String, Parameter>,
    pub(super) mappings: Value,
    pub(super) conditions: IndexMap<String, Value>,
    pub(super) rules: IndexMap<String, Value>,
    pub(super) resources: IndexMap<String, Definition>,
    pub(super) outputs: IndexMap<String, OutputDefinition>,
    pub(super) has_transform: bool,
}

/// A parameter, as it is declared.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) kind: String,
    pub(super) default: Option<String>,
    pub(super) no_echo: bool,
    declaration: Value,
}

/// A resource, as it is declared.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) resource_type: String,
    pub(super) properties: Value,
    pub(super) condition: Option<String>,
    pub(super) metadata: Value,
    pub(super) deletion_policy: Option<String>,
    pub(super) update_replace_policy: Option<String>,
    /// What must exist before it: `DependsOn` and everything it refers to.
    pub(super) needs: BTreeSet<String>,
}

/// An output, as it is declared.
#[derive(Clone, Debug)]
pub(super) struct OutputDefinition {
    pub(super) value: Value,
    pub(super) description: Option<String>,
    pub(super) export: Option<Value>,
    pub(super) condition: Option<String>,
}

const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Mappings",
    "Conditions",
    "Rules",
    "Resources",
    "Outputs",
    "Transform",
    "Hooks",
];
const RESOURCE_KEYS: [&str; 9] = [
    "Type",
    "Properties",
    "Condition",
    "Metadata",
    "DependsOn",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "CreationPolicy",
    "UpdatePolicy",
];
const MAX_RESOURCES: usize = 500;
const MAX_PARAMETERS: usize = 200;
const MAX_OUTPUTS: usize = 200;
const MAX_MAPPINGS: usize = 200;

impl Template {
    pub(super) fn empty() -> Self {
        Self {
            description: None,
            parameters: IndexMap::new(),
            mappings: Value::Null,
            conditions: IndexMap::new(),
            rules: IndexMap::new(),
            resources: IndexMap::new(),
            outputs: IndexMap::new(),
            has_transform: false,
        }
    }

    /// Reads a template, or says in CloudFormation's words what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("Template format error: JSON not well-formed. (line {line}, column {column})")
        })?;
        let Value::Object(sections) = &document else {
            return Err("Template format error: unsupported structure.".to_owned());
        };
        let unknown: Vec<&str> = sections.keys().map(String::as_str).filter(|key| !SECTIONS.contains(key)).collect();
        if !unknown.is_empty() {
            return Err(format!("Invalid template property or properties [{}]", unknown.join(", ")));
        }
        let template = Self {
            description: text_of(sections.get("Description")),
            parameters: section(sections, "Parameters")?
                .map(|(name, declaration)| (name.clone(), Parameter::new(declaration)))
                .collect(),
            mappings: sections.get("Mappings").cloned().unwrap_or_default(),
            conditions: section(sections, "Conditions")?
                .map(|(name, condition)| (name.clone(), condition.clone()))
                .collect(),
            rules: section(sections, "Rules")?.map(|(name, rule)| (name.clone(), rule.clone())).collect(),
            resources: section(sections, "Resources")?
                .map(|(name, declaration)| Ok((name.clone(), Definition::new(name, declaration)?)))
                .collect::<Result<_, String>>()?,
            outputs: section(sections, "Outputs")?
                .map(|(name, declaration)| Ok((name.clone(), OutputDefinition::new(name, declaration)?)))
                .collect::<Result<_, String>>()?,
            has_transform: sections.contains_key("Transform"),
        };
        template.check_limits()?;
        template.check_references()?;
        template.check_cycles()?;
        Ok(template)
    }

    fn check_limits(&self) -> Result<(), String> {
        if self.resources.is_empty() {
            return Err("Template format error: At least one Resources member must be defined.".to_owned());
        }
        let mappings = self.mappings.as_object().map_or(0, Map::len);
        for (what, count, most) in [
            ("resources", self.resources.len(), MAX_RESOURCES),
            ("parameters", self.parameters.len(), MAX_PARAMETERS),
            ("outputs", self.outputs.len(), MAX_OUTPUTS),
            ("mappings", mappings, MAX_MAPPINGS),
        ] {
            if count > most {
                return Err(format!(
                    "Template format error: Number of {what}, {count}, is greater than maximum allowed, {most}"
                ));
            }
        }
        Ok(())
    }

    fn check_references(&self) -> Result<(), String> {
        let mut missing = BTreeSet::new();
        for definition in self.resources.values() {
            missing.extend(definition.needs.iter().filter(|name| !self.knows(name)).cloned());
        }
        if !missing.is_empty() {
            return Err(unresolved(&missing, "Resources"));
        }
        for output in self.outputs.values() {
            let mut names = references(&output.value);
            names.extend(output.export.iter().flat_map(references));
            missing.extend(names.into_iter().filter(|name| !self.knows(name)));
        }
        if !missing.is_empty() {
            return Err(unresolved(&missing, "Outputs"));
        }
        let conditions = self
            .resources
            .values()
            .filter_map(|definition| definition.condition.as_ref())
            .chain(self.outputs.values().filter_map(|output| output.condition.as_ref()));
        for condition in conditions {
            if !self.conditions.contains_key(condition) {
                return Err(format!(
                    "Template format error: Unresolved condition dependency {condition} in the Resources block of the template"
                ));
            }
        }
        Ok(())
    }

    /// Checks that every attribute that is asked for exists.
    pub(super) fn check_attributes(&self) -> Result<(), String> {
        let mut missing = None;
        let mut look = |name: &str, attribute: Option<&str>| {
            let definition = self.resources.get(name).filter(|_| missing.is_none());
            let schema = definition.and_then(|it| xacct_schema::resource_type(&it.resource_type));
            if let (Some(schema), Some(attribute)) = (schema, attribute)
                && !attribute.is_empty()
                && !schema.has_attribute(attribute)
            {
                missing = Some(super::physical::no_such_attribute(name, attribute));
            }
        };
        let properties = self.resources.values().map(|definition| &definition.properties);
        let outputs = self.outputs.values().flat_map(|output| Some(&output.value).into_iter().chain(&output.export));
        properties.chain(outputs).for_each(|value| visit_references(value, &mut look));
        missing.map_or(Ok(()), Err)
    }

    fn knows(&self, name: &str) -> bool {
        name.starts_with("AWS::") || self.resources.contains_key(name) || self.parameters.contains_key(name)
    }

    fn check_cycles(&self) -> Result<(), String> {
        let order = self.order();
        if order.len() == self.resources.len() {
            return Ok(());
        }
        let mut names: Vec<&str> =
            self.resources.keys().map(String::as_str).filter(|name| !order.contains(name)).collect();
        names.sort_unstable();
        Err(format!("Circular dependency between resources: [{}]", names.join(", ")))
    }

    /// The resources, each after all that it needs; those on a cycle are left out.
    pub(super) fn order(&self) -> indexmap::IndexSet<&str> {
        let mut open: BTreeMap<&str, usize> = BTreeMap::new();
        let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, definition) in &self.resources {
            let needs = definition.needs.iter().filter(|need| self.resources.contains_key(*need));
            open.insert(name, needs.clone().count());
            for need in needs {
                dependents.entry(need).or_default().push(name);
            }
        }
        let mut ready: std::collections::VecDeque<&str> =
            self.resources.keys().map(String::as_str).filter(|name| open[name] == 0).collect();
        let mut order = indexmap::IndexSet::new();
        while let Some(name) = ready.pop_front() {
            order.insert(name);
            for dependent in dependents.get(name).into_iter().flatten() {
                if let Some(count) = open.get_mut(dependent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push_back(dependent);
                    }
                }
            }
        }
        order
    }

    /// The capability that must be acknowledged, if one must.
    pub(super) fn capability(&self) -> Option<&'static str> {
        if self.has_transform {
            return Some("CAPABILITY_AUTO_EXPAND");
        }
        let mut needed = None;
        for definition in self.resources.values() {
            let name = match definition.resource_type.as_str() {
                "AWS::IAM::Role" => "RoleName",
                "AWS::IAM::User" => "UserName",
                "AWS::IAM::Group" => "GroupName",
                "AWS::IAM::ManagedPolicy" => "ManagedPolicyName",
                "AWS::IAM::InstanceProfile" => "InstanceProfileName",
                "AWS::IAM::Policy"
                | "AWS::IAM::AccessKey"
                | "AWS::IAM::UserToGroupAddition"
                | "AWS::IAM::RolePolicy"
                | "AWS::IAM::UserPolicy"
                | "AWS::IAM::GroupPolicy" => "",
                _ => continue,
            };
            if definition.properties.get(name).is_some() {
                return Some("CAPABILITY_NAMED_IAM");
            }
            needed = Some("CAPABILITY_IAM");
        }
        needed
    }
}

fn unresolved(names: &BTreeSet<String>, block: &str) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    format!(
        "Template format error: Unresolved resource dependencies [{}] in the {block} block of the template",
        names.join(", ")
    )
}

fn section<'a>(
    sections: &'a Map<String, Value>,
    name: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)> + use<'a>, String> {
    match sections.get(name) {
        None => Ok(None.into_iter().flatten()),
        Some(Value::Object(map)) => Ok(Some(map).into_iter().flatten()),
        Some(_) => Err(format!("Template format error: {name} must be an object.")),
    }
}

fn text_of(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

impl Definition {
    fn new(name: &str, declaration: &Value) -> Result<Self, String> {
        if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(format!("Template format error: Resource name {name} is non alphanumeric."));
        }
        let Some(declaration) = declaration.as_object() else {
            return Err(format!("Template format error: [/Resources/{name}] resource definition is malformed"));
        };
        if let Some(key) = declaration.keys().find(|key| !RESOURCE_KEYS.contains(&key.as_str())) {
            return Err(format!("Invalid template resource property '{key}'"));
        }
        let Some(resource_type) = text_of(declaration.get("Type")) else {
            return Err(format!(
                "Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
            ));
        };
        let properties = declaration.get("Properties").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        let mut needs = references(&properties);
        match declaration.get("DependsOn") {
            Some(Value::String(other)) => {
                needs.insert(other.clone());
            }
            Some(Value::Array(others)) => {
                needs.extend(others.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
        Ok(Self {
            resource_type,
            properties,
            condition: text_of(declaration.get("Condition")),
            metadata: declaration.get("Metadata").cloned().unwrap_or_default(),
            deletion_policy: text_of(declaration.get("DeletionPolicy")),
            update_replace_policy: text_of(declaration.get("UpdateReplacePolicy")),
            needs,
        })
    }
}

impl OutputDefinition {
    fn new(name: &str, declaration: &Value) -> Result<Self, String> {
        let Some(value) = declaration.get("Value") else {
            return Err(format!("Template format error: Output {name} must contain a Value member."));
        };
        Ok(Self {
            value: value.clone(),
            description: text_of(declaration.get("Description")),
            export: declaration.get("Export").and_then(|export| export.get("Name")).cloned(),
            condition: text_of(declaration.get("Condition")),
        })
    }
}

impl Parameter {
    fn new(declaration: &Value) -> Self {
        Self {
            kind: text_of(declaration.get("Type")).unwrap_or_else(|| "String".to_owned()),
            default: declaration.get("Default").map(scalar_text),
            no_echo: matches!(declaration.get("NoEcho"), Some(Value::Bool(true)))
                || declaration.get("NoEcho").and_then(Value::as_str) == Some("true"),
            declaration: declaration.clone(),
        }
    }

    /// Whether its value is a list.
    pub(super) fn is_list(&self) -> bool {
        self.kind == "CommaDelimitedList"
            || self.kind.starts_with("List<")
            || self.kind.contains("<List<")
            || self.kind.contains("<CommaDelimitedList")
    }

    /// Whether its value is the name of a parameter in the parameter store, which has the value proper.
    pub(super) fn is_stored(&self) -> bool {
        self.kind.starts_with("AWS::SSM::Parameter::Value<")
    }

    /// Checks a value against the declaration.
    pub(super) fn check(&self, name: &str, value: &str) -> Result<(), String> {
        let custom = text_of(self.declaration.get("ConstraintDescription"));
        let fail = |message: String| match &custom {
            Some(custom) => Err(format!("Parameter {name} failed to satisfy constraint: {custom}")),
            None => Err(message),
        };
        let items: Vec<&str> = if self.is_list() { value.split(',').map(str::trim).collect() } else { vec![value] };
        let numeric = self.kind == "Number" || self.kind == "List<Number>";
        for item in items {
            if numeric && item.parse::<f64>().is_err() {
                return Err(format!("Parameter '{name}' must be a number."));
            }
            if let Some(allowed) = self.declaration.get("AllowedValues").and_then(Value::as_array)
                && !allowed.iter().any(|it| scalar_text(it) == item)
            {
                return fail(format!("Parameter '{name}' must be one of AllowedValues"));
            }
            if let Some(pattern) = self.declaration.get("AllowedPattern").and_then(Value::as_str)
                && !matches_whole(pattern, item)
            {
                return fail(format!("Parameter '{name}' must match pattern {pattern}"));
            }
            let length = item.chars().count();
            if self.bound("MinLength").is_some_and(|least| (length as f64) < least) {
                let least = self.bound("MinLength").unwrap_or_default();
                return fail(format!("Parameter '{name}' must contain at least {least} characters"));
            }
            if self.bound("MaxLength").is_some_and(|most| (length as f64) > most) {
                let most = self.bound("MaxLength").unwrap_or_default();
                return fail(format!("Parameter '{name}' must contain at most {most} characters"));
            }
            let number = item.parse::<f64>().unwrap_or_default();
            if numeric && self.bound("MinValue").is_some_and(|least| number < least) {
                let least = self.bound("MinValue").unwrap_or_default();
                return fail(format!("Parameter '{name}' must be a number not less than {least}"));
            }
            if numeric && self.bound("MaxValue").is_some_and(|most| number > most) {
                let most = self.bound("MaxValue").unwrap_or_default();
                return fail(format!("Parameter '{name}' must be a number not greater than {most}"));
            }
        }
        Ok(())
    }

    fn bound(&self, name: &str) -> Option<f64> {
        scalar_text(self.declaration.get(name)?).parse().ok()
    }
}

/// Whether the whole of a text matches; a pattern that this cannot compile matches everything.
fn matches_whole(pattern: &str, text: &str) -> bool {
    regex_lite::Regex::new(&format!("^(?:{pattern})$")).map_or(true, |regex| regex.is_match(text))
}

/// A scalar as CloudFormation turns it into text.
pub(super) fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The names of everything that a value refers to within its template.
pub(super) fn references(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    visit_references(value, &mut |name, _| {
        found.insert(name.to_owned());
    });
    found
}

/// Calls `seen` with each name that a value refers to, and with the attribute if it refers to one.
pub(super) fn visit_references<'a>(value: &'a Value, seen: &mut dyn FnMut(&'a str, Option<&'a str>)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit_references(item, seen)),
        Value::Object(map) => match call(value) {
            Some(("Ref", Value::String(name))) => seen(name, None),
            Some(("Fn::GetAtt", argument)) => match argument {
                Value::String(text) => {
                    let (name, attribute) = text.split_once('.').unwrap_or((text, ""));
                    seen(name, Some(attribute));
                }
                Value::Array(parts) => {
                    if let Some(name) = parts.first().and_then(Value::as_str) {
                        seen(name, Some(parts.get(1).and_then(Value::as_str).unwrap_or_default()));
                    }
                    parts.iter().skip(1).for_each(|part| visit_references(part, seen));
                }
                _ => {}
            },
            Some(("Fn::Sub", argument)) => {
                let (text, values) = match argument {
                    Value::Array(parts) => (parts.first(), parts.get(1)),
                    text => (Some(text), None),
                };
                if let Some(values) = values {
                    visit_references(values, seen);
                }
                for name in placeholders(text.and_then(Value::as_str).unwrap_or_default()) {
                    if values.and_then(|values| values.get(name)).is_some() {
                        continue;
                    }
                    match name.split_once('.') {
                        Some((name, attribute)) => seen(name, Some(attribute)),
                        None => seen(name, None),
                    }
                }
            }
            _ => map.values().for_each(|inner| visit_references(inner, seen)),
        },
        _ => {}
    }
}

/// The function that a value calls, and its argument.
pub(super) fn call(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object()?;
    let (name, argument) = map.iter().next().filter(|_| map.len() == 1)?;
    (name == "Ref" || name == "Condition" || name.starts_with("Fn::")).then_some((name.as_str(), argument))
}

/// The names in `${…}`; not those in `${!…}`.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| {
        let name = rest.split_once('}')?.0;
        (!name.starts_with('!')).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_wrong_in_the_words_of_the_service() {
        let check = |template: Value, message: &str| {
            assert_eq!(Template::parse(&template.to_string()).map(|_| ()), Err(message.to_owned()));
        };
        use serde_json::json;
        check(json!({}), "Template format error: At least one Resources member must be defined.");
        check(json!({"Resource": {}}), "Invalid template property or properties [Resource]");
        check(
            json!({"Resources": {"A": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "B"}}}}}),
            "Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
        );
        check(
            json!({"Resources": {
                "A": {"Type": "AWS::SNS::Topic", "DependsOn": "B"},
                "B": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Fn::Sub": "x-${A.TopicName}"}}},
                "C": {"Type": "AWS::SNS::Topic"}}}),
            "Circular dependency between resources: [A, B]",
        );
        check(
            json!({"Resources": {"A": {"Type": "AWS::SNS::Topic", "Propertys": {}}}}),
            "Invalid template resource property 'Propertys'",
        );
    }
}
