//! Narrows the actions that a stack needs to what they are needed on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::identities::{Identities, generated};
use super::{Allowance, NEEDS_NOTHING, StackPermissions, Target, is_in_iam, of_resource};
use crate::actions::{AccessLevel, Action, find_action};
use crate::resource::{ResourceType, resource_type};

const ANYTHING: &str = "*";
const PASS_ROLE: &str = "iam:PassRole";
const LINKED_ROLE: &str = "iam:CreateServiceLinkedRole";

/// Who can do this to an identity frees it of its permissions boundary.
const LOSES_BOUNDARY: [&str; 2] = ["iam:DeleteRolePermissionsBoundary", "iam:DeleteUserPermissionsBoundary"];

pub(super) fn of_stack(template: &Value, target: &Target<'_>, by_hand: &[(&str, &[&'static str])]) -> StackPermissions {
    let identities = Identities::of(template, target);
    let mut scope =
        Scope { target, identities: &identities, template, needed: BTreeMap::new(), not_in_iam: BTreeSet::new() };
    let mut unknown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (logical_id, resource) in template["Resources"].as_object().into_iter().flatten() {
        let name = resource["Type"].as_str().unwrap_or_default();
        let known = by_hand.iter().find(|it| it.0 == name).map(|it| it.1);
        match (resource_type(name), known) {
            (Some(kind), _) if kind.has_handlers() => {
                scope.add(kind, resource, of_resource(kind, resource, target.tagged));
            }
            (Some(kind), Some(actions)) => scope.add(kind, resource, actions.iter().copied().collect()),
            _ if NEEDS_NOTHING.contains(&name) => {}
            _ => unknown.entry(name.to_owned()).or_default().push(logical_id.clone()),
        }
    }
    scope.add_dynamic_references();
    let allowances = scope.allowances();
    let not_in_iam = scope.not_in_iam;
    StackPermissions { allowances, unknown, not_in_iam, unnamed: identities.unnamed }
}

/// Operator, key and values.
type Conditions = BTreeMap<(&'static str, &'static str), BTreeSet<String>>;

struct Scope<'a> {
    target: &'a Target<'a>,
    identities: &'a Identities,
    template: &'a Value,
    /// What each action is needed on.
    needed: BTreeMap<&'static str, BTreeSet<String>>,
    not_in_iam: BTreeSet<&'static str>,
}

impl Scope<'_> {
    fn add(&mut self, kind: ResourceType, resource: &Value, actions: BTreeSet<&'static str>) {
        for action in actions {
            if !is_in_iam(action) {
                self.not_in_iam.insert(action);
                continue;
            }
            let resources = self.resources(kind, action, resource);
            self.needed.entry(action).or_default().extend(resources);
        }
    }

    fn resources(&self, kind: ResourceType, name: &str, resource: &Value) -> BTreeSet<String> {
        let anything = || BTreeSet::from([ANYTHING.to_owned()]);
        let Some(action) = find_action(name) else { return anything() };
        let narrowed = match name {
            PASS_ROLE => Some(&self.identities.made | &self.identities.foreign),
            LINKED_ROLE => {
                Some(BTreeSet::from([self.fill("arn:${Partition}:iam::${Account}:role/aws-service-role/*")]))
            }
            _ if name.starts_with("iam:") => self.identities_of(kind, action),
            _ => self.own(kind, action, resource),
        };
        narrowed.unwrap_or_else(anything)
    }

    /// The identities that an action of IAM is needed on: nothing, where the template has none.
    fn identities_of(&self, kind: ResourceType, action: Action) -> Option<BTreeSet<String>> {
        let of_iam = kind.name().starts_with("AWS::IAM::");
        // Other services look at roles that are not of this stack, such as their own.
        if !of_iam && matches!(action.access_level(), AccessLevel::List | AccessLevel::Read) {
            return None;
        }
        let mut arns = BTreeSet::new();
        for on in action.resources() {
            arns.extend(self.identities.arns(on.name())?.iter().cloned());
        }
        let on_something = action.resources().next().is_some();
        (on_something && (of_iam || !arns.is_empty())).then_some(arns)
    }

    /// The resource itself, if the action is about it. Where the action needs several things at once, the others may be anywhere; where
    /// it takes one of several kinds, as tagging does, it takes this one.
    fn own(&self, kind: ResourceType, action: Action, resource: &Value) -> Option<BTreeSet<String>> {
        let owners = self.owners(kind, resource);
        let (mut own, mut others) = (BTreeSet::new(), BTreeSet::new());
        for on in action.resources() {
            let arns: Vec<String> =
                owners.iter().filter_map(|owner| self.of_owner(owner, on.arn())).flatten().collect();
            if arns.is_empty() {
                // It may be of another account: a shared subnet, a layer.
                let anywhere = on.arn().replace("${Region}", ANYTHING).replace("${Account}", ANYTHING);
                others.insert(with_any_names(&self.fill(&anywhere)));
            }
            own.extend(arns);
        }
        if own.is_empty() {
            return None;
        }
        if action.required_resources().next().is_some() {
            own.extend(others);
        }
        Some(own)
    }

    /// The ARNs of a resource, and of what is in it, for an action on what has this ARN.
    fn of_owner(&self, owner: &Owner, on: &str) -> Option<Vec<String>> {
        let template = owner.kind.arn_template()?;
        let (own, on) = (self.fill(template), self.fill(on));
        let prefix = literal_part(&own);
        if literal_part(&on) != prefix {
            return None;
        }
        let within = if is_one_variable(&on[prefix.len()..]) { Some("") } else { on.strip_prefix(&own) };
        let (Some(name), Some(within)) = (&owner.name, within.filter(|_| is_one_variable(&own[prefix.len()..]))) else {
            return Some(vec![with_any_names(&on)]);
        };
        Some(named(prefix, name).into_iter().map(|arn| arn + &with_any_names(within)).collect())
    }

    /// The resource, or those that it belongs to and refers to, as a bucket's policy to the bucket.
    fn owners(&self, kind: ResourceType, resource: &Value) -> Vec<Owner> {
        if kind.arn_template().is_some() {
            return vec![Owner { kind, name: self.name(kind, resource) }];
        }
        let values = resource["Properties"].as_object().into_iter().flat_map(Map::values);
        let values = values.flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice));
        let referred = values.filter_map(|value| Some(&self.template["Resources"][value["Ref"].as_str()?]));
        let owners = referred.filter_map(|referred| {
            let kind = resource_type(referred["Type"].as_str()?)?;
            Some(Owner { kind, name: self.name(kind, referred) })
        });
        owners.collect()
    }

    /// The name of a resource, or a pattern of those that CloudFormation makes.
    fn name(&self, kind: ResourceType, resource: &Value) -> Option<String> {
        let property = kind.name_property()?;
        match &resource["Properties"][property] {
            Value::String(name) if !name.contains("{{resolve:") => Some(name.clone()),
            Value::Null if kind.name() == "AWS::S3::Bucket" => Some(generated(self.target.stack_name).to_lowercase()),
            _ => None,
        }
    }

    /// CloudFormation reads the values of parameters and secrets with the role, too.
    fn add_dynamic_references(&mut self) {
        let mut found = BTreeSet::new();
        collect_dynamic_references(self.template, &mut found);
        for reference in found {
            let mut parts = reference.splitn(3, ':');
            let (Some(service), Some(name)) = (parts.next(), parts.next()) else { continue };
            let (action, arn) = match service {
                "ssm" | "ssm-secure" => (
                    "ssm:GetParameters",
                    format!(
                        "arn:${{Partition}}:ssm:${{Region}}:${{Account}}:parameter/{}",
                        name.trim_start_matches('/')
                    ),
                ),
                // An ARN has more colons.
                "secretsmanager" if name == "arn" => {
                    let arn: Vec<&str> = reference.split(':').skip(1).take(7).collect();
                    ("secretsmanager:GetSecretValue", arn.join(":"))
                }
                "secretsmanager" => (
                    "secretsmanager:GetSecretValue",
                    format!("arn:${{Partition}}:secretsmanager:${{Region}}:${{Account}}:secret:{name}-??????"),
                ),
                _ => continue,
            };
            let arn = self.fill(&arn);
            self.needed.entry(action).or_default().insert(arn);
        }
        for parameter in self.template["Parameters"].as_object().into_iter().flat_map(Map::values) {
            if parameter["Type"].as_str().is_some_and(|it| it.starts_with("AWS::SSM::Parameter::Value<")) {
                let name = parameter["Default"].as_str().unwrap_or("*").trim_start_matches('/');
                let arn = self.fill(&format!("arn:${{Partition}}:ssm:${{Region}}:${{Account}}:parameter/{name}"));
                self.needed.entry("ssm:GetParameters").or_default().insert(arn);
            }
        }
    }

    /// Partition, region and account of an ARN's template.
    fn fill(&self, arn: &str) -> String {
        arn.replace("${Partition}", self.target.partition)
            .replace("${Region}", self.target.region)
            .replace("${Account}", self.target.account)
    }

    /// Actions that are needed on the same, together.
    fn allowances(&self) -> Vec<Allowance> {
        let mut all: BTreeMap<(BTreeSet<String>, Conditions), BTreeSet<&'static str>> = BTreeMap::new();
        for (action, resources) in &self.needed {
            if self.identities.boundary.is_some() && LOSES_BOUNDARY.contains(action) || resources.is_empty() {
                continue;
            }
            if *action == PASS_ROLE {
                // Whom a role from elsewhere trusts is not known.
                let (to, anyone) = (self.trusted_services(), Conditions::new());
                for (roles, conditions) in [(&self.identities.made, to), (&self.identities.foreign, anyone)] {
                    if !roles.is_empty() {
                        all.entry((roles.clone(), conditions)).or_default().insert(action);
                    }
                }
                continue;
            }
            let anything = resources.contains(ANYTHING);
            let resources = if anything { BTreeSet::from([ANYTHING.to_owned()]) } else { resources.clone() };
            all.entry((resources, self.conditions(action))).or_default().insert(action);
        }
        let allowances =
            all.into_iter().map(|((resources, conditions), actions)| Allowance { resources, actions, conditions });
        allowances.collect()
    }

    /// The services that the roles of the stack can be given to.
    fn trusted_services(&self) -> Conditions {
        let services = self.identities.trusted.clone().filter(|it| !it.is_empty());
        // Not every service says that it is given the role.
        services.into_iter().map(|it| (("StringEqualsIfExists", "iam:PassedToService"), it)).collect()
    }

    fn conditions(&self, action: &str) -> Conditions {
        let mut conditions = Conditions::new();
        let changes = |it: Action| !matches!(it.access_level(), AccessLevel::List | AccessLevel::Read);
        let takes_boundary = |it: Action| it.condition_keys().any(|key| key == "iam:PermissionsBoundary");
        if let Some(boundary) = &self.identities.boundary
            && find_action(action).is_some_and(|it| changes(it) && takes_boundary(it))
        {
            conditions.insert(("StringEquals", "iam:PermissionsBoundary"), BTreeSet::from([boundary.clone()]));
        }
        conditions
    }
}

struct Owner {
    kind: ResourceType,
    name: Option<String>,
}

/// An ARN up to the first part that is not known.
fn literal_part(arn: &str) -> &str {
    arn.split("${").next().unwrap_or_default()
}

fn is_one_variable(text: &str) -> bool {
    text.starts_with("${") && text.find('}') == Some(text.len() - 1)
}

/// An ARN in which every name is a wildcard.
fn with_any_names(arn: &str) -> String {
    let mut text = String::new();
    let mut rest = arn;
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        text.push('*');
        rest = after.split_once('}').map_or("", |it| it.1);
    }
    text + rest
}

/// The ARNs of a resource by its name, as its service writes them in a request.
fn named(prefix: &str, name: &str) -> Vec<String> {
    // The name of an alias is `alias/…` already, and that of a parameter begins with the slash.
    let folder = prefix.rsplit(':').next().filter(|folder| folder.ends_with('/'));
    let name = match folder {
        Some(folder) => name.strip_prefix(folder).unwrap_or(name).trim_start_matches('/'),
        None => name,
    };
    let service = prefix.split(':').nth(2);
    match service {
        // It adds six characters to the name.
        Some("secretsmanager") => vec![format!("{prefix}{name}-??????")],
        // Some of its actions are on the streams of the group.
        Some("logs") => vec![format!("{prefix}{name}"), format!("{prefix}{name}:*")],
        _ => vec![format!("{prefix}{name}")],
    }
}

/// What stands in `{{resolve:…}}`.
fn collect_dynamic_references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let references = text.split("{{resolve:").skip(1).filter_map(|it| it.split("}}").next());
            found.extend(references.map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_dynamic_references(item, found)),
        Value::Object(fields) => fields.values().for_each(|value| collect_dynamic_references(value, found)),
        _ => {}
    }
}
