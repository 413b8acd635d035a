//! RGB frames become normalised planes.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, IntoImageView, PixelType, ResizeAlg, ResizeOptions, Resizer};
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
        // The resizer does nothing, and says nothing, when a side is 0.
        if frame.width() == 0 || frame.height() == 0 {
            return Err(bug(format!("a frame of {}x{}", frame.width(), frame.height())));
        }
        let mut options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        if spec.resize == Resize::CenterCrop {
            options = options.fit_into_destination(Some((0.5, 0.5)));
        }
        // Emptied first: whatever the resizer leaves out is black, never a part of the picture before.
        let mut resized = std::mem::take(&mut self.resized);
        resized.clear();
        resized.resize(3 * area, 0);
        let mut target = Image::from_slice_u8(spec.width, spec.height, &mut resized, PixelType::U8x3).map_err(bug)?;
        let source = ImageRef::new(frame.width(), frame.height(), frame.as_raw(), PixelType::U8x3).map_err(bug)?;
        if is_ribbon(frame, spec) {
            // The resizer goes over the columns first and would hold width x target height. Along the width first, it holds
            // target width x height, and the two passes are the same filter.
            let mut narrow = Image::new(spec.width, frame.height(), PixelType::U8x3);
            self.resize(&source, &mut narrow, &options)?;
            self.resize(&narrow, &mut target, &options)?;
        } else {
            self.resize(&source, &mut target, &options)?;
        }
        normalise(planes, &resized, spec);
        self.resized = resized;
        Ok(())
    }

    fn resize(&mut self, source: &impl IntoImageView, target: &mut Image<'_>, options: &ResizeOptions) -> Result<()> {
        self.resizer.resize(source, target, options).map_err(bug)?;
        // One picture of a strange shape must not hold memory for as long as the worker lives.
        if self.resizer.size_of_internal_buffers() > MAX_KEPT_BYTES {
            self.resizer.reset_internal_buffers();
        }
        Ok(())
    }
}

/// The resizer's own buffer is given back when it grew beyond this; a listing photo's is far smaller.
const MAX_KEPT_BYTES: usize = 8 << 20;

/// Whether `frame` is stretched upwards while it is shrunk along its width: the shape whose intermediate picture would be larger
/// than the frame itself. A cut-out is never one.
fn is_ribbon(frame: &RgbImage, spec: &ImageInputSpec) -> bool {
    spec.resize == Resize::Stretch && frame.height() < spec.height && frame.width() > spec.width
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
    fn a_frame_without_pixels_is_refused_and_shows_nothing_of_the_one_before() {
        let spec = ImageInputSpec { width: 8, height: 8, resize: Resize::Stretch, mean: [0.0; 3], std: [1.0; 3] };
        let mut maker = TensorMaker::default();
        let mut filled = vec![f32::NAN; 3 * 64];
        maker.fill(&mut filled, &RgbImage::from_pixel(9, 9, image::Rgb([200; 3])), &spec).unwrap();
        for (width, height) in [(0, 0), (0, 5), (5, 0)] {
            let mut empty = vec![f32::NAN; 3 * 64];
            assert!(maker.fill(&mut empty, &RgbImage::new(width, height), &spec).is_err(), "{width}x{height}");
            assert!(empty.iter().all(|value| value.is_nan()), "{width}x{height}");
        }
        let mut alone = vec![f32::NAN; 3 * 64];
        maker.fill(&mut alone, &RgbImage::from_pixel(1, 1, image::Rgb([7; 3])), &spec).unwrap();
        assert!(alone.iter().all(|&value| (value - 7.0).abs() < 0.5));
    }

    #[test]
    fn a_long_thin_frame_is_shrunk_along_its_length_first_and_leaves_no_large_buffer() {
        let spec = ImageInputSpec { width: 224, height: 224, resize: Resize::Stretch, mean: [0.0; 3], std: [1.0; 3] };
        for (width, height) in [(65_535, 1), (65_535, 200), (1, 65_535), (200, 65_535)] {
            let frame = RgbImage::from_fn(width, height, |x, y| {
                if x + y < width.max(height) / 2 { image::Rgb([250; 3]) } else { image::Rgb([10; 3]) }
            });
            let mut maker = TensorMaker::default();
            let mut filled = vec![f32::NAN; 3 * 224 * 224];
            maker.fill(&mut filled, &frame, &spec).unwrap();
            assert!((filled[0] - 250.0).abs() < 1.5 && (filled[224 * 224 - 1] - 10.0).abs() < 1.5, "{width}x{height}");
            assert!(maker.resizer.size_of_internal_buffers() <= MAX_KEPT_BYTES, "{width}x{height}");
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
        assert!(planes(&frame, &spec).iter().all(|&value| (value - 200.0).abs() < 0.5));
        spec.resize = Resize::Stretch;
        assert!(planes(&frame, &spec).iter().any(|&value| value < 190.0));
    }
}
