//! References between stacks: by name, parameter, stack output, export; the order that follows, and cycles.

use crate::support::{A, B, Role, Store, names, only, props, stack};
use serde_json::json;
use xacct_core::value::Props;
use xacct_core::{
    App, CfnOutput, CfnOutputProps, Construct, Environment, Node, Principal, ReferenceStrategy, Region, Stack,
    StackProps, Value,
};

fn topic(scope: &dyn Construct, id: &str, name: Value<str>) -> Node {
    Node::new_resource(scope, id, "AWS::SNS::Topic", props([("DisplayName", name.into_expr())]))
}

fn queue(scope: &dyn Construct, id: &str) -> Node {
    Node::new_resource(scope, id, "AWS::SQS::Queue", Props::default())
}

#[test]
fn by_default_an_output_fills_a_parameter_and_orders_the_stacks() {
    let app = App::new();
    let consumer = stack(&app, "A-Consumer", B);
    let producer = stack(&app, "Producer", A);
    let queue = queue(&producer, "Queue");
    topic(&consumer, "Topic", queue.get_att("QueueName"));

    let assembly = app.synth().unwrap();
    assert_eq!(names(&assembly), ["Producer", "A-Consumer"]);
    let consumer = assembly.stack("A-Consumer").unwrap();
    let input = &consumer.inputs[0];
    assert_eq!((input.from_stack.as_str(), input.output.as_str()), ("Producer", "QueueQueueName"));
    assert_eq!(consumer.template["Parameters"], json!({ &input.parameter: { "Type": "String" } }));
    let topic = only(&assembly, "A-Consumer", "AWS::SNS::Topic");
    assert_eq!(topic["Properties"]["DisplayName"], json!({ "Ref": input.parameter }));
    let outputs = &assembly.stack("Producer").unwrap().template["Outputs"];
    assert_eq!(*outputs, json!({ "QueueQueueName": { "Value": { "Fn::GetAtt": ["Queue", "QueueName"] } } }));
    assert!(consumer.dependencies[0].reason.contains("`A-Consumer/Topic` uses `QueueName` of `Producer/Queue`"));
}

#[test]
fn a_stack_output_is_read_with_a_role_that_may_only_describe_that_stack() {
    let app = App::new();
    app.set_reference_strategy(ReferenceStrategy::GetStackOutput);
    let producer = stack(&app, "Producer", A);
    let there = Environment::new(B, Region::literal("us-east-1"));
    let consumer = Stack::new(&app, "Consumer", there, StackProps::new());
    let queue = queue(&producer, "Queue");
    topic(&consumer, "Topic", queue.get_att("QueueName"));

    let assembly = app.synth().unwrap();
    let topic = only(&assembly, "Consumer", "AWS::SNS::Topic");
    let call = &topic["Properties"]["DisplayName"]["Fn::GetStackOutput"];
    assert_eq!((&call["StackName"], &call["Region"]), (&json!("Producer"), &json!("eu-west-1")));
    let role = only(&assembly, "Producer", "AWS::IAM::Role");
    let arn = format!("arn:aws:iam::111111111111:role/{}", role["Properties"]["RoleName"].as_str().unwrap());
    assert_eq!(call["RoleArn"], arn);
    let statement = &role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0];
    assert_eq!(statement["Action"], "cloudformation:DescribeStacks");
    assert_eq!(statement["Resource"], "arn:aws:cloudformation:eu-west-1:111111111111:stack/Producer/*");
    assert_eq!(names(&assembly), ["Producer", "Consumer"]);
}

#[test]
fn the_reader_role_trusts_the_consumers_execution_role_or_says_why_not() {
    let reader = |props: StackProps| {
        let app = App::new();
        app.set_reference_strategy(ReferenceStrategy::GetStackOutput);
        let producer = stack(&app, "Producer", A);
        let consumer = Stack::new(&app, "Consumer", Environment::new(B, Region::literal("us-east-1")), props);
        topic(&consumer, "Topic", queue(&producer, "Queue").get_att("QueueName"));
        let assembly = app.synth().unwrap();
        let role = only(&assembly, "Producer", "AWS::IAM::Role");
        let trust = role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0].clone();
        assert_eq!(trust["Principal"]["AWS"], "arn:aws:iam::222222222222:root");
        (trust["Condition"].clone(), assembly.silenced)
    };
    let arn = "arn:aws:iam::222222222222:role/deployer";
    let (condition, silenced) = reader(StackProps::new().execution_role(arn));
    assert_eq!(condition, json!({ "ArnEquals": { "aws:PrincipalArn": arn } }));
    assert_eq!(silenced, []);

    let (condition, silenced) = reader(StackProps::new());
    assert_eq!(condition, json!(null));
    let [silenced] = silenced.as_slice() else { panic!("{silenced:?}") };
    assert_eq!((silenced.rule.as_str(), silenced.path.as_str()), ("XA122", "Producer/OutputReader"));
    assert!(silenced.reason.contains("give that stack an execution role"), "{}", silenced.reason);
}

#[test]
fn one_account_needs_no_reader_role() {
    let app = App::new();
    let producer = stack(&app, "Producer", A);
    let consumer = stack(&app, "Consumer", A);
    let name: Value<str> = queue(&producer, "Queue").get_att("QueueName");
    topic(&consumer, "Topic", name.via(ReferenceStrategy::GetStackOutput));
    let assembly = app.synth().unwrap();
    let topic = only(&assembly, "Consumer", "AWS::SNS::Topic");
    let expected = json!({ "Fn::GetStackOutput": { "StackName": "Producer", "OutputName": "QueueQueueName" } });
    assert_eq!(topic["Properties"]["DisplayName"], expected);
}

#[test]
fn exports_stay_within_an_environment() {
    let define = |account| {
        let app = App::new();
        let producer = stack(&app, "Producer", A);
        let consumer = stack(&app, "Consumer", account);
        let name: Value<str> = queue(&producer, "Queue").get_att("QueueName");
        topic(&consumer, "Topic", name.via(ReferenceStrategy::Export));
        app.synth()
    };
    let assembly = define(A).unwrap();
    let topic = only(&assembly, "Consumer", "AWS::SNS::Topic");
    assert_eq!(topic["Properties"]["DisplayName"], json!({ "Fn::ImportValue": "Producer:QueueQueueName" }));
    let output = &assembly.stack("Producer").unwrap().template["Outputs"]["QueueQueueName"];
    assert_eq!(output["Export"]["Name"], "Producer:QueueQueueName");
    assert!(define(B).unwrap_err().to_string().contains("exports reach only their own account and region"));
}

#[test]
fn a_cycle_is_reported_with_every_step_and_a_way_out() {
    let app = App::new();
    let one = stack(&app, "One", A);
    let two = stack(&app, "Two", A);
    let first = queue(&one, "Queue");
    let second = Store::new(&two, "Store");
    topic(&two, "Topic", first.get_att("QueueName"));
    topic(&one, "Topic", second.resource.get_att("DomainName"));
    let error = app.synth().unwrap_err().to_string();
    assert!(error.contains("stacks depend on each other: `One` -> `Two` -> `One`"), "{error}");
    assert!(error.contains("`One/Topic` uses `DomainName` of `Two/Store/Resource`"), "{error}");
    assert!(error.contains("`Two/Topic` uses `QueueName` of `One/Queue`"), "{error}");
    assert!(error.contains("give `Two/Store/Resource` a name of its own (`BucketName`)"), "{error}");
    assert!(error.contains("core/references.rs:"), "{error}");
}

#[test]
fn names_reach_both_ways_without_a_cycle() {
    let app = App::new();
    let one = stack(&app, "One", A);
    let two = stack(&app, "Two", B);
    let service = || Principal::service("codebuild.amazonaws.com");
    let (here, there) = (Role::new(&one, "Role", service(), None), Role::new(&two, "Role", service(), None));
    topic(&one, "Topic", there.arn());
    topic(&two, "Topic", here.arn());
    let assembly = app.synth().unwrap();
    assert!(assembly.stacks.iter().all(|it| it.dependencies.is_empty()));
    let topic = only(&assembly, "One", "AWS::SNS::Topic");
    let name = only(&assembly, "Two", "AWS::IAM::Role")["Properties"]["RoleName"].as_str().unwrap();
    assert_eq!(topic["Properties"]["DisplayName"], format!("arn:aws:iam::222222222222:role/{name}"));
}

#[test]
fn a_dependency_on_a_construct_of_another_stack_orders_the_stacks() {
    let app = App::new();
    let tools = stack(&app, "A-Tools", A);
    let production = stack(&app, "Production", B);
    let role = Role::new(&production, "Role", Principal::service("codebuild.amazonaws.com"), Some("role"));
    topic(&tools, "Topic", role.arn()).depends_on(&role);
    let assembly = app.synth().unwrap();
    assert_eq!(names(&assembly), ["Production", "A-Tools"]);
}

#[test]
fn a_secret_access_key_does_not_leave_its_stack() {
    let app = App::new();
    let one = stack(&app, "One", A);
    let two = stack(&app, "Two", A);
    let key = Node::new_resource(&one, "Key", "AWS::IAM::AccessKey", props([("UserName", "someone".into())]));
    CfnOutput::new(&one, "Secret", key.get_att::<str>("SecretAccessKey"), CfnOutputProps::new());
    topic(&two, "Topic", key.get_att("SecretAccessKey"));
    let error = app.synth().unwrap_err();
    assert_eq!(error.diagnostics.iter().filter(|it| it.rule == "secret-in-output").count(), 2, "{error}");
}
