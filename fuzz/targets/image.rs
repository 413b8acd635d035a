//! What every image target does: decode as a request would, at each size, within small limits.

use wildwarden_core::preprocess::image::{DecodeLimits, ImageFault, WantedSize, decode};

const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1 << 20 };

/// Decodes bytes that start as a file of the format does; others are another target's business.
pub fn check(content: &[u8], starts: &[&[u8]]) {
    if !starts.iter().any(|start| content.starts_with(start)) {
        return;
    }
    for wanted in [WantedSize::FULL, WantedSize::at_least(64, 64), WantedSize::at_least(1, 1)] {
        match decode(content, LIMITS, wanted) {
            Ok(decoded) => {
                assert!(u64::from(decoded.width) * u64::from(decoded.height) <= LIMITS.max_pixels);
                let first = decoded.frames.first().expect("a decoded image has a frame").dimensions();
                assert!(first.0 > 0 && first.1 > 0 && first.0 <= decoded.width && first.1 <= decoded.height);
                assert!(decoded.frames.iter().all(|frame| frame.dimensions() == first));
            }
            Err(ImageFault { message, .. }) => assert!(!message.is_empty()),
        }
    }
}
