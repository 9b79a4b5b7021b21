//! How CDK's CLI gets a stack into its environment: with which roles, and where template and assets are published.
//!
//! Our own engine takes its credentials from the configuration; of this it uses the asset bucket and the role for CloudFormation.

use crate::assembly::Bootstrap;
use crate::asset::BOOTSTRAP_QUALIFIER;
use crate::environment::Environment;

/// The version that a bootstrap must have whose deploy role is used, as CDK's synthesizer asks for it.
const DEPLOY_VERSION: u32 = 6;

/// What of the environment's bootstrap a stack is deployed with. The names are those of CDK's bootstrap, which `bootstrap` makes too.
///
/// ```
/// use xacct_core::{AccountId, App, Environment, Region, Stack, StackProps, StackSynthesizer};
///
/// let app = App::new();
/// let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
/// let props = StackProps::new().synthesizer(StackSynthesizer::bootstrap_roles());
/// Stack::new(&app, "Tools", environment, props);
/// let stack = &app.synth()?.stacks[0];
/// assert_eq!(
///     stack.bootstrap.deploy_role.as_deref(),
///     Some("arn:aws:iam::111111111111:role/cdk-hnb659fds-deploy-role-111111111111-eu-west-1")
/// );
/// # Ok::<(), xacct_core::SynthError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackSynthesizer {
    kind: Kind,
    qualifier: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Roles,
    Credentials,
    None,
}

impl Default for StackSynthesizer {
    /// [`StackSynthesizer::cli_credentials`].
    fn default() -> Self {
        Self::cli_credentials()
    }
}

impl StackSynthesizer {
    /// With the credentials of whoever runs the CLI, and the bucket of the bootstrap: CDK's `CliCredentialsStackSynthesizer`.
    pub fn cli_credentials() -> Self {
        Self::of(Kind::Credentials)
    }

    /// With the roles and the bucket of the bootstrap: CDK's `DefaultStackSynthesizer`. Its CLI assumes the deploy role, and
    /// CloudFormation acts as the execution role unless [`StackProps::execution_role`](crate::StackProps::execution_role) names another.
    pub fn bootstrap_roles() -> Self {
        Self::of(Kind::Roles)
    }

    /// With nothing: for an environment that is not bootstrapped. The template goes with the call, so it must be small, and the
    /// stack can have no assets. CDK's `BootstraplessSynthesizer`.
    pub fn bootstrapless() -> Self {
        Self::of(Kind::None)
    }

    fn of(kind: Kind) -> Self {
        Self { kind, qualifier: BOOTSTRAP_QUALIFIER.to_owned() }
    }

    /// Which of several bootstraps in the environment. Default: `hnb659fds`, as in CDK.
    #[must_use]
    pub fn qualifier(mut self, qualifier: impl Into<String>) -> Self {
        self.qualifier = qualifier.into();
        self
    }

    /// The bucket for assets, where there is one.
    pub(crate) fn bucket(&self, environment: &Environment) -> Option<String> {
        let name = bucket_name(&self.qualifier, environment);
        (self.kind != Kind::None).then_some(name)
    }

    pub(crate) fn bootstrap(&self, environment: &Environment) -> Bootstrap {
        let template_bucket = self.bucket(environment);
        if self.kind != Kind::Roles {
            return Bootstrap { template_bucket, ..Bootstrap::default() };
        }
        let role = |name: &str| Some(role_arn(&self.qualifier, name, environment));
        Bootstrap {
            template_bucket,
            deploy_role: role("deploy-role"),
            publishing_role: role("file-publishing-role"),
            lookup_role: role("lookup-role"),
            required_version: Some(DEPLOY_VERSION),
            version_parameter: Some(version_parameter(&self.qualifier)),
        }
    }

    pub(crate) fn execution_role(&self, environment: &Environment) -> Option<String> {
        (self.kind == Kind::Roles).then(|| role_arn(&self.qualifier, "cfn-exec-role", environment))
    }
}

/// The asset bucket of the bootstrap with that qualifier.
pub fn bucket_name(qualifier: &str, environment: &Environment) -> String {
    format!("cdk-{qualifier}-assets-{}-{}", environment.account, environment.region)
}

/// The ARN of a role of the bootstrap with that qualifier, such as its `deploy-role`.
pub fn role_arn(qualifier: &str, role: &str, environment: &Environment) -> String {
    let Environment { account, region } = environment;
    format!("arn:{}:iam::{account}:role/{}", region.partition(), role_name(qualifier, role, environment))
}

/// The name of a role of the bootstrap with that qualifier.
pub fn role_name(qualifier: &str, role: &str, environment: &Environment) -> String {
    format!("cdk-{qualifier}-{role}-{}-{}", environment.account, environment.region)
}

/// The parameter of Systems Manager that holds the version of the bootstrap with that qualifier.
pub fn version_parameter(qualifier: &str) -> String {
    format!("/cdk-bootstrap/{qualifier}/version")
}
