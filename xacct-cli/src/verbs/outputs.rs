//! `outputs`: the outputs of stacks, for people and for scripts.

use serde_json::json;
use xacct_deploy::CauseKind;

use crate::args::OutputsArgs;
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer, reachable, unless_unreached};
use crate::exit::Exit;
use crate::problem::{Failure, Problem};
use crate::session::Session;
use crate::verbs::deploy::selection;

pub(crate) async fn run(session: &Session<'_>, args: &OutputsArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, true)?;
    let cloud = Cloud::to_look(session, &args.local)?;
    let (selection, unreached) = reachable(session, &cloud, &assembly, &selection).await?;
    let reports = answer(session, NOTHING_WRITTEN, cloud.engine.status(&assembly, &selection)).await?;
    let mut exit = Exit::Done;
    for report in &reports {
        // What is remembered of a stack is no matter of its outputs.
        if let Some(problem) = report.problem.as_ref().filter(|it| it.kind != CauseKind::State) {
            exit = Exit::DeployFailed;
            let message = format!("the outputs of `{}` cannot be read", report.display_name);
            terminal.problem(&Problem::error(message).note(problem.message.clone()));
        }
        for output in report.stack.iter().flat_map(|it| &it.outputs) {
            if terminal.json {
                terminal.json(
                    "output",
                    json!({
                        "stack": report.id, "stack_name": report.stack_name, "key": output.key,
                        "value": output.value, "description": output.description, "export_name": output.export_name,
                    }),
                )?;
            } else {
                terminal.data(&format!("{}.{} = {}", report.stack_name, output.key, output.value))?;
            }
        }
    }
    unless_unreached(session, unreached, exit)
}
