//! All connections of a listener: who gets one, and what becomes of them when the server stops.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::body::Body;
use tower::Service;

use crate::transport::connection::{Connection, Manners, OfConnection, Verdict};
use crate::transport::entrance::Entrance;
use crate::transport::tls::{Tls, fingerprint};

/// HTTP/2 windows: with the default of 64 KiB a photo takes a round trip for each 64 KiB. What a peer sends and nobody reads yet is
/// held, as much as a connection's window.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 2 << 20;
/// HTTP/2 frames a client may send: with the default of 16 KiB a phone photo takes hundreds.
const MAX_FRAME: u32 = 1 << 20;
/// Bytes of a call's headers.
const MAX_HEADERS: u32 = 16 << 10;
/// Of HTTP/1, where headers and body come through one buffer.
const HTTP1_BUFFER: usize = 64 << 10;
/// Idle time after which a peer is asked whether it still lives, and how long it has to say so.
const KEEPALIVE: Duration = Duration::from_secs(60);
const ALIVE_WITHIN: Duration = Duration::from_secs(20);
/// Streams of a connection on which frames may come after their end: a call that is refused before it is read leaves some under way,
/// and a connection that is refused many must not be taken for an attack.
const LATE_FRAMES: usize = 1 << 24;
/// Calls that a peer may cancel before they are even seen: a caller that gives up hundreds at once is no attack.
const CANCELLED_AT_ONCE: usize = 1024;
/// How often connections are looked at.
const TICK: Duration = Duration::from_millis(500);
/// After the system refused a connection: it is out of files, and asking again at once would only burn a core.
const OUT_OF_FILES: Duration = Duration::from_millis(50);

/// What a listener's connections may do.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Connections at the same time.
    pub most: usize,
    /// Calls that one may have open.
    pub streams: u32,
    /// How long they may be of no use.
    pub manners: Manners,
    /// HTTP/1 is spoken, too: for pages, and for calls over HTTP.
    pub http1: bool,
}

/// Those that are open.
#[derive(Debug, Default)]
struct Open(Mutex<(u64, HashMap<u64, Arc<Connection>>)>);

impl Open {
    fn enter(self: &Arc<Self>) -> (Arc<Connection>, Place) {
        let connection = Arc::new(Connection::new());
        let mut open = self.0.lock();
        open.0 += 1;
        let id = open.0;
        open.1.insert(id, Arc::clone(&connection));
        (connection, Place { open: Arc::clone(self), id })
    }

    fn len(&self) -> usize {
        self.0.lock().1.len()
    }

    /// The one that has been idle for longest gives way. `false`: all are at work.
    fn make_room(&self) -> bool {
        let mut open = self.0.lock();
        let idle = open.1.iter().filter_map(|(id, connection)| Some((connection.idle_since()?, *id)));
        let Some((_, id)) = idle.min() else { return false };
        open.1.remove(&id).into_iter().for_each(|connection| connection.give_way.notify_one());
        true
    }
}

/// A connection's place, given up when it is dropped.
struct Place {
    open: Arc<Open>,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.0.lock().1.remove(&self.id);
    }
}

/// Accepts connections at `entrance` until `stop` says so, and answers their calls by `answers`. Then every connection is told to go;
/// ends once all have finished what was under way.
pub async fn serve<S>(
    entrance: Entrance,
    tls: Option<Arc<Tls>>,
    answers: S,
    rules: Rules,
    mut stop: watch::Receiver<bool>,
) where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Error: std::error::Error + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let open: Arc<Open> = Arc::default();
    let mut serving = JoinSet::new();
    let mut told = Instant::now() - Duration::from_secs(60);
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = serving.join_next() => continue,
            accepted = entrance.accept() => accepted,
        };
        let (stream, mut from) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) => {
                // A peer that left before it was accepted is no trouble; want of files is, and an idle connection frees one.
                if open.make_room() || told.elapsed() > Duration::from_secs(1) {
                    tracing::warn!(%cause, connections = open.len(), "a connection could not be accepted");
                    told = Instant::now();
                }
                tokio::time::sleep(OUT_OF_FILES).await;
                continue;
            }
        };
        if open.len() >= rules.most && !open.make_room() {
            if told.elapsed() > Duration::from_secs(1) {
                tracing::warn!(
                    ?from,
                    connections = open.len(),
                    "a connection was refused: all are at work (server.max_connections)"
                );
                told = Instant::now();
            }
            continue;
        }
        let (connection, place) = open.enter();
        let (answers, stop, tls) = (answers.clone(), stop.clone(), tls.clone());
        serving.spawn(async move {
            match tls {
                None => serve_one(stream, OfConnection { answers, connection, from }, rules, stop).await,
                Some(tls) => {
                    let stream = tokio::select! {
                        stream = tls.accept(stream) => stream,
                        () = connection.give_way.notified() => None,
                    };
                    if let Some(stream) = stream {
                        from.certificate = fingerprint(&stream).map(Arc::from);
                        serve_one(stream, OfConnection { answers, connection, from }, rules, stop).await;
                    }
                }
            }
            drop(place);
        });
    }
    drop(entrance);
    while serving.join_next().await.is_some() {}
}

/// Returns once `stop` says so, or nobody is left to say it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn serve_one<S>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    answers: OfConnection<S>,
    rules: Rules,
    mut stop: watch::Receiver<bool>,
) where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Error: std::error::Error + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let builder = builder(rules);
    let connection = Arc::clone(&answers.connection);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(answers));
    tokio::pin!(served);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut leaving: Option<Instant> = None;
    loop {
        tokio::select! {
            outcome = served.as_mut() => {
                if let Err(cause) = outcome {
                    tracing::debug!(%cause, "a connection ended");
                }
                return;
            }
            () = connection.give_way.notified() => return tracing::debug!("an idle connection gave way"),
            () = stopped(&mut stop), if leaving.is_none() => {
                served.as_mut().graceful_shutdown();
                leaving = Some(Instant::now());
            }
            _ = tick.tick() => match connection.verdict(Instant::now(), rules.manners, leaving) {
                Verdict::Stay => {}
                Verdict::Leave => {
                    served.as_mut().graceful_shutdown();
                    leaving = Some(Instant::now());
                }
                Verdict::Cut(why) => return tracing::debug!(why, "a connection was cut"),
            }
        }
    }
}

fn builder(rules: Rules) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEADERS)
        .max_concurrent_streams(rules.streams)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(ALIVE_WITHIN)
        .max_local_error_reset_streams(LATE_FRAMES)
        .max_pending_accept_reset_streams(CANCELLED_AT_ONCE);
    if rules.http1 {
        builder
            .http1()
            .timer(TokioTimer::new())
            .max_buf_size(HTTP1_BUFFER)
            .header_read_timeout(rules.manners.first_call);
        return builder;
    }
    builder.http2_only()
}
