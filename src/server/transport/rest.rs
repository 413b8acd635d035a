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
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
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
    let items = match whole(&shared, request.into_body()).await {
        Ok(body) => json::read::<ClassifyBatchRequest>(&body, "ClassifyBatchRequest", "body"),
        Err(error) => Err(error),
    };
    let outcome = match items {
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
    let (parts, body) = request.into_parts();
    let read = match whole(shared, body).await {
        Ok(body) if is_json => json::read(&body, "ClassifyRequest", "body"),
        Ok(body) => form::listing(Request::from_parts(parts, Body::from(body)), &shared.limits).await,
        Err(error) => Err(error),
    };
    read.map_err(|error| refusal(&error, ""))
}

/// A body, once it is whole.
async fn whole(shared: &Shared, body: Body) -> Result<Bytes> {
    let limit = shared.limits.max_message_bytes;
    let most = (limit / 3 * 4).saturating_add(SYNTAX);
    to_bytes(body, most).await.map_err(|cause| {
        let outermost: &(dyn std::error::Error + 'static) = &cause;
        let mut causes = std::iter::successors(Some(outermost), |cause| cause.source());
        match causes.find_map(|cause| cause.downcast_ref::<Status>()) {
            Some(slow) if slow.code() == Code::DeadlineExceeded => Error::invalid("body", slow.message()),
            Some(full) if full.code() == Code::ResourceExhausted => shared.ledger.full(),
            // Broken off, malformed, or longer than it may be.
            Some(_) | None => Error::invalid(
                "body",
                format!("not whole, or above {most} bytes, {limit} as JSON (limits.max_message_bytes): {cause}"),
            ),
        }
    })
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
    let detail = format!("content-type: this takes {taken}");
    problem::of_http(StatusCode::UNSUPPORTED_MEDIA_TYPE, &detail).map(Body::from)
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
