//! `wildwarden evaluate` as a program: real models, a small labelled folder, JSONL and CSV.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const IMAGES: &str = "tests/fixtures/images";

fn evaluate(input: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wildwarden"));
    command.arg("evaluate").arg(input).arg("--out").arg(out).args(["--bootstrap", "50"]).args(more);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn report(out: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(out.join("evaluation.json")).unwrap()).unwrap()
}

fn scores(out: &Path) -> Vec<Value> {
    let lines = std::fs::read_to_string(out.join("scores.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `folder/label/file` from the fixtures.
fn labelled(folder: &Path, files: &[(&str, &str)]) {
    for (label, file) in files {
        std::fs::create_dir_all(folder.join(label)).unwrap();
        let name = Path::new(file).file_name().unwrap();
        std::fs::copy(Path::new(IMAGES).join(file), folder.join(label).join(name)).unwrap();
    }
}

#[test]
fn a_labelled_folder_becomes_scores_figures_and_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("photos"), folder.path().join("out"));
    labelled(
        &input,
        &[
            ("ivory", "tusk.jpg"),
            ("pangolin_scales", "scales.jpg"),
            ("rhino_horn", "horn.jpg"),
            ("negative", "mug.jpg"),
            ("negative", "grey.png"),
        ],
    );
    let output = evaluate(&input, &out, &["--stress"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("rhino_horn"), "{}", text(&output.stdout));

    let report = report(&out);
    assert_eq!(report["data"]["rated"], 5);
    assert_eq!(report["data"]["images"]["ok"], 5);
    assert_eq!(report["categories"].as_array().unwrap().len(), 3);
    let ivory = &report["categories"][0];
    assert_eq!((ivory["counts"]["positives"].as_u64(), ivory["counts"]["negatives"].as_u64()), (Some(1), Some(4)));
    let confusion = &ivory["confusion"];
    let count = |key: &str| confusion[key].as_u64().unwrap();
    assert_eq!(count("true_positives") + count("false_negatives"), 1);
    assert_eq!(count("false_positives") + count("true_negatives"), 4);

    // The area under the curve of one positive is the share of negatives below it: counted here from the scores.
    let scores = scores(&out);
    let probability = |line: &Value| line["categories"]["ivory"]["probability"].as_f64().unwrap();
    let is_ivory = |line: &Value| line["labels"][0] == "ivory";
    let positive = probability(scores.iter().find(|line| is_ivory(line)).unwrap());
    let beaten =
        scores.iter().filter(|line| !is_ivory(line)).map(|line| match probability(line).total_cmp(&positive) {
            std::cmp::Ordering::Less => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Greater => 0.0,
        });
    let expected = beaten.sum::<f64>() / 4.0;
    let found = ivory["scores"][0]["figures"]["roc_auc"]["value"].as_f64().unwrap();
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");

    assert_eq!(ivory["stress"].as_array().unwrap().len(), 7);
    assert!(ivory["fusion"].is_null(), "no listing has a text");
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("</html>"));
    assert!(
        !page.contains("http:") && !page.contains("https:") && !page.contains("<script"),
        "the page needs nothing else"
    );
}

#[test]
fn the_answer_is_that_of_classify_and_a_second_run_rates_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("listings.jsonl"), folder.path().join("out"));
    let first = "{\"listing_id\": \"1\", \"title\": \"老象牙手串 包浆好 私聊\", \"images\": [\"tusk.jpg\"], \"labels\": [\"ivory\"], \"seller\": \"s\"}\n\
                 {\"listing_id\": \"2\", \"title\": \"纯棉连衣裙 <b>新款</b>\", \"images\": [\"mug.jpg\"], \"labels\": []}\n";
    std::fs::write(&input, first).unwrap();
    let output = evaluate(&input, &out, &["--images-root", IMAGES]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("2 listings rated (0 from an earlier run)"), "{}", text(&output.stderr));
    let report = report(&out);
    assert_eq!(report["unmeasured"], serde_json::json!(["pangolin_scale", "rhino_horn"]));
    assert_eq!(report["categories"][0]["fusion"]["rules"].as_array().unwrap().len(), 5);

    let mut classify = Command::new(env!("CARGO_BIN_EXE_wildwarden"));
    let photo = format!("{IMAGES}/tusk.jpg");
    let answer = classify
        .args(["classify", "--embedded", "--json", "--title", "老象牙手串 包浆好 私聊", &photo])
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let before = scores(&out);
    assert_eq!(before[0]["risk"], answer["risk"], "the served path");

    // A line was cut when the run was killed, a label was mended, a listing is new: only the last is rated.
    std::fs::write(out.join("scores.jsonl"), format!("{}\n{}\n{{\"key\": \"", before[0], before[1])).unwrap();
    let more = first.replace("\"labels\": []", "\"labels\": [\"rhino_horn\"]")
        + "{\"listing_id\": \"3\", \"title\": \"ceramic mug\", \"labels\": []}\n";
    std::fs::write(&input, more).unwrap();
    let output = evaluate(&input, &out, &["--images-root", IMAGES, "--scores"]);
    assert!(text(&output.stderr).contains("3 listings rated (2 from an earlier run)"), "{}", text(&output.stderr));
    let after = scores(&out);
    assert_eq!(after.len(), 3);
    assert_eq!((&after[0], &after[1]["key"]), (&before[0], &before[1]["key"]));
    assert_eq!(after[1]["labels"][0], "rhino_horn");
}

#[test]
fn bad_rows_stop_before_rating_and_bad_images_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("a.csv"), folder.path().join("out"));
    std::fs::write(&input, "file,label\nmug.jpg,negative\ntusk.jpg,tusks\n").unwrap();
    let output = evaluate(&input, &out, &["--images-root", IMAGES]);
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    for part in ["a.csv", "line 3", "label", "\"tusks\"", "ivory", "--negative tusks"] {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
    assert!(!out.exists());

    let rows =
        "file,label,subclass\nmug.jpg,negative,cup\ntusk.jpg,ivory,tusk\nhostile/elf.png,negative,\nnone.jpg,ivory,\n";
    std::fs::write(&input, rows).unwrap();
    let output = evaluate(&input, &out, &["--images-root", IMAGES]);
    assert_eq!(output.status.code(), Some(1), "two of four cannot be rated");
    let report = report(&out);
    let failures = report["failures"].as_array().unwrap();
    assert_eq!((report["data"]["rated"].as_u64(), failures.len()), (Some(2), 2));
    assert_eq!(failures[0]["id"], "hostile/elf.png");
    assert!(failures[1]["problem"].as_str().unwrap().contains("none.jpg"));
    let slices = report["categories"][0]["slices"].as_array().unwrap();
    assert!(slices.iter().any(|slice| slice["name"] == "subclass: tusk"));
}
