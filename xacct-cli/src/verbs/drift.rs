//! `drift`: what was changed by hand.

use serde_json::json;
use xacct_deploy::Drift;

use crate::args::DriftArgs;
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer, reachable, unless_unreached};
use crate::exit::Exit;
use crate::problem::Failure;
use crate::session::Session;
use crate::verbs::deploy::selection;

pub(crate) async fn run(session: &Session<'_>, args: &DriftArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let style = &terminal.out;
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, true)?;
    let cloud = Cloud::beside_run(session, &args.local)?;
    let (selection, unreached) = reachable(session, &cloud, &assembly, &selection).await?;
    let results = answer(session, NOTHING_WRITTEN, cloud.engine.drift(&assembly, &selection)).await?;
    cloud.keep()?;
    let (mut drifted, mut failed) = (false, false);
    for stack in &assembly.stacks {
        let Some(result) = results.get(&stack.id) else { continue };
        if terminal.json {
            terminal.json("drift", json!({ "stack": stack.id, "drift": result }))?;
        }
        let name = style.bold(&stack.display_name);
        let mut lines = Vec::new();
        match result {
            Drift::Absent => lines.push(format!("{name} {}", style.dim("not deployed"))),
            Drift::Failed { cause } => {
                failed = true;
                lines.push(format!("{name} {}", style.red(&cause.message)));
            }
            Drift::Found { resources, .. } if resources.is_empty() => {
                lines.push(format!("{name} {}", style.green("in sync")));
            }
            Drift::Found { status, resources } => {
                drifted = true;
                lines.push(format!("{name} {}", style.yellow(status)));
                for resource in resources {
                    let origin = stack.origins.get(&resource.logical_id).map_or(&resource.logical_id, |it| &it.path);
                    let status = style.yellow(resource.status.as_str());
                    lines.push(format!("  {status}  {}  {origin}", resource.resource_type));
                    for it in &resource.differences {
                        lines.push(format!("    {}: {} → {}", it.path, it.expected, it.actual));
                    }
                }
            }
            _ => {}
        }
        if !terminal.json {
            lines.iter().try_for_each(|it| terminal.data(it))?;
        }
    }
    let exit = match (failed, drifted && args.exit_code) {
        (true, _) => Exit::DeployFailed,
        (false, true) => Exit::Differences,
        (false, false) => Exit::Done,
    };
    unless_unreached(session, unreached, exit)
}
