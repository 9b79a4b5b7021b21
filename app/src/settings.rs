//! What `xacct.toml` says about this app, in its section `[context]`.

use serde::Deserialize;
use xacct_cli::{Config, ConfigError};
use xacct_constructs::cross_account_pipeline::OperatorAccess;
use xacct_core::RemovalPolicy;

/// The alias of the account that holds the pipeline.
pub(crate) const TOOLS: &str = "tools";
/// How long an approval waits: seven days.
const APPROVAL_MINUTES: i64 = 7 * 24 * 60;

pub(crate) struct Settings {
    /// What the pipeline and its repository are called.
    pub(crate) name: String,
    pub(crate) branch: String,
    pub(crate) stages: Vec<StageSetting>,
    pub(crate) operator: OperatorSetting,
    /// Mail addresses for failures and approvals.
    pub(crate) notify: Vec<String>,
    pub(crate) approval_minutes: i64,
    pub(crate) removal: Removal,
}

/// A stage: `{ name = "prod", account = "production" }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StageSetting {
    pub(crate) name: String,
    /// The alias of the account that it is deployed into.
    pub(crate) account: String,
    /// Whether somebody must approve. Default: if the account is not the pipeline's own.
    pub(crate) approval: Option<bool>,
    #[serde(default)]
    pub(crate) allow_destroy: bool,
    pub(crate) deployment_window: Option<Window>,
}

/// When a stage may begin: `{ cron = "0 8-15 ? * MON-THU *", time-zone = "Europe/Berlin" }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Window {
    pub(crate) cron: String,
    pub(crate) time_zone: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct OperatorSetting {
    pub(crate) name: String,
    pub(crate) access: Access,
    pub(crate) access_key_serial: i64,
}

impl Default for OperatorSetting {
    fn default() -> Self {
        Self { name: "pipeline-operator".to_owned(), access: Access::Tailored, access_key_serial: 1 }
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Access {
    Tailored,
    Administrator,
}

impl From<Access> for OperatorAccess {
    fn from(access: Access) -> Self {
        match access {
            Access::Tailored => Self::Tailored,
            Access::Administrator => Self::Administrator,
        }
    }
}

/// What becomes of state, keys and logs when a stack is destroyed.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Removal {
    #[default]
    Retain,
    Destroy,
}

impl Removal {
    pub(crate) fn policy(self) -> RemovalPolicy {
        match self {
            Self::Retain => RemovalPolicy::Retain,
            Self::Destroy => RemovalPolicy::Destroy,
        }
    }
}

impl Settings {
    pub(crate) fn from_config(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            name: config.context_or("name", "network".to_owned())?,
            branch: config.context_or("branch", "main".to_owned())?,
            stages: config.context_or("stages", default_stages())?,
            operator: config.context_or("operator", OperatorSetting::default())?,
            notify: config.context_or("notify", Vec::new())?,
            approval_minutes: config.context_or("approval-minutes", APPROVAL_MINUTES)?,
            removal: config.context_or("removal", Removal::default())?,
        })
    }
}

fn default_stages() -> Vec<StageSetting> {
    [("dev", TOOLS), ("qa", TOOLS), ("prod", "production")]
        .map(|(name, account)| StageSetting {
            name: name.to_owned(),
            account: account.to_owned(),
            approval: None,
            allow_destroy: false,
            deployment_window: None,
        })
        .to_vec()
}

/// The id of an account's stack: `production` has the stack `Production`.
pub(crate) fn stack_id(account: &str) -> String {
    let mut letters = account.chars();
    letters.next().map(|first| first.to_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}
