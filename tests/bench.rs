//! `wildwarden bench` as a program, against a real server with real models on port 0.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use wildwarden_server::server::Server;

const PHOTOS: &str = "tests/fixtures/images";

/// Runs the program while the server, which lives in this process, answers.
fn bench(server: &Server, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wildwarden"));
    command.arg("bench").args(arguments).args(["--server", &server.address().to_string()]);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A folder with some fixtures, one of each format.
fn photos(folder: &Path) -> String {
    let photos = folder.join("photos");
    std::fs::create_dir(&photos).unwrap();
    for name in ["mug.jpg", "progressive.jpg", "exif_6.jpg", "still.png", "still.webp", "still.gif", "still.bmp"] {
        std::fs::copy(Path::new(PHOTOS).join(name), photos.join(name)).unwrap();
    }
    photos.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_loop_measures_checks_and_writes_every_file() {
    let server = common::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let photos = photos(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (json, csv, html, hgrm) = (file("a.json"), file("a.csv"), file("a.html"), file("a.hgrm"));
    let mut arguments = vec!["closed", "--images", &photos, "--images-per-listing", "2", "--title", "手串", "--unique"];
    arguments.extend(["--concurrency", "3", "--requests", "21", "--warmup", "0"]);
    arguments.extend(["--json", &json, "--csv", &csv, "--html", &html, "--histogram", &hgrm]);
    let output = bench(&server, &arguments);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let report = read(Path::new(&json));
    assert_eq!((&report["input"]["listings"], &report["input"]["images"]), (&7.into(), &14.into()));
    assert_eq!(report["versions"].as_array().unwrap().len(), 1, "{}", report["versions"]);
    let step = &report["steps"][0];
    assert_eq!((&step["counts"]["right"], &step["latency"]["count"]), (&21.into(), &21.into()), "{step}");
    let rate = |name: &str| step[name].as_f64().unwrap();
    assert!((rate("images_per_second") / rate("listings_per_second") - 2.0).abs() < 1e-9);
    let stage = |name: &str| {
        let stages = step["stages"].as_array().unwrap();
        stages.iter().find(|stage| stage["name"] == name).unwrap()["p50_ms"].as_f64().unwrap()
    };
    assert!(stage("image_inference") > 0.0 && stage("text_features") > 0.0 && stage("outside_server") > 0.0);
    assert!(stage("total") <= step["latency"]["max_ms"].as_f64().unwrap());
    for part in ["3 callers", "image_inference", "21 answers by image_encoder 1", "closed loop"] {
        assert!(text(&output.stdout).contains(part), "{part}: {}", text(&output.stdout));
    }
    let rows = std::fs::read_to_string(&csv).unwrap();
    assert!(rows.starts_with("second,listings_per_second,") && rows.lines().count() >= 2, "{rows}");
    assert!(std::fs::read_to_string(&html).unwrap().matches("<svg").count() == 4);
    assert!(std::fs::read_to_string(&hgrm).unwrap().contains("Total count    =           21]"));
}

/// One slow worker and one place in the queue: most arrivals are refused.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_a_full_server_are_errors_by_code_and_never_successes() {
    let folder = tempfile::tempdir().unwrap();
    let models = common::models_with_head(folder.path(), "slow_head").display().to_string();
    let flags = [
        ("models", "directory", models),
        ("scheduler", "workers", "1".into()),
        ("scheduler", "queue_capacity", "1".into()),
        // The same photo is sent again and again, and is to be slow each time.
        ("cache", "images", "0".into()),
    ];
    let server = common::start(&flags).await;
    let json = folder.path().join("a.json");
    let photo = format!("{PHOTOS}/mug.jpg");
    let (file, length) = (json.display().to_string(), ["--requests", "60", "--warmup", "0"]);
    let mut arguments = vec!["open", "--images", &photo, "--rate", "200", "--json", &file];
    arguments.extend(length);
    let output = bench(&server, &arguments);
    assert_eq!(output.status.code(), Some(1), "{}{}", text(&output.stdout), text(&output.stderr));
    let step = &read(&json)["steps"][0];
    let count = |name: &str| step["counts"][name].as_u64().unwrap();
    let refused = step["counts"]["failed"]["ResourceExhausted"].as_u64().unwrap();
    assert!(refused > 0 && count("right") > 0, "{step}");
    assert_eq!((count("right") + refused, count("wrong"), count("not_sent")), (60, 0, 0), "{step}");
    assert_eq!(step["latency"]["count"], count("right"), "refusals, which are fast, improve no latency");
    assert_eq!(step["failed_latency"]["count"], refused);
    assert!(text(&output.stderr).contains(&format!("{refused} calls failed")), "{}", text(&output.stderr));

    arguments.extend(["--allow-errors", "--max-in-flight", "1"]);
    let output = bench(&server, &arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let step = &read(&json)["steps"][0];
    assert!(step["counts"]["not_sent"].as_u64().unwrap() > 0, "{step}");
    assert_eq!(step["listings"], 60, "what was not sent is counted, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_other_than_expected_are_wrong_and_fail_the_run() {
    let server = common::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let photos = photos(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (expected, json) = (file("expected.json"), file("a.json"));
    let arguments = ["closed", "--images", &photos, "--requests", "14", "--warmup", "0", "--concurrency", "2"];
    let output = bench(&server, &[&arguments[..], &["--save-expected", &expected]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let again = [&arguments[..], &["--expected", &expected, "--json", &json, "--allow-errors"]].concat();
    assert!(bench(&server, &again).status.success(), "what was saved is what is expected");

    let mut ratings = read(Path::new(&expected));
    let risk = ratings["mug.jpg"]["risk"].as_f64().unwrap();
    ratings["mug.jpg"]["risk"] = (risk + 0.001).into();
    std::fs::write(&expected, ratings.to_string()).unwrap();
    let output = bench(&server, &again);
    assert_eq!(output.status.code(), Some(1), "also with --allow-errors");
    let counts = &read(Path::new(&json))["steps"][0]["counts"];
    assert_eq!((&counts["right"], &counts["wrong"]), (&12.into(), &2.into()), "one of seven listings, sent twice");
    assert!(text(&output.stdout).contains("mug.jpg: risk is"), "{}", text(&output.stdout));

    ratings.as_object_mut().unwrap().remove("still.gif");
    std::fs::write(&expected, ratings.to_string()).unwrap();
    let output = bench(&server, &again);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("still.gif"), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_ends_with_a_rate_and_a_ramp_has_a_row_a_step() {
    let server = common::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (json, csv, html) = (file("a.json"), file("a.csv"), file("a.html"));
    std::fs::write(folder.path().join("a.jsonl"), "{\"title\": \"老象牙手串\", \"labels\": [\"ivory\"]}\n").unwrap();
    let input = file("a.jsonl");
    let short = ["--requests", "20", "--warmup", "0", "--json", &json, "--csv", &csv, "--html", &html];
    let ramp = [&["ramp", &input, "--from", "50", "--to", "150", "--steps", "3"][..], &short].concat();
    let output = bench(&server, &ramp);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows = std::fs::read_to_string(&csv).unwrap();
    let offered: Vec<&str> = rows.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(offered, ["50.000", "100.000", "150.000"]);

    // Ten texts a second are easy, also beside other work, so the first rates hold; the end is set by the machine, or by half a million texts a second.
    let search = ["search", &input, "--p99-limit-ms", "1000", "--from", "10", "--precision", "0.5"];
    let output = bench(&server, &[&search[..], &short, &["--max-in-flight", "5"]].concat());
    let report = read(Path::new(&json));
    let found = report["searched"]["listings_per_second"].as_f64().unwrap();
    assert!(found >= 10.0, "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "overload above the found rate is no failure: {}", text(&output.stderr));
    let broke = report["steps"].as_array().unwrap().iter().filter(|step| step["held"] == false).count();
    assert!(broke > 0, "{report}");
    assert!(std::fs::read_to_string(&html).unwrap().contains("is the highest rate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_no_key_and_no_photo_are_one_sentence_and_exit_code_2() {
    let key = wildwarden_core::model::folder::manifest::hex_sha256(b"secret");
    let keys = format!("[{{ name = \"a\", sha256 = \"{key}\", roles = [\"classify\"] }}]");
    let server = common::start(&[("auth", "keys", keys)]).await;
    let photo = format!("{PHOTOS}/mug.jpg");
    let few = ["closed", "--images", &photo, "--requests", "2", "--warmup", "0"];
    let fails = |more: &[&str], named: &str| {
        let output = bench(&server, &[&few[..], more].concat());
        let message = text(&output.stderr);
        assert_eq!((output.status.code(), message.lines().count()), (Some(2), 1), "{message}");
        assert!(message.contains(named), "{message}");
    };
    fails(&[], "Unauthenticated");
    assert!(bench(&server, &[&few[..], &["--key", "secret"]].concat()).status.success());
    let output = bench(&server, &["closed", "--images", "/nowhere.jpg", "--requests", "1"]);
    assert!(text(&output.stderr).contains("/nowhere.jpg") && output.status.code() == Some(2));
    let mut command = Command::new(env!("CARGO_BIN_EXE_wildwarden"));
    let output = command.arg("bench").args(few).args(["--server", "127.0.0.1:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("127.0.0.1:1: no server there"), "{}", text(&output.stderr));
}
