//! `wildwarden model diff`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use wildwarden_core::config::Config;
use wildwarden_core::model::folder::manifest::MANIFEST;
use wildwarden_core::pipeline::generation::Generation;
use wildwarden_server::cli::Settings;
use wildwarden_server::lifecycle::check::first_generation_with;
use wildwarden_server::lifecycle::first_generation;

use super::compare::{self, Listings};

/// Rate listings with two versions and say what changes.
///
/// A and B are each a model folder, which takes the place of the one of its name among the models in service, or a whole model
/// repository. LISTINGS is what `wildwarden evaluate` reads: a folder a label, JSONL, CSV or TSV.
#[derive(Debug, Args)]
pub struct ModelDiff {
    /// The version to compare with.
    a: PathBuf,
    /// The version that may follow it.
    b: PathBuf,
    #[command(flatten)]
    listings: Listings,
    #[command(flatten)]
    settings: Settings,
}

impl ModelDiff {
    /// Runs it. Exit code 1: some inputs failed.
    ///
    /// # Errors
    /// One sentence: a wrong setting, input, model or library.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = compare::config(&self.settings)?;
        self.listings.compare(&config, generation(&config, &self.a)?, generation(&config, &self.b)?)
    }
}

fn generation(config: &Config, models: &Path) -> anyhow::Result<Generation> {
    if models.join(MANIFEST).is_file() {
        return Ok(first_generation_with(config, models)?);
    }
    if !models.is_dir() {
        bail!("{}: is neither a model folder with {MANIFEST} nor a model repository", models.display());
    }
    let mut config = config.clone();
    models.clone_into(&mut config.folders.models);
    Ok(first_generation(&config, None)?)
}
