//! One run of one model on tensors that the caller prepared: no preprocessing, no calibration, no policy.

use std::sync::Arc;

use super::Pipeline;
use super::generation::Generation;
use super::job::{Job, Task};
use super::run::{Ran, Run};
use crate::error::{Error, Result};
use crate::model::folder::manifest::Role;
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::statistics::Runs;
use crate::schedule::Asked;
use crate::schedule::ticket::ticket;

pub use super::run::{Elements, InferRequest, InputTensor, OutputTensor};
pub use crate::model::folder::tensor::{Dtype, TensorSpec};

/// A model in service, with the generation that holds it: who has one gets answers of exactly this version.
#[derive(Debug, Clone)]
pub struct Servable {
    generation: Arc<Generation>,
    model: Arc<LoadedModel>,
}

impl Servable {
    /// As callers name it.
    pub fn name(&self) -> &str {
        self.model.name()
    }

    /// The one in service, of which alone it answers.
    pub fn version(&self) -> &str {
        &self.model.folder().manifest.version
    }

    /// Name of its ONNX file.
    pub fn file(&self) -> &str {
        &self.model.folder().manifest.file
    }

    /// Its inputs, all needed.
    pub fn inputs(&self) -> &[TensorSpec] {
        &self.model.folder().manifest.inputs
    }

    /// What can be asked for, as the graph has it.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.model.folder().manifest.outputs
    }

    /// How often it ran.
    pub fn runs(&self) -> Runs {
        self.model.statistics().runs()
    }
}

impl Pipeline {
    /// Every model in service, all of one generation.
    pub fn servables(&self) -> Vec<Servable> {
        let generation = self.generation();
        let servable =
            |model: &Arc<LoadedModel>| Servable { generation: Arc::clone(&generation), model: Arc::clone(model) };
        // What reads words takes pictures and lines of any size, which nothing bounds here.
        let is_served = |model: &&Arc<LoadedModel>| !matches!(model.kind().role(), Role::Reader(_));
        generation.engine().models().filter(is_served).map(servable).collect()
    }

    /// The model of that name in service; an empty `version` is any.
    ///
    /// # Errors
    /// [`Error::NotFound`] naming what is in service instead.
    pub fn servable(&self, name: &str, version: &str) -> Result<Servable> {
        let all = self.servables();
        let names: Vec<&str> = all.iter().map(Servable::name).collect();
        let found = all.iter().find(|servable| servable.name() == name);
        let found =
            found.ok_or_else(|| Error::NotFound(format!("there is no model {name:?}; in service: {names:?}")))?;
        if version.is_empty() || version == found.version() {
            return Ok(found.clone());
        }
        Err(Error::NotFound(format!("model {name:?} has no version {version:?} in service, but {:?}", found.version())))
    }

    /// Runs `servable` once. The inputs must fit its specification; outputs come in the order wanted.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once when it would wait too long or be late; [`Error::DeadlineExceeded`]; [`Error::Invalid`] when elements
    /// are outside what the model takes; [`Error::Model`] when it fails.
    ///
    /// # Cancellation
    /// Dropping the future gives up the place in the queue; a run that has begun is finished and forgotten.
    pub async fn infer(&self, servable: &Servable, wanted: InferRequest, asked: &Asked) -> Result<Vec<OutputTensor>> {
        let deadline = asked.deadline;
        if deadline.has_passed() {
            return Err(Error::DeadlineExceeded);
        }
        let run = Run { model: Arc::clone(&servable.model), wanted };
        let (reply, answer) = ticket();
        let job = Job { generation: Arc::clone(&servable.generation), task: Task::Infer { run, reply } };
        self.scheduler.submit(vec![job], asked)?;
        let finished = answer.wait(deadline).await?;
        let Ran { outputs, read, write } = finished.result?;
        servable.model.statistics().answered(finished.queue_wait, read, write);
        Ok(outputs)
    }
}
