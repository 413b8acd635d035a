//! Builds the parts, serves, drains. The only file that may know all others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OnceCell, watch};
use tokio::task::{JoinHandle, JoinSet};
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;
use tower::Layer;
use wildwarden_core::config::Config;
use wildwarden_core::error::{Error, Result};
use wildwarden_proto::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use wildwarden_proto::v1::model_service_server::ModelServiceServer;
use wildwarden_proto::v1::risk_service_server::RiskServiceServer;
use wildwarden_proto::{DESCRIPTORS, public_descriptors};

use crate::lifecycle::Lifecycle;
use crate::transport::admin;
use crate::transport::arriving::Pace;
use crate::transport::caller::Callers;
use crate::transport::calls::{Calls, CallsLayer, OverHttp};
use crate::transport::connection::Manners;
use crate::transport::connections::{self, Rules};
use crate::transport::console;
use crate::transport::entrance::Entrance;
use crate::transport::guard::{Guard, as_invalid_argument_in_headers};
use crate::transport::ledger::Ledger;
use crate::transport::models::Models;
use crate::transport::oip::Oip;
use crate::transport::oip::control::Control;
use crate::transport::repeats::Repeats;
use crate::transport::rest;
use crate::transport::service::{CONCURRENT_ITEMS, Service, Shared};
use crate::transport::tls::Tls;
use crate::transport::traces::Traces;

/// What health is told of; "" is the whole server.
const SERVICES: [&str; 3] = ["", "wildwarden.v1.RiskService", "inference.GRPCInferenceService"];
/// What a connection that was told to go has to do so, with nothing under way.
const GOING: Duration = Duration::from_secs(5);
/// How often health follows what the workers do.
const LOOK: Duration = Duration::from_millis(500);

/// A server that listens. Models load behind it; until they are ready, health says NOT_SERVING and calls get UNAVAILABLE.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    health: HealthReporter,
    config: Arc<Config>,
    lifecycle: Arc<OnceCell<Lifecycle>>,
    stop: watch::Sender<bool>,
    serving: JoinSet<()>,
    admin: Option<Beside>,
    console: Option<Beside>,
    watching: OnceCell<AbortOnDrop>,
}

/// A listener beside that of callers: for operators, or for browsers.
#[derive(Debug)]
struct Beside {
    address: SocketAddr,
    serving: JoinHandle<()>,
    _stop: watch::Sender<bool>,
}

impl Server {
    /// Binds the listener and begins to serve health and reflection.
    ///
    /// # Errors
    /// [`Error::Setup`] when the address cannot be bound.
    pub async fn bind(config: Config) -> Result<Self> {
        let config = Arc::new(config);
        let (entrance, address) = Entrance::tcp("server.listen", config.server.listen).await?;
        let local = config.server.unix_socket.as_deref();
        let local = local.map(|path| Entrance::unix("server.unix_socket", path)).transpose()?;
        let shared = shared(&config)?;

        let (health, health_service) = tonic_health::server::health_reporter();
        // The reporter is born SERVING; nothing is ready yet, and the port is already open.
        set_health(&health, ServingStatus::NotServing).await;

        let lifecycle: Arc<OnceCell<Lifecycle>> = Arc::default();
        let models = Models { lifecycle: Arc::clone(&lifecycle) };
        let page = console::routes(Arc::clone(&shared), models.clone());
        let guard = Guard::new(&config.keys, &config.openly);
        let calls = CallsLayer { guard, shared: Arc::clone(&shared), pace: pace(&config), http: OverHttp::Pages };
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
        let callers = callers(&config, &shared, &lifecycle, health_service)?;
        let rules = rules(&config);
        let (stop, stopped) = watch::channel(false);
        let operators = (config.server.admin_listen, calls.layer(operators.prepare()));
        let admin = Beside::start("server.admin_listen", operators, &config, rules).await?;
        let over_http = OverHttp::Console(config.server.console_names.clone().into());
        let console = CallsLayer { http: over_http, ..calls.clone() }.layer(Routes::from(page).prepare());
        let console = (config.server.console_listen, console);
        let console = Beside::start("server.console_listen", console, &config, rules).await?;
        let http = config.server.http;
        let over_http = if http { OverHttp::Calls } else { OverHttp::Pages };
        let (calls, rules) = (CallsLayer { http: over_http, ..calls }, Rules { http1: http, ..rules });
        let answers = calls.layer(mend.layer(callers));
        let mut serving = JoinSet::new();
        if let Some(local) = local {
            serving.spawn(connections::serve(local, None, answers.clone(), rules, stopped.clone()));
        }
        serving.spawn(connections::serve(entrance, tls(&config, http)?, answers, rules, stopped));
        Ok(Self {
            address,
            shared,
            health,
            config,
            lifecycle,
            stop,
            serving,
            admin,
            console,
            watching: OnceCell::new(),
        })
    }

    /// The bound address; for port 0 the one the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators reach it. `None`: no `server.admin_listen`.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Where browsers reach the console. `None`: no `server.console_listen`.
    pub fn console_address(&self) -> Option<SocketAddr> {
        self.console.as_ref().map(|console| console.address)
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
        self.shared.metrics.built(env!("CARGO_PKG_VERSION"), pipeline.runtime_build());
        let twice = |cause: String| Error::Bug(format!("setting the models: {cause}"));
        self.shared.pipeline.set(pipeline).map_err(|cause| twice(cause.to_string()))?;
        self.lifecycle.set(lifecycle).map_err(|cause| twice(cause.to_string()))?;
        set_health(&self.health, ServingStatus::Serving).await;
        let watching = tokio::spawn(watch_workers(self.health.clone(), Arc::clone(&self.shared)));
        self.watching.set(AbortOnDrop(watching)).map_err(|cause| twice(cause.to_string()))
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
    pub async fn drain(mut self) -> Result<bool> {
        if let Some(watching) = self.watching.take() {
            watching.end().await;
        }
        // Health first: balancers stop sending before connections are told to go. New calls on open connections are
        // refused by the flag; then the listener closes and every connection gets GOAWAY.
        set_health(&self.health, ServingStatus::NotServing).await;
        tokio::time::sleep(self.config.server.drain_grace).await;
        self.shared.draining.store(true, Ordering::Release);
        self.stop.send_replace(true);
        let all = async {
            while let Some(served) = self.serving.join_next().await {
                served.map_err(|cause| Error::Bug(format!("serving: {cause}")))?;
            }
            Ok::<bool, Error>(true)
        };
        let ended = tokio::time::timeout(self.config.server.drain, all).await.unwrap_or_else(|_| {
            // Dropped, they cut every connection.
            self.serving.abort_all();
            Ok(false)
        });
        for beside in [self.admin, self.console].into_iter().flatten() {
            beside.serving.abort();
        }
        self.shared.traces.end().await;
        ended
    }
}

impl Beside {
    /// Listens where the setting `key` says, if it does.
    async fn start(
        key: &str,
        (wanted, answers): (Option<SocketAddr>, Calls<Routes>),
        config: &Config,
        rules: Rules,
    ) -> Result<Option<Self>> {
        let Some(wanted) = wanted else { return Ok(None) };
        let (entrance, address) = Entrance::tcp(key, wanted).await?;
        // Operators watch until the end: nothing tells their connections to go.
        let (stop, stopped) = watch::channel(false);
        let rules = Rules { http1: true, ..rules };
        let serving = tokio::spawn(connections::serve(entrance, tls(config, true)?, answers, rules, stopped));
        Ok(Some(Self { address, serving, _stop: stop }))
    }
}

/// Files that are open besides connections: models, logs, listeners, what the system needs.
const OTHER_FILES: u64 = 128;

/// Connections that the process has files for, at most `wanted`.
fn connections_for(wanted: usize) -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let possible = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX).max(16);
    if possible < wanted {
        tracing::warn!(
            files,
            possible,
            "fewer connections than server.max_connections: the process may open no more files (ulimit -n)"
        );
    }
    wanted.min(possible)
}

/// What callers may call.
fn callers(
    config: &Config,
    shared: &Arc<Shared>,
    lifecycle: &Arc<OnceCell<Lifecycle>>,
    health: HealthServer<impl Health>,
) -> Result<Routes> {
    let most = config.limits.max_message_bytes;
    let risk = RiskServiceServer::new(Service(Arc::clone(shared)))
        .max_decoding_message_size(most)
        // The limit counts what comes out: a few kilobytes may hold gigabytes.
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate);
    let oip = GrpcInferenceServiceServer::new(Oip::new(Arc::clone(shared), Control(Arc::clone(lifecycle))))
        .max_decoding_message_size(most)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate);
    let all = resources(config, shared)
        .add_service(health)
        .add_service(for_callers()?.build_v1().map_err(no_reflection)?)
        .add_service(for_callers()?.build_v1alpha().map_err(no_reflection)?)
        .add_service(risk)
        .add_service(oip);
    Ok(all.prepare())
}

/// What is taken over HTTP.
fn resources(config: &Config, shared: &Arc<Shared>) -> Routes {
    if config.server.http { Routes::from(rest::routes(Arc::clone(shared))) } else { Routes::default() }
}

/// What all calls share.
///
/// # Errors
/// See [`Traces::new`].
fn shared(config: &Config) -> Result<Arc<Shared>> {
    Ok(Arc::new(Shared {
        pipeline: OnceCell::new(),
        draining: AtomicBool::new(false),
        limits: config.limits,
        metrics: Arc::default(),
        ledger: Ledger::new(config.limits.max_bytes_in_flight),
        callers: Callers::new(config.server.max_calls_of_a_caller, config.server.max_calls_per_second_of_a_caller),
        repeats: Repeats::new(config.cache_answers),
        traces: Traces::new(&config.traces)?,
    }))
}

/// How long senders may take.
fn pace(config: &Config) -> Pace {
    Pace {
        stall: config.server.stall,
        message: config.server.message,
        between: config.server.stream_idle,
        inflated: config.limits.max_message_bytes,
        at_once: CONCURRENT_ITEMS + 1,
    }
}

/// TLS as the configuration has it.
fn tls(config: &Config, pages: bool) -> Result<Option<Arc<Tls>>> {
    config.server.tls.as_ref().map(|files| Tls::watch(files, pages)).transpose()
}

/// What connections may do.
fn rules(config: &Config) -> Rules {
    let server = &config.server;
    let manners = Manners {
        first_call: server.first_call,
        idle: server.idle,
        age: server.connection_age,
        grace: GOING,
        stall: server.stall,
    };
    Rules {
        most: connections_for(server.max_connections),
        streams: server.max_concurrent_streams,
        manners,
        http1: false,
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

/// A task that ends with what it is for.
#[derive(Debug)]
struct AbortOnDrop(JoinHandle<()>);

impl AbortOnDrop {
    /// Returns once it has ended.
    async fn end(mut self) {
        self.0.abort();
        // That it was ended is what it says.
        let _ = (&mut self.0).await;
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Says NOT_SERVING while a worker does not return: what it holds is lost until the process is started anew, and others should be asked.
/// Calls are answered as before.
async fn watch_workers(health: HealthReporter, shared: Arc<Shared>) {
    let mut was_whole = true;
    loop {
        tokio::time::sleep(LOOK).await;
        let is_whole = shared.is_whole();
        if is_whole != was_whole {
            let status = if is_whole { ServingStatus::Serving } else { ServingStatus::NotServing };
            set_health(&health, status).await;
            was_whole = is_whole;
        }
    }
}
