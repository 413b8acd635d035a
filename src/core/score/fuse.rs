//! Logistic stacking of the modalities' calibrated logits (Wolpert 1992), and the shift to the deployment prior
//! (Saerens et al. 2002).

use serde::Deserialize;

use crate::domain::{Logit, Probability};

/// Calibrated logits are cut to this range before fusion: beyond it calibration has seen no data.
pub const LOGIT_BOUND: f64 = 8.0;

/// Largest size of a weight: far beyond what fitting gives, and small enough that no sum leaves the numbers.
const MOST_WEIGHT: f64 = 1000.0;

/// Names of the weights, in the order of [`terms`].
pub const WEIGHT_NAMES: [&str; 6] = ["intercept", "image", "text", "interaction", "missing_image", "missing_text"];

/// What each of [`WEIGHT_NAMES`] is multiplied with; the sum is the fused logit. `None`: that modality did not take part. Training fits
/// weights to these, so what is fitted is what is served.
///
/// A logit counts as no less than its floor, and as no more than [`LOGIT_BOUND`].
pub fn terms(image: Option<Logit>, text: Option<Logit>, image_floor: f64, text_floor: f64) -> [f64; 6] {
    let bound = |logit: Option<Logit>, floor: f64| logit.map_or(0.0, |logit| logit.0.clamp(floor, LOGIT_BOUND));
    let flag = |logit: Option<Logit>| if logit.is_none() { 1.0 } else { 0.0 };
    let (a, b) = (bound(image, image_floor), bound(text, text_floor));
    [1.0, a, b, a * b, flag(image), flag(text)]
}

/// Weights of one category's fusion, each in -1000 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusionWeights {
    /// Constant term.
    pub intercept: f64,
    /// Of the image's logit.
    pub image: f64,
    /// Of the text's logit.
    pub text: f64,
    /// Of the product of both logits.
    pub interaction: f64,
    /// Added when no image took part.
    pub missing_image: f64,
    /// Added when no text took part.
    pub missing_text: f64,
    /// The image's logit counts as no less than this: how far a harmless image may speak against a suspicious text.
    pub image_floor: f64,
    /// The text's logit counts as no less than this. Sellers choose their words, so harmless words must not clear an image.
    pub text_floor: f64,
}

/// The mean of calibrated logits by weight: how several models of one modality become one score. `None`: there are none.
pub fn join(scored: &[(Logit, f64)]) -> Option<Logit> {
    match scored {
        [] => None,
        // As the model gave it, to the last bit.
        [(logit, _)] => Some(*logit),
        several => {
            let weights: f64 = several.iter().map(|(_, weight)| weight).sum();
            Some(Logit(several.iter().map(|(logit, weight)| logit.0 * weight).sum::<f64>() / weights))
        }
    }
}

impl FusionWeights {
    /// Checks that more evidence of either kind never lowers the fused logit, whatever the other says.
    ///
    /// # Errors
    /// What is wrong with the weights, in words.
    pub fn check(&self) -> Result<(), String> {
        if let Some(weight) = self.in_order().iter().find(|weight| !(-MOST_WEIGHT..=MOST_WEIGHT).contains(*weight)) {
            return Err(format!("every weight must be in -{MOST_WEIGHT} to {MOST_WEIGHT}, and {weight} is not"));
        }
        for (key, floor) in [("image_floor", self.image_floor), ("text_floor", self.text_floor)] {
            check_floor(floor).map_err(|problem| format!("{key}: {problem}"))?;
        }
        let least = self.interaction.abs() * LOGIT_BOUND;
        if self.image < least || self.text < least {
            return Err(format!(
                "image ({}) and text ({}) must be at least {LOGIT_BOUND} times the size of interaction ({}): otherwise more evidence could lower the risk",
                self.image, self.text, self.interaction
            ));
        }
        Ok(())
    }

    /// The fused logit at the prior the weights were fitted at. `None`: that modality did not take part.
    pub fn fuse(&self, image: Option<Logit>, text: Option<Logit>) -> Logit {
        let terms = terms(image, text, self.image_floor, self.text_floor);
        Logit(self.in_order().iter().zip(terms).map(|(weight, term)| weight * term).sum())
    }

    /// In the order of [`WEIGHT_NAMES`].
    fn in_order(&self) -> [f64; 6] {
        [self.intercept, self.image, self.text, self.interaction, self.missing_image, self.missing_text]
    }
}

/// Checks what a logit may count as at the least: so much may speak against, and nothing for.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_floor(floor: f64) -> Result<(), String> {
    let inside = (-LOGIT_BOUND..=0.0).contains(&floor);
    if inside { Ok(()) } else { Err(format!("{floor} must be in -{LOGIT_BOUND} to 0")) }
}

/// The same evidence at another prior.
pub fn shift_prior(logit: Logit, from: Probability, to: Probability) -> Logit {
    Logit(logit.0 + to.logit().0 - from.logit().0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights() -> impl Strategy<Value = FusionWeights> {
        let numbers = (-5.0..5.0, 0.2..3.0, 0.2..3.0, -0.3..0.3, -3.0..3.0, -3.0..3.0, -8.0..0.0, -8.0..0.0);
        numbers.prop_map(
            |(intercept, image, text, interaction, missing_image, missing_text, image_floor, text_floor)| {
                FusionWeights {
                    intercept,
                    image,
                    text,
                    interaction,
                    missing_image,
                    missing_text,
                    image_floor,
                    text_floor,
                }
            },
        )
    }

    #[test]
    fn joined_logits_are_their_mean_by_weight_and_one_alone_is_itself() {
        assert_eq!(join(&[]), None);
        assert_eq!(join(&[(Logit(0.3), 0.1)]), Some(Logit(0.3)));
        let joined = join(&[(Logit(2.0), 0.25), (Logit(-2.0), 0.75)]).unwrap();
        assert!((joined.0 - -1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn more_evidence_never_lowers_the_risk(w in weights(), a in -20.0..20.0, b in -20.0..20.0, more in 0.0..5.0) {
            prop_assume!(w.check().is_ok());
            let fused = |a: f64, b: f64| w.fuse(Some(Logit(a)), Some(Logit(b))).0;
            prop_assert!(fused(a + more, b) >= fused(a, b) - 1e-9);
            prop_assert!(fused(a, b + more) >= fused(a, b) - 1e-9);
            prop_assert!(w.fuse(Some(Logit(a + more)), None).0 >= w.fuse(Some(Logit(a)), None).0);
            prop_assert!(w.fuse(None, Some(Logit(b + more))).0 >= w.fuse(None, Some(Logit(b))).0);
        }

        #[test]
        fn what_two_looks_agree_on_no_second_look_moves_against_both(w in weights(), first in -12.0..12.0, second in -12.0..12.0, text in -12.0..12.0, shares in (0.001..1.0, 0.001..1.0)) {
            prop_assume!(w.check().is_ok());
            let joined = join(&[(Logit(first), shares.0), (Logit(second), shares.1)]).unwrap();
            let fused = |image: Logit| w.fuse(Some(image), Some(Logit(text))).0;
            let (low, high) = (fused(Logit(first.min(second))), fused(Logit(first.max(second))));
            prop_assert!(low - 1e-9 <= fused(joined) && fused(joined) <= high + 1e-9);
        }

        #[test]
        fn a_fused_probability_is_a_probability(w in weights(), a in -1e6..1e6, b in -1e6..1e6) {
            let p = w.fuse(Some(Logit(a)), Some(Logit(b))).probability().value();
            prop_assert!((0.0..=1.0).contains(&p));
        }

        #[test]
        fn shifting_to_a_prior_and_back_changes_nothing(logit in -20.0..20.0, from in 0.001..0.999, to in 0.001..0.999) {
            let (from, to) = (Probability::new(from).unwrap(), Probability::new(to).unwrap());
            let there = shift_prior(Logit(logit), from, to);
            prop_assert!((shift_prior(there, to, from).0 - logit).abs() < 1e-9);
        }
    }

    #[test]
    fn weights_that_could_turn_evidence_around_are_refused() {
        let w = FusionWeights {
            intercept: 0.0,
            image: 0.5,
            text: 1.0,
            interaction: -0.1,
            missing_image: 0.0,
            missing_text: 0.0,
            image_floor: -3.0,
            text_floor: -1.5,
        };
        assert!(w.check().unwrap_err().contains("interaction"));
    }
}
