//! Counts and times of one measurement. Knows no clock: it is told when things happened.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;
use wildwarden_core::error::Result;
use wildwarden_proto::v1::Timings;

use crate::bench::spread::TimeSummary;
use crate::bench::spread::Times;
use crate::bench::stages::Stage;
use crate::bench::stages::Stages;

/// Messages of failures that are kept.
const EXAMPLES: usize = 5;

/// What became of a listing.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The known rating.
    Right(Timings),
    /// Another rating, or the answer of another request; and why.
    Wrong(String),
    /// An error, with its message.
    Failed(Code, String),
}

/// An outcome and when it happened.
#[derive(Debug, Clone)]
pub struct Reply {
    /// When the listing was to be sent.
    pub intended: Instant,
    /// When it was.
    pub sent: Instant,
    /// When the outcome was there.
    pub finished: Instant,
    /// Photos of the listing.
    pub images: usize,
    /// What it is.
    pub outcome: Outcome,
}

/// Listings by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// With the known rating.
    pub right: u64,
    /// With another.
    pub wrong: u64,
    /// Errors by the name of their gRPC code.
    pub failed: BTreeMap<String, u64>,
    /// Not sent, because as many as allowed were on the way.
    pub not_sent: u64,
}

impl Counts {
    /// Errors of any code.
    pub fn errors(&self) -> u64 {
        self.failed.values().sum()
    }

    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Right(_) => self.right += 1,
            Outcome::Wrong(_) => self.wrong += 1,
            Outcome::Failed(code, _) => *self.failed.entry(format!("{code:?}")).or_default() += 1,
        }
    }
}

/// One second of the measurement, by when outcomes were there.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Second {
    /// Since the start of the measurement, at the end of the row.
    pub at_seconds: f64,
    /// Outcomes in it.
    #[serde(flatten)]
    pub counts: Counts,
    /// Photos of right answers.
    pub images: usize,
    /// Right answers a second.
    pub listings_per_second: f64,
    /// Median latency.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}

/// Everything of one measurement.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Measured {
    /// Its length.
    pub seconds: f64,
    /// Listings that were to be sent in it, and were or were not.
    pub listings: u64,
    /// What became of them.
    pub counts: Counts,
    /// Wrong answers and errors of the warm-up, which no other figure counts.
    pub warmup: Counts,
    /// Right answers that came within the measurement, a second.
    pub listings_per_second: f64,
    /// Their photos, a second.
    pub images_per_second: f64,
    /// Of right answers, from when they were to be sent.
    pub latency: TimeSummary,
    /// Of wrong answers and errors, likewise.
    pub failed_latency: TimeSummary,
    /// From when a listing was to be sent to when it was: what this program, not the server, was late.
    pub send_lag: TimeSummary,
    /// Times in the server, of right answers.
    pub stages: Vec<Stage>,
    /// Quantiles and milliseconds of `latency`.
    pub curve: Vec<(f64, f64)>,
    /// A row a second.
    pub series: Vec<Second>,
    /// The first messages of wrong answers and errors.
    pub examples: Vec<String>,
}

/// What the progress line shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Live {
    /// Since the measurement began; zero in the warm-up.
    pub elapsed: Duration,
    /// Right answers a second.
    pub listings_per_second: f64,
    /// Median latency.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Wrong answers, errors and listings not sent.
    pub faults: u64,
}

/// Takes what happens.
#[derive(Debug)]
pub struct Recorder {
    from: Instant,
    to: Option<Instant>,
    last: Instant,
    counts: Counts,
    warmup: Counts,
    /// Right answers and their photos that came within the measurement.
    within: (u64, usize),
    latency: Times,
    failed_latency: Times,
    send_lag: Times,
    stages: Stages,
    second: (u64, Second, Times),
    series: Vec<Second>,
    examples: Vec<String>,
}

impl Recorder {
    /// Measures what is intended between `from` and `to`; without `to`, all after `from`.
    ///
    /// # Errors
    /// See [`Times::new`].
    pub fn new(from: Instant, to: Option<Instant>) -> Result<Self> {
        Ok(Self {
            from,
            to,
            last: from,
            counts: Counts::default(),
            warmup: Counts::default(),
            within: (0, 0),
            latency: Times::new()?,
            failed_latency: Times::new()?,
            send_lag: Times::new()?,
            stages: Stages::new()?,
            second: (0, Second::default(), Times::new()?),
            series: Vec::new(),
            examples: Vec::new(),
        })
    }

    /// Takes an outcome.
    pub fn record(&mut self, reply: &Reply) {
        let latency = reply.finished.saturating_duration_since(reply.intended);
        // Throughput and rows go by the end: work that ends after the measurement is as much as that which began before it.
        if reply.finished >= self.from && self.to.is_none_or(|to| reply.finished < to) {
            self.record_within(reply, latency);
        }
        if let Outcome::Wrong(problem) | Outcome::Failed(_, problem) = &reply.outcome
            && self.examples.len() < EXAMPLES
        {
            self.examples.push(problem.clone());
        }
        if reply.intended < self.from {
            self.warmup.add(&reply.outcome);
            return;
        }
        self.last = self.last.max(reply.finished);
        self.counts.add(&reply.outcome);
        self.send_lag.record(reply.sent.saturating_duration_since(reply.intended));
        match &reply.outcome {
            Outcome::Right(timings) => {
                self.latency.record(latency);
                self.stages.record(timings, reply.finished.saturating_duration_since(reply.sent));
            }
            Outcome::Wrong(_) | Outcome::Failed(..) => self.failed_latency.record(latency),
        }
    }

    /// Takes a listing that was not sent at `intended`.
    pub fn record_not_sent(&mut self, intended: Instant) {
        if intended < self.from {
            self.warmup.not_sent += 1;
            return;
        }
        self.last = self.last.max(intended);
        self.counts.not_sent += 1;
        if self.to.is_none_or(|to| intended < to) {
            self.turn_to(intended);
            self.second.1.counts.not_sent += 1;
        }
    }

    fn record_within(&mut self, reply: &Reply, latency: Duration) {
        self.turn_to(reply.finished);
        let (_, row, times) = &mut self.second;
        row.counts.add(&reply.outcome);
        if matches!(reply.outcome, Outcome::Right(_)) {
            row.images += reply.images;
            times.record(latency);
            self.within.0 += 1;
            self.within.1 += reply.images;
        }
    }

    /// Closes rows until the one that `at` belongs to.
    fn turn_to(&mut self, at: Instant) {
        let second = at.saturating_duration_since(self.from).as_secs();
        while self.second.0 < second {
            self.close_row(1.0);
        }
    }

    fn close_row(&mut self, length: f64) {
        let (second, row, times) = &mut self.second;
        let mut row = std::mem::take(row);
        row.at_seconds = *second as f64 + length;
        row.listings_per_second = row.counts.right as f64 / length;
        (row.p50_ms, row.p99_ms) = (times.quantile_ms(0.5), times.quantile_ms(0.99));
        times.clear();
        *second += 1;
        self.series.push(row);
    }

    /// So far, at `now`.
    pub fn live(&self, now: Instant) -> Live {
        let end = self.to.map_or(now, |to| to.min(now));
        let elapsed = end.saturating_duration_since(self.from);
        let faults = |counts: &Counts| counts.wrong + counts.errors() + counts.not_sent;
        Live {
            elapsed,
            listings_per_second: rate(self.within.0 as f64, elapsed),
            p50_ms: self.latency.quantile_ms(0.5),
            p99_ms: self.latency.quantile_ms(0.99),
            faults: faults(&self.counts) + faults(&self.warmup),
        }
    }

    /// Latencies of right answers.
    pub fn latency(&self) -> &Times {
        &self.latency
    }

    /// Ends the measurement, at `cut` if it was cut short.
    pub fn finish(&mut self, cut: Option<Instant>) -> Measured {
        let end = cut.map_or(self.to.unwrap_or(self.last), |cut| self.to.map_or(cut, |to| to.min(cut)));
        let elapsed = end.saturating_duration_since(self.from);
        let whole = elapsed.as_secs();
        while self.second.0 < whole {
            self.close_row(1.0);
        }
        let rest = elapsed.as_secs_f64() - whole as f64;
        // A rate over a few milliseconds says nothing.
        if rest > 0.05 && self.second.0 == whole {
            self.close_row(rest);
        }
        Measured {
            seconds: elapsed.as_secs_f64(),
            listings: self.counts.right + self.counts.wrong + self.counts.errors() + self.counts.not_sent,
            counts: self.counts.clone(),
            warmup: self.warmup.clone(),
            listings_per_second: rate(self.within.0 as f64, elapsed),
            images_per_second: rate(self.within.1 as f64, elapsed),
            latency: self.latency.spread(),
            failed_latency: self.failed_latency.spread(),
            send_lag: self.send_lag.spread(),
            stages: self.stages.summary(),
            curve: self.latency.curve(),
            series: std::mem::take(&mut self.series),
            examples: std::mem::take(&mut self.examples),
        }
    }
}

fn rate(count: f64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { count / elapsed.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn reply(from: Instant, intended_ms: u64, finished_ms: u64, outcome: Outcome) -> Reply {
        let at = |milliseconds| from + Duration::from_millis(milliseconds);
        Reply { intended: at(intended_ms), sent: at(intended_ms), finished: at(finished_ms), images: 2, outcome }
    }

    fn right() -> Outcome {
        Outcome::Right(Timings { total_us: 3000, ..Default::default() })
    }

    #[test]
    fn wrong_answers_and_errors_are_no_successes_and_have_times_of_their_own() {
        let from = Instant::now();
        let mut recorder = Recorder::new(from, Some(from + 2 * SECOND)).unwrap();
        recorder.record(&reply(from, 0, 10, right()));
        recorder.record(&reply(from, 0, 900, Outcome::Wrong("risk".into())));
        recorder.record(&reply(from, 0, 800, Outcome::Failed(Code::ResourceExhausted, "full".into())));
        recorder.record_not_sent(from);
        let measured = recorder.finish(None);
        let failed = BTreeMap::from([("ResourceExhausted".to_owned(), 1)]);
        assert_eq!(measured.counts, Counts { right: 1, wrong: 1, failed, not_sent: 1 });
        assert_eq!((measured.listings, measured.latency.count, measured.failed_latency.count), (4, 1, 2));
        assert!(measured.latency.max_ms < 11.0 && measured.failed_latency.p50_ms > 799.0);
        assert!((measured.listings_per_second - 0.5).abs() < 1e-9 && (measured.images_per_second - 1.0).abs() < 1e-9);
        assert_eq!(measured.examples, ["risk", "full"]);
        let outside = measured.stages.iter().find(|stage| stage.name == "outside_server").unwrap();
        assert!((outside.spread.p50_ms - 7.0).abs() < 0.01, "{outside:?}");
    }

    #[test]
    fn the_warm_up_counts_in_no_figure_but_its_faults_are_kept() {
        let start = Instant::now();
        let from = start + SECOND;
        let mut recorder = Recorder::new(from, None).unwrap();
        recorder.record(&reply(start, 0, 500, right()));
        recorder.record(&reply(start, 10, 500, Outcome::Wrong("risk".into())));
        recorder.record(&reply(start, 1000, 3000, right()));
        let measured = recorder.finish(None);
        assert_eq!((measured.counts.right, measured.warmup.right, measured.warmup.wrong), (1, 1, 1));
        assert!((measured.seconds - 2.0).abs() < 1e-9 && measured.latency.count == 1);
    }

    #[test]
    fn rows_are_seconds_by_the_end_of_calls_with_empty_ones_between() {
        let from = Instant::now();
        let mut recorder = Recorder::new(from, None).unwrap();
        recorder.record(&reply(from, 0, 100, right()));
        recorder.record(&reply(from, 0, 2500, right()));
        let series = recorder.finish(None).series;
        let rows: Vec<(String, u64)> =
            series.iter().map(|row| (format!("{:.1}", row.at_seconds), row.counts.right)).collect();
        assert_eq!(rows, [("1.0".into(), 1), ("2.0".into(), 0), ("2.5".into(), 1)]);
        assert!((series[2].listings_per_second - 2.0).abs() < 1e-6 && series[2].p50_ms > 2490.0);
    }
}
