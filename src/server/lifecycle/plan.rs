//! What should serve.

use std::sync::Arc;

use wildwarden_core::domain::{DEFAULT_SET, ModelVersion};
use wildwarden_core::model::catalogue::repository::Version;
use wildwarden_core::pipeline::generation::{Generation, PolicyFile};

/// What should serve.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// One version a model.
    pub versions: Vec<Arc<Version>>,
    /// What the scores are made a rating by.
    pub policy: Arc<PolicyFile>,
    /// Name of the set, or [`DEFAULT_SET`].
    pub set: String,
}

/// What a call names, labels resolved to versions.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// Versions, in the place of those in service.
    Versions(Vec<ModelVersion>),
    /// A set, or [`DEFAULT_SET`].
    Set(String),
}

/// What folders, rules and the policy file chose when they last did.
#[derive(Debug, Clone)]
pub(super) struct DefaultSet {
    pub versions: Vec<Arc<Version>>,
    pub policy: Arc<PolicyFile>,
}

impl DefaultSet {
    pub(super) fn of(generation: &Generation) -> Self {
        Self { versions: generation.versions(), policy: Arc::clone(generation.policy_file()) }
    }
}

impl Plan {
    /// What folders and the policy file choose.
    pub(super) fn by_folders(versions: Vec<Arc<Version>>, policy: Arc<PolicyFile>) -> Self {
        Self { versions, policy, set: DEFAULT_SET.to_owned() }
    }

    /// The models and the policy of `generation`, as they come before something of it is changed: no named set any more.
    pub(super) fn in_the_place_of(generation: &Generation) -> Self {
        Self::by_folders(generation.versions(), Arc::clone(generation.policy_file()))
    }

    /// Whether `generation` is exactly this.
    pub(super) fn is(&self, generation: &Generation) -> bool {
        self.set == generation.set().name && self.rates_as(generation)
    }

    /// Whether `generation` has the same models and policy.
    pub(super) fn rates_as(&self, generation: &Generation) -> bool {
        let same_policy = generation.policy_version().sha256 == self.policy.version.sha256;
        let serves = |version: &Arc<Version>| generation.models().contains(&version.identity);
        same_policy && generation.models().len() == self.versions.len() && self.versions.iter().all(serves)
    }
}
