//! The sections [runtime] and [scheduler]: what models run on, and who waits how long for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::installed::Installed;
use super::numbers::{number, size};
use super::parts::RuntimeSettings;
use crate::error::Result;
use crate::model::runtime::provider::Provider;
use crate::schedule::policy::Patience;
use crate::schedule::scheduler::Settings;

/// Where `scripts/setup.sh` unpacks ONNX Runtime, from the project's folder.
pub(super) const UNPACKED: &str = ".runtime";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRuntime {
    onnxruntime: PathBuf,
    provider: Provider,
    fallback: bool,
}

impl RawRuntime {
    pub(super) fn check(
        self,
        scheduler: &RawScheduler,
        library_variable: Option<String>,
        installed: Installed,
    ) -> Result<RuntimeSettings> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let intra_op_threads = size("scheduler.intra_op_threads", scheduler.intra_op_threads, 1..=64)?;
        let workers = match size("scheduler.workers", scheduler.workers, 0..=256)? {
            0 => (cores / intra_op_threads).max(1),
            workers => workers,
        };
        let onnxruntime = match (self.onnxruntime, library_variable) {
            (path, _) if !path.as_os_str().is_empty() => path,
            (_, Some(path)) => path.into(),
            (_, None) => unpacked_library(installed),
        };
        let (provider, fallback) = (self.provider, self.fallback);
        Ok(RuntimeSettings { onnxruntime, provider, fallback, workers, intra_op_threads })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScheduler {
    workers: u64,
    intra_op_threads: u64,
    queue_capacity: u64,
    bulk_yields_ms: u64,
    max_wait_ms: u64,
    bulk_max_wait_ms: u64,
    hang_seconds: u64,
}

impl RawScheduler {
    pub(super) fn queue(&self) -> Result<Settings> {
        let ms = |key: &str, value, range| number(key, value, range).map(Duration::from_millis);
        Ok(Settings {
            capacity: size("scheduler.queue_capacity", self.queue_capacity, 1..=1_000_000)?,
            bulk_yields: ms("scheduler.bulk_yields_ms", self.bulk_yields_ms, 0..=60_000)?,
            patience: Patience {
                interactive: ms("scheduler.max_wait_ms", self.max_wait_ms, 1..=600_000)?,
                bulk: ms("scheduler.bulk_max_wait_ms", self.bulk_max_wait_ms, 1..=600_000)?,
            },
            hang: number("scheduler.hang_seconds", self.hang_seconds, 1..=3600).map(Duration::from_secs)?,
        })
    }
}

/// The library's place after `scripts/setup.sh`, by the platform's naming; where it is not there, the installed one.
fn unpacked_library(installed: Installed) -> PathBuf {
    let name = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" };
    let unpacked = Path::new(UNPACKED).join(name);
    installed.library.filter(|_| !unpacked.exists()).unwrap_or(unpacked)
}
