//! What a candidate's ratings say beside the stable ones, whichever of the two answered. Keeps counts, differences and times, and the ids of listings whose
//! suggestion flipped; never a listing's content.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::health::work_us;
use crate::domain::{Category, CategoryRating, Rating, Reason, ReasonCode, Suggestion};
use crate::percentile::nearest_rank;

/// Flips that are kept, the newest.
const KEPT_FLIPS: usize = 200;
/// Times and score shifts that are kept, the newest.
const KEPT_VALUES: usize = 10_000;

/// A listing that the two rate differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Flip {
    /// The caller's id of the listing.
    pub listing_id: String,
    /// The id of the call.
    pub request_id: String,
    /// What the stable generation says.
    pub stable: Suggestion,
    /// What the candidate says.
    pub candidate: Suggestion,
    /// The risk that the stable generation sees.
    pub stable_risk: f64,
    /// The risk that the candidate sees.
    pub candidate_risk: f64,
    /// The category whose probability moved most or, when none did, that of the reason.
    pub category: Option<Category>,
    /// The first reason of the stricter rating that the milder one does not have.
    pub reason: Option<ReasonCode>,
}

/// How far a category's probability moved, in absolute terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Whose probability moved.
    pub category: Category,
    /// Mean over all listings compared.
    pub mean: f64,
    /// Of the newest 10 000, 99 of 100 moved no further.
    pub p99: f64,
    /// The furthest.
    pub max: f64,
    /// Mean over all listings compared, candidate less stable.
    pub signed_mean: f64,
}

/// The state of a comparison.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShadowReport {
    /// Listings that both rated.
    pub compared: u64,
    /// Of these, with the same suggestion.
    pub agreed: u64,
    /// Listings the candidate could not rate.
    pub failed: u64,
    /// Listings left out for lack of room, or because the stable generation did not rate them the second time.
    pub dropped: u64,
    /// One entry a category that was rated.
    pub shifts: Vec<Shift>,
    /// Microseconds in the stages, without the wait in the queue: median and 99th percentile of the stable generation,
    /// over listings that no cache shortened.
    pub stable_us: (u64, u64),
    /// The same of the candidate.
    pub candidate_us: (u64, u64),
    /// Listings whose suggestion flipped, the newest last.
    pub flips: Vec<Flip>,
    /// Listings by what the stable generation says and what the candidate says.
    pub transitions: BTreeMap<(Suggestion, Suggestion), u64>,
}

/// Collects what a trial shows.
#[derive(Debug)]
pub struct Comparison {
    room: Arc<Semaphore>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    compared: u64,
    agreed: u64,
    failed: u64,
    dropped: u64,
    shifts: BTreeMap<Category, Shifts>,
    stable_us: VecDeque<u64>,
    candidate_us: VecDeque<u64>,
    flips: VecDeque<Flip>,
    transitions: BTreeMap<(Suggestion, Suggestion), u64>,
}

#[derive(Debug, Default)]
struct Shifts {
    count: u64,
    sum: f64,
    signed_sum: f64,
    max: f64,
    newest: VecDeque<f64>,
}

impl Comparison {
    /// Nothing seen yet; at most `in_flight` listings at the same time.
    pub fn new(in_flight: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(in_flight)), seen: Mutex::default() }
    }

    /// A place for one listing; none is waited for.
    pub(super) fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// A listing of the share was not looked at.
    pub(super) fn dropped(&self) {
        self.lock().dropped += 1;
    }

    /// The candidate could not rate a listing.
    pub(super) fn failed(&self) {
        self.lock().failed += 1;
    }

    /// Both rated a listing. `true`: with the same suggestion.
    pub(super) fn compare(&self, stable: &Rating, candidate: &Rating) -> bool {
        let agree = stable.suggestion == candidate.suggestion;
        let mut seen = self.lock();
        seen.compared += 1;
        seen.agreed += u64::from(agree);
        *seen.transitions.entry((stable.suggestion, candidate.suggestion)).or_default() += 1;
        for rated in &stable.categories {
            if let Some(moved) = probability(candidate, rated.category) {
                seen.shifts.entry(rated.category).or_default().add(moved - rated.probability.value());
            }
        }
        let cached = |rating: &Rating| rating.images.iter().any(|image| image.cached);
        if !cached(stable) && !cached(candidate) {
            keep(&mut seen.stable_us, work_us(&stable.timings), KEPT_VALUES);
            keep(&mut seen.candidate_us, work_us(&candidate.timings), KEPT_VALUES);
        }
        if !agree {
            let flip = Flip {
                listing_id: stable.listing_id.clone(),
                request_id: stable.request_id.clone(),
                stable: stable.suggestion,
                candidate: candidate.suggestion,
                stable_risk: stable.risk.value(),
                candidate_risk: candidate.risk.value(),
                category: moved_most(stable, candidate).or_else(|| new_reason(stable, candidate)?.category),
                reason: new_reason(stable, candidate).map(|reason| reason.code),
            };
            keep(&mut seen.flips, flip, KEPT_FLIPS);
        }
        agree
    }

    /// What was seen so far.
    pub fn report(&self) -> ShadowReport {
        let seen = self.lock();
        let times = |kept: &VecDeque<u64>| {
            let mut values: Vec<u64> = kept.iter().copied().collect();
            let mut at = |percent| nearest_rank(&mut values, percent, Ord::cmp).unwrap_or_default();
            (at(50), at(99))
        };
        let shifts = seen.shifts.iter().filter_map(|(category, shifts)| shifts.summary(*category));
        ShadowReport {
            compared: seen.compared,
            agreed: seen.agreed,
            failed: seen.failed,
            dropped: seen.dropped,
            shifts: shifts.collect(),
            stable_us: times(&seen.stable_us),
            candidate_us: times(&seen.candidate_us),
            flips: seen.flips.iter().cloned().collect(),
            transitions: seen.transitions.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock()
    }
}

impl Shifts {
    fn add(&mut self, signed: f64) {
        let shift = signed.abs();
        self.count += 1;
        self.signed_sum += signed;
        self.sum += shift;
        self.max = self.max.max(shift);
        keep(&mut self.newest, shift, KEPT_VALUES);
    }

    fn summary(&self, category: Category) -> Option<Shift> {
        let mut newest: Vec<f64> = self.newest.iter().copied().collect();
        let p99 = nearest_rank(&mut newest, 99, f64::total_cmp)?;
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53 listings")]
        let count = self.count as f64;
        let (mean, signed_mean) = (self.sum / count, self.signed_sum / count);
        Some(Shift { category, mean, p99, max: self.max, signed_mean })
    }
}

fn keep<T>(kept: &mut VecDeque<T>, value: T, most: usize) {
    if kept.len() == most {
        kept.pop_front();
    }
    kept.push_back(value);
}

fn moved_most(a: &Rating, b: &Rating) -> Option<Category> {
    let moved = |rated: &CategoryRating| {
        Some((rated.category, (probability(b, rated.category)? - rated.probability.value()).abs()))
    };
    a.categories
        .iter()
        .filter_map(moved)
        .filter(|(_, by)| *by > 0.0)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(category, _)| category)
}

fn new_reason<'a>(a: &'a Rating, b: &'a Rating) -> Option<&'a Reason> {
    let (milder, stricter) = if a.suggestion < b.suggestion { (a, b) } else { (b, a) };
    let has = |reason: &&Reason| milder.reasons.iter().any(|r| (r.code, r.category) == (reason.code, reason.category));
    stricter.reasons.iter().find(|reason| !has(reason))
}

fn probability(rating: &Rating, category: Category) -> Option<f64> {
    rating.categories.iter().find(|rated| rated.category == category).map(|rated| rated.probability.value())
}
