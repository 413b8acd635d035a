//! The `wildwarden` program; see `wildwarden --help`.

use std::os::unix::process::CommandExt;
use std::process::{Command as Program, ExitCode};

use clap::{Parser, Subcommand};
use wildwarden_core::{config, telemetry};
#[cfg(feature = "lab")]
use wildwarden_lab::cli as lab;
use wildwarden_server::cli::{self, complain};

/// Rates marketplace listings for illegal wildlife trade.
///
/// Start a server with `wildwarden serve`, ask it with `wildwarden classify`. Settings come from a TOML file (--config),
/// the environment (WILDWARDEN_SECTION_KEY) and flags, in rising priority; `wildwarden check --print-default` shows all.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
#[cfg_attr(
    not(feature = "lab"),
    command(
        after_help = "This is the server alone; with scripts/setup.sh come bench, bundle, embed, evaluate, featurize, scan, and of \
                          model and policy the commands that make and compare."
    )
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(cli::serve::Serve),
    Classify(cli::classify::Classify),
    #[cfg(feature = "lab")]
    Bench(lab::bench::Bench),
    #[cfg(feature = "lab")]
    Bundle(lab::bundle::Bundle),
    Check(cli::check::Check),
    #[cfg(feature = "lab")]
    Embed(lab::embed::Embed),
    #[cfg(feature = "lab")]
    Evaluate(lab::evaluate::Evaluate),
    #[cfg(feature = "lab")]
    Featurize(lab::featurize::Featurize),
    /// Prepare, check and compare model folders; see and change which models serve, while requests run.
    ///
    /// A VERSION is written name=version, for example tusk=2; the labels stable and canary are versions, too. Models that
    /// belong together, such as an encoder and its heads, are named in one command and switch together. A set, a file
    /// NAME.set.toml beside the model folders, names all models and a policy: --set NAME takes the place of versions, and
    /// --set default returns to what folders and policy file choose.
    ///
    /// Examples:
    ///   wildwarden model list
    ///   wildwarden model shadow tusk=2 --share 0.1
    ///   wildwarden model report
    ///   wildwarden model promote
    ///   wildwarden model rollback
    #[command(subcommand, verbatim_doc_comment)]
    Model(Model),
    /// Check a policy, say what it asks of photos and texts alone, or rate listings with two and say what changes.
    #[command(subcommand)]
    Policy(Policy),
    #[cfg(feature = "lab")]
    Scan(lab::scan::Scan),
    #[cfg(not(feature = "lab"))]
    #[command(external_subcommand)]
    Other(Vec<String>),
}

#[derive(Debug, Subcommand)]
enum Model {
    #[cfg(feature = "lab")]
    New(lab::new::New),
    #[cfg(feature = "lab")]
    Golden(lab::golden::Golden),
    #[cfg(feature = "lab")]
    Hash(lab::hash::Hash),
    Check(cli::model::check::Check),
    #[cfg(feature = "lab")]
    Diff(lab::model_diff::ModelDiff),
    #[command(flatten)]
    Server(cli::model::Call),
    #[cfg(not(feature = "lab"))]
    #[command(external_subcommand)]
    Other(Vec<String>),
}

#[derive(Debug, Subcommand)]
enum Policy {
    Check(cli::policy::PolicyCheck),
    #[cfg(feature = "lab")]
    Diff(Box<lab::policy_diff::PolicyDiff>),
    #[cfg(feature = "lab")]
    Alone(lab::policy_alone::PolicyAlone),
    #[cfg(feature = "lab")]
    Terms(lab::policy_terms::PolicyTerms),
    #[cfg(not(feature = "lab"))]
    #[command(external_subcommand)]
    Other(Vec<String>),
}

/// A command that the server alone does not have.
#[cfg(not(feature = "lab"))]
fn not_here(words: &[String]) -> anyhow::Result<ExitCode> {
    let name = words.first().map(String::as_str).unwrap_or_default();
    anyhow::bail!("there is no command {name:?} in the server alone; scripts/setup.sh builds all there are, see --help")
}

/// Begins anew, as the same process, with [`config::NO_REPORTS`] in the environment. Setting it here would be no way: that is unsafe, for
/// other threads may read it.
fn keep_to_itself() {
    if config::reports_are_decided() {
        return;
    }
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    let again = |program| Program::new(program).arg0(name).args(words).env(config::NO_REPORTS, "1").exec();
    // Only a failure comes back. The command is still worth running.
    let failure = std::env::current_exe().map_or_else(|cause| cause, again);
    complain(&format!("ONNX Runtime may report to its maker: set {}=1 ({failure})", config::NO_REPORTS));
}

/// Runs the command line. Exit codes: 0 done; 1 some inputs failed; 2 wrong usage, setting, model or library.
fn main() -> ExitCode {
    keep_to_itself();
    let outcome = match Cli::parse().command {
        Command::Serve(command) => command.run(),
        Command::Classify(command) => command.run(),
        #[cfg(feature = "lab")]
        Command::Bench(command) => command.run(),
        #[cfg(feature = "lab")]
        Command::Bundle(command) => command.run(),
        Command::Check(command) => command.run(),
        #[cfg(feature = "lab")]
        Command::Embed(command) => command.run(),
        #[cfg(feature = "lab")]
        Command::Evaluate(command) => command.run(),
        #[cfg(feature = "lab")]
        Command::Featurize(command) => command.run(),
        Command::Model(command) => command.run(),
        Command::Policy(command) => command.run(),
        #[cfg(feature = "lab")]
        Command::Scan(command) => command.run(),
        #[cfg(not(feature = "lab"))]
        Command::Other(words) => not_here(&words),
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

impl Model {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            #[cfg(feature = "lab")]
            Self::New(command) => command.run(),
            #[cfg(feature = "lab")]
            Self::Golden(command) => command.run(),
            #[cfg(feature = "lab")]
            Self::Hash(command) => command.run(),
            Self::Check(command) => command.run(),
            #[cfg(feature = "lab")]
            Self::Diff(command) => command.run(),
            Self::Server(call) => call.run(),
            #[cfg(not(feature = "lab"))]
            Self::Other(words) => not_here(&words),
        }
    }
}

impl Policy {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Check(command) => command.run(),
            #[cfg(feature = "lab")]
            Self::Diff(command) => command.run(),
            #[cfg(feature = "lab")]
            Self::Alone(command) => command.run(),
            #[cfg(feature = "lab")]
            Self::Terms(command) => command.run(),
            #[cfg(not(feature = "lab"))]
            Self::Other(words) => not_here(&words),
        }
    }
}
