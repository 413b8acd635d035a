//! Logits become a rating. Pure: no clock, no I/O, no async.

pub mod calibrate;
pub mod explain;
pub mod fuse;
pub mod policy;
pub mod rating;
