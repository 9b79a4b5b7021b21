//! `synth`: definitions in, a folder of templates out.

use serde_json::json;
use xacct_core::assembly::StackArtifact;

use crate::args::SynthArgs;
use crate::exit::Exit;
use crate::problem::Failure;
use crate::select::select;
use crate::session::Session;
use crate::verbs::count;

pub(crate) fn run(session: &Session<'_>, args: &SynthArgs) -> Result<Exit, Failure> {
    let terminal = &session.terminal;
    let assembly = session.assembly()?;
    let shown = match &args.stdout {
        Some(name) => select(&assembly, std::slice::from_ref(name))?,
        None => Vec::new(),
    };
    // Taken before the assembly is written, so that an unknown name leaves the folder as it was.
    let texts: Vec<String> = shown.into_iter().map(StackArtifact::template_text).collect();
    let assembly = session.write(assembly)?;
    for (index, stack) in assembly.stacks.iter().enumerate() {
        terminal.json("stack", stack_fields(stack, index))?;
        let line = format!(
            "  {} {:<width$}  {}  {}",
            terminal.err.dim(&format!("{}.", index + 1)),
            stack.display_name,
            stack.environment,
            count(resources(stack), "resource"),
            width = assembly.stacks.iter().map(|it| it.display_name.chars().count()).max().unwrap_or_default(),
        );
        terminal.say(&line);
    }
    let folder = assembly.directory.clone().unwrap_or_else(|| session.output());
    let stacks = count(assembly.stacks.len(), "stack");
    terminal.say(&format!("{} {stacks} in {}", terminal.err.green("✓"), folder.display()));
    terminal.json("assembly", json!({ "directory": folder, "stacks": assembly.stacks.len() }))?;
    if !terminal.json {
        for text in texts {
            terminal.write(&text)?;
        }
    }
    Ok(Exit::Done)
}

/// A stack as the fields of a JSON line.
pub(super) fn stack_fields(stack: &StackArtifact, order: usize) -> serde_json::Value {
    json!({
        "id": stack.id,
        "display_name": stack.display_name,
        "stack_name": stack.stack_name,
        "account": stack.environment.account,
        "region": stack.environment.region,
        "order": order,
        "resources": resources(stack),
        "template_file": stack.template_file,
        "after": stack.dependencies.iter().map(|it| json!({ "stack": it.stack, "reason": it.reason })).collect::<Vec<_>>(),
    })
}

pub(super) fn resources(stack: &StackArtifact) -> usize {
    stack.template["Resources"].as_object().map_or(0, serde_json::Map::len)
}
