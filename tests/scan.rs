//! `wildwarden scan` and `wildwarden bundle` as programs: real models, tables and photos, killed and gone on with.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::builder::{BinaryBuilder, ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use serde_json::Value;
use tokio::time::Instant;

const PHOTOS: &str = "tests/fixtures/images/rendered";
/// For tests that ask nothing of further looks.
const FAST: [&str; 2] = ["--profile", "fast"];

fn command(input: &[&Path], out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wildwarden"));
    command.arg("scan").args(input).arg("--out").arg(out).args(more);
    command
}

fn scan(input: &Path, out: &Path, more: &[&str]) -> Output {
    command(&[input], out, more).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn parts(out: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(out.join("parts")).into_iter().flatten();
    let mut parts: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    parts.retain(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    parts.sort();
    parts
}

/// The rows that were written, in order.
fn batches(out: &Path) -> Vec<RecordBatch> {
    let read = |path| ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    parts(out).into_iter().flat_map(read).map(Result::unwrap).collect()
}

fn texts(batches: &[RecordBatch], name: &str) -> Vec<Option<String>> {
    let column = |batch: &RecordBatch| -> Vec<Option<String>> {
        batch.column_by_name(name).unwrap().as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    };
    batches.iter().flat_map(column).collect()
}

fn rows(batches: &[RecordBatch]) -> Vec<(String, i64)> {
    let sources = texts(batches, "source").into_iter().map(Option::unwrap);
    let rows = batches
        .iter()
        .flat_map(|batch| batch.column_by_name("row").unwrap().as_primitive::<Int64Type>().values().to_vec());
    sources.zip(rows).collect()
}

/// A table of so many listings with a photo of its own each, in row groups of 16.
fn table(path: &Path, listings: usize) {
    let mut photos: Vec<PathBuf> = std::fs::read_dir(PHOTOS).unwrap().map(|entry| entry.unwrap().path()).collect();
    photos.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
    photos.sort();
    let (mut titles, mut images) = (StringBuilder::new(), ListBuilder::new(BinaryBuilder::new()));
    for place in 0..listings {
        titles.append_value(["老象牙手镯 包浆好", "blue ceramic mug", "二手自行车"][place % 3]);
        let mut photo = std::fs::read(&photos[place % photos.len()]).unwrap();
        // What follows the picture makes it another one to the cache.
        photo.extend(place.to_le_bytes());
        images.values().append_value(&photo);
        images.append(true);
    }
    let ids = Int64Array::from_iter_values((0..listings).map(|place| i64::try_from(place).unwrap()));
    let columns: [(&str, ArrayRef); 3] =
        [("sku", Arc::new(ids)), ("goods_name", Arc::new(titles.finish())), ("photos", Arc::new(images.finish()))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(16)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

const MAP: [&str; 2] = ["--map", "listing_id=sku,title=goods_name,images=photos"];

#[test]
fn the_labelled_example_is_rated_as_classify_rates_it() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (Path::new("tests/fixtures/listings.jsonl"), folder.path().join("out"));
    let output = scan(input, &out, &["--images-root", "tests/fixtures"]);
    assert!(output.status.success(), "{}", said(&output));
    let found = batches(&out);
    let lines = std::fs::read_to_string(input).unwrap();
    let asked = Command::new(env!("CARGO_BIN_EXE_wildwarden"))
        .args(["classify", "--embedded", "--json", "--images-root", "tests/fixtures"])
        .stdin(File::open(input).unwrap())
        .output()
        .unwrap();
    let answers: Vec<Value> =
        String::from_utf8(asked.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), lines.lines().count());
    let ratings: Vec<Value> =
        texts(&found, "rating").into_iter().map(|text| serde_json::from_str(&text.unwrap()).unwrap()).collect();
    let levels = texts(&found, "level");
    for ((answer, rating), level) in answers.iter().zip(&ratings).zip(levels) {
        assert_eq!(answer["listing_id"], rating["listingId"]);
        assert_eq!(answer["risk"], rating["risk"], "{}", answer["listing_id"]);
        assert_eq!(answer["level"].as_str().unwrap().strip_prefix("LEVEL_").unwrap().to_lowercase(), level.unwrap());
    }
    let summary = json(&out.join("summary.json"));
    assert_eq!(summary["rows"], answers.len());
    assert_eq!(summary["rated"], summary["rows"]);
    assert!(summary["highest"][0]["risk"].as_f64().unwrap() > 0.5);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("Highest risk") && page.contains("ivory-1"));
}

#[test]
fn reasons_and_report_are_in_the_language_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("one.jsonl"), folder.path().join("out"));
    std::fs::write(&input, "{\"id\": 1, \"title\": \"象牙手镯 私聊\"}\n").unwrap();
    let output = scan(&input, &out, &["--language", "zh"]);
    assert!(output.status.success(), "{}", said(&output));
    let rating: Value = serde_json::from_str(texts(&batches(&out), "rating")[0].as_ref().unwrap()).unwrap();
    let sentence = rating["reasons"][0]["text"].as_str().unwrap();
    assert!(sentence.contains("标题"), "{sentence}");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("lang=\"zh-Hans\"") && page.contains("人工复核") && !page.contains("Highest risk"));
    assert!(page.contains("象牙") && page.contains(sentence), "{sentence}");
    assert!(scan(&input, &out, &[]).status.success(), "it goes on in the language that it has");
    let other = scan(&input, &out, &["--language", "en"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(said(&other).contains("--language"), "{}", said(&other));
}

#[test]
fn a_scan_that_is_killed_goes_on_and_every_row_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("a.parquet"), folder.path().join("out"));
    table(&input, 200);
    let other = folder.path().join("b.csv");
    std::fs::write(&other, "sku,goods_name,photos\n1,象牙筷子一双,\n2,mug,\n").unwrap();
    let inputs: [&Path; 2] = [&input, &other];
    let more = [&MAP[..], &FAST].concat();
    // It is stopped twice, once as a person does and once without a warning.
    for (after, signal) in [(1, "-INT"), (2, "-KILL")] {
        let mut run = command(&inputs, &out, &more).stderr(Stdio::piped()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(120);
        // What is there of a part is on the disk long before it has a name.
        let wrote = || std::fs::read_dir(out.join("parts")).is_ok_and(|entries| entries.count() >= after);
        while !wrote() && run.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "nothing was written");
            std::thread::sleep(Duration::from_millis(5));
        }
        Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap();
        let output = run.wait_with_output().unwrap();
        if signal == "-INT" {
            assert_eq!(output.status.code(), Some(130), "{}", said(&output));
        }
        assert!(!out.join("summary.json").exists(), "it was whole before it was stopped");
    }
    assert!(!parts(&out).is_empty());
    let output = command(&inputs, &out, &more).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("going on after"), "{}", said(&output));
    let name = |path: &Path| path.display().to_string();
    let expected = (0..200).map(|row| (name(&input), row)).chain((0..2).map(|row| (name(&other), row)));
    let found = batches(&out);
    assert_eq!(rows(&found), expected.collect::<Vec<_>>());
    assert_eq!(texts(&found, "listing_id")[199].as_deref(), Some("199"));
    // Nothing is left to do, and nothing changes.
    let before = std::fs::read(parts(&out).last().unwrap()).unwrap();
    assert!(command(&inputs, &out, &more).status().unwrap().success());
    assert_eq!(std::fs::read(parts(&out).last().unwrap()).unwrap(), before);
}

#[test]
fn a_bad_row_is_a_row_with_an_error_and_the_others_are_rated() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("a.jsonl"), folder.path().join("out"));
    let mut lines = String::new();
    for line in [
        r#"{"id": 1, "title": "blue mug", "images": "mug.jpg"}"#,
        r#"{"id": 2, "title": "blue mug", "images": ["none.jpg"]}"#,
        r#"{"id": 3, "title": "blue mug", "images": ["../secret.jpg"]}"#,
        r#"{"id": 4}"#,
        r#"{"id": 5, "title": 7}"#,
        "no object",
        r#"{"id": 7, "images": [{"content": "AAAA"}]}"#,
        r#"{"id": 8, "title": "象牙手镯", "images": [{"content": "AAAA"}]}"#,
    ] {
        writeln!(lines, "{line}").unwrap();
    }
    std::fs::write(&input, lines).unwrap();
    let more = [&["--images-root", "tests/fixtures/images"][..], &FAST].concat();
    let output = scan(&input, &out, &more);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let found = batches(&out);
    let codes: Vec<Option<String>> = texts(&found, "error_code");
    let codes: Vec<&str> = codes.iter().map(|code| code.as_deref().unwrap_or("")).collect();
    let (unreadable, invalid) = ("UNREADABLE", "INVALID_ARGUMENT");
    assert_eq!(codes, ["", unreadable, unreadable, invalid, unreadable, unreadable, invalid, ""]);
    let errors = texts(&found, "error");
    for (place, named) in [(1, "none.jpg"), (2, "leaves"), (3, "images"), (4, "title: 7"), (5, "JSON")] {
        assert!(errors[place].as_ref().unwrap().contains(named), "{:?}", errors[place]);
    }
    assert_eq!(texts(&found, "listing_id")[4].as_deref(), Some("5"));
    assert_eq!(texts(&found, "suggestion")[7].as_deref(), Some("review"));
    assert_eq!(json(&out.join("summary.json"))["errors"]["UNREADABLE"], 4);
    // Who wants an end gets one.
    let strict = folder.path().join("strict");
    let output = scan(&input, &strict, &[&more[..], &["--fail-over", "2"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("--fail-over") && !strict.join("summary.json").exists(), "{}", said(&output));
}

#[test]
fn a_folder_holds_one_scan_and_photos_are_listings() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let photos = folder.path().join("photos");
    std::fs::create_dir_all(photos.join("shop")).unwrap();
    for (from, to) in [("rendered/bangle.jpg", "shop/1.jpg"), ("mug.jpg", "2.jpg"), ("mug.jpg", "3.jpg")] {
        std::fs::copy(Path::new("tests/fixtures/images").join(from), photos.join(to)).unwrap();
    }
    let output = scan(&photos, &out, &FAST);
    assert!(output.status.success(), "{}", said(&output));
    let found = batches(&out);
    let ids: Vec<Option<String>> = texts(&found, "listing_id");
    assert_eq!(ids.iter().flatten().collect::<Vec<_>>(), ["2.jpg", "3.jpg", "shop/1.jpg"]);
    let output = scan(&photos, &out, &["--profile", "thorough"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("the profile"), "{}", said(&output));
    // Another photo is another input.
    std::fs::copy(photos.join("2.jpg"), photos.join("4.jpg")).unwrap();
    let output = scan(&photos, &out, &FAST);
    assert!(said(&output).contains("the input"), "{}", said(&output));
    for (input, named) in [("none", "none"), ("Cargo.toml", ".parquet"), ("src/[", "src/[")] {
        let output = scan(Path::new(input), &folder.path().join("other"), &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains(named), "{}", said(&output));
    }
}

#[test]
fn of_an_earlier_scan_only_what_a_new_model_took_part_in_is_rated_again() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    for name in ["image_encoder", "ivory", "live_animal", "pangolin_scale", "rhino_horn", "text_classifier"] {
        copy(&Path::new("models").join(name).join("1"), &models.join(name).join("1"));
    }
    // The first look alone, so that few models have to be there.
    let policy = models.join("policy.toml");
    let shipped = std::fs::read_to_string("models/policy.toml").unwrap();
    std::fs::write(&policy, first_look(&shipped)).unwrap();
    let input = folder.path().join("a.jsonl");
    let line = |id: usize, photo: &str| {
        format!("{{\"id\": {id}, \"title\": \"{}\", \"images\": [{photo}]}}\n", ["", "老料手串"][id % 2])
    };
    let lines: String = (0..6).map(|id| line(id, ["\"mug.jpg\"", ""][usize::from(id == 1)])).collect();
    std::fs::write(&input, lines).unwrap();
    let more = [
        "--images-root",
        "tests/fixtures/images",
        "--models",
        models.to_str().unwrap(),
        "--policy",
        policy.to_str().unwrap(),
    ];
    let first = folder.path().join("first");
    let output = scan(&input, &first, &more);
    assert!(output.status.success(), "{}", said(&output));
    // The text classifier becomes another: its card is part of what it is.
    let manifest = models.join("text_classifier/1/model.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, format!("# Another.\n{text}")).unwrap();
    let again = folder.path().join("again");
    let output = scan(&input, &again, &[&more[..], &["--only-changed", first.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("text_classifier"), "{}", said(&output));
    let (before, after) = (texts(&batches(&first), "rating"), texts(&batches(&again), "rating"));
    let kept: Vec<bool> = before.iter().zip(&after).map(|(before, after)| before == after).collect();
    // Those without a title: no text was read.
    assert_eq!(kept, [true, false, true, false, true, false]);
    assert_eq!(json(&again.join("summary.json"))["last_run"]["kept"], 3);
    let output = scan(
        &input,
        &folder.path().join("third"),
        &[&more[..], &FAST, &["--only-changed", first.to_str().unwrap()]].concat(),
    );
    assert!(said(&output).contains("rated anew: not the same as then: the profile"), "{}", said(&output));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A policy without looks after the first, and what joins their models.
fn first_look(policy: &str) -> String {
    let mut in_looks = false;
    let is_kept = |line: &&str| {
        if line.starts_with('[') {
            in_looks = line.starts_with("[looks") || line.starts_with("[[looks");
        }
        !in_looks && !line.starts_with("join = ")
    };
    policy.lines().filter(is_kept).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn a_bundle_holds_what_serves_with_its_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let (path, unpacked) = (folder.path().join("all.bundle"), folder.path().join("unpacked"));
    let output = Command::new(env!("CARGO_BIN_EXE_wildwarden")).args(["bundle", "--out"]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let mut archive = tar::Archive::new(File::open(&path).unwrap());
    let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut first = None;
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        first.get_or_insert(name.clone());
        found.insert(name, content);
    }
    assert_eq!(first.as_deref(), Some("bundle.json"));
    let contents: Value = serde_json::from_slice(&found.remove("bundle.json").unwrap()).unwrap();
    let listed = contents["files"].as_array().unwrap();
    assert_eq!(listed.len(), found.len());
    for file in listed {
        let content = &found[file["path"].as_str().unwrap()];
        let sha256 = ring::digest::digest(&ring::digest::SHA256, content);
        let sha256: String = sha256.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (file["bytes"].as_u64(), file["sha256"].as_str()),
            (Some(content.len() as u64), Some(sha256.as_str()))
        );
    }
    // It serves as it is.
    tar::Archive::new(File::open(&path).unwrap()).unpack(&unpacked).unwrap();
    let models = unpacked.join("models");
    let checked = Command::new(env!("CARGO_BIN_EXE_wildwarden"))
        .args(["check", "--models", models.to_str().unwrap(), "--policy", models.join("policy.toml").to_str().unwrap()])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", said(&checked));
}
