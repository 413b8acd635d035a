//! A model folder, checked against the models in service: every step that a server takes before it serves it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::generation::{Generation, PolicyFile};
use crate::config::Config;
use crate::domain::ModelVersion;
use crate::error::{Error, Result};
use crate::model::check::{Checks, Step};
use crate::model::files::unlisted;
use crate::model::manifest::Kind;
use crate::model::plausible;
use crate::model::probe::Cost;
use crate::model::registry::{ModelFolder, ModelSet};
use crate::model::repository::Repository;
use crate::model::set::NamedSet;

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The folder.
    pub folder: PathBuf,
    /// Name, version and hash of a folder that passed.
    pub model: Option<ModelVersion>,
    /// Steps that the folder passed, in order.
    pub passed: Vec<Passed>,
    /// The step that failed, and why.
    pub refused: Option<Refused>,
    /// What it costs.
    pub cost: Option<Cost>,
    /// The model it would replace, and what that costs.
    pub in_service: Option<InService>,
    /// What is no fault, and worth a look.
    pub notes: Vec<String>,
}

/// A step that was passed.
#[derive(Debug, Serialize)]
pub struct Passed {
    /// The step.
    pub step: Step,
    /// What was found.
    pub found: String,
}

/// A step that failed.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// The step.
    pub step: Step,
    /// One sentence with file and value.
    pub problem: String,
}

/// The version that serves now.
#[derive(Debug, Serialize)]
pub struct InService {
    /// Name, version and hash.
    pub model: ModelVersion,
    /// What it costs, measured in the same run.
    pub cost: Cost,
}

/// Checks `folder` as if it were put into the model repository of `config` together with the folders `with`, which are to
/// serve with it, such as the heads of a new encoder.
///
/// # Errors
/// When the models and the policy that `folder` is to join are faulty themselves; what is wrong with `folder` is in the
/// report.
pub fn check(config: &Config, folder: &Path, with: &[PathBuf]) -> Result<Report> {
    let quiet = Checks::logged(config.max_file_bytes);
    let others = ModelSet::read_without(&config.models, &config.versions, folder, &quiet)?;
    // Without it the others may be no set, for example heads whose encoder is checked.
    let before = if others.check(&quiet).is_ok() && others.folders().next().is_some() {
        Some(Generation::load(config, &others, None)?)
    } else {
        None
    };
    let read = |path: &PathBuf| ModelFolder::read(path, &quiet).map(Arc::new);
    let others = with.iter().try_fold(others, |others, path| others.with(read(path)?))?;
    let passed = Mutex::new(Vec::new());
    let listener = |of: &Path, step: Step, found: String| {
        if of == folder {
            passed.lock().unwrap_or_else(PoisonError::into_inner).push(Passed { step, found });
        }
    };
    let checks = Checks::told(config.max_file_bytes, &listener);
    let mut report = Report {
        folder: folder.to_owned(),
        model: None,
        passed: Vec::new(),
        refused: None,
        cost: None,
        in_service: None,
        notes: Vec::new(),
    };
    let outcome = admit(config, &others, before.as_ref(), folder, &checks);
    report.passed = passed.into_inner().unwrap_or_else(PoisonError::into_inner);
    match outcome {
        Ok((folder, generation)) => {
            let name = &folder.manifest.name;
            report.model = Some(folder.identity.clone());
            report.notes = notes(&folder);
            let model = generation.engine().models().find(|model| model.name() == name);
            report.notes.extend(model.map(|model| plausible::notes(model)).transpose()?.unwrap_or_default());
            report.cost = cost(&generation, name).map(|(_, cost)| cost);
            let old = before.as_ref().and_then(|before| cost(before, name));
            report.in_service = old.map(|(model, cost)| InService { model, cost });
        }
        Err(fault) => {
            let step = Step::ALL.into_iter().find(|step| !report.passed.iter().any(|passed| passed.step == *step));
            report.refused = Some(Refused { step: step.unwrap_or(Step::Golden), problem: fault.to_string() });
        }
    }
    Ok(report)
}

/// Takes `folder` into the set `others`, in the place of the model of its name: what a server does, every step of it.
/// `before` is what serves now; nothing of it is changed.
///
/// # Errors
/// [`crate::error::Error::Setup`], one sentence with file and value.
pub fn admit(
    config: &Config,
    others: &ModelSet,
    before: Option<&Generation>,
    folder: &Path,
    checks: &Checks<'_>,
) -> Result<(Arc<ModelFolder>, Generation)> {
    let path = folder;
    let folder = Arc::new(ModelFolder::read(path, checks)?);
    folder.manifest.check_place(path)?;
    let set = others.with(Arc::clone(&folder))?;
    set.check(checks)?;
    // The same content would be taken over from what is loaded, and nothing would be checked.
    let before = before.filter(|before| !before.models().contains(&folder.identity));
    let generation = Generation::checked(config, &set, before, checks)?;
    Ok((folder, generation))
}

/// Names of the sets beside the model folders, each with the reason why it could not be put in service in the place of
/// `generation`, as far as that can be told without loading it.
///
/// # Errors
/// [`Error::Setup`] when the folders cannot be listed.
pub fn sets(config: &Config, generation: &Generation) -> Result<Vec<(String, Option<String>)>> {
    let Config { models, max_file_bytes, .. } = config;
    let mut repository = Repository::new(models, *max_file_bytes);
    repository.look()?;
    let on_disk = repository.versions();
    let serving = generation.versions();
    let problem = |name: &str| -> std::result::Result<(), String> {
        let told = |error: Error| error.to_string();
        let set = NamedSet::read(models, name, *max_file_bytes).map_err(told)?;
        PolicyFile::of_set(&set, config).map_err(told)?;
        set.versions(&on_disk, &serving).map(drop)
    };
    Ok(NamedSet::names(models).into_iter().map(|name| (name.clone(), problem(&name).err())).collect())
}

fn cost(generation: &Generation, name: &str) -> Option<(ModelVersion, Cost)> {
    let model = generation.engine().models().find(|model| model.name() == name)?;
    Some((model.folder().identity.clone(), model.cost()))
}

fn notes(folder: &ModelFolder) -> Vec<String> {
    let mut notes: Vec<String> = unlisted(&folder.path, &folder.manifest)
        .iter()
        .map(|name| format!("{name} is not listed under [files] and is never read"))
        .collect();
    if folder.manifest.kind == Kind::Head && folder.manifest.encoder.is_none() {
        notes.push("encoder is not named: it serves with any encoder that gives embeddings of its size".into());
    }
    if folder.manifest.golden.is_none() {
        notes.push(
            "there are no golden samples: nothing shows that it computes here what it computed where it was made"
                .into(),
        );
    }
    if folder.manifest.card.summary.contains("TODO") || folder.manifest.card.licence.contains("TODO") {
        notes.push("[card] is still to be filled in".into());
    }
    notes
}
