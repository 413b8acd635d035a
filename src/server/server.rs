//! Builds the parts, serves, drains. The only file that may know all others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinHandle;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use wildwarden_core::config::Config;
use wildwarden_core::error::{Error, Result};
use wildwarden_proto::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use wildwarden_proto::v1::model_service_server::ModelServiceServer;
use wildwarden_proto::v1::risk_service_server::RiskServiceServer;
use wildwarden_proto::{DESCRIPTORS, public_descriptors};

use crate::lifecycle::Lifecycle;
use crate::transport::admin;
use crate::transport::calls::CallsLayer;
use crate::transport::guard::{Guard, as_invalid_argument_in_headers};
use crate::transport::models::Models;
use crate::transport::oip::Oip;
use crate::transport::oip::control::Control;
use crate::transport::service::{Service, Shared};

/// What health is told of; "" is the whole server.
const SERVICES: [&str; 3] = ["", "wildwarden.v1.RiskService", "inference.GRPCInferenceService"];
/// HTTP/2 windows: with the default of 64 KiB a photo takes a round trip for each 64 KiB.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
/// HTTP/2 frames a client may send: with the default of 16 KiB a phone photo takes hundreds.
const MAX_FRAME: u32 = 1 << 20;
/// Idle time after which a peer is asked whether it still lives.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A server that listens. Models load behind it; until they are ready, health says NOT_SERVING and calls get UNAVAILABLE.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    health: HealthReporter,
    config: Arc<Config>,
    lifecycle: Arc<OnceCell<Lifecycle>>,
    stop: oneshot::Sender<()>,
    serving: Serving,
    admin: Option<Admin>,
}

type Serving = JoinHandle<std::result::Result<(), tonic::transport::Error>>;

/// The operators' listener.
#[derive(Debug)]
struct Admin {
    address: SocketAddr,
    serving: Serving,
}

impl Server {
    /// Binds the listener and begins to serve health and reflection.
    ///
    /// # Errors
    /// [`Error::Setup`] when the address cannot be bound.
    pub async fn bind(config: Config) -> Result<Self> {
        let config = Arc::new(config);
        let (listener, address) = listen("server.listen", config.server.listen).await?;
        let shared = Arc::new(Shared {
            pipeline: OnceCell::new(),
            draining: AtomicBool::new(false),
            limits: config.limits,
            metrics: Arc::default(),
        });

        let (health, health_service) = tonic_health::server::health_reporter();
        // The reporter is born SERVING; nothing is ready yet, and the port is already open.
        set_health(&health, ServingStatus::NotServing).await;

        let risk = RiskServiceServer::new(Service(Arc::clone(&shared)))
            .max_decoding_message_size(config.limits.max_message_bytes)
            // The limit counts what comes out: a few kilobytes may hold gigabytes.
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Deflate);
        let lifecycle: Arc<OnceCell<Lifecycle>> = Arc::default();
        let oip = Oip::new(Arc::clone(&shared), Control(Arc::clone(&lifecycle)));
        let oip = GrpcInferenceServiceServer::new(oip)
            .max_decoding_message_size(config.limits.max_message_bytes)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Deflate);
        let models = Models { lifecycle: Arc::clone(&lifecycle) };
        let calls = CallsLayer { guard: Guard::new(&config.keys), shared: Arc::clone(&shared) };
        let operators = Routes::from(admin::routes(Arc::clone(&shared)))
            .add_service(health_service.clone())
            .add_service(for_operators().build_v1().map_err(no_reflection)?)
            .add_service(for_operators().build_v1alpha().map_err(no_reflection)?)
            .add_service(ModelServiceServer::new(models));
        let limit = config.limits.max_message_bytes;
        let mend = tower::util::MapResponseLayer::new(move |mut response: http::Response<tonic::body::Body>| {
            as_invalid_argument_in_headers(response.headers_mut(), limit);
            response
        });
        let router = tonic::transport::Server::builder()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(MAX_FRAME)
            .max_concurrent_streams(config.server.max_concurrent_streams)
            .layer(calls.clone())
            .layer(mend)
            .add_service(health_service)
            .add_service(for_callers()?.build_v1().map_err(no_reflection)?)
            .add_service(for_callers()?.build_v1alpha().map_err(no_reflection)?)
            .add_service(risk)
            .add_service(oip);
        let admin = match config.server.admin_listen {
            Some(wanted) => Some(Admin::start(wanted, operators, calls).await?),
            None => None,
        };
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(router.serve_with_incoming_shutdown(incoming(listener), async move {
            // A dropped sender means the server itself was dropped: stop as well.
            let _ = stopped.await;
        }));
        Ok(Self { address, shared, health, config, lifecycle, stop, serving, admin })
    }

    /// The bound address; for port 0 the one the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators reach it. `None`: no `server.admin_listen`.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Loads policy and models, then says SERVING.
    ///
    /// # Errors
    /// See [`Lifecycle::start`].
    pub async fn load(&self) -> Result<()> {
        let config = Arc::clone(&self.config);
        let metrics = Arc::clone(&self.shared.metrics);
        let loading = tokio::task::spawn_blocking(move || Lifecycle::start(&config, metrics)).await;
        let lifecycle = loading.map_err(|cause| Error::Bug(format!("loading: {cause}")))??;
        let pipeline = lifecycle.pipeline();
        for model in pipeline.generation().models() {
            tracing::info!(name = model.name, version = model.version, sha256 = model.sha256, "model ready");
        }
        let twice = |cause: String| Error::Bug(format!("setting the models: {cause}"));
        self.shared.pipeline.set(pipeline).map_err(|cause| twice(cause.to_string()))?;
        self.lifecycle.set(lifecycle).map_err(|cause| twice(cause.to_string()))?;
        set_health(&self.health, ServingStatus::Serving).await;
        Ok(())
    }

    /// Takes over what of `config` may change while the server runs, and looks at models and policy.
    ///
    /// # Errors
    /// [`Error::NotReady`] before the models are loaded; see also [`Lifecycle::reload`].
    pub async fn reload(&self, config: Config) -> Result<()> {
        let loading = || Error::NotReady("the models are still loading".into());
        self.lifecycle.get().ok_or_else(loading)?.reload(Some(config)).await
    }

    /// Drains: says NOT_SERVING, stops accepting, lets running requests finish within `server.drain_seconds`. `true` when
    /// all finished.
    ///
    /// # Errors
    /// [`Error::Bug`] when the transport fails.
    pub async fn drain(self) -> Result<bool> {
        // Health first: balancers stop sending before connections are told to go. New calls on open connections are
        // refused by the flag; then the listener closes and every connection gets GOAWAY.
        set_health(&self.health, ServingStatus::NotServing).await;
        self.shared.draining.store(true, Ordering::Release);
        // The receiver is gone when serving has already ended.
        let _ = self.stop.send(());
        let abort = self.serving.abort_handle();
        let ended = match tokio::time::timeout(self.config.server.drain, self.serving).await {
            Ok(Ok(served)) => served.map(|()| true).map_err(|cause| Error::Bug(format!("serving: {cause}"))),
            Ok(Err(cause)) => Err(Error::Bug(format!("serving: {cause}"))),
            Err(_) => {
                // The transport waits for every connection without bound; idle ones may be held open by their clients.
                abort.abort();
                Ok(false)
            }
        };
        // Operators watch until the end.
        if let Some(admin) = self.admin {
            admin.serving.abort();
        }
        ended
    }
}

impl Admin {
    async fn start(wanted: SocketAddr, routes: Routes, calls: CallsLayer) -> Result<Self> {
        let (listener, address) = listen("server.admin_listen", wanted).await?;
        let router = tonic::transport::Server::builder().accept_http1(true).layer(calls).add_routes(routes);
        Ok(Self { address, serving: tokio::spawn(router.serve_with_incoming(incoming(listener))) })
    }
}

fn for_callers() -> Result<tonic_reflection::server::Builder<'static>> {
    let public = public_descriptors().map_err(|cause| Error::Bug(format!("descriptors: {cause}")))?;
    Ok(tonic_reflection::server::Builder::configure()
        .register_file_descriptor_set(public)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET))
}

/// The contract's messages are described, its services for callers are not there.
fn for_operators() -> tonic_reflection::server::Builder<'static> {
    let served = ["wildwarden.v1.ModelService", "grpc.health.v1.Health"];
    let all = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    served.into_iter().fold(all, tonic_reflection::server::Builder::with_service_name)
}

fn no_reflection(cause: tonic_reflection::server::Error) -> Error {
    Error::Bug(format!("reflection: {cause}"))
}

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        health.set_service_status(service, status).await;
    }
}

async fn listen(key: &str, wanted: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let refused = |cause| Error::setup(format!("{key}: {wanted}: {cause}"));
    let listener = TcpListener::bind(wanted).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

fn incoming(listener: TcpListener) -> TcpIncoming {
    // Without TCP_NODELAY an answer may wait 40 ms for the acknowledgement of its headers.
    TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(KEEPALIVE))
}
