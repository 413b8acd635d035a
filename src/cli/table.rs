//! Ratings as a table for people.

use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table, presets};

use crate::domain::Category as Kind;
use crate::evaluate::bootstrap::Estimate;
use crate::evaluate::report::Report;
use crate::transport::proto::{Category, ClassifyResponse, Level, ReasonCode, Suggestion};

/// Columns of a usual terminal, since the output may go anywhere.
const WIDTH: u16 = 120;

/// One row a listing.
pub(super) fn ratings(rated: &[(String, Result<ClassifyResponse, String>)]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    table.set_header(["listing", "risk", "level", "suggestion", "suspected of", "why"]);
    for (name, outcome) in rated {
        match outcome {
            Ok(response) => {
                let suspected = response.categories.iter().max_by(|a, b| a.probability.total_cmp(&b.probability));
                let category =
                    suspected.map(|rating| short(rating.category().as_str_name(), "CATEGORY_")).unwrap_or_default();
                let passes = response.suggestion() == Suggestion::Pass;
                table.add_row([
                    Cell::new(name),
                    Cell::new(format!("{:.4}", response.risk)),
                    Cell::new(short(response.level().as_str_name(), "LEVEL_")),
                    Cell::new(short(response.suggestion().as_str_name(), "SUGGESTION_")),
                    Cell::new(if passes { String::new() } else { category }),
                    Cell::new(why(response)),
                ]);
            }
            Err(problem) => {
                table.add_row([
                    Cell::new(name),
                    Cell::new("-"),
                    Cell::new("-"),
                    Cell::new("ERROR"),
                    Cell::new(""),
                    Cell::new(problem),
                ]);
            }
        }
    }
    table
}

/// Columns of [`evaluation`]: keys of the fused probability's figures.
const FIGURES: [(&str, &str); 6] = [
    ("ROC-AUC", "roc_auc"),
    ("average precision", "average_precision"),
    ("recall at 1 % FP", "recall_at_fpr_0.01"),
    ("recall at 5 % FP", "recall_at_fpr_0.05"),
    ("recall at precision 0.9", "recall_at_precision_0.9"),
    ("ECE at prior", "ece_at_prior"),
];

/// One row a category, with 95 % intervals.
pub(super) fn evaluation(report: &Report) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH);
    table.set_header(["category", "positive", "negative"].into_iter().chain(FIGURES.map(|(title, _)| title)));
    for measured in &report.categories {
        let fused = measured.scores.first();
        let figure = |(_, key): (&str, &str)| {
            fused.and_then(|score| score.figures.get(key)).map_or_else(String::new, |&figure| interval(figure))
        };
        let counts = [measured.counts.positives.to_string(), measured.counts.negatives.to_string()];
        table.add_row([measured.category.name().to_owned()].into_iter().chain(counts).chain(FIGURES.map(figure)));
    }
    for category in report.unmeasured.iter().copied().map(Kind::name) {
        table.add_row([category, "unmeasured"]);
    }
    if let Some(names) = table.column_mut(0) {
        names.set_constraint(ColumnConstraint::ContentWidth);
    }
    table
}

fn interval(estimate: Estimate) -> String {
    match (estimate.value, estimate.low, estimate.high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.3}\n{low:.3} to {high:.3}"),
        (Some(value), _, _) => format!("{value:.3}"),
        (None, _, _) => "-".to_owned(),
    }
}

fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

fn why(response: &ClassifyResponse) -> String {
    let one = |reason: &crate::transport::proto::Reason| {
        let category = match reason.category() {
            Category::Unspecified => String::new(),
            category @ (Category::Ivory | Category::PangolinScale | Category::RhinoHorn) => {
                format!("{} ", short(category.as_str_name(), "CATEGORY_"))
            }
        };
        let mut arguments: Vec<String> =
            reason.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        arguments.sort();
        format!("{category}{} ({})", short(reason.code().as_str_name(), "REASON_CODE_"), arguments.join(", "))
    };
    response.reasons.iter().take(4).map(one).collect::<Vec<_>>().join("\n")
}

/// Whether nothing worse than LOW was found; used for the exit summary.
pub(super) fn is_calm(response: &ClassifyResponse) -> bool {
    response.level() <= Level::Low && !response.reasons.iter().any(|r| r.code() == ReasonCode::ImageUnreadable)
}
