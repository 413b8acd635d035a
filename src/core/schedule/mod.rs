//! The one queue in front of the worker threads. Owns waiting, order, batches, refusal and cancellation; knows nothing of
//! what is run.

mod claim;
mod costs;
mod crew;
mod flow;
mod job;
mod mean;
pub mod policy;
pub mod queue;
pub mod scheduler;
#[cfg(test)]
mod simulated;
pub mod ticket;

pub use claim::Claim;
pub use job::{AskBehind, Asked, BatchRule, Batchable, Behind, COST_CLASSES, Caller, Deadline, Load, Priority};
pub(crate) use mean::RunningMean;
