//! Which way is up. Broken EXIF data is no reason to refuse a photo that decodes, so every doubt means "as it is".

use exif::{In, Reader, Tag};
use image::metadata::Orientation;

/// What some writers put before the data, as JPEG wants it and others do not.
pub(super) const PREFIX: &[u8] = b"Exif\0\0";
/// Bytes of EXIF data that are read; a JPEG segment holds no more.
const MAX_BYTES: usize = 65_535;

/// The orientation that EXIF `data` states, a TIFF structure with or without [`PREFIX`]; the tag may have any integer type.
pub(super) fn orientation(data: &[u8]) -> Orientation {
    let data = data.strip_prefix(PREFIX).unwrap_or(data);
    let data = data.get(..MAX_BYTES).unwrap_or(data).to_vec();
    let read =
        Reader::new().continue_on_error(true).read_raw(data).or_else(|error| error.distill_partial_result(|_| ()));
    let stated = read.ok().and_then(|exif| exif.get_field(Tag::Orientation, In::PRIMARY)?.value.get_uint(0));
    stated
        .and_then(|number| u8::try_from(number).ok())
        .and_then(Orientation::from_exif)
        .unwrap_or(Orientation::NoTransforms)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A little-endian TIFF structure with the orientation 6 as `kind` (3: SHORT, 4: LONG).
    fn rotated(kind: u8) -> Vec<u8> {
        let mut data = b"II*\0\x08\0\0\0\x01\0\x12\x01".to_vec();
        data.extend([kind, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
        data
    }

    #[test]
    fn the_orientation_is_found_in_any_type_with_and_without_the_prefix_of_jpeg() {
        for kind in [3, 4] {
            assert_eq!(orientation(&rotated(kind)), Orientation::Rotate90, "{kind}");
            assert_eq!(orientation(&[PREFIX, &rotated(kind)].concat()), Orientation::Rotate90, "{kind}");
        }
    }

    #[test]
    fn what_cannot_be_read_turns_nothing() {
        let mut unknown = rotated(3);
        unknown[18] = 77;
        for data in [&b""[..], b"Exif\0\0", b"II*\0", &unknown, &rotated(3)[..15]] {
            assert_eq!(orientation(data), Orientation::NoTransforms, "{data:?}");
        }
    }
}
