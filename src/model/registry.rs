//! Model folders, verified by hash and put together to a set that can serve.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::{Category, ModelVersion};
use crate::error::{Error, Result};
use crate::model::choice::{Rules, Situation, choose};
use crate::model::manifest::{Kind, MANIFEST, Manifest, hex_sha256};
use crate::model::repository::Repository;

/// A verified model folder, in memory: what was hashed is what is loaded.
#[derive(Debug)]
pub struct ModelFolder {
    /// Where it lies.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// Name, version, hash.
    pub identity: ModelVersion,
    files: HashMap<String, Vec<u8>>,
}

impl ModelFolder {
    /// Reads a folder and checks every file against its hash.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the file: unreadable, not TOML, an unlisted or changed file, a link out of the folder.
    pub fn read(path: &Path) -> Result<Self> {
        let manifest_path = path.join(MANIFEST);
        let text = std::fs::read_to_string(&manifest_path).map_err(|cause| Error::file(&manifest_path, cause))?;
        let manifest = Manifest::parse(path, &text)?;
        let root = path.canonicalize().map_err(|cause| Error::file(path, cause))?;
        let mut files = HashMap::new();
        for (name, expected) in &manifest.files {
            let file = path.join(name);
            let real = file.canonicalize().map_err(|cause| Error::file(&file, cause))?;
            if real.parent() != Some(&root) {
                return Err(Error::file(&file, "is a link out of the model's folder"));
            }
            let bytes = std::fs::read(&real).map_err(|cause| Error::file(&file, cause))?;
            let found = hex_sha256(&bytes);
            if found != *expected {
                return Err(Error::file(&file, format!("sha256 is {found}, {MANIFEST} says {expected}")));
            }
            files.insert(name.clone(), bytes);
        }
        let identity = manifest.identity(&text);
        Ok(Self { path: path.to_owned(), manifest, identity, files })
    }

    /// The bytes of a file the manifest lists.
    ///
    /// # Errors
    /// [`Error::Setup`] when it lists no such file.
    pub fn file(&self, name: &str) -> Result<&[u8]> {
        let missing = || Error::file(&self.path.join(name), format!("is not listed under [files] of {MANIFEST}"));
        self.files.get(name).map(Vec::as_slice).ok_or_else(missing)
    }

    /// The bytes of the ONNX file.
    ///
    /// # Errors
    /// See [`Self::file`].
    pub fn onnx(&self) -> Result<&[u8]> {
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
    /// [`Error::Setup`] when no version of a model is complete, two models feed one category, a head has no encoder that
    /// fits, or nothing is there.
    pub fn read(directory: &Path, rules: &Rules) -> Result<Self> {
        let mut repository = Repository::new(directory);
        repository.look()?;
        let versions = repository.versions();
        for faulty in repository.not_complete() {
            if !versions.iter().any(|version| version.name() == faulty.name) {
                return Err(Error::Setup(faulty.reason));
            }
            tracing::warn!(name = faulty.name, version = faulty.version, reason = faulty.reason, "version passed over");
        }
        let situation =
            Situation { versions: &versions, rules, decisions: &BTreeMap::new(), barred: &[], serving: &[] };
        let choice = choose(situation).map_err(|problem| Error::file(directory, problem))?;
        let folders = choice.versions.iter().map(|version| ModelFolder::read(&version.path).map(Arc::new));
        Self::of(folders.collect::<Result<_>>()?, directory)
    }

    /// Puts folders together.
    ///
    /// # Errors
    /// [`Error::Setup`] when they make no set: two of a kind, a head without an encoder, nothing at all.
    pub fn of(folders: Vec<Arc<ModelFolder>>, directory: &Path) -> Result<Self> {
        let mut set = Self::default();
        for folder in folders {
            set.add(folder)?;
        }
        set.check(directory)?;
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

    fn check(&self, directory: &Path) -> Result<()> {
        if self.folders().next().is_none() {
            return Err(Error::file(directory, "holds no model: expected <name>/<version>/model.toml"));
        }
        if let (Some(head), None) = (self.heads.first(), &self.encoder) {
            return Err(Error::file(&head.path, "is a head, and there is no image_encoder to feed it"));
        }
        for category in Category::ALL {
            let feeds = |folder: &&Arc<ModelFolder>| {
                folder.manifest.labels.iter().filter(|label| label.category == Some(category)).count()
            };
            let images: usize = self.heads.iter().chain(&self.image_classifiers).map(|f| feeds(&f)).sum();
            let texts: usize = self.text.iter().map(|folder| feeds(&folder)).sum();
            if images > 1 || texts > 1 {
                let problem = format!("more than one label feeds the category {}", category.name());
                return Err(Error::file(directory, problem));
            }
        }
        Ok(())
    }
}
