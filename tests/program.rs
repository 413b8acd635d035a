//! The program itself: exit codes, SIGTERM, commands, and a client generated in another language.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use common::listing;
use tonic::Code;
use wildwarden_proto::v1::risk_service_client::RiskServiceClient;

fn wildwarden(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wildwarden"));
    command.args(arguments);
    command
}

/// A server process and its address. Killed when dropped, in case a test fails before it stops the server itself.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut command = wildwarden(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        let mut child = command.args(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the server ended before it served").unwrap();
            if line.contains(" serving ") {
                break line.split("address=").nth(1).unwrap().trim().to_owned();
            }
        };
        // Keeps the pipe open and empty.
        std::thread::Builder::new().spawn(move || lines.for_each(drop)).unwrap();
        Self { child, address }
    }

    fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

#[test]
fn a_missing_runtime_library_is_one_sentence_and_exit_code_2() {
    let output = run(&mut wildwarden(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "",
        "--onnxruntime",
        "/nowhere/libonnxruntime.so",
    ]));
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    let last = message.lines().last().unwrap();
    assert!(last.contains("/nowhere/libonnxruntime.so") && last.contains("scripts/setup.sh"), "{message}");
    assert!(!message.contains("panicked"));
}

#[test]
fn a_file_that_is_no_runtime_library_is_one_sentence_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("libonnxruntime.so");
    std::fs::write(&fake, b"not a library").unwrap();
    let output = run(wildwarden(&["check"]).env("ORT_DYLIB_PATH", &fake));
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(message.contains("ONNX Runtime") && message.lines().count() == 1, "{message}");
}

#[test]
fn an_execution_provider_that_the_library_lacks_is_refused_or_done_without_where_that_is_allowed() {
    let check = |fallback: &str| {
        let mut command = wildwarden(&["check", "--json"]);
        run(command.env("WILDWARDEN_RUNTIME_PROVIDER", "openvino").env("WILDWARDEN_RUNTIME_FALLBACK", fallback))
    };
    let refused = check("false");
    assert_eq!(refused.status.code(), Some(2));
    let message = text(&refused.stderr);
    let last = message.lines().last().unwrap();
    assert!(last.contains("openvino") && last.contains("runtime.fallback"), "{message}");
    let done_without = check("true");
    assert!(done_without.status.success(), "{}", text(&done_without.stderr));
    let told: serde_json::Value = serde_json::from_slice(&done_without.stdout).unwrap();
    let models = told["models"].as_array().unwrap().len();
    assert_eq!(told["execution_providers"], serde_json::json!({ "cpu": models }));
    assert_eq!(text(&done_without.stderr).matches("execution provider not used").count(), 1);
    let odd = run(wildwarden(&["check"]).env("WILDWARDEN_RUNTIME_PROVIDER", "tpu"));
    assert!(odd.status.code() == Some(2) && text(&odd.stderr).contains("tpu"), "{}", text(&odd.stderr));
}

#[test]
fn check_names_a_model_that_the_policy_joins_and_that_does_not_serve() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    let shipped = common::one_look_policy();
    let joined = "[[category]]\njoin = { texts = { text_classifier = 0.5, text_clasifier = 0.5 } }\n";
    std::fs::write(&policy, shipped.replacen("[[category]]\n", joined, 1)).unwrap();
    let output = run(&mut wildwarden(&["check", "--policy", policy.to_str().unwrap()]));
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        said.contains("note: the policy joins text_clasifier by texts for") && said.contains("no such model"),
        "{said}"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = wildwarden(&["check", "--print-default"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn onnx_runtime_keeps_nothing_about_this_machine_unless_it_is_asked_to() {
    let kept = |decided: Option<&str>| {
        let home = tempfile::tempdir().unwrap();
        let mut command = wildwarden(&["check"]);
        command.env("HOME", home.path()).env_remove("XDG_CACHE_HOME").env_remove("ORT_DISABLE_TELEMETRY");
        command.envs(decided.map(|decided| ("ORT_DISABLE_TELEMETRY", decided)));
        let output = run(&mut command);
        assert!(output.status.success(), "{}", text(&output.stderr));
        std::fs::read_dir(home.path()).unwrap().count()
    };
    assert_eq!(kept(None), 0);
    assert_eq!(kept(Some("1")), 0);
}

#[test]
fn check_accepts_the_shipped_models_and_names_a_wrong_setting() {
    let output = run(&mut wildwarden(&["check"]));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("image_encoder"));
    let output = run(wildwarden(&["check"]).env("WILDWARDEN_LIMITS_MAX_IMAGES", "0"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("limits.max_images: 0 must be in 1 to 64"), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_running_requests_finish_and_exits_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let models = common::models_with_head(folder.path(), "slow_head").display().to_string();
    let mut server = Process::start(&["--models", &models, "--workers", "1"]);
    let client = RiskServiceClient::connect(format!("http://{}", server.address)).await.unwrap();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let mut client = client.clone();
        running.spawn(async move { client.classify(listing("", &["still.jpg"])).await });
    }
    // The first answer shows that the others have arrived, too: they were sent on the same connection before.
    let first = running.join_next().await.unwrap().unwrap();
    first.unwrap();
    server.terminate();
    while let Some(outcome) = running.join_next().await {
        outcome.unwrap().unwrap();
    }
    let status = tokio::task::spawn_blocking(move || server.child.wait().map(|status| (status, server))).await.unwrap();
    assert_eq!(status.unwrap().0.code(), Some(0));
}

#[test]
fn a_signal_while_models_load_is_heeded() {
    let mut command = wildwarden(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", ""]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(" listening ")));
    let server = Process { child, address: String::new() };
    server.terminate();
    let rest: Vec<String> = lines.collect();
    for said in ["stopping once what is being loaded is", "stopped before anything was served"] {
        assert!(rest.iter().any(|line| line.contains(said)), "{rest:?}");
    }
    let mut server = server;
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_limit_of_the_size_of_files_ends_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (models, program) = (common::models_with_head(folder.path(), "slow_head"), env!("CARGO_BIN_EXE_wildwarden"));
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -f 4; exec \"$0\" serve --listen 127.0.0.1:0 --admin-listen '' --models \"$1\" 2>\"$2\""]);
    command.arg(program).arg(&models).arg(&log).env("WILDWARDEN_LOG_LEVEL", "trace");
    let mut server = Process { child: command.spawn().unwrap(), address: String::new() };
    let is_full = || std::fs::metadata(&log).is_ok_and(|file| file.len() >= 2048);
    while !is_full() {
        assert_eq!(server.child.try_wait().unwrap(), None, "{:?}", std::fs::read_to_string(&log));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let said = std::fs::read_to_string(&log).unwrap();
    let address = said.split("listening address=").nth(1).unwrap().lines().next().unwrap().trim().to_owned();
    for _ in 0..20 {
        let health = std::net::TcpStream::connect(&address).map(|mut stream| {
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
            std::io::read_to_string(stream).unwrap()
        });
        assert!(health.unwrap().starts_with("HTTP/1.1 200"));
    }
    assert_eq!(server.child.try_wait().unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn classify_prints_a_table_and_json_from_a_server_and_embedded() {
    let server = Process::start(&[]);
    let url = format!("http://{}", server.address);
    let photo = "tests/fixtures/images/tusk.jpg";
    let table = run(&mut wildwarden(&["classify", "--server", &url, "--title", "老象牙手串 私聊", photo]));
    assert!(table.status.success(), "{}", text(&table.stderr));
    assert!(
        text(&table.stdout).contains("tusk.jpg") && text(&table.stdout).contains("ivory"),
        "{}",
        text(&table.stdout)
    );

    let both = ["tests/fixtures/images/*.bmp", photo];
    let json = run(wildwarden(&["classify", "--json", "--embedded"]).args(both));
    let lines: Vec<serde_json::Value> =
        text(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines.iter().all(|line| line["risk"].as_f64().is_some() && line["images"][0]["status"] == "IMAGE_STATUS_OK")
    );

    let mut child = wildwarden(&["classify", "--json", "--server", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = format!(
        "{{\"listing_id\": \"a\", \"title\": \"连衣裙\", \"images\": [\"{photo}\"], \"labels\": [], \"seller\": \"s\"}}\n\
         {{\"listing_id\": \"b\"}}\n"
    );
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "one of the two cannot be rated");
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["listing_id"], "a");
    assert!(lines[1]["error"].as_str().unwrap().contains("nothing to look at"));
}

#[test]
fn embed_and_featurize_write_what_training_reads() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.txt");
    std::fs::write(&list, "tests/fixtures/images/tusk.jpg\ntests/fixtures/images/hostile/elf.png\n").unwrap();
    let out = folder.path().join("out");
    let output =
        run(wildwarden(&["embed", "--tensors", "--encoder", "models/image_encoder/1", "--out"]).arg(&out).arg(&list));
    assert_eq!(output.status.code(), Some(1), "one image does not decode: {}", text(&output.stderr));
    let embeddings: ndarray::Array2<f32> = ndarray_npy::read_npy(out.join("embeddings.npy")).unwrap();
    assert_eq!(embeddings.dim(), (2, 1280));
    assert!(
        embeddings.row(0).iter().all(|value| value.is_finite()) && embeddings.row(1).iter().all(|value| value.is_nan())
    );
    let tensors: ndarray::Array4<f32> = ndarray_npy::read_npy(out.join("tensors.npy")).unwrap();
    assert_eq!(tensors.dim(), (2, 3, 160, 160));

    let texts = folder.path().join("texts.jsonl");
    std::fs::write(
        &texts,
        "{\"text\": \"老象牙手串\"}\n{\"text\": \"...\"}\n{\"text\": \"ivory netsuke\", \"label\": \"x\"}\n",
    )
    .unwrap();
    let output =
        run(wildwarden(&["featurize", "--words", "scripts/train/text/words.txt", "--out"]).arg(&out).arg(&texts));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let starts: ndarray::Array1<i64> = ndarray_npy::read_npy(out.join("starts.npy")).unwrap();
    let owners: ndarray::Array1<i64> = ndarray_npy::read_npy(out.join("texts.npy")).unwrap();
    let ids: ndarray::Array1<i64> = ndarray_npy::read_npy(out.join("ids.npy")).unwrap();
    assert_eq!(owners.to_vec(), [0, 2]);
    assert_eq!(starts[2], i64::try_from(ids.len()).unwrap());
}

/// The client is generated from the proto by `grpcio-tools`, as a platform's engineer would. `scripts/test.sh` sets up the
/// Python environment.
#[tokio::test(flavor = "multi_thread")]
async fn a_generated_python_client_rates_a_listing() {
    let python = ".runtime/python/bin/python";
    assert!(
        Path::new(python).exists(),
        "no Python with grpcio-tools at {python}: run scripts/test.sh, which sets it up"
    );
    let server = Process::start(&[]);
    let output = run(Command::new(python).args(["tests/python_client.py", &server.address]));
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("SUGGESTION_"), "{}", text(&output.stdout));
}

#[tokio::test]
async fn a_draining_server_is_unavailable_for_new_calls_on_an_open_connection() {
    let server = common::start(&[]).await;
    let mut client = common::client(&server).await;
    client.classify(listing("手串", &[])).await.unwrap();
    let drained = tokio::spawn(server.drain());
    assert!(drained.await.unwrap().unwrap(), "idle connections close at once");
    let refused = client.classify(listing("手串", &[])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
}
