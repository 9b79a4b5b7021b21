//! Elements of a template other than plain resources, and what is added to resources from further up.

use crate::support::{A, B, Role, Store, only, props, resources, stack};
use serde_json::json;
use xacct_core::intrinsics::{equals, join, no_value, pseudo, select, split};
use xacct_core::value::{Props, Pseudo};
use xacct_core::{
    App, CfnCondition, CfnMapping, CfnOutput, CfnOutputProps, CfnParameter, CfnParameterProps, Construct, Expr, Node,
    Principal, RemovalPolicy, Value, concat,
};

fn queue(scope: &dyn Construct, id: &str, props: Props) -> Node {
    Node::new_resource(scope, id, "AWS::SQS::Queue", props)
}

#[test]
fn parameters_conditions_mappings_and_outputs_take_their_places() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let stage = CfnParameter::new(
        &tools,
        "Stage",
        CfnParameterProps::new().allowed_values(["dev", "prod"]).default_value("dev"),
    );
    let is_prod = CfnCondition::new(&tools, "IsProd", equals(stage.value(), "prod"));
    let names = CfnMapping::new(&tools, "Names", [("eu-west-1", [("Queue", "jobs")])]);
    let delay: Value<i64> = is_prod.choose(0, no_value());
    let name = names.find(pseudo(Pseudo::Region), "Queue");
    let queue = queue(&tools, "Queue", props([("DelaySeconds", delay.into_expr()), ("QueueName", name.into_expr())]));
    Node::new_resource(&tools, "Extra", "AWS::SQS::Queue", Props::default()).set_condition(&is_prod);
    queue.apply_removal_policy(RemovalPolicy::Retain);
    let last = select::<str>(1, split(":", queue.get_att::<str>("Arn")));
    CfnOutput::new(&tools, "Part", join("-", [last, concat(["a", "b"])]), CfnOutputProps::new().description("a part"));

    let assembly = app.synth().unwrap();
    assert_eq!(
        assembly.stack("Tools").unwrap().template,
        json!({
            "Parameters": { "Stage": { "AllowedValues": ["dev", "prod"], "Default": "dev", "Type": "String" } },
            "Mappings": { "Names": { "eu-west-1": { "Queue": "jobs" } } },
            "Conditions": { "IsProd": { "Fn::Equals": [{ "Ref": "Stage" }, "prod"] } },
            "Resources": { "Extra": { "Type": "AWS::SQS::Queue", "Condition": "IsProd" }, "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {
                    "DelaySeconds": { "Fn::If": ["IsProd", 0, { "Ref": "AWS::NoValue" }] },
                    "QueueName": { "Fn::FindInMap": ["Names", { "Ref": "AWS::Region" }, "Queue"] },
                },
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
            } },
            "Outputs": { "Part": {
                "Description": "a part",
                "Value": { "Fn::Join": ["-", [
                    { "Fn::Select": [1, { "Fn::Split": [":", { "Fn::GetAtt": ["Queue", "Arn"] }] }] },
                    "ab",
                ]] },
            } },
        })
    );
}

#[test]
fn overrides_reach_into_properties_and_beyond() {
    let app = App::new();
    app.skip_validation();
    let tools = stack(&app, "Tools", A);
    let queue = queue(&tools, "Queue", props([("DelaySeconds", Expr::Int(3)), ("QueueName", "jobs".into())]));
    queue.override_property("DelaySeconds", 5);
    queue.override_property("Newer.Than.Types", "yes");
    queue.override_property("Tags", serde_json::json!([{ "Key": "a", "Value": "b" }]));
    queue.override_property("Tags.0.Value", "c");
    queue.delete_property("QueueName");
    queue.override_attribute("Metadata.Team", "builds");
    queue.override_logical_id("Imported");
    let assembly = app.synth().unwrap();
    assert_eq!(
        assembly.stack("Tools").unwrap().template["Resources"],
        json!({ "Imported": {
            "Type": "AWS::SQS::Queue",
            "Properties": { "DelaySeconds": 5, "Newer": { "Than": { "Types": "yes" } }, "Tags": [{ "Key": "a", "Value": "c" }] },
            "Metadata": { "Team": "builds" },
        } })
    );

    queue.override_property("DelaySeconds.Deeper", 1);
    let error = app.synth().unwrap_err();
    assert!(error.to_string().contains("there is no object or list to look for `Deeper` in"), "{error}");
    tools.node().override_property("Nothing", 1);
    assert!(app.synth().unwrap_err().to_string().contains("`Tools` is not a resource"));
}

#[test]
fn tags_and_boundaries_come_down_the_tree() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    app.node().add_tag("owner", "platform");
    tools.node().add_tag("stage", "dev");
    let one = queue(&tools, "One", props([("Tags", json!([{ "Key": "stage", "Value": "own" }]).into())]));
    one.remove_tag("owner");
    Store::new(&tools, "Store");
    tools.node().set_permissions_boundary("arn:aws:iam::111111111111:policy/boundary");
    Role::new(&tools, "Role", Principal::service("codebuild.amazonaws.com"), None);
    let assembly = app.synth().unwrap();
    let queue = only(&assembly, "Tools", "AWS::SQS::Queue");
    assert_eq!(queue["Properties"]["Tags"], json!([{ "Key": "stage", "Value": "own" }]));
    let bucket = only(&assembly, "Tools", "AWS::S3::Bucket");
    let both = json!([{ "Key": "owner", "Value": "platform" }, { "Key": "stage", "Value": "dev" }]);
    assert_eq!(bucket["Properties"]["Tags"], both);
    let role = only(&assembly, "Tools", "AWS::IAM::Role");
    assert_eq!(role["Properties"]["Tags"], both);
    assert_eq!(role["Properties"]["PermissionsBoundary"], "arn:aws:iam::111111111111:policy/boundary");
}

#[test]
fn an_aspect_sees_every_construct_and_leaves_the_program_as_it_was() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    queue(&tools, "One", Props::default());
    queue(&tools, "Two", Props::default());
    app.node().add_aspect(|node| {
        if node.resource_type().as_deref() == Some("AWS::SQS::Queue") {
            node.override_property("DelaySeconds", 9);
            let _ = Node::new_resource(
                &node.stack().unwrap(),
                &format!("{}Dead", node.name()),
                "AWS::SNS::Topic",
                Props::default(),
            );
        }
    });
    let assembly = app.synth().unwrap();
    assert_eq!(app.synth().unwrap(), assembly);
    assert_eq!(resources(&assembly, "Tools").count(), 4);
    assert!(
        resources(&assembly, "Tools")
            .filter(|(_, it)| it["Type"] == "AWS::SQS::Queue")
            .all(|(_, it)| it["Properties"]["DelaySeconds"] == 9)
    );
    assert_eq!(tools.node().children().len(), 2);
}

#[test]
fn an_explicit_dependency_is_not_written_where_a_reference_says_it() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let first = queue(&tools, "First", Props::default());
    let topic = Node::new_resource(
        &tools,
        "Topic",
        "AWS::SNS::Topic",
        props([("DisplayName", first.get_att::<str>("QueueName").into_expr())]),
    );
    topic.depends_on(&first);
    let other = Node::new_resource(&tools, "Other", "AWS::SNS::Topic", Props::default());
    other.depends_on(&first);
    let assembly = app.synth().unwrap();
    let template = &assembly.stack("Tools").unwrap().template["Resources"];
    assert_eq!(template["Topic"].get("DependsOn"), None);
    assert_eq!(template["Other"]["DependsOn"], json!(["First"]));
}

#[test]
fn assertions_are_in_the_terms_of_the_stack_they_are_about() {
    let app = App::new();
    let (tools, production) = (stack(&app, "Tools", A), stack(&app, "Production", B));
    let store = Store::new(&tools, "Store");
    let role = Role::new(&production, "Role", Principal::service("codebuild.amazonaws.com"), Some("deploy"));
    store.grant(&role, "s3:GetObject");
    app.node().assert_allowed(&role, "s3:GetObject", concat([store.arn().into_expr(), "/x".into()]));
    app.node().assert_denied(&Principal::anyone(), "s3:GetObject", "arn:aws:s3:::other/x");
    let assembly = app.synth().unwrap();
    let [allowed, denied] = &assembly.assertions[..] else { panic!("{:?}", assembly.assertions) };
    assert_eq!(allowed.principal.stack.as_deref(), Some("Production"));
    assert!(allowed.principal.expression["Fn::GetAtt"][0].as_str().unwrap().starts_with("Role"));
    assert_eq!(allowed.resource.stack.as_deref(), Some("Tools"));
    assert_eq!((&denied.principal.expression, denied.resource.stack.as_deref()), (&json!("*"), None));
    assert_eq!(denied.location.file, file!());
}
