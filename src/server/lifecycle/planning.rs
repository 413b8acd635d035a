//! What should serve, worked out from what is known and asked for. Nothing here loads.

use std::sync::Arc;

use tokio::time::Instant;
use wildwarden_core::domain::{DEFAULT_SET, ModelVersion};
use wildwarden_core::error::{Error, Result};
use wildwarden_core::model::catalogue::choice::Situation;
use wildwarden_core::model::catalogue::named::{NamedSet, together};
use wildwarden_core::model::catalogue::opening::open;
use wildwarden_core::model::catalogue::repository::Version;
use wildwarden_core::pipeline::generation::PolicyFile;

use super::plan::Plan;
use super::state::State;

impl State {
    /// What folders and rules choose, with `policy`; and what is not taken, a sentence each.
    ///
    /// # Errors
    /// One sentence, when they make no set that can serve.
    pub(super) fn plan_by_folders(&self, policy: &Arc<PolicyFile>) -> Result<(Plan, Vec<String>), String> {
        let barred = self.ledger.barred(Instant::now());
        let opening = open(Situation {
            versions: &self.versions,
            rules: &self.config.reloadable.versions,
            decisions: self.ledger.decisions(),
            barred: &barred,
            serving: &self.ledger.default().versions,
            declared: &policy.policy.declared(),
        })?;
        let notes = opening.notes();
        let (versions, policy) = (opening.choice.versions, Arc::clone(policy));
        Ok((Plan::by_folders(versions, policy), notes))
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
        let versions = together(&chosen, &serving, &current.policy().declared()).map_err(Error::Refused)?;
        Ok(Plan::by_folders(versions, Arc::clone(current.policy_file())))
    }

    /// A named set, with `policy`.
    ///
    /// # Errors
    /// [`Error::Refused`] when a version is not there, or they do not fit.
    pub(super) fn plan_of_set(&self, set: &NamedSet, policy: Arc<PolicyFile>) -> Result<Plan> {
        let versions = set
            .versions(&self.known(), &self.current().versions(), &policy.policy.declared())
            .map_err(Error::Refused)?;
        Ok(Plan { versions, policy, set: set.name.clone() })
    }

    /// Every version on disk, then those in memory: what was loaded serves also when its folder has gone.
    fn known(&self) -> Vec<Arc<Version>> {
        let loaded = self.loaded().into_iter().map(|model| Arc::new(Version::of(model.folder())));
        self.versions.iter().cloned().chain(loaded).collect()
    }
}
