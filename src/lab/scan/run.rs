//! Rates the rows of the input side by side, and hands them on in the input's order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wildwarden_core::config::{Config, Limits};
use wildwarden_core::domain::Category;
use wildwarden_core::error::{Error, Result};
use wildwarden_core::pipeline::Pipeline;
use wildwarden_core::schedule::{Asked, Priority};
use wildwarden_proto::v1::{ClassifyRequest, Image};
use wildwarden_server::transport::convert;
use wildwarden_server::transport::rest::json;
use wildwarden_server::transport::sentences::{Language, Sentences};

use crate::scan::input::draft::{Draft, Row};
use crate::scan::kept::Kept;
use crate::scan::parts::{Parts, Place};
use crate::scan::photos::Root;
use crate::scan::plan::{Plan, looked_for};
use crate::scan::table::{NotRated, Rated, Record, shortened};

/// Rows that are finished and wait for one before them, at most: of a row little is left by then.
const AHEAD: u64 = 1024;
/// Bytes that a row of text may take beyond its photos, in JSON.
const ROW_BYTES: usize = 1 << 20;

/// What a scan has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Rows that were finished, of this run.
    pub rows: u64,
    /// Of them, those without a rating.
    pub failed: u64,
    /// Of them, those whose rating was kept from an earlier scan.
    pub kept: u64,
    /// Share of the source that is read, 0 to 1.
    pub of_source: f64,
    /// Number of that source.
    pub source: usize,
}

/// Where a scan begins, or goes on.
#[derive(Debug)]
pub struct Onward {
    /// The first row to rate.
    pub first: Place,
    /// What is asked for each row first.
    pub kept: Option<Kept>,
    /// What takes them.
    pub parts: Parts,
}

/// How far it goes.
#[derive(Debug, Clone, Copy)]
pub struct Until<'a> {
    /// Rows without a rating; one more, and it ends.
    pub most_failed: Option<u64>,
    /// When it is set, the scan ends with what is under way.
    pub stop: &'a AtomicBool,
}

/// Why a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Every row is done.
    Whole,
    /// It was told to stop.
    Stopped,
    /// More rows failed than were to.
    TooManyFailed,
}

/// Rates rows.
#[derive(Debug)]
pub struct Scan {
    rater: Arc<Rater>,
    in_flight: usize,
    most_row_bytes: usize,
}

#[derive(Debug)]
struct Rater {
    pipeline: Pipeline,
    limits: Limits,
    photos: Root,
    language: Language,
    categories: Vec<Category>,
}

/// A row of the input.
struct Work {
    place: Place,
    source: Arc<str>,
    row: Row,
    /// From an earlier scan.
    kept: Option<Record>,
}

/// A row that is done.
struct Done {
    place: Place,
    record: Record,
    of_source: f64,
    was_kept: bool,
}

impl Scan {
    /// With `pipeline`, photos below a root, and reasons in a language.
    pub fn new(pipeline: Pipeline, config: &Config, photos: Root, language: Language) -> Self {
        let in_flight = config.side_by_side();
        // Photos may stand in a line of JSON, in base64.
        let most_row_bytes = config.limits.max_images * config.limits.max_image_bytes / 3 * 4 + ROW_BYTES;
        let categories = looked_for(&pipeline.generation());
        let limits = config.limits;
        Self { rater: Arc::new(Rater { pipeline, limits, photos, language, categories }), in_flight, most_row_bytes }
    }

    /// Rates rows of `plan`. `told` hears of progress.
    ///
    /// # Errors
    /// [`Error::Setup`] naming what cannot be read or written. What is whole by then stays.
    pub async fn run(
        &self,
        plan: &Plan,
        onward: Onward,
        until: Until<'_>,
        mut told: impl FnMut(Progress),
    ) -> Result<End> {
        let Onward { first, kept, mut parts } = onward;
        // As many rows as are rated at the same time wait to be: the workers never wait for the reader.
        let (sender, mut receiver) = mpsc::channel(self.in_flight);
        let (plan, most_bytes) = (plan.clone(), self.most_row_bytes);
        let ends = (plan.sources.len(), 0);
        let reading = std::thread::Builder::new()
            .name("scan-reader".into())
            .spawn(move || read(&plan, first, most_bytes, kept, &sender))
            .map_err(|cause| Error::Bug(format!("starting the reader: {cause}")))?;
        let mut progress = Progress { source: first.0, ..Progress::default() };
        let (mut running, mut finished) = (JoinSet::new(), BTreeMap::new());
        // Numbers of rows of this run: the next to rate, and the next to write. `after` is where that one stands.
        let (mut started, mut written, mut after) = (0, 0, first);
        let (mut end, mut fault) = (None, None);
        loop {
            if until.stop.load(Ordering::Relaxed) {
                end.get_or_insert(End::Stopped);
            }
            let may_start = end.is_none() && running.len() < self.in_flight && started < written + AHEAD;
            tokio::select! {
                biased;
                work = receiver.recv(), if may_start => match work {
                    Some(Ok(work)) => {
                        let (rater, sequence) = (Arc::clone(&self.rater), started);
                        running.spawn(async move { (sequence, rater.rate(work).await) });
                        started += 1;
                    }
                    // What was read before it is finished first.
                    Some(Err(error)) => (end, fault) = (Some(End::Stopped), Some(error)),
                    None => end = Some(End::Whole),
                },
                Some(done) = running.join_next() => {
                    let (sequence, done) = done.map_err(|cause| Error::Bug(format!("rating a row: {cause}")))?;
                    finished.insert(sequence, done);
                }
                else => break,
            }
            while let Some(Done { place, record, of_source, was_kept }) = finished.remove(&written) {
                written += 1;
                after = (place.0, place.1 + 1);
                parts.push(&record, after)?;
                progress.rows += 1;
                progress.failed += u64::from(record.outcome.is_err());
                progress.kept += u64::from(was_kept);
                (progress.source, progress.of_source) = (place.0, of_source);
                told(progress);
            }
            if until.most_failed.is_some_and(|most| progress.failed > most) {
                end = Some(End::TooManyFailed);
            }
        }
        // The reader ends when nobody hears it any more. One that panicked has not read everything.
        drop(receiver);
        if reading.join().is_err() {
            fault = Some(Error::Bug("the reader ended in a panic".into()));
        }
        let end = end.unwrap_or(End::Whole);
        parts.close(if end == End::Whole && fault.is_none() { ends } else { after })?;
        fault.map_or(Ok(end), Err)
    }
}

/// Sends the rows of `plan` from `first` on, until one cannot be read or nobody hears it.
fn read(plan: &Plan, first: Place, most_bytes: usize, mut kept: Option<Kept>, sender: &mpsc::Sender<Result<Work>>) {
    for (number, source) in plan.sources.iter().enumerate().skip(first.0) {
        let name: Arc<str> = source.path.display().to_string().into();
        let first_row = if number == first.0 { first.1 } else { 0 };
        let mut send = |row: Result<Row>| {
            let work = row.and_then(|row| {
                let place = (number, row.number);
                let kept = kept.as_mut().map_or(Ok(None), |kept| kept.next(&name, &row))?;
                Ok(Work { place, source: Arc::clone(&name), row, kept })
            });
            let goes_on = work.is_ok();
            sender.blocking_send(work).is_ok() && goes_on
        };
        match source.rows(&plan.columns, first_row, most_bytes) {
            Ok(mut rows) => {
                if !rows.all(&mut send) {
                    return;
                }
            }
            Err(error) => {
                send(Err(error));
                return;
            }
        }
    }
}

impl Rater {
    async fn rate(self: Arc<Self>, work: Work) -> Done {
        let Work { place, source, row: Row { number: row, draft, progress }, kept } = work;
        let done = |record, was_kept| Done { place, record, of_source: progress, was_kept };
        if let Some(record) = kept {
            return done(record, true);
        }
        let (listing_id, outcome) = match draft {
            Ok(draft) => (draft.listing_id.clone(), self.rate_one(draft).await),
            Err(fault) => (fault.listing_id, Err(NotRated::unreadable(fault.problem))),
        };
        // What is refused for its length is not written at it.
        let (listing_id, outcome) = (shortened(listing_id), outcome.map_err(NotRated::shortened));
        done(Record { source, row, listing_id, outcome }, false)
    }

    async fn rate_one(self: &Arc<Self>, draft: Draft) -> Result<Rated, NotRated> {
        let reading = Arc::clone(self);
        let request = tokio::task::spawn_blocking(move || reading.request(draft)).await;
        let request = request.map_err(|cause| Error::Bug(format!("reading photos: {cause}")))??;
        let listing = convert::listing(request, &self.limits)?;
        let asked = Asked { priority: Priority::Bulk, patient: true, ..Asked::default() };
        let rating = self.pipeline.rate(listing, &asked).await?;
        let generation = self.pipeline.generation();
        let answer = convert::response(rating, Sentences::new(self.language, generation.policy()));
        let json = json::brief(&answer, "ClassifyResponse")?;
        Ok(Rated::new(&answer, json, &self.categories))
    }

    fn request(&self, draft: Draft) -> Result<ClassifyRequest, NotRated> {
        // No more photos are read than the limit lets through: the count alone is refused.
        let read = |photo| self.photos.read(photo).map(|content| Image { image_id: String::new(), content });
        let too_many = draft.photos.len() > self.limits.max_images;
        let images = if too_many {
            draft.photos.iter().map(|_| Image::default()).collect()
        } else {
            draft.photos.iter().map(read).collect::<Result<_, _>>().map_err(NotRated::unreadable)?
        };
        let Draft { listing_id, title, description, .. } = draft;
        let request_id = convert::request_id("");
        Ok(ClassifyRequest { request_id, listing_id, title, description, images, options: None })
    }
}
