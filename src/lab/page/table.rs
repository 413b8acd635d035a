//! Tables.

use maud::Markup;
use maud::Render;
use maud::html;

/// Rows of cells.
#[derive(Debug)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Markup>,
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

    /// Adds a row: of texts, or of markup where one of its cells is more than text.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Render>) {
        let row = html! {
            tr {
                @for (column, cell) in cells.into_iter().enumerate() {
                    td class=(self.class(column)) { (cell) }
                }
            }
        };
        self.rows.push(row);
    }

    /// A row over all columns.
    pub fn heading(&mut self, name: &str) {
        self.rows.push(html! { tr.kind { td colspan=(self.head.len()) { (name) } } });
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

impl Render for Table {
    fn render(&self) -> Markup {
        html! {
            .scroll {
                table {
                    thead {
                        tr {
                            @for (column, title) in self.head.iter().enumerate() {
                                th class=(self.class(column)) { (title) }
                            }
                        }
                    }
                    tbody { @for row in &self.rows { (row) } }
                }
            }
        }
    }
}
