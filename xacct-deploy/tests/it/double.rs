//! A scripted CloudFormation: each operation has a queue of answers, the last of which is given for ever, and every call is noted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use xacct_core::assembly::{Assembly, StackArtifact};
use xacct_core::{AccountId, Region};
use xacct_deploy::cloudformation::*;
use xacct_deploy::*;

pub(crate) const STACK_ID: &str = "arn:aws:cloudformation:eu-west-1:111111111111:stack/App/1";
pub(crate) const CHANGE_SET_ID: &str = "arn:aws:cloudformation:eu-west-1:111111111111:changeSet/c/1";

/// An answer of the service.
#[derive(Clone)]
pub(crate) enum Answer {
    Nothing,
    Stack(Stack),
    ChangeSet(ChangeSet),
    Events(Page<StackEvent>),
    OperationEvents(Vec<OperationEvent>),
    Resources(Page<StackResource>),
    Template(String),
    Text(String),
    DriftDetection(DriftDetection),
    Drifts(Vec<ResourceDrift>),
    Flag(bool),
    Error(ApiError),
}

impl From<Stack> for Answer {
    fn from(stack: Stack) -> Self {
        Self::Stack(stack)
    }
}

impl From<ChangeSet> for Answer {
    fn from(change_set: ChangeSet) -> Self {
        Self::ChangeSet(change_set)
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

/// The script and what was called.
#[derive(Default)]
pub(crate) struct Double {
    answers: Mutex<BTreeMap<&'static str, VecDeque<Answer>>>,
    pub(crate) calls: Mutex<Vec<String>>,
    pub(crate) account: Mutex<Option<String>>,
}

impl Double {
    pub(crate) fn on<const N: usize>(&self, operation: &'static str, answers: [Answer; N]) -> &Self {
        self.answers.lock().unwrap().entry(operation).or_default().extend(answers);
        self
    }

    /// A stack that is created or updated without trouble.
    pub(crate) fn goes_well(&self, kind: &str) -> &Self {
        self.on("CreateChangeSet", [Answer::Nothing])
            .on("DescribeChangeSet", [ready().into()])
            .on("ExecuteChangeSet", [Answer::Nothing])
            .on("DescribeStackEvents", [events(vec![root(&format!("{kind}_COMPLETE"), 20, None)])])
    }

    pub(crate) fn called(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// How often an operation was called.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.called().iter().filter(|call| call.split(' ').next() == Some(operation)).count()
    }

    fn next(&self, operation: &'static str, details: String) -> Result<Answer, ApiError> {
        self.calls.lock().unwrap().push(format!("{operation} {details}").trim_end().to_owned());
        let mut answers = self.answers.lock().unwrap();
        let Some(queue) = answers.get_mut(operation) else {
            return Err(ApiError::service(operation, "Unscripted", "the test did not expect this call"));
        };
        let answer = if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() };
        match answer {
            Some(Answer::Error(error)) => Err(error),
            Some(answer) => Ok(answer),
            None => Ok(Answer::Nothing),
        }
    }
}

macro_rules! expect {
    ($double:expr, $operation:literal, $details:expr, $variant:ident) => {
        match $double.next($operation, $details)? {
            Answer::$variant(value) => Ok(value),
            _ => panic!(concat!("the script has another kind of answer for ", $operation)),
        }
    };
}

#[async_trait]
impl CloudFormation for Double {
    async fn create_change_set(&self, request: &CreateChangeSet) -> Result<ChangeSetCreated, ApiError> {
        let template = match &request.template {
            TemplateSource::Body(_) => "body".to_owned(),
            TemplateSource::Url(url) => url.clone(),
            TemplateSource::Previous => "previous".to_owned(),
        };
        let parameters: Vec<_> = request.parameters.iter().filter_map(|it| it.value.as_deref()).collect();
        let details = format!(
            "{:?} {template} {parameters:?} {:?} on_failure={:?} role={:?} express={} disable_rollback={} drift={}",
            request.kind,
            request.capabilities,
            request.on_stack_failure,
            request.role_arn,
            request.express,
            request.disable_rollback,
            request.revert_drift
        );
        self.next("CreateChangeSet", details)?;
        Ok(ChangeSetCreated { id: CHANGE_SET_ID.into(), stack_id: STACK_ID.into() })
    }
    async fn describe_change_set(&self, _: &ChangeSetRef, _: Option<&str>) -> Result<ChangeSet, ApiError> {
        expect!(self, "DescribeChangeSet", String::new(), ChangeSet)
    }
    async fn execute_change_set(&self, request: &ExecuteChangeSet) -> Result<(), ApiError> {
        self.next("ExecuteChangeSet", format!("disable_rollback={:?}", request.disable_rollback)).map(drop)
    }
    async fn delete_change_set(&self, _: &ChangeSetRef) -> Result<(), ApiError> {
        self.next("DeleteChangeSet", String::new()).map(drop)
    }
    async fn describe_stack(&self, stack: &str) -> Result<Stack, ApiError> {
        expect!(self, "DescribeStacks", stack.to_owned(), Stack)
    }
    async fn describe_stacks(&self, _: Option<&str>) -> Result<Page<Stack>, ApiError> {
        unreachable!("the engine asks for single stacks")
    }
    async fn describe_stack_events(&self, stack: &str, token: Option<&str>) -> Result<Page<StackEvent>, ApiError> {
        if stack != STACK_ID && stack != "App" {
            return expect!(self, "DescribeStackEvents of nested", stack.to_owned(), Events);
        }
        expect!(self, "DescribeStackEvents", format!("{stack} {}", token.unwrap_or_default()), Events)
    }
    async fn describe_events(&self, _: &DescribeEvents, _: Option<&str>) -> Result<Page<OperationEvent>, ApiError> {
        let items = expect!(self, "DescribeEvents", String::new(), OperationEvents)?;
        Ok(Page { items, next_token: None })
    }
    async fn list_stack_resources(&self, _: &str, token: Option<&str>) -> Result<Page<StackResource>, ApiError> {
        expect!(self, "ListStackResources", token.unwrap_or_default().to_owned(), Resources)
    }
    async fn get_template(&self, _: &str) -> Result<String, ApiError> {
        expect!(self, "GetTemplate", String::new(), Template)
    }
    async fn delete_stack(&self, request: &DeleteStack) -> Result<(), ApiError> {
        self.next("DeleteStack", format!("retain={:?}", request.retain_resources)).map(drop)
    }
    async fn rollback_stack(&self, _: &RollbackStack) -> Result<(), ApiError> {
        self.next("RollbackStack", String::new()).map(drop)
    }
    async fn continue_update_rollback(&self, request: &ContinueUpdateRollback) -> Result<(), ApiError> {
        self.next("ContinueUpdateRollback", format!("skip={:?}", request.resources_to_skip)).map(drop)
    }
    async fn cancel_update_stack(&self, _: &str, _: &str) -> Result<(), ApiError> {
        self.next("CancelUpdateStack", String::new()).map(drop)
    }
    async fn update_termination_protection(&self, _: &str, enabled: bool) -> Result<(), ApiError> {
        self.next("UpdateTerminationProtection", enabled.to_string()).map(drop)
    }
    async fn detect_stack_drift(&self, _: &str) -> Result<String, ApiError> {
        expect!(self, "DetectStackDrift", String::new(), Text)
    }
    async fn describe_drift_detection(&self, _: &str) -> Result<DriftDetection, ApiError> {
        expect!(self, "DescribeStackDriftDetectionStatus", String::new(), DriftDetection)
    }
    async fn describe_resource_drifts(&self, _: &str, _: Option<&str>) -> Result<Page<ResourceDrift>, ApiError> {
        let items = expect!(self, "DescribeStackResourceDrifts", String::new(), Drifts)?;
        Ok(Page { items, next_token: None })
    }
}

#[async_trait]
impl Objects for Double {
    async fn bucket_exists(&self, bucket: &str) -> Result<bool, ApiError> {
        expect!(self, "HeadBucket", bucket.to_owned(), Flag)
    }
    async fn object_exists(&self, _: &str, key: &str) -> Result<bool, ApiError> {
        expect!(self, "HeadObject", key.to_owned(), Flag)
    }
    async fn put_object(&self, _: &str, key: &str, body: Vec<u8>, _: &str) -> Result<(), ApiError> {
        self.next("PutObject", format!("{key} {} bytes", body.len())).map(drop)
    }
    fn url(&self, bucket: &str, key: &str) -> String {
        format!("https://{bucket}/{key}")
    }
}

#[async_trait]
impl Identity for Double {
    async fn caller(&self) -> Result<Caller, ApiError> {
        self.calls.lock().unwrap().push("GetCallerIdentity".to_owned());
        let account = self.account.lock().unwrap().clone().unwrap_or_else(|| "111111111111".to_owned());
        Ok(Caller { arn: format!("arn:aws:iam::{account}:user/me"), account })
    }
}

/// Every environment is the same double.
pub(crate) struct Everywhere(pub(crate) Arc<Double>);

#[async_trait]
impl Connector for Everywhere {
    async fn connect(&self, _: &Environment) -> Result<Clients, ApiError> {
        Ok(Clients {
            cloudformation: self.0.clone(),
            objects: self.0.clone(),
            identity: self.0.clone(),
            execution_role: None,
        })
    }
}

/// A run over one double, with everything that can be looked at afterwards.
pub(crate) struct Stage {
    pub(crate) double: Arc<Double>,
    pub(crate) engine: Engine,
    pub(crate) store: MemoryStore,
}

pub(crate) struct Played {
    pub(crate) result: Result<Summary, RunError>,
    pub(crate) events: Vec<Event>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let double = Arc::new(Double::default());
        let store = MemoryStore::default();
        let mut engine = Engine::new(Arc::new(Everywhere(double.clone())), Arc::new(store.clone()));
        engine.retry.jitter = Arc::new(|| 0.5);
        Self { double, engine, store }
    }

    pub(crate) async fn deploy(&self, assembly: &Assembly, options: StackOptions) -> Played {
        let (run, events) = self.engine.deploy(assembly, &Selection::default(), options, RunOptions::default());
        play(run, events).await
    }

    pub(crate) async fn destroy(&self, assembly: &Assembly, options: DestroyOptions) -> Played {
        let (run, events) = self.engine.destroy(assembly, &Selection::default(), options, RunOptions::default());
        play(run, events).await
    }
}

pub(crate) async fn play(run: Run<Result<Summary, RunError>>, mut events: Events) -> Played {
    let result = tokio::time::timeout(Duration::from_secs(7200), run).await.expect("the run does not end");
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push(event);
    }
    Played { result, events: all }
}

impl Played {
    pub(crate) fn outcome(&self) -> &Outcome {
        self.outcome_of("App")
    }

    pub(crate) fn outcome_of(&self, stack: &str) -> &Outcome {
        &self.result.as_ref().expect("the run should begin").stacks[stack]
    }

    pub(crate) fn causes(&self) -> &[Cause] {
        self.causes_of("App")
    }

    pub(crate) fn causes_of(&self, stack: &str) -> &[Cause] {
        match self.outcome_of(stack) {
            Outcome::Failed { causes, .. } => causes,
            other => panic!("not a failure: {other:?}"),
        }
    }

    /// Statuses of resources, as they were told: `logical id status`.
    pub(crate) fn told(&self) -> Vec<String> {
        let told = self.events.iter().filter_map(|event| match event {
            Event::Resource { event, .. } => Some(format!("{} {}", event.logical_id, event.status)),
            _ => None,
        });
        told.collect()
    }
}

pub(crate) fn environment() -> xacct_core::Environment {
    xacct_core::Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"))
}

pub(crate) fn template() -> Value {
    json!({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
}

pub(crate) fn app() -> Assembly {
    app_with(|_| {})
}

pub(crate) fn app_with(change: impl FnOnce(&mut StackArtifact)) -> Assembly {
    let mut artifact = StackArtifact::new("App", environment(), template());
    change(&mut artifact);
    let mut assembly = Assembly::default();
    assembly.stacks.push(artifact);
    assembly
}

pub(crate) fn stack(status: &str) -> Stack {
    Stack {
        id: STACK_ID.into(),
        name: "App".into(),
        status: StackStatus::new(status),
        status_reason: None,
        description: None,
        creation_time: Timestamp(1),
        last_updated_time: None,
        deletion_time: None,
        parameters: BTreeMap::new(),
        outputs: Vec::new(),
        tags: BTreeMap::new(),
        capabilities: Vec::new(),
        termination_protection: false,
        role_arn: None,
        parent_id: None,
        change_set_id: None,
        detailed_status: None,
        last_operations: Vec::new(),
    }
}

pub(crate) fn absent() -> Answer {
    ApiError::service("DescribeStacks", "ValidationError", "Stack with id App does not exist").into()
}

pub(crate) fn ready() -> ChangeSet {
    ChangeSet {
        id: CHANGE_SET_ID.into(),
        name: "c".into(),
        stack_id: STACK_ID.into(),
        creation_time: Timestamp(10),
        status: "CREATE_COMPLETE".into(),
        execution_status: "AVAILABLE".into(),
        ..ChangeSet::default()
    }
}

pub(crate) fn events(items: Vec<StackEvent>) -> Answer {
    Answer::Events(Page { items, next_token: None })
}

/// An event of the stack itself.
pub(crate) fn root(status: &str, time: i64, reason: Option<&str>) -> StackEvent {
    StackEvent {
        id: format!("root-{status}-{time}"),
        stack_id: STACK_ID.into(),
        stack_name: "App".into(),
        logical_id: "App".into(),
        physical_id: Some(STACK_ID.into()),
        resource_type: "AWS::CloudFormation::Stack".into(),
        timestamp: Timestamp(time),
        status: status.into(),
        status_reason: reason.map(str::to_owned),
        ..StackEvent::default()
    }
}

pub(crate) fn resource(id: &str, status: &str, time: i64, reason: Option<&str>) -> StackEvent {
    StackEvent {
        id: format!("{id}-{status}-{time}"),
        logical_id: id.into(),
        physical_id: Some(format!("physical-{id}")),
        resource_type: "AWS::SNS::Topic".into(),
        ..root(status, time, reason)
    }
}
