//! `deploy`: synthesize, plan, ask, deploy, tell.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::path::Path;

use xacct_core::Assembly;
use xacct_deploy::plan::{Plan, StackAction};
use xacct_deploy::{Loss, LossKind, Outcome, RunOptions, Selection, StackOptions, path_of};

use crate::approval::{Question, agree};
use crate::args::{DeployArgs, IfBusy, OnFailure, RequireApproval, Running, Stacks};
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer};
use crate::exit::Exit;
use crate::follow::{Ended, follow};
use crate::parameters;
use crate::plan_report;
use crate::problem::{Failure, Problem, io_reason};
use crate::select::{matches, select};
use crate::session::{Session, quoted};
use crate::verbs::check::before_deployment;
use crate::verbs::count;
use crate::view::duration;

pub(crate) async fn run(session: &Session<'_>, args: &DeployArgs) -> Result<Exit, Failure> {
    args.outputs_file.as_deref().map_or(Ok(()), ensure_writable)?;
    let assembly = session.assembly()?;
    let selection = selection(&assembly, &args.stacks, args.exclusively)?;
    let mut assembly = session.write(assembly)?;
    parameters::fill(session, &mut assembly, &args.parameters)?;
    let cloud = Cloud::new(session, &args.local)?;
    cloud.tell_limits(&session.terminal);
    before_deployment(session, &assembly)?;
    answer(session, NOTHING_WRITTEN, cloud.engine.preflight(&assembly, &selection)).await?;
    let mut plan = answer(session, NOTHING_WRITTEN, cloud.engine.plan(&assembly, &selection)).await?;
    if args.revert_drift {
        plan.add_drift(answer(session, NOTHING_WRITTEN, cloud.engine.drift(&assembly, &selection)).await?);
    }
    session.terminal.json("plan", &plan)?;
    for line in plan_report::summary(&plan, &session.terminal.err) {
        session.terminal.say(&line);
    }
    let may_lose = approve(session, args, &assembly, &plan).await?;
    let mut options = StackOptions::default();
    options.dry_run = args.dry_run;
    options.express = args.express;
    options.no_rollback = args.no_rollback;
    // Nobody was asked if nothing has drifted.
    options.revert_drift = args.revert_drift && !plan.is_empty();
    options.import_existing = args.import_existing_resources;
    options.even_if_unchanged = options.revert_drift;
    options.refuse_busy = args.running.if_busy == IfBusy::Stop;
    let to_recreate = plan.stacks.iter().filter(|it| it.action == StackAction::Recreate);
    options.recreate = to_recreate.filter_map(|it| it.stack_id.clone()).collect();
    options.may_lose = may_lose;
    // Whoever was asked may have taken long to answer.
    if session.global.yes || plan.is_empty() {
        options.unchanged = plan.unchanged();
    }
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

/// Asks whether all this is meant. What may be lost is what was agreed to: by name on the command line, or with the plan in sight.
async fn approve(
    session: &Session<'_>,
    args: &DeployArgs,
    assembly: &Assembly,
    plan: &Plan,
) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
    let mut may_lose = named_losses(args, assembly, plan);
    // What is not known yet is no reason to stop: the engine looks at it once it is known, before it writes.
    let losses = plan.losses();
    let is_allowed = |it: &Loss| may_lose.get(&it.stack).is_some_and(|ids| ids.contains(&it.logical_id));
    let not_allowed: Vec<&str> = losses
        .iter()
        .filter(|it| it.how != LossKind::ReplacedWithValue && !is_allowed(it))
        .map(|it| it.path.as_str())
        .collect();
    let is_safe = args.dry_run || plan.is_empty();
    if is_safe {
        return Ok(may_lose);
    }
    // Whoever agrees in advance has not seen this plan: losing data takes more than a general yes.
    let agreed_in_advance = session.global.yes || args.require_approval == RequireApproval::Never;
    if !not_allowed.is_empty() && (agreed_in_advance || !session.terminal.can_ask) {
        let paths =
            not_allowed.iter().map(|it| format!("--allow-replace {}", quoted(it))).collect::<Vec<_>>().join(" ");
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
    if !wants {
        return Ok(may_lose);
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
    agree(session, &question).await?;
    if !session.global.yes {
        for it in losses {
            may_lose.entry(it.stack).or_default().insert(it.logical_id);
        }
    }
    Ok(may_lose)
}

/// What `--allow-replace` names, of what there is and of what will be.
fn named_losses(args: &DeployArgs, assembly: &Assembly, plan: &Plan) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |stack: &str, logical_id: &str, path: &str| {
        if args.allow_replace.iter().any(|pattern| matches(pattern, path)) {
            found.entry(stack.to_owned()).or_default().insert(logical_id.to_owned());
        }
    };
    for stack in &assembly.stacks {
        let declared = stack.template["Resources"].as_object().into_iter().flatten();
        for (id, _) in declared {
            let origin = stack.origins.get(id).map(|it| it.path.as_str());
            add(&stack.id, id, &path_of(&stack.display_name, id, origin));
        }
    }
    plan.losses().iter().for_each(|it| add(&it.stack, &it.logical_id, &it.path));
    found
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

/// Finds out before anything is deployed whether the outputs can be written afterwards. Leaves no file behind. A pipe is not tried: whoever
/// reads it would take the attempt for the end.
fn ensure_writable(file: &Path) -> Result<(), Failure> {
    if std::fs::metadata(file).is_ok_and(|it| !it.is_file() && !it.is_dir()) {
        return Ok(());
    }
    // A link to a file that is not there yet is there itself, and stays.
    let is_new = std::fs::symlink_metadata(file).is_err();
    OpenOptions::new().append(true).create(true).open(file).map_err(|error| {
        let message = format!("the outputs cannot be written to `{}`", file.display());
        let problem = Problem::error(message).note(io_reason(&error)).note(NOTHING_WRITTEN);
        Failure::new(Exit::Usage, problem.help("name a file in a folder that is there with --outputs-file"))
    })?;
    if is_new {
        // An empty file would say that there are no outputs. Where it cannot be removed, it is soon written.
        let _ = std::fs::remove_file(file);
    }
    Ok(())
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
