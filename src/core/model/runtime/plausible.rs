//! What is no fault in a model and still hardly meant: it would serve, and its scores would mislead. Found on made-up inputs.

use ndarray::{Array2, ArrayD, ArrayViewD, Axis, IxDyn};

use crate::error::Result;
use crate::model::folder::manifest::{Holds, Kind, Manifest};
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::probe;
use crate::model::runtime::tensor::{Input, Tensor};
use crate::random::SplitMix64;

/// Random rows are stretched by these: logits leave the range of probabilities somewhere among them.
const SCALES: [f32; 8] = [0.0, 1.0, -1.0, 4.0, -4.0, 16.0, -16.0, 64.0];
/// Made-up windows of tokens.
const TOKEN_ROWS: usize = 3;
/// Features of a made-up text.
const FEATURES: usize = 8;
/// How far a sum of `f32` may be off, of its size.
const ROUNDING: f32 = 1e-3;

/// Notes on `model`, a sentence each.
///
/// # Errors
/// [`crate::error::Error::Model`] when a run fails.
pub fn notes(model: &LoadedModel) -> Result<Vec<String>> {
    let manifest = &model.folder().manifest;
    let mut notes = Vec::new();
    if !manifest.labels.is_empty() && manifest.labels.iter().all(|label| label.category.is_none()) {
        notes.push("none of its labels has a category: it feeds nothing".to_owned());
    }
    match manifest.kind {
        Kind::ImageEncoder | Kind::TextDetector | Kind::TextRecognizer => {}
        Kind::Head | Kind::ImageClassifier => {
            let given = model.run_on(0, stretched(manifest).view(), &[manifest.score_output()])?.pop();
            let holds = manifest.holds();
            notes.extend(given.and_then(|given| misnamed(&given.view(), holds)));
        }
        Kind::TextClassifier if manifest.tokens.is_some() => {
            let given = probe::run(model, &probe::inputs(manifest, TOKEN_ROWS), &[manifest.score_output()])?.pop();
            let holds = manifest.holds();
            notes.extend(given.filter(|given| given.ndim() == 2).and_then(|given| misnamed(&given.view(), holds)));
        }
        Kind::TextClassifier => notes.extend(text(model, manifest)?),
    }
    Ok(notes)
}

fn stretched(manifest: &Manifest) -> ArrayD<f32> {
    let mut random = SplitMix64(11);
    let sizes: Vec<usize> = match &manifest.image {
        Some(image) => vec![3, image.height as usize, image.width as usize],
        None => vec![manifest.embedding_size().and_then(|size| usize::try_from(size).ok()).unwrap_or(1)],
    };
    let shape: Vec<usize> = std::iter::once(SCALES.len()).chain(sizes).collect();
    let columns = shape.iter().skip(1).product();
    let rows = Array2::from_shape_fn((SCALES.len(), columns), |(row, _)| {
        SCALES.get(row).copied().unwrap_or_default() * random.unit()
    });
    rows.into_dyn().into_shape_with_order(IxDyn(&shape)).unwrap_or_default()
}

/// Whether scores of made-up inputs look like something else than `holds` says.
fn misnamed(scores: &ArrayViewD<'_, f32>, holds: Holds) -> Option<String> {
    let sums_to_one = |of: fn(f32) -> f32| {
        let sum = |row: ArrayViewD<'_, f32>| row.iter().copied().map(of).sum::<f32>();
        scores.shape().get(1).is_some_and(|columns| *columns > 1)
            && scores.axis_iter(Axis(0)).all(|row| (sum(row) - 1.0).abs() < ROUNDING)
    };
    let inputs = scores.shape().first().copied().unwrap_or_default();
    let are_shares = scores.iter().all(|score| (0.0..=1.0).contains(score));
    match holds {
        Holds::Logits | Holds::ClassLogits if are_shares => {
            let (sum, holds) =
                if sums_to_one(|score| score) { (", and their sum is 1", "softmax") } else { ("", "sigmoid") };
            Some(format!(
                "scores of {inputs} made-up inputs are all between 0 and 1{sum}: they look like probabilities; say scores = {{ holds \
                 = {holds:?} }}, or leave off the last sigmoid or softmax"
            ))
        }
        Holds::Logits if sums_to_one(f32::exp) => Some(format!(
            "scores of {inputs} made-up inputs look like logarithms of probabilities whose sum is 1; say scores = {{ holds = \
             \"class_logits\" }}"
        )),
        Holds::Sigmoid | Holds::Softmax if !are_shares => Some(format!(
            "scores of {inputs} made-up inputs leave 0 to 1: they are no probabilities; say scores = {{ holds = \"logits\" }} or \
             \"class_logits\""
        )),
        Holds::Softmax if !sums_to_one(|score| score) => Some(format!(
            "scores of {inputs} made-up inputs do not add up to 1: they are not those of a softmax; say scores = {{ holds = \
             \"sigmoid\" }}"
        )),
        Holds::Logits | Holds::ClassLogits | Holds::Sigmoid | Holds::Softmax => None,
    }
}

/// A text is scored as one row of all its features, and each passage of it by the sum of its features' contributions.
fn text(model: &LoadedModel, manifest: &Manifest) -> Result<Vec<String>> {
    let buckets = manifest.text.as_ref().map_or(2, |text| i64::from(text.buckets));
    let mut random = SplitMix64(13);
    let columns = i64::try_from(FEATURES).unwrap_or(1);
    let place = |column: usize| i64::try_from(column).unwrap_or_default() * (buckets - 1) / columns + 1;
    let values: Vec<f32> = (0..FEATURES).map(|_| 0.5 + random.unit()).collect();
    let half = FEATURES / 2;
    // All features, none, and each half of them.
    let holds = |row: usize, column: usize| match row {
        0 => true,
        1 => false,
        2 => column < half,
        _ => column >= half,
    };
    let shape = (4, FEATURES);
    let ids = Array2::from_shape_fn(shape, |(_, column)| place(column).min(buckets - 1));
    let fed = Array2::from_shape_fn(shape, |(row, column)| {
        if holds(row, column) { values.get(column).copied().unwrap_or_default() } else { 0.0 }
    });
    let inputs = [("ids", Tensor::I64(ids.into_dyn())), ("values", Tensor::F32(fed.into_dyn()))];
    let inputs: Vec<(&str, Input<'_>)> = inputs.iter().map(|(name, tensor)| (*name, tensor.view())).collect();
    let outputs = model.run(0, &inputs, &["logits", "contributions"])?;
    let [logits, contributions] = outputs.as_slice() else { return Ok(Vec::new()) };
    Ok(sums(logits, contributions, holds))
}

fn sums(logits: &ArrayD<f32>, contributions: &ArrayD<f32>, holds: impl Fn(usize, usize) -> bool) -> Vec<String> {
    let close = |a: f32, b: f32| (a - b).abs() <= ROUNDING * (1.0 + a.abs().max(b.abs()));
    let mut notes = Vec::new();
    let rest = logits - &contributions.sum_axis(Axis(1));
    let first = rest.index_axis(Axis(0), 0);
    if !rest.axis_iter(Axis(0)).all(|row| row.iter().zip(&first).all(|(a, b)| close(*a, *b))) {
        notes.push(
            "contributions do not add up to the logits less a constant: passages would be scored wrongly, and the words shown \
             would not be those that weighed"
                .to_owned(),
        );
    }
    let whole = contributions.index_axis(Axis(0), 0);
    let alone = |(row, part): (usize, ArrayViewD<'_, f32>)| {
        part.axis_iter(Axis(0))
            .zip(whole.axis_iter(Axis(0)))
            .enumerate()
            .all(|(column, (a, b))| !holds(row, column) || a.iter().zip(&b).all(|(a, b)| close(*a, *b)))
    };
    if !contributions.axis_iter(Axis(0)).enumerate().all(alone) {
        notes.push(
            "a feature's contribution changes with the features beside it: passages are scored by the contributions found in the \
             whole text"
                .to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn probabilities_are_told_from_logits() {
        let said = |logits: Array2<f32>| misnamed(&logits.into_dyn().view(), Holds::Logits);
        assert!(said(array![[0.2], [0.9]]).unwrap().contains("sigmoid"));
        assert!(said(array![[0.2, 0.8], [0.9, 0.1]]).unwrap().contains("sum is 1"));
        assert!(
            said(array![[0.2_f32.ln(), 0.8_f32.ln()], [0.5_f32.ln(), 0.5_f32.ln()]]).unwrap().contains("class_logits")
        );
        assert!(said(array![[0.2, 0.8], [0.9, 1.1]]).is_none() && said(array![[0.5], [-0.1]]).is_none());
    }

    #[test]
    fn contributions_must_add_up_and_stand_alone() {
        let holds = |row: usize, column: usize| row == 0 || (row == 1 && column == 0);
        let whole = array![[[1.0_f32], [2.0]], [[1.0], [0.0]]].into_dyn();
        assert!(sums(&array![[3.5_f32], [1.5]].into_dyn(), &whole, holds).is_empty());
        let said = sums(&array![[3.5_f32], [2.5]].into_dyn(), &whole, holds);
        assert!(said.len() == 1 && said[0].contains("add up"), "{said:?}");
        let said =
            sums(&array![[3.5_f32], [2.5]].into_dyn(), &array![[[1.0_f32], [2.0]], [[2.0], [0.0]]].into_dyn(), holds);
        assert!(said.len() == 1 && said[0].contains("beside it"), "{said:?}");
    }
}
