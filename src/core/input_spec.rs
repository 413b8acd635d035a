//! What a model wants to be fed. The manifest reads it, preprocessing obeys it, and both can therefore only agree.

use serde::Deserialize;

/// How an image becomes a tensor `f32 [3, height, width]`, RGB planes, `(byte - mean) / std`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInputSpec {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// How the aspect ratio is treated.
    pub resize: Resize,
    /// Per channel, in byte units (0 to 255).
    pub mean: [f32; 3],
    /// Per channel, in byte units, above 0.
    pub std: [f32; 3],
}

/// How the aspect ratio is treated. The filter is always antialiased bilinear (Pillow's `BILINEAR`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// The whole image, its aspect ratio given up.
    Stretch,
    /// The largest centred square.
    CenterCrop,
}

/// How a text becomes hashed features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextInputSpec {
    /// Number of hash buckets; feature ids are in [0, buckets).
    pub buckets: u32,
    /// Most tokens of a window: of a passage that is scored on its own. The strongest counts.
    pub window_tokens: usize,
}

/// Version of the feature recipe in `preprocess::text::{passages, features}`. A model trained on another one is refused.
pub const TEXT_FEATURE_VERSION: u32 = 2;
