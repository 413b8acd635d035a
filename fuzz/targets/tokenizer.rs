#![no_main]
//! A `tokenizer.json` that somebody brings: refused with a sentence, or texts become windows by it. The library panics at some; the reader
//! catches that and refuses, so here a panic is a find only when it gets past the reader.

use wildwarden_core::input_spec::{TextForm, TokensInputSpec};
use wildwarden_core::preprocess::text::TokenReader;

const SPEC: TokensInputSpec = TokensInputSpec { max_length: 32, overlap: 4, windows: 2, text: TextForm::Normalized };

libfuzzer_sys::fuzz_target!(
    // In the place of the hook that ends the process at every panic.
    init: std::panic::set_hook(Box::new(|_| {})),
    |json: &[u8]| {
        let Ok(reader) = TokenReader::new(SPEC, json) else { return };
        for text in ["carved ivory bracelet", "象牙手串 108 颗", "🐘牙\u{200b}\u{202e}x"] {
            for window in reader.windows(text).into_iter().flatten() {
                assert!(window.ids.len() <= SPEC.max_length);
                assert!(window.words.iter().all(|word| text.get(word.span.bytes.clone()).is_some()));
            }
        }
    }
);
