//! Which server a command speaks to, and with which key.

use clap::Args;

/// A server that rates.
#[derive(Debug, Clone, Args)]
pub struct Peer {
    /// The server to ask: a URL, or host:port.
    #[arg(long, value_name = "URL", env = "WILDWARDEN_SERVER", default_value = "http://127.0.0.1:50051")]
    pub server: String,
    /// Key to send as `authorization: Bearer`. Better kept in a file: --key "$(cat key)".
    #[arg(long, env = "WILDWARDEN_KEY", hide_env_values = true)]
    pub key: Option<String>,
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
}

/// Where the server is that `--server` names.
///
/// # Errors
/// When it is neither a URL nor host:port.
pub fn address(server: &str) -> anyhow::Result<String> {
    url(server).map_err(|problem| anyhow::anyhow!("--server {server:?}: {problem}"))
}

/// `given` with its scheme, `http` where it names none.
fn url(given: &str) -> Result<String, String> {
    let url = if given.contains("://") { given.to_owned() } else { format!("http://{given}") };
    let told = |problem: &str| format!("{problem}; for example http://127.0.0.1:50051");
    let parsed: http::Uri = url.parse().map_err(|cause| told(&format!("{cause}")))?;
    match (parsed.scheme_str(), parsed.port()) {
        (Some("http"), Some(_)) => Ok(url),
        (Some("http"), None) => Err(told("names no port")),
        (other, _) => Err(told(&format!("{} is not spoken, only http", other.unwrap_or_default()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_url_or_host_and_port() {
        for given in ["127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1/"] {
            assert!(url(given).unwrap().starts_with("http://127.0.0.1:1"), "{given}");
        }
        assert_eq!(url("[::1]:50051").unwrap(), "http://[::1]:50051");
        for nonsense in ["", "localhost", "https://127.0.0.1:1", "http://", "a b:1", "127.0.0.1:x"] {
            assert!(url(nonsense).is_err(), "{nonsense:?}");
        }
    }
}
