//! Values that whoever deploys gives to parameters of templates.
//!
//! They go to CloudFormation and nowhere else: not into the assembly on disk, not into records. A value for a parameter that is `NoEcho` is
//! taken out of everything that is printed.

use xacct_core::Assembly;
use xacct_core::assembly::StackArtifact;

use crate::args::Parameters;
use crate::exit::Exit;
use crate::problem::{Failure, Problem};
use crate::session::Session;

/// Gives the stacks of an assembly their values. Everything that is wrong is told at once.
pub(crate) fn fill(session: &Session<'_>, assembly: &mut Assembly, given: &Parameters) -> Result<(), Failure> {
    let mut problems = Vec::new();
    for (name, value) in &given.parameters {
        problems.extend(set(session, assembly, name, value, "--parameters"));
    }
    for (name, variable) in &given.parameters_from_env {
        match std::env::var(variable) {
            Ok(value) => problems.extend(set(session, assembly, name, &value, "--parameters-from-env")),
            Err(_) => {
                let problem = Problem::error(format!("the variable `{variable}` for parameter `{name}` is not set"));
                problems.push(problem.help(format!("export {variable}, or give the value with --parameters")));
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure { exit: Exit::Usage, problems }) }
}

/// Gives one parameter its value, or says what is wrong with that.
fn set(session: &Session<'_>, assembly: &mut Assembly, name: &str, value: &str, flag: &str) -> Option<Problem> {
    let (stack, parameter) = match name.rsplit_once(':') {
        Some((stack, parameter)) => (Some(stack), parameter),
        None => (None, name),
    };
    let is_meant = |it: &StackArtifact| {
        stack.is_none_or(|name| [&it.display_name, &it.stack_name, &it.id].iter().any(|it| *it == name))
    };
    if let Some(stack) = stack.filter(|_| !assembly.stacks.iter().any(is_meant)) {
        let problem = Problem::error(format!("there is no stack `{stack}`, which {flag} names")).code("unknown-stack");
        return Some(problem.help_nearest(stack, assembly.stacks.iter().map(|it| it.display_name.as_str())));
    }
    let mut is_declared = false;
    for artifact in assembly.stacks.iter_mut().filter(|it| is_meant(it)) {
        let Some(declaration) = artifact.template["Parameters"].get(parameter) else { continue };
        is_declared = true;
        if let Some(input) = artifact.inputs.iter().find(|it| it.parameter == parameter) {
            let problem = Problem::error(format!(
                "parameter `{parameter}` of `{}` takes its value from output `{}` of `{}`",
                artifact.display_name, input.output, input.from_stack
            ));
            return Some(problem.help(format!("leave {flag} {name} away")));
        }
        if declaration["NoEcho"] == true || declaration["NoEcho"] == "true" {
            session.terminal.hide(value);
        }
        artifact.parameters.insert(parameter.to_owned(), value.to_owned());
    }
    if is_declared {
        return None;
    }
    let of = stack.map_or_else(|| "no stack has".to_owned(), |it| format!("stack `{it}` does not have"));
    let known: Vec<&str> = assembly
        .stacks
        .iter()
        .filter(|it| is_meant(it))
        .flat_map(|it| it.template["Parameters"].as_object().into_iter().flatten())
        .map(|(name, _)| name.as_str())
        .collect();
    Some(Problem::error(format!("{of} a parameter `{parameter}`, which {flag} names")).help_nearest(parameter, known))
}
