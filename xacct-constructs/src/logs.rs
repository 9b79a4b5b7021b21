//! Log groups.

use xacct_core::value::Value;
use xacct_core::{Construct, Grant, Grantable, Node, RemovalPolicy};

use crate::cfn::kind;
use crate::cfn::logs::{CfnLogGroup, CfnLogGroupProps};
use crate::kms::Key;
use crate::naming::{self, NameRule};

const NAME: NameRule = NameRule { what: "a log group name", length: 1..=512, besides: "_-./#" };

/// How long CloudWatch Logs keeps log events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum RetentionDays {
    OneDay,
    ThreeDays,
    FiveDays,
    OneWeek,
    TwoWeeks,
    OneMonth,
    TwoMonths,
    ThreeMonths,
    FourMonths,
    FiveMonths,
    SixMonths,
    OneYear,
    ThirteenMonths,
    EighteenMonths,
    #[default]
    TwoYears,
    ThreeYears,
    FiveYears,
    SixYears,
    SevenYears,
    EightYears,
    NineYears,
    TenYears,
}

impl RetentionDays {
    /// The number of days: one of those that CloudWatch Logs takes.
    pub const fn days(self) -> i64 {
        match self {
            Self::OneDay => 1,
            Self::ThreeDays => 3,
            Self::FiveDays => 5,
            Self::OneWeek => 7,
            Self::TwoWeeks => 14,
            Self::OneMonth => 30,
            Self::TwoMonths => 60,
            Self::ThreeMonths => 90,
            Self::FourMonths => 120,
            Self::FiveMonths => 150,
            Self::SixMonths => 180,
            Self::OneYear => 365,
            Self::ThirteenMonths => 400,
            Self::EighteenMonths => 545,
            Self::TwoYears => 731,
            Self::ThreeYears => 1_096,
            Self::FiveYears => 1_827,
            Self::SixYears => 2_192,
            Self::SevenYears => 2_557,
            Self::EightYears => 2_922,
            Self::NineYears => 3_288,
            Self::TenYears => 3_653,
        }
    }
}

/// A log group.
#[derive(Clone, Debug)]
pub struct LogGroup {
    node: Node,
    name: Value<kind::LogsLogGroupName>,
    arn: Value<kind::LogsLogGroupArn>,
}

/// How to make a [`LogGroup`].
#[derive(Clone, Debug, Default)]
pub struct LogGroupProps {
    log_group_name: Option<String>,
    retention: RetentionDays,
    encryption_key: Option<Key>,
    removal_policy: Option<RemovalPolicy>,
}

impl LogGroupProps {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name. Default: one that the app makes by a fixed rule.
    #[must_use]
    pub fn log_group_name(mut self, name: impl Into<String>) -> Self {
        self.log_group_name = Some(name.into());
        self
    }

    /// How long events are kept. Default: two years.
    #[must_use]
    pub fn retention(mut self, retention: RetentionDays) -> Self {
        self.retention = retention;
        self
    }

    /// The key that events are encrypted with: it lets the log service use it for this group. Default: a key of the log
    /// service's own.
    #[must_use]
    pub fn encryption_key(mut self, key: &Key) -> Self {
        self.encryption_key = Some(key.clone());
        self
    }

    /// What happens when the stack no longer has the group. Default: it is retained.
    #[must_use]
    pub fn removal_policy(mut self, policy: RemovalPolicy) -> Self {
        self.removal_policy = Some(policy);
        self
    }
}

impl LogGroup {
    /// A log group.
    #[track_caller]
    pub fn new(scope: &dyn Construct, id: &str, props: LogGroupProps) -> Self {
        let node = scope.node().child(id);
        let name = NAME.accepted(&node, props.log_group_name);
        // Known here, so that the key's policy can name it: by reference the two would need each other.
        let name = name.unwrap_or_else(|| naming::generated(&node, 512));
        let mut resource =
            CfnLogGroupProps::new().log_group_name(name.as_str()).retention_in_days(props.retention.days());
        if let Some(key) = &props.encryption_key {
            resource = resource.kms_key_id(key.arn());
            key.grant_logs(&name);
        }
        let resource = CfnLogGroup::new(&node, "Resource", resource);
        resource.node().apply_removal_policy(props.removal_policy.unwrap_or(RemovalPolicy::Retain));
        Self { node, name: resource.reference(), arn: resource.attr_arn() }
    }

    /// The group's name.
    pub fn log_group_name(&self) -> Value<kind::LogsLogGroupName> {
        self.name.clone()
    }

    /// The group's ARN, which ends with `:*`: its streams.
    pub fn arn(&self) -> Value<kind::LogsLogGroupArn> {
        self.arn.clone()
    }

    /// Lets `grantee` write log events.
    #[track_caller]
    pub fn grant_write(&self, grantee: &dyn Grantable) {
        self.grant(grantee, &["logs:CreateLogStream", "logs:PutLogEvents"]);
    }

    /// Lets `grantee` read log events.
    #[track_caller]
    pub fn grant_read(&self, grantee: &dyn Grantable) {
        self.grant(grantee, &["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"]);
    }

    #[track_caller]
    fn grant(&self, grantee: &dyn Grantable, actions: &[&str]) {
        Grant::new(&self.node, grantee, actions.iter().copied()).on([&self.arn]).record();
    }
}

impl Construct for LogGroup {
    fn node(&self) -> &Node {
        &self.node
    }
}
