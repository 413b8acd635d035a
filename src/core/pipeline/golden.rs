//! Golden samples, run the way a request runs, to check a model or to record them.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Array4};

use super::generation::{Generation, PolicyFile};
use super::inputs::tensor;
use super::texts::first_window_logits;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::folder::ModelFolder;
use crate::model::folder::check::{Checks, Step};
use crate::model::folder::golden::{GoldenFile, GoldenInput, GoldenSample};
use crate::model::folder::manifest::Kind;
use crate::model::folder::set::ModelSet;
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::pace::Budget;
use crate::preprocess::image::{TensorMaker, decode};

/// Runs the golden samples of one of `generation`'s models on every session, which also warms them.
///
/// # Errors
/// [`Error::Setup`] naming the file, when a sample is malformed, its run fails or an output is off by more than the tolerance;
/// [`Error::Bug`] when a run panics.
pub fn try_all(generation: &Generation, model: &LoadedModel, budget: Budget, checks: &Checks<'_>) -> Result<()> {
    budget.for_each_worker(|worker| check(generation, model, worker))?;
    let folder = model.folder();
    let found = if folder.manifest.golden.is_some() { "within tolerance" } else { "there are none" };
    checks.passed(&folder.path, Step::Golden, found);
    folder.release();
    // What was run to check it is nobody's request.
    model.statistics().clear();
    Ok(())
}

/// Runs the golden samples of `model` on the session of `worker`.
///
/// # Errors
/// [`Error::Setup`] when a sample is malformed or an output is off by more than its tolerance.
fn check(generation: &Generation, model: &LoadedModel, worker: usize) -> Result<()> {
    let folder = model.folder();
    let Some(golden) = &folder.manifest.golden else { return Ok(()) };
    let path = folder.path.join(&golden.file);
    let file: GoldenFile =
        serde_json::from_slice(&folder.file(&golden.file)?).map_err(|cause| Error::file(&path, cause))?;
    for (index, sample) in file.samples.iter().enumerate() {
        let output = fed(folder, sample)
            .and_then(|input| run(generation, model, worker, &input))
            .map_err(|cause| Error::file(&path, format!("sample {index}: {cause}")))?;
        let off = largest_difference(&output, &sample.output);
        // Written so that NaN, which compares with nothing, is refused.
        if !off.is_some_and(|off| off <= golden.tolerance) {
            let off = off.map_or("another number of values".into(), |off| format!("off by {off}"));
            let allowed = golden.tolerance;
            let problem = format!(
                "sample {index} is {off}; allowed is {allowed} (golden.tolerance); where model.toml was changed on purpose, `wildwarden model golden` records anew"
            );
            return Err(Error::file(&path, problem));
        }
    }
    Ok(())
}

/// What the model in `folder` makes of `inputs`, run as its golden samples are: the embedding, or the logits.
///
/// # Errors
/// [`Error::Setup`] or [`Error::Model`] naming file and value, also when an input is not what a model of its kind takes.
pub fn record(config: &Config, folder: &Path, inputs: &[GoldenInput]) -> Result<Vec<Vec<f32>>> {
    let checks = Checks::logged(config.folders.max_file_bytes);
    let folder = Arc::new(ModelFolder::read(folder, &checks)?);
    // It alone: what it computes depends on no other.
    let set = ModelSet::alone(Arc::clone(&folder));
    let policy = Arc::new(PolicyFile::read(&config.reloadable.policy)?);
    let generation = Generation::assemble((config, &checks), &set, policy, &[], None)?;
    let model = generation.engine().models().next().ok_or_else(|| Error::Bug("a set of one model has none".into()))?;
    inputs.iter().map(|input| run(&generation, model, 0, input)).collect()
}

/// What `sample` feeds to a model of the kind in `folder`.
fn fed(folder: &ModelFolder, sample: &GoldenSample) -> Result<GoldenInput> {
    let missing = |field: &str| Error::file(&folder.path, format!("golden sample: {field} is missing"));
    Ok(match folder.manifest.kind {
        Kind::ImageEncoder | Kind::ImageClassifier => {
            let name = sample.image.as_ref().ok_or_else(|| missing("image"))?;
            GoldenInput::Image(folder.file(name)?.to_vec())
        }
        Kind::Head => GoldenInput::Embedding(sample.embedding.clone().ok_or_else(|| missing("embedding"))?),
        Kind::TextClassifier => GoldenInput::Text(sample.text.clone().ok_or_else(|| missing("text"))?),
        kind @ (Kind::TextDetector | Kind::TextRecognizer) => return Err(no_samples(folder, kind)),
    })
}

fn no_samples(folder: &ModelFolder, kind: Kind) -> Error {
    Error::file(&folder.path, format!("a {} has no golden samples", kind.name()))
}

fn run(generation: &Generation, model: &LoadedModel, worker: usize, input: &GoldenInput) -> Result<Vec<f32>> {
    let folder = model.folder();
    let output = match (model.kind(), input) {
        (Kind::ImageEncoder, GoldenInput::Image(bytes)) => {
            model.embed(worker, image(generation, folder, bytes)?.view().into_dyn(), false)?.0
        }
        (Kind::ImageClassifier, GoldenInput::Image(bytes)) => {
            model.logits(worker, image(generation, folder, bytes)?.view().into_dyn())?
        }
        (Kind::Head, GoldenInput::Embedding(embedding)) => {
            let row = Array2::from_shape_vec((1, embedding.len()), embedding.clone())
                .map_err(|cause| Error::file(&folder.path, cause))?;
            model.logits(worker, row.view().into_dyn())?
        }
        (Kind::TextClassifier, GoldenInput::Text(text)) => return first_window_logits(generation, model, worker, text),
        (kind, _) => {
            let takes = match kind {
                Kind::ImageEncoder | Kind::ImageClassifier => "image files",
                Kind::Head => "embeddings",
                Kind::TextClassifier => "texts",
                Kind::TextDetector | Kind::TextRecognizer => return Err(no_samples(folder, kind)),
            };
            return Err(Error::file(&folder.path, format!("golden samples of a {} are {takes}", kind.name())));
        }
    };
    Ok(output.into_iter().collect())
}

/// The tensor that the model of `folder` is fed for an image file.
fn image(generation: &Generation, folder: &ModelFolder, bytes: &[u8]) -> Result<Array4<f32>> {
    let spec = folder.manifest.image.as_ref().ok_or_else(|| Error::file(&folder.path, "[image] is missing"))?;
    let decoded = decode(bytes, generation.limits(), generation.decode_size())
        .map_err(|fault| Error::file(&folder.path, format!("golden image: {}", fault.message)))?;
    tensor(&mut TensorMaker::default(), decoded.frames.iter().take(1), spec)
}

fn largest_difference(a: &[f32], b: &[f32]) -> Option<f32> {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    (a.len() == b.len())
        .then(|| differences.fold(0.0, |most, next| if next > most || next.is_nan() { next } else { most }))
}
