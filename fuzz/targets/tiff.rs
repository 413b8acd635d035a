#![no_main]

mod image;

libfuzzer_sys::fuzz_target!(|content: &[u8]| image::check(content, &[b"II*\0", b"MM\0*"]));
