//! What a plan shows, and what is not done though the plan did not show it.

use serde_json::{Value, json};
use xacct_deploy::cloudformation::{ChangeSet, Page, ResourceChange, StackParameter, StackResource};
use xacct_deploy::plan::{StackAction, StackPlan};
use xacct_deploy::*;

use crate::double::*;

const LOG: &str = "AWS::Logs::LogGroup";

async fn plan(stage: &Stage, assembly: &xacct_core::assembly::Assembly) -> StackPlan {
    stage.engine.plan(assembly, &Selection::default()).await.unwrap().stacks.remove(0)
}

#[tokio::test(start_paused = true)]
async fn every_key_of_a_template_is_in_the_plan() {
    for (key, value) in
        [("Transform", json!("AWS::LanguageExtensions")), ("Description", json!("new")), ("Hooks", json!({"H": {}}))]
    {
        let stage = Stage::new();
        stage
            .double
            .on("DescribeStacks", [stack("CREATE_COMPLETE").into()])
            .on("GetTemplate", [Answer::Template(template().to_string())]);
        let found = plan(&stage, &app_with(|it| it.template[key] = value.clone())).await;
        assert_eq!((found.action, found.entries.len()), (StackAction::Update, 1), "{key}");
        let entry = &found.entries[0];
        assert!(entry.name == key || entry.section == key, "{entry:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_deployment_would_write_is_never_no_change() {
    let with_path = |path: &str| {
        let mut template = template();
        template["Resources"]["Topic"]["Metadata"] = json!({"aws:cdk:path": path});
        template
    };
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [stack("CREATE_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template(with_path("old").to_string())]);
    let found = plan(&stage, &app_with(|it| it.template = with_path("new"))).await;
    assert!(found.action == StackAction::Update && found.resources.is_empty(), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stored_parameter_is_never_known_unless_cdk_says_so() {
    for (description, expected, change_sets) in
        [("", StackAction::Maybe, 1), ("the version [cdk:skip]", StackAction::Nothing, 0)]
    {
        let mut with_parameter = template();
        with_parameter["Parameters"] = json!({"Image": {"Type": "AWS::SSM::Parameter::Value<String>",
            "Default": "/image", "Description": description}});
        let mut deployed = stack("CREATE_COMPLETE");
        let value = StackParameter { value: "/image".into(), resolved: Some("ami-1".into()) };
        deployed.parameters.insert("Image".into(), value);
        let stage = Stage::new();
        stage
            .double
            .on("DescribeStacks", [deployed.into()])
            .on("GetTemplate", [Answer::Template(with_parameter.to_string())])
            .on("CreateChangeSet", [Answer::Nothing])
            .on(
                "DescribeChangeSet",
                [ChangeSet {
                    status: "FAILED".into(),
                    status_reason: Some("The submitted information didn't contain changes.".into()),
                    ..ready()
                }
                .into()],
            )
            .on("DeleteChangeSet", [Answer::Nothing]);
        let assembly = app_with(|it| it.template = with_parameter.clone());
        assert_eq!(plan(&stage, &assembly).await.action, expected);
        let played = stage.deploy(&assembly, StackOptions::default()).await;
        assert!(matches!(played.outcome(), Outcome::Unchanged { .. }), "{:?}", played.outcome());
        assert_eq!(stage.double.count("CreateChangeSet"), change_sets);
    }
}

fn holding(id: &str, status: &str) -> StackResource {
    StackResource {
        logical_id: id.into(),
        physical_id: Some(format!("physical-{id}")),
        resource_type: LOG.into(),
        status: status.into(),
        status_reason: None,
        drift_status: None,
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_stack_holds_is_a_loss() {
    let logs = json!({"Resources": {"Log": {"Type": LOG}, "Gone": {"Type": LOG},
        "Kept": {"Type": LOG, "DeletionPolicy": "Retain"}}});
    for status in ["ROLLBACK_FAILED", "DELETE_FAILED"] {
        let stage = Stage::new();
        let items = vec![
            holding("Log", "CREATE_COMPLETE"),
            holding("Gone", "DELETE_COMPLETE"),
            holding("Kept", "DELETE_FAILED"),
        ];
        stage
            .double
            .on("DescribeStacks", [stack(status).into()])
            .on("GetTemplate", [Answer::Template(logs.to_string())])
            .on("ListStackResources", [Answer::Resources(Page { items, next_token: None })]);
        let plan = stage.engine.plan(&app(), &Selection::default()).await.unwrap();
        assert_eq!(plan.stacks[0].action, StackAction::Recreate);
        let losses: Vec<_> = plan.losses().into_iter().map(|it| (it.path, it.how)).collect();
        assert_eq!(losses, [("App/Log".to_owned(), LossKind::DeletedWithStack)], "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_very_stack_of_the_plan_is_deleted() {
    let stage = Stage::new();
    stage.double.on("DescribeStacks", [stack("ROLLBACK_FAILED").into()]);
    let mut options = StackOptions::default();
    options.recreate.insert("the ARN of a stack that had the name before".to_owned());
    let played = stage.deploy(&app(), options).await;
    assert_eq!(played.causes()[0].kind, CauseKind::NeedsRecreate);
    assert_eq!(stage.double.count("DeleteStack"), 0);
}

fn change(id: &str, kind: &str) -> ResourceChange {
    ResourceChange {
        action: "Modify".into(),
        logical_id: id.into(),
        physical_id: Some(format!("physical-{id}")),
        resource_type: kind.into(),
        replacement: Some("False".into()),
        ..ResourceChange::default()
    }
}

fn with_changes(changes: Vec<ResourceChange>) -> Answer {
    ChangeSet { changes, ..ready() }.into()
}

/// A stage where an update gets these change sets, one after the other.
fn updating<const N: usize>(change_sets: [Answer; N]) -> Stage {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [stack("UPDATE_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template(Value::Null.to_string())])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", change_sets)
        .on("DeleteChangeSet", [Answer::Nothing])
        .on("ExecuteChangeSet", [Answer::Nothing])
        .on("DescribeStackEvents", [events(vec![root("UPDATE_COMPLETE", 20, None)])]);
    stage
}

fn may_lose(id: &str) -> StackOptions {
    let mut options = StackOptions::default();
    options.may_lose.entry("App".to_owned()).or_default().insert(id.to_owned());
    options
}

#[tokio::test(start_paused = true)]
async fn a_change_set_that_loses_data_is_removed_and_not_executed() {
    for (action, replacement) in [("Modify", Some("True")), ("Modify", Some("Conditional")), ("Remove", None)] {
        let losing = || {
            let change = ResourceChange {
                action: action.into(),
                replacement: replacement.map(str::to_owned),
                ..change("Log", LOG)
            };
            with_changes(vec![change])
        };
        let stage = updating([losing()]);
        let played = stage.deploy(&app_with(|it| it.termination_protection = true), StackOptions::default()).await;
        let cause = &played.causes()[0];
        assert_eq!((cause.kind, cause.logical_id.as_deref()), (CauseKind::DataLoss, Some("Log")));
        assert_eq!((stage.double.count("ExecuteChangeSet"), stage.double.count("DeleteChangeSet")), (0, 1));
        assert_eq!(stage.double.count("UpdateTerminationProtection"), 0);

        let stage = updating([losing()]);
        let played = stage.deploy(&app(), may_lose("Log")).await;
        assert!(matches!(played.outcome(), Outcome::Deployed { .. }), "{:?}", played.outcome());
    }
}

#[tokio::test(start_paused = true)]
async fn nested_stacks_are_looked_into() {
    let script = || {
        let nested = ResourceChange {
            nested_change_set: Some("inner".into()),
            ..change("Nested", "AWS::CloudFormation::Stack")
        };
        let lost = ResourceChange { replacement: Some("True".into()), ..change("Log", LOG) };
        [with_changes(vec![nested]), with_changes(vec![lost])]
    };
    let stage = updating(script());
    let played = stage.deploy(&app(), StackOptions::default()).await;
    let cause = &played.causes()[0];
    assert_eq!((cause.kind, &cause.nested[..]), (CauseKind::DataLoss, &["Nested".to_owned()][..]));
    assert_eq!(stage.double.count("ExecuteChangeSet"), 0);
    let played = updating(script()).deploy(&app(), may_lose("Nested")).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { .. }), "{:?}", played.outcome());
}
