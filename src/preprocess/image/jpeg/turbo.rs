//! libjpeg-turbo, in C with SIMD. It gets pictures of common kinds only, whose size has been checked; whatever it warns of is
//! left to the tolerant decoder.

use image::RgbImage;
use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

use super::MAX_SCANS;
use super::header::Picture;
use crate::preprocess::image::wanted::Reduction;

pub(super) fn decode(content: &[u8], picture: Picture, reduction: Reduction) -> Option<RgbImage> {
    // A warning is an error here: the caller's other decoder then says what the file is worth.
    let mut decoder = Decompressor::new().ok()?;
    // Counted before; the library's own count is the one that binds.
    decoder.set_scan_limit(u32::try_from(MAX_SCANS).ok()?).ok()?;
    let header = decoder.read_header(content).ok()?;
    let expected = (usize::from(picture.width), usize::from(picture.height));
    let colours = matches!(header.colorspace, Colorspace::RGB | Colorspace::YCbCr | Colorspace::Gray);
    if (header.width, header.height) != expected || !colours || header.is_lossless || header.is_arithmetic {
        return None;
    }
    let factor = match reduction {
        Reduction::None => ScalingFactor::ONE,
        Reduction::Half => ScalingFactor::ONE_HALF,
        Reduction::Quarter => ScalingFactor::ONE_QUARTER,
        Reduction::Eighth => ScalingFactor::ONE_EIGHTH,
    };
    decoder.set_scaling_factor(factor).ok()?;
    let (width, height) = (factor.scale(header.width), factor.scale(header.height));
    let mut frame = RgbImage::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let target = Image { pixels: &mut *frame, width, pitch: width * 3, height, format: PixelFormat::RGB };
    decoder.decompress(content, target).ok()?;
    Some(frame)
}
