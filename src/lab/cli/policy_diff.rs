//! `wildwarden policy diff`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use wildwarden_core::pipeline::generation::PolicyFile;
use wildwarden_server::cli::Settings;
use wildwarden_server::lifecycle::first_generation;

use super::compare::{self, Listings};

/// Rate listings by two policies with the models in service and say what changes.
#[derive(Debug, Args)]
pub struct PolicyDiff {
    /// The policy to compare with.
    a: PathBuf,
    /// The policy that may follow it.
    b: PathBuf,
    #[command(flatten)]
    listings: Listings,
    #[command(flatten)]
    settings: Settings,
}

impl PolicyDiff {
    /// Runs it. Exit code 1: some inputs failed.
    ///
    /// # Errors
    /// One sentence: a wrong setting, input, model or library.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = compare::config(&self.settings)?;
        let by = |policy: &PathBuf| first_generation(&config, Some(PolicyFile::read(policy)?));
        let (a, b) = (by(&self.a)?, by(&self.b)?);
        self.listings.compare(&config, a, b)
    }
}
