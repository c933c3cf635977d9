//! Token introspection (RFC 7662) and the OAG-shaped tokeninfo beside it: who may look, and what they see.

use serde::Serialize;

use super::access_token::Claims;
use super::api::{Api, Apis};
use super::client::{Client, TokenEndpointAuthMethod};
use super::error::{ClientFault, TokenError};
use super::ids::Issuer;
use super::time::Timestamp;
use super::user::Person;

/// The answer of the introspection endpoint (RFC 7662 §2.2).
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum IntrospectionResponse<'a> {
    /// The token is good, and the caller may know.
    Active(Box<ActiveToken<'a>>),
    /// Everything else, whatever the reason: exactly `{"active":false}`.
    Inactive {
        /// Always false.
        active: bool,
    },
}

/// What a caller learns about a good token.
#[derive(Debug, Serialize)]
pub struct ActiveToken<'a> {
    active: bool,
    scope: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    token_type: &'static str,
    exp: Timestamp,
    iat: Timestamp,
    nbf: Timestamp,
    sub: &'a str,
    sub_type: &'static str,
    aud: [&'a str; 1],
    iss: &'a str,
    jti: &'a str,
}

impl<'a> IntrospectionResponse<'a> {
    /// The answer about a good token.
    pub fn active(claims: &'a Claims, person: Option<&'a Person>, issuer: &'a Issuer) -> Self {
        Self::Active(Box::new(ActiveToken {
            active: true,
            scope: &claims.scope,
            client_id: claims.client_id.as_str(),
            username: person.map(|person| person.user.metadata.username.as_str()),
            token_type: "Bearer",
            exp: claims.exp,
            iat: claims.iat,
            nbf: claims.iat,
            sub: &claims.sub,
            sub_type: claims.sub_type.as_str(),
            aud: [&claims.aud],
            iss: issuer.as_str(),
            jti: &claims.jti,
        }))
    }

    /// The answer about everything else.
    pub fn inactive() -> Self {
        //= https://www.rfc-editor.org/rfc/rfc7662#section-2.2
        //# Note that to avoid disclosing too much of the authorization server's state to a third party, the authorization server
        //# SHOULD NOT include any additional information about an inactive token, including why the token is inactive.
        Self::Inactive { active: false }
    }
}

/// The answer of the tokeninfo endpoint: OAG's names; its `audience` is the client.
#[derive(Debug, Serialize)]
pub struct TokenInfo<'a> {
    audience: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    scope: &'a str,
    expires_in: u64,
}

impl<'a> TokenInfo<'a> {
    /// The answer about a good token at `now`.
    pub fn of(claims: &'a Claims, person: Option<&'a Person>, now: Timestamp) -> Self {
        let user_id = person.map(|person| person.user.metadata.username.as_str());
        Self { audience: claims.client_id.as_str(), user_id, scope: &claims.scope, expires_in: claims.exp.since(now) }
    }
}

/// Whether `caller` may learn about the token: a client with `introspect`, the token's owner, and the resource server of its audience.
pub fn may_see(caller: &Client, claims: &Claims, apis: &Apis) -> bool {
    let is_resource_server = |api: &Api| api.metadata.resource_server_client_id.as_ref() == Some(&caller.client_id);
    caller.metadata.introspect || caller.client_id == claims.client_id || apis.of_audience(&claims.aud).is_some_and(is_resource_server)
}

/// Introspection is for callers that authenticate: a public client cannot.
///
/// # Errors
/// `invalid_client` for a public client.
pub fn admit(caller: &Client) -> Result<(), TokenError> {
    //= https://www.rfc-editor.org/rfc/rfc7662#section-2.1
    //# To prevent token scanning attacks, the endpoint MUST also require some form of authorization to access this endpoint
    match caller.auth_method() {
        TokenEndpointAuthMethod::None => Err(TokenError::InvalidClient(ClientFault::Missing)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::access_token::fixture::claims;
    use super::super::api::fixture::api;
    use super::super::client::fixture::client;
    use super::super::ids::ClientId;
    use super::*;

    #[test]
    fn the_owner_the_resource_server_and_introspectors_see_a_token() {
        // IN-06, IN-07, G-12
        let mut orders = api("orders", "https://orders.example/", &["read"]);
        orders.metadata.resource_server_client_id = ClientId::parse("rs");
        let mut billing = api("billing", "https://billing.example/", &["read"]);
        billing.metadata.resource_server_client_id = ClientId::parse("rs2");
        let apis = Apis::new(vec![orders, billing], 1);
        let called = |id: &str, metadata| Client { client_id: ClientId::parse(id).unwrap(), ..client(metadata).0 };
        let sees = |caller: &Client| may_see(caller, &claims(0, 1), &apis);
        assert!(sees(&called("c1", serde_json::json!({}))), "owner");
        assert!(sees(&called("rs", serde_json::json!({}))), "resource server");
        assert!(sees(&called("x", serde_json::json!({"introspect": true}))));
        assert!(!sees(&called("x", serde_json::json!({}))));
        assert!(!sees(&called("rs2", serde_json::json!({}))), "of another audience");
        assert!(admit(&called("p", serde_json::json!({"client_type": "public"}))).is_err());
    }

    #[test]
    fn an_inactive_token_is_nothing_but_inactive() {
        // IN-03, G-11
        assert_eq!(serde_json::to_string(&IntrospectionResponse::inactive()).unwrap(), r#"{"active":false}"#);
    }
}
