//! A folder whose content was held against its manifest.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::ModelVersion;
use crate::error::{Error, Result};
use crate::model::folder::check::{Checks, Step};
use crate::model::folder::columns;
use crate::model::folder::files;
use crate::model::folder::manifest::{MANIFEST, Manifest};
use crate::model::folder::onnx::Graph;
use parking_lot::Mutex;

/// A verified model folder: what was hashed is what is loaded. Its files are in memory until [`Self::release`].
#[derive(Debug)]
pub struct ModelFolder {
    /// Where it lies.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Name, version, hash.
    pub identity: ModelVersion,
    /// What the ONNX file says of itself.
    pub graph: Graph,
    files: Mutex<HashMap<String, Arc<[u8]>>>,
    max_file_bytes: u64,
}

impl ModelFolder {
    /// Reads a folder and checks it as far as that goes without running the model.
    ///
    /// # Errors
    /// [`Error::Setup`] naming file and value; see the first three steps of [`Step`].
    pub fn read(path: &Path, checks: &Checks<'_>) -> Result<Self> {
        let text = files::manifest_text(path, checks.max_file_bytes)?;
        let manifest = Manifest::parse(path, &text)?;
        checks.passed(path, Step::Manifest, format!("{} {} {}", manifest.kind.name(), manifest.name, manifest.version));
        let files = files::listed(path, &manifest, checks.max_file_bytes)?;
        let bytes: usize = files.values().map(|bytes| bytes.len()).sum();
        checks.passed(path, Step::Files, format!("{} files, {bytes} bytes", files.len()));
        if let Some((name, bytes)) = manifest.label_file.as_ref().and_then(|name| files.get_key_value(name)) {
            let text = std::str::from_utf8(bytes).map_err(|cause| Error::file(&path.join(name), cause))?;
            columns::check_label_file(&manifest, text).map_err(|problem| Error::file(&path.join(name), problem))?;
        }
        let onnx = files.get(&manifest.file).map(|bytes| &**bytes).unwrap_or_default();
        let graph = Graph::read(onnx).map_err(|problem| Error::file(&path.join(&manifest.file), problem))?;
        checks.passed(path, Step::Graph, graph.to_string());
        let identity = manifest.identity(&text);
        let (path, files, max_file_bytes) = (path.to_owned(), Mutex::new(files), checks.max_file_bytes);
        Ok(Self { path, manifest, identity, graph, files, max_file_bytes })
    }

    /// The bytes of a file the manifest lists; read once more, and held against its hash, when they were released.
    ///
    /// # Errors
    /// [`Error::Setup`] when it lists no such file, or the file is not any more what it was.
    pub fn file(&self, name: &str) -> Result<Arc<[u8]>> {
        let missing = || Error::file(&self.path.join(name), format!("is not listed under [files] of {MANIFEST}"));
        let expected = self.manifest.files.get(name).ok_or_else(missing)?;
        let kept = self.files.lock().get(name).cloned();
        kept.map_or_else(|| files::verified(&self.path, name, expected, self.max_file_bytes).map(Arc::from), Ok)
    }

    /// Gives back the memory of files that a model needs only while it is loaded and checked. What a text model is read with
    /// stays: every policy that is put in service reads it, also when the folder has gone.
    pub fn release(&self) {
        let words = self.manifest.text.as_ref().map(|text| &text.words);
        let tokenizer = self.manifest.tokens.as_ref().map(|tokens| &tokens.tokenizer);
        self.files.lock().retain(|name, _| Some(name) == words.or(tokenizer));
    }

    /// The bytes of the ONNX file.
    ///
    /// # Errors
    /// See [`Self::file`].
    pub fn onnx(&self) -> Result<Arc<[u8]>> {
        self.file(&self.manifest.file)
    }
}
