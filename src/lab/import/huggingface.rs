//! `config.json` and `preprocessor_config.json` as Hugging Face's transformers write them.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::Deserialize;
use wildwarden_core::input_spec::{Filter, Resize};
use wildwarden_core::model::folder::manifest::Holds;

use super::found::{Found, ImageFound};

#[derive(Deserialize)]
struct Config {
    id2label: Option<BTreeMap<String, String>>,
    problem_type: Option<String>,
    max_position_embeddings: Option<usize>,
}

/// Positions that the longest window of a text has, unless the model has fewer.
const MOST_TOKENS: usize = 512;

pub(super) fn config(text: &str) -> anyhow::Result<Found> {
    let Config { id2label, problem_type, max_position_embeddings } = serde_json::from_str(text)?;
    let labels = id2label.unwrap_or_default();
    let named = (0..labels.len()).map(|number| labels.get(&number.to_string()).cloned());
    let labels: Vec<String> = named.collect::<Option<_>>().context("id2label: does not number its labels from 0 on")?;
    let holds = match problem_type.as_deref() {
        Some("multi_label_classification") => Some(Holds::Logits),
        Some("single_label_classification") => Some(Holds::ClassLogits),
        // Transformers' own choice for more than one label.
        _ => (labels.len() > 1).then_some(Holds::ClassLogits),
    };
    // RoBERTa and XLM-R count two positions more than there are.
    let max_length =
        max_position_embeddings.map(|positions| if positions == 514 { 512 } else { positions.min(MOST_TOKENS) });
    Ok(Found { labels, holds, max_length, ..Found::default() })
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
    do_normalize: Option<bool>,
    image_mean: Option<[f64; 3]>,
    image_std: Option<[f64; 3]>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(untagged)]
enum Size {
    Number(u32),
    Shortest { shortest_edge: u32 },
    Sides { height: u32, width: u32 },
}

impl Size {
    fn sides(self) -> (u32, u32) {
        match self {
            Self::Number(side) | Self::Shortest { shortest_edge: side } => (side, side),
            Self::Sides { height, width } => (width, height),
        }
    }
}

pub(super) fn preprocessor(text: &str) -> anyhow::Result<Found> {
    let read: Preprocessor = serde_json::from_str(text)?;
    let crop = read.crop_size.filter(|_| read.do_center_crop.unwrap_or(read.crop_size.is_some()));
    let size = read.size.filter(|_| read.do_resize != Some(false));
    let resize = match (size, crop) {
        (Some(Size::Shortest { shortest_edge } | Size::Number(shortest_edge)), Some(_)) => {
            Some(Resize::ShorterSide(shortest_edge))
        }
        (Some(Size::Shortest { .. }), None) => Some(Resize::CenterCrop),
        (Some(Size::Sides { height, width }), Some(_)) => Some(Resize::StretchTo([width, height])),
        (Some(Size::Sides { .. } | Size::Number(_)), None) => Some(Resize::Stretch),
        (None, _) => None,
    };
    let filter = match read.resample {
        Some(2) => Some(Filter::Bilinear),
        Some(3) => Some(Filter::Bicubic),
        Some(4) => Some(Filter::Area),
        Some(other) => anyhow::bail!("resample: {other}; bilinear (2), bicubic (3) and box (4) are known"),
        None => None,
    };
    let scale = if read.do_rescale == Some(false) { 1.0 } else { read.rescale_factor.unwrap_or(1.0 / 255.0) };
    let in_bytes = |values: [f64; 3]| values.map(|value| value / scale);
    let normalisation = match (read.do_normalize, read.image_mean, read.image_std) {
        (Some(false), ..) | (None, None, None) => ([0.0; 3], [1.0 / scale; 3]),
        (_, mean, std) => (in_bytes(mean.unwrap_or([0.0; 3])), in_bytes(std.unwrap_or([1.0; 3]))),
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
