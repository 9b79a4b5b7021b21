//! `destroy`: delete the stacks, in the reverse of their order.

use xacct_core::assembly::StackArtifact;
use xacct_deploy::DestroyOptions;

use crate::approval::{Question, agree};
use crate::args::{DestroyArgs, IfBusy};
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer};
use crate::exit::Exit;
use crate::follow::follow;
use crate::problem::Failure;
use crate::session::Session;
use crate::verbs::count;
use crate::verbs::deploy::{conclude, run_options, selection};

pub(crate) async fn run(session: &Session<'_>, args: &DestroyArgs) -> Result<Exit, Failure> {
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, args.exclusively)?;
    let cloud = Cloud::new(session, &args.local)?;
    let reports = answer(session, NOTHING_WRITTEN, cloud.engine.status(&assembly, &selection)).await?;
    let there: Vec<&StackArtifact> = reports
        .iter()
        .rev()
        .filter(|it| it.stack.is_some())
        .filter_map(|it| assembly.stacks.iter().find(|stack| stack.id == it.id))
        .collect();
    for stack in &there {
        let line = format!("  {} {}  {}", session.terminal.err.red("-"), stack.display_name, stack.environment);
        session.terminal.say(&line);
    }
    if !there.is_empty() {
        let text = format!("Delete {}?", count(there.len(), "stack"));
        agree(session, &Question { text: &text, details: &[], instead: "--yes" }).await?;
    }
    let mut options = DestroyOptions::default();
    options.remove_protection = args.remove_protection;
    options.keep_what_fails = args.keep_what_fails;
    options.refuse_busy = args.running.if_busy == IfBusy::Stop;
    let run = cloud.engine.destroy(&assembly, &selection, options, run_options(&args.running));
    let ended = follow(session, &cloud, &assembly, run).await?;
    Ok(conclude(session, &ended, &cloud, false))
}
