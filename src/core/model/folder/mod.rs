//! A model folder on disk: what it says, and whether it is whole. Knows nothing of ONNX Runtime.

mod card;
pub mod check;
pub(in crate::model) mod columns;
mod contract;
pub mod draft;
pub mod files;
pub mod golden;
pub mod manifest;
pub mod onnx;
pub(in crate::model) mod parse;
pub mod set;
pub mod tensor;
mod verified;

pub use verified::ModelFolder;
