//! Fusion against simpler rules on the same listings: those that have both an image and a text.

use std::collections::BTreeMap;

use serde::Serialize;
use wildwarden_core::domain::Category;

use crate::evaluate::bootstrap::Estimate;
use crate::evaluate::calibration::shift_prior;
use crate::evaluate::measures::Counts;
use crate::evaluate::measures::Sample;
use crate::evaluate::measures::Setting;
use crate::evaluate::measures::clusters;
use crate::evaluate::record::Record;
use crate::evaluate::record::Scores;
use crate::evaluate::statistics::Ranking;

/// A way to get one probability from two modalities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// As answered.
    Fused,
    /// The image's alone.
    ImageOnly,
    /// The text's alone.
    TextOnly,
    /// The higher one.
    Max,
    /// As if either were enough and both independent: 1 - (1 - image)(1 - text).
    NoisyOr,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 5] = [Self::Fused, Self::ImageOnly, Self::TextOnly, Self::Max, Self::NoisyOr];

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Fused => "fused, as answered",
            Self::ImageOnly => "image alone",
            Self::TextOnly => "text alone",
            Self::Max => "maximum of both",
            Self::NoisyOr => "noisy-OR of both",
        }
    }

    /// The probability at the deployment prior. `None`: the modality did not take part.
    pub fn probability(self, scores: &Scores, priors: Priors) -> Option<f64> {
        let (image, text) = (scores.image_probability, scores.text_probability);
        let at_training = match self {
            Self::Fused => return Some(scores.probability),
            Self::ImageOnly => image?,
            Self::TextOnly => text?,
            Self::Max => image?.max(text?),
            Self::NoisyOr => 1.0 - (1.0 - image?) * (1.0 - text?),
        };
        Some(shift_prior(at_training, priors.training, priors.deployment))
    }

    /// A sample a record that this rule can score.
    pub fn samples<'a>(
        self,
        records: impl IntoIterator<Item = &'a Record>,
        category: Category,
        priors: Priors,
    ) -> Vec<Sample> {
        let sample = |record: &Record| {
            let probability = self.probability(record.categories.get(&category)?, priors)?;
            Some(Sample { probability, positive: record.labels.contains(&category), cluster: record.cluster() })
        };
        records.into_iter().filter_map(sample).collect()
    }
}

/// The policy's priors.
#[derive(Debug, Clone, Copy)]
pub struct Priors {
    /// At which modalities' probabilities are stated.
    pub training: f64,
    /// At which the fused probability is stated.
    pub deployment: f64,
}

/// Keys and titles of the compared figures.
pub const COMPARED: [(&str, &str); 4] = [
    ("roc_auc", "ROC-AUC"),
    ("average_precision", "average precision"),
    ("recall_at_fpr_0.01", "recall at 1 % false positives"),
    ("recall_at_fpr_0.05", "recall at 5 % false positives"),
];

/// One table.
#[derive(Debug, Serialize)]
pub struct RuleComparison {
    /// Listings with both modalities.
    pub counts: Counts,
    /// One entry a rule, the fused one first.
    pub rules: Vec<RuleFigures>,
}

/// Figures of one rule, by their keys in [`COMPARED`].
#[derive(Debug, Serialize)]
pub struct RuleFigures {
    /// Which.
    pub rule: Rule,
    /// Its own.
    pub figures: BTreeMap<&'static str, Estimate>,
    /// The fused figure less this one, on the same resamplings; above 0: fusion is better.
    pub fused_minus_rule: BTreeMap<&'static str, Estimate>,
}

/// Compares the rules for `category`. `None`: fewer than one positive and one negative have both modalities.
pub fn compare(records: &[&Record], category: Category, priors: Priors, setting: Setting) -> Option<RuleComparison> {
    let both: Vec<&Record> = records
        .iter()
        .copied()
        .filter(|record| {
            let scores = record.categories.get(&category);
            scores.is_some_and(|scores| scores.image_probability.is_some() && scores.text_probability.is_some())
        })
        .collect();
    let samples: Vec<Vec<Sample>> =
        Rule::ALL.iter().map(|rule| rule.samples(both.iter().copied(), category, priors)).collect();
    let first = samples.first()?;
    let counts = Counts::of(first);
    if !counts.are_both() {
        return None;
    }
    let rankings: Vec<Ranking> = samples
        .iter()
        .map(|samples| Ranking::new(samples.iter().map(|sample| (sample.probability, sample.positive))))
        .collect();
    let estimates = clusters(first).estimates(setting.rounds, setting.seed, |weights| {
        let of_rule: Vec<[f64; 4]> = rankings.iter().map(|ranking| compared(ranking, weights)).collect();
        let fused = of_rule.first().copied().unwrap_or([f64::NAN; 4]);
        let with_difference = |figures: &[f64; 4]| {
            let differences: Vec<f64> = fused.iter().zip(figures).map(|(fused, figure)| fused - figure).collect();
            figures.iter().copied().chain(differences).collect::<Vec<f64>>()
        };
        of_rule.iter().flat_map(with_difference).collect()
    });
    let keys = || COMPARED.iter().map(|(key, _)| *key);
    let rules = Rule::ALL.into_iter().zip(estimates.chunks(2 * COMPARED.len())).map(|(rule, estimates)| RuleFigures {
        rule,
        figures: keys().zip(estimates.iter().copied()).collect(),
        fused_minus_rule: keys().zip(estimates.iter().skip(COMPARED.len()).copied()).collect(),
    });
    Some(RuleComparison { counts, rules: rules.collect() })
}

/// In the order of [`COMPARED`].
fn compared(ranking: &Ranking, weights: &[f64]) -> [f64; 4] {
    let figures = ranking.figures(weights, 0.5);
    [figures.roc_auc, figures.average_precision, figures.recall_at_low_fpr, figures.recall_at_high_fpr]
}
