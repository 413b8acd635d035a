//! The sessions of one model set, owned by one thread. Tensors in, logits out; neither preprocessing nor policy.

use std::sync::Arc;

use ndarray::{Array2, Array3, Array4, ArrayD, Axis};

use crate::domain::{Category, Logit, PerCategory};
use crate::error::{Error, Result};
use crate::input_spec::ImageInputSpec;
use crate::model::registry::{ModelFolder, ModelSet};
use crate::model::session::{Input, Runtime, Session, TensorSpec};

/// Logits of an image, before calibration: of each category the best frame's.
#[derive(Debug, Default)]
pub struct ImageScores {
    /// Raw logits.
    pub logits: PerCategory<Logit>,
    /// The category's logit at each cell `[rows, columns]` of the best frame's feature map.
    pub maps: PerCategory<Array2<f32>>,
    /// Models that failed; their categories have no logit.
    pub faults: Vec<Error>,
}

/// Logits of a text's windows, before calibration.
#[derive(Debug)]
pub struct TextScores {
    /// `[windows, labels]`.
    pub logits: Array2<f32>,
    /// `[windows, features, labels]`: what each feature added. `logits` minus their sum is the bias.
    pub contributions: Array3<f32>,
}

/// The sessions of a set.
#[derive(Debug)]
pub struct Engine {
    encoder: Option<Loaded>,
    heads: Vec<Loaded>,
    classifiers: Vec<Loaded>,
    text: Option<Loaded>,
    image_specs: Vec<ImageInputSpec>,
}

#[derive(Debug)]
struct Loaded {
    folder: Arc<ModelFolder>,
    session: Session,
}

impl Engine {
    /// Loads every model of `set`, each to run on `threads` threads, and checks graphs against manifests.
    ///
    /// # Errors
    /// [`Error::Model`] when a model does not load; [`Error::Setup`] when graph and manifest differ, or a head does not
    /// fit the encoder.
    pub fn load(runtime: Runtime, set: &ModelSet, threads: usize) -> Result<Self> {
        let load = |folder: &Arc<ModelFolder>| Loaded::load(runtime, folder, threads);
        let encoder = set.encoder.as_ref().map(load).transpose()?;
        let heads = set.heads.iter().map(load).collect::<Result<Vec<_>>>()?;
        if let Some(encoder) = &encoder {
            let dimensions = encoder.output("embedding")?.shape.last().copied();
            for head in &heads {
                let wanted = head.folder.manifest.inputs.first().and_then(|input| input.shape.last().copied());
                if wanted != dimensions {
                    let problem = format!("reads embeddings of {wanted:?} values, the encoder gives {dimensions:?}");
                    return Err(Error::file(&head.folder.path, problem));
                }
            }
        }
        let classifiers = set.image_classifiers.iter().map(load).collect::<Result<Vec<_>>>()?;
        let text = set.text.as_ref().map(load).transpose()?;
        let image_models = encoder.iter().chain(&classifiers);
        let image_specs = image_models.filter_map(|model| model.folder.manifest.image.clone()).collect();
        Ok(Self { encoder, heads, classifiers, text, image_specs })
    }

    /// How each image model wants its input, in the order [`Self::score_image`] takes tensors.
    pub fn image_specs(&self) -> &[ImageInputSpec] {
        &self.image_specs
    }

    /// Scores the frames of one image: `tensors[i]` is `f32 [frames, 3, height, width]` as `image_specs()[i]` says.
    /// The encoder runs once; a model that fails leaves its categories without a logit and its error in `faults`.
    pub fn score_image(&mut self, tensors: &[Array4<f32>], with_maps: bool) -> ImageScores {
        let mut scores = ImageScores::default();
        let mut tensors = tensors.iter();
        // The first tensor is the encoder's only when there is an encoder.
        if let Some(encoder) = &mut self.encoder
            && let Some(tensor) = tensors.next()
        {
            match encode(encoder, tensor, with_maps) {
                Ok((embedding, feature_map)) => {
                    for head in &mut self.heads {
                        if let Err(fault) = run_head(head, &embedding, feature_map.as_ref(), &mut scores) {
                            scores.faults.push(fault);
                        }
                    }
                }
                Err(fault) => scores.faults.push(fault),
            }
        }
        for (classifier, tensor) in self.classifiers.iter_mut().zip(tensors) {
            let outcome = classifier
                .logits(&[Input::F32(tensor.view().into_dyn())])
                .and_then(|logits| classifier.keep_best(&logits, &mut scores));
            if let Err(fault) = outcome {
                scores.faults.push(fault);
            }
        }
        scores
    }

    /// The encoder's embedding of `tensor`, `f32 [frames, D]`.
    ///
    /// # Errors
    /// [`Error::Model`] when there is no encoder or it fails.
    pub fn embed(&mut self, tensor: &Array4<f32>) -> Result<Array2<f32>> {
        let encoder = self.encoder.as_mut().ok_or_else(|| Error::model("image_encoder", "is not loaded"))?;
        encode(encoder, tensor, false).map(|(embedding, _)| embedding)
    }

    /// Scores windows of hashed features: `ids` `i64 [windows, features]`, `values` `f32` of the same shape, 0 where
    /// padded.
    ///
    /// # Errors
    /// [`Error::Model`] when there is no text model, it fails, or it gives a non-finite score.
    pub fn score_text(&mut self, ids: &Array2<i64>, values: &Array2<f32>) -> Result<TextScores> {
        let text = self.text.as_mut().ok_or_else(|| Error::model("text_classifier", "is not loaded"))?;
        let inputs = [("ids", Input::I64(ids.view().into_dyn())), ("values", Input::F32(values.view().into_dyn()))];
        let mut outputs = text.session.run(&inputs, &["logits", "contributions"])?.into_iter();
        let name = text.name();
        let mut next = || outputs.next().ok_or_else(|| Error::model(&name, "gave too few outputs"));
        let logits = finite(&name, shaped(&name, next()?)?)?;
        let contributions = shaped(&name, next()?)?;
        Ok(TextScores { logits, contributions })
    }

    /// Runs a head or a classifier by name on raw inputs: what golden samples do.
    ///
    /// # Errors
    /// [`Error::Model`] when there is no such model or it fails.
    pub fn run_head_alone(&mut self, name: &str, embedding: &Array2<f32>) -> Result<Array2<f32>> {
        let head = self.heads.iter_mut().find(|head| head.folder.manifest.name == name);
        let head = head.ok_or_else(|| Error::model(name, "is not loaded"))?;
        head.logits(&[Input::F32(embedding.view().into_dyn())])
    }
}

impl Loaded {
    fn load(runtime: Runtime, folder: &Arc<ModelFolder>, threads: usize) -> Result<Self> {
        let session = Session::load(runtime, &folder.manifest.name, folder.onnx()?, threads)?;
        let (inputs, outputs) = session.signature();
        let manifest = &folder.manifest;
        for (what, declared, found) in [("inputs", &manifest.inputs, inputs), ("outputs", &manifest.outputs, outputs)] {
            if *declared != found {
                let problem = format!("{what}: the graph has {}, model.toml says {}", list(&found), list(declared));
                return Err(Error::file(&folder.path, problem));
            }
        }
        Ok(Self { folder: Arc::clone(folder), session })
    }

    fn name(&self) -> String {
        self.folder.manifest.name.clone()
    }

    fn output(&self, name: &str) -> Result<&TensorSpec> {
        let outputs = &self.folder.manifest.outputs;
        let missing = || Error::file(&self.folder.path, format!("outputs: there is no {name:?}"));
        outputs.iter().find(|output| output.name == name).ok_or_else(missing)
    }

    /// Runs a model with the inputs of its manifest, in order, and returns `logits [N, labels]`.
    fn logits(&mut self, inputs: &[Input<'_>]) -> Result<Array2<f32>> {
        let name = self.name();
        let names = self.folder.manifest.inputs.iter().map(|input| input.name.as_str());
        let views = inputs.iter().map(|input| match input {
            Input::F32(view) => Input::F32(view.view()),
            Input::I64(view) => Input::I64(view.view()),
        });
        let named: Vec<_> = names.zip(views).collect();
        let output = self.session.run(&named, &["logits"])?.pop();
        finite(&name, shaped(&name, output.ok_or_else(|| Error::model(&name, "gave no output"))?)?)
    }

    /// Keeps the best frame's logit of every label that feeds a category; returns the label's column and that frame.
    fn keep_best(&self, logits: &Array2<f32>, scores: &mut ImageScores) -> Result<Vec<(Category, usize, usize)>> {
        let mut best_frames = Vec::new();
        for (column, label) in self.folder.manifest.labels.iter().enumerate() {
            let Some(category) = label.category else { continue };
            let frames = logits.axis_iter(Axis(0)).map(|row| row.get(column).copied());
            let best = frames.enumerate().filter_map(|(frame, logit)| Some((frame, logit?)));
            let best = best.max_by(|a, b| a.1.total_cmp(&b.1));
            let (frame, logit) =
                best.ok_or_else(|| Error::model(self.name(), format!("gave no column for label {}", label.name)))?;
            scores.logits.set(category, Logit(f64::from(logit)));
            best_frames.push((category, column, frame));
        }
        Ok(best_frames)
    }
}

fn encode(encoder: &mut Loaded, tensor: &Array4<f32>, with_map: bool) -> Result<(Array2<f32>, Option<Array4<f32>>)> {
    let name = encoder.name();
    let wanted: &[&str] = if with_map { &["embedding", "feature_map"] } else { &["embedding"] };
    let input = encoder.folder.manifest.inputs.first().map(|input| input.name.clone()).unwrap_or_default();
    let mut outputs = encoder.session.run(&[(&input, Input::F32(tensor.view().into_dyn()))], wanted)?.into_iter();
    let embedding = outputs.next().ok_or_else(|| Error::model(&name, "gave no embedding"))?;
    let feature_map = outputs.next().map(|map| shaped(&name, map)).transpose()?;
    Ok((shaped(&name, embedding)?, feature_map))
}

fn run_head(
    head: &mut Loaded,
    embedding: &Array2<f32>,
    feature_map: Option<&Array4<f32>>,
    scores: &mut ImageScores,
) -> Result<()> {
    let logits = head.logits(&[Input::F32(embedding.view().into_dyn())])?;
    let best_frames = head.keep_best(&logits, scores)?;
    let Some(feature_map) = feature_map else { return Ok(()) };
    for (category, column, frame) in best_frames {
        // The head, applied to each cell as if the cell were the whole image. For a linear head over the average-pooled
        // map the mean of these logits is the image's logit, so the map is exact (Zhou et al. 2016).
        let map = feature_map.index_axis(Axis(0), frame);
        let (dimensions, rows, columns) = map.dim();
        let name = head.name();
        let cells = map.permuted_axes([1, 2, 0]).as_standard_layout().into_owned();
        let cells = cells.into_shape_with_order((rows * columns, dimensions)).map_err(|c| Error::model(&name, c))?;
        let at_cells = head.logits(&[Input::F32(cells.view().into_dyn())])?;
        let values = at_cells.index_axis(Axis(1), column).to_vec();
        let grid = Array2::from_shape_vec((rows, columns), values).map_err(|cause| Error::model(&name, cause))?;
        scores.maps.set(category, grid);
    }
    Ok(())
}

fn shaped<D: ndarray::Dimension>(model: &str, array: ArrayD<f32>) -> Result<ndarray::Array<f32, D>> {
    let shape = array.shape().to_vec();
    array
        .into_dimensionality()
        .map_err(|cause| Error::model(model, format!("gave an output of shape {shape:?}: {cause}")))
}

/// A non-finite score is a fault of the model, never a rating.
fn finite(model: &str, logits: Array2<f32>) -> Result<Array2<f32>> {
    let all = logits.iter().all(|value| value.is_finite());
    if all { Ok(logits) } else { Err(Error::model(model, "gave a non-finite score")) }
}

fn list(specs: &[TensorSpec]) -> String {
    let one = |spec: &TensorSpec| format!("{} {:?} {:?}", spec.name, spec.dtype, spec.shape).to_lowercase();
    specs.iter().map(one).collect::<Vec<_>>().join(", ")
}
