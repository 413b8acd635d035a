#![no_main]

mod image;

libfuzzer_sys::fuzz_target!(|content: &[u8]| image::check(content, &[b"GIF87a", b"GIF89a"]));
