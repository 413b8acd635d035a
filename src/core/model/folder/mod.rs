//! A model folder on disk: what it says, and whether it is whole. Knows nothing of ONNX Runtime.

mod card;
pub mod check;
pub mod columns;
mod contract;
pub mod files;
pub mod golden;
pub mod manifest;
pub mod onnx;
pub(in crate::model) mod parse;
mod reading;
mod scores;
pub mod set;
pub mod tensor;
mod verified;

pub use verified::ModelFolder;
