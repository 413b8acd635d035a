//! TIFF: its first picture, upright.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::tiff::TiffDecoder;
use image::metadata::Orientation;

use super::frames::{Cause, DecodeLimits, Still, still};

pub(super) fn decode(content: &[u8], limits: DecodeLimits) -> Result<Still, Cause> {
    let mut decoder = TiffDecoder::new(Cursor::new(content))?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    still(decoder, limits, orientation)
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat, RgbImage};

    use super::*;

    const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1_000_000 };
    /// The tag that says which way is up, as the entry of a little-endian directory, without its value.
    const TURNED: &[u8] = b"\x12\x01\x03\x00\x01\x00\x00\x00";

    fn photo() -> (RgbImage, Vec<u8>) {
        let picture =
            RgbImage::from_fn(40, 20, |x, y| image::Rgb([x * 6, y * 12, 9].map(|v| u8::try_from(v).unwrap())));
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(picture.clone()).write_to(&mut bytes, ImageFormat::Tiff).unwrap();
        (picture, bytes.into_inner())
    }

    /// `content` with one more entry in its directory, which then stands at the end.
    fn with_orientation(content: &[u8], orientation: u8) -> Vec<u8> {
        let number = |at: usize| u32::from_le_bytes(content[at..at + 4].try_into().unwrap()) as usize;
        let directory = number(4);
        let entries = usize::from(u16::from_le_bytes(content[directory..directory + 2].try_into().unwrap()));
        let mut entries: Vec<&[u8]> = content[directory + 2..directory + 2 + 12 * entries].chunks(12).collect();
        let turned = [TURNED, &[orientation, 0, 0, 0]].concat();
        entries.push(&turned);
        entries.sort_by_key(|entry| u16::from_le_bytes([entry[0], entry[1]]));
        let mut other = content.to_vec();
        other[4..8].copy_from_slice(&u32::try_from(content.len()).unwrap().to_le_bytes());
        other.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
        entries.iter().for_each(|entry| other.extend(*entry));
        other.extend([0; 4]);
        other
    }

    #[test]
    fn a_picture_comes_out_as_it_went_in_and_upright() {
        let (picture, content) = photo();
        let still = decode(&content, LIMITS).unwrap();
        assert_eq!((still.width, still.height, &still.frame), (40, 20, &picture));
        let turned = decode(&with_orientation(&content, 6), LIMITS).unwrap();
        assert_eq!((turned.width, turned.height), (20, 40));
        assert_eq!(turned.frame.get_pixel(19, 0), picture.get_pixel(0, 0));
    }

    #[test]
    fn a_picture_over_the_limit_and_one_cut_anywhere_are_refused() {
        let (_, content) = photo();
        assert!(matches!(decode(&content, DecodeLimits { max_pixels: 799 }), Err(Cause::TooManyPixels(_))));
        for length in 0..content.len() {
            assert!(decode(&content[..length], LIMITS).is_err(), "cut at {length}");
        }
    }
}
