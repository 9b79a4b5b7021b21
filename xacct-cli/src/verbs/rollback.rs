//! `rollback`: stacks that stand still after a failure go back to their last good state.

use xacct_deploy::{HeldResource, Holdings, Phase, RollbackOptions, StackStatus};

use crate::approval::{Question, agree};
use crate::args::RollbackArgs;
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer};
use crate::exit::Exit;
use crate::follow::follow;
use crate::problem::Failure;
use crate::session::Session;
use crate::verbs::count;
use crate::verbs::deploy::{conclude, run_options, selection};

pub(crate) async fn run(session: &Session<'_>, args: &RollbackArgs) -> Result<Exit, Failure> {
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, true)?;
    let cloud = Cloud::new(session, &args.local)?;
    let there = answer(session, NOTHING_WRITTEN, cloud.engine.holdings(&assembly, &selection)).await?;
    let to_roll_back: Vec<(&Holdings, String)> = there.iter().filter_map(|it| Some((it, what(it, args)?))).collect();
    for (stack, what) in &to_roll_back {
        session.terminal.say(&format!("  {}  {}  {}: {what}", stack.display_name, stack.environment, stack.status));
        for it in lost(stack) {
            let text = format!("⚠ {} ({}): its data is lost", it.path_in(&stack.display_name), it.resource_type);
            session.terminal.say(&format!("    {}", session.terminal.err.red(&text)));
        }
    }
    if !to_roll_back.is_empty() {
        let text = format!("Roll back {}?", count(to_roll_back.len(), "stack"));
        agree(session, &Question { text: &text, details: &[], instead: "--yes" }).await?;
    }
    let mut options = RollbackOptions::default();
    options.skip.clone_from(&args.skip);
    let run = cloud.engine.rollback(&assembly, &selection, options, run_options(&args.running));
    let ended = follow(session, &cloud, &assembly, run).await?;
    Ok(conclude(session, &ended, &cloud, false))
}

/// What happens to a stack; nothing if it does not stand still after a failure.
fn what(stack: &Holdings, args: &RollbackArgs) -> Option<String> {
    match stack.status.phase() {
        // <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_RollbackStack.html>
        Phase::Paused if is_first_creation(stack) => {
            let going = stack.resources.iter().filter(|it| !it.retained).count();
            Some(format!("there is nothing to go back to: it is deleted with {}", count(going, "resource")))
        }
        Phase::Paused => Some("back to its last good state".to_owned()),
        Phase::Stuck if args.skip.is_empty() => Some("its rollback goes on".to_owned()),
        Phase::Stuck => Some(format!("its rollback goes on, and leaves {} as it is", args.skip.join(", "))),
        Phase::Busy => Some("it is waited for, and rolled back if it fails".to_owned()),
        _ => None,
    }
}

fn is_first_creation(stack: &Holdings) -> bool {
    stack.status == StackStatus::CREATE_FAILED
}

fn lost(stack: &Holdings) -> impl Iterator<Item = &HeldResource> {
    stack.resources.iter().filter(|it| is_first_creation(stack) && it.is_lost())
}
