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
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;
use wildwarden_core::config::{Config, Flag, Role};
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_proto::v1::risk_service_client::RiskServiceClient;
use wildwarden_server::server::Server;
use wildwarden_server::transport::methods::{Access, METHODS};

const ROLES: [(&str, Role); 4] =
    [("classify", Role::Classify), ("info", Role::Info), ("infer", Role::Infer), ("admin", Role::Admin)];

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
        Access::Open => return None,
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
                        *access != Access::Open
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
    assert!(load(&[operators, allowed, ("auth", "keys", key)]).is_ok());
    for (flags, said) in [
        (vec![("tls", "certificate", "a.pem".to_owned())], "both"),
        (vec![("tls", "client_required", "true".to_owned())], "both"),
        (vec![("auth", "keys", "[{ name = \"a\", roles = [] }]".to_owned())], "certificate_sha256"),
        (
            vec![(
                "auth",
                "keys",
                format!("[{{ name = \"a\", sha256 = \"{}\", roles = [], expires = 10:00:00 }}]", hex_sha256(b"a")),
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
