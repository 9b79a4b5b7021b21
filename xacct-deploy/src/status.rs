//! Statuses of stacks and resources, kept as the text that the service sent.
//!
//! A newer service knows statuses that this code does not. They are kept and shown as they are, and count as in progress, so
//! that nothing is started on top of them. A status is always compared as a whole: `UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS`
//! is a live stack, although `ROLLBACK_COMPLETE` is a part of it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The status of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StackStatus(Cow<'static, str>);

impl StackStatus {
    /// `CREATE_IN_PROGRESS`
    pub const CREATE_IN_PROGRESS: Self = Self::known("CREATE_IN_PROGRESS");
    /// `CREATE_FAILED`: the first creation failed and rollback was disabled.
    pub const CREATE_FAILED: Self = Self::known("CREATE_FAILED");
    /// `CREATE_COMPLETE`
    pub const CREATE_COMPLETE: Self = Self::known("CREATE_COMPLETE");
    /// `ROLLBACK_IN_PROGRESS`: the first creation failed and is undone.
    pub const ROLLBACK_IN_PROGRESS: Self = Self::known("ROLLBACK_IN_PROGRESS");
    /// `ROLLBACK_FAILED`: the first creation failed, and so did undoing it.
    pub const ROLLBACK_FAILED: Self = Self::known("ROLLBACK_FAILED");
    /// `ROLLBACK_COMPLETE`: the first creation failed and was undone; only deletion is possible.
    pub const ROLLBACK_COMPLETE: Self = Self::known("ROLLBACK_COMPLETE");
    /// `DELETE_IN_PROGRESS`
    pub const DELETE_IN_PROGRESS: Self = Self::known("DELETE_IN_PROGRESS");
    /// `DELETE_FAILED`
    pub const DELETE_FAILED: Self = Self::known("DELETE_FAILED");
    /// `DELETE_COMPLETE`: found by stack id only.
    pub const DELETE_COMPLETE: Self = Self::known("DELETE_COMPLETE");
    /// `UPDATE_IN_PROGRESS`
    pub const UPDATE_IN_PROGRESS: Self = Self::known("UPDATE_IN_PROGRESS");
    /// `UPDATE_COMPLETE_CLEANUP_IN_PROGRESS`: updated; old resources are being removed.
    pub const UPDATE_COMPLETE_CLEANUP_IN_PROGRESS: Self = Self::known("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS");
    /// `UPDATE_COMPLETE`
    pub const UPDATE_COMPLETE: Self = Self::known("UPDATE_COMPLETE");
    /// `UPDATE_FAILED`: an update failed and rollback was disabled.
    pub const UPDATE_FAILED: Self = Self::known("UPDATE_FAILED");
    /// `UPDATE_ROLLBACK_IN_PROGRESS`
    pub const UPDATE_ROLLBACK_IN_PROGRESS: Self = Self::known("UPDATE_ROLLBACK_IN_PROGRESS");
    /// `UPDATE_ROLLBACK_FAILED`: stuck until the rollback is continued.
    pub const UPDATE_ROLLBACK_FAILED: Self = Self::known("UPDATE_ROLLBACK_FAILED");
    /// `UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS`
    pub const UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS: Self =
        Self::known("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS");
    /// `UPDATE_ROLLBACK_COMPLETE`
    pub const UPDATE_ROLLBACK_COMPLETE: Self = Self::known("UPDATE_ROLLBACK_COMPLETE");
    /// `REVIEW_IN_PROGRESS`: only change sets exist, nothing was ever executed.
    pub const REVIEW_IN_PROGRESS: Self = Self::known("REVIEW_IN_PROGRESS");
    /// `IMPORT_IN_PROGRESS`
    pub const IMPORT_IN_PROGRESS: Self = Self::known("IMPORT_IN_PROGRESS");
    /// `IMPORT_COMPLETE`
    pub const IMPORT_COMPLETE: Self = Self::known("IMPORT_COMPLETE");
    /// `IMPORT_ROLLBACK_IN_PROGRESS`
    pub const IMPORT_ROLLBACK_IN_PROGRESS: Self = Self::known("IMPORT_ROLLBACK_IN_PROGRESS");
    /// `IMPORT_ROLLBACK_FAILED`
    pub const IMPORT_ROLLBACK_FAILED: Self = Self::known("IMPORT_ROLLBACK_FAILED");
    /// `IMPORT_ROLLBACK_COMPLETE`
    pub const IMPORT_ROLLBACK_COMPLETE: Self = Self::known("IMPORT_ROLLBACK_COMPLETE");

    const fn known(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A status as the service wrote it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Cow::Owned(text.into()))
    }

    /// The text of the service.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the status means for somebody who wants to work on the stack.
    pub fn phase(&self) -> Phase {
        match self.as_str() {
            "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "IMPORT_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE" => Phase::Settled,
            "UPDATE_FAILED" | "CREATE_FAILED" => Phase::Paused,
            "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" => Phase::DeadOnArrival,
            "UPDATE_ROLLBACK_FAILED" | "IMPORT_ROLLBACK_FAILED" => Phase::Stuck,
            "DELETE_FAILED" => Phase::DeleteFailed,
            "DELETE_COMPLETE" => Phase::Gone,
            "REVIEW_IN_PROGRESS" => Phase::Review,
            _ => Phase::Busy,
        }
    }

    /// Whether the stack holds no resources: it was never executed, its creation was undone, or it is deleted.
    pub fn holds_nothing(&self) -> bool {
        matches!(self.as_str(), "REVIEW_IN_PROGRESS" | "ROLLBACK_COMPLETE" | "DELETE_COMPLETE")
    }

    /// Whether an update is being rolled back, or has been.
    pub(crate) fn is_rolling_back_update(&self) -> bool {
        self.as_str().starts_with("UPDATE_ROLLBACK_")
    }

    /// Whether an operation has reached its end. `REVIEW_IN_PROGRESS` is an end too: nothing runs.
    pub fn is_terminal(&self) -> bool {
        self.phase() != Phase::Busy
    }

    /// Whether the last create, update or import did what was asked for, and the stack is at rest.
    pub fn is_success(&self) -> bool {
        matches!(self.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE")
    }
}

/// What can be done with a stack in a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// At rest; can be updated.
    Settled,
    /// At rest after a failure with rollback disabled; may hold resources, can be updated or rolled back.
    Paused,
    /// The first creation failed: can only be deleted.
    DeadOnArrival,
    /// A rollback failed: must be continued before anything else.
    Stuck,
    /// A deletion failed: can be deleted again.
    DeleteFailed,
    /// Deleted.
    Gone,
    /// Never executed: counts as absent, but holds the name.
    Review,
    /// An operation runs, or the status is unknown.
    Busy,
}

impl fmt::Display for StackStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The status of a resource, of a change set or of another thing that this crate only passes on, as the service wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusText(pub String);

impl StatusText {
    /// The text of the service.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it reports a failure, such as `CREATE_FAILED` or `UPDATE_FAILED`.
    pub fn is_failure(&self) -> bool {
        self.0.ends_with("_FAILED")
    }
}

impl From<&str> for StatusText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for StatusText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for StatusText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq<str> for StatusText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for StatusText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_the_whole_status() {
        let cleanup = StackStatus::UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS;
        assert_eq!(cleanup.phase(), Phase::Busy);
        assert_eq!(StackStatus::UPDATE_ROLLBACK_COMPLETE.phase(), Phase::Settled);
        assert_eq!(StackStatus::ROLLBACK_COMPLETE.phase(), Phase::DeadOnArrival);
    }

    #[test]
    fn an_unknown_status_counts_as_in_progress() {
        let unknown = StackStatus::new("TELEPORT_COMPLETE");
        assert_eq!(unknown.phase(), Phase::Busy);
        assert_eq!(unknown.to_string(), "TELEPORT_COMPLETE");
    }
}
