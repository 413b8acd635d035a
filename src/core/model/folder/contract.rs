//! What a model of each kind takes and gives, held against what its manifest declares. The engine relies on it.

use crate::model::folder::manifest::{Kind, Manifest};
use crate::model::folder::tensor::{Dtype, TensorSpec};

/// Holds the manifest's inputs and outputs against its kind.
///
/// # Errors
/// A sentence with the tensor and what is expected.
pub(super) fn check(manifest: &Manifest) -> Result<(), String> {
    let labels = i64::try_from(manifest.labels.len()).unwrap_or(i64::MAX);
    let outputs = &manifest.outputs;
    match manifest.kind {
        Kind::ImageEncoder => {
            check_image(manifest)?;
            let dimensions = free(manifest.embedding_size());
            one("outputs", outputs, "embedding", Dtype::Float32, &[Some(-1), dimensions])?;
            if outputs.iter().any(|output| output.name == "feature_map") {
                let cells = [Some(-1), dimensions, None, None];
                one("outputs", outputs, "feature_map", Dtype::Float32, &cells)?;
            }
        }
        Kind::Head => {
            only_input(manifest, &[Some(-1), None])?;
            one("outputs", outputs, "logits", Dtype::Float32, &[Some(-1), Some(labels)])?;
        }
        Kind::ImageClassifier => {
            check_image(manifest)?;
            one("outputs", outputs, "logits", Dtype::Float32, &[Some(-1), Some(labels)])?;
        }
        Kind::TextClassifier => {
            one("inputs", &manifest.inputs, "ids", Dtype::Int64, &[Some(-1), Some(-1)])?;
            one("inputs", &manifest.inputs, "values", Dtype::Float32, &[Some(-1), Some(-1)])?;
            one("outputs", outputs, "logits", Dtype::Float32, &[Some(-1), Some(labels)])?;
            one("outputs", outputs, "contributions", Dtype::Float32, &[Some(-1), Some(-1), Some(labels)])?;
        }
    }
    Ok(())
}

/// What is looked at before all else, since it would make every other complaint mislead: an output that bears another name, and
/// images with their channels last.
///
/// # Errors
/// A sentence with the tensor and what is expected.
pub(super) fn check_names(manifest: &Manifest) -> Result<(), String> {
    let outputs: &[&str] = match manifest.kind {
        Kind::ImageEncoder => &["embedding"],
        Kind::Head | Kind::ImageClassifier => &["logits"],
        Kind::TextClassifier => &["logits", "contributions"],
    };
    for name in outputs {
        named("outputs", &manifest.outputs, name)?;
    }
    let takes_image = matches!(manifest.kind, Kind::ImageEncoder | Kind::ImageClassifier);
    let last = |spec: &&TensorSpec| matches!(spec.shape.as_slice(), [_, channels, _, 3] if *channels != 3);
    match manifest.inputs.iter().filter(|_| takes_image).find(last) {
        Some(input) => Err(format!(
            "inputs: {input} has its channels last (NHWC); images are fed as [N, 3, height, width]: put a Transpose before the \
             first node, or export it so"
        )),
        None => Ok(()),
    }
}

fn check_image(manifest: &Manifest) -> Result<(), String> {
    let Some(image) = &manifest.image else { return Ok(()) };
    let side = |pixels| i64::from(pixels);
    only_input(manifest, &[Some(-1), Some(3), Some(side(image.height)), Some(side(image.width))])
}

/// A dimension that is the model's own: any size, but a fixed one.
fn free(size: Option<i64>) -> Option<i64> {
    size.filter(|size| *size > 0)
}

fn only_input(manifest: &Manifest, shape: &[Option<i64>]) -> Result<(), String> {
    match manifest.inputs.as_slice() {
        [input] => fits("inputs", input, Dtype::Float32, shape),
        inputs => Err(format!("inputs: there are {}; a {} has one", inputs.len(), manifest.kind.name())),
    }
}

fn one(what: &str, specs: &[TensorSpec], name: &str, dtype: Dtype, shape: &[Option<i64>]) -> Result<(), String> {
    fits(what, named(what, specs, name)?, dtype, shape)
}

fn named<'a>(what: &str, specs: &'a [TensorSpec], name: &str) -> Result<&'a TensorSpec, String> {
    let names = || specs.iter().map(|spec| format!("{:?}", spec.name)).collect::<Vec<_>>().join(", ");
    let found = specs.iter().find(|spec| spec.name == name);
    found.ok_or_else(|| format!("{what}: there is no {name:?}, only {}; give it that name in the graph", names()))
}

/// `None` in `shape` is a size of the model's own, -1 one that the caller chooses.
fn fits(what: &str, spec: &TensorSpec, dtype: Dtype, shape: &[Option<i64>]) -> Result<(), String> {
    let same = |(found, wanted): (&i64, &Option<i64>)| wanted.map_or(*found > 0, |wanted| wanted == *found);
    if spec.dtype == dtype && spec.shape.len() == shape.len() && spec.shape.iter().zip(shape).all(same) {
        return Ok(());
    }
    let wanted: Vec<String> =
        shape.iter().map(|size| size.map_or_else(|| "any".to_owned(), |size| size.to_string())).collect();
    let (dtype, wanted) = (format!("{dtype:?}").to_lowercase(), wanted.join(", "));
    Err(format!("{what}: {spec} is declared; a model of this kind has {dtype} [{wanted}] there"))
}
