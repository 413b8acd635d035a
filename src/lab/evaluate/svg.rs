//! Charts as inline SVG: ROC, precision over recall, reliability, histogram of scores.

use crate::evaluate::calibration::Bin;
use crate::evaluate::fusion::Rule;
use crate::evaluate::looks::Curve;
use crate::evaluate::report::ScoreReport;
use crate::evaluate::statistics::HIGH_FPR;
use crate::evaluate::statistics::precision_at;
use crate::page::svg::BOTTOM;
use crate::page::svg::HEIGHT;
use crate::page::svg::LEFT;
use crate::page::svg::Place;
use crate::page::svg::RIGHT;
use crate::page::svg::WIDTH;
use crate::page::svg::axes;
use crate::page::svg::chart;
use crate::page::svg::frame;
use crate::page::svg::line;
use crate::page::svg::place;
use crate::page::svg::tick_x;
use crate::page::svg::tick_y;
use crate::page::svg::titles;

const POSITIVE: &str = "#c2410c";
const NEGATIVE: &str = "#475569";
/// Bars of the histogram.
const BARS: usize = 28;
/// Log-odds at the ends of the histogram.
const HISTOGRAM_ENDS: (f64, f64) = (-9.0, 7.0);
const HISTOGRAM_TICKS: [(f64, &str); 6] =
    [(0.001, "0.1 %"), (0.01, "1 %"), (0.1, "10 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %")];

/// The colour of a score's curve.
pub fn colour(rule: Rule) -> &'static str {
    match rule {
        Rule::Fused => "#1d4ed8",
        Rule::ImageOnly => "#d97706",
        Rule::TextOnly => "#15803d",
        Rule::Max => "#7c3aed",
        Rule::NoisyOr => "#be185d",
    }
}

/// True positives over false positives.
pub fn roc(scores: &[ScoreReport]) -> String {
    let mut body = axes("false-positive rate", "recall (true-positive rate)");
    body += &line(&[(0.0, 0.0), (1.0, 1.0)], "#cbd5e1", "4 3");
    body += &line(&[(HIGH_FPR, 0.0), (HIGH_FPR, 1.0)], "#94a3b8", "2 3");
    for score in scores.iter().rev() {
        let points = score.curve.iter().map(|point| (point.false_positive_rate, point.recall));
        body += &line(&std::iter::once((0.0, 0.0)).chain(points).collect::<Vec<_>>(), colour(score.rule), "");
    }
    chart("ROC curve; the dotted line is at 5 % false positives", &body)
}

/// Precision over recall: as in the data, and for the first score at the deployment prior, dashed.
pub fn precision_recall(scores: &[ScoreReport], prior: f64) -> String {
    let mut body = axes("recall", "precision");
    for score in scores.iter().rev() {
        let points: Vec<Place> = score.curve.iter().map(|point| (point.recall, point.precision)).collect();
        body += &line(&points, colour(score.rule), "");
    }
    if let Some(first) = scores.first() {
        let at_prior = |recall, false_positive_rate| precision_at(recall, false_positive_rate, prior);
        let flagged = first.curve.iter().filter(|point| point.recall > 0.0);
        let points = flagged.map(|point| (point.recall, at_prior(point.recall, point.false_positive_rate)));
        body += &line(&points.collect::<Vec<_>>(), colour(first.rule), "5 3");
    }
    chart("Precision over recall; dashed: at the deployment prior", &body)
}

/// What is found over what is looked at again.
pub fn recall_over_cost(curve: &Curve) -> String {
    let mut body = axes("share of harmless listings looked at again", "found of what all looks find");
    let points: Vec<Place> = curve.points.iter().map(|point| (point.cost, point.recall)).collect();
    body += &line(&points, POSITIVE, "");
    chart("Recall over the cost of looking again", &body)
}

/// Observed over stated probability.
pub fn reliability(scores: &[ScoreReport]) -> String {
    let mut body = axes("stated probability", "observed share of positives");
    body += &line(&[(0.0, 0.0), (1.0, 1.0)], "#cbd5e1", "4 3");
    for score in scores.iter().rev() {
        let points: Vec<Place> = score.reliability.iter().map(|bin: &Bin| (bin.probability, bin.observed)).collect();
        body += &line(&points, colour(score.rule), "");
        for point in points {
            let (x, y) = place(point);
            body += &format!("<circle cx='{x:.1}' cy='{y:.1}' r='2.6' fill='{}'/>", colour(score.rule));
        }
    }
    chart("Reliability: observed over stated probability, positives as frequent as in the data", &body)
}

/// Shares of the positives and of the negatives by fused probability, on a scale of log-odds.
pub fn histogram(score: &ScoreReport, review: f64, block: f64) -> String {
    let at = |probability: f64| {
        let (low, high) = HISTOGRAM_ENDS;
        ((probability / (1.0 - probability)).ln().clamp(low, high) - low) / (high - low)
    };
    let shares = |positive: bool| {
        let mut bars = [0.0_f64; BARS];
        let of_class: Vec<f64> = score
            .samples
            .iter()
            .filter(|(_, truth)| *truth == positive)
            .map(|(probability, _)| at(*probability))
            .collect();
        for place in &of_class {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in [0, BARS]")]
            let bar = ((place * BARS as f64) as usize).min(BARS - 1);
            if let Some(bar) = bars.get_mut(bar) {
                *bar += 1.0 / of_class.len() as f64;
            }
        }
        bars
    };
    let (positives, negatives) = (shares(true), shares(false));
    let highest = positives.iter().chain(&negatives).copied().fold(0.0, f64::max);
    let mut body = frame();
    for share in [0.0, 0.5, 1.0] {
        body += &tick_y(share, &format!("{:.0} %", 100.0 * share * highest));
    }
    for (probability, name) in HISTOGRAM_TICKS {
        body += &tick_x(at(probability), name);
    }
    body += &titles("fused probability at the deployment prior", "share of the class");
    for (bars, colour) in [(negatives, NEGATIVE), (positives, POSITIVE)] {
        for (bar, share) in bars.into_iter().enumerate().filter(|(_, share)| *share > 0.0) {
            let (x, y) = place((bar as f64 / BARS as f64, share / highest));
            let width = (WIDTH - LEFT - RIGHT) / BARS as f64 - 1.0;
            let height = HEIGHT - BOTTOM - y;
            body += &format!(
                "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' fill='{colour}' fill-opacity='0.5'/>"
            );
        }
    }
    for (threshold, name) in [(review, "REVIEW"), (block, "BLOCK")] {
        body += &line(&[(at(threshold), 0.0), (at(threshold), 1.0)], "#0f172a", "3 3");
        let (x, y) = place((at(threshold), 1.0));
        body += &format!("<text x='{:.1}' y='{:.1}' class='mark'>{name}</text>", x + 3.0, y + 9.0);
    }
    chart("Scores of positives (orange) and negatives (grey), with the thresholds of the policy", &body)
}
