//! A model repository in a temporary folder, and a server over it whose looks are driven by the test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;
use tonic::transport::Channel;
use wildwarden_core::config::Flag;
use wildwarden_proto::v1::model_service_client::ModelServiceClient;
use wildwarden_proto::v1::{
    ClassifyResponse, ListModelsRequest, ModelsStatus, ReloadRequest, VersionName, VersionState, VersionStatus,
};
use wildwarden_server::server::Server;

use crate::common::{copy_folder, one_look_policy, start, write_head};

pub(crate) type Operator = ModelServiceClient<Channel>;
pub(crate) const HEADS: [&str; 3] = ["ivory", "pangolin_scale", "rhino_horn"];

pub(crate) struct Repository(TempDir);

impl Repository {
    /// The shipped models and policy of the first look. The heads serve with any encoder of their size, unless they are [`made_for`] one.
    pub(crate) fn shipped() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        for name in ["image_encoder", "ivory", "pangolin_scale", "rhino_horn", "text_classifier"] {
            repository.add(name, "1", |manifest| manifest);
        }
        std::fs::write(repository.policy(), one_look_policy()).unwrap();
        repository
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("models")
    }

    pub(crate) fn folder(&self, name: &str, version: &str) -> PathBuf {
        self.path().join(name).join(version)
    }

    pub(crate) fn policy(&self) -> PathBuf {
        self.path().join("policy.toml")
    }

    /// The shipped version as another one, with a changed manifest, in a folder that is not looked at.
    fn prepare(&self, name: &str, version: &str, edit: &dyn Fn(String) -> String) -> PathBuf {
        let prepared = self.path().join(name).join(format!(".{version}"));
        copy_folder(&Path::new("models").join(name).join("1"), &prepared);
        let manifest = std::fs::read_to_string(prepared.join("model.toml")).unwrap();
        let manifest = manifest.replacen("version = \"1\"", &format!("version = \"{version}\""), 1);
        let manifest = manifest.replacen("encoder = \"1\"\n", "", 1);
        std::fs::write(prepared.join("model.toml"), edit(manifest)).unwrap();
        prepared
    }

    /// A new version, there at once.
    pub(crate) fn add(&self, name: &str, version: &str, edit: impl Fn(String) -> String) {
        let target = self.folder(name, version);
        if target.exists() {
            std::fs::remove_dir_all(&target).unwrap();
        }
        std::fs::rename(self.prepare(name, version, &edit), target).unwrap();
    }

    /// A new version, file by file.
    pub(crate) fn add_slowly(&self, name: &str, version: &str) -> impl Iterator<Item = PathBuf> {
        let prepared = self.prepare(name, version, &|manifest| manifest);
        let target = self.folder(name, version);
        std::fs::create_dir_all(&target).unwrap();
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&prepared).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        // The manifest first: that is the harder order.
        files.rotate_right(1);
        files.into_iter().flat_map(move |file| {
            let to = target.join(file.file_name().unwrap());
            let whole = std::fs::read(&file).unwrap();
            // First a half of the file, then all of it; each only when it is asked for.
            [whole[..whole.len() / 2].to_vec(), whole].into_iter().map(move |bytes| {
                std::fs::write(&to, bytes).unwrap();
                to.clone()
            })
        })
    }

    /// A version of the ivory head that does not compute what its golden samples say.
    pub(crate) fn add_broken(&self, version: &str) {
        let shipped = std::fs::read("models/ivory/1/golden.json").unwrap();
        let mut golden: serde_json::Value = serde_json::from_slice(&shipped).unwrap();
        golden["samples"][0]["output"] = serde_json::json!([1000.0]);
        let golden = golden.to_string();
        self.add("ivory", version, |manifest| {
            let sha256 = wildwarden_core::model::folder::manifest::hex_sha256(golden.as_bytes());
            let line = manifest.lines().find(|line| line.starts_with("\"golden.json\" =")).unwrap().to_owned();
            manifest.replacen(&line, &format!("\"golden.json\" = \"{sha256}\""), 1)
        });
        std::fs::write(self.folder("ivory", version).join("golden.json"), golden).unwrap();
    }

    /// A version of the ivory head that gives NaN, and has no golden samples that would tell.
    pub(crate) fn add_nan(&self, version: &str) {
        let folder = self.folder("ivory", version);
        write_head(&folder, "nan_head");
        let manifest = std::fs::read_to_string(folder.join("model.toml")).unwrap();
        let manifest = manifest.replacen("version = \"1\"", &format!("version = \"{version}\""), 1);
        std::fs::write(folder.join("model.toml"), manifest).unwrap();
    }

    /// A file beside the model folders.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// A server that looks at the folders only when it is told to.
    pub(crate) async fn serve(&self, more: &[Flag]) -> (Server, Operator) {
        let mut flags = self.flags();
        flags.extend([("models", "watch", "false".into()), ("models", "poll_ms", "0".into())]);
        flags.extend_from_slice(more);
        let server = start(&flags).await;
        let mut operator = operator(&server).await;
        // A server looks once when it has started; with keys this call is refused, and nothing is added meanwhile.
        let _ = operator.reload(ReloadRequest {}).await;
        (server, operator)
    }

    pub(crate) fn flags(&self) -> Vec<Flag> {
        vec![
            ("models", "directory", self.path().display().to_string()),
            ("models", "policy", self.policy().display().to_string()),
            ("scheduler", "workers", "2".into()),
        ]
    }
}

/// Another calibration: the same scores, further up or down.
pub(crate) fn shifted(intercept: f64) -> impl Fn(String) -> String {
    move |manifest| {
        let at = manifest.find("intercept = ").unwrap() + "intercept = ".len();
        let end = at + manifest[at..].find(' ').unwrap();
        format!("{}{intercept:.2}{}", &manifest[..at], &manifest[end..])
    }
}

/// Only fits this version of the encoder.
pub(crate) fn made_for(encoder: &str) -> impl Fn(String) -> String {
    let line = format!("kind = \"head\"\nencoder = \"{encoder}\"");
    move |manifest| manifest.replacen("kind = \"head\"", &line, 1)
}

pub(crate) async fn operator(server: &Server) -> Operator {
    ModelServiceClient::connect(format!("http://{}", server.admin_address().unwrap())).await.unwrap()
}

/// Has the server look at its folders, and returns what it then knows.
pub(crate) async fn look(operator: &mut Operator) -> ModelsStatus {
    operator.reload(ReloadRequest {}).await.unwrap().into_inner()
}

/// Asks until `wanted` is so.
pub(crate) async fn until(operator: &mut Operator, wanted: impl Fn(&ModelsStatus) -> bool) -> ModelsStatus {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = operator.list_models(ListModelsRequest {}).await.unwrap().into_inner();
        if wanted(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "it never came: {status:?}");
    }
}

pub(crate) fn version(status: &ModelsStatus, name: &str, version: &str) -> Option<VersionStatus> {
    let model = status.models.iter().find(|model| model.name == name)?;
    model.versions.iter().find(|status| status.version == version).cloned()
}

pub(crate) fn state(status: &ModelsStatus, name: &str, wanted: &str) -> Option<VersionState> {
    version(status, name, wanted).map(|version| version.state())
}

/// The version of `name` in service.
pub(crate) fn serving(status: &ModelsStatus, name: &str) -> String {
    let model = status.models.iter().find(|model| model.name == name).unwrap();
    let serving: Vec<_> = model.versions.iter().filter(|v| v.state() == VersionState::Serving).collect();
    assert_eq!(serving.len(), 1, "{model:?}");
    serving[0].version.clone()
}

/// The version of `name` that an answer names.
pub(crate) fn answered(response: &ClassifyResponse, name: &str) -> String {
    response.models.iter().find(|model| model.name == name).unwrap().version.clone()
}

pub(crate) fn names(versions: &[(&str, &str)]) -> Vec<VersionName> {
    versions.iter().map(|(name, version)| VersionName { name: (*name).into(), version: (*version).into() }).collect()
}
