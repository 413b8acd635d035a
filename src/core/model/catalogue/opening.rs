//! What serves of all the folders there are: by the rules of a swap, and what breaks them is left out and named, so that one
//! folder too many neither keeps a server from starting nor the others from being taken.

use std::sync::Arc;
use std::time::SystemTime;

use crate::domain::{ModelVersion, Rated};
use crate::model::catalogue::choice::{Choice, Situation, choose, eligible, first_eligible, rated, rated_twice, rates};
use crate::model::catalogue::repository::Version;
use crate::model::folder::manifest::MANIFEST;

/// A set that can serve.
#[derive(Debug)]
pub struct Opening {
    /// What serves.
    pub choice: Choice,
    /// What was left out for it, each with a sentence that says why.
    pub left_out: Vec<(ModelVersion, String)>,
}

impl Opening {
    /// What is not taken and why, a sentence each.
    pub fn notes(&self) -> Vec<String> {
        let left_out = self.left_out.iter();
        let left_out =
            left_out.map(|(identity, why)| format!("{} {} was left out: {why}", identity.name, identity.version));
        self.choice.waiting.iter().chain(&self.choice.undeclared).cloned().chain(left_out).collect()
    }
}

/// Chooses a set that can serve. Of models that rate the same it leaves out one that does not serve, whose loss leaves every
/// category rated, that stands in the way of most others, and whose folder changed last. A version that rates less than an older one of its model
/// is left out for the older one, as a running server leaves it.
///
/// # Errors
/// One sentence, when the versions there are make no set that can serve.
pub fn open(situation: Situation<'_>) -> Result<Opening, String> {
    let mut barred = situation.barred.to_vec();
    let mut left_out: Vec<(ModelVersion, String)> = Vec::new();
    let mut fallback: Option<Opening> = None;
    // Each round leaves one version out, so the rounds end.
    loop {
        let now = Situation { barred: &barred, ..situation };
        let (version, problem) = match choose(now) {
            Ok(choice) => match rates_less(now, &choice) {
                None => return Ok(Opening { choice, left_out }),
                Some(lesser) => {
                    fallback.get_or_insert_with(|| Opening { choice, left_out: left_out.clone() });
                    lesser
                }
            },
            Err(problem) => match in_the_way(now) {
                Some(found) => found,
                None => return fallback.ok_or(problem),
            },
        };
        if barred.contains(&version) {
            return fallback.ok_or(problem);
        }
        barred.push(version.clone());
        left_out.push((version, problem));
    }
}

/// The version to leave out of those that rate a category twice, and why.
fn in_the_way(situation: Situation<'_>) -> Option<(ModelVersion, String)> {
    let all = first_eligible(situation);
    let (rivals, problem) = rated_twice(&all, situation)?;
    let overlaps = |version: &Version| {
        let clash = |other: &Version| {
            other.identity != version.identity
                && rated(&all, situation).into_iter().any(|what| rates(other, what) && rates(version, what))
        };
        all.iter().filter(|other| clash(other)).count()
    };
    let loses = |version: &Version| {
        let others = || all.iter().filter(|other| other.identity != version.identity);
        rated(&all, situation).into_iter().any(|what| rates(version, what) && !others().any(|other| rates(other, what)))
    };
    let changed = |version: &Version| {
        let metadata = version.path.join(MANIFEST).metadata();
        metadata.and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let serves = |version: &Version| situation.serving.iter().any(|now| now.name() == version.name());
    let key = |version: &Version| {
        (!serves(version), !loses(version), overlaps(version), changed(version), version.name().to_owned())
    };
    let chosen = rivals.into_iter().max_by_key(|version| key(version))?;
    Some((chosen.identity.clone(), problem))
}

/// A chosen version that no more rates what an older one of its model does, and nothing else does either.
fn rates_less(situation: Situation<'_>, choice: &Choice) -> Option<(ModelVersion, String)> {
    let chosen = &choice.versions;
    let allowed = eligible(situation);
    let lost = |what: &Rated| !chosen.iter().any(|version| rates(version, *what));
    rated(allowed.values().flatten(), situation).into_iter().filter(lost).find_map(|what| {
        let of_chosen = |version: &Version| chosen.iter().find(|other| other.name() == version.name());
        let rates = |version: &&Arc<Version>| {
            rates(version, what) && of_chosen(version).is_some_and(|newer| newer.order() > version.order())
        };
        let older = allowed.values().flatten().find(rates)?;
        let (older_version, category) = (&older.identity.version, what.0.name());
        let problem = format!("without {} {older_version} nothing would rate {} for {category}", older.name(), what.1);
        of_chosen(older).map(|newer| (newer.identity.clone(), problem))
    })
}
