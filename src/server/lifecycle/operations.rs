//! What operators ask the thread for: load, promote, try.

use std::sync::Arc;

use wildwarden_core::domain::{DEFAULT_SET, ModelVersion};
use wildwarden_core::error::{Error, Result};
use wildwarden_core::memory;
use wildwarden_core::model::catalogue::named::NamedSet;
use wildwarden_core::model::runtime::loaded::LoadedModel;
use wildwarden_core::pipeline::generation::{Generation, PolicyFile};
use wildwarden_core::pipeline::shadow::Comparison;
use wildwarden_core::pipeline::traffic::{Candidate, Share, Trial};

use super::keeper::Keeper;
use super::load::Fault;
use super::plan::{Plan, Target};
use super::state::State;

impl Keeper {
    pub(super) fn load(&mut self, target: &Target) -> Result<()> {
        let plan = self.plan_for_call(target)?;
        let generation = self.build_for_call(&plan)?;
        let mut state = self.state();
        let current = state.current();
        let kept: Vec<_> = state.kept.iter().map(|model| &model.folder().identity).chain(current.models()).collect();
        let new = |model: &&Arc<LoadedModel>| !kept.contains(&&model.folder().identity);
        let new: Vec<_> = generation.engine().models().filter(new).cloned().collect();
        state.ledger.clear_failures(generation.models());
        state.kept.extend(new);
        state.retire(Arc::new(generation));
        Ok(())
    }

    pub(super) fn promote_candidate(&self) -> Result<()> {
        let mut state = self.state();
        let candidate = state.candidate().ok_or_else(|| Error::Refused("no candidate is being tried".into()))?;
        let current = state.current();
        if [&current, &candidate.generation].iter().all(|generation| generation.set().name == DEFAULT_SET) {
            let new = candidate.generation.models().iter().filter(|model| !current.models().contains(model));
            let new: Vec<ModelVersion> = new.cloned().collect();
            let State { ledger, versions, .. } = &mut *state;
            ledger.decide(&new, versions);
        }
        state.ledger.next_epoch();
        state.switch(Arc::clone(&candidate.generation), "promoted");
        Ok(())
    }

    pub(super) fn promote(&mut self, target: &Target) -> Result<()> {
        let epoch = self.state().ledger.epoch();
        let plan = self.plan_for_call(target)?;
        let in_service = plan.is(&self.state().current());
        let generation = if in_service { None } else { Some(self.build_for_call(&plan)?) };
        let mut state = self.state();
        self.unchanged_since(epoch, &state)?;
        match target {
            Target::Versions(versions) => {
                let State { ledger, versions: known, .. } = &mut *state;
                ledger.decide(versions, known);
            }
            // A policy file that was rolled back serves again by this call.
            Target::Set(_) => state.ledger.release_policy(&plan.policy.version.sha256),
        }
        state.ledger.next_epoch();
        if let Some(generation) = generation {
            state.switch(Arc::new(generation), "promoted");
        }
        Ok(())
    }

    pub(super) fn try_out(&mut self, target: &Target, share: Share, shadow: bool) -> Result<()> {
        let epoch = self.state().ledger.epoch();
        let plan = self.plan_for_call(target)?;
        if plan.rates_as(&self.state().current()) {
            return Err(Error::Refused("these versions and this policy are in service; name others to try".into()));
        }
        let generation = Arc::new(self.build_for_call(&plan)?);
        let mut state = self.state();
        self.unchanged_since(epoch, &state)?;
        let comparison = Arc::new(Comparison::new(state.config.reloadable.rollout.shadow_in_flight));
        let trial = if shadow { Trial::Shadow(comparison) } else { Trial::Canary(comparison) };
        state.try_out(Candidate { generation, trial, share });
        Ok(())
    }

    fn unchanged_since(&self, epoch: u64, state: &State) -> Result<()> {
        let same = state.ledger.epoch() == epoch;
        if same { Ok(()) } else { Err(Error::Refused("another call changed what serves meanwhile; try again".into())) }
    }

    fn plan_for_call(&mut self, target: &Target) -> Result<Plan> {
        let name = match target {
            Target::Versions(versions) => return self.state().plan_with(versions),
            Target::Set(name) => name,
        };
        // It may have been written a moment ago, and its folders, too.
        self.scan();
        let policy = self.read_policy(false);
        if name == DEFAULT_SET {
            return self.state().plan_by_folders(&policy).map(|(plan, _)| plan).map_err(Error::Refused);
        }
        let config = Arc::clone(&self.state().config);
        let refused = |error: Error| {
            if matches!(error, Error::NotFound(_)) { error } else { Error::Refused(error.to_string()) }
        };
        let set = NamedSet::read(&config.folders.models, name, config.folders.max_file_bytes).map_err(refused)?;
        let own = PolicyFile::of_set(&set, &config).map_err(refused)?;
        self.state().plan_of_set(&set, own.map_or(policy, Arc::new))
    }

    fn build_for_call(&self, plan: &Plan) -> Result<Generation> {
        self.build(plan).map_err(|Fault { version, error }| {
            if let Some(identity) = version {
                self.state().record_failure(&identity, &error);
            }
            memory::give_back();
            // Operators may read the cause.
            if matches!(error, Error::NotReady(_)) { error } else { Error::Refused(error.to_string()) }
        })
    }
}
