//! The first generation, before anything serves. A version that does not load is passed over for an older one, so that a
//! broken folder does not keep a server from starting again; a model without any version that can serve does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::time::Instant;
use wildwarden_core::config::Config;
use wildwarden_core::domain::Declared;
use wildwarden_core::error::{Error, Result};
use wildwarden_core::model::catalogue::choice::{Choice, Decision, Situation, waits_for_policy};
use wildwarden_core::model::catalogue::opening::{Opening, open};
use wildwarden_core::model::catalogue::repository::{Repository, Version};
use wildwarden_core::model::folder::check::Checks;
use wildwarden_core::model::runtime::pace::Pace;
use wildwarden_core::pipeline::generation::{Generation, PolicyFile};

use super::judge::backoff;
use super::ledger::Failure;
use super::load::{Fault, Loader};
use super::plan::{DefaultSet, Plan};
use super::saved::SavedState;

/// What a server starts with.
pub(super) struct First {
    pub generation: Generation,
    pub repository: Repository,
    pub failures: Vec<Failure>,
    pub waiting: Vec<String>,
    /// What was decided before the last stop.
    pub decisions: Decisions,
    /// Hash of the policy file that was rolled back.
    pub policy_held: Option<String>,
    /// What the folders last chose.
    pub default: DefaultSet,
}

type Decisions = BTreeMap<String, Decision>;

/// Loads what a server starts with: the newest versions that can serve, unless something else was decided. `given`: a policy in the
/// place of the one that would serve. `repository`: where the versions are.
pub(super) fn load(config: &Config, given: Option<&Arc<PolicyFile>>, mut repository: Repository) -> Result<First> {
    repository.scan()?;
    let saved_state = if config.folders.ignore_state { None } else { SavedState::read(&config.folders.models) };
    let decisions = saved_state.as_ref().map(|r| r.decisions(&repository.versions())).unwrap_or_default();
    let default_versions = saved_state.as_ref().map(|r| r.default_versions(&repository.versions())).unwrap_or_default();
    let (policy, policy_held) = match given {
        Some(policy) => (Arc::clone(policy), None),
        None => first_policy(config, saved_state.as_ref())?,
    };
    if !decisions.is_empty() || policy_held.is_some() {
        let models = decisions.keys().cloned().collect::<Vec<_>>().join(", ");
        tracing::warn!(
            models,
            policy = policy_held.is_some(),
            "what was decided before the last stop still holds; --ignore-state forgets it"
        );
    }
    let mut failures: Vec<Failure> = Vec::new();
    if let Some(generation) =
        saved_state.as_ref().and_then(|r| saved_set(config, r, &repository, &default_versions, given))
    {
        let default = DefaultSet { versions: default_versions, policy };
        return Ok(First { generation, repository, failures, waiting: Vec::new(), decisions, policy_held, default });
    }
    loop {
        let before =
            Before { decisions: &decisions, default_versions: &default_versions, declared: &policy.policy.declared() };
        let Choice { versions, waiting, .. } = choose_first(config, &repository, &failures, &before)?;
        let plan = Plan::by_folders(versions, Arc::clone(&policy));
        match build(config, &plan) {
            Ok(generation) => {
                tell_what_is_not_there(&generation);
                let default = DefaultSet::of(&generation);
                return Ok(First { generation, repository, failures, waiting, decisions, policy_held, default });
            }
            Err(Fault { version: None, error }) => return Err(error),
            Err(Fault { version: Some(identity), error }) => {
                tracing::error!(name = identity.name, version = identity.version, reason = %error, "version passed over");
                let identity = *identity;
                let (reason, retry_at) = (error.to_string(), Instant::now() + backoff(1));
                failures.push(Failure { identity, reason, attempts: 1, retry_at });
            }
        }
    }
}

fn build(config: &Config, plan: &Plan) -> std::result::Result<Generation, Fault> {
    let loader = Loader {
        config,
        checks: Checks::logged(config.folders.max_file_bytes),
        pace: Pace::Full,
        loaded: &[],
        read: &[],
        before: None,
        stop: &AtomicBool::new(false),
    };
    loader.build(plan)
}

/// The named set that served before the last stop. One that cannot serve any more as it was is told of, and the folders choose.
fn saved_set(
    config: &Config,
    saved_state: &SavedState,
    repository: &Repository,
    default_versions: &[Arc<Version>],
    given: Option<&Arc<PolicyFile>>,
) -> Option<Generation> {
    let saved = saved_state.set()?;
    let plan = saved
        .plan(&repository.versions(), default_versions)
        .map(|plan| Plan { policy: given.cloned().unwrap_or(plan.policy), ..plan });
    match plan.and_then(|plan| build(config, &plan).map_err(|Fault { error, .. }| error.to_string())) {
        Ok(generation) => {
            tracing::warn!(
                set = saved.name(),
                "the set that served before the last stop serves; --ignore-state forgets it"
            );
            tell_what_is_not_there(&generation);
            Some(generation)
        }
        Err(reason) => {
            tracing::error!(
                set = saved.name(),
                reason,
                "the set that served before the last stop cannot; the folders choose"
            );
            None
        }
    }
}

/// The policy of the file, or the folders' last one when the file was rolled back or is refused; and the hash of a file that
/// was rolled back.
fn first_policy(config: &Config, saved_state: Option<&SavedState>) -> Result<(Arc<PolicyFile>, Option<String>)> {
    let saved = saved_state.and_then(SavedState::policy);
    let read = PolicyFile::read(&config.reloadable.policy);
    let sha256 = read.as_ref().ok().map(|file| file.version.sha256.clone());
    let held = saved.and_then(|saved| saved.held.clone()).filter(|held| sha256.as_ref() == Some(held));
    if held.is_none() && read.is_ok() {
        return Ok((Arc::new(read?), None));
    }
    let before = saved.map(|saved| PolicyFile::parse(saved.text.clone()));
    match (before, &read) {
        (Some(Ok(policy)), Ok(_)) => Ok((Arc::new(policy), held)),
        (Some(Ok(policy)), Err(reason)) => {
            tracing::error!(%reason, "policy refused; the one that served before the last stop serves");
            Ok((Arc::new(policy), None))
        }
        (Some(Err(problem)), _) => {
            tracing::error!(reason = problem, "the policy that served before the last stop is refused, too");
            Ok((Arc::new(read?), None))
        }
        (None, _) => Ok((Arc::new(read?), None)),
    }
}

/// What was decided, and what the folders chose, before the last stop; and what the policy declares.
struct Before<'a> {
    decisions: &'a Decisions,
    default_versions: &'a [Arc<Version>],
    declared: &'a Declared,
}

fn tell_what_is_not_there(generation: &Generation) {
    if generation.text_scorers().is_empty() {
        tracing::warn!("there is no text model: of titles and descriptions only the lexicon is read");
    }
    if generation.engine().image_scorers().next().is_none() {
        tracing::warn!("there is no model for images: a listing with photos is at least REVIEW");
    }
}

fn choose_first(config: &Config, repository: &Repository, failures: &[Failure], before: &Before<'_>) -> Result<Choice> {
    let versions = repository.versions();
    let barred: Vec<_> = failures.iter().map(|failure| failure.identity.clone()).collect();
    let (rules, decisions) = (&config.reloadable.versions, before.decisions);
    // What was chosen is a reason to stay only while it can still serve.
    let can_serve = |version: &&Arc<Version>| !barred.contains(&version.identity);
    let serving: Vec<_> = before.default_versions.iter().filter(can_serve).cloned().collect();
    let declared = before.declared;
    let situation = Situation { versions: &versions, rules, decisions, barred: &barred, serving: &serving, declared };
    let opening = open(situation);
    // Left out because others rate the same: no reason not to start.
    let known = |name: &str| {
        let left_out = opening.iter().flat_map(|opening| &opening.left_out).map(|(identity, _)| identity.name.as_str());
        let chosen = opening.iter().flat_map(|opening| &opening.choice.versions).map(|version| version.name());
        let idle = opening.iter().flat_map(|opening| &opening.choice.idle).map(String::as_str);
        left_out.chain(chosen).chain(idle).any(|other| other == name)
    };
    // Of models that the policy joins one is enough to rate.
    let has_partner = |name: &str| {
        let chosen =
            |other: &&String| opening.iter().any(|o| o.choice.versions.iter().any(|v| v.name() == other.as_str()));
        let mut joins = declared.joined().filter(|(_, models)| models.iter().any(|model| model == name)).peekable();
        joins.peek().is_some() && joins.all(|(_, models)| models.iter().any(|model| model != name && chosen(&model)))
    };
    let incomplete = repository.incomplete();
    // The reason why a model has no version says more than what its absence leads to.
    let stops = |failure: &&Failure| !known(&failure.identity.name) && !has_partner(&failure.identity.name);
    if let Some(failure) = failures.iter().find(stops) {
        return Err(Error::setup(failure.reason.clone()));
    }
    let without = |name: &str| !versions.iter().any(|version| version.name() == name);
    let stops = |name: &str| without(name) && !has_partner(name);
    if let Some(faulty) = incomplete.into_iter().find(|faulty| stops(&faulty.name)) {
        return Err(Error::setup(faulty.reason));
    }
    let notes = opening.as_ref().map(Opening::notes).unwrap_or_default();
    // What waits for a policy, or was decided to stay out, is no reason not to start.
    let stays_out = |name: &str| decisions.get(name).is_some_and(|decision| decision.serve.is_none());
    let is_lost = |version: &&Arc<Version>| {
        !known(version.name())
            && !has_partner(version.name())
            && !waits_for_policy(version, declared)
            && !stays_out(version.name())
    };
    let not_served = versions.iter().find(|version| opening.is_ok() && is_lost(version)).cloned();
    let Opening { mut choice, left_out } = opening.map_err(|problem| Error::file(&config.folders.models, problem))?;
    if let Some(version) = not_served {
        let name = version.name();
        let problem = format!("none of its versions may serve (models.versions.{name}, models.labels.{name})");
        return Err(Error::file(&config.folders.models.join(name), problem));
    }
    for (identity, reason) in left_out {
        tracing::error!(name = identity.name, version = identity.version, reason, "left out");
    }
    choice.waiting = notes;
    Ok(choice)
}
