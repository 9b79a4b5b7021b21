//! `outputs`: the outputs of stacks, for people and for scripts.

use serde_json::json;

use crate::args::OutputsArgs;
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer};
use crate::exit::Exit;
use crate::problem::Failure;
use crate::session::Session;
use crate::verbs::deploy::selection;

pub(crate) async fn run(session: &Session<'_>, args: &OutputsArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, true)?;
    let cloud = Cloud::new(session, &args.local)?;
    let outputs = answer(session, NOTHING_WRITTEN, cloud.engine.outputs(&assembly, &selection)).await?;
    for stack in &assembly.stacks {
        for output in outputs.get(&stack.id).into_iter().flatten() {
            if terminal.json {
                terminal.json(
                    "output",
                    json!({
                        "stack": stack.id, "stack_name": stack.stack_name, "key": output.key,
                        "value": output.value, "description": output.description, "export_name": output.export_name,
                    }),
                )?;
            } else {
                terminal.data(&format!("{}.{} = {}", stack.stack_name, output.key, output.value))?;
            }
        }
    }
    Ok(Exit::Done)
}
