//! WebP, animated or not, upright.

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{AnimationDecoder, ImageDecoder};

use super::exif;
use super::frames::{Cause, DecodeLimits, GoOn, Parts, Still, admit, animation, area, still};

pub(super) fn decode(content: &[u8], limits: DecodeLimits, go_on: GoOn<'_>) -> Result<Parts, Cause> {
    let decoded = frames(content, limits, go_on);
    if matches!(decoded, Err(Cause::Image(_))) && is_cut(content) { Err(Cause::Truncated) } else { decoded }
}

fn frames(content: &[u8], limits: DecodeLimits, go_on: GoOn<'_>) -> Result<Parts, Cause> {
    let mut decoder = WebPDecoder::new(Cursor::new(content))?;
    let size = admit(&mut decoder, limits)?;
    let stated = decoder.exif_metadata().ok().flatten();
    let orientation = stated.map_or(Orientation::NoTransforms, |data| exif::orientation(&data));
    if !decoder.has_animation() {
        return still(decoder, limits, orientation).map(Still::into_parts);
    }
    Ok(animation(decoder.into_frames(), limits, area(size), go_on)?.turned(orientation))
}

/// Whether the container states more bytes than there are (RFC 9649, section 2.4).
fn is_cut(content: &[u8]) -> bool {
    let stated = content.get(4..8).and_then(<[u8]>::first_chunk::<4>).map(|&bytes| u32::from_le_bytes(bytes));
    stated.is_some_and(|stated| (content.len() as u64) < u64::from(stated) + 8)
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage};

    use super::*;

    const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1_000_000 };

    fn photo() -> Vec<u8> {
        let picture =
            RgbImage::from_fn(40, 20, |x, y| image::Rgb([x * 6, y * 12, 9].map(|v| u8::try_from(v).unwrap())));
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(picture).write_to(&mut bytes, image::ImageFormat::WebP).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_cut_file_is_truncated_and_not_corrupt() {
        let whole = photo();
        assert!(decode(&whole, LIMITS, &|| true).is_ok());
        for share in [30, 50, 90] {
            let cut = &whole[..whole.len() * share / 100];
            assert!(matches!(decode(cut, LIMITS, &|| true), Err(Cause::Truncated)), "{share} %");
        }
    }
}
