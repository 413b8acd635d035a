//! TLS at the door: the server's certificate, and who may come in by one of their own. Files are read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use ring::digest::{SHA256, digest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use wildwarden_core::config::TlsFiles;
use wildwarden_core::error::{Error, Result};
use wildwarden_core::model::folder::files::plain;

/// Time in which a peer has shown who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Of a file; one of authorities may hold hundreds.
const MAX_BYTES: u64 = 4 << 20;
/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What TLS is spoken with.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    protocols: Vec<Vec<u8>>,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads `files`, and from now on again whenever one of them changes, as long as what it returns is kept. `pages`: HTTP/1 is spoken,
    /// too.
    ///
    /// # Errors
    /// [`Error::Setup`] naming the file.
    pub fn watch(files: &TlsFiles, pages: bool) -> Result<Arc<Self>> {
        let mut protocols = vec![b"h2".to_vec()];
        protocols.extend(pages.then(|| b"http/1.1".to_vec()));
        let current = ArcSwap::from_pointee(config(files, &protocols)?);
        let tls = Arc::new(Self { files: files.clone(), protocols, current });
        let watched = Arc::downgrade(&tls);
        let mut seen = tls.stamps();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(tls) = watched.upgrade() else { return };
                // A file system that does not answer holds up nobody who calls.
                let looked = tokio::task::spawn_blocking(move || tls.look(seen)).await;
                let Ok(stamps) = looked else { return };
                seen = stamps;
            }
        });
        Ok(tls)
    }

    /// Reads the files when they are others than `seen`. As they are now.
    fn look(&self, seen: Vec<Option<SystemTime>>) -> Vec<Option<SystemTime>> {
        let now = self.stamps();
        if now != seen {
            self.read_again();
        }
        now
    }

    /// What is wrong with new files leaves the old in service.
    fn read_again(&self) {
        match config(&self.files, &self.protocols) {
            Ok(fresh) => {
                self.current.store(Arc::new(fresh));
                tracing::info!(certificate = %self.files.certificate.display(), "certificates were read again");
            }
            Err(error) => tracing::error!(%error, "new certificates are refused; the old ones serve"),
        }
    }

    fn stamps(&self) -> Vec<Option<SystemTime>> {
        let files = [Some(&self.files.certificate), Some(&self.files.key), self.files.client_ca.as_ref()];
        let stamp = |path: &PathBuf| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        files.into_iter().flatten().map(stamp).collect()
    }

    /// Shakes hands. `None`: the peer does not know how, takes too long, or has no certificate where it needs one.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Option<TlsStream<S>> {
        let acceptor = TlsAcceptor::from(self.current.load_full());
        match timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(cause)) => {
                tracing::debug!(%cause, "a TLS handshake failed");
                None
            }
            Err(_) => None,
        }
    }
}

/// SHA-256 of the certificate that the peer showed, lower-case hex; `None`: it showed none.
pub fn fingerprint<S>(stream: &TlsStream<S>) -> Option<String> {
    let (_, connection) = stream.get_ref();
    let certificate = connection.peer_certificates()?.first()?;
    Some(digest(&SHA256, certificate).as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn config(files: &TlsFiles, protocols: &[Vec<u8>]) -> Result<ServerConfig> {
    let chain = certificates(&files.certificate)?;
    let key = plain(&files.key, MAX_BYTES)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|cause| Error::file(&files.key, cause))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|cause| Error::Bug(format!("TLS: {cause}")))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|cause| Error::file(path, cause))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
            let verifier = if files.client_required { verifier } else { verifier.allow_unauthenticated() };
            builder.with_client_cert_verifier(verifier.build().map_err(|cause| Error::file(path, cause))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|cause| Error::file(&files.certificate, cause))?;
    config.alpn_protocols = protocols.to_vec();
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let told = |cause: String| Error::file(path, cause);
    let content = plain(path, MAX_BYTES)?;
    let all = CertificateDer::pem_slice_iter(&content).collect::<std::result::Result<Vec<_>, _>>();
    let all = all.map_err(|cause| told(cause.to_string()))?;
    if all.is_empty() { Err(told("holds no certificate".into())) } else { Ok(all) }
}
