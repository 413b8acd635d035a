//! Where the time of an answer went, from the `Timings` it carries.

use std::time::Duration;

use wildwarden_core::error::Result;
use wildwarden_proto::v1::Timings;

use crate::bench::spread::TimeSummary;
use crate::bench::spread::Times;

type Microseconds = fn(&Timings) -> u64;

/// Stages by their names in the contract.
const STAGES: [(&str, Microseconds); 8] = [
    ("queue_wait", |timings| timings.queue_wait_us),
    ("decode", |timings| timings.decode_us),
    ("resize", |timings| timings.resize_us),
    ("image_inference", |timings| timings.image_inference_us),
    ("text_features", |timings| timings.text_features_us),
    ("text_inference", |timings| timings.text_inference_us),
    ("score", |timings| timings.score_us),
    ("total", |timings| timings.total_us),
];
/// From sending to the answer, less `total`: both ends' gRPC, the network, and waiting before the request was read.
const OUTSIDE: &str = "outside_server";

/// A histogram a stage.
#[derive(Debug)]
pub struct Stages {
    of_server: Vec<Times>,
    outside: Times,
}

/// Times of one stage.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Stage {
    /// In the contract, or `outside_server`.
    pub name: &'static str,
    /// A listing.
    #[serde(flatten)]
    pub spread: TimeSummary,
}

impl Stages {
    /// No answer yet.
    ///
    /// # Errors
    /// See [`Times::new`].
    pub fn new() -> Result<Self> {
        let of_server = STAGES.iter().map(|_| Times::new()).collect::<Result<_>>()?;
        Ok(Self { of_server, outside: Times::new()? })
    }

    /// Adds an answer that came `after` it was sent.
    pub fn record(&mut self, timings: &Timings, after: Duration) {
        for (times, (_, microseconds)) in self.of_server.iter_mut().zip(STAGES) {
            times.record_us(microseconds(timings));
        }
        self.outside.record(after.saturating_sub(Duration::from_micros(timings.total_us)));
    }

    /// In the order of a request.
    pub fn summary(&self) -> Vec<Stage> {
        let named = STAGES.iter().map(|(name, _)| *name).zip(&self.of_server).chain([(OUTSIDE, &self.outside)]);
        named.map(|(name, times)| Stage { name, spread: times.spread() }).collect()
    }
}
