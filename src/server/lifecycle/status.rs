//! What operators are told of models: every version there is, what it does, and why it does not serve.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wildwarden_core::domain::{DEFAULT_SET, ModelVersion, PolicyVersion, SetVersion};
use wildwarden_core::error::{Error, Result};
use wildwarden_core::model::catalogue::named::NamedSet;
use wildwarden_core::model::catalogue::repository::{Version, order};
use wildwarden_core::model::folder::manifest::Manifest;
use wildwarden_core::pipeline::generation::{Generation, PolicyFile};
use wildwarden_core::pipeline::traffic::{Candidate, Traffic, Trial};

use super::state::State;

/// What a version does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionState {
    /// Answers listings.
    Serving,
    /// Answers its share of listings.
    Canary,
    /// Rates its share of listings once more.
    Shadow,
    /// Served before; one call returns to it.
    Previous,
    /// Kept in memory.
    Loaded,
    /// Complete on disk.
    Available,
    /// Its folder is not complete.
    Incomplete,
    /// It did not load, or its check failed.
    Failed,
}

/// One version of a model, in memory or on disk.
#[derive(Debug, Clone)]
pub struct VersionStatus {
    /// As its folder is named.
    pub version: String,
    /// SHA-256 of its manifest; empty when incomplete.
    pub sha256: String,
    /// What it does.
    pub state: VersionState,
    /// `stable`, `canary`.
    pub labels: Vec<&'static str>,
    /// Why it is incomplete or failed.
    pub reason: String,
    /// From now until it is tried again; zero when due; `None`: it has not failed.
    pub retry_in: Option<Duration>,
    /// A newer version than this must appear, or a call promote it: it was rolled back, or an older one was promoted.
    pub held_back: bool,
}

/// All that is known.
#[derive(Debug, Clone)]
pub struct ModelsStatus {
    /// Counts up with each change of what serves.
    pub generation: u64,
    /// The policy in service.
    pub policy: PolicyVersion,
    /// Why the policy file is not taken; empty when it is.
    pub policy_problem: String,
    /// Versions by model, the newest first.
    pub models: BTreeMap<String, Vec<VersionStatus>>,
    /// What is not taken yet, and why.
    pub waiting: Vec<String>,
    /// What is being loaded now; empty: nothing.
    pub loading: String,
    /// The set in service.
    pub set: SetVersion,
    /// Every set there is, the default one first.
    pub sets: Vec<SetStatus>,
    /// What is tried.
    pub candidate: Option<CandidateStatus>,
    /// What a roll back would return to: models, policy, set.
    pub previous: Option<(Vec<ModelVersion>, PolicyVersion, SetVersion)>,
}

/// A set.
#[derive(Debug, Clone)]
pub struct SetStatus {
    /// Of NAME.set.toml, or `default`.
    pub name: String,
    /// What it is, as its file says.
    pub summary: String,
    /// What it does.
    pub state: VersionState,
    /// Why it cannot serve; empty when nothing is known against it.
    pub reason: String,
}

/// What is tried beside what serves.
#[derive(Debug, Clone)]
pub struct CandidateStatus {
    /// Canary or shadow.
    pub trial: VersionState,
    /// Share of listings, above 0 and at most 1.
    pub share: f64,
    /// What rates its share.
    pub models: Vec<ModelVersion>,
    /// What makes their scores a rating.
    pub policy: PolicyVersion,
    /// The set it is.
    pub set: SetVersion,
}

impl State {
    pub(super) fn status(&self) -> ModelsStatus {
        let Traffic { stable, candidate } = self.pipeline.traffic();
        let mut models: BTreeMap<String, Vec<VersionStatus>> = BTreeMap::new();
        let mut known: Vec<ModelVersion> = self.versions.iter().map(|version| version.identity.clone()).collect();
        let loaded = self.loaded();
        known.extend(loaded.iter().map(|model| model.folder().identity.clone()));
        known.sort_by(|a, b| (&a.name, order(&b.version), &a.sha256).cmp(&(&b.name, order(&a.version), &b.sha256)));
        known.dedup();
        for identity in known {
            let status = self.version(&identity, &stable, candidate.as_ref());
            models.entry(identity.name).or_default().push(status);
        }
        for faulty in &self.incomplete {
            let versions = models.entry(faulty.name.clone()).or_default();
            // A complete version whose files are being replaced is both; the fault is what an operator must see.
            match versions.iter_mut().find(|status| status.version == faulty.version) {
                Some(status) => status.reason.clone_from(&faulty.reason),
                None => versions.push(VersionStatus {
                    version: faulty.version.clone(),
                    sha256: String::new(),
                    state: VersionState::Incomplete,
                    labels: Vec::new(),
                    reason: faulty.reason.clone(),
                    retry_in: None,
                    held_back: false,
                }),
            }
            versions.sort_by(|a, b| order(&b.version).cmp(&order(&a.version)));
        }
        ModelsStatus {
            generation: stable.number(),
            policy: stable.policy_version().clone(),
            policy_problem: self.policy_problem.clone().unwrap_or_default(),
            models,
            waiting: self.waiting.clone(),
            loading: self.loading.clone().unwrap_or_default(),
            set: stable.set().clone(),
            sets: self.sets(&stable, candidate.as_ref()),
            candidate: candidate.map(|candidate| CandidateStatus {
                trial: state(&candidate.trial),
                share: candidate.share.value(),
                models: candidate.generation.models().to_vec(),
                policy: candidate.generation.policy_version().clone(),
                set: candidate.generation.set().clone(),
            }),
            previous: self.ledger.previous().map(|previous| {
                (previous.models().to_vec(), previous.policy_version().clone(), previous.set().clone())
            }),
        }
    }

    fn sets(&self, stable: &Generation, candidate: Option<&Arc<Candidate>>) -> Vec<SetStatus> {
        let does = |name: &str| {
            let is = |generation: &Generation| generation.set().name == name;
            if is(stable) {
                VersionState::Serving
            } else if let Some(candidate) = candidate.filter(|candidate| is(&candidate.generation)) {
                state(&candidate.trial)
            } else if self.ledger.previous().is_some_and(|previous| is(previous)) {
                VersionState::Previous
            } else {
                VersionState::Available
            }
        };
        let default = SetStatus {
            name: DEFAULT_SET.to_owned(),
            summary: "what folders, rules and the policy file choose".to_owned(),
            state: does(DEFAULT_SET),
            reason: String::new(),
        };
        let serving = stable.versions();
        let named = self.sets.iter().map(|set| match set {
            Ok(set) => {
                let reason = self.why_not(set, stable, &serving).err().unwrap_or_default();
                SetStatus { name: set.name.clone(), summary: set.summary.clone(), state: does(&set.name), reason }
            }
            Err((name, reason)) => {
                let state = if does(name) == VersionState::Available { VersionState::Failed } else { does(name) };
                SetStatus { name: name.clone(), summary: String::new(), state, reason: reason.clone() }
            }
        });
        std::iter::once(default).chain(named).collect()
    }

    /// Whether a set could be loaded, as far as that can be told without loading it.
    fn why_not(
        &self,
        set: &NamedSet,
        stable: &Generation,
        serving: &[Arc<Version>],
    ) -> std::result::Result<(), String> {
        let own = PolicyFile::of_set(set, &self.config).map_err(|error| error.to_string())?;
        let declared = own.map_or_else(|| stable.policy().declared(), |own| own.policy.declared());
        set.versions(&self.versions, serving, &declared).map(drop)
    }

    fn version(&self, id: &ModelVersion, stable: &Generation, candidate: Option<&Arc<Candidate>>) -> VersionStatus {
        let holds = |generation: &Generation| generation.models().contains(id);
        let tried = candidate.filter(|candidate| holds(&candidate.generation));
        let failure = self.ledger.failure_of(id);
        let does = if holds(stable) {
            VersionState::Serving
        } else if let Some(candidate) = tried {
            state(&candidate.trial)
        } else if failure.is_some() {
            VersionState::Failed
        } else if self.ledger.previous().is_some_and(|previous| holds(previous)) {
            VersionState::Previous
        } else if self.kept.iter().any(|model| model.folder().identity == *id) {
            VersionState::Loaded
        } else {
            VersionState::Available
        };
        let canary_by_rule =
            self.config.reloadable.versions.get(&id.name).and_then(|rule| rule.canary.as_ref()) == Some(&id.version);
        let is_canary = canary_by_rule || (tried.is_some() && does != VersionState::Serving);
        let labels = [(does == VersionState::Serving, "stable"), (is_canary, "canary")];
        let held_back = does != VersionState::Serving
            && self
                .ledger
                .decisions()
                .get(&id.name)
                .is_some_and(|d| order(&id.version) <= order(&d.until_newer_than.version));
        VersionStatus {
            version: id.version.clone(),
            sha256: id.sha256.clone(),
            state: does,
            labels: labels.into_iter().filter(|(has, _)| *has).map(|(_, label)| label).collect(),
            reason: failure.map(|failure| failure.reason.clone()).unwrap_or_default(),
            retry_in: failure.map(|failure| failure.retry_at.saturating_duration_since(Instant::now())),
            held_back,
        }
    }

    /// The manifest and status of a version.
    ///
    /// # Errors
    /// See [`Self::find`]; [`Error::NotFound`] when it has gone meanwhile.
    pub(super) fn describe(&self, name: &str, version: &str) -> Result<(Manifest, VersionStatus)> {
        let identity = self.find(name, version)?;
        let loaded = self.loaded();
        let in_memory = loaded.iter().map(|model| model.folder()).find(|folder| folder.identity == identity);
        let on_disk = self.versions.iter().find(|version| version.identity == identity);
        let manifest = in_memory.map(|folder| &folder.manifest).or(on_disk.map(|version| &version.manifest));
        let manifest = manifest.ok_or_else(|| Error::NotFound(format!("{name} {version} is gone")))?.clone();
        let Traffic { stable, candidate } = self.pipeline.traffic();
        Ok((manifest, self.version(&identity, &stable, candidate.as_ref())))
    }

    /// The version of `name` that `wanted` names: a version, or a label.
    ///
    /// # Errors
    /// [`Error::NotFound`] saying what there is; [`Error::Refused`] with the reason when the version is incomplete.
    pub(super) fn find(&self, name: &str, wanted: &str) -> Result<ModelVersion> {
        let loaded = self.loaded();
        let in_memory = loaded.iter().map(|model| &model.folder().identity);
        let all: Vec<&ModelVersion> = self.versions.iter().map(|version| &version.identity).chain(in_memory).collect();
        let of_model: Vec<&&ModelVersion> = all.iter().filter(|identity| identity.name == name).collect();
        if of_model.is_empty() {
            let mut names: Vec<&str> = all.iter().map(|identity| identity.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            return Err(Error::NotFound(format!("there is no model {name:?}; there are {}", names.join(", "))));
        }
        let version = match wanted {
            "stable" => self.current().models().iter().find(|model| model.name == name).map(|m| m.version.clone()),
            "canary" => {
                let by_rule = self.config.reloadable.versions.get(name).and_then(|rule| rule.canary.clone());
                let tried = self.candidate().and_then(|candidate| {
                    candidate.generation.models().iter().find(|model| model.name == name).map(|m| m.version.clone())
                });
                by_rule.or(tried)
            }
            version => Some(version.to_owned()),
        };
        let found = version.and_then(|version| of_model.iter().find(|identity| identity.version == version));
        found.map(|identity| (**identity).clone()).ok_or_else(|| {
            let mut versions: Vec<&str> = of_model.iter().map(|identity| identity.version.as_str()).collect();
            versions.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
            versions.dedup();
            let faulty = self.incomplete.iter().find(|f| f.name == name && f.version == wanted);
            match faulty {
                Some(faulty) => Error::Refused(format!("{name} {wanted} is incomplete: {}", faulty.reason)),
                None => Error::NotFound(format!("{name} has no version {wanted:?}; it has {}", versions.join(", "))),
            }
        })
    }
}

fn state(trial: &Trial) -> VersionState {
    match trial {
        Trial::Canary(_) => VersionState::Canary,
        Trial::Shadow(_) => VersionState::Shadow,
    }
}
