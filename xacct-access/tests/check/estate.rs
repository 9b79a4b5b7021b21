//! What references stand for, within a stack and across stacks.

use serde_json::json;
use xacct_access::estate::{Estate, Site};
use xacct_core::assembly::Input;

use crate::{A, B, assembly, stack};

#[test]
fn names_and_arns_are_written_out_where_the_template_gives_them() {
    let resources = json!({
        "Key": { "Type": "AWS::KMS::Key", "Properties": {} },
        "Bucket": { "Type": "AWS::S3::Bucket", "Properties": { "BucketName": "artifacts" } },
        "Role": { "Type": "AWS::IAM::Role", "Properties": { "RoleName": "deploy", "Path": "/ci/" } },
        "Topic": { "Type": "AWS::SNS::Topic", "Properties": { "TopicName": { "Fn::Sub": "alarms-${AWS::Region}" } } },
        "Secret": { "Type": "AWS::SecretsManager::Secret", "Properties": { "Name": "db" } },
        "Log": { "Type": "AWS::Logs::LogGroup", "Properties": { "LogGroupName": "/builds" } },
    });
    let assembly = assembly(vec![stack("Tools", A, resources)]);
    let estate = Estate::new(&assembly);
    for (expression, text) in [
        (json!({ "Fn::GetAtt": ["Bucket", "Arn"] }), "arn:aws:s3:::artifacts"),
        (json!({ "Ref": "Bucket" }), "artifacts"),
        (json!({ "Fn::GetAtt": "Role.Arn" }), "arn:aws:iam::111111111111:role/ci/deploy"),
        (json!({ "Ref": "Role" }), "deploy"),
        (json!({ "Fn::GetAtt": ["Key", "Arn"] }), "arn:aws:kms:eu-west-1:111111111111:key/‹Tools/Key›"),
        (json!({ "Ref": "Key" }), "‹Tools/Key›"),
        (json!({ "Ref": "Topic" }), "arn:aws:sns:eu-west-1:111111111111:alarms-eu-west-1"),
        (json!({ "Ref": "Secret" }), "arn:aws:secretsmanager:eu-west-1:111111111111:secret:db-‹Tools/Secret:suffix›"),
        (json!({ "Fn::GetAtt": ["Log", "Arn"] }), "arn:aws:logs:eu-west-1:111111111111:log-group:/builds:*"),
    ] {
        assert_eq!(estate.text("Tools", &expression).unwrap().to_string(), text, "{expression}");
    }
}

#[test]
fn inputs_outputs_and_imports_lead_to_the_same_symbol() {
    let mut producer = stack("Producer", A, json!({ "Key": { "Type": "AWS::KMS::Key", "Properties": {} } }));
    producer.template["Outputs"] =
        json!({ "KeyArn": { "Value": { "Fn::GetAtt": ["Key", "Arn"] }, "Export": { "Name": "Producer:KeyArn" } } });
    let mut consumer = stack("Consumer", B, json!({}));
    consumer.inputs = vec![Input { parameter: "P".into(), from_stack: "Producer".into(), output: "KeyArn".into() }];
    consumer.template["Parameters"] = json!({ "P": { "Type": "String" } });
    let assembly = assembly(vec![producer, consumer]);
    let estate = Estate::new(&assembly);
    let key = estate.resource_at(&Site { stack: "Producer".into(), logical_id: "Key".into() }).unwrap();
    for expression in [
        json!({ "Ref": "P" }),
        json!({ "Fn::ImportValue": "Producer:KeyArn" }),
        json!({ "Fn::GetStackOutput": { "StackName": "Producer", "OutputName": "KeyArn" } }),
    ] {
        assert_eq!(estate.text("Consumer", &expression).unwrap(), key.arn, "{expression}");
    }
}

#[test]
fn policies_come_from_every_kind_of_attachment() {
    let allow = |action: &str| json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": action, "Resource": "*" }] });
    let resources = json!({
        "User": { "Type": "AWS::IAM::User", "Properties": {
            "Groups": [{ "Ref": "Group" }],
            "Policies": [{ "PolicyName": "inline", "PolicyDocument": allow("s3:GetObject") }],
            "ManagedPolicyArns": [{ "Ref": "Managed" }, "arn:aws:iam::aws:policy/ReadOnlyAccess"],
            "PermissionsBoundary": { "Ref": "Managed" },
        } },
        "Group": { "Type": "AWS::IAM::Group", "Properties": {
            "Policies": [{ "PolicyName": "group", "PolicyDocument": allow("s3:PutObject") }],
        } },
        "Managed": { "Type": "AWS::IAM::ManagedPolicy", "Properties": { "PolicyDocument": allow("sns:Publish") } },
        "Own": { "Type": "AWS::IAM::Policy", "Properties": {
            "PolicyName": "own", "Users": [{ "Ref": "User" }], "PolicyDocument": allow("sqs:SendMessage"),
        } },
    });
    let assembly = assembly(vec![stack("Tools", A, resources)]);
    let estate = Estate::new(&assembly);
    let mut names: Vec<&str> = estate.identities[0].policies.iter().map(|it| it.policy.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["ReadOnlyAccess", "Tools/Group/group", "Tools/Managed", "Tools/Own", "Tools/User/inline"]);
    assert_eq!(estate.identities[0].boundary.as_ref().unwrap().policy.name(), "Tools/Managed");
}
