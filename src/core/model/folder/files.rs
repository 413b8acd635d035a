//! Files of a model folder, read with distrust: each is a plain file inside the folder, within the limit, with its hash.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::folder::manifest::{MANIFEST, Manifest, hex_sha256};

/// The text of the folder's manifest.
///
/// # Errors
/// [`Error::Setup`] naming the file: missing, too large, not UTF-8.
pub(in crate::model) fn manifest_text(folder: &Path, max_bytes: u64) -> Result<String> {
    if !folder.is_dir() {
        return Err(Error::file(folder, "there is no such model folder"));
    }
    let path = folder.join(MANIFEST);
    if std::fs::symlink_metadata(&path).is_err() {
        return Err(Error::file(folder, format!("holds no {MANIFEST}; `wildwarden model new` writes one")));
    }
    text(folder, MANIFEST, max_bytes)
}

/// The text of a file of `folder`.
///
/// # Errors
/// [`Error::Setup`] naming the file: missing, elsewhere, too large, not UTF-8.
pub(in crate::model) fn text(folder: &Path, name: &str, max_bytes: u64) -> Result<String> {
    String::from_utf8(read(folder, name, max_bytes)?).map_err(|cause| {
        let at = cause.utf8_error().valid_up_to();
        Error::file(&folder.join(name), format!("is not UTF-8 text: byte {at} begins no character"))
    })
}

/// Every file that the manifest lists, with the hash it lists.
///
/// # Errors
/// [`Error::Setup`] naming the file and what is wrong with it.
pub(in crate::model) fn listed(
    folder: &Path,
    manifest: &Manifest,
    max_bytes: u64,
) -> Result<HashMap<String, Arc<[u8]>>> {
    let mut files = HashMap::new();
    for (name, expected) in &manifest.files {
        files.insert(name.clone(), verified(folder, name, expected, max_bytes)?.into());
    }
    Ok(files)
}

/// The bytes of a file of `folder` whose hash is `expected`.
pub(in crate::model) fn verified(folder: &Path, name: &str, expected: &str, max_bytes: u64) -> Result<Vec<u8>> {
    let bytes = read(folder, name, max_bytes)?;
    let found = hex_sha256(&bytes);
    if found == expected {
        return Ok(bytes);
    }
    Err(Error::file(&folder.join(name), format!("sha256 is {found}, {MANIFEST} says {expected}")))
}

/// The text of a file anywhere, as [`plain`] reads it.
///
/// # Errors
/// [`Error::Setup`] naming the file.
pub fn plain_text(path: &Path, max_bytes: u64) -> Result<String> {
    String::from_utf8(plain(path, max_bytes)?).map_err(|_not_text| Error::file(path, "is not UTF-8 text"))
}

/// The bytes of a file anywhere, followed through links: a regular file of at most `max_bytes`. Opening a pipe or a device could wait
/// or read for ever.
///
/// # Errors
/// [`Error::Setup`] naming the file.
pub fn plain(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    let fault = |cause: std::io::Error| Error::file(path, cause);
    if !std::fs::metadata(path).map_err(fault)?.is_file() {
        return Err(Error::file(path, "is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(max_bytes + 1).read_to_end(&mut bytes)).map_err(fault)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max_bytes {
        return Err(Error::file(path, format!("has more than {max_bytes} bytes")));
    }
    Ok(bytes)
}

/// Files of the folder that the manifest does not list. They are never read.
pub fn unlisted(folder: &Path, manifest: &Manifest) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != MANIFEST && !name.starts_with('.') && !manifest.files.contains_key(name));
    names.sort();
    names
}

/// The bytes of a file of `folder`.
pub(super) fn read(folder: &Path, name: &str, max_bytes: u64) -> Result<Vec<u8>> {
    let path = folder.join(name);
    let fault = |cause: std::io::Error| {
        let missing = cause.kind() == std::io::ErrorKind::NotFound;
        let problem = format!("cannot be read: {cause}");
        Error::file(&path, if missing { "is missing: the folder is not complete" } else { problem.as_str() })
    };
    let root = folder.canonicalize().map_err(|cause| Error::file(folder, cause))?;
    let real = path.canonicalize().map_err(fault)?;
    if real.parent() != Some(&root) {
        return Err(Error::file(&path, format!("is a link out of the model's folder, to {}", real.display())));
    }
    let metadata = real.metadata().map_err(fault)?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a folder" } else { "a device or a pipe" };
        return Err(Error::file(&path, format!("is {found}; a file was expected")));
    }
    let too_large = |found: u64| {
        Error::file(&path, format!("has {found} bytes; at most {max_bytes} are read (models.max_file_bytes)"))
    };
    if metadata.len() > max_bytes {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // It may grow while it is read, when somebody copies it just now.
    File::open(&real).and_then(|file| file.take(max_bytes + 1).read_to_end(&mut bytes)).map_err(fault)?;
    let found = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if found > max_bytes { Err(too_large(found)) } else { Ok(bytes) }
}
