//! `status`: how stacks are now.

use xacct_core::Assembly;
use xacct_deploy::{CauseKind, Environment, Problem as Unreached, StackReport, StackState};

use crate::args::StatusArgs;
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer, reachable, unless_unreached};
use crate::console::stack_page;
use crate::exit::Exit;
use crate::problem::Failure;
use crate::session::Session;
use crate::terminal::Style;
use crate::verbs::deploy::selection;

pub(crate) async fn run(session: &Session<'_>, args: &StatusArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let assembly = session.assembly()?;
    let wanted = selection(&assembly, &args.stacks, true)?;
    let cloud = Cloud::to_look(session, &args.local)?;
    let (selection, unreached) = reachable(session, &cloud, &assembly, &wanted).await?;
    let mut reports = answer(session, NOTHING_WRITTEN, cloud.engine.status(&assembly, &selection)).await?;
    reports.extend(unseen(&assembly, wanted.stacks.as_ref(), &unreached));
    reports.sort_by_key(|report| assembly.stacks.iter().position(|it| it.id == report.id));
    let name_width = reports.iter().map(|it| it.display_name.chars().count()).max().unwrap_or_default();
    let place_width = reports.iter().map(|it| it.environment.to_string().len()).max().unwrap_or_default();
    let mut exit = Exit::Done;
    for report in &reports {
        match report.problem.as_ref().map(|it| it.kind) {
            None => {}
            Some(CauseKind::State) if exit == Exit::Done => exit = Exit::Internal,
            Some(_) => exit = Exit::DeployFailed,
        }
        if terminal.json {
            terminal.json("status", report)?;
            continue;
        }
        let padding = " ".repeat(name_width - report.display_name.chars().count());
        let page = report.stack.as_ref().filter(|_| !cloud.is_local());
        let page = page.and_then(|it| stack_page(&report.environment, &it.stack_id));
        let name = page.map(|it| terminal.out.link(&it, &report.display_name));
        let name = name.as_ref().unwrap_or(&report.display_name);
        let place = report.environment.to_string();
        let status = status(report, &terminal.out);
        terminal.data(&format!("{name}{padding}  {place:<place_width$}  {status}{}", open_operation(report)))?;
        if let (Some(_), Some(problem)) = (&report.stack, &report.problem) {
            terminal.data(&format!("  {}", terminal.out.red(&problem.message)))?;
        }
    }
    unless_unreached(session, unreached, exit)
}

/// The stacks of a selection whose accounts could not be reached.
fn unseen<'a>(
    assembly: &'a Assembly,
    wanted: Option<&'a std::collections::BTreeSet<String>>,
    unreached: &'a [Unreached],
) -> impl Iterator<Item = StackReport> + 'a {
    let chosen = assembly.stacks.iter().filter(move |it| wanted.is_none_or(|wanted| wanted.contains(&it.id)));
    chosen.filter_map(|artifact| {
        let environment = Environment::from(&artifact.environment);
        let problem = unreached.iter().find(|it| it.environment == environment)?;
        Some(StackReport {
            id: artifact.id.clone(),
            display_name: artifact.display_name.clone(),
            stack_name: artifact.stack_name.clone(),
            environment,
            stack: None,
            interrupted: false,
            running: None,
            change_set: None,
            problem: Some(problem.cause.clone()),
        })
    })
}

fn status(report: &StackReport, style: &Style) -> String {
    let stack = match (&report.stack, &report.problem) {
        (Some(stack), _) => stack,
        (None, Some(problem)) => return style.red(&problem.message),
        (None, None) => return style.dim("not deployed"),
    };
    let StackState { status, reason, created, updated, .. } = stack;
    let text = status.to_string();
    let colored = match (status.is_success(), status.is_terminal()) {
        (true, _) => style.green(&text),
        (false, true) => style.red(&text),
        (false, false) => style.yellow(&text),
    };
    let reason = reason.as_ref().map(|it| format!("  {it}")).unwrap_or_default();
    format!("{colored}  since {}{reason}", updated.unwrap_or(*created))
}

/// What is known of an operation of ours on the stack.
fn open_operation(report: &StackReport) -> String {
    match (&report.running, report.interrupted, &report.change_set) {
        (Some(run), ..) => {
            let process = run.process.map(|it| format!(", process {it}")).unwrap_or_default();
            format!("  (a run works on it{process})")
        }
        (None, true, _) => "  (a run of ours was interrupted: deploy again to go on)".to_owned(),
        (None, false, Some(name)) => {
            format!(
                "  (a run was interrupted before anything was executed; its change set {name} may be left: deploy again to go on)"
            )
        }
        (None, false, None) => String::new(),
    }
}
