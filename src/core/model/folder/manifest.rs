//! `model.toml`: what a model folder says of itself, parsed and checked. Unknown keys are errors.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use ring::digest::{SHA256, digest};
use serde::Deserialize;

use crate::domain::{Category, Modality, ModelVersion};
use crate::error::{Error, Result};
use crate::input_spec::{DetectionSpec, ImageInputSpec, TextForm, TextInputSpec, TokensInputSpec};
pub use crate::model::folder::card::{Card, DataSource, Metric};
use crate::model::folder::reading::RecognitionManifest;
pub use crate::model::folder::scores::{ColumnJoin, Holds, ScoresManifest};
use crate::model::folder::tensor::TensorSpec;

/// File name of the manifest.
pub const MANIFEST: &str = "model.toml";

/// What part a model plays in a rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// From an image to what scorers read: run once an image, for all of them.
    Encoder,
    /// To logits of categories.
    Scorer(Reads),
    /// From an image to the words in it, or a part of the way there.
    Reader(Part),
}

/// What a reader of words in pictures does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Finds where lines are.
    Find,
    /// Tells what a line says.
    Read,
}

/// What a scorer is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// An image.
    Image,
    /// What an encoder gives.
    Embedding,
    /// Windows of a text.
    Texts,
}

/// A part and what it reads, in the words of manifests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Image to embedding and feature map, run once an image.
    ImageEncoder,
    /// Embedding to logits.
    Head,
    /// Image to logits, on its own.
    ImageClassifier,
    /// Hashed text features to logits.
    TextClassifier,
    /// Image to a map of where words are.
    TextDetector,
    /// A line of words, cut out, to its characters.
    TextRecognizer,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::ImageEncoder,
        Self::Head,
        Self::ImageClassifier,
        Self::TextClassifier,
        Self::TextDetector,
        Self::TextRecognizer,
    ];

    /// The part it plays.
    pub fn role(self) -> Role {
        match self {
            Self::ImageEncoder => Role::Encoder,
            Self::Head => Role::Scorer(Reads::Embedding),
            Self::ImageClassifier => Role::Scorer(Reads::Image),
            Self::TextClassifier => Role::Scorer(Reads::Texts),
            Self::TextDetector => Role::Reader(Part::Find),
            Self::TextRecognizer => Role::Reader(Part::Read),
        }
    }

    /// What of a listing it speaks about.
    pub fn modality(self) -> Modality {
        match self.role() {
            Role::Encoder | Role::Scorer(Reads::Image | Reads::Embedding) | Role::Reader(_) => Modality::Images,
            Role::Scorer(Reads::Texts) => Modality::Texts,
        }
    }

    /// Its name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageEncoder => "image_encoder",
            Self::Head => "head",
            Self::ImageClassifier => "image_classifier",
            Self::TextClassifier => "text_classifier",
            Self::TextDetector => "text_detector",
            Self::TextRecognizer => "text_recognizer",
        }
    }
}

/// The encoder that a head was made for, `name/version`, or `version` alone where that tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct EncoderName {
    /// Name of the model.
    pub name: Option<String>,
    /// `version` of its manifest.
    pub version: String,
}

impl From<String> for EncoderName {
    fn from(text: String) -> Self {
        match text.split_once('/') {
            Some((name, version)) => Self { name: Some(name.to_owned()), version: version.to_owned() },
            None => Self { name: None, version: text },
        }
    }
}

impl fmt::Display for EncoderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}/{}", self.version),
            None => f.write_str(&self.version),
        }
    }
}

/// A model folder's manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the model: its folder's parent.
    pub name: String,
    /// Version: its folder.
    pub version: String,
    /// What part it plays.
    pub kind: Kind,
    /// The ONNX file.
    pub file: String,
    /// SHA-256 of every other file of the folder, lower-case hex.
    pub files: BTreeMap<String, String>,
    /// Inputs, as in the graph.
    pub inputs: Vec<TensorSpec>,
    /// Outputs, as in the graph.
    pub outputs: Vec<TensorSpec>,
    /// How images are prepared; of encoders and image classifiers.
    pub image: Option<ImageInputSpec>,
    /// How texts are prepared; of text classifiers.
    pub text: Option<TextManifest>,
    /// How texts become the tokens of a tokenizer; of text classifiers that have one in the place of `[text]`.
    pub tokens: Option<TokensManifest>,
    /// How lines are found; of text detectors.
    pub detection: Option<DetectionSpec>,
    /// How lines are read; of text recognizers.
    pub recognition: Option<RecognitionManifest>,
    /// The encoder that a head was made for; none: any whose embedding has the right size.
    pub encoder: Option<EncoderName>,
    /// Whether a head is given embeddings of length 1, whatever their encoder gives.
    #[serde(default)]
    pub l2_normalize: bool,
    /// Output that is the embedding of an encoder; none: `embedding`.
    pub embedding: Option<String>,
    /// Output that is the feature map of an encoder, if it has one; none: `feature_map`.
    pub feature_map: Option<String>,
    /// Where the scores are and what they are; of heads and image classifiers.
    pub scores: Option<ScoresManifest>,
    /// What the scores mean, an entry a score; of everything but encoders. As read from a file an entry is a column; once checked,
    /// those that feed one category are one entry.
    #[serde(default)]
    pub labels: Vec<Label>,
    /// File of the folder that names every column, one a line: each label must stand where it says.
    pub label_file: Option<String>,
    /// Samples with known outputs.
    pub golden: Option<GoldenManifest>,
    /// What people should know.
    pub card: Card,
}

/// Text preparation and the version of its recipe.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextManifest {
    /// Must be this program's [`TEXT_FEATURE_VERSION`](crate::input_spec::TEXT_FEATURE_VERSION).
    pub feature_version: u32,
    /// See [`TextInputSpec::buckets`].
    pub buckets: u32,
    /// See [`TextInputSpec::window_tokens`].
    pub window_tokens: usize,
    /// File of the folder with one domain word a line, which segmentation keeps whole.
    pub words: String,
}

impl TextManifest {
    /// The recipe.
    pub fn spec(&self) -> TextInputSpec {
        TextInputSpec { buckets: self.buckets, window_tokens: self.window_tokens }
    }
}

/// A tokenizer and how its windows are cut.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokensManifest {
    /// File of the folder as Hugging Face's `tokenizers` writes it, `tokenizer.json`.
    pub tokenizer: String,
    /// See [`TokensInputSpec::max_length`].
    pub max_length: usize,
    /// See [`TokensInputSpec::overlap`].
    #[serde(default)]
    pub overlap: usize,
    /// See [`TokensInputSpec::windows`].
    #[serde(default = "windows")]
    pub windows: usize,
    /// See [`TokensInputSpec::text`].
    #[serde(default)]
    pub text: TextForm,
    /// How scores of tokens, `[N, tokens, columns]`, become those of a window; none: the model gives those of windows.
    pub pool: Option<Pool>,
}

/// Windows of a text that are read unless a manifest says so.
fn windows() -> usize {
    16
}

/// How scores of tokens become those of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// The highest of the tokens of the text.
    Max,
    /// Their mean.
    Mean,
}

impl TokensManifest {
    /// How texts are cut.
    pub fn spec(&self) -> TokensInputSpec {
        let &Self { max_length, overlap, windows, text, .. } = self;
        TokensInputSpec { max_length, overlap, windows, text }
    }
}

/// A score: a column, or several that feed one category.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// What the column stands for, in answers and cards.
    pub name: String,
    /// The category it feeds; none for labels that only inform.
    pub category: Option<Category>,
    /// How its logit becomes a probability.
    #[serde(default)]
    pub calibration: Calibration,
    /// Column of the scores, from 0; none: its place among the labels.
    pub column: Option<usize>,
    /// The columns that it is made of, at least one once the manifest is checked.
    #[serde(skip)]
    pub columns: Vec<usize>,
    /// What each of these columns is called.
    #[serde(skip)]
    pub members: Vec<String>,
}

/// Platt scaling: `probability = logistic(slope * logit + intercept)`. Temperature scaling is `slope = 1 / T`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Above 0, so that more evidence never lowers a probability.
    pub slope: f64,
    /// In logits.
    pub intercept: f64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { slope: 1.0, intercept: 0.0 }
    }
}

/// Where the golden samples are and how near the outputs must come.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenManifest {
    /// A JSON file; see [`crate::model::folder::golden`].
    pub file: String,
    /// Largest absolute difference of any output value.
    pub tolerance: f32,
}

impl Manifest {
    /// The categories that its labels feed.
    pub fn feeds(&self) -> impl Iterator<Item = Category> {
        self.labels.iter().filter_map(|label| label.category)
    }

    /// Name of the output with the scores.
    pub fn score_output(&self) -> &str {
        self.scores.as_ref().map_or("logits", |scores| &scores.output)
    }

    /// What its scores are.
    pub fn holds(&self) -> Holds {
        self.scores.as_ref().map_or_else(Holds::default, |scores| scores.holds)
    }

    /// Name of the output with an encoder's embedding.
    pub fn embedding_output(&self) -> &str {
        self.embedding.as_deref().unwrap_or("embedding")
    }

    /// Name of the output with an encoder's feature map; there may be none of it.
    pub fn feature_map_output(&self) -> &str {
        self.feature_map.as_deref().unwrap_or("feature_map")
    }

    /// Rows of every run, when the graph fixes them.
    pub fn fixed_rows(&self) -> Option<usize> {
        let rows = self.inputs.first().and_then(|input| input.shape.first());
        rows.and_then(|&rows| usize::try_from(rows).ok())
    }

    /// Whether it was made for `encoder`, as far as it says, whatever the size of the embeddings.
    pub fn is_made_for(&self, encoder: &Self) -> bool {
        self.encoder.as_ref().is_none_or(|wanted| {
            wanted.version == encoder.version && wanted.name.as_ref().is_none_or(|name| *name == encoder.name)
        })
    }

    /// Whether it can read the embeddings of `encoder`.
    pub fn fits(&self, encoder: &Self) -> bool {
        self.is_made_for(encoder) && self.embedding_size() == encoder.embedding_size()
    }

    /// Name, version and the hash of the manifest's text.
    pub fn identity(&self, text: &str) -> ModelVersion {
        ModelVersion { name: self.name.clone(), version: self.version.clone(), sha256: hex_sha256(text.as_bytes()) }
    }

    /// Whether it lies where its name and version say: `<name>/<version>`.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the folder, name and version.
    pub fn check_place(&self, folder: &Path) -> Result<()> {
        let place = std::path::absolute(folder).map_err(|cause| Error::file(folder, cause))?;
        if place.ends_with(Path::new(&self.name).join(&self.version)) {
            return Ok(());
        }
        let problem = format!("says name {:?} and version {:?}, so it belongs into {0}/{1}/", self.name, self.version);
        Err(Error::file(&folder.join(MANIFEST), problem))
    }

    /// Values of the embedding that an encoder gives or a head reads; -1: any. Other kinds have none.
    pub fn embedding_size(&self) -> Option<i64> {
        let tensor = match self.kind {
            Kind::ImageEncoder => self.outputs.iter().find(|output| output.name == self.embedding_output()),
            Kind::Head => self.inputs.first(),
            Kind::ImageClassifier | Kind::TextClassifier | Kind::TextDetector | Kind::TextRecognizer => None,
        };
        tensor.map(TensorSpec::values)
    }
}

/// SHA-256 as lower-case hex.
pub fn hex_sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first `digits` of a hash: for people, enough to tell two apart.
pub fn short_hash(sha256: &str, digits: usize) -> &str {
    sha256.get(..digits).unwrap_or(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"
        name = "tusk"
        version = "1"
        kind = "head"
        file = "model.onnx"
        inputs = [{ name = "embedding", dtype = "float32", shape = [-1, 1280] }]
        outputs = [{ name = "logits", dtype = "float32", shape = [-1, 1] }]
        labels = [{ name = "tusk", category = "tusk", calibration = { slope = 0.9, intercept = -0.2 } }]
        [files]
        "model.onnx" = "00"
        [card]
        summary = "A head."
        licence = "Apache-2.0"
    "#;

    fn error(text: &str) -> String {
        Manifest::parse(Path::new("models/tusk/1"), text).unwrap_err().to_string()
    }

    #[test]
    fn a_complete_manifest_parses() {
        let manifest = Manifest::parse(Path::new("."), HEAD).unwrap();
        assert_eq!(manifest.labels[0].category, Some(Category::new("tusk").unwrap()));
    }

    #[test]
    fn an_image_with_its_channels_last_is_named_as_that() {
        let image =
            "[image]\nwidth = 224\nheight = 224\nresize = \"stretch\"\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n[files]";
        let text = HEAD
            .replace("\"head\"", "\"image_classifier\"")
            .replace("[-1, 1280]", "[-1, 160, 160, 3]")
            .replace("[files]", image);
        assert!(error(&text).contains("channels last (NHWC)"), "{}", error(&text));
    }

    #[test]
    fn faults_name_the_file_and_the_key() {
        for (from, to, named) in [
            ("version =", "versoin =", "versoin"),
            ("\"model.onnx\" = \"00\"", "", "model.onnx"),
            ("slope = 0.9", "slope = -1.0", "calibration"),
            ("file = \"model.onnx\"", "file = \"../model.onnx\"", "../model.onnx"),
            ("kind = \"head\"", "kind = \"image_encoder\"", "[image]"),
        ] {
            let message = error(&HEAD.replace(from, to));
            assert!(message.contains("models/tusk/1/model.toml") && message.contains(named), "{message}");
        }
    }
}
