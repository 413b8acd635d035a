//! What manifests of models that find and read words in pictures say besides.

use serde::Deserialize;

use crate::input_spec::{DetectionSpec, RecognitionSpec};
use crate::model::folder::manifest::{Kind, Manifest};

/// How lines are read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecognitionManifest {
    /// File of the folder with the characters that the model tells apart, one a line, in the order of its columns from the second
    /// on; the last column is the space.
    pub characters: String,
    /// See [`RecognitionSpec::least_width`].
    pub least_width: u32,
    /// See [`RecognitionSpec::most_width`].
    pub most_width: u32,
    /// See [`RecognitionSpec::confidence`].
    pub confidence: f32,
}

impl Manifest {
    /// How lines are given to a text recognizer.
    pub fn recognition_spec(&self) -> Option<RecognitionSpec> {
        let recognition = self.recognition.as_ref()?;
        let height = self.inputs.first().and_then(|input| u32::try_from(*input.shape.get(2)?).ok())?;
        let &RecognitionManifest { least_width, most_width, confidence, .. } = recognition;
        Some(RecognitionSpec { height, least_width, most_width, confidence })
    }

    /// Height and width of a made-up input, where the graph of a reader of words leaves them free.
    pub fn reading_sides(&self) -> Option<[usize; 2]> {
        let page = self.detection.map(|detection| [detection.side; 2]);
        let strip = || self.recognition_spec().map(|spec| [spec.height, spec.least_width]);
        page.or_else(strip).map(|sides| sides.map(|side| side as usize))
    }
}

/// Checks what a manifest says of finding and reading words.
///
/// # Errors
/// A sentence naming the key, its value and what is allowed.
pub(super) fn check(manifest: &Manifest) -> Result<(), String> {
    let kind = manifest.kind;
    for (key, given, of) in [
        ("detection", manifest.detection.is_some(), Kind::TextDetector),
        ("recognition", manifest.recognition.is_some(), Kind::TextRecognizer),
    ] {
        if given != (kind == of) {
            return Err(format!("[{key}] is for a {}, which needs it, and this is a {}", of.name(), kind.name()));
        }
    }
    let share = |key: &str, value: f32| {
        let fits = value > 0.0 && value < 1.0;
        if fits { Ok(()) } else { Err(format!("{key}: {value} must be above 0 and below 1")) }
    };
    if let Some(DetectionSpec { side, pixel, line, grow }) = manifest.detection {
        share("detection.pixel", pixel)?;
        share("detection.line", line)?;
        if !(64..=2048).contains(&side) || side % DetectionSpec::STEP != 0 {
            return Err(format!("detection.side: {side} must be a multiple of {} in 64 to 2048", DetectionSpec::STEP));
        }
        if !(0.0..=4.0).contains(&grow) {
            return Err(format!("detection.grow: {grow} must be in 0 to 4"));
        }
    }
    if let Some(RecognitionManifest { least_width, most_width, confidence, .. }) = &manifest.recognition {
        share("recognition.confidence", *confidence)?;
        if !(16..=*most_width).contains(least_width) || *most_width > 4096 {
            return Err(format!(
                "recognition: least_width {least_width} must be in 16 to most_width, {most_width}, and that at most 4096"
            ));
        }
    }
    if manifest.golden.is_some() && matches!(kind, Kind::TextDetector | Kind::TextRecognizer) {
        return Err(format!("golden: a {} has no golden samples", kind.name()));
    }
    Ok(())
}
