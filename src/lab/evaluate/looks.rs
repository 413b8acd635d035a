//! What looks after the first cost and gave: who took them, what they moved, how well each ranks, and what a narrower band would lose.

use std::collections::BTreeMap;

use serde::Serialize;
use wildwarden_core::domain::{Category, Modality};

use crate::evaluate::record::Record;
use crate::evaluate::statistics::Ranking;

/// Share of the negatives that the threshold of a curve flags.
pub const FALSE_ALARMS: f64 = 0.01;
/// Points of a curve.
const POINTS: usize = 60;
/// A probability that moved by less has not moved.
const MOVED: f64 = 0.01;

/// All looks of a run.
#[derive(Debug, Serialize)]
pub struct LooksReport {
    /// fast, balanced or thorough.
    pub profile: &'static str,
    /// Mean milliseconds in models a listing: in the first look.
    pub first_ms: f64,
    /// The same in all later ones.
    pub later_ms: f64,
    /// One entry a modality and look that was taken.
    pub looks: Vec<LookRow>,
    /// What a band that begins higher would cost and find; only where everything took every look.
    pub curves: Vec<Curve>,
}

/// One look at photos or texts.
#[derive(Debug, Serialize)]
pub struct LookRow {
    /// images or texts.
    pub modality: String,
    /// 1 is the first.
    pub look: usize,
    /// Photos or texts that took it.
    pub taken: usize,
    /// Of those that took the first.
    pub share: f64,
    /// Those whose probability it raised, by category.
    pub raised: BTreeMap<Category, usize>,
    /// Those whose probability it lowered.
    pub lowered: BTreeMap<Category, usize>,
    /// ROC-AUC of this modality after it, over listings that have the modality; null where undefined.
    pub roc_auc: BTreeMap<Category, Option<f64>>,
}

/// Recall over cost, for bands that begin at each probability and have no upper end.
#[derive(Debug, Serialize)]
pub struct Curve {
    /// images or texts.
    pub modality: String,
    /// Of which category.
    pub category: Category,
    /// From nothing to everything.
    pub points: Vec<CostPoint>,
}

/// What a band costs and finds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CostPoint {
    /// Probability after the first look from which a listing goes on.
    pub from: f64,
    /// Share of the negatives that go on.
    pub cost: f64,
    /// Share found of the positives that all looks find at 1 % false alarms.
    pub recall: f64,
}

/// A listing in one modality: its highest probability of a category after each look, and whether it offers it.
struct Seen {
    by_look: Vec<f64>,
    positive: bool,
}

/// What the looks of `records` cost and gave; `None`: nothing took more than one.
pub fn report(records: &[&Record], profile: &'static str, categories: &[Category]) -> Option<LooksReport> {
    let modalities = [Modality::Images, Modality::Texts];
    let looks: Vec<LookRow> = modalities.iter().flat_map(|&modality| rows(records, modality, categories)).collect();
    if looks.iter().all(|row| row.look < 2) {
        return None;
    }
    let curves = modalities.iter().flat_map(|&modality| {
        let of_category =
            move |&category: &Category| curve(&seen(records, modality, category)).map(|points| (category, points));
        categories
            .iter()
            .filter_map(of_category)
            .map(move |(category, points)| Curve { modality: modality.to_string(), category, points })
            .collect::<Vec<_>>()
    });
    let later: f64 = records.iter().map(|record| record.timings.later_looks_us as f64).sum();
    let all = records.iter().map(|record| record.timings.image_inference_us + record.timings.text_inference_us);
    let all: f64 = all.map(|us| us as f64).sum();
    let listings = records.len().max(1) as f64;
    Some(LooksReport {
        profile,
        first_ms: (all - later) / 1000.0 / listings,
        later_ms: later / 1000.0 / listings,
        looks,
        curves: if profile == "thorough" { curves.collect() } else { Vec::new() },
    })
}

/// Probabilities after each look of a listing's photos or texts, by category.
fn parts(record: &Record, modality: Modality) -> Vec<&BTreeMap<Category, Vec<f64>>> {
    match modality {
        Modality::Images => record.images.iter().map(|image| &image.by_look).collect(),
        Modality::Texts => record.texts.iter().map(|text| &text.by_look).collect(),
    }
}

fn depth(part: &BTreeMap<Category, Vec<f64>>) -> usize {
    part.values().map(Vec::len).max().unwrap_or_default()
}

fn rows(records: &[&Record], modality: Modality, categories: &[Category]) -> Vec<LookRow> {
    let all: Vec<&BTreeMap<Category, Vec<f64>>> = records.iter().flat_map(|record| parts(record, modality)).collect();
    let deepest = all.iter().map(|part| depth(part)).max().unwrap_or_default();
    let first = all.iter().filter(|part| depth(part) > 0).count().max(1) as f64;
    let row = |look: usize| {
        let taken = all.iter().filter(|part| depth(part) >= look).count();
        let moved = |sign: f64| {
            let is_moved = |category: &Category| {
                let change = |part: &&&BTreeMap<Category, Vec<f64>>| {
                    let by_look = part.get(category)?;
                    Some(by_look.get(look - 1)? - by_look.get(look.checked_sub(2)?)?)
                };
                all.iter().filter_map(|part| change(&part)).filter(|change| change * sign > MOVED).count()
            };
            categories.iter().map(|category| (*category, is_moved(category))).collect()
        };
        let auc = |category: &Category| {
            let after =
                |listing: &Seen| Some((*listing.by_look.get(look - 1).or(listing.by_look.last())?, listing.positive));
            let samples: Vec<(f64, bool)> = seen(records, modality, *category).iter().filter_map(after).collect();
            let auc = Ranking::new(samples.iter().copied()).figures(&vec![1.0; samples.len()], 0.5).roc_auc;
            (*category, auc.is_finite().then_some(auc))
        };
        LookRow {
            modality: modality.to_string(),
            look,
            taken,
            share: taken as f64 / first,
            raised: moved(1.0),
            lowered: moved(-1.0),
            roc_auc: categories.iter().map(auc).collect(),
        }
    };
    (1..=deepest).map(row).collect()
}

fn seen(records: &[&Record], modality: Modality, category: Category) -> Vec<Seen> {
    let of_listing = |record: &&Record| {
        let parts: Vec<&Vec<f64>> =
            parts(record, modality).into_iter().filter_map(|part| part.get(&category)).collect();
        let looks = parts.iter().map(|by_look| by_look.len()).max()?;
        // A part that took fewer looks counts with its last.
        let after = |look: usize| {
            let each = parts.iter().filter_map(|by_look| by_look.get(look).or(by_look.last()));
            each.copied().fold(0.0, f64::max)
        };
        Some(Seen { by_look: (0..looks).map(after).collect(), positive: record.labels.contains(&category) })
    };
    records.iter().filter_map(of_listing).filter(|listing| !listing.by_look.is_empty()).collect()
}

/// `None`: without positives, negatives or a second look there is none.
fn curve(listings: &[Seen]) -> Option<Vec<CostPoint>> {
    let ends: Vec<(f64, f64, bool)> = listings
        .iter()
        .filter_map(|listing| Some((*listing.by_look.first()?, *listing.by_look.last()?, listing.positive)))
        .collect();
    let negatives = ends.iter().filter(|(.., positive)| !positive).count();
    let threshold =
        Ranking::new(ends.iter().map(|&(_, last, positive)| (last, positive))).threshold_at_fpr(FALSE_ALARMS);
    let found = ends.iter().filter(|(_, last, positive)| *positive && *last >= threshold).count();
    if negatives == 0 || found == 0 || listings.iter().all(|listing| listing.by_look.len() < 2) {
        return None;
    }
    let mut edges: Vec<f64> = ends.iter().map(|(first, ..)| *first).collect();
    edges.sort_by(|a, b| b.total_cmp(a));
    edges.dedup();
    let step = edges.len().div_ceil(POINTS).max(1);
    let chosen = edges.iter().step_by(step).chain(edges.last());
    let point = |&from: &f64| {
        let finds = |&&(first, last, positive): &&(f64, f64, bool)| {
            positive && last >= threshold && (if first >= from { last } else { first }) >= threshold
        };
        let goes_on = |&&(first, _, positive): &&(f64, f64, bool)| !positive && first >= from;
        CostPoint {
            from,
            cost: ends.iter().filter(goes_on).count() as f64 / negatives as f64,
            recall: ends.iter().filter(finds).count() as f64 / found as f64,
        }
    };
    Some(chosen.map(point).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cups() -> Category {
        Category::new("cups").unwrap()
    }

    fn record(offers: bool, by_look: &[f64]) -> Record {
        let labels: &[&str] = if offers { &["cups"] } else { &[] };
        serde_json::from_value(serde_json::json!({
            "key": "", "id": "", "labels": labels, "source": "", "seller": "", "group": "", "slices": [],
            "categories": {}, "risk": 0.0, "level": "low", "suggestion": "pass",
            "images": [{ "status": "ok", "width": 1, "height": 1, "probabilities": {}, "by_look": { "cups": by_look }, "quality": null }],
            "languages": [], "obfuscated": false, "reasons": [], "missing": [],
            "timings": { "queue_wait_us": 0, "decode_us": 0, "resize_us": 0, "image_inference_us": 3000, "text_features_us": 0,
                         "text_inference_us": 0, "later_looks_us": 1000, "score_us": 0, "total_us": 0 },
        }))
        .unwrap()
    }

    #[test]
    fn a_run_with_one_look_has_no_report() {
        let records = [record(true, &[0.9]), record(false, &[0.1])];
        assert!(report(&records.iter().collect::<Vec<_>>(), "fast", &[cups()]).is_none());
    }

    #[test]
    fn who_took_a_look_what_it_moved_and_how_well_it_ranks_are_told() {
        let records =
            [record(true, &[0.3, 0.9]), record(false, &[0.4, 0.1]), record(false, &[0.05]), record(true, &[0.6, 0.6])];
        let found = report(&records.iter().collect::<Vec<_>>(), "balanced", &[cups()]).unwrap();
        let [first, second] = &found.looks[..] else { panic!("{found:?}") };
        assert_eq!((first.taken, second.taken), (4, 3));
        assert!((second.share - 0.75).abs() < 1e-12);
        assert_eq!((second.raised[&cups()], second.lowered[&cups()], first.raised[&cups()]), (1, 1, 0));
        assert_eq!((first.roc_auc[&cups()], second.roc_auc[&cups()]), (Some(0.75), Some(1.0)));
        assert!((found.first_ms - 2.0).abs() < 1e-12 && (found.later_ms - 1.0).abs() < 1e-12);
        assert!(found.curves.is_empty(), "what was not looked at again says nothing of narrower bands");
    }

    #[test]
    fn a_curve_goes_from_what_the_first_look_finds_to_what_all_find() {
        // The first look ranks one offer low; a hundred negatives lie between.
        let negatives = (0..100).map(|i| record(false, &[0.2 + f64::from(i) * 0.001, 0.01]));
        let records: Vec<Record> =
            [record(true, &[0.9, 0.99]), record(true, &[0.1, 0.99])].into_iter().chain(negatives).collect();
        let found = report(&records.iter().collect::<Vec<_>>(), "thorough", &[cups()]).unwrap();
        let points = &found.curves[0].points;
        let (first, last) = (points.first().unwrap(), points.last().unwrap());
        assert!(first.cost.abs() < 1e-12 && (first.recall - 1.0).abs() < 1e-12 || first.recall < 1.0, "{first:?}");
        assert!((last.cost - 1.0).abs() < 1e-12 && (last.recall - 1.0).abs() < 1e-12, "{last:?}");
        assert!(points.is_sorted_by(|a, b| a.cost <= b.cost && a.from >= b.from), "{points:?}");
    }
}
