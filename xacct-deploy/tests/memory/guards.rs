//! What protects stacks: capabilities, termination protection, one operation at a time, deletion policies.

use std::time::Duration;

use serde_json::{Value, json};
use xacct_deploy::memory::{Action, ResourceFault};

use crate::support::{A, place, request, resources, role, topic};

#[tokio::test]
async fn capabilities_must_be_acknowledged() {
    let service = json!({"Service": "lambda.amazonaws.com"});
    let mut unnamed = role("x", service.clone());
    unnamed["Properties"].as_object_mut().unwrap().remove("RoleName");
    let named = resources(json!({"R": role("x", service)}));
    let unnamed = resources(json!({"R": unnamed}));
    let transformed = json!({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"A": topic("a")}});
    for (template, given, missing) in [
        (&named, "", Some("CAPABILITY_NAMED_IAM")),
        (&named, "CAPABILITY_IAM", Some("CAPABILITY_NAMED_IAM")),
        (&named, "CAPABILITY_NAMED_IAM", None),
        (&unnamed, "", Some("CAPABILITY_IAM")),
        (&unnamed, "CAPABILITY_IAM", None),
        (&unnamed, "CAPABILITY_NAMED_IAM", None),
        (&transformed, "CAPABILITY_IAM", Some("CAPABILITY_AUTO_EXPAND")),
    ] {
        let place = place();
        let wanted = request("Prod", template).with(|it| it.capabilities = vec![given.to_owned()]);
        let result = place.change_set(wanted).await.map(|it| it.status.to_string());
        match missing {
            None => assert_eq!(result.unwrap(), "CREATE_COMPLETE"),
            Some(missing) => {
                let error = result.unwrap_err();
                assert_eq!(error.code(), "InsufficientCapabilitiesException");
                assert_eq!(error.message, format!("Requires capabilities : [{missing}]"));
            }
        }
    }
}

#[tokio::test]
async fn a_protected_stack_is_not_deleted() {
    let place = place();
    place.deploy(request("Prod", &resources(json!({"A": topic("a")})))).await;
    let calls = &place.clients.cloudformation;
    calls.update_termination_protection("Prod", true).await.unwrap();
    assert!(calls.describe_stack("Prod").await.unwrap().termination_protection);
    let error = place.delete("Prod").await.unwrap_err();
    assert_eq!(error.message, "Stack [Prod] cannot be deleted while TerminationProtection is enabled");
    calls.update_termination_protection("Prod", false).await.unwrap();
    place.delete("Prod").await.unwrap();
    assert!(calls.update_termination_protection("Prod", true).await.unwrap_err().is_stack_absent());
}

#[tokio::test]
async fn one_operation_at_a_time() {
    let place = place();
    let template = |display: &str| resources(json!({"A": topic(display)}));
    let stack = place.deploy(request("Prod", &template("a"))).await;
    let change_set = place.change_set(request("Prod", &template("b"))).await.unwrap();
    place.execute(&change_set).await.unwrap();
    let mut second = request("Prod", &template("c")).0;
    second.change_set_name = "second".into();
    let error = place.clients.cloudformation.create_change_set(&second).await.unwrap_err();
    assert_eq!(error.message, format!("Stack:{} is in UPDATE_IN_PROGRESS state and can not be updated.", stack.id));
    let error = place.execute(&change_set).await.unwrap_err();
    assert!(error.is_invalid_change_set_status(), "{error}");
    let error = place.delete("Prod").await.unwrap_err();
    assert_eq!(error.message, format!("Stack [{}] cannot be deleted while in status UPDATE_IN_PROGRESS", stack.id));
}

#[tokio::test]
async fn a_change_set_is_obsolete_when_another_was_executed() {
    let place = place();
    let template = |display: &str| resources(json!({"A": topic(display)}));
    place.deploy(request("Prod", &template("a"))).await;
    let old = place.change_set(request("Prod", &template("b"))).await.unwrap();
    place.deploy(request("Prod", &template("c")).with(|it| it.change_set_name = "other".into())).await;
    let error = place.execute(&old).await.unwrap_err();
    assert!(error.is_invalid_change_set_status() && error.message.ends_with("[OBSOLETE]"), "{error}");
}

#[tokio::test]
async fn an_update_can_be_cancelled_while_it_goes_forward() {
    let place = place();
    let template = |display: &str| {
        resources(
            json!({"A": topic(display), "B": {"Type": "AWS::SNS::Topic", "DependsOn": "A", "Properties": {"DisplayName": display}}}),
        )
    };
    place.deploy(request("Prod", &template("x"))).await;
    let calls = &place.clients.cloudformation;
    let error = calls.cancel_update_stack("Prod", "c1").await.unwrap_err();
    assert_eq!(error.message, "CancelUpdateStack cannot be called from current stack status");
    let change_set = place.change_set(request("Prod", &template("y"))).await.unwrap();
    place.execute(&change_set).await.unwrap();
    place.world.advance(Duration::from_secs(4));
    calls.cancel_update_stack("Prod", "c2").await.unwrap();
    place.settle().await;
    let story = place.story("Prod").await;
    assert_eq!(
        story,
        [
            "Prod UPDATE_ROLLBACK_IN_PROGRESS (User Initiated)",
            "A UPDATE_IN_PROGRESS",
            "A UPDATE_COMPLETE",
            "B UPDATE_IN_PROGRESS",
            "B UPDATE_COMPLETE",
            "Prod UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            "Prod UPDATE_ROLLBACK_COMPLETE",
        ]
    );
    let events = place.events("Prod").await;
    assert!(events.iter().any(|it| it.status_reason.as_deref() == Some("Resource update cancelled")));
    assert_eq!(place.world.properties(&place.environment, "Prod", "A").unwrap()["DisplayName"], "x");
}

fn policy(policy: Value) -> Value {
    let mut topic = json!({"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "kept"}});
    topic["DeletionPolicy"] = policy;
    resources(json!({"Kept": topic, "Other": topic_after()}))
}

fn topic_after() -> Value {
    json!({"Type": "AWS::SNS::Topic", "DependsOn": "Kept"})
}

#[tokio::test]
async fn deletion_policies_decide_what_stays() {
    let arn = format!("arn:aws:sns:eu-west-1:{A}:kept");
    for (name, after_delete, after_rollback) in [
        (Value::Null, false, false),
        (json!("Delete"), false, false),
        (json!("Retain"), true, true),
        (json!("RetainExceptOnCreate"), true, false),
    ] {
        let place = place();
        let there = || place.world.exists(&place.environment, "AWS::SNS::Topic", &arn);
        place.deploy(request("Prod", &policy(name.clone()))).await;
        place.delete("Prod").await.unwrap();
        assert_eq!(there(), after_delete, "{name}");

        let place = crate::support::place();
        let there = || place.world.exists(&place.environment, "AWS::SNS::Topic", &arn);
        place.world.fail_resource(ResourceFault::fail("Other", Action::Create, "no"));
        place.deploy(request("Prod", &policy(name.clone()))).await;
        assert_eq!(there(), after_rollback, "{name}");
    }
}

#[tokio::test]
async fn what_is_retained_blocks_its_name() {
    let place = place();
    place.deploy(request("Prod", &policy(json!("Retain")))).await;
    place.delete("Prod").await.unwrap();
    let refused = place.refusal(request("Prod", &policy(json!("Retain")))).await;
    assert!(refused.contains("AWS::EarlyValidation::ResourceExistenceCheck"), "{refused}");
}

#[tokio::test]
async fn a_deletion_that_fails_can_leave_the_resource_behind() {
    let place = place();
    let stack = place.deploy(request("Prod", &policy(json!("Delete")))).await;
    let fail = || place.world.fail_resource(ResourceFault::fail("Kept", Action::Delete, "in use"));
    fail();
    let error = place.delete_retaining("Prod", &["Kept"]).await.unwrap_err();
    assert!(error.message.contains("only when the stack is in the DELETE_FAILED state"), "{error}");
    place.delete("Prod").await.unwrap();
    let failed = place.clients.cloudformation.describe_stack("Prod").await.unwrap();
    assert_eq!(failed.status.as_str(), "DELETE_FAILED");
    assert_eq!(failed.status_reason.as_deref(), Some("The following resource(s) failed to delete: [Kept]."));
    place.delete_retaining("Prod", &["Kept"]).await.unwrap();
    let gone = place.clients.cloudformation.describe_stack(&stack.id).await.unwrap();
    assert_eq!(gone.status.as_str(), "DELETE_COMPLETE");
    assert!(place.world.exists(&place.environment, "AWS::SNS::Topic", &format!("arn:aws:sns:eu-west-1:{A}:kept")));
}

#[tokio::test]
async fn a_failed_rollback_of_a_creation_leaves_a_stack_that_can_only_be_deleted() {
    let place = place();
    place.world.fail_resource(ResourceFault::fail("Other", Action::Create, "no"));
    place.world.fail_resource(ResourceFault::fail("Kept", Action::Delete, "in use"));
    let stack = place.deploy(request("Prod", &policy(Value::Null))).await;
    assert_eq!(stack.status.as_str(), "ROLLBACK_FAILED");
    assert_eq!(stack.status_reason.as_deref(), Some("The following resource(s) failed to delete: [Kept]."));
    assert!(place.refusal(request("Prod", &policy(Value::Null))).await.contains("ROLLBACK_FAILED state"));
    place.delete("Prod").await.unwrap();
}

#[tokio::test]
async fn a_cleanup_that_fails_does_not_fail_the_update() {
    let place = place();
    place.deploy(request("Prod", &resources(json!({"A": topic("a"), "B": topic("b")})))).await;
    place.world.fail_resource(ResourceFault::fail("B", Action::Delete, "in use"));
    let stack = place.deploy(request("Prod", &resources(json!({"A": topic("a")})))).await;
    assert_eq!(stack.status.as_str(), "UPDATE_COMPLETE");
    assert_eq!(stack.status_reason.as_deref(), Some("Update successful. One or more resources could not be deleted."));
}

#[tokio::test]
async fn a_named_resource_cannot_be_replaced() {
    let place = place();
    let template = |path: &str| {
        let mut role = role("fixed", json!({"Service": "lambda.amazonaws.com"}));
        role["Properties"]["Path"] = json!(path);
        resources(json!({"R": role}))
    };
    place.deploy(request("Prod", &template("/a/"))).await;
    let stack = place.deploy(request("Prod", &template("/b/"))).await;
    assert_eq!(stack.status.as_str(), "UPDATE_ROLLBACK_COMPLETE");
    let story = place.story("Prod").await;
    let said = "R UPDATE_FAILED (CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename fixed and update the stack again.)";
    assert!(story.contains(&said.to_owned()), "{story:#?}");
}

#[tokio::test]
async fn a_resource_cannot_become_one_of_another_type() {
    let place = place();
    place.deploy(request("Prod", &resources(json!({"A": topic("a")})))).await;
    let refused = place.refusal(request("Prod", &resources(json!({"A": {"Type": "AWS::SQS::Queue"}})))).await;
    assert_eq!(
        refused,
        "Update of resource type is not permitted. The new template modifies resource type of the following resources: [A]"
    );
}
