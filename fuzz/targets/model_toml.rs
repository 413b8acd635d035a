#![no_main]
//! A `model.toml` is taken or refused with a sentence, and what is taken says something possible.

use std::path::Path;

use wildwarden_core::model::folder::manifest::Manifest;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match Manifest::parse(Path::new("models/name/1"), text) {
        Ok(manifest) => assert!(!manifest.inputs.is_empty() && !manifest.outputs.is_empty()),
        Err(error) => assert!(error.to_string().contains("model.toml"), "{error}"),
    }
});
