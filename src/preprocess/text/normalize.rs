//! One spelling for what sellers write in many: NFKC, lower case, simplified characters, nothing hidden inside words.
//! Every character keeps the range of the original string it came from.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::domain::Span;

/// A normalised text and where each of its characters came from.
#[derive(Debug, Default)]
pub struct Normalized {
    chars: Vec<char>,
    sources: Vec<Span>,
}

impl Normalized {
    /// Normalises `original`.
    pub fn new(original: &str) -> Self {
        let mut folded = Self::default();
        for (cluster, span) in clusters(original) {
            for c in cluster.nfkc().flat_map(char::to_lowercase) {
                if !is_invisible(c) {
                    folded.push(if c.is_control() { ' ' } else { c }, span.clone());
                }
            }
        }
        // The table maps one character to one character, so positions hold; it looks at neighbours to choose.
        let simplified = fast2s::convert(&folded.chars.iter().collect::<String>());
        folded.chars = simplified.chars().collect();
        folded.without_symbols_inside_words()
    }

    /// The normalised characters.
    pub fn chars(&self) -> &[char] {
        &self.chars
    }

    /// The normalised text of a range of characters.
    pub fn slice(&self, range: Range<usize>) -> &[char] {
        self.chars.get(range).unwrap_or_default()
    }

    /// The range of the original string that the characters in `range` came from. Empty when `range` is.
    pub fn span(&self, range: Range<usize>) -> Span {
        match self.sources.get(range).unwrap_or_default() {
            [] => Span { bytes: 0..0, chars: 0..0 },
            [only] => only.clone(),
            [first, .., last] => {
                Span { bytes: first.bytes.start..last.bytes.end, chars: first.chars.start..last.chars.end }
            }
        }
    }

    fn push(&mut self, c: char, source: Span) {
        self.chars.push(c);
        self.sources.push(source);
    }

    /// Drops what stands between two Chinese characters to hide a word: any run of symbols (象☆牙, 犀.牛.角), and spaces
    /// where single characters stand apart on both sides (象 牙). Sentence punctuation and spaces between words stay.
    fn without_symbols_inside_words(self) -> Self {
        let mut kept = Self::default();
        let mut rest = self.chars.iter().copied().zip(self.sources).enumerate().peekable();
        while let Some((position, (c, source))) = rest.next() {
            kept.push(c, source);
            if !is_han(c) {
                continue;
            }
            let gap = self.chars.get(position + 1..).unwrap_or_default();
            let length = gap.iter().take_while(|&&c| is_filler(c)).count();
            let next_is_han = gap.get(length).copied().is_some_and(is_han);
            if length == 0 || length > MAX_FILLER || !next_is_han {
                continue;
            }
            let all_space = gap.iter().take(length).all(|c| c.is_whitespace());
            if !all_space || (stands_alone(&self.chars, position) && stands_alone(&self.chars, position + 1 + length)) {
                for _ in 0..length {
                    rest.next();
                }
            }
        }
        kept
    }
}

/// Longest run of symbols that still hides a word rather than separating two.
const MAX_FILLER: usize = 3;

fn stands_alone(chars: &[char], position: usize) -> bool {
    let han_at = |index: Option<usize>| index.and_then(|i| chars.get(i)).copied().is_some_and(is_han);
    !han_at(position.checked_sub(1)) && !han_at(Some(position + 1))
}

/// A base character with the marks that combine with it: NFKC of each gives NFKC of the whole.
fn clusters(original: &str) -> impl Iterator<Item = (&str, Span)> {
    let mut position = original.char_indices().enumerate().peekable();
    std::iter::from_fn(move || {
        let (char_start, (byte_start, _)) = position.next()?;
        let mut char_end = char_start + 1;
        while position.next_if(|&(_, (_, c))| canonical_combining_class(c) != 0).is_some() {
            char_end += 1;
        }
        let byte_end = position.peek().map_or(original.len(), |&(_, (byte, _))| byte);
        let span = Span { bytes: byte_start..byte_end, chars: char_start..char_end };
        Some((original.get(byte_start..byte_end)?, span))
    })
}

/// Characters that show nothing or are drawn over their neighbours: Unicode's Default_Ignorable_Code_Point (joiners, direction
/// marks, fillers, variation selectors, tags), interlinear marks, the blank Braille cell, and marks that combine with nothing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
        || canonical_combining_class(c) != 0
}

/// Chinese characters.
pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3134F}' | '〇')
}

/// Emoji and pictographs, which are words of their own.
pub(super) fn is_emoji(c: char) -> bool {
    matches!(c, '\u{1F300}'..='\u{1FAFF}' | '\u{2600}'..='\u{27BF}' | '\u{2B00}'..='\u{2BFF}') && !is_filler(c)
}

/// Sentence ends: windows prefer to break here.
pub(super) fn is_sentence_end(c: char) -> bool {
    matches!(c, '。' | '!' | '?' | ';' | '\n' | '…')
}

/// Symbols that sellers put inside words. Not sentence punctuation, brackets or anything that carries meaning.
fn is_filler(c: char) -> bool {
    (c.is_whitespace() && c != '\n')
        || matches!(
            c,
            '.' | '·'
                | '・'
                | '•'
                | '*'
                | '_'
                | '-'
                | '~'
                | '^'
                | '|'
                | '/'
                | '\\'
                | '+'
                | '='
                | '#'
                | '@'
                | '`'
                | '\''
                | '"'
                | '★'
                | '☆'
                | '●'
                | '○'
                | '◆'
                | '◇'
                | '■'
                | '□'
                | '▲'
                | '△'
                | '♡'
                | '♥'
                | '❤'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(text: &str) -> String {
        Normalized::new(text).chars.iter().collect()
    }

    #[test]
    fn spellings_that_hide_a_word_come_out_the_same() {
        for hidden in [
            "象牙",
            "象.牙",
            "象☆牙",
            "象_牙",
            "象\u{200B}牙",
            "象 牙",
            "象️牙",
            "象\u{61C}牙",
            "象\u{115F}牙",
            "象\u{17B4}牙",
            "象\u{180B}牙",
            "象\u{2066}牙",
            "象\u{206F}牙",
            "象\u{2800}牙",
            "象\u{3164}牙",
            "象\u{FFA0}牙",
            "象\u{FFF9}牙",
            "象\u{E0100}牙",
            "象\u{336}牙\u{336}",
        ] {
            assert_eq!(normal(hidden), "象牙", "{hidden:?}");
        }
        assert_eq!(normal("犀.牛.角"), "犀牛角");
        assert_eq!(normal("ＩＶＯＲＹ　穿山甲鱗片"), "ivory 穿山甲鳞片");
    }

    #[test]
    fn words_that_stand_apart_stay_apart() {
        assert_eq!(normal("大象 牙刷"), "大象 牙刷");
        assert_eq!(normal("大象。牙刷"), "大象。牙刷");
        assert_eq!(normal("3.5 mm - ok"), "3.5 mm - ok");
    }

    #[test]
    fn spans_point_into_the_original() {
        let original = "老 ☆ 象.牙手串🐘";
        let normalized = Normalized::new(original);
        let start = normalized.chars.iter().position(|&c| c == '象').unwrap();
        let span = normalized.span(start..start + 2);
        assert_eq!(&original[span.bytes.clone()], "象.牙");
        assert_eq!(original.chars().skip(span.chars.start).take(span.chars.len()).collect::<String>(), "象.牙");
    }

    proptest! {
        #[test]
        fn every_character_maps_to_a_valid_range_in_order(original in "\\PC{0,40}[象牙犀角.☆ \u{200B}é\u{301}Ａ]{0,20}") {
            let normalized = Normalized::new(&original);
            prop_assert_eq!(normalized.chars.len(), normalized.sources.len());
            let mut last = 0;
            for source in &normalized.sources {
                prop_assert!(original.get(source.bytes.clone()).is_some());
                prop_assert_eq!(original[..source.bytes.start].chars().count(), source.chars.start);
                prop_assert!(source.bytes.start >= last);
                last = source.bytes.start;
            }
        }
    }
}
