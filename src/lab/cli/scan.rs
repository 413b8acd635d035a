//! `wildwarden scan`

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;
use wildwarden_core::domain::Category;
use wildwarden_core::error::Error;
use wildwarden_core::pipeline::Pipeline;
use wildwarden_core::pipeline::generation::Generation;
use wildwarden_server::cli::{Settings, async_runtime, tell};
use wildwarden_server::lifecycle::first_generation;
use wildwarden_server::transport::sentences::Language;

use super::evaluate::ProfileName;
use crate::scan::columns::Columns;
use crate::scan::input;
use crate::scan::kept::{Kept, Spared, spared};
use crate::scan::parts::{self, Found, Parts};
use crate::scan::photos::Root;
use crate::scan::plan::{Plan, looked_for};
use crate::scan::run::{End, Onward, Progress, Scan as Run, Until};
use crate::scan::summary::{LastRun, summary};
use crate::scan::{report, summary as summaries};

/// Rate a whole marketplace: tables and folders in, a table out, without a server.
///
/// INPUT: .parquet, .jsonl, .csv and .tsv files, folders of them, folders of photos (each a listing), and patterns such as
/// 'day-*/*.parquet'. Columns: listing_id (or id), title, description, images (or image); others are named by --map. Photos are bytes,
/// lists of bytes, or paths below --images-root (between `;` in .csv); nothing is fetched from a network.
///
/// Writes into DIR: parts/*.parquet (source, row, listing_id, error_code, error, risk, level, suggestion, three columns a category,
/// best_image, reasons, degraded, missing, versions, and the whole rating as JSON), and at the end summary.json and report.html. A scan
/// that was stopped or killed goes on where it was when the same command is given again.
///
/// Exit code 1: some rows have no rating; 130: stopped before the end.
///
/// Examples:
///   wildwarden scan listings.parquet --out ratings --map title=goods_name,images=photo
///   wildwarden scan 'day-*/*.jsonl' --images-root photos --out ratings
///   wildwarden scan photos/ --out ratings --profile thorough
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Scan {
    /// Tables, folders and patterns.
    #[arg(required = true, value_name = "INPUT")]
    input: Vec<String>,
    /// Folder to write to; made if missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Names of columns: FIELD is listing_id, title, description or images. May be repeated.
    #[arg(long, value_name = "FIELD=COLUMN", value_delimiter = ',')]
    map: Vec<String>,
    /// What paths of photos are below; one that leaves it is refused.
    #[arg(long, value_name = "DIR")]
    images_root: Option<PathBuf>,
    /// Take looks as this profile says instead of the policy's. No budget applies: every listing is rated for itself.
    #[arg(long)]
    profile: Option<ProfileName>,
    /// Language of the reasons' sentences and of the report. Default: of the scan that is in DIR, else English.
    #[arg(long, value_enum)]
    language: Option<LanguageName>,
    /// Folder of an earlier scan of the same input: keep its ratings where no model that made them has changed.
    #[arg(long, value_name = "DIR")]
    only_changed: Option<PathBuf>,
    /// Stop once more than this many rows of this run have no rating.
    #[arg(long, value_name = "N")]
    fail_over: Option<u64>,
    #[command(flatten)]
    settings: Settings,
}

/// `--language`
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LanguageName {
    /// English.
    En,
    /// Simplified Chinese.
    Zh,
}

impl LanguageName {
    const fn name(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }
}

/// As a plan names it.
fn spoken(language: &str) -> Language {
    if language == LanguageName::Zh.name() { Language::Chinese } else { Language::English }
}

/// Of categories by name.
fn titles(generation: &Generation, language: Language) -> BTreeMap<String, String> {
    let named = generation.policy().enabled().map(|declared| {
        let title = match language {
            Language::English => &declared.title.en,
            Language::Chinese => &declared.title.zh,
        };
        (declared.category.to_string(), title.clone())
    });
    named.collect()
}

/// What a shell gives a program that it interrupts.
const INTERRUPTED: u8 = 130;
/// Between two lines about progress where there is no terminal.
const TOLD_EVERY: Duration = Duration::from_secs(30);

impl Scan {
    /// Runs it. Exit code 1: some rows have no rating.
    ///
    /// # Errors
    /// One sentence: a wrong setting, input, model or library.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load([("looks", "unhurried", "true".to_owned())])?;
        let columns = Columns::parse(&self.map).map_err(|problem| anyhow::anyhow!("--map: {problem}"))?;
        let photos = Root::new(self.images_root.as_deref(), config.limits.max_image_bytes)?;
        let sources = input::sources(&self.input)?;
        // A wrong column is told now, and not when a night's work reaches its table.
        input::check(&sources, &columns)?;
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        let _lock = self.lock()?;
        let generation = first_generation(&config, None)?.unhurried(self.profile.map(Into::into));
        let mut plan = Plan::new(sources, columns, self.images_root.clone(), &generation);
        plan.previous = self.only_changed.as_deref().map(Path::canonicalize).transpose().with_context(|| {
            self.only_changed.as_deref().map_or_else(String::new, |folder| folder.display().to_string())
        })?;
        match self.language {
            Some(name) => name.name().clone_into(&mut plan.language),
            None => plan.language = Plan::of(&self.out)?.map_or(plan.language, |before| before.language),
        }
        let language = spoken(&plan.language);
        let titles = titles(&generation, language);
        let found = self.check_or_write(&plan)?;
        let categories = looked_for(&generation);
        let scan = Run::new(Pipeline::start(&config, generation, Arc::default())?, &config, photos, language);
        let runtime = async_runtime()?;
        let stop = Arc::new(AtomicBool::new(false));
        runtime.block_on(async { heed_signals(Arc::clone(&stop)).map(tokio::spawn) })?;
        let (end, last_run) = runtime.block_on(self.rate((&scan, &categories), &plan, &found, &stop))?;
        // From here on one signal ends it: what is left is counted again by the same command.
        stop.store(true, Ordering::Relaxed);
        let failed = match end {
            End::Stopped => {
                tell("stopped; the same command goes on from here");
                return Ok(ExitCode::from(INTERRUPTED));
            }
            End::TooManyFailed => {
                let most = self.fail_over.unwrap_or_default();
                tell(&format!(
                    "stopped: more than {most} rows have no rating (--fail-over); see error_code and error in {}",
                    self.parts()
                ));
                true
            }
            End::Whole => self.conclude(&plan, last_run, &titles)?,
        };
        Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }

    fn parts(&self) -> String {
        self.out.join(parts::FOLDER).display().to_string()
    }

    /// Two scans into one folder would write each other's parts. The lock ends with the process, however that ends.
    fn lock(&self) -> anyhow::Result<File> {
        let path = self.out.join(".lock");
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        if file.try_lock().is_err() {
            bail!("{}: another scan is writing here", self.out.display());
        }
        Ok(file)
    }

    /// A folder holds one scan. What is there of it.
    fn check_or_write(&self, plan: &Plan) -> anyhow::Result<Found> {
        let found = parts::found(&self.out)?;
        let has_parts = !found.parts.is_empty();
        let before = Plan::of(&self.out)?;
        if before.as_ref() == Some(plan) {
            return Ok(found);
        }
        // Of a first try that rated nothing there is nothing to keep.
        if has_parts {
            let Some(before) = before else {
                bail!("{}: holds parts of something else; choose another folder", self.parts())
            };
            let other = plan.differs(&before, found.next);
            if !other.is_empty() {
                bail!(
                    "{} holds another scan (not the same as then: {}); choose another folder, or remove it",
                    self.out.display(),
                    other.join(", ")
                );
            }
        }
        plan.write(&self.out)?;
        Ok(found)
    }

    async fn rate(
        &self,
        (scan, categories): (&Run, &[Category]),
        plan: &Plan,
        found: &Found,
        stop: &AtomicBool,
    ) -> anyhow::Result<(End, LastRun)> {
        let kept = match &plan.previous {
            None => None,
            Some(folder) => match spared(folder, plan)? {
                Spared::Nothing(why) => {
                    tell(&format!("every row is rated anew: {why}"));
                    None
                }
                Spared::AllBut(changed) => {
                    let names: Vec<&str> = changed.iter().map(|model| model.name.as_str()).collect();
                    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                    tell(&format!("models that have changed: {names}; what they took no part in is kept"));
                    Some(Kept::of(folder, changed, categories, found.rows)?)
                }
            },
        };
        let parts = Parts::after(found, &self.out, categories)?;
        let mut told = Told::new(plan, found.rows)?;
        let onward = Onward { first: found.next, kept, parts };
        let until = Until { most_failed: self.fail_over, stop };
        let end = scan.run(plan, onward, until, |now| told.note(now)).await?;
        Ok((end, told.finish()))
    }

    /// Counts, and writes summary and report. Says whether rows failed.
    fn conclude(&self, plan: &Plan, last_run: LastRun, titles: &BTreeMap<String, String>) -> anyhow::Result<bool> {
        let summary = summary(&self.out, plan, last_run)?;
        let page = report::page(&summary, titles, spoken(&plan.language)).into_string();
        parts::write_whole(&self.out.join(report::FILE), page.as_bytes())?;
        // It says that the scan is whole, so it comes last.
        let mut written = serde_json::to_vec_pretty(&summary).context("summary")?;
        written.push(b'\n');
        parts::write_whole(&self.out.join(summaries::FILE), &written)?;
        let failed: u64 = summary.errors.values().sum();
        let counts: Vec<String> = summary.suggestions.iter().map(|(name, count)| format!("{count} {name}")).collect();
        tell(&format!(
            "{} rows: {}, {failed} without a rating; {}",
            summary.rows,
            counts.join(", "),
            self.out.display()
        ));
        for (code, error) in &summary.first_errors {
            tell(&format!("the first {code}: {error}"));
        }
        Ok(failed > 0)
    }
}

/// Sets `stop` at the first signal to end, and ends at the second.
fn heed_signals(stop: Arc<AtomicBool>) -> Result<impl Future<Output = ()> + Send, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let of = |kind| signal(kind).map_err(|cause| Error::Bug(format!("signals: {cause}")));
    let (mut interrupt, mut terminate) = (of(SignalKind::interrupt())?, of(SignalKind::terminate())?);
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stop.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(INTERRUPTED));
            }
            tell("finishing what is under way; once more ends at once");
        }
    })
}

/// Tells of progress: by a bar on a terminal, else by a line now and then.
struct Told {
    bar: ProgressBar,
    /// Bytes before each source, and of all.
    before: Vec<f64>,
    all: f64,
    began: Instant,
    told: Instant,
    /// Share at the first row of this run.
    share_then: Option<f64>,
    last: Progress,
}

/// Steps of the bar.
const STEPS: f64 = 1000.0;

impl Told {
    #[expect(clippy::cast_precision_loss, reason = "shares of a bar")]
    fn new(plan: &Plan, rows_before: u64) -> anyhow::Result<Self> {
        let mut all = 0.0;
        let before = plan.sources.iter().map(|source| {
            let before = all;
            // So that an empty one is something, too.
            all += source.bytes as f64 + 1.0;
            before
        });
        let before = before.collect();
        let style = ProgressStyle::with_template("{bar:40} {percent} % {msg}").context("progress bar")?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a constant")]
        let bar = ProgressBar::new(STEPS as u64).with_style(style);
        let sources = plan.sources.len();
        let after = if rows_before > 0 { format!("going on after {rows_before} rows") } else { "rating".to_owned() };
        tell(&format!("{after}: {sources} tables or folders"));
        let now = Instant::now();
        Ok(Self { bar, before, all, began: now, told: now, share_then: None, last: Progress::default() })
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "of a bar"
    )]
    fn note(&mut self, now: Progress) {
        self.last = now;
        let begins = self.before.get(now.source).copied().unwrap_or_default();
        let ends = self.before.get(now.source + 1).copied().unwrap_or(self.all);
        let share = (begins + now.of_source * (ends - begins)) / self.all;
        let then = *self.share_then.get_or_insert(share);
        let by_line = self.bar.is_hidden();
        let pause = if by_line { TOLD_EVERY } else { Duration::from_millis(200) };
        if self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        let seconds = self.began.elapsed().as_secs_f64();
        let left = if share > then { seconds * (1.0 - share) / (share - then) } else { f64::INFINITY };
        let left = if left.is_finite() { format!("{} left", time(left)) } else { "time left unknown".to_owned() };
        let (rows, rate) = (now.rows, now.rows as f64 / seconds);
        let failed = if now.failed > 0 { format!(", {} without a rating", now.failed) } else { String::new() };
        let said = format!("{rows} rows, {rate:.0} rows/s, {left}{failed}");
        self.bar.set_position((share * STEPS) as u64);
        if by_line {
            tell(&format!("{:.1} %: {said}", 100.0 * share));
        } else {
            self.bar.set_message(said);
        }
    }

    fn finish(self) -> LastRun {
        self.bar.finish_and_clear();
        LastRun { rows: self.last.rows, kept: self.last.kept, seconds: self.began.elapsed().as_secs_f64() }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds left")]
fn time(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
