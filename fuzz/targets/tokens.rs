#![no_main]
//! Any text by the tokenizer that is shipped: windows of at most their length, words that stand where they say.

use std::sync::LazyLock;

use wildwarden_core::input_spec::{TextForm, TokensInputSpec};
use wildwarden_core::preprocess::text::TokenReader;

const SPEC: TokensInputSpec = TokensInputSpec { max_length: 64, overlap: 8, windows: 4, text: TextForm::Normalized };
static READER: LazyLock<TokenReader> = LazyLock::new(|| {
    let json = include_bytes!("../../models/sentence_classifier/1/tokenizer.json");
    TokenReader::new(SPEC, json).expect("the shipped tokenizer")
});

libfuzzer_sys::fuzz_target!(|text: &str| {
    let windows = READER.windows(text).expect("any text has windows");
    assert!(windows.len() <= SPEC.windows);
    for window in windows {
        assert!(window.ids.len() <= SPEC.max_length && window.types.len() == window.ids.len());
        for word in window.words {
            assert!(word.tokens.end <= window.ids.len());
            assert!(text.get(word.span.bytes.clone()).is_some(), "{:?}", word.span);
        }
    }
});
