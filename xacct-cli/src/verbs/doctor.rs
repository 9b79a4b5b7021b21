//! `doctor`: every effective setting and where it came from, and whether everything that a deployment needs is there.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::json;
use xacct_core::Environment;
use xacct_core::asset::BOOTSTRAP_QUALIFIER;
use xacct_core::synthesizer::bucket_name;

use crate::args::DoctorArgs;
use crate::cloud::{Cloud, state_folder};
use crate::config::{Config, bootstrap_qualifier};
use crate::exit::Exit;
use crate::problem::Failure;
use crate::proxy::ProxyVariable;
use crate::session::{Session, invocation};

pub(crate) async fn run(session: &Session<'_>, args: &DoctorArgs) -> Result<Exit, Failure> {
    tell_settings(session)?;
    for (tool, what_for) in [("cargo", "to build the app"), ("aws", "for `aws sso login`; not needed to deploy")] {
        let check = match version_of(tool) {
            Some(version) => Check { name: tool.to_owned(), state: State::Good, text: version },
            None => Check { name: tool.to_owned(), state: State::Odd, text: format!("not found ({what_for})") },
        };
        check.tell(session)?;
    }
    if args.offline {
        return Ok(Exit::Done);
    }
    let cloud = Cloud::to_look(session, &args.local)?;
    let mut exit = Exit::Done;
    for (alias, environment) in environments(session) {
        let role = session.config.accounts.get(&alias).and_then(|it| it.role.as_ref());
        let qualifier = role.and_then(|it| bootstrap_qualifier(&it.value)).unwrap_or(BOOTSTRAP_QUALIFIER);
        for check in look(&cloud, &alias, &environment, &bucket_name(qualifier, &environment)).await {
            if check.state == State::Bad {
                exit = Exit::Credentials;
            }
            check.tell(session)?;
        }
    }
    Ok(exit)
}

fn tell_settings(session: &Session<'_>) -> Result<(), Failure> {
    let terminal = &session.terminal;
    let settings = settings(session);
    let name_width = settings.iter().map(|it| it.0.chars().count()).max().unwrap_or_default();
    let value_width = settings.iter().map(|it| it.1.chars().count()).max().unwrap_or_default().min(40);
    for (name, value, from) in settings {
        if terminal.json {
            terminal.json("setting", json!({ "name": name, "value": value, "from": from }))?;
        } else {
            let from = terminal.out.dim(&from);
            terminal.data(&format!("{name:<name_width$}  {value:<value_width$}  {from}"))?;
        }
    }
    Ok(())
}

fn settings(session: &Session<'_>) -> Vec<(String, String, String)> {
    let config = &session.config;
    let file = config.file.clone().unwrap_or_else(|| "none: the embedded sample".to_owned());
    let given = |name: &str| {
        let flag = session.flags.iter().find(|it| it.name == name && it.from != "default");
        flag.map(|it| it.from.clone())
    };
    let mut all = vec![
        ("config".to_owned(), file, given("config").unwrap_or_else(|| "found".to_owned())),
        ("output".to_owned(), session.output().display().to_string(), given("output").unwrap_or_else(unnamed_output)),
        ("state".to_owned(), state_folder(config).display().to_string(), state_source(config).to_owned()),
        ("region".to_owned(), config.region.value.to_string(), config.region.from.to_string()),
    ];
    let others = session.flags.iter().filter(|it| !["config", "output"].contains(&it.name.as_str()));
    all.extend(others.map(|it| (it.name.clone(), it.value.clone(), it.from.clone())));
    all.extend(ProxyVariable::all().iter().map(|it| (it.name.to_lowercase(), it.shown(), it.name.clone())));
    for (alias, account) in &config.accounts {
        let mut add =
            |key: &str, value: String, from: String| all.push((format!("accounts.{alias}.{key}"), value, from));
        add("id", account.id.value.to_string(), account.id.from.to_string());
        if let Some(it) = &account.profile {
            add("profile", it.value.clone(), it.from.to_string());
        }
        if let Some(it) = &account.role {
            add("role", it.value.clone(), it.from.to_string());
        }
        if let Some(it) = &account.external_id {
            add("external_id", it.value.clone(), it.from.to_string());
        }
        if let Some(it) = &account.region {
            add("region", it.value.to_string(), it.from.to_string());
        }
        for (key, levels) in [
            ("service_control_policies", &account.service_control_policies),
            ("resource_control_policies", &account.resource_control_policies),
        ] {
            for it in levels.iter().flatten() {
                add(key, it.value.clone(), it.from.to_string());
            }
        }
    }
    for (key, setting) in &config.context {
        all.push((format!("context.{key}"), setting.value.to_string(), setting.from.to_string()));
    }
    for it in &config.silenced {
        let from = format!("{}:{}", it.location.file, it.location.line);
        all.push((format!("silence.{}", it.rule), it.reason.clone(), from));
    }
    all
}

/// Where the name of the folder for the assembly is from, if no flag gives it.
fn unnamed_output() -> String {
    if std::env::var_os("CDK_OUTDIR").is_some() { "CDK_OUTDIR".to_owned() } else { "default".to_owned() }
}

fn state_source(config: &Config) -> &'static str {
    if config.file.is_some() { "beside the configuration file" } else { "the current folder" }
}

/// The accounts, each with its region, under their aliases.
fn environments(session: &Session<'_>) -> BTreeSet<(String, Environment)> {
    let config = &session.config;
    let of = |alias: &str| {
        let environment = config.environment(alias).ok()?;
        Some((alias.to_owned(), environment))
    };
    config.aliases().filter_map(of).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Odd,
    Bad,
}

struct Check {
    name: String,
    state: State,
    text: String,
}

impl Check {
    fn tell(&self, session: &Session<'_>) -> Result<(), Failure> {
        let terminal = &session.terminal;
        let (word, sign) = match self.state {
            State::Good => ("good", terminal.out.green("✓")),
            State::Odd => ("odd", terminal.out.yellow("!")),
            State::Bad => ("bad", terminal.out.red("✗")),
        };
        if terminal.json {
            return terminal.json("check", json!({ "name": self.name, "state": word, "text": self.text }));
        }
        terminal.data(&format!("{sign} {}  {}", self.name, self.text))
    }
}

/// Whose credentials there are for an account, and whether it is ready to be deployed to.
async fn look(cloud: &Cloud, alias: &str, environment: &Environment, bucket: &str) -> Vec<Check> {
    let check = |what: &str, state, text: String| Check { name: format!("{alias} {what}"), state, text };
    let clients = match cloud.engine.connector().connect(&environment.into()).await {
        Ok(clients) => clients,
        Err(error) => return vec![check("credentials", State::Bad, error.message)],
    };
    let mut checks = Vec::new();
    match clients.identity.caller().await {
        Ok(caller) if caller.account == environment.account.as_str() => {
            checks.push(check("credentials", State::Good, caller.arn));
        }
        Ok(caller) => {
            let text = format!("are for account {} and not {} ({})", caller.account, environment.account, caller.arn);
            return vec![check("credentials", State::Bad, text)];
        }
        Err(error) => return vec![check("credentials", State::Bad, error.message)],
    }
    checks.push(match clients.objects.bucket_exists(bucket).await {
        Ok(true) => check("bootstrap", State::Good, bucket.to_owned()),
        Ok(false) => check("bootstrap", State::Odd, format!("no bucket {bucket}: run `{} bootstrap`", invocation())),
        Err(error) => check("bootstrap", State::Odd, error.message),
    });
    checks
}

/// What a program says about its version, if it can be run.
fn version_of(tool: &str) -> Option<String> {
    let output = Command::new(tool).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned();
    output.status.success().then_some(text)
}
