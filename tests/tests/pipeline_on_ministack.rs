//! The main app, unmodified: deployed by its own command line into two accounts of a real emulator, read back through every service's own door, deployed
//! again, and destroyed.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails loudly")]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use xacct_tests::{Account, Emulator, Program, demanded, ministack};

const TOOLS: &str = "111111111111";
const PRODUCTION: &str = "222222222222";
const REGION: &str = "eu-west-1";

#[test]
fn is_deployed_read_back_repeated_and_destroyed() {
    let Some(emulator) = demanded(ministack()) else { return };
    let program = Program::app(&emulator.url, &[("tools", TOOLS), ("production", PRODUCTION)], REGION);
    program.run(&["bootstrap", "--yes"]).expect_success();
    let deployed = program.run(&["deploy", "--yes"]).expect_success();
    let world = World { emulator };

    world.users_have_keys_in_secrets();
    world.the_key_is_shared_with_production_and_nobody_else();
    world.the_bucket_is_private_and_shared_with_production();
    world.production_trusts_the_pipeline_and_nobody_else();
    world.the_repository_is_seeded();
    world.the_pipeline_runs_every_stage_in_its_account();
    world.no_secret_was_printed(&deployed.text());

    let before = world.events();
    let again = program.run(&["deploy", "--yes"]).expect_success();
    assert_eq!(world.events(), before, "nothing was done: {}", again.text());
    assert!(again.text().to_lowercase().contains("no changes"), "{}", again.text());

    program.run(&["destroy", "--yes"]).expect_success();
    for account in [TOOLS, PRODUCTION] {
        let left = world.cloudformation(account, "DescribeStacks", &[]).elements("StackName");
        assert!(left.iter().all(|name| *name == "CDKToolkit"), "{left:?}");
        assert_eq!(world.iam(account, "ListUsers", &[]).elements("UserName"), [""; 0]);
    }
}

struct World {
    emulator: Emulator,
}

impl World {
    fn account(&self, id: &str) -> Account {
        self.emulator.account(id, REGION)
    }

    fn users_have_keys_in_secrets(&self) {
        for account in [TOOLS, PRODUCTION] {
            let users = self.iam(account, "ListUsers", &[]).elements("UserName");
            assert!(!users.is_empty(), "account {account} has no user");
            let keys: BTreeSet<String> = users
                .iter()
                .flat_map(|user| self.iam(account, "ListAccessKeys", &[("UserName", user)]).elements("AccessKeyId"))
                .collect();
            assert_eq!(keys.len(), users.len(), "every user has one key");
            let secrets = self.secrets(account);
            for key in keys {
                let secret = secrets.iter().find(|secret| secret.contains(&key));
                assert!(secret.is_some(), "no secret in {account} holds the key {key}");
            }
        }
    }

    /// The values of all secrets of an account.
    fn secrets(&self, account: &str) -> Vec<String> {
        let account = self.account(account);
        let list = account.json("secretsmanager", "secretsmanager.ListSecrets", &json!({})).json();
        let names = list["SecretList"].as_array().unwrap().iter().map(|secret| secret["ARN"].clone());
        let read =
            |id: Value| account.json("secretsmanager", "secretsmanager.GetSecretValue", &json!({ "SecretId": id }));
        names.map(|name| read(name).json()["SecretString"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn the_key_is_shared_with_production_and_nobody_else(&self) {
        let keys = self.physical_ids(TOOLS, "AWS::KMS::Key");
        let shared: Vec<Value> = keys.iter().map(|key| self.key_policy(key)).filter(names(PRODUCTION)).collect();
        assert_eq!(shared.len(), 1, "one key of {keys:?} is shared");
        assert_only_these_accounts(&shared[0]);
        let statement = statements_for(&shared[0], PRODUCTION).remove(0);
        let text = statement.to_string();
        assert!(text.contains("kms:Decrypt") && !text.contains("kms:*"), "{text}");
        assert!(text.contains(&format!("arn:aws:iam::{PRODUCTION}:role/")), "not narrowed to a role: {text}");
    }

    fn key_policy(&self, key: &str) -> Value {
        let request = json!({ "KeyId": key, "PolicyName": "default" });
        let answer = self.account(TOOLS).json("kms", "TrentService.GetKeyPolicy", &request).json();
        serde_json::from_str(answer["Policy"].as_str().unwrap()).unwrap()
    }

    fn the_bucket_is_private_and_shared_with_production(&self) {
        let buckets = self.physical_ids(TOOLS, "AWS::S3::Bucket");
        let get = |bucket: &str, what: &str| {
            let answer = self.account(TOOLS).rest("s3", "GET", &format!("/{bucket}?{what}="), &[], "");
            assert!(answer.is_success(), "{bucket}: {answer:?}");
            answer
        };
        let policy = |bucket: &String| serde_json::from_str::<Value>(&get(bucket, "policy").body).unwrap();
        let shared: Vec<_> = buckets.iter().filter(|bucket| names(PRODUCTION)(&policy(bucket))).collect();
        assert_eq!(shared.len(), 1, "one bucket of {buckets:?} is shared");
        for bucket in &buckets {
            let policy = policy(bucket);
            assert_only_these_accounts(&policy);
            let text = policy.to_string();
            assert!(text.contains("aws:SecureTransport"), "{bucket} can be reached without TLS: {text}");
            assert_eq!(get(bucket, "versioning").element("Status").as_deref(), Some("Enabled"));
            let block = get(bucket, "publicAccessBlock");
            assert_eq!(block.body.matches("true").count(), 4, "{block:?}");
        }
    }

    fn production_trusts_the_pipeline_and_nobody_else(&self) {
        let roles = self.physical_ids(PRODUCTION, "AWS::IAM::Role");
        let trust = |role: &String| -> Value {
            let answer = self.iam(PRODUCTION, "GetRole", &[("RoleName", role)]);
            serde_json::from_str(&answer.element("AssumeRolePolicyDocument").unwrap()).unwrap()
        };
        let foreign: Vec<Value> = roles.iter().map(trust).filter(names(TOOLS)).collect();
        assert_eq!(foreign.len(), 1, "one role of {roles:?} trusts the tools account");
        let text = foreign[0].to_string();
        assert!(text.contains("aws:PrincipalArn") && text.contains(&format!("arn:aws:iam::{TOOLS}:role/")), "{text}");
    }

    fn the_repository_is_seeded(&self) {
        let call = |operation: &str, body: Value| {
            self.account(TOOLS).json("codecommit", &format!("CodeCommit_20150413.{operation}"), &body).json()
        };
        let list = call("ListRepositories", json!({}));
        let repositories = list["repositories"].as_array().unwrap();
        assert_eq!(repositories.len(), 1);
        let repository = call("GetRepository", json!({ "repositoryName": repositories[0]["repositoryName"] }));
        let metadata = &repository["repositoryMetadata"];
        assert_eq!(metadata["defaultBranch"], "main");
        assert!(metadata["seededFrom"].as_str().unwrap().ends_with(".zip"), "{metadata}");
    }

    fn the_pipeline_runs_every_stage_in_its_account(&self) {
        let call = |operation: &str, body: Value| {
            self.account(TOOLS).json("codepipeline", &format!("CodePipeline_20150709.{operation}"), &body).json()
        };
        let list = call("ListPipelines", json!({}));
        let pipelines = list["pipelines"].as_array().unwrap();
        assert_eq!(pipelines.len(), 1);
        let pipeline = call("GetPipeline", json!({ "name": pipelines[0]["name"] }))["pipeline"].take();
        assert_eq!((&pipeline["pipelineType"], &pipeline["executionMode"]), (&json!("V2"), &json!("QUEUED")));
        let mut runs = BTreeSet::new();
        for action in
            pipeline["stages"].as_array().unwrap().iter().flat_map(|stage| stage["actions"].as_array().unwrap())
        {
            let Some(project) = action["configuration"]["ProjectName"].as_str() else { continue };
            let account = action["roleArn"].as_str().map_or(TOOLS, |role| role.split(':').nth(4).unwrap());
            let request = json!({ "names": [project] });
            let found = self.account(account).json("codebuild", "CodeBuild_20161006.BatchGetProjects", &request).json();
            assert_eq!(found["projects"].as_array().map(Vec::len), Some(1), "no project {project} in {account}");
            let variables =
                found["projects"][0]["environment"]["environmentVariables"].as_array().cloned().unwrap_or_default();
            let stage = variables.iter().find(|variable| variable["name"] == "STAGE");
            runs.extend(stage.map(|stage| (stage["value"].as_str().unwrap().to_owned(), account.to_owned())));
        }
        let expected = [("dev", TOOLS), ("qa", TOOLS), ("prod", PRODUCTION)];
        assert_eq!(runs, expected.map(|(stage, account)| (stage.to_owned(), account.to_owned())).into());
    }

    fn no_secret_was_printed(&self, output: &str) {
        for account in [TOOLS, PRODUCTION] {
            for secret in self.secrets(account) {
                let values: Vec<String> = match serde_json::from_str::<Value>(&secret) {
                    Ok(Value::Object(fields)) => {
                        fields.values().filter_map(|value| value.as_str().map(str::to_owned)).collect()
                    }
                    _ => vec![secret],
                };
                let long = values.iter().filter(|value| value.len() > 30);
                assert!(long.into_iter().all(|value| !output.contains(value.as_str())), "a secret is in the output");
            }
        }
    }

    /// How many events all stacks have had.
    fn events(&self) -> usize {
        let mut count = 0;
        for account in [TOOLS, PRODUCTION] {
            for stack in self.cloudformation(account, "DescribeStacks", &[]).elements("StackName") {
                count += self
                    .cloudformation(account, "DescribeStackEvents", &[("StackName", &stack)])
                    .elements("EventId")
                    .len();
            }
        }
        count
    }

    /// The physical ids of all resources of a type in the app's stacks.
    fn physical_ids(&self, account: &str, cfn_type: &str) -> Vec<String> {
        let stacks = self.cloudformation(account, "DescribeStacks", &[]).elements("StackName");
        let resources =
            stacks.iter().map(|stack| self.cloudformation(account, "DescribeStackResources", &[("StackName", stack)]));
        let members: Vec<String> = resources.flat_map(|answer| answer.elements("member")).collect();
        let of_type =
            members.iter().filter(|member| member.contains(&format!("<ResourceType>{cfn_type}</ResourceType>")));
        let id = |member: &String| {
            let (_, rest) = member.split_once("<PhysicalResourceId>").unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        of_type.map(id).collect()
    }

    fn cloudformation(&self, account: &str, action: &str, parameters: &[(&str, &str)]) -> xacct_tests::Answer {
        let answer = self.account(account).query("cloudformation", "2010-05-15", action, parameters);
        assert!(answer.is_success(), "{answer:?}");
        answer
    }

    fn iam(&self, account: &str, action: &str, parameters: &[(&str, &str)]) -> xacct_tests::Answer {
        let answer = self.account(account).query("iam", "2010-05-08", action, parameters);
        assert!(answer.is_success(), "{answer:?}");
        answer
    }
}

/// Whether a policy names an account in a principal.
fn names(account: &'static str) -> impl Fn(&Value) -> bool {
    move |policy| !statements_for(policy, account).is_empty()
}

fn statements_for(policy: &Value, account: &str) -> Vec<Value> {
    let statements = policy["Statement"].as_array().unwrap().iter();
    statements
        .filter(|statement| statement["Effect"] == "Allow" && statement["Principal"].to_string().contains(account))
        .cloned()
        .collect()
}

/// No allowing statement is for anybody but the two accounts and AWS's services.
fn assert_only_these_accounts(policy: &Value) {
    for statement in policy["Statement"].as_array().unwrap().iter().filter(|statement| statement["Effect"] == "Allow") {
        let principal = statement["Principal"].to_string();
        let ours = principal.contains(TOOLS) || principal.contains(PRODUCTION) || principal.contains("\"Service\"");
        assert!(ours && !principal.contains("\"*\""), "{statement}");
    }
}
