//! Failures of calls and of resources, and what the user learns of them.

use std::time::Duration;

use serde_json::json;
use xacct_core::SourceLocation;
use xacct_core::assembly::{Input, Origin, StackArtifact};
use xacct_deploy::cloudformation::{ApiError, ChangeSet, OperationEvent, Output, Page, StackEvent};
use xacct_deploy::*;

use crate::double::*;

fn created(stage: &Stage) {
    stage.double.on("DescribeStacks", [absent(), stack("CREATE_COMPLETE").into()]).goes_well("CREATE");
}

#[tokio::test(start_paused = true)]
async fn throttling_server_errors_and_resets_are_waited_out_and_told() {
    let stage = Stage::new();
    let throttled = ApiError::service("X", "Throttling", "Rate exceeded");
    let unavailable = ApiError::service("X", "ServiceUnavailable", "").with_http(Some(503), None);
    let reset = ApiError::transport("X", "connection reset");
    let trouble = || [throttled.clone().into(), unavailable.clone().into(), reset.clone().into()];
    for operation in
        ["DescribeStacks", "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DescribeStackEvents"]
    {
        stage.double.on(operation, trouble());
    }
    created(&stage);
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { .. }), "{:?}", played.outcome());
    let retries = played.events.iter().filter(|it| matches!(it, Event::Retrying { .. })).count();
    assert_eq!(retries, 15);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_does_not_make_a_second_change_set() {
    let stage = Stage::new();
    let lost = ApiError::transport("CreateChangeSet", "connection reset");
    let exists = ApiError::service("CreateChangeSet", "AlreadyExistsException", "ChangeSet c already exists");
    stage.double.on("CreateChangeSet", [lost.into(), exists.into()]);
    created(&stage);
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { .. }), "{:?}", played.outcome());
    assert_eq!(stage.double.count("ExecuteChangeSet"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_of_an_execution_is_not_an_execution_overtaken() {
    let stage = Stage::new();
    let lost = ApiError::transport("ExecuteChangeSet", "connection reset");
    let running = ApiError::service("ExecuteChangeSet", "InvalidChangeSetStatus", "EXECUTE_IN_PROGRESS");
    let mut begun = stack("CREATE_IN_PROGRESS");
    begun.change_set_id = Some(CHANGE_SET_ID.into());
    stage
        .double
        .on("DescribeStacks", [absent(), begun.into(), stack("CREATE_COMPLETE").into()])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("ExecuteChangeSet", [lost.into(), running.into()])
        .on("DescribeStackEvents", [events(vec![root("CREATE_COMPLETE", 20, None)])]);
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { .. }), "{:?}", played.outcome());
    assert_eq!(stage.double.count("CreateChangeSet"), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_too_new_are_waited_for() {
    let stage = Stage::new();
    let not_yet = ApiError::service("DescribeStacks", "OptInRequired", "");
    let unknown = ApiError::service("DescribeStacks", "InvalidClientTokenId", "");
    stage.double.on("DescribeStacks", [not_yet.into(), unknown.into()]);
    created(&stage);
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert!(matches!(played.outcome(), Outcome::Deployed { .. }), "{:?}", played.outcome());
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_say_that_the_operation_goes_on() {
    let stage = Stage::new();
    let expired = ApiError::service("DescribeStackEvents", "ExpiredToken", "The security token is expired");
    stage
        .double
        .on("DescribeStacks", [absent()])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("ExecuteChangeSet", [Answer::Nothing])
        .on("DescribeStackEvents", [expired.into()]);
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert_eq!(played.causes()[0].kind, CauseKind::Credentials);
    assert!(played.causes()[0].detail.as_ref().unwrap().contains("goes on in AWS"), "{:?}", played.causes());
}

#[tokio::test(start_paused = true)]
async fn the_first_cause_comes_first_with_its_place_in_the_program() {
    let stage = Stage::new();
    let mut ended = stack("ROLLBACK_COMPLETE");
    ended.status_reason = Some("The following resource(s) failed to create: [Key, Topic].".into());
    stage
        .double
        .on("DescribeStacks", [absent(), ended.into()])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("ExecuteChangeSet", [Answer::Nothing])
        .on(
            "DescribeStackEvents",
            [events(vec![
                root("ROLLBACK_COMPLETE", 20, None),
                root("ROLLBACK_IN_PROGRESS", 15, Some("The following resource(s) failed to create: [Key, Topic]. ")),
                resource("Topic", "CREATE_FAILED", 14, Some("Resource creation cancelled")),
                resource(
                    "Key",
                    "CREATE_FAILED",
                    13,
                    Some("Policy contains a statement with one or more invalid principals."),
                ),
                root("CREATE_IN_PROGRESS", 12, Some("User Initiated")),
                root("CREATE_FAILED", 3, Some("an older operation")),
            ])],
        );
    let located = app_with(|it| {
        let location = SourceLocation { file: "src/lib.rs".into(), line: 41, column: 9 };
        it.origins.insert("Key".into(), Origin { path: "App/Key".into(), location: Some(location) });
    });
    let played = stage.deploy(&located, StackOptions::default()).await;
    let causes = played.causes();
    assert_eq!(causes.len(), 1, "{causes:?}");
    assert_eq!(causes[0].kind, CauseKind::InvalidPrincipal);
    assert_eq!(causes[0].path.as_deref(), Some("App/Key"));
    assert_eq!(causes[0].location.as_ref().unwrap().line, 41);
    assert!(causes[0].help.is_some());
}

#[tokio::test(start_paused = true)]
async fn events_are_paged_by_arn_and_older_ones_are_left_out() {
    let stage = Stage::new();
    let many: Vec<StackEvent> =
        (0..150).rev().map(|n| resource(&format!("R{n}"), "CREATE_COMPLETE", 11 + n, None)).collect();
    let mut first = vec![root("CREATE_COMPLETE", 200, None)];
    first.extend_from_slice(&many[..99]);
    let mut second = many[99..].to_vec();
    second.push(root("CREATE_IN_PROGRESS", 10, None));
    second.push(root("DELETE_COMPLETE", 4, Some("from before")));
    stage
        .double
        .on("DescribeStacks", [absent(), stack("CREATE_COMPLETE").into()])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("ExecuteChangeSet", [Answer::Nothing])
        .on(
            "DescribeStackEvents",
            [
                Answer::Events(Page { items: first, next_token: Some("t".into()) }),
                Answer::Events(Page { items: second, next_token: Some("never asked for".into()) }),
            ],
        );
    let played = stage.deploy(&app(), StackOptions::default()).await;
    let told = played.told();
    assert_eq!(told.len(), 152);
    assert_eq!(told[0], "App CREATE_IN_PROGRESS");
    assert_eq!(told[151], "App CREATE_COMPLETE");
    let pages: Vec<_> = stage.double.called().into_iter().filter(|it| it.starts_with("DescribeStackEvents")).collect();
    assert_eq!(pages, [format!("DescribeStackEvents {STACK_ID}"), format!("DescribeStackEvents {STACK_ID} t")]);
}

#[tokio::test(start_paused = true)]
async fn the_cause_in_a_nested_stack_is_found() {
    let stage = Stage::new();
    let nested_id = "arn:aws:cloudformation:eu-west-1:111111111111:stack/App-Nested/2";
    let nested = |status: &str, time, reason: Option<&str>| StackEvent {
        resource_type: "AWS::CloudFormation::Stack".into(),
        physical_id: Some(nested_id.into()),
        ..resource("Nested", status, time, reason)
    };
    let mut deep = resource("Deep", "CREATE_FAILED", 13, Some("Access Denied"));
    deep.stack_id = nested_id.into();
    let embedded =
        "Embedded stack arn was not successfully created: The following resource(s) failed to create: [Deep].";
    stage
        .double
        .on("DescribeStacks", [absent(), stack("ROLLBACK_COMPLETE").into()])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("ExecuteChangeSet", [Answer::Nothing])
        .on("DescribeStackEvents of nested", [events(vec![deep])])
        .on(
            "DescribeStackEvents",
            [events(vec![
                root("ROLLBACK_COMPLETE", 20, None),
                nested("CREATE_FAILED", 14, Some(embedded)),
                nested("CREATE_IN_PROGRESS", 12, None),
            ])],
        );
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert_eq!(played.causes()[0].logical_id.as_deref(), Some("Deep"));
    assert_eq!(played.causes()[0].nested, ["Nested"]);
    assert_eq!(played.causes()[0].kind, CauseKind::AccessDenied);
}

#[tokio::test(start_paused = true)]
async fn a_failure_holds_back_who_needs_it_and_nobody_else() {
    let stage = Stage::new();
    let failing = ApiError::service("DescribeStacks", "AccessDenied", "no");
    stage.double.on("DescribeStacks", [failing.into(), absent(), stack("CREATE_COMPLETE").into()]).goes_well("CREATE");
    let mut assembly = app();
    for (id, after) in [("Second", Some("App")), ("Third", Some("Second")), ("Other", None)] {
        let mut artifact = StackArtifact::new(id, environment(), template());
        artifact.dependencies.extend(
            after.map(|it| xacct_core::assembly::Dependency { stack: it.into(), reason: "it needs it".into() }),
        );
        assembly.stacks.push(artifact);
    }
    let played = stage.deploy(&assembly, StackOptions::default()).await;
    for held in ["Second", "Third"] {
        assert_eq!(*played.outcome_of(held), Outcome::HeldBack { because: vec!["App".into()] });
    }
    assert!(matches!(played.outcome_of("Other"), Outcome::Deployed { .. }), "{:?}", played.outcome_of("Other"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_in_no_event_and_no_record() {
    const SECRET: &str = "correct horse battery staple";
    let directory = tempfile::tempdir().unwrap();
    let stage = Stage::new();
    let reason = format!("Invalid value {SECRET}");
    stage
        .double
        .on("DescribeStacks", [absent(), stack("ROLLBACK_COMPLETE").into()])
        .on("CreateChangeSet", [ApiError::service("X", "Throttling", reason.clone()).into(), Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("ExecuteChangeSet", [Answer::Nothing])
        .on(
            "DescribeStackEvents",
            [events(vec![
                root("ROLLBACK_COMPLETE", 20, Some(&reason)),
                resource("Topic", "CREATE_FAILED", 12, Some(&reason)),
            ])],
        );
    let secret = app_with(|it| {
        it.template = json!({
            "Parameters": {"Password": {"Type": "String", "NoEcho": true}},
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}
        });
        it.parameters.insert("Password".into(), SECRET.into());
    });
    let mut engine = Engine::new(
        std::sync::Arc::new(Everywhere(stage.double.clone())),
        std::sync::Arc::new(FileStore::new(directory.path())),
    );
    engine.retry.base = Duration::from_millis(1);
    let (run, events) = engine.deploy(&secret, &Selection::default(), StackOptions::default(), RunOptions::default());
    let played = play(run, events).await;
    let mut seen = format!("{:?} {}", played.result, serde_json::to_string(&played.events).unwrap());
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        seen.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    assert!(!seen.contains(SECRET), "{seen}");
    assert!(seen.contains("Invalid value ****"), "{seen}");
}

#[tokio::test(start_paused = true)]
async fn a_validation_that_refuses_is_the_cause() {
    let stage = Stage::new();
    let refused = ChangeSet {
        status: "FAILED".into(),
        status_reason: Some("The following hook(s)/validation failed".into()),
        ..ready()
    };
    let found = OperationEvent {
        event: resource("Topic", "", 11, None),
        validation_name: Some("NAME_CONFLICT_VALIDATION".into()),
        validation_status: Some("FAILED".into()),
        validation_reason: Some("Resource of type AWS::SNS::Topic with name x already exists".into()),
        validation_path: Some("/Resources/Topic/Properties/TopicName".into()),
    };
    stage
        .double
        .on("DescribeStacks", [absent(), stack("REVIEW_IN_PROGRESS").into()])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [refused.into()])
        .on("DescribeEvents", [Answer::OperationEvents(vec![found])])
        .on("DeleteChangeSet", [Answer::Nothing])
        .on("DeleteStack", [Answer::Nothing]);
    let played = stage.deploy(&app(), StackOptions::default()).await;
    assert_eq!(played.causes()[0].kind, CauseKind::NameTaken);
    assert_eq!(played.causes()[0].template_path.as_deref(), Some("/Resources/Topic/Properties/TopicName"));
}

#[tokio::test(start_paused = true)]
async fn after_the_time_limit_the_operation_goes_on_without_us() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [absent(), stack("CREATE_IN_PROGRESS").into()])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("ExecuteChangeSet", [Answer::Nothing])
        .on("DescribeStackEvents", [events(vec![root("CREATE_IN_PROGRESS", 12, None)])]);
    let mut options = RunOptions::default();
    options.timeout = Some(Duration::from_secs(60));
    let (run, events) = stage.engine.deploy(&app(), &Selection::default(), StackOptions::default(), options);
    let played = play(run, events).await;
    assert_eq!(played.causes()[0].kind, CauseKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_secret_output_is_masked_and_still_reaches_its_consumer() {
    const SECRET: &str = "wJalrXUtnFEMI";
    let stage = Stage::new();
    let mut made = stack("CREATE_COMPLETE");
    made.outputs = vec![Output { key: "Secret".into(), value: SECRET.into(), description: None, export_name: None }];
    stage
        .double
        .on("DescribeStacks", [absent(), made.into(), absent(), stack("CREATE_COMPLETE").into()])
        .goes_well("CREATE");
    let mut assembly = app_with(|it| {
        it.template["Outputs"] = json!({"Secret": {"Value": {"Fn::GetAtt": ["Key", "SecretAccessKey"]}}});
    });
    let mut consumer = StackArtifact::new("Consumer", environment(), template());
    consumer.template["Parameters"] = json!({"Secret": {"Type": "String", "NoEcho": true}});
    consumer.inputs.push(Input { parameter: "Secret".into(), from_stack: "App".into(), output: "Secret".into() });
    assembly.stacks.push(consumer);
    let played = stage.deploy(&assembly, StackOptions::default()).await;
    assert!(matches!(played.outcome_of("Consumer"), Outcome::Deployed { .. }), "{:?}", played.outcome_of("Consumer"));
    assert_eq!(played.outcome().outputs()[0].value, "****");
    let told = serde_json::to_string(&played.events).unwrap();
    assert!(!told.contains(SECRET), "{told}");
    assert!(stage.double.called().join(" ").contains(SECRET), "the consumer needs the real value");
}

#[tokio::test(start_paused = true)]
async fn an_invalid_principal_is_named_with_the_stack_that_makes_it() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [absent(), stack("ROLLBACK_COMPLETE").into()])
        .on("CreateChangeSet", [Answer::Nothing])
        .on("DescribeChangeSet", [ready().into()])
        .on("ExecuteChangeSet", [Answer::Nothing])
        .on(
            "DescribeStackEvents",
            [events(vec![
                root("ROLLBACK_COMPLETE", 20, None),
                resource(
                    "Key",
                    "CREATE_FAILED",
                    13,
                    Some("Policy contains a statement with one or more invalid principals."),
                ),
            ])],
        );
    let mut assembly = app_with(|it| {
        let role = "arn:aws:iam::111111111111:role/build";
        it.template["Resources"]["Key"] = json!({"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": role}, "Action": "kms:*", "Resource": "*"}]}}});
    });
    let roles = json!({"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "build"}}}});
    assembly.stacks.push(StackArtifact::new("Production", environment(), roles));
    let only = Selection { stacks: Some(["App".to_owned()].into()), exclusively: true };
    let (run, events) = stage.engine.deploy(&assembly, &only, StackOptions::default(), RunOptions::default());
    let played = play(run, events).await;
    let cause = &played.causes()[0];
    let detail = cause.detail.as_deref().unwrap();
    assert!(detail.contains("role/build") && detail.contains("`Production`"), "{detail}");
    assert!(cause.help.as_deref().unwrap().starts_with("deploy `Production` first"), "{cause:?}");
    assert_eq!(cause.deploy_first, ["Production"]);
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_reads_a_changed_output_by_itself_is_updated() {
    let stage = Stage::new();
    stage
        .double
        .on("DescribeStacks", [stack("UPDATE_COMPLETE").into()])
        .on("GetTemplate", [Answer::Template("{}".into())])
        .goes_well("UPDATE");
    let mut assembly = app();
    let reader = json!({"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {
        "DisplayName": {"Fn::GetStackOutput": {"StackName": "App", "OutputName": "X"}}}}}});
    let mut artifact = StackArtifact::new("Reader", environment(), reader);
    let reason = "it reads its output".to_owned();
    artifact.dependencies.push(xacct_core::assembly::Dependency { stack: "App".into(), reason });
    assembly.stacks.push(artifact);
    let played = stage.deploy(&assembly, StackOptions::default()).await;
    assert!(matches!(played.outcome_of("Reader"), Outcome::Deployed { .. }), "{:?}", played.outcome_of("Reader"));
    // The reader's template was not even compared: whether it changed is not the question.
    assert_eq!(stage.double.count("GetTemplate"), 1);
}
