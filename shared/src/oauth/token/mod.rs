//! The *issuance gate* and the token endpoint (RFC 6749 §3.2): may this client have this token?

use serde::Serialize;

use super::access_token::{Claims, SubjectType, TokenRecord};
use super::api::{Api, Apis, SigningAlg, TokenRecords};
use super::client::{AccessTokenFormat, Client, GrantType};
use super::client_auth::AuthenticatedClient;
use super::error::TokenError;
use super::form::Form;
use super::fresh::Fresh;
use super::grant::{Grant, GrantId, GrantToken, REFRESH_LIFE};
use super::scope::LONGEST_SCOPE;
use super::secret::OpaqueToken;
use super::user::Person;

pub mod authorization_code;
pub mod client_credentials;
#[cfg(test)]
mod fixture;
pub mod password;
pub mod refresh_token;

/// An access token request, read in full: one variant per grant type.
#[derive(Debug)]
pub enum TokenRequest {
    /// RFC 6749 §4.1.3, RFC 7636 §4.5.
    AuthorizationCode(authorization_code::Request),
    /// RFC 6749 §4.4.2.
    ClientCredentials(client_credentials::Request),
    /// RFC 6749 §4.3.2.
    Password(password::Request),
    /// RFC 6749 §6.
    RefreshToken(refresh_token::Request),
}

impl TokenRequest {
    /// The only way in: a missing, repeated or malformed parameter is settled here and never again.
    ///
    /// # Errors
    /// `invalid_request` without a grant type, `unsupported_grant_type` for one that the server does not offer.
    pub fn parse(form: &Form, with_password: bool) -> Result<Self, TokenError> {
        match form.required("grant_type")? {
            "authorization_code" => authorization_code::Request::parse(form).map(Self::AuthorizationCode),
            "client_credentials" => Ok(Self::ClientCredentials(client_credentials::Request::parse(form))),
            "password" if with_password => password::Request::parse(form).map(Self::Password),
            "refresh_token" => refresh_token::Request::parse(form).map(Self::RefreshToken),
            _ => Err(TokenError::UnsupportedGrantType),
        }
    }

    /// The grant type asked for.
    pub fn grant_type(&self) -> GrantType {
        match self {
            Self::AuthorizationCode(_) => GrantType::AuthorizationCode,
            Self::ClientCredentials(_) => GrantType::ClientCredentials,
            Self::Password(_) => GrantType::Password,
            Self::RefreshToken(_) => GrantType::RefreshToken,
        }
    }

    /// The grant that has to be loaded before the request can be decided.
    pub fn grant_id(&self) -> Option<&GrantId> {
        match self {
            Self::AuthorizationCode(request) => request.code.as_ref().map(|code| &code.grant_id),
            Self::RefreshToken(request) => request.token.as_ref().map(|token| &token.grant_id),
            Self::ClientCredentials(_) | Self::Password(_) => None,
        }
    }
}

/// The grant types that the token endpoint offers, as metadata lists them.
pub fn grant_types(with_password: bool) -> Vec<&'static str> {
    let always = [GrantType::AuthorizationCode, GrantType::ClientCredentials, GrantType::RefreshToken];
    always.into_iter().chain(with_password.then_some(GrantType::Password)).map(GrantType::as_str).collect()
}

/// What a request is decided from, beside itself.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Who asks.
    pub client: &'a AuthenticatedClient,
    /// Every Api.
    pub apis: &'a Apis,
    /// The grant of the code or refresh token, if it exists.
    pub grant: Option<&'a Grant>,
    /// The user whom it is about, if they exist: the grant's, or the one whose password was right.
    pub person: Option<&'a Person>,
    /// Whether this request saw the code unused before another request was faster.
    pub raced: bool,
}

/// What becomes of the grant, and what the client gets. The two are independent: a replayed code changes the grant *and* is refused.
#[derive(Debug)]
#[must_use]
pub struct Decision {
    /// The grant as it is to be; `None`: as it is.
    pub change: Option<Grant>,
    /// What is issued once that is written.
    pub answer: Result<Issued, TokenError>,
}

impl From<Result<Issued, TokenError>> for Decision {
    fn from(answer: Result<Issued, TokenError>) -> Self {
        Self { change: None, answer }
    }
}

/// A token that may be issued: what to write first, and what to answer then.
#[derive(Debug)]
pub struct Issued {
    /// What the token says.
    pub claims: Claims,
    /// Its form.
    pub form: IssuedForm,
    /// What the table must hold before the token is shown; `None` where the Api records only revocations.
    pub record: Option<TokenRecord>,
    /// The refresh token that goes with it.
    pub refresh_token: Option<GrantToken>,
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
    /// The next refresh token, where the grant gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// Decides a token request.
pub fn decide(request: &TokenRequest, facts: &Facts<'_>, fresh: &Fresh) -> Decision {
    if !facts.client.may_use(request.grant_type()) {
        return Err(TokenError::UnauthorizedClient).into();
    }
    match request {
        TokenRequest::AuthorizationCode(request) => authorization_code::decide(request, facts, fresh),
        TokenRequest::ClientCredentials(request) => client_credentials::decide(request, facts.client, facts.apis, fresh).into(),
        TokenRequest::Password(request) => password::decide(request, facts, fresh).into(),
        TokenRequest::RefreshToken(request) => refresh_token::decide(request, facts, fresh),
    }
}

/// An access token that speaks for a user: the same for every grant that has one.
fn issue_for(person: &Person, (aud, scope): (&Api, String), grant_id: Option<&GrantId>, client: &Client, fresh: &Fresh) -> Issued {
    let api = &aud.metadata;
    let life = client.metadata.access_token_ttl.unwrap_or(u64::MAX).min(api.access_token_ttl);
    // In the very second in which earlier tokens were revoked a new one must outlive that: it is dated one second on.
    let of_user = if grant_id.is_none() { person.valid_from() } else { fresh.now };
    let issued_at = fresh.now.max(client.tokens_valid_from).max(of_user);
    let claims = Claims {
        jti: fresh.id("jti"),
        client_id: client.client_id.clone(),
        sub: person.user.user_id.as_str().to_owned(),
        sub_type: SubjectType::User,
        aud: api.audience.clone(),
        scope,
        iat: issued_at,
        exp: issued_at.plus(life),
        roles: person.roles.clone(),
        grant_id: grant_id.cloned(),
        of_user: person.user.metadata.claims.clone(),
    };
    issue(claims, client.metadata.access_token_format, api.signing_alg, api.token_records, fresh)
}

/// The user of a grant, if they may still use the client (I-13, RT-10, TE-30).
///
/// # Errors
/// `invalid_grant`: the operator's log says why.
fn user_of<'a>(grant: &Grant, facts: &Facts<'a>) -> Result<&'a Person, TokenError> {
    let person = facts.person.filter(|person| person.user.user_id == grant.user_id && person.is_of(facts.client));
    let person = person.ok_or(TokenError::InvalidGrant("user_inactive"))?;
    if grant.epoch != person.epoch || grant.created_at < facts.client.tokens_valid_from {
        return Err(TokenError::InvalidGrant("grant_revoked"));
    }
    if person.may_use(facts.client) { Ok(person) } else { Err(TokenError::InvalidGrant("user_not_assigned")) }
}

/// What of a grant's scope the client may still have, of this Api.
///
/// # Errors
/// `invalid_grant` where nothing is left.
fn remaining<'g>(grant: &'g Grant, api: &Api, client: &Client) -> Result<Vec<&'g str>, TokenError> {
    let is_left = |value: &&str| client.metadata.scopes.iter().any(|full| full.strip_prefix(api.metadata.audience.as_str()) == Some(*value));
    let left: Vec<&str> = grant.scope.iter().map(String::as_str).filter(is_left).collect();
    if left.is_empty() { Err(TokenError::InvalidGrant("scopes_gone")) } else { Ok(left) }
}

/// How long a refresh token of this client lives, in seconds; `None`: it gets none.
fn refresh_life(client: &Client) -> Option<u64> {
    client.may_use(GrantType::RefreshToken).then(|| client.metadata.refresh_token_ttl.unwrap_or(REFRESH_LIFE))
}

/// The form and the record of a token for `claims`: the same for every grant.
fn issue(mut claims: Claims, format: AccessTokenFormat, alg: SigningAlg, records: TokenRecords, fresh: &Fresh) -> Issued {
    // INVARIANT: no token is longer than `jws` reads, whatever its subject's roles. The claim informs; part of a list would misinform.
    let roles: usize = claims.roles.iter().map(|role| role.as_str().len() + r#""","#.len()).sum();
    if claims.scope.len() + roles > LONGEST_SCOPE {
        claims.roles.clear();
    }
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
    Issued { claims, form, record, refresh_token: None }
}

#[cfg(test)]
mod tests {
    use super::super::api::fixture::api;
    use super::super::client::fixture::client;
    use super::super::ids::{Issuer, Name};
    use super::super::jws::UnverifiedJws;
    use super::super::keys::{KeySet, SigningKey};
    use super::super::scope;
    use super::super::time::Timestamp;
    use super::super::user::{Person, fixture::user};
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(5_000);

    /// A user of the longest names and claims who has this many roles.
    fn person(roles: usize) -> Person {
        let claims = serde_json::json!({"claims": {"x": "ä".repeat(990), "y": true}});
        let user = user(claims);
        user.metadata.clone().checked().unwrap();
        Person { roles: (0..roles).map(|at| Name::parse(&format!("{at:064}")).unwrap()).collect(), ..Person::new(user, &[], true) }
    }

    /// What is issued for such a user, a client and an Api of the longest names, and a scope of this many bytes.
    fn issued(roles: usize, scope: usize) -> Issued {
        let long = "a".repeat(200 - "https://x.example/".len());
        let mut api = api("x", &format!("https://x.example/{long}"), &["read"]);
        api.metadata.signing_alg = SigningAlg::RS256;
        let mut client = client(serde_json::json!({})).0;
        client.client_id = super::super::ids::ClientId::parse(&"c".repeat(64)).unwrap();
        let grant_id = GrantId::parse(&"g".repeat(22)).unwrap();
        issue_for(&person(roles), (&api, "s".repeat(scope)), Some(&grant_id), &client, &Fresh::new(NOW, [2; 32]))
    }

    #[test]
    fn the_longest_token_that_is_issued_is_one_that_is_read() {
        // A-09, JW-20
        let key = SigningKey::generate(Fresh::new(NOW, [3; 32]).id("kid"), SigningAlg::RS256).unwrap().0;
        let keys = KeySet::default().with_next(key.jwk().unwrap(), Timestamp::default()).verification_keys();
        let issuer = Issuer::parse(&format!("https://as.example/{}", "i".repeat(200))).unwrap();
        // Own roles and those of all groups; as many as still stand in the token; the longest scope, and both halves.
        for (roles, scope) in [(20 + 20 * 30, 4), (37, 4), (0, 2_500), (18, 1_250), (30, 2_500)] {
            let issued = issued(roles, scope);
            let token = key.sign(&issued.claims.to_jwt(&issuer)).unwrap();
            let jws = UnverifiedJws::parse(&token).unwrap_or_else(|| panic!("{roles} {scope}: {} bytes", token.len()));
            let read = Claims::from_jwt(&jws.verify(&keys[0]).unwrap(), &issuer).unwrap();
            assert_eq!(Claims { of_user: issued.claims.of_user.clone(), ..read }, issued.claims);
        }
    }

    #[test]
    fn a_list_of_roles_is_told_whole_or_not_at_all() {
        // 9.5
        for (roles, told) in [(0, 0), (1, 1), (37, 37), (38, 0), (620, 0)] {
            assert_eq!(issued(roles, 4).claims.roles.len(), told, "{roles}");
        }
        assert_eq!(issued(37, 100).claims.roles.len(), 0, "scope and roles share the place");
    }

    #[test]
    fn a_scope_that_no_token_can_hold_is_refused() {
        let values: Vec<String> = (0..100).map(|at| format!("{at:0100}")).collect();
        let apis = Apis::new(vec![api("x", "https://x.example/", &values.iter().map(String::as_str).collect::<Vec<_>>())], 1);
        let full: Vec<String> = values.iter().map(|value| format!("https://x.example/{value}")).collect();
        let allowed = scope::Allowed { scopes: &full, defaults: &[] };
        assert!(scope::resolve(Some(&full[..24].join(" ")), &[], allowed, &apis).is_ok());
        for too_much in [Some(full[..25].join(" ")), None] {
            let refused = scope::resolve(too_much.as_deref(), &[], allowed, &apis).unwrap_err();
            assert_eq!(refused.code(), "invalid_scope");
        }
    }
}
