//! Versions for tests, made of a few letters.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::catalogue::repository::Version;
use crate::model::folder::manifest::Manifest;

/// A version like `image_encoder/2:64` (the size of the embedding) or `tusk/2:64@3` (made for encoder version 3).
pub fn version(text: &str) -> Arc<Version> {
    let (path, fit) = text.split_once(':').unwrap_or((text, "1280"));
    let (name, version) = path.split_once('/').unwrap();
    let (size, encoder) = fit.split_once('@').map_or((fit, None), |(size, encoder)| (size, Some(encoder)));
    let encoder = encoder.map_or(String::new(), |encoder| format!("encoder = \"{encoder}\""));
    let (kind, inputs, outputs, more) = match name {
        "image_encoder" | "image_encoder_too" => (
            "image_encoder",
            "input\", dtype = \"float32\", shape = [-1, 3, 224, 224".to_owned(),
            format!("embedding\", dtype = \"float32\", shape = [-1, {size}"),
            "image = { width = 224, height = 224, resize = \"stretch\", mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0] }"
                .to_owned(),
        ),
        name => (
            "head",
            format!("embedding\", dtype = \"float32\", shape = [-1, {size}"),
            "logits\", dtype = \"float32\", shape = [-1, 1".to_owned(),
            format!("labels = [{{ name = \"{name}\", category = \"{}\" }}]", name.trim_end_matches("_too")),
        ),
    };
    let toml = format!(
        "name = \"{name}\"\nversion = \"{version}\"\nkind = \"{kind}\"\nfile = \"model.onnx\"\n{encoder}\n\
         inputs = [{{ name = \"{inputs}] }}]\noutputs = [{{ name = \"{outputs}] }}]\n{more}\n\
         [files]\n\"model.onnx\" = \"00\"\n[card]\nsummary = \"\"\nlicence = \"\"\n"
    );
    let manifest = Manifest::parse(Path::new("."), &toml).unwrap();
    let identity = manifest.identity(&toml);
    Arc::new(Version { path: PathBuf::from(path), manifest, identity })
}
