//! Broken model folders: `model check` and a running server refuse each with the same sentence, its own; what serves goes on,
//! and a good folder in its place is taken right after. `cargo test --test broken_models -- --nocapture` prints them as the table in models/README.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, its helpers too; the table is for people"
)]

mod common;
mod onnx_files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{client, config, copy_folder, listing, start};
use onnx_files::{Change, head, relu};
use tonic::transport::Channel;
use wildwarden_core::config::Config;
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_core::model::folder::onnx::{NEWEST_IR, OPERATOR_SETS};
use wildwarden_core::model::runtime::session::{Runtime, Session};
use wildwarden_core::pipeline::generation::Generation;
use wildwarden_proto::v1::model_service_client::ModelServiceClient;
use wildwarden_proto::v1::{ModelsStatus, ReloadRequest, VersionState, VersionStatus};
use wildwarden_server::lifecycle::check::build_with;
use wildwarden_server::lifecycle::first_generation;
use wildwarden_server::server::Server;

/// What breaks a folder that is a good head until then.
type Break = fn(&Path);

/// What was done, how, and words that the sentence must have.
const BROKEN: &[(&str, Break, &[&str])] = &[
    ("no folder", |f| std::fs::remove_dir_all(f).unwrap(), &["ivory/2", "no such model folder"]),
    ("half copied: no manifest yet", |f| remove(f, "model.toml"), &["ivory/2", "model.toml", "model new"]),
    ("half copied: no ONNX file yet", |f| remove(f, "model.onnx"), &["ivory/2/model.onnx", "missing"]),
    ("half copied: the ONNX file's beginning", |f| cut_copy(f), &["model.onnx", "sha256 is", "model.toml says "]),
    ("half copied: the manifest's beginning", |f| cut(f, "model.toml", 40), &["model.toml", "line 3"]),
    (
        "truncated ONNX file, hash true",
        |f| onnx(f, |b| b.truncate(2000)),
        &["model.onnx", "no whole ONNX model", "2000"],
    ),
    ("empty ONNX file, hash true", |f| onnx(f, Vec::clear), &["model.onnx", "is empty"]),
    (
        "a text in place of the ONNX file",
        |f| onnx(f, |b| *b = b"not a model".to_vec()),
        &["model.onnx", "no whole", "11"],
    ),
    (
        "golden samples changed",
        |f| std::fs::write(f.join("golden.json"), "{}").unwrap(),
        &["golden.json", "sha256 is 4413"],
    ),
    ("unreadable: a folder in place of a file", |f| folder_for_file(f), &["golden.json", "is a folder"]),
    (
        "huge file",
        |f| file(f, "model.onnx").set_len((1 << 30) + 1).unwrap(),
        &["model.onnx", "1073741825", "1073741824"],
    ),
    ("link out of the folder", |f| link_out(f), &["model.onnx", "link out", "elsewhere.onnx"]),
    (
        "path with ..",
        |f| toml(f, "file = \"model.onnx\"", "file = \"../1/model.onnx\""),
        &["model.toml", "../1/model.onnx"],
    ),
    ("absolute path", |f| toml(f, "\"golden.json\" = ", "\"/etc/hostname\" = "), &["model.toml", "/etc/hostname"]),
    (
        "file without a hash",
        |f| toml(f, "\"golden.json\" = ", "\"other.json\" = "),
        &["model.toml", "golden.json", "sha256"],
    ),
    ("unknown key", |f| toml(f, "kind =", "colour = \"blue\"\nkind ="), &["model.toml", "colour"]),
    (
        "not UTF-8",
        |f| std::fs::write(f.join("model.toml"), b"name = \"\xff\"").unwrap(),
        &["model.toml", "UTF-8", "byte 8"],
    ),
    (
        "TOML of another kind",
        |f| assert!(std::fs::copy("models/policy.toml", f.join("model.toml")).is_ok()),
        &["model.toml", "unknown field"],
    ),
    (
        "another version than its folder",
        |f| toml(f, "version = \"2\"", "version = \"7\""),
        &["model.toml", "\"7\"", "ivory/7"],
    ),
    ("unknown kind", |f| toml(f, "kind = \"head\"", "kind = \"tail\""), &["model.toml", "tail", "head"]),
    ("a head with [image]", |f| toml(f, "[golden]", IMAGE), &["model.toml", "[image]", "head"]),
    (
        "a category that is no name",
        |f| toml(f, "category = \"ivory\"", "category = \"Tiger bone\""),
        &["model.toml", "Tiger bone", "small letter"],
    ),
    (
        "a category that another head feeds",
        |f| toml(f, "category = \"ivory\"", "category = \"rhino_horn\""),
        &["rhino_horn/1", "ivory/2"],
    ),
    (
        "calibration upside down",
        |f| toml(f, "slope = 1.16566", "slope = -1"),
        &["model.toml", "labels.ivory.calibration", "above 0"],
    ),
    (
        "more labels than columns",
        |f| toml(f, "labels = [", "labels = [{ name = \"other\" }, "),
        &["model.toml", "logits", "[-1, 1]", "there are 2"],
    ),
    (
        "wrong output name",
        |f| toml(f, "name = \"logits\"", "name = \"scores\""),
        &["model.toml", "\"logits\"", "\"scores\""],
    ),
    (
        "wrong input name",
        |f| toml(f, "name = \"embedding\"", "name = \"features\""),
        &["inputs", "embedding float32", "features float32"],
    ),
    ("wrong type", |f| onnx(f, |b| *b = head(&["Cast"], 1280, 10)), &["logits float16", "logits float32"]),
    ("wrong shape", |f| onnx(f, |b| *b = head(&[], 64, 1)), &["inputs", "[-1, 64]", "[-1, 1280]"]),
    (
        "made for another encoder",
        |f| toml(f, "encoder = \"1\"", "encoder = \"7\""),
        &["image_encoder/1", "version 1", "ivory 2 (7)"],
    ),
    ("embedding of another size", |f| narrow(f), &["image_encoder/1", "1280", "ivory 2 (64)"]),
    (
        "external data",
        |f| change(f, Change::external("../../secret.bin")),
        &["model.onnx", "../../secret.bin", "one file"],
    ),
    (
        "custom operator",
        |f| change(f, Change::operator("my.company", "Wipe")),
        &["model.onnx", "Wipe", "my.company", "ai.onnx"],
    ),
    ("future opset", |f| change(f, Change::opset("", 99)), &["model.onnx", "opset 99", "26"]),
    (
        "future opset of ai.onnx.ml",
        |f| change(f, Change::opset("ai.onnx.ml", 9)),
        &["model.onnx", "opset 9 of ai.onnx.ml", "5"],
    ),
    ("future IR version", |f| change(f, Change::ir(77)), &["model.onnx", "IR version 77", "13"]),
    (
        "an operator that does not exist",
        |f| onnx(f, |b| *b = head(&["Foo"], 1280, 1)),
        &["model.onnx", "does not load", "Foo"],
    ),
    ("NaN", |f| onnx(f, |b| *b = head(&["Sub", "Div"], 1280, 1)), &["model.onnx", "logits", "NaN", "zeros"]),
    (
        "infinite for one input of a batch",
        |f| onnx(f, |b| *b = head(&["Log"], 1280, 1)),
        &["model.onnx", "-inf", "zeros"],
    ),
    (
        "a batch becomes one row",
        |f| onnx(f, |b| *b = head(&["ReduceMean"], 1280, 1)),
        &["outputs", "[1, 1]", "[-1, 1]"],
    ),
    (
        "a batch loses a row",
        |f| onnx(f, |b| *b = head(&["ToBool", "Squeeze", "Compress"], 1280, 1)),
        &["model.onnx", "3 rows", "[2, 1]"],
    ),
    ("golden sample off", |f| golden(f, "\"output\": [", "\"output\": [9"), &["golden.json", "off by", "0.01"]),
    ("golden sample without input", |f| golden(f, "\"embedding\"", "\"text\""), &["golden.json", "invalid type"]),
    (
        "golden sample of another size",
        |f| golden(f, "\"embedding\": [", "\"embedding\": [1.5, "),
        &["golden.json", "sample 0", "1281"],
    ),
];
/// Whole folders that do not fit the others. A server does not call that a fault of theirs: what they fit may still come.
const UNFIT: &[&str] = &["a category that another head feeds", "embedding of another size", "made for another encoder"];
const IMAGE: &str =
    "[image]\nwidth = 64\nheight = 64\nresize = \"stretch\"\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n[golden]";

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_folder_is_refused_in_its_own_words_and_harms_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    // The server tells of a link by its real path, which may differ from the one that was given.
    let models = temporary.path().canonicalize().unwrap().join("models");
    let (server, mut operator) = serve(&models).await;
    let mut client = client(&server).await;
    let service = Service::start();
    let mut expected = None;
    let mut said: BTreeMap<String, &str> = BTreeMap::new();
    let page = std::fs::read_to_string("models/README.md").unwrap();
    let mut undocumented = Vec::new();
    println!("| what is wrong | how it is said |\n| --- | --- |");
    for (what, damage, named) in BROKEN {
        let folder = good(&models);
        damage(&folder);
        // By `wildwarden model check`,
        let sentence = service.load(&folder).expect_err(what).to_string();
        for part in *named {
            assert!(sentence.contains(part), "{what}: {sentence:?} lacks {part:?}");
        }
        let folders = [temporary.path().canonicalize().unwrap(), service.config.folders.models.clone()];
        let row = format!("| {what} | {} |", shown(&sentence, &folders));
        println!("{row}");
        if !page.contains(&row) {
            undocumented.push(row);
        }
        if let Some(other) = said.insert(sentence.clone(), what) {
            panic!("{what} and {other} are told in the same words: {sentence}");
        }
        // and by a server, which looks more than once at what may still be copied, in the same words.
        let mut status = ModelsStatus::default();
        for _ in 0..3 {
            status = operator.reload(ReloadRequest {}).await.unwrap().into_inner();
        }
        let told = of_ivory_2(&status).map(|version| &version.reason).find(|reason| !reason.is_empty());
        match told {
            Some(reason) => assert_eq!(*reason, sentence, "{what}"),
            // It is whole, and waits for others that it would fit.
            None => assert!(
                UNFIT.contains(what) && status.waiting.iter().any(|news| news.contains("ivory 2"))
                    || *what == "no folder",
                "{what}: {status:?}"
            ),
        }
        // What serves goes on as before,
        let rated = client.classify(listing("老象牙手串", &["tusk.jpg"])).await.unwrap().into_inner();
        let rating = (rated.risk.to_bits(), rated.models.clone());
        assert!(!rated.degraded && *expected.get_or_insert(rating.clone()) == rating, "{what}: {rated:?}");
        // and a good version is taken right after.
        good(&models);
        let status = operator.reload(ReloadRequest {}).await.unwrap().into_inner();
        let taken = of_ivory_2(&status).any(|version| version.state() == VersionState::Serving);
        assert!(taken, "after {what}: {status:?}");
        let rated = client.classify(listing("老象牙手串", &["tusk.jpg"])).await.unwrap().into_inner();
        assert!(rated.models.iter().any(|model| model.name == "ivory" && model.version == "2"), "{what}: {rated:?}");
        std::fs::remove_dir_all(models.join("ivory/2")).unwrap();
        operator.reload(ReloadRequest {}).await.unwrap();
    }
    assert!(said.len() >= 20);
    assert!(undocumented.is_empty(), "models/README.md lacks these rows:\n{}", undocumented.join("\n"));
}

/// A server on a copy of the shipped models, which looks at them when it is told to.
async fn serve(models: &Path) -> (Server, ModelServiceClient<Channel>) {
    for name in ["image_encoder", "ivory", "pangolin_scale", "rhino_horn", "text_classifier"] {
        copy_folder(&Path::new("models").join(name).join("1"), &models.join(name).join("1"));
    }
    let flags = [
        ("models", "directory", models.display().to_string()),
        ("models", "watch", "false".into()),
        ("models", "poll_ms", "0".into()),
    ];
    let server = start(&flags).await;
    let operator = ModelServiceClient::connect(format!("http://{}", server.admin_address().unwrap())).await.unwrap();
    (server, operator)
}

/// What is said of ivory 2. There may be two of them: the folder's, and one that is still in memory.
fn of_ivory_2(status: &ModelsStatus) -> impl Iterator<Item = &VersionStatus> {
    let versions = status.models.iter().filter(|model| model.name == "ivory").flat_map(|model| &model.versions);
    versions.filter(|status| status.version == "2")
}

#[test]
fn a_new_encoder_with_another_embedding_names_the_heads_it_would_break() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("image_encoder/2");
    copy_folder(Path::new("models/image_encoder/1"), &folder);
    toml(&folder, "version = \"1\"", "version = \"2\"");
    toml(&folder, "shape = [-1, 1280]", "shape = [-1, 640]");
    toml(&folder, "shape = [-1, 1280, 5, 5]", "shape = [-1, 640, 5, 5]");
    let sentence = Service::start().load(&folder).unwrap_err().to_string();
    for part in ["image_encoder/2", "640", "ivory 1 (1280)", "pangolin_scale 1 (1280)", "rhino_horn 1 (1280)"] {
        assert!(sentence.contains(part), "{sentence}");
    }
}

#[test]
fn the_newest_versions_are_those_that_the_runtime_loads() {
    let runtime = Runtime::load(&config(&[]).runtime.onnxruntime).unwrap();
    let loads = |ir, sets: &[(&str, i64)]| Session::load(runtime, "relu", &relu(ir, sets), 1).is_ok();
    assert!(loads(NEWEST_IR, &[("", 17)]) && !loads(NEWEST_IR + 1, &[("", 17)]));
    for (domain, newest) in OPERATOR_SETS {
        let sets = |version| if domain == "ai.onnx" { vec![("", version)] } else { vec![("", 17), (domain, version)] };
        assert!(loads(8, &sets(newest)) && !loads(8, &sets(newest + 1)), "{domain}");
    }
}

/// Models in service, and the way in for a new one.
struct Service {
    config: Config,
    serving: Generation,
}

impl Service {
    fn start() -> Self {
        let config = config(&[("scheduler", "workers", "1".into())]);
        let serving = first_generation(&config, None).unwrap();
        Self { config, serving }
    }

    fn load(&self, folder: &Path) -> wildwarden_core::error::Result<Generation> {
        build_with(&self.config, &self.serving, folder)
    }
}

/// `sentence` as the table has it: the folder of this test left out, and that of the models by its usual name.
fn shown(sentence: &str, [own, models]: &[PathBuf; 2]) -> String {
    let short =
        sentence.replace(&format!("{}/", own.display()), "").replace(&format!("{}/", models.display()), "models/");
    short.replace("models/ivory/2", "ivory/2").replace('\n', " ").replace('|', "\\|")
}

/// The shipped ivory head as version 2, always at the same place.
fn good(root: &Path) -> PathBuf {
    let folder = root.join("ivory/2");
    let _ = std::fs::remove_dir_all(&folder);
    copy_folder(Path::new("models/ivory/1"), &folder);
    toml(&folder, "version = \"1\"", "version = \"2\"");
    folder
}

fn toml(folder: &Path, from: &str, to: &str) {
    let path = folder.join("model.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Changes a file and its hash with it.
fn with_hash(folder: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    let before = hex_sha256(&bytes);
    change(&mut bytes);
    toml(folder, &before, &hex_sha256(&bytes));
    std::fs::write(path, bytes).unwrap();
}

fn onnx(folder: &Path, change: fn(&mut Vec<u8>)) {
    with_hash(folder, "model.onnx", change);
}

fn change(folder: &Path, change: Change) {
    with_hash(folder, "model.onnx", |bytes| *bytes = change.applied(bytes));
}

fn golden(folder: &Path, from: &str, to: &str) {
    with_hash(folder, "golden.json", |bytes| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(from));
        *bytes = text.replacen(from, to, 1).into_bytes();
    });
}

fn narrow(folder: &Path) {
    onnx(folder, |bytes| *bytes = head(&[], 64, 1));
    toml(folder, "shape = [-1, 1280]", "shape = [-1, 64]");
}

fn remove(folder: &Path, name: &str) {
    std::fs::remove_file(folder.join(name)).unwrap();
}

fn file(folder: &Path, name: &str) -> std::fs::File {
    std::fs::File::options().write(true).open(folder.join(name)).unwrap()
}

fn cut(folder: &Path, name: &str, length: u64) {
    file(folder, name).set_len(length).unwrap();
}

fn cut_copy(folder: &Path) {
    cut(folder, "model.onnx", 3000);
}

/// Root may read everything, but nobody reads a folder as a file.
fn folder_for_file(folder: &Path) {
    remove(folder, "golden.json");
    std::fs::create_dir(folder.join("golden.json")).unwrap();
}

fn link_out(folder: &Path) {
    let elsewhere = folder.parent().unwrap().join("elsewhere.onnx");
    std::fs::rename(folder.join("model.onnx"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.join("model.onnx")).unwrap();
}
