//! Templates that CloudFormation would refuse have findings, with a place and a suggestion; right ones have none.

use serde_json::{Value, json};
use xacct_schema::resource_type;
use xacct_schema::validate::{Finding, Rule, template};

/// The findings, as text.
fn check(sections: Value) -> Vec<String> {
    findings(sections).iter().map(|finding| format!("{}: {finding}", finding.rule)).collect()
}

fn findings(sections: Value) -> Vec<Finding> {
    template(&sections, Some("eu-central-1"))
}

fn resource(kind: &str, properties: Value) -> Value {
    json!({ "Resources": { "It": { "Type": kind, "Properties": properties } } })
}

#[test]
fn a_finding_says_where_what_was_expected_and_what_was_meant() {
    let rule = json!([{ "ServerSideEncryptionByDefault": { "SSEAlgorithm": "aws:KMS" } }]);
    let bucket = json!({ "BucketEncryption": { "ServerSideEncryptionConfiguration": rule } });
    let found = findings(resource("AWS::S3::Bucket", bucket));
    let [finding] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(finding.rule, Rule::Enum);
    assert_eq!(finding.logical_id, "It");
    assert_eq!(
        finding.property_path,
        "BucketEncryption.ServerSideEncryptionConfiguration[0].ServerSideEncryptionByDefault.SSEAlgorithm"
    );
    assert_eq!(finding.expected.as_deref(), Some("one of `AES256`, `aws:kms`, `aws:kms:dsse`"));
    assert_eq!(finding.nearest.as_deref(), Some("aws:kms"));
}

#[test]
fn all_findings_come_at_once() {
    let found = check(json!({ "Resources": {
        "A": { "Type": "AWS::S3::Buckets" },
        "B": { "Type": "AWS::SQS::Queue", "Properties": { "Nope": 1, "DelaySeconds": 901 } },
        "C": { "Type": "AWS::IAM::Role", "DependsOn": "X" },
    }}));
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn a_wrong_type_is_told_once() {
    let found = findings(resource("AWS::S3::Bucket", json!({ "Tags": "none" })));
    let [finding] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((finding.rule, finding.property_path.as_str()), (Rule::WrongType, "Tags"));
    assert_eq!(finding.expected.as_deref(), Some("a list"));
}

#[test]
fn text_stands_for_numbers_and_booleans_and_these_for_text() {
    let queue = json!({ "DelaySeconds": "5", "FifoQueue": "true", "QueueName": "a.fifo" });
    assert_eq!(check(resource("AWS::SQS::Queue", queue)), [""; 0]);
    let parameter = json!({ "Name": "x", "Type": "String", "Value": 5 });
    assert_eq!(check(resource("AWS::SSM::Parameter", parameter)), [""; 0]);
    let queue = json!({ "DelaySeconds": "soon" });
    assert_eq!(
        check(resource("AWS::SQS::Queue", queue)),
        ["wrong-type: It DelaySeconds: `soon` is not right here; expected a whole number"]
    );
}

#[test]
fn what_is_only_known_later_is_not_judged() {
    let queue = json!({
        "DelaySeconds": { "Ref": "Delay" },
        "QueueName": { "Fn::Sub": "${AWS::StackName}-x" },
        "KmsMasterKeyId": "{{resolve:ssm:key}}",
        "Tags": { "Fn::FindInMap": ["M", { "Ref": "AWS::Region" }, "tags"] },
    });
    let mut sections = resource("AWS::SQS::Queue", queue);
    sections["Parameters"] = json!({ "Delay": { "Type": "Number" } });
    sections["Mappings"] = json!({ "M": { "eu-central-1": { "tags": [] } } });
    assert_eq!(check(sections), [""; 0]);
}

#[test]
fn both_values_of_a_condition_are_followed() {
    let timeout = |condition: &str| json!({ "Fn::If": [condition, 5, 5000000] });
    let mut sections = json!({
        "Conditions": { "C": { "Fn::Equals": [{ "Ref": "AWS::Region" }, "eu-west-1"] } },
        "Resources": { "It": { "Type": "AWS::SQS::Queue", "Properties": { "DelaySeconds": timeout("C") } } },
    });
    assert_eq!(check(sections.clone()), ["range: It DelaySeconds: 5000000 is too large; expected 0 to 900"]);
    sections["Resources"]["It"]["Condition"] = json!("C");
    assert_eq!(check(sections), [""; 0]);
}

#[test]
fn a_required_property_must_be_there_in_every_case() {
    let alias = |name: Value| {
        json!({
            "Conditions": {
                "C": { "Fn::Equals": [{ "Ref": "AWS::Region" }, "eu-west-1"] },
                "NotC": { "Fn::Not": [{ "Condition": "C" }] },
            },
            "Resources": { "It": { "Type": "AWS::KMS::Alias", "Condition": "C", "Properties": {
                "AliasName": name, "TargetKeyId": "x",
            } } },
        })
    };
    let none = json!({ "Ref": "AWS::NoValue" });
    let found = check(alias(json!({ "Fn::If": ["C", none, "alias/x"] })));
    assert_eq!(found, ["missing-property: It AliasName: `AliasName` must be given"]);
    assert_eq!(check(alias(json!({ "Fn::If": ["C", "alias/x", none] }))), [""; 0]);
    assert_eq!(check(alias(json!({ "Fn::If": ["NotC", none, "alias/x"] }))), [""; 0]);
}

#[test]
fn references_to_what_does_not_exist() {
    let found = check(json!({
        "Parameters": { "Stage": { "Type": "String" } },
        "Resources": {
            "Queue": { "Type": "AWS::SQS::Queue", "Properties": { "QueueName": { "Ref": "Stag" } } },
            "Topic": { "Type": "AWS::SNS::Topic", "Properties": { "TopicName": { "Fn::Sub": "${Queu.Arn}" } } },
            "Alias": { "Type": "AWS::KMS::Alias", "Properties": {
                "AliasName": "alias/x", "TargetKeyId": { "Fn::GetAtt": ["Queue", "Arm"] },
            } },
        },
        "Outputs": { "O": { "Value": { "Fn::If": ["Nope", { "Fn::Join": ["", "x"] }, { "Fn::Gett": [] }] } } },
    }));
    let attributes: Vec<_> = resource_type("AWS::SQS::Queue").unwrap().attributes().map(|it| it.name()).collect();
    let unknown_attribute = format!(
        "unknown-attribute: Alias TargetKeyId: `AWS::SQS::Queue` has no attribute `Arm`; expected one of `{}`; did you mean `Arn`?",
        attributes.join("`, `")
    );
    assert_eq!(
        found,
        [
            "unknown-reference: Queue QueueName: there is no resource or parameter `Stag`; did you mean `Stage`?",
            "unknown-reference: Topic TopicName: there is no resource `Queu`; did you mean `Queue`?",
            unknown_attribute.as_str(),
            "unknown-condition: Outputs.O.Value: there is no condition `Nope`",
            "function-argument: Outputs.O.Value: the argument of `Fn::Join` is wrong; \
             expected a list of the text between the parts, and the list of the parts",
            "unknown-function: Outputs.O.Value: there is no function `Fn::Gett`; did you mean `Fn::GetAtt`?",
        ]
    );
}

#[test]
fn resources_that_need_each_other() {
    let queue = |needs: &str| json!({ "Type": "AWS::SQS::Queue", "DependsOn": needs });
    let found = check(json!({ "Resources": { "A": queue("B"), "B": queue("C"), "C": queue("A"), "D": queue("A") } }));
    assert_eq!(found, ["circular-dependency: A: these resources need each other: A → B → C → A"]);
}

#[test]
fn what_may_not_exist() {
    let sections = |condition: &str| {
        json!({
            "Conditions": {
                "C": { "Fn::Equals": [{ "Ref": "AWS::Region" }, "eu-west-1"] },
                "D": { "Fn::And": [{ "Condition": "C" }, { "Fn::Equals": [{ "Ref": "AWS::AccountId" }, "1"] }] },
                "E": { "Fn::Equals": [{ "Ref": "AWS::AccountId" }, "1"] },
            },
            "Resources": {
                "Key": { "Type": "AWS::KMS::Key", "Condition": "C" },
                "Alias": { "Type": "AWS::KMS::Alias", "Condition": condition, "Properties": {
                    "AliasName": "alias/x", "TargetKeyId": { "Ref": "Key" },
                } },
            },
        })
    };
    assert_eq!(check(sections("C")), [""; 0]);
    assert_eq!(check(sections("D")), [""; 0]);
    assert_eq!(
        check(sections("E")),
        [
            "conditional-reference: Alias TargetKeyId: `Key` only exists if `C` holds; expected an `Fn::If` with `C` around it"
        ]
    );
}

#[test]
fn a_macro_may_mend_anything() {
    let mut sections = resource("AWS::SQS::Queue", json!({ "Nope": 1 }));
    sections["Transform"] = json!(["AWS::Serverless-2016-10-31"]);
    assert_eq!(check(sections), [""; 0]);
}

#[test]
fn rules_have_stable_ids() {
    for rule in Rule::ALL {
        assert_eq!(Rule::from_id(rule.id()), Some(rule));
    }
    assert_eq!(Rule::from_id("nothing"), None);
}

#[test]
fn one_resource_by_itself() {
    let found = xacct_schema::validate::resource("It", &json!({ "Type": "AWS::KMS::Alias" }), None);
    let paths: Vec<_> = found.iter().map(|finding| finding.property_path.as_str()).collect();
    assert_eq!(paths, ["AliasName", "TargetKeyId"]);
}
