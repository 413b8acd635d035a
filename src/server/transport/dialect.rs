//! The two languages in which calls are made, and what differs between them.

use http::{HeaderMap, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use wildwarden_core::error::Error;
use wildwarden_core::schedule::Deadline;

use crate::transport::guard;
use crate::transport::rest::problem::{self, Reason};
use crate::transport::status::{code_name, rpc_status};

/// What a call is made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Messages in protobuf, refusals as a status.
    Grpc,
    /// Messages in JSON or forms, refusals as problem details.
    Http,
}

impl Dialect {
    /// Until when the caller who sent `headers` waits.
    ///
    /// # Errors
    /// See [`guard::http_deadline`].
    pub fn deadline(self, headers: &HeaderMap) -> Result<Deadline, Error> {
        match self {
            Self::Grpc => Ok(guard::deadline(headers)),
            Self::Http => guard::http_deadline(headers),
        }
    }

    /// `error`, as an answer to a call of the method `rpc` before anything of it is read.
    pub fn refusal(self, error: &Error, rpc: &str) -> Response<Body> {
        match self {
            Self::Grpc => rpc_status(error, rpc).into_http(),
            Self::Http => problem::response(error, "").map(Body::new),
        }
    }

    /// What `response` says. Of gRPC a refusal is nothing but headers; without a status there, messages follow.
    pub fn code(self, response: &Response<Body>) -> Code {
        let said = match self {
            Self::Grpc => response.headers().get("grpc-status").map(|code| Code::from_bytes(code.as_bytes())),
            Self::Http => response.extensions().get::<Code>().copied(),
        };
        said.unwrap_or(Code::Ok)
    }

    /// Why `response` is a refusal, in a word; `None`: it is none.
    pub fn reason(self, response: &Response<Body>) -> Option<String> {
        match self {
            Self::Grpc => {
                let status = Status::from_header_map(response.headers()).filter(|status| status.code() != Code::Ok)?;
                let info = status.get_details_error_info();
                Some(info.map_or_else(|| code_name(status.code()).to_owned(), |info| info.reason))
            }
            Self::Http => response.extensions().get::<Reason>().map(|reason| reason.0.to_owned()),
        }
    }
}
