//! How well a score ranks: ROC, precision and recall (Fawcett 2006; Davis and Goadrich 2006). Pure, weighted, exact with
//! ties: listings of equal score are passed together.

/// False-positive rates at which recall is reported.
pub const LOW_FPR: f64 = 0.01;
/// See [`LOW_FPR`].
pub const HIGH_FPR: f64 = 0.05;
/// Precision at which recall is reported.
pub const PRECISION: f64 = 0.9;
/// Rates within this of a bound count as at the bound.
const SLACK: f64 = 1e-12;

/// Scores with their truth, highest score first.
#[derive(Debug, Clone)]
pub struct Ranking {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Place among the samples, to find the weight.
    index: usize,
    positive: bool,
    score: f64,
    /// No later entry has the same score.
    ends_tie: bool,
}

/// What happens when everything from `threshold` up is flagged.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Point {
    /// Lowest flagged score.
    pub threshold: f64,
    /// Share of positives flagged.
    pub recall: f64,
    /// Share of negatives flagged.
    pub false_positive_rate: f64,
    /// Share of the flagged that are positive, as in the data.
    pub precision: f64,
}

/// Figures of one ranking. NaN where a class is absent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankFigures {
    /// Chance that a positive scores above a negative, ties half.
    pub roc_auc: f64,
    /// Area under precision over recall, as steps (scikit-learn's `average_precision_score`).
    pub average_precision: f64,
    /// The same with positives as frequent as the prior says.
    pub average_precision_at_prior: f64,
    /// Highest recall at most [`LOW_FPR`] of negatives cost.
    pub recall_at_low_fpr: f64,
    /// Highest recall at most [`HIGH_FPR`] of negatives cost.
    pub recall_at_high_fpr: f64,
    /// Highest recall at [`PRECISION`]; 0 when no threshold reaches it.
    pub recall_at_precision: f64,
    /// The same with positives as frequent as the prior says.
    pub recall_at_precision_at_prior: f64,
}

impl Ranking {
    /// Ranks `(score, positive)` pairs.
    pub fn new(samples: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let entries = samples.into_iter().enumerate();
        let mut entries: Vec<Entry> =
            entries.map(|(index, (score, positive))| Entry { index, positive, score, ends_tie: true }).collect();
        entries.sort_by(|a, b| b.score.total_cmp(&a.score));
        let later: Vec<f64> = entries.iter().skip(1).map(|entry| entry.score).collect();
        for (entry, next) in entries.iter_mut().zip(later) {
            entry.ends_tie = entry.score.total_cmp(&next).is_ne();
        }
        Self { entries }
    }

    /// One point a distinct score, from the highest down. `weights`: one a sample, in the order given to [`Self::new`].
    pub fn points(&self, weights: &[f64]) -> Vec<Point> {
        let (positives, negatives) = self.totals(weights);
        let mut points = Vec::new();
        self.walk(weights, |threshold, tp, fp| {
            points.push(Point {
                threshold,
                recall: tp / positives,
                false_positive_rate: fp / negatives,
                precision: if tp + fp > 0.0 { tp / (tp + fp) } else { 1.0 },
            });
        });
        points
    }

    /// The figures, with `prior` as the share of positives for those that ask for one.
    pub fn figures(&self, weights: &[f64], prior: f64) -> RankFigures {
        let (positives, negatives) = self.totals(weights);
        let mut figures = RankFigures {
            roc_auc: 0.0,
            average_precision: 0.0,
            average_precision_at_prior: 0.0,
            recall_at_low_fpr: 0.0,
            recall_at_high_fpr: 0.0,
            recall_at_precision: 0.0,
            recall_at_precision_at_prior: 0.0,
        };
        let (mut last_recall, mut last_fpr) = (0.0, 0.0);
        self.walk(weights, |_, tp, fp| {
            let (recall, fpr) = (tp / positives, fp / negatives);
            let precision = if tp > 0.0 { tp / (tp + fp) } else { 0.0 };
            let at_prior = precision_at(recall, fpr, prior);
            figures.roc_auc += (fpr - last_fpr) * (recall + last_recall) / 2.0;
            figures.average_precision += (recall - last_recall) * precision;
            figures.average_precision_at_prior += (recall - last_recall) * at_prior;
            for (reached, best) in [
                (fpr <= LOW_FPR + SLACK, &mut figures.recall_at_low_fpr),
                (fpr <= HIGH_FPR + SLACK, &mut figures.recall_at_high_fpr),
                (precision >= PRECISION - SLACK, &mut figures.recall_at_precision),
                (at_prior >= PRECISION - SLACK, &mut figures.recall_at_precision_at_prior),
            ] {
                if reached {
                    // Recall never falls on the way down.
                    *best = recall;
                }
            }
            (last_recall, last_fpr) = (recall, fpr);
        });
        if positives > 0.0 && negatives > 0.0 { figures } else { RankFigures::UNDEFINED }
    }

    /// The lowest score at which at most `share` of the negatives are flagged; infinite when even the highest flags more.
    pub fn threshold_at_fpr(&self, share: f64) -> f64 {
        let weights = vec![1.0; self.entries.len()];
        let points = self.points(&weights);
        let within = points.iter().take_while(|point| point.false_positive_rate <= share + SLACK);
        within.last().map_or(f64::INFINITY, |point| point.threshold)
    }

    fn totals(&self, weights: &[f64]) -> (f64, f64) {
        self.entries.iter().fold((0.0, 0.0), |(positives, negatives), entry| {
            let weight = weights.get(entry.index).copied().unwrap_or_default();
            if entry.positive { (positives + weight, negatives) } else { (positives, negatives + weight) }
        })
    }

    /// Calls `each` with threshold, weight of true positives and weight of false positives.
    fn walk(&self, weights: &[f64], mut each: impl FnMut(f64, f64, f64)) {
        let (mut tp, mut fp) = (0.0, 0.0);
        for entry in &self.entries {
            let weight = weights.get(entry.index).copied().unwrap_or_default();
            if entry.positive {
                tp += weight;
            } else {
                fp += weight;
            }
            if entry.ends_tie {
                each(entry.score, tp, fp);
            }
        }
    }
}

impl RankFigures {
    /// When a class is absent.
    pub const UNDEFINED: Self = Self {
        roc_auc: f64::NAN,
        average_precision: f64::NAN,
        average_precision_at_prior: f64::NAN,
        recall_at_low_fpr: f64::NAN,
        recall_at_high_fpr: f64::NAN,
        recall_at_precision: f64::NAN,
        recall_at_precision_at_prior: f64::NAN,
    };
}

/// Precision where positives are as frequent as `prior` says; 0 when nothing is flagged.
pub fn precision_at(recall: f64, false_positive_rate: f64, prior: f64) -> f64 {
    let (true_share, false_share) = (prior * recall, (1.0 - prior) * false_positive_rate);
    if true_share > 0.0 { true_share / (true_share + false_share) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Golden {
        prior: f64,
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        scores: Vec<f64>,
        positive: Vec<bool>,
        weights: Vec<f64>,
        unweighted: std::collections::BTreeMap<String, f64>,
        weighted: std::collections::BTreeMap<String, f64>,
    }

    fn assert_close(found: f64, expected: f64, what: &str) {
        assert!((found - expected).abs() < 1e-9, "{what}: {found}, scikit-learn says {expected}");
    }

    #[test]
    fn figures_agree_with_scikit_learn_with_ties_and_with_weights() {
        let golden: Golden =
            serde_json::from_str(include_str!("../../../tests/fixtures/golden/evaluation.json")).unwrap();
        for (number, case) in golden.cases.iter().enumerate() {
            let ranking = Ranking::new(case.scores.iter().copied().zip(case.positive.iter().copied()));
            let ones = vec![1.0; case.scores.len()];
            for (weights, expected) in [(&ones, &case.unweighted), (&case.weights, &case.weighted)] {
                let found = ranking.figures(weights, golden.prior);
                for (name, value) in [
                    ("roc_auc", found.roc_auc),
                    ("average_precision", found.average_precision),
                    ("average_precision_at_prior", found.average_precision_at_prior),
                    ("recall_at_low_fpr", found.recall_at_low_fpr),
                    ("recall_at_high_fpr", found.recall_at_high_fpr),
                    ("recall_at_precision", found.recall_at_precision),
                    ("recall_at_precision_at_prior", found.recall_at_precision_at_prior),
                ] {
                    assert_close(value, expected[name], &format!("case {number}, {name}"));
                }
            }
        }
    }

    #[test]
    fn equal_scores_are_no_order_and_an_absent_class_is_undefined() {
        let tied = Ranking::new([(0.5, true), (0.5, false), (0.5, true), (0.5, false)]);
        assert_close(tied.figures(&[1.0; 4], 0.5).roc_auc, 0.5, "all tied");
        let one_class = Ranking::new([(0.5, true), (0.7, true)]);
        assert!(one_class.figures(&[1.0; 2], 0.5).roc_auc.is_nan());
        let unreachable = Ranking::new([(0.9, false), (0.8, true), (0.7, false)]);
        assert_close(unreachable.figures(&[1.0; 3], 0.5).recall_at_precision, 0.0, "unreachable");
    }

    #[test]
    fn the_threshold_at_a_rate_flags_no_more_than_it() {
        let samples: Vec<(f64, bool)> = (0..100).map(|i| (f64::from(i) / 100.0, false)).chain([(0.96, true)]).collect();
        let threshold = Ranking::new(samples).threshold_at_fpr(HIGH_FPR);
        assert_close(threshold, 0.95, "five of a hundred");
        assert!(Ranking::new([(0.5, false), (0.4, true)]).threshold_at_fpr(HIGH_FPR).is_infinite());
    }
}
