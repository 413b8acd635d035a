//! A row of the input before it is a request.

use std::path::PathBuf;

use bytes::Bytes;

/// Where a photo is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Photo {
    /// In the row.
    Content(Bytes),
    /// In a file, named below the root of photos.
    Path(String),
    /// In a file that the input is made of.
    File(PathBuf),
}

/// What a row says of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// The caller's id; may be empty.
    pub listing_id: String,
    /// Title; may be empty.
    pub title: String,
    /// Description; may be empty.
    pub description: String,
    /// Photos, in order.
    pub photos: Vec<Photo>,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// From 0, in its source.
    pub number: u64,
    /// What it says, or the id where that can be read, and why the rest cannot.
    pub draft: Result<Draft, Unreadable>,
    /// Share of the source that was read with it, 0 to 1.
    pub progress: f64,
}

/// A row that is no listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unreadable {
    /// The caller's id; empty where it cannot be read.
    pub listing_id: String,
    /// Names column, value and what is allowed.
    pub problem: String,
}

impl From<String> for Unreadable {
    fn from(problem: String) -> Self {
        Self { listing_id: String::new(), problem }
    }
}
