//! A category is data: it comes and goes by files, while one unchanged program runs.

use std::process::Command;

use tonic::Code;
use wildwarden_proto::v1::{ClassifyResponse, GetServerInfoRequest, Options, ReasonCode, RollBackRequest, Suggestion};

use crate::common::{Client, client, listing, write_head};
use crate::repository::{Repository, look, until};

const NAME: &str = "hornbill_casque";

/// What the policy gains.
const DECLARED: &str = r#"
[[category]]
name = "hornbill_casque"
title = { en = "Hornbill casque", zh = "盔犀鸟头胄" }
description = { en = "Carvings of the casque of the helmeted hornbill.", zh = "盔犀鸟头胄雕件。" }
aliases = ["casques"]
claim_is_enough = true
legal_basis = ["wapl-2022-28", "cites-rhinoplax"]

[category.fusion]
intercept = 0.0
image = 1.0
text = 1.0
interaction = 0.0
missing_image = 0.0
missing_text = 0.0
image_floor = -4.0
text_floor = -4.0

[[lexicon]]
kind = "claim"
category = "hornbill_casque"
terms = ["鹤顶红原料", "hornbill ivory"]

[[legal_basis]]
id = "cites-rhinoplax"
instrument = "CITES, Appendices"
article = "Appendix I"
summary = "Helmeted hornbill."
"#;

/// The head, fitted on the rendered fixtures.
fn add_head(repository: &Repository) {
    let folder = repository.folder(NAME, "1");
    write_head(&folder, "carvings_head");
    let manifest = std::fs::read_to_string(folder.join("model.toml")).unwrap();
    std::fs::write(folder.join("model.toml"), manifest.replace("\"ivory\"", &format!("\"{NAME}\""))).unwrap();
}

fn declare(repository: &Repository) -> String {
    let before = std::fs::read_to_string(repository.policy()).unwrap();
    repository.write("policy.toml", &format!("{before}{DECLARED}"));
    before
}

async fn ask(client: &mut Client, title: &str, photos: &[&str], categories: &[&str]) -> ClassifyResponse {
    let mut request = listing(title, photos);
    let categories = categories.iter().map(|name| (*name).to_owned()).collect();
    request.options = Some(Options { categories, ..Default::default() });
    client.classify(request).await.unwrap().into_inner()
}

fn names(response: &ClassifyResponse) -> Vec<&str> {
    response.categories.iter().map(|rating| rating.category.as_str()).collect()
}

const SHIPPED: [&str; 3] = ["ivory", "pangolin_scale", "rhino_horn"];
const CARVING: &[&str] = &["rendered/carving.jpg"];
const SHELL: &[&str] = &["rendered/lookalike_shell.jpg"];

#[tokio::test]
async fn a_category_is_added_to_a_running_server_and_taken_back() {
    let repository = Repository::shipped();
    let (server, mut operator) = repository.serve(&[]).await;
    let mut client = client(&server).await;
    assert_eq!(names(&ask(&mut client, "", CARVING, &[]).await), SHIPPED);

    // The head waits for the policy, and nothing else is held up.
    add_head(&repository);
    let status = look(&mut operator).await;
    let waits = format!("{NAME} 1 waits for a policy that declares the category {NAME}");
    assert!(status.waiting.contains(&waits), "{:?}", status.waiting);
    assert_eq!(names(&ask(&mut client, "", CARVING, &[]).await), SHIPPED);
    let mut request = listing("x", &[]);
    request.options = Some(Options { categories: vec![NAME.into()], ..Default::default() });
    let refused = client.classify(request).await.unwrap_err();
    assert!(refused.code() == Code::InvalidArgument && refused.message().contains("rhino_horn"), "{refused:?}");

    let before = declare(&repository);
    let status = look(&mut operator).await;
    assert!(status.waiting.is_empty(), "{:?}", status.waiting);
    let all: Vec<&str> = SHIPPED.into_iter().chain([NAME]).collect();
    let [carving, shell] = [CARVING, SHELL].map(|photos| photos.to_vec());
    let carving = ask(&mut client, "", &carving, &[]).await;
    let shell = ask(&mut client, "", &shell, &[NAME]).await;
    assert_eq!(names(&carving), all);
    assert_eq!(names(&shell), [NAME]);
    let [of_carving, of_shell] = [&carving, &shell].map(|response| response.categories.last().unwrap());
    assert!(of_carving.image_probability() > 0.9 && of_shell.image_probability() < 0.1, "{carving:?} {shell:?}");
    assert!(!of_carving.unrated && of_shell.probability < 0.1);
    let reason = carving.reasons.iter().find(|reason| reason.category == NAME).unwrap();
    assert_eq!(reason.code(), ReasonCode::ImageEvidence);
    assert!(carving.legal_basis.iter().any(|basis| basis.id == "cites-rhinoplax"), "{:?}", carving.legal_basis);

    // No text model reads it: the lexicon does, and by this policy a claim is enough.
    let named = ask(&mut client, "hornbill ivory", &[], &[NAME]).await;
    assert_eq!(named.suggestion(), Suggestion::Review);
    let unrated = &named.categories[0];
    assert!(unrated.unrated && (unrated.probability - 0.01).abs() < 1e-9 && unrated.text_probability.is_none());
    let info = client.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    let told = info.categories.last().unwrap();
    assert_eq!((told.name.as_str(), told.titles["zh"].as_str()), (NAME, "盔犀鸟头胄"));
    assert!(told.rated_by_images && !told.rated_by_texts);

    // Back to a policy without it: its head leaves service, and the others stay. What came by the policy comes again by one.
    operator.roll_back(RollBackRequest {}).await.unwrap();
    assert_eq!(names(&ask(&mut client, "", CARVING, &[]).await), SHIPPED);
    assert!(look(&mut operator).await.waiting.iter().any(|note| note.contains("was rolled back")));
    repository.write("policy.toml", &format!("# mended\n{before}{DECLARED}"));
    let status = look(&mut operator).await;
    assert!(status.waiting.is_empty(), "{:?}", status.waiting);
    let again = ask(&mut client, "", CARVING, &[]).await;
    assert!(names(&again) == all && !again.categories.last().unwrap().unrated, "{again:?}");
    repository.write("policy.toml", &before);
    let status = look(&mut operator).await;
    assert!(status.waiting.contains(&waits), "{:?}", status.waiting);
    assert_eq!(names(&ask(&mut client, "", CARVING, &[]).await), SHIPPED);
}

#[tokio::test]
async fn a_model_that_was_rolled_back_keeps_no_server_from_starting() {
    let repository = Repository::shipped();
    declare(&repository);
    {
        let (server, mut operator) = repository.serve(&[]).await;
        add_head(&repository);
        assert!(look(&mut operator).await.waiting.is_empty());
        operator.roll_back(RollBackRequest {}).await.unwrap();
        let state = repository.path().join("state.json");
        until(&mut operator, |_| std::fs::read_to_string(&state).is_ok_and(|text| text.contains("until_newer_than")))
            .await;
        server.drain().await.unwrap();
    }
    let (server, _operator) = repository.serve(&[]).await;
    let answer = ask(&mut client(&server).await, "", CARVING, &[]).await;
    assert!(answer.categories.last().unwrap().unrated && !answer.categories[0].unrated, "{answer:?}");
}

#[tokio::test]
async fn a_category_that_nothing_feeds_is_declared_and_unrated() {
    let repository = Repository::shipped();
    declare(&repository);
    let (server, _operator) = repository.serve(&[]).await;
    let mut client = client(&server).await;
    let response = ask(&mut client, "夏季连衣裙", CARVING, &[]).await;
    let rating = response.categories.last().unwrap();
    assert!(rating.category == NAME && rating.unrated && rating.probability > 0.0, "{rating:?}");
    assert!(response.missing.contains(&format!("category:{NAME}")) && !response.degraded, "{response:?}");
    let rated = response.categories.iter().filter(|rating| !rating.unrated);
    let highest = rated.map(|rating| rating.probability).fold(0.0, f64::max);
    assert!((response.risk - highest).abs() < 1e-12, "what nobody looked at raises no risk");
}

#[test]
fn an_evaluation_knows_it_by_all_its_names() {
    let repository = Repository::shipped();
    add_head(&repository);
    declare(&repository);
    let folder = tempfile::tempdir().unwrap();
    let labelled = folder.path().join("labelled");
    let photos = |label: &str, names: &[&str]| {
        let folder = labelled.join(label);
        std::fs::create_dir_all(&folder).unwrap();
        for name in names {
            let file = format!("{name}.jpg");
            std::fs::copy(format!("tests/fixtures/images/rendered/{file}"), folder.join(file)).unwrap();
        }
    };
    photos("casques", &["carving", "netsuke", "seal"]);
    photos("negative", &["lookalike_shell", "lookalike_antler", "horn_cut", "scales_heap"]);
    let out = folder.path().join("out");
    let output = Command::new(env!("CARGO_BIN_EXE_wildwarden"))
        .args(["evaluate", "--bootstrap", "10", "--models"])
        .arg(repository.path())
        .arg("--policy")
        .arg(repository.policy())
        .arg("--out")
        .args([&out, &labelled])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("evaluation.json")).unwrap()).unwrap();
    assert_eq!(report["unmeasured"], serde_json::json!(SHIPPED));
    assert_eq!(
        (&report["categories"][0]["category"], report["categories"].as_array().unwrap().len()),
        (&NAME.into(), 1)
    );
    assert_eq!(report["categories"][0]["scores"][0]["figures"]["roc_auc"]["value"], 1.0);
    assert!(std::fs::read_to_string(out.join("report.html")).unwrap().contains("Hornbill casque"));
}
