//! A model folder, checked against the models in service: every step that a server takes before it serves it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use serde::Serialize;
use wildwarden_core::config::{Config, Folders};
use wildwarden_core::domain::ModelVersion;
use wildwarden_core::error::{Error, Result};
use wildwarden_core::model::catalogue::choice::{Situation, choose, first_eligible};
use wildwarden_core::model::catalogue::named::NamedSet;
use wildwarden_core::model::catalogue::repository::{Repository, Version};
use wildwarden_core::model::folder::ModelFolder;
use wildwarden_core::model::folder::check::{Checks, Step};
use wildwarden_core::model::folder::files::unlisted;
use wildwarden_core::model::folder::manifest::Kind;
use wildwarden_core::model::runtime::cost::Cost;
use wildwarden_core::model::runtime::pace::Pace;
use wildwarden_core::model::runtime::plausible;
use wildwarden_core::pipeline::generation::{Generation, PolicyFile};

use super::first::{self, First};
use super::load::{Fault, Loader};
use super::plan::Plan;

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was checked, as it was given.
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
    /// Which of them.
    pub step: Step,
    /// What was found.
    pub found: String,
}

/// A step that failed.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// Where it failed; later ones were not tried.
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

/// What a folder is to join.
struct Others {
    plan: Plan,
    /// They in service; `None`: alone they make no set, such as heads whose encoder is checked.
    generation: Option<Generation>,
}

impl Others {
    /// What a server would start with if there were no `folder`.
    fn without(folder: &Path, config: &Config) -> Result<Self> {
        let repository = || Repository::new(&config.folders.models, config.folders.max_file_bytes).without(folder);
        match first::load(config, None, repository()) {
            Ok(First { generation, .. }) => {
                Ok(Self { plan: Plan::in_the_place_of(&generation), generation: Some(generation) })
            }
            Err(error) => {
                let mut repository = repository();
                repository.scan()?;
                let policy = PolicyFile::read(&config.reloadable.policy)?;
                let versions = newest_without_set(&repository, config, &policy).ok_or(error)?;
                Ok(Self { plan: Plan::by_folders(versions, Arc::new(policy)), generation: None })
            }
        }
    }

    fn joined(&self) -> Joined<'_> {
        (self.plan.clone(), self.generation.as_ref())
    }
}

/// What a folder joins, and the same in service.
type Joined<'a> = (Plan, Option<&'a Generation>);

/// Loads the folder at `path`, and those it comes `with`, in the place of the models of their names.
fn take_in(
    config: &Config,
    (mut plan, before): Joined<'_>,
    path: &Path,
    (with, checks): (Vec<Arc<ModelFolder>>, Checks<'_>),
) -> Result<(Arc<ModelFolder>, Generation)> {
    let folder = Arc::new(ModelFolder::read(path, &checks)?);
    folder.manifest.check_place(path)?;
    let mut read = with;
    read.push(Arc::clone(&folder));
    let named = |name: &str| read.iter().any(|folder| folder.manifest.name == name);
    plan.versions.retain(|version| !named(version.name()));
    plan.versions.extend(read.iter().map(|folder| Arc::new(Version::of(folder))));
    // The same content would be taken over from what is loaded, and nothing would be checked.
    let models = before.into_iter().flat_map(|before| before.engine().models());
    let loaded: Vec<_> = models.filter(|model| !named(model.name())).cloned().collect();
    let loader = Loader {
        config,
        checks,
        pace: Pace::Full,
        loaded: &loaded,
        read: &read,
        before,
        stop: &AtomicBool::new(false),
    };
    Ok((folder, loader.build(&plan).map_err(|Fault { error, .. }| error)?))
}

/// The newest version of every model, where no choice of them makes a set.
fn newest_without_set(repository: &Repository, config: &Config, policy: &PolicyFile) -> Option<Vec<Arc<Version>>> {
    let (versions, declared) = (repository.versions(), policy.policy.declared());
    let situation = Situation::of(&versions, &config.reloadable.versions, &declared);
    let makes_a_set = choose(situation).is_ok_and(|choice| !choice.versions.is_empty());
    (!makes_a_set).then(|| first_eligible(situation))
}

/// Checks `folder` as if it were put into the model repository of `config` together with the folders `with`, which are to
/// serve with it, such as the heads of a new encoder.
///
/// # Errors
/// When the models and the policy that `folder` is to join are faulty themselves; what is wrong with `folder` is in the
/// report.
pub fn check(config: &Config, folder: &Path, with: &[PathBuf]) -> Result<Report> {
    let quiet = Checks::logged(config.folders.max_file_bytes);
    let others = Others::without(folder, config)?;
    let with = with.iter().map(|path| ModelFolder::read(path, &quiet).map(Arc::new)).collect::<Result<Vec<_>>>()?;
    let passed = Mutex::new(Vec::new());
    let listener = |of: &Path, step: Step, found: String| {
        if of == folder {
            passed.lock().push(Passed { step, found });
        }
    };
    let checks = Checks::reporting(config.folders.max_file_bytes, &listener);
    let mut report = Report {
        folder: folder.to_owned(),
        model: None,
        passed: Vec::new(),
        refused: None,
        cost: None,
        in_service: None,
        notes: Vec::new(),
    };
    let outcome = take_in(config, others.joined(), folder, (with, checks));
    report.passed = passed.into_inner();
    match outcome {
        Ok((folder, generation)) => {
            let name = &folder.manifest.name;
            report.model = Some(folder.identity.clone());
            report.notes = notes(&folder);
            let model = generation.engine().models().find(|model| model.name() == name);
            report.notes.extend(model.map(|model| plausible::notes(model)).transpose()?.unwrap_or_default());
            report.cost = cost(&generation, name).map(|(_, cost)| cost);
            let old = others.generation.as_ref().and_then(|before| cost(before, name));
            report.in_service = old.map(|(model, cost)| InService { model, cost });
        }
        Err(fault) => {
            let step = Step::ALL.into_iter().find(|step| !report.passed.iter().any(|passed| passed.step == *step));
            report.refused = Some(Refused { step: step.unwrap_or(Step::Golden), problem: fault.to_string() });
        }
    }
    Ok(report)
}

/// Takes `folder` into what serves, in the place of the model of its name: what a server does, every step of it. Nothing of
/// `serving` is changed.
///
/// # Errors
/// [`Error::Setup`] or [`Error::Model`], one sentence with file and value.
pub fn build_with(config: &Config, serving: &Generation, folder: &Path) -> Result<Generation> {
    let checks = Checks::logged(config.folders.max_file_bytes);
    let joined = (Plan::in_the_place_of(serving), Some(serving));
    take_in(config, joined, folder, (Vec::new(), checks)).map(|(_, generation)| generation)
}

/// `folder` in the place of the model of its name among those that a server of `config` would start with.
///
/// # Errors
/// See [`build_with`]; also when what it is to join is faulty.
pub fn first_generation_with(config: &Config, folder: &Path) -> Result<Generation> {
    let checks = Checks::logged(config.folders.max_file_bytes);
    let others = Others::without(folder, config)?;
    take_in(config, others.joined(), folder, (Vec::new(), checks)).map(|(_, generation)| generation)
}

/// Names of the sets beside the model folders, each with the reason why it could not be put in service in the place of
/// `generation`, as far as that can be told without loading it.
///
/// # Errors
/// [`Error::Setup`] when the folders cannot be listed.
pub fn sets(config: &Config, generation: &Generation) -> Result<Vec<(String, Option<String>)>> {
    let Folders { models, max_file_bytes, .. } = &config.folders;
    let mut repository = Repository::new(models, *max_file_bytes);
    repository.scan()?;
    let on_disk = repository.versions();
    let serving = generation.versions();
    let problem = |name: &str| -> std::result::Result<(), String> {
        let told = |error: Error| error.to_string();
        let set = NamedSet::read(models, name, *max_file_bytes).map_err(told)?;
        let own = PolicyFile::of_set(&set, config).map_err(told)?;
        let policy = own.as_ref().map_or(generation.policy(), |own| &own.policy);
        set.versions(&on_disk, &serving, &policy.declared()).map(drop)
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
    if let Some(label) = folder.manifest.labels.iter().find(|label| label.name.starts_with("TODO")) {
        notes.push(format!("labels: {:?} still waits for its name", label.name));
    }
    if folder.manifest.card.summary.contains("TODO") || folder.manifest.card.licence.contains("TODO") {
        notes.push("[card] is still to be filled in".into());
    }
    notes
}
