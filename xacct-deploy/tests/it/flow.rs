//! Whole deployments over the in-memory CloudFormation: values between stacks, selections, failures, plans.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use xacct_core::assembly::Assembly;
use xacct_deploy::memory::{Action, ResourceFault, World};
use xacct_deploy::plan::StackAction;
use xacct_deploy::*;

use crate::double::{Played, play};
use crate::world::*;

fn two(delay: u32) -> Assembly {
    let mut assembly = Assembly::default();
    assembly.stacks =
        vec![queue_stack("Base", "111111111111", &[], delay), queue_stack("Middle", "222222222222", &["Base"], 1)];
    assembly
}

async fn deploy(engine: &Engine, assembly: &Assembly, selection: &Selection) -> Played {
    let (run, events) = engine.deploy(assembly, selection, StackOptions::default(), RunOptions::default());
    play(run, events).await
}

fn only(stack: &str) -> Selection {
    Selection { stacks: Some(BTreeSet::from([stack.to_owned()])), exclusively: true }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_is_deployed_again_when_its_producers_output_changed() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let all = Selection::default();
    assert!(deploy(&engine, &two(1), &all).await.result.unwrap().is_success());
    // The consumer's own template is the same; the name of the producer's topic is not.
    let played = deploy(&engine, &two(2), &all).await;
    assert!(matches!(played.outcome_of("Middle"), Outcome::Deployed { created: false, .. }), "{:?}", played.result);
    let note = world.properties(&Environment::from(&home("222222222222")), "Middle", "NoteBase").unwrap();
    assert_eq!(note["Value"], json!("Base-2"));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_was_left_out_is_named() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    deploy(&engine, &two(1), &Selection::default()).await;
    let mut both_accounts = two(2);
    both_accounts.stacks.push(queue_stack("Third", "222222222222", &[], 1));
    let picked = Selection { stacks: Some(["Base".to_owned(), "Third".to_owned()].into()), exclusively: true };
    let played = deploy(&engine, &both_accounts, &picked).await;
    let stale = played.events.iter().find_map(|it| match it {
        Event::StackStale { stack, from_stack, output } => Some((stack.as_str(), from_stack.as_str(), output.as_str())),
        _ => None,
    });
    assert_eq!(stale, Some(("Middle", "Base", "TopicName")));
}

#[tokio::test(start_paused = true)]
async fn a_stack_deployed_alone_takes_its_values_from_what_is_deployed() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let played = deploy(&engine, &two(1), &only("Middle")).await;
    let Outcome::Failed { causes, .. } = played.outcome_of("Middle") else { panic!("{:?}", played.result) };
    assert_eq!(causes[0].kind, CauseKind::MissingInput);
    deploy(&engine, &two(1), &only("Base")).await;
    let played = deploy(&engine, &two(1), &only("Middle")).await;
    assert!(matches!(played.outcome_of("Middle"), Outcome::Deployed { .. }), "{:?}", played.result);
}

#[tokio::test(start_paused = true)]
async fn a_failed_creation_can_be_repeated_with_leave_to_delete() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    world.fail_resource(ResourceFault::fail("Queue", Action::Create, "QueueName is already taken").stack("Base"));
    let all = Selection::default();
    let played = deploy(&engine, &two(1), &all).await;
    let Outcome::Failed { status, causes } = played.outcome_of("Base") else { panic!("{:?}", played.result) };
    assert_eq!(status.as_deref(), Some("ROLLBACK_COMPLETE"));
    assert_eq!((causes[0].kind, causes[0].logical_id.as_deref()), (CauseKind::NameTaken, Some("Queue")));
    assert_eq!(*played.outcome_of("Middle"), Outcome::HeldBack { because: vec!["Base".into()] });

    // Nothing is left of it: everything is made anew, and nothing can be lost.
    let plan = engine.plan(&two(1), &all).await.unwrap();
    assert_eq!(plan.stacks[0].action, StackAction::Recreate);
    let changes: Vec<ChangeKind> = plan.stacks[0].resources.iter().map(|it| it.change).collect();
    assert!(!changes.is_empty() && changes.iter().all(|it| *it == ChangeKind::Add), "{changes:?}");

    let mut options = StackOptions::default();
    options.recreate.extend(plan.stacks[0].stack_id.clone());
    let (run, events) = engine.deploy(&two(1), &all, options, RunOptions::default());
    assert!(play(run, events).await.result.unwrap().is_success());
}

#[tokio::test(start_paused = true)]
async fn a_plan_tells_what_a_deploy_then_does() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let all = Selection::default();
    let actions = |plan: &Plan| plan.stacks.iter().map(|it| it.action).collect::<Vec<_>>();
    let plan = engine.plan(&two(1), &all).await.unwrap();
    assert_eq!(actions(&plan), [StackAction::Create, StackAction::Create]);
    assert_eq!(plan.stacks[1].open_inputs[0].from_stack, "Base");
    deploy(&engine, &two(1), &all).await;
    assert!(engine.plan(&two(1), &all).await.unwrap().is_empty());
    let plan = engine.plan(&two(2), &all).await.unwrap();
    // The consumer's template is the same, but a value that it takes may change.
    assert_eq!(actions(&plan), [StackAction::Update, StackAction::Maybe]);
    let topic = plan.stacks[0].resources.iter().find(|it| it.logical_id == "Topic").unwrap();
    assert_eq!(topic.change, ChangeKind::Replace);
    assert_eq!(topic.properties[0].path, "Properties.TopicName");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shows_change_sets_and_what_cannot_be_known_yet() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let mut options = StackOptions::default();
    options.dry_run = true;
    let (run, events) = engine.deploy(&two(1), &Selection::default(), options, RunOptions::default());
    let played = play(run, events).await;
    let Outcome::Planned { changes } = played.outcome_of("Base") else { panic!("{:?}", played.result) };
    assert_eq!(changes.len(), 2);
    assert!(matches!(played.outcome_of("Middle"), Outcome::Unknown { .. }), "{:?}", played.result);
    assert!(picture(&world).await.is_empty(), "a dry run leaves nothing behind");
}

/// A producer with a secret as output, and a consumer that takes it as a NoEcho parameter.
fn secret(delay: u32) -> Assembly {
    let mut assembly = two(delay);
    assembly.stacks[0].template["Resources"]["User"] = json!({"Type": "AWS::IAM::User"});
    assembly.stacks[0].template["Resources"]["Key"] =
        json!({"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": {"Ref": "User"}, "Serial": delay}});
    assembly.stacks[0].template["Outputs"]["TopicName"]["Value"] = json!({"Fn::GetAtt": ["Key", "SecretAccessKey"]});
    assembly.stacks[1].template["Parameters"]["FromBase"]["NoEcho"] = json!(true);
    assembly
}

#[tokio::test(start_paused = true)]
async fn a_secret_from_another_stack_counts_as_changed_only_when_that_stack_was() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let all = Selection::default();
    assert!(deploy(&engine, &secret(1), &all).await.result.unwrap().is_success());
    world.forget_calls();
    let played = deploy(&engine, &secret(1), &all).await;
    assert!(matches!(played.outcome_of("Middle"), Outcome::Unchanged { .. }), "{:?}", played.result);
    assert_eq!((world.count_for("Base"), world.count_for("Middle")), (1, 1));
    assert!(engine.plan(&secret(1), &all).await.unwrap().is_empty());

    // Alone, it asks for the outputs of the other stack, and then knows too.
    let played = deploy(&engine, &secret(1), &only("Middle")).await;
    assert!(matches!(played.outcome_of("Middle"), Outcome::Unchanged { .. }), "{:?}", played.result);
    // Without the records of the runs before nobody can say: CloudFormation is asked.
    let forgetful = crate::world::engine(&world, Arc::new(MemoryStore::default()));
    world.forget_calls();
    deploy(&forgetful, &secret(1), &all).await;
    assert_eq!(world.count("CreateChangeSet"), 1);

    // A new key has a new secret, which is handed over.
    let played = deploy(&engine, &secret(2), &all).await;
    assert!(matches!(played.outcome_of("Middle"), Outcome::Deployed { created: false, .. }), "{:?}", played.result);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_update_is_rolled_back_on_demand() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let all = Selection::default();
    deploy(&engine, &two(1), &all).await;
    world.fail_resource(ResourceFault::fail("Queue", Action::Update, "no more").stack("Base"));
    let mut options = StackOptions::default();
    options.no_rollback = true;
    let (run, events) = engine.deploy(&two(2), &all, options, RunOptions::default());
    let played = play(run, events).await;
    let Outcome::Failed { status, .. } = played.outcome_of("Base") else { panic!("{:?}", played.result) };
    assert_eq!(status.as_deref(), Some("UPDATE_FAILED"));
    let (run, events) = engine.rollback(&two(1), &only("Base"), RollbackOptions::default(), RunOptions::default());
    let played = play(run, events).await;
    assert_eq!(*played.outcome_of("Base"), Outcome::RolledBack { status: "UPDATE_ROLLBACK_COMPLETE".into() });
    assert!(engine.plan(&two(1), &all).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_destroy_has_kept_is_taken_over_on_demand() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let mut assembly = two(1);
    assembly.stacks[0].template["Resources"]["Kept"] = json!({
        "Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {"BucketName": "artifacts"}
    });
    let all = Selection::default();
    assert!(deploy(&engine, &assembly, &all).await.result.unwrap().is_success());
    let (run, events) = engine.destroy(&assembly, &all, DestroyOptions::default(), RunOptions::default());
    let gone = play(run, events).await;
    assert_eq!(*gone.outcome_of("Base"), Outcome::Deleted { retained: vec!["Kept".into()] });

    let refused = deploy(&engine, &assembly, &all).await;
    let Outcome::Failed { causes, .. } = refused.outcome_of("Base") else { panic!("{:?}", refused.result) };
    assert_eq!((causes[0].kind, causes[0].logical_id.as_deref()), (CauseKind::NameTaken, Some("Kept")));
    assert!(causes[0].help.as_ref().unwrap().contains("--import-existing-resources"), "{causes:?}");

    let mut options = StackOptions::default();
    options.import_existing = true;
    let (run, events) = engine.deploy(&assembly, &all, options, RunOptions::default());
    let played = play(run, events).await;
    assert!(played.told().contains(&"Kept IMPORT_COMPLETE".to_owned()), "{:?}", played.told());
    assert!(played.result.unwrap().is_success());
    assert!(engine.plan(&assembly, &all).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_second_terminal_can_watch() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let assembly = two(1);
    let watcher = engine.clone();
    let watch = async {
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        let (run, events) = watcher.watch(&assembly, &only("Base"), RunOptions::default());
        play(run, events).await
    };
    let all = Selection::default();
    let (deployed, watched) = tokio::join!(deploy(&engine, &assembly, &all), watch);
    assert!(deployed.result.unwrap().is_success());
    assert!(watched.told().contains(&"Queue CREATE_COMPLETE".to_owned()), "{:?}", watched.told());
    assert_eq!(*watched.outcome_of("Base"), Outcome::Idle { status: "CREATE_COMPLETE".into() });
}
