//! Lines in the order in which a person reads them.

use super::contacts::contacts;
use super::lines::Quad;
use crate::domain::{Span, Written, WrittenLine};

/// A line that was read, where it stands and how sure its characters are.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadLine {
    /// What it says.
    pub text: String,
    /// Where.
    pub quad: Quad,
    /// In 0 to 1.
    pub confidence: f32,
}

/// Puts `lines` into order: from top to bottom, side by side from left to right.
pub fn written(mut lines: Vec<ReadLine>) -> Written {
    lines.sort_by(|a, b| middle(a, 1).total_cmp(&middle(b, 1)));
    let mut rows: Vec<Vec<ReadLine>> = Vec::new();
    for line in lines {
        match rows.last_mut() {
            Some(row) if row.first().is_some_and(|first| are_side_by_side(first, &line)) => row.push(line),
            _ => rows.push(vec![line]),
        }
    }
    let mut written = Written::default();
    let mut chars = 0;
    for mut row in rows {
        row.sort_by(|a, b| middle(a, 0).total_cmp(&middle(b, 0)));
        for (place, line) in row.into_iter().enumerate() {
            if !written.text.is_empty() {
                written.text.push(if place == 0 { '\n' } else { ' ' });
                chars += 1;
            }
            let begin = (written.text.len(), chars);
            written.text.push_str(&line.text);
            chars += line.text.chars().count();
            let span = Span { bytes: begin.0..written.text.len(), chars: begin.1..chars };
            let corners = line.quad.map(|corner| corner.map(|side| side.clamp(0.0, 1.0)));
            written.lines.push(WrittenLine { span, corners, confidence: line.confidence });
        }
    }
    written.contacts = contacts(&written.text);
    written
}

fn middle(line: &ReadLine, axis: usize) -> f32 {
    line.quad.iter().filter_map(|corner| corner.get(axis)).sum::<f32>() / 4.0
}

/// Whether the middle of one is no further from the other's than half of the lower one's height.
fn are_side_by_side(a: &ReadLine, b: &ReadLine) -> bool {
    let height = |line: &ReadLine| {
        let sides = line.quad.iter().map(|[_, y]| *y);
        sides.clone().fold(f32::MIN, f32::max) - sides.fold(f32::MAX, f32::min)
    };
    (middle(a, 1) - middle(b, 1)).abs() < height(a).min(height(b)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, left: f32, top: f32) -> ReadLine {
        let (right, below) = (left + 0.2, top + 0.1);
        let quad = [[left, top], [right, top], [right, below], [left, below]];
        ReadLine { text: text.into(), quad, confidence: 0.9 }
    }

    #[test]
    fn lines_are_read_from_the_top_and_from_the_left_and_their_places_are_kept() {
        let given = vec![line("第三", 0.1, 0.8), line("second", 0.6, 0.12), line("第一", 0.1, 0.1)];
        let written = written(given);
        assert_eq!(written.text, "第一 second\n第三");
        let told: Vec<&str> = written.lines.iter().map(|line| &written.text[line.span.bytes.clone()]).collect();
        assert_eq!(told, ["第一", "second", "第三"]);
        assert_eq!(written.lines[2].span.chars, 10..12);
    }

    #[test]
    fn nothing_read_is_an_empty_text() {
        assert_eq!(written(Vec::new()), Written::default());
    }
}
