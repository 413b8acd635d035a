//! The sections [models] and [rollout]: which versions serve, and how new ones are tried.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::numbers::{number, size};
use crate::error::{Error, Result};
use crate::model::catalogue::choice::{Rules, VersionPolicy};

/// How new versions are tried and when they are taken back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollout {
    /// Time after a switch in which it is taken back when it does badly; zero: never.
    pub watch: Duration,
    /// Share of listings that may fail or lack a model, in percent; 0: not looked at.
    pub max_error_percent: f64,
    /// Slowest time of all but the slowest hundredth of listings; zero: not looked at.
    pub max_p99: Duration,
    /// Listings before a judgement, at least 1.
    pub min_listings: usize,
    /// Listings that the shadow rates at the same time, at least 1.
    pub shadow_in_flight: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModels {
    pub(super) directory: PathBuf,
    pub(super) policy: PathBuf,
    pub(super) ignore_state: bool,
    pub(super) max_file_bytes: u64,
    versions: BTreeMap<String, RawVersions>,
    labels: BTreeMap<String, RawLabels>,
    pub(super) watch: bool,
    poll_ms: u64,
}

/// `"latest"`, one version, or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawVersions {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLabels {
    stable: Option<String>,
    canary: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRollout {
    watch_seconds: u64,
    max_error_percent: f64,
    max_p99_ms: u64,
    min_listings: u64,
    shadow_in_flight: u64,
}

impl RawModels {
    /// Time between two looks; zero: none.
    pub(super) fn poll(&self) -> Result<Duration> {
        let ms = if self.poll_ms == 0 { 0 } else { number("models.poll_ms", self.poll_ms, 20..=3_600_000)? };
        Ok(Duration::from_millis(ms))
    }

    /// What is said of each model.
    pub(super) fn rules(self) -> Result<Rules> {
        let mut rules = Rules::new();
        for (name, given) in self.versions {
            let policy = match given {
                RawVersions::One(word) if word == "latest" => VersionPolicy::Latest,
                RawVersions::One(version) => VersionPolicy::Pinned(version),
                RawVersions::Several(versions) if versions.is_empty() => {
                    return Err(Error::setup(format!(
                        "models.versions.{name}: name at least one version, or \"latest\""
                    )));
                }
                RawVersions::Several(versions) => VersionPolicy::Several(versions),
            };
            rules.entry(name).or_default().policy = policy;
        }
        for (name, RawLabels { stable, canary }) in self.labels {
            if stable.is_some() && stable == canary {
                let version = stable.unwrap_or_default();
                return Err(Error::setup(format!(
                    "models.labels.{name}: {version:?} cannot be both stable and canary"
                )));
            }
            let rule = rules.entry(name).or_default();
            (rule.stable, rule.canary) = (stable, canary);
        }
        Ok(rules)
    }
}

impl RawRollout {
    /// The limits, checked.
    pub(super) fn check(self) -> Result<Rollout> {
        let raw = self;
        let max_error_percent = raw.max_error_percent;
        if !(0.0..=100.0).contains(&max_error_percent) {
            return Err(Error::setup(format!("rollout.max_error_percent: {max_error_percent} must be in 0 to 100")));
        }
        Ok(Rollout {
            watch: Duration::from_secs(number("rollout.watch_seconds", raw.watch_seconds, 0..=86_400)?),
            max_error_percent,
            max_p99: Duration::from_millis(number("rollout.max_p99_ms", raw.max_p99_ms, 0..=600_000)?),
            min_listings: size("rollout.min_listings", raw.min_listings, 1..=1000)?,
            shadow_in_flight: size("rollout.shadow_in_flight", raw.shadow_in_flight, 1..=1000)?,
        })
    }
}
