//! `cancel`: cancel the updates that run.

use serde_json::json;
use xacct_deploy::Cancellation;

use crate::args::CancelArgs;
use crate::cloud::{Cloud, answer, reachable, unless_unreached};
use crate::exit::Exit;
use crate::problem::Failure;
use crate::session::Session;
use crate::verbs::deploy::selection;

/// What can have been done when the user interrupts.
const SO_FAR: &str = "some updates may have been cancelled already; `status` shows which";

pub(crate) async fn run(session: &Session<'_>, args: &CancelArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, true)?;
    let cloud = Cloud::beside_run(session, &args.local)?;
    let (selection, unreached) = reachable(session, &cloud, &assembly, &selection).await?;
    let results = answer(session, SO_FAR, cloud.engine.cancel(&assembly, &selection)).await?;
    cloud.keep()?;
    let mut exit = Exit::Done;
    let mut is_rolling_back = false;
    for stack in &assembly.stacks {
        let Some(result) = results.get(&stack.id) else { continue };
        terminal.json("cancellation", json!({ "stack": stack.id, "cancellation": result }))?;
        let text = match result {
            Cancellation::Cancelled => {
                is_rolling_back = true;
                "cancelled: it rolls back".to_owned()
            }
            Cancellation::Idle => "nothing runs".to_owned(),
            Cancellation::Impossible { status, help } => {
                exit = Exit::DeployFailed;
                terminal.err.yellow(&format!("cannot be cancelled in {status}: {help}"))
            }
            Cancellation::Failed { cause } => {
                exit = Exit::DeployFailed;
                terminal.err.red(&cause.message)
            }
            _ => String::new(),
        };
        terminal.say(&format!("  {}  {text}", stack.display_name));
    }
    if is_rolling_back {
        terminal.say(&format!("follow it with `{}`", cloud.command(session, "logs -f")));
    }
    unless_unreached(session, unreached, exit)
}
