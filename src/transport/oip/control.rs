//! What the repository's RPCs need of whoever loads models.

use crate::error::{Error, Result};

/// A version that is known and not in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// Name of the model.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Why it does not serve, in a sentence.
    pub reason: String,
}

/// Loads and unloads models while the server runs.
#[tonic::async_trait]
pub trait ModelControl: std::fmt::Debug + Send + Sync {
    /// Puts the newest version of `model` into service; returns once it serves.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such model; [`Error::Refused`] when it cannot serve, with the reason.
    async fn load(&self, model: &str) -> Result<()>;

    /// Takes `model` out of service; returns once no new request gets it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not in service; [`Error::Refused`] when others need it.
    async fn unload(&self, model: &str) -> Result<()>;

    /// Versions that are known and not in service.
    async fn unavailable(&self) -> Vec<Unavailable>;
}

/// Of a server whose models are those of its start.
#[derive(Debug)]
pub struct NoControl;

fn fixed() -> Error {
    Error::Refused("this server loads its models when it starts; restart it to serve others".into())
}

#[tonic::async_trait]
impl ModelControl for NoControl {
    async fn load(&self, _model: &str) -> Result<()> {
        Err(fixed())
    }

    async fn unload(&self, _model: &str) -> Result<()> {
        Err(fixed())
    }

    async fn unavailable(&self) -> Vec<Unavailable> {
        Vec::new()
    }
}
