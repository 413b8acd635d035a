//! `wildwarden model`: what the commands print, write and return.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

#[path = "onnx_files/mod.rs"]
mod onnx_files;

use std::path::Path;
use std::process::Command;

/// Exit code and everything printed.
fn model(arguments: &[&str]) -> (i32, String) {
    run("model", arguments)
}

fn run(command: &str, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_wildwarden")).arg(command).args(arguments).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(printed).unwrap())
}

fn new(out: &Path, onnx: &str, more: &[&str]) -> (i32, String) {
    model(&[&["new", onnx, "--name", "ivory", "--version", "2", "--out", out.to_str().unwrap()], more].concat())
}

#[test]
fn new_fills_in_what_the_graph_says_and_overwrites_nothing() {
    let out = tempfile::tempdir().unwrap();
    assert_eq!(new(out.path(), "models/ivory/1/model.onnx", &[]).0, 0);
    let manifest = out.path().join("ivory/2/model.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    for part in ["kind = \"head\"", "shape = [-1, 1280]", "category = \"ivory\"", "TODO"] {
        assert!(text.contains(part), "{text}");
    }
    let (code, said) = new(out.path(), "models/ivory/1/model.onnx", &[]);
    assert!(code == 2 && said.contains("ivory/2 exists already"), "{said}");
    assert_eq!(std::fs::read_to_string(&manifest).unwrap(), text);
    let (code, said) = new(out.path(), "models/ivory/1/model.onnx", &["--kind", "image_classifier", "--version", "3"]);
    assert!(code == 2 && said.contains("cannot be used multiple times"), "{said}");
    let (code, said) = new(&out.path().join("other"), "models/ivory/1/model.onnx", &["--kind", "image_encoder"]);
    assert!(code == 2 && said.contains("cannot serve as image_encoder"), "{said}");
    assert!(!out.path().join("other").exists());
}

#[test]
fn check_ticks_the_steps_and_hash_mends_a_changed_file() {
    let out = tempfile::tempdir().unwrap();
    new(out.path(), "models/ivory/1/model.onnx", &[]);
    let folder = out.path().join("ivory/2");
    let shown = folder.to_str().unwrap();
    let (code, said) = model(&["check", shown]);
    assert!(code == 0 && said.matches('✓').count() == 9 && said.contains("in service: ivory 1"), "{said}");
    assert!(said.contains("note: encoder is not named"), "{said}");
    std::fs::copy("models/rhino_horn/1/model.onnx", folder.join("model.onnx")).unwrap();
    let (code, said) = model(&["check", shown]);
    assert_eq!((code, said.matches('✓').count(), said.matches('✗').count()), (2, 1, 1), "{said}");
    assert!(said.lines().last().unwrap().contains("model.onnx: sha256 is"), "{said}");
    assert_eq!(model(&["hash", shown]).0, 0);
    let (code, said) = model(&["check", shown, "--json"]);
    assert_eq!(code, 0, "{said}");
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(report["refused"].is_null() && report["cost"]["run_ms"].as_f64().unwrap() > 0.0, "{report}");
}

#[test]
fn a_new_encoder_is_checked_with_the_heads_that_come_with_it() {
    let out = tempfile::tempdir().unwrap();
    let names = ["image_encoder", "ivory", "live_animal", "pangolin_scale", "rhino_horn", "shows_words"];
    for name in names {
        let folder = out.path().join(name).join("2");
        std::fs::create_dir_all(&folder).unwrap();
        for entry in std::fs::read_dir(format!("models/{name}/1")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
        let manifest = folder.join("model.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        let text =
            text.replacen("version = \"1\"", "version = \"2\"", 1).replacen("encoder = \"1\"", "encoder = \"2\"", 1);
        std::fs::write(manifest, text).unwrap();
    }
    let folders = names.map(|name| out.path().join(name).join("2").display().to_string());
    let [encoder, ivory, alive, pangolin, rhino, words] = folders.each_ref().map(String::as_str);
    // Where another encoder serves as well, each head is missed by itself.
    let tells = |said: &str, usual: &str| said.contains(usual) || said.contains("no image_encoder gives what it reads");
    let (code, said) = model(&["check", encoder]);
    assert!(code == 2 && tells(&said, "is version 2, and these heads are made for others: ivory 1 (1)"), "{said}");
    let (code, said) = model(&["check", ivory]);
    assert!(code == 2 && tells(&said, "is version 1, and these heads are made for others: ivory 2 (2)"), "{said}");
    let (code, said) = model(&[
        "check", encoder, "--with", ivory, "--with", alive, "--with", pangolin, "--with", rhino, "--with", words,
    ]);
    assert!(code == 0 && said.contains("image_encoder 2 can serve"), "{said}");
    let (code, said) = model(&[
        "check", ivory, "--with", encoder, "--with", alive, "--with", pangolin, "--with", rhino, "--with", words,
    ]);
    assert!(code == 0 && said.contains("ivory 2 can serve"), "{said}");
}

#[test]
fn diff_lists_the_listings_whose_suggestion_changes() {
    let out = tempfile::tempdir().unwrap();
    new(out.path(), "models/ivory/1/model.onnx", &[]);
    let folder = out.path().join("ivory/2");
    let manifest = folder.join("model.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    // Sure that every photo shows ivory.
    std::fs::write(&manifest, text.replace("intercept = 0.0", "intercept = 40.0")).unwrap();
    let listings = "tests/fixtures/listings.jsonl";
    let (code, said) = model(&["diff", "models/ivory/1", folder.to_str().unwrap(), listings, "--json"]);
    assert_eq!(code, 0, "{said}");
    let found: serde_json::Value = serde_json::from_str(&said).unwrap();
    let flips = found["flips"].as_array().unwrap();
    assert!(!flips.is_empty() && found["agreement"].as_f64().unwrap() < 1.0, "{found}");
    assert!(flips.iter().all(|flip| flip["from"] != flip["to"] && flip["risk_b"].as_f64() > flip["risk_a"].as_f64()));
    let shift = |index: usize| found["shifts"][index]["max"].as_f64().unwrap();
    // A photo taken for ivory may take a second look, which may move the others a little.
    assert!(shift(0) > 0.1 && shift(1) < 0.01 && shift(2) < 0.01, "{found}");
}

#[test]
fn hash_mends_an_empty_and_a_short_hash_and_keeps_comments() {
    let out = tempfile::tempdir().unwrap();
    new(out.path(), "models/ivory/1/model.onnx", &[]);
    let folder = out.path().join("ivory/2");
    let path = folder.join("model.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let sha256 =
        wildwarden_core::model::folder::manifest::hex_sha256(&std::fs::read(folder.join("model.onnx")).unwrap());
    for old in ["", "a"] {
        std::fs::write(&path, good.replace(&sha256, old)).unwrap();
        assert_eq!(model(&["hash", folder.to_str().unwrap()]).0, 0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), good, "from {old:?}");
    }
}

#[test]
fn new_writes_every_file_that_the_manifest_of_a_text_model_lists() {
    let out = tempfile::tempdir().unwrap();
    let (code, said) = new(out.path(), "models/text_classifier/1/model.onnx", &[]);
    assert_eq!(code, 0, "{said}");
    let folder = out.path().join("ivory/2");
    let text = std::fs::read_to_string(folder.join("model.toml")).unwrap();
    assert!(text.contains("\"words.txt\" = ") && folder.join("words.txt").is_file(), "{text}");
}

#[test]
fn what_would_mislead_is_named_and_an_output_of_another_name_comes_first() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("head.onnx");
    let shown = file.to_str().unwrap();
    std::fs::write(&file, onnx_files::relu(8, &[("", 17)])).unwrap();
    let (code, said) = new(out.path(), shown, &["--kind", "head"]);
    let written = std::fs::read_to_string(out.path().join("ivory/2/model.toml")).unwrap();
    assert!(code == 0 && written.contains("scores = { output = \"b\", holds = \"logits\" }"), "{said}\n{written}");
    std::fs::remove_dir_all(out.path().join("ivory")).unwrap();
    std::fs::write(&file, onnx_files::head(&["Sigmoid"], 1280, 1)).unwrap();
    assert_eq!(new(out.path(), shown, &[]).0, 0);
    let folder = out.path().join("ivory/2");
    let manifest = folder.join("model.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    // The graph ends in a sigmoid, and so it is written; who says otherwise is told.
    let (code, said) = model(&["check", folder.to_str().unwrap()]);
    assert!(code == 0 && !said.contains("they look like probabilities"), "{said}");
    std::fs::write(&manifest, text.replace("holds = \"sigmoid\"", "holds = \"logits\"")).unwrap();
    let (code, said) = model(&["check", folder.to_str().unwrap()]);
    assert!(code == 0 && said.contains("they look like probabilities"), "{said}");
    std::fs::write(&manifest, text.replace("category = \"ivory\", ", "")).unwrap();
    let (_, said) = model(&["check", folder.to_str().unwrap()]);
    assert!(said.contains("feeds nothing"), "{said}");
    let (code, said) = model(&["check", "models/text_classifier/1"]);
    assert!(code == 0 && !said.contains("contributions do not"), "{said}");
}

#[test]
fn golden_samples_are_recorded_for_every_kind_and_hold() {
    let out = tempfile::tempdir().unwrap();
    let texts = out.path().join("texts.txt");
    std::fs::write(&texts, "老象牙手串 包浆好 私聊\n\nlinen dress size 12\n").unwrap();
    let embeddings = out.path().join("embeddings.npy");
    ndarray_npy::write_npy(&embeddings, &ndarray::Array2::<f32>::from_elem((2, 1280), 0.5)).unwrap();
    // A header of 6 EB above no data.
    let header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846975, 1280), }\n";
    let promising = out.path().join("promising.npy");
    std::fs::write(
        &promising,
        [b"\x93NUMPY\x01\x00", &u16::try_from(header.len()).unwrap().to_le_bytes()[..], header].concat(),
    )
    .unwrap();
    let (code, said) = model(&["golden", "models/ivory/1", promising.to_str().unwrap()]);
    assert!(code == 2 && said.contains("f32 [N, D] as .npy"), "{code} {said}");
    let cases = [
        ("image_encoder", vec!["tests/fixtures/images/tusk.jpg", "tests/fixtures/images/still.png"], 2),
        ("ivory", vec![embeddings.to_str().unwrap()], 2),
        ("text_classifier", vec![texts.to_str().unwrap()], 2),
    ];
    for (name, inputs, count) in cases {
        let folder = out.path().join(name).join("1");
        std::fs::create_dir_all(&folder).unwrap();
        for entry in std::fs::read_dir(format!("models/{name}/1")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
        let shown = folder.to_str().unwrap();
        let (code, said) = model(&[&["golden", shown], inputs.as_slice()].concat());
        assert!(code == 0 && said.contains(&format!("{count} samples")), "{said}");
        let (code, said) = model(&["check", shown]);
        assert!(code == 0 && said.contains("within tolerance"), "{said}");
        let golden = folder.join("golden.json");
        let mut file: serde_json::Value = serde_json::from_slice(&std::fs::read(&golden).unwrap()).unwrap();
        assert_eq!(file["samples"].as_array().unwrap().len(), count);
        let first = file["samples"][0]["output"][0].as_f64().unwrap();
        file["samples"][0]["output"][0] = serde_json::json!(first + 1.0);
        std::fs::write(&golden, file.to_string()).unwrap();
        assert_eq!(model(&["hash", shown]).0, 0);
        let (code, said) = model(&["check", shown]);
        assert!(code == 2 && said.contains("sample 0 is off by"), "{said}");
    }
    let folder = out.path().join("ivory/1");
    let (code, said) = model(&["golden", folder.to_str().unwrap(), "tests/fixtures/images/tusk.jpg"]);
    assert!(code == 2 && said.contains("tusk.jpg"), "{said}");
}

#[test]
fn recorded_samples_keep_the_tolerance_and_list_no_old_image() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("image_encoder/1");
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir("models/image_encoder/1").unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let (code, said) = model(&["golden", folder.to_str().unwrap(), "tests/fixtures/images/tusk.jpg"]);
    assert!(code == 0 && said.contains("tolerance 0.5"), "{said}");
    let manifest = std::fs::read_to_string(folder.join("model.toml")).unwrap();
    assert!(!manifest.contains("golden.jpg") && manifest.contains("\"tusk.jpg\""), "{manifest}");
    let moved = out.path().join("image_encoder/7");
    std::fs::rename(&folder, &moved).unwrap();
    let (code, said) = model(&["golden", moved.to_str().unwrap(), "tests/fixtures/images/tusk.jpg"]);
    assert!(code == 2 && said.contains("image_encoder/1"), "{said}");
}

#[test]
fn a_server_is_named_in_one_way_by_every_command() {
    for command in [&["model", "list"][..], &["classify", "--title", "x"], &["bench", "closed", "--images", "models"]] {
        let output = |server: &[&str], variable: Option<(&str, &str)>| {
            let mut run = Command::new(env!("CARGO_BIN_EXE_wildwarden"));
            let output = run.args(command).args(server).envs(variable).output().unwrap();
            (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
        };
        let (code, said) = output(&["--server", "ftp://127.0.0.1:1"], None);
        assert!(code == 2 && said.contains("ftp is not spoken"), "{said}");
        let variable = if command[0] == "model" { "WILDWARDEN_OPERATORS" } else { "WILDWARDEN_SERVER" };
        for (code, said) in [output(&["--server", "127.0.0.1:1"], None), output(&[], Some((variable, "127.0.0.1:1")))] {
            assert!(code == 2 && said.contains("127.0.0.1:1") || command[0] == "bench", "{code} {said}");
        }
    }
}

#[test]
fn a_policy_is_checked_and_compared_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let shipped = std::fs::read_to_string("models/policy.toml").unwrap();
    let (code, said) = run("policy", &["check"]);
    assert!(code == 0 && said.contains("in order"), "{said}");
    let blank = write("blank.toml", &shipped.replacen("\"象牙塔\"", "\" \"", 1));
    let (code, said) = run("policy", &["check", &blank]);
    assert!(code == 2 && said.contains("blank.toml: line ") && said.contains("is blank"), "{said}");
    let strict = write("strict.toml", &shipped.replacen("\"果冻料\"", "\"果冻料\", \"夏季新款\"", 1));
    let listings = write("l.csv", "id,title,labels\n1,红木书架,\n2,夏季新款连衣裙,\n");
    let (code, said) = run("policy", &["diff", "models/policy.toml", &strict, &listings]);
    assert!(code == 0 && said.contains("2 listings") && said.contains("changed suggestion"), "{said}");
}
