//! Bytes of messages that are arriving, decoded and rated, counted over all calls. Where they would become too many, the largest
//! message that is not whole yet is given up: small ones always pass, and nothing waits for what never comes.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

use parking_lot::Mutex;
use wildwarden_core::error::{Error, Full};

/// The setting that says how many there may be.
const KEY: &str = "limits.max_bytes_in_flight";
/// The delay that a caller is told.
const RETRY: std::time::Duration = std::time::Duration::from_millis(250);
/// One caller may have so much of all: one over this.
const PART_OF_A_CALLER: usize = 2;

/// What all calls hold together.
#[derive(Debug)]
pub struct Ledger {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    next: u64,
    calls: HashMap<u64, Call>,
}

#[derive(Debug)]
struct Call {
    caller: Arc<str>,
    held: usize,
    /// No message of it is on its way.
    whole: bool,
    /// It was given up; its reader is told when it looks next.
    cut: bool,
    waker: Option<Waker>,
}

/// What one call holds: given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    ledger: Arc<Ledger>,
    id: u64,
}

impl Ledger {
    /// At most `most` bytes.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, state: Mutex::default() })
    }

    /// A call of that caller, which holds nothing yet.
    pub fn open(self: &Arc<Self>, caller: Arc<str>) -> Held {
        let mut state = self.state.lock();
        state.next += 1;
        let id = state.next;
        state.calls.insert(id, Call { caller, held: 0, whole: true, cut: false, waker: None });
        Held { ledger: Arc::clone(self), id }
    }

    /// Bytes that may be held.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Bytes that are held now.
    pub fn used(&self) -> usize {
        self.state.lock().used
    }

    /// What a call is told that is given up.
    pub fn full(&self) -> Error {
        Error::Overloaded { why: Full::Bytes { most: self.most, key: KEY }, retry_after: RETRY }
    }
}

impl State {
    /// Gives up the largest unfinished call of `caller`, or of anybody; what it held is free, once its reader has looked.
    fn cut_largest(&mut self, caller: Option<&Arc<str>>) -> Option<u64> {
        let open = self.calls.iter_mut().filter(|(_, call)| !call.whole && !call.cut && call.held > 0);
        let of_caller = open.filter(|(_, call)| caller.is_none_or(|caller| call.caller == *caller));
        let (id, call) = of_caller.max_by_key(|(id, call)| (call.held, **id))?;
        self.used -= call.held;
        (call.held, call.cut) = (0, true);
        call.waker.take().into_iter().for_each(Waker::wake);
        Some(*id)
    }

    fn used_by(&self, caller: &Arc<str>) -> usize {
        self.calls.values().filter(|call| call.caller == *caller).map(|call| call.held).sum()
    }
}

impl Held {
    /// So many bytes more of an unfinished message came.
    ///
    /// # Errors
    /// [`Error::Overloaded`] when they are too many and no other call is larger, or this one was given up for another.
    pub fn add(&self, bytes: usize) -> Result<(), Error> {
        let mut state = self.ledger.state.lock();
        let Some(call) = state.calls.get_mut(&self.id) else { return Ok(()) };
        if call.cut {
            return Err(self.ledger.full());
        }
        call.whole = false;
        call.held += bytes;
        let caller = Arc::clone(&call.caller);
        state.used += bytes;
        // Only where there is little left: nobody is held to a part of what nobody else wants.
        while state.used > self.ledger.most {
            let greedy = state.used_by(&caller) > self.ledger.most / PART_OF_A_CALLER;
            let cut = state.cut_largest(greedy.then_some(&caller)).or_else(|| state.cut_largest(None));
            if cut.is_none_or(|cut| cut == self.id) {
                return Err(self.ledger.full());
            }
        }
        Ok(())
    }

    /// The message is whole.
    pub fn whole(&self) {
        if let Some(call) = self.ledger.state.lock().calls.get_mut(&self.id) {
            call.whole = true;
        }
    }

    /// So many bytes are no longer held.
    pub fn give_back(&self, bytes: usize) {
        let mut state = self.ledger.state.lock();
        let Some(call) = state.calls.get_mut(&self.id) else { return };
        let freed = bytes.min(call.held);
        call.held -= freed;
        state.used -= freed;
    }

    /// Whether it was given up; if not yet, `waker` is told when it is.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub fn check(&self, waker: &Waker) -> Result<(), Error> {
        let mut state = self.ledger.state.lock();
        let Some(call) = state.calls.get_mut(&self.id) else { return Ok(()) };
        if call.cut {
            return Err(self.ledger.full());
        }
        call.waker = Some(waker.clone());
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.ledger.state.lock();
        if let Some(call) = state.calls.remove(&self.id) {
            state.used -= call.held;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    #[test]
    fn the_largest_unfinished_message_is_given_up_and_a_small_one_passes() {
        let ledger = Ledger::new(1000);
        let (large, larger, small) = (ledger.open(caller("a")), ledger.open(caller("b")), ledger.open(caller("c")));
        large.add(400).unwrap();
        larger.add(500).unwrap();
        small.add(150).unwrap();
        assert!(larger.check(Waker::noop()).is_err() && larger.add(1).is_err());
        assert!(large.check(Waker::noop()).is_ok() && small.check(Waker::noop()).is_ok());
        assert_eq!(ledger.used(), 550);
        drop((large, small));
        assert_eq!(ledger.used(), 0);
    }

    #[test]
    fn of_a_caller_that_holds_more_than_half_its_own_messages_go_first() {
        let ledger = Ledger::new(1000);
        let polite = ledger.open(caller("polite"));
        polite.add(400).unwrap();
        let flood: Vec<Held> = (0..7).map(|_| ledger.open(caller("flood"))).collect();
        let refused = flood.iter().filter(|held| held.add(100).is_err()).count();
        assert!(polite.check(Waker::noop()).is_ok(), "it holds less than half");
        let cut = flood.iter().filter(|held| held.check(Waker::noop()).is_err()).count();
        assert!(cut >= 1 && refused <= cut && ledger.used() <= 1000, "{refused} {cut} {}", ledger.used());
    }

    #[test]
    fn what_is_whole_is_not_given_up_and_the_next_is_refused() {
        let ledger = Ledger::new(1000);
        let rated = ledger.open(caller("a"));
        rated.add(900).unwrap();
        rated.whole();
        let next = ledger.open(caller("b"));
        assert!(next.add(200).is_err());
        assert!(rated.check(Waker::noop()).is_ok());
        rated.give_back(500);
        assert!(ledger.open(caller("b")).add(200).is_ok());
        drop(next);
        assert_eq!(ledger.used(), 400);
    }
}
