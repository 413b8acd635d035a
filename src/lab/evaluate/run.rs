//! Rates cases with the served pipeline: the same conversion, limits, models and policy as a request of a caller.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use wildwarden_core::config::Config;
use wildwarden_core::config::Limits;
use wildwarden_core::error::Error;
use wildwarden_core::error::Result;
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_core::pipeline::Pipeline;
use wildwarden_core::preprocess::image::DecodeLimits;
use wildwarden_core::preprocess::image::WantedSize;
use wildwarden_core::preprocess::image::decode;
use wildwarden_core::schedule::{Asked, Priority};
use wildwarden_proto::v1::ClassifyRequest;
use wildwarden_proto::v1::Image;
use wildwarden_server::transport::convert;

use crate::evaluate::case::Case;
use crate::evaluate::degrade::Degradation;
use crate::evaluate::quality::Quality;
use crate::evaluate::quality::quality;
use crate::evaluate::record::Record;
use crate::evaluate::store::Store;

/// Raised when a record holds more than before, so that old ones are made anew.
const RECORD_VERSION: u32 = 2;

/// A listing that could not be rated.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// Which listing, as the input has it.
    pub id: String,
    /// Why.
    pub problem: String,
}

/// What became of the cases.
#[derive(Debug, Default)]
pub struct Ratings {
    /// With the place of the case, in the order of the cases.
    pub records: Vec<(usize, Record)>,
    /// Of cases that could not be rated.
    pub failures: Vec<Failure>,
    /// Records that were there already.
    pub reused: usize,
}

/// Rates with one pipeline.
#[derive(Debug)]
pub struct Runner {
    pipeline: Arc<Pipeline>,
    limits: Limits,
    in_flight: usize,
    /// What a score depends on besides the listing.
    fingerprint: String,
}

/// What a task needs besides its case.
struct Shared {
    pipeline: Arc<Pipeline>,
    limits: Limits,
    fingerprint: String,
    degradation: Option<Degradation>,
    store: Arc<Mutex<Store>>,
}

impl Runner {
    /// Takes a loaded pipeline.
    pub fn new(pipeline: Pipeline, config: &Config) -> Self {
        let generation = pipeline.generation();
        let models: Vec<String> = generation.models().iter().map(|model| model.sha256.clone()).collect();
        let (policy, profile) = (&generation.policy_version().sha256, generation.profile().name());
        let fingerprint = format!("{RECORD_VERSION} {policy} {profile} {}", models.join(" "));
        Self { pipeline: Arc::new(pipeline), limits: config.limits, in_flight: config.side_by_side(), fingerprint }
    }

    /// What rates, as a server would.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Rates `cases`, degraded if asked, and calls `done` after each. What `store` holds is not rated again.
    ///
    /// # Errors
    /// [`Error::Setup`] when the store cannot be written. A listing that cannot be rated is a [`Failure`] instead.
    pub async fn rate(
        &self,
        cases: &[Case],
        degradation: Option<Degradation>,
        store: &Arc<Mutex<Store>>,
        done: impl Fn(),
    ) -> Result<Ratings> {
        let shared = Arc::new(Shared {
            pipeline: Arc::clone(&self.pipeline),
            limits: self.limits,
            fingerprint: self.fingerprint.clone(),
            degradation,
            store: Arc::clone(store),
        });
        let mut rated = Ratings::default();
        let mut failures = Vec::new();
        let mut running = JoinSet::new();
        let mut waiting = cases.iter().cloned().enumerate();
        loop {
            while running.len() < self.in_flight
                && let Some((index, case)) = waiting.next()
            {
                let shared = Arc::clone(&shared);
                running.spawn(async move { (index, case.id.clone(), rate_one(&shared, case).await) });
            }
            let Some(finished) = running.join_next().await else { break };
            match finished.map_err(|cause| Error::Bug(format!("rating a listing: {cause}")))? {
                (index, _, Ok((record, is_new))) => {
                    if is_new {
                        store.lock().append(&record)?;
                    } else {
                        rated.reused += 1;
                    }
                    rated.records.push((index, record));
                }
                (index, id, Err(problem)) => failures.push((index, Failure { id, problem })),
            }
            done();
        }
        rated.records.sort_by_key(|(index, _)| *index);
        failures.sort_by_key(|(index, _)| *index);
        rated.failures = failures.into_iter().map(|(_, failure)| failure).collect();
        Ok(rated)
    }
}

/// The record, and whether it is new.
async fn rate_one(shared: &Arc<Shared>, case: Case) -> Result<(Record, bool), String> {
    let preparing = Arc::clone(shared);
    let prepared = tokio::task::spawn_blocking(move || prepare(&preparing, case));
    match prepared.await.map_err(|cause| format!("preparing it: {cause}"))?? {
        Prepared::Known(record) => Ok((*record, false)),
        Prepared::ToRate { key, case, images, qualities } => {
            let request = ClassifyRequest {
                request_id: convert::request_id(""),
                title: case.title.clone(),
                description: case.description.clone(),
                images: images.into_iter().map(|content| Image { image_id: String::new(), content }).collect(),
                ..ClassifyRequest::default()
            };
            let asked = Asked { priority: Priority::Bulk, patient: true, ..Asked::default() };
            let listing = convert::listing(request, &shared.limits).map_err(|error| error.to_string())?;
            let rating = shared.pipeline.rate(listing, &asked).await;
            let rating = rating.map_err(|error| error.to_string())?;
            let variant = shared.degradation.map_or("", Degradation::name).to_owned();
            Ok((Record::new(key, variant, &case, &rating, &qualities), true))
        }
    }
}

enum Prepared {
    Known(Box<Record>),
    ToRate { key: String, case: Box<Case>, images: Vec<Bytes>, qualities: Vec<Option<Quality>> },
}

fn prepare(shared: &Shared, case: Case) -> Result<Prepared, String> {
    let read = |path: &std::path::PathBuf| std::fs::read(path).map_err(|cause| format!("{}: {cause}", path.display()));
    let images = case.images.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let hashes: Vec<String> = images.iter().map(|content| hex_sha256(content)).collect();
    let variant = shared.degradation.map_or("", Degradation::name);
    let content = serde_json::json!([shared.fingerprint, variant, case.title, case.description, hashes]);
    let key = hex_sha256(content.to_string().as_bytes());
    if let Some(mut record) = shared.store.lock().get(&key).cloned() {
        record.update_from(&case);
        return Ok(Prepared::Known(Box::new(record)));
    }
    let limits = DecodeLimits { max_pixels: shared.limits.max_image_pixels };
    let mut qualities = Vec::new();
    let mut contents = Vec::new();
    for content in images {
        // In full: degraded copies and sharpness are those of the picture as it was sent.
        let decoded = decode(&content, limits, WantedSize::FULL).ok();
        let picture = decoded.as_ref().and_then(|decoded| decoded.frames.first());
        match (shared.degradation, picture) {
            (Some(degradation), Some(picture)) => contents.push(degradation.apply(picture)?.into()),
            // What does not decode is sent as it is: the answer says so.
            _ => {
                qualities.push(picture.map(quality));
                contents.push(content.into());
            }
        }
    }
    Ok(Prepared::ToRate { key, case: Box::new(case), images: contents, qualities })
}
