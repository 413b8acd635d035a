//! What operators decided, what the folders last chose and the named set that serves, in a small file beside the models, so that
//! a restart undoes nothing. The file is written beside and moved in, so it is never half there; what it names is checked against
//! the folders before it counts.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wildwarden_core::domain::{DEFAULT_SET, ModelVersion};
use wildwarden_core::error::{Error, Result};
use wildwarden_core::model::catalogue::choice::Decision;
use wildwarden_core::model::catalogue::named::{is_name, together};
use wildwarden_core::model::catalogue::repository::Version;
use wildwarden_core::pipeline::generation::PolicyFile;

use super::plan::Plan;
use super::state::State;

/// Name of the file in the folder of the models.
const FILE: &str = "state.json";
/// Of the file's layout.
const FORMAT: u32 = 1;
/// Largest file that is read: far more than a thousand models need.
const MAX_BYTES: u64 = 1 << 23;

/// `state.json`, [`FORMAT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedState {
    format: u32,
    /// What calls decided, by model.
    decisions: BTreeMap<String, SavedDecision>,
    /// The versions that the folders last chose.
    #[serde(rename = "served")]
    default_versions: Vec<SavedVersion>,
    /// The named set that serves in their place.
    #[serde(default)]
    set: Option<SavedSet>,
    /// The folders' policy.
    #[serde(default)]
    policy: Option<SavedPolicy>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedDecision {
    serve: Option<String>,
    until_newer_than: SavedVersion,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedVersion {
    name: String,
    version: String,
    sha256: String,
}

/// A named set, as it was when it was put in service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedSet {
    name: String,
    models: Vec<SavedVersion>,
    /// Content of its policy.
    policy: String,
}

impl SavedSet {
    /// It can serve again only as it was.
    ///
    /// # Errors
    /// One sentence, when a version is gone or its folder has changed, or the policy is refused.
    pub(super) fn plan(
        &self,
        versions: &[Arc<Version>],
        default_versions: &[Arc<Version>],
    ) -> std::result::Result<Plan, String> {
        let found = |saved: &SavedVersion| {
            let changed = || format!("{} {} is not there any more as it was", saved.name, saved.version);
            find(saved, versions).ok_or_else(changed)
        };
        let versions = self.models.iter().map(found).collect::<std::result::Result<Vec<_>, _>>()?;
        if !is_name(&self.name) {
            return Err(format!("{:?} is no name of a set", self.name));
        }
        let policy = Arc::new(PolicyFile::parse(self.policy.clone())?);
        let versions = together(&versions, default_versions, &policy.policy.declared())?;
        Ok(Plan { versions, policy, set: self.name.clone() })
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

fn find(saved: &SavedVersion, versions: &[Arc<Version>]) -> Option<Arc<Version>> {
    versions.iter().find(|version| version.identity == saved.identity()).cloned()
}

/// The folders' policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedPolicy {
    /// Hash of the file that does not serve: it was rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<String>,
    /// Content of the policy file that the folders last chose with.
    pub(super) text: String,
}

impl From<&ModelVersion> for SavedVersion {
    fn from(ModelVersion { name, version, sha256 }: &ModelVersion) -> Self {
        Self { name: name.clone(), version: version.clone(), sha256: sha256.clone() }
    }
}

impl SavedVersion {
    fn identity(&self) -> ModelVersion {
        ModelVersion { name: self.name.clone(), version: self.version.clone(), sha256: self.sha256.clone() }
    }
}

impl SavedState {
    /// What is to be saved of `state`.
    pub(super) fn of(state: &State) -> Self {
        let current = state.current();
        let decisions = state.ledger.decisions().iter().map(|(name, decision)| {
            let until_newer_than = SavedVersion::from(&decision.until_newer_than);
            (name.clone(), SavedDecision { serve: decision.serve.clone(), until_newer_than })
        });
        let policy =
            SavedPolicy { held: state.ledger.policy_held().cloned(), text: state.ledger.default().policy.text.clone() };
        let default_versions =
            state.ledger.default().versions.iter().map(|version| SavedVersion::from(&version.identity)).collect();
        let set = (current.set().name != DEFAULT_SET).then(|| SavedSet {
            name: current.set().name.clone(),
            models: current.models().iter().map(SavedVersion::from).collect(),
            policy: current.policy_file().text.clone(),
        });
        Self { format: FORMAT, decisions: decisions.collect(), default_versions, set, policy: Some(policy) }
    }

    /// What the file beside `models` says; `None` when there is none. A file that cannot be used is told of and left out: it
    /// must not keep a server from starting.
    pub(super) fn read(models: &Path) -> Option<Self> {
        let path = models.join(FILE);
        match read(&path) {
            Ok(saved_state) => saved_state,
            Err(error) => {
                tracing::error!(reason = %error, "what was decided before is not known; the newest versions are chosen");
                None
            }
        }
    }

    /// The decisions that can still be followed. One for a version that is gone is told of.
    pub(super) fn decisions(&self, versions: &[Arc<Version>]) -> BTreeMap<String, Decision> {
        let mut decisions = BTreeMap::new();
        for (name, saved) in &self.decisions {
            let is_there = |wanted: &String| versions.iter().any(|v| v.name() == name && v.identity.version == *wanted);
            match saved.serve.as_ref().filter(|wanted| !is_there(wanted)) {
                Some(gone) => tracing::error!(
                    name,
                    version = gone,
                    "was decided to serve and is not there any more; the rules choose"
                ),
                None => {
                    let until_newer_than = saved.until_newer_than.identity();
                    decisions.insert(name.clone(), Decision { serve: saved.serve.clone(), until_newer_than });
                }
            }
        }
        decisions
    }

    /// The versions that the folders last chose and that are still there, unchanged.
    pub(super) fn default_versions(&self, versions: &[Arc<Version>]) -> Vec<Arc<Version>> {
        self.default_versions.iter().filter_map(|saved| find(saved, versions)).collect()
    }

    /// The named set that serves in the place of what the folders choose.
    pub(super) fn set(&self) -> Option<&SavedSet> {
        self.set.as_ref()
    }

    /// The folders' policy.
    pub(super) fn policy(&self) -> Option<&SavedPolicy> {
        self.policy.as_ref()
    }

    /// Puts it beside `models`, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the file.
    pub(super) fn write(&self, models: &Path) -> Result<()> {
        let path = models.join(FILE);
        // A name of its own, should two servers share the folder.
        let beside = path.with_extension(format!("json.{}.{:?}", std::process::id(), std::thread::current().id()));
        let text = serde_json::to_string_pretty(self).map_err(|cause| Error::file(&path, cause))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(Error::file(&path, format!("would have more than {MAX_BYTES} bytes")));
        }
        let written = write_whole(&beside, &text).and_then(|()| std::fs::rename(&beside, &path));
        written.map_err(|cause| {
            // It may not be there; the problem is the first one.
            let _ = std::fs::remove_file(&beside);
            Error::file(&path, cause)
        })
    }
}

fn write_whole(path: &PathBuf, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn read(path: &Path) -> Result<Option<SavedState>> {
    match std::fs::metadata(path) {
        // Opening a pipe or a device could wait for ever.
        Ok(metadata) if !metadata.is_file() => return Err(Error::file(path, "is not a regular file")),
        Ok(_) => {}
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::file(path, cause)),
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|cause| Error::file(path, cause))?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|cause| Error::file(path, cause))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Error::file(path, format!("has more than {MAX_BYTES} bytes")));
    }
    let saved_state: SavedState = serde_json::from_str(&text).map_err(|cause| Error::file(path, cause))?;
    if saved_state.format != FORMAT {
        return Err(Error::file(path, format!("format: {}, this program reads {FORMAT}", saved_state.format)));
    }
    Ok(Some(saved_state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(version: &str) -> SavedVersion {
        SavedVersion { name: "tusk".into(), version: version.into(), sha256: "0".into() }
    }

    #[test]
    fn what_was_written_is_read_and_what_is_damaged_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        assert!(SavedState::read(folder.path()).is_none());
        let decision = SavedDecision { serve: Some("1".into()), until_newer_than: saved("2") };
        let saved_state = SavedState {
            format: FORMAT,
            decisions: [("tusk".to_owned(), decision)].into(),
            default_versions: vec![saved("1")],
            set: None,
            policy: None,
        };
        saved_state.write(folder.path()).unwrap();
        assert!(std::fs::read_to_string(folder.path().join(FILE)).unwrap().contains("\"served\": ["));
        assert_eq!(SavedState::read(folder.path()), Some(saved_state.clone()));
        assert!(saved_state.decisions(&[]).is_empty(), "the version that was decided for is gone");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside");
        for damaged in ["", "{", "{\"format\":9,\"decisions\":{},\"served\":[]}", "[1]"] {
            std::fs::write(folder.path().join(FILE), damaged).unwrap();
            assert!(SavedState::read(folder.path()).is_none(), "{damaged}");
        }
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.path().join(FILE)).unwrap();
        assert!(SavedState::read(folder.path()).is_none(), "a device is not read");
        assert!(saved_state.write(&folder.path().join("missing")).unwrap_err().to_string().contains(FILE));
    }
}
