//! The same calls over HTTP: JSON and forms, refusals, keys, on a real server with real models.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use common::{client, fixture, listing, start};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_server::server::Server;

const OFFER: &str = "老象牙手串 包浆好 私聊";

/// What came back over HTTP/1.1.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|cause| panic!("{cause}: {self:?}"))
    }
}

async fn ask(server: &Server, begin: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let length = body.len();
    let head = format!(
        "{begin} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses before it reads may have closed its side.
    let _ = stream.write_all(body).await;
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    let said = String::from_utf8(said).unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {said:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

async fn rate(server: &Server, headers: &str, listing: &Value) -> Answer {
    let headers = format!("Content-Type: application/json; charset=utf-8\r\n{headers}");
    ask(server, "POST /v1/listings:rate", &headers, listing.to_string().as_bytes()).await
}

fn photo(name: &str) -> Value {
    json!({ "imageId": name, "content": BASE64_STANDARD.encode(fixture(name)) })
}

/// What two ratings of one listing have in common.
fn lasting(mut rating: Value) -> Value {
    for passing in ["requestId", "timings", "ratedAt"] {
        rating.as_object_mut().unwrap().remove(passing);
    }
    for image in rating["images"].as_array_mut().unwrap() {
        image.as_object_mut().unwrap().remove("cached");
    }
    rating
}

#[tokio::test]
async fn a_listing_is_rated_as_over_grpc_whether_in_json_or_as_a_form() {
    let server = start(&[]).await;
    let over_grpc = client(&server).await.classify(listing(OFFER, &["tusk.jpg"])).await.unwrap().into_inner();
    let asked =
        json!({ "listingId": "42", "title": OFFER, "images": [photo("tusk.jpg")], "options": { "explainText": true } });
    let in_json = rate(&server, "", &asked).await;
    assert_eq!(in_json.status, 200, "{in_json:?}");
    assert!(in_json.head.contains("content-type: application/json"), "{}", in_json.head);
    let rating = in_json.json();
    assert_eq!((rating["listingId"].as_str(), rating["risk"].as_f64()), (Some("42"), Some(over_grpc.risk)));
    assert_eq!(rating["level"], over_grpc.level().as_str_name());
    assert!(rating["timings"]["totalUs"].is_string(), "64-bit numbers are strings: {rating}");
    assert!(rating["images"][0]["status"] == "IMAGE_STATUS_OK" && rating["degraded"] == false, "{rating}");

    let part =
        |name: &str, more: &str| format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n");
    let mut form: Vec<u8> = Vec::new();
    for (name, text) in [("listing_id", "42"), ("title", OFFER), ("options", "{\"explainText\": true}")] {
        form.extend(format!("{}{text}\r\n", part(name, "")).bytes());
    }
    form.extend(part("images", "; filename=\"tusk.jpg\"").bytes());
    form.extend(fixture("tusk.jpg"));
    form.extend(b"\r\n--limit--\r\n");
    let as_form =
        ask(&server, "POST /v1/listings:rate", "Content-Type: multipart/form-data; boundary=limit\r\n", &form).await;
    assert_eq!(as_form.status, 200, "{as_form:?}");
    assert_eq!(lasting(as_form.json()), lasting(rating));
}

#[tokio::test]
async fn of_a_batch_each_listing_has_its_answer_or_its_error() {
    let server = start(&[]).await;
    let (offer, dress) = (json!({ "requestId": "a", "title": OFFER }), json!({ "requestId": "c", "title": "连衣裙" }));
    let asked = json!({ "items": [offer, { "requestId": "b" }, dress] });
    let answer =
        ask(&server, "POST /v1/listings:batch", "Content-Type: application/json\r\n", asked.to_string().as_bytes())
            .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.iter().map(|result| result["requestId"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(results[0]["response"]["risk"].as_f64() > results[2]["response"]["risk"].as_f64(), "{answer}");
    assert_eq!(results[1]["error"]["field"], "images", "{answer}");
}

#[tokio::test]
async fn what_is_refused_says_so_in_problem_details() {
    let server = start(&[("limits", "max_images", "2".into()), ("limits", "max_message_bytes", "400000".into())]).await;
    let many = json!({ "images": vec![photo("tiny.png"); 3] });
    let wide = json!({ "title": "x".repeat(700_000) });
    for (asked, status, field, named) in [
        (json!({}), 400, "images", "nothing to look at"),
        (many, 400, "images", "limits.max_images"),
        (json!({ "titel": "x" }), 400, "body", "titel"),
        (
            json!({ "options": { "categories": ["tiger_bone"] }, "title": "x" }),
            400,
            "options.categories[0]",
            "tiger_bone",
        ),
        (wide, 400, "body", "limits.max_message_bytes"),
    ] {
        let answer = rate(&server, "", &asked).await;
        let problem = answer.json();
        assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
        assert_eq!((answer.status, problem["field"].as_str()), (status, Some(field)), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(named) && problem["status"] == status, "{problem}");
        assert_eq!((&problem["code"], &problem["reason"]), (&json!("INVALID_ARGUMENT"), &json!("FIELD_INVALID")));
    }
    for (begin, headers, status) in [
        ("GET /v1/listings:rate", "", 405),
        ("POST /healthz", "", 405),
        ("POST /v1/listings:rate", "Content-Type: text/plain\r\n", 415),
        ("POST /v1/listings:batch", "Content-Type: multipart/form-data; boundary=x\r\n", 415),
        ("GET /metrics", "", 404),
        ("GET /wildwarden.v1.RiskService/Classify", "", 415),
    ] {
        let answer = ask(&server, begin, headers, b"").await;
        assert_eq!(answer.status, status, "{begin}: {answer:?}");
    }
    for alive in ["GET /healthz", "HEAD /healthz"] {
        assert_eq!(ask(&server, alive, "", b"").await.status, 200, "{alive}");
    }
    let late = rate(&server, "x-timeout-ms: 0\r\n", &json!({ "title": OFFER })).await;
    assert!([429, 504].contains(&late.status), "{late:?}");
    let page = common::metrics(&server).await;
    assert!(
        page.contains("wildwarden_requests_total{rpc=\"Classify\",code=\"INVALID_ARGUMENT\",caller=\"none\"} 5"),
        "{page}"
    );
}

#[tokio::test]
async fn what_another_reader_would_read_otherwise_is_refused() {
    let server = start(&[("limits", "max_message_bytes", "400000".into())]).await;
    let (json, form) = ("Content-Type: application/json\r\n", "Content-Type: multipart/form-data; boundary=limit\r\n");
    let part = |name: &str, text: &str| format!("--limit\r\nContent-Disposition: form-data; {name}\r\n\r\n{text}\r\n");
    let (title, end) = (|text: &str| part("name=\"title\"", text), "--limit--\r\n");
    for (headers, body, named) in [
        (json, "{\"title\": \"ivory bangle\", \"title\": \"shirt\"}".to_owned(), "twice"),
        (form, title("ivory bangle") + &title("shirt") + end, "twice"),
        (form, part("filename=\"a\"", "x") + end, "no name"),
        // Photos in a form are no longer than over gRPC.
        (form, title(&"x".repeat(500_000)) + end, "limits.max_message_bytes"),
    ] {
        let answer = ask(&server, "POST /v1/listings:rate", headers, body.as_bytes()).await;
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && detail.contains(named), "{named}: {answer:?}");
    }
    let body = json!({ "title": OFFER }).to_string();
    for (headers, status) in [
        ("Content-Encoding: gzip\r\n", 415),
        ("Content-Encoding: identity\r\n", 200),
        ("x-timeout-ms: 5000\r\nx-timeout-ms: 1\r\n", 400),
        ("x-timeout-ms: +5000\r\n", 400),
        ("Origin: http://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
        ("Origin: http://localhost\r\n", 200),
        ("Origin: http://evil.example\r\nSec-Fetch-Site: same-origin\r\n", 200),
        ("Sec-Fetch-Site: cross-site\r\n", 403),
    ] {
        let answer = ask(&server, "POST /v1/listings:rate", &format!("{json}{headers}"), body.as_bytes()).await;
        assert_eq!(answer.status, status, "{headers}: {answer:?}");
    }
    let utf_16 = "Content-Type: application/json; charset=\"UTF-16\"\r\n";
    assert_eq!(ask(&server, "POST /v1/listings:rate", utf_16, body.as_bytes()).await.status, 415);
    let announced = "Content-Type: application/json\r\nContent-Length: 60000000\r\n";
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = format!("POST /v1/listings:rate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{announced}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = [0; 12];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 400", "what is announced is not waited for");
}

#[tokio::test]
async fn keys_are_asked_for_before_a_byte_is_read_and_health_tells_when_there_are_models() {
    let key = format!("[{{ name = \"shop\", sha256 = \"{}\", roles = [\"classify\"] }}]", hex_sha256(b"secret"));
    let server = Server::bind(common::config(&[("auth", "keys", key)])).await.unwrap();
    let ready = async |server: &Server| ask(server, "GET /readyz", "", b"").await.status;
    assert_eq!((ask(&server, "GET /healthz", "", b"").await.status, ready(&server).await), (200, 503));
    let early = rate(&server, "Authorization: Bearer secret\r\n", &json!({ "title": OFFER })).await;
    assert_eq!((early.status, &early.json()["reason"]), (503, &json!("NOT_READY")));
    server.load().await.unwrap();
    assert_eq!(ready(&server).await, 200);
    let nobody = rate(&server, "", &json!({ "title": OFFER })).await;
    assert!(nobody.status == 401 && nobody.head.contains("www-authenticate: bearer"), "{nobody:?}");
    assert_eq!(rate(&server, "Authorization: Bearer secret\r\n", &json!({ "title": OFFER })).await.status, 200);
    assert_eq!(ask(&server, "GET /v1/server", "Authorization: Bearer secret\r\n", b"").await.status, 403);
}

#[tokio::test]
async fn the_description_of_it_names_what_there_is() {
    let server = start(&[]).await;
    let described = ask(&server, "GET /v1/openapi.json", "", b"").await.json();
    assert_eq!(described["openapi"], "3.1.0");
    let paths: Vec<&String> = described["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/healthz", "/readyz", "/v1/listings:batch", "/v1/listings:rate", "/v1/server"]);
    let info = ask(&server, "GET /v1/server", "", b"").await.json();
    let properties = &described["components"]["schemas"]["GetServerInfoResponse"]["properties"];
    for name in info.as_object().unwrap().keys() {
        assert!(properties.get(name).is_some(), "{name} is not described");
    }
    let silent = start(&[("server", "http", "false".into())]).await;
    let mut stream = TcpStream::connect(silent.address()).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    assert!(!said.starts_with(b"HTTP/1.1 200"), "{said:?}");
}

#[tokio::test]
async fn reasons_are_sentences_in_the_language_that_is_asked_for() {
    let server = start(&[]).await;
    let asked = json!({ "title": OFFER, "images": [photo("tusk.jpg")] });
    for (headers, said) in [
        ("", "Ivory: the title names the product: “象牙”."),
        ("Accept-Language: fr, zh-CN;q=0.8\r\n", "象牙：标题写明了该制品：“象牙”。"),
    ] {
        let rating = rate(&server, headers, &asked).await.json();
        let texts: Vec<&str> =
            rating["reasons"].as_array().unwrap().iter().map(|r| r["text"].as_str().unwrap()).collect();
        assert!(texts.contains(&said), "{texts:?}");
        assert!(texts.iter().all(|text| !text.is_empty() && !text.contains(['{', '}'])), "{texts:?}");
        assert!(headers.is_empty() || texts.iter().all(|text| !text.contains(", ")), "{texts:?}");
    }
    let mut request = tonic::Request::new(listing(OFFER, &[]));
    request.metadata_mut().insert("accept-language", "zh".parse().unwrap());
    let rating = client(&server).await.classify(request).await.unwrap().into_inner();
    assert!(rating.reasons.iter().any(|reason| reason.text.starts_with("象牙：")), "{:?}", rating.reasons);
}

#[tokio::test]
async fn who_asks_again_under_the_same_id_gets_the_answer_of_before() {
    let server = start(&[]).await;
    let asked = json!({ "requestId": "order-7", "title": OFFER });
    let first = rate(&server, "", &asked).await.json();
    let again = rate(&server, "", &asked).await.json();
    assert_eq!(first, again, "also when it was rated");
    let mut same = listing(OFFER, &[]);
    same.request_id = "order-7".into();
    let over_grpc = client(&server).await.classify(same).await.unwrap().into_inner();
    assert_eq!(over_grpc.timings.unwrap().total_us.to_string(), first["timings"]["totalUs"].as_str().unwrap());
    let other = rate(&server, "", &json!({ "requestId": "order-7", "title": "连衣裙" })).await.json();
    assert_ne!(other["risk"], first["risk"], "another listing is rated by itself");
    let page = common::metrics(&server).await;
    assert!(page.contains("wildwarden_answers_repeated_total 2"), "{page}");
    let forgetful = start(&[("cache", "answer_seconds", "0".into())]).await;
    let first = rate(&forgetful, "", &asked).await.json();
    assert_ne!(first["ratedAt"], rate(&forgetful, "", &asked).await.json()["ratedAt"]);
}
