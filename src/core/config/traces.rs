//! `[traces]`: where spans of calls go.

use serde::Deserialize;

use super::parts::Traces;
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTraces {
    otlp: String,
    percent: f64,
}

impl RawTraces {
    /// # Errors
    /// [`Error::Setup`] naming the key, its value and what is allowed.
    pub(super) fn check(self) -> Result<Traces> {
        let Self { otlp, percent } = self;
        if !(otlp.is_empty() || otlp.starts_with("http://")) {
            return Err(Error::setup(format!(
                "traces.otlp: {otlp:?} is no address of a collector like http://127.0.0.1:4317"
            )));
        }
        if !(0.0..=100.0).contains(&percent) {
            return Err(Error::setup(format!("traces.percent: {percent} must be in 0 to 100")));
        }
        Ok(Traces { otlp: (!otlp.is_empty()).then_some(otlp), share: percent / 100.0 })
    }
}
