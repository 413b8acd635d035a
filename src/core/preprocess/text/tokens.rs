//! Texts as the tokens of a Hugging Face tokenizer: windows of ids, with every token traceable to the caller's original string.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::{Encoding, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy};

use super::normalize::Normalized;
use crate::domain::Span;
use crate::error::{Error, Result};
use crate::input_spec::{TextForm, TokensInputSpec};

/// Turns texts into windows of tokens.
#[derive(Debug)]
pub struct TokenReader {
    tokenizer: Tokenizer,
    spec: TokensInputSpec,
    /// Fills windows up to the longest; the model is told not to look at it.
    pad: u32,
    /// Stands in a token's place to see what is lost without it.
    mask: u32,
}

/// Tokens that are scored together, special ones included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenWindow {
    /// Ids, as the model takes them.
    pub ids: Vec<u32>,
    /// Of which of two texts each is; all 0 with one.
    pub types: Vec<u32>,
    /// The words of the text in it, in order: tokens of each, and where it stands in the caller's string.
    pub words: Vec<Word>,
}

/// A word of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Places of its tokens.
    pub tokens: Range<usize>,
    /// As the caller wrote it.
    pub text: String,
    /// Where it stands in the caller's string.
    pub span: Span,
}

impl TokenReader {
    /// A reader by the content of a `tokenizer.json`. Nothing is fetched.
    ///
    /// # Errors
    /// [`Error::Setup`] when it is no tokenizer that this program knows, or its special tokens leave no room.
    pub fn new(spec: TokensInputSpec, json: &[u8]) -> Result<Self> {
        let read = guarded(|| Tokenizer::from_bytes(json).map_err(|cause| cause.to_string()));
        let mut tokenizer = read.map_err(|problem| Error::setup(format!("is no tokenizer: {problem}")))?;
        let known = |names: &[&str]| names.iter().find_map(|name| tokenizer.token_to_id(name));
        let padding = tokenizer.get_padding().map(|padding| padding.pad_id);
        let pad = padding.or_else(|| known(&["[PAD]", "<pad>", "<|endoftext|>"])).unwrap_or(0);
        let mask = known(&["[MASK]", "<mask>", "[UNK]", "<unk>"]).unwrap_or(pad);
        tokenizer.with_padding(None);
        let window = TruncationParams {
            max_length: spec.max_length,
            stride: spec.overlap,
            strategy: TruncationStrategy::LongestFirst,
            direction: TruncationDirection::Right,
        };
        let refused =
            |cause: tokenizers::Error| Error::setup(format!("does not cut windows as [tokens] says: {cause}"));
        tokenizer.with_truncation(Some(window)).map_err(refused)?;
        let reader = Self { tokenizer, spec, pad, mask };
        let special = reader.encode("").map(|window| window.get_ids().len()).unwrap_or_default();
        if special + spec.overlap >= spec.max_length {
            let (most, overlap) = (spec.max_length, spec.overlap);
            return Err(Error::setup(format!(
                "adds {special} special tokens; tokens.max_length {most} must be above that and tokens.overlap {overlap} together"
            )));
        }
        Ok(reader)
    }

    /// What fills a window up.
    pub fn pad(&self) -> u32 {
        self.pad
    }

    /// What stands for a word that is taken out.
    pub fn mask(&self) -> u32 {
        self.mask
    }

    /// Most tokens of a window.
    pub fn max_length(&self) -> usize {
        self.spec.max_length
    }

    /// The windows of `original`, in order. Of more than `spec.windows` the first and the last are kept, half and half. None: a
    /// text without tokens, or one that the tokenizer fails on.
    pub fn windows(&self, original: &str) -> Vec<TokenWindow> {
        let normalized = (self.spec.text == TextForm::Normalized).then(|| Normalized::new(original));
        let read: String =
            normalized.as_ref().map_or_else(|| original.to_owned(), |text| text.chars().iter().collect());
        let Some(encoding) = self.encode(&read) else { return Vec::new() };
        let all: Vec<&Encoding> = std::iter::once(&encoding).chain(encoding.get_overflowing()).collect();
        let first = self.spec.windows.div_ceil(2);
        let kept: Vec<&Encoding> = if all.len() > self.spec.windows {
            let last = all.len() - (self.spec.windows - first);
            all.iter().take(first).chain(all.iter().skip(last)).copied().collect()
        } else {
            all
        };
        let places = Places::new(&read, original, normalized.as_ref());
        let windows = kept.into_iter().map(|window| places.window(window));
        windows.filter(|window| !window.words.is_empty()).collect()
    }

    fn encode(&self, text: &str) -> Option<Encoding> {
        guarded(|| self.tokenizer.encode(text, true).map_err(|cause| cause.to_string()))
            .map_err(|problem| tracing::debug!(problem, "a text that the tokenizer fails on"))
            .ok()
    }
}

/// A tokenizer is data of a model's maker, and texts are anybody's: a panic in it is its own fault and nobody else's.
fn guarded<T>(run: impl FnOnce() -> std::result::Result<T, String>) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("it panicked".into()))
}

/// Where the bytes of what was read stand in what the caller wrote.
struct Places<'a> {
    original: &'a str,
    normalized: Option<&'a Normalized>,
    /// Bytes at which the characters of what was read begin; one more for the end.
    starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(read: &str, original: &'a str, normalized: Option<&'a Normalized>) -> Self {
        let starts = read.char_indices().map(|(start, _)| start).chain([read.len()]);
        Self { original, normalized, starts: starts.collect() }
    }

    /// The whole characters that `bytes`, at least one, lie in, without white space at their ends; `None`: there is nothing else.
    fn word(&self, bytes: Range<usize>) -> Option<(Span, String)> {
        let character = |byte: usize| self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        let (first, last) = (character(bytes.start), character(bytes.end.checked_sub(1)?));
        let chars = first..(last + 1).min(self.starts.len() - 1);
        let span = match self.normalized {
            Some(normalized) => normalized.span(chars),
            None => Span { bytes: *self.starts.get(chars.start)?..*self.starts.get(chars.end)?, chars },
        };
        let whole = self.original.get(span.bytes.clone())?;
        let text = whole.trim();
        let before = whole.len() - whole.trim_start().len();
        let chars_before = whole.get(..before)?.chars().count();
        let (byte, char) = (span.bytes.start + before, span.chars.start + chars_before);
        let span = Span { bytes: byte..byte + text.len(), chars: char..char + text.chars().count() };
        (!text.is_empty()).then(|| (span, text.to_owned()))
    }

    fn window(&self, encoding: &Encoding) -> TokenWindow {
        let tokens = encoding.get_offsets().iter().zip(encoding.get_word_ids()).zip(encoding.get_special_tokens_mask());
        let mut words: Vec<(Option<u32>, Range<usize>, Range<usize>)> = Vec::new();
        for (place, ((&(start, end), &word), &special)) in tokens.enumerate() {
            if special == 1 || start >= end {
                continue;
            }
            match words.last_mut() {
                Some((of, tokens, bytes)) if word.is_some() && *of == word && tokens.end == place => {
                    tokens.end = place + 1;
                    bytes.end = bytes.end.max(end);
                }
                _ => words.push((word, place..place + 1, start..end)),
            }
        }
        let words = words.into_iter().filter_map(|(_, tokens, bytes)| {
            let (span, text) = self.word(bytes)?;
            Some(Word { tokens, text, span })
        });
        TokenWindow {
            ids: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
            words: words.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    const SPEC: TokensInputSpec = TokensInputSpec { max_length: 16, overlap: 4, windows: 8, text: TextForm::Raw };

    /// Every byte is a token, as a byte-level BPE without merges has it: characters are cut in pieces.
    fn bytes_alone(text: TextForm) -> TokenReader {
        let printed = (0_u32..256).filter(|byte| matches!(byte, 33..=126 | 161..=172 | 174..=255));
        let vocabulary = printed.chain(256..256 + 68).filter_map(char::from_u32).map(|c| c.to_string());
        let vocabulary: String =
            vocabulary.enumerate().map(|(id, c)| format!("{}{c:?}: {id}", if id > 0 { ", " } else { "" })).collect();
        let json = format!(
            r#"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "decoder": null,
            "pre_tokenizer": {{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true}},
            "post_processor": null, "model": {{"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "vocab": {{{vocabulary}}}, "merges": []}}}}"#
        );
        TokenReader::new(TokensInputSpec { text, ..SPEC }, json.as_bytes()).unwrap()
    }

    static RAW: LazyLock<TokenReader> = LazyLock::new(|| bytes_alone(TextForm::Raw));
    static NORMALIZED: LazyLock<TokenReader> = LazyLock::new(|| bytes_alone(TextForm::Normalized));

    #[test]
    fn windows_overlap_and_of_many_the_first_and_the_last_are_kept() {
        let windows = RAW.windows("象牙 ivory");
        let words: Vec<&str> = windows[0].words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!((windows.len(), words), (1, vec!["象牙", "ivory"]));
        assert_eq!(windows[0].words[1].span, Span { bytes: 7..12, chars: 3..8 });
        let text: String = (b'a'..=b'z').cycle().take(400).map(char::from).collect();
        let windows = RAW.windows(&text);
        assert_eq!(windows.len(), 8);
        assert_eq!(windows[0].ids[12..], windows[1].ids[..4], "neighbours share four tokens");
        assert_eq!(windows[7].words.last().unwrap().span.bytes.end, 400, "the end is read");
    }

    #[test]
    fn what_is_no_tokenizer_is_refused_and_a_text_without_words_has_no_windows() {
        assert!(TokenReader::new(SPEC, b"{}").unwrap_err().to_string().contains("is no tokenizer"));
        assert!(RAW.windows("").is_empty() && RAW.windows(" \n").is_empty());
    }

    proptest! {
        #[test]
        fn every_word_stands_where_its_span_says(text in ".{0,60}") {
            for reader in [&*RAW, &*NORMALIZED] {
                for window in reader.windows(&text) {
                    prop_assert!(window.ids.len() <= 16 && window.types.len() == window.ids.len());
                    for Word { tokens, text: word, span } in window.words {
                        prop_assert!(tokens.end <= window.ids.len() && !tokens.is_empty());
                        prop_assert_eq!(text.get(span.bytes.clone()), Some(word.as_str()));
                        let chars: String = text.chars().skip(span.chars.start).take(span.chars.len()).collect();
                        prop_assert_eq!(chars, word);
                    }
                }
            }
        }
    }
}
