//! Which versions there are, and which of them serve together. Loads nothing.

pub mod choice;
pub mod named;
pub mod opening;
pub mod repository;
