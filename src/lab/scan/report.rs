//! `report.html`: the summary for people, as one page that needs nothing else.

use std::collections::BTreeMap;

use maud::{Markup, Render, html};
use wildwarden_core::domain::{Level, Suggestion};
use wildwarden_server::transport::sentences::Language;

use crate::page::table::Table;
use crate::page::{charts, document, svg};
use crate::scan::summary::{BINS, Category, Summary};
use crate::scan::words::Words;

/// Its file.
pub const FILE: &str = "report.html";

/// Whole HTML, no file beside it. `titles`: of categories by name, in that language.
pub fn page(summary: &Summary, titles: &BTreeMap<String, String>, language: Language) -> Markup {
    let words = Words::of(language);
    let body = html! {
        h1 { (words.title) }
        p.soft { (words.introduction.replace("{n}", &grouped(summary.rows))) }
        .card { dl { (facts(summary, words)) } }
        h2 { (words.suggestions) }
        .card { (shares("suggestion", &Suggestion::NAMES, &summary.suggestions, (summary.rated, language))) }
        h2 { (words.levels) }
        .card { (shares("level", &Level::NAMES, &summary.levels, (summary.rated, language))) }
        h2 { (words.categories) }
        .card { (categories(summary, titles, words)) }
        h2 { (words.reasons) }
        .card { (reasons(summary, words)) }
        @if !summary.errors.is_empty() {
            h2 { (words.failed) }
            .card { (errors(summary, words)) }
        }
        h2 { (words.highest) }
        .card { (highest(summary, language)) }
        h2 { (words.input) }
        .card { (sources(summary, words)) }
        h2 { (words.in_service) }
        .card { (versions(summary, words)) }
    };
    document(words.language, words.title, &body)
}

fn facts(summary: &Summary, words: &Words) -> Markup {
    let failed: u64 = summary.errors.values().sum();
    let told = words.rows_told.replace("{n}", &grouped(summary.rows)).replace("{rated}", &grouped(summary.rated));
    html! {
        dt { (words.rows) }
        dd { (told.replace("{failed}", &grouped(failed))) }
        dt { (words.degraded) }
        dd { (words.degraded_told.replace("{n}", &grouped(summary.degraded))) }
        dt { (words.looks) }
        dd { (summary.profile) }
        @if summary.last_run.kept > 0 {
            dt { (words.kept) }
            dd { (words.kept_told.replace("{n}", &grouped(summary.last_run.kept))) }
        }
    }
}

/// Of `of` listings, those of each name.
fn shares(namespace: &str, names: &[&str], counts: &BTreeMap<String, u64>, (of, language): (u64, Language)) -> Markup {
    let words = Words::of(language);
    let mut table = Table::new(["", words.listings, words.share]);
    for name in names {
        let count = counts.get(*name).copied().unwrap_or_default();
        table.row([language.name(namespace, name), grouped(count), percent(count, of)]);
    }
    table.render()
}

fn categories(summary: &Summary, titles: &BTreeMap<String, String>, words: &Words) -> Markup {
    let titled = summary.categories.iter().map(|(name, found)| (name, titles.get(name).unwrap_or(name), found));
    let mut table = Table::new([words.category, words.rated, words.flagged]);
    for (_, title, found) in titled.clone() {
        table.row([title.clone(), grouped(found.rated), grouped(found.flagged)]);
    }
    let drawn: Vec<(String, &str)> =
        titled.map(|(name, title, found)| (histogram(name, found, words), title.as_str())).collect();
    html! {
        (table)
        p.soft { (words.histograms) }
        (charts(&drawn))
    }
}

/// Bars of a logarithmic height. A category's name is letters, digits and underscores.
#[expect(clippy::cast_precision_loss, reason = "heights of bars")]
fn histogram(name: &str, found: &Category, words: &Words) -> String {
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
    body += &svg::titles(words.fused, words.listings);
    svg::chart(name, &body)
}

fn reasons(summary: &Summary, words: &Words) -> Markup {
    let mut rows: Vec<_> = summary.reasons.iter().collect();
    rows.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let mut table = Table::new([words.reason, words.listings]);
    for (name, count) in rows {
        table.row([name.clone(), grouped(*count)]);
    }
    table.render()
}

fn errors(summary: &Summary, words: &Words) -> Markup {
    let mut table = Table::new([words.code, words.rows, words.first_says]);
    for (code, count) in &summary.errors {
        let first = summary.first_errors.get(code).cloned().unwrap_or_default();
        table.row([code.clone(), grouped(*count), first]);
    }
    table.render()
}

fn highest(summary: &Summary, language: Language) -> Markup {
    let words = Words::of(language);
    let head =
        [words.listing, words.reasons, words.risk, words.level, words.suggestion, words.photo, words.source, words.row];
    let mut table = Table::new(head).left(2);
    for row in &summary.highest {
        table.row([
            row.listing_id.clone(),
            if row.why.is_empty() { row.reasons.join(", ") } else { row.why.join(words.between) },
            format!("{:.4}", row.risk),
            language.name("level", &row.level),
            language.name("suggestion", &row.suggestion),
            row.best_image.clone(),
            row.source.clone(),
            row.row.to_string(),
        ]);
    }
    table.render()
}

fn sources(summary: &Summary, words: &Words) -> Markup {
    let mut table = Table::new([words.table, words.rows]);
    for source in &summary.sources {
        table.row([source.path.display().to_string(), grouped(source.rows)]);
    }
    table.render()
}

fn versions(summary: &Summary, words: &Words) -> Markup {
    let mut table = Table::new(["", words.version, "sha256"]).left(3);
    if let Some(policy) = &summary.policy {
        table.row([words.policy.to_owned(), policy.version.clone(), policy.sha256.clone()]);
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
            why: vec!["It names a tusk.".into()],
        };
        let titles = [("tusk".to_owned(), "Tusks".to_owned())].into();
        let mut histogram = [0; BINS];
        histogram[3] = 1_234_567;
        let summary = Summary {
            rows: 1_234_567,
            highest: vec![row],
            categories: [("tusk".to_owned(), Category { rated: 1_234_567, flagged: 1, histogram })].into(),
            ..Summary::default()
        };
        for (language, said) in
            [(Language::English, "<td class=\"\">Review"), (Language::Chinese, "<td class=\"\">人工复核")]
        {
            let page = page(&summary, &titles, language).into_string();
            assert!(page.contains("1,234,567") && page.contains("&lt;script&gt;") && !page.contains("<script>"));
            assert_eq!(page.matches("fill='#0f766e'").count(), BINS);
            assert!(page.contains(said) && page.contains("It names a tusk.") && page.contains("Tusks"), "{said}");
            assert!(!page.contains("{n}") && !page.contains("{rated}") && !page.contains("{failed}"), "{language:?}");
        }
    }
}
