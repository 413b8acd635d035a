//! `inference.yml` as PaddleX and PaddleClas write it beside an exported model.

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use wildwarden_core::input_spec::{Channels, Filter, Layout, Resize};
use wildwarden_core::model::folder::manifest::Holds;

use super::found::{Found, ImageFound};

#[derive(Deserialize)]
struct Inference {
    #[serde(rename = "PreProcess")]
    preparation: Option<Preparation>,
    #[serde(rename = "PostProcess")]
    result: Option<Value>,
}

#[derive(Deserialize)]
struct Preparation {
    #[serde(default)]
    transform_ops: Vec<serde_json::Map<String, Value>>,
}

pub(super) fn inference(text: &str) -> anyhow::Result<Found> {
    let read: Inference =
        serde_saphyr::from_str(text).map_err(|cause| anyhow::anyhow!("is no inference.yml: {cause}"))?;
    let mut image = ImageFound { layout: Some(Layout::Nchw), channels: Some(Channels::Rgb), ..ImageFound::default() };
    for (name, options) in read.preparation.map(|read| read.transform_ops).unwrap_or_default().into_iter().flatten() {
        transform(&mut image, &name, &options).with_context(|| format!("PreProcess.transform_ops: {name}"))?;
    }
    let steps = read.result.as_ref().and_then(Value::as_object);
    let lists = steps.into_iter().flatten().filter_map(|(_, options)| options.get("label_list"));
    let listed = lists.into_iter().next();
    let is_multi_label = steps.is_some_and(|steps| steps.keys().any(|name| name.starts_with("MultiLabel")));
    let labels = listed.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let labels: Vec<String> =
        labels.iter().map(|label| label.as_str().map_or_else(|| label.to_string(), str::to_owned)).collect();
    // Exports of PaddleClas end in a softmax, those of several labels in a sigmoid.
    let holds = Some(if is_multi_label { Holds::Sigmoid } else { Holds::Softmax });
    Ok(Found { image, labels, holds, ..Found::default() })
}

fn transform(image: &mut ImageFound, name: &str, options: &Value) -> anyhow::Result<()> {
    let number = |key: &str| options.get(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let sides = |key: &str| match options.get(key) {
        Some(Value::Array(sides)) => {
            let side =
                |place: usize| sides.get(place).and_then(Value::as_u64).and_then(|side| u32::try_from(side).ok());
            side(0).zip(side(1))
        }
        _ => number(key).map(|side| (side, side)),
    };
    let three = |key: &str, usual: f64| -> [f64; 3] {
        let given = options.get(key).and_then(Value::as_array);
        std::array::from_fn(|place| given.and_then(|given| given.get(place)).and_then(Value::as_f64).unwrap_or(usual))
    };
    match name {
        "ResizeImage" => {
            let size = sides("size");
            image.size = size.or(image.size);
            image.resize = match (number("resize_short"), size) {
                (Some(side), _) => Some(Resize::ShorterSide(side)),
                (None, Some(_)) => Some(Resize::Stretch),
                (None, None) => image.resize,
            };
            image.filter = match options.get("interpolation").and_then(Value::as_str) {
                Some("bicubic") => Some(Filter::Bicubic),
                Some("area") => Some(Filter::Area),
                _ => Some(Filter::Bilinear),
            };
        }
        "DecodeImage" => {
            let is_bgr = options.get("to_rgb").and_then(Value::as_bool) == Some(false)
                || options.get("img_mode").and_then(Value::as_str) == Some("BGR");
            image.channels = Some(if is_bgr { Channels::Bgr } else { Channels::Rgb });
        }
        "CropImage" => {
            if let (Some(Resize::Stretch), Some((width, height))) = (image.resize, image.size) {
                image.resize = Some(Resize::StretchTo([width, height]));
            }
            image.size = sides("size").or(image.size);
        }
        "NormalizeImage" => {
            let scale = match options.get("scale") {
                Some(Value::String(text)) => fraction(text).with_context(|| format!("scale: {text:?} is no number"))?,
                Some(value) => value.as_f64().unwrap_or(1.0 / 255.0),
                None => 1.0 / 255.0,
            };
            let in_bytes = |values: [f64; 3]| values.map(|value| value / scale);
            image.normalisation = Some((in_bytes(three("mean", 0.0)), in_bytes(three("std", 1.0))));
        }
        _ => {}
    }
    Ok(())
}

/// `1.0/255.0` or a number alone.
fn fraction(text: &str) -> Option<f64> {
    let number = |text: &str| text.trim().trim_end_matches('.').parse::<f64>().ok().filter(|number| *number > 0.0);
    match text.split_once('/') {
        Some((above, below)) => Some(number(above)? / number(below)?),
        None => number(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_of_paddleclas_is_read() {
        let text = "PreProcess:\n  transform_ops:\n  - ResizeImage:\n      resize_short: 256\n  - CropImage:\n      size: 224\n  \
                    - NormalizeImage:\n      channel_num: 3\n      mean: [0.5, 0.5, 0.5]\n      std: [0.25, 0.25, 0.25]\n      \
                    scale: 1.0/255.0\n  - ToCHWImage: null\nPostProcess:\n  Topk:\n    topk: 5\n    label_list:\n    - 象牙\n    - 2\n";
        let found = inference(text).unwrap();
        assert_eq!((found.image.size, found.image.resize), (Some((224, 224)), Some(Resize::ShorterSide(256))));
        assert_eq!(found.image.normalisation, Some(([127.5; 3], [63.75; 3])));
        assert_eq!(found.labels, ["象牙", "2"]);
        assert!(inference("PreProcess: [1").is_err());
    }
}
