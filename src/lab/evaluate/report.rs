//! Everything that was measured, as one value: `evaluation.json`. Keys are stable; a change raises [`FORMAT`]. A figure is
//! `{value, low, high}` with a 95 % interval, null where undefined.

use std::collections::BTreeMap;

use serde::Serialize;
use wildwarden_core::domain::{Category, Level, ModelVersion};
use wildwarden_core::pipeline::generation::Generation;

use crate::evaluate::bootstrap::Clusters;
use crate::evaluate::calibration::Bin;
use crate::evaluate::declared::DeclaredCategory;
use crate::evaluate::degrade::Degradation;
use crate::evaluate::fusion;
use crate::evaluate::fusion::Priors;
use crate::evaluate::fusion::Rule;
use crate::evaluate::fusion::RuleComparison;
use crate::evaluate::looks::LooksReport;
use crate::evaluate::measures::Counts;
use crate::evaluate::measures::Evaluator;
use crate::evaluate::measures::Figures;
use crate::evaluate::measures::Sample;
use crate::evaluate::measures::Setting;
use crate::evaluate::measures::figures;
use crate::evaluate::operation;
use crate::evaluate::record::{Record, Scores};
use crate::evaluate::run::Failure;
use crate::evaluate::slices;
use crate::evaluate::slices::Slice;
use crate::evaluate::slices::SliceBy;
use crate::evaluate::statistics::Point;
use crate::evaluate::stress;
use crate::evaluate::stress::Stress;
use crate::evaluate::thresholds::Thresholds;
use crate::evaluate::worst;
use crate::evaluate::worst::Worst;

/// Version of the keys.
pub const FORMAT: u32 = 2;

/// The whole.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// What was rated.
    pub data: Data,
    /// What rated it.
    pub service: Service,
    /// How it was measured.
    pub method: Method,
    /// Categories without a positive, without a negative or without a score: nothing is said of them.
    pub unmeasured: Vec<Category>,
    /// By true label, over all listings.
    pub operation: Vec<operation::Row>,
    /// What each threshold would catch and cost.
    pub thresholds: Thresholds,
    /// What looks after the first cost and gave; null when none was taken.
    pub looks: Option<LooksReport>,
    /// The measured categories.
    pub categories: Vec<CategoryReport>,
    /// Listings that could not be rated.
    pub failures: Vec<Failure>,
}

/// What was rated.
#[derive(Debug, Default, Serialize)]
pub struct Data {
    /// The input as named on the command line.
    pub input: String,
    /// Listings in it.
    pub listings: usize,
    /// Listings taken from it (`--limit`).
    pub taken: usize,
    /// Listings rated.
    pub rated: usize,
    /// Sellers, groups or single listings among them.
    pub clusters: usize,
    /// Images by what became of them.
    pub images: BTreeMap<String, usize>,
    /// Fields of the input that were not used.
    pub unused_fields: Vec<String>,
}

/// What rated it.
#[derive(Debug, Serialize)]
pub struct Service {
    /// Version of this program.
    pub program: &'static str,
    /// What was spent on looks after the first: fast, balanced or thorough.
    pub profile: &'static str,
    /// Name, version, sha256 of each model.
    pub models: Vec<Version>,
    /// The same of the policy.
    pub policy: Version,
    /// Share of positives the fused probability is stated at.
    pub deployment_prior: f64,
    /// The same of the modalities' probabilities.
    pub training_prior: f64,
    /// Fused probability from which REVIEW is suggested, in categories that have none of their own.
    pub review: f64,
    /// The same from which BLOCK is suggested.
    pub block: f64,
    /// What is looked for, in the order of answers.
    pub categories: Vec<DeclaredCategory>,
}

/// A file in service.
#[derive(Debug, Serialize)]
pub struct Version {
    /// Which.
    pub name: String,
    /// As it says itself.
    pub version: String,
    /// Lower-case hex.
    pub sha256: String,
}

/// How it was measured.
#[derive(Debug, Serialize)]
pub struct Method {
    /// Resamplings of the intervals.
    pub bootstrap_rounds: usize,
    /// Of sampling and resampling.
    pub seed: u64,
    /// Bins of the calibration error.
    pub calibration_bins: usize,
}

/// One category.
#[derive(Debug, Serialize)]
pub struct CategoryReport {
    /// Which.
    pub category: Category,
    /// Of all rated listings.
    pub counts: Counts,
    /// The fused probability, then each modality alone on the listings that have it.
    pub scores: Vec<ScoreReport>,
    /// Of the fused probability at the REVIEW threshold.
    pub confusion: Confusion,
    /// Levels of the category: positives and negatives of each.
    pub levels: Vec<LevelRow>,
    /// Null when too few listings have both modalities.
    pub fusion: Option<RuleComparison>,
    /// Parts of the listings.
    pub slices: Vec<Slice>,
    /// Degraded copies; empty without `--stress`.
    pub stress: Vec<Stress>,
    /// The worst errors.
    pub worst: Worst,
}

/// Figures and curves of one score.
#[derive(Debug, Serialize)]
pub struct ScoreReport {
    /// fused, image_only or text_only.
    pub rule: Rule,
    /// Listings that have it.
    pub counts: Counts,
    /// By their keys in [`measures::FIGURES`](crate::evaluate::measures::FIGURES).
    pub figures: Figures,
    /// ROC and precision-recall curve, from the highest threshold down, thinned.
    pub curve: Vec<Point>,
    /// Reliability with positives as frequent as in the data.
    pub reliability: Vec<Bin>,
    /// Reliability with positives as frequent as the deployment prior says.
    pub reliability_at_prior: Vec<Bin>,
    /// Probabilities of the positives, and of the negatives, at the deployment prior; for the histogram.
    #[serde(skip)]
    pub samples: Vec<(f64, bool)>,
}

/// Counts at the REVIEW threshold.
#[derive(Debug, Default, Serialize)]
pub struct Confusion {
    /// The fused probability from which a listing counts as flagged.
    pub threshold: f64,
    /// Positives flagged.
    pub true_positives: usize,
    /// Positives not flagged.
    pub false_negatives: usize,
    /// Negatives flagged.
    pub false_positives: usize,
    /// Negatives not flagged.
    pub true_negatives: usize,
}

/// Listings of one level.
#[derive(Debug, Serialize)]
pub struct LevelRow {
    /// Its name.
    pub level: &'static str,
    /// Listings that offer the category.
    pub positives: usize,
    /// All others.
    pub negatives: usize,
}

/// What a report is made of.
#[derive(Debug)]
pub struct ReportInput<'a> {
    /// With the place of the case.
    pub records: &'a [(usize, Record)],
    /// By degradation, with the place among the chosen cases.
    pub stress: &'a [(Degradation, Vec<Record>)],
    /// Kinds of slices to report.
    pub slices: &'a [SliceBy],
    /// Most listings shown of the false negatives, and of the false positives.
    pub worst: usize,
}

impl Service {
    /// Of what rates.
    pub fn of(generation: &Generation) -> Self {
        let policy = generation.policy();
        let version = |model: &ModelVersion| Version {
            name: model.name.clone(),
            version: model.version.clone(),
            sha256: model.sha256.clone(),
        };
        Self {
            program: env!("CARGO_PKG_VERSION"),
            profile: generation.profile().name(),
            models: generation.models().iter().map(version).collect(),
            policy: Version {
                name: "policy".into(),
                version: generation.policy_version().version.clone(),
                sha256: generation.policy_version().sha256.clone(),
            },
            deployment_prior: policy.deployment_prior.value(),
            training_prior: policy.training_prior.value(),
            review: policy.review.value(),
            block: policy.block.value(),
            categories: policy.enabled().map(DeclaredCategory::of).collect(),
        }
    }

    /// The category as it is declared; `None`: the policy does not look for it.
    pub fn declared(&self, category: Category) -> Option<&DeclaredCategory> {
        self.categories.iter().find(|declared| declared.category == category)
    }

    fn priors(&self) -> Priors {
        Priors { training: self.training_prior, deployment: self.deployment_prior }
    }

    /// For figures with `method`, of a category whose REVIEW begins at `review`.
    pub fn setting(&self, method: &Method, review: f64) -> Setting {
        Setting { prior: self.deployment_prior, review, rounds: method.bootstrap_rounds, seed: method.seed }
    }
}

/// Counts what was rated into `data`.
pub fn count(data: &mut Data, records: &[(usize, Record)]) {
    data.rated = records.len();
    let clusters: Vec<String> = records.iter().map(|(_, record)| record.cluster()).collect();
    data.clusters = Clusters::new(clusters.iter().map(String::as_str)).count();
    for image in records.iter().flat_map(|(_, record)| &record.images) {
        *data.images.entry(image.status.clone()).or_default() += 1;
    }
}

/// Measures one category; `None`: it lacks positives or negatives, or nothing rates it.
pub fn measure(
    &DeclaredCategory { category, review, .. }: &DeclaredCategory,
    input: &ReportInput<'_>,
    service: &Service,
    method: &Method,
) -> Option<CategoryReport> {
    let records: Vec<&Record> = input.records.iter().map(|(_, record)| record).collect();
    let (priors, setting) = (service.priors(), service.setting(method, review));
    let fused = Rule::Fused.samples(records.iter().copied(), category, priors);
    let counts = Counts::of(&fused);
    let is_rated = |scores: &Scores| scores.image_probability.is_some() || scores.text_probability.is_some();
    if !counts.are_both() || !records.iter().any(|record| record.categories.get(&category).is_some_and(is_rated)) {
        return None;
    }
    let scores = [Rule::Fused, Rule::ImageOnly, Rule::TextOnly].into_iter().filter_map(|rule| {
        let samples = rule.samples(records.iter().copied(), category, priors);
        Counts::of(&samples).are_both().then(|| score_report(rule, &samples, setting))
    });
    let stress = input.stress.iter().filter_map(|(degradation, degraded)| {
        let by_id: BTreeMap<&str, &Record> = records.iter().map(|record| (record.id.as_str(), *record)).collect();
        let pair = |degraded: &'_ Record| by_id.get(degraded.id.as_str()).copied();
        let pairs: Vec<(&Record, &Record)> =
            degraded.iter().filter_map(|degraded| Some((pair(degraded)?, degraded))).collect();
        stress::compare(*degradation, &pairs, category, priors, setting)
    });
    Some(CategoryReport {
        category,
        counts,
        scores: scores.collect(),
        confusion: confusion(&fused, review),
        levels: levels(&records, category),
        fusion: fusion::compare(&records, category, priors, setting),
        slices: slices::slices(&records, category, input.slices, priors, setting),
        stress: stress.collect(),
        worst: worst::worst(input.records, category, review, input.worst),
    })
}

fn score_report(rule: Rule, samples: &[Sample], setting: Setting) -> ScoreReport {
    let evaluator = Evaluator::new(samples, setting);
    ScoreReport {
        rule,
        counts: Counts::of(samples),
        figures: figures(samples, setting),
        curve: evaluator.curve(),
        reliability: evaluator.reliability(false),
        reliability_at_prior: evaluator.reliability(true),
        samples: samples.iter().map(|sample| (sample.probability, sample.positive)).collect(),
    }
}

fn confusion(samples: &[Sample], threshold: f64) -> Confusion {
    let mut confusion = Confusion { threshold, ..Confusion::default() };
    for sample in samples {
        *match (sample.positive, sample.probability >= threshold) {
            (true, true) => &mut confusion.true_positives,
            (true, false) => &mut confusion.false_negatives,
            (false, true) => &mut confusion.false_positives,
            (false, false) => &mut confusion.true_negatives,
        } += 1;
    }
    confusion
}

fn levels(records: &[&Record], category: Category) -> Vec<LevelRow> {
    let count = |level: &str, positive: bool| {
        let of_level = records.iter().filter(|record| {
            record.labels.contains(&category) == positive
                && record.categories.get(&category).is_some_and(|scores| scores.level == level)
        });
        of_level.count()
    };
    Level::NAMES
        .iter()
        .map(|&level| LevelRow { level, positives: count(level, true), negatives: count(level, false) })
        .collect()
}
