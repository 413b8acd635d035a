//! Bytes and strings become tensors and features. Owns decoding, resizing, text normalisation and hashing; never scores.

pub mod image;
pub mod text;
pub mod words;
