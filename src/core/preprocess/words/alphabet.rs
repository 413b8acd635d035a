//! The characters that a model tells apart, and how its columns become a line of them.

use ndarray::ArrayView2;

/// The characters of a model that reads lines. Its first column means none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alphabet {
    characters: Vec<String>,
}

impl Alphabet {
    /// Of a file with a character a line, whose last column, after all of them, is the space.
    pub fn parse(file: &str) -> Self {
        let lines = file.lines().map(|line| line.trim_end_matches('\r').to_owned());
        Self { characters: lines.chain([" ".to_owned()]).collect() }
    }

    /// Columns that a model with these characters has.
    pub fn columns(&self) -> usize {
        self.characters.len() + 1
    }

    /// What the probabilities `[steps, columns]` of a line say, the likeliest of each step, and how sure its characters are on average:
    /// 0 where there are none. A character that goes on over several steps is one.
    pub fn read(&self, steps: ArrayView2<'_, f32>) -> (String, f32) {
        let (mut line, mut sure, mut before) = (String::new(), Vec::new(), 0);
        for step in steps.rows() {
            let likeliest = step.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let Some((column, probability)) = likeliest else { continue };
            if column != before
                && let Some(character) = column.checked_sub(1).and_then(|place| self.characters.get(place))
            {
                line.push_str(character);
                sure.push(*probability);
            }
            before = column;
        }
        #[expect(clippy::cast_precision_loss, reason = "a line has few characters")]
        let mean = if sure.is_empty() { 0.0 } else { sure.iter().sum::<f32>() / sure.len() as f32 };
        (line, mean)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    fn read(steps: &[usize]) -> (String, f32) {
        let alphabet = Alphabet::parse("象\n牙\n");
        assert_eq!(alphabet.columns(), 4);
        let told =
            Array2::from_shape_fn((steps.len(), 4), |(row, column)| if steps[row] == column { 0.8 } else { 0.05 });
        alphabet.read(told.view())
    }

    #[test]
    fn a_character_that_goes_on_is_one_and_the_same_after_a_gap_another() {
        assert_eq!(read(&[0, 1, 1, 0, 2, 2, 0, 2, 3]).0, "象牙牙 ");
        assert!((read(&[1, 2]).1 - 0.8).abs() < 1e-6);
        assert_eq!(read(&[0, 0, 0]), (String::new(), 0.0));
    }
}
