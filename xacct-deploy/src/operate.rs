//! What is done with stacks besides deploying and destroying them: looking, following, cancelling, rolling back, drift.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use xacct_core::assembly::{Assembly, StackArtifact};

use crate::cause::{Cause, CauseKind};
use crate::cloudformation::{
    ApiError, Clients, ContinueUpdateRollback, Environment, Output, Page, ResourceDrift, RollbackStack, Stack,
    StackResource,
};
use crate::desired::{is_secret_property, secret_outputs};
use crate::engine::{Engine, Problem, ProblemKind, RunError, RunOptions, Selection, Verb, select};
use crate::event::OperationKind;
use crate::follow::{Boundary, Target};
use crate::redact::{MASK, Secrets};
use crate::report::{Outcome, Summary};
use crate::retry::{CallCounts, Caller};
use crate::run::{Emitter, Events, Run};
use crate::state::{Holder, InFlight, StackKey, StackRecord, Step};
use crate::status::{Phase, StackStatus};
use crate::timestamp::Timestamp;
use crate::worker::{Stop, Worker};

/// How stacks are rolled back.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RollbackOptions {
    /// Logical ids of resources that are not rolled back, when a rollback that failed is continued.
    pub skip: Vec<String>,
}

/// How a stack is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackReport {
    /// The id in the assembly.
    pub id: String,
    /// What people select it by.
    pub display_name: String,
    /// The name in CloudFormation.
    pub stack_name: String,
    /// Where it goes.
    pub environment: Environment,
    /// How it is; none if there is no such stack.
    pub stack: Option<StackState>,
    /// Whether a run that was interrupted has an operation open on it.
    pub interrupted: bool,
    /// The run that is active now, if it has an operation open on it.
    pub running: Option<Holder>,
    /// The name of the change set that an interrupted run may have left: nothing of it was executed.
    pub change_set: Option<String>,
    /// Why it, or what is remembered of it, could not be looked at.
    pub problem: Option<Cause>,
}

/// The state of a stack that exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackState {
    /// Its ARN.
    pub stack_id: String,
    /// Its status.
    pub status: StackStatus,
    /// Why.
    pub reason: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When its last update began.
    pub updated: Option<Timestamp>,
    /// Whether deletion is refused.
    pub termination_protection: bool,
    /// Its outputs; secret ones are masked.
    pub outputs: Vec<Output>,
}

/// What a request to cancel came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Cancellation {
    /// The update is being cancelled; the stack rolls back.
    Cancelled,
    /// Nothing runs on the stack.
    Idle,
    /// What runs cannot be cancelled.
    Impossible {
        /// The stack's status.
        status: String,
        /// What can be done.
        help: String,
    },
    /// The request failed.
    Failed {
        /// Why.
        cause: Box<Cause>,
    },
}

/// How a stack has drifted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Drift {
    /// The stack was looked at.
    Found {
        /// `IN_SYNC`, `DRIFTED`, …
        status: String,
        /// The resources that differ from their template.
        resources: Vec<ResourceDrift>,
    },
    /// There is no such stack.
    Absent,
    /// It could not be found out.
    Failed {
        /// Why.
        cause: Box<Cause>,
    },
}

impl Engine {
    /// The stacks of a selection whose accounts can be reached, and what stands in the way of the others: for whoever wants to see what can
    /// be seen. The calls of this engine otherwise do nothing if one account cannot be reached.
    pub async fn reachable(
        &self,
        assembly: &Assembly,
        selection: &Selection,
    ) -> Result<(Selection, Vec<Problem>), RunError> {
        let stacks = select(assembly, selection, false)?;
        let environments: BTreeSet<Environment> = stacks.iter().map(|it| Environment::from(&it.environment)).collect();
        let (emitter, _events) = Emitter::new(Secrets::default());
        let problems = self.connect(&environments, &emitter, &CallCounts::default()).await.err().unwrap_or_default();
        let is_reached = |it: &&&StackArtifact| {
            let environment = Environment::from(&it.environment);
            problems.iter().all(|it| it.environment != environment)
        };
        let reached = stacks.iter().filter(is_reached).map(|it| it.id.clone()).collect();
        Ok((Selection { stacks: Some(reached), exclusively: true }, problems))
    }

    /// How stacks are now. One call a stack; what cannot be looked at is said for each.
    pub async fn status(&self, assembly: &Assembly, selection: &Selection) -> Result<Vec<StackReport>, RunError> {
        let stacks = select(assembly, selection, false)?;
        let desk = self.desk(&stacks).await?;
        let reports = stacks.iter().map(|artifact| async {
            let found = desk.find(artifact).await;
            let secret = secret_outputs(assembly, artifact);
            let (stack, unseen) = match found {
                Ok(stack) => (stack.map(|it| StackState::new(it, artifact, &secret)), None),
                Err(error) => (None, Some(Cause::from(&error))),
            };
            // A record that cannot be read is told of its stack, and hides no other.
            let (record, unread) = match self.store.load(&key(artifact)) {
                Ok(record) => (record, None),
                Err(error) => (StackRecord::default(), Some(Cause::new(CauseKind::State, error.to_string()))),
            };
            let open = record.in_flight;
            let running = open.as_ref().and_then(|_| self.store.holder());
            let left = open.filter(|_| running.is_none());
            StackReport {
                id: artifact.id.clone(),
                display_name: artifact.display_name.clone(),
                stack_name: artifact.stack_name.clone(),
                environment: Environment::from(&artifact.environment),
                stack,
                interrupted: left.as_ref().is_some_and(|it| it.step == Step::Executing),
                running,
                change_set: left.filter(|it| it.step == Step::Preparing).and_then(|it| it.change_set),
                problem: unseen.or(unread),
            }
        });
        Ok(join_all(reports).await)
    }

    /// The outputs of the stacks that exist, by the stack's id in the assembly.
    pub async fn outputs(
        &self,
        assembly: &Assembly,
        selection: &Selection,
    ) -> Result<BTreeMap<String, Vec<Output>>, RunError> {
        let reports = self.status(assembly, selection).await?;
        let found = reports.into_iter().filter_map(|it| Some((it.id, it.stack?.outputs)));
        Ok(found.collect())
    }

    /// The resources of the stacks that exist, by the stack's id in the assembly.
    pub async fn resources(
        &self,
        assembly: &Assembly,
        selection: &Selection,
    ) -> Result<BTreeMap<String, Vec<StackResource>>, RunError> {
        let stacks = select(assembly, selection, false)?;
        let desk = self.desk(&stacks).await?;
        let lists = stacks.iter().map(|artifact| async { (*artifact, desk.resources(artifact).await) });
        let mut found = BTreeMap::new();
        let mut problems = Vec::new();
        for (artifact, listed) in join_all(lists).await {
            match listed {
                Ok(Some(resources)) => {
                    found.insert(artifact.id.clone(), resources);
                }
                Ok(None) => {}
                Err(error) => problems.push(Problem {
                    environment: Environment::from(&artifact.environment),
                    kind: ProblemKind::Other,
                    cause: Cause::from(&error),
                }),
            }
        }
        if problems.is_empty() { Ok(found) } else { Err(RunError::Preflight(problems)) }
    }

    /// Follows what runs on the stacks, by whomever it was started, to its end. A stack at rest tells its last operation.
    pub fn watch(
        &self,
        assembly: &Assembly,
        selection: &Selection,
        options: RunOptions,
    ) -> (Run<Result<Summary, RunError>>, Events) {
        self.start(assembly, selection, Verb::Watch, options)
    }

    /// Rolls stacks back that stand still after a failure, and continues rollbacks that failed.
    pub fn rollback(
        &self,
        assembly: &Assembly,
        selection: &Selection,
        rollback_options: RollbackOptions,
        options: RunOptions,
    ) -> (Run<Result<Summary, RunError>>, Events) {
        self.start(assembly, selection, Verb::Rollback(rollback_options), options)
    }

    /// Cancels the updates that run on stacks. Returns at once; [`Engine::watch`] follows the rollbacks.
    pub async fn cancel(
        &self,
        assembly: &Assembly,
        selection: &Selection,
    ) -> Result<BTreeMap<String, Cancellation>, RunError> {
        let stacks = select(assembly, selection, false)?;
        let desk = self.desk(&stacks).await?;
        let cancellations = stacks.iter().map(|artifact| async {
            let result = desk.cancel(artifact).await;
            let result = result.unwrap_or_else(|error| Cancellation::Failed { cause: Box::new(Cause::from(&error)) });
            (artifact.id.clone(), result)
        });
        Ok(join_all(cancellations).await.into_iter().collect())
    }

    /// Finds out how stacks differ from their templates.
    pub async fn drift(&self, assembly: &Assembly, selection: &Selection) -> Result<BTreeMap<String, Drift>, RunError> {
        let stacks = select(assembly, selection, false)?;
        let desk = self.desk(&stacks).await?;
        let drifts = stacks.iter().map(|artifact| async {
            let result = desk.drift(self, artifact).await;
            let result = result.unwrap_or_else(|error| Drift::Failed { cause: Box::new(Cause::from(&error)) });
            (artifact.id.clone(), result)
        });
        Ok(join_all(drifts).await.into_iter().collect())
    }

    async fn desk(&self, stacks: &[&StackArtifact]) -> Result<Desk, RunError> {
        let environments: BTreeSet<Environment> = stacks.iter().map(|it| Environment::from(&it.environment)).collect();
        let (emitter, _events) = Emitter::new(Secrets::default());
        let counts = CallCounts::default();
        let clients = self.connect(&environments, &emitter, &counts).await.map_err(RunError::Preflight)?;
        let caller = Caller::new("desk", self.retry.brief(), emitter, counts);
        Ok(Desk { clients, caller })
    }
}

/// Looks at stacks, without a run.
struct Desk {
    clients: BTreeMap<Environment, Clients>,
    caller: Caller,
}

impl Desk {
    fn clients(&self, artifact: &StackArtifact) -> &Clients {
        &self.clients[&Environment::from(&artifact.environment)]
    }

    async fn find(&self, artifact: &StackArtifact) -> Result<Option<Stack>, ApiError> {
        let cloudformation = &self.clients(artifact).cloudformation;
        let call = || cloudformation.describe_stack(&artifact.stack_name);
        match self.caller.call("DescribeStacks", call).await {
            Ok(stack) => Ok(Some(stack)),
            Err(error) if error.is_stack_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn resources(&self, artifact: &StackArtifact) -> Result<Option<Vec<StackResource>>, ApiError> {
        let cloudformation = &self.clients(artifact).cloudformation;
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let call = || cloudformation.list_stack_resources(&artifact.stack_name, next.as_deref());
            let Page { items, next_token } = match self.caller.call("ListStackResources", call).await {
                Ok(page) => page,
                Err(error) if error.is_stack_absent() => return Ok(None),
                Err(error) => return Err(error),
            };
            all.extend(items);
            match next_token {
                Some(token) => next = Some(token),
                None => return Ok(Some(all)),
            }
        }
    }

    async fn cancel(&self, artifact: &StackArtifact) -> Result<Cancellation, ApiError> {
        let Some(stack) = self.find(artifact).await? else {
            return Ok(Cancellation::Idle);
        };
        if stack.status.is_terminal() {
            return Ok(Cancellation::Idle);
        }
        if stack.status != StackStatus::UPDATE_IN_PROGRESS {
            let help = match stack.status.as_str() {
                "CREATE_IN_PROGRESS" => "a creation cannot be cancelled: wait for its end, or destroy the stack",
                _ => "only an update can be cancelled: wait for its end",
            };
            return Ok(Cancellation::Impossible { status: stack.status.to_string(), help: help.to_owned() });
        }
        let token = format!("xacct-cancel-{}", stack.last_updated_time.unwrap_or_default().0);
        let cloudformation = &self.clients(artifact).cloudformation;
        let call = || cloudformation.cancel_update_stack(&stack.id, &token);
        let Err(error) = self.caller.call("CancelUpdateStack", call).await else { return Ok(Cancellation::Cancelled) };
        if error.is_token_reused() {
            return Ok(Cancellation::Cancelled);
        }
        // An earlier request may have arrived, and its answer been lost; or the update came to its end before.
        match self.find(artifact).await? {
            Some(now) if now.status.is_rolling_back_update() => Ok(Cancellation::Cancelled),
            Some(now) if now.status.is_success() => Ok(Cancellation::Idle),
            _ => Err(error),
        }
    }

    async fn drift(&self, engine: &Engine, artifact: &StackArtifact) -> Result<Drift, ApiError> {
        let Some(stack) = self.find(artifact).await? else { return Ok(Drift::Absent) };
        let cloudformation = &self.clients(artifact).cloudformation;
        let call = || cloudformation.detect_stack_drift(&stack.id);
        let detection = self.caller.call("DetectStackDrift", call).await?;
        let mut pause = engine.pace.first;
        let status = loop {
            let call = || cloudformation.describe_drift_detection(&detection);
            let found = self.caller.call("DescribeStackDriftDetectionStatus", call).await?;
            match found.status.as_str() {
                "DETECTION_COMPLETE" => break found.drift_status.unwrap_or_default(),
                "DETECTION_FAILED" => {
                    let mut reason = found.status_reason.unwrap_or_else(|| "no reason was given".into());
                    hide_reason(artifact, &mut reason);
                    let message = format!("drift detection failed: {reason}");
                    return Ok(Drift::Failed { cause: Box::new(Cause::new(CauseKind::Other, message)) });
                }
                _ => {}
            }
            tokio::time::sleep(pause).await;
            pause = engine.pace.slower(pause);
        };
        let mut resources = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let call = || cloudformation.describe_resource_drifts(&stack.id, next.as_deref());
            let page = self.caller.call("DescribeStackResourceDrifts", call).await?;
            resources.extend(page.items.into_iter().filter(|it| it.status != "IN_SYNC"));
            match page.next_token {
                Some(token) => next = Some(token),
                None => break,
            }
        }
        for resource in &mut resources {
            for it in &mut resource.differences {
                if is_secret_property(&artifact.template, &resource.logical_id, &it.path) {
                    it.expected = MASK.to_owned();
                    it.actual = MASK.to_owned();
                }
            }
        }
        Ok(Drift::Found { status, resources })
    }
}

impl StackState {
    fn new(mut stack: Stack, artifact: &StackArtifact, secret_outputs: &BTreeSet<String>) -> Self {
        for output in stack.outputs.iter_mut().filter(|it| secret_outputs.contains(&it.key)) {
            output.value = MASK.to_owned();
        }
        if let Some(reason) = &mut stack.status_reason {
            hide_reason(artifact, reason);
        }
        Self {
            stack_id: stack.id,
            status: stack.status,
            reason: stack.status_reason,
            created: stack.creation_time,
            updated: stack.last_updated_time,
            termination_protection: stack.termination_protection,
            outputs: stack.outputs,
        }
    }
}

/// Takes out of a text about a stack what may quote a secret that it has.
fn hide_reason(artifact: &StackArtifact, reason: &mut String) {
    let secrets = Secrets::default();
    secrets.watch_over(artifact);
    secrets.scrub_reason(&artifact.id, None, reason);
}

fn key(artifact: &StackArtifact) -> StackKey {
    StackKey { environment: Environment::from(&artifact.environment), stack_name: artifact.stack_name.clone() }
}

/// Follows the last operation on a stack.
pub(crate) async fn watch(worker: &Worker<'_>) -> Outcome {
    watch_stack(worker).await.unwrap_or_else(Outcome::from)
}

async fn watch_stack(worker: &Worker<'_>) -> Result<Outcome, Stop> {
    let Some(stack) = worker.find().await? else { return Ok(Outcome::Absent) };
    if stack.status == StackStatus::REVIEW_IN_PROGRESS {
        return Ok(Outcome::Idle { status: stack.status.to_string() });
    }
    let was_at_rest = stack.status.is_terminal();
    if !was_at_rest {
        worker.attached(&stack, false);
    }
    let followed = worker
        .follow(Target { stack_id: stack.id.clone(), boundary: Boundary::LastStart, change_set_id: None, token: None })
        .await?;
    let end = &followed.stack;
    if end.status.is_success() || end.status == StackStatus::DELETE_COMPLETE {
        return Ok(Outcome::Idle { status: end.status.to_string() });
    }
    let status = Some(end.status.clone());
    Err(Stop::Failed { status, causes: worker.causes(followed).await })
}

/// Brings a stack back to its last good state.
pub(crate) async fn roll_back(worker: &Worker<'_>, options: &RollbackOptions) -> Outcome {
    roll_back_stack(worker, options).await.unwrap_or_else(Outcome::from)
}

async fn roll_back_stack(worker: &Worker<'_>, options: &RollbackOptions) -> Result<Outcome, Stop> {
    let mut record = worker.load()?;
    loop {
        let Some(stack) = worker.find().await? else { return Ok(Outcome::Absent) };
        match stack.status.phase() {
            Phase::Busy => {
                worker.follow_foreign(&stack).await?;
            }
            Phase::Paused => {
                worker.roll_back(&mut record, &stack).await?;
                break;
            }
            Phase::Stuck => {
                worker.continue_rollback(&mut record, &stack, &options.skip).await?;
                break;
            }
            _ => return Ok(Outcome::Idle { status: stack.status.to_string() }),
        }
    }
    let status = match worker.find().await? {
        Some(stack) => stack.status,
        None => StackStatus::DELETE_COMPLETE,
    };
    Ok(Outcome::RolledBack { status: status.to_string() })
}

impl Worker<'_> {
    pub(crate) async fn roll_back(&self, record: &mut StackRecord, stack: &Stack) -> Result<(), Stop> {
        let worker = self;
        let request = RollbackStack {
            stack: stack.id.clone(),
            client_token: worker.token("rollback"),
            role_arn: worker.execution_role(),
        };
        self.record_rollback(record, OperationKind::Rollback, &request.client_token, stack)?;
        let call = || worker.clients.cloudformation.rollback_stack(&request);
        let answer = worker.caller.call("RollbackStack", call).await;
        self.is_under_way(stack, answer).await?;
        worker.started(OperationKind::Rollback, &stack.id, None);
        self.follow_rollback(record, stack, request.client_token).await
    }

    pub(crate) async fn continue_rollback(
        &self,
        record: &mut StackRecord,
        stack: &Stack,
        skip: &[String],
    ) -> Result<(), Stop> {
        let worker = self;
        let request = ContinueUpdateRollback {
            stack: stack.id.clone(),
            client_token: worker.token("continue"),
            resources_to_skip: skip.to_vec(),
            role_arn: worker.execution_role(),
        };
        self.record_rollback(record, OperationKind::ContinueRollback, &request.client_token, stack)?;
        let call = || worker.clients.cloudformation.continue_update_rollback(&request);
        let answer = worker.caller.call("ContinueUpdateRollback", call).await;
        self.is_under_way(stack, answer).await?;
        worker.started(OperationKind::ContinueRollback, &stack.id, None);
        self.follow_rollback(record, stack, request.client_token).await
    }

    /// Passes an answer on, unless an earlier request has arrived whose answer was lost: then the stack has left the status that it
    /// was seen in, and the repeated request is refused for that.
    async fn is_under_way(&self, stack: &Stack, answer: Result<(), ApiError>) -> Result<(), Stop> {
        let Err(error) = crate::deploy::ignore_reused(answer) else { return Ok(()) };
        match self.find_by(&stack.id).await? {
            Some(now) if now.status == stack.status => Err(self.refused(&error)),
            _ => Ok(()),
        }
    }

    fn record_rollback(
        &self,
        record: &mut StackRecord,
        kind: OperationKind,
        token: &str,
        stack: &Stack,
    ) -> Result<(), Stop> {
        record.in_flight = Some(InFlight {
            run: self.shared.run.clone(),
            kind,
            step: Step::Executing,
            token: token.to_owned(),
            fingerprint: None,
            change_set: None,
            change_set_id: None,
            stack_id: Some(stack.id.clone()),
            since: None,
        });
        self.save(record)
    }

    async fn follow_rollback(&self, record: &mut StackRecord, stack: &Stack, token: String) -> Result<(), Stop> {
        let followed = self
            .follow(Target {
                stack_id: stack.id.clone(),
                boundary: Boundary::LastStart,
                change_set_id: None,
                token: Some(token),
            })
            .await?;
        record.in_flight = None;
        self.save(record)?;
        let status = followed.stack.status.clone();
        if matches!(status.phase(), Phase::Settled | Phase::DeadOnArrival | Phase::Gone)
            && status != StackStatus::ROLLBACK_FAILED
        {
            return Ok(());
        }
        Err(Stop::Failed { status: Some(status), causes: self.causes(followed).await })
    }
}
