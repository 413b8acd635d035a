//! `wildwarden model hash`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::model::manifest::{MANIFEST, Manifest, hex_sha256};

/// Renew the hashes in a model.toml after its files were changed.
#[derive(Debug, Args)]
pub(super) struct Hash {
    /// The model folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Hash {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let path = self.folder.join(MANIFEST);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let manifest = Manifest::parse(&self.folder, &text)?;
        // Only the hashes are touched: comments and order are the author's.
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (name, old) in &manifest.files {
            let file = self.folder.join(name);
            let new = hex_sha256(&std::fs::read(&file).with_context(|| file.display().to_string())?);
            let of_file = |line: &&mut String| line.trim_start().trim_start_matches('"').starts_with(name.as_str());
            if let Some(line) = lines.iter_mut().filter(of_file).find(|line| line.contains(old.as_str())) {
                *line = line.replace(old.as_str(), &new);
            }
            super::print(&format!("{name} {new}{}", if new == *old { "" } else { " renewed" }));
        }
        std::fs::write(&path, lines.join("\n") + "\n").with_context(|| path.display().to_string())?;
        Ok(ExitCode::SUCCESS)
    }
}
