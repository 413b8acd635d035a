//! The figures of one score for one category, with intervals.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::evaluate::bootstrap::Clusters;
use crate::evaluate::bootstrap::Estimate;
use crate::evaluate::calibration::Bin;
use crate::evaluate::calibration::Forecast;
use crate::evaluate::calibration::brier;
use crate::evaluate::calibration::expected_calibration_error;
use crate::evaluate::calibration::prior_weights;
use crate::evaluate::calibration::reliability;
use crate::evaluate::calibration::shift_prior;
use crate::evaluate::statistics::Point;
use crate::evaluate::statistics::Ranking;
use crate::evaluate::statistics::precision_at;

/// Keys of the figures, as in `evaluation.json`, with their titles, in the order of tables.
pub const FIGURES: [(&str, &str); 14] = [
    ("roc_auc", "ROC-AUC"),
    ("average_precision", "average precision (PR-AUC)"),
    ("average_precision_at_prior", "average precision at the deployment prior"),
    ("recall_at_fpr_0.01", "recall at 1 % false positives"),
    ("recall_at_fpr_0.05", "recall at 5 % false positives"),
    ("recall_at_precision_0.9", "recall at precision 0.9"),
    ("recall_at_precision_0.9_at_prior", "recall at precision 0.9 at the deployment prior"),
    ("ece", "ECE"),
    ("ece_at_prior", "ECE at the deployment prior"),
    ("brier", "Brier score"),
    ("brier_at_prior", "Brier score at the deployment prior"),
    ("recall_at_review", "recall at the REVIEW threshold"),
    ("false_positive_rate_at_review", "false positives at the REVIEW threshold"),
    ("precision_at_review_at_prior", "precision at the REVIEW threshold and the deployment prior"),
];

/// Points of a curve that are kept for drawing.
const CURVE_POINTS: usize = 200;

/// A listing and the probability one rule gives it, at the deployment prior.
#[derive(Debug, Clone)]
pub struct Sample {
    /// At the deployment prior.
    pub probability: f64,
    /// The listing offers the category.
    pub positive: bool,
    /// What was drawn by chance with it.
    pub cluster: String,
}

/// What the figures are measured against.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Share of positives where the service is deployed.
    pub prior: f64,
    /// Probability from which a listing is suggested for review.
    pub review: f64,
    /// Resamplings.
    pub rounds: usize,
    /// Of the resamplings.
    pub seed: u64,
}

/// Figures by their keys in [`FIGURES`].
pub type Figures = BTreeMap<&'static str, Estimate>;

/// Positives and negatives of some samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Listings that offer the category.
    pub positives: usize,
    /// All others.
    pub negatives: usize,
    /// Sellers, groups or single listings: what intervals resample.
    pub clusters: usize,
    /// Those with a positive.
    pub positive_clusters: usize,
}

impl Counts {
    /// Of `samples`.
    pub fn of(samples: &[Sample]) -> Self {
        let positives = samples.iter().filter(|sample| sample.positive).count();
        let clusters = clusters(samples).count();
        let positive_clusters = cluster_count(samples, true);
        Self { positives, negatives: samples.len() - positives, clusters, positive_clusters }
    }

    /// Whether both classes are there.
    pub fn are_both(self) -> bool {
        self.positives > 0 && self.negatives > 0
    }

    /// Share of positives.
    pub fn prevalence(self) -> f64 {
        self.positives as f64 / (self.positives + self.negatives) as f64
    }
}

/// Clusters of samples for the bootstrap.
pub fn clusters(samples: &[Sample]) -> Clusters {
    Clusters::new(samples.iter().map(|sample| sample.cluster.as_str()))
}

/// All of [`FIGURES`]; empty when a class is absent.
pub fn figures(samples: &[Sample], setting: Setting) -> Figures {
    let counts = Counts::of(samples);
    if !counts.are_both() {
        return Figures::new();
    }
    let evaluator = Evaluator::new(samples, setting);
    let estimates =
        clusters(samples).estimates(setting.rounds, setting.seed, |weights| evaluator.figures(weights).to_vec());
    let mut figures: Figures = FIGURES.iter().map(|(key, _)| *key).zip(estimates).collect();
    for (key, positive) in [("recall_at_review", true), ("false_positive_rate_at_review", false)] {
        figures.entry(key).and_modify(|share| *share = share.of_share(cluster_count(samples, positive)));
    }
    for (key, figure) in &mut figures {
        if !["ece", "brier"].iter().any(|error| key.starts_with(error)) {
            *figure = figure.of_bound(counts.positive_clusters);
        }
    }
    bound_certain_precision(&mut figures, setting.prior);
    figures
}

/// A precision of 1 only says that no negative was flagged yet: its lower bound is that of the highest plausible rate of
/// false positives.
fn bound_certain_precision(figures: &mut Figures, prior: f64) {
    let of = |key: &str| figures.get(key).copied().unwrap_or_default();
    let (recall, highest_fpr) = (of("recall_at_review").value, of("false_positive_rate_at_review").high);
    if let (Some(recall), Some(fpr)) = (recall, highest_fpr)
        && let Some(precision) = figures.get_mut("precision_at_review_at_prior")
        && precision.value.is_some_and(|value| value >= 1.0)
    {
        precision.low = Some(precision_at(recall, fpr, prior));
    }
}

/// How many clusters have a sample of one class.
pub fn cluster_count(samples: &[Sample], positive: bool) -> usize {
    let of_class = samples.iter().filter(|sample| sample.positive == positive);
    Clusters::new(of_class.map(|sample| sample.cluster.as_str())).count()
}

/// Samples sorted once, evaluated under many weights.
#[derive(Debug)]
pub struct Evaluator {
    ranking: Ranking,
    /// Index and sample, rising by probability.
    rising: Vec<(usize, f64, bool)>,
    setting: Setting,
    prevalence: f64,
}

impl Evaluator {
    /// Sorts `samples`.
    pub fn new(samples: &[Sample], setting: Setting) -> Self {
        let mut rising: Vec<(usize, f64, bool)> =
            samples.iter().enumerate().map(|(index, sample)| (index, sample.probability, sample.positive)).collect();
        rising.sort_by(|a, b| a.1.total_cmp(&b.1));
        Self {
            ranking: Ranking::new(samples.iter().map(|sample| (sample.probability, sample.positive))),
            rising,
            setting,
            prevalence: Counts::of(samples).prevalence(),
        }
    }

    /// In the order of [`FIGURES`].
    pub fn figures(&self, weights: &[f64]) -> [f64; 14] {
        let prior = self.setting.prior;
        let ranked = self.ranking.figures(weights, prior);
        let as_in_data = self.forecasts(weights, false);
        let at_prior = self.forecasts(weights, true);
        let (recall, fpr) = self.flagged(weights);
        [
            ranked.roc_auc,
            ranked.average_precision,
            ranked.average_precision_at_prior,
            ranked.recall_at_low_fpr,
            ranked.recall_at_high_fpr,
            ranked.recall_at_precision,
            ranked.recall_at_precision_at_prior,
            expected_calibration_error(&reliability(&as_in_data)),
            expected_calibration_error(&reliability(&at_prior)),
            brier(&as_in_data),
            brier(&at_prior),
            recall,
            fpr,
            if recall + fpr > 0.0 { precision_at(recall, fpr, prior) } else { f64::NAN },
        ]
    }

    /// Reliability with positives as frequent as in the data, or as the deployment prior says.
    pub fn reliability(&self, at_prior: bool) -> Vec<Bin> {
        reliability(&self.forecasts(&vec![1.0; self.rising.len()], at_prior))
    }

    /// The curves of all samples, thinned to what can be drawn.
    pub fn curve(&self) -> Vec<Point> {
        let points = self.ranking.points(&vec![1.0; self.rising.len()]);
        let stride = points.len().div_ceil(CURVE_POINTS).max(1);
        let last = points.len().saturating_sub(1);
        // The first points, where few are flagged, are the ones that matter: all of them are kept.
        let kept = points.into_iter().enumerate();
        kept.filter(|(place, _)| *place < CURVE_POINTS || place % stride == 0 || *place == last)
            .map(|(_, point)| point)
            .collect()
    }

    /// The lowest probability that flags at most `share` of the negatives.
    pub fn threshold_at_fpr(&self, share: f64) -> f64 {
        self.ranking.threshold_at_fpr(share)
    }

    fn totals(&self, weights: &[f64]) -> (f64, f64) {
        self.rising.iter().fold((0.0, 0.0), |(positives, negatives), &(index, _, positive)| {
            let weight = weights.get(index).copied().unwrap_or_default();
            if positive { (positives + weight, negatives) } else { (positives, negatives + weight) }
        })
    }

    fn forecasts(&self, weights: &[f64], at_prior: bool) -> Vec<Forecast> {
        let (positives, negatives) = self.totals(weights);
        let prior = self.setting.prior;
        let (of_positive, of_negative) = if at_prior { prior_weights(positives, negatives, prior) } else { (1.0, 1.0) };
        let forecast = |&(index, probability, positive): &(usize, f64, bool)| Forecast {
            probability: if at_prior { probability } else { shift_prior(probability, prior, self.prevalence) },
            positive,
            weight: weights.get(index).copied().unwrap_or_default() * if positive { of_positive } else { of_negative },
        };
        self.rising.iter().map(forecast).collect()
    }

    fn flagged(&self, weights: &[f64]) -> (f64, f64) {
        let (positives, negatives) = self.totals(weights);
        let flagged = self.rising.iter().filter(|(_, probability, _)| *probability >= self.setting.review);
        let (tp, fp) = flagged.fold((0.0, 0.0), |(tp, fp), &(index, _, positive)| {
            let weight = weights.get(index).copied().unwrap_or_default();
            if positive { (tp + weight, fp) } else { (tp, fp + weight) }
        });
        (tp / positives, fp / negatives)
    }
}
