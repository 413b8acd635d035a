//! `wildwarden model`: one file a command.

mod check;
mod diff;
mod hash;
mod new;

use std::process::ExitCode;

use clap::Args;
use clap::Subcommand;

/// Prepare, check and compare model folders.
#[derive(Debug, Args)]
pub(super) struct Model {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Hash(hash::Hash),
    Check(check::Check),
    Diff(diff::Diff),
}

impl Model {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::New(command) => command.run(),
            Command::Hash(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Diff(command) => command.run(),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the commands' output")]
fn print(text: &str) {
    println!("{text}");
}
