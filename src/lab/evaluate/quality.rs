//! How bright and how sharp a picture is, for slices.

use image::RgbImage;
use image::imageops::FilterType;
use serde::Deserialize;
use serde::Serialize;

/// Pictures are measured at most this many pixels wide or high: sharpness depends on the size.
const LONGEST_SIDE: u32 = 512;
/// Mean luma below which a picture is dark.
pub const DARK_BELOW: f64 = 60.0;
/// Variance of the Laplacian below which a picture is blurred (Pech-Pacheco et al. 2000; the customary limit).
pub const BLURRED_BELOW: f64 = 100.0;
/// Pixels of the short side below which a picture is small.
pub const SMALL_BELOW: u32 = 200;

/// Of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Mean luma (ITU-R BT.601), 0 to 255.
    pub luma: f64,
    /// Variance of the Laplacian of the luma at most 512 pixels wide and high.
    pub sharpness: f64,
}

/// Measures a picture.
pub fn quality(picture: &RgbImage) -> Quality {
    let (width, height) = picture.dimensions();
    let reduced = (width.max(height) > LONGEST_SIDE).then(|| {
        let scaled =
            |side: u32| u32::try_from(u64::from(side) * u64::from(LONGEST_SIDE) / u64::from(width.max(height)));
        let (width, height) = (scaled(width).unwrap_or(1).max(1), scaled(height).unwrap_or(1).max(1));
        image::imageops::resize(picture, width, height, FilterType::Triangle)
    });
    let picture = reduced.as_ref().unwrap_or(picture);
    let luma: Vec<f64> = picture
        .pixels()
        .map(|pixel| {
            let [red, green, blue] = pixel.0.map(f64::from);
            0.299 * red + 0.587 * green + 0.114 * blue
        })
        .collect();
    let mean = mean(&luma);
    Quality { luma: mean, sharpness: laplacian_variance(&luma, picture.width() as usize) }
}

fn laplacian_variance(luma: &[f64], width: usize) -> f64 {
    let rows: Vec<&[f64]> = luma.chunks_exact(width.max(1)).collect();
    let mut responses = Vec::new();
    for rows in rows.windows(3) {
        let [above, row, below] = rows else { continue };
        let inner = above.iter().skip(1).zip(below.iter().skip(1));
        for (sides, (up, down)) in row.windows(3).zip(inner) {
            if let [left, centre, right] = sides {
                responses.push(up + down + left + right - 4.0 * centre);
            }
        }
    }
    let centre = mean(&responses);
    mean(&responses.iter().map(|response| (response - centre).powi(2)).collect::<Vec<_>>())
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_lowers_sharpness_and_brightness_is_the_mean() {
        let checks = RgbImage::from_fn(64, 64, |x, y| image::Rgb([if (x / 4 + y / 4) % 2 == 0 { 0 } else { 200 }; 3]));
        let sharp = quality(&checks);
        let soft = quality(&image::imageops::blur(&checks, 4.0));
        assert!((sharp.luma - 100.0).abs() < 1e-9, "{sharp:?}");
        assert!(sharp.sharpness > BLURRED_BELOW && soft.sharpness < BLURRED_BELOW, "{sharp:?} {soft:?}");
    }

    #[test]
    fn the_laplacian_of_a_dot_is_known() {
        // Responses of a 5x5 picture with one pixel of 10: -40 once, 10 four times, 0 four times; mean 0.
        let mut luma = vec![0.0; 25];
        luma[12] = 10.0;
        assert!((laplacian_variance(&luma, 5) - (1600.0 + 400.0) / 9.0).abs() < 1e-9);
    }
}
