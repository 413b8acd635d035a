//! Which versions there are, and which of them serve together. Loads nothing.

pub mod choice;
mod encoders;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod named;
pub mod opening;
pub mod repository;
