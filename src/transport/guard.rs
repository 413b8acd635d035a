//! What happens before a handler: credentials, the caller's deadline, and the status of oversized messages.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use tonic::service::Interceptor;
use tonic::{Code, Request, Status};

use crate::config::{ApiKey, Role};
use crate::error::Error;
use crate::model::manifest::hex_sha256;
use crate::schedule::Deadline;
use crate::transport::status::{bounded, status};

/// How much earlier than the caller's deadline the answer DEADLINE_EXCEEDED is given, at most; an eighth of a short one.
const LEAD: Duration = Duration::from_millis(5);

/// Methods that need no key, as health does.
const OPEN: [&str; 2] = ["/inference.GRPCInferenceService/ServerLive", "/inference.GRPCInferenceService/ServerReady"];

/// Marks a request for one of [`OPEN`]: a guard does not see which method is called.
#[derive(Debug, Clone, Copy)]
struct Open;

/// Roles of the caller; `None`: no keys are configured, everything is allowed.
#[derive(Debug, Clone)]
struct Caller(Option<Vec<Role>>);

/// Checks credentials and notes the deadline of every call of a service.
#[derive(Debug, Clone)]
pub struct Guard {
    keys: Arc<[ApiKey]>,
}

impl Guard {
    /// A guard that lets callers with one of `keys` pass; everybody when there are none.
    pub fn new(keys: &[ApiKey]) -> Self {
        Self { keys: keys.into() }
    }

    fn caller(&self, request: &Request<()>) -> Result<Caller, Error> {
        if self.keys.is_empty() {
            return Ok(Caller(None));
        }
        if request.extensions().get::<Open>().is_some() {
            return Ok(Caller(Some(Vec::new())));
        }
        let header = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let Some(key) = header.and_then(|value| value.strip_prefix("Bearer ")) else {
            return Err(Error::Unauthenticated("send `authorization: Bearer <key>`".into()));
        };
        // Hashes are compared, not keys: how long it takes tells nothing of the key.
        let hash = hex_sha256(key.trim().as_bytes());
        let known = self.keys.iter().find(|known| known.sha256 == hash);
        known
            .map(|known| Caller(Some(known.roles.clone())))
            .ok_or_else(|| Error::Unauthenticated("the key is not known".into()))
    }
}

impl Interceptor for Guard {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let caller = self.caller(&request).map_err(|error| status(&error, ""))?;
        // The transport starts its own timer, which answers CANCELLED, right after this call. A deadline a little earlier
        // is answered DEADLINE_EXCEEDED, also when the machine is busy and the handler is woken late.
        let timeout = request.metadata().get("grpc-timeout").and_then(|value| parse_timeout(value.to_str().ok()?));
        let answer_within = |timeout: Duration| timeout - (timeout / 8).min(LEAD);
        let deadline = Deadline(timeout.and_then(|timeout| Instant::now().checked_add(answer_within(timeout))));
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(deadline);
        Ok(request)
    }
}

/// Lets the guard see that the request needs no key.
pub fn mark_open<B>(mut request: http::Request<B>) -> http::Request<B> {
    if OPEN.contains(&request.uri().path()) {
        request.extensions_mut().insert(Open);
    }
    request
}

/// The deadline the guard noted.
pub fn deadline_of<T>(request: &Request<T>) -> Deadline {
    request.extensions().get::<Deadline>().copied().unwrap_or_default()
}

/// Checks that the caller has `role`. Without keys everybody has every role but [`Role::Admin`].
///
/// # Errors
/// [`Error::PermissionDenied`] otherwise.
pub fn require<T>(request: &Request<T>, role: Role) -> Result<(), Error> {
    match request.extensions().get::<Caller>() {
        Some(Caller(Some(roles))) if !roles.contains(&role) => {
            Err(Error::PermissionDenied(format!("the key does not have the role {role:?}").to_lowercase()))
        }
        Some(Caller(None)) if role == Role::Admin => Err(Error::PermissionDenied(
            "only a key with the role admin allows this, and none is set up (auth.keys)".into(),
        )),
        _ => Ok(()),
    }
}

/// Checks that the caller may operate, on the operators' own listener: who reaches it is one, unless there are keys.
///
/// # Errors
/// [`Error::PermissionDenied`] when there are keys, and the caller's does not have the role admin.
pub fn require_operator<T>(request: &Request<T>) -> Result<(), Error> {
    if matches!(request.extensions().get::<Caller>(), Some(Caller(None))) {
        return Ok(());
    }
    require(request, Role::Admin)
}

/// `grpc-timeout`: at most 8 digits and a unit, as in "250m" (gRPC over HTTP/2).
fn parse_timeout(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let amount: u64 = (digits.len() <= 8).then(|| digits.parse().ok())??;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// Gives faults that the transport finds by itself the status the contract promises: it answers OUT_OF_RANGE to a message
/// over the limit and INTERNAL to one that does not decode, bad UTF-8 for example. Both are the caller's to mend.
pub fn blame_caller(broken: Status, max_message_bytes: usize) -> Status {
    let too_large = |message: &str| message.starts_with("Error decompressing: size limit");
    if broken.code() == Code::OutOfRange || too_large(broken.message()) {
        Status::invalid_argument(message_limit(max_message_bytes))
    } else if broken.code() == Code::Internal
        && ["failed to decode", "Error decompressing"].iter().any(|fault| broken.message().starts_with(fault))
    {
        Status::invalid_argument(bounded(broken.message().to_owned()))
    } else {
        broken
    }
}

/// As [`blame_caller`], for a response that is nothing but a status.
pub fn blame_caller_in_headers(headers: &mut HeaderMap, max_message_bytes: usize) {
    let Some(broken) = Status::from_header_map(headers) else { return };
    let code = broken.code();
    let mended = blame_caller(broken, max_message_bytes);
    if mended.code() == code {
        return;
    }
    // Written to a map of its own first, which escapes the message.
    let mut fresh = HeaderMap::new();
    if mended.add_header(&mut fresh).is_ok() {
        for name in ["grpc-status", "grpc-message"] {
            if let Some(value) = fresh.remove(name) {
                headers.insert(name, value);
            }
        }
    }
}

fn message_limit(max_message_bytes: usize) -> String {
    format!("message: larger than the limit of {max_message_bytes} bytes (limits.max_message_bytes)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_in_every_unit_and_nonsense_is_none() {
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_timeout("2H"), Some(Duration::from_secs(7200)));
        for nonsense in ["", "m", "12", "123456789m", "-1S", "5x", "五S"] {
            assert_eq!(parse_timeout(nonsense), None, "{nonsense}");
        }
    }
}
