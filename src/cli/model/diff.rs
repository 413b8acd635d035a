//! `wildwarden model diff`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::super::Settings;
use super::super::compare::{self, Listings};
use crate::config::Config;
use crate::lifecycle::check::in_place;
use crate::lifecycle::opening;
use crate::model::folder::manifest::MANIFEST;
use crate::pipeline::generation::Generation;

/// Rate listings with two versions and say what changes.
///
/// A and B are each a model folder, which takes the place of the one of its name among the models in service, or a whole model
/// repository. LISTINGS is what `wildwarden evaluate` reads: a folder a label, JSONL, CSV or TSV.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The version to compare with.
    a: PathBuf,
    /// The version that may follow it.
    b: PathBuf,
    #[command(flatten)]
    listings: Listings,
    #[command(flatten)]
    settings: Settings,
}

impl Diff {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = compare::config(&self.settings)?;
        self.listings.compare(&config, generation(&config, &self.a)?, generation(&config, &self.b)?)
    }
}

fn generation(config: &Config, models: &Path) -> anyhow::Result<Generation> {
    if models.join(MANIFEST).is_file() {
        return Ok(in_place(config, models)?);
    }
    if !models.is_dir() {
        bail!("{}: is neither a model folder with {MANIFEST} nor a model repository", models.display());
    }
    Ok(opening(&Config { models: models.to_owned(), ..config.clone() }, None)?)
}
