//! What calls tell the thread that loads, and what both share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;
use wildwarden_core::config::Config;
use wildwarden_core::error::Result;
use wildwarden_core::pipeline::traffic::Share;

use super::plan::Target;
use super::state::State;

/// What calls and the keeper's thread share.
#[derive(Debug)]
pub(super) struct Common {
    pub state: Mutex<State>,
    pub stop: AtomicBool,
    /// The thread was told of a change and has not looked yet: a copy makes many, and one message is enough.
    pub changed: AtomicBool,
}

impl Common {
    pub(super) fn tell_of_change(&self, orders: &SyncSender<Order>) {
        if !self.changed.swap(true, Ordering::Relaxed) && orders.try_send(Order::Changed).is_err() {
            self.changed.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// A file changed.
    Changed,
    /// Look at everything now, with this configuration if one is given.
    Reload(Option<Box<Config>>, Reply),
    /// Load versions and keep them.
    Load(Target, Reply),
    /// Put versions in service; none: the candidate.
    Promote(Option<Target>, Reply),
    /// Try versions on a share.
    Try { target: Target, share: Share, shadow: bool, reply: Reply },
    /// Write down what was decided.
    Remember,
    /// End.
    Stop,
}

pub(super) type Reply = oneshot::Sender<Result<()>>;
