//! Rows of tables and folders, in order, a few at a time whatever the size.
//!
//! | input | rows |
//! | --- | --- |
//! | `.parquet` | its rows |
//! | `.jsonl`, `.ndjson` | its lines but blank ones |
//! | `.csv`, `.tsv` | its records after the header |
//! | a folder with such tables | theirs, table by table, by name |
//! | any other folder | a listing for each file below it, its id the path below the folder |
//!
//! Hidden files are left out, and those whose name begins with an underscore, as engines name their marks.

pub mod draft;
mod fields;
mod folder;
mod jsonl;
mod parquet;
mod separated;

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};
use wildwarden_core::error::{Error, Result};

use self::draft::Row;
use crate::scan::columns::Columns;

/// Rows that are still to come, with the bytes of the source that were read by then.
pub type Rows = Box<dyn Iterator<Item = Result<Row>> + Send>;

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Apache Parquet.
    Parquet,
    /// An object of JSON a line.
    Jsonl,
    /// Comma separated, with a header.
    Csv,
    /// The same with tabulators.
    Tsv,
    /// Photos, each a listing.
    Photos,
}

/// One table or folder of the input, and what tells whether it has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// As it was named.
    pub path: PathBuf,
    /// How it is read.
    pub kind: Kind,
    /// Its size; of a folder, of all its files.
    pub bytes: u64,
    /// When it was last changed, in microseconds since 1970; of a folder the latest of its files.
    pub modified_us: u64,
    /// Files of a folder; 1 for a table.
    pub files: u64,
}

impl Source {
    /// The rows from number `first` on.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the file and what is wrong with it or its columns.
    pub fn rows(&self, columns: &Columns, first: u64, most_bytes: usize) -> Result<Rows> {
        match self.kind {
            Kind::Parquet => parquet::rows(&self.path, columns, first),
            Kind::Jsonl => jsonl::rows(&self.path, columns, first, most_bytes),
            Kind::Csv => separated::rows(&self.path, b',', columns, first),
            Kind::Tsv => separated::rows(&self.path, b'\t', columns, first),
            Kind::Photos => Ok(folder::rows(&self.path, first, self.files)),
        }
    }
}

/// What `given` names: files, folders, and patterns such as `day-*/*.parquet`.
///
/// # Errors
/// [`Error::Setup`] naming what is not there or is no input.
pub fn sources(given: &[String]) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for name in given {
        // A name that is there is meant as it is, whatever characters are in it.
        let paths = if Path::new(name).exists() { vec![PathBuf::from(name)] } else { folder::matching(name)? };
        if paths.is_empty() {
            return Err(Error::setup(format!(
                "{name}: there is no such file or folder, and nothing matches it as a pattern"
            )));
        }
        for path in paths {
            if path.is_dir() {
                found.extend(folder::sources(&path)?);
            } else {
                let kind = kind(&path).ok_or_else(|| {
                    Error::file(
                        &path,
                        "must be a folder, or a file that ends in .parquet, .jsonl, .ndjson, .csv or .tsv",
                    )
                })?;
                found.push(table(&path, kind)?);
            }
        }
    }
    Ok(found)
}

/// Opens every table and looks for its columns.
///
/// # Errors
/// [`Error::Setup`] naming the first that cannot be read, or a column that it lacks.
pub fn check(sources: &[Source], columns: &Columns) -> Result<()> {
    let mut tables = sources.iter().filter(|source| source.kind != Kind::Photos);
    tables.try_for_each(|table| table.rows(columns, 0, usize::MAX / 2).map(drop))
}

fn kind(path: &Path) -> Option<Kind> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "parquet" => Some(Kind::Parquet),
        "jsonl" | "ndjson" => Some(Kind::Jsonl),
        "csv" => Some(Kind::Csv),
        "tsv" => Some(Kind::Tsv),
        _ => None,
    }
}

fn table(path: &Path, kind: Kind) -> Result<Source> {
    if path.to_str().is_none() {
        return Err(Error::file(path, "has a name that is not UTF-8, and the output must name it"));
    }
    // A pipe might never say a word.
    if !path.is_file() {
        return Err(Error::file(path, "is no file"));
    }
    let (bytes, modified_us) = size_and_time(path)?;
    Ok(Source { path: path.to_owned(), kind, bytes, modified_us, files: 1 })
}

fn size_and_time(path: &Path) -> Result<(u64, u64)> {
    let fault = |cause| Error::file(path, cause);
    let metadata = std::fs::metadata(path).map_err(fault)?;
    let modified = metadata.modified().map_err(fault)?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), u64::try_from(modified.as_micros()).unwrap_or(u64::MAX)))
}

/// In what a table of text is written: as its byte order mark says, else UTF-8, else, where most lines of its first part that are more
/// than ASCII are not that, GB 18030, which holds GBK: the table of a Chinese office. One title that was cut within a character changes
/// nothing.
fn encoding(path: &Path) -> Result<&'static Encoding> {
    /// Enough for a character of any table to show what it is in.
    const LOOKED_AT: u64 = 1 << 20;
    let fault = |cause| Error::file(path, cause);
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(fault)?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, LOOKED_AT), &mut start).map_err(fault)?;
    if let Some((encoding, _)) = Encoding::for_bom(&start) {
        return Ok(encoding);
    }
    let lines = start.split(|byte| *byte == b'\n').filter(|line| !line.is_ascii());
    // A character that the end cuts through is no fault.
    let is_utf_8 = |line: &[u8]| std::str::from_utf8(line).map_or_else(|fault| fault.error_len().is_none(), |_| true);
    let (good, bad): (Vec<&[u8]>, Vec<&[u8]>) = lines.partition(|line| is_utf_8(line));
    Ok(if good.len() >= bad.len() { encoding_rs::UTF_8 } else { encoding_rs::GB18030 })
}

/// The text of a file as UTF-8, from what [`encoding`] says, or, of JSON, which is always UTF-8, from that. What is said to be UTF-8 is passed on as it is, so that a row with other bytes is told.
fn text(path: &Path, kind: Kind) -> Result<impl std::io::Read + Send + use<>> {
    let encoding = if kind == Kind::Jsonl { encoding_rs::UTF_8 } else { encoding(path)? };
    let file = std::fs::File::open(path).map_err(|cause| Error::file(path, cause))?;
    let mut builder = encoding_rs_io::DecodeReaderBytesBuilder::new();
    let other = Some(encoding).filter(|encoding| *encoding != encoding_rs::UTF_8);
    Ok(builder.encoding(other).utf8_passthru(true).strip_bom(true).build(file))
}
