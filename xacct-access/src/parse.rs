//! Policy documents, read with the place of everything, and refused with all their faults at once.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::condition::{Condition, ConditionValue, Operator};
use crate::expression::{Environment, Resolve, Texts};
use crate::json::{Json, Member, step};
use crate::pattern::{Pattern, Reading};
use crate::policy::{Effect, Elements, Policy, PolicyKind, Statement, Version};
use crate::position::{Place, Position};
use crate::principal::{Named, PrincipalEntry, Principals};
use crate::request::Key;
use crate::text::Text;

/// One fault of a policy document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
#[non_exhaustive]
pub struct PolicyError {
    /// What is wrong and what to do.
    pub message: String,
    /// Where.
    pub position: Position,
}

/// All faults of a policy document; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyErrors {
    /// In the order of the document.
    pub errors: Vec<PolicyError>,
}

impl PolicyErrors {
    pub(crate) fn one(error: PolicyError) -> PolicyErrors {
        PolicyErrors { errors: vec![error] }
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyErrors {}

impl Policy {
    /// Reads a document from text.
    ///
    /// ```
    /// use xacct_access::{Policy, PolicyKind};
    /// let errors = Policy::parse(PolicyKind::Identity, "build", r#"{
    ///   "Version": "2012-10-17",
    ///   "Statement": {"Effect": "Allow", "Action": "GetObject", "Resource": "*"}
    /// }"#).unwrap_err();
    /// assert_eq!(errors.to_string(),
    ///     "3:46 (/Statement/Action): `GetObject` names no service: write `service:GetObject`");
    /// ```
    ///
    /// # Errors
    /// Everything in it that AWS would refuse.
    pub fn parse(kind: PolicyKind, name: &str, text: &str) -> Result<Policy, PolicyErrors> {
        read(kind, name, &Json::parse(text)?, Texts { template: None })
    }

    /// Reads a document from a JSON value; positions are JSON pointers only.
    ///
    /// # Errors
    /// Everything in it that AWS would refuse.
    pub fn from_value(kind: PolicyKind, name: &str, value: &serde_json::Value) -> Result<Policy, PolicyErrors> {
        read(kind, name, &json(value)?, Texts { template: None })
    }

    /// Reads a document in a CloudFormation template, in which values may be expressions.
    ///
    /// # Errors
    /// Everything in it that AWS would refuse, whatever the expressions stand for.
    pub fn from_template(
        kind: PolicyKind,
        name: &str,
        value: &serde_json::Value,
        environment: &Environment,
        resolve: &dyn Resolve,
    ) -> Result<Policy, PolicyErrors> {
        read(kind, name, &json(value)?, Texts { template: Some((environment, resolve)) })
    }

    /// As [`from_template`](Policy::from_template), from text and so with places.
    ///
    /// # Errors
    /// Everything in it that AWS would refuse, whatever the expressions stand for.
    pub fn parse_template(
        kind: PolicyKind,
        name: &str,
        text: &str,
        environment: &Environment,
        resolve: &dyn Resolve,
    ) -> Result<Policy, PolicyErrors> {
        read(kind, name, &Json::parse(text)?, Texts { template: Some((environment, resolve)) })
    }
}

fn json(value: &serde_json::Value) -> Result<Json, PolicyErrors> {
    Json::from_value(value).ok_or_else(|| {
        PolicyErrors::one(PolicyError {
            message: "the document is nested too deeply: no policy needs that".to_owned(),
            position: Position::default(),
        })
    })
}

fn read(kind: PolicyKind, name: &str, json: &Json, texts: Texts<'_>) -> Result<Policy, PolicyErrors> {
    let mut reader = Reader { kind, texts, variables: false, errors: Vec::new() };
    let policy = reader.policy(name, json);
    if reader.errors.is_empty() { Ok(policy) } else { Err(PolicyErrors { errors: reader.errors }) }
}

struct Reader<'a> {
    kind: PolicyKind,
    texts: Texts<'a>,
    variables: bool,
    errors: Vec<PolicyError>,
}

/// A value and its pointer.
#[derive(Clone, Copy)]
struct At<'a> {
    json: &'a Json,
    pointer: &'a str,
}

impl At<'_> {
    fn position(self) -> Position {
        Position { pointer: self.pointer.to_owned(), place: self.json.place }
    }
}

impl Reader<'_> {
    fn policy(&mut self, name: &str, json: &Json) -> Policy {
        let mut policy = Policy {
            name: Arc::from(name),
            kind: self.kind,
            version: Version::default(),
            id: None,
            statements: Vec::new(),
            unseen: None,
        };
        let root = At { json, pointer: "" };
        let Some(members) = json.as_object() else {
            self.error(root, format!("a policy is an object, not {}", json.describe()));
            return policy;
        };
        self.check_names(members, "", &["Version", "Id", "Statement"]);
        if let Some(version) = find(members, "Version") {
            match version.as_str() {
                Some("2012-10-17") => policy.version = Version::V2012,
                Some("2008-10-17") => policy.version = Version::V2008,
                _ => self.error(
                    At { json: version, pointer: "/Version" },
                    "there are two versions, `2012-10-17` and `2008-10-17`: use the first",
                ),
            }
        }
        self.variables = policy.version == Version::V2012;
        policy.id = find(members, "Id").and_then(|id| self.text(At { json: id, pointer: "/Id" }));
        let Some(statements) = find(members, "Statement") else {
            self.error(root, "the policy has no `Statement`: add one");
            return policy;
        };
        if statements.items().is_empty() {
            self.error(At { json: statements, pointer: "/Statement" }, "`Statement` is empty: add a statement");
        }
        for (index, statement) in statements.items().iter().enumerate() {
            let pointer = match statements.as_array() {
                Some(_) => step("/Statement", index),
                None => "/Statement".to_owned(),
            };
            self.statement(At { json: statement, pointer: &pointer }, index, true, &mut policy.statements);
        }
        self.check_sids(&policy.statements);
        policy
    }

    fn statement(&mut self, at: At<'_>, index: usize, certain: bool, out: &mut Vec<Statement>) {
        if self.texts.is_no_value(at.json) {
            return;
        }
        if let Some((name, argument)) = self.texts.function(at.json) {
            let Some(("Fn::If", [_, yes, no])) = argument.as_array().map(|items| (name, items)) else {
                self.error(at, format!("`{name}` in place of a statement cannot be checked: write the statement out"));
                return;
            };
            for (branch, json) in [(1, yes), (2, no)] {
                let pointer = step(&step(at.pointer, name), branch);
                self.statement(At { json, pointer: &pointer }, index, false, out);
            }
            return;
        }
        let Some(members) = at.json.as_object() else {
            self.error(at, format!("a statement is an object, not {}", at.json.describe()));
            return;
        };
        self.check_names(
            members,
            at.pointer,
            &[
                "Sid",
                "Effect",
                "Principal",
                "NotPrincipal",
                "Action",
                "NotAction",
                "Resource",
                "NotResource",
                "Condition",
            ],
        );
        let sid = self.member(members, at, "Sid", Reader::text);
        let effects = self.effects(members, at);
        let principals = self.principals(members, at);
        let actions = self.either(members, at, "Action", "NotAction");
        if !members.iter().any(|member| matches!(&*member.name, "Action" | "NotAction")) {
            self.error(at, "the statement has no `Action`: add it");
        }
        let resources = self.either(members, at, "Resource", "NotResource");
        self.check_resources(at, resources.is_some());
        let (conditions, known) = match find(members, "Condition") {
            Some(json) => self.conditions(At { json, pointer: &step(at.pointer, "Condition") }),
            None => (Vec::new(), true),
        };
        let Some(actions) = actions else { return };
        let certain = certain && known && effects.len() == 1;
        for effect in effects {
            out.push(Statement {
                index,
                sid: sid.clone(),
                effect,
                principals: principals.clone(),
                actions: actions.clone(),
                resources: resources.clone(),
                conditions: conditions.clone(),
                certain,
                position: at.position(),
            });
        }
    }

    /// Both, if an expression decides.
    fn effects(&mut self, members: &[Member], at: At<'_>) -> Vec<Effect> {
        let Some(json) = find(members, "Effect") else {
            self.error(at, "the statement has no `Effect`: write `Allow` or `Deny`");
            return vec![Effect::Deny];
        };
        match json.as_str() {
            Some("Allow") => {}
            Some("Deny") => return vec![Effect::Deny],
            _ if self.texts.function(json).is_some() => return vec![Effect::Allow, Effect::Deny],
            _ => {
                let pointer = step(at.pointer, "Effect");
                self.error(At { json, pointer: &pointer }, "the effect is `Allow` or `Deny`, written exactly so");
            }
        }
        vec![Effect::Allow]
    }

    /// The values of the element or of its negation.
    fn either(&mut self, members: &[Member], at: At<'_>, name: &str, negation: &str) -> Option<Elements> {
        let (negated, json) = match (find(members, name), find(members, negation)) {
            (Some(_), Some(_)) => {
                self.error(at, format!("the statement has `{name}` and `{negation}`: split it into two"));
                return None;
            }
            (Some(json), None) => (false, json),
            (None, Some(json)) => (true, json),
            (None, None) => return None,
        };
        let name = if negated { negation } else { name };
        let pointer = step(at.pointer, name);
        let actions = name.ends_with("Action");
        let reading = Reading { wildcards: true, variables: self.variables && !actions, lowercase: actions };
        let mut patterns = Vec::new();
        self.each(At { json, pointer: &pointer }, |reader, item| {
            let Some(text) = reader.text(item) else {
                return;
            };
            if actions {
                reader.check_action(item, &text);
            } else {
                reader.check_resource(item, &text);
            }
            patterns.push(Pattern::new(text, item.position(), reading));
        });
        if json.items().is_empty() {
            self.error(At { json, pointer: &pointer }, format!("`{name}` is empty: name at least one"));
        }
        Some(Elements { negated, patterns })
    }

    fn check_action(&mut self, at: At<'_>, text: &Text) {
        let Some(action) = text.literal() else { return };
        match action.split_once(':') {
            _ if action == "*" => {}
            None => self.error(at, format!("`{action}` names no service: write `service:{action}`")),
            Some((service, name)) if service.is_empty() || name.is_empty() || action.contains(' ') => {
                self.error(at, format!("`{action}` is not an action: write `service:Name`"));
            }
            Some(_) => {}
        }
    }

    fn check_resource(&mut self, at: At<'_>, text: &Text) {
        let Some(resource) = text.literal() else {
            return;
        };
        let open = resource.starts_with('*') || self.variables && resource.starts_with("${");
        if !open && !resource.starts_with("arn:") {
            self.error(at, format!("`{resource}` is not an ARN: write one that starts with `arn:`, or `*`"));
        }
    }

    fn check_resources(&mut self, at: At<'_>, has_resources: bool) {
        match self.kind {
            PolicyKind::Identity | PolicyKind::ServiceControl | PolicyKind::ResourceControl if !has_resources => {
                self.error(at, "the statement has no `Resource`: add it");
            }
            PolicyKind::Trust if has_resources => {
                self.error(at, "a trust policy takes no `Resource`: the role itself is meant, remove it");
            }
            _ => {}
        }
    }

    fn principals(&mut self, members: &[Member], at: At<'_>) -> Option<Principals> {
        let (negated, json) = match (find(members, "Principal"), find(members, "NotPrincipal")) {
            (Some(_), Some(_)) => {
                self.error(at, "the statement has `Principal` and `NotPrincipal`: split it into two");
                return None;
            }
            (Some(json), None) => (false, json),
            (None, Some(json)) => (true, json),
            (None, None) => {
                let needed = match self.kind {
                    PolicyKind::Resource | PolicyKind::Trust => "the statement has no `Principal`: say who is meant",
                    PolicyKind::ResourceControl => "the statement has no `Principal`: write `\"Principal\": \"*\"`",
                    PolicyKind::Identity | PolicyKind::ServiceControl => return None,
                };
                self.error(at, needed);
                return None;
            }
        };
        let pointer = step(at.pointer, if negated { "NotPrincipal" } else { "Principal" });
        let here = At { json, pointer: &pointer };
        match self.kind {
            PolicyKind::Identity | PolicyKind::ServiceControl => {
                self.error(here, "this kind of policy takes no principal: whom it is attached to is meant, remove it");
                return None;
            }
            PolicyKind::ResourceControl if negated || json.as_str() != Some("*") => {
                self.error(here, "a resource control policy takes only `\"Principal\": \"*\"`: use a condition");
                return None;
            }
            _ => {}
        }
        let mut entries = Vec::new();
        self.principal_entries(here, &mut entries);
        Some(Principals { negated, entries })
    }

    fn principal_entries(&mut self, at: At<'_>, entries: &mut Vec<PrincipalEntry>) {
        if at.json.as_str() == Some("*") {
            entries.push(PrincipalEntry { named: Named::Everyone, position: at.position() });
            return;
        }
        if self.texts.function(at.json).is_some() {
            if let Some(text) = self.text(at) {
                entries.push(PrincipalEntry { named: Named::Unresolved(text), position: at.position() });
            }
            return;
        }
        let Some(types) = at.json.as_object() else {
            self.error(at, "a principal is `\"*\"` or an object such as `{\"AWS\": \"arn:…\"}`");
            return;
        };
        if types.is_empty() {
            self.error(at, "the principal is empty: name at least one");
        }
        for member in types {
            let pointer = step(at.pointer, &member.name);
            let here = At { json: &member.value, pointer: &pointer };
            if !matches!(&*member.name, "AWS" | "Service" | "Federated" | "CanonicalUser") {
                let message = format!(
                    "`{}` is not a kind of principal: use `AWS`, `Service`, `Federated` or `CanonicalUser`",
                    member.name
                );
                self.error_at(&pointer, member.place, message);
                continue;
            }
            if member.value.items().is_empty() {
                self.error(here, format!("`{}` is empty: name at least one", member.name));
            }
            self.each(here, |reader, item| {
                let Some(text) = reader.text(item) else {
                    return;
                };
                match named(&member.name, text) {
                    Ok(named) => entries.push(PrincipalEntry { named, position: item.position() }),
                    Err(message) => reader.error(item, message),
                }
            });
        }
    }

    /// The conditions, and whether they are all known.
    fn conditions(&mut self, at: At<'_>) -> (Vec<Condition>, bool) {
        if self.texts.is_no_value(at.json) {
            return (Vec::new(), true);
        }
        if self.texts.function(at.json).is_some() {
            return (Vec::new(), false);
        }
        let mut conditions = Vec::new();
        let mut known = true;
        let Some(operators) = at.json.as_object() else {
            self.error(at, format!("`Condition` is an object of operators, not {}", at.json.describe()));
            return (conditions, known);
        };
        for member in operators {
            let pointer = step(at.pointer, &member.name);
            let operator = match Operator::parse(&member.name) {
                Ok(operator) => operator,
                Err(message) => {
                    self.error_at(&pointer, member.place, message);
                    continue;
                }
            };
            if self.texts.function(&member.value).is_some() {
                known &= self.texts.is_no_value(&member.value);
                continue;
            }
            let Some(keys) = member.value.as_object() else {
                let here = At { json: &member.value, pointer: &pointer };
                self.error(here, format!("`{}` is an object of context keys and values", member.name));
                continue;
            };
            for key in keys {
                let pointer = step(&pointer, &key.name);
                let here = At { json: &key.value, pointer: &pointer };
                let position = Position { pointer: pointer.clone(), place: key.place };
                if self.texts.is_no_value(&key.value) {
                    continue;
                }
                let values = self.condition_values(here, operator);
                if key.value.items().is_empty() {
                    self.error(here, format!("`{}` has no value to compare with: add one", key.name));
                }
                conditions.push(Condition {
                    operator,
                    key: Key::new(&key.name),
                    values,
                    written_operator: member.name.clone(),
                    written_key: key.name.clone(),
                    position,
                });
            }
        }
        (conditions, known)
    }

    fn condition_values(&mut self, at: At<'_>, operator: Operator) -> Vec<ConditionValue> {
        let mut values = Vec::new();
        self.each(at, |reader, item| {
            let Some(text) = reader.text(item) else {
                return;
            };
            match ConditionValue::new(operator.test, text, item.position(), reader.variables) {
                Ok(value) => values.push(value),
                Err(message) => reader.error(item, message),
            }
        });
        values
    }

    /// The one item or every item of the list, without those that CloudFormation removes.
    fn each(&mut self, at: At<'_>, mut visit: impl FnMut(&mut Self, At<'_>)) {
        for (index, item) in at.json.items().iter().enumerate() {
            if self.texts.is_no_value(item) {
                continue;
            }
            match at.json.as_array() {
                Some(_) => visit(self, At { json: item, pointer: &step(at.pointer, index) }),
                None => visit(self, at),
            }
        }
    }

    fn member<T>(
        &mut self,
        members: &[Member],
        at: At<'_>,
        name: &str,
        read: impl Fn(&mut Self, At<'_>) -> Option<T>,
    ) -> Option<T> {
        let json = find(members, name)?;
        read(self, At { json, pointer: &step(at.pointer, name) })
    }

    fn text(&mut self, at: At<'_>) -> Option<Text> {
        let text = self.texts.text(at.json);
        if text.is_none() {
            self.error(at, format!("expected a text here, not {}", at.json.describe()));
        }
        text
    }

    fn check_names(&mut self, members: &[Member], pointer: &str, known: &[&str]) {
        for member in members.iter().filter(|member| !known.contains(&&*member.name)) {
            let alike = known.iter().find(|name| name.eq_ignore_ascii_case(&member.name));
            let advice = match alike {
                Some(name) => format!("write `{name}`"),
                None => format!("use {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
            };
            let message = format!("`{}` is not an element of a policy: {advice}", member.name);
            self.error_at(&step(pointer, &member.name), member.place, message);
        }
    }

    /// IAM refuses two statements with the same `Sid`.
    fn check_sids(&mut self, statements: &[Statement]) {
        let mut seen = HashSet::new();
        for statement in statements.iter().filter(|statement| statement.certain) {
            let Some(sid) = statement.sid.as_ref().filter(|sid| !sid.is_empty()) else {
                continue;
            };
            if !seen.insert(sid) {
                let message = format!("the `Sid` `{sid}` appears twice in this policy: give each statement its own");
                self.errors.push(PolicyError { message, position: statement.position.clone() });
            }
        }
    }

    fn error(&mut self, at: At<'_>, message: impl Into<String>) {
        self.errors.push(PolicyError { message: message.into(), position: at.position() });
    }

    fn error_at(&mut self, pointer: &str, place: Option<Place>, message: String) {
        self.errors.push(PolicyError { message, position: Position { pointer: pointer.to_owned(), place } });
    }
}

fn find<'a>(members: &'a [Member], name: &str) -> Option<&'a Json> {
    members.iter().find(|member| member.name == name).map(|member| &member.value)
}

fn named(kind: &str, text: Text) -> Result<Named, String> {
    let literal = text.literal();
    let is_everyone = literal.as_deref() == Some("*");
    if text.to_string().contains(['*', '?']) && !(is_everyone && kind == "AWS") {
        let instead = match kind {
            "AWS" => "name the account, and the pattern in a condition on `aws:PrincipalArn`",
            _ => "name each one",
        };
        return Err(format!("`{text}` holds a wildcard, which a principal cannot: {instead}"));
    }
    match kind {
        "Service" => return Ok(Named::Service(text)),
        "Federated" => return Ok(Named::Federated(text)),
        "CanonicalUser" => return Ok(Named::CanonicalUser(text)),
        _ if is_everyone => return Ok(Named::Everyone),
        _ => {}
    }
    let is_iam = text.arn_part(2).is_some_and(|service| service.is("iam"));
    match (text.arn_part(4), text.arn_part(5)) {
        (Some(account), Some(resource)) if is_iam && resource.is("root") => {
            return Ok(Named::Account(account));
        }
        (Some(_), Some(resource))
            if ["user/", "role/", "assumed-role/", "federated-user/"].iter().any(|form| resource.starts_with(form)) =>
        {
            return Ok(Named::Arn(text));
        }
        _ => {}
    }
    let Some(literal) = literal else {
        return Ok(Named::Unresolved(text));
    };
    let digits = literal.bytes().all(|byte| byte.is_ascii_digit());
    let id = literal.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if digits && literal.len() == 12 {
        Ok(Named::Account(text))
    } else if id && literal.len() >= 16 && literal.starts_with('A') {
        Ok(Named::UniqueId(text))
    } else {
        Err(format!(
            "`{literal}` is not a principal: write an account's number, the ARN of a user, role or session, or `*`"
        ))
    }
}
