//! How large a frame has to be, and by what a JPEG may therefore be reduced while it is decoded.

use crate::input_spec::ImageInputSpec;

/// Frames have at least this many times the pixels a model takes, in both directions: what is left of the way down is the
/// antialiasing resize's, as it is for a frame decoded in full. At 1 more scores move, and further; from 1.5 to 3 they hardly
/// differ (`scripts/bench/decode_quality.py`).
pub const MARGIN: f64 = 1.5;

/// The smallest upright frame that serves the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedSize {
    width: u32,
    height: u32,
}

/// One over this is the size a JPEG is decoded at. Decoders offer other eighths too; they are slower than the full size,
/// which has SIMD code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reduction {
    None = 1,
    Half = 2,
    Quarter = 4,
    Eighth = 8,
}

impl WantedSize {
    /// Every pixel.
    pub const FULL: Self = Self { width: u32::MAX, height: u32::MAX };

    /// A frame no smaller than this in either direction, when the image has so many pixels.
    pub fn at_least(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Enough for each of `inputs`, `margin` times over; at least 1. It does not matter how they treat the aspect ratio: a
    /// square cut out of the frame is as high or as wide as the frame. An infinite margin wants every pixel.
    pub fn for_inputs(inputs: &[ImageInputSpec], margin: f64) -> Self {
        // A float beyond the integer's range becomes its largest value.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is positive")]
        let enough = |side: u32| (f64::from(side) * margin.max(1.0)).ceil() as u32;
        let largest = |side: fn(&ImageInputSpec) -> u32| enough(inputs.iter().map(side).max().unwrap_or(1));
        Self { width: largest(|input| input.resized().0), height: largest(|input| input.resized().1) }
    }

    /// The strongest reduction of an upright `width` x `height` image that leaves enough.
    pub(super) fn reduction(self, width: u32, height: u32) -> Reduction {
        let enough = |by: &Reduction| by.of(width) >= u64::from(self.width) && by.of(height) >= u64::from(self.height);
        [Reduction::Eighth, Reduction::Quarter, Reduction::Half].into_iter().find(enough).unwrap_or(Reduction::None)
    }

    /// For an image that lies on its side.
    pub(super) fn turned(self) -> Self {
        Self { width: self.height, height: self.width }
    }
}

impl Reduction {
    /// What is left of `side`: decoders round up.
    fn of(self, side: u32) -> u64 {
        u64::from(side).div_ceil(self as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::input_spec::Resize;

    fn input(width: u32, height: u32) -> ImageInputSpec {
        ImageInputSpec::plain(width, height, Resize::Stretch)
    }

    #[test]
    fn a_phone_photo_is_reduced_and_a_small_one_is_not() {
        let wanted = WantedSize::for_inputs(&[input(224, 224)], MARGIN);
        assert_eq!(wanted.reduction(4032, 3024), Reduction::Eighth);
        assert_eq!(wanted.reduction(1080, 720), Reduction::Half);
        assert_eq!(wanted.reduction(512, 384), Reduction::None);
    }

    #[test]
    fn the_most_demanding_of_several_models_decides_in_each_direction() {
        let wanted = WantedSize::for_inputs(&[input(224, 100), input(100, 300)], 1.0);
        assert_eq!(wanted, WantedSize::at_least(224, 300));
    }

    #[test]
    fn no_pixel_is_dropped_when_the_full_size_is_wanted() {
        for wanted in [WantedSize::FULL, WantedSize::for_inputs(&[input(1, 1)], f64::INFINITY)] {
            assert_eq!(wanted.reduction(65_535, 65_535), Reduction::None);
        }
    }

    proptest! {
        #[test]
        fn enough_is_left_and_the_next_reduction_would_leave_too_little(
            width in 1_u32..65_536, height in 1_u32..65_536, wanted_width in 1_u32..2000, wanted_height in 1_u32..2000,
        ) {
            let reduction = WantedSize::at_least(wanted_width, wanted_height).reduction(width, height) as u32;
            let suffices = |by: u32| width.div_ceil(by) >= wanted_width && height.div_ceil(by) >= wanted_height;
            prop_assert!(reduction == 1 || suffices(reduction));
            prop_assert!(reduction == 8 || !suffices(2 * reduction));
        }
    }
}
