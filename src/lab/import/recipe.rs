//! How images are usually prepared, by who made the model.

use clap::ValueEnum;
use wildwarden_core::input_spec::{Channels, Filter, Layout, Resize};
use wildwarden_core::model::folder::manifest::Holds;

use super::found::{Found, ImageFound};

/// A usual recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Recipe {
    /// CLIP: the shorter side to 224, bicubic, the middle.
    OpenaiClip,
    /// Keras applications in mode "tf": channels last, -1 to 1, softmax.
    KerasImagenet,
    /// PaddleClas: the shorter side to 256, the middle 224, ImageNet's mean, softmax.
    Paddle,
    /// torchvision classifiers: the shorter side to 256, the middle 224, ImageNet's mean; logits before softmax.
    Torchvision,
    /// EfficientNet-Lite: 224, bicubic, (byte - 127) / 128; logits before softmax.
    EfficientnetLite,
}

/// Mean and deviation that ImageNet's colours have, in byte units.
pub(super) const IMAGENET: ([f64; 3], [f64; 3]) = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]);

impl Recipe {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    pub(super) fn found(self) -> Found {
        let image = |size: u32, resize, filter, layout, normalisation| ImageFound {
            size: Some((size, size)),
            resize: Some(resize),
            filter: Some(filter),
            channels: Some(Channels::Rgb),
            layout: Some(layout),
            normalisation: Some(normalisation),
        };
        let clip = ([122.770_938, 116.746_010, 104.093_736], [68.500_532, 66.632_158, 70.323_163]);
        let (image, holds) = match self {
            Self::OpenaiClip => (image(224, Resize::ShorterSide(224), Filter::Bicubic, Layout::Nchw, clip), None),
            Self::KerasImagenet => {
                let signs = ([127.5; 3], [127.5; 3]);
                (image(224, Resize::Stretch, Filter::Bilinear, Layout::Nhwc, signs), Some(Holds::Softmax))
            }
            Self::Paddle => {
                let resize = Resize::ShorterSide(256);
                (image(224, resize, Filter::Bilinear, Layout::Nchw, IMAGENET), Some(Holds::Softmax))
            }
            Self::Torchvision => {
                let resize = Resize::ShorterSide(256);
                (image(224, resize, Filter::Bilinear, Layout::Nchw, IMAGENET), Some(Holds::ClassLogits))
            }
            Self::EfficientnetLite => {
                let signs = ([127.0; 3], [128.0; 3]);
                (image(224, Resize::CenterCrop, Filter::Bicubic, Layout::Nchw, signs), Some(Holds::ClassLogits))
            }
        };
        Found { image, holds, ..Found::default() }
    }
}
