//! Roles.

use xacct_core::policy::{PolicySlot, Principal, Statement};
use xacct_core::value::Value;
use xacct_core::{Arn, Construct, Diagnostic, Grant, Grantable, Node, PhysicalName, action};

use super::{AttachedPolicy, Holder, ROLE_NAME, check_path, default_policy};
use crate::cfn::iam::{CfnRole, CfnRoleProps};
use crate::cfn::kind;
use crate::number::NumberRule;

const SESSION: NumberRule =
    NumberRule { what: "the longest session of a role", unit: "seconds", range: 3_600..=43_200 };

/// A role: an identity that others take on for a while.
///
/// ```
/// # use xacct_core::{AccountId, App, Environment, Region, Stack, StackProps};
/// use xacct_constructs::iam::{Role, RoleProps};
/// use xacct_core::Principal;
/// # let app = App::new();
/// # let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
/// # let stack = Stack::new(&app, "Tools", environment, StackProps::new());
/// let role = Role::new(&stack, "Role", Principal::service("lambda.amazonaws.com"), RoleProps::new());
/// # let _ = role;
/// # app.synth().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Role {
    node: Node,
    arn: Value<kind::IamRoleArn>,
    name: Value<kind::IamRoleName>,
    principal: Principal,
    owned: bool,
}

/// How to make a [`Role`].
#[derive(Clone, Debug, Default)]
pub struct RoleProps {
    role_name: Option<String>,
    description: Option<String>,
    path: Option<String>,
    max_session_seconds: Option<i64>,
    managed_policies: Vec<AttachedPolicy>,
    permissions_boundary: Option<AttachedPolicy>,
    statements: Vec<Statement>,
}

impl RoleProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name. Default: CloudFormation makes one, or the app does, by a fixed rule, where another account needs to know it.
    #[must_use]
    pub fn role_name(mut self, name: impl Into<String>) -> Self {
        self.role_name = Some(name.into());
        self
    }

    /// What the role is for. Default: none.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// IAM's path, such as `/pipelines/`. Default: `/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// How long a session may last, 3,600 to 43,200 seconds. Default: 3,600.
    #[must_use]
    pub fn max_session_seconds(mut self, seconds: i64) -> Self {
        self.max_session_seconds = Some(seconds);
        self
    }

    /// Attaches a managed policy. Default: none.
    #[must_use]
    pub fn managed_policy(mut self, policy: impl Into<AttachedPolicy>) -> Self {
        self.managed_policies.push(policy.into());
        self
    }

    /// The most that the role can ever be allowed. Default: the boundary set further up the tree, if one is.
    #[must_use]
    pub fn permissions_boundary(mut self, policy: impl Into<AttachedPolicy>) -> Self {
        self.permissions_boundary = Some(policy.into());
        self
    }

    /// Allows or denies something to the role that no construct has a grant for. Default: nothing.
    #[must_use]
    pub fn statement(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }
}

impl Role {
    /// A role that `assumed_by` may take on.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, assumed_by: Principal, props: RoleProps) -> Self {
        let role = Self::without_trust(scope, id, props);
        role.node.add_statement(PolicySlot::Trust, Statement::allow([action!("sts:AssumeRole")]).to(assumed_by));
        role
    }

    /// A role that nobody can take on yet: a grant must follow.
    #[track_caller]
    pub(super) fn without_trust(scope: &dyn Construct, id: &str, props: RoleProps) -> Self {
        let node = scope.node().child(id);
        let role_name = ROLE_NAME.accepted(&node, props.role_name);
        if let Some(path) = &props.path {
            check_path(&node, path);
        }
        let max_session_seconds = SESSION.accepted(&node, props.max_session_seconds);
        let mut resource = CfnRoleProps::new().assume_role_policy_document(node.policy(PolicySlot::Trust));
        if let Some(name) = &role_name {
            resource = resource.role_name(name);
        }
        if let Some(text) = props.description {
            resource = resource.description(text);
        }
        if let Some(path) = &props.path {
            resource = resource.path(path);
        }
        if let Some(seconds) = max_session_seconds {
            resource = resource.max_session_duration(seconds);
        }
        if !props.managed_policies.is_empty() {
            let arns: Vec<_> = props.managed_policies.iter().map(AttachedPolicy::arn).collect();
            resource = resource.managed_policy_arns(arns);
        }
        if let Some(boundary) = &props.permissions_boundary {
            resource = resource.permissions_boundary(boundary.arn());
        }
        let resource = CfnRole::new(&node, "Resource", resource);
        let path = props.path.unwrap_or_default();
        resource.node().set_physical_name(
            PhysicalName::new("RoleName", role_name)
                .max_length(64)
                .path(path.trim_start_matches('/'))
                .attribute("Arn", "arn:{partition}:iam::{account}:role/{path}{name}"),
        );
        let policy = default_policy(&node, Holder::Role(resource.reference().cast()));
        resource.node().completed_by(&policy);
        for statement in props.statements {
            node.add_statement(PolicySlot::Identity, statement);
        }
        let principal = Principal::identity(&node, resource.attr_arn());
        Self { arn: resource.attr_arn(), name: resource.reference(), principal, owned: true, node }
    }

    /// A role that the app does not own.
    ///
    /// In the account of `scope`, grants attach a policy to it. Of another account, they name it in the resource's policy,
    /// and its owner must allow it the same.
    #[track_caller]
    pub fn from_role_arn(scope: &dyn Construct, id: &str, arn: &str) -> Self {
        let node = scope.node().child(id);
        let value: Value<kind::IamRoleArn> = Value::from_expr(arn.to_owned().into());
        let parsed = arn.parse::<Arn>();
        let name = match &parsed {
            Ok(parsed) => parsed.resource().strip_prefix("role/").filter(|_| parsed.service() == "iam"),
            Err(_) => None,
        };
        let name = name.and_then(|it| it.rsplit('/').next()).unwrap_or_default().to_owned();
        if name.is_empty() {
            node.report(
                Diagnostic::error("invalid-arn", format!("`{arn}` is not the ARN of a role"))
                    .help("write it as `arn:aws:iam::ACCOUNT:role/NAME`"),
            );
        }
        let account = parsed.ok().and_then(|it| it.account().parse().ok());
        let here = node.environment().map(|it| it.account);
        let principal = match account {
            Some(account) if Some(account) != here => {
                Principal::account(account).when("ArnEquals", "aws:PrincipalArn", [arn])
            }
            _ => {
                default_policy(&node, Holder::Role(Value::from_expr(name.clone().into())));
                Principal::identity(&node, value.clone())
            }
        };
        Self { node, arn: value, name: Value::from_expr(name.into()), principal, owned: false }
    }

    /// The role's ARN.
    pub fn arn(&self) -> Value<kind::IamRoleArn> {
        self.arn.clone()
    }

    /// The role's name.
    pub fn role_name(&self) -> Value<kind::IamRoleName> {
        self.name.clone()
    }

    /// Allows or denies something to the role that no construct has a grant for.
    pub fn add_statement(&self, statement: Statement) {
        self.node.add_statement(PolicySlot::Identity, statement);
    }

    /// Lets `grantee` take on this role: its own policy allows it, and the role trusts it.
    #[track_caller]
    pub fn grant_assume_role(&self, grantee: &dyn Grantable) {
        let grant = Grant::new(&self.node, grantee, [action!("sts:AssumeRole")]).on([&self.arn]);
        if self.owned { grant.in_trust_policy().record() } else { grant.record() }
    }

    /// Lets `grantee` give this role to a service. A role is only ever given away within its account.
    #[track_caller]
    pub fn grant_pass_role(&self, grantee: &dyn Grantable, to_service: &str) {
        Grant::new(&self.node, grantee, [action!("iam:PassRole")])
            .on([&self.arn])
            .when("StringEquals", "iam:PassedToService", [to_service])
            .record();
    }
}

impl Construct for Role {
    fn node(&self) -> &Node {
        &self.node
    }
}

impl Grantable for Role {
    fn grant_principal(&self) -> Principal {
        self.principal.clone()
    }
}
