//! Requests of the Open Inference Protocol.

use wildwarden_proto::inference::infer_parameter::ParameterChoice;
use wildwarden_proto::inference::model_infer_request::InferInputTensor;
use wildwarden_proto::inference::{InferParameter, ModelInferRequest};

pub(crate) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

pub(crate) fn input(name: &str, datatype: &str, shape: &[i64]) -> InferInputTensor {
    InferInputTensor { name: name.into(), datatype: datatype.into(), shape: shape.into(), ..Default::default() }
}

pub(crate) fn request(model: &str, inputs: Vec<InferInputTensor>, raw: Vec<Vec<u8>>) -> ModelInferRequest {
    let raw_input_contents = raw.into_iter().map(Into::into).collect();
    ModelInferRequest { model_name: model.into(), inputs, raw_input_contents, ..Default::default() }
}

/// `rows` embeddings of which no two are equal.
pub(crate) fn embeddings(rows: usize) -> Vec<f32> {
    (0..rows * 1280).map(|i| (i % 977) as f32 / 977.0).collect()
}

pub(crate) fn head(rows: usize) -> ModelInferRequest {
    let shape = [i64::try_from(rows).unwrap(), 1280];
    request("ivory", vec![input("embedding", "FP32", &shape)], vec![bytes(&embeddings(rows))])
}

/// Two texts of three features.
pub(crate) fn text(ids: &[i64; 6]) -> ModelInferRequest {
    let ids = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let inputs = vec![input("values", "FP32", &[2, 3]), input("ids", "INT64", &[2, 3])];
    request("text_classifier", inputs, vec![bytes(&[0.5, 0.25, 1.0, -1.0, 0.0, 2.0]), ids])
}

pub(crate) fn with_parameter(mut request: ModelInferRequest, name: &str, value: ParameterChoice) -> ModelInferRequest {
    request.parameters.insert(name.into(), InferParameter { parameter_choice: Some(value) });
    request
}
