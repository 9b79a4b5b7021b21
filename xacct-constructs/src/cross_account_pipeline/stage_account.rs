//! What an account has for the stages that are deployed into it.

use serde_json::json;
use xacct_core::{Construct, Node, RemovalPolicy};

use crate::kms::{Key, KeyProps};
use crate::s3::{Bucket, BucketProps, LifecycleRule};

/// A key, a bucket for Terraform's state and plans, and a bucket for the log of who reached them.
#[derive(Clone, Debug)]
pub struct StageAccount {
    node: Node,
    /// What state, logs and secrets of this account are encrypted with.
    pub key: Key,
    /// Terraform's state and plans: versioned, so that a broken state can be taken back.
    pub state: Bucket,
    /// The log of every access to the other buckets of this account.
    pub access_logs: Bucket,
}

/// How to make a [`StageAccount`].
#[derive(Clone, Debug)]
pub struct StageAccountProps {
    name: String,
    removal_policy: RemovalPolicy,
}

impl StageAccountProps {
    /// The defaults. `name` is what the key's alias begins with.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), removal_policy: RemovalPolicy::Retain }
    }

    /// What happens to the key and the buckets when the stack no longer has them. Default: they are retained: without its state,
    /// Terraform loses sight of what it made.
    #[must_use]
    pub fn removal_policy(mut self, policy: RemovalPolicy) -> Self {
        self.removal_policy = policy;
        self
    }
}

impl StageAccount {
    /// What the stack of `scope` needs once, for all stages that are deployed into it.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, props: StageAccountProps) -> Self {
        let node = scope.node().child(id);
        let key = KeyProps::new()
            .alias(format!("{}-state", props.name))
            .description(format!("Terraform state, logs and secrets of {}", props.name))
            .removal_policy(props.removal_policy);
        let key = Key::new(&node, "Key", key);
        // Without a key of ours: S3 could not write the logs.
        let old_logs =
            LifecycleRule::new("OldLogs").expiration_days(365).noncurrent_version_days(30).abort_upload_days(7);
        let logs = BucketProps::new().lifecycle_rule(old_logs).removal_policy(props.removal_policy);
        let access_logs = Bucket::new(&node, "AccessLogs", logs);
        silence_log_of_logs(&access_logs);
        let old_plans = LifecycleRule::new("OldPlans").prefix("plans/").expiration_days(30).noncurrent_version_days(30);
        let old_states = LifecycleRule::new("OldStates").noncurrent_version_days(365).abort_upload_days(7);
        let state = BucketProps::new()
            .encryption_key(&key)
            .lifecycle_rule(old_plans)
            .lifecycle_rule(old_states)
            .access_logs(&access_logs, "state/")
            .removal_policy(props.removal_policy);
        let state = Bucket::new(&node, "State", state);
        Self { node, key, state, access_logs }
    }

    /// The stack that holds it.
    pub(super) fn stack(&self) -> Node {
        self.node.stack().unwrap_or_else(|| self.node.clone())
    }
}

/// Tells the rules, ours and Checkov's, that this bucket needs no log of its own.
#[track_caller]
fn silence_log_of_logs(access_logs: &Bucket) {
    let reason = "it holds the access logs itself: logging to itself would never end";
    access_logs.node().silence("XA117", reason);
    if let Some(resource) = access_logs.node().find_child("Resource") {
        resource.override_attribute("Metadata.checkov.skip", json!([{ "id": "CKV_AWS_18", "comment": reason }]));
    }
}

impl Construct for StageAccount {
    fn node(&self) -> &Node {
        &self.node
    }
}
