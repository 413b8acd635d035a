//! Windows of tokens through a model that a tokenizer feeds.

use ndarray::{Array2, Array3, Axis, s};

use crate::error::{Error, Result};
use crate::model::folder::manifest::Pool;
use crate::model::folder::tensor::Dtype;
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::occlusion::GoOn;
use crate::model::runtime::scores;
use crate::model::runtime::tensor::{Input, Tensor};

/// A window to score: ids, and of which of two texts each token is.
#[derive(Debug, Clone, Copy)]
pub struct TokenRow<'a> {
    /// As the tokenizer gives them.
    pub ids: &'a [u32],
    /// All 0 with one text.
    pub types: &'a [u32],
}

/// Most tokens that one run is given, unless one window has more: what a transformer holds grows with rows times the square of the
/// longest.
const RUN_TOKENS: usize = 1 << 12;

/// A logit a label of each window, `[windows, labels]`, on the session of `worker`. Shorter windows of a run are filled up with
/// `pad`, which the model is told not to look at; where the graph fixes the tokens, all are.
///
/// # Errors
/// [`Error::DeadlineExceeded`] when `go_on` says no before a run; [`Error::Model`] when the model fails or gives scores of another
/// shape. Whether they are finite is the caller's to judge.
pub fn score_tokens(
    model: &LoadedModel,
    worker: usize,
    windows: &[TokenRow<'_>],
    pad: u32,
    go_on: GoOn<'_>,
) -> Result<Array2<f32>> {
    let mut logits = Array2::zeros((windows.len(), model.folder().manifest.labels.len()));
    let mut start = 0;
    while start < windows.len() {
        if !go_on() {
            return Err(Error::DeadlineExceeded);
        }
        let rest = windows.get(start..).unwrap_or_default();
        let mut longest = 0;
        let fits = rest.iter().enumerate().take_while(|(before, window)| {
            longest = longest.max(window.ids.len());
            *before == 0 || (before + 1) * longest <= RUN_TOKENS
        });
        let end = start + fits.count();
        let run = windows.get(start..end).unwrap_or_default();
        logits.slice_mut(s![start..end, ..]).assign(&score_run(model, worker, run, pad)?);
        start = end;
    }
    Ok(logits)
}

fn score_run(model: &LoadedModel, worker: usize, windows: &[TokenRow<'_>], pad: u32) -> Result<Array2<f32>> {
    let manifest = &model.folder().manifest;
    let fixed =
        manifest.inputs.first().and_then(|input| input.shape.get(1)).and_then(|&size| usize::try_from(size).ok());
    let longest = fixed.or_else(|| windows.iter().map(|window| window.ids.len()).max()).unwrap_or_default();
    let shape = (windows.len(), longest);
    let table = |values: &dyn Fn(&TokenRow<'_>, usize) -> u32| {
        Array2::from_shape_fn(shape, |(row, column)| windows.get(row).map_or(0, |window| values(window, column)))
    };
    let inputs = manifest.inputs.iter().map(|input| {
        let values = match input.name.as_str() {
            "input_ids" => table(&|window, column| window.ids.get(column).copied().unwrap_or(pad)),
            "attention_mask" => table(&|window, column| u32::from(column < window.ids.len())),
            _ => table(&|window, column| window.types.get(column).copied().unwrap_or(0)),
        };
        let tensor = match input.dtype {
            Dtype::Int32 => Tensor::I32(values.mapv(u32::cast_signed).into_dyn()),
            Dtype::Int64 | Dtype::Float32 | Dtype::Float16 | Dtype::Uint8 => {
                Tensor::I64(values.mapv(i64::from).into_dyn())
            }
        };
        (input.name.as_str(), tensor)
    });
    let inputs: Vec<(&str, Tensor)> = inputs.collect();
    let fed: Vec<(&str, Input<'_>)> = inputs.iter().map(|(name, tensor)| (*name, tensor.view())).collect();
    let given = model.run(worker, &fed, &[manifest.score_output()])?.pop();
    let given = given.ok_or_else(|| Error::model(model.name(), "gave no scores"))?;
    let pool = manifest.tokens.as_ref().and_then(|tokens| tokens.pool);
    let rows = match pool {
        Some(pool) => pooled(model.shaped(given)?, windows, pool),
        None => scores::rows_of_values(given),
    };
    let logits = rows.and_then(|rows| scores::logits(manifest, rows));
    let logits = logits.map_err(|problem| Error::model(model.name(), problem))?;
    if logits.nrows() < windows.len() {
        return Err(Error::model(model.name(), format!("gave {} rows for {} windows", logits.nrows(), windows.len())));
    }
    Ok(logits)
}

/// Scores of the tokens of each window as one row; what fills a window up does not count.
#[expect(clippy::cast_precision_loss, reason = "at most some thousand tokens")]
fn pooled(given: Array3<f32>, windows: &[TokenRow<'_>], pool: Pool) -> std::result::Result<Array2<f32>, String> {
    let (rows, tokens, columns) = given.dim();
    let longest = windows.iter().map(|window| window.ids.len()).max().unwrap_or_default();
    if rows < windows.len() || tokens < longest {
        return Err(format!(
            "gave scores of shape {:?} for {} windows of {longest} tokens",
            given.shape(),
            windows.len()
        ));
    }
    let mut pooled = Array2::zeros((windows.len(), columns));
    for ((window, scores), mut row) in windows.iter().zip(given.axis_iter(Axis(0))).zip(pooled.axis_iter_mut(Axis(0))) {
        let own = scores.slice(s![..window.ids.len(), ..]);
        for (column, value) in own.axis_iter(Axis(1)).zip(&mut row) {
            *value = match pool {
                Pool::Max => {
                    column.fold(f32::NEG_INFINITY, |most, &next| if next > most || next.is_nan() { next } else { most })
                }
                Pool::Mean => column.sum() / window.ids.len().max(1) as f32,
            };
        }
    }
    Ok(pooled)
}
