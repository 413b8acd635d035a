//! Reduced decoding in Rust alone. The full size is left to the caller's other decoder, which is faster at it.

use image::RgbImage;
use jpeg_decoder::{Decoder, PixelFormat};

use super::fast::Fast;
use super::header::Picture;
use crate::preprocess::image::wanted::Reduction;

pub(super) fn decode(content: &[u8], picture: Picture, reduction: Reduction) -> Option<Fast> {
    if reduction == Reduction::None {
        return None;
    }
    let left = |side: u16| side.div_ceil(reduction as u16);
    let wanted = (left(picture.width), left(picture.height));
    let mut decoder = Decoder::new(content);
    decoder.read_info().ok()?;
    if decoder.scale(wanted.0, wanted.1).ok()? != wanted {
        return None;
    }
    let pixels = decoder.decode().ok()?;
    let (width, height) = (u32::from(wanted.0), u32::from(wanted.1));
    let frame = match decoder.info()?.pixel_format {
        PixelFormat::RGB24 => RgbImage::from_raw(width, height, pixels),
        PixelFormat::L8 => RgbImage::from_raw(width, height, pixels.iter().flat_map(|&grey| [grey; 3]).collect()),
        PixelFormat::L16 | PixelFormat::CMYK32 => None,
    }?;
    Some(Fast { frame, damaged: false })
}
