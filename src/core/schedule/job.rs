//! What is queued: how urgent it is, when it is too late, and what it may be run with.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::claim::Claim;

/// When the caller stops waiting; `None`: never.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deadline(pub Option<Instant>);

impl Deadline {
    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|at| Instant::now() >= at)
    }
}

/// Who asks: each caller has a share of the workers, whatever others send.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Name of its key, or its address; empty: this program itself.
    pub name: Arc<str>,
    /// Its share, in relation to those of others; at least 1.
    pub weight: u32,
}

impl Default for Caller {
    fn default() -> Self {
        Self { name: Arc::from(""), weight: 1 }
    }
}

/// For whom, and until when.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Who asks.
    pub caller: Caller,
    /// How urgent it is.
    pub priority: Priority,
    /// When the answer comes too late.
    pub deadline: Deadline,
    /// It waits however long it takes: work that this program sets itself.
    pub patient: bool,
    /// What traces know the call by; `None`: it is in none.
    pub trace_id: Option<Arc<str>>,
}

/// Number of the kinds of jobs that differ in what they cost.
pub const COST_CLASSES: usize = 8;

/// How full the queue is: what waits, as a share of what may: in jobs, in time to wait, or in time waited, whichever is most. Above 1 when
/// an idle queue took a listing larger than itself, or bulk waits behind interactive work.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Load(pub f64);

/// What waits behind a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Behind {
    /// Of others.
    pub load: Load,
    /// How long the workers have to do with what came with the batch, without what is left out under load: the rest of its listing.
    pub rest: Duration,
}

/// Tells what waits behind a batch now.
pub type AskBehind<'a> = &'a dyn Fn() -> Behind;

/// Who waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// Somebody waits for this one answer.
    #[default]
    Interactive,
    /// One of many; goes after interactive work, but never waits for it without end.
    Bulk,
}

/// How jobs of one kind are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRule {
    /// Jobs in one batch, at least 1.
    pub max_batch: usize,
    /// How long the first job of a batch may wait for others; zero: take what has queued while the workers were busy.
    pub max_wait: Duration,
}

/// Something a worker can run, alone or with others of its lane.
pub trait Batchable {
    /// Jobs with equal lanes may be run in one batch.
    type Lane: PartialEq;

    /// The job's lane.
    fn lane(&self) -> Self::Lane;

    /// Which of the [`COST_CLASSES`] kinds it is.
    fn cost_class(&self) -> usize;

    /// How jobs of this lane are put together.
    fn rule(&self) -> BatchRule;

    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;

    /// The ticket that its reply answers.
    fn claim(&self) -> Arc<dyn Claim>;
}
