//! The calls to a server's listener for operators.

use anyhow::{Context, anyhow};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use wildwarden_proto::v1::model_service_client::ModelServiceClient;
use wildwarden_proto::v1::{
    GetShadowReportRequest, ListModelsRequest, LoadVersionRequest, ModelsStatus, PromoteRequest, ReloadRequest,
    RollBackRequest, ShadowReport, StartTrialRequest, StopCandidateRequest, UnloadRequest, VersionName,
};

/// A connection to a server's listener for operators.
pub(super) struct OperatorClient {
    client: ModelServiceClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
}

fn answer<T>(answer: Result<Response<T>, Status>) -> anyhow::Result<T> {
    answer.map(Response::into_inner).map_err(|status| {
        if status.code() == Code::Unimplemented {
            return anyhow!("the server does not serve operators at this address; see server.admin_listen");
        }
        anyhow!("{:?}: {}", status.code(), status.message())
    })
}

impl OperatorClient {
    pub(super) async fn connect(endpoint: &Endpoint, key: Option<&str>) -> anyhow::Result<Self> {
        let channel = endpoint.connect().await;
        let channel = channel.with_context(|| format!("no server for operators at {}", endpoint.uri()))?;
        let authorization = key.map(|key| format!("Bearer {key}").parse()).transpose().context("--key")?;
        Ok(Self { client: ModelServiceClient::new(channel), authorization })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }

    pub(super) async fn list(&mut self) -> anyhow::Result<ModelsStatus> {
        answer(self.client.list_models(self.request(ListModelsRequest {})).await)
    }

    pub(super) async fn reload(&mut self) -> anyhow::Result<ModelsStatus> {
        answer(self.client.reload(self.request(ReloadRequest {})).await)
    }

    pub(super) async fn load(&mut self, versions: Vec<VersionName>, set: String) -> anyhow::Result<ModelsStatus> {
        answer(self.client.load_version(self.request(LoadVersionRequest { versions, set })).await)
    }

    pub(super) async fn promote(&mut self, versions: Vec<VersionName>, set: String) -> anyhow::Result<ModelsStatus> {
        answer(self.client.promote(self.request(PromoteRequest { versions, set })).await)
    }

    pub(super) async fn roll_back(&mut self) -> anyhow::Result<ModelsStatus> {
        answer(self.client.roll_back(self.request(RollBackRequest {})).await)
    }

    pub(super) async fn unload(&mut self, version: VersionName) -> anyhow::Result<ModelsStatus> {
        answer(self.client.unload(self.request(UnloadRequest { version: Some(version) })).await)
    }

    pub(super) async fn shadow(&mut self, trial: StartTrialRequest) -> anyhow::Result<ModelsStatus> {
        answer(self.client.start_shadow(self.request(trial)).await)
    }

    pub(super) async fn canary(&mut self, trial: StartTrialRequest) -> anyhow::Result<ModelsStatus> {
        answer(self.client.start_canary(self.request(trial)).await)
    }

    pub(super) async fn stop(&mut self) -> anyhow::Result<ModelsStatus> {
        answer(self.client.stop_candidate(self.request(StopCandidateRequest {})).await)
    }

    pub(super) async fn report(&mut self) -> anyhow::Result<ShadowReport> {
        answer(self.client.get_shadow_report(self.request(GetShadowReportRequest {})).await)
    }
}
