//! Spans of a call reach a collector, below the caller's own, and hold nothing of the listing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use common::{client, listing, metrics, start};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use wildwarden_proto::v1::ClassifyRequest;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A collector that keeps what it gets.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let spans = resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        self.0.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// The collector, and where it listens.
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let service = TraceServiceServer::new(collector.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        (collector, address)
    }

    fn spans(&self) -> Vec<Span> {
        self.0.lock().unwrap().clone()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn traced(listing: ClassifyRequest, flags: &str) -> Request<ClassifyRequest> {
    let mut request = Request::new(listing);
    request.metadata_mut().insert("traceparent", format!("00-{TRACE}-{PARENT}-{flags}").parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_in_its_callers_trace_with_what_its_listing_passed_through() {
    let (collector, address) = Collector::start().await;
    let server = start(&[("traces", "otlp", address), ("traces", "percent", "0".into())]).await;
    let mut client = client(&server).await;
    client.classify(traced(listing("老象牙手串", &["tusk.jpg"]), "01")).await.unwrap();
    client.classify(traced(listing("", &[]), "01")).await.unwrap_err();
    // Neither is kept: the caller does not keep its own, and of the others none begins one.
    client.classify(traced(listing("连衣裙", &[]), "00")).await.unwrap();
    client.classify(listing("连衣裙", &[])).await.unwrap();
    let page = metrics(&server).await;
    assert!(page.contains(&format!("# {{trace_id=\"{TRACE}\"}}")), "an example of the listing's time: {page}");
    server.drain().await.unwrap();

    let spans = collector.spans();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let calls = named("Classify");
    assert_eq!(calls.len(), 2, "{spans:?}");
    assert!(calls.iter().all(|call| hex(&call.parent_span_id) == PARENT));
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE));
    let refused =
        calls.iter().filter(|call| call.status.as_ref().is_some_and(|status| status.message == "FIELD_INVALID"));
    assert_eq!(refused.count(), 1, "{calls:?}");
    let rated = named("rate");
    assert!(rated.len() == 1 && calls.iter().any(|call| call.span_id == rated[0].parent_span_id), "{rated:?}");
    for stage in ["decode", "resize", "image_inference", "text_features", "text_inference"] {
        let stages = named(stage);
        assert!(stages.len() == 1 && stages[0].parent_span_id == rated[0].span_id, "{stage}: {spans:?}");
        let (begin, end) = (stages[0].start_time_unix_nano, stages[0].end_time_unix_nano);
        assert!(begin >= rated[0].start_time_unix_nano && end > begin, "{stage}: {spans:?}");
    }
    let all = format!("{spans:?}");
    assert!(!all.contains("象牙") && !all.contains("tusk.jpg"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_holds_nothing_up() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", nobody.local_addr().unwrap());
    // It takes connections and never answers.
    let server = start(&[("traces", "otlp", address), ("traces", "percent", "100".into())]).await;
    let mut client = client(&server).await;
    for _ in 0..20 {
        client.classify(listing("连衣裙", &[])).await.unwrap();
    }
    let ended = tokio::time::timeout(Duration::from_secs(20), server.drain()).await;
    assert!(ended.expect("the last spans are given up").unwrap());
}
