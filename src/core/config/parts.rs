//! The parts of the checked settings.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::models::Rollout;
use crate::model::catalogue::choice::Rules;
use crate::model::runtime::provider::Provider;
use crate::schedule::BatchRule;

/// Where callers and operators come in.
#[derive(Debug, Clone)]
pub struct Listeners {
    /// Listener of the public services.
    pub listen: SocketAddr,
    /// A socket in the file system for callers on this machine; none: there is no such way in.
    pub unix_socket: Option<PathBuf>,
    /// Listener for operators; none: they have no way in.
    pub admin_listen: Option<SocketAddr>,
    /// Listener of the console; none: there is no console.
    pub console_listen: Option<SocketAddr>,
    /// Names beside addresses and localhost by which browsers reach the console.
    pub console_names: Vec<String>,
    /// Time running requests have to finish after SIGTERM.
    pub drain: Duration,
    /// Time between health's word that the server goes, and its going.
    pub drain_grace: Duration,
    /// Requests one connection may have open.
    pub max_concurrent_streams: u32,
    /// Connections at the same time, at least 1.
    pub max_connections: usize,
    /// Calls one caller may have under way, at least 1.
    pub max_calls_of_a_caller: usize,
    /// Calls one caller may begin a second; 0: any number.
    pub max_calls_per_second_of_a_caller: u32,
    /// How long a connection may be open before its first call.
    pub first_call: Duration,
    /// How long it may be open without a call.
    pub idle: Duration,
    /// How long it may be open in all; what is under way then is finished.
    pub connection_age: Duration,
    /// Until the next byte of a message, and until a part of an answer is taken.
    pub stall: Duration,
    /// From the first byte of a message to its last.
    pub message: Duration,
    /// Between two messages of a stream.
    pub stream_idle: Duration,
    /// TLS; `None`: calls come in plain text.
    pub tls: Option<TlsFiles>,
    /// Calls are taken over HTTP, too, on the public listener.
    pub http: bool,
}

/// What TLS is spoken with: files in PEM, read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and the authority that callers trust.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities whose certificates callers may show; `None`: callers are asked for none.
    pub client_ca: Option<PathBuf>,
    /// Who shows none is not let in.
    pub client_required: bool,
}

/// Where models come from.
#[derive(Debug, Clone)]
pub struct Folders {
    /// Directory with `<name>/<version>/model.toml`.
    pub models: PathBuf,
    /// Bytes a file of a model folder may have.
    pub max_file_bytes: u64,
    /// Look at the folders when the system says that they changed.
    pub watch: bool,
    /// Start as if nothing had been decided before.
    pub ignore_state: bool,
}

/// What a running server takes over when it reads its configuration again.
#[derive(Debug, Clone)]
pub struct Reloadable {
    /// Policy file.
    pub policy: PathBuf,
    /// Which versions serve, by the model's name.
    pub versions: Rules,
    /// Time between two looks at the folders; zero: none.
    pub poll: Duration,
    /// How new versions are tried and when they are taken back.
    pub rollout: Rollout,
}

/// What models run on.
#[derive(Debug, Clone)]
pub struct RuntimeSettings {
    /// ONNX Runtime library.
    pub onnxruntime: PathBuf,
    /// What carries models' operators out.
    pub provider: Provider,
    /// Whether a provider that is not there is done without.
    pub fallback: bool,
    /// Worker threads, at least 1.
    pub workers: usize,
    /// Threads a model session runs on, at least 1.
    pub intra_op_threads: usize,
}

/// Log lines.
#[derive(Debug, Clone)]
pub struct Log {
    /// Print them as JSON.
    pub json: bool,
    /// Directives of a `tracing` filter, such as `info,ort=warn`.
    pub level: String,
}

/// Where spans of calls go.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// The collector; `None`: nowhere.
    pub otlp: Option<String>,
    /// Of the calls that are in no trace of their caller's, the share of which one is begun, 0 to 1.
    pub share: f64,
}

/// How jobs are put together, by kind. The models over an image share its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Of images.
    pub image: BatchRule,
    /// Of texts.
    pub text: BatchRule,
}

/// Limits of requests, all inclusive. Published by `GetServerInfo`.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Images a listing.
    pub max_images: usize,
    /// Bytes an image.
    pub max_image_bytes: usize,
    /// Width times height of an image, from its header.
    pub max_image_pixels: u64,
    /// Bytes of title and description together.
    pub max_text_bytes: usize,
    /// Listings a batch.
    pub max_batch_items: usize,
    /// Bytes of one gRPC message.
    pub max_message_bytes: usize,
    /// Bytes of all messages that arrive, wait or are rated.
    pub max_bytes_in_flight: usize,
    /// Bytes of `request_id`, `listing_id`, an `image_id`, and the id of a `ModelInfer`.
    pub max_id_bytes: usize,
    /// Rows of tensors, images or texts, a `ModelInfer`.
    pub max_infer_rows: usize,
}
