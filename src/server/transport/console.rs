//! The console: a page in a browser, from this program alone, and what it asks for beside the calls over HTTP.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::uri::Authority;
use http::{HeaderValue, StatusCode};
use prost::Message;
use tonic::Status;
use wildwarden_proto::v1::model_service_server::ModelService;
use wildwarden_proto::v1::{GetShadowReportRequest, ListModelsRequest, RollBackRequest};

use crate::transport::admin;
use crate::transport::models::Models;
use crate::transport::rest::{self, problem};
use crate::transport::service::Shared;

/// Nothing is loaded from elsewhere, nothing in the page itself is a script or a style, and no other page may frame it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($name:literal: $kind:expr),* $(,)?) => {
        &[$((concat!("/", $name), $kind, include_bytes!(concat!("../console/", $name)).as_slice())),*]
    };
}

/// Path, media type and content of every file of the page.
const ASSETS: &[(&str, &str, &[u8])] = assets![
    "index.html": HTML,
    "console.css": "text/css; charset=utf-8",
    "texts.en.json": "application/json",
    "texts.zh.json": "application/json",
    "api.js": SCRIPT,
    "chart.js": SCRIPT,
    "console.js": SCRIPT,
    "dom.js": SCRIPT,
    "evidence.js": SCRIPT,
    "heat.js": SCRIPT,
    "highlight.js": SCRIPT,
    "learn.js": SCRIPT,
    "live.js": SCRIPT,
    "memory.js": SCRIPT,
    "metrics.js": SCRIPT,
    "models.js": SCRIPT,
    "notice.js": SCRIPT,
    "photos.js": SCRIPT,
    "result.js": SCRIPT,
    "sentences.js": SCRIPT,
    "server.js": SCRIPT,
    "snippets.js": SCRIPT,
    "texts.js": SCRIPT,
    "try.js": SCRIPT,
];

/// The page, the calls over HTTP, and those of operators that it makes.
pub fn routes(shared: Arc<Shared>, models: Models) -> Router {
    let operators = Router::new()
        .route("/v1/models", get(status))
        .route("/v1/models:rollback", post(roll_back))
        .route("/v1/models:report", get(report))
        .with_state(models);
    let page = ASSETS.iter().fold(Router::new(), |page, (path, kind, content)| page.route(path, file(kind, content)));
    let (_, kind, index) = ASSETS.first().copied().unwrap_or_default();
    page.route("/", file(kind, index))
        .merge(operators)
        .merge(admin::routes(Arc::clone(&shared)))
        .merge(rest::routes(shared))
}

/// Whether a file of the page is at `path`.
pub(super) fn is_file(path: &str) -> bool {
    path == "/" || ASSETS.iter().any(|(at, ..)| *at == path)
}

/// Whether `request` was sent to a name that is this server's: an address, localhost, or one of `names`. Another name that leads here is
/// of a page that wants its visitors' browsers to ask in their place.
pub(super) fn is_sent_here<B>(request: &http::Request<B>, names: &[String]) -> bool {
    let of_header = || request.headers().get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let Some(authority) = request.uri().authority().cloned().or_else(of_header) else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

fn file(kind: &'static str, content: &'static [u8]) -> axum::routing::MethodRouter {
    get(move || async move {
        let mut response = Response::new(Body::from(Bytes::from_static(content)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    })
}

async fn status(State(models): State<Models>) -> Response {
    told(models.list_models(tonic::Request::new(ListModelsRequest {})).await, "ModelsStatus")
}

/// Takes JSON only: what a form or a link of another page can send is none.
async fn roll_back(State(models): State<Models>, request: Request) -> Response {
    if !rest::is_json(request.headers()) {
        let refused = problem::of_http(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type: this takes application/json");
        return refused.map(Body::from);
    }
    told(models.roll_back(tonic::Request::new(RollBackRequest {})).await, "ModelsStatus")
}

async fn report(State(models): State<Models>) -> Response {
    told(models.get_shadow_report(tonic::Request::new(GetShadowReportRequest {})).await, "ShadowReport")
}

fn told<M: Message>(outcome: Result<tonic::Response<M>, Status>, name: &str) -> Response {
    match outcome {
        Ok(answer) => rest::answer(&answer.into_inner(), name),
        Err(status) => problem::of_status(&status).map(Body::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(is_file(&format!("/{name}")), "{name} is not among the assets");
            files += 1;
        }
        assert_eq!(files, ASSETS.len());
        assert!(is_file("/") && !is_file("/metrics"));
    }

    #[test]
    fn names_of_others_are_not_answered() {
        let sent = |host: &str| {
            let request = http::Request::get("/").header(HOST, host).body(()).unwrap();
            is_sent_here(&request, &["console.example".to_owned()])
        };
        for mine in ["127.0.0.1:50053", "[::1]:50053", "localhost", "LOCALHOST:9", "192.0.2.7", "console.example:443"] {
            assert!(sent(mine), "{mine}");
        }
        for other in ["rebound.example", "localhost.example", "console.example.org:50053"] {
            assert!(!sent(other), "{other}");
        }
        assert!(!is_sent_here(&http::Request::get("/").body(()).unwrap(), &[]));
    }
}
