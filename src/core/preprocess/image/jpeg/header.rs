//! What the segments before a JPEG's first scan say (ITU-T T.81, B.1.1). Reads; decodes nothing.

use image::metadata::Orientation;

use crate::preprocess::image::exif;
use crate::preprocess::image::frames::Cause;

const START_OF_SCAN: u8 = 0xDA;
const END_OF_IMAGE: u8 = 0xD9;
const APPLICATION_1: u8 = 0xE1;

/// The segments before the first scan.
#[derive(Debug)]
pub(super) struct Header {
    /// `None`: there is not exactly one frame header, or something else than a segment comes before the first scan.
    pub(super) picture: Option<Picture>,
    /// As EXIF says; broken EXIF data is no reason to refuse a photo that decodes.
    pub(super) orientation: Orientation,
    /// Where the first scan starts. `None`: something else than a segment comes before it.
    pub(super) scan: Option<usize>,
}

/// What comes from the first scan on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scans {
    pub(super) count: usize,
    /// The end marker was found. What is behind it, as a phone's video, is no part of the picture.
    pub(super) ended: bool,
}

/// What a frame header says, before orientation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Picture {
    /// Pixels.
    pub(super) width: u16,
    /// Pixels; 0 when a marker after the first scan tells.
    pub(super) height: u16,
    components: u8,
    bits: u8,
    /// 0: baseline, 1: extended, 2: progressive, above: lossless, hierarchical and arithmetic coding.
    process: u8,
}

impl Header {
    /// Walks from segment to segment by their lengths, so that a thumbnail in EXIF, which has markers of its own, is
    /// skipped.
    ///
    /// # Errors
    /// [`Cause::Truncated`] when the bytes end before the first scan.
    pub(super) fn read(content: &[u8]) -> Result<Self, Cause> {
        let mut header = Self { picture: None, orientation: Orientation::NoTransforms, scan: None };
        let mut frames = 0;
        let mut oriented = false;
        let mut damaged = false;
        let mut position = 2;
        loop {
            let (marker, length) = match content.get(position..position + 4) {
                Some(&[0xFF, 0xFF, ..]) => {
                    position += 1; // a fill byte
                    continue;
                }
                Some(&[0xFF, START_OF_SCAN, ..]) => {
                    header.scan = Some(position);
                    break;
                }
                Some(&[0xFF, marker, high, low]) if marker != 0 => {
                    (marker, usize::from(u16::from_be_bytes([high, low])))
                }
                // Not a marker: decoders look for the next one, and so must we, or damage would hide a missing end.
                Some(_) => {
                    damaged = true;
                    position += 1;
                    continue;
                }
                None => return Err(Cause::Truncated),
            };
            let data = content.get(position + 4..position + 2 + length.max(2)).unwrap_or_default();
            match marker {
                // C4, C8 and CC are tables, not frames.
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                    frames += 1;
                    header.picture = Picture::read(marker, data);
                }
                APPLICATION_1 if data.starts_with(exif::PREFIX) && !oriented => {
                    header.orientation = exif::orientation(data);
                    oriented = true;
                }
                _ => {}
            }
            position += 2 + length;
        }
        if frames > 1 || damaged {
            header.picture = None;
        }
        Ok(header)
    }

    /// Counts the scans up to the end marker, over the tables between them.
    pub(super) fn scans(&self, content: &[u8]) -> Scans {
        let mut scans = Scans { count: 0, ended: false };
        let mut position = self.scan.unwrap_or(0);
        while let Some(next) = content.get(position..).and_then(|rest| memchr::memchr(0xFF, rest)) {
            position += next;
            match content.get(position + 1) {
                Some(&END_OF_IMAGE) => {
                    scans.ended = true;
                    break;
                }
                Some(&START_OF_SCAN) => {
                    scans.count += 1;
                    position += 2;
                }
                // A fill byte: the marker is still to come.
                Some(0xFF) => position += 1,
                // Tables, application data, comments: what looks like a marker inside them is none.
                Some(0xC4 | 0xCC | 0xDB..=0xDD | 0xE0..=0xEF | 0xFE) => {
                    let length = match content.get(position + 2..position + 4) {
                        Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
                        _ => 0,
                    };
                    position += 2 + length.max(2);
                }
                // Data, a restart, or damage that decoders read over.
                Some(_) => position += 2,
                None => break,
            }
        }
        scans
    }
}

impl Picture {
    fn read(marker: u8, data: &[u8]) -> Option<Self> {
        let &[bits, h1, h0, w1, w0, components, ..] = data else { return None };
        let (height, width) = (u16::from_be_bytes([h1, h0]), u16::from_be_bytes([w1, w0]));
        Some(Self { width, height, components, bits, process: marker - 0xC0 })
    }

    /// The name of a coding that neither decoder reads.
    pub(super) fn unreadable_process(&self) -> Option<&'static str> {
        match self.process {
            0..=2 => None,
            3 => Some("lossless"),
            5..=7 => Some("hierarchical"),
            _ => Some("arithmetic"),
        }
    }

    /// Grey or three colours of 8 bits, Huffman-coded: what cameras and sites write. Four colours are left to the decoder
    /// that knows Adobe's inversion.
    pub(super) fn is_common(&self) -> bool {
        self.width > 0 && self.height > 0 && self.bits == 8 && self.process <= 2 && matches!(self.components, 1 | 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/images/").to_owned() + name).unwrap()
    }

    #[test]
    fn size_and_orientation_are_those_the_image_crate_finds() {
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/images")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "jpg") {
                let content = std::fs::read(&path).unwrap();
                let header = Header::read(&content).unwrap();
                let picture = header.picture.unwrap();
                let mut decoder = image::codecs::jpeg::JpegDecoder::new(std::io::Cursor::new(&content)).unwrap();
                let size = image::ImageDecoder::dimensions(&decoder);
                assert_eq!((u32::from(picture.width), u32::from(picture.height)), size, "{}", path.display());
                let orientation = image::ImageDecoder::orientation(&mut decoder).unwrap();
                assert_eq!(header.orientation, orientation, "{}", path.display());
            }
        }
    }

    #[test]
    fn four_colours_and_other_processes_are_not_common() {
        assert!(Header::read(&fixture("progressive.jpg")).unwrap().picture.unwrap().is_common());
        assert!(Header::read(&fixture("grey.jpg")).unwrap().picture.unwrap().is_common());
        assert!(!Header::read(&fixture("cmyk.jpg")).unwrap().picture.unwrap().is_common());
        let mut arithmetic = fixture("still.jpg");
        let at = arithmetic.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        arithmetic[at + 1] = 0xC9;
        assert!(!Header::read(&arithmetic).unwrap().picture.unwrap().is_common());
    }

    #[test]
    fn scans_are_counted_and_two_frame_headers_are_none() {
        let mut content = fixture("still.jpg");
        let header = Header::read(&content).unwrap();
        assert_eq!(header.scans(&content), Scans { count: 1, ended: true });
        let at = content.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        let frame = content[at..at + 19].to_vec();
        content.splice(at..at, frame);
        assert_eq!(Header::read(&content).unwrap().picture, None);
    }
}
