//! What can be found out before the first write: credentials, asset buckets, values of parameters.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::Value;
use xacct_core::assembly::{Assembly, StackArtifact};

use crate::asset;
use crate::cause::{Cause, CauseKind};
use crate::cloudformation::{ApiError, Clients, Environment, Stack};
use crate::desired::INLINE_LIMIT;
use crate::engine::{Engine, Problem, ProblemKind, RunError, Selection, select};
use crate::redact::Secrets;
use crate::retry::{CallCounts, Caller};
use crate::run::Emitter;
use crate::status::Phase;

impl Engine {
    /// Checks what [`Engine::deploy`] checks before it writes anything: that the credentials are for the accounts that they should be for,
    /// that the asset buckets are there, and that every parameter has a value. For whoever asks somebody before the deployment.
    ///
    /// # Errors
    /// [`RunError::Preflight`] with everything that was found.
    pub async fn preflight(&self, assembly: &Assembly, selection: &Selection) -> Result<(), RunError> {
        let stacks = select(assembly, selection, false)?;
        let (emitter, _events) = Emitter::new(Secrets::default());
        let counts = CallCounts::default();
        let environments = environments_of_deployment(assembly, &stacks);
        let clients = self.connect(&environments, &emitter, &counts).await.map_err(RunError::Preflight)?;
        let caller = |subject: &str| Caller::new(subject, self.retry.brief(), emitter.clone(), counts.clone());
        check(&clients, &caller, &stacks).await
    }

    /// Checks that the credentials are for the accounts that they should be for.
    ///
    /// # Errors
    /// [`RunError::Preflight`] with every environment that cannot be worked in.
    pub async fn check_credentials(&self, environments: &BTreeSet<Environment>) -> Result<(), RunError> {
        let (emitter, _events) = Emitter::new(Secrets::default());
        self.connect(environments, &emitter, &CallCounts::default()).await.map(drop).map_err(RunError::Preflight)
    }
}

/// The environments that a deployment touches: of its stacks, of their assets, and of the stacks whose outputs they take.
pub(crate) fn environments_of_deployment(assembly: &Assembly, stacks: &[&StackArtifact]) -> BTreeSet<Environment> {
    let mut found = BTreeSet::new();
    for stack in stacks {
        found.insert(Environment::from(&stack.environment));
        found.extend(stack.assets.iter().map(|it| Environment::from(&it.environment)));
        for input in &stack.inputs {
            let producer = assembly.stacks.iter().find(|it| it.id == input.from_stack);
            found.extend(producer.map(|it| Environment::from(&it.environment)));
        }
    }
    found
}

/// Checks stacks that are about to be deployed.
pub(crate) async fn check(
    clients: &BTreeMap<Environment, Clients>,
    caller: &impl Fn(&str) -> Caller,
    stacks: &[&StackArtifact],
) -> Result<(), RunError> {
    let mut problems = missing_buckets(clients, caller, stacks).await;
    let values = stacks.iter().map(|artifact| {
        let clients = &clients[&Environment::from(&artifact.environment)];
        missing_values(clients, caller(&artifact.id), artifact)
    });
    problems.extend(join_all(values).await.into_iter().flatten());
    if problems.is_empty() { Ok(()) } else { Err(RunError::Preflight(problems)) }
}

/// Every bucket that something will be uploaded to must be there.
async fn missing_buckets(
    clients: &BTreeMap<Environment, Clients>,
    caller: &impl Fn(&str) -> Caller,
    stacks: &[&StackArtifact],
) -> Vec<Problem> {
    let mut buckets = BTreeSet::new();
    for stack in stacks {
        let environment = Environment::from(&stack.environment);
        if stack.template_text().len() > INLINE_LIMIT {
            let bucket = asset::bucket_of(stack);
            buckets.insert((environment, bucket));
        }
        for asset in &stack.assets {
            buckets.insert((Environment::from(&asset.environment), asset.bucket.clone()));
        }
    }
    let checks = buckets.iter().map(|(environment, bucket)| async move {
        let clients = &clients[environment];
        let caller = caller(&environment.to_string());
        let exists = caller.call("HeadBucket", || clients.objects.bucket_exists(bucket)).await;
        let cause = match exists {
            Ok(true) => return None,
            Ok(false) => {
                Cause::new(CauseKind::Asset, format!("the asset bucket `{bucket}` of {environment} does not exist"))
                    .with_help("run `bootstrap` for this account and region")
            }
            Err(error) => Cause::from(&error),
        };
        let kind = match cause.kind {
            CauseKind::Asset => ProblemKind::NotBootstrapped,
            _ => ProblemKind::Other,
        };
        Some(Problem { environment: environment.clone(), kind, cause })
    });
    join_all(checks).await.into_iter().flatten().collect()
}

/// Every parameter that nobody gives a value must have one in the stack that is there. Only a stack with such a parameter is looked at.
async fn missing_values(clients: &Clients, caller: Caller, artifact: &StackArtifact) -> Vec<Problem> {
    let open: Vec<&str> = open_parameters(artifact).collect();
    if open.is_empty() {
        return Vec::new();
    }
    let environment = Environment::from(&artifact.environment);
    let found = caller.call("DescribeStacks", || clients.cloudformation.describe_stack(&artifact.stack_name)).await;
    let current = match found {
        Ok(stack) => Some(stack).filter(is_updated),
        Err(error) if ApiError::is_stack_absent(&error) => None,
        Err(error) => return vec![Problem { environment, kind: ProblemKind::Other, cause: Cause::from(&error) }],
    };
    let is_missing = |name: &&str| !current.as_ref().is_some_and(|stack| stack.parameters.contains_key(*name));
    let problem = |name: &str| {
        let message = format!("parameter `{name}` of `{}` has neither a value nor a default", artifact.display_name);
        let help = "give it a value when you deploy, or a default in the program";
        let mut cause = Cause::new(CauseKind::MissingInput, message).with_help(help);
        cause.logical_id = Some(name.to_owned());
        cause.locate_stack(artifact);
        cause.path = Some(artifact.display_name.clone());
        Problem { environment: environment.clone(), kind: ProblemKind::MissingInput, cause }
    };
    open.into_iter().filter(is_missing).map(problem).collect()
}

/// Whether a deployment updates the stack, so that parameters keep their values: not if it is made anew.
fn is_updated(stack: &Stack) -> bool {
    !matches!(stack.status.phase(), Phase::Review | Phase::DeadOnArrival | Phase::DeleteFailed | Phase::Gone)
}

/// The parameters without a default that neither the assembly nor another stack gives a value.
fn open_parameters(artifact: &StackArtifact) -> impl Iterator<Item = &str> {
    let declared = artifact.template.get("Parameters").and_then(Value::as_object).into_iter().flatten();
    let is_open = |name: &String, declaration: &Value| {
        declaration.get("Default").is_none()
            && !artifact.parameters.contains_key(name)
            && !artifact.inputs.iter().any(|it| it.parameter == *name)
    };
    declared.filter(move |(name, declaration)| is_open(name, declaration)).map(|(name, _)| name.as_str())
}
