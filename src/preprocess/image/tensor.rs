//! RGB frames become normalised planes.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use ndarray::{Array3, Axis};

use crate::error::{Error, Result};
use crate::input_spec::{ImageInputSpec, Resize};

/// Resizes and normalises one frame to `f32 [3, height, width]`, RGB planes, as `spec` says.
///
/// # Errors
/// [`Error::Bug`] when the resizer refuses; a decoded frame never makes it do so.
pub fn to_tensor(frame: &RgbImage, spec: &ImageInputSpec) -> Result<Array3<f32>> {
    let source = ImageRef::new(frame.width(), frame.height(), frame.as_raw(), PixelType::U8x3).map_err(bug)?;
    let mut target = Image::new(spec.width, spec.height, PixelType::U8x3);
    let mut options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    if spec.resize == Resize::CenterCrop {
        options = options.fit_into_destination(Some((0.5, 0.5)));
    }
    Resizer::new().resize(&source, &mut target, &options).map_err(bug)?;

    let (width, height) = (spec.width as usize, spec.height as usize);
    let pixels = ndarray::ArrayView3::from_shape((height, width, 3), target.buffer()).map_err(bug)?;
    let mut tensor = Array3::zeros((3, height, width));
    for (channel, (mean, std)) in spec.mean.iter().zip(spec.std).enumerate() {
        let scale = 1.0 / std;
        let bytes = pixels.index_axis(Axis(2), channel);
        tensor
            .index_axis_mut(Axis(0), channel)
            .zip_mut_with(&bytes, |value, &byte| *value = (f32::from(byte) - mean) * scale);
    }
    Ok(tensor)
}

fn bug(cause: impl std::fmt::Display) -> Error {
    Error::Bug(format!("resizing an image: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_rgb_and_normalised() {
        let spec = ImageInputSpec { width: 4, height: 2, resize: Resize::Stretch, mean: [127.0; 3], std: [128.0; 3] };
        let frame = RgbImage::from_pixel(9, 5, image::Rgb([255, 127, 0]));
        let tensor = to_tensor(&frame, &spec).unwrap();
        assert_eq!(tensor.dim(), (3, 2, 4));
        let expected = [1.0, 0.0, -127.0 / 128.0];
        for ((channel, _, _), value) in tensor.indexed_iter() {
            assert!((value - expected[channel]).abs() < 1e-6);
        }
    }

    #[test]
    // The filter reads a few pixels beyond the crop, as Pillow's does with `box`, so the bright part is a little wider.
    fn center_crop_ignores_the_margins_and_stretch_does_not() {
        let frame =
            RgbImage::from_fn(
                90,
                30,
                |x, _| if (15..75).contains(&x) { image::Rgb([200; 3]) } else { image::Rgb([0; 3]) },
            );
        let mut spec =
            ImageInputSpec { width: 3, height: 3, resize: Resize::CenterCrop, mean: [0.0; 3], std: [1.0; 3] };
        assert!(to_tensor(&frame, &spec).unwrap().iter().all(|&value| (value - 200.0).abs() < 0.5));
        spec.resize = Resize::Stretch;
        assert!(to_tensor(&frame, &spec).unwrap().iter().any(|&value| value < 190.0));
    }
}
