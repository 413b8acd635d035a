//! `wildwarden model ...`: which models a running server serves, and whether it would serve one.

pub mod check;

mod call;
mod table;

use std::process::ExitCode;

use anyhow::Context;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

use self::call::OperatorClient;
use super::peer::OperatorPeer;
use super::{json, print};
use wildwarden_proto::v1::{ModelsStatus, ShadowReport, StartTrialRequest, VersionName};

/// What a running server is asked.
#[derive(Debug, Subcommand)]
pub enum Call {
    /// Every version there is, what it does, and why it does not serve.
    List(CallArgs),
    /// Look at the folders and the policy file now.
    Reload(CallArgs),
    /// Load and check versions or a set and keep them in memory; what serves does not change.
    Load(Named),
    /// Put versions or a set in service; without any, the candidate.
    Promote(Named),
    /// Undo the last change: end a trial, or return to what served before.
    Rollback(CallArgs),
    /// Free a version that is in memory but not in service.
    Unload(Versions),
    /// Rate a share of listings with other versions or a set, too, and compare; callers notice nothing.
    Shadow(Trial),
    /// Answer a share of listings with other versions or a set; those there is room for are rated as before, too, and compared.
    Canary(Trial),
    /// End the trial.
    Stop(CallArgs),
    /// What the trial shows so far.
    Report(CallArgs),
}

/// Where the server is and how its answer is printed.
#[derive(Debug, Args)]
pub struct CallArgs {
    #[command(flatten)]
    peer: OperatorPeer,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Versions that a call names.
#[derive(Debug, Args)]
pub struct Versions {
    /// name=version, one a model.
    #[arg(value_name = "VERSION", value_parser = version)]
    versions: Vec<VersionName>,
    #[command(flatten)]
    args: CallArgs,
}

/// Versions or a set.
#[derive(Debug, Args)]
pub struct Named {
    #[command(flatten)]
    set: Set,
    #[command(flatten)]
    versions: Versions,
}

/// A set.
#[derive(Debug, Args)]
pub struct Set {
    /// A set in the place of versions: NAME of NAME.set.toml beside the model folders, or default.
    #[arg(long = "set", value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "versions")]
    name: Option<String>,
}

/// What is tried, and on how many listings.
#[derive(Debug, Args)]
pub struct Trial {
    /// name=version, one a model. None, and no set: those labelled canary in the configuration.
    #[arg(value_name = "VERSION", value_parser = version)]
    versions: Vec<VersionName>,
    #[command(flatten)]
    set: Set,
    /// Share of listings, above 0 and at most 1: always the same listings.
    #[arg(long, default_value_t = 0.1)]
    share: f64,
    #[command(flatten)]
    args: CallArgs,
}

impl Trial {
    fn request(self) -> StartTrialRequest {
        let Self { versions, set, share, .. } = self;
        StartTrialRequest { versions, share, set: set.name.unwrap_or_default() }
    }
}

fn version(text: &str) -> Result<VersionName, String> {
    match text.split_once('=') {
        Some((name, version)) if !name.is_empty() && !version.is_empty() => {
            Ok(VersionName { name: name.to_owned(), version: version.to_owned() })
        }
        _ => Err(format!("{text:?} must be name=version, for example tusk=2")),
    }
}

/// What a call gives back.
enum Answer {
    Status(Box<ModelsStatus>),
    Report(ShadowReport),
}

impl Call {
    /// Asks, and prints the answer.
    ///
    /// # Errors
    /// When there is no such server, or it refuses.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let args = self.args();
        let as_json = args.json;
        let (endpoint, key) = (args.peer.trust.endpoint(&args.peer.server)?, args.peer.key.clone());
        let answer = super::async_runtime()?.block_on(async {
            let mut operator = OperatorClient::connect(&endpoint, key.as_deref()).await?;
            self.call(&mut operator).await
        })?;
        let text = match (answer, as_json) {
            (Answer::Status(status), true) => json::line(&*status, "ModelsStatus")?,
            (Answer::Report(report), true) => json::line(&report, "ShadowReport")?,
            (Answer::Status(status), false) => table::status(&status),
            (Answer::Report(report), false) => table::report(&report),
        };
        print(&text);
        Ok(ExitCode::SUCCESS)
    }

    fn args(&self) -> &CallArgs {
        match self {
            Self::List(args) | Self::Reload(args) | Self::Rollback(args) | Self::Stop(args) | Self::Report(args) => {
                args
            }
            Self::Load(Named { versions: Versions { args, .. }, .. })
            | Self::Promote(Named { versions: Versions { args, .. }, .. })
            | Self::Unload(Versions { args, .. }) => args,
            Self::Shadow(Trial { args, .. }) | Self::Canary(Trial { args, .. }) => args,
        }
    }

    async fn call(self, operator: &mut OperatorClient) -> anyhow::Result<Answer> {
        let status = match self {
            Self::Report(_) => return operator.report().await.map(Answer::Report),
            Self::List(_) => operator.list().await?,
            Self::Reload(_) => operator.reload().await?,
            Self::Load(Named { versions, set }) => {
                operator.load(versions.versions, set.name.unwrap_or_default()).await?
            }
            Self::Promote(Named { versions, set }) => {
                operator.promote(versions.versions, set.name.unwrap_or_default()).await?
            }
            Self::Rollback(_) => operator.roll_back().await?,
            Self::Unload(Versions { versions, .. }) => {
                let mut last = None;
                for version in versions {
                    last = Some(operator.unload(version).await?);
                }
                last.context("name at least one version, for example tusk=1")?
            }
            Self::Shadow(trial) => operator.shadow(trial.request()).await?,
            Self::Canary(trial) => operator.canary(trial.request()).await?,
            Self::Stop(_) => operator.stop().await?,
        };
        Ok(Answer::Status(Box::new(status)))
    }
}
