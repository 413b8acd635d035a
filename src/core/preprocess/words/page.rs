//! A picture as the model that finds lines is given it.

use image::RgbImage;
use ndarray::Array4;

use crate::error::{Error, Result};
use crate::input_spec::{Channels, DetectionSpec, ImageInputSpec, Resize};
use crate::preprocess::image::TensorMaker;

/// Middle and half of the range of a byte: both models were trained on values in -1 to 1.
pub(super) const MIDDLE: f32 = 127.5;

/// `frame` as the model that finds lines is given it, `f32 [1, 3, height, width]`, blue first.
///
/// # Errors
/// [`Error::Bug`]; a decoded frame never makes it fail.
pub fn page(maker: &mut TensorMaker, frame: &RgbImage, spec: DetectionSpec) -> Result<Array4<f32>> {
    let (width, height) = sides(frame, spec);
    let input = ImageInputSpec {
        channels: Channels::Bgr,
        mean: [MIDDLE; 3],
        std: [MIDDLE; 3],
        ..ImageInputSpec::plain(width, height, Resize::Stretch)
    };
    let mut page = Array4::zeros((1, 3, height as usize, width as usize));
    let planes = page.as_slice_mut().ok_or_else(|| Error::Bug("a page is not contiguous".into()))?;
    maker.fill(planes, frame, &input)?;
    Ok(page)
}

/// The nearest multiples of the step to the sides of `frame`, its longer side no more than `spec` says.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no more than the side")]
fn sides(frame: &RgbImage, spec: DetectionSpec) -> (u32, u32) {
    let longer = frame.width().max(frame.height()).max(1);
    let scale = (f64::from(spec.side) / f64::from(longer)).min(1.0);
    let side = |side: u32| {
        let steps = f64::from(side) * scale / f64::from(DetectionSpec::STEP);
        (steps.round() as u32).max(1) * DetectionSpec::STEP
    };
    (side(frame.width()), side(frame.height()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: DetectionSpec = DetectionSpec { side: 640, pixel: 0.3, line: 0.5, grow: 1.6 };

    #[test]
    fn a_page_keeps_its_shape_and_is_no_larger_than_said() {
        for (width, height, wanted) in
            [(1000, 1000, (640, 640)), (4000, 1000, (640, 160)), (90, 100, (96, 96)), (1, 60_000, (32, 640))]
        {
            assert_eq!(sides(&RgbImage::new(width, height), SPEC), wanted, "{width}x{height}");
        }
    }

    #[test]
    fn blue_comes_first_and_bytes_become_minus_one_to_one() {
        let frame = RgbImage::from_pixel(64, 32, image::Rgb([255, 128, 0]));
        let page = page(&mut TensorMaker::default(), &frame, SPEC).unwrap();
        assert_eq!(page.dim(), (1, 3, 32, 64));
        assert!((page[[0, 0, 3, 3]] + 1.0).abs() < 1e-6 && (page[[0, 2, 3, 3]] - 1.0).abs() < 1e-6);
    }
}
