//! The layers above the file: environment variables and flags.

use std::path::{Path, PathBuf};

use xacct_core::{AccountId, Region};

use super::{Account, Config, ConfigError, ContextValue, Setting, Source, file};
use crate::problem::Problem;

/// Where CDK's CLI puts the context of its command line.
pub(super) const CDK_CONTEXT: &str = "CDK_CONTEXT_JSON";
const FILE: &str = "xacct.toml";
/// Variables that are read as flags.
const FLAG_VARIABLES: [&str; 10] =
    ["CONFIG", "OUTPUT", "COLOR", "PROGRESS", "YES", "JSON", "ASSEMBLY", "LOCAL", "REQUIRE_APPROVAL", "NO_VALIDATION"];

/// What flags say about the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) file: Option<PathBuf>,
    pub(crate) region: Option<String>,
    pub(crate) accounts: Vec<(String, String)>,
    pub(crate) profiles: Vec<(String, String)>,
    pub(crate) context: Vec<(String, String)>,
}

/// The configuration of this invocation, with warnings about variables that mean nothing.
pub(crate) fn load(
    overrides: &Overrides,
    variables: &[(String, String)],
) -> Result<(Config, Vec<Problem>), ConfigError> {
    let mut config = match find_file(overrides, variables)? {
        Some(path) => read(&path)?,
        None => Config::sample(),
    };
    let mut layers = Layers { config: &mut config, errors: Vec::new(), warnings: Vec::new() };
    layers.variables(variables);
    layers.flags(overrides);
    let Layers { errors, warnings, .. } = layers;
    if errors.is_empty() { Ok((config, warnings)) } else { Err(ConfigError(errors)) }
}

/// The file that is named, or `xacct.toml` here, or beside the package that cargo runs.
fn find_file(overrides: &Overrides, variables: &[(String, String)]) -> Result<Option<PathBuf>, ConfigError> {
    if let Some(path) = &overrides.file {
        if !path.is_file() {
            return Err(Problem::error(format!("there is no file `{}`", path.display())).into());
        }
        return Ok(Some(path.clone()));
    }
    let here = PathBuf::from(FILE);
    let package = variables.iter().find(|(name, _)| name == "CARGO_MANIFEST_DIR");
    let beside = package.map(|(_, folder)| Path::new(folder).join(FILE));
    Ok([Some(here), beside].into_iter().flatten().find(|it| it.is_file()))
}

fn read(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::error(format!("cannot read `{}`: {error}", path.display())))?;
    file::parse(&text, &path.display().to_string()).map_err(ConfigError)
}

struct Layers<'a> {
    config: &'a mut Config,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Layers<'_> {
    fn variables(&mut self, variables: &[(String, String)]) {
        for (name, value) in variables {
            let source = Source::Variable(name.clone());
            match name.as_str() {
                CDK_CONTEXT => self.cdk_context(value),
                "CDK_DEFAULT_REGION" if self.config.region.from == Source::Default => self.region(value, source),
                _ => {
                    if let Some(name) = name.strip_prefix("XACCT_") {
                        self.variable(name, value, source);
                    }
                }
            }
        }
    }

    fn variable(&mut self, name: &str, value: &str, source: Source) {
        let (kind, rest) = name.split_once('_').unwrap_or((name, ""));
        match (kind, rest) {
            ("REGION", "") => self.region(value, source),
            ("ACCOUNT", alias) if !alias.is_empty() => self.account(&self.alias_for(alias), value, source),
            ("PROFILE", alias) if !alias.is_empty() => self.profile(&self.alias_for(alias), value, source),
            ("ROLE", alias) if !alias.is_empty() => {
                let alias = self.alias_for(alias);
                if let Some(account) = self.known(&alias, &source) {
                    account.role = Some(Setting { value: value.to_owned(), from: source });
                }
            }
            ("REGION", alias) => {
                let alias = self.alias_for(alias);
                let region = self.parse_region(value, &source);
                if let (Some(region), Some(account)) = (region, self.known(&alias, &source)) {
                    account.region = Some(Setting { value: region, from: source });
                }
            }
            ("CONTEXT", key) if !key.is_empty() => {
                let key = self.context_key_for(key);
                self.context(&key, value, source);
            }
            _ if FLAG_VARIABLES.contains(&name) => {}
            _ => {
                let known = ["REGION", "ACCOUNT_", "PROFILE_", "ROLE_", "CONTEXT_"].into_iter().chain(FLAG_VARIABLES);
                let known: Vec<String> = known.map(|it| format!("XACCT_{it}")).collect();
                let problem = Problem::warning(format!("the variable `{source}` means nothing"));
                self.warnings.push(problem.help_nearest(&source.to_string(), known.iter().map(String::as_str)));
            }
        }
    }

    fn flags(&mut self, overrides: &Overrides) {
        if let Some(region) = &overrides.region {
            self.region(region, Source::Flag("--region".into()));
        }
        for (alias, id) in &overrides.accounts {
            self.account(alias, id, Source::Flag("--account".into()));
        }
        for (alias, profile) in &overrides.profiles {
            self.profile(alias, profile, Source::Flag("--profile".into()));
        }
        for (key, value) in &overrides.context {
            self.context(key, value, Source::Flag("--context".into()));
        }
    }

    fn region(&mut self, value: &str, source: Source) {
        if let Some(region) = self.parse_region(value, &source) {
            self.config.region = Setting { value: region, from: source };
        }
    }

    fn parse_region(&mut self, value: &str, source: &Source) -> Option<Region> {
        let region = value.parse();
        region.map_err(|error| self.wrong(format!("{error}"), source, "region")).ok()
    }

    fn account(&mut self, alias: &str, value: &str, source: Source) {
        let id: AccountId = match value.parse() {
            Ok(id) => id,
            Err(error) => return self.wrong(format!("account `{alias}`: {error}"), &source, "account-id"),
        };
        let other = self.config.accounts.iter().find(|(name, it)| *name != alias && it.id.value == id);
        if let Some((other, account)) = other {
            let message = format!("account {id} is given twice, as `{other}` ({}) and as `{alias}`", account.id.from);
            return self.wrong(message, &source, "same-account");
        }
        let id = Setting { value: id, from: source };
        match self.config.accounts.get_mut(alias) {
            Some(account) => account.id = id,
            None => {
                self.config.accounts.insert(alias.to_owned(), Account::new(id));
            }
        }
    }

    fn profile(&mut self, alias: &str, value: &str, source: Source) {
        if let Some(account) = self.known(alias, &source) {
            account.profile = Some(Setting { value: value.to_owned(), from: source });
        }
    }

    fn context(&mut self, key: &str, value: &str, source: Source) {
        let value = ContextValue::Text(value.to_owned());
        self.config.context.insert(key.to_owned(), Setting { value, from: source });
    }

    fn cdk_context(&mut self, value: &str) {
        let Ok(serde_json::Value::Object(values)) = serde_json::from_str(value) else { return };
        for (key, value) in values {
            let value = match value {
                serde_json::Value::String(text) => ContextValue::Text(text),
                other => ContextValue::Typed(other),
            };
            self.config.context.insert(key, Setting { value, from: Source::Variable(CDK_CONTEXT.into()) });
        }
    }

    fn known(&mut self, alias: &str, source: &Source) -> Option<&mut Account> {
        if !self.config.accounts.contains_key(alias) {
            let problem = Problem::error(format!("{source} names an account `{alias}` that is not configured"));
            let problem = problem.help_nearest(alias, self.config.accounts.keys().map(String::as_str));
            self.errors.push(problem);
        }
        self.config.accounts.get_mut(alias)
    }

    fn wrong(&mut self, message: String, source: &Source, code: &str) {
        self.errors.push(Problem::error(message).code(code).note(format!("from {source}")));
    }

    /// `MY_TOOLS` names the account `my-tools`, however that is spelt in the file.
    fn alias_for(&self, variable: &str) -> String {
        let known = self.config.accounts.keys().find(|it| as_variable(it) == variable);
        known.cloned().unwrap_or_else(|| variable.to_lowercase().replace('_', "-"))
    }

    fn context_key_for(&self, variable: &str) -> String {
        let known = self.config.context.keys().find(|it| as_variable(it) == variable);
        known.cloned().unwrap_or_else(|| variable.to_lowercase().replace('_', "-"))
    }
}

/// How a name is spelt in a variable.
pub(super) fn as_variable(name: &str) -> String {
    name.to_uppercase().replace(['-', '.'], "_")
}
