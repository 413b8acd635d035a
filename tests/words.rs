//! Words in photos, on a running server with the shipped models: read where the policy wants it, rated as a text, and said where not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use std::path::{Path, PathBuf};

use common::{Client, client, copy_folder, every_look, listing, metrics};
use tempfile::TempDir;
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_proto::v1::{ClassifyResponse, ContactKind, ReasonCode, Suggestion, TextField, TextRating};
use wildwarden_server::server::Server;

/// The readers are fetched, not committed.
fn fetched() -> bool {
    ["text_detector", "text_recognizer"].iter().all(|name| Path::new("models").join(name).join("1/model.onnx").exists())
}

/// The shipped policy without further looks at photos and texts, under a profile, with a table of its own for words.
fn policy(folder: &Path, profile: &str, words: &str) -> PathBuf {
    let text = common::one_look_policy() + &format!("\n[looks]\nprofile = \"{profile}\"\n{words}\n");
    std::fs::write(folder.join("policy.toml"), text).unwrap();
    folder.join("policy.toml")
}

const READ: &str = "[looks.words]\nshare = 1.0\nlines = 12";

/// A repository with what reads words and the first look, as links where that does.
fn models(folder: &Path) -> PathBuf {
    let models = folder.join("models");
    for name in [
        "image_encoder",
        "ivory",
        "pangolin_scale",
        "rhino_horn",
        "text_classifier",
        "text_detector",
        "text_recognizer",
    ] {
        let from = Path::new("models").join(name).join("1");
        if from.exists() {
            copy_folder(&from, &models.join(name).join("1"));
        }
    }
    models
}

async fn running(profile: &str, words: &str) -> (Server, Client, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let policy = policy(folder.path(), profile, words).display().to_string();
    let models = models(folder.path()).display().to_string();
    let server =
        Server::bind(every_look(&[("models", "directory", models), ("models", "policy", policy)])).await.unwrap();
    server.load().await.unwrap();
    let client = client(&server).await;
    (server, client, folder)
}

async fn rated(client: &mut Client, photo: &str) -> ClassifyResponse {
    client.classify(listing("文玩", &[photo])).await.unwrap().into_inner()
}

fn words_of(answer: &ClassifyResponse) -> Option<&TextRating> {
    answer.texts.iter().find(|text| text.field() == TextField::Image)
}

fn codes(answer: &ClassifyResponse) -> Vec<ReasonCode> {
    answer.reasons.iter().map(|reason| reason.code()).collect()
}

#[tokio::test]
async fn an_offer_that_stands_only_in_a_photo_is_read_placed_and_rated() {
    let (server, mut client, _folder) = running("thorough", READ).await;
    let answer = rated(&mut client, "words/offer.jpg").await;
    if !fetched() {
        assert!(words_of(&answer).is_none());
        assert!(answer.missing.contains(&"image:words/offer.jpg:words:absent".to_owned()), "{:?}", answer.missing);
        assert!(!answer.degraded, "what is not there by configuration is no fault");
        return;
    }
    let text = words_of(&answer).unwrap();
    let written = text.written.clone().unwrap();
    assert_eq!(text.image_id, "words/offer.jpg");
    assert!(written.text.replace(' ', "").contains("象牙手串出售"), "{}", written.text);
    // The headline is the first line, and stands where it was drawn, in a picture of 480 pixels.
    let headline = &written.lines[0];
    let [top_left, _, below_right, _] = headline.corners.as_slice() else { panic!("{headline:?}") };
    assert!((0.05..0.2).contains(&top_left.x) && (0.0..0.1).contains(&top_left.y), "{headline:?}");
    assert!((0.6..0.95).contains(&below_right.x) && (0.12..0.25).contains(&below_right.y), "{headline:?}");
    assert!(headline.confidence > 0.8);
    let span = |span: &wildwarden_proto::v1::Span| &written.text[span.byte_start as usize..span.byte_end as usize];
    let contacts: Vec<_> = written.contacts.iter().map(|one| (one.kind(), span(one.span.as_ref().unwrap()))).collect();
    assert_eq!(contacts, [(ContactKind::Wechat, "laoliao88")]);
    let term = text.terms.iter().find(|term| term.term == "象牙").unwrap();
    assert_eq!(span(term.span.as_ref().unwrap()), "象牙");
    assert_ne!(answer.suggestion(), Suggestion::Pass);
    let reason = answer.reasons.iter().find(|reason| reason.code() == ReasonCode::TextInImage).unwrap();
    assert_eq!((reason.category.as_str(), reason.arguments["image_id"].as_str()), ("ivory", "words/offer.jpg"));
    assert!(reason.arguments["words"].starts_with("象牙"), "{reason:?}");
    assert!(codes(&answer).contains(&ReasonCode::ContactInImage) && codes(&answer).contains(&ReasonCode::ClaimForSale));
    assert!(answer.timings.unwrap().words_us > 0 && !answer.degraded);

    // The same bytes again: nothing is read, and the words are there.
    let again = rated(&mut client, "words/offer.jpg").await;
    assert!(again.images[0].cached && again.timings.unwrap().words_us == 0);
    assert_eq!(words_of(&again), Some(text));

    let harmless = rated(&mut client, "words/harmless.jpg").await;
    assert!(words_of(&harmless).unwrap().written.as_ref().unwrap().text.contains("青花瓷茶具"), "{harmless:?}");
    assert!(
        !codes(&harmless).contains(&ReasonCode::TextInImage) && !codes(&harmless).contains(&ReasonCode::ContactInImage)
    );
    // A photo without words has no text.
    let plain = rated(&mut client, "mug.jpg").await;
    assert!(words_of(&plain).is_none() && plain.missing.is_empty(), "{plain:?}");
    let page = metrics(&server).await;
    assert!(page.contains("wildwarden_looks_total{modality=\"words\",look=\"1\",outcome=\"taken\"} 3"), "{page}");
}

#[tokio::test]
async fn without_its_table_or_under_the_fast_profile_nothing_is_read_and_nothing_is_missing() {
    for (profile, words) in [("thorough", ""), ("fast", READ)] {
        let (_server, mut client, _folder) = running(profile, words).await;
        let answer = rated(&mut client, "words/offer.jpg").await;
        assert!(words_of(&answer).is_none() && answer.missing.is_empty(), "{profile}: {:?}", answer.missing);
    }
}

#[tokio::test]
async fn no_more_photos_than_the_share_are_read_and_the_others_say_so() {
    if !fetched() {
        return;
    }
    let (_server, mut client, _folder) = running("balanced", &READ.replace("1.0", "0.01")).await;
    let (mut read, mut left_out) = (0, 0);
    for number in 0..130 {
        // Bytes of their own, so that none is remembered.
        let mut request = listing("文玩", &["tiny.png"]);
        request.images[0].content = png(number).into();
        let answer = client.classify(request).await.unwrap().into_inner();
        let budget = answer.missing.iter().any(|missing| missing.ends_with(":words:budget"));
        assert!(!answer.degraded);
        left_out += u32::from(budget);
        read += u32::from(answer.timings.unwrap().words_us > 0);
    }
    assert!((40..=110).contains(&read), "{read} of 130 were read: what a quiet time saves up is about fifty");
    assert_eq!(read + left_out, 130);
}

/// A picture like no other.
fn png(number: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(40, 40, image::Rgb([number, 7, 9]))
        .write_to(&mut bytes, image::ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn an_alphabet_of_another_model_and_a_second_detector_are_refused() {
    if !fetched() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let models = models(folder.path());
    let recognizer = models.join("text_recognizer/1");
    let (alphabet, manifest) = (recognizer.join("characters.txt"), recognizer.join("model.toml"));
    let (file, told) = (std::fs::read(&alphabet).unwrap(), std::fs::read_to_string(&manifest).unwrap());
    let shorter = &file[..file.len() - 5];
    std::fs::write(&alphabet, shorter).unwrap();
    std::fs::write(&manifest, told.replace(&hex_sha256(&file), &hex_sha256(shorter))).unwrap();
    let bind = || {
        let policy = policy(folder.path(), "thorough", READ).display().to_string();
        Server::bind(every_look(&[("models", "directory", models.display().to_string()), ("models", "policy", policy)]))
    };
    let problem = bind().await.unwrap().load().await.unwrap_err().to_string();
    assert!(problem.contains("characters.txt") && problem.contains("18709 columns"), "{problem}");
    std::fs::write(&alphabet, &file).unwrap();
    std::fs::write(&manifest, told).unwrap();
    let second = models.join("another/1");
    copy_folder(&models.join("text_detector/1"), &second);
    let told = std::fs::read_to_string(second.join("model.toml")).unwrap();
    std::fs::write(second.join("model.toml"), told.replacen("name = \"text_detector\"", "name = \"another\"", 1))
        .unwrap();
    let problem = bind().await.unwrap().load().await.unwrap_err().to_string();
    assert!(problem.contains("is a text_detector, as is"), "{problem}");
}
