//! gRPC at the edge: checks what comes in, says what goes out. Never decodes an image or runs a model.

pub mod admin;
pub mod calls;
pub mod convert;
pub mod convert_models;
pub mod guard;
pub mod methods;
pub mod models;
pub mod oip;
pub mod service;
pub mod status;

/// Messages and services generated from `proto/`.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::too_many_lines,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    reason = "generated code, documented in the proto"
)]
pub mod proto {
    tonic::include_proto!("wildwarden.v1");
    /// The encoded descriptors of the contract, for reflection and JSON.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

    /// Those without ModelService, which is not on the public listener.
    pub const PUBLIC_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/public_descriptors.bin"));

    /// Of the Open Inference Protocol.
    pub mod inference {
        tonic::include_proto!("inference");
    }
}
