//! What happens before a handler: credentials, the caller's deadline, and the status of oversized messages.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::time::Instant;
use tonic::{Code, Status};
use wildwarden_core::config::{ApiKey, Expiry, Openly, Role};
use wildwarden_core::error::Error;
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_core::schedule::Deadline;

use crate::transport::attempts::Attempts;
use crate::transport::methods::Access;
use crate::transport::origin::From;
use crate::transport::status::bounded;

/// How much earlier than the caller's deadline the answer DEADLINE_EXCEEDED is given, at most; an eighth of a short one.
const LEAD: Duration = Duration::from_millis(5);

/// Checks credentials.
#[derive(Debug, Clone)]
pub struct Guard {
    keys: Arc<[ApiKey]>,
    openly: Arc<[Openly]>,
    attempts: Arc<Attempts>,
}

impl Guard {
    /// A guard that lets callers with one of `keys` pass, and everybody when there are none, or to what is open.
    pub fn new(keys: &[ApiKey], openly: &[Openly]) -> Self {
        Self { keys: keys.into(), openly: openly.into(), attempts: Arc::default() }
    }

    /// The key of the caller who sent `headers` or showed a certificate with that hash, which has `access`; none is needed where there are
    /// none, or for what is open.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] without a known key where there are keys, or with one that has expired; [`Error::PermissionDenied`] when
    /// the key lacks the role, or when nobody can have it; [`Error::Overloaded`] after too many wrong keys from that address.
    pub fn check(&self, access: Access, headers: &HeaderMap, from: &From) -> Result<Option<&ApiKey>, Error> {
        if self.keys.is_empty() {
            return match access {
                Access::Holder(Role::Admin) => Err(Error::PermissionDenied(
                    "only a key with the role admin allows this, and none is set up (auth.keys)".into(),
                )),
                Access::Open(_) | Access::Holder(_) | Access::Operator => Ok(None),
            };
        }
        let role = match access {
            Access::Open(what) if self.openly.contains(&what) => return Ok(None),
            Access::Open(_) => None,
            Access::Holder(role) => Some(role),
            Access::Operator => Some(Role::Admin),
        };
        self.attempts.may_try(from)?;
        let known = self.known(headers, from).inspect_err(|error| self.attempts.failed(from, error))?;
        match role {
            Some(role) if !known.allows(role) => {
                Err(Error::PermissionDenied(format!("the key does not have the role {role:?}").to_lowercase()))
            }
            Some(_) | None => Ok(Some(known)),
        }
    }

    fn known(&self, headers: &HeaderMap, from: &From) -> Result<&ApiKey, Error> {
        let shown = |key: &&ApiKey| from.certificate.as_ref().is_some_and(|shown| **shown == *key.certificate_sha256);
        let known = match headers.get(AUTHORIZATION) {
            None => self.keys.iter().find(shown).ok_or_else(|| {
                let told = if from.certificate.is_some() { "the certificate is not known; " } else { "" };
                Error::Unauthenticated(format!("{told}send `authorization: Bearer <key>`"))
            })?,
            Some(header) => {
                // The scheme is the same in any case (RFC 9110, 11.1).
                let is_bearer = |scheme: &str| scheme.eq_ignore_ascii_case("bearer");
                let key = header.to_str().ok().and_then(|value| value.split_once(' '));
                let (_, key) = key
                    .filter(|(scheme, _)| is_bearer(scheme))
                    .ok_or_else(|| Error::Unauthenticated("send `authorization: Bearer <key>`".into()))?;
                // Hashes are compared, not keys: how long it takes tells nothing of the key.
                let hash = hex_sha256(key.trim().as_bytes());
                let known = self.keys.iter().find(|known| known.sha256 == hash);
                known.ok_or_else(|| Error::Unauthenticated("the key is not known".into()))?
            }
        };
        if known.expires.is_some_and(Expiry::has_passed) {
            return Err(Error::Unauthenticated(format!("the key {} has expired (auth.keys)", known.name)));
        }
        Ok(known)
    }
}

/// Until when the caller who sent `headers` waits.
///
/// The transport starts its own timer, which answers CANCELLED, right after this call. A deadline a little earlier is answered
/// DEADLINE_EXCEEDED, also when the machine is busy and the handler is woken late.
pub fn deadline(headers: &HeaderMap) -> Deadline {
    let timeout = headers.get("grpc-timeout").and_then(|value| parse_timeout(value.to_str().ok()?));
    let answer_within = |timeout: Duration| timeout - (timeout / 8).min(LEAD);
    Deadline(timeout.and_then(|timeout| Instant::now().checked_add(answer_within(timeout))))
}

/// The longest that a caller over HTTP can say it waits.
const MOST_TIMEOUT_MS: u64 = 86_400_000;

/// As [`deadline`], of a call over HTTP: `x-timeout-ms`, whole milliseconds from when it came.
///
/// # Errors
/// [`Error::Invalid`] for what is no such number: who asks for a deadline must not wait without one.
pub fn http_deadline(headers: &HeaderMap) -> Result<Deadline, Error> {
    let mut all = headers.get_all("x-timeout-ms").iter();
    let Some(given) = all.next() else { return Ok(Deadline(None)) };
    if all.next().is_some() {
        return Err(Error::invalid("x-timeout-ms", "is there more than once"));
    }
    let digits = given.to_str().ok().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    let ms = digits.and_then(|value| value.parse().ok()).filter(|ms| *ms <= MOST_TIMEOUT_MS);
    let ms = ms.ok_or_else(|| {
        Error::invalid("x-timeout-ms", format!("{given:?} is no number of milliseconds from 0 to {MOST_TIMEOUT_MS}"))
    })?;
    Ok(Deadline(Instant::now().checked_add(Duration::from_millis(ms))))
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
pub fn as_invalid_argument(broken: Status, max_message_bytes: usize) -> Status {
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

/// As [`as_invalid_argument`], for a response that is nothing but a status.
pub fn as_invalid_argument_in_headers(headers: &mut HeaderMap, max_message_bytes: usize) {
    let Some(broken) = Status::from_header_map(headers) else { return };
    let code = broken.code();
    let mended = as_invalid_argument(broken, max_message_bytes);
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
    fn keys_open_what_their_roles_say() {
        let key = |key: &str, roles: Vec<Role>| ApiKey {
            name: key.into(),
            sha256: hex_sha256(key.as_bytes()),
            roles,
            weight: 1,
            certificate_sha256: String::new(),
            expires: None,
        };
        let sent = |key: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, format!("Bearer {key}").parse().unwrap());
            headers
        };
        let (classify, admin) = (Access::Holder(Role::Classify), Access::Holder(Role::Admin));
        let nobody = HeaderMap::new();
        let without = Guard::new(&[], &[]);
        assert!(
            without.check(classify, &nobody, &From::default()).is_ok()
                && without.check(Access::Operator, &nobody, &From::default()).is_ok()
        );
        assert!(matches!(without.check(admin, &sent("a"), &From::default()), Err(Error::PermissionDenied(_))));
        let keys = [key("a", vec![Role::Classify]), key("b", vec![Role::Admin]), key("m", vec![Role::Metrics])];
        let with = Guard::new(&keys, &[Openly::Health]);
        let check = |access, sent: &HeaderMap| with.check(access, sent, &From::default()).map(drop);
        assert!(check(Access::Open(Openly::Health), &nobody).is_ok());
        let reflection = Access::Open(Openly::Reflection);
        assert!(matches!(check(reflection, &nobody), Err(Error::Unauthenticated(_))));
        assert!(check(reflection, &sent("a")).is_ok() && check(reflection, &sent("m")).is_ok());
        assert!(
            check(Access::Holder(Role::Metrics), &sent("m")).is_ok()
                && check(Access::Holder(Role::Metrics), &sent("b")).is_ok()
        );
        assert!(matches!(check(Access::Holder(Role::Metrics), &sent("a")), Err(Error::PermissionDenied(_))));
        assert!(matches!(check(Access::Operator, &sent("m")), Err(Error::PermissionDenied(_))));
        for access in [classify, admin, Access::Operator] {
            assert!(matches!(with.check(access, &nobody, &From::default()), Err(Error::Unauthenticated(_))));
            assert!(matches!(with.check(access, &sent("c"), &From::default()), Err(Error::Unauthenticated(_))));
        }
        assert_eq!(with.check(classify, &sent("a"), &From::default()).unwrap().unwrap().name, "a");
        let mut lower = HeaderMap::new();
        lower.insert(AUTHORIZATION, "bearer a".parse().unwrap());
        assert!(with.check(classify, &lower, &From::default()).is_ok(), "the scheme is the same in any case");
        assert!(
            with.check(classify, &sent("a"), &From::default()).is_ok()
                && with.check(Access::Operator, &sent("b"), &From::default()).is_ok()
        );
        assert!(matches!(with.check(Access::Operator, &sent("a"), &From::default()), Err(Error::PermissionDenied(_))));
        assert!(matches!(with.check(classify, &sent("b"), &From::default()), Err(Error::PermissionDenied(_))));
    }

    #[test]
    fn timeouts_are_read_in_every_unit_and_nonsense_is_none() {
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_timeout("2H"), Some(Duration::from_secs(7200)));
        for nonsense in ["", "m", "12", "123456789m", "-1S", "5x", "五S"] {
            assert_eq!(parse_timeout(nonsense), None, "{nonsense}");
        }
    }
}
