//! Lines of JSON.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};
use wildwarden_core::error::{Error, Result};

use super::draft::{Row, Unreadable};
use super::{Kind, Rows, fields, size_and_time, text};
use crate::scan::columns::Columns;

/// The rows from number `first` on. A line of more than `most_bytes` is a row that cannot be read, and never held.
pub(super) fn rows(path: &Path, columns: &Columns, first: u64, most_bytes: usize) -> Result<Rows> {
    let (bytes, _) = size_and_time(path)?;
    let mut lines = Lines { reader: BufReader::new(text(path, Kind::Jsonl)?), most_bytes, read: 0 };
    let (columns, path) = (columns.clone(), path.to_owned());
    let mut number = 0;
    let rows = std::iter::from_fn(move || {
        loop {
            let line = match lines.next_line() {
                Ok(None) => return None,
                Ok(Some(line)) => line,
                Err(cause) => return Some(Err(Error::file(&path, cause))),
            };
            if matches!(&line, Line::Whole(content) if content.trim_ascii().is_empty()) {
                continue;
            }
            number += 1;
            if number <= first {
                continue;
            }
            let draft = match line {
                Line::Whole(content) => serde_json::from_slice::<Map<String, Value>>(&content)
                    .map_err(|cause| Unreadable::from(format!("is no object of JSON: {cause}")))
                    .and_then(|found| fields::draft(found, &columns)),
                Line::TooLong(length) => {
                    Err(format!("{length} bytes of a line, above the limit of {most_bytes}").into())
                }
            };
            return Some(Ok(Row { number: number - 1, draft, progress: share(lines.read, bytes) }));
        }
    });
    Ok(Box::new(rows))
}

#[expect(clippy::cast_precision_loss, reason = "a share of a bar")]
pub(super) fn share(read: u64, of: u64) -> f64 {
    if of == 0 { 1.0 } else { (read as f64 / of as f64).min(1.0) }
}

enum Line {
    Whole(Vec<u8>),
    TooLong(u64),
}

struct Lines<R> {
    reader: BufReader<R>,
    most_bytes: usize,
    read: u64,
}

impl<R: Read> Lines<R> {
    fn next_line(&mut self) -> std::io::Result<Option<Line>> {
        let mut line = Vec::new();
        let most = self.most_bytes as u64 + 1;
        let mut length = self.reader.by_ref().take(most).read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            return Ok(None);
        }
        let is_whole = line.last() == Some(&b'\n') || length < most;
        if !is_whole {
            drop(line);
            length += self.skip_line()?;
            self.read += length;
            return Ok(Some(Line::TooLong(length)));
        }
        self.read += length;
        Ok(Some(Line::Whole(line)))
    }

    /// Reads to the end of the line; says how much that was.
    fn skip_line(&mut self) -> std::io::Result<u64> {
        let mut skipped = 0;
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(skipped);
            }
            let (used, ends) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), false),
            };
            self.reader.consume(used);
            skipped += used as u64;
            if ends {
                return Ok(skipped);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8], first: u64) -> Vec<Row> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, content).unwrap();
        rows(&path, &Columns::default(), first, 64).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn blank_lines_are_no_rows_and_a_bad_line_is_a_row_of_its_own() {
        let content = format!(
            "{{\"title\":\"a\"}}\n\n{{\"title\":\nno\n{{\"title\":\"{}\"}}\n{{\"title\":\"b\"}}",
            "x".repeat(100)
        );
        let rows = read(content.as_bytes(), 0);
        let good: Vec<bool> = rows.iter().map(|row| row.draft.is_ok()).collect();
        assert_eq!(good, [true, false, false, false, true]);
        assert!(rows[3].draft.as_ref().unwrap_err().problem.contains("limit of 64"));
        assert_eq!(read(content.as_bytes(), 3).iter().map(|row| row.number).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn bytes_that_are_no_utf_8_spoil_their_line_alone() {
        let mut content = b"{\"title\":\"a\"}\n".repeat(100_000);
        content.extend(b"{\"title\":\"\xff\"}\n{\"title\":\"b\"}\n");
        let rows = read(&content, 99_999);
        assert_eq!(rows.iter().map(|row| row.draft.is_ok()).collect::<Vec<_>>(), [true, false, true]);
    }
}
