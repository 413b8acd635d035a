//! BMP, with two kinds that the image crate does not read made into ones it does: OS/2's long header, and compressed rows from
//! the top down.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::imageops::flip_vertical_in_place;
use image::metadata::Orientation;

use super::frames::{Cause, DecodeLimits, Still, still};

const FILE_HEADER: usize = 14;
/// Length of the header that every reader knows, and of OS/2's, whose first part is the same.
const WINDOWS_HEADER: u8 = 40;
const OS2_HEADER: u8 = 64;
/// Compressions of both systems: none, and runs of 8 and of 4 bits. OS/2 has others under the numbers that follow.
const RUNS: [u32; 2] = [1, 2];

pub(super) fn decode(content: &[u8], limits: DecodeLimits) -> Result<Still, Cause> {
    let content = with_known_header(content);
    let upright = bottom_up(&content);
    let turned = upright.is_some();
    let content = upright.map_or(content, Cow::Owned);
    let mut picture = still(BmpDecoder::new(Cursor::new(&*content))?, limits, Orientation::NoTransforms)?;
    if turned {
        flip_vertical_in_place(&mut picture.frame);
    }
    Ok(picture)
}

/// The number at `position`, little-endian.
fn number(content: &[u8], position: usize) -> Option<u32> {
    content.get(position..position + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
}

fn put(content: &mut [u8], position: usize, value: u32) {
    if let Some(place) = content.get_mut(position..position + 4) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

/// OS/2's header cut to its first part.
fn with_known_header(content: &[u8]) -> Cow<'_, [u8]> {
    let compression = number(content, FILE_HEADER + 16);
    let is_shared = compression.is_some_and(|compression| compression == 0 || RUNS.contains(&compression));
    let is_long = number(content, FILE_HEADER) == Some(OS2_HEADER.into())
        && content.len() >= FILE_HEADER + usize::from(OS2_HEADER);
    let (Some(data), true) = (number(content, 10), is_shared && is_long) else { return Cow::Borrowed(content) };
    let mut short = content.to_vec();
    short.drain(FILE_HEADER + usize::from(WINDOWS_HEADER)..FILE_HEADER + usize::from(OS2_HEADER));
    put(&mut short, FILE_HEADER, WINDOWS_HEADER.into());
    put(&mut short, 10, data.saturating_sub((OS2_HEADER - WINDOWS_HEADER).into()));
    Cow::Owned(short)
}

/// The same rows as if the first were the lowest; `None`: the picture is not compressed from the top down.
fn bottom_up(content: &[u8]) -> Option<Vec<u8>> {
    let height = number(content, FILE_HEADER + 8)?.cast_signed();
    let is_compressed = RUNS.contains(&number(content, FILE_HEADER + 16)?);
    if number(content, FILE_HEADER)? < u32::from(WINDOWS_HEADER) || height >= 0 || !is_compressed {
        return None;
    }
    let mut turned = content.to_vec();
    put(&mut turned, FILE_HEADER + 8, height.unsigned_abs());
    Some(turned)
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat, RgbImage};

    use super::*;

    const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1_000_000 };

    #[test]
    fn a_long_header_of_os_2_is_read() {
        let picture =
            RgbImage::from_fn(5, 3, |x, y| image::Rgb([if x > 2 { 200 } else { 40 }, if y > 1 { 160 } else { 80 }, 7]));
        let mut plain = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(picture.clone()).write_to(&mut plain, ImageFormat::Bmp).unwrap();
        let mut long = plain.into_inner();
        assert_eq!(number(&long, FILE_HEADER), Some(WINDOWS_HEADER.into()));
        let data = number(&long, 10).unwrap();
        let end = FILE_HEADER + usize::from(WINDOWS_HEADER);
        long.splice(end..end, [0; (OS2_HEADER - WINDOWS_HEADER) as usize]);
        put(&mut long, FILE_HEADER, OS2_HEADER.into());
        put(&mut long, 10, data + u32::from(OS2_HEADER - WINDOWS_HEADER));
        assert_eq!(decode(&long, LIMITS).unwrap().frame, picture);
        for length in 0..long.len() {
            // Cut anywhere it is refused or decoded, and nothing panics.
            drop(decode(&long[..length], LIMITS));
        }
    }

    #[test]
    fn runs_from_the_top_down_come_out_upright() {
        let mut content = b"BM".to_vec();
        let runs = [2, 0, 0, 0, 2, 1, 0, 1];
        for value in [0, 0, 62, 40, 2, (-2_i32).cast_unsigned(), 1 | 8 << 16, 1, 8, 0, 0, 2, 0] {
            content.extend(u32::to_le_bytes(value));
        }
        content.extend([0, 0, 0, 0, 255, 255, 255, 0]);
        content.extend(runs);
        let frame = decode(&content, LIMITS).unwrap().frame;
        assert_eq!((frame.get_pixel(0, 0).0, frame.get_pixel(0, 1).0), ([0; 3], [255; 3]));
    }
}
