//! The client credentials grant (RFC 6749 §4.4): a client acts for itself.

use super::super::access_token::{Claims, SubjectType};
use super::super::api::Apis;
use super::super::client_auth::AuthenticatedClient;
use super::super::error::TokenError;
use super::super::form::Form;
use super::super::fresh::Fresh;
use super::super::scope;
use super::{Issued, issue};

/// The parameters of the grant.
#[derive(Debug)]
pub struct Request {
    scope: Option<String>,
    resources: Vec<String>,
}

impl Request {
    /// Reads the parameters; both are optional.
    pub fn parse(form: &Form) -> Self {
        Self { scope: form.get("scope").map(str::to_owned), resources: form.all("resource").map(str::to_owned).collect() }
    }
}

/// Decides the request.
///
/// # Errors
/// `invalid_scope` or `invalid_target`.
pub fn decide(request: &Request, client: &AuthenticatedClient, apis: &Apis, fresh: &Fresh) -> Result<Issued, TokenError> {
    let resources: Vec<&str> = request.resources.iter().map(String::as_str).collect();
    let granted = scope::resolve(request.scope.as_deref(), &resources, client.allowed(), apis)?;
    let api = &granted.api.metadata;
    let life = client.metadata.access_token_ttl.unwrap_or(u64::MAX).min(api.access_token_ttl);
    // In the very second of a `revoke-tokens` a new token must outlive it: it is dated one second on.
    let issued_at = fresh.now.max(client.tokens_valid_from);
    let claims = Claims {
        jti: fresh.id("jti"),
        client_id: client.client_id.clone(),
        //= https://www.rfc-editor.org/rfc/rfc9068#section-2.2
        //# In cases where a resource owner is not involved, such as the client credentials grant, the value of "sub" SHOULD
        //# correspond to an identifier the authorization server uses to indicate the client application.
        sub: client.client_id.to_string(),
        sub_type: SubjectType::Client,
        aud: api.audience.clone(),
        scope: granted.scope(),
        iat: issued_at,
        exp: issued_at.plus(life),
        roles: client.metadata.roles.clone(),
        grant_id: None,
        of_user: serde_json::Map::new(),
    };
    Ok(issue(claims, client.metadata.access_token_format, api.signing_alg, api.token_records, fresh))
}

#[cfg(test)]
mod tests {
    use super::super::super::api::TokenRecords;
    use super::super::super::api::fixture::api;
    use super::super::super::client::fixture::client;
    use super::super::super::client_auth::{Credentials, authenticate};
    use super::super::super::time::Timestamp;
    use super::super::{Facts, IssuedForm, TokenRequest, decide};
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(5_000);

    fn ask(body: &str, metadata: serde_json::Value, records: TokenRecords) -> Result<Issued, TokenError> {
        let mut orders = api("orders", "https://orders.example/", &["read"]);
        orders.metadata.token_records = records;
        orders.metadata.access_token_ttl = 600;
        let mut json =
            serde_json::json!({"scopes": ["https://orders.example/read"], "token_endpoint_auth_method": "client_secret_post", "roles": ["clerk"]});
        json.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        let (client, secret) = client(json);
        let form = Form::parse(format!("client_id=c1&client_secret={}&{body}", secret.expose()).as_bytes()).unwrap();
        let client = authenticate(&Credentials::parse(&[], &form)?, Some(client), NOW)?;
        let apis = Apis::new(vec![orders], 1);
        let facts = Facts { client: &client, apis: &apis, grant: None, person: None, raced: false };
        decide(&TokenRequest::parse(&form, false)?, &facts, &Fresh::new(NOW, [3; 32])).answer
    }

    const GRANT: &str = "grant_type=client_credentials";

    #[test]
    fn a_client_gets_a_token_for_itself() {
        // TE-01, O-07, I-10, I-21
        let issued = ask(GRANT, serde_json::json!({}), TokenRecords::Full).unwrap();
        let claims = &issued.claims;
        assert_eq!(
            (claims.sub.as_str(), claims.sub_type, claims.aud.as_str(), claims.scope.as_str()),
            ("c1", SubjectType::Client, "https://orders.example/", "read")
        );
        assert_eq!((claims.iat.unix(), claims.exp.unix(), claims.roles[0].as_str()), (5_000, 5_600, "clerk"));
        assert_eq!(issued.record.unwrap().claims, issued.claims);
    }

    #[test]
    fn the_shortest_life_wins() {
        // 5.2 #18, O-21, A-11
        let life = |ttl| {
            ask(GRANT, serde_json::json!({"access_token_ttl": ttl}), TokenRecords::Full).map(|issued| issued.claims.exp.since(issued.claims.iat))
        };
        assert_eq!((life(Some(2)), life(Some(3_600)), life(None)), (Ok(2), Ok(600), Ok(600)));
    }

    #[test]
    fn only_opaque_tokens_need_a_record_where_revocations_are_recorded() {
        assert!(ask(GRANT, serde_json::json!({}), TokenRecords::Revocations).unwrap().record.is_none());
        let opaque = ask(GRANT, serde_json::json!({"access_token_format": "opaque"}), TokenRecords::Revocations).unwrap();
        let IssuedForm::Opaque(token) = &opaque.form else { panic!("opaque was asked for") };
        assert_eq!(opaque.record.unwrap().claims.jti, token.digest());
    }

    #[test]
    fn other_grants_are_refused() {
        // TE-05, TE-06, TE-07, TE-28, TE-29, I-07
        let code = |body: &str, metadata| ask(body, metadata, TokenRecords::Full).unwrap_err().code();
        assert_eq!(code("scope=read", serde_json::json!({})), "invalid_request");
        for grant in [
            "foo",
            "password",
            "implicit",
            "Client_Credentials",
            "client_credentials%20",
            "client_credentials%00",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ] {
            assert_eq!(code(&format!("grant_type={grant}"), serde_json::json!({})), "unsupported_grant_type", "{grant}");
        }
        assert_eq!(code(GRANT, serde_json::json!({"grant_types": ["password"]})), "unauthorized_client");
    }
}
