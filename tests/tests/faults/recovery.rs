//! What brings a stack back: rolling back, continuing a rollback, cancelling.

use serde_json::json;
use xacct_core::Assembly;
use xacct_deploy::{
    Cancellation, CauseKind, Engine, Event, Intent, Outcome, RollbackOptions, RunOptions, Selection, StackOptions,
    Summary,
};
use xacct_tests::sample::TOOLS;
use xacct_tests::{Fault, demanded, runtime};

use crate::FAULTS;
use crate::world::{World, finish, tools};

/// An update that stands still is rolled back once, whatever breaks on the way.
#[test]
fn a_rollback_may_break_too() {
    let Some(world) = demanded(World::new()) else { return };
    let failing = world.failing();
    for fault in FAULTS {
        let engine = world.engine(&format!("rollback {fault:?}"));
        world.deploy(&engine, &world.versions[0]);
        let mut options = StackOptions::default();
        options.no_rollback = true;
        let (stopped, _) = finish(engine.deploy(&failing, &Selection::default(), options, RunOptions::default()));
        assert_eq!(failed_in(&stopped), "UPDATE_FAILED");

        world.break_one_of_each(&["RollbackStack", "DescribeStacks", "DescribeStackEvents"], fault);
        world.roll_back(&engine, &failing, RollbackOptions::default(), fault);
        assert_eq!(world.begun("UPDATE_ROLLBACK_IN_PROGRESS"), 1, "{fault:?}");
        world.destroy(&engine, &failing);
    }
}

/// A rollback that fails, because what it wants back was deleted by hand, is continued once: after that was made again, or without it.
#[test]
fn a_continued_rollback_may_break_too() {
    let Some(world) = demanded(World::new()) else { return };
    let iam = |action: &str, parameters: &[(&str, &str)]| {
        let answer = world.account(TOOLS).query("iam", "2010-05-08", action, parameters);
        assert!(answer.is_success(), "{action}: {answer:?}");
        answer
    };
    let member = |user: &str| json!({ "Type": "AWS::IAM::UserToGroupAddition", "Properties": { "GroupName": "team", "Users": [user] } });
    let before = world.with_tools(0, "alice", |tools| tools.template["Resources"]["Member"] = member("alice"));
    let after = world.with_tools(1, "bob", |tools| {
        tools.template["Resources"]["Member"] = member("bob");
        tools.template["Resources"]["Taken"] = world.taken();
        tools.template["Resources"]["Taken"]["DependsOn"] = "Member".into();
    });
    iam("CreateGroup", &[("GroupName", "team")]);
    iam("CreateUser", &[("UserName", "bob")]);
    for fault in FAULTS {
        for skip in [false, true] {
            let context = format!("{fault:?}, skip: {skip}");
            let engine = world.engine(&format!("continue {context}"));
            iam("CreateUser", &[("UserName", "alice")]);
            world.deploy(&engine, &before);
            iam("RemoveUserFromGroup", &[("GroupName", "team"), ("UserName", "alice")]);
            iam("DeleteUser", &[("UserName", "alice")]);
            let deployed = engine.deploy(&after, &Selection::default(), StackOptions::default(), RunOptions::default());
            assert_eq!(failed_in(&finish(deployed).0), "UPDATE_ROLLBACK_FAILED", "{context}");

            let mut options = RollbackOptions::default();
            if skip {
                options.skip = vec!["Member".to_owned()];
            } else {
                iam("CreateUser", &[("UserName", "alice")]);
            }
            world.break_one_of_each(&["ContinueUpdateRollback", "DescribeStacks", "DescribeStackEvents"], fault);
            world.roll_back(&engine, &after, options, fault);
            // The one that failed, and the one that went on from there.
            assert_eq!(world.begun("UPDATE_ROLLBACK_IN_PROGRESS"), 2, "{context}");
            let members = iam("GetGroup", &[("GroupName", "team")]).elements("UserName");
            assert_eq!(members, if skip { vec![] } else { vec!["alice"] }, "{context}");
            world.destroy(&engine, &before);
            if !skip {
                iam("DeleteUser", &[("UserName", "alice")]);
            }
        }
    }
}

/// An update is cancelled once, by its own run or from elsewhere, whatever breaks on the way.
#[test]
fn a_cancellation_may_break_too() {
    let Some(world) = demanded(World::new()) else { return };
    // The update waits here for a signal that never comes.
    let waiting = world.with_tools(1, "waiting", |tools| {
        tools.template["Resources"]["Gate"] = json!({
            "Type": "AWS::CloudFormation::WaitCondition",
            "CreationPolicy": { "ResourceSignal": { "Count": 1, "Timeout": "PT1H" } },
        });
        tools.template["Resources"]["Beyond"] =
            json!({ "Type": "AWS::SNS::Topic", "Properties": {}, "DependsOn": "Gate" });
    });
    for fault in FAULTS {
        for from_elsewhere in [false, true] {
            let context = format!("{fault:?}, from elsewhere: {from_elsewhere}");
            let engine = world.engine(&format!("cancelled {context}"));
            world.deploy(&engine, &world.versions[0]);
            let (run, mut events) =
                engine.deploy(&waiting, &Selection::default(), StackOptions::default(), RunOptions::default());
            let handle = run.handle();
            let run = runtime().spawn(run);
            while !is_at_the_gate(&runtime().block_on(events.next()).expect("the update comes to the gate")) {}

            world.break_one_of_each(&["CancelUpdateStack", "DescribeStacks", "DescribeStackEvents"], fault);
            if from_elsewhere {
                let other = world.engine(&format!("cancelling {context}"));
                let cancelled = runtime().block_on(other.cancel(&waiting, &Selection::default())).unwrap();
                assert_eq!(cancelled["Tools"], Cancellation::Cancelled, "{context}");
            } else {
                handle.set(Intent::CancelUpdates);
            }
            let summary = runtime().block_on(run).unwrap().unwrap();
            assert_eq!(world.proxy.pending(), 0, "{context}: {summary:?}");
            let Outcome::Failed { status, causes } = tools(&summary) else { panic!("{context}: {summary:?}") };
            assert_eq!(status.as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"), "{context}");
            assert_eq!(causes[0].kind, CauseKind::Cancelled, "{context}: {causes:?}");
            assert_eq!(world.begun("UPDATE_ROLLBACK_IN_PROGRESS"), 1, "{context}");
            assert_eq!(world.value(TOOLS, "/Tools/Reader").as_deref(), Some("one"), "{context}");
            world.destroy(&engine, &waiting);
        }
    }
}

fn is_at_the_gate(event: &Event) -> bool {
    matches!(event, Event::Resource { event, .. } if event.logical_id == "Gate" && event.status.as_str().ends_with("_IN_PROGRESS"))
}

/// The status in which `Tools` failed.
#[track_caller]
fn failed_in(summary: &Summary) -> &str {
    match tools(summary) {
        Outcome::Failed { status: Some(status), .. } => status,
        _ => panic!("{summary:?}"),
    }
}

impl World {
    /// Rolls `Tools` back, and meets all faults.
    fn roll_back(&self, engine: &Engine, assembly: &Assembly, options: RollbackOptions, fault: Fault) {
        let rolled_back = engine.rollback(assembly, &Selection::default(), options, RunOptions::default());
        let (summary, events) = finish(rolled_back);
        assert_eq!(self.proxy.pending(), 0, "{fault:?}: {summary:?}");
        let expected = Outcome::RolledBack { status: "UPDATE_ROLLBACK_COMPLETE".into() };
        assert_eq!(tools(&summary), &expected, "{fault:?}");
        self.check_told(&events, &format!("{fault:?}"));
        assert_eq!(self.value(TOOLS, "/Tools/Reader").as_deref(), Some("one"), "{fault:?}");
    }
}
