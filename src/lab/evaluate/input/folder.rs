//! A folder with a folder a label.

use std::path::Path;
use std::path::PathBuf;

use wildwarden_core::error::Error;
use wildwarden_core::error::Result;

use super::Input;
use crate::evaluate::case::Case;
use crate::evaluate::case::LabelNames;

pub(super) fn read(root: &Path, names: &LabelNames) -> Result<Input> {
    let mut input = Input::default();
    for folder in entries(root)?.iter().filter(|path| path.is_dir()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let labels = names.read([&*name]).map_err(|problem| Error::file(folder, problem))?;
        let mut files = Vec::new();
        files_below(folder, &mut files)?;
        input.cases.extend(files.into_iter().map(|file| Case {
            id: file.strip_prefix(root).unwrap_or(&file).display().to_string(),
            images: vec![file],
            labels: labels.clone(),
            ..Case::default()
        }));
    }
    Ok(input)
}

pub(super) fn files_below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for path in entries(folder)? {
        if path.is_dir() {
            files_below(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// What is in `folder`, by name, without hidden entries.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let fault = |cause| Error::file(folder, cause);
    let paths = std::fs::read_dir(folder).map_err(fault)?.map(|entry| Ok(entry.map_err(fault)?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>()?;
    paths.retain(|path| !path.file_name().unwrap_or_default().to_string_lossy().starts_with('.'));
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wildwarden_core::domain::Category;

    fn names() -> LabelNames {
        LabelNames::Known { categories: vec![(Category::new("tusk").unwrap(), Vec::new())], negative: Vec::new() }
    }

    #[test]
    fn every_file_below_a_label_is_a_listing_and_an_unknown_label_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["tusk/b.jpg", "tusk/more/a.png", "tusk/.hidden", "benign/c.jpg"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let input = read(folder.path(), &names()).unwrap();
        let ids: Vec<&str> = input.cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids, ["benign/c.jpg", "tusk/b.jpg", "tusk/more/a.png"]);
        assert!(input.cases[0].labels.is_empty() && input.cases[1].labels.len() == 1);
        std::fs::create_dir(folder.path().join("vases")).unwrap();
        let problem = read(folder.path(), &names()).unwrap_err().to_string();
        assert!(problem.contains("vases") && problem.contains("--negative vases"), "{problem}");
    }
}
