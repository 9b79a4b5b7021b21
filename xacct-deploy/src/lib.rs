//! The deploy engine: takes a cloud assembly, deploys its stacks to their accounts, and tells what happens as a stream of events.
//!
//! It never prints, and reads neither terminal nor environment; only [`mod@aws`] names the AWS SDK.

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
pub mod memory;
mod operate;
pub mod plan;
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
mod timestamp;
mod worker;

pub use cause::{Cause, CauseKind};
pub use cloudformation::{Clients, CloudFormation, Connector, Environment, Identity, Objects};
pub use deploy::StackOptions;
pub use desired::capabilities;
pub use destroy::DestroyOptions;
pub use engine::{Engine, Problem, ProblemKind, RunError, RunOptions, Selection};
pub use error::{ApiError, Origin, Retry};
pub use event::Event;
pub use operate::{Cancellation, Drift, RollbackOptions, StackReport, StackState};
pub use plan::Plan;
pub use report::{Outcome, Summary};
pub use retry::RetryPolicy;
pub use run::{Events, Handle, Intent, Pace, Run};
pub use security_diff::SecurityChange;
pub use state::{FileStore, MemoryStore, StackKey, StackRecord, StateError, Store};
pub use status::{Phase, StackStatus, StatusText};
pub use template_diff::{ChangeKind, Effect, EntryDiff, PropertyDiff, ResourceDiff};
pub use timestamp::Timestamp;
