//! `wildwarden policy check`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use wildwarden_core::pipeline::generation::PolicyFile;

use super::print;

/// Check a policy file as the server does; load no model.
///
/// Exit code 0: a server would take it. 2: one sentence names line, entry and value.
#[derive(Debug, Args)]
pub struct PolicyCheck {
    /// The policy file.
    #[arg(default_value = "models/policy.toml")]
    policy: PathBuf,
    /// JSON instead.
    #[arg(long)]
    json: bool,
}

impl PolicyCheck {
    /// Prints the policy's counts and thresholds.
    ///
    /// # Errors
    /// One sentence that names line, entry and value.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let PolicyFile { policy, version, .. } = PolicyFile::read(&self.policy)?;
        let terms: usize = policy.terms.iter().map(|group| group.terms.len()).sum();
        let signs: usize = policy.signs.iter().map(|group| group.terms.len()).sum();
        let notices: usize = policy.notices.iter().map(|group| group.terms.len()).sum();
        let (profile, looks) = (policy.looks.profile.name(), policy.looks.images.len() + policy.looks.texts.len());
        if self.json {
            let categories: Vec<_> = policy.categories.iter().map(|declared| declared.category).collect();
            let told = json!({
                "version": version.version, "sha256": version.sha256, "categories": categories, "terms": terms,
                "harmless": policy.harmless.len(), "signs": signs, "notices": notices,
                "legal_bases": policy.legal_basis.len(), "review": policy.review.value(), "block": policy.block.value(),
                "deployment_prior": policy.deployment_prior.value(), "profile": profile, "looks_after_the_first": looks,
            });
            print(&told.to_string());
            return Ok(ExitCode::SUCCESS);
        }
        print(&format!(
            "policy {}, sha256 {}: {} categories, {terms} terms, {} harmless words, {signs} signs of trade, {notices} notices, {} legal bases, {looks} looks after the first (profile {profile}; `wildwarden check` says whether their models are there); REVIEW from {}, BLOCK from {} at a prior of {}; everything is in order",
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
