//! Included templates come out as they went in, and their resources are at hand.

use serde_json::{Value as Json, json};
use xacct_core::include::parse;
use xacct_core::value::Props;
use xacct_core::{
    AccountId, App, CfnInclude, CfnOutput, CfnOutputProps, Environment, Node, Region, Stack, StackProps, Value,
};

fn stack(app: &App, id: &str) -> Stack {
    let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
    Stack::new(app, id, environment, StackProps::new())
}

/// The template of a stack that holds nothing but the included text.
fn included(text: &str) -> Json {
    let app = App::new();
    CfnInclude::new(&stack(&app, "Legacy"), "Template", text);
    app.synth().unwrap().stacks[0].template.clone()
}

const YAML: &str = r#"
AWSTemplateFormatVersion: 2010-09-09
Description: a queue that was here before
Metadata:
  AWS::CloudFormation::Interface: { ParameterGroups: [] }
Parameters:
  Stage: { Type: String, Default: dev, AllowedValues: [dev, prod] }
Mappings:
  Retention:
    dev: { Seconds: 60 }
    prod: { Seconds: 3600 }
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: !Not [!Condition IsProd]
Resources:
  Queue:
    Type: AWS::SQS::Queue
    DeletionPolicy: Retain
    Metadata: { "cost.centre": 17 }
    Properties:
      QueueName: !Sub "jobs-${Stage}"
      MessageRetentionPeriod: !FindInMap [Retention, !Ref Stage, Seconds]
      DelaySeconds: !If [IsProd, 5, !Ref "AWS::NoValue"]
      RedriveAllowPolicy: { redrivePermission: denyAll }
      Tags:
        - { Key: account, Value: 012345678901 }
  Topic:
    Type: AWS::SNS::Topic
    Condition: IsProd
    DependsOn: Queue
Outputs:
  Queue:
    Condition: IsProd
    Description: |
      where jobs
      go
    Value: !GetAtt Queue.Arn
    Export: { Name: !Join [ "-", [ !Ref "AWS::StackName", queue ] ] }
"#;

fn json_of_yaml() -> Json {
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "a queue that was here before",
        "Metadata": { "AWS::CloudFormation::Interface": { "ParameterGroups": [] } },
        "Parameters": { "Stage": { "Type": "String", "Default": "dev", "AllowedValues": ["dev", "prod"] } },
        "Mappings": { "Retention": { "dev": { "Seconds": 60 }, "prod": { "Seconds": 3600 } } },
        "Conditions": {
            "IsProd": { "Fn::Equals": [{ "Ref": "Stage" }, "prod"] },
            "IsDev": { "Fn::Not": [{ "Condition": "IsProd" }] }
        },
        "Resources": {
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "DeletionPolicy": "Retain",
                "Metadata": { "cost.centre": 17 },
                "Properties": {
                    "QueueName": { "Fn::Sub": "jobs-${Stage}" },
                    "MessageRetentionPeriod": { "Fn::FindInMap": ["Retention", { "Ref": "Stage" }, "Seconds"] },
                    "DelaySeconds": { "Fn::If": ["IsProd", 5, { "Ref": "AWS::NoValue" }] },
                    "RedriveAllowPolicy": { "redrivePermission": "denyAll" },
                    "Tags": [{ "Key": "account", "Value": "012345678901" }]
                }
            },
            "Topic": { "Type": "AWS::SNS::Topic", "Condition": "IsProd", "DependsOn": "Queue" }
        },
        "Outputs": {
            "Queue": {
                "Condition": "IsProd",
                "Description": "where jobs\ngo\n",
                "Value": { "Fn::GetAtt": ["Queue", "Arn"] },
                "Export": { "Name": { "Fn::Join": ["-", [{ "Ref": "AWS::StackName" }, "queue"]] } }
            }
        }
    })
}

#[test]
fn yaml_with_short_forms_comes_out_as_its_json() {
    assert_eq!(included(YAML), json_of_yaml());
}

#[test]
fn json_comes_out_as_it_went_in() {
    assert_eq!(included(&json_of_yaml().to_string()), json_of_yaml());
}

#[test]
fn anchors_merges_and_plain_scalars_are_read() {
    let text = "
Resources:
  A:
    Type: AWS::SSM::Parameter
    Properties: &common { Type: String, Value: 1e3x, Description: !!str 5 }
  B:
    Type: AWS::SSM::Parameter
    Properties: { <<: *common, Value: \"true\" }
";
    let resources = included(text)["Resources"].clone();
    assert_eq!(resources["A"]["Properties"], json!({ "Type": "String", "Value": "1e3x", "Description": "5" }));
    assert_eq!(resources["B"]["Properties"], json!({ "Type": "String", "Value": "true", "Description": "5" }));
}

#[test]
fn a_resource_is_referred_to_overridden_and_depended_on() {
    let app = App::new();
    let stack = stack(&app, "Legacy");
    let legacy = CfnInclude::new(&stack, "Template", YAML);
    let queue = legacy.resource("Queue");
    queue.override_property("DelaySeconds", 7_i64);
    let arn: Value<str> = queue.get_att("Arn");
    CfnOutput::new(&stack, "QueueArn", arn, CfnOutputProps::new());
    let bus = Node::new_resource(&stack, "Other", "AWS::SNS::Topic", Props::default());
    bus.set_condition(&legacy.condition("IsProd"));
    let topic = legacy.resource("Topic");
    topic.depends_on(&bus);
    let stage: Value<str> = legacy.parameter("Stage").reference();
    CfnOutput::new(&stack, "StageName", stage, CfnOutputProps::new());

    let template = app.synth().unwrap().stacks[0].template.clone();
    assert_eq!(template["Resources"]["Queue"]["Properties"]["DelaySeconds"], 7);
    assert_eq!(template["Outputs"]["QueueArn"]["Value"], json!({ "Fn::GetAtt": ["Queue", "Arn"] }));
    assert_eq!(template["Outputs"]["StageName"]["Value"], json!({ "Ref": "Stage" }));
    assert_eq!(template["Resources"]["Other"]["Condition"], "IsProd");
    assert_eq!(template["Resources"]["Topic"]["DependsOn"], json!(["Other", "Queue"]));
}

#[test]
fn another_stack_can_refer_to_an_included_resource() {
    let app = App::new();
    let (legacy, reader) = (stack(&app, "Legacy"), stack(&app, "Reader"));
    let queue = CfnInclude::new(&legacy, "Template", YAML).resource("Queue");
    let arn: Value<str> = queue.get_att("Arn");
    CfnOutput::new(&reader, "Seen", arn, CfnOutputProps::new());
    let assembly = app.synth().unwrap();
    assert_eq!(assembly.stacks[0].display_name, "Legacy");
    assert_eq!(assembly.stacks[1].inputs[0].from_stack, "Legacy");
}

#[test]
fn a_finding_about_an_included_resource_has_its_path() {
    let app = App::new();
    let text = "Resources: { Queue: { Type: AWS::SQS::Queue, Properties: { QueueNam: jobs } } }";
    CfnInclude::new(&stack(&app, "Legacy"), "Template", text);
    let finding = app.synth().unwrap_err().diagnostics[0].clone();
    assert_eq!(finding.path.as_deref(), Some("Legacy/Template/Queue"));
}

#[test]
fn what_cannot_be_read_is_said_with_its_place_and_what_to_do() {
    for (text, message, help) in [
        (
            "Resources: { A: { Type: !Reff B } }",
            "`!Reff` is not a function of CloudFormation at line 1, column 25",
            "did you mean `!Ref`?",
        ),
        ("Resources: {}\nResources: {}", "the key `Resources` is there twice at line 2, column 1", "keep one"),
        ("Resources: [", "line 2, column 1", "look at the indentation"),
        ("Resources:\n  A:\n\tType: AWS::SNS::Topic", "at line 3, column 2", "indent with spaces"),
        (
            "Resources: *common",
            "unknown anchor at line 1, column 12",
            "names an anchor (`&name`) that stands before it",
        ),
        ("A: &a { B: *a }", "an alias stands inside of what it names at line 1", "write out what it stands for"),
        ("{ \"Resources\": ", "EOF while parsing a value at line 1, column 15", "JSON has neither comments"),
        ("{ \"A\": {},\n\"A\": {} }", "the key `A` is there twice at line 2, column 3", "keep one"),
        ("{ \"A\": { \"B\": [{ \"C\": 1, \"C\": 1 }] } }", "the key `C` is there twice at line 1", "keep one"),
        ("", "it is empty", "give the text of a CloudFormation template"),
        ("# nothing\n", "it is empty", "give the text of a CloudFormation template"),
        ("a: 1\n---\nb: 2", "it holds more than one document", "include each document by itself"),
        ("[1]", "it is not an object", "give the text of a CloudFormation template"),
        ("Resources: { A: { Properties: {} } }", "the resource `A` has no `Type`", "add one"),
        ("Resources: { A: AWS::SNS::Topic }", "the resource `A` is not an object", "`Type` and `Properties`"),
        ("Outputs: none", "its `Outputs` are not an object", "names as keys"),
    ] {
        let app = App::new();
        CfnInclude::new(&stack(&app, "Legacy"), "Template", text);
        let error = app.synth().unwrap_err();
        let found = &error.diagnostics[0];
        let start = "the template of `Legacy/Template` cannot be taken in: ";
        assert!(found.message.starts_with(start) && found.message.contains(message), "{text:?}: {found}");
        assert!(found.help.as_ref().is_some_and(|it| it.contains(help)), "{text:?}: {found}");
        assert!(found.location.as_ref().is_some_and(|it| it.file == file!()), "{text:?}: {found}");
        assert!(error.diagnostics.iter().all(|it| it.rule == "include"), "and nothing that follows from it: {error}");
    }
}

#[test]
fn aliases_of_aliases_do_not_fill_the_memory() {
    let mut text = "A0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("A{level}: &a{level} [{items}]\n"));
    }
    let message = parse(&text).unwrap_err().message;
    assert!(message.starts_with("its aliases make it too large at line 6"), "{message}");
}

#[test]
fn plain_text_that_other_readers_take_for_something_else_stays_text() {
    let text = "\u{feff}A: [012345678901, 2012-10-17, 0755, 0x1F, 0o17, 12:30:45, 1_000, yes, no, on, off, .nan, 123456789012345678901]\r\n";
    let expected = [
        "012345678901",
        "2012-10-17",
        "0755",
        "0x1F",
        "0o17",
        "12:30:45",
        "1_000",
        "yes",
        "no",
        "on",
        "off",
        ".nan",
        "123456789012345678901",
    ];
    assert_eq!(parse(text).unwrap(), json!({ "A": expected }));
    assert_eq!(parse("A: [7, -7, 1.5, 1e3, true, ~]").unwrap(), json!({ "A": [7, -7, 1.5, 1e3, true, null] }));
}

#[test]
fn every_short_form_is_its_long_form() {
    for (short, long) in [
        ("!Ref A", json!({ "Ref": "A" })),
        ("!Condition A", json!({ "Condition": "A" })),
        ("!GetAtt A.Arn", json!({ "Fn::GetAtt": ["A", "Arn"] })),
        ("!GetAtt A.Outputs.X", json!({ "Fn::GetAtt": ["A", "Outputs.X"] })),
        ("!GetAtt [A, Arn]", json!({ "Fn::GetAtt": ["A", "Arn"] })),
        ("!Sub '${A}'", json!({ "Fn::Sub": "${A}" })),
        ("!Sub ['${B}', { B: !Ref A }]", json!({ "Fn::Sub": ["${B}", { "B": { "Ref": "A" } }] })),
        ("!Join ['-', [a, b]]", json!({ "Fn::Join": ["-", ["a", "b"]] })),
        ("!If [C, a, b]", json!({ "Fn::If": ["C", "a", "b"] })),
        ("!FindInMap [M, a, b]", json!({ "Fn::FindInMap": ["M", "a", "b"] })),
        ("!Select [0, !Split [',', 'a,b']]", json!({ "Fn::Select": [0, { "Fn::Split": [",", "a,b"] }] })),
        ("!Base64 text", json!({ "Fn::Base64": "text" })),
        ("!Cidr [10.0.0.0/16, 4, 8]", json!({ "Fn::Cidr": ["10.0.0.0/16", 4, 8] })),
        ("!ImportValue {'Fn::Sub': x}", json!({ "Fn::ImportValue": { "Fn::Sub": "x" } })),
        ("!GetAZs ''", json!({ "Fn::GetAZs": "" })),
        ("!Transform { Name: X }", json!({ "Fn::Transform": { "Name": "X" } })),
        (
            "!And [!Equals [a, b], !Not [!Or [!Condition A]]]",
            json!({ "Fn::And": [
            { "Fn::Equals": ["a", "b"] },
            { "Fn::Not": [{ "Fn::Or": [{ "Condition": "A" }] }] }
        ] }),
        ),
    ] {
        assert_eq!(parse(&format!("A: {short}")).unwrap(), json!({ "A": long }), "{short}");
    }
}

#[test]
fn an_unknown_name_is_met_with_the_nearest() {
    let app = App::new();
    let legacy = CfnInclude::new(&stack(&app, "Legacy"), "Template", YAML);
    legacy.resource("Queu");
    let finding = app.synth().unwrap_err().diagnostics[0].clone();
    assert_eq!(finding.message, "the template has no resource `Queu`");
    assert_eq!(finding.help.as_deref(), Some("did you mean `Queue`?"));
    assert_eq!(finding.location.map(|it| it.file).as_deref(), Some("xacct-core/tests/core/include.rs"));
}

#[test]
fn two_templates_share_a_stack_unless_their_sections_disagree() {
    let app = App::new();
    let both = stack(&app, "Both");
    CfnInclude::new(&both, "A", "AWSTemplateFormatVersion: 2010-09-09\nResources: { A: { Type: AWS::SNS::Topic } }");
    CfnInclude::new(&both, "B", "AWSTemplateFormatVersion: 2010-09-09\nResources: { B: { Type: AWS::SNS::Topic } }");
    assert_eq!(app.synth().unwrap().stacks[0].template["Resources"].as_object().unwrap().len(), 2);
    CfnInclude::new(&both, "C", "Metadata: { a: 1 }\nResources: { A: { Type: AWS::SNS::Topic } }");
    CfnInclude::new(&both, "D", "Metadata: { a: 2 }");
    let messages: Vec<String> = app.synth().unwrap_err().diagnostics.into_iter().map(|it| it.message).collect();
    assert_eq!(
        messages,
        [
            "`Both/C/A` and `Both/A/A` have the same logical id `A`",
            "`Metadata` is already in the template of the stack, with another content",
        ]
    );
}
