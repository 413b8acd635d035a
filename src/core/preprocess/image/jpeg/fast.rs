//! What the two fast decoders share.

use image::RgbImage;

/// Scans of one picture. Encoders write about ten; a small file of thousands takes minutes to decode
/// (<https://libjpeg-turbo.org/pmwiki/uploads/About/TwoIssueswiththeJPEGStandard.pdf>).
pub(super) const MAX_SCANS: u64 = 100;

/// What a fast decoder makes of a file.
pub(super) struct Fast {
    pub(super) frame: RgbImage,
    /// It had to guess at some of it.
    pub(super) damaged: bool,
}
