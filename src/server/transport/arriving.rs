//! The body of a request on its way in: its bytes are counted before they pile up, and who sends too slowly is given up.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;

use crate::transport::ledger::Held;
use crate::transport::status::status;

/// Bytes before a message: whether it is compressed, and its length (gRPC over HTTP/2).
const PREFIX: usize = 5;

/// How long a sender may take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Until the next byte of a message.
    pub stall: Duration,
    /// From the first byte of a message to its last.
    pub message: Duration,
    /// Between two messages of a stream.
    pub between: Duration,
    /// What a compressed message may come to.
    pub inflated: usize,
    /// Messages of a stream that may be rated at the same time; those before are done with.
    pub at_once: usize,
}

/// Counts the messages of a stream that were answered: what they held is free.
#[derive(Debug, Clone, Default)]
pub struct Answered(Arc<AtomicUsize>);

impl Answered {
    /// One more. The stream is read again after it.
    pub fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A request's body that is watched.
#[derive(Debug)]
pub struct Arriving {
    inner: Body,
    held: Arc<Held>,
    pace: Pace,
    /// How often its bytes count: what is made of JSON takes room beside it.
    weight: usize,
    prefix: Vec<u8>,
    /// Bytes of the present message that are to come.
    left: usize,
    /// What the present message holds.
    size: usize,
    /// What the messages before hold, the oldest first.
    before: VecDeque<usize>,
    /// Messages that were answered, and those of them whose bytes were given back.
    answered: Answered,
    given_back: usize,
    /// When the present message must be whole.
    until: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Arriving {
    /// `inner`, whose bytes are `held`.
    pub fn new(inner: Body, held: Arc<Held>, pace: Pace, answered: Answered) -> Self {
        let timer = Box::pin(sleep_until(Instant::now() + pace.stall));
        Self {
            inner,
            held,
            pace,
            weight: 1,
            prefix: Vec::with_capacity(PREFIX),
            left: 0,
            size: 0,
            before: VecDeque::new(),
            answered,
            given_back: 0,
            until: None,
            timer,
        }
    }

    /// As [`Self::new`], of a body that is one message as it is, which becomes another beside it.
    pub fn plain(inner: Body, held: Arc<Held>, pace: Pace) -> Self {
        let mut arriving = Self::new(inner, held, Pace { between: pace.stall, ..pace }, Answered::default());
        (arriving.weight, arriving.left) = (2, usize::MAX);
        arriving
    }

    /// Counts `data`, and notes where messages begin and end.
    fn read(&mut self, mut data: Bytes) -> Result<(), Status> {
        let now = Instant::now();
        while data.has_remaining() {
            if self.left > 0 {
                self.until.get_or_insert(now + self.pace.message);
                let part = self.left.min(data.len());
                self.left -= part;
                data.advance(part);
                self.hold(part * self.weight)?;
                if self.left == 0 {
                    self.end_message();
                }
                continue;
            }
            self.until.get_or_insert(now + self.pace.message);
            let part = (PREFIX - self.prefix.len()).min(data.len());
            self.prefix.extend(data.split_to(part));
            if let [compressed, a, b, c, d] = *self.prefix.as_slice() {
                self.prefix.clear();
                self.left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
                if compressed != 0 {
                    // What comes out of it is not known before, and may be all that is allowed.
                    self.hold(self.pace.inflated)?;
                }
                if self.left == 0 {
                    self.end_message();
                }
            }
        }
        let next = match self.until {
            Some(until) => until.min(now + self.pace.stall),
            None => now + self.pace.between,
        };
        self.timer.as_mut().reset(next);
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Status> {
        self.size += bytes;
        self.held.add(bytes).map_err(|error| status(&error, ""))
    }

    fn end_message(&mut self) {
        self.until = None;
        self.held.whole();
        self.before.push_back(std::mem::take(&mut self.size));
        // Whoever reads a stream reads no further before one of these is done.
        while self.before.len() > self.pace.at_once {
            self.held.give_back(self.before.pop_front().unwrap_or_default());
        }
    }

    /// Gives back what answered messages held. They end in any order; so many of the oldest stand for them, and once all are answered
    /// nothing is held.
    fn give_back(&mut self) {
        let answered = self.answered.0.load(Ordering::Relaxed);
        while self.given_back < answered {
            self.given_back += 1;
            let Some(bytes) = self.before.pop_front() else { continue };
            self.held.give_back(bytes);
        }
    }

    fn too_slow(&self) -> Status {
        let (what, limit, key) = match self.until {
            Some(until) if Instant::now() >= until => {
                ("the message was not whole", self.pace.message, "server.message_seconds")
            }
            Some(_) => ("no byte of the message came", self.pace.stall, "server.stall_seconds"),
            None if self.before.is_empty() && self.given_back == 0 => {
                ("no message came", self.pace.stall, "server.stall_seconds")
            }
            None => ("no further message came", self.pace.between, "server.stream_idle_seconds"),
        };
        Status::deadline_exceeded(format!("{what} within {} s ({key})", limit.as_secs_f64()))
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.give_back();
        if let Err(error) = self.held.check(context.waker()) {
            return Poll::Ready(Some(Err(status(&error, ""))));
        }
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref().cloned()
                    && let Err(refused) = self.read(data)
                {
                    return Poll::Ready(Some(Err(refused)));
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(last) => {
                if last.is_none() && self.until.is_some() {
                    // Of a plain body its end is that of its message.
                    self.held.whole();
                }
                Poll::Ready(last)
            }
            Poll::Pending => {
                ready!(self.timer.as_mut().poll(context));
                Poll::Ready(Some(Err(self.too_slow())))
            }
        }
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
    use std::collections::VecDeque;
    use std::future::poll_fn;

    use super::*;
    use crate::transport::ledger::Ledger;

    const PACE: Pace = Pace {
        stall: Duration::from_secs(10),
        message: Duration::from_secs(30),
        between: Duration::from_secs(300),
        inflated: 5000,
        at_once: 2,
    };

    /// Gives its parts one after the other, each after so many seconds.
    struct Parts(VecDeque<(u64, Vec<u8>)>, Option<Pin<Box<Sleep>>>);

    impl HttpBody for Parts {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            let Some((after, _)) = self.0.front() else { return Poll::Ready(None) };
            let wait = Duration::from_secs(*after);
            let timer = self.1.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            ready!(timer.as_mut().poll(context));
            self.1 = None;
            let (_, part) = self.0.pop_front().unwrap();
            Poll::Ready(Some(Ok(Frame::data(part.into()))))
        }
    }

    fn message(bytes: usize) -> Vec<u8> {
        let length = u32::try_from(bytes).unwrap().to_be_bytes();
        [vec![0], length.to_vec(), vec![7; bytes]].concat()
    }

    async fn read(parts: Vec<(u64, Vec<u8>)>, most: usize) -> (usize, Result<(), Status>, usize) {
        let ledger = Ledger::new(most);
        let held = Arc::new(ledger.open(Arc::from("a")));
        let mut body = Arriving::new(Body::new(Parts(parts.into(), None)), held, PACE, Answered::default());
        let mut bytes = 0;
        loop {
            match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                None => return (bytes, Ok(()), ledger.used()),
                Some(Err(status)) => return (bytes, Err(status), ledger.used()),
                Some(Ok(frame)) => bytes += frame.into_data().unwrap().len(),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_counted_over_any_cuts_and_those_of_old_messages_given_back() {
        let all = [message(100), message(0), message(300), message(50)].concat();
        for cut in [1, 3, 7, 1000] {
            let parts = all.chunks(cut).map(|part| (0, part.to_vec())).collect();
            let (bytes, outcome, used) = read(parts, 10_000).await;
            assert!(outcome.is_ok() && bytes == all.len());
            assert_eq!(used, 350, "the last two, in parts of {cut}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_bytes_and_compressed_ones_that_may_become_too_many_are_refused() {
        let (_, outcome, _) = read(vec![(0, message(900)[..500].to_vec()), (0, vec![7; 400])], 600).await;
        assert_eq!(outcome.unwrap_err().code(), tonic::Code::ResourceExhausted);
        let mut compressed = message(10);
        compressed[0] = 1;
        let (_, outcome, _) = read(vec![(0, compressed)], 4000).await;
        assert!(outcome.unwrap_err().message().contains("limits.max_bytes_in_flight"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_stalls_who_drips_and_who_falls_silent_is_given_up() {
        let whole = message(100);
        let drip = whole.iter().map(|byte| (1, vec![*byte])).collect();
        for (parts, said) in [
            (vec![(11, whole.clone())], "no message came within 10 s (server.stall_seconds)"),
            (vec![(0, whole[..50].to_vec()), (11, whole[50..].to_vec())], "server.stall_seconds"),
            (drip, "server.message_seconds"),
            (vec![(0, whole.clone()), (301, whole.clone())], "server.stream_idle_seconds"),
        ] {
            let (_, outcome, _) = read(parts, 10_000).await;
            let status = outcome.unwrap_err();
            assert!(status.code() == tonic::Code::DeadlineExceeded && status.message().contains(said), "{status:?}");
        }
        let patient = vec![(9, whole[..50].to_vec()), (9, whole[50..].to_vec()), (299, whole)];
        assert!(read(patient, 10_000).await.1.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_answered_holds_nothing_while_the_stream_is_idle() {
        let ledger = Ledger::new(10_000);
        let held = Arc::new(ledger.open(Arc::from("a")));
        let parts = vec![(0, message(100)), (0, message(200)), (50, message(10))];
        let answered = Answered::default();
        let mut body = Arriving::new(Body::new(Parts(parts.into(), None)), held, PACE, answered.clone());
        for _ in 0..2 {
            poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.unwrap().unwrap();
        }
        assert_eq!(ledger.used(), 300);
        answered.one_more();
        answered.one_more();
        poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context).is_pending())).await;
        assert_eq!(ledger.used(), 0);
    }
}
