//! `check`: whether every access that the design needs is allowed, which rules are broken, and who else gets in.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::json;
use xacct_access::exposure::Exposure;
use xacct_access::report::NOT_CHECKED;
use xacct_access::rule::Severity;
use xacct_access::{Finding, Report};
use xacct_core::Assembly;

use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::organization::organization;
use crate::problem::{Failure, Place, Problem, io_reason};
use crate::report::render;
use crate::select::select;
use crate::session::{Session, invocation};
use crate::verbs::count;

pub(crate) fn run(session: &Session<'_>, args: &CheckArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let assembly = session.assembly()?;
    let stacks: BTreeSet<&str> =
        select(&assembly, &args.stacks.patterns)?.into_iter().map(|it| it.id.as_str()).collect();
    let mut report = xacct_access::check_within(&assembly, &organization(&session.config)?);
    report.findings.retain(|it| stacks.contains(it.stack.as_str()));
    if let Some(file) = &args.sarif {
        let text = serde_json::to_string_pretty(&report.sarif()).unwrap_or_default();
        std::fs::write(file, text + "\n").map_err(|error| {
            let problem = Problem::error(format!("cannot write `{}`", file.display())).note(io_reason(&error));
            Failure::new(Exit::Internal, problem)
        })?;
    }
    if terminal.json {
        tell_json(session, &report)?;
    } else {
        tell(session, &report)?;
    }
    Ok(if report.passes() { Exit::Done } else { Exit::Rules })
}

fn tell(session: &Session<'_>, report: &Report) -> Result<(), Failure> {
    let terminal = &session.terminal;
    let style = &terminal.out;
    let is_shown = |it: &&Finding| it.silenced.is_none() && (terminal.verbose || it.severity != Severity::Note);
    for finding in report.findings.iter().filter(is_shown) {
        terminal.write(&render(&problem(finding), style))?;
    }
    for finding in report.findings.iter().filter(|it| it.silenced.is_some()) {
        let reason = finding.silenced.as_deref().unwrap_or_default();
        let text = format!("silenced {} {}: {reason}", finding.rule, place_of(finding));
        terminal.data(&style.dim(&text))?;
    }
    print_exposures(session, report, style)?;
    terminal.data(&summary(session, report, style))?;
    if terminal.verbose {
        terminal.data(&format!("it does not look at: {}", NOT_CHECKED.join(", ")))?;
    }
    if report.findings.iter().any(|it| it.silenced.is_none()) {
        terminal.say(&format!("what a rule means: {} explain RULE", invocation()));
    }
    Ok(())
}

/// Who else gets in: each once, with why, and below it what they get at.
fn print_exposures(session: &Session<'_>, report: &Report, style: &crate::terminal::Style) -> Result<(), Failure> {
    let terminal = &session.terminal;
    let mut by_whom: IndexMap<(&str, &str, bool), Vec<&Exposure>> = IndexMap::new();
    for it in &report.exposures {
        by_whom.entry((&it.who, &it.how, it.certain)).or_default().push(it);
    }
    if !by_whom.is_empty() {
        terminal.data(&style.bold("Who else gets in"))?;
    }
    for ((who, how, certain), exposures) in by_whom {
        let perhaps = if certain { "" } else { "perhaps " };
        terminal.data(&format!("  {perhaps}{who}: {how}"))?;
        for it in exposures {
            let resource = it.path.as_ref().unwrap_or(&it.resource);
            let resource = resource.strip_suffix("/Resource").unwrap_or(resource);
            terminal.data(&format!("    {resource}  {}", style.dim(&it.actions.join(", "))))?;
        }
    }
    Ok(())
}

fn summary(session: &Session<'_>, report: &Report, style: &crate::terminal::Style) -> String {
    let of = |severity| report.findings.iter().filter(|it| it.silenced.is_none() && it.severity == severity).count();
    let silenced = report.findings.iter().filter(|it| it.silenced.is_some()).count();
    let sign = if report.passes() { style.green("✓") } else { style.red("✗") };
    let notes = match of(Severity::Note) {
        0 => String::new(),
        notes if session.terminal.verbose => format!(", {}", count(notes, "note")),
        notes => format!(", {} with -v", count(notes, "note")),
    };
    format!(
        "{sign} {} of {} proved · {}, {}{notes}, {silenced} silenced",
        report.proved(),
        if report.accesses.len() == 1 { "1 access".to_owned() } else { format!("{} accesses", report.accesses.len()) },
        count(of(Severity::Error), "error"),
        count(of(Severity::Warning), "warning"),
    )
}

fn tell_json(session: &Session<'_>, report: &Report) -> Result<(), Failure> {
    let terminal = &session.terminal;
    for finding in &report.findings {
        terminal.json("finding", finding)?;
    }
    for access in &report.accesses {
        terminal.json("access", access)?;
    }
    for exposure in &report.exposures {
        terminal.json("exposure", exposure)?;
    }
    let (proved, accesses) = (report.proved(), report.accesses.len());
    terminal.json("checked", json!({ "passes": report.passes(), "proved": proved, "accesses": accesses }))
}

/// What keeps an assembly from being deployed, and a word on the rest.
pub(crate) fn before_deployment(session: &Session<'_>, assembly: &Assembly) -> Result<(), Failure> {
    let report = xacct_access::check_within(assembly, &organization(&session.config)?);
    if !report.passes() {
        let problems = report.errors().map(problem).collect();
        return Err(Failure { exit: Exit::Rules, problems });
    }
    let warnings = report.findings.iter().filter(|it| it.silenced.is_none() && it.severity == Severity::Warning);
    let style = &session.terminal.err;
    let more = match warnings.count() {
        0 => String::new(),
        warnings => style.yellow(&format!(" · {} (see `{} check`)", count(warnings, "warning"), invocation())),
    };
    let accesses = report.accesses.len();
    if accesses > 0 || !more.is_empty() {
        session.terminal.say(&format!("   {} {} of {accesses} proved{more}", style.bold("Access  "), report.proved()));
    }
    Ok(())
}

fn place_of(finding: &Finding) -> String {
    let path = finding.path.clone().unwrap_or_else(|| format!("{}/{}", finding.stack, finding.logical_id));
    path.strip_suffix("/Resource").map_or_else(|| path.clone(), str::to_owned)
}

fn problem(finding: &Finding) -> Problem {
    let message = finding.message.clone();
    let mut problem = match finding.severity {
        Severity::Error => Problem::error(message),
        Severity::Warning | Severity::Note => Problem::warning(message),
    };
    problem =
        problem.code(&format!("{} {}", finding.rule, finding.name)).note(format!("construct {}", place_of(finding)));
    if !finding.property.is_empty() {
        problem = problem.note(format!("property {}", finding.property));
    }
    if let Some(location) = &finding.location {
        problem = problem.at(Place { location: location.clone(), length: 0 });
    }
    if finding.help.is_empty() { problem } else { problem.help(&finding.help) }
}
