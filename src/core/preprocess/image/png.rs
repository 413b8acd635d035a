//! PNG, animated or not, with its orientation wherever it stands.

use std::io::Cursor;

use image::AnimationDecoder;
use image::codecs::png::PngDecoder;
use image::metadata::Orientation;

use super::exif;
use super::frames::{
    Cause, DecodeLimits, Doubt, Frames, GoOn, MAX_FRAMES, Parts, Still, admit, animation, area, still,
};

/// Bytes before the first chunk.
const SIGNATURE: usize = 8;

/// The picture, or frames of its animation; the picture shown where animations are not, too.
pub(super) fn decode(content: &[u8], limits: DecodeLimits, go_on: GoOn<'_>) -> Result<Parts, Cause> {
    let mut decoder = PngDecoder::new(Cursor::new(content))?;
    let size = admit(&mut decoder, limits)?;
    let chunks = Chunks::read(content);
    if !decoder.is_apng()? {
        return still(decoder, limits, chunks.orientation).map(Still::into_parts);
    }
    let picture =
        || Ok::<_, Cause>(still(PngDecoder::new(Cursor::new(content))?, limits, Orientation::NoTransforms)?.frame);
    // A damaged animation leaves the picture.
    let Ok(mut animated) = animation(decoder.apng()?.into_frames(), limits, area(size), go_on) else {
        return Ok(Frames { frames: vec![picture()?], doubt: Some(Doubt::FramesLeftOut) }.turned(chunks.orientation));
    };
    if chunks.picture_stands_apart {
        let frames = &mut animated.frames;
        if frames.len() == MAX_FRAMES {
            frames.remove(1);
        }
        frames.insert(0, picture()?);
    }
    Ok(animated.turned(chunks.orientation))
}

/// What the decoder does not tell.
struct Chunks {
    orientation: Orientation,
    /// The first picture is not part of the animation: no frame control comes before it.
    picture_stands_apart: bool,
}

impl Chunks {
    fn read(content: &[u8]) -> Self {
        let mut found = Self { orientation: Orientation::NoTransforms, picture_stands_apart: false };
        let mut controlled = false;
        let mut position = SIGNATURE;
        while let Some((&[a, b, c, d, ref kind @ ..], data)) =
            content.get(position..).and_then(<[u8]>::split_first_chunk::<8>)
        {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            match kind {
                b"fcTL" => controlled = true,
                b"IDAT" if !controlled => found.picture_stands_apart = true,
                b"eXIf" => found.orientation = exif::orientation(data.get(..length).unwrap_or_default()),
                _ => {}
            }
            // Length, kind and checksum are 12 bytes.
            position = position.saturating_add(length).saturating_add(12);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1_000_000 };

    /// 4 x 3 pixels, one colour a frame.
    fn animated(apart: bool, colours: &[[u8; 3]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = ::png::Encoder::new(&mut bytes, 4, 3);
        encoder.set_color(::png::ColorType::Rgb);
        let frames = colours.len() - usize::from(apart);
        encoder.set_animated(u32::try_from(frames).unwrap(), 0).unwrap();
        encoder.set_sep_def_img(apart).unwrap();
        let mut writer = encoder.write_header().unwrap();
        for colour in colours {
            writer.write_image_data(&colour.repeat(12)).unwrap();
        }
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn every_part_of_an_animated_png_is_looked_at() {
        let (red, green, blue) = ([255, 0, 0], [0, 255, 0], [0, 0, 255]);
        for (apart, colours) in
            [(false, vec![red, green]), (true, vec![red, green]), (true, vec![red, green, green, blue])]
        {
            let (size, Frames { frames, .. }) = decode(&animated(apart, &colours), LIMITS, &|| true).unwrap();
            assert_eq!(size, (4, 3));
            let seen: Vec<[u8; 3]> = frames.iter().map(|frame| frame.get_pixel(1, 1).0).collect();
            assert!(seen.len() <= MAX_FRAMES);
            for colour in colours {
                assert!(seen.contains(&colour), "{apart}: {colour:?} is not in {seen:?}");
            }
        }
    }

    #[test]
    fn an_orientation_behind_the_pixels_counts() {
        let mut bytes = Cursor::new(Vec::new());
        image::DynamicImage::new_rgb8(5, 2).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        let mut bytes = bytes.into_inner();
        let data = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let mut chunk = u32::try_from(data.len()).unwrap().to_be_bytes().to_vec();
        chunk.extend(b"eXIf");
        chunk.extend(data);
        chunk.extend([0; 4]); // nobody checks it: the chunk is read by us alone
        let end = bytes.len() - 12;
        bytes.splice(end..end, chunk);
        let ((width, height), _) = decode(&bytes, LIMITS, &|| true).unwrap();
        assert_eq!((width, height), (2, 5));
    }
}
