//! The operators' listener: metrics over HTTP/1.1, beside the gRPC services that are theirs alone.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use wildwarden_core::metrics::Now;

use crate::transport::service::Shared;

/// The media type of the text format (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`.
pub fn routes(shared: Arc<Shared>) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(shared)
}

/// The page of metrics: see [`Metrics::render`](wildwarden_core::metrics::Metrics::render).
async fn metrics(State(shared): State<Arc<Shared>>) -> ([(http::HeaderName, &'static str); 1], String) {
    // Before the models are loaded nothing waits and nothing is remembered.
    let mut now = shared.pipeline.get().map_or_else(Now::default, |pipeline| Now {
        queued: pipeline.queued(),
        oldest: pipeline.oldest(),
        cached_images: pipeline.generation().cache().len(),
        lost_workers: pipeline.lost_workers(),
        ..Now::default()
    });
    now.under_way = shared.callers.under_way();
    now.message_bytes = (shared.ledger.used(), shared.ledger.most());
    ([(CONTENT_TYPE, OPEN_METRICS)], shared.metrics.render(now))
}
