//! RGB frames become normalised planes.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, IntoImageView, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

use crate::error::{Error, Result};
use crate::input_spec::{Channels, Filter, ImageInputSpec, Resize};

/// Makes tensors of frames; keeps what it works in from one to the next.
#[derive(Debug, Default)]
pub struct TensorMaker {
    resizer: Resizer,
    resized: Vec<u8>,
}

impl TensorMaker {
    /// Resizes and normalises one frame into `planes`, `f32 [3, height, width]`, as `spec` says but for its layout.
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
        // Emptied first: whatever the resizer leaves out is the ground, never a part of the picture before.
        let mut resized = std::mem::take(&mut self.resized);
        resized.clear();
        resized.resize(3 * area, 0);
        if let Resize::Letterbox(ground) = spec.resize {
            self.letterbox(&mut resized, frame, spec, ground)?;
        } else {
            self.cut_and_resize(&mut resized, frame, spec)?;
        }
        normalise(planes, &resized, spec);
        self.resized = resized;
        Ok(())
    }

    fn cut_and_resize(&mut self, resized: &mut [u8], frame: &RgbImage, spec: &ImageInputSpec) -> Result<()> {
        let mut target = Image::from_slice_u8(spec.width, spec.height, resized, PixelType::U8x3).map_err(bug)?;
        let source = ImageRef::new(frame.width(), frame.height(), frame.as_raw(), PixelType::U8x3).map_err(bug)?;
        let options = ResizeOptions::new().resize_alg(algorithm(spec.filter));
        let [left, top, width, height] = match spec.resize {
            Resize::CenterCrop => {
                return self.resize(&source, &mut target, &options.fit_into_destination(Some((0.5, 0.5))));
            }
            Resize::ShorterSide(side) => middle(frame, by_shorter_side(frame, side), spec),
            Resize::StretchTo([width, height]) => middle(frame, (width, height), spec),
            Resize::Stretch | Resize::Letterbox(_) => [0.0, 0.0, f64::from(frame.width()), f64::from(frame.height())],
        };
        if height < f64::from(spec.height) && width > f64::from(spec.width) {
            // The resizer goes over the columns first and would hold width x target height. Along the width first, it holds
            // target width x height, and the two passes are the same filter.
            let mut narrow = Image::new(spec.width, frame.height(), PixelType::U8x3);
            let across = options.crop(left, 0.0, width, f64::from(frame.height()));
            self.resize(&source, &mut narrow, &across)?;
            return self.resize(&narrow, &mut target, &options.crop(0.0, top, f64::from(spec.width), height));
        }
        self.resize(&source, &mut target, &options.crop(left, top, width, height))
    }

    /// The whole frame in the middle of a ground.
    fn letterbox(
        &mut self,
        resized: &mut [u8],
        frame: &RgbImage,
        spec: &ImageInputSpec,
        ground: [u8; 3],
    ) -> Result<()> {
        let (width, height) = fitting(frame, spec);
        let source = ImageRef::new(frame.width(), frame.height(), frame.as_raw(), PixelType::U8x3).map_err(bug)?;
        let mut inner = Image::new(width, height, PixelType::U8x3);
        self.resize(&source, &mut inner, &ResizeOptions::new().resize_alg(algorithm(spec.filter)))?;
        resized.as_chunks_mut::<3>().0.fill(ground);
        let (left, top) = ((spec.width - width) / 2, (spec.height - height) / 2);
        let rows = resized.chunks_exact_mut(3 * spec.width as usize).skip(top as usize);
        for (row, inner) in rows.zip(inner.buffer().chunks_exact(3 * width as usize)) {
            let start = 3 * left as usize;
            row.get_mut(start..start + inner.len()).into_iter().for_each(|part| part.copy_from_slice(inner));
        }
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

fn algorithm(filter: Filter) -> ResizeAlg {
    ResizeAlg::Convolution(match filter {
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Bicubic => FilterType::CatmullRom,
        Filter::Area => FilterType::Box,
    })
}

/// The sides of `frame` once its shorter one has `side` pixels; the other is rounded down.
#[expect(clippy::cast_possible_truncation, reason = "saturates: a frame has at most 65535 pixels a side")]
fn by_shorter_side(frame: &RgbImage, side: u32) -> (u32, u32) {
    let (width, height) = (u64::from(frame.width()), u64::from(frame.height()));
    let longer =
        |longer: u64, shorter: u64| (u64::from(side) * longer / shorter.max(1)).min(u64::from(u32::MAX)) as u32;
    if width < height { (side, longer(height, width)) } else { (longer(width, height), side) }
}

/// The part of `frame`, as left, top, width and height, that is in the middle once the whole is resized to `whole`.
fn middle(frame: &RgbImage, whole: (u32, u32), spec: &ImageInputSpec) -> [f64; 4] {
    let along = |sides: u32, whole: u32, part: u32| {
        let scale = f64::from(sides) / f64::from(whole);
        let start = f64::from(whole.saturating_sub(part) / 2) * scale;
        (start, (f64::from(part) * scale).min(f64::from(sides) - start))
    };
    let ((left, width), (top, height)) =
        (along(frame.width(), whole.0, spec.width), along(frame.height(), whole.1, spec.height));
    [left, top, width, height]
}

/// The largest sides in the aspect ratio of `frame` that fit into the input, each at least 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "no more than the input's sides")]
fn fitting(frame: &RgbImage, spec: &ImageInputSpec) -> (u32, u32) {
    let (width, height) = (f64::from(frame.width()), f64::from(frame.height()));
    let scale = (f64::from(spec.width) / width).min(f64::from(spec.height) / height);
    let side = |side: f64, most: u32| ((side * scale).round() as u32).clamp(1, most);
    (side(width, spec.width), side(height, spec.height))
}

/// `pixels` are RGB, one after the other; planes are in the order of the input's channels.
fn normalise(planes: &mut [f32], pixels: &[u8], spec: &ImageInputSpec) {
    let (pixels, _) = pixels.as_chunks::<3>();
    let [first_scale, second_scale, third_scale] = spec.std.map(|std| 1.0 / std);
    let [first_mean, second_mean, third_mean] = spec.mean;
    let (first, rest) = planes.split_at_mut(pixels.len());
    let (second, third) = rest.split_at_mut(pixels.len());
    let planes = first.iter_mut().zip(second).zip(third);
    let put = |((first, second), third): ((&mut f32, &mut f32), &mut f32), [a, b, c]: [u8; 3]| {
        *first = (f32::from(a) - first_mean) * first_scale;
        *second = (f32::from(b) - second_mean) * second_scale;
        *third = (f32::from(c) - third_mean) * third_scale;
    };
    match spec.channels {
        Channels::Rgb => pixels.iter().zip(planes).for_each(|(&[r, g, b], place)| put(place, [r, g, b])),
        Channels::Bgr => pixels.iter().zip(planes).for_each(|(&[r, g, b], place)| put(place, [b, g, r])),
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
        let spec = ImageInputSpec { mean: [127.0; 3], std: [128.0; 3], ..ImageInputSpec::plain(4, 2, Resize::Stretch) };
        let frame = RgbImage::from_pixel(9, 5, image::Rgb([255, 127, 0]));
        let planes = planes(&frame, &spec);
        for (plane, expected) in planes.chunks_exact(4 * 2).zip([1.0, 0.0, -127.0 / 128.0]) {
            assert!(plane.iter().all(|value| (value - expected).abs() < 1e-6), "{plane:?}");
        }
    }

    #[test]
    fn one_maker_serves_models_of_several_sizes_and_refuses_a_wrong_length() {
        let spec = |side| ImageInputSpec::plain(side, side, Resize::Stretch);
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
        let spec = ImageInputSpec::plain(8, 8, Resize::Stretch);
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
        let spec = ImageInputSpec::plain(224, 224, Resize::Stretch);
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
        let mut spec = ImageInputSpec::plain(3, 3, Resize::CenterCrop);
        assert!(planes(&frame, &spec).iter().all(|&value| (value - 200.0).abs() < 0.5));
        spec.resize = Resize::Stretch;
        assert!(planes(&frame, &spec).iter().any(|&value| value < 190.0));
    }
}
