//! What the edge answers before or instead of a handler: compression, other messages, calls that are not served, long refusals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use common::oip::{head, with_parameter};
use common::{channel, client, config, fixture, listing, metrics, start};
use http::{Request, StatusCode};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use wildwarden_proto::inference::ModelInferRequest;
use wildwarden_proto::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use wildwarden_proto::inference::infer_parameter::ParameterChoice;
use wildwarden_proto::v1::{ClassifyRequest, ClassifyResponse, Image};
use wildwarden_server::server::Server;

/// Posts `body` as `content_type` to `path` and returns the answer's headers.
async fn post(server: &Server, path: &str, content_type: &str) -> http::Response<()> {
    let hyper = HyperClient::builder(TokioExecutor::new()).http2_only(true).build_http();
    let uri = format!("http://{}{path}", server.address());
    let request = Request::post(uri).header("content-type", content_type).body(tonic::body::Body::empty()).unwrap();
    hyper.request(request).await.unwrap().map(|_body| ())
}

#[tokio::test]
async fn compressed_requests_are_taken_and_the_limit_of_a_message_counts_what_comes_out() {
    let server = start(&[("limits", "max_message_bytes", "1048576".into())]).await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Deflate] {
        let mut client = client(&server).await.send_compressed(encoding);
        client.classify(listing("手串", &[])).await.unwrap();
        let bomb = ClassifyRequest { title: "x".repeat(64 << 20), ..Default::default() };
        let refused = client.classify(bomb).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert!(refused.message().contains("limits.max_message_bytes"), "{refused:?}");
        let mut models = GrpcInferenceServiceClient::new(channel(&server).await).send_compressed(encoding);
        models.model_infer(head(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_message_that_is_not_protobuf_over_grpc_is_told_what_is() {
    let server = Server::bind(config(&[])).await.unwrap();
    for other in ["application/json", "application/grpc+json", "text/plain"] {
        let answer = post(&server, "/wildwarden.v1.RiskService/Classify", other).await;
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{other}");
        assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    }
    let answer = post(&server, "/wildwarden.v1.RiskService/Classify", "application/grpc+proto").await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn calls_of_triton_that_are_not_served_say_what_is_not_served() {
    let server = Server::bind(config(&[])).await.unwrap();
    for (call, word) in [
        ("ModelStreamInfer", "streamed"),
        ("TraceSetting", "traces"),
        ("LogSettings", "log.level"),
        ("SystemSharedMemoryRegister", "shared memory"),
        ("CudaSharedMemoryStatus", "shared memory"),
    ] {
        let path = format!("/inference.GRPCInferenceService/{call}");
        let answer = post(&server, &path, "application/grpc").await;
        let status = tonic::Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains(call) && status.message().contains(word), "{status:?}");
    }
}

#[tokio::test]
async fn every_call_is_counted_also_what_no_handler_saw() {
    let server = start(&[("limits", "max_message_bytes", "1048576".into())]).await;
    let mut client = client(&server).await;
    client.classify(listing("手串", &[])).await.unwrap();
    client.classify(listing("", &[])).await.unwrap_err();
    client.classify(listing(&"x".repeat(2 << 20), &[])).await.unwrap_err();
    client.get_server_info(wildwarden_proto::v1::GetServerInfoRequest {}).await.unwrap();
    post(&server, "/a.caller/MadeThisUp", "application/grpc").await;
    let page = metrics(&server).await;
    for line in [
        "wildwarden_requests_total{rpc=\"Classify\",code=\"OK\",caller=\"none\"} 1",
        "wildwarden_requests_total{rpc=\"Classify\",code=\"INVALID_ARGUMENT\",caller=\"none\"} 2",
        "wildwarden_requests_total{rpc=\"GetServerInfo\",code=\"OK\",caller=\"none\"} 1",
        "wildwarden_requests_total{rpc=\"unknown\",code=\"UNIMPLEMENTED\",caller=\"none\"} 1",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    assert!(!page.contains("MadeThisUp"), "a caller's words would let the page grow without bound");
}

#[tokio::test]
async fn a_refusal_is_short_and_the_same_each_time_and_an_answer_says_when_it_was_made() {
    let server = start(&[]).await;
    let mut models = GrpcInferenceServiceClient::new(channel(&server).await);
    let long = ModelInferRequest { model_name: "x".repeat(60_000), ..head(1) };
    let refused = models.model_infer(long).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "the message arrives: {refused:?}");
    assert!(refused.message().len() <= 1024);

    let mut request = head(1);
    for name in ["sequence_start", "sequence_id", "sequence_end"] {
        request = with_parameter(request, name, ParameterChoice::Int64Param(4));
    }
    for _ in 0..8 {
        let refused = models.model_infer(request.clone()).await.unwrap_err();
        assert!(refused.message().starts_with("parameters.sequence_end:"), "{refused:?}");
    }

    let before = std::time::SystemTime::now();
    let rated = client(&server).await.classify(listing("手串", &[])).await.unwrap().into_inner().rated_at.unwrap();
    let rated = std::time::SystemTime::try_from(rated).unwrap();
    assert!(before <= rated && rated <= std::time::SystemTime::now());
}

/// A GIF whose screen is `width` x `height`, of one frame of the same.
fn gif(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, &[90, 60, 30, 0, 0, 255]).unwrap();
    let pixels = vec![0; usize::from(width) * usize::from(height)];
    encoder.write_frame(&gif::Frame::from_indexed_pixels(width, height, pixels, None)).unwrap();
    drop(encoder);
    bytes
}

/// The same with another screen in its header.
fn with_screen(mut bytes: Vec<u8>, width: u16, height: u16) -> Vec<u8> {
    let screen = [width.to_le_bytes(), height.to_le_bytes()];
    bytes.splice(6..10, screen.into_iter().flatten());
    bytes
}

#[tokio::test]
async fn two_callers_never_get_scores_of_each_others_pictures() {
    let no_cache = ("cache", "images", "0".into());
    let server = start(std::slice::from_ref(&no_cache)).await;
    let strange = [
        with_screen(gif(12, 10), 0, 0),
        with_screen(gif(12, 10), 0, 9),
        with_screen(gif(12, 10), 9, 0),
        with_screen(gif(12, 10), 1, 1),
        gif(1, 1),
        gif(0, 0),
    ];
    let ask = |content: Vec<u8>| {
        let image = Image { image_id: "0".into(), content: content.into() };
        ClassifyRequest { title: "手串".into(), images: vec![image], ..Default::default() }
    };
    let scores = |answer: &ClassifyResponse| {
        let scores = answer.images[0].scores.iter().map(|score| score.probability).collect::<Vec<_>>();
        (answer.images[0].status, scores)
    };
    // Each alone, on a server that has seen nothing else.
    let mut alone = Vec::new();
    for content in &strange {
        let fresh = start(std::slice::from_ref(&no_cache)).await;
        alone.push(scores(client(&fresh).await.classify(ask(content.clone())).await.unwrap().get_ref()));
    }
    let photos = ["tusk.jpg", "horn.jpg", "scales.jpg"].map(fixture);
    let mut other = client(&server).await;
    let others = tokio::spawn(async move {
        for content in photos.iter().cycle().take(60) {
            other.classify(ask(content.clone())).await.unwrap();
        }
    });
    let mut caller = client(&server).await;
    for _ in 0..10 {
        for (content, alone) in strange.iter().zip(&alone) {
            let answer = caller.classify(ask(content.clone())).await.unwrap().into_inner();
            assert_eq!(scores(&answer), *alone);
        }
    }
    others.await.unwrap();
}
