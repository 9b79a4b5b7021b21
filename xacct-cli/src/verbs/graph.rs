//! `graph`: which stack comes before which, and why, as a drawing's source.

use xacct_core::assembly::StackArtifact;

use crate::args::{GraphArgs, GraphFormat};
use crate::exit::Exit;
use crate::problem::Failure;
use crate::select::select;
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>, args: &GraphArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let assembly = session.assembly()?;
    let stacks = select(&assembly, &args.stacks.patterns)?;
    let text = match args.format {
        GraphFormat::Mermaid => mermaid(&stacks),
        GraphFormat::Dot => dot(&stacks),
    };
    if terminal.json {
        terminal.json(
            "graph",
            serde_json::json!({ "format": format!("{:?}", args.format).to_lowercase(), "text": text }),
        )?;
    } else {
        terminal.write(&text)?;
    }
    Ok(Exit::Done)
}

/// The edges between the chosen stacks: what comes before, what after, and why.
fn edges<'a>(stacks: &[&'a StackArtifact]) -> Vec<(&'a str, &'a str, &'a str)> {
    let is_chosen = |id: &str| stacks.iter().any(|it| it.id == id);
    let of = |stack: &&'a StackArtifact| {
        let stack: &'a StackArtifact = stack;
        stack.dependencies.iter().map(move |it| (it.stack.as_str(), stack.id.as_str(), it.reason.as_str()))
    };
    stacks.iter().flat_map(of).filter(|(before, ..)| is_chosen(before)).collect()
}

fn mermaid(stacks: &[&StackArtifact]) -> String {
    let mut text = String::from("flowchart LR\n");
    for stack in stacks {
        let name = stack.display_name.replace('"', "#quot;");
        text.push_str(&format!("  {}[\"{name}<br/>{}\"]\n", node(stack, stacks), stack.environment));
    }
    for (before, after, reason) in edges(stacks) {
        let reason = reason.replace('"', "#quot;").replace('|', "#124;");
        let (before, after) = (node_of(before, stacks), node_of(after, stacks));
        if reason.is_empty() {
            text.push_str(&format!("  {before} --> {after}\n"));
        } else {
            text.push_str(&format!("  {before} -->|\"{reason}\"| {after}\n"));
        }
    }
    text
}

/// Mermaid has reserved words, such as `end`: nodes are numbered.
fn node(stack: &StackArtifact, stacks: &[&StackArtifact]) -> String {
    node_of(&stack.id, stacks)
}

fn node_of(id: &str, stacks: &[&StackArtifact]) -> String {
    format!("s{}", stacks.iter().position(|it| it.id == id).unwrap_or_default())
}

fn dot(stacks: &[&StackArtifact]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = String::from("digraph stacks {\n  rankdir=LR;\n  node [shape=box];\n");
    for stack in stacks {
        let label = quoted(&format!("{}\n{}", stack.display_name, stack.environment)).replace('\n', "\\n");
        text.push_str(&format!("  {} [label={label}];\n", quoted(&stack.id)));
    }
    for (before, after, reason) in edges(stacks) {
        text.push_str(&format!("  {} -> {} [label={}];\n", quoted(before), quoted(after), quoted(reason)));
    }
    text.push_str("}\n");
    text
}
