//! What is right as a program, and goes wrong, or is a secret, when it is deployed.

use serde_json::{Value as Json, json};
use xacct_cli::{Config, ConfigError};
use xacct_core::value::{Props, Value};
use xacct_core::{
    App, Asset, CfnOutput, CfnOutputProps, CfnParameter, CfnParameterProps, Construct, Node, ReferenceStrategy, Stack,
    StackProps,
};

/// Adds what the case is about.
pub(crate) fn define(
    case: &str,
    app: &App,
    config: &Config,
    tools: &Stack,
    production: &Stack,
) -> Result<(), ConfigError> {
    match case {
        "principal" => principal(tools, production),
        "group" => {
            resource(tools, "Data", "AWS::Logs::LogGroup", json!({"LogGroupName": "/our/data"}));
            node(tools, "Data").override_attribute("DeletionPolicy", json!("Retain"));
        }
        "delay" => {
            let delay: i64 = config.context_or("delay", 1)?;
            resource(tools, "Jobs", "AWS::SQS::Queue", json!({"DelaySeconds": delay}));
            resource(tools, "More", "AWS::SQS::Queue", json!({"DelaySeconds": delay}));
            node(tools, "More").depends_on(&node(tools, "Jobs"));
        }
        "protected" => {
            let account = config.environment("tools")?;
            let safe = Stack::new(app, "Safe", account, StackProps::new().termination_protection(true));
            resource(&safe, "Queue", "AWS::SQS::Queue", json!({}));
        }
        "unprotected" => {
            let safe = Stack::new(app, "Safe", config.environment("tools")?, StackProps::new());
            resource(&safe, "Queue", "AWS::SQS::Queue", json!({}));
        }
        "open" => {
            CfnParameter::new(production, "Size", CfnParameterProps::new());
            resource(production, "Topic", "AWS::SNS::Topic", json!({"DisplayName": {"Ref": "Size"}}));
        }
        "linked" => {
            let name: String = config.context_or("queue", "one".to_owned())?;
            node(tools, "Queue").override_property("QueueName", json!(name));
            let arn: Value<str> = node(tools, "Queue").get_att("Arn");
            let log = resource(production, "Log", "AWS::Logs::LogGroup", json!({}));
            log.override_property("LogGroupName", arn.into_expr());
        }
        "stored" => {
            let greeting: String = config.context_or("greeting", "hello".to_owned())?;
            let note = json!({"Type": "String", "Name": "/our/greeting", "Value": greeting});
            resource(tools, "Note", "AWS::SSM::Parameter", note);
            let reader = Stack::new(app, "Reader", config.environment("tools")?, StackProps::new());
            reader.add_dependency(tools);
            let kind = "AWS::SSM::Parameter::Value<String>";
            CfnParameter::new(
                &reader,
                "Greeting",
                CfnParameterProps::new().parameter_type(kind).default_value("/our/greeting"),
            );
            resource(&reader, "Topic", "AWS::SNS::Topic", json!({"DisplayName": {"Ref": "Greeting"}}));
        }
        "export" => {
            app.set_reference_strategy(ReferenceStrategy::Export);
            let reader = Stack::new(app, "Reader", config.environment("tools")?, StackProps::new());
            let arn: Value<str> = node(tools, "Queue").get_att("Arn");
            let note = resource(&reader, "Note", "AWS::SSM::Parameter", json!({"Type": "String"}));
            note.override_property("Value", arn.into_expr());
        }
        "asset" => {
            let asset = Asset::new(tools, "Code", concat!(env!("CARGO_MANIFEST_DIR"), "/testapp"));
            let note = resource(tools, "Where", "AWS::SSM::Parameter", json!({"Type": "String", "Name": "/code"}));
            note.override_property("Value", asset.key().into_expr());
        }
        "pipeline" => pipeline(tools, production),
        "secrets" => secrets(tools),
        _ => {}
    }
    Ok(())
}

/// The wrong order: the stack of the key comes before the one that makes the role.
fn principal(tools: &Stack, production: &Stack) {
    tools.node().silence("XA203", "what AWS says to it is to be seen");
    production.add_dependency(tools);
    let builder = json!({"RoleName": "build", "AssumeRolePolicyDocument": trust("codebuild")});
    resource(production, "Build", "AWS::IAM::Role", builder);
    let allow = |principal: &str, action: &str| {
        let principal = json!({"AWS": principal});
        json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"})
    };
    let statements = [
        allow("arn:aws:iam::111111111111:root", "kms:*"),
        allow("arn:aws:iam::222222222222:role/build", "kms:Decrypt"),
    ];
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    resource(tools, "Key", "AWS::KMS::Key", json!({"KeyPolicy": policy}));
}

/// The role of the pipeline's action in the other account trusts somebody else.
fn pipeline(tools: &Stack, production: &Stack) {
    tools.node().silence("XA001", "what AWS says to it is to be seen");
    tools.add_dependency(production);
    let deployer = "arn:aws:iam::222222222222:role/deployer";
    let role = json!({"RoleName": "deployer", "AssumeRolePolicyDocument": trust("codebuild")});
    resource(production, "Deployer", "AWS::IAM::Role", role);
    let may_assume = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": deployer});
    let policy = json!({"Version": "2012-10-17", "Statement": [may_assume]});
    let own_role = json!({
        "RoleName": "pipeline",
        "AssumeRolePolicyDocument": trust("codepipeline"),
        "Policies": [{"PolicyName": "assume", "PolicyDocument": policy}],
    });
    let own_role = resource(tools, "PipelineRole", "AWS::IAM::Role", own_role);
    let kind = |category: &str, provider: &str| json!({"Category": category, "Owner": "AWS", "Provider": provider, "Version": "1"});
    let source = json!({
        "Name": "Get",
        "ActionTypeId": kind("Source", "S3"),
        "Configuration": {"S3Bucket": "source", "S3ObjectKey": "code.zip"},
        "OutputArtifacts": [{"Name": "Code"}],
    });
    let apply = json!({
        "Name": "Apply",
        "ActionTypeId": kind("Build", "CodeBuild"),
        "Configuration": {"ProjectName": "apply"},
        "InputArtifacts": [{"Name": "Code"}],
        "RoleArn": deployer,
    });
    let properties = json!({
        "RoleArn": "arn:aws:iam::111111111111:role/pipeline",
        "ArtifactStore": {"Type": "S3", "Location": "artifacts"},
        "Stages": [{"Name": "Source", "Actions": [source]}, {"Name": "Apply", "Actions": [apply]}],
    });
    let pipeline = resource(tools, "Pipeline", "AWS::CodePipeline::Pipeline", properties);
    pipeline.depends_on(&own_role);
}

/// A secret that whoever deploys gives, in an environment variable, and one that AWS makes.
fn secrets(tools: &Stack) {
    CfnParameter::new(tools, "Password", CfnParameterProps::new().no_echo());
    let environment = json!([{"Name": "PASSWORD", "Value": {"Ref": "Password"}}]);
    let container = json!({"Name": "main", "Image": "app", "Environment": environment});
    resource(tools, "Task", "AWS::ECS::TaskDefinition", json!({"Family": "task", "ContainerDefinitions": [container]}));
    resource(tools, "Robot", "AWS::IAM::User", json!({"UserName": "robot"}));
    resource(tools, "RobotKey", "AWS::IAM::AccessKey", json!({"UserName": {"Ref": "Robot"}}));
    let secret = json!({"Name": "robot", "SecretString": {"Fn::GetAtt": ["RobotKey", "SecretAccessKey"]}});
    let secret = resource(tools, "RobotSecret", "AWS::SecretsManager::Secret", secret);
    let id: Value<str> = secret.get_att("Id");
    CfnOutput::new(tools, "SecretId", id, CfnOutputProps::default());
}

fn trust(service: &str) -> Json {
    let principal = json!({"Service": format!("{service}.amazonaws.com")});
    let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

#[track_caller]
fn resource(scope: &dyn Construct, id: &str, kind: &str, properties: Json) -> Node {
    let node = Node::new_resource(scope, id, kind.to_owned(), Props::default());
    for (name, value) in properties.as_object().into_iter().flatten() {
        node.override_property(name, value.clone());
    }
    node
}

fn node(scope: &Stack, id: &str) -> Node {
    scope.node().find_child(id).expect("it was made before")
}
