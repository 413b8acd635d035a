#![no_main]

//! What lies between the models that find and read words: any map, any picture, any corners, any text.

use image::RgbImage;
use ndarray::Array2;
use wildwarden_core::input_spec::{DetectionSpec, RecognitionSpec};
use wildwarden_core::preprocess::image::TensorMaker;
use wildwarden_core::preprocess::words::{Alphabet, ReadLine, lines, page, strip, written};

const DETECTION: DetectionSpec = DetectionSpec { side: 64, pixel: 0.3, line: 0.5, grow: 1.6 };
const RECOGNITION: RecognitionSpec = RecognitionSpec { height: 16, least_width: 16, most_width: 128, confidence: 0.5 };
const MOST: usize = 8;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let Some((&[width, height, rows, columns], rest)) = content.split_first_chunk() else { return };
    let at = |place: usize| if rest.is_empty() { 0 } else { rest[place % rest.len()] };
    let mut next = 0;
    let frame = RgbImage::from_fn(u32::from(width).max(1), u32::from(height).max(1), |_, _| {
        next += 3;
        image::Rgb([at(next), at(next + 1), at(next + 2)])
    });
    page(&mut TensorMaker::default(), &frame, DETECTION).expect("a picture becomes a page");
    let sizes = (usize::from(rows), usize::from(columns));
    let map = Array2::from_shape_fn(sizes, |(y, x)| f32::from(at(y * sizes.1 + x)) / 255.0);
    let found = lines(map.view(), DETECTION, MOST);
    assert!(found.len() <= MOST);
    let alphabet = Alphabet::parse(&String::from_utf8_lossy(rest));
    let mut read = Vec::new();
    for quad in found {
        let strip = strip(&frame, quad, RECOGNITION);
        assert!(strip.iter().all(|value| (-1.0..=1.0).contains(value)));
        let steps = Array2::from_shape_fn((12, alphabet.columns()), |(y, x)| f32::from(at(y * 31 + x)) / 255.0);
        let (text, confidence) = alphabet.read(steps.view());
        read.push(ReadLine { text, quad, confidence });
    }
    read.push(ReadLine { text: String::from_utf8_lossy(rest).into_owned(), quad: [[0.0; 2]; 4], confidence: 1.0 });
    let written = written(read);
    let spans = written.lines.iter().map(|line| &line.span).chain(written.contacts.iter().map(|contact| &contact.span));
    for span in spans {
        let text = written.text.get(span.bytes.clone()).expect("spans end between characters");
        assert_eq!(text.chars().count(), span.chars.len());
    }
});
