//! What is known of a call beside its message.

use std::sync::Arc;

use http::Extensions;
use wildwarden_core::schedule::Asked;

use crate::transport::sentences::Language;
use crate::transport::traces::Trace;

/// Who calls, until when, and how they read; noted when the call came.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// For whom, and until when. Its priority is the handler's to say.
    pub asked: Asked,
    /// Name of the key they showed.
    pub key: Option<Arc<str>>,
    /// The trace it is in.
    pub trace: Trace,
    /// What sentences are written in.
    pub language: Language,
}

impl Call {
    /// What was noted in the `extensions` of a request.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }
}
