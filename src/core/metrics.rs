//! What operators watch, in the text format of OpenMetrics. Counts and times only: never a listing's content or id.

mod models;
mod scores;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::{CategoryRating, Rating};
use crate::memory;
use crate::telemetry;

pub use models::ModelMetrics;
pub use scores::ScoreMetrics;

/// Upper bounds in seconds: from a cached image to a queue of many.
const BOUNDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    rpc: &'static str,
    code: &'static str,
    caller: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ImageLabels {
    status: &'static str,
    format: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lookup {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookLabels {
    modality: &'static str,
    look: u32,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Suggested {
    suggestion: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rated {
    category: String,
    level: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: String,
    onnxruntime: String,
}

/// What an example of a measurement is found by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Example {
    trace_id: String,
}

/// The server's counters. Cheap to add to from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<Call, Counter>,
    stages: Family<Stage, Histogram>,
    refusals: Family<Refused, Counter>,
    repeats: Counter,
    listings: HistogramWithExemplars<Example>,
    ratings: Family<Rated, Counter>,
    images: Family<ImageLabels, Counter>,
    cache: Family<Lookup, Counter>,
    looks: Family<LookLabels, Counter>,
    suggestions: Family<Suggested, Counter>,
    queued: Gauge,
    oldest: Gauge<f64, AtomicU64>,
    under_way: Gauge<u64, AtomicU64>,
    message_bytes: Gauge<u64, AtomicU64>,
    most_message_bytes: Gauge<u64, AtomicU64>,
    build: Family<Build, Gauge>,
    cached_images: Gauge<u64, AtomicU64>,
    resident: Gauge<u64, AtomicU64>,
    dropped_log_lines: Counter,
    stuck_workers: Gauge<u64, AtomicU64>,
    replaced_workers: Counter,
    models: ModelMetrics,
    scores: ScoreMetrics,
}

/// What is only known when the metrics are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    /// Jobs that wait.
    pub queued: usize,
    /// How long the one that waits longest has done so.
    pub oldest: Duration,
    /// Calls under way.
    pub under_way: usize,
    /// Bytes of messages that are held, and how many may be.
    pub message_bytes: (usize, usize),
    /// Images that the cache holds.
    pub cached_images: u64,
    /// Workers that do not return, and how many have taken such a one's place so far.
    pub lost_workers: (u64, u64),
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(BOUNDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("wildwarden"),
            calls: Family::default(),
            stages: Family::new_with_constructor(seconds),
            refusals: Family::default(),
            repeats: Counter::default(),
            listings: HistogramWithExemplars::new(BOUNDS.into_iter()),
            ratings: Family::default(),
            images: Family::default(),
            cache: Family::default(),
            looks: Family::default(),
            suggestions: Family::default(),
            queued: Gauge::default(),
            oldest: Gauge::default(),
            under_way: Gauge::default(),
            message_bytes: Gauge::default(),
            most_message_bytes: Gauge::default(),
            build: Family::default(),
            cached_images: Gauge::default(),
            resident: Gauge::default(),
            dropped_log_lines: Counter::default(),
            stuck_workers: Gauge::default(),
            replaced_workers: Counter::default(),
            models: ModelMetrics::default(),
            scores: ScoreMetrics::default(),
        };
        metrics.register_calls();
        metrics.register_listings();
        metrics.register_queue();
        metrics.register_process();
        metrics.models.register(&mut metrics.registry);
        metrics.scores.register(&mut metrics.registry);
        metrics
    }

    /// Those of calls, and of the time they take.
    fn register_calls(&mut self) {
        let r = &mut self.registry;
        r.register(
            "requests",
            "Calls answered, by RPC, gRPC code and the key's name; \"none\" is everybody without one",
            self.calls.clone(),
        );
        r.register("refusals", "Calls and items that got an error, by its reason", self.refusals.clone());
        r.register(
            "answers_repeated",
            "Calls that got the answer which their caller was given just before",
            self.repeats.clone(),
        );
        r.register_with_unit(
            "stage_duration",
            "Time an image, a text or a listing spent in a stage",
            Unit::Seconds,
            self.stages.clone(),
        );
        r.register_with_unit(
            "listing_duration",
            "From the decoded request to the rating",
            Unit::Seconds,
            self.listings.clone(),
        );
    }

    /// Those of listings and their parts.
    fn register_listings(&mut self) {
        let r = &mut self.registry;
        r.register("ratings", "Categories rated, by level", self.ratings.clone());
        r.register(
            "images",
            "Images looked at, by status and format; of one that is not read \"other\"",
            self.images.clone(),
        );
        r.register("image_cache_lookups", "Images by whether the cache knew them: hit, miss", self.cache.clone());
        r.register(
            "looks",
            "Looks at images and texts: taken, or why one that the policy wants was left out: busy, budget, late, absent",
            self.looks.clone(),
        );
        r.register("listings_rated", "Listings rated, by suggestion", self.suggestions.clone());
    }

    /// Those of what waits and is held.
    fn register_queue(&mut self) {
        let r = &mut self.registry;
        r.register("queue_jobs", "Images and texts that wait for a worker", self.queued.clone());
        r.register_with_unit(
            "queue_oldest",
            "How long the image or text that waits longest has waited",
            Unit::Seconds,
            self.oldest.clone(),
        );
        r.register("calls_under_way", "Calls that were begun and are not answered", self.under_way.clone());
        r.register_with_unit(
            "messages_held",
            "Messages that arrive, wait or are rated",
            Unit::Bytes,
            self.message_bytes.clone(),
        );
        r.register_with_unit(
            "messages_held_limit",
            "What they may hold (limits.max_bytes_in_flight)",
            Unit::Bytes,
            self.most_message_bytes.clone(),
        );
        r.register("image_cache_images", "Images the cache holds", self.cached_images.clone());
    }

    /// Those of the process itself.
    fn register_process(&mut self) {
        let r = &mut self.registry;
        r.register("build_info", "1, with the versions of the program and of ONNX Runtime", self.build.clone());
        r.register_with_unit("resident_memory", "Resident memory of the process", Unit::Bytes, self.resident.clone());
        r.register(
            "log_lines_dropped",
            "Log lines lost because they could not be written fast enough",
            self.dropped_log_lines.clone(),
        );
        r.register(
            "workers_stuck",
            "Workers that do not return from what they do; while there are any, health says NOT_SERVING",
            self.stuck_workers.clone(),
        );
        r.register(
            "workers_replaced",
            "Workers that have taken the place of one that did not return",
            self.replaced_workers.clone(),
        );
    }

    /// Those of models.
    pub fn models(&self) -> &ModelMetrics {
        &self.models
    }

    /// Those of scores.
    pub fn scores(&self) -> &ScoreMetrics {
        &self.scores
    }

    /// A call was answered; `key` is the name of the caller's, of which there are as many as the settings have.
    pub fn call(&self, rpc: &'static str, code: &'static str, key: Option<&str>) {
        let caller = key.unwrap_or("none").to_owned();
        self.calls.get_or_create(&Call { rpc, code, caller }).inc();
    }

    /// A call or an item of one got an error.
    pub fn refused(&self, reason: &str) {
        self.refusals.get_or_create(&Refused { reason: reason.to_owned() }).inc();
    }

    /// A call got the answer of before.
    pub fn repeated(&self) {
        self.repeats.inc();
    }

    /// What runs here.
    pub fn built(&self, version: &str, onnxruntime: &str) {
        let build = Build { version: version.to_owned(), onnxruntime: onnxruntime.to_owned() };
        self.build.get_or_create(&build).set(1);
    }

    /// A part of a listing spent `time` in a stage.
    pub fn stage(&self, stage: &'static str, time: Duration) {
        self.stages.get_or_create(&Stage { stage }).observe(time.as_secs_f64());
    }

    /// An image was looked at, or found in the cache.
    pub fn image(&self, status: &'static str, format: &'static str, cached: bool) {
        let format = if format.is_empty() || status == "unsupported_format" { "other" } else { format };
        self.images.get_or_create(&ImageLabels { status, format }).inc();
        self.cache.get_or_create(&Lookup { outcome: if cached { "hit" } else { "miss" } }).inc();
    }

    /// An image or a text took `taken` looks, and another was left out for the reason of that name.
    pub fn looks(&self, modality: &'static str, taken: usize, left_out: Option<&'static str>) {
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        let count = |look, outcome| self.looks.get_or_create(&LookLabels { modality, look, outcome }).inc();
        (1..=taken).for_each(|look| {
            count(look, "taken");
        });
        left_out.into_iter().for_each(|why| {
            count(taken.saturating_add(1), why);
        });
    }

    /// A listing was rated, in `total`; `trace_id`: what traces know its call by.
    pub fn rated(&self, rating: &Rating, total: Duration, trace_id: Option<&str>) {
        self.suggestions.get_or_create(&Suggested { suggestion: rating.suggestion.name() }).inc();
        for CategoryRating { category, level, .. } in &rating.categories {
            self.ratings.get_or_create(&Rated { category: category.to_string(), level: level.name() }).inc();
        }
        self.stage("score", Duration::from_micros(rating.timings.score_us));
        let example = trace_id.map(|trace_id| Example { trace_id: trace_id.to_owned() });
        self.listings.observe(total.as_secs_f64(), example, None);
    }

    /// The exposition, with what is only known when asked.
    pub fn render(&self, now: Now) -> String {
        self.queued.set(i64::try_from(now.queued).unwrap_or(i64::MAX));
        self.oldest.set(now.oldest.as_secs_f64());
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.under_way.set(number(now.under_way));
        self.message_bytes.set(number(now.message_bytes.0));
        self.most_message_bytes.set(number(now.message_bytes.1));
        self.cached_images.set(now.cached_images);
        self.scores.render();
        let (stuck, replaced) = now.lost_workers;
        self.stuck_workers.set(stuck);
        self.replaced_workers.inc_by(replaced.saturating_sub(self.replaced_workers.get()));
        if let Some(bytes) = memory::resident_bytes() {
            self.resident.set(bytes);
        }
        let dropped = telemetry::dropped_lines().saturating_sub(self.dropped_log_lines.get());
        self.dropped_log_lines.inc_by(dropped);
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_on_the_page() {
        let metrics = Metrics::new();
        metrics.image("ok", "jpeg", true);
        metrics.image("ok", "jpeg", false);
        metrics.image("unsupported_format", "heic", false);
        metrics.looks("images", 1, Some("busy"));
        metrics.looks("images", 2, None);
        metrics.stage("decode", Duration::from_millis(3));
        metrics.call("Classify", "OK", None);
        metrics.refused("QUEUE_FULL");
        metrics.built("1.2.3", "abc");
        metrics
            .models()
            .in_service([(["tusk", "1", "ab"], "stable"), (["tusk", "2", "cd"], "canary")].into_iter(), 0.1);
        metrics.models().in_service([(["tusk", "2", "cd"], "stable")].into_iter(), 0.0);
        let page = metrics.render(Now {
            queued: 5,
            oldest: Duration::from_millis(250),
            under_way: 3,
            message_bytes: (10, 20),
            cached_images: 7,
            lost_workers: (1, 2),
        });
        for line in [
            "wildwarden_image_cache_lookups_total{outcome=\"hit\"} 1",
            "wildwarden_images_total{status=\"ok\",format=\"jpeg\"} 2",
            "wildwarden_images_total{status=\"unsupported_format\",format=\"other\"} 1",
            "wildwarden_stage_duration_seconds_count{stage=\"decode\"} 1",
            "wildwarden_requests_total{rpc=\"Classify\",code=\"OK\",caller=\"none\"} 1",
            "wildwarden_refusals_total{reason=\"QUEUE_FULL\"} 1",
            "wildwarden_build_info{version=\"1.2.3\",onnxruntime=\"abc\"} 1",
            "wildwarden_queue_oldest_seconds 0.25",
            "wildwarden_calls_under_way 3",
            "wildwarden_messages_held_bytes 10",
            "wildwarden_messages_held_limit_bytes 20",
            "wildwarden_model_info{model=\"tusk\",version=\"2\",sha256=\"cd\",role=\"stable\"} 1",
            "wildwarden_looks_total{modality=\"images\",look=\"1\",outcome=\"taken\"} 2",
            "wildwarden_looks_total{modality=\"images\",look=\"2\",outcome=\"taken\"} 1",
            "wildwarden_looks_total{modality=\"images\",look=\"2\",outcome=\"busy\"} 1",
            "wildwarden_queue_jobs 5",
            "wildwarden_image_cache_images 7",
            "wildwarden_workers_stuck 1",
            "wildwarden_workers_replaced_total 2",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
        assert!(!page.contains("canary\"} 1"), "what left service is gone from the page");
    }
}
