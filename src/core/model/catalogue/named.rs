//! Named sets: models, and with them a policy, that serve together or not at all. A set is a file `<name>.set.toml` beside the
//! model folders, so that a replacement of another shape is tried, put in service and taken back in one step.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::domain::{DEFAULT_SET, Declared};
use crate::error::{Error, Result};
use crate::model::catalogue::choice::{Rules, Situation, choose, waits_for_policy};
use crate::model::catalogue::repository::Version;
use crate::model::folder::files;
use crate::model::folder::parse::in_a_sentence;

/// What the name of a set's file ends with.
const SUFFIX: &str = ".set.toml";
/// Largest file of a set: every list of sets tells what it says.
const MAX_FILE_BYTES: u64 = 1 << 16;
/// Longest name of a set, in bytes.
const MAX_NAME: usize = 64;
/// In the place of a version: the one in service.
const IN_SERVICE: &str = "stable";

/// A set's file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedSet {
    /// Name, from the file's name.
    #[serde(skip)]
    pub name: String,
    /// What it is, in a sentence.
    #[serde(default)]
    pub summary: String,
    /// Every model of the set and its version, or `stable`: the one in service. None: the models in service.
    pub models: Option<BTreeMap<String, String>>,
    /// Name of a policy file beside the set's. None: the policy file of the configuration.
    pub policy: Option<String>,
}

impl NamedSet {
    /// Reads the set `name` beside the model folders of `directory`.
    ///
    /// # Errors
    /// [`Error::NotFound`] saying what there is; [`Error::Setup`] naming file and value.
    pub fn read(directory: &Path, name: &str, max_bytes: u64) -> Result<Self> {
        let file = format!("{name}{SUFFIX}");
        if !is_name(name) || std::fs::symlink_metadata(directory.join(&file)).is_err() {
            let mut names = Self::names(directory);
            names.insert(0, DEFAULT_SET.to_owned());
            return Err(Error::NotFound(format!("there is no set {name:?}; there are {}", names.join(", "))));
        }
        let path = directory.join(&file);
        let text = files::plain_text(&path, max_bytes.min(MAX_FILE_BYTES))?;
        let mut set: Self = toml::from_str(&text).map_err(|cause| Error::file(&path, in_a_sentence(&cause, &text)))?;
        if set.models.as_ref().is_some_and(BTreeMap::is_empty) {
            return Err(Error::file(&path, "models: is empty; leave it out to keep the models in service"));
        }
        if set.models.is_none() && set.policy.is_none() {
            return Err(Error::file(&path, "names neither models nor a policy"));
        }
        set.name = name.to_owned();
        Ok(set)
    }

    /// Names of the sets beside the model folders of `directory`, sorted.
    pub fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let name = |entry: std::fs::DirEntry| entry.file_name().to_str()?.strip_suffix(SUFFIX).map(str::to_owned);
        let mut names: Vec<String> = entries.filter_map(name).filter(|name| is_name(name)).collect();
        names.sort();
        names
    }

    /// Text of the set's own policy file; `None`: it has none.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the file.
    pub fn policy_text(&self, directory: &Path, max_bytes: u64) -> Result<Option<String>> {
        let Some(file) = &self.policy else { return Ok(None) };
        if std::fs::symlink_metadata(directory.join(file)).is_err() {
            return Err(Error::file(&directory.join(file), "there is no such file"));
        }
        files::text(directory, file, max_bytes).map(Some)
    }

    /// The versions that serve with it, by the rules of every other change: heads fit their encoder, and what is rated now is
    /// rated once afterwards.
    ///
    /// # Errors
    /// One sentence naming the set, the model and the version.
    pub fn versions(
        &self,
        on_disk: &[Arc<Version>],
        serving: &[Arc<Version>],
        declared: &Declared,
    ) -> Result<Vec<Arc<Version>>, String> {
        let told = |problem: String| format!("set {}: {problem}", self.name);
        let Some(models) = &self.models else {
            // What serves, but for what its policy gives nothing to rate; it would not be taken after a restart either.
            let rates = |version: &&Arc<Version>| !waits_for_policy(version, declared);
            let chosen: Vec<_> = serving.iter().filter(rates).cloned().collect();
            return together(&chosen, serving, declared).map_err(told);
        };
        let chosen = models.iter().map(|(name, version)| find(name, version, on_disk, serving));
        let chosen: Vec<_> = chosen.collect::<Result<_, _>>().map_err(told)?;
        together(&chosen, serving, declared).map_err(told)
    }
}

/// `chosen`, and nothing else, once it is clear that they can serve together in the place of what serves.
///
/// # Errors
/// One sentence.
pub fn together(
    chosen: &[Arc<Version>],
    serving: &[Arc<Version>],
    declared: &Declared,
) -> Result<Vec<Arc<Version>>, String> {
    let rules = Rules::new();
    let choice = choose(Situation { serving, ..Situation::of(chosen, &rules, declared) })?;
    let left_out = choice.versions.len() < chosen.len();
    let problem = choice.waiting.into_iter().chain(choice.undeclared.into_iter().filter(|_| left_out)).next();
    problem.map_or(Ok(choice.versions), Err)
}

fn find(name: &str, wanted: &str, on_disk: &[Arc<Version>], serving: &[Arc<Version>]) -> Result<Arc<Version>, String> {
    let named = |versions: &[Arc<Version>]| -> Vec<Arc<Version>> {
        versions.iter().filter(|version| version.name() == name).cloned().collect()
    };
    if wanted == IN_SERVICE {
        let none = || format!("models.{name}: {IN_SERVICE:?}, and no version of it is in service");
        return named(serving).into_iter().next().ok_or_else(none);
    }
    let mut there = named(on_disk);
    if let Some(found) = there.iter().find(|version| version.identity.version == wanted) {
        return Ok(Arc::clone(found));
    }
    there.sort_by(|a, b| a.order().cmp(&b.order()));
    let versions: Vec<&str> = there.iter().map(|version| version.identity.version.as_str()).collect();
    let known = if versions.is_empty() { "no complete version".to_owned() } else { versions.join(", ") };
    Err(format!("models.{name}: there is no complete version {wanted:?}; there is {known}"))
}

/// Whether a set may be called so: the name is part of a file's name.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=MAX_NAME).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed) && name != DEFAULT_SET
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_file_names_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one.set.toml"), "policy = \"p.toml\"").unwrap();
        std::fs::write(folder.path().join("default.set.toml"), "policy = \"p.toml\"").unwrap();
        assert_eq!(NamedSet::names(folder.path()), ["one"]);
        for name in ["", ".", "../one", "a/b", "default", "two", "nul\0", &"x".repeat(65)] {
            let refused = NamedSet::read(folder.path(), name, 1000).unwrap_err().to_string();
            assert!(refused.contains("there are default, one"), "{name:?}: {refused}");
        }
        let set = NamedSet::read(folder.path(), "one", 1000).unwrap();
        assert_eq!((set.name.as_str(), set.policy.as_deref(), set.models), ("one", Some("p.toml"), None));
    }

    #[test]
    fn a_file_that_says_nothing_or_too_much_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let refusals = [
            ("", "neither"),
            ("[models]", "is empty"),
            ("polcy = \"p\"", "polcy"),
            ("models = { tusk = 1 }", "string"),
            ("models = {", "line 1"),
        ];
        for (text, said) in refusals {
            std::fs::write(folder.path().join("one.set.toml"), text).unwrap();
            let refused = NamedSet::read(folder.path(), "one", 1000).unwrap_err().to_string();
            assert!(refused.contains("one.set.toml") && refused.contains(said), "{text}: {refused}");
        }
        std::fs::write(folder.path().join("one.set.toml"), "policy = \"../p.toml\"").unwrap();
        let set = NamedSet::read(folder.path(), "one", 1000).unwrap();
        assert!(set.policy_text(folder.path(), 1000).is_err(), "a policy elsewhere is not read");
    }
}
