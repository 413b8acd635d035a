//! A ModelInfer from the wire, checked against what the model takes. No element is read here: a worker does that.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use wildwarden_core::config::Limits;
use wildwarden_core::error::{Error, Result};
use wildwarden_core::pipeline::infer::{Dtype, Elements, InferRequest, InputTensor, TensorSpec};
use wildwarden_core::schedule::Priority;
use wildwarden_proto::inference::infer_parameter::ParameterChoice;
use wildwarden_proto::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use wildwarden_proto::inference::{InferParameter, InferTensorContents, ModelInferRequest};

use super::datatype::datatype;
use crate::transport::convert::over;

type Parameters = HashMap<String, InferParameter>;

/// What a model takes and gives.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    /// All needed.
    pub inputs: &'a [TensorSpec],
    /// All that may be asked for.
    pub outputs: &'a [TensorSpec],
}

/// A checked request.
#[derive(Debug)]
pub struct Infer {
    /// Inputs and outputs in the order of the request.
    pub wanted: InferRequest,
    /// Who goes first.
    pub priority: Priority,
    /// When the caller gives up, from now.
    pub timeout: Option<Duration>,
}

/// Checks a request against `model` and `limits`.
///
/// # Errors
/// [`Error::Invalid`] naming field, value and what is allowed.
pub fn infer(request: ModelInferRequest, model: Signature<'_>, limits: &Limits) -> Result<Infer> {
    let (priority, timeout) = schedule(&request.parameters)?;
    let raw = request.raw_input_contents;
    if !raw.is_empty() && raw.len() != request.inputs.len() {
        let problem = format!("{} entries for {} inputs; give one for each", raw.len(), request.inputs.len());
        return Err(Error::invalid("raw_input_contents", problem));
    }
    let mut raw = raw.into_iter();
    let mut inputs: Vec<InputTensor> = Vec::new();
    let mut first_rows: Option<usize> = None;
    for (index, input) in request.inputs.into_iter().enumerate() {
        let field = |part: &str| format!("inputs[{index}].{part}");
        let spec = named(model.inputs, &input.name)
            .ok_or_else(|| Error::invalid(field("name"), unknown(&input.name, "an input", model.inputs)))?;
        if inputs.iter().any(|other| other.name == input.name) {
            return Err(Error::invalid(field("name"), format!("{:?} is given twice", input.name)));
        }
        let wanted = datatype(spec.dtype);
        if input.datatype != wanted {
            let problem = format!("{:?} for {}, which takes {wanted:?}", input.datatype, spec.name);
            return Err(Error::invalid(field("datatype"), problem));
        }
        refuse(&input.parameters, &field("parameters"))?;
        let shape = shape(&input, spec).map_err(|problem| Error::invalid(field("shape"), problem))?;
        if let (Some(-1), Some(&rows)) = (spec.shape.first(), shape.first()) {
            if rows > limits.max_infer_rows {
                return Err(over(&field("shape"), rows, "rows", limits.max_infer_rows, "max_infer_rows"));
            }
            let first = *first_rows.get_or_insert(rows);
            if rows != first {
                let problem = format!("{} has {rows} rows, an input before it {first}", spec.name);
                return Err(Error::invalid(field("shape"), problem));
            }
        }
        let elements = elements(index, input.contents, raw.next(), spec, &shape)?;
        inputs.push(InputTensor { name: input.name, shape, elements });
    }
    let missing = model.inputs.iter().find(|spec| inputs.iter().all(|input| input.name != spec.name));
    if let Some(spec) = missing {
        return Err(Error::invalid("inputs", format!("{:?} is missing; {}", spec.name, list(model.inputs))));
    }
    let wanted = InferRequest { inputs, outputs: outputs(request.outputs, model)? };
    Ok(Infer { wanted, priority, timeout })
}

/// `priority` and `timeout` as Triton's schedule policy has them; sequences are refused, the rest says nothing to us.
fn schedule(parameters: &Parameters) -> Result<(Priority, Option<Duration>)> {
    let whole = |name: &str| match parameters.get(name).map(|parameter| &parameter.parameter_choice) {
        None | Some(None) => Ok(0),
        Some(Some(ParameterChoice::Uint64Param(value))) => Ok(*value),
        Some(Some(ParameterChoice::Int64Param(value))) if *value >= 0 => Ok(value.unsigned_abs()),
        Some(Some(other)) => {
            Err(Error::invalid(format!("parameters.{name}"), format!("{other:?} must be a whole number, 0 or more")))
        }
    };
    // Of several the first by name, so that the same request gets the same answer.
    if let Some(name) = parameters.keys().filter(|name| name.starts_with("sequence_")).min() {
        return Err(Error::invalid(format!("parameters.{name}"), "no model here keeps state from call to call"));
    }
    refuse(parameters, "parameters")?;
    let priority = if whole("priority")? > 1 { Priority::Bulk } else { Priority::Interactive };
    let timeout = whole("timeout")?;
    Ok((priority, (timeout > 0).then(|| Duration::from_micros(timeout))))
}

/// Parameters whose silent neglect would change the answer.
fn refuse(parameters: &Parameters, field: &str) -> Result<()> {
    // In order, so that the same request gets the same answer.
    for name in parameters.keys().collect::<BTreeSet<_>>() {
        let problem = match name.as_str() {
            "classification" => "is not served: logits are answered, and model.toml names their columns",
            name if name.starts_with("shared_memory_") => "is not served: send and read raw contents",
            _ => continue,
        };
        return Err(Error::invalid(format!("{field}.{name}"), problem));
    }
    Ok(())
}

fn shape(input: &InferInputTensor, spec: &TensorSpec) -> Result<Vec<usize>, String> {
    let fits = |(found, allowed): (&i64, &i64)| *found >= 1 && (*allowed < 0 || found == allowed);
    let pairs = input.shape.iter().zip(&spec.shape);
    if input.shape.len() != spec.shape.len() || !pairs.clone().all(fits) {
        let (name, found, allowed) = (&spec.name, &input.shape, &spec.shape);
        return Err(format!("{found:?} for {name}, which takes {allowed:?}, where -1 is any size from 1"));
    }
    let size = |&size: &i64| usize::try_from(size).map_err(|_cause| format!("{size} is no size"));
    input.shape.iter().map(size).collect()
}

/// The elements of one input, exactly as many as its shape needs.
fn elements(
    index: usize,
    contents: Option<InferTensorContents>,
    raw: Option<Bytes>,
    spec: &TensorSpec,
    shape: &[usize],
) -> Result<Elements> {
    let needed = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let contents = contents.unwrap_or_default();
    let given = lengths(&contents).iter().sum::<usize>();
    let field = format!("inputs[{index}].contents");
    let Some(raw) = raw else {
        let (own, elements) = match spec.dtype {
            Dtype::Float32 => ("fp32_contents", Elements::F32(contents.fp32_contents)),
            Dtype::Float16 => {
                let problem = format!("elements of {} are FP16, which go into raw_input_contents", spec.name);
                return Err(Error::invalid(field, problem));
            }
            Dtype::Uint8 => {
                let bytes = contents.uint_contents.into_iter().map(|value| u8::try_from(value).map_err(|_cause| value));
                let bytes = bytes.collect::<Result<Vec<u8>, u32>>();
                let large = |value| Error::invalid(&field, format!("{value} for {}, which takes 0 to 255", spec.name));
                ("uint_contents", Elements::U8(bytes.map_err(large)?))
            }
            Dtype::Int32 => ("int_contents", Elements::I32(contents.int_contents)),
            Dtype::Int64 => ("int64_contents", Elements::I64(contents.int64_contents)),
        };
        let found = match &elements {
            Elements::F32(values) => values.len(),
            Elements::U8(values) => values.len(),
            Elements::I32(values) => values.len(),
            Elements::I64(values) => values.len(),
            Elements::Raw(_, bytes) => bytes.len(),
        };
        if given != found {
            let problem = format!("{} elements outside {own}, where those of {} belong", given - found, spec.name);
            return Err(Error::invalid(field, problem));
        }
        if Some(found) != needed {
            let problem = format!("{found} elements in {own} for {}; {shape:?} needs {}", spec.name, told(needed));
            return Err(Error::invalid(field, problem));
        }
        return Ok(elements);
    };
    if given > 0 {
        let problem =
            format!("{given} elements for {}, which also has raw_input_contents; give one of them", spec.name);
        return Err(Error::invalid(field, problem));
    }
    let needed = needed.and_then(|elements| elements.checked_mul(spec.dtype.width()));
    if Some(raw.len()) != needed {
        let (found, datatype) = (raw.len(), datatype(spec.dtype));
        let problem = format!("{found} bytes for {}; {datatype} of {shape:?} needs {}", spec.name, told(needed));
        return Err(Error::invalid(format!("raw_input_contents[{index}]"), problem));
    }
    Ok(Elements::Raw(spec.dtype, raw))
}

fn told(needed: Option<usize>) -> String {
    needed.map_or_else(|| "more than there can be".into(), |needed| needed.to_string())
}

fn lengths(contents: &InferTensorContents) -> [usize; 8] {
    [
        contents.bool_contents.len(),
        contents.int_contents.len(),
        contents.int64_contents.len(),
        contents.uint_contents.len(),
        contents.uint64_contents.len(),
        contents.fp32_contents.len(),
        contents.fp64_contents.len(),
        contents.bytes_contents.len(),
    ]
}

fn outputs(wanted: Vec<InferRequestedOutputTensor>, model: Signature<'_>) -> Result<Vec<String>> {
    if wanted.is_empty() {
        return Ok(model.outputs.iter().map(|spec| spec.name.clone()).collect());
    }
    let mut names: Vec<String> = Vec::new();
    for (index, output) in wanted.into_iter().enumerate() {
        let field = |part: &str| format!("outputs[{index}].{part}");
        if named(model.outputs, &output.name).is_none() {
            return Err(Error::invalid(field("name"), unknown(&output.name, "an output", model.outputs)));
        }
        if names.contains(&output.name) {
            return Err(Error::invalid(field("name"), format!("{:?} is asked for twice", output.name)));
        }
        refuse(&output.parameters, &field("parameters"))?;
        names.push(output.name);
    }
    Ok(names)
}

fn named<'a>(specs: &'a [TensorSpec], name: &str) -> Option<&'a TensorSpec> {
    specs.iter().find(|spec| spec.name == name)
}

fn unknown(name: &str, what: &str, specs: &[TensorSpec]) -> String {
    format!("{name:?} is not {what} of the model; {}", list(specs))
}

fn list(specs: &[TensorSpec]) -> String {
    let one = |spec: &TensorSpec| format!("{} {} {:?}", spec.name, datatype(spec.dtype), spec.shape);
    format!("it has {}", specs.iter().map(one).collect::<Vec<_>>().join(", "))
}
