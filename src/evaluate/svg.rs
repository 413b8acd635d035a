//! Charts as inline SVG: ROC, precision over recall, reliability, histogram of scores.

use crate::evaluate::calibration::Bin;
use crate::evaluate::fusion::Rule;
use crate::evaluate::report::ScoreReport;
use crate::evaluate::statistics::HIGH_FPR;
use crate::evaluate::statistics::precision_at;

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;
const POSITIVE: &str = "#c2410c";
const NEGATIVE: &str = "#475569";
/// Bars of the histogram.
const BARS: usize = 28;
/// Log-odds at the ends of the histogram.
const HISTOGRAM_ENDS: (f64, f64) = (-9.0, 7.0);
const HISTOGRAM_TICKS: [(f64, &str); 6] =
    [(0.001, "0.1 %"), (0.01, "1 %"), (0.1, "10 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %")];

/// A place in the unit square of the axes, from the lower left.
type Place = (f64, f64);

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

fn place((x, y): Place) -> Place {
    (LEFT + x * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y * (HEIGHT - TOP - BOTTOM))
}

fn chart(title: &str, body: &str) -> String {
    format!("<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{title}'><title>{title}</title>{body}</svg>")
}

fn frame() -> String {
    let ((left, top), (right, bottom)) = (place((0.0, 1.0)), place((1.0, 0.0)));
    format!(
        "<rect x='{left}' y='{top}' width='{:.1}' height='{:.1}' fill='#fff' stroke='#cbd5e1'/>",
        right - left,
        bottom - top
    )
}

/// A frame from 0 to 1 both ways.
fn axes(x_title: &str, y_title: &str) -> String {
    let mut body = frame();
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        body += &tick_x(share, &share.to_string());
        body += &tick_y(share, &share.to_string());
    }
    body + &titles(x_title, y_title)
}

fn tick_x(at: f64, name: &str) -> String {
    let ((x, bottom), (_, top)) = (place((at, 0.0)), place((at, 1.0)));
    format!(
        "<line x1='{x:.1}' y1='{top:.1}' x2='{x:.1}' y2='{bottom:.1}' stroke='#eef2f7'/>\
         <text x='{x:.1}' y='{:.1}' text-anchor='middle'>{name}</text>",
        bottom + 14.0
    )
}

fn tick_y(at: f64, name: &str) -> String {
    let ((left, y), (right, _)) = (place((0.0, at)), place((1.0, at)));
    format!(
        "<line x1='{left:.1}' y1='{y:.1}' x2='{right:.1}' y2='{y:.1}' stroke='#eef2f7'/>\
         <text x='{:.1}' y='{:.1}' text-anchor='end'>{name}</text>",
        left - 6.0,
        y + 3.5
    )
}

fn titles(x: &str, y: &str) -> String {
    let (middle_x, middle_y) = place((0.5, 0.5));
    format!(
        "<text x='{middle_x:.1}' y='{:.1}' text-anchor='middle' class='axis'>{x}</text>\
         <text transform='translate(13 {middle_y:.1}) rotate(-90)' text-anchor='middle' class='axis'>{y}</text>",
        HEIGHT - 10.0
    )
}

fn line(points: &[Place], colour: &str, dashes: &str) -> String {
    let points: Vec<String> = points
        .iter()
        .map(|&point| {
            let (x, y) = place(point);
            format!("{x:.1},{y:.1}")
        })
        .collect();
    let points = points.join(" ");
    format!(
        "<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='1.8' stroke-dasharray='{dashes}'/>"
    )
}
