//! `xacct.toml`: read with places, so that every mistake is reported at its line, and all of them at once.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use xacct_core::{AccountId, Arn, Region};

use super::{Account, Config, ContextValue, Setting, SilencedRule, Source, bootstrap_qualifier};
use crate::problem::{Place, Problem};

const TOP: [&str; 4] = ["region", "accounts", "context", "silence"];
const ACCOUNT: [&str; 7] = ["id", "profile", "role", "external_id", "region", SERVICE_CONTROL, RESOURCE_CONTROL];
const SERVICE_CONTROL: &str = "service_control_policies";
const RESOURCE_CONTROL: &str = "resource_control_policies";

/// Reads the text of a file of that name.
pub(super) fn parse(text: &str, name: &str) -> Result<Config, Vec<Problem>> {
    let mut reader = Reader { text, name, problems: Vec::new() };
    let config = match DeTable::parse(text) {
        Ok(table) => reader.config(table.get_ref()),
        Err(error) => {
            reader.syntax_error(&error);
            Config::default()
        }
    };
    if reader.problems.is_empty() { Ok(config) } else { Err(reader.problems) }
}

struct Reader<'a> {
    text: &'a str,
    name: &'a str,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn config(&mut self, table: &DeTable<'_>) -> Config {
        let mut config = Config { file: Some(self.name.to_owned()), ..Config::default() };
        for (key, value) in in_order(table) {
            match key.get_ref().as_ref() {
                "region" => {
                    if let Some(region) = self.region(value) {
                        config.region = region;
                    }
                }
                "accounts" => {
                    for (alias, value) in self.entries(value, "accounts") {
                        if let Some(account) = self.account(alias, value) {
                            config.accounts.insert(alias.get_ref().to_string(), account);
                        }
                    }
                }
                "context" => {
                    for (key, value) in self.entries(value, "context") {
                        let from = Source::File(self.place(key.span()));
                        let value = ContextValue::Typed(json(value.get_ref()));
                        config.context.insert(key.get_ref().to_string(), Setting { value, from });
                    }
                }
                "silence" => {
                    for (rule, reason) in self.entries(value, "silence") {
                        config.silenced.extend(self.silence(rule, reason));
                    }
                }
                other => self.unknown(other, key.span(), &TOP, None),
            }
        }
        self.refuse_same_account_twice(&config);
        config
    }

    fn account(&mut self, alias: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> Option<Account> {
        let DeValue::Table(table) = value.get_ref() else {
            let problem = Problem::error(format!("account `{}` is not a table", alias.get_ref()));
            let help = format!("write `[accounts.{}]`, and below it `id = \"…\"`", alias.get_ref());
            self.problems.push(problem.at(self.place(value.span())).help(help));
            return None;
        };
        let (mut id, mut profile, mut role, mut external_id, mut region) = (None, None, None, None, None);
        let (mut service_control_policies, mut resource_control_policies) = (Vec::new(), Vec::new());
        let mut has_id = false;
        for (key, value) in in_order(table) {
            match key.get_ref().as_ref() {
                "id" => {
                    has_id = true;
                    id = self.account_id(value);
                }
                "profile" => profile = self.string(value, "profile"),
                "role" => role = self.string(value, "role").map(|it| (it, value.span())),
                "external_id" => external_id = self.string(value, "external_id").map(|it| (it, value.span())),
                "region" => region = self.region(value),
                SERVICE_CONTROL => service_control_policies = self.levels(value, SERVICE_CONTROL),
                RESOURCE_CONTROL => resource_control_policies = self.levels(value, RESOURCE_CONTROL),
                other => self.unknown(other, key.span(), &ACCOUNT, Some(alias.get_ref())),
            }
        }
        if !has_id {
            let problem = Problem::error(format!("account `{}` has no `id`", alias.get_ref()));
            self.problems.push(problem.at(self.place(alias.span())).help("add `id = \"…\"` with its twelve digits"));
        }
        let id = id?;
        let external_id = external_id.and_then(|(it, span)| self.external_id(it, span, role.as_ref().map(|it| &it.0)));
        let role = role.and_then(|(role, span)| self.role(role, span, &id.value));
        Some(Account {
            profile,
            role,
            external_id,
            region,
            service_control_policies,
            resource_control_policies,
            ..Account::new(id)
        })
    }

    /// Names of files: a list for what is attached at one level, or a list of lists for several.
    fn levels(&mut self, value: &Spanned<DeValue<'_>>, key: &str) -> Vec<Vec<Setting<String>>> {
        let DeValue::Array(items) = value.get_ref() else {
            let problem = Problem::error(format!("`{key}` is not a list")).at(self.place(value.span()));
            self.problems.push(problem.help(format!("write `{key} = [\"policy.json\"]`")));
            return Vec::new();
        };
        if items.iter().any(|it| !it.get_ref().is_array()) {
            return vec![items.iter().filter_map(|it| self.string(it, key)).collect()];
        }
        items.iter().flat_map(|it| self.levels(it, key)).collect()
    }

    fn account_id(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Setting<AccountId>> {
        let place = self.place(value.span());
        if value.get_ref().is_integer() {
            self.problems.push(unquoted(&self.text[value.span()]).at(place));
            return None;
        }
        let text = self.string(value, "id")?.value;
        match text.parse() {
            Ok(id) => Some(Setting { value: id, from: Source::File(place) }),
            Err(error) => {
                self.problems.push(Problem::error(error.to_string()).code("account-id").at(place));
                None
            }
        }
    }

    /// A role is given by its ARN, or by its name in the account.
    fn role(&mut self, role: Setting<String>, span: Range<usize>, id: &AccountId) -> Option<Setting<String>> {
        if !role.value.starts_with("arn:") {
            return Some(role);
        }
        let problem = match role.value.parse::<Arn>() {
            Ok(arn) if arn.service() != "iam" || !arn.resource().starts_with("role/") => {
                Problem::error(format!("`{}` is not the ARN of a role", role.value))
            }
            Ok(arn) if arn.account() != id.as_str() => {
                let problem = Problem::error(format!("the role is in account {}, not in {id}", arn.account()));
                problem.help("name a role of the account that is deployed to")
            }
            Ok(_) => return Some(role),
            Err(error) => Problem::error(error.to_string()),
        };
        self.problems.push(problem.at(self.place(span)));
        None
    }

    /// What the trust policy of the role asks for:
    /// [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html) takes 2 to 1,224 letters, digits and `+=,.@:/-_`.
    fn external_id(
        &mut self,
        external_id: Setting<String>,
        span: Range<usize>,
        role: Option<&Setting<String>>,
    ) -> Option<Setting<String>> {
        let allowed = |it: char| it.is_ascii_alphanumeric() || "+=,.@:/-_".contains(it);
        let problem = match role {
            None => {
                Problem::error("`external_id` without a `role`").help("name the `role` whose trust policy asks for it")
            }
            Some(role) if bootstrap_qualifier(&role.value).is_some() => {
                let problem = Problem::error(format!("the roles of `{}` ask for no external id", role.value));
                problem.help("leave `external_id` out, or name a role of your own")
            }
            Some(_) if !(2..=1224).contains(&external_id.value.len()) || !external_id.value.chars().all(allowed) => {
                let problem = Problem::error("this is no external id");
                problem.help("it has 2 to 1224 letters, digits and any of `+=,.@:/-_`")
            }
            Some(_) => return Some(external_id),
        };
        self.problems.push(problem.at(self.place(span)));
        None
    }

    fn region(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Setting<Region>> {
        let text = self.string(value, "region")?;
        match text.value.parse() {
            Ok(region) => Some(Setting { value: region, from: text.from }),
            Err(error) => {
                self.problems.push(Problem::error(error.to_string()).code("region").at(text.from.place()));
                None
            }
        }
    }

    fn silence(
        &mut self,
        rule: &Spanned<std::borrow::Cow<'_, str>>,
        reason: &Spanned<DeValue<'_>>,
    ) -> Option<SilencedRule> {
        let text = reason.get_ref().as_str().unwrap_or_default();
        if text.trim().is_empty() {
            let problem = Problem::error(format!("`{}` is silenced without a reason", rule.get_ref()));
            let help = format!("say why it does not matter here: `{} = \"…\"`", rule.get_ref());
            self.problems.push(problem.at(self.place(reason.span())).help(help));
            return None;
        }
        let location = self.place(rule.span()).location;
        Some(SilencedRule { rule: rule.get_ref().to_string(), reason: text.to_owned(), location })
    }

    fn string(&mut self, value: &Spanned<DeValue<'_>>, key: &str) -> Option<Setting<String>> {
        let place = self.place(value.span());
        match value.get_ref().as_str() {
            Some(text) => Some(Setting { value: text.to_owned(), from: Source::File(place) }),
            None => {
                let kind = value.get_ref().type_str();
                let problem = Problem::error(format!("`{key}` has to be text in quotes, and is of type {kind}"));
                self.problems.push(problem.at(place));
                None
            }
        }
    }

    fn entries<'t>(
        &mut self,
        value: &'t Spanned<DeValue<'t>>,
        key: &str,
    ) -> Vec<(&'t Spanned<std::borrow::Cow<'t, str>>, &'t Spanned<DeValue<'t>>)> {
        match value.get_ref() {
            DeValue::Table(table) => in_order(table),
            _ => {
                let problem = Problem::error(format!("`{key}` is not a table"));
                self.problems.push(problem.at(self.place(value.span())).help(format!("write `[{key}]`")));
                Vec::new()
            }
        }
    }

    fn unknown(&mut self, key: &str, span: Range<usize>, known: &[&str], alias: Option<&str>) {
        let whose = alias.map(|it| format!(" of account `{it}`")).unwrap_or_default();
        let problem = Problem::error(format!("unknown key `{key}`{whose}")).code("unknown-key");
        self.problems.push(problem.at(self.place(span)).help_nearest(key, known.iter().copied()));
    }

    fn refuse_same_account_twice(&mut self, config: &Config) {
        let mut seen: BTreeMap<AccountId, (&str, &Source)> = BTreeMap::new();
        for (alias, account) in &config.accounts {
            let id = account.id.value;
            let Some((first, source)) = seen.get(&id) else {
                seen.insert(id, (alias, &account.id.from));
                continue;
            };
            let mut problem = Problem::error(format!("account {id} is given twice, as `{first}` and as `{alias}`"))
                .code("same-account")
                .at(account.id.from.place())
                .help("give one of them the id of another account, or use one alias for both");
            if let Some(place) = source.place() {
                problem = problem.related("first given at", place.location);
            }
            self.problems.push(problem);
        }
    }

    fn syntax_error(&mut self, error: &toml::de::Error) {
        let span = error.span().unwrap_or_default();
        let place = self.place(span.clone());
        let line = self.text.lines().nth(place.location.line as usize - 1).unwrap_or_default();
        let digits = line.split_once('=').map(|(_, value)| value.split('#').next().unwrap_or_default().trim());
        let problem = match digits {
            Some(digits)
                if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|it| it.is_ascii_digit()) =>
            {
                unquoted(digits)
            }
            _ => Problem::error(format!("`{}` is not valid TOML: {}", self.name, error.message().trim())),
        };
        self.problems.push(problem.at(place));
    }

    fn place(&self, span: Range<usize>) -> Place {
        Place::of(self.name, self.text, span)
    }
}

fn unquoted(digits: &str) -> Problem {
    let help = if digits.len() == 12 {
        format!("write `id = \"{digits}\"`")
    } else {
        format!("write it in quotes, with all twelve digits: was `{digits:0>12}` meant?")
    };
    Problem::error(format!("the account id {digits} is a number: a number loses leading zeros"))
        .code("account-id")
        .help(help)
}

/// The entries of a table as they are in the file.
fn in_order<'t>(table: &'t DeTable<'t>) -> Vec<(&'t Spanned<std::borrow::Cow<'t, str>>, &'t Spanned<DeValue<'t>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).unwrap_or_default().into(),
        DeValue::Float(number) => number.as_str().parse::<f64>().unwrap_or_default().into(),
        DeValue::Boolean(on) => (*on).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => items.iter().map(|it| json(it.get_ref())).collect(),
        DeValue::Table(table) => {
            in_order(table).into_iter().map(|(key, it)| (key.get_ref().to_string(), json(it.get_ref()))).collect()
        }
    }
}
