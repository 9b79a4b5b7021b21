//! A target account that trusts nobody with everything: its baseline has the role that CloudFormation deploys the workload with,
//! which may do no more than the workload's resources need, and change roles only under a permissions boundary.
//!
//! `cargo run -p xacct-constructs --example baseline -- FOLDER` writes the assembly into a folder.

use std::error::Error;
use std::path::Path;

use xacct_constructs::iam::{ExecutionRole, ExecutionRoleProps, ManagedPolicy, ManagedPolicyProps, Role, RoleProps};
use xacct_constructs::kms::{Key, KeyProps};
use xacct_constructs::s3::{Bucket, BucketProps};
use xacct_constructs::sns::{Topic, TopicProps};
use xacct_core::{AccountId, App, Construct, Environment, Principal, Region, Stack, StackProps, Statement};

const PRODUCTION: Environment = Environment::new(AccountId::literal("222222222222"), Region::literal("eu-west-1"));

fn main() -> Result<(), Box<dyn Error>> {
    let app = App::new();
    define(&app);
    let folder = std::env::args().nth(1).unwrap_or_else(|| "cdk.out".to_owned());
    app.synth()?.write(Path::new(&folder))?;
    Ok(())
}

/// The baseline, and the workload that is deployed with its role.
#[allow(unreachable_pub, reason = "the tests define the same app")]
pub fn define(app: &App) {
    let baseline = Stack::new(app, "Baseline", PRODUCTION, StackProps::new());
    // What any role of the workload can do at most, whatever its own policy says: it bounds, so it is wide.
    let boundary = ManagedPolicy::new(
        &baseline,
        "Boundary",
        ManagedPolicyProps::new()
            .managed_policy_name("workload-boundary")
            .statement(Statement::allow(["s3:*", "kms:*", "sns:Publish"]).on(["*"]))
            .statement(Statement::deny(["s3:DeleteBucket", "kms:ScheduleKeyDeletion"]).on(["*"])),
    );

    let workload = Stack::new(app, "Workload", PRODUCTION, StackProps::new());
    workload.node().set_permissions_boundary(boundary.arn().cast::<str>());
    let key = Key::new(&workload, "Key", KeyProps::new());
    let reports =
        Bucket::new(&workload, "Reports", BucketProps::new().bucket_name("reports-222222222222").encryption_key(&key));
    let done = Topic::new(&workload, "Done", TopicProps::new().topic_name("reports-done"));
    let writer = Role::new(&workload, "Writer", Principal::service("lambda.amazonaws.com"), RoleProps::new());
    reports.grant_write(&writer);
    done.grant_publish(&writer);

    ExecutionRole::new(&baseline, "Execution", &workload, ExecutionRoleProps::new());
}
