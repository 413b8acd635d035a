//! The commands that run a server and ask one. Each file is one; here is what all commands share.
#![allow(rustdoc::invalid_html_tags, reason = "read by --help, where <NAME> stands for a value")]

pub mod check;
pub mod classify;
pub mod json;
pub mod model;
pub mod peer;
pub mod policy;
pub mod serve;
pub mod table;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use wildwarden_core::config::{Config, Flag};
use wildwarden_core::error::Result;
use wildwarden_core::telemetry;

/// A write beyond the process's limit of the size of files, by its number on Linux and macOS.
const SIGXFSZ: i32 = 25;

/// Where settings come from; shared by all commands that load models.
#[derive(Debug, Args)]
pub struct Settings {
    /// Configuration file (TOML). Also WILDWARDEN_CONFIG.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Model repository: <DIR>/<name>/<version>/model.toml.
    #[arg(long, value_name = "DIR")]
    models: Option<String>,
    /// Policy file.
    #[arg(long, value_name = "FILE")]
    policy: Option<String>,
    /// ONNX Runtime library. Default: ORT_DYLIB_PATH, else the one that scripts/setup.sh unpacked.
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<String>,
    /// Worker threads; 0: one a core.
    #[arg(long, value_name = "N")]
    workers: Option<String>,
}

impl Settings {
    /// The settings, checked, with logging started by them.
    ///
    /// # Errors
    /// [`Error::Setup`](wildwarden_core::error::Error::Setup) naming where a setting came from, its key, value and what is allowed.
    pub fn load(&self, more: impl IntoIterator<Item = Flag>) -> Result<Config> {
        let config = self.read(more)?;
        telemetry::start(config.log.json, &config.log.level)?;
        Ok(config)
    }

    /// The settings, checked; nothing is started.
    ///
    /// # Errors
    /// See [`Self::load`].
    pub fn read(&self, more: impl IntoIterator<Item = Flag>) -> Result<Config> {
        let given = [
            ("models", "directory", &self.models),
            ("models", "policy", &self.policy),
            ("runtime", "onnxruntime", &self.onnxruntime),
            ("scheduler", "workers", &self.workers),
        ];
        let flags = given.into_iter().filter_map(|(section, key, value)| Some((section, key, value.clone()?)));
        Config::load(self.config.as_deref(), &flags.chain(more).collect::<Vec<_>>())
    }
}

/// A progress bar over `length` of `things`. Hidden by itself when standard error is not a terminal.
///
/// # Errors
/// None is expected: the template is ours.
pub fn progress(length: usize, things: &str) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template(&format!("{{bar:40}} {{pos}}/{{len}} {things}, {{eta}} left"));
    Ok(ProgressBar::new(length as u64).with_style(style.context("progress bar")?))
}

/// A text and the end of its line, on standard output. A reader that has seen enough, as `head` has, is no fault.
pub fn print(text: &str) {
    if let Err(cause) = writeln!(std::io::stdout(), "{text}")
        && cause.kind() != std::io::ErrorKind::BrokenPipe
    {
        complain(&format!("standard output: {cause}"));
    }
}

/// A sentence on standard error. When that cannot be written either, there is nobody left to tell.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "wildwarden: {text}");
}

/// Puts what is no result on standard error, where nobody need read it.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A runtime for a command that makes calls.
///
/// # Errors
/// When the system refuses threads.
pub fn async_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the async runtime")?;
    {
        // A limit of the size of files makes a write fail, as a full disk does; without a handler the signal would end the process.
        let _inside = runtime.enter();
        drop(signal(SignalKind::from_raw(SIGXFSZ)).context("listening for SIGXFSZ")?);
    }
    Ok(runtime)
}
