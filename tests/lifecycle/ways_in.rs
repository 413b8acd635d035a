//! How the server learns what should serve: folder, policy file, configuration, keys.

use tonic::metadata::MetadataValue;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use wildwarden_core::config::Flag;
use wildwarden_core::model::folder::manifest::hex_sha256;
use wildwarden_proto::v1::model_service_client::ModelServiceClient;
use wildwarden_proto::v1::{DescribeModelRequest, ListModelsRequest, RollBackRequest, VersionState};

use crate::common::{channel, client, config, listing, start};
use crate::repository::{Repository, look, names, operator, serving, shifted, state, until};

#[tokio::test]
async fn a_new_folder_is_taken_when_the_system_tells_of_it_and_when_polling_finds_it() {
    for (watch, poll_ms) in [("true", "0"), ("false", "20")] {
        let repository = Repository::shipped();
        let mut flags = repository.flags();
        flags.extend([("models", "watch", watch.to_owned()), ("models", "poll_ms", poll_ms.to_owned())]);
        let server = start(&flags).await;
        let mut operator = operator(&server).await;
        repository.add("ivory", "2", shifted(1.0));
        until(&mut operator, |status| serving(status, "ivory") == "2").await;
    }
}

#[tokio::test]
async fn the_policy_is_read_again_a_faulty_one_is_reported_and_a_rollback_returns_to_the_old_one() {
    let repository = Repository::shipped();
    let (server, mut operator) = repository.serve(&[]).await;
    let mut client = client(&server).await;
    let shipped = std::fs::read_to_string(repository.policy()).unwrap();
    let old = look(&mut operator).await.policy.unwrap();
    let line = shipped.lines().find(|line| line.starts_with("version =")).unwrap();

    std::fs::write(repository.policy(), shipped.replacen(line, "version = \"mine\"", 1)).unwrap();
    assert_eq!(look(&mut operator).await.policy.unwrap().version, "mine");
    let answer = client.classify(listing("老象牙", &[])).await.unwrap().into_inner();
    assert_eq!(answer.policy.unwrap().version, "mine");

    std::fs::write(repository.policy(), shipped.replacen(line, "versoin = \"other\"", 1)).unwrap();
    let status = look(&mut operator).await;
    assert!(status.policy_problem.contains("policy.toml") && status.policy_problem.contains("versoin"), "{status:?}");
    assert_eq!(status.policy.unwrap().version, "mine");

    std::fs::write(repository.policy(), shipped.replacen(line, "version = \"mine\"", 1)).unwrap();
    operator.roll_back(RollBackRequest {}).await.unwrap();
    let status = look(&mut operator).await;
    assert_eq!(status.policy.unwrap().sha256, old.sha256, "the file that was rolled back is not taken again");
    std::fs::write(repository.policy(), shipped.replacen(line, "version = \"newer\"", 1)).unwrap();
    assert_eq!(look(&mut operator).await.policy.unwrap().version, "newer");
}

#[tokio::test]
async fn rules_are_read_again_while_the_server_runs() {
    let repository = Repository::shipped();
    for (version, up) in [("2", 1.0), ("3", 2.0)] {
        repository.add("ivory", version, shifted(up));
    }
    let (server, mut operator) = repository.serve(&[]).await;
    assert_eq!(serving(&look(&mut operator).await, "ivory"), "3");
    let with = |flag: Flag| {
        let mut flags = repository.flags();
        flags.push(flag);
        config(&flags)
    };
    server.reload(with(("models", "versions", "{ ivory = \"2\" }".into()))).await.unwrap();
    assert_eq!(serving(&look(&mut operator).await, "ivory"), "2");
    server.reload(with(("models", "labels", "{ ivory = { canary = \"3\" } }".into()))).await.unwrap();
    assert_eq!(serving(&look(&mut operator).await, "ivory"), "2", "a canary is not taken by itself");
    server.reload(with(("models", "versions", "{ ivory = [\"1\", \"3\"] }".into()))).await.unwrap();
    let status = look(&mut operator).await;
    assert_eq!((serving(&status, "ivory").as_str(), state(&status, "ivory", "1")), ("3", Some(VersionState::Loaded)));
}

#[tokio::test]
async fn only_a_key_with_the_role_admin_changes_models_and_only_on_the_listener_for_operators() {
    let repository = Repository::shipped();
    let key = |name: &str, role: &str| {
        format!("{{ name = \"{name}\", sha256 = \"{}\", roles = [\"{role}\"] }}", hex_sha256(name.as_bytes()))
    };
    let keys = format!("[{}, {}]", key("caller", "classify"), key("boss", "admin"));
    let (server, mut operator) = repository.serve(&[("auth", "keys", keys)]).await;
    let list = |key: &str| {
        let mut request = Request::new(ListModelsRequest {});
        let value: MetadataValue<_> = format!("Bearer {key}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    };
    assert_eq!(operator.list_models(ListModelsRequest {}).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(operator.list_models(list("caller")).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(serving(&operator.list_models(list("boss")).await.unwrap().into_inner(), "ivory"), "1");
    let mut public = ModelServiceClient::new(channel(&server).await);
    assert_eq!(public.list_models(list("boss")).await.unwrap_err().code(), Code::Unimplemented);
    let operators = tonic::transport::Channel::from_shared(format!("http://{}", server.admin_address().unwrap()));
    let mut health = HealthClient::new(operators.unwrap().connect().await.unwrap());
    health.check(HealthCheckRequest { service: String::new() }).await.unwrap();
}

#[tokio::test]
async fn a_version_is_described_from_its_manifest_by_label_too() {
    let repository = Repository::shipped();
    let (_server, mut operator) = repository.serve(&[]).await;
    let stable = DescribeModelRequest { version: names(&[("ivory", "stable")]).pop() };
    let ivory = operator.describe_model(stable).await.unwrap().into_inner();
    assert_eq!((ivory.kind.as_str(), ivory.inputs[0].shape.as_slice()), ("head", &[-1, 1280][..]));
    assert_eq!((ivory.model.unwrap().version.as_str(), ivory.labels[0].name.as_str()), ("1", "ivory"));
    assert_eq!(ivory.status.unwrap().labels, ["stable"]);
    let unknown = DescribeModelRequest { version: names(&[("elephant", "1")]).pop() };
    let refused = operator.describe_model(unknown).await.unwrap_err();
    assert!(refused.code() == Code::NotFound && refused.message().contains("image_encoder, ivory"), "{refused:?}");
}
