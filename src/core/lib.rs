//! Rates a listing: from its bytes to a risk with reasons. Knows no transport.
//!
//! A listing goes through the modules in this order, and [`pipeline`] alone knows it:
//!
//! | module | does |
//! | --- | --- |
//! | [`schedule`] | one bounded queue in front of the worker threads |
//! | [`preprocess`] | image bytes to tensors, strings to hashed features |
//! | [`model`] | model folders and the ONNX sessions that run them |
//! | [`score`] | calibration, fusion, rating, explanation; pure |
//!
//! [`domain`], [`input_spec`], [`error`], [`metrics`] and the small ones are leaves that every stage may use; [`config`] says
//! how all of them are set. `tests/architecture.rs` keeps the arrows, and files out of circles.

pub mod config;
pub mod domain;
pub mod drift;
pub mod error;
pub mod input_spec;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod percentile;
pub mod pipeline;
pub mod preprocess;
pub mod random;
pub mod schedule;
pub mod score;
pub mod telemetry;
