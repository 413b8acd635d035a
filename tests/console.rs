//! The console's listener: its page, what it may ask, and who may ask it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use common::start;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wildwarden_core::config::Flag;
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_server::server::Server;

async fn with_console(more: &[Flag]) -> Server {
    let mut flags: Vec<Flag> = vec![("server", "console_listen", "127.0.0.1:0".into())];
    flags.extend_from_slice(more);
    start(&flags).await
}

/// Status, head in lower case, and body of the answer to a request with these further headers.
async fn ask(server: &Server, begin: &str, headers: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(server.console_address().unwrap()).await.unwrap();
    let host = if headers.contains("Host: ") { "" } else { "Host: 127.0.0.1\r\n" };
    let length = body.len();
    let asked =
        format!("{begin} HTTP/1.1\r\n{host}{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere_and_answers_to_its_own_names_only() {
    let server = with_console(&[("server", "console_names", "[\"console.example\"]".into())]).await;
    for path in ["/", "/console.js", "/console.css", "/texts.zh.json"] {
        let (status, head, body) = ask(&server, &format!("GET {path}"), "", "").await;
        assert!(status == 200 && !body.is_empty(), "{path}: {head}");
        assert!(head.contains("content-security-policy: default-src 'none'"), "{path}: {head}");
        assert!(head.contains("x-content-type-options: nosniff"), "{path}: {head}");
    }
    assert_eq!(ask(&server, "GET /", "Host: console.example\r\n", "").await.0, 200);
    for host in ["rebound.example", "console.example.org"] {
        assert_eq!(ask(&server, "GET /v1/server", &format!("Host: {host}\r\n"), "").await.0, 421, "{host}");
    }
    assert_eq!(ask(&server, "GET /elsewhere.js", "", "").await.0, 404);
    // What a browser says of a page from elsewhere that asks, and of a link that is followed.
    let foreign = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: ";
    assert_eq!(ask(&server, "GET /v1/server", &format!("{foreign}no-cors\r\n"), "").await.0, 403);
    assert_eq!(ask(&server, "GET /", &format!("{foreign}navigate\r\n"), "").await.0, 200);
}

#[tokio::test]
async fn it_rates_and_shows_what_serves_and_rolls_back_for_an_admin_alone() {
    let server = with_console(&[]).await;
    let json = "Content-Type: application/json\r\n";
    let (status, _, rating) = ask(&server, "POST /v1/listings:rate", json, "{\"title\": \"象牙手串\"}").await;
    let rating: Value = serde_json::from_str(&rating).unwrap();
    assert!(status == 200 && rating["risk"].as_f64().unwrap() > 0.0, "{rating}");
    let (status, _, models) = ask(&server, "GET /v1/models", "", "").await;
    assert!(status == 200 && models.contains("image_encoder"), "{models}");
    assert!(ask(&server, "GET /metrics", "", "").await.2.contains("wildwarden_requests_total"));
    // Without keys nobody is an admin, and what is no JSON may be another page's.
    assert_eq!(ask(&server, "POST /v1/models:rollback", json, "{}").await.0, 403);

    let key = |name: &str| {
        format!("{{ name = \"{name}\", sha256 = \"{}\", roles = [\"{name}\"] }}", hex_sha256(name.as_bytes()))
    };
    let server = with_console(&[("auth", "keys", format!("[{}, {}]", key("admin"), key("classify")))]).await;
    assert_eq!(ask(&server, "GET /", "", "").await.0, 200, "the page itself is no secret");
    for (begin, sent, status) in [
        ("GET /v1/models", "", 401),
        ("GET /v1/models", "classify", 403),
        ("GET /v1/models", "admin", 200),
        ("GET /metrics", "classify", 403),
        ("POST /v1/models:rollback", "classify", 403),
        // There is nothing to return to.
        ("POST /v1/models:rollback", "admin", 400),
    ] {
        let key = if sent.is_empty() { String::new() } else { format!("Authorization: Bearer {sent}\r\n") };
        let (found, _, said) = ask(&server, begin, &format!("{json}{key}"), "{}").await;
        assert_eq!(found, status, "{begin} {sent}: {said}");
    }
    let simple = ask(&server, "POST /v1/models:rollback", "Authorization: Bearer admin\r\n", "").await;
    assert_eq!(simple.0, 415, "{simple:?}");
}
