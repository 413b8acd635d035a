//! Listings to send, read into memory before the load starts.

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;

use wildwarden_core::error::Error;
use wildwarden_core::error::Result;
use wildwarden_core::random::SplitMix64;

use crate::bench::photo::Photo;
use crate::evaluate::case::Case;
use crate::evaluate::case::LabelNames;
use crate::evaluate::input;

/// Where listings come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Every file in a folder that is named like a photo, or one file of any name; each is the first photo of a listing.
    Photos {
        /// Folder or file.
        path: PathBuf,
        /// Of every listing; may be empty.
        title: String,
        /// Photos a listing: the following ones, from the start again after the last.
        images_per_listing: usize,
    },
    /// What `wildwarden evaluate` reads; the labels are left alone.
    Labelled {
        /// Folder, JSONL or CSV file.
        path: PathBuf,
        /// What image paths in a file are relative to.
        images_root: Option<PathBuf>,
    },
}

/// A listing, ready to be sent any number of times.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Unique in the input.
    pub id: String,
    /// May be empty.
    pub title: String,
    /// May be empty.
    pub description: String,
    /// May be empty.
    pub photos: Vec<Photo>,
}

/// Reads listings, at most `limit`, in random order, the same for the same `seed`.
///
/// # Errors
/// [`Error::Setup`] naming file and fault.
pub fn read(source: &Source, limit: Option<usize>, seed: u64) -> Result<Vec<Listing>> {
    let (mut cases, path) = match source {
        Source::Photos { path, title, images_per_listing } => {
            (cases_of_photos(path, title, *images_per_listing)?, path)
        }
        Source::Labelled { path, images_root } => {
            (input::read(path, images_root.as_deref(), &LabelNames::Ignored)?.cases, path)
        }
    };
    if cases.is_empty() {
        return Err(Error::file(path, format!("holds no photo to send ({})", EXTENSIONS.join(", "))));
    }
    SplitMix64(seed).shuffle(&mut cases);
    cases.truncate(limit.unwrap_or(usize::MAX));
    let mut photos = HashMap::new();
    cases.into_iter().map(|case| listing(case, &mut photos)).collect()
}

/// Ends of names of the formats that the contract promises.
const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

fn is_named_like_a_photo(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|name| extension.eq_ignore_ascii_case(name))
}

fn cases_of_photos(path: &Path, title: &str, images_per_listing: usize) -> Result<Vec<Case>> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        files = input::files(path)?;
        files.retain(|file| is_named_like_a_photo(file));
    }
    let case = |(first, file): (usize, &PathBuf)| Case {
        id: file.strip_prefix(path).ok().filter(|name| *name != Path::new("")).unwrap_or(file).display().to_string(),
        title: title.to_owned(),
        images: files.iter().cycle().skip(first).take(images_per_listing).cloned().collect(),
        ..Case::default()
    };
    Ok(files.iter().enumerate().map(case).collect())
}

/// Photos that several listings show are in memory once.
fn listing(case: Case, photos: &mut HashMap<PathBuf, Photo>) -> Result<Listing> {
    let mut photo = |path: &PathBuf| {
        if let Some(photo) = photos.get(path) {
            return Ok(photo.clone());
        }
        let photo = Photo::new(std::fs::read(path).map_err(|cause| Error::file(path, cause))?);
        photos.insert(path.clone(), photo.clone());
        Ok(photo)
    };
    let photos = case.images.iter().map(&mut photo).collect::<Result<_>>()?;
    Ok(Listing { id: case.id, title: case.title, description: case.description, photos })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photos(path: &Path, images_per_listing: usize) -> Result<Vec<Listing>> {
        let source = Source::Photos { path: path.to_owned(), title: "手串".into(), images_per_listing };
        read(&source, None, 1)
    }

    #[test]
    fn each_file_is_the_first_photo_of_one_listing() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.jpg", "b.PNG", "c.webp", "labels.csv"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let mut listings = photos(folder.path(), 2).unwrap();
        listings.sort_by(|a, b| a.id.cmp(&b.id));
        let shown = |listing: &Listing| -> Vec<_> { listing.photos.iter().map(Photo::as_it_is).collect() };
        assert_eq!(shown(&listings[2]), ["c.webp", "a.jpg"], "from the start again after the last");
        assert_eq!((listings.len(), listings[0].title.as_str()), (3, "手串"));
        let one = photos(&folder.path().join("labels.csv"), 3).unwrap();
        assert_eq!((one.len(), shown(&one[0]).len()), (1, 3));
    }

    #[test]
    fn a_folder_without_photos_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("labels.csv"), "x").unwrap();
        let problem = photos(folder.path(), 1).unwrap_err().to_string();
        assert!(problem.contains(&folder.path().display().to_string()), "{problem}");
    }
}
