//! Texts as the tokens of a Hugging Face tokenizer: windows of ids, with every token traceable to the caller's original string.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::{Encoding, PostProcessor, PostProcessorWrapper, Tokenizer};

use super::letters::is_han;
use super::normalize::Normalized;
use crate::domain::Span;
use crate::error::{Error, Result};
use crate::input_spec::{TextForm, TokensInputSpec};

/// Turns texts into windows of tokens.
#[derive(Debug)]
pub struct TokenReader {
    tokenizer: Tokenizer,
    /// Adds the special tokens of a window. It is not the tokenizer's any more, which gives the bare tokens of a whole text.
    special: Option<PostProcessorWrapper>,
    spec: TokensInputSpec,
    /// Tokens of a text that fit into a window, beside the special ones.
    room: usize,
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
        // Windows are cut here: the library gives up a text where its first window ends.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|cause| Error::setup(format!("is no tokenizer: {cause}")))?;
        // What a seller writes is text, also where it looks like a special token.
        tokenizer.set_encode_special_tokens(true);
        let special = tokenizer.get_post_processor().cloned();
        tokenizer.with_post_processor(None::<PostProcessorWrapper>);
        let added = special.as_ref().map_or(0, |special| special.added_tokens(false));
        if added + spec.overlap >= spec.max_length {
            let (most, overlap) = (spec.max_length, spec.overlap);
            return Err(Error::setup(format!(
                "adds {added} special tokens; tokens.max_length {most} must be above that and tokens.overlap {overlap} together"
            )));
        }
        Ok(Self { tokenizer, special, spec, room: spec.max_length - added, pad, mask })
    }

    /// The highest id that a text can become.
    pub fn highest_id(&self) -> u32 {
        self.tokenizer.get_vocab(true).into_values().max().unwrap_or_default().max(self.pad).max(self.mask)
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

    /// The windows of `original`, in order. Of more than `spec.windows` the first and the last are kept, half and half, and no other
    /// is made. None: a text without tokens.
    ///
    /// # Errors
    /// What the tokenizer says, when it fails on the text.
    pub fn windows(&self, original: &str) -> std::result::Result<Vec<TokenWindow>, String> {
        let normalized = (self.spec.text == TextForm::Normalized).then(|| Normalized::new(original));
        let read: String =
            normalized.as_ref().map_or_else(|| original.to_owned(), |text| text.chars().iter().collect());
        let places = Places::new(&read, original, normalized.as_ref());
        let (first, last) = (self.spec.windows.div_ceil(2), self.spec.windows / 2);
        let step = self.room - self.spec.overlap;
        let count =
            |tokens: usize| tokens.saturating_sub(self.spec.overlap).div_ceil(step).max(usize::from(tokens > 0));
        let beginning = |windows: usize| (0..windows).map(move |window| window * step);
        // From the end backwards, so that the last window is a whole one.
        let end = |tokens: usize| (0..last).rev().map(move |back| tokens.saturating_sub(self.room + back * step));
        if let Some((head, tail)) = self.ends(&read) {
            let (mut windows, of_head) = self.windows_of(&places, head, |_| beginning(first).collect())?;
            let (of_end, of_tail) = self.windows_of(&places, tail, |tokens| end(tokens).collect())?;
            // Ends that are mostly spaces or unknown words fill no windows, and what is between would be read by nobody.
            if count(of_head) > first && count(of_tail) > last {
                windows.extend(of_end);
                return Ok(windows);
            }
        }
        let starts = |tokens: usize| match count(tokens) {
            all if all <= self.spec.windows => beginning(all).collect(),
            _ => beginning(first).chain(end(tokens)).collect(),
        };
        self.windows_of(&places, 0..read.len(), starts).map(|(windows, _)| windows)
    }

    /// Of a text far longer than its windows, the bytes in which the first and the last of them lie: what is between is not even cut
    /// into tokens. Ends where words do, if there are spaces.
    fn ends(&self, read: &str) -> Option<(Range<usize>, Range<usize>)> {
        let most = self.spec.windows.div_ceil(2) * self.room * BYTES_A_TOKEN;
        if read.len() <= 2 * most {
            return None;
        }
        let (head, tail) = (read.floor_char_boundary(most), read.floor_char_boundary(read.len() - most));
        let near = read.floor_char_boundary(head.saturating_sub(SPACE_WITHIN));
        let head = read.get(near..head)?.rfind(char::is_whitespace).map_or(head, |space| near + space);
        let near = read.floor_char_boundary((tail + SPACE_WITHIN).min(read.len()));
        let tail = read.get(tail..near)?.find(char::is_whitespace).map_or(tail, |space| tail + space);
        Some((0..head, tail..read.len()))
    }

    /// The windows of the part `bytes` of a text that begin at the tokens that `starts` gives, told how many tokens there are; and
    /// how many.
    fn windows_of(
        &self,
        places: &Places<'_>,
        bytes: Range<usize>,
        starts: impl FnOnce(usize) -> Vec<usize>,
    ) -> std::result::Result<(Vec<TokenWindow>, usize), String> {
        let base = bytes.start;
        let text = places.read.get(bytes).unwrap_or_default();
        let whole = guarded(|| self.tokenizer.encode(text, false).map_err(|cause| cause.to_string()))?;
        let tokens = whole.len();
        let mut windows = Vec::new();
        for start in starts(tokens) {
            let part = part(&whole, start.min(tokens)..(start + self.room).min(tokens));
            let part = match &self.special {
                Some(special) => guarded(|| special.process(part, None, true).map_err(|cause| cause.to_string()))?,
                None => part,
            };
            windows.push(places.window(&part, base));
        }
        windows.retain(|window| !window.words.is_empty());
        Ok((windows, tokens))
    }
}

/// Bytes that a token has at the most, on average, in the parts of a long text that are read: fewer windows are made of more.
const BYTES_A_TOKEN: usize = 16;
/// Bytes in which a space is looked for, to cut a long text there.
const SPACE_WITHIN: usize = 256;

/// Some of the tokens of a text.
fn part(whole: &Encoding, range: Range<usize>) -> Encoding {
    fn of<T: Clone>(all: &[T], range: &Range<usize>) -> Vec<T> {
        all.get(range.clone()).unwrap_or_default().to_vec()
    }
    Encoding::new(
        of(whole.get_ids(), &range),
        of(whole.get_type_ids(), &range),
        of(whole.get_tokens(), &range),
        of(whole.get_word_ids(), &range),
        of(whole.get_offsets(), &range),
        of(whole.get_special_tokens_mask(), &range),
        of(whole.get_attention_mask(), &range),
        Vec::new(),
        Default::default(),
    )
}

/// A tokenizer is data of a model's maker, and texts are anybody's: a panic in it is its own fault and nobody else's.
fn guarded<T>(run: impl FnOnce() -> std::result::Result<T, String>) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("it panicked".into()))
}

/// Where the bytes of what was read stand in what the caller wrote.
struct Places<'a> {
    read: &'a str,
    original: &'a str,
    normalized: Option<&'a Normalized>,
    /// Bytes at which the characters of what was read begin; one more for the end.
    starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(read: &'a str, original: &'a str, normalized: Option<&'a Normalized>) -> Self {
        let starts = read.char_indices().map(|(start, _)| start).chain([read.len()]);
        Self { read, original, normalized, starts: starts.collect() }
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

    /// Whether Chinese is written there, which has no spaces: what a tokenizer takes for a word may be a clause.
    fn has_han(&self, bytes: &Range<usize>) -> bool {
        self.read.get(bytes.clone()).is_some_and(|text| text.chars().any(is_han))
    }

    /// The window of `encoding`, of a part that begins at byte `base` of what was read.
    fn window(&self, encoding: &Encoding, base: usize) -> TokenWindow {
        let tokens = encoding.get_offsets().iter().zip(encoding.get_word_ids()).zip(encoding.get_special_tokens_mask());
        let mut words: Vec<(Option<u32>, Range<usize>, Range<usize>)> = Vec::new();
        for (place, ((&(start, end), &word), &special)) in tokens.enumerate() {
            if special == 1 || start >= end {
                continue;
            }
            let (start, end) = (base + start, base + end);
            match words.last_mut() {
                Some((of, tokens, bytes))
                    if word.is_some()
                        && *of == word
                        && tokens.end == place
                        && (start < bytes.end || !self.has_han(bytes) && !self.has_han(&(start..end))) =>
                {
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
        TokenReader::new(TokensInputSpec { text, ..SPEC }, bytes_alone_json().as_bytes()).unwrap()
    }

    fn bytes_alone_json() -> String {
        let printed = (0_u32..256).filter(|byte| matches!(byte, 33..=126 | 161..=172 | 174..=255));
        let vocabulary = printed.chain(256..256 + 68).filter_map(char::from_u32).map(|c| c.to_string());
        let vocabulary: String =
            vocabulary.enumerate().map(|(id, c)| format!("{}{c:?}: {id}", if id > 0 { ", " } else { "" })).collect();
        format!(
            r#"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "decoder": null,
            "pre_tokenizer": {{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true}},
            "post_processor": null, "model": {{"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false,
            "continuing_subword_prefix": null, "end_of_word_suffix": null, "vocab": {{{vocabulary}}}, "merges": []}}}}"#
        )
    }

    static RAW: LazyLock<TokenReader> = LazyLock::new(|| bytes_alone(TextForm::Raw));
    static NORMALIZED: LazyLock<TokenReader> = LazyLock::new(|| bytes_alone(TextForm::Normalized));

    #[test]
    fn windows_overlap_and_of_many_the_first_and_the_last_are_kept() {
        let windows = RAW.windows("茶杯 thing").unwrap();
        let words: Vec<&str> = windows[0].words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!((windows.len(), words), (1, vec!["茶", "杯", "thing"]));
        assert_eq!(windows[0].words[2].span, Span { bytes: 7..12, chars: 3..8 });
        let text: String = (b'a'..=b'z').cycle().take(400).map(char::from).collect();
        let windows = RAW.windows(&text).unwrap();
        assert_eq!(windows.len(), 8);
        assert_eq!(windows[0].ids[12..], windows[1].ids[..4], "neighbours share four tokens");
        assert_eq!(windows[7].words.last().unwrap().span.bytes.end, 400, "the end is read");
        assert_eq!(windows[7].ids.len(), 16, "by a whole window");
    }

    #[test]
    fn of_a_far_longer_text_both_ends_are_read_and_nothing_else() {
        let text: String =
            (0..9000).map(|number| if number % 7 == 0 { '牙' } else { ' ' }).chain("末 end".chars()).collect();
        let windows = RAW.windows(&text).unwrap();
        let words = || windows.iter().flat_map(|window| &window.words);
        assert!(
            windows.len() <= 8 && words().all(|word| text.get(word.span.bytes.clone()) == Some(word.text.as_str()))
        );
        assert_eq!(words().next().unwrap().span.bytes.start, 0);
        assert_eq!(words().last().unwrap().text, "end");
        assert_eq!(words().last().unwrap().span.chars, 9002..9005);
        // A tokenizer that makes nothing of spaces finds few tokens: all are read, wherever they stand.
        let json = r#"{"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": null, "decoder": null,
            "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "tea": 1}, "unk_token": "[UNK]"}}"#;
        let reader = TokenReader::new(SPEC, json.as_bytes()).unwrap();
        let windows = reader.windows(&format!("{0}tea{0}", " ".repeat(30_000))).unwrap();
        assert_eq!(windows[0].words[0].span.bytes, 30_000..30_003);
        let long = format!("{0}tea {0}", format!("{} ", "q".repeat(110)).repeat(150));
        let reader = TokenReader::new(TokensInputSpec { windows: 64, ..SPEC }, json.as_bytes()).unwrap();
        assert!(reader.windows(&long).unwrap().iter().any(|window| window.words.iter().any(|word| word.text == "tea")));
    }

    #[test]
    fn what_is_no_tokenizer_is_refused_and_a_text_without_words_has_no_windows() {
        assert!(TokenReader::new(SPEC, b"{}").unwrap_err().to_string().contains("is no tokenizer"));
        // Found by fuzzing: the library panics at it.
        assert!(
            TokenReader::new(SPEC, b"{\"decoder\"\r\r\r\r\r\r\r\r\r\r:\"1")
                .unwrap_err()
                .to_string()
                .contains("is no tokenizer")
        );
        assert!(RAW.windows("").unwrap().is_empty() && RAW.windows(" \n").unwrap().is_empty());
    }

    #[test]
    fn a_text_that_the_tokenizer_fails_on_is_no_text_without_words() {
        let json = r#"{"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
            "decoder": null, "model": {"type": "Unigram", "unk_id": null, "vocab": [["a", -1.0], ["b", -2.0]]}}"#;
        let reader = TokenReader::new(SPEC, json.as_bytes()).unwrap();
        assert_eq!(reader.windows("ab").unwrap().len(), 1);
        assert!(reader.windows("a😀").is_err());
    }

    #[test]
    fn every_word_of_a_text_is_in_a_window_as_far_as_windows_go() {
        let words: Vec<String> = ('a'..='z').map(|c| format!("w{c}")).collect();
        let reader = TokenReader::new(TokensInputSpec { windows: 64, ..SPEC }, bytes_alone_json().as_bytes()).unwrap();
        let windows = reader.windows(&words.join(" ")).unwrap();
        assert!(windows.len() > 5 && windows.iter().all(|window| window.ids.len() <= 16), "{}", windows.len());
        for word in &words {
            assert!(windows.iter().any(|window| window.words.iter().any(|found| found.text == *word)), "{word}");
        }
    }

    proptest! {
        #[test]
        fn every_word_stands_where_its_span_says(text in ".{0,60}") {
            for reader in [&*RAW, &*NORMALIZED] {
                for window in reader.windows(&text).unwrap() {
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
