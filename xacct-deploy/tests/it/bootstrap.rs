//! What `bootstrap` makes, what it accepts, and what a second run changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use xacct_core::Region;
use xacct_core::assembly::{Assembly, StackArtifact};
use xacct_deploy::cloudformation::{Output, StackParameter};
use xacct_deploy::memory::World;
use xacct_deploy::*;

use crate::double::{Answer, Played, Stage, absent, app, environment, play, stack};
use crate::world::{engine, home};

const TOOLKIT: &str = "CDKToolkit-111111111111-eu-west-1";

/// An app whose one stack has a resource of each type.
fn app_of(resource_types: &[&str]) -> Assembly {
    let mut resources = json!({});
    for (number, resource_type) in resource_types.iter().enumerate() {
        resources[format!("R{number}")] = json!({ "Type": resource_type });
    }
    let mut assembly = Assembly::default();
    assembly.stacks.push(StackArtifact::new("App", environment(), json!({ "Resources": resources })));
    assembly
}

fn options(change: impl FnOnce(&mut BootstrapOptions)) -> BootstrapOptions {
    let mut options = BootstrapOptions::default();
    change(&mut options);
    options
}

fn trusting(names: &[&str]) -> Option<BTreeSet<Trusted>> {
    Some(names.iter().map(|it| it.parse().unwrap()).collect())
}

fn template(assembly: &Assembly, options: &BootstrapOptions) -> Value {
    bootstrap::artifact(assembly, &environment(), options).template
}

async fn run(engine: &Engine, assembly: &Assembly, options: BootstrapOptions) -> Played {
    let (run, events) = engine.bootstrap(assembly, options, RunOptions::default());
    play(run, events).await
}

/// What the execution role may do, and with which policies.
async fn execution(world: &World) -> (String, Value) {
    let environment = Environment::from(&environment());
    let text = world.clients(&environment).cloudformation.get_template("CDKToolkit").await.unwrap();
    let template: Value = serde_json::from_str(&text).unwrap();
    let resources = template["Resources"].as_object().unwrap();
    let policies = resources.iter().filter(|(id, _)| id.starts_with("CloudFormationExecutionPolicy"));
    let policies: String = policies.map(|(_, it)| it.to_string()).collect();
    (policies, template["Resources"]["CloudFormationExecutionRole"]["Properties"]["ManagedPolicyArns"].clone())
}

#[tokio::test(start_paused = true)]
async fn everything_has_the_names_of_cdk_and_a_second_run_changes_nothing() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let assembly = app_of(&["AWS::SQS::Queue"]);
    let played = run(&engine, &assembly, BootstrapOptions::default()).await;
    let outcome = played.outcome_of(TOOLKIT);
    assert!(matches!(outcome, Outcome::Deployed { created: true, .. }), "{outcome:?}");

    let place = Environment::from(&environment());
    let bucket = "cdk-hnb659fds-assets-111111111111-eu-west-1";
    assert!(world.clients(&place).objects.bucket_exists(bucket).await.unwrap());
    for role in ["deploy-role", "file-publishing-role", "lookup-role", "cfn-exec-role"] {
        let name = format!("cdk-hnb659fds-{role}-111111111111-eu-west-1");
        assert!(world.exists(&place, "AWS::IAM::Role", &name), "{name}");
    }
    assert!(world.exists(&place, "AWS::SSM::Parameter", "/cdk-bootstrap/hnb659fds/version"));
    let toolkit = world.clients(&place).cloudformation.describe_stack("CDKToolkit").await.unwrap();
    assert!(toolkit.termination_protection);

    let played = run(&engine, &assembly, BootstrapOptions::default()).await;
    assert!(matches!(played.outcome_of(TOOLKIT), Outcome::Unchanged { .. }), "{:?}", played.result);
}

#[tokio::test(start_paused = true)]
async fn a_second_app_adds_to_what_the_first_needs_and_keeps_what_was_said() {
    let world = World::new();
    let engine = engine(&world, Arc::new(MemoryStore::default()));
    let trust = trusting(&["222222222222"]);
    run(&engine, &app_of(&["AWS::SQS::Queue"]), options(|it| it.trust = trust)).await;
    run(&engine, &app_of(&["AWS::SNS::Topic"]), BootstrapOptions::default()).await;
    let (policies, attached) = execution(&world).await;
    assert!(policies.contains("sqs:CreateQueue") && policies.contains("sns:CreateTopic"), "{policies}");
    assert_eq!(attached, json!([{"Ref": "CloudFormationExecutionPolicy1"}]));
    let role = world.properties(&Environment::from(&environment()), "CDKToolkit", "DeploymentActionRole").unwrap();
    assert!(role.to_string().contains("arn:aws:iam::222222222222:root"), "{role}");

    let power = "arn:aws:iam::aws:policy/PowerUserAccess";
    let policies_of = |names: &[&str]| Some(names.iter().map(|it| it.parse().unwrap()).collect());
    let named = options(|it| it.execution_policies = policies_of(&[power]));
    run(&engine, &app_of(&["AWS::SNS::Topic"]), named).await;
    run(&engine, &app_of(&["AWS::SNS::Topic"]), BootstrapOptions::default()).await;
    assert_eq!(execution(&world).await, (String::new(), json!([power])));
    let both = options(|it| it.execution_policies = policies_of(&["derived", power]));
    run(&engine, &app_of(&["AWS::SNS::Topic"]), both).await;
    assert_eq!(execution(&world).await, (policies, json!([power, {"Ref": "CloudFormationExecutionPolicy1"}])));
    for wrong in ["Derived", "AdministratorAccess", "arn:aws:iam::111111111111:role/x"] {
        assert!(wrong.parse::<ExecutionPolicy>().is_err(), "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bootstrap_of_cdk_is_accepted_and_left_alone() {
    let check = async |toolkit: Answer, expected: &str| {
        let stage = Stage::new();
        stage.double.on("DescribeStacks", [toolkit]).on("HeadBucket", [Answer::Flag(true)]);
        let played = run(&stage.engine, &app(), BootstrapOptions::default()).await;
        let Outcome::Accepted { instead } = played.outcome_of(TOOLKIT) else { panic!("{:?}", played.result) };
        assert!(instead.contains(expected), "{instead}");
        assert_eq!(stage.double.count("CreateChangeSet"), 0);
    };
    let mut toolkit = stack("CREATE_COMPLETE");
    toolkit.name = "CDKToolkit".into();
    let variant = StackParameter { value: "AWS CDK: Default Resources".into(), resolved: None };
    toolkit.parameters.insert("BootstrapVariant".into(), variant);
    let version = Output { key: "BootstrapVersion".into(), value: "33".into(), description: None, export_name: None };
    toolkit.outputs.push(version);
    check(toolkit.into(), "version 33").await;
    check(absent(), "cdk-hnb659fds-assets-111111111111-eu-west-1").await;
}

#[test]
fn nobody_is_an_administrator_unless_asked_for() {
    let assembly = app_of(&["AWS::SQS::Queue", "AWS::CodeStar::GitHubRepository"]);
    let text = template(&assembly, &BootstrapOptions::default()).to_string();
    assert!(!text.contains("AdministratorAccess") && !text.contains("ReadOnlyAccess"), "{text}");
    let needs = bootstrap::execution_needs(&assembly, &environment());
    assert!(needs.actions().contains("sqs:CreateQueue") && !needs.actions().contains("sqs:SendMessage"));
    // What is not published is said and not guessed.
    assert_eq!(needs.unknown["AWS::CodeStar::GitHubRepository"], ["App/R1"]);
    let elsewhere = xacct_core::Environment::new(environment().account, Region::literal("us-east-1"));
    assert!(bootstrap::execution_needs(&assembly, &elsewhere).statements.is_empty());
}

#[test]
fn the_template_is_what_cloudformation_takes() {
    let trust = trusting(&["222222222222", "arn:aws:iam::333333333333:role/deployer"]);
    let template = template(&app_of(&["AWS::IAM::Role", "AWS::SQS::Queue"]), &options(|it| it.trust = trust));
    let findings = xacct_schema::validate::template(&template, Some("eu-west-1"));
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(capabilities(&template), ["CAPABILITY_NAMED_IAM"]);
}

#[test]
fn identities_are_changed_and_passed_on_only_if_they_are_the_stacks_own() {
    let mut assembly = app_of(&[
        "AWS::CodeBuild::Project",
        "AWS::IAM::Role",
        "AWS::IAM::Role",
        "AWS::IAM::User",
        "AWS::IAM::AccessKey",
    ]);
    let resources = &mut assembly.stacks[0].template["Resources"];
    resources["R1"]["Properties"] = json!({"RoleName": "build", "Path": "/ci/"});
    resources["R4"]["Properties"] = json!({"UserName": {"Ref": "R3"}});
    let needs = bootstrap::execution_needs(&assembly, &environment());
    assert!(needs.unknown.is_empty(), "{:?}", needs.unknown);
    let on = |action: &str| {
        let has = |it: &&Value| it["Action"].as_array().unwrap().iter().any(|it| it == action);
        needs.statements.iter().filter(has).map(|it| it["Resource"].clone()).collect::<Vec<_>>()
    };
    let roles = json!(["arn:aws:iam::111111111111:role/App-*", "arn:aws:iam::111111111111:role/ci/build"]);
    for action in ["iam:PassRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy"] {
        assert_eq!(on(action), std::slice::from_ref(&roles), "{action}");
    }
    assert_eq!(on("iam:CreateAccessKey"), [json!(["arn:aws:iam::111111111111:user/App-*"])]);
    // So the role can change neither itself nor whom somebody else made.
    let writes = needs.statements.iter().filter(|it| it["Resource"] == json!(["*"]));
    let writes = writes.flat_map(|it| it["Action"].as_array().unwrap()).filter_map(Value::as_str);
    let of_iam: Vec<&str> = writes.filter(|it| it.starts_with("iam:")).collect();
    assert!(of_iam.iter().all(|it| it.starts_with("iam:Get") || it.starts_with("iam:List")), "{of_iam:?}");
}

#[test]
fn trust_names_accounts_and_principals() {
    let trust = |names: &[&str]| {
        let template = template(&app(), &options(|it| it.trust = trusting(names)));
        let role = &template["Resources"]["DeploymentActionRole"]["Properties"]["AssumeRolePolicyDocument"];
        let statements = role["Statement"].as_array().unwrap().iter();
        let statements = statements.map(|it| {
            let principal = it["Principal"]["AWS"].as_str().unwrap().replace("arn:aws:iam::", "");
            (principal, it["Condition"]["ArnEquals"]["aws:PrincipalArn"].as_str().unwrap_or_default().to_owned())
        });
        statements.collect::<Vec<_>>()
    };
    let pair = |root: &str, condition: &str| (format!("{root}:root"), condition.to_owned());
    assert_eq!(trust(&[]), [pair("111111111111", "")]);
    assert_eq!(trust(&["222222222222"]), [pair("111111111111", ""), pair("222222222222", "")]);
    let (ours, theirs) = ("arn:aws:iam::111111111111:role/ci/deployer", "arn:aws:iam::222222222222:user/anna");
    // Whoever is named in the account itself takes the place of the whole account.
    assert_eq!(trust(&[ours, theirs]), [pair("111111111111", ours), pair("222222222222", theirs)]);
    for wrong in ["1", "arn:aws:iam::111111111111:root", "arn:aws:iam::111111111111:role/*", "arn:aws:s3:::b", "*"] {
        assert!(wrong.parse::<Trusted>().is_err(), "{wrong}");
    }
}

#[test]
fn another_qualifier_is_another_bootstrap() {
    let artifact =
        bootstrap::artifact(&app(), &home("222222222222"), &options(|it| it.qualifier = Some("mine".into())));
    assert_eq!(artifact.stack_name, "CDKToolkit-mine");
    let text = artifact.template.to_string();
    assert!(text.contains("cdk-mine-assets-222222222222-eu-west-1") && text.contains("/cdk-bootstrap/mine/version"));
    assert!(!text.contains("hnb659fds"), "{text}");
}

#[test]
fn a_long_list_of_actions_is_split_into_policies_that_iam_takes() {
    // Some 100 resource types of a dozen services, so that several policies are needed.
    let types: Vec<&str> = xacct_schema::resource_types()
        .filter(|it| ["::EC2::", "::RDS::", "::IoT::", "::SageMaker::"].iter().any(|service| it.contains(service)))
        .collect();
    let template = template(&app_of(&types), &BootstrapOptions::default());
    let resources = template["Resources"].as_object().unwrap().iter();
    let policies: Vec<String> = resources
        .filter(|(_, it)| it["Type"] == "AWS::IAM::ManagedPolicy")
        .map(|(_, it)| it["Properties"]["PolicyDocument"].to_string())
        .collect();
    assert!((2..=10).contains(&policies.len()), "{}", policies.len());
    assert!(policies.iter().all(|it| it.len() <= 6_144), "{:?}", policies.iter().map(String::len).collect::<Vec<_>>());
    let needs = bootstrap::execution_needs(&app_of(&types), &environment());
    assert!(needs.actions().iter().all(|action| policies.iter().any(|it| it.contains(&format!("\"{action}\"")))));
}
