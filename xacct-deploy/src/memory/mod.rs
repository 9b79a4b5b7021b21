//! CloudFormation in memory, with as many accounts and regions as asked for: what `deploy --local` deploys to, and what the
//! engine is tested with.
//!
//! It takes templates and change sets as the service does, resolves functions, decides what is replaced, works through resources in
//! order of their dependencies, tells events, rolls back, and refuses what the service or the resource's own service would refuse.
//! [`LIMITS`] says what it does not check. Time is virtual and nothing depends on chance: the same calls at the same times have the
//! same results. Nothing runs in the background; every call first makes the world catch up with its clock.
//!
//! ```
//! # use xacct_deploy::memory::World;
//! # use xacct_deploy::{Connector, Environment};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let world = World::new();
//! let production = Environment { account: "222222222222".into(), region: "eu-west-1".into() };
//! let clients = world.connect(&production).await.unwrap();
//! assert!(clients.cloudformation.describe_stack("Network").await.unwrap_err().is_stack_absent());
//! assert_eq!(world.count("DescribeStacks"), 1);
//! # });
//! ```

mod change_set;
mod checks;
mod client;
mod clock;
mod elsewhere;
mod evaluate;
mod events;
mod fault;
mod file;
mod items;
mod nested;
mod operation;
mod physical;
mod policy;
mod preview;
mod secret;
mod service;
mod state;
mod template;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use fault::{Action, Call, CallFault, Fault, ResourceFault};
pub use file::FileError;
pub use service::Durations;

use client::Client;
use clock::{Clock, lock};
use fault::Script;
use service::{Options, Service};
use state::{Drift, Outside, State, StoredParameter};

use crate::cloudformation::{ApiError, Clients, Connector, Environment, PropertyDifference, Timestamp};

/// What the in-memory CloudFormation does not check: for whoever shows its results.
pub const LIMITS: &[&str] = &[
    "permissions: every caller and every role may do everything; only principals that must exist, and roles that CodePipeline, CodeBuild and Lambda must be able to assume, are checked",
    "conditions in policies: of all keys only `aws:PrincipalArn` in trust policies is looked at",
    "values: types and names of properties are checked, not what a service makes of their values",
    "quotas of services; only CloudFormation's own limits of a template",
    "existing resources that no local deployment made: they are unknown unless they are declared",
    "code: no build, function, custom resource or pipeline runs; a custom resource succeeds and returns invented values",
    "transforms, macros, modules, hooks, stack policies and YAML templates",
    "secrets: dynamic references to Secrets Manager and secure parameters are not resolved",
    "replacement that depends on values: a change that may replace a resource is taken as an update in place",
    "how long anything takes",
];

/// A world of accounts: a handle, cheap to clone.
#[derive(Clone, Debug)]
pub struct World {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    service: Mutex<Service>,
    clock: Clock,
    /// The virtual time at which the clock started.
    start: i64,
    hung: Notify,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// An empty world on Tokio's clock, that starts at the beginning of 2026.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A world with other settings.
    pub fn builder() -> WorldBuilder {
        WorldBuilder {
            start: Timestamp(1_767_225_600_000),
            manual: false,
            speed: 1.0,
            options: Options {
                durations: Durations::default(),
                page_size: 100,
                accounts: BTreeMap::new(),
                bootstrapped: false,
            },
        }
    }

    /// The clients of an environment. [`Connector::connect`] gives the same, as a call that can fail on order.
    pub fn clients(&self, environment: &Environment) -> Clients {
        let client = Arc::new(Client { world: self.clone(), environment: environment.clone() });
        Clients { cloudformation: client.clone(), objects: client.clone(), identity: client, execution_role: None }
    }

    /// Lets time pass, on a clock that is driven by hand.
    ///
    /// # Panics
    /// If the world has Tokio's clock.
    #[track_caller]
    pub fn advance(&self, time: Duration) {
        match &self.inner.clock {
            Clock::Manual(elapsed) => *lock(elapsed) += time,
            Clock::Tokio { .. } => panic!("this world has Tokio's clock: let time pass with `tokio::time::advance`"),
        }
        self.with(|_| ());
    }

    /// The virtual time.
    pub fn now(&self) -> Timestamp {
        self.with(|service| service.state.time())
    }

    /// Lets calls fail.
    pub fn fail_call(&self, fault: CallFault) {
        self.with(|service| service.script.add_call_fault(fault));
    }

    /// Lets resources fail, or take their time.
    pub fn fail_resource(&self, fault: ResourceFault) {
        self.with(|service| service.script.add_resource_fault(fault));
    }

    /// Waits until a call hangs because of [`Fault::HangBefore`] or [`Fault::HangAfter`].
    pub async fn hung(&self) {
        self.inner.hung.notified().await;
    }

    /// Every call that was made, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.with(|service| service.script.log.clone())
    }

    /// How often an operation was called.
    pub fn count(&self, operation: &str) -> usize {
        self.with(|service| service.script.log.iter().filter(|call| call.operation == operation).count())
    }

    /// How many calls were made about the stack of a name, whatever they were.
    pub fn count_for(&self, stack: &str) -> usize {
        self.with(|service| service.script.log.iter().filter(|call| call.stack.as_deref() == Some(stack)).count())
    }

    /// Forgets the calls that were made.
    pub fn forget_calls(&self) {
        self.with(|service| service.script.log.clear());
    }

    /// Something exists that no stack made: a bucket, a role, a key. `physical_id` is what `Ref` would return; for a role or user,
    /// its ARN if it has a path.
    pub fn create_outside(&self, environment: &Environment, resource_type: &str, physical_id: &str, properties: Value) {
        self.with(|service| {
            service.state.outside.push(Outside {
                environment: environment.clone(),
                resource_type: resource_type.to_owned(),
                physical_id: physical_id.to_owned(),
                properties,
            });
        });
    }

    /// Whether something with this type and physical id exists, made by a stack or not.
    pub fn exists(&self, environment: &Environment, resource_type: &str, physical_id: &str) -> bool {
        self.with(|service| {
            elsewhere::holder(&service.state, environment, resource_type, physical_id, ("", "")).is_some()
        })
    }

    /// The resolved properties of a stack's resource; secrets as `****`.
    pub fn properties(&self, environment: &Environment, stack: &str, logical_id: &str) -> Option<Value> {
        self.with(|service| {
            let resource = service.state.find(environment, stack)?.resources.get(logical_id)?;
            let masked = secret::Secrets::mask(&resource.properties.to_string());
            serde_json::from_str(&masked).ok()
        })
    }

    /// The names of the change sets of a stack that were made and neither executed nor deleted.
    pub fn open_change_sets(&self, environment: &Environment, stack: &str) -> Vec<String> {
        self.with(|service| {
            let change_sets = service.state.find(environment, stack).into_iter().flat_map(|it| &it.change_sets);
            let open = change_sets.filter(|it| !it.execution_status.as_str().starts_with("EXECUTE_"));
            open.map(|it| it.name.clone()).collect()
        })
    }

    /// What `Fn::GetAtt` returns for a stack's resource, secrets in clear as long as this world lives: for tests that look for a secret where it
    /// must not be.
    pub fn attribute(&self, environment: &Environment, stack: &str, logical_id: &str, name: &str) -> Option<String> {
        self.with(|service| {
            let state = &service.state;
            let stack = state.find(environment, stack)?;
            let resource = stack.resources.get(logical_id)?;
            let value = preview::look_at(state, stack, logical_id, resource, Some(name)).ok()?;
            Some(state.secrets.reveal(value.as_str()?))
        })
    }

    /// Sets a parameter of the parameter store.
    pub fn put_parameter(&self, environment: &Environment, name: &str, value: &str) {
        self.with(|service| {
            service.state.stored_parameters.retain(|it| it.environment != *environment || it.name != name);
            service.state.stored_parameters.push(StoredParameter {
                environment: environment.clone(),
                name: name.to_owned(),
                value: value.to_owned(),
            });
        });
    }

    /// What CDK's bootstrap makes in an environment: asset bucket, roles, version parameter.
    pub fn bootstrap(&self, environment: &Environment) {
        let Environment { account, region } = environment;
        let name = |what: &str| format!("cdk-hnb659fds-{what}-{account}-{region}");
        if self.exists(environment, "AWS::S3::Bucket", &name("assets")) {
            return;
        }
        self.create_outside(environment, "AWS::S3::Bucket", &name("assets"), Value::Null);
        for role in ["deploy-role", "cfn-exec-role", "file-publishing-role", "image-publishing-role", "lookup-role"] {
            self.create_outside(environment, "AWS::IAM::Role", &name(role), Value::Null);
        }
        self.put_parameter(environment, "/cdk-bootstrap/hnb659fds/version", "30");
    }

    /// Somebody changes a property of a resource by hand; `path` is a JSON pointer into the properties. False if there is no such
    /// resource.
    pub fn modify(&self, environment: &Environment, stack: &str, logical_id: &str, path: &str, actual: &str) -> bool {
        self.with(|service| {
            let Some(id) = service.state.find(environment, stack).map(|it| it.id.clone()) else { return false };
            let expected = service.property_text(&id, logical_id, path);
            let kind = if expected.is_some() { "NOT_EQUAL" } else { "ADD" }.to_owned();
            let difference = PropertyDifference {
                path: path.to_owned(),
                expected: expected.unwrap_or_default(),
                actual: actual.to_owned(),
                kind,
            };
            service.drift(&id, logical_id, Drift::Modified(vec![difference]))
        })
    }

    /// Somebody deletes a resource by hand. False if there is no such resource.
    pub fn delete_by_hand(&self, environment: &Environment, stack: &str, logical_id: &str) -> bool {
        self.with(|service| {
            let Some(id) = service.state.find(environment, stack).map(|it| it.id.clone()) else { return false };
            service.drift(&id, logical_id, Drift::Deleted)
        })
    }

    /// Brings the world up to the present, and does something with it.
    fn with<T>(&self, f: impl FnOnce(&mut Service) -> T) -> T {
        let now = self.inner.start + self.inner.clock.elapsed();
        let mut service = lock(&self.inner.service);
        service.catch_up(now);
        f(&mut service)
    }
}

#[async_trait]
impl Connector for World {
    async fn connect(&self, environment: &Environment) -> Result<Clients, ApiError> {
        if self.with(|service| service.options.bootstrapped) {
            self.bootstrap(environment);
        }
        Ok(self.clients(environment))
    }
}

/// Settings of a [`World`].
#[derive(Clone, Debug)]
pub struct WorldBuilder {
    start: Timestamp,
    manual: bool,
    speed: f64,
    options: Options,
}

impl WorldBuilder {
    /// The virtual time at the start.
    #[must_use]
    pub fn start(mut self, start: Timestamp) -> Self {
        self.start = start;
        self
    }

    /// Time passes only with [`World::advance`].
    #[must_use]
    pub fn manual_clock(mut self) -> Self {
        self.manual = true;
        self
    }

    /// Virtual time passes so many times as fast as Tokio's.
    #[must_use]
    pub fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// How long things last.
    #[must_use]
    pub fn durations(mut self, durations: Durations) -> Self {
        self.options.durations = durations;
        self
    }

    /// How many events, resources, changes and stacks there are on a page; 100 if nothing is said.
    #[must_use]
    pub fn page_size(mut self, items: usize) -> Self {
        self.options.page_size = items.max(1);
        self
    }

    /// Every environment is as [`World::bootstrap`] leaves it from the first connection on.
    #[must_use]
    pub fn bootstrapped(mut self) -> Self {
        self.options.bootstrapped = true;
        self
    }

    /// The credentials for one account turn out to belong to another.
    #[must_use]
    pub fn wrong_account(mut self, account: &str, actual: &str) -> Self {
        self.options.accounts.insert(account.to_owned(), actual.to_owned());
        self
    }

    /// The world, empty.
    pub fn build(self) -> World {
        let state = State::new(self.start);
        self.with_state(state)
    }

    fn with_state(self, mut state: State) -> World {
        state.now = state.now.max(self.start.0);
        state.index();
        let start = state.now;
        let clock = if self.manual {
            Clock::Manual(Mutex::new(Duration::ZERO))
        } else {
            Clock::Tokio { start: Instant::now(), speed: self.speed }
        };
        let service = Service { state, script: Script::default(), options: self.options };
        World { inner: Arc::new(Inner { service: Mutex::new(service), clock, start, hung: Notify::new() }) }
    }
}
