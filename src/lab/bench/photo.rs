//! A photo in memory, as it is or made distinct without decoding it.

use bytes::BufMut;
use bytes::Bytes;
use bytes::BytesMut;

/// Sixteen bytes that no other photo of any run carries.
pub type Mark = [u8; 16];

const START_OF_SCAN: u8 = 0xDA;
/// Marker and length of a JPEG comment that holds a [`Mark`] (ITU-T T.81, B.2.4.5; the length counts itself).
const COMMENT: [u8; 4] = [0xFF, 0xFE, 0x00, 0x12];

/// Content and, for a JPEG, where a comment may stand.
#[derive(Debug, Clone)]
pub struct Photo {
    content: Bytes,
    comment_at: Option<usize>,
}

impl Photo {
    /// Of a file's bytes.
    pub fn new(content: Vec<u8>) -> Self {
        Self { comment_at: before_first_scan(&content), content: content.into() }
    }

    /// The file's bytes, not copied.
    pub fn as_it_is(&self) -> Bytes {
        self.content.clone()
    }

    /// The same picture with other bytes: a comment in a JPEG; bytes after the end of any other format, which decoders leave
    /// alone.
    pub fn distinct(&self, mark: Mark) -> Bytes {
        let (before, after) = self.content.split_at(self.comment_at.unwrap_or(self.content.len()));
        let mut bytes = BytesMut::with_capacity(self.content.len() + COMMENT.len() + mark.len());
        bytes.put_slice(before);
        if self.comment_at.is_some() {
            bytes.put_slice(&COMMENT);
        }
        bytes.put_slice(&mark);
        bytes.put_slice(after);
        bytes.freeze()
    }
}

/// The place of a JPEG's first scan header: tables and comments may stand before it, also where readers insist that
/// application segments come first.
fn before_first_scan(content: &[u8]) -> Option<usize> {
    if !content.starts_with(&[0xFF, 0xD8]) {
        return None;
    }
    let mut position = 2;
    loop {
        match content.get(position..position + 4)? {
            [0xFF, 0xFF, ..] => position += 1, // a fill byte
            [0xFF, START_OF_SCAN, ..] => return Some(position),
            &[0xFF, _, high, low] => position += 2 + usize::from(u16::from_be_bytes([high, low])),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(content: &[u8]) -> Vec<u8> {
        image::load_from_memory(content).unwrap().into_rgb8().into_raw()
    }

    #[test]
    fn distinct_copies_differ_in_bytes_and_not_in_pixels() {
        for name in [
            "still.jpg",
            "progressive.jpg",
            "exif_6.jpg",
            "grey.jpg",
            "still.png",
            "still.webp",
            "still.gif",
            "still.bmp",
        ] {
            let content =
                std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/images/").to_owned() + name)
                    .unwrap();
            let photo = Photo::new(content.clone());
            assert_eq!(photo.as_it_is(), content);
            let [one, two] = [[1; 16], [2; 16]].map(|mark| photo.distinct(mark));
            assert!(one != two && one != content, "{name}");
            assert_eq!(pixels(&one), pixels(&content), "{name}");
            assert_eq!(photo.comment_at.is_some(), name.ends_with("jpg"), "{name}");
        }
    }

    #[test]
    fn what_is_cut_short_is_still_made_distinct() {
        let photo = Photo::new(vec![0xFF, 0xD8, 0xFF]);
        assert_eq!(photo.distinct([7; 16]).len(), 19);
    }
}
