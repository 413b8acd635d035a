//! Platt scaling: a model's logit becomes the logit of a probability that means what it says (Platt 1999).

use crate::domain::Logit;

/// `slope * logit + intercept`, in logits.
pub fn calibrate(logit: Logit, slope: f64, intercept: f64) -> Logit {
    Logit(slope * logit.0 + intercept)
}
