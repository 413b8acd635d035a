//! What happens to every call, over gRPC or HTTP, whatever answers it: what is neither gets told so, who may not call is refused, the
//! caller's deadline is noted, and the outcome is counted, that of a call which no handler saw too.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Code;
use tonic::body::Body;
use tower::{Layer, Service};
use wildwarden_core::config::Role;
use wildwarden_core::error::Error;
use wildwarden_core::metrics::Metrics;
use wildwarden_core::schedule::Asked;

use crate::transport::arriving::{Answered, Arriving, Pace};
use crate::transport::call::Call;
use crate::transport::caller;
use crate::transport::console;
use crate::transport::dialect::Dialect;
use crate::transport::guard::Guard;
use crate::transport::ledger::Held;
use crate::transport::methods::{self, Access, RESOURCES};
use crate::transport::origin::{self, From};
use crate::transport::rest::problem;
use crate::transport::sentences::Language;
use crate::transport::service::Shared;
use crate::transport::status::{bounded, code_name, error_code_name, reason};
use crate::transport::traces::{CallSpan, Trace};

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
    /// What is taken over HTTP.
    pub http: OverHttp,
}

/// What a listener takes over HTTP.
#[derive(Debug, Clone)]
pub enum OverHttp {
    /// The pages of operators.
    Pages,
    /// Calls of the contract.
    Calls,
    /// The console and its calls, sent to an address of this machine or to one of these names.
    Console(Arc<[String]>),
}

impl<S> Layer<S> for CallsLayer {
    type Service = Calls<S>;

    fn layer(&self, answers: S) -> Calls<S> {
        Calls { answers, layer: self.clone() }
    }
}

/// Lets calls in and counts them; answers by itself those that nothing else would answer well.
#[derive(Debug, Clone)]
pub struct Calls<S> {
    answers: S,
    layer: CallsLayer,
}

/// A method by its name in the table, which a count has: a caller's own would let the metrics grow without bound. And who may call it.
type Known = (&'static str, Access);

/// What a request is.
enum Kind {
    /// A call.
    Call(Dialect, Known),
    /// A page of the operators.
    Page,
    /// Nothing that is served; the answer to it.
    Nothing(Response<Body>),
}

impl CallsLayer {
    fn kind(&self, request: &Request<Body>) -> Kind {
        let (path, headers) = (request.uri().path(), request.headers());
        if let Some(refused) = self.refused_browser(request) {
            self.shared.metrics.call("none", code_name(Code::PermissionDenied), None);
            return Kind::Nothing(refused);
        }
        // Over HTTP/1 there are no trailers to say how a call ended.
        if is_grpc(headers) && request.version() == Version::HTTP_2 {
            // Nothing else that has a path here is for gRPC: pages and resources have doors of their own.
            if let Some(known) = methods::at(path) {
                return Kind::Call(Dialect::Grpc, known);
            }
            let (method, what) = methods::not_served(path).unwrap_or(("unknown", "there is no such method"));
            self.shared.metrics.call(method, code_name(Code::Unimplemented), None);
            return Kind::Nothing(tonic::Status::unimplemented(format!("{method}: {what}")).into_http());
        }
        let on_console = matches!(self.http, OverHttp::Console(_));
        if on_console && [Method::GET, Method::HEAD].contains(request.method()) && console::is_file(path) {
            return Kind::Page;
        }
        let takes_calls = !matches!(self.http, OverHttp::Pages);
        if let Some((verb, rpc, access)) = methods::resource(path, on_console).filter(|_| takes_calls) {
            // Who asks for the head alone gets what a GET gets; the body is left out where it would be sent (RFC 9110, section 9.3.2).
            if request.method().as_str() == verb || (request.method() == Method::HEAD && verb == "GET") {
                return Kind::Call(Dialect::Http, (rpc, access));
            }
            self.shared.metrics.call(rpc, code_name(Code::Unimplemented), None);
            let mut refused = problem::of_http(StatusCode::METHOD_NOT_ALLOWED, &format!("{path} takes {verb}"));
            refused.headers_mut().insert(ALLOW, http::HeaderValue::from_static(verb));
            return Kind::Nothing(refused.map(Body::new));
        }
        // The operators' listener has pages, too. What is routed as a method answers whatever the verb, and is never one: everything
        // below is for calls.
        if !takes_calls && request.method() != Method::POST && methods::is_page(path) {
            let unknown = From::default();
            let from = request.extensions().get::<From>().unwrap_or(&unknown);
            return match self.guard.check(Access::Holder(Role::Metrics), headers, from) {
                Ok(_) => Kind::Page,
                Err(error) => {
                    self.shared.metrics.call("page", error_code_name(&error), None);
                    self.shared.metrics.refused(reason(&error));
                    Kind::Nothing(Dialect::Http.refusal(&error, "page"))
                }
            };
        }
        let (code, answer) = if takes_calls && methods::at(path).is_none() {
            (code_name(Code::Unimplemented), nothing_there(path))
        } else {
            ("UNSUPPORTED_MEDIA_TYPE", not_grpc())
        };
        self.shared.metrics.call("none", code, None);
        Kind::Nothing(answer)
    }

    /// The answer to a browser that asks for a page from elsewhere, with what its user may reach and that page may not.
    fn refused_browser(&self, request: &Request<Body>) -> Option<Response<Body>> {
        if let OverHttp::Console(names) = &self.http
            && !console::is_sent_here(request, names)
        {
            let why = "the console answers to addresses, localhost and the names of server.console_names";
            return Some(problem::of_http(StatusCode::MISDIRECTED_REQUEST, why).map(Body::new));
        }
        // Browsers say so by themselves, and no page can make them say otherwise. A link that is followed is no such request; a form is.
        let said = |name: &str| request.headers().get(name).map(http::HeaderValue::as_bytes);
        let is_from_elsewhere = match said("sec-fetch-site") {
            Some(site) => matches!(site, b"cross-site" | b"same-site"),
            // Of servers without TLS that are not on this machine they say no more than where the page is from, and that where it matters.
            None => said("origin").is_some_and(|page| !is_origin(page, request)),
        };
        let is_link = request.method() == Method::GET && said("sec-fetch-mode") == Some(b"navigate".as_slice());
        (is_from_elsewhere && !is_link)
            .then(|| problem::of_http(StatusCode::FORBIDDEN, "pages from elsewhere may not ask here").map(Body::new))
    }

    /// Who sends `request`, until when, and its place among the calls of that caller, if it needs one.
    ///
    /// # Errors
    /// See [`Guard::check`], [`Dialect::deadline`], [`Shared::foresees`] and [`Callers::enter`](caller::Callers::enter).
    fn admit(
        &self,
        dialect: Dialect,
        (rpc, access): Known,
        request: &Request<Body>,
        trace: Trace,
    ) -> Result<(Call, Option<caller::Place>), Error> {
        let unknown = From::default();
        let from = request.extensions().get::<From>().unwrap_or(&unknown);
        let key = self.guard.check(access, request.headers(), from)?;
        let (caller, deadline) = (origin::caller(key, from), dialect.deadline(request.headers())?);
        let key = key.map(|key| Arc::from(key.name.as_str()));
        let asked = Asked { caller, deadline, trace_id: trace.id(), ..Asked::default() };
        // Before a byte of the listing is read: a server that is full has better things to do.
        if rpc == CLASSIFY {
            self.shared.foresees(&asked)?;
        }
        // Balancers ask for health beside whatever else comes from their address.
        let is_open = matches!(access, Access::Open(_));
        let place = (!is_open).then(|| self.shared.callers.enter(&asked.caller.name)).transpose()?;
        Ok((Call { asked, key, trace, language: Language::of(request.headers()) }, place))
    }
}

/// Whether `page`, an origin as browsers send it, is the server that `request` is sent to.
fn is_origin(page: &[u8], request: &Request<Body>) -> bool {
    let host = request.headers().get(HOST).map(http::HeaderValue::as_bytes);
    let asked = request.uri().authority().map(|authority| authority.as_str().as_bytes()).or(host);
    let page = std::str::from_utf8(page).ok().and_then(|page| page.split_once("://"));
    page.zip(asked).is_some_and(|((_, page), asked)| page.as_bytes().eq_ignore_ascii_case(asked))
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
        let (dialect, known) = match self.layer.kind(&request) {
            Kind::Call(dialect, known) => (dialect, known),
            Kind::Page => return Box::pin(self.answers.call(request)),
            Kind::Nothing(answer) => return Box::pin(std::future::ready(Ok(answer))),
        };
        let shared = Arc::clone(&self.layer.shared);
        let (rpc, _) = known;
        let mut span = shared.traces.begin(rpc, request.headers());
        let (call, place) = match self.layer.admit(dialect, known, &request, span.trace()) {
            Ok(admitted) => admitted,
            Err(error) => {
                shared.metrics.call(rpc, error_code_name(&error), None);
                shared.metrics.refused(reason(&error));
                span.answered(error_code_name(&error), Some(reason(&error)));
                return Box::pin(std::future::ready(Ok(dialect.refusal(&error, rpc))));
            }
        };
        let deadline = call.asked.deadline;
        let held = Arc::new(shared.ledger.open(Arc::clone(&call.asked.caller.name)));
        let code = code_name(Code::Cancelled);
        let mut count = Count { metrics: Arc::clone(&shared.metrics), rpc, key: call.key.clone(), code, span };
        let request = arriving(dialect, (rpc, call), request, (Arc::clone(&held), self.layer.pace));
        let answering = self.answers.call(request);
        Box::pin(async move {
            // What is rated looks at its deadline by itself; what is still being sent has nobody who does.
            let mut response = match deadline.0 {
                Some(at) => match tokio::time::timeout_at(at + GRACE, answering).await {
                    Ok(response) => response?,
                    Err(_) => dialect.refusal(&Error::DeadlineExceeded, rpc),
                },
                None => answering.await?,
            };
            // The operators' listener has pages, and answers with one what no service of it takes.
            if dialect == Dialect::Grpc && response.status() == StatusCode::NOT_FOUND {
                response = tonic::Status::unimplemented("this listener does not serve the method").into_http();
            }
            count.answered(dialect.code(&response), dialect.reason(&response).as_deref());
            // Until here the message, and what was made of it, is held. A stream goes on holding its own.
            drop(held);
            Ok(response.map(|body| Body::new(Placed { body, _place: place })))
        })
    }
}

/// `request`, whose bytes are counted and watched as they come, and who asks in it.
fn arriving(
    dialect: Dialect,
    (rpc, call): (&str, Call),
    request: Request<Body>,
    (held, pace): (Arc<Held>, Pace),
) -> Request<Body> {
    let answered = Answered::default();
    let reads = answered.clone();
    // Where there is one message, nothing is waited for after it.
    let between = if methods::is_streamed(rpc) { pace.between } else { pace.stall };
    let mut request = request.map(|body| {
        Body::new(match dialect {
            Dialect::Grpc => Arriving::new(body, held, Pace { between, ..pace }, reads),
            Dialect::Http => Arriving::plain(body, held, pace),
        })
    });
    request.extensions_mut().insert(call);
    request.extensions_mut().insert(answered);
    request
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
    key: Option<Arc<str>>,
    code: &'static str,
    span: CallSpan,
}

impl Count {
    fn answered(&mut self, code: Code, reason: Option<&str>) {
        self.code = code_name(code);
        reason.into_iter().for_each(|reason| self.metrics.refused(reason));
        self.span.answered(self.code, reason);
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.metrics.call(self.rpc, self.code, self.key.as_deref());
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

/// What is asked for over HTTP, and is not there.
fn nothing_there(path: &str) -> Response<Body> {
    let paths: Vec<&str> = RESOURCES.iter().map(|(_, at, ..)| *at).collect();
    let detail = format!("there is nothing at {path}; over HTTP there are {}", paths.join(", "));
    problem::of_http(StatusCode::NOT_FOUND, &bounded(detail)).map(Body::new)
}
