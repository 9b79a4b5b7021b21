//! `import`: resources that exist already become a stack's.

use xacct_core::assembly::StackArtifact;
use xacct_deploy::StackOptions;
use xacct_deploy::cloudformation::ResourceToImport;

use crate::approval::{Question, agree};
use crate::args::{ImportArgs, Stacks};
use crate::cloud::Cloud;
use crate::exit::Exit;
use crate::failed;
use crate::follow::follow;
use crate::problem::{Failure, Problem};
use crate::session::Session;
use crate::verbs::count;
use crate::verbs::deploy::{conclude, run_options, selection};

pub(crate) async fn run(session: &Session<'_>, args: &ImportArgs) -> Result<Exit, Failure> {
    let assembly = session.assembly()?;
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
        Ok(ResourceToImport { logical_id, resource_type, identifier: identifier.clone() })
    });
    let resources = resources.collect::<Result<Vec<_>, Failure>>()?;
    for it in &resources {
        session.terminal.say(&format!("  {} {} {:?}", it.resource_type, it.logical_id, it.identifier));
    }
    let text = format!("Import {} into {}?", count(resources.len(), "resource"), stack.display_name);
    agree(session, &Question { text: &text, details: &[], instead: "--yes" }).await?;
    let mut options = StackOptions::default();
    options.import.insert(stack.id.clone(), resources);
    let assembly = session.write(assembly.clone())?;
    let cloud = Cloud::new(session, &args.local)?;
    let (run, events) = cloud.engine.deploy(&assembly, &selected, options, run_options(&args.running));
    let ended = follow(session, run, events).await;
    cloud.keep()?;
    let ended = ended?;
    failed::tell(&session.terminal, &ended, &assembly);
    Ok(conclude(session, &ended, &cloud, false))
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
