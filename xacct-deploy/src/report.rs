//! How a run ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::cloudformation::{Output, ResourceChange};

/// How a run ended, stack by stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// The outcome of each stack of the run, by its id in the assembly.
    pub stacks: BTreeMap<String, Outcome>,
    /// Calls made to the services, by operation.
    pub calls: BTreeMap<String, u64>,
}

impl Summary {
    /// Whether every stack is as it should be.
    pub fn is_success(&self) -> bool {
        self.stacks.values().all(Outcome::is_success)
    }

    /// Whether the run left operations behind that go on without it.
    pub fn is_detached(&self) -> bool {
        self.stacks.values().any(|outcome| matches!(outcome, Outcome::Detached { .. }))
    }
}

/// How the work on a stack ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// Created, updated or imported.
    Deployed {
        /// Whether the stack is new.
        created: bool,
        /// The stack's ARN.
        stack_id: String,
        /// The outputs.
        outputs: Vec<Output>,
    },
    /// It was as it should be.
    Unchanged {
        /// The stack's ARN.
        stack_id: String,
        /// The outputs.
        outputs: Vec<Output>,
    },
    /// Something that was there already does the same.
    Accepted {
        /// What.
        instead: String,
    },
    /// Nothing runs on it.
    Idle {
        /// The stack's status.
        status: String,
    },
    /// A change set was made for a dry run, and removed again.
    Planned {
        /// What it would change.
        changes: Vec<ResourceChange>,
    },
    /// A dry run cannot say: an input comes from a stack that does not exist yet.
    Unknown {
        /// Why.
        reason: String,
    },
    /// Deleted.
    Deleted {
        /// Resources that were kept, as their deletion policy says.
        retained: Vec<String>,
    },
    /// There was nothing to delete.
    Absent,
    /// Rolled back on demand.
    RolledBack {
        /// The stack's status.
        status: String,
    },
    /// It failed.
    Failed {
        /// What the stack is now, where that is known.
        status: Option<String>,
        /// Why: the root cause first.
        causes: Vec<Cause>,
    },
    /// Not started, because a stack or asset before it failed.
    HeldBack {
        /// The ids of the stacks, or hashes of the assets, that failed.
        because: Vec<String>,
    },
    /// Not started, because the run was told to stop.
    NotStarted,
    /// An operation goes on in AWS; the next run takes it up again.
    Detached {
        /// The stack's ARN, where it is known.
        stack_id: Option<String>,
    },
}

impl Outcome {
    /// Whether the stack is as it should be.
    pub fn is_success(&self) -> bool {
        matches!(
            self,
            Self::Deployed { .. }
                | Self::Unchanged { .. }
                | Self::Planned { .. }
                | Self::Accepted { .. }
                | Self::Idle { .. }
                | Self::Unknown { .. }
                | Self::Deleted { .. }
                | Self::Absent
                | Self::RolledBack { .. }
        )
    }

    /// The outputs of a stack that is there.
    pub fn outputs(&self) -> &[Output] {
        match self {
            Self::Deployed { outputs, .. } | Self::Unchanged { outputs, .. } => outputs,
            _ => &[],
        }
    }

    /// A failure with one cause.
    pub fn failed(status: Option<String>, cause: Cause) -> Self {
        Self::Failed { status, causes: vec![cause] }
    }
}
