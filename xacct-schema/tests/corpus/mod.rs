//! Right templates, and wrong ones made from them: one mistake in each.

use serde_json::{Value, json};
use xacct_schema::validate::Rule;
use xacct_schema::{Kind, Property, ResourceType, resource_type};

/// A template with one mistake.
pub(crate) struct Case {
    /// What it is called in reports.
    pub(crate) name: String,
    /// The rule that must find it; none if it is known to be missed.
    pub(crate) rule: Option<Rule>,
    /// The template.
    pub(crate) template: Value,
}

/// Right templates with one resource each, of different types.
pub(crate) fn right() -> Vec<(String, Value)> {
    resources(include_str!("right.json")).into_iter().map(|resource| (kind_name(&resource), alone(resource))).collect()
}

/// Templates with one mistake each.
pub(crate) fn wrong() -> Vec<Case> {
    let mut cases = Vec::new();
    for (index, resource) in resources(include_str!("right.json")).into_iter().enumerate() {
        cases.extend(with_wrong_properties(&resource));
        cases.extend(with_wrong_template(&resource, index));
    }
    for mut resource in resources(include_str!("wrong.json")) {
        let rule = resource.as_object_mut().and_then(|map| map.shift_remove("rule")).unwrap();
        let rule = rule.as_str().map(|id| Rule::from_id(id).unwrap_or_else(|| panic!("no rule {id}")));
        let name = format!("{} by hand", kind_name(&resource));
        cases.push(Case { name, rule, template: alone(resource) });
    }
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for case in &mut cases {
        let count = seen.entry(case.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            case.name = format!("{} {count}", case.name);
        }
    }
    cases
}

fn resources(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn kind_name(resource: &Value) -> String {
    resource["Type"].as_str().unwrap().to_owned()
}

fn alone(resource: Value) -> Value {
    json!({ "Resources": { "It": resource } })
}

/// A change of one place in the properties.
struct Change {
    rule: Rule,
    path: Vec<String>,
    to: To,
}

enum To {
    Value(Value),
    Removed,
    Renamed(String),
}

/// For each rule about properties the first place at which it can be broken.
fn with_wrong_properties(resource: &Value) -> Vec<Case> {
    let kind = resource_type(resource["Type"].as_str().unwrap()).unwrap();
    if kind.has_any_attribute() {
        return Vec::new();
    }
    let mut changes = Vec::new();
    collect(kind.root(), &resource["Properties"], &mut Vec::new(), &mut changes);
    changes.extend(read_only(kind, resource));
    let mut used = Vec::new();
    let mut cases = Vec::new();
    for change in changes {
        if used.contains(&change.rule) {
            continue;
        }
        used.push(change.rule);
        let mut resource = resource.clone();
        apply(&mut resource["Properties"], &change.path, &change.to);
        let name = format!("{kind} {} {}", change.path.join("."), change.rule);
        cases.push(Case { name, rule: Some(change.rule), template: alone(resource) });
    }
    cases
}

fn collect(property: Property, value: &Value, path: &mut Vec<String>, changes: &mut Vec<Change>) {
    if !path.is_empty() {
        changes.extend(wrong_values(property, value).into_iter().map(|(rule, value)| Change {
            rule,
            path: path.clone(),
            to: To::Value(value),
        }));
        if property.is_required() && path.last().unwrap().parse::<usize>().is_err() {
            changes.push(Change { rule: Rule::MissingProperty, path: path.clone(), to: To::Removed });
        }
    }
    match (property.kind(), value) {
        (Kind::Object, Value::Object(map)) => {
            for (name, value) in map {
                let Some(inner) = property.properties().find(|inner| inner.name() == name) else { continue };
                path.push(name.clone());
                if path.len() == 1 && !inner.is_required() {
                    let renamed = To::Renamed(format!("{name}x"));
                    changes.push(Change { rule: Rule::UnknownProperty, path: path.clone(), to: renamed });
                }
                collect(inner, value, path, changes);
                path.pop();
            }
        }
        (Kind::List, Value::Array(items)) => {
            let Some(inner) = property.item() else { return };
            for (index, value) in items.iter().enumerate() {
                path.push(index.to_string());
                collect(inner, value, path, changes);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Values that this property must not have, by the rule that they break.
fn wrong_values(property: Property, value: &Value) -> Vec<(Rule, Value)> {
    let mut wrong = Vec::new();
    match (property.kind(), value) {
        (Kind::Object | Kind::List, _) => wrong.push((Rule::WrongType, json!("text"))),
        (Kind::Integer | Kind::Number | Kind::Boolean, _) => wrong.push((Rule::WrongType, json!("text"))),
        (Kind::String, Value::String(_)) => wrong.push((Rule::WrongType, json!({ "an": "object" }))),
        _ => {}
    }
    if let Value::String(text) = value {
        let allowed: Vec<&str> = property.allowed_values().collect();
        let other = if text.to_lowercase() == *text { text.to_uppercase() } else { text.to_lowercase() };
        if !allowed.is_empty() && !allowed.contains(&other.as_str()) && !property.ignores_case() {
            wrong.push((Rule::Enum, json!(other)));
        }
        let strange = "!! \u{7}~\\ ";
        let pattern = property.pattern().and_then(|pattern| regex::Regex::new(pattern).ok());
        if pattern.is_some_and(|pattern| !pattern.is_match(strange)) {
            wrong.push((Rule::Pattern, json!(strange)));
        }
        if let Some((_, Some(most))) = property.length()
            && most < 5000
        {
            wrong.push((Rule::Length, json!("a".repeat(most as usize + 1))));
        }
    }
    if let (Some((least, most)), true) = (property.range(), value.is_number()) {
        let beyond = if most.is_finite() { most + 1.0 } else { least - 1.0 };
        wrong.push((Rule::Range, json!(beyond as i64)));
    }
    if let Value::Array(items) = value {
        if property.item_count().is_some_and(|(least, _)| least > 0) {
            wrong.push((Rule::ItemCount, json!([])));
        }
        if property.has_unique_items() && !items.is_empty() {
            wrong.push((Rule::UniqueItems, json!([items[0], items[0]])));
        }
    }
    wrong
}

fn read_only(kind: ResourceType, resource: &Value) -> Option<Change> {
    let name = kind.read_only_properties().find(|name| {
        let kind = kind.property(&[name]).map(Property::kind);
        !name.contains('/') && resource["Properties"][name].is_null() && kind == Some(Kind::String)
    })?;
    let to = To::Value(json!("text-that-is-long-enough"));
    Some(Change { rule: Rule::ReadOnlyProperty, path: vec![name.to_owned()], to })
}

fn apply(properties: &mut Value, path: &[String], to: &To) {
    let (last, above) = path.split_last().unwrap();
    let parent = above.iter().fold(properties, |value, step| match step.parse::<usize>() {
        Ok(index) => &mut value[index],
        Err(_) => &mut value[step.as_str()],
    });
    match (parent, to) {
        (Value::Array(items), To::Value(value)) => items[last.parse::<usize>().unwrap()] = value.clone(),
        (Value::Object(map), To::Value(value)) => {
            map.insert(last.clone(), value.clone());
        }
        (Value::Object(map), To::Removed) => {
            map.shift_remove(last);
        }
        (Value::Object(map), To::Renamed(name)) => {
            let value = map.shift_remove(last).unwrap();
            map.insert(name.clone(), value);
        }
        _ => panic!("nothing at {path:?}"),
    }
}

/// Mistakes around the properties: a few for each type, so that each of them is made for several types.
fn with_wrong_template(resource: &Value, index: usize) -> Vec<Case> {
    let kind = resource_type(resource["Type"].as_str().unwrap()).unwrap();
    let conditions = json!({ "C": { "Fn::Equals": [{ "Ref": "AWS::Region" }, "eu-west-1"] } });
    let first = resource["Properties"].as_object().and_then(|map| map.keys().next()).unwrap().clone();
    let set = |value: Value| {
        let mut resource = resource.clone();
        resource["Properties"][&first] = value;
        alone(resource)
    };
    let with = |attribute: &str, value: Value| {
        let mut resource = resource.clone();
        resource[attribute] = value;
        alone(resource)
    };
    let output = |mut template: Value, value: Value| {
        template["Conditions"] = conditions.clone();
        template["Outputs"] = json!({ "Out": { "Value": value } });
        template
    };
    let wrong: Vec<(Rule, Value)> = vec![
        (Rule::UnknownResourceType, with("Type", json!(format!("{kind}x")))),
        (Rule::UnknownReference, set(json!({ "Ref": "Nowhere" }))),
        (Rule::UnknownReference, set(json!({ "Fn::Sub": "x-${Nowhere}" }))),
        (Rule::UnknownReference, set(json!({ "Fn::GetAtt": ["Nowhere", "Arn"] }))),
        (Rule::UnknownAttribute, output(alone(resource.clone()), json!({ "Fn::GetAtt": ["It", "NoSuchThing"] }))),
        (Rule::UnknownDependency, with("DependsOn", json!("Nowhere"))),
        (Rule::UnknownCondition, with("Condition", json!("Nowhere"))),
        (Rule::UnknownCondition, set(json!({ "Fn::If": ["Nowhere", "a", "b"] }))),
        (Rule::UnknownMapping, set(json!({ "Fn::FindInMap": ["Nowhere", "a", "b"] }))),
        (Rule::UnknownFunction, set(json!({ "Fn::Joined": ["", []] }))),
        (Rule::FunctionArgument, set(json!({ "Fn::Join": ["-"] }))),
        (Rule::FunctionArgument, set(json!({ "Fn::Select": [5, ["a", "b"]] }))),
        (Rule::Null, set(Value::Null)),
        (Rule::CircularDependency, with("DependsOn", json!("It"))),
        (Rule::ConditionalReference, output(with("Condition", json!("C")), json!({ "Ref": "It" }))),
        (Rule::Structure, with("DependOn", json!("Nowhere"))),
        (Rule::Structure, with("DeletionPolicy", json!("retain"))),
    ];
    let count = wrong.len();
    let chosen = [index % count, (index + count / 2) % count];
    wrong
        .into_iter()
        .enumerate()
        .filter(|(index, (rule, _))| {
            chosen.contains(index) && !(kind.has_any_attribute() && *rule == Rule::UnknownAttribute)
        })
        .map(|(_, (rule, template))| Case { name: format!("{kind} {rule}"), rule: Some(rule), template })
        .collect()
}
