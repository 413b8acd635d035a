//! The commands that measure, prepare and rate in bulk. Each file is one.
#![allow(
    rustdoc::invalid_html_tags,
    rustdoc::broken_intra_doc_links,
    reason = "read by --help, where <NAME> stands for a value"
)]

pub mod bench;
pub mod bundle;
pub mod embed;
pub mod evaluate;
pub mod featurize;
pub mod golden;
pub mod hash;
pub mod model_diff;
pub mod new;
pub mod policy_alone;
pub mod policy_diff;
pub mod policy_terms;
pub mod scan;

mod bare;
mod compare;
mod numbers;
mod table;
