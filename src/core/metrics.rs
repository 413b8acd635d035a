//! What operators watch, in the text format of OpenMetrics. Counts and times only: never a listing's content or id.

mod models;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::memory;
use crate::telemetry;

pub use models::ModelMetrics;

/// Upper bounds in seconds: from a cached image to a queue of many.
const BOUNDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    rpc: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stage {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ImageLabels {
    status: &'static str,
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

/// The server's counters. Cheap to add to from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<Call, Counter>,
    stages: Family<Stage, Histogram>,
    listings: Histogram,
    images: Family<ImageLabels, Counter>,
    cache: Family<Lookup, Counter>,
    looks: Family<LookLabels, Counter>,
    suggestions: Family<Suggested, Counter>,
    queued: Gauge,
    cached_images: Gauge<u64, AtomicU64>,
    resident: Gauge<u64, AtomicU64>,
    dropped_log_lines: Counter,
    stuck_workers: Gauge<u64, AtomicU64>,
    replaced_workers: Counter,
    models: ModelMetrics,
}

/// What is only known when the metrics are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    /// Jobs that wait.
    pub queued: usize,
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
            listings: seconds(),
            images: Family::default(),
            cache: Family::default(),
            looks: Family::default(),
            suggestions: Family::default(),
            queued: Gauge::default(),
            cached_images: Gauge::default(),
            resident: Gauge::default(),
            dropped_log_lines: Counter::default(),
            stuck_workers: Gauge::default(),
            replaced_workers: Counter::default(),
            models: ModelMetrics::default(),
        };
        let r = &mut metrics.registry;
        r.register("requests", "Calls answered, by RPC and gRPC code", metrics.calls.clone());
        r.register_with_unit(
            "stage_duration",
            "Time an image, a text or a listing spent in a stage",
            Unit::Seconds,
            metrics.stages.clone(),
        );
        r.register_with_unit(
            "listing_duration",
            "From the decoded request to the rating",
            Unit::Seconds,
            metrics.listings.clone(),
        );
        r.register("images", "Images looked at, by status", metrics.images.clone());
        r.register("image_cache_lookups", "Images by whether the cache knew them: hit, miss", metrics.cache.clone());
        r.register(
            "looks",
            "Looks at images and texts: taken, or why one that the policy wants was left out: busy, budget, late, absent",
            metrics.looks.clone(),
        );
        r.register("listings_rated", "Listings rated, by suggestion", metrics.suggestions.clone());
        r.register("queue_jobs", "Images and texts that wait for a worker", metrics.queued.clone());
        r.register("image_cache_images", "Images the cache holds", metrics.cached_images.clone());
        metrics.register_process();
        metrics.models.register(&mut metrics.registry);
        metrics
    }

    /// Those of the process itself.
    fn register_process(&mut self) {
        let r = &mut self.registry;
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

    /// A call was answered.
    pub fn call(&self, rpc: &'static str, code: &'static str) {
        self.calls.get_or_create(&Call { rpc, code }).inc();
    }

    /// A part of a listing spent `time` in a stage.
    pub fn stage(&self, stage: &'static str, time: Duration) {
        self.stages.get_or_create(&Stage { stage }).observe(time.as_secs_f64());
    }

    /// An image was looked at, or found in the cache.
    pub fn image(&self, status: &'static str, cached: bool) {
        self.images.get_or_create(&ImageLabels { status }).inc();
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

    /// A listing was rated.
    pub fn rated(&self, suggestion: &'static str, score: Duration, total: Duration) {
        self.suggestions.get_or_create(&Suggested { suggestion }).inc();
        self.stage("score", score);
        self.listings.observe(total.as_secs_f64());
    }

    /// The exposition, with what is only known when asked.
    pub fn render(&self, now: Now) -> String {
        self.queued.set(i64::try_from(now.queued).unwrap_or(i64::MAX));
        self.cached_images.set(now.cached_images);
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
        metrics.image("ok", true);
        metrics.image("ok", false);
        metrics.looks("images", 1, Some("busy"));
        metrics.looks("images", 2, None);
        metrics.stage("decode", Duration::from_millis(3));
        metrics.call("Classify", "OK");
        metrics
            .models()
            .in_service([(["tusk", "1", "ab"], "stable"), (["tusk", "2", "cd"], "canary")].into_iter(), 0.1);
        metrics.models().in_service([(["tusk", "2", "cd"], "stable")].into_iter(), 0.0);
        let page = metrics.render(Now { queued: 5, cached_images: 7, lost_workers: (1, 2) });
        for line in [
            "wildwarden_image_cache_lookups_total{outcome=\"hit\"} 1",
            "wildwarden_images_total{status=\"ok\"} 2",
            "wildwarden_stage_duration_seconds_count{stage=\"decode\"} 1",
            "wildwarden_requests_total{rpc=\"Classify\",code=\"OK\"} 1",
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
