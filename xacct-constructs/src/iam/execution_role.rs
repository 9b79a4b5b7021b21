//! The role that CloudFormation deploys a stack with.

use xacct_core::policy::{Principal, Statement};
use xacct_core::{Construct, Node, Stack};

use super::{AttachedPolicy, ROLE_NAME, Role, RoleProps};

/// The role that CloudFormation deploys one stack with, allowed exactly what creating, updating and deleting that stack's resources
/// needs. It belongs into a stack of the same account that is deployed before: a baseline of the account.
///
/// Who deploys then needs `iam:PassRole` for this role and CloudFormation's own actions, and nothing of what the stack is made of:
/// a target account need not trust an administrator role. See [CloudFormation's page on service
/// roles](https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html).
///
/// The actions are those that AWS publishes for each resource type; [`StackArtifact::permissions`](xacct_core::assembly::StackArtifact::permissions)
/// says what they are narrowed to. Types for which nothing is published (`AWS::CodeBuild::Project` is one) are reported as a warning
/// and allowed nothing: add what they need with [`ExecutionRoleProps::statement`], and silence the warning.
///
/// A stack that makes roles gives its own roles any permission it wants, so whoever can deploy it through this role can too. Give its
/// roles a permissions boundary ([`Node::set_permissions_boundary`]): the execution role then changes them only under that boundary.
///
/// It follows the stack: a resource that is removed from the stack is deleted with what the rest of the stack needs. Where that has no
/// more of its type, allow its deletion by a statement until it is gone.
///
/// The role trusts CloudFormation without a condition on the account: AWS documents `aws:SourceAccount` for the roles of
/// CloudFormation's extensions, and not for those of stacks. A role can only be passed within its account.
///
/// ```
/// # use xacct_core::{AccountId, App, Environment, Region, Stack, StackProps};
/// use xacct_constructs::iam::{ExecutionRole, ExecutionRoleProps};
/// use xacct_constructs::sns::{Topic, TopicProps};
/// # let app = App::new();
/// # let environment = Environment::new(AccountId::literal("222222222222"), Region::literal("eu-west-1"));
/// let baseline = Stack::new(&app, "Baseline", environment.clone(), StackProps::new());
/// let production = Stack::new(&app, "Production", environment, StackProps::new());
/// Topic::new(&production, "Alarms", TopicProps::new());
/// ExecutionRole::new(&baseline, "Execution", &production, ExecutionRoleProps::new());
///
/// let assembly = app.synth()?;
/// assert_eq!(assembly.stacks[0].stack_name, "Baseline");
/// assert!(assembly.stacks[0].template.to_string().contains("sns:CreateTopic"));
/// assert!(assembly.stacks[1].execution_role.is_some());
/// # Ok::<(), xacct_core::SynthError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExecutionRole {
    /// The role.
    pub role: Role,
}

/// How to make an [`ExecutionRole`].
#[derive(Clone, Debug, Default)]
pub struct ExecutionRoleProps {
    role_name: Option<String>,
    permissions_boundary: Option<AttachedPolicy>,
    statements: Vec<Statement>,
}

impl ExecutionRoleProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name. Default: made by the app by a fixed rule, because the stack has to name the role before it exists.
    #[must_use]
    pub fn role_name(mut self, name: impl Into<String>) -> Self {
        self.role_name = Some(name.into());
        self
    }

    /// The most that the role can ever be allowed. Default: the boundary set further up the tree, if one is.
    #[must_use]
    pub fn permissions_boundary(mut self, policy: impl Into<AttachedPolicy>) -> Self {
        self.permissions_boundary = Some(policy.into());
        self
    }

    /// Allows or denies something that does not follow from the resource types of the stack. Default: nothing.
    #[must_use]
    pub fn statement(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }
}

impl ExecutionRole {
    /// A role that CloudFormation deploys `stack` with. The stack is deployed after the one of `scope`.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, stack: &Stack, props: ExecutionRoleProps) -> Self {
        let environment = stack.environment();
        let name = props.role_name.unwrap_or_else(|| generated_name(scope.node(), id));
        let mut role = RoleProps::new()
            .description(format!("CloudFormation deploys {} with this role", stack.stack_name()))
            .role_name(&name);
        if let Some(boundary) = props.permissions_boundary {
            role = role.permissions_boundary(boundary);
        }
        role = props.statements.into_iter().fold(role, RoleProps::statement);
        let role = Role::new(scope, id, Principal::service("cloudformation.amazonaws.com"), role);
        role.node().grant_execution(stack);
        let (partition, account) = (environment.region.partition(), environment.account);
        stack.set_execution_role(&role, &format!("arn:{partition}:iam::{account}:role/{name}"));
        Self { role }
    }
}

/// The name that the role would get if another environment referred to it.
fn generated_name(scope: &Node, id: &str) -> String {
    let (Some(environment), Some(stack_name)) = (scope.environment(), scope.stack_name()) else { return String::new() };
    let path = format!("{}/{id}", scope.path());
    let ids: Vec<&str> = path.split('/').collect();
    let name = xacct_core::name::physical_name(&stack_name, &ids, &environment);
    name[name.len().saturating_sub(*ROLE_NAME.length.end())..].to_owned()
}

impl Construct for ExecutionRole {
    fn node(&self) -> &Node {
        self.role.node()
    }
}
