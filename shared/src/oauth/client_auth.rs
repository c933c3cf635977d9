//! Client authentication (RFC 6749 §2.3): one method at a time, and always the one that the client registered.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::client::{Client, MOST_SECRETS, TokenEndpointAuthMethod};
use super::error::{ClientFault, TokenError};
use super::form::{Form, decode};
use super::ids::ClientId;
use super::secret::{ClientSecret, StoredSecret};
use super::time::Timestamp;

/// What a request presents to say who it comes from: nothing of it is proven.
#[derive(Debug)]
pub struct Credentials {
    client_id: ClientId,
    method: TokenEndpointAuthMethod,
    secret: ClientSecret,
}

impl Credentials {
    /// Reads the `Authorization` headers and the form.
    ///
    /// # Errors
    /// `invalid_request` for two methods at once, `invalid_client` for none, or for one that cannot be read.
    pub fn parse(authorization: &[&[u8]], form: &Form) -> Result<Self, TokenError> {
        let basic = match authorization {
            [] => None,
            [header] => Some(basic(header)?),
            _ => return Err(TokenError::invalid_request("the Authorization header is repeated")),
        };
        let body_id = form.get("client_id");
        let body_secret = form.get("client_secret");
        let assertion = form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some();
        //= https://www.rfc-editor.org/rfc/rfc6749#section-2.3
        //# The client MUST NOT use more than one authentication method in each request.
        if usize::from(basic.is_some()) + usize::from(body_secret.is_some()) + usize::from(assertion) > 1 {
            return Err(TokenError::invalid_request("the request uses more than one client authentication method"));
        }
        if assertion {
            return Err(TokenError::InvalidClient(ClientFault::UnsupportedMethod));
        }
        let (id, method, secret) = match (basic, body_id, body_secret) {
            (Some((id, secret)), None, _) => (id, TokenEndpointAuthMethod::ClientSecretBasic, secret),
            (Some((id, secret)), Some(body_id), _) if id == body_id => (id, TokenEndpointAuthMethod::ClientSecretBasic, secret),
            (Some(_), Some(_), _) => return Err(TokenError::invalid_request("client_id contradicts the Authorization header")),
            (None, Some(id), Some(secret)) => (id.to_owned(), TokenEndpointAuthMethod::ClientSecretPost, secret.to_owned()),
            (None, Some(id), None) => (id.to_owned(), TokenEndpointAuthMethod::None, String::new()),
            (None, None, _) => return Err(TokenError::InvalidClient(ClientFault::Missing)),
        };
        // An id that no client can have is answered like one that no client has.
        let client_id = ClientId::parse(&id).ok_or(TokenError::InvalidClient(ClientFault::Unknown))?;
        Ok(Self { client_id, method, secret: ClientSecret::new(secret) })
    }

    /// Whom the request says it comes from.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }
}

/// `Authorization: Basic` as RFC 6749 §2.3.1 has it: identifier and secret are form-encoded before they are joined.
fn basic(header: &[u8]) -> Result<(String, String), TokenError> {
    const MALFORMED: TokenError = TokenError::InvalidClient(ClientFault::Malformed);
    let text = std::str::from_utf8(header).map_err(|_| MALFORMED)?;
    let (scheme, value) = text.split_once(' ').ok_or(MALFORMED)?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Err(MALFORMED);
    }
    let joined = STANDARD.decode(value.trim_matches(' ')).map_err(|_| MALFORMED)?;
    //= https://www.rfc-editor.org/rfc/rfc7617#section-2
    //# a user-id containing a colon character is invalid, as the first colon in a user-pass string separates user-id and password
    let colon = joined.iter().position(|&byte| byte == b':').ok_or(MALFORMED)?;
    let (id, secret) = joined.split_at(colon);
    //= https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
    //# The client identifier is encoded using the "application/x-www-form-urlencoded" encoding algorithm
    let id = decode(id).ok_or(MALFORMED)?;
    let secret = decode(secret.get(1..).unwrap_or_default()).ok_or(MALFORMED)?;
    Ok((id, secret))
}

/// Proof that client authentication was carried out: only [`authenticate`] can make one.
#[derive(Debug)]
pub struct AuthenticatedClient {
    client: Client,
    used_secret: Option<String>,
}

impl AuthenticatedClient {
    /// The secret that was used for the first time on this UTC day, which is worth a note in the table.
    pub fn secret_first_used_on(&self, now: Timestamp) -> Option<&str> {
        let today = now.day();
        let secret_id = self.used_secret.as_deref()?;
        let stored = self.client.secrets.iter().find(|stored| stored.secret_id == secret_id)?;
        (stored.last_used_on.as_deref() != Some(&today)).then_some(secret_id)
    }

    /// The client itself, for what follows the request.
    pub fn into_client(self) -> Client {
        self.client
    }
}

impl std::ops::Deref for AuthenticatedClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Authenticates the client that `credentials` name, given what the table has under that name.
///
/// # Errors
/// `invalid_client`, the same for every reason; the work done does not tell an unknown client from a wrong secret.
pub fn authenticate(credentials: &Credentials, client: Option<Client>, now: Timestamp) -> Result<AuthenticatedClient, TokenError> {
    // As many digests for everybody: for a client with one secret, with two, with none, and for one that does not exist.
    let compared = client.as_ref().map_or(0, |client| client.live_secrets(now).count());
    for _ in compared..MOST_SECRETS {
        DECOY.matches(&credentials.secret);
    }
    let Some(client) = client else { return Err(TokenError::InvalidClient(ClientFault::Unknown)) };
    let used_secret = client.live_secret(&credentials.secret, now).map(|stored| stored.secret_id.clone());
    if client.auth_method() != credentials.method {
        return Err(TokenError::InvalidClient(ClientFault::OtherMethod));
    }
    if used_secret.is_none() && credentials.method != TokenEndpointAuthMethod::None {
        return Err(TokenError::InvalidClient(ClientFault::WrongSecret));
    }
    if !client.metadata.active {
        return Err(TokenError::InvalidClient(ClientFault::Inactive));
    }
    Ok(AuthenticatedClient { client, used_secret })
}

/// A stored secret that nobody has, so that an unknown client costs what a wrong secret costs.
static DECOY: LazyLock<StoredSecret> = LazyLock::new(|| StoredSecret {
    secret_id: String::new(),
    salt: "A".repeat(22),
    digest: "A".repeat(43),
    created_at: Timestamp::default(),
    expires_at: None,
    last_used_on: None,
});

#[cfg(test)]
mod tests {
    use super::super::client::fixture::client;
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(2_000);

    fn header(id: &str, secret: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))).into_bytes()
    }

    fn parse(header: Option<&[u8]>, body: &str) -> Result<Credentials, TokenError> {
        let headers: Vec<&[u8]> = header.into_iter().collect();
        Credentials::parse(&headers, &Form::parse(body.as_bytes()).unwrap())
    }

    fn fault(result: Result<impl std::fmt::Debug, TokenError>) -> &'static str {
        result.unwrap_err().fault()
    }

    #[test]
    fn the_example_of_the_rfc() {
        //= https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
        //= type=test
        //# Authorization: Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3
        let credentials = parse(Some(b"Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"), "").unwrap();
        assert_eq!((credentials.client_id.as_str(), credentials.secret.expose()), ("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw"));
        //# client_id=s6BhdRkqt3&client_secret=7Fjfp0ZBr1KtDRbnfVdmIw
        let credentials = parse(None, "client_id=s6BhdRkqt3&client_secret=7Fjfp0ZBr1KtDRbnfVdmIw").unwrap();
        assert_eq!(credentials.method, TokenEndpointAuthMethod::ClientSecretPost);
    }

    #[test]
    fn id_and_secret_are_form_decoded_and_the_first_colon_splits() {
        // CA-04, CA-06, CA-08, M-16
        for (sent, meant) in [("a%3Ab%25c%2Bd+e%26f%3Dg%2Fh%C3%A9%F0%9F%94%91", "a:b%c+d e&f=g/hé🔑"), ("a:b:c", "a:b:c"), ("", "")] {
            let credentials = parse(Some(&header("c1", sent)), "").unwrap();
            assert_eq!(credentials.secret.expose(), meant);
        }
        let lower = String::from_utf8(header("c1", "x")).unwrap().replace("Basic", "bAsIc");
        assert!(parse(Some(lower.as_bytes()), "").is_ok());
    }

    #[test]
    fn malformed_basic_is_a_failed_authentication() {
        // CA-05 (pinned: the form-encoding is required; a bare `%zz` is malformed), CA-07, A-04
        let no_colon = format!("Basic {}", STANDARD.encode("c1"));
        let not_utf8 = format!("Basic {}", STANDARD.encode(b"c1:\xff"));
        let escape = format!("Basic {}", STANDARD.encode("c1:%zz"));
        let megabyte = format!("Basic {}", "A".repeat(1 << 20));
        for wrong in [&no_colon[..], &not_utf8, &escape, &megabyte, "Basic", "Basic ", "Basic ###", "Bearer abc", "czZC", "", "Basic YTpi YTpi"] {
            let fault = fault(parse(Some(wrong.as_bytes()), ""));
            assert!(fault.starts_with("client_credentials_malformed"), "{fault}");
        }
        assert_eq!(fault(parse(Some(&header("", "x")), "")), "client_unknown");
        assert_eq!(fault(parse(Some(&header("a b", "x")), "")), "client_unknown");
    }

    #[test]
    fn one_method_at_a_time() {
        // CA-09, CA-10, CA-11
        let basic = header("c1", "x");
        for body in ["client_secret=x", "client_id=c1&client_secret=x", "client_assertion=x", "client_id=c2"] {
            assert_eq!(fault(parse(Some(&basic), body)), "invalid_request", "{body}");
        }
        assert!(parse(Some(&basic), "client_id=c1").is_ok());
        assert_eq!(fault(parse(None, "client_id=c1&client_secret=x&client_assertion=y")), "invalid_request");
        assert_eq!(fault(parse(None, "client_assertion=y")), "client_authentication_method_unsupported");
        assert_eq!(fault(parse(None, "")), "client_credentials_missing");
        assert_eq!(fault(parse(None, "client_secret=x")), "client_credentials_missing");
        let two = Credentials::parse(&[&basic, &basic], &Form::parse(b"").unwrap());
        assert_eq!(fault(two), "invalid_request");
    }

    #[test]
    fn only_the_registered_method_and_a_live_secret_of_an_active_client_will_do() {
        // CA-01, CA-02, CA-03, CA-12, CA-13, CA-15
        let (registered, secret) = client(serde_json::json!({}));
        let good = parse(Some(&header("c1", secret.expose())), "").unwrap();
        let by_post = parse(None, &format!("client_id=c1&client_secret={}", secret.expose())).unwrap();
        let by_name = parse(None, "client_id=c1").unwrap();
        let wrong = parse(Some(&header("c1", "wrong")), "").unwrap();
        let check = |credentials: &Credentials, client: &Client| authenticate(credentials, Some(client.clone()), NOW);
        assert!(check(&good, &registered).is_ok());
        assert_eq!(fault(check(&wrong, &registered)), "client_secret_wrong");
        assert_eq!(fault(check(&by_post, &registered)), "client_authentication_method_not_registered");
        assert_eq!(fault(check(&by_name, &registered)), "client_authentication_method_not_registered");
        assert_eq!(fault(authenticate(&good, None, NOW)), "client_unknown");
        let (inactive, _) = client(serde_json::json!({"active": false}));
        assert_eq!(fault(check(&good, &inactive)), "client_inactive");
        let (public, _) = client(serde_json::json!({"client_type": "public", "grant_types": ["authorization_code"]}));
        assert!(check(&by_name, &public).is_ok());
        assert_eq!(fault(check(&good, &public)), "client_authentication_method_not_registered");
        let empty_secret = parse(None, "client_id=c1&client_secret=").unwrap();
        assert!(check(&empty_secret, &public).is_ok(), "an empty parameter is an absent one (TE-10)");
    }

    #[test]
    fn the_work_is_the_same_whoever_asks() {
        // SE-04, CA-15: two digests, for an unknown client, a wrong secret, a right one, the second one, an expired one, and none at all
        use super::super::secret::{ClientSecret, StoredSecret, digests_made};
        use crate::oauth::fresh::Fresh;
        let (one, secret) = client(serde_json::json!({}));
        let (public, _) = client(serde_json::json!({"client_type": "public", "grant_types": ["authorization_code"]}));
        let fresh = Fresh::new(NOW, [8; 32]);
        let second = ClientSecret::generate(&fresh);
        let mut two = one.clone();
        two.secrets.push(StoredSecret::of(&second, None, &fresh));
        let mut expired = one.clone();
        expired.secrets[0].expires_at = Some(NOW);
        let work = |secret: &str, client: Option<&Client>| {
            let credentials = parse(Some(&header("c1", secret)), "").unwrap();
            let before = digests_made();
            let _ = authenticate(&credentials, client.cloned(), NOW);
            digests_made() - before
        };
        for client in [None, Some(&one), Some(&two), Some(&expired), Some(&public), Some(&Client { secrets: Vec::new(), ..one.clone() })] {
            for secret in [secret.expose(), second.expose(), "wrong", ""] {
                assert_eq!(work(secret, client), 2, "{client:?}");
            }
        }
    }

    #[test]
    fn the_day_of_a_secrets_use_is_noted_once() {
        let (mut registered, secret) = client(serde_json::json!({}));
        let good = parse(Some(&header("c1", secret.expose())), "").unwrap();
        let first = authenticate(&good, Some(registered.clone()), NOW).unwrap();
        assert_eq!(first.secret_first_used_on(NOW), Some(registered.secrets[0].secret_id.as_str()));
        registered.secrets[0].last_used_on = Some(NOW.day());
        assert_eq!(authenticate(&good, Some(registered), NOW).unwrap().secret_first_used_on(NOW), None);
    }
}
