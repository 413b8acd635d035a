//! Letters of three by five cells, to write on pictures without a font file.

use image::Rgb;
use image::RgbImage;

/// A colour, and how much of it, in [0, 1].
#[derive(Debug, Clone, Copy)]
pub struct Ink {
    /// Red, green, blue.
    pub colour: [u8; 3],
    /// 1 covers.
    pub opacity: f32,
}

/// Cells of a letter, without the gap beside it.
const COLUMNS: u32 = 3;
const ROWS: u32 = 5;

/// Rows of a letter from the top, three bits each, the left cell first.
fn rows(letter: char) -> [u8; 5] {
    match letter.to_ascii_uppercase() {
        '0' | 'O' => [7, 5, 5, 5, 7],
        '1' | 'I' => [2, 6, 2, 2, 7],
        '2' => [7, 1, 7, 4, 7],
        '3' => [7, 1, 7, 1, 7],
        '4' => [5, 5, 7, 1, 1],
        '5' | 'S' => [7, 4, 7, 1, 7],
        '6' => [7, 4, 7, 5, 7],
        '7' => [7, 1, 1, 1, 1],
        '8' => [7, 5, 7, 5, 7],
        '9' => [7, 5, 7, 1, 7],
        '.' => [0, 0, 0, 0, 2],
        'A' => [7, 5, 7, 5, 5],
        'E' => [7, 4, 7, 4, 7],
        'F' => [7, 4, 7, 4, 4],
        'G' => [7, 4, 5, 5, 7],
        'L' => [4, 4, 4, 4, 7],
        'M' => [5, 7, 7, 5, 5],
        'N' => [7, 5, 5, 5, 5],
        'P' => [7, 5, 7, 4, 4],
        'T' => [7, 2, 2, 2, 2],
        'V' => [5, 5, 5, 5, 2],
        _ => [0; 5],
    }
}

/// Writes `text` with its upper left corner at `at`, a cell being `cell` pixels wide. What lies outside
/// the picture is left out; letters without a shape here are blank.
pub fn write(picture: &mut RgbImage, text: &str, at: (i64, i64), cell: u32, ink: Ink) {
    let side = i64::from(cell);
    for (letter, column) in text.chars().zip(0_i64..) {
        let left = at.0 + column * i64::from(COLUMNS + 1) * side;
        for (bits, row) in rows(letter).into_iter().zip(0_i64..) {
            for bit in 0..i64::from(COLUMNS) {
                if bits >> (i64::from(COLUMNS) - 1 - bit) & 1 == 1 {
                    fill(picture, (left + bit * side, at.1 + row * side), (cell, cell), ink);
                }
            }
        }
    }
}

/// Width and height of `text` in pixels.
pub fn extent(text: &str, cell: u32) -> (u32, u32) {
    let letters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    (letters.saturating_mul(COLUMNS + 1).saturating_sub(1).saturating_mul(cell), ROWS * cell)
}

/// Mixes `ink` into a rectangle.
pub fn fill(picture: &mut RgbImage, at: (i64, i64), size: (u32, u32), ink: Ink) {
    let (width, height) = (i64::from(picture.width()), i64::from(picture.height()));
    for y in at.1.max(0)..(at.1 + i64::from(size.1)).min(height) {
        for x in at.0.max(0)..(at.0 + i64::from(size.0)).min(width) {
            let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { continue };
            let Some(Rgb(channels)) = picture.get_pixel_mut_checked(x, y) else { continue };
            for (channel, target) in channels.iter_mut().zip(ink.colour) {
                let mixed = f32::from(*channel) + (f32::from(target) - f32::from(*channel)) * ink.opacity;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
                let mixed = mixed.round() as u8;
                *channel = mixed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_covers_its_cells_and_what_lies_outside_is_left_out() {
        let mut picture = RgbImage::new(3, 5);
        write(&mut picture, "L", (0, 0), 1, Ink { colour: [255; 3], opacity: 1.0 });
        let lit: Vec<(u32, u32)> =
            picture.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] == 255).map(|(x, y, _)| (x, y)).collect();
        assert_eq!(lit, [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 4), (2, 4)]);
        write(&mut picture, "888", (-2, -2), 3, Ink { colour: [9; 3], opacity: 0.5 });
        assert_eq!(extent("FN", 2), (14, 10));
    }
}
