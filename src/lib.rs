//! Wildwarden rates marketplace listings for illegal wildlife trade.
//!
//! A request goes through the modules in this order, and [`pipeline`] alone knows it:
//!
//! | module | does |
//! | --- | --- |
//! | [`transport`] | gRPC: checks what comes in, says what goes out |
//! | [`schedule`] | one bounded queue in front of the worker threads |
//! | [`preprocess`] | image bytes to tensors, strings to hashed features |
//! | [`model`] | model folders and the ONNX sessions that run them |
//! | [`score`] | calibration, fusion, rating, explanation; pure |
//!
//! [`lifecycle`] decides which models and policy serve, and puts them in service; [`domain`], [`input_spec`], [`error`] and
//! [`metrics`] are leaves that every stage may use; [`server`] puts the parts together; [`evaluate`] measures the whole on
//! labelled listings, [`mod@bench`] under load, and both draw with [`page`]; [`cli`] holds the commands.
//! `tests/architecture.rs` keeps the arrows, and files out of circles.

pub mod bench;
pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod evaluate;
pub mod input_spec;
pub mod lifecycle;
mod memory;
pub mod metrics;
pub mod model;
pub mod page;
mod percentile;
pub mod pipeline;
pub mod preprocess;
mod random;
pub mod schedule;
pub mod score;
pub mod server;
pub mod telemetry;
pub mod transport;
