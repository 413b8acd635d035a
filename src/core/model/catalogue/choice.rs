//! Which versions serve together. Pure: from what is there, what the rules allow and what was decided by call to one
//! version a model, so that heads fit their encoder and no category is rated twice or no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{Category, Declared, ModelVersion, Rated};
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
    /// What the policy declares: a model that feeds categories, and none of these, waits, and models that rate the same serve together
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
    let all = candidates(situation);
    let mut choice =
        newest_set(&not_older(&all, situation.serving), situation).or_else(|_| newest_set(&all, situation))?;
    choice.undeclared = labels_that_wait(&choice.versions, situation);
    choice.undeclared.extend(partners_that_lack(&choice.versions, situation.declared));
    Ok(choice)
}

/// Models that the policy joins to others and that do not serve: until they do, the others rate without them.
fn partners_that_lack(chosen: &[Arc<Version>], declared: &Declared) -> Vec<String> {
    let lacking = declared.joined().flat_map(|(rated, models)| {
        let rates = move |name: &&String| chosen.iter().any(|version| version.name() == *name && feeds(version, rated));
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
            .map(|category| format!("{} waits for a policy that declares the category {category}", told(version)))
            .collect::<Vec<_>>()
    };
    in_question.flat_map(told).collect()
}

/// Whether all that `version` could rate are categories which are not `declared`.
pub fn waits_for_policy(version: &Version, declared: &Declared) -> bool {
    version.feeds().next().is_some() && !version.feeds().any(|fed| declared.may_rate(fed))
}

/// `candidates` without those that come after the one that serves. A model whose serving version is not a candidate keeps all.
fn not_older(candidates: &Candidates, serving: &[Arc<Version>]) -> Candidates {
    let serves = |version: &Arc<Version>| serving.iter().any(|now| now.identity == version.identity);
    let up_to_serving = |versions: &Vec<Arc<Version>>| {
        let kept = versions.iter().position(serves).map_or(versions.len(), |place| place + 1);
        versions.iter().take(kept).cloned().collect()
    };
    candidates.iter().map(|(name, versions)| (name.clone(), up_to_serving(versions))).collect()
}

/// Versions of one model, the one to prefer first.
type Versions = Vec<Arc<Version>>;

fn newest_set(candidates: &Candidates, situation: Situation<'_>) -> Result<Choice, String> {
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
    for (encoder, models) in groups(&encoders, ready, situation, &mut choice)? {
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
        self.waiting.push(format!("{} waits for {wanted}", told(version)));
        self.idle.insert(version.name().to_owned());
    }
}

/// Whether every version names an encoder, and none of them is there.
fn lacks_encoder(versions: &Versions, encoders: &[&Versions]) -> bool {
    let is_there = |name: &String| encoders.iter().flat_map(|versions| versions.iter()).any(|v| v.name() == name);
    let lacks = |version: &Arc<Version>| {
        let wanted = version.manifest.encoder.as_ref().and_then(|encoder| encoder.name.as_ref());
        wanted.is_some_and(|name| !is_there(name))
    };
    versions.iter().all(lacks)
}

/// An encoder, if there is one, and the models that are chosen with it.
type Group<'a> = (Option<&'a Versions>, Vec<&'a Versions>);

/// Models with the encoder they are chosen with: every head with the one that its newest fitting version fits. With an encoder
/// alone, or none, all are one group.
///
/// # Errors
/// One sentence: a head fits no encoder, or two that both have their place.
fn groups<'a>(
    encoders: &[&'a Versions],
    others: Vec<&'a Versions>,
    situation: Situation<'_>,
    choice: &mut Choice,
) -> Result<Vec<Group<'a>>, String> {
    if encoders.len() < 2 {
        return Ok(vec![(encoders.first().copied(), others)]);
    }
    let mut groups: Vec<Group<'a>> = encoders.iter().map(|encoder| (Some(*encoder), Vec::new())).collect();
    let (mut without, mut unclear) = (Vec::new(), Vec::new());
    for versions in others {
        match (fitting_encoders(versions, encoders).as_slice(), versions.first()) {
            ([], Some(head)) if versions.iter().all(|version| version.manifest.kind == Kind::Head) => {
                return Err(misfit(None, &[head]));
            }
            ([], _) => without.push(versions),
            ([one], _) => groups.get_mut(*one).into_iter().for_each(|(_, heads)| heads.push(versions)),
            (several, _) => unclear.push((versions, several.to_vec())),
        }
    }
    // An encoder that nothing names, beside one that serves, takes no head from it.
    let serves = |encoder: &Versions| situation.serving.iter().any(|v| encoder.iter().any(|e| e.name() == v.name()));
    let has_a_place = |(encoder, heads): &Group<'_>| !heads.is_empty() || encoder.is_some_and(&serves);
    let placed: Vec<bool> = groups.iter().map(has_a_place).collect();
    for (versions, fitting) in unclear {
        let mut of_both = fitting.iter().filter(|place| placed.get(**place) == Some(&true));
        match (of_both.next(), of_both.next()) {
            (Some(one), None) => groups.get_mut(*one).into_iter().for_each(|(_, heads)| heads.push(versions)),
            _ => return Err(fits_several(versions, &fitting, encoders)),
        }
    }
    // Without a head its run would be for nothing.
    groups.retain(|(encoder, heads)| {
        let idle = encoder.and_then(|encoder| encoder.first()).filter(|_| heads.is_empty());
        idle.into_iter().for_each(|encoder| choice.wait(encoder, "heads that name it"));
        idle.is_none()
    });
    groups.push((None, without));
    Ok(groups)
}

/// Places of the encoders that the newest of a head's versions fits of those that fit any.
fn fitting_encoders(versions: &Versions, encoders: &[&Versions]) -> Vec<usize> {
    let of_version = |version: &Arc<Version>| -> Vec<usize> {
        let fits = |encoder: &&Versions| encoder.iter().any(|encoder| version.manifest.fits(&encoder.manifest));
        let is_head = version.manifest.kind == Kind::Head;
        (0..encoders.len()).filter(|&place| is_head && encoders.get(place).is_some_and(fits)).collect()
    };
    versions.iter().map(of_version).find(|fitting| !fitting.is_empty()).unwrap_or_default()
}

fn fits_several(head: &Versions, fitting: &[usize], encoders: &[&Versions]) -> String {
    let names = fitting.iter().filter_map(|place| Some(encoders.get(*place)?.first()?.name())).collect::<Vec<_>>();
    let head = head.first().map(|version| told(version)).unwrap_or_default();
    let one = names.first().copied().unwrap_or_default();
    let names = names.join(" and ");
    format!("{head} fits the encoders {names}: let its manifest name one, as encoder = \"{one}/VERSION\"")
}

/// Of a group the newest encoder that every head fits, and of every other model the newest version that fits it; and what waits.
fn newest_of_group(encoder: Option<&Versions>, others: &[&Versions]) -> Result<(Versions, Vec<String>), String> {
    let encoder_versions: Vec<Option<&Arc<Version>>> =
        encoder.map_or_else(|| vec![None], |versions| versions.iter().map(Some).collect());
    let mut waiting = Vec::new();
    for encoder in encoder_versions {
        let (chosen, unfit) = fitting(encoder, others);
        if unfit.is_empty() {
            let versions: Versions = encoder.into_iter().chain(chosen).map(Arc::clone).collect();
            waiting.extend(heads_that_wait(encoder, others, &versions));
            return Ok((versions, waiting));
        }
        waiting.push(misfit(encoder, &unfit));
    }
    Err(waiting.into_iter().next().unwrap_or_else(|| "there is no model".into()))
}

/// A version of each model for `encoder`, and the first candidates of those models that have none.
fn fitting<'a>(
    encoder: Option<&Arc<Version>>,
    others: &[&'a Versions],
) -> (Vec<&'a Arc<Version>>, Vec<&'a Arc<Version>>) {
    let (mut chosen, mut unfit) = (Vec::new(), Vec::new());
    for versions in others {
        match versions.iter().find(|version| fits(version, encoder)) {
            Some(version) => chosen.push(version),
            None => unfit.extend(versions.first()),
        }
    }
    (chosen, unfit)
}

/// Whether `version` can serve beside `encoder`.
fn fits(version: &Version, encoder: Option<&Arc<Version>>) -> bool {
    let is_head = version.manifest.kind == Kind::Head;
    !is_head || encoder.is_some_and(|encoder| version.manifest.fits(&encoder.manifest))
}

fn misfit(encoder: Option<&Arc<Version>>, heads: &[&Arc<Version>]) -> String {
    let wants = |head: &&Arc<Version>| {
        let made_for = head.manifest.encoder.as_ref().map(|version| format!(", made for encoder version {version}"));
        let size = head.manifest.embedding_size().unwrap_or_default();
        format!(
            "{} {} reads embeddings of {size} values{}",
            head.name(),
            head.identity.version,
            made_for.unwrap_or_default()
        )
    };
    let wanted = heads.iter().map(wants).collect::<Vec<_>>().join("; ");
    match encoder {
        Some(encoder) => format!(
            "{} {} waits for heads that fit it: it gives embeddings of {} values; {wanted}",
            encoder.name(),
            encoder.identity.version,
            encoder.manifest.embedding_size().unwrap_or_default(),
        ),
        None => format!("{wanted}, and there is no image encoder to feed it"),
    }
}

/// Heads newer than those chosen, which the encoder does not fit.
fn heads_that_wait(encoder: Option<&Arc<Version>>, others: &[&Versions], chosen: &[Arc<Version>]) -> Vec<String> {
    let newest = others.iter().filter_map(|versions| versions.first());
    let left = newest.filter(|version| !chosen.iter().any(|other| other.identity == version.identity));
    left.map(|version| {
        let encoder = encoder.map_or("none".into(), |e| {
            format!("{} {} gives {}", e.name(), e.identity.version, e.manifest.embedding_size().unwrap_or_default())
        });
        let wants = match &version.manifest.encoder {
            Some(wanted) => format!("encoder version {wanted}"),
            None => format!(
                "an encoder that gives embeddings of {} values",
                version.manifest.embedding_size().unwrap_or_default()
            ),
        };
        format!("{} {} waits for {wants}; now {encoder}", version.name(), version.identity.version)
    })
    .collect()
}

/// Of every model the versions that may serve, the one to prefer first. A model without any is left out.
pub(super) type Candidates = BTreeMap<String, Vec<Arc<Version>>>;

pub(super) fn candidates(situation: Situation<'_>) -> Candidates {
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
pub fn first_candidates(situation: Situation<'_>) -> Vec<Arc<Version>> {
    candidates(situation).into_values().filter_map(|versions| versions.into_iter().next()).collect()
}

/// Versions that rate the same and are not joined, if there are any, and the sentence that says so.
pub(super) fn rated_twice<'a>(
    chosen: &'a [Arc<Version>],
    situation: Situation<'_>,
) -> Option<(Vec<&'a Arc<Version>>, String)> {
    rated(chosen, situation).into_iter().find_map(|what| {
        let rivals: Vec<_> = chosen.iter().filter(|version| feeds(version, what)).collect();
        let joined = situation.declared.joins(what, rivals.iter().map(|version| version.name()));
        let named = rivals.iter().map(|version| told(version)).collect::<Vec<_>>().join(", ");
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
        let kept = chosen.iter().any(|version| feeds(version, what));
        if let (Some(lost), false) = (serving.iter().find(|version| feeds(version, what)), kept) {
            return Err(format!("without {} nothing would rate {} for {}", told(lost), what.1, what.0.name()));
        }
    }
    Ok(())
}

/// Whether `version` rates it.
pub(super) fn feeds(version: &Version, (category, modality): Rated) -> bool {
    version.manifest.kind.modality() == modality && version.feeds().any(|fed| fed == category)
}

fn told(version: &Version) -> String {
    format!("{} {}", version.name(), version.identity.version)
}

#[cfg(test)]
mod tests;
