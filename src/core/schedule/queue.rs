//! A bounded queue between async callers and worker threads. Full is an answer, not a fault; a flood takes its own share only.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::time::Instant;

use super::costs::Costs;
use super::flow::{Entry, Flow};
use super::job::{Asked, Batchable, Behind, Caller, Load, Priority};
use super::policy::{self, Dispatch, Outlook, Patience};
use crate::error::Full;

/// Callers that are remembered although nothing of theirs waits, before those whose turn has passed are forgotten.
const REMEMBERED: usize = 1024;

/// Time between two searches for what nobody waits for.
const SWEEP: Duration = Duration::from_millis(2);

/// The queue's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Jobs that may wait.
    pub capacity: usize,
    /// How much later interactive work may come and still go before bulk work of the same caller.
    pub bulk_yields: Duration,
    /// How long work may wait.
    pub patience: Patience,
    /// A worker that takes longer for a batch is taken not to return.
    pub hang: Duration,
}

/// Why work was refused, and when to come back.
pub(super) type Refusal = (Full, Duration);

#[derive(Debug)]
struct State<J> {
    flows: HashMap<Arc<str>, Flow<J>>,
    /// The virtual time: the tag of who was served last.
    clock: f64,
    /// When what nobody waits for was last looked for.
    swept: Option<Instant>,
    closed: bool,
}

impl<J: Batchable> State<J> {
    fn len(&self) -> usize {
        self.flows.values().map(Flow::len).sum()
    }

    fn outlook(&self, caller: &Caller, priority: Priority, (jobs, new): (usize, Duration), workers: usize) -> Outlook {
        let own_weight = f64::from(caller.weight.max(1));
        let (mut all, mut own, mut weights) = (Duration::ZERO, Duration::ZERO, own_weight);
        for (name, flow) in &self.flows {
            let (whole, before) = flow.least_work(priority);
            all += whole;
            if *name == caller.name {
                own = before;
            } else if flow.len() > 0 {
                weights += flow.weight;
            }
        }
        Outlook { all, own, new, jobs, shares: weights / own_weight, workers }
    }

    /// `false`: it was done a moment ago. Who is refused by the thousand must not make it a burden.
    fn drop_abandoned(&mut self) -> bool {
        let now = Instant::now();
        if self.swept.is_some_and(|swept| now.saturating_duration_since(swept) < SWEEP) {
            return false;
        }
        self.swept = Some(now);
        self.flows.values_mut().for_each(|flow| flow.drop_abandoned(now));
        true
    }

    /// Forgets callers of whom nothing waits and whose turn would be now anyhow.
    fn forget(&mut self) {
        let clock = self.clock;
        self.flows.retain(|_, flow| flow.len() > 0 || flow.tag > clock);
    }
}

/// Callers take turns by their shares; a caller's own jobs are first in, first out within a class.
#[derive(Debug)]
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
    settings: Settings,
    workers: usize,
    costs: Costs,
}

impl<J: Batchable> Queue<J> {
    pub(super) fn new(settings: Settings, workers: usize) -> Self {
        let state = State { flows: HashMap::new(), clock: 0.0, swept: None, closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), settings, workers, costs: Costs::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        // A panic while holding the lock cannot leave a deque half changed.
        self.state.lock()
    }

    /// What jobs cost.
    pub(super) fn costs(&self) -> &Costs {
        &self.costs
    }

    /// Adds all jobs or none.
    pub(super) fn push_all(&self, jobs: Vec<J>, asked: &Asked) -> Result<(), Refusal> {
        let enqueued = Instant::now();
        let entry = |job: J| Entry { cost: self.costs.of(job.cost_class()), job, deadline: asked.deadline, enqueued };
        let entries: Vec<Entry<J>> = jobs.into_iter().map(entry).collect();
        let work = entries.iter().map(|entry| entry.cost.least).sum();
        let mut state = self.lock();
        self.admits_after_all(&mut state, (entries.len(), work), asked)?;
        let single = entries.len() == 1;
        if state.flows.len() >= REMEMBERED {
            state.forget();
        }
        let Caller { name, weight } = &asked.caller;
        let flow = state.flows.entry(Arc::clone(name)).or_insert_with(|| Flow::new(*weight));
        flow.class(asked.priority).extend(entries);
        drop(state);
        if single {
            self.changed.notify_one();
        } else {
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Whether so many jobs of that work would be taken now.
    fn admits(&self, state: &State<J>, (jobs, work): (usize, Duration), asked: &Asked) -> Result<(), Refusal> {
        let outlook = state.outlook(&asked.caller, asked.priority, (jobs, work), self.workers);
        let (queued, capacity) = (state.len(), self.settings.capacity);
        if !policy::admits(queued, jobs, capacity) {
            return Err((Full::Places { queued, capacity }, policy::retry_after(outlook)));
        }
        if asked.patient {
            return Ok(());
        }
        let left = asked.deadline.0.map(|at| at.saturating_duration_since(Instant::now()));
        policy::foresees(outlook, asked.priority, left, self.settings.patience)
    }

    /// Whether a job of that kind would be taken now, before anything is known of it.
    pub(super) fn foresees(&self, class: usize, asked: &Asked) -> Result<(), Refusal> {
        self.admits_after_all(&mut self.lock(), (1, self.costs.of(class).least), asked)
    }

    /// What nobody waits for any more makes room, where it is needed.
    fn admits_after_all(&self, state: &mut State<J>, work: (usize, Duration), asked: &Asked) -> Result<(), Refusal> {
        match self.admits(state, work, asked) {
            Err(_full) if state.drop_abandoned() => self.admits(state, work, asked),
            admitted => admitted,
        }
    }

    /// The next batch: entries of one lane, each still waited for. Blocks; `None` once closed and empty.
    pub(super) fn pop(&self) -> Option<Vec<Entry<J>>> {
        let mut state = self.lock();
        loop {
            match self.choose(&mut state) {
                Next::Start(batch) if batch.is_empty() => {} // all of it was abandoned meanwhile
                Next::Start(batch) => return Some(batch),
                Next::Wait(longest) => {
                    self.changed.wait_for(&mut state, longest);
                }
                Next::Nothing if state.closed => return None,
                Next::Nothing => self.changed.wait(&mut state),
            }
        }
    }

    /// What waits behind a batch that came then. What came together with it is the same listing, whose photos are no load to one another.
    #[expect(clippy::cast_precision_loss, reason = "numbers of jobs")]
    pub(super) fn behind(&self, came: Option<Instant>) -> Behind {
        let state = self.lock();
        let flows = || state.flows.values();
        let (workers, patience) = (self.workers.max(1) as f64, self.settings.patience.interactive.as_secs_f64());
        let places = state.len() as f64 / self.settings.capacity.max(1) as f64;
        let work: Duration = flows().map(|flow| flow.work_of_others(came)).sum();
        let waited =
            flows().filter_map(|flow| flow.oldest_of_others(came)).min().map_or(Duration::ZERO, |at| at.elapsed());
        let wait = waited.as_secs_f64().max(work.as_secs_f64() / workers);
        let rest: Duration = came.map_or(Duration::ZERO, |came| flows().map(|flow| flow.rest(came)).sum());
        Behind { load: Load(places.max(wait / patience)), rest: rest.div_f64(workers) }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Jobs that wait.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// How long the job that waits longest has done so.
    pub(super) fn oldest(&self) -> Duration {
        self.lock().flows.values().filter_map(Flow::oldest).min().map_or(Duration::ZERO, |came| came.elapsed())
    }

    /// The lane that starts: of the caller whose turn it is the first that has enough; a lane that waits for more holds up no other.
    fn choose(&self, state: &mut State<J>) -> Next<J> {
        let clock = state.clock;
        let mut turns: Vec<(f64, Arc<str>, Priority)> = Vec::new();
        for (name, flow) in &mut state.flows {
            if let Some(priority) = flow.next_class(self.settings.bulk_yields) {
                turns.push((flow.tag.max(clock), Arc::clone(name), priority));
            }
        }
        // The name makes the order of equals one that does not change between two looks.
        turns.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        if turns.is_empty() {
            state.forget();
            return Next::Nothing;
        }
        let mut passed_over: Vec<J::Lane> = Vec::new();
        let mut longest = Duration::MAX;
        for place in 0..turns.len() {
            match self.ready_lane(state, turns.get(place..).unwrap_or_default(), &mut passed_over) {
                Dispatched::Start(lane, most) => {
                    return Next::Start(take(state, turns.get(place..).unwrap_or_default(), &lane, most));
                }
                Dispatched::Wait(more) => longest = longest.min(more),
            }
        }
        Next::Wait(longest)
    }

    /// Of the first of `turns` the first lane that has enough to start, counted over all of them.
    fn ready_lane(
        &self,
        state: &mut State<J>,
        turns: &[(f64, Arc<str>, Priority)],
        passed_over: &mut Vec<J::Lane>,
    ) -> Dispatched<J::Lane> {
        let closed = state.closed;
        let mut longest = Duration::MAX;
        let Some((_, name, priority)) = turns.first() else { return Dispatched::Wait(longest) };
        let queue_of = |state: &mut State<J>, position: usize| {
            let entry = state.flows.get_mut(name)?.class(*priority).get(position)?;
            Some((entry.job.lane(), entry.job.rule(), entry.enqueued))
        };
        let mut position = 0;
        while let Some((lane, rule, enqueued)) = queue_of(state, position) {
            position += 1;
            if passed_over.contains(&lane) {
                continue;
            }
            // More than this changes no decision, so the rest of a long queue need not be looked at.
            let enough = rule.max_batch.saturating_mul(self.workers);
            let mut waiting = 0;
            for (_, name, priority) in turns {
                let flow = state.flows.get_mut(name);
                waiting += flow.map_or(0, |flow| {
                    flow.class(*priority).iter().filter(|other| other.job.lane() == lane).take(enough).count()
                });
                if waiting >= enough {
                    break;
                }
            }
            let waited = if closed { rule.max_wait } else { enqueued.elapsed() };
            match policy::batch(waiting.min(enough), waited, self.workers, rule) {
                Dispatch::Start(most) => return Dispatched::Start(lane, most),
                Dispatch::Wait(more) => {
                    longest = longest.min(more);
                    passed_over.push(lane);
                }
            }
        }
        Dispatched::Wait(longest)
    }
}

enum Next<J> {
    Start(Vec<Entry<J>>),
    Wait(Duration),
    Nothing,
}

enum Dispatched<L> {
    Start(L, usize),
    Wait(Duration),
}

/// Takes up to `most` entries of `lane`, callers in their turns.
fn take<J: Batchable>(
    state: &mut State<J>,
    turns: &[(f64, Arc<str>, Priority)],
    lane: &J::Lane,
    most: usize,
) -> Vec<Entry<J>> {
    let mut taken = Vec::with_capacity(most);
    if let Some((tag, ..)) = turns.first() {
        state.clock = state.clock.max(*tag);
    }
    for (_, name, priority) in turns {
        if taken.len() >= most {
            break;
        }
        if let Some(flow) = state.flows.get_mut(name) {
            taken.extend(flow.take(lane, most - taken.len(), *priority, state.clock));
        }
    }
    taken
}
