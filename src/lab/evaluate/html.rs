//! `report.html`: the report as one page that needs nothing else: no script, no font, no file beside it.

mod category;
mod figures;
mod looks;

use std::collections::HashMap;

use maud::Markup;
use maud::Render;
use maud::html;
use wildwarden_core::domain::{Category, Level, Suggestion};

use crate::evaluate::case::Case;
use crate::evaluate::report::Report;
use crate::page::document;
use crate::page::table::Table;

/// What the page shows besides figures.
#[derive(Debug)]
pub struct Shown<'a> {
    /// All cases, as rated.
    pub cases: &'a [Case],
    /// Thumbnails as links that hold them, by place of the case and of its image.
    pub pictures: HashMap<(usize, usize), String>,
}

/// Failures that are listed.
const FAILURES: usize = 200;

/// Whole HTML, no file beside it.
pub fn page(report: &Report, shown: &Shown<'_>) -> Markup {
    let body = html! {
        (header(report))
        (operation(report))
        (thresholds(report))
        @if let Some(found) = &report.looks { (looks::section(report, found)) }
        @for measured in &report.categories { (category::section(measured, report, shown)) }
        (failures(report))
        (definitions(report))
    };
    document("en", &format!("Wildwarden evaluation: {}", report.data.input), &body)
}

/// A category for people.
fn title(report: &Report, category: Category) -> String {
    let declared = report.service.declared(category);
    declared.map_or(category.name(), |declared| &declared.title).to_owned()
}

/// Titles of all categories behind `prefix`, in the order of answers, inside a sentence.
fn titles(report: &Report, prefix: &str) -> Vec<String> {
    let declared = report.service.categories.iter();
    declared.map(|declared| format!("{prefix}{}", title(report, declared.category).to_lowercase())).collect()
}

/// A share of 1 as a percentage.
fn percent(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn header(report: &Report) -> Markup {
    let service = &report.service;
    let mut models = Table::new(["in service", "version", "sha256"]).left(3);
    for model in service.models.iter().chain([&service.policy]) {
        models.row([model.name.render(), model.version.render(), html! { code { (model.sha256) } }]);
    }
    let unmeasured: Vec<String> = report.unmeasured.iter().map(|&category| title(report, category)).collect();
    html! {
        h1 { "Wildwarden evaluation" }
        p.soft {
            "What the served models and policy say of labelled listings. A rating is a lead for a person, never a proof."
        }
        nav {
            @for measured in &report.categories {
                a href={ "#" (measured.category.name()) } { (title(report, measured.category)) }
            }
            a href="#read" { "How to read this" }
        }
        @if !unmeasured.is_empty() {
            .card.warn {
                b { "Unmeasured: " (unmeasured.join(", ")) "." }
                " The data lacks positives or negatives of it, or no model rates it, so nothing here says how well it is found."
            }
        }
        .card { dl { (facts(report)) } }
        .card { (models) }
    }
}

/// What was rated, and by what, as terms and what they are.
fn facts(report: &Report) -> Markup {
    let (data, service, method) = (&report.data, &report.service, &report.method);
    let positives: Vec<String> = report
        .categories
        .iter()
        .map(|measured| format!("{} {}", measured.counts.positives, title(report, measured.category).to_lowercase()))
        .collect();
    let images: Vec<String> = data.images.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let unused_fields = data.unused_fields.join(", ");
    html! {
        dt { "data" }
        dd { code { (data.input) } }
        dt { "listings" }
        dd {
            (data.listings) " in the input, " (data.taken) " taken, " (data.rated) " rated, "
            (report.failures.len()) " failed; " (data.clusters) " sellers, groups or single listings"
        }
        dt { "positives" }
        dd { @if positives.is_empty() { "none that can be measured" } @else { (positives.join(", ")) } }
        dt { "images" }
        dd { @if images.is_empty() { "none" } @else { (images.join(", ")) } }
        @if !unused_fields.is_empty() {
            dt { "fields not used" }
            dd { (unused_fields) }
        }
        dt { "policy" }
        dd {
            "version " (service.policy.version) ", deployment prior " (percent(service.deployment_prior))
            ", REVIEW from " (percent(service.review)) ", BLOCK from " (percent(service.block))
        }
        dt { "intervals" }
        dd { "95 %, " (method.bootstrap_rounds) " resamplings, seed " (method.seed) }
        dt { "program" }
        dd { "wildwarden " (service.program) }
    }
}

fn operation(report: &Report) -> Markup {
    let mut suggestions =
        Table::new(["true label", "listings"].into_iter().chain(Suggestion::NAMES).chain(["REVIEW or BLOCK", "BLOCK"]));
    let mut levels = Table::new(["true label"].into_iter().chain(Level::NAMES));
    let columns = titles(report, "reaches REVIEW as ");
    let mut confusion = Table::new(["true label"].into_iter().chain(columns.iter().map(String::as_str)));
    let count = |counts: &std::collections::BTreeMap<&'static str, usize>, name: &str| {
        counts.get(name).copied().unwrap_or_default().render()
    };
    for row in &report.operation {
        let counts = Suggestion::NAMES.iter().map(|name| count(&row.suggestions, name));
        let shares = [row.flagged_share, row.blocked_share].map(figures::share);
        let label = row.label.replace('_', " ").render();
        suggestions.row([label.clone(), row.listings.render()].into_iter().chain(counts).chain(shares));
        levels.row([label.clone()].into_iter().chain(Level::NAMES.iter().map(|name| count(&row.levels, name))));
        let flagged = report
            .service
            .categories
            .iter()
            .map(|declared| row.flagged_as.get(&declared.category).copied().unwrap_or_default().render());
        confusion.row([label].into_iter().chain(flagged));
    }
    html! {
        section {
            h2 { "What moderators would see" }
            p.soft {
                "Suggestions of the whole rating: fused scores, lexicon and unreadable images together. “Negative” offers \
                 nothing that is looked for."
            }
            (suggestions)
            .two {
                div { h3 { "Confusion of categories" } (confusion) }
                div { h3 { "Levels of listings" } (levels) }
            }
        }
    }
}

fn thresholds(report: &Report) -> Markup {
    let found = &report.thresholds;
    let columns = titles(report, "recall, ");
    let names = ["threshold"].into_iter().chain(columns.iter().map(String::as_str));
    let mut table = Table::new(names.chain(["false alarms", "precision at the prior", "reviews a day"]));
    for row in &found.rows {
        let is_proposed = Some(row.threshold) == found.proposed;
        let name = format!("{}{}", percent(row.threshold), if is_proposed { " (proposed)" } else { "" });
        let declared = report.service.categories.iter();
        let recall = declared.map(|declared| row.recall.get(&declared.category).copied().unwrap_or_default());
        let cells = recall.chain([row.false_alarms]).map(figures::share);
        let precision = row.precision.map_or_else(|| "–".into(), |precision| format!("{:.1} %", 100.0 * precision));
        let reviews = row.reviews_a_day.map_or_else(|| "–".into(), |reviews| format!("{reviews:.0}"));
        table.row([name.render()].into_iter().chain(cells).chain([precision.render(), reviews.render()]));
    }
    html! {
        section {
            h2 { "Thresholds" }
            p.soft {
                "What a threshold of the fused probability would catch and cost at " (found.demand.listings_a_day)
                " listings a day, each category as frequent as the deployment prior says. Proposed is the lowest one that is \
                 sure of a precision of "
                (percent(found.demand.precision))
                ", at the upper end of the false alarms’ interval. Rules of the lexicon come on top."
            }
            (table)
        }
    }
}

fn failures(report: &Report) -> Markup {
    if report.failures.is_empty() {
        return Markup::default();
    }
    let mut table = Table::new(["listing", "problem"]).left(2);
    for failure in report.failures.iter().take(FAILURES) {
        table.row([&failure.id, &failure.problem]);
    }
    let rest = report.failures.len().saturating_sub(FAILURES);
    html! {
        section {
            h2 { "Not rated" }
            p.soft { "No figure counts these listings." }
            (table)
            @if rest > 0 { p.soft { "and " (rest) " more; see evaluation.json" } }
        }
    }
}

fn definitions(report: &Report) -> Markup {
    html! {
        section #read {
            h2 { "How to read this" }
            p {
                b { "Positive" } ": offers the category. "
                b { "Negative" } ": every other listing, those of other categories too."
            }
            p {
                b { "Intervals" } " are percentiles of a bootstrap that resamples whole sellers (else groups, else single \
                 listings): listings of one seller resemble each other. A share of 0 or 1 has the exact bound for as many \
                 independent trials as there are sellers or groups. Few groups make intervals too narrow."
            }
            p {
                b { "Recall at 1 % or 5 % false positives" } ": the most positives found at a threshold that flags no more than \
                 that share of the negatives. "
                b { "Recall at precision 0.9" } ": the most found where nine of ten flagged listings are positive; 0 where no \
                 threshold reaches it."
            }
            p {
                b { "At the deployment prior" } ": positives weighted to be " (percent(report.service.deployment_prior))
                " of all listings, as the policy states. Precision, average precision, ECE and Brier score depend on how rare \
                 positives are; the plain figures hold only where they are as frequent as in this data. Image and text \
                 probabilities are shifted to the same prior."
            }
            p {
                b { "ECE" } ": mean distance between stated and observed probability over " (report.method.calibration_bins)
                " bins of equal weight; equal probabilities share a bin. "
                b { "Brier score" } ": mean squared distance to the truth. In the plain figures stated probabilities are \
                 shifted to the share of positives in the data."
            }
            p {
                b { "Slices" } ": dark is a mean luma below 60; blurred a variance of the Laplacian below 100, measured at most \
                 512 pixels wide and high; small a short side below 200 pixels. A listing is in these slices when all its \
                 readable images are. Recall and false positives of a slice use the threshold that flags 5 % of all negatives, \
                 or the REVIEW threshold."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_no_trailing_zeros() {
        assert_eq!([percent(0.01), percent(0.8), percent(0.0125), percent(0.0)], ["1 %", "80 %", "1.25 %", "0 %"]);
    }
}
