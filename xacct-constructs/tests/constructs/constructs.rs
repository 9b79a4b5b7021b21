//! Each construct with its defaults: the whole template, to be read as what would be deployed.

use serde_json::json;
use xacct_constructs::codebuild::{BuildSpec, Project, ProjectProps, Source, Variable};
use xacct_constructs::codecommit::{Repository, RepositoryProps};
use xacct_constructs::events::{Rule, RuleProps, Target};
use xacct_constructs::iam::{
    AccessKey, AccessKeyProps, AttachedPolicy, Group, GroupProps, ManagedPolicy, ManagedPolicyProps, Role, RoleProps,
    User, UserProps,
};
use xacct_constructs::kms::{Key, KeyProps};
use xacct_constructs::logs::{LogGroup, LogGroupProps, RetentionDays};
use xacct_constructs::s3::{Bucket, BucketProps, LifecycleRule};
use xacct_constructs::secretsmanager::{Secret, SecretProps};
use xacct_constructs::sns::{Topic, TopicProps};
use xacct_core::{Construct, Principal, Statement};

use crate::support::{Two, of_type, the};

#[test]
fn role() {
    let two = Two::new();
    let boundary = ManagedPolicyProps::new().statement(Statement::allow(["s3:*"]).on(["*"]));
    let boundary = ManagedPolicy::new(&two.tools, "Boundary", boundary);
    let props = RoleProps::new()
        .description("reads releases")
        .path("/readers/")
        .max_session_seconds(7_200)
        .managed_policy(AttachedPolicy::aws("ReadOnlyAccess"))
        .permissions_boundary(&boundary)
        .statement(Statement::allow(["s3:GetObject"]).on(["arn:aws:s3:::releases/*"]));
    Role::new(&two.tools, "Role", Principal::service("lambda.amazonaws.com"), props);
    insta::assert_json_snapshot!(two.synth().template("Tools"));
}

#[test]
fn a_role_without_permissions_has_no_policy() {
    let two = Two::new();
    Role::new(&two.tools, "Role", Principal::service("lambda.amazonaws.com"), RoleProps::new());
    let assembly = two.synth();
    assert_eq!(assembly.template("Tools")["Resources"].as_object().unwrap().len(), 1);
}

#[test]
fn user_with_an_access_key_in_a_secret() {
    let two = Two::new();
    let key = Key::new(&two.tools, "Key", KeyProps::new());
    let group = Group::new(
        &two.tools,
        "Readers",
        GroupProps::new().statement(Statement::allow(["s3:ListAllMyBuckets"]).on(["*"])),
    );
    let user = User::new(&two.tools, "Reader", UserProps::new().group(&group));
    AccessKey::new(&two.tools, "AccessKey", &user, AccessKeyProps::new().serial(3).encryption_key(&key));
    insta::assert_json_snapshot!(two.synth().template("Tools"));
}

#[test]
fn key() {
    let two = Two::new();
    Key::new(&two.tools, "Key", KeyProps::new().alias("artifacts").description("artifacts").rotation_days(180));
    insta::assert_json_snapshot!(two.synth().template("Tools"));
}

#[test]
fn bucket() {
    let two = Two::new();
    let logs = Bucket::new(&two.tools, "Logs", BucketProps::new());
    let key = Key::new(&two.tools, "Key", KeyProps::new());
    let props = BucketProps::new()
        .encryption_key(&key)
        .access_logs(&logs, "releases/")
        .lifecycle_rule(LifecycleRule::new("Old").prefix("old/").expiration_days(30))
        .event_bridge();
    Bucket::new(&two.tools, "Releases", props);
    insta::assert_json_snapshot!(two.synth().template("Tools"));
}

#[test]
fn project() {
    let two = Two::new();
    let key = Key::new(&two.tools, "Key", KeyProps::new());
    let secret = Secret::new(&two.tools, "Token", SecretProps::new().encryption_key(&key));
    let steps = BuildSpec::inline(json!({ "version": "0.2", "phases": { "build": { "commands": ["make"] } } }));
    let props = ProjectProps::new()
        .project_name("hello")
        .build_spec(steps)
        .environment_variable("STAGE", "dev")
        .environment_variable("TOKEN", Variable::Secret(secret, Some("token".to_owned())))
        .environment_variable("LEVEL", Variable::Parameter("/hello/level".to_owned()))
        .timeout_minutes(15)
        .encryption_key(&key)
        .log_retention(RetentionDays::OneMonth);
    Project::new(&two.tools, "Hello", Source::None, props);
    insta::assert_json_snapshot!(two.synth().template("Tools"));
}

#[test]
fn rule_that_tells_an_encrypted_topic() {
    let two = Two::new();
    let key = Key::new(&two.tools, "Key", KeyProps::new());
    let topic = Topic::new(&two.tools, "Topic", TopicProps::new().encryption_key(&key));
    topic.add_email_subscription("Team", "team@example.com");
    let pattern = json!({ "source": ["aws.codebuild"], "detail": { "build-status": ["FAILED"] } });
    let target = Target::topic(&topic).message("<project> failed", [("project", "$.detail.project-name")]);
    Rule::new(&two.tools, "Failures", RuleProps::new().event_pattern(pattern).target(target));
    insta::assert_json_snapshot!(two.synth().template("Tools"));
}

#[test]
fn a_log_group_and_its_key_do_not_need_each_other() {
    let two = Two::new();
    let key = Key::new(&two.tools, "Key", KeyProps::new());
    LogGroup::new(&two.tools, "Logs", LogGroupProps::new().encryption_key(&key));
    let assembly = two.synth();
    let template = assembly.template("Tools");
    let name = the(template, "AWS::Logs::LogGroup")["LogGroupName"].as_str().unwrap().to_owned();
    let policy = the(template, "AWS::KMS::Key")["KeyPolicy"].to_string();
    assert!(policy.contains(&format!("log-group:{name}*")), "{policy}");
    assert!(!policy.contains("Fn::GetAtt"), "{policy}");
}

#[test]
fn repository_begins_with_an_asset() {
    let two = Two::new();
    let asset = xacct_core::Asset::new(&two.tools, "Code", concat!(env!("CARGO_MANIFEST_DIR"), "/tests"));
    let code = xacct_constructs::codecommit::Code::from_asset(&asset, "trunk");
    Repository::new(&two.tools, "Repository", "network", RepositoryProps::new().code(code));
    let assembly = two.synth();
    let code = &the(assembly.template("Tools"), "AWS::CodeCommit::Repository")["Code"];
    assert_eq!(code["BranchName"], "trunk");
    assert_eq!(code["S3"]["Bucket"], "cdk-hnb659fds-assets-111111111111-eu-west-1");
    assert_eq!(code["S3"]["Key"], format!("{}.zip", asset.hash()));
    assert_eq!(assembly.0.stacks.iter().map(|it| it.assets.len()).sum::<usize>(), 1);
}

#[test]
fn a_permissions_boundary_reaches_the_roles_that_constructs_make() {
    let two = Two::new();
    two.tools.node().set_permissions_boundary("arn:aws:iam::111111111111:policy/boundary");
    Project::new(&two.tools, "Build", Source::CodePipeline, ProjectProps::new());
    let assembly = two.synth();
    for (_, role) in of_type(assembly.template("Tools"), "AWS::IAM::Role") {
        assert_eq!(role["Properties"]["PermissionsBoundary"], "arn:aws:iam::111111111111:policy/boundary");
    }
}
