//! The deploy engine: takes a cloud assembly, deploys its stacks to their accounts, and tells what happens as a stream of events.
//!
//! It never prints, and reads neither terminal nor environment; only [`mod@aws`] names the AWS SDK.
//!
//! ```
//! # use std::sync::Arc;
//! # use serde_json::json;
//! # use xacct_core::assembly::{Assembly, StackArtifact};
//! # use xacct_core::{AccountId, Environment, Region};
//! # use xacct_deploy::{Engine, MemoryStore, RunOptions, Selection, StackOptions, memory::World};
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
//! let tools = Environment::new(AccountId::literal("111111111111"), Region::literal("eu-west-1"));
//! let template = json!({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}});
//! let mut assembly = Assembly::default();
//! assembly.stacks.push(StackArtifact::new("Tools", tools, template));
//!
//! // `World` is CloudFormation in memory; `aws::AwsConnector` is the real one, and `FileStore` outlives the process.
//! let engine = Engine::new(Arc::new(World::new()), Arc::new(MemoryStore::default()));
//! let (run, mut events) = engine.deploy(&assembly, &Selection::default(), StackOptions::default(), RunOptions::default());
//! let summary = run.await.unwrap();
//! assert!(summary.is_success());
//! while let Some(event) = events.next().await {
//!     println!("{}", serde_json::to_string(&event).unwrap());
//! }
//! # });
//! ```

pub mod asset;
pub mod aws;
pub mod bootstrap;
mod cause;
pub mod cloudformation;
mod deploy;
mod desired;
mod destroy;
mod engine;
mod error;
pub mod event;
mod follow;
mod holdings;
mod loss;
pub mod memory;
mod operate;
pub mod plan;
mod preflight;
mod principal;
mod redact;
mod report;
mod retry;
mod run;
mod schedule;
mod security_diff;
mod state;
mod status;
mod template_diff;
mod template_text;
mod timestamp;
mod worker;

pub use bootstrap::{BootstrapOptions, ExecutionPolicy, Trusted};
pub use cause::{Cause, CauseKind};
pub use cloudformation::{Clients, CloudFormation, Connector, Environment, Identity, Objects};
pub use deploy::StackOptions;
pub use desired::capabilities;
pub use destroy::DestroyOptions;
pub use engine::{Engine, Problem, ProblemKind, RunError, RunOptions, Selection};
pub use error::{ApiError, Origin, Retry};
pub use event::Event;
pub use holdings::{HeldResource, Holdings};
pub use loss::{Loss, LossKind, holds_data, path_of};
pub use operate::{Cancellation, Drift, RollbackOptions, StackReport, StackState};
pub use plan::Plan;
pub use report::{Outcome, Summary};
pub use retry::RetryPolicy;
pub use run::{Events, Handle, Intent, Pace, Run};
pub use security_diff::SecurityChange;
pub use state::{FileLock, FileStore, Holder, MemoryStore, RECORD_VERSION, StackKey, StackRecord, StateError, Store};
pub use status::{Phase, StackStatus, StatusText};
pub use template_diff::{ChangeKind, Effect, EntryDiff, PropertyDiff, ResourceDiff};
pub use timestamp::Timestamp;
