//! What was decided before a stop still holds after the next start.

use wildwarden_proto::v1::{PromoteRequest, RollBackRequest};

use crate::repository::{Repository, look, names, serving, shifted, until};

#[tokio::test]
async fn what_calls_decided_outlives_a_restart_unless_it_is_to_be_forgotten() {
    let repository = Repository::shipped();
    for (version, up) in [("2", 1.0), ("3", 2.0)] {
        repository.add("ivory", version, shifted(up));
    }
    let shipped = std::fs::read_to_string(repository.policy()).unwrap();
    {
        let (server, mut operator) = repository.serve(&[]).await;
        operator.promote(PromoteRequest { versions: names(&[("ivory", "2")]), ..Default::default() }).await.unwrap();
        let newer = shipped.replacen("version = \"1\"", "version = \"newer\"", 1);
        std::fs::write(repository.policy(), newer).unwrap();
        assert_eq!(look(&mut operator).await.policy.unwrap().version, "newer");
        operator.roll_back(RollBackRequest {}).await.unwrap();
        let state = repository.path().join("state.json");
        until(&mut operator, |_| std::fs::read_to_string(&state).is_ok_and(|text| text.contains("\"held\": "))).await;
        server.drain().await.unwrap();
    }
    {
        let (server, mut operator) = repository.serve(&[]).await;
        let status = look(&mut operator).await;
        assert_eq!(serving(&status, "ivory"), "2", "promoted before the restart");
        assert_eq!(status.policy.unwrap().version, "1", "rolled back before the restart");
        repository.add("ivory", "4", shifted(3.0));
        assert_eq!(serving(&look(&mut operator).await, "ivory"), "4", "a newer one ends the decision");
        server.drain().await.unwrap();
    }
    let (_server, mut operator) = repository.serve(&[("models", "ignore_state", "true".into())]).await;
    let status = look(&mut operator).await;
    assert_eq!((serving(&status, "ivory").as_str(), status.policy.unwrap().version.as_str()), ("4", "newer"));
}

#[tokio::test]
async fn a_damaged_file_or_one_that_names_what_is_gone_keeps_no_server_from_starting() {
    let repository = Repository::shipped();
    repository.add("ivory", "2", shifted(1.0));
    {
        let (server, mut operator) = repository.serve(&[]).await;
        operator.promote(PromoteRequest { versions: names(&[("ivory", "1")]), ..Default::default() }).await.unwrap();
        let state = repository.path().join("state.json");
        until(&mut operator, |_| std::fs::read_to_string(&state).is_ok_and(|text| text.contains("until_newer_than")))
            .await;
        server.drain().await.unwrap();
    }
    std::fs::remove_dir_all(repository.path().join("ivory/1")).unwrap();
    {
        let (server, mut operator) = repository.serve(&[]).await;
        assert_eq!(serving(&look(&mut operator).await, "ivory"), "2");
        server.drain().await.unwrap();
    }
    std::fs::write(repository.path().join("state.json"), "{").unwrap();
    let (_server, mut operator) = repository.serve(&[]).await;
    assert_eq!(serving(&look(&mut operator).await, "ivory"), "2");
}

#[tokio::test]
async fn a_policy_that_a_running_server_refuses_does_not_keep_it_from_starting_again() {
    let repository = Repository::shipped();
    let state = repository.path().join("state.json");
    {
        let (server, mut operator) = repository.serve(&[]).await;
        until(&mut operator, |_| state.exists()).await;
        repository.write("policy.toml", "version = 1");
        assert!(look(&mut operator).await.policy_problem.contains("version"));
        server.drain().await.unwrap();
    }
    {
        let (server, mut operator) = repository.serve(&[]).await;
        let status = look(&mut operator).await;
        assert!(status.policy.unwrap().version == "1" && status.policy_problem.contains("version"));
        server.drain().await.unwrap();
    }
    let mut flags = repository.flags();
    flags.push(("models", "ignore_state", "true".into()));
    let server = wildwarden_server::server::Server::bind(crate::common::config(&flags)).await.unwrap();
    assert!(server.load().await.unwrap_err().to_string().contains("policy.toml"));
}

#[tokio::test]
async fn what_could_not_be_written_is_written_once_it_can() {
    let repository = Repository::shipped();
    repository.add("ivory", "2", shifted(1.0));
    let state = repository.path().join("state.json");
    let (server, mut operator) = repository.serve(&[]).await;
    until(&mut operator, |_| state.exists()).await;
    // A folder in the file's place: nothing can be moved there.
    std::fs::remove_file(&state).unwrap();
    std::fs::create_dir(&state).unwrap();
    operator.promote(PromoteRequest { versions: names(&[("ivory", "1")]), ..Default::default() }).await.unwrap();
    look(&mut operator).await;
    std::fs::remove_dir(&state).unwrap();
    look(&mut operator).await;
    until(&mut operator, |_| std::fs::read_to_string(&state).is_ok_and(|text| text.contains("until_newer_than"))).await;
    server.drain().await.unwrap();
}
