//! One run of one model on tensors that the caller prepared: no preprocessing, no calibration, no policy.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ndarray::{ArrayD, IxDyn};
use tokio::time::Instant;

use super::Pipeline;
use super::generation::Generation;
use super::job::{Job, Outcome, Task};
use crate::error::{Error, Result};
use crate::model::loaded::LoadedModel;
use crate::model::session::Tensor;
use crate::model::statistics::Runs;
use crate::schedule::{Deadline, Priority};

pub use crate::model::session::{Dtype, TensorSpec};

/// A model in service, with the generation that holds it: who has one gets answers of exactly this version.
#[derive(Debug, Clone)]
pub struct Servable {
    generation: Arc<Generation>,
    model: Arc<LoadedModel>,
}

impl Servable {
    /// Its name.
    pub fn name(&self) -> &str {
        self.model.name()
    }

    /// Its version.
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

    /// Its outputs.
    pub fn outputs(&self) -> &[TensorSpec] {
        &self.model.folder().manifest.outputs
    }

    /// How often it ran.
    pub fn runs(&self) -> Runs {
        self.model.statistics().runs()
    }
}

/// Elements in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// Little-endian bytes of either, which the worker reads.
    Raw(Dtype, Bytes),
}

/// A tensor to feed. It has as many elements as its shape needs.
#[derive(Debug, Clone, PartialEq)]
pub struct InputTensor {
    /// Name of the input.
    pub name: String,
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    /// Its elements.
    pub elements: Elements,
}

/// A tensor that a model gave. Non-finite elements are the caller's to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputTensor {
    /// Name of the output.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    /// Elements in row-major order, little endian.
    pub content: Bytes,
}

/// What to feed to a model, and what to get.
#[derive(Debug)]
pub struct Wanted {
    /// Every input of the model, in any order.
    pub inputs: Vec<InputTensor>,
    /// Names of outputs.
    pub outputs: Vec<String>,
}

/// A run that is wanted.
#[derive(Debug)]
pub(super) struct Run {
    model: Arc<LoadedModel>,
    wanted: Wanted,
}

/// A run that was done.
#[derive(Debug)]
pub(super) struct Ran {
    outputs: Vec<OutputTensor>,
    read: Duration,
    write: Duration,
}

impl Pipeline {
    /// Every model in service, all of one generation.
    pub fn servables(&self) -> Vec<Servable> {
        let generation = self.generation();
        let servable =
            |model: &Arc<LoadedModel>| Servable { generation: Arc::clone(&generation), model: Arc::clone(model) };
        generation.engine().models().map(servable).collect()
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
    /// [`Error::Overloaded`] at once when the queue is full; [`Error::DeadlineExceeded`]; [`Error::Invalid`] when elements
    /// are outside what the model takes; [`Error::Model`] when it fails.
    ///
    /// # Cancellation
    /// Dropping the future gives up the place in the queue; a run that has begun is finished and forgotten.
    pub async fn infer(
        &self,
        servable: &Servable,
        wanted: Wanted,
        priority: Priority,
        deadline: Deadline,
    ) -> Result<Vec<OutputTensor>> {
        if deadline.has_passed() {
            return Err(Error::DeadlineExceeded);
        }
        let run = Run { model: Arc::clone(&servable.model), wanted };
        let job = Job { generation: Arc::clone(&servable.generation), task: Task::Infer(run) };
        let ticket = self.scheduler.submit(vec![job], priority, deadline)?.pop();
        let finished = ticket.ok_or_else(|| Error::Bug("a job has no ticket".into()))?.wait(deadline).await?;
        match finished.result {
            Outcome::Infer(ran) => {
                let Ran { outputs, read, write } = ran?;
                servable.model.statistics().answered(finished.queue_wait, read, write);
                Ok(outputs)
            }
            Outcome::Expired => Err(Error::DeadlineExceeded),
            Outcome::Image(_) | Outcome::Text(_) => Err(Error::Bug("a run of a model became a listing's part".into())),
        }
    }
}

/// Does a run on the session of `worker`.
pub(super) fn infer(worker: usize, run: Run, deadline: Deadline) -> Outcome {
    if deadline.has_passed() {
        return Outcome::Expired;
    }
    Outcome::Infer(done(worker, run.model.as_ref(), run.wanted))
}

fn done(worker: usize, model: &LoadedModel, wanted: Wanted) -> Result<Ran> {
    let start = Instant::now();
    let inputs = wanted.inputs.into_iter().map(read).collect::<Result<Vec<(String, Tensor)>>>()?;
    check_features(model, &inputs)?;
    let read = start.elapsed();
    let fed: Vec<_> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.view())).collect();
    let names: Vec<&str> = wanted.outputs.iter().map(String::as_str).collect();
    let given = model.run_any(worker, &fed, &names)?;
    let start = Instant::now();
    let outputs = wanted.outputs.iter().cloned().zip(given).map(|(name, tensor)| write(name, tensor)).collect();
    Ok(Ran { outputs, read, write: start.elapsed() })
}

fn read(input: InputTensor) -> Result<(String, Tensor)> {
    let InputTensor { name, shape, elements } = input;
    let misshapen = |cause| Error::Bug(format!("elements of {name} do not fit {shape:?}: {cause}"));
    let tensor = match elements {
        Elements::F32(values) => ArrayD::from_shape_vec(IxDyn(&shape), values).map(Tensor::F32),
        Elements::I64(values) => ArrayD::from_shape_vec(IxDyn(&shape), values).map(Tensor::I64),
        Elements::Raw(Dtype::Float32, bytes) => {
            let values = bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
            ArrayD::from_shape_vec(IxDyn(&shape), values).map(Tensor::F32)
        }
        Elements::Raw(Dtype::Int64, bytes) => {
            let values = bytes.as_chunks().0.iter().map(|eight| i64::from_le_bytes(*eight)).collect();
            ArrayD::from_shape_vec(IxDyn(&shape), values).map(Tensor::I64)
        }
    };
    Ok((name.clone(), tensor.map_err(misshapen)?))
}

fn write(name: String, tensor: Tensor) -> OutputTensor {
    let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
    let mut content = Vec::new();
    match &tensor {
        Tensor::F32(values) => {
            content.reserve_exact(values.len() * size_of::<f32>());
            values.iter().for_each(|value| content.extend_from_slice(&value.to_le_bytes()));
        }
        Tensor::I64(values) => {
            content.reserve_exact(values.len() * size_of::<i64>());
            values.iter().for_each(|value| content.extend_from_slice(&value.to_le_bytes()));
        }
    }
    OutputTensor { name, dtype, shape, content: content.into() }
}

/// What the shapes do not say of a text classifier: its inputs pair up, and ids are places in its table of weights. ONNX
/// Runtime would fail on the one and read from the table's end for a negative id.
fn check_features(model: &LoadedModel, inputs: &[(String, Tensor)]) -> Result<()> {
    let Some(text) = &model.folder().manifest.text else { return Ok(()) };
    for (index, (name, tensor)) in inputs.iter().enumerate() {
        if let Some((first, other)) = inputs.first().filter(|(_, first)| first.shape() != tensor.shape()) {
            let (found, other) = (tensor.shape(), other.shape());
            let problem = format!("{name} is {found:?}, but {first} is {other:?}; both need one shape");
            return Err(Error::invalid(format!("inputs[{index}].shape"), problem));
        }
        let Tensor::I64(ids) = tensor else { continue };
        if let Some(id) = ids.iter().find(|id| !(0..i64::from(text.buckets)).contains(*id)) {
            let problem = format!("{name} holds {id}, which must be in 0 to {}", text.buckets - 1);
            return Err(Error::invalid(format!("inputs[{index}].contents"), problem));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_elements_read_and_write_back_to_the_same_bytes() {
        for (dtype, bytes) in [
            (Dtype::Float32, [1.5_f32, f32::NAN, -0.0].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()),
            (Dtype::Int64, [7_i64, i64::MIN, -1].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ] {
            let elements = Elements::Raw(dtype, bytes.clone().into());
            let (name, tensor) = read(InputTensor { name: "x".into(), shape: vec![3, 1], elements }).unwrap();
            let written = write(name, tensor);
            assert_eq!(
                (written.dtype, written.shape.as_slice(), written.content.to_vec()),
                (dtype, &[3, 1][..], bytes)
            );
        }
    }

    #[test]
    fn elements_that_do_not_fit_their_shape_are_never_read() {
        for elements in [Elements::F32(vec![1.0; 5]), Elements::Raw(Dtype::Int64, vec![0; 47].into())] {
            let error = read(InputTensor { name: "x".into(), shape: vec![2, 3], elements }).unwrap_err();
            assert!(error.to_string().contains("[2, 3]"), "{error}");
        }
    }
}
