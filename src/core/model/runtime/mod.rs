//! What runs models: everything that touches ONNX Runtime.

pub mod cost;
pub mod engine;
mod feed;
mod load;
pub mod loaded;
pub mod occlusion;
pub mod pace;
pub mod plausible;
pub mod probe;
pub mod provider;
mod scores;
pub mod session;
pub mod statistics;
pub mod tensor;
pub mod tokens;
