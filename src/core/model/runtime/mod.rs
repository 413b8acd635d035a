//! What runs models: everything that touches ONNX Runtime.

pub mod cost;
pub mod engine;
mod load;
pub mod loaded;
pub mod pace;
pub mod plausible;
pub mod probe;
pub mod session;
pub mod statistics;
