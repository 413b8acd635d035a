//! The `wildwarden` program; see `wildwarden --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    wildwarden::cli::main()
}
