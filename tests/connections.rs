//! Who sends slowly, sends too much, takes nothing or says nothing, on a running server: cut off, told why, and no trouble to others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use common::{client, listing, start};
use http_body::{Body, Frame};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::{Code, Status};
use wildwarden_proto::v1::{ClassifyRequest, Image};
use wildwarden_server::server::Server;

/// Gives its parts, and then nothing, for ever.
struct Unfinished(VecDeque<Bytes>);

impl Body for Unfinished {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.pop_front().map_or(Poll::Pending, |part| Poll::Ready(Some(Ok(Frame::data(part)))))
    }
}

/// The first `sent` bytes of a message that says it has `declared`.
fn unfinished(declared: u32, sent: usize) -> Unfinished {
    let prefix = [&[0][..], &declared.to_be_bytes()].concat();
    let parts = std::iter::repeat_n(Bytes::from(vec![7; 1 << 16]), sent >> 16);
    Unfinished(std::iter::once(Bytes::from(prefix)).chain(parts).collect())
}

fn call(server: &Server, body: Unfinished) -> impl Future<Output = Status> + Send + use<> {
    let uri = format!("http://{}/wildwarden.v1.RiskService/Classify", server.address());
    answer(uri, body)
}

async fn answer(uri: String, body: Unfinished) -> Status {
    let client = HyperClient::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = http::Request::post(uri).header("content-type", "application/grpc").body(body).unwrap();
    let response = client.request(request).await.unwrap();
    Status::from_header_map(response.headers()).expect("an answer that is nothing but a status")
}

fn seconds(keys: &[(&'static str, &'static str)]) -> Vec<wildwarden_core::config::Flag> {
    keys.iter().map(|(key, value)| ("server", *key, (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_message_that_stalls_is_given_up_and_the_sender_told_why() {
    let server = start(&seconds(&[("stall_seconds", "1")])).await;
    let status = timeout(Duration::from_secs(20), call(&server, unfinished(1_000_000, 200_000))).await.unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("server.stall_seconds"), "{status:?}");
    assert!(client(&server).await.classify(listing("象牙", &[])).await.is_ok());
}

#[tokio::test]
async fn large_messages_that_never_end_give_way_to_small_ones() {
    let limits = [("max_message_bytes", "20000000"), ("max_bytes_in_flight", "30000000")];
    let limits: Vec<_> = limits.iter().map(|(key, value)| ("limits", *key, (*value).to_owned())).collect();
    let server = start(&limits).await;
    // Each holds 13 MB: two fit, the third ends one of them.
    let uploads = (0..3).map(|_| timeout(Duration::from_secs(4), call(&server, unfinished(19_000_000, 13_000_000))));
    let mut refused = 0;
    for outcome in futures(uploads).await {
        let Ok(status) = outcome else { continue };
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("limits.max_bytes_in_flight"), "{status:?}");
        refused += 1;
    }
    assert_eq!(refused, 1, "of three that never end one has no room");
    assert!(client(&server).await.classify(listing("", &["tusk.jpg"])).await.is_ok());
}

/// All of them at once.
async fn futures<F: Future<Output = T> + Send + 'static, T: Send + 'static>(all: impl Iterator<Item = F>) -> Vec<T> {
    let running: Vec<_> = all.map(tokio::spawn).collect();
    let mut done = Vec::new();
    for one in running {
        done.push(one.await.unwrap());
    }
    done
}

#[tokio::test]
async fn a_small_message_of_very_many_entries_is_refused_before_it_is_made_large() {
    let server = start(&[]).await;
    let request = ClassifyRequest { images: vec![Image::default(); 300_000], ..Default::default() };
    assert!(request.encoded_len() < 1_000_000);
    let status = client(&server).await.classify(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("fields and entries"), "{status:?}");
}

/// Whether the server closes the connection within so many seconds.
async fn is_closed(stream: &mut TcpStream, seconds: u64) -> bool {
    let mut buffer = [0; 4096];
    let until_closed = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    timeout(Duration::from_secs(seconds), until_closed).await.is_ok()
}

#[tokio::test]
async fn who_says_nothing_and_who_never_calls_is_cut_off() {
    let server = start(&seconds(&[("first_call_seconds", "1")])).await;
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    let mut polite = TcpStream::connect(server.address()).await.unwrap();
    // A preface and empty settings: HTTP/2, and then no call.
    polite.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut header = TcpStream::connect(server.address()).await.unwrap();
    // Headers that are never ended, on stream 1.
    header
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x83")
        .await
        .unwrap();
    for stream in [&mut silent, &mut polite, &mut header] {
        assert!(is_closed(stream, 10).await);
    }
}

#[tokio::test]
async fn where_all_places_are_taken_the_idlest_connection_gives_way_and_a_caller_that_works_keeps_its_own() {
    let server = start(&seconds(&[("max_connections", "3")])).await;
    let mut working = client(&server).await;
    assert!(working.classify(listing("象牙", &[])).await.is_ok());
    let mut idle = Vec::new();
    for _ in 0..6 {
        idle.push(TcpStream::connect(server.address()).await.unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(working.classify(listing("象牙", &[])).await.is_ok());
    }
    assert!(is_closed(&mut idle[0], 5).await, "the one that was idle for longest");
    assert!(!is_closed(&mut idle[5], 1).await, "the last one has its place");
}

#[tokio::test]
async fn a_caller_has_so_many_calls_at_once_and_is_told() {
    let server = start(&seconds(&[("max_calls_of_a_caller", "2")])).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        // A stream that ends when its sender is dropped.
        let (sender, listings) = tokio::sync::mpsc::channel(1);
        let listings = tokio_stream::wrappers::ReceiverStream::new(listings);
        held.push((sender, client(&server).await.classify_stream(listings).await.unwrap()));
    }
    let refused = client(&server).await.classify(listing("象牙", &[])).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("server.max_calls_of_a_caller"), "{refused:?}");
    held.pop();
    let let_in = async {
        while client(&server).await.classify(listing("象牙", &[])).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), let_in).await.unwrap();
}

#[tokio::test]
async fn what_is_no_call_reaches_no_method_whatever_its_verb() {
    let key = wildwarden_core::model::folder::manifest::hex_sha256(b"a");
    let keys = format!("[{{ name = \"a\", sha256 = \"{key}\", roles = [\"classify\"] }}]");
    let server = start(&[("auth", "keys", keys)]).await;
    let client = HyperClient::builder(TokioExecutor::new()).http2_only(true).build_http();
    let admin = server.admin_address().unwrap();
    for (address, path) in [
        (server.address(), "/wildwarden.v1.RiskService/Classify"),
        (server.address(), "/inference.GRPCInferenceService/RepositoryModelLoad"),
        (admin, "/wildwarden.v1.ModelService/Reload"),
    ] {
        for verb in ["GET", "PUT", "OPTIONS", "POST", "DELETE"] {
            for kind in ["text/plain", "application/grpc"] {
                let message = tonic::body::Body::empty();
                let request = http::Request::builder().method(verb).uri(format!("http://{address}{path}"));
                let answer = client.request(request.header("content-type", kind).body(message).unwrap()).await.unwrap();
                let status = Status::from_header_map(answer.headers());
                let refused = match kind {
                    "text/plain" => answer.status() == http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    _ => status.is_some_and(|status| status.code() == Code::Unauthenticated),
                };
                assert!(refused, "{verb} {path} {kind}: {answer:?}");
            }
        }
    }
    let page = http::Request::get(format!("http://{admin}/metrics")).body(tonic::body::Body::empty()).unwrap();
    assert_eq!(client.request(page).await.unwrap().status(), http::StatusCode::UNAUTHORIZED);
    // What is gRPC by its media type alone comes to no page and no resource past the keys.
    for (address, path) in
        [(admin, "/metrics"), (server.address(), "/v1/listings:rate"), (server.address(), "/v1/server")]
    {
        for verb in ["GET", "POST"] {
            let request = http::Request::builder().method(verb).uri(format!("http://{address}{path}"));
            let request = request.header("content-type", "application/grpc").body(tonic::body::Body::empty()).unwrap();
            let answer = client.request(request).await.unwrap();
            let status = Status::from_header_map(answer.headers()).unwrap();
            assert_eq!(status.code(), Code::Unimplemented, "{verb} {path}");
        }
    }
}

#[tokio::test]
async fn watching_health_keeps_no_place_from_those_who_work() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    let server = start(&seconds(&[("max_connections", "3")])).await;
    let mut watches = Vec::new();
    for _ in 0..3 {
        let channel = common::channel(&server).await;
        let watch = HealthClient::new(channel).watch(HealthCheckRequest::default()).await.unwrap();
        watches.push(watch);
    }
    let mut working = client(&server).await;
    assert!(working.classify(listing("象牙", &[])).await.is_ok());
    let begun = tokio::time::Instant::now();
    drop(working);
    server.drain().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(12), "watches hold no drain of 20 s: {:?}", begun.elapsed());
}
