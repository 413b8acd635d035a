//! Keys, and what they allow.

use serde::Deserialize;

use crate::error::{Error, Result};

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Rate listings.
    Classify,
    /// Read limits and versions.
    Info,
    /// Run models on tensors, read what they take and how they run.
    Infer,
    /// Load, promote and roll back models.
    Admin,
}

/// A key that may call.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Name for logs.
    pub name: String,
    /// SHA-256 of the key, lower-case hex.
    pub sha256: String,
    /// What it allows.
    pub roles: Vec<Role>,
    /// Its share of the workers in relation to others', 1 to 1000.
    #[serde(default = "one")]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey")
            .field("name", &self.name)
            .field("sha256", &"***")
            .field("roles", &self.roles)
            .field("weight", &self.weight)
            .finish()
    }
}

impl ApiKey {
    /// # Errors
    /// [`Error::Setup`] naming the key whose hash is none, or is another's, too: only the first of two would count.
    pub(super) fn check_all(keys: &[Self]) -> Result<()> {
        for (index, key) in keys.iter().enumerate() {
            key.check()?;
            if let Some(other) = keys.iter().take(index).find(|other| other.sha256 == key.sha256) {
                return Err(Error::setup(format!("auth.keys.{}: sha256 is that of {}, too", key.name, other.name)));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if !(1..=1000).contains(&self.weight) {
            return Err(Error::setup(format!("auth.keys.{}: weight {} must be in 1 to 1000", self.name, self.weight)));
        }
        if self.sha256.len() == 64 && self.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(());
        }
        Err(Error::setup(format!("auth.keys.{}: sha256 must be 64 lower-case hex digits", self.name)))
    }
}
