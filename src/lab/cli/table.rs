//! Reports as tables for people.

use wildwarden_core::domain::Category;
use wildwarden_core::model::folder::manifest::short_hash;
use wildwarden_server::cli::table::fitting;

use crate::evaluate::bootstrap::Estimate;
use crate::evaluate::report::{CategoryReport, Report, Version};

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
    let one = |version: &Version| format!("{} {} ({})", version.name, version.version, short_hash(&version.sha256, 12));
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
