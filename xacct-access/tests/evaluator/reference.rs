//! A reference evaluator: two-valued, over concrete JSON, slow, and written to be read beside AWS's flow charts. It shares
//! no code with the crate. What AWS leaves open is `Err(Undocumented)`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

/// AWS does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undocumented;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Allowed,
    ImplicitlyDenied,
    ExplicitlyDenied,
}

#[derive(Clone, Debug)]
pub(crate) enum Who {
    Root { account: String },
    User { arn: String },
    Session { role: String, name: String },
    FederatedUser { arn: String, user: String },
    Service { name: String },
    Federated { provider: String },
    Anonymous,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub who: Who,
    pub action: String,
    pub resource: String,
    pub owner: String,
    /// Every key that the request has, in lower case, but those that follow from `who`.
    pub context: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Documents {
    pub identity: Vec<Value>,
    pub boundary: Option<Value>,
    pub session: Vec<Value>,
    pub resource: Option<Value>,
    pub scps: Vec<Vec<Value>>,
    pub rcps: Vec<Vec<Value>>,
}

type Known<T> = Result<T, Undocumented>;

pub(crate) fn evaluate(documents: &Documents, call: &Call) -> Known<Answer> {
    let action = call.action.to_lowercase();
    let iam = matches!(call.who, Who::Root { .. } | Who::User { .. } | Who::Session { .. } | Who::FederatedUser { .. });
    if action == "sts:getcalleridentity" && iam {
        return Ok(Answer::Allowed);
    }
    let service_linked = matches!(&call.who, Who::Session { role, .. } if role.contains(":role/aws-service-role/"));
    let no_levels = Vec::new();
    let scps = if iam && !service_linked { &documents.scps } else { &no_levels };
    let rcps = if service_linked { &no_levels } else { &documents.rcps };

    // "Deny evaluation": any policy that applies.
    let mut everywhere: Vec<(&Value, bool)> = Vec::new();
    everywhere.extend(documents.identity.iter().map(|p| (p, false)));
    everywhere.extend(documents.boundary.iter().map(|p| (p, false)));
    everywhere.extend(documents.session.iter().map(|p| (p, false)));
    everywhere.extend(documents.resource.iter().map(|p| (p, true)));
    everywhere.extend(scps.iter().flatten().map(|p| (p, false)));
    everywhere.extend(rcps.iter().flatten().map(|p| (p, false)));
    let mut open = None;
    for (policy, is_resource) in everywhere {
        for statement in statements(policy).into_iter().filter(|s| s["Effect"] == "Deny") {
            let named =
                if is_resource { deny_names(statement, &call.who, documents.boundary.is_some()) } else { Ok(true) };
            match and(named, || matches(policy, statement, call)) {
                Ok(true) => return Ok(Answer::ExplicitlyDenied),
                Ok(false) => {}
                Err(undocumented) => open = Some(undocumented),
            }
        }
    }
    let allowed = allowed(documents, call, scps, iam);
    match (allowed, open) {
        (Ok(false), _) => Ok(Answer::ImplicitlyDenied),
        (Ok(true), None) => Ok(Answer::Allowed),
        _ => Err(Undocumented),
    }
}

fn allowed(documents: &Documents, call: &Call, scps: &[Vec<Value>], iam: bool) -> Known<bool> {
    let action = call.action.to_lowercase();
    let service = action.split(':').next().unwrap_or_default();
    let organization = every(scps.iter().map(|level| any_allows(level, call)));
    let role_action = [
        "sts:assumerole",
        "sts:assumerolewithsaml",
        "sts:assumerolewithwebidentity",
        "sts:tagsession",
        "sts:setsourceidentity",
        "sts:setcontext",
    ]
    .contains(&action.as_str());
    let resource = ResourceAllows::ask(documents.resource.as_ref(), call);
    let parts: Vec<&str> = call.resource.splitn(6, ':').collect();
    let is_key = service == "kms" && parts.len() == 6 && parts[2] == "kms" && parts[5].starts_with("key/");
    let is_role = role_action && parts.len() == 6 && parts[2] == "iam" && parts[5].starts_with("role/");
    let decisive = is_key || is_role;
    if !iam {
        return match call.who {
            Who::Anonymous if ["kms", "sts", "iam"].contains(&service) => Ok(false),
            Who::Federated { .. } if !role_action => Ok(false),
            _ if decisive && documents.resource.is_none() => Err(Undocumented),
            _ => resource.as_itself,
        };
    }
    if matches!(call.who, Who::FederatedUser { .. }) && service == "sts" {
        return Ok(false);
    }
    if matches!(call.who, Who::Root { .. }) && action == "sts:assumerole" {
        return Ok(false);
    }
    let identity = match call.who {
        Who::Root { .. } => Ok(true),
        _ => any_allows(&documents.identity, call),
    };
    let boundary = match &documents.boundary {
        Some(boundary) => any_allows(std::slice::from_ref(boundary), call),
        None => Ok(true),
    };
    let session = match (&call.who, documents.session.is_empty()) {
        (Who::FederatedUser { .. }, true) => Ok(false),
        (_, true) => Ok(true),
        _ => any_allows(&documents.session, call),
    };
    let limits = and(boundary, || session);
    let both_sides = if account_of(&call.who) == call.owner {
        let by_identity = and(identity, || limits);
        let by_parent = and(resource.as_parent, || limits);
        let delegated = if decisive { resource.as_account } else { Ok(true) };
        or(resource.as_itself, || or(by_parent, || and(delegated, || by_identity)))
    } else {
        let crosses = match service {
            "iam" => action != "iam:passrole",
            "kms" => [
                "decrypt",
                "encrypt",
                "reencryptfrom",
                "reencryptto",
                "generatedatakey",
                "generatedatakeypair",
                "generatedatakeywithoutplaintext",
                "generatedatakeypairwithoutplaintext",
                "generatemac",
                "verifymac",
                "sign",
                "verify",
                "derivesharedsecret",
                "describekey",
                "getpublickey",
                "getkeyrotationstatus",
                "creategrant",
                "listgrants",
                "revokegrant",
                "retiregrant",
            ]
            .contains(&&action[4..]),
            _ => true,
        };
        let theirs = or(resource.as_itself, || or(resource.as_parent, || resource.as_account));
        and(Ok(crosses), || and(identity, || and(limits, || theirs)))
    };
    // A key or role always has a policy; if it is not here, it may say anything.
    let both_sides = match both_sides {
        Ok(_) if decisive && documents.resource.is_none() && could_be_allowed(call, &action, identity, limits) => {
            Err(Undocumented)
        }
        other => other,
    };
    and(organization, || both_sides)
}

/// Could some policy of the resource allow it?
fn could_be_allowed(call: &Call, action: &str, identity: Known<bool>, limits: Known<bool>) -> bool {
    if account_of(&call.who) == call.owner {
        return true;
    }
    let crosses = !action.starts_with("kms:") || action != "kms:putkeypolicy";
    crosses && and(identity, || limits) != Ok(false)
}

/// Whom the Allow statements of the resource policy that apply name.
struct ResourceAllows {
    as_itself: Known<bool>,
    as_parent: Known<bool>,
    as_account: Known<bool>,
}

impl ResourceAllows {
    fn ask(policy: Option<&Value>, call: &Call) -> ResourceAllows {
        let mut out = ResourceAllows { as_itself: Ok(false), as_parent: Ok(false), as_account: Ok(false) };
        let Some(policy) = policy else { return out };
        // Does `*` in a trust policy include services and identity providers?
        let action = call.action.to_lowercase();
        let vague = matches!(call.who, Who::Service { .. } | Who::Federated { .. })
            && ["sts:assumerole", "sts:tagsession", "sts:setsourceidentity", "sts:setcontext"]
                .iter()
                .any(|role_action| action.starts_with(role_action));
        for statement in statements(policy).into_iter().filter(|s| s["Effect"] == "Allow") {
            let applies = matches(policy, statement, call);
            let everyone = || if vague { Err(Undocumented) } else { Ok(true) };
            if let Some(not) = statement.get("NotPrincipal") {
                out.as_itself = or(out.as_itself, || and(all_but(not, &call.who), || and(applies, everyone)));
                continue;
            }
            for (kind, name) in principals(&statement["Principal"]) {
                match names(&kind, &name, &call.who) {
                    Ok((true, ..)) if name == "*" => {
                        out.as_itself = or(out.as_itself, || and(applies, everyone));
                    }
                    Ok((as_itself, as_parent, as_account)) => {
                        out.as_itself = or(out.as_itself, || and(Ok(as_itself), || applies));
                        out.as_parent = or(out.as_parent, || and(Ok(as_parent), || applies));
                        out.as_account = or(out.as_account, || and(Ok(as_account), || applies));
                    }
                    Err(open) => match (&call.who, kind.as_str()) {
                        // An id of a user or role stands for it; a canonical user stands for an account.
                        (Who::User { .. }, "AWS") => out.as_itself = or(out.as_itself, || and(Err(open), || applies)),
                        (_, "AWS") => out.as_parent = or(out.as_parent, || and(Err(open), || applies)),
                        _ => out.as_account = or(out.as_account, || and(Err(open), || applies)),
                    },
                }
            }
        }
        out
    }
}

fn deny_names(statement: &Value, who: &Who, has_boundary: bool) -> Known<bool> {
    if let Some(not) = statement.get("NotPrincipal") {
        return if has_boundary { Ok(true) } else { all_but(not, who) };
    }
    let mut open = false;
    for (kind, name) in principals(&statement["Principal"]) {
        match names(&kind, &name, who) {
            Ok((a, b, c)) if a || b || c => return Ok(true),
            Ok(_) => {}
            Err(Undocumented) => open = true,
        }
    }
    if open { Err(Undocumented) } else { Ok(false) }
}

fn principals(element: &Value) -> Vec<(String, String)> {
    match element {
        Value::String(star) => vec![("AWS".to_owned(), star.clone())],
        Value::Object(kinds) => kinds
            .iter()
            .flat_map(|(kind, names)| strings(names).into_iter().map(move |name| (kind.clone(), name)))
            .collect(),
        _ => Vec::new(),
    }
}

/// Does the principal of a policy name the caller: itself, its role or user, its account?
fn names(kind: &str, name: &str, who: &Who) -> Known<(bool, bool, bool)> {
    if kind == "AWS" && name == "*" {
        return Ok((true, false, false));
    }
    let nobody = (false, false, false);
    Ok(match (kind, who) {
        ("Service", Who::Service { name: own }) => (name == own, false, false),
        ("Federated", Who::Federated { provider }) => (name == provider, false, false),
        ("AWS", Who::Root { .. } | Who::User { .. } | Who::Session { .. } | Who::FederatedUser { .. }) => {
            let account = account_of(who);
            if name == account || name == format!("arn:aws:iam::{account}:root") {
                if matches!(who, Who::Root { .. }) { (true, false, false) } else { (false, false, true) }
            } else if (name.starts_with("AIDA") || name.starts_with("AROA"))
                && matches!(who, Who::User { .. } | Who::Session { .. })
            {
                return Err(Undocumented);
            } else {
                match who {
                    Who::User { arn } => (name == arn, false, false),
                    Who::Session { role, .. } => (name == session_arn(who), name == role, false),
                    Who::FederatedUser { arn, user } => (name == arn, name == user, false),
                    _ => nobody,
                }
            }
        }
        ("CanonicalUser", Who::Root { .. } | Who::User { .. } | Who::Session { .. } | Who::FederatedUser { .. }) => {
            return Err(Undocumented);
        }
        _ => nobody,
    })
}

/// `NotPrincipal`: certain only if it names everything that the caller is, or nothing of it.
fn all_but(element: &Value, who: &Who) -> Known<bool> {
    let listed = principals(element);
    if listed.iter().any(|(kind, name)| kind == "AWS" && name == "*") {
        return Ok(false);
    }
    let account = account_of(who);
    let root = format!("arn:aws:iam::{account}:root");
    let (kind, chain) = match who {
        Who::Root { .. } => ("AWS", vec![root.clone()]),
        Who::User { arn } => ("AWS", vec![arn.clone(), root.clone()]),
        Who::Session { role, .. } => ("AWS", vec![session_arn(who), role.clone(), root.clone()]),
        Who::FederatedUser { arn, user } => ("AWS", vec![arn.clone(), user.clone(), root.clone()]),
        Who::Service { name } => ("Service", vec![name.clone()]),
        Who::Federated { provider } => ("Federated", vec![provider.clone()]),
        Who::Anonymous => return Ok(true),
    };
    let listed_as = |wanted: &dyn Fn(&str, &str) -> bool| listed.iter().any(|(kind, name)| wanted(kind, name));
    // Ids of users and roles stand for their ARNs, canonical users for accounts; nobody here knows which.
    let some_id = listed_as(&|_, name| name.starts_with("AIDA") || name.starts_with("AROA"));
    let some_account = listed_as(&|kind, _| kind == "CanonicalUser");
    let links = chain.iter().map(|link| {
        let itself = listed_as(&|k, name| k == kind && (name == link || *link == root && name == account));
        if itself {
            Ok(true)
        } else if kind == "AWS" && (*link != root && some_id || *link == root && some_account) {
            Err(Undocumented)
        } else {
            Ok(false)
        }
    });
    match (every(links.clone()), some(links)) {
        (Ok(true), _) => Ok(false),
        (_, Ok(false)) => Ok(true),
        _ => Err(Undocumented),
    }
}

fn any_allows(policies: &[Value], call: &Call) -> Known<bool> {
    let mut open = false;
    for policy in policies {
        for statement in statements(policy).into_iter().filter(|s| s["Effect"] == "Allow") {
            match matches(policy, statement, call) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(Undocumented) => open = true,
            }
        }
    }
    if open { Err(Undocumented) } else { Ok(false) }
}

fn statements(policy: &Value) -> Vec<&Value> {
    match &policy["Statement"] {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn strings(value: &Value) -> Vec<String> {
    let one = |value: &Value| match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    match value {
        Value::Array(items) => items.iter().map(one).collect(),
        other => vec![one(other)],
    }
}

fn and(first: Known<bool>, second: impl FnOnce() -> Known<bool>) -> Known<bool> {
    match (first, second()) {
        (Ok(false), _) | (_, Ok(false)) => Ok(false),
        (Ok(true), Ok(true)) => Ok(true),
        _ => Err(Undocumented),
    }
}

fn or(first: Known<bool>, second: impl FnOnce() -> Known<bool>) -> Known<bool> {
    match (first, second()) {
        (Ok(true), _) | (_, Ok(true)) => Ok(true),
        (Ok(false), Ok(false)) => Ok(false),
        _ => Err(Undocumented),
    }
}

fn every(all: impl Iterator<Item = Known<bool>>) -> Known<bool> {
    all.reduce(|a, b| and(a, || b)).unwrap_or(Ok(true))
}

fn some(any: impl Iterator<Item = Known<bool>>) -> Known<bool> {
    any.reduce(|a, b| or(a, || b)).unwrap_or(Ok(false))
}

/// Action, resource and conditions of a statement.
fn matches(policy: &Value, statement: &Value, call: &Call) -> Known<bool> {
    let variables = policy["Version"] == "2012-10-17";
    let action = {
        let listed = |element: &Value| {
            strings(element).iter().any(|p| glob(&tokens(&p.to_lowercase()), &chars(&call.action.to_lowercase()), true))
        };
        match (statement.get("Action"), statement.get("NotAction")) {
            (Some(element), _) => listed(element),
            (_, Some(element)) => !listed(element),
            _ => false,
        }
    };
    let resource = || match (statement.get("Resource"), statement.get("NotResource")) {
        (Some(element), _) => resource_listed(element, call, variables, false),
        (_, Some(element)) => resource_listed(element, call, variables, true),
        _ => Ok(true),
    };
    and(Ok(action), || {
        and(resource(), || {
            let mut all = Ok(true);
            for (operator, keys) in statement.get("Condition").and_then(Value::as_object).into_iter().flatten() {
                for (key, values) in keys.as_object().into_iter().flatten() {
                    let one = condition(operator, &key.to_lowercase(), &strings(values), call, variables);
                    all = and(all, || one);
                }
            }
            all
        })
    })
}

fn resource_listed(element: &Value, call: &Call, variables: bool, negated: bool) -> Known<bool> {
    let subject = chars(&call.resource);
    let (mut listed, mut open_match, mut void) = (false, false, false);
    for pattern in strings(element) {
        let pattern = fill(&pattern, call, variables, true);
        // An unresolvable variable may void the statement, or stand for anything.
        void |= pattern.contains(&Token::Open);
        let (loose, strict) = (glob(&pattern, &subject, true), glob(&pattern, &subject, false));
        if pattern.contains(&Token::Open) || loose != strict {
            open_match |= loose;
        } else {
            listed |= loose;
        }
    }
    let answer = match (listed, open_match) {
        (true, _) => Ok(true),
        (false, true) => Err(Undocumented),
        (false, false) => Ok(false),
    };
    let answer = if negated { answer.map(|listed| !listed) } else { answer };
    if void && answer != Ok(false) { Err(Undocumented) } else { answer }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Star,
    Question,
    Char(char),
    /// A variable that cannot be resolved.
    Open,
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn tokens(text: &str) -> Vec<Token> {
    text.chars()
        .map(|c| match c {
            '*' => Token::Star,
            '?' => Token::Question,
            c => Token::Char(c),
        })
        .collect()
}

/// Is the pattern the text? With `crossing` false, a wildcard covers no colon unless it ends its part of the ARN.
fn glob(pattern: &[Token], text: &[char], crossing: bool) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((Token::Char(c), rest)) => text.first() == Some(c) && glob(rest, &text[1..], crossing),
        Some((Token::Question, rest)) => {
            text.first().is_some_and(|c| crossing || *c != ':') && glob(rest, &text[1..], crossing)
        }
        Some((star, rest)) => {
            let ends_part = match rest.iter().find(|token| **token != Token::Star) {
                None => true,
                Some(next) => *next == Token::Char(':'),
            };
            let may_take = |c: char| crossing || ends_part || *star == Token::Open || c != ':';
            glob(rest, text, crossing)
                || text.first().is_some_and(|c| may_take(*c) && glob(pattern, &text[1..], crossing))
        }
    }
}

fn fill(text: &str, call: &Call, variables: bool, wildcards: bool) -> Vec<Token> {
    let plain = |text: &str| match wildcards {
        true => tokens(text),
        false => text.chars().map(Token::Char).collect(),
    };
    if !variables {
        return plain(text);
    }
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        out.extend(plain(&rest[..start]));
        let Some(length) = rest[start..].find('}') else {
            out.push(Token::Open);
            return out;
        };
        let inner = &rest[start + 2..start + length];
        rest = &rest[start + length + 1..];
        if ["*", "?", "$"].contains(&inner) {
            out.extend(inner.chars().map(Token::Char));
            continue;
        }
        let (name, default) = match inner.split_once(',') {
            Some((name, default)) => (name.trim(), Some(default.trim().trim_matches('\'').to_owned())),
            None => (inner.trim(), None),
        };
        let value = match lookup(&name.to_lowercase(), call) {
            Err(Undocumented) => None,
            Ok(values) => match values.as_slice() {
                [] => default,
                [one] => Some(one.clone()),
                _ => None,
            },
        };
        match value {
            Some(value) if !(wildcards && value.contains(['*', '?'])) => out.extend(value.chars().map(Token::Char)),
            _ => out.push(Token::Open),
        }
    }
    out.extend(plain(rest));
    out
}

/// The values of a context key; none if it is absent.
fn lookup(key: &str, call: &Call) -> Known<Vec<String>> {
    if let Some(values) = call.context.get(key) {
        return Ok(values.clone());
    }
    let who = &call.who;
    let of_account =
        matches!(who, Who::Root { .. } | Who::User { .. } | Who::Session { .. } | Who::FederatedUser { .. });
    let last = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    let one = |value: &str| Ok(vec![value.to_owned()]);
    match key {
        "aws:principalarn" => match who {
            Who::Root { account } => one(&format!("arn:aws:iam::{account}:root")),
            Who::User { arn } | Who::FederatedUser { arn, .. } => one(arn),
            Who::Session { role, .. } => one(role),
            Who::Anonymous => Ok(vec![]),
            _ => Err(Undocumented),
        },
        "aws:principalaccount" | "kms:calleraccount" => match who {
            _ if key.starts_with("kms") && !call.action.to_lowercase().starts_with("kms:") => Ok(vec![]),
            Who::Anonymous => one("anonymous"),
            _ if of_account => one(&account_of(who)),
            _ => Err(Undocumented),
        },
        "aws:principaltype" => match who {
            Who::Root { .. } => one("Account"),
            Who::User { .. } => one("User"),
            Who::Session { .. } => one("AssumedRole"),
            Who::FederatedUser { .. } => one("FederatedUser"),
            Who::Anonymous => one("Anonymous"),
            _ => Err(Undocumented),
        },
        "aws:userid" => match who {
            Who::Root { account } => one(account),
            Who::FederatedUser { arn, .. } => one(&format!("{}:{}", account_of(who), last(arn))),
            Who::Anonymous => one("anonymous"),
            _ => Err(Undocumented),
        },
        "aws:username" => match who {
            Who::User { arn } => one(&last(arn)),
            Who::Federated { .. } => Err(Undocumented),
            _ => Ok(vec![]),
        },
        "aws:principalisawsservice" => match who {
            Who::Service { .. } => one("true"),
            Who::Anonymous => Ok(vec![]),
            Who::Federated { .. } => Err(Undocumented),
            _ => one("false"),
        },
        "aws:principalservicename" => match who {
            Who::Service { name } => one(name),
            _ => Ok(vec![]),
        },
        "aws:resourceaccount" if call.resource == "*" => Ok(vec![]),
        "aws:resourceaccount" => one(&call.owner),
        _ => Ok(vec![]),
    }
}

fn condition(operator: &str, key: &str, wanted: &[String], call: &Call, variables: bool) -> Known<bool> {
    let lower = operator.to_lowercase();
    let (set, name) = lower.split_once(':').map_or(("", lower.as_str()), |(set, name)| (set, name));
    let (name, if_exists) = name.strip_suffix("ifexists").map_or((name, false), |name| (name, true));
    let actual = lookup(key, call)?;
    let null = actual.iter().all(String::is_empty);
    if name == "null" {
        return Ok(wanted.iter().any(|w| w.eq_ignore_ascii_case("true") == null));
    }
    let negated = name.contains("not");
    if actual.is_empty() || null && !set.is_empty() {
        return Ok(match set {
            "forallvalues" => true,
            "foranyvalue" => if_exists,
            _ => if_exists || negated,
        });
    }
    let test = |value: &String| -> Known<bool> {
        let (mut any, mut open, mut void) = (false, false, false);
        for wanted in wanted {
            match compare(name, wanted, value, call, variables) {
                Ok(answer) => any |= answer,
                Err(Undocumented) => open = true,
            }
            let textual = ["string", "arn", "bool"].iter().any(|family| name.starts_with(family));
            let wildcards = name.contains("like") || name.starts_with("arn");
            void |= textual && fill(wanted, call, variables, wildcards).contains(&Token::Open);
        }
        let answer = match (any, open) {
            (true, _) => Ok(!negated),
            (false, false) => Ok(negated),
            (false, true) => Err(Undocumented),
        };
        if void && answer != Ok(false) { Err(Undocumented) } else { answer }
    };
    match set {
        "forallvalues" => every(actual.iter().map(test)),
        "foranyvalue" => some(actual.iter().map(test)),
        _ if actual.len() > 1 => Err(Undocumented),
        _ => test(&actual[0]),
    }
}

/// One value of the policy against one of the request, for the operator without its negation.
fn compare(name: &str, wanted: &str, actual: &str, call: &Call, variables: bool) -> Known<bool> {
    let filled = |wildcards| fill(wanted, call, variables, wildcards);
    let family = name.replace("not", "");
    match family.as_str() {
        "stringequals" | "stringlike" => {
            let pattern = filled(family == "stringlike");
            let answer = glob(&pattern, &chars(actual), true);
            if pattern.contains(&Token::Open) && answer { Err(Undocumented) } else { Ok(answer) }
        }
        "stringequalsignorecase" | "bool" => {
            let lower = |token: &Token| match token {
                Token::Char(c) => Token::Char(c.to_lowercase().next().unwrap_or(*c)),
                other => *other,
            };
            let pattern: Vec<Token> = filled(false).iter().map(lower).collect();
            let answer = glob(&pattern, &chars(&actual.to_lowercase()), true);
            if pattern.contains(&Token::Open) && answer { Err(Undocumented) } else { Ok(answer) }
        }
        "arnequals" | "arnlike" => {
            let pattern = filled(true);
            let parts = |tokens: &[Token]| -> Vec<Vec<Token>> {
                tokens.splitn(6, |token| *token == Token::Char(':')).map(<[Token]>::to_vec).collect()
            };
            let pattern = parts(&pattern);
            let text: Vec<Vec<char>> = actual.splitn(6, ':').map(chars).collect();
            if pattern.len() < 6 || text.len() < 6 || pattern[..5].iter().flatten().any(|t| *t == Token::Open) {
                return Err(Undocumented);
            }
            let answer = pattern.iter().zip(&text).all(|(pattern, text)| glob(pattern, text, true));
            if pattern[5].contains(&Token::Open) && answer { Err(Undocumented) } else { Ok(answer) }
        }
        "ipaddress" => ip(wanted, actual).ok_or(Undocumented),
        "binaryequals" => Ok(wanted == actual),
        _ => {
            let number = |text: &str| text.parse::<f64>().map_err(|_| Undocumented);
            let date = |text: &str| seconds(text).ok_or(Undocumented);
            let (operator, actual, wanted) = match family.strip_prefix("numeric") {
                Some(operator) => (operator, number(actual)?, number(wanted)?),
                None => (&family[4..], date(actual)?, date(wanted)?),
            };
            Ok(match operator {
                "equals" => actual == wanted,
                "lessthan" => actual < wanted,
                "lessthanequals" => actual <= wanted,
                "greaterthan" => actual > wanted,
                _ => actual >= wanted,
            })
        }
    }
}

fn ip(range: &str, address: &str) -> Option<bool> {
    let bits = |address: &str| -> Option<String> {
        Some(match address.parse::<IpAddr>().ok()? {
            IpAddr::V4(v4) => v4.octets().iter().map(|byte| format!("{byte:08b}")).collect(),
            IpAddr::V6(v6) => v6.octets().iter().map(|byte| format!("{byte:08b}")).collect(),
        })
    };
    let (network, length) = range.split_once('/').map_or((range, None), |(network, length)| (network, Some(length)));
    let (network, address) = (bits(network)?, bits(address)?);
    let length = length.map_or(Some(network.len()), |length| length.parse().ok())?;
    Some(network.len() == address.len() && network[..length] == address[..length])
}

/// `YYYY-MM-DDThh:mm:ssZ` or seconds since 1970, by counting days.
fn seconds(text: &str) -> Option<f64> {
    if text.chars().all(|c| c.is_ascii_digit()) && text.len() != 4 {
        return text.parse().ok();
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let leap = |year: i64| year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
    let mut days: i64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    for month in 1..month {
        days += match month {
            2 if leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
    }
    let time = if text.len() > 10 { number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)? } else { 0 };
    Some(((days + day - 1) * 86_400 + time) as f64)
}

fn session_arn(who: &Who) -> String {
    let Who::Session { role, name } = who else { return String::new() };
    let role_name = role.rsplit('/').next().unwrap_or_default();
    format!("arn:aws:sts::{}:assumed-role/{role_name}/{name}", account_of(who))
}

pub(crate) fn account_of(who: &Who) -> String {
    match who {
        Who::Root { account } => account.clone(),
        Who::User { arn } | Who::Session { role: arn, .. } | Who::FederatedUser { arn, .. } => {
            arn.split(':').nth(4).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    }
}
