//! The shipped looks, as they are shipped: what the first look leaves in doubt is looked at again, by the models that are there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use std::path::Path;

use common::{Client, client, every_look, listing, metrics};
use wildwarden_proto::v1::{ClassifyResponse, ImageRating, TextRating};
use wildwarden_server::server::Server;

async fn running() -> (Server, Client) {
    let server = Server::bind(every_look(&[])).await.unwrap();
    server.load().await.unwrap();
    let client = client(&server).await;
    (server, client)
}

async fn rated(client: &mut Client, title: &str, photos: &[&str]) -> ClassifyResponse {
    client.classify(listing(title, photos)).await.unwrap().into_inner()
}

/// Texts that the classifier alone may take for offers, and what shops say all day.
const IN_DOUBT: [&str; 8] = [
    "象牙筷子一双 爷爷留下来的",
    "象牙手串108颗",
    "犀牛角杯 明代",
    "Pair of raw tusks 11 kg",
    "Report suspected rhino horn sales to this hotline",
    "法院判决：被告人出售象牙制品获刑五年",
    "Museum shows a carved ivory tusk of the 18th century",
    "海关查获穿山甲鳞片两百公斤",
];
const EVERYDAY: [&str; 4] =
    ["夏季新款连衣裙 包邮", "蓝牙耳机 降噪 现货", "Cotton T-shirt, size M, new", "Used mountain bike 26 inch"];

#[tokio::test]
async fn a_text_in_doubt_is_read_again_and_everyday_titles_are_not() {
    let (server, mut client) = running().await;
    let mut again = 0;
    for title in IN_DOUBT {
        let answer = rated(&mut client, title, &[]).await;
        let TextRating { looks, scores, .. } = &answer.texts[0];
        assert!(answer.missing.iter().all(|missing| !missing.contains(":look:")), "{title}: {:?}", answer.missing);
        let sentence = answer.models.iter().any(|model| model.name == "sentence_classifier");
        assert_eq!(sentence, *looks == 2, "{title}: {looks} looks");
        for score in scores {
            assert_eq!(score.by_look.len(), if *looks == 2 { 2 } else { 0 }, "{title}");
        }
        again += u32::from(*looks == 2);
    }
    assert!(again >= 2, "{again} of {} texts in doubt were read again", IN_DOUBT.len());
    for title in EVERYDAY {
        let answer = rated(&mut client, title, &[]).await;
        assert_eq!(answer.texts[0].looks, 1, "{title}");
        assert_eq!(answer.suggestion, 1, "{title} is no REVIEW");
    }
    let page = metrics(&server).await;
    assert!(
        page.contains(&format!("wildwarden_looks_total{{modality=\"texts\",look=\"2\",outcome=\"taken\"}} {again}")),
        "{page}"
    );
}

#[tokio::test]
async fn a_photo_in_doubt_is_looked_at_again_or_the_answer_says_that_it_should_have_been() {
    let fetched = Path::new("models/clip_encoder/1/model.onnx").exists();
    let (_server, mut client) = running().await;
    let photos = std::fs::read_dir("tests/fixtures/images/rendered").unwrap();
    let mut names: Vec<String> =
        photos.map(|entry| format!("rendered/{}", entry.unwrap().file_name().to_str().unwrap())).collect();
    names.retain(|name| name.ends_with(".jpg"));
    names.sort();
    let (mut in_doubt, mut sure) = (0, 0);
    for name in &names {
        let answer = rated(&mut client, "", &[name]).await;
        let ImageRating { looks, .. } = &answer.images[0];
        let absent = answer.missing.iter().any(|missing| missing == &format!("image:{name}:look:absent"));
        let by_clip = answer.models.iter().any(|model| model.name == "clip_encoder");
        match (fetched, *looks) {
            (true, 2) => assert!(by_clip && !answer.degraded, "{name}: {answer:?}"),
            (true, _) => assert!(!by_clip && !absent, "{name}: {answer:?}"),
            (false, _) => assert!(*looks == 1 && absent == answer.degraded, "{name}: {answer:?}"),
        }
        if *looks == 2 || absent { in_doubt += 1 } else { sure += 1 }
    }
    assert!(in_doubt > 0 && sure > 0, "{in_doubt} of {} photos are in doubt", names.len());
}
