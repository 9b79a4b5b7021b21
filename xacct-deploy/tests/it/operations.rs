//! Destroying, looking, cancelling, drift.

use serde_json::json;
use xacct_deploy::cloudformation::{DriftDetection, Page, PropertyDifference, ResourceDrift, StackResource};
use xacct_deploy::plan::StackAction;
use xacct_deploy::*;

use crate::double::*;

fn deleted() -> Vec<cloudformation::StackEvent> {
    vec![root("DELETE_COMPLETE", 9, None), root("DELETE_IN_PROGRESS", 7, Some("User Initiated"))]
}

#[tokio::test(start_paused = true)]
async fn a_destroy_tells_what_was_kept() {
    let stage = Stage::new();
    let mut history = deleted();
    history.insert(1, resource("Bucket", "DELETE_SKIPPED", 8, None));
    stage
        .double
        .on("DescribeStacks", [stack("CREATE_COMPLETE").into(), stack("DELETE_COMPLETE").into()])
        .on("DeleteStack", [Answer::Nothing])
        .on("DescribeStackEvents", [events(history)]);
    let played = stage.destroy(&app(), DestroyOptions::default()).await;
    assert_eq!(*played.outcome(), Outcome::Deleted { retained: vec!["Bucket".into()] });
}

#[tokio::test(start_paused = true)]
async fn a_protected_stack_is_not_deleted() {
    let stage = Stage::new();
    let mut protected = stack("CREATE_COMPLETE");
    protected.termination_protection = true;
    stage.double.on("DescribeStacks", [protected.into()]);
    let played = stage.destroy(&app(), DestroyOptions::default()).await;
    assert_eq!(played.causes()[0].kind, CauseKind::Protected);
    assert_eq!(stage.double.count("DeleteStack"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_deleted_can_be_left_behind() {
    let stage = Stage::new();
    let failed = vec![
        root("DELETE_FAILED", 9, Some("The following resource(s) failed to delete: [Bucket].")),
        resource("Bucket", "DELETE_FAILED", 8, Some("The bucket you tried to delete is not empty")),
        root("DELETE_IN_PROGRESS", 7, None),
    ];
    let mut then = failed.clone();
    then.insert(0, root("DELETE_IN_PROGRESS", 10, None));
    then.insert(0, root("DELETE_COMPLETE", 11, None));
    let script = |stage: &Stage| {
        stage
            .double
            .on("DescribeStacks", [stack("CREATE_COMPLETE").into(), stack("DELETE_FAILED").into()])
            .on("DescribeStacks", [stack("DELETE_COMPLETE").into()])
            .on("DeleteStack", [Answer::Nothing])
            .on("DescribeStackEvents", [events(failed.clone()), events(then.clone())]);
    };
    script(&stage);
    let played = stage.destroy(&app(), DestroyOptions::default()).await;
    assert_eq!(played.causes()[0].kind, CauseKind::NotEmpty);

    let stage = Stage::new();
    script(&stage);
    let mut options = DestroyOptions::default();
    options.keep_what_fails = true;
    let played = stage.destroy(&app(), options).await;
    assert_eq!(*played.outcome(), Outcome::Deleted { retained: vec!["Bucket".into()] });
    assert!(stage.double.called().contains(&r#"DeleteStack retain=["Bucket"]"#.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn all_resources_are_listed_however_many() {
    let stage = Stage::new();
    let page = |from: usize, to: usize, next: Option<&str>| {
        let items = (from..to).map(|n| StackResource {
            logical_id: format!("R{n}"),
            physical_id: None,
            resource_type: "AWS::SNS::Topic".into(),
            status: "CREATE_COMPLETE".into(),
            status_reason: None,
            drift_status: None,
        });
        Answer::Resources(Page { items: items.collect(), next_token: next.map(str::to_owned) })
    };
    stage.double.on("ListStackResources", [page(0, 100, Some("more")), page(100, 120, None)]);
    let found = stage.engine.resources(&app(), &Selection::default()).await.unwrap();
    assert_eq!(found["App"].len(), 120);
}

/// A request that has arrived makes the one that repeats it impossible.
#[tokio::test(start_paused = true)]
async fn a_cancellation_whose_answer_was_lost_is_one() {
    for (then, expected) in [
        ("UPDATE_ROLLBACK_IN_PROGRESS", Some(Cancellation::Cancelled)),
        ("UPDATE_COMPLETE", Some(Cancellation::Idle)),
        ("UPDATE_IN_PROGRESS", None),
    ] {
        let stage = Stage::new();
        stage.double.on("DescribeStacks", [stack("UPDATE_IN_PROGRESS").into(), stack(then).into()]);
        stage.double.on("CancelUpdateStack", [impossible("CancelUpdateStack")]);
        let results = stage.engine.cancel(&app(), &Selection::default()).await.unwrap();
        match expected {
            Some(expected) => assert_eq!(results["App"], expected, "{then}"),
            None => assert!(matches!(results["App"], Cancellation::Failed { .. }), "{results:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_continued_rollback_whose_answer_was_lost_is_followed() {
    for (then, expected) in [("UPDATE_ROLLBACK_COMPLETE", true), ("UPDATE_ROLLBACK_FAILED", false)] {
        let stage = Stage::new();
        let history = vec![
            root("UPDATE_ROLLBACK_COMPLETE", 11, None),
            root("UPDATE_ROLLBACK_IN_PROGRESS", 10, Some("User Initiated")),
        ];
        stage
            .double
            .on("DescribeStacks", [stack("UPDATE_ROLLBACK_FAILED").into(), stack(then).into()])
            .on("ContinueUpdateRollback", [impossible("ContinueUpdateRollback")])
            .on("DescribeStackEvents", [Answer::Events(Page { items: history, next_token: None })]);
        let (run, events) =
            stage.engine.rollback(&app(), &Selection::default(), RollbackOptions::default(), RunOptions::default());
        let played = play(run, events).await;
        let outcome = played.outcome();
        assert_eq!(matches!(outcome, Outcome::RolledBack { .. }), expected, "{outcome:?}");
        assert_eq!(stage.double.count("ContinueUpdateRollback"), 1);
    }
}

fn impossible(operation: &'static str) -> Answer {
    let message = format!("{operation} cannot be called from current stack status");
    ApiError::service(operation, "ValidationError", message).into()
}

#[tokio::test(start_paused = true)]
async fn cancel_says_what_cannot_be_cancelled() {
    let stage = Stage::new();
    stage.double.on("DescribeStacks", [stack("CREATE_IN_PROGRESS").into()]);
    let results = stage.engine.cancel(&app(), &Selection::default()).await.unwrap();
    assert!(matches!(results["App"], Cancellation::Impossible { .. }), "{results:?}");
    assert_eq!(stage.double.count("CancelUpdateStack"), 0);
}

#[tokio::test(start_paused = true)]
async fn drift_names_the_property() {
    let stage = Stage::new();
    let detection = |status: &str| {
        Answer::DriftDetection(DriftDetection {
            stack_id: STACK_ID.into(),
            status: status.into(),
            status_reason: None,
            drift_status: Some("DRIFTED".into()),
        })
    };
    let drift = |id: &str, status: &str| ResourceDrift {
        logical_id: id.into(),
        physical_id: None,
        resource_type: "AWS::SNS::Topic".into(),
        status: status.into(),
        differences: vec![PropertyDifference {
            path: "/DisplayName".into(),
            expected: "a".into(),
            actual: "b".into(),
            kind: "NOT_EQUAL".into(),
        }],
    };
    stage
        .double
        .on("DescribeStacks", [stack("CREATE_COMPLETE").into()])
        .on("DetectStackDrift", [Answer::Text("d".into())])
        .on("DescribeStackDriftDetectionStatus", [detection("DETECTION_IN_PROGRESS"), detection("DETECTION_COMPLETE")])
        .on("DescribeStackResourceDrifts", [Answer::Drifts(vec![drift("A", "IN_SYNC"), drift("B", "MODIFIED")])]);
    let found = stage.engine.drift(&app(), &Selection::default()).await.unwrap();
    let Drift::Found { status, resources } = &found["App"] else { panic!("{found:?}") };
    assert_eq!((status.as_str(), resources.len()), ("DRIFTED", 1));
    assert_eq!(resources[0].differences[0].path, "/DisplayName");
}

#[tokio::test(start_paused = true)]
async fn a_plan_writes_nothing() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [stack("UPDATE_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template(r#"{"Resources":{"Old":{"Type":"AWS::SNS::Topic"}}}"#.into())]);
    let plan = stage.engine.plan(&app(), &Selection::default()).await.unwrap();
    assert_eq!(plan.stacks[0].action, StackAction::Update);
    let changes: Vec<_> = plan.stacks[0].resources.iter().map(|it| (it.logical_id.as_str(), it.change)).collect();
    assert_eq!(changes, [("Old", ChangeKind::Remove), ("Topic", ChangeKind::Add)]);
    assert_eq!(stage.double.called(), ["GetCallerIdentity", "DescribeStacks App", "GetTemplate"]);
}

#[tokio::test(start_paused = true)]
async fn a_deployed_yaml_template_is_compared_by_what_it_means() {
    let stage = Stage::new();
    let same = "Resources:\n  Topic:\n    Type: AWS::SNS::Topic\n";
    stage
        .double
        .on("DescribeStacks", [stack("UPDATE_COMPLETE").into()])
        .on("GetTemplate", [same, same, "Resources: [", same].map(|it| Answer::Template(it.into())));
    assert!(stage.engine.plan(&app(), &Selection::default()).await.unwrap().is_empty());
    let other = app_with(|it| it.template["Resources"]["Topic"]["Properties"] = json!({"DisplayName": "x"}));
    let plan = stage.engine.plan(&other, &Selection::default()).await.unwrap();
    assert_eq!(plan.stacks[0].resources[0].properties[0].path, "Properties.DisplayName");
    // What cannot be read is not told as all new.
    let plan = stage.engine.plan(&app(), &Selection::default()).await.unwrap();
    assert_eq!(plan.stacks[0].action, StackAction::Update);
    assert!(plan.stacks[0].resources.is_empty() && plan.stacks[0].entries[0].section == "Template");
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Unchanged { .. }), "{:?}", played.outcome());
}
