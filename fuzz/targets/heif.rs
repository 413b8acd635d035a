#![no_main]

mod image;

libfuzzer_sys::fuzz_target!(|content: &[u8]| image::check(content, &[b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypavif"]));
