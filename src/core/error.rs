//! The one error type, its variants split by who must act. It knows nothing of gRPC: `transport::status` maps it.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Result with [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong, by who must act.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The caller sent something the contract does not allow.
    #[error("{field}: {message}")]
    Invalid {
        /// Path of the field in the request, for example `images[2].content`.
        field: String,
        /// What was wrong, with the value and what is allowed.
        message: String,
    },
    /// The caller should come back later.
    #[error("the server is full: {why}")]
    Overloaded {
        /// What there is too much of.
        why: Full,
        /// When there is likely to be room.
        retry_after: Duration,
    },
    /// The caller's deadline passed before there was an answer.
    #[error("the deadline passed before there was an answer")]
    DeadlineExceeded,
    /// The server cannot answer now: it starts, drains, or has no model.
    #[error("not ready: {0}")]
    NotReady(String),
    /// No or unknown credentials.
    #[error("{0}")]
    Unauthenticated(String),
    /// Known credentials without the role the call needs.
    #[error("{0}")]
    PermissionDenied(String),
    /// There is nothing of that name.
    #[error("{0}")]
    NotFound(String),
    /// An operator's call that cannot be done as things are: nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// The operator must mend a file or a setting: configuration, policy, model folder, runtime library.
    #[error("{}{problem}", of_file(.file.as_deref()))]
    Setup {
        /// The file or folder, where it is one that must be mended.
        file: Option<PathBuf>,
        /// One sentence with key and value.
        problem: String,
    },
    /// A model failed or gave a non-finite score.
    #[error("model {model}: {message}")]
    Model {
        /// Name of the model.
        model: String,
        /// What it did.
        message: String,
    },
    /// A fault of this program.
    #[error("internal fault: {0}")]
    Bug(String),
}

/// What there is too much of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Jobs that wait.
    #[error("{queued} of {capacity} places of the queue (scheduler.queue_capacity) are taken")]
    Places {
        /// Jobs waiting.
        queued: usize,
        /// Jobs that may wait.
        capacity: usize,
    },
    /// Work that is to be done before.
    #[error("an answer would wait {} ms, and none waits longer than {} ms ({key})", .expected.as_millis(), .most.as_millis())]
    Wait {
        /// How long it would wait.
        expected: Duration,
        /// How long one may.
        most: Duration,
        /// The setting that says so.
        key: &'static str,
    },
    /// Work that is to be done before the caller's deadline.
    #[error("an answer would take {} ms, and the caller waits {} ms more", .expected.as_millis(), .left.as_millis())]
    Late {
        /// How long it would take.
        expected: Duration,
        /// How long the caller waits.
        left: Duration,
    },
    /// What one caller has under way.
    #[error("{name} has {found} {what}, and a caller has at most {most} ({key})")]
    Caller {
        /// Name of the caller's key, or its address.
        name: String,
        /// What it has too much of.
        what: &'static str,
        /// How much.
        found: u64,
        /// How much it may have.
        most: u64,
        /// The setting that says so.
        key: &'static str,
    },
    /// Bytes of messages.
    #[error("messages under way hold all of the {most} bytes that they may ({key})")]
    Bytes {
        /// How many they may hold.
        most: usize,
        /// The setting that says so.
        key: &'static str,
    },
}

impl Error {
    /// An [`Error::Invalid`] about `field`.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), message: message.into() }
    }

    /// An [`Error::Setup`] about a setting.
    pub fn setup(problem: impl Into<String>) -> Self {
        Self::Setup { file: None, problem: problem.into() }
    }

    /// An [`Error::Setup`] about a file: what was tried, and why it failed.
    pub fn file(path: &Path, cause: impl std::fmt::Display) -> Self {
        Self::Setup { file: Some(path.to_owned()), problem: cause.to_string() }
    }

    /// The file or folder that must be mended, where it is known.
    pub fn place(&self) -> Option<&Path> {
        if let Self::Setup { file, .. } = self { file.as_deref() } else { None }
    }

    /// An [`Error::Model`].
    pub fn model(model: impl Into<String>, cause: impl std::fmt::Display) -> Self {
        Self::Model { model: model.into(), message: cause.to_string() }
    }
}

fn of_file(file: Option<&Path>) -> String {
    file.map(|file| format!("{}: ", file.display())).unwrap_or_default()
}
