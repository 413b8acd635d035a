//! The outcome as one value: JSON, CSV, and whether it is good.

use crate::bench::measure::Counts;
use crate::bench::measure::Measured;
use crate::bench::measure::Second;

/// Raised when a field changes its meaning.
pub const FORMAT: u32 = 1;

/// Codes with which a server that is full, or a caller that does not wait, ends a call: what a search is out to find.
const OVERLOAD: [&str; 2] = ["ResourceExhausted", "DeadlineExceeded"];

/// `--json` of `wildwarden bench`; keys are stable, see [`FORMAT`].
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of this program.
    pub program: &'static str,
    /// closed, open, ramp or search.
    pub mode: &'static str,
    /// Of the server.
    pub address: String,
    /// What was sent.
    pub input: Input,
    /// The file of known ratings; without one they are the answers to each listing alone, before the load.
    pub known_from: Option<String>,
    /// Answers under load by the set of models that gave them, warm-up included.
    pub versions: Vec<(String, u64)>,
    /// What sent it.
    pub client: Client,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
    /// What a search found.
    pub searched: Option<Searched>,
    /// One of a closed or open loop, one a rate of a ramp or search.
    pub steps: Vec<Step>,
}

/// What was sent.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Input {
    /// Distinct listings.
    pub listings: usize,
    /// Their photos.
    pub images: usize,
    /// The photos' bytes.
    pub bytes: usize,
    /// Whether each photo sent had bytes of its own.
    pub unique: bool,
}

/// What sent it.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Client {
    /// CPU time of this program under load, warm-ups included; absent where the system does not tell.
    pub cpu_seconds: Option<f64>,
    /// HTTP/2 connections.
    pub connections: usize,
    /// Listings on the way at most, in an open loop.
    pub max_in_flight: usize,
    /// Of order and arrivals.
    pub seed: u64,
    /// Before each step.
    pub warmup_seconds: f64,
}

/// What a search found.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Searched {
    /// What the 99th percentile was allowed to be.
    pub p99_limit_ms: f64,
    /// The highest rate that held; absent if none did.
    pub listings_per_second: Option<f64>,
}

/// One load.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Step {
    /// Mean rate of arrivals of an open loop.
    pub offered: Option<f64>,
    /// Callers of a closed loop.
    pub callers: Option<usize>,
    /// In a search: whether the rate held.
    pub held: Option<bool>,
    /// Figures.
    #[serde(flatten)]
    pub measured: Measured,
}

impl Step {
    /// `20.0/s`, or `8 callers`.
    pub fn name(&self) -> String {
        match (self.offered, self.callers) {
            (Some(rate), _) => format!("{rate:.1}/s"),
            (None, Some(callers)) => format!("{callers} callers"),
            (None, None) => String::new(),
        }
    }

    /// Whether a search may go higher: all answered, all right, all soon enough.
    pub fn holds(&self, p99_limit_ms: f64) -> bool {
        let (counts, warmup) = (&self.measured.counts, &self.measured.warmup);
        let faults = |counts: &Counts| counts.wrong + counts.errors() + counts.not_sent;
        counts.right > 0 && faults(counts) + faults(warmup) == 0 && self.measured.latency.p99_ms <= p99_limit_ms
    }
}

impl Report {
    /// What makes the run a failure, in sentences; nothing if it is a success. With `allow_errors` only wrong answers count.
    /// In a search overload is no fault of a rate that did not hold.
    pub fn faults(&self, allow_errors: bool) -> Vec<String> {
        let mut faults = Vec::new();
        for step in &self.steps {
            let all = [&step.measured.counts, &step.measured.warmup];
            let wrong: u64 = all.iter().map(|counts| counts.wrong).sum();
            if wrong > 0 {
                faults.push(format!("{}: {wrong} wrong answers", step.name()));
            }
            let is_expected = |code: &str| step.held == Some(false) && OVERLOAD.contains(&code);
            let mut failed = 0;
            for (_, count) in all.iter().flat_map(|counts| &counts.failed).filter(|(code, _)| !is_expected(code)) {
                failed += count;
            }
            let not_sent: u64 = all.iter().map(|counts| counts.not_sent).sum();
            if allow_errors {
                continue;
            }
            if failed > 0 {
                faults.push(format!("{}: {failed} calls failed", step.name()));
            }
            if not_sent > 0 && step.held != Some(false) {
                faults.push(format!("{}: {not_sent} listings were not sent", step.name()));
            }
        }
        if self.searched.is_some_and(|searched| searched.listings_per_second.is_none()) {
            faults.push("no rate held".to_owned());
        }
        faults
    }

    /// A row a second of a closed or open loop, a row a step of a ramp or search.
    pub fn csv(&self) -> String {
        match self.steps.as_slice() {
            [only] if matches!(self.mode, "closed" | "open") => seconds_csv(&only.measured.series),
            steps => steps_csv(steps),
        }
    }
}

fn failed(counts: &Counts) -> String {
    let codes = counts.failed.iter().map(|(code, count)| format!("{code}={count}"));
    codes.collect::<Vec<_>>().join(" ")
}

fn seconds_csv(series: &[Second]) -> String {
    let header = "second,listings_per_second,images,p50_ms,p99_ms,right,wrong,errors,not_sent,errors_by_code\n";
    let row = |row: &Second| {
        let counts = &row.counts;
        format!(
            "{:.3},{:.3},{},{:.3},{:.3},{},{},{},{},{}\n",
            row.at_seconds,
            row.listings_per_second,
            row.images,
            row.p50_ms,
            row.p99_ms,
            counts.right,
            counts.wrong,
            counts.errors(),
            counts.not_sent,
            failed(counts)
        )
    };
    header.to_owned() + &series.iter().map(row).collect::<String>()
}

fn steps_csv(steps: &[Step]) -> String {
    let header = "offered_per_second,held,seconds,listings_per_second,images_per_second,mean_ms,p50_ms,p90_ms,p99_ms,\
                  p999_ms,max_ms,right,wrong,errors,not_sent,errors_by_code\n";
    let row = |step: &Step| {
        let (measured, latency, counts) = (&step.measured, &step.measured.latency, &step.measured.counts);
        let offered = step.offered.map(|rate| format!("{rate:.3}")).unwrap_or_default();
        let held = step.held.map(|held| held.to_string()).unwrap_or_default();
        let rates = format!("{:.3},{:.3}", measured.listings_per_second, measured.images_per_second);
        let times = [latency.mean_ms, latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms];
        let times = times.map(|time| format!("{time:.3}")).join(",");
        let counted = [counts.right, counts.wrong, counts.errors(), counts.not_sent].map(|count| count.to_string());
        format!("{offered},{held},{:.3},{rates},{times},{},{}\n", measured.seconds, counted.join(","), failed(counts))
    };
    header.to_owned() + &steps.iter().map(row).collect::<String>()
}
