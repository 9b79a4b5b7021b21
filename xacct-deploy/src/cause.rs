//! Why something failed: the root cause first, in terms of the user's constructs.
//!
//! A failed stack reports dozens of failed resources, most of them "Resource creation cancelled" because another one failed,
//! and one line about the stack that repeats their names. What the user needs is the first failure in time that is none of
//! these, from the innermost nested stack.

use serde::{Deserialize, Serialize};
use xacct_core::SourceLocation;
use xacct_core::assembly::{Origin, StackArtifact};

use crate::cloudformation::{ApiError, OperationEvent, StackEvent, Timestamp};

/// A reason for a failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cause {
    /// The kind of failure, where it is a known one.
    pub kind: CauseKind,
    /// What the service, or the engine, says. Never contains a secret.
    pub message: String,
    /// What the engine found out about it besides.
    pub detail: Option<String>,
    /// What to do, where that is known.
    pub help: Option<String>,
    /// The ids of stacks of the assembly that make what is missing: they have to be deployed first.
    pub deploy_first: Vec<String>,
    /// The logical id of the resource.
    pub logical_id: Option<String>,
    /// The resource type.
    pub resource_type: Option<String>,
    /// The physical id of the resource.
    pub physical_id: Option<String>,
    /// The logical ids of nested stacks on the way to the resource, outermost first.
    pub nested: Vec<String>,
    /// The path of the resource's construct; of the stack, where no resource is at fault.
    pub path: Option<String>,
    /// Where the program made that construct.
    pub location: Option<SourceLocation>,
    /// The place in the template, from a validation.
    pub template_path: Option<String>,
    /// The call that failed.
    pub operation: Option<String>,
    /// The error code of the service.
    pub code: Option<String>,
    /// When, as the service says.
    pub time: Option<Timestamp>,
}

/// The kind of failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CauseKind {
    /// A policy names a principal that does not exist.
    InvalidPrincipal,
    /// The name belongs to a resource already.
    NameTaken,
    /// A capability was not acknowledged.
    MissingCapability,
    /// A quota of the account is used up.
    Quota,
    /// The caller, or CloudFormation's role, may not do something.
    AccessDenied,
    /// A role cannot be assumed.
    RoleNotAssumable,
    /// The credentials have expired, or could not be loaded.
    Credentials,
    /// The clock here differs from the service's by minutes, so that no signature counts.
    Clock,
    /// An output is imported by another stack.
    ExportInUse,
    /// A bucket or repository has content.
    NotEmpty,
    /// A resource did not become ready in time.
    NotStabilized,
    /// The stack is protected from being deleted.
    Protected,
    /// The template or a property is not valid.
    Invalid,
    /// A hook or a validation refused the change.
    Refused,
    /// The service kept throttling, or could not be reached, for too long.
    Unavailable,
    /// Somebody else works on the stack.
    Busy,
    /// Data would be lost, and nobody has agreed to that.
    DataLoss,
    /// The first creation, or a deletion, failed: the stack must be deleted and created again.
    NeedsRecreate,
    /// A rollback failed: it must be continued.
    Stuck,
    /// Stopped after a failure, with rollback disabled.
    Paused,
    /// A value that comes from another stack is missing.
    MissingInput,
    /// An asset cannot be packed or uploaded.
    Asset,
    /// The state of the run cannot be kept.
    State,
    /// It took longer than allowed.
    Timeout,
    /// The user cancelled the update.
    Cancelled,
    /// Anything else.
    #[default]
    Other,
}

impl Cause {
    /// A cause that the engine found.
    pub fn new(kind: CauseKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), ..Self::default() }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says where in the program the resource was made.
    pub(crate) fn locate(&mut self, origin: Option<&Origin>) {
        if let Some(origin) = origin {
            self.path = Some(origin.path.clone());
            self.location = origin.location.clone();
        }
    }

    /// Says where in the program the stack was made, if nothing nearer is known.
    pub(crate) fn locate_stack(&mut self, artifact: &StackArtifact) {
        if self.logical_id.is_none() && self.path.is_none() {
            self.path = Some(artifact.display_name.clone());
        }
        if self.location.is_none() {
            self.location.clone_from(&artifact.location);
        }
    }
}

impl From<&ApiError> for Cause {
    fn from(error: &ApiError) -> Self {
        let kind = if error.is_clock_skew() {
            CauseKind::Clock
        } else if error.is_expired() {
            CauseKind::Credentials
        } else if error.retry() != crate::error::Retry::No {
            CauseKind::Unavailable
        } else {
            classify(error.code(), &error.message)
        };
        Self {
            kind,
            message: error.message.clone(),
            detail: clocks(&error.message).filter(|_| kind == CauseKind::Clock),
            help: help(kind).map(str::to_owned),
            operation: Some(error.operation.to_owned()),
            code: error.code.clone(),
            ..Self::default()
        }
    }
}

/// A failure that an event reports, with the nested stacks on the way to it.
#[derive(Clone, Debug)]
pub(crate) struct FailedEvent {
    pub(crate) event: StackEvent,
    pub(crate) nested: Vec<String>,
    /// Whether it failed while an update was rolled back.
    pub(crate) undoing: bool,
}

/// The causes of a failed operation, root cause first, from its failed events in any order.
pub(crate) fn causes_of(mut failed: Vec<FailedEvent>) -> Vec<Cause> {
    // The deeper one of two at the same time is the cause of the other. The sort is stable.
    failed.sort_by_key(|it| (it.event.timestamp, std::cmp::Reverse(it.nested.len())));
    let real: Vec<&FailedEvent> = failed.iter().filter(|it| !is_noise(it)).collect();
    let chosen = if real.is_empty() { failed.iter().collect() } else { real };
    let mut causes: Vec<Cause> = Vec::new();
    for failure in chosen {
        let cause = Cause::from_event(failure);
        let known = causes.iter().any(|it| it.logical_id == cause.logical_id && it.message == cause.message);
        if !known {
            causes.push(cause);
        }
    }
    causes
}

impl Cause {
    fn from_event(failure: &FailedEvent) -> Self {
        let event = &failure.event;
        // What the stack says of itself is about no resource of it.
        let is_itself = event.is_stack() && failure.nested.is_empty();
        let hook = event.hook.as_ref().filter(|hook| hook.status.ends_with("FAILED"));
        let message = hook
            .and_then(|hook| hook.reason.clone())
            .or_else(|| event.status_reason.clone())
            .unwrap_or_else(|| format!("{} without a reason", event.status));
        let kind = match hook {
            _ if failure.undoing => CauseKind::Stuck,
            Some(_) => CauseKind::Refused,
            None => classify("", &message),
        };
        Self {
            kind,
            help: help(kind).map(str::to_owned),
            detail: failure.undoing.then(|| "it cannot be put back as it was before the update".to_owned()),
            message,
            logical_id: Some(event.logical_id.clone()).filter(|_| !is_itself),
            resource_type: Some(event.resource_type.clone()).filter(|_| !is_itself),
            physical_id: event.physical_id.clone().filter(|it| !it.is_empty()),
            nested: failure.nested.clone(),
            time: Some(event.timestamp),
            ..Self::default()
        }
    }

    /// The reason for which CloudFormation has made no change set.
    pub(crate) fn of_change_set(reason: String, importing: bool) -> Self {
        let kind = match classify("", &reason) {
            CauseKind::Other => CauseKind::Invalid,
            kind => kind,
        };
        let about_import =
            "check the identifiers, and that the resource is in this account and region and belongs to no stack";
        let help = if importing { Some(about_import) } else { help(kind) };
        Self { kind, message: reason, help: help.map(str::to_owned), ..Self::default() }
    }

    /// A validation that failed before anything was changed.
    pub(crate) fn from_validation(found: &OperationEvent) -> Option<Self> {
        let name = found.validation_name.as_ref()?;
        let reason = found
            .validation_reason
            .clone()
            .or_else(|| found.event.status_reason.clone())
            .unwrap_or_else(|| format!("validation `{name}` failed"));
        let kind = match classify("", &reason) {
            CauseKind::Other => CauseKind::Refused,
            kind => kind,
        };
        Some(Self {
            kind,
            message: reason,
            help: help(kind).map(str::to_owned),
            logical_id: Some(found.event.logical_id.clone()).filter(|id| !id.is_empty()),
            resource_type: Some(found.event.resource_type.clone()).filter(|it| !it.is_empty()),
            template_path: found.validation_path.clone(),
            time: Some(found.event.timestamp),
            ..Self::default()
        })
    }
}

/// Whether an event only says that something else failed.
fn is_noise(failure: &FailedEvent) -> bool {
    let event = &failure.event;
    let Some(reason) = event.status_reason.as_deref() else {
        return true;
    };
    let cancelled = reason.starts_with("Resource ") && reason.contains(" cancelled");
    let summary = reason.starts_with("The following resource(s) failed")
        || reason.starts_with("Embedded stack ")
        || reason.starts_with("Nested stack ") && reason.contains("failed");
    // The stack's own line repeats what its resources said, unless no resource said anything.
    cancelled || summary || event.is_stack() && reason.contains("resource(s) failed")
}

/// What two clocks say, where a message tells: `Signature expired: 20260101T120000Z is now earlier than 20260101T121000Z
/// (20260101T121500Z - 5 min.)`, where the first time is ours and the last is the service's.
fn clocks(message: &str) -> Option<String> {
    let times: Vec<Timestamp> =
        message.split(|it: char| !it.is_ascii_alphanumeric()).filter_map(Timestamp::parse_basic).collect();
    let [ours, .., theirs] = times[..] else { return None };
    Some(format!("the clock here says {}, AWS's says {}", ours.to_seconds(), theirs.to_seconds()))
}

/// What kind of failure a message tells of.
pub(crate) fn classify(code: &str, message: &str) -> CauseKind {
    let text = message.to_ascii_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    if code == "InsufficientCapabilitiesException" || has(&["requires capabilities"]) {
        CauseKind::MissingCapability
    } else if has(&["invalid principal", "invalid principals", "principal does not exist"]) {
        CauseKind::InvalidPrincipal
    } else if has(&["terminationprotection is enabled", "termination protection"]) {
        CauseKind::Protected
    } else if has(&["as it is in use by", "is imported by", "in use by stack"]) {
        CauseKind::ExportInUse
    } else if has(&["not empty", "bucketnotempty", "you must delete all"]) {
        CauseKind::NotEmpty
    } else if has(&[
        "not authorized to perform: sts:assumerole",
        "not authorized to perform assumerole",
        "cannot be assumed",
        "unable to assume",
        "is invalid or cannot be assumed",
    ]) {
        CauseKind::RoleNotAssumable
    } else if has(&[
        "already exists",
        "because they already exist in your account",
        "alreadyexists",
        "already owned by you",
        "alreadyownedbyyou",
        "already taken",
        "already in use",
        "requested bucket name is not available",
    ]) {
        CauseKind::NameTaken
    } else if code == "LimitExceededException"
        || has(&["limit exceeded", "limitexceeded", "quota", "exceeded the limit", "too many ", "maximum number of"])
    {
        CauseKind::Quota
    } else if has(&["expiredtoken", "token included in the request is expired", "security token"]) {
        CauseKind::Credentials
    } else if code.starts_with("AccessDenied")
        || has(&["not authorized to perform", "accessdenied", "access denied", "is not authorized"])
    {
        CauseKind::AccessDenied
    } else if has(&["did not stabilize", "notstabilized", "timed out", "time-out", "timeout"]) {
        CauseKind::NotStabilized
    } else if has(&["rate exceeded", "throttl"]) {
        CauseKind::Unavailable
    } else if has(&[
        "user initiated",
        "cancelled by user",
        "cancelupdatestack",
        "update cancelled",
        "creation cancelled",
    ]) {
        CauseKind::Cancelled
    } else if has(&["hook"]) && has(&["failed", "denied"]) {
        CauseKind::Refused
    } else if code == "ValidationError"
        || has(&[
            "validation failed",
            "properties validation",
            "extraneous key",
            "required key",
            "validation error",
            "unrecognized resource type",
            "template format error",
            "template error",
            "malformed",
            "invalid request",
            "is not valid",
            "invalidrequest",
        ])
    {
        CauseKind::Invalid
    } else {
        CauseKind::Other
    }
}

/// What to do about a kind of failure.
fn help(kind: CauseKind) -> Option<&'static str> {
    Some(match kind {
        CauseKind::InvalidPrincipal => {
            "a policy names a user or role that does not exist: deploy the stack that makes it first, and check its name"
        }
        CauseKind::NameTaken => {
            "a resource of that name exists: take it over with --import-existing-resources (if no stack has it, and this one is \
             retained on deletion), delete it, or give this one another name"
        }
        CauseKind::MissingCapability => {
            "the template needs a capability that was not derived from it: report this template"
        }
        CauseKind::Quota => {
            "a quota of the account is used up: free some, or ask for more in Service Quotas, then deploy again"
        }
        CauseKind::AccessDenied => {
            "the credentials, or the role that CloudFormation acts as, lack a permission: grant it and deploy again"
        }
        CauseKind::RoleNotAssumable => {
            "check that the role exists and that its trust policy names the one who assumes it"
        }
        CauseKind::Credentials => {
            "renew the credentials (for instance `aws sso login`) and deploy again: what runs is taken up where it is"
        }
        CauseKind::Clock => {
            "set this machine's clock, for instance by NTP (`timedatectl set-ntp true`, or `hwclock -s` in WSL), and run it again: AWS takes \
             no signature that is minutes off"
        }
        CauseKind::ExportInUse => {
            "another stack imports the value: change that stack first, or use the `Parameter` strategy for the reference"
        }
        CauseKind::NotEmpty => "empty it first, or give it a removal policy that keeps it",
        CauseKind::NotStabilized => {
            "the resource did not become ready in time: look into its own logs, then deploy again"
        }
        CauseKind::Protected => "termination protection is on: turn it off in the program and deploy, then destroy",
        CauseKind::Unavailable => {
            "the service did not answer for a long time: deploy again later, what runs is taken up where it is"
        }
        CauseKind::Refused => {
            "a hook or validation of the account refused the change: change what it names, or ask who keeps it"
        }
        CauseKind::Invalid => "change what the message names in the program, then deploy again",
        CauseKind::Stuck => {
            "mend what the resource needs, then continue the rollback; a resource that cannot be put back can be skipped"
        }
        CauseKind::Cancelled => "deploy again when you want the change",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(time: i64, id: &str, reason: &str, nested: &[&str]) -> FailedEvent {
        FailedEvent {
            event: StackEvent {
                id: format!("{time}{id}"),
                stack_id: "arn:stack".into(),
                logical_id: id.into(),
                resource_type: "AWS::SQS::Queue".into(),
                timestamp: Timestamp(time),
                status: "CREATE_FAILED".into(),
                status_reason: Some(reason.into()),
                ..StackEvent::default()
            },
            nested: nested.iter().map(|it| (*it).to_owned()).collect(),
            undoing: false,
        }
    }

    #[test]
    fn the_first_real_failure_comes_first() {
        let causes = causes_of(vec![
            failed(4, "Stack", "The following resource(s) failed to create: [A, B]. ", &[]),
            failed(3, "C", "Resource creation cancelled", &[]),
            failed(2, "B", "Quota exceeded: too many queues", &[]),
            failed(1, "A", "queue `x` already exists", &[]),
        ]);
        let ids: Vec<_> = causes.iter().map(|it| it.logical_id.as_deref().unwrap()).collect();
        assert_eq!(ids, ["A", "B"]);
        assert_eq!(causes[0].kind, CauseKind::NameTaken);
        assert_eq!(causes[1].kind, CauseKind::Quota);
    }

    #[test]
    fn the_cause_is_in_the_innermost_stack() {
        let causes = causes_of(vec![
            failed(
                2,
                "Nested",
                "Embedded stack arn:x was not successfully created: The following resource(s) failed to create: [Deep].",
                &[],
            ),
            failed(2, "Deep", "Access Denied", &["Nested"]),
        ]);
        assert_eq!(causes.len(), 1);
        assert_eq!(causes[0].logical_id.as_deref(), Some("Deep"));
        assert_eq!(causes[0].nested, ["Nested"]);
    }

    #[test]
    fn noise_is_better_than_nothing() {
        let causes = causes_of(vec![failed(1, "A", "Resource creation cancelled", &[])]);
        assert_eq!(causes[0].message, "Resource creation cancelled");
    }

    #[test]
    fn a_clock_that_is_wrong_is_not_a_matter_of_credentials() {
        let check = |code: &str, message: &str, detail: Option<&str>| {
            let cause = Cause::from(&ApiError::service("GetCallerIdentity", code, message));
            assert_eq!((cause.kind, cause.detail.as_deref()), (CauseKind::Clock, detail), "{message}");
        };
        check(
            "SignatureDoesNotMatch",
            "Signature expired: 20260101T120000Z is now earlier than 20260101T121000Z (20260101T121500Z - 5 min.)",
            Some("the clock here says 2026-01-01T12:00:00Z, AWS's says 2026-01-01T12:15:00Z"),
        );
        check(
            "InvalidSignatureException",
            "Signature not yet current: 20260101T130000Z is still later than 20260101T120500Z (20260101T120000Z + 5 min.)",
            Some("the clock here says 2026-01-01T13:00:00Z, AWS's says 2026-01-01T12:00:00Z"),
        );
        let skewed = "The difference between the request time and the current time is too large.";
        check("RequestTimeTooSkewed", skewed, None);
        let wrong_key = "The request signature we calculated does not match the signature you provided.";
        let cause = Cause::from(&ApiError::service("GetCallerIdentity", "SignatureDoesNotMatch", wrong_key));
        assert_eq!(cause.kind, CauseKind::Other);
    }

    #[test]
    fn knows_the_usual_suspects() {
        let check = |message: &str, kind| assert_eq!(classify("", message), kind, "{message}");
        check(
            "Policy contains a statement with one or more invalid principals. (Service: Kms)",
            CauseKind::InvalidPrincipal,
        );
        check(
            "arn:aws:iam::1:role/x is not authorized to perform AssumeRole on role arn:y",
            CauseKind::RoleNotAssumable,
        );
        check("User: arn:x is not authorized to perform: kms:CreateKey", CauseKind::AccessDenied);
        check("The bucket you tried to delete is not empty", CauseKind::NotEmpty);
        check("Export X cannot be deleted as it is in use by Y", CauseKind::ExportInUse);
        check(
            "Properties validation failed for resource A with message: #: extraneous key [B] is not permitted",
            CauseKind::Invalid,
        );
        check("Something else", CauseKind::Other);
    }
}
