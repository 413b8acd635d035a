//! Models change while a real server runs: real model folders, real gRPC, both listeners.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod categories;
#[path = "../common/mod.rs"]
mod common;
mod joined;
mod looks;
mod repository;
mod restart;
mod sets;
mod swap;
mod trial;
mod ways_in;
