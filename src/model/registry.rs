//! Model folders, verified by hash and put together to a set that can serve.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{Category, ModelVersion};
use crate::error::{Error, Result};
use crate::model::check::{Checks, Step};
use crate::model::choice::{Decision, Rules, Situation, choose};
use crate::model::files;
use crate::model::manifest::{Kind, MANIFEST, Manifest};
use crate::model::onnx::Graph;
use crate::model::opening::open;
use crate::model::repository::{Repository, Version};

/// A verified model folder: what was hashed is what is loaded. Its files are in memory until [`Self::release`].
#[derive(Debug)]
pub struct ModelFolder {
    /// Where it lies.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// Name, version, hash.
    pub identity: ModelVersion,
    /// What the ONNX file says of itself.
    pub graph: Graph,
    files: Mutex<HashMap<String, Arc<[u8]>>>,
    max_file_bytes: u64,
}

impl ModelFolder {
    /// Reads a folder and checks it as far as that goes without running the model.
    ///
    /// # Errors
    /// [`Error::Setup`] naming file and value; see the first three steps of [`Step`].
    pub fn read(path: &Path, checks: &Checks<'_>) -> Result<Self> {
        let text = files::manifest_text(path, checks.max_file_bytes)?;
        let manifest = Manifest::parse(path, &text)?;
        checks.passed(path, Step::Manifest, format!("{} {} {}", manifest.kind.name(), manifest.name, manifest.version));
        let files = files::listed(path, &manifest, checks.max_file_bytes)?;
        let bytes: usize = files.values().map(|bytes| bytes.len()).sum();
        checks.passed(path, Step::Files, format!("{} files, {bytes} bytes", files.len()));
        let onnx = files.get(&manifest.file).map(|bytes| &**bytes).unwrap_or_default();
        let graph = Graph::read(onnx).map_err(|problem| Error::file(&path.join(&manifest.file), problem))?;
        checks.passed(path, Step::Graph, graph.to_string());
        let identity = manifest.identity(&text);
        let (path, files, max_file_bytes) = (path.to_owned(), Mutex::new(files), checks.max_file_bytes);
        Ok(Self { path, manifest, identity, graph, files, max_file_bytes })
    }

    /// The bytes of a file the manifest lists; read once more, and held against its hash, when they were released.
    ///
    /// # Errors
    /// [`Error::Setup`] when it lists no such file, or the file is not any more what it was.
    pub fn file(&self, name: &str) -> Result<Arc<[u8]>> {
        let missing = || Error::file(&self.path.join(name), format!("is not listed under [files] of {MANIFEST}"));
        let expected = self.manifest.files.get(name).ok_or_else(missing)?;
        let kept = self.files.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        kept.map_or_else(|| files::verified(&self.path, name, expected, self.max_file_bytes).map(Arc::from), Ok)
    }

    /// Gives back the memory of files that a model needs only while it is loaded and checked. The words of a text model stay:
    /// every policy that is put in service reads them, also when the folder has gone.
    pub fn release(&self) {
        let words = self.manifest.text.as_ref().map(|text| &text.words);
        self.files.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| Some(name) == words);
    }

    /// The bytes of the ONNX file.
    ///
    /// # Errors
    /// See [`Self::file`].
    pub fn onnx(&self) -> Result<Arc<[u8]>> {
        self.file(&self.manifest.file)
    }
}

/// Models that serve together. One answer never mixes two sets.
#[derive(Debug, Clone, Default)]
pub struct ModelSet {
    /// Runs once an image, for all heads.
    pub encoder: Option<Arc<ModelFolder>>,
    /// Over the encoder's embedding.
    pub heads: Vec<Arc<ModelFolder>>,
    /// Take the image themselves.
    pub image_classifiers: Vec<Arc<ModelFolder>>,
    /// Reads the texts.
    pub text: Option<Arc<ModelFolder>>,
}

impl ModelSet {
    /// Reads the versions under `directory` that `rules` choose.
    ///
    /// # Errors
    /// [`Error::Setup`] when no version of a model is complete, a head has no encoder that fits, or nothing is there.
    pub fn read(directory: &Path, rules: &Rules, checks: &Checks<'_>) -> Result<Self> {
        let versions = complete(directory, None, checks)?;
        let opening = open(only(&versions, rules)).map_err(|problem| Error::file(directory, problem))?;
        for (identity, reason) in &opening.left_out {
            tracing::error!(name = identity.name, version = identity.version, reason, "left out");
        }
        let folders =
            opening.choice.versions.iter().map(|version| ModelFolder::read(&version.path, checks).map(Arc::new));
        Self::of(folders.collect::<Result<_>>()?, directory, checks)
    }

    /// Puts folders together.
    ///
    /// # Errors
    /// [`Error::Setup`] when they make no set: nothing at all, or see [`Self::check`].
    pub fn of(folders: Vec<Arc<ModelFolder>>, directory: &Path, checks: &Checks<'_>) -> Result<Self> {
        let mut set = Self::default();
        for folder in folders {
            set.add(folder)?;
        }
        if set.folders().next().is_none() {
            return Err(Error::file(directory, "holds no model: expected <name>/<version>/model.toml"));
        }
        set.check(checks)?;
        Ok(set)
    }

    /// As [`Self::read`], as if the folder `left_out` were not there. What is left may be no set, such as heads whose encoder
    /// was left out: then it is the newest version of each model.
    ///
    /// # Errors
    /// [`Error::Setup`] when a folder is faulty, or there are two encoders or two text classifiers.
    pub fn read_without(directory: &Path, rules: &Rules, left_out: &Path, checks: &Checks<'_>) -> Result<Self> {
        let versions = complete(directory, Some(left_out), checks)?;
        let choice = choose(only(&versions, rules));
        let chosen = choice.map_or_else(|_| newest(&versions), |choice| choice.versions);
        let mut set = Self::default();
        for version in chosen {
            set.add(Arc::new(ModelFolder::read(&version.path, checks)?))?;
        }
        Ok(set)
    }

    /// The set with `folder` in the place of the model of the same name, or added to it. Whether it fits: see [`Self::check`].
    ///
    /// # Errors
    /// [`Error::Setup`] when there is another encoder or text classifier.
    pub fn with(&self, folder: Arc<ModelFolder>) -> Result<Self> {
        let mut set = Self::default();
        for other in self.folders().filter(|other| other.manifest.name != folder.manifest.name) {
            set.add(Arc::clone(other))?;
        }
        set.add(folder)?;
        Ok(set)
    }

    /// Every folder of the set.
    pub fn folders(&self) -> impl Iterator<Item = &Arc<ModelFolder>> {
        self.encoder.iter().chain(&self.heads).chain(&self.image_classifiers).chain(&self.text)
    }

    /// Name, version and hash of every model.
    pub fn versions(&self) -> Vec<ModelVersion> {
        self.folders().map(|folder| folder.identity.clone()).collect()
    }

    fn add(&mut self, folder: Arc<ModelFolder>) -> Result<()> {
        let only_one = |slot: &Option<Arc<ModelFolder>>| match slot {
            Some(other) => {
                Err(Error::file(&folder.path, format!("there is already one of its kind: {}", other.path.display())))
            }
            None => Ok(()),
        };
        match folder.manifest.kind {
            Kind::ImageEncoder => {
                only_one(&self.encoder)?;
                self.encoder = Some(folder);
            }
            Kind::TextClassifier => {
                only_one(&self.text)?;
                self.text = Some(folder);
            }
            Kind::Head => self.heads.push(folder),
            Kind::ImageClassifier => self.image_classifiers.push(folder),
        }
        Ok(())
    }

    /// Holds the models against each other.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the folders: a head without an encoder, heads that read embeddings of another size than the
    /// encoder gives, a category that two models feed.
    pub fn check(&self, checks: &Checks<'_>) -> Result<()> {
        if let Some(head) = self.heads.first() {
            let encoder = self.encoder.as_ref();
            let encoder = encoder
                .ok_or_else(|| Error::file(&head.path, "is a head, and there is no image_encoder to feed it"))?;
            let size = encoder.manifest.embedding_size();
            let others: Vec<String> = self.heads.iter().filter_map(|head| head.reads_other_than(size)).collect();
            if !others.is_empty() {
                let (size, others) = (size.unwrap_or_default(), others.join(", "));
                let problem = format!("gives embeddings of {size} values, and these heads read others: {others}");
                return Err(Error::file(&encoder.path, problem));
            }
            let version = &encoder.manifest.version;
            let others: Vec<String> = self.heads.iter().filter_map(|head| head.made_for_other_than(version)).collect();
            if !others.is_empty() {
                let problem =
                    format!("is version {version}, and these heads are made for others: {}", others.join(", "));
                return Err(Error::file(&encoder.path, problem));
            }
        }
        for category in Category::ALL {
            let feeds = |folder: &&Arc<ModelFolder>| {
                folder.manifest.labels.iter().any(|label| label.category == Some(category))
            };
            let mut images = self.heads.iter().chain(&self.image_classifiers).filter(feeds);
            if let (Some(first), Some(second)) = (images.next(), images.next()) {
                let problem = format!("feeds the category {}, as does {}", category.name(), first.path.display());
                return Err(Error::file(&second.path, problem));
            }
        }
        for folder in self.folders() {
            checks.passed(&folder.path, Step::Set, format!("{} models together", self.folders().count()));
        }
        Ok(())
    }
}

impl ModelFolder {
    /// Name, version and embedding size of a head that reads others than `size`.
    fn reads_other_than(&self, size: Option<i64>) -> Option<String> {
        let own = self.manifest.embedding_size();
        let told = || format!("{} {} ({})", self.manifest.name, self.manifest.version, own.unwrap_or_default());
        (own != size).then(told)
    }

    /// Name and version of a head whose manifest names another encoder than `version`, with the one it names.
    fn made_for_other_than(&self, version: &str) -> Option<String> {
        let encoder = self.manifest.encoder.as_ref().filter(|encoder| *encoder != version)?;
        Some(format!("{} {} ({encoder})", self.manifest.name, self.manifest.version))
    }
}

/// The complete versions under `directory`, but for `left_out`.
///
/// # Errors
/// [`Error::Setup`] when no version of a model is complete.
fn complete(directory: &Path, left_out: Option<&Path>, checks: &Checks<'_>) -> Result<Vec<Arc<Version>>> {
    let left_out = left_out.and_then(|path| path.canonicalize().ok());
    let is_left_out = |path: &Path| left_out.is_some() && path.canonicalize().ok() == left_out;
    let mut repository = Repository::new(directory, checks.max_file_bytes);
    repository.look()?;
    let mut versions = repository.versions();
    for faulty in repository.not_complete() {
        if is_left_out(&directory.join(&faulty.name).join(&faulty.version)) {
            continue;
        }
        if !versions.iter().any(|version| version.name() == faulty.name) {
            return Err(Error::Setup(faulty.reason));
        }
        tracing::warn!(name = faulty.name, version = faulty.version, reason = faulty.reason, "version passed over");
    }
    versions.retain(|version| !is_left_out(&version.path));
    Ok(versions)
}

/// A choice that depends on nothing but what is there and the rules.
fn only<'a>(versions: &'a [Arc<Version>], rules: &'a Rules) -> Situation<'a> {
    static NO_DECISIONS: BTreeMap<String, Decision> = BTreeMap::new();
    Situation { versions, rules, decisions: &NO_DECISIONS, barred: &[], serving: &[] }
}

fn newest(versions: &[Arc<Version>]) -> Vec<Arc<Version>> {
    let mut newest: BTreeMap<&str, &Arc<Version>> = BTreeMap::new();
    for version in versions {
        let known = newest.entry(version.name()).or_insert(version);
        if version.order() > known.order() {
            *known = version;
        }
    }
    newest.into_values().cloned().collect()
}
