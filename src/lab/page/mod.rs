//! Pages and charts that need nothing else: no script, no font, no file beside them. Knows nothing of what they show.
//!
//! A page is made with [`maud::html`], which shows as text whatever is not said to be markup: words of listings cannot become
//! tags. Said to be markup are, here alone, the style sheet and charts.

pub mod svg;
pub mod table;

use maud::DOCTYPE;
use maud::Markup;
use maud::PreEscaped;
use maud::html;

/// A whole page in a language (BCP 47).
pub fn document(language: &str, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body { main { (body) } }
        }
    }
}

/// Charts beside each other, each above its caption. A chart is what [`svg::chart`] makes, of numbers and the program's own
/// names alone: nobody escapes it.
pub fn charts(charts: &[(String, &str)]) -> Markup {
    html! {
        .charts {
            @for (chart, caption) in charts {
                figure { (PreEscaped(chart)) figcaption { (caption) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use maud::Render;

    use super::*;
    use crate::page::table::Table;

    #[test]
    fn text_of_listings_cannot_become_markup() {
        let text = "<b a='1'>&\"";
        let mut table = Table::new([text]);
        table.row([text]);
        table.heading(text);
        let page =
            document("en", text, &html! { p title=(text) { (table.render()) (charts(&[(String::new(), text)])) } });
        // Attributes stand in double quotes, so a single one ends none.
        assert_eq!(page.into_string().matches("&lt;b a='1'&gt;&amp;&quot;").count(), 6);
    }
}
