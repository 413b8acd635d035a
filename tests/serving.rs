//! Every RPC, every image format, explanations, health and reflection: a real server, real models, real gRPC.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use common::{channel, client, ivory, listing, metrics, start};
use tokio_stream::StreamExt;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use wildwarden_core::model::folder::manifest::{Manifest, hex_sha256};
use wildwarden_core::score::policy::Policy;
use wildwarden_proto::v1::classify_result::Outcome;
use wildwarden_proto::v1::{
    Attribution, ClassifyBatchRequest, ClassifyRequest, GetServerInfoRequest, ImageStatus, Level, Options, ReasonCode,
    Suggestion, TermKind,
};
use wildwarden_server::server::Server;

const OFFER: &str = "老象牙手串 包浆好 私聊";
const DRESS: &str = "夏季新款连衣裙 女 显瘦";

/// `request`, answered with the hash of each image.
fn hashed(mut request: ClassifyRequest) -> ClassifyRequest {
    request.options = Some(Options { image_sha256: true, ..Default::default() });
    request
}

#[tokio::test]
async fn an_offer_in_words_is_rated_and_a_dress_passes() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let offer = client.classify(listing(OFFER, &["tusk.jpg"])).await.unwrap().into_inner();
    assert!(offer.suggestion() >= Suggestion::Review && offer.level() >= Level::Medium, "{offer:?}");
    assert!(ivory(&offer).text_probability.unwrap() > 0.9);
    assert!(offer.legal_basis.iter().any(|basis| basis.id == "wapl-2022-33"));
    assert!(offer.reasons.iter().any(|reason| reason.code() == ReasonCode::TextEvidence));
    assert!(offer.request_id.starts_with("req-") && !offer.degraded && offer.models.len() == 6);
    let timings = offer.timings.unwrap();
    assert!(timings.total_us > 0 && timings.image_inference_us > 0 && timings.total_us >= timings.score_us);

    let dress = client.classify(listing(DRESS, &["mug.jpg"])).await.unwrap().into_inner();
    assert_eq!(dress.suggestion(), Suggestion::Pass, "{dress:?}");
    assert!(dress.legal_basis.is_empty() && dress.risk < offer.risk);
}

#[tokio::test]
async fn text_alone_and_image_alone_are_rated_and_say_what_is_missing() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let text = client.classify(listing(OFFER, &[])).await.unwrap().into_inner();
    assert_eq!(text.missing, ["image"]);
    assert!(!text.degraded && ivory(&text).image_probability.is_none() && text.suggestion() >= Suggestion::Review);
    let image = client.classify(listing("", &["tusk.jpg"])).await.unwrap().into_inner();
    assert_eq!(image.missing, ["text"]);
    assert!(ivory(&image).text_probability.is_none() && ivory(&image).image_probability.is_some());
}

#[tokio::test]
async fn every_format_and_orientation_of_one_scene_gets_nearly_the_same_score() {
    let server = start(&[("limits", "max_images", "64".into())]).await;
    let mut client = client(&server).await;
    let mut names: Vec<String> =
        ["jpg", "png", "webp", "bmp", "tif", "mpo"].map(|kind| format!("still.{kind}")).to_vec();
    names.extend(
        ["progressive.jpg", "lossless.webp", "rgb16.png", "jpeg.tif", "hostile/jpeg_named.png"].map(str::to_owned),
    );
    names.extend((1..=8).map(|orientation| format!("exif_{orientation}.jpg")));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let response = client.classify(listing("", &names)).await.unwrap().into_inner();
    let score = |index: usize| response.images[index].scores[0].probability;
    for (index, name) in names.iter().enumerate() {
        assert_eq!(response.images[index].status(), ImageStatus::Ok, "{name}");
        assert!((score(index) - score(1)).abs() < 0.1, "{name}: {} against {}", score(index), score(1));
    }
    for name in [
        "still.gif",
        "grey.jpg",
        "grey.png",
        "cmyk.jpg",
        "grey16.png",
        "alpha.png",
        "palette.png",
        "tiny.png",
        "wide.png",
    ] {
        let response = client.classify(listing("", &[name])).await.unwrap().into_inner();
        assert_eq!(response.images[0].status(), ImageStatus::Ok, "{name}");
    }
    for (name, format) in [("animated.gif", "gif"), ("animated.webp", "webp")] {
        let response = client.classify(listing("", &[name])).await.unwrap().into_inner();
        let image = &response.images[0];
        assert_eq!((image.frames, image.format.as_str(), image.width), (3, format, 64));
    }
}

fn manifest(model: &str) -> Manifest {
    let text = std::fs::read_to_string(format!("models/{model}/1/model.toml")).unwrap();
    Manifest::parse(std::path::Path::new("."), &text).unwrap()
}

#[tokio::test]
async fn explanations_add_up_and_point_into_the_callers_strings() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let title = "出 象.牙 手串，🐘 Ｉｖｏｒｙ";
    let mut request = listing(title, &["tusk.jpg"]);
    request.options = Some(Options { explain_text: true, explain_images: true, ..Default::default() });
    let response = client.classify(request).await.unwrap().into_inner();

    let text = &response.texts[0];
    for score in &text.scores {
        assert!(!score.tokens.is_empty());
        for token in &score.tokens {
            let span = token.span.as_ref().unwrap();
            let (start, end) = (span.byte_start as usize, span.byte_end as usize);
            let by_chars: String =
                title.chars().skip(span.char_start as usize).take((span.char_end - span.char_start) as usize).collect();
            assert_eq!(&title[start..end], by_chars, "bytes and characters name the same part");
        }
    }
    assert!(text.scores[0].tokens.iter().any(|token| token.token == "象牙" && token.contribution > 0.0));
    let term = text.terms.iter().find(|term| term.term == "象牙").unwrap();
    assert!(term.obfuscated && term.kind() == TermKind::Claim);
    // The probability must follow from bias and contributions, calibrated by the manifest, less the policy's caution: with both
    // undone, the logit of a longer list of tokens is exactly theirs. Categories with different calibrations are checked.
    let caution = Policy::parse(&std::fs::read_to_string("models/policy.toml").unwrap()).unwrap().text_caution;
    for (score, label) in text.scores.iter().zip(manifest("text_classifier").labels) {
        assert_eq!(score.attribution(), Attribution::Exact);
        let logit = score.bias + score.tokens.iter().map(|token| token.contribution).sum::<f64>();
        let expected = label.calibration.slope * logit + label.calibration.intercept - caution;
        let answered = (score.probability / (1.0 - score.probability)).ln();
        assert!(
            (expected - answered).abs() < 1e-3 * expected.abs().max(1.0),
            "{}: {expected} against {answered}",
            label.name
        );
    }

    for score in &response.images[0].scores {
        let explanation = score.explanation.as_ref().unwrap();
        let map = explanation.heat_map.as_ref().unwrap();
        assert_eq!((map.rows, map.columns, map.values.len()), (5, 5, 25));
        let mean = f64::from(map.values.iter().sum::<f32>()) / 25.0;
        let name = &score.category;
        let calibration = manifest(name).labels[0].calibration;
        let answered = (score.probability / (1.0 - score.probability)).ln();
        let expected = calibration.slope * mean + calibration.intercept;
        assert!(
            (expected - answered).abs() < 0.02,
            "{name}: the map's mean is the head's logit: {expected} against {answered}"
        );
        if let Some(b) = &explanation.r#box {
            assert!(
                0.0 <= b.left
                    && b.left < b.right
                    && b.right <= 1.0
                    && 0.0 <= b.top
                    && b.top < b.bottom
                    && b.bottom <= 1.0
            );
        }
    }
}

#[tokio::test]
async fn only_the_categories_asked_for_are_rated() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let mut request = listing("犀角杯 象牙", &["horn.jpg"]);
    request.options = Some(Options { categories: vec!["rhino_horn".into()], ..Default::default() });
    let response = client.classify(request).await.unwrap().into_inner();
    assert_eq!(response.categories.iter().map(|rating| rating.category.as_str()).collect::<Vec<_>>(), ["rhino_horn"]);
    assert!(response.reasons.iter().all(|reason| ["rhino_horn", ""].contains(&reason.category.as_str())));
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_one_bad_item_spoils_nothing() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let mut items: Vec<ClassifyRequest> = (0..40)
        .map(|i| ClassifyRequest {
            request_id: format!("r{i}"),
            ..listing(if i % 2 == 0 { OFFER } else { DRESS }, &["rendered/lookalike_porcelain.jpg"])
        })
        .collect();
    items[7] = ClassifyRequest { request_id: "r7".into(), ..Default::default() };
    let results = client.classify_batch(ClassifyBatchRequest { items }).await.unwrap().into_inner().results;
    assert_eq!(results.len(), 40);
    for (index, result) in results.into_iter().enumerate() {
        assert_eq!(result.request_id, format!("r{index}"));
        match result.outcome.unwrap() {
            Outcome::Response(response) => {
                assert_eq!(response.request_id, format!("r{index}"));
                assert_eq!(response.suggestion() >= Suggestion::Review, index % 2 == 0, "item {index}");
            }
            Outcome::Error(error) => assert_eq!((index, error.code, error.field.as_str()), (7, 3, "images")),
        }
    }
}

#[tokio::test]
async fn a_stream_answers_every_listing_by_its_id() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let requests: Vec<ClassifyRequest> = (0..60)
        .map(|i| ClassifyRequest {
            request_id: format!("s{i}"),
            ..listing(if i % 3 == 0 { OFFER } else { DRESS }, if i % 2 == 0 { &["mug.jpg"] } else { &[] })
        })
        .chain([ClassifyRequest { request_id: "empty".into(), ..Default::default() }])
        .collect();
    let mut answers = client.classify_stream(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let mut seen = std::collections::HashSet::new();
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap();
        assert!(seen.insert(answer.request_id.clone()), "{} answered twice", answer.request_id);
        match answer.outcome.unwrap() {
            Outcome::Response(response) => {
                let index: usize = answer.request_id[1..].parse().unwrap();
                assert_eq!(response.suggestion() >= Suggestion::Review, index.is_multiple_of(3), "{index}");
            }
            Outcome::Error(error) => assert_eq!((answer.request_id.as_str(), error.code), ("empty", 3)),
        }
    }
    assert_eq!(seen.len(), 61);
}

#[tokio::test(flavor = "multi_thread")]
async fn distinct_concurrent_listings_each_get_their_own_answer() {
    let server = start(&[]).await;
    let client = client(&server).await;
    let kinds = [
        ("tusk.jpg", OFFER),
        ("mug.jpg", DRESS),
        ("scales.jpg", "炮山甲 五十克 私聊"),
        ("horn.jpg", "水牛角梳子 天然"),
    ];
    let mut alone = Vec::new();
    for (photo, title) in kinds {
        alone.push(client.clone().classify(hashed(listing(title, &[photo]))).await.unwrap().into_inner());
    }
    let mut running = tokio::task::JoinSet::new();
    for i in 0..80 {
        let mut client = client.clone();
        running.spawn(async move {
            let (photo, title) = kinds[i % 4];
            let request = ClassifyRequest { listing_id: i.to_string(), ..hashed(listing(title, &[photo])) };
            (i, client.classify(request).await.unwrap().into_inner())
        });
    }
    while let Some(finished) = running.join_next().await {
        let (i, response) = finished.unwrap();
        assert_eq!(response.listing_id, i.to_string());
        assert_eq!(response.images[0].sha256.len(), 64);
        assert_eq!(response.images[0].sha256, alone[i % 4].images[0].sha256);
        assert!((response.risk - alone[i % 4].risk).abs() < 1e-6, "{i}");
    }
}

#[tokio::test]
async fn server_info_tells_limits_categories_and_versions() {
    let server = start(&[]).await;
    let info = client(&server).await.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.limits.unwrap().max_images, 9);
    let names: Vec<&str> = info.categories.iter().map(|category| category.name.as_str()).collect();
    assert_eq!(names, ["ivory", "pangolin_scale", "rhino_horn"]);
    for category in &info.categories {
        assert!(category.rated_by_images && category.rated_by_texts && category.titles.len() == 2, "{category:?}");
        assert!(category.descriptions.values().all(|told| !told.is_empty()));
    }
    assert_eq!(info.models.len(), 6);
    assert!(info.models.iter().all(|model| model.sha256.len() == 64) && info.policy.unwrap().sha256.len() == 64);
}

#[tokio::test]
async fn health_says_not_serving_until_models_are_ready_and_calls_get_unavailable() {
    let server = Server::bind(common::config(&[])).await.unwrap();
    let mut health = HealthClient::new(channel(&server).await);
    let mut status = async |service: &str| {
        health.check(HealthCheckRequest { service: service.into() }).await.unwrap().into_inner().status()
    };
    assert_eq!(status("").await, ServingStatus::NotServing);
    let refused = client(&server).await.classify(listing(DRESS, &[])).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    server.load().await.unwrap();
    assert_eq!(status("").await, ServingStatus::Serving);
    assert_eq!(status("wildwarden.v1.RiskService").await, ServingStatus::Serving);
    client(&server).await.classify(listing(DRESS, &[])).await.unwrap();
}

#[tokio::test]
async fn reflection_lists_the_service_in_both_versions() {
    use tonic_reflection::pb::{v1, v1alpha};
    let server = start(&[]).await;
    let ask = v1::ServerReflectionRequest {
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let operators = format!("http://{}", server.admin_address().unwrap());
    let operators = tonic::transport::Channel::from_shared(operators).unwrap().connect().await.unwrap();
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(operators);
    let mut answers = client.server_reflection_info(tokio_stream::iter([ask.clone()])).await.unwrap().into_inner();
    let answer = format!("{:?}", answers.next().await.unwrap().unwrap());
    assert!(answer.contains("wildwarden.v1.ModelService") && !answer.contains("RiskService"), "{answer}");
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel(&server).await);
    let mut answers = client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
    let answer = format!("{:?}", answers.next().await.unwrap().unwrap());
    assert!(answer.contains("wildwarden.v1.RiskService") && answer.contains("grpc.health.v1.Health"), "{answer}");
    assert!(!answer.contains("ModelService"), "it is on the operators' listener only: {answer}");
    let ask = v1alpha::ServerReflectionRequest {
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
            "wildwarden.v1.RiskService".into(),
        )),
        ..Default::default()
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel(&server).await);
    let mut answers = client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
    let answer = format!("{:?}", answers.next().await.unwrap().unwrap());
    assert!(answer.contains("FileDescriptorResponse"), "{answer}");
}

#[tokio::test]
async fn a_photo_sent_again_is_answered_from_the_cache_with_the_same_scores_and_metrics_say_so() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let first = client.classify(listing("", &["tusk.jpg"])).await.unwrap().into_inner();
    let again = client.classify(hashed(listing("", &["tusk.jpg"]))).await.unwrap().into_inner();
    let (first_image, image) = (&first.images[0], &again.images[0]);
    assert!(!first_image.cached && image.cached);
    assert_eq!(first_image.scores, image.scores);
    let content = &listing("", &["tusk.jpg"]).images[0].content;
    assert_eq!((first_image.sha256.as_str(), &image.sha256), ("", &hex_sha256(content)), "only who asks gets it");
    assert_eq!((first_image.width, first_image.frames), (image.width, image.frames));
    assert!((first.risk - again.risk).abs() < 1e-12);
    assert_eq!(again.timings.unwrap().decode_us, 0);
    // An explanation is made anew.
    let mut explained = listing("", &["tusk.jpg"]);
    explained.options = Some(Options { explain_images: true, ..Default::default() });
    let explained = client.classify(explained).await.unwrap().into_inner();
    assert!(!explained.images[0].cached && explained.images[0].scores[0].explanation.is_some());
    let page = metrics(&server).await;
    for line in [
        "wildwarden_image_cache_lookups_total{outcome=\"hit\"} 1",
        "wildwarden_image_cache_lookups_total{outcome=\"miss\"} 2",
        "wildwarden_requests_total{rpc=\"Classify\",code=\"OK\",caller=\"none\"} 3",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
}

#[tokio::test]
async fn a_cache_of_size_0_remembers_nothing() {
    let server = start(&[("cache", "images", "0".into())]).await;
    let mut client = client(&server).await;
    for _ in 0..2 {
        let answer = client.classify(listing("", &["tusk.jpg"])).await.unwrap().into_inner();
        assert!(!answer.images[0].cached);
    }
}

#[tokio::test]
async fn images_rated_in_batches_get_the_scores_they_get_alone() {
    let names = ["tusk.jpg", "animated.gif", "tiny.png", "alpha.png"];
    let off = |batch: &str| [("cache", "images", "0".into()), ("batching", "image_max_batch", batch.to_owned())];
    let alone = start(&off("1")).await;
    let batched = start(&[off("8").as_slice(), &[("scheduler", "workers", "1".into())]].concat()).await;
    let request = listing("", &names);
    let alone = client(&alone).await.classify(request.clone()).await.unwrap().into_inner();
    let batched = client(&batched).await.classify(request).await.unwrap().into_inner();
    for (one, other) in alone.images.iter().zip(&batched.images) {
        assert_eq!((one.status, one.frames, &one.image_id), (other.status, other.frames, &other.image_id));
        for (one, other) in one.scores.iter().zip(&other.scores) {
            // A batch may add up in another order.
            assert!((one.probability - other.probability).abs() < 1e-3, "{one:?} {other:?}");
        }
    }
}
