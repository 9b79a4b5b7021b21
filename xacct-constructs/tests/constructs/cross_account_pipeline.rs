//! The whole cross-account pipeline.

use serde_json::Value as Json;
use xacct_constructs::codebuild::{Project, ProjectProps, Source};
use xacct_constructs::codepipeline::{Artifact, CodeConnectionsSourceAction, OnFailure, Retried};
use xacct_constructs::cross_account_pipeline::{
    Approval, CrossAccountPipeline, CrossAccountPipelineProps, OperatorAccess, Operators, Permissions, StageAccount,
    StageAccountProps, StageProps,
};
use xacct_constructs::kms::{Key, KeyProps};
use xacct_constructs::s3::{Bucket, BucketProps};
use xacct_constructs::sns::{Topic, TopicProps};
use xacct_core::{AccountId, Environment, Region, Stack, StackProps, Statement};

use crate::support::{Synthesized, Two, of_type, statements, texts, the};

fn props(two: &Two) -> CrossAccountPipelineProps {
    CrossAccountPipelineProps::new("network")
        .operators(Operators::new("operator"))
        .notify("team@example.com")
        .stage(StageProps::new("dev", &two.tools).on_failure(OnFailure::Retry(Retried::AllActions)))
        .stage(StageProps::new("qa", &two.tools))
        .stage(StageProps::new("prod", &two.production).on_failure(OnFailure::Rollback))
}

fn synth() -> Synthesized {
    let two = Two::new();
    CrossAccountPipeline::new(&two.tools, "Network", props(&two));
    two.synth()
}

#[test]
fn templates() {
    let assembly = synth();
    insta::assert_json_snapshot!("cross_account_pipeline_tools", assembly.template("Tools"));
    insta::assert_json_snapshot!("cross_account_pipeline_production", assembly.template("Production"));
}

#[test]
fn both_templates_are_complete_and_production_comes_first() {
    let assembly = synth();
    assert_eq!(assembly.order(), ["Production", "Tools"]);
    for stack in &assembly.0.stacks {
        assert!(stack.inputs.is_empty() && stack.template.get("Parameters").is_none(), "{}", stack.id);
        assert!(!stack.template.to_string().contains("Fn::GetStackOutput"));
        assert!(!stack.template.to_string().contains("Custom::"));
    }
}

fn both(assembly: &Synthesized) -> Vec<(String, Json)> {
    ["Tools", "Production"].iter().flat_map(|stack| statements(assembly.template(stack))).collect()
}

#[test]
fn no_identity_may_use_every_key() {
    for (id, statement) in both(&synth()) {
        let on_keys = texts(&statement["Action"]).iter().any(|it| it.starts_with("kms:"));
        if !on_keys || statement.get("Principal").is_some() {
            continue;
        }
        let resource = &statement["Resource"];
        assert_ne!(resource, "*", "{id}: {statement}");
        if resource.as_str().is_some_and(|it| it.ends_with("key/*")) {
            let condition = &statement["Condition"];
            assert!(condition["ForAnyValue:StringEquals"]["kms:ResourceAliases"].is_string(), "{id}: {statement}");
            assert!(condition["StringEquals"]["kms:ViaService"].is_string(), "{id}: {statement}");
        }
    }
}

#[test]
fn the_only_action_wildcards_are_the_administration_of_a_key_and_the_refusal_of_requests_without_tls() {
    for (id, statement) in both(&synth()) {
        for action in texts(&statement["Action"]).iter().filter(|it| it.contains('*')) {
            let administration =
                action == "kms:*" && statement["Principal"]["AWS"].as_str().is_some_and(|it| it.ends_with(":root"));
            let refusal = action == "s3:*" && statement["Effect"] == "Deny";
            assert!(administration || refusal, "{id}: {statement}");
        }
    }
}

#[test]
fn whoever_is_trusted_in_another_account_is_one_role() {
    for (id, statement) in both(&synth()) {
        let principals = texts(&statement["Principal"]["AWS"]);
        let own = if id.starts_with("NetworkKey") || id.contains("Account") { None } else { Some(()) };
        let foreign = principals.iter().any(|it| it.contains(":root")) && statement["Action"] != "kms:*";
        if foreign && own.is_some() {
            assert!(
                statement["Condition"]["ArnEquals"]["aws:PrincipalArn"].to_string().contains(":role/"),
                "{id}: {statement}"
            );
        }
    }
}

#[test]
fn a_plan_cannot_change_the_network_and_an_apply_only_its_own_stage() {
    let assembly = synth();
    for (id, statement) in both(&assembly) {
        let changes =
            texts(&statement["Action"]).iter().any(|it| it.starts_with("ec2:") && !it.starts_with("ec2:Describe"));
        if !changes {
            continue;
        }
        assert!(id.contains("ApplyRole"), "{id}: {statement}");
        let stage = if id.contains("Dev") {
            "dev"
        } else if id.contains("Qa") {
            "qa"
        } else {
            "prod"
        };
        let condition = statement["Condition"].to_string();
        assert!(condition.contains("Tag/Stage") && condition.contains(&format!("\"{stage}\"")), "{id}: {statement}");
    }
}

#[test]
fn what_is_approved_is_what_is_applied() {
    let assembly = synth();
    let stages = &the(assembly.template("Tools"), "AWS::CodePipeline::Pipeline")["Stages"];
    let prod = stages.as_array().unwrap().iter().find(|it| it["Name"] == "Prod").unwrap();
    let order: Vec<(&str, i64)> = prod["Actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["Name"].as_str().unwrap(), it["RunOrder"].as_i64().unwrap()))
        .collect();
    assert_eq!(order, [("Plan", 1), ("Approve", 2), ("Apply", 3)]);
    assert_eq!(prod["Actions"][1]["Configuration"]["CustomData"], "#{PlanProd.PLAN_SUMMARY}");
    let handed: Json =
        serde_json::from_str(prod["Actions"][2]["Configuration"]["EnvironmentVariables"].as_str().unwrap()).unwrap();
    let handed: Vec<&str> = handed.as_array().unwrap().iter().map(|it| it["value"].as_str().unwrap()).collect();
    assert_eq!(
        handed,
        ["#{PlanProd.PLAN_CHANGES}", "#{PlanProd.PLAN_KEY}", "#{PlanProd.PLAN_VERSION}", "#{PlanProd.PLAN_SHA256}"]
    );
    // No build hands on an artifact but the one that packages.
    let outputs = stages.as_array().unwrap().iter().flat_map(|it| it["Actions"].as_array().unwrap());
    assert_eq!(outputs.filter(|it| it.get("OutputArtifacts").is_some()).count(), 2);
}

#[test]
fn no_secret_is_shown() {
    let assembly = synth();
    for stack in &assembly.0.stacks {
        let outputs = stack.template.get("Outputs").map(Json::to_string).unwrap_or_default();
        assert!(!outputs.contains("SecretAccessKey"), "{}", stack.id);
        assert_eq!(of_type(&stack.template, "AWS::SecretsManager::Secret").len(), 1);
    }
}

#[test]
fn administrators_are_asked_for() {
    let two = Two::new();
    let props = CrossAccountPipelineProps::new("network")
        .operators(Operators::new("operator").access(OperatorAccess::Administrator))
        .stage(StageProps::new("prod", &two.production).permissions(Permissions::AdministratorAccess));
    CrossAccountPipeline::new(&two.tools, "Network", props);
    let production = two.synth();
    let production = production.template("Production");
    let attached = |kind: &str, id: &str| {
        let found = of_type(production, kind).into_iter().find(|(it, _)| it.starts_with(id)).unwrap();
        found.1["Properties"]["ManagedPolicyArns"].to_string()
    };
    assert!(attached("AWS::IAM::Role", "NetworkProdApplyRole").contains("AdministratorAccess"));
    assert!(attached("AWS::IAM::Role", "NetworkProdPlanRole").contains("ReadOnlyAccess"));
    assert!(attached("AWS::IAM::Group", "NetworkOperatorGroup").contains("AdministratorAccess"));
    assert!(!synth().0.stacks.iter().any(|it| it.template.to_string().contains("AdministratorAccess")));
}

#[test]
fn every_part_can_be_replaced() {
    let two = Two::new();
    let key = Key::new(&two.tools, "MyKey", KeyProps::new().alias("mine"));
    let bucket = Bucket::new(&two.tools, "MyBucket", BucketProps::new().encryption_key(&key));
    let build = Project::new(&two.tools, "MyBuild", Source::CodePipeline, ProjectProps::new());
    let topic = Topic::new(&two.tools, "MyTopic", TopicProps::new());
    let account = StageAccount::new(&two.production, "MyAccount", StageAccountProps::new("mine"));
    let connection = "arn:aws:codeconnections:eu-west-1:111111111111:connection/01234567-89ab-cdef-0123-456789abcdef";
    let tailored = Permissions::Tailored {
        plan: vec![Statement::allow(["sqs:GetQueueAttributes"]).on(["arn:aws:sqs:*:222222222222:*"])],
        apply: vec![Statement::allow(["sqs:CreateQueue"]).on(["arn:aws:sqs:*:222222222222:*"])],
    };
    let props = CrossAccountPipelineProps::new("queues")
        .key(&key)
        .bucket(&bucket)
        .build(&build)
        .topic(&topic)
        .account(&account)
        .source(move |artifact: &Artifact| {
            CodeConnectionsSourceAction::new("GitHub", connection, "owner/queues", artifact).into()
        })
        .stage(StageProps::new("prod", &two.production).permissions(tailored).approval(Approval::None));
    let made = CrossAccountPipeline::new(&two.tools, "Queues", props);
    assert!(made.repository.is_none());
    let assembly = two.synth();
    let tools = assembly.template("Tools");
    assert!(of_type(tools, "AWS::CodeCommit::Repository").is_empty());
    assert_eq!(of_type(tools, "AWS::SNS::Topic").len(), 1);
    assert_eq!(of_type(tools, "AWS::CodeBuild::Project").len(), 1);
    let production = assembly.template("Production");
    assert!(of_type(production, "AWS::S3::Bucket").iter().all(|(id, _)| id.starts_with("MyAccount")));
    let actions: Vec<String> = statements(production).iter().flat_map(|(_, it)| texts(&it["Action"])).collect();
    assert!(actions.iter().any(|it| it == "sqs:CreateQueue") && !actions.iter().any(|it| it.starts_with("ec2:")));
}

#[test]
fn many_accounts() {
    let two = Two::new();
    let mut props = CrossAccountPipelineProps::new("network");
    for (name, account) in [("alpha", "333333333333"), ("beta", "444444444444"), ("gamma", "555555555555")] {
        let environment = Environment::new(AccountId::literal(account), Region::literal("eu-west-1"));
        let stack = Stack::new(&two.app, name, environment, StackProps::new());
        props = props.stage(StageProps::new(name, &stack));
    }
    CrossAccountPipeline::new(&two.tools, "Network", props);
    let assembly = two.synth();
    assert_eq!(assembly.order().last(), Some(&"Tools"));
    let readers = statements(assembly.template("Tools"))
        .into_iter()
        .filter(|(id, it)| id.contains("ArtifactsPolicy") && it["Effect"] == "Allow");
    assert_eq!(readers.map(|(_, it)| texts(&it["Principal"]["AWS"]).len()).sum::<usize>(), 3);
}

#[test]
fn mistakes() {
    let two = Two::new();
    let props = CrossAccountPipelineProps::new("network")
        .stage(StageProps::new("dev", &two.tools))
        .stage(StageProps::new("Prod-1", &two.production))
        .stage(StageProps::new("dev", &two.production));
    CrossAccountPipeline::new(&two.tools, "Network", props);
    let problems = two.problems();
    let messages: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
    assert!(messages.contains(&"`Prod-1` cannot be the name of a stage"), "{messages:?}");
    assert!(messages.contains(&"there are two stages `dev`"), "{messages:?}");

    let two = Two::new();
    CrossAccountPipeline::new(&two.tools, "Network", CrossAccountPipelineProps::new("network"));
    assert!(two.problems().iter().any(|it| it.message == "the pipeline has no stage"));
}
