//! What is known of a model that others made: from a usual recipe, its files, its graph. What stands later is said more exactly.

pub mod draft;
mod found;
mod huggingface;
mod labels;
mod paddle;
mod recipe;

use std::path::Path;

use anyhow::Context;
pub use found::{Found, ImageFound};
pub use labels::{by_category, lines};
pub use recipe::Recipe;

/// Largest file that is read beside a model: a tokenizer of a quarter of a million words has 17 MB.
const MOST_BYTES: u64 = 64 << 20;

/// How a file is read.
type Reader = fn(&str) -> anyhow::Result<Found>;

/// What `recipe`, the files of `folder` and the `metadata` of the graph know.
///
/// # Errors
/// Naming the file that is not what its name says.
pub fn find(recipe: Option<Recipe>, folder: &Path, metadata: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Found> {
    let mut found = Found::default();
    if let Some(recipe) = recipe {
        found.add(recipe.found(), format!("--like {}", recipe.name()));
    }
    if let Some(names) = metadata("names") {
        found.add(Found { labels: labels::python_dict(&names), ..Found::default() }, "metadata of the graph".into());
    }
    let readers: [(&str, Reader); 5] = [
        ("label_list.txt", |text| Ok(Found { labels: lines(text), ..Found::default() })),
        ("inference.yml", paddle::inference),
        ("config.json", huggingface::config),
        ("preprocessor_config.json", huggingface::preprocessor),
        ("tokenizer.json", |text| Ok(Found { tokenizer: Some(text.as_bytes().to_vec()), ..Found::default() })),
    ];
    for (name, read) in readers {
        let path = folder.join(name);
        let shown = || path.display().to_string();
        let Ok(about) = path.metadata() else { continue };
        anyhow::ensure!(
            about.len() <= MOST_BYTES,
            "{}: has {} bytes, at most {MOST_BYTES} are read",
            shown(),
            about.len()
        );
        let text = std::fs::read_to_string(&path).with_context(shown)?;
        found.add(read(&text).with_context(shown)?, shown());
    }
    Ok(found)
}
