//! Folders: of tables, or of photos.

use std::collections::VecDeque;
use std::path::{Component, Path, PathBuf};

use glob::MatchOptions;
use wildwarden_core::error::{Error, Result};

use super::draft::{Draft, Photo, Row};
use super::jsonl::share;
use crate::scan::plan::FILE;

use super::{Kind, Rows, Source, kind, size_and_time, table};

/// The tables below `folder`, or, where there is none, the folder itself as one of photos.
///
/// # Errors
/// [`Error::Setup`] naming what cannot be read, or a folder without a file.
pub(super) fn sources(folder: &Path) -> Result<Vec<Source>> {
    let mut tables = Vec::new();
    let mut photos = Source { path: folder.to_owned(), kind: Kind::Photos, bytes: 0, modified_us: 0, files: 0 };
    for file in Files::below(folder) {
        let file = file?;
        if let Some(kind) = kind(&file) {
            tables.push(table(&file, kind)?);
        } else {
            // What cannot be read, as a link that leads nowhere, is a row that says so.
            let (bytes, modified_us) = size_and_time(&file).unwrap_or_default();
            photos.bytes += bytes;
            photos.modified_us = photos.modified_us.max(modified_us);
            photos.files += 1;
        }
    }
    if !tables.is_empty() {
        return Ok(tables);
    }
    if photos.files == 0 {
        return Err(Error::file(folder, "holds no file"));
    }
    Ok(vec![photos])
}

/// Files and folders that a pattern names. `**` stands for folders that are no links, and there files are found alone.
///
/// # Errors
/// [`Error::Setup`] naming what is no pattern, or what cannot be read.
pub(super) fn matching(pattern: &str) -> Result<Vec<PathBuf>> {
    let fault = |problem: String| Error::setup(format!("{pattern}: {problem}"));
    if !pattern.contains("**") {
        let paths = glob::glob(pattern).map_err(|cause| fault(cause.to_string()))?;
        return paths.map(|path| path.map_err(|cause| fault(cause.to_string()))).collect();
    }
    // The library goes into folders that are links, and so round in a circle.
    let wanted = glob::Pattern::new(pattern).map_err(|cause| fault(cause.to_string()))?;
    let is_literal = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let literal: PathBuf = Path::new(pattern).components().take_while(is_literal).collect();
    let (here, is_here) = (Path::new("."), literal.as_os_str().is_empty());
    let root = if is_here { here } else { literal.as_path() };
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
    let name = |path: PathBuf| match path.strip_prefix(here) {
        Ok(below) if is_here => below.to_owned(),
        _ => path,
    };
    let found = Files::below(root).map(|path| path.map(name));
    found.filter(|path| path.as_ref().map_or(true, |path| wanted.matches_path_with(path, options))).collect()
}

/// A row for each of the `total` files below `folder`, from number `first` on.
pub(super) fn rows(folder: &Path, first: u64, total: u64) -> Rows {
    let folder = folder.to_owned();
    let rows = Files::below(&folder).zip(0_u64..).map(move |(file, number)| {
        let file = file?;
        let listing_id = file.strip_prefix(&folder).unwrap_or(&file).to_string_lossy().into_owned();
        let draft = Draft { listing_id, photos: vec![Photo::File(file)], ..Draft::default() };
        Ok(Row { number, draft: Ok(draft), progress: share(number + 1, total) })
    });
    Box::new(rows.skip(usize::try_from(first).unwrap_or(usize::MAX)))
}

/// Files below a folder by name, the names of one folder at a time. Folders that are links are left out: they may lead round in a
/// circle.
struct Files {
    /// What is still to be looked at, the next first.
    waiting: VecDeque<(PathBuf, bool)>,
}

impl Files {
    fn below(folder: &Path) -> Self {
        Self { waiting: VecDeque::from([(folder.to_owned(), true)]) }
    }

    fn open(&mut self, folder: &Path) -> Result<()> {
        let fault = |cause| Error::file(folder, cause);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            if entry.file_name().to_string_lossy().starts_with(['.', '_']) {
                continue;
            }
            let kind = entry.file_type().map_err(fault)?;
            let path = entry.path();
            // What an earlier scan wrote is no listing.
            if path.join(FILE).exists() {
                continue;
            }
            if kind.is_dir() || !path.is_dir() {
                found.push((path, kind.is_dir()));
            }
        }
        found.sort();
        found.into_iter().rev().for_each(|entry| self.waiting.push_front(entry));
        Ok(())
    }
}

impl Iterator for Files {
    type Item = Result<PathBuf>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((path, is_folder)) = self.waiting.pop_front() {
            if !is_folder {
                return Some(Ok(path));
            }
            if let Err(error) = self.open(&path) {
                return Some(Err(error));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_of_photos_is_a_listing_a_file_by_name() {
        let folder = made(&["b.jpg", "a/2.png", "a/1.png", ".hidden", "_SUCCESS"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("round")).unwrap();
        let found = sources(folder.path()).unwrap();
        assert_eq!((found.len(), found[0].kind, found[0].files), (1, Kind::Photos, 3));
        let ids = |first| -> Vec<String> {
            rows(folder.path(), first, 3).map(|row| row.unwrap().draft.unwrap().listing_id).collect()
        };
        assert_eq!(ids(0), ["a/1.png", "a/2.png", "b.jpg"]);
        assert_eq!(ids(2), ["b.jpg"]);
    }

    #[test]
    fn a_pattern_with_two_stars_goes_round_in_no_circle() {
        let folder = made(&["a/1.jsonl", "a/b/2.jsonl", "a/b/3.csv", "4.jsonl"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/round")).unwrap();
        let found = |pattern: &str| -> Vec<String> {
            let pattern = folder.path().join(pattern);
            let paths = matching(pattern.to_str().unwrap()).unwrap().into_iter();
            paths.map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(found("**/*.jsonl"), ["4.jsonl", "a/1.jsonl", "a/b/2.jsonl"]);
        assert_eq!(found("a/**/*.jsonl"), ["a/1.jsonl", "a/b/2.jsonl"]);
        assert_eq!(found("*/*.jsonl"), ["a/1.jsonl"]);
        assert!(found("none/**/*.jsonl").is_empty() && found("a/**/4.jsonl").is_empty());
    }

    #[test]
    fn a_folder_with_tables_is_its_tables_and_an_empty_one_is_told() {
        let folder = made(&["part-1.parquet", "part-0.parquet", "_SUCCESS", "readme.txt"]);
        let names: Vec<_> = sources(folder.path()).unwrap().into_iter().map(|source| source.path).collect();
        assert_eq!(names, [folder.path().join("part-0.parquet"), folder.path().join("part-1.parquet")]);
        assert!(sources(made(&[".x"]).path()).unwrap_err().to_string().contains("no file"));
    }
}
