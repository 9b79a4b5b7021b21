//! Policy statements as JSON: merged, sorted, without duplicates, and with the form of principal that fits the accounts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use crate::diagnostic::Diagnostic;
use crate::environment::AccountId;
use crate::policy::{Condition, Effect, PolicySlot, Principal, PrincipalKind, Statement};
use crate::tree::NodeId;
use crate::value::Expr;

use super::context::{Context, Place};

/// A statement whose parts are JSON. The sets are ordered by their text, so that equal statements are equal text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rendered {
    sid: Option<String>,
    effect: Effect,
    principals: BTreeSet<(String, Text)>,
    not_actions: BTreeSet<String>,
    not_resources: BTreeSet<Text>,
    resources: BTreeSet<Text>,
    actions: BTreeSet<String>,
    conditions: BTreeMap<(String, String), BTreeSet<Text>>,
}

/// JSON by its text, which orders it.
type Text = String;

const PRINCIPAL_ARN: &str = "aws:PrincipalArn";

impl Context<'_> {
    pub(super) fn document(&mut self, place: Place, slot: PolicySlot, statements: &[Statement]) -> Json {
        let mut rendered: Vec<Rendered> = Vec::new();
        for statement in statements {
            self.statement(place, slot, statement, &mut rendered);
        }
        let statements: Vec<Json> = merge(rendered).iter().map(Rendered::json).collect();
        json!({ "Version": "2012-10-17", "Statement": statements })
    }

    fn statement(&mut self, place: Place, slot: PolicySlot, statement: &Statement, out: &mut Vec<Rendered>) {
        let path = self.tree.path(place.node);
        let at = self.tree[place.node].at;
        let named = !statement.principals.is_empty();
        let problem = match slot {
            PolicySlot::Identity if named => {
                Some(("names a principal, which the policy of an identity cannot", "leave out `to`"))
            }
            PolicySlot::Resource | PolicySlot::Trust if !named => {
                Some(("names no principal", "say for whom it is: `Statement::to`"))
            }
            _ => None,
        };
        if let Some((problem, help)) = problem {
            self.diagnostics.push(
                Diagnostic::error("statement", format!("a statement in a policy of `{path}` {problem}"))
                    .path(path)
                    .at(at)
                    .help(help),
            );
            return;
        }
        for action in statement.actions.iter().chain(&statement.not_actions) {
            self.diagnostics.extend(crate::policy::check_action(action, at, &path));
        }
        let base = Rendered {
            sid: statement.sid.as_ref().map(ToString::to_string),
            effect: statement.effect,
            principals: BTreeSet::new(),
            not_actions: statement.not_actions.iter().map(|it| it.as_str().to_owned()).collect(),
            not_resources: self.texts(place, &statement.not_resources),
            resources: self.texts(place, &statement.resources),
            actions: statement.actions.iter().map(|it| it.as_str().to_owned()).collect(),
            conditions: BTreeMap::new(),
        };
        let base = self.with_conditions(place, base, &statement.conditions);
        if !named {
            out.push(base);
            return;
        }
        for principal in &statement.principals {
            let one = self.with_conditions(place, base.clone(), &principal.conditions);
            out.push(self.with_principal(place, one, principal));
        }
    }

    fn texts(&mut self, place: Place, exprs: &[Expr]) -> BTreeSet<Text> {
        exprs.iter().filter_map(|it| self.expr(place, it)).map(|it| it.to_string()).collect()
    }

    fn with_conditions(&mut self, place: Place, mut statement: Rendered, conditions: &[Condition]) -> Rendered {
        for condition in conditions {
            let key = (condition.operator.to_string(), condition.key.to_string());
            let values = self.texts(place, &condition.values);
            let Some(known) = statement.conditions.get_mut(&key) else {
                statement.conditions.insert(key, values);
                continue;
            };
            // Two conditions on one key must both hold, and JSON has one entry for them.
            if condition.operator.contains("Not") {
                known.extend(values);
            } else if matches!(&*condition.operator, "StringEquals" | "NumericEquals" | "Bool") {
                known.retain(|it| values.contains(it));
            } else if *known != values {
                let path = self.tree.path(place.node);
                let message = format!("a statement has two conditions `{}` on `{}`", condition.operator, condition.key);
                self.diagnostics.push(
                    Diagnostic::error("statement", message)
                        .path(path)
                        .at(self.tree[place.node].at)
                        .help("a policy can hold one: write one condition, or two statements"),
                );
            }
        }
        statement
    }

    fn with_principal(&mut self, place: Place, mut statement: Rendered, principal: &Principal) -> Rendered {
        let (kind, value) = match &principal.kind {
            PrincipalKind::Identity { node, arn } => {
                let arn = self.expr(place, arn).unwrap_or(Json::Null);
                match self.other_account(place.node, *node) {
                    None => ("AWS", arn),
                    Some(account) => {
                        let key = ("ArnEquals".to_owned(), PRINCIPAL_ARN.to_owned());
                        statement.conditions.insert(key, BTreeSet::from([arn.to_string()]));
                        ("AWS", self.root(*node, account))
                    }
                }
            }
            PrincipalKind::Account(account) => ("AWS", self.root(place.node, *account)),
            PrincipalKind::Service(name) => ("Service", name.to_string().into()),
            PrincipalKind::Arn(arn) => ("AWS", self.expr(place, arn).unwrap_or(Json::Null)),
            PrincipalKind::Federated(provider) => ("Federated", self.expr(place, provider).unwrap_or(Json::Null)),
            PrincipalKind::Anyone => ("AWS", "*".into()),
        };
        statement.principals.insert((kind.to_owned(), value.to_string()));
        statement
    }

    /// The account of a principal, where it is not the one of the policy.
    fn other_account(&self, here: NodeId, principal: NodeId) -> Option<AccountId> {
        if !self.tree.owns(principal) {
            return None;
        }
        let account = self.tree.environment_of(principal)?.account;
        (self.tree.environment_of(here)?.account != account).then_some(account)
    }

    fn root(&self, near: NodeId, account: AccountId) -> Json {
        let partition = self.tree.environment_of(near).map_or("aws", |it| it.region.partition());
        format!("arn:{partition}:iam::{account}:root").into()
    }
}

impl Rendered {
    fn json(&self) -> Json {
        let mut json = Map::new();
        if let Some(sid) = &self.sid {
            json.insert("Sid".into(), sid.clone().into());
        }
        json.insert("Effect".into(), if self.effect == Effect::Allow { "Allow" } else { "Deny" }.into());
        if !self.principals.is_empty() {
            let mut kinds: BTreeMap<&str, BTreeSet<Text>> = BTreeMap::new();
            for (kind, value) in &self.principals {
                kinds.entry(kind).or_default().insert(value.clone());
            }
            let kinds: Map<String, Json> =
                kinds.into_iter().map(|(kind, values)| (kind.to_owned(), one_or_many(&values))).collect();
            json.insert("Principal".into(), kinds.into());
        }
        let strings =
            |set: &BTreeSet<String>| one_or_many(&set.iter().map(|it| Json::from(it.as_str()).to_string()).collect());
        let parts = [
            ("Action", (!self.actions.is_empty()).then(|| strings(&self.actions))),
            ("NotAction", (!self.not_actions.is_empty()).then(|| strings(&self.not_actions))),
            ("Resource", (!self.resources.is_empty()).then(|| one_or_many(&self.resources))),
            ("NotResource", (!self.not_resources.is_empty()).then(|| one_or_many(&self.not_resources))),
        ];
        for (name, value) in parts {
            if let Some(value) = value {
                json.insert(name.into(), value);
            }
        }
        if !self.conditions.is_empty() {
            let mut operators = Map::new();
            for ((operator, key), values) in &self.conditions {
                let keys = operators.entry(operator.clone()).or_insert_with(|| json!({}));
                keys[key] = one_or_many(values);
            }
            json.insert("Condition".into(), operators.into());
        }
        json.into()
    }
}

fn one_or_many(texts: &BTreeSet<Text>) -> Json {
    let mut values: Vec<Json> = texts.iter().map(|it| serde_json::from_str(it).unwrap_or(Json::Null)).collect();
    if values.len() == 1 { values.remove(0) } else { values.into() }
}

/// Joins statements that differ in one respect only, where one statement says the same as two. The outcome depends on the
/// set of statements and not on their order.
fn merge(statements: Vec<Rendered>) -> Vec<Rendered> {
    let mut set: BTreeSet<Rendered> = statements.into_iter().collect();
    loop {
        let before = set.len();
        set = merge_by(set, |it| std::mem::take(&mut it.actions), |it, part| it.actions.extend(part));
        set = merge_by(set, |it| std::mem::take(&mut it.resources), |it, part| it.resources.extend(part));
        set = merge_by(set, |it| std::mem::take(&mut it.principals), |it, part| it.principals.extend(part));
        set = merge_by(set, take_principal_arns, add_principal_arns);
        if set.len() == before {
            return set.into_iter().collect();
        }
    }
}

type PrincipalArns = Option<BTreeSet<Text>>;

fn principal_arn_key() -> (String, String) {
    ("ArnEquals".to_owned(), PRINCIPAL_ARN.to_owned())
}

fn take_principal_arns(statement: &mut Rendered) -> PrincipalArns {
    let values = statement.conditions.remove(&principal_arn_key())?;
    // Marks that there was such a condition, so that a statement without it stays apart.
    statement.conditions.insert(principal_arn_key(), BTreeSet::new());
    Some(values)
}

fn add_principal_arns(statement: &mut Rendered, part: PrincipalArns) {
    if let Some(values) = part {
        statement.conditions.entry(principal_arn_key()).or_default().extend(values);
    }
}

/// Groups statements that are equal once a part is taken out, and puts all their parts into one.
fn merge_by<P>(
    set: BTreeSet<Rendered>,
    take: impl Fn(&mut Rendered) -> P,
    add: impl Fn(&mut Rendered, P),
) -> BTreeSet<Rendered> {
    let mut groups: BTreeMap<Rendered, Vec<P>> = BTreeMap::new();
    let mut apart: BTreeSet<Rendered> = BTreeSet::new();
    for mut statement in set {
        // What is negated cannot be joined, and a name belongs to one statement.
        if statement.sid.is_some() || !statement.not_actions.is_empty() || !statement.not_resources.is_empty() {
            apart.insert(statement);
            continue;
        }
        let part = take(&mut statement);
        groups.entry(statement).or_default().push(part);
    }
    for (mut statement, parts) in groups {
        parts.into_iter().for_each(|part| add(&mut statement, part));
        apart.insert(statement);
    }
    apart
}
