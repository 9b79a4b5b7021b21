//! Managed policies.

use xacct_core::intrinsics::pseudo;
use xacct_core::policy::{PolicySlot, Statement};
use xacct_core::value::{Expr, IntoValue, Pseudo, Value};
use xacct_core::{Construct, Node, PhysicalName, concat};

use super::{POLICY_NAME, check_path};
use crate::cfn::iam::{CfnManagedPolicy, CfnManagedPolicyProps};
use crate::cfn::kind;

/// A policy of its own, to attach to roles, users and groups, or to use as a permissions boundary.
#[derive(Clone, Debug)]
pub struct ManagedPolicy {
    node: Node,
    arn: Value<kind::IamManagedPolicyArn>,
}

/// How to make a [`ManagedPolicy`].
#[derive(Clone, Debug, Default)]
pub struct ManagedPolicyProps {
    name: Option<String>,
    description: Option<String>,
    path: Option<String>,
    statements: Vec<Statement>,
}

impl ManagedPolicyProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name. Default: CloudFormation makes one.
    #[must_use]
    pub fn managed_policy_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What the policy is for. Default: none.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// IAM's path, such as `/boundaries/`. Default: `/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Adds a statement. Default: none, and then the policy is left out of the template.
    #[must_use]
    pub fn statement(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }
}

impl ManagedPolicy {
    /// A policy of the statements given.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, props: ManagedPolicyProps) -> Self {
        let node = scope.node().child(id);
        let mut resource = CfnManagedPolicyProps::new().policy_document(node.policy(PolicySlot::Identity));
        let name = POLICY_NAME.accepted(&node, props.name);
        if let Some(name) = &name {
            resource = resource.managed_policy_name(name);
        }
        if let Some(text) = props.description {
            resource = resource.description(text);
        }
        if let Some(path) = &props.path {
            check_path(&node, path);
            resource = resource.path(path);
        }
        let resource = CfnManagedPolicy::new(&node, "Resource", resource);
        resource.node().only_with_policy(&node, PolicySlot::Identity);
        let format = "arn:{partition}:iam::{account}:policy/{path}{name}";
        resource.node().set_physical_name(
            PhysicalName::new("ManagedPolicyName", name)
                .max_length(128)
                .path(props.path.unwrap_or_default().trim_start_matches('/'))
                .attribute("PolicyArn", format)
                .reference(format),
        );
        for statement in props.statements {
            node.add_statement(PolicySlot::Identity, statement);
        }
        Self { node, arn: resource.reference() }
    }

    /// The policy's ARN.
    pub fn arn(&self) -> Value<kind::IamManagedPolicyArn> {
        self.arn.clone()
    }

    /// Adds a statement.
    pub fn add_statement(&self, statement: Statement) {
        self.node.add_statement(PolicySlot::Identity, statement);
    }
}

impl Construct for ManagedPolicy {
    fn node(&self) -> &Node {
        &self.node
    }
}

/// A managed policy to attach: one of the app, one of AWS, or one that someone else owns.
#[derive(Clone, Debug)]
pub struct AttachedPolicy(Value<kind::IamManagedPolicyArn>);

impl AttachedPolicy {
    /// One of AWS's own, such as `ReadOnlyAccess` or `service-role/AWSLambdaBasicExecutionRole`.
    pub fn aws(name: &str) -> Self {
        let parts = [Expr::from("arn:"), pseudo(Pseudo::Partition).into(), format!(":iam::aws:policy/{name}").into()];
        Self(concat(parts).cast())
    }

    /// One that the app does not own.
    pub fn from_arn(arn: impl IntoValue<kind::IamManagedPolicyArn>) -> Self {
        Self(Value::from_expr(arn.into_expr()))
    }

    pub(super) fn arn(&self) -> Value<kind::IamManagedPolicyArn> {
        self.0.clone()
    }
}

impl From<&ManagedPolicy> for AttachedPolicy {
    fn from(policy: &ManagedPolicy) -> Self {
        Self(policy.arn())
    }
}
