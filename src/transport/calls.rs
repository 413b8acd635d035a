//! What happens to every call, whatever answers it: a message that is not gRPC gets told so, and the outcome is counted, that
//! of a call which no handler saw too.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tonic::Code;
use tonic::body::Body;
use tower::{Layer, Service};

use crate::metrics::Metrics;
use crate::transport::proto::inference::grpc_inference_service_server::SERVICE_NAME as INFERENCE;
use crate::transport::status::name;

/// Media types of messages in protobuf (gRPC over HTTP/2).
const TAKEN: [&str; 2] = ["application/grpc", "application/grpc+proto"];
const NOT_GRPC: &str = "this port takes gRPC messages in protobuf, content-type application/grpc; the .proto files and \
                        `wildwarden classify` show how\n";
/// Calls of Triton's clients that are not served, and what to do instead.
const NOT_SERVED: [(&str, &str); 9] = [
    (
        "ModelStreamInfer",
        "streamed inference is not served: call ModelInfer, or RiskService/ClassifyStream for listings",
    ),
    ("TraceSetting", "traces are not served: the server's metrics have the time of every stage"),
    ("LogSettings", "log settings are not served: the configuration's log.level decides"),
    ("SystemSharedMemoryStatus", SHARED_MEMORY),
    ("SystemSharedMemoryRegister", SHARED_MEMORY),
    ("SystemSharedMemoryUnregister", SHARED_MEMORY),
    ("CudaSharedMemoryStatus", SHARED_MEMORY),
    ("CudaSharedMemoryRegister", SHARED_MEMORY),
    ("CudaSharedMemoryUnregister", SHARED_MEMORY),
];
const SHARED_MEMORY: &str = "shared memory is not served: send and read raw contents";
/// The names that a count may have. A caller's own would let the metrics grow without bound.
const KNOWN: [&str; 31] = [
    "Classify",
    "ClassifyBatch",
    "ClassifyStream",
    "GetServerInfo",
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
    "ModelConfig",
    "ModelStatistics",
    "RepositoryIndex",
    "RepositoryModelLoad",
    "RepositoryModelUnload",
    "ListModels",
    "DescribeModel",
    "Reload",
    "LoadVersion",
    "Promote",
    "RollBack",
    "Unload",
    "StartShadow",
    "StartCanary",
    "StopCandidate",
    "GetShadowReport",
    "Check",
    "Watch",
    "List",
    "ServerReflectionInfo",
    "ModelStreamInfer",
];

/// Puts [`Calls`] around what answers.
#[derive(Debug, Clone)]
pub struct CallsLayer(pub Arc<Metrics>);

impl<S> Layer<S> for CallsLayer {
    type Service = Calls<S>;

    fn layer(&self, answers: S) -> Calls<S> {
        Calls { answers, metrics: Arc::clone(&self.0) }
    }
}

/// Counts calls; answers by itself those that nothing else would answer well.
#[derive(Debug, Clone)]
pub struct Calls<S> {
    answers: S,
    metrics: Arc<Metrics>,
}

impl<S> Service<Request<Body>> for Calls<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.answers.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !is_grpc(request.headers()) {
            // The operators' listener has pages, too.
            if request.method() != Method::POST {
                return Box::pin(self.answers.call(request));
            }
            self.metrics.call("none", "UNSUPPORTED_MEDIA_TYPE");
            return Box::pin(std::future::ready(Ok(not_grpc())));
        }
        let (service, method) = request.uri().path().trim_start_matches('/').rsplit_once('/').unwrap_or_default();
        let rpc = KNOWN.iter().find(|known| **known == method).copied().unwrap_or("unknown");
        let refusal = NOT_SERVED.iter().find(|(refused, _)| service == INFERENCE && *refused == method);
        if let Some((method, what)) = refusal {
            let status = tonic::Status::unimplemented(format!("{method}: {what}"));
            self.metrics.call(rpc, name(Code::Unimplemented));
            return Box::pin(std::future::ready(Ok(status.into_http())));
        }
        let mut count = Count { metrics: Arc::clone(&self.metrics), rpc, code: name(Code::Cancelled) };
        let answering = self.answers.call(request);
        Box::pin(async move {
            let response = answering.await?;
            // A refusal is nothing but headers; without a status there, messages follow.
            let status = response.headers().get("grpc-status").map(|status| Code::from_bytes(status.as_bytes()));
            count.answered(status.unwrap_or(Code::Ok));
            Ok(response)
        })
    }
}

/// Counts when dropped, so that a caller who has gone is counted, too.
struct Count {
    metrics: Arc<Metrics>,
    rpc: &'static str,
    code: &'static str,
}

impl Count {
    fn answered(&mut self, code: Code) {
        self.code = name(code);
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.metrics.call(self.rpc, self.code);
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    TAKEN.iter().any(|taken| media_type.eq_ignore_ascii_case(taken))
}

/// 415, as the gRPC specification has it, with a sentence.
fn not_grpc() -> Response<Body> {
    let mut response = Response::new(Body::new(NOT_GRPC.to_owned()));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
