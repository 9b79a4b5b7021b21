//! What a template comes to: parameters checked, conditions decided, values resolved; and what would change.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use xacct_schema::Replacement;

use super::elsewhere::Others;
use super::evaluate::{Look, Scope, equal, unknown};
use super::physical::{self, Owner};
use super::secret::Secrets;
use super::state::{Desired, ParameterSetting, Resource, Stack, State};
use super::template::{Definition, Template, scalar_text, visit_references};
use crate::cloudformation::{ChangeDetail, Environment, Output, ParameterValue, ResourceChange, StatusText};

/// Settles the parameters of a stack: given, previous or default, each checked.
pub(super) fn settle_parameters(
    state: &State,
    template: &Template,
    given: &[ParameterValue],
    previous: Option<&Desired>,
    environment: &Environment,
) -> Result<BTreeMap<String, ParameterSetting>, String> {
    let strangers: Vec<&str> =
        given.iter().map(|it| it.key.as_str()).filter(|key| !template.parameters.contains_key(*key)).collect();
    if !strangers.is_empty() {
        return Err(format!("Parameters: [{}] do not exist in the template", strangers.join(", ")));
    }
    let mut settled = BTreeMap::new();
    let mut missing = Vec::new();
    for (name, declaration) in &template.parameters {
        let setting = given.iter().find(|it| it.key == *name);
        let value = match setting {
            Some(ParameterValue { value: Some(value), .. }) => Some(value.clone()),
            Some(ParameterValue { value: None, .. }) => {
                if let Some(kept) = previous.and_then(|it| it.parameters.get(name)) {
                    settled.insert(name.clone(), kept.clone());
                    continue;
                }
                declaration.default.clone()
            }
            None => declaration.default.clone(),
        };
        let Some(value) = value else {
            missing.push(name.as_str());
            continue;
        };
        declaration.check(name, &value)?;
        let resolved = if declaration.is_stored() { Some(stored(state, environment, &value)?) } else { None };
        let value = if declaration.no_echo { state.secrets.seal(&value) } else { value };
        settled.insert(name.clone(), ParameterSetting { value, resolved, no_echo: declaration.no_echo });
    }
    if missing.is_empty() { Ok(settled) } else { Err(format!("Parameters: [{}] must have values", missing.join(", "))) }
}

/// A value of the parameter store.
fn stored(state: &State, environment: &Environment, name: &str) -> Result<String, String> {
    let by_hand = state.stored_parameters.iter().find(|it| it.environment == *environment && it.name == name);
    if let Some(found) = by_hand {
        return Ok(found.value.clone());
    }
    let stacks = state.stacks.values().filter(|stack| stack.environment == *environment);
    let mut made = stacks
        .flat_map(|stack| stack.resources.values())
        .filter(|resource| resource.exists() && resource.resource_type == "AWS::SSM::Parameter");
    made.find(|resource| resource.physical_id.as_deref() == Some(name))
        .and_then(|resource| resource.properties.get("Value"))
        .map(scalar_text)
        .ok_or_else(|| format!("Unable to fetch parameters [{name}] from parameter store for this account."))
}

/// Calls `f` with a scope in which a stack's template can be evaluated.
pub(super) fn with_scope<T>(
    state: &State,
    stack: &Stack,
    desired: &Desired,
    resource: &Look<'_>,
    f: impl FnOnce(&Scope<'_>) -> Result<T, String>,
) -> Result<(T, BTreeSet<String>), String> {
    let template = state.template(desired.template);
    let parameters = desired.parameters.iter().map(|(name, setting)| {
        let text = setting.resolved.as_ref().unwrap_or(&setting.value);
        let is_list = template.parameters.get(name).is_some_and(|it| it.is_list());
        let value = if is_list {
            text.split(',').map(|item| Value::String(item.trim().to_owned())).collect()
        } else {
            Value::String(text.clone())
        };
        (name.clone(), value)
    });
    let others = Others { state, stack_id: &stack.id };
    let mut scope = Scope {
        template: &template,
        environment: &stack.environment,
        stack_id: &stack.id,
        stack_name: &stack.name,
        notification_arns: &desired.notification_arns,
        parameters: parameters.collect(),
        conditions: BTreeMap::new(),
        resource,
        elsewhere: &others,
        secrets: &state.secrets,
        imports: RefCell::default(),
    };
    scope.evaluate_conditions()?;
    let result = f(&scope)?;
    Ok((result, scope.imports.into_inner()))
}

/// `Ref` and `Fn::GetAtt` of a resource that is there.
pub(super) fn look_at(
    state: &State,
    stack: &Stack,
    name: &str,
    resource: &Resource,
    attribute: Option<&str>,
) -> Result<Value, String> {
    let Some(id) = &resource.physical_id else {
        return Err(format!("Unresolved resource dependencies [{name}]"));
    };
    let Some(attribute) = attribute else {
        return Ok(Value::String(id.clone()));
    };
    if let Some(child) = resource.child.as_ref().and_then(|id| state.stacks.get(id))
        && let Some(output) = attribute.strip_prefix("Outputs.")
    {
        let found = child.outputs.iter().find(|it| it.key == output);
        return found
            .map(|it| Value::String(it.value.clone()))
            .ok_or_else(|| physical::no_such_attribute(name, attribute));
    }
    let owner =
        Owner { environment: &stack.environment, stack_name: &stack.name, logical_id: name, serial: resource.serial };
    physical::attribute(&owner, resource, attribute, &state.secrets)
}

/// The resources that a stack will have, by the conditions of its template.
pub(super) fn wanted(state: &State, stack: &Stack, desired: &Desired) -> Result<BTreeSet<String>, String> {
    let nothing = |name: &str, attribute: Option<&str>| Ok(unknown(name, attribute));
    let (names, _) = with_scope(state, stack, desired, &nothing, |scope| {
        let wanted = scope.template.resources.iter().filter(|(_, it)| scope.is_wanted(it.condition.as_ref()));
        Ok(wanted.map(|(name, _)| name.clone()).collect())
    })?;
    Ok(names)
}

/// Resolves the outputs.
pub(super) fn outputs(scope: &Scope<'_>) -> Result<Vec<Output>, String> {
    let mut outputs = Vec::new();
    for (key, definition) in &scope.template.outputs {
        if !scope.is_wanted(definition.condition.as_ref()) {
            continue;
        }
        outputs.push(Output {
            key: key.clone(),
            value: scope.text(&definition.value)?,
            description: definition.description.clone(),
            export_name: definition.export.as_ref().map(|name| scope.text(name)).transpose()?,
        });
    }
    Ok(outputs)
}

/// How a resource differs from what is wanted.
pub(super) struct Difference {
    /// The names of top-level properties.
    pub(super) properties: Vec<String>,
    pub(super) tags: bool,
    pub(super) metadata: bool,
    pub(super) replacement: Replacement,
}

impl Difference {
    pub(super) fn between(
        current: &Resource,
        wanted: &Value,
        metadata: &Value,
        tags: &BTreeMap<String, String>,
    ) -> Option<Self> {
        let schema = xacct_schema::resource_type(&current.resource_type);
        let empty = Map::new();
        let (old, new) = (current.properties.as_object().unwrap_or(&empty), wanted.as_object().unwrap_or(&empty));
        let mut properties: Vec<String> = Vec::new();
        let mut replacement = Replacement::Never;
        for name in new.keys().chain(old.keys().filter(|name| !new.contains_key(*name))) {
            let (before, after) = (old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null));
            if equal(before, after) {
                continue;
            }
            properties.push(name.clone());
            let mut path = vec![name.as_str()];
            if let Some(schema) = schema {
                replacement = replacement.max(replacement_below(schema, &mut path, before, after));
            }
        }
        let takes_tags = schema.is_none_or(|schema| schema.is_taggable());
        let tags = takes_tags && current.stack_tags != *tags;
        let metadata = current.metadata != *metadata;
        (!properties.is_empty() || tags || metadata).then_some(Self { properties, tags, metadata, replacement })
    }
}

/// What the difference between two values means, by the innermost properties that differ.
fn replacement_below<'a>(
    schema: xacct_schema::ResourceType,
    path: &mut Vec<&'a str>,
    before: &'a Value,
    after: &'a Value,
) -> Replacement {
    let own = schema.replacement(path);
    if own == Replacement::Always {
        return own;
    }
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return own };
    let mut worst = own;
    for name in after.keys().chain(before.keys().filter(|name| !after.contains_key(*name))) {
        let (before, after) = (before.get(name).unwrap_or(&Value::Null), after.get(name).unwrap_or(&Value::Null));
        if !equal(before, after) {
            path.push(name);
            worst = worst.max(replacement_below(schema, path, before, after));
            path.pop();
        }
    }
    worst
}

/// What executing a change set would do to each resource.
pub(super) fn changes(
    state: &State,
    stack: &Stack,
    desired: &Desired,
    imports: &BTreeMap<String, String>,
    revert_drift: bool,
) -> Result<Vec<ResourceChange>, String> {
    let template = state.template(desired.template);
    let wanted = wanted(state, stack, desired)?;
    let current: BTreeMap<&str, &Resource> = stack
        .resources
        .iter()
        .filter(|(_, resource)| resource.exists())
        .map(|(name, resource)| (name.as_str(), resource))
        .collect();
    // What is new or replaced has no known id yet.
    let fresh: RefCell<BTreeSet<String>> = RefCell::default();
    let look = |name: &str, attribute: Option<&str>| -> Result<Value, String> {
        match current.get(name) {
            Some(resource) if !fresh.borrow().contains(name) => look_at(state, stack, name, resource, attribute),
            _ => match (template.resources.get(name), attribute) {
                (Some(definition), Some(attribute)) if lacks_attribute(definition, attribute) => {
                    Err(physical::no_such_attribute(name, attribute))
                }
                _ => Ok(unknown(name, attribute)),
            },
        }
    };
    let order: Vec<String> = template.order().into_iter().map(str::to_owned).collect();
    let (mut found, _) = with_scope(state, stack, desired, &look, |scope| {
        scope.check_rules()?;
        let mut found = Vec::new();
        for name in order.iter().filter(|name| wanted.contains(*name)) {
            let definition = &template.resources[name.as_str()];
            let resolved = resolve_leniently(scope, definition, &fresh)?;
            let Some(resource) = current.get(name.as_str()) else {
                fresh.borrow_mut().insert(name.clone());
                let action = if imports.contains_key(name) { "Import" } else { "Add" };
                found.push(ResourceChange {
                    action: action.into(),
                    logical_id: name.clone(),
                    physical_id: imports.get(name).cloned(),
                    resource_type: definition.resource_type.clone(),
                    ..ResourceChange::default()
                });
                continue;
            };
            let drifted = revert_drift && resource.drift.is_some();
            let difference = Difference::between(resource, &resolved, &definition.metadata, &desired.tags);
            if difference.is_none() && !drifted {
                continue;
            }
            let difference = difference.unwrap_or(Difference {
                properties: Vec::new(),
                tags: false,
                metadata: false,
                replacement: Replacement::Never,
            });
            if difference.replacement == Replacement::Always {
                fresh.borrow_mut().insert(name.clone());
            }
            found.push(modification(stack, desired, name, definition, resource, &difference, &fresh.borrow(), drifted));
        }
        Ok(found)
    })?;
    for (name, resource) in current.iter().filter(|(name, _)| !wanted.contains(**name)) {
        let policy = resource.deletion_policy.as_deref().unwrap_or("Delete");
        found.push(ResourceChange {
            action: "Remove".into(),
            logical_id: (*name).to_owned(),
            physical_id: resource.physical_id.clone(),
            resource_type: resource.resource_type.clone(),
            policy_action: Some(if policy.starts_with("Retain") { "Retain" } else { policy }.to_owned()),
            ..ResourceChange::default()
        });
    }
    Ok(found)
}

fn lacks_attribute(definition: &Definition, attribute: &str) -> bool {
    xacct_schema::resource_type(&definition.resource_type).is_some_and(|schema| !schema.has_attribute(attribute))
}

/// Resolves each property; one that cannot be computed because it depends on something that is not there yet stays unknown.
fn resolve_leniently(
    scope: &Scope<'_>,
    definition: &Definition,
    fresh: &RefCell<BTreeSet<String>>,
) -> Result<Value, String> {
    let mut properties = Map::new();
    for (name, value) in definition.properties.as_object().into_iter().flatten() {
        match scope.value(value) {
            Ok(Value::Null) if !value.is_null() => {}
            Ok(resolved) => {
                properties.insert(name.clone(), resolved);
            }
            Err(message) => {
                let mut cause = None;
                visit_references(value, &mut |name, attribute| {
                    if fresh.borrow().contains(name) {
                        cause = Some((name.to_owned(), attribute.map(str::to_owned)));
                    }
                });
                let Some((cause, attribute)) = cause else { return Err(message) };
                properties.insert(name.clone(), unknown(&cause, attribute.as_deref()));
            }
        }
    }
    Ok(Value::Object(properties))
}

#[allow(clippy::too_many_arguments, reason = "all of them are needed once, to describe one change")]
fn modification(
    stack: &Stack,
    desired: &Desired,
    name: &str,
    definition: &Definition,
    resource: &Resource,
    difference: &Difference,
    fresh: &BTreeSet<String>,
    drifted: bool,
) -> ResourceChange {
    let schema = xacct_schema::resource_type(&resource.resource_type);
    let mut details = Vec::new();
    for property in &difference.properties {
        let recreation = match schema.map(|schema| schema.replacement(&[property])) {
            Some(Replacement::Always) => "Always",
            Some(Replacement::Maybe) => "Conditionally",
            _ if difference.replacement == Replacement::Always && difference.properties.len() == 1 => "Always",
            _ => "Never",
        };
        let (evaluation, source, entity) = cause(stack, desired, definition.properties.get(property), fresh);
        details.push(ChangeDetail {
            attribute: "Properties".to_owned(),
            name: Some(property.clone()),
            path: Some(format!("/Properties/{property}")),
            requires_recreation: Some(recreation.to_owned()),
            evaluation: Some(evaluation.to_owned()),
            change_source: Some(source.to_owned()),
            causing_entity: entity,
        });
    }
    for (changed, attribute) in [(difference.tags, "Tags"), (difference.metadata, "Metadata")] {
        if changed {
            details.push(ChangeDetail {
                attribute: attribute.to_owned(),
                requires_recreation: Some("Never".to_owned()),
                evaluation: Some("Static".to_owned()),
                change_source: Some("DirectModification".to_owned()),
                ..ChangeDetail::default()
            });
        }
    }
    let mut scope: Vec<String> = details.iter().map(|detail| detail.attribute.clone()).collect();
    scope.dedup();
    let replacement = match difference.replacement {
        Replacement::Always => "True",
        Replacement::Maybe => "Conditional",
        Replacement::Never => "False",
    };
    let policy = (difference.replacement == Replacement::Always).then(|| {
        let retained = resource.update_replace_policy.as_deref().is_some_and(|policy| policy.starts_with("Retain"));
        if retained { "ReplaceAndRetain" } else { "ReplaceAndDelete" }.to_owned()
    });
    ResourceChange {
        action: StatusText::from(if drifted && details.is_empty() { "SyncWithActual" } else { "Modify" }),
        logical_id: name.to_owned(),
        physical_id: resource.physical_id.as_deref().map(Secrets::mask),
        resource_type: resource.resource_type.clone(),
        replacement: Some(replacement.to_owned()),
        policy_action: policy,
        scope,
        details,
        nested_change_set: None,
    }
}

/// Why a property changes: evaluation, source and the parameter or resource behind it.
fn cause(
    stack: &Stack,
    desired: &Desired,
    value: Option<&Value>,
    fresh: &BTreeSet<String>,
) -> (&'static str, &'static str, Option<String>) {
    let mut found = ("Static", "DirectModification", None);
    visit_references(value.unwrap_or(&Value::Null), &mut |name, attribute| {
        let before = stack.desired.as_ref().and_then(|it| it.parameters.get(name));
        if desired.parameters.get(name).is_some_and(|setting| before != Some(setting)) {
            found = ("Static", "ParameterReference", Some(name.to_owned()));
        } else if fresh.contains(name) {
            found = match attribute {
                Some(attribute) => ("Dynamic", "ResourceAttribute", Some(format!("{name}.{attribute}"))),
                None => ("Dynamic", "ResourceReference", Some(name.to_owned())),
            };
        }
    });
    found
}
