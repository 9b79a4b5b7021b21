//! A role for someone of another account.

use xacct_core::{Construct, Grantable, Node, Principal};

use super::{Role, RoleProps};

/// A role that a principal of another account takes on, to work in this one.
///
/// It trusts that account's root, narrowed by `aws:PrincipalArn` to the one principal: AWS does not check whether that exists,
/// so this role can be made first. Whoever may make a role of that name in the other account gets in too.
///
/// ```
/// # use xacct_core::{AccountId, App, Environment, Principal, Region, Stack, StackProps};
/// use xacct_constructs::iam::{CrossAccountRole, Role, RoleProps};
/// # let app = App::new();
/// # let region = Region::literal("eu-west-1");
/// # let tools = Stack::new(&app, "Tools", Environment::new(AccountId::literal("111111111111"), region.clone()), StackProps::new());
/// # let production = Stack::new(&app, "Production", Environment::new(AccountId::literal("222222222222"), region), StackProps::new());
/// let pipeline = Role::new(&tools, "Pipeline", Principal::service("codepipeline.amazonaws.com"), RoleProps::new());
/// let deployer = CrossAccountRole::new(&production, "Deployer", &pipeline, RoleProps::new());
/// # let _ = deployer;
/// # let assembly = app.synth().unwrap();
/// # assert!(assembly.stacks[0].template.to_string().contains("aws:PrincipalArn"));
/// ```
#[derive(Clone, Debug)]
pub struct CrossAccountRole {
    /// The role.
    pub role: Role,
}

impl CrossAccountRole {
    /// A role that `trusted` may take on. `trusted` is allowed to, in its own account.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, trusted: &dyn Grantable, props: RoleProps) -> Self {
        let role = Role::without_trust(scope, id, props);
        role.grant_assume_role(trusted);
        Self { role }
    }
}

impl Construct for CrossAccountRole {
    fn node(&self) -> &Node {
        self.role.node()
    }
}

impl Grantable for CrossAccountRole {
    fn grant_principal(&self) -> Principal {
        self.role.grant_principal()
    }
}
