//! Users.

use xacct_core::policy::{PolicySlot, Principal, Statement};
use xacct_core::value::Value;
use xacct_core::{Construct, Grantable, Node, PhysicalName};

use super::{AttachedPolicy, Group, Holder, USER_NAME, check_path, default_policy};
use crate::cfn::iam::{CfnUser, CfnUserProps};
use crate::cfn::kind;

/// A user: an identity with credentials that last. Prefer roles; where a user must be, let a [`Group`] hold its permissions.
#[derive(Clone, Debug)]
pub struct User {
    node: Node,
    name: Value<kind::IamUserName>,
    arn: Value<kind::IamUserArn>,
}

/// How to make a [`User`].
#[derive(Clone, Debug, Default)]
pub struct UserProps {
    user_name: Option<String>,
    path: Option<String>,
    groups: Vec<Group>,
    managed_policies: Vec<AttachedPolicy>,
    permissions_boundary: Option<AttachedPolicy>,
    statements: Vec<Statement>,
}

impl UserProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name. Default: CloudFormation makes one, or the app does, by a fixed rule, where another account needs to know it.
    #[must_use]
    pub fn user_name(mut self, name: impl Into<String>) -> Self {
        self.user_name = Some(name.into());
        self
    }

    /// IAM's path, such as `/people/`. Default: `/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Adds the user to a group. Default: none.
    #[must_use]
    pub fn group(mut self, group: &Group) -> Self {
        self.groups.push(group.clone());
        self
    }

    /// Attaches a managed policy. Default: none.
    #[must_use]
    pub fn managed_policy(mut self, policy: impl Into<AttachedPolicy>) -> Self {
        self.managed_policies.push(policy.into());
        self
    }

    /// The most that the user can ever be allowed. Default: the boundary set further up the tree, if one is.
    #[must_use]
    pub fn permissions_boundary(mut self, policy: impl Into<AttachedPolicy>) -> Self {
        self.permissions_boundary = Some(policy.into());
        self
    }

    /// Allows or denies something that no construct has a grant for. Default: nothing.
    #[must_use]
    pub fn statement(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }
}

impl User {
    /// A user without credentials: see [`AccessKey`](super::AccessKey).
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, props: UserProps) -> Self {
        let node = scope.node().child(id);
        let mut resource = CfnUserProps::new();
        let user_name = USER_NAME.accepted(&node, props.user_name);
        if let Some(name) = &user_name {
            resource = resource.user_name(name);
        }
        if let Some(path) = &props.path {
            check_path(&node, path);
            resource = resource.path(path);
        }
        if !props.groups.is_empty() {
            resource = resource.groups(props.groups.iter().map(Group::group_name).collect::<Vec<_>>());
        }
        if !props.managed_policies.is_empty() {
            let arns: Vec<_> = props.managed_policies.iter().map(AttachedPolicy::arn).collect();
            resource = resource.managed_policy_arns(arns);
        }
        if let Some(boundary) = &props.permissions_boundary {
            resource = resource.permissions_boundary(boundary.arn());
        }
        let resource = CfnUser::new(&node, "Resource", resource);
        resource.node().set_physical_name(
            PhysicalName::new("UserName", user_name)
                .max_length(64)
                .path(props.path.unwrap_or_default().trim_start_matches('/'))
                .attribute("Arn", "arn:{partition}:iam::{account}:user/{path}{name}"),
        );
        default_policy(&node, Holder::User(resource.reference().cast()));
        for statement in props.statements {
            node.add_statement(PolicySlot::Identity, statement);
        }
        Self { node, name: resource.reference(), arn: resource.attr_arn().cast() }
    }

    /// The user's name.
    pub fn user_name(&self) -> Value<kind::IamUserName> {
        self.name.clone()
    }

    /// The user's ARN.
    pub fn arn(&self) -> Value<kind::IamUserArn> {
        self.arn.clone()
    }
}

impl Construct for User {
    fn node(&self) -> &Node {
        &self.node
    }
}

impl Grantable for User {
    fn grant_principal(&self) -> Principal {
        Principal::identity(&self.node, self.arn())
    }
}
