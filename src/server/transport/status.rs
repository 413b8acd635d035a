//! The one place where an error becomes a gRPC status. No wildcard arm: a new error must be thought about here.

use std::collections::HashMap;
use std::time::Duration;

use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use wildwarden_core::error::{Error, Full};
use wildwarden_proto::v1 as proto;

/// Whose reasons these are (`google.rpc.ErrorInfo`).
const DOMAIN: &str = "wildwarden";

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
        Error::Setup { .. } | Error::Model { .. } | Error::Bug(_) => Code::Internal,
    }
}

/// The name of its status code, as the gRPC specification spells it.
pub fn error_code_name(error: &Error) -> &'static str {
    code_name(code(error))
}

/// The name of a status code, as the gRPC specification spells it.
pub fn code_name(code: Code) -> &'static str {
    match code {
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

/// Bytes of a message that leave the server. Clients take headers of 8 KiB, in which each byte may take three, and details
/// repeat the message.
const MOST_MESSAGE_BYTES: usize = 1024;

/// A message that repeats what a caller sent, cut to a length that headers hold: its start, and its end, which says what is
/// allowed.
pub fn bounded(message: String) -> String {
    if message.len() <= MOST_MESSAGE_BYTES {
        return message;
    }
    let start = message.floor_char_boundary(MOST_MESSAGE_BYTES / 2);
    let end = message.ceil_char_boundary(message.len() - MOST_MESSAGE_BYTES / 4);
    let (start, left_out, end) = (message.get(..start), end - start, message.get(end..));
    format!("{} ... ({left_out} bytes left out) ... {}", start.unwrap_or_default(), end.unwrap_or_default())
}

/// What the caller may read, bounded. Internal causes go to the log, with the request id where there is one, not to the wire.
fn message(error: &Error, request_id: &str) -> String {
    bounded(match error {
        Error::Setup { .. } | Error::Bug(_) if request_id.is_empty() => {
            "internal fault; the server's log has the cause".into()
        }
        Error::Setup { .. } | Error::Bug(_) => {
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
    })
}

/// Why, in a word that does not change when the message does.
pub fn reason(error: &Error) -> &'static str {
    match error {
        Error::Invalid { .. } => "FIELD_INVALID",
        Error::NotFound(_) => "NOT_FOUND",
        Error::Refused(_) => "REFUSED",
        Error::Overloaded { why, .. } => match why {
            Full::Places { .. } => "QUEUE_FULL",
            Full::Wait { .. } => "WAIT_TOO_LONG",
            Full::Late { .. } => "WOULD_BE_LATE",
            Full::Caller { .. } => "CALLER_LIMIT",
            Full::Bytes { .. } => "MEMORY_LIMIT",
        },
        Error::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Error::NotReady(_) => "NOT_READY",
        Error::Unauthenticated(_) => "UNAUTHENTICATED",
        Error::PermissionDenied(_) => "PERMISSION_DENIED",
        Error::Model { .. } => "MODEL_FAILED",
        Error::Setup { .. } | Error::Bug(_) => "INTERNAL",
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The status of a refused call, with `google.rpc` details. `request_id`: empty where there is none.
pub fn status(error: &Error, request_id: &str) -> Status {
    if code(error) == Code::Internal {
        tracing::error!(request_id, %error, "a request failed");
    }
    detailed(error, request_id)
}

/// As [`status`], for a call without a request id: the log names its RPC.
pub fn rpc_status(error: &Error, rpc: &str) -> Status {
    if code(error) == Code::Internal {
        tracing::error!(rpc, %error, "a request failed");
    }
    detailed(error, "")
}

fn detailed(error: &Error, request_id: &str) -> Status {
    let mut details = ErrorDetails::with_error_info(reason(error), DOMAIN, HashMap::new());
    let mut retry_after = None;
    if let Error::Invalid { field, message } = error {
        details.add_bad_request_violation(bounded(field.clone()), bounded(message.clone()));
    }
    if let Error::Overloaded { retry_after: delay, .. } = error {
        details.set_retry_info(Some(*delay));
        retry_after = Some(milliseconds(*delay));
    }
    let mut status = Status::with_error_details(code(error), message(error, request_id), details);
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
    let field = if let Error::Invalid { field, .. } = error { bounded(field.clone()) } else { String::new() };
    let retry_after_ms = if let Error::Overloaded { retry_after, .. } = error { milliseconds(*retry_after) } else { 0 };
    proto::ItemError { code: code(error).into(), message: message(error, request_id), field, retry_after_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_repeats_what_the_caller_sent_is_cut_and_keeps_start_and_end() {
        let error = Error::invalid("parameters.".to_owned() + &"牙".repeat(20_000), "x".repeat(60_000) + ", but 3 is");
        let refused = status(&error, "");
        assert!(refused.message().len() <= MOST_MESSAGE_BYTES && refused.details().len() < 4 * MOST_MESSAGE_BYTES);
        assert!(refused.message().starts_with("parameters.牙") && refused.message().ends_with(", but 3 is"));
        let item = item_error(&error, "");
        assert!(item.message.len() <= MOST_MESSAGE_BYTES && item.field.len() <= MOST_MESSAGE_BYTES);
        assert_eq!(bounded("short".into()), "short");
    }

    #[test]
    fn only_who_has_a_request_id_is_told_to_look_under_it() {
        let error = Error::Bug("a secret".into());
        assert!(status(&error, "7").message().ends_with("under this request id"));
        for refused in [status(&error, ""), rpc_status(&error, "ListModels")] {
            assert_eq!(refused.message(), "internal fault; the server's log has the cause");
        }
    }
}
