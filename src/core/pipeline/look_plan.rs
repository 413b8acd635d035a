//! Which model takes part in which look, and who takes more than the first.

use std::sync::Arc;

use super::looks::{Gates, WordsGate};
use crate::domain::{Category, Modality, ModelVersion};
use crate::error::{Error, Result};
use crate::model::runtime::engine::Engine;
use crate::model::runtime::loaded::LoadedModel;
use crate::score::policy::{Looks, Policy};

/// The looks of a generation. Numbers of looks begin at 0, the first.
#[derive(Debug)]
pub(super) struct LookPlan {
    /// Of every image input, in the order of [`Engine::image_specs`].
    inputs: Vec<usize>,
    /// What each model speaks about, and in which look, by the model's name.
    models: Vec<(String, Modality, usize)>,
    /// Who is looked at again, of photos.
    pub images: Gates,
    /// Who is read again, of texts.
    pub texts: Gates,
    /// Whose words are read; `None`: nobody's.
    pub words: Option<WordsGate>,
    /// Every category that is looked for: what is remembered of a photo depends on no caller's choice.
    pub categories: Vec<Category>,
}

impl LookPlan {
    /// As `policy` says, for the models of `engine`.
    ///
    /// # Errors
    /// [`Error::Setup`] when heads of one encoder take part in different looks, since it runs once for all of them, or when a look names
    /// a model in service that scores nothing there.
    pub(super) fn new(engine: &Engine, policy: &Policy) -> Result<Self> {
        let looks = &policy.looks;
        let inputs =
            engine.scorers_by_input().map(|scorers| look_of_input(looks, &scorers)).collect::<Result<Vec<_>>>()?;
        let encoders = engine.encoders().iter().zip(&inputs);
        let encoders = encoders.map(|(encoder, look)| (encoder.name().to_owned(), Modality::Images, *look));
        let scorers = |modality| {
            move |model: &Arc<LoadedModel>| (model.name().to_owned(), modality, looks.number(modality, model.name()))
        };
        let models: Vec<_> = encoders
            .chain(engine.image_scorers().map(scorers(Modality::Images)))
            .chain(engine.text_scorers().iter().map(scorers(Modality::Texts)))
            .collect();
        for modality in [Modality::Images, Modality::Texts] {
            let mut named = looks.of(modality).iter().flat_map(|look| &look.models);
            named.try_for_each(|name| scores(engine, modality, name))?;
            let of = |model: &Arc<LoadedModel>| rates(model).then(|| looks.number(modality, model.name()));
            let numbers: Vec<usize> = match modality {
                Modality::Images => engine.image_scorers().filter_map(of).collect(),
                Modality::Texts => engine.text_scorers().iter().filter_map(of).collect(),
            };
            // Others may be added while it serves, so it is no fault.
            if !numbers.is_empty() && !numbers.contains(&0) {
                tracing::warn!(
                    %modality,
                    "no model in service takes the first look, and without it none takes a later one: they are not rated"
                );
            }
        }
        let gates = |modality| {
            let serves = |name: &str| models.iter().any(|(model, of, _)| model == name && *of == modality);
            Gates::new(looks, modality, serves)
        };
        let (images, texts) = (gates(Modality::Images), gates(Modality::Texts));
        let words = WordsGate::new(looks, engine.readers().is_some());
        if let Some(label) = looks.words.as_ref().and_then(|words| words.label.as_ref())
            && !informs(engine, label)
        {
            tracing::warn!(
                label,
                "looks.words.label: no image model in service has this label, so no photo's words are read"
            );
        }
        Ok(Self { inputs, models, images, texts, words, categories: policy.chosen(&[]) })
    }

    /// The look in which the image input at `place` is read.
    pub(super) fn of_input(&self, place: usize) -> usize {
        self.inputs.get(place).copied().unwrap_or_default()
    }

    /// Whether `model` takes part where the most looks that a listing's photos and texts took are so many. What reads words in photos has
    /// no look of its own: it does where words `were_read`.
    pub(super) fn takes_part(
        &self,
        model: &ModelVersion,
        (of_images, of_texts): (usize, usize),
        were_read: bool,
    ) -> bool {
        let of = self.models.iter().find(|(name, ..)| *name == model.name);
        of.map_or(were_read, |(_, modality, look)| match modality {
            Modality::Images => *look < of_images,
            Modality::Texts => *look < of_texts,
        })
    }
}

/// Whether a model speaks of a category.
fn rates(model: &LoadedModel) -> bool {
    model.folder().manifest.labels.iter().any(|label| label.category.is_some())
}

/// Whether an image model gives that label, which feeds no category.
fn informs(engine: &Engine, label: &str) -> bool {
    let mut labels = engine.image_scorers().flat_map(|model| &model.folder().manifest.labels);
    labels.any(|known| known.name == label && known.category.is_none())
}

/// Checks that a model of that `name`, if it serves, scores images or texts.
fn scores(engine: &Engine, modality: Modality, name: &str) -> Result<()> {
    let is_it = |model: &&Arc<LoadedModel>| model.name() == name;
    let found = match modality {
        Modality::Images => engine.image_scorers().any(|model| is_it(&model)),
        Modality::Texts => engine.text_scorers().iter().any(|model| is_it(&model)),
    };
    if found || !engine.models().any(|model| is_it(&model)) {
        return Ok(());
    }
    let problem = if engine.encoders().iter().any(|model| is_it(&model)) {
        "is an encoder; name the heads that read it".to_owned()
    } else {
        format!("scores no {modality}")
    };
    Err(Error::setup(format!("policy: looks.{modality}: {name} {problem}")))
}

fn look_of_input(looks: &Looks, scorers: &[&Arc<LoadedModel>]) -> Result<usize> {
    let number = |model: &Arc<LoadedModel>| looks.number(Modality::Images, model.name());
    let Some((first, others)) = scorers.split_first() else { return Ok(0) };
    match others.iter().find(|other| number(other) != number(first)) {
        None => Ok(number(first)),
        Some(other) => Err(Error::setup(format!(
            "policy: looks.images: {} and {} are heads of one encoder and take part in different looks; name all its heads in one, or none",
            first.name(),
            other.name()
        ))),
    }
}
