//! The section of one category.

use super::Shown;
use super::figures;
use super::percent;
use super::title;
use crate::evaluate::fusion::COMPARED;
use crate::evaluate::measures::FIGURES;
use crate::evaluate::report::CategoryReport;
use crate::evaluate::report::Report;
use crate::evaluate::slices::Slice;
use crate::evaluate::slices::SliceBy;
use crate::evaluate::svg;
use crate::evaluate::worst::WrongListing;
use crate::page::escape;
use crate::page::table::Table;

/// Figures shown large.
const TILES: [(&str, &str); 6] = [
    ("roc_auc", "ROC-AUC"),
    ("average_precision", "average precision"),
    ("recall_at_fpr_0.05", "recall at 5 % false positives"),
    ("recall_at_fpr_0.01", "recall at 1 % false positives"),
    ("recall_at_precision_0.9", "recall at precision 0.9"),
    ("ece_at_prior", "ECE at the deployment prior"),
];
/// Slices of fewer listings are left to `evaluation.json`.
const SLICE_LISTINGS: usize = 5;
/// Fewer sellers or groups with a positive than this say little, and their intervals are too narrow.
const FEW_CLUSTERS: usize = 20;
/// Letters of a listing's text in the gallery.
const TEXT: usize = 90;

pub(super) fn section(measured: &CategoryReport, report: &Report, shown: &Shown<'_>) -> String {
    let counts = measured.counts;
    format!(
        "<section id='{}'><h2>{}</h2><p class='soft'>{} positives, {} negatives; {} sellers, groups or single \
         listings, {} of them with a positive.</p>{}{}{}<h3>Figures</h3>{}{}{}<h3>Slices</h3>{}{}{}</section>",
        measured.category.name(),
        title(report, measured.category),
        counts.positives,
        counts.negatives,
        counts.clusters,
        counts.positive_clusters,
        few(counts.positive_clusters),
        tiles(measured),
        charts(measured, report),
        figures(measured),
        confusion(measured),
        fusion(measured),
        slices(measured),
        stress(measured),
        worst(measured, shown)
    )
}

fn few(positive_clusters: usize) -> String {
    if positive_clusters >= FEW_CLUSTERS {
        return String::new();
    }
    format!(
        "<div class='card warn'>Positives come from only {positive_clusters} sellers, groups or single listings: the figures \
         say little, and the intervals are too narrow.</div>"
    )
}

fn tiles(measured: &CategoryReport) -> String {
    let fused = measured.scores.first();
    let tile = |(key, name): (&str, &str)| {
        let figure = fused.and_then(|score| score.figures.get(key)).copied().unwrap_or_default();
        let value = figure.value.map_or_else(|| "–".into(), |value| format!("{value:.3}"));
        let interval = match (figure.low, figure.high) {
            (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
            _ => String::new(),
        };
        format!("<div class='tile'><span>{name}</span><b>{value}</b><span>{interval}</span></div>")
    };
    format!("<div class='tiles'>{}</div>", TILES.map(tile).concat())
}

fn charts(measured: &CategoryReport, report: &Report) -> String {
    let legend: String = measured
        .scores
        .iter()
        .map(|score| {
            let counts = score.counts;
            let of = format!("{} + {} listings", counts.positives, counts.negatives);
            format!("<i style='background:{}'></i>{} ({of})", svg::colour(score.rule), score.rule.title())
        })
        .collect();
    let service = &report.service;
    let histogram =
        measured.scores.first().map(|fused| svg::histogram(fused, service.review, service.block)).unwrap_or_default();
    let prior = percent(service.deployment_prior);
    let dashed = format!("Precision and recall; dashed: the fused score where {prior} of listings are positive");
    let figures = [
        (svg::roc(&measured.scores), "ROC curve; dotted: 5 % false positives"),
        (svg::precision_recall(&measured.scores, service.deployment_prior), dashed.as_str()),
        (svg::reliability(&measured.scores), "Reliability, at the share of positives in this data"),
        (histogram, "Fused scores of positives (orange) and negatives (grey)"),
    ];
    let figures: String = figures
        .iter()
        .map(|(chart, caption)| format!("<figure>{chart}<figcaption>{caption}</figcaption></figure>"))
        .collect();
    format!("<div class='legend'>{legend}</div><div class='charts'>{figures}</div>")
}

fn figures(measured: &CategoryReport) -> String {
    let rules = measured.scores.iter().map(|score| score.rule.title());
    let mut table = Table::new(["figure"].into_iter().chain(rules));
    for (key, name) in FIGURES {
        let cells =
            measured.scores.iter().map(|score| figures::figure(score.figures.get(key).copied().unwrap_or_default()));
        table.row([name.to_owned()].into_iter().chain(cells));
    }
    table.to_string()
}

fn confusion(measured: &CategoryReport) -> String {
    let confusion = &measured.confusion;
    let mut counts = Table::new(["truth", "flagged", "not flagged"]);
    counts.row(["positive".into(), confusion.true_positives.to_string(), confusion.false_negatives.to_string()]);
    counts.row(["negative".into(), confusion.false_positives.to_string(), confusion.true_negatives.to_string()]);
    let mut levels = Table::new(["level of the category", "positives", "negatives"]);
    for row in &measured.levels {
        levels.row([row.level.to_owned(), row.positives.to_string(), row.negatives.to_string()]);
    }
    format!(
        "<div class='two'><div><h3>Confusion at the REVIEW threshold, {}</h3>{counts}</div>\
         <div><h3>Levels</h3>{levels}</div></div>",
        percent(confusion.threshold)
    )
}

fn fusion(measured: &CategoryReport) -> String {
    let Some(comparison) = &measured.fusion else {
        return "<h3>Fusion against simpler rules</h3><p class='soft'>Unmeasured: no positive and negative listings with \
                both an image and a text.</p>"
            .to_owned();
    };
    let mut table =
        Table::new(["rule"].into_iter().chain(COMPARED.iter().flat_map(|(_, name)| [*name, "fused − rule"])));
    for rule in &comparison.rules {
        let cells = COMPARED.iter().flat_map(|(key, _)| {
            let own = rule.figures.get(key).copied().unwrap_or_default();
            let less = rule.fused_minus_rule.get(key).copied().unwrap_or_default();
            let is_fused = rule.rule == crate::evaluate::fusion::Rule::Fused;
            [figures::figure(own), if is_fused { String::new() } else { figures::difference(less) }]
        });
        table.row([rule.rule.title().to_owned()].into_iter().chain(cells));
    }
    format!(
        "<h3>Fusion against simpler rules</h3><p class='soft'>On the {} positives and {} negatives that have both an image \
         and a text. Differences are on the same resamplings; bold: the interval leaves 0 out. Above 0, fusion is \
         better.</p>{table}",
        comparison.counts.positives, comparison.counts.negatives
    )
}

fn slices(measured: &CategoryReport) -> String {
    let mut table = Table::new([
        "slice",
        "positives",
        "negatives",
        "ROC-AUC within",
        "recall at 5 % FP",
        "false positives at 5 % FP",
        "recall at REVIEW",
        "false positives at REVIEW",
    ]);
    let mut kind = None;
    let is_shown = |slice: &&Slice| slice.counts.positives + slice.counts.negatives >= SLICE_LISTINGS;
    for slice in measured.slices.iter().filter(is_shown) {
        if kind != Some(slice.by) {
            kind = Some(slice.by);
            table.kind(match slice.by {
                SliceBy::Source => "source",
                SliceBy::Seller => "seller",
                SliceBy::Quality => "quality of pictures",
                SliceBy::Language => "language",
                SliceBy::Modality => "modality",
                SliceBy::Obfuscation => "terms in disguise",
                SliceBy::Given => "named in the input",
            });
        }
        let counts = [slice.counts.positives.to_string(), slice.counts.negatives.to_string()];
        let shares = [
            slice.recall_at_fpr,
            slice.false_positive_rate_at_fpr,
            slice.recall_at_review,
            slice.false_positive_rate_at_review,
        ];
        let cells = counts.into_iter().chain([figures::figure(slice.roc_auc)]).chain(shares.map(figures::share));
        table.row([escape(&slice.name)].into_iter().chain(cells));
    }
    format!(
        "{table}<p class='soft'>Slices of fewer than {SLICE_LISTINGS} listings, and all but the largest of each kind, are left \
         out.</p>"
    )
}

fn stress(measured: &CategoryReport) -> String {
    let Some(first) = measured.stress.first() else { return String::new() };
    let mut table = Table::new([
        "degradation",
        "ROC-AUC",
        "change",
        "recall at 5 % FP",
        "change",
        "recall at the clean threshold",
        "false positives at the clean threshold",
    ]);
    for stress in &measured.stress {
        table.row([
            stress.title.to_owned(),
            figures::figure(stress.roc_auc),
            figures::difference(stress.roc_auc_change),
            figures::figure(stress.recall_at_fpr),
            figures::difference(stress.recall_at_fpr_change),
            figures::share(stress.recall_at_clean_threshold),
            figures::share(stress.false_positive_rate_at_clean_threshold),
        ]);
    }
    format!(
        "<h3>Degraded pictures</h3><p class='soft'>Copies of {} positives and {} negatives, made worse, against the same \
         listings as they are. The clean threshold flags 5 % of the clean negatives.</p>{table}",
        first.counts.positives, first.counts.negatives
    )
}

fn worst(measured: &CategoryReport, shown: &Shown<'_>) -> String {
    let gallery = |heading: &str, listings: &[WrongListing]| {
        if listings.is_empty() {
            return format!("<h3>{heading}</h3><p class='soft'>None.</p>");
        }
        let figures: String = listings.iter().map(|listing| wrong(listing, shown)).collect();
        format!("<h3>{heading}</h3><div class='gallery'>{figures}</div>")
    };
    gallery("Worst misses: positives below the REVIEW threshold", &measured.worst.false_negatives)
        + &gallery("Worst false alarms: negatives at or above it", &measured.worst.false_positives)
}

fn wrong(listing: &WrongListing, shown: &Shown<'_>) -> String {
    let text = shown.cases.get(listing.case).map(|case| format!("{} {}", case.title, case.description));
    let text: String = text.unwrap_or_default().trim().chars().take(TEXT).collect();
    let picture = listing.image.and_then(|image| shown.pictures.get(&(listing.case, image)));
    let frame = match picture {
        Some(uri) => format!("<img src='{uri}' alt=''>"),
        None => format!("<p>{}</p>", escape(&text)),
    };
    let below =
        if picture.is_some() && !text.is_empty() { format!("“{}”<br>", escape(&text)) } else { String::new() };
    let modality = |name: &str, probability: Option<f64>| {
        probability.map(|probability| format!(", {name} {probability:.3}")).unwrap_or_default()
    };
    let labels: Vec<&str> = listing.labels.iter().map(|label| label.name()).collect();
    format!(
        "<figure><div class='frame'>{frame}</div><b>{:.4}</b>{}{}<small>{below}{}<br>label: {}; {}<br>{}</small></figure>",
        listing.scores.probability,
        modality("image", listing.scores.image_probability),
        modality("text", listing.scores.text_probability),
        escape(&listing.id),
        if labels.is_empty() { "negative".to_owned() } else { labels.join(", ") },
        listing.suggestion,
        escape(&listing.reasons.join(", "))
    )
}
