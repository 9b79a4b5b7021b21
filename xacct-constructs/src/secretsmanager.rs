//! Secrets.

use xacct_core::policy::{PolicySlot, Statement};
use xacct_core::value::{IntoValue, Value};
use xacct_core::{Construct, Grant, Grantable, Node, RemovalPolicy, action};

use crate::cfn::kind;
use crate::cfn::secretsmanager::secret::GenerateSecretString;
use crate::cfn::secretsmanager::{CfnResourcePolicy, CfnResourcePolicyProps, CfnSecret, CfnSecretProps};
use crate::kms::Key;
use crate::naming::NameRule;

const NAME: NameRule = NameRule { what: "a secret name", length: 1..=512, besides: "/_+=.@-" };

/// A secret of Secrets Manager.
#[derive(Clone, Debug)]
pub struct Secret {
    node: Node,
    arn: Value<kind::SecretsManagerSecretId>,
    name: Option<String>,
    key: Option<Key>,
}

/// How to make a [`Secret`].
#[derive(Clone, Debug, Default)]
pub struct SecretProps {
    secret_name: Option<String>,
    description: Option<String>,
    value: Option<Value<str>>,
    encryption_key: Option<Key>,
    removal_policy: Option<RemovalPolicy>,
}

impl SecretProps {
    /// The defaults: a password that Secrets Manager makes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name. Default: CloudFormation makes one.
    #[must_use]
    pub fn secret_name(mut self, name: impl Into<String>) -> Self {
        self.secret_name = Some(name.into());
        self
    }

    /// What the secret is for. Default: none.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// What the secret holds. A literal would stand in the template for all to read: give an attribute of a resource.
    /// Default: a password that Secrets Manager makes.
    #[must_use]
    pub fn value(mut self, value: impl IntoValue<str>) -> Self {
        self.value = Some(Value::from_expr(value.into_expr()));
        self
    }

    /// The key that the secret is encrypted with. Default: the account's own for Secrets Manager, which other accounts can
    /// never use.
    #[must_use]
    pub fn encryption_key(mut self, key: &Key) -> Self {
        self.encryption_key = Some(key.clone());
        self
    }

    /// What happens when the stack no longer has the secret. Default: it is deleted, after AWS's waiting period.
    #[must_use]
    pub fn removal_policy(mut self, policy: RemovalPolicy) -> Self {
        self.removal_policy = Some(policy);
        self
    }
}

impl Secret {
    /// A secret.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, props: SecretProps) -> Self {
        let node = scope.node().child(id);
        let mut resource = CfnSecretProps::new();
        let secret_name = NAME.accepted(&node, props.secret_name);
        if let Some(name) = &secret_name {
            resource = resource.name(name);
        }
        if let Some(text) = props.description {
            resource = resource.description(text);
        }
        if let Some(key) = &props.encryption_key {
            resource = resource.kms_key_id(key.arn());
        }
        resource = match props.value {
            Some(value) => resource.secret_string(value),
            None => resource.generate_secret_string(GenerateSecretString::new().password_length(32)),
        };
        let resource = CfnSecret::new(&node, "Resource", resource);
        if let Some(policy) = props.removal_policy {
            resource.node().apply_removal_policy(policy);
        }
        let policy = CfnResourcePolicyProps::new()
            .secret_id(resource.reference())
            .resource_policy(node.policy(PolicySlot::Resource))
            .block_public_policy(true);
        let policy = CfnResourcePolicy::new(&node.child("Policy"), "Resource", policy);
        policy.node().only_with_policy(&node, PolicySlot::Resource);
        Self { node, arn: resource.reference(), name: secret_name, key: props.encryption_key }
    }

    /// The secret's ARN, which ends with six characters that AWS picks.
    pub fn arn(&self) -> Value<kind::SecretsManagerSecretId> {
        self.arn.clone()
    }

    /// Lets `grantee` read the secret. Into another account that takes a name and a key of its own.
    #[track_caller]
    pub fn grant_read(&self, grantee: &dyn Grantable) {
        let mut grant = Grant::new(
            &self.node,
            grantee,
            [action!("secretsmanager:DescribeSecret"), action!("secretsmanager:GetSecretValue")],
        )
        .on([&self.arn])
        .in_policy(["*"]);
        if let (Some(name), Some(environment)) = (&self.name, self.node.environment()) {
            let (region, account) = (&environment.region, environment.account);
            // The six characters that AWS adds are not known in another account.
            let arn = format!("arn:{}:secretsmanager:{region}:{account}:secret:{name}-??????", region.partition());
            grant = grant.across_accounts(Statement::allow([action!("secretsmanager:GetSecretValue")]).on([arn]));
        }
        grant.record();
        if let Some(key) = &self.key {
            key.grant_via("secretsmanager", grantee, &["kms:Decrypt"]);
        }
    }
}

impl Construct for Secret {
    fn node(&self) -> &Node {
        &self.node
    }
}
