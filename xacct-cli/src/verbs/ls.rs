//! `ls`: the stacks, in the order of deployment.

use crate::args::LsArgs;
use crate::exit::Exit;
use crate::problem::Failure;
use crate::select::select;
use crate::session::Session;
use crate::verbs::count;
use crate::verbs::synth::{resources, stack_fields};

pub(crate) fn run(session: &Session<'_>, args: &LsArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let assembly = session.assembly()?;
    let stacks = select(&assembly, &args.stacks.patterns)?;
    let width = stacks.iter().map(|it| it.display_name.chars().count()).max().unwrap_or_default();
    for (index, stack) in stacks.into_iter().enumerate() {
        if terminal.json {
            terminal.json("stack", stack_fields(stack, index))?;
        } else if args.long {
            let alias = session.config.alias_of(stack.environment.account);
            let after: Vec<&str> = stack.dependencies.iter().map(|it| it.stack.as_str()).collect();
            let after = if after.is_empty() { String::new() } else { format!("  after {}", after.join(", ")) };
            terminal.data(&format!(
                "{:<width$}  {}{}  {}{after}",
                stack.display_name,
                stack.environment,
                alias.map(|it| format!(" ({it})")).unwrap_or_default(),
                count(resources(stack), "resource"),
            ))?;
        } else {
            terminal.data(&stack.display_name)?;
        }
    }
    Ok(Exit::Done)
}
