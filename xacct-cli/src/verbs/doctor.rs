//! `doctor`: every effective setting and where it came from.

use serde_json::json;

use crate::exit::Exit;
use crate::problem::Failure;
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>) -> Result<Exit, Failure> {
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
    Ok(Exit::Done)
}

fn settings(session: &Session<'_>) -> Vec<(String, String, String)> {
    let config = &session.config;
    let file = config.file.clone().unwrap_or_else(|| "none: the embedded sample".to_owned());
    let mut all = vec![
        ("config".to_owned(), file, "found".to_owned()),
        ("output".to_owned(), session.output().display().to_string(), session.output_source().to_owned()),
        ("region".to_owned(), config.region.value.to_string(), config.region.from.to_string()),
    ];
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
        if let Some(it) = &account.region {
            add("region", it.value.to_string(), it.from.to_string());
        }
    }
    for (key, setting) in &config.context {
        all.push((format!("context.{key}"), setting.value.to_string(), setting.from.to_string()));
    }
    for it in &config.silenced {
        all.push((
            format!("silence.{}", it.rule),
            it.reason.clone(),
            format!("{}:{}", it.location.file, it.location.line),
        ));
    }
    all
}
