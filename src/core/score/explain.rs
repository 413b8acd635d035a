//! Where the evidence is: a box from a class-activation map, token shares from feature contributions.

use std::ops::Range;

use ndarray::Array2;

use crate::domain::{Attribution, ImageExplanation};

/// Share of the peak a cell must reach to belong to the box.
const BOX_SHARE: f32 = 0.5;

/// The map and the box around the connected region of its peak. Cells count from `baseline`, the logit at which the
/// calibrated probability is one half: below it they speak against the category, and without any above it there is no box.
pub fn image_explanation(map: &Array2<f32>, baseline: f32, attribution: Attribution) -> ImageExplanation {
    let (rows, columns) = map.dim();
    let (values, bounding_box) = (map.iter().copied().collect(), bounding_box(map, baseline));
    ImageExplanation { rows, columns, values, bounding_box, attribution }
}

fn bounding_box(map: &Array2<f32>, baseline: f32) -> Option<[f32; 4]> {
    let (peak, &highest) = map.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1))?;
    if highest <= baseline {
        return None;
    }
    let threshold = baseline + (highest - baseline) * BOX_SHARE;
    let (rows, columns) = map.dim();
    let mut inside = Array2::from_elem((rows, columns), false);
    let mut open = vec![peak];
    let (mut top, mut left, mut bottom, mut right) = (peak.0, peak.1, peak.0, peak.1);
    while let Some((row, column)) = open.pop() {
        let Some(seen) = inside.get_mut((row, column)) else { continue };
        if *seen || map.get((row, column)).is_none_or(|&value| value < threshold) {
            continue;
        }
        *seen = true;
        (top, left, bottom, right) = (top.min(row), left.min(column), bottom.max(row), right.max(column));
        open.extend([(row + 1, column), (row, column + 1)]);
        open.extend(row.checked_sub(1).map(|above| (above, column)));
        open.extend(column.checked_sub(1).map(|before| (row, before)));
    }
    #[expect(clippy::cast_precision_loss, reason = "a feature map has a few dozen cells")]
    let share = |part: usize, whole: usize| part as f32 / whole as f32;
    Some([share(left, columns), share(top, rows), share(right + 1, columns), share(bottom + 1, rows)])
}

/// Splits each feature's contribution evenly over the tokens it covers: the sum over tokens is the sum over features.
pub fn token_contributions(tokens: usize, features: impl IntoIterator<Item = (Range<usize>, f64)>) -> Vec<f64> {
    let mut shares = vec![0.0; tokens];
    for (covered, contribution) in features {
        #[expect(clippy::cast_precision_loss, reason = "a feature covers a few tokens")]
        let share = contribution / covered.len().max(1) as f64;
        for token in shares.get_mut(covered).unwrap_or_default() {
            *token += share;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_is_around_the_peak_and_not_around_a_distant_cell() {
        let mut map = Array2::from_elem((7, 7), -1.0);
        for cell in [(2, 3), (3, 3), (3, 4), (0, 0)] {
            map[cell] = 4.0;
        }
        map[(3, 3)] = 5.0;
        let explanation = image_explanation(&map, 0.0, Attribution::Exact);
        assert_eq!(explanation.bounding_box, Some([3.0 / 7.0, 2.0 / 7.0, 5.0 / 7.0, 4.0 / 7.0]));
    }

    #[test]
    fn without_a_cell_above_the_baseline_there_is_no_box() {
        assert_eq!(image_explanation(&Array2::from_elem((7, 7), -1.0), 0.0, Attribution::Exact).bounding_box, None);
    }

    #[test]
    fn token_shares_add_up_to_the_features() {
        let shares = token_contributions(3, [(0..1, 1.0), (0..2, 0.5), (1..3, -2.0)]);
        assert_eq!(shares, [1.25, -0.75, -1.0]);
    }
}
