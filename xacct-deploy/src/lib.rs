//! The deploy engine: takes a cloud assembly, deploys its stacks to their accounts, and tells what happens as a stream of events.
//!
//! It never prints, and reads neither terminal nor environment.

pub mod cloudformation;
mod error;
mod status;
mod timestamp;

pub use cloudformation::{Clients, CloudFormation, Connector, Environment, Identity, Objects};
pub use error::{ApiError, Origin, Retry};
pub use status::{Phase, StackStatus, StatusText};
pub use timestamp::Timestamp;
