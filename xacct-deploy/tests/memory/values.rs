//! Parameters, conditions and functions: what the values in a template come to.

use serde_json::{Value, json};
use xacct_deploy::cloudformation::CreateChangeSet;

use crate::support::{A, B, place, request, resources, role, topic, topic_policy};

/// A template whose outputs are to be looked at.
fn template(outputs: Value) -> Value {
    let outputs: serde_json::Map<String, Value> =
        outputs.as_object().unwrap().iter().map(|(name, value)| (name.clone(), json!({ "Value": value }))).collect();
    json!({
        "Parameters": {
            "Stage": {"Type": "String", "Default": "dev"},
            "Zones": {"Type": "CommaDelimitedList", "Default": "a, b,c"},
        },
        "Mappings": {"Sizes": {"dev": {"Count": "1"}, "prod": {"Count": "3"}}},
        "Conditions": {
            "IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
            "IsDev": {"Fn::Not": [{"Condition": "IsProd"}]},
            "Both": {"Fn::And": [{"Condition": "IsProd"}, {"Condition": "IsDev"}]},
            "One": {"Fn::Or": [{"Condition": "IsProd"}, {"Condition": "IsDev"}]},
        },
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "news"}},
            "OnlyProd": {"Type": "AWS::SNS::Topic", "Condition": "IsProd"},
        },
        "Outputs": outputs,
    })
}

#[tokio::test]
async fn functions_are_resolved() {
    let cases = [
        (json!({"Ref": "Topic"}), format!("arn:aws:sns:eu-west-1:{A}:news")),
        (json!({"Fn::GetAtt": ["Topic", "TopicName"]}), "news".into()),
        (json!({"Fn::GetAtt": "Topic.TopicArn"}), format!("arn:aws:sns:eu-west-1:{A}:news")),
        (
            json!({"Fn::Sub": "${AWS::Region}/${Stage}/${Topic.TopicName}/${!Literal}"}),
            "eu-west-1/dev/news/${Literal}".into(),
        ),
        (json!({"Fn::Sub": ["${X}-${Stage}", {"X": {"Ref": "AWS::AccountId"}}]}), format!("{A}-dev")),
        (json!({"Fn::Join": ["-", ["a", {"Ref": "Stage"}, {"Ref": "AWS::NoValue"}]]}), "a-dev".into()),
        (json!({"Fn::Join": ["+", {"Ref": "Zones"}]}), "a+b+c".into()),
        (json!({"Fn::Select": ["1", {"Ref": "Zones"}]}), "b".into()),
        (json!({"Fn::Select": [2, {"Fn::Split": [":", {"Ref": "Topic"}]}]}), "sns".into()),
        (json!({"Fn::If": ["IsProd", "p", {"Fn::If": ["Both", "b", {"Fn::If": ["One", "o", "n"]}]}]}), "o".into()),
        (json!({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "Count"]}), "1".into()),
        (json!({"Fn::FindInMap": ["Sizes", "qa", "Count", {"DefaultValue": "9"}]}), "9".into()),
        (json!({"Fn::Base64": "hello, world"}), "aGVsbG8sIHdvcmxk".into()),
        (json!({"Fn::Base64": {"Fn::Sub": "${Stage}!"}}), "ZGV2IQ==".into()),
        (json!({"Fn::Length": {"Ref": "Zones"}}), "3".into()),
        (json!({"Fn::ToJsonString": {"stage": {"Ref": "Stage"}, "n": [1]}}), r#"{"stage":"dev","n":[1]}"#.into()),
        (
            json!({"Fn::Join": [",", {"Fn::Cidr": ["10.0.0.0/24", 3, 5]}]}),
            "10.0.0.0/27,10.0.0.32/27,10.0.0.64/27".into(),
        ),
        (json!({"Fn::Join": [",", {"Fn::Cidr": ["fd00::/48", 2, 64]}]}), "fd00::/64,fd00:0:0:1::/64".into()),
        (json!({"Fn::Select": [0, {"Fn::GetAZs": ""}]}), "eu-west-1a".into()),
        (json!({"Ref": "AWS::Partition"}), "aws".into()),
        (json!({"Ref": "AWS::URLSuffix"}), "amazonaws.com".into()),
        (json!({"Ref": "AWS::StackName"}), "Prod".into()),
        (
            json!("{{resolve:secretsmanager:db:SecretString:password}}"),
            "{{resolve:secretsmanager:db:SecretString:password}}".into(),
        ),
    ];
    let outputs: serde_json::Map<String, Value> =
        cases.iter().enumerate().map(|(index, (value, _))| (format!("O{index}"), value.clone())).collect();
    let found = place().outputs(request("Prod", &template(Value::Object(outputs)))).await;
    for (index, (value, expected)) in cases.iter().enumerate() {
        assert_eq!(&found[&format!("O{index}")], expected, "{value}");
    }
}

#[tokio::test]
async fn conditions_follow_parameters() {
    let place = place();
    let template = template(json!({"X": {"Fn::If": ["IsProd", "p", "d"]}}));
    place.deploy(request("Prod", &template)).await;
    assert_eq!(place.resources("Prod").await.len(), 1);
    let found = place.outputs(request("Prod", &template).parameter("Stage", "prod")).await;
    assert_eq!(found["X"], "p");
    assert!(place.resources("Prod").await.contains_key("OnlyProd"));
    place.deploy(request("Prod", &template).parameter("Stage", "dev")).await;
    assert!(!place.resources("Prod").await.contains_key("OnlyProd"));
}

#[tokio::test]
async fn functions_that_cannot_be_resolved_are_refused() {
    let cases = [
        (
            json!({"Fn::Select": [3, ["a", "b"]]}),
            "Template error: Fn::Select cannot select nonexistent value at index 3",
        ),
        (
            json!({"Fn::FindInMap": ["Sizes", "qa", "Count"]}),
            "Template error: Unable to get mapping for Sizes::qa::Count",
        ),
        (json!({"Fn::ImportValue": "nowhere"}), "No export named nowhere found."),
        (json!({"Fn::GetStackOutput": {"StackName": "Else", "OutputName": "X"}}), "Stack with id Else does not exist"),
    ];
    for (value, message) in cases {
        let template = json!({
            "Mappings": {"Sizes": {"dev": {"Count": "1"}}},
            "Resources": {"A": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": value}}},
        });
        assert_eq!(place().refusal(request("Prod", &template)).await, message);
    }
}

#[tokio::test]
async fn parameters_are_checked_against_their_declaration() {
    let template = |declaration: Value| json!({"Parameters": {"P": declaration}, "Resources": {"A": topic("a")}});
    let cases = [
        (json!({"Type": "String"}), None, "Parameters: [P] must have values"),
        (
            json!({"Type": "String", "AllowedValues": ["a", "b"]}),
            Some("c"),
            "Parameter 'P' must be one of AllowedValues",
        ),
        (json!({"Type": "String", "AllowedPattern": "[a-z]+"}), Some("ab1"), "Parameter 'P' must match pattern [a-z]+"),
        (
            json!({"Type": "String", "AllowedPattern": "[a-z]+", "ConstraintDescription": "letters only"}),
            Some("1"),
            "Parameter P failed to satisfy constraint: letters only",
        ),
        (json!({"Type": "String", "MinLength": 3}), Some("ab"), "Parameter 'P' must contain at least 3 characters"),
        (json!({"Type": "String", "MaxLength": "2"}), Some("abc"), "Parameter 'P' must contain at most 2 characters"),
        (json!({"Type": "Number"}), Some("x"), "Parameter 'P' must be a number."),
        (json!({"Type": "Number", "MinValue": 5}), Some("4"), "Parameter 'P' must be a number not less than 5"),
        (json!({"Type": "Number", "MaxValue": 5}), Some("6"), "Parameter 'P' must be a number not greater than 5"),
        (
            json!({"Type": "AWS::SSM::Parameter::Value<String>"}),
            Some("/nowhere"),
            "Unable to fetch parameters [/nowhere] from parameter store for this account.",
        ),
    ];
    for (declaration, value, message) in cases {
        let mut wanted = request("Prod", &template(declaration));
        if let Some(value) = value {
            wanted = wanted.parameter("P", value);
        }
        assert_eq!(place().refusal(wanted).await, message);
    }
    let stranger = request("Prod", &template(json!({"Type": "String", "Default": "x"}))).parameter("Q", "1");
    assert_eq!(place().refusal(stranger).await, "Parameters: [Q] do not exist in the template");
}

#[tokio::test]
async fn a_previous_value_stays() {
    let place = place();
    let template = json!({
        "Parameters": {"P": {"Type": "String", "Default": "default"}},
        "Resources": {"A": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "P"}}}},
        "Outputs": {"P": {"Value": {"Ref": "P"}}},
    });
    place.deploy(request("Prod", &template).parameter("P", "given")).await;
    let refused = place.refusal(request("Prod", &template).previous("P")).await;
    assert!(refused.starts_with("The submitted information didn't contain changes."), "{refused}");
    let found = place.outputs(request("Prod", &template).previous("P").tag("a", "b")).await;
    assert_eq!(found["P"], "given");
}

#[tokio::test]
async fn the_parameter_store_is_looked_up() {
    let place = place();
    place.world.put_parameter(&place.environment, "/image", "ami-1");
    let store = resources(
        json!({"A": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/size", "Type": "String", "Value": "big"}}}),
    );
    place.deploy(request("Store", &store)).await;
    let template = json!({
        "Parameters": {
            "Image": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/image"},
            "Size": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/size"},
        },
        "Resources": {"A": topic("a")},
        "Outputs": {"X": {"Value": {"Fn::Sub": "${Image} ${Size}"}}},
    });
    assert_eq!(place.outputs(request("Prod", &template)).await["X"], "ami-1 big");
    let stack = place.clients.cloudformation.describe_stack("Prod").await.unwrap();
    let image = &stack.parameters["Image"];
    assert_eq!((image.value.as_str(), image.resolved.as_deref()), ("/image", Some("ami-1")));
}

#[tokio::test]
async fn rules_are_asserted() {
    let template = json!({
        "Parameters": {"Stage": {"Type": "String"}, "Size": {"Type": "String"}},
        "Rules": {"Big": {
            "RuleCondition": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
            "Assertions": [{"Assert": {"Fn::Contains": [["l", "xl"], {"Ref": "Size"}]}, "AssertDescription": "prod is large"}],
        }},
        "Resources": {"A": topic("a")},
    });
    let with = |stage: &str, size: &str| request("Prod", &template).parameter("Stage", stage).parameter("Size", size);
    assert_eq!(place().refusal(with("prod", "s")).await, "Template Rule 'Big' validation failed: prod is large");
    place().deploy(with("prod", "xl")).await;
    place().deploy(with("dev", "s")).await;
}

#[tokio::test]
async fn exports_are_strong_references() {
    let place = place();
    let producer = |name: &str, export: bool| {
        let mut output = json!({"Value": {"Ref": "Topic"}});
        if export {
            output["Export"] = json!({"Name": {"Fn::Sub": "${AWS::StackName}-topic"}});
        }
        json!({
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}},
            "Outputs": {"Topic": output},
        })
    };
    place.deploy(request("Base", &producer("one", true))).await;
    let consumer = resources(
        json!({"A": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::ImportValue": "Base-topic"}}}}),
    );
    place.deploy(request("User", &consumer)).await;
    let shown = place.world.properties(&place.environment, "User", "A").unwrap();
    assert_eq!(shown["DisplayName"], format!("arn:aws:sns:eu-west-1:{A}:one"));

    for (template, said) in [
        (producer("two", true), "Export Base-topic cannot be updated as it is in use by User"),
        (producer("one", false), "Export Base-topic cannot be deleted as it is in use by User"),
    ] {
        let stack = place.deploy(request("Base", &template)).await;
        assert_eq!(stack.status.as_str(), "UPDATE_ROLLBACK_COMPLETE");
        let story = place.story("Base").await;
        assert!(story.contains(&format!("Base UPDATE_ROLLBACK_IN_PROGRESS ({said})")), "{story:#?}");
    }
    place.delete("Base").await.unwrap();
    let stack = place.clients.cloudformation.describe_stack("Base").await.unwrap();
    assert_eq!(stack.status.as_str(), "DELETE_FAILED");
    assert_eq!(
        stack.status_reason.as_deref(),
        Some("Delete canceled. Cannot delete export Base-topic as it is in use by User.")
    );
    let twin = place.refusal_of_twin(&producer("other", true)).await;
    assert_eq!(twin, "Export with name shared is already exported by stack One");
    place.delete("User").await.unwrap();
    place.delete("Base").await.unwrap();
    assert!(place.clients.cloudformation.describe_stack("Base").await.is_err());
}

impl crate::support::Place {
    /// Two stacks export the same name: what the second is told.
    async fn refusal_of_twin(&self, template: &Value) -> String {
        let mut template = template.clone();
        template["Outputs"]["Topic"]["Export"]["Name"] = json!("shared");
        template["Resources"]["Topic"]["Properties"] = json!({});
        self.deploy(request("One", &template)).await;
        let stack = self.deploy(request("Two", &template)).await;
        assert_eq!(stack.status.as_str(), "ROLLBACK_COMPLETE");
        let events = self.events("Two").await;
        let turned = events.into_iter().find(|it| it.status == "ROLLBACK_IN_PROGRESS").unwrap();
        turned.status_reason.unwrap().replace(" Rollback requested by user.", "")
    }
}

#[tokio::test]
async fn an_output_of_another_account_needs_a_role_there() {
    let here = place();
    let there = here.other(B);
    let reader = format!("arn:aws:iam::{B}:role/reader");
    let producer = |trusts: &str, action: &str| {
        let mut reader = role("reader", json!({"AWS": format!("arn:aws:iam::{trusts}:root")}));
        reader["Properties"]["Policies"] = json!([{"PolicyName": "p", "PolicyDocument": {"Statement": [
            {"Effect": "Allow", "Action": action, "Resource": "*"}]}}]);
        json!({
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "one"}}, "Reader": reader},
            "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
        })
    };
    let consumer = json!({
        "Resources": {"A": topic("a")},
        "Outputs": {"X": {"Value": "x"}, "Topic": {"Value": {"Fn::GetStackOutput": {
            "StackName": "Base", "OutputName": "Topic", "RoleArn": reader}}}},
    });
    let refusal = async |name: &str| {
        let stack = here.deploy(request(name, &consumer)).await;
        assert_eq!(stack.status.as_str(), "ROLLBACK_COMPLETE");
        here.events(name)
            .await
            .into_iter()
            .find(|it| it.status == "ROLLBACK_IN_PROGRESS")
            .unwrap()
            .status_reason
            .unwrap()
    };
    assert!(refusal("NoRole").await.contains("is not authorized to perform: sts:AssumeRole"));
    there.deploy(request("Base", &producer("333333333333", "cloudformation:DescribeStacks"))).await;
    assert!(refusal("NoTrust").await.contains("is not authorized to perform: sts:AssumeRole"));
    there.deploy(request("Base", &producer(A, "s3:*"))).await;
    assert!(refusal("NoRight").await.contains("is not authorized to perform: cloudformation:DescribeStacks"));
    there.deploy(request("Base", &producer(A, "cloudformation:Describe*"))).await;
    assert_eq!(here.outputs(request("Good", &consumer)).await["Topic"], format!("arn:aws:sns:eu-west-1:{B}:one"));
}

#[tokio::test]
async fn values_that_are_not_echoed_are_seen_by_nobody_but_whoever_reads_an_output() {
    let place = place();
    let template = json!({
        "Parameters": {"Password": {"Type": "String", "NoEcho": true}},
        "Resources": {"A": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::Sub": "pw=${Password}"}}}},
        "Outputs": {
            "Sub": {"Value": {"Fn::Sub": "pw=${Password}"}},
            "Coded": {"Value": {"Fn::Base64": {"Ref": "Password"}}},
        },
    });
    let with = |password: &str| request("Prod", &template).parameter("Password", password);
    let found = place.outputs(with("hunter2")).await;
    assert_eq!((found["Sub"].as_str(), found["Coded"].as_str()), ("pw=hunter2", "aHVudGVyMg=="));
    let stack = place.clients.cloudformation.describe_stack("Prod").await.unwrap();
    assert_eq!(stack.parameters["Password"].value, "****");
    assert_eq!(place.world.properties(&place.environment, "Prod", "A").unwrap()["DisplayName"], "pw=****");
    let same = place.refusal(with("hunter2")).await;
    assert!(same.starts_with("The submitted information didn't contain changes."), "{same}");
    let change_set = place.change_set(with("other")).await.unwrap();
    assert_eq!(change_set.changes.len(), 1, "another secret is a change");
    assert!(!format!("{change_set:?}{:?}", place.events("Prod").await).contains("hunter2"));
}

#[tokio::test]
async fn an_access_key_is_readable_once_it_is_an_output() {
    let place = place();
    let template = json!({
        "Resources": {
            "User": {"Type": "AWS::IAM::User"},
            "Key": {"Type": "AWS::IAM::AccessKey", "Properties": {"UserName": {"Ref": "User"}}},
        },
        "Outputs": {"Id": {"Value": {"Ref": "Key"}}, "Secret": {"Value": {"Fn::GetAtt": ["Key", "SecretAccessKey"]}}},
    });
    let found = place.outputs(request("Prod", &template)).await;
    assert!(found["Id"].starts_with("AKIA") && found["Id"].len() == 20, "{}", found["Id"]);
    assert_eq!(found["Secret"].len(), 40);
}

#[tokio::test]
async fn stack_tags_reach_the_resources() {
    let place = place();
    let template = resources(json!({"A": topic("a"), "P": {"Type": "AWS::SNS::TopicPolicy", "Properties": {
        "Topics": [{"Ref": "A"}], "PolicyDocument": topic_policy()}}}));
    place.deploy(request("Prod", &template)).await;
    let change_set = place.change_set(request("Prod", &template).tag("team", "x")).await.unwrap();
    let changes: Vec<_> = change_set.changes.iter().map(|it| (it.logical_id.as_str(), it.scope.join(","))).collect();
    assert_eq!(changes, [("A", "Tags".to_owned())], "what takes no tags does not change");
}

#[tokio::test]
async fn an_unknown_function_is_refused() {
    let template =
        resources(json!({"A": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::Upper": "a"}}}}));
    let wanted: CreateChangeSet = request("Prod", &template).0;
    assert!(place().refusal(crate::support::Request(wanted)).await.contains("Fn::Upper"));
}
