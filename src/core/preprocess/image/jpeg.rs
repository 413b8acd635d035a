//! JPEG, decoded at the size needed. What the fast decoder does not take, the tolerant one decides on in full size.

mod fast;
mod header;
#[cfg(any(test, not(feature = "libjpeg-turbo")))]
mod portable;
#[cfg(feature = "libjpeg-turbo")]
mod turbo;

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::imageops::{FilterType, resize};
use image::metadata::Orientation;
use image::{DynamicImage, ImageError, RgbImage};

use super::frames::{Cause, DecodeLimits, Doubt, Frames, Parts, Still, check_size, still};
use super::wanted::WantedSize;
use fast::{Fast, MAX_SCANS};
use header::{Header, Picture};
#[cfg(not(feature = "libjpeg-turbo"))]
use portable as decoder;
#[cfg(feature = "libjpeg-turbo")]
use turbo as decoder;

/// Scans of a picture that has all the pixels allowed: each goes over all of them.
const MAX_SCANS_AT_PIXEL_LIMIT: u64 = 16;

/// Parts of a picture along each side, and the mean difference, in byte units, from which two pictures of a part are two.
const TILES: u64 = 8;
const DIFFERENT: u64 = 24;

pub(super) fn decode(content: &[u8], limits: DecodeLimits, wanted: WantedSize) -> Result<Parts, Cause> {
    let header = Header::read(content)?;
    // Decoders fill what is missing with grey and say nothing, so the end marker is checked here.
    let scans = header.scans(content);
    if header.scan.is_some() && !scans.ended {
        // Some phones write their own data in the end marker's place.
        let within = |picture: &Picture| check_size((picture.width.into(), picture.height.into()), limits).is_ok();
        let whole = |picture: &Picture| within(picture) && is_all_there(content, *picture, scans);
        return match header.picture.filter(whole) {
            Some(picture) => around_junk(&[content, &[0xFF, 0xD9]].concat(), &header, limits)
                .map(Still::into_parts)
                .ok_or_else(|| Cause::Corrupt(format!("{}x{} without an end marker", picture.width, picture.height))),
            None => Err(Cause::Truncated),
        };
    }
    let most = max_scans(header.picture, limits);
    if scans.count > most {
        return Err(Cause::Corrupt(format!("more than {most} scans")));
    }
    if let Some(process) = header.picture.and_then(|picture| picture.unreadable_process()) {
        return Err(Cause::Unsupported(format!("JPEG with {process} coding")));
    }
    if let Some(picture) = header.picture
        && picture.is_common()
    {
        let size = (u32::from(picture.width), u32::from(picture.height));
        check_size(size, limits)?;
        let turned = lies_on_its_side(header.orientation);
        let wanted = if turned { wanted.turned() } else { wanted };
        if let Some(Fast { frame, damaged }) = decoder::decode(content, picture, wanted.reduction(size.0, size.1)) {
            let mut image = DynamicImage::ImageRgb8(frame);
            image.apply_orientation(header.orientation);
            let frame = image.into_rgb8();
            if damaged {
                return tolerant(content, &header, limits).map(|still| beside(still, frame));
            }
            let (width, height) = if turned { (size.1, size.0) } else { size };
            return Ok(Still { width, height, frame }.into_parts());
        }
    }
    tolerant(content, &header, limits).map(Still::into_parts)
}

fn tolerant(content: &[u8], header: &Header, limits: DecodeLimits) -> Result<Still, Cause> {
    let tolerant = JpegDecoder::new(Cursor::new(content)).map_err(Cause::from);
    let tolerant = tolerant.and_then(|decoder| still(decoder, limits, header.orientation));
    match tolerant {
        Err(Cause::Image(ImageError::Decoding(cause))) => {
            around_junk(content, header, limits).ok_or(Cause::Image(ImageError::Decoding(cause)))
        }
        decided => decided,
    }
}

/// What the tolerant decoder makes of a damaged file and, where that is another picture, what the fast one does.
fn beside(still: Still, other: RgbImage) -> Parts {
    let frame = resize(&still.frame, other.width(), other.height(), FilterType::Triangle);
    if !differ(&frame, &other) {
        return still.into_parts();
    }
    ((still.width, still.height), Frames { frames: vec![frame, other], doubt: Some(Doubt::Damaged) })
}

/// Whether a part of two pictures of equal size shows something else: decoders of the same data differ by a few units.
fn differ(a: &RgbImage, b: &RgbImage) -> bool {
    let place = |at: u32, side: u32| u64::from(at) * TILES / u64::from(side.max(1));
    let mut tiles = std::collections::BTreeMap::<(u64, u64), (u64, u64)>::new();
    for ((x, y, pixel), other) in a.enumerate_pixels().zip(b.pixels()) {
        let (sum, count) = tiles.entry((place(x, a.width()), place(y, a.height()))).or_default();
        *sum += pixel.0.iter().zip(other.0).map(|(&a, b)| u64::from(a.abs_diff(b))).sum::<u64>();
        *count += 3;
    }
    tiles.values().any(|(sum, count)| *sum > DIFFERENT * count)
}

/// A baseline picture's data is all there though no end marker is.
#[cfg(feature = "libjpeg-turbo")]
fn is_all_there(content: &[u8], picture: Picture, scans: header::Scans) -> bool {
    picture.is_common() && scans.count == 1 && turbo::is_all_there(content, picture)
}

/// Only libjpeg-turbo tells.
#[cfg(not(feature = "libjpeg-turbo"))]
fn is_all_there(_: &[u8], _: Picture, _: header::Scans) -> bool {
    false
}

/// What libjpeg-turbo makes of a picture with junk between its segments, in full size.
#[cfg(feature = "libjpeg-turbo")]
fn around_junk(content: &[u8], header: &Header, limits: DecodeLimits) -> Option<Still> {
    let frame = turbo::decode_around_junk(content, |size| check_size(size, limits).is_ok())?;
    let mut image = DynamicImage::ImageRgb8(frame);
    image.apply_orientation(header.orientation);
    Some(Still { width: image.width(), height: image.height(), frame: image.into_rgb8() })
}

#[cfg(not(feature = "libjpeg-turbo"))]
fn around_junk(_: &[u8], _: &Header, _: DecodeLimits) -> Option<Still> {
    None
}

fn max_scans(picture: Option<Picture>, limits: DecodeLimits) -> usize {
    let pixels = picture.map_or(u64::MAX, |picture| u64::from(picture.width) * u64::from(picture.height));
    let affordable = MAX_SCANS_AT_PIXEL_LIMIT.saturating_mul(limits.max_pixels) / pixels.max(1);
    usize::try_from(affordable.clamp(MAX_SCANS_AT_PIXEL_LIMIT, MAX_SCANS)).unwrap_or(usize::MAX)
}

fn lies_on_its_side(orientation: Orientation) -> bool {
    use Orientation::{
        FlipHorizontal, FlipVertical, NoTransforms, Rotate90, Rotate90FlipH, Rotate180, Rotate270, Rotate270FlipH,
    };
    match orientation {
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH => true,
        NoTransforms | Rotate180 | FlipHorizontal | FlipVertical => false,
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::preprocess::image::wanted::Reduction;

    const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1_000_000 };
    const REDUCTIONS: [Reduction; 4] = [Reduction::None, Reduction::Half, Reduction::Quarter, Reduction::Eighth];

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/images/").to_owned() + name).unwrap()
    }

    /// Mean absolute difference, in byte units.
    fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
        assert_eq!(a.dimensions(), b.dimensions());
        a.iter().zip(b.iter()).map(|(&a, &b)| f64::from(a.abs_diff(b))).sum::<f64>() / a.len() as f64
    }

    type Decode = fn(&[u8], Picture, Reduction) -> Option<Fast>;

    fn decoders() -> Vec<Decode> {
        vec![
            portable::decode,
            #[cfg(feature = "libjpeg-turbo")]
            turbo::decode,
        ]
    }

    #[test]
    fn a_reduced_frame_shows_what_the_resized_full_one_does() {
        for name in ["still.jpg", "progressive.jpg", "grey.jpg", "tusk.jpg", "rendered/bangle.jpg"] {
            let content = fixture(name);
            let picture = Header::read(&content).unwrap().picture.unwrap();
            let decoder = JpegDecoder::new(Cursor::new(&content)).unwrap();
            let full = still(decoder, LIMITS, Orientation::NoTransforms).unwrap().frame;
            for decoder in decoders() {
                for reduction in REDUCTIONS {
                    // The decoder in Rust leaves the full size to the other one.
                    let Some(Fast { frame, .. }) = decoder(&content, picture, reduction) else {
                        assert_eq!(reduction, Reduction::None, "{name}");
                        continue;
                    };
                    assert_eq!(frame.width(), full.width().div_ceil(reduction as u32), "{name}");
                    let resized = resize(&full, frame.width(), frame.height(), FilterType::Triangle);
                    let off = difference(&frame, &resized);
                    assert!(off < 4.0, "{name} {reduction:?}: off by {off}");
                }
            }
        }
    }

    #[test]
    fn every_orientation_is_upright_at_reduced_size_and_reports_the_size_that_was_sent() {
        let (upright, _) = decode(&fixture("exif_1.jpg"), LIMITS, WantedSize::FULL).unwrap();
        // Wider than high, so that a side taken for the other would reduce less or too much.
        let (width, height) = (upright.0.div_ceil(2), upright.1.div_ceil(2));
        let wanted = WantedSize::at_least(width, height);
        let reduced = decode(&fixture("exif_1.jpg"), LIMITS, wanted).unwrap();
        for number in 1..=8 {
            let found = decode(&fixture(&format!("exif_{number}.jpg")), LIMITS, wanted).unwrap();
            assert_eq!(found.0, upright, "{number}");
            assert_eq!(found.1.frames[0].dimensions(), (width, height), "{number}");
            let off = difference(&found.1.frames[0], &reduced.1.frames[0]);
            assert!(off < 4.0, "{number}: off by {off}");
        }
    }

    #[test]
    fn thousands_of_scans_are_refused_before_decoding() {
        let mut content = fixture("progressive.jpg");
        let start = content.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
        let length = content[start + 2..].windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap() + 2;
        let scan = content[start..start + length].to_vec();
        let at = content.len() - 2;
        content.splice(at..at, std::iter::repeat_n(scan, 5000).flatten());
        let Err(Cause::Corrupt(message)) = decode(&content, LIMITS, WantedSize::FULL) else { panic!("decoded") };
        assert!(message.contains("100 scans"), "{message}");
        // 320x240: the fewest scans when no more pixels are allowed.
        let limits = DecodeLimits { max_pixels: 320 * 240 };
        let Err(Cause::Corrupt(message)) = decode(&content, limits, WantedSize::FULL) else { panic!("decoded") };
        assert!(message.contains("16 scans"), "{message}");
        assert!(decode(&fixture("progressive.jpg"), limits, WantedSize::FULL).is_ok());
    }

    #[test]
    fn a_video_behind_the_picture_is_no_part_of_it() {
        let mut content = fixture("still.jpg");
        content.extend([0xFF, 0xDA, 0x00, 0x02].repeat(5000));
        assert!(decode(&content, LIMITS, WantedSize::FULL).is_ok());
    }

    #[test]
    fn junk_between_segments_does_not_hide_that_the_file_is_cut() {
        let mut content = fixture("still.jpg");
        content.splice(2..2, [1, 2, 3, 0xFF, 0x00, 4]);
        assert!(decode(&content, LIMITS, WantedSize::FULL).is_ok());
        content.truncate(content.len() * 2 / 3);
        assert!(matches!(decode(&content, LIMITS, WantedSize::FULL), Err(Cause::Truncated)));
    }

    #[test]
    fn the_first_of_two_orientations_counts() {
        let (six, one) = (fixture("exif_6.jpg"), fixture("exif_1.jpg"));
        let segment = |content: &[u8]| {
            let at = content.windows(2).position(|pair| pair == [0xFF, 0xE1]).unwrap();
            let length = usize::from(u16::from_be_bytes([content[at + 2], content[at + 3]]));
            content[at..at + 2 + length].to_vec()
        };
        let mut both = six.clone();
        let at = both.windows(2).position(|pair| pair == [0xFF, 0xE1]).unwrap() + segment(&six).len();
        both.splice(at..at, segment(&one));
        let found = decode(&both, LIMITS, WantedSize::FULL).unwrap();
        let expected = decode(&six, LIMITS, WantedSize::FULL).unwrap();
        assert_eq!(found.1.frames, expected.1.frames);
    }

    #[test]
    fn arithmetic_coding_is_an_unsupported_format() {
        let mut content = fixture("still.jpg");
        let at = content.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        content[at + 1] = 0xC9;
        let Err(Cause::Unsupported(message)) = decode(&content, LIMITS, WantedSize::FULL) else { panic!("decoded") };
        assert!(message.contains("arithmetic"), "{message}");
    }

    #[test]
    fn the_pixel_limit_holds_before_decoding_at_any_size() {
        let content = fixture("still.jpg");
        let limits = DecodeLimits { max_pixels: 100 };
        for wanted in [WantedSize::FULL, WantedSize::at_least(1, 1)] {
            assert!(matches!(decode(&content, limits, wanted), Err(Cause::TooManyPixels(_))));
        }
    }

    /// The same numbers in every run (SplitMix64; Steele et al. 2014).
    fn next(state: &mut u64) -> usize {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 16).unwrap()
    }

    #[test]
    fn damaged_bytes_are_refused_only_when_the_tolerant_decoder_refuses_them_too() {
        let mut state = 1;
        let (mut decoded, mut doubted) = (0, 0);
        for name in ["still.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "exif_6.jpg"] {
            let whole = fixture(name);
            for round in 0..120 {
                let mut content = whole.clone();
                for _ in 0..=next(&mut state) % 6 {
                    let at = next(&mut state) % content.len();
                    match round % 3 {
                        0 => content[at] ^= 1 << (next(&mut state) % 8),
                        1 => content[at] = [0x00, 0xFF, 0xD9, 0xDA][next(&mut state) % 4],
                        _ => drop(content.drain(at..(at + next(&mut state) % 40).min(content.len()))),
                    }
                }
                let tolerant = || still(JpegDecoder::new(Cursor::new(&content))?, LIMITS, Orientation::NoTransforms);
                for wanted in [WantedSize::FULL, WantedSize::at_least(16, 16)] {
                    // A panic is an error of its own to the caller; see `super::super::decode`.
                    let Ok(found) = catch_unwind(AssertUnwindSafe(|| decode(&content, LIMITS, wanted))) else {
                        continue;
                    };
                    match found {
                        Ok((size, found)) => {
                            decoded += 1;
                            doubted += usize::from(found.doubt.is_some());
                            let sizes: Vec<_> = found.frames.iter().map(RgbImage::dimensions).collect();
                            assert!(sizes.iter().all(|other| *other == sizes[0] && other.0 > 0 && other.0 <= size.0));
                            assert_eq!(found.frames.len(), 1 + usize::from(found.doubt.is_some()));
                        }
                        Err(Cause::Image(_)) => assert!(tolerant().is_err(), "{name} {round}"),
                        Err(Cause::Truncated | Cause::Corrupt(_) | Cause::TooManyPixels(_) | Cause::Unsupported(_)) => {
                        }
                    }
                }
            }
        }
        assert!(decoded > 200, "only {decoded} decoded: the damage is too heavy to test anything");
        if cfg!(feature = "libjpeg-turbo") {
            assert!(doubted > 10 && doubted < decoded, "{doubted} of {decoded} are pictures that decoders differ on");
        }
    }
}
