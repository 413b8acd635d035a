//! `wildwarden bundle`

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use serde::Serialize;
use tar::{Builder, EntryType, Header};
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_core::pipeline::generation::Generation;
use wildwarden_server::cli::{Settings, tell};
use wildwarden_server::lifecycle::first_generation;

/// Put the policy and the models that serve into one file, to rate elsewhere with the same.
///
/// The file is a tar without compression: bundle.json with the size and SHA-256 of every file, then models/policy.toml and the folders
/// of the models. They are loaded and checked first. Unpacked, they serve with --models DIR/models --policy DIR/models/policy.toml.
#[derive(Debug, Args)]
pub struct Bundle {
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

/// What unpacks it must know the version of.
const FORMAT: u32 = 1;

/// The first file of a bundle.
#[derive(Serialize)]
struct Contents {
    format: u32,
    program: &'static str,
    files: Vec<Packed>,
}

/// A file of a bundle.
#[derive(Serialize)]
struct Packed {
    path: String,
    bytes: usize,
    sha256: String,
    #[serde(skip)]
    source: PathBuf,
}

impl Bundle {
    /// Writes it.
    ///
    /// # Errors
    /// One sentence: a wrong setting, model or library, or a file that cannot be written.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if self.out.is_dir() {
            bail!("--out: {} is a folder, and must be a file", self.out.display());
        }
        let config = self.settings.load([])?;
        let generation = first_generation(&config, None)?;
        let mut files = vec![packed(&config.reloadable.policy, "models/policy.toml")?];
        if generation.policy_version().sha256 != files.iter().map(|file| file.sha256.as_str()).collect::<String>() {
            bail!("{}: is not the policy that serves", config.reloadable.policy.display());
        }
        files.extend(models(&generation)?);
        let contents = Contents { format: FORMAT, program: env!("CARGO_PKG_VERSION"), files };
        let beside = self.out.with_added_extension("part");
        self.write(&contents, &beside).inspect_err(|_| drop(std::fs::remove_file(&beside)))?;
        std::fs::rename(&beside, &self.out).with_context(|| self.out.display().to_string())?;
        let bytes: usize = contents.files.iter().map(|file| file.bytes).sum();
        let (count, mib) = (contents.files.len(), bytes >> 20);
        tell(&format!(
            "{}: {count} files of {} models and a policy, {mib} MiB",
            self.out.display(),
            generation.models().len()
        ));
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, contents: &Contents, path: &Path) -> anyhow::Result<()> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        let mut archive = Builder::new(file);
        let out = path.display().to_string();
        let mut add = |path: &str, content: &[u8]| {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, path, content).with_context(|| format!("{out}: {path}"))
        };
        add("bundle.json", &serde_json::to_vec_pretty(contents).context("bundle.json")?)?;
        for Packed { path, sha256, source, .. } in &contents.files {
            // One file at a time is held, and it is the one that was counted.
            let content = std::fs::read(source).with_context(|| source.display().to_string())?;
            if hex_sha256(&content) != *sha256 {
                bail!("{}: changed meanwhile", source.display());
            }
            add(path, &content)?;
        }
        let mut file = archive.into_inner().with_context(|| path.display().to_string())?;
        file.flush().and_then(|()| file.sync_all()).with_context(|| path.display().to_string())
    }
}

/// The files of the models that serve: manifests, and what they name.
fn models(generation: &Generation) -> anyhow::Result<Vec<Packed>> {
    let mut files = Vec::new();
    for version in generation.versions() {
        let (name, number) = (&version.identity.name, &version.identity.version);
        let names = version.manifest.files.keys().map(String::as_str);
        for file in std::iter::once("model.toml").chain(names) {
            files.push(packed(&version.path.join(file), &format!("models/{name}/{number}/{file}"))?);
        }
    }
    Ok(files)
}

fn packed(source: &Path, path: &str) -> anyhow::Result<Packed> {
    let content = std::fs::read(source).with_context(|| source.display().to_string())?;
    Ok(Packed { path: path.to_owned(), bytes: content.len(), sha256: hex_sha256(&content), source: source.to_owned() })
}
