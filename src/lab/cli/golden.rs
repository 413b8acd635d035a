//! `wildwarden model golden`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::Args;
use ndarray::{Array2, ArrayView2, Axis};
use ndarray_npy::ViewNpyExt;
use toml_edit::{DocumentMut, Item, Table, value};
use wildwarden_core::config::Config;
use wildwarden_core::model::folder::golden::{GoldenFile, GoldenInput, GoldenSample};
use wildwarden_core::model::folder::manifest::{Kind, MANIFEST, Manifest, hex_sha256};
use wildwarden_core::pipeline::golden::record;
use wildwarden_server::cli::{Settings, print};

/// Name of the file with the samples.
pub(super) const FILE: &str = "golden.json";
/// Rows of embeddings and lines of text that become samples.
pub(super) const SAMPLES: usize = 3;
/// Where neither the call nor the manifest says one.
const TOLERANCE: f32 = 0.01;

/// Record golden samples: what a folder's model makes of inputs of yours, so that it must make the same of them wherever it serves.
///
/// Record them where you trust the model, once model.toml says how inputs are prepared: photos of encoders and image classifiers
/// (JPEG, PNG, WebP, GIF, BMP, TIFF; they are copied into the folder), embeddings of heads (.npy, f32 [N, D], the first rows), texts of
/// text classifiers (UTF-8, the first lines that are not empty). Writes golden.json and renews model.toml; older samples are
/// replaced.
#[derive(Debug, Args)]
pub struct Golden {
    /// The model folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Files with inputs.
    #[arg(value_name = "FILE", required = true)]
    inputs: Vec<PathBuf>,
    /// How far off an output may be; default: as in model.toml, else 0.01. Processors differ in the last digits, int8 models by
    /// more.
    #[arg(long)]
    tolerance: Option<f32>,
    /// JSON instead.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Golden {
    /// Writes golden.json and renews model.toml; a full disk changes neither.
    ///
    /// # Errors
    /// An input cannot be read or does not run, or a file of its name is another.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load([("scheduler", "workers", "1".to_owned())])?;
        let Recorded { samples, tolerance } = record_all(&config, &self.folder, &self.inputs, self.tolerance)?;
        if self.json {
            let path = self.folder.join(FILE);
            print(&serde_json::json!({ "file": path, "samples": samples, "tolerance": tolerance }).to_string());
            return Ok(ExitCode::SUCCESS);
        }
        print(&format!("{}: {samples} samples recorded, tolerance {tolerance}", self.folder.join(FILE).display()));
        Ok(ExitCode::SUCCESS)
    }
}

/// What was recorded.
pub(super) struct Recorded {
    /// How many.
    pub samples: usize,
    /// How far off an output may be.
    pub tolerance: f32,
}

/// Files at `path` that a model of `kind` takes: the file, or the first of a folder.
pub(super) fn inputs_at(kind: Kind, path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let endings: &[&str] = match kind {
        Kind::ImageEncoder | Kind::ImageClassifier => &["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"],
        Kind::Head => &["npy"],
        Kind::TextClassifier => &["txt"],
        Kind::TextDetector | Kind::TextRecognizer => bail!("a {} has no golden samples", kind.name()),
    };
    let is_one = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        path.is_file() && endings.contains(&ending.as_str())
    };
    let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_one).collect();
    files.sort();
    files.truncate(SAMPLES);
    ensure!(
        !files.is_empty(),
        "{}: holds no file that a {} takes: {}",
        path.display(),
        kind.name(),
        endings.join(", ")
    );
    Ok(files)
}

/// Records what the model in `folder` makes of `files` now; see [`Golden`].
pub(super) fn record_all(
    config: &Config,
    folder: &Path,
    files: &[PathBuf],
    tolerance: Option<f32>,
) -> anyhow::Result<Recorded> {
    let path = folder.join(MANIFEST);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let manifest = Manifest::parse(folder, &text)?;
    manifest.check_place(folder)?;
    let before = manifest.golden.as_ref().map(|golden| golden.tolerance);
    let tolerance = tolerance.or(before).unwrap_or(TOLERANCE);
    ensure!(tolerance.is_finite() && tolerance >= 0.0, "--tolerance {tolerance} must be 0 or more");
    let mut inputs = Vec::new();
    for file in files {
        inputs.extend(read(manifest.kind, file)?);
    }
    let (mut samples, fed): (Vec<GoldenSample>, Vec<GoldenInput>) = inputs.into_iter().unzip();
    let of_files = || files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    let outputs = record(config, folder, &fed).with_context(of_files)?;
    for (sample, output) in samples.iter_mut().zip(outputs) {
        sample.output = output;
    }
    let mut written = photos(folder, &manifest, &samples, fed)?;
    ensure!(manifest.file != FILE, "the graph is called {FILE}; give it another name");
    let finite = samples.iter().flat_map(|sample| sample.output.iter().chain(sample.embedding.iter().flatten()));
    ensure!(finite.into_iter().all(|value| value.is_finite()), "an input or an output is not a finite number");
    let count = samples.len();
    written.push((FILE.to_owned(), serde_json::to_vec(&GoldenFile { samples })?));
    let renewed =
        renewed(&text, &written, &stale(folder, &manifest), tolerance).with_context(|| path.display().to_string())?;
    Manifest::parse(folder, &renewed)?;
    written.push((MANIFEST.to_owned(), renewed.into_bytes()));
    write(folder, &written)?;
    Ok(Recorded { samples: count, tolerance })
}

/// The photos that samples name, to be copied into the folder, each once.
fn photos(
    folder: &Path,
    manifest: &Manifest,
    samples: &[GoldenSample],
    fed: Vec<GoldenInput>,
) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (sample, input) in samples.iter().zip(fed) {
        let (Some(name), GoldenInput::Image(bytes)) = (&sample.image, input) else { continue };
        ensure!(
            may_be_written(folder, manifest, name, &bytes),
            "{name:?}: there is another file of this name in the folder"
        );
        if let Some((_, other)) = files.iter().find(|(other, _)| other == name) {
            ensure!(*other == bytes, "{name:?}: two files have this name");
            continue;
        }
        files.push((name.clone(), bytes));
    }
    Ok(files)
}

/// The samples that `file` holds for a model of `kind`, without outputs, each with what is fed.
fn read(kind: Kind, file: &Path) -> anyhow::Result<Vec<(GoldenSample, GoldenInput)>> {
    let shown = || file.display().to_string();
    Ok(match kind {
        Kind::ImageEncoder | Kind::ImageClassifier => {
            let name = file.file_name().and_then(|name| name.to_str()).with_context(shown)?.to_owned();
            let bytes = std::fs::read(file).with_context(shown)?;
            vec![(GoldenSample { image: Some(name), ..Default::default() }, GoldenInput::Image(bytes))]
        }
        Kind::Head => {
            let rows = embeddings(file)?;
            let sample = |row: Vec<f32>| {
                (GoldenSample { embedding: Some(row.clone()), ..Default::default() }, GoldenInput::Embedding(row))
            };
            rows.rows().into_iter().map(|row| sample(row.to_vec())).collect()
        }
        Kind::TextClassifier => {
            let text = std::fs::read_to_string(file).with_context(shown)?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(SAMPLES);
            let sample = |line: &str| {
                (GoldenSample { text: Some(line.to_owned()), ..Default::default() }, GoldenInput::Text(line.to_owned()))
            };
            let samples: Vec<_> = lines.map(sample).collect();
            ensure!(!samples.is_empty(), "{}: holds no text", shown());
            samples
        }
        Kind::TextDetector | Kind::TextRecognizer => bail!("a {} has no golden samples", kind.name()),
    })
}

/// The first rows of a file of embeddings.
pub(super) fn embeddings(file: &Path) -> anyhow::Result<Array2<f32>> {
    let shown = || file.display().to_string();
    // A view over bytes that are there: what a header promises beyond them is an error, and nothing is asked for.
    let bytes = std::fs::read(file).with_context(shown)?;
    let rows = ArrayView2::<f32>::view_npy(&bytes)
        .with_context(|| format!("{}: a head takes embeddings, f32 [N, D] as .npy", shown()))?;
    let first = rows.axis_chunks_iter(Axis(0), SAMPLES).next();
    first.map(|rows| rows.as_standard_layout().into_owned()).with_context(|| format!("{}: holds no row", shown()))
}

/// Whether a photo may stand in the folder under `name`: the name is free, or what stands there is the same.
fn may_be_written(folder: &Path, manifest: &Manifest, name: &str, bytes: &[u8]) -> bool {
    let path = folder.join(name);
    let same = || manifest.files.get(name).is_none_or(|sha256| *sha256 == hex_sha256(bytes));
    match std::fs::symlink_metadata(&path) {
        Ok(metadata) => metadata.is_file() && std::fs::read(&path).is_ok_and(|there| there == bytes) && same(),
        Err(_) => name != FILE && name != MANIFEST && !manifest.files.contains_key(name),
    }
}

/// Puts `files` into `folder`, in their order: the manifest comes last, so that a folder that was not finished is none. All are
/// written beside before the first is moved in: a full disk changes nothing.
pub(super) fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> anyhow::Result<()> {
    let beside = |name: &str| folder.join(format!(".{name}.new"));
    let written = files.iter().try_for_each(|(name, bytes)| {
        let path = beside(name);
        std::fs::write(&path, bytes).with_context(|| path.display().to_string())
    });
    let moved = written.and_then(|()| {
        files.iter().try_for_each(|(name, _)| {
            std::fs::rename(beside(name), folder.join(name)).with_context(|| folder.join(name).display().to_string())
        })
    });
    // What was moved is not there any more; the problem is the first one.
    files.iter().for_each(|(name, _)| drop(std::fs::remove_file(beside(name))));
    moved
}

/// Images of the samples that are replaced: they are listed no more, and left where they are.
fn stale(folder: &Path, manifest: &Manifest) -> Vec<String> {
    let read =
        |file: &str| -> Option<GoldenFile> { serde_json::from_slice(&std::fs::read(folder.join(file)).ok()?).ok() };
    let old = manifest.golden.as_ref().and_then(|golden| read(&golden.file));
    old.into_iter().flat_map(|file| file.samples).filter_map(|sample| sample.image).collect()
}

/// The manifest with the samples' files and hashes. Comments and order are the author's.
fn renewed(text: &str, files: &[(String, Vec<u8>)], stale: &[String], tolerance: f32) -> anyhow::Result<String> {
    let mut document: DocumentMut = text.parse()?;
    let mut golden = Table::new();
    golden.insert("file", value(FILE));
    // As it was written: the nearest double of 0.01 has seventeen digits.
    golden.insert("tolerance", value(tolerance.to_string().parse::<f64>()?));
    match document.get_mut("golden").and_then(Item::as_table_like_mut) {
        Some(old) => golden.into_iter().for_each(|(key, item)| drop(old.insert(&key, item))),
        None => drop(document.insert("golden", Item::Table(golden))),
    }
    let listed = document.get_mut("files").and_then(Item::as_table_like_mut).context("[files] is not a table")?;
    stale.iter().for_each(|name| drop(listed.remove(name)));
    for (name, bytes) in files {
        listed.insert(name, value(hex_sha256(bytes)));
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_keeps_its_comments_and_gains_samples() {
        let text = "# mine\nname = \"a\" # a name\n\n[files]\n\"model.onnx\" = \"00\"\n";
        let renewed = renewed(text, &[(FILE.to_owned(), b"{}".to_vec())], &[], 0.01).unwrap();
        assert!(renewed.starts_with("# mine\nname = \"a\" # a name\n"), "{renewed}");
        let parsed: toml::Table = toml::from_str(&renewed).unwrap();
        assert_eq!(parsed["golden"]["tolerance"].as_float(), Some(0.01));
        assert_eq!(parsed["files"][FILE].as_str().unwrap(), hex_sha256(b"{}"));
        assert_eq!(parsed["files"]["model.onnx"].as_str(), Some("00"));
    }
}
