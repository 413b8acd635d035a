#![no_main]

mod image;

libfuzzer_sys::fuzz_target!(|content: &[u8]| image::check(content, &[b"\x89PNG\r\n\x1A\n"]));
