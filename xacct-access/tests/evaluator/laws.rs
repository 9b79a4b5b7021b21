//! Laws, on random policies and requests.
//!
//! `PROPTEST_CASES` sets how many cases each law is tried on; without it they take a few seconds.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use xacct_access::{
    Context, Environment, Policies, Policy, PolicyKind, Principal, Request, Unresolved, Verdict, evaluate, verdict,
};

use crate::cases::{agrees, symbols_of_refs, symbols_to_refs, text};
use crate::reference::{self, Answer, Call, Documents, Who};

fn config(cases: u32) -> ProptestConfig {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(500))]

    /// Where everything is known, the evaluator and the reference say the same.
    #[test]
    fn concrete_requests_are_decided_as_by_the_reference(world in world(false)) {
        let world = world.substitute(&BTreeMap::new(), &mut std::iter::empty());
        let (documents, call) = world.reference();
        let answer = reference::evaluate(&documents, &call);
        let compiled = Compiled::new(&world);
        if let Some(compiled) = compiled {
            let verdict = verdict(&compiled.policies(), &world.request());
            prop_assert!(agrees(verdict, answer), "{verdict:?}, but the reference says {answer:?} for {world:#?}");
        }
    }

    /// What is certain stays so under every substitution of the symbols and of the unknown context keys.
    #[test]
    fn a_certain_answer_holds_for_every_substitution(
        world in world(true),
        substitutions in prop::collection::vec(substitution(), 6),
    ) {
        let Some(compiled) = Compiled::new(&world) else { return Ok(()) };
        let decision = evaluate(&compiled.policies(), &world.request());
        prop_assert_eq!(decision.verdict, verdict(&compiled.policies(), &world.request()));
        prop_assert_eq!(decision.verdict == Verdict::Unknown, !decision.reasons.is_empty());
        for (symbols, unknown) in substitutions {
            let concrete = world.substitute(&symbols, &mut unknown.into_iter().cycle());
            if Compiled::new(&concrete).is_none() {
                // The template is refused with these values, as AWS would.
                continue;
            }
            let (documents, call) = concrete.reference();
            let answer = reference::evaluate(&documents, &call);
            let holds = match decision.verdict {
                Verdict::Allowed => answer == Ok(Answer::Allowed),
                Verdict::ExplicitlyDenied => answer == Ok(Answer::ExplicitlyDenied),
                Verdict::ImplicitlyDenied => answer != Ok(Answer::Allowed),
                Verdict::Unknown => true,
            };
            prop_assert!(
                holds,
                "{decision}\nbut the reference says {answer:?} with {symbols:#?}\n{world:#?}\nwhich becomes {concrete:#?}"
            );
        }
    }

    /// The order of statements does not matter.
    #[test]
    fn statements_have_no_order(world in world(true)) {
        let mut reversed = world.clone();
        for policy in reversed.policies.values_mut() {
            policy.reverse();
        }
        if let (Some(one), Some(other)) = (Compiled::new(&world), Compiled::new(&reversed)) {
            let request = world.request();
            prop_assert_eq!(verdict(&one.policies(), &request), verdict(&other.policies(), &request));
        }
    }

    /// One more deny never allows more, one more allow never denies more.
    #[test]
    fn statements_are_monotone(world in world(true), more in statement(false)) {
        let mut bigger = world.clone();
        bigger.policies.entry("identity").or_default().push(more.clone());
        if let (Some(before), Some(after)) = (Compiled::new(&world), Compiled::new(&bigger)) {
            let request = world.request();
            let (before, after) = (verdict(&before.policies(), &request), verdict(&after.policies(), &request));
            let rank = |verdict| match verdict {
                Verdict::ExplicitlyDenied | Verdict::ImplicitlyDenied => 0,
                Verdict::Unknown => 1,
                Verdict::Allowed => 2,
            };
            if more["Effect"] == "Deny" {
                prop_assert!(rank(after) <= rank(before), "{before:?} became {after:?} by {more}");
            } else {
                prop_assert!(rank(after) >= rank(before), "{before:?} became {after:?} by {more}");
            }
        }
    }

    /// A document reads the same from text and from a value.
    #[test]
    fn text_and_value_read_the_same(world in world(false)) {
        for (slot, statements) in &world.policies {
            let document = document(statements);
            let pretty = serde_json::to_string_pretty(&document).unwrap();
            let (kind, _) = kind(slot);
            match (Policy::parse(kind, slot, &pretty), Policy::from_value(kind, slot, &document)) {
                (Ok(text), Ok(value)) => {
                    for (text, value) in text.statements().iter().zip(value.statements()) {
                        let place = text.position().place.unwrap();
                        prop_assert_eq!(pretty.as_bytes()[place.offset], b'{');
                        prop_assert_eq!(pretty[..place.offset].matches('\n').count() + 1, place.line);
                        prop_assert_eq!(&text.position().pointer, &value.position().pointer);
                        prop_assert!(document.pointer(&value.position().pointer).is_some());
                    }
                }
                (Err(text), Err(value)) => {
                    prop_assert_eq!(text.errors.len(), value.errors.len());
                    for (text, value) in text.errors.iter().zip(&value.errors) {
                        prop_assert_eq!(&text.message, &value.message);
                        prop_assert_eq!(&text.position.pointer, &value.position.pointer);
                    }
                }
                (text, value) => prop_assert!(false, "{text:?} but {value:?}"),
            }
        }
    }

    /// No text makes the parser panic.
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        read_everything(&text);
        read_everything(&String::from_utf8_lossy(&bytes));
    }

    /// Nor does any text that looks like JSON.
    #[test]
    fn any_json_like_text_is_read_or_refused(text in "[\\[\\]{}:,\"\\\\a-cu0-9.eE+\\- \ntruefalsn]{0,60}") {
        read_everything(&text);
    }

    /// Nor does a policy with a part replaced by anything.
    #[test]
    fn a_broken_policy_is_read_or_refused(
        world in world(true),
        at in any::<prop::sample::Index>(),
        length in 0_usize..12,
        garbage in "\\PC{0,6}",
        junk in json_value(),
        pick in any::<prop::sample::Index>(),
    ) {
        for statements in world.policies.values() {
            let mut document = document(statements);
            let text = document.to_string();
            let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let from = at.index(boundaries.len());
            let to = boundaries.get(from + length).copied().unwrap_or(text.len());
            read_everything(&format!("{}{garbage}{}", &text[..boundaries[from]], &text[to..]));

            let mut pointers = Vec::new();
            all_pointers(&document, String::new(), &mut pointers);
            let pointer = pick.get(&pointers);
            if let Some(place) = document.pointer_mut(pointer) {
                *place = junk.clone();
            }
            read_everything(&document.to_string());
        }
    }
}

fn read_everything(text: &str) {
    let kinds = [
        PolicyKind::Identity,
        PolicyKind::Resource,
        PolicyKind::Trust,
        PolicyKind::ServiceControl,
        PolicyKind::ResourceControl,
    ];
    let environment = Environment::default();
    for kind in kinds {
        let policies =
            [Policy::parse(kind, "p", text), Policy::parse_template(kind, "p", text, &environment, &Unresolved)];
        for policy in policies {
            match policy {
                Ok(policy) => {
                    let user = Principal::user("arn:aws:iam::111111111111:user/ana");
                    let request = Request::new(user, "s3:GetObject".parse().unwrap(), "arn:aws:s3:::b/k");
                    for policies in [
                        Policies { identity: vec![&policy], ..Policies::default() },
                        Policies { resource: Some(&policy), ..Policies::default() },
                    ] {
                        let _ = evaluate(&policies, &request).to_string();
                    }
                }
                Err(errors) => {
                    assert!(!errors.errors.is_empty());
                    for error in &errors.errors {
                        assert!(!error.message.is_empty());
                        if let Some(place) = error.position.place {
                            assert!(text.is_char_boundary(place.offset), "{error}");
                        }
                    }
                }
            }
        }
    }
}

fn all_pointers(value: &Value, pointer: String, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                all_pointers(item, format!("{pointer}/{index}"), out);
            }
        }
        Value::Object(members) => {
            for (name, item) in members {
                all_pointers(item, format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        _ => {}
    }
    out.push(pointer);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        select(vec!["*", "arn:aws:s3:::b", "${aws:username}", "${", "AWS::NoValue", "2012-10-17"])
            .prop_map(Value::from),
    ];
    let name = prop_oneof![
        select(vec!["Ref", "Fn::Join", "Fn::Sub", "Fn::If", "Fn::GetAtt", "Fn::Select", "Fn::Split", "AWS", "Action"])
            .prop_map(str::to_owned),
        "\\PC{0,5}",
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Policies and a request, with symbols written as `‹…›`.
#[derive(Clone, Debug)]
struct World {
    /// Statements by slot.
    policies: BTreeMap<&'static str, Vec<Value>>,
    who: Who,
    action: &'static str,
    resource: String,
    owner: String,
    /// `None` is a key that is not known.
    context: BTreeMap<&'static str, Option<Vec<String>>>,
}

const ANY_SESSION: &str = "‹any session›";

impl World {
    fn request(&self) -> Request {
        let principal = match &self.who {
            Who::Root { account } => Principal::root(text(&format!("arn:aws:iam::{account}:root"))),
            Who::User { arn } => Principal::user(text(arn)),
            Who::Session { role, name } if name == ANY_SESSION => Principal::role(text(role)),
            Who::Session { role, name } => Principal::session(text(role), text(name)),
            Who::FederatedUser { arn, user } => Principal::federated_user(text(arn), text(user)),
            Who::Service { name } => Principal::service(text(name)),
            Who::Federated { provider } => Principal::federated(text(provider)),
            Who::Anonymous => Principal::anonymous(),
        };
        let mut context = Context::closed();
        for (key, values) in &self.context {
            context = match values {
                Some(values) => context.with_values(key, values.iter().map(|value| text(value))),
                None => context.unknown(key),
            };
        }
        Request::new(principal, self.action.parse().unwrap(), text(&self.resource))
            .owned_by(text(&self.owner))
            .in_context(context)
    }

    fn reference(&self) -> (Documents, Call) {
        let get = |slot: &str| self.policies.get(slot).map(|statements| document(statements));
        let levels = |slots: [&str; 2]| slots.iter().map_while(|slot| get(slot)).map(|policy| vec![policy]).collect();
        let documents = Documents {
            identity: get("identity").into_iter().collect(),
            boundary: get("boundary"),
            session: get("session").into_iter().collect(),
            resource: get("policy"),
            scps: levels(["scp0", "scp1"]),
            rcps: levels(["rcp0", "rcp1"]),
        };
        let context = self.context.iter().map(|(key, values)| {
            (key.to_lowercase(), values.clone().expect("the reference is asked only about what is known"))
        });
        let call = Call {
            who: self.who.clone(),
            action: self.action.to_owned(),
            resource: self.resource.clone(),
            owner: self.owner.clone(),
            context: context.collect(),
        };
        (documents, call)
    }

    /// Every symbol replaced by its value, every unknown key by the next values.
    fn substitute(
        &self,
        symbols: &BTreeMap<&'static str, String>,
        unknown: &mut impl Iterator<Item = Vec<String>>,
    ) -> World {
        let fill = |written: &str| -> String {
            symbols.iter().fold(written.to_owned(), |text, (symbol, value)| text.replace(symbol, value))
        };
        let who = match &self.who {
            Who::Root { account } => Who::Root { account: fill(account) },
            Who::User { arn } => Who::User { arn: fill(arn) },
            Who::Session { role, name } => Who::Session { role: fill(role), name: fill(name) },
            Who::FederatedUser { arn, user } => Who::FederatedUser { arn: fill(arn), user: fill(user) },
            other => other.clone(),
        };
        let mut context = BTreeMap::new();
        for (key, values) in &self.context {
            let values = match values {
                Some(values) => values.iter().map(|value| fill(value)).collect(),
                None => unknown.next().unwrap_or_default().iter().map(|value| fill(value)).collect(),
            };
            context.insert(*key, Some(values));
        }
        let policies = self.policies.iter().map(|(slot, statements)| {
            (*slot, statements.iter().map(|statement| fill_value(statement, &fill)).collect())
        });
        World {
            policies: policies.collect(),
            who,
            action: self.action,
            resource: fill(&self.resource),
            owner: fill(&self.owner),
            context,
        }
    }
}

fn fill_value(value: &Value, fill: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(written) => json!(fill(written)),
        Value::Array(items) => items.iter().map(|item| fill_value(item, fill)).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), fill_value(value, fill))).collect())
        }
        other => other.clone(),
    }
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn kind(slot: &str) -> (PolicyKind, bool) {
    match slot {
        "policy" => (PolicyKind::Resource, true),
        "scp0" | "scp1" => (PolicyKind::ServiceControl, false),
        "rcp0" | "rcp1" => (PolicyKind::ResourceControl, true),
        _ => (PolicyKind::Identity, false),
    }
}

struct Compiled(BTreeMap<&'static str, Policy>);

impl Compiled {
    /// `None` if AWS would refuse a policy.
    fn new(world: &World) -> Option<Compiled> {
        let policies = world.policies.iter().map(|(slot, statements)| {
            let document = symbols_to_refs(&document(statements));
            let policy =
                Policy::from_template(kind(slot).0, slot, &document, &Environment::default(), &symbols_of_refs).ok()?;
            Some((*slot, policy))
        });
        policies.collect::<Option<_>>().map(Compiled)
    }

    fn policies(&self) -> Policies<'_> {
        let get = |slot: &str| self.0.get(slot);
        let levels = |slots: [&str; 2]| slots.iter().map_while(|slot| get(slot)).map(|policy| vec![policy]).collect();
        Policies {
            identity: get("identity").into_iter().collect(),
            boundary: get("boundary"),
            session: get("session").into_iter().collect(),
            resource: get("policy"),
            scps: levels(["scp0", "scp1"]),
            rcps: levels(["rcp0", "rcp1"]),
        }
    }
}

/// Values for the symbols, and for the unknown keys in turn.
fn substitution() -> impl Strategy<Value = (BTreeMap<&'static str, String>, Vec<Vec<String>>)> {
    let name = || select(vec!["a", "b", "r", "ana", "k", "x-1"]).prop_map(str::to_owned);
    let account = select(vec!["111111111111", "222222222222", "333333333333"]).prop_map(str::to_owned);
    // Ids differ from one another, but may be anything else.
    let ids = select(vec![("a", "b"), ("b", "k"), ("r", "ana"), ("1234", "5678")]);
    let any = select(vec![
        "a",
        "k",
        "r/s",
        "x:y",
        "*",
        "a*",
        "?",
        "dir/k",
        "arn:aws:s3:::b",
        "arn:aws:s3:::b/k",
        "arn:aws:iam::111111111111:role/r",
        "arn:aws:iam::222222222222:root",
        "arn:aws:kms:eu-west-1:111111111111:key/a",
        "111111111111",
        "true",
        "10",
    ])
    .prop_map(str::to_owned);
    let unknown = prop::collection::vec(
        prop_oneof![
            2 => Just(vec![]),
            5 => value(false).prop_map(|value| vec![value]),
            1 => (value(false), value(false)).prop_map(|(one, two)| vec![one, two]),
        ],
        4,
    );
    (name(), name(), account, ids, any, name(), unknown).prop_map(|(n, m, account, (i, j), any, session, unknown)| {
        let symbols = [
            ("‹name:n›", n),
            ("‹name:m›", m),
            ("‹name:account›", account),
            ("‹id:i›", i.to_owned()),
            ("‹id:j›", j.to_owned()),
            ("‹t›", any),
            (ANY_SESSION, session),
        ];
        (symbols.into_iter().collect(), unknown)
    })
}

/// Those without a symbol, unless symbols are wanted.
fn pool(symbolic: bool, all: &[&str]) -> impl Strategy<Value = String> + use<> {
    let wanted = all.iter().filter(|item| symbolic || !item.contains('‹'));
    select(wanted.map(|item| (*item).to_owned()).collect::<Vec<_>>())
}

fn account(symbolic: bool) -> impl Strategy<Value = String> {
    pool(symbolic, &["111111111111", "111111111111", "222222222222", "‹name:account›"])
}

fn name(symbolic: bool) -> impl Strategy<Value = String> {
    pool(symbolic, &["r", "ana", "a", "‹name:n›", "‹name:m›", "‹id:i›"])
}

/// A value of a condition or of a context key.
fn value(symbolic: bool) -> impl Strategy<Value = String> {
    pool(
        symbolic,
        &[
            "a",
            "a",
            "b",
            "A",
            "ab",
            "",
            "a*",
            "10",
            "10.0",
            "9",
            "true",
            "false",
            "10.0.0.1",
            "111111111111",
            "222222222222",
            "ana",
            "User",
            "AssumedRole",
            "2026-01-01T00:00:00Z",
            "arn:aws:s3:::b",
            "arn:aws:s3:::a",
            "arn:aws:iam::111111111111:role/r",
            "arn:aws:iam::222222222222:role/p/r",
            "arn:aws:iam::111111111111:user/ana",
            "‹name:n›",
            "‹id:i›",
            "‹id:j›",
            "‹t›",
            "a‹name:n›",
            "arn:aws:s3:::‹name:n›",
            "arn:aws:iam::111111111111:role/‹t›",
        ],
    )
}

fn resource(symbolic: bool) -> impl Strategy<Value = String> {
    pool(
        symbolic,
        &[
            "arn:aws:s3:::b/k",
            "arn:aws:s3:::b/k",
            "arn:aws:s3:::a/dir/x:y",
            "arn:aws:s3:::b",
            "*",
            "arn:aws:kms:eu-west-1:111111111111:key/a",
            "arn:aws:kms:eu-west-1:111111111111:alias/a",
            "arn:aws:iam::111111111111:role/r",
            "arn:aws:iam::222222222222:role/p/r",
            "arn:aws:s3:::‹name:n›/k",
            "arn:aws:s3:::‹id:i›/k",
            "arn:aws:s3:::b/‹t›",
            "arn:aws:s3:::‹id:j›/‹name:m›",
            "‹t›",
            "arn:aws:kms:eu-west-1:111111111111:key/‹id:i›",
            "arn:aws:iam::‹name:account›:role/‹name:n›",
        ],
    )
}

fn resource_pattern(symbolic: bool) -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just("*".to_owned()),
        2 => resource(symbolic),
        4 => pool(
            symbolic,
            &[
                "arn:aws:s3:::b/*", "arn:aws:s3:::*", "arn:aws:s3:::b*", "arn:aws:s3:::a/*y", "arn:aws:s3:::?/*", "arn:*",
                "arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::b/${x:k}", "arn:aws:s3:::b/${x:k, 'k'}",
                "arn:aws:s3:::${*}/*", "arn:aws:kms:*:111111111111:key/*", "arn:aws:iam::*:role/*",
                "arn:aws:iam::${aws:PrincipalAccount}:role/*", "arn:aws:*:key/a",
                "arn:aws:s3:::‹name:n›/*", "arn:aws:s3:::‹id:i›/*", "arn:aws:s3:::‹id:j›*", "arn:aws:s3:::b/‹t›", "‹t›*",
                "arn:aws:s3:::*‹name:n›/k", "arn:aws:kms:eu-west-1:‹name:account›:key/‹id:i›",
            ],
        ),
    ]
}

fn action_pattern() -> impl Strategy<Value = String> {
    pool(
        false,
        &[
            "*",
            "*",
            "s3:*",
            "s3:GetObject",
            "S3:getobject",
            "s3:Get*",
            "s3:?etObject",
            "s3:PutObject",
            "kms:*",
            "kms:Decrypt",
            "sts:AssumeRole",
            "sts:*",
            "iam:PassRole",
            "iam:*",
            "*:*",
        ],
    )
}

fn principals(symbolic: bool) -> impl Strategy<Value = Value> {
    let arn = (account(symbolic), name(symbolic)).prop_flat_map(|(account, name)| {
        select(vec![
            format!("arn:aws:iam::{account}:root"),
            account.clone(),
            format!("arn:aws:iam::{account}:role/{name}"),
            format!("arn:aws:iam::{account}:role/p/{name}"),
            format!("arn:aws:iam::{account}:user/{name}"),
            format!("arn:aws:sts::{account}:assumed-role/{name}/s"),
            format!("arn:aws:sts::{account}:federated-user/{name}"),
        ])
    });
    let arn = prop_oneof![8 => arn, 1 => pool(symbolic, &["*", "‹t›", "AROAEXAMPLEEXAMPLE001"])];
    let one = prop_oneof![
        8 => prop::collection::vec(arn, 1..4).prop_map(|arns| json!({"AWS": arns})),
        1 => Just(json!({"Service": "logs.amazonaws.com"})),
        1 => Just(json!({"Service": ["logs.amazonaws.com", "sns.amazonaws.com"]})),
        1 => Just(json!({"Federated": "idp"})),
    ];
    prop_oneof![3 => Just(json!("*")), 8 => one]
}

fn condition(symbolic: bool) -> impl Strategy<Value = Value> {
    let operators = select(vec![
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "NumericLessThanEquals",
        "NumericGreaterThan",
        "NumericGreaterThanEquals",
        "DateEquals",
        "DateNotEquals",
        "DateLessThan",
        "DateLessThanEquals",
        "DateGreaterThan",
        "DateGreaterThanEquals",
        "Bool",
        "IpAddress",
        "NotIpAddress",
        "ArnEquals",
        "ArnNotEquals",
        "ArnLike",
        "ArnNotLike",
        "Null",
    ]);
    let keys = select(vec![
        "x:k",
        "x:k",
        "X:K",
        "x:l",
        "x:l",
        "aws:PrincipalArn",
        "aws:PrincipalAccount",
        "aws:PrincipalType",
        "aws:username",
        "aws:ResourceAccount",
        "aws:PrincipalIsAWSService",
        "aws:SourceAccount",
        "kms:CallerAccount",
    ]);
    let set = select(vec!["", "", "", "ForAllValues:", "ForAnyValue:"]);
    (set, operators, any::<bool>(), keys).prop_flat_map(move |(set, operator, if_exists, key)| {
        let values = match operator {
            "Bool" | "Null" => pool(false, &["true", "false"]).boxed(),
            "IpAddress" | "NotIpAddress" => pool(symbolic, &["10.0.0.0/8", "10.0.0.1", "::/0", "‹t›"]).boxed(),
            _ if operator.starts_with("Numeric") => pool(symbolic, &["10", "9.5", "-1", "‹t›"]).boxed(),
            _ if operator.starts_with("Date") => {
                pool(symbolic, &["2026-01-01T00:00:00Z", "1767225600", "2025-06-30", "‹t›"]).boxed()
            }
            _ => prop_oneof![
                4 => value(symbolic),
                1 => pool(
                    symbolic,
                    &["${aws:username}", "${x:l}", "${x:l, 'a'}", "a${*}", "arn:aws:s3:::*", "arn:aws:iam::*:role/*", "*",
                      "arn:aws:*:role/r", "‹name:n›*", "a?"],
                ),
            ]
            .boxed(),
        };
        let operator = match (operator, if_exists) {
            ("Null", _) => operator.to_owned(),
            (_, true) => format!("{set}{operator}IfExists"),
            (_, false) => format!("{set}{operator}"),
        };
        prop::collection::vec(values, 1..3).prop_map(move |values| json!({&operator: {key: values}}))
    })
}

fn statement(symbolic: bool) -> impl Strategy<Value = Value> {
    let conditions = prop_oneof![3 => Just(None), 2 => condition(symbolic).prop_map(Some)];
    (
        prop::bool::weighted(0.75),
        (prop::bool::weighted(0.12), prop::collection::vec(action_pattern(), 1..3)),
        (prop::bool::weighted(0.12), prop::collection::vec(resource_pattern(symbolic), 1..3)),
        conditions,
    )
        .prop_map(|(allow, (not_action, actions), (not_resource, resources), condition)| {
            let mut statement = json!({
                "Effect": if allow { "Allow" } else { "Deny" },
                if not_action { "NotAction" } else { "Action" }: actions,
                if not_resource { "NotResource" } else { "Resource" }: resources,
            });
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        })
}

fn resource_statement(symbolic: bool) -> impl Strategy<Value = Value> {
    (statement(symbolic), prop::bool::weighted(0.1), principals(symbolic)).prop_map(
        |(mut statement, not, principals)| {
            statement[if not { "NotPrincipal" } else { "Principal" }] = principals;
            statement
        },
    )
}

fn control_statement(symbolic: bool) -> impl Strategy<Value = Value> {
    statement(symbolic).prop_map(|mut statement| {
        statement["Principal"] = json!("*");
        statement
    })
}

fn who(symbolic: bool) -> impl Strategy<Value = Who> {
    (account(symbolic), name(symbolic), prop::bool::ANY).prop_flat_map(move |(account, name, path)| {
        let path = if path { "p/" } else { "" };
        let role = format!("arn:aws:iam::{account}:role/{path}{name}");
        let mut sessions = vec![
            Who::Session { role: role.clone(), name: "s".to_owned() },
            Who::Session {
                role: format!("arn:aws:iam::{account}:role/aws-service-role/x/{name}"),
                name: "s".to_owned(),
            },
        ];
        if symbolic {
            sessions.push(Who::Session { role, name: ANY_SESSION.to_owned() });
        }
        let user = format!("arn:aws:iam::{account}:user/{name}");
        prop_oneof![
            6 => select(sessions),
            4 => Just(Who::User { arn: user.clone() }),
            1 => Just(Who::Root { account: account.clone() }),
            1 => Just(Who::FederatedUser { arn: format!("arn:aws:sts::{account}:federated-user/{name}"), user }),
            1 => Just(Who::Service { name: "logs.amazonaws.com".to_owned() }),
            1 => Just(Who::Federated { provider: "idp".to_owned() }),
            1 => Just(Who::Anonymous),
        ]
    })
}

fn world(symbolic: bool) -> impl Strategy<Value = World> {
    let actions = select(vec![
        "s3:GetObject",
        "s3:GetObject",
        "s3:GetObject",
        "s3:PutObject",
        "kms:Decrypt",
        "kms:PutKeyPolicy",
        "sts:AssumeRole",
        "sts:AssumeRoleWithWebIdentity",
        "iam:PassRole",
        "sts:GetCallerIdentity",
    ]);
    let statements =
        |one: BoxedStrategy<Value>, weight: f64| prop::option::weighted(weight, prop::collection::vec(one, 1..4));
    let plain = move || statement(symbolic).boxed();
    let policies = (
        statements(plain(), 0.9),
        statements(plain(), 0.2),
        statements(plain(), 0.2),
        statements(resource_statement(symbolic).boxed(), 0.7),
        statements(plain(), 0.2),
        statements(plain(), 0.1),
        statements(control_statement(symbolic).boxed(), 0.15),
    );
    let values = move || {
        prop_oneof![
            2 => Just(Some(vec![])),
            6 => value(symbolic).prop_map(|value| Some(vec![value])),
            1 => (value(symbolic), value(symbolic)).prop_map(|(one, two)| Some(vec![one, two])),
            if symbolic { 2 } else { 0 } => Just(None),
        ]
    };
    let context = (values(), values(), values());
    (policies, who(symbolic), actions, resource(symbolic), account(symbolic), context).prop_map(
        |((identity, boundary, session, policy, scp0, scp1, rcp0), who, action, resource, owner, (k, l, source))| {
            let slots = [
                ("identity", identity),
                ("boundary", boundary),
                ("session", session),
                ("policy", policy),
                ("scp0", scp0),
                ("scp1", scp1),
                ("rcp0", rcp0),
            ];
            let policies = slots.into_iter().filter_map(|(slot, statements)| Some((slot, statements?)));
            let context = [("x:k", k), ("x:l", l), ("aws:SourceAccount", source)];
            World { policies: policies.collect(), who, action, resource, owner, context: context.into_iter().collect() }
        },
    )
}
