//! Two sets of models on the same listings: where they agree, how far scores moved, which suggestions flipped, which is faster.

use std::collections::BTreeSet;

use serde::Serialize;
use wildwarden_core::domain::Category;
use wildwarden_core::percentile::nearest_rank;

use crate::evaluate::record::Record;

/// What B does differently from A.
#[derive(Debug, Serialize)]
pub struct Diff {
    /// Listings that both rated.
    pub listings: usize,
    /// Share of listings with the same suggestion.
    pub agreement: f64,
    /// A line a category.
    pub shifts: Vec<Shift>,
    /// Listings whose suggestion changed, the largest change of risk first.
    pub flips: Vec<Flip>,
    /// Median milliseconds that A's models ran for a listing.
    pub inference_ms_a: f64,
    /// The same of B.
    pub inference_ms_b: f64,
}

/// How far a category's fused probability moved, B less A.
#[derive(Debug, Serialize)]
pub struct Shift {
    /// Whose probability moved.
    pub category: Category,
    /// Mean of the signed change.
    pub signed_mean: f64,
    /// 99th percentile of its size.
    pub p99: f64,
    /// Its largest size.
    pub max: f64,
}

/// A listing whose suggestion changed.
#[derive(Debug, Serialize)]
pub struct Flip {
    /// The listing's id.
    pub id: String,
    /// What A suggests.
    pub from: String,
    /// What B suggests.
    pub to: String,
    /// Highest fused probability by A.
    pub risk_a: f64,
    /// By B.
    pub risk_b: f64,
}

impl Diff {
    /// Compares pairs of records of the same listing; `None` when there are none.
    pub fn of(pairs: &[(&Record, &Record)]) -> Option<Self> {
        if pairs.is_empty() {
            return None;
        }
        let mut flips: Vec<Flip> = pairs
            .iter()
            .filter(|(a, b)| a.suggestion != b.suggestion)
            .map(|(a, b)| Flip {
                id: a.id.clone(),
                from: a.suggestion.clone(),
                to: b.suggestion.clone(),
                risk_a: a.risk,
                risk_b: b.risk,
            })
            .collect();
        let change = |flip: &Flip| (flip.risk_b - flip.risk_a).abs();
        flips.sort_by(|x, y| change(y).total_cmp(&change(x)).then_with(|| x.id.cmp(&y.id)));
        let rated: BTreeSet<Category> = pairs.iter().flat_map(|(a, _)| a.categories.keys().copied()).collect();
        let spent =
            |record: &Record| (record.timings.image_inference_us + record.timings.text_inference_us) as f64 / 1e3;
        Some(Self {
            listings: pairs.len(),
            agreement: (pairs.len() - flips.len()) as f64 / pairs.len() as f64,
            shifts: rated.into_iter().filter_map(|category| shift(category, pairs)).collect(),
            flips,
            inference_ms_a: percentile(pairs.iter().map(|(a, _)| spent(a)).collect(), 50),
            inference_ms_b: percentile(pairs.iter().map(|(_, b)| spent(b)).collect(), 50),
        })
    }
}

fn shift(category: Category, pairs: &[(&Record, &Record)]) -> Option<Shift> {
    let of = |record: &Record| record.categories.get(&category).map(|scores| scores.probability);
    let changes: Vec<f64> = pairs.iter().filter_map(|(a, b)| Some(of(b)? - of(a)?)).collect();
    let signed_mean = changes.iter().sum::<f64>() / changes.len() as f64;
    let sizes: Vec<f64> = changes.iter().map(|change| change.abs()).collect();
    let max = sizes.iter().copied().max_by(f64::total_cmp)?;
    Some(Shift { category, signed_mean, p99: percentile(sizes, 99), max })
}

/// See [`nearest_rank`]; zero when there are none.
fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    nearest_rank(&mut values, percent, f64::total_cmp).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, suggestion: &str, tusk: f64, inference: u64) -> Record {
        let text = serde_json::json!({
            "key": id, "id": id, "labels": [], "source": "", "seller": "", "group": "", "slices": [],
            "categories": { "tusk": { "probability": tusk, "image_probability": null, "text_probability": null, "level": "low" } },
            "risk": tusk, "level": "low", "suggestion": suggestion, "images": [], "languages": [], "obfuscated": false,
            "reasons": [], "missing": [],
            "timings": { "queue_wait_us": 0, "decode_us": 0, "resize_us": 0, "image_inference_us": inference,
                         "text_features_us": 0, "text_inference_us": 0, "score_us": 0, "total_us": 0 }
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn agreement_shift_flips_and_times_are_those_of_the_pairs() {
        let a = [record("1", "pass", 0.1, 1000), record("2", "pass", 0.2, 3000), record("3", "block", 0.9, 1000)];
        let b = [record("1", "pass", 0.2, 2000), record("2", "review", 0.6, 2000), record("3", "pass", 0.1, 2000)];
        let pairs: Vec<_> = a.iter().zip(&b).collect();
        let found = Diff::of(&pairs).unwrap();
        assert!((found.agreement - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(found.flips.iter().map(|flip| flip.id.as_str()).collect::<Vec<_>>(), ["3", "2"]);
        let shift = &found.shifts[0];
        assert!(
            (shift.signed_mean + 0.1).abs() < 1e-12
                && (shift.max - 0.8).abs() < 1e-12
                && (shift.p99 - 0.8).abs() < 1e-12
        );
        assert!((found.inference_ms_a - 1.0).abs() < 1e-12 && (found.inference_ms_b - 2.0).abs() < 1e-12);
        assert!(Diff::of(&[]).is_none());
    }
}
