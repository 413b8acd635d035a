//! Ratings as a table for people.

use comfy_table::{Cell, ContentArrangement, Table, presets};

use crate::domain::Category;
use crate::evaluate::bootstrap::Estimate;
use crate::evaluate::report::{CategoryReport, Report, Version};
use crate::transport::proto::{ClassifyResponse, Level, ReasonCode, Suggestion};

/// Columns of a usual terminal, for output that goes anywhere else.
const WIDTH: u16 = 100;

/// A table as wide as the terminal.
fn fitting() -> Table {
    let mut table = Table::new();
    let width = console::Term::stdout().size_checked().map_or(WIDTH, |(_, columns)| columns);
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    table
}

/// One row a listing.
pub(super) fn ratings(rated: &[(String, Result<ClassifyResponse, String>)]) -> Table {
    let mut table = fitting();
    table.set_header(["listing", "risk", "level", "suggestion", "suspected of", "why"]);
    for (name, outcome) in rated {
        match outcome {
            Ok(response) => {
                // A listing that is reviewed only because something could not be looked at is suspected of nothing.
                let of_category = response.reasons.iter().any(|reason| !reason.category.is_empty());
                let suspected = response.categories.iter().max_by(|a, b| a.probability.total_cmp(&b.probability));
                let suspected = suspected.filter(|_| of_category);
                let category = suspected.map(|rating| rating.category.clone()).unwrap_or_default();
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

/// One row a figure and one column a category, with 95 % intervals: it fits any terminal.
pub(super) fn evaluation(report: &Report) -> String {
    let mut table = fitting();
    let names = report.categories.iter().map(|measured| measured.category.name());
    table.set_header(["fused probability"].into_iter().chain(names));
    let counted = |count: fn(&CategoryReport) -> usize| report.categories.iter().map(move |c| count(c).to_string());
    table.add_row(["positive".to_owned()].into_iter().chain(counted(|c| c.counts.positives)));
    table.add_row(["negative".to_owned()].into_iter().chain(counted(|c| c.counts.negatives)));
    for (title, key) in FIGURES {
        let figure = |measured: &CategoryReport| {
            let fused = measured.scores.first();
            fused.and_then(|score| score.figures.get(key)).map_or_else(String::new, |&figure| interval(figure))
        };
        table.add_row([title.to_owned()].into_iter().chain(report.categories.iter().map(figure)));
    }
    let unmeasured = report.unmeasured.iter().map(Category::name).collect::<Vec<_>>().join(", ");
    if unmeasured.is_empty() { table.to_string() } else { format!("{table}\nunmeasured: {unmeasured}") }
}

/// What each threshold would catch and cost.
pub(super) fn thresholds(report: &Report) -> String {
    let found = &report.thresholds;
    let mut table = fitting();
    let categories = || report.service.categories.iter().map(|declared| declared.category);
    let recalls = categories().map(|category| format!("recall, {category}"));
    let columns = ["threshold".to_owned()].into_iter().chain(recalls);
    table.set_header(columns.chain(["false alarms", "precision at prior", "reviews a day"].map(str::to_owned)));
    for row in &found.rows {
        let recall =
            categories().map(|category| row.recall.get(&category).copied().map_or_else(|| "-".into(), interval));
        let name = if Some(row.threshold) == found.proposed {
            format!("{:.4} *", row.threshold)
        } else {
            format!("{:.4}", row.threshold)
        };
        let precision = row.precision.map_or_else(|| "-".into(), |precision| format!("{precision:.3}"));
        let reviews = row.reviews_a_day.map_or_else(|| "-".into(), |reviews| format!("{reviews:.0}"));
        table.add_row([name].into_iter().chain(recall).chain([interval(row.false_alarms), precision, reviews]));
    }
    let precision = found.demand.precision;
    let proposed = found.proposed.map_or_else(
        || format!("of no threshold of the table does the precision's 95 % interval lie above {precision}: there are too few listings or too many false alarms"),
        |threshold| {
            format!(
                "* proposed: {threshold}, the lowest that is sure of a precision of {precision} at the deployment prior"
            )
        },
    );
    format!("{table}\n{proposed}; {} listings a day", found.demand.listings_a_day)
}

/// What was measured: program, models and policy.
pub(super) fn versions(report: &Report) -> String {
    let service = &report.service;
    let one = |version: &Version| {
        let hash: String = version.sha256.chars().take(12).collect();
        format!("{} {} ({hash})", version.name, version.version)
    };
    let all: Vec<String> = service.models.iter().chain([&service.policy]).map(one).collect();
    format!("wildwarden {}; {}", service.program, all.join(", "))
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
        let category = if reason.category.is_empty() { String::new() } else { format!("{} ", reason.category) };
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
