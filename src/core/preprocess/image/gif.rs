//! GIF: what its frames cost is counted before any is decoded.

use std::borrow::Cow;
use std::io::Cursor;

use image::AnimationDecoder;
use image::codecs::gif::GifDecoder;

use super::frames::{Cause, DecodeLimits, Doubt, GoOn, Parts, admit, animation, area, check_size};

/// Where the header holds the size of the screen, width before height, little-endian (GIF89a, section 18).
const SCREEN: std::ops::Range<usize> = 6..10;

/// Decodes within `limits`, which hold for the screen and for every frame. A first frame larger than the screen enlarges it.
pub(super) fn decode(content: &[u8], limits: DecodeLimits, go_on: GoOn<'_>) -> Result<Parts, Cause> {
    let frames = Sizes::read(content, limits)?;
    check_size(frames.largest, limits)?;
    check_size(frames.screen, limits)?;
    // A frame is unpacked and then drawn on the screen.
    let pixels_per_frame = area(frames.largest).max(area(frames.screen));
    let content = if frames.screen == frames.stated { Cow::Borrowed(content) } else { frames.enlarged(content) };
    let mut decoder = GifDecoder::new(Cursor::new(content))?;
    let size = admit(&mut decoder, limits)?;
    match animation(decoder.into_frames(), limits, pixels_per_frame, go_on) {
        Err(Cause::Image(_)) if frames.cut => Err(Cause::Truncated),
        decoded => {
            let mut decoded = decoded?;
            decoded.doubt = decoded.doubt.or(frames.damaged.then_some(Doubt::FramesLeftOut));
            Ok((size, decoded))
        }
    }
}

/// Sizes in pixels, told by the headers of the frames alone.
struct Sizes {
    /// The screen as the header says.
    stated: (u32, u32),
    /// The screen that holds the first frame, too.
    screen: (u32, u32),
    /// The widest and the highest frame's sides.
    largest: (u32, u32),
    /// Frames after the first could not be read.
    damaged: bool,
    /// Because the file ends before its last frame does.
    cut: bool,
}

impl Sizes {
    fn read(content: &[u8], limits: DecodeLimits) -> Result<Self, Cause> {
        let mut options = ::gif::DecodeOptions::new();
        options.skip_frame_decoding(true);
        let mut decoder = options.read_info(content).map_err(cause)?;
        let stated = (u32::from(decoder.width()), u32::from(decoder.height()));
        // A screen without pixels is filled by its first frame; one that is too large is refused before its frames are read.
        if area(stated) > 0 {
            check_size(stated, limits)?;
        }
        let mut frames = Self { stated, screen: stated, largest: (0, 0), damaged: false, cut: false };
        let mut first = true;
        loop {
            let frame = match decoder.next_frame_info() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                // What came before the damage is still a picture.
                Err(error) if !first => {
                    frames.damaged = true;
                    frames.cut = matches!(cause(error), Cause::Truncated);
                    break;
                }
                Err(error) => return Err(cause(error)),
            };
            let (width, height) = (u32::from(frame.width), u32::from(frame.height));
            if first {
                let (right, bottom) = (u32::from(frame.left) + width, u32::from(frame.top) + height);
                frames.screen = (stated.0.max(right), stated.1.max(bottom));
                first = false;
            }
            frames.largest = (frames.largest.0.max(width), frames.largest.1.max(height));
        }
        if first { Err(Cause::Truncated) } else { Ok(frames) }
    }

    /// The file with the larger screen in its header.
    fn enlarged<'a>(&self, content: &[u8]) -> Cow<'a, [u8]> {
        let mut enlarged = content.to_vec();
        let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX).to_le_bytes();
        if let Some(screen) = enlarged.get_mut(SCREEN) {
            screen.copy_from_slice([side(self.screen.0), side(self.screen.1)].as_flattened());
        }
        Cow::Owned(enlarged)
    }
}

fn cause(error: ::gif::DecodingError) -> Cause {
    let ends = matches!(&error, ::gif::DecodingError::UnexpectedEof)
        || matches!(&error, ::gif::DecodingError::Io(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof);
    if ends { Cause::Truncated } else { Cause::Corrupt(error.to_string()) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::preprocess::image::frames::Frames;

    const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1_000_000 };

    /// One-coloured frames of `sizes` on a screen of `screen`.
    fn animated(screen: (u16, u16), sizes: &[(u16, u16)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = ::gif::Encoder::new(&mut bytes, screen.0, screen.1, &[255, 0, 0, 0, 0, 255]).unwrap();
        for &(width, height) in sizes {
            let pixels = vec![0; usize::from(width) * usize::from(height)];
            let frame = ::gif::Frame::from_indexed_pixels(width, height, pixels, None);
            encoder.write_frame(&frame).unwrap();
        }
        drop(encoder);
        bytes
    }

    #[test]
    fn a_screen_without_pixels_takes_the_size_of_the_first_frame() {
        for screen in [(0, 0), (0, 9), (9, 0), (1, 1)] {
            let ((width, height), Frames { frames, .. }) =
                decode(&animated(screen, &[(12, 10)]), LIMITS, &|| true).unwrap();
            assert_eq!((width, height), (12, 10), "{screen:?}");
            assert!(frames[0].pixels().all(|pixel| pixel.0 == [255, 0, 0]), "{screen:?}");
        }
    }

    #[test]
    fn a_frame_without_pixels_is_no_picture() {
        for size in [(0, 0), (0, 7), (7, 0)] {
            let Err(Cause::Corrupt(message)) = decode(&animated((0, 0), &[size]), LIMITS, &|| true) else {
                panic!("{size:?} decoded")
            };
            assert!(message.contains("no pixels"), "{message}");
        }
    }

    #[test]
    fn frames_larger_than_the_screen_count_in_the_limit_of_pixels() {
        for sizes in [vec![(2000, 2000)], vec![(2, 2), (2000, 2000)]] {
            let found = decode(&animated((2, 2), &sizes), LIMITS, &|| true);
            assert!(matches!(found, Err(Cause::TooManyPixels(_))), "{sizes:?}");
        }
    }

    #[test]
    fn frames_are_decoded_within_the_budget_of_pixels_they_really_have() {
        let asked = Cell::new(0);
        let go_on = || {
            asked.set(asked.get() + 1);
            true
        };
        let (_, decoded) = decode(&animated((2, 2), &[(1000, 900); 12]), LIMITS, &go_on).unwrap();
        assert!(asked.get() == 3 && decoded.doubt.is_some(), "two, and one that tells there are more");
        let (_, decoded) = decode(&animated((2, 2), &[(1000, 900); 2]), LIMITS, &|| true).unwrap();
        assert!(decoded.doubt.is_none());
    }

    #[test]
    fn an_animation_is_given_up_between_frames_when_nobody_waits() {
        let asked = Cell::new(0);
        let go_on = || {
            asked.set(asked.get() + 1);
            asked.get() < 4
        };
        decode(&animated((10, 10), &[(10, 10); 50]), LIMITS, &go_on).unwrap();
        assert_eq!(asked.get(), 4);
    }

    #[test]
    fn the_last_of_many_frames_is_looked_at() {
        let mut bytes = animated((4, 4), &[(4, 4); 110]);
        // The same again with another colour in the last frame: encoded apart, the frames' bytes are appended.
        let mut encoder = ::gif::Encoder::new(Vec::new(), 4, 4, &[255, 0, 0, 0, 0, 255]).unwrap();
        let before = encoder.get_ref().len();
        encoder.write_frame(&::gif::Frame::from_indexed_pixels(4, 4, vec![1; 16], None)).unwrap();
        let frame = encoder.get_ref()[before..].to_vec();
        let end = bytes.len() - 1;
        bytes.splice(end..end, frame);
        let (_, Frames { frames, doubt }) = decode(&bytes, LIMITS, &|| true).unwrap();
        assert!(frames.len() == 3 && doubt.is_none());
        assert!(frames.last().unwrap().pixels().any(|pixel| pixel.0 == [0, 0, 255]));
    }

    #[test]
    fn a_gif_cut_in_a_later_frame_is_looked_at_in_part() {
        let whole = animated((30, 30), &[(30, 30); 4]);
        let (_, decoded) = decode(&whole[..whole.len() - 20], LIMITS, &|| true).unwrap();
        assert_eq!(decoded.doubt, Some(Doubt::FramesLeftOut));
    }

    #[test]
    fn a_cut_gif_is_truncated() {
        let whole = animated((30, 30), &[(30, 30)]);
        for length in [12, 20, whole.len() / 2] {
            assert!(matches!(decode(&whole[..length], LIMITS, &|| true), Err(Cause::Truncated)), "{length}");
        }
    }
}
