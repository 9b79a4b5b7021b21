//! Errors of the SDK as errors of the engine.

use std::error::Error;

use aws_sdk_cloudformation::config::http::HttpResponse;
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};

use super::credentials;
use crate::error::ApiError;

/// The failure of one request.
pub(super) fn api_error<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> ApiError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let request_id =
        error.raw_response().and_then(|response| response.headers().get("x-amzn-requestid")).map(str::to_owned);
    let described = match &error {
        SdkError::ServiceError(answer) => {
            let answer = answer.err();
            let code = answer.code().map(str::to_owned);
            let message = answer.message().map(str::to_owned).unwrap_or_else(|| chain(&error));
            match code {
                Some(code) => ApiError::service(operation, code, message),
                None => without_code(operation, status, message),
            }
        }
        // An answer that cannot be read, mostly of something between us and the service.
        SdkError::ResponseError(_) => ApiError::transport(operation, chain(&error)),
        SdkError::TimeoutError(_) => ApiError::transport(operation, "no answer in time"),
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            ApiError::transport(operation, chain(&error))
        }
        _ => match credentials::failure(&error) {
            Some(failure) => return failure,
            None if matches!(error, SdkError::DispatchFailure(_)) => ApiError::transport(operation, chain(&error)),
            None => ApiError::service(operation, "InvalidRequest", chain(&error)),
        },
    };
    described.with_http(status, request_id).with_source(error)
}

/// A `HEAD` request has no body, and so no code.
fn without_code(operation: &'static str, status: Option<u16>, message: String) -> ApiError {
    let code = match status {
        Some(400) => "BadRequest",
        Some(401 | 403) => "Forbidden",
        Some(404) => "NotFound",
        Some(429) => "TooManyRequestsException",
        Some(500..) => "InternalFailure",
        _ => "Unknown",
    };
    ApiError::service(operation, code, message)
}

/// The first of this type among an error and what is behind it.
pub(super) fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error and what is behind it, as one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let part = source.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = source.source();
    }
    text
}
