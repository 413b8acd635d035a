//! Data flows one way: no module may name one that comes after it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::path::{Path, PathBuf};

/// Each top-level module and the modules it may name. `server` and `cli` put things together and may name all.
const ALLOWED: [(&str, &[&str]); 17] = [
    ("error", &[]),
    ("domain", &[]),
    ("input_spec", &[]),
    ("page", &[]),
    ("telemetry", &["error"]),
    ("metrics", &["memory", "telemetry"]),
    ("memory", &[]),
    ("random", &[]),
    ("config", &["error", "model::choice", "schedule"]),
    ("preprocess", &["domain", "error", "input_spec"]),
    ("schedule", &["error"]),
    ("model", &["domain", "error", "input_spec", "memory", "random"]),
    ("score", &["domain"]),
    ("pipeline", PIPELINE),
    ("lifecycle", LIFECYCLE),
    ("evaluate", EVALUATE),
    ("bench", BENCH),
];
/// Knows every stage.
const PIPELINE: &[&str] =
    &["config", "domain", "error", "input_spec", "metrics", "model", "preprocess", "schedule", "score"];
/// Decides what rates, and rates nothing itself.
const LIFECYCLE: &[&str] = &["config", "domain", "error", "memory", "metrics", "model", "pipeline"];
/// Asks what a caller asks, in the same way. Decodes images a second time for thumbnails and slices, and runs no other stage.
const EVALUATE: &[&str] = &[
    "config",
    "domain",
    "error",
    "model::manifest::hex_sha256",
    "page",
    "pipeline",
    "preprocess::image",
    "random",
    "schedule",
    "transport",
];
/// A caller like any other: knows the contract and how listings are read, and no stage.
const BENCH: &[&str] = &["error", "evaluate::case", "evaluate::input", "page", "random", "transport::proto"];
/// The edge: it may use what it converts, never a stage.
const TRANSPORT: &[&str] = &[
    "config",
    "domain",
    "error",
    "lifecycle",
    "metrics",
    "model::manifest",
    "model::repository::order",
    "pipeline",
    "schedule",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Paths after `crate::` in code, up to the first character that is not part of a path.
fn names(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let paths = code.flat_map(|line| line.split("crate::").skip(1));
    paths.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect()).collect()
}

#[test]
fn no_module_names_one_that_comes_after_it() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    assert!(files.len() > 30, "found only {} source files", files.len());
    for file in files {
        let module = file.strip_prefix("src").unwrap().components().next().unwrap();
        let module = Path::new(module.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned();
        let allowed = match module.as_str() {
            "server" | "cli" | "lib" | "main" => continue,
            "transport" => TRANSPORT,
            other => ALLOWED.iter().find(|(name, _)| *name == other).unwrap_or_else(|| panic!("{other} has no row")).1,
        };
        let text = std::fs::read_to_string(&file).unwrap();
        for name in names(&text) {
            let own = name.split("::").next() == Some(module.as_str());
            assert!(own || allowed.iter().any(|a| name.starts_with(a)), "{} names crate::{name}", file.display());
        }
        assert!(!text.contains("use crate::{"), "{}: one `use crate::...` a line", file.display());
    }
}

/// `ort::` as a path of its own, not the end of `transport::`.
fn names_ort(code: &str) -> bool {
    code.match_indices("ort::").any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn only_one_file_names_ort_only_config_reads_the_environment_and_only_memory_is_unsafe() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        assert!(file.ends_with("model/session.rs") || !names_ort(&code), "{} names ort", file.display());
        assert!(file.ends_with("src/memory.rs") || !code.contains("unsafe"), "{} is unsafe", file.display());
        assert!(file.ends_with("config.rs") || !code.contains("env::var"), "{} reads the environment", file.display());
    }
}
