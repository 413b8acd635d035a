//! Preprocessing against an independent implementation: Pillow's tensors of the fixtures, made by `make_fixtures.py`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use base64::Engine;
use wildwarden_core::input_spec::{ImageInputSpec, Resize};
use wildwarden_core::preprocess::image::{DecodeLimits, TensorMaker, WantedSize, decode};

#[derive(serde::Deserialize)]
struct Golden {
    side: u32,
    samples: Vec<Sample>,
}

#[derive(serde::Deserialize)]
struct Sample {
    file: String,
    width: u32,
    height: u32,
    rgb: String,
}

/// Largest mean and single difference allowed, in byte units, by file. Lossless formats decode the same everywhere, so only
/// the resizers' rounding is left. JPEG and lossy WebP decoders may differ in chroma upsampling, CMYK in its conversion.
fn tolerance(file: &str) -> (f64, f64) {
    match file {
        "cmyk.jpg" => (3.0, 12.0),
        lossy if lossy.ends_with(".jpg") || lossy == "still.webp" => (1.0, 6.0),
        _ => (0.5, 1.5),
    }
}

#[test]
fn tensors_equal_pillows_within_tolerance() {
    let golden: Golden = serde_json::from_slice(&std::fs::read("tests/fixtures/golden/tensors.json").unwrap()).unwrap();
    let spec = ImageInputSpec::plain(golden.side, golden.side, Resize::Stretch);
    assert!(golden.samples.len() >= 26);
    let mut maker = TensorMaker::default();
    for sample in golden.samples {
        let bytes = std::fs::read(format!("tests/fixtures/images/{}", sample.file)).unwrap();
        let decoded = decode(&bytes, DecodeLimits { max_pixels: 1_000_000 }, WantedSize::FULL).unwrap();
        let frame = &decoded.frames[0];
        assert_eq!((decoded.width, decoded.height), (sample.width, sample.height), "{}", sample.file);
        let side = golden.side as usize;
        let mut tensor = ndarray::Array3::zeros((3, side, side));
        maker.fill(tensor.as_slice_mut().unwrap(), frame, &spec).unwrap();
        let expected = base64::engine::general_purpose::STANDARD.decode(&sample.rgb).unwrap();
        let (mut sum, mut largest) = (0.0, 0.0_f64);
        for ((channel, row, column), &value) in tensor.indexed_iter() {
            let off = f64::from(value - f32::from(expected[(row * side + column) * 3 + channel])).abs();
            sum += off;
            largest = largest.max(off);
        }
        let mean = sum / tensor.len() as f64;
        let (mean_allowed, largest_allowed) = tolerance(&sample.file);
        assert!(
            mean <= mean_allowed && largest <= largest_allowed,
            "{}: mean {mean:.2}, largest {largest:.1}",
            sample.file
        );
    }
}
