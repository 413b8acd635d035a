//! Ratings as a table for people.

use comfy_table::{Cell, ContentArrangement, Table, presets};
use wildwarden_proto::v1::{ClassifyResponse, Level, ReasonCode, Suggestion};

/// Columns of a usual terminal, for output that goes anywhere else.
const WIDTH: u16 = 100;

/// A table as wide as the terminal.
pub fn fitting() -> Table {
    let mut table = Table::new();
    let width = console::Term::stdout().size_checked().map_or(WIDTH, |(_, columns)| columns);
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    table
}

/// One row a listing.
pub fn ratings(rated: &[(String, Result<ClassifyResponse, String>)]) -> Table {
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

fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

fn why(response: &ClassifyResponse) -> String {
    let one = |reason: &wildwarden_proto::v1::Reason| {
        let category = if reason.category.is_empty() { String::new() } else { format!("{} ", reason.category) };
        let mut arguments: Vec<String> =
            reason.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        arguments.sort();
        format!("{category}{} ({})", short(reason.code().as_str_name(), "REASON_CODE_"), arguments.join(", "))
    };
    response.reasons.iter().take(4).map(one).collect::<Vec<_>>().join("\n")
}

/// Whether nothing worse than LOW was found; used for the exit summary.
pub fn is_calm(response: &ClassifyResponse) -> bool {
    response.suggestion() == Suggestion::Pass
        && response.level() <= Level::Low
        && !response.reasons.iter().any(|r| r.code() == ReasonCode::ImageUnreadable)
}
