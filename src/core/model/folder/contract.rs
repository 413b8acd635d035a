//! What a model of each kind takes and gives, held against what its manifest declares. The engine relies on it.

use crate::input_spec::Layout;
use crate::model::folder::manifest::{Holds, Kind, Manifest};
use crate::model::folder::tensor::{Dtype, TensorSpec};

/// Most rows of a batch whose size a graph fixes: each run makes so many, whatever is needed.
const MOST_FIXED_ROWS: i64 = 64;

/// Holds the manifest's inputs and outputs against its kind.
///
/// # Errors
/// A sentence with the tensor and what is expected.
pub(super) fn check(manifest: &Manifest) -> Result<(), String> {
    if let (None, Some(input)) = (batch(manifest), manifest.inputs.first()) {
        return Err(format!(
            "inputs: {input} fixes a batch of rows; at most {MOST_FIXED_ROWS} are run for one, better is an axis that is free"
        ));
    }
    match manifest.kind {
        Kind::ImageEncoder => {
            check_image(manifest)?;
            let embedding = named("outputs", &manifest.outputs, manifest.embedding_output(), "embedding")?;
            let dimensions = check_rows_of_values(manifest, embedding)?;
            if let Some(map) = manifest.outputs.iter().find(|output| output.name == manifest.feature_map_output()) {
                let cells = [batch(manifest), dimensions.filter(|size| *size > 0), None, None];
                fits("outputs", map, &[Dtype::Float32, Dtype::Float16], &cells)?;
            } else if let Some(name) = &manifest.feature_map {
                return Err(format!("feature_map: {name:?} is no output of the graph; {}", names(&manifest.outputs)));
            }
        }
        Kind::Head => {
            only_input(manifest, &[Dtype::Float32, Dtype::Float16], &[batch(manifest), None])?;
            check_scores(manifest)?;
        }
        Kind::ImageClassifier => {
            check_image(manifest)?;
            check_scores(manifest)?;
        }
        Kind::TextClassifier if manifest.tokens.is_some() => {
            check_tokens(manifest)?;
            check_scores(manifest)?;
        }
        Kind::TextClassifier => {
            let labels = i64::try_from(manifest.labels.len()).unwrap_or(i64::MAX);
            let (inputs, outputs) = (&manifest.inputs, &manifest.outputs);
            one("inputs", inputs, "ids", Dtype::Int64, &[Some(-1), Some(-1)])?;
            one("inputs", inputs, "values", Dtype::Float32, &[Some(-1), Some(-1)])?;
            one("outputs", outputs, "logits", Dtype::Float32, &[Some(-1), Some(labels)])?;
            one("outputs", outputs, "contributions", Dtype::Float32, &[Some(-1), Some(-1), Some(labels)])?;
        }
        Kind::TextDetector => {
            only_input(manifest, &[Dtype::Float32], &[Some(-1), Some(3), Some(-1), Some(-1)])?;
            only_output(manifest, &[Some(-1), Some(1), Some(-1), Some(-1)])?;
        }
        Kind::TextRecognizer => {
            only_input(manifest, &[Dtype::Float32], &[Some(-1), Some(3), None, Some(-1)])?;
            only_output(manifest, &[Some(-1), Some(-1), None])?;
        }
    }
    Ok(())
}

/// What is looked at before all else, since it would make every other complaint mislead: an output that bears another name, and
/// images with their channels last that are declared to have them first.
///
/// # Errors
/// A sentence with the tensor and what is expected.
pub(super) fn check_names(manifest: &Manifest) -> Result<(), String> {
    match manifest.kind {
        Kind::ImageEncoder => {
            named("outputs", &manifest.outputs, manifest.embedding_output(), "embedding")?;
        }
        Kind::TextClassifier if manifest.text.is_some() => {
            for name in ["logits", "contributions"] {
                named("outputs", &manifest.outputs, name, "")?;
            }
        }
        Kind::Head | Kind::ImageClassifier | Kind::TextClassifier => {
            named("outputs", &manifest.outputs, manifest.score_output(), "scores = { output }")?;
        }
        Kind::TextDetector | Kind::TextRecognizer => {}
    }
    let Some(image) = &manifest.image else { return Ok(()) };
    let (other, written) = match image.layout {
        Layout::Nchw => (3, "nhwc"),
        Layout::Nhwc => (1, "nchw"),
    };
    let own = 4 - other;
    let size = |input: &TensorSpec, axis: usize| input.shape.get(axis).copied().unwrap_or_default();
    let is_other = |input: &&TensorSpec| input.shape.len() == 4 && size(input, other) == 3 && size(input, own) != 3;
    match manifest.inputs.iter().find(is_other) {
        Some(input) => {
            let place = if written == "nhwc" { "last (NHWC)" } else { "first (NCHW)" };
            Err(format!("inputs: {input} has its channels {place}: say layout = \"{written}\" under [image]"))
        }
        None => Ok(()),
    }
}

fn check_image(manifest: &Manifest) -> Result<(), String> {
    let Some(image) = &manifest.image else { return Ok(()) };
    if let [input] = manifest.inputs.as_slice() {
        if input.shape.len() < 3 && input.dtype == Dtype::Uint8 {
            return Err(format!(
                "inputs: {input} takes the bytes of a file; cut the decoder off the graph, images are fed as pixels"
            ));
        }
        if input.dtype == Dtype::Uint8 && !image.gives_bytes() {
            return Err(format!("image: {input} takes bytes as they are; mean must be [0, 0, 0] and std [1, 1, 1]"));
        }
    }
    let dtypes = [Dtype::Float32, Dtype::Float16, Dtype::Uint8];
    let rows = batch(manifest);
    // Exporters leave sides free, and some of them channels, too.
    let own = (i64::from(image.height), i64::from(image.width));
    let takes = |channels, sides| only_input(manifest, &dtypes, &image_axes(image.layout, rows, channels, sides));
    let free = [(3, (-1, -1)), (-1, (-1, -1)), (-1, own)];
    if free.into_iter().any(|(channels, sides)| takes(channels, sides).is_ok()) { Ok(()) } else { takes(3, own) }
}

/// What a tokenizer gives: ids, which of them count, and of which text each is.
const TOKEN_INPUTS: [&str; 3] = ["input_ids", "attention_mask", "token_type_ids"];

fn check_tokens(manifest: &Manifest) -> Result<(), String> {
    named("inputs", &manifest.inputs, "input_ids", "")?;
    let length = manifest.tokens.as_ref().and_then(|tokens| i64::try_from(tokens.max_length).ok());
    for input in &manifest.inputs {
        if !TOKEN_INPUTS.contains(&input.name.as_str()) {
            let known = TOKEN_INPUTS.join(", ");
            return Err(format!(
                "inputs: {input} is not what a tokenizer gives: {known}; make it a constant of the graph"
            ));
        }
        let dtypes = [Dtype::Int64, Dtype::Int32];
        fits("inputs", input, &dtypes, &[batch(manifest), Some(-1)])
            .or_else(|_also| fits("inputs", input, &dtypes, &[batch(manifest), length]))
            .map_err(|problem| format!("{problem}, or tokens.max_length, for the tokens of a window"))?;
    }
    Ok(())
}

/// Sizes of the axes of a batch of images; -1 is free. `sides`: height and width.
fn image_axes(layout: Layout, rows: Option<i64>, channels: i64, (height, width): (i64, i64)) -> [Option<i64>; 4] {
    match layout {
        Layout::Nchw => [rows, Some(channels), Some(height), Some(width)],
        Layout::Nhwc => [rows, Some(height), Some(width), Some(channels)],
    }
}

/// Rows of a run: -1, or what the graph fixes. `None`, which fits nothing that is free: it fixes too many.
fn batch(manifest: &Manifest) -> Option<i64> {
    let rows = manifest.inputs.first().and_then(|input| input.shape.first()).copied().unwrap_or(-1);
    (rows == -1 || (1..=MOST_FIXED_ROWS).contains(&rows)).then_some(rows)
}

/// An output with a row of values for each row of the input; other axes have size 1. Gives the number of values, -1: any.
fn check_rows_of_values(manifest: &Manifest, output: &TensorSpec) -> Result<Option<i64>, String> {
    let sizes = output.shape.get(1..).unwrap_or_default();
    let values: Vec<i64> = sizes.iter().copied().filter(|size| *size != 1).collect();
    let rows = output.shape.first().copied();
    let rows_fit = rows.is_some() && (rows == Some(-1) || rows == batch(manifest));
    match values.as_slice() {
        _ if !output.dtype.is_float() || !rows_fit => {}
        [] => return Ok(Some(1)),
        [values] => return Ok(Some(*values)),
        _ => {}
    }
    let rows = batch(manifest).unwrap_or(-1);
    Err(format!("outputs: {output} is declared; there a model of this kind has a row of floats a row, [{rows}, any]"))
}

fn check_scores(manifest: &Manifest) -> Result<(), String> {
    let output = named("outputs", &manifest.outputs, manifest.score_output(), "scores = { output }")?;
    let is_pooled = manifest.tokens.as_ref().is_some_and(|tokens| tokens.pool.is_some());
    let columns = match output.shape.as_slice() {
        [_, _, columns] if is_pooled && output.dtype.is_float() => Some(*columns),
        _ if is_pooled => {
            return Err(format!(
                "outputs: {output} is declared; tokens.pool is for scores of tokens, [-1, -1, columns]"
            ));
        }
        _ => check_rows_of_values(manifest, output)?,
    };
    let Some(columns) = columns.filter(|columns| *columns > 0) else { return Ok(()) };
    check_whole(manifest, columns)?;
    let columns = usize::try_from(columns).unwrap_or(usize::MAX);
    if let Some(label) = manifest.labels.iter().find(|label| label.column.is_some_and(|column| column >= columns)) {
        let (name, column) = (&label.name, label.column.unwrap_or_default());
        return Err(format!(
            "labels.{name}: column {column} is none of {output}, whose columns are 0 to {}",
            columns - 1
        ));
    }
    let stated = manifest.labels.iter().any(|label| label.column.is_some());
    if stated || manifest.labels.len() == columns {
        return Ok(());
    }
    let labels = manifest.labels.len();
    Err(format!(
        "labels: there are {labels}, and {output} has {columns} columns; name all, or give each its column = NUMBER"
    ))
}

/// Where exactly one column is true, all of them together say nothing.
fn check_whole(manifest: &Manifest, columns: i64) -> Result<(), String> {
    if !matches!(manifest.holds(), Holds::ClassLogits | Holds::Softmax) {
        return Ok(());
    }
    let of = |category| manifest.labels.iter().filter(|label| label.category == Some(category)).count();
    match manifest.feeds().find(|&category| i64::try_from(of(category)).is_ok_and(|of| of >= columns)) {
        Some(category) => Err(format!(
            "labels: all {columns} columns feed {}, and of a softmax one is always true: leave out those that do not show it, or say \
             holds = \"logits\" or \"sigmoid\"",
            category.name()
        )),
        None => Ok(()),
    }
}

fn only_input(manifest: &Manifest, dtypes: &[Dtype], shape: &[Option<i64>]) -> Result<(), String> {
    match manifest.inputs.as_slice() {
        [input] => fits("inputs", input, dtypes, shape),
        inputs => Err(format!(
            "inputs: there are {}, {}; a {} has one: make the others constants of the graph",
            inputs.len(),
            names(inputs),
            manifest.kind.name()
        )),
    }
}

fn only_output(manifest: &Manifest, shape: &[Option<i64>]) -> Result<(), String> {
    match manifest.outputs.as_slice() {
        [output] => fits("outputs", output, &[Dtype::Float32], shape),
        outputs => Err(format!("outputs: there are {}; a {} has one", outputs.len(), manifest.kind.name())),
    }
}

fn one(what: &str, specs: &[TensorSpec], name: &str, dtype: Dtype, shape: &[Option<i64>]) -> Result<(), String> {
    fits(what, named(what, specs, name, "")?, &[dtype], shape)
}

/// `key`: what of the manifest says another name; empty: nothing does.
fn named<'a>(what: &str, specs: &'a [TensorSpec], name: &str, key: &str) -> Result<&'a TensorSpec, String> {
    let found = specs.iter().find(|spec| spec.name == name);
    found.ok_or_else(|| {
        let mend =
            if key.is_empty() { "give it that name in the graph".to_owned() } else { format!("say which with {key}") };
        format!("{what}: there is no {name:?}, only {}; {mend}", names(specs))
    })
}

fn names(specs: &[TensorSpec]) -> String {
    specs.iter().map(|spec| format!("{:?}", spec.name)).collect::<Vec<_>>().join(", ")
}

/// `None` in `shape` is a size of the model's own, -1 one that the caller chooses.
fn fits(what: &str, spec: &TensorSpec, dtypes: &[Dtype], shape: &[Option<i64>]) -> Result<(), String> {
    let same = |(found, wanted): (&i64, &Option<i64>)| wanted.map_or(*found > 0, |wanted| wanted == *found);
    if dtypes.contains(&spec.dtype) && spec.shape.len() == shape.len() && spec.shape.iter().zip(shape).all(same) {
        return Ok(());
    }
    let wanted: Vec<String> =
        shape.iter().map(|size| size.map_or_else(|| "any".to_owned(), |size| size.to_string())).collect();
    let dtypes = dtypes.iter().map(|dtype| dtype.name()).collect::<Vec<_>>().join(" or ");
    Err(format!("{what}: {spec} is declared; a model of this kind has {dtypes} [{}] there", wanted.join(", ")))
}
