//! Tokens become hashed features: words, pairs of neighbours, character n-grams. The recipe is version
//! [`TEXT_FEATURE_VERSION`](crate::input_spec::TEXT_FEATURE_VERSION); a change of it needs a new number and new models.

use std::borrow::Cow;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::segment::{Piece, Script};
use crate::domain::Span;
use crate::input_spec::TextInputSpec;

/// A token of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// As matched: normalised, simplified, lower case.
    pub text: String,
    /// Where it stands in the caller's string.
    pub span: Span,
}

/// A passage of text as features.
#[derive(Debug, Clone)]
pub struct Window {
    /// The passage's tokens.
    pub tokens: Vec<Token>,
    /// Bucket of each feature, [0, buckets).
    pub ids: Vec<u32>,
    /// The tokens each feature covers, a half-open range of indices into `tokens`.
    pub covers: Vec<Range<usize>>,
    /// The value of every feature: 1 / sqrt(number of features), so long passages do not shout.
    pub value: f32,
}

/// Tokens that two neighbouring windows share when a window had to end inside a sentence.
const OVERLAP: usize = 8;

/// Cuts `pieces` into windows of at most `spec.window_tokens` tokens, at sentence ends where there is one in the second
/// half, and hashes each. A text without tokens has no windows.
pub(super) fn windows(pieces: &[Piece], spec: &TextInputSpec) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut start = 0;
    while start < pieces.len() {
        let longest = (start + spec.window_tokens).min(pieces.len());
        let half = start + spec.window_tokens / 2;
        let at_sentence = (half..longest).rev().find(|&i| pieces.get(i).is_some_and(|piece| piece.ends_sentence));
        let end = if longest == pieces.len() { longest } else { at_sentence.map_or(longest, |i| i + 1) };
        windows.push(window(pieces.get(start..end).unwrap_or_default(), spec.buckets));
        if end == pieces.len() {
            break;
        }
        start = if at_sentence.is_some() { end } else { end.saturating_sub(OVERLAP).max(start + 1) };
    }
    windows
}

fn window(pieces: &[Piece], buckets: u32) -> Window {
    let mut features = Features { key: Vec::with_capacity(64), buckets, ids: Vec::new(), covers: Vec::new() };
    let words: Vec<Cow<'_, str>> = pieces.iter().map(word_form).collect();
    for (index, (piece, word)) in pieces.iter().zip(&words).enumerate() {
        features.add(b'w', &[word], index..index + 1);
        if let Some(next) = words.get(index + 1)
            && !piece.ends_sentence
        {
            features.add(b'p', &[word, " ", next], index..index + 2);
        }
        if piece.script == Script::Latin {
            latin_ngrams(&format!("<{}>", piece.text), index, &mut features);
        }
    }
    let mut offset = 0;
    for run in pieces.chunk_by(|a, b| a.run == b.run) {
        if run.first().is_some_and(|piece| piece.script == Script::Han) {
            han_ngrams(run, offset, &mut features);
        }
        offset += run.len();
    }
    let Features { ids, covers, .. } = features;
    #[expect(clippy::cast_precision_loss, reason = "a window has far fewer than 2^24 features")]
    let value = if ids.is_empty() { 0.0 } else { 1.0 / (ids.len() as f32).sqrt() };
    let tokens = pieces.iter().map(|piece| Token { text: piece.text.clone(), span: piece.span.clone() }).collect();
    Window { tokens, ids, covers, value }
}

/// Features so far, and one buffer for the keys that are hashed: a long text has tens of thousands of them.
struct Features {
    key: Vec<u8>,
    buckets: u32,
    ids: Vec<u32>,
    covers: Vec<Range<usize>>,
}

impl Features {
    /// Adds the feature of `kind` whose text is `parts` in a row.
    fn add(&mut self, kind: u8, parts: &[&str], covers: Range<usize>) {
        self.key.clear();
        self.key.push(kind);
        parts.iter().for_each(|part| self.key.extend_from_slice(part.as_bytes()));
        let bucket = xxh3_64(&self.key) % u64::from(self.buckets.max(1));
        self.ids.push(u32::try_from(bucket).unwrap_or_default());
        self.covers.push(covers);
    }
}

/// Numbers are told apart by length only: 50 grams and 80 grams say the same.
fn word_form(piece: &Piece) -> Cow<'_, str> {
    if piece.script == Script::Number {
        Cow::Owned(format!("#{}", piece.text.chars().count()))
    } else {
        Cow::Borrowed(&piece.text)
    }
}

/// Pairs and triples of characters of a Chinese run, across its words: catches what segmentation cuts wrongly.
fn han_ngrams(run: &[Piece], offset: usize, features: &mut Features) {
    let text: String = run.iter().map(|piece| piece.text.as_str()).collect();
    let tokens = run.iter().enumerate().flat_map(|(i, piece)| piece.text.chars().map(move |_| offset + i));
    let starts: Vec<(usize, usize)> = text.char_indices().map(|(byte, _)| byte).zip(tokens).collect();
    for size in 2..=3 {
        for (position, &(start, first)) in starts.iter().enumerate() {
            let Some(&(_, last)) = starts.get(position + size - 1) else { break };
            let end = starts.get(position + size).map_or(text.len(), |&(byte, _)| byte);
            features.add(b'h', &[text.get(start..end).unwrap_or_default()], first..last + 1);
        }
    }
}

/// Runs of 3 to 5 characters of a word with its ends marked.
fn latin_ngrams(word: &str, token: usize, features: &mut Features) {
    let mut bounds: Vec<usize> = word.char_indices().map(|(byte, _)| byte).collect();
    bounds.push(word.len());
    for size in 3..=5 {
        for bound in bounds.windows(size + 1) {
            if let (Some(&start), Some(&end)) = (bound.first(), bound.last())
                && let Some(gram) = word.get(start..end)
            {
                features.add(b'l', &[gram], token..token + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Normalized, Segmenter};
    use super::*;

    fn spec() -> TextInputSpec {
        TextInputSpec { buckets: 1 << 16, window_tokens: 16 }
    }

    fn of(text: &str) -> Vec<Window> {
        windows(&Segmenter::new("").unwrap().cut(&Normalized::new(text)), &spec())
    }

    #[test]
    fn the_same_words_in_another_spelling_have_the_same_features() {
        assert_eq!(of("穿山甲鳞片")[0].ids, of("穿.山.甲鱗片")[0].ids);
        assert_eq!(of("IVORY")[0].ids, of("ｉｖｏｒｙ")[0].ids);
    }

    #[test]
    fn a_long_text_is_covered_by_windows_without_gaps() {
        let windows = of(&"老料手串包浆好。".repeat(40));
        assert!(windows.len() > 5);
        for pair in windows.windows(2) {
            assert!(pair[1].tokens[0].span.bytes.start <= pair[0].tokens.last().unwrap().span.bytes.end + 3);
        }
    }

    #[test]
    fn a_text_without_words_has_no_windows() {
        assert!(of("  ， . ").is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn features_stay_in_their_buckets_and_cover_tokens_of_their_window(text in "[象牙犀角料手串a-z0-9 。!🐘]{0,120}") {
            for window in of(&text) {
                prop_assert_eq!(window.ids.len(), window.covers.len());
                prop_assert!(window.tokens.len() <= spec().window_tokens);
                for (id, cover) in window.ids.iter().zip(&window.covers) {
                    prop_assert!(*id < spec().buckets);
                    prop_assert!(cover.start < cover.end && cover.end <= window.tokens.len());
                }
            }
        }
    }
}
