//! `diff`: what a deploy would change, resource by resource, and who may do more afterwards.

use crate::args::DiffArgs;
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer};
use crate::exit::Exit;
use crate::parameters;
use crate::plan_report;
use crate::problem::Failure;
use crate::session::Session;
use crate::verbs::deploy::selection;

pub(crate) async fn run(session: &Session<'_>, args: &DiffArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let mut assembly = session.assembly()?;
    let mut selection = selection(&assembly, &args.stacks, true)?;
    selection.exclusively = !args.stacks.patterns.is_empty();
    parameters::fill(session, &mut assembly, &args.parameters)?;
    let cloud = Cloud::to_look(session, &args.local)?;
    let plan = answer(session, NOTHING_WRITTEN, cloud.engine.plan(&assembly, &selection)).await?;
    if terminal.json {
        terminal.json("plan", &plan)?;
    } else {
        for line in plan_report::diff(&plan, &terminal.out.unless_cut(terminal.verbose)) {
            terminal.data(&line)?;
        }
    }
    let differs = !plan.is_empty();
    Ok(if differs && args.exit_code { Exit::Differences } else { Exit::Done })
}
