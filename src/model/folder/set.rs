//! Model folders put together to a set that can serve.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::domain::ModelVersion;
use crate::error::{Error, Result};
use crate::model::folder::check::{Checks, Step};
use crate::model::folder::manifest::Kind;
use crate::model::folder::verified::ModelFolder;

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
    /// Puts folders together.
    ///
    /// # Errors
    /// [`Error::Setup`] when they make no set: there is none, a head without an encoder, heads that read embeddings of another size
    /// than the encoder gives, a category that two models feed.
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

    /// `folder` alone, whatever else it needs to rate.
    ///
    /// # Errors
    /// None, as there is no other of its kind.
    pub fn alone(folder: Arc<ModelFolder>) -> Result<Self> {
        let mut set = Self::default();
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
    fn check(&self, checks: &Checks<'_>) -> Result<()> {
        if let Some(head) = self.heads.first() {
            let encoder = self.encoder.as_ref();
            let encoder = encoder
                .ok_or_else(|| Error::file(&head.path, "is a head, and there is no image_encoder to feed it"))?;
            let size = encoder.manifest.embedding_size();
            let others: Vec<String> = self.heads.iter().filter_map(|head| reads_other_than(head, size)).collect();
            if !others.is_empty() {
                let (size, others) = (size.unwrap_or_default(), others.join(", "));
                let problem = format!("gives embeddings of {size} values, and these heads read others: {others}");
                return Err(Error::file(&encoder.path, problem));
            }
            let version = &encoder.manifest.version;
            let others: Vec<String> = self.heads.iter().filter_map(|head| made_for_other_than(head, version)).collect();
            if !others.is_empty() {
                let problem =
                    format!("is version {version}, and these heads are made for others: {}", others.join(", "));
                return Err(Error::file(&encoder.path, problem));
            }
        }
        let fed = self.heads.iter().chain(&self.image_classifiers).flat_map(|folder| folder.manifest.feeds());
        for category in fed.collect::<BTreeSet<_>>() {
            let feeds = |folder: &&Arc<ModelFolder>| {
                folder.manifest.labels.iter().any(|label| label.category == Some(category))
            };
            let mut images = self.heads.iter().chain(&self.image_classifiers).filter(feeds);
            if let (Some(first), Some(second)) = (images.next(), images.next()) {
                let problem = format!("feeds the category {category}, as does {}", first.path.display());
                return Err(Error::file(&second.path, problem));
            }
        }
        for folder in self.folders() {
            checks.passed(&folder.path, Step::Set, format!("{} models together", self.folders().count()));
        }
        Ok(())
    }
}

/// Name, version and embedding size of a head that reads others than `size`.
fn reads_other_than(head: &ModelFolder, size: Option<i64>) -> Option<String> {
    let own = head.manifest.embedding_size();
    let told = || format!("{} {} ({})", head.manifest.name, head.manifest.version, own.unwrap_or_default());
    (own != size).then(told)
}

/// Name and version of a head whose manifest names another encoder than `version`, with the one it names.
fn made_for_other_than(head: &ModelFolder, version: &str) -> Option<String> {
    let encoder = head.manifest.encoder.as_ref().filter(|encoder| *encoder != version)?;
    Some(format!("{} {} ({encoder})", head.manifest.name, head.manifest.version))
}
