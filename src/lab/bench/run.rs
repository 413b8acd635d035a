//! The modes, from the first connection to the report.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use wildwarden_core::error::Error;
use wildwarden_core::error::Result;

use crate::bench::arrivals;
use crate::bench::arrivals::Poisson;
use crate::bench::client::Connections;
use crate::bench::client::ExpectedListing;
use crate::bench::client::LoadClient;
use crate::bench::client::Target;
use crate::bench::cpu;
use crate::bench::known;
use crate::bench::listings;
use crate::bench::listings::Source;
use crate::bench::load;
use crate::bench::load::Phases;
use crate::bench::measure::Live;
use crate::bench::measure::Recorder;
use crate::bench::report::Client;
use crate::bench::report::FORMAT;
use crate::bench::report::Input;
use crate::bench::report::Report;
use crate::bench::report::Searched;
use crate::bench::report::Step;
use crate::bench::search::Search;
use crate::bench::spread::Times;

/// Between two looks at the progress.
const TICK: Duration = Duration::from_millis(500);

/// How load is made.
#[derive(Debug, Clone, Copy)]
pub enum Mode {
    /// A fixed number of callers.
    Closed {
        /// Callers.
        concurrency: usize,
    },
    /// A fixed rate.
    Open {
        /// Listings a second.
        rate: f64,
    },
    /// Several rates, one after the other.
    Ramp {
        /// First rate.
        from: f64,
        /// Last rate.
        to: f64,
        /// Number of rates.
        steps: usize,
    },
    /// The highest rate that holds.
    Search {
        /// First rate to try.
        from: f64,
        /// What the 99th percentile may be.
        p99_limit: Duration,
        /// Share by which the result may be too low.
        precision: f64,
    },
}

impl Mode {
    /// As a subcommand.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::Ramp { .. } => "ramp",
            Self::Search { .. } => "search",
        }
    }
}

/// All of a run.
#[derive(Debug, Clone)]
pub struct LoadSettings {
    /// What to send.
    pub source: Source,
    /// At most so many listings of it.
    pub limit: Option<usize>,
    /// Whom to send it to.
    pub target: Target,
    /// How.
    pub mode: Mode,
    /// How long; each step of it.
    pub phases: Phases,
    /// Of the order of listings and of arrivals.
    pub seed: u64,
    /// Listings on the way at most, in an open loop.
    pub max_in_flight: usize,
    /// Known ratings to compare with, instead of those before the load.
    pub expected: Option<PathBuf>,
    /// Where to write the ratings before the load.
    pub save_expected: Option<PathBuf>,
}

/// What is going on.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Listings are sent alone: how many of how many.
    Rating(usize, usize),
    /// Load: the name of the step, how it stands.
    Load(String, Live),
}

/// The report, and all latencies as one histogram.
#[derive(Debug)]
pub struct LoadTestResult {
    /// Figures.
    pub report: Report,
    /// Latencies of right answers of the last step; of a search, of the step that it found.
    pub latency: Times,
}

struct Runner<'a> {
    settings: &'a LoadSettings,
    client: Arc<LoadClient>,
    show: &'a dyn Fn(Progress),
    interrupted: bool,
}

/// Runs. After Ctrl-C the report is of what was measured until then.
///
/// # Errors
/// [`Error::Setup`] when there is nothing to send, no server, or a listing is not rated before the load.
pub async fn run(settings: &LoadSettings, show: &dyn Fn(Progress)) -> Result<LoadTestResult> {
    let listings = listings::read(&settings.source, settings.limit, settings.seed)?;
    let connections = Connections::open(&settings.target).await?;
    let (total, done) = (listings.len(), std::cell::Cell::new(0));
    show(Progress::Rating(0, total));
    let mut rated = connections
        .rate_each(listings, || {
            done.set(done.get() + 1);
            show(Progress::Rating(done.get(), total));
        })
        .await?;
    apply_expected(settings, &mut rated)?;
    let client = Arc::new(LoadClient::new(connections, rated));
    let mut runner = Runner { settings, client, show, interrupted: false };
    let before = cpu::used();
    let (steps, searched, latency) = runner.steps().await?;
    let cpu_seconds = cpu::used().zip(before).map(|(after, before)| after.saturating_sub(before).as_secs_f64());
    Ok(LoadTestResult { report: runner.report(steps, searched, cpu_seconds), latency })
}

/// Saves the known ratings, or takes them from a file, as asked.
fn apply_expected(settings: &LoadSettings, rated: &mut [ExpectedListing]) -> Result<()> {
    if let Some(path) = &settings.save_expected {
        let known: BTreeMap<&str, &_> = rated.iter().map(|one| (one.listing.id.as_str(), &one.known)).collect();
        known::write(path, &known)?;
    }
    let Some(path) = &settings.expected else { return Ok(()) };
    let expected = known::read(path)?;
    for one in rated {
        let missing = || Error::file(path, format!("has no rating of {:?}", one.listing.id));
        one.known = expected.get(&one.listing.id).ok_or_else(missing)?.clone();
    }
    Ok(())
}

impl Runner<'_> {
    async fn steps(&mut self) -> Result<(Vec<Step>, Option<Searched>, Times)> {
        match self.settings.mode {
            Mode::Closed { concurrency } => {
                let (step, latency) = self.step(None, concurrency).await?;
                Ok((vec![step], None, latency))
            }
            Mode::Open { rate } => {
                let (step, latency) = self.step(Some(rate), self.settings.max_in_flight).await?;
                Ok((vec![step], None, latency))
            }
            Mode::Ramp { from, to, steps } => self.ramp(&arrivals::ramp(from, to, steps)).await,
            Mode::Search { from, p99_limit, precision } => self.search(from, p99_limit, precision).await,
        }
    }

    async fn ramp(&mut self, rates: &[f64]) -> Result<(Vec<Step>, Option<Searched>, Times)> {
        let (mut steps, mut last) = (Vec::new(), Times::new()?);
        for &rate in rates {
            let (step, latency) = self.step(Some(rate), self.settings.max_in_flight).await?;
            steps.push(step);
            last = latency;
            if self.interrupted {
                break;
            }
        }
        Ok((steps, None, last))
    }

    async fn search(
        &mut self,
        from: f64,
        limit: Duration,
        precision: f64,
    ) -> Result<(Vec<Step>, Option<Searched>, Times)> {
        let p99_limit_ms = limit.as_secs_f64() * 1000.0;
        let mut search = Search::new(from, precision);
        let (mut steps, mut best) = (Vec::new(), Times::new()?);
        while let Some(rate) = search.next_rate() {
            let (mut step, latency) = self.step(Some(rate), self.settings.max_in_flight).await?;
            if self.interrupted {
                break;
            }
            let holds = step.holds(p99_limit_ms);
            step.held = Some(holds);
            search.tell(rate, holds);
            if holds {
                best = latency;
            }
            steps.push(step);
        }
        let found = Searched { p99_limit_ms, listings_per_second: search.found() };
        Ok((steps, Some(found), best))
    }

    /// One load, open at `rate` or closed without one.
    async fn step(&mut self, rate: Option<f64>, places: usize) -> Result<(Step, Times)> {
        let phases = self.settings.phases;
        let client = Arc::clone(&self.client);
        let call = move || {
            let client = Arc::clone(&client);
            async move { client.call().await }
        };
        let start = Instant::now();
        let recorder = Arc::new(Mutex::new(phases.recorder(start)?));
        let name = rate.map_or_else(|| format!("{places} callers"), |rate| format!("{rate:.1}/s"));
        let load = async {
            match rate {
                Some(rate) => {
                    let arrivals = Poisson::new(rate, self.settings.seed);
                    load::open(arrivals, places, (phases, start), &recorder, call).await
                }
                None => load::closed(places, phases, start, &recorder, call).await,
            }
        };
        let cut = self.watch(&name, &recorder, load).await?;
        self.interrupted |= cut.is_some();
        let mut recorder = recorder.lock();
        let measured = recorder.finish(cut);
        let (offered, callers) = if rate.is_some() { (rate, None) } else { (None, Some(places)) };
        Ok((Step { offered, callers, held: None, measured }, recorder.latency().clone()))
    }

    /// Shows how `load` stands until it ends. When Ctrl-C cut it short: when.
    async fn watch(
        &self,
        name: &str,
        recorder: &Mutex<Recorder>,
        load: impl Future<Output = Result<()>>,
    ) -> Result<Option<Instant>> {
        let mut load = std::pin::pin!(load);
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                ended = &mut load => return ended.map(|()| None),
                _ = &mut interrupt => return Ok(Some(Instant::now())),
                _ = ticks.tick() => {
                    let live = recorder.lock().live(Instant::now());
                    (self.show)(Progress::Load(name.to_owned(), live));
                }
            }
        }
    }

    fn report(&self, steps: Vec<Step>, searched: Option<Searched>, cpu_seconds: Option<f64>) -> Report {
        let (settings, rated) = (self.settings, self.client.rated());
        let photos = rated.iter().flat_map(|one| &one.listing.photos);
        Report {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION"),
            mode: settings.mode.name(),
            address: settings.target.address.clone(),
            input: Input {
                listings: rated.len(),
                images: photos.clone().count(),
                bytes: photos.map(|photo| photo.as_it_is().len()).sum(),
                unique: settings.target.unique,
            },
            known_from: settings.expected.as_ref().map(|path| path.display().to_string()),
            versions: self.client.versions(),
            client: Client {
                cpu_seconds,
                connections: settings.target.connections,
                max_in_flight: settings.max_in_flight,
                seed: settings.seed,
                warmup_seconds: settings.phases.warmup.as_secs_f64(),
            },
            interrupted: self.interrupted,
            searched,
            steps,
        }
    }
}
