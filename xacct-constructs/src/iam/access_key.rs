//! Access keys.

use xacct_core::value::{Expr, Value};
use xacct_core::{Construct, Diagnostic, Node, concat};

use super::User;
use crate::cfn::iam::{CfnAccessKey, CfnAccessKeyProps};
use crate::kms::Key;
use crate::secretsmanager::{Secret, SecretProps};

/// An access key of a user, kept in a secret of Secrets Manager and nowhere else: not in an output, not in another stack.
///
/// The secret is JSON with the fields `AccessKeyId` and `SecretAccessKey`.
///
/// ```
/// # use xacct_core::{AccountId, App, Environment, Region, Stack, StackProps};
/// use xacct_constructs::iam::{AccessKey, AccessKeyProps, User, UserProps};
/// # let app = App::new();
/// # let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
/// # let stack = Stack::new(&app, "Tools", environment, StackProps::new());
/// let user = User::new(&stack, "Operator", UserProps::new());
/// // To rotate, count `serial` up: the next deployment makes another key and removes this one.
/// let key = AccessKey::new(&stack, "Key", &user, AccessKeyProps::new().serial(2));
/// # let _ = key;
/// # app.synth().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct AccessKey {
    node: Node,
    id: Value<str>,
    /// The secret that holds the key.
    pub secret: Secret,
}

/// Whether an access key works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessKeyStatus {
    /// It does.
    #[default]
    Active,
    /// It exists, but AWS refuses it.
    Inactive,
}

/// How to make an [`AccessKey`].
#[derive(Clone, Debug, Default)]
pub struct AccessKeyProps {
    serial: Option<i64>,
    status: AccessKeyStatus,
    secret_name: Option<String>,
    encryption_key: Option<Key>,
}

impl AccessKeyProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key's generation: a greater number makes a new key, and removes the old one. Default: 1.
    #[must_use]
    pub fn serial(mut self, serial: i64) -> Self {
        self.serial = Some(serial);
        self
    }

    /// Whether the key works. Default: it does.
    #[must_use]
    pub fn status(mut self, status: AccessKeyStatus) -> Self {
        self.status = status;
        self
    }

    /// The name of the secret. Default: CloudFormation makes one.
    #[must_use]
    pub fn secret_name(mut self, name: impl Into<String>) -> Self {
        self.secret_name = Some(name.into());
        self
    }

    /// The key that the secret is encrypted with. Default: the account's own for Secrets Manager.
    #[must_use]
    pub fn encryption_key(mut self, key: &Key) -> Self {
        self.encryption_key = Some(key.clone());
        self
    }
}

impl AccessKey {
    /// An access key of `user`.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, user: &User, props: AccessKeyProps) -> Self {
        let node = scope.node().child(id);
        let serial = props.serial.unwrap_or(1);
        if serial < 1 {
            node.report(
                Diagnostic::error("out-of-range", format!("the serial of an access key cannot be {serial}"))
                    .help("begin with 1 and count up: AWS never takes a lower number than before"),
            );
        }
        let status = match props.status {
            AccessKeyStatus::Active => "Active",
            AccessKeyStatus::Inactive => "Inactive",
        };
        let resource = CfnAccessKeyProps::new().user_name(user.user_name().cast::<str>()).serial(serial).status(status);
        let resource = CfnAccessKey::new(&node, "Resource", resource);
        let content = concat([
            Expr::from(r#"{"AccessKeyId":""#),
            resource.reference().into(),
            Expr::from(r#"","SecretAccessKey":""#),
            resource.attr_secret_access_key().into(),
            Expr::from(r#""}"#),
        ]);
        let mut secret = SecretProps::new().value(content).description("An access key, as JSON");
        if let Some(name) = props.secret_name {
            secret = secret.secret_name(name);
        }
        if let Some(key) = &props.encryption_key {
            secret = secret.encryption_key(key);
        }
        let secret = Secret::new(&node, "Secret", secret);
        Self { node, id: resource.reference(), secret }
    }

    /// The id of the key, which is no secret.
    pub fn access_key_id(&self) -> Value<str> {
        self.id.clone()
    }
}

impl Construct for AccessKey {
    fn node(&self) -> &Node {
        &self.node
    }
}
