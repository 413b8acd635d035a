//! HEIC and AVIF, by libheif: their first picture, which it turns upright itself.

use std::sync::OnceLock;

use image::{RgbImage, RgbaImage};
use libheif_rs::{ColorSpace, DecodingOptions, HeifContext, HeifError, HeifErrorSubCode, LibHeif, RgbChroma};

use super::frames::{BYTES_PER_PIXEL, Cause, DecodeLimits, Still, check_size, over_white};

pub(super) fn decode(content: &[u8], limits: DecodeLimits) -> Result<Still, Cause> {
    // Loads the codecs, which stay.
    static LIBRARY: OnceLock<LibHeif> = OnceLock::new();
    let library = LIBRARY.get_or_init(LibHeif::new);
    let mut context = HeifContext::new()?;
    let mut bounds = context.security_limits();
    bounds.set_max_image_size_pixels(limits.max_pixels);
    let memory = limits.max_pixels.saturating_mul(BYTES_PER_PIXEL);
    bounds.set_max_memory_block_size(memory);
    bounds.set_max_total_memory(memory);
    context.set_security_limits(&bounds)?;
    // A worker is one thread: no decoder starts others.
    context.set_max_decoding_threads(0);
    context.read_bytes(content)?;
    let picture = context.primary_image_handle()?;
    check_size((picture.width(), picture.height()), limits)?;
    let chroma = if picture.has_alpha_channel() { RgbChroma::Rgba } else { RgbChroma::Rgb };
    let options = DecodingOptions::new().map(|mut options| {
        options.set_convert_hdr_to_8bit(true);
        options
    });
    let decoded = library.decode(&picture, ColorSpace::Rgb(chroma), options)?;
    let plane = decoded.planes().interleaved.ok_or_else(|| Cause::Corrupt("the picture has no colours".into()))?;
    let (width, height) = (plane.width, plane.height);
    let channels = if chroma == RgbChroma::Rgba { 4 } else { 3 };
    let row = width as usize * channels;
    let rows = plane.data.chunks(plane.stride.max(1)).take(height as usize);
    let pixels: Vec<u8> = rows.filter_map(|padded| padded.get(..row)).flatten().copied().collect();
    let frame = if channels == 4 {
        RgbaImage::from_raw(width, height, pixels).map(|image| over_white(&image))
    } else {
        RgbImage::from_raw(width, height, pixels)
    };
    let frame = frame.ok_or_else(|| Cause::Corrupt("the picture has fewer rows than it states".into()))?;
    Ok(Still { width, height, frame })
}

impl From<HeifError> for Cause {
    fn from(error: HeifError) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "of hundreds these say more than that it is damaged")]
        match error.sub_code {
            HeifErrorSubCode::EndOfData => Self::Truncated,
            HeifErrorSubCode::SecurityLimitExceeded => Self::TooManyPixels(error.message),
            HeifErrorSubCode::UnsupportedCodec => Self::Unsupported(error.message),
            _ => Self::Corrupt(error.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1_000_000 };

    fn fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/images");
        std::fs::read(format!("{folder}/{name}")).unwrap()
    }

    #[test]
    fn the_scene_of_the_other_formats_is_seen() {
        let png = image::load_from_memory(&fixture("still.png")).unwrap().into_rgb8();
        for name in ["still.heic", "still.avif"] {
            let still = decode(&fixture(name), LIMITS).unwrap();
            assert_eq!((still.width, still.height), png.dimensions(), "{name}");
            let off = still.frame.pixels().zip(png.pixels()).flat_map(|(one, other)| {
                one.0.into_iter().zip(other.0).map(|(one, other)| u64::from(one.abs_diff(other)))
            });
            let mean = off.sum::<u64>() / u64::from(3 * still.width * still.height);
            assert!(mean < 8, "{name}: {mean}");
        }
    }

    #[test]
    fn what_is_too_large_or_cut_is_refused() {
        for name in ["still.heic", "still.avif"] {
            let content = fixture(name);
            assert!(
                matches!(decode(&content, DecodeLimits { max_pixels: 1000 }), Err(Cause::TooManyPixels(_))),
                "{name}"
            );
            for length in (0..content.len()).step_by(97) {
                drop(decode(&content[..length], LIMITS));
            }
            assert!(decode(&content[..content.len() / 2], LIMITS).is_err(), "{name}");
        }
    }
}
