//! Looks after the first: who takes them, what they change, and what is said where they were left out.

use wildwarden_proto::v1::{ClassifyResponse, Options};
use wildwarden_server::server::Server;

use crate::common::{Client, client, config, ivory, listing, metrics};
use crate::joined::with_twins;
use crate::repository::{Repository, look};

const TITLE: &str = "老象牙手镯 包浆好 家传";

/// The policy of `repository` with a second look at photos and at texts, for ivory between `from` and `to`.
fn looking_again(repository: &Repository, profile: &str, (from, to): (f64, f64)) {
    let policy = std::fs::read_to_string(repository.policy()).unwrap();
    let policy = policy.split("\n[looks]\n").next().unwrap(); // what was written here before
    let look = |modality: &str, model: &str| {
        format!(
            "[[looks.{modality}]]\nmodels = [\"{model}\"]\nshare = 1.0\nbands = {{ ivory = {{ from = {from}, to = {to} }} }}\n"
        )
    };
    let looks = [look("images", "ivory_too"), look("texts", "text_too")].concat();
    repository.write("policy.toml", &format!("{policy}\n[looks]\nprofile = \"{profile}\"\n{looks}"));
}

async fn ask(client: &mut Client) -> ClassifyResponse {
    let mut request = listing(TITLE, &["rendered/bangle.jpg"]);
    request.options = Some(Options { explain_text: true, ..Default::default() });
    client.classify(request).await.unwrap().into_inner()
}

/// Looks at the photo and at the title, and how many models took part.
fn taken(answer: &ClassifyResponse) -> (u32, u32, usize) {
    (answer.images[0].looks, answer.texts[0].looks, answer.models.len())
}

#[tokio::test]
async fn only_what_is_in_the_band_is_looked_at_again_and_both_looks_are_told() {
    let repository = with_twins();
    looking_again(&repository, "balanced", (0.001, 0.999));
    let (server, mut operator) = repository.serve(&[]).await;
    let mut client = client(&server).await;
    let answer = ask(&mut client).await;
    assert_eq!(taken(&answer), (2, 2, 8), "{answer:?}");
    assert!(!answer.degraded && answer.missing.is_empty(), "{answer:?}");
    let seen = answer.images[0].scores.iter().find(|score| score.category == "ivory").unwrap();
    let read = answer.texts[0].scores.iter().find(|score| score.category == "ivory").unwrap();
    assert_eq!(seen.by_look.len(), 2);
    for (probability, by_look) in [(seen.probability, &seen.by_look), (read.probability, &read.by_look)] {
        assert_eq!((by_look.len(), by_look[1].to_bits()), (2, probability.to_bits()), "the last look's is what counts");
    }
    assert!(answer.timings.unwrap().later_looks_us > 0);
    let joined = ivory(&answer).clone();

    // The scores of all looks at once are those of one look by the same models.
    looking_again(&repository, "thorough", (0.001, 0.002));
    look(&mut operator).await;
    let answer = ask(&mut client).await;
    assert_eq!(taken(&answer), (2, 2, 8));
    assert_eq!(ivory(&answer).image_probability, joined.image_probability);
    assert_eq!(ivory(&answer).text_probability, joined.text_probability);

    looking_again(&repository, "balanced", (0.001, 0.002));
    look(&mut operator).await;
    let answer = ask(&mut client).await;
    assert_eq!(taken(&answer), (1, 1, 5), "the second encoder, its head and the second classifier took no part");
    let first = (ivory(&answer).image_probability.unwrap(), ivory(&answer).text_probability.unwrap());
    let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(close(first.0, seen.by_look[0]) && close(first.1, read.by_look[0]), "{first:?}");
    assert!(answer.images[0].scores[0].by_look.is_empty() && answer.timings.unwrap().later_looks_us == 0);

    looking_again(&repository, "fast", (0.001, 0.999));
    look(&mut operator).await;
    assert_eq!(taken(&ask(&mut client).await), (1, 1, 5));
    let page = metrics(&server).await;
    for line in [
        "wildwarden_looks_total{modality=\"images\",look=\"1\",outcome=\"taken\"} 4",
        "wildwarden_looks_total{modality=\"images\",look=\"2\",outcome=\"taken\"} 2",
        "wildwarden_looks_total{modality=\"texts\",look=\"2\",outcome=\"taken\"} 2",
        "wildwarden_stage_duration_seconds_count{stage=\"later_image_looks\"} 2",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}

#[tokio::test]
async fn a_look_without_models_is_missing_from_the_answer_and_nothing_is_refused() {
    let repository = with_twins();
    looking_again(&repository, "balanced", (0.001, 0.999));
    for gone in ["encoder_too", "ivory_too", "text_too"] {
        std::fs::remove_dir_all(repository.path().join(gone)).unwrap();
    }
    let (server, mut operator) = repository.serve(&[]).await;
    let answer = ask(&mut client(&server).await).await;
    assert_eq!(taken(&answer), (1, 1, 5));
    assert!(answer.degraded);
    assert_eq!(answer.missing, ["image:rendered/bangle.jpg:look:absent", "text:title:look:absent"]);
    let waiting = look(&mut operator).await.waiting;
    assert!(
        waiting.iter().any(|note| note.contains("ivory_too") && note.contains("does not rate that")),
        "{waiting:?}"
    );
    let page = metrics(&server).await;
    assert!(page.contains("wildwarden_looks_total{modality=\"images\",look=\"2\",outcome=\"absent\"} 1"), "{page}");
}

#[tokio::test]
async fn looks_that_models_cannot_take_are_refused_with_what_to_write() {
    let repository = with_twins();
    let policy = std::fs::read_to_string(repository.policy()).unwrap();
    let look = "[[looks.images]]\nmodels = [\"ivory\"]\nshare = 1.0\nbands = { ivory = { from = 0.1, to = 0.9 } }\n";
    repository.write("policy.toml", &format!("{policy}\n{look}"));
    let refused = refusal(&repository).await;
    assert!(refused.contains("are heads of one encoder and take part in different looks"), "{refused}");
    repository.write("policy.toml", &format!("{policy}\n{}", look.replace("\"ivory\"", "\"encoder_too\"")));
    let refused = refusal(&repository).await;
    assert!(refused.contains("looks.images: encoder_too is an encoder; name the heads that read it"), "{refused}");
    repository.write("policy.toml", &format!("{policy}\n{}", look.replace("\"ivory\"", "\"text_too\"")));
    let refused = refusal(&repository).await;
    assert!(refused.contains("looks.images: text_too scores no images"), "{refused}");
}

async fn refusal(repository: &Repository) -> String {
    let server = Server::bind(config(&repository.flags())).await.unwrap();
    server.load().await.unwrap_err().to_string()
}
