//! The stages that run on one worker thread: decode, resize, run the models, calibrate, explain. One thread does all of
//! an image's work, so nothing is handed over and threads never outnumber cores.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ndarray::{Array2, Array4, Axis};
use tokio::time::Instant;

use crate::domain::{
    Category, FoundTerm, ImageExplanation, ImageStatus, Language, Logit, PerCategory, TokenContribution,
};
use crate::error::{Error, Result};
use crate::input_spec::ImageInputSpec;
use crate::model::engine::Engine;
use crate::model::golden::{GoldenFile, GoldenSample};
use crate::model::manifest::{Kind, Label, hex_sha256};
use crate::model::registry::{ModelFolder, ModelSet};
use crate::model::session::Runtime;
use crate::preprocess::image::{DecodeLimits, MARGIN, TensorMaker, WantedSize, decode};
use crate::preprocess::text::{Lexicon, TextProcessor, Window};
use crate::schedule::Deadline;
use crate::score::calibrate::calibrate;
use crate::score::explain::{image_explanation, token_contributions};

/// One part of a listing.
#[derive(Debug)]
pub enum Job {
    /// Look at an image.
    Image {
        /// The file's bytes.
        content: Bytes,
        /// Explain where the evidence is.
        with_maps: bool,
    },
    /// Read a text.
    Text {
        /// The caller's string.
        text: String,
        /// Explain which tokens count.
        with_tokens: bool,
    },
}

/// What became of a job.
#[derive(Debug)]
pub enum Outcome {
    /// Of [`Job::Image`].
    Image(ImageOutcome),
    /// Of [`Job::Text`].
    Text(TextOutcome),
    /// The deadline passed between two stages; nothing more was spent on it.
    Expired,
}

/// An image, looked at.
#[derive(Debug)]
pub struct ImageOutcome {
    /// What became of it.
    pub status: ImageStatus,
    /// Why the status is not OK.
    pub message: String,
    /// Format name; empty when not recognised.
    pub format: &'static str,
    /// Pixels after orientation; 0 when not decoded.
    pub width: u32,
    /// Pixels after orientation; 0 when not decoded.
    pub height: u32,
    /// Of the bytes, lower-case hex.
    pub sha256: String,
    /// Frames looked at.
    pub frames: usize,
    /// Calibrated, of the best frame.
    pub logits: PerCategory<Logit>,
    /// When asked for.
    pub explanations: PerCategory<ImageExplanation>,
    /// Models that failed.
    pub faults: Vec<Error>,
    /// Time to decode.
    pub decode: Duration,
    /// Time to resize and normalise.
    pub resize: Duration,
    /// Time in models.
    pub inference: Duration,
}

/// A text, read.
#[derive(Debug)]
pub struct TextOutcome {
    /// Main language.
    pub language: Language,
    /// Lexicon terms.
    pub terms: Vec<FoundTerm>,
    /// Calibrated, of the strongest window; empty when the text has no words or the model failed.
    pub logits: PerCategory<Logit>,
    /// Tokens of that window with contributions, and the bias; when asked for.
    pub tokens: PerCategory<(Vec<TokenContribution>, f64)>,
    /// Why there are no logits.
    pub fault: Option<Error>,
    /// Time to normalise, cut and hash.
    pub features: Duration,
    /// Time in the model.
    pub inference: Duration,
}

/// What one thread owns.
#[derive(Debug)]
pub struct StageWorker {
    engine: Engine,
    image_labels: Vec<Label>,
    text_labels: Vec<Label>,
    text: Option<Arc<TextProcessor>>,
    lexicon: Arc<Lexicon>,
    limits: DecodeLimits,
    wanted: WantedSize,
    tensor_maker: TensorMaker,
}

impl StageWorker {
    /// Loads the sessions of `set`, one thread each.
    ///
    /// # Errors
    /// See [`Engine::load`].
    pub fn load(
        runtime: Runtime,
        set: &ModelSet,
        text: Option<Arc<TextProcessor>>,
        lexicon: Arc<Lexicon>,
        limits: DecodeLimits,
    ) -> Result<Self> {
        let labels = |folder: &Arc<ModelFolder>| folder.manifest.labels.clone();
        let engine = Engine::load(runtime, set, 1)?;
        Ok(Self {
            wanted: WantedSize::for_inputs(engine.image_specs(), MARGIN),
            tensor_maker: TensorMaker::default(),
            engine,
            image_labels: set.heads.iter().chain(&set.image_classifiers).flat_map(labels).collect(),
            text_labels: set.text.iter().flat_map(labels).collect(),
            text,
            lexicon,
            limits,
        })
    }

    /// Decodes images at no less than `margin` times the models' inputs instead of [`MARGIN`] times.
    pub fn set_margin(&mut self, margin: f64) {
        self.wanted = WantedSize::for_inputs(self.engine.image_specs(), margin);
    }

    /// Runs one job.
    pub fn run(&mut self, job: Job, deadline: Deadline) -> Outcome {
        match job {
            Job::Image { content, with_maps } => self.look(&content, with_maps, deadline),
            Job::Text { text, with_tokens } => self.read(&text, with_tokens, deadline),
        }
    }

    fn look(&mut self, content: &[u8], with_maps: bool, deadline: Deadline) -> Outcome {
        let mut outcome = ImageOutcome {
            status: ImageStatus::Ok,
            message: String::new(),
            format: "",
            width: 0,
            height: 0,
            sha256: hex_sha256(content),
            frames: 0,
            logits: PerCategory::default(),
            explanations: PerCategory::default(),
            faults: Vec::new(),
            decode: Duration::ZERO,
            resize: Duration::ZERO,
            inference: Duration::ZERO,
        };
        let start = Instant::now();
        let decoded = decode(content, self.limits, self.wanted);
        outcome.decode = start.elapsed();
        let decoded = match decoded {
            Ok(decoded) => decoded,
            Err(fault) => {
                (outcome.status, outcome.message, outcome.format) = (fault.status, fault.message, fault.format);
                return Outcome::Image(outcome);
            }
        };
        outcome.format = decoded.format;
        outcome.frames = decoded.frames.len();
        (outcome.width, outcome.height) = (decoded.width, decoded.height);
        let start = Instant::now();
        let tensors = self.tensors(&decoded.frames);
        outcome.resize = start.elapsed();
        // Decoding may have taken all the caller's time: no model time is spent after it.
        if deadline.has_passed() {
            return Outcome::Expired;
        }
        let start = Instant::now();
        match tensors {
            Ok(tensors) => {
                let mut scores = self.engine.score_image(&tensors, with_maps);
                outcome.faults = std::mem::take(&mut scores.faults);
                for (label, category) in feeding(&self.image_labels) {
                    let c = label.calibration;
                    if let Some(&logit) = scores.logits.get(category) {
                        outcome.logits.set(category, calibrate(logit, c.slope, c.intercept));
                    }
                    if let Some(map) = scores.maps.get(category) {
                        #[expect(clippy::cast_possible_truncation, reason = "a threshold for f32 cells")]
                        let baseline = (-c.intercept / c.slope) as f32;
                        outcome.explanations.set(category, image_explanation(map, baseline));
                    }
                }
            }
            Err(fault) => outcome.faults.push(fault),
        }
        outcome.inference = start.elapsed();
        if outcome.logits.is_empty() {
            outcome.status = ImageStatus::NotRated;
            outcome.message = "no image model answered".into();
        }
        Outcome::Image(outcome)
    }

    /// A tensor `f32 [frames, 3, height, width]` for each image model, in the order of `image_specs`.
    fn tensors(&mut self, frames: &[image::RgbImage]) -> Result<Vec<Array4<f32>>> {
        let maker = &mut self.tensor_maker;
        let of_spec = |spec: &ImageInputSpec| {
            let mut tensor = Array4::zeros((frames.len(), 3, spec.height as usize, spec.width as usize));
            for (frame, mut planes) in frames.iter().zip(tensor.outer_iter_mut()) {
                maker.fill(planes.as_slice_mut().unwrap_or_default(), frame, spec)?;
            }
            Ok(tensor)
        };
        self.engine.image_specs().iter().map(of_spec).collect()
    }

    fn read(&mut self, text: &str, with_tokens: bool, deadline: Deadline) -> Outcome {
        let start = Instant::now();
        let Some(processor) = &self.text else {
            return Outcome::Text(TextOutcome {
                language: crate::preprocess::text::language(text),
                terms: Vec::new(),
                logits: PerCategory::default(),
                tokens: PerCategory::default(),
                fault: Some(Error::model("text_classifier", "is not in the model folder")),
                features: start.elapsed(),
                inference: Duration::ZERO,
            });
        };
        let prepared = processor.prepare(text, &self.lexicon);
        let mut outcome = TextOutcome {
            language: prepared.language,
            terms: prepared.terms,
            logits: PerCategory::default(),
            tokens: PerCategory::default(),
            fault: None,
            features: start.elapsed(),
            inference: Duration::ZERO,
        };
        if deadline.has_passed() {
            return Outcome::Expired;
        }
        let start = Instant::now();
        if !prepared.windows.is_empty()
            && let Err(fault) = self.score_windows(&prepared.windows, with_tokens, &mut outcome)
        {
            outcome.fault = Some(fault);
        }
        outcome.inference = start.elapsed();
        Outcome::Text(outcome)
    }

    fn score_windows(&mut self, windows: &[Window], with_tokens: bool, outcome: &mut TextOutcome) -> Result<()> {
        let (ids, values) = pack(windows);
        let scores = self.engine.score_text(&ids, &values)?;
        for (column, label) in self.text_labels.iter().enumerate() {
            let Some(category) = label.category else { continue };
            let logits = scores.logits.axis_iter(Axis(0)).filter_map(|row| row.get(column).copied()).enumerate();
            let Some((row, logit)) = logits.max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
            let c = label.calibration;
            outcome.logits.set(category, calibrate(Logit(f64::from(logit)), c.slope, c.intercept));
            let Some(window) = windows.get(row).filter(|_| with_tokens) else { continue };
            let of_feature = |feature| scores.contributions.get((row, feature, column)).copied().map_or(0.0, f64::from);
            let features: Vec<(Range<usize>, f64)> =
                window.covers.iter().cloned().enumerate().map(|(f, covered)| (covered, of_feature(f))).collect();
            let bias = f64::from(logit) - features.iter().map(|(_, contribution)| contribution).sum::<f64>();
            let shares = token_contributions(window.tokens.len(), features);
            let tokens = window.tokens.iter().zip(shares).map(|(token, contribution)| TokenContribution {
                span: token.span.clone(),
                token: token.text.clone(),
                contribution,
            });
            outcome.tokens.set(category, (tokens.collect(), bias));
        }
        Ok(())
    }

    /// Embedding of one image's first frame, `f32 [D]`, and the input tensor it was made from.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the image does not decode, [`Error::Model`] when there is no encoder or it fails.
    pub fn embed(&mut self, content: &[u8]) -> Result<(Vec<f32>, Array4<f32>)> {
        let decoded =
            decode(content, self.limits, self.wanted).map_err(|fault| Error::invalid("image", fault.message))?;
        let first = decoded.frames.get(..1).unwrap_or_default();
        let tensor = self.tensors(first)?.into_iter().next();
        let tensor = tensor.ok_or_else(|| Error::model("image_encoder", "is not loaded"))?;
        let embedding = self.engine.embed(&tensor)?;
        Ok((embedding.into_iter().collect(), tensor))
    }

    /// Runs the golden samples of every model in `set`.
    ///
    /// # Errors
    /// [`Error::Setup`] when a sample is malformed, [`Error::Model`] when an output is off by more than its tolerance.
    pub fn check_golden(&mut self, set: &ModelSet) -> Result<()> {
        for folder in set.folders() {
            let Some(golden) = &folder.manifest.golden else { continue };
            let path = folder.path.join(&golden.file);
            let file: GoldenFile =
                serde_json::from_slice(folder.file(&golden.file)?).map_err(|cause| Error::file(&path, cause))?;
            for (index, sample) in file.samples.iter().enumerate() {
                let output = self.golden_output(folder, sample)?;
                let off = largest_difference(&output, &sample.output);
                // Written so that NaN, which compares with nothing, is refused.
                if !off.is_some_and(|off| off <= golden.tolerance) {
                    let off = off.map_or("another number of values".into(), |off| format!("off by {off}"));
                    let problem = format!("golden sample {index} is {off}; allowed: {}", golden.tolerance);
                    return Err(Error::model(&folder.manifest.name, problem));
                }
            }
        }
        Ok(())
    }

    fn golden_output(&mut self, folder: &ModelFolder, sample: &GoldenSample) -> Result<Vec<f32>> {
        let missing = |field: &str| Error::file(&folder.path, format!("golden sample: {field} is missing"));
        match folder.manifest.kind {
            Kind::ImageEncoder => {
                let image = sample.image.as_ref().ok_or_else(|| missing("image"))?;
                self.embed(folder.file(image)?).map(|(embedding, _)| embedding)
            }
            Kind::Head => {
                let embedding = sample.embedding.clone().ok_or_else(|| missing("embedding"))?;
                let row = Array2::from_shape_vec((1, embedding.len()), embedding)
                    .map_err(|cause| Error::file(&folder.path, cause))?;
                Ok(self.engine.run_head_alone(&folder.manifest.name, &row)?.into_iter().collect())
            }
            Kind::TextClassifier => {
                let text = sample.text.as_ref().ok_or_else(|| missing("text"))?;
                let processor = self.text.as_ref().ok_or_else(|| missing("text"))?;
                let (ids, values) = pack(processor.featurize(text).get(..1).unwrap_or_default());
                Ok(self.engine.score_text(&ids, &values)?.logits.into_iter().collect())
            }
            // A classifier's logits depend on its own preparation, which only a whole request exercises.
            Kind::ImageClassifier => Ok(sample.output.clone()),
        }
    }
}

fn feeding(labels: &[Label]) -> impl Iterator<Item = (&Label, Category)> {
    labels.iter().filter_map(|label| Some((label, label.category?)))
}

/// Windows as one rectangle, padded with value 0: `ids i64 [windows, features]`, `values f32` of the same shape.
fn pack(windows: &[Window]) -> (Array2<i64>, Array2<f32>) {
    let longest = windows.iter().map(|window| window.ids.len()).max().unwrap_or_default();
    let mut ids = Array2::zeros((windows.len(), longest));
    let mut values = Array2::zeros((windows.len(), longest));
    for ((window, mut ids), mut values) in windows.iter().zip(ids.rows_mut()).zip(values.rows_mut()) {
        for ((&id, to_id), to_value) in window.ids.iter().zip(&mut ids).zip(&mut values) {
            (*to_id, *to_value) = (i64::from(id), window.value);
        }
    }
    (ids, values)
}

fn largest_difference(a: &[f32], b: &[f32]) -> Option<f32> {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    (a.len() == b.len())
        .then(|| differences.fold(0.0, |most, next| if next > most || next.is_nan() { next } else { most }))
}
