//! Data flows one way: no module may name one that comes after it. Between crates the compiler keeps it so; here is what crates
//! cannot keep.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The crates of `src`.
const CRATES: [&str; 3] = ["src/core", "src/server", "src/lab"];

/// Each top-level module of a crate and the modules it may name, of its own crate or of those below. `server` and `cli` put
/// things together and may name all.
const ALLOWED: [(&str, &[&str]); 22] = [
    ("error", &[]),
    ("domain", &[]),
    ("drift", &[]),
    ("input_spec", &[]),
    ("page", &[]),
    ("percentile", &[]),
    ("telemetry", &["error"]),
    ("metrics", &["domain", "drift", "memory", "telemetry"]),
    ("memory", &[]),
    ("random", &[]),
    ("config", &["error", "model::catalogue::choice", "model::runtime::provider", "schedule"]),
    ("preprocess", &["domain", "error", "input_spec"]),
    ("schedule", &["error"]),
    ("model", &["domain", "drift", "error", "input_spec", "memory", "random"]),
    ("score", &["domain"]),
    ("pipeline", PIPELINE),
    ("lifecycle", LIFECYCLE),
    ("import", &["domain", "input_spec", "model::folder", "score::policy"]),
    ("evaluate", EVALUATE),
    ("bench", BENCH),
    ("scan", SCAN),
    ("transport", TRANSPORT),
];
/// Knows every stage.
const PIPELINE: &[&str] = &[
    "config",
    "domain",
    "drift",
    "error",
    "input_spec",
    "metrics",
    "model",
    "percentile",
    "preprocess",
    "schedule",
    "score",
];
/// Decides what rates, and rates nothing itself.
const LIFECYCLE: &[&str] =
    &["config", "domain", "error", "memory", "metrics", "model", "pipeline", "schedule::scheduler::BEHIND"];
/// Asks what a caller asks, in the same way. Decodes images a second time for thumbnails and slices, and runs no other stage.
const EVALUATE: &[&str] = &[
    "config",
    "domain",
    "error",
    "model::folder::manifest::hex_sha256",
    "page",
    "percentile",
    "pipeline",
    "preprocess::image",
    "random",
    "schedule",
    "score::policy",
    "transport",
];
/// Asks what a caller asks, without a wire between.
const SCAN: &[&str] = &["config", "domain", "error", "page", "pipeline", "schedule", "transport"];
/// A caller like any other: knows the contract and how listings are read, and no stage.
const BENCH: &[&str] =
    &["error", "evaluate::case", "evaluate::input", "model::folder::manifest::short_hash", "page", "random"];
/// The edge: it may use what it converts, never a stage.
const TRANSPORT: &[&str] = &[
    "config",
    "domain",
    "error",
    "lifecycle",
    "metrics",
    "model::folder::files::plain",
    "model::folder::manifest",
    "model::catalogue::repository::order",
    "pipeline",
    "schedule",
    "score::policy",
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

/// Paths after `crate::`, or the name of another crate, in code, up to the first character that is not part of a path.
fn names(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let paths = code.flat_map(|line| {
        ["crate::", "wildwarden_core::", "wildwarden_server::"].into_iter().flat_map(|start| line.split(start).skip(1))
    });
    paths.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect()).collect()
}

#[test]
fn no_module_names_one_that_comes_after_it() {
    let mut files = Vec::new();
    CRATES.iter().for_each(|folder| sources(Path::new(folder), &mut files));
    assert!(files.len() > 30, "found only {} source files", files.len());
    for file in files {
        let module = module_of(&file).first().cloned().unwrap_or_default();
        let allowed = match module.as_str() {
            "" | "server" | "cli" => continue,
            other => ALLOWED.iter().find(|(name, _)| *name == other).unwrap_or_else(|| panic!("{other} has no row")).1,
        };
        let text = std::fs::read_to_string(&file).unwrap();
        for name in names(&text) {
            let own = name.split("::").next() == Some(module.as_str());
            assert!(own || allowed.iter().any(|a| name.starts_with(a)), "{} names crate::{name}", file.display());
        }
        for start in ["use crate::{", "use wildwarden_core::{", "use wildwarden_server::{"] {
            assert!(!text.contains(start), "{}: a line a module, not {start}", file.display());
        }
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
        assert!(file.ends_with("model/runtime/session.rs") || !names_ort(&code), "{} names ort", file.display());
        assert!(file.ends_with("src/core/memory.rs") || !code.contains("unsafe"), "{} is unsafe", file.display());
        assert!(
            file.ends_with("src/core/config.rs") || !code.contains("env::var"),
            "{} reads the environment",
            file.display()
        );
    }
}

/// Who reads the wall clock, and for what: to say when something was, whether a key or a certificate counts, whether a file changed.
const WALL_CLOCK: [&str; 9] = [
    "src/core/config/keys.rs",
    "src/core/domain/rating.rs",
    "src/core/model/catalogue/opening.rs",
    "src/core/model/catalogue/repository.rs",
    "src/core/model/runtime/statistics.rs",
    "src/core/pipeline/conclude.rs",
    "src/server/transport/oip/answer.rs",
    "src/server/transport/tls.rs",
    "src/server/transport/traces.rs",
];

#[test]
fn no_wait_or_limit_goes_by_the_wall_clock_which_may_jump() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    for file in files {
        let reads = std::fs::read_to_string(&file).unwrap().contains("SystemTime");
        let may = WALL_CLOCK.iter().any(|known| Path::new(known) == file);
        assert!(may || !reads, "{} reads the wall clock: measure by Instant", file.display());
    }
}

/// Lines a file may have, its tests in it.
const LONGEST: usize = 450;

#[test]
fn no_file_is_long() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", file.display());
    }
}

/// In a crate `a/b.rs` and `a/b/mod.rs` are `a::b`; `lib.rs` is the root.
fn module_of(file: &Path) -> Vec<String> {
    let of_crate = CRATES.iter().find_map(|folder| file.strip_prefix(folder).ok());
    let path = of_crate.unwrap_or_else(|| panic!("{} is in no crate", file.display())).with_extension("");
    let mut parts: Vec<String> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What a path's text names: itself, or for `a::{b, c::d}` both `a::b` and `a::c::d`.
fn ends(text: &str) -> Vec<Vec<String>> {
    let plain: String = text.chars().take_while(|&c| is_name(c) || c == ':').collect();
    let path: Vec<String> = plain.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let Some(group) = text[plain.len()..].strip_prefix('{') else { return vec![path] };
    let (mut depth, mut items) = (0, vec![String::new()]);
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => items.push(String::new()),
            _ => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                items.last_mut().unwrap().push(c);
            }
        }
    }
    let below = items.iter().flat_map(|item| ends(item.trim()));
    below.map(|end| path.iter().cloned().chain(end).collect()).collect()
}

/// The modules that a file names, tests left out: paths from the root, from a parent, and from its own modules.
fn named_by(here: &[String], text: &str) -> BTreeSet<Vec<String>> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect();
    let mut found = BTreeSet::new();
    for start in ["crate::", "super::", "self::", "use "] {
        for (at, _) in code.match_indices(start) {
            if code[..at].ends_with(|c: char| is_name(c) || c == ':') {
                continue;
            }
            let text = if start == "use " { &code[at + start.len()..] } else { &code[at..] };
            for path in ends(text) {
                let first = path.first().map_or("", String::as_str);
                let up = path.iter().take_while(|part| *part == "super").count();
                found.insert(match first {
                    "crate" => path[1..].to_vec(),
                    "self" => here.iter().chain(&path[1..]).cloned().collect(),
                    "super" => here[..here.len() - up].iter().chain(&path[up..]).cloned().collect(),
                    _ => here.iter().chain(&path).cloned().collect(),
                });
            }
        }
    }
    found
}

#[test]
fn no_files_name_each_other_in_a_circle() {
    let paths: usize = CRATES.iter().map(|folder| without_circles(Path::new(folder))).sum();
    assert!(paths > 500, "hardly any path was found");
}

/// How many paths there are from file to file.
fn without_circles(folder: &Path) -> usize {
    let mut files = Vec::new();
    sources(folder, &mut files);
    let modules: BTreeSet<Vec<String>> = files.iter().map(|file| module_of(file)).collect();
    let mut names: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for file in &files {
        let here = module_of(file);
        let of_file = |path: &Vec<String>| {
            let longest = (1..=path.len()).rev().map(|length| path[..length].to_vec());
            longest.into_iter().find(|module| modules.contains(module)).filter(|module| *module != here)
        };
        let text = std::fs::read_to_string(file).unwrap();
        names.insert(here.clone(), named_by(&here, &text).iter().filter_map(of_file).collect());
    }
    let paths = names.values().map(BTreeSet::len).sum();
    // What names nothing that is left is in no circle.
    loop {
        let free: Vec<_> = names.iter().filter(|(_, named)| named.is_empty()).map(|(here, _)| here.clone()).collect();
        if free.is_empty() {
            break;
        }
        names.retain(|here, _| !free.contains(here));
        names.values_mut().for_each(|named| named.retain(|other| !free.contains(other)));
    }
    let circle: Vec<String> = names
        .iter()
        .map(|(here, named)| {
            format!("{} -> {:?}", here.join("::"), named.iter().map(|n| n.join("::")).collect::<Vec<_>>())
        })
        .collect();
    assert!(circle.is_empty(), "files in a circle, or above one:\n{}", circle.join("\n"));
    paths
}
