//! What `check` is worth: the main app's templates are changed in every way that takes one thing out of one policy, and each change must be reported. One
//! that breaks a goal or an assertion is reported as that, at the statement that it was taken from; one that opens something shows as a finding or among
//! those who else get in. What is reported by nothing is listed here, with the reason.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop there")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
use xacct_access::{Finding, Report, check};
use xacct_core::{App, Assembly};

/// Changes that nothing reports, and why that is right. `*` stands for anything.
const SURVIVORS: &[(&str, &str)] = &[
    (
        "*/Role: AssumeRolePolicyDocument/Statement/0/Condition/StringEquals = {\"aws:SourceAccount\":*",
        "nothing is opened: the project's ARN, which the other condition asks for, names the account too",
    ),
    (
        "Tools/Network/Pipeline/Role/DefaultPolicy: *Condition = {\"StringEquals\":{\"aws:ResourceAccount\":*",
        "nothing is opened while the bucket is there, whose account this is; it is for the day on which somebody else has a \
         bucket of that name, and the goals know only today's",
    ),
    (
        "Tools/Network/Pipeline/Role/DefaultPolicy: *Action/* = \"kms:DescribeKey\"",
        "AWS's examples grant it to the service role, and no page says which call of the pipeline needs it",
    ),
];

/// At least so many of a hundred mutants are caught.
const CAUGHT_OF_HUNDRED: usize = 95;

#[test]
fn every_loss_in_a_policy_is_reported_or_explained() {
    let assembly = assembly();
    let baseline = check(&assembly);
    let mutants = mutants(&assembly);
    let outcomes = in_parallel(&mutants, |mutant| mutant.outcome(&assembly, &baseline));

    let survivors: Vec<&String> =
        mutants.iter().zip(&outcomes).filter(|(_, it)| it.caught.is_empty()).map(|(it, _)| &it.name).collect();
    let caught = mutants.len() - survivors.len();
    println!(
        "{caught} of {} mutants are caught ({:.1} %)",
        mutants.len(),
        100.0 * caught as f64 / mutants.len() as f64
    );
    for (by, count) in tally(&outcomes) {
        println!("{count:5} by {by}");
    }
    let explains = |(pattern, _): &&(&str, &str), it: &str| matches(pattern, it);
    let unexplained: Vec<_> =
        survivors.iter().filter(|it| !SURVIVORS.iter().any(|entry| explains(&entry, it))).collect();
    let idle: Vec<_> = SURVIVORS.iter().filter(|entry| !survivors.iter().any(|it| explains(entry, it))).collect();
    let unplaced: Vec<_> = outcomes.iter().flat_map(|it| &it.unplaced).collect();
    assert!(unexplained.is_empty(), "nothing reports these: {unexplained:#?}");
    assert!(idle.is_empty(), "these explain no survivor: {idle:#?}");
    assert!(unplaced.is_empty(), "reported, but not at the statement that lost something: {unplaced:#?}");
    assert!(caught * 100 >= CAUGHT_OF_HUNDRED * mutants.len(), "{caught} of {}", mutants.len());
}

fn assembly() -> Assembly {
    let app = App::new();
    app::define(&app, &xacct_cli::Config::sample()).unwrap();
    app.synth().unwrap()
}

/// The assembly without one thing that a policy has.
struct Mutant {
    /// The construct, where in its properties, and what was taken away.
    name: String,
    /// As policies are called in reports: `Stack/LogicalId`.
    site: String,
    /// The statement that something was taken from; `None` if it is gone itself.
    statement: Option<usize>,
    stack: usize,
    pointer: String,
}

/// What a mutant comes to.
#[derive(Default)]
struct Outcome {
    /// What reports it: rules, or `exposure`.
    caught: BTreeSet<String>,
    /// Failed goals and assertions whose report does not say where.
    unplaced: Vec<(String, String)>,
}

impl Mutant {
    fn outcome(&self, assembly: &Assembly, baseline: &Report) -> Outcome {
        let mut assembly = assembly.clone();
        remove(&mut assembly.stacks[self.stack].template, &self.pointer);
        let report = check(&assembly);
        let mut outcome = Outcome::default();
        for finding in new_findings(&report, baseline) {
            outcome.caught.insert(finding.rule.clone());
            if matches!(finding.rule.as_str(), "XA001" | "XA002" | "XA003") && !self.is_placed(finding, &report) {
                outcome.unplaced.push((self.name.clone(), finding.message.clone()));
            }
        }
        let failed = report.accesses.iter().filter(|it| it.verdict != "allowed");
        for access in failed {
            let goal = format!("needs `{}` on {}", access.action, access.resource);
            if !report.findings.iter().any(|it| it.message.contains(&goal)) {
                outcome.unplaced.push((self.name.clone(), goal));
            }
        }
        let known: BTreeSet<String> = baseline.exposures.iter().map(exposure).collect();
        if report.exposures.iter().any(|it| !known.contains(&exposure(it))) {
            outcome.caught.insert("exposure".to_owned());
        }
        outcome
    }

    /// Whether a finding says which statement has lost something, or which policy a statement is missing from.
    fn is_placed(&self, finding: &Finding, report: &Report) -> bool {
        let is_unreadable =
            |it: &&Finding| it.rule == "XA004" && self.site == format!("{}/{}", it.stack, it.logical_id);
        let place = match self.statement {
            Some(index) => format!("`{}`, statement {index}", self.site),
            None => format!("`{}`", self.site),
        };
        finding.message.contains(&place) || report.findings.iter().find(is_unreadable).is_some()
    }
}

fn exposure(it: &xacct_access::exposure::Exposure) -> String {
    format!("{} {} {:?} {}", it.resource, it.who, it.actions, it.certain)
}

/// What is found that was not found before. A place in a list counts for nothing: it moves when something before it goes.
fn new_findings<'r>(report: &'r Report, baseline: &Report) -> Vec<&'r Finding> {
    let key = |it: &Finding| (it.rule.clone(), it.stack.clone(), it.logical_id.clone(), it.message.clone());
    let mut known: BTreeMap<_, usize> = BTreeMap::new();
    for finding in &baseline.findings {
        *known.entry(key(finding)).or_default() += 1;
    }
    let is_new = |it: &&Finding| match known.get_mut(&key(it)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    report.findings.iter().filter(is_new).collect()
}

fn mutants(assembly: &Assembly) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (stack, artifact) in assembly.stacks.iter().enumerate() {
        for (logical_id, resource) in artifact.template["Resources"].as_object().unwrap() {
            let mut documents = Vec::new();
            find_documents(&resource["Properties"], String::new(), &mut documents);
            for document in documents {
                let statements = resource["Properties"].pointer(&document).unwrap()["Statement"].as_array().unwrap();
                for (index, statement) in statements.iter().enumerate() {
                    let place = format!("{document}/Statement/{index}");
                    let mut removals = vec![(String::new(), None)];
                    parts(statement, &mut removals);
                    for (part, value) in removals {
                        let path = artifact.origins[logical_id].path.trim_end_matches("/Resource");
                        let what = value.map(|it| format!(" = {it}")).unwrap_or_default();
                        mutants.push(Mutant {
                            name: format!("{path}: {}{part}{what}", place.trim_start_matches('/')),
                            site: format!("{}/{logical_id}", artifact.id),
                            statement: (!part.is_empty()).then_some(index),
                            stack,
                            pointer: format!("/Resources/{logical_id}/Properties{place}{part}"),
                        });
                    }
                }
            }
        }
    }
    mutants
}

/// The pointers of all policy documents.
fn find_documents(json: &Value, pointer: String, found: &mut Vec<String>) {
    if json["Statement"].is_array() {
        found.push(pointer);
        return;
    }
    let members: Vec<(String, &Value)> = match json {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => return,
    };
    members.into_iter().for_each(|(name, value)| find_documents(value, format!("{pointer}/{name}"), found));
}

/// What can be taken out of a statement so that a statement is left.
fn parts(statement: &Value, found: &mut Vec<(String, Option<String>)>) {
    for element in ["Action", "NotAction", "Resource", "NotResource"] {
        items(&statement[element], &format!("/{element}"), found);
    }
    for element in ["Principal", "NotPrincipal"] {
        let kinds = statement[element].as_object().into_iter().flatten();
        members(&statement[element], &format!("/{element}"), found);
        kinds.for_each(|(kind, names)| items(names, &format!("/{element}/{kind}"), found));
    }
    let Some(operators) = statement["Condition"].as_object() else { return };
    if operators.len() == 1 {
        found.push(("/Condition".to_owned(), Some(statement["Condition"].to_string())));
    }
    members(&statement["Condition"], "/Condition", found);
    for (operator, keys) in operators {
        members(keys, &format!("/Condition/{operator}"), found);
        for (key, values) in keys.as_object().unwrap() {
            items(values, &format!("/Condition/{operator}/{}", key.replace('/', "~1")), found);
        }
    }
}

/// Each item of a list of several.
fn items(json: &Value, pointer: &str, found: &mut Vec<(String, Option<String>)>) {
    let list = json.as_array().filter(|it| it.len() > 1).into_iter().flatten();
    found.extend(list.enumerate().map(|(index, item)| (format!("{pointer}/{index}"), Some(item.to_string()))));
}

/// Each member of an object of several.
fn members(json: &Value, pointer: &str, found: &mut Vec<(String, Option<String>)>) {
    let fields = json.as_object().filter(|it| it.len() > 1).into_iter().flatten();
    found.extend(
        fields.map(|(name, value)| (format!("{pointer}/{}", name.replace('/', "~1")), Some(value.to_string()))),
    );
}

/// Takes away what a JSON pointer points to.
fn remove(json: &mut Value, pointer: &str) {
    let (holder, last) = pointer.rsplit_once('/').unwrap();
    match json.pointer_mut(holder).unwrap() {
        Value::Object(fields) => {
            fields.remove(&last.replace("~1", "/")).unwrap();
        }
        Value::Array(items) => {
            items.remove(last.parse().unwrap());
        }
        other => panic!("nothing can be taken out of {other}"),
    }
}

/// Whether a text is like a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((front, rest)) => text.strip_prefix(front).is_some_and(|text| {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..]))
        }),
    }
}

fn tally(outcomes: &[Outcome]) -> BTreeMap<&str, usize> {
    let mut tally = BTreeMap::new();
    for by in outcomes.iter().flat_map(|it| &it.caught) {
        *tally.entry(by.as_str()).or_default() += 1;
    }
    tally
}

/// The answers to all items, in their order, worked out by as many threads as there are cores.
fn in_parallel<T: Sync, R: Send>(items: &[T], answer: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut answers = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return answers };
            answers.push((at, answer(item)));
        }
    };
    let mut answers: Vec<(usize, R)> = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|it| it.join().unwrap()).collect()
    });
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
