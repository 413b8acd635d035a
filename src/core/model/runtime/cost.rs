//! What a model costs.

use serde::Serialize;

/// As measured when it was loaded. Approximate: other work on the machine is in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Median milliseconds of a run with one row on one session.
    pub run_ms: f64,
    /// Runs that were measured.
    pub runs: usize,
    /// Milliseconds that loading a session took, of the slowest one.
    pub load_ms: f64,
    /// Bytes by which the process grew meanwhile; `None` where the system does not tell.
    pub resident_bytes: Option<u64>,
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ms a run (median of {})", self.run_ms, self.runs)?;
        self.resident_bytes.map_or(Ok(()), |bytes| write!(f, ", about {:.1} MB", bytes as f64 / 1e6))
    }
}
