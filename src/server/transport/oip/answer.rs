//! Models, runs and tensors on their way to the wire.

use std::time::{Duration, SystemTime};

use wildwarden_core::config::Limits;
use wildwarden_core::pipeline::infer::{Dtype, OutputTensor, Servable, TensorSpec};
use wildwarden_proto::inference as proto;
use wildwarden_proto::inference::model_infer_response::InferOutputTensor;
use wildwarden_proto::inference::model_metadata_response::TensorMetadata;

use super::datatype::datatype;

/// Triton's name for an ONNX file run by ONNX Runtime.
const PLATFORM: &str = "onnxruntime_onnx";
const BACKEND: &str = "onnxruntime";

/// The answer to a ModelInfer.
pub fn inferred(model: &Servable, id: String, outputs: Vec<OutputTensor>) -> proto::ModelInferResponse {
    let (outputs, raw_output_contents) = outputs
        .into_iter()
        .map(|output| {
            let shape = output.shape.iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect();
            let datatype = datatype(output.dtype).to_owned();
            (InferOutputTensor { name: output.name, datatype, shape, ..Default::default() }, output.content)
        })
        .unzip();
    proto::ModelInferResponse {
        model_name: model.name().to_owned(),
        model_version: model.version().to_owned(),
        id,
        outputs,
        raw_output_contents,
        ..Default::default()
    }
}

/// What a model takes and gives.
pub fn metadata(model: &Servable) -> proto::ModelMetadataResponse {
    let tensor = |spec: &TensorSpec| TensorMetadata {
        name: spec.name.clone(),
        datatype: datatype(spec.dtype).to_owned(),
        shape: spec.shape.clone(),
    };
    proto::ModelMetadataResponse {
        name: model.name().to_owned(),
        versions: vec![model.version().to_owned()],
        platform: PLATFORM.to_owned(),
        inputs: model.inputs().iter().map(tensor).collect(),
        outputs: model.outputs().iter().map(tensor).collect(),
    }
}

/// The same in Triton's form: where every tensor begins with an axis of rows, that axis is left out.
pub fn config(model: &Servable, limits: &Limits) -> proto::ModelConfig {
    let has_rows = model.inputs().iter().chain(model.outputs()).all(|spec| spec.shape.first() == Some(&-1));
    let max_batch_size = if has_rows { i32::try_from(limits.max_infer_rows).unwrap_or(i32::MAX) } else { 0 };
    let dims = |spec: &TensorSpec| spec.shape.iter().skip(usize::from(has_rows)).copied().collect();
    let data_type = |spec: &TensorSpec| match spec.dtype {
        Dtype::Float32 => proto::DataType::TypeFp32.into(),
        Dtype::Float16 => proto::DataType::TypeFp16.into(),
        Dtype::Uint8 => proto::DataType::TypeUint8.into(),
        Dtype::Int32 => proto::DataType::TypeInt32.into(),
        Dtype::Int64 => proto::DataType::TypeInt64.into(),
    };
    let input =
        |spec: &TensorSpec| proto::ModelInput { name: spec.name.clone(), data_type: data_type(spec), dims: dims(spec) };
    let output = |spec: &TensorSpec| proto::ModelOutput {
        name: spec.name.clone(),
        data_type: data_type(spec),
        dims: dims(spec),
    };
    proto::ModelConfig {
        name: model.name().to_owned(),
        platform: PLATFORM.to_owned(),
        max_batch_size,
        input: model.inputs().iter().map(input).collect(),
        output: model.outputs().iter().map(output).collect(),
        default_model_filename: model.file().to_owned(),
        backend: BACKEND.to_owned(),
    }
}

/// How often a model ran.
pub fn statistics(model: &Servable) -> proto::ModelStatistics {
    let runs = model.runs();
    let sum = |count, time: Duration| Some(proto::StatisticDuration { count, ns: nanoseconds(time) });
    let last = runs.last.and_then(|last| last.duration_since(SystemTime::UNIX_EPOCH).ok());
    let whole = runs.success.time + runs.queue.time + runs.read.time + runs.write.time;
    proto::ModelStatistics {
        name: model.name().to_owned(),
        version: model.version().to_owned(),
        last_inference: last.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        inference_count: runs.rows,
        execution_count: runs.success.count,
        inference_stats: Some(proto::InferStatistics {
            success: sum(runs.success.count, whole),
            fail: sum(runs.fail.count, runs.fail.time),
            queue: sum(runs.queue.count, runs.queue.time),
            compute_input: sum(runs.read.count, runs.read.time),
            compute_infer: sum(runs.success.count, runs.success.time),
            compute_output: sum(runs.write.count, runs.write.time),
            cache_hit: sum(0, Duration::ZERO),
            cache_miss: sum(0, Duration::ZERO),
        }),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
