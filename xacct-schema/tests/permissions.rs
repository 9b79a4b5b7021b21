//! The execution role of a stack has what its resources need, and no more.

use serde_json::{Value, json};
use xacct_schema::permissions::{Permissions, of_template};

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
