//! One spelling for what sellers write in many: NFKC, lower case, simplified characters, nothing hidden inside words.
//! Every character keeps the range of the original string it came from.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use super::disguise::{is_boxed, is_half_flag, is_phonetic, is_styled, plain_letter};
use super::letters::{is_accented_latin, is_han};
use super::units::{Unit, units};
use crate::domain::Span;

/// A normalised text and where each of its characters came from.
#[derive(Debug, Default)]
pub struct Normalized {
    letters: Vec<Letter>,
    chars: Vec<char>,
}

/// What is known of a character besides what it is.
#[derive(Debug, Clone)]
struct Letter {
    source: Span,
    /// It was written in a way that hides what it is.
    is_disguised: bool,
    /// Something that hides a word stood between the character before and this one.
    is_cut_off: bool,
}

impl Normalized {
    /// Normalises `original`.
    pub fn new(original: &str) -> Self {
        let mut folded = Self::default();
        let mut cut_off = false;
        for Unit { text, span, is_turned } in units(original) {
            let marks_hide = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || is_han(c));
            let before = folded.chars.len();
            let is_styled = text.chars().any(is_styled);
            let mut dropped_mark = false;
            for c in text.nfkc().flat_map(char::to_lowercase) {
                if canonical_combining_class(c) != 0 {
                    dropped_mark |= marks_hide;
                } else if is_invisible(c) {
                    cut_off |= !matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{200D}');
                } else {
                    let letter = Letter { source: span.clone(), is_disguised: false, is_cut_off: cut_off };
                    folded.push(printed(c), letter);
                    cut_off = false;
                }
            }
            folded
                .letters
                .iter_mut()
                .skip(before)
                .for_each(|letter| letter.is_disguised = dropped_mark || is_styled || is_turned);
        }
        folded.read_letters_in_disguise();
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
        // Text that was written backwards came from behind.
        let merge = |a: Span, b: Span| Span {
            bytes: a.bytes.start.min(b.bytes.start)..a.bytes.end.max(b.bytes.end),
            chars: a.chars.start.min(b.chars.start)..a.chars.end.max(b.chars.end),
        };
        let letters = self.letters.get(range).unwrap_or_default().iter();
        letters.map(|letter| letter.source.clone()).reduce(merge).unwrap_or(Span { bytes: 0..0, chars: 0..0 })
    }

    /// Whether the word in `range` was written in a way that hides it: with letters in disguise, or with something inside it.
    pub(super) fn is_disguised(&self, range: Range<usize>) -> bool {
        let letters = self.letters.get(range).unwrap_or_default();
        letters.iter().any(|letter| letter.is_disguised) || letters.iter().skip(1).any(|letter| letter.is_cut_off)
    }

    /// Whether a clause ends at the character at `position`: a stop, a comma, a dash, or a space where Chinese is written, which
    /// needs none between words.
    pub(super) fn ends_clause(&self, position: usize) -> bool {
        let Some(&c) = self.chars.get(position) else { return false };
        let next = self.chars.get(position + 1).copied();
        let last = position.checked_sub(1).and_then(|before| self.chars.get(before)).copied();
        is_sentence_end(c)
            || matches!(c, ',' | '|' | '【' | '】' | '—' | '–')
            || c == '.' && next.is_none_or(char::is_whitespace)
            || c == '-' && last == Some(' ') && next == Some(' ')
            || c.is_whitespace() && (last.is_some_and(is_han) || next.is_some_and(is_han))
    }

    fn push(&mut self, c: char, letter: Letter) {
        self.chars.push(c);
        self.letters.push(letter);
    }

    /// Letters of another script inside a Latin word, small capitals, boxed letters become the plain ones they are drawn like.
    fn read_letters_in_disguise(&mut self) {
        let is_letter = |c: &char| (c.is_alphanumeric() && !is_han(*c)) || is_boxed(*c);
        let mut start = 0;
        for word in self.chars.chunk_by(|a, b| is_letter(a) == is_letter(b)).map(<[char]>::len).collect::<Vec<_>>() {
            let range = start..start + word;
            start = range.end;
            let chars = self.chars.get_mut(range.clone()).unwrap_or_default();
            let is_mixed = chars.iter().any(char::is_ascii_alphabetic);
            // Two halves of a flag are a flag.
            let flags = chars.iter().filter(|&&c| is_half_flag(c)).count();
            for (c, letter) in chars.iter_mut().zip(self.letters.get_mut(range).unwrap_or_default()) {
                let hides = is_phonetic(*c)
                    || (is_boxed(*c) && (!is_half_flag(*c) || flags > 2))
                    || (is_mixed && !is_accented_latin(*c) && !is_boxed(*c));
                if let Some(plain) = hides.then(|| plain_letter(*c)).flatten() {
                    (*c, letter.is_disguised) = (plain, true);
                }
            }
        }
    }

    /// Drops what stands inside words to hide them: between two Chinese characters any run of symbols (象☆牙, 犀.牛.角), and
    /// spaces where single characters stand apart on both sides (象 牙); between Latin letters symbols that no spelling has
    /// (id*ol), and whatever stands between each of them (i.d.o.l). Sentence punctuation and spaces between words stay.
    fn without_symbols_inside_words(self) -> Self {
        let Self { letters, chars } = self;
        let mut kept = Self::default();
        let mut rest = chars.iter().copied().zip(letters).enumerate().peekable();
        let mut spelled_until = 0;
        while let Some((position, (c, letter))) = rest.next() {
            kept.push(c, letter);
            if !is_han(c) && !c.is_ascii_alphabetic() {
                continue;
            }
            let gap = chars.get(position + 1..).unwrap_or_default();
            let length = gap.iter().take(MAX_FILLER + 1).take_while(|&&c| is_filler(c)).count();
            let Some(next) = gap.get(length).copied().filter(|_| length > 0 && length <= MAX_FILLER) else { continue };
            let hides = if is_han(c) && is_han(next) {
                // A stop and a space after it end a sentence, unless a single character is left apart.
                let spaces = gap.iter().take(length).filter(|c| c.is_whitespace()).count();
                let (before, after) = (stands_alone(&chars, position), stands_alone(&chars, position + 1 + length));
                if spaces == length { before && after } else { spaces == 0 || before || after }
            } else if c.is_ascii_alphabetic() && next.is_ascii_alphabetic() {
                if position >= spelled_until {
                    spelled_until = end_of_spelling(&chars, position);
                }
                position + 1 < spelled_until || gap.iter().take(length).all(|&c| is_in_no_spelling(c))
            } else {
                false
            };
            if hides {
                (0..length).for_each(|_| _ = rest.next());
                if let Some((_, (_, next))) = rest.peek_mut() {
                    next.is_cut_off = true;
                }
            }
        }
        kept
    }
}

/// Control characters are spaces; those that end a line end one.
fn printed(c: char) -> char {
    match c {
        '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
        _ if c.is_control() => ' ',
        _ => c,
    }
}

/// Fewest letters, each apart from the next by the same one symbol, that are a word spelled out.
const MIN_SPELLED: usize = 4;

/// Where a word that is spelled out letter by letter from `start` ends; `start` when none is.
fn end_of_spelling(chars: &[char], start: usize) -> usize {
    let is_latin = |index: usize| chars.get(index).is_some_and(char::is_ascii_alphabetic);
    if start.checked_sub(1).is_some_and(is_latin) {
        return start;
    }
    let between = chars.get(start + 1).copied();
    let mut last = start;
    while between.is_some_and(is_filler)
        && chars.get(last + 1).copied() == between
        && is_latin(last + 2)
        && !is_latin(last + 3)
    {
        last += 2;
    }
    if (last - start) / 2 + 1 >= MIN_SPELLED { last + 1 } else { start }
}

/// Symbols that stand inside no word of any language: hyphens, stops and apostrophes do.
fn is_in_no_spelling(c: char) -> bool {
    !matches!(c, '-' | '.' | '\'' | '"' | '`' | '/' | '\\' | '+' | '=' | '#' | '@') && !c.is_whitespace()
}

/// Longest run of symbols that still hides a word rather than separating two.
const MAX_FILLER: usize = 3;

/// No letter or digit on either side.
fn stands_alone(chars: &[char], position: usize) -> bool {
    let in_word = |index: Option<usize>| index.and_then(|i| chars.get(i)).copied().is_some_and(char::is_alphanumeric);
    !in_word(position.checked_sub(1)) && !in_word(Some(position + 1))
}

/// Characters that show nothing or are drawn over their neighbours: Unicode's Default_Ignorable_Code_Point (joiners, direction
/// marks, fillers, variation selectors, tags), interlinear marks and the blank Braille cell.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
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
        assert_eq!(normal("ＩＤＯＬ　穿山甲鱗片"), "idol 穿山甲鳞片");
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
            prop_assert_eq!(normalized.chars.len(), normalized.letters.len());
            let mut last = 0;
            for Letter { source, .. } in &normalized.letters {
                prop_assert!(original.get(source.bytes.clone()).is_some());
                prop_assert_eq!(original[..source.bytes.start].chars().count(), source.chars.start);
                prop_assert!(source.bytes.start >= last);
                last = source.bytes.start;
            }
        }
    }
}
