//! The user changes their mind while a run is under way.

use std::time::Duration;

use xacct_deploy::cloudformation::{ChangeSet, Page};
use xacct_deploy::*;

use crate::double::*;

/// A run whose user says something after a while.
async fn interrupted(stage: &Stage, after: Duration, intent: Intent) -> Played {
    let (run, events) =
        stage.engine.deploy(&two_stacks(), &Selection::default(), StackOptions::default(), RunOptions::default());
    let handle = run.handle();
    let speak = async {
        tokio::time::sleep(after).await;
        handle.set(intent);
    };
    let (played, ()) = tokio::join!(play(run, events), speak);
    played
}

fn two_stacks() -> xacct_core::Assembly {
    let mut assembly = app();
    let mut second = xacct_core::assembly::StackArtifact::new("Second", environment(), template());
    let reason = "it needs it".to_owned();
    second.dependencies.push(xacct_core::assembly::Dependency { stack: "App".into(), reason });
    assembly.stacks.push(second);
    assembly
}

/// An update that takes a minute: the stack is in progress for so many looks.
fn slow_update(stage: &Stage) {
    let running = || events(vec![root("UPDATE_IN_PROGRESS", 12, None)]);
    let mut settled = stack("UPDATE_COMPLETE");
    settled.change_set_id = Some("another".into());
    stage
        .double
        .on("DescribeStacks", [settled.into()])
        .on("GetTemplate", [Answer::Template("{}".into())])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("ExecuteChangeSet", [Answer::Nothing])
        .on("DescribeStackEvents", [running(), running(), running(), running()])
        .on("DescribeStackEvents", [events(vec![root("UPDATE_COMPLETE", 20, None)])]);
}

#[tokio::test(start_paused = true)]
async fn stop_waits_for_what_runs_and_starts_nothing_new() {
    let stage = Stage::new();
    slow_update(&stage);
    let played = interrupted(&stage, Duration::from_millis(1500), Intent::StopStarting).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { .. }), "{:?}", played.outcome());
    assert_eq!(*played.outcome_of("Second"), Outcome::NotStarted);
}

#[tokio::test(start_paused = true)]
async fn detach_returns_at_once_and_the_next_run_takes_it_up() {
    let stage = Stage::new();
    slow_update(&stage);
    let start = tokio::time::Instant::now();
    let played = interrupted(&stage, Duration::from_millis(1500), Intent::Detach).await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(matches!(played.outcome(), Outcome::Detached { stack_id: Some(_) }), "{:?}", played.outcome());
    assert!(played.result.as_ref().unwrap().is_detached());

    // The next run finds the update in progress, knows it as its own, and starts no second one.
    let mut running = stack("UPDATE_IN_PROGRESS");
    running.change_set_id = Some(CHANGE_SET_ID.into());
    let mut done = stack("UPDATE_COMPLETE");
    done.change_set_id = Some(CHANGE_SET_ID.into());
    let next = Stage::new();
    next.double
        .on("DescribeStacks", [running.into(), done.into()])
        .on("DescribeStackEvents", [events(vec![root("UPDATE_COMPLETE", 20, None)])]);
    let engine = Engine::new(std::sync::Arc::new(Everywhere(next.double.clone())), std::sync::Arc::new(stage.store));
    let (run, events) = engine.deploy(&app(), &Selection::default(), StackOptions::default(), RunOptions::default());
    let played = play(run, events).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { .. }), "{:?}", played.outcome());
    assert!(played.events.iter().any(|it| matches!(it, Event::StackAttached { ours: true, .. })));
    assert_eq!(next.double.count("CreateChangeSet") + next.double.count("ExecuteChangeSet"), 0);
}

#[tokio::test(start_paused = true)]
async fn cancel_cancels_an_update_once_and_tells_how_it_ended() {
    let stage = Stage::new();
    let running = || events(vec![root("UPDATE_IN_PROGRESS", 12, None)]);
    let rolled_back = vec![
        root("UPDATE_ROLLBACK_COMPLETE", 20, None),
        root("UPDATE_ROLLBACK_IN_PROGRESS", 15, Some("User Initiated")),
    ];
    stage
        .double
        .on("DescribeStacks", [stack("UPDATE_COMPLETE").into(), stack("UPDATE_IN_PROGRESS").into()])
        .on("DescribeStacks", [stack("UPDATE_ROLLBACK_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template("{}".into())])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("ExecuteChangeSet", [Answer::Nothing])
        .on("CancelUpdateStack", [Answer::Nothing])
        .on("DescribeStackEvents", [running(), running(), running()])
        .on("DescribeStackEvents", [Answer::Events(Page { items: rolled_back, next_token: None })]);
    let played = interrupted(&stage, Duration::from_millis(1500), Intent::CancelUpdates).await;
    assert_eq!(stage.double.count("CancelUpdateStack"), 1);
    assert_eq!(played.causes()[0].kind, CauseKind::Cancelled);
    let Outcome::Failed { status, .. } = played.outcome() else { panic!("{:?}", played.outcome()) };
    assert_eq!(status.as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
    assert_eq!(*played.outcome_of("Second"), Outcome::HeldBack { because: vec!["App".into()] });
}

#[tokio::test(start_paused = true)]
async fn a_stop_before_the_execution_executes_nothing() {
    let stage = Stage::new();
    let pending = ChangeSet { status: "CREATE_IN_PROGRESS".into(), ..ready() };
    stage
        .double
        .on("DescribeStacks", [absent(), stack("REVIEW_IN_PROGRESS").into()])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [pending.clone().into(), pending.clone().into(), pending.into(), ready().into()])
        .on("DeleteChangeSet", [Answer::Nothing])
        .on("DeleteStack", [Answer::Nothing]);
    let played = interrupted(&stage, Duration::from_millis(1500), Intent::StopStarting).await;
    assert_eq!(*played.outcome(), Outcome::NotStarted);
    assert_eq!(stage.double.count("ExecuteChangeSet"), 0);
    // Nothing is left of the stack that was made to hold the change set.
    assert_eq!((stage.double.count("DeleteChangeSet"), stage.double.count("DeleteStack")), (1, 1));
}
