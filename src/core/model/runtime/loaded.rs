//! A model in memory: its verified folder and a session for each worker, so that no worker waits for another.

use std::sync::Arc;

use ndarray::{Array2, ArrayD};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::model::folder::ModelFolder;
use crate::model::folder::manifest::Kind;
use crate::model::runtime::cost::Cost;
use crate::model::runtime::session::{Input, Session, Tensor};
use crate::model::runtime::statistics::Statistics;

/// A model that can run. Shared between model sets that hold the same version of it.
#[derive(Debug)]
pub struct LoadedModel {
    folder: Arc<ModelFolder>,
    /// A worker only ever locks its own, so the locks are never contended.
    sessions: Vec<Mutex<Session>>,
    statistics: Statistics,
    cost: Cost,
}

impl LoadedModel {
    /// The model of `folder`, with a session for each worker.
    pub(super) fn new(folder: Arc<ModelFolder>, sessions: Vec<Session>, cost: Cost) -> Self {
        let sessions = sessions.into_iter().map(Mutex::new).collect();
        Self { folder, sessions, statistics: Statistics::default(), cost }
    }

    /// What it costs was measured.
    pub(super) fn set_cost(&mut self, cost: Cost) {
        self.cost = cost;
    }

    /// What it cost when it was loaded.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// Its verified folder.
    pub fn folder(&self) -> &Arc<ModelFolder> {
        &self.folder
    }

    /// `name` of its manifest.
    pub fn name(&self) -> &str {
        &self.folder.manifest.name
    }

    /// What part it plays.
    pub fn kind(&self) -> Kind {
        self.folder.manifest.kind
    }

    /// How often it ran.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Runs the session of `worker` and copies the named outputs, all of floats, out, in their order.
    ///
    /// # Errors
    /// [`Error::Model`] when the run fails or an output is missing or not `f32`.
    pub fn run(&self, worker: usize, inputs: &[(&str, Input<'_>)], outputs: &[&str]) -> Result<Vec<ArrayD<f32>>> {
        let floats = |tensor| match tensor {
            Tensor::F32(array) => Ok(array),
            Tensor::I64(_) => Err(Error::model(self.name(), "gave whole numbers, not floats")),
        };
        self.run_any(worker, inputs, outputs)?.into_iter().map(floats).collect()
    }

    /// As [`Self::run`], for outputs of any element type.
    ///
    /// # Errors
    /// [`Error::Model`] when the run fails or an output is missing.
    pub fn run_any(&self, worker: usize, inputs: &[(&str, Input<'_>)], outputs: &[&str]) -> Result<Vec<Tensor>> {
        let session = self.sessions.get(worker % self.sessions.len().max(1));
        let session = session.ok_or_else(|| Error::model(self.name(), "has no session"))?;
        // A panic in a run leaves the session as it was: the handle is not changed by a run.
        let mut session = session.lock();
        let start = Instant::now();
        let outcome = session.run(inputs, outputs);
        let rows = inputs.first().map_or(1, |(_, input)| input.rows());
        self.statistics.ran(rows, start.elapsed(), outcome.is_ok());
        outcome
    }

    /// Runs with one input, under the manifest's name for it, and returns one output.
    ///
    /// # Errors
    /// See [`Self::run`].
    pub fn single(&self, worker: usize, input: Input<'_>, output: &str) -> Result<ArrayD<f32>> {
        let name = self.folder.manifest.inputs.first().map(|input| input.name.as_str()).unwrap_or_default();
        let value = self.run(worker, &[(name, input)], &[output])?.pop();
        value.ok_or_else(|| Error::model(self.name(), format!("gave no {output}")))
    }

    /// As [`Self::single`], for `logits [N, labels]`.
    ///
    /// # Errors
    /// See [`Self::run`]; also when the output has another shape.
    pub fn logits(&self, worker: usize, input: Input<'_>) -> Result<Array2<f32>> {
        self.shaped(self.single(worker, input, "logits")?)
    }

    /// An output as an array of as many axes as the caller expects.
    ///
    /// # Errors
    /// [`Error::Model`] naming the shape when it has another number of axes.
    pub fn shaped<D: ndarray::Dimension>(&self, array: ArrayD<f32>) -> Result<ndarray::Array<f32, D>> {
        let shape = array.shape().to_vec();
        array
            .into_dimensionality()
            .map_err(|cause| Error::model(self.name(), format!("gave an output of shape {shape:?}: {cause}")))
    }
}
