//! The people's side: a user in each account, with an access key in a secret.

use xacct_core::{Construct, Node, Statement, action};

use super::user_assertions::assert_operator;
use super::{CrossAccountPipeline, StageAccount, network_read};
use crate::iam::{AccessKey, AccessKeyProps, AttachedPolicy, Group, GroupProps, User, UserProps};

/// The users that a pipeline makes, one in each account.
#[derive(Clone, Debug)]
pub struct Operators {
    name: String,
    access: OperatorAccess,
    access_key_serial: i64,
}

/// What operators may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperatorAccess {
    /// In the pipeline's account: push code, watch the pipeline, answer its approvals. In the others: look at the network and at
    /// the logs of builds.
    #[default]
    Tailored,
    /// Everything, everywhere. To be avoided.
    Administrator,
}

impl Operators {
    /// Users of that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), access: OperatorAccess::default(), access_key_serial: 1 }
    }

    /// What they may do. Default: what working with the pipeline takes.
    #[must_use]
    pub fn access(mut self, access: OperatorAccess) -> Self {
        self.access = access;
        self
    }

    /// The generation of their access keys: a greater number makes new ones. Default: 1.
    #[must_use]
    pub fn access_key_serial(mut self, serial: i64) -> Self {
        self.access_key_serial = serial;
        self
    }
}

/// A user in one of the accounts.
#[derive(Clone, Debug)]
pub struct PipelineUser {
    node: Node,
    /// The group that holds the permissions.
    pub group: Group,
    /// The user.
    pub user: User,
    /// The access key, in its secret.
    pub access_key: AccessKey,
}

impl PipelineUser {
    #[track_caller]
    pub(super) fn new(
        scope: &Node,
        operators: &Operators,
        account: &StageAccount,
        pipeline: &CrossAccountPipeline,
    ) -> Self {
        let node = scope.child("Operator");
        let mut group = GroupProps::new();
        if operators.access == OperatorAccess::Administrator {
            group = group.managed_policy(AttachedPolicy::aws("AdministratorAccess"));
        }
        let group = Group::new(&node, "Group", group);
        if operators.access == OperatorAccess::Tailored {
            grant(&node, &group, pipeline);
        }
        let user = User::new(&node, "User", UserProps::new().user_name(&operators.name).group(&group));
        if operators.access == OperatorAccess::Tailored {
            assert_operator(&node, &user, account, pipeline);
        }
        let key = AccessKeyProps::new().serial(operators.access_key_serial).encryption_key(&account.key);
        let access_key = AccessKey::new(&node, "AccessKey", &user, key);
        Self { node, group, user, access_key }
    }
}

#[track_caller]
fn grant(node: &Node, group: &Group, pipeline: &CrossAccountPipeline) {
    let Some(environment) = node.environment() else { return };
    let add = |statement: Statement| group.node().add_statement(xacct_core::PolicySlot::Identity, statement);
    network_read(&environment).into_iter().for_each(add);
    for stage in pipeline.stages.iter().filter(|it| it.node().stack() == node.stack()) {
        for logs in [&stage.plan, &stage.apply].into_iter().filter_map(|it| it.log_group.as_ref()) {
            logs.grant_read(group);
        }
    }
    if pipeline.node().stack() != node.stack() {
        return;
    }
    if let Some(repository) = &pipeline.repository {
        repository.grant_pull_push(group);
    }
    pipeline.pipeline.grant_view(group);
    for stage in &pipeline.stages {
        if let Some((name, action)) = stage.approval() {
            pipeline.pipeline.grant_approve(group, &name, action);
        }
    }
    // To find the pipeline in the console's list. The action knows no single resources: `*` is the only value that AWS takes.
    add(Statement::allow([action!("codepipeline:ListPipelines")]).on(["*"]).when(
        "StringEquals",
        "aws:RequestedRegion",
        [environment.region.as_str()],
    ));
}

impl Construct for PipelineUser {
    fn node(&self) -> &Node {
        &self.node
    }
}
