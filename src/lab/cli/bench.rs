//! `wildwarden bench`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use wildwarden_server::cli::peer::{Peer, address};
use wildwarden_server::cli::tell;

use super::numbers::{number, positive_number};
use crate::bench::client::Target;
use crate::bench::listings::Source;
use crate::bench::load::{Length, Phases};
use crate::bench::run::{self, LoadSettings, LoadTestResult, Mode, Progress};
use crate::bench::{page, text};

/// Callers that share a connection by default, and the most connections opened by default.
const CALLERS_A_CONNECTION: usize = 8;
const MOST_CONNECTIONS: usize = 8;

/// Load a server and measure it; every answer is checked.
///
/// Each listing is first sent alone and its rating kept; under load an answer that differs is
/// wrong, and neither it nor an error counts as a success. In an open loop latency counts from when
/// a listing was to be sent. Ctrl-C ends the load and reports what was measured. Exit code 1: an
/// answer was wrong, or, without --allow-errors, a call failed or a listing was not sent. In a
/// search, overload above the rate that it finds is no failure.
///
/// Examples:
///   wildwarden bench closed --images photos --concurrency 8
///   wildwarden bench open --images photos --rate 50 --duration 60 --html load.html
///   wildwarden bench ramp listings.jsonl --from 20 --to 200 --steps 10 --allow-errors --csv ramp.csv
///   wildwarden bench search --images photos --unique --p99-limit-ms 100
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Bench {
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, Subcommand)]
enum Load {
    /// Callers that each wait for their answer before they send again.
    Closed {
        /// Callers.
        #[arg(long, value_name = "N", default_value_t = 8, value_parser = count)]
        concurrency: usize,
        #[command(flatten)]
        shared: Box<Shared>,
    },
    /// Poisson arrivals at one rate, whatever the server does.
    Open {
        /// Listings a second.
        #[arg(long, value_name = "R", value_parser = positive_number)]
        rate: f64,
        #[command(flatten)]
        shared: Box<Shared>,
    },
    /// Open loops at rising rates, one after the other.
    Ramp {
        /// Listings a second, at first.
        #[arg(long, value_name = "R", value_parser = positive_number)]
        from: f64,
        /// Listings a second, at last.
        #[arg(long, value_name = "R", value_parser = positive_number)]
        to: f64,
        /// Rates, evenly spaced.
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
        steps: usize,
        #[command(flatten)]
        shared: Box<Shared>,
    },
    Bare(super::bare::Bare),
    /// The highest rate that holds: no error, no wrong answer, and a 99th percentile below a limit.
    Search {
        /// Limit of the 99th percentile.
        #[arg(long, value_name = "MS", value_parser = positive_number)]
        p99_limit_ms: f64,
        /// Listings a second to try first.
        #[arg(long, value_name = "R", default_value_t = 20.0, value_parser = positive_number)]
        from: f64,
        /// Share by which the found rate may be too low.
        #[arg(long, value_name = "SHARE", default_value_t = 0.03, value_parser = share)]
        precision: f64,
        #[command(flatten)]
        shared: Box<Shared>,
    },
}

#[derive(Debug, Args)]
#[group(skip)]
struct Shared {
    /// Listings as `wildwarden evaluate` reads them: labelled folder, .jsonl or .csv file.
    #[arg(required_unless_present = "images")]
    input: Option<PathBuf>,
    /// A folder, or one file, instead: each photo is a listing. Files not named like photos are left alone.
    #[arg(long, value_name = "PATH", conflicts_with = "input")]
    images: Option<PathBuf>,
    /// Title of every listing made from --images.
    #[arg(long, default_value = "", requires = "images")]
    title: String,
    /// Photos a listing made from --images: the following ones of the folder.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count, requires = "images")]
    images_per_listing: usize,
    /// What image paths in INPUT are relative to. Default: its folder.
    #[arg(long, value_name = "DIR", conflicts_with = "images")]
    images_root: Option<PathBuf>,
    /// Send a random sample of this many listings.
    #[arg(long, value_name = "N", value_parser = count)]
    limit: Option<usize>,
    /// Give each photo sent bytes of its own (a comment in a JPEG, bytes after the end of others), so that no cache knows it.
    #[arg(long, visible_alias = "no-repeat")]
    unique: bool,

    #[command(flatten)]
    peer: Peer,
    /// HTTP/2 connections. Default: one for 8 listings on the way, at most 8.
    #[arg(long, value_name = "N", value_parser = count)]
    connections: Option<usize>,
    /// Deadline of each call.
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    deadline_ms: u64,
    /// Listings on the way at most, in an open loop; more are counted as not sent.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = count)]
    max_in_flight: usize,

    /// Seconds to measure, each step.
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = positive_number, conflicts_with = "requests")]
    duration: f64,
    /// Measure exactly so many listings, each step, instead of a time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Seconds of load before the measurement, each step.
    #[arg(long, value_name = "S", default_value_t = 2.0, value_parser = seconds)]
    warmup: f64,
    /// Of the order of listings and of arrivals.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads that send. One is enough below some thousand listings a second, and leaves the server its cores.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count)]
    threads: usize,

    /// Compare with the ratings in this file instead of those before the load.
    #[arg(long, value_name = "FILE")]
    expected: Option<PathBuf>,
    /// Write the ratings before the load, for --expected.
    #[arg(long, value_name = "FILE")]
    save_expected: Option<PathBuf>,
    /// Models may change under load: answers of others than at the start need only agree with themselves.
    #[arg(long)]
    allow_model_change: bool,
    /// Calls that fail and listings not sent are no failure of the run. Wrong answers always are.
    #[arg(long)]
    allow_errors: bool,

    /// Write all figures; `-`: to standard output, in the place of the summary.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a row a second; a row a step of a ramp or search.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a page with charts.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the latency percentiles in HdrHistogram's format; of a ramp those of its last step, of a search of the found one.
    #[arg(long, value_name = "FILE")]
    histogram: Option<PathBuf>,
}

impl Bench {
    /// Exit code 1: a wrong answer, or no rate that holds; or, without `--allow-errors`, a failed or unsent one.
    ///
    /// # Errors
    /// One sentence: a wrong setting or input, no server, or a listing that it does not rate before the load.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let (mode, shared) = match self.load {
            Load::Bare(bare) => return bare.run(),
            Load::Closed { concurrency, shared } => (Mode::Closed { concurrency }, shared),
            Load::Open { rate, shared } => (Mode::Open { rate }, shared),
            Load::Ramp { from, to, steps, shared } => (Mode::Ramp { from, to, steps }, shared),
            Load::Search { p99_limit_ms, from, precision, shared } => {
                let p99_limit = Duration::from_secs_f64(p99_limit_ms / 1000.0);
                (Mode::Search { from, p99_limit, precision }, shared)
            }
        };
        let settings = shared.settings(mode)?;
        let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?);
        let outcome = runtime(shared.threads)?.block_on(run::run(&settings, &|progress| {
            bar.set_message(line(&progress));
            bar.tick();
        }));
        bar.finish_and_clear();
        let outcome = outcome?;
        shared.write(&outcome)?;
        let told = if shared.json.as_deref() == Some(Path::new("-")) {
            serde_json::to_string_pretty(&outcome.report)?
        } else {
            text::summary(&outcome.report)
        };
        // A reader that has gone, such as `head`, is no fault of the run.
        let _ = writeln!(std::io::stdout(), "{told}");
        let faults = outcome.report.faults(shared.allow_errors);
        faults.iter().for_each(|fault| tell(fault));
        Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

impl Shared {
    fn settings(&self, mode: Mode) -> anyhow::Result<LoadSettings> {
        let on_the_way = if let Mode::Closed { concurrency } = mode { concurrency } else { self.max_in_flight };
        let default_connections = on_the_way.div_ceil(CALLERS_A_CONNECTION).min(MOST_CONNECTIONS);
        let source = match (&self.images, &self.input) {
            (None, Some(path)) => Source::Labelled { path: path.clone(), images_root: self.images_root.clone() },
            (images, _) => Source::Photos {
                path: images.clone().unwrap_or_default(),
                title: self.title.clone(),
                images_per_listing: self.images_per_listing,
            },
        };
        let target = Target {
            address: address(&self.peer.server)?,
            key: self.peer.key.clone(),
            deadline: Duration::from_millis(self.deadline_ms),
            connections: self.connections.unwrap_or(default_connections),
            unique: self.unique,
            allow_model_change: self.allow_model_change,
        };
        let length = Length::Time(Duration::from_secs_f64(self.duration));
        Ok(LoadSettings {
            source,
            limit: self.limit,
            target,
            mode,
            phases: Phases {
                warmup: Duration::from_secs_f64(self.warmup),
                length: self.requests.map_or(length, Length::Listings),
            },
            seed: self.seed,
            max_in_flight: self.max_in_flight,
            expected: self.expected.clone(),
            save_expected: self.save_expected.clone(),
        })
    }

    fn write(&self, outcome: &LoadTestResult) -> anyhow::Result<()> {
        let report = &outcome.report;
        let put = |path: &Option<PathBuf>, content: &dyn Fn() -> anyhow::Result<String>| {
            path.as_ref()
                .map_or(Ok(()), |path| std::fs::write(path, content()?).with_context(|| path.display().to_string()))
        };
        let json = self.json.clone().filter(|path| path != Path::new("-"));
        put(&json, &|| Ok(serde_json::to_string_pretty(report)? + "\n"))?;
        put(&self.csv, &|| Ok(report.csv()))?;
        put(&self.html, &|| Ok(page::page(report).into_string()))?;
        put(&self.histogram, &|| Ok(outcome.latency.percentile_file()))
    }
}

/// One thread has no handing over between threads, and leaves the other cores to the server.
fn runtime(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build().context("starting the async runtime")
}

fn line(progress: &Progress) -> String {
    match progress {
        Progress::Rating(done, total) => format!("each listing alone, to know its rating: {done}/{total}"),
        Progress::Load(step, live) if live.elapsed.is_zero() => format!("{step}: warm-up, {} faults", live.faults),
        Progress::Load(step, live) => format!(
            "{step}: {:.0} s, {:.1} listings/s, p50 {:.1} ms, p99 {:.1} ms, {} faults",
            live.elapsed.as_secs_f64(),
            live.listings_per_second,
            live.p50_ms,
            live.p99_ms,
            live.faults
        ),
    }
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| (1..=100_000).contains(count)).ok_or_else(|| "must be 1 to 100000".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    number(text, 0.0, 86_400.0)
}

fn share(text: &str) -> Result<f64, String> {
    number(text, 0.001, 1.0)
}
