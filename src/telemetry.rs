//! Log lines. Never image bytes, never listing text.

use tracing_subscriber::EnvFilter;

use crate::error::{Error, Result};

/// Sends events to standard error, as text or JSON, filtered by `level`.
///
/// # Errors
/// [`Error::Setup`] when `level` is not a filter.
pub fn start(json: bool, level: &str) -> Result<()> {
    // ONNX Runtime's own lines below warning cost time on every run.
    let filter = EnvFilter::try_new(format!("{level},ort=warn"))
        .map_err(|cause| Error::Setup(format!("log.level: {level:?} is not a filter: {cause}")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call keeps the first subscriber, which is what tests with several servers in one process want.
    let _ = if json { lines.json().try_init() } else { lines.with_ansi(false).try_init() };
    Ok(())
}
