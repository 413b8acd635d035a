//! What a model wants to be fed. The manifest reads it, preprocessing obeys it, and both can therefore only agree.

use serde::Deserialize;

/// How an image becomes a tensor: `(byte - mean) / std` of each channel, bytes from 0 to 255.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInputSpec {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// How the aspect ratio is treated.
    pub resize: Resize,
    /// How pixels become fewer or more.
    #[serde(default)]
    pub filter: Filter,
    /// Order of the channels.
    #[serde(default)]
    pub channels: Channels,
    /// Order of the axes.
    #[serde(default)]
    pub layout: Layout,
    /// Per channel in their order, in byte units (0 to 255).
    pub mean: [f32; 3],
    /// Per channel in their order, in byte units, above 0.
    pub std: [f32; 3],
}

impl ImageInputSpec {
    /// RGB planes of bytes as they are, by the bilinear filter.
    pub fn plain(width: u32, height: u32, resize: Resize) -> Self {
        let (filter, channels, layout) = (Filter::default(), Channels::default(), Layout::default());
        Self { width, height, resize, filter, channels, layout, mean: [0.0; 3], std: [1.0; 3] }
    }

    /// The sides that the whole picture is brought to before a part is cut out, at the least.
    pub fn resized(&self) -> (u32, u32) {
        match self.resize {
            Resize::ShorterSide(side) => (side.max(self.width), side.max(self.height)),
            Resize::StretchTo([width, height]) => (width, height),
            Resize::Stretch | Resize::CenterCrop | Resize::Letterbox(_) => (self.width, self.height),
        }
    }

    /// Whether its values are the bytes as they are.
    pub fn gives_bytes(&self) -> bool {
        self.mean.iter().all(|mean| mean.abs() < f32::EPSILON)
            && self.std.iter().all(|std| (std - 1.0).abs() < f32::EPSILON)
    }

    /// Sizes of its tensor of `rows` images, in the order of its layout.
    pub fn shape(&self, rows: usize) -> [usize; 4] {
        let (height, width) = (self.height as usize, self.width as usize);
        match self.layout {
            Layout::Nchw => [rows, 3, height, width],
            Layout::Nhwc => [rows, height, width, 3],
        }
    }
}

/// How the aspect ratio is treated. What is cut out is cut out of the middle; half a pixel is rounded towards the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// The whole image, its aspect ratio given up.
    Stretch,
    /// The largest centred part of the wanted aspect ratio, then resized.
    CenterCrop,
    /// The shorter side is brought to so many pixels and the other with it; then width x height is cut out.
    ShorterSide(u32),
    /// Stretched to width and height of its own; then width x height is cut out.
    StretchTo([u32; 2]),
    /// The whole image in its aspect ratio, in the middle of a ground of this colour, RGB.
    Letterbox([u8; 3]),
}

/// The filter, as Pillow has it: antialiased where the picture shrinks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Pillow's `BILINEAR`.
    #[default]
    Bilinear,
    /// Pillow's `BICUBIC`.
    Bicubic,
    /// Mean of the pixels that fall into one: Pillow's `BOX`.
    Area,
}

/// Order of the channels of a pixel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first, as OpenCV and Caffe have it.
    Bgr,
}

/// Order of the axes of a batch of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// `[images, 3, height, width]`.
    #[default]
    Nchw,
    /// `[images, height, width, 3]`, as TensorFlow has it.
    Nhwc,
}

/// How a text becomes hashed features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextInputSpec {
    /// Number of hash buckets; feature ids are in [0, buckets).
    pub buckets: u32,
    /// Most tokens of a window: of a passage that is scored on its own. The strongest counts.
    pub window_tokens: usize,
}

/// How a text becomes the tokens of a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokensInputSpec {
    /// Tokens of a window, special ones included.
    pub max_length: usize,
    /// Tokens that neighbouring windows share.
    pub overlap: usize,
    /// Most windows of a text; of more the first and the last are read.
    pub windows: usize,
    /// What of a text is read.
    pub text: TextForm,
}

/// What of a text is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextForm {
    /// As the caller wrote it.
    #[default]
    Raw,
    /// In one spelling: NFKC, lower case, simplified characters, nothing hidden inside words.
    Normalized,
}

/// Version of the feature recipe in `preprocess::text::{passages, features}`. A model trained on another one is refused.
pub const TEXT_FEATURE_VERSION: u32 = 2;

/// How lines of words are found in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectionSpec {
    /// The longer side of the picture that the model is given, in pixels: a multiple of [`Self::STEP`], and smaller pictures are left
    /// as small as they are.
    pub side: u32,
    /// Probability from which a pixel belongs to a line, in 0 to 1.
    pub pixel: f32,
    /// Mean probability from which a line is one, in 0 to 1.
    pub line: f32,
    /// How much larger a line is than what the model marks of it: its area over its circumference, so many times, on each side.
    pub grow: f32,
}

impl DetectionSpec {
    /// Sides must be multiples of it.
    pub const STEP: u32 = 32;
}

/// How a line is given to the model that reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecognitionSpec {
    /// Pixels.
    pub height: u32,
    /// Pixels that the narrowest line is filled up to.
    pub least_width: u32,
    /// Pixels that the widest line is squeezed to.
    pub most_width: u32,
    /// Mean probability of its characters from which a line counts, in 0 to 1.
    pub confidence: f32,
}
