//! Image bytes become tensors. A fault is the image's own: it never reaches another image or the process.

mod bmp;
mod decode;
mod exif;
mod format;
mod frames;
mod gif;
#[cfg(feature = "heif")]
mod heif;
mod jpeg;
mod png;
mod tensor;
mod tiff;
mod wanted;
mod webp;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use frames::{DecodeLimits, Decoded, Doubt, GoOn, ImageFault, MAX_FRAMES, MAX_SIDE};
pub use tensor::TensorMaker;
pub use wanted::{MARGIN, WantedSize};

use crate::domain::ImageStatus;

/// Decodes an image within `limits`: at most [`MAX_FRAMES`] upright RGB frames, no smaller than `wanted` or the image.
///
/// # Errors
/// [`ImageFault`] when the bytes are not an image of a supported format, are damaged, or exceed a limit. A panic of a
/// decoder is caught and becomes [`ImageStatus::Corrupt`].
pub fn decode(content: &[u8], limits: DecodeLimits, wanted: WantedSize) -> Result<Decoded, ImageFault> {
    decode_while(content, limits, wanted, &|| true)
}

/// [`decode`], but an animation is given up between two frames once `go_on` says no; the frames until then are the answer.
///
/// # Errors
/// Those of [`decode`].
pub fn decode_while(
    content: &[u8],
    limits: DecodeLimits,
    wanted: WantedSize,
    go_on: GoOn<'_>,
) -> Result<Decoded, ImageFault> {
    // Decoders may panic on hostile bytes. They own no state that outlives the call, so unwinding is safe.
    catch_unwind(AssertUnwindSafe(|| decode::decode(content, limits, wanted, go_on))).unwrap_or_else(|_| {
        Err(ImageFault {
            status: ImageStatus::Corrupt,
            message: "the decoder gave up on these bytes".into(),
            format: "",
        })
    })
}
