//! The protocol's repository calls, which name a model and no version, in terms of the lifecycle.

use std::sync::Arc;

use tokio::sync::OnceCell;
use wildwarden_core::error::{Error, Result};
use wildwarden_core::model::catalogue::repository::order;

use crate::lifecycle::{Asked, Lifecycle, VersionName, VersionState, VersionStatus};

/// A version that is known and not in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// Name of the model.
    pub name: String,
    /// As its folder has it.
    pub version: String,
    /// Why it does not serve, in a sentence.
    pub reason: String,
}

/// Loads and unloads models while the server runs.
#[derive(Debug, Clone)]
pub struct Control(pub Arc<OnceCell<Lifecycle>>);

impl Control {
    fn lifecycle(&self) -> Result<&Lifecycle> {
        self.0.get().ok_or_else(|| Error::NotReady("the models are still loading".into()))
    }

    fn versions(&self, model: &str) -> Result<Vec<VersionStatus>> {
        let mut models = self.lifecycle()?.status().models;
        let names: Vec<String> = models.keys().cloned().collect();
        models.remove(model).ok_or_else(|| Error::NotFound(format!("there is no model {model:?}, but {names:?}")))
    }

    /// Puts the newest complete version of `model` into service; returns once it serves.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such model; [`Error::Refused`] when it cannot serve, with the reason.
    pub async fn load(&self, model: &str) -> Result<()> {
        let mut versions = self.versions(model)?;
        versions.retain(|version| version.state != VersionState::Incomplete);
        let newest = versions.into_iter().max_by(|a, b| order(&a.version).cmp(&order(&b.version)));
        let newest = newest.ok_or_else(|| Error::Refused(format!("no version of {model} is complete")))?;
        if newest.state == VersionState::Serving {
            return Ok(());
        }
        let wanted = VersionName { name: model.to_owned(), version: newest.version };
        self.lifecycle()?.promote(Asked::Versions(&[wanted])).await
    }

    /// Frees the versions of `model` that are in memory and do not serve.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such model; [`Error::Refused`] when only the one that serves is in memory:
    /// without it its category would not be rated.
    pub fn unload(&self, model: &str) -> Result<()> {
        let versions = self.versions(model)?;
        let idle = |version: &&VersionStatus| matches!(version.state, VersionState::Loaded | VersionState::Previous);
        let idle: Vec<&VersionStatus> = versions.iter().filter(idle).collect();
        if idle.is_empty() {
            let problem = "only the version that serves is in memory, and listings cannot be rated without it";
            return Err(Error::Refused(format!("{model}: {problem}")));
        }
        let lifecycle = self.lifecycle()?;
        let wanted =
            |version: &&VersionStatus| VersionName { name: model.to_owned(), version: version.version.clone() };
        idle.iter().map(wanted).try_for_each(|wanted| lifecycle.unload(&wanted))
    }

    /// Versions that are known and not in service; none before the models are loaded.
    pub fn unavailable(&self) -> Vec<Unavailable> {
        let Ok(lifecycle) = self.lifecycle() else { return Vec::new() };
        let rest = |(name, versions): (String, Vec<VersionStatus>)| {
            let others = versions.into_iter().filter(|version| version.state != VersionState::Serving);
            others.map(move |version| Unavailable {
                name: name.clone(),
                reason: if version.reason.is_empty() { "not in service".to_owned() } else { version.reason },
                version: version.version,
            })
        };
        lifecycle.status().models.into_iter().flat_map(rest).collect()
    }
}
