//! From every state that a stack can be in.

use std::collections::BTreeSet;

use xacct_deploy::cloudformation::{ApiError, ChangeSet, StackOperation, Timestamp};
use xacct_deploy::*;

use crate::double::*;

fn options(change: impl FnOnce(&mut StackOptions)) -> StackOptions {
    let mut options = StackOptions::default();
    change(&mut options);
    options
}

fn failed_change_set(reason: &str) -> Answer {
    ChangeSet { status: "FAILED".into(), status_reason: Some(reason.into()), ..ready() }.into()
}

#[tokio::test(start_paused = true)]
async fn a_new_stack_takes_few_calls() {
    let stage = Stage::new();
    stage.double.on("DescribeStacks", [absent(), stack("CREATE_COMPLETE").into()]).goes_well("CREATE");
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { created: true, .. }), "{:?}", played.outcome());
    let names: Vec<_> = stage.double.called().iter().map(|it| it.split(' ').next().unwrap().to_owned()).collect();
    let expected = [
        "GetCallerIdentity",
        "DescribeStacks",
        "CreateChangeSet",
        "DescribeChangeSet",
        "ExecuteChangeSet",
        "DescribeStackEvents",
        "DescribeStacks",
    ];
    assert_eq!(names, expected);
}

#[tokio::test(start_paused = true)]
async fn both_texts_of_no_changes_are_a_success() {
    for text in [
        "The submitted information didn't contain changes. Submit different information to create a change set.",
        "No updates are to be performed.",
    ] {
        let stage = Stage::new();
        stage
            .double
            .on("DescribeStacks", [stack("UPDATE_COMPLETE").into()])
            .on("GetTemplate", [Answer::Template("another: template".into())])
            .on("CreateChangeSet", [Answer::Nothing])
            .on("DescribeChangeSet", [failed_change_set(text)])
            .on("DeleteChangeSet", [Answer::Nothing]);
        let played = stage.deploy(&app(), StackOptions::default()).await;
        assert!(matches!(played.outcome(), Outcome::Unchanged { .. }), "{:?}", played.outcome());
        assert_eq!(stage.double.count("DeleteChangeSet"), 1);
        assert_eq!(stage.double.count("DeleteStack"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_stack_costs_one_call_from_the_second_time_on() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [stack("CREATE_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template(template().to_string())]);
    stage.deploy(&app(), StackOptions::default()).await;
    let before = stage.double.called().len();
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Unchanged { .. }));
    assert_eq!(stage.double.called()[before..], ["GetCallerIdentity", "DescribeStacks App"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_plan_found_unchanged_is_not_looked_at_again() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [stack("CREATE_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template(template().to_string())]);
    stage.deploy(&app(), StackOptions::default()).await;
    let before = stage.double.called().len();
    let plan = stage.engine.plan(&app(), &Selection::default()).await.unwrap();
    let mut options = StackOptions::default();
    options.unchanged = plan.unchanged();
    let played = stage.deploy(&app(), options).await;
    assert!(matches!(played.outcome(), Outcome::Unchanged { .. }));
    assert_eq!(stage.double.called()[before..], ["GetCallerIdentity", "DescribeStacks App", "GetCallerIdentity"]);
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_somebody_updated_in_between_is_compared_again() {
    let stage = Stage::new();
    let mut touched = stack("UPDATE_COMPLETE");
    touched.last_updated_time = Some(Timestamp(99));
    stage
        .double
        .on("DescribeStacks", [stack("CREATE_COMPLETE").into(), touched.into()])
        .on("GetTemplate", [Answer::Template(template().to_string())]);
    stage.deploy(&app(), StackOptions::default()).await;
    stage.deploy(&app(), StackOptions::default()).await;
    assert_eq!(stage.double.count("GetTemplate"), 2);
}

#[tokio::test(start_paused = true)]
async fn only_does_not_exist_means_absent() {
    let stage = Stage::new();
    let denied = ApiError::service("DescribeStacks", "AccessDenied", "the role does not exist");
    stage.double.on("DescribeStacks", [denied.into()]);
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert_eq!(played.causes()[0].kind, CauseKind::AccessDenied);
    assert_eq!(stage.double.count("CreateChangeSet"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_first_creation_is_deleted_only_on_demand() {
    for status in ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED"] {
        let stage = Stage::new();
        stage.double.on("DescribeStacks", [stack(status).into()]);
        let played = stage.deploy(&app(), StackOptions::default()).await;
        assert_eq!(played.causes()[0].kind, CauseKind::NeedsRecreate);
        assert_eq!(stage.double.count("DeleteStack"), 0);

        let stage = Stage::new();
        let dead = stack(status);
        stage
            .double
            .on("DescribeStacks", [dead.into(), stack("DELETE_COMPLETE").into(), absent()])
            .on("DescribeStacks", [stack("CREATE_COMPLETE").into()])
            .on("DeleteStack", [Answer::Nothing])
            .on("CreateChangeSet", [Answer::Nothing])
            .on("DescribeChangeSet", [ready().into()])
            .on("ExecuteChangeSet", [Answer::Nothing])
            .on(
                "DescribeStackEvents",
                [
                    events(vec![root("DELETE_COMPLETE", 8, None), root("DELETE_IN_PROGRESS", 7, None)]),
                    events(vec![root("CREATE_COMPLETE", 20, None)]),
                ],
            );
        let played =
            stage.deploy(&app(), options(|it| it.recreate = BTreeSet::from([stack("CREATE_COMPLETE").id]))).await;
        assert!(matches!(played.outcome(), Outcome::Deployed { created: true, .. }), "{:?}", played.outcome());
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_stack_that_cleans_up_is_waited_for_and_never_deleted() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [stack("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS").into()])
        .on("DescribeStacks", [stack("UPDATE_ROLLBACK_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template(template().to_string())])
        .on(
            "DescribeStackEvents",
            [events(vec![root("UPDATE_ROLLBACK_COMPLETE", 9, None), root("UPDATE_IN_PROGRESS", 5, None)])],
        );
    let played = stage.deploy(&app(), options(|it| it.recreate = BTreeSet::from([stack("CREATE_COMPLETE").id]))).await;
    assert!(matches!(played.outcome(), Outcome::Unchanged { .. }), "{:?}", played.outcome());
    assert_eq!(stage.double.count("DeleteStack"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_may_hold_resources_is_never_deleted_unasked() {
    for status in ["CREATE_FAILED", "UPDATE_FAILED"] {
        let stage = Stage::new();
        stage.double.on("DescribeStacks", [stack(status).into()]);
        let played =
            stage.deploy(&app(), options(|it| it.recreate = BTreeSet::from([stack("CREATE_COMPLETE").id]))).await;
        assert_eq!(played.causes()[0].kind, CauseKind::Paused);
        assert_eq!(stage.double.count("DeleteStack"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_stack_goes_on_with_rollback_disabled() {
    for status in ["CREATE_FAILED", "UPDATE_FAILED"] {
        let stage = Stage::new();
        stage.double.on("DescribeStacks", [stack(status).into(), stack("UPDATE_COMPLETE").into()]).goes_well("UPDATE");
        let played = stage.deploy(&app(), options(|it| it.no_rollback = true)).await;
        assert!(matches!(played.outcome(), Outcome::Deployed { created: false, .. }), "{status}");
        let called = stage.double.called();
        assert!(called.iter().any(|it| it.starts_with("CreateChangeSet Update ")), "{called:?}");
        assert!(called.contains(&"ExecuteChangeSet disable_rollback=Some(true)".to_owned()), "{called:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_stack_can_be_rolled_back_first() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [stack("UPDATE_FAILED").into(), stack("UPDATE_ROLLBACK_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template(template().to_string())])
        .on("RollbackStack", [Answer::Nothing])
        .on(
            "DescribeStackEvents",
            [events(vec![
                root("UPDATE_ROLLBACK_COMPLETE", 9, None),
                root("UPDATE_ROLLBACK_IN_PROGRESS", 8, Some("User Initiated")),
            ])],
        );
    let played = stage.deploy(&app(), options(|it| it.roll_back_paused = true)).await;
    assert!(matches!(played.outcome(), Outcome::Unchanged { .. }), "{:?}", played.outcome());
    assert_eq!(stage.double.count("RollbackStack"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stack_under_review_counts_as_absent() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [stack("REVIEW_IN_PROGRESS").into(), stack("CREATE_COMPLETE").into()])
        .goes_well("CREATE");
    stage.deploy(&app(), StackOptions::default()).await;
    let created = stage.double.called().into_iter().find(|it| it.starts_with("CreateChangeSet")).unwrap();
    assert!(created.starts_with("CreateChangeSet Create "), "{created}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_leaves_nothing_behind() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [absent(), stack("REVIEW_IN_PROGRESS").into()])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("DeleteChangeSet", [Answer::Nothing])
        .on("DeleteStack", [Answer::Nothing]);
    let played = stage.deploy(&app(), options(|it| it.dry_run = true)).await;
    assert!(matches!(played.outcome(), Outcome::Planned { .. }));
    assert_eq!(stage.double.count("ExecuteChangeSet"), 0);
    assert_eq!(stage.double.count("DeleteChangeSet"), 1);
    assert_eq!(stage.double.count("DeleteStack"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_rollback_names_what_can_be_skipped_and_is_continued_on_demand() {
    let history = vec![
        root("UPDATE_ROLLBACK_FAILED", 9, Some("The following resource(s) failed to update: [Topic].")),
        resource("Topic", "UPDATE_FAILED", 8, Some("the topic is gone")),
        root("UPDATE_ROLLBACK_IN_PROGRESS", 7, None),
        root("UPDATE_IN_PROGRESS", 6, Some("User Initiated")),
    ];
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [stack("UPDATE_ROLLBACK_FAILED").into()])
        .on("DescribeStackEvents", [events(history.clone())]);
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert_eq!(played.causes()[0].kind, CauseKind::Stuck);
    assert_eq!(played.causes()[0].logical_id.as_deref(), Some("Topic"));
    assert_eq!(played.causes()[0].message, "the topic is gone");

    let stage = Stage::new();
    let mut done = history;
    done.insert(0, root("UPDATE_ROLLBACK_IN_PROGRESS", 10, Some("User Initiated")));
    done.insert(0, root("UPDATE_ROLLBACK_COMPLETE", 11, None));
    stage
        .double
        .on("DescribeStacks", [stack("UPDATE_ROLLBACK_FAILED").into(), stack("UPDATE_ROLLBACK_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template(template().to_string())])
        .on("ContinueUpdateRollback", [Answer::Nothing])
        .on("DescribeStackEvents", [events(done)]);
    let skip = Some(vec!["Topic".to_owned()]);
    let played = stage.deploy(&app(), options(|it| it.continue_rollback = skip)).await;
    assert!(matches!(played.outcome(), Outcome::Unchanged { .. }), "{:?}", played.outcome());
    let called = stage.double.called();
    assert!(called.contains(&r#"ContinueUpdateRollback skip=["Topic"]"#.to_owned()), "{called:?}");
}

#[tokio::test(start_paused = true)]
async fn a_busy_stack_is_waited_for_or_said_to_be_busy_with_what() {
    let mut busy = stack("UPDATE_IN_PROGRESS");
    busy.last_operations = vec![StackOperation { id: "op-7".into(), kind: "UPDATE_STACK".into() }];
    let stage = Stage::new();
    stage.double.on("DescribeStacks", [busy.clone().into()]);
    let played = stage.deploy(&app(), options(|it| it.refuse_busy = true)).await;
    assert_eq!(played.causes()[0].kind, CauseKind::Busy);
    assert!(played.causes()[0].message.contains("op-7"), "{:?}", played.causes());

    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [busy.into(), stack("UPDATE_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template(template().to_string())])
        .on("DescribeStackEvents", [events(vec![root("UPDATE_IN_PROGRESS", 5, None)])])
        .on(
            "DescribeStackEvents",
            [events(vec![root("UPDATE_COMPLETE", 9, None), root("UPDATE_IN_PROGRESS", 5, None)])],
        );
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Unchanged { .. }), "{:?}", played.outcome());
    assert!(played.events.iter().any(|it| matches!(it, Event::StackAttached { ours: false, .. })));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_status_is_waited_for() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [stack("TELEPORT_PENDING").into(), stack("UPDATE_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template(template().to_string())])
        .on("DescribeStackEvents", [events(vec![])]);
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Unchanged { .. }), "{:?}", played.outcome());
}

#[tokio::test(start_paused = true)]
async fn protection_is_there_before_the_first_resource() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [absent(), stack("CREATE_COMPLETE").into()])
        .on("UpdateTerminationProtection", [Answer::Nothing])
        .goes_well("CREATE");
    stage.deploy(&app_with(|it| it.termination_protection = true), StackOptions::default()).await;
    let called = stage.double.called();
    let at = |name: &str| called.iter().position(|it| it.starts_with(name)).unwrap();
    assert!(at("UpdateTerminationProtection true") < at("ExecuteChangeSet"));
}

#[tokio::test(start_paused = true)]
async fn disabled_rollback_excludes_deletion_on_failure() {
    let stage = Stage::new();
    stage.double.on("DescribeStacks", [absent(), stack("CREATE_COMPLETE").into()]).goes_well("CREATE");
    let both = options(|it| {
        it.no_rollback = true;
        it.delete_on_failed_create = true;
    });
    stage.deploy(&app(), both).await;
    let called = stage.double.called().join("\n");
    assert!(called.contains("on_failure=None") && called.contains("disable_rollback=Some(true)"), "{called}");
}

#[tokio::test(start_paused = true)]
async fn express_mode_carries_the_choice_of_rollback() {
    let stage = Stage::new();
    stage.double.on("DescribeStacks", [absent(), stack("CREATE_COMPLETE").into()]).goes_well("CREATE");
    let both = options(|it| {
        it.express = true;
        it.no_rollback = true;
    });
    stage.deploy(&app(), both).await;
    let called = stage.double.called().join("\n");
    assert!(called.contains("express=true disable_rollback=true"), "{called}");
    assert!(called.contains("ExecuteChangeSet disable_rollback=None"), "{called}");
}

#[tokio::test(start_paused = true)]
async fn a_long_template_goes_through_the_bucket() {
    let stage = Stage::new();
    let long = app_with(|it| it.template["Description"] = "x".repeat(60_000).into());
    stage
        .double
        .on("DescribeStacks", [absent(), stack("CREATE_COMPLETE").into()])
        .on("HeadBucket", [Answer::Flag(true)])
        .on("HeadObject", [Answer::Flag(false)])
        .on("PutObject", [Answer::Nothing])
        .goes_well("CREATE");
    let played = stage.deploy(&long, StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { .. }), "{:?}", played.outcome());
    let called = stage.double.called().join("\n");
    let url = "CreateChangeSet Create https://cdk-hnb659fds-assets-111111111111-eu-west-1/";
    assert!(called.contains(url), "{called}");
}

#[tokio::test(start_paused = true)]
async fn capabilities_are_derived() {
    let stage = Stage::new();
    stage.double.on("DescribeStacks", [absent(), stack("CREATE_COMPLETE").into()]).goes_well("CREATE");
    let named = app_with(|it| {
        it.template =
            serde_json::json!({"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r"}}}});
    });
    stage.deploy(&named, StackOptions::default()).await;
    assert!(stage.double.called().join("\n").contains(r#"["CAPABILITY_NAMED_IAM"]"#));
}

#[tokio::test(start_paused = true)]
async fn a_change_set_that_was_overtaken_is_made_again() {
    let stage = Stage::new();
    let obsolete = ApiError::service("ExecuteChangeSet", "InvalidChangeSetStatus", "OBSOLETE");
    stage
        .double
        .on("DescribeStacks", [stack("UPDATE_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template("{}".into())])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("DeleteChangeSet", [Answer::Nothing])
        .on("ExecuteChangeSet", [obsolete.into(), Answer::Nothing])
        .on("DescribeStackEvents", [events(vec![root("UPDATE_COMPLETE", 20, None)])]);
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { .. }), "{:?}", played.outcome());
    assert_eq!(stage.double.count("CreateChangeSet"), 2);
    assert_eq!(stage.double.count("ExecuteChangeSet"), 2);
}
