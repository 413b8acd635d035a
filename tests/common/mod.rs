//! A real server on port 0 with real models, and requests to send it.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test helper")]

pub(crate) mod oip;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tonic::transport::Channel;
use wildwarden_core::config::{Config, Flag};
use wildwarden_proto::v1::risk_service_client::RiskServiceClient;
use wildwarden_proto::v1::{CategoryRating, ClassifyRequest, ClassifyResponse, Image};
use wildwarden_server::server::Server;

pub(crate) type Client = RiskServiceClient<Channel>;

/// The shipped policy with the first look alone: without what joins it with others.
pub(crate) fn one_look_policy() -> String {
    let shipped = std::fs::read_to_string("models/policy.toml").unwrap();
    let mut in_looks = false;
    let is_kept = |line: &&str| {
        if line.starts_with('[') {
            in_looks = line.starts_with("[looks") || line.starts_with("[[looks");
        }
        !in_looks && !line.starts_with("join = ")
    };
    shipped.lines().filter(is_kept).flat_map(|line| [line, "\n"]).collect()
}

/// The shipped models of the first look, and a policy that asks for no other, copied by each test binary for itself.
fn first_look() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(concat!("first_look_", env!("CARGO_CRATE_NAME")));
        let _ = std::fs::remove_dir_all(&folder);
        for name in ["image_encoder", "ivory", "live_animal", "pangolin_scale", "rhino_horn", "text_classifier"] {
            copy_folder(&Path::new("models").join(name).join("1"), &folder.join(name).join("1"));
        }
        std::fs::write(folder.join("policy.toml"), one_look_policy()).unwrap();
        folder
    })
}

/// Settings of the shipped configuration on port 0, with the first look alone, and `flags` on top: most tests ask nothing of further
/// looks, whose models are large.
pub(crate) fn config(flags: &[Flag]) -> Config {
    let mut all: Vec<Flag> = vec![
        ("models", "directory", first_look().display().to_string()),
        ("models", "policy", first_look().join("policy.toml").display().to_string()),
    ];
    all.extend_from_slice(flags);
    every_look(&all)
}

/// Settings of the shipped configuration on port 0, with `flags` on top.
pub(crate) fn every_look(flags: &[Flag]) -> Config {
    let mut all: Vec<Flag> = vec![
        ("server", "listen", "127.0.0.1:0".into()),
        ("server", "admin_listen", "127.0.0.1:0".into()),
        ("log", "level", "error".into()),
        // Machines that run tests are slow and busy; what is refused when is tested where time is virtual.
        ("scheduler", "max_wait_ms", "10000".into()),
    ];
    all.extend_from_slice(flags);
    let library = std::env::vars().filter(|(name, _)| name == "ORT_DYLIB_PATH").collect::<HashMap<_, _>>();
    Config::from_parts(None, library, &all).unwrap()
}

/// A server with its models loaded.
pub(crate) async fn start(flags: &[Flag]) -> Server {
    let server = Server::bind(config(flags)).await.unwrap();
    server.load().await.unwrap();
    server
}

pub(crate) async fn channel(server: &Server) -> Channel {
    Channel::from_shared(format!("http://{}", server.address())).unwrap().connect().await.unwrap()
}

pub(crate) async fn client(server: &Server) -> Client {
    RiskServiceClient::new(channel(server).await).max_encoding_message_size(usize::MAX)
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new("tests/fixtures/images").join(name);
    std::fs::read(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

pub(crate) fn image(name: &str) -> Image {
    Image { image_id: name.to_owned(), content: fixture(name).into() }
}

pub(crate) fn listing(title: &str, images: &[&str]) -> ClassifyRequest {
    ClassifyRequest {
        title: title.into(),
        images: images.iter().map(|name| image(name)).collect(),
        ..Default::default()
    }
}

/// The rating of ivory, which every request here asks for.
pub(crate) fn ivory(response: &ClassifyResponse) -> &CategoryRating {
    response.categories.iter().find(|rating| rating.category == "ivory").unwrap()
}

/// The shipped models with the ivory head replaced by a fixture.
pub(crate) fn models_with_head(folder: &Path, fixture: &str) -> PathBuf {
    let models = folder.join("models");
    for name in ["image_encoder", "pangolin_scale", "rhino_horn", "text_classifier"] {
        copy_folder(&Path::new("models").join(name).join("1"), &models.join(name).join("1"));
    }
    write_head(&models.join("ivory").join("1"), fixture);
    models
}

/// A folder with a head made of a fixture.
pub(crate) fn write_head(folder: &Path, fixture: &str) {
    let onnx = std::fs::read(format!("tests/fixtures/models/{fixture}.onnx")).unwrap();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("model.onnx"), &onnx).unwrap();
    let sha256 = wildwarden_core::model::folder::manifest::hex_sha256(&onnx);
    let dimensions = if fixture == "narrow_head" { 64 } else { 1280 };
    let manifest = format!(
        r#"name = "ivory"
version = "1"
kind = "head"
file = "model.onnx"
inputs = [{{ name = "embedding", dtype = "float32", shape = [-1, {dimensions}] }}]
outputs = [{{ name = "logits", dtype = "float32", shape = [-1, 1] }}]
labels = [{{ name = "ivory", category = "ivory" }}]
[files]
"model.onnx" = "{sha256}"
[card]
summary = "A head that misbehaves."
licence = "Apache-2.0"
"#
    );
    std::fs::write(folder.join("model.toml"), manifest).unwrap();
}

/// A folder with a classifier of ivory that takes the image itself; its logit is the mean of the normalised bytes.
pub(crate) fn write_classifier(folder: &Path) {
    write_classifier_of(folder, "classifier");
}

/// As [`write_classifier`], of another fixture that takes what it takes.
pub(crate) fn write_classifier_of(folder: &Path, fixture: &str) {
    let onnx = std::fs::read(format!("tests/fixtures/models/{fixture}.onnx")).unwrap();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("model.onnx"), &onnx).unwrap();
    let sha256 = wildwarden_core::model::folder::manifest::hex_sha256(&onnx);
    let manifest = format!(
        r#"name = "brightness"
version = "1"
kind = "image_classifier"
file = "model.onnx"
inputs = [{{ name = "image", dtype = "float32", shape = [-1, 3, 16, 16] }}]
outputs = [{{ name = "logits", dtype = "float32", shape = [-1, 1] }}]
image = {{ width = 16, height = 16, resize = "stretch", mean = [127.0, 127.0, 127.0], std = [32.0, 32.0, 32.0] }}
labels = [{{ name = "ivory", category = "ivory" }}]
[files]
"model.onnx" = "{sha256}"
[card]
summary = "Says how bright an image is."
licence = "Apache-2.0"
"#
    );
    std::fs::write(folder.join("model.toml"), manifest).unwrap();
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// The operators' page, fetched with a plain HTTP/1.1 request.
pub(crate) async fn metrics(server: &Server) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server.admin_address().unwrap()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}
