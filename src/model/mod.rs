//! Model folders, and the sessions that run them. Owns everything that touches ONNX Runtime; knows nothing of policy.

pub mod choice;
pub mod engine;
pub mod golden;
pub mod loaded;
pub mod manifest;
pub mod registry;
pub mod repository;
pub mod session;
