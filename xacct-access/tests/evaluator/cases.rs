//! The case tables in `tests/cases/`: one file a topic, each group with the AWS page it follows. Every case that is concrete
//! is put to the reference evaluator too.
//!
//! ```text
//! ## group, then settings for all its cases; `doc:` names the page
//! # case, then its own settings; a slot that is set again replaces the group's
//! => allowed | implicit | explicit | unknown
//! ```
//! Slots: `principal`, `action`, `resource` (with `@ACCOUNT` for its owner), `context` (JSON; `null` is an absent key, `"?"`
//! an unknown one), `open` (context); the policies `identity`, `boundary`, `session`, `policy` (of the resource), `scp0`,
//! `scp1`, …, `rcp0`, …, each given as statements, one a line, or `none`, or `unseen`. A statement is JSON or
//! `allow|deny ACTIONS on RESOURCES [to PRINCIPALS] [if JSON condition]`, lists with commas, `!` for the `Not…` element,
//! `-` for no resource. After the verdict: `by:`, `missing:` and `because:` are parts of the decision's text.
//! `cond OPERATOR KEY VALUES | CONTEXT => yes|no|maybe` is a case of its own, tried in an Allow and in a Deny.
//! `‹name›` is a symbol for any text, `‹name:x›` for a name, `‹id:x›` for an id.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use xacct_access::{
    Context, Environment, Expression, Policies, Policy, PolicyKind, Principal, Request, Symbol, SymbolKind, Text,
    Verdict, evaluate, verdict,
};

use crate::reference::{self, Answer, Call, Documents, Undocumented, Who};

#[test]
fn every_case_in_the_tables() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut tally = Tally::default();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        run_file(&name, &fs::read_to_string(&file).unwrap(), &mut tally);
    }
    assert!(tally.failures.is_empty(), "{} cases fail:\n\n{}", tally.failures.len(), tally.failures.join("\n\n"));
    println!("{} cases, {} of them also put to the reference evaluator", tally.cases, tally.referenced);
    assert!(tally.cases >= 400, "only {} cases", tally.cases);
}

#[derive(Default)]
struct Tally {
    cases: usize,
    referenced: usize,
    failures: Vec<String>,
}

type Slots = BTreeMap<String, Vec<String>>;

fn run_file(file: &str, text: &str, tally: &mut Tally) {
    let mut group = Slots::new();
    let mut group_title = String::new();
    let mut case: Option<(String, Slots)> = None;
    let mut pending: Option<Pending> = None;
    for (number, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", number + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        let expectation = ["by:", "missing:", "because:"].iter().find(|slot| line.starts_with(**slot));
        if expectation.is_none()
            && let Some(done) = pending.take()
        {
            done.run(tally);
        }
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut group_title);
            group = Slots::new();
            case = None;
        } else if let Some(title) = line.strip_prefix("# ") {
            assert!(group.contains_key("doc"), "{place}: the group `{group_title}` names no page");
            case = Some((title.to_owned(), Slots::new()));
        } else if let Some(slot) = expectation {
            let wanted = line[slot.len()..].trim().to_owned();
            pending.as_mut().unwrap_or_else(|| panic!("{place}: no case")).texts.push(wanted);
        } else if let Some(wanted) = line.strip_prefix("=> ") {
            let (title, own) = case.take().unwrap_or_else(|| panic!("{place}: a verdict without a case"));
            let mut slots = group.clone();
            slots.extend(own);
            let title = format!("{place}: {group_title}: {title}");
            pending = Some(Pending { title, slots, wanted: parse_verdict(wanted), texts: Vec::new() });
        } else if let Some(condition) = line.strip_prefix("cond ") {
            assert!(group.contains_key("doc"), "{place}: the group `{group_title}` names no page");
            run_condition(&format!("{place}: {group_title}: {condition}"), condition, &group, tally);
        } else {
            let (slot, value) = line.split_once(':').unwrap_or_else(|| panic!("{place}: what is `{line}`?"));
            let slots = case.as_mut().map_or(&mut group, |(_, own)| own);
            slots.entry(slot.to_owned()).or_default().push(value.trim().to_owned());
        }
    }
    if let Some(done) = pending.take() {
        done.run(tally);
    }
}

struct Pending {
    title: String,
    slots: Slots,
    wanted: Verdict,
    texts: Vec<String>,
}

impl Pending {
    fn run(self, tally: &mut Tally) {
        check(&self.title, &self.slots, self.wanted, &self.texts, tally);
    }
}

fn parse_verdict(text: &str) -> Verdict {
    match text {
        "allowed" => Verdict::Allowed,
        "implicit" => Verdict::ImplicitlyDenied,
        "explicit" => Verdict::ExplicitlyDenied,
        "unknown" => Verdict::Unknown,
        other => panic!("what is the verdict `{other}`?"),
    }
}

/// `OPERATOR KEY VALUES | CONTEXT => yes|no|maybe`
fn run_condition(title: &str, line: &str, group: &Slots, tally: &mut Tally) {
    let (left, wanted) = line.rsplit_once("=>").unwrap();
    let (test, context) = left.split_once('|').unwrap();
    let mut words = test.trim().splitn(3, ' ');
    let (operator, key, values) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let values: Value = serde_json::from_str(values.trim()).unwrap_or_else(|error| panic!("{title}: {error}"));
    let condition = json!({operator: {key: values}});
    let mut slots = group.clone();
    let default = |slots: &mut Slots, slot: &str, value: &str| {
        slots.entry(slot.to_owned()).or_insert_with(|| vec![value.to_owned()]);
    };
    default(&mut slots, "principal", "user arn:aws:iam::111111111111:user/ana");
    default(&mut slots, "action", "s3:GetObject");
    default(&mut slots, "resource", "arn:aws:s3:::b/k @111111111111");
    slots.insert("context".to_owned(), vec![context.trim().to_owned()]);
    let (allow, deny) = match wanted.trim() {
        "yes" => (Verdict::Allowed, Verdict::ExplicitlyDenied),
        "no" => (Verdict::ImplicitlyDenied, Verdict::Allowed),
        "maybe" => (Verdict::Unknown, Verdict::Unknown),
        other => panic!("{title}: what is `{other}`?"),
    };
    slots.insert("identity".to_owned(), vec![format!("allow * on * if {condition}")]);
    check(&format!("{title} (Allow)"), &slots, allow, &[], tally);
    slots.insert("identity".to_owned(), vec!["allow * on *".to_owned(), format!("deny * on * if {condition}")]);
    check(&format!("{title} (Deny)"), &slots, deny, &[], tally);
    tally.cases -= 1;
}

fn check(title: &str, slots: &Slots, wanted: Verdict, texts: &[String], tally: &mut Tally) {
    tally.cases += 1;
    let case = Case::read(title, slots);
    let (policies, request) = (case.policies(), case.request());
    let decision = evaluate(&policies, &request);
    let mut wrong = Vec::new();
    if decision.verdict != wanted {
        wrong.push(format!("expected {wanted:?}, got {:?}", decision.verdict));
    }
    if verdict(&policies, &request) != decision.verdict {
        wrong.push(format!("`verdict` says {:?}", verdict(&policies, &request)));
    }
    let text = decision.to_string();
    wrong.extend(texts.iter().filter(|part| !text.contains(*part)).map(|part| format!("does not say `{part}`")));
    if let Some((documents, call)) = case.concrete() {
        tally.referenced += 1;
        let reference = reference::evaluate(&documents, &call);
        if !agrees(decision.verdict, reference) {
            wrong.push(format!("the reference evaluator says {reference:?}"));
        }
    }
    if !wrong.is_empty() {
        tally.failures.push(format!("{title}\n  {}\n  {}", wrong.join("\n  "), text.replace('\n', "\n  ")));
    }
}

/// What the reference leaves open may be unknown, and only that.
pub(crate) fn agrees(verdict: Verdict, reference: Result<Answer, Undocumented>) -> bool {
    match reference {
        Ok(Answer::Allowed) => verdict == Verdict::Allowed,
        Ok(Answer::ImplicitlyDenied) => verdict == Verdict::ImplicitlyDenied,
        Ok(Answer::ExplicitlyDenied) => verdict == Verdict::ExplicitlyDenied,
        Err(Undocumented) => verdict == Verdict::Unknown,
    }
}

struct Case<'a> {
    title: &'a str,
    slots: &'a Slots,
    policies: BTreeMap<&'a str, (Policy, Value)>,
}

impl<'a> Case<'a> {
    fn read(title: &'a str, slots: &'a Slots) -> Case<'a> {
        let mut policies = BTreeMap::new();
        for (slot, lines) in slots {
            let kind = match slot.trim_end_matches(|c: char| c.is_ascii_digit()) {
                "identity" | "boundary" | "session" => PolicyKind::Identity,
                "policy" => PolicyKind::Resource,
                "scp" => PolicyKind::ServiceControl,
                "rcp" => PolicyKind::ResourceControl,
                "doc" | "principal" | "action" | "resource" | "context" | "open" | "version" => continue,
                other => panic!("{title}: what is the slot `{other}`?"),
            };
            let policy = match lines[0].as_str() {
                "none" => continue,
                "unseen" => (Policy::unseen(kind, slot, false), Value::Null),
                "unseen that may deny" => (Policy::unseen(kind, slot, true), Value::Null),
                _ => {
                    let version = slots.get("version").map_or("2012-10-17", |version| version[0].as_str());
                    let statements: Vec<Value> = lines.iter().map(|line| statement(title, line)).collect();
                    let document = json!({"Version": version, "Statement": statements});
                    let policy =
                        Policy::from_template(kind, slot, &document, &Environment::default(), &symbols_of_refs)
                            .unwrap_or_else(|errors| panic!("{title}: {slot}: {errors}\n{document:#}"));
                    (policy, document)
                }
            };
            policies.insert(slot.as_str(), policy);
        }
        Case { title, slots, policies }
    }

    fn one(&self, slot: &str) -> &str {
        let lines = self.slots.get(slot).unwrap_or_else(|| panic!("{}: no `{slot}`", self.title));
        &lines[0]
    }

    fn policies(&self) -> Policies<'_> {
        let get = |slot: &str| self.policies.get(slot).map(|(policy, _)| policy);
        let levels = |slot: &str| -> Vec<Vec<&Policy>> {
            (0..).map_while(|level| get(&format!("{slot}{level}")).map(|policy| vec![policy])).collect()
        };
        Policies {
            identity: get("identity").into_iter().collect(),
            boundary: get("boundary"),
            session: get("session").into_iter().collect(),
            resource: get("policy"),
            scps: levels("scp"),
            rcps: levels("rcp"),
        }
    }

    fn request(&self) -> Request {
        let (resource, owner) = self.resource();
        let action = self.one("action").parse().unwrap();
        let mut request = Request::new(self.principal(), action, text(resource));
        if let Some(owner) = owner {
            request = request.owned_by(text(owner));
        }
        let mut context = if self.slots.contains_key("open") { Context::open() } else { Context::closed() };
        for (key, value) in self.context() {
            context = match &value {
                Value::Null => context.absent(&key),
                Value::String(s) if s == "?" => context.unknown(&key),
                Value::String(s) => context.with(&key, text(s)),
                Value::Array(items) => context.with_values(&key, items.iter().map(|i| text(i.as_str().unwrap()))),
                other => context.with(&key, text(&other.to_string())),
            };
        }
        request.in_context(context)
    }

    fn resource(&self) -> (&str, Option<&str>) {
        match self.one("resource").split_once(" @") {
            Some((resource, owner)) => (resource, Some(owner)),
            None => (self.one("resource"), None),
        }
    }

    fn context(&self) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for line in self.slots.get("context").into_iter().flatten() {
            let map: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}", self.title));
            all.extend(map.as_object().unwrap().clone());
        }
        all
    }

    fn principal(&self) -> Principal {
        let words: Vec<&str> = self.one("principal").split(' ').collect();
        match words.as_slice() {
            ["root", account] => Principal::root(text(&format!("arn:aws:iam::{account}:root"))),
            ["user", arn] => Principal::user(text(arn)),
            ["user", arn, id] => Principal::user(text(arn)).with_unique_id(*id),
            ["role", arn] => Principal::role(text(arn)),
            ["role", arn, id] => Principal::role(text(arn)).with_unique_id(*id),
            ["session", role, name] => Principal::session(text(role), text(name)),
            ["federated-user", arn, user] => Principal::federated_user(text(arn), text(user)),
            ["service", name] => Principal::service(text(name)),
            ["federated", provider] => Principal::federated(text(provider)),
            ["anonymous"] => Principal::anonymous(),
            other => panic!("{}: who is {other:?}?", self.title),
        }
    }

    /// For the reference evaluator, if nothing in the case is unknown.
    fn concrete(&self) -> Option<(Documents, Call)> {
        let symbolic = |text: &str| text.contains('‹') || text.contains("\"?\"");
        let unseen = self.slots.values().flatten().any(|line| symbolic(line) || line.starts_with("unseen"));
        let expressions = self.policies.values().any(|(_, json)| json.to_string().contains("\"Fn::"));
        if unseen || expressions || self.slots.contains_key("open") {
            return None;
        }
        let words: Vec<String> = self.one("principal").split(' ').map(str::to_owned).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let who = match words.as_slice() {
            ["root", account] => Who::Root { account: (*account).to_owned() },
            ["user", arn] => Who::User { arn: (*arn).to_owned() },
            ["session", role, name] => Who::Session { role: (*role).to_owned(), name: (*name).to_owned() },
            ["federated-user", arn, user] => Who::FederatedUser { arn: (*arn).to_owned(), user: (*user).to_owned() },
            ["service", name] => Who::Service { name: (*name).to_owned() },
            ["federated", provider] => Who::Federated { provider: (*provider).to_owned() },
            ["anonymous"] => Who::Anonymous,
            _ => return None,
        };
        let (resource, owner) = self.resource();
        let in_arn = resource.split(':').nth(4).filter(|account| !account.is_empty()).map(str::to_owned);
        let owner = match (owner, resource) {
            (Some(owner), _) => owner.to_owned(),
            (None, "*") => reference::account_of(&who),
            (None, _) => in_arn?,
        };
        let mut context = BTreeMap::new();
        for (key, value) in self.context() {
            let values = match value {
                Value::Null => vec![],
                Value::String(s) => vec![s],
                Value::Array(items) => items.iter().map(|item| item.as_str().unwrap().to_owned()).collect(),
                other => vec![other.to_string()],
            };
            context.insert(key.to_lowercase(), values);
        }
        let get = |slot: &str| self.policies.get(slot).map(|(_, document)| document.clone());
        let levels = |slot: &str| -> Vec<Vec<Value>> {
            (0..).map_while(|level| get(&format!("{slot}{level}")).map(|policy| vec![policy])).collect()
        };
        let documents = Documents {
            identity: get("identity").into_iter().collect(),
            boundary: get("boundary"),
            session: get("session").into_iter().collect(),
            resource: get("policy"),
            scps: levels("scp"),
            rcps: levels("rcp"),
        };
        let call = Call { who, action: self.one("action").to_owned(), resource: resource.to_owned(), owner, context };
        Some((documents, call))
    }
}

/// The short form of a statement, or JSON.
fn statement(title: &str, line: &str) -> Value {
    if line.starts_with('{') {
        return symbols_to_refs(&serde_json::from_str(line).unwrap_or_else(|error| panic!("{title}: {error}: {line}")));
    }
    let (head, condition) = line.split_once(" if ").map_or((line, None), |(head, condition)| (head, Some(condition)));
    let (head, principals) = head.split_once(" to ").map_or((head, None), |(head, to)| (head, Some(to)));
    let (head, resources) = head.split_once(" on ").unwrap_or_else(|| panic!("{title}: no resource in `{line}`"));
    let (effect, actions) = head.split_once(' ').unwrap();
    let list = |text: &str| -> Value {
        // A comma with a space after it belongs to a variable with a default.
        let items: Vec<String> =
            text.trim().replace(", ", "\0").split(',').map(|item| item.replace('\0', ", ")).collect();
        if let [one] = items.as_slice() { json!(one) } else { json!(items) }
    };
    let mut out = serde_json::Map::new();
    let mut element = |name: &str, text: &str| match text.trim().strip_prefix('!') {
        Some(rest) => out.insert(format!("Not{name}"), list(rest)),
        None => out.insert(name.to_owned(), list(text)),
    };
    element("Action", actions);
    if resources.trim() != "-" {
        element("Resource", resources);
    }
    out.insert("Effect".to_owned(), json!(if effect == "allow" { "Allow" } else { "Deny" }));
    if let Some(principals) = principals {
        let (name, rest) = match principals.trim().strip_prefix('!') {
            Some(rest) => ("NotPrincipal", rest),
            None => ("Principal", principals.trim()),
        };
        out.insert(name.to_owned(), principal_element(rest));
    }
    if let Some(condition) = condition {
        let condition: Value =
            serde_json::from_str(condition).unwrap_or_else(|error| panic!("{title}: {error}: {condition}"));
        out.insert("Condition".to_owned(), condition);
    }
    symbols_to_refs(&Value::Object(out))
}

fn principal_element(text: &str) -> Value {
    if text == "*" {
        return json!("*");
    }
    let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in text.split(',').map(str::trim) {
        let (kind, name) = one
            .split_once(':')
            .filter(|(kind, _)| ["AWS", "Service", "Federated", "CanonicalUser"].contains(kind))
            .unwrap_or(("AWS", one));
        kinds.entry(kind).or_default().push(name);
    }
    json!(kinds)
}

/// Strings with `‹…›` in them become `Fn::Join`s of `Ref`s.
pub(crate) fn symbols_to_refs(value: &Value) -> Value {
    match value {
        Value::String(s) if s.contains('‹') => {
            let parts: Vec<Value> = pieces(s)
                .into_iter()
                .map(|(text, is_symbol)| if is_symbol { json!({"Ref": text}) } else { json!(text) })
                .collect();
            json!({"Fn::Join": ["", parts]})
        }
        Value::Array(items) => Value::Array(items.iter().map(symbols_to_refs).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), symbols_to_refs(value))).collect())
        }
        other => other.clone(),
    }
}

pub(crate) fn symbols_of_refs(expression: Expression<'_>) -> Option<Text> {
    match expression {
        Expression::Ref(name) => Some(symbol(name).into()),
        _ => None,
    }
}

pub(crate) fn symbol(name: &str) -> Symbol {
    let kind = match name.split_once(':') {
        Some(("name", _)) => SymbolKind::Name,
        Some(("id", _)) => SymbolKind::Id,
        _ => SymbolKind::Text,
    };
    Symbol::new(name, kind)
}

pub(crate) fn text(written: &str) -> Text {
    let mut text = Text::new();
    for (piece, is_symbol) in pieces(written) {
        text.append(&if is_symbol { symbol(&piece).into() } else { Text::from(piece) });
    }
    text
}

fn pieces(written: &str) -> Vec<(String, bool)> {
    let mut out = Vec::new();
    for (at, piece) in written.split('‹').enumerate() {
        match (at, piece.split_once('›')) {
            (1.., Some((name, rest))) => {
                out.push((name.to_owned(), true));
                out.push((rest.to_owned(), false));
            }
            _ => out.push((piece.to_owned(), false)),
        }
    }
    out.retain(|(piece, _)| !piece.is_empty());
    out
}
