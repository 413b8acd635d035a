//! The one thread that looks at folders and loads models: at low priority, one session after another with rests between, so
//! that what serves hardly notices. It also frees what left service, and takes back a switch that does badly. It never stops
//! for a fault.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use parking_lot::MutexGuard;
use tokio::time::Instant;
use wildwarden_core::config::{Config, Folders};
use wildwarden_core::domain::{DEFAULT_SET, ModelVersion};
use wildwarden_core::error::Error;
use wildwarden_core::memory;
use wildwarden_core::model::catalogue::choice::VersionPolicy;
use wildwarden_core::model::catalogue::named::NamedSet;
use wildwarden_core::model::catalogue::repository::{Repository, Version};
use wildwarden_core::model::folder::check::Checks;
use wildwarden_core::model::runtime::pace::Pace;
use wildwarden_core::pipeline::generation::{Generation, PolicyFile};
use wildwarden_core::pipeline::traffic::Trial;
use wildwarden_core::schedule::scheduler::BEHIND;

use super::judge::verdict;
use super::load::{Fault, Loader};
use super::orders::{Common, Order};
use super::plan::{Plan, Target};
use super::saved::SavedState;
use super::state::{Retired, State};

/// How much lower than the workers' the thread's priority is, as `nice` counts: about a quarter of the time on a full core beside one. A
/// thread that hardly ran would hold locks of memory allocation that workers wait for; resting does more, see
/// [`Pace::Gentle`](wildwarden_core::model::runtime::pace::Pace::Gentle).
const NICE: i32 = BEHIND + 5;
/// Quiet time after a change of a file before the folders are looked at: a copy makes many changes.
const SETTLE: Duration = Duration::from_millis(100);

pub(super) struct Keeper {
    pub common: Arc<Common>,
    pub repository: Repository,
    pub orders: Receiver<Order>,
    /// What the file beside the models says; none: not known.
    pub saved: Option<SavedState>,
    /// What could not be written there; it is tried again at every turn.
    pub unsaved: Option<SavedState>,
}

impl Keeper {
    /// Works until it is told to stop, or nobody can tell it anything any more.
    pub(super) fn run(mut self) {
        self.lower_priority();
        let mut next_look = self.next_poll();
        let mut looked = Instant::now();
        while !self.common.stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            let (retry, attention) = {
                let state = self.state();
                (state.ledger.next_retry(looked), state.attention())
            };
            let wake = [next_look, retry, attention.map(|wait| now + wait)];
            let wait = wake.into_iter().flatten().min().map_or(Duration::from_secs(3600), |at| at - now.min(at));
            match self.orders.recv_timeout(wait) {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(Order::Changed) => {
                    self.common.changed.store(false, Ordering::Relaxed);
                    let soon = Instant::now() + SETTLE;
                    next_look = Some(next_look.map_or(soon, |at| at.min(soon)));
                }
                Ok(order) => {
                    // What changed before a look that was asked for has been seen by it.
                    let look = matches!(order, Order::Reload(..));
                    self.obey(order);
                    if look {
                        next_look = self.next_poll();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.free();
            self.judge();
            self.remember();
            let retry = self.state().ledger.next_retry(looked);
            if [next_look, retry].into_iter().flatten().any(|at| at <= Instant::now()) {
                looked = Instant::now();
                self.reconcile();
                self.remember();
                next_look = self.next_poll();
            }
        }
        self.remember();
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.common.state()
    }

    /// Writes down what was decided and serves, when it is not what the file says. A folder that cannot be written to is told of
    /// once for each change.
    fn remember(&mut self) {
        let (now, models) = {
            let state = self.common.state();
            (SavedState::of(&state), state.config.folders.models.clone())
        };
        if self.saved.as_ref() == Some(&now) {
            return;
        }
        match now.write(&models) {
            Ok(()) => (self.saved, self.unsaved) = (Some(now), None),
            Err(error) => {
                if self.unsaved.as_ref() != Some(&now) {
                    tracing::error!(reason = %error, "what was decided will not outlive a restart");
                }
                self.unsaved = Some(now);
            }
        }
    }

    fn next_poll(&self) -> Option<Instant> {
        let every = self.state().config.reloadable.poll;
        (!every.is_zero()).then(|| Instant::now() + every)
    }

    fn lower_priority(&self) {
        // A session with threads of its own makes them here, and they would inherit the low priority for good.
        if self.state().config.runtime.intra_op_threads > 1 {
            return;
        }
        // On Linux `nice` is a thread's own. Where it is refused, loading is only less polite.
        if let Err(cause) = rustix::process::nice(NICE) {
            tracing::debug!(%cause, "models load at normal priority");
        }
    }

    /// A caller that does not wait for its answer any more does not need it.
    fn obey(&mut self, order: Order) {
        let (reply, outcome) = match order {
            Order::Changed | Order::Remember | Order::Stop => return,
            Order::Reload(config, reply) => {
                if let Some(config) = config {
                    self.reconfigure(*config);
                }
                self.state().ledger.retry_all(Instant::now());
                self.reconcile();
                (reply, Ok(()))
            }
            Order::Load(target, reply) => (reply, self.load(&target)),
            Order::Promote(Some(target), reply) => (reply, self.promote(&target)),
            Order::Promote(None, reply) => (reply, self.promote_candidate()),
            Order::Try { target, share, shadow, reply } => (reply, self.try_out(&target, share, shadow)),
        };
        drop(reply.send(outcome));
    }

    /// Takes over what may change while the server runs.
    fn reconfigure(&self, new: Config) {
        let mut state = self.state();
        let old = Arc::clone(&state.config);
        state.ledger.rules_changed(|name| old.reloadable.versions.get(name) != new.reloadable.versions.get(name));
        state.config = Arc::new(Config { reloadable: new.reloadable, ..(*old).clone() });
        tracing::info!("configuration read again");
    }

    /// Looks at folders and policy, and puts in service what is chosen. What fails is named and left alone for a while.
    fn reconcile(&mut self) {
        self.scan();
        let policy = self.read_policy(true);
        // Each round loads one plan or finds one version to leave alone, so the rounds end.
        for _ in 0..64 {
            let Some((plan, epoch)) = self.plan(&policy) else { break };
            match self.build(&plan) {
                Ok(generation) => self.serve(generation, epoch),
                Err(Fault { version: None, error: Error::NotReady(_) }) => return,
                Err(Fault { version, error }) => self.record_fault(version, &plan, &error),
            }
        }
        self.keep_several();
    }

    pub(super) fn scan(&mut self) {
        let seen = self.repository.scan();
        let mut state = self.common.state();
        let changed = seen.unwrap_or_else(|error| {
            tracing::error!(reason = %error, "the model folders cannot be read; what serves goes on");
            Vec::new()
        });
        let is_changed = |identity: &ModelVersion| {
            changed.iter().any(|(name, version)| *name == identity.name && *version == identity.version)
        };
        state.versions = self.repository.versions();
        let State { ledger, versions, .. } = &mut *state;
        ledger.seen(versions, is_changed, Instant::now());
        let incomplete = self.repository.incomplete_for_long();
        for faulty in incomplete.iter().filter(|faulty| !state.incomplete.contains(faulty)) {
            tracing::error!(name = faulty.name, version = faulty.version, reason = faulty.reason, "incomplete version");
        }
        state.incomplete = incomplete;
        let Folders { models, max_file_bytes, .. } = &state.config.folders;
        let read =
            |name: String| NamedSet::read(models, &name, *max_file_bytes).map_err(|error| (name, error.to_string()));
        state.sets = NamedSet::names(models).into_iter().map(read).collect();
    }

    /// The policy of the configuration's file, or the one that last served in its place when it is faulty or was rolled back.
    pub(super) fn read_policy(&self, heed_held: bool) -> Arc<PolicyFile> {
        let path = self.state().config.reloadable.policy.clone();
        let read = PolicyFile::read(&path);
        let mut state = self.state();
        let serving = Arc::clone(&state.ledger.default().policy);
        if let Ok(policy) = &read {
            state.ledger.policy_file_is(&policy.version.sha256);
        }
        match read {
            Ok(policy) if policy.version.sha256 == serving.version.sha256 => {
                state.policy_problem = None;
                serving
            }
            Ok(policy) if heed_held && state.ledger.policy_held() == Some(&policy.version.sha256) => serving,
            Ok(policy) => {
                state.policy_problem = None;
                Arc::new(policy)
            }
            Err(error) => {
                let problem = error.to_string();
                if state.policy_problem.as_ref() != Some(&problem) {
                    tracing::error!(reason = problem, "policy refused; what serves goes on");
                    state.metrics.models().failed("policy");
                }
                state.policy_problem = Some(problem);
                serving
            }
        }
    }

    /// What should serve, if that is not what serves.
    fn plan(&self, policy: &Arc<PolicyFile>) -> Option<(Plan, u64)> {
        let mut state = self.state();
        let current = state.current();
        let set = &current.set().name;
        let (plan, mut waiting) = if set == DEFAULT_SET {
            match state.plan_by_folders(policy) {
                Ok((plan, notes)) => (Some(plan), notes),
                Err(problem) => (None, vec![problem]),
            }
        } else {
            (
                None,
                vec![format!(
                    "the set {set} serves: folders and policy file count again once {DEFAULT_SET} is promoted"
                )],
            )
        };
        if state.ledger.policy_held().is_some() {
            waiting.push(format!(
                "the policy file was rolled back; a change of it, or promoting {DEFAULT_SET}, puts it in service"
            ));
        }
        let mut plan = plan.filter(|plan| !plan.is(&current));
        if plan.is_some() && state.candidate().is_some() {
            waiting.push("newer models or policy wait until the candidate is promoted or stopped".into());
            plan = None;
        }
        for news in waiting.iter().filter(|news| !state.waiting.contains(news)) {
            tracing::warn!(reason = news, "not taken yet");
        }
        state.waiting = waiting;
        Some((plan?, state.ledger.epoch()))
    }

    pub(super) fn build(&self, plan: &Plan) -> Result<Generation, Fault> {
        let (config, loaded, current) = {
            let mut state = self.state();
            let current = state.current();
            let new = plan.versions.iter().filter(|version| !current.models().contains(&version.identity));
            let names = new.map(|version| format!("{} {}", version.name(), version.identity.version));
            state.loading = Some(names.collect::<Vec<_>>().join(", "));
            (Arc::clone(&state.config), state.loaded(), current)
        };
        let loader = Loader {
            config: &config,
            checks: Checks::logged(config.folders.max_file_bytes),
            pace: Pace::Gentle,
            loaded: &loaded,
            read: &[],
            before: Some(&current),
            stop: &self.common.stop,
        };
        let built = loader.build(plan);
        self.state().loading = None;
        built
    }

    fn serve(&self, generation: Generation, epoch: u64) {
        let mut state = self.state();
        let generation = Arc::new(generation);
        if state.ledger.epoch() == epoch {
            state.switch(generation, "switched");
        } else {
            // Something was decided by call meanwhile: the next round chooses again.
            state.retire(generation);
        }
    }

    fn record_fault(&self, version: Option<Box<ModelVersion>>, plan: &Plan, error: &Error) {
        let mut state = self.state();
        let current = state.current();
        let new = plan.versions.iter().map(|v| &v.identity).find(|identity| !current.models().contains(identity));
        if let Some(identity) = version.as_deref().or(new) {
            state.record_failure(identity, error);
        } else {
            tracing::error!(reason = %error, "policy refused; what serves goes on");
            state.policy_problem = Some(error.to_string());
            state.ledger.hold_policy(plan.policy.version.sha256.clone());
        }
        drop(state);
        memory::give_back();
    }

    /// Loads the versions that the rules want kept, and lets go of those they no longer do.
    fn keep_several(&mut self) {
        let wanted: Vec<ModelVersion> = {
            let state = self.state();
            let barred = state.ledger.barred(Instant::now());
            let loaded = state.loaded();
            let kept =
                |version: &&Arc<Version>| match state.config.reloadable.versions.get(version.name()).map(|r| &r.policy)
                {
                    Some(VersionPolicy::Several(versions)) => versions.contains(&version.identity.version),
                    _ => false,
                };
            let missing = |identity: &ModelVersion| !loaded.iter().any(|model| model.folder().identity == *identity);
            let wanted = state.versions.iter().filter(kept).map(|version| version.identity.clone());
            wanted.filter(|identity| missing(identity) && !barred.contains(identity)).collect()
        };
        for identity in wanted {
            // The reason is in the list of failures.
            let _ = self.load(&Target::Versions(vec![identity]));
        }
    }

    /// Frees what left service once its last listing is answered, and gives the memory back.
    fn free(&self) {
        let mut state = self.state();
        let (free, held): (Vec<Retired>, Vec<Retired>) = state.retired.drain(..).partition(Retired::is_free);
        state.retired = held;
        drop(state);
        if !free.is_empty() {
            // Here and not on the thread that answered the last listing: sessions take their time to go.
            drop(free);
            memory::give_back();
        }
    }

    /// Takes back a canary, or a switch that is still watched, when it does worse than the limits.
    fn judge(&self) {
        let mut state = self.state();
        let limits = state.config.reloadable.rollout;
        let canary = state.candidate().filter(|candidate| matches!(candidate.trial, Trial::Canary(_)));
        let watched = state.ledger.is_watched(Instant::now());
        let tried = match canary {
            Some(canary) => Some(Arc::clone(&canary.generation)),
            None if watched && state.ledger.previous().is_some() && state.candidate().is_none() => {
                Some(state.current())
            }
            None => None,
        };
        let Some(reason) = tried.and_then(|generation| verdict(generation.health().vitals(), &limits)) else { return };
        tracing::error!(reason, "taken back");
        // There is something to return to, so it cannot be refused.
        if let Err(error) = state.roll_back("rolled_back_automatically") {
            tracing::error!(%error, "rolling back");
        }
        state.waiting = vec![format!("rolled back automatically: {reason}")];
    }
}
