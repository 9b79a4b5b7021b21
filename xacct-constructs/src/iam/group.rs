//! Groups of users.

use xacct_core::policy::{PolicySlot, Principal, Statement};
use xacct_core::value::Value;
use xacct_core::{Construct, Grantable, Node};

use super::{AttachedPolicy, GROUP_NAME, Holder, default_policy};
use crate::cfn::iam::{CfnGroup, CfnGroupProps};
use crate::cfn::kind;

/// A group of users, who may all do what it may.
///
/// No resource's policy can name a group, so what a group is granted stays within its account.
#[derive(Clone, Debug)]
pub struct Group {
    node: Node,
    name: Value<kind::IamGroupName>,
    arn: Value<kind::OtherArn>,
}

/// How to make a [`Group`].
#[derive(Clone, Debug, Default)]
pub struct GroupProps {
    group_name: Option<String>,
    managed_policies: Vec<AttachedPolicy>,
    statements: Vec<Statement>,
}

impl GroupProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name. Default: CloudFormation makes one.
    #[must_use]
    pub fn group_name(mut self, name: impl Into<String>) -> Self {
        self.group_name = Some(name.into());
        self
    }

    /// Attaches a managed policy. Default: none.
    #[must_use]
    pub fn managed_policy(mut self, policy: impl Into<AttachedPolicy>) -> Self {
        self.managed_policies.push(policy.into());
        self
    }

    /// Allows or denies something that no construct has a grant for. Default: nothing.
    #[must_use]
    pub fn statement(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }
}

impl Group {
    /// A group without users.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, props: GroupProps) -> Self {
        let node = scope.node().child(id);
        let mut resource = CfnGroupProps::new();
        if let Some(name) = GROUP_NAME.accepted(&node, props.group_name) {
            resource = resource.group_name(name);
        }
        if !props.managed_policies.is_empty() {
            let arns: Vec<_> = props.managed_policies.iter().map(AttachedPolicy::arn).collect();
            resource = resource.managed_policy_arns(arns);
        }
        let resource = CfnGroup::new(&node, "Resource", resource);
        default_policy(&node, Holder::Group(resource.reference().cast()));
        for statement in props.statements {
            node.add_statement(PolicySlot::Identity, statement);
        }
        Self { node, name: resource.reference(), arn: resource.attr_arn() }
    }

    /// The group's name.
    pub fn group_name(&self) -> Value<kind::IamGroupName> {
        self.name.clone()
    }

    /// The group's ARN.
    pub fn arn(&self) -> Value<kind::OtherArn> {
        self.arn.clone()
    }
}

impl Construct for Group {
    fn node(&self) -> &Node {
        &self.node
    }
}

impl Grantable for Group {
    fn grant_principal(&self) -> Principal {
        Principal::identity(&self.node, self.arn())
    }
}
