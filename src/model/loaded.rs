//! A model in memory: its verified folder and a session for each worker, so that no worker waits for another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ndarray::{Array2, ArrayD};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::memory;
use crate::model::check::{Checks, Step};
use crate::model::manifest::{Kind, MANIFEST};
use crate::model::probe::{self, Cost};
use crate::model::registry::ModelFolder;
use crate::model::session::{Input, Runtime, Session, Tensor, TensorSpec};
use crate::model::statistics::Statistics;

/// How many sessions a model gets, how many threads each session runs on, and how fast they are loaded. Workers times threads
/// are the core budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Workers, and so sessions a model; at least 1.
    pub workers: usize,
    /// Threads a session, at least 1.
    pub threads: usize,
    /// How loading shares the cores with what runs already.
    pub pace: Pace,
}

/// How fast models are loaded and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The sessions of a model side by side: nothing else runs yet.
    Full,
    /// Beside traffic: one session after another, and after each piece of work a rest, so that loading takes at most a
    /// quarter of one core, and less on a busy machine, where the same piece takes longer. Low priority alone would not do:
    /// a thread that hardly runs holds the locks of memory allocation that the workers wait for.
    Gentle,
}

/// Rest after a piece of work, in multiples of the time it took, but no longer than this.
const GENTLE_REST: u32 = 3;
const LONGEST_REST: Duration = Duration::from_secs(1);

impl Pace {
    /// Does one piece of work, then rests.
    pub fn piece<T>(self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        if self == Self::Gentle {
            std::thread::sleep((begun.elapsed() * GENTLE_REST).min(LONGEST_REST));
        }
        done
    }
}

impl Budget {
    /// Runs `work` once a worker, in the order of workers.
    ///
    /// # Errors
    /// The first that `work` gives; [`Error::Bug`] when it panics on a thread of its own.
    pub fn for_each_worker<T: Send>(self, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
        let workers = 0..self.workers.max(1);
        if self.pace == Pace::Gentle {
            return workers.map(|worker| self.pace.piece(|| work(worker))).collect();
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
    statistics: Statistics,
    cost: Cost,
}

impl LoadedModel {
    /// Loads a session for each worker, compares the graph with the manifest, runs made-up inputs and measures the cost.
    ///
    /// # Errors
    /// [`Error::Setup`] naming file and value: ONNX Runtime refuses the graph, it differs from the manifest, or its outputs
    /// are not as promised.
    pub fn load(runtime: Runtime, folder: &Arc<ModelFolder>, budget: Budget, checks: &Checks<'_>) -> Result<Self> {
        let name = &folder.manifest.name;
        let onnx = folder.onnx()?;
        let before = memory::resident_bytes();
        let load_one = |_| {
            let begun = Instant::now();
            Session::load(runtime, name, &onnx, budget.threads).map(|session| (session, begun.elapsed()))
        };
        let path = folder.path.join(&folder.manifest.file);
        let loaded = budget.for_each_worker(load_one).map_err(|cause| Error::file(&path, cause))?;
        let (sessions, times): (Vec<Session>, Vec<Duration>) = loaded.into_iter().unzip();
        let load_ms = times.into_iter().max().unwrap_or_default().as_secs_f64() * 1e3;
        let grown = before.zip(memory::resident_bytes()).map(|(before, after)| after.saturating_sub(before));
        checks.passed(
            &folder.path,
            Step::Load,
            format!("{} sessions, each in {load_ms:.0} ms or less", sessions.len()),
        );
        if let Some(session) = sessions.first() {
            compare(folder, session)?;
        }
        checks.passed(&folder.path, Step::Signature, list(&folder.manifest.outputs));
        let sessions = sessions.into_iter().map(Mutex::new).collect();
        let unmeasured = Cost { run_ms: 0.0, runs: 0, load_ms, resident_bytes: grown };
        let statistics = Statistics::default();
        let mut model = Self { folder: Arc::clone(folder), sessions, statistics, cost: unmeasured };
        checks.passed(&folder.path, Step::Outputs, budget.pace.piece(|| probe::outputs(&model))?);
        (model.cost.run_ms, model.cost.runs) = probe::run_ms(&model, budget.pace)?;
        checks.passed(&folder.path, Step::Cost, model.cost.to_string());
        Ok(model)
    }

    /// What it cost when it was loaded.
    pub fn cost(&self) -> Cost {
        self.cost
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
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Names, types and shapes of the graph against those of the manifest. The first difference is told.
fn compare(folder: &ModelFolder, session: &Session) -> Result<()> {
    let (inputs, outputs) = session.signature();
    let manifest = &folder.manifest;
    for (what, declared, found) in [("inputs", &manifest.inputs, inputs), ("outputs", &manifest.outputs, outputs)] {
        if *declared != found {
            let problem = format!("{what}: the graph has {}, {MANIFEST} says {}", list(&found), list(declared));
            return Err(Error::file(&folder.path, problem));
        }
    }
    Ok(())
}

fn list(specs: &[TensorSpec]) -> String {
    specs.iter().map(TensorSpec::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_traffic_loading_leaves_a_core_to_others_for_three_quarters_of_the_time() {
        let work = Duration::from_millis(4);
        let begun = Instant::now();
        let budget = Budget { workers: 2, threads: 1, pace: Pace::Gentle };
        let done = budget.for_each_worker(|worker| {
            std::thread::sleep(work);
            Ok(worker)
        });
        assert_eq!(done.unwrap(), [0, 1]);
        assert!(begun.elapsed() >= 2 * work * (1 + GENTLE_REST));
    }

    #[test]
    fn the_first_worker_that_fails_is_told_at_either_pace() {
        for pace in [Pace::Full, Pace::Gentle] {
            let budget = Budget { workers: 3, threads: 1, pace };
            let failing = |worker| if worker == 0 { Ok(()) } else { Err(Error::model("ivory", worker)) };
            assert!(budget.for_each_worker(failing).unwrap_err().to_string().contains('1'));
        }
    }
}
