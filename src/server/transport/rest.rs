//! Listings over HTTP, beside gRPC: the same messages as canonical JSON, or a form with files. What comes in here has been let in by
//! [`calls`](crate::transport::calls), as what comes over gRPC.

mod form;
pub mod json;
pub mod problem;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body as _;
use http_body_util::LengthLimitError;
use prost::Message;
use tonic::{Code, Status};
use wildwarden_core::error::{Error, Result};
use wildwarden_proto::v1::{ClassifyBatchRequest, ClassifyRequest};

use crate::transport::call::Call;
use crate::transport::service::Shared;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: &str = "multipart/form-data";
/// As `grpc.health.v1` says it.
const SERVING: &[u8] = b"{\"status\":\"SERVING\"}";
/// What is served here, generated from the contract.
const OPENAPI: &str = wildwarden_proto::OPENAPI;
/// Beside the bytes of a message in base64: names, brackets, headers of parts.
const SYNTAX: usize = 64 << 10;
/// Bytes of JSON that are read where they came: it takes less than to hand them over. More would hold up whom else is answered there.
const READ_AT_ONCE: usize = 256 << 10;

/// Everything that [`RESOURCES`](crate::transport::methods::RESOURCES) names.
pub fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/listings:rate", post(rate))
        .route("/v1/listings:batch", post(batch))
        .route("/v1/server", get(server))
        .route("/v1/openapi.json", get(|| async { found(StatusCode::OK, Bytes::from_static(OPENAPI.as_bytes())) }))
        .route("/healthz", get(|| async { found(StatusCode::OK, Bytes::from_static(SERVING)) }))
        .route("/readyz", get(ready))
        // Bodies are bounded where they are read.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

async fn rate(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let call = Call::of(request.extensions());
    let message = match listing(&shared, request).await {
        Ok(message) => message,
        Err(refused) => return refused,
    };
    match shared.classify(message, call).await {
        Ok(rating) => answer(&rating, "ClassifyResponse"),
        Err((error, request_id)) => refusal(&error, &request_id),
    }
}

async fn batch(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let call = Call::of(request.extensions());
    if !is_json(request.headers()) {
        return unsupported("application/json");
    }
    if let Some(refused) = refused_encoding(request.headers()) {
        return refused;
    }
    let body = match whole(&shared, request.into_body(), as_json(&shared)).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let outcome = match read::<ClassifyBatchRequest>(body, "ClassifyBatchRequest").await {
        Ok(message) => shared.classify_batch(message.items, call).await,
        Err(error) => Err(error),
    };
    outcome.map_or_else(|error| refusal(&error, ""), |results| answer(&results, "ClassifyBatchResponse"))
}

async fn server(State(shared): State<Arc<Shared>>) -> Response {
    shared.info().map_or_else(|error| refusal(&error, ""), |info| answer(&info, "GetServerInfoResponse"))
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if shared.admit().is_ok() && shared.is_whole() {
        found(StatusCode::OK, Bytes::from_static(SERVING))
    } else {
        found(StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(b"{\"status\":\"NOT_SERVING\"}"))
    }
}

/// The listing that `request` holds; else the answer to it.
async fn listing(shared: &Shared, request: Request) -> std::result::Result<ClassifyRequest, Response> {
    let (is_json, is_form) = (is_json(request.headers()), is_form(request.headers()));
    if !is_json && !is_form {
        return Err(unsupported("application/json, or multipart/form-data"));
    }
    if let Some(refused) = refused_encoding(request.headers()) {
        return Err(refused);
    }
    let (parts, body) = request.into_parts();
    let most = if is_json { as_json(shared) } else { shared.limits.max_message_bytes.saturating_add(SYNTAX) };
    let body = whole(shared, body, most).await?;
    let read = if is_json {
        read(body, "ClassifyRequest").await
    } else {
        form::listing(Request::from_parts(parts, Body::from(body)), &shared.limits).await
    };
    read.map_err(|error| refusal(&error, ""))
}

/// Bytes that a message of the largest size has as JSON: photos are in base64.
fn as_json(shared: &Shared) -> usize {
    (shared.limits.max_message_bytes / 3 * 4).saturating_add(SYNTAX)
}

/// The message of that name that `body` is.
async fn read<M: Message + Default + 'static>(body: Bytes, name: &'static str) -> Result<M> {
    if body.len() <= READ_AT_ONCE {
        return json::read(&body, name, "body");
    }
    let read = tokio::task::spawn_blocking(move || json::read(&body, name, "body")).await;
    read.map_err(|cause| Error::Bug(format!("reading a body: {cause}"))).flatten()
}

/// A body of at most so many bytes, once it is whole; else the answer to it.
async fn whole(shared: &Shared, body: Body, most: usize) -> std::result::Result<Bytes, Response> {
    let limit = shared.limits.max_message_bytes;
    let too_large = |found: &str| {
        let message =
            format!("{found} bytes, above the limit of {most}, for messages of {limit} (limits.max_message_bytes)");
        refusal(&Error::invalid("body", message), "")
    };
    // What is announced is not waited for.
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > most) {
        return Err(too_large(&announced.to_string()));
    }
    to_bytes(body, most).await.map_err(|cause| {
        let outermost: &(dyn std::error::Error + 'static) = &cause;
        let causes = || std::iter::successors(Some(outermost), |cause| cause.source());
        if causes().any(|cause| cause.is::<LengthLimitError>()) {
            return too_large("more");
        }
        match causes().find_map(|cause| cause.downcast_ref::<Status>()) {
            Some(full) if full.code() == Code::ResourceExhausted => refusal(&shared.ledger.full(), ""),
            Some(slow) if slow.code() == Code::DeadlineExceeded => problem::of_status(slow).map(Body::from),
            Some(_) | None => {
                tracing::debug!(%cause, "a body over HTTP is not whole");
                refusal(&Error::invalid("body", "ended before it was whole, or is not framed as HTTP is"), "")
            }
        }
    })
}

/// The answer to a body that is said to be packed, or JSON in another encoding than UTF-8: it is taken as it is.
fn refused_encoding(headers: &HeaderMap) -> Option<Response> {
    let said = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?").trim());
    if let Some(coding) = said(CONTENT_ENCODING).filter(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Some(refused_media(&format!("content-encoding: {coding}; bodies are taken as they are, without one")));
    }
    let charset = said(CONTENT_TYPE).unwrap_or_default().split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    let charset = charset.filter(|charset| !charset.eq_ignore_ascii_case("utf-8"))?;
    Some(refused_media(&format!("content-type: charset {charset}; texts are taken as utf-8")))
}

/// `message`, whose name that is, as JSON.
pub(super) fn answer(message: &impl Message, name: &str) -> Response {
    match json::write(message, name) {
        Ok(json) => found(StatusCode::OK, json.into()),
        Err(error) => refusal(&error, ""),
    }
}

fn found(status: StatusCode, json: Bytes) -> Response {
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

fn refusal(error: &Error, request_id: &str) -> Response {
    problem::response(error, request_id).map(Body::from)
}

fn unsupported(taken: &str) -> Response {
    refused_media(&format!("content-type: this takes {taken}"))
}

fn refused_media(detail: &str) -> Response {
    problem::of_http(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).map(Body::from)
}

/// Whether they announce JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case("application/json")
}

fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case(FORM)
}

fn media_type(headers: &HeaderMap) -> &str {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim()
}
