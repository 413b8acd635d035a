//! Tokens become hashed features: words, pairs of neighbours, character n-grams. The recipe is version
//! [`TEXT_FEATURE_VERSION`](crate::input_spec::TEXT_FEATURE_VERSION); a change of it needs a new number and new models.

use std::borrow::Cow;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::segment::{Piece, Script};
use crate::domain::Span;

/// A token of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// As matched: normalised, simplified, lower case.
    pub text: String,
    /// Where it stands in the caller's string.
    pub span: Span,
}

/// A hashed feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Its bucket, [0, buckets).
    pub id: u32,
    /// The tokens it is made of.
    pub covers: Range<usize>,
}

/// All features of a text, each hashed once; a window takes those that lie inside it.
#[derive(Debug, Default)]
pub(super) struct Features {
    /// By first token.
    all: Vec<Feature>,
    /// Of each token, the first feature that begins there; one more for the end.
    starts: Vec<usize>,
}

impl Features {
    /// Hashes `pieces` into `buckets` buckets.
    pub(super) fn new(pieces: &[Piece], buckets: u32) -> Self {
        let mut hasher = Hasher { key: Vec::with_capacity(64), buckets, features: Vec::new() };
        let words: Vec<Cow<'_, str>> = pieces.iter().map(word_form).collect();
        for (index, (piece, word)) in pieces.iter().zip(&words).enumerate() {
            hasher.add(b'w', &[word], index..index + 1);
            if let Some(next) = words.get(index + 1)
                && !piece.ends_sentence
            {
                hasher.add(b'p', &[word, " ", next], index..index + 2);
            }
            if piece.script == Script::Alphabetic {
                latin_ngrams(&format!("<{}>", piece.text), index, &mut hasher);
            }
        }
        let mut offset = 0;
        for run in pieces.chunk_by(|a, b| a.run == b.run) {
            if run.first().is_some_and(|piece| piece.script == Script::Han) {
                han_ngrams(run, offset, &mut hasher);
            }
            offset += run.len();
        }
        let mut all = hasher.features;
        all.sort_by_key(|feature| feature.covers.start);
        let starts = (0..=pieces.len()).map(|token| all.partition_point(|feature| feature.covers.start < token));
        Self { starts: starts.collect(), all }
    }

    /// Those that lie inside `window`, a range of tokens.
    pub(super) fn inside(&self, window: &Range<usize>) -> impl Iterator<Item = &Feature> + Clone {
        let end = window.end;
        self.all.get(self.begun(window)).unwrap_or_default().iter().filter(move |feature| feature.covers.end <= end)
    }

    /// Where those that lie inside `window` stand among all.
    pub(super) fn places(&self, window: &Range<usize>) -> impl Iterator<Item = usize> {
        let (begun, end) = (self.begun(window), window.end);
        let inside = self.all.get(begun.clone()).unwrap_or_default();
        begun.zip(inside).filter(move |(_, feature)| feature.covers.end <= end).map(|(place, _)| place)
    }

    /// The places of those that begin in `window`.
    fn begun(&self, window: &Range<usize>) -> Range<usize> {
        let at = |token: usize| self.starts.get(token).copied().unwrap_or(self.all.len());
        at(window.start)..at(window.end)
    }
}

/// Features so far, and one buffer for the keys that are hashed: a long text has tens of thousands of them.
struct Hasher {
    key: Vec<u8>,
    buckets: u32,
    features: Vec<Feature>,
}

impl Hasher {
    /// Adds the feature of `kind` whose text is `parts` in a row.
    fn add(&mut self, kind: u8, parts: &[&str], covers: Range<usize>) {
        self.key.clear();
        self.key.push(kind);
        parts.iter().for_each(|part| self.key.extend_from_slice(part.as_bytes()));
        let bucket = xxh3_64(&self.key) % u64::from(self.buckets.max(1));
        self.features.push(Feature { id: u32::try_from(bucket).unwrap_or_default(), covers });
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
fn han_ngrams(run: &[Piece], offset: usize, features: &mut Hasher) {
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
fn latin_ngrams(word: &str, token: usize, features: &mut Hasher) {
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
