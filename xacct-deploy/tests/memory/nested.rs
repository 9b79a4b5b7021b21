//! Nested stacks.

use serde_json::{Value, json};
use xacct_deploy::memory::{Action, ResourceFault};

use crate::support::{A, Place, place, request, topic};

async fn upload(place: &Place, key: &str, template: &Value) -> String {
    place.world.bootstrap(&place.environment);
    let bucket = format!("cdk-hnb659fds-assets-{A}-eu-west-1");
    let objects = &place.clients.objects;
    objects.put_object(&bucket, key, template.to_string().into_bytes(), "application/json").await.unwrap();
    objects.url(&bucket, key)
}

fn inner() -> Value {
    json!({
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Name"}}}},
        "Outputs": {"Shown": {"Value": {"Ref": "Name"}}},
    })
}

fn outer(url: &str, name: &str) -> Value {
    json!({
        "Resources": {
            "Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, "Parameters": {"Name": name}}},
            "After": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::GetAtt": ["Inner", "Outputs.Shown"]}}},
        },
    })
}

#[tokio::test]
async fn a_nested_stack_lives_and_dies_with_its_parent() {
    let place = place();
    let url = upload(&place, "inner.json", &inner()).await;
    let stack = place.deploy(request("Prod", &outer(&url, "one"))).await;
    assert_eq!(stack.status.as_str(), "CREATE_COMPLETE");
    let child_id = place.resources("Prod").await["Inner"].0.clone();
    let child = place.clients.cloudformation.describe_stack(&child_id).await.unwrap();
    assert_eq!((child.status.as_str(), child.parent_id.as_deref()), ("CREATE_COMPLETE", Some(stack.id.as_str())));
    assert!(child.name.starts_with("Prod-Inner-"), "{}", child.name);
    let shown = |name: &str| place.world.properties(&place.environment, name, "After").unwrap()["DisplayName"].clone();
    assert_eq!(shown("Prod"), "one");

    place.deploy(request("Prod", &outer(&url, "two"))).await;
    assert_eq!(shown("Prod"), "two");
    let child = place.clients.cloudformation.describe_stack(&child_id).await.unwrap();
    assert_eq!(child.status.as_str(), "UPDATE_COMPLETE");

    place.delete("Prod").await.unwrap();
    let child = place.clients.cloudformation.describe_stack(&child_id).await.unwrap();
    assert_eq!(child.status.as_str(), "DELETE_COMPLETE");
    let stack = place.clients.cloudformation.describe_stack(&stack.id).await.unwrap();
    assert_eq!(stack.status.as_str(), "DELETE_COMPLETE");
}

#[tokio::test]
async fn the_failure_of_a_nested_stack_fails_its_parent() {
    let place = place();
    let url = upload(&place, "inner.json", &inner()).await;
    place.world.fail_resource(ResourceFault::fail("Topic", Action::Create, "no luck"));
    let stack = place.deploy(request("Prod", &outer(&url, "one"))).await;
    assert_eq!(stack.status.as_str(), "ROLLBACK_COMPLETE");
    let events = place.events("Prod").await;
    let failed = events.iter().find(|it| it.status == "CREATE_FAILED").unwrap();
    let child_id = failed.physical_id.clone().unwrap();
    let reason = failed.status_reason.as_deref().unwrap();
    assert!(reason.starts_with(&format!("Embedded stack {child_id} was not successfully created: The following resource(s) failed to create: [Topic].")), "{reason}");
    let child = place.clients.cloudformation.describe_stack(&child_id).await.unwrap();
    assert_eq!(child.status.as_str(), "DELETE_COMPLETE");
    let inside = place.events(&child_id).await;
    assert!(inside.iter().any(|it| it.status_reason.as_deref() == Some("no luck")));
}

#[tokio::test]
async fn a_nested_stack_goes_back_with_its_parent() {
    let place = place();
    let url = upload(&place, "inner.json", &inner()).await;
    place.deploy(request("Prod", &outer(&url, "one"))).await;
    place.world.fail_resource(ResourceFault::fail("After", Action::Update, "no luck"));
    let stack = place.deploy(request("Prod", &outer(&url, "two"))).await;
    assert_eq!(stack.status.as_str(), "UPDATE_ROLLBACK_COMPLETE");
    let child_id = place.resources("Prod").await["Inner"].0.clone();
    let child = place.clients.cloudformation.describe_stack(&child_id).await.unwrap();
    assert_eq!(child.outputs[0].value, "one");
    assert_eq!(place.world.properties(&place.environment, &child.name, "Topic").unwrap()["DisplayName"], "one");
}

#[tokio::test]
async fn a_nested_template_that_is_not_there_fails() {
    let place = place();
    let template = json!({"Resources": {
        "Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://b.s3.eu-west-1.amazonaws.com/k"}},
        "Other": topic("x")}});
    let stack = place.deploy(request("Prod", &template)).await;
    assert_eq!(stack.status.as_str(), "ROLLBACK_COMPLETE");
    let events = place.events("Prod").await;
    let failed = events.iter().find(|it| it.status == "CREATE_FAILED").unwrap();
    assert!(failed.status_reason.as_deref().unwrap().starts_with("S3 error:"));
}
