//! The worst errors as pictures: thumbnails for the page, and one contact sheet a category.

use std::io::Cursor;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::Rgb;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::imageops;
use image::imageops::FilterType;
use wildwarden_core::preprocess::image::DecodeLimits;
use wildwarden_core::preprocess::image::WantedSize;
use wildwarden_core::preprocess::image::decode;

use crate::evaluate::glyphs;
use crate::evaluate::glyphs::Ink;
use crate::evaluate::worst::Worst;
use crate::evaluate::worst::WrongListing;

/// Pixels of a thumbnail's longer side.
pub const THUMBNAIL: u32 = 160;
const COLUMNS: u32 = 6;
const CAPTION: u32 = 18;
const HEADING: u32 = 30;
const GAP: u32 = 8;
const QUALITY: u8 = 82;
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);
const INK: Ink = Ink { colour: [15, 23, 42], opacity: 1.0 };
const BLANK: Ink = Ink { colour: [226, 232, 240], opacity: 1.0 };

/// The picture, at most [`THUMBNAIL`] wide and high. `None`: it does not read or decode.
pub fn thumbnail(path: &Path, limits: DecodeLimits) -> Option<RgbImage> {
    let content = std::fs::read(path).ok()?;
    let picture =
        decode(&content, limits, WantedSize::at_least(THUMBNAIL, THUMBNAIL)).ok()?.frames.into_iter().next()?;
    let (width, height) = picture.dimensions();
    let longest = u64::from(width.max(height).max(1));
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(THUMBNAIL) / longest;
        u32::try_from(side).unwrap_or(THUMBNAIL).clamp(1, THUMBNAIL)
    };
    Some(imageops::resize(&picture, scaled(width), scaled(height), FilterType::Triangle))
}

/// A JPEG file of `picture`.
///
/// # Errors
/// What the encoder says.
pub fn jpeg(picture: &RgbImage) -> Result<Vec<u8>, String> {
    let mut bytes = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(picture).map_err(|cause| cause.to_string())?;
    Ok(bytes.into_inner())
}

/// The picture as a link that holds it.
///
/// # Errors
/// What the encoder says.
pub fn data_uri(picture: &RgbImage) -> Result<String, String> {
    Ok(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg(picture)?)))
}

/// False negatives, then false positives, each with its fused probability below. `None`: there is no error.
pub fn contact_sheet<'a>(worst: &Worst, picture: impl Fn(&WrongListing) -> Option<&'a RgbImage>) -> Option<RgbImage> {
    let blocks = [("FALSE NEGATIVES", &worst.false_negatives), ("FALSE POSITIVES", &worst.false_positives)];
    let (step_x, step_y) = (THUMBNAIL + GAP, THUMBNAIL + CAPTION + GAP);
    let rows = |listings: &[WrongListing]| u32::try_from(listings.len()).unwrap_or(u32::MAX).div_ceil(COLUMNS);
    let filled = blocks.iter().filter(|(_, listings)| !listings.is_empty());
    let height: u32 = filled.map(|(_, listings)| HEADING + rows(listings) * step_y).sum();
    if height == 0 {
        return None;
    }
    let mut sheet = RgbImage::from_pixel(COLUMNS * step_x + GAP, height + GAP, PAPER);
    let mut top = 0;
    for (heading, listings) in blocks.into_iter().filter(|(_, listings)| !listings.is_empty()) {
        glyphs::write(&mut sheet, heading, (i64::from(GAP), i64::from(top + 10)), 3, INK);
        for (place, listing) in (0_u32..).zip(listings) {
            let (x, y) = (GAP + place % COLUMNS * step_x, top + HEADING + place / COLUMNS * step_y);
            match picture(listing) {
                Some(picture) => {
                    let left = x + (THUMBNAIL.saturating_sub(picture.width())) / 2;
                    let above = y + (THUMBNAIL.saturating_sub(picture.height())) / 2;
                    imageops::replace(&mut sheet, picture, i64::from(left), i64::from(above));
                }
                None => {
                    glyphs::fill(&mut sheet, (i64::from(x), i64::from(y)), (THUMBNAIL, THUMBNAIL), BLANK);
                    glyphs::write(&mut sheet, "NO IMAGE", (i64::from(x + 48), i64::from(y + 75)), 2, INK);
                }
            }
            let caption = format!("{:.4}", listing.scores.probability);
            let below = i64::from(y + THUMBNAIL + 4);
            glyphs::write(&mut sheet, &caption, (i64::from(x), below), 2, INK);
        }
        top += HEADING + rows(listings) * step_y;
    }
    Some(sheet)
}
