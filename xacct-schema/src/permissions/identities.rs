//! The identities of IAM that a template makes or names: what its execution role may change and pass on.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Target;

/// What of IAM a stack can make: its name in the ARNs, the resource type, and the property with its name.
const KINDS: [(&str, &str, &str); 5] = [
    ("group", "AWS::IAM::Group", "GroupName"),
    ("instance-profile", "AWS::IAM::InstanceProfile", "InstanceProfileName"),
    ("policy", "AWS::IAM::ManagedPolicy", "ManagedPolicyName"),
    ("role", "AWS::IAM::Role", "RoleName"),
    ("user", "AWS::IAM::User", "UserName"),
];

/// Properties of IAM's resources that name identities, by kind.
const NAMING: [(&str, &[&str]); 3] =
    [("group", &["Groups", "GroupName"]), ("role", &["Roles", "RoleName"]), ("user", &["Users", "UserName"])];

/// How many characters of a stack's name are sure to be in a name that CloudFormation makes: it shortens both the stack's name and
/// the logical id where they do not fit, but not to so little.
const KEPT: usize = 20;

/// What a template has of IAM.
#[derive(Debug, Default)]
pub(super) struct Identities {
    /// Patterns of ARNs, by kind.
    arns: BTreeMap<&'static str, BTreeSet<String>>,
    /// The resources that change identities which the template does not name, by kind.
    pub(super) unnamed: BTreeMap<&'static str, BTreeSet<String>>,
    /// The roles that the template makes.
    pub(super) made: BTreeSet<String>,
    /// The roles from elsewhere whose ARNs stand in the template.
    pub(super) foreign: BTreeSet<String>,
    /// The services that the roles of the stack trust; none if one of them trusts what is not known.
    pub(super) trusted: Option<BTreeSet<String>>,
    /// The permissions boundary that every role and user of the template has.
    pub(super) boundary: Option<String>,
}

impl Identities {
    pub(super) fn of(template: &Value, target: &Target<'_>) -> Self {
        let mut identities = Self { trusted: Some(BTreeSet::new()), ..Self::default() };
        let resources = template["Resources"].as_object();
        for (logical_id, resource) in resources.into_iter().flatten() {
            identities.add(logical_id, resource, template, target);
        }
        collect_roles(&template["Resources"], target, &mut identities.foreign);
        identities.foreign = &identities.foreign - &identities.made;
        identities.boundary = boundary(template);
        identities
    }

    /// What an action on this kind is needed on; none if it is no kind that a stack makes.
    pub(super) fn arns(&self, kind: &str) -> Option<&BTreeSet<String>> {
        static NOTHING: BTreeSet<String> = BTreeSet::new();
        let known = KINDS.iter().any(|it| it.0 == kind);
        known.then(|| self.arns.get(kind).unwrap_or(&NOTHING))
    }

    fn add(&mut self, logical_id: &str, resource: &Value, template: &Value, target: &Target<'_>) {
        let kind = resource["Type"].as_str().unwrap_or_default();
        let Some(_) = kind.strip_prefix("AWS::IAM::") else { return };
        let properties = &resource["Properties"];
        let own = KINDS.iter().find(|it| it.1 == kind);
        if let Some((what, _, name)) = own {
            let path = match &properties["Path"] {
                Value::Null => "/",
                Value::String(path) => path,
                _ => "/*",
            };
            let name = match &properties[*name] {
                Value::Null => generated(target.stack_name),
                Value::String(name) => name.clone(),
                _ => "*".to_owned(),
            };
            let arn = self.insert(what, &format!("{path}{name}"), target);
            self.made.extend(Some(arn).filter(|_| *what == "role"));
        }
        if kind == "AWS::IAM::Role" {
            self.trusted = match (self.trusted.take(), services(&properties["AssumeRolePolicyDocument"])) {
                (Some(all), Some(more)) => Some(&all | &more),
                _ => None,
            };
        }
        for (what, names) in NAMING {
            let names = names.iter().filter(|name| own.is_none_or(|own| own.2 != **name));
            for value in names.map(|name| &properties[*name]) {
                match value {
                    Value::Array(values) => {
                        values.iter().for_each(|value| self.name(what, logical_id, value, template, target));
                    }
                    value => self.name(what, logical_id, value, template, target),
                }
            }
        }
    }

    /// Adds what a property names: a name, or a resource of the template, which is there already.
    fn name(&mut self, what: &'static str, logical_id: &str, value: &Value, template: &Value, target: &Target<'_>) {
        let is_in_template = |id: &str| !template["Resources"][id].is_null();
        match value {
            Value::Null => {}
            // Its path is not known.
            Value::String(name) => {
                self.insert(what, &format!("/{name}"), target);
                self.insert(what, &format!("/*/{name}"), target);
            }
            value if value["Ref"].as_str().is_some_and(is_in_template) => {}
            _ => {
                self.unnamed.entry(what).or_default().insert(logical_id.to_owned());
                self.insert(what, "/*", target);
            }
        }
    }

    fn insert(&mut self, what: &'static str, path: &str, target: &Target<'_>) -> String {
        let Target { partition, account, .. } = target;
        let arn = format!("arn:{partition}:iam::{account}:{what}{path}");
        self.arns.entry(what).or_default().insert(arn.clone());
        arn
    }
}

/// A pattern of the names that CloudFormation makes for a stack's resources: the stack's name, the logical id, and random characters.
pub(super) fn generated(stack_name: &str) -> String {
    match stack_name.char_indices().nth(KEPT) {
        None => format!("{stack_name}-*"),
        Some((end, _)) => format!("{}*", &stack_name[..end]),
    }
}

/// The services that a trust policy names; none if it names anybody by an expression.
fn services(trust: &Value) -> Option<BTreeSet<String>> {
    let statements = match &trust["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        Value::Object(_) => std::slice::from_ref(&trust["Statement"]),
        _ => return None,
    };
    let mut found = BTreeSet::new();
    for statement in statements {
        match &statement["Principal"]["Service"] {
            Value::Null => {}
            Value::String(name) => {
                found.insert(name.clone());
            }
            Value::Array(names) => {
                for name in names {
                    found.insert(name.as_str()?.to_owned());
                }
            }
            _ => return None,
        }
    }
    Some(found)
}

/// The ARNs of the account's roles that stand in a template.
fn collect_roles(value: &Value, target: &Target<'_>, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let prefix = format!("arn:{}:iam::{}:role/", target.partition, target.account);
            if text.starts_with(&prefix) && !text.contains(['*', '?', '$']) {
                found.insert(text.clone());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_roles(item, target, found)),
        // Whom a policy names is not given to a service by that.
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "Statement" | "Metadata"))
            .for_each(|(_, value)| collect_roles(value, target, found)),
        _ => {}
    }
}

fn boundary(template: &Value) -> Option<String> {
    let resources = template["Resources"].as_object()?.values();
    let mut identities =
        resources.filter(|it| matches!(it["Type"].as_str(), Some("AWS::IAM::Role" | "AWS::IAM::User")));
    let first = identities.next()?["Properties"]["PermissionsBoundary"].as_str()?;
    identities.all(|it| it["Properties"]["PermissionsBoundary"] == first).then(|| first.to_owned())
}
