//! Refusals of the admin API: problem details (RFC 9457), each fault with a pointer to its member.

use http::StatusCode;
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::json;

use super::super::keyring::KeyringError;
use super::super::respond::{self, Refusal, Response};
use crate::oauth::api::ADMIN_AUDIENCE;
use crate::oauth::bearer::Challenge;
use crate::oauth::invalid::Invalid;
use crate::store::StoreError;

/// Why an admin request is refused.
#[derive(Debug)]
pub(super) enum Problem {
    /// No good token of the admin API.
    Unauthorized(Challenge<'static>),
    /// A good token without this scope value.
    MissingScope(&'static str),
    /// The caller would give away a scope that it does not hold.
    ScopeNotHeld(String),
    /// No such object, or no such path.
    NotFound,
    /// The path takes other methods.
    MethodNotAllowed(&'static str),
    /// The object conflicts with another; the text says which.
    Conflict(String),
    /// `If-Match` names another version.
    PreconditionFailed,
    /// Faults in the body or in the query.
    Invalid(Vec<Invalid>),
    /// The body is too long or compressed.
    Body(Refusal),
    /// The server cannot answer now; the text is for the operator.
    Unavailable(String),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<KeyringError> for Problem {
    fn from(error: KeyringError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Vec<Invalid>> for Problem {
    fn from(faults: Vec<Invalid>) -> Self {
        Self::Invalid(faults)
    }
}

impl Problem {
    /// One fault of the query parameter `name`.
    pub(super) fn parameter(name: &str, detail: &'static str) -> Self {
        Self::Invalid(vec![Invalid::new(format!("?{name}"), detail)])
    }

    /// What happened, for the operator's log.
    pub(super) fn fault(&self) -> &str {
        match self {
            Self::Unauthorized(_) => "unauthorized",
            Self::MissingScope(_) | Self::ScopeNotHeld(_) => "insufficient_scope",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::Conflict(_) => "conflict",
            Self::PreconditionFailed => "precondition_failed",
            Self::Invalid(_) => "invalid",
            Self::Body(refusal) => refusal.fault(),
            Self::Unavailable(detail) => detail,
        }
    }

    /// The answer; challenges name the admin API's metadata (RFC 9728 §5.1).
    pub(super) fn response(&self, resource_metadata: &str) -> Response {
        let detail: &str = match self {
            Self::Unauthorized(Challenge::MissingToken) => "send an access token of the admin API as Authorization: Bearer",
            Self::Unauthorized(_) => "the access token is not valid for the admin API",
            Self::MissingScope(value) => &format!("the access token lacks the scope {ADMIN_AUDIENCE}{value}"),
            Self::ScopeNotHeld(scope) => &format!("the client has or would have the scope {scope}, which the access token lacks"),
            Self::NotFound => "there is nothing at this path",
            Self::MethodNotAllowed(allow) => &format!("use {allow}"),
            Self::Conflict(detail) => detail,
            Self::PreconditionFailed => "the object has another version than If-Match says, read it again",
            Self::Invalid(_) => "the request has faults, see errors",
            Self::Body(Refusal::TooLarge) => "the body is longer than 64 kB",
            Self::Body(_) => "the body must not be compressed",
            Self::Unavailable(_) => "the server cannot answer now, try again",
        };
        let status = self.status();
        let mut body = json!({"type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(), "detail": detail});
        if let (Self::Invalid(faults), Some(members)) = (self, body.as_object_mut()) {
            let errors = faults.iter().map(|fault| json!({"pointer": fault.pointer, "detail": fault.detail})).collect();
            members.insert("errors".to_owned(), errors);
        }
        let mut response = respond::typed(status, "application/problem+json", body.to_string().into_bytes());
        match self {
            Self::Unauthorized(challenge) => respond::set(&mut response, WWW_AUTHENTICATE, &challenge.header(Some(resource_metadata))),
            Self::MissingScope(value) => challenge_scope(&mut response, &format!("{ADMIN_AUDIENCE}{value}"), resource_metadata),
            Self::ScopeNotHeld(scope) => challenge_scope(&mut response, scope, resource_metadata),
            Self::MethodNotAllowed(allow) => respond::set(&mut response, ALLOW, allow),
            Self::Unavailable(_) => respond::set(&mut response, RETRY_AFTER, "1"),
            _ => {}
        }
        response
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::MissingScope(_) | Self::ScopeNotHeld(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Body(Refusal::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

fn challenge_scope(response: &mut Response, scope: &str, resource_metadata: &str) {
    let challenge = Challenge::InsufficientScope { scope: Some(scope) };
    respond::set(response, WWW_AUTHENTICATE, &challenge.header(Some(resource_metadata)));
}
