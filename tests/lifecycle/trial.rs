//! Versions on trial: shadow, canary, and what takes them back.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;
use wildwarden_core::config::Flag;
use wildwarden_proto::v1::{
    ClassifyRequest, ClassifyResponse, GetShadowReportRequest, PromoteRequest, ShadowReport, StartTrialRequest,
    StopCandidateRequest,
};

use crate::common::{Client, client, listing};
use crate::repository::{Operator, Repository, answered, look, names, serving, shifted, until};

const IMAGES: [&str; 5] = ["mug.jpg", "tusk.jpg", "horn.jpg", "scales.jpg", "still.jpg"];

fn pinned() -> Flag {
    ("models", "versions", "{ ivory = \"1\" }".into())
}

fn numbered(number: usize) -> ClassifyRequest {
    let title = ["", "夏季新款连衣裙 女 显瘦", "老象牙手镯 包浆好 家传 私聊"][number % 3];
    let mut request = listing(title, &[IMAGES[number % IMAGES.len()]]);
    request.listing_id = format!("listing-{number}");
    request
}

fn trial(share: f64) -> StartTrialRequest {
    StartTrialRequest { versions: names(&[("ivory", "2")]), share, ..Default::default() }
}

async fn answers(client: &mut Client, count: usize) -> Vec<ClassifyResponse> {
    let mut answers = Vec::new();
    for number in 0..count {
        answers.push(client.classify(numbered(number)).await.unwrap().into_inner());
    }
    answers
}

/// The report once `seen` listings were looked at or left out.
pub(crate) async fn report(operator: &mut Operator, seen: u64) -> ShadowReport {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let report = operator.get_shadow_report(GetShadowReportRequest {}).await.unwrap().into_inner();
        if report.compared + report.faults + report.dropped == seen {
            return report;
        }
        assert!(Instant::now() < deadline, "{report:?}");
    }
}

#[tokio::test]
async fn a_shadow_changes_no_answer_and_its_report_agrees_with_a_comparison_by_hand() {
    let repository = Repository::shipped();
    repository.add("ivory", "2", shifted(3.0));
    let no_cache = ("cache", "images", "0".into());
    let (server, mut operator) =
        repository.serve(&[pinned(), no_cache, ("rollout", "shadow_in_flight", "64".into())]).await;
    let mut client = client(&server).await;
    let refused = operator.get_shadow_report(GetShadowReportRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    operator.start_shadow(trial(1.0)).await.unwrap();
    let stable = answers(&mut client, 20).await;
    assert!(stable.iter().all(|answer| answered(answer, "ivory") == "1"));
    let report = report(&mut operator, 20).await;

    operator.promote(PromoteRequest::default()).await.unwrap();
    let candidate = answers(&mut client, 20).await;
    assert!(candidate.iter().all(|answer| answered(answer, "ivory") == "2"));
    let pairs = || stable.iter().zip(&candidate);
    let flips: Vec<&str> =
        pairs().filter(|(a, b)| a.suggestion != b.suggestion).map(|(a, _)| a.listing_id.as_str()).collect();
    assert!(!flips.is_empty() && flips.len() < 20, "the candidate differs in some: {flips:?}");
    assert_eq!((report.compared, report.agreed), (20, 20 - flips.len() as u64));
    let mut reported: Vec<&str> = report.flips.iter().map(|flip| flip.listing_id.as_str()).collect();
    reported.sort_by_key(|id| id.trim_start_matches("listing-").parse::<u32>().unwrap());
    assert_eq!(reported, flips);
    for shift in &report.shifts {
        let of = |answer: &ClassifyResponse| {
            answer.categories.iter().find(|rated| rated.category == shift.category).unwrap().probability
        };
        let shifts: Vec<f64> = pairs().map(|(a, b)| (of(a) - of(b)).abs()).collect();
        let max = shifts.iter().copied().fold(0.0, f64::max);
        let mean = shifts.iter().sum::<f64>() / 20.0;
        assert!((shift.max - max).abs() < 1e-5 && (shift.mean - mean).abs() < 1e-5, "{shift:?} against {mean}, {max}");
        assert_eq!(shift.max > 0.0, shift.category == "ivory", "only ivory moved: {shift:?}");
        let signed = pairs().map(|(a, b)| of(b) - of(a)).sum::<f64>() / 20.0;
        assert!((shift.signed_mean - signed).abs() < 1e-5, "{shift:?} against {signed}");
    }
    for transition in &report.transitions {
        let both = |(a, b): &(&ClassifyResponse, &ClassifyResponse)| {
            (a.suggestion, b.suggestion) == (transition.stable, transition.candidate)
        };
        assert_eq!(transition.listings, pairs().filter(both).count() as u64, "{transition:?}");
    }
    assert_eq!(report.transitions.iter().map(|transition| transition.listings).sum::<u64>(), 20);
    assert!(report.stable.unwrap().p50_us > 0 && report.candidate.unwrap().p99_us > 0);
}

#[tokio::test]
async fn a_canary_answers_its_share_and_always_the_same_listings() {
    let repository = Repository::shipped();
    repository.add("ivory", "2", shifted(1.0));
    let (server, mut operator) = repository.serve(&[pinned()]).await;
    let mut client = client(&server).await;
    for share in [0.0, 1.5] {
        let refused = operator.start_canary(trial(share)).await.unwrap_err();
        assert!(refused.code() == Code::InvalidArgument && refused.message().contains("share"), "{refused:?}");
    }
    let status = operator.start_canary(trial(0.3)).await.unwrap().into_inner();
    assert!((status.candidate.unwrap().share - 0.3).abs() < 1e-9);
    let versions = |answers: Vec<ClassifyResponse>| -> BTreeMap<String, String> {
        answers.iter().map(|answer| (answer.listing_id.clone(), answered(answer, "ivory"))).collect()
    };
    let first = versions(answers(&mut client, 60).await);
    let tried = first.values().filter(|version| *version == "2").count();
    assert!((6..=32).contains(&tried), "{tried} of 60 is not about three tenths");
    assert_eq!(versions(answers(&mut client, 60).await), first);
    repository.add("text_classifier", "2", |manifest| manifest);
    let status = look(&mut operator).await;
    assert!(serving(&status, "text_classifier") == "1" && status.waiting[0].contains("candidate"), "{status:?}");
    operator.stop_candidate(StopCandidateRequest {}).await.unwrap();
    assert!(versions(answers(&mut client, 60).await).values().all(|version| version == "1"));
    assert_eq!(serving(&look(&mut operator).await, "text_classifier"), "2", "what waited is taken");
}

#[tokio::test]
async fn a_canary_is_compared_with_what_would_have_been_answered_without_it() {
    let repository = Repository::shipped();
    repository.add("ivory", "2", shifted(3.0));
    let room = ("rollout", "shadow_in_flight", "64".into());
    let (server, mut operator) = repository.serve(&[pinned(), room]).await;
    let mut client = client(&server).await;
    let stable = answers(&mut client, 20).await;
    operator.start_canary(trial(1.0)).await.unwrap();
    let canary = answers(&mut client, 20).await;
    assert!(canary.iter().all(|answer| answered(answer, "ivory") == "2"));
    let report = report(&mut operator, 20).await;
    assert_eq!((report.compared, report.faults, report.dropped), (20, 0, 0));
    let pairs = || stable.iter().zip(&canary);
    for transition in &report.transitions {
        let both = |(a, b): &(&ClassifyResponse, &ClassifyResponse)| {
            (a.suggestion, b.suggestion) == (transition.stable, transition.candidate)
        };
        assert_eq!(transition.listings, pairs().filter(both).count() as u64, "{transition:?}");
    }
    let flips = pairs().filter(|(a, b)| a.suggestion != b.suggestion).count();
    assert!(flips > 0 && report.flips.len() == flips);
    assert!(report.flips.iter().all(|flip| flip.candidate_risk > flip.stable_risk), "ivory went up: {report:?}");
}

/// At most a tenth may fail, judged from the fifth listing on.
fn strict() -> Vec<Flag> {
    vec![pinned(), ("rollout", "max_error_percent", "10.0".into()), ("rollout", "min_listings", "5".into())]
}

#[tokio::test]
async fn a_canary_that_fails_is_taken_back_by_itself() {
    let repository = Repository::shipped();
    repository.add_nan("2");
    let (server, mut operator) = repository.serve(&strict()).await;
    let mut client = client(&server).await;
    operator.start_canary(trial(1.0)).await.unwrap();
    let answers = answers(&mut client, 5).await;
    assert!(answers.iter().any(|answer| answer.degraded), "the canary was noticed");
    let status = until(&mut operator, |status| status.candidate.is_none()).await;
    assert!(status.waiting[0].contains("rolled back automatically") && status.waiting[0].contains("max_error_percent"));
    assert!(!client.classify(numbered(1)).await.unwrap().into_inner().degraded);
}

#[tokio::test]
async fn a_promoted_version_that_fails_is_taken_back_by_itself_and_held_back() {
    let repository = Repository::shipped();
    repository.add_nan("2");
    let (server, mut operator) = repository.serve(&strict()).await;
    let mut client = client(&server).await;
    operator.promote(PromoteRequest { versions: names(&[("ivory", "2")]), ..Default::default() }).await.unwrap();
    answers(&mut client, 5).await;
    until(&mut operator, |status| serving(status, "ivory") == "1").await;
    assert_eq!(serving(&look(&mut operator).await, "ivory"), "1");
    assert!(!client.classify(numbered(1)).await.unwrap().into_inner().degraded);
}

#[tokio::test]
async fn a_version_that_is_too_slow_is_taken_back_by_itself() {
    let repository = Repository::shipped();
    repository.add("ivory", "2", shifted(1.0));
    let mut flags = strict();
    flags.push(("rollout", "max_p99_ms", "1".into()));
    flags.push(("cache", "images", "0".into()));
    let (server, mut operator) = repository.serve(&flags).await;
    let mut client = client(&server).await;
    operator.start_canary(trial(1.0)).await.unwrap();
    answers(&mut client, 5).await;
    let status = until(&mut operator, |status| status.candidate.is_none()).await;
    assert!(status.waiting[0].contains("max_p99_ms"), "{status:?}");
}
