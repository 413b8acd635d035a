//! What the contract promises for bad input, overload, deadlines, faulty models and credentials.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use std::time::Duration;

use common::{
    Client, client, fixture, image, ivory, listing, models_with_head, start, write_classifier_of, write_head,
};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_proto::v1::classify_result::Outcome;
use wildwarden_proto::v1::risk_service_client::RiskServiceClient;
use wildwarden_proto::v1::{
    ClassifyBatchRequest, ClassifyRequest, ClassifyResponse, GetServerInfoRequest, Image, ImageStatus, Options,
    ReasonCode, Suggestion,
};
use wildwarden_server::server::Server;

const OFFER: &str = "老象牙手串 包浆好 私聊";
const DRESS: &str = "夏季新款连衣裙 女 显瘦";

async fn refusal(client: &mut Client, request: ClassifyRequest) -> (Code, String, String) {
    let status = client.classify(request).await.unwrap_err();
    let details = status.get_details_bad_request();
    let field = details.map(|details| details.field_violations[0].field.clone()).unwrap_or_default();
    (status.code(), field, status.message().to_owned())
}

#[tokio::test]
async fn invalid_requests_are_refused_naming_field_value_and_limit() {
    let server =
        start(&[("limits", "max_image_bytes", "100000".into()), ("limits", "max_message_bytes", "400000".into())])
            .await;
    let mut client = client(&server).await;
    let many = ClassifyRequest { images: vec![image("tiny.png"); 10], ..Default::default() };
    let big = Image { image_id: "big".into(), content: vec![0; 100_001].into() };
    let unknown = Options { categories: vec!["tiger_bone".into()], ..Default::default() };
    for (request, field, named) in [
        (ClassifyRequest::default(), "images", "nothing to look at"),
        (listing(" \n\t", &[]), "images", "nothing to look at"),
        (many, "images", "limits.max_images"),
        (listing(&"字".repeat(30_000), &[]), "title", "limits.max_text_bytes"),
        (ClassifyRequest { images: vec![big], ..Default::default() }, "images[0].content", "100001"),
        (ClassifyRequest { listing_id: "x".repeat(200), ..listing(DRESS, &[]) }, "listing_id", "200"),
        (ClassifyRequest { options: Some(unknown), ..listing(DRESS, &[]) }, "options.categories[0]", "tiger_bone"),
    ] {
        let (code, at, message) = refusal(&mut client, request).await;
        assert_eq!((code, at.as_str()), (Code::InvalidArgument, field), "{message}");
        assert!(message.contains(named), "{message}");
    }
    let oversized = Image { image_id: String::new(), content: vec![0; 500_000].into() };
    let (code, _, message) =
        refusal(&mut client, ClassifyRequest { images: vec![oversized], ..Default::default() }).await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("limits.max_message_bytes") && message.contains("400000"), "{message}");
    let none = client.classify_batch(ClassifyBatchRequest { items: vec![] }).await.unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument);
    let batch = ClassifyBatchRequest { items: vec![listing(DRESS, &[]); 65] };
    let full = client.classify_batch(batch).await.unwrap_err();
    assert!(full.code() == Code::InvalidArgument && full.message().contains("limits.max_batch_items"), "{full:?}");
    // The server lives.
    client.classify(listing(DRESS, &[])).await.unwrap();
}

/// The request with a title of any bytes, which the generated type cannot hold.
#[derive(Clone, PartialEq, prost::Message)]
struct RawRequest {
    #[prost(bytes = "vec", tag = "3")]
    title: Vec<u8>,
}

#[tokio::test]
async fn bad_utf8_is_the_callers_fault() {
    let server = start(&[]).await;
    let mut grpc = tonic::client::Grpc::new(common::channel(&server).await);
    grpc.ready().await.unwrap();
    let codec: tonic_prost::ProstCodec<RawRequest, ClassifyResponse> = tonic_prost::ProstCodec::default();
    let path = "/wildwarden.v1.RiskService/Classify".parse().unwrap();
    let status = grpc.unary(Request::new(RawRequest { title: vec![0xFF, 0xFE] }), path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("title"), "{status:?}");
}

#[tokio::test]
async fn one_broken_image_of_several_has_its_status_and_the_listing_is_at_least_reviewed() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    // Nothing but a name: damaged to who reads the format.
    let heic = if cfg!(feature = "heif") { ImageStatus::Corrupt } else { ImageStatus::UnsupportedFormat };
    for (name, status) in [
        ("hostile/truncated.jpg", ImageStatus::Truncated),
        ("hostile/truncated.png", ImageStatus::Truncated),
        ("hostile/bomb.png", ImageStatus::TooManyPixels),
        ("hostile/huge.gif", ImageStatus::TooManyPixels),
        ("hostile/huge.bmp", ImageStatus::TooManyPixels),
        ("hostile/not_an_image.jpg", ImageStatus::UnsupportedFormat),
        ("hostile/elf.png", ImageStatus::UnsupportedFormat),
        ("hostile/drawing.svg", ImageStatus::UnsupportedFormat),
        ("hostile/photo.heic", heic),
        ("hostile/empty.png", ImageStatus::Empty),
    ] {
        let response = client.classify(listing(DRESS, &["mug.jpg", name])).await.unwrap().into_inner();
        assert_eq!(response.images[0].status(), ImageStatus::Ok, "{name}");
        assert_eq!(response.images[1].status(), status, "{name}: {}", response.images[1].message);
        assert!(!response.images[1].message.is_empty() && response.images[1].scores.is_empty());
        assert_eq!(response.suggestion(), Suggestion::Review, "{name}");
        assert!(response.degraded && response.missing.contains(&format!("image:{name}")), "{:?}", response.missing);
        assert!(response.reasons.iter().any(|reason| reason.code() == ReasonCode::ImageUnreadable));
        let named = [("hostile/photo.heic", "heic"), ("hostile/drawing.svg", "svg"), ("hostile/elf.png", "")];
        if let Some((_, format)) = named.iter().find(|(of, _)| *of == name) {
            let image = &response.images[1];
            assert_eq!(image.format, *format);
            if status == ImageStatus::UnsupportedFormat {
                assert!(image.message.contains(format) && image.message.contains("TIFF"), "{}", image.message);
            }
        }
    }
    for name in ["hostile/truncated.webp", "hostile/truncated.gif", "hostile/noise.jpg", "hostile/zero_dimensions.png"]
    {
        let response = client.classify(listing(DRESS, &["mug.jpg", name])).await.unwrap().into_inner();
        assert_ne!(response.images[1].status(), ImageStatus::Ok, "{name}");
        assert_eq!(response.suggestion(), Suggestion::Review, "{name}");
    }
}

#[tokio::test]
async fn every_image_broken_is_invalid_without_text_and_a_review_with_text() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let broken = ["hostile/truncated.jpg", "hostile/elf.png"];
    let (code, field, message) = refusal(&mut client, listing("", &broken)).await;
    assert_eq!((code, field.as_str()), (Code::InvalidArgument, "images"));
    assert!(message.contains("truncated") && message.contains("unsupported_format"), "{message}");
    let response = client.classify(listing(DRESS, &broken)).await.unwrap().into_inner();
    assert!(response.suggestion() >= Suggestion::Review && response.degraded);
}

#[tokio::test]
async fn every_cut_and_many_flips_of_an_image_leave_the_server_alive() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    for name in ["still.jpg", "still.webp", "animated.gif", "palette.png"] {
        let whole = fixture(name);
        for step in 1..9 {
            let mut damaged = whole.clone();
            for index in (step * 7..damaged.len()).step_by(97 + step * 31) {
                damaged[index] ^= 0x5A;
            }
            let cut = whole[..whole.len() * step / 9].to_vec();
            let images = [damaged, cut].map(|content| Image { image_id: String::new(), content: content.into() });
            let request = ClassifyRequest { title: DRESS.into(), images: images.into(), ..Default::default() };
            client.classify(request).await.unwrap();
        }
    }
}

fn slow(folder: &std::path::Path, queue: &str) -> Vec<wildwarden_core::config::Flag> {
    let models = models_with_head(folder, "slow_head");
    vec![
        ("models", "directory", models.display().to_string()),
        ("scheduler", "workers", "1".into()),
        ("scheduler", "queue_capacity", queue.into()),
        // The same photo is sent again and again, and is to be slow each time.
        ("cache", "images", "0".into()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_refuses_at_once_with_a_delay_to_come_back_after() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&slow(folder.path(), "2")).await;
    let client = client(&server).await;
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let mut client = client.clone();
        running.spawn(async move { client.classify(listing("", &["still.jpg"])).await });
    }
    let (mut rated, mut refused) = (0, 0);
    while let Some(outcome) = running.join_next().await {
        match outcome.unwrap() {
            Ok(_) => rated += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted);
                let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
                assert!(delay >= Duration::from_millis(10));
                let header: u128 = status.metadata().get("retry-after-ms").unwrap().to_str().unwrap().parse().unwrap();
                assert_eq!(header, delay.as_millis());
                assert!(status.message().contains("scheduler.queue_capacity"));
                refused += 1;
            }
        }
    }
    assert!(rated >= 2 && refused >= 1, "rated {rated}, refused {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passed_deadline_is_deadline_exceeded_also_in_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&slow(folder.path(), "64")).await;
    // A client without timers of its own, so that the answer is the server's.
    let hyper = HyperClient::builder(TokioExecutor::new()).http2_only(true).build_http();
    let uri: http::Uri = format!("http://{}", server.address()).parse().unwrap();
    let client = RiskServiceClient::with_origin(hyper, uri);
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let mut client = client.clone();
        running.spawn(async move {
            let mut request = Request::new(listing("", &["still.jpg"; 1]));
            request.set_timeout(Duration::from_millis(40));
            client.classify(request).await
        });
    }
    let mut exceeded = 0;
    while let Some(outcome) = running.join_next().await {
        if let Err(status) = outcome.unwrap() {
            // One that came when little was left is refused at once: it would be late.
            let is_late = status.message().contains("the caller waits");
            assert!(status.code() == Code::DeadlineExceeded || is_late, "{status:?}");
            exceeded += 1;
        }
    }
    assert!(exceeded >= 4, "{exceeded} of 6");
}

#[tokio::test]
async fn a_head_that_gives_nan_degrades_the_rating_and_the_rest_still_answers() {
    let folder = tempfile::tempdir().unwrap();
    let models = models_with_head(folder.path(), "nan_head").display().to_string();
    let server = start(&[("models", "directory", models)]).await;
    let mut client = client(&server).await;
    let response = client.classify(listing(OFFER, &["tusk.jpg"])).await.unwrap().into_inner();
    assert!(response.degraded && response.missing.contains(&"model:ivory".to_owned()), "{:?}", response.missing);
    assert!(ivory(&response).image_probability.is_none() && ivory(&response).text_probability.unwrap() > 0.9);
    assert!(response.categories[1].image_probability.is_some(), "other heads still answer");
    assert!(response.models.iter().all(|model| model.name != "ivory"));
    let image_only = client.classify(listing("", &["mug.jpg"])).await.unwrap().into_inner();
    assert!(image_only.suggestion() >= Suggestion::Review, "what was not looked at is not cleared");
}

#[tokio::test]
async fn internal_only_when_no_model_can_answer() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    common::copy_folder(std::path::Path::new("models/image_encoder/1"), &models.join("image_encoder/1"));
    write_head(&models.join("ivory/1"), "nan_head");
    let server = start(&[("models", "directory", models.display().to_string())]).await;
    let mut client = client(&server).await;
    let status = client.classify(listing("", &["mug.jpg"])).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!status.message().contains("non-finite"), "the cause stays in the log: {}", status.message());
}

#[tokio::test]
async fn a_head_of_another_embedding_size_is_refused_naming_both() {
    let folder = tempfile::tempdir().unwrap();
    let models = models_with_head(folder.path(), "narrow_head").display().to_string();
    let server = Server::bind(common::config(&[("models", "directory", models)])).await.unwrap();
    let message = server.load().await.unwrap_err().to_string();
    assert!(message.contains("64") && message.contains("1280") && message.contains("ivory"), "{message}");
}

#[tokio::test]
async fn a_changed_model_file_is_refused_naming_file_and_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let models = models_with_head(folder.path(), "nan_head");
    std::fs::write(models.join("ivory/1/model.onnx"), b"changed").unwrap();
    let flags = [("models", "directory", models.display().to_string())];
    let message = Server::bind(common::config(&flags)).await.unwrap().load().await.unwrap_err().to_string();
    assert!(message.contains("ivory/1/model.onnx") && message.contains("sha256"), "{message}");
}

#[tokio::test]
async fn credentials_are_asked_for_when_configured_and_roles_are_kept_apart() {
    let keys = format!(
        r#"[{{ name = "shop", sha256 = "{}", roles = ["classify"] }}, {{ name = "ops", sha256 = "{}", roles = ["info"] }}]"#,
        hex_sha256(b"shop-key"),
        hex_sha256(b"ops-key")
    );
    let server = start(&[("auth", "keys", keys)]).await;
    let mut client = client(&server).await;
    let with = |key: Option<&str>, message| {
        let mut request = Request::new(message);
        if let Some(key) = key {
            request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        }
        request
    };
    let nobody = client.classify(with(None, listing(DRESS, &[]))).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    let stranger = client.classify(with(Some("guess"), listing(DRESS, &[]))).await.unwrap_err();
    assert_eq!(stranger.code(), Code::Unauthenticated);
    let wrong_role = client.classify(with(Some("ops-key"), listing(DRESS, &[]))).await.unwrap_err();
    assert_eq!(wrong_role.code(), Code::PermissionDenied);
    client.classify(with(Some("shop-key"), listing(DRESS, &[]))).await.unwrap();
    let mut request = Request::new(GetServerInfoRequest {});
    request.metadata_mut().insert("authorization", "Bearer ops-key".parse().unwrap());
    client.get_server_info(request).await.unwrap();
    let info = client.get_server_info(GetServerInfoRequest {}).await.unwrap_err();
    assert_eq!(info.code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overloaded_batch_item_carries_its_own_error() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&slow(folder.path(), "1")).await;
    let items = vec![listing("", &["still.jpg"]); 8];
    let results =
        client(&server).await.classify_batch(ClassifyBatchRequest { items }).await.unwrap().into_inner().results;
    assert_eq!(results.len(), 8);
    let mut refused = 0;
    for result in &results {
        if let Outcome::Error(error) = result.outcome.as_ref().unwrap() {
            assert!(error.code == i32::from(Code::ResourceExhausted) && error.retry_after_ms > 0, "{error:?}");
            refused += 1;
        }
    }
    assert!((1..8).contains(&refused), "{refused} of 8 were refused: some must be, and not all");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_of_a_caller_that_left_is_dropped_from_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&slow(folder.path(), "64")).await;
    let client = client(&server).await;
    let mut leaving = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut client = client.clone();
        leaving.spawn(async move { client.classify(listing("", &["still.jpg"])).await });
    }
    // All were sent on one connection, so when the first is answered the others wait in the queue.
    leaving.join_next().await.unwrap().unwrap().unwrap();
    leaving.shutdown().await;
    let response = client.clone().classify(listing("", &["still.jpg"])).await.unwrap().into_inner();
    let timings = response.timings.unwrap();
    // It waits for the job that was already running, not for the six behind it.
    assert!(timings.queue_wait_us < 3 * timings.image_inference_us, "{timings:?}");
}

#[tokio::test]
async fn an_image_classifier_scores_with_an_encoder_beside_it_and_without_one() {
    let mut answers = Vec::new();
    for encoder in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        common::write_classifier(&models.join("brightness/1"));
        if encoder {
            common::copy_folder(std::path::Path::new("models/image_encoder/1"), &models.join("image_encoder/1"));
        }
        let server = start(&[("models", "directory", models.display().to_string())]).await;
        let response = client(&server).await.classify(listing("", &["still.png"])).await.unwrap().into_inner();
        assert_eq!(response.images[0].status(), ImageStatus::Ok, "encoder: {encoder}: {}", response.images[0].message);
        answers.push(ivory(&response).image_probability.unwrap());
    }
    assert!((answers[0] - answers[1]).abs() < 1e-9 && (answers[0] - 0.5).abs() > 1e-6, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_runs_when_the_server_drains_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    // How long a drain may take is not what is tested here, and a busy machine takes its time.
    let mut settings = slow(folder.path(), "64");
    settings.push(("server", "drain_seconds", "300".into()));
    let server = start(&settings).await;
    let client = client(&server).await;
    let mut batch = client.clone();
    let items = vec![listing("", &["still.jpg"]); 40];
    let running = tokio::spawn(async move { batch.classify_batch(ClassifyBatchRequest { items }).await });
    // Answered from the middle of the queue: the batch has begun, and its last items have not been submitted yet.
    client.clone().classify(listing("", &["still.jpg"])).await.unwrap();
    assert!(server.drain().await.unwrap());
    let results = running.await.unwrap().unwrap().into_inner().results;
    let rated = results.iter().filter(|result| matches!(result.outcome, Some(Outcome::Response(_)))).count();
    assert_eq!(rated, 40, "{:?}", results.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_return_holds_up_its_own_listing_alone_and_health_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    write_classifier_of(&models.join("brightness/1"), "hanging_classifier");
    let server = start(&[
        ("models", "directory", models.display().to_string()),
        ("scheduler", "workers", "2".into()),
        ("scheduler", "hang_seconds", "1".into()),
    ])
    .await;
    let client = client(&server).await;
    let health = || async {
        let mut health = HealthClient::new(common::channel(&server).await);
        health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status()
    };
    let white = Image { image_id: "white".into(), content: white_picture().into() };
    let white = ClassifyRequest { images: vec![white], ..Default::default() };
    let mut hangs = client.clone();
    let hangs = tokio::spawn(async move { hangs.classify(white).await });
    let status = hangs.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Internal, "{status}");
    let until = async |wanted: ServingStatus| {
        while health().await != wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // A session of the two hangs; the other serves both workers.
    let mut others = client.clone();
    let mut rated = Vec::new();
    for _ in 0..4 {
        rated.push(others.classify(listing("", &["still.png"])).await.unwrap().into_inner());
    }
    assert!(rated.iter().all(|rating| rating.images[0].status() == ImageStatus::Ok && !rating.degraded));
    until(ServingStatus::NotServing).await;
    let page = common::metrics(&server).await;
    assert!(page.contains("wildwarden_workers_replaced_total 1"), "{page}");
    // It returns at last.
    until(ServingStatus::Serving).await;
    let page = common::metrics(&server).await;
    assert!(page.contains("wildwarden_workers_stuck 0"), "{page}");
    others.classify(listing("", &["still.png"])).await.unwrap();
}

fn white_picture() -> Vec<u8> {
    let mut content = std::io::Cursor::new(Vec::new());
    let white = image::RgbImage::from_pixel(32, 32, image::Rgb([255; 3]));
    white.write_to(&mut content, image::ImageFormat::Png).unwrap();
    content.into_inner()
}

/// A server with only these of the shipped models.
async fn server_with(folder: &std::path::Path, names: &[&str]) -> Server {
    let models = folder.join("models");
    for name in names {
        let shipped = std::path::Path::new("models").join(name).join("1");
        common::copy_folder(&shipped, &models.join(name).join("1"));
    }
    start(&[("models", "directory", models.display().to_string())]).await
}

#[tokio::test]
async fn without_a_text_model_texts_are_no_fault_and_the_lexicon_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let server = server_with(folder.path(), &["image_encoder", "ivory"]).await;
    let mut client = client(&server).await;
    let dress = client.classify(listing(DRESS, &["mug.jpg"])).await.unwrap().into_inner();
    assert_eq!(dress.suggestion(), Suggestion::Pass, "{:?}", dress.reasons);
    assert!(
        !dress.degraded
            && dress.missing == ["text", "category:pangolin_scale", "category:rhino_horn", "model:text_classifier"],
        "{:?}",
        dress.missing
    );
    let offer = client.classify(listing(OFFER, &["mug.jpg"])).await.unwrap().into_inner();
    assert!(offer.reasons.iter().any(|reason| reason.code() == ReasonCode::ClaimTerm), "{:?}", offer.reasons);
    let only_text = client.classify(listing(DRESS, &[])).await.unwrap().into_inner();
    assert!(!only_text.degraded, "{:?}", only_text.missing);
}

#[tokio::test]
async fn without_image_models_a_photo_that_nobody_looked_at_is_a_review_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = server_with(folder.path(), &["text_classifier"]).await;
    let mut client = client(&server).await;
    for title in [DRESS, ""] {
        let photo = client.classify(listing(title, &["mug.jpg"])).await.unwrap().into_inner();
        assert_eq!(photo.suggestion(), Suggestion::Review, "{title}: {:?}", photo.reasons);
        assert!(photo.missing.contains(&"model:image_classifier".to_owned()), "{:?}", photo.missing);
        assert!(photo.reasons.iter().any(|reason| reason.code() == ReasonCode::ImageUnreadable));
    }
    let text = client.classify(listing(DRESS, &[])).await.unwrap().into_inner();
    assert!(text.suggestion() == Suggestion::Pass && !text.degraded, "{:?}", text.missing);
}

#[tokio::test]
async fn a_text_model_that_rates_nothing_is_refused_at_the_start_in_the_words_of_a_check() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    let text = models.join("text_classifier/1");
    common::copy_folder(std::path::Path::new("models/text_classifier/1"), &text);
    let manifest = std::fs::read_to_string(text.join("model.toml")).unwrap();
    let without: String = ["ivory", "pangolin_scale", "rhino_horn"]
        .iter()
        .fold(manifest, |text, name| text.replace(&format!(", category = \"{name}\""), ""));
    std::fs::write(text.join("model.toml"), without).unwrap();
    let config = common::config(&[("models", "directory", models.display().to_string())]);
    let words = "labels: none has a category";
    let checked = wildwarden_server::lifecycle::check::check(&config, &text, &[]).unwrap();
    assert!(checked.refused.unwrap().problem.contains(words));
    let refused = Server::bind(config).await.unwrap().load().await.unwrap_err().to_string();
    assert!(refused.contains(words), "{refused}");
}

/// Files drawn to mislead decoders; they lie beside the checkout of some developers and are not part of it.
#[test]
fn pictures_drawn_to_mislead_have_the_status_they_should() {
    let folder = std::path::Path::new("../shared/faults");
    if !folder.is_dir() {
        return;
    }
    let limits = wildwarden_core::preprocess::image::DecodeLimits { max_pixels: 50_000_000 };
    let status = |name: &str| {
        let content = std::fs::read(folder.join(name)).unwrap();
        let wanted = wildwarden_core::preprocess::image::WantedSize::at_least(336, 336);
        wildwarden_core::preprocess::image::decode(&content, limits, wanted)
            .map(|decoded| (decoded.width, decoded.height, decoded.frames.len()))
            .map_err(|fault| fault.status.name())
    };
    for (name, expected) in [
        ("gif_screen_0x0.gif", Ok((240, 180, 1))),
        ("gif_screen_1x1.gif", Ok((240, 180, 1))),
        ("gif_screen_1x1_frame_8000x8000.gif", Err("too_many_pixels")),
        ("gif_screen_2x2_frames_2000x2000_x12.gif", Ok((2000, 2000, 3))),
        ("gif_cut.gif", Err("truncated")),
        ("webp_cut.webp", Err("truncated")),
        ("webp_exif_prefix_6.webp", Ok((180, 240, 1))),
        ("webp_exif_plain_6_is_right.webp", Ok((180, 240, 1))),
        ("jpeg_arithmetic.jpg", Err("unsupported_format")),
        ("jpeg_junk_in_header_cut.jpg", Err("truncated")),
        ("jpeg_junk_in_header_is_right.jpg", Ok((240, 180, 1))),
        ("jpeg_ff00_in_header.jpg", Ok((240, 180, 1))),
        ("jpeg_exif_long_6.jpg", Ok((180, 240, 1))),
        ("png_exif_after_idat_6.png", Ok((180, 240, 1))),
        ("exif_6_then_1.jpg", Ok((64, 96, 1))),
        ("motion_min.jpg", Ok((256, 192, 1))),
        ("apng_2nd_frame.png", Ok((96, 72, 2))),
        ("png_50000000x1.png", Err("too_many_pixels")),
        ("bmp_os2_v2_header_64.bmp", Ok((80, 60, 1))),
        ("bmp_rle8_top_down.bmp", Ok((40, 16, 1))),
        (
            "samsung_noeoi_trailer.jpg",
            if cfg!(feature = "libjpeg-turbo") { Ok((256, 192, 1)) } else { Err("truncated") },
        ),
        (
            "jpeg_app14_length_short.jpg",
            if cfg!(feature = "libjpeg-turbo") { Ok((240, 180, 1)) } else { Err("corrupt") },
        ),
    ] {
        assert_eq!(status(name), expected, "{name}");
    }
}

/// Photos of live animals; they lie beside the checkout of some developers and are not part of it.
#[tokio::test]
async fn a_photo_of_a_live_animal_is_told_as_that_and_is_no_offer() {
    let folder = std::path::Path::new("../shared/data/images");
    let Ok(table) = std::fs::read_to_string(folder.join("manifest.csv")) else { return };
    let files: Vec<&str> = table
        .lines()
        .filter(|line| line.contains(",elephant,animal,") || line.contains(",pangolin,animal,"))
        .filter_map(|line| line.split(',').next())
        .collect();
    assert!(files.len() > 50, "{} photos of live animals", files.len());
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let (mut told, mut suspected) = (0, 0);
    for file in &files {
        let content = std::fs::read(folder.join(file)).unwrap();
        let image = Image { image_id: "0".into(), content: content.into() };
        let request = ClassifyRequest { images: vec![image], ..Default::default() };
        let answer = client.classify(request).await.unwrap().into_inner();
        let label = answer.images[0].labels.iter().find(|label| label.name == "live_animal").unwrap();
        let says = answer.reasons.iter().any(|reason| reason.code() == ReasonCode::LiveAnimal);
        if label.probability >= 0.9 {
            told += 1;
            assert_ne!(answer.suggestion(), Suggestion::Block, "{file}: {:?}", answer.reasons);
            suspected += usize::from(says);
            assert_eq!(says, answer.suggestion() == Suggestion::Review, "{file}: {:?}", answer.reasons);
        }
    }
    assert!(told * 10 > files.len() * 7 && suspected > 0, "{told} of {} told, {suspected} suspected", files.len());
}
