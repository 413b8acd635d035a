//! Records between commas or tabulators.

use std::cell::Cell;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use csv::{ByteRecord, ReaderBuilder};
use wildwarden_core::error::{Error, Result};

use super::draft::{Draft, Photo, Row, Unreadable};
use super::jsonl::share;
use super::{Kind, Rows, size_and_time, text};
use crate::scan::columns::{Columns, Found};

/// Bytes of a record: of texts and paths, no photos. More is a quote that was not closed.
const MOST_BYTES: u64 = 1 << 20;
/// Between the photos of one record.
const SEPARATOR: char = ';';

/// The records from number `first` on. Photos are paths with `;` between them.
///
/// # Errors
/// [`Error::Setup`] naming file and columns. A record of more than [`MOST_BYTES`], or one that goes on to the end of the file, is the
/// last that is read: where the next begins is anybody's guess, since a quote was not closed.
pub(super) fn rows(path: &Path, delimiter: u8, columns: &Columns, first: u64) -> Result<Rows> {
    let (bytes, _) = size_and_time(path)?;
    let kind = if delimiter == b',' { Kind::Csv } else { Kind::Tsv };
    let (left, last) = (Arc::new(AtomicU64::new(MOST_BYTES)), Arc::new(AtomicU8::new(0)));
    let reader = Bounded { reader: text(path, kind)?, left: Arc::clone(&left), last: Arc::clone(&last) };
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(reader);
    let fault = |problem: String| Error::file(path, problem);
    let header = reader.byte_headers().map_err(|cause| fault(cause.to_string()))?.clone();
    let names: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let names: Vec<&str> = names.iter().map(|name| name.trim_start_matches('\u{feff}')).collect();
    let found = columns.find(&names).map_err(|error| fault(error.to_string()))?;
    let (path, width) = (path.to_owned(), header.len());
    let (mut number, mut record, mut ran_on, has_ended) = (0, ByteRecord::new(), false, Cell::new(false));
    let rows = std::iter::from_fn(move || {
        while !has_ended.get() {
            left.store(MOST_BYTES, Ordering::Relaxed);
            match reader.read_byte_record(&mut record) {
                Ok(true) => ran_on = record.iter().next_back().is_some_and(|field| field.contains(&b'\n')),
                Ok(false) => {
                    has_ended.set(true);
                    let problem = || format!("record {number}: goes on to the end of the file; is a quote not closed?");
                    // Its last field holds ends of lines, and was not ended by a quote itself.
                    let is_open = ran_on && last.load(Ordering::Relaxed) != b'"';
                    return is_open.then(|| Err(Error::file(&path, problem())));
                }
                Err(cause) => {
                    has_ended.set(true);
                    return Some(Err(Error::file(&path, format!("record {}: {cause}", number + 1))));
                }
            }
            number += 1;
            if number <= first {
                continue;
            }
            let draft = if record.len() == width {
                draft(&record, &found)
            } else {
                Err(format!("{} fields, but the header has {width}", record.len()).into())
            };
            return Some(Ok(Row { number: number - 1, draft, progress: share(reader.position().byte(), bytes) }));
        }
        None
    });
    Ok(Box::new(rows))
}

fn draft(record: &ByteRecord, found: &Found) -> Result<Draft, Unreadable> {
    let field = |name: &str, place: Option<usize>| {
        let content = place.and_then(|place| record.get(place)).unwrap_or_default();
        std::str::from_utf8(content).map(str::to_owned).map_err(|cause| format!("{name}: {cause}"))
    };
    let listing_id = field("listing_id", found.listing_id)?;
    let read = || -> Result<(String, String, String), String> {
        Ok((field("title", found.title)?, field("description", found.description)?, field("images", found.images)?))
    };
    match read() {
        Ok((title, description, images)) => {
            let paths = images.split(SEPARATOR).map(str::trim).filter(|path| !path.is_empty());
            let photos = paths.map(|path| Photo::Path(path.to_owned())).collect();
            Ok(Draft { listing_id, title, description, photos })
        }
        Err(problem) => Err(Unreadable { listing_id, problem }),
    }
}

/// A reader that ends with a fault when a record takes more than is left for it.
struct Bounded<R> {
    reader: R,
    left: Arc<AtomicU64>,
    /// The last byte but for ends of lines.
    last: Arc<AtomicU8>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed);
        let Some(left) = left.checked_sub(read as u64) else {
            return Err(std::io::Error::other("is too long; is a quote not closed?"));
        };
        self.left.store(left, Ordering::Relaxed);
        let content = buffer.get(..read).unwrap_or_default();
        if let Some(last) = content.iter().rev().find(|byte| !matches!(byte, b'\r' | b'\n')) {
            self.last.store(*last, Ordering::Relaxed);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8], first: u64) -> Result<Vec<Row>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, content).unwrap();
        rows(&path, b',', &Columns::default(), first)?.collect()
    }

    #[test]
    fn a_record_has_texts_and_photos_and_one_with_other_fields_is_told() {
        let rows = read("id,title,images\n1,\"a, b\",x.jpg; y.jpg\n2,c\n3,d,\n".as_bytes(), 0).unwrap();
        let draft = rows[0].draft.as_ref().unwrap();
        assert_eq!((draft.title.as_str(), draft.photos.len()), ("a, b", 2));
        assert!(rows[1].draft.as_ref().unwrap_err().problem.contains("2 fields"));
        assert!(rows[2].draft.as_ref().unwrap().photos.is_empty());
        assert_eq!(read("title\na\nb\n".as_bytes(), 1).unwrap()[0].number, 1);
    }

    #[test]
    fn a_table_of_a_chinese_office_is_read() {
        let text = "title\n老象牙手串\n";
        let utf_16: Vec<u8> = [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let gbk = encoding_rs::GBK.encode(text).0.into_owned();
        let marked = ["\u{feff}", text].concat().into_bytes();
        for content in [gbk, utf_16, marked] {
            assert_eq!(read(&content, 0).unwrap()[0].draft.as_ref().unwrap().title, "老象牙手串");
        }
    }

    #[test]
    fn one_bad_title_does_not_change_what_the_others_are_written_in() {
        let text = ["title\n", &"老象牙手串\n".repeat(20)].concat();
        let content = [text.as_bytes(), b"\xe8\x80\n", "老象牙手串\n".as_bytes()].concat();
        let rows = read(&content, 0).unwrap();
        let titles = rows.iter().map(|row| row.draft.as_ref().map_or("", |draft| draft.title.as_str()));
        assert_eq!(titles.filter(|title| *title == "老象牙手串").count(), 21);
        assert!(rows[20].draft.is_err());
    }

    #[test]
    fn a_quote_that_runs_on_to_the_end_is_told_and_one_that_is_closed_there_is_not() {
        let message = read(b"id,title\n1,\"a\n2,b\n3,c\n", 0).unwrap_err().to_string();
        assert!(message.contains("record 1") && message.contains("quote"), "{message}");
        assert_eq!(read(b"id,title\n1,\"a\nb\"\n", 0).unwrap().len(), 1);
    }

    #[test]
    fn a_quote_that_is_not_closed_ends_the_table_and_not_the_memory() {
        let content = ["title\n\"", &"x\n".repeat(1 << 20)].concat();
        let message = read(content.as_bytes(), 0).unwrap_err().to_string();
        assert!(message.contains("record 1") && message.contains("quote"), "{message}");
    }
}
