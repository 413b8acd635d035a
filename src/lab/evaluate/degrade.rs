//! Pictures made worse, the way listings are: `--stress` rates degraded copies. Deterministic.

use std::io::Cursor;

use image::ImageFormat;
use image::Rgb;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use image::imageops;
use image::imageops::FilterType;

use crate::evaluate::glyphs;
use crate::evaluate::glyphs::Ink;

/// What is done to a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Degradation {
    /// Saved as JPEG of quality 30.
    Jpeg30,
    /// A quarter of the light.
    Dark,
    /// Gaussian blur with a sigma of 1.5 % of the short side.
    Blur,
    /// Short side of 96 pixels.
    Small96,
    /// A grid and slanted rows of half-transparent words.
    Watermark,
    /// 35 % of the size, on a plain ground.
    SmallObject,
    /// Four times, two by two.
    Collage,
}

const DARK_FACTOR: f32 = 0.25;
const BLUR_SHARE: f32 = 0.015;
const SMALL_SIDE: u32 = 96;
const OBJECT_SHARE: f32 = 0.35;
const GROUND: Rgb<u8> = Rgb([214, 210, 202]);
const MARK: &str = "SAMPLE IMAGE";
const MARK_INK: Ink = Ink { colour: [255; 3], opacity: 0.45 };

impl Degradation {
    /// Every one.
    pub const ALL: [Self; 7] =
        [Self::Jpeg30, Self::Dark, Self::Blur, Self::Small96, Self::Watermark, Self::SmallObject, Self::Collage];

    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg30 => "jpeg_30",
            Self::Dark => "dark",
            Self::Blur => "blur",
            Self::Small96 => "small_96",
            Self::Watermark => "watermark",
            Self::SmallObject => "small_object",
            Self::Collage => "collage",
        }
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Jpeg30 => "JPEG quality 30",
            Self::Dark => "dark: a quarter of the light",
            Self::Blur => "Gaussian blur, sigma 1.5 % of the short side",
            Self::Small96 => "short side 96 pixels",
            Self::Watermark => "watermark: words and grid",
            Self::SmallObject => "small object: 35 % of the size on a plain ground",
            Self::Collage => "collage: four copies, two by two",
        }
    }

    /// The degraded picture as a file: PNG, so that nothing else is lost, but for [`Self::Jpeg30`].
    ///
    /// # Errors
    /// What the encoder says.
    pub fn apply(self, picture: &RgbImage) -> Result<Vec<u8>, String> {
        let mut bytes = Cursor::new(Vec::new());
        let outcome = match self {
            Self::Jpeg30 => JpegEncoder::new_with_quality(&mut bytes, 30).encode_image(picture),
            Self::Dark => dark(picture).write_to(&mut bytes, ImageFormat::Png),
            Self::Blur => {
                let sigma = (short_side(picture) as f32 * BLUR_SHARE).max(0.5);
                imageops::fast_blur(picture, sigma).write_to(&mut bytes, ImageFormat::Png)
            }
            Self::Small96 => small(picture).write_to(&mut bytes, ImageFormat::Png),
            Self::Watermark => watermark(picture).write_to(&mut bytes, ImageFormat::Png),
            Self::SmallObject => small_object(picture).write_to(&mut bytes, ImageFormat::Png),
            Self::Collage => collage(picture).write_to(&mut bytes, ImageFormat::Png),
        };
        outcome.map_err(|cause| format!("{}: {cause}", self.name()))?;
        Ok(bytes.into_inner())
    }
}

fn short_side(picture: &RgbImage) -> u32 {
    picture.width().min(picture.height())
}

fn scaled(picture: &RgbImage, factor: f32) -> RgbImage {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no larger than the picture")]
    let side = |side: u32| ((side as f32 * factor).round() as u32).max(1);
    imageops::resize(picture, side(picture.width()), side(picture.height()), FilterType::Triangle)
}

fn dark(picture: &RgbImage) -> RgbImage {
    let mut dark = picture.clone();
    for channel in dark.iter_mut() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the byte it was")]
        let dimmed = (f32::from(*channel) * DARK_FACTOR).round() as u8;
        *channel = dimmed;
    }
    dark
}

fn small(picture: &RgbImage) -> RgbImage {
    scaled(picture, (SMALL_SIDE as f32 / short_side(picture) as f32).min(1.0))
}

fn watermark(picture: &RgbImage) -> RgbImage {
    let mut marked = picture.clone();
    let (width, height) = marked.dimensions();
    let cell = (short_side(&marked) / 90).max(1);
    let (word_width, word_height) = glyphs::extent(MARK, cell);
    let (step_x, step_y) = (i64::from(word_width + 6 * cell), i64::from(5 * word_height));
    let mut row = 0;
    while row * step_y < i64::from(height) {
        let mut x = -(row * step_x / 3) % step_x;
        while x < i64::from(width) {
            glyphs::write(&mut marked, MARK, (x, row * step_y + step_y / 3), cell, MARK_INK);
            x += step_x;
        }
        glyphs::fill(&mut marked, (0, row * step_y), (width, cell.div_ceil(2)), MARK_INK);
        row += 1;
    }
    for line in 0..8 {
        let x = i64::from(width) * line / 8;
        glyphs::fill(&mut marked, (x, 0), (cell.div_ceil(2), height), MARK_INK);
    }
    marked
}

fn small_object(picture: &RgbImage) -> RgbImage {
    let mut scene = RgbImage::from_pixel(picture.width(), picture.height(), GROUND);
    let object = scaled(picture, OBJECT_SHARE);
    // Off the centre, as things on a table are.
    let (x, y) = ((scene.width() - object.width()) * 2 / 5, (scene.height() - object.height()) * 3 / 5);
    imageops::replace(&mut scene, &object, i64::from(x), i64::from(y));
    scene
}

fn collage(picture: &RgbImage) -> RgbImage {
    let half = scaled(picture, 0.5);
    let (width, height) = half.dimensions();
    let mut sheet = RgbImage::from_pixel(2 * width, 2 * height, GROUND);
    for (x, y) in [(0, 0), (width, 0), (0, height), (width, height)] {
        imageops::replace(&mut sheet, &half, i64::from(x), i64::from(y));
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;
    use wildwarden_core::preprocess::image::DecodeLimits;
    use wildwarden_core::preprocess::image::WantedSize;
    use wildwarden_core::preprocess::image::decode;

    fn checks(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([if (x / 8 + y / 8) % 2 == 0 { 40 } else { 200 }, 90, 120]))
    }

    fn degraded(degradation: Degradation, picture: &RgbImage) -> RgbImage {
        let bytes = degradation.apply(picture).unwrap();
        decode(&bytes, DecodeLimits { max_pixels: 1_000_000 }, WantedSize::FULL).unwrap().frames.remove(0)
    }

    #[test]
    fn every_degradation_changes_the_picture_and_still_decodes() {
        let picture = checks(240, 180);
        for degradation in Degradation::ALL {
            assert_ne!(degraded(degradation, &picture), picture, "{degradation:?}");
            degraded(degradation, &checks(1, 1));
        }
    }

    #[test]
    fn degradations_do_what_they_say() {
        let picture = checks(240, 180);
        assert_eq!(degraded(Degradation::Small96, &picture).dimensions(), (128, 96));
        assert_eq!(degraded(Degradation::Dark, &picture).get_pixel(0, 0).0, [10, 23, 30]);
        assert_eq!(*degraded(Degradation::SmallObject, &picture).get_pixel(0, 0), GROUND);
        let collage = degraded(Degradation::Collage, &picture);
        assert_eq!(collage.get_pixel(30, 30), collage.get_pixel(150, 120));
    }
}
