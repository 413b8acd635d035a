//! From what is known of models to the wire.

use wildwarden_core::domain::{ModelVersion, SetVersion};
use wildwarden_core::model::folder::manifest::Manifest;
use wildwarden_core::pipeline::shadow::ShadowReport;
use wildwarden_proto::v1 as proto;

use crate::lifecycle::{ModelsStatus, SetStatus, VersionState, VersionStatus};
use crate::transport::convert::{category_name, model_version, policy_version, reason_code, suggestion};

fn state(state: VersionState) -> proto::VersionState {
    match state {
        VersionState::Serving => proto::VersionState::Serving,
        VersionState::Canary => proto::VersionState::Canary,
        VersionState::Shadow => proto::VersionState::Shadow,
        VersionState::Previous => proto::VersionState::Previous,
        VersionState::Loaded => proto::VersionState::Loaded,
        VersionState::Available => proto::VersionState::Available,
        VersionState::Incomplete => proto::VersionState::Incomplete,
        VersionState::Failed => proto::VersionState::Failed,
    }
}

fn version(status: &VersionStatus) -> proto::VersionStatus {
    let retry = status.retry_in.unwrap_or_default().as_millis();
    proto::VersionStatus {
        version: status.version.clone(),
        sha256: status.sha256.clone(),
        state: state(status.state).into(),
        labels: status.labels.iter().map(|&label| label.to_owned()).collect(),
        reason: status.reason.clone(),
        retry_in_ms: u64::try_from(retry).unwrap_or(u64::MAX),
        held_back: status.held_back,
    }
}

fn set_version(version: &SetVersion) -> proto::SetVersion {
    proto::SetVersion { name: version.name.clone(), sha256: version.sha256.clone() }
}

/// All that is known of models.
pub fn models_status(status: &ModelsStatus) -> proto::ModelsStatus {
    let model = |(name, versions): (&String, &Vec<VersionStatus>)| proto::ModelStatus {
        name: name.clone(),
        versions: versions.iter().map(version).collect(),
    };
    let candidate = status.candidate.as_ref().map(|candidate| proto::CandidateStatus {
        trial: state(candidate.trial).into(),
        share: candidate.share,
        models: candidate.models.iter().map(model_version).collect(),
        policy: Some(policy_version(&candidate.policy)),
        set: Some(set_version(&candidate.set)),
    });
    let set = |status: &SetStatus| proto::SetStatus {
        name: status.name.clone(),
        summary: status.summary.clone(),
        state: state(status.state).into(),
        reason: status.reason.clone(),
    };
    let (previous, previous_policy, previous_set) = match &status.previous {
        Some((models, policy, set)) => {
            (models.iter().map(model_version).collect(), Some(policy_version(policy)), Some(set_version(set)))
        }
        None => (Vec::new(), None, None),
    };
    proto::ModelsStatus {
        generation: status.generation,
        policy: Some(policy_version(&status.policy)),
        policy_problem: status.policy_problem.clone(),
        models: status.models.iter().map(model).collect(),
        waiting: status.waiting.clone(),
        loading: status.loading.clone(),
        candidate,
        previous,
        set: Some(set_version(&status.set)),
        sets: status.sets.iter().map(set).collect(),
        previous_policy,
        previous_set,
    }
}

/// A version, from its manifest.
pub fn describe(identity: &ModelVersion, manifest: Manifest, status: &VersionStatus) -> proto::DescribeModelResponse {
    let Manifest { kind, inputs, outputs, labels, files, card, .. } = manifest;
    let [inputs, outputs] = [inputs, outputs].map(|specs| {
        let tensors = specs.into_iter().map(|spec| {
            let dtype = spec.dtype.name().to_owned();
            proto::Tensor { name: spec.name, dtype, shape: spec.shape }
        });
        tensors.collect()
    });
    let labels = labels.into_iter().map(|label| proto::ModelLabel {
        name: label.name,
        category: category_name(label.category),
        slope: label.calibration.slope,
        intercept: label.calibration.intercept,
    });
    proto::DescribeModelResponse {
        model: Some(model_version(identity)),
        status: Some(version(status)),
        kind: kind.name().to_owned(),
        inputs,
        outputs,
        labels: labels.collect(),
        files: files.into_iter().collect(),
        summary: card.summary,
        licence: card.licence,
        known_failures: card.known_failures,
    }
}

/// What a trial shows.
pub fn report(report: &ShadowReport) -> proto::ShadowReport {
    let time = |(p50_us, p99_us)| Some(proto::WorkTime { p50_us, p99_us });
    let shifts = report.shifts.iter().map(|shift| proto::ScoreShift {
        category: shift.category.to_string(),
        mean: shift.mean,
        p99: shift.p99,
        max: shift.max,
        signed_mean: shift.signed_mean,
    });
    let flips = report.flips.iter().map(|flip| proto::Flip {
        listing_id: flip.listing_id.clone(),
        request_id: flip.request_id.clone(),
        stable: suggestion(flip.stable).into(),
        candidate: suggestion(flip.candidate).into(),
        stable_risk: flip.stable_risk,
        candidate_risk: flip.candidate_risk,
        category: category_name(flip.category),
        reason: flip.reason.map_or(proto::ReasonCode::Unspecified, reason_code).into(),
    });
    let transitions = report.transitions.iter().map(|(&(stable, candidate), &listings)| proto::Transition {
        stable: suggestion(stable).into(),
        candidate: suggestion(candidate).into(),
        listings,
    });
    proto::ShadowReport {
        compared: report.compared,
        agreed: report.agreed,
        faults: report.failed,
        dropped: report.dropped,
        shifts: shifts.collect(),
        stable: time(report.stable_us),
        candidate: time(report.candidate_us),
        flips: flips.collect(),
        transitions: transitions.collect(),
    }
}
