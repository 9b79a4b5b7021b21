//! The deploy engine with the real SDK, against a real emulator, through a proxy that breaks calls: whatever call breaks in whatever way, a run ends
//! in the right state, nothing is done twice, and the user is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use xacct_core::Assembly;
use xacct_deploy::aws::{Access, AwsConnector, Source};
use xacct_deploy::{
    DestroyOptions, Engine, Event, FileStore, Outcome, Pace, RetryPolicy, RollbackOptions, RunOptions, Selection,
    StackOptions, Summary,
};
use xacct_tests::sample::{self, PRODUCTION, REGION, TOOLS};
use xacct_tests::{Account, Answer, Emulator, Fault, FaultProxy, Seen, demanded, ministack, runtime};

const FAULTS: [Fault; 6] = [
    Fault::Throttle,
    Fault::ServerError(500),
    Fault::ServerError(503),
    Fault::Reset,
    Fault::LoseReply,
    // Last: a late call is done, and what is done is not repeated.
    Fault::Delay(Duration::from_millis(150)),
];

/// What happens to the sample, in this order, in every scenario.
const PHASES: [Phase; 4] = [Phase::Create, Phase::Update, Phase::Repeat, Phase::Destroy];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Create,
    Update,
    Repeat,
    Destroy,
}

#[test]
fn every_call_may_break_in_every_way() {
    let Some(world) = demanded(World::new()) else { return };
    let calls = world.calls_of_a_lifecycle();
    for expected in [
        "GetCallerIdentity",
        "CreateChangeSet",
        "ExecuteChangeSet",
        "DescribeStacks",
        "DeleteStack",
        "HeadObject",
        "PutObject",
    ] {
        assert!(calls.values().any(|calls| calls.contains(expected)), "{expected} is never called: {calls:?}");
    }
    let actions: BTreeSet<&String> = calls.values().flatten().collect();
    for action in actions {
        for fault in FAULTS {
            world.lifecycle(&format!("{action} {fault:?}"), |phase| {
                if calls[&phase].contains(action) {
                    world.proxy.inject(action, fault, 1);
                }
            });
        }
    }
}

#[test]
fn every_call_may_break_again_and_again() {
    let Some(world) = demanded(World::new()) else { return };
    let calls = world.calls_of_a_lifecycle();
    world.lifecycle("a bad day", |phase| {
        for action in &calls[&phase] {
            for fault in FAULTS {
                world.proxy.inject(action, fault, 1);
            }
        }
    });
}

#[test]
fn a_failure_is_told_by_its_cause_whatever_breaks_on_the_way() {
    let Some(world) = demanded(World::new()) else { return };
    let failing = world.failing();

    let engine = world.engine("a failure");
    for (phase, status) in [(Phase::Create, "ROLLBACK_COMPLETE"), (Phase::Update, "UPDATE_ROLLBACK_COMPLETE")] {
        if phase == Phase::Update {
            world.cloudformation(TOOLS, "DeleteStack", &[("StackName", "Tools")]);
            let (summary, _) = run(&engine, Phase::Create, &world.versions);
            assert!(summary.is_success(), "{summary:?}");
        }
        for action in
            ["CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DescribeStacks", "DescribeStackEvents"]
        {
            for fault in FAULTS {
                world.proxy.inject(action, fault, 1);
            }
        }
        let (summary, events) = run(&engine, Phase::Update, &[failing.clone(), failing.clone()]);
        world.proxy.clear();
        let Outcome::Failed { status: reached, causes } = &summary.stacks["Tools"] else {
            panic!("{phase:?}: {summary:?}")
        };
        assert_eq!(reached.as_deref(), Some(status), "{summary:?}");
        let first = format!("{:?}", causes[0]);
        assert!(first.contains("Taken") && first.contains("already exists"), "{phase:?}: {first}\n{events:?}");
        assert!(summary.stacks["Production"].is_success(), "{summary:?}");
        let now = world.cloudformation(TOOLS, "DescribeStacks", &[("StackName", "Tools")]).element("StackStatus");
        assert_eq!(now.as_deref(), Some(status));
    }
}

/// Plans, states, resources and drift are the same whatever breaks once on the way to them.
#[test]
fn what_only_looks_may_break_too() {
    let Some(world) = demanded(World::new()) else { return };
    let engine = world.engine("looking");
    let (summary, _) = run(&engine, Phase::Create, &world.versions);
    assert!(summary.is_success(), "{summary:?}");
    let all = Selection::default();
    let look = || {
        runtime().block_on(async {
            let version = &world.versions[1];
            // First: what it finds is shown with the resources.
            let drift = serde_json::to_value(engine.drift(version, &all).await.unwrap()).unwrap();
            let plan = serde_json::to_value(engine.plan(version, &all).await.unwrap()).unwrap();
            let status = serde_json::to_value(engine.status(version, &all).await.unwrap()).unwrap();
            let resources = serde_json::to_value(engine.resources(version, &all).await.unwrap()).unwrap();
            [drift, plan, status, resources]
        })
    };
    world.proxy.take_log();
    let expected = look();
    let seen = format!("{expected:?}");
    for text in ["Topic", "CREATE_COMPLETE", "IN_SYNC"] {
        assert!(seen.contains(text), "{text} is not in {seen}");
    }
    let calls = names(world.proxy.take_log());
    for call in [
        "GetTemplate",
        "ListStackResources",
        "DetectStackDrift",
        "DescribeStackDriftDetectionStatus",
        "DescribeStackResourceDrifts",
    ] {
        assert!(calls.contains(call), "{call} is never called: {calls:?}");
    }
    for action in &calls {
        for fault in FAULTS {
            world.proxy.inject(action, fault, 1);
            let found = look();
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found, expected, "{action} {fault:?}");
            }
            assert_eq!(world.proxy.pending(), 0, "{action} {fault:?}");
        }
    }
}

/// An update that stands still is rolled back once, whatever breaks on the way.
#[test]
fn a_rollback_may_break_too() {
    let Some(world) = demanded(World::new()) else { return };
    let failing = world.failing();
    let all = Selection::default();
    for fault in FAULTS {
        let engine = world.engine(&format!("rollback {fault:?}"));
        let (summary, _) = run(&engine, Phase::Create, &world.versions);
        assert!(summary.is_success(), "{summary:?}");
        let mut options = StackOptions::default();
        options.no_rollback = true;
        let (stopped, _events) = engine.deploy(&failing, &all, options, RunOptions::default());
        let stopped = runtime().block_on(stopped).unwrap();
        let Outcome::Failed { status, .. } = &stopped.stacks["Tools"] else { panic!("{stopped:?}") };
        assert_eq!(status.as_deref(), Some("UPDATE_FAILED"), "{stopped:?}");

        world.proxy.take_log();
        for action in ["RollbackStack", "DescribeStacks", "DescribeStackEvents"] {
            world.proxy.inject(action, fault, 1);
        }
        let options = RollbackOptions::default();
        let (rollback, _events) = engine.rollback(&failing, &all, options, RunOptions::default());
        let summary = runtime().block_on(rollback).unwrap();
        assert_eq!(world.proxy.pending(), 0, "{fault:?}: {summary:?}");
        let rolled_back = Outcome::RolledBack { status: "UPDATE_ROLLBACK_COMPLETE".into() };
        assert_eq!(summary.stacks["Tools"], rolled_back, "{fault:?}");
        let events = world.cloudformation(TOOLS, "DescribeStackEvents", &[("StackName", "Tools")]);
        assert_eq!(sample::operations(&events, "UPDATE_ROLLBACK_IN_PROGRESS"), 1, "{fault:?}: {}", events.body);
        let (summary, _) = run(&engine, Phase::Destroy, &world.versions);
        assert!(summary.is_success(), "{summary:?}");
        sample::forget_assets(&world.account(TOOLS), TOOLS);
    }
}

/// Two accounts, reached through the proxy, and the sample's two versions.
struct World {
    emulator: Emulator,
    proxy: FaultProxy,
    versions: [Assembly; 2],
    folder: TempDir,
}

impl World {
    fn new() -> Result<Self, String> {
        let emulator = ministack()?;
        let proxy = FaultProxy::before(&emulator.url);
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let versions = ["one", "two"].map(|value| {
            let assembly = sample::app(value).synth().expect("the sample is right");
            assembly.write(&folder.path().join(value)).expect("a temporary folder can be written to")
        });
        let world = Self { emulator, proxy, versions, folder };
        for account in [PRODUCTION, TOOLS] {
            sample::bootstrap(&world.account(account), account);
        }
        Ok(world)
    }

    /// Past the proxy.
    fn account(&self, id: &str) -> Account {
        self.emulator.account(id, REGION)
    }

    fn engine(&self, scenario: &str) -> Engine {
        let access = |id: &str| {
            let source = Source::Keys { id: id.to_owned(), secret: "test".to_owned(), session: None };
            (id.to_owned(), Access { source, role: None })
        };
        let mut connector = AwsConnector::default();
        connector.accounts = BTreeMap::from([access(PRODUCTION), access(TOOLS)]);
        connector.endpoint_url = Some(self.proxy.url.clone());
        let store = FileStore::new(self.folder.path().join(scenario.replace(' ', "-")));
        let mut engine = Engine::new(Arc::new(connector), Arc::new(store));
        engine.retry =
            RetryPolicy { base: Duration::from_millis(2), cap: Duration::from_millis(20), ..RetryPolicy::default() };
        engine.pace = Pace { first: Duration::from_millis(5), longest: Duration::from_millis(20) };
        engine
    }

    /// The second version with a parameter in `Tools` whose name somebody else has.
    fn failing(&self) -> Assembly {
        let taken = json!({ "Type": "AWS::SSM::Parameter", "Properties": { "Name": "/taken", "Type": "String", "Value": "mine" } });
        let put = json!({ "Name": "/taken", "Type": "String", "Value": "theirs" });
        assert!(self.account(TOOLS).json("ssm", "AmazonSSM.PutParameter", &put).is_success());
        let mut failing = self.versions[1].clone();
        let tools = failing.stacks.iter_mut().find(|stack| stack.id == "Tools").unwrap();
        tools.template["Resources"]["Taken"] = taken;
        // The template is taken from the folder, where there is one.
        failing.write(&self.folder.path().join("failing")).unwrap()
    }

    /// Which calls each phase makes when nothing breaks.
    fn calls_of_a_lifecycle(&self) -> BTreeMap<Phase, BTreeSet<String>> {
        let mut calls = BTreeMap::new();
        let mut before: Option<Phase> = None;
        // Called before each phase, when the log holds the calls of the phase before.
        self.lifecycle("nothing breaks", |phase| {
            let log = self.proxy.take_log();
            calls.extend(before.replace(phase).map(|before| (before, names(log))));
        });
        calls.insert(Phase::Destroy, names(self.proxy.take_log()));
        calls
    }

    /// Creates, updates, repeats and destroys the sample; `break_things` is called before each phase.
    fn lifecycle(&self, scenario: &str, mut break_things: impl FnMut(Phase)) {
        let engine = self.engine(scenario);
        for phase in PHASES {
            break_things(phase);
            self.proxy.take_log();
            let injected = self.proxy.pending();
            let (summary, events) = run(&engine, phase, &self.versions);
            let context = format!("{scenario}, {phase:?}: {summary:?}");
            assert!(summary.is_success(), "{context}");
            assert_eq!(self.proxy.pending(), 0, "{injected} faults were injected, not all were met. {context}");
            self.check(phase, &summary, &context);
            self.check_told(&events, &context);
        }
        sample::forget_assets(&self.account(TOOLS), TOOLS);
    }

    /// The state that a phase must end in, read past the proxy.
    fn check(&self, phase: Phase, summary: &Summary, context: &str) {
        for outcome in summary.stacks.values() {
            let right = match phase {
                Phase::Create => matches!(outcome, Outcome::Deployed { created: true, .. }),
                Phase::Update => matches!(outcome, Outcome::Deployed { created: false, .. }),
                Phase::Repeat => matches!(outcome, Outcome::Unchanged { .. }),
                Phase::Destroy => matches!(outcome, Outcome::Deleted { .. } | Outcome::Absent),
            };
            assert!(right, "{context}");
        }
        for (account, stacks) in [(PRODUCTION, &["Production"][..]), (TOOLS, &["Shared", "Tools"])] {
            let stacks: &[&str] = if phase == Phase::Destroy { &[] } else { stacks };
            let mut found = self.cloudformation(account, "DescribeStacks", &[]).elements("StackName");
            found.sort();
            assert_eq!(found, stacks, "{context}");
            for stack in stacks {
                self.check_stack(account, stack, phase, context);
            }
        }
        let value =
            self.account(PRODUCTION).json("ssm", "AmazonSSM.GetParameter", &json!({ "Name": "/Production/Endpoint" }));
        let handed_over =
            self.account(TOOLS).json("ssm", "AmazonSSM.GetParameter", &json!({ "Name": "/Tools/Reader" }));
        match phase {
            Phase::Destroy => assert!(!value.is_success() && !handed_over.is_success(), "{context}"),
            _ => {
                let expected = if phase == Phase::Create { "one" } else { "two" };
                for answer in [value, handed_over] {
                    assert_eq!(answer.json()["Parameter"]["Value"], expected, "{context}");
                }
            }
        }
    }

    /// One creation, at most one update, no leftovers.
    fn check_stack(&self, account: &str, stack: &str, phase: Phase, context: &str) {
        let events = self.cloudformation(account, "DescribeStackEvents", &[("StackName", stack)]);
        let started = |status: &str| sample::operations(&events, status);
        assert_eq!(started("CREATE_IN_PROGRESS"), 1, "{context}: {}", events.body);
        assert_eq!(started("UPDATE_IN_PROGRESS"), usize::from(phase != Phase::Create), "{context}: {}", events.body);
        let change_sets = self.cloudformation(account, "ListChangeSets", &[("StackName", stack)]);
        let unexecuted: Vec<_> =
            change_sets.elements("ExecutionStatus").into_iter().filter(|status| status != "EXECUTE_COMPLETE").collect();
        assert!(unexecuted.is_empty(), "{context}: change sets are left behind: {}", change_sets.body);
    }

    /// Every call that was broken and made again was told as such.
    fn check_told(&self, events: &[Event], context: &str) {
        let told: BTreeSet<&str> = events
            .iter()
            .filter_map(|event| match event {
                Event::Retrying { operation, .. } => Some(operation.as_str()),
                _ => None,
            })
            .collect();
        for seen in self.proxy.broken() {
            assert!(told.contains(seen.as_str()), "{context}: the user was not told that {seen} failed: {events:?}");
        }
    }

    fn cloudformation(&self, account: &str, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let answer = self.account(account).query("cloudformation", "2010-05-15", action, parameters);
        assert!(answer.is_success(), "{answer:?}");
        answer
    }
}

fn names(log: Vec<Seen>) -> BTreeSet<String> {
    log.into_iter().map(|seen| seen.action).collect()
}

fn run(engine: &Engine, phase: Phase, versions: &[Assembly; 2]) -> (Summary, Vec<Event>) {
    let selection = Selection::default();
    let (run, mut events) = match phase {
        Phase::Destroy => engine.destroy(&versions[1], &selection, DestroyOptions::default(), RunOptions::default()),
        _ => {
            let version = &versions[usize::from(phase != Phase::Create)];
            engine.deploy(version, &selection, StackOptions::default(), RunOptions::default())
        }
    };
    let summary = runtime().block_on(run).expect("all accounts can be reached");
    let mut told = Vec::new();
    while let Some(event) = events.try_next() {
        told.push(event);
    }
    (summary, told)
}
