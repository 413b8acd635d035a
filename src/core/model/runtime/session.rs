//! ONNX Runtime, wrapped. The only file that names `ort`, whose interface still moves between releases.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use ort::environment::Environment;
use ort::ep;
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{OutputSelector, RunOptions, SessionInputValue};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::model::folder::tensor::{Dtype, TensorSpec};
use crate::model::runtime::provider::Provider;
use crate::model::runtime::tensor::{Input, Tensor, each};

/// The loaded ONNX Runtime library.
#[derive(Debug, Clone, Copy)]
pub struct Runtime {
    environment: &'static Environment,
    provider: Provider,
    /// Whether a provider that is not there is done without.
    fallback: bool,
}

/// One environment a process is all that ONNX Runtime allows, so it is kept for the process's life.
static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());
/// That the provider is not there was said.
static TOLD: AtomicBool = AtomicBool::new(false);

impl Runtime {
    /// Loads the library at `path`. Once loaded, later calls return the same library whatever their path.
    ///
    /// # Errors
    /// [`Error::Setup`] when there is no such library or its version is too old.
    pub fn load(path: &Path) -> Result<Self> {
        let _one_at_a_time = LOADING.lock();
        if let Some(environment) = ENVIRONMENT.get() {
            return Ok(Self::of(environment));
        }
        if !path.is_file() {
            let path = path.display();
            return Err(Error::setup(format!(
                "ONNX Runtime: there is no file {path}; run scripts/setup.sh, or name the library with runtime.onnxruntime or ORT_DYLIB_PATH"
            )));
        }
        // An absolute path, because a relative one would be looked up beside the executable first.
        let absolute = std::path::absolute(path).map_err(|cause| Error::file(path, cause))?;
        let environment = ort::init_from(&absolute)
            .map_err(|cause| Error::setup(format!("ONNX Runtime: {cause}")))?
            .with_name("wildwarden")
            .with_telemetry(false)
            // Its own way is to print to standard error, and so to wait for its reader, on a worker.
            .with_logger(Arc::new(|level, _category, _id, _location, message| log(&level, message)))
            .build()
            .map_err(|cause| Error::setup(format!("ONNX Runtime: {cause}")))?;
        // With a logger of ours it would call it for every node of every run.
        environment.set_log_level(LogLevel::Warning);
        Ok(Self::of(ENVIRONMENT.get_or_init(|| environment)))
    }

    fn of(environment: &'static Environment) -> Self {
        Self { environment, provider: Provider::Cpu, fallback: false }
    }

    /// The same library, on which models are loaded by `provider`; where that is not there, by ONNX Runtime's own if `fallback`.
    pub fn on(self, provider: Provider, fallback: bool) -> Self {
        Self { provider, fallback, ..self }
    }

    /// The commit the library says it was built from: it does not tell its version otherwise.
    pub fn build(self) -> String {
        let info = ort::info();
        let commit = info.split("git-commit-id=").nth(1).and_then(|rest| rest.split(',').next());
        commit.unwrap_or(info).to_owned()
    }
}

/// A line of ONNX Runtime, in our log.
fn log(level: &LogLevel, message: &str) {
    match level {
        LogLevel::Verbose | LogLevel::Info => {}
        LogLevel::Warning => tracing::warn!(target: "ort", "{message}"),
        LogLevel::Error | LogLevel::Fatal => tracing::error!(target: "ort", "{message}"),
    }
}

/// A loaded model. `run` takes `&mut self` because ONNX Runtime sessions are not safe to run from two threads on every
/// execution provider: a thread owns its session.
#[derive(Debug)]
pub struct Session {
    inner: ort::session::Session,
    name: String,
    provider: Provider,
}

impl Session {
    /// Loads a model from the bytes of its file, to run on `threads` threads of its own.
    ///
    /// # Errors
    /// [`Error::Model`] when the bytes are not a model this runtime can run, or the provider is not there and nothing else may do.
    pub fn load(runtime: Runtime, name: &str, onnx: &[u8], threads: usize) -> Result<Self> {
        let build = |provider: Provider| -> ort::Result<ort::session::Session> {
            let builder = ort::session::Session::builder(runtime.environment)?
                .with_intra_threads(threads)?
                // Idle threads sleep: spinning ones would take the cores that decoding needs.
                .with_intra_op_spinning(false)?
                .with_optimization_level(GraphOptimizationLevel::All)?;
            dispatched(builder, provider, threads)?.commit_from_memory(onnx)
        };
        let made = |provider: Provider| build(provider).map(|inner| Self { inner, name: name.to_owned(), provider });
        let wanted = runtime.provider;
        match made(wanted) {
            Ok(session) => Ok(session),
            Err(cause) if wanted == Provider::Cpu => Err(Error::model(name, format!("does not load: {cause}"))),
            Err(cause) if runtime.fallback => {
                // Once, not for every session of every model.
                if !TOLD.swap(true, Ordering::Relaxed) {
                    let wanted = wanted.name();
                    tracing::warn!(provider = wanted, %cause, "execution provider not used; ONNX Runtime's own is");
                }
                made(Provider::Cpu).map_err(|cause| Error::model(name, format!("does not load: {cause}")))
            }
            Err(cause) => Err(Error::model(
                name,
                format!(
                    "does not load by the execution provider {}: {cause}; name a library that has it (runtime.onnxruntime), or say \
                     runtime.provider = \"cpu\" or runtime.fallback = true",
                    wanted.name()
                ),
            )),
        }
    }

    /// What carries its operators out.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Inputs and outputs as the graph declares them. Tensors of other element types are left out.
    pub fn signature(&self) -> (Vec<TensorSpec>, Vec<TensorSpec>) {
        let describe = |outlets: &[Outlet]| outlets.iter().filter_map(describe).collect();
        (describe(self.inner.inputs()), describe(self.inner.outputs()))
    }

    /// What the file says under `key` besides its graph; `None`: nothing.
    pub fn metadata(&self, key: &str) -> Option<String> {
        self.inner.metadata().ok()?.custom(key)
    }

    /// Runs the model and copies the named outputs out, in the order of `outputs`.
    ///
    /// # Errors
    /// [`Error::Model`] when the run fails or an output is missing or of an element type that [`Dtype`] lacks.
    pub fn run(&mut self, inputs: &[(&str, Input<'_>)], outputs: &[&str]) -> Result<Vec<Tensor>> {
        let Self { inner, name, .. } = self;
        let failed = |cause: ort::Error| Error::model(name.as_str(), cause);
        let mut values: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(inputs.len());
        for (input, tensor) in inputs {
            let value = each!(Input, tensor, view => TensorRef::from_array_view(view.view()).map_err(failed)?.into());
            values.push((input, value));
        }
        let selector = outputs.iter().fold(OutputSelector::no_default(), |selector, output| selector.with(*output));
        let options = RunOptions::new().map_err(failed)?.with_outputs(selector);
        let results = inner.run_with_options(values, &options).map_err(failed)?;
        // Values keep the session's memory alive, so they are copied out before it can be swapped.
        let copy = |output: &&str| {
            let value =
                results.get(output).ok_or_else(|| Error::model(name.as_str(), format!("has no output {output:?}")))?;
            let dtype = value.dtype().tensor_type().as_ref().and_then(dtype_of);
            match dtype.ok_or_else(|| Error::model(name.as_str(), format!("gave {output:?} as {}", value.dtype())))? {
                Dtype::Float32 => value.try_extract_array().map(|view| Tensor::F32(view.to_owned())),
                Dtype::Float16 => value.try_extract_array().map(|view| Tensor::F16(view.to_owned())),
                Dtype::Uint8 => value.try_extract_array().map(|view| Tensor::U8(view.to_owned())),
                Dtype::Int32 => value.try_extract_array().map(|view| Tensor::I32(view.to_owned())),
                Dtype::Int64 => value.try_extract_array().map(|view| Tensor::I64(view.to_owned())),
            }
            .map_err(failed)
        };
        outputs.iter().map(copy).collect()
    }
}

fn describe(outlet: &Outlet) -> Option<TensorSpec> {
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else { return None };
    let dtype = dtype_of(ty)?;
    Some(TensorSpec { name: outlet.name().to_owned(), dtype, shape: shape.iter().copied().collect() })
}

/// `builder` with the execution provider; that it is there is a condition.
fn dispatched(builder: SessionBuilder, provider: Provider, threads: usize) -> ort::Result<SessionBuilder> {
    let dispatch = match provider {
        Provider::Cpu => return Ok(builder),
        Provider::Openvino => {
            let openvino = ep::OpenVINO::default().with_device_type("CPU").with_num_threads(threads);
            openvino.with_num_streams(1).build()
        }
        Provider::Cuda => ep::CUDA::default().build(),
        Provider::Coreml => ep::CoreML::default().build(),
    };
    Ok(builder.with_execution_providers([dispatch.error_on_failure()])?)
}

/// `None`: tensors of this element type are neither fed nor read.
fn dtype_of(found: &TensorElementType) -> Option<Dtype> {
    let known = [
        (TensorElementType::Float32, Dtype::Float32),
        (TensorElementType::Float16, Dtype::Float16),
        (TensorElementType::Uint8, Dtype::Uint8),
        (TensorElementType::Int32, Dtype::Int32),
        (TensorElementType::Int64, Dtype::Int64),
    ];
    known.into_iter().find(|(element, _)| element == found).map(|(_, dtype)| dtype)
}
