//! `config.json` and `preprocessor_config.json` as Hugging Face's transformers write them.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;
use serde::de::IgnoredAny;
use wildwarden_core::input_spec::{Filter, Resize};
use wildwarden_core::model::folder::manifest::Holds;

use super::found::{Found, ImageFound};

#[derive(Deserialize)]
struct Config {
    id2label: Option<BTreeMap<String, String>>,
    problem_type: Option<String>,
    model_type: Option<String>,
    max_position_embeddings: Option<usize>,
}

/// Positions that the longest window of a text has, unless the model has fewer.
const MOST_TOKENS: usize = 512;

pub(super) fn config(text: &str) -> anyhow::Result<Found> {
    let Config { id2label, problem_type, model_type, max_position_embeddings } = serde_json::from_str(text)?;
    let labels = id2label.unwrap_or_default();
    let named = (0..labels.len()).map(|number| labels.get(&number.to_string()).cloned());
    let labels: Vec<String> = named.collect::<Option<_>>().context("id2label: does not number its labels from 0 on")?;
    let holds = match problem_type.as_deref() {
        Some("multi_label_classification") => Some(Holds::Logits),
        Some("single_label_classification") => Some(Holds::ClassLogits),
        // Transformers' own choice for more than one label.
        _ => (labels.len() > 1).then_some(Holds::ClassLogits),
    };
    // These count from two on.
    let is_late = model_type.is_some_and(|name| ["roberta", "xlm-roberta", "camembert"].contains(&name.as_str()));
    let before = if is_late || max_position_embeddings == Some(514) { 2 } else { 0 };
    let max_length = max_position_embeddings.map(|positions| positions.saturating_sub(before).min(MOST_TOKENS));
    Ok(Found { labels, holds, max_length, ..Found::default() })
}

pub(super) fn tokenizer_config(text: &str) -> anyhow::Result<Found> {
    #[derive(Deserialize)]
    struct Tokenizer {
        model_max_length: Option<f64>,
    }
    let Tokenizer { model_max_length } = serde_json::from_str(text)?;
    // Without a limit it is a number of thirty digits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
    let max_length =
        model_max_length.filter(|most| (4.0..=2048.0).contains(most)).map(|most| (most as usize).min(MOST_TOKENS));
    Ok(Found { max_length, ..Found::default() })
}

#[derive(Deserialize)]
struct Preprocessor {
    #[serde(default)]
    do_resize: Option<bool>,
    size: Option<Size>,
    #[serde(default)]
    do_center_crop: Option<bool>,
    crop_size: Option<Size>,
    resample: Option<u32>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    rescale_offset: Option<bool>,
    crop_pct: Option<f64>,
    do_normalize: Option<bool>,
    image_mean: Option<[f64; 3]>,
    image_std: Option<[f64; 3]>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(untagged)]
enum Size {
    Number(u32),
    Shortest {
        shortest_edge: u32,
    },
    Sides {
        height: u32,
        width: u32,
    },
    /// Stated in a way that none here is: said by the graph, or left to be filled in.
    Other(IgnoredAny),
}

impl Size {
    fn sides(self) -> (u32, u32) {
        match self {
            Self::Number(side) | Self::Shortest { shortest_edge: side } => (side, side),
            Self::Sides { height, width } => (width, height),
            Self::Other(_) => (224, 224),
        }
    }
}

pub(super) fn preprocessor(text: &str) -> anyhow::Result<Found> {
    let read: Preprocessor = serde_json::from_str(text)?;
    let crop = read.crop_size.filter(|_| read.do_center_crop.unwrap_or(read.crop_size.is_some()));
    let is_known = |size: &Size| !matches!(size, Size::Other(_));
    let crop = crop.filter(is_known);
    let size = read.size.filter(is_known).filter(|_| read.do_resize != Some(false));
    let resize = match (size, crop) {
        (Some(Size::Shortest { shortest_edge } | Size::Number(shortest_edge)), Some(_)) => {
            Some(Resize::ShorterSide(shortest_edge))
        }
        (Some(Size::Shortest { .. }), None) => Some(Resize::CenterCrop),
        (Some(Size::Sides { height, width }), Some(_)) => Some(Resize::StretchTo([width, height])),
        (Some(Size::Sides { .. } | Size::Number(_)), None) => Some(Resize::Stretch),
        (None | Some(Size::Other(_)), _) => None,
    };
    // ConvNeXt cuts this share out of the middle of small pictures.
    let resize = match (read.crop_pct, size) {
        (Some(share), Some(Size::Shortest { shortest_edge: side } | Size::Number(side)))
            if side < 384 && share > 0.25 =>
        {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most four times 384")]
            let whole = (f64::from(side) / share) as u32;
            Some(Resize::ShorterSide(whole.max(side)))
        }
        _ => resize,
    };
    let filter = match read.resample {
        Some(2) => Some(Filter::Bilinear),
        Some(3) => Some(Filter::Bicubic),
        Some(4) => Some(Filter::Area),
        Some(other) => anyhow::bail!("resample: {other}; bilinear (2), bicubic (3) and box (4) are known"),
        None => None,
    };
    let scale = if read.do_rescale == Some(false) { 1.0 } else { read.rescale_factor.unwrap_or(1.0 / 255.0) };
    anyhow::ensure!(scale.is_finite() && scale > 0.0, "rescale_factor: {scale} must be above 0");
    // EfficientNet's are between -1 and 1 before the mean is taken off.
    let offset = if read.rescale_offset == Some(true) { 1.0 } else { 0.0 };
    let in_bytes = |values: [f64; 3]| values.map(|value| value / scale);
    let normalisation = match (read.do_normalize, read.image_mean, read.image_std) {
        (Some(false), ..) | (None, None, None) => (in_bytes([offset; 3]), in_bytes([1.0; 3])),
        (_, mean, std) => {
            let mean = mean.unwrap_or([0.0; 3]).map(|mean| mean + offset);
            (in_bytes(mean), in_bytes(std.unwrap_or([1.0; 3])))
        }
    };
    let image = ImageFound {
        size: crop.or(size).map(Size::sides),
        resize,
        filter,
        normalisation: Some(normalisation),
        ..ImageFound::default()
    };
    Ok(Found { image, ..Found::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preprocessor_of_clip_and_one_of_vit_are_read() {
        let clip = r#"{"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_normalize": true, "do_resize": true,
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25], "resample": 3, "size": {"shortest_edge": 224}}"#;
        let image = preprocessor(clip).unwrap().image;
        assert_eq!((image.size, image.resize), (Some((224, 224)), Some(Resize::ShorterSide(224))));
        assert_eq!((image.filter, image.normalisation), (Some(Filter::Bicubic), Some(([127.5; 3], [63.75; 3]))));
        let vit = r#"{"do_normalize": false, "do_resize": true, "resample": 2, "size": {"height": 384, "width": 200}}"#;
        let image = preprocessor(vit).unwrap().image;
        assert_eq!((image.size, image.resize), (Some((200, 384)), Some(Resize::Stretch)));
        assert_eq!(image.normalisation, Some(([0.0; 3], [255.0; 3])));
        assert!(preprocessor(r#"{"resample": 1}"#).unwrap_err().to_string().contains("resample: 1"));
    }

    #[test]
    fn labels_are_in_the_order_of_their_numbers() {
        let found = config(
            r#"{"id2label": {"10": "k", "0": "a", "1": "b", "2": "c", "3": "d", "4": "e", "5": "f", "6": "g", "7": "h",
            "8": "i", "9": "j"}, "max_position_embeddings": 514}"#,
        );
        let found = found.unwrap();
        assert_eq!(found.labels.join(""), "abcdefghijk");
        assert_eq!((found.holds, found.max_length), (Some(Holds::ClassLogits), Some(512)));
        assert!(config(r#"{"id2label": {"1": "a"}}"#).is_err());
    }
}
