//! What AWS would refuse, told with its place before anything is deployed.

use xacct_constructs::codebuild::{Project, ProjectProps, Source};
use xacct_constructs::codecommit::{Repository, RepositoryProps};
use xacct_constructs::events::{Rule, RuleProps};
use xacct_constructs::iam::{AccessKey, AccessKeyProps, Group, GroupProps, Role, RoleProps, User, UserProps};
use xacct_constructs::kms::{Key, KeyProps};
use xacct_constructs::logs::{LogGroup, LogGroupProps};
use xacct_constructs::s3::{Bucket, BucketProps, LifecycleRule};
use xacct_constructs::sns::{Topic, TopicProps};
use xacct_core::{CfnOutput, CfnOutputProps, Principal, Stack};

use crate::support::Two;

/// Defines something and expects exactly these messages, each at the line of its definition.
fn check(define: impl FnOnce(&Stack), expected: &[&str]) {
    let two = Two::new();
    define(&two.tools);
    let problems = two.problems();
    let messages: Vec<&str> = problems.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(messages, expected);
    for problem in &problems {
        let location = problem.location.as_ref().unwrap();
        assert!(location.file.ends_with("mistakes.rs"), "{problem}");
        assert!(problem.help.is_some(), "{problem}");
    }
}

#[test]
fn names() {
    let role = |name: &str| {
        let props = RoleProps::new().role_name(name);
        move |stack: &Stack| drop(Role::new(stack, "It", Principal::service("lambda.amazonaws.com"), props))
    };
    check(role("deploy prod"), &["`deploy prod` cannot be a role name: it contains ` `"]);
    check(role(&"r".repeat(65)), &[&format!("`{}` cannot be a role name: it has 65 characters", "r".repeat(65))]);

    let bucket = |name: &str| {
        let props = BucketProps::new().bucket_name(name);
        move |stack: &Stack| drop(Bucket::new(stack, "It", props))
    };
    check(bucket("Releases"), &["`Releases` cannot be a bucket name: it contains `R`"]);
    check(bucket("my..bucket"), &["`my..bucket` cannot be a bucket name: it has two dots in a row"]);
    check(bucket("10.0.0.1"), &["`10.0.0.1` cannot be a bucket name: it looks like an IP address"]);
    check(bucket("-bucket"), &["`-bucket` cannot be a bucket name: it does not begin and end with a letter or digit"]);
    check(bucket("ab"), &["`ab` cannot be a bucket name: it has 2 characters"]);
    check(
        bucket("xn--bucket"),
        &["`xn--bucket` cannot be a bucket name: AWS keeps names that begin with `xn--` for itself"],
    );

    let alias = |name: &str| {
        let props = KeyProps::new().alias(name);
        move |stack: &Stack| drop(Key::new(stack, "It", props))
    };
    check(alias("alias/aws/s3"), &["`aws/s3` cannot be a key alias: AWS keeps `alias/aws/` for itself"]);
    check(alias("my key"), &["`my key` cannot be a key alias: it contains ` `"]);

    check(
        |stack| drop(User::new(stack, "It", UserProps::new().user_name("a/b"))),
        &["`a/b` cannot be a user name: it contains `/`"],
    );
    check(
        |stack| drop(Group::new(stack, "It", GroupProps::new().group_name(""))),
        &["`` cannot be a group name: it has 0 characters"],
    );
    check(
        |stack| drop(Repository::new(stack, "It", "network.git", RepositoryProps::new())),
        &["`network.git` cannot be a repository name: it ends with `.git`"],
    );
    check(
        |stack| drop(LogGroup::new(stack, "It", LogGroupProps::new().log_group_name("a:b"))),
        &["`a:b` cannot be a log group name: it contains `:`"],
    );
    check(
        |stack| drop(Topic::new(stack, "It", TopicProps::new().topic_name("a.b"))),
        &["`a.b` cannot be a topic name: it contains `.`"],
    );
    check(
        |stack| drop(Project::new(stack, "It", Source::CodePipeline, ProjectProps::new().project_name("a b"))),
        &["`a b` cannot be a build project name: it contains ` `"],
    );
}

#[test]
fn numbers() {
    check(
        |stack| drop(Key::new(stack, "It", KeyProps::new().rotation_days(30).pending_window_days(3))),
        &["the rotation period of a key cannot be 30 days", "the waiting period of a key cannot be 3 days"],
    );
    check(
        |stack| {
            let props = RoleProps::new().max_session_seconds(60);
            Role::new(stack, "It", Principal::service("lambda.amazonaws.com"), props);
        },
        &["the longest session of a role cannot be 60 seconds"],
    );
    check(
        |stack| drop(Project::new(stack, "It", Source::CodePipeline, ProjectProps::new().timeout_minutes(1))),
        &["the timeout of a build cannot be 1 minutes"],
    );
    check(
        |stack| {
            let user = User::new(stack, "User", UserProps::new());
            AccessKey::new(stack, "It", &user, AccessKeyProps::new().serial(0));
        },
        &["the serial of an access key cannot be 0"],
    );
}

#[test]
fn combinations() {
    check(
        |stack| drop(Project::new(stack, "It", Source::None, ProjectProps::new())),
        &["the project has no source to read its build specification from"],
    );
    check(
        |stack| {
            let props = ProjectProps::new()
                .environment_variable("STAGE", "dev")
                .environment_variable("STAGE", "qa")
                .environment_variable("AWS_SECRET_ACCESS_KEY", "hunter2");
            Project::new(stack, "It", Source::CodePipeline, props);
        },
        &[
            "the environment variable `STAGE` is set twice",
            "`AWS_SECRET_ACCESS_KEY` is a credential, and would be there for all to read",
        ],
    );
    check(
        |stack| drop(Rule::new(stack, "It", RuleProps::new())),
        // The second is the schema's.
        &["the rule has neither an event pattern nor a schedule", "one of these properties must be given"],
    );
    check(
        |stack| drop(Bucket::new(stack, "It", BucketProps::new().lifecycle_rule(LifecycleRule::new("Empty")))),
        &["the lifecycle rule `Empty` does nothing"],
    );
    check(
        |stack| {
            let key = Key::new(stack, "Key", KeyProps::new());
            let logs = Bucket::new(stack, "Logs", BucketProps::new().encryption_key(&key));
            Bucket::new(stack, "It", BucketProps::new().access_logs(&logs, "it/"));
        },
        &["S3 cannot write access logs to a bucket with a key of yours"],
    );
    check(
        |stack| drop(Key::from_key_arn(stack, "It", "arn:aws:kms:eu-west-1:111111111111:alias/it")),
        &["`arn:aws:kms:eu-west-1:111111111111:alias/it` is not the ARN of a key"],
    );
    check(
        |stack| drop(Role::from_role_arn(stack, "It", "arn:aws:iam::11111111111:role/it")),
        &["`arn:aws:iam::11111111111:role/it` is not the ARN of a role"],
    );
}

#[test]
fn an_access_key_is_not_shown_as_an_output() {
    use xacct_core::Construct;
    check(
        |stack| {
            let user = User::new(stack, "User", UserProps::new());
            let key = AccessKey::new(stack, "Key", &user, AccessKeyProps::new());
            let secret: xacct_core::Value<str> = key.node().find_child("Resource").unwrap().get_att("SecretAccessKey");
            CfnOutput::new(stack, "Leak", secret, CfnOutputProps::new());
        },
        &["a secret access key is shown as an output"],
    );
}
