//! Limits, faults and frames, as every decoder has them: upright 8-bit RGB frames go out.

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, Limits, RgbImage, RgbaImage};

use crate::domain::ImageStatus;

/// Frames taken of an animation.
pub const MAX_FRAMES: usize = 3;
/// Frames of an animation that are decoded at all; that there are later ones is told.
const MAX_DECODED_FRAMES: usize = 1000;
/// Pixels of a side; what JPEG can say and no photo reaches. A picture may be within the limit of pixels and yet be a thread.
pub const MAX_SIDE: u32 = 65_535;
/// An animation may decode this many times the pixels a still may, over all its frames.
const ANIMATION_PIXEL_BUDGET: u64 = 2;
/// Bytes that a usual picture takes for each pixel, decoded and turned.
const BYTES_AT_ONCE: u64 = 8;
/// Bytes a decoder may allocate for each pixel the limit allows: 16-bit RGBA, and as much again to work in.
pub(super) const BYTES_PER_PIXEL: u64 = 16;

/// Limits checked before pixels are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Width times height, from the header.
    pub max_pixels: u64,
}

/// A decoded image.
#[derive(Debug)]
pub struct Decoded {
    /// Format name: jpeg, png, webp, gif, bmp, tiff.
    pub format: &'static str,
    /// Pixels of the upright image as it was sent.
    pub width: u32,
    /// Pixels of the upright image as it was sent.
    pub height: u32,
    /// Upright frames of equal size, 1 to [`MAX_FRAMES`]; smaller than the image when less was wanted.
    pub frames: Vec<RgbImage>,
    /// Why a person should look, too: the frames are not all, or not surely, what the file shows.
    pub doubt: Option<Doubt>,
}

/// Why frames are not all, or not surely, what a file shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// An animation goes on beyond its budget, or what came later is damaged: nobody looked at that.
    FramesLeftOut,
    /// The file is damaged, and decoders make different pictures of it: each is a frame.
    Damaged,
}

impl Doubt {
    /// The name used in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::FramesLeftOut => "frames_left_out",
            Self::Damaged => "damaged",
        }
    }
}

/// A picture that does not move.
#[derive(Debug)]
pub(super) struct Still {
    /// Pixels of the upright image as it was sent.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) frame: RgbImage,
}

/// Asked after each frame of an animation: whether somebody still waits for the answer.
pub type GoOn<'a> = &'a dyn Fn() -> bool;

/// Why an image could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFault {
    /// The kind, for machines.
    pub status: ImageStatus,
    /// The cause, for people.
    pub message: String,
    /// Format name when it was recognised, of one that is not read, too; else empty.
    pub format: &'static str,
}

#[derive(Debug)]
pub(super) enum Cause {
    Truncated,
    Corrupt(String),
    TooManyPixels(String),
    Unsupported(String),
    Image(ImageError),
}

impl From<ImageError> for Cause {
    fn from(error: ImageError) -> Self {
        Self::Image(error)
    }
}

impl Cause {
    pub(super) fn into_fault(self, format: &'static str) -> ImageFault {
        let (status, message) = match self {
            Self::Truncated => (ImageStatus::Truncated, "the file ends before the picture does".to_owned()),
            Self::Corrupt(message) => (ImageStatus::Corrupt, message),
            Self::TooManyPixels(message) => (ImageStatus::TooManyPixels, message),
            Self::Unsupported(message) => (ImageStatus::UnsupportedFormat, message),
            Self::Image(ImageError::Limits(e)) => (ImageStatus::TooManyPixels, e.to_string()),
            Self::Image(ImageError::Unsupported(e)) => (ImageStatus::UnsupportedFormat, e.to_string()),
            Self::Image(ImageError::IoError(e)) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                (ImageStatus::Truncated, "the file ends before the picture does".to_owned())
            }
            Self::Image(e) => (ImageStatus::Corrupt, e.to_string()),
        };
        ImageFault { status, message, format }
    }
}

/// Checks the size a header states: no side of 0, none above [`MAX_SIDE`], no more pixels than allowed.
pub(super) fn check_size((width, height): (u32, u32), limits: DecodeLimits) -> Result<(), Cause> {
    if width == 0 || height == 0 {
        return Err(Cause::Corrupt(format!("{width}x{height} has no pixels")));
    }
    let side = width.max(height);
    if side > MAX_SIDE {
        return Err(Cause::TooManyPixels(format!(
            "{width}x{height} has a side of {side} pixels, above the limit of {MAX_SIDE}"
        )));
    }
    let pixels = area((width, height));
    if pixels > limits.max_pixels {
        return Err(Cause::TooManyPixels(format!(
            "{width}x{height} is {pixels} pixels, above the limit of {} (limits.max_image_pixels)",
            limits.max_pixels
        )));
    }
    // Asked for and given back untouched: without room for the picture it is refused here, and no decoder ends the process.
    let bytes = usize::try_from(pixels.saturating_mul(BYTES_AT_ONCE)).unwrap_or(usize::MAX);
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|cause| {
        Cause::TooManyPixels(format!(
            "{width}x{height} is {pixels} pixels, and there is no memory for them now: {cause}"
        ))
    })
}

pub(super) fn area((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

fn allocation_limit(limits: DecodeLimits) -> Limits {
    let mut allocation = Limits::no_limits();
    allocation.max_alloc = Some(limits.max_pixels.saturating_mul(BYTES_PER_PIXEL));
    allocation
}

/// Checks the size and bounds what the decoder may allocate; the size.
pub(super) fn admit(decoder: &mut impl ImageDecoder, limits: DecodeLimits) -> Result<(u32, u32), Cause> {
    check_size(decoder.dimensions(), limits)?;
    decoder.set_limits(allocation_limit(limits))?;
    Ok(decoder.dimensions())
}

pub(super) fn still(
    mut decoder: impl ImageDecoder,
    limits: DecodeLimits,
    orientation: Orientation,
) -> Result<Still, Cause> {
    admit(&mut decoder, limits)?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(Still { width: image.width(), height: image.height(), frame: flatten(image) })
}

/// Size of the upright image as it was sent, and its frames.
pub(super) type Parts = ((u32, u32), Frames);

/// See [`Decoded`].
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) frames: Vec<RgbImage>,
    pub(super) doubt: Option<Doubt>,
}

impl Frames {
    /// Upright, with the size they then have.
    pub(super) fn turned(mut self, orientation: Orientation) -> Parts {
        for frame in &mut self.frames {
            let mut image = DynamicImage::ImageRgb8(std::mem::take(frame));
            image.apply_orientation(orientation);
            *frame = image.into_rgb8();
        }
        let size = self.frames.first().map(RgbImage::dimensions).unwrap_or_default();
        (size, self)
    }
}

impl Still {
    pub(super) fn into_parts(self) -> Parts {
        ((self.width, self.height), Frames { frames: vec![self.frame], doubt: None })
    }
}

/// The first frame, the last and one between of what was decoded; a frame beyond the budget tells that there are more. `pixels_per_frame`: what one frame costs to decode, at most.
pub(super) fn animation(
    frames: image::Frames<'_>,
    limits: DecodeLimits,
    pixels_per_frame: u64,
    go_on: GoOn<'_>,
) -> Result<Frames, Cause> {
    let affordable = limits.max_pixels.saturating_mul(ANIMATION_PIXEL_BUDGET) / pixels_per_frame.max(1);
    let decoded = usize::try_from(affordable).unwrap_or(usize::MAX).clamp(1, MAX_DECODED_FRAMES);

    // The number of frames is unknown until the end, so every `stride`-th is kept and the stride doubles when there are
    // too many: memory stays within twice the frames asked for.
    let mut kept: Vec<RgbImage> = Vec::new();
    let mut latest: Option<RgbaImage> = None;
    let (mut stride, mut doubt) = (1, None);
    for (index, frame) in frames.take(decoded + 1).enumerate() {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) if kept.is_empty() => return Err(error.into()),
            Err(_) => {
                // What came before the damage is still a picture.
                doubt = Some(Doubt::FramesLeftOut);
                break;
            }
        };
        doubt = (index == decoded).then_some(Doubt::FramesLeftOut);
        // The caller finds that its time is over and throws the picture away; what matters is that the worker is free.
        if !go_on() {
            break;
        }
        let frame = frame.into_buffer();
        if index % stride == 0 {
            kept.push(over_white(&frame));
            latest = None;
        } else {
            latest = Some(frame);
        }
        if kept.len() > 2 * MAX_FRAMES {
            let mut position = 0;
            kept.retain(|_| {
                position += 1;
                position % 2 == 1
            });
            stride *= 2;
        }
    }
    kept.extend(latest.as_ref().map(over_white));
    let last = kept.len().saturating_sub(1);
    let wanted: Vec<usize> = if last < MAX_FRAMES { (0..=last).collect() } else { vec![0, last / 2, last] };
    let frames: Vec<RgbImage> =
        kept.into_iter().enumerate().filter(|(index, _)| wanted.contains(index)).map(|(_, frame)| frame).collect();
    if frames.is_empty() { Err(Cause::Truncated) } else { Ok(Frames { frames, doubt }) }
}

/// Any colour type to 8-bit RGB: transparency over white, 16 bits to 8, grey to three channels.
fn flatten(image: DynamicImage) -> RgbImage {
    if image.color().has_alpha() { over_white(&image.into_rgba8()) } else { image.into_rgb8() }
}

pub(super) fn over_white(image: &RgbaImage) -> RgbImage {
    let mut flat = RgbImage::new(image.width(), image.height());
    for (target, source) in flat.pixels_mut().zip(image.pixels()) {
        let [red, green, blue, alpha] = source.0;
        let mix = |channel: u8| {
            let sum = u32::from(channel) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
            u8::try_from((sum + 127) / 255).unwrap_or(255)
        };
        target.0 = [mix(red), mix(green), mix(blue)];
    }
    flat
}
