//! Change sets: what would change and why, what is refused, and that nothing changes.

use serde_json::{Value, json};
use xacct_deploy::cloudformation::{ChangeSetRef, ChangeSetType};

use crate::support::{place, request, resources, topic};

#[tokio::test]
async fn no_change_is_said_as_the_service_says_it() {
    let place = place();
    let template = resources(json!({"A": topic("a")}));
    place.deploy(request("Prod", &template)).await;
    assert_eq!(
        place.refusal(request("Prod", &template)).await,
        "The submitted information didn't contain changes. Submit different information to create a change set."
    );
    let mut described = template.clone();
    described["Description"] = json!("only the text is new");
    assert_eq!(place.refusal(request("Prod", &described)).await, "No updates are to be performed.");
    let mut with_output = template.clone();
    with_output["Outputs"] = json!({"Topic": {"Value": {"Ref": "A"}}});
    let change_set = place.change_set(request("Prod", &with_output)).await.unwrap();
    assert_eq!((change_set.status.as_str(), change_set.changes.len()), ("CREATE_COMPLETE", 0));
}

#[tokio::test]
async fn a_change_tells_the_property_that_replaces() {
    let place = place();
    let template = |name: &str, size: &str| {
        json!({
            "Parameters": {"Size": {"Type": "String"}},
            "Resources": {
                "Key": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name, "RetentionInDays": {"Ref": "Size"}}},
                "Stream": {"Type": "AWS::Logs::LogStream", "Properties": {"LogGroupName": {"Ref": "Key"}}},
                "Gone": topic(size),
            },
        })
    };
    place.deploy(request("Prod", &template("a", "x")).parameter("Size", "7")).await;
    let mut next = template("b", "x");
    next["Resources"].as_object_mut().unwrap().remove("Gone");
    next["Resources"]["New"] = topic("y");
    let change_set = place.change_set(request("Prod", &next).parameter("Size", "14")).await.unwrap();
    let told: Vec<Value> = change_set
        .changes
        .iter()
        .map(|it| {
            let details: Vec<Value> = it
                .details
                .iter()
                .map(|it| json!([it.name, it.requires_recreation, it.evaluation, it.change_source, it.causing_entity]))
                .collect();
            json!([it.action, it.logical_id, it.replacement, it.policy_action, details])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!([
                "Modify",
                "Key",
                "True",
                "ReplaceAndDelete",
                [
                    ["LogGroupName", "Always", "Static", "DirectModification", null],
                    ["RetentionInDays", "Never", "Static", "ParameterReference", "Size"]
                ]
            ]),
            json!(["Add", "New", null, null, []]),
            json!([
                "Modify",
                "Stream",
                "True",
                "ReplaceAndDelete",
                [["LogGroupName", "Always", "Dynamic", "ResourceReference", "Key"]]
            ]),
            json!(["Remove", "Gone", null, "Delete", []]),
        ]
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_template_is_said_before_anything_is_made() {
    let many: serde_json::Map<String, Value> = (0..501).map(|i| (format!("T{i}"), topic("x"))).collect();
    let bucket = |properties: Value| resources(json!({"A": {"Type": "AWS::S3::Bucket", "Properties": properties}}));
    let early = |hook: &str| {
        format!(
            "The following hook(s)/validation failed: [AWS::EarlyValidation::{hook}]. To troubleshoot Early Validation errors, use the DescribeEvents API for detailed failure information."
        )
    };
    let cases: Vec<(Value, String)> = vec![
        (
            resources(json!({"A": {"Type": "AWS::S3::Buket"}})),
            "Template format error: Unrecognized resource types: [AWS::S3::Buket]".into(),
        ),
        (bucket(json!({"BuketName": "x"})), early("PropertyValidation")),
        (bucket(json!({"Tags": {"a": "b"}})), early("PropertyValidation")),
        (resources(json!({"A": {"Type": "AWS::KMS::Alias", "Properties": {}}})), early("PropertyValidation")),
        (
            json!({"Resources": many}),
            "Template format error: Number of resources, 501, is greater than maximum allowed, 500".into(),
        ),
        (
            json!({"Resources": {"A": topic(&"x".repeat(51_200))}}),
            "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200".into(),
        ),
        (
            json!({"Resources": {"A": topic("a")}, "Outputs": {"X": {"Value": {"Fn::GetAtt": ["A", "Color"]}}}}),
            "Template error: resource A does not support attribute type Color in Fn::GetAtt".into(),
        ),
    ];
    for (template, message) in cases {
        let place = place();
        assert_eq!(place.refusal(request("Prod", &template)).await, message);
    }
}

#[tokio::test]
async fn validations_tell_the_place_in_the_template() {
    let place = place();
    let template = resources(json!({"A": {"Type": "AWS::S3::Bucket", "Properties": {
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"BucketKeyEnabeld": true}]}}}}));
    let change_set = place.change_set(request("Prod", &template)).await.unwrap();
    let wanted = xacct_deploy::cloudformation::DescribeEvents {
        change_set: Some(change_set.id),
        failed_only: true,
        ..Default::default()
    };
    let found = place.clients.cloudformation.describe_events(&wanted, None).await.unwrap().items;
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].validation_reason.as_deref(),
        Some("there is no property `BucketKeyEnabeld` here; did you mean `BucketKeyEnabled`?")
    );
    assert_eq!(
        found[0].validation_path.as_deref(),
        Some("/Resources/A/Properties/BucketEncryption/ServerSideEncryptionConfiguration/0/BucketKeyEnabeld")
    );
}

#[tokio::test]
async fn the_kind_of_a_change_set_must_fit_the_stack() {
    let place = place();
    let template = resources(json!({"A": topic("a")}));
    let calls = &place.clients.cloudformation;
    let create = |kind: ChangeSetType, name: &str| {
        let name = name.to_owned();
        request("Prod", &template).with(move |it| {
            it.kind = kind;
            it.change_set_name = name;
        })
    };
    let error = calls.create_change_set(&create(ChangeSetType::Update, "one").0).await.unwrap_err();
    assert_eq!(error.message, "Stack [Prod] does not exist");
    let made = calls.create_change_set(&create(ChangeSetType::Create, "one").0).await.unwrap();
    assert!(calls.create_change_set(&create(ChangeSetType::Create, "one").0).await.unwrap_err().is_already_exists());
    assert_eq!(calls.describe_stack("Prod").await.unwrap().status.as_str(), "REVIEW_IN_PROGRESS");
    let wanted = ChangeSetRef { stack: "Prod".into(), change_set: "one".into() };
    assert_eq!(calls.describe_change_set(&wanted, None).await.unwrap().status, "CREATE_PENDING");
    calls.delete_change_set(&wanted).await.unwrap();
    assert!(calls.describe_change_set(&wanted, None).await.unwrap_err().is_change_set_absent());
    assert_eq!(calls.describe_stack(&made.stack_id).await.unwrap().status.as_str(), "REVIEW_IN_PROGRESS");
    place.deploy(create(ChangeSetType::Create, "two")).await;
    let error = calls.create_change_set(&create(ChangeSetType::Create, "three").0).await.unwrap_err();
    assert_eq!(error.message, "Stack [Prod] already exists and cannot be created again with the changeSet [three].");
}
