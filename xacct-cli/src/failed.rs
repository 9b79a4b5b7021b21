//! What failed in a run: the cause first, with its place in the program and what to do.

use serde_json::json;
use xacct_core::Assembly;
use xacct_deploy::{Cause, CauseKind, Outcome};

use crate::follow::Ended;
use crate::report;
use crate::session::same_command;
use crate::terminal::{Style, Terminal};

/// Tells of every stack that failed, then of those that did not begin.
pub(crate) fn tell(terminal: &Terminal, ended: &Ended, assembly: &Assembly) {
    if terminal.json {
        return;
    }
    for info in &ended.stacks {
        let Some(Outcome::Failed { status, causes }) = ended.summary.stacks.get(&info.id) else { continue };
        let state = state(ended, &info.id, status.as_deref());
        for (index, cause) in causes.iter().enumerate() {
            // One cause is what the user needs; what follows from it only if asked for.
            if index > 0 && !terminal.verbose {
                terminal.err_line(&format!("  … and {} more with -v", causes.len() - 1));
                break;
            }
            let name = subject(cause, &info.display_name, assembly, &info.id);
            terminal.err_line(&render(cause, &name, &state, &terminal.err));
        }
    }
}

/// A cause in the form of an error message of several lines.
fn render(cause: &Cause, name: &str, state: &str, style: &Style) -> String {
    let kind = if cause.kind == CauseKind::Other { String::new() } else { format!("[{}]", kind_name(cause.kind)) };
    let mut lines =
        vec![format!("{} {}", style.red(&style.bold(&format!("error{kind}:"))), style.bold(&format!("{name} failed")))];
    let bar = style.red("│");
    for line in cause.message.lines() {
        lines.extend(wrap(line, style.width.saturating_sub(4)).into_iter().map(|it| format!("  {bar} {it}")));
    }
    let mut rows = Vec::new();
    if let Some(location) = &cause.location {
        let line = report::source_line(location).map(|it| format!("  {}", style.dim(&it))).unwrap_or_default();
        let file = format!("{}:{}", location.file, location.line);
        let link = report::find(&location.file).map(|it| style.link(&format!("file://{}", it.display()), &file));
        rows.push(("at", format!("{}{line}", link.unwrap_or(file))));
    }
    rows.extend(cause.template_path.as_ref().map(|it| ("in", it.clone())));
    rows.extend(cause.operation.as_ref().map(|it| {
        let code = cause.code.as_ref().map(|it| format!(" ({it})")).unwrap_or_default();
        ("call", format!("{it}{code}"))
    }));
    rows.extend(cause.help.as_ref().map(|it| ("help", it.clone())));
    rows.push(("again", same_command()));
    rows.push(("state", state.to_owned()));
    let last = rows.len() - 1;
    for (index, (what, text)) in rows.iter().enumerate() {
        let corner = style.red(if index == last { "└" } else { "├" });
        lines.push(format!("  {corner} {what:<6} {text}"));
    }
    lines.join("\n")
}

/// `Tools/Artifacts/Key (AWS::KMS::Key)`.
fn subject(cause: &Cause, stack: &str, assembly: &Assembly, id: &str) -> String {
    let Some(logical_id) = &cause.logical_id else { return stack.to_owned() };
    let artifact = assembly.stacks.iter().find(|it| it.id == id);
    let origin = artifact.and_then(|it| it.origins.get(logical_id)).map(|it| it.path.clone());
    let nested = cause.nested.iter().map(|it| format!("{it}/")).collect::<String>();
    let path = cause.path.clone().or(origin).unwrap_or_else(|| format!("{stack}/{nested}{logical_id}"));
    let path = path.strip_suffix("/Resource").unwrap_or(&path);
    match &cause.resource_type {
        Some(kind) => format!("{path} ({kind})"),
        None => path.to_owned(),
    }
}

/// What the stacks are now: `Tools ROLLBACK_COMPLETE; Production deployed; Reports not started`.
fn state(ended: &Ended, failed: &str, status: Option<&str>) -> String {
    let mut parts = Vec::new();
    for info in &ended.stacks {
        let name = &info.display_name;
        if info.id == failed {
            parts.insert(0, format!("{name} {}", status.unwrap_or("as before")));
            continue;
        }
        match ended.summary.stacks.get(&info.id) {
            Some(Outcome::Deployed { .. } | Outcome::Unchanged { .. }) => parts.push(format!("{name} deployed")),
            Some(Outcome::HeldBack { because }) if because.iter().any(|it| it == failed) => {
                parts.push(format!("{name} not started"));
            }
            _ => {}
        }
    }
    parts.push("it is safe to run again".to_owned());
    parts.join("; ")
}

/// The name of a kind of failure, as JSON has it and `explain` knows it.
pub(crate) fn kind_name(kind: CauseKind) -> String {
    json!(kind).as_str().unwrap_or_default().to_owned()
}

/// Breaks a text at spaces.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width.max(20) {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
