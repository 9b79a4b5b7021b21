//! `bootstrap`: what an account and region need before anything is deployed there.

use std::collections::BTreeSet;

use xacct_core::Assembly;
use xacct_deploy::StackOptions;

use crate::approval::{Question, agree};
use crate::args::BootstrapArgs;
use crate::cloud::Cloud;
use crate::exit::Exit;
use crate::follow::follow;
use crate::problem::Failure;
use crate::session::Session;
use crate::verbs::count;
use crate::verbs::deploy::{conclude, run_options};

pub(crate) async fn run(session: &Session<'_>, args: &BootstrapArgs) -> Result<Exit, Failure> {
    let assembly = session.assembly()?;
    let environments: BTreeSet<_> = assembly.stacks.iter().map(|it| it.environment.clone()).collect();
    for environment in &environments {
        let alias = session.config.alias_of(environment.account).map(|it| format!(" ({it})")).unwrap_or_default();
        session.terminal.say(&format!("  asset bucket in {environment}{alias}, unless it is there"));
    }
    let text = format!("Bootstrap {}?", count(environments.len(), "environment"));
    agree(session, &Question { text: &text, details: &[], instead: "--yes" }).await?;
    let cloud = Cloud::new(session, &args.local)?;
    let run = cloud.engine.bootstrap(&environments, StackOptions::default(), run_options(&args.running));
    let ended = follow(session, &cloud, &Assembly::default(), run).await?;
    Ok(conclude(session, &ended, &cloud, false))
}
