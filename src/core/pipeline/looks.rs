//! Who is looked at again. Bands say where doubt is; how much of it is heeded depends on what is spent already and on how much waits,
//! so that under load looks after the first are what is given up first, and no listing is refused for their sake.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::domain::{Category, LeftOut, Logit, Modality, PerCategory, Probability};
use crate::schedule::{Behind, Deadline, Load, RunningMean};
use crate::score::policy::{Look, Looks, Profile, WordsLook};

/// Load from which less doubt is heeded, and from which none is. The queue refuses at 1.
const NARROWS: f64 = 0.2;
const CLOSES: f64 = 0.6;

/// What a quiet time saves up, and the most that is owed: about 50 looks, so that a few doubtful listings in a row are no excess.
const CREDIT: f64 = 1.0;

/// How fast the band follows what is spent: about so many parts of it a photo or text.
const GAIN: f64 = 0.02;

/// A further look may take so much of the time that its caller has left: the caller's other photos need the rest, and what is known of
/// how long a look takes is of other photos.
const PART_OF_THE_TIME: u32 = 4;

/// Tightness below which the budget has room again.
const ROOM: f64 = 0.25;

/// What becomes of a photo or text after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It is done.
    Done,
    /// It takes the next look.
    Look,
    /// It should, and does not.
    LeaveOut(LeftOut),
}

/// A photo or text on its way through the looks.
pub(super) trait Part {
    /// What the looks so far say of it.
    fn seen(&self) -> &PerCategory<Logit>;
    /// When its caller stops waiting.
    fn deadline(&self) -> Deadline;
    /// Rows of a run that a look at it takes, at least 1.
    fn rows(&self) -> u32;
    /// It takes no further look, although the policy wants one.
    fn leave_out(&mut self, why: LeftOut);
}

/// What may be spent on further looks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spending {
    profile: Profile,
    /// Neither what waits nor what was spent counts.
    unlimited: bool,
}

impl Spending {
    /// Under `profile`, within its budget.
    pub(super) fn within(profile: Profile) -> Self {
        Self { profile, unlimited: false }
    }

    /// Under `profile`, whatever it costs.
    pub(super) fn unlimited(profile: Profile) -> Self {
        Self { profile, unlimited: true }
    }
}

/// The looks after the first of one modality, and what was spent on them.
#[derive(Debug)]
pub(super) struct Gates {
    spending: Spending,
    gates: Vec<(Look, Gate)>,
}

/// The way to one look, and what was spent on it.
#[derive(Debug)]
struct Gate {
    /// Largest share that may take it.
    share: f64,
    /// Whether all of its models serve.
    present: bool,
    /// The doubt that is heeded: up to 0 all in the band, from 1 on none, beyond it as a debt. Follows the share that takes the look.
    tightness: Mutex<f64>,
    /// What the look took of late for a picture or text; nothing before the first.
    cost: RunningMean,
}

/// What a worker knows beside the scores.
#[derive(Debug, Clone, Copy)]
struct Situation {
    /// What waits.
    behind: Behind,
    /// When the caller stops waiting.
    deadline: Deadline,
    /// Rows that would take the look in one run, this part's and those chosen before it.
    together: u32,
}

impl Gates {
    /// Of `modality`, as `looks` says; `serves`: whether a model of that name is in service.
    pub(super) fn new(looks: &Looks, modality: Modality, serves: impl Fn(&str) -> bool) -> Self {
        let gate = |look: &Look| {
            let present = look.models.iter().all(|name| serves(name));
            (look.clone(), Gate::new(look.share, present))
        };
        Self { spending: Spending::within(looks.profile), gates: looks.of(modality).iter().map(gate).collect() }
    }

    /// Whether what is remembered of a photo is still what it would get: one that was looked at less than the policy wants is looked at
    /// anew once there is room.
    pub(super) fn stands(&self, left_out: Option<LeftOut>, load: Load) -> bool {
        stands(left_out, load, self.gates.iter().map(|(_, gate)| gate))
    }

    /// From now on so much is spent.
    pub(super) fn spend(&mut self, spending: Spending) {
        self.spending = spending;
    }

    /// What is spent.
    pub(super) fn profile(&self) -> Profile {
        self.spending.profile
    }

    /// How many looks there are, the first among them.
    pub(super) fn count(&self) -> usize {
        self.gates.len() + 1
    }

    /// A part's look number `look`, of which 0 is the first, took so long.
    pub(super) fn took(&self, look: usize, time: Duration) {
        let gate = look.checked_sub(1).and_then(|place| self.gates.get(place));
        gate.into_iter().for_each(|(_, gate)| gate.took(time));
    }

    /// Parts, each with `taken` looks, by whether they take another: those that do, and those that are done, in their order. Called once
    /// after each look: it counts as spent.
    pub(super) fn sift<P: Part>(
        &self,
        taken: usize,
        parts: Vec<P>,
        categories: &[Category],
        behind: Behind,
    ) -> (Vec<P>, Vec<P>) {
        let (mut again, mut finished) = (Vec::new(), Vec::with_capacity(parts.len()));
        let mut chosen = 0_u32;
        for mut part in parts {
            let now = Situation { behind, deadline: part.deadline(), together: chosen.saturating_add(part.rows()) };
            match self.next(taken, part.seen(), categories, now) {
                Next::Look => {
                    chosen = now.together;
                    again.push(part);
                    continue;
                }
                Next::Done => {}
                Next::LeaveOut(why) => part.leave_out(why),
            }
            finished.push(part);
        }
        (again, finished)
    }

    /// Why `part`, which was to take look number `look`, gives way after all: meanwhile others have come, or its time has gone.
    pub(super) fn gives_way<P: Part>(&self, look: usize, part: &P, behind: Behind) -> Option<LeftOut> {
        let (_, gate) = look.checked_sub(1).and_then(|place| self.gates.get(place))?;
        let now = Situation { behind, deadline: part.deadline(), together: part.rows() };
        gate.gives_way(now).filter(|_| !self.spending.unlimited)
    }

    /// Whether a part that has taken `taken` looks and gave `seen` takes another.
    fn next(&self, taken: usize, seen: &PerCategory<Logit>, categories: &[Category], now: Situation) -> Next {
        let Some((look, gate)) = taken.checked_sub(1).and_then(|place| self.gates.get(place)) else {
            return Next::Done;
        };
        let doubt = match self.spending.profile {
            Profile::Fast => return Next::Done,
            Profile::Balanced => look.doubt(seen, categories),
            Profile::Thorough => Some(1.0),
        };
        gate.next(doubt, now, self.spending)
    }
}

/// The way to the words in photos.
#[derive(Debug)]
pub(super) struct WordsGate {
    spending: Spending,
    look: WordsLook,
    gate: Gate,
}

impl WordsGate {
    /// As `looks` says, if it does; `present`: what reads is in service.
    pub(super) fn new(looks: &Looks, present: bool) -> Option<Self> {
        let look = looks.words.clone()?;
        Some(Self { spending: Spending::within(looks.profile), gate: Gate::new(look.share, present), look })
    }

    /// Lines that are read of a photo.
    pub(super) fn lines(&self) -> usize {
        self.look.lines
    }

    /// See [`Gates::spend`].
    pub(super) fn spend(&mut self, spending: Spending) {
        self.spending = spending;
    }

    /// See [`Gates::stands`].
    pub(super) fn stands(&self, left_out: Option<LeftOut>, load: Load) -> bool {
        stands(left_out, load, std::iter::once(&self.gate))
    }

    /// A photo's words took so long to read.
    pub(super) fn took(&self, time: Duration) {
        self.gate.took(time);
    }

    /// Whether a photo of which `labels` are known is read: `Ok(true)`, or why it is not although it should be. Called once a photo: it
    /// counts as spent.
    pub(super) fn admits(
        &self,
        labels: &[(String, Probability)],
        behind: Behind,
        deadline: Deadline,
    ) -> Result<bool, LeftOut> {
        let promise = match self.spending.profile {
            Profile::Fast => return Ok(false),
            Profile::Balanced => self.look.promise(labels),
            Profile::Thorough => Some(1.0),
        };
        let now = Situation { behind, deadline, together: 1 };
        match self.gate.next(promise, now, self.spending) {
            Next::Done => Ok(false),
            Next::Look => Ok(true),
            Next::LeaveOut(why) => Err(why),
        }
    }

    /// Why a photo that is being read gives way: others have come, or it has taken its part of the caller's time, until `deadline`.
    pub(super) fn gives_way(&self, behind: Behind, deadline: Deadline) -> Option<LeftOut> {
        let busy = (!self.spending.unlimited && behind.load.0 >= CLOSES).then_some(LeftOut::Busy);
        busy.or_else(|| deadline.has_passed().then_some(LeftOut::Late))
    }

    /// When reading has to end, so that what is known by then is still answered in time.
    pub(super) fn ends(deadline: Deadline) -> Deadline {
        let now = Instant::now();
        Deadline(deadline.0.map(|at| now + at.saturating_duration_since(now) / 2))
    }
}

fn stands<'a>(left_out: Option<LeftOut>, load: Load, mut gates: impl Iterator<Item = &'a Gate>) -> bool {
    match left_out {
        None | Some(LeftOut::Absent) => true,
        Some(LeftOut::Busy | LeftOut::Late) => load.0 >= NARROWS,
        Some(LeftOut::Budget) => load.0 >= NARROWS || gates.any(Gate::is_tight),
    }
}

impl Gate {
    fn new(share: f64, present: bool) -> Self {
        Self { share, present, tightness: Mutex::new(-CREDIT), cost: RunningMean::default() }
    }

    fn is_tight(&self) -> bool {
        *self.tightness.lock() > ROOM
    }

    fn took(&self, time: Duration) {
        self.cost.took(time);
    }

    /// What becomes of a part over which there is so much doubt; `None`: none.
    fn next(&self, doubt: Option<f64>, now: Situation, spending: Spending) -> Next {
        match doubt {
            None => {
                self.spend(false);
                Next::Done
            }
            Some(_) if !self.present => Next::LeaveOut(LeftOut::Absent),
            Some(_) if spending.unlimited => Next::Look,
            Some(doubt) => self.decide(doubt, now, spending.profile == Profile::Balanced),
        }
    }

    /// Whether a caller would wait for the look until too late: the rest of its listing comes first.
    fn is_late(&self, Situation { behind, deadline, together }: Situation) -> bool {
        let wanted = self.cost.mean().saturating_mul(together).saturating_mul(PART_OF_THE_TIME);
        deadline.0.is_some_and(|at| at.saturating_duration_since(Instant::now()).saturating_sub(behind.rest) < wanted)
    }

    /// Why a part that was to take the look gives way after all.
    fn gives_way(&self, now: Situation) -> Option<LeftOut> {
        let busy = (now.behind.load.0 >= CLOSES).then_some(LeftOut::Busy);
        busy.or_else(|| self.is_late(now).then_some(LeftOut::Late))
    }

    /// `limited`: the share counts.
    fn decide(&self, doubt: f64, now: Situation, limited: bool) -> Next {
        if self.is_late(now) {
            // A slow spell is over some time, and only who takes the look would tell.
            self.cost.fade();
            return Next::LeaveOut(LeftOut::Late);
        }
        let of_load = ((now.behind.load.0 - NARROWS) / (CLOSES - NARROWS)).clamp(0.0, 1.0);
        if !is_heeded(doubt, of_load) {
            // No sign that the budget has room.
            return Next::LeaveOut(LeftOut::Busy);
        }
        if limited && !is_heeded(doubt, *self.tightness.lock()) {
            self.spend(false);
            return Next::LeaveOut(LeftOut::Budget);
        }
        self.spend(true);
        Next::Look
    }

    /// Moves the doubt that is heeded so that in the long run no larger share takes the look than may.
    fn spend(&self, taken: bool) {
        let mut tightness = self.tightness.lock();
        let spent = if taken { 1.0 } else { 0.0 };
        *tightness = (*tightness + GAIN * (spent - self.share)).clamp(-CREDIT, 1.0 + CREDIT);
    }
}

/// Whether so much doubt is heeded where the band is narrowed by `tightness`.
fn is_heeded(doubt: f64, tightness: f64) -> bool {
    doubt >= tightness && tightness < 1.0
}

#[cfg(test)]
mod tests;
