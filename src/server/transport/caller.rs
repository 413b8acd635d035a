//! Calls that each caller has under way, and begins a second.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use wildwarden_core::error::{Error, Full};

/// The settings that say how many there may be.
const AT_ONCE: &str = "server.max_calls_of_a_caller";
const A_SECOND: &str = "server.max_calls_per_second_of_a_caller";
/// When to come back where nobody knows when one of the calls under way ends.
const SOON: Duration = Duration::from_millis(100);
/// Callers that are remembered before those who have nothing under way and owe no time are looked for.
const REMEMBERED: usize = 1024;
const SECOND: Duration = Duration::from_secs(1);

/// Who has how many.
#[derive(Debug)]
pub struct Callers {
    at_once: usize,
    /// Time that a call takes off a caller's second; `None`: none.
    a_call: Option<(Duration, u32)>,
    all: Arc<Mutex<HashMap<Arc<str>, Calls>>>,
}

/// Of one caller.
#[derive(Debug)]
struct Calls {
    under_way: usize,
    /// Until when its calls so far are enough. Up to a second ahead of now: then it has begun as many as it may.
    enough_until: Instant,
}

impl Calls {
    fn is_idle(&self, now: Instant) -> bool {
        self.under_way == 0 && self.enough_until <= now
    }
}

/// A call's place, given up when it is dropped.
#[derive(Debug)]
pub struct Place {
    all: Arc<Mutex<HashMap<Arc<str>, Calls>>>,
    name: Arc<str>,
}

impl Callers {
    /// Each has at most `at_once` under way, and begins at most `a_second`; 0: any number.
    pub fn new(at_once: usize, a_second: u32) -> Self {
        let a_call = (a_second > 0).then(|| (SECOND / a_second, a_second));
        Self { at_once, a_call, all: Arc::default() }
    }

    /// Calls under way, of all.
    pub fn under_way(&self) -> usize {
        self.all.lock().values().map(|calls| calls.under_way).sum()
    }

    /// One more of that caller.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when it has as many as it may.
    pub fn enter(&self, name: &Arc<str>) -> Result<Place, Error> {
        let now = Instant::now();
        let mut all = self.all.lock();
        if all.len() >= REMEMBERED && !all.contains_key(name) {
            all.retain(|_, calls| !calls.is_idle(now));
        }
        let calls = all.entry(Arc::clone(name)).or_insert(Calls { under_way: 0, enough_until: now });
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let refused = |what, found, most, key, retry_after| {
            let why = Full::Caller { name: name.to_string(), what, found, most, key };
            Err(Error::Overloaded { why, retry_after })
        };
        if calls.under_way >= self.at_once {
            return refused("calls under way", number(calls.under_way), number(self.at_once), AT_ONCE, SOON);
        }
        if let Some((a_call, a_second)) = self.a_call {
            let begins = calls.enough_until.max(now) + a_call;
            let ahead = begins.saturating_duration_since(now);
            if ahead > SECOND {
                let most = u64::from(a_second);
                return refused("calls in a second", most, most, A_SECOND, ahead - SECOND);
            }
            calls.enough_until = begins;
        }
        calls.under_way += 1;
        Ok(Place { all: Arc::clone(&self.all), name: Arc::clone(name) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut all = self.all.lock();
        if let Some(calls) = all.get_mut(&self.name) {
            calls.under_way -= 1;
            if calls.is_idle(now) {
                all.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_many_calls_and_others_have_theirs() {
        let callers = Callers::new(2, 0);
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        let first = callers.enter(&a).unwrap();
        let _second = callers.enter(&a).unwrap();
        let refused = callers.enter(&a).unwrap_err().to_string();
        assert!(refused.contains("a has 2 calls under way") && refused.contains(AT_ONCE), "{refused}");
        let other = callers.enter(&b).unwrap();
        drop(first);
        let _third = callers.enter(&a).unwrap();
        drop(other);
        assert_eq!(callers.all.lock().len(), 1, "who has none is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_begins_so_many_a_second_and_is_told_when_the_next_may() {
        let callers = Callers::new(100, 10);
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        let begun = |name| (0..100).take_while(|_| callers.enter(name).is_ok()).count();
        assert_eq!(begun(&a), 10, "a second's worth at once");
        let Err(Error::Overloaded { why, retry_after }) = callers.enter(&a) else { panic!("it has had its second") };
        assert!(why.to_string().contains(A_SECOND), "{why}");
        assert_eq!(begun(&b), 10, "another has its own");
        tokio::time::advance(retry_after).await;
        assert_eq!(begun(&a), 1, "what was said is true");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(begun(&a), 5);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(begun(&a), 10, "and no more is saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn who_owes_no_time_is_forgotten() {
        let callers = Callers::new(1, 1);
        for number in 0..10 * REMEMBERED {
            drop(callers.enter(&Arc::from(number.to_string())).unwrap());
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        assert!(callers.all.lock().len() <= REMEMBERED);
    }
}
