//! Keys of the Key Management Service.
//!
//! Within its account, a key leaves it to IAM who may use it. Into other accounts a grant is written on both sides, and the
//! identity there names the key by its alias: a key's id is random, so its ARN would have to be carried over first. What
//! that costs: a changed alias takes up to five minutes to count, and who may move the alias decides which key is meant.

use xacct_core::policy::{PolicySlot, Principal, Statement};
use xacct_core::value::Value;
use xacct_core::{Arn, Construct, Diagnostic, Environment, Grant, Grantable, Node, RemovalPolicy, action};

use crate::cfn::kind;
use crate::cfn::kms::{CfnAlias, CfnAliasProps, CfnKey, CfnKeyProps};
use crate::naming::{self, NameRule};
use crate::number::NumberRule;

const ALIAS: NameRule = NameRule { what: "a key alias", length: 1..=250, besides: "/_-" };
const ROTATION: NumberRule = NumberRule { what: "the rotation period of a key", unit: "days", range: 90..=2_560 };
const WAITING: NumberRule = NumberRule { what: "the waiting period of a key", unit: "days", range: 7..=30 };
const ALIAS_PREFIX: &str = "alias/";

/// A customer-managed key: symmetric, for encryption.
///
/// ```
/// # use xacct_core::{AccountId, App, Environment, Region, Stack, StackProps};
/// use xacct_constructs::kms::{Key, KeyProps};
/// # let app = App::new();
/// # let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
/// # let stack = Stack::new(&app, "Tools", environment, StackProps::new());
/// let key = Key::new(&stack, "Key", KeyProps::new().alias("artifacts"));
/// # let _ = key;
/// # app.synth().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Key {
    node: Node,
    arn: Value<kind::KmsKeyArn>,
    alias: Option<String>,
    owned: bool,
}

/// How to make a [`Key`].
#[derive(Clone, Debug, Default)]
pub struct KeyProps {
    alias: Option<String>,
    description: Option<String>,
    rotation_days: Option<i64>,
    pending_window_days: Option<i64>,
    removal_policy: Option<RemovalPolicy>,
}

impl KeyProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A name for the key, with or without the prefix `alias/`. Grants into other accounts name the key by it. Default: none.
    #[must_use]
    pub fn alias(mut self, name: impl Into<String>) -> Self {
        self.alias = Some(name.into());
        self
    }

    /// What the key is for. Default: none.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Days after which AWS makes new key material, 90 to 2,560. Default: 365. Rotation is always on.
    #[must_use]
    pub fn rotation_days(mut self, days: i64) -> Self {
        self.rotation_days = Some(days);
        self
    }

    /// Days between the key's removal and its end, 7 to 30. Default: 30.
    #[must_use]
    pub fn pending_window_days(mut self, days: i64) -> Self {
        self.pending_window_days = Some(days);
        self
    }

    /// What happens when the stack no longer has the key. Default: it is retained, as nothing can be decrypted without it.
    #[must_use]
    pub fn removal_policy(mut self, policy: RemovalPolicy) -> Self {
        self.removal_policy = Some(policy);
        self
    }
}

impl Key {
    /// A key whose policy lets its account decide who may use it.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, props: KeyProps) -> Self {
        let node = scope.node().child(id);
        let rotation_days = ROTATION.accepted(&node, props.rotation_days);
        let pending_window_days = WAITING.accepted(&node, props.pending_window_days);
        let mut resource = CfnKeyProps::new().enable_key_rotation(true).key_policy(node.policy(PolicySlot::Resource));
        if let Some(text) = props.description {
            resource = resource.description(text);
        }
        if let Some(days) = rotation_days {
            resource = resource.rotation_period_in_days(days);
        }
        if let Some(days) = pending_window_days {
            resource = resource.pending_window_in_days(days);
        }
        let resource = CfnKey::new(&node, "Resource", resource);
        resource.node().apply_removal_policy(props.removal_policy.unwrap_or(RemovalPolicy::Retain));
        // Without it nobody could ever change the key's policy again, and IAM policies would not count.
        if let Some(Environment { account, .. }) = node.environment() {
            let administration = Statement::allow(["kms:*"]).on(["*"]).to(Principal::account(account));
            node.add_statement(PolicySlot::Resource, administration);
        }
        let mut key = Self { node, arn: resource.attr_arn(), alias: None, owned: true };
        if let Some(name) = props.alias {
            key.alias = Some(key.add_alias("Alias", &name));
        }
        key
    }

    /// A key that the app does not own. Grants reach the identities of this app; the key's own policy stays as it is.
    #[track_caller]
    pub fn from_key_arn(scope: &dyn Construct, id: &str, arn: &str) -> Self {
        let node = scope.node().child(id);
        match arn.parse::<Arn>() {
            Ok(parsed) if parsed.service() == "kms" && parsed.resource().starts_with("key/") => {}
            Ok(_) => node.report(
                Diagnostic::error("invalid-arn", format!("`{arn}` is not the ARN of a key"))
                    .help("write it as `arn:aws:kms:REGION:ACCOUNT:key/ID`: an alias does not do"),
            ),
            Err(error) => node.report(Diagnostic::error("invalid-arn", error.to_string())),
        }
        Self { node, arn: Value::from_expr(arn.to_owned().into()), alias: None, owned: false }
    }

    /// The key's ARN.
    pub fn arn(&self) -> Value<kind::KmsKeyArn> {
        self.arn.clone()
    }

    /// The alias, with its prefix `alias/`, where the key was given one.
    pub fn alias_name(&self) -> Option<&str> {
        self.alias.as_deref()
    }

    /// Another name for the key. Returns it with its prefix `alias/`.
    #[track_caller]
    pub fn add_alias(&self, id: &str, name: &str) -> String {
        let name = name.strip_prefix(ALIAS_PREFIX).unwrap_or(name);
        let name = ALIAS.accepted(&self.node, Some(name.to_owned()));
        let name = name.unwrap_or_else(|| naming::generated(&self.node, *ALIAS.length.end()));
        if name.starts_with("aws/") {
            naming::report(
                &self.node,
                ALIAS.what,
                &name,
                "AWS keeps `alias/aws/` for itself",
                "begin it with something else",
            );
        }
        let name = format!("{ALIAS_PREFIX}{name}");
        CfnAlias::new(&self.node, id, CfnAliasProps::new().alias_name(name.as_str()).target_key_id(self.arn()));
        name
    }

    /// Lets `grantee` decrypt.
    #[track_caller]
    pub fn grant_decrypt(&self, grantee: &dyn Grantable) {
        self.grant(grantee, &DECRYPT);
    }

    /// Lets `grantee` encrypt.
    #[track_caller]
    pub fn grant_encrypt(&self, grantee: &dyn Grantable) {
        self.grant(grantee, &ENCRYPT);
    }

    /// Lets `grantee` encrypt and decrypt.
    #[track_caller]
    pub fn grant_encrypt_decrypt(&self, grantee: &dyn Grantable) {
        self.grant(grantee, &DECRYPT);
        self.grant(grantee, &ENCRYPT);
    }

    /// Lets `grantee` do `actions` with the key.
    #[track_caller]
    pub fn grant(&self, grantee: &dyn Grantable, actions: &[&str]) {
        self.grant_with(grantee, actions, None);
    }

    /// Lets `grantee` do `actions` with the key, only through a service of the key's region, such as `s3`: what is granted on
    /// a bucket does not let anyone use the bucket's key for something else.
    #[track_caller]
    pub fn grant_via(&self, service: &str, grantee: &dyn Grantable, actions: &[&str]) {
        let host = self.node.environment().map(|it| format!("{service}.{}.amazonaws.com", it.region));
        self.grant_with(grantee, actions, host);
    }

    #[track_caller]
    fn grant_with(&self, grantee: &dyn Grantable, actions: &[&str], via: Option<String>) {
        let mut grant = Grant::new(&self.node, grantee, actions.iter().copied()).on([&self.arn]);
        if let Some(host) = &via {
            grant = grant.when("StringEquals", VIA_SERVICE, [host.as_str()]);
        }
        if let Some(statement) = self.by_alias(via) {
            grant = grant.across_accounts(statement);
        }
        if self.owned {
            grant = grant.in_policy(["*"]);
        }
        grant.record();
    }

    /// What an identity of another account is given: every key of this account and region that has the alias.
    fn by_alias(&self, via: Option<String>) -> Option<Statement> {
        let (alias, Environment { account, region }) = (self.alias.as_ref()?, self.node.environment()?);
        let keys = format!("arn:{}:kms:{region}:{account}:key/*", region.partition());
        let statement = Statement::allow([action!("kms:Decrypt")]).on([keys]).when(
            "ForAnyValue:StringEquals",
            "kms:ResourceAliases",
            [alias],
        );
        Some(match via {
            Some(host) => statement.when("StringEquals", VIA_SERVICE, [host]),
            None => statement,
        })
    }

    /// Lets the log service of this account encrypt log groups whose name begins with `prefix`.
    #[track_caller]
    pub fn grant_logs(&self, prefix: &str) {
        let Some(Environment { account, region }) = self.node.environment() else { return };
        let service = Principal::service(format!("logs.{region}.amazonaws.com")).when(
            "ArnLike",
            "kms:EncryptionContext:aws:logs:arn",
            [format!("arn:{}:logs:{region}:{account}:log-group:{prefix}*", region.partition())],
        );
        // The actions that https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html asks for.
        self.grant(
            &service,
            &[
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
            ],
        );
    }
}

const VIA_SERVICE: &str = "kms:ViaService";
const DECRYPT: [&str; 1] = ["kms:Decrypt"];
const ENCRYPT: [&str; 4] = ["kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"];

impl Construct for Key {
    fn node(&self) -> &Node {
        &self.node
    }
}
