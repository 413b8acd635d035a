//! Golden samples, run the way a request runs.

use ndarray::{Array2, Array4};

use super::generation::Generation;
use super::inputs::tensor;
use super::read::first_window_logits;
use crate::error::{Error, Result};
use crate::model::golden::{GoldenFile, GoldenSample};
use crate::model::loaded::LoadedModel;
use crate::model::manifest::Kind;
use crate::model::registry::ModelFolder;
use crate::model::session::Input;
use crate::preprocess::image::{TensorMaker, decode};

/// Runs the golden samples of `model` on the session of `worker`.
///
/// # Errors
/// [`Error::Setup`] when a sample is malformed or an output is off by more than its tolerance.
pub(super) fn check(generation: &Generation, model: &LoadedModel, worker: usize) -> Result<()> {
    let folder = model.folder();
    let Some(golden) = &folder.manifest.golden else { return Ok(()) };
    let path = folder.path.join(&golden.file);
    let file: GoldenFile =
        serde_json::from_slice(&folder.file(&golden.file)?).map_err(|cause| Error::file(&path, cause))?;
    for (index, sample) in file.samples.iter().enumerate() {
        let output = run(generation, model, worker, sample)
            .map_err(|cause| Error::file(&path, format!("sample {index}: {cause}")))?;
        let off = largest_difference(&output, &sample.output);
        // Written so that NaN, which compares with nothing, is refused.
        if !off.is_some_and(|off| off <= golden.tolerance) {
            let off = off.map_or("another number of values".into(), |off| format!("off by {off}"));
            let problem = format!("sample {index} is {off}; allowed is {} (golden.tolerance)", golden.tolerance);
            return Err(Error::file(&path, problem));
        }
    }
    Ok(())
}

fn run(generation: &Generation, model: &LoadedModel, worker: usize, sample: &GoldenSample) -> Result<Vec<f32>> {
    let folder = model.folder();
    let missing = |field: &str| Error::file(&folder.path, format!("golden sample: {field} is missing"));
    let image = || input(generation, folder, sample.image.as_deref().ok_or_else(|| missing("image"))?);
    let output = match model.kind() {
        Kind::ImageEncoder => model.single(worker, Input::F32(image()?.view().into_dyn()), "embedding")?,
        Kind::ImageClassifier => model.single(worker, Input::F32(image()?.view().into_dyn()), "logits")?,
        Kind::Head => {
            let embedding = sample.embedding.clone().ok_or_else(|| missing("embedding"))?;
            let row = Array2::from_shape_vec((1, embedding.len()), embedding)
                .map_err(|cause| Error::file(&folder.path, cause))?;
            model.single(worker, Input::F32(row.view().into_dyn()), "logits")?
        }
        Kind::TextClassifier => {
            let text = sample.text.as_ref().ok_or_else(|| missing("text"))?;
            return first_window_logits(generation, worker, text);
        }
    };
    Ok(output.into_iter().collect())
}

/// The tensor that `model` is fed for an image file of its folder.
fn input(generation: &Generation, folder: &ModelFolder, file: &str) -> Result<Array4<f32>> {
    let spec = folder.manifest.image.as_ref().ok_or_else(|| Error::file(&folder.path, "[image] is missing"))?;
    let decoded = decode(&folder.file(file)?, generation.limits(), generation.wanted())
        .map_err(|fault| Error::file(&folder.path.join(file), fault.message))?;
    tensor(&mut TensorMaker::default(), decoded.frames.iter().take(1), spec)
}

fn largest_difference(a: &[f32], b: &[f32]) -> Option<f32> {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    (a.len() == b.len())
        .then(|| differences.fold(0.0, |most, next| if next > most || next.is_nan() { next } else { most }))
}
