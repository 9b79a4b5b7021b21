//! Typed resources in, template out.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test that fails should stop there, and one that is skipped should say so"
)]

use serde_json::{Value as Json, json};
use xacct_constructs::cfn::{ec2, iam, kms, lambda, s3, sns, sqs};
use xacct_core::intrinsics::no_value;
use xacct_core::value::Expr;
use xacct_core::{
    AccountId, App, CfnCondition, CfnParameter, CfnParameterProps, Construct, Environment, Region, Stack, StackProps,
    Value, intrinsics,
};

/// The resources of the template that a stack gives.
fn check(define: impl FnOnce(&Stack), expected: &Json) {
    let app = App::new();
    let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
    let stack = Stack::new(&app, "Tools", environment, StackProps::new());
    define(&stack);
    let assembly = app.synth().unwrap();
    let resources = assembly.stacks[0].template["Resources"].as_object().unwrap();
    let found: serde_json::Map<String, Json> = resources
        .iter()
        .map(|(id, it)| (id.clone(), json!({ "Type": it["Type"], "Properties": it["Properties"] })))
        .collect();
    assert_eq!(Json::Object(found), *expected);
}

#[test]
fn nested_types_lists_enums_and_tags_render_under_their_names() {
    use s3::bucket::{
        BucketEncryption, LifecycleConfiguration, Rule, SSEAlgorithm, ServerSideEncryptionByDefault,
        ServerSideEncryptionRule, Status, VersioningConfiguration, VersioningConfigurationStatus,
    };
    check(
        |stack| {
            let encryption = ServerSideEncryptionByDefault::new().sse_algorithm(SSEAlgorithm::AwsKms);
            let rule = Rule::new().status(Status::Enabled).expiration_in_days(30).prefix("logs/");
            s3::CfnBucket::new(
                stack,
                "Bucket",
                s3::CfnBucketProps::new()
                    .bucket_name("artifacts-111111111111")
                    .bucket_encryption(BucketEncryption::new().server_side_encryption_configuration([
                        ServerSideEncryptionRule::new().server_side_encryption_by_default(encryption),
                    ]))
                    .lifecycle_configuration(LifecycleConfiguration::new().rules(vec![rule]))
                    .versioning_configuration(
                        VersioningConfiguration::new().status(VersioningConfigurationStatus::Enabled),
                    )
                    .tags([("team", "platform")]),
            );
        },
        &json!({ "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": "artifacts-111111111111",
                "BucketEncryption": {
                    "ServerSideEncryptionConfiguration": [{ "ServerSideEncryptionByDefault": { "SSEAlgorithm": "aws:kms" } }]
                },
                "LifecycleConfiguration": { "Rules": [{ "Status": "Enabled", "ExpirationInDays": 30, "Prefix": "logs/" }] },
                "VersioningConfiguration": { "Status": "Enabled" },
                "Tags": [{ "Key": "team", "Value": "platform" }]
            }
        }}),
    );
}

#[test]
fn attributes_and_ref_fit_where_their_kind_is_wanted() {
    let trust = json!({ "Version": "2012-10-17", "Statement": [] });
    check(
        |stack| {
            let role = iam::CfnRole::new(
                stack,
                "Role",
                iam::CfnRoleProps::new()
                    .assume_role_policy_document(json!({ "Version": "2012-10-17", "Statement": [] })),
            );
            let key = kms::CfnKey::new(stack, "Key", kms::CfnKeyProps::new().enable_key_rotation(true));
            kms::CfnAlias::new(
                stack,
                "Alias",
                kms::CfnAliasProps::new().alias_name("alias/artifacts").target_key_id(key.attr_key_id()),
            );
            lambda::CfnFunction::new(
                stack,
                "Function",
                lambda::CfnFunctionProps::new()
                    .role(role.attr_arn())
                    .kms_key_arn(key.attr_arn())
                    .memory_size(256)
                    .code(lambda::function::Code::new().zip_file("exports.handler = () => 1"))
                    .handler("index.handler")
                    .runtime("nodejs24.x"),
            );
        },
        &json!({
            "Role": { "Type": "AWS::IAM::Role", "Properties": { "AssumeRolePolicyDocument": trust } },
            "Key": { "Type": "AWS::KMS::Key", "Properties": { "EnableKeyRotation": true } },
            "Alias": {
                "Type": "AWS::KMS::Alias",
                "Properties": { "AliasName": "alias/artifacts", "TargetKeyId": { "Fn::GetAtt": ["Key", "KeyId"] } }
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Role": { "Fn::GetAtt": ["Role", "Arn"] },
                    "KmsKeyArn": { "Fn::GetAtt": ["Key", "Arn"] },
                    "MemorySize": 256,
                    "Code": { "ZipFile": "exports.handler = () => 1" },
                    "Handler": "index.handler",
                    "Runtime": "nodejs24.x"
                }
            }
        }),
    );
}

#[test]
fn a_property_takes_an_expression_of_its_type() {
    check(
        |stack| {
            let days = CfnParameter::new(stack, "Days", CfnParameterProps::new().parameter_type("Number"));
            let large = CfnCondition::new(stack, "Large", intrinsics::equals(days.value(), "10"));
            sqs::CfnQueue::new(
                stack,
                "Queue",
                sqs::CfnQueueProps::new()
                    .message_retention_period(days.value().cast::<i64>())
                    .fifo_queue(large.choose(true, no_value::<bool>())),
            );
        },
        &json!({ "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "MessageRetentionPeriod": { "Ref": "Days" },
                "FifoQueue": { "Fn::If": ["Large", true, { "Ref": "AWS::NoValue" }] }
            }
        }}),
    );
}

#[test]
fn a_text_of_a_kind_is_taken_in_every_form_that_plain_text_is() {
    let name = "alias/artifacts".to_owned();
    let alias = |key: &str| kms::CfnAliasProps::new().alias_name(&name).target_key_id(key);
    check(
        |stack| {
            let key = "1234abcd-12ab-34cd-56ef-1234567890ab".to_owned();
            kms::CfnAlias::new(stack, "Borrowed", alias(&key));
            kms::CfnAlias::new(stack, "Text", kms::CfnAliasProps::new().alias_name("alias/b").target_key_id(&key));
            kms::CfnAlias::new(stack, "Owned", kms::CfnAliasProps::new().alias_name("alias/c").target_key_id(key));
        },
        &json!({
            "Borrowed": {
                "Type": "AWS::KMS::Alias",
                "Properties": { "AliasName": "alias/artifacts", "TargetKeyId": "1234abcd-12ab-34cd-56ef-1234567890ab" }
            },
            "Text": {
                "Type": "AWS::KMS::Alias",
                "Properties": { "AliasName": "alias/b", "TargetKeyId": "1234abcd-12ab-34cd-56ef-1234567890ab" }
            },
            "Owned": {
                "Type": "AWS::KMS::Alias",
                "Properties": { "AliasName": "alias/c", "TargetKeyId": "1234abcd-12ab-34cd-56ef-1234567890ab" }
            }
        }),
    );
}

#[test]
fn what_is_set_last_holds() {
    check(
        |stack| {
            sns::CfnTopic::new(stack, "Topic", sns::CfnTopicProps::new().display_name("first").display_name("second"));
        },
        &json!({ "Topic": { "Type": "AWS::SNS::Topic", "Properties": { "DisplayName": "second" } } }),
    );
}

#[test]
fn text_newer_than_the_enumeration_and_untyped_properties_have_a_way_in() {
    check(
        |stack| {
            let key = kms::CfnKey::new(
                stack,
                "Key",
                kms::CfnKeyProps::new().key_spec(Value::<kms::key::KeySpec>::from_expr(Expr::from("ECC_NIST_P521"))),
            );
            key.node().override_property("Description", "signs");
        },
        &json!({ "Key": { "Type": "AWS::KMS::Key", "Properties": { "KeySpec": "ECC_NIST_P521", "Description": "signs" } } }),
    );
}

#[test]
fn a_resource_knows_its_type() {
    assert_eq!(ec2::CfnVPC::TYPE, "AWS::EC2::VPC");
    assert_eq!(s3::bucket::SSEAlgorithm::AwsKms.as_str(), "aws:kms");
}
