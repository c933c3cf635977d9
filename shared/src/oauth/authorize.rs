//! The authorization request (RFC 6749 §4.1.1, PKCE required) and what is sent back to the client. Nothing is sent anywhere before the
//! redirect URI is proven to be the client's: until then a fault is a page for the person in front of it.

use super::api::{Api, Apis};
use super::client::{Client, GrantType};
use super::error::TokenError;
use super::ids::{ClientId, Issuer};
use super::pkce::CodeChallenge;
use super::scope;

/// The scope that asks for refresh tokens elsewhere (OpenID Connect §11). Here the client's registration decides; it is accepted and says
/// nothing.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The longest `state` that is carried, in bytes.
const LONGEST_STATE: usize = 4_096;

/// Why a person sees a page instead of being sent back: nothing proves where back would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFault {
    /// `client_id` is missing or repeated, or no client has it.
    UnknownClient,
    /// `redirect_uri` is missing or repeated, or not one of the client's.
    UnknownRedirect,
}

/// Why the client is told that there is no code (RFC 6749 §4.1.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizeError {
    /// The `error` code.
    pub code: &'static str,
    /// For the client's developer.
    pub description: String,
}

impl AuthorizeError {
    /// An error with a sentence.
    pub fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { code, description: description.into() }
    }

    /// The person said no, or may not use this client.
    pub fn denied(description: &str) -> Self {
        Self::new("access_denied", description)
    }
}

impl From<TokenError> for AuthorizeError {
    fn from(error: TokenError) -> Self {
        Self::new(error.code(), error.description())
    }
}

/// Where to send the person back to: proven to be the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRedirect {
    uri: String,
    state: Option<String>,
}

/// An authorization request, read in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client_id: ClientId,
    /// Where the answer goes.
    pub redirect: VerifiedRedirect,
    /// The audience.
    pub aud: String,
    /// The scope values that are asked for.
    pub scope: Vec<String>,
    /// PKCE.
    pub challenge: CodeChallenge,
}

/// The parameters that are looked at. Others are ignored (RFC 6749 §3.1), and do not come back after the sign-in page.
const KNOWN: [&str; 11] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "resource",
    "response_mode",
    "request",
    "request_uri",
];

/// Those parameters of a request that are looked at, as they came: repeated ones included.
pub fn known(parameters: Vec<(String, String)>) -> Vec<(String, String)> {
    parameters.into_iter().filter(|(name, _)| KNOWN.contains(&name.as_str())).collect()
}

/// The parameters of a request, as they came: repeated ones included.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a>(pub &'a [(String, String)]);

impl<'a> Parameters<'a> {
    /// The one value of a parameter; an empty one counts as absent (RFC 6749 §3.1).
    ///
    /// # Errors
    /// Where it is repeated.
    fn one(&self, name: &str) -> Result<Option<&'a str>, AuthorizeError> {
        let mut values = self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
            //= https://www.rfc-editor.org/rfc/rfc6749#section-3.1
            //# Request and response parameters MUST NOT be included more than once.
            (_, Some(_)) => Err(AuthorizeError::new("invalid_request", format!("{name} is repeated"))),
        }
    }

    /// Who says that they ask.
    pub fn client_id(&self) -> Option<ClientId> {
        self.one("client_id").ok().flatten().and_then(ClientId::parse)
    }

    /// Proves where the answer goes.
    ///
    /// # Errors
    /// Why it goes nowhere.
    pub fn redirect(&self, client: Option<&Client>) -> Result<VerifiedRedirect, PageFault> {
        let client = client.filter(|client| client.metadata.active).ok_or(PageFault::UnknownClient)?;
        let uri = self.one("redirect_uri").ok().flatten().ok_or(PageFault::UnknownRedirect)?;
        if !client.metadata.redirect_uris.iter().any(|registered| is_registered(uri, registered)) {
            return Err(PageFault::UnknownRedirect);
        }
        let state = self.one("state").ok().flatten().filter(|state| state.len() <= LONGEST_STATE).map(str::to_owned);
        Ok(VerifiedRedirect { uri: uri.to_owned(), state })
    }

    /// Reads the rest, for a redirect that is proven.
    ///
    /// # Errors
    /// What the client is told.
    pub fn request(&self, redirect: VerifiedRedirect, client: &Client, apis: &Apis) -> Result<AuthorizationRequest, AuthorizeError> {
        let invalid = |description: &str| AuthorizeError::new("invalid_request", description);
        if self.one("state")?.is_some_and(|state| state.len() > LONGEST_STATE) {
            return Err(invalid("state is longer than 4096 bytes"));
        }
        match self.one("response_type")? {
            Some("code") => {}
            None => return Err(invalid("response_type is missing")),
            // RFC 9700 §2.1.2: refused by name, so that whoever follows an old guide learns why.
            Some(kind) if kind.split(' ').any(|part| part == "token") => {
                let description = "the implicit grant is disabled on this server, use response_type=code with PKCE";
                return Err(AuthorizeError::new("unsupported_response_type", description));
            }
            Some(_) => return Err(AuthorizeError::new("unsupported_response_type", "response_type must be code")),
        }
        if !client.may_use(GrantType::AuthorizationCode) {
            return Err(AuthorizeError::new("unauthorized_client", "this client may not use the authorization_code grant"));
        }
        if self.one("response_mode")?.is_some_and(|mode| mode != "query") {
            return Err(invalid("response_mode must be query"));
        }
        if self.one("request")?.is_some() || self.one("request_uri")?.is_some() {
            return Err(AuthorizeError::new("request_not_supported", "request objects are not supported"));
        }
        //= https://www.rfc-editor.org/rfc/rfc7636#section-4.4.1
        //# If the server requires Proof Key for Code Exchange (PKCE) by OAuth public clients and the client does not send the
        //# "code_challenge" in the request, the authorization endpoint MUST return the authorization error response with the "error" value
        //# set to "invalid_request".
        let challenge = self.one("code_challenge")?.ok_or_else(|| invalid("code_challenge is missing, PKCE is required"))?;
        if self.one("code_challenge_method")? != Some("S256") {
            return Err(invalid("code_challenge_method must be S256"));
        }
        let challenge = CodeChallenge::parse(challenge).ok_or_else(|| invalid("code_challenge must be 43 characters of base64url"))?;
        let asked: Option<String> = self.one("scope")?.map(without_offline_access);
        let asked = asked.as_deref().filter(|scope| !scope.is_empty());
        let resources: Vec<&str> = self.0.iter().filter(|(name, _)| name == "resource").map(|(_, value)| value.as_str()).collect();
        let granted = scope::resolve(asked, &resources, client.allowed(), apis)?;
        let aud = granted.api.metadata.audience.clone();
        Ok(AuthorizationRequest { client_id: client.client_id.clone(), redirect, aud, scope: granted.values, challenge })
    }
}

/// `scope` without the value that only asks for refresh tokens.
pub fn without_offline_access(scope: &str) -> String {
    scope.split(' ').filter(|value| *value != OFFLINE_ACCESS && !value.is_empty()).collect::<Vec<_>>().join(" ")
}

impl AuthorizationRequest {
    /// The Api of the audience, if it still exists.
    pub fn api<'a>(&self, apis: &'a Apis) -> Option<&'a Api> {
        apis.of_audience(&self.aud)
    }
}

impl VerifiedRedirect {
    /// The URI, as it was registered but for the port of a loopback address.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Scheme, host and port, for the page that asks the person.
    pub fn origin(&self) -> &str {
        let after_scheme = self.uri.find("://").map_or(0, |at| at + 3);
        let end = self.uri.get(after_scheme..).and_then(|rest| rest.find(['/', '?'])).map_or(self.uri.len(), |at| after_scheme + at);
        self.uri.get(..end).unwrap_or(&self.uri)
    }

    /// The `Location` that carries a code (RFC 6749 §4.1.2, RFC 9207 §2).
    pub fn with_code(&self, code: &str, issuer: &Issuer) -> String {
        self.location(&[("code", code)], issuer)
    }

    /// The `Location` that carries an error (RFC 6749 §4.1.2.1).
    pub fn with_error(&self, error: &AuthorizeError, issuer: &Issuer) -> String {
        self.location(&[("error", error.code), ("error_description", &error.description)], issuer)
    }

    fn location(&self, answer: &[(&str, &str)], issuer: &Issuer) -> String {
        let state = self.state.as_deref().map(|state| ("state", state));
        //= https://www.rfc-editor.org/rfc/rfc9207#section-2
        //# In authorization responses to the client, including error responses, an authorization server supporting this specification MUST
        //# indicate its identity by including the "iss" parameter in the response.
        let parameters = answer.iter().copied().chain(state).chain([("iss", issuer.as_str())]);
        let encoded: Vec<String> = parameters.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let separator = if self.uri.contains('?') { '&' } else { '?' };
        format!("{}{separator}{}", self.uri, encoded.join("&"))
    }
}

/// Whether `uri` is the registered one, byte by byte; the port of a loopback literal is free (RFC 8252 §7.3).
fn is_registered(uri: &str, registered: &str) -> bool {
    //= https://www.rfc-editor.org/rfc/rfc9700#section-4.1.3
    //# Authorization servers MUST compare the two URIs using simple string comparison as defined in Section 6.2.1 of [RFC3986], except for
    //# port numbers in localhost redirection URIs of native apps.
    uri == registered || without_loopback_port(uri).is_some_and(|plain| Some(plain) == without_loopback_port(registered))
}

fn without_loopback_port(uri: &str) -> Option<String> {
    ["http://127.0.0.1", "http://[::1]"].into_iter().find_map(|host| {
        let rest = uri.strip_prefix(host)?;
        let (port, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let is_port = |port: &str| !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
        (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then(|| format!("{host}{path}"))
    })
}

/// A value of `application/x-www-form-urlencoded` (RFC 6749 App. B).
pub fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b' ' => text.push('+'),
            _ if byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::api::fixture::api;
    use super::super::client::fixture::client;
    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn registered(changes: serde_json::Value) -> Client {
        let mut json = serde_json::json!({"grant_types": ["authorization_code"], "redirect_uris": ["https://app.example/cb"], "scopes": ["https://orders.example/read"]});
        json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        client(json).0
    }

    fn ask(changes: &[(&str, &str)], client: &Client) -> Result<AuthorizationRequest, Result<PageFault, AuthorizeError>> {
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", "c1"),
            ("redirect_uri", "https://app.example/cb"),
            ("scope", "https://orders.example/read"),
            ("state", "xyz"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        pairs.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        pairs.extend(changes.iter().filter(|(_, value)| *value != "-").copied());
        let pairs: Vec<(String, String)> = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let parameters = Parameters(&pairs);
        let redirect = parameters.redirect(parameters.client_id().map(|_| client)).map_err(Ok)?;
        let apis = Apis::new(vec![api("orders", "https://orders.example/", &["read", "write"])], 1);
        parameters.request(redirect, client, &apis).map_err(Err)
    }

    fn code(changes: &[(&str, &str)]) -> &'static str {
        match ask(changes, &registered(serde_json::json!({}))) {
            Ok(_) => "ok",
            Err(Ok(_)) => "page",
            Err(Err(error)) => error.code,
        }
    }

    #[test]
    fn a_right_request_is_read() {
        // AZ-01, AZ-13, PK-03
        let request = ask(&[("extra", "foobar")], &registered(serde_json::json!({}))).unwrap();
        assert_eq!((request.aud.as_str(), request.scope.as_slice()), ("https://orders.example/", ["read".to_owned()].as_slice()));
        assert_eq!(code(&[("scope", "offline_access https://orders.example/read")]), "ok");
        assert_eq!(code(&[("scope", "read"), ("resource", "https://orders.example/")]), "ok");
    }

    #[test]
    fn nothing_is_sent_before_the_redirect_is_proven() {
        // AZ-03, AZ-04, AZ-05, AZ-06, AZ-07, AZ-10, AZ-12
        for (name, values) in [
            ("client_id", ["-", "", "a b", "c1\0"].as_slice()),
            (
                "redirect_uri",
                &[
                    "-",
                    "",
                    "https://evil.example/cb",
                    "https://app.example/cb/",
                    "https://app.example/cb?",
                    "https://app.example/cb#x",
                    "https://app.example/CB",
                    "https://APP.example/cb",
                    "https://app.example:443/cb",
                    "https://app.example/cb%20",
                    "https://app.example/cb/../cb",
                    "https://app.example@evil.example/cb",
                    "https://app.example.evil.example/cb",
                    "http://app.example/cb",
                    "https://app.example\\@evil.example/cb",
                    " https://app.example/cb",
                    "javascript:alert(1)",
                    "https://app.example/cb\n",
                    "//app.example/cb",
                    "/cb",
                ],
            ),
        ] {
            for value in values {
                assert_eq!(code(&[(name, value), ("response_type", "token")]), "page", "{name} {value:?}");
            }
        }
        let pairs = [("client_id", "c1"), ("redirect_uri", "https://app.example/cb"), ("redirect_uri", "https://app.example/cb")];
        assert_eq!(code(&pairs), "page");
        assert_eq!(code(&[("client_id", "c1"), ("client_id", "c1")]), "page");
        assert!(ask(&[], &registered(serde_json::json!({"active": false}))).is_err());
    }

    #[test]
    fn faults_of_the_request_go_to_the_client() {
        // AZ-11, AZ-12, PK-02, PK-03, PK-04, O-09
        for (changes, expected) in [
            (&[("response_type", "-")][..], "invalid_request"),
            (&[("response_type", "token")], "unsupported_response_type"),
            (&[("response_type", "code token")], "unsupported_response_type"),
            (&[("response_type", "code"), ("response_type", "code")], "invalid_request"),
            (&[("state", "a"), ("state", "b")], "invalid_request"),
            (&[("code_challenge", "-")], "invalid_request"),
            (&[("code_challenge", "short")], "invalid_request"),
            (&[("code_challenge_method", "-")], "invalid_request"),
            (&[("code_challenge_method", "plain")], "invalid_request"),
            (&[("code_challenge_method", "s256")], "invalid_request"),
            (&[("scope", "https://orders.example/write")], "invalid_scope"),
            (&[("scope", "openid")], "invalid_scope"),
            (&[("resource", "https://billing.example/")], "invalid_target"),
            (&[("request_uri", "https://evil.example/")], "request_not_supported"),
            (&[("response_mode", "form_post")], "invalid_request"),
        ] {
            assert_eq!(code(changes), expected, "{changes:?}");
        }
        let other = registered(serde_json::json!({"grant_types": ["client_credentials"]}));
        assert!(matches!(ask(&[], &other), Err(Err(AuthorizeError { code: "unauthorized_client", .. }))));
    }

    #[test]
    fn the_port_of_a_loopback_literal_is_free_and_nothing_else_is() {
        // AZ-08
        let native = "http://127.0.0.1/cb";
        for good in ["http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "http://127.0.0.1:1/cb"] {
            assert!(is_registered(good, native), "{good}");
        }
        for bad in [
            "http://localhost:51004/cb",
            "http://127.0.0.1:51004/other",
            "http://127.0.0.2/cb",
            "http://127.1/cb",
            "http://0x7f.1/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:x/cb",
            "http://127.0.0.1:123456/cb",
            "https://127.0.0.1:5/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "http://127.0.0.1:80@evil.example/cb",
        ] {
            assert!(!is_registered(bad, native), "{bad}");
        }
        assert!(is_registered("http://[::1]:7/cb", "http://[::1]:9/cb") && !is_registered("https://app.example:8/cb", "https://app.example/cb"));
    }

    #[test]
    fn what_goes_back_is_encoded_once_and_has_the_issuer() {
        // AZ-14, AZ-15, AZ-16, AZ-06, HT-15
        let issuer = Issuer::parse("https://as.example/prod").unwrap();
        let redirect = VerifiedRedirect { uri: "https://app.example/cb?a=1".to_owned(), state: Some("a b+%&\"é\r\nx=1".to_owned()) };
        assert_eq!(
            redirect.with_code("gw_ac_x.y", &issuer),
            "https://app.example/cb?a=1&code=gw_ac_x.y&state=a+b%2B%25%26%22%C3%A9%0D%0Ax%3D1&iss=https%3A%2F%2Fas.example%2Fprod"
        );
        let plain = VerifiedRedirect { uri: "https://app.example/cb".to_owned(), state: None };
        assert_eq!(
            plain.with_error(&AuthorizeError::denied("the user said no"), &issuer),
            "https://app.example/cb?error=access_denied&error_description=the+user+said+no&iss=https%3A%2F%2Fas.example%2Fprod"
        );
        assert_eq!((plain.origin(), redirect.origin()), ("https://app.example", "https://app.example"));
    }
}
