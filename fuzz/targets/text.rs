#![no_main]
//! Texts are prepared, and every span lies in the caller's string, on character boundaries.

use std::sync::LazyLock;

use wildwarden::input_spec::TextInputSpec;
use wildwarden::preprocess::text::{Lexicon, TextProcessor};

static PROCESSOR: LazyLock<TextProcessor> =
    LazyLock::new(|| TextProcessor::new(TextInputSpec { buckets: 1 << 16, window_tokens: 64 }, "").expect("no words"));
static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::new(Vec::new()).expect("no terms"));

libfuzzer_sys::fuzz_target!(|text: &str| {
    for window in PROCESSOR.prepare(text, &LEXICON).windows {
        assert_eq!(window.ids.len(), window.covers.len());
        for token in window.tokens {
            let bytes = token.span.bytes.clone();
            assert!(text.get(bytes).is_some(), "{:?}", token.span);
        }
    }
});
