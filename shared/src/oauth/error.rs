//! What the token, introspection, tokeninfo and revocation endpoints refuse with: many faults, few codes, one mapping.

use std::borrow::Cow;

/// A refusal of a request to an endpoint that authenticates clients (RFC 6749 §5.2, RFC 8707 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// The request is malformed; the text is for the client's developer.
    InvalidRequest(Cow<'static, str>),
    /// Client authentication failed; the client never learns how.
    InvalidClient(ClientFault),
    /// The server has the grant, this client may not use it.
    UnauthorizedClient,
    /// The server does not have the grant, or it is switched off.
    UnsupportedGrantType,
    /// The scope is unknown, malformed, or not this client's.
    InvalidScope(Cow<'static, str>),
    /// The `resource` is unknown, malformed, or not this client's.
    InvalidTarget(Cow<'static, str>),
    /// The code, the refresh token or the password gives nothing; the client never learns why, the operator does.
    InvalidGrant(&'static str),
    /// The password was right, and the user may not use this client (I-11).
    UserNotAssigned,
    /// The token belongs to another client and stays as it is (RFC 7009 §2.1).
    ForeignToken,
    /// A token that tokeninfo cannot tell anything about; it does not say why.
    DeadToken,
}

/// Why client authentication failed: for the operator's log, never for the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientFault {
    /// No credentials at all.
    Missing,
    /// An `Authorization` header that is not well-formed Basic.
    Malformed,
    /// A method that this server does not have, such as an assertion.
    UnsupportedMethod,
    /// No such client.
    Unknown,
    /// The client exists and is deactivated.
    Inactive,
    /// Another method than the client registered.
    OtherMethod,
    /// The secret is not one of the client's live secrets.
    WrongSecret,
}

impl TokenError {
    /// `invalid_request` with a text for the client's developer.
    pub fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidRequest(description.into())
    }

    /// The `error` code on the wire.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) | Self::DeadToken => "invalid_request",
            Self::InvalidClient(_) => "invalid_client",
            Self::UnauthorizedClient | Self::ForeignToken => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget(_) => "invalid_target",
            Self::InvalidGrant(_) | Self::UserNotAssigned => "invalid_grant",
        }
    }

    /// The `error_description` on the wire: a sentence of the characters that RFC 6749 §5.2 allows.
    pub fn description(&self) -> &str {
        match self {
            Self::InvalidRequest(text) | Self::InvalidScope(text) | Self::InvalidTarget(text) => text,
            Self::InvalidClient(_) => "client authentication failed",
            Self::UnauthorizedClient => "this client may not use this grant type",
            Self::UnsupportedGrantType => "this server does not offer this grant type",
            Self::InvalidGrant(_) => "the code, refresh token or password is not valid",
            Self::UserNotAssigned => "user is not assigned to this application",
            Self::ForeignToken => "the token was not issued to this client",
            Self::DeadToken => "the token is not valid",
        }
    }

    /// The HTTP status: 401 exactly for failed client authentication.
    pub fn status(&self) -> u16 {
        //= https://www.rfc-editor.org/rfc/rfc6749#section-5.2
        //# The authorization server responds with an HTTP 400 (Bad Request) status code (unless specified otherwise)
        match self {
            Self::InvalidClient(_) => 401,
            _ => 400,
        }
    }

    /// What happened, for the operator's log.
    pub fn fault(&self) -> &'static str {
        match self {
            Self::InvalidClient(ClientFault::Missing) => "client_credentials_missing",
            Self::InvalidClient(ClientFault::Malformed) => "client_credentials_malformed",
            Self::InvalidClient(ClientFault::UnsupportedMethod) => "client_authentication_method_unsupported",
            Self::InvalidClient(ClientFault::Unknown) => "client_unknown",
            Self::InvalidClient(ClientFault::Inactive) => "client_inactive",
            Self::InvalidClient(ClientFault::OtherMethod) => "client_authentication_method_not_registered",
            Self::InvalidClient(ClientFault::WrongSecret) => "client_secret_wrong",
            Self::InvalidGrant(fault) => fault,
            Self::UserNotAssigned => "user_not_assigned",
            Self::ForeignToken => "foreign_token",
            Self::DeadToken => "dead_token",
            other => other.code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_never_learns_how_its_authentication_failed() {
        // A-06, CA-15: the same code, status and text for all of them.
        use ClientFault::*;
        for fault in [Missing, Malformed, UnsupportedMethod, Unknown, Inactive, OtherMethod, WrongSecret] {
            let error = TokenError::InvalidClient(fault);
            assert_eq!((error.status(), error.code(), error.description()), (401, "invalid_client", "client authentication failed"));
        }
    }
}
