//! The models that serve together. Tensors in, logits out; neither preprocessing nor policy.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, Array3, Array4, ArrayView2, ArrayView4, Axis};

use crate::domain::{Category, Logit, PerCategory};
use crate::error::{Error, Result};
use crate::input_spec::ImageInputSpec;
use crate::model::folder::ModelFolder;
use crate::model::folder::check::Checks;
use crate::model::folder::set::ModelSet;
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::pace::Budget;
use crate::model::runtime::session::{Input, Runtime};

/// Logits of an image, before calibration: of each category the best frame's.
#[derive(Debug, Default)]
pub struct ImageScores {
    /// Raw logits.
    pub logits: PerCategory<Logit>,
    /// Raw logits of labels that feed no category, by name: the least of all frames, so that all show it.
    pub informing: Vec<(String, Logit)>,
    /// The category's logit at each cell `[rows, columns]` of the best frame's feature map.
    pub maps: PerCategory<Array2<f32>>,
    /// Models that failed; their categories have no logit.
    pub faults: Vec<Error>,
}

/// Logits of windows of text, before calibration.
#[derive(Debug)]
pub struct TextScores {
    /// `[windows, labels]`.
    pub logits: Array2<f32>,
    /// `[windows, features, labels]`: what each feature added. `logits` minus their sum is the bias.
    pub contributions: Option<Array3<f32>>,
}

/// The models of a set.
#[derive(Debug)]
pub struct Engine {
    encoder: Option<Arc<LoadedModel>>,
    heads: Vec<Arc<LoadedModel>>,
    classifiers: Vec<Arc<LoadedModel>>,
    text: Option<Arc<LoadedModel>>,
    image_specs: Vec<ImageInputSpec>,
}

impl Engine {
    /// Loads every model of `set`; those that `loaded` already holds are taken from there.
    ///
    /// # Errors
    /// [`Error::Setup`] naming file and value; see [`LoadedModel::load`].
    pub fn load(
        runtime: Runtime,
        set: &ModelSet,
        budget: Budget,
        loaded: &[Arc<LoadedModel>],
        checks: &Checks<'_>,
    ) -> Result<Self> {
        let load = |folder: &Arc<ModelFolder>| {
            let same = loaded.iter().find(|model| model.folder().identity == folder.identity);
            same.map_or_else(
                || LoadedModel::load(runtime, folder, budget, checks).map(Arc::new),
                |model| Ok(Arc::clone(model)),
            )
        };
        let encoder = set.encoder.as_ref().map(load).transpose()?;
        let heads = set.heads.iter().map(load).collect::<Result<Vec<_>>>()?;
        let classifiers = set.image_classifiers.iter().map(load).collect::<Result<Vec<_>>>()?;
        let text = set.text.as_ref().map(load).transpose()?;
        let image_models = encoder.iter().chain(&classifiers);
        let image_specs = image_models.filter_map(|model| model.folder().manifest.image.clone()).collect();
        Ok(Self { encoder, heads, classifiers, text, image_specs })
    }

    /// Every model.
    pub fn models(&self) -> impl Iterator<Item = &Arc<LoadedModel>> {
        self.image_models().chain(&self.text)
    }

    /// Every model over images.
    pub fn image_models(&self) -> impl Iterator<Item = &Arc<LoadedModel>> {
        self.encoder.iter().chain(self.image_scorers())
    }

    /// Models over images that give logits: all but the encoder.
    pub fn image_scorers(&self) -> impl Iterator<Item = &Arc<LoadedModel>> {
        self.heads.iter().chain(&self.classifiers)
    }

    /// The text classifier.
    pub fn text(&self) -> Option<&Arc<LoadedModel>> {
        self.text.as_ref()
    }

    /// How each image model wants its input, in the order [`Self::score_images`] takes tensors.
    pub fn image_specs(&self) -> &[ImageInputSpec] {
        &self.image_specs
    }

    /// Scores a batch of images on the sessions of `worker`. `tensors[i]` is `f32 [rows, 3, height, width]` as
    /// `image_specs()[i]` says, and image `k` owns the rows `images[k]`, one a frame. The encoder runs once for all; a
    /// model that fails leaves its categories without a logit and its error in `faults`.
    pub fn score_images(
        &self,
        worker: usize,
        tensors: &[ArrayView4<'_, f32>],
        images: &[Range<usize>],
        with_maps: bool,
    ) -> Vec<ImageScores> {
        let mut scores: Vec<ImageScores> = images.iter().map(|_| ImageScores::default()).collect();
        let mut tensors = tensors.iter();
        // The first tensor is the encoder's only when there is an encoder.
        if let Some(encoder) = &self.encoder
            && let Some(tensor) = tensors.next()
        {
            match encode(encoder, worker, tensor, with_maps) {
                Ok((embedding, feature_map)) => {
                    for head in &self.heads {
                        let logits = head.logits(worker, Input::F32(embedding.view().into_dyn()));
                        spread(head, logits, images, &mut scores, |logits, rows, scores| {
                            let best = keep_best(head, &logits, rows.start, scores)?;
                            let Some(map) = &feature_map else { return Ok(()) };
                            best.into_iter().try_for_each(|best| add_map(head, worker, map, best, scores))
                        });
                    }
                }
                Err(fault) => scores.iter_mut().for_each(|scores| scores.faults.push(fault.clone())),
            }
        }
        for (classifier, tensor) in self.classifiers.iter().zip(tensors) {
            let logits = classifier.logits(worker, Input::F32(tensor.view().into_dyn()));
            spread(classifier, logits, images, &mut scores, |logits, rows, scores| {
                keep_best(classifier, &logits, rows.start, scores).map(|_| ())
            });
        }
        scores
    }

    /// Scores windows of hashed features: `ids` `i64 [windows, features]`, `values` `f32` of the same shape, 0 where
    /// padded.
    ///
    /// # Errors
    /// [`Error::Model`] when there is no text model, it fails, or it gives a non-finite score.
    pub fn score_text(
        &self,
        worker: usize,
        ids: &Array2<i64>,
        values: &Array2<f32>,
        with_contributions: bool,
    ) -> Result<TextScores> {
        let text = self.text.as_ref().ok_or_else(|| Error::model("text_classifier", "is not loaded"))?;
        let inputs = [("ids", Input::I64(ids.view().into_dyn())), ("values", Input::F32(values.view().into_dyn()))];
        let wanted: &[&str] = if with_contributions { &["logits", "contributions"] } else { &["logits"] };
        let mut outputs = text.run(worker, &inputs, wanted)?.into_iter();
        let logits = outputs.next().ok_or_else(|| Error::model(text.name(), "gave no logits"))?;
        let logits: Array2<f32> = text.shaped(logits)?;
        finite(text, logits.view())?;
        let contributions = outputs.next().map(|array| text.shaped(array)).transpose()?;
        Ok(TextScores { logits, contributions })
    }
}

fn encode(
    encoder: &LoadedModel,
    worker: usize,
    tensor: &ArrayView4<'_, f32>,
    with_map: bool,
) -> Result<(Array2<f32>, Option<Array4<f32>>)> {
    let wanted: &[&str] = if with_map { &["embedding", "feature_map"] } else { &["embedding"] };
    let input = encoder.folder().manifest.inputs.first().map(|input| input.name.as_str()).unwrap_or_default();
    let mut outputs = encoder.run(worker, &[(input, Input::F32(tensor.view().into_dyn()))], wanted)?.into_iter();
    let embedding = outputs.next().ok_or_else(|| Error::model(encoder.name(), "gave no embedding"))?;
    let feature_map = outputs.next().map(|map| encoder.shaped(map)).transpose()?;
    Ok((encoder.shaped(embedding)?, feature_map))
}

/// Gives each image its rows of a model's logits. A row that is not finite is that image's fault alone.
fn spread(
    model: &LoadedModel,
    logits: Result<Array2<f32>>,
    images: &[Range<usize>],
    scores: &mut [ImageScores],
    keep: impl Fn(ArrayView2<'_, f32>, &Range<usize>, &mut ImageScores) -> Result<()>,
) {
    let last = images.last().map_or(0, |rows| rows.end);
    let logits = logits.and_then(|logits| {
        let enough = logits.nrows() >= last;
        if enough { Ok(logits) } else { Err(Error::model(model.name(), format!("gave {} rows", logits.nrows()))) }
    });
    for (rows, scores) in images.iter().zip(scores) {
        let kept = logits.as_ref().map_err(Clone::clone).and_then(|logits| {
            let own = logits.slice_axis(Axis(0), rows.clone().into());
            finite(model, own)?;
            keep(own, rows, scores)
        });
        if let Err(fault) = kept {
            scores.faults.push(fault);
        }
    }
}

/// The best row of one category: its label's column and the row in the batch.
struct Best {
    category: Category,
    column: usize,
    row: usize,
}

/// Keeps the best frame's logit of every label that feeds a category, and the least of the others. `logits` begin at row `first` of the batch.
fn keep_best(
    model: &LoadedModel,
    logits: &ArrayView2<'_, f32>,
    first: usize,
    scores: &mut ImageScores,
) -> Result<Vec<Best>> {
    let mut kept = Vec::new();
    for (column, label) in model.folder().manifest.labels.iter().enumerate() {
        let frames = logits.axis_iter(Axis(0)).map(|row| row.get(column).copied());
        let frames = frames.enumerate().filter_map(|(frame, logit)| Some((frame, logit?)));
        let none = || Error::model(model.name(), format!("gave no column for label {}", label.name));
        let Some(category) = label.category else {
            let (_, least) = frames.min_by(|a, b| a.1.total_cmp(&b.1)).ok_or_else(none)?;
            scores.informing.push((label.name.clone(), Logit(f64::from(least))));
            continue;
        };
        let (frame, logit) = frames.max_by(|a, b| a.1.total_cmp(&b.1)).ok_or_else(none)?;
        scores.logits.set(category, Logit(f64::from(logit)));
        kept.push(Best { category, column, row: first + frame });
    }
    Ok(kept)
}

/// The head, applied to each cell as if the cell were the whole image. For a linear head over the average-pooled map the
/// mean of these logits is the image's logit, so the map is exact (Zhou et al. 2016).
fn add_map(head: &LoadedModel, worker: usize, maps: &Array4<f32>, best: Best, scores: &mut ImageScores) -> Result<()> {
    let map = maps.index_axis(Axis(0), best.row);
    let (dimensions, rows, columns) = map.dim();
    let name = head.name();
    let cells = map.permuted_axes([1, 2, 0]).as_standard_layout().into_owned();
    let cells = cells.into_shape_with_order((rows * columns, dimensions)).map_err(|c| Error::model(name, c))?;
    let at_cells = head.logits(worker, Input::F32(cells.view().into_dyn()))?;
    finite(head, at_cells.view())?;
    let values = at_cells.index_axis(Axis(1), best.column).to_vec();
    let grid = Array2::from_shape_vec((rows, columns), values).map_err(|cause| Error::model(name, cause))?;
    scores.maps.set(best.category, grid);
    Ok(())
}

/// A non-finite score is a fault of the model, never a rating.
fn finite(model: &LoadedModel, logits: ArrayView2<'_, f32>) -> Result<()> {
    let all = logits.iter().all(|value| value.is_finite());
    if all { Ok(()) } else { Err(Error::model(model.name(), "gave a non-finite score")) }
}
