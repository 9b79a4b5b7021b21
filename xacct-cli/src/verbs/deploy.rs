//! `deploy`: synthesize, plan, ask, deploy, tell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use xacct_core::Assembly;
use xacct_deploy::plan::{Plan, StackAction};
use xacct_deploy::{Outcome, RunOptions, Selection, StackOptions};

use crate::approval::{Question, agree};
use crate::args::{DeployArgs, IfBusy, OnFailure, RequireApproval, Running, Stacks};
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer};
use crate::exit::Exit;
use crate::follow::{Ended, follow};
use crate::parameters;
use crate::plan_report::{self, losses, path};
use crate::problem::{Failure, Problem, io_reason};
use crate::select::{matches, select};
use crate::session::Session;
use crate::verbs::check::before_deployment;
use crate::verbs::count;
use crate::view::duration;

pub(crate) async fn run(session: &Session<'_>, args: &DeployArgs) -> Result<Exit, Failure> {
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, args.exclusively)?;
    let mut assembly = session.write(assembly)?;
    parameters::fill(session, &mut assembly, &args.parameters)?;
    let cloud = Cloud::new(session, &args.local)?;
    cloud.tell_limits(&session.terminal);
    before_deployment(session, &assembly)?;
    let plan = answer(session, NOTHING_WRITTEN, cloud.engine.plan(&assembly, &selection)).await?;
    session.terminal.json("plan", &plan)?;
    for line in plan_report::summary(&plan, &session.terminal.err) {
        session.terminal.say(&line);
    }
    approve(session, args, &plan).await?;
    let mut options = StackOptions::default();
    options.dry_run = args.dry_run;
    options.express = args.express;
    options.no_rollback = args.no_rollback;
    options.revert_drift = args.revert_drift;
    options.import_existing = args.import_existing_resources;
    options.even_if_unchanged = args.revert_drift;
    options.refuse_busy = args.running.if_busy == IfBusy::Stop;
    options.recreate_failed = plan.stacks.iter().any(|it| it.action == StackAction::Recreate);
    let run = cloud.engine.deploy(&assembly, &selection, options, run_options(&args.running));
    let ended = follow(session, &cloud, &assembly, run).await?;
    if let Some(file) = &args.outputs_file {
        write_outputs(&ended, file)?;
    }
    tell_outputs(session, &ended);
    Ok(conclude(session, &ended, &cloud, args.dry_run))
}

/// The stacks that the user names, and those that they depend on.
pub(crate) fn selection(assembly: &Assembly, stacks: &Stacks, exclusively: bool) -> Result<Selection, Failure> {
    let chosen = select(assembly, &stacks.patterns)?;
    let ids = (!stacks.patterns.is_empty()).then(|| chosen.iter().map(|it| it.id.clone()).collect::<BTreeSet<_>>());
    Ok(Selection { stacks: ids, exclusively })
}

pub(crate) fn run_options(running: &Running) -> RunOptions {
    let mut options = RunOptions::default();
    options.concurrency = running.concurrency;
    options.stop_on_failure = running.on_failure == OnFailure::Stop;
    options.timeout = running.timeout;
    options
}

async fn approve(session: &Session<'_>, args: &DeployArgs, plan: &Plan) -> Result<(), Failure> {
    let losing = losses(plan);
    let not_allowed: Vec<String> = losing
        .iter()
        .map(|(stack, resource)| path(stack, resource))
        .filter(|path| !args.allow_replace.iter().any(|pattern| matches(pattern, path)))
        .collect();
    let is_safe = args.dry_run || plan.is_empty();
    // Whoever agrees in advance has not seen this plan: losing data takes more than a general yes.
    if !is_safe && !not_allowed.is_empty() && (session.global.yes || !session.terminal.can_ask) {
        let paths = not_allowed.iter().map(|it| format!("--allow-replace {it}")).collect::<Vec<_>>().join(" ");
        let message = format!("{} would lose data: {}", count(not_allowed.len(), "resource"), not_allowed.join(", "));
        let problem = Problem::error(message).code("data-loss");
        let problem = problem.note("nothing was written").help(format!("if that is meant, agree to each: {paths}"));
        return Err(Failure::new(Exit::Usage, problem));
    }
    let wants = match args.require_approval {
        RequireApproval::Never => false,
        RequireApproval::Broadening => plan.broadens() || !not_allowed.is_empty(),
        RequireApproval::Any => true,
    };
    if is_safe || !wants {
        return Ok(());
    }
    let accounts: BTreeSet<&str> = plan
        .stacks
        .iter()
        .filter(|it| it.action != StackAction::Nothing)
        .map(|it| it.environment.account.as_str())
        .collect();
    let text = format!("Deploy these changes to {}?", count(accounts.len(), "account"));
    let details = plan_report::diff(plan, &session.terminal.err.unless_cut(session.terminal.verbose));
    let question = Question { text: &text, details: &details, instead: "--yes, or with --require-approval never" };
    agree(session, &question).await
}

/// What came out of it: people look for it here, scripts use `outputs`.
fn tell_outputs(session: &Session<'_>, ended: &Ended) {
    for info in &ended.stacks {
        let Some(Outcome::Deployed { outputs, .. }) = ended.summary.stacks.get(&info.id) else { continue };
        for it in outputs {
            session.terminal.say(&format!("  {}.{} = {}", info.stack_name, it.key, it.value));
        }
    }
}

/// The outputs of all stacks, by stack and name.
fn write_outputs(ended: &Ended, file: &Path) -> Result<(), Failure> {
    let mut all: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for info in &ended.stacks {
        let outputs = ended.summary.stacks.get(&info.id).map(Outcome::outputs).unwrap_or_default();
        let outputs = outputs.iter().map(|it| (it.key.as_str(), it.value.as_str())).collect();
        all.insert(&info.stack_name, outputs);
    }
    let mut text = serde_json::to_string_pretty(&all).unwrap_or_default();
    text.push('\n');
    std::fs::write(file, text).map_err(|error| {
        let message = format!("the stacks are deployed, but their outputs cannot be written to `{}`", file.display());
        let problem = Problem::error(message).note(io_reason(&error));
        Failure::new(Exit::Internal, problem.help("`outputs` prints them; --outputs-file names another file"))
    })
}

/// The last line, and the exit code.
pub(crate) fn conclude(session: &Session<'_>, ended: &Ended, cloud: &Cloud, dry_run: bool) -> Exit {
    let style = &session.terminal.err;
    let outcomes = || ended.stacks.iter().filter_map(|it| ended.summary.stacks.get(&it.id));
    let of = |wanted: fn(&Outcome) -> bool| outcomes().filter(|it| wanted(it)).count();
    let mut parts = Vec::new();
    for (number, text) in [
        (of(|it| matches!(it, Outcome::Deployed { created: true, .. })), "created"),
        (of(|it| matches!(it, Outcome::Deployed { created: false, .. })), "updated"),
        (of(|it| matches!(it, Outcome::Unchanged { .. })), "unchanged"),
        (of(|it| matches!(it, Outcome::Planned { .. } | Outcome::Unknown { .. })), "looked at, not changed"),
        (of(|it| matches!(it, Outcome::Deleted { .. })), "deleted"),
        (of(|it| matches!(it, Outcome::Absent)), "absent"),
        (of(|it| matches!(it, Outcome::Accepted { .. })), "accepted as it is"),
        (of(|it| matches!(it, Outcome::Idle { .. })), "at rest"),
        (of(|it| matches!(it, Outcome::RolledBack { .. })), "rolled back"),
        (of(|it| matches!(it, Outcome::Failed { .. })), "failed"),
        (of(|it| matches!(it, Outcome::HeldBack { .. } | Outcome::NotStarted)), "not started"),
        (of(|it| matches!(it, Outcome::Detached { .. })), "left running"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {text}"));
        }
    }
    let well = ended.summary.is_success();
    let sign = if well { style.green("✓") } else { style.red("✗") };
    let only_unchanged = well && outcomes().all(|it| matches!(it, Outcome::Unchanged { .. }));
    let text = if only_unchanged { "no changes".to_owned() } else { parts.join(", ") };
    let place = match (cloud.is_local(), dry_run) {
        (true, _) => ", in memory only",
        (false, true) => ", nothing executed",
        (false, false) => "",
    };
    session.terminal.say(&format!("{sign} {text} in {}{place}", duration(ended.took)));
    match (well, ended.was_interrupted) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Interrupted,
        (false, false) => Exit::DeployFailed,
    }
}
