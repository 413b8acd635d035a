//! From a verified folder to a model that can run: load, compare with the manifest, try, measure.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::memory;
use crate::model::folder::ModelFolder;
use crate::model::folder::check::{Checks, Step};
use crate::model::folder::manifest::MANIFEST;
use crate::model::folder::tensor::TensorSpec;
use crate::model::runtime::cost::Cost;
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::pace::Budget;
use crate::model::runtime::probe;
use crate::model::runtime::session::{Runtime, Session};

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
        let mut cost = Cost { run_ms: 0.0, runs: 0, load_ms, resident_bytes: grown };
        let mut model = Self::new(Arc::clone(folder), sessions, cost);
        checks.passed(&folder.path, Step::Outputs, budget.pace.piece(|| probe::outputs(&model))?);
        (cost.run_ms, cost.runs) = probe::run_ms(&model, budget.pace)?;
        model.set_cost(cost);
        checks.passed(&folder.path, Step::Cost, cost.to_string());
        Ok(model)
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
