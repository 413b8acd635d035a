//! The parts of the output: Parquet files of consecutive rows. One appears under its name when it is whole; its metadata says where
//! in the input the next begins.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use tokio::time::Instant;
use wildwarden_core::domain::Category;
use wildwarden_core::error::{Error, Result};

use crate::scan::table::{Batch, Record, schema};

/// The folder of the parts, below the output's.
pub const FOLDER: &str = "parts";
/// What of a part's metadata says where the next begins: number of the source, and of the row in it.
const NEXT: &str = "wildwarden.next";
/// Rows that are made columns together.
const BATCH: usize = 256;
/// Rows of a row group: what a reader of the table has to hold.
const GROUP: usize = 8192;
/// Rows of a part, at most.
const MOST_ROWS: usize = 65_536;
/// How long a part is open, at most: so much work is lost when a scan is killed.
const OPEN: Duration = Duration::from_secs(60);

/// A place in the input: number of the source, and of the row in it.
pub type Place = (usize, u64);

/// Writes parts.
#[derive(Debug)]
pub struct Parts {
    folder: PathBuf,
    categories: Vec<Category>,
    /// Number of the part that is written.
    number: usize,
    batch: Batch,
    part: Option<Part>,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    writer: ArrowWriter<File>,
    rows: usize,
    opened: Instant,
}

/// What is there of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Whole parts, in order.
    pub parts: Vec<PathBuf>,
    /// Rows in them.
    pub rows: u64,
    /// Where the row after them stands.
    pub next: Place,
}

/// The parts in the output's `folder`, from the first without a gap.
///
/// # Errors
/// [`Error::Setup`] naming a part that cannot be read, or one that is missing.
pub fn found(folder: &Path) -> Result<Found> {
    let folder = folder.join(FOLDER);
    let entries = match std::fs::read_dir(&folder) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Found::default()),
        entries => entries.map_err(|cause| Error::file(&folder, cause))?,
    };
    let mut parts = Vec::new();
    for entry in entries {
        let path = entry.map_err(|cause| Error::file(&folder, cause))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What was being written has a hidden name, and is written anew.
        if name.starts_with("part-") && name.ends_with(".parquet") {
            parts.push(path);
        }
    }
    parts.sort();
    if let Some((missing, _)) = parts.iter().enumerate().find(|(number, path)| **path != folder.join(name(*number))) {
        return Err(Error::file(&folder.join(name(missing)), "is missing, and later parts are there"));
    }
    let (mut rows, mut next) = (0, Place::default());
    for path in &parts {
        let (of_part, after) = rows_and_next(path)?;
        (rows, next) = (rows + of_part, after);
    }
    Ok(Found { parts, rows, next })
}

fn name(number: usize) -> String {
    format!("part-{number:06}.parquet")
}

fn rows_and_next(path: &Path) -> Result<(u64, Place)> {
    let fault = |problem: String| Error::file(path, problem);
    let file = File::open(path).map_err(|cause| fault(cause.to_string()))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|cause| fault(cause.to_string()))?;
    let metadata = reader.metadata().file_metadata();
    let rows = u64::try_from(metadata.num_rows()).unwrap_or_default();
    let value = metadata
        .key_value_metadata()
        .into_iter()
        .flatten()
        .find(|pair| pair.key == NEXT)
        .and_then(|pair| pair.value.as_deref());
    let place = value.and_then(|value| value.split_once(' '));
    let place = place.and_then(|(source, row)| Some((source.parse().ok()?, row.parse().ok()?)));
    let place = place.ok_or_else(|| fault(format!("is no part of a scan: it has no {NEXT}")))?;
    Ok((rows, place))
}

impl Parts {
    /// Goes on after what was `found` in the output's `folder`.
    ///
    /// # Errors
    /// [`Error::Setup`] when the folder cannot be made.
    pub fn after(found: &Found, folder: &Path, categories: &[Category]) -> Result<Self> {
        let folder = folder.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(|cause| Error::file(&folder, cause))?;
        let categories = categories.to_vec();
        Ok(Self { folder, batch: Batch::new(&categories), categories, number: found.parts.len(), part: None })
    }

    /// Adds a row. `next`: where the row after it stands.
    ///
    /// # Errors
    /// [`Error::Setup`] when it cannot be written, as on a full disk.
    pub fn push(&mut self, record: &Record, next: Place) -> Result<()> {
        if self.part.is_none() {
            self.part = Some(self.open()?);
        }
        self.batch.push(record);
        if self.batch.len() >= BATCH {
            self.write_batch()?;
        }
        let is_full = self
            .part
            .as_ref()
            .is_some_and(|part| part.rows + self.batch.len() >= MOST_ROWS || part.opened.elapsed() >= OPEN);
        if is_full { self.close(next) } else { Ok(()) }
    }

    fn open(&self) -> Result<Part> {
        let path = self.folder.join(format!(".{}", name(self.number)));
        let file = File::create(&path).map_err(|cause| Error::file(&path, cause))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP))
            .set_created_by(concat!("wildwarden ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = ArrowWriter::try_new(file, schema(&self.categories), Some(properties));
        let writer = writer.map_err(|cause| Error::file(&path, cause))?;
        Ok(Part { path, writer, rows: 0, opened: Instant::now() })
    }

    fn write_batch(&mut self) -> Result<()> {
        let Some(part) = self.part.as_mut().filter(|_| !self.batch.is_empty()) else { return Ok(()) };
        part.rows += self.batch.len();
        let columns = self.batch.finish().map_err(|cause| Error::Bug(format!("columns of a part: {cause}")))?;
        part.writer.write(&columns).map_err(|cause| Error::file(&part.path, cause))
    }

    /// Ends the part, if one is open: it is on the disk and has its name.
    ///
    /// # Errors
    /// See [`Self::push`].
    pub fn close(&mut self, next: Place) -> Result<()> {
        self.write_batch()?;
        let Some(Part { path, mut writer, .. }) = self.part.take() else { return Ok(()) };
        writer.append_key_value_metadata(KeyValue::new(NEXT.to_owned(), format!("{} {}", next.0, next.1)));
        let fault = |cause: String| Error::file(&path, cause);
        writer.finish().map_err(|cause| fault(cause.to_string()))?;
        writer.inner().sync_all().map_err(|cause| fault(cause.to_string()))?;
        std::fs::rename(&path, self.folder.join(name(self.number))).map_err(|cause| fault(cause.to_string()))?;
        sync(&self.folder)?;
        self.number += 1;
        Ok(())
    }
}

/// Writes a file that appears whole or not at all.
///
/// # Errors
/// [`Error::Setup`].
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let fault = |cause| Error::file(path, cause);
    let beside = path.with_file_name(format!(".{}", path.file_name().unwrap_or_default().to_string_lossy()));
    let mut file = File::create(&beside).map_err(fault)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(fault)?;
    std::fs::rename(&beside, path).map_err(fault)?;
    path.parent().map_or(Ok(()), sync)
}

/// A name is on the disk when its folder is.
fn sync(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(|cause| Error::file(folder, cause))
}

/// Calls `each` with the rows of a part, some at a time, of these columns alone.
///
/// # Errors
/// [`Error::Setup`] naming the part, or what `each` says.
pub fn read(path: &Path, columns: &[&str], mut each: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
    for batch in batches(path, columns)? {
        each(&batch?)?;
    }
    Ok(())
}

/// The rows of a part, some at a time, of these columns alone, in the order of the table.
///
/// # Errors
/// [`Error::Setup`] naming the part.
pub fn batches(path: &Path, columns: &[&str]) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
    let path: Arc<Path> = Arc::from(path);
    let fault = {
        let path = Arc::clone(&path);
        move |cause: String| Error::file(&path, cause)
    };
    let file = File::open(&*path).map_err(|cause| fault(cause.to_string()))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|cause| fault(cause.to_string()))?;
    let mask = ProjectionMask::columns(reader.parquet_schema(), columns.iter().copied());
    let reader = reader.with_projection(mask).with_batch_size(BATCH).build();
    let reader = reader.map_err(|cause| fault(cause.to_string()))?;
    Ok(reader.map(move |batch| batch.map_err(|cause| fault(cause.to_string()))))
}

/// The values of a text column.
///
/// # Errors
/// [`Error::Bug`] when there is no such column.
pub fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<impl Iterator<Item = Option<&'a str>>> {
    let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    column.map(|column| column.iter()).ok_or_else(|| no_column(name))
}

/// The values of a column of whole numbers.
///
/// # Errors
/// [`Error::Bug`] when there is no such column.
pub fn numbers<'a>(batch: &'a RecordBatch, name: &str) -> Result<impl Iterator<Item = Option<i64>> + use<'a>> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
    column.map(|column| column.iter()).ok_or_else(|| no_column(name))
}

/// The values of a column of fractions.
///
/// # Errors
/// [`Error::Bug`] when there is no such column.
pub fn fractions<'a>(batch: &'a RecordBatch, name: &str) -> Result<impl Iterator<Item = Option<f64>> + use<'a>> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Float64Type>());
    column.map(|column| column.iter()).ok_or_else(|| no_column(name))
}

fn no_column(name: &str) -> Error {
    Error::Bug(format!("a part has no column {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::table::NotRated;

    fn record(row: u64) -> Record {
        Record {
            source: "a.csv".into(),
            row,
            listing_id: row.to_string(),
            outcome: Err(NotRated::unreadable("x".into())),
        }
    }

    #[test]
    fn a_part_appears_when_it_is_whole_and_says_where_the_next_begins() {
        let folder = tempfile::tempdir().unwrap();
        let categories = [Category::new("tusk").unwrap()];
        assert_eq!(found(folder.path()).unwrap(), Found::default());
        let mut parts = Parts::after(&Found::default(), folder.path(), &categories).unwrap();
        for row in 0..600 {
            parts.push(&record(row), (0, row + 1)).unwrap();
        }
        assert!(found(folder.path()).unwrap().parts.is_empty());
        let mut parts = Parts::after(&Found::default(), folder.path(), &categories).unwrap();
        for row in 0..600 {
            parts.push(&record(row), (0, row + 1)).unwrap();
        }
        parts.close((1, 0)).unwrap();
        let found = found(folder.path()).unwrap();
        assert_eq!((found.parts.len(), found.rows, found.next), (1, 600, (1, 0)));
        let mut rows = Vec::new();
        read(&found.parts[0], &["row"], |batch| {
            rows.extend(numbers(batch, "row")?.flatten());
            Ok(())
        })
        .unwrap();
        assert_eq!(rows, (0..600).collect::<Vec<i64>>());
    }

    #[test]
    fn a_part_that_is_missing_or_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let categories = [Category::new("tusk").unwrap()];
        let mut parts = Parts::after(&Found::default(), folder.path(), &categories).unwrap();
        for row in 0..2 {
            parts.push(&record(row), (0, row + 1)).unwrap();
            parts.close((0, row + 1)).unwrap();
        }
        std::fs::remove_file(folder.path().join("parts/part-000000.parquet")).unwrap();
        assert!(found(folder.path()).unwrap_err().to_string().contains("part-000000"));
        std::fs::write(folder.path().join("parts/part-000000.parquet"), "x").unwrap();
        std::fs::remove_file(folder.path().join("parts/part-000001.parquet")).unwrap();
        assert!(found(folder.path()).unwrap_err().to_string().contains("part-000000"));
    }
}
