//! Models that rate the same are joined as the policy says: two encoders with a head each, two text classifiers.

use wildwarden_core::domain::{Logit, Probability};
use wildwarden_proto::v1::{CategoryRating, ClassifyResponse, Options};
use wildwarden_server::server::Server;

use crate::common::{Client, client, config, copy_folder, ivory, listing, one_look_policy};
use crate::repository::{Repository, look, made_for, serving, shifted};

const CATEGORIES: [&str; 3] = ["ivory", "pangolin_scale", "rhino_horn"];

/// `name` under another name, with a changed manifest.
fn twin(repository: &Repository, name: &str, other: &str, edit: impl Fn(String) -> String) {
    let folder = repository.folder(other, "1");
    copy_folder(&repository.folder(name, "1"), &folder);
    let manifest = std::fs::read_to_string(folder.join("model.toml")).unwrap();
    let manifest = manifest.replacen(&format!("name = \"{name}\""), &format!("name = \"{other}\""), 1);
    std::fs::write(folder.join("model.toml"), edit(manifest)).unwrap();
}

/// The shipped policy, which joins the twins, under another name.
fn joining(repository: &Repository) -> String {
    let shipped = std::fs::read_to_string(repository.policy()).unwrap();
    let policy = shipped.replacen("version = \"1\"", "version = \"joined\"", 1);
    CATEGORIES.iter().fold(policy, |policy, category| {
        let images = if *category == "ivory" { "images = { ivory = 0.25, ivory_too = 0.75 }, " } else { "" };
        let line = format!("[[category]]\nname = \"{category}\"\n");
        let join = format!("join = {{ {images}texts = {{ text_classifier = 0.6, text_too = 0.4 }} }}\n");
        assert!(policy.contains(&line));
        policy.replacen(&line, &format!("{line}{join}"), 1)
    })
}

async fn ask(client: &mut Client) -> ClassifyResponse {
    let mut request = listing("老象牙手镯 包浆好 家传", &["rendered/bangle.jpg"]);
    request.options = Some(Options { explain_text: true, explain_images: true, ..Default::default() });
    client.classify(request).await.unwrap().into_inner()
}

fn logit(probability: f64) -> f64 {
    Probability::new(probability).unwrap();
    let logit = (probability / (1.0 - probability)).ln();
    assert!((Logit(logit).probability().value() - probability).abs() < 1e-9);
    logit
}

/// Logits of ivory: of the photo, of the title.
fn logits(rating: &CategoryRating) -> (f64, f64) {
    (logit(rating.image_probability.unwrap()), logit(rating.text_probability.unwrap()))
}

#[tokio::test]
async fn a_category_is_rated_by_the_mean_of_the_models_that_the_policy_joins() {
    let repository = Repository::shipped();
    for head in CATEGORIES {
        repository.add(head, "1", made_for("image_encoder/1"));
    }
    let (server, mut operator) = repository.serve(&[]).await;
    let mut client = client(&server).await;
    let alone = logits(ivory(&ask(&mut client).await));

    let before = |name: &str| {
        let manifest = std::fs::read_to_string(repository.folder(name, "1").join("model.toml")).unwrap();
        let rest = manifest.split("intercept = ").nth(1).unwrap();
        rest[..rest.find(' ').unwrap()].parse::<f64>().unwrap()
    };
    let (image_before, text_before) = (before("ivory"), before("text_classifier"));
    twin(&repository, "image_encoder", "encoder_too", |manifest| manifest);
    twin(&repository, "ivory", "ivory_too", |manifest| {
        shifted(-1.0)(manifest.replacen("encoder = \"image_encoder/1\"", "encoder = \"encoder_too/1\"", 1))
    });
    twin(&repository, "text_classifier", "text_too", shifted(1.0));
    let status = look(&mut operator).await;
    assert!(status.waiting.iter().any(|note| note.contains("would all rate texts for ivory")), "{status:?}");

    repository.write("policy.toml", &joining(&repository));
    let status = look(&mut operator).await;
    for name in ["encoder_too", "ivory_too", "text_too", "ivory", "text_classifier", "image_encoder"] {
        assert_eq!(serving(&status, name), "1", "{status:?}");
    }
    let answer = ask(&mut client).await;
    let joined = logits(ivory(&answer));
    let expected = (alone.0 + 0.75 * (-1.0 - image_before), alone.1 + 0.4 * (1.0 - text_before));
    assert!((joined.0 - expected.0).abs() < 1e-4 && (joined.1 - expected.1).abs() < 1e-4, "{joined:?} {expected:?}");
    assert!(!answer.degraded && answer.models.len() == 8, "{answer:?}");

    let score = answer.texts[0].scores.iter().find(|score| score.category == "ivory").unwrap();
    let sum = score.bias + score.tokens.iter().map(|token| token.contribution).sum::<f64>();
    assert!((sum - joined.1).abs() < 1e-4, "{sum} {joined:?}");
    let seen = answer.images[0].scores.iter().find(|score| score.category == "ivory").unwrap();
    let map = &seen.explanation.as_ref().unwrap().heat_map.as_ref().unwrap().values;
    let mean = map.iter().map(|value| f64::from(*value)).sum::<f64>() / map.len() as f64;
    assert!((mean - joined.0).abs() < 0.05, "the mean of a linear head's map is its logit: {mean} {joined:?}");

    // The next policy joins nothing: of what rates the same one is left, and the rest goes on.
    let plain = one_look_policy();
    repository.write("policy.toml", &plain.replacen("version = \"1\"", "version = \"plain\"", 1));
    let status = look(&mut operator).await;
    assert_eq!(status.policy.as_ref().unwrap().version, "plain", "{status:?}");
    let left_out = |note: &String| note.contains("was left out") && note.contains("join them in the policy");
    assert_eq!(status.waiting.iter().filter(|note| left_out(note)).count(), 2, "{status:?}");
    let answer = ask(&mut client).await;
    assert!(!answer.degraded && answer.models.len() < 8, "{answer:?}");
}

/// Both encoders, a head of each for ivory, and two text classifiers, joined.
pub(crate) fn with_twins() -> Repository {
    let repository = Repository::shipped();
    for head in CATEGORIES {
        repository.add(head, "1", made_for("image_encoder/1"));
    }
    twin(&repository, "image_encoder", "encoder_too", |manifest| manifest);
    twin(&repository, "ivory", "ivory_too", |manifest| {
        manifest.replacen("encoder = \"image_encoder/1\"", "encoder = \"encoder_too/1\"", 1)
    });
    twin(&repository, "text_classifier", "text_too", shifted(1.0));
    repository.write("policy.toml", &joining(&repository));
    repository
}

#[tokio::test]
async fn what_serves_joined_starts_again_without_a_part_that_is_gone_or_broken() {
    let repository = with_twins();
    let rated_by = async |repository: &Repository| {
        let (server, _operator) = repository.serve(&[]).await;
        let answer = ask(&mut client(&server).await).await;
        server.drain().await.unwrap();
        let mut names: Vec<String> = answer.models.into_iter().map(|model| model.name).collect();
        names.sort();
        names
    };
    let all = rated_by(&repository).await;
    assert_eq!(all.len(), 8);
    let without =
        |gone: &[&str]| -> Vec<String> { all.iter().filter(|name| !gone.contains(&name.as_str())).cloned().collect() };

    let (head, aside) = (repository.folder("ivory_too", "1"), repository.path().join(".aside"));
    std::fs::rename(&head, &aside).unwrap();
    assert_eq!(
        rated_by(&repository).await,
        without(&["ivory_too", "encoder_too"]),
        "an encoder that nothing reads waits"
    );
    std::fs::rename(&aside, &head).unwrap();
    assert_eq!(rated_by(&repository).await, all);
    std::fs::remove_dir_all(repository.path().join("encoder_too")).unwrap();
    assert_eq!(rated_by(&repository).await, without(&["ivory_too", "encoder_too"]), "a head waits for its encoder");
    std::fs::write(repository.folder("text_too", "1").join("model.onnx"), b"broken").unwrap();
    assert_eq!(rated_by(&repository).await, without(&["ivory_too", "encoder_too", "text_too"]), "its partner rates");
}

#[tokio::test]
async fn a_head_that_fits_two_encoders_and_names_none_is_refused_with_what_to_write() {
    let repository = Repository::shipped();
    twin(&repository, "image_encoder", "encoder_too", |manifest| manifest);
    let server = Server::bind(config(&repository.flags())).await.unwrap();
    let refused = server.load().await.unwrap_err().to_string();
    let said = "ivory 1 fits the encoders encoder_too and image_encoder: let its manifest name one";
    assert!(refused.contains(said), "{refused}");
}
