//! Model folders, and the sessions that run them; knows nothing of policy.

pub mod catalogue;
pub mod folder;
pub mod runtime;
