//! Which server a command speaks to, and with which key.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// A server that rates.
#[derive(Debug, Clone, Args)]
pub struct Peer {
    /// The server to ask: a URL, or host:port.
    #[arg(long, value_name = "URL", env = "WILDWARDEN_SERVER", default_value = "http://127.0.0.1:50051")]
    pub server: String,
    /// Key to send as `authorization: Bearer`. Better kept in a file: --key "$(cat key)".
    #[arg(long, env = "WILDWARDEN_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// With TLS.
    #[command(flatten)]
    pub trust: Trust,
}

/// A server's listener for operators.
#[derive(Debug, Clone, Args)]
pub struct OperatorPeer {
    /// The server's listener for operators: a URL, or host:port.
    #[arg(long, value_name = "URL", env = "WILDWARDEN_OPERATORS", default_value = "http://127.0.0.1:50052")]
    pub server: String,
    /// Key to send as `authorization: Bearer`; it needs the role admin. Better kept in a file: --key "$(cat key)".
    #[arg(long, env = "WILDWARDEN_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// With TLS.
    #[command(flatten)]
    pub trust: Trust,
}

/// Whom a command trusts, and what it shows, where the server is at https://.
#[derive(Debug, Clone, Default, Args)]
pub struct Trust {
    /// Authorities that the server's certificate may be from, in PEM; those of the system otherwise.
    #[arg(long, value_name = "FILE", env = "WILDWARDEN_CA")]
    pub ca: Option<PathBuf>,
    /// Certificate to show, in PEM; with its key.
    #[arg(long, value_name = "FILE", env = "WILDWARDEN_CERTIFICATE", requires = "certificate_key")]
    pub certificate: Option<PathBuf>,
    /// Its private key, in PEM.
    #[arg(long, value_name = "FILE", env = "WILDWARDEN_CERTIFICATE_KEY", requires = "certificate")]
    pub certificate_key: Option<PathBuf>,
}

impl Trust {
    /// Where `server` names a URL, or host:port, with TLS where it says https.
    ///
    /// # Errors
    /// When it is neither, or a file cannot be read.
    pub fn endpoint(&self, server: &str) -> anyhow::Result<Endpoint> {
        let url = url(server, &["http", "https"]).map_err(|problem| anyhow!("--server {server:?}: {problem}"))?;
        let endpoint = Endpoint::from_shared(url.clone()).with_context(|| format!("--server {server}"))?;
        if !url.starts_with("https") {
            return Ok(endpoint);
        }
        let read = |path: &PathBuf| std::fs::read(path).with_context(|| path.display().to_string());
        let tls = match &self.ca {
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        let tls = match (&self.certificate, &self.certificate_key) {
            (Some(certificate), Some(key)) => tls.identity(Identity::from_pem(read(certificate)?, read(key)?)),
            _ => tls,
        };
        endpoint.tls_config(tls).with_context(|| format!("--server {server}"))
    }
}

/// Where the server is that `--server` names, in plain text.
///
/// # Errors
/// When it is neither a URL nor host:port.
pub fn address(server: &str) -> anyhow::Result<String> {
    url(server, &["http"]).map_err(|problem| anyhow!("--server {server:?}: {problem}"))
}

/// `given` with its scheme, `http` where it names none.
fn url(given: &str, spoken: &[&str]) -> Result<String, String> {
    let url = if given.contains("://") { given.to_owned() } else { format!("http://{given}") };
    let told = |problem: &str| format!("{problem}; for example http://127.0.0.1:50051");
    let parsed: http::Uri = url.parse().map_err(|cause| told(&format!("{cause}")))?;
    match (parsed.scheme_str(), parsed.port()) {
        (Some(scheme), Some(_)) if spoken.contains(&scheme) => Ok(url),
        (Some(scheme), None) if spoken.contains(&scheme) => Err(told("names no port")),
        (other, _) => {
            let (other, spoken) = (other.unwrap_or_default(), spoken.join(" and "));
            Err(told(&format!("{other} is not spoken here, only {spoken}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_url_or_host_and_port() {
        for given in ["127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1/"] {
            assert!(url(given, &["http"]).unwrap().starts_with("http://127.0.0.1:1"), "{given}");
        }
        assert_eq!(url("[::1]:50051", &["http"]).unwrap(), "http://[::1]:50051");
        for nonsense in ["", "localhost", "https://127.0.0.1:1", "http://", "a b:1", "127.0.0.1:x"] {
            assert!(url(nonsense, &["http"]).is_err(), "{nonsense:?}");
        }
        assert!(url("https://a:1", &["http", "https"]).is_ok() && url("ftp://a:1", &["http", "https"]).is_err());
    }
}
