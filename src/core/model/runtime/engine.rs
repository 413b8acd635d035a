//! The models that serve together. Tensors in, logits out; neither preprocessing nor policy.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, Array3, Array4, ArrayView2, ArrayView4, ArrayViewD, Axis};

use crate::domain::Logit;
use crate::error::{Error, Result};
use crate::input_spec::ImageInputSpec;
use crate::model::folder::ModelFolder;
use crate::model::folder::check::Checks;
use crate::model::folder::set::ModelSet;
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::occlusion::{self, GoOn, Shared};
use crate::model::runtime::pace::Budget;
use crate::model::runtime::provider::Provider;
use crate::model::runtime::session::Runtime;
use crate::model::runtime::tensor::Input;

/// What the scorers make of an image, before calibration.
#[derive(Debug, Default)]
pub struct ImageScores {
    /// Of every label, in the order of [`Engine::image_scorers`] and of their labels; `None`: its model failed.
    pub labels: Vec<Option<LabelScore>>,
    /// Models that failed.
    pub faults: Vec<Error>,
}

/// What an image is to a label.
#[derive(Debug)]
pub struct LabelScore {
    /// Of a label that feeds a category the best frame's logit; of others the least of all frames, so that all show it.
    pub logit: Logit,
    /// Where in the best frame the evidence is; when asked for.
    pub map: Option<ScoreMap>,
}

/// Where in a picture a logit comes from, `[rows, columns]`.
#[derive(Debug)]
pub enum ScoreMap {
    /// The logit at each cell of a feature map.
    Cells(Array2<f32>),
    /// What the logit loses without each part.
    Occlusion(Array2<f32>),
}

impl ScoreMap {
    /// The values, whatever they are.
    pub fn cells(&self) -> &Array2<f32> {
        match self {
            Self::Cells(cells) | Self::Occlusion(cells) => cells,
        }
    }
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
    encoders: Vec<Arc<LoadedModel>>,
    heads: Vec<ImageScorer>,
    classifiers: Vec<ImageScorer>,
    texts: Vec<Arc<LoadedModel>>,
    detectors: Vec<Arc<LoadedModel>>,
    recognizers: Vec<Arc<LoadedModel>>,
    image_specs: Vec<ImageInputSpec>,
}

/// A scorer over images, and what it reads and fills in.
#[derive(Debug)]
struct ImageScorer {
    model: Arc<LoadedModel>,
    /// Place of the encoder it reads; none: it takes the image itself.
    encoder: Option<usize>,
    /// Place of its first label in [`ImageScores::labels`].
    first_label: usize,
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
        let mut first_label = 0;
        let mut scorer = |folder: &Arc<ModelFolder>, encoder| {
            let scorer = ImageScorer { model: load(folder)?, encoder, first_label };
            first_label += folder.manifest.labels.len();
            Ok(scorer)
        };
        let heads = set.heads.iter().map(|head| scorer(&head.folder, head.encoder)).collect::<Result<Vec<_>>>()?;
        let classifiers =
            set.image_classifiers.iter().map(|folder| scorer(folder, None)).collect::<Result<Vec<_>>>()?;
        let encoders = set.encoders.iter().map(load).collect::<Result<Vec<_>>>()?;
        let texts = set.text_scorers.iter().map(load).collect::<Result<Vec<_>>>()?;
        let detectors = set.text_detectors.iter().map(load).collect::<Result<Vec<_>>>()?;
        let recognizers = set.text_recognizers.iter().map(load).collect::<Result<Vec<_>>>()?;
        let image_models = encoders.iter().chain(classifiers.iter().map(|scorer| &scorer.model));
        let image_specs = image_models.filter_map(|model| model.folder().manifest.image.clone()).collect();
        Ok(Self { encoders, heads, classifiers, texts, detectors, recognizers, image_specs })
    }

    /// Every model.
    pub fn models(&self) -> impl Iterator<Item = &Arc<LoadedModel>> {
        self.image_models().chain(&self.texts).chain(&self.detectors).chain(&self.recognizers)
    }

    /// How many models each execution provider carries out.
    pub fn providers(&self) -> BTreeMap<Provider, u32> {
        let mut counts = BTreeMap::new();
        self.models().for_each(|model| *counts.entry(model.provider()).or_default() += 1);
        counts
    }

    /// Every model over images.
    pub fn image_models(&self) -> impl Iterator<Item = &Arc<LoadedModel>> {
        self.encoders.iter().chain(self.image_scorers())
    }

    /// Image encoders.
    pub fn encoders(&self) -> &[Arc<LoadedModel>] {
        &self.encoders
    }

    /// Models over images that give logits.
    pub fn image_scorers(&self) -> impl Iterator<Item = &Arc<LoadedModel>> {
        self.heads.iter().chain(&self.classifiers).map(|scorer| &scorer.model)
    }

    /// The model that finds lines of words in a picture, and the one that reads them, where both are there.
    pub fn readers(&self) -> Option<(&Arc<LoadedModel>, &Arc<LoadedModel>)> {
        self.detectors.first().zip(self.recognizers.first())
    }

    /// Models that read texts.
    pub fn text_scorers(&self) -> &[Arc<LoadedModel>] {
        &self.texts
    }

    /// How each image model wants its input, in the order [`Self::score_images`] takes tensors.
    pub fn image_specs(&self) -> &[ImageInputSpec] {
        &self.image_specs
    }

    /// The scorers behind each input, in the order of [`Self::image_specs`]: heads of an encoder, or the classifier itself.
    pub fn scorers_by_input(&self) -> impl Iterator<Item = Vec<&Arc<LoadedModel>>> {
        let heads = |place: usize| self.heads.iter().filter(move |head| head.encoder == Some(place));
        let of_encoders = (0..self.encoders.len()).map(move |place| heads(place).map(|head| &head.model).collect());
        of_encoders.chain(self.classifiers.iter().map(|classifier| vec![&classifier.model]))
    }

    /// Scores a batch of images on the sessions of `worker`. `tensors[i]` is `f32 [rows, 3, height, width]` as
    /// `image_specs()[i]` says, and image `k` owns the rows `images[k]`, one a frame; what reads an input without a tensor does not
    /// run. An encoder runs once for all its heads; a model that fails leaves its labels without a score and its error in `faults`. `maps`: they are asked for,
    /// as long as it says so.
    pub fn score_images(
        &self,
        worker: usize,
        tensors: &[Option<ArrayView4<'_, f32>>],
        images: &[Range<usize>],
        maps: Option<GoOn<'_>>,
    ) -> Vec<ImageScores> {
        let labels = self.image_scorers().map(|model| model.folder().manifest.labels.len()).sum();
        let unscored = || ImageScores { labels: (0..labels).map(|_| None).collect(), faults: Vec::new() };
        let mut scores: Vec<ImageScores> = images.iter().map(|_| unscored()).collect();
        let (of_encoders, of_classifiers) = tensors.split_at(self.encoders.len().min(tensors.len()));
        for (place, (encoder, tensor)) in self.encoders.iter().zip(of_encoders).enumerate() {
            let Some(tensor) = tensor else { continue };
            match encoder.embed(worker, tensor.view().into_dyn(), maps.is_some()) {
                Ok((embedding, feature_map)) => {
                    let shared = Shared::default();
                    let covered_at = |row: usize, go_on: GoOn<'_>| {
                        let embed = |planes: ArrayViewD<'_, f32>| Ok(encoder.embed(worker, planes, false)?.0);
                        shared.get(row, || occlusion::covered(tensor, row, go_on, embed))
                    };
                    for head in self.heads.iter().filter(|head| head.encoder == Some(place)) {
                        let logits = head.model.logits(worker, embedding.view().into_dyn());
                        spread(head, logits, images, &mut scores, |logits, rows, scores| {
                            let best = keep_best(head, &logits, rows.start, scores)?;
                            let Some(go_on) = maps else { return Ok(()) };
                            best.into_iter().try_for_each(|best| match &feature_map {
                                Some(map) => add_map(&head.model, worker, map, best, scores),
                                None => {
                                    let Some(covered) = covered_at(best.row, go_on)? else { return Ok(()) };
                                    let logits = head.model.logits(worker, covered.view().into_dyn())?;
                                    add_lost(&best, &logits, scores);
                                    Ok(())
                                }
                            })
                        });
                    }
                }
                Err(fault) => scores.iter_mut().for_each(|scores| scores.faults.push(fault.clone())),
            }
        }
        for (classifier, tensor) in self.classifiers.iter().zip(of_classifiers) {
            let Some(tensor) = tensor else { continue };
            let shared = Shared::default();
            let logits = classifier.model.logits(worker, tensor.view().into_dyn());
            spread(classifier, logits, images, &mut scores, |logits, rows, scores| {
                let best = keep_best(classifier, &logits, rows.start, scores)?;
                let Some(go_on) = maps else { return Ok(()) };
                best.into_iter().try_for_each(|best| {
                    let run = |planes: ArrayViewD<'_, f32>| classifier.model.logits(worker, planes);
                    let covered = shared.get(best.row, || occlusion::covered(tensor, best.row, go_on, run))?;
                    covered.iter().for_each(|covered| add_lost(&best, covered, scores));
                    Ok(())
                })
            });
        }
        scores
    }
}

/// Scores windows of hashed features with `text`, a scorer of texts: `ids` `i64 [windows, features]`, `values` `f32` of the same
/// shape, 0 where padded.
///
/// # Errors
/// [`Error::Model`] when the model fails, or gives a non-finite score.
pub fn score_text(
    text: &LoadedModel,
    worker: usize,
    ids: &Array2<i64>,
    values: &Array2<f32>,
    with_contributions: bool,
) -> Result<TextScores> {
    let inputs = [("ids", Input::I64(ids.view().into_dyn())), ("values", Input::F32(values.view().into_dyn()))];
    let wanted: &[&str] = if with_contributions { &["logits", "contributions"] } else { &["logits"] };
    let mut outputs = text.run(worker, &inputs, wanted)?.into_iter();
    let logits = outputs.next().ok_or_else(|| Error::model(text.name(), "gave no logits"))?;
    let logits: Array2<f32> = text.shaped(logits)?;
    finite(text, logits.view())?;
    let contributions = outputs.next().map(|array| text.shaped(array)).transpose()?;
    Ok(TextScores { logits, contributions })
}

/// Gives each image its rows of a model's logits. A row that is not finite is that image's fault alone.
fn spread(
    scorer: &ImageScorer,
    logits: Result<Array2<f32>>,
    images: &[Range<usize>],
    scores: &mut [ImageScores],
    keep: impl Fn(ArrayView2<'_, f32>, &Range<usize>, &mut ImageScores) -> Result<()>,
) {
    let model = &scorer.model;
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

/// The best row of a label that feeds a category: its column, its place among all labels, and the row in the batch.
struct Best {
    column: usize,
    place: usize,
    row: usize,
}

/// Keeps the best frame's logit of every label that feeds a category, and the least of the others. `logits` begin at row `first` of the batch.
fn keep_best(
    scorer: &ImageScorer,
    logits: &ArrayView2<'_, f32>,
    first: usize,
    scores: &mut ImageScores,
) -> Result<Vec<Best>> {
    let model = &scorer.model;
    let mut kept = Vec::new();
    for (column, label) in model.folder().manifest.labels.iter().enumerate() {
        let frames = logits.axis_iter(Axis(0)).map(|row| row.get(column).copied());
        let frames = frames.enumerate().filter_map(|(frame, logit)| Some((frame, logit?)));
        let by_logit = |a: &(usize, f32), b: &(usize, f32)| a.1.total_cmp(&b.1);
        let found = if label.category.is_some() { frames.max_by(by_logit) } else { frames.min_by(by_logit) };
        let none = || Error::model(model.name(), format!("gave no column for label {}", label.name));
        let (frame, logit) = found.ok_or_else(none)?;
        let place = scorer.first_label + column;
        if let Some(slot) = scores.labels.get_mut(place) {
            *slot = Some(LabelScore { logit: Logit(f64::from(logit)), map: None });
        }
        if label.category.is_some() {
            kept.push(Best { column, place, row: first + frame });
        }
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
    let at_cells = head.logits(worker, cells.view().into_dyn())?;
    finite(head, at_cells.view())?;
    let values = at_cells.index_axis(Axis(1), best.column).to_vec();
    let grid = Array2::from_shape_vec((rows, columns), values).map_err(|cause| Error::model(name, cause))?;
    if let Some(Some(score)) = scores.labels.get_mut(best.place) {
        score.map = Some(ScoreMap::Cells(grid));
    }
    Ok(())
}

/// What the best row loses without each of its parts.
#[expect(clippy::cast_possible_truncation, reason = "a logit that came as f32")]
fn add_lost(best: &Best, covered: &Array2<f32>, scores: &mut ImageScores) {
    if let Some(Some(score)) = scores.labels.get_mut(best.place) {
        score.map = Some(ScoreMap::Occlusion(occlusion::lost(score.logit.0 as f32, covered, best.column)));
    }
}

/// A non-finite score is a fault of the model, never a rating.
fn finite(model: &LoadedModel, logits: ArrayView2<'_, f32>) -> Result<()> {
    let all = logits.iter().all(|value| value.is_finite());
    if all { Ok(()) } else { Err(Error::model(model.name(), "gave a non-finite score")) }
}
