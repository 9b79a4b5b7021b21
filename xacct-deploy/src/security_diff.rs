//! Who may do more, and who less: the policy statements that differ between the deployed template and the new one.
//!
//! Every policy document in a resource (whatever property holds it), the managed policies that are attached, and the sources
//! of security groups are taken apart into single permissions. A permission that comes makes access broader, one that goes
//! makes it narrower; for denials it is the other way round.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A permission that comes or goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityChange {
    /// The logical id of the resource that has the policy.
    pub logical_id: String,
    /// The construct's path.
    pub path: Option<String>,
    /// Whether access gets broader.
    pub broadens: bool,
    /// Whether the statement is new, or goes.
    pub added: bool,
    /// `Allow` or `Deny`.
    pub effect: String,
    /// Who, in the terms of the template; none in a policy that is attached to whom it is about.
    pub principal: Option<String>,
    /// The actions, sorted. A managed policy is `managed policy ARN`, a security group's rule `ingress PORTS`.
    pub actions: Vec<String>,
    /// On what; none in a trust policy.
    pub resource: Option<String>,
    /// Under which condition, as JSON.
    pub condition: Option<String>,
    /// The other account, if the principal is in one.
    pub other_account: Option<String>,
}

/// One permission: all that must be equal for two statements to say the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Atom {
    effect: String,
    principal: Option<String>,
    action: String,
    resource: Option<String>,
    condition: Option<String>,
}

/// The permissions that differ. `account` is the stack's own.
pub(crate) fn security_diff(before: &Value, after: &Value, account: &str) -> Vec<SecurityChange> {
    let (old, new) = (by_resource(before), by_resource(after));
    let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let nothing = BTreeSet::new();
    let mut changes = Vec::new();
    for id in ids {
        let (a, b) = (old.get(id).unwrap_or(&nothing), new.get(id).unwrap_or(&nothing));
        changes.extend(grouped(id, b.difference(a), true, account));
        changes.extend(grouped(id, a.difference(b), false, account));
    }
    changes
}

/// Statements that differ only in their actions are told as one.
fn grouped<'a>(id: &str, atoms: impl Iterator<Item = &'a Atom>, added: bool, account: &str) -> Vec<SecurityChange> {
    let mut groups: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for atom in atoms {
        let key = (&atom.effect, &atom.principal, &atom.resource, &atom.condition);
        groups.entry(key).or_default().push(atom.action.clone());
    }
    groups
        .into_iter()
        .map(|((effect, principal, resource, condition), actions)| SecurityChange {
            logical_id: id.to_owned(),
            path: None,
            broadens: added == (effect == "Allow"),
            added,
            effect: effect.clone(),
            other_account: principal.as_deref().and_then(|it| other_account(it, account)),
            principal: principal.clone(),
            actions,
            resource: resource.clone(),
            condition: condition.clone(),
        })
        .collect()
}

fn by_resource(template: &Value) -> BTreeMap<String, BTreeSet<Atom>> {
    let resources = template.get("Resources").and_then(Value::as_object);
    resources
        .into_iter()
        .flatten()
        .map(|(id, resource)| {
            let mut atoms = BTreeSet::new();
            if let Some(properties) = resource.get("Properties") {
                collect(properties, &mut atoms);
                managed_policies(properties, &mut atoms);
                security_group_rules(resource, properties, &mut atoms);
            }
            (id.clone(), atoms)
        })
        .collect()
}

/// Everything with a `Statement` is a policy document.
fn collect(value: &Value, atoms: &mut BTreeSet<Atom>) {
    match value {
        Value::Object(map) => {
            if let Some(statements) = map.get("Statement") {
                for statement in each(statements) {
                    statement_atoms(statement, atoms);
                }
            }
            map.values().for_each(|inner| collect(inner, atoms));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, atoms)),
        _ => {}
    }
}

fn statement_atoms(statement: &Value, atoms: &mut BTreeSet<Atom>) {
    let Some(map) = statement.as_object() else { return };
    let effect = map.get("Effect").map_or_else(|| "Allow".to_owned(), plain);
    let principals = one_of(map, "Principal", "NotPrincipal", principal_names);
    let actions = one_of(map, "Action", "NotAction", plain_items);
    let resources = one_of(map, "Resource", "NotResource", plain_items);
    let condition = map.get("Condition").map(Value::to_string);
    for principal in or_none(principals) {
        for action in or_none(actions.clone()).into_iter().flatten() {
            for resource in or_none(resources.clone()) {
                atoms.insert(Atom {
                    effect: effect.clone(),
                    principal: principal.clone(),
                    action: action.clone(),
                    resource,
                    condition: condition.clone(),
                });
            }
        }
    }
}

fn managed_policies(properties: &Value, atoms: &mut BTreeSet<Atom>) {
    for arn in properties.get("ManagedPolicyArns").into_iter().flat_map(each) {
        atoms.insert(Atom {
            effect: "Allow".to_owned(),
            principal: None,
            action: format!("managed policy {}", plain(arn)),
            resource: None,
            condition: None,
        });
    }
}

fn security_group_rules(resource: &Value, properties: &Value, atoms: &mut BTreeSet<Atom>) {
    let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
    let rules: Vec<(&str, &Value)> = match kind {
        "AWS::EC2::SecurityGroup" => {
            let ingress = properties.get("SecurityGroupIngress").into_iter().flat_map(each);
            let egress = properties.get("SecurityGroupEgress").into_iter().flat_map(each);
            ingress.map(|it| ("ingress", it)).chain(egress.map(|it| ("egress", it))).collect()
        }
        "AWS::EC2::SecurityGroupIngress" => vec![("ingress", properties)],
        "AWS::EC2::SecurityGroupEgress" => vec![("egress", properties)],
        _ => return,
    };
    for (direction, rule) in rules {
        let field = |name: &str| rule.get(name).map(plain);
        let ends = ["CidrIp", "CidrIpv6", "SourceSecurityGroupId", "DestinationSecurityGroupId", "SourcePrefixListId"];
        let peer = ends.iter().find_map(|name| field(name));
        let ports = [field("FromPort"), field("ToPort")].into_iter().flatten().collect::<Vec<_>>().join("-");
        let protocol = field("IpProtocol").unwrap_or_default();
        atoms.insert(Atom {
            effect: "Allow".to_owned(),
            principal: peer,
            action: format!("{direction} {protocol} {ports}").trim_end().to_owned(),
            resource: None,
            condition: None,
        });
    }
}

/// The values of a field, or of its negation with "not" before each.
fn one_of(map: &Map<String, Value>, name: &str, negated: &str, read: fn(&Value) -> Vec<String>) -> Vec<String> {
    match (map.get(name), map.get(negated)) {
        (Some(value), _) => read(value),
        (None, Some(value)) => read(value).into_iter().map(|it| format!("not {it}")).collect(),
        (None, None) => Vec::new(),
    }
}

fn or_none(values: Vec<String>) -> Vec<Option<String>> {
    if values.is_empty() { vec![None] } else { values.into_iter().map(Some).collect() }
}

fn principal_names(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) if !is_intrinsic(map) => map.values().flat_map(plain_items).collect(),
        other => plain_items(other),
    }
}

fn plain_items(value: &Value) -> Vec<String> {
    each(value).map(plain).collect()
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(items) => items.iter(),
        other => std::slice::from_ref(other).iter(),
    }
}

/// A value as short text: `Role.Arn` for an attribute, `Role` for a reference, joins and substitutions put together.
fn plain(value: &Value) -> String {
    let Value::Object(map) = value else {
        return match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
    };
    let mut entries = map.iter();
    match (entries.next(), entries.next()) {
        (Some((key, inner)), None) => match (key.as_str(), inner) {
            ("Ref", Value::String(name)) => format!("${{{name}}}"),
            ("Fn::GetAtt", Value::Array(parts)) => {
                format!("${{{}}}", parts.iter().map(plain).collect::<Vec<_>>().join("."))
            }
            ("Fn::Sub", Value::String(text)) => text.clone(),
            ("Fn::Join", Value::Array(parts)) if parts.len() == 2 => {
                plain_items(&parts[1]).join(parts[0].as_str().unwrap_or_default())
            }
            _ => value.to_string(),
        },
        _ => value.to_string(),
    }
}

fn is_intrinsic(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
}

/// The account of a principal, if it is another one.
fn other_account(principal: &str, account: &str) -> Option<String> {
    let named = match principal.strip_prefix("arn:") {
        Some(_) => principal.split(':').nth(4)?,
        None => principal,
    };
    let is_account = named.len() == 12 && named.bytes().all(|it| it.is_ascii_digit());
    (is_account && named != account).then(|| named.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key_policy(statements: Value) -> Value {
        json!({"Resources": {"Key": {"Type": "AWS::KMS::Key",
            "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": statements}}}}})
    }

    fn allow(actions: &[&str], principal: &str) -> Value {
        json!({"Effect": "Allow", "Action": actions, "Principal": {"AWS": principal}, "Resource": "*"})
    }

    #[test]
    fn shows_only_the_action_that_comes() {
        let role = "arn:aws:iam::222222222222:role/x";
        let before = key_policy(json!([allow(&["kms:Decrypt"], role)]));
        let after = key_policy(json!([allow(&["kms:Decrypt", "kms:Encrypt"], role)]));
        let changes = security_diff(&before, &after, "111111111111");
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].actions, ["kms:Encrypt"]);
        assert!(changes[0].broadens);
        assert_eq!(changes[0].other_account.as_deref(), Some("222222222222"));
    }

    #[test]
    fn a_narrower_principal_is_told_as_such() {
        let before = key_policy(json!([allow(&["kms:Decrypt"], "*")]));
        let after = key_policy(json!([allow(&["kms:Decrypt"], "arn:aws:iam::111111111111:role/x")]));
        let changes = security_diff(&before, &after, "111111111111");
        let told: Vec<_> = changes.iter().map(|it| (it.broadens, it.principal.as_deref().unwrap())).collect();
        assert_eq!(told, [(true, "arn:aws:iam::111111111111:role/x"), (false, "*")]);
    }

    #[test]
    fn a_denial_that_goes_broadens() {
        let deny = json!([{"Effect": "Deny", "Action": "kms:*", "Principal": "*", "Resource": "*"}]);
        let changes = security_diff(&key_policy(deny), &key_policy(json!([])), "111111111111");
        assert!(changes[0].broadens && !changes[0].added);
    }

    #[test]
    fn another_order_is_no_change() {
        let (a, b) = (allow(&["kms:A", "kms:B"], "x"), allow(&["kms:B", "kms:A"], "x"));
        assert!(security_diff(&key_policy(json!([a])), &key_policy(json!([b])), "1").is_empty());
    }
}
