//! From chosen versions to a generation that can serve: read, load, put together, check. Beside traffic it goes one session
//! after another; a version that fails is named, so that the others can go on without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::plan::Plan;
use crate::config::Config;
use crate::domain::ModelVersion;
use crate::error::Error;
use crate::model::check::Checks;
use crate::model::loaded::{LoadedModel, Pace};
use crate::model::registry::{ModelFolder, ModelSet};
use crate::model::repository::Version;
use crate::model::session::Runtime;
use crate::pipeline::generation::{Generation, budget};

/// Why a plan cannot serve.
#[derive(Debug)]
pub(super) struct Fault {
    /// The version to blame; none: the policy, or the program.
    pub version: Option<Box<ModelVersion>>,
    /// What was wrong.
    pub error: Error,
}

/// Loads plans.
#[derive(Debug)]
pub(super) struct Loader<'a> {
    pub config: &'a Config,
    /// Models in memory, which are shared.
    pub loaded: &'a [Arc<LoadedModel>],
    /// What serves now.
    pub before: Option<&'a Generation>,
    /// Set when the server stops: a load is given up between two models.
    pub stop: &'a AtomicBool,
}

impl Loader<'_> {
    /// A generation of `plan`, with golden samples checked on every session of models that were not loaded before.
    pub(super) fn build(&self, plan: &Plan) -> Result<Generation, Fault> {
        let pace = if self.before.is_some() { Pace::Gentle } else { Pace::Full };
        let budget = budget(self.config, pace);
        let checks = Checks::logged(self.config.max_file_bytes);
        let unblamed = |error| Fault { version: None, error };
        let runtime = Runtime::load(&self.config.onnxruntime).map_err(unblamed)?;
        let mut loaded = self.loaded.to_vec();
        let mut new = Vec::new();
        for version in &plan.versions {
            if loaded.iter().any(|model| model.folder().identity == version.identity) {
                continue;
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err(unblamed(Error::NotReady("the server is shutting down".into())));
            }
            let model = read(version, &checks).and_then(|folder| LoadedModel::load(runtime, &folder, budget, &checks));
            let model = model.map_err(|error| Fault { version: Some(Box::new(version.identity.clone())), error })?;
            new.push(Arc::new(model));
        }
        loaded.extend(new.iter().cloned());
        let blamed = |error| Fault { version: blame(&error, &plan.versions), error };
        let set = ModelSet::of(self.folders(plan, &loaded), &self.config.models, &checks).map_err(blamed)?;
        let generation =
            Generation::assemble((self.config, &checks), &set, Arc::clone(&plan.policy), &loaded, self.before);
        let generation = generation.map_err(blamed)?.named(&plan.set);
        for model in &new {
            let identity = || Some(Box::new(model.folder().identity.clone()));
            generation.try_golden(model, budget, &checks).map_err(|error| Fault { version: identity(), error })?;
            self.tell_cost(model);
        }
        Ok(generation)
    }

    /// Both costs were measured in the same way, though perhaps not beside the same load: a hint, and no reason to refuse.
    fn tell_cost(&self, new: &LoadedModel) {
        let Some(before) = self.before else { return };
        let in_service = before.engine().models().find(|model| model.name() == new.name());
        let version = &new.folder().manifest.version;
        let (cost, before) = (new.cost(), in_service.map(|model| model.cost().to_string()));
        tracing::info!(name = new.name(), version, %cost, in_service = before, "loaded");
    }

    fn folders(&self, plan: &Plan, loaded: &[Arc<LoadedModel>]) -> Vec<Arc<ModelFolder>> {
        let folder = |version: &Arc<Version>| {
            let model = loaded.iter().find(|model| model.folder().identity == version.identity);
            model.map(|model| Arc::clone(model.folder()))
        };
        plan.versions.iter().filter_map(folder).collect()
    }
}

fn read(version: &Version, checks: &Checks<'_>) -> crate::error::Result<Arc<ModelFolder>> {
    let folder = ModelFolder::read(&version.path, checks)?;
    if folder.identity != version.identity {
        return Err(Error::file(&version.path, "was changed while it was being loaded"));
    }
    Ok(Arc::new(folder))
}

/// The version that `error` speaks of.
fn blame(error: &Error, versions: &[Arc<Version>]) -> Option<Box<ModelVersion>> {
    let message = error.to_string();
    let named = |version: &&Arc<Version>| {
        let by_name = matches!(error, Error::Model { model, .. } if *model == version.identity.name);
        by_name || message.contains(&version.path.display().to_string())
    };
    versions.iter().find(named).map(|version| Box::new(version.identity.clone()))
}
