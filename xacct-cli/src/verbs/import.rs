//! `import`: resources that exist already become a stack's.

use xacct_core::assembly::StackArtifact;
use xacct_deploy::StackOptions;
use xacct_deploy::cloudformation::ResourceToImport;

use crate::approval::{Question, agree};
use crate::args::{IfBusy, ImportArgs, Stacks};
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer};
use crate::exit::Exit;
use crate::follow::follow;
use crate::parameters;
use crate::problem::{Failure, Problem};
use crate::session::Session;
use crate::verbs::count;
use crate::verbs::deploy::{conclude, run_options, selection};

pub(crate) async fn run(session: &Session<'_>, args: &ImportArgs) -> Result<Exit, Failure> {
    let mut assembly = session.assembly()?;
    parameters::fill(session, &mut assembly, &args.parameters)?;
    let chosen = Stacks { patterns: vec![args.stack.clone()] };
    let selected = selection(&assembly, &chosen, true)?;
    let ids = selected.stacks.clone().unwrap_or_default();
    let stacks: Vec<&StackArtifact> = assembly.stacks.iter().filter(|it| ids.contains(&it.id)).collect();
    let [stack] = stacks[..] else {
        return Err(Failure::usage(format!(
            "`{}` names {}: import into one",
            args.stack,
            count(stacks.len(), "stack")
        )));
    };
    let resources = args.resources.iter().map(|(name, identifier)| {
        let (logical_id, resource_type) = find(stack, name)?;
        check_identifier(name, &resource_type, identifier.keys().map(String::as_str))?;
        Ok(ResourceToImport { logical_id, resource_type, identifier: identifier.clone() })
    });
    let resources = resources.collect::<Result<Vec<_>, Failure>>()?;
    for it in &resources {
        session.terminal.say(&format!("  {} {} {:?}", it.resource_type, it.logical_id, it.identifier));
    }
    let cloud = Cloud::new(session, &args.local)?;
    answer(session, NOTHING_WRITTEN, cloud.engine.preflight(&assembly, &selected)).await?;
    let text = format!("Import {} into {}?", count(resources.len(), "resource"), stack.display_name);
    agree(session, &Question { text: &text, details: &[], instead: "--yes" }).await?;
    let mut options = StackOptions::default();
    options.import.insert(stack.id.clone(), resources);
    options.refuse_busy = args.running.if_busy == IfBusy::Stop;
    let assembly = session.write(assembly.clone())?;
    let run = cloud.engine.deploy(&assembly, &selected, options, run_options(&args.running));
    let ended = follow(session, &cloud, &assembly, run).await?;
    Ok(conclude(session, &ended, &cloud, false))
}

/// CloudFormation would say much later, and less clearly, that a key is none of those that identify the resource.
fn check_identifier<'a>(name: &str, kind: &str, keys: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let known: Vec<&str> =
        xacct_schema::resource_type(kind).into_iter().flat_map(|it| it.primary_identifier()).collect();
    let wrong: Vec<&str> = keys.filter(|key| !known.contains(key)).collect();
    if known.is_empty() || wrong.is_empty() {
        return Ok(());
    }
    let problem = Problem::error(format!("`{}` does not identify `{name}`", wrong.join("`, `")));
    let example: Vec<String> = known.iter().map(|it| format!("{it}=…")).collect();
    let help = format!("an {kind} is identified by {}: {name}:{}", known.join(" and "), example.join(","));
    Err(Failure::new(Exit::Usage, problem.help(help)))
}

/// The logical id and type of a resource, by its construct's path or its logical id.
fn find(stack: &StackArtifact, name: &str) -> Result<(String, String), Failure> {
    let is_named = |path: &str| {
        let path = path.strip_suffix("/Resource").unwrap_or(path);
        path == name || path.strip_prefix(&format!("{}/", stack.display_name)) == Some(name)
    };
    let by_path = stack.origins.iter().find(|(_, origin)| is_named(&origin.path)).map(|(id, _)| id.as_str());
    let logical_id = by_path.unwrap_or(name);
    match stack.template["Resources"][logical_id]["Type"].as_str() {
        Some(kind) => Ok((logical_id.to_owned(), kind.to_owned())),
        None => {
            let known = stack.origins.values().map(|it| it.path.as_str());
            let problem = Problem::error(format!("`{}` has no resource `{name}`", stack.display_name));
            Err(Failure::new(Exit::Usage, problem.help_nearest(name, known)))
        }
    }
}
