//! Which versions serve together. Pure: from what is there, what the rules allow and what was decided by call to one
//! version a model, so that heads fit their encoder and no category is rated twice or no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{Category, Declared, ModelVersion, Rated};
use crate::model::catalogue::encoders::{Versions, groups, lacks_encoder, newest_of_group};
use crate::model::catalogue::repository::{Version, order};
use crate::model::folder::manifest::Kind;

/// Which of a model's versions may serve.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum VersionPolicy {
    /// The newest.
    #[default]
    Latest,
    /// This one.
    Pinned(String),
    /// All of these are kept loaded, so that one replaces another at once; the newest of them serves.
    Several(Vec<String>),
}

/// What the configuration says of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Which versions may serve.
    pub policy: VersionPolicy,
    /// The version labelled `stable`: it serves, whatever the policy.
    pub stable: Option<String>,
    /// The version labelled `canary`: never taken by the policy, only tried by call.
    pub canary: Option<String>,
}

/// Rules by the model's name; a model without one has the default.
pub type Rules = BTreeMap<String, Rule>;

/// What a call decided for a model. It beats the rule until a newer version appears, or the rule changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The version that serves; none: the model does not.
    pub serve: Option<String>,
    /// Under [`VersionPolicy::Latest`] a version newer than this one ends the decision.
    pub until_newer_than: ModelVersion,
}

/// All that a choice depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// Complete versions.
    pub versions: &'a [Arc<Version>],
    /// What the configuration says.
    pub rules: &'a Rules,
    /// What calls decided.
    pub decisions: &'a BTreeMap<String, Decision>,
    /// Versions that failed to load and are not tried again yet.
    pub barred: &'a [ModelVersion],
    /// What serves now.
    pub serving: &'a [Arc<Version>],
    /// What the policy declares: a model that rates categories, and none of these, waits, and models that rate the same serve together
    /// where it joins them.
    pub declared: &'a Declared,
}

impl<'a> Situation<'a> {
    /// Nothing serves, was decided or failed.
    pub fn of(versions: &'a [Arc<Version>], rules: &'a Rules, declared: &'a Declared) -> Self {
        static UNDECIDED: BTreeMap<String, Decision> = BTreeMap::new();
        Self { versions, rules, decisions: &UNDECIDED, barred: &[], serving: &[], declared }
    }
}

/// One version a model.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Sorted by name.
    pub versions: Vec<Arc<Version>>,
    /// Versions that would serve but for something that is missing, each a sentence.
    pub waiting: Vec<String>,
    /// Names of models of which no version serves until another model is there.
    pub idle: BTreeSet<String>,
    /// Where models and policy do not meet: labels of a category that is not declared, joined models that do not serve; each a
    /// sentence.
    pub undeclared: Vec<String>,
}

/// Chooses the newest encoder that every head fits, and of every other model the newest version that fits it. What serves
/// is left for something older only when no other set can serve: or an encoder whose heads are still being copied would be
/// taken with heads that were left long ago.
///
/// # Errors
/// One sentence, when the versions there are make no set that can serve; nothing should change then.
pub fn choose(situation: Situation<'_>) -> Result<Choice, String> {
    let all = eligible(situation);
    let mut choice =
        newest_set(&not_older(&all, situation.serving), situation).or_else(|_| newest_set(&all, situation))?;
    choice.undeclared = labels_that_wait(&choice.versions, situation);
    choice.undeclared.extend(partners_that_lack(&choice.versions, situation.declared));
    Ok(choice)
}

/// Models that the policy joins to others and that do not serve: until they do, the others rate without them.
fn partners_that_lack(chosen: &[Arc<Version>], declared: &Declared) -> Vec<String> {
    let lacking = declared.joined().flat_map(|(rated, models)| {
        let rates = move |name: &&String| chosen.iter().any(|version| version.name() == *name && rates(version, rated));
        let (category, modality) = rated;
        let lacking = models.iter().filter(move |name| !rates(name));
        lacking
            .map(move |name| format!("the policy joins {name} by {modality} for {category}, and it does not rate that"))
    });
    lacking.collect()
}

/// Labels of chosen models, and of models that are left out for it, that feed a category which the policy does not declare.
fn labels_that_wait(chosen: &[Arc<Version>], situation: Situation<'_>) -> Vec<String> {
    let names: BTreeSet<&str> = situation.versions.iter().map(|version| version.name()).collect();
    let in_question = names.into_iter().filter_map(|name| {
        let newest = || on_disk(name, situation.versions).max_by(|a, b| a.order().cmp(&b.order()));
        on_disk(name, chosen).next().or_else(newest)
    });
    let told = |version: &Arc<Version>| {
        let lost: BTreeSet<Category> = version.feeds().filter(|fed| !situation.declared.may_rate(*fed)).collect();
        lost.into_iter()
            .map(|category| format!("{} waits for a policy that declares the category {category}", version.label()))
            .collect::<Vec<_>>()
    };
    in_question.flat_map(told).collect()
}

/// Whether all that `version` could rate are categories which are not `declared`.
pub fn waits_for_policy(version: &Version, declared: &Declared) -> bool {
    version.feeds().next().is_some() && !version.feeds().any(|fed| declared.may_rate(fed))
}

/// `candidates` without those that come after the one that serves. A model whose serving version is not a candidate keeps all.
fn not_older(candidates: &Eligible, serving: &[Arc<Version>]) -> Eligible {
    let serves = |version: &Arc<Version>| serving.iter().any(|now| now.identity == version.identity);
    let up_to_serving = |versions: &Vec<Arc<Version>>| {
        let kept = versions.iter().position(serves).map_or(versions.len(), |place| place + 1);
        versions.iter().take(kept).cloned().collect()
    };
    candidates.iter().map(|(name, versions)| (name.clone(), up_to_serving(versions))).collect()
}

fn newest_set(candidates: &Eligible, situation: Situation<'_>) -> Result<Choice, String> {
    let is_a = |kind: Kind| move |versions: &&Versions| versions.iter().any(|v| v.manifest.kind == kind);
    let encoders: Vec<&Versions> = candidates.values().filter(is_a(Kind::ImageEncoder)).collect();
    let others = candidates.values().filter(|versions| !is_a(Kind::ImageEncoder)(versions));
    let mut choice = Choice::default();
    let (ready, waiting): (Vec<&Versions>, Vec<&Versions>) =
        others.partition(|versions| !lacks_encoder(versions, &encoders));
    for head in waiting.iter().filter_map(|versions| versions.first()) {
        let wanted = head.manifest.encoder.as_ref().map(ToString::to_string).unwrap_or_default();
        choice.wait(head, &format!("the encoder {wanted}"));
    }
    // An encoder that nothing names, beside one that serves, takes no head from it.
    let serves =
        |versions: &Versions| versions.iter().any(|v| situation.serving.iter().any(|now| now.name() == v.name()));
    let (groups, unread) = groups(&encoders, ready, &serves)?;
    unread.into_iter().for_each(|encoder| choice.wait(encoder, "heads that name it"));
    for (encoder, models) in groups {
        let (versions, waiting) = newest_of_group(encoder, &models)?;
        choice.versions.extend(versions);
        choice.waiting.extend(waiting);
    }
    if choice.versions.is_empty() {
        return Err(choice.waiting.into_iter().next().unwrap_or_else(|| "there is no model".into()));
    }
    choice.versions.sort_by(|a, b| a.identity.name.cmp(&b.identity.name));
    check(&choice.versions, situation)?;
    Ok(choice)
}

impl Choice {
    /// No version of the model serves until there is what it waits for.
    fn wait(&mut self, version: &Version, wanted: &str) {
        self.waiting.push(format!("{} waits for {wanted}", version.label()));
        self.idle.insert(version.name().to_owned());
    }
}

/// Of every model the versions that may serve, the one to prefer first. A model without any is left out.
pub(super) type Eligible = BTreeMap<String, Vec<Arc<Version>>>;

pub(super) fn eligible(situation: Situation<'_>) -> Eligible {
    let Situation { versions, decisions, serving, .. } = situation;
    let names: BTreeSet<&str> =
        versions.iter().chain(serving).map(|v| v.name()).chain(decisions.keys().map(String::as_str)).collect();
    let mut all = BTreeMap::new();
    for name in names {
        let mut allowed = allowed(name, situation);
        allowed.retain(|version| !situation.barred.contains(&version.identity));
        let unknown =
            !allowed.is_empty() && allowed.iter().all(|version| waits_for_policy(version, situation.declared));
        allowed.retain(|version| !waits_for_policy(version, situation.declared));
        if allowed.is_empty() && !unknown && on_disk(name, versions).next().is_some() {
            // The versions that may serve are missing or broken: what serves goes on.
            allowed.extend(
                on_disk(name, serving).filter(|version| !situation.barred.contains(&version.identity)).cloned(),
            );
        }
        if !allowed.is_empty() {
            all.insert(name.to_owned(), allowed);
        }
    }
    all
}

fn on_disk<'a>(name: &'a str, versions: &'a [Arc<Version>]) -> impl Iterator<Item = &'a Arc<Version>> {
    versions.iter().filter(move |version| version.name() == name)
}

fn allowed(name: &str, situation: Situation<'_>) -> Vec<Arc<Version>> {
    let Situation { versions, rules, decisions, serving, .. } = situation;
    let rule = rules.get(name).cloned().unwrap_or_default();
    let mut newest_first: Vec<Arc<Version>> = on_disk(name, versions).cloned().collect();
    newest_first.sort_by(|a, b| b.order().cmp(&a.order()));
    let called = |wanted: &str| {
        // What was decided may be in memory only.
        let known = newest_first.iter().chain(on_disk(name, serving));
        known.into_iter().find(|version| version.identity.version == wanted).cloned()
    };
    if let Some(decision) = decisions.get(name) {
        let limit = &decision.until_newer_than;
        let is_newer = |version: &&Arc<Version>| match version.order().cmp(&order(&limit.version)) {
            std::cmp::Ordering::Greater => true,
            // The same version with other content was mended.
            std::cmp::Ordering::Equal => version.identity.sha256 != limit.sha256,
            std::cmp::Ordering::Less => false,
        };
        let may_end = rule.policy == VersionPolicy::Latest && rule.stable.is_none();
        let not_canary = |version: &&Arc<Version>| rule.canary.as_ref() != Some(&version.identity.version);
        let newer = newest_first.iter().filter(is_newer).filter(not_canary).filter(|_| may_end).cloned();
        return newer.chain(decision.serve.as_deref().and_then(called)).collect();
    }
    if let Some(stable) = &rule.stable {
        return called(stable).into_iter().collect();
    }
    match &rule.policy {
        VersionPolicy::Pinned(wanted) => called(wanted).into_iter().collect(),
        VersionPolicy::Several(wanted) => {
            newest_first.retain(|version| wanted.contains(&version.identity.version));
            newest_first.retain(|version| rule.canary.as_ref() != Some(&version.identity.version));
            newest_first
        }
        VersionPolicy::Latest => {
            newest_first.retain(|version| rule.canary.as_ref() != Some(&version.identity.version));
            newest_first
        }
    }
}

/// All that `versions` rate and the policy declares.
pub(super) fn rated<'a>(
    versions: impl IntoIterator<Item = &'a Arc<Version>>,
    situation: Situation<'_>,
) -> BTreeSet<Rated> {
    let fed = versions
        .into_iter()
        .flat_map(|version| version.feeds().map(move |fed| (fed, version.manifest.kind.modality())));
    fed.filter(|(category, _)| situation.declared.may_rate(*category)).collect()
}

/// Of every model the version to prefer.
pub fn first_eligible(situation: Situation<'_>) -> Vec<Arc<Version>> {
    eligible(situation).into_values().filter_map(|versions| versions.into_iter().next()).collect()
}

/// Versions that rate the same and are not joined, if there are any, and the sentence that says so.
pub(super) fn rated_twice<'a>(
    chosen: &'a [Arc<Version>],
    situation: Situation<'_>,
) -> Option<(Vec<&'a Arc<Version>>, String)> {
    rated(chosen, situation).into_iter().find_map(|what| {
        let rivals: Vec<_> = chosen.iter().filter(|version| rates(version, what)).collect();
        let joined = situation.declared.joins(what, rivals.iter().map(|version| version.name()));
        let named = rivals.iter().map(|version| version.label()).collect::<Vec<_>>().join(", ");
        let problem = format!(
            "{named} would all rate {} for {}; remove all but one, or join them in the policy",
            what.1,
            what.0.name()
        );
        (rivals.len() > 1 && !joined).then_some((rivals, problem))
    })
}

/// Refuses a set that rates a category twice, or no more although it does now.
fn check(chosen: &[Arc<Version>], situation: Situation<'_>) -> Result<(), String> {
    if let Some((_, problem)) = rated_twice(chosen, situation) {
        return Err(problem);
    }
    let serving = situation.serving;
    for what in rated(serving, situation) {
        let kept = chosen.iter().any(|version| rates(version, what));
        if let (Some(lost), false) = (serving.iter().find(|version| rates(version, what)), kept) {
            return Err(format!("without {} nothing would rate {} for {}", lost.label(), what.1, what.0.name()));
        }
    }
    Ok(())
}

/// Whether `version` rates it.
pub(super) fn rates(version: &Version, (category, modality): Rated) -> bool {
    version.manifest.kind.modality() == modality && version.feeds().any(|fed| fed == category)
}

#[cfg(test)]
mod tests;
