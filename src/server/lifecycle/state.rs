//! What is known and decided: everything that calls and the keeper's thread share, behind one lock that is held only for
//! moments. Switching is the exchange of a pointer; nothing here loads.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wildwarden_core::config::Config;
use wildwarden_core::domain::{ModelVersion, PolicyVersion};
use wildwarden_core::error::{Error, Result};
use wildwarden_core::metrics::Metrics;
use wildwarden_core::model::catalogue::named::NamedSet;
use wildwarden_core::model::catalogue::repository::{Incomplete, Version};
use wildwarden_core::model::folder::manifest::short_hash;
use wildwarden_core::model::runtime::loaded::LoadedModel;
use wildwarden_core::pipeline::Pipeline;
use wildwarden_core::pipeline::generation::Generation;
use wildwarden_core::pipeline::traffic::{Candidate, Traffic, Trial};

use super::ledger::{Ledger, Served, Undone};
use super::plan::DefaultSet;

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
    /// What serves, served and is tried, and what was decided.
    pub ledger: Ledger<Generation>,
    /// What is not taken yet, and why.
    pub waiting: Vec<String>,
    /// Why the policy file is not taken.
    pub policy_problem: Option<String>,
    /// Loaded beside what serves, by call or because several versions are kept.
    pub kept: Vec<Arc<LoadedModel>>,
    pub retired: Vec<Retired>,
    /// Version being loaded.
    pub loading: Option<String>,
}

impl Served for Generation {
    fn models(&self) -> &[ModelVersion] {
        Self::models(self)
    }

    fn set(&self) -> &str {
        &Self::set(self).name
    }

    fn policy(&self) -> &PolicyVersion {
        self.policy_version()
    }

    fn as_default(&self) -> DefaultSet {
        DefaultSet::of(self)
    }
}

impl State {
    /// What serves now.
    pub(super) fn current(&self) -> Arc<Generation> {
        Arc::clone(self.ledger.serving())
    }

    pub(super) fn candidate(&self) -> Option<Arc<Candidate>> {
        self.pipeline.traffic().candidate
    }

    /// Every model in memory.
    pub(super) fn loaded(&self) -> Vec<Arc<LoadedModel>> {
        let ledger = &self.ledger;
        let generations = [Some(ledger.serving()), ledger.previous(), ledger.candidate()];
        let models = generations.into_iter().flatten().flat_map(|generation| generation.engine().models());
        self.kept.iter().chain(models).cloned().collect()
    }

    pub(super) fn record_failure(&mut self, identity: &ModelVersion, error: &Error) {
        let ModelVersion { name, version, .. } = identity;
        let wait = self.ledger.record_failure(identity, error.to_string(), Instant::now());
        tracing::error!(name, version, reason = %error, retry_seconds = wait.as_secs(), "version refused; what serves goes on");
        self.metrics.models().failed(name);
        self.metrics.models().switched("failed");
    }

    /// Puts `next` in service. What served is kept for a return, what was kept before is retired.
    pub(super) fn switch(&mut self, next: Arc<Generation>, outcome: &'static str) {
        // Of what served before; the next look says it anew.
        self.waiting.clear();
        next.health().forget();
        let models = describe(&next);
        let gone = self.ledger.serve(next, self.config.reloadable.rollout.watch, Instant::now());
        self.set_traffic(None);
        gone.into_iter().for_each(|generation| self.retire(generation));
        self.changed(outcome);
        tracing::info!(models, policy = self.current().policy_version().version, outcome, "in service");
    }

    /// Starts to try a generation.
    pub(super) fn try_out(&mut self, candidate: Candidate) {
        candidate.generation.health().forget();
        let models = describe(&candidate.generation);
        tracing::info!(models, trial = trial_name(&candidate.trial), share = candidate.share.value(), "on trial");
        let before = self.ledger.try_out(Arc::clone(&candidate.generation));
        self.set_traffic(Some(Arc::new(candidate)));
        before.into_iter().for_each(|generation| self.retire(generation));
        self.announce();
    }

    /// Ends a trial; what was tried is freed.
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing is tried.
    pub(super) fn stop_candidate(&mut self) -> Result<()> {
        let tried = self.ledger.stop_candidate()?;
        self.set_traffic(None);
        self.retire(tried);
        self.announce();
        Ok(())
    }

    /// See [`Ledger::roll_back`].
    ///
    /// # Errors
    /// [`Error::Refused`] when there is nothing to return to.
    pub(super) fn roll_back(&mut self, outcome: &'static str) -> Result<()> {
        let undone = self.ledger.roll_back()?;
        if let Undone::Switch(_) = &undone {
            self.waiting.clear();
            self.current().health().forget();
        }
        self.set_traffic(None);
        match undone {
            Undone::Trial(tried) => self.retire(tried),
            Undone::Switch(left) => {
                self.retire(left);
                let current = self.current();
                tracing::warn!(
                    models = describe(&current),
                    policy = current.policy_version().version,
                    outcome,
                    "rolled back"
                );
            }
        }
        self.changed(outcome);
        Ok(())
    }

    /// Has listings rated by what the ledger says, and by `candidate` on its share.
    fn set_traffic(&self, candidate: Option<Arc<Candidate>>) {
        self.pipeline.switch(Traffic { stable: self.current(), candidate });
    }

    /// Frees a version that is loaded but does not serve.
    ///
    /// # Errors
    /// [`Error::Refused`] when it serves or is tried; [`Error::NotFound`] when it is not loaded.
    pub(super) fn unload(&mut self, name: &str, version: &str) -> Result<()> {
        let is = |identity: &ModelVersion| identity.name == name && identity.version == version;
        let holds = |generation: &Generation| generation.models().iter().any(is);
        if holds(self.ledger.serving()) {
            return Err(Error::Refused(format!("{name} {version} is in service; promote another version first")));
        }
        if self.ledger.candidate().is_some_and(|candidate| holds(candidate)) {
            return Err(Error::Refused(format!("{name} {version} is being tried; stop the candidate first")));
        }
        let (gone, kept): (Vec<_>, Vec<_>) = self.kept.drain(..).partition(|model| is(&model.folder().identity));
        self.kept = kept;
        let before = self.ledger.forget_previous(holds);
        if gone.is_empty() && before.is_none() {
            return Err(Error::NotFound(format!("{name} {version} is not loaded")));
        }
        self.retired.extend(gone.into_iter().map(Retired::Model));
        before.into_iter().for_each(|generation| self.retire(generation));
        self.announce();
        Ok(())
    }

    pub(super) fn retire(&mut self, generation: Arc<Generation>) {
        self.retired.push(Retired::Generation(generation));
    }

    fn changed(&self, outcome: &'static str) {
        self.metrics.models().switched(outcome);
        self.announce();
    }

    /// Tells the metrics what is in service.
    pub(super) fn announce(&self) {
        let Traffic { stable, candidate } = self.pipeline.traffic();
        let trial = candidate.as_ref().map(|candidate| (&candidate.generation, trial_name(&candidate.trial)));
        let previous = self.ledger.previous().map(|previous| (previous, "previous"));
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
        self.metrics.scores().serves(stable.number(), stable.references());
        let providers = stable.engine().providers();
        self.metrics.models().carried_out(providers.iter().map(|(provider, &models)| (provider.name(), models)));
    }

    /// How long until something must be looked at that no message tells of.
    pub(super) fn attention(&self) -> Option<Duration> {
        if !self.retired.is_empty() {
            return Some(Duration::from_millis(20));
        }
        let canary = self.candidate().is_some_and(|candidate| matches!(candidate.trial, Trial::Canary(_)));
        (canary || self.ledger.wants_watching()).then_some(Duration::from_millis(200))
    }
}

/// The name of a trial, as metrics and logs have it.
pub(super) fn trial_name(trial: &Trial) -> &'static str {
    match trial {
        Trial::Canary(_) => "canary",
        Trial::Shadow(_) => "shadow",
    }
}

/// Every model with its version and the beginning of its hash, since a version may have been mended in place.
fn describe(generation: &Generation) -> String {
    let told = |model: &ModelVersion| format!("{} {} ({})", model.name, model.version, short_hash(&model.sha256, 12));
    let models: Vec<String> = generation.models().iter().map(told).collect();
    format!("set {}: {}", generation.set().name, models.join(", "))
}
