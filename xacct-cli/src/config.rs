//! The configuration of an app: accounts, region and context, from `xacct.toml`, the environment and flags.
//!
//! Later layers win: a default < `xacct.toml` < environment variables `XACCT_…` < flags. Every value knows where it came
//! from, for `doctor` and for error messages. Without a file there is a sample, so that a fresh clone does something.

mod file;
mod layers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use xacct_core::asset::BOOTSTRAP_QUALIFIER;
use xacct_core::{AccountId, Environment, Region, SourceLocation, StackSynthesizer};

use crate::problem::{Place, Problem};

pub(crate) use layers::{Overrides, load};

/// What is used when there is no `xacct.toml`.
pub(crate) const SAMPLE: &str = include_str!("config/sample.toml");
/// The region where none is given.
const DEFAULT_REGION: Region = Region::literal("eu-west-1");

/// Accounts, region and context of an app.
///
/// An app's `define` gets one; tests make one from text:
/// ```
/// use xacct_cli::Config;
/// let config: Config = r#"
///     region = "eu-central-1"
///     [accounts.tools]
///     id = "111111111111"
///     [context]
///     branch = "main"
/// "#
/// .parse()?;
/// assert_eq!(config.environment("tools")?.to_string(), "111111111111/eu-central-1");
/// assert_eq!(config.context_or("branch", "trunk".to_owned())?, "main");
/// assert_eq!(config.context_or("retention-days", 30)?, 30);
/// # Ok::<(), xacct_cli::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Config {
    pub(crate) region: Setting<Region>,
    pub(crate) accounts: IndexMap<String, Account>,
    pub(crate) context: BTreeMap<String, Setting<ContextValue>>,
    pub(crate) silenced: Vec<SilencedRule>,
    /// The file, or nothing for the sample.
    pub(crate) file: Option<String>,
    /// What the app asked for, so that a misspelt key is found.
    asked: Mutex<BTreeSet<String>>,
}

/// An account by its alias.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: Setting<AccountId>,
    pub(crate) profile: Option<Setting<String>>,
    pub(crate) role: Option<Setting<String>>,
    /// What the role's trust policy asks for.
    pub(crate) external_id: Option<Setting<String>>,
    pub(crate) region: Option<Setting<Region>>,
    /// The files of the organization's policies over the account, by level.
    pub(crate) service_control_policies: Vec<Vec<Setting<String>>>,
    pub(crate) resource_control_policies: Vec<Vec<Setting<String>>>,
}

impl Account {
    fn new(id: Setting<AccountId>) -> Self {
        Self {
            id,
            profile: None,
            role: None,
            external_id: None,
            region: None,
            service_control_policies: Vec::new(),
            resource_control_policies: Vec::new(),
        }
    }
}

/// A rule that is silenced for the whole app.
#[derive(Clone, Debug)]
pub(crate) struct SilencedRule {
    pub(crate) rule: String,
    pub(crate) reason: String,
    pub(crate) location: SourceLocation,
}

/// A value, and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) from: Source,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    Sample,
    File(Place),
    Variable(String),
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Sample => f.write_str("embedded sample"),
            Self::File(place) => write!(f, "{}:{}", place.location.file, place.location.line),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

impl Source {
    /// The place in the file, where there is one.
    pub(crate) fn place(&self) -> Option<Place> {
        match self {
            Self::File(place) => Some(place.clone()),
            _ => None,
        }
    }
}

/// A free value for the app.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ContextValue {
    /// From the file: it has a type.
    Typed(serde_json::Value),
    /// From a variable or a flag: text, which the app reads as what it needs.
    Text(String),
}

impl fmt::Display for ContextValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Typed(serde_json::Value::String(text)) | Self::Text(text) => f.write_str(text),
            Self::Typed(value) => write!(f, "{value}"),
        }
    }
}

/// The role that stands for those that a bootstrap has made.
const CDK_BOOTSTRAP: &str = "cdk-bootstrap";

/// The qualifier of the bootstrap whose roles are meant: `cdk-bootstrap`, or `cdk-bootstrap:QUALIFIER`.
pub(crate) fn bootstrap_qualifier(role: &str) -> Option<&str> {
    match role.strip_prefix(CDK_BOOTSTRAP)? {
        "" => Some(BOOTSTRAP_QUALIFIER),
        rest => rest.strip_prefix(':'),
    }
}

impl Config {
    /// The sample that is used when there is no `xacct.toml`: accounts `tools` and `production`.
    pub fn sample() -> Self {
        let mut config = file::parse(SAMPLE, "the embedded sample").unwrap_or_default();
        config.forget_file();
        config
    }

    /// The id of an account, by its alias.
    pub fn account(&self, alias: &str) -> Result<AccountId, ConfigError> {
        Ok(self.find(alias)?.id.value)
    }

    /// The account and region of an alias: the account's own region, or that of the app.
    pub fn environment(&self, alias: &str) -> Result<Environment, ConfigError> {
        let account = self.find(alias)?;
        let region = account.region.as_ref().unwrap_or(&self.region);
        Ok(Environment::new(account.id.value, region.value.clone()))
    }

    /// How stacks of an account are deployed: with the roles of its bootstrap if its `role` is `cdk-bootstrap`, else with credentials
    /// alone. It is for CDK's CLI to know; our own deploys as the configuration says, whatever the stack has.
    pub fn synthesizer(&self, alias: &str) -> Result<StackSynthesizer, ConfigError> {
        let role = self.find(alias)?.role.as_ref();
        Ok(match role.and_then(|it| bootstrap_qualifier(&it.value)) {
            Some(qualifier) => StackSynthesizer::bootstrap_roles().qualifier(qualifier),
            None => StackSynthesizer::default(),
        })
    }

    /// The region of all that has none of its own.
    pub fn region(&self) -> Region {
        self.region.value.clone()
    }

    /// The aliases of all accounts, in the order of the file.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.accounts.keys().map(String::as_str)
    }

    /// A value of the context, or nothing where it is not set. An error if it cannot be read as a `T`.
    pub fn context<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ConfigError> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
        let Some(setting) = self.context_setting(key) else { return Ok(None) };
        let read = match &setting.value {
            ContextValue::Typed(value) => serde_json::from_value(value.clone()),
            ContextValue::Text(text) => serde_json::from_value(serde_json::Value::String(text.clone()))
                .or_else(|error| serde_json::from_str(text).map_err(|_| error)),
        };
        read.map(Some).map_err(|error| {
            let message = format!("context `{key}` has a value that the app cannot use: {error}");
            ConfigError::from(
                Problem::error(message)
                    .at(setting.from.place())
                    .note(format!("it is `{}`, from {}", setting.value, setting.from)),
            )
        })
    }

    /// A value of the context, or a default.
    pub fn context_or<T: DeserializeOwned>(&self, key: &str, default: T) -> Result<T, ConfigError> {
        Ok(self.context(key)?.unwrap_or(default))
    }

    /// A variable cannot say `retention-days`, so its key is compared by how it looks as a variable.
    fn context_setting(&self, key: &str) -> Option<&Setting<ContextValue>> {
        let by_variable = || {
            let mut others = self.context.iter().filter(|(_, it)| matches!(it.from, Source::Variable(_)));
            others.find(|(it, _)| layers::as_variable(it) == layers::as_variable(key)).map(|(_, it)| it)
        };
        self.context.get(key).or_else(by_variable)
    }

    fn find(&self, alias: &str) -> Result<&Account, ConfigError> {
        self.accounts.get(alias).ok_or_else(|| {
            let known = self.aliases().collect::<Vec<_>>();
            let add = format!("add `[accounts.{alias}]` with its `id` to xacct.toml");
            let help = match xacct_core::nearest::nearest(alias, known.iter().copied()) {
                Some(nearest) => format!("{add}; or is `{nearest}` meant?"),
                None if known.is_empty() => add,
                None => format!("{add}; there are: {}", known.join(", ")),
            };
            ConfigError::from(Problem::error(format!("the app needs an account `{alias}`")).help(help))
        })
    }

    /// The alias of an account, for people.
    pub(crate) fn alias_of(&self, id: AccountId) -> Option<&str> {
        self.accounts.iter().find(|(_, it)| it.id.value == id).map(|(alias, _)| alias.as_str())
    }

    /// Context keys that nothing asked for: slips of the hand, whose meaning would silently not count. A variable may be meant
    /// for another app, so it is worth no more than a warning.
    pub(crate) fn unasked(&self) -> Vec<Problem> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let unasked = self.context.iter().filter(|(key, setting)| {
            let is_from_cdk = setting.from == Source::Variable(layers::CDK_CONTEXT.into());
            let was_asked = asked.iter().any(|it| it == *key || layers::as_variable(it) == layers::as_variable(key));
            !was_asked && !is_from_cdk
        });
        unasked
            .map(|(key, setting)| {
                let message = format!("the app does not use the context `{key}`, from {}", setting.from);
                let problem = match setting.from {
                    Source::Variable(_) => Problem::warning(message),
                    _ => Problem::error(message),
                };
                problem
                    .code("unused-context")
                    .at(setting.from.place())
                    .help_nearest(key, asked.iter().map(String::as_str))
            })
            .collect()
    }

    /// The sample has no file to point to.
    fn forget_file(&mut self) {
        self.file = None;
        self.region.from = Source::Sample;
        for account in self.accounts.values_mut() {
            account.id.from = Source::Sample;
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: Setting { value: DEFAULT_REGION, from: Source::Default },
            accounts: IndexMap::new(),
            context: BTreeMap::new(),
            silenced: Vec::new(),
            file: None,
            asked: Mutex::default(),
        }
    }
}

impl FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        file::parse(text, "xacct.toml").map_err(ConfigError)
    }
}

/// What is wrong with the configuration, all of it.
#[derive(Clone, Debug)]
pub struct ConfigError(pub(crate) Vec<Problem>);

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            if let Some(place) = &problem.place {
                write!(f, "{}: ", place.location)?;
            }
            f.write_str(&problem.message)?;
            for (how, location) in &problem.related {
                write!(f, "; {how} {location}")?;
            }
            if let Some(help) = &problem.help {
                write!(f, "; {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
