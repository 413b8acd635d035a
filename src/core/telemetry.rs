//! Log lines. Never image bytes, never listing text. They go through a bounded queue to a thread of their own: a log that
//! cannot be written, or that nobody reads, costs lines and never a call.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::error::{Error, Result};

/// Lines that may wait for the writer; later ones are dropped and counted.
const QUEUED_LINES: usize = 4096;

/// How long [`stop`] waits for the writer. Nothing that reports may hold what ends.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// Lines that the stream did not take: a full disk, a reader that has gone.
static UNWRITTEN: AtomicU64 = AtomicU64::new(0);
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();
static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);

/// Sends events to standard error, as text or JSON, filtered by `level`.
///
/// # Errors
/// [`Error::Setup`] when `level` is not a filter.
pub fn start(json: bool, level: &str) -> Result<()> {
    // ONNX Runtime's own lines below warning cost time on every run.
    let filter: Targets = format!("{level},ort=warn")
        .parse()
        .map_err(|cause| Error::setup(format!("log.level: {level:?} is not a filter: {cause}")))?;
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUED_LINES)
        .thread_name("log")
        .finish(StandardError);
    let dropped = writer.error_counter();
    // Without internal errors: the subscriber would print them to the very stream that fails, and panic.
    let lines =
        tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(writer).log_internal_errors(false);
    // A second call keeps the first subscriber, which is what tests with several servers in one process want.
    let started = if json {
        lines.json().finish().with(filter).try_init()
    } else {
        lines.with_ansi(false).finish().with(filter).try_init()
    };
    if started.is_ok() {
        let _ = DROPPED.set(dropped);
        if let Ok(mut kept) = WRITER.lock() {
            *kept = Some(guard);
        }
    }
    Ok(())
}

/// Writes what waits and ends the writer; gives up after two seconds when nobody reads. Later lines are lost.
pub fn stop() {
    let Some(writer) = WRITER.lock().ok().and_then(|mut kept| kept.take()) else { return };
    // Dropping the guard waits for the writer and may print that it waited in vain, which may wait, too: so on a thread apart.
    let (done, finished) = mpsc::channel::<()>();
    let ending = std::thread::Builder::new().name("log-end".into()).spawn(move || {
        drop(writer);
        drop(done);
    });
    if ending.is_ok() {
        let _ = finished.recv_timeout(STOP_WAIT);
    }
}

/// Lines lost since the start: the writer did not keep up, or the stream did not take them.
pub fn dropped_lines() -> u64 {
    let dropped = DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64);
    dropped.saturating_add(UNWRITTEN.load(Ordering::Relaxed))
}

/// Standard error that takes everything: what it cannot write is counted and forgotten.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if io::stderr().write_all(line).is_err() {
            UNWRITTEN.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}
