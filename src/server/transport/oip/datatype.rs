//! Element types by the protocol's names.

use wildwarden_core::pipeline::infer::Dtype;

/// The protocol's name of an element type.
pub(super) fn datatype(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Float32 => "FP32",
        Dtype::Float16 => "FP16",
        Dtype::Uint8 => "UINT8",
        Dtype::Int32 => "INT32",
        Dtype::Int64 => "INT64",
    }
}
