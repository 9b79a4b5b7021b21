//! `bootstrap`: what an account and region need before anything is deployed there.

use std::collections::BTreeSet;

use xacct_core::{Assembly, Environment};
use xacct_deploy::bootstrap::{ExecutionNeeds, needs_by_environment};
use xacct_deploy::{BootstrapOptions, ExecutionPolicy};

use crate::approval::{Question, agree};
use crate::args::BootstrapArgs;
use crate::cloud::{Cloud, NOTHING_WRITTEN, answer};
use crate::exit::Exit;
use crate::follow::follow;
use crate::problem::{Failure, Problem};
use crate::session::Session;
use crate::verbs::count;
use crate::verbs::deploy::{conclude, run_options};

pub(crate) async fn run(session: &Session<'_>, args: &BootstrapArgs) -> Result<Exit, Failure> {
    let assembly = session.assembly()?;
    let options = options(args);
    let needs = needs_by_environment(&assembly);
    for (environment, needs) in &needs {
        tell(session, environment, needs, &options);
    }
    let cloud = Cloud::before_bootstrap(session, &args.local)?;
    let environments = needs.keys().map(xacct_deploy::Environment::from).collect();
    answer(session, NOTHING_WRITTEN, cloud.engine.check_credentials(&environments)).await?;
    let text = format!("Bootstrap {}?", count(needs.len(), "environment"));
    agree(session, &Question { text: &text, details: &[], instead: "--yes" }).await?;
    let run = cloud.engine.bootstrap(&assembly, options, run_options(&args.running));
    let ended = follow(session, &cloud, &Assembly::default(), run).await?;
    Ok(conclude(session, &ended, &cloud, false))
}

fn options(args: &BootstrapArgs) -> BootstrapOptions {
    let mut options = BootstrapOptions::default();
    options.qualifier = args.qualifier.clone();
    options.trust = (!args.trust.is_empty()).then(|| args.trust.iter().cloned().collect());
    let policies = &args.execution_policies;
    options.execution_policies = (!policies.is_empty()).then(|| policies.iter().cloned().collect());
    options
}

/// What would be made, who could use it, and what it could do.
fn tell(session: &Session<'_>, environment: &Environment, needs: &ExecutionNeeds, options: &BootstrapOptions) {
    let terminal = &session.terminal;
    let alias = session.config.alias_of(environment.account).map(|it| format!(" ({it})")).unwrap_or_default();
    terminal.say(&format!("{environment}{alias}: a bucket for assets and roles to deploy with, unless they are there"));
    if let Some(trusted) = &options.trust {
        let names: Vec<String> = trusted.iter().map(ToString::to_string).collect();
        terminal.say(&format!("  trusts {}", names.join(", ")));
    }
    let named = options.execution_policies.iter().flatten().filter(|it| **it != ExecutionPolicy::Derived);
    let named: Vec<String> = named.map(ToString::to_string).collect();
    if !named.is_empty() {
        terminal.say(&format!("  CloudFormation may do what {} allows", named.join(", ")));
    }
    if options.execution_policies.as_ref().is_some_and(|it| !it.contains(&ExecutionPolicy::Derived)) {
        return;
    }
    let actions = needs.actions();
    let services: BTreeSet<&str> = actions.iter().filter_map(|it| it.split(':').next()).collect();
    let services: Vec<&str> = services.into_iter().collect();
    terminal.say(&format!(
        "  CloudFormation may do {} of {}, which the stacks need",
        count(actions.len(), "action"),
        services.join(", ")
    ));
    for (resource_type, resources) in &needs.unknown {
        let message = format!("AWS does not publish what CloudFormation needs for `{resource_type}`");
        let problem = Problem::warning(message).note(format!("used by {}", resources.join(", ")));
        terminal.problem(&problem.help(
            "deploying with the role `cdk-bootstrap` fails without it: add a policy, --execution-policies derived,ARN",
        ));
    }
}
