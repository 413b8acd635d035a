//! Traces, for who has a collector (OTLP over gRPC): a span for each call, in the caller's own trace where it sends one (W3C Trace Context),
//! and below it what each listing passed through. Names, times and counts only: never a listing's content or ids of its parts.
//!
//! Spans are made once a listing is rated, from the times it carries: what is not traced pays nothing for it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span};
use wildwarden_core::config;
use wildwarden_core::domain::Step;
use wildwarden_core::error::{Error, Result};

use crate::transport::status::reason;

/// What is sent last, when the server stops, may take this long.
const LAST: Duration = Duration::from_secs(2);

/// Where spans go; nowhere, where no collector is set up.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Collected>>);

struct Collected {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Traces").field(&self.0.is_some()).finish()
    }
}

impl Traces {
    /// Spans go to the collector of `settings`, in batches, from a thread of their own; what it does not take in time is dropped.
    ///
    /// # Errors
    /// [`Error::Setup`] when its address is none.
    pub fn new(settings: &config::Traces) -> Result<Self> {
        let Some(endpoint) = &settings.otlp else { return Ok(Self::default()) };
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
        let exporter = exporter.map_err(|cause| Error::setup(format!("traces.otlp: {endpoint}: {cause}")))?;
        let share = Sampler::TraceIdRatioBased(settings.share);
        let service = Resource::builder().with_service_name("wildwarden");
        let service = service.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(share)))
            .with_resource(service.build())
            .build();
        let tracer = provider.tracer("wildwarden");
        Ok(Self(Some(Arc::new(Collected { provider, tracer }))))
    }

    /// Begins the span of a call of the method `rpc` whose caller sent `headers`. It ends when it is dropped.
    pub fn begin(&self, rpc: &'static str, headers: &HeaderMap) -> CallSpan {
        let Some(collected) = &self.0 else { return CallSpan::default() };
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        let span = SpanBuilder::from_name(rpc).with_kind(SpanKind::Server);
        let span = collected.tracer.build_with_context(span, &parent);
        CallSpan(span.is_recording().then(|| (collected.tracer.clone(), span)))
    }

    /// Sends what was not sent yet.
    pub async fn end(&self) {
        let Some(collected) = self.0.clone() else { return };
        let flushed = tokio::task::spawn_blocking(move || collected.provider.shutdown_with_timeout(LAST)).await;
        if let Ok(Err(cause)) = flushed {
            tracing::warn!(%cause, "the last spans did not reach the collector (traces.otlp)");
        }
    }
}

/// The span of a call; none, where it is not traced.
#[derive(Debug, Default)]
pub struct CallSpan(Option<(SdkTracer, Span)>);

impl CallSpan {
    /// What the call's parts need to be found under it.
    pub fn trace(&self) -> Trace {
        Trace(self.0.as_ref().map(|(tracer, span)| {
            (tracer.clone(), Context::new().with_remote_span_context(span.span_context().clone()))
        }))
    }

    /// The call is answered with that code, and for that reason if it is refused.
    pub fn answered(&mut self, code: &'static str, reason: Option<&str>) {
        let Some((_, span)) = &mut self.0 else { return };
        span.set_attribute(KeyValue::new("rpc.response.status_code", code));
        if let Some(reason) = reason {
            span.set_status(Status::error(reason.to_owned()));
        }
    }
}

/// The trace that a call is in; none, where it is not traced.
#[derive(Debug, Clone, Default)]
pub struct Trace(Option<(SdkTracer, Context)>);

impl Trace {
    /// Its id, in hex.
    pub fn id(&self) -> Option<Arc<str>> {
        let (_, context) = self.0.as_ref()?;
        Some(Arc::from(context.span().span_context().trace_id().to_string()))
    }

    /// A listing was rated, or was not, in the `total` time up to now; `steps`: what it passed through.
    pub fn rated(&self, request_id: &str, total: Duration, outcome: std::result::Result<&[Step], &Error>) {
        let Some((tracer, parent)) = &self.0 else { return };
        let now = SystemTime::now();
        let began = now.checked_sub(total).unwrap_or(now);
        let listing = SpanBuilder::from_name("rate").with_start_time(began);
        let listing = listing.with_attributes([KeyValue::new("wildwarden.request_id", request_id.to_owned())]);
        let mut listing = tracer.build_with_context(listing, parent);
        match outcome {
            Ok(steps) => {
                let below = parent.with_remote_span_context(listing.span_context().clone());
                steps.iter().for_each(|step| made(tracer, &below, step, began));
            }
            Err(error) => listing.set_status(Status::error(reason(error))),
        }
        listing.end_with_timestamp(now);
    }
}

/// A span of `step`, of a listing that came at `began`.
fn made(tracer: &SdkTracer, below: &Context, step: &Step, began: SystemTime) {
    let at = |after: Duration| began.checked_add(after).unwrap_or(began);
    let part = i64::try_from(step.part).unwrap_or(i64::MAX);
    let span = SpanBuilder::from_name(step.stage).with_start_time(at(step.begin));
    let span = span.with_attributes([KeyValue::new(step.modality, part)]);
    tracer.build_with_context(span, below).end_with_timestamp(at(step.begin + step.time));
}

/// Headers as the propagator reads them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
