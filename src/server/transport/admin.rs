//! The operators' listener: metrics over HTTP/1.1, beside the gRPC services that are theirs alone.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::header::CONTENT_TYPE;

use crate::transport::service::Shared;

/// The media type of the text format (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`.
pub fn routes(shared: Arc<Shared>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(shared)
}

async fn metrics(State(shared): State<Arc<Shared>>) -> ([(http::HeaderName, &'static str); 1], String) {
    // Before the models are loaded nothing waits and nothing is remembered.
    let pipeline = shared.pipeline.get();
    let queued = pipeline.map_or(0, |pipeline| pipeline.queued());
    let cached = pipeline.map_or(0, |pipeline| pipeline.generation().cache().len());
    ([(CONTENT_TYPE, OPEN_METRICS)], shared.metrics.render(queued, cached))
}
