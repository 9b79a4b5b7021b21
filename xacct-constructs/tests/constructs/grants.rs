//! What grants come to, within an account and across accounts.

use serde_json::{Value as Json, json};
use xacct_constructs::iam::{CrossAccountRole, Role, RoleProps};
use xacct_constructs::kms::{Key, KeyProps};
use xacct_constructs::s3::{Bucket, BucketProps};
use xacct_constructs::secretsmanager::{Secret, SecretProps};
use xacct_core::{Construct, Principal, Stack};

use crate::support::{Two, statements, the};

fn role(stack: &Stack, id: &str) -> Role {
    Role::new(stack, id, Principal::service("codebuild.amazonaws.com"), RoleProps::new())
}

/// The statements of the policies whose logical id begins so.
fn of(template: &Json, prefix: &str) -> Vec<Json> {
    statements(template).into_iter().filter(|(id, _)| id.starts_with(prefix)).map(|(_, it)| it).collect()
}

#[test]
fn within_an_account_the_identity_suffices() {
    let two = Two::new();
    let key = Key::new(&two.tools, "Key", KeyProps::new());
    let bucket = Bucket::new(&two.tools, "Bucket", BucketProps::new().encryption_key(&key));
    bucket.grant_read(&role(&two.tools, "Reader"));
    let assembly = two.synth();
    let template = assembly.template("Tools");
    assert_eq!(of(template, "ReaderDefaultPolicy").len(), 3);
    // Administration of the key, and nothing of the bucket's but the refusal of requests without TLS.
    assert_eq!(of(template, "Key").len(), 1);
    assert_eq!(of(template, "BucketPolicy").len(), 1);
}

#[test]
fn across_accounts_both_sides_allow_and_neither_waits() {
    let two = Two::new();
    let key = Key::new(&two.tools, "Key", KeyProps::new().alias("artifacts"));
    let bucket = Bucket::new(&two.tools, "Bucket", BucketProps::new().encryption_key(&key));
    bucket.grant_on_objects(&role(&two.production, "Reader"), "*", &["s3:GetObject"]);
    let assembly = two.synth();
    assert!(assembly.0.stacks.iter().all(|it| it.dependencies.is_empty()));
    assert!(assembly.0.stacks.iter().all(|it| it.template.get("Parameters").is_none()));
    insta::assert_json_snapshot!("across_accounts_producer", of(assembly.template("Tools"), ""));
    insta::assert_json_snapshot!(
        "across_accounts_consumer",
        of(assembly.template("Production"), "ReaderDefaultPolicy")
    );
}

#[test]
fn a_key_without_an_alias_is_named_by_its_arn_across_accounts() {
    let two = Two::new();
    let key = Key::new(&two.tools, "Key", KeyProps::new());
    key.grant_decrypt(&role(&two.production, "Reader"));
    let assembly = two.synth();
    // The ARN is only known once the key is there, so the reader comes second.
    assert_eq!(assembly.order(), ["Tools", "Production"]);
    assert_eq!(assembly.0.stacks[1].inputs.len(), 1);
}

#[test]
fn a_role_is_trusted_and_allowed_at_once() {
    let two = Two::new();
    let pipeline =
        Role::new(&two.tools, "Pipeline", Principal::service("codepipeline.amazonaws.com"), RoleProps::new());
    CrossAccountRole::new(&two.production, "Deployer", &pipeline, RoleProps::new());
    let assembly = two.synth();
    let trust = &the(assembly.template("Production"), "AWS::IAM::Role")["AssumeRolePolicyDocument"]["Statement"][0];
    let pipeline = the(assembly.template("Tools"), "AWS::IAM::Role")["RoleName"].as_str().unwrap();
    assert_eq!(trust["Principal"], json!({ "AWS": "arn:aws:iam::111111111111:root" }));
    let condition =
        json!({ "ArnEquals": { "aws:PrincipalArn": format!("arn:aws:iam::111111111111:role/{pipeline}") } });
    assert_eq!(trust["Condition"], condition);
    let allowed = &of(assembly.template("Tools"), "PipelineDefaultPolicy")[0];
    assert_eq!(allowed["Action"], "sts:AssumeRole");
    let deployer = the(assembly.template("Production"), "AWS::IAM::Role")["RoleName"].as_str().unwrap();
    assert_eq!(allowed["Resource"], format!("arn:aws:iam::222222222222:role/{deployer}"));
}

#[test]
fn a_role_of_the_same_account_is_trusted_by_its_arn() {
    let two = Two::new();
    let inner = role(&two.tools, "Inner");
    inner.grant_assume_role(&role(&two.tools, "Outer"));
    let assembly = two.synth();
    let trust = of(assembly.template("Tools"), "Inner");
    assert!(trust.iter().any(|it| it["Principal"]["AWS"]["Fn::GetAtt"].is_array()), "{trust:?}");
}

#[test]
fn a_foreign_role_is_named_in_the_resources_policy_only() {
    let two = Two::new();
    let bucket = Bucket::new(&two.tools, "Bucket", BucketProps::new());
    let auditor = Role::from_role_arn(&two.tools, "Auditor", "arn:aws:iam::333333333333:role/audit/auditor");
    bucket.grant_read(&auditor);
    let assembly = two.synth();
    let template = assembly.template("Tools");
    assert!(of(template, "Auditor").is_empty());
    let allowed: Vec<Json> = of(template, "BucketPolicy").into_iter().filter(|it| it["Effect"] == "Allow").collect();
    for statement in &allowed {
        assert_eq!(statement["Principal"], json!({ "AWS": "arn:aws:iam::333333333333:root" }));
        let condition = json!({ "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam::333333333333:role/audit/auditor" } });
        assert_eq!(statement["Condition"], condition);
    }
    assert_eq!(allowed.len(), 2);
}

#[test]
fn an_imported_role_of_the_account_gets_a_policy_attached() {
    let two = Two::new();
    let bucket = Bucket::new(&two.tools, "Bucket", BucketProps::new());
    bucket.grant_put(&Role::from_role_arn(&two.tools, "Writer", "arn:aws:iam::111111111111:role/teams/writer"));
    let assembly = two.synth();
    let policy = the(assembly.template("Tools"), "AWS::IAM::Policy");
    assert_eq!(policy["Roles"], json!(["writer"]));
}

#[test]
fn a_named_secret_can_be_read_from_another_account() {
    let two = Two::new();
    let key = Key::new(&two.tools, "Key", KeyProps::new().alias("secrets"));
    let secret = Secret::new(&two.tools, "Secret", SecretProps::new().secret_name("db/password").encryption_key(&key));
    secret.grant_read(&role(&two.production, "Reader"));
    let assembly = two.synth();
    let reader = of(assembly.template("Production"), "ReaderDefaultPolicy");
    let arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:db/password-??????";
    assert!(reader.iter().any(|it| it["Resource"] == arn), "{reader:?}");
    assert!(
        reader
            .iter()
            .any(|it| it["Condition"]["StringEquals"]["kms:ViaService"] == "secretsmanager.eu-west-1.amazonaws.com")
    );
    assert_eq!(of(assembly.template("Tools"), "SecretPolicy").len(), 1);
}

#[test]
fn what_has_no_policy_cannot_be_granted_to_another_account() {
    let two = Two::new();
    let logs = xacct_constructs::logs::LogGroup::new(&two.tools, "Logs", xacct_constructs::logs::LogGroupProps::new());
    logs.grant_read(&role(&two.production, "Reader"));
    let problems = two.problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].rule, "no-resource-policy");
    assert_eq!(problems[0].path.as_deref(), Some(logs.node().path().as_str()));
}
