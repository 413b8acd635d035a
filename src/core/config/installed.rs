//! Where an installed program finds what a checkout has in its folder: beside itself, as Python's packages put it.

use std::path::{Path, PathBuf};

/// What is there of an installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Installed {
    /// Models and policy that came with the program.
    pub models: Option<PathBuf>,
    /// ONNX Runtime of the package that the program's package asks for.
    pub library: Option<PathBuf>,
}

impl Installed {
    /// What belongs to `program`, such as `/opt/env/bin/wildwarden`.
    pub(super) fn beside(program: &Path) -> Self {
        let Some(prefix) = program.parent().and_then(Path::parent) else { return Self::default() };
        let models = prefix.join("share/wildwarden/models");
        let libraries = below(&prefix.join("lib"), "python").into_iter();
        let packages = libraries.flat_map(|python| ["site-packages", "dist-packages"].map(|name| python.join(name)));
        let name = if cfg!(target_os = "macos") { "libonnxruntime." } else { "libonnxruntime.so" };
        let library = packages.flat_map(|packages| below(&packages.join("onnxruntime/capi"), name)).next();
        Self { models: Some(models).filter(|models| models.is_dir()), library }
    }
}

/// What is in `folder` and has a name that begins so, by name.
fn below(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
    let mut found: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_and_library_are_found_where_packages_put_them() {
        let prefix = tempfile::tempdir().unwrap();
        let program = prefix.path().join("bin/wildwarden");
        assert_eq!(Installed::beside(&program), Installed::default());
        let library = prefix.path().join("lib/python3.11/site-packages/onnxruntime/capi");
        let name = if cfg!(target_os = "macos") { "libonnxruntime.1.dylib" } else { "libonnxruntime.so.1" };
        for folder in [&library, &prefix.path().join("share/wildwarden/models")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(library.join(name), "x").unwrap();
        let found = Installed::beside(&program);
        assert_eq!(found.library, Some(library.join(name)));
        assert_eq!(found.models, Some(prefix.path().join("share/wildwarden/models")));
    }
}
