//! Buckets.
//!
//! A bucket is private, encrypted, versioned, owned by its account without ACLs, and refuses to be reached without TLS. What
//! is granted on a bucket that has a key is granted on the key too, only through S3.

use xacct_core::policy::{PolicySlot, Principal, Statement};
use xacct_core::value::{Expr, Value};
use xacct_core::{Construct, Diagnostic, Grant, Grantable, Node, PhysicalName, RemovalPolicy, action, concat};

use crate::cfn::kind;
use crate::cfn::s3::bucket::{
    AbortIncompleteMultipartUpload, BucketEncryption, EventBridgeConfiguration, LifecycleConfiguration,
    LoggingConfiguration, NoncurrentVersionExpiration, NotificationConfiguration, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, PublicAccessBlockConfiguration, Rule, SSEAlgorithm, ServerSideEncryptionByDefault,
    ServerSideEncryptionRule, Status, VersioningConfiguration, VersioningConfigurationStatus,
};
use crate::cfn::s3::{CfnBucket, CfnBucketPolicy, CfnBucketPolicyProps, CfnBucketProps};
use crate::kms::Key;
use crate::naming;

/// A bucket.
///
/// ```
/// # use xacct_core::{AccountId, App, Environment, Principal, Region, Stack, StackProps};
/// use xacct_constructs::{iam, kms, s3};
/// # let app = App::new();
/// # let environment = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
/// # let stack = Stack::new(&app, "Tools", environment, StackProps::new());
/// # let reader = iam::Role::new(&stack, "Reader", Principal::service("lambda.amazonaws.com"), iam::RoleProps::new());
/// let key = kms::Key::new(&stack, "Key", kms::KeyProps::new().alias("releases"));
/// let bucket = s3::Bucket::new(&stack, "Releases", s3::BucketProps::new().encryption_key(&key));
/// bucket.grant_read(&reader);
/// # app.synth().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Bucket {
    node: Node,
    name: Value<kind::S3BucketName>,
    arn: Value<kind::S3BucketArn>,
    key: Option<Key>,
    owned: bool,
    sends_events: bool,
}

/// How to make a [`Bucket`].
#[derive(Clone, Debug, Default)]
pub struct BucketProps {
    bucket_name: Option<String>,
    encryption_key: Option<Key>,
    suspend_versioning: bool,
    lifecycle_rules: Vec<LifecycleRule>,
    access_logs: Option<(Bucket, String)>,
    event_bridge: bool,
    removal_policy: Option<RemovalPolicy>,
}

/// When objects of a bucket go away.
#[derive(Clone, Debug, Default)]
pub struct LifecycleRule {
    id: String,
    prefix: Option<String>,
    expiration_days: Option<i64>,
    noncurrent_version_days: Option<i64>,
    abort_upload_days: Option<i64>,
}

impl LifecycleRule {
    /// A rule of that name, for all objects, that does nothing yet.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// Only objects whose key begins with this. Default: all.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Removes objects after so many days. Default: never.
    #[must_use]
    pub fn expiration_days(mut self, days: i64) -> Self {
        self.expiration_days = Some(days);
        self
    }

    /// Removes what was overwritten or deleted after so many days. Default: never.
    #[must_use]
    pub fn noncurrent_version_days(mut self, days: i64) -> Self {
        self.noncurrent_version_days = Some(days);
        self
    }

    /// Gives up uploads that are not finished after so many days. Default: never.
    #[must_use]
    pub fn abort_upload_days(mut self, days: i64) -> Self {
        self.abort_upload_days = Some(days);
        self
    }

    fn declaration(&self) -> Rule {
        let mut rule = Rule::new().id(self.id.as_str()).status(Status::Enabled);
        if let Some(prefix) = &self.prefix {
            rule = rule.prefix(prefix);
        }
        if let Some(days) = self.expiration_days {
            rule = rule.expiration_in_days(days);
        }
        if let Some(days) = self.noncurrent_version_days {
            rule = rule.noncurrent_version_expiration(NoncurrentVersionExpiration::new().noncurrent_days(days));
        }
        if let Some(days) = self.abort_upload_days {
            rule = rule
                .abort_incomplete_multipart_upload(AbortIncompleteMultipartUpload::new().days_after_initiation(days));
        }
        rule
    }

    fn does_nothing(&self) -> bool {
        self.expiration_days.is_none() && self.noncurrent_version_days.is_none() && self.abort_upload_days.is_none()
    }
}

impl BucketProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name, unique in all of AWS. Default: CloudFormation makes one, or the app does, by a fixed rule, where another
    /// account needs to know it.
    #[must_use]
    pub fn bucket_name(mut self, name: impl Into<String>) -> Self {
        self.bucket_name = Some(name.into());
        self
    }

    /// The key that objects are encrypted with. Default: a key of S3's own.
    #[must_use]
    pub fn encryption_key(mut self, key: &Key) -> Self {
        self.encryption_key = Some(key.clone());
        self
    }

    /// Keeps only the last version of each object. Default: all versions are kept.
    #[must_use]
    pub fn suspend_versioning(mut self) -> Self {
        self.suspend_versioning = true;
        self
    }

    /// Adds a rule for when objects go away. Default: none, objects stay.
    #[must_use]
    pub fn lifecycle_rule(mut self, rule: LifecycleRule) -> Self {
        self.lifecycle_rules.push(rule);
        self
    }

    /// Logs every access to another bucket, under a prefix. That bucket must not be encrypted with a key of yours, which S3
    /// could not use. Default: no log.
    #[must_use]
    pub fn access_logs(mut self, bucket: &Bucket, prefix: impl Into<String>) -> Self {
        self.access_logs = Some((bucket.clone(), prefix.into()));
        self
    }

    /// Tells EventBridge about changed objects. Default: it does not.
    #[must_use]
    pub fn event_bridge(mut self) -> Self {
        self.event_bridge = true;
        self
    }

    /// What happens when the stack no longer has the bucket. Default: it is retained, with its objects.
    #[must_use]
    pub fn removal_policy(mut self, policy: RemovalPolicy) -> Self {
        self.removal_policy = Some(policy);
        self
    }
}

impl Bucket {
    /// A private, encrypted, versioned bucket.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, mut props: BucketProps) -> Self {
        let node = scope.node().child(id);
        if let Some((name, problem)) = props.bucket_name.as_ref().and_then(|it| Some((it, name_problem(it)?))) {
            report_name(&node, name, &problem);
            props.bucket_name = None;
        }
        for rule in props.lifecycle_rules.iter().filter(|it| it.does_nothing()) {
            node.report(
                Diagnostic::error("empty-rule", format!("the lifecycle rule `{}` does nothing", rule.id))
                    .help("say after how many days something goes away"),
            );
        }
        let resource = CfnBucket::new(&node, "Resource", declaration(&props));
        resource.node().apply_removal_policy(props.removal_policy.unwrap_or(RemovalPolicy::Retain));
        resource.node().set_physical_name(
            PhysicalName::new("BucketName", props.bucket_name)
                .attribute("Arn", "arn:{partition}:s3:::{name}")
                .attribute("RegionalDomainName", "{name}.s3.{region}.amazonaws.com"),
        );
        let policy =
            CfnBucketPolicyProps::new().bucket(resource.reference()).policy_document(node.policy(PolicySlot::Resource));
        CfnBucketPolicy::new(&node.child("Policy"), "Resource", policy);
        let bucket = Self {
            name: resource.reference(),
            arn: resource.attr_arn(),
            key: props.encryption_key,
            owned: true,
            sends_events: props.event_bridge,
            node,
        };
        let without_tls = Statement::deny([action!("s3:*")])
            .on([bucket.arn().cast(), bucket.objects("*")])
            .to(Principal::anyone())
            .when("Bool", "aws:SecureTransport", ["false"]);
        bucket.node.add_statement(PolicySlot::Resource, without_tls);
        if let Some((logs, prefix)) = props.access_logs {
            logs.take_logs_of(&bucket, &prefix);
        }
        bucket
    }

    /// A bucket that the app does not own, by its name. Grants reach the identities of this app; the bucket's own policy stays
    /// as it is.
    #[track_caller]
    pub fn from_bucket_name(scope: &dyn Construct, id: &str, name: &str) -> Self {
        let node = scope.node().child(id);
        if let Some(problem) = name_problem(name) {
            report_name(&node, name, &problem);
        }
        let partition = node.environment().map_or("aws", |it| it.region.partition());
        let arn = format!("arn:{partition}:s3:::{name}");
        Self {
            node,
            name: Value::from_expr(name.to_owned().into()),
            arn: Value::from_expr(arn.into()),
            key: None,
            owned: false,
            sends_events: false,
        }
    }

    /// Says which key a bucket that the app does not own is encrypted with, so that grants reach it.
    #[must_use]
    pub fn encrypted_with(mut self, key: &Key) -> Self {
        self.key = Some(key.clone());
        self
    }

    /// The bucket's name.
    pub fn bucket_name(&self) -> Value<kind::S3BucketName> {
        self.name.clone()
    }

    /// The bucket's ARN.
    pub fn arn(&self) -> Value<kind::S3BucketArn> {
        self.arn.clone()
    }

    /// The ARN of its objects whose keys match a pattern, such as `*` or `reports/*`.
    pub fn objects(&self, pattern: &str) -> Value<str> {
        concat([Expr::from(self.arn()), Expr::from(format!("/{pattern}"))])
    }

    /// The key that it is encrypted with, where it is one of yours.
    pub fn encryption_key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// Whether it tells EventBridge about changed objects, or is not the app's, so that this is not known.
    pub fn may_send_events(&self) -> bool {
        self.sends_events || !self.owned
    }

    /// Lets `grantee` list the bucket and read its objects, old versions too.
    #[track_caller]
    pub fn grant_read(&self, grantee: &dyn Grantable) {
        self.grant_on_bucket(grantee, &["s3:GetBucketLocation", "s3:ListBucket"]);
        self.grant_on_objects(grantee, "*", READ);
    }

    /// Lets `grantee` put, overwrite and delete objects.
    #[track_caller]
    pub fn grant_write(&self, grantee: &dyn Grantable) {
        self.grant_put(grantee);
        self.grant_delete(grantee);
    }

    /// Lets `grantee` list the bucket, and read, put, overwrite and delete objects.
    #[track_caller]
    pub fn grant_read_write(&self, grantee: &dyn Grantable) {
        self.grant_read(grantee);
        self.grant_write(grantee);
    }

    /// Lets `grantee` put and overwrite objects.
    #[track_caller]
    pub fn grant_put(&self, grantee: &dyn Grantable) {
        self.grant_on_objects(grantee, "*", &["s3:AbortMultipartUpload", "s3:PutObject"]);
    }

    /// Lets `grantee` delete objects. Their versions stay.
    #[track_caller]
    pub fn grant_delete(&self, grantee: &dyn Grantable) {
        self.grant_on_objects(grantee, "*", &["s3:DeleteObject"]);
    }

    /// Lets `grantee` do `actions` with the objects whose keys match a pattern, and use the key, through S3, for what the
    /// actions need.
    #[track_caller]
    pub fn grant_on_objects(&self, grantee: &dyn Grantable, pattern: &str, actions: &[&str]) {
        self.grant(grantee, &self.objects(pattern), actions);
        let Some(key) = &self.key else { return };
        let reads = actions.iter().any(|it| it.starts_with("s3:GetObject"));
        let writes = actions.contains(&"s3:PutObject");
        if reads || writes {
            // An upload in parts is put together again by decrypting its parts.
            key.grant_via("s3", grantee, &["kms:Decrypt"]);
        }
        if writes {
            key.grant_via("s3", grantee, &["kms:GenerateDataKey"]);
        }
    }

    /// Lets `grantee` do `actions` with the bucket itself.
    #[track_caller]
    pub fn grant_on_bucket(&self, grantee: &dyn Grantable, actions: &[&str]) {
        self.grant(grantee, &self.arn().cast(), actions);
    }

    #[track_caller]
    fn grant(&self, grantee: &dyn Grantable, resource: &Value<str>, actions: &[&str]) {
        let grant = Grant::new(&self.node, grantee, actions.iter().copied()).on([resource]);
        if self.owned { grant.in_policy([resource]).record() } else { grant.record() }
    }

    #[track_caller]
    fn take_logs_of(&self, source: &Bucket, prefix: &str) {
        if self.key.is_some() {
            self.node.report(
                Diagnostic::error("access-logs", "S3 cannot write access logs to a bucket with a key of yours")
                    .help("make the bucket for the logs without `encryption_key`: S3 encrypts it with its own"),
            );
        }
        let Some(environment) = source.node.environment() else { return };
        let statement = Statement::allow([action!("s3:PutObject")])
            .on([self.objects(&format!("{prefix}*"))])
            .to(Principal::service("logging.s3.amazonaws.com"))
            .when("ArnLike", "aws:SourceArn", [source.arn().cast::<str>()])
            .when("StringEquals", "aws:SourceAccount", [environment.account.as_str()]);
        self.node.add_statement(PolicySlot::Resource, statement);
    }
}

/// What reading an object takes.
pub(crate) const READ: &[&str] = &["s3:GetObject", "s3:GetObjectVersion"];

fn declaration(props: &BucketProps) -> CfnBucketProps {
    let mut declaration = CfnBucketProps::new()
        .bucket_encryption(encryption(props.encryption_key.as_ref()))
        .ownership_controls(
            OwnershipControls::new()
                .rules([OwnershipControlsRule::new().object_ownership(ObjectOwnership::BucketOwnerEnforced)]),
        )
        .public_access_block_configuration(
            PublicAccessBlockConfiguration::new()
                .block_public_acls(true)
                .block_public_policy(true)
                .ignore_public_acls(true)
                .restrict_public_buckets(true),
        );
    if let Some(name) = &props.bucket_name {
        declaration = declaration.bucket_name(name.as_str());
    }
    if !props.suspend_versioning {
        let enabled = VersioningConfiguration::new().status(VersioningConfigurationStatus::Enabled);
        declaration = declaration.versioning_configuration(enabled);
    }
    if !props.lifecycle_rules.is_empty() {
        let rules: Vec<Rule> = props.lifecycle_rules.iter().map(LifecycleRule::declaration).collect();
        declaration = declaration.lifecycle_configuration(LifecycleConfiguration::new().rules(rules));
    }
    if let Some((logs, prefix)) = &props.access_logs {
        let logging = LoggingConfiguration::new().destination_bucket_name(logs.bucket_name()).log_file_prefix(prefix);
        declaration = declaration.logging_configuration(logging);
    }
    if props.event_bridge {
        let events = EventBridgeConfiguration::new().event_bridge_enabled(true);
        declaration =
            declaration.notification_configuration(NotificationConfiguration::new().event_bridge_configuration(events));
    }
    declaration
}

fn encryption(key: Option<&Key>) -> BucketEncryption {
    let rule = match key {
        // The bucket key saves a call to KMS for each object.
        Some(key) => ServerSideEncryptionRule::new().bucket_key_enabled(true).server_side_encryption_by_default(
            ServerSideEncryptionByDefault::new().sse_algorithm(SSEAlgorithm::AwsKms).kms_master_key_id(key.arn()),
        ),
        None => ServerSideEncryptionRule::new().server_side_encryption_by_default(
            ServerSideEncryptionByDefault::new().sse_algorithm(SSEAlgorithm::Aes256),
        ),
    };
    BucketEncryption::new().server_side_encryption_configuration([rule])
}

/// The rules of <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>.
#[track_caller]
fn name_problem(name: &str) -> Option<String> {
    let allowed = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '.' || it == '-';
    let problem = if !(3..=63).contains(&name.len()) {
        format!("it has {} characters", name.len())
    } else if let Some(stranger) = name.chars().find(|it| !allowed(*it)) {
        format!("it contains `{stranger}`")
    } else if name.starts_with(['.', '-']) || name.ends_with(['.', '-']) {
        "it does not begin and end with a letter or digit".to_owned()
    } else if name.contains("..") {
        "it has two dots in a row".to_owned()
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        "it looks like an IP address".to_owned()
    } else if let Some(prefix) = ["xn--", "sthree-", "amzn-s3-demo-"].into_iter().find(|it| name.starts_with(it)) {
        format!("AWS keeps names that begin with `{prefix}` for itself")
    } else if let Some(suffix) = ["-s3alias", "--ol-s3", "--x-s3"].into_iter().find(|it| name.ends_with(it)) {
        format!("AWS keeps names that end with `{suffix}` for itself")
    } else {
        return None;
    };
    Some(problem)
}

#[track_caller]
fn report_name(node: &Node, name: &str, problem: &str) {
    let help = "use 3 to 63 lower-case letters, digits, dots and dashes, with a letter or digit at both ends";
    naming::report(node, "a bucket name", name, problem, help);
}

impl Construct for Bucket {
    fn node(&self) -> &Node {
        &self.node
    }
}
