//! A KMS key whose policy lets nobody change the policy is lost to its owner; KMS refuses to create it.

use serde_json::{Map, Value};

use crate::validate::{Finding, Rule};

const PROPERTY: &str = "KeyPolicy";
const NEEDED: &str = "kms:PutKeyPolicy";

pub(super) fn check(logical_id: &str, properties: &Map<String, Value>, findings: &mut Vec<Finding>) {
    if properties.contains_key("BypassPolicyLockoutSafetyCheck") {
        return;
    }
    let Some(statements) = properties.get(PROPERTY).and_then(|policy| policy.get("Statement")) else { return };
    let statements = match statements {
        Value::Array(statements) => statements.as_slice(),
        one => std::slice::from_ref(one),
    };
    if !statements.is_empty() && statements.iter().all(|statement| !may_allow(statement)) {
        let message = "the key policy lets nobody change it: nobody could manage the key";
        let finding = Finding::new(Rule::KeyLockout, logical_id, PROPERTY, message);
        findings.push(finding.expected(format!("a statement that allows `{NEEDED}` to the account that owns the key")));
    }
}

/// Whether a statement allows an account's principal to change the policy, or may do so for all that is known.
fn may_allow(statement: &Value) -> bool {
    let Some(statement) = statement.as_object() else { return true };
    match statement.get("Effect") {
        Some(Value::String(effect)) if effect == "Deny" => return false,
        Some(_) => {}
        None => return true,
    }
    let action = match statement.get("Action") {
        Some(Value::Array(actions)) => actions.iter().any(may_be_needed),
        Some(action) => may_be_needed(action),
        None => true,
    };
    action && !is_only_services(statement.get("Principal"))
}

fn may_be_needed(action: &Value) -> bool {
    match action {
        Value::String(pattern) => {
            pattern == "*" || crate::actions::expand(pattern).any(|action| action.name() == NEEDED)
        }
        _ => true,
    }
}

fn is_only_services(principal: Option<&Value>) -> bool {
    let Some(Value::Object(principals)) = principal else { return false };
    !principals.is_empty() && principals.keys().all(|kind| kind == "Service")
}
