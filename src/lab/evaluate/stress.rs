//! Degraded copies against the listings as they are: how much does a bad picture cost?

use serde::Serialize;
use wildwarden_core::domain::Category;
use wildwarden_core::random::SplitMix64;

use crate::evaluate::bootstrap::Estimate;
use crate::evaluate::case::Case;
use crate::evaluate::degrade::Degradation;
use crate::evaluate::fusion::Priors;
use crate::evaluate::fusion::Rule;
use crate::evaluate::measures::Counts;
use crate::evaluate::measures::Sample;
use crate::evaluate::measures::Setting;
use crate::evaluate::measures::cluster_count;
use crate::evaluate::measures::clusters;
use crate::evaluate::record::Record;
use crate::evaluate::statistics::HIGH_FPR;
use crate::evaluate::statistics::Ranking;

/// One degradation, one category, by the fused probability.
#[derive(Debug, Serialize)]
pub struct Stress {
    /// Name of the degradation.
    pub degradation: &'static str,
    /// For people.
    pub title: &'static str,
    /// Listings rated both ways.
    pub counts: Counts,
    /// Of the degraded copies.
    pub roc_auc: Estimate,
    /// Degraded less clean, on the same listings.
    pub roc_auc_change: Estimate,
    /// Of the degraded copies, at a threshold of their own.
    pub recall_at_fpr: Estimate,
    /// Degraded less clean, each at a threshold of its own.
    pub recall_at_fpr_change: Estimate,
    /// Recall of the degraded copies at the threshold that flags 5 % of the clean negatives.
    pub recall_at_clean_threshold: Estimate,
    /// False positives among the degraded copies at that threshold.
    pub false_positive_rate_at_clean_threshold: Estimate,
}

/// Up to `most` cases with images, half of them positive if there are enough.
pub fn choose(cases: &[Case], most: usize, seed: u64) -> Vec<Case> {
    let with_images: Vec<(usize, &Case)> =
        cases.iter().enumerate().filter(|(_, case)| !case.images.is_empty()).collect();
    if with_images.len() <= most {
        return with_images.into_iter().map(|(_, case)| case.clone()).collect();
    }
    let (mut positives, mut negatives): (Vec<_>, Vec<_>) =
        with_images.into_iter().partition(|(_, case)| !case.labels.is_empty());
    let mut random = SplitMix64(seed);
    random.shuffle(&mut positives);
    random.shuffle(&mut negatives);
    let half = (most / 2).max(most.saturating_sub(negatives.len()));
    positives.truncate(half);
    negatives.truncate(most - positives.len());
    let mut chosen = positives;
    chosen.append(&mut negatives);
    chosen.sort_by_key(|(index, _)| *index);
    chosen.into_iter().map(|(_, case)| case.clone()).collect()
}

/// Compares `pairs` of a clean and a degraded record. `None`: a class is absent.
pub fn compare(
    degradation: Degradation,
    pairs: &[(&Record, &Record)],
    category: Category,
    priors: Priors,
    setting: Setting,
) -> Option<Stress> {
    let clean = Rule::Fused.samples(pairs.iter().map(|(clean, _)| *clean), category, priors);
    let degraded = Rule::Fused.samples(pairs.iter().map(|(_, degraded)| *degraded), category, priors);
    let counts = Counts::of(&clean);
    if !counts.are_both() {
        return None;
    }
    let rank = |samples: &[Sample]| Ranking::new(samples.iter().map(|sample| (sample.probability, sample.positive)));
    let (before, after) = (rank(&clean), rank(&degraded));
    let threshold = before.threshold_at_fpr(HIGH_FPR);
    let estimates = clusters(&clean).estimates(setting.rounds, setting.seed, |weights| {
        let (before, after) = (before.figures(weights, setting.prior), after.figures(weights, setting.prior));
        let (recall, fpr) = flagged(&degraded, weights, threshold);
        vec![
            after.roc_auc,
            after.roc_auc - before.roc_auc,
            after.recall_at_high_fpr,
            after.recall_at_high_fpr - before.recall_at_high_fpr,
            recall,
            fpr,
        ]
    });
    let mut estimates = estimates.into_iter();
    let mut next = || estimates.next().unwrap_or_default();
    Some(Stress {
        degradation: degradation.name(),
        title: degradation.title(),
        counts,
        roc_auc: next(),
        roc_auc_change: next(),
        recall_at_fpr: next(),
        recall_at_fpr_change: next(),
        recall_at_clean_threshold: next().of_share(cluster_count(&clean, true)),
        false_positive_rate_at_clean_threshold: next().of_share(cluster_count(&clean, false)),
    })
}

fn flagged(samples: &[Sample], weights: &[f64], threshold: f64) -> (f64, f64) {
    let share = |positive: bool| {
        let of_class = samples.iter().zip(weights).filter(|(sample, _)| sample.positive == positive);
        let (flagged, total) = of_class.fold((0.0, 0.0), |(flagged, total), (sample, weight)| {
            (flagged + if sample.probability >= threshold { *weight } else { 0.0 }, total + weight)
        });
        flagged / total
    };
    (share(true), share(false))
}
