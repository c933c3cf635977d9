//! Authorization server metadata (RFC 8414) and protected resource metadata (RFC 9728): exactly what works, and nothing else.

use serde::Serialize;

use super::api::{ADMIN_AUDIENCE, ADMIN_SCOPES, SigningAlg};
use super::ids::Issuer;
use super::token::grant_types;

const AUTH_METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];
const CONFIDENTIAL_AUTH_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// The metadata document; OpenID Connect Discovery adds two members to it.
#[derive(Debug, Serialize)]
pub struct AuthorizationServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: Vec<&'static str>,
    code_challenge_methods_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    //= https://www.rfc-editor.org/rfc/rfc9207#section-3
    //# Boolean value indicating whether the authorization server supports the iss parameter in authorization responses
    authorization_response_iss_parameter_supported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_types_supported: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token_signing_alg_values_supported: Option<[SigningAlg; 2]>,
}

impl AuthorizationServerMetadata {
    /// The document of RFC 8414, built from the configured issuer and never from a request (MD-06).
    pub fn oauth(issuer: &Issuer, with_password: bool) -> Self {
        let endpoint = |path: &str| format!("{}{path}", issuer.as_str());
        Self {
            issuer: issuer.as_str().to_owned(),
            authorization_endpoint: endpoint("/oauth2/authorize"),
            token_endpoint: endpoint("/oauth2/token"),
            jwks_uri: endpoint("/.well-known/jwks.json"),
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            grant_types_supported: grant_types(with_password),
            code_challenge_methods_supported: ["S256"],
            token_endpoint_auth_methods_supported: AUTH_METHODS,
            revocation_endpoint: endpoint("/oauth2/revoke"),
            revocation_endpoint_auth_methods_supported: AUTH_METHODS,
            introspection_endpoint: endpoint("/oauth2/introspect"),
            introspection_endpoint_auth_methods_supported: CONFIDENTIAL_AUTH_METHODS,
            authorization_response_iss_parameter_supported: true,
            subject_types_supported: None,
            id_token_signing_alg_values_supported: None,
        }
    }

    /// The document of OpenID Connect Discovery §3, which verifiers of access tokens read for `jwks_uri`.
    pub fn openid(issuer: &Issuer, with_password: bool) -> Self {
        Self {
            subject_types_supported: Some(["public"]),
            id_token_signing_alg_values_supported: Some([SigningAlg::RS256, SigningAlg::ES256]),
            ..Self::oauth(issuer, with_password)
        }
    }
}

/// The metadata of the admin API as a protected resource (RFC 9728 §2).
#[derive(Debug, Serialize)]
pub struct ProtectedResourceMetadata {
    resource: String,
    authorization_servers: [String; 1],
    scopes_supported: Vec<String>,
    bearer_methods_supported: [&'static str; 1],
}

impl ProtectedResourceMetadata {
    /// Where the admin API lies under the issuer.
    pub const ADMIN_PATH: &str = "/admin/v1";

    /// The admin API's document.
    pub fn admin(issuer: &Issuer) -> Self {
        Self {
            resource: format!("{}{}", issuer.as_str(), Self::ADMIN_PATH),
            authorization_servers: [issuer.as_str().to_owned()],
            scopes_supported: ADMIN_SCOPES.iter().map(|value| format!("{ADMIN_AUDIENCE}{value}")).collect(),
            bearer_methods_supported: ["header"],
        }
    }

    /// Where the document lies (RFC 9728 §3.1: the well-known part goes between host and path).
    pub fn admin_url(issuer: &Issuer) -> String {
        format!("{}/.well-known/oauth-protected-resource{}{}", issuer.origin(), issuer.path(), Self::ADMIN_PATH)
    }
}
