//! One connection: what is under way on it, and when it has been of no use for too long.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::transport::methods;
use crate::transport::origin::From;

/// How long a connection may be of no use.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// Until its first call.
    pub first_call: Duration,
    /// Without a call.
    pub idle: Duration,
    /// In all; what is under way then is finished.
    pub age: Duration,
    /// After it was told to go, with nothing under way.
    pub grace: Duration,
    /// With a part of an answer that nobody takes.
    pub stall: Duration,
}

/// What should become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stays.
    Stay,
    /// It is told to go, and finishes what is under way.
    Leave,
    /// It is cut, for this reason.
    Cut(&'static str),
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Connection {
    begun: Instant,
    calls: Mutex<Calls>,
    /// Somebody else needs its place.
    pub(super) give_way: Notify,
}

/// What is under way on a connection.
#[derive(Debug, Default)]
struct Calls {
    next: u64,
    /// Since when a part of the answer waits to be taken, in milliseconds of the connection's life; 0: none does.
    under_way: HashMap<u64, Arc<AtomicU64>>,
    /// Those of them that everybody may make, and may leave open for ever, such as to watch health.
    open: HashSet<u64>,
    /// When the last one ended.
    last: Option<Instant>,
}

impl Calls {
    fn has_no_work(&self) -> bool {
        self.under_way.len() == self.open.len()
    }
}

impl Connection {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), calls: Mutex::default(), give_way: Notify::new() }
    }

    /// Since when nothing is under way but what everybody may leave open; `None`: something is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let calls = self.calls.lock();
        calls.has_no_work().then(|| calls.last.unwrap_or(self.begun))
    }

    /// What should become of it at `now`. `leaving`: since when it has been told to go.
    pub(super) fn verdict(&self, now: Instant, manners: Manners, leaving: Option<Instant>) -> Verdict {
        let calls = self.calls.lock();
        let life = now.saturating_duration_since(self.begun);
        let stalled = |since: &AtomicU64| {
            let since = Duration::from_millis(since.load(Ordering::Relaxed));
            !since.is_zero() && life.saturating_sub(since) > manners.stall
        };
        if calls.under_way.values().any(|since| stalled(since)) {
            return Verdict::Cut("an answer is not taken");
        }
        let none_counts = if leaving.is_some() { calls.has_no_work() } else { calls.under_way.is_empty() };
        if !none_counts {
            return if leaving.is_none() && life > manners.age { Verdict::Leave } else { Verdict::Stay };
        }
        if let Some(told) = leaving {
            let gone = now.saturating_duration_since(told) > manners.grace;
            return if gone { Verdict::Cut("it does not go") } else { Verdict::Stay };
        }
        match calls.last {
            // Balancers connect before they call: they are told, and others cut a little later.
            None if life > manners.first_call => Verdict::Leave,
            Some(last) if now.saturating_duration_since(last) > manners.idle || life > manners.age => Verdict::Leave,
            None | Some(_) => Verdict::Stay,
        }
    }

    fn begin(self: &Arc<Self>, is_open: bool) -> UnderWay {
        let waits = Arc::new(AtomicU64::new(0));
        let mut calls = self.calls.lock();
        calls.next += 1;
        let id = calls.next;
        calls.under_way.insert(id, Arc::clone(&waits));
        if is_open {
            calls.open.insert(id);
        }
        UnderWay { connection: Arc::clone(self), id, waits }
    }
}

/// A call, until its answer is taken.
#[derive(Debug)]
struct UnderWay {
    connection: Arc<Connection>,
    id: u64,
    waits: Arc<AtomicU64>,
}

impl UnderWay {
    /// A part of the answer waits from now on, or none does.
    fn waits(&self, waits: bool) {
        let life = self.connection.begun.elapsed();
        let since = if waits { u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1) } else { 0 };
        self.waits.store(since, Ordering::Relaxed);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut calls = self.connection.calls.lock();
        calls.under_way.remove(&self.id);
        calls.open.remove(&self.id);
        calls.last = Some(Instant::now());
    }
}

/// What answers the calls of one connection, and knows that they are under way.
#[derive(Debug, Clone)]
pub(super) struct OfConnection<S> {
    pub(super) answers: S,
    pub(super) connection: Arc<Connection>,
    pub(super) from: From,
}

impl<S, B> Service<Request<B>> for OfConnection<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Answer>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.answers.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let under_way = self.connection.begin(methods::is_open(request.uri().path()));
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.from.clone());
        let answering = self.answers.call(request);
        Box::pin(async move { Ok(answering.await?.map(|inner| Answer { inner, under_way })) })
    }
}

/// An answer on its way out.
#[derive(Debug)]
pub(super) struct Answer {
    inner: Body,
    under_way: UnderWay,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // Whoever asks for the next part has got rid of the one before.
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        self.under_way.waits(matches!(polled, Poll::Ready(Some(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANNERS: Manners = Manners {
        first_call: Duration::from_secs(10),
        idle: Duration::from_secs(300),
        age: Duration::from_secs(3600),
        grace: Duration::from_secs(5),
        stall: Duration::from_secs(30),
    };

    #[tokio::test(start_paused = true)]
    async fn who_never_calls_is_idle_or_old_is_told_to_go_and_cut_when_it_does_not() {
        let connection = Arc::new(Connection::new());
        let at = |seconds| Instant::now() + Duration::from_secs(seconds);
        let verdict = |seconds, leaving| connection.verdict(at(seconds), MANNERS, leaving);
        assert_eq!(verdict(9, None), Verdict::Stay);
        assert_eq!(verdict(11, None), Verdict::Leave);
        assert_eq!(verdict(17, Some(at(11))), Verdict::Cut("it does not go"));
        let call = connection.begin(false);
        assert_eq!((verdict(400, None), verdict(3601, None)), (Verdict::Stay, Verdict::Leave));
        assert_eq!(connection.idle_since(), None);
        // What is under way is finished, however long it takes.
        assert_eq!(verdict(9000, Some(at(0))), Verdict::Stay);
        let watch = connection.begin(true);
        drop(call);
        // A watch is no work: it keeps no place, and no server from going.
        assert!(connection.idle_since().is_some());
        assert_eq!((verdict(400, None), verdict(6, Some(at(0)))), (Verdict::Stay, Verdict::Cut("it does not go")));
        drop(watch);
        assert_eq!((verdict(299, None), verdict(301, None)), (Verdict::Stay, Verdict::Leave));
        assert_eq!((verdict(4, Some(at(0))), verdict(6, Some(at(0)))), (Verdict::Stay, Verdict::Cut("it does not go")));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_the_connection_and_one_that_is_awaited_does_not() {
        let connection = Arc::new(Connection::new());
        let call = connection.begin(false);
        let later = Instant::now() + Duration::from_secs(40);
        assert_eq!(connection.verdict(later, MANNERS, None), Verdict::Stay, "the server is at work");
        call.waits(true);
        assert_eq!(connection.verdict(later, MANNERS, None), Verdict::Cut("an answer is not taken"));
        call.waits(false);
        assert_eq!(connection.verdict(later, MANNERS, None), Verdict::Stay);
    }
}
