//! Wrong keys, counted by where they come from: guessing must not be free.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use wildwarden_core::error::{Error, Full};

use crate::transport::origin::{From, network};

/// Wrong keys that an address may send within [`WINDOW`].
const MOST: u64 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered: whoever has more of them has more attempts.
const REMEMBERED: usize = 4096;

/// Who sent how many wrong keys of late.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<String, (Instant, u64)>>);

impl Attempts {
    /// Whether that address may try a key.
    ///
    /// # Errors
    /// [`Error::Overloaded`] with the time until it may again.
    pub fn may_try(&self, from: &From) -> Result<(), Error> {
        let Some(name) = name(from) else { return Ok(()) };
        let attempts = self.0.lock();
        let Some((since, count)) = attempts.get(&name).copied() else { return Ok(()) };
        let left = WINDOW.saturating_sub(since.elapsed());
        if count < MOST || left.is_zero() {
            return Ok(());
        }
        let why = Full::Caller { name, what: "wrong keys", found: count, most: MOST, key: "within a minute" };
        Err(Error::Overloaded { why, retry_after: left })
    }

    /// It tried a wrong one, or none. The log has who, never what.
    pub fn failed(&self, from: &From, error: &Error) {
        let Some(name) = name(from) else { return };
        let mut attempts = self.0.lock();
        if attempts.len() >= REMEMBERED {
            attempts.retain(|_, (since, _)| since.elapsed() < WINDOW);
        }
        let (since, count) = attempts.entry(name.clone()).or_insert((Instant::now(), 0));
        if since.elapsed() >= WINDOW {
            (*since, *count) = (Instant::now(), 0);
        }
        *count += 1;
        if *count == 1 || *count == MOST {
            tracing::warn!(from = name, attempts = *count, %error, "a caller was not let in");
        }
    }
}

/// Of this machine itself nobody is shut out: behind a proxy on it, all callers are one address.
fn name(from: &From) -> Option<String> {
    let address: IpAddr = from.peer?.ip();
    (!address.is_loopback()).then(|| network(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn twenty_wrong_keys_close_the_door_for_a_minute_to_that_address_alone() {
        let attempts = Attempts::default();
        let from = |peer: &str| From { peer: Some(peer.parse().unwrap()), certificate: None };
        let guesser = from("192.0.2.1:5");
        let wrong = Error::Unauthenticated("the key is not known".into());
        for _ in 0..20 {
            attempts.may_try(&guesser).unwrap();
            attempts.failed(&guesser, &wrong);
        }
        let refused = attempts.may_try(&from("192.0.2.1:6")).unwrap_err();
        assert!(refused.to_string().contains("192.0.2.1 has 20 wrong keys"), "{refused}");
        attempts.may_try(&from("192.0.2.2:5")).unwrap();
        tokio::time::advance(Duration::from_secs(61)).await;
        attempts.may_try(&guesser).unwrap();
        attempts.failed(&guesser, &wrong);
        attempts.may_try(&guesser).unwrap();
        for _ in 0..40 {
            attempts.failed(&from("127.0.0.1:5"), &wrong);
        }
        attempts.may_try(&from("127.0.0.1:5")).unwrap();
    }
}
