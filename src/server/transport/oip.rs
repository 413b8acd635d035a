//! The Open Inference Protocol: models run on tensors that the caller prepared, on the same queue, limits and keys as
//! everything else.

pub mod answer;
pub mod control;
mod datatype;
pub mod request;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;
use tonic::{Request, Response, Status};

use self::control::Control;
use self::request::{Infer, Signature};
use crate::transport::call::Call;
use crate::transport::convert::check_id;
use crate::transport::service::Shared;
use crate::transport::status::status;
use wildwarden_core::error::{Error, Result};
use wildwarden_core::pipeline::Pipeline;
use wildwarden_core::pipeline::infer::Servable;
use wildwarden_core::schedule::{Asked, Deadline};
use wildwarden_proto::inference as proto;
use wildwarden_proto::inference::grpc_inference_service_server::GrpcInferenceService;
use wildwarden_proto::inference::model_repository_parameter::ParameterChoice;
use wildwarden_proto::inference::repository_index_response::ModelIndex;

/// Triton's extensions that are served.
const EXTENSIONS: [&str; 4] = ["model_configuration", "model_repository", "schedule_policy", "statistics"];

type Answer<T> = Result<Response<T>, Status>;

/// The service behind the protocol.
#[derive(Debug, Clone)]
pub struct Oip {
    shared: Arc<Shared>,
    control: Control,
}

impl Oip {
    /// Models are run by `shared`, loaded and unloaded by `control`.
    pub fn new(shared: Arc<Shared>, control: Control) -> Self {
        Self { shared, control }
    }

    /// The model that a caller asks about.
    fn model(&self, name: &str, version: &str) -> Result<Servable> {
        self.shared.pipeline()?.servable(name, version)
    }

    async fn infer(&self, request: proto::ModelInferRequest, asked: Asked) -> Result<proto::ModelInferResponse> {
        let pipeline = self.shared.admit()?;
        let limits = &self.shared.limits;
        check_id("id", &request.id, limits)?;
        let model = pipeline.servable(&request.model_name, &request.model_version)?;
        let id = request.id.clone();
        let Infer { wanted, priority, timeout } =
            request::infer(request, Signature { inputs: model.inputs(), outputs: model.outputs() }, limits)?;
        let timeout = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let deadline = Deadline(asked.deadline.0.into_iter().chain(timeout).min());
        let outputs = pipeline.infer(&model, wanted, &Asked { priority, deadline, ..asked }).await?;
        Ok(answer::inferred(&model, id, outputs))
    }

    fn index(&self, request: Request<proto::RepositoryIndexRequest>) -> Result<proto::RepositoryIndexResponse> {
        let asked = request.into_inner();
        only_repository(&asked.repository_name)?;
        let entry = |name: &str, version: &str, state: &str, reason: &str| ModelIndex {
            name: name.to_owned(),
            version: version.to_owned(),
            state: state.to_owned(),
            reason: reason.to_owned(),
        };
        let ready = self.shared.pipeline()?.servables();
        let mut models: Vec<ModelIndex> =
            ready.iter().map(|model| entry(model.name(), model.version(), "READY", "")).collect();
        if !asked.ready {
            let others = self.control.unavailable();
            models.extend(others.iter().map(|other| entry(&other.name, &other.version, "UNAVAILABLE", &other.reason)));
        }
        models.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(proto::RepositoryIndexResponse { models })
    }

    async fn load(&self, request: Request<proto::RepositoryModelLoadRequest>) -> Result<()> {
        let asked = request.into_inner();
        only_repository(&asked.repository_name)?;
        if let Some(name) = asked.parameters.keys().min() {
            let problem = "is not served: a model is loaded as its folder says";
            return Err(Error::invalid(format!("parameters.{name}"), problem));
        }
        self.control.load(&asked.model_name).await
    }

    fn unload(&self, request: Request<proto::RepositoryModelUnloadRequest>) -> Result<()> {
        let asked = request.into_inner();
        only_repository(&asked.repository_name)?;
        for (name, value) in asked.parameters.iter().collect::<BTreeMap<_, _>>() {
            if name != "unload_dependents" || value.parameter_choice == Some(ParameterChoice::BoolParam(true)) {
                let problem = "is not served: a model is unloaded alone";
                return Err(Error::invalid(format!("parameters.{name}"), problem));
            }
        }
        self.control.unload(&asked.model_name)
    }
}

fn only_repository(name: &str) -> Result<()> {
    if name.is_empty() {
        return Ok(());
    }
    Err(Error::invalid("repository_name", format!("{name:?}, but there is one repository, which has no name")))
}

fn answer<T>(outcome: Result<T>) -> Answer<T> {
    outcome.map(Response::new).map_err(|error| status(&error, ""))
}

#[tonic::async_trait]
impl GrpcInferenceService for Oip {
    async fn server_live(&self, _: Request<proto::ServerLiveRequest>) -> Answer<proto::ServerLiveResponse> {
        answer(Ok(proto::ServerLiveResponse { live: true }))
    }

    async fn server_ready(&self, _: Request<proto::ServerReadyRequest>) -> Answer<proto::ServerReadyResponse> {
        answer(Ok(proto::ServerReadyResponse { ready: self.shared.admit().is_ok() && self.shared.is_whole() }))
    }

    async fn model_ready(&self, request: Request<proto::ModelReadyRequest>) -> Answer<proto::ModelReadyResponse> {
        let asked = request.get_ref();
        let outcome = self.model(&asked.name, &asked.version).and_then(|_| self.shared.admit());
        answer(match outcome {
            Ok(_) => Ok(proto::ModelReadyResponse { ready: true }),
            Err(Error::NotFound(_) | Error::NotReady(_)) => Ok(proto::ModelReadyResponse { ready: false }),
            Err(error) => Err(error),
        })
    }

    async fn server_metadata(&self, _: Request<proto::ServerMetadataRequest>) -> Answer<proto::ServerMetadataResponse> {
        answer(Ok(proto::ServerMetadataResponse {
            name: "wildwarden".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: EXTENSIONS.map(str::to_owned).into(),
        }))
    }

    async fn model_metadata(
        &self,
        request: Request<proto::ModelMetadataRequest>,
    ) -> Answer<proto::ModelMetadataResponse> {
        let asked = request.get_ref();
        answer(self.model(&asked.name, &asked.version).map(|model| answer::metadata(&model)))
    }

    async fn model_infer(&self, request: Request<proto::ModelInferRequest>) -> Answer<proto::ModelInferResponse> {
        let asked = Call::of(request.extensions()).asked;
        let message = request.into_inner();
        let id = message.id.clone();
        let outcome = self.infer(message, asked).await;
        outcome.map(Response::new).map_err(|error| status(&error, &id))
    }

    async fn model_config(&self, request: Request<proto::ModelConfigRequest>) -> Answer<proto::ModelConfigResponse> {
        let asked = request.get_ref();
        let model = self.model(&asked.name, &asked.version);
        let config = |model: Servable| answer::config(&model, &self.shared.limits);
        answer(model.map(|model| proto::ModelConfigResponse { config: Some(config(model)) }))
    }

    async fn model_statistics(
        &self,
        request: Request<proto::ModelStatisticsRequest>,
    ) -> Answer<proto::ModelStatisticsResponse> {
        let asked = request.get_ref();
        let models = if asked.name.is_empty() {
            self.shared.pipeline().map(Pipeline::servables)
        } else {
            self.model(&asked.name, &asked.version).map(|model| vec![model])
        };
        answer(models.map(|models| proto::ModelStatisticsResponse {
            model_stats: models.iter().map(answer::statistics).collect(),
        }))
    }

    async fn repository_index(
        &self,
        request: Request<proto::RepositoryIndexRequest>,
    ) -> Answer<proto::RepositoryIndexResponse> {
        answer(self.index(request))
    }

    async fn repository_model_load(
        &self,
        request: Request<proto::RepositoryModelLoadRequest>,
    ) -> Answer<proto::RepositoryModelLoadResponse> {
        let outcome = self.load(request).await;
        answer(outcome.map(|()| proto::RepositoryModelLoadResponse {}))
    }

    async fn repository_model_unload(
        &self,
        request: Request<proto::RepositoryModelUnloadRequest>,
    ) -> Answer<proto::RepositoryModelUnloadResponse> {
        let outcome = self.unload(request);
        answer(outcome.map(|()| proto::RepositoryModelUnloadResponse {}))
    }
}
