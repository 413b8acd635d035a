//! What operators watch of models: which versions serve, what became of switches and trials.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InService {
    model: String,
    version: String,
    sha256: String,
    role: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProvider {
    provider: &'static str,
}

/// Counters and gauges of models.
#[derive(Debug, Default)]
pub struct ModelMetrics {
    switches: Family<By, Counter>,
    failures: Family<Named, Counter>,
    in_service: Family<InService, Gauge>,
    providers: Family<ByProvider, Gauge>,
    candidate_share: Gauge<f64, AtomicU64>,
    trial_listing: Family<By, Counter>,
}

impl ModelMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "model_switches",
            "Changes of what serves, by outcome: switched, promoted, rolled_back, rolled_back_automatically, failed",
            self.switches.clone(),
        );
        registry.register("model_load_failures", "Versions that did not load or check", self.failures.clone());
        registry.register(
            "model_info",
            "1 for each version in service, by role: stable, previous, canary, shadow; the policy is the model \"policy\", the named set \"set\"",
            self.in_service.clone(),
        );
        registry.register(
            "models_by_provider",
            "Models in service, by the execution provider that carries them out",
            self.providers.clone(),
        );
        registry.register("candidate_share", "Share of listings the candidate gets", self.candidate_share.clone());
        registry.register(
            "trial_listings",
            "Listings of the candidate's share, by outcome: agreed, flipped, failed, dropped",
            self.trial_listing.clone(),
        );
    }

    /// What serves changed, or failed to.
    pub fn switched(&self, outcome: &'static str) {
        self.switches.get_or_create(&By { outcome }).inc();
    }

    /// A version did not load, or its check failed.
    pub fn failed(&self, model: &str) {
        self.failures.get_or_create(&Named { model: model.to_owned() }).inc();
    }

    /// A listing of the candidate's share.
    pub fn trial_listing(&self, outcome: &'static str) {
        self.trial_listing.get_or_create(&By { outcome }).inc();
    }

    /// What is in service now: model, version and hash, and role; and the candidate's share, 0 without one.
    pub fn in_service<'a>(&self, versions: impl Iterator<Item = ([&'a str; 3], &'static str)>, share: f64) {
        self.in_service.clear();
        for (labels, role) in versions {
            let [model, version, sha256] = labels.map(str::to_owned);
            let labels = InService { model, version, sha256, role };
            self.in_service.get_or_create(&labels).set(1);
        }
        self.candidate_share.set(share);
    }

    /// What carries the models of the stable generation out.
    pub fn carried_out(&self, providers: impl Iterator<Item = (&'static str, u32)>) {
        self.providers.clear();
        for (provider, models) in providers {
            self.providers.get_or_create(&ByProvider { provider }).set(i64::from(models));
        }
    }
}
