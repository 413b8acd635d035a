//! The model repository on disk: `<name>/<version>/` folders, looked at again and again. A version is taken only when it is
//! complete, that is when its manifest parses and every file it lists is there with its hash. So a folder that is still
//! being copied is never seen. Keeps no file's bytes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::domain::{Category, ModelVersion};
use crate::error::{Error, Result};
use crate::model::folder::ModelFolder;
use crate::model::folder::files;
use crate::model::folder::manifest::Manifest;

/// Looks that must find an incomplete folder unchanged before it is reported: until then it may still be copied.
const PATIENCE: u32 = 2;

/// A complete version.
#[derive(Debug, Clone)]
pub struct Version {
    /// Its folder.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Name, version, hash.
    pub identity: ModelVersion,
}

impl Version {
    /// What stands for a folder that was read.
    pub fn of(folder: &ModelFolder) -> Self {
        let ModelFolder { path, manifest, identity, .. } = folder;
        Self { path: path.clone(), manifest: manifest.clone(), identity: identity.clone() }
    }

    /// Name and version, as sentences have it.
    pub(super) fn label(&self) -> String {
        format!("{} {}", self.name(), self.identity.version)
    }

    /// `name` of its manifest.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// By number where versions are numbers, else by name; every number comes after every name.
    pub fn order(&self) -> (Option<u64>, &str) {
        order(&self.identity.version)
    }

    /// The categories that its labels feed.
    pub fn feeds(&self) -> impl Iterator<Item = Category> {
        self.manifest.feeds()
    }
}

/// How versions of one model are ordered.
pub fn order(version: &str) -> (Option<u64>, &str) {
    (version.parse().ok(), version)
}

/// A folder that is not a complete version, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    /// Name of the model, from the folder.
    pub name: String,
    /// Version, from the folder.
    pub version: String,
    /// One sentence with file and value.
    pub reason: String,
}

/// What is known of the folders under one directory.
#[derive(Debug)]
pub struct Repository {
    directory: PathBuf,
    max_file_bytes: u64,
    left_out: Option<PathBuf>,
    folders: BTreeMap<(String, String), Folder>,
}

/// Name, size and time of everything in a folder: equal stamps mean that nothing was written in between.
type Stamp = Vec<(OsString, u64, Option<SystemTime>)>;

#[derive(Debug)]
struct Folder {
    stamp: Stamp,
    /// What it held when it was last complete: while files of a version are replaced in place, what was there still counts.
    complete: Option<Arc<Version>>,
    problem: Option<Problem>,
}

#[derive(Debug)]
struct Problem {
    reason: String,
    looks_unchanged: u32,
}

impl Repository {
    /// A repository that has not been looked at.
    pub fn new(directory: &Path, max_file_bytes: u64) -> Self {
        Self { directory: directory.to_owned(), max_file_bytes, left_out: None, folders: BTreeMap::new() }
    }

    /// The same, as if there were no `folder`.
    #[must_use]
    pub fn without(self, folder: &Path) -> Self {
        Self { left_out: folder.canonicalize().ok(), ..self }
    }

    /// Looks at every version's folder again and reads those that changed. Returns them: name and version.
    ///
    /// # Errors
    /// [`Error::Setup`] when the directory cannot be listed; what was known stays.
    pub fn scan(&mut self) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        for (name, path) in folders(&self.directory)? {
            // A model that is removed while it is listed is gone, and no fault.
            for (version, path) in folders(&path).unwrap_or_default() {
                if self.left_out.is_none() || path.canonicalize().ok() != self.left_out {
                    found.push(((name.clone(), version), path));
                }
            }
        }
        let gone = self.folders.keys().filter(|key| !found.iter().any(|(there, _)| there == *key));
        let mut changed: Vec<(String, String)> = gone.cloned().collect();
        self.folders.retain(|key, _| !changed.contains(key));
        for (key, path) in found {
            if self.look_at(&key, &path) {
                changed.push(key);
            }
        }
        Ok(changed)
    }

    /// `true`: it changed since the last look.
    fn look_at(&mut self, key: &(String, String), path: &Path) -> bool {
        let stamp = stamp(path);
        let known = self.folders.get(key);
        let unchanged = known.is_some_and(|folder| folder.stamp == stamp);
        let looks = known.and_then(|folder| folder.problem.as_ref()).map_or(0, |problem| problem.looks_unchanged);
        if unchanged && known.is_some_and(|folder| folder.problem.is_none() || looks >= PATIENCE) {
            return false;
        }
        let read = read(path, self.max_file_bytes);
        let folder = self.folders.entry(key.clone()).or_insert_with(|| Folder {
            stamp: Vec::new(),
            complete: None,
            problem: None,
        });
        folder.stamp = stamp;
        match read {
            Ok(version) => {
                (folder.complete, folder.problem) = (Some(Arc::new(version)), None);
                true
            }
            Err(error) => {
                let looks_unchanged = if unchanged { looks + 1 } else { 0 };
                folder.problem = Some(Problem { reason: error.to_string(), looks_unchanged });
                !unchanged
            }
        }
    }

    /// Every complete version.
    pub fn versions(&self) -> Vec<Arc<Version>> {
        self.folders.values().filter_map(|folder| folder.complete.clone()).collect()
    }

    /// Folders that stayed incomplete for two looks.
    pub fn incomplete_for_long(&self) -> Vec<Incomplete> {
        self.faulty(PATIENCE)
    }

    /// Folders that are not complete now.
    pub fn incomplete(&self) -> Vec<Incomplete> {
        self.faulty(0)
    }

    fn faulty(&self, looks: u32) -> Vec<Incomplete> {
        let faulty = self.folders.iter().filter_map(|((name, version), folder)| {
            let problem = folder.problem.as_ref().filter(|problem| problem.looks_unchanged >= looks)?;
            Some(Incomplete { name: name.clone(), version: version.clone(), reason: problem.reason.clone() })
        });
        faulty.collect()
    }
}

/// Reads as much as tells whether a folder is complete: its bytes are read again when it is loaded, and its graph then.
fn read(path: &Path, max_file_bytes: u64) -> Result<Version> {
    let text = files::manifest_text(path, max_file_bytes)?;
    let manifest = Manifest::parse(path, &text)?;
    manifest.check_place(path)?;
    files::listed(path, &manifest, max_file_bytes)?;
    let identity = manifest.identity(&text);
    Ok(Version { path: path.to_owned(), manifest, identity })
}

fn stamp(folder: &Path) -> Stamp {
    let Ok(entries) = std::fs::read_dir(folder) else { return Stamp::new() };
    let of_entry = |entry: std::fs::DirEntry| {
        // Through links: it is the file's own time that tells of a change.
        let metadata = std::fs::metadata(entry.path()).ok();
        let size = metadata.as_ref().map_or(0, std::fs::Metadata::len);
        (entry.file_name(), size, metadata.and_then(|metadata| metadata.modified().ok()))
    };
    let mut stamp: Stamp = entries.flatten().map(of_entry).collect();
    stamp.sort();
    stamp
}

/// Name and path of the folders in `directory`, sorted. Hidden ones are left out: a copy can be prepared there and renamed.
fn folders(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|cause| Error::file(directory, cause))? {
        let path = entry.map_err(|cause| Error::file(directory, cause))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') {
            folders.push((name, path));
        }
    }
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/live_animal/1");

    fn copy(file: &str, to: &Path) {
        std::fs::copy(Path::new(SHIPPED).join(file), to.join(file)).unwrap();
    }

    #[test]
    fn a_folder_is_seen_only_once_every_file_is_there_and_whole() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("live_animal/1");
        std::fs::create_dir_all(&folder).unwrap();
        let mut repository = Repository::new(directory.path(), 1 << 30);
        for file in ["model.toml", "golden.json"] {
            copy(file, &folder);
            assert_eq!(repository.scan().unwrap().len(), 1);
            assert!(repository.versions().is_empty() && repository.incomplete_for_long().is_empty());
        }
        let onnx = std::fs::read(Path::new(SHIPPED).join("model.onnx")).unwrap();
        std::fs::write(folder.join("model.onnx"), &onnx[..onnx.len() / 2]).unwrap();
        repository.scan().unwrap();
        assert!(repository.versions().is_empty() && repository.incomplete()[0].reason.contains("sha256"));
        std::fs::write(folder.join("model.onnx"), onnx).unwrap();
        assert_eq!(repository.scan().unwrap().len(), 1);
        assert_eq!(repository.versions()[0].identity.name, "live_animal");
        assert!(repository.scan().unwrap().is_empty(), "nothing was written since");
    }

    #[test]
    fn what_stays_incomplete_is_reported_after_two_more_looks() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("live_animal/1");
        std::fs::create_dir_all(&folder).unwrap();
        copy("model.toml", &folder);
        let mut repository = Repository::new(directory.path(), 1 << 30);
        let reported: Vec<usize> = (0..4)
            .map(|_| {
                repository.scan().unwrap();
                repository.incomplete_for_long().len()
            })
            .collect();
        assert_eq!(reported, [0, 0, 1, 1]);
        assert!(repository.incomplete_for_long()[0].reason.contains("golden.json"));
    }

    #[test]
    fn a_version_overwritten_in_place_counts_as_it_was_until_it_is_whole_again_and_a_removed_one_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("live_animal/1");
        std::fs::create_dir_all(&folder).unwrap();
        ["model.toml", "golden.json", "model.onnx"].iter().for_each(|file| copy(file, &folder));
        let mut repository = Repository::new(directory.path(), 1 << 30);
        repository.scan().unwrap();
        let before = repository.versions()[0].identity.clone();
        std::fs::write(folder.join("model.onnx"), b"half").unwrap();
        repository.scan().unwrap();
        assert_eq!(repository.versions()[0].identity, before);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(repository.scan().unwrap().len() == 1 && repository.versions().is_empty());
    }

    #[test]
    fn a_manifest_must_say_what_its_folder_says() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("live_animal/2");
        std::fs::create_dir_all(&folder).unwrap();
        ["model.toml", "golden.json", "model.onnx"].iter().for_each(|file| copy(file, &folder));
        let mut repository = Repository::new(directory.path(), 1 << 30);
        repository.scan().unwrap();
        let reason = repository.incomplete()[0].reason.clone();
        assert!(reason.contains("version") && reason.contains('1') && reason.contains("live_animal/2"), "{reason}");
    }

    #[test]
    fn numbers_are_ordered_as_numbers() {
        assert!(order("10") > order("9") && order("1") > order("beta") && order("b") > order("a"));
    }
}
