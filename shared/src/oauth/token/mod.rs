//! The *issuance gate* and the token endpoint (RFC 6749 §3.2): may this client have this token?

use serde::Serialize;

use super::access_token::{Claims, TokenRecord};
use super::api::{Apis, SigningAlg, TokenRecords};
use super::client::{AccessTokenFormat, GrantType};
use super::client_auth::AuthenticatedClient;
use super::error::TokenError;
use super::form::Form;
use super::fresh::Fresh;
use super::secret::OpaqueToken;

pub mod client_credentials;

/// An access token request, read in full: one variant per grant type.
#[derive(Debug)]
pub enum TokenRequest {
    /// RFC 6749 §4.4.2.
    ClientCredentials(client_credentials::Request),
}

impl TokenRequest {
    /// The only way in: a missing, repeated or malformed parameter is settled here and never again.
    ///
    /// # Errors
    /// `invalid_request` without a grant type, `unsupported_grant_type` for one that the server does not offer.
    pub fn parse(form: &Form) -> Result<Self, TokenError> {
        match form.required("grant_type")? {
            "client_credentials" => Ok(Self::ClientCredentials(client_credentials::Request::parse(form))),
            _ => Err(TokenError::UnsupportedGrantType),
        }
    }

    /// The grant type asked for.
    pub fn grant_type(&self) -> GrantType {
        match self {
            Self::ClientCredentials(_) => GrantType::ClientCredentials,
        }
    }
}

/// The grant types that the token endpoint offers, as metadata lists them.
pub const GRANT_TYPES: [&str; 1] = [GRANT_CLIENT_CREDENTIALS];
const GRANT_CLIENT_CREDENTIALS: &str = "client_credentials";

/// A token that may be issued: what to write first, and what to answer then.
#[derive(Debug)]
pub struct Issued {
    /// What the token says.
    pub claims: Claims,
    /// Its form.
    pub form: IssuedForm,
    /// What the table must hold before the token is shown; `None` where the Api records only revocations.
    pub record: Option<TokenRecord>,
}

/// The form of an issued token.
#[derive(Debug)]
pub enum IssuedForm {
    /// To be signed with the active key of this algorithm.
    Jwt(SigningAlg),
    /// The token itself.
    Opaque(OpaqueToken),
}

/// The success answer (RFC 6749 §5.1).
#[derive(Debug, Serialize)]
pub struct TokenResponse<'a> {
    /// The token.
    pub access_token: &'a str,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Its life in seconds.
    pub expires_in: u64,
    /// What was granted.
    pub scope: &'a str,
}

/// Decides a token request.
///
/// # Errors
/// Why this client gets no such token.
pub fn decide(request: &TokenRequest, client: &AuthenticatedClient, apis: &Apis, fresh: &Fresh) -> Result<Issued, TokenError> {
    if !client.may_use(request.grant_type()) {
        return Err(TokenError::UnauthorizedClient);
    }
    match request {
        TokenRequest::ClientCredentials(request) => client_credentials::decide(request, client, apis, fresh),
    }
}

/// The form and the record of a token for `claims`: the same for every grant.
fn issue(mut claims: Claims, format: AccessTokenFormat, alg: SigningAlg, records: TokenRecords, fresh: &Fresh) -> Issued {
    let form = match format {
        AccessTokenFormat::Jwt => IssuedForm::Jwt(alg),
        AccessTokenFormat::Opaque => {
            let token = OpaqueToken::generate(fresh);
            claims.jti = token.digest();
            IssuedForm::Opaque(token)
        }
    };
    // An opaque token is nothing without its record.
    let is_recorded = records == TokenRecords::Full || format == AccessTokenFormat::Opaque;
    let record = is_recorded.then(|| TokenRecord { claims: claims.clone(), format, revoked_at: None });
    Issued { claims, form, record }
}
