//! Versions come, go and come back under load.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;
use wildwarden_proto::v1::{LoadVersionRequest, PromoteRequest, RollBackRequest, UnloadRequest, VersionState};

use crate::common::{client, listing, write_classifier};
use crate::repository::{HEADS, Repository, answered, look, made_for, names, serving, shifted, state, until, version};

#[tokio::test]
async fn versions_change_under_load_without_a_failure_and_no_answer_mixes_them() {
    let repository = Repository::shipped();
    for head in HEADS {
        repository.add(head, "1", made_for("1"));
    }
    let (server, mut operator) = repository.serve(&[("cache", "images", "0".into())]).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (mut client, done) = (client(&server).await, Arc::clone(&done));
        callers.spawn(async move {
            let mut seen = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let answer = client.classify(listing("老象牙", &["tusk.jpg", "mug.jpg"])).await;
                let models = answer.unwrap().into_inner().models;
                seen.push(models.into_iter().map(|model| (model.name, model.version)).collect::<Vec<_>>());
            }
            seen
        });
    }
    for swap in 2..=4 {
        let number = swap.to_string();
        repository.add("image_encoder", &number, |manifest| manifest);
        for head in HEADS {
            repository.add(head, &number, |manifest| made_for(&number)(shifted(f64::from(swap))(manifest)));
        }
        repository.add("text_classifier", &number, |manifest| manifest);
        let status = look(&mut operator).await;
        assert_eq!(serving(&status, "ivory"), number, "{status:?}");
    }
    done.store(true, Ordering::Relaxed);
    let mut sets = BTreeSet::new();
    while let Some(seen) = callers.join_next().await {
        for models in seen.unwrap() {
            let versions: BTreeSet<String> = models.iter().map(|(_, version)| version.clone()).collect();
            assert!(models.len() == 5 && versions.len() == 1, "mixed: {models:?}");
            sets.extend(versions);
        }
    }
    assert!(sets.contains("1") && sets.len() > 1, "answers came from {sets:?}");
    // What nobody holds any more is freed: only the generation before is kept.
    let status = until(&mut operator, |status| state(status, "ivory", "3") == Some(VersionState::Previous)).await;
    assert_eq!(state(&status, "ivory", "2"), Some(VersionState::Available));
}

#[tokio::test]
async fn a_folder_that_is_being_copied_is_never_taken() {
    let repository = Repository::shipped();
    let (_server, mut operator) = repository.serve(&[]).await;
    let steps = repository.add_slowly("image_encoder", "2").collect::<Vec<_>>().len();
    assert_eq!(serving(&look(&mut operator).await, "image_encoder"), "2", "all of it is there now");
    let mut looks = 0;
    for _ in repository.add_slowly("image_encoder", "3") {
        looks += 1;
        let status = look(&mut operator).await;
        let expected = if looks == steps { "3" } else { "2" };
        assert_eq!(serving(&status, "image_encoder"), expected, "after {looks} of {steps} steps");
        assert!(looks == steps || version(&status, "image_encoder", "3").is_none(), "not reported either");
    }
}

#[tokio::test]
async fn a_folder_that_stays_incomplete_is_reported_with_its_reason() {
    let repository = Repository::shipped();
    let (_server, mut operator) = repository.serve(&[]).await;
    repository.add_slowly("ivory", "2").nth(2);
    let mut status = look(&mut operator).await;
    assert_eq!(version(&status, "ivory", "2"), None, "it may still be copied");
    for _ in 0..2 {
        status = look(&mut operator).await;
    }
    let incomplete = version(&status, "ivory", "2").unwrap();
    assert_eq!(incomplete.state(), VersionState::Incomplete);
    assert!(incomplete.reason.contains("ivory/2/golden.json"), "{incomplete:?}");
    assert_eq!(serving(&status, "ivory"), "1");
}

#[tokio::test]
async fn a_broken_version_leaves_service_unharmed_says_why_and_a_good_one_is_taken_right_after() {
    let repository = Repository::shipped();
    let (server, mut operator) = repository.serve(&[]).await;
    repository.add_broken("2");
    let status = look(&mut operator).await;
    let broken = version(&status, "ivory", "2").unwrap();
    assert_eq!((broken.state(), serving(&status, "ivory").as_str()), (VersionState::Failed, "1"));
    assert!(broken.reason.contains("ivory") && broken.reason.contains("sample 0 is off"), "{broken:?}");
    let answer = client(&server).await.classify(listing("", &["tusk.jpg"])).await.unwrap().into_inner();
    assert_eq!((answered(&answer, "ivory").as_str(), answer.degraded), ("1", false));
    repository.add("text_classifier", "2", |manifest| manifest);
    let status = look(&mut operator).await;
    assert_eq!(serving(&status, "text_classifier"), "2", "others go on");
    repository.add("ivory", "3", shifted(1.0));
    assert_eq!(serving(&look(&mut operator).await, "ivory"), "3");
    // Mended in place, an older version stays what it is: older.
    repository.add("ivory", "2", shifted(2.0));
    let status = look(&mut operator).await;
    assert_eq!(
        (serving(&status, "ivory").as_str(), state(&status, "ivory", "2")),
        ("3", Some(VersionState::Available))
    );
}

#[tokio::test]
async fn a_call_returns_to_what_served_before_within_a_second_and_it_stays_so() {
    let repository = Repository::shipped();
    let (server, mut operator) = repository.serve(&[]).await;
    let refused = operator.roll_back(RollBackRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    for number in ["2", "3"] {
        repository.add("image_encoder", number, |manifest| manifest);
        repository.add("ivory", number, shifted(1.0));
        look(&mut operator).await;
    }
    let start = Instant::now();
    let status = operator.roll_back(RollBackRequest {}).await.unwrap().into_inner();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!((serving(&status, "ivory").as_str(), serving(&status, "image_encoder").as_str()), ("2", "2"));
    let answer = client(&server).await.classify(listing("", &["tusk.jpg"])).await.unwrap().into_inner();
    assert_eq!((answered(&answer, "ivory").as_str(), answered(&answer, "image_encoder").as_str()), ("2", "2"));
    let status = look(&mut operator).await;
    assert_eq!(serving(&status, "ivory"), "2", "the folder does not bring it back");
    assert!(version(&status, "ivory", "3").unwrap().held_back);
    repository.add("ivory", "4", shifted(2.0));
    assert_eq!(serving(&look(&mut operator).await, "ivory"), "4", "a newer one is taken");
    let promoted = operator
        .promote(PromoteRequest { versions: names(&[("ivory", "3")]), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(serving(&promoted, "ivory"), "3", "and so is a call");
    assert_eq!(serving(&look(&mut operator).await, "ivory"), "3", "which lasts");
}

#[tokio::test]
async fn an_encoder_and_its_heads_switch_together_once_all_are_there() {
    let repository = Repository::shipped();
    for head in HEADS {
        repository.add(head, "1", made_for("1"));
    }
    let (_server, mut operator) = repository.serve(&[]).await;
    repository.add("image_encoder", "2", |manifest| manifest);
    for (index, head) in HEADS.into_iter().enumerate() {
        let status = look(&mut operator).await;
        assert_eq!(serving(&status, "image_encoder"), "1");
        let waits = status.waiting.iter().find(|news| news.starts_with("image_encoder 2 waits")).unwrap();
        let missing = HEADS.iter().filter(|head| waits.contains(&format!("{head} 1"))).count();
        assert_eq!(missing, HEADS.len() - index, "{waits}");
        repository.add(head, "2", made_for("2"));
    }
    let status = look(&mut operator).await;
    assert!(HEADS.iter().chain(&["image_encoder"]).all(|name| serving(&status, name) == "2"), "{status:?}");
    assert!(status.waiting.is_empty(), "{:?}", status.waiting);
    let call = operator
        .promote(PromoteRequest { versions: names(&[("ivory", "1")]), ..Default::default() })
        .await
        .unwrap_err();
    assert!(call.code() == Code::FailedPrecondition && call.message().contains("ivory 1"), "{call:?}");
}

#[tokio::test]
async fn a_complete_classifier_takes_the_place_of_a_head_and_the_head_comes_back() {
    let repository = Repository::shipped();
    let (server, mut operator) = repository.serve(&[]).await;
    let mut client = client(&server).await;
    let mut rated_by = async || {
        let answer = client.classify(listing("", &["tusk.jpg"])).await.unwrap().into_inner();
        assert!(!answer.degraded, "{answer:?}");
        answer.models.into_iter().map(|model| model.name).collect::<BTreeSet<_>>()
    };
    write_classifier(&repository.folder("brightness", "1"));
    let status = look(&mut operator).await;
    assert!(status.waiting[0].contains("brightness 1, ivory 1 would all rate images for ivory"), "{status:?}");
    assert!(rated_by().await.contains("ivory"));
    let (here, away) = (repository.path().join("ivory"), repository.path().join(".ivory"));
    std::fs::rename(&here, &away).unwrap();
    assert_eq!(serving(&look(&mut operator).await, "brightness"), "1");
    let names = rated_by().await;
    assert!(names.contains("brightness") && !names.contains("ivory"), "{names:?}");
    std::fs::remove_dir_all(repository.path().join("brightness")).unwrap();
    std::fs::rename(&away, &here).unwrap();
    assert_eq!(serving(&look(&mut operator).await, "ivory"), "1");
    assert!(!rated_by().await.contains("brightness"));
}

#[tokio::test]
async fn versions_are_loaded_promoted_and_unloaded_by_call() {
    let repository = Repository::shipped();
    let pin = ("models", "versions", "{ ivory = \"1\" }".to_owned());
    let (_server, mut operator) = repository.serve(&[pin]).await;
    repository.add("ivory", "2", shifted(1.0));
    repository.add_broken("3");
    assert_eq!(serving(&look(&mut operator).await, "ivory"), "1", "it is pinned");
    let two = names(&[("ivory", "2")]);
    let status = operator
        .load_version(LoadVersionRequest { versions: two.clone(), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!((serving(&status, "ivory").as_str(), state(&status, "ivory", "2")), ("1", Some(VersionState::Loaded)));
    let broken = names(&[("ivory", "3")]);
    let refused =
        operator.load_version(LoadVersionRequest { versions: broken, ..Default::default() }).await.unwrap_err();
    assert!(refused.code() == Code::FailedPrecondition && refused.message().contains("sample 0 is off"), "{refused:?}");
    let unknown = names(&[("ivory", "9")]);
    let refused =
        operator.load_version(LoadVersionRequest { versions: unknown, ..Default::default() }).await.unwrap_err();
    assert!(refused.code() == Code::NotFound && refused.message().contains("1, 2, 3"), "{refused:?}");
    let unload = |version: &str| UnloadRequest { version: names(&[("ivory", version)]).pop() };
    assert_eq!(operator.unload(unload("1")).await.unwrap_err().code(), Code::FailedPrecondition);
    operator.promote(PromoteRequest { versions: two, ..Default::default() }).await.unwrap();
    let status = look(&mut operator).await;
    assert_eq!((serving(&status, "ivory").as_str(), state(&status, "ivory", "1")), ("2", Some(VersionState::Previous)));
    let status = operator.unload(unload("1")).await.unwrap().into_inner();
    assert_eq!(state(&status, "ivory", "1"), Some(VersionState::Available));
    assert_eq!(operator.roll_back(RollBackRequest {}).await.unwrap_err().code(), Code::FailedPrecondition);
}
