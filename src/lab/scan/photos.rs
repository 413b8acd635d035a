//! Photos in files, never outside the folder that was named.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use wildwarden_core::error::{Error, Result};

use crate::scan::input::draft::Photo;

/// The folder that paths of photos are below.
#[derive(Debug, Clone)]
pub struct Root {
    /// Without links and `..`; `None`: no folder was named, so paths are refused.
    folder: Option<PathBuf>,
    /// Bytes of a photo; a larger file is not read to its end.
    most_bytes: usize,
}

impl Root {
    /// # Errors
    /// [`Error::Setup`] when the folder is not there.
    pub fn new(folder: Option<&Path>, most_bytes: usize) -> Result<Self> {
        let real = |folder: &Path| folder.canonicalize().map_err(|cause| Error::file(folder, cause));
        Ok(Self { folder: folder.map(real).transpose()?, most_bytes })
    }

    /// Its name in requests, and its content. Of a file that is too large one byte more than is allowed is read: it is refused by the
    /// limit that holds for all.
    ///
    /// # Errors
    /// Names the path and what is wrong with it.
    pub fn read(&self, photo: &Photo) -> std::result::Result<Bytes, String> {
        match photo {
            Photo::Content(content) => Ok(content.clone()),
            Photo::File(path) => self.content(path).map_err(|cause| format!("{}: {cause}", path.display())),
            Photo::Path(path) => {
                let found = self.below(path)?;
                self.content(&found).map_err(|cause| format!("images: {path:?}: {cause}"))
            }
        }
    }

    fn below(&self, path: &str) -> std::result::Result<PathBuf, String> {
        let Some(root) = &self.folder else {
            return Err(format!("images: {path:?} is a path; say with --images-root below which folder"));
        };
        let leaves = || format!("images: {path:?} leaves the folder of photos");
        if path.contains("://") {
            return Err(format!("images: {path:?} is an address; nothing is fetched, photos must be there"));
        }
        // What is not there cannot be followed, so `..` is refused by its name first.
        if Path::new(path).components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(leaves());
        }
        let found = root.join(path).canonicalize().map_err(|cause| format!("images: {path:?}: {cause}"))?;
        if found.starts_with(root) { Ok(found) } else { Err(leaves()) }
    }

    fn content(&self, path: &Path) -> std::io::Result<Bytes> {
        // A pipe or a device might never end.
        if !std::fs::metadata(path)?.is_file() {
            return Err(std::io::Error::other("is no file"));
        }
        let mut content = Vec::new();
        File::open(path)?.take(self.most_bytes as u64 + 1).read_to_end(&mut content)?;
        Ok(content.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_below_the_root_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("photos");
        std::fs::create_dir_all(root.join("a")).unwrap();
        std::fs::write(root.join("a/1.jpg"), "photo").unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), root.join("link")).unwrap();
        std::os::unix::fs::symlink(root.join("a/1.jpg"), root.join("inside")).unwrap();
        let photos = Root::new(Some(&root), 100).unwrap();
        let read = |path: &str| photos.read(&Photo::Path(path.to_owned()));
        assert_eq!(read("a/1.jpg").unwrap(), "photo");
        assert_eq!(read("./inside").unwrap(), "photo");
        let absolute = root.join("a/1.jpg").display().to_string();
        for (path, named) in [
            ("../secret", "leaves"),
            ("a/../../secret", "leaves"),
            ("link", "leaves"),
            (absolute.as_str(), "leaves"),
            ("none.jpg", "none.jpg"),
            ("a", "no file"),
            ("https://example.org/a.jpg", "fetched"),
        ] {
            let problem = read(path).unwrap_err();
            assert!(problem.contains(named), "{path}: {problem}");
        }
        let nowhere = Root::new(None, 100).unwrap();
        assert!(nowhere.read(&Photo::Path("a/1.jpg".into())).unwrap_err().contains("--images-root"));
    }

    #[test]
    fn of_a_file_that_is_too_large_only_so_much_is_read_that_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::write(&path, [0; 1000]).unwrap();
        let photos = Root::new(None, 10).unwrap();
        assert_eq!(photos.read(&Photo::File(path)).unwrap().len(), 11);
    }
}
