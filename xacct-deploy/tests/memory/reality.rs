//! Drift, and resources that were there before.

use std::time::Duration;

use serde_json::{Value, json};
use xacct_deploy::cloudformation::{ChangeSetType, ResourceToImport};

use crate::support::{Place, place, request, resources, topic};

async fn drift(place: &Place) -> (String, Vec<String>) {
    let calls = &place.clients.cloudformation;
    let detection = calls.detect_stack_drift("Prod").await.unwrap();
    assert_eq!(calls.describe_drift_detection(&detection).await.unwrap().status, "DETECTION_IN_PROGRESS");
    place.world.advance(Duration::from_secs(5));
    let found = calls.describe_drift_detection(&detection).await.unwrap();
    assert_eq!(found.status, "DETECTION_COMPLETE");
    let resources = calls.describe_resource_drifts("Prod", None).await.unwrap().items;
    let resources = resources.iter().map(|it| {
        let differences: Vec<String> =
            it.differences.iter().map(|it| format!("{} {} {} {}", it.kind, it.path, it.expected, it.actual)).collect();
        format!("{} {} {}", it.logical_id, it.status, differences.join(";")).trim().to_owned()
    });
    (found.drift_status.unwrap(), resources.collect())
}

#[tokio::test]
async fn what_somebody_did_by_hand_is_found_and_can_be_reverted() {
    let place = place();
    let template = resources(json!({"A": topic("a"), "B": topic("b")}));
    place.deploy(request("Prod", &template)).await;
    assert_eq!(drift(&place).await, ("IN_SYNC".into(), vec!["A IN_SYNC".into(), "B IN_SYNC".into()]));
    assert!(place.world.modify(&place.environment, "Prod", "A", "/DisplayName", "z"));
    assert!(place.world.delete_by_hand(&place.environment, "Prod", "B"));
    let expected = vec!["A MODIFIED NOT_EQUAL /DisplayName a z".to_owned(), "B DELETED".to_owned()];
    assert_eq!(drift(&place).await, ("DRIFTED".into(), expected));
    let refused = place.refusal(request("Prod", &template)).await;
    assert!(refused.starts_with("The submitted information didn't contain changes."), "{refused}");
    let stack = place.deploy(request("Prod", &template).with(|it| it.revert_drift = true)).await;
    assert_eq!(stack.status.as_str(), "UPDATE_COMPLETE");
    assert_eq!(drift(&place).await.0, "IN_SYNC");
}

fn bucket(policy: Option<&str>) -> Value {
    let mut bucket = json!({"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "old"}});
    if let Some(policy) = policy {
        bucket["DeletionPolicy"] = json!(policy);
    }
    bucket
}

#[tokio::test]
async fn existing_resources_are_imported() {
    let place = place();
    place.deploy(request("Prod", &resources(json!({"A": topic("a")})))).await;
    let with = |policy: Option<&str>| {
        request("Prod", &resources(json!({"A": topic("a"), "B": bucket(policy)}))).with(|it| {
            it.kind = ChangeSetType::Import;
            it.resources_to_import = vec![ResourceToImport {
                logical_id: "B".into(),
                resource_type: "AWS::S3::Bucket".into(),
                identifier: [("BucketName".to_owned(), "old".to_owned())].into(),
            }];
        })
    };
    let refused = place.refusal(with(Some("Retain"))).await;
    assert_eq!(refused, "Resource old of type AWS::S3::Bucket does not exist");
    place.world.create_outside(&place.environment, "AWS::S3::Bucket", "old", Value::Null);
    let refused = place.refusal(with(None)).await;
    assert_eq!(refused, "Resources to import must have a DeletionPolicy attribute: [B]");
    let change_set = place.change_set(with(Some("Retain"))).await.unwrap();
    let changes: Vec<_> = change_set.changes.iter().map(|it| (it.action.as_str(), it.logical_id.as_str())).collect();
    assert_eq!(changes, [("Import", "B")]);
    place.execute(&change_set).await.unwrap();
    place.settle().await;
    let stack = place.clients.cloudformation.describe_stack("Prod").await.unwrap();
    assert_eq!(stack.status.as_str(), "IMPORT_COMPLETE");
    assert_eq!(place.resources("Prod").await["B"], ("old".to_owned(), "IMPORT_COMPLETE".to_owned()));
}

#[tokio::test]
async fn a_creation_can_take_over_what_has_the_name() {
    let place = place();
    place.world.create_outside(&place.environment, "AWS::S3::Bucket", "old", Value::Null);
    let template = resources(json!({"A": topic("a"), "B": bucket(Some("RetainExceptOnCreate"))}));
    let refused = place.refusal(request("Prod", &template)).await;
    assert!(refused.contains("ResourceExistenceCheck"), "{refused}");
    let take_over = |template| request("Prod", template).with(|it| it.import_existing_resources = true);
    let deleted_with_its_stack = resources(json!({"A": topic("a"), "B": bucket(None)}));
    let refused = place.refusal(take_over(&deleted_with_its_stack)).await;
    assert!(refused.contains("must have the DeletionPolicy attribute set to 'Retain'"), "{refused}");
    let stack = place.deploy(take_over(&template)).await;
    assert_eq!(stack.status.as_str(), "CREATE_COMPLETE");
    assert_eq!(place.resources("Prod").await["B"], ("old".to_owned(), "IMPORT_COMPLETE".to_owned()));
}
