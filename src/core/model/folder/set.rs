//! Model folders put together to a set that can serve.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::domain::{Declared, ModelVersion, Rated};
use crate::error::{Error, Result};
use crate::model::folder::check::{Checks, Step};
use crate::model::folder::manifest::{Part, Reads, Role};
use crate::model::folder::verified::ModelFolder;

/// A scorer over embeddings.
#[derive(Debug, Clone)]
pub struct Head {
    /// Files and manifest, verified.
    pub folder: Arc<ModelFolder>,
    /// Place of the encoder it reads among the set's; none: it is looked at alone.
    pub encoder: Option<usize>,
}

/// Models that serve together. One answer never mixes two sets.
#[derive(Debug, Clone, Default)]
pub struct ModelSet {
    /// Each runs once an image, for its heads.
    pub encoders: Vec<Arc<ModelFolder>>,
    /// Over the embeddings of an encoder.
    pub heads: Vec<Head>,
    /// Scorers that take the image themselves.
    pub image_classifiers: Vec<Arc<ModelFolder>>,
    /// Scorers that read the texts.
    pub text_scorers: Vec<Arc<ModelFolder>>,
    /// Finds lines of words in pictures, at most one.
    pub text_detectors: Vec<Arc<ModelFolder>>,
    /// Reads them, at most one.
    pub text_recognizers: Vec<Arc<ModelFolder>>,
}

impl ModelSet {
    /// Puts folders together.
    ///
    /// # Errors
    /// [`Error::Setup`] when they make no set: there is none, a head that fits no encoder, or two, a category that two models
    /// feed and `declared` does not join.
    pub fn of(
        folders: Vec<Arc<ModelFolder>>,
        directory: &Path,
        declared: &Declared,
        checks: &Checks<'_>,
    ) -> Result<Self> {
        let mut set = Self::default();
        folders.into_iter().for_each(|folder| set.add(folder));
        if set.folders().next().is_none() {
            return Err(Error::file(directory, "holds no model: expected <name>/<version>/model.toml"));
        }
        set.give_heads_their_encoders()?;
        set.check_fed(declared)?;
        set.check_readers()?;
        for folder in set.folders() {
            checks.passed(&folder.path, Step::Set, format!("{} models together", set.folders().count()));
        }
        Ok(set)
    }

    /// `folder` alone, whatever else it needs to rate.
    pub fn alone(folder: Arc<ModelFolder>) -> Self {
        let mut set = Self::default();
        set.add(folder);
        set
    }

    /// Every folder of the set.
    pub fn folders(&self) -> impl Iterator<Item = &Arc<ModelFolder>> {
        let heads = self.heads.iter().map(|head| &head.folder);
        let readers = self.text_detectors.iter().chain(&self.text_recognizers);
        self.encoders.iter().chain(heads).chain(&self.image_classifiers).chain(&self.text_scorers).chain(readers)
    }

    /// Name, version and hash of every model.
    pub fn versions(&self) -> Vec<ModelVersion> {
        self.folders().map(|folder| folder.identity.clone()).collect()
    }

    fn add(&mut self, folder: Arc<ModelFolder>) {
        match folder.manifest.kind.role() {
            Role::Encoder => self.encoders.push(folder),
            Role::Scorer(Reads::Embedding) => self.heads.push(Head { folder, encoder: None }),
            Role::Scorer(Reads::Image) => self.image_classifiers.push(folder),
            Role::Scorer(Reads::Texts) => self.text_scorers.push(folder),
            Role::Reader(Part::Find) => self.text_detectors.push(folder),
            Role::Reader(Part::Read) => self.text_recognizers.push(folder),
        }
    }

    /// # Errors
    /// [`Error::Setup`] naming the folders: a head without an encoder that it fits, or with two.
    fn give_heads_their_encoders(&mut self) -> Result<()> {
        if let [encoder] = self.encoders.as_slice() {
            check_heads(encoder, &self.heads)?;
        }
        for Head { folder, encoder } in &mut self.heads {
            let fits = |(_, encoder): &(usize, &Arc<ModelFolder>)| folder.manifest.fits(&encoder.manifest);
            let mut fitting = self.encoders.iter().enumerate().filter(fits);
            let first = fitting.next();
            if let (Some((_, one)), Some((_, two))) = (first, fitting.next()) {
                let (one, two) = (&one.manifest.name, &two.manifest.name);
                let problem = format!("fits the encoders {one} and {two}: name one, as encoder = \"{one}/VERSION\"");
                return Err(Error::file(&folder.path, problem));
            }
            let Some((place, _)) = first else {
                let none = if self.encoders.is_empty() {
                    "there is no image_encoder"
                } else {
                    "no image_encoder gives what it reads"
                };
                return Err(Error::file(&folder.path, format!("is a head, and {none} to feed it")));
            };
            *encoder = Some(place);
        }
        Ok(())
    }

    /// # Errors
    /// [`Error::Setup`] naming two folders that do the same for words in pictures.
    fn check_readers(&self) -> Result<()> {
        for readers in [&self.text_detectors, &self.text_recognizers] {
            if let [first, second, ..] = readers.as_slice() {
                let (kind, first) = (second.manifest.kind.name(), first.path.display());
                return Err(Error::file(&second.path, format!("is a {kind}, as is {first}; remove one")));
            }
        }
        Ok(())
    }

    /// # Errors
    /// [`Error::Setup`] naming two folders that feed a category and are not joined.
    fn check_fed(&self, declared: &Declared) -> Result<()> {
        let feeds = |folder: &ModelFolder| -> Vec<Rated> {
            let modality = folder.manifest.kind.modality();
            folder.manifest.feeds().map(|category| (category, modality)).collect()
        };
        for rated in self.folders().flat_map(|folder| feeds(folder)).collect::<BTreeSet<_>>() {
            let rivals: Vec<_> = self.folders().filter(|folder| feeds(folder).contains(&rated)).collect();
            let names = rivals.iter().map(|folder| folder.manifest.name.as_str());
            if let [first, second, ..] = rivals.as_slice()
                && !declared.joins(rated, names)
            {
                let problem = format!(
                    "feeds the category {}, as does {}; remove one, leave the category out of its labels, or join them in the policy",
                    rated.0,
                    first.path.display()
                );
                return Err(Error::file(&second.path, problem));
            }
        }
        Ok(())
    }
}

/// Holds the only encoder against the heads, so that one sentence tells of all that do not fit.
fn check_heads(encoder: &ModelFolder, heads: &[Head]) -> Result<()> {
    let size = encoder.manifest.embedding_size();
    let others: Vec<String> = heads.iter().filter_map(|head| reads_other_than(&head.folder, size)).collect();
    if !others.is_empty() {
        let (size, others) = (size.unwrap_or_default(), others.join(", "));
        let problem = format!("gives embeddings of {size} values, and these heads read others: {others}");
        return Err(Error::file(&encoder.path, problem));
    }
    let others: Vec<String> = heads.iter().filter_map(|head| made_for_other_than(&head.folder, encoder)).collect();
    if !others.is_empty() {
        let version = &encoder.manifest.version;
        let problem = format!("is version {version}, and these heads are made for others: {}", others.join(", "));
        return Err(Error::file(&encoder.path, problem));
    }
    Ok(())
}

/// Name, version and embedding size of a head that reads others than `size`.
fn reads_other_than(head: &ModelFolder, size: Option<i64>) -> Option<String> {
    let own = head.manifest.embedding_size();
    let told = || format!("{} {} ({})", head.manifest.name, head.manifest.version, own.unwrap_or_default());
    (own != size).then(told)
}

/// Name and version of a head that was made for another encoder, with the one it names.
fn made_for_other_than(head: &ModelFolder, encoder: &ModelFolder) -> Option<String> {
    let wanted = head.manifest.encoder.as_ref().filter(|_| !head.manifest.is_made_for(&encoder.manifest))?;
    Some(format!("{} {} ({wanted})", head.manifest.name, head.manifest.version))
}
