//! Named sets: a replacement of another shape, with its policy, is tried, put in service and taken back as one.

use tonic::Code;
use wildwarden_proto::v1::{
    ClassifyResponse, LoadVersionRequest, ModelsStatus, PromoteRequest, RollBackRequest, StartTrialRequest,
    StopCandidateRequest, Suggestion, VersionState,
};

use crate::common::{Client, client, listing, write_classifier};
use crate::repository::{Operator, Repository, answered, look, names, serving, shifted, until};
use crate::trial::report;

/// One image classifier in the place of the ivory head, and a policy of its own.
const BRIGHT: &str = r#"
summary = "ivory by brightness"
policy = "bright.policy.toml"
[models]
brightness = "1"
image_encoder = "stable"
pangolin_scale = "1"
rhino_horn = "1"
text_classifier = "stable"
"#;

/// The shipped models, the classifier beside them, and sets over both.
fn repository() -> Repository {
    let repository = Repository::shipped();
    write_classifier(&repository.folder("brightness", "1"));
    repository.write("bright.set.toml", BRIGHT);
    repository.write("bright.policy.toml", &strict(&repository, "bright"));
    repository.write("strict.set.toml", "policy = \"strict.policy.toml\"");
    repository.write("strict.policy.toml", &strict(&repository, "strict"));
    repository
}

/// The shipped policy under another name, by which nearly everything is a REVIEW.
fn strict(repository: &Repository, version: &str) -> String {
    let shipped = std::fs::read_to_string(repository.policy()).unwrap();
    let named = shipped.replacen("version = \"1\"", &format!("version = \"{version}\""), 1);
    let line = named.lines().find(|line| line.starts_with("review = 0.")).unwrap().to_owned();
    named.replacen(&line, "review = 0.0001", 1)
}

fn promotion(set: &str) -> PromoteRequest {
    PromoteRequest { set: set.into(), ..Default::default() }
}

fn trial(set: &str, share: f64) -> StartTrialRequest {
    StartTrialRequest { set: set.into(), share, ..Default::default() }
}

async fn ask(client: &mut Client) -> ClassifyResponse {
    client.classify(listing("夏季新款连衣裙", &["mug.jpg"])).await.unwrap().into_inner()
}

/// Names of the models that answered, and the policy's version.
fn rated_by(answer: &ClassifyResponse) -> (Vec<&str>, &str) {
    let mut names: Vec<&str> = answer.models.iter().map(|model| model.name.as_str()).collect();
    names.sort_unstable();
    (names, &answer.policy.as_ref().unwrap().version)
}

fn of_set(status: &ModelsStatus, name: &str) -> (VersionState, String) {
    let set = status.sets.iter().find(|set| set.name == name).unwrap();
    (set.state(), set.reason.clone())
}

const HEADS: [&str; 5] = ["image_encoder", "ivory", "pangolin_scale", "rhino_horn", "text_classifier"];
const WITH_CLASSIFIER: [&str; 5] = ["brightness", "image_encoder", "pangolin_scale", "rhino_horn", "text_classifier"];

#[tokio::test]
async fn a_set_of_another_shape_is_loaded_tried_promoted_and_taken_back_with_its_policy() {
    let repository = repository();
    let (server, mut operator) = repository.serve(&[]).await;
    let mut client = client(&server).await;
    let status = look(&mut operator).await;
    assert_eq!(rated_by(&ask(&mut client).await), (HEADS.to_vec(), "1"), "what a set alone names joins by call only");
    assert!(status.waiting.iter().any(|note| note.contains("brightness 1 was left out")), "{status:?}");
    assert_eq!(of_set(&status, "default").0, VersionState::Serving);
    assert_eq!(of_set(&status, "bright"), (VersionState::Available, String::new()));

    let load = LoadVersionRequest { set: "bright".into(), ..Default::default() };
    let status = operator.load_version(load).await.unwrap().into_inner();
    let classifier = status.models.iter().find(|model| model.name == "brightness").unwrap();
    assert_eq!(classifier.versions[0].state(), VersionState::Loaded);

    let status = operator.start_shadow(trial("bright", 1.0)).await.unwrap().into_inner();
    assert_eq!(status.candidate.as_ref().unwrap().policy.as_ref().unwrap().version, "bright");
    assert_eq!(of_set(&status, "bright").0, VersionState::Shadow);
    let answer = ask(&mut client).await;
    assert_eq!((rated_by(&answer), answer.suggestion()), ((HEADS.to_vec(), "1"), Suggestion::Pass));
    let flip = report(&mut operator, 1).await.flips.remove(0);
    assert_eq!(flip.candidate(), Suggestion::Review, "the shadow is rated by the policy of its set");

    operator.start_canary(trial("bright", 1.0)).await.unwrap();
    assert_eq!(rated_by(&ask(&mut client).await), (WITH_CLASSIFIER.to_vec(), "bright"));
    let status = operator.promote(PromoteRequest::default()).await.unwrap().into_inner();
    assert_eq!(status.set.as_ref().unwrap().name, "bright");
    assert_eq!(status.previous_set.as_ref().unwrap().name, "default");
    assert_eq!(status.previous_policy.as_ref().unwrap().version, "1");
    assert_eq!(of_set(&status, "bright").0, VersionState::Serving);

    // Folders and policy file wait: the set serves as it was tried.
    repository.add("text_classifier", "2", |manifest| manifest);
    repository.write("policy.toml", &strict(&repository, "newer"));
    let status = look(&mut operator).await;
    assert!(status.waiting.iter().any(|note| note.contains("default")), "{status:?}");
    assert_eq!(
        (serving(&status, "text_classifier").as_str(), status.policy.unwrap().version.as_str()),
        ("1", "bright")
    );
    let refused = operator.promote(PromoteRequest { versions: names(&[("ivory", "1")]), ..Default::default() }).await;
    assert!(refused.unwrap_err().message().contains("as a whole"));

    operator.roll_back(RollBackRequest {}).await.unwrap();
    assert_eq!(rated_by(&ask(&mut client).await), (HEADS.to_vec(), "1"));
    let status = look(&mut operator).await;
    assert_eq!(
        (serving(&status, "text_classifier").as_str(), status.policy.as_ref().unwrap().version.as_str()),
        ("2", "newer")
    );
    assert_eq!(of_set(&status, "default").0, VersionState::Serving);
}

#[tokio::test]
async fn a_policy_alone_is_a_set_and_its_hash_tells_what_is_the_same() {
    let repository = repository();
    let (server, mut operator) = repository.serve(&[]).await;
    let mut client = client(&server).await;
    let before = look(&mut operator).await.set.unwrap();
    operator.start_shadow(trial("strict", 1.0)).await.unwrap();
    let mut benign = Vec::new();
    for _ in 0..3 {
        benign.push(ask(&mut client).await.suggestion());
    }
    assert_eq!(benign, [Suggestion::Pass; 3]);
    let seen = report(&mut operator, 3).await;
    assert_eq!((seen.compared, seen.agreed, seen.transitions.len()), (3, 0, 1));
    let status = operator.promote(promotion("strict")).await.unwrap().into_inner();
    let after = status.set.unwrap();
    assert!(after.name == "strict" && after.sha256 != before.sha256);
    assert_eq!(ask(&mut client).await.suggestion(), Suggestion::Review);
    let status = operator.promote(promotion("default")).await.unwrap().into_inner();
    assert_eq!(status.set.unwrap(), before, "the same models and policy have the same hash");
    let refused = operator.start_shadow(trial("default", 1.0)).await.unwrap_err();
    assert!(refused.message().contains("in service"), "{refused:?}");
}

#[tokio::test]
async fn a_set_in_service_serves_again_after_a_restart_only_as_it_was() {
    let repository = repository();
    let state = repository.path().join("state.json");
    {
        let (server, mut operator) = repository.serve(&[]).await;
        operator.promote(promotion("bright")).await.unwrap();
        until(&mut operator, |_| std::fs::read_to_string(&state).is_ok_and(|text| text.contains("bright"))).await;
        server.drain().await.unwrap();
    }
    // The files that named it may go: what serves is known.
    std::fs::remove_file(repository.path().join("bright.set.toml")).unwrap();
    std::fs::remove_file(repository.path().join("bright.policy.toml")).unwrap();
    {
        let (server, mut operator) = repository.serve(&[]).await;
        let mut client = client(&server).await;
        assert_eq!(rated_by(&ask(&mut client).await), (WITH_CLASSIFIER.to_vec(), "bright"));
        assert_eq!(look(&mut operator).await.set.unwrap().name, "bright");
        operator.promote(promotion("default")).await.unwrap();
        assert_eq!(rated_by(&ask(&mut client).await), (HEADS.to_vec(), "1"));
        until(&mut operator, |_| std::fs::read_to_string(&state).is_ok_and(|text| !text.contains("brightness"))).await;
        repository.write("bright.set.toml", BRIGHT);
        repository.write("bright.policy.toml", &strict(&repository, "bright"));
        operator.promote(promotion("bright")).await.unwrap();
        until(&mut operator, |_| std::fs::read_to_string(&state).is_ok_and(|text| text.contains("brightness"))).await;
        server.drain().await.unwrap();
    }
    repository.add("rhino_horn", "1", shifted(1.0));
    let (server, mut operator) = repository.serve(&[]).await;
    let mut client = client(&server).await;
    assert_eq!(rated_by(&ask(&mut client).await), (HEADS.to_vec(), "1"), "version 1 is not what it was");
    assert_eq!(look(&mut operator).await.set.unwrap().name, "default");
}

async fn refusal(operator: &mut Operator, set: &str) -> String {
    operator.promote(promotion(set)).await.unwrap_err().message().to_owned()
}

#[tokio::test]
async fn a_set_that_cannot_serve_is_refused_with_its_reason_and_changes_nothing() {
    let repository = repository();
    let (server, mut operator) = repository.serve(&[]).await;
    let mut client = client(&server).await;
    let before = look(&mut operator).await.set.unwrap();
    let cases = [
        ("[models]\nivory = \"9\"", "models.ivory: there is no complete version \"9\"; there is 1"),
        ("[models]\nimage_encoder = \"1\"\nivory = \"1\"", "nothing would rate"),
        ("[models]\nivory = \"1\"", "there is no image encoder"),
        ("policy = \"gone.toml\"", "gone.toml"),
        ("policy = \"/etc/passwd\"", "link out of"),
        ("policy = \"broken.toml\"", "policy: "),
        ("polcy = \"p\"", "polcy"),
    ];
    repository.write("broken.toml", "version = 1");
    for (text, said) in cases {
        repository.write("bad.set.toml", text);
        let told = refusal(&mut operator, "bad").await;
        assert!(told.contains("bad") && told.contains(said), "{text}: {told}");
    }
    let twice = BRIGHT.replacen("[models]", "[models]\nivory = \"1\"", 1);
    repository.write("bad.set.toml", &twice);
    assert!(refusal(&mut operator, "bad").await.contains("would all rate images for ivory"));
    let status = look(&mut operator).await;
    assert!(of_set(&status, "bad").1.contains("would all rate"), "the list says so, too");
    repository.write("bad.set.toml", "[");
    assert_eq!(of_set(&look(&mut operator).await, "bad").0, VersionState::Failed);

    let unknown = operator.promote(promotion("../bright")).await.unwrap_err();
    assert!(
        unknown.code() == Code::NotFound && unknown.message().contains("default, bad, bright, strict"),
        "{unknown:?}"
    );
    let both = PromoteRequest { set: "bright".into(), versions: names(&[("ivory", "1")]) };
    assert_eq!(operator.promote(both).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(look(&mut operator).await.set.unwrap(), before);
    assert_eq!(answered(&ask(&mut client).await, "ivory"), "1");
    operator.start_canary(trial("bright", 1.0)).await.unwrap();
    operator.stop_candidate(StopCandidateRequest {}).await.unwrap();
    assert_eq!(rated_by(&ask(&mut client).await), (HEADS.to_vec(), "1"));
}

#[tokio::test]
async fn a_policy_file_that_was_rolled_back_is_told_of_and_comes_back_with_the_default_set() {
    let repository = repository();
    let (_server, mut operator) = repository.serve(&[]).await;
    repository.write("policy.toml", &strict(&repository, "newer"));
    assert_eq!(look(&mut operator).await.policy.unwrap().version, "newer");
    operator.roll_back(RollBackRequest {}).await.unwrap();
    let status = look(&mut operator).await;
    assert!(status.waiting.iter().any(|note| note.contains("rolled back")), "{status:?}");
    assert_eq!(status.policy.unwrap().version, "1");
    operator.promote(promotion("default")).await.unwrap();
    let status = look(&mut operator).await;
    assert_eq!(
        (status.policy.unwrap().version.as_str(), status.waiting.iter().any(|note| note.contains("rolled back"))),
        ("newer", false)
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_or_a_device_as_policy_or_set_is_refused_and_holds_nothing_up() {
    let repository = repository();
    let (server, mut operator) = repository.serve(&[]).await;
    for name in ["policy.toml", "bright.set.toml", "bright.policy.toml"] {
        let path = repository.path().join(name);
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    }
    std::os::unix::fs::symlink("/dev/zero", repository.path().join("zero.set.toml")).unwrap();
    let status = look(&mut operator).await;
    assert!(status.policy_problem.contains("regular file"), "{status:?}");
    for name in ["bright", "zero"] {
        assert!(of_set(&status, name).1.contains("regular file"), "{status:?}");
        assert!(refusal(&mut operator, name).await.contains("regular file"));
    }
    repository.write("big.set.toml", &format!("policy = \"strict.policy.toml\"\nsummary = \"{}\"", "x".repeat(70_000)));
    assert!(refusal(&mut operator, "big").await.contains("65536 bytes"));
    server.drain().await.unwrap();
}
