//! What a reader sees of a string, in the order it is seen: characters with their marks, entities of HTML decoded, text that was
//! written backwards turned round.

use std::borrow::Cow;

use unicode_bidi::{BidiInfo, Level};
use unicode_normalization::char::canonical_combining_class;

use crate::domain::Span;

/// A base character with the marks that combine with it (NFKC of each gives NFKC of the whole), or what an entity stands for.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    /// What is seen.
    pub(super) text: Cow<'a, str>,
    /// Where it is written.
    pub(super) span: Span,
    /// It is shown against its own direction.
    pub(super) is_turned: bool,
}

/// The units of `original`, as they are seen from left to right.
pub(super) fn units(original: &str) -> Vec<Unit<'_>> {
    let mut units = Vec::with_capacity(original.len());
    let mut position = original.char_indices().enumerate().peekable();
    while let Some((char_start, (byte_start, first))) = position.next() {
        let rest = original.get(byte_start..).unwrap_or_default();
        let entity = (first == '&').then(|| entity(rest)).flatten();
        let mut char_end = char_start + 1;
        if let Some((length, _)) = &entity {
            while position.next_if(|&(_, (byte, _))| byte < byte_start + length).is_some() {
                char_end += 1;
            }
        } else {
            while position.next_if(|&(_, (_, c))| canonical_combining_class(c) != 0).is_some() {
                char_end += 1;
            }
        }
        let byte_end = position.peek().map_or(original.len(), |&(_, (byte, _))| byte);
        let text = entity.map(|(_, seen)| Cow::Owned(seen));
        let text = text.unwrap_or_else(|| Cow::Borrowed(original.get(byte_start..byte_end).unwrap_or_default()));
        units.push(Unit {
            text,
            span: Span { bytes: byte_start..byte_end, chars: char_start..char_end },
            is_turned: false,
        });
    }
    if original.contains(is_override) { in_visual_order(original, units) } else { units }
}

/// Longest entity of HTML, `&CounterClockwiseContourIntegral;`, in bytes.
const MAX_ENTITY: usize = 33;

/// The entity that `text` begins with: its length in bytes, and what it stands for.
fn entity(text: &str) -> Option<(usize, String)> {
    let length = text.bytes().take(MAX_ENTITY).position(|byte| byte == b';')? + 1;
    let written = text.get(..length)?;
    let seen = html_escape::decode_html_entities(written);
    (seen != written).then(|| (length, seen.into_owned()))
}

/// Letters that follow are shown against their own direction. No honest listing needs it.
fn is_override(c: char) -> bool {
    matches!(c, '\u{202D}' | '\u{202E}')
}

fn in_visual_order<'a>(original: &'a str, units: Vec<Unit<'a>>) -> Vec<Unit<'a>> {
    let bidi = BidiInfo::new(original, Some(Level::ltr()));
    let mut ordered = Vec::with_capacity(units.len());
    let mut rest: Vec<Option<Unit<'a>>> = units.into_iter().map(Some).collect();
    // Units rise by position, so those of a run lie side by side.
    let starts: Vec<usize> = rest.iter().flatten().map(|unit| unit.span.bytes.start).collect();
    for paragraph in &bidi.paragraphs {
        let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
        for run in runs {
            let backwards = levels.get(run.start).is_some_and(Level::is_rtl);
            let inside =
                starts.partition_point(|&start| start < run.start)..starts.partition_point(|&start| start < run.end);
            let units = rest.get_mut(inside).unwrap_or_default().iter_mut().filter_map(Option::take);
            let before = ordered.len();
            ordered.extend(units);
            if backwards {
                let turned = ordered.get_mut(before..).unwrap_or_default();
                turned.reverse();
                turned
                    .iter_mut()
                    .for_each(|unit| unit.is_turned = unit.text.chars().all(|c| c.is_ascii_alphanumeric()));
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(original: &str) -> String {
        units(original).iter().map(|unit| unit.text.as_ref()).collect()
    }

    #[test]
    fn entities_are_decoded_and_point_to_where_they_are_written() {
        assert_eq!(seen("id&shy;ol &#x8c61;&#29273; R&D &nosuch; a&b;"), "id\u{AD}ol 象牙 R&D &nosuch; a&b;");
        let original = "象&#29273;";
        let units = units(original);
        assert_eq!(units.len(), 2);
        assert_eq!(&original[units[1].span.bytes.clone()], "&#29273;");
        assert_eq!(units[1].span.chars, 1..9);
    }

    #[test]
    fn what_is_written_backwards_is_read_as_it_is_shown() {
        let shown: String =
            seen("old \u{202E}lodi\u{202C} ring").chars().filter(|&c| c != '\u{202E}' && c != '\u{202C}').collect();
        assert_eq!(shown, "old idol ring");
        assert_eq!(seen("עברית"), "עברית");
    }
}
