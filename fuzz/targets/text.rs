#![no_main]
//! Texts are prepared, and every span lies in the caller's string, on character boundaries.

use std::sync::LazyLock;

use wildwarden_core::input_spec::TextInputSpec;
use wildwarden_core::preprocess::text::{Lexicon, Normalized, TextProcessor, look_up};

static PROCESSOR: LazyLock<TextProcessor> =
    LazyLock::new(|| TextProcessor::new(TextInputSpec { buckets: 1 << 16, window_tokens: 64 }, "").expect("no words"));
static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::new(Vec::new()).expect("no terms"));

libfuzzer_sys::fuzz_target!(|text: &str| {
    look_up(&Normalized::new(text), &LEXICON);
    let passages = PROCESSOR.featurize(text);
    for token in &passages.tokens {
        assert!(text.get(token.span.bytes.clone()).is_some(), "{:?}", token.span);
    }
    for window in &passages.windows {
        for feature in passages.features(window) {
            assert!(window.start <= feature.covers.start && feature.covers.end <= window.end);
        }
    }
});
