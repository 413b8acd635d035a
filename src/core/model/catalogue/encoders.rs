//! Which heads serve with which encoder. Pure: from the versions that may serve to groups of one encoder and what reads it.

use std::sync::Arc;

use crate::model::catalogue::repository::Version;
use crate::model::folder::manifest::Kind;

/// Versions of one model, the one to prefer first.
pub(super) type Versions = Vec<Arc<Version>>;

/// Whether every version names an encoder, and none of them is there.
pub(super) fn lacks_encoder(versions: &Versions, encoders: &[&Versions]) -> bool {
    let is_there = |name: &String| encoders.iter().flat_map(|versions| versions.iter()).any(|v| v.name() == name);
    let lacks = |version: &Arc<Version>| {
        let wanted = version.manifest.encoder.as_ref().and_then(|encoder| encoder.name.as_ref());
        wanted.is_some_and(|name| !is_there(name))
    };
    versions.iter().all(lacks)
}

/// An encoder, if there is one, and the models that are chosen with it.
pub(super) type Group<'a> = (Option<&'a Versions>, Vec<&'a Versions>);

/// Models with the encoder they are chosen with: every head with the one that its newest fitting version fits. With an encoder
/// alone, or none, all are one group.
///
/// # Errors
/// One sentence: a head fits no encoder, or two that both have their place.
pub(super) fn groups<'a>(
    encoders: &[&'a Versions],
    others: Vec<&'a Versions>,
    serves: &dyn Fn(&Versions) -> bool,
) -> Result<(Vec<Group<'a>>, Vec<&'a Arc<Version>>), String> {
    if encoders.len() < 2 {
        return Ok((vec![(encoders.first().copied(), others)], Vec::new()));
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
    let has_a_place = |(encoder, heads): &Group<'_>| !heads.is_empty() || encoder.is_some_and(serves);
    let placed: Vec<bool> = groups.iter().map(has_a_place).collect();
    for (versions, fitting) in unclear {
        let mut of_both = fitting.iter().filter(|place| placed.get(**place) == Some(&true));
        match (of_both.next(), of_both.next()) {
            (Some(one), None) => groups.get_mut(*one).into_iter().for_each(|(_, heads)| heads.push(versions)),
            _ => return Err(fits_several(versions, &fitting, encoders)),
        }
    }
    // Without a head its run would be for nothing.
    let (unread, mut groups): (Vec<Group<'a>>, Vec<Group<'a>>) =
        groups.into_iter().partition(|(_, heads)| heads.is_empty());
    groups.push((None, without));
    Ok((groups, unread.into_iter().filter_map(|(encoder, _)| encoder?.first()).collect()))
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
    let head = head.first().map(|version| version.label()).unwrap_or_default();
    let one = names.first().copied().unwrap_or_default();
    let names = names.join(" and ");
    format!("{head} fits the encoders {names}: let its manifest name one, as encoder = \"{one}/VERSION\"")
}

/// Of a group the newest encoder that every head fits, and of every other model the newest version that fits it; and what waits.
pub(super) fn newest_of_group(
    encoder: Option<&Versions>,
    others: &[&Versions],
) -> Result<(Versions, Vec<String>), String> {
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
