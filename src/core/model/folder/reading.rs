//! What manifests of models that find and read words in pictures say besides.

use serde::Deserialize;

use crate::input_spec::DetectionSpec;

/// How lines are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecognitionManifest {
    /// File of the folder with the characters that the model tells apart, one a line, in the order of its columns from the second
    /// on; the last column is the space.
    pub characters: String,
    /// See [`crate::input_spec::RecognitionSpec::least_width`].
    pub least_width: u32,
    /// See [`crate::input_spec::RecognitionSpec::most_width`].
    pub most_width: u32,
    /// See [`crate::input_spec::RecognitionSpec::confidence`].
    pub confidence: f32,
}

impl RecognitionManifest {
    /// Checks its values.
    ///
    /// # Errors
    /// A sentence naming the key, its value and what is allowed.
    pub(super) fn check(&self) -> Result<(), String> {
        let &Self { least_width, most_width, confidence, .. } = self;
        share("recognition.confidence", confidence)?;
        if !(16..=most_width).contains(&least_width) || most_width > 4096 {
            return Err(format!(
                "recognition: least_width {least_width} must be in 16 to most_width, {most_width}, and that at most 4096"
            ));
        }
        Ok(())
    }
}

/// Checks how lines are to be found.
///
/// # Errors
/// A sentence naming the key, its value and what is allowed.
pub(super) fn check_detection(spec: DetectionSpec) -> Result<(), String> {
    let DetectionSpec { side, pixel, line, grow } = spec;
    share("detection.pixel", pixel)?;
    share("detection.line", line)?;
    if !(64..=2048).contains(&side) || side % DetectionSpec::STEP != 0 {
        return Err(format!("detection.side: {side} must be a multiple of {} in 64 to 2048", DetectionSpec::STEP));
    }
    if !(0.0..=4.0).contains(&grow) {
        return Err(format!("detection.grow: {grow} must be in 0 to 4"));
    }
    Ok(())
}

fn share(key: &str, value: f32) -> Result<(), String> {
    let fits = value > 0.0 && value < 1.0;
    if fits { Ok(()) } else { Err(format!("{key}: {value} must be above 0 and below 1")) }
}
