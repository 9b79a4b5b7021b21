//! What happens during a run, as typed events.
//!
//! As NDJSON, an event is one object: `{"type": "stack-finished", …}` with the fields of the variant in snake case. The first
//! event of a run is `run-started`, the last `run-finished`; consumers must ignore types and fields that they do not know.
//! Secrets (values of NoEcho parameters) are replaced by `****` before an event is made.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::cloudformation::{Environment, ResourceChange, StackEvent};
use crate::report::{Outcome, Summary};

/// The version of the event format: raised when a field or type is removed or changes its meaning.
pub const EVENT_VERSION: u32 = 1;

/// Something that happened. `stack` is always the id of the stack in the assembly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A run begins; nothing was written yet.
    RunStarted {
        /// [`EVENT_VERSION`].
        version: u32,
        /// `deploy`, `destroy`, …
        verb: String,
        /// The id of the run, which its change sets and tokens carry.
        run: String,
        /// The stacks of the run, in an order in which they could be worked on one by one.
        stacks: Vec<StackInfo>,
    },
    /// The credentials of an account were checked.
    AccountChecked {
        /// Where.
        environment: Environment,
        /// Who is calling.
        arn: String,
    },
    /// An asset is about to be packed and uploaded.
    AssetStarted {
        /// Its content hash.
        asset: String,
        /// Its name for people.
        name: String,
        /// Where.
        environment: Environment,
    },
    /// An asset is in its bucket.
    AssetFinished {
        /// Its content hash.
        asset: String,
        /// Where.
        environment: Environment,
        /// Bytes sent; none if it was there already.
        uploaded_bytes: Option<u64>,
    },
    /// An asset could not be uploaded; the stacks that need it are held back.
    AssetFailed {
        /// Its content hash.
        asset: String,
        /// Where.
        environment: Environment,
        /// Why.
        cause: Cause,
    },
    /// Work on a stack begins.
    StackStarted {
        /// Which one.
        stack: String,
    },
    /// An operation is already running on the stack: it is followed, and nothing is started until it ends.
    StackAttached {
        /// Which one.
        stack: String,
        /// The stack's status.
        status: String,
        /// Whether this engine started it, in a run that was interrupted.
        ours: bool,
    },
    /// A change set is ready.
    ChangeSetReady {
        /// Which stack.
        stack: String,
        /// The name of the change set.
        change_set: String,
        /// What it would change.
        changes: Vec<ResourceChange>,
    },
    /// An operation was started on the stack.
    OperationStarted {
        /// Which stack.
        stack: String,
        /// What.
        operation: OperationKind,
        /// The stack's ARN.
        stack_id: String,
        /// How many resources it is expected to work on, where that is known.
        resources: Option<usize>,
    },
    /// A resource, a nested stack's resource or the stack itself changed its status.
    Resource {
        /// Which stack of the assembly.
        stack: String,
        /// What the service said.
        event: StackEvent,
        /// The construct's path.
        path: Option<String>,
        /// Logical ids of the nested stacks on the way, outermost first.
        nested: Vec<String>,
    },
    /// A stack that is not part of the run takes values from a stack that changed.
    StackStale {
        /// The consumer.
        stack: String,
        /// The producer whose output changed.
        from_stack: String,
        /// The output.
        output: String,
    },
    /// A stack is done, well or not.
    StackFinished {
        /// Which one.
        stack: String,
        /// How.
        outcome: Outcome,
    },
    /// A call failed and will be repeated.
    Retrying {
        /// For which stack or asset.
        subject: String,
        /// The call.
        operation: String,
        /// Why.
        error: String,
        /// How often it failed so far.
        attempt: u32,
        /// How long the pause is.
        #[serde(with = "millis")]
        delay: Duration,
    },
    /// Something the user should know, which changes nothing.
    Note {
        /// About which stack.
        stack: Option<String>,
        /// What.
        message: String,
    },
    /// The run is over.
    RunFinished {
        /// How.
        summary: Summary,
    },
}

/// A stack of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackInfo {
    /// The id in the assembly.
    pub id: String,
    /// What people select it by.
    pub display_name: String,
    /// The name in CloudFormation.
    pub stack_name: String,
    /// Where it goes.
    pub environment: Environment,
    /// The stacks of the run that come before.
    pub after: Vec<String>,
    /// The number of the wave: 0 for stacks that wait for nobody.
    pub wave: usize,
}

/// What is done with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationKind {
    /// A first creation.
    Create,
    /// An update.
    Update,
    /// Taking over existing resources.
    Import,
    /// A deletion.
    Delete,
    /// Back to the last good state.
    Rollback,
    /// Going on with a rollback that failed.
    ContinueRollback,
    /// Somebody else's.
    Foreign,
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
