//! A model in memory: its verified folder and a session for each worker, so that no worker waits for another.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array2, ArrayD};

use crate::error::{Error, Result};
use crate::model::manifest::Kind;
use crate::model::registry::ModelFolder;
use crate::model::session::{Input, Runtime, Session, TensorSpec};

/// How many sessions a model gets, and how many threads each session runs on. Their product is the core budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Workers, and so sessions a model; at least 1.
    pub workers: usize,
    /// Threads a session, at least 1.
    pub threads: usize,
    /// Load and check the sessions of a model side by side, as at the start, or one after another, beside traffic.
    pub side_by_side: bool,
}

impl Budget {
    /// Runs `work` once a worker, in the order of workers.
    ///
    /// # Errors
    /// The first that `work` gives; [`Error::Bug`] when it panics on a thread of its own.
    pub fn for_each_worker<T: Send>(self, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
        let workers = 0..self.workers.max(1);
        if !self.side_by_side {
            return workers.map(work).collect();
        }
        let work = &work;
        let outcomes: Vec<Result<T>> = std::thread::scope(|scope| {
            let threads: Vec<_> = workers.map(|worker| scope.spawn(move || work(worker))).collect();
            let panicked = |_| Err(Error::Bug("loading or checking a model panicked".into()));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
        });
        outcomes.into_iter().collect()
    }
}

/// A model that can run. Shared between model sets that hold the same version of it.
#[derive(Debug)]
pub struct LoadedModel {
    folder: Arc<ModelFolder>,
    /// A worker only ever locks its own, so the locks are never contended.
    sessions: Vec<Mutex<Session>>,
}

impl LoadedModel {
    /// Loads the sessions and compares the graph with the manifest.
    ///
    /// # Errors
    /// [`Error::Model`] when the graph does not load, [`Error::Setup`] when it differs from the manifest.
    pub fn load(runtime: Runtime, folder: &Arc<ModelFolder>, budget: Budget) -> Result<Self> {
        let name = &folder.manifest.name;
        let onnx = folder.onnx()?;
        let load_one = || Session::load(runtime, name, onnx, budget.threads);
        let sessions: Vec<Session> = budget.for_each_worker(|_| load_one())?;
        if let Some(session) = sessions.first() {
            compare(folder, session)?;
        }
        Ok(Self { folder: Arc::clone(folder), sessions: sessions.into_iter().map(Mutex::new).collect() })
    }

    /// Its verified folder.
    pub fn folder(&self) -> &Arc<ModelFolder> {
        &self.folder
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.folder.manifest.name
    }

    /// What part it plays.
    pub fn kind(&self) -> Kind {
        self.folder.manifest.kind
    }

    /// Runs the session of `worker` and copies the named outputs out, in their order.
    ///
    /// # Errors
    /// [`Error::Model`] when the run fails or an output is missing.
    pub fn run(&self, worker: usize, inputs: &[(&str, Input<'_>)], outputs: &[&str]) -> Result<Vec<ArrayD<f32>>> {
        let session = self.sessions.get(worker % self.sessions.len().max(1));
        let session = session.ok_or_else(|| Error::model(self.name(), "has no session"))?;
        // A panic in a run leaves the session as it was: the handle is not changed by a run.
        session.lock().unwrap_or_else(PoisonError::into_inner).run(inputs, outputs)
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

fn compare(folder: &ModelFolder, session: &Session) -> Result<()> {
    let (inputs, outputs) = session.signature();
    let manifest = &folder.manifest;
    for (what, declared, found) in [("inputs", &manifest.inputs, inputs), ("outputs", &manifest.outputs, outputs)] {
        if *declared != found {
            let problem = format!("{what}: the graph has {}, model.toml says {}", list(&found), list(declared));
            return Err(Error::file(&folder.path, problem));
        }
    }
    Ok(())
}

fn list(specs: &[TensorSpec]) -> String {
    let one = |spec: &TensorSpec| format!("{} {:?} {:?}", spec.name, spec.dtype, spec.shape).to_lowercase();
    specs.iter().map(one).collect::<Vec<_>>().join(", ")
}
