//! What is known of a model that others made: from a usual recipe, its files, its graph. What stands later is said more exactly.

pub mod draft;
mod found;
mod graph;
mod huggingface;
mod labels;
mod paddle;
mod recipe;

use std::path::Path;

use anyhow::Context;
pub use found::{Found, ImageFound};
pub use labels::{by_category, lines};
pub use recipe::Recipe;
use wildwarden_core::model::folder::manifest::Holds;

/// Largest file that is read beside a model: a tokenizer of a quarter of a million words has 17 MB.
const MOST_BYTES: u64 = 64 << 20;

/// How a file is read.
type Reader = fn(&str) -> anyhow::Result<Found>;

/// What is asked of a graph.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The ONNX file.
    pub onnx: &'a [u8],
    /// Its input, if that is an image.
    pub image: Option<&'a str>,
    /// Its output with scores.
    pub scores: Option<&'a str>,
}

/// What `recipe`, the files of `folder`, the `metadata` of the graph and its operators know.
///
/// # Errors
/// Naming the file that is not what its name says.
pub fn find(
    recipe: Option<Recipe>,
    folder: &Path,
    asked: Asked<'_>,
    metadata: &dyn Fn(&str) -> Option<String>,
) -> anyhow::Result<Found> {
    let mut found = Found::default();
    if let Some(recipe) = recipe {
        found.add(recipe.found(), format!("--like {}", recipe.name()));
    }
    if let Some(names) = metadata("names") {
        found.add(Found { labels: labels::python_dict(&names), ..Found::default() }, "metadata of the graph".into());
    }
    let readers: [(&str, Reader); 6] = [
        ("label_list.txt", |text| Ok(Found { labels: lines(text), ..Found::default() })),
        ("inference.yml", paddle::inference),
        ("config.json", huggingface::config),
        ("preprocessor_config.json", huggingface::preprocessor),
        ("tokenizer_config.json", huggingface::tokenizer_config),
        ("tokenizer.json", |text| Ok(Found { tokenizer: Some(text.as_bytes().to_vec()), ..Found::default() })),
    ];
    for (name, read) in readers {
        let path = folder.join(name);
        let shown = || path.display().to_string();
        let Ok(about) = path.metadata() else { continue };
        anyhow::ensure!(about.is_file(), "{}: is no regular file", shown());
        anyhow::ensure!(
            about.len() <= MOST_BYTES,
            "{}: has {} bytes, at most {MOST_BYTES} are read",
            shown(),
            about.len()
        );
        let text = std::fs::read_to_string(&path).with_context(shown)?;
        found.add(read(&text).with_context(shown)?, shown());
    }
    // As a label file will have them: a name is one line.
    for label in &mut found.labels {
        *label = one_line(label);
    }
    let graph = graph::read(asked.onnx, asked.image, asked.scores);
    if graph.holds.is_none() && matches!(found.holds, Some(Holds::Softmax | Holds::Sigmoid)) {
        // It ends in neither, whatever its like do.
        found.holds = found.holds.map(|holds| if holds == Holds::Softmax { Holds::ClassLogits } else { Holds::Logits });
    }
    if graph.holds.is_some() || graph.image.normalisation.is_some() {
        found.add(graph, "operators of the graph".into());
    }
    Ok(found)
}

/// A name as a label file can hold it.
pub fn one_line(name: &str) -> String {
    name.replace('\u{FEFF}', "").split_whitespace().collect::<Vec<_>>().join(" ")
}
