//! What serves, what served and what is tried; what was decided by call, what failed, and what is held back. Pure: time comes
//! in as an argument and nothing loads, so every order of events can be tried.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wildwarden_core::domain::{DEFAULT_SET, ModelVersion, PolicyVersion};
use wildwarden_core::error::{Error, Result};
use wildwarden_core::model::catalogue::choice::Decision;
use wildwarden_core::model::catalogue::repository::{Version, order};

use super::judge::backoff;
use super::plan::DefaultSet;

/// What the ledger knows of a thing that can serve.
pub(super) trait Served {
    /// Its models.
    fn models(&self) -> &[ModelVersion];
    /// Name of its set.
    fn set(&self) -> &str;
    /// Its policy.
    fn policy(&self) -> &PolicyVersion;
    /// What the folders chose, if it is that.
    fn as_default(&self) -> DefaultSet;
}

/// A version that did not load, or whose check failed.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub identity: ModelVersion,
    pub reason: String,
    pub attempts: u32,
    pub retry_at: Instant,
}

/// What a roll back did, and what left service by it.
#[derive(Debug)]
pub(super) enum Undone<S> {
    /// A trial ended.
    Trial(Arc<S>),
    /// What served before serves again.
    Switch(Arc<S>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger<S> {
    serving: Arc<S>,
    /// What served before, for one roll back to return to.
    previous: Option<Arc<S>>,
    candidate: Option<Arc<S>>,
    /// What the folders last chose: what serves, unless a named set does.
    default: DefaultSet,
    /// What calls decided, by model.
    decisions: BTreeMap<String, Decision>,
    /// Versions that are left alone for a while.
    failures: Vec<Failure>,
    /// Content of the policy file that was rolled back, or did not serve.
    policy_held: Option<String>,
    /// Until when a switch is watched.
    watched_until: Option<Instant>,
    /// Counts what was decided by call, so that a load that began before can tell.
    epoch: u64,
}

impl<S: Served> Ledger<S> {
    /// `serving` serves; the rest is what is remembered of before.
    pub(super) fn new(
        serving: Arc<S>,
        default: DefaultSet,
        decisions: BTreeMap<String, Decision>,
        failures: Vec<Failure>,
        policy_held: Option<String>,
    ) -> Self {
        let (previous, candidate, watched_until, epoch) = (None, None, None, 0);
        Self { serving, previous, candidate, default, decisions, failures, policy_held, watched_until, epoch }
    }

    /// What serves.
    pub(super) fn serving(&self) -> &Arc<S> {
        &self.serving
    }

    /// What served before.
    pub(super) fn previous(&self) -> Option<&Arc<S>> {
        self.previous.as_ref()
    }

    /// What is tried.
    pub(super) fn candidate(&self) -> Option<&Arc<S>> {
        self.candidate.as_ref()
    }

    /// What the folders last chose.
    pub(super) fn default(&self) -> &DefaultSet {
        &self.default
    }

    /// What calls decided, by model.
    pub(super) fn decisions(&self) -> &BTreeMap<String, Decision> {
        &self.decisions
    }

    /// Content of the policy file that is not taken by itself.
    pub(super) fn policy_held(&self) -> Option<&String> {
        self.policy_held.as_ref()
    }

    /// Counts what was decided by call.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Something was decided: what loads now was planned before it.
    pub(super) fn next_epoch(&mut self) {
        self.epoch += 1;
    }

    /// Puts `next` in service, watched for `watch`. What served is kept for a return. Returns what left service for good.
    pub(super) fn serve(&mut self, next: Arc<S>, watch: Duration, now: Instant) -> Vec<Arc<S>> {
        self.clear_failures(next.models());
        self.note_default(&next);
        let tried = self.candidate.take().filter(|tried| !Arc::ptr_eq(tried, &next));
        let before = std::mem::replace(&mut self.serving, next);
        let older = self.previous.replace(before);
        self.watched_until = (!watch.is_zero()).then(|| now + watch);
        older.into_iter().chain(tried).collect()
    }

    /// Tries `candidate`. Returns what was tried before.
    pub(super) fn try_out(&mut self, candidate: Arc<S>) -> Option<Arc<S>> {
        self.next_epoch();
        self.candidate.replace(candidate)
    }

    /// Ends the trial. Returns what was tried.
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing is tried.
    pub(super) fn stop_candidate(&mut self) -> Result<Arc<S>> {
        let tried = self.candidate.take().ok_or_else(|| Error::Refused("no candidate is being tried".into()))?;
        self.next_epoch();
        Ok(tried)
    }

    /// Undoes the last change: ends a trial, or else returns to what served before. What is left is held back: the folder alone
    /// does not bring it again, a newer version or a call does.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is nothing to return to.
    pub(super) fn roll_back(&mut self) -> Result<Undone<S>> {
        if self.candidate.is_some() {
            return self.stop_candidate().map(Undone::Trial);
        }
        let nothing = || Error::Refused("there is no earlier generation to return to".into());
        let previous = self.previous.take().ok_or_else(nothing)?;
        self.hold_back(&Arc::clone(&self.serving), &previous);
        self.note_default(&previous);
        self.watched_until = None;
        self.next_epoch();
        Ok(Undone::Switch(std::mem::replace(&mut self.serving, previous)))
    }

    /// Lets go of what served before, if `holds` says so.
    pub(super) fn forget_previous(&mut self, holds: impl FnOnce(&S) -> bool) -> Option<Arc<S>> {
        self.previous.take_if(|previous| holds(previous))
    }

    fn note_default(&mut self, next: &S) {
        if next.set() == DEFAULT_SET {
            self.default = next.as_default();
        }
    }

    fn hold_back(&mut self, from: &S, to: &S) {
        // A set comes and goes by call only.
        if [from, to].iter().any(|served| served.set() != DEFAULT_SET) {
            return;
        }
        let new_policy = from.policy().sha256 != to.policy().sha256;
        let of = |served: &S, name: &str| served.models().iter().find(|m| m.name == name).cloned();
        let mut names: Vec<&String> = from.models().iter().chain(to.models()).map(|model| &model.name).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (was, is) = (of(from, name), of(to, name));
            // What only came or went with its policy is held back with the policy.
            let by_policy = new_policy && (was.is_none() || is.is_none());
            if was == is || by_policy {
                continue;
            }
            let held = self.decisions.get(name).map(|decision| decision.until_newer_than.clone());
            let newest = [held, was, is.clone()].into_iter().flatten();
            let Some(until_newer_than) = newest.max_by(|a, b| order(&a.version).cmp(&order(&b.version))) else {
                continue;
            };
            let decision = Decision { serve: is.map(|model| model.version), until_newer_than };
            self.decisions.insert(name.clone(), decision);
        }
        if new_policy {
            self.policy_held = Some(from.policy().sha256.clone());
        }
    }

    /// Notes that `versions` serve by call: until one newer than all that are in `known` appears.
    pub(super) fn decide(&mut self, versions: &[ModelVersion], known: &[Arc<Version>]) {
        for wanted in versions {
            let there = known.iter().map(|version| &version.identity).filter(|v| v.name == wanted.name);
            let newest = there.chain([wanted]).max_by(|a, b| order(&a.version).cmp(&order(&b.version)));
            let until_newer_than = newest.unwrap_or(wanted).clone();
            let decision = Decision { serve: Some(wanted.version.clone()), until_newer_than };
            self.decisions.insert(wanted.name.clone(), decision);
        }
        self.next_epoch();
    }

    /// Forgets what was decided for models whose rule changed.
    pub(super) fn rules_changed(&mut self, changed: impl Fn(&String) -> bool) {
        self.decisions.retain(|name, _| !changed(name));
        self.next_epoch();
    }

    /// The policy file with this content is not taken by itself any more.
    pub(super) fn hold_policy(&mut self, sha256: String) {
        self.policy_held = Some(sha256);
    }

    /// The policy file with this content may be taken again.
    pub(super) fn release_policy(&mut self, sha256: &str) {
        self.policy_held = self.policy_held.take().filter(|held| held != sha256);
    }

    /// This is what the policy file holds now: one that was held back and is another is nobody's concern any more.
    pub(super) fn policy_file_is(&mut self, sha256: &str) {
        self.policy_held = self.policy_held.take().filter(|held| held == sha256);
    }

    /// Whether a switch is watched at `now`.
    pub(super) fn is_watched(&mut self, now: Instant) -> bool {
        self.watched_until = self.watched_until.filter(|until| now < *until);
        self.watched_until.is_some()
    }

    /// Whether somebody must look again soon, without a message.
    pub(super) fn wants_watching(&self) -> bool {
        self.watched_until.is_some()
    }

    /// Why a version did not load.
    pub(super) fn failure_of(&self, identity: &ModelVersion) -> Option<&Failure> {
        self.failures.iter().find(|failure| failure.identity == *identity)
    }

    /// A version failed, and is left alone for the time that is returned: longer each time in a row.
    pub(super) fn record_failure(&mut self, identity: &ModelVersion, reason: String, now: Instant) -> Duration {
        let attempts = self.failure_of(identity).map_or(0, |failure| failure.attempts) + 1;
        let wait = backoff(attempts);
        self.failures.retain(|failure| failure.identity != *identity);
        self.failures.push(Failure { identity: identity.clone(), reason, attempts, retry_at: now + wait });
        wait
    }

    /// Versions loaded, so that they have not failed.
    pub(super) fn clear_failures(&mut self, versions: &[ModelVersion]) {
        self.failures.retain(|failure| !versions.contains(&failure.identity));
    }

    /// Failures of versions that are not there any more are forgotten; those that changed are tried again at once.
    pub(super) fn seen(&mut self, there: &[Arc<Version>], changed: impl Fn(&ModelVersion) -> bool, now: Instant) {
        self.failures.retain(|failure| there.iter().any(|version| version.identity == failure.identity));
        self.failures.iter_mut().filter(|failure| changed(&failure.identity)).for_each(|f| f.retry_at = now);
    }

    /// Whatever failed is tried again at once.
    pub(super) fn retry_all(&mut self, now: Instant) {
        self.failures.iter_mut().for_each(|failure| failure.retry_at = now);
    }

    /// Versions that are left alone at `now`.
    pub(super) fn barred(&self, now: Instant) -> Vec<ModelVersion> {
        self.failures.iter().filter(|failure| failure.retry_at > now).map(|failure| failure.identity.clone()).collect()
    }

    /// When a version that failed may be tried again for the first time after `looked`.
    pub(super) fn next_retry(&self, looked: Instant) -> Option<Instant> {
        self.failures.iter().map(|failure| failure.retry_at).filter(|at| *at > looked).min()
    }
}

#[cfg(test)]
mod tests;
