//! Figures as cells of a table.

use maud::Markup;
use maud::html;

use crate::evaluate::bootstrap::Estimate;

/// A figure between 0 and 1, its interval below.
pub(super) fn figure(estimate: Estimate) -> Markup {
    cell(estimate, |value| format!("{value:.3}"))
}

/// A share as a percentage.
pub(super) fn share(estimate: Estimate) -> Markup {
    cell(estimate, |value| format!("{:.1} %", 100.0 * value))
}

/// A difference with its sign; bold when its interval leaves 0 out.
pub(super) fn difference(estimate: Estimate) -> Markup {
    let is_clear = estimate.low.is_some_and(|low| low > 0.0) || estimate.high.is_some_and(|high| high < 0.0);
    let cell = cell(estimate, |value| format!("{value:+.3}"));
    if is_clear {
        html! { b { (cell) } }
    } else {
        cell
    }
}

fn cell(estimate: Estimate, show: impl Fn(f64) -> String) -> Markup {
    match (estimate.value, estimate.low, estimate.high) {
        (Some(value), Some(low), Some(high)) => html! {
            (show(value)) span.interval { (show(low)) " to " (show(high)) }
        },
        (Some(value), _, _) => html! { (show(value)) },
        (None, _, _) => html! { "–" },
    }
}
