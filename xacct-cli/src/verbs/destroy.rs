//! `destroy`: delete the stacks, in the reverse of their order.

use xacct_deploy::{DestroyOptions, Holdings};

use crate::approval::{Question, agree};
use crate::args::{DestroyArgs, IfBusy};
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer};
use crate::exit::Exit;
use crate::follow::follow;
use crate::problem::Failure;
use crate::session::Session;
use crate::terminal::Style;
use crate::verbs::count;
use crate::verbs::deploy::{conclude, run_options, selection};

pub(crate) async fn run(session: &Session<'_>, args: &DestroyArgs) -> Result<Exit, Failure> {
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, args.exclusively)?;
    let cloud = Cloud::new(session, &args.local)?;
    let there = answer(session, NOTHING_WRITTEN, cloud.engine.holdings(&assembly, &selection)).await?;
    let there: Vec<&Holdings> = there.iter().rev().collect();
    for stack in &there {
        show(session, args, stack);
    }
    if !there.is_empty() {
        let lost = there.iter().flat_map(|it| &it.resources).filter(|it| it.is_lost()).count();
        let data = if lost == 0 { String::new() } else { format!(", and the data of {}", count(lost, "resource")) };
        let text = format!("Delete {}{data}?", count(there.len(), "stack"));
        let style = &session.terminal.err;
        let details: Vec<String> = there.iter().flat_map(|it| details(it, style)).collect();
        agree(session, &Question { text: &text, details: &details, instead: "--yes" }).await?;
    }
    let mut options = DestroyOptions::default();
    options.remove_protection = args.remove_protection;
    options.keep_what_fails = args.keep_what_fails;
    options.refuse_busy = args.running.if_busy == IfBusy::Stop;
    let run = cloud.engine.destroy(&assembly, &selection, options, run_options(&args.running));
    let ended = follow(session, &cloud, &assembly, run).await?;
    Ok(conclude(session, &ended, &cloud, false))
}

/// What is lost with a stack, and what stays.
fn show(session: &Session<'_>, args: &DestroyArgs, stack: &Holdings) {
    let style = &session.terminal.err;
    let (kept, going): (Vec<_>, Vec<_>) = stack.resources.iter().partition(|it| it.retained);
    let protection = match (stack.termination_protection, args.remove_protection) {
        (false, _) => String::new(),
        (true, true) => format!("  {}", style.yellow("its termination protection is taken away")),
        (true, false) => format!("  {}", style.yellow("protected: it stays")),
    };
    session.terminal.say(&format!(
        "  {} {}  {}  {}{protection}",
        style.red("-"),
        stack.display_name,
        stack.environment,
        count(going.len(), "resource")
    ));
    for it in going.iter().filter(|it| it.is_lost()) {
        let text = format!("⚠ {} ({}): its data is lost", it.path_in(&stack.display_name), it.resource_type);
        session.terminal.say(&format!("    {}", style.red(&text)));
    }
    for it in kept {
        let text = format!("{} ({}) is kept", it.path_in(&stack.display_name), it.resource_type);
        session.terminal.say(&format!("    {text}"));
    }
}

/// All that a stack holds.
fn details(stack: &Holdings, style: &Style) -> Vec<String> {
    let mut lines = vec![style.bold(&stack.display_name)];
    lines.extend(stack.resources.iter().map(|it| {
        let (sign, note) = if it.retained { (style.green("="), " is kept") } else { (style.red("-"), "") };
        format!("  {sign} {} {} ({}){note}", it.resource_type, it.path_in(&stack.display_name), it.physical_id)
    }));
    lines
}
