//! Tables.

use std::fmt;

/// Rows of cells that are HTML already.
#[derive(Debug)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<String>,
    left: usize,
}

impl Table {
    /// With these titles of columns; the first column holds names.
    pub fn new<'a>(head: impl IntoIterator<Item = &'a str>) -> Self {
        Self { head: head.into_iter().map(str::to_owned).collect(), rows: Vec::new(), left: 1 }
    }

    /// The first `left` columns hold text.
    pub fn left(self, left: usize) -> Self {
        Self { left, ..self }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: String = cells
            .into_iter()
            .enumerate()
            .map(|(column, cell)| format!("<td class='{}'>{cell}</td>", self.class(column)))
            .collect();
        self.rows.push(format!("<tr>{cells}</tr>"));
    }

    /// A row over all columns.
    pub fn kind(&mut self, name: &str) {
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
