//! `wildwarden serve`

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use wildwarden_core::config::Flag;

use super::Settings;
use crate::server::Server;

/// Start the server.
///
/// Health (grpc.health.v1) says NOT_SERVING until the models are loaded and their golden samples reproduce. SIGTERM and
/// Ctrl-C drain: no new requests, running ones finish within server.drain_seconds, exit code 0; a second signal ends it at once. SIGHUP reads the settings of
/// models and rollout again, and looks at models and policy.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    settings: Settings,
    /// Address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Listener for operators: metrics, ModelService; empty: none.
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<String>,
    /// Listener of the console, a page for browsers; empty: none.
    #[arg(long, value_name = "ADDRESS:PORT")]
    console_listen: Option<String>,
    /// Forget what calls decided before the last stop (models/state.json): start with what the rules choose.
    #[arg(long)]
    ignore_state: bool,
}

impl Serve {
    /// Returns once drained, also when requests were cut off.
    ///
    /// # Errors
    /// Settings, the address, the policy or models are refused.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let listen = self.listen.map(|address| ("server", "listen", address));
        let admin = self.admin_listen.map(|address| ("server", "admin_listen", address));
        let ignore = self.ignore_state.then(|| ("models", "ignore_state", "true".to_owned()));
        let console = self.console_listen.map(|address| ("server", "console_listen", address));
        let flags: Vec<Flag> = listen.into_iter().chain(admin).chain(console).chain(ignore).collect();
        let config = self.settings.load(flags.clone())?;
        let runtime = super::async_runtime()?;
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
            let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
            let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
            let server = Server::bind(config).await?;
            tracing::info!(address = %server.address(), "listening");
            if let Some(address) = server.admin_address() {
                tracing::info!(%address, "listening for operators");
            }
            if let Some(address) = server.console_address() {
                tracing::info!(%address, "listening for browsers");
            }
            tokio::select! {
                loaded = server.load() => loaded?,
                _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
                _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
            }
            tracing::info!(address = %server.address(), "serving");
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    _ = hangup.recv() => {
                        let reloaded = match self.settings.read(flags.clone()) {
                            Ok(config) => server.reload(config).await,
                            Err(error) => Err(error),
                        };
                        if let Err(error) = reloaded {
                            tracing::error!(%error, "SIGHUP: the settings are refused; nothing was changed");
                        }
                    }
                }
            }
            tracing::info!("draining");
            let drained = tokio::select! {
                drained = server.drain() => drained?,
                _ = terminate.recv() => return Ok(at_once()),
                _ = interrupt.recv() => return Ok(at_once()),
            };
            if drained {
                tracing::info!("stopped: every request finished");
            } else {
                tracing::warn!("stopped: the drain limit passed with connections still open");
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// After a second signal.
fn at_once() -> ExitCode {
    tracing::warn!("stopped at once, by a second signal; what was under way is cut off");
    ExitCode::FAILURE
}
