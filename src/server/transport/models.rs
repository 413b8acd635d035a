//! The calls of operators: which models serve.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tonic::{Request, Response, Status};
use wildwarden_core::error::{Error, Result};
use wildwarden_proto::v1 as proto;
use wildwarden_proto::v1::model_service_server::ModelService;
use wildwarden_proto::v1::{
    DescribeModelRequest, DescribeModelResponse, GetShadowReportRequest, ListModelsRequest, LoadVersionRequest,
    ModelsStatus, PromoteRequest, ReloadRequest, RollBackRequest, ShadowReport, StartTrialRequest,
    StopCandidateRequest, UnloadRequest,
};

use crate::lifecycle::{Asked, Lifecycle, VersionName};
use crate::transport::convert_models as convert;
use crate::transport::status::rpc_status;

/// The service of operators.
#[derive(Debug, Clone)]
pub struct Models {
    /// Set once models are loaded.
    pub lifecycle: Arc<OnceCell<Lifecycle>>,
}

impl Models {
    fn lifecycle(&self) -> Result<&Lifecycle> {
        self.lifecycle.get().ok_or_else(|| Error::NotReady("the models are still loading".into()))
    }

    fn answer<T>(rpc: &'static str, outcome: Result<T>) -> Result<Response<T>, Status> {
        outcome.map(Response::new).map_err(|error| rpc_status(&error, rpc))
    }

    fn try_now(&self, action: impl FnOnce(&Lifecycle) -> Result<()>) -> Result<ModelsStatus> {
        let lifecycle = self.lifecycle()?;
        action(lifecycle).map(|()| convert::models_status(&lifecycle.status()))
    }

    async fn try_out(&self, request: Request<StartTrialRequest>, shadow: bool) -> Result<ModelsStatus> {
        let lifecycle = self.lifecycle()?;
        let StartTrialRequest { versions, share, set } = request.into_inner();
        lifecycle.try_out(asked(&all_wanted(versions), &set)?, share, shadow).await?;
        Ok(convert::models_status(&lifecycle.status()))
    }
}

fn wanted(name: proto::VersionName) -> VersionName {
    VersionName { name: name.name, version: name.version }
}

fn all_wanted(names: Vec<proto::VersionName>) -> Vec<VersionName> {
    names.into_iter().map(wanted).collect()
}

fn asked<'a>(versions: &'a [VersionName], set: &'a str) -> Result<Asked<'a>> {
    match (versions, set) {
        (versions, "") => Ok(Asked::Versions(versions)),
        ([], set) => Ok(Asked::Set(set)),
        _ => Err(Error::invalid("set", "versions are named, too; name either")),
    }
}

fn required(version: Option<proto::VersionName>) -> Result<VersionName> {
    version.map(wanted).ok_or_else(|| Error::invalid("version", "is missing: name and version of a model"))
}

#[tonic::async_trait]
impl ModelService for Models {
    async fn list_models(&self, _: Request<ListModelsRequest>) -> Result<Response<ModelsStatus>, Status> {
        Self::answer("ListModels", self.try_now(|_| Ok(())))
    }

    async fn describe_model(
        &self,
        request: Request<DescribeModelRequest>,
    ) -> Result<Response<DescribeModelResponse>, Status> {
        let described = self.lifecycle().and_then(|lifecycle| {
            let wanted = required(request.into_inner().version)?;
            lifecycle
                .describe(&wanted)
                .map(|(identity, manifest, status)| convert::describe(&identity, manifest, &status))
        });
        Self::answer("DescribeModel", described)
    }

    async fn reload(&self, _: Request<ReloadRequest>) -> Result<Response<ModelsStatus>, Status> {
        let reload = async {
            let lifecycle = self.lifecycle()?;
            lifecycle.reload(None).await?;
            Ok(convert::models_status(&lifecycle.status()))
        };
        Self::answer("Reload", reload.await)
    }

    async fn load_version(&self, request: Request<LoadVersionRequest>) -> Result<Response<ModelsStatus>, Status> {
        let load = async {
            let lifecycle = self.lifecycle()?;
            let LoadVersionRequest { versions, set } = request.into_inner();
            lifecycle.load(asked(&all_wanted(versions), &set)?).await?;
            Ok(convert::models_status(&lifecycle.status()))
        };
        Self::answer("LoadVersion", load.await)
    }

    async fn promote(&self, request: Request<PromoteRequest>) -> Result<Response<ModelsStatus>, Status> {
        let promote = async {
            let lifecycle = self.lifecycle()?;
            let PromoteRequest { versions, set } = request.into_inner();
            lifecycle.promote(asked(&all_wanted(versions), &set)?).await?;
            Ok(convert::models_status(&lifecycle.status()))
        };
        Self::answer("Promote", promote.await)
    }

    async fn roll_back(&self, _: Request<RollBackRequest>) -> Result<Response<ModelsStatus>, Status> {
        Self::answer("RollBack", self.try_now(Lifecycle::roll_back))
    }

    async fn unload(&self, request: Request<UnloadRequest>) -> Result<Response<ModelsStatus>, Status> {
        let unload = |lifecycle: &Lifecycle| lifecycle.unload(&required(request.into_inner().version)?);
        Self::answer("Unload", self.try_now(unload))
    }

    async fn start_shadow(&self, request: Request<StartTrialRequest>) -> Result<Response<ModelsStatus>, Status> {
        Self::answer("StartShadow", self.try_out(request, true).await)
    }

    async fn start_canary(&self, request: Request<StartTrialRequest>) -> Result<Response<ModelsStatus>, Status> {
        Self::answer("StartCanary", self.try_out(request, false).await)
    }

    async fn stop_candidate(&self, _: Request<StopCandidateRequest>) -> Result<Response<ModelsStatus>, Status> {
        Self::answer("StopCandidate", self.try_now(Lifecycle::stop_candidate))
    }

    async fn get_shadow_report(&self, _: Request<GetShadowReportRequest>) -> Result<Response<ShadowReport>, Status> {
        let report = self.lifecycle().and_then(Lifecycle::shadow_report);
        Self::answer("GetShadowReport", report.map(|report| convert::report(&report)))
    }
}
