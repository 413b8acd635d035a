//! A model in memory: its verified folder and a session for each worker, so that no worker waits for another.

use std::sync::Arc;
use std::time::Duration;

use ndarray::{Array2, Array4, ArrayD, ArrayViewD, Axis, concatenate};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::model::folder::ModelFolder;
use crate::model::folder::manifest::Kind;
use crate::model::runtime::cost::Cost;
use crate::model::runtime::provider::Provider;
use crate::model::runtime::session::Session;
use crate::model::runtime::statistics::Statistics;
use crate::model::runtime::tensor::{Input, Tensor};
use crate::model::runtime::{feed, scores};

/// How long a worker whose own session hangs waits for another's.
const OF_ANOTHER: Duration = Duration::from_millis(500);

/// A model that can run. Shared between model sets that hold the same version of it.
#[derive(Debug)]
pub struct LoadedModel {
    folder: Arc<ModelFolder>,
    /// A worker locks its own, so the locks are not contended but where a run hangs.
    sessions: Vec<Mutex<Session>>,
    statistics: Statistics,
    cost: Cost,
    provider: Provider,
}

impl LoadedModel {
    /// The model of `folder`, with a session for each worker.
    pub(super) fn new(folder: Arc<ModelFolder>, sessions: Vec<Session>, cost: Cost) -> Self {
        let provider = sessions.first().map(Session::provider).unwrap_or_default();
        let sessions = sessions.into_iter().map(Mutex::new).collect();
        Self { folder, sessions, statistics: Statistics::default(), cost, provider }
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

    /// What carries its operators out.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// What part it plays.
    pub fn kind(&self) -> Kind {
        self.folder.manifest.kind
    }

    /// How often it ran.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Runs the session of `worker` and copies the named outputs, all of floats, out, in their order. A graph that fixes its rows
    /// runs as often as that takes.
    ///
    /// # Errors
    /// [`Error::Model`] when the run fails or an output is missing or of whole numbers.
    pub fn run(&self, worker: usize, inputs: &[(&str, Input<'_>)], outputs: &[&str]) -> Result<Vec<ArrayD<f32>>> {
        let floats = |tensor: Tensor| {
            tensor.into_floats().ok_or_else(|| Error::model(self.name(), "gave whole numbers, not floats"))
        };
        let rows = inputs.first().map_or(1, |(_, input)| input.rows());
        let Some(fixed) = self.folder.manifest.fixed_rows().filter(|fixed| *fixed != rows) else {
            return self.run_any(worker, inputs, outputs)?.into_iter().map(floats).collect();
        };
        let mut parts: Vec<Vec<ArrayD<f32>>> = outputs.iter().map(|_| Vec::new()).collect();
        for start in (0..rows).step_by(fixed) {
            let taken = start..rows.min(start + fixed);
            let count = taken.len();
            let padded: Vec<(&str, Tensor)> =
                inputs.iter().map(|(name, input)| (*name, input.padded(taken.clone(), fixed))).collect();
            let fed: Vec<(&str, Input<'_>)> = padded.iter().map(|(name, tensor)| (*name, tensor.view())).collect();
            for (parts, given) in parts.iter_mut().zip(self.run_any(worker, &fed, outputs)?) {
                let given = floats(given)?;
                if given.shape().first().is_none_or(|rows| *rows < count) {
                    return Err(Error::model(self.name(), format!("gave an output of shape {:?}", given.shape())));
                }
                parts.push(given.slice_axis(Axis(0), (0..count).into()).to_owned());
            }
        }
        let whole = |parts: Vec<ArrayD<f32>>| {
            let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
            concatenate(Axis(0), &views).map_err(|cause| Error::model(self.name(), cause))
        };
        parts.into_iter().map(whole).collect()
    }

    /// As [`Self::run`], for outputs of any element type.
    ///
    /// # Errors
    /// [`Error::Model`] when the run fails or an output is missing.
    pub fn run_any(&self, worker: usize, inputs: &[(&str, Input<'_>)], outputs: &[&str]) -> Result<Vec<Tensor>> {
        // A panic in a run leaves the session as it was: the handle is not changed by a run.
        let mut session = self.session_of(worker)?;
        let start = Instant::now();
        let outcome = session.run(inputs, outputs);
        let rows = inputs.first().map_or(1, |(_, input)| input.rows());
        self.statistics.ran(rows, start.elapsed(), outcome.is_ok());
        outcome
    }

    /// The worker's own session. Where a run that does not return holds it, another worker's, in turn with that one.
    fn session_of(&self, worker: usize) -> Result<MutexGuard<'_, Session>> {
        let (before, from) = self.sessions.split_at(worker % self.sessions.len().max(1));
        let own = from.first().ok_or_else(|| Error::model(self.name(), "has no session"))?;
        let others = || from.iter().skip(1).chain(before);
        own.try_lock()
            .or_else(|| others().find_map(Mutex::try_lock))
            .or_else(|| others().find_map(|session| session.try_lock_for(OF_ANOTHER)))
            .ok_or_else(|| Error::model(self.name(), "has not returned from its last run"))
    }

    /// Runs on `given`, planes `[N, 3, height, width]` or embeddings `[N, D]`, as the manifest says the model takes them.
    ///
    /// # Errors
    /// See [`Self::run`].
    pub fn run_on(&self, worker: usize, given: ArrayViewD<'_, f32>, outputs: &[&str]) -> Result<Vec<ArrayD<f32>>> {
        let manifest = &self.folder.manifest;
        let name = manifest.inputs.first().map(|input| input.name.as_str()).unwrap_or_default();
        let fed = feed::fed(manifest, given);
        self.run(worker, &[(name, fed.view())], outputs)
    }

    /// As [`Self::run_on`], of a scorer: a logit a label, `[N, labels]`.
    ///
    /// # Errors
    /// See [`Self::run`]; also when the scores have another shape.
    pub fn logits(&self, worker: usize, given: ArrayViewD<'_, f32>) -> Result<Array2<f32>> {
        let manifest = &self.folder.manifest;
        let given = self.run_on(worker, given, &[manifest.score_output()])?.pop();
        let given = given.ok_or_else(|| Error::model(self.name(), "gave no scores"))?;
        let rows = scores::rows_of_values(given).and_then(|rows| scores::logits(manifest, rows));
        rows.map_err(|problem| Error::model(self.name(), problem))
    }

    /// As [`Self::run_on`], of an encoder: an embedding a row, `[N, D]`, and with `with_map` its feature map if it has one.
    ///
    /// # Errors
    /// See [`Self::run`]; also when the embedding has another shape.
    pub fn embed(
        &self,
        worker: usize,
        given: ArrayViewD<'_, f32>,
        with_map: bool,
    ) -> Result<(Array2<f32>, Option<Array4<f32>>)> {
        let manifest = &self.folder.manifest;
        let (embedding, map) = (manifest.embedding_output(), manifest.feature_map_output());
        let has_map = with_map && manifest.outputs.iter().any(|output| output.name == map);
        let wanted: &[&str] = if has_map { &[embedding, map] } else { &[embedding] };
        let mut outputs = self.run_on(worker, given, wanted)?.into_iter();
        let embedding = outputs.next().ok_or_else(|| Error::model(self.name(), "gave no embedding"))?;
        let embedding = scores::rows_of_values(embedding).map_err(|problem| Error::model(self.name(), problem))?;
        Ok((embedding, outputs.next().map(|map| self.shaped(map)).transpose()?))
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
