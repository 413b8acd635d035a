//! `wildwarden serve`

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use wildwarden_core::config::{Config, Flag};
use wildwarden_core::error::Error;

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
        let ended = runtime.block_on(Self::serve(Arc::new(self.settings), flags, config));
        // What still reads a file is not waited for.
        runtime.shutdown_background();
        ended
    }

    async fn serve(settings: Arc<Settings>, flags: Vec<Flag>, config: Config) -> anyhow::Result<ExitCode> {
        let mut ends = Ends::listen()?;
        let mut hangup = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
        let server = Server::bind(config).await?;
        tracing::info!(address = %server.address(), "listening");
        if let Some(address) = server.admin_address() {
            tracing::info!(%address, "listening for operators");
        }
        if let Some(address) = server.console_address() {
            tracing::info!(%address, "listening for browsers");
        }
        let mut loading = Box::pin(server.load());
        let loaded = tokio::select! {
            loaded = &mut loading => Some(loaded),
            () = ends.asked() => None,
        };
        let Some(loaded) = loaded else {
            // ONNX Runtime does not survive the end of its process while it reads a model.
            tracing::info!("stopping once what is being loaded is; a second signal ends it at once");
            tokio::select! {
                _ = loading => return Ok(before_it_served()),
                () = ends.asked() => return Ok(at_once()),
            }
        };
        loaded?;
        drop(loading);
        tracing::info!(address = %server.address(), "serving");
        loop {
            tokio::select! {
                () = ends.asked() => break,
                _ = hangup.recv() => {
                    let read = tokio::select! {
                        read = read_again(&settings, &flags) => read,
                        () = ends.asked() => break,
                    };
                    let reloaded = match read {
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
            () = ends.asked() => return Ok(at_once()),
        };
        if drained {
            tracing::info!("stopped: every request finished");
        } else {
            tracing::warn!("stopped: the drain limit passed with connections still open");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Signals that ask the server to end.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    fn listen() -> anyhow::Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    /// Returns at the next of them.
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The settings as they are now, read where nobody waits for the file.
async fn read_again(settings: &Arc<Settings>, flags: &[Flag]) -> Result<Config, Error> {
    let (settings, flags) = (Arc::clone(settings), flags.to_vec());
    let read = tokio::task::spawn_blocking(move || settings.read(flags)).await;
    read.map_err(|cause| Error::Bug(format!("reading the settings: {cause}"))).flatten()
}

/// After a signal while models load.
fn before_it_served() -> ExitCode {
    tracing::info!("stopped before anything was served");
    ExitCode::SUCCESS
}

/// After a second signal.
fn at_once() -> ExitCode {
    tracing::warn!("stopped at once, by a second signal; what was under way is cut off");
    ExitCode::FAILURE
}
