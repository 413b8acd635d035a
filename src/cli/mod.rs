//! The commands. Each file is one; here is what they share.

mod bare;
mod bench;
mod check;
mod classify;
mod compare;
mod embed;
mod evaluate;
mod featurize;
mod json;
mod model;
mod numbers;
mod peer;
mod policy;
mod serve;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::{Config, Flag};
use crate::error::Result;
use crate::telemetry;

/// Rates marketplace listings for illegal wildlife trade.
///
/// Start a server with `wildwarden serve`, ask it with `wildwarden classify`. Settings come from a TOML file (--config),
/// the environment (WILDWARDEN_SECTION_KEY) and flags, in rising priority; `wildwarden check --print-default` shows all.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Classify(classify::Classify),
    Bench(bench::Bench),
    Check(check::Check),
    Embed(embed::Embed),
    Evaluate(evaluate::Evaluate),
    Featurize(featurize::Featurize),
    Model(model::Model),
    Policy(policy::Policy),
}

/// Where settings come from; shared by all commands that load models.
#[derive(Debug, Args)]
struct Settings {
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
    fn load(&self, more: impl IntoIterator<Item = Flag>) -> Result<Config> {
        let config = self.read(more)?;
        telemetry::start(config.log_json, &config.log_level)?;
        Ok(config)
    }

    /// The settings, checked; nothing is started.
    fn read(&self, more: impl IntoIterator<Item = Flag>) -> Result<Config> {
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
fn progress(length: usize, things: &str) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template(&format!("{{bar:40}} {{pos}}/{{len}} {things}, {{eta}} left"));
    Ok(ProgressBar::new(length as u64).with_style(style.context("progress bar")?))
}

/// A text and the end of its line, on standard output. A reader that has seen enough, as `head` has, is no fault.
fn print(text: &str) {
    if let Err(cause) = writeln!(std::io::stdout(), "{text}")
        && cause.kind() != std::io::ErrorKind::BrokenPipe
    {
        complain(&format!("standard output: {cause}"));
    }
}

/// A sentence on standard error. When that cannot be written either, there is nobody left to tell.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "wildwarden: {text}");
}

/// Puts what is no result on standard error, where nobody need read it.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn async_runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the async runtime")
}

/// Runs the command line. Exit codes: 0 done; 1 some inputs failed; 2 wrong usage, setting, model or library.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(command) => command.run(),
        Command::Classify(command) => command.run(),
        Command::Bench(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Embed(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Featurize(command) => command.run(),
        Command::Model(command) => command.run(),
        Command::Policy(command) => command.run(),
    };
    telemetry::stop();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}
