//! The section of one category.

use maud::Markup;
use maud::Render;
use maud::html;

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
use crate::page;
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

pub(super) fn section(measured: &CategoryReport, report: &Report, shown: &Shown<'_>) -> Markup {
    let counts = measured.counts;
    html! {
        section id=(measured.category.name()) {
            h2 { (title(report, measured.category)) }
            p.soft {
                (counts.positives) " positives, " (counts.negatives) " negatives; " (counts.clusters)
                " sellers, groups or single listings, " (counts.positive_clusters) " of them with a positive."
            }
            (few(counts.positive_clusters))
            (tiles(measured))
            (charts(measured, report))
            h3 { "Figures" }
            (figures(measured))
            (confusion(measured))
            (fusion(measured))
            h3 { "Slices" }
            (slices(measured))
            (stress(measured))
            (worst(measured, shown))
        }
    }
}

fn few(positive_clusters: usize) -> Markup {
    html! {
        @if positive_clusters < FEW_CLUSTERS {
            .card.warn {
                "Positives come from only " (positive_clusters) " sellers, groups or single listings: the figures say little, \
                 and the intervals are too narrow."
            }
        }
    }
}

fn tiles(measured: &CategoryReport) -> Markup {
    let fused = measured.scores.first();
    let tile = |(key, name): (&str, &str)| {
        let figure = fused.and_then(|score| score.figures.get(key)).copied().unwrap_or_default();
        let value = figure.value.map_or_else(|| "–".into(), |value| format!("{value:.3}"));
        let interval = match (figure.low, figure.high) {
            (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
            _ => String::new(),
        };
        html! { .tile { span { (name) } b { (value) } span { (interval) } } }
    };
    html! { .tiles { @for shown in TILES { (tile(shown)) } } }
}

fn charts(measured: &CategoryReport, report: &Report) -> Markup {
    let service = &report.service;
    let histogram =
        measured.scores.first().map(|fused| svg::histogram(fused, service.review, service.block)).unwrap_or_default();
    let prior = percent(service.deployment_prior);
    let dashed = format!("Precision and recall; dashed: the fused score where {prior} of listings are positive");
    let charts = [
        (svg::roc(&measured.scores), "ROC curve; dotted: 5 % false positives"),
        (svg::precision_recall(&measured.scores, service.deployment_prior), dashed.as_str()),
        (svg::reliability(&measured.scores), "Reliability, at the share of positives in this data"),
        (histogram, "Fused scores of positives (orange) and negatives (grey)"),
    ];
    html! {
        .legend {
            @for score in &measured.scores {
                i style={ "background:" (svg::colour(score.rule)) } {}
                (score.rule.title()) " (" (score.counts.positives) " + " (score.counts.negatives) " listings)"
            }
        }
        (page::charts(&charts))
    }
}

fn figures(measured: &CategoryReport) -> Markup {
    let rules = measured.scores.iter().map(|score| score.rule.title());
    let mut table = Table::new(["figure"].into_iter().chain(rules));
    for (key, name) in FIGURES {
        let cells =
            measured.scores.iter().map(|score| figures::figure(score.figures.get(key).copied().unwrap_or_default()));
        table.row([name.render()].into_iter().chain(cells));
    }
    table.render()
}

fn confusion(measured: &CategoryReport) -> Markup {
    let confusion = &measured.confusion;
    let mut counts = Table::new(["truth", "flagged", "not flagged"]);
    counts.row(["positive".into(), confusion.true_positives.to_string(), confusion.false_negatives.to_string()]);
    counts.row(["negative".into(), confusion.false_positives.to_string(), confusion.true_negatives.to_string()]);
    let mut levels = Table::new(["level of the category", "positives", "negatives"]);
    for row in &measured.levels {
        levels.row([row.level.to_owned(), row.positives.to_string(), row.negatives.to_string()]);
    }
    html! {
        .two {
            div { h3 { "Confusion at the REVIEW threshold, " (percent(confusion.threshold)) } (counts) }
            div { h3 { "Levels" } (levels) }
        }
    }
}

fn fusion(measured: &CategoryReport) -> Markup {
    let Some(comparison) = &measured.fusion else {
        return html! {
            h3 { "Fusion against simpler rules" }
            p.soft { "Unmeasured: no positive and negative listings with both an image and a text." }
        };
    };
    let mut table =
        Table::new(["rule"].into_iter().chain(COMPARED.iter().flat_map(|(_, name)| [*name, "fused − rule"])));
    for rule in &comparison.rules {
        let cells = COMPARED.iter().flat_map(|(key, _)| {
            let own = rule.figures.get(key).copied().unwrap_or_default();
            let less = rule.fused_minus_rule.get(key).copied().unwrap_or_default();
            let is_fused = rule.rule == crate::evaluate::fusion::Rule::Fused;
            [figures::figure(own), if is_fused { Markup::default() } else { figures::difference(less) }]
        });
        table.row([rule.rule.title().render()].into_iter().chain(cells));
    }
    html! {
        h3 { "Fusion against simpler rules" }
        p.soft {
            "On the " (comparison.counts.positives) " positives and " (comparison.counts.negatives) " negatives that have both \
             an image and a text. Differences are on the same resamplings; bold: the interval leaves 0 out. Above 0, fusion is \
             better."
        }
        (table)
    }
}

fn slices(measured: &CategoryReport) -> Markup {
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
            table.heading(match slice.by {
                SliceBy::Source => "source",
                SliceBy::Seller => "seller",
                SliceBy::Quality => "quality of pictures",
                SliceBy::Language => "language",
                SliceBy::Modality => "modality",
                SliceBy::Obfuscation => "terms in disguise",
                SliceBy::Given => "named in the input",
            });
        }
        let counts = [slice.counts.positives.render(), slice.counts.negatives.render()];
        let shares = [
            slice.recall_at_fpr,
            slice.false_positive_rate_at_fpr,
            slice.recall_at_review,
            slice.false_positive_rate_at_review,
        ];
        let cells = counts.into_iter().chain([figures::figure(slice.roc_auc)]).chain(shares.map(figures::share));
        table.row([slice.name.render()].into_iter().chain(cells));
    }
    html! {
        (table)
        p.soft {
            "Slices of fewer than " (SLICE_LISTINGS) " listings, and all but the largest of each kind, are left out."
        }
    }
}

fn stress(measured: &CategoryReport) -> Markup {
    let Some(first) = measured.stress.first() else { return Markup::default() };
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
            stress.title.render(),
            figures::figure(stress.roc_auc),
            figures::difference(stress.roc_auc_change),
            figures::figure(stress.recall_at_fpr),
            figures::difference(stress.recall_at_fpr_change),
            figures::share(stress.recall_at_clean_threshold),
            figures::share(stress.false_positive_rate_at_clean_threshold),
        ]);
    }
    html! {
        h3 { "Degraded pictures" }
        p.soft {
            "Copies of " (first.counts.positives) " positives and " (first.counts.negatives) " negatives, made worse, against \
             the same listings as they are. The clean threshold flags 5 % of the clean negatives."
        }
        (table)
    }
}

fn worst(measured: &CategoryReport, shown: &Shown<'_>) -> Markup {
    let worst = &measured.worst;
    let galleries = [
        ("Worst misses: positives below the REVIEW threshold", &worst.false_negatives),
        ("Worst false alarms: negatives at or above it", &worst.false_positives),
    ];
    html! {
        @for (heading, listings) in galleries {
            h3 { (heading) }
            @if listings.is_empty() {
                p.soft { "None." }
            } @else {
                .gallery { @for listing in listings { (wrong(listing, shown)) } }
            }
        }
    }
}

fn wrong(listing: &WrongListing, shown: &Shown<'_>) -> Markup {
    let text = shown.cases.get(listing.case).map(|case| format!("{} {}", case.title, case.description));
    let text: String = text.unwrap_or_default().trim().chars().take(TEXT).collect();
    let picture = listing.image.and_then(|image| shown.pictures.get(&(listing.case, image)));
    let modality = |name: &str, probability: Option<f64>| {
        probability.map(|probability| format!(", {name} {probability:.3}")).unwrap_or_default()
    };
    let labels: Vec<&str> = listing.labels.iter().map(|label| label.name()).collect();
    html! {
        figure {
            .frame {
                @if let Some(uri) = picture { img src=(uri) alt=""; } @else { p { (text) } }
            }
            b { (format!("{:.4}", listing.scores.probability)) }
            (modality("image", listing.scores.image_probability))
            (modality("text", listing.scores.text_probability))
            small {
                @if picture.is_some() && !text.is_empty() { "“" (text) "”" br; }
                (listing.id)
                br;
                "label: " @if labels.is_empty() { "negative" } @else { (labels.join(", ")) } "; " (listing.suggestion)
                br;
                (listing.reasons.join(", "))
            }
        }
    }
}
