//! The engine: takes an assembly, checks everything that can be checked before the first write, and works through its stacks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::{BoxFuture, join_all};
use sha2::{Digest, Sha256};
use xacct_core::assembly::{Assembly, FileAsset, StackArtifact};

use crate::asset;
use crate::bootstrap::{self, BootstrapOptions};
use crate::cause::{Cause, CauseKind};
use crate::cloudformation::{ApiError, Clients, Connector, Environment};
use crate::deploy::{self, Inputs, StackOptions};
use crate::desired::{InputValues, Source, StackVersion, hex, secret_outputs};
use crate::destroy::{self, DestroyOptions};
use crate::error::Retry;
use crate::event::{EVENT_VERSION, Event, StackInfo};
use crate::operate::{self, RollbackOptions};
use crate::preflight;
use crate::redact::{MASK, Secrets};
use crate::report::{Outcome, Summary};
use crate::retry::{CallCounts, RetryPolicy};
use crate::run::{Emitter, Events, Handle, KnownOutputs, Pace, Run, Shared};
use crate::schedule::{Ending, Graph, Lane, Limits};
use crate::state::{StateError, Store};
use crate::worker::Worker;

/// Deploys and destroys the stacks of assemblies.
#[derive(Clone)]
pub struct Engine {
    connector: Arc<dyn Connector>,
    pub(crate) store: Arc<dyn Store>,
    /// How calls are repeated.
    pub retry: RetryPolicy,
    /// How often running operations are looked at.
    pub pace: Pace,
    /// The lock of the records, if it is held for all runs of this engine.
    reservation: Option<Arc<dyn Send + Sync>>,
}

/// Which stacks of an assembly a run works on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The ids of the stacks; none for all of them.
    pub stacks: Option<BTreeSet<String>>,
    /// Leave out the stacks that these depend on (or, in a destroy, that depend on these).
    pub exclusively: bool,
}

/// How a run goes about its work.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunOptions {
    /// How many stacks are worked on at the same time.
    pub concurrency: usize,
    /// How many assets are uploaded at the same time.
    pub upload_concurrency: usize,
    /// Start nothing more after a failure, instead of going on with stacks that do not depend on it.
    pub stop_on_failure: bool,
    /// How long one operation may take before the run stops following it.
    pub timeout: Option<Duration>,
    /// The id of the run, for tests; otherwise a fresh one.
    pub run: Option<String>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { concurrency: 10, upload_concurrency: 8, stop_on_failure: false, timeout: None, run: None }
    }
}

/// Why a run did not begin. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Accounts, buckets or parameters are not as the assembly needs them: everything that was found.
    #[error("{} must be mended before anything is deployed", count(.0.len()))]
    Preflight(Vec<Problem>),
    /// The assembly has no such stack.
    #[error("the assembly has no stack `{0}`")]
    UnknownStack(String),
    /// The stacks wait for each other.
    #[error("these stacks depend on each other in a circle: {}", .0.join(", "))]
    Cycle(Vec<String>),
    /// The records cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

fn count(problems: usize) -> String {
    match problems {
        1 => "one problem".to_owned(),
        more => format!("{more} problems"),
    }
}

/// Something that stands in the way of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Where.
    pub environment: Environment,
    /// What kind.
    pub kind: ProblemKind,
    /// What, and what to do.
    pub cause: Cause,
}

/// What kind of thing stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// There are no credentials, or they do not work.
    Credentials,
    /// The clock here is wrong, so that no credentials work.
    Clock,
    /// The credentials are for another account.
    WrongAccount,
    /// No answer came: the network, a proxy, or the endpoint.
    Unreachable,
    /// There is no asset bucket.
    NotBootstrapped,
    /// A parameter has no value: the cause names it, as its logical id.
    MissingInput,
    /// Something else.
    Other,
}

impl Engine {
    /// An engine that finds clients by `connector` and keeps its records in `store`.
    pub fn new(connector: Arc<dyn Connector>, store: Arc<dyn Store>) -> Self {
        Self { connector, store, retry: RetryPolicy::default(), pace: Pace::default(), reservation: None }
    }

    /// An engine that keeps everybody else from the records as long as it, or a clone of it, is there: for whoever plans, asks, and then
    /// deploys. Otherwise each run locks them for itself. An error if another run is active.
    pub fn reserve(&self) -> Result<Self, StateError> {
        let reservation = Some(Arc::from(self.store.lock()?));
        Ok(Self { reservation, ..self.clone() })
    }

    /// Deploys stacks of an assembly. Nothing happens until the run is awaited.
    pub fn deploy(
        &self,
        assembly: &Assembly,
        selection: &Selection,
        stack_options: StackOptions,
        options: RunOptions,
    ) -> (Run<Result<Summary, RunError>>, Events) {
        self.start(assembly, selection, Verb::Deploy(stack_options), options)
    }

    /// Deletes stacks of an assembly, those first that others are built on last.
    pub fn destroy(
        &self,
        assembly: &Assembly,
        selection: &Selection,
        destroy_options: DestroyOptions,
        options: RunOptions,
    ) -> (Run<Result<Summary, RunError>>, Events) {
        self.start(assembly, selection, Verb::Destroy(destroy_options), options)
    }

    /// What finds the clients of an environment.
    pub fn connector(&self) -> &Arc<dyn Connector> {
        &self.connector
    }

    pub(crate) fn start(
        &self,
        assembly: &Assembly,
        selection: &Selection,
        verb: Verb,
        options: RunOptions,
    ) -> (Run<Result<Summary, RunError>>, Events) {
        let secrets = Secrets::default();
        let (emitter, events) = Emitter::new(secrets.clone());
        let handle = Handle::new();
        let job = Job {
            engine: self.clone(),
            assembly: assembly.clone(),
            selection: selection.clone(),
            verb,
            options,
            emitter,
            handle: handle.clone(),
            secrets,
        };
        (Run::new(job.run(), handle), events)
    }

    /// Connects to environments and checks that the credentials are for the accounts that they should be for.
    pub(crate) async fn connect(
        &self,
        environments: &BTreeSet<Environment>,
        emitter: &Emitter,
        counts: &CallCounts,
    ) -> Result<BTreeMap<Environment, Clients>, Vec<Problem>> {
        let checks = environments.iter().map(|environment| async move {
            let subject = environment.to_string();
            let caller = crate::retry::Caller::new(&subject, self.retry.brief(), emitter.clone(), counts.clone());
            let result = self.connect_one(environment, &caller, emitter).await;
            result.map(|clients| (environment.clone(), clients))
        });
        let (mut clients, mut problems) = (BTreeMap::new(), Vec::new());
        for result in join_all(checks).await {
            match result {
                Ok((environment, found)) => {
                    clients.insert(environment, found);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(clients) } else { Err(problems) }
    }

    async fn connect_one(
        &self,
        environment: &Environment,
        caller: &crate::retry::Caller,
        emitter: &Emitter,
    ) -> Result<Clients, Problem> {
        let problem = |kind, cause| Problem { environment: environment.clone(), kind, cause };
        let failed = |error: &ApiError| match error.retry() {
            Retry::Throttled | Retry::Transient => problem(ProblemKind::Unreachable, Cause::from(error)),
            Retry::No if error.is_clock_skew() => problem(ProblemKind::Clock, Cause::from(error)),
            Retry::No | Retry::NotYet => problem(ProblemKind::Credentials, Cause::from(error)),
        };
        let clients = self.connector.connect(environment).await.map_err(|error| failed(&error))?;
        let identity =
            caller.call("GetCallerIdentity", || clients.identity.caller()).await.map_err(|error| failed(&error))?;
        if identity.account != environment.account {
            let message = format!(
                "the credentials for account `{}` belong to account `{}` ({})",
                environment.account, identity.account, identity.arn
            );
            let help = format!("name a profile or role of account `{}`", environment.account);
            let cause = Cause::new(CauseKind::Credentials, message).with_help(help);
            return Err(problem(ProblemKind::WrongAccount, cause));
        }
        emitter.emit(Event::AccountChecked { environment: environment.clone(), arn: identity.arn });
        Ok(clients)
    }
}

pub(crate) enum Verb {
    Deploy(StackOptions),
    Destroy(DestroyOptions),
    Bootstrap(BootstrapOptions),
    Rollback(RollbackOptions),
    Watch,
}

impl Verb {
    fn name(&self) -> &'static str {
        match self {
            Self::Deploy(_) => "deploy",
            Self::Destroy(_) => "destroy",
            Self::Bootstrap(_) => "bootstrap",
            Self::Rollback(_) => "rollback",
            Self::Watch => "logs",
        }
    }

    /// Whether a stack is worked on before those that it is built on.
    fn is_reverse(&self) -> bool {
        matches!(self, Self::Destroy(_) | Self::Rollback(_))
    }
}

struct Job {
    engine: Engine,
    assembly: Assembly,
    selection: Selection,
    verb: Verb,
    options: RunOptions,
    emitter: Emitter,
    handle: Handle,
    secrets: Secrets,
}

/// A node of the graph of work.
enum Node<'a> {
    Asset(&'a FileAsset),
    Stack(&'a StackArtifact),
}

impl Job {
    async fn run(self) -> Result<Summary, RunError> {
        let stacks = select(&self.assembly, &self.selection, self.verb.is_reverse())?;
        stacks.iter().for_each(|it| self.secrets.watch_over(it));
        let (nodes, graph) = work_graph(&stacks, &self.verb);
        let waves = graph.waves().ok_or_else(|| cycle(&stacks))?;
        let _guard = match self.verb {
            // Watching changes nothing: it is for a second terminal.
            Verb::Watch => None,
            _ if self.engine.reservation.is_some() => None,
            _ => Some(self.engine.store.lock()?),
        };
        let run = self.options.run.clone().unwrap_or_else(fresh_run_id);
        self.emitter.emit(Event::RunStarted {
            version: EVENT_VERSION,
            verb: self.verb.name().to_owned(),
            run: run.clone(),
            stacks: stack_infos(&nodes, &graph, &waves),
        });
        let counts = CallCounts::default();
        let environments = self.environments(&stacks);
        let clients = self.engine.connect(&environments, &self.emitter, &counts).await.map_err(RunError::Preflight)?;
        let shared = Shared {
            run,
            assembly: self.assembly.clone(),
            store: self.engine.store.clone(),
            retry: self.engine.retry.clone(),
            pace: self.engine.pace,
            timeout: self.options.timeout,
            emitter: self.emitter.clone(),
            handle: self.handle.clone(),
            secrets: self.secrets.clone(),
            counts,
            clients,
            outputs: Mutex::default(),
        };
        if let Verb::Deploy(_) = self.verb {
            preflight::check(&shared.clients, &|subject: &str| shared.caller(subject), &stacks).await?;
        }
        let outcomes = Mutex::new(BTreeMap::new());
        let limits = Limits {
            stacks: self.options.concurrency,
            assets: self.options.upload_concurrency,
            stop_on_failure: self.options.stop_on_failure,
        };
        let work = |node: usize| -> BoxFuture<'_, bool> {
            match nodes[node] {
                Node::Asset(asset) => Box::pin(self.upload(&shared, asset)),
                Node::Stack(artifact) => Box::pin(self.work_on(&shared, artifact, &outcomes)),
            }
        };
        let endings = graph.run(limits, &self.handle, work).await;
        let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (node, ending) in nodes.iter().zip(&endings) {
            let Node::Stack(artifact) = node else { continue };
            let outcome = match ending {
                Ending::Worked { .. } => continue,
                Ending::HeldBack(because) => {
                    Outcome::HeldBack { because: because.iter().map(|it| nodes[*it].id()).collect() }
                }
                Ending::NotStarted => Outcome::NotStarted,
            };
            self.finished(artifact, &outcome);
            outcomes.insert(artifact.id.clone(), outcome);
        }
        self.tell_stale(&shared, &outcomes).await;
        let summary = Summary { stacks: outcomes, calls: shared.counts.snapshot() };
        self.emitter.emit(Event::RunFinished { summary: summary.clone() });
        Ok(summary)
    }

    /// The environments that the run touches.
    fn environments(&self, stacks: &[&StackArtifact]) -> BTreeSet<Environment> {
        match self.verb {
            Verb::Deploy(_) => preflight::environments_of_deployment(&self.assembly, stacks),
            _ => stacks.iter().map(|it| Environment::from(&it.environment)).collect(),
        }
    }

    async fn upload(&self, shared: &Shared, asset: &FileAsset) -> bool {
        let environment = Environment::from(&asset.environment);
        self.emitter.emit(Event::AssetStarted {
            asset: asset.hash.clone(),
            name: asset.display_name.clone(),
            environment: environment.clone(),
        });
        let directory = self.assembly.directory.clone().unwrap_or_else(|| PathBuf::from("."));
        let caller = shared.caller(&asset.display_name);
        let clients = &shared.clients[&environment];
        let asset_hash = asset.hash.clone();
        match asset::upload_asset(&caller, clients, &directory, asset).await {
            Ok(uploaded_bytes) => {
                self.emitter.emit(Event::AssetFinished { asset: asset_hash, environment, uploaded_bytes });
                true
            }
            Err(cause) => {
                self.emitter.emit(Event::AssetFailed { asset: asset_hash, environment, cause });
                false
            }
        }
    }

    async fn work_on(
        &self,
        shared: &Shared,
        artifact: &StackArtifact,
        outcomes: &Mutex<BTreeMap<String, Outcome>>,
    ) -> bool {
        self.emitter.emit(Event::StackStarted { stack: artifact.id.clone() });
        let clients = &shared.clients[&Environment::from(&artifact.environment)];
        let worker = Worker::new(shared, clients, artifact);
        let outcome = match &self.verb {
            Verb::Destroy(options) => destroy::destroy(&worker, options).await,
            Verb::Bootstrap(options) => bootstrap::bootstrap(&worker, options).await,
            Verb::Rollback(options) => operate::roll_back(&worker, options).await,
            Verb::Watch => operate::watch(&worker).await,
            Verb::Deploy(options) => match self.inputs(shared, artifact, options.dry_run).await {
                Ok(inputs) => {
                    let mut options = options.clone();
                    options.even_if_unchanged |= self.reads_what_changed(artifact, outcomes);
                    deploy::deploy(&worker, inputs, &options).await
                }
                Err(cause) => Outcome::failed(None, cause),
            },
        };
        if matches!(outcome, Outcome::Deployed { .. } | Outcome::Unchanged { .. }) {
            let deployed = worker.load().ok().and_then(|record| record.deployed);
            let state = deployed.map(|it| StackVersion { stack_id: it.stack_id, changed: it.changed });
            shared.keep_outputs(&artifact.id, KnownOutputs { outputs: outcome.outputs().to_vec(), state });
        }
        let mut outcome = outcome;
        self.hide_secrets(artifact, &mut outcome);
        if let Outcome::Failed { causes, .. } = &mut outcome {
            self.hide_reasons(artifact, causes);
            causes.iter_mut().for_each(|it| it.locate_stack(artifact));
        }
        let well = outcome.is_success();
        self.finished(artifact, &outcome);
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(artifact.id.clone(), outcome);
        well
    }

    /// Whether the template itself reads an output (`Fn::GetStackOutput`) of a stack that this run has changed: CloudFormation
    /// reads it only when the reader is updated.
    fn reads_what_changed(&self, artifact: &StackArtifact, outcomes: &Mutex<BTreeMap<String, Outcome>>) -> bool {
        let outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = |id: &str| matches!(outcomes.get(id), Some(Outcome::Deployed { created: false, .. }));
        let mut producers = self.assembly.stacks.iter().filter(|it| changed(&it.id));
        producers.any(|it| reads_output_of(&artifact.template, &it.stack_name))
    }

    /// What a service said about what gets a secret is not shown, unless the secret is known and can be taken out.
    fn hide_reasons(&self, artifact: &StackArtifact, causes: &mut [Cause]) {
        for cause in causes {
            let is_from_call = cause.operation.is_some();
            let is_from_event = cause.time.is_some() || cause.kind == CauseKind::Other && !is_from_call;
            if !is_from_event {
                continue;
            }
            let id = cause.nested.first().or(cause.logical_id.as_ref()).cloned();
            self.secrets.scrub_reason(&artifact.id, id.as_deref(), &mut cause.message);
            if let (Some(id), Some(name)) = (id, &mut cause.physical_id) {
                self.secrets.scrub_name(&artifact.id, &id, name);
            }
        }
    }

    /// Outputs that carry a secret are masked before anybody sees them; other stacks still get the real values.
    fn hide_secrets(&self, artifact: &StackArtifact, outcome: &mut Outcome) {
        let (Outcome::Deployed { outputs, .. } | Outcome::Unchanged { outputs, .. }) = outcome else { return };
        let secret = secret_outputs(&self.assembly, artifact);
        for output in outputs.iter_mut().filter(|it| secret.contains(&it.key)) {
            self.secrets.add(&output.value);
            output.value = MASK.to_owned();
        }
        for output in outputs {
            self.secrets.scrub_in_place(&mut output.value);
        }
    }

    fn finished(&self, artifact: &StackArtifact, outcome: &Outcome) {
        self.emitter.emit(Event::StackFinished { stack: artifact.id.clone(), outcome: outcome.clone() });
    }

    /// The values of a stack's inputs, from the outputs of the stacks before it.
    async fn inputs(&self, shared: &Shared, artifact: &StackArtifact, dry_run: bool) -> Result<Inputs, Cause> {
        let mut inputs = InputValues::default();
        for input in &artifact.inputs {
            let known = self.outputs_of(shared, &input.from_stack).await?;
            let found = known.as_ref().and_then(|it| it.outputs.iter().find(|it| it.key == input.output));
            match found {
                Some(output) => {
                    inputs.values.insert(input.parameter.clone(), output.value.clone());
                    if let Some(stack) = known.as_ref().and_then(|it| it.state.clone()) {
                        let source = Source { stack, output: input.output.clone() };
                        inputs.sources.insert(input.parameter.clone(), source);
                    }
                }
                None if dry_run => {
                    let reason = format!(
                        "parameter `{}` comes from output `{}` of `{}`, which is not deployed yet",
                        input.parameter, input.output, input.from_stack
                    );
                    return Ok(Inputs::Unknown(reason));
                }
                None => {
                    let message = format!(
                        "parameter `{}` comes from output `{}` of `{}`, which does not have it",
                        input.parameter, input.output, input.from_stack
                    );
                    let help = format!("deploy `{}` first", input.from_stack);
                    let mut cause = Cause::new(CauseKind::MissingInput, message).with_help(help);
                    cause.deploy_first = vec![input.from_stack.clone()];
                    return Err(cause);
                }
            }
        }
        Ok(Inputs::Known(inputs))
    }

    /// The outputs of a stack: known from this run, or asked for once.
    async fn outputs_of(&self, shared: &Shared, stack: &str) -> Result<Option<KnownOutputs>, Cause> {
        if let Some(outputs) = shared.outputs_of(stack) {
            return Ok(Some(outputs));
        }
        let Some(producer) = self.assembly.stacks.iter().find(|it| it.id == stack) else {
            return Ok(None);
        };
        let clients = &shared.clients[&Environment::from(&producer.environment)];
        let caller = shared.caller(stack);
        let call = || clients.cloudformation.describe_stack(&producer.stack_name);
        match caller.call("DescribeStacks", call).await {
            Ok(found) => {
                let known = KnownOutputs { state: Some((&found).into()), outputs: found.outputs };
                shared.keep_outputs(stack, known.clone());
                Ok(Some(known))
            }
            Err(error) if error.is_stack_absent() => Ok(None),
            Err(error) => Err(Cause::from(&error)),
        }
    }

    /// Names the stacks that were left out although they take values that have changed now.
    async fn tell_stale(&self, shared: &Shared, outcomes: &BTreeMap<String, Outcome>) {
        for consumer in self.assembly.stacks.iter().filter(|it| !outcomes.contains_key(&it.id)) {
            let fresh = consumer.inputs.iter().filter_map(|input| {
                let outcome = outcomes.get(&input.from_stack)?;
                let Outcome::Deployed { created: false, outputs, .. } = outcome else { return None };
                let output = outputs.iter().find(|it| it.key == input.output)?;
                Some((input, output))
            });
            let fresh: Vec<_> = fresh.collect();
            let clients = shared.clients.get(&Environment::from(&consumer.environment));
            let (false, Some(clients)) = (fresh.is_empty(), clients) else { continue };
            let caller = shared.caller(&consumer.id);
            let call = || clients.cloudformation.describe_stack(&consumer.stack_name);
            let Ok(stack) = caller.call("DescribeStacks", call).await else { continue };
            for (input, output) in fresh {
                let current = stack.parameters.get(&input.parameter);
                if current.is_some_and(|it| it.value != output.value) {
                    self.emitter.emit(Event::StackStale {
                        stack: consumer.id.clone(),
                        from_stack: input.from_stack.clone(),
                        output: input.output.clone(),
                    });
                }
            }
        }
    }
}

impl Node<'_> {
    fn id(&self) -> String {
        match self {
            Self::Asset(asset) => asset.hash.clone(),
            Self::Stack(artifact) => artifact.id.clone(),
        }
    }
}

/// The stacks of a selection, with what they need, in the order of the assembly.
pub(crate) fn select<'a>(
    assembly: &'a Assembly,
    selection: &Selection,
    reverse: bool,
) -> Result<Vec<&'a StackArtifact>, RunError> {
    let Some(wanted) = &selection.stacks else {
        return Ok(assembly.stacks.iter().collect());
    };
    for id in wanted {
        if !assembly.stacks.iter().any(|it| it.id == *id) {
            return Err(RunError::UnknownStack(id.clone()));
        }
    }
    let mut chosen = wanted.clone();
    let mut grown = !selection.exclusively;
    while grown {
        let before = chosen.len();
        for stack in &assembly.stacks {
            let needs = needs(stack);
            if reverse && needs.iter().any(|it| chosen.contains(it)) {
                chosen.insert(stack.id.clone());
            } else if !reverse && chosen.contains(&stack.id) {
                chosen.extend(needs);
            }
        }
        grown = chosen.len() > before;
    }
    Ok(assembly.stacks.iter().filter(|it| chosen.contains(&it.id)).collect())
}

/// Whether a template has a `Fn::GetStackOutput` of the stack of that name.
fn reads_output_of(value: &serde_json::Value, stack_name: &str) -> bool {
    match value {
        serde_json::Value::Object(map) => map.iter().any(|(key, inner)| {
            let name = inner.get("StackName").and_then(serde_json::Value::as_str);
            key == "Fn::GetStackOutput" && name == Some(stack_name) || reads_output_of(inner, stack_name)
        }),
        serde_json::Value::Array(items) => items.iter().any(|it| reads_output_of(it, stack_name)),
        _ => false,
    }
}

/// The ids of the stacks that a stack comes after.
pub(crate) fn needs(stack: &StackArtifact) -> BTreeSet<String> {
    let dependencies = stack.dependencies.iter().map(|it| it.stack.clone());
    let producers = stack.inputs.iter().map(|it| it.from_stack.clone());
    dependencies.chain(producers).collect()
}

/// Assets before the stacks that use them, stacks after those that they need; for a destroy the other way round. Only a deploy
/// has assets, and whoever only watches waits for nobody.
fn work_graph<'a>(stacks: &[&'a StackArtifact], verb: &Verb) -> (Vec<Node<'a>>, Graph) {
    let mut assets: BTreeMap<_, &'a FileAsset> = BTreeMap::new();
    if let Verb::Deploy(_) = verb {
        for asset in stacks.iter().flat_map(|it| &it.assets) {
            assets.insert((&asset.environment, &asset.bucket, &asset.key), asset);
        }
    }
    let number_of = |id: &str| stacks.iter().position(|it| it.id == id).map(|it| it + assets.len());
    let mut after: Vec<(Lane, BTreeSet<usize>)> = vec![(Lane::Assets, BTreeSet::new()); assets.len()];
    after.extend(stacks.iter().map(|_| (Lane::Stacks, BTreeSet::new())));
    for (number, stack) in stacks.iter().enumerate() {
        let number = number + assets.len();
        for needed in needs(stack).iter().filter_map(|id| number_of(id)) {
            match verb {
                Verb::Watch => {}
                reverse if reverse.is_reverse() => {
                    after[needed].1.insert(number);
                }
                _ => {
                    after[number].1.insert(needed);
                }
            }
        }
        for asset in &stack.assets {
            let key = (&asset.environment, &asset.bucket, &asset.key);
            after[number].1.extend(assets.keys().position(|it| *it == key));
        }
    }
    let mut nodes: Vec<Node<'a>> = assets.into_values().map(Node::Asset).collect();
    nodes.extend(stacks.iter().map(|it| Node::Stack(it)));
    (nodes, Graph::new(after))
}

fn stack_infos(nodes: &[Node<'_>], graph: &Graph, waves: &[usize]) -> Vec<StackInfo> {
    // Assets are in wave 0; a stack's wave counts stacks alone.
    let mut infos: Vec<StackInfo> = Vec::new();
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|node| waves[*node]);
    for number in order {
        let Node::Stack(artifact) = nodes[number] else { continue };
        let after: Vec<String> =
            graph.before(number).filter(|it| matches!(nodes[*it], Node::Stack(_))).map(|it| nodes[it].id()).collect();
        let wave = infos.iter().filter(|it| after.contains(&it.id)).map(|it| it.wave + 1).max();
        infos.push(StackInfo {
            id: artifact.id.clone(),
            display_name: artifact.display_name.clone(),
            stack_name: artifact.stack_name.clone(),
            environment: Environment::from(&artifact.environment),
            after,
            wave: wave.unwrap_or(0),
        });
    }
    infos
}

fn cycle(stacks: &[&StackArtifact]) -> RunError {
    RunError::Cycle(stacks.iter().map(|it| it.id.clone()).collect())
}

/// Unique among the runs on this and other machines. It is a name, and is never compared with a time of the service.
fn fresh_run_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = format!("{}-{}", now.as_nanos(), std::process::id());
    hex(&Sha256::digest(seed.as_bytes())[..6])
}
