//! `wildwarden policy`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::compare::{self, Listings};
use super::{Settings, print};
use crate::lifecycle::opening;
use crate::pipeline::generation::PolicyFile;

/// Check a policy, or rate listings with two and say what changes.
#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Check(Check),
    Diff(Box<Diff>),
}

/// Check a policy file as the server does; load no model.
///
/// Exit code 0: a server would take it. 2: one sentence names line, entry and value.
#[derive(Debug, Args)]
struct Check {
    /// The policy file.
    #[arg(default_value = "models/policy.toml")]
    policy: PathBuf,
    /// JSON instead.
    #[arg(long)]
    json: bool,
}

/// Rate listings by two policies with the models in service and say what changes.
#[derive(Debug, Args)]
struct Diff {
    /// The policy to compare with.
    a: PathBuf,
    /// The policy that may follow it.
    b: PathBuf,
    #[command(flatten)]
    listings: Listings,
    #[command(flatten)]
    settings: Settings,
}

impl Policy {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Check(check) => check.run(),
            Action::Diff(diff) => diff.run(),
        }
    }
}

impl Check {
    fn run(self) -> anyhow::Result<ExitCode> {
        let PolicyFile { policy, version, .. } = PolicyFile::read(&self.policy)?;
        let terms: usize = policy.terms.iter().map(|group| group.terms.len()).sum();
        let signs: usize = policy.signs.iter().map(|group| group.terms.len()).sum();
        let notices: usize = policy.notices.iter().map(|group| group.terms.len()).sum();
        if self.json {
            let categories: Vec<_> = policy.categories.iter().map(|declared| declared.category).collect();
            let told = json!({
                "version": version.version, "sha256": version.sha256, "categories": categories, "terms": terms,
                "harmless": policy.harmless.len(), "signs": signs, "notices": notices,
                "legal_bases": policy.legal_basis.len(), "review": policy.review.value(), "block": policy.block.value(),
                "deployment_prior": policy.deployment_prior.value(),
            });
            print(&told.to_string());
            return Ok(ExitCode::SUCCESS);
        }
        print(&format!(
            "policy {}, sha256 {}: {} categories, {terms} terms, {} harmless words, {signs} signs of trade, {notices} notices, {} legal bases; REVIEW from {}, BLOCK from {} at a prior of {}; everything is in order",
            version.version,
            version.sha256,
            policy.categories.len(),
            policy.harmless.len(),
            policy.legal_basis.len(),
            policy.review.value(),
            policy.block.value(),
            policy.deployment_prior.value(),
        ));
        Ok(ExitCode::SUCCESS)
    }
}

impl Diff {
    fn run(self) -> anyhow::Result<ExitCode> {
        let config = compare::config(&self.settings)?;
        let by = |policy: &PathBuf| opening(&config, Some(PolicyFile::read(policy)?));
        let (a, b) = (by(&self.a)?, by(&self.b)?);
        self.listings.compare(&config, a, b)
    }
}
