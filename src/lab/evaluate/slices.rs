//! The same figures on parts of the listings: where does the service fail?

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Serialize;
use wildwarden_core::domain::Category;

use crate::evaluate::bootstrap::Estimate;
use crate::evaluate::fusion::Priors;
use crate::evaluate::fusion::Rule;
use crate::evaluate::measures::Counts;
use crate::evaluate::measures::Evaluator;
use crate::evaluate::measures::Setting;
use crate::evaluate::operation::share;
use crate::evaluate::quality::BLURRED_BELOW;
use crate::evaluate::quality::DARK_BELOW;
use crate::evaluate::quality::SMALL_BELOW;
use crate::evaluate::record::ImageRecord;
use crate::evaluate::record::Record;
use crate::evaluate::statistics::HIGH_FPR;
use crate::evaluate::statistics::Ranking;

/// What listings are sliced by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum SliceBy {
    /// Where the data comes from.
    Source,
    /// Sellers with a positive or with ten listings.
    Seller,
    /// Dark, blurred and small pictures: every readable picture of the listing is.
    Quality,
    /// Chinese, English, mixed, other.
    Language,
    /// Images only, texts only, both.
    Modality,
    /// A lexicon term in disguise.
    Obfuscation,
    /// Names given in the input: `slices` and `subclass`.
    Given,
}

/// Listings of a seller that make a slice without a positive.
const SELLER_LISTINGS: usize = 10;
/// Slices of one kind that are reported; those with most positives, then listings, come first.
const MOST_SLICES: usize = 40;

/// One slice.
#[derive(Debug, Serialize)]
pub struct Slice {
    /// What it is a slice by.
    pub by: SliceBy,
    /// What its listings have in common.
    pub name: String,
    /// Listings in it.
    pub counts: Counts,
    /// Within the slice; null when it lacks a class.
    pub roc_auc: Estimate,
    /// Share of its positives at or above the threshold that flags 5 % of all negatives.
    pub recall_at_fpr: Estimate,
    /// Share of its negatives at or above the same threshold.
    pub false_positive_rate_at_fpr: Estimate,
    /// Share of its positives at or above the REVIEW threshold.
    pub recall_at_review: Estimate,
    /// Share of its negatives at or above the REVIEW threshold.
    pub false_positive_rate_at_review: Estimate,
}

/// The slices of `records` for `category`.
pub fn slices(
    records: &[&Record],
    category: Category,
    wanted: &[SliceBy],
    priors: Priors,
    setting: Setting,
) -> Vec<Slice> {
    let all = Rule::Fused.samples(records.iter().copied(), category, priors);
    let threshold = Evaluator::new(&all, setting).threshold_at_fpr(HIGH_FPR);
    let mut sliced: BTreeMap<(SliceBy, String), Vec<&Record>> = BTreeMap::new();
    for record in records {
        for key in keys(record).into_iter().filter(|(by, _)| wanted.contains(by)) {
            sliced.entry(key).or_default().push(record);
        }
    }
    let mut slices = Vec::new();
    for by in wanted.iter().copied().collect::<BTreeSet<_>>() {
        let mut of_kind: Vec<(&str, &Vec<&Record>, usize)> = sliced
            .iter()
            .filter(|((kind, _), _)| *kind == by)
            .map(|((_, name), records)| {
                let positives = records.iter().filter(|record| record.labels.contains(&category)).count();
                (name.as_str(), records, positives)
            })
            .filter(|(_, records, positives)| {
                by != SliceBy::Seller || *positives > 0 || records.len() >= SELLER_LISTINGS
            })
            .collect();
        of_kind.sort_by(|a, b| (b.2, b.1.len(), a.0).cmp(&(a.2, a.1.len(), b.0)));
        of_kind.truncate(MOST_SLICES);
        slices.extend(
            of_kind
                .into_iter()
                .map(|(name, records, _)| measure(by, name, records, category, (priors, setting, threshold))),
        );
    }
    slices
}

fn measure(
    by: SliceBy,
    name: &str,
    records: &[&Record],
    category: Category,
    (priors, setting, threshold): (Priors, Setting, f64),
) -> Slice {
    let samples = Rule::Fused.samples(records.iter().copied(), category, priors);
    let ranking = Ranking::new(samples.iter().map(|sample| (sample.probability, sample.positive)));
    let roc_auc = crate::evaluate::measures::clusters(&samples)
        .estimates(setting.rounds, setting.seed, |weights| vec![ranking.figures(weights, setting.prior).roc_auc]);
    let (positives, negatives): (Vec<&Record>, Vec<&Record>) =
        records.iter().copied().partition(|record| record.labels.contains(&category));
    let from = |records: &[&Record], threshold: f64| {
        share(records, setting, |record| {
            record.categories.get(&category).is_some_and(|scores| scores.probability >= threshold)
        })
    };
    Slice {
        by,
        name: name.to_owned(),
        counts: Counts::of(&samples),
        roc_auc: roc_auc.first().copied().unwrap_or_default(),
        recall_at_fpr: from(&positives, threshold),
        false_positive_rate_at_fpr: from(&negatives, threshold),
        recall_at_review: from(&positives, setting.review),
        false_positive_rate_at_review: from(&negatives, setting.review),
    }
}

/// Every slice a record is in.
fn keys(record: &Record) -> Vec<(SliceBy, String)> {
    let mut keys: Vec<(SliceBy, String)> = Vec::new();
    let named = |by, name: &str| (!name.is_empty()).then(|| (by, name.to_owned()));
    keys.extend(named(SliceBy::Source, &record.source));
    keys.extend(named(SliceBy::Seller, &record.seller));
    keys.extend(record.slices.iter().filter_map(|name| named(SliceBy::Given, name)));
    let languages: BTreeSet<&String> = record.languages.iter().collect();
    keys.extend(languages.into_iter().map(|language| (SliceBy::Language, language.clone())));
    let modality = match (record.images.is_empty(), record.languages.is_empty()) {
        (false, false) => "images and text",
        (false, true) => "images only",
        (true, _) => "text only",
    };
    keys.push((SliceBy::Modality, modality.to_owned()));
    if !record.languages.is_empty() {
        let name = if record.obfuscated { "term in disguise" } else { "no term in disguise" };
        keys.push((SliceBy::Obfuscation, name.to_owned()));
    }
    let readable: Vec<&ImageRecord> = record.images.iter().filter(|image| image.quality.is_some()).collect();
    let all = |test: &dyn Fn(&ImageRecord) -> bool| !readable.is_empty() && readable.iter().all(|image| test(image));
    for (name, holds) in [
        ("dark", all(&|image| image.quality.is_some_and(|quality| quality.luma < DARK_BELOW))),
        ("blurred", all(&|image| image.quality.is_some_and(|quality| quality.sharpness < BLURRED_BELOW))),
        ("small", all(&|image| image.width.min(image.height) < SMALL_BELOW)),
    ] {
        if holds {
            keys.push((SliceBy::Quality, name.to_owned()));
        }
    }
    keys
}
