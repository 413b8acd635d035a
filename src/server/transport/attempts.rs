//! Wrong keys, counted by where they come from: guessing must not be free.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use wildwarden_core::error::{Error, Full};

use crate::transport::origin::{From, network};

/// Wrong keys that an address may send within [`WINDOW`].
const MOST: u64 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered, those that began last: whoever has more of them has more attempts.
const REMEMBERED: usize = 4096;

/// Who sent how many wrong keys of late.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<Remembered>);

/// A window each, which begins with the first wrong key.
#[derive(Debug, Default)]
struct Remembered {
    counts: HashMap<String, (Instant, u64)>,
    /// In the order in which their windows began, and so in which they end.
    order: VecDeque<String>,
}

impl Remembered {
    /// Forgets whose window is over.
    fn expire(&mut self) {
        while let Some((since, _)) = self.order.front().and_then(|name| self.counts.get(name)) {
            if since.elapsed() < WINDOW {
                return;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(name) = self.order.pop_front() {
            self.counts.remove(&name);
        }
    }

    /// How many wrong keys it has sent with this one.
    fn count(&mut self, name: &str) -> u64 {
        self.expire();
        if let Some((_, count)) = self.counts.get_mut(name) {
            *count += 1;
            return *count;
        }
        if self.order.len() >= REMEMBERED {
            self.forget_oldest();
        }
        self.order.push_back(name.to_owned());
        self.counts.insert(name.to_owned(), (Instant::now(), 1));
        1
    }
}

impl Attempts {
    /// Whether that address may try a key.
    ///
    /// # Errors
    /// [`Error::Overloaded`] with the time until it may again.
    pub fn may_try(&self, from: &From) -> Result<(), Error> {
        let Some(name) = name(from) else { return Ok(()) };
        let attempts = self.0.lock();
        let Some((since, count)) = attempts.counts.get(&name).copied() else { return Ok(()) };
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
        let attempts = self.0.lock().count(&name);
        if attempts == 1 || attempts == MOST {
            tracing::warn!(from = name, attempts, %error, "a caller was not let in");
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
        let from = |peer: &str| From { peer: Some(peer.parse().unwrap()), ..From::default() };
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

    #[tokio::test(start_paused = true)]
    async fn no_more_addresses_than_a_bound_are_remembered_and_the_oldest_is_forgotten() {
        let attempts = Attempts::default();
        let from = |number: usize| {
            let peer = format!("2001:db8:{:x}:{:x}::1", number / 0x1_0000, number % 0x1_0000);
            From { peer: Some(std::net::SocketAddr::new(peer.parse().unwrap(), 5)), ..From::default() }
        };
        let wrong = Error::Unauthenticated("the key is not known".into());
        for number in 0..REMEMBERED {
            (0..MOST).for_each(|_| attempts.failed(&from(number), &wrong));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        attempts.may_try(&from(0)).unwrap_err();
        attempts.failed(&from(REMEMBERED), &wrong);
        attempts.may_try(&from(0)).unwrap();
        attempts.may_try(&from(1)).unwrap_err();
        for number in 0..10 * REMEMBERED {
            attempts.failed(&from(number), &wrong);
        }
        let remembered = attempts.0.lock();
        assert_eq!((remembered.counts.len(), remembered.order.len()), (REMEMBERED, REMEMBERED));
    }
}
