//! What a model gives becomes logits, one a label: whatever its output holds, and however many columns feed a category.

use ndarray::{Array2, ArrayD, ArrayView1, Axis};

use crate::model::folder::columns::join_of;
use crate::model::folder::manifest::{ColumnJoin, Holds, Label, Manifest};

/// Probabilities are cut to this distance from 0 and 1: a softmax in `f32` gives whole ones, and their log-odds are infinite.
const LEAST: f64 = 1e-7;

/// Rows of values: the output without its axes of size 1.
///
/// # Errors
/// The shape, in words, when it has more than one axis besides that of the rows.
pub(super) fn rows_of_values(output: ArrayD<f32>) -> Result<Array2<f32>, String> {
    let shape = output.shape().to_vec();
    let rows = shape.first().copied().unwrap_or(0);
    let values: usize = shape.iter().skip(1).product();
    if shape.iter().skip(1).filter(|size| **size != 1).count() > 1 {
        return Err(format!("gave an output of shape {shape:?}, not a row of values a row"));
    }
    output.into_shape_with_order((rows, values)).map_err(|cause| format!("gave an output of shape {shape:?}: {cause}"))
}

/// Logits `[N, labels]` from what the score output of `manifest` holds, `[N, columns]`.
///
/// # Errors
/// A sentence when it has no such column.
pub(super) fn logits(manifest: &Manifest, output: Array2<f32>) -> Result<Array2<f32>, String> {
    let holds = manifest.holds();
    let as_given = |(place, label): (usize, &Label)| label.columns == [place];
    let columns = output.ncols();
    if holds == Holds::Logits && manifest.labels.len() == columns && manifest.labels.iter().enumerate().all(as_given) {
        return Ok(output);
    }
    if let Some(label) = manifest.labels.iter().find(|label| label.columns.iter().any(|column| *column >= columns)) {
        return Err(format!("gave {columns} columns, and none for the label {}", label.name));
    }
    let join = join_of(manifest).unwrap_or(ColumnJoin::Max);
    let mut logits = Array2::zeros((output.nrows(), manifest.labels.len()));
    for (row, mut logits) in output.axis_iter(Axis(0)).zip(logits.axis_iter_mut(Axis(0))) {
        for (label, logit) in manifest.labels.iter().zip(&mut logits) {
            *logit = one(row, &label.columns, holds, join);
        }
    }
    Ok(logits)
}

/// The logit of what `columns` of a row say together.
#[expect(clippy::cast_possible_truncation, reason = "computed finer than it is kept")]
fn one(row: ArrayView1<'_, f32>, columns: &[usize], holds: Holds, join: ColumnJoin) -> f32 {
    let values = || columns.iter().filter_map(|&column| row.get(column)).map(|&value| f64::from(value));
    let logit = |value: f64| match holds {
        Holds::Logits => value,
        Holds::Sigmoid | Holds::Softmax => log_odds(value),
        Holds::ClassLogits => value,
    };
    // Of the columns of which one is true, all but these.
    let all_but = |columns: &[usize]| {
        let rest = row.iter().enumerate().filter(|(column, _)| !columns.contains(column));
        log_sum_exp(rest.map(|(_, &value)| f64::from(value)).collect())
    };
    // A score of one column that is no number says nothing of the others either, where they share a whole.
    let shares_a_whole = holds == Holds::ClassLogits;
    let joined = match (join, holds) {
        (ColumnJoin::Sum, Holds::ClassLogits) => log_sum_exp(values().collect()) - all_but(columns),
        (_, Holds::ClassLogits) => {
            let against_all = |&column: &usize| Some(f64::from(*row.get(column)?) - all_but(&[column]));
            columns.iter().filter_map(against_all).fold(f64::NEG_INFINITY, f64::max)
        }
        (ColumnJoin::Sum, _) => log_odds(values().sum()),
        (ColumnJoin::Max, _) => values().map(logit).fold(f64::NEG_INFINITY, f64::max),
        (ColumnJoin::Logsumexp, _) => log_sum_exp(values().map(logit).collect()),
    };
    let is_odd = values().any(f64::is_nan)
        || shares_a_whole && row.iter().any(|value| value.is_nan() || *value == f32::INFINITY);
    if is_odd { f32::NAN } else { joined as f32 }
}

/// log p / (1 - p), the one scale on which calibration is linear and scores of several models can be joined.
fn log_odds(probability: f64) -> f64 {
    let p = probability.clamp(LEAST, 1.0 - LEAST);
    (p / (1.0 - p)).ln()
}

/// log Σ exp; of none minus infinity.
fn log_sum_exp(values: Vec<f64>) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        most
    } else {
        most + values.iter().map(|value| (value - most).exp()).sum::<f64>().ln()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{arr1, array};

    use super::*;

    fn near(a: f32, b: f64) -> bool {
        (f64::from(a) - b).abs() < 1e-4
    }

    #[test]
    fn a_softmax_and_its_logits_give_the_same_log_odds() {
        let class_logits = arr1(&[2.0_f32, -1.0, 0.5, 3.0]);
        let exp = class_logits.mapv(f32::exp);
        let softmax = &exp / exp.sum();
        for columns in [vec![0], vec![0, 2], vec![1, 2, 3]] {
            let p: f32 = columns.iter().map(|&column| softmax[column]).sum();
            let expected = f64::from((p / (1.0 - p)).ln());
            for (row, holds) in [(&class_logits, Holds::ClassLogits), (&softmax, Holds::Softmax)] {
                let found = one(row.view(), &columns, holds, ColumnJoin::Sum);
                assert!(near(found, expected), "{columns:?}, {holds:?}: {found} against {expected}");
            }
        }
        let all = one(softmax.view(), &[0, 1, 2, 3], Holds::Softmax, ColumnJoin::Sum);
        assert!(all.is_finite() && all > 10.0);
    }

    #[test]
    fn probabilities_that_are_whole_stay_finite_and_numbers_that_are_none_stay_none() {
        let row = arr1(&[0.0_f32, 1.0, f32::NAN]);
        for holds in [Holds::Sigmoid, Holds::Softmax] {
            assert!(one(row.view(), &[0], holds, ColumnJoin::Max) < -15.0);
            assert!(one(row.view(), &[1], holds, ColumnJoin::Max) > 15.0);
            assert!(one(row.view(), &[1, 2], holds, ColumnJoin::Max).is_nan());
        }
    }

    #[test]
    fn sure_class_logits_keep_their_distance_and_one_that_is_no_number_spoils_the_row() {
        let row = arr1(&[60.0_f32, 20.0, 0.0]);
        assert!(near(one(row.view(), &[0], Holds::ClassLogits, ColumnJoin::Sum), 40.0));
        assert!(near(one(row.view(), &[0, 2], Holds::ClassLogits, ColumnJoin::Max), 40.0));
        // A class that is ruled out is minus infinity, and no fault.
        let masked = arr1(&[3.0_f32, 1.0, f32::NEG_INFINITY]);
        assert!(near(one(masked.view(), &[0], Holds::ClassLogits, ColumnJoin::Sum), 2.0));
        let odd = arr1(&[-4.76_f32, 5.24, f32::NAN]);
        assert!(one(odd.view(), &[0], Holds::ClassLogits, ColumnJoin::Sum).is_nan());
    }

    #[test]
    fn several_logits_are_joined_as_the_manifest_says() {
        let row = arr1(&[1.0_f32, 3.0, -2.0]);
        assert!(near(one(row.view(), &[0, 1], Holds::Logits, ColumnJoin::Max), 3.0));
        let expected = (1.0_f64.exp() + 3.0_f64.exp()).ln();
        assert!(near(one(row.view(), &[0, 1], Holds::Logits, ColumnJoin::Logsumexp), expected));
    }

    #[test]
    fn an_output_is_rows_of_values_whatever_axes_of_one_it_has() {
        let rows = |output: ArrayD<f32>| rows_of_values(output).map(|rows| rows.dim());
        assert_eq!(rows(array![[[[1.0]], [[2.0]]]].into_dyn()), Ok((1, 2)));
        assert_eq!(rows(array![1.0, 2.0].into_dyn()), Ok((2, 1)));
        assert!(rows(ArrayD::zeros(vec![1, 2, 3])).unwrap_err().contains("[1, 2, 3]"));
    }
}
