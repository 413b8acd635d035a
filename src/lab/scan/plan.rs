//! What a scan is made of. It stands in the output's folder as [`FILE`], so that a scan goes on only as the one that it was.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wildwarden_core::domain::{Category, ModelVersion, PolicyVersion};
use wildwarden_core::error::{Error, Result};
use wildwarden_core::pipeline::generation::Generation;

use crate::scan::columns::Columns;
use crate::scan::input::Source;
use crate::scan::parts::Place;

/// Its file.
pub const FILE: &str = "scan.json";

/// Input, and all that a rating depends on besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Of the columns that are written.
    pub schema: String,
    /// Version of the program.
    pub program: String,
    /// Tables and folders, in order.
    pub sources: Vec<Source>,
    /// Columns by field, as the user named them.
    pub columns: Columns,
    /// What paths of photos are below.
    pub images_root: Option<PathBuf>,
    /// What is spent on looks after the first.
    pub profile: String,
    /// Of the reasons' sentences: `en` or `zh`.
    #[serde(default = "english")]
    pub language: String,
    /// What is looked for, in the order of the columns.
    pub categories: Vec<String>,
    /// In service.
    pub policy: Policy,
    /// In service, by name.
    pub models: Vec<Model>,
    /// The scan whose ratings are kept where no model that made them has changed.
    pub previous: Option<PathBuf>,
}

/// See [`PolicyVersion`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// As the file says.
    pub version: String,
    /// Of the file.
    pub sha256: String,
}

/// See [`ModelVersion`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Model {
    /// Its folder's.
    pub name: String,
    /// Its folder's.
    pub version: String,
    /// Of its manifest.
    pub sha256: String,
}

impl From<&PolicyVersion> for Policy {
    fn from(of: &PolicyVersion) -> Self {
        Self { version: of.version.clone(), sha256: of.sha256.clone() }
    }
}

impl From<&ModelVersion> for Model {
    fn from(of: &ModelVersion) -> Self {
        Self { name: of.name.clone(), version: of.version.clone(), sha256: of.sha256.clone() }
    }
}

impl Plan {
    /// A scan of `sources` by `generation`.
    pub fn new(sources: Vec<Source>, columns: Columns, images_root: Option<PathBuf>, generation: &Generation) -> Self {
        let mut models: Vec<Model> = generation.models().iter().map(Model::from).collect();
        models.sort();
        Self {
            schema: crate::scan::table::VERSION.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            sources,
            columns,
            images_root,
            profile: generation.profile().name().to_owned(),
            language: english(),
            categories: looked_for(generation).iter().map(ToString::to_string).collect(),
            policy: Policy::from(generation.policy_version()),
            models,
            previous: None,
        }
    }

    /// The plan of the scan in `folder`; `None`: there is none.
    ///
    /// # Errors
    /// [`Error::Setup`] when it cannot be read.
    pub fn of(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        match std::fs::read(&path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Error::file(&path, cause)),
            Ok(content) => serde_json::from_slice(&content).map(Some).map_err(|cause| Error::file(&path, cause)),
        }
    }

    /// Writes it into `folder`.
    ///
    /// # Errors
    /// [`Error::Setup`].
    pub fn write(&self, folder: &Path) -> Result<()> {
        let content = serde_json::to_vec_pretty(self).map_err(|cause| Error::Bug(format!("{FILE}: {cause}")))?;
        crate::scan::parts::write_whole(&folder.join(FILE), &content)
    }

    /// What is another than in `before`, whose input was read as far as `next`; empty: nothing is. What was not read yet may have
    /// been mended since.
    pub fn differs(&self, before: &Self, next: Place) -> Vec<&'static str> {
        let read = next.0.saturating_add(usize::from(next.1 > 0));
        let of = |plan: &Self| plan.sources.iter().take(read).cloned().collect::<Vec<_>>();
        [
            ("the program's version", self.program != before.program || self.schema != before.schema),
            ("the input", of(self) != of(before)),
            ("--map", self.columns != before.columns),
            ("--images-root", self.images_root != before.images_root),
            ("the profile", self.profile != before.profile),
            ("--language", self.language != before.language),
            ("the policy", self.policy != before.policy || self.categories != before.categories),
            ("a model", self.models != before.models),
            ("--only-changed", self.previous != before.previous),
        ]
        .into_iter()
        .filter_map(|(name, is_other)| is_other.then_some(name))
        .collect()
    }
}

/// What a plan that does not say otherwise was made in.
fn english() -> String {
    "en".to_owned()
}

/// Categories of the policy, in its order.
pub fn looked_for(generation: &Generation) -> Vec<Category> {
    generation.policy().enabled().map(|declared| declared.category).collect()
}
