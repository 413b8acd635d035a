//! Numbers on the command line.

/// A rate or a time: 0.01 to a million.
pub(super) fn positive_number(text: &str) -> Result<f64, String> {
    number(text, 0.01, 1_000_000.0)
}

pub(super) fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("must be {least} to {most}"))
}
