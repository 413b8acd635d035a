//! From chosen versions to a generation that can serve: read, load, put together, check. Beside traffic it goes one session
//! after another; a version that fails is named, so that the others can go on without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wildwarden_core::config::Config;
use wildwarden_core::domain::ModelVersion;
use wildwarden_core::error::Error;
use wildwarden_core::model::catalogue::repository::Version;
use wildwarden_core::model::folder::ModelFolder;
use wildwarden_core::model::folder::check::Checks;
use wildwarden_core::model::folder::set::ModelSet;
use wildwarden_core::model::runtime::loaded::LoadedModel;
use wildwarden_core::model::runtime::pace::Pace;
use wildwarden_core::model::runtime::session::Runtime;
use wildwarden_core::pipeline::generation::{Generation, budget};
use wildwarden_core::pipeline::golden;

use super::plan::Plan;

/// Why a plan cannot serve.
#[derive(Debug)]
pub(super) struct Fault {
    /// The version to blame; none: the policy, or the program.
    pub version: Option<Box<ModelVersion>>,
    /// What was wrong.
    pub error: Error,
}

/// Loads plans.
pub(super) struct Loader<'a> {
    pub config: &'a Config,
    /// Who hears of the steps.
    pub checks: Checks<'a>,
    /// How fast.
    pub pace: Pace,
    /// Models in memory, which are shared.
    pub loaded: &'a [Arc<LoadedModel>],
    /// Folders that were read.
    pub read: &'a [Arc<ModelFolder>],
    /// What serves now.
    pub before: Option<&'a Generation>,
    /// Set when the server stops: a load is given up between two models.
    pub stop: &'a AtomicBool,
}

impl Loader<'_> {
    /// A generation of `plan`, with golden samples checked on every session of models that were not loaded before.
    pub(super) fn build(&self, plan: &Plan) -> Result<Generation, Fault> {
        let budget = budget(self.config, self.pace);
        let checks = &self.checks;
        let unblamed = |error| Fault { version: None, error };
        let blamed = |error| Fault { version: version_at_fault(&error, &plan.versions), error };
        let runtime = Runtime::load(&self.config.runtime.onnxruntime).map_err(unblamed)?;
        let runtime = runtime.on(self.config.runtime.provider, self.config.runtime.fallback);
        let folders = plan.versions.iter().map(|version| self.folder(version)).collect::<Result<_, _>>()?;
        // Whether they fit each other is cheaper to tell than whether they load.
        let set = ModelSet::of(folders, &self.config.folders.models, &plan.policy.policy.declared(), checks)
            .map_err(blamed)?;
        let is_new =
            |folder: &&Arc<ModelFolder>| !self.loaded.iter().any(|model| model.folder().identity == folder.identity);
        let mut new = Vec::new();
        for folder in set.folders().filter(is_new) {
            self.go_on()?;
            let model = LoadedModel::load(runtime, folder, budget, checks).map_err(|error| fault(folder, error))?;
            new.push(Arc::new(model));
        }
        let loaded: Vec<_> = self.loaded.iter().chain(&new).cloned().collect();
        let generation =
            Generation::assemble((self.config, checks), &set, Arc::clone(&plan.policy), &loaded, self.before);
        let generation = generation.map_err(blamed)?.named(&plan.set);
        for model in &new {
            golden::try_all(&generation, model, budget, checks).map_err(|error| fault(model.folder(), error))?;
            self.tell_cost(model);
        }
        Ok(generation)
    }

    /// The folder of `version`: in memory already, or read now.
    fn folder(&self, version: &Version) -> Result<Arc<ModelFolder>, Fault> {
        let in_memory = self.loaded.iter().map(|model| model.folder()).chain(self.read);
        if let Some(folder) = in_memory.into_iter().find(|folder| folder.identity == version.identity) {
            return Ok(Arc::clone(folder));
        }
        self.go_on()?;
        read(version, &self.checks).map_err(|error| Fault { version: Some(Box::new(version.identity.clone())), error })
    }

    fn go_on(&self) -> Result<(), Fault> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Fault { version: None, error: Error::NotReady("the server is shutting down".into()) });
        }
        Ok(())
    }

    /// Both costs were measured in the same way, though perhaps not beside the same load: a hint, and no reason to refuse.
    fn tell_cost(&self, new: &LoadedModel) {
        // Commands that check and compare tell it themselves.
        let Some(before) = self.before.filter(|_| self.pace == Pace::Gentle) else { return };
        let in_service = before.engine().models().find(|model| model.name() == new.name());
        let version = &new.folder().manifest.version;
        let (cost, before) = (new.cost(), in_service.map(|model| model.cost().to_string()));
        tracing::info!(name = new.name(), version, %cost, in_service = before, "loaded");
    }
}

fn fault(folder: &ModelFolder, error: Error) -> Fault {
    Fault { version: Some(Box::new(folder.identity.clone())), error }
}

fn read(version: &Version, checks: &Checks<'_>) -> wildwarden_core::error::Result<Arc<ModelFolder>> {
    let folder = ModelFolder::read(&version.path, checks)?;
    if folder.identity != version.identity {
        return Err(Error::file(&version.path, "was changed while it was being loaded"));
    }
    Ok(Arc::new(folder))
}

/// The version that `error` speaks of.
fn version_at_fault(error: &Error, versions: &[Arc<Version>]) -> Option<Box<ModelVersion>> {
    let named = |version: &&Arc<Version>| {
        let by_name = matches!(error, Error::Model { model, .. } if *model == version.identity.name);
        by_name || error.place().is_some_and(|place| place.starts_with(&version.path))
    };
    versions.iter().find(named).map(|version| Box::new(version.identity.clone()))
}
