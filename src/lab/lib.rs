//! The laboratory beside the server: [`evaluate`] measures the whole on labelled listings, [`mod@bench`] under load, both draw
//! with [`page`]; [`scan`] rates whole marketplaces; [`import`] knows models that others made; [`cli`] holds the commands. A server needs none of it.

pub mod bench;
pub mod cli;
pub mod evaluate;
pub mod import;
pub mod page;
pub mod scan;
