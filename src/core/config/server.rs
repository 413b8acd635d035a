//! `[server]`: where callers come in, and how long they may take.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::numbers::{number, size};
use super::parts::{Listeners, TlsFiles};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    listen: String,
    unix_socket: PathBuf,
    admin_listen: String,
    console_listen: String,
    console_names: Vec<String>,
    drain_seconds: u64,
    drain_grace_seconds: u64,
    max_concurrent_streams: u64,
    max_connections: u64,
    max_calls_of_a_caller: u64,
    max_calls_per_second_of_a_caller: u64,
    first_call_seconds: u64,
    idle_seconds: u64,
    connection_age_seconds: u64,
    stall_seconds: u64,
    message_seconds: u64,
    stream_idle_seconds: u64,
    plaintext: bool,
    http: bool,
}

impl RawServer {
    /// # Errors
    /// [`Error::Setup`] naming the key, its value and what is allowed.
    pub(super) fn check(&self, tls: Option<TlsFiles>, has_admin_key: bool) -> Result<Listeners> {
        let admin_listen = optional_address("server.admin_listen", &self.admin_listen)?;
        let console_listen = optional_address("server.console_listen", &self.console_listen)?;
        let listen = address("server.listen", &self.listen)?;
        for (key, given) in [
            ("server.listen", Some(listen)),
            ("server.admin_listen", admin_listen),
            ("server.console_listen", console_listen),
        ] {
            let Some(given) = given.filter(|given| !given.ip().is_loopback()) else { continue };
            if tls.is_none() && !self.plaintext {
                return Err(Error::setup(format!(
                    "{key}: {given} is not this machine alone, and calls would come in plain text: set up [tls], or say \
                     server.plaintext = true where something in front of it does that"
                )));
            }
            if key != "server.listen" && !has_admin_key {
                return Err(Error::setup(format!(
                    "{key}: {given} is not this machine alone, and whoever reaches it is an operator: set up a key with the role admin \
                     (auth.keys)"
                )));
            }
        }
        let seconds = |key: &str, value, most| number(key, value, 1..=most).map(Duration::from_secs);
        let streams = number("server.max_concurrent_streams", self.max_concurrent_streams, 1..=10_000)?;
        Ok(Listeners {
            listen,
            unix_socket: socket(&self.unix_socket)?,
            admin_listen,
            console_listen,
            console_names: names(&self.console_names)?,
            drain: Duration::from_secs(number("server.drain_seconds", self.drain_seconds, 0..=600)?),
            drain_grace: Duration::from_secs(number("server.drain_grace_seconds", self.drain_grace_seconds, 0..=600)?),
            max_concurrent_streams: u32::try_from(streams).unwrap_or(u32::MAX),
            max_connections: size("server.max_connections", self.max_connections, 1..=1_000_000)?,
            max_calls_of_a_caller: size("server.max_calls_of_a_caller", self.max_calls_of_a_caller, 1..=1_000_000)?,
            max_calls_per_second_of_a_caller: u32::try_from(number(
                "server.max_calls_per_second_of_a_caller",
                self.max_calls_per_second_of_a_caller,
                0..=1_000_000,
            )?)
            .unwrap_or(u32::MAX),
            first_call: seconds("server.first_call_seconds", self.first_call_seconds, 3600)?,
            idle: seconds("server.idle_seconds", self.idle_seconds, 86_400)?,
            connection_age: seconds("server.connection_age_seconds", self.connection_age_seconds, 31_536_000)?,
            stall: seconds("server.stall_seconds", self.stall_seconds, 3600)?,
            message: seconds("server.message_seconds", self.message_seconds, 3600)?,
            stream_idle: seconds("server.stream_idle_seconds", self.stream_idle_seconds, 86_400)?,
            tls,
            http: self.http,
        })
    }
}

fn address(key: &str, given: &str) -> Result<SocketAddr> {
    given.parse().map_err(|cause| {
        Error::setup(format!("{key}: {given:?} is not an address and port like 127.0.0.1:50051: {cause}"))
    })
}

/// Empty: none.
fn optional_address(key: &str, given: &str) -> Result<Option<SocketAddr>> {
    (!given.is_empty()).then(|| address(key, given)).transpose()
}

/// Names of hosts, as browsers send them, without ports.
fn names(given: &[String]) -> Result<Vec<String>> {
    let is_name = |name: &&String| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    match given.iter().find(|name| name.is_empty() || !is_name(name)) {
        Some(other) => Err(Error::setup(format!(
            "server.console_names: {other:?} must be the name of a host, such as console.example, without a port"
        ))),
        None => Ok(given.to_vec()),
    }
}

/// Bytes that a socket's path may have: the system's own limit.
const MOST_PATH_BYTES: usize = 107;

fn socket(given: &Path) -> Result<Option<PathBuf>> {
    let bytes = given.as_os_str().len();
    if bytes > MOST_PATH_BYTES {
        let given = given.display();
        return Err(Error::setup(format!("server.unix_socket: {given} has {bytes} bytes, at most {MOST_PATH_BYTES}")));
    }
    Ok((bytes > 0).then(|| given.to_owned()))
}

/// `[tls]`, as the file has it: empty paths are none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: PathBuf,
    client_required: bool,
}

impl RawTls {
    /// # Errors
    /// [`Error::Setup`]: one file without the other that it needs.
    pub(super) fn check(self) -> Result<Option<TlsFiles>> {
        let given = |path: &Path| !path.as_os_str().is_empty();
        let Self { certificate, key, client_ca, client_required } = self;
        let client_ca = Some(client_ca).filter(|path| given(path));
        match (given(&certificate), given(&key)) {
            (false, false) if client_ca.is_none() && !client_required => Ok(None),
            (true, true) if client_ca.is_some() || !client_required => {
                Ok(Some(TlsFiles { certificate, key, client_ca, client_required }))
            }
            (true, true) => {
                Err(Error::setup("tls.client_required: needs tls.client_ca, whose certificates callers show"))
            }
            _ => Err(Error::setup("tls: needs certificate and key, both")),
        }
    }
}
