//! A model run on made-up inputs: its outputs must be finite and of the promised shape, and what a run costs is measured.

use std::time::Duration;

use half::f16;
use ndarray::{Array2, ArrayD, Axis, IxDyn};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::model::folder::manifest::{Kind, Manifest};
use crate::model::folder::tensor::{Dtype, TensorSpec};
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::pace::Pace;
use crate::model::runtime::tensor::{Input, Tensor};
use crate::random::SplitMix64;

/// The rows of the batch, in order. Between them they find most graphs that divide by nothing or leave the range of `f32`.
const ROWS: [&str; 3] = ["zeros", "ones", "random values"];
/// Features of a made-up text.
const FEATURES: usize = 8;
/// Runs whose median is the cost, fewer when they take longer than this together: they are made at every load, also beside
/// traffic.
const RUNS: usize = 5;
const LONGEST: Duration = Duration::from_millis(200);

/// Runs a batch of made-up rows on the first session.
///
/// # Errors
/// [`Error::Setup`] naming the file, the output and the value.
pub(super) fn outputs(model: &LoadedModel) -> Result<String> {
    let manifest = &model.folder().manifest;
    let path = model.folder().path.join(&manifest.file);
    let names: Vec<&str> = manifest.outputs.iter().map(|output| output.name.as_str()).collect();
    let all = run(model, &inputs(manifest, ROWS.len()), &names)
        .map_err(|cause| Error::file(&path, format!("fails on a batch of {} made-up inputs: {cause}", ROWS.len())))?;
    for (spec, output) in manifest.outputs.iter().zip(&all) {
        let fits = |(&found, &wanted): (&usize, &i64)| usize::try_from(wanted).map_or(true, |wanted| found == wanted);
        let rows = output.shape().first().copied().unwrap_or_default();
        let own = output.shape().iter().zip(&spec.shape).skip(1);
        if output.ndim() != spec.shape.len() || rows != ROWS.len() || !own.clone().all(fits) {
            let (name, found, promised) = (&spec.name, output.shape(), &spec.shape);
            let problem =
                format!("output {name:?} of {} rows came out as {found:?}, promised is {promised:?}", ROWS.len());
            return Err(Error::file(&path, problem));
        }
        for (row, kind) in output.axis_iter(Axis(0)).zip(ROWS) {
            if let Some(value) = row.iter().find(|value| !value.is_finite()) {
                return Err(Error::file(&path, format!("output {:?} is {value} for an input of {kind}", spec.name)));
            }
        }
    }
    Ok(format!("{} for {}", names.join(", "), ROWS.join(", ")))
}

/// Median time of a run on the first session, with one row.
///
/// # Errors
/// [`Error::Model`] when a run fails.
pub(super) fn run_ms(model: &LoadedModel, pace: Pace) -> Result<(f64, usize)> {
    let manifest = &model.folder().manifest;
    let inputs = inputs(manifest, 1);
    // What every request needs.
    let wanted = match manifest.kind {
        Kind::ImageEncoder => manifest.embedding_output(),
        Kind::Head | Kind::ImageClassifier | Kind::TextClassifier => manifest.score_output(),
        Kind::TextDetector | Kind::TextRecognizer => {
            manifest.outputs.first().map(|output| output.name.as_str()).unwrap_or_default()
        }
    };
    let mut times: Vec<Duration> = Vec::with_capacity(RUNS);
    while times.is_empty() || (times.len() < RUNS && times.iter().sum::<Duration>() < LONGEST) {
        let timed = || {
            let start = Instant::now();
            run(model, &inputs, &[wanted]).map(|_| start.elapsed())
        };
        times.push(pace.piece(timed)?);
    }
    times.sort();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    Ok((median.as_secs_f64() * 1e3, times.len()))
}

pub(super) fn run(model: &LoadedModel, inputs: &[(String, Tensor)], outputs: &[&str]) -> Result<Vec<ArrayD<f32>>> {
    let fed: Vec<(&str, Input<'_>)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.view())).collect();
    model.run(0, &fed, outputs)
}

/// Inputs of `rows` rows as the manifest declares them. With one row it is the random one, which is the likeliest input.
pub(super) fn inputs(manifest: &Manifest, rows: usize) -> Vec<(String, Tensor)> {
    let ids = manifest.text.as_ref().map_or(2, |text| text.buckets);
    let reading = || manifest.reading_sides().map(|[height, width]| [rows, 3, height, width]);
    let sides = manifest.image.as_ref().map(|image| image.shape(rows)).or_else(reading);
    let mut random = SplitMix64(7);
    let one = |spec: &TensorSpec| {
        // A window as long as there can be one: a model with fewer positions fails on it.
        let length = manifest.tokens.as_ref().map_or(FEATURES, |tokens| tokens.max_length);
        let free = |axis: usize| sides.and_then(|sides| sides.get(axis).copied()).unwrap_or(length);
        let sizes = spec.shape.iter().enumerate().skip(1);
        let sizes = sizes.map(|(axis, &size)| usize::try_from(size).unwrap_or_else(|_any| free(axis)));
        let shape: Vec<usize> = std::iter::once(rows).chain(sizes).collect();
        let columns = shape.iter().skip(1).product();
        // The last row is random, the two before it, if any, are ones and zeros.
        let unit = Array2::from_shape_fn((rows, columns), |(row, _)| match rows - row {
            1 => random.unit(),
            2 => 1.0,
            _ => 0.0,
        });
        let unit = unit.into_dyn().into_shape_with_order(IxDyn(&shape)).unwrap_or_default();
        (spec.name.clone(), scaled(&unit, spec.dtype, ids))
    };
    manifest.inputs.iter().map(one).collect()
}

/// Numbers of [0, 1] as a model takes them: floats as they are, bytes of the whole range, whole numbers as places among `ids`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "shares of the range"
)]
fn scaled(unit: &ArrayD<f32>, dtype: Dtype, ids: u32) -> Tensor {
    let place = |share: f32| ((share * ids as f32) as u32).min(ids.saturating_sub(1));
    match dtype {
        Dtype::Float32 => Tensor::F32(unit.clone()),
        Dtype::Float16 => Tensor::F16(unit.mapv(f16::from_f32)),
        Dtype::Uint8 => Tensor::U8(unit.mapv(|share| (share * 255.0) as u8)),
        Dtype::Int32 => Tensor::I32(unit.mapv(|share| place(share) as i32)),
        Dtype::Int64 => Tensor::I64(unit.mapv(|share| i64::from(place(share)))),
    }
}
