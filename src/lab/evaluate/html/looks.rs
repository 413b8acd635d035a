//! What looks after the first cost and gave.

use maud::{Markup, PreEscaped, Render, html};

use super::{percent, title};
use crate::evaluate::looks::LooksReport;
use crate::evaluate::report::Report;
use crate::evaluate::svg;
use crate::page::table::Table;

pub(super) fn section(report: &Report, looks: &LooksReport) -> Markup {
    let names: Vec<String> = report
        .service
        .categories
        .iter()
        .flat_map(|declared| {
            let name = title(report, declared.category).to_lowercase();
            ["raised", "lowered", "ROC-AUC"].map(|what| format!("{name}: {what}"))
        })
        .collect();
    let mut table =
        Table::new(["look at", "look", "taken", "share"].into_iter().chain(names.iter().map(String::as_str)));
    for row in &looks.looks {
        let of_categories = report.service.categories.iter().flat_map(|declared| {
            let count = |counts: &std::collections::BTreeMap<_, usize>| {
                if row.look == 1 {
                    "–".render()
                } else {
                    counts.get(&declared.category).copied().unwrap_or_default().render()
                }
            };
            let auc = row.roc_auc.get(&declared.category).copied().flatten();
            let auc = auc.map_or_else(|| "–".to_owned(), |auc| format!("{auc:.3}"));
            [count(&row.raised), count(&row.lowered), auc.render()]
        });
        let first = [row.modality.render(), row.look.render(), row.taken.render(), percent(row.share).render()];
        table.row(first.into_iter().chain(of_categories));
    }
    html! {
        section {
            h2 { "Looks" }
            p.soft {
                "Profile " (looks.profile) ": " (format!("{:.2}", looks.first_ms)) " ms in the models of the first look and "
                (format!("{:.2}", looks.later_ms)) " ms in those of later ones, the mean of a listing. Raised and lowered \
                 count photos or texts whose probability a look moved by more than 0.01; the ROC-AUC is that of the modality \
                 alone after the look."
            }
            (table)
            @if !looks.curves.is_empty() {
                p.soft {
                    "Recall over cost: where only what the first look puts above a probability is looked at again, the share \
                     of harmless listings that are, and what is still found of what all looks find at 1 % false alarms."
                }
                .two {
                    @for curve in &looks.curves {
                        div {
                            h3 { (title(report, curve.category)) ", " (curve.modality) }
                            (PreEscaped(svg::recall_over_cost(curve)))
                        }
                    }
                }
            }
        }
    }
}
