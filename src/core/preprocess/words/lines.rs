//! From a map of where words are to lines: each patch of the map is one, as the smallest turned rectangle around it.

use image::GrayImage;
use imageproc::contours::{BorderType, find_contours};
use imageproc::geometry::min_area_rect;
use ndarray::ArrayView2;

use crate::input_spec::DetectionSpec;

/// A line's corners from the top left of what is written on, clockwise: x and y as fractions of the picture's sides.
pub type Quad = [[f32; 2]; 4];

/// A patch of fewer pixels along its shorter side is none.
const LEAST_SIDE: f32 = 3.0;

/// An outline of fewer pixels is too small for a line.
const LEAST_POINTS: usize = 8;

/// Patches that are looked at, the largest: noise makes thousands.
const MOST_PATCHES: usize = 200;

/// A line so many times as high as it is wide runs downwards.
const TALL: f32 = 1.5;

/// The lines in `map`, the probability of each pixel of a page that it belongs to one, `[height, width]`; at most `most`, the largest
/// first.
pub fn lines(map: ArrayView2<'_, f32>, spec: DetectionSpec, most: usize) -> Vec<Quad> {
    let (height, width) = map.dim();
    let (Ok(columns), Ok(rows)) = (u32::try_from(width), u32::try_from(height)) else { return Vec::new() };
    let marked = GrayImage::from_fn(columns, rows, |x, y| {
        let is_marked = map.get((y as usize, x as usize)).is_some_and(|p| *p > spec.pixel);
        image::Luma([if is_marked { u8::MAX } else { 0 }])
    });
    let outer = find_contours::<i32>(&marked).into_iter().filter(|contour| contour.border_type == BorderType::Outer);
    let mut patches: Vec<Patch> = outer
        .filter(|contour| contour.points.len() >= LEAST_POINTS)
        .filter_map(|contour| Patch::around(&contour.points))
        .collect();
    patches.sort_by(|a, b| b.area().total_cmp(&a.area()));
    patches.truncate(MOST_PATCHES);
    let sure = patches.into_iter().filter(|patch| patch.mean(map) >= spec.line);
    sure.take(most).map(|patch| patch.grown(spec.grow).quad(width, height)).collect()
}

/// A turned rectangle, in pixels.
#[derive(Debug, Clone, Copy)]
struct Patch {
    middle: [f32; 2],
    /// Along the line, of length 1.
    along: [f32; 2],
    width: f32,
    height: f32,
}

impl Patch {
    /// The smallest around `points`, unless it is too small to be a line.
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    fn around(points: &[imageproc::point::Point<i32>]) -> Option<Self> {
        let corners = min_area_rect(points).map(|point| [point.x as f32, point.y as f32]);
        let [first, second, third, _] = corners;
        let middle = [(first[0] + third[0]) / 2.0, (first[1] + third[1]) / 2.0];
        let (one, other) = (edge(first, second), edge(second, third));
        // Pixels are points in the middle of what they cover.
        let (one_length, other_length) = (length(one) + 1.0, length(other) + 1.0);
        // Across the page, from left to right: what is written runs along the edge that does so most.
        let ((across, width), height) = if one[0].abs() >= other[0].abs() {
            ((one, one_length), other_length)
        } else {
            ((other, other_length), one_length)
        };
        let size = length(across);
        if width.min(height) < LEAST_SIDE || size < f32::EPSILON {
            return None;
        }
        let along = [across[0] / size, across[1] / size];
        let along = if along[0] < 0.0 { [-along[0], -along[1]] } else { along };
        Some(Self { middle, along, width, height })
    }

    fn area(&self) -> f32 {
        self.width * self.height
    }

    /// Larger by the part of a line that maps leave out.
    fn grown(self, grow: f32) -> Self {
        let by = self.area() * grow / (2.0 * (self.width + self.height));
        Self { width: self.width + 2.0 * by, height: self.height + 2.0 * by, ..self }
    }

    /// Mean of the map inside.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "pixels, clamped to the map"
    )]
    fn mean(&self, map: ArrayView2<'_, f32>) -> f32 {
        let (rows, columns) = map.dim();
        let corners = self.corners();
        let within = |axis: usize, sides: usize| {
            let values = corners.iter().filter_map(|corner| corner.get(axis).copied());
            let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
            (low.floor().max(0.0) as usize)..((high.ceil().max(0.0) as usize).saturating_add(1).min(sides))
        };
        let (mut sum, mut count) = (0.0_f64, 0.0_f64);
        for y in within(1, rows) {
            for x in within(0, columns) {
                let (dx, dy) = (x as f32 - self.middle[0], y as f32 - self.middle[1]);
                let (u, v) = (dx * self.along[0] + dy * self.along[1], dy * self.along[0] - dx * self.along[1]);
                if u.abs() <= self.width / 2.0 && v.abs() <= self.height / 2.0 {
                    sum += f64::from(map.get((y, x)).copied().unwrap_or_default());
                    count += 1.0;
                }
            }
        }
        if count > 0.0 { (sum / count) as f32 } else { 0.0 }
    }

    /// From the top left of what is written on, clockwise.
    fn corners(&self) -> [[f32; 2]; 4] {
        let ([mx, my], [ax, ay]) = (self.middle, self.along);
        let (u, v) = (self.width / 2.0, self.height / 2.0);
        let at = |u: f32, v: f32| [mx + u * ax - v * ay, my + u * ay + v * ax];
        [at(-u, -v), at(u, -v), at(u, v), at(-u, v)]
    }

    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    fn quad(&self, width: usize, height: usize) -> Quad {
        let corners = self.corners().map(|[x, y]| [(x + 0.5) / width as f32, (y + 0.5) / height as f32]);
        let [a, b, c, d] = corners;
        // What runs downwards was mostly turned to the right.
        if self.height > TALL * self.width { [b, c, d, a] } else { [a, b, c, d] }
    }
}

fn edge(from: [f32; 2], to: [f32; 2]) -> [f32; 2] {
    [to[0] - from[0], to[1] - from[1]]
}

fn length(edge: [f32; 2]) -> f32 {
    edge[0].hypot(edge[1])
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    const SPEC: DetectionSpec = DetectionSpec { side: 640, pixel: 0.3, line: 0.5, grow: 0.0 };

    /// A map in which the pixels of the rectangle are words.
    fn marked(middle: [f32; 2], size: [f32; 2], turned: f32) -> Array2<f32> {
        let (sin, cos) = turned.to_radians().sin_cos();
        Array2::from_shape_fn((200, 400), |(y, x)| {
            let (dx, dy) = (x as f32 - middle[0], y as f32 - middle[1]);
            let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
            if u.abs() <= size[0] / 2.0 && v.abs() <= size[1] / 2.0 { 0.9 } else { 0.05 }
        })
    }

    #[test]
    fn a_line_is_found_where_it_is_however_it_is_turned() {
        for turned in [0.0_f32, 10.0, -25.0] {
            let found = lines(marked([200.0, 100.0], [120.0, 20.0], turned).view(), SPEC, 10);
            let [[left, top], [right, end], ..] = found[0];
            let (dx, dy) = ((right - left) * 400.0, (end - top) * 200.0);
            assert_eq!(found.len(), 1);
            assert!((dx.hypot(dy) - 120.0).abs() < 4.0, "{turned}: {dx} {dy}");
            assert!((dy.atan2(dx).to_degrees() - turned).abs() < 2.0, "{turned}: {dx} {dy}");
        }
    }

    #[test]
    fn what_runs_downwards_is_read_from_its_right_side() {
        let found = lines(marked([200.0, 100.0], [20.0, 120.0], 0.0).view(), SPEC, 10);
        let [[x, y], [below_x, below_y], ..] = found[0];
        assert!((x - below_x).abs() < 0.02 && below_y - y > 0.5, "{found:?}");
        assert!(x > 0.5, "{found:?}");
    }

    #[test]
    fn noise_and_dots_are_no_lines_and_no_more_are_given_than_wanted() {
        // Of a shuffled row of bytes, all values come in no order.
        let noise = Array2::from_shape_fn((640, 640), |(y, x)| {
            let mixed = (y * 640 + x).wrapping_mul(0x9e37_79b9).to_le_bytes();
            f32::from(mixed[2] ^ mixed[3]) / 255.0
        });
        assert!(lines(noise.view(), SPEC, 5).len() <= 5);
        let dots = Array2::from_shape_fn((200, 400), |(y, x)| if x % 9 < 2 && y % 9 < 2 { 1.0 } else { 0.0 });
        assert!(lines(dots.view(), SPEC, 10).is_empty());
        assert!(lines(Array2::zeros((0, 0)).view(), SPEC, 10).is_empty());
    }
}
