//! Permissions: what a grant comes to within an account and across accounts.

use crate::support::{A, B, Role, Store, only, resources, stack};
use serde_json::{Value as Json, json};
use xacct_core::{App, Construct, Grant, Principal};

fn service() -> Principal {
    Principal::service("codebuild.amazonaws.com")
}

#[test]
fn within_an_account_the_identity_alone_is_allowed() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let store = Store::new(&tools, "Store");
    store.grant(&Role::new(&tools, "Role", service(), None), "s3:GetObject");

    let assembly = app.synth().unwrap();
    let (bucket, _) = resources(&assembly, "Tools").find(|(_, it)| it["Type"] == "AWS::S3::Bucket").unwrap();
    let policy = only(&assembly, "Tools", "AWS::IAM::Policy");
    assert_eq!(
        policy["Properties"]["PolicyDocument"]["Statement"],
        json!([{
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": { "Fn::Join": ["", [{ "Fn::GetAtt": [bucket, "Arn"] }, "/*"]] },
        }])
    );
    assert!(resources(&assembly, "Tools").all(|(_, it)| it["Type"] != "AWS::S3::BucketPolicy"));
}

#[test]
fn across_accounts_both_sides_allow_by_name_and_neither_stack_waits() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let production = stack(&app, "Production", B);
    let store = Store::new(&tools, "Store");
    let role = Role::new(&production, "Role", service(), Some("deploy"));
    store.grant(&role, "s3:GetObject");

    let assembly = app.synth().unwrap();
    let bucket = only(&assembly, "Tools", "AWS::S3::Bucket");
    let name = bucket["Properties"]["BucketName"].as_str().expect("a name was made");
    let policy = only(&assembly, "Production", "AWS::IAM::Policy");
    assert_eq!(policy["Properties"]["PolicyDocument"]["Statement"][0]["Resource"], format!("arn:aws:s3:::{name}/*"));
    let bucket_policy = only(&assembly, "Tools", "AWS::S3::BucketPolicy");
    let statement = &bucket_policy["Properties"]["PolicyDocument"]["Statement"][0];
    assert_eq!(statement["Principal"], json!({ "AWS": "arn:aws:iam::222222222222:root" }));
    assert_eq!(
        statement["Condition"],
        json!({ "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam::222222222222:role/deploy" } })
    );
    assert!(assembly.stacks.iter().all(|it| it.dependencies.is_empty() && it.inputs.is_empty()));
}

#[test]
fn grants_to_several_roles_of_an_account_are_one_statement() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let production = stack(&app, "Production", B);
    let store = Store::new(&tools, "Store");
    for name in ["one", "two"] {
        let role = Role::new(&production, name, service(), Some(name));
        store.grant(&role, "s3:GetObject");
        store.grant(&role, "s3:GetObjectVersion");
        store.grant(&role, "s3:GetObject");
    }
    let assembly = app.synth().unwrap();
    let document = &only(&assembly, "Tools", "AWS::S3::BucketPolicy")["Properties"]["PolicyDocument"];
    assert_eq!(document["Statement"].as_array().map(Vec::len), Some(1), "{document:#}");
    assert_eq!(document["Statement"][0]["Action"], json!(["s3:GetObject", "s3:GetObjectVersion"]));
    assert_eq!(
        document["Statement"][0]["Condition"]["ArnEquals"]["aws:PrincipalArn"],
        json!(["arn:aws:iam::222222222222:role/one", "arn:aws:iam::222222222222:role/two"])
    );
}

#[test]
fn a_resource_without_a_policy_cannot_be_granted_to_another_account() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let production = stack(&app, "Production", B);
    let role = Role::new(&production, "Role", service(), None);
    Grant::new(&tools, &role, ["codebuild:StartBuild"]).on(["*"]).record();
    let error = app.synth().unwrap_err();
    assert_eq!(error.diagnostics[0].rule, "no-resource-policy");
    assert_eq!(error.diagnostics[0].location.as_ref().unwrap().file, file!());
    assert!(error.to_string().contains("let the principal assume a role in the resource's account"), "{error}");
}

#[test]
fn a_role_of_the_other_account_is_trusted_through_its_root_and_its_arn() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let production = stack(&app, "Production", B);
    let pipeline = Role::new(&tools, "Pipeline", service(), Some("pipeline"));
    let trusted = Principal::identity(&pipeline, pipeline.arn());
    Role::new(&production, "Action", trusted, Some("action"));
    let assembly = app.synth().unwrap();
    let role = only(&assembly, "Production", "AWS::IAM::Role");
    assert_eq!(
        role["Properties"]["AssumeRolePolicyDocument"]["Statement"],
        json!([{
            "Effect": "Allow",
            "Principal": { "AWS": "arn:aws:iam::111111111111:root" },
            "Action": "sts:AssumeRole",
            "Condition": { "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam::111111111111:role/pipeline" } },
        }])
    );
}

#[test]
fn whoever_uses_a_role_waits_for_its_policy_unless_the_policy_needs_it() {
    let app = App::new();
    let tools = stack(&app, "Tools", A);
    let store = Store::new(&tools, "Store");
    let role = Role::new(&tools, "Role", service(), None);
    store.grant(&role, "s3:GetObject");
    let user = xacct_core::Node::new_resource(
        &tools,
        "Project",
        "AWS::CodeBuild::Project",
        crate::support::props([("ServiceRole", role.arn().into_expr())]),
    );
    // The policy names the project below, so that one cannot wait for it.
    let needed = xacct_core::Node::new_resource(
        &tools,
        "Needed",
        "AWS::CodeBuild::Project",
        crate::support::props([("ServiceRole", role.arn().into_expr())]),
    );
    Grant::new(&needed, &role, ["codebuild:StartBuild"]).on([needed.get_att::<str>("Arn")]).record();
    app.skip_validation();
    let assembly = app.synth().unwrap();
    let policy = resources(&assembly, "Tools").find(|(_, it)| it["Type"] == "AWS::IAM::Policy").unwrap().0;
    let of = |node: &xacct_core::Node| {
        let path = node.node().path();
        let origins = &assembly.stack("Tools").unwrap().origins;
        let id = origins.iter().find(|(_, it)| it.path == path).unwrap().0;
        assembly.stack("Tools").unwrap().template["Resources"][id].clone()
    };
    assert_eq!(of(&user)["DependsOn"], json!([policy]));
    assert_eq!(of(&needed).get("DependsOn"), None);
}

#[test]
fn an_execution_role_may_do_what_its_stack_needs_and_no_more() {
    let app = App::new();
    let roles = stack(&app, "Roles", B);
    let cloudformation = Principal::service("cloudformation.amazonaws.com");
    let execution = Role::new(&roles, "Execution", cloudformation, Some("deploy-production"));
    let arn = "arn:aws:iam::222222222222:role/deploy-production";
    let props = xacct_core::StackProps::new().execution_role(arn);
    let production = xacct_core::Stack::new(&app, "Production", crate::support::environment(B), props);
    production.add_dependency(&roles);
    execution.node().grant_execution(&production);
    xacct_core::Node::new_resource(&production, "Queue", "AWS::SQS::Queue", Default::default());
    let build = Role::new(&production, "Build", service(), Some("build"));
    let rule = crate::support::props([("RoleArn", build.arn().into_expr())]);
    xacct_core::Node::new_resource(&production, "Rule", "AWS::Events::Rule", rule);
    let project = crate::support::props([("ServiceRole", build.arn().into_expr())]);
    xacct_core::Node::new_resource(&production, "Project", "AWS::CodeBuild::Project", project);
    app.skip_validation();

    let assembly = app.synth().unwrap();
    assert_eq!(assembly.stack("Production").unwrap().execution_role.as_deref(), Some(arn));
    let document = &only(&assembly, "Roles", "AWS::IAM::Policy")["Properties"]["PolicyDocument"]["Statement"];
    let statements = document.as_array().unwrap();
    let on = |action: &str| {
        let names = |it: &&Json| {
            it["Action"] == action || it["Action"].as_array().is_some_and(|all| all.contains(&json!(action)))
        };
        statements.iter().find(names).map(|it| it["Resource"].clone())
    };
    assert_eq!(on("sqs:CreateQueue"), Some(json!("arn:aws:sqs:eu-west-1:222222222222:*")));
    assert_eq!(on("iam:CreateRole"), Some(json!("arn:aws:iam::222222222222:role/build")));
    assert_eq!(on("iam:PassRole"), Some(json!("arn:aws:iam::222222222222:role/build")));
    assert_eq!((on("sqs:SendMessage"), on("s3:CreateBucket")), (None, None));
    let warning = assembly.warnings.iter().find(|it| it.rule == "execution-role").unwrap();
    assert!(warning.message.contains("`AWS::CodeBuild::Project`"), "{warning}");
}
