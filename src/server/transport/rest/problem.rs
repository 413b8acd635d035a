//! Refusals over HTTP: problem details (RFC 9457), with the status code that gRPC would have.

use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use tonic::{Code, Status};
use wildwarden_core::error::Error;

use crate::transport::status::{code_name, item_error, reason};

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why, beside the answer that says it, for who counts.
#[derive(Debug, Clone, Copy)]
pub struct Reason(pub &'static str);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: &'a str,
}

/// `error`, as the answer to a request with that id; empty: it has none.
pub fn response(error: &Error, request_id: &str) -> Response<String> {
    let item = item_error(error, request_id);
    let code = Code::from_i32(item.code);
    let retry_after_ms = (item.retry_after_ms > 0).then_some(item.retry_after_ms);
    let mut response = of(http_status(code), &item.message, code, |problem| Problem {
        reason: reason(error),
        field: &item.field,
        retry_after_ms,
        request_id,
        ..problem
    });
    let headers = response.headers_mut();
    if let Some(ms) = retry_after_ms {
        headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
    }
    if code == Code::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// What a service of gRPC refused.
pub fn of_status(status: &Status) -> Response<String> {
    of(http_status(status.code()), status.message(), status.code(), |problem| Problem {
        reason: code_name(status.code()),
        ..problem
    })
}

/// What HTTP alone can refuse: a path, a verb, a media type.
pub fn of_http(status: StatusCode, detail: &str) -> Response<String> {
    of(status, detail, Code::Unimplemented, |problem| problem)
}

fn of<'a>(
    status: StatusCode,
    detail: &'a str,
    code: Code,
    more: impl FnOnce(Problem<'a>) -> Problem<'a>,
) -> Response<String> {
    let problem = more(Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail,
        code: code_name(code),
        reason: "NOT_SERVED",
        field: "",
        retry_after_ms: None,
        request_id: "",
    });
    let reason = Reason(problem.reason);
    // Strings and numbers always become JSON.
    let mut response = Response::new(serde_json::to_string(&problem).unwrap_or_default());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
    response.extensions_mut().insert(code);
    response.extensions_mut().insert(reason);
    response
}

/// As `google.rpc.Code` maps them.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wildwarden_core::error::Full;

    use super::*;

    #[test]
    fn a_refusal_says_what_a_program_and_what_a_person_needs() {
        let why = Full::Wait { expected: Duration::from_secs(2), most: Duration::from_millis(100), key: "a.b" };
        let full = response(&Error::Overloaded { why, retry_after: Duration::from_millis(1200) }, "7");
        assert_eq!(full.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(
            (full.headers()[RETRY_AFTER].to_str().unwrap(), full.headers()[CONTENT_TYPE].clone()),
            ("2", MEDIA_TYPE)
        );
        let said: serde_json::Value = serde_json::from_str(full.body()).unwrap();
        assert_eq!(
            (&said["code"], &said["reason"], &said["retryAfterMs"], &said["requestId"], said.get("field")),
            (&"RESOURCE_EXHAUSTED".into(), &"WAIT_TOO_LONG".into(), &1200.into(), &"7".into(), None)
        );
        let invalid = response(&Error::invalid("title", "is too long"), "");
        let said: serde_json::Value = serde_json::from_str(invalid.body()).unwrap();
        assert_eq!(
            (invalid.status().as_u16(), &said["field"], said["status"].as_u64()),
            (400, &"title".into(), Some(400))
        );
        assert!(response(&Error::Unauthenticated("send a key".into()), "").headers().contains_key(WWW_AUTHENTICATE));
    }
}
