//! As much of IAM as services look at when they are given a policy: who is named, and a rough answer to who may do what.
//!
//! This is no evaluator: of conditions only `aws:PrincipalArn` counts, and a Deny counts only without a condition.

use serde_json::Value;

/// The AWS principals that the statements of a policy name.
pub(super) fn aws_principals(document: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    for statement in statements(document) {
        for key in ["Principal", "NotPrincipal"] {
            if let Some(named) = statement.get(key).and_then(|principal| principal.get("AWS")) {
                found.extend(texts(named));
            }
        }
    }
    found
}

/// Whether a trust policy lets a role or user assume the role.
pub(super) fn trusts(document: &Value, caller_arn: &str) -> bool {
    let account = caller_arn.split(':').nth(4).unwrap_or_default();
    statements(document).filter(|it| is_allow(it) && covers(it, "Action", "sts:AssumeRole")).any(|statement| {
        let named = statement.get("Principal").is_some_and(|principal| {
            let aws = principal.get("AWS").unwrap_or(principal);
            texts(aws).any(|it| it == "*" || it == caller_arn || is_account(it, account))
        });
        named && principal_condition_holds(statement, caller_arn)
    })
}

/// Whether a trust policy lets somebody in an account assume the role.
pub(super) fn trusts_account(document: &Value, account: &str) -> bool {
    statements(document).filter(|it| is_allow(it) && covers(it, "Action", "sts:AssumeRole")).any(|statement| {
        statement.get("Principal").is_some_and(|principal| {
            let aws = principal.get("AWS").unwrap_or(principal);
            texts(aws).any(|it| it == "*" || is_account(it, account) || it.split(':').nth(4) == Some(account))
        })
    })
}

/// Whether a trust policy lets a service assume the role.
pub(super) fn trusts_service(document: &Value, service: &str) -> bool {
    statements(document).filter(|it| is_allow(it) && covers(it, "Action", "sts:AssumeRole")).any(|statement| {
        let services = statement.get("Principal").and_then(|principal| principal.get("Service"));
        services.is_some_and(|services| texts(services).any(|it| it == service))
    })
}

/// Whether an identity policy allows an action, on a resource if one is given.
pub(super) fn allows(document: &Value, action: &str, resource: Option<&str>) -> bool {
    let applies = |statement: &&Value| {
        covers(statement, "Action", action) && resource.is_none_or(|it| covers(statement, "Resource", it))
    };
    let denied = statements(document)
        .filter(applies)
        .any(|it| it.get("Effect").and_then(Value::as_str) == Some("Deny") && it.get("Condition").is_none());
    !denied && statements(document).filter(applies).any(is_allow)
}

/// Whether a key policy lets its account change it later.
pub(super) fn keeps_key_manageable(document: &Value) -> bool {
    statements(document).filter(|it| is_allow(it) && covers(it, "Action", "kms:PutKeyPolicy")).any(|statement| {
        let principal = statement.get("Principal").unwrap_or(&Value::Null);
        texts(principal.get("AWS").unwrap_or(principal)).next().is_some()
    })
}

fn statements(document: &Value) -> impl Iterator<Item = &Value> {
    let statement = document.get("Statement");
    let list = statement.and_then(Value::as_array).map(Vec::as_slice);
    list.unwrap_or_else(|| statement.map(std::slice::from_ref).unwrap_or_default()).iter()
}

fn is_allow(statement: &Value) -> bool {
    statement.get("Effect").and_then(Value::as_str) == Some("Allow")
}

fn is_account(principal: &str, account: &str) -> bool {
    principal == account || principal.ends_with(":root") && principal.split(':').nth(4) == Some(account)
}

fn covers(statement: &Value, key: &str, wanted: &str) -> bool {
    match (statement.get(key), statement.get(format!("Not{key}"))) {
        (Some(patterns), _) => texts(patterns).any(|pattern| matches(pattern, wanted)),
        (None, Some(patterns)) => !texts(patterns).any(|pattern| matches(pattern, wanted)),
        (None, None) => false,
    }
}

fn principal_condition_holds(statement: &Value, caller_arn: &str) -> bool {
    let Some(condition) = statement.get("Condition").and_then(Value::as_object) else { return true };
    condition.iter().filter(|(operator, _)| !operator.contains("Not")).all(|(_, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.filter(|(key, _)| key.eq_ignore_ascii_case("aws:PrincipalArn"))
            .all(|(_, patterns)| texts(patterns).any(|pattern| matches(pattern, caller_arn)))
    })
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map(Vec::as_slice);
    list.unwrap_or_else(|| std::slice::from_ref(value)).iter().filter_map(Value::as_str)
}

/// Wildcards, without regard to case.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|it| *it == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_root_of_an_account_with_a_condition_is_one_role() {
        let trust = json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"AWS": "arn:aws:iam::111111111111:root"},
            "Condition": {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/pipeline"}}}});
        assert!(trusts(&trust, "arn:aws:iam::111111111111:role/pipeline"));
        assert!(!trusts(&trust, "arn:aws:iam::111111111111:role/other"));
        assert!(!trusts(&trust, "arn:aws:iam::222222222222:role/pipeline"));
    }

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("s3:Get*", "s3:GetObject", true),
            ("a*c?", "abcd", true),
            ("a*b", "abc", false),
            ("A", "a", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
