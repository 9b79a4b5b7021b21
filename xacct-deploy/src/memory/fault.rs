//! Failures on order: calls that fail, resources that cannot be made, things that take long. And a count of all calls.

use std::time::Duration;

use crate::cloudformation::{ApiError, Environment};

/// What happens to a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// `Throttling: Rate exceeded`.
    Throttle,
    /// HTTP 503 without effect.
    Unavailable,
    /// The connection breaks before the service acts.
    Unreached,
    /// The service acts, but its answer is lost.
    LostReply,
    /// `ExpiredToken`.
    ExpiredCredentials,
    /// An error of the service: code and message.
    Error(String, String),
    /// The answer comes late.
    Delay(Duration),
    /// The service does not act and the call never returns; see [`World::hung`](super::World::hung).
    HangBefore,
    /// The service acts and the call never returns; see [`World::hung`](super::World::hung).
    HangAfter,
}

/// Which calls fail, and how.
#[derive(Clone, Debug)]
pub struct CallFault {
    operation: Option<String>,
    stack: Option<String>,
    environment: Option<Environment>,
    skip: u32,
    times: u32,
    fault: Fault,
}

impl CallFault {
    /// The first call fails, whatever it is.
    pub fn new(fault: Fault) -> Self {
        Self { operation: None, stack: None, environment: None, skip: 0, times: 1, fault }
    }

    /// Only calls of this operation count, such as `CreateChangeSet`.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Only calls that name this stack count.
    #[must_use]
    pub fn stack(mut self, stack: impl Into<String>) -> Self {
        self.stack = Some(stack.into());
        self
    }

    /// Only calls in this account and region count.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// The first call that fails is the `n`-th that counts from now on, from 1.
    #[must_use]
    pub fn nth(mut self, n: u32) -> Self {
        self.skip = n.saturating_sub(1);
        self
    }

    /// So many calls in a row fail.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    fn matches(&self, call: &Call) -> bool {
        self.operation.as_ref().is_none_or(|it| it == call.operation)
            && self.stack.as_ref().is_none_or(|it| call.stack.as_ref() == Some(it))
            && self.environment.as_ref().is_none_or(|it| *it == call.environment)
    }
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It is created; also as the replacement of another.
    Create,
    /// It is updated.
    Update,
    /// It is deleted.
    Delete,
    /// An update of it is undone.
    Rollback,
}

/// Which resources fail, or take long.
#[derive(Clone, Debug)]
pub struct ResourceFault {
    stack: Option<String>,
    logical_id: String,
    action: Action,
    times: u32,
    pub(super) reason: Option<String>,
    pub(super) lasts: Option<Duration>,
}

impl ResourceFault {
    /// The next such action on the resource fails with a reason.
    pub fn fail(logical_id: impl Into<String>, action: Action, reason: impl Into<String>) -> Self {
        let reason = Some(reason.into());
        Self { stack: None, logical_id: logical_id.into(), action, times: 1, reason, lasts: None }
    }

    /// The next such action on the resource lasts so long.
    pub fn slow(logical_id: impl Into<String>, action: Action, lasts: Duration) -> Self {
        Self { stack: None, logical_id: logical_id.into(), action, times: 1, reason: None, lasts: Some(lasts) }
    }

    /// Only in the stack of this name.
    #[must_use]
    pub fn stack(mut self, stack: impl Into<String>) -> Self {
        self.stack = Some(stack.into());
        self
    }

    /// So many times, not only once.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where.
    pub environment: Environment,
    /// The operation, in the service's spelling.
    pub operation: &'static str,
    /// The name of the stack that it is about, also where the call gave an id. None for a call about no stack.
    pub stack: Option<String>,
}

/// The script and the log.
#[derive(Debug, Default)]
pub(super) struct Script {
    calls: Vec<CallFault>,
    resources: Vec<ResourceFault>,
    pub(super) log: Vec<Call>,
}

impl Script {
    pub(super) fn add_call_fault(&mut self, fault: CallFault) {
        self.calls.push(fault);
    }

    pub(super) fn add_resource_fault(&mut self, fault: ResourceFault) {
        self.resources.push(fault);
    }

    /// Notes a call, and tells what is to happen to it.
    pub(super) fn on_call(&mut self, call: Call) -> Option<Fault> {
        let mut found = None;
        for fault in self.calls.iter_mut().filter(|fault| fault.times > 0 && fault.matches(&call)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if found.is_none() {
                fault.times -= 1;
                found = Some(fault.fault.clone());
            }
        }
        self.log.push(call);
        found
    }

    /// The reason for which an action is to fail.
    pub(super) fn failure(&mut self, stack: &str, logical_id: &str, action: Action) -> Option<String> {
        self.take(stack, logical_id, action, |fault| fault.reason.is_some())?.reason
    }

    /// How long an action is to last.
    pub(super) fn duration(&mut self, stack: &str, logical_id: &str, action: Action) -> Option<Duration> {
        self.take(stack, logical_id, action, |fault| fault.lasts.is_some())?.lasts
    }

    fn take(
        &mut self,
        stack: &str,
        logical_id: &str,
        action: Action,
        wanted: impl Fn(&ResourceFault) -> bool,
    ) -> Option<ResourceFault> {
        let fault = self.resources.iter_mut().find(|fault| {
            fault.times > 0
                && fault.logical_id == logical_id
                && fault.action == action
                && fault.stack.as_deref().is_none_or(|it| it == stack)
                && wanted(fault)
        })?;
        fault.times -= 1;
        Some(fault.clone())
    }
}

impl Fault {
    /// The error that the caller gets; none if it gets the answer.
    pub(super) fn error(&self, operation: &'static str) -> Option<ApiError> {
        Some(match self {
            Self::Throttle => ApiError::service(operation, "Throttling", "Rate exceeded").with_http(Some(400), None),
            Self::Unavailable => {
                ApiError::service(operation, "ServiceUnavailable", "Service Unavailable").with_http(Some(503), None)
            }
            Self::Unreached | Self::LostReply => ApiError::transport(operation, "connection reset by peer"),
            Self::ExpiredCredentials => {
                ApiError::service(operation, "ExpiredToken", "The security token included in the request is expired")
                    .with_http(Some(403), None)
            }
            Self::Error(code, message) => {
                ApiError::service(operation, code.clone(), message.clone()).with_http(Some(400), None)
            }
            Self::Delay(_) | Self::HangBefore | Self::HangAfter => return None,
        })
    }

    /// Whether the service acts.
    pub(super) fn has_effect(&self) -> bool {
        matches!(self, Self::LostReply | Self::Delay(_) | Self::HangAfter)
    }
}
