//! Model folders, and the sessions that run them. Owns everything that touches ONNX Runtime; knows nothing of policy.

pub mod check;
pub mod choice;
mod contract;
pub mod draft;
pub mod engine;
pub mod files;
pub mod golden;
pub mod loaded;
pub mod manifest;
pub mod onnx;
pub mod opening;
pub mod plausible;
pub mod probe;
pub mod registry;
pub mod repository;
pub mod session;
pub mod set;
pub mod statistics;
