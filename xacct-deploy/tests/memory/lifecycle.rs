//! Stacks are created, updated, rolled back and deleted, and tell it.

use std::time::Duration;

use serde_json::json;
use xacct_deploy::cloudformation::{ContinueUpdateRollback, OnStackFailure, RollbackStack};
use xacct_deploy::memory::{Action, ResourceFault};

use crate::support::{A, place, request, resources, topic, topic_policy};

fn chain() -> serde_json::Value {
    json!({
        "Resources": {
            "Alarm": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::GetAtt": ["Mail", "TopicName"]}}},
            "Mail": topic("mail"),
            "Other": topic("other"),
        },
        "Outputs": {"Arn": {"Value": {"Ref": "Alarm"}, "Description": "the topic"}},
    })
}

#[tokio::test]
async fn a_stack_is_created_in_order_of_its_dependencies() {
    let place = place();
    let stack = place.deploy(request("Prod", &chain())).await;
    assert_eq!(stack.status.as_str(), "CREATE_COMPLETE");
    assert_eq!(
        place.story("Prod").await,
        [
            "Prod CREATE_IN_PROGRESS (User Initiated)",
            "Mail CREATE_IN_PROGRESS",
            "Other CREATE_IN_PROGRESS",
            "Mail CREATE_IN_PROGRESS (Resource creation Initiated)",
            "Other CREATE_IN_PROGRESS (Resource creation Initiated)",
            "Mail CREATE_COMPLETE",
            "Other CREATE_COMPLETE",
            "Alarm CREATE_IN_PROGRESS",
            "Alarm CREATE_IN_PROGRESS (Resource creation Initiated)",
            "Alarm CREATE_COMPLETE",
            "Prod CREATE_COMPLETE",
        ]
    );
    let output = &stack.outputs[0];
    let alarm = &place.resources("Prod").await["Alarm"].0;
    assert_eq!((&output.value, output.description.as_deref()), (alarm, Some("the topic")));
    assert!(alarm.starts_with(&format!("arn:aws:sns:eu-west-1:{A}:Prod-Alarm-")), "{alarm}");
}

#[tokio::test]
async fn time_passes_between_the_events() {
    let place = place();
    let change_set = place.change_set(request("Prod", &chain())).await.unwrap();
    place.execute(&change_set).await.unwrap();
    let status = async || place.clients.cloudformation.describe_stack("Prod").await.unwrap().status;
    place.world.advance(Duration::from_millis(7_999));
    assert_eq!(status().await.as_str(), "CREATE_IN_PROGRESS");
    place.world.advance(Duration::from_millis(1));
    assert_eq!(status().await.as_str(), "CREATE_COMPLETE");
    let events = place.events("Prod").await;
    assert!(events.is_sorted_by_key(|event| event.timestamp));
    let took = events.last().unwrap().timestamp.0 - change_set.creation_time.0;
    assert_eq!(took, 10_000 + 8_000);
}

#[tokio::test]
async fn an_update_touches_what_changes_and_cleans_up() {
    let place = place();
    place.deploy(request("Prod", &resources(json!({"A": topic("a"), "B": topic("b"), "C": topic("c")})))).await;
    let before = place.resources("Prod").await;
    let next = resources(json!({"A": topic("a"), "B": topic("b2"), "D": topic("d")}));
    let stack = place.deploy(request("Prod", &next)).await;
    assert_eq!(stack.status.as_str(), "UPDATE_COMPLETE");
    assert_eq!(
        place.story("Prod").await,
        [
            "Prod UPDATE_IN_PROGRESS (User Initiated)",
            "B UPDATE_IN_PROGRESS",
            "D CREATE_IN_PROGRESS",
            "D CREATE_IN_PROGRESS (Resource creation Initiated)",
            "B UPDATE_COMPLETE",
            "D CREATE_COMPLETE",
            "Prod UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "C DELETE_IN_PROGRESS",
            "C DELETE_COMPLETE",
            "Prod UPDATE_COMPLETE",
        ]
    );
    let after = place.resources("Prod").await;
    assert_eq!(after["B"].0, before["B"].0);
    assert_eq!(after.keys().collect::<Vec<_>>(), ["A", "B", "D"]);
}

#[tokio::test]
async fn a_create_only_property_replaces_the_resource_and_its_dependents_see_it() {
    let place = place();
    let template = |name: &str| {
        json!({
            "Resources": {
                "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}},
                "Policy": {"Type": "AWS::SNS::TopicPolicy", "Properties": {"Topics": [{"Ref": "Topic"}], "PolicyDocument": topic_policy()}},
            },
            "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
        })
    };
    place.deploy(request("Prod", &template("old"))).await;
    let stack = place.deploy(request("Prod", &template("new"))).await;
    assert_eq!(stack.outputs[0].value, format!("arn:aws:sns:eu-west-1:{A}:new"));
    assert_eq!(
        place.story("Prod").await,
        [
            "Prod UPDATE_IN_PROGRESS (User Initiated)",
            "Topic UPDATE_IN_PROGRESS (Requested update requires the creation of a new physical resource; hence creating one.)",
            "Topic UPDATE_IN_PROGRESS (Resource creation Initiated)",
            "Topic UPDATE_COMPLETE",
            "Policy UPDATE_IN_PROGRESS",
            "Policy UPDATE_COMPLETE",
            "Prod UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            "Topic DELETE_IN_PROGRESS",
            "Topic DELETE_COMPLETE",
            "Prod UPDATE_COMPLETE",
        ]
    );
    let of_old = place.events("Prod").await.into_iter().rev().find(|it| it.status == "DELETE_COMPLETE").unwrap();
    assert_eq!(of_old.physical_id.unwrap(), format!("arn:aws:sns:eu-west-1:{A}:old"));
}

#[tokio::test]
async fn a_failed_creation_is_rolled_back_and_the_cause_comes_first() {
    let place = place();
    place.world.fail_resource(ResourceFault::fail("B", Action::Create, "no luck"));
    place.world.fail_resource(ResourceFault::slow("A", Action::Create, Duration::from_secs(20)));
    let template = resources(json!({"A": topic("a"), "B": topic("b"), "C": topic("c")}));
    let stack = place.deploy(request("Prod", &template)).await;
    assert_eq!(stack.status.as_str(), "ROLLBACK_COMPLETE");
    let story = place.story("Prod").await;
    assert_eq!(
        story[4..],
        [
            "B CREATE_FAILED (no luck)",
            "A CREATE_FAILED (Resource creation cancelled)",
            "C CREATE_FAILED (Resource creation cancelled)",
            "Prod ROLLBACK_IN_PROGRESS (The following resource(s) failed to create: [B, A, C]. Rollback requested by user.)",
            "A DELETE_COMPLETE",
            "B DELETE_COMPLETE",
            "C DELETE_COMPLETE",
            "Prod ROLLBACK_COMPLETE",
        ]
    );
    let refused = place.refusal(request("Prod", &template)).await;
    assert_eq!(refused, format!("Stack:{} is in ROLLBACK_COMPLETE state and can not be updated.", stack.id));
    place.delete("Prod").await.unwrap();
    assert_eq!(place.deploy(request("Prod", &template)).await.status.as_str(), "CREATE_COMPLETE");
}

#[tokio::test]
async fn a_failed_update_restores_the_values() {
    let place = place();
    let template = |name: &str, display: &str, more: bool| {
        let mut template = json!({
            "Resources": {
                "Named": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}},
                "Shown": topic(display),
                "Last": {"Type": "AWS::SNS::Topic", "DependsOn": ["Named", "Shown"], "Properties": {"DisplayName": display}},
            },
            "Outputs": {"Topic": {"Value": {"Ref": "Named"}}},
        });
        if more {
            template["Resources"]["New"] = topic("new");
        }
        template
    };
    let before = place.deploy(request("Prod", &template("one", "x", false))).await;
    let resources_before = place.resources("Prod").await;
    place.world.fail_resource(ResourceFault::fail("Last", Action::Update, "out of order"));
    let stack = place.deploy(request("Prod", &template("two", "y", true))).await;
    assert_eq!(stack.status.as_str(), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(stack.outputs, before.outputs);
    let properties = |name: &str| place.world.properties(&place.environment, "Prod", name).unwrap();
    assert_eq!(properties("Shown")["DisplayName"], "x");
    assert_eq!(properties("Named")["TopicName"], "one");
    let names = |it: &std::collections::BTreeMap<String, (String, String)>| -> Vec<(String, String)> {
        it.iter().map(|(name, (id, _))| (name.clone(), id.clone())).collect()
    };
    assert_eq!(names(&place.resources("Prod").await), names(&resources_before));
    let story = place.story("Prod").await;
    let failed = story.iter().position(|it| it.starts_with("Last UPDATE_FAILED")).unwrap();
    assert_eq!(
        story[failed..],
        [
            "Last UPDATE_FAILED (out of order)",
            "Prod UPDATE_ROLLBACK_IN_PROGRESS (The following resource(s) failed to update: [Last].)",
            "Named UPDATE_IN_PROGRESS",
            "Shown UPDATE_IN_PROGRESS",
            "Named UPDATE_COMPLETE",
            "Shown UPDATE_COMPLETE",
            "Last UPDATE_IN_PROGRESS",
            "Last UPDATE_COMPLETE",
            "Prod UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            "Named DELETE_IN_PROGRESS",
            "New DELETE_IN_PROGRESS",
            "Named DELETE_COMPLETE",
            "New DELETE_COMPLETE",
            "Prod UPDATE_ROLLBACK_COMPLETE",
        ]
    );
    assert_eq!(
        place.clients.cloudformation.get_template("Prod").await.unwrap(),
        template("one", "x", false).to_string()
    );
}

#[tokio::test]
async fn a_rollback_that_fails_can_be_continued_without_the_resource() {
    let place = place();
    let template = |display: &str| resources(json!({"A": topic(display), "B": topic(display)}));
    place.deploy(request("Prod", &template("x"))).await;
    place.world.fail_resource(ResourceFault::fail("B", Action::Update, "cannot update"));
    place.world.fail_resource(ResourceFault::fail("A", Action::Rollback, "cannot go back"));
    let slow = ResourceFault::slow("B", Action::Update, Duration::from_secs(9));
    place.world.fail_resource(slow);
    let stack = place.deploy(request("Prod", &template("y"))).await;
    assert_eq!(stack.status.as_str(), "UPDATE_ROLLBACK_FAILED");
    assert_eq!(stack.status_reason.as_deref(), Some("The following resource(s) failed to update: [A]."));
    let refused = place.refusal(request("Prod", &template("x"))).await;
    assert!(refused.ends_with("is in UPDATE_ROLLBACK_FAILED state and can not be updated."), "{refused}");
    let go_on = async |token: &str, skip: &[&str]| {
        let request = ContinueUpdateRollback {
            stack: "Prod".into(),
            client_token: token.into(),
            resources_to_skip: skip.iter().map(|it| (*it).to_owned()).collect(),
            role_arn: None,
        };
        place.clients.cloudformation.continue_update_rollback(&request).await
    };
    assert!(go_on("t1", &["B"]).await.unwrap_err().message.contains("ResourcesToSkip"));
    go_on("t2", &["A"]).await.unwrap();
    go_on("t2", &["A"]).await.unwrap();
    place.settle().await;
    let stack = place.clients.cloudformation.describe_stack("Prod").await.unwrap();
    assert_eq!(stack.status.as_str(), "UPDATE_ROLLBACK_COMPLETE");
    let shown = |name: &str| place.world.properties(&place.environment, "Prod", name).unwrap()["DisplayName"].clone();
    assert_eq!((shown("A"), shown("B")), (json!("y"), json!("x")), "what was skipped stays as it is");
}

#[tokio::test]
async fn without_rollback_everything_stays_until_somebody_decides() {
    let place = place();
    let template = resources(json!({
        "A": topic("a"),
        "B": topic("b"),
        "C": {"Type": "AWS::SNS::Topic", "DependsOn": "B"},
    }));
    let fail = || place.world.fail_resource(ResourceFault::fail("B", Action::Create, "no luck"));
    fail();
    let stack = place.deploy_with(request("Prod", &template), |it| it.disable_rollback = Some(true)).await;
    assert_eq!(stack.status.as_str(), "CREATE_FAILED");
    let statuses = place.resources("Prod").await;
    assert_eq!((statuses["A"].1.as_str(), statuses["B"].1.as_str()), ("CREATE_COMPLETE", "CREATE_FAILED"));
    let stack = place.deploy(request("Prod", &template)).await;
    assert_eq!(stack.status.as_str(), "CREATE_COMPLETE", "it can be tried again");

    fail();
    place.deploy_with(request("Next", &template), |it| it.disable_rollback = Some(true)).await;
    let rollback = RollbackStack { stack: "Next".into(), client_token: "rb".into(), role_arn: None };
    place.clients.cloudformation.rollback_stack(&rollback).await.unwrap();
    place.settle().await;
    let stack = place.clients.cloudformation.describe_stack("Next").await.unwrap();
    assert_eq!(stack.status.as_str(), "ROLLBACK_COMPLETE");

    place.world.fail_resource(ResourceFault::fail("A", Action::Update, "no luck"));
    let changed = resources(json!({"A": topic("a2"), "B": topic("b2"), "C": {"Type": "AWS::SNS::Topic"}}));
    let stack = place.deploy_with(request("Prod", &changed), |it| it.disable_rollback = Some(true)).await;
    assert_eq!(stack.status.as_str(), "UPDATE_FAILED");
    let rollback = RollbackStack { stack: "Prod".into(), client_token: "rb2".into(), role_arn: None };
    place.clients.cloudformation.rollback_stack(&rollback).await.unwrap();
    place.settle().await;
    let stack = place.clients.cloudformation.describe_stack("Prod").await.unwrap();
    assert_eq!(stack.status.as_str(), "UPDATE_ROLLBACK_COMPLETE");
    let shown = place.world.properties(&place.environment, "Prod", "B").unwrap();
    assert_eq!(shown["DisplayName"], "b");
}

#[tokio::test]
async fn on_failure_decides_what_becomes_of_a_new_stack() {
    for (on_failure, status) in [
        (OnStackFailure::Delete, "DELETE_COMPLETE"),
        (OnStackFailure::DoNothing, "CREATE_FAILED"),
        (OnStackFailure::Rollback, "ROLLBACK_COMPLETE"),
    ] {
        let place = place();
        place.world.fail_resource(ResourceFault::fail("A", Action::Create, "no luck"));
        let request = request("Prod", &resources(json!({"A": topic("a"), "B": topic("b")})));
        let stack = place.deploy(request.with(|it| it.on_stack_failure = Some(on_failure))).await;
        assert_eq!(stack.status.as_str(), status);
    }
}

#[tokio::test]
async fn a_deleted_stack_is_found_by_its_id_only() {
    let place = place();
    let stack = place.deploy(request("Prod", &chain())).await;
    place.delete("Prod").await.unwrap();
    assert!(place.clients.cloudformation.describe_stack("Prod").await.unwrap_err().is_stack_absent());
    let gone = place.clients.cloudformation.describe_stack(&stack.id).await.unwrap();
    assert_eq!(gone.status.as_str(), "DELETE_COMPLETE");
    assert_eq!(
        place.story(&stack.id).await,
        [
            "Prod DELETE_IN_PROGRESS (User Initiated)",
            "Other DELETE_IN_PROGRESS",
            "Alarm DELETE_IN_PROGRESS",
            "Other DELETE_COMPLETE",
            "Alarm DELETE_COMPLETE",
            "Mail DELETE_IN_PROGRESS",
            "Mail DELETE_COMPLETE",
            "Prod DELETE_COMPLETE",
        ]
    );
    place.delete("Prod").await.unwrap();
    let again = place.deploy(request("Prod", &chain())).await;
    assert_ne!(again.id, stack.id);
}
