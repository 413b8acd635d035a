//! libjpeg-turbo, in C with SIMD. It gets pictures of common kinds only, whose size has been checked; on whatever it warns of the
//! tolerant decoder decides, too.

use image::RgbImage;
use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

use super::fast::{Fast, MAX_SCANS};
use super::header::Picture;
use crate::preprocess::image::wanted::Reduction;

pub(super) fn decode(content: &[u8], picture: Picture, reduction: Reduction) -> Option<Fast> {
    let expected = (u32::from(picture.width), u32::from(picture.height));
    decompress(content, |size| size == expected, reduction)
        .map(|(frame, warning)| Fast { frame, damaged: warning.is_some() })
}

/// The picture of a file that has something else between its segments or behind its data, and is whole all the same: the
/// library says that it skipped bytes before a marker, and no more. `admit`: whether its size is allowed.
pub(super) fn decode_around_junk(content: &[u8], admit: impl FnOnce((u32, u32)) -> bool) -> Option<RgbImage> {
    let skipped = |warning: Option<String>| warning.is_none_or(|warning| warning.contains(SKIPPED));
    decompress(content, admit, Reduction::None).and_then(|(frame, warning)| skipped(warning).then_some(frame))
}

/// Whether the data of a picture without an end marker is all there, with something else behind it: closed where the file ends,
/// the library decodes all of it and then skips bytes. Data that is cut makes it warn of its end instead.
pub(super) fn is_all_there(content: &[u8], picture: Picture) -> bool {
    let closed = [content, &[0xFF, 0xD9]].concat();
    let expected = (u32::from(picture.width), u32::from(picture.height));
    let warning = decompress(&closed, |size| size == expected, Reduction::Eighth).map(|(_, warning)| warning);
    warning.is_some_and(|warning| warning.is_some_and(|warning| warning.contains(SKIPPED)))
}

/// What the library says when it skips bytes between segments (its JWRN_EXTRANEOUS_DATA).
const SKIPPED: &str = "extraneous bytes before marker";

/// The frame, and what the library warned of first.
fn decompress(
    content: &[u8],
    admit: impl FnOnce((u32, u32)) -> bool,
    reduction: Reduction,
) -> Option<(RgbImage, Option<String>)> {
    let mut decoder = Decompressor::new().ok()?;
    // Counted before; the library's own count is the one that binds.
    decoder.set_scan_limit(u32::try_from(MAX_SCANS).ok()?).ok()?;
    let header = decoder.read_header(content).ok()?;
    let size = (u32::try_from(header.width).ok()?, u32::try_from(header.height).ok()?);
    let colours = matches!(header.colorspace, Colorspace::RGB | Colorspace::YCbCr | Colorspace::Gray);
    if !admit(size) || !colours || header.is_lossless || header.is_arithmetic {
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
    let warning = decoder.decompress(content, target).err().map(|warning| warning.to_string());
    Some((frame, warning))
}
