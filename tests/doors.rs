//! Who is let in, on a running server: every method, by every role, with no, a wrong, an expired and the right key or certificate, over
//! plain text, TLS and TLS with certificates of callers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{config, listing};
use http::uri::PathAndQuery;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;
use wildwarden_core::config::{Config, Flag, Role};
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_proto::v1::risk_service_client::RiskServiceClient;
use wildwarden_server::server::Server;
use wildwarden_server::transport::methods::{Access, METHODS};

const ROLES: [(&str, Role); 5] = [
    ("classify", Role::Classify),
    ("info", Role::Info),
    ("infer", Role::Infer),
    ("metrics", Role::Metrics),
    ("admin", Role::Admin),
];

/// Certificates in files: of an authority, of the server by it, and of a caller by it.
struct Papers {
    folder: TempDir,
    caller_sha256: String,
}

impl Papers {
    fn new() -> Self {
        let papers = Self { folder: tempfile::tempdir().unwrap(), caller_sha256: String::new() };
        let caller_sha256 = papers.issue();
        Self { caller_sha256, ..papers }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Writes new ones; gives the hash of the caller's.
    fn issue(&self) -> String {
        let write = |name: &str, text: String| std::fs::write(self.path(name), text).unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        write("ca.pem", authority.self_signed(&key).unwrap().pem());
        let issuer = Issuer::new(authority, key);
        let mut caller = String::new();
        for (name, subject) in [("server", "localhost"), ("caller", "a caller")] {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec![subject.replace(' ', "-")]).unwrap().signed_by(&key, &issuer);
            let certificate = certificate.unwrap();
            write(&format!("{name}.pem"), certificate.pem());
            write(&format!("{name}.key"), key.serialize_pem());
            caller = hex_sha256(certificate.der());
        }
        caller
    }

    fn flags(&self, with_callers: bool) -> Vec<Flag> {
        let path = |name: &str| self.path(name).display().to_string();
        let mut flags: Vec<Flag> = vec![("tls", "certificate", path("server.pem")), ("tls", "key", path("server.key"))];
        if with_callers {
            flags.push(("tls", "client_ca", path("ca.pem")));
        }
        flags
    }

    async fn channel(&self, server: &Server, tls: bool, shows: bool) -> Result<Channel, tonic::transport::Error> {
        let scheme = if tls { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", server.address())).unwrap();
        if tls {
            let mut with = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.read("ca.pem")));
            if shows {
                with = with.identity(Identity::from_pem(self.read("caller.pem"), self.read("caller.key")));
            }
            endpoint = endpoint.tls_config(with.domain_name("localhost")).unwrap();
        }
        endpoint.connect().await
    }
}

async fn code(channel: &Channel, service: &str, method: &str, key: Option<&str>) -> Code {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let mut request = Request::new(());
    key.into_iter().for_each(|key| drop(request.metadata_mut().insert("authorization", key.parse().unwrap())));
    request.set_timeout(Duration::from_secs(5));
    let path: PathAndQuery = format!("/{service}/{method}").parse().unwrap();
    // Its beginning says enough: some answers never end.
    let answer = grpc.server_streaming::<(), (), _>(request, path, ProstCodec::default()).await;
    answer.err().map_or(Code::Ok, |status| status.code())
}

/// What the table of methods says.
fn expected(access: Access, holds: Option<Role>, known: bool) -> Option<Code> {
    let wanted = match access {
        Access::Open(_) => return None,
        Access::Holder(role) => role,
        Access::Operator => Role::Admin,
    };
    match holds {
        _ if !known => Some(Code::Unauthenticated),
        Some(role) if role == wanted => None,
        _ => Some(Code::PermissionDenied),
    }
}

#[tokio::test]
async fn every_method_lets_in_who_may_call_it_whatever_the_door() {
    let papers = Papers::new();
    let hash = |text: &str| hex_sha256(text.as_bytes());
    for (name, role) in ROLES {
        let keys = format!(
            "[{{ name = \"right\", sha256 = \"{}\", roles = [\"{name}\"] }}, {{ name = \"old\", sha256 = \"{}\", roles = [\"{name}\"], \
             expires = 2020-01-01 }}, {{ name = \"shown\", certificate_sha256 = \"{}\", roles = [\"{name}\"] }}]",
            hash("right"),
            hash("old"),
            papers.caller_sha256
        );
        for (tls, with_callers) in [(false, false), (true, false), (true, true)] {
            let mut flags = if tls { papers.flags(with_callers) } else { Vec::new() };
            flags.push(("auth", "keys", keys.clone()));
            let server = Server::bind(config(&flags)).await.unwrap();
            let plain = papers.channel(&server, tls, false).await.unwrap();
            for (service, method, access) in METHODS {
                // Those of operators are on their own listener; this one knows who may call them, and does not serve them.
                for (key, known) in [
                    (None, false),
                    (Some("Bearer wrong"), false),
                    (Some("Bearer old"), false),
                    (Some("right"), false),
                    (Some("Bearer right"), true),
                    (Some("bearer right"), true),
                ] {
                    let found = code(&plain, service, method, key).await;
                    match expected(*access, Some(role), known) {
                        Some(refused) => assert_eq!(found, refused, "{method} {name} {key:?} {tls}"),
                        None => assert!(
                            ![Code::Unauthenticated, Code::PermissionDenied].contains(&found),
                            "{method} {name} {key:?} {tls}: {found:?}"
                        ),
                    }
                }
            }
            if with_callers {
                let shown = papers.channel(&server, true, true).await.unwrap();
                for (service, method, access) in METHODS {
                    let found = code(&shown, service, method, None).await;
                    let refused = [Code::Unauthenticated, Code::PermissionDenied].contains(&found);
                    assert_eq!(refused, expected(*access, Some(role), true).is_some(), "{method} {name}: {found:?}");
                    assert_eq!(
                        code(&shown, service, method, Some("Bearer wrong")).await == Code::Unauthenticated,
                        !matches!(access, Access::Open(_))
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn who_shows_no_certificate_is_not_let_in_where_one_is_needed_and_plain_text_is_not_answered() {
    let papers = Papers::new();
    let mut flags = papers.flags(true);
    flags.push(("tls", "client_required", "true".into()));
    let server = Server::bind(config(&flags)).await.unwrap();
    server.load().await.unwrap();
    let rates = |channel: Channel| async move { RiskServiceClient::new(channel).classify(listing("象牙", &[])).await };
    assert!(rates(papers.channel(&server, true, true).await.unwrap()).await.is_ok());
    // The handshake may seem done before the server has refused it.
    let nobody = match papers.channel(&server, true, false).await {
        Ok(channel) => rates(channel).await.is_ok(),
        Err(_) => false,
    };
    assert!(!nobody);
    let plain = match papers.channel(&server, false, false).await {
        Ok(channel) => rates(channel).await.is_ok(),
        Err(_) => false,
    };
    assert!(!plain);
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_over_and_a_broken_one_is_not() {
    let papers = Papers::new();
    let server = Server::bind(config(&papers.flags(false))).await.unwrap();
    server.load().await.unwrap();
    let works = || async { papers.channel(&server, true, false).await.is_ok() };
    assert!(works().await);
    let old = papers.read("server.pem");
    std::fs::write(papers.path("server.pem"), "no certificate").unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(works().await, "the old one serves on");
    std::fs::write(papers.path("server.pem"), old).unwrap();
    // To open a pipe would wait for ever.
    std::fs::remove_file(papers.path("server.key")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(papers.path("server.key")).status().unwrap().success());
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(works().await, "the old one serves on");
    std::fs::remove_file(papers.path("server.key")).unwrap();
    papers.issue();
    // Whoever trusts the new authority alone is let in once the new certificate is there.
    let renewed = async {
        while !works().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), renewed).await.unwrap();
}

#[test]
fn plain_text_and_operators_without_a_key_stay_on_this_machine() {
    let load = |flags: &[Flag]| Config::from_parts(None, std::collections::HashMap::default(), flags);
    let everywhere: Flag = ("server", "listen", "0.0.0.0:0".into());
    let operators: Flag = ("server", "admin_listen", "0.0.0.0:0".into());
    let allowed: Flag = ("server", "plaintext", "true".into());
    let problem = load(std::slice::from_ref(&everywhere)).unwrap_err().to_string();
    assert!(problem.contains("server.listen") && problem.contains("server.plaintext"), "{problem}");
    assert!(load(&[everywhere, allowed.clone()]).is_ok());
    let problem = load(&[operators.clone(), allowed.clone()]).unwrap_err().to_string();
    assert!(problem.contains("server.admin_listen") && problem.contains("auth.keys"), "{problem}");
    let key = format!("[{{ name = \"a\", sha256 = \"{}\", roles = [\"admin\"] }}]", hex_sha256(b"a"));
    let console: Flag = ("server", "console_listen", "0.0.0.0:0".into());
    let problem = load(&[console.clone(), allowed.clone()]).unwrap_err().to_string();
    assert!(problem.contains("server.console_listen") && problem.contains("auth.keys"), "{problem}");
    assert!(load(&[operators, console, allowed, ("auth", "keys", key)]).is_ok());
    let problem = load(&[("server", "console_names", "[\"console.example:443\"]".into())]).unwrap_err().to_string();
    assert!(problem.contains("server.console_names") && problem.contains("console.example:443"), "{problem}");
    for (flags, said) in [
        (vec![("tls", "certificate", "a.pem".to_owned())], "both"),
        (vec![("tls", "client_required", "true".to_owned())], "both"),
        (vec![("auth", "keys", "[{ name = \"a\", roles = [\"info\"] }]".to_owned())], "certificate_sha256"),
        (
            vec![(
                "auth",
                "keys",
                format!(
                    "[{{ name = \"a\", sha256 = \"{}\", roles = [\"info\"], expires = 10:00:00 }}]",
                    hex_sha256(b"a")
                ),
            )],
            "expires",
        ),
    ] {
        let problem = load(&flags).unwrap_err().to_string();
        assert!(problem.contains(said), "{problem}");
    }
    let missing = Path::new("nowhere.pem").display().to_string();
    let flags = vec![("tls", "certificate", missing.clone()), ("tls", "key", missing)];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let problem = runtime.block_on(Server::bind(config(&flags))).unwrap_err().to_string();
    assert!(problem.contains("nowhere.pem"), "{problem}");
}

/// What the operators' listener says to a plain HTTP/1.1 request with that key.
async fn page(server: &Server, key: Option<&str>) -> String {
    let mut stream = TcpStream::connect(server.admin_address().unwrap()).await.unwrap();
    let key = key.map_or_else(String::new, |key| format!("Authorization: Bearer {key}\r\n"));
    let asked = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{key}Connection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

#[tokio::test]
async fn metrics_need_a_key_of_theirs_where_there_are_keys_and_what_is_open_is_a_setting() {
    let key = |name: &str| {
        format!("{{ name = \"{name}\", sha256 = \"{}\", roles = [\"{name}\"] }}", hex_sha256(name.as_bytes()))
    };
    let keys = format!("[{}, {}, {}]", key("metrics"), key("admin"), key("info"));
    let flags: [Flag; 2] = [("auth", "keys", keys), ("auth", "openly", "[\"health\"]".into())];
    let server = Server::bind(config(&flags)).await.unwrap();
    for (key, said) in [
        (None, "HTTP/1.1 401"),
        (Some("wrong"), "HTTP/1.1 401"),
        (Some("info"), "HTTP/1.1 403"),
        (Some("metrics"), "HTTP/1.1 200"),
        (Some("admin"), "HTTP/1.1 200"),
    ] {
        let page = page(&server, key).await;
        assert!(page.starts_with(said), "{key:?}: {page}");
        assert_eq!(page.contains("wildwarden_requests"), said.ends_with("200"), "{key:?}: {page}");
    }
    let plain = common::channel(&server).await;
    let of = |service, method, key| code(&plain, service, method, key);
    assert_eq!(of("grpc.health.v1.Health", "Check", None).await, Code::Ok);
    let reflection = "grpc.reflection.v1.ServerReflection";
    assert_eq!(of(reflection, "ServerReflectionInfo", None).await, Code::Unauthenticated);
    assert_eq!(of(reflection, "ServerReflectionInfo", Some("Bearer info")).await, Code::Ok);
}

#[tokio::test]
async fn a_sidecar_comes_in_by_a_socket_in_the_file_system_and_the_drain_finishes_what_it_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sock");
    let server = common::start(&[("server", "unix_socket", path.display().to_string())]).await;
    let channel = Endpoint::from_shared(format!("unix://{}", path.display())).unwrap().connect().await.unwrap();
    let mut client = RiskServiceClient::new(channel);
    let rating = client.classify(listing("象牙手串", &["rendered/bangle.jpg"])).await.unwrap().into_inner();
    assert!(!rating.categories.is_empty());
    let late = tokio::spawn(async move { client.classify(listing("象牙手串", &["rendered/bangle.jpg"])).await });
    let drained = tokio::time::timeout(Duration::from_secs(30), server.drain()).await.unwrap().unwrap();
    assert!(drained);
    // Let in before the drain it is finished, after it refused; never cut off.
    let late = late.await.unwrap();
    assert!(late.as_ref().err().is_none_or(|status| status.code() == Code::Unavailable), "{late:?}");
    assert!(!path.exists(), "the socket goes with its server");
}
