//! The only place that builds answers: the headers that every answer has, and what each refusal looks like.

use bytes::Bytes;
use http::StatusCode;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use super::keyring::KeyringError;
use crate::oauth::bearer::{Challenge, REALM};
use crate::oauth::error::TokenError;
use crate::store::StoreError;

/// An HTTP answer.
pub type Response = http::Response<Bytes>;

/// Why a request gets an error answer.
#[derive(Debug)]
pub enum Refusal {
    /// An error of OAuth.
    OAuth(TokenError),
    /// No good bearer token, or one that does not reach.
    Bearer(Challenge<'static>),
    /// The token in question is another client's.
    NotOwner,
    /// Too many passwords or secrets were tried: this many seconds before the next.
    TooManyTries(u64),
    /// No such path here.
    NotFound,
    /// The path takes only this method.
    MethodNotAllowed(&'static str),
    /// The body is longer than 64 kB.
    TooLarge,
    /// The body is compressed.
    Compressed,
    /// The server cannot decide now; it never guesses.
    Unavailable(String),
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Self::OAuth(error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<KeyringError> for Refusal {
    fn from(error: KeyringError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Refusal {
    /// What happened, for the operator's log.
    pub(super) fn fault(&self) -> &str {
        match self {
            Self::OAuth(error) => error.fault(),
            Self::Bearer(challenge) => challenge.code(),
            Self::NotOwner => "access_denied",
            Self::TooManyTries(_) => "too_many_tries",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::TooLarge => "body_too_large",
            Self::Compressed => "body_compressed",
            Self::Unavailable(detail) => detail,
        }
    }

    /// The answer. Errors that RFC 6749 §5.2 has no code for are HTTP's, with a body of the same shape.
    pub(super) fn response(&self) -> Response {
        let error = |status, code: &str, description: &str| json(status, &ErrorBody { error: code, error_description: description });
        match self {
            Self::OAuth(cause) => {
                let status = StatusCode::from_u16(cause.status()).unwrap_or(StatusCode::BAD_REQUEST);
                let mut response = error(status, cause.code(), cause.description());
                if status == StatusCode::UNAUTHORIZED {
                    //= https://www.rfc-editor.org/rfc/rfc6749#section-5.2
                    //# the authorization server MUST respond with an HTTP 401 (Unauthorized) status code and include the
                    //# "WWW-Authenticate" response header field matching the authentication scheme used by the client.
                    set(&mut response, WWW_AUTHENTICATE, &format!("Basic realm=\"{REALM}\""));
                }
                response
            }
            Self::Bearer(challenge) => {
                let is_good = matches!(challenge, Challenge::InsufficientScope { .. });
                let status = if is_good { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
                let mut response = error(status, challenge.code(), "the access token is not one that may do this");
                set(&mut response, WWW_AUTHENTICATE, &challenge.header(None));
                response
            }
            Self::NotOwner => error(StatusCode::FORBIDDEN, "access_denied", "the token is another client's: its owner or an administrator may ask"),
            Self::TooManyTries(seconds) => {
                let mut response = error(StatusCode::TOO_MANY_REQUESTS, "slow_down", "too many failed tries, wait before the next");
                set(&mut response, RETRY_AFTER, &seconds.to_string());
                response
            }
            Self::NotFound => error(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"),
            Self::MethodNotAllowed(allow) => {
                let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", &format!("use {allow}"));
                set(&mut response, ALLOW, allow);
                response
            }
            Self::TooLarge => error(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "the body is longer than 64 kB"),
            Self::Compressed => error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request", "the body must not be compressed"),
            Self::Unavailable(_) => unavailable(),
        }
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// 404: no function serves the path.
pub fn not_found() -> Response {
    Refusal::NotFound.response()
}

/// 503: the request can be repeated as it is.
pub fn unavailable() -> Response {
    let body = ErrorBody { error: "temporarily_unavailable", error_description: "the server cannot answer now, try again" };
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &body);
    set(&mut response, RETRY_AFTER, "1");
    response
}

/// 400 for a request that reached the function in no readable form.
pub fn unreadable(description: &str) -> Response {
    Refusal::OAuth(TokenError::invalid_request(description.to_owned())).response()
}

/// A JSON answer that nobody may keep.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    typed(status, "application/json", serde_json::to_vec(body).unwrap_or_default())
}

/// An answer of any JSON media type that nobody may keep.
pub(super) fn typed(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut response = empty(status);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    *response.body_mut() = Bytes::from(body);
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(5);
    //= https://www.rfc-editor.org/rfc/rfc6749#section-5.1
    //# The authorization server MUST include the HTTP "Cache-Control" response header field [RFC2616] with a value of "no-store"
    //# in any response containing tokens, credentials, or other sensitive information, as well as the "Pragma" response header
    //# field [RFC2616] with a value of "no-cache".
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Sets a header; a value that no header can hold is left out.
pub(super) fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
