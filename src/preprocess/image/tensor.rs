//! RGB frames become normalised planes.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use crate::error::{Error, Result};
use crate::input_spec::{ImageInputSpec, Resize};

/// Makes tensors of frames; keeps what it works in from one to the next.
#[derive(Debug, Default)]
pub struct TensorMaker {
    resizer: Resizer,
    resized: Vec<u8>,
}

impl TensorMaker {
    /// Resizes and normalises one frame into `planes`, `f32 [3, height, width]`, RGB, as `spec` says.
    ///
    /// # Errors
    /// [`Error::Bug`] when `planes` has another length or the resizer refuses; a decoded frame never makes it do so.
    pub fn fill(&mut self, planes: &mut [f32], frame: &RgbImage, spec: &ImageInputSpec) -> Result<()> {
        let area = spec.width as usize * spec.height as usize;
        if planes.len() != 3 * area {
            return Err(bug(format!("{} values for planes of {area}", planes.len())));
        }
        let source = ImageRef::new(frame.width(), frame.height(), frame.as_raw(), PixelType::U8x3).map_err(bug)?;
        self.resized.resize(3 * area, 0);
        let mut target =
            Image::from_slice_u8(spec.width, spec.height, &mut self.resized, PixelType::U8x3).map_err(bug)?;
        let mut options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        if spec.resize == Resize::CenterCrop {
            options = options.fit_into_destination(Some((0.5, 0.5)));
        }
        self.resizer.resize(&source, &mut target, &options).map_err(bug)?;
        normalise(planes, &self.resized, spec);
        Ok(())
    }
}

/// `pixels` are RGB, one after the other.
fn normalise(planes: &mut [f32], pixels: &[u8], spec: &ImageInputSpec) {
    let (pixels, _) = pixels.as_chunks::<3>();
    let [red_scale, green_scale, blue_scale] = spec.std.map(|std| 1.0 / std);
    let [red_mean, green_mean, blue_mean] = spec.mean;
    let (red, rest) = planes.split_at_mut(pixels.len());
    let (green, blue) = rest.split_at_mut(pixels.len());
    for (((&[r, g, b], red), green), blue) in pixels.iter().zip(red).zip(green).zip(blue) {
        *red = (f32::from(r) - red_mean) * red_scale;
        *green = (f32::from(g) - green_mean) * green_scale;
        *blue = (f32::from(b) - blue_mean) * blue_scale;
    }
}

fn bug(cause: impl std::fmt::Display) -> Error {
    Error::Bug(format!("resizing an image: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(frame: &RgbImage, spec: &ImageInputSpec) -> Vec<f32> {
        let mut planes = vec![f32::NAN; (3 * spec.width * spec.height) as usize];
        TensorMaker::default().fill(&mut planes, frame, spec).unwrap();
        planes
    }

    #[test]
    fn planes_are_rgb_and_normalised() {
        let spec = ImageInputSpec { width: 4, height: 2, resize: Resize::Stretch, mean: [127.0; 3], std: [128.0; 3] };
        let frame = RgbImage::from_pixel(9, 5, image::Rgb([255, 127, 0]));
        let planes = planes(&frame, &spec);
        for (plane, expected) in planes.chunks_exact(4 * 2).zip([1.0, 0.0, -127.0 / 128.0]) {
            assert!(plane.iter().all(|value| (value - expected).abs() < 1e-6), "{plane:?}");
        }
    }

    #[test]
    fn one_maker_serves_models_of_several_sizes_and_refuses_a_wrong_length() {
        let spec =
            |side| ImageInputSpec { width: side, height: side, resize: Resize::Stretch, mean: [0.0; 3], std: [1.0; 3] };
        let frame =
            RgbImage::from_fn(30, 20, |x, y| image::Rgb([x * 8, y * 12, 7].map(|value| u8::try_from(value).unwrap())));
        let mut maker = TensorMaker::default();
        for side in [16, 5, 11] {
            let mut filled = vec![f32::NAN; (3 * side * side) as usize];
            maker.fill(&mut filled, &frame, &spec(side)).unwrap();
            assert_eq!(filled, planes(&frame, &spec(side)));
        }
        assert!(maker.fill(&mut [0.0; 5], &frame, &spec(16)).is_err());
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
        assert!(planes(&frame, &spec).iter().all(|&value| (value - 200.0).abs() < 0.5));
        spec.resize = Resize::Stretch;
        assert!(planes(&frame, &spec).iter().any(|&value| value < 190.0));
    }
}
