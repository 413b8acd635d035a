//! A run of a model on a worker: elements become tensors, and outputs elements.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use half::f16;
use ndarray::{ArrayD, IxDyn};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::model::folder::tensor::Dtype;
use crate::model::runtime::loaded::LoadedModel;
use crate::model::runtime::tensor::Tensor;

/// Elements in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// Bytes.
    U8(Vec<u8>),
    /// 32-bit integers.
    I32(Vec<i32>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// Little-endian bytes of any, which the worker reads.
    Raw(Dtype, Bytes),
}

/// A tensor to feed. It has as many elements as its shape needs.
#[derive(Debug, Clone, PartialEq)]
pub struct InputTensor {
    /// Name of the input.
    pub name: String,
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    /// Row by row, as many as the shape says.
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
pub struct InferRequest {
    /// Every input of the model, in any order.
    pub inputs: Vec<InputTensor>,
    /// Names of outputs.
    pub outputs: Vec<String>,
}

/// A run that is wanted.
#[derive(Debug)]
pub(super) struct Run {
    pub model: Arc<LoadedModel>,
    pub wanted: InferRequest,
}

/// A run that was done.
#[derive(Debug)]
pub(super) struct Ran {
    pub outputs: Vec<OutputTensor>,
    pub read: Duration,
    pub write: Duration,
}

/// Does a run on the session of `worker`.
///
/// # Errors
/// [`Error::Invalid`] when elements are outside what the model takes; [`Error::Model`] when it fails.
pub(super) fn infer(worker: usize, Run { model, wanted }: Run) -> Result<Ran> {
    let model = model.as_ref();
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
        Elements::U8(values) => ArrayD::from_shape_vec(IxDyn(&shape), values).map(Tensor::U8),
        Elements::I32(values) => ArrayD::from_shape_vec(IxDyn(&shape), values).map(Tensor::I32),
        Elements::I64(values) => ArrayD::from_shape_vec(IxDyn(&shape), values).map(Tensor::I64),
        Elements::Raw(Dtype::Float32, bytes) => {
            let values = bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
            ArrayD::from_shape_vec(IxDyn(&shape), values).map(Tensor::F32)
        }
        Elements::Raw(Dtype::Float16, bytes) => {
            let values = bytes.as_chunks().0.iter().map(|two| f16::from_le_bytes(*two)).collect();
            ArrayD::from_shape_vec(IxDyn(&shape), values).map(Tensor::F16)
        }
        Elements::Raw(Dtype::Uint8, bytes) => ArrayD::from_shape_vec(IxDyn(&shape), bytes.to_vec()).map(Tensor::U8),
        Elements::Raw(Dtype::Int32, bytes) => {
            let values = bytes.as_chunks().0.iter().map(|four| i32::from_le_bytes(*four)).collect();
            ArrayD::from_shape_vec(IxDyn(&shape), values).map(Tensor::I32)
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
    let mut content = Vec::with_capacity(shape.iter().product::<usize>() * dtype.width());
    match &tensor {
        Tensor::F32(values) => values.iter().for_each(|value| content.extend_from_slice(&value.to_le_bytes())),
        Tensor::F16(values) => values.iter().for_each(|value| content.extend_from_slice(&value.to_le_bytes())),
        Tensor::U8(values) => content.extend(values),
        Tensor::I32(values) => values.iter().for_each(|value| content.extend_from_slice(&value.to_le_bytes())),
        Tensor::I64(values) => values.iter().for_each(|value| content.extend_from_slice(&value.to_le_bytes())),
    }
    OutputTensor { name, dtype, shape, content: content.into() }
}

/// What the shapes do not say of a text classifier: its inputs pair up, and ids are places in its table of weights. ONNX
/// Runtime would fail on the one and read from the table's end for a negative id.
fn check_features(model: &LoadedModel, inputs: &[(String, Tensor)]) -> Result<()> {
    let manifest = &model.folder().manifest;
    if manifest.text.is_none() && manifest.tokens.is_none() {
        return Ok(());
    }
    for (index, (name, tensor)) in inputs.iter().enumerate() {
        if let Some((first, other)) = inputs.first().filter(|(_, first)| first.shape() != tensor.shape()) {
            let (found, other) = (tensor.shape(), other.shape());
            let problem = format!("{name} is {found:?}, but {first} is {other:?}; both need one shape");
            return Err(Error::invalid(format!("inputs[{index}].shape"), problem));
        }
        let (Some(text), Tensor::I64(ids)) = (&manifest.text, tensor) else { continue };
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
