//! `status`: how stacks are now.

use crate::args::StatusArgs;
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer};
use crate::exit::Exit;
use crate::problem::Failure;
use crate::session::Session;
use crate::verbs::deploy::selection;

pub(crate) async fn run(session: &Session<'_>, args: &StatusArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, true)?;
    let cloud = Cloud::new(session, &args.local)?;
    let reports = answer(session, NOTHING_WRITTEN, cloud.engine.status(&assembly, &selection)).await?;
    let name_width = reports.iter().map(|it| it.display_name.chars().count()).max().unwrap_or_default();
    let place_width = reports.iter().map(|it| it.environment.to_string().len()).max().unwrap_or_default();
    for report in reports {
        if terminal.json {
            terminal.json("status", &report)?;
            continue;
        }
        let status = match (&report.stack, &report.problem) {
            (_, Some(problem)) => terminal.out.red(&problem.message),
            (None, None) => terminal.out.dim("not deployed"),
            (Some(stack), None) => {
                let status = stack.status.to_string();
                let colored = match (stack.status.is_success(), stack.status.is_terminal()) {
                    (true, _) => terminal.out.green(&status),
                    (false, true) => terminal.out.red(&status),
                    (false, false) => terminal.out.yellow(&status),
                };
                let since = stack.updated.unwrap_or(stack.created);
                let reason = stack.reason.as_ref().map(|it| format!("  {it}")).unwrap_or_default();
                format!("{colored}  since {since}{reason}")
            }
        };
        let interrupted =
            if report.interrupted { "  (a run of ours was interrupted: deploy again to go on)" } else { "" };
        let place = report.environment.to_string();
        terminal
            .data(&format!("{:<name_width$}  {place:<place_width$}  {status}{interrupted}", report.display_name))?;
    }
    Ok(Exit::Done)
}
