//! What is known and decided: everything that calls and the keeper's thread share, behind one lock that is held only for
//! moments. Switching is the exchange of a pointer; nothing here loads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::judge::backoff;
use super::plan::DefaultSet;
use crate::config::Config;
use crate::domain::{DEFAULT_SET, ModelVersion};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::model::catalogue::choice::Decision;
use crate::model::catalogue::named::NamedSet;
use crate::model::catalogue::repository::{Incomplete, Version, order};
use crate::model::runtime::loaded::LoadedModel;
use crate::pipeline::Pipeline;
use crate::pipeline::generation::Generation;
use crate::pipeline::traffic::{Candidate, Traffic, Trial};

/// A version that did not load, or whose check failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub identity: ModelVersion,
    pub reason: String,
    pub attempts: u32,
    pub retry_at: Instant,
}

/// Something that left service and is freed once nobody holds it.
#[derive(Debug)]
pub(super) enum Retired {
    Generation(Arc<Generation>),
    Model(Arc<LoadedModel>),
}

impl Retired {
    /// Nobody else holds it, and nobody can: it was taken out of every place where it could be found.
    pub(super) fn is_free(&self) -> bool {
        match self {
            Self::Generation(generation) => Arc::strong_count(generation) == 1,
            Self::Model(model) => Arc::strong_count(model) == 1,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    pub config: Arc<Config>,
    pub pipeline: Arc<Pipeline>,
    pub metrics: Arc<Metrics>,
    /// Complete versions on disk.
    pub versions: Vec<Arc<Version>>,
    /// Folders that are not.
    pub incomplete: Vec<Incomplete>,
    /// Sets beside the folders; of one that cannot be read the name and why.
    pub sets: Vec<std::result::Result<NamedSet, (String, String)>>,
    /// What the folders last chose: what serves, unless a named set does.
    pub default: DefaultSet,
    /// What calls decided, by model.
    pub decisions: BTreeMap<String, Decision>,
    /// Versions that are left alone for a while.
    pub failures: Vec<Failure>,
    /// What is not taken yet, and why.
    pub waiting: Vec<String>,
    /// Why the policy file is not taken.
    pub policy_problem: Option<String>,
    /// Content of the policy file that was rolled back, or did not serve.
    pub policy_held: Option<String>,
    /// Loaded beside what serves, by call or because several versions are kept.
    pub kept: Vec<Arc<LoadedModel>>,
    /// What served before, for one call to return to.
    pub previous: Option<Arc<Generation>>,
    pub retired: Vec<Retired>,
    /// Until when a switch is watched.
    pub watched_until: Option<Instant>,
    /// Version being loaded.
    pub loading: Option<String>,
    /// Counts what was decided by call, so that a load that began before can tell.
    pub epoch: u64,
}

impl State {
    /// What serves now.
    pub(super) fn current(&self) -> Arc<Generation> {
        self.pipeline.generation()
    }

    pub(super) fn candidate(&self) -> Option<Arc<Candidate>> {
        self.pipeline.traffic().candidate
    }

    /// Every model in memory.
    pub(super) fn loaded(&self) -> Vec<Arc<LoadedModel>> {
        let Traffic { stable, candidate } = self.pipeline.traffic();
        let generations = [Some(stable), self.previous.clone(), candidate.map(|c| Arc::clone(&c.generation))];
        let mut loaded = self.kept.clone();
        for generation in generations.iter().flatten() {
            loaded.extend(generation.engine().models().cloned());
        }
        loaded
    }

    pub(super) fn barred(&self) -> Vec<ModelVersion> {
        let now = Instant::now();
        self.failures.iter().filter(|failure| failure.retry_at > now).map(|failure| failure.identity.clone()).collect()
    }

    /// When a version that failed may be tried again for the first time after `looked`.
    pub(super) fn next_retry(&self, looked: Instant) -> Option<Instant> {
        self.failures.iter().map(|failure| failure.retry_at).filter(|at| *at > looked).min()
    }

    pub(super) fn failed(&mut self, identity: &ModelVersion, error: &Error) {
        let ModelVersion { name, version, .. } = identity;
        let attempts = self.failures.iter().find(|f| f.identity == *identity).map_or(0, |f| f.attempts) + 1;
        let wait = backoff(attempts);
        tracing::error!(name, version, reason = %error, retry_seconds = wait.as_secs(), "version refused; what serves goes on");
        self.metrics.models().failed(name);
        self.metrics.models().switched("failed");
        self.failures.retain(|failure| failure.identity != *identity);
        let (identity, reason, retry_at) = (identity.clone(), error.to_string(), Instant::now() + wait);
        self.failures.push(Failure { identity, reason, attempts, retry_at });
    }

    /// Puts `next` in service. What served is kept for a return, what was kept before is retired.
    pub(super) fn switch(&mut self, next: Arc<Generation>, outcome: &'static str) {
        // Of what served before; the next look says it anew.
        self.waiting.clear();
        next.health().forget();
        let models = describe(&next);
        let loaded: Vec<ModelVersion> = next.models().to_vec();
        self.failures.retain(|failure| !loaded.contains(&failure.identity));
        self.note_default(&next);
        let before = self.pipeline.switch(Traffic { stable: Arc::clone(&next), candidate: None });
        let older = self.previous.replace(before.stable);
        self.retire(older);
        let tried = before.candidate.map(|candidate| Arc::clone(&candidate.generation));
        self.retire(tried.filter(|tried| !Arc::ptr_eq(tried, &next)));
        let watch = self.config.rollout.watch;
        self.watched_until = (!watch.is_zero()).then(|| Instant::now() + watch);
        self.changed(outcome);
        tracing::info!(models, policy = self.current().policy_version().version, outcome, "in service");
    }

    /// Starts to try a generation.
    pub(super) fn try_out(&mut self, candidate: Candidate) {
        candidate.generation.health().forget();
        let models = describe(&candidate.generation);
        tracing::info!(models, trial = name(&candidate.trial), share = candidate.share.value(), "on trial");
        let stable = self.current();
        let before = self.pipeline.switch(Traffic { stable, candidate: Some(Arc::new(candidate)) });
        self.retire(before.candidate.map(|candidate| Arc::clone(&candidate.generation)));
        self.epoch += 1;
        self.announce();
    }

    /// Ends a trial; what was tried is freed.
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing is tried.
    pub(super) fn stop_candidate(&mut self) -> Result<()> {
        let stable = self.current();
        if self.candidate().is_none() {
            return Err(Error::Refused("no candidate is being tried".into()));
        }
        let before = self.pipeline.switch(Traffic { stable, candidate: None });
        self.retire(before.candidate.map(|candidate| Arc::clone(&candidate.generation)));
        self.epoch += 1;
        self.announce();
        Ok(())
    }

    /// Undoes the last change: ends the trial of a candidate, or else returns to what served before. What was rolled back
    /// is held back: the folder alone does not bring it again, a newer version or a call does.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is nothing to return to.
    pub(super) fn roll_back(&mut self, outcome: &'static str) -> Result<()> {
        if self.candidate().is_some() {
            self.stop_candidate()?;
            self.changed(outcome);
            return Ok(());
        }
        let Some(previous) = self.previous.take() else {
            return Err(Error::Refused("there is no earlier generation to return to".into()));
        };
        self.waiting.clear();
        let current = self.current();
        self.hold_back(&current, &previous);
        previous.health().forget();
        let models = describe(&previous);
        self.note_default(&previous);
        let before = self.pipeline.switch(Traffic { stable: previous, candidate: None });
        self.retire(Some(before.stable));
        drop(current);
        self.watched_until = None;
        self.epoch += 1;
        self.changed(outcome);
        tracing::warn!(models, policy = self.current().policy_version().version, outcome, "rolled back");
        Ok(())
    }

    fn note_default(&mut self, next: &Generation) {
        if next.set().name == DEFAULT_SET {
            self.default = DefaultSet::of(next);
        }
    }

    fn hold_back(&mut self, from: &Generation, to: &Generation) {
        // A set comes and goes by call only.
        if [from, to].iter().any(|generation| generation.set().name != DEFAULT_SET) {
            return;
        }
        let of = |generation: &Generation, name: &str| generation.models().iter().find(|m| m.name == name).cloned();
        let mut names: Vec<&String> = from.models().iter().chain(to.models()).map(|model| &model.name).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (was, is) = (of(from, name), of(to, name));
            if was == is {
                continue;
            }
            let held = self.decisions.get(name).map(|decision| decision.until_newer_than.clone());
            let newest = [held, was, is.clone()].into_iter().flatten();
            let Some(until_newer_than) = newest.max_by(|a, b| order(&a.version).cmp(&order(&b.version))) else {
                continue;
            };
            let decision = Decision { serve: is.map(|model| model.version), until_newer_than };
            self.decisions.insert(name.clone(), decision);
        }
        if from.policy_version().sha256 != to.policy_version().sha256 {
            self.policy_held = Some(from.policy_version().sha256.clone());
        }
    }

    /// Notes that `versions` serve by call: until a version newer than all that are there now appears.
    pub(super) fn decide(&mut self, versions: &[ModelVersion]) {
        for wanted in versions {
            let there = self.versions.iter().map(|version| &version.identity).filter(|v| v.name == wanted.name);
            let newest = there.chain([wanted]).max_by(|a, b| order(&a.version).cmp(&order(&b.version)));
            let until_newer_than = newest.unwrap_or(wanted).clone();
            let decision = Decision { serve: Some(wanted.version.clone()), until_newer_than };
            self.decisions.insert(wanted.name.clone(), decision);
        }
        self.epoch += 1;
    }

    /// Frees a version that is loaded but does not serve.
    ///
    /// # Errors
    /// [`Error::Refused`] when it serves or is tried; [`Error::NotFound`] when it is not loaded.
    pub(super) fn unload(&mut self, name: &str, version: &str) -> Result<()> {
        let is = |identity: &ModelVersion| identity.name == name && identity.version == version;
        let holds = |generation: &Generation| generation.models().iter().any(is);
        let Traffic { stable, candidate } = self.pipeline.traffic();
        if holds(&stable) {
            return Err(Error::Refused(format!("{name} {version} is in service; promote another version first")));
        }
        if candidate.is_some_and(|candidate| holds(&candidate.generation)) {
            return Err(Error::Refused(format!("{name} {version} is being tried; stop the candidate first")));
        }
        let (gone, kept): (Vec<_>, Vec<_>) = self.kept.drain(..).partition(|model| is(&model.folder().identity));
        self.kept = kept;
        let before = self.previous.take_if(|previous| holds(previous));
        if gone.is_empty() && before.is_none() {
            return Err(Error::NotFound(format!("{name} {version} is not loaded")));
        }
        self.retired.extend(gone.into_iter().map(Retired::Model));
        self.retire(before);
        self.announce();
        Ok(())
    }

    pub(super) fn retire(&mut self, generation: Option<Arc<Generation>>) {
        self.retired.extend(generation.map(Retired::Generation));
    }

    fn changed(&self, outcome: &'static str) {
        self.metrics.models().switched(outcome);
        self.announce();
    }

    /// Tells the metrics what is in service.
    pub(super) fn announce(&self) {
        let Traffic { stable, candidate } = self.pipeline.traffic();
        let trial = candidate.as_ref().map(|candidate| (&candidate.generation, name(&candidate.trial)));
        let previous = self.previous.as_ref().map(|previous| (previous, "previous"));
        let roles: Vec<_> = [Some((&stable, "stable")), previous, trial].into_iter().flatten().collect();
        let versions = roles.iter().flat_map(|(generation, role)| {
            let (set, policy) = (generation.set(), generation.policy_version());
            let models = generation.models().iter().map(|m| [&m.name, &m.version, &m.sha256].map(String::as_str));
            let others = [
                ["set", set.name.as_str(), set.sha256.as_str()],
                ["policy", policy.version.as_str(), policy.sha256.as_str()],
            ];
            models.chain(others).map(|labels| (labels, *role))
        });
        self.metrics.models().in_service(versions, candidate.as_ref().map_or(0.0, |c| c.share.value()));
    }

    /// How long until something must be looked at that no message tells of.
    pub(super) fn attention(&self) -> Option<Duration> {
        if !self.retired.is_empty() {
            return Some(Duration::from_millis(20));
        }
        let canary = self.candidate().is_some_and(|candidate| matches!(candidate.trial, Trial::Canary(_)));
        (canary || self.watched_until.is_some()).then_some(Duration::from_millis(200))
    }
}

/// The name of a trial, as metrics and logs have it.
pub(super) fn name(trial: &Trial) -> &'static str {
    match trial {
        Trial::Canary(_) => "canary",
        Trial::Shadow(_) => "shadow",
    }
}

/// Every model with its version and the beginning of its hash, since a version may have been mended in place.
fn describe(generation: &Generation) -> String {
    let told = |model: &ModelVersion| {
        let sha256: String = model.sha256.chars().take(12).collect();
        format!("{} {} ({sha256})", model.name, model.version)
    };
    let models: Vec<String> = generation.models().iter().map(told).collect();
    format!("set {}: {}", generation.set().name, models.join(", "))
}
