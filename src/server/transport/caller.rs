//! Calls that each caller has under way.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use wildwarden_core::error::{Error, Full};

/// The setting that says how many there may be.
const KEY: &str = "server.max_calls_of_a_caller";

/// Who has how many.
#[derive(Debug)]
pub struct Callers {
    most: usize,
    under_way: Arc<Mutex<HashMap<Arc<str>, usize>>>,
}

/// A call's place, given up when it is dropped.
#[derive(Debug)]
pub struct Place {
    under_way: Arc<Mutex<HashMap<Arc<str>, usize>>>,
    name: Arc<str>,
}

impl Callers {
    /// Each has at most `most`.
    pub fn new(most: usize) -> Self {
        Self { most, under_way: Arc::default() }
    }

    /// One more of that caller.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when it has as many as it may.
    pub fn enter(&self, name: &Arc<str>) -> Result<Place, Error> {
        let mut under_way = self.under_way.lock();
        let count = under_way.entry(Arc::clone(name)).or_default();
        if *count >= self.most {
            let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            let (found, most) = (number(*count), number(self.most));
            let why = Full::Caller { name: name.to_string(), what: "calls", found, most, key: KEY };
            return Err(Error::Overloaded { why, retry_after: std::time::Duration::from_millis(100) });
        }
        *count += 1;
        Ok(Place { under_way: Arc::clone(&self.under_way), name: Arc::clone(name) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock();
        if let Some(count) = under_way.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_many_calls_and_others_have_theirs() {
        let callers = Callers::new(2);
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        let first = callers.enter(&a).unwrap();
        let _second = callers.enter(&a).unwrap();
        let refused = callers.enter(&a).unwrap_err().to_string();
        assert!(refused.contains("a has 2 calls under way") && refused.contains(KEY), "{refused}");
        let other = callers.enter(&b).unwrap();
        drop(first);
        let _third = callers.enter(&a).unwrap();
        drop(other);
        assert_eq!(callers.under_way.lock().len(), 1, "who has none is forgotten");
    }
}
