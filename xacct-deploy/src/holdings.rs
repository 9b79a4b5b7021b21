//! What stacks hold: what goes when they are deleted, and what stays.

use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xacct_core::assembly::{Assembly, StackArtifact};

use crate::cause::Cause;
use crate::cloudformation::{ApiError, Clients, Environment, Stack, StackResource};
use crate::engine::{Engine, Problem, ProblemKind, RunError, Selection, select};
use crate::loss::{holds_data, path_of};
use crate::redact::Secrets;
use crate::retry::{CallCounts, Caller};
use crate::run::Emitter;
use crate::status::StackStatus;
use crate::template_text;

/// A resource that a stack holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldResource {
    /// The logical id.
    pub logical_id: String,
    /// The physical id.
    pub physical_id: String,
    /// The resource type.
    pub resource_type: String,
    /// The construct's path, where the program still has it.
    pub path: Option<String>,
    /// Whether it stays behind when the stack is deleted: the template that is deployed says so.
    pub retained: bool,
}

impl HeldResource {
    /// Whether it goes with its stack, and data with it.
    pub fn is_lost(&self) -> bool {
        !self.retained && holds_data(&self.resource_type)
    }

    /// The path by which it is selected.
    pub fn path_in(&self, stack: &str) -> String {
        path_of(stack, &self.logical_id, self.path.as_deref())
    }
}

/// A stack that is there, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Holdings {
    /// The id in the assembly.
    pub id: String,
    /// What people select it by.
    pub display_name: String,
    /// Where it is.
    pub environment: Environment,
    /// Its ARN.
    pub stack_id: String,
    /// Its status.
    pub status: StackStatus,
    /// Whether deletion is refused.
    pub termination_protection: bool,
    /// What it holds, by logical id.
    pub resources: Vec<HeldResource>,
}

/// How many stacks are looked at concurrently.
const LOOKS: usize = 16;

impl Engine {
    /// The stacks that [`Engine::destroy`] or [`Engine::rollback`] with this selection would work on and that are there, in the order of
    /// the assembly, with what they hold. Writes nothing.
    ///
    /// # Errors
    /// [`RunError::Preflight`] with everything that could not be looked at.
    pub async fn holdings(&self, assembly: &Assembly, selection: &Selection) -> Result<Vec<Holdings>, RunError> {
        let stacks = select(assembly, selection, true)?;
        let (emitter, _events) = Emitter::new(Secrets::default());
        let counts = CallCounts::default();
        let environments = stacks.iter().map(|it| Environment::from(&it.environment)).collect();
        let clients = self.connect(&environments, &emitter, &counts).await.map_err(RunError::Preflight)?;
        let looks = stacks.iter().map(|artifact| {
            let clients = &clients[&Environment::from(&artifact.environment)];
            let caller = Caller::new(&artifact.id, self.retry.brief(), emitter.clone(), counts.clone());
            async move { Holdings::look(clients, &caller, artifact).await.map_err(|error| (*artifact, error)) }
        });
        let looks: Vec<_> = stream::iter(looks).buffered(LOOKS).collect().await;
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        for look in looks {
            match look {
                Ok(holdings) => found.extend(holdings),
                Err((artifact, error)) => problems.push(Problem {
                    environment: Environment::from(&artifact.environment),
                    kind: ProblemKind::Other,
                    cause: Cause::from(&error),
                }),
            }
        }
        if problems.is_empty() { Ok(found) } else { Err(RunError::Preflight(problems)) }
    }
}

impl Holdings {
    async fn look(clients: &Clients, caller: &Caller, artifact: &StackArtifact) -> Result<Option<Self>, ApiError> {
        let call = || clients.cloudformation.describe_stack(&artifact.stack_name);
        let stack = match caller.call("DescribeStacks", call).await {
            Ok(stack) => stack,
            Err(error) if error.is_stack_absent() => return Ok(None),
            Err(error) => return Err(error),
        };
        let resources = if stack.status.holds_nothing() {
            Vec::new()
        } else {
            let call = || clients.cloudformation.get_template(&stack.id);
            let template = caller.call("GetTemplate", call).await?;
            held(clients, caller, artifact, &stack, &template).await?
        };
        Ok(Some(Self {
            id: artifact.id.clone(),
            display_name: artifact.display_name.clone(),
            environment: Environment::from(&artifact.environment),
            stack_id: stack.id,
            status: stack.status,
            termination_protection: stack.termination_protection,
            resources,
        }))
    }
}

/// What a stack holds, by logical id.
pub(crate) async fn held(
    clients: &Clients,
    caller: &Caller,
    artifact: &StackArtifact,
    stack: &Stack,
    template: &str,
) -> Result<Vec<HeldResource>, ApiError> {
    let template = template_text::read(template).unwrap_or_default();
    let mut found = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let call = || clients.cloudformation.list_stack_resources(&stack.id, next.as_deref());
        let page = caller.call("ListStackResources", call).await?;
        found.extend(page.items.into_iter().filter_map(|it| HeldResource::new(it, artifact, stack, &template)));
        match page.next_token {
            Some(token) => next = Some(token),
            None => break,
        }
    }
    found.sort_by(|a, b| a.logical_id.cmp(&b.logical_id));
    Ok(found)
}

impl HeldResource {
    fn new(resource: StackResource, artifact: &StackArtifact, stack: &Stack, template: &Value) -> Option<Self> {
        // One that is skipped has been left behind already.
        if matches!(resource.status.as_str(), "DELETE_COMPLETE" | "DELETE_SKIPPED") {
            return None;
        }
        let physical_id = resource.physical_id.filter(|it| !it.is_empty())?;
        let policy = template["Resources"][&resource.logical_id]["DeletionPolicy"].as_str().unwrap_or_default();
        let is_new = stack.status == StackStatus::ROLLBACK_FAILED || stack.status == StackStatus::CREATE_FAILED;
        Some(Self {
            path: artifact.origins.get(&resource.logical_id).map(|it| it.path.clone()),
            retained: policy == "Retain" || policy == "RetainExceptOnCreate" && !is_new,
            logical_id: resource.logical_id,
            physical_id,
            resource_type: resource.resource_type,
        })
    }
}
