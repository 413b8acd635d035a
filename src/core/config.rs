//! Configuration: defaults, file, environment and flags, laid over each other and checked. An invalid [`Config`] cannot
//! exist. The only file that reads the environment.

mod installed;
mod keys;
mod models;
mod numbers;
mod parts;
mod runtime;
mod server;
mod traces;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::{Table, Value};

use self::installed::Installed;
pub use self::keys::{ApiKey, Expiry, Openly, Role};
use self::numbers::{number, size};
use crate::error::{Error, Result};
use crate::schedule::BatchRule;
use crate::schedule::scheduler::Settings;

pub use models::Rollout;
pub use parts::{Batching, Folders, Limits, Listeners, Log, Reloadable, RuntimeSettings, TlsFiles, Traces};

use models::{RawModels, RawRollout};
use runtime::{RawRuntime, RawScheduler};
use server::{RawServer, RawTls};
use traces::RawTraces;

/// The complete, commented default configuration.
pub const DEFAULT: &str = include_str!("config.default.toml");
const PREFIX: &str = "WILDWARDEN_";
/// Variables with the prefix that are no settings: whom commands speak to, and where the Python package keeps servers.
const OF_COMMANDS: [&str; 7] = [
    "WILDWARDEN_SERVER",
    "WILDWARDEN_OPERATORS",
    "WILDWARDEN_KEY",
    "WILDWARDEN_CA",
    "WILDWARDEN_CERTIFICATE",
    "WILDWARDEN_CERTIFICATE_KEY",
    "WILDWARDEN_HOST_DIR",
];
/// Where the models are, from the project's folder.
const MODELS: &str = "models";

/// The variable that keeps ONNX Runtime from reporting to its maker: the builds in its Python packages keep an id of the machine and send
/// events from when an environment is made, which is before a call could forbid it.
pub const NO_REPORTS: &str = "ORT_DISABLE_TELEMETRY";

/// Whether somebody has decided about [`NO_REPORTS`].
pub fn reports_are_decided() -> bool {
    std::env::var_os(NO_REPORTS).is_some()
}

/// Checked settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Listeners.
    pub server: Listeners,
    /// Limits of requests.
    pub limits: Limits,
    /// Where models come from.
    pub folders: Folders,
    /// What may change while the server runs.
    pub reloadable: Reloadable,
    /// What models run on.
    pub runtime: RuntimeSettings,
    /// The queue in front of the workers.
    pub queue: Settings,
    /// How jobs are put together.
    pub batching: Batching,
    /// Looks are taken whatever waits and whatever was spent.
    pub unhurried: bool,
    /// Images whose scores are remembered; 0: none.
    pub cache_images: u64,
    /// How long answers are kept for who asks again; zero: none are.
    pub cache_answers: Duration,
    /// Keys that may call; empty: everybody.
    pub keys: Vec<ApiKey>,
    /// What is open to everybody although there are keys.
    pub openly: Vec<Openly>,
    /// Log lines.
    pub log: Log,
    /// Spans of calls.
    pub traces: Traces,
}

/// A setting given on the command line: section, key, value.
pub type Flag = (&'static str, &'static str, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    server: RawServer,
    tls: RawTls,
    limits: RawLimits,
    models: RawModels,
    rollout: RawRollout,
    looks: RawLooks,
    runtime: RawRuntime,
    scheduler: RawScheduler,
    batching: RawBatching,
    cache: RawCache,
    auth: RawAuth,
    log: RawLog,
    traces: RawTraces,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    max_images: u64,
    max_image_bytes: u64,
    max_image_pixels: u64,
    max_text_bytes: u64,
    max_batch_items: u64,
    max_message_bytes: u64,
    max_bytes_in_flight: u64,
    max_id_bytes: u64,
    max_infer_rows: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLooks {
    unhurried: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBatching {
    image_max_batch: u64,
    image_max_wait_ms: u64,
    text_max_batch: u64,
    text_max_wait_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCache {
    images: u64,
    answer_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAuth {
    keys: Vec<ApiKey>,
    openly: Vec<Openly>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLog {
    format: String,
    level: String,
}

impl Config {
    /// The configuration of this process: `file` (or `WILDWARDEN_CONFIG`), the process's environment, `flags`.
    ///
    /// # Errors
    /// [`Error::Setup`] naming where the setting came from, its key, value and what is allowed.
    pub fn load(file: Option<&Path>, flags: &[Flag]) -> Result<Self> {
        let variables = std::env::vars().filter(|(name, _)| name.starts_with(PREFIX) || name == "ORT_DYLIB_PATH");
        let variables = variables.filter(|(name, _)| !OF_COMMANDS.contains(&name.as_str())).collect();
        let program = std::env::current_exe().and_then(|program| program.canonicalize());
        let installed = program.map(|program| Installed::beside(&program)).unwrap_or_default();
        Self::merge(file, variables, flags, installed)
    }

    /// As [`Self::load`], with an environment given by the caller.
    ///
    /// # Errors
    /// See [`Self::load`].
    pub fn from_parts(file: Option<&Path>, environment: HashMap<String, String>, flags: &[Flag]) -> Result<Self> {
        Self::merge(file, environment, flags, Installed::default())
    }

    /// Listings that a command rates at the same time. Two a worker keep every core busy, as photos of one are read while another's are
    /// looked at; more would only fill the queue, which refuses when it is full.
    pub fn side_by_side(&self) -> usize {
        let places = self.queue.capacity / (self.limits.max_images + 2);
        (2 * self.runtime.workers).min(places).max(1)
    }

    fn merge(
        file: Option<&Path>,
        mut environment: HashMap<String, String>,
        flags: &[Flag],
        installed: Installed,
    ) -> Result<Self> {
        let mut merged: Table =
            DEFAULT.parse().map_err(|cause| Error::Bug(format!("default configuration: {cause}")))?;
        // A folder of models in the working directory goes before the installed one.
        if let Some(models) = installed.models.as_ref().filter(|_| !Path::new(MODELS).exists()) {
            for (key, path) in [("directory", models.clone()), ("policy", models.join("policy.toml"))] {
                set(&mut merged, ("models", key), Value::String(path.display().to_string()))
                    .map_err(|problem| Error::Bug(format!("default configuration: {problem}")))?;
            }
        }
        let from_environment = environment.remove("WILDWARDEN_CONFIG").map(PathBuf::from);
        if let Some(path) = file.map(Path::to_owned).or(from_environment) {
            let text = std::fs::read_to_string(&path).map_err(|cause| Error::file(&path, cause))?;
            let table: Table = text.parse().map_err(|cause| Error::file(&path, cause))?;
            for (section, keys) in table {
                let Value::Table(keys) = keys else {
                    return Err(Error::file(&path, format!("{section} must be a section, [{section}]")));
                };
                for (key, value) in keys {
                    set(&mut merged, (&section, &key), value).map_err(|problem| Error::file(&path, problem))?;
                }
            }
        }
        let library_variable = environment.remove("ORT_DYLIB_PATH").filter(|path| !path.is_empty());
        for (name, text) in environment {
            let (section, key) = split_variable(&merged, &name).ok_or_else(|| {
                Error::setup(format!("environment: {name} is not a setting; see the default configuration"))
            })?;
            set_text(&mut merged, (&section, &key), &text)
                .map_err(|problem| Error::setup(format!("{name}: {problem}")))?;
        }
        for (section, key, text) in flags {
            set_text(&mut merged, (section, key), text)
                .map_err(|problem| Error::setup(format!("--{}: {problem}", key.replace('_', "-"))))?;
        }
        let raw: Raw = merged.try_into().map_err(|cause| Error::setup(format!("configuration: {cause}")))?;
        Self::check(raw, library_variable, installed)
    }

    fn check(raw: Raw, library_variable: Option<String>, installed: Installed) -> Result<Self> {
        let mut batching = Batching {
            image: batch_rule("image", raw.batching.image_max_batch, raw.batching.image_max_wait_ms)?,
            text: batch_rule("text", raw.batching.text_max_batch, raw.batching.text_max_wait_ms)?,
        };
        if raw.looks.unhurried {
            // What shares a batch moves the last digits of a score.
            let alone = BatchRule { max_batch: 1, max_wait: Duration::ZERO };
            batching = Batching { image: alone, text: alone };
        }
        ApiKey::check_all(&raw.auth.keys)?;
        let json = match raw.log.format.as_str() {
            "text" => false,
            "json" => true,
            other => return Err(Error::setup(format!("log.format: {other:?} must be \"text\" or \"json\""))),
        };
        Ok(Self {
            server: raw.server.check(raw.tls.check()?, ApiKey::allows_somebody(&raw.auth.keys, Role::Admin))?,
            limits: raw.limits.check()?,
            folders: Folders {
                models: raw.models.directory.clone(),
                max_file_bytes: number("models.max_file_bytes", raw.models.max_file_bytes, 1024..=1 << 36)?,
                watch: raw.models.watch,
                ignore_state: raw.models.ignore_state,
            },
            reloadable: Reloadable {
                policy: raw.models.policy.clone(),
                poll: raw.models.poll()?,
                versions: raw.models.rules()?,
                rollout: raw.rollout.check()?,
            },
            runtime: raw.runtime.check(&raw.scheduler, library_variable, installed)?,
            queue: raw.scheduler.queue()?,
            batching,
            unhurried: raw.looks.unhurried,
            cache_images: number("cache.images", raw.cache.images, 0..=100_000_000)?,
            cache_answers: number("cache.answer_seconds", raw.cache.answer_seconds, 0..=3600)
                .map(Duration::from_secs)?,
            keys: raw.auth.keys,
            openly: raw.auth.openly,
            log: Log { json, level: raw.log.level },
            traces: raw.traces.check()?,
        })
    }
}

impl RawLimits {
    fn check(&self) -> Result<Limits> {
        let (message, all) = (self.max_message_bytes, self.max_bytes_in_flight);
        if all < message {
            let problem =
                format!("limits.max_bytes_in_flight: {all} must be at least limits.max_message_bytes, {message}");
            return Err(Error::setup(problem));
        }
        Ok(Limits {
            max_images: size("limits.max_images", self.max_images, 1..=64)?,
            max_image_bytes: size("limits.max_image_bytes", self.max_image_bytes, 1024..=1 << 30)?,
            max_image_pixels: number("limits.max_image_pixels", self.max_image_pixels, 4096..=500_000_000)?,
            max_text_bytes: size("limits.max_text_bytes", self.max_text_bytes, 64..=1 << 24)?,
            max_batch_items: size("limits.max_batch_items", self.max_batch_items, 1..=1024)?,
            max_message_bytes: size("limits.max_message_bytes", self.max_message_bytes, 4096..=1 << 30)?,
            max_bytes_in_flight: size("limits.max_bytes_in_flight", all, 4096..=1 << 40)?,
            max_id_bytes: size("limits.max_id_bytes", self.max_id_bytes, 16..=4096)?,
            max_infer_rows: size("limits.max_infer_rows", self.max_infer_rows, 1..=4096)?,
        })
    }
}

fn batch_rule(kind: &str, max_batch: u64, max_wait_ms: u64) -> Result<BatchRule> {
    let max_batch = size(&format!("batching.{kind}_max_batch"), max_batch, 1..=256)?;
    let max_wait = number(&format!("batching.{kind}_max_wait_ms"), max_wait_ms, 0..=1000)?;
    Ok(BatchRule { max_batch, max_wait: Duration::from_millis(max_wait) })
}

/// `WILDWARDEN_SECTION_KEY`, told by the sections that exist.
fn split_variable(known: &Table, name: &str) -> Option<(String, String)> {
    let name = name.strip_prefix(PREFIX)?.to_lowercase();
    let (section, key) = name.split_once('_')?;
    known.get(section)?.get(key)?;
    Some((section.to_owned(), key.to_owned()))
}

fn set(merged: &mut Table, (section, key): (&str, &str), value: Value) -> std::result::Result<(), String> {
    let slot = merged.get_mut(section).and_then(|section| section.get_mut(key));
    let slot = slot.ok_or_else(|| format!("{section}.{key} is not a setting; see the default configuration"))?;
    // People write 5 for 5.0; no setting has so many digits that one is lost.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let whole = value.as_integer().filter(|_| slot.is_float()).map(|whole| Value::Float(whole as f64));
    let value = whole.unwrap_or(value);
    if !slot.same_type(&value) {
        return Err(format!("{section}.{key}: {value} is of type {}, expected {}", value.type_str(), slot.type_str()));
    }
    *slot = value;
    Ok(())
}

/// A setting from text, read as the default's type.
fn set_text(merged: &mut Table, place: (&str, &str), text: &str) -> std::result::Result<(), String> {
    let kind = merged.get(place.0).and_then(|section| section.get(place.1)).map(Value::type_str);
    let value = match kind {
        Some("integer") => {
            let number = text
                .parse()
                .map_err(|cause| format!("{}.{}: {text:?} is not a whole number: {cause}", place.0, place.1))?;
            Value::Integer(number)
        }
        Some("array" | "table" | "boolean" | "float") => {
            let table: Table =
                format!("value = {text}").parse().map_err(|cause| format!("{}.{}: {cause}", place.0, place.1))?;
            table.get("value").cloned().unwrap_or(Value::Array(Vec::new()))
        }
        _ => Value::String(text.to_owned()),
    };
    set(merged, place, value)
}

#[cfg(test)]
mod tests {
    use super::runtime::UNPACKED;
    use super::*;
    use crate::model::catalogue::choice::VersionPolicy;

    fn load(file: &str, environment: &[(&str, &str)], flags: &[Flag]) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wildwarden.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Config::from_parts(Some(&path), environment, flags)
    }

    #[test]
    fn the_complete_example_is_the_default() {
        let config = load("", &[], &[]).unwrap();
        assert_eq!(config.server.listen.port(), 50051);
        assert_eq!(config.limits.max_images, 9);
    }

    #[test]
    fn flags_beat_the_environment_which_beats_the_file() {
        let file = "[server]\nlisten = \"127.0.0.1:1\"\ndrain_seconds = 1\n[limits]\nmax_images = 3\n";
        let environment = [("WILDWARDEN_SERVER_LISTEN", "127.0.0.1:2"), ("WILDWARDEN_SERVER_DRAIN_SECONDS", "2")];
        let config = load(file, &environment, &[("server", "listen", "127.0.0.1:3".into())]).unwrap();
        assert_eq!((config.server.listen.port(), config.server.drain.as_secs(), config.limits.max_images), (3, 2, 3));
    }

    #[test]
    fn the_library_comes_from_config_then_variable_then_setup() {
        let variable = [("ORT_DYLIB_PATH", "b.so")];
        assert_eq!(
            load("[runtime]\nonnxruntime = \"a.so\"", &variable, &[]).unwrap().runtime.onnxruntime,
            Path::new("a.so")
        );
        assert_eq!(load("", &variable, &[]).unwrap().runtime.onnxruntime, Path::new("b.so"));
        assert!(load("", &[], &[]).unwrap().runtime.onnxruntime.starts_with(UNPACKED));
    }

    #[test]
    fn versions_and_labels_make_rules_also_from_the_environment() {
        let file = "[models]\nversions = { tusk = \"2\", horn = [\"1\", \"2\"], x = \"latest\" }\nlabels = { tusk = { canary = \"3\" } }";
        let config =
            load(file, &[("WILDWARDEN_MODELS_WATCH", "false"), ("WILDWARDEN_ROLLOUT_MAX_ERROR_PERCENT", "1.5")], &[]);
        let config = config.unwrap();
        let tusk = &config.reloadable.versions["tusk"];
        assert_eq!((&tusk.policy, tusk.canary.as_deref()), (&VersionPolicy::Pinned("2".into()), Some("3")));
        assert_eq!(config.reloadable.versions["horn"].policy, VersionPolicy::Several(vec!["1".into(), "2".into()]));
        assert_eq!(config.reloadable.versions["x"].policy, VersionPolicy::Latest);
        assert!(!config.folders.watch && (config.reloadable.rollout.max_error_percent - 1.5).abs() < 1e-9);
        let flags = [("models", "versions", "{ tusk = \"7\" }".to_owned())];
        assert_eq!(
            load("", &[], &flags).unwrap().reloadable.versions["tusk"].policy,
            VersionPolicy::Pinned("7".into())
        );
    }

    #[test]
    fn faults_name_place_key_value_and_range() {
        for (file, environment, named) in [
            ("[limits]\nmax_images = 65", vec![], vec!["limits.max_images", "65", "1 to 64"]),
            ("[limits]\nmax_imges = 6", vec![], vec!["wildwarden.toml", "max_imges"]),
            ("[limits]\nmax_images = \"six\"", vec![], vec!["max_images", "six", "integer"]),
            ("", vec![("WILDWARDEN_LIMITS_MAX_IMAGES", "six")], vec!["WILDWARDEN_LIMITS_MAX_IMAGES", "six"]),
            ("", vec![("WILDWARDEN_LIMIT_MAX_IMAGES", "6")], vec!["WILDWARDEN_LIMIT_MAX_IMAGES"]),
            ("[models]\nversions = { tusk = [] }", vec![], vec!["models.versions.tusk", "latest"]),
            ("[models]\nlabels = { tusk = { stable = \"1\", canary = \"1\" } }", vec![], vec!["models.labels.tusk"]),
            ("[models]\npoll_ms = 3", vec![], vec!["models.poll_ms", "3", "20 to 3600000"]),
            ("[rollout]\nmax_error_percent = 101.0", vec![], vec!["rollout.max_error_percent", "101", "0 to 100"]),
            ("[server]\nlisten = \"here\"", vec![], vec!["server.listen", "here"]),
            (
                "[auth]\nkeys = [{ name = \"a\", sha256 = \"x\", roles = [\"info\"] }]",
                vec![],
                vec!["auth.keys.a", "64"],
            ),
        ] {
            let message = load(file, &environment, &[]).unwrap_err().to_string();
            assert!(named.iter().all(|part| message.contains(part)), "{message:?} lacks one of {named:?}");
        }
    }
}
