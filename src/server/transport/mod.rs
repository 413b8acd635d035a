//! gRPC at the edge: checks what comes in, says what goes out. Never decodes an image or runs a model.

pub mod admin;
pub mod arriving;
pub mod attempts;
pub mod caller;
pub mod calls;
pub mod connection;
pub mod connections;
pub mod console;
pub mod convert;
mod convert_info;
pub mod convert_models;
mod convert_words;
pub mod dialect;
pub mod entrance;
pub mod guard;
pub mod ledger;
pub mod methods;
pub mod models;
pub mod oip;
pub mod origin;
pub mod rest;
pub mod service;
pub mod status;
pub mod tls;
