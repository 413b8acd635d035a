//! What happens to every call, whatever answers it: a message that is not gRPC gets told so, who may not call is refused, the
//! caller's deadline is noted, and the outcome is counted, that of a call which no handler saw too.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Code;
use tonic::body::Body;
use tower::{Layer, Service};
use wildwarden_core::error::Error;
use wildwarden_core::metrics::Metrics;
use wildwarden_core::schedule::Asked;

use crate::transport::arriving::{Answered, Arriving, Pace};
use crate::transport::caller;
use crate::transport::guard::{self, Guard};
use crate::transport::methods::{self, Access};
use crate::transport::origin::{self, From};
use crate::transport::service::Shared;
use crate::transport::status::{code_name, error_code_name, rpc_status};

/// Media types of messages in protobuf (gRPC over HTTP/2).
const GRPC_MEDIA_TYPES: [&str; 2] = ["application/grpc", "application/grpc+proto"];
const NOT_GRPC: &str = "this port takes gRPC messages in protobuf, content-type application/grpc; the .proto files and \
                        `wildwarden classify` show how\n";
/// What a handler has to say that its deadline has passed, before it is said for it.
const GRACE: Duration = Duration::from_millis(2);
/// The call that is refused before it is read where its listing would be.
const CLASSIFY: &str = "Classify";

/// Puts [`Calls`] around what answers.
#[derive(Debug, Clone)]
pub struct CallsLayer {
    /// Knows the keys.
    pub guard: Guard,
    /// Knows how much there is to do, and counts.
    pub shared: Arc<Shared>,
    /// How long senders may take.
    pub pace: Pace,
}

impl<S> Layer<S> for CallsLayer {
    type Service = Calls<S>;

    fn layer(&self, answers: S) -> Calls<S> {
        Calls { answers, guard: self.guard.clone(), shared: Arc::clone(&self.shared), pace: self.pace }
    }
}

/// Lets calls in and counts them; answers by itself those that nothing else would answer well.
#[derive(Debug, Clone)]
pub struct Calls<S> {
    answers: S,
    guard: Guard,
    shared: Arc<Shared>,
    pace: Pace,
}

impl<S> Calls<S> {
    /// Who sends `request`, until when, and its place among the calls of that caller, if it needs one.
    ///
    /// # Errors
    /// See [`Guard::check`], [`Shared::foresees`] and [`Callers::enter`](caller::Callers::enter).
    fn admit(
        &self,
        known: Option<(&'static str, Access)>,
        request: &Request<Body>,
    ) -> Result<(Asked, Option<caller::Place>), Error> {
        let unknown = From::default();
        let from = request.extensions().get::<From>().unwrap_or(&unknown);
        let access = known.map(|(_, access)| access);
        let key = access.map_or(Ok(None), |access| self.guard.check(access, request.headers(), from))?;
        let (caller, deadline) = (origin::caller(key, from.peer), guard::deadline(request.headers()));
        let asked = Asked { caller, deadline, ..Asked::default() };
        // Before a byte of the listing is read: a server that is full has better things to do.
        if known.is_some_and(|(rpc, _)| rpc == CLASSIFY) {
            self.shared.foresees(&asked)?;
        }
        // Balancers ask for health beside whatever else comes from their address.
        let is_open = access == Some(Access::Open);
        let place = (!is_open).then(|| self.shared.callers.enter(&asked.caller.name)).transpose()?;
        Ok((asked, place))
    }
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
            // The operators' listener has pages, too. What is routed as a method answers whatever the verb, and is never one: everything
            // below is for calls.
            if request.method() != Method::POST && methods::is_page(request.uri().path()) {
                return Box::pin(self.answers.call(request));
            }
            self.shared.metrics.call("none", "UNSUPPORTED_MEDIA_TYPE");
            return Box::pin(std::future::ready(Ok(not_grpc())));
        }
        if let Some((method, what)) = methods::not_served(request.uri().path()) {
            let status = tonic::Status::unimplemented(format!("{method}: {what}"));
            self.shared.metrics.call(method, code_name(Code::Unimplemented));
            return Box::pin(std::future::ready(Ok(status.into_http())));
        }
        // The name that a count has is the table's: a caller's own would let the metrics grow without bound.
        let known = methods::at(request.uri().path());
        let rpc = known.map_or("unknown", |(rpc, _)| rpc);
        let (asked, place) = match self.admit(known, &request) {
            Ok(admitted) => admitted,
            Err(error) => {
                self.shared.metrics.call(rpc, error_code_name(&error));
                return Box::pin(std::future::ready(Ok(rpc_status(&error, rpc).into_http())));
            }
        };
        let deadline = asked.deadline;
        let held = Arc::new(self.shared.ledger.open(Arc::clone(&asked.caller.name)));
        // Where there is one message, nothing is waited for after it.
        let between = if methods::is_streamed(rpc) { self.pace.between } else { self.pace.stall };
        let (pace, holds) = (Pace { between, ..self.pace }, Arc::clone(&held));
        let answered = Answered::default();
        let reads = answered.clone();
        let mut request = request.map(|body| Body::new(Arriving::new(body, holds, pace, reads)));
        request.extensions_mut().insert(asked);
        request.extensions_mut().insert(answered);
        let mut count = Count { metrics: Arc::clone(&self.shared.metrics), rpc, code: code_name(Code::Cancelled) };
        let answering = self.answers.call(request);
        Box::pin(async move {
            // What is rated looks at its deadline by itself; what is still being sent has nobody who does.
            let mut response = match deadline.0 {
                Some(at) => match tokio::time::timeout_at(at + GRACE, answering).await {
                    Ok(response) => response?,
                    Err(_) => rpc_status(&Error::DeadlineExceeded, rpc).into_http(),
                },
                None => answering.await?,
            };
            // The operators' listener has pages, and answers with one what no service of it takes.
            if response.status() == StatusCode::NOT_FOUND {
                response = tonic::Status::unimplemented("this listener does not serve the method").into_http();
            }
            // A refusal is nothing but headers; without a status there, messages follow.
            let code = response.headers().get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()));
            count.answered(code.unwrap_or(Code::Ok));
            // Until here the message, and what was made of it, is held. A stream goes on holding its own.
            drop(held);
            Ok(response.map(|body| Body::new(Placed { body, _place: place })))
        })
    }
}

/// An answer that holds its caller's place until it is sent.
struct Placed {
    body: Body,
    _place: Option<caller::Place>,
}

impl HttpBody for Placed {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
        self.code = code_name(code);
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
    GRPC_MEDIA_TYPES.iter().any(|known| media_type.eq_ignore_ascii_case(known))
}

/// 415, as the gRPC specification has it, with a sentence.
fn not_grpc() -> Response<Body> {
    let mut response = Response::new(Body::new(NOT_GRPC.to_owned()));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
