//! Releases that one account builds, another tries out, and a third runs, in two regions, with references in both directions
//! and no stack that waits for another.
//!
//! `cargo run -p xacct-constructs --example releases -- FOLDER` writes the assembly into a folder.
//!
//! ```text
//!  Build 111111111111/eu-west-1      Staging 222222222222/eu-west-1      Live 333333333333/eu-central-1
//!  releases, their key  ◄─reads──────  Trial                              
//!        ▲  ▲────────────────────────────────────────────reads──────────  Deployer ◄─┐
//!  Builder puts                                                                      │
//!  Promoter ─────────────────────────────────────────────takes on────────────────────┘
//!                                    reports, their key  ◄───writes─────  Deployer
//! ```

use std::error::Error;
use std::path::Path;

use xacct_constructs::iam::{CrossAccountRole, Role, RoleProps};
use xacct_constructs::kms::{Key, KeyProps};
use xacct_constructs::s3::{Bucket, BucketProps, LifecycleRule};
use xacct_core::{AccountId, App, Environment, Principal, Region, Stack, StackProps};

const BUILD: Environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
const STAGING: Environment = Environment::new(AccountId::literal("222222222222"), Region::literal("eu-west-1"));
const LIVE: Environment = Environment::new(AccountId::literal("333333333333"), Region::literal("eu-central-1"));

fn main() -> Result<(), Box<dyn Error>> {
    let app = App::new();
    define(&app);
    let folder = std::env::args().nth(1).unwrap_or_else(|| "cdk.out".to_owned());
    app.synth()?.write(Path::new(&folder))?;
    Ok(())
}

/// The three stacks.
#[allow(unreachable_pub, reason = "the tests define the same app")]
pub fn define(app: &App) {
    let build = Stack::new(app, "Build", BUILD, StackProps::new());
    let staging = Stack::new(app, "Staging", STAGING, StackProps::new());
    let live = Stack::new(app, "Live", LIVE, StackProps::new());

    let releases = store(&build, "Releases");
    let reports = store(&staging, "Reports");

    let code_build = || Principal::service("codebuild.amazonaws.com");
    let builder = Role::new(&build, "Builder", code_build(), RoleProps::new());
    let promoter = Role::new(&build, "Promoter", code_build(), RoleProps::new());
    let trial = Role::new(&staging, "Trial", Principal::service("ecs-tasks.amazonaws.com"), RoleProps::new());
    // A role of the live account for one of the build account: each of the two names the other.
    let deployer = CrossAccountRole::new(&live, "Deployer", &promoter, RoleProps::new());

    releases.grant_put(&builder);
    releases.grant_read(&trial);
    releases.grant_read(&deployer);
    reports.grant_on_objects(&deployer, "live/*", &["s3:PutObject"]);
}

/// A bucket with a key of its own, which other accounts know by its alias.
fn store(stack: &Stack, id: &str) -> Bucket {
    let key = Key::new(stack, &format!("{id}Key"), KeyProps::new().alias(id.to_lowercase()));
    let old = LifecycleRule::new("Old").noncurrent_version_days(90).abort_upload_days(7);
    Bucket::new(stack, id, BucketProps::new().encryption_key(&key).lifecycle_rule(old))
}
