//! A first `model.toml` for an ONNX file: what the graph says is filled in, what only its maker knows is marked.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::domain::Category;
use crate::input_spec::TEXT_FEATURE_VERSION;
use crate::model::folder::manifest::Kind;
use crate::model::folder::tensor::TensorSpec;

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
    /// What the policy looks for.
    pub categories: &'a [Category],
    /// Name of the file with golden samples.
    pub golden: Option<&'a str>,
}

/// The kind that a graph looks like, by its inputs and outputs.
pub fn guess(inputs: &[TensorSpec], outputs: &[TensorSpec]) -> Option<Kind> {
    let gives = |name| outputs.iter().any(|output| output.name == name);
    let axes = inputs.first().map_or(0, |input| input.shape.len());
    match (inputs.len(), axes) {
        (1, 4) if gives("embedding") => Some(Kind::ImageEncoder),
        (1, 4) => Some(Kind::ImageClassifier),
        (1, 2) => Some(Kind::Head),
        (2, _) if inputs.iter().any(|input| input.name == "ids") => Some(Kind::TextClassifier),
        _ => None,
    }
}

impl Draft<'_> {
    /// The text of `model.toml`.
    pub fn text(&self) -> String {
        let kind = self.kind.name();
        let mut text = format!(
            "# Lines with TODO wait for you; `wildwarden model check` says what is still wrong.\n\
             name = {:?}\nversion = {:?}\nkind = {kind:?}\nfile = \"model.onnx\"\n\
             # As in the graph; -1 is any size.\ninputs = {}\noutputs = {}\n",
            self.name,
            self.version,
            tensors(self.inputs),
            tensors(self.outputs),
        );
        if self.kind == Kind::Head {
            text.push_str(
                "# TODO: the version, or name/version, of the encoder whose embeddings it was trained on: it will serve with no other.\n\
                 # encoder = \"1\"\n",
            );
        }
        self.labels(&mut text);
        self.preparation(&mut text);
        if let Some(golden) = self.golden {
            text.push_str("\n# Inputs with the outputs they must give here, and how far off they may be.\n[golden]\n");
            put(&mut text, format_args!("file = {golden:?}\ntolerance = 0.001\n"));
        }
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

    /// One line a column of `logits`. A model named like a category is taken to find it.
    fn labels(&self, text: &mut String) {
        let logits = self.outputs.iter().find(|output| output.name == "logits");
        let Some(columns) = logits.and_then(|logits| logits.shape.last()).filter(|&&columns| columns > 0) else {
            return;
        };
        text.push_str(
            "# One entry a column of `logits`. category: one of the policy's; without it a label only informs.\n\
             # calibration: probability = logistic(slope * logit + intercept), fitted on photos it has not seen.\nlabels = [\n",
        );
        let known = self.categories.iter().find(|category| category.name() == self.name);
        for column in 0..*columns {
            match known.filter(|_| *columns == 1) {
                Some(category) => put(
                    text,
                    format_args!(
                        "  {{ name = {0:?}, category = {0:?}, calibration = {CALIBRATION} }},\n",
                        category.name()
                    ),
                ),
                None => put(text, format_args!("  {{ name = \"TODO {column}\", calibration = {CALIBRATION} }},\n")),
            }
        }
        text.push_str("]\n");
    }

    /// How images or texts are prepared; of the kinds that take them.
    fn preparation(&self, text: &mut String) {
        match self.kind {
            Kind::ImageEncoder | Kind::ImageClassifier => {
                let size = |axis: usize| {
                    self.inputs.first().and_then(|input| input.shape.get(axis)).copied().filter(|&size| size > 0)
                };
                let (height, width) = (size(2).unwrap_or(224), size(3).unwrap_or(224));
                put(
                    text,
                    format_args!(
                        "\n# TODO: how it was trained. Channels are RGB; a value is (byte - mean) / std, bytes from 0 to 255.\n\
                         [image]\nwidth = {width}\nheight = {height}\nresize = \"stretch\" # or \"center_crop\"\n\
                         mean = [123.675, 116.28, 103.53] # ImageNet's, as torchvision has them, times 255\n\
                         std = [58.395, 57.12, 57.375]\n"
                    ),
                );
            }
            Kind::TextClassifier => put(
                text,
                format_args!(
                    "\n# TODO: as `wildwarden featurize` was run for training.\n[text]\n\
                     feature_version = {TEXT_FEATURE_VERSION}\nbuckets = 262144\nwindow_tokens = 20\nwords = \"words.txt\"\n"
                ),
            ),
            Kind::Head => {}
        }
    }
}

/// Of a label that is not calibrated yet.
const CALIBRATION: &str = "{ slope = 1.0, intercept = 0.0 }";

fn tensors(specs: &[TensorSpec]) -> String {
    let one = |spec: &TensorSpec| {
        let dtype = format!("{:?}", spec.dtype).to_lowercase();
        format!("{{ name = {:?}, dtype = {dtype:?}, shape = {:?} }}", spec.name, spec.shape)
    };
    format!("[{}]", specs.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Writing to a string cannot fail.
fn put(text: &mut String, more: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(more);
}
