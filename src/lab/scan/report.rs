//! `report.html`: the summary for people, as one page that needs nothing else.

use maud::{Markup, Render, html};

use crate::page::table::Table;
use crate::page::{charts, document, svg};
use crate::scan::summary::{BINS, Category, Summary};
use crate::scan::table::{levels, suggestions};

/// Its file.
pub const FILE: &str = "report.html";

/// Whole HTML, no file beside it.
pub fn page(summary: &Summary) -> Markup {
    let body = html! {
        h1 { "Wildwarden scan" }
        p.soft {
            "What models and policy say of " (grouped(summary.rows)) " listings. A rating is a lead for a person, never a proof; "
            "pass means that nothing was found."
        }
        .card { dl { (facts(summary)) } }
        h2 { "Suggestions" }
        .card { (shares(&suggestions(), &summary.suggestions, summary.rated)) }
        h2 { "Levels" }
        .card { (shares(&levels(), &summary.levels, summary.rated)) }
        h2 { "Categories" }
        .card { (categories(summary)) }
        h2 { "Reasons" }
        .card { (by_count("reason", &summary.reasons, "listings")) }
        @if !summary.errors.is_empty() {
            h2 { "Without a rating" }
            .card { (errors(summary)) }
        }
        h2 { "Highest risk" }
        .card { (highest(summary)) }
        h2 { "Input" }
        .card { (sources(summary)) }
        h2 { "In service" }
        .card { (versions(summary)) }
    };
    document("Wildwarden scan", &body)
}

fn facts(summary: &Summary) -> Markup {
    let failed: u64 = summary.errors.values().sum();
    html! {
        dt { "rows" }
        dd { (grouped(summary.rows)) ", " (grouped(summary.rated)) " rated, " (grouped(failed)) " without a rating" }
        dt { "degraded" }
        dd { (grouped(summary.degraded)) ": something did not take part, see the column missing" }
        dt { "looks" }
        dd { (summary.profile) }
        @if summary.last_run.kept > 0 {
            dt { "kept" }
            dd { (grouped(summary.last_run.kept)) " ratings of an earlier scan" }
        }
    }
}

fn shares(names: &[String], counts: &std::collections::BTreeMap<String, u64>, of: u64) -> Markup {
    let mut table = Table::new(["", "listings", "share"]);
    for name in names {
        let count = counts.get(name).copied().unwrap_or_default();
        table.row([name.clone(), grouped(count), percent(count, of)]);
    }
    table.render()
}

fn categories(summary: &Summary) -> Markup {
    let mut table = Table::new(["category", "rated", "likeliest of those not passed"]);
    for (name, found) in &summary.categories {
        table.row([name.clone(), grouped(found.rated), grouped(found.flagged)]);
    }
    let drawn: Vec<(String, &str)> =
        summary.categories.iter().map(|(name, found)| (histogram(name, found), name.as_str())).collect();
    html! {
        (table)
        p.soft { "Listings by fused probability. The scale of the counts is logarithmic." }
        (charts(&drawn))
    }
}

/// Bars of a logarithmic height. A category's name is letters, digits and underscores.
#[expect(clippy::cast_precision_loss, reason = "heights of bars")]
fn histogram(name: &str, found: &Category) -> String {
    let most = found.histogram.iter().copied().max().unwrap_or_default().max(1);
    let decades = (most as f64).log10().floor() + 1.0;
    let height = |count: u64| if count == 0 { 0.0 } else { ((count as f64).log10() + 0.15) / (decades + 0.15) };
    let mut body = svg::frame();
    for step in 0..=4_u8 {
        let share = f64::from(step) / 4.0;
        body += &svg::tick_x(share, &share.to_string());
    }
    let mut count = 1;
    while count as f64 <= 10_f64.powf(decades) {
        body += &svg::tick_y(height(count), &grouped(count));
        count *= 10;
    }
    for (bin, count) in found.histogram.iter().enumerate() {
        let left = bin as f64 / BINS as f64;
        let ((x, y), (right, bottom)) =
            (svg::place((left, height(*count))), svg::place((left + 1.0 / BINS as f64, 0.0)));
        body += &format!(
            "<rect x='{:.1}' y='{y:.1}' width='{:.1}' height='{:.1}' fill='#0f766e'/>",
            x + 0.5,
            right - x - 1.0,
            bottom - y
        );
    }
    body += &svg::titles("fused probability", "listings");
    svg::chart(name, &body)
}

fn by_count(name: &str, counts: &std::collections::BTreeMap<String, u64>, of: &str) -> Markup {
    let mut rows: Vec<_> = counts.iter().collect();
    rows.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let mut table = Table::new([name, of]);
    for (name, count) in rows {
        table.row([name.clone(), grouped(*count)]);
    }
    table.render()
}

fn errors(summary: &Summary) -> Markup {
    let mut table = Table::new(["code", "rows", "the first says"]);
    for (code, count) in &summary.errors {
        let first = summary.first_errors.get(code).cloned().unwrap_or_default();
        table.row([code.clone(), grouped(*count), first]);
    }
    table.render()
}

fn highest(summary: &Summary) -> Markup {
    let mut table = Table::new(["listing", "risk", "level", "suggestion", "photo", "reasons", "source", "row"]).left(1);
    for row in &summary.highest {
        table.row([
            row.listing_id.clone(),
            format!("{:.4}", row.risk),
            row.level.clone(),
            row.suggestion.clone(),
            row.best_image.clone(),
            row.reasons.join(", "),
            row.source.clone(),
            row.row.to_string(),
        ]);
    }
    table.render()
}

fn sources(summary: &Summary) -> Markup {
    let mut table = Table::new(["table or folder", "rows"]);
    for source in &summary.sources {
        table.row([source.path.display().to_string(), grouped(source.rows)]);
    }
    table.render()
}

fn versions(summary: &Summary) -> Markup {
    let mut table = Table::new(["", "version", "sha256"]).left(3);
    if let Some(policy) = &summary.policy {
        table.row(["policy".to_owned(), policy.version.clone(), policy.sha256.clone()]);
    }
    for model in &summary.models {
        table.row([model.name.clone(), model.version.clone(), model.sha256.clone()]);
    }
    table.render()
}

/// Thousands apart.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "a share that is read by people")]
fn percent(count: u64, of: u64) -> String {
    if of == 0 { String::new() } else { format!("{:.2} %", 100.0 * count as f64 / of as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::summary::Row;

    #[test]
    fn the_page_shows_counts_and_what_listings_say_as_text() {
        let row = Row {
            risk: 0.5,
            source: "a.csv".into(),
            row: 3,
            listing_id: "<script>".into(),
            level: "high".into(),
            suggestion: "review".into(),
            best_image: "0".into(),
            reasons: vec!["claim_term:tusk".into()],
        };
        let mut histogram = [0; BINS];
        histogram[3] = 1_234_567;
        let summary = Summary {
            rows: 1_234_567,
            highest: vec![row],
            categories: [("tusk".to_owned(), Category { rated: 1_234_567, flagged: 1, histogram })].into(),
            ..Summary::default()
        };
        let page = page(&summary).into_string();
        assert!(page.contains("1,234,567") && page.contains("&lt;script&gt;") && !page.contains("<script>"));
        assert_eq!(page.matches("fill='#0f766e'").count(), BINS);
    }
}
