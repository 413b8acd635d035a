//! The laboratory beside the server: [`evaluate`] measures the whole on labelled listings, [`mod@bench`] under load, both draw
//! with [`page`]; [`cli`] holds their commands, and those that prepare model folders. A server needs none of it.

pub mod bench;
pub mod cli;
pub mod evaluate;
pub mod page;
