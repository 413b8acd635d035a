//! What carries a model's operators out: ONNX Runtime's execution providers.

use serde::Deserialize;

/// An execution provider. All but the first must be in the ONNX Runtime library that is loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// ONNX Runtime's own, on the processor.
    #[default]
    Cpu,
    /// Intel's OpenVINO on the processor; in the PyPI package `onnxruntime-openvino`.
    Openvino,
    /// NVIDIA's CUDA, on the first device; in the PyPI package `onnxruntime-gpu`.
    Cuda,
    /// Apple's Core ML.
    Coreml,
}

impl Provider {
    /// Its name in the configuration and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Openvino => "openvino",
            Self::Cuda => "cuda",
            Self::Coreml => "coreml",
        }
    }
}
