//! Asks the decoder of a picture's format.

use super::format::{Format, recognise};
use super::frames::{DecodeLimits, Decoded, Frames, GoOn, ImageFault, Still};
use super::wanted::WantedSize;
use super::{bmp, gif, jpeg, png, tiff, webp};
use crate::domain::ImageStatus;

pub(super) fn decode(
    content: &[u8],
    limits: DecodeLimits,
    wanted: WantedSize,
    go_on: GoOn<'_>,
) -> Result<Decoded, ImageFault> {
    if content.is_empty() {
        return Err(ImageFault { status: ImageStatus::Empty, message: "no bytes".into(), format: "" });
    }
    let format = recognise(content).map_err(|name| ImageFault {
        status: ImageStatus::UnsupportedFormat,
        message: unsupported(name),
        format: name,
    })?;
    let decode = || match format {
        Format::Jpeg => jpeg::decode(content, limits, wanted),
        Format::Png => png::decode(content, limits, go_on),
        Format::Bmp => bmp::decode(content, limits).map(Still::into_parts),
        Format::Gif => gif::decode(content, limits, go_on),
        Format::Tiff => tiff::decode(content, limits).map(Still::into_parts),
        Format::WebP => webp::decode(content, limits, go_on),
        #[cfg(feature = "heif")]
        Format::Heif(_) => super::heif::decode(content, limits).map(Still::into_parts),
    };
    let ((width, height), Frames { frames, doubt }) = decode().map_err(|cause| cause.into_fault(format.name()))?;
    Ok(Decoded { format: format.name(), width, height, frames, doubt })
}

fn unsupported(name: &str) -> String {
    const READ: &str = if cfg!(feature = "heif") {
        "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF"
    } else {
        "JPEG, PNG, WebP, GIF, BMP or TIFF"
    };
    if name.is_empty() { format!("not a {READ} file") } else { format!("{name} is not read: send {READ}") }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, ImageFormat, RgbaImage};

    use super::super::frames::{Cause, MAX_SIDE, check_size, over_white};
    use super::*;

    const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1_000_000 };

    fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn an_image_over_the_pixel_limit_is_refused_from_its_header() {
        let bytes = encode(&DynamicImage::new_rgb8(1001, 1000), ImageFormat::Png);
        let fault = super::super::decode(&bytes, LIMITS, WantedSize::FULL).unwrap_err();
        assert_eq!(fault.status, ImageStatus::TooManyPixels);
        assert!(fault.message.contains("1001x1000") && fault.message.contains("1000000"), "{}", fault.message);
    }

    #[test]
    fn a_picture_for_which_there_is_no_memory_is_refused() {
        let boundless = DecodeLimits { max_pixels: u64::MAX };
        assert!(check_size((MAX_SIDE, 1000), boundless).is_ok());
        // 34 GB: more than the address space of a 32-bit machine; where a system promises what it has not, nothing is refused.
        if let Err(Cause::TooManyPixels(message)) = check_size((MAX_SIDE, MAX_SIDE), boundless) {
            assert!(message.contains("no memory"), "{message}");
        }
    }

    #[test]
    fn every_cut_of_a_jpeg_is_reported_and_none_panics() {
        let bytes = encode(&DynamicImage::new_rgb8(64, 48), ImageFormat::Jpeg);
        for length in 1..bytes.len() - 2 {
            let cut = bytes.get(..length).unwrap();
            assert!(
                super::super::decode(cut, LIMITS, WantedSize::FULL).is_err(),
                "cut at {length} of {} decoded",
                bytes.len()
            );
        }
    }

    #[test]
    fn transparent_pixels_are_white_and_half_transparent_ones_are_mixed() {
        let mut image = RgbaImage::new(2, 1);
        image.put_pixel(1, 0, image::Rgba([0, 0, 0, 128]));
        let flat = over_white(&image);
        assert_eq!(flat.get_pixel(0, 0).0, [255, 255, 255]);
        assert_eq!(flat.get_pixel(1, 0).0, [127, 127, 127]);
    }

    #[test]
    fn sixteen_bit_grey_keeps_its_brightness() {
        let image = image::ImageBuffer::from_pixel(3, 3, image::Luma([0x8000_u16]));
        let bytes = encode(&DynamicImage::ImageLuma16(image), ImageFormat::Png);
        let decoded = super::super::decode(&bytes, LIMITS, WantedSize::FULL).unwrap();
        assert_eq!(decoded.frames[0].get_pixel(1, 1).0, [128, 128, 128]);
    }
}
