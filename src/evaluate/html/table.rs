//! Tables and the figures in them.

use std::fmt;

use crate::evaluate::bootstrap::Estimate;

/// Rows of cells that are HTML already.
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<String>,
    left: usize,
}

impl Table {
    pub(super) fn new<'a>(head: impl IntoIterator<Item = &'a str>) -> Self {
        Self { head: head.into_iter().map(str::to_owned).collect(), rows: Vec::new(), left: 1 }
    }

    /// The first `left` columns hold text.
    pub(super) fn left(self, left: usize) -> Self {
        Self { left, ..self }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: String = cells
            .into_iter()
            .enumerate()
            .map(|(column, cell)| format!("<td class='{}'>{cell}</td>", self.class(column)))
            .collect();
        self.rows.push(format!("<tr>{cells}</tr>"));
    }

    /// A row over all columns.
    pub(super) fn kind(&mut self, name: &str) {
        self.rows.push(format!("<tr class='kind'><td colspan='{}'>{name}</td></tr>", self.head.len()));
    }

    fn class(&self, column: usize) -> &'static str {
        if column == 0 {
            "left name"
        } else if column < self.left {
            "left"
        } else {
            ""
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<div class='scroll'><table><thead><tr>")?;
        for (column, title) in self.head.iter().enumerate() {
            write!(f, "<th class='{}'>{title}</th>", self.class(column))?;
        }
        f.write_str("</tr></thead><tbody>")?;
        self.rows.iter().try_for_each(|row| f.write_str(row))?;
        f.write_str("</tbody></table></div>")
    }
}

/// A figure between 0 and 1, its interval below.
pub(super) fn figure(estimate: Estimate) -> String {
    cell(estimate, |value| format!("{value:.3}"))
}

/// A share as a percentage.
pub(super) fn share(estimate: Estimate) -> String {
    cell(estimate, |value| format!("{:.1} %", 100.0 * value))
}

/// A difference with its sign; bold when its interval leaves 0 out.
pub(super) fn difference(estimate: Estimate) -> String {
    let is_clear = estimate.low.is_some_and(|low| low > 0.0) || estimate.high.is_some_and(|high| high < 0.0);
    let text = cell(estimate, |value| format!("{value:+.3}"));
    if is_clear { format!("<b>{text}</b>") } else { text }
}

fn cell(estimate: Estimate, show: impl Fn(f64) -> String) -> String {
    match (estimate.value, estimate.low, estimate.high) {
        (Some(value), Some(low), Some(high)) => {
            format!("{}<span class='interval'>{} to {}</span>", show(value), show(low), show(high))
        }
        (Some(value), _, _) => show(value),
        (None, _, _) => "–".to_owned(),
    }
}
