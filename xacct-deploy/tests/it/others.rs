//! Somebody else works on the same stacks, or the same person in another way.

use std::sync::Arc;
use std::time::Duration;

use xacct_core::assembly::Assembly;
use xacct_deploy::cloudformation::*;
use xacct_deploy::memory::{Action, CallFault, Fault, ResourceFault, World};
use xacct_deploy::*;

use crate::double::{Played, play};
use crate::world::{engine, home, queue_stack};

const ACCOUNT: &str = "111111111111";

fn app(delay: u32) -> Assembly {
    let mut assembly = Assembly::default();
    assembly.stacks = vec![queue_stack("Base", ACCOUNT, &[], delay)];
    assembly
}

fn here() -> Environment {
    Environment::from(&home(ACCOUNT))
}

async fn deploy(engine: &Engine, assembly: &Assembly, options: StackOptions) -> Played {
    let (run, events) = engine.deploy(assembly, &Selection::default(), options, RunOptions::default());
    play(run, events).await
}

/// Deploys the first version, with a store of its own.
async fn deployed() -> (World, Engine) {
    let world = World::new();
    let ours = engine(&world, Arc::new(MemoryStore::default()));
    assert!(deploy(&ours, &app(1), StackOptions::default()).await.result.unwrap().is_success());
    world.forget_calls();
    (world, ours)
}

fn somebody_else(world: &World) -> Engine {
    engine(world, Arc::new(MemoryStore::default()))
}

/// The version that the service has.
async fn version(world: &World) -> u64 {
    let template = world.clients(&here()).cloudformation.get_template("Base").await.unwrap();
    let template: serde_json::Value = serde_json::from_str(&template).unwrap();
    template["Resources"]["Queue"]["Properties"]["DelaySeconds"].as_u64().unwrap()
}

/// A run that dies at a call.
async fn die(world: &World, engine: &Engine, assembly: &Assembly, options: StackOptions, at: CallFault) {
    world.fail_call(at);
    let (run, _events) = engine.deploy(assembly, &Selection::default(), options, RunOptions::default());
    tokio::select! {
        _ = run => panic!("it came to its end"),
        () = world.hung() => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_was_overtaken_is_not_told_as_deployed() {
    let (world, ours) = deployed().await;
    // The end of our update is seen late, when somebody else has deployed already.
    let late = CallFault::new(Fault::Delay(Duration::from_secs(300))).operation("DescribeStackEvents").nth(1);
    world.fail_call(late);
    let theirs = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let options = StackOptions::default();
        assert!(deploy(&somebody_else(&world), &app(3), options).await.result.unwrap().is_success());
    };
    let second = app(2);
    let (played, ()) = tokio::join!(deploy(&ours, &second, StackOptions::default()), theirs);
    let cause = &played.causes_of("Base")[0];
    assert_eq!(cause.kind, CauseKind::Busy, "{cause:?}");
    assert!(cause.message.contains("was deployed, and then changed by somebody else"), "{cause:?}");
    assert_eq!(version(&world).await, 3);

    // And it is not remembered either.
    let again = deploy(&ours, &second, StackOptions::default()).await;
    assert!(matches!(again.outcome_of("Base"), Outcome::Deployed { .. }), "{:?}", again.outcome_of("Base"));
    assert_eq!(version(&world).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_change_set_that_was_made_in_another_way_is_not_executed() {
    let different: [fn(&mut StackOptions); 4] = [
        |it| it.express = true,
        |it| it.revert_drift = true,
        |it| it.import_existing = true,
        |it| {
            let resource = ResourceToImport {
                logical_id: "Queue".into(),
                resource_type: "AWS::SQS::Queue".into(),
                identifier: [("QueueUrl".to_owned(), "https://sqs/by-hand".to_owned())].into(),
            };
            it.import = [("Base".to_owned(), vec![resource])].into();
        },
    ];
    for (number, difference) in different.into_iter().enumerate() {
        let (world, ours) = deployed().await;
        let at = CallFault::new(Fault::HangBefore).operation("ExecuteChangeSet");
        die(&world, &ours, &app(2), StackOptions::default(), at).await;
        let before = world.open_change_sets(&here(), "Base");
        assert_eq!(before.len(), 1, "{number}");

        let mut options = StackOptions::default();
        difference(&mut options);
        let played = deploy(&ours, &app(2), options).await;
        // Whether it works or not, nothing is left, and what ran was made now.
        assert!(world.open_change_sets(&here(), "Base").is_empty(), "{number}: {:?}", played.outcome_of("Base"));
        let used: Vec<&String> = played
            .events
            .iter()
            .filter_map(|event| match event {
                Event::ChangeSetReady { change_set, .. } => Some(change_set),
                _ => None,
            })
            .collect();
        assert!(!used.contains(&&before[0]), "{number}: {used:?}");
        let made = world.count("ExecuteChangeSet") - 1;
        assert_eq!(made, used.len(), "{number}: {:?}", played.outcome_of("Base"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_leaves_a_stack_that_somebody_is_about_to_create() {
    let world = World::new();
    let service = world.clients(&here()).cloudformation;
    let theirs = somebody_else(&world);
    die(
        &world,
        &theirs,
        &app(1),
        StackOptions::default(),
        CallFault::new(Fault::HangBefore).operation("ExecuteChangeSet"),
    )
    .await;
    assert_eq!(service.describe_stack("Base").await.unwrap().status, StackStatus::REVIEW_IN_PROGRESS);

    let mut options = StackOptions::default();
    options.dry_run = true;
    let looked = deploy(&somebody_else(&world), &app(2), options).await;
    assert!(matches!(looked.outcome_of("Base"), Outcome::Planned { .. }), "{:?}", looked.outcome_of("Base"));
    assert_eq!(world.open_change_sets(&here(), "Base").len(), 1, "theirs");
    // One that it made itself is taken away again.
    let world = World::new();
    let mut options = StackOptions::default();
    options.dry_run = true;
    deploy(&somebody_else(&world), &app(2), options).await;
    let error = world.clients(&here()).cloudformation.describe_stack("Base").await.unwrap_err();
    assert!(error.is_stack_absent(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_update_of_somebody_else_is_waited_for_and_never_cancelled() {
    let (world, ours) = deployed().await;
    world.fail_resource(ResourceFault::slow("Queue", Action::Update, Duration::from_secs(600)));
    let theirs = somebody_else(&world);
    let third = app(3);
    let deploying = deploy(&theirs, &third, StackOptions::default());
    let waiting = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let (run, events) = ours.deploy(&app(2), &Selection::default(), StackOptions::default(), RunOptions::default());
        let handle = run.handle();
        let stop = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            handle.set(Intent::CancelUpdates);
        };
        tokio::join!(play(run, events), stop).0
    };
    let (theirs, stopped) = tokio::join!(deploying, waiting);
    assert_eq!(*stopped.outcome_of("Base"), Outcome::NotStarted);
    assert!(matches!(theirs.outcome_of("Base"), Outcome::Deployed { .. }), "{:?}", theirs.outcome_of("Base"));
    assert_eq!(world.count("CancelUpdateStack"), 0);
    assert_eq!(version(&world).await, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_way_is_waited_for() {
    for (operation, code, message) in [
        ("CreateChangeSet", "ValidationError", "Stack:arn is in UPDATE_IN_PROGRESS state and can not be updated."),
        ("ExecuteChangeSet", "ValidationError", "Stack [Base] is in UPDATE_IN_PROGRESS state and cannot be updated."),
        ("DescribeChangeSet", "ChangeSetNotFound", "ChangeSet [arn] does not exist"),
    ] {
        let (world, ours) = deployed().await;
        let refusal = Fault::Error(code.to_owned(), message.to_owned());
        // A change set that is not seen is looked for some times.
        let times = if operation == "DescribeChangeSet" { 6 } else { 1 };
        world.fail_call(CallFault::new(refusal).operation(operation).times(times));
        let played = deploy(&ours, &app(2), StackOptions::default()).await;
        assert!(
            matches!(played.outcome_of("Base"), Outcome::Deployed { .. }),
            "{operation}: {:?}",
            played.outcome_of("Base")
        );
        assert!(world.open_change_sets(&here(), "Base").is_empty(), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_cleaned_up_does_not_hide_why() {
    let denied = |operation: &str| {
        let message =
            format!("User: arn:aws:iam::111111111111:user/u is not authorized to perform: cloudformation:{operation}");
        CallFault::new(Fault::Error("AccessDenied".into(), message)).operation(operation)
    };
    let world = World::new();
    world.fail_call(denied("ExecuteChangeSet"));
    world.fail_call(denied("DeleteStack"));
    let played = deploy(&somebody_else(&world), &app(1), StackOptions::default()).await;
    assert!(played.causes_of("Base")[0].message.contains("ExecuteChangeSet"), "{:?}", played.causes_of("Base"));
    let notes: Vec<_> = played.events.iter().filter(|it| matches!(it, Event::Note { .. })).collect();
    assert!(format!("{notes:?}").contains("left over in REVIEW_IN_PROGRESS"), "{notes:?}");

    // A stack that was to be protected is not in its own way.
    let world = World::new();
    world.fail_call(denied("ExecuteChangeSet"));
    let mut protected = app(1);
    protected.stacks[0].termination_protection = true;
    let played = deploy(&somebody_else(&world), &protected, StackOptions::default()).await;
    assert!(played.causes_of("Base")[0].message.contains("ExecuteChangeSet"), "{:?}", played.causes_of("Base"));
    assert!(world.clients(&here()).cloudformation.describe_stack("Base").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_followed_is_told_to_be_running() {
    let (world, ours) = deployed().await;
    world.fail_resource(ResourceFault::slow("Queue", Action::Update, Duration::from_secs(600)));
    let denied =
        Fault::Error("AccessDenied".into(), "not authorized to perform: cloudformation:DescribeStackEvents".into());
    world.fail_call(CallFault::new(denied).operation("DescribeStackEvents"));
    let played = deploy(&ours, &app(2), StackOptions::default()).await;
    let Outcome::Failed { status, .. } = played.outcome_of("Base") else { panic!("{:?}", played.outcome_of("Base")) };
    assert_eq!(status.as_deref(), Some("UPDATE_IN_PROGRESS"));
}
