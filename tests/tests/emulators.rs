//! The emulators and the proxy themselves: what the other tests take for granted about them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xacct_tests::{Account, Emulator, Fault, FaultProxy, demanded, localemu, ministack};

const BUCKET: &str =
    "<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>";
const REGION: &str = "eu-central-1";
const TOOLS: &str = "111111111111";
const PRODUCTION: &str = "222222222222";

#[test]
fn ministack_serves_the_types_it_lacks() {
    let Some(emulator) = demanded(ministack()) else {
        return;
    };
    let tools = emulator.account(TOOLS, REGION);
    let status = deploy(
        &tools,
        "types",
        &json!({ "Resources": {
        "Group": { "Type": "AWS::IAM::Group", "Properties": { "GroupName": "developers" } },
        "User": { "Type": "AWS::IAM::User", "Properties": { "UserName": "alice" } },
        "Member": { "Type": "AWS::IAM::UserToGroupAddition", "Properties": { "GroupName": { "Ref": "Group" }, "Users": [{ "Ref": "User" }] } },
        "Key": { "Type": "AWS::IAM::AccessKey", "Properties": { "UserName": { "Ref": "User" } } },
        "Secret": { "Type": "AWS::SecretsManager::Secret", "Properties": { "Name": "key", "SecretString": { "Fn::GetAtt": ["Key", "SecretAccessKey"] } } },
        "Repository": { "Type": "AWS::CodeCommit::Repository", "Properties": { "RepositoryName": "network" } },
    } }),
    );
    assert_eq!(status, "CREATE_COMPLETE");

    let group = tools.query("iam", "2010-05-08", "GetGroup", &[("GroupName", "developers")]);
    assert_eq!(group.element("UserName").as_deref(), Some("alice"));
    let repository =
        tools.json("codecommit", "CodeCommit_20150413.GetRepository", &json!({ "repositoryName": "network" })).json();
    assert_eq!(repository["repositoryMetadata"]["accountId"], TOOLS);
    let secret = tools.json("secretsmanager", "secretsmanager.GetSecretValue", &json!({ "SecretId": "key" })).json();
    assert_eq!(secret["SecretString"].as_str().map(str::len), Some(40));

    assert_eq!(delete(&tools, "types"), None);
    let gone = tools.json("codecommit", "CodeCommit_20150413.GetRepository", &json!({ "repositoryName": "network" }));
    assert!(gone.body.contains("RepositoryDoesNotExistException"), "{gone:?}");
}

#[test]
fn ministack_refuses_a_pipeline_whose_roles_cannot_be_assumed() {
    let Some(emulator) = demanded(ministack()) else {
        return;
    };
    let (tools, production) = (emulator.account(TOOLS, REGION), emulator.account(PRODUCTION, REGION));
    let service_role = json!({ "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": "codepipeline.amazonaws.com" } }] });
    let pipeline = |stack: &str, action_role: &str| {
        json!({ "Resources": {
            "Store": { "Type": "AWS::S3::Bucket", "Properties": { "BucketName": format!("{stack}-store") } },
            "Role": { "Type": "AWS::IAM::Role", "Properties": { "RoleName": "pipeline", "AssumeRolePolicyDocument": service_role } },
            "Pipeline": { "Type": "AWS::CodePipeline::Pipeline", "Properties": {
                "Name": "delivery", "RoleArn": { "Fn::GetAtt": ["Role", "Arn"] }, "ArtifactStore": { "Type": "S3", "Location": { "Ref": "Store" } },
                "Stages": [{ "Name": "Prod", "Actions": [{ "Name": "Apply", "RoleArn": action_role, "Configuration": { "ProjectName": "apply" } }] }],
            } },
        } })
    };
    let action_role = format!("arn:aws:iam::{PRODUCTION}:role/action");
    assert_eq!(deploy(&tools, "early", &pipeline("early", &action_role)), "ROLLBACK_COMPLETE");
    assert!(delete(&tools, "early").is_none());

    for (trusted, expected) in [("someone-else", "ROLLBACK_COMPLETE"), ("pipeline", "CREATE_COMPLETE")] {
        let trust = json!({ "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": format!("arn:aws:iam::{TOOLS}:root") },
            "Condition": { "ArnEquals": { "aws:PrincipalArn": format!("arn:aws:iam::{TOOLS}:role/{trusted}") } } }] });
        let role = json!({ "Resources": { "Role": { "Type": "AWS::IAM::Role", "Properties": { "RoleName": "action", "AssumeRolePolicyDocument": trust } } } });
        assert_eq!(deploy(&production, trusted, &role), "CREATE_COMPLETE");
        assert_eq!(deploy(&tools, trusted, &pipeline(trusted, &action_role)), expected, "trust in {trusted}");
        if expected == "CREATE_COMPLETE" {
            let read =
                tools.json("codepipeline", "CodePipeline_20150709.GetPipeline", &json!({ "name": "delivery" })).json();
            assert_eq!(read["pipeline"]["stages"][0]["actions"][0]["configuration"]["ProjectName"], "apply");
        }
        delete(&tools, trusted);
        delete(&production, trusted);
    }
}

#[test]
fn localemu_enforces_the_policies_of_both_accounts() {
    let Some(emulator) = demanded(localemu(&[TOOLS, PRODUCTION])) else {
        return;
    };
    let (tools, production) = (emulator.account(TOOLS, REGION), emulator.account(PRODUCTION, REGION));
    let trust = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": format!("arn:aws:iam::{TOOLS}:role/caller") } }] });
    let to_caller = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": TOOLS } }] });
    for name in ["caller", "stranger"] {
        role(&tools, name, &to_caller);
    }
    role(&production, "target", &trust);
    let allow = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*" }] }).to_string();
    for name in ["caller", "stranger"] {
        let put = [("RoleName", name), ("PolicyName", "assume"), ("PolicyDocument", &allow)];
        assert!(tools.query("iam", "2010-05-08", "PutRolePolicy", &put).is_success());
    }
    let target = format!("arn:aws:iam::{PRODUCTION}:role/target");
    let as_caller =
        assume(&tools, &format!("arn:aws:iam::{TOOLS}:role/caller")).expect("the account may assume its role");
    let as_stranger =
        assume(&tools, &format!("arn:aws:iam::{TOOLS}:role/stranger")).expect("the account may assume its role");
    assert!(assume(&as_caller, &target).is_ok());
    let refusal = assume(&as_stranger, &target).expect_err("a stranger is not trusted");
    assert!(refusal.contains("AccessDenied"), "{refusal}");
}

#[test]
fn faults_reach_the_client_and_the_log() {
    let Some(emulator) = demanded(ministack()) else {
        return;
    };
    let proxy = FaultProxy::before(&emulator.url);
    let direct = emulator.account(TOOLS, REGION);
    let through = through(&emulator, &proxy);
    let call = || through.query("cloudformation", "2010-05-15", "ListStacks", &[]);

    assert_eq!(call().status, 200);
    proxy.inject("ListStacks", Fault::Throttle, 1);
    let throttled = call();
    assert_eq!((throttled.status, throttled.element("Code").as_deref()), (400, Some("Throttling")));
    proxy.inject("ListStacks", Fault::ServerError(503), 1);
    assert_eq!(call().status, 503);
    proxy.inject("ListStacks", Fault::Delay(Duration::from_millis(200)), 1);
    let started = Instant::now();
    assert_eq!(call().status, 200);
    assert!(started.elapsed() >= Duration::from_millis(200));
    proxy.inject("ListStacks", Fault::Reset, 1);
    assert_eq!(call().status, 0);
    let faults: Vec<_> = proxy.take_log().into_iter().map(|seen| (seen.action, seen.fault.is_some())).collect();
    assert_eq!(faults, [false, true, true, true, true].map(|fault| ("ListStacks".to_owned(), fault)));

    // A reply that is lost was given: the bucket is there.
    proxy.inject("PutBucket", Fault::LoseReply, 1);
    assert_eq!(through.rest("s3", "PUT", "/made-unseen", &[], BUCKET).status, 0);
    assert_eq!(direct.rest("s3", "HEAD", "/made-unseen", &[], "").status, 200);
    assert_eq!(proxy.pending(), 0);
}

fn through(emulator: &Emulator, proxy: &FaultProxy) -> Account {
    emulator.account(TOOLS, REGION).at(&proxy.url)
}

fn role(account: &Account, name: &str, trust: &Value) {
    let trust = trust.to_string();
    let answer =
        account.query("iam", "2010-05-08", "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust)]);
    assert!(answer.is_success(), "{answer:?}");
}

fn assume(account: &Account, role: &str) -> Result<Account, String> {
    let answer = account.query("sts", "2011-06-15", "AssumeRole", &[("RoleArn", role), ("RoleSessionName", "test")]);
    let field = |name: &str| answer.element(name).ok_or_else(|| answer.body.clone());
    Ok(account.with_credentials(&field("AccessKeyId")?, &field("SecretAccessKey")?, Some(&field("SessionToken")?)))
}

/// Creates a stack and returns the status that it ends with.
fn deploy(account: &Account, name: &str, template: &Value) -> String {
    let body = template.to_string();
    let parameters = [("StackName", name), ("TemplateBody", &body), ("Capabilities.member.1", "CAPABILITY_NAMED_IAM")];
    let answer = account.query("cloudformation", "2010-05-15", "CreateStack", &parameters);
    assert!(answer.is_success(), "{answer:?}");
    settled(account, name).unwrap_or_default()
}

/// Deletes a stack; returns its status if it is still there.
fn delete(account: &Account, name: &str) -> Option<String> {
    assert!(account.query("cloudformation", "2010-05-15", "DeleteStack", &[("StackName", name)]).is_success());
    settled(account, name)
}

fn settled(account: &Account, name: &str) -> Option<String> {
    for _ in 0..600 {
        let answer = account.query("cloudformation", "2010-05-15", "DescribeStacks", &[("StackName", name)]);
        let status = answer.element("StackStatus")?;
        if !status.ends_with("IN_PROGRESS") {
            return Some(status);
        }
        // CloudFormation tells nobody when a stack is done: it must be asked.
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("stack {name} does not settle");
}
