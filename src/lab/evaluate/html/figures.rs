//! Figures as cells of a table.

use crate::evaluate::bootstrap::Estimate;

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
