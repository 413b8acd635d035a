//! `scores.jsonl`: a line a rated listing, appended as they finish, so that a run that was stopped goes on where it was.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use wildwarden_core::error::Error;
use wildwarden_core::error::Result;

use crate::evaluate::record::Record;

/// What is done already, and where more is written.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    known: HashMap<String, Record>,
    file: File,
}

impl Store {
    /// Reads what an earlier run left. A line that does not read, as the last one of a run that was killed, is forgotten.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the file.
    pub fn open(path: &Path) -> Result<Self> {
        let fault = |cause| Error::file(path, cause);
        let text = if path.exists() { std::fs::read_to_string(path).map_err(fault)? } else { String::new() };
        let records: Vec<Record> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut store = Self {
            path: path.to_owned(),
            known: HashMap::new(),
            file: File::options().create(true).append(true).open(path).map_err(fault)?,
        };
        if records.len() < text.lines().count() {
            store.replace(&records.iter().collect::<Vec<_>>())?;
        }
        store.known = records.into_iter().map(|record| (record.key.clone(), record)).collect();
        Ok(store)
    }

    /// A store that keeps nothing.
    ///
    /// # Errors
    /// [`Error::Setup`] when the system has no place to write nothing to.
    pub fn forgetful() -> Result<Self> {
        Self::open(Path::new("/dev/null"))
    }

    /// What was rated with this key.
    pub fn get(&self, key: &str) -> Option<&Record> {
        self.known.get(key)
    }

    /// Adds a line in one write; [`Self::get`] finds it only once the store is opened again.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the file.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        // One write a line, so that a line is there whole or not at all.
        self.file.write_all(line(record)?.as_bytes()).map_err(|cause| Error::file(&self.path, cause))
    }

    /// Replaces the file by `records`, in their order.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the file.
    pub fn replace(&mut self, records: &[&Record]) -> Result<()> {
        let beside = self.path.with_extension("new");
        let fault = |cause| Error::file(&beside, cause);
        let mut file = BufWriter::new(File::create(&beside).map_err(fault)?);
        for record in records {
            file.write_all(line(record)?.as_bytes()).map_err(fault)?;
        }
        file.into_inner().map_err(|cause| fault(cause.into_error()))?.sync_all().map_err(fault)?;
        std::fs::rename(&beside, &self.path).map_err(|cause| Error::file(&self.path, cause))?;
        self.file = File::options().append(true).open(&self.path).map_err(|cause| Error::file(&self.path, cause))?;
        Ok(())
    }
}

fn line(record: &Record) -> Result<String> {
    let json = serde_json::to_string(record).map_err(|cause| Error::Bug(format!("writing a record: {cause}")))?;
    Ok(json + "\n")
}
