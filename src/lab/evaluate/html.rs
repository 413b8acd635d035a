//! `report.html`: the report as one page that needs nothing else: no script, no font, no file beside it.

mod category;
mod figures;

use std::collections::HashMap;

use wildwarden_core::domain::Category;

use crate::evaluate::case::Case;
use crate::evaluate::operation::LEVELS;
use crate::evaluate::operation::SUGGESTIONS;
use crate::evaluate::report::Report;
use crate::page::document;
use crate::page::escape;
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

/// The page.
pub fn page(report: &Report, shown: &Shown<'_>) -> String {
    let mut body = header(report);
    body += &operation(report);
    body += &thresholds(report);
    for measured in &report.categories {
        body += &category::section(measured, report, shown);
    }
    body += &failures(report);
    body += definitions(report).as_str();
    document(&format!("Wildwarden evaluation: {}", report.data.input), &body)
}

/// A category for people.
fn title(report: &Report, category: Category) -> String {
    let declared = report.service.declared(category);
    escape(declared.map_or(category.name(), |declared| &declared.title))
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

fn header(report: &Report) -> String {
    let service = &report.service;
    let links = report
        .categories
        .iter()
        .map(|measured| format!("<a href='#{}'>{}</a>", measured.category.name(), title(report, measured.category)));
    let links: String = links.collect();
    let facts = facts(report);
    let mut models = Table::new(["in service", "version", "sha256"]).left(3);
    for model in service.models.iter().chain([&service.policy]) {
        let hash = format!("<code>{}</code>", escape(&model.sha256));
        models.row([escape(&model.name), escape(&model.version), hash]);
    }
    let unmeasured: Vec<String> = report.unmeasured.iter().map(|&category| title(report, category)).collect();
    let unmeasured = if unmeasured.is_empty() {
        String::new()
    } else {
        format!(
            "<div class='card warn'><b>Unmeasured: {}.</b> The data lacks positives or negatives of it, or no model rates \
             it, so nothing here says how well it is found.</div>",
            unmeasured.join(", ")
        )
    };
    format!(
        "<h1>Wildwarden evaluation</h1><p class='soft'>What the served models and policy say of labelled listings. \
         A rating is a lead for a person, never a proof.</p><nav>{links}<a href='#read'>How to read this</a></nav>\
         {unmeasured}<div class='card'><dl>{facts}</dl></div><div class='card'>{models}</div>"
    )
}

/// What was rated, and by what, as a list of terms.
fn facts(report: &Report) -> String {
    let (data, service) = (&report.data, &report.service);
    let positives: Vec<String> = report
        .categories
        .iter()
        .map(|measured| format!("{} {}", measured.counts.positives, title(report, measured.category).to_lowercase()))
        .collect();
    let images: Vec<String> = data.images.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let facts = [
        ("data", format!("<code>{}</code>", escape(&data.input))),
        (
            "listings",
            format!(
                "{} in the input, {} taken, {} rated, {} failed; {} sellers, groups or single listings",
                data.listings,
                data.taken,
                data.rated,
                report.failures.len(),
                data.clusters
            ),
        ),
        ("positives", if positives.is_empty() { "none that can be measured".into() } else { positives.join(", ") }),
        ("images", if images.is_empty() { "none".into() } else { escape(&images.join(", ")) }),
        ("fields not used", escape(&data.unused_fields.join(", "))),
        (
            "policy",
            format!(
                "version {}, deployment prior {}, REVIEW from {}, BLOCK from {}",
                escape(&service.policy.version),
                percent(service.deployment_prior),
                percent(service.review),
                percent(service.block)
            ),
        ),
        ("intervals", format!("95 %, {} resamplings, seed {}", report.method.bootstrap_rounds, report.method.seed)),
        ("program", format!("wildwarden {}", service.program)),
    ];
    let facts = facts.iter().filter(|(_, fact)| !fact.is_empty());
    facts.map(|(name, fact)| format!("<dt>{name}</dt><dd>{fact}</dd>")).collect()
}

fn operation(report: &Report) -> String {
    let mut suggestions =
        Table::new(["true label", "listings"].into_iter().chain(SUGGESTIONS).chain(["REVIEW or BLOCK", "BLOCK"]));
    let mut levels = Table::new(["true label"].into_iter().chain(LEVELS));
    let columns = titles(report, "reaches REVIEW as ");
    let mut confusion = Table::new(["true label"].into_iter().chain(columns.iter().map(String::as_str)));
    let count = |counts: &std::collections::BTreeMap<&'static str, usize>, name: &str| {
        counts.get(name).copied().unwrap_or_default().to_string()
    };
    for row in &report.operation {
        let counts = SUGGESTIONS.iter().map(|name| count(&row.suggestions, name));
        let shares = [row.flagged_share, row.blocked_share].map(figures::share);
        let label = row.label.replace('_', " ");
        suggestions.row([label.clone(), row.listings.to_string()].into_iter().chain(counts).chain(shares));
        levels.row([label.clone()].into_iter().chain(LEVELS.iter().map(|name| count(&row.levels, name))));
        let flagged = report
            .service
            .categories
            .iter()
            .map(|declared| row.flagged_as.get(&declared.category).copied().unwrap_or_default().to_string());
        confusion.row([label].into_iter().chain(flagged));
    }
    format!(
        "<section><h2>What moderators would see</h2><p class='soft'>Suggestions of the whole rating: fused scores, lexicon \
         and unreadable images together. “Negative” offers nothing that is looked for.</p>{suggestions}\
         <div class='two'><div><h3>Confusion of categories</h3>{confusion}</div>\
         <div><h3>Levels of listings</h3>{levels}</div></div></section>"
    )
}

fn thresholds(report: &Report) -> String {
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
        table.row([name].into_iter().chain(cells).chain([precision, reviews]));
    }
    format!(
        "<section><h2>Thresholds</h2><p class='soft'>What a threshold of the fused probability would catch and cost at {} \
         listings a day, each category as frequent as the deployment prior says. Proposed is the lowest one that is sure of a \
         precision of {}, at the upper end of the false alarms’ interval. Rules of the lexicon come on top.</p>{table}</section>",
        found.demand.listings_a_day,
        percent(found.demand.precision)
    )
}

fn failures(report: &Report) -> String {
    if report.failures.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["listing", "problem"]).left(2);
    for failure in report.failures.iter().take(FAILURES) {
        table.row([escape(&failure.id), escape(&failure.problem)]);
    }
    let rest = report.failures.len().saturating_sub(FAILURES);
    let rest =
        if rest > 0 { format!("<p class='soft'>and {rest} more; see evaluation.json</p>") } else { String::new() };
    format!("<section><h2>Not rated</h2><p class='soft'>No figure counts these listings.</p>{table}{rest}</section>")
}

fn definitions(report: &Report) -> String {
    let prior = percent(report.service.deployment_prior);
    let bins = report.method.calibration_bins;
    format!(
        "<section id='read'><h2>How to read this</h2>\
         <p><b>Positive</b>: offers the category. <b>Negative</b>: every other listing, those of other categories too.</p>\
         <p><b>Intervals</b> are percentiles of a bootstrap that resamples whole sellers (else groups, else single \
         listings): listings of one seller resemble each other. A share of 0 or 1 has the exact bound for as many \
         independent trials as there are sellers or groups. Few groups make intervals too narrow.</p>\
         <p><b>Recall at 1 % or 5 % false positives</b>: the most positives found at a threshold that flags no more than \
         that share of the negatives. <b>Recall at precision 0.9</b>: the most found where nine of ten flagged listings are \
         positive; 0 where no threshold reaches it.</p>\
         <p><b>At the deployment prior</b>: positives weighted to be {prior} of all listings, as the policy states. Precision, \
         average precision, ECE and Brier score depend on how rare positives are; the plain figures hold only where they are \
         as frequent as in this data. Image and text probabilities are shifted to the same prior.</p>\
         <p><b>ECE</b>: mean distance between stated and observed probability over {bins} bins of equal weight; equal \
         probabilities share a bin. <b>Brier score</b>: mean squared distance to the truth. In the plain figures stated \
         probabilities are shifted to the share of positives in the data.</p>\
         <p><b>Slices</b>: dark is a mean luma below 60; blurred a variance of the Laplacian below 100, measured at most 512 \
         pixels wide and high; small a short side below 200 pixels. A listing is in these slices when all its readable images \
         are. Recall and false positives of a slice use the threshold that flags 5 % of all negatives, or the REVIEW \
         threshold.</p></section>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_no_trailing_zeros() {
        assert_eq!([percent(0.01), percent(0.8), percent(0.0125), percent(0.0)], ["1 %", "80 %", "1.25 %", "0 %"]);
    }
}
