//! The Open Inference Protocol over a real server: every refusal, both forms of elements, keys, deadlines, statistics.
//! `oip_client.py` does the same with the client of another project.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::oip::{bytes, embeddings, floats, head, input, request, text, with_parameter};
use common::{channel, models_with_head, start};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_proto::DESCRIPTORS;
use wildwarden_proto::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use wildwarden_proto::inference::infer_parameter::ParameterChoice;
use wildwarden_proto::inference::model_infer_request::{InferInputTensor, InferRequestedOutputTensor};
use wildwarden_proto::inference::model_metadata_response::TensorMetadata;
use wildwarden_proto::inference::{
    InferParameter, InferTensorContents, ModelConfigRequest, ModelInferRequest, ModelInferResponse,
    ModelMetadataRequest, ModelReadyRequest, ModelStatistics, ModelStatisticsRequest, RepositoryIndexRequest,
    RepositoryModelLoadRequest, RepositoryModelUnloadRequest, ServerLiveRequest, ServerMetadataRequest,
    ServerReadyRequest,
};
use wildwarden_server::server::Server;

type Client = GrpcInferenceServiceClient<Channel>;

async fn client(server: &Server) -> Client {
    GrpcInferenceServiceClient::new(channel(server).await).max_encoding_message_size(usize::MAX)
}

async fn infer(client: &mut Client, request: ModelInferRequest) -> ModelInferResponse {
    client.model_infer(request).await.unwrap().into_inner()
}

async fn refusal(client: &mut Client, request: ModelInferRequest) -> Status {
    client.model_infer(request).await.unwrap_err()
}

async fn statistics(client: &mut Client, name: &str) -> ModelStatistics {
    let asked = ModelStatisticsRequest { name: name.into(), ..Default::default() };
    client.model_statistics(asked).await.unwrap().into_inner().model_stats.remove(0)
}

#[tokio::test]
async fn typed_and_raw_elements_get_the_same_answer_and_rows_do_not_mix() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let raw = infer(&mut client, ModelInferRequest { id: "a-7".into(), ..head(3) }).await;
    assert_eq!((raw.id.as_str(), raw.model_name.as_str(), raw.model_version.as_str()), ("a-7", "ivory", "1"));
    assert_eq!((raw.outputs[0].name.as_str(), raw.outputs[0].datatype.as_str()), ("logits", "FP32"));
    assert_eq!(raw.outputs[0].shape, [3, 1]);

    let mut typed = head(3);
    typed.raw_input_contents.clear();
    let contents = InferTensorContents { fp32_contents: embeddings(3), ..Default::default() };
    typed.inputs[0].contents = Some(contents);
    let typed = infer(&mut client, typed).await;
    assert_eq!(typed.raw_output_contents, raw.raw_output_contents);

    for row in 0..3 {
        let own = bytes(&embeddings(3)[row * 1280..(row + 1) * 1280]);
        let alone = infer(&mut client, request("ivory", vec![input("embedding", "FP32", &[1, 1280])], vec![own])).await;
        let (alone, of_three) = (floats(&alone.raw_output_contents[0])[0], floats(&raw.raw_output_contents[0])[row]);
        assert!((alone - of_three).abs() < 1e-5, "row {row}: {alone} against {of_three}");
    }
}

#[tokio::test]
async fn integers_are_taken_in_both_forms_and_inputs_in_any_order() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let ids = [5, 262_143, 0, 77, 1000, 31];
    let raw = infer(&mut client, text(&ids)).await;
    assert_eq!(raw.outputs.iter().map(|output| output.shape.clone()).collect::<Vec<_>>(), [vec![2, 6], vec![2, 3, 6]]);
    let mut typed = text(&ids);
    let values = floats(&typed.raw_input_contents[0]);
    typed.raw_input_contents.clear();
    typed.inputs[0].contents = Some(InferTensorContents { fp32_contents: values, ..Default::default() });
    typed.inputs[1].contents = Some(InferTensorContents { int64_contents: ids.into(), ..Default::default() });
    typed.inputs.swap(0, 1);
    assert_eq!(infer(&mut client, typed).await.raw_output_contents, raw.raw_output_contents);

    let wanted =
        ["contributions", "logits"].map(|name| InferRequestedOutputTensor { name: name.into(), ..Default::default() });
    let both = infer(&mut client, ModelInferRequest { outputs: wanted.to_vec(), ..text(&ids) }).await;
    assert_eq!(both.raw_output_contents, [raw.raw_output_contents[1].clone(), raw.raw_output_contents[0].clone()]);
    let one = infer(&mut client, ModelInferRequest { outputs: wanted[1..].to_vec(), ..text(&ids) }).await;
    assert_eq!((one.outputs.len(), &one.raw_output_contents[0]), (1, &raw.raw_output_contents[0]));
}

#[allow(clippy::too_many_lines, reason = "a table of refusals")]
#[tokio::test]
async fn invalid_requests_are_refused_naming_input_value_and_what_is_allowed() {
    let server =
        start(&[("limits", "max_infer_rows", "4".into()), ("limits", "max_message_bytes", "100000".into())]).await;
    let mut client = client(&server).await;
    let typed = |contents| {
        let tensor = InferInputTensor { contents: Some(contents), ..input("embedding", "FP32", &[1, 1280]) };
        request("ivory", vec![tensor], vec![])
    };
    let shaped =
        |shape: &[i64], raw: usize| request("ivory", vec![input("embedding", "FP32", shape)], vec![vec![0; raw]]);
    let ids = |shape: &[i64], count: usize| {
        let inputs = vec![input("ids", "INT64", shape), input("values", "FP32", &[2, 3])];
        request("text_classifier", inputs, vec![vec![0; count * 8], vec![0; 24]])
    };
    let mut both = head(1);
    both.inputs[0].contents = Some(InferTensorContents { fp32_contents: vec![1.0], ..Default::default() });
    let mut twice = head(1);
    twice.inputs.push(twice.inputs[0].clone());
    twice.raw_input_contents.push(twice.raw_input_contents[0].clone());
    let mut no_output = head(1);
    no_output.outputs = vec![InferRequestedOutputTensor { name: "probs".into(), ..Default::default() }];
    let mut output_twice = head(1);
    output_twice.outputs = vec![InferRequestedOutputTensor { name: "logits".into(), ..Default::default() }; 2];
    let mut classes = head(1);
    let mut output = InferRequestedOutputTensor { name: "logits".into(), ..Default::default() };
    output.parameters.insert("classification".into(), InferParameter::default());
    classes.outputs = vec![output];
    let mut shared = head(1);
    shared.inputs[0].parameters.insert("shared_memory_region".into(), InferParameter::default());
    let wide = InferTensorContents { fp64_contents: vec![0.0; 1280], ..Default::default() };
    let short = InferTensorContents { fp32_contents: vec![0.0; 1279], ..Default::default() };
    for (request, field, named) in [
        (
            request("ivory", vec![input("image", "FP32", &[1, 1280])], vec![vec![0; 5120]]),
            "inputs[0].name",
            vec!["\"image\"", "embedding FP32 [-1, 1280]"],
        ),
        (
            request("ivory", vec![input("embedding", "FP64", &[1, 1280])], vec![vec![0; 5120]]),
            "inputs[0].datatype",
            vec!["\"FP64\"", "embedding", "\"FP32\""],
        ),
        (
            request("ivory", vec![input("embedding", "fp32", &[1, 1280])], vec![vec![0; 5120]]),
            "inputs[0].datatype",
            vec!["\"fp32\""],
        ),
        (shaped(&[1, 1281], 5124), "inputs[0].shape", vec!["[1, 1281]", "embedding", "[-1, 1280]"]),
        (shaped(&[1280], 5120), "inputs[0].shape", vec!["[1280]", "[-1, 1280]"]),
        (shaped(&[0, 1280], 0), "inputs[0].shape", vec!["[0, 1280]"]),
        (shaped(&[-1, 1280], 5120), "inputs[0].shape", vec!["[-1, 1280] for"]),
        (shaped(&[5, 1280], 25_600), "inputs[0].shape", vec!["5 rows", "limits.max_infer_rows"]),
        (shaped(&[i64::MAX, 1280], 0), "inputs[0].shape", vec!["limits.max_infer_rows"]),
        (shaped(&[2, 1280], 5120), "raw_input_contents[0]", vec!["5120 bytes", "10240", "[2, 1280]"]),
        (shaped(&[1, 1280], 5121), "raw_input_contents[0]", vec!["5121 bytes", "5120"]),
        (ids(&[2, i64::MAX], 6), "raw_input_contents[0]", vec!["more than there can be"]),
        (ids(&[2, i64::MAX / 2], 6), "raw_input_contents[0]", vec!["more than there can be"]),
        (ids(&[1, 6], 6), "inputs[1].shape", vec!["2 rows", "1"]),
        (ids(&[2, 4], 8), "inputs[1].shape", vec!["[2, 3]", "[2, 4]", "one shape"]),
        (text(&[0, 1, 2, 3, 4, 262_144]), "inputs[1].contents", vec!["ids", "262144", "0 to 262143"]),
        (text(&[0, 1, 2, -3, 4, 5]), "inputs[1].contents", vec!["ids", "-3"]),
        (typed(short), "inputs[0].contents", vec!["1279 elements in fp32_contents", "1280"]),
        (typed(wide), "inputs[0].contents", vec!["1280 elements outside fp32_contents"]),
        (
            request("ivory", vec![input("embedding", "FP32", &[1, 1280])], vec![]),
            "inputs[0].contents",
            vec!["0 elements"],
        ),
        (both, "inputs[0].contents", vec!["raw_input_contents", "one of them"]),
        (twice, "inputs[1].name", vec!["twice"]),
        (request("ivory", vec![], vec![]), "inputs", vec!["\"embedding\" is missing"]),
        (request("ivory", vec![], vec![vec![0; 5120]]), "raw_input_contents", vec!["1 entries for 0 inputs"]),
        (no_output, "outputs[0].name", vec!["\"probs\"", "logits FP32 [-1, 1]"]),
        (output_twice, "outputs[1].name", vec!["twice"]),
        (classes, "outputs[0].parameters.classification", vec!["not served"]),
        (shared, "inputs[0].parameters.shared_memory_region", vec!["not served"]),
        (
            with_parameter(head(1), "sequence_id", ParameterChoice::Int64Param(4)),
            "parameters.sequence_id",
            vec!["state"],
        ),
        (with_parameter(head(1), "timeout", ParameterChoice::Int64Param(-4)), "parameters.timeout", vec!["-4"]),
        (ModelInferRequest { id: "x".repeat(200), ..head(1) }, "id", vec!["200", "limits.max_id_bytes"]),
    ] {
        let status = refusal(&mut client, request).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status:?}");
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field, "{}", status.message());
        assert!(
            named.iter().all(|part| status.message().contains(part)),
            "{:?} lacks one of {named:?}",
            status.message()
        );
    }
    let oversized = refusal(&mut client, shaped(&[1, 1280], 200_000)).await;
    assert_eq!(oversized.code(), Code::InvalidArgument);
    assert!(oversized.message().contains("limits.max_message_bytes"), "{oversized:?}");
    infer(&mut client, with_parameter(head(4), "trace", ParameterChoice::StringParam("x".into()))).await;
}

#[tokio::test]
async fn unknown_models_and_versions_are_not_found_and_not_ready() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    for (name, version, named) in [("ivroy", "", "\"rhino_horn\""), ("ivory", "2", "\"1\""), ("", "", "in service")] {
        let (name, version) = (name.to_owned(), version.to_owned());
        let asked = ModelInferRequest { model_name: name.clone(), model_version: version.clone(), ..head(1) };
        let metadata = ModelMetadataRequest { name: name.clone(), version: version.clone() };
        let config = ModelConfigRequest { name: name.clone(), version: version.clone() };
        for status in [
            refusal(&mut client, asked).await,
            client.model_metadata(metadata).await.unwrap_err(),
            client.model_config(config).await.unwrap_err(),
        ] {
            assert_eq!(status.code(), Code::NotFound);
            assert!(status.message().contains(named), "{status:?}");
        }
        let ready = client.model_ready(ModelReadyRequest { name, version }).await.unwrap().into_inner();
        assert!(!ready.ready);
    }
    let statistics = ModelStatisticsRequest { name: "ivory".into(), version: "2".into() };
    assert_eq!(client.model_statistics(statistics).await.unwrap_err().code(), Code::NotFound);
    let pinned = infer(&mut client, ModelInferRequest { model_version: "1".into(), ..head(1) }).await;
    assert_eq!(pinned.model_version, "1");
    let asked = ModelReadyRequest { name: "ivory".into(), version: "1".into() };
    assert!(client.model_ready(asked).await.unwrap().into_inner().ready);
}

#[tokio::test]
async fn metadata_and_configuration_say_what_the_graph_takes() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let about = client.server_metadata(ServerMetadataRequest {}).await.unwrap().into_inner();
    assert_eq!((about.name.as_str(), about.version.as_str()), ("wildwarden", env!("CARGO_PKG_VERSION")));
    for (name, inputs, outputs) in [
        (
            "image_encoder",
            "input FP32 [-1, 3, 160, 160]",
            "embedding FP32 [-1, 1280], feature_map FP32 [-1, 1280, 5, 5]",
        ),
        ("rhino_horn", "embedding FP32 [-1, 1280]", "logits FP32 [-1, 1]"),
        (
            "text_classifier",
            "ids INT64 [-1, -1], values FP32 [-1, -1]",
            "logits FP32 [-1, 6], contributions FP32 [-1, -1, 6]",
        ),
    ] {
        let asked = ModelMetadataRequest { name: name.into(), ..Default::default() };
        let told = client.model_metadata(asked).await.unwrap().into_inner();
        let list = |tensors: &[TensorMetadata]| {
            let one = |t: &TensorMetadata| format!("{} {} {:?}", t.name, t.datatype, t.shape);
            tensors.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        assert_eq!((list(&told.inputs).as_str(), list(&told.outputs).as_str()), (inputs, outputs));
        assert_eq!((told.versions, told.platform.as_str()), (vec!["1".to_owned()], "onnxruntime_onnx"));
    }
    let asked = ModelConfigRequest { name: "image_encoder".into(), ..Default::default() };
    let config = client.model_config(asked).await.unwrap().into_inner().config.unwrap();
    assert_eq!((config.max_batch_size, config.input[0].dims.as_slice()), (32, &[3, 160, 160][..]));
}

#[tokio::test]
async fn statistics_count_runs_for_requests_and_for_listings() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let fresh = statistics(&mut client, "ivory").await;
    assert_eq!(
        (fresh.inference_count, fresh.execution_count, fresh.last_inference),
        (0, 0, 0),
        "golden samples do not count"
    );
    infer(&mut client, head(3)).await;
    infer(&mut client, head(1)).await;
    refusal(&mut client, request("ivory", vec![], vec![])).await;
    let ran = statistics(&mut client, "ivory").await;
    assert_eq!((ran.inference_count, ran.execution_count), (4, 2));
    let sums = ran.inference_stats.unwrap();
    let (success, queue, compute) = (sums.success.unwrap(), sums.queue.unwrap(), sums.compute_infer.unwrap());
    assert_eq!((success.count, queue.count, compute.count, sums.fail.unwrap().count), (2, 2, 2, 0));
    assert!(compute.ns > 0 && success.ns >= compute.ns + queue.ns && ran.last_inference > 1_700_000_000_000);
    common::client(&server).await.classify(common::listing("", &["tusk.jpg"])).await.unwrap();
    let after = statistics(&mut client, "ivory").await;
    assert_eq!((after.inference_count, after.execution_count), (5, 3));
    assert_eq!(after.inference_stats.unwrap().queue.unwrap().count, 2, "listings wait for all models at once");
    let all = client.model_statistics(ModelStatisticsRequest::default()).await.unwrap();
    assert_eq!(all.get_ref().model_stats.len(), 6);
}

#[tokio::test]
async fn a_model_that_fails_is_internal_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let models = models_with_head(folder.path(), "failing_head").display().to_string();
    let server = start(&[("models", "directory", models)]).await;
    let mut client = client(&server).await;
    infer(&mut client, head(1)).await;
    let mut bad = embeddings(1);
    bad[0] = 1000.0;
    let shape = [1, 1280];
    let status =
        refusal(&mut client, request("ivory", vec![input("embedding", "FP32", &shape)], vec![bytes(&bad)])).await;
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("model ivory") && !status.message().contains("Gather"), "{status:?}");
    let sums = statistics(&mut client, "ivory").await.inference_stats.unwrap();
    assert_eq!((sums.success.unwrap().count, sums.fail.unwrap().count), (1, 1));
}

#[tokio::test]
async fn what_is_not_finite_is_passed_on_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let models = models_with_head(folder.path(), "nan_head").display().to_string();
    let server = start(&[("models", "directory", models)]).await;
    let mut client = client(&server).await;
    let between = vec![0.2; 2 * 1280];
    let both = request("ivory", vec![input("embedding", "FP32", &[2, 1280])], vec![bytes(&between)]);
    let answer = infer(&mut client, both).await;
    assert!(floats(&answer.raw_output_contents[0]).iter().all(|logit| logit.is_nan()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passed_deadline_or_timeout_is_deadline_exceeded_and_a_full_queue_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let models = models_with_head(folder.path(), "slow_head").display().to_string();
    let flags = [
        ("models", "directory", models),
        ("scheduler", "workers", "1".into()),
        ("scheduler", "queue_capacity", "8".into()),
        ("scheduler", "max_wait_ms", "600000".into()),
    ];
    let server = start(&flags).await;
    // A client without timers of its own, so that the answer is the server's.
    let hyper = HyperClient::builder(TokioExecutor::new()).http2_only(true).build_http();
    let uri: http::Uri = format!("http://{}", server.address()).parse().unwrap();
    let client = GrpcInferenceServiceClient::with_origin(hyper, uri);
    for by_parameter in [false, true] {
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let mut client = client.clone();
            running.spawn(async move {
                if by_parameter {
                    let timeout = ParameterChoice::Int64Param(200_000);
                    return client.model_infer(with_parameter(head(1), "timeout", timeout)).await;
                }
                let mut request = Request::new(head(1));
                request.set_timeout(Duration::from_millis(200));
                client.model_infer(request).await
            });
        }
        let (mut given_up, mut exceeded) = (0, 0);
        while let Some(outcome) = running.join_next().await {
            if let Err(status) = outcome.unwrap() {
                // On a busy machine the transport's own timer may come first, and says CANCELLED.
                let late = !by_parameter && status.code() == Code::Cancelled;
                // Once it is known what a run costs, what would be late is refused.
                let foreseen = by_parameter && status.code() == Code::ResourceExhausted;
                assert!(late || foreseen || status.code() == Code::DeadlineExceeded, "{status:?}");
                (given_up, exceeded) = (given_up + 1, exceeded + usize::from(!late));
            }
        }
        assert!(
            given_up >= 4 && (exceeded >= 1 || by_parameter),
            "{given_up} of 6, {exceeded} by us, by parameter: {by_parameter}"
        );
    }
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut client = client.clone();
        running.spawn(async move { client.model_infer(head(1)).await });
    }
    let mut refused = 0;
    while let Some(outcome) = running.join_next().await {
        if let Err(status) = outcome.unwrap() {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
            assert!(status.metadata().contains_key("retry-after-ms"));
            refused += 1;
        }
    }
    assert!((1..20).contains(&refused), "{refused} of 20");
}

fn with_key<T>(key: Option<&str>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(key) = key {
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    request
}

#[tokio::test]
async fn keys_and_roles_are_asked_for_except_whether_the_server_lives() {
    let key = |name: &str, role: &str| {
        format!(r#"{{ name = "{name}", sha256 = "{}", roles = ["{role}"] }}"#, hex_sha256(name.as_bytes()))
    };
    let keys = format!("[{}, {}, {}]", key("shop", "classify"), key("lab", "infer"), key("boss", "admin"));
    let server = start(&[("auth", "keys", keys)]).await;
    let mut client = client(&server).await;
    assert!(client.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
    assert!(client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
    for (caller, code) in
        [(None, Code::Unauthenticated), (Some("guess"), Code::Unauthenticated), (Some("shop"), Code::PermissionDenied)]
    {
        let model = || "ivory".to_owned();
        for status in [
            client.model_infer(with_key(caller, head(1))).await.unwrap_err(),
            client.server_metadata(with_key(caller, ServerMetadataRequest {})).await.unwrap_err(),
            client
                .model_ready(with_key(caller, ModelReadyRequest { name: model(), ..Default::default() }))
                .await
                .unwrap_err(),
            client
                .model_metadata(with_key(caller, ModelMetadataRequest { name: model(), ..Default::default() }))
                .await
                .unwrap_err(),
            client
                .model_config(with_key(caller, ModelConfigRequest { name: model(), ..Default::default() }))
                .await
                .unwrap_err(),
            client.model_statistics(with_key(caller, ModelStatisticsRequest::default())).await.unwrap_err(),
            client.repository_index(with_key(caller, RepositoryIndexRequest::default())).await.unwrap_err(),
            client.repository_model_load(with_key(caller, RepositoryModelLoadRequest::default())).await.unwrap_err(),
            client
                .repository_model_unload(with_key(caller, RepositoryModelUnloadRequest::default()))
                .await
                .unwrap_err(),
        ] {
            assert_eq!(status.code(), code, "{caller:?}: {status:?}");
        }
    }
    client.model_infer(with_key(Some("lab"), head(1))).await.unwrap();
    client.repository_index(with_key(Some("lab"), RepositoryIndexRequest::default())).await.unwrap();
    let load = || RepositoryModelLoadRequest { model_name: "ivory".into(), ..Default::default() };
    let denied = client.repository_model_load(with_key(Some("lab"), load())).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    client.repository_model_load(with_key(Some("boss"), load())).await.unwrap();
    let unload = RepositoryModelUnloadRequest { model_name: "ivory".into(), ..Default::default() };
    let needed = client.repository_model_unload(with_key(Some("boss"), unload)).await.unwrap_err();
    assert!(needed.code() == Code::FailedPrecondition && needed.message().contains("only the version"), "{needed:?}");
    let unknown = RepositoryModelLoadRequest { model_name: "jade".into(), ..Default::default() };
    let unknown = client.repository_model_load(with_key(Some("boss"), unknown)).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn without_keys_nobody_loads_models_and_the_index_tells_what_serves() {
    let server = start(&[]).await;
    let mut client = client(&server).await;
    let load = RepositoryModelLoadRequest { model_name: "ivory".into(), ..Default::default() };
    let denied = client.repository_model_load(load).await.unwrap_err();
    assert!(denied.code() == Code::PermissionDenied && denied.message().contains("auth.keys"), "{denied:?}");
    let index = client.repository_index(RepositoryIndexRequest::default()).await.unwrap().into_inner().models;
    let told: Vec<String> = index.iter().map(|m| format!("{} {} {}", m.name, m.version, m.state)).collect();
    let names = ["image_encoder", "ivory", "live_animal", "pangolin_scale", "rhino_horn", "text_classifier"];
    assert_eq!(told, names.map(|name| format!("{name} 1 READY")));
    let other = RepositoryIndexRequest { repository_name: "s3".into(), ready: true };
    assert_eq!(client.repository_index(other).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn before_models_are_loaded_the_server_lives_and_is_not_ready() {
    let server = Server::bind(common::config(&[])).await.unwrap();
    let mut client = client(&server).await;
    let mut health = HealthClient::new(channel(&server).await);
    let asked = || HealthCheckRequest { service: "inference.GRPCInferenceService".into() };
    assert!(client.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
    assert!(!client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
    let ivory = ModelReadyRequest { name: "ivory".into(), ..Default::default() };
    assert!(!client.model_ready(ivory.clone()).await.unwrap().into_inner().ready);
    assert_eq!(refusal(&mut client, head(1)).await.code(), Code::Unavailable);
    assert_eq!(health.check(asked()).await.unwrap().into_inner().status(), ServingStatus::NotServing);
    server.load().await.unwrap();
    assert!(client.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
    assert!(client.model_ready(ivory).await.unwrap().into_inner().ready);
    assert_eq!(health.check(asked()).await.unwrap().into_inner().status(), ServingStatus::Serving);
}

#[tokio::test]
async fn reflection_knows_the_service() {
    use tonic_reflection::pb::v1;
    let server = start(&[]).await;
    let symbol =
        v1::server_reflection_request::MessageRequest::FileContainingSymbol("inference.GRPCInferenceService".into());
    let ask = v1::ServerReflectionRequest { message_request: Some(symbol), ..Default::default() };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel(&server).await);
    let mut answers = client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
    let answer = format!("{:?}", answers.message().await.unwrap().unwrap());
    assert!(answer.contains("FileDescriptorResponse"), "{answer}");
}

/// `tritonclient` as PyPI has it, in an environment that `scripts/test.sh` sets up.
#[tokio::test(flavor = "multi_thread")]
async fn the_unmodified_client_of_triton_gets_what_onnx_runtime_gives() {
    let python = ".runtime/triton/bin/python";
    assert!(
        Path::new(python).exists(),
        "no Python with tritonclient at {python}: run scripts/test.sh, which sets it up"
    );
    let server = start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let descriptors = folder.path().join("descriptors.bin");
    std::fs::write(&descriptors, DESCRIPTORS).unwrap();
    let mut command = Command::new(python);
    command.arg("tests/oip_client.py").arg(server.address().to_string()).arg(&descriptors);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("text_classifier") && out.contains("equal"), "{out}");
}
