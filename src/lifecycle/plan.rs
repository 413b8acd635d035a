//! What should serve, worked out from what is known and asked for. Nothing here loads.

use std::sync::Arc;

use super::state::State;
use crate::domain::{DEFAULT_SET, ModelVersion};
use crate::error::{Error, Result};
use crate::model::choice::Situation;
use crate::model::opening::open;
use crate::model::repository::Version;
use crate::model::set::{NamedSet, together};
use crate::pipeline::generation::{Generation, PolicyFile};

/// What should serve.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// One version a model.
    pub versions: Vec<Arc<Version>>,
    /// The policy.
    pub policy: Arc<PolicyFile>,
    /// Name of the set, or [`DEFAULT_SET`].
    pub set: String,
}

/// What a call names.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// Versions, in the place of those in service.
    Versions(Vec<ModelVersion>),
    /// A set, or [`DEFAULT_SET`].
    Set(String),
}

/// What folders, rules and the policy file chose when they last did.
#[derive(Debug, Clone)]
pub(super) struct DefaultSet {
    pub versions: Vec<Arc<Version>>,
    pub policy: Arc<PolicyFile>,
}

impl DefaultSet {
    pub(super) fn of(generation: &Generation) -> Self {
        Self { versions: generation.versions(), policy: Arc::clone(generation.policy_file()) }
    }
}

impl Plan {
    /// Whether `generation` is exactly this.
    pub(super) fn is(&self, generation: &Generation) -> bool {
        self.set == generation.set().name && self.rates_as(generation)
    }

    /// Whether `generation` has the same models and policy.
    pub(super) fn rates_as(&self, generation: &Generation) -> bool {
        let same_policy = generation.policy_version().sha256 == self.policy.version.sha256;
        let serves = |version: &Arc<Version>| generation.models().contains(&version.identity);
        same_policy && generation.models().len() == self.versions.len() && self.versions.iter().all(serves)
    }
}

impl State {
    /// What folders and rules choose, with `policy`; and what is not taken, a sentence each.
    ///
    /// # Errors
    /// One sentence, when they make no set that can serve.
    pub(super) fn plan_by_folders(&self, policy: &Arc<PolicyFile>) -> Result<(Plan, Vec<String>), String> {
        let barred = self.barred();
        let opening = open(Situation {
            versions: &self.versions,
            rules: &self.config.versions,
            decisions: &self.decisions,
            barred: &barred,
            serving: &self.default.versions,
        })?;
        let notes = opening.notes();
        let (versions, policy) = (opening.choice.versions, Arc::clone(policy));
        Ok((Plan { versions, policy, set: DEFAULT_SET.to_owned() }, notes))
    }

    /// What serves, with `versions` instead.
    ///
    /// # Errors
    /// [`Error::NotFound`] when one is gone; [`Error::Refused`] when they do not fit.
    pub(super) fn plan_with(&self, versions: &[ModelVersion]) -> Result<Plan> {
        let current = self.current();
        let name = &current.set().name;
        if name != DEFAULT_SET {
            return Err(Error::Refused(format!(
                "the set {name} is in service and changes only as a whole; name another set, or {DEFAULT_SET}"
            )));
        }
        let serving = current.versions();
        let known = self.known();
        let found = |wanted: &ModelVersion| {
            let missing = || Error::NotFound(format!("{} {} is gone", wanted.name, wanted.version));
            known.iter().find(|version| version.identity == *wanted).cloned().ok_or_else(missing)
        };
        let mut chosen: Vec<Arc<Version>> = versions.iter().map(found).collect::<Result<_>>()?;
        let named = |version: &&Arc<Version>| versions.iter().any(|wanted| wanted.name == version.name());
        chosen.extend(serving.iter().filter(|version| !named(version)).cloned());
        let versions = together(&chosen, &serving).map_err(Error::Refused)?;
        Ok(Plan { versions, policy: Arc::clone(current.policy_file()), set: DEFAULT_SET.to_owned() })
    }

    /// A named set, with `policy`.
    ///
    /// # Errors
    /// [`Error::Refused`] when a version is not there, or they do not fit.
    pub(super) fn plan_of_set(&self, set: &NamedSet, policy: Arc<PolicyFile>) -> Result<Plan> {
        let versions = set.versions(&self.known(), &self.current().versions()).map_err(Error::Refused)?;
        Ok(Plan { versions, policy, set: set.name.clone() })
    }

    /// Every version on disk, then those in memory: what was loaded serves also when its folder has gone.
    fn known(&self) -> Vec<Arc<Version>> {
        let loaded = self.loaded().into_iter().map(|model| Arc::new(Version::of(model.folder())));
        self.versions.iter().cloned().chain(loaded).collect()
    }
}
