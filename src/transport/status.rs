//! The one place where an error becomes a gRPC status. No wildcard arm: a new error must be thought about here.

use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::error::Error;
use crate::transport::proto;

/// The status code of `error`.
pub fn code(error: &Error) -> Code {
    match error {
        Error::Invalid { .. } => Code::InvalidArgument,
        Error::NotFound(_) => Code::NotFound,
        Error::Refused(_) => Code::FailedPrecondition,
        Error::Overloaded { .. } => Code::ResourceExhausted,
        Error::DeadlineExceeded => Code::DeadlineExceeded,
        Error::NotReady(_) => Code::Unavailable,
        Error::Unauthenticated(_) => Code::Unauthenticated,
        Error::PermissionDenied(_) => Code::PermissionDenied,
        Error::Setup(_) | Error::Model { .. } | Error::Bug(_) => Code::Internal,
    }
}

/// The name of its status code, as the gRPC specification spells it.
pub fn code_name(error: &Error) -> &'static str {
    match code(error) {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// What the caller may read. Internal causes go to the log with the request id, not to the wire.
fn message(error: &Error) -> String {
    match error {
        Error::Setup(_) | Error::Bug(_) => {
            "internal fault; the server's log has the cause under this request id".into()
        }
        Error::Model { model, .. } => format!("model {model} did not answer; the server's log has the cause"),
        Error::Invalid { .. }
        | Error::NotFound(_)
        | Error::Refused(_)
        | Error::Overloaded { .. }
        | Error::DeadlineExceeded
        | Error::NotReady(_)
        | Error::Unauthenticated(_)
        | Error::PermissionDenied(_) => error.to_string(),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The status of a refused call, with `google.rpc` details.
pub fn status(error: &Error, request_id: &str) -> Status {
    let code = code(error);
    if code == Code::Internal {
        tracing::error!(request_id, %error, "a request failed");
    }
    let mut details = ErrorDetails::new();
    let mut retry_after = None;
    if let Error::Invalid { field, message } = error {
        details.add_bad_request_violation(field, message);
    }
    if let Error::Overloaded { retry_after: delay, .. } = error {
        details.set_retry_info(Some(*delay));
        retry_after = Some(milliseconds(*delay));
    }
    let mut status = Status::with_error_details(code, message(error), details);
    if let Some(delay) = retry_after {
        status.metadata_mut().insert("retry-after-ms", MetadataValue::from(delay));
    }
    status
}

/// The error of one item of a batch or stream.
pub fn item_error(error: &Error, request_id: &str) -> proto::ItemError {
    if code(error) == Code::Internal {
        tracing::error!(request_id, %error, "an item failed");
    }
    let field = if let Error::Invalid { field, .. } = error { field.clone() } else { String::new() };
    let retry_after_ms = if let Error::Overloaded { retry_after, .. } = error { milliseconds(*retry_after) } else { 0 };
    proto::ItemError { code: code(error).into(), message: message(error), field, retry_after_ms }
}
