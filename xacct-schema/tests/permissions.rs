//! The execution role of a stack has what its resources need, and no more.

use serde_json::{Value, json};
use xacct_schema::permissions::{Permissions, StackPermissions, Target, of_stack, of_template};

fn check(resources: Value) -> Permissions {
    of_template(&json!({ "Resources": resources }), false)
}

#[test]
fn exactly_what_the_handlers_need() {
    let needed = check(json!({
        "Key": { "Type": "AWS::KMS::Alias", "Properties": { "AliasName": "alias/x", "TargetKeyId": "y" } },
    }));
    let actions: Vec<_> = needed.actions.iter().copied().collect();
    assert_eq!(actions, ["kms:CreateAlias", "kms:DeleteAlias", "kms:ListAliases", "kms:UpdateAlias"]);
}

#[test]
fn tagging_only_where_there_are_tags() {
    let untagged = check(json!({ "Topic": { "Type": "AWS::SNS::Topic" } }));
    let tagged =
        json!({ "Topic": { "Type": "AWS::SNS::Topic", "Properties": { "Tags": [{ "Key": "a", "Value": "b" }] } } });
    let tagged = check(tagged);
    assert!(tagged.actions.contains("sns:TagResource"));
    assert!(tagged.actions.is_superset(&untagged.actions));
}

#[test]
fn what_is_not_published_is_listed_and_not_guessed() {
    let needed = check(json!({
        "Build": { "Type": "AWS::CodeBuild::Project" },
        "Login": { "Type": "AWS::IAM::AccessKey" },
        "Own": { "Type": "Custom::Thing" },
        "Also": { "Type": "Custom::Thing" },
        "Metadata": { "Type": "AWS::CDK::Metadata" },
    }));
    assert!(needed.actions.is_empty());
    let unknown: Vec<_> = needed.unknown.iter().map(|(name, ids)| (name.as_str(), ids.len())).collect();
    assert_eq!(unknown, [("AWS::CodeBuild::Project", 1), ("AWS::IAM::AccessKey", 1), ("Custom::Thing", 2)]);
}

/// Every action that is allowed exists, so that the policy can be checked like one that a person wrote.
#[test]
fn what_is_no_action_of_iam_is_listed_and_not_allowed() {
    let needed = check(json!({ "Bucket": { "Type": "AWS::S3::Bucket" } }));
    assert!(needed.not_in_iam.contains("s3:DeleteBucketCors") && !needed.actions.contains("s3:DeleteBucketCors"));
    assert!(needed.actions.contains("s3:PutBucketCORS"));
}

fn check_stack(resources: Value) -> StackPermissions {
    let target =
        Target { partition: "aws", region: "eu-west-1", account: "111111111111", stack_name: "Prod", tagged: false };
    of_stack(&json!({ "Resources": resources }), &target)
}

/// What an action is allowed on.
fn on(needed: &StackPermissions, action: &str) -> Vec<String> {
    let allowance = needed.allowances.iter().find(|it| it.actions.contains(action));
    allowance.map(|it| it.resources.iter().cloned().collect()).unwrap_or_default()
}

#[test]
fn the_actions_of_a_stack_are_those_of_its_template() {
    let template = json!({ "Resources": {
        "Queue": { "Type": "AWS::SQS::Queue" },
        "Role": { "Type": "AWS::IAM::Role", "Properties": { "AssumeRolePolicyDocument": {} } },
        "Table": { "Type": "AWS::DynamoDB::Table" },
    }});
    let needed = check_stack(template["Resources"].clone());
    let actions: std::collections::BTreeSet<_> =
        needed.allowances.iter().flat_map(|it| it.actions.iter().copied()).collect();
    assert_eq!(actions, of_template(&template, false).actions);
}

#[test]
fn a_resource_is_named_where_its_name_is_known() {
    let needed = check_stack(json!({
        "Named": { "Type": "AWS::SQS::Queue", "Properties": { "QueueName": "jobs" } },
        "Topic": { "Type": "AWS::SNS::Topic" },
        "Secret": { "Type": "AWS::SecretsManager::Secret", "Properties": { "Name": "login" } },
        "Alias": { "Type": "AWS::KMS::Alias", "Properties": { "AliasName": "alias/x", "TargetKeyId": "y" } },
        "Log": { "Type": "AWS::Logs::LogGroup", "Properties": { "LogGroupName": "/jobs/log" } },
        "Limit": { "Type": "AWS::SSM::Parameter", "Properties": { "Name": "/jobs/limit", "Type": "String", "Value": "1" } },
    }));
    // Some of its actions are on the streams of the group.
    let log = "arn:aws:logs:eu-west-1:111111111111:log-group:/jobs/log";
    assert_eq!(on(&needed, "logs:CreateLogGroup"), [log.to_owned(), format!("{log}:*")]);
    assert_eq!(on(&needed, "ssm:PutParameter"), ["arn:aws:ssm:eu-west-1:111111111111:parameter/jobs/limit"]);
    // Tagging takes one of many kinds of resources: this one.
    assert_eq!(on(&needed, "logs:TagResource"), [log.to_owned(), format!("{log}:*")]);
    assert_eq!(on(&needed, "sqs:CreateQueue"), ["arn:aws:sqs:eu-west-1:111111111111:jobs"]);
    assert_eq!(on(&needed, "sns:CreateTopic"), ["arn:aws:sns:eu-west-1:111111111111:*"]);
    // A secret's ARN ends in six characters of AWS's choice.
    assert_eq!(
        on(&needed, "secretsmanager:CreateSecret"),
        ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:login-??????"]
    );
    // It acts on a key too, which may be anybody's.
    assert_eq!(on(&needed, "kms:CreateAlias"), ["arn:aws:kms:*:*:key/*", "arn:aws:kms:eu-west-1:111111111111:alias/x"]);
    // It acts on nothing in particular.
    assert_eq!(on(&check_stack(json!({ "Key": { "Type": "AWS::KMS::Key" } })), "kms:CreateKey"), ["*"]);
}

#[test]
fn a_buckets_policy_is_changed_on_that_bucket() {
    let policy = json!({ "Type": "AWS::S3::BucketPolicy", "Properties": { "Bucket": { "Ref": "Bucket" } } });
    let named = json!({ "Type": "AWS::S3::Bucket", "Properties": { "BucketName": "reports" } });
    let needed = check_stack(json!({ "Policy": policy, "Bucket": named }));
    assert_eq!(on(&needed, "s3:PutBucketPolicy"), ["arn:aws:s3:::reports"]);
    let needed = check_stack(json!({ "Policy": policy, "Bucket": { "Type": "AWS::S3::Bucket" } }));
    assert_eq!(on(&needed, "s3:PutBucketPolicy"), ["arn:aws:s3:::prod-*"]);
    let policy = json!({ "Type": "AWS::SNS::TopicPolicy", "Properties": { "Topics": [{ "Ref": "Topic" }] } });
    let named = json!({ "Type": "AWS::SNS::Topic", "Properties": { "TopicName": "news" } });
    let needed = check_stack(json!({ "Policy": policy, "Topic": named }));
    assert_eq!(on(&needed, "sns:SetTopicAttributes"), ["arn:aws:sns:eu-west-1:111111111111:news"]);
}

#[test]
fn identities_are_those_of_the_stack() {
    let needed = check_stack(json!({
        "Made": { "Type": "AWS::IAM::Role", "Properties": { "AssumeRolePolicyDocument": {} } },
        "Named": { "Type": "AWS::IAM::Role", "Properties": { "RoleName": "deployer", "Path": "/ops/", "AssumeRolePolicyDocument": {} } },
        "Policy": { "Type": "AWS::IAM::Policy", "Properties": { "Roles": [{ "Ref": "Made" }] } },
    }));
    let roles = ["arn:aws:iam::111111111111:role/Prod-*", "arn:aws:iam::111111111111:role/ops/deployer"];
    assert_eq!(on(&needed, "iam:PutRolePolicy"), roles);
    assert!(needed.unnamed.is_empty());
    // A policy can be one of users and groups, but this stack has none.
    assert!(on(&needed, "iam:PutUserPolicy").is_empty() && on(&needed, "iam:PutGroupPolicy").is_empty());
}

#[test]
fn a_change_of_identities_that_are_not_named_is_told() {
    let needed = check_stack(json!({
        "Known": { "Type": "AWS::IAM::Policy", "Properties": { "Roles": ["elsewhere"] } },
        "Imported": { "Type": "AWS::IAM::Policy", "Properties": { "Roles": [{ "Fn::ImportValue": "role" }] } },
    }));
    assert_eq!(needed.unnamed["role"].iter().collect::<Vec<_>>(), ["Imported"]);
    assert!(on(&needed, "iam:PutRolePolicy").contains(&"arn:aws:iam::111111111111:role/*".to_owned()));
}

#[test]
fn roles_are_passed_to_the_services_that_they_trust() {
    let trust = |service: &str| json!({ "Statement": [{ "Effect": "Allow", "Principal": { "Service": service } }] });
    let needed = check_stack(json!({
        "Role": { "Type": "AWS::IAM::Role", "Properties": { "AssumeRolePolicyDocument": trust("lambda.amazonaws.com") } },
        "Function": { "Type": "AWS::Lambda::Function", "Properties": { "Role": "arn:aws:iam::111111111111:role/given" } },
    }));
    let passing: Vec<_> = needed.allowances.iter().filter(|it| it.actions.contains("iam:PassRole")).collect();
    let [made, given] = passing.as_slice() else { panic!("{passing:?}") };
    assert_eq!(made.resources.iter().collect::<Vec<_>>(), ["arn:aws:iam::111111111111:role/Prod-*"]);
    let services = &made.conditions[&("StringEqualsIfExists", "iam:PassedToService")];
    assert_eq!(services.iter().collect::<Vec<_>>(), ["lambda.amazonaws.com"]);
    // Whom a role from elsewhere trusts is not known.
    assert_eq!(given.resources.iter().collect::<Vec<_>>(), ["arn:aws:iam::111111111111:role/given"]);
    assert!(given.conditions.is_empty());
}

#[test]
fn a_boundary_that_all_have_binds_the_role() {
    let role = |boundary: &str| json!({ "Type": "AWS::IAM::Role", "Properties": { "AssumeRolePolicyDocument": {}, "PermissionsBoundary": boundary } });
    let key = ("StringEquals", "iam:PermissionsBoundary");
    let bound = |needed: &StackPermissions| needed.allowances.iter().any(|it| it.conditions.contains_key(&key));
    assert!(bound(&check_stack(json!({ "One": role("b"), "Two": role("b") }))));
    assert!(!bound(&check_stack(json!({ "One": role("b"), "Two": role("c") }))));
}

#[test]
fn values_that_cloudformation_looks_up_are_read_with_the_role() {
    let needed = check_stack(json!({ "Topic": { "Type": "AWS::SNS::Topic", "Properties": {
        "TopicName": "{{resolve:ssm:/names/topic:1}}",
        "DisplayName": "{{resolve:secretsmanager:login:SecretString:user}}",
    }}}));
    assert_eq!(on(&needed, "ssm:GetParameters"), ["arn:aws:ssm:eu-west-1:111111111111:parameter/names/topic"]);
    assert_eq!(
        on(&needed, "secretsmanager:GetSecretValue"),
        ["arn:aws:secretsmanager:eu-west-1:111111111111:secret:login-??????"]
    );
    assert_eq!(on(&needed, "sns:CreateTopic"), ["arn:aws:sns:eu-west-1:111111111111:*"]);
}
