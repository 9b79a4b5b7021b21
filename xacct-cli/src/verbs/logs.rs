//! `logs`: what happened to stacks, and with `--follow` what goes on, whoever started it.

use xacct_deploy::RunOptions;

use crate::args::LogsArgs;
use crate::cloud::{Cloud, reachable, unless_unreached};
use crate::exit::Exit;
use crate::follow::{glance, watch};
use crate::problem::Failure;
use crate::session::Session;
use crate::verbs::deploy::{conclude, selection};

pub(crate) async fn run(session: &Session<'_>, args: &LogsArgs) -> Result<Exit, Failure> {
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, true)?;
    let cloud =
        if args.follow { Cloud::beside_run(session, &args.local)? } else { Cloud::to_look(session, &args.local)? };
    let (selection, unreached) = reachable(session, &cloud, &assembly, &selection).await?;
    // All at once: nothing is written, and a stack that is waited for must not hide the others.
    let mut options = RunOptions::default();
    options.concurrency = assembly.stacks.len().max(1);
    let run = cloud.engine.watch(&assembly, &selection, options);
    if !args.follow {
        glance(session, &cloud, run).await?;
        return unless_unreached(session, unreached, Exit::Done);
    }
    let ended = watch(session, &cloud, &assembly, run).await?;
    let exit = conclude(session, &ended, &cloud, false);
    unless_unreached(session, unreached, exit)
}
