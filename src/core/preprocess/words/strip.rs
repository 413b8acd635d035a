//! A line, cut out of its picture and laid flat.

use image::RgbImage;
use ndarray::Array4;

use super::lines::Quad;
use super::page::MIDDLE;
use crate::input_spec::{DetectionSpec, RecognitionSpec};

/// Samples a side of a pixel, at most: more would cost without showing.
const MOST_SAMPLES: u32 = 6;

/// The strip that the model which reads lines is given, `f32 [1, 3, height, width]`, blue first; what a short line leaves of it is 0.
pub type Strip = Array4<f32>;

/// The part of `frame` inside `quad`, as `spec` says. Outside of the picture is what its edge shows.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "pixels, within the widths of the spec"
)]
pub fn strip(frame: &RgbImage, quad: Quad, spec: RecognitionSpec) -> Strip {
    let (width, height) = (frame.width().max(1) as f32, frame.height().max(1) as f32);
    let [origin, right, _, below] = quad.map(|[x, y]| [x * width, y * height]);
    let (across, down) = ([right[0] - origin[0], right[1] - origin[1]], [below[0] - origin[0], below[1] - origin[1]]);
    let (length, thickness) = (across[0].hypot(across[1]).max(1.0), down[0].hypot(down[1]).max(1.0));
    let wanted = (spec.height as f32 * length / thickness).ceil();
    let columns = wanted.clamp(1.0, spec.most_width as f32) as u32;
    let step = DetectionSpec::STEP;
    let full = columns.max(spec.least_width).div_ceil(step) * step;
    let samples = ((thickness / spec.height as f32).ceil() as u32).clamp(1, MOST_SAMPLES);
    let mut strip = Array4::zeros((1, 3, spec.height as usize, full as usize));
    for row in 0..spec.height {
        for column in 0..columns {
            let mut sum = [0.0_f32; 3];
            for sample in 0..samples * samples {
                let part = |place: u32, of: u32, count: u32| {
                    (place as f32 + (of as f32 + 0.5) / samples as f32) / count as f32
                };
                let (u, v) = (part(column, sample % samples, columns), part(row, sample / samples, spec.height));
                let at = |axis: usize| {
                    let get = |vector: [f32; 2]| vector.get(axis).copied().unwrap_or_default();
                    get(origin) + u * get(across) + v * get(down) - 0.5
                };
                let colour = between(frame, at(0), at(1));
                sum.iter_mut().zip(colour).for_each(|(sum, value)| *sum += value);
            }
            for (channel, sum) in sum.iter().rev().enumerate() {
                let value = sum / (samples * samples) as f32;
                if let Some(slot) = strip.get_mut((0, channel, row as usize, column as usize)) {
                    // Sums of shares may come out a little above the whole.
                    *slot = ((value - MIDDLE) / MIDDLE).clamp(-1.0, 1.0);
                }
            }
        }
    }
    strip
}

/// The colour at a place between pixels.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "clamped to the picture"
)]
fn between(frame: &RgbImage, x: f32, y: f32) -> [f32; 3] {
    let (last_x, last_y) = (frame.width().saturating_sub(1), frame.height().saturating_sub(1));
    let (x, y) = (x.clamp(0.0, last_x as f32), y.clamp(0.0, last_y as f32));
    let (left, top) = (x.floor() as u32, y.floor() as u32);
    let (dx, dy) = (x - left as f32, y - top as f32);
    let mut mixed = [0.0; 3];
    for (px, py, share) in [
        (left, top, (1.0 - dx) * (1.0 - dy)),
        (left + 1, top, dx * (1.0 - dy)),
        (left, top + 1, (1.0 - dx) * dy),
        (left + 1, top + 1, dx * dy),
    ] {
        let pixel = frame.get_pixel_checked(px.min(last_x), py.min(last_y)).map_or([0; 3], |pixel| pixel.0);
        mixed.iter_mut().zip(pixel).for_each(|(mixed, value)| *mixed += share * f32::from(value));
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: RecognitionSpec = RecognitionSpec { height: 48, least_width: 64, most_width: 640, confidence: 0.5 };
    /// Left half red, right half green.
    fn frame() -> RgbImage {
        RgbImage::from_fn(200, 100, |x, _| image::Rgb(if x < 100 { [255, 0, 0] } else { [0, 255, 0] }))
    }

    #[test]
    fn a_line_is_laid_flat_in_its_shape_blue_first() {
        let whole = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let strip = strip(&frame(), whole, SPEC);
        assert_eq!(strip.dim(), (1, 3, 48, 96));
        assert!(strip[[0, 2, 20, 10]] > 0.99 && strip[[0, 1, 20, 10]] < -0.99, "red on the left");
        assert!(strip[[0, 1, 20, 90]] > 0.99 && strip[[0, 0, 20, 90]] < -0.99, "green on the right");
    }

    #[test]
    fn a_turned_line_is_turned_back_a_short_one_filled_up_and_a_long_one_squeezed() {
        let downwards = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]];
        let turned = strip(&frame(), downwards, SPEC);
        assert_eq!(turned.dim(), (1, 3, 48, 64));
        assert!(turned[[0, 1, 2, 10]] > 0.99 && turned[[0, 2, 45, 10]] > 0.99, "green above red");
        assert!(turned[[0, 1, 20, 60]].abs() < f32::EPSILON, "nothing is there");
        let thin = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.01], [0.0, 0.01]];
        assert_eq!(strip(&frame(), thin, SPEC).dim(), (1, 3, 48, 640));
    }

    #[test]
    fn what_lies_outside_of_the_picture_or_is_nothing_is_no_fault() {
        for quad in [[[-2.0, -2.0], [3.0, -2.0], [3.0, 3.0], [-2.0, 3.0]], [[0.5, 0.5]; 4]] {
            assert!(strip(&frame(), quad, SPEC).iter().all(|value| (-1.0..=1.0).contains(value)));
        }
    }
}
