//! `rollback`: stacks that stand still after a failure go back to their last good state.

use xacct_deploy::RollbackOptions;

use crate::approval::{Question, agree};
use crate::args::RollbackArgs;
use crate::cloud::Cloud;
use crate::exit::Exit;
use crate::follow::follow;
use crate::problem::Failure;
use crate::session::Session;
use crate::verbs::deploy::{conclude, run_options, selection};

pub(crate) async fn run(session: &Session<'_>, args: &RollbackArgs) -> Result<Exit, Failure> {
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, true)?;
    let text = "Roll back what stands still after a failure?";
    agree(session, &Question { text, details: &[], instead: "--yes" }).await?;
    let cloud = Cloud::new(session, &args.local)?;
    let mut options = RollbackOptions::default();
    options.skip.clone_from(&args.skip);
    let run = cloud.engine.rollback(&assembly, &selection, options, run_options(&args.running));
    let ended = follow(session, &cloud, &assembly, run).await?;
    Ok(conclude(session, &ended, &cloud, false))
}
