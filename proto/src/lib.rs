//! The contract's messages and services, generated from the `.proto` files beside this crate. The generated code is part of
//! the tree, so that a build needs no compiler of proto files: `cargo run -p wildwarden-generate` writes it anew, and a test of
//! that package holds it to the files.
#![allow(
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    clippy::all,
    clippy::too_many_lines,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    reason = "generated code, documented in the proto"
)]

#[cfg(feature = "grpc")]
use prost::Message;

#[cfg(feature = "grpc")]
pub mod counting;

/// `wildwarden.v1`: what callers and operators ask.
#[cfg(feature = "grpc")]
pub mod v1 {
    include!("generated/wildwarden.v1.rs");
}

/// The Open Inference Protocol.
#[cfg(feature = "grpc")]
pub mod inference {
    include!("generated/inference.rs");
}

/// ONNX files.
pub mod onnx {
    include!("generated/onnx.rs");
}

/// The encoded descriptors of the contract, for reflection and JSON.
#[cfg(feature = "grpc")]
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");

/// The same calls over HTTP, as OpenAPI 3.1.
#[cfg(feature = "grpc")]
pub const OPENAPI: &str = include_str!("generated/openapi.json");

/// Those without ModelService, which is not on the public listener.
///
/// # Errors
/// When [`DESCRIPTORS`] are damaged.
#[cfg(feature = "grpc")]
pub fn public_descriptors() -> Result<prost_types::FileDescriptorSet, prost::DecodeError> {
    let mut descriptors = prost_types::FileDescriptorSet::decode(DESCRIPTORS)?;
    descriptors.file.retain(|file| file.name() != "wildwarden/v1/models.proto");
    Ok(descriptors)
}
