//! `wildwarden model hash`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use toml_edit::{DocumentMut, Item, Value};
use wildwarden_core::model::folder::manifest::{MANIFEST, Manifest, hex_sha256};
use wildwarden_server::cli::print;

/// Renew the hashes in a model.toml after its files were changed. Tells one line a file.
#[derive(Debug, Args)]
pub struct Hash {
    /// The model folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// JSON instead.
    #[arg(long)]
    json: bool,
}

impl Hash {
    /// Prints each hash, and writes the manifest.
    ///
    /// # Errors
    /// The manifest is refused, or a listed file is missing.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let path = self.folder.join(MANIFEST);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let manifest = Manifest::parse(&self.folder, &text)?;
        // Only the hashes are touched: comments and order are the author's.
        let mut document: DocumentMut = text.parse().with_context(|| path.display().to_string())?;
        let listed = document.get_mut("files").and_then(Item::as_table_like_mut).context("[files] is not a table")?;
        for (name, old) in &manifest.files {
            let file = self.folder.join(name);
            let new = hex_sha256(&std::fs::read(&file).with_context(|| file.display().to_string())?);
            if let Some(Item::Value(hash)) = listed.get_mut(name) {
                let around = hash.decor().clone();
                *hash = Value::from(new.as_str());
                *hash.decor_mut() = around;
            }
            let renewed = new != *old;
            if self.json {
                print(&serde_json::json!({ "file": name, "sha256": new, "renewed": renewed }).to_string());
            } else {
                print(&format!("{name} {new}{}", if renewed { " renewed" } else { "" }));
            }
        }
        std::fs::write(&path, document.to_string()).with_context(|| path.display().to_string())?;
        Ok(ExitCode::SUCCESS)
    }
}
