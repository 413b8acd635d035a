//! Ratings as a table for people.

use comfy_table::{Cell, ContentArrangement, Table, presets};

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
