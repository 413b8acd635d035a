//! A first `model.toml` for an ONNX file: what the graph says is filled in, what only its maker knows is marked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use wildwarden_core::domain::Category;
use wildwarden_core::input_spec::{Channels, Filter, Layout, Resize, TEXT_FEATURE_VERSION};
use wildwarden_core::model::folder::manifest::{Holds, Kind};
use wildwarden_core::model::folder::tensor::{Dtype, TensorSpec};

use super::found::{Found, ImageFound};

/// What a draft is made from.
#[derive(Debug)]
pub struct Draft<'a> {
    /// Name of the model.
    pub name: &'a str,
    /// `version` of the manifest to be.
    pub version: &'a str,
    /// What part it plays.
    pub kind: Kind,
    /// Inputs of the graph.
    pub inputs: &'a [TensorSpec],
    /// Outputs of the graph.
    pub outputs: &'a [TensorSpec],
    /// SHA-256 of every file.
    pub files: &'a BTreeMap<String, String>,
    /// What is known besides.
    pub found: &'a Found,
    /// Columns that feed a category, by their labels' numbers.
    pub fed: &'a BTreeMap<usize, Category>,
    /// The category of a model that gives one score.
    pub only: Option<Category>,
}

/// Name of the file with the names of all columns.
pub const LABEL_FILE: &str = "labels.txt";
/// Name of the file with the tokenizer.
pub const TOKENIZER: &str = "tokenizer.json";
/// More columns than these are named in a file of their own, and those that feed no category are left out of the answers.
pub const MANY_LABELS: usize = 16;

/// The kind that a graph looks like, by its inputs and outputs.
pub fn guess(inputs: &[TensorSpec], outputs: &[TensorSpec]) -> Option<Kind> {
    let gives = |names: &[&str]| outputs.iter().any(|output| names.contains(&output.name.as_str()));
    let takes = |name: &str| inputs.iter().any(|input| input.name == name);
    let axes = inputs.first().map_or(0, |input| input.shape.len());
    match (inputs.len(), axes) {
        _ if takes("input_ids") => Some(Kind::TextClassifier),
        (1, 4) if gives(&EMBEDDINGS) && !gives(&["logits"]) => Some(Kind::ImageEncoder),
        (1, 4) => Some(Kind::ImageClassifier),
        (1, 2) => Some(Kind::Head),
        (2, _) if takes("ids") => Some(Kind::TextClassifier),
        _ => None,
    }
}

/// What exporters call an embedding.
const EMBEDDINGS: [&str; 4] = ["embedding", "image_embeds", "pooler_output", "features"];

/// The output with the scores: the one called `logits`, else the first.
pub fn scores_of(outputs: &[TensorSpec]) -> Option<&TensorSpec> {
    outputs.iter().find(|output| output.name == "logits").or(outputs.first())
}

/// Columns of the scores; `None`: the graph leaves them free, or has no scores.
pub fn columns_of(scores: Option<&TensorSpec>) -> Option<usize> {
    usize::try_from(scores?.values()).ok()
}

impl Draft<'_> {
    /// The text of `model.toml`.
    pub fn text(&self) -> String {
        let kind = self.kind.name();
        let mut text = format!(
            "# Lines with TODO wait for you; `wildwarden model check` says what is still wrong.\n\
             name = {}\nversion = {}\nkind = {kind:?}\nfile = \"model.onnx\"\n\
             # As in the graph; -1 is any size.\ninputs = {}\noutputs = {}\n",
            quoted(self.name),
            quoted(self.version),
            tensors(self.inputs),
            tensors(self.outputs),
        );
        if self.kind == Kind::Head {
            text.push_str(
                "# TODO: the version, or name/version, of the encoder whose embeddings it was trained on: it will serve with no other.\n\
                 # encoder = \"1\"\n\
                 # l2_normalize = true # if it was trained on embeddings of length 1\n",
            );
        }
        self.outputs(&mut text);
        self.labels(&mut text);
        self.preparation(&mut text);
        text.push_str("\n# SHA-256 of every other file; `wildwarden model hash` renews them.\n[files]\n");
        for (name, sha256) in self.files {
            put(&mut text, format_args!("{name:?} = {sha256:?}\n"));
        }
        text.push_str(
            "\n[card]\nsummary = \"TODO: what it finds, in a sentence.\"\nlicence = \"TODO: of the weights\"\n\
             known_failures = [] # TODO: where it fails, and what is unmeasured\n\
             # [[card.data]] with source, licence, count and [[card.metrics]] with name, value, interval, protocol\n\
             # say what it was trained on and what it scored; see the shipped models.\n",
        );
        text
    }

    /// Which outputs are what, where they do not bear the usual names.
    fn outputs(&self, text: &mut String) {
        let named = |name: &str| self.outputs.iter().any(|output| output.name == name);
        if self.kind == Kind::ImageEncoder {
            let embedding = EMBEDDINGS.into_iter().find(|name| named(name)).filter(|name| *name != "embedding");
            embedding.into_iter().for_each(|name| put(text, format_args!("embedding = {}\n", quoted(name))));
            return;
        }
        if self.is_hashed() {
            return;
        }
        let output = scores_of(self.outputs).map_or("logits", |output| output.name.as_str());
        let holds = self.found.holds.map_or("logits", name_of);
        let is_known = self.found.holds.is_some();
        let many = self.outputs.len() > 1 && !named("logits");
        if !is_known {
            text.push_str(
                "# TODO: what the scores are: \"logits\" before a sigmoid, \"class_logits\" before a softmax, \"sigmoid\" or \"softmax\" after it.\n",
            );
        }
        let which = if many { " # TODO: the graph has several outputs; this is the first" } else { "" };
        let join = if self.joins_logits() { ", join = \"max\"" } else { "" };
        put(text, format_args!("scores = {{ output = {}, holds = {holds:?}{join} }}{which}\n", quoted(output)));
    }

    /// Whether several columns that are not of one softmax feed a category.
    fn joins_logits(&self) -> bool {
        let categories: BTreeSet<Category> = self.fed.values().copied().collect();
        let is_one_of_many = matches!(self.found.holds, Some(Holds::Softmax | Holds::ClassLogits));
        !is_one_of_many && categories.len() < self.fed.len()
    }

    /// Whether it reads hashed features, whose outputs bear fixed names.
    fn is_hashed(&self) -> bool {
        self.kind == Kind::TextClassifier && self.inputs.iter().any(|input| input.name == "ids")
    }

    /// One line a column of the scores; of many only those that feed a category.
    fn labels(&self, text: &mut String) {
        if self.kind == Kind::ImageEncoder {
            return;
        }
        let columns = columns_of(scores_of(self.outputs)).unwrap_or(self.found.labels.len());
        let has_file = self.files.contains_key(LABEL_FILE);
        if has_file {
            put(text, format_args!("# Every column by name, one a line.\nlabel_file = {LABEL_FILE:?}\n"));
        }
        text.push_str(
            "# One entry a column of the scores. category: one of the policy's; without it a label only informs.\n\
             # calibration: probability = logistic(slope * logit + intercept), fitted on what the model has not seen.\nlabels = [\n",
        );
        let is_fed = |column: &usize| self.fed.contains_key(column);
        let shown = (0..columns).filter(|column| !has_file || self.fed.is_empty() || is_fed(column));
        for column in shown.take(MANY_LABELS) {
            let known = self.found.labels.get(column);
            let category = self.fed.get(&column).copied().or(self.only.filter(|_| columns == 1));
            let name = match (known, category) {
                (Some(name), _) => name.clone(),
                (None, Some(category)) => category.name().to_owned(),
                (None, None) => format!("TODO {column}"),
            };
            let place = if has_file { format!(", column = {column}") } else { String::new() };
            let feeds = category.map_or_else(String::new, |category| format!(", category = {:?}", category.name()));
            put(text, format_args!("  {{ name = {}{feeds}{place}, calibration = {CALIBRATION} }},\n", quoted(&name)));
        }
        text.push_str("]\n");
        if self.fed.is_empty() && self.only.is_none() {
            text.push_str(
                "# TODO: none of these names a category of the policy; give those that show one category = \"...\".\n",
            );
        }
    }

    /// How images or texts are prepared; of the kinds that take them.
    fn preparation(&self, text: &mut String) {
        match self.kind {
            Kind::ImageEncoder | Kind::ImageClassifier => self.image(text),
            Kind::TextClassifier if self.is_hashed() => put(
                text,
                format_args!(
                    "\n# TODO: as `wildwarden featurize` was run for training.\n[text]\n\
                     feature_version = {TEXT_FEATURE_VERSION}\nbuckets = 262144\nwindow_tokens = 20\nwords = \"words.txt\"\n"
                ),
            ),
            Kind::TextClassifier => {
                let fixed = self.inputs.first().and_then(|input| input.shape.get(1)).copied().filter(|size| *size > 0);
                let length = fixed.and_then(|size| usize::try_from(size).ok()).or(self.found.max_length);
                let todo = if length.is_none() { " # TODO: as it was trained" } else { "" };
                let length = length.unwrap_or(128);
                put(
                    text,
                    format_args!(
                        "\n# Windows of so many tokens; neighbours share some, so that nothing is cut in two. The strongest counts.\n[tokens]\n\
                         tokenizer = {TOKENIZER:?}\nmax_length = {length}{todo}\noverlap = {}\nwindows = 16\n\
                         text = \"raw\" # or \"normalized\": NFKC, lower case, simplified characters, nothing hidden inside words\n",
                        length / 8
                    ),
                );
                if scores_of(self.outputs).is_some_and(|output| output.shape.len() == 3) {
                    text.push_str("pool = \"max\" # TODO: or \"mean\": how scores of tokens become one\n");
                }
            }
            Kind::Head | Kind::TextDetector | Kind::TextRecognizer => {}
        }
    }

    fn image(&self, text: &mut String) {
        let ImageFound { size, resize, filter, channels, layout, normalisation } = &self.found.image;
        let input = self.inputs.first();
        let shape = input.map(|input| input.shape.as_slice()).unwrap_or_default();
        let is_last = matches!(shape, [_, channels, _, 3] if *channels != 3);
        let layout = if is_last {
            Layout::Nhwc
        } else if matches!(shape, [_, 3, ..]) {
            Layout::Nchw
        } else {
            layout.unwrap_or_default()
        };
        let first = if layout == Layout::Nhwc { 1 } else { 2 };
        let side =
            |axis: usize| shape.get(axis).copied().and_then(|size| u32::try_from(size).ok()).filter(|size| *size > 0);
        let (width, height) = match (side(first + 1), side(first)) {
            (Some(width), Some(height)) => (width, height),
            _ => size.unwrap_or((224, 224)),
        };
        let takes_bytes = input.is_some_and(|input| input.dtype == Dtype::Uint8);
        let normalisation = if takes_bytes { Some(([0.0; 3], [1.0; 3])) } else { *normalisation };
        let todo =
            if normalisation.is_none() || resize.is_none() { "# TODO: how it was trained; see --like.\n" } else { "" };
        let (mean, std) = normalisation.unwrap_or(super::recipe::IMAGENET);
        // A recipe for another size keeps its proportion.
        let resize = resize.map_or(Resize::Stretch, |resize| scaled(resize, *size, (width, height)));
        put(
            text,
            format_args!(
                "\n{todo}# A value is (byte - mean) / std, bytes from 0 to 255.\n[image]\nwidth = {width}\nheight = {height}\n\
                 resize = {} # stretch, center_crop, {{ shorter_side = N }}, {{ stretch_to = [W, H] }}, {{ letterbox = [R, G, B] }}\n\
                 filter = {:?} # bilinear, bicubic, area\nchannels = {:?}\nlayout = {:?}\nmean = {}\nstd = {}\n",
                resize_of(resize),
                match filter.unwrap_or_default() {
                    Filter::Bilinear => "bilinear",
                    Filter::Bicubic => "bicubic",
                    Filter::Area => "area",
                },
                if channels.unwrap_or_default() == Channels::Bgr { "bgr" } else { "rgb" },
                if layout == Layout::Nhwc { "nhwc" } else { "nchw" },
                numbers(mean),
                numbers(std),
            ),
        );
    }
}

/// `resize` for inputs of `size`, where it was stated for inputs of `of`.
fn scaled(resize: Resize, of: Option<(u32, u32)>, size: (u32, u32)) -> Resize {
    let Some(of) = of.filter(|of| *of != size) else { return resize };
    match resize {
        Resize::ShorterSide(side) => {
            let share = u64::from(side) * u64::from(size.0.max(size.1)) / u64::from(of.0.max(of.1).max(1));
            Resize::ShorterSide(u32::try_from(share).unwrap_or(side).max(size.0.max(size.1)))
        }
        Resize::StretchTo([width, height]) if width < size.0 || height < size.1 => Resize::Stretch,
        Resize::Stretch | Resize::CenterCrop | Resize::StretchTo(_) | Resize::Letterbox(_) => resize,
    }
}

fn resize_of(resize: Resize) -> String {
    match resize {
        Resize::Stretch => "\"stretch\"".into(),
        Resize::CenterCrop => "\"center_crop\"".into(),
        Resize::ShorterSide(side) => format!("{{ shorter_side = {side} }}"),
        Resize::StretchTo(sides) => format!("{{ stretch_to = {sides:?} }}"),
        Resize::Letterbox(colour) => format!("{{ letterbox = {colour:?} }}"),
    }
}

/// As few digits as say it.
fn numbers(values: [f64; 3]) -> String {
    let one = |value: f64| format!("{}", (value * 1e4).round() / 1e4);
    format!("[{}]", values.map(one).join(", "))
}

fn name_of(holds: Holds) -> &'static str {
    match holds {
        Holds::Logits => "logits",
        Holds::ClassLogits => "class_logits",
        Holds::Sigmoid => "sigmoid",
        Holds::Softmax => "softmax",
    }
}

/// Of a label that is not calibrated yet.
const CALIBRATION: &str = "{ slope = 1.0, intercept = 0.0 }";

fn tensors(specs: &[TensorSpec]) -> String {
    let one = |spec: &TensorSpec| {
        let dtype = spec.dtype.name();
        format!("{{ name = {}, dtype = {dtype:?}, shape = {:?} }}", quoted(&spec.name), spec.shape)
    };
    format!("[{}]", specs.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// As TOML has it.
fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// Writing to a string cannot fail.
fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(more);
}
