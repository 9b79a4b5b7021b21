//! Why a call to a service failed, with everything that decides what to do next.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// A failed call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiError {
    /// The operation, in the service's spelling: `CreateChangeSet`.
    pub operation: &'static str,
    /// Where the failure comes from.
    pub origin: Origin,
    /// The error code of the service, such as `ValidationError` or `Throttling`.
    pub code: Option<String>,
    /// The message of the service or of the transport.
    pub message: String,
    /// The HTTP status, when there was an answer.
    pub http_status: Option<u16>,
    /// The request id, for a support case.
    pub request_id: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Where a failed call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The service answered with an error.
    Service,
    /// No answer: connection, timeout, reset. The service may or may not have acted.
    Transport,
    /// There were no credentials to call with, or they could not be loaded or refreshed.
    Credentials,
}

/// Whether and how a failed call is worth repeating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again.
    No,
    /// Slow down, then repeat.
    Throttled,
    /// A server error or a broken connection: repeat.
    Transient,
    /// The account or its keys are too new: repeat for a bounded time.
    NotYet,
}

impl ApiError {
    /// An error answer of the service.
    pub fn service(operation: &'static str, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            operation,
            origin: Origin::Service,
            code: Some(code.into()),
            message: message.into(),
            http_status: None,
            request_id: None,
            source: None,
        }
    }

    /// A call without an answer.
    pub fn transport(operation: &'static str, message: impl Into<String>) -> Self {
        Self { origin: Origin::Transport, code: None, ..Self::service(operation, "", message) }
    }

    /// A call that could not be signed.
    pub fn credentials(operation: &'static str, message: impl Into<String>) -> Self {
        Self { origin: Origin::Credentials, code: None, ..Self::service(operation, "", message) }
    }

    /// Keeps the underlying error.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Adds what the HTTP answer said.
    #[must_use]
    pub fn with_http(mut self, status: Option<u16>, request_id: Option<String>) -> Self {
        self.http_status = status;
        self.request_id = request_id;
        self
    }

    /// The code, or an empty text.
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// Whether this is the one answer that means "there is no such stack". Every other error is an error.
    pub fn is_stack_absent(&self) -> bool {
        self.code() == "ValidationError" && self.message.trim_end().ends_with("does not exist")
            || self.code() == "StackNotFoundException"
    }

    /// Whether the stack is being worked on, so that nothing else can be done with it now.
    pub fn is_stack_busy(&self) -> bool {
        self.code() == "ValidationError" && self.message.contains("_IN_PROGRESS state")
    }

    /// Whether the thing to be made is there already.
    pub fn is_already_exists(&self) -> bool {
        self.code() == "AlreadyExistsException"
    }

    /// Whether the change set that was named is not there.
    pub fn is_change_set_absent(&self) -> bool {
        matches!(self.code(), "ChangeSetNotFound" | "ChangeSetNotFoundException")
    }

    /// Whether a client token was used before: the call has reached the service already.
    pub fn is_token_reused(&self) -> bool {
        self.code() == "TokenAlreadyExistsException"
    }

    /// Whether the change set cannot be executed in its present state, for instance because it was executed before.
    pub fn is_invalid_change_set_status(&self) -> bool {
        matches!(self.code(), "InvalidChangeSetStatus" | "InvalidChangeSetStatusException")
    }

    /// Whether the caller may not do this.
    pub fn is_access_denied(&self) -> bool {
        matches!(self.code(), "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "Forbidden")
            || self.http_status == Some(403) && self.code.is_none()
    }

    /// Whether no call is taken any more, because the session has ended or the clock is wrong: repeating does not help.
    pub fn is_expired(&self) -> bool {
        self.origin == Origin::Credentials
            || self.is_clock_skew()
            || matches!(self.code(), "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired")
    }

    /// Whether the service refused the call because the clock here differs too much from its own.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html>
    pub fn is_clock_skew(&self) -> bool {
        matches!(self.code(), "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture")
            || ["Signature expired", "Signature not yet current"].iter().any(|it| self.message.contains(it))
    }

    /// Whether and how to repeat the call.
    pub fn retry(&self) -> Retry {
        match self.origin {
            Origin::Transport => return Retry::Transient,
            Origin::Credentials => return Retry::No,
            Origin::Service => {}
        }
        match self.code() {
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "SlowDown"
            | "BandwidthLimitExceeded"
            | "PriorRequestNotComplete" => Retry::Throttled,
            "OptInRequired" | "InvalidClientTokenId" | "SubscriptionRequiredException" => Retry::NotYet,
            "RequestTimeout"
            | "RequestTimeoutException"
            | "InternalFailure"
            | "InternalError"
            | "ServiceUnavailable"
            | "ServiceUnavailableException" => Retry::Transient,
            _ if self.message.contains("Rate exceeded") => Retry::Throttled,
            _ if self.http_status == Some(429) => Retry::Throttled,
            _ if self.http_status.is_some_and(|status| status >= 500) => Retry::Transient,
            _ => Retry::No,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.operation)?;
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl StdError for ApiError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_validation_error_means_absent() {
        let check = |code: &str, message: &str| ApiError::service("DescribeStacks", code, message).is_stack_absent();
        assert!(check("ValidationError", "Stack with id Prod does not exist"));
        assert!(!check("ValidationError", "Template format error: resource A does not exist in the template"));
        assert!(!check("AccessDenied", "the role does not exist"));
    }

    #[test]
    fn tells_what_is_worth_repeating() {
        let check = |code: &str, message: &str| ApiError::service("X", code, message).retry();
        assert_eq!(check("Throttling", "Rate exceeded"), Retry::Throttled);
        assert_eq!(check("ValidationError", "Rate exceeded"), Retry::Throttled);
        assert_eq!(check("OptInRequired", ""), Retry::NotYet);
        assert_eq!(check("InvalidClientTokenId", ""), Retry::NotYet);
        assert_eq!(check("ValidationError", "no"), Retry::No);
        assert_eq!(ApiError::transport("X", "reset").retry(), Retry::Transient);
        let unavailable = ApiError::service("X", "Weird", "").with_http(Some(503), None);
        assert_eq!(unavailable.retry(), Retry::Transient);
    }
}
