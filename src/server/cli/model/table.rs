//! What operators read in a terminal.

use comfy_table::{Table, presets};
use wildwarden_core::model::folder::manifest::short_hash;
use wildwarden_proto::v1::{
    ModelVersion, ModelsStatus, PolicyVersion, SetStatus, SetVersion, ShadowReport, Suggestion, Transition, WorkTime,
};

/// The enum's name without its prefix, in lower case.
fn short(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

/// Flips that are shown.
const SHOWN_FLIPS: usize = 20;

/// Digits of a hash that are shown.
const DIGITS: usize = 12;

/// What serves together, by version and the beginning of its hash.
fn together(set: Option<&SetVersion>, policy: Option<&PolicyVersion>, models: &[ModelVersion]) -> String {
    let set = set.map(|set| format!("set {} ({})", set.name, short_hash(&set.sha256, DIGITS)));
    let policy = policy.map(|policy| format!("policy {} ({})", policy.version, short_hash(&policy.sha256, DIGITS)));
    let models =
        models.iter().map(|model| format!("{} {} ({})", model.name, model.version, short_hash(&model.sha256, DIGITS)));
    set.into_iter().chain(policy).chain(models).collect::<Vec<_>>().join(", ")
}

/// Versions, then what waits, is tried, and can be returned to.
pub(super) fn status(status: &ModelsStatus) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["model", "version", "state", "labels", "sha256", "why"]);
    for model in &status.models {
        for version in &model.versions {
            let state = short(version.state().as_str_name(), "VERSION_STATE_");
            let held = if version.held_back { ", held back" } else { "" };
            let sha256 = short_hash(&version.sha256, DIGITS).to_owned();
            let name = model.name.clone();
            let labels = version.labels.join(" ");
            let state = format!("{state}{held}");
            let why = match version.reason.as_str() {
                "" if version.held_back => "a call chose another; a newer version or a call brings it",
                reason => reason,
            };
            table.add_row([name, version.version.clone(), state, labels, sha256, why.to_owned()]);
        }
    }
    let mut lines = vec![table.to_string()];
    if status.sets.len() > 1 {
        lines.push(sets(&status.sets));
    }
    let serves = together(status.set.as_ref(), status.policy.as_ref(), &[]);
    lines.push(format!("{serves}, generation {}", status.generation));
    if !status.policy_problem.is_empty() {
        lines.push(format!("policy file not taken: {}", status.policy_problem));
    }
    if !status.loading.is_empty() {
        lines.push(format!("loading {}", status.loading));
    }
    lines.extend(status.waiting.iter().map(|news| format!("note: {news}")));
    if let Some(candidate) = &status.candidate {
        let trial = short(candidate.trial().as_str_name(), "VERSION_STATE_");
        let tried = together(candidate.set.as_ref(), candidate.policy.as_ref(), &candidate.models);
        lines.push(format!("{trial} of {} % of listings: {tried}", candidate.share * 100.0));
    }
    if !status.previous.is_empty() {
        let previous = together(status.previous_set.as_ref(), status.previous_policy.as_ref(), &status.previous);
        lines.push(format!("rollback returns to {previous}"));
    }
    lines.join("\n")
}

fn sets(sets: &[SetStatus]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["set", "state", "what it is", "why not"]);
    for set in sets {
        let state = short(set.state().as_str_name(), "VERSION_STATE_");
        table.add_row([set.name.clone(), state, set.summary.clone(), set.reason.clone()]);
    }
    table.to_string()
}

/// Agreement, shifts, times, flips.
pub(super) fn report(report: &ShadowReport) -> String {
    let agreed = match report.compared {
        0 => "-".to_owned(),
        compared => {
            #[expect(clippy::cast_precision_loss, reason = "a percentage")]
            let percent = report.agreed as f64 * 100.0 / compared as f64;
            format!("{percent:.2} %")
        }
    };
    let (compared, faults, dropped) = (report.compared, report.faults, report.dropped);
    let mut lines = vec![format!(
        "{compared} listings compared, same suggestion for {agreed}; {faults} failed, {dropped} left out"
    )];
    lines.push(shifts(report));
    let time = |time: Option<&WorkTime>| {
        let time = time.copied().unwrap_or_default();
        // Work takes time: none means that the cache answered every photo, and nothing could be compared.
        if time.p99_us == 0 {
            return "not measured (every photo was in the cache)".to_owned();
        }
        format!("p50 {} us, p99 {} us", time.p50_us, time.p99_us)
    };
    lines.push(format!(
        "work in all stages, without waiting, of listings whose photos were in no cache: stable {}; candidate {}. Whichever looks a \
         second time works beside other listings, and so takes longer under load",
        time(report.stable.as_ref()),
        time(report.candidate.as_ref())
    ));
    let reviewed = |of: fn(&Transition) -> Suggestion| {
        let held = report.transitions.iter().filter(|transition| of(transition) != Suggestion::Pass);
        held.map(|transition| transition.listings).sum::<u64>()
    };
    if compared > 0 {
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let percent = |listings: u64| listings as f64 * 100.0 / compared as f64;
        let (stable, candidate) = (reviewed(|t| t.stable()), reviewed(|t| t.candidate()));
        lines.push(format!(
            "at REVIEW or above: {:.2} % by stable, {:.2} % by candidate",
            percent(stable),
            percent(candidate)
        ));
    }
    for transition in &report.transitions {
        let name = |suggestion: &str| short(suggestion, "SUGGESTION_");
        let (from, to) = (transition.stable().as_str_name(), transition.candidate().as_str_name());
        lines.push(format!("{} to {}: {}", name(from), name(to), transition.listings));
    }
    lines.extend(flips(report));
    lines.join("\n")
}

fn shifts(report: &ShadowReport) -> String {
    let mut shifts = Table::new();
    shifts.load_style(presets::UTF8_HORIZONTAL_ONLY);
    shifts.set_header(["score shift", "mean", "p99", "max", "signed mean"]);
    for shift in &report.shifts {
        let category = shift.category.clone();
        let numbers = [shift.mean, shift.p99, shift.max].map(|number| format!("{number:.4}"));
        let signed = format!("{:+.4}", shift.signed_mean);
        shifts.add_row(std::iter::once(category).chain(numbers).chain([signed]));
    }
    shifts.to_string()
}

/// A line a flip, the newest first.
fn flips(report: &ShadowReport) -> Vec<String> {
    let mut lines = Vec::new();
    if report.flips.len() > SHOWN_FLIPS {
        lines.push(format!(
            "the newest {SHOWN_FLIPS} of {} flips that are kept; --json has all of these",
            report.flips.len()
        ));
    }
    for flip in report.flips.iter().rev().take(SHOWN_FLIPS) {
        let name = |suggestion: &str| short(suggestion, "SUGGESTION_");
        // A caller need not name its listings; every call has an id.
        let (what, id) = match flip.listing_id.as_str() {
            "" => ("request", flip.request_id.as_str()),
            id => ("listing", id),
        };
        lines.push(format!(
            "flip: {what} {id:?}, {} at {:.4} became {} at {:.4}; {}, {}",
            name(flip.stable().as_str_name()),
            flip.stable_risk,
            name(flip.candidate().as_str_name()),
            flip.candidate_risk,
            flip.category.clone(),
            short(flip.reason().as_str_name(), "REASON_CODE_"),
        ));
    }
    lines
}
