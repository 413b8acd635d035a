//! Tables in Parquet, a few rows of a row group at a time.
#![expect(clippy::wildcard_enum_match_arm, reason = "of Arrow's types a few are told apart, and all others are alike")]

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;
use wildwarden_core::error::{Error, Result};

use super::Rows;
use super::draft::{Draft, Photo, Row, Unreadable};
use super::jsonl::share;
use crate::scan::columns::{Columns, Found};

/// Bytes of rows that are held, about.
const HELD: i64 = 8 << 20;
/// Rows that are held, at most.
const MOST_ROWS: i64 = 256;
/// The same where there are photos: of one that comes again and again the file has a single copy, so its sizes say little.
const MOST_ROWS_OF_PHOTOS: i64 = 16;

/// The rows from number `first` on.
///
/// # Errors
/// [`Error::Setup`] naming the file and what is wrong with it or its columns.
pub(super) fn rows(path: &Path, columns: &Columns, first: u64) -> Result<Rows> {
    let fault = |problem: String| Error::file(path, problem);
    let file = File::open(path).map_err(|cause| fault(cause.to_string()))?;
    // The file's own types: what another program had in memory when it wrote, such as a dictionary, is of no interest.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .map_err(|cause| fault(cause.to_string()))?;
    let schema = builder.schema().clone();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let found = columns.find(&names).map_err(|error| fault(error.to_string()))?;
    let wanted = [found.listing_id, found.title, found.description, found.images];
    let wanted: Vec<usize> = wanted.into_iter().flatten().collect();
    for (name, place, is_known) in [
        ("listing_id", found.listing_id, is_text as fn(&DataType) -> bool),
        ("title", found.title, is_text),
        ("description", found.description, is_text),
        ("images", found.images, is_photos),
    ] {
        let Some(field) = place.and_then(|place| schema.fields().get(place)) else { continue };
        if !is_known(field.data_type()) {
            let allowed = if name == "images" { "bytes or paths, or lists of them" } else { "text or whole numbers" };
            let (column, kind) = (field.name(), field.data_type());
            return Err(fault(format!("column {column:?} ({name}) is {kind}, and must be {allowed}")));
        }
    }
    let metadata = builder.metadata().clone();
    let total = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
    let (groups, passed) = groups_from(&metadata, first);
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.iter().copied());
    let reader = builder
        .with_projection(mask)
        .with_row_groups(groups)
        .with_offset(usize::try_from(first - passed).unwrap_or(usize::MAX))
        .with_batch_size(rows_held(&metadata, &wanted, found.images.is_some()))
        .build()
        .map_err(|cause| fault(cause.to_string()))?;
    let of_groups: i64 = metadata.row_groups().iter().map(|group| group.num_rows()).sum();
    if u64::try_from(of_groups).ok() != Some(total) {
        return Err(fault(format!("its footer says {total} rows, and its row groups {of_groups}")));
    }
    let path = path.to_owned();
    let mut number = first;
    let rows = reader.map(Some).chain([None]).flat_map(move |batch| -> Vec<Result<Row>> {
        let batch = match batch {
            Some(Ok(batch)) => batch,
            Some(Err(cause)) => return vec![Err(Error::file(&path, format!("row {number}: {cause}")))],
            None if number < total => {
                return vec![Err(Error::file(&path, format!("its footer says {total} rows, and {number} were read")))];
            }
            None => return Vec::new(),
        };
        let fields = Fields::of(&batch, &found);
        let rows = (0..batch.num_rows()).map(|row| {
            number += 1;
            Ok(Row { number: number - 1, draft: fields.draft(row), progress: share(number, total) })
        });
        rows.collect()
    });
    Ok(Box::new(rows))
}

/// The row groups that hold rows from number `first` on, and the rows before them.
fn groups_from(metadata: &ParquetMetaData, first: u64) -> (Vec<usize>, u64) {
    let mut passed = 0;
    let mut groups = metadata.row_groups().iter().enumerate().peekable();
    while let Some((_, group)) = groups.peek() {
        let rows = u64::try_from(group.num_rows()).unwrap_or_default();
        if passed + rows > first {
            break;
        }
        passed += rows;
        groups.next();
    }
    (groups.map(|(index, _)| index).collect(), passed.min(first))
}

/// How many rows hold about [`HELD`] bytes, in the row group whose rows are the largest.
fn rows_held(metadata: &ParquetMetaData, wanted: &[usize], has_photos: bool) -> usize {
    let schema = metadata.file_metadata().schema_descr();
    let is_wanted = |leaf: usize| wanted.contains(&schema.get_column_root_idx(leaf));
    let largest = metadata.row_groups().iter().map(|group| {
        let columns = group.columns().iter().enumerate().filter(|(leaf, _)| is_wanted(*leaf));
        let bytes: i64 = columns.map(|(_, column)| column.uncompressed_size()).sum();
        bytes / group.num_rows().max(1)
    });
    let most = if has_photos { MOST_ROWS_OF_PHOTOS } else { MOST_ROWS };
    let rows = (HELD / largest.max().unwrap_or_default().max(1)).clamp(1, most);
    usize::try_from(rows).unwrap_or(1)
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::Binary | DataType::Null) || kind.is_integer()
}

fn is_photos(kind: &DataType) -> bool {
    match kind {
        DataType::List(inside) => is_photo(inside.data_type()),
        one => is_photo(one),
    }
}

/// Bytes, a path, or what tables of photos have for one: a record with `bytes` and, where they are not there, `path`.
fn is_photo(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::Binary | DataType::Null => true,
        DataType::Struct(fields) => fields.iter().any(|field| matches!(field.name().as_str(), "bytes" | "path")),
        _ => false,
    }
}

/// The columns of a batch.
struct Fields {
    listing_id: Option<ArrayRef>,
    title: Option<ArrayRef>,
    description: Option<ArrayRef>,
    images: Option<ArrayRef>,
}

impl Fields {
    /// A projection keeps the order of the file's columns.
    fn of(batch: &RecordBatch, found: &Found) -> Self {
        let wanted = [found.listing_id, found.title, found.description, found.images];
        let mut places: Vec<usize> = wanted.into_iter().flatten().collect();
        places.sort_unstable();
        places.dedup();
        let column = |place: Option<usize>| {
            let place = places.iter().position(|one| Some(*one) == place)?;
            batch.columns().get(place).cloned()
        };
        Self {
            listing_id: column(found.listing_id),
            title: column(found.title),
            description: column(found.description),
            images: column(found.images),
        }
    }

    fn draft(&self, row: usize) -> Result<Draft, Unreadable> {
        let listing_id = text("listing_id", self.listing_id.as_deref(), row)?;
        let read = || -> Result<(String, String, Vec<Photo>), String> {
            let photos = self.images.as_deref().map_or_else(|| Ok(Vec::new()), |images| photos(images, row))?;
            Ok((
                text("title", self.title.as_deref(), row)?,
                text("description", self.description.as_deref(), row)?,
                photos,
            ))
        };
        match read() {
            Ok((title, description, photos)) => Ok(Draft { listing_id, title, description, photos }),
            Err(problem) => Err(Unreadable { listing_id, problem }),
        }
    }
}

fn text(name: &str, column: Option<&dyn Array>, row: usize) -> Result<String, String> {
    let Some(column) = column.filter(|column| column.is_valid(row)) else { return Ok(String::new()) };
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        // Old engines write text without saying that it is.
        DataType::Binary => std::str::from_utf8(column.as_binary::<i32>().value(row))
            .map_err(|cause| format!("{name}: {cause}"))?
            .to_owned(),
        DataType::Int8 => column.as_primitive::<Int8Type>().value(row).to_string(),
        DataType::Int16 => column.as_primitive::<Int16Type>().value(row).to_string(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row).to_string(),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row).to_string(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).to_string(),
        _ => String::new(),
    })
}

fn photos(column: &dyn Array, row: usize) -> Result<Vec<Photo>, String> {
    if column.is_null(row) {
        return Ok(Vec::new());
    }
    if !matches!(column.data_type(), DataType::List(_)) {
        return Ok(photo(column, row)?.into_iter().collect());
    }
    let list = column.as_list::<i32>().value(row);
    let found = (0..list.len()).map(|place| photo(&list, place)?.ok_or_else(|| format!("images[{place}]: is null")));
    found.collect()
}

fn photo(column: &dyn Array, row: usize) -> Result<Option<Photo>, String> {
    if column.is_null(row) {
        return Ok(None);
    }
    Ok(match column.data_type() {
        DataType::Utf8 => Some(Photo::Path(column.as_string::<i32>().value(row).to_owned())),
        DataType::Binary => Some(Photo::Content(Bytes::copy_from_slice(column.as_binary::<i32>().value(row)))),
        DataType::Struct(_) => {
            let record = column.as_struct();
            let inside = |name: &str| {
                let column = record.column_by_name(name)?;
                photo(column, row).ok().flatten()
            };
            let found = inside("bytes").or_else(|| inside("path"));
            Some(found.ok_or("images: a record must have bytes or path")?)
        }
        _ => None,
    })
}
