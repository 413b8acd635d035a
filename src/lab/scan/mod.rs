//! Rates listings in bulk: tables and folders in, a table out. The same pipeline as a request's, without a server.
//!
//! Rows flow one way: [`input`] reads them in order, [`run`] has them rated side by side and puts them back into order, [`parts`]
//! writes them. A part appears under its name when it is whole and says where the next begins, so a scan that was stopped or killed
//! goes on after its last part: every row of the input is in exactly one row of the output.

pub mod columns;
pub mod input;
pub mod kept;
pub mod parts;
pub mod photos;
pub mod plan;
pub mod report;
pub mod run;
pub mod summary;
pub mod table;
mod words;
