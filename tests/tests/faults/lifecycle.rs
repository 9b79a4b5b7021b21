//! Creation, update, repetition and deletion.

use std::collections::{BTreeMap, BTreeSet};

use xacct_core::Assembly;
use xacct_deploy::aws::RoleAccess;
use xacct_deploy::{DestroyOptions, Engine, Event, Outcome, RunOptions, Selection, StackOptions, Summary};
use xacct_tests::sample::{self, PRODUCTION, TOOLS};
use xacct_tests::{Fault, demanded};

use crate::FAULTS;
use crate::world::{World, finish, names, tools};

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
    let calls = world.calls_of_a_lifecycle(None);
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
            world.lifecycle(&format!("{action} {fault:?}"), None, |phase| {
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
    let calls = world.calls_of_a_lifecycle(None);
    world.lifecycle("a bad day", None, |phase| {
        for action in &calls[&phase] {
            for fault in FAULTS {
                world.proxy.inject(action, fault, 1);
            }
        }
    });
}

/// The roles of CDK's bootstrap, one for the calls and one for uploads.
#[test]
fn assuming_a_role_may_break_too() {
    let Some(world) = demanded(World::new()) else { return };
    let roles = RoleAccess::CdkBootstrap { qualifier: "hnb659fds".to_owned() };
    let calls = world.calls_of_a_lifecycle(Some(&roles));
    let assumed: Vec<Phase> = PHASES.into_iter().filter(|phase| calls[phase].contains("AssumeRole")).collect();
    assert_eq!(assumed, [Phase::Create], "they are assumed once for all that one engine does");
    let break_creation = |phase: Phase, faults: &[Fault]| {
        for fault in faults.iter().filter(|_| phase == Phase::Create) {
            world.proxy.inject("AssumeRole", *fault, 1);
        }
    };
    for fault in FAULTS {
        let scenario = format!("AssumeRole {fault:?}");
        world.lifecycle(&scenario, Some(&roles), |phase| break_creation(phase, &[fault]));
    }
    world.lifecycle("a bad day for roles", Some(&roles), |phase| break_creation(phase, &FAULTS));
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
        let Outcome::Failed { status: reached, causes } = tools(&summary) else { panic!("{phase:?}: {summary:?}") };
        assert_eq!(reached.as_deref(), Some(status), "{summary:?}");
        let first = format!("{:?}", causes[0]);
        assert!(first.contains("Taken") && first.contains("already exists"), "{phase:?}: {first}\n{events:?}");
        assert!(summary.stacks["Production"].is_success(), "{summary:?}");
        let now = world.cloudformation(TOOLS, "DescribeStacks", &[("StackName", "Tools")]).element("StackStatus");
        assert_eq!(now.as_deref(), Some(status));
    }
}

impl World {
    /// Which calls each phase makes when nothing breaks.
    fn calls_of_a_lifecycle(&self, role: Option<&RoleAccess>) -> BTreeMap<Phase, BTreeSet<String>> {
        let mut calls = BTreeMap::new();
        let mut before: Option<Phase> = None;
        // Called before each phase, when the log holds the calls of the phase before.
        self.lifecycle("nothing breaks", role, |phase| {
            let log = self.proxy.take_log();
            calls.extend(before.replace(phase).map(|before| (before, names(log))));
        });
        calls.insert(Phase::Destroy, names(self.proxy.take_log()));
        calls
    }

    /// Creates, updates, repeats and destroys the sample; `break_things` is called before each phase.
    fn lifecycle(&self, scenario: &str, role: Option<&RoleAccess>, mut break_things: impl FnMut(Phase)) {
        let engine = self.engine_as(scenario, role.cloned());
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
        let expected = match phase {
            Phase::Create => Some("one"),
            Phase::Update | Phase::Repeat => Some("two"),
            Phase::Destroy => None,
        };
        let made = self.value(PRODUCTION, "/Production/Endpoint");
        let handed_over = self.value(TOOLS, "/Tools/Reader");
        assert_eq!([made.as_deref(), handed_over.as_deref()], [expected; 2], "{context}");
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
}

fn run(engine: &Engine, phase: Phase, versions: &[Assembly; 2]) -> (Summary, Vec<Event>) {
    let selection = Selection::default();
    finish(match phase {
        Phase::Destroy => engine.destroy(&versions[1], &selection, DestroyOptions::default(), RunOptions::default()),
        _ => {
            let version = &versions[usize::from(phase != Phase::Create)];
            engine.deploy(version, &selection, StackOptions::default(), RunOptions::default())
        }
    })
}
