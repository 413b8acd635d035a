//! The program with a standard error that takes nothing: calls are answered, and it ends when it is told to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::listing;
use common::oip::{bytes, embeddings, input, request};
use tonic::transport::{Channel, Endpoint};
use wildwarden_proto::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use wildwarden_proto::v1::risk_service_client::RiskServiceClient;

/// Patience with a server that starts or answers; a test that waits so long fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server whose address is not read from its log. Killed when dropped, in case a test fails.
struct Process {
    child: Child,
    public: SocketAddr,
    admin: SocketAddr,
}

/// A port that was free a moment ago, from the system, which does not give it again at once.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Process {
    fn start(stderr: impl Into<Stdio>) -> Self {
        Self::with_models(Path::new("models"), stderr)
    }

    fn with_models(models: &Path, stderr: impl Into<Stdio>) -> Self {
        let (public, admin) = (free(), free());
        let addresses = [public, admin].map(|address| address.to_string());
        let [listen, admin_listen] = &addresses;
        let child = Command::new(env!("CARGO_BIN_EXE_wildwarden"))
            .args(["serve", "--listen", listen, "--admin-listen", admin_listen])
            .arg("--models")
            .arg(models)
            .env("WILDWARDEN_LOG_LEVEL", "trace")
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self { child, public, admin }
    }

    /// A connection to the server once it answers.
    async fn ready(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.public)).unwrap();
        let work = async {
            let channel = loop {
                match endpoint.connect().await {
                    Ok(channel) => break channel,
                    Err(_not_yet) => tokio::task::yield_now().await,
                }
            };
            let mut client = RiskServiceClient::new(channel.clone());
            while let Err(refused) = client.classify(listing("手串", &[])).await {
                assert_eq!(refused.code(), tonic::Code::Unavailable, "the models load: {refused:?}");
            }
            channel
        };
        tokio::time::timeout(PATIENCE, work).await.expect("the server does not answer")
    }

    /// Rates listings until log lines were lost, and that is on the operators' page.
    async fn rate_until_lines_are_lost(&self) {
        let mut client = RiskServiceClient::new(self.ready().await);
        let work = async {
            loop {
                client.classify(listing("手串", &[])).await.unwrap();
                if self.lost() > 0 {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, work).await.expect("the server neither answers nor loses lines")
    }

    /// The count of lines that were dropped, from the operators' page.
    fn lost(&self) -> u64 {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let line = page.lines().find(|line| line.starts_with("wildwarden_log_lines_dropped_total ")).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn ends_when_told(mut self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let (ended, end) = std::sync::mpsc::channel();
        let pid = self.child.id();
        let wait = move || ended.send(self.child.wait().map(|status| (status.code(), self)));
        std::thread::Builder::new().spawn(wait).unwrap();
        let Ok(status) = end.recv_timeout(PATIENCE) else {
            Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
            panic!("SIGTERM did not end it");
        };
        assert_eq!(status.unwrap().0, Some(0));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_reader_has_gone_stops_nothing_and_lost_lines_are_counted() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let server = Process::start(writer);
    server.rate_until_lines_are_lost().await;
    server.ends_when_told();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_on_a_full_disk_stops_nothing_and_lost_lines_are_counted() {
    let server = Process::start(std::fs::File::options().write(true).open("/dev/full").unwrap());
    server.rate_until_lines_are_lost().await;
    server.ends_when_told();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_nothing_and_what_could_be_written_is_there() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let server = Process::start(writer);
    server.rate_until_lines_are_lost().await;
    server.ends_when_told();
    let mut written = String::new();
    reader.read_to_string(&mut written).unwrap();
    assert!(written.lines().any(|line| line.contains(" TRACE ")), "{written}");
}

/// ONNX Runtime's own way is to print, and so to wait for the reader.
#[tokio::test(flavor = "multi_thread")]
async fn what_onnx_runtime_complains_of_is_a_line_of_the_log_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let server = Process::with_models(
        &common::models_with_head(folder.path(), "failing_head"),
        std::fs::File::create(&log).unwrap(),
    );
    let mut models = GrpcInferenceServiceClient::new(server.ready().await);
    let mut values = embeddings(1);
    if let Some(first) = values.first_mut() {
        *first = 1000.0;
    }
    let broken = request("ivory", vec![input("embedding", "FP32", &[1, 1280])], vec![bytes(&values)]);
    models.model_infer(broken).await.expect_err("the head fails on this value");
    server.ends_when_told();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("ERROR ") && log.contains("Non-zero status code") && !log.contains("[E:onnxruntime"));
}
