//! The registered client (RFC 6749 §2): what it is, what it may ask for, whether it is alive.

use serde::{Deserialize, Serialize};

use super::ids::{ClientId, Name};
use super::scope::Allowed;
use super::secret::{AnonymousKey, ClientSecret, StoredSecret};
use super::time::Timestamp;

/// How many live secrets a client has at most, and how many live anonymous keys: one in use, one being rolled out.
pub const MOST_SECRETS: usize = 2;

/// A client as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its identifier.
    pub client_id: ClientId,
    /// What the administrator said.
    pub metadata: ClientMetadata,
    /// Digests of its secrets.
    #[serde(default)]
    pub secrets: Vec<StoredSecret>,
    /// Digests of its anonymous keys. They never authenticate it: it ships them.
    #[serde(default)]
    pub anonymous_keys: Vec<StoredSecret>,
    /// Tokens issued before this are dead; moved by `revoke-tokens`.
    pub tokens_valid_from: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Rises with every change.
    pub version: u64,
}

/// What an administrator says of a client; the defaults are the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// The name for people; unique.
    pub client_name: String,
    /// Whether it can keep a secret (RFC 6749 §2.1).
    #[serde(default)]
    pub client_type: ClientType,
    /// The grants it may use.
    pub grant_types: Vec<GrantType>,
    /// How it authenticates; by default `client_secret_basic`, or `none` for a public client.
    #[serde(default)]
    pub token_endpoint_auth_method: Option<TokenEndpointAuthMethod>,
    /// The full scopes that it may have.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The full scopes that it gets when it asks for none.
    #[serde(default)]
    pub default_scopes: Vec<String>,
    /// The roles that it has when it acts for itself.
    #[serde(default)]
    pub roles: Vec<Name>,
    /// Where users may be sent back to (RFC 6749 §3.1.2).
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// The origins whose pages may read what the token and revocation endpoints answer to it.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// The realm of its users.
    #[serde(default = "default_realm")]
    pub realm: Name,
    /// Whether only assigned users may use it.
    #[serde(default = "yes")]
    pub enforce_assignments: bool,
    /// Whether it may do anything at all.
    #[serde(default = "yes")]
    pub active: bool,
    /// Whether it may introspect tokens of any audience.
    #[serde(default)]
    pub introspect: bool,
    /// The form of its access tokens.
    #[serde(default)]
    pub access_token_format: AccessTokenFormat,
    /// The life of its access tokens in seconds, where it is shorter than the Api's.
    #[serde(default)]
    pub access_token_ttl: Option<u64>,
    /// The life of its refresh tokens in seconds.
    #[serde(default)]
    pub refresh_token_ttl: Option<u64>,
    /// The API key of a usage plan that its calls count towards (API Gateway's `usageIdentifierKey`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_identifier_key: Option<String>,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Who answers for it.
    #[serde(default)]
    pub owner: String,
    /// E-mail addresses.
    #[serde(default)]
    pub contacts: Vec<String>,
    /// For sorting and finding.
    #[serde(default)]
    pub tags: Vec<Name>,
}

/// Whether a client can keep a secret (RFC 6749 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientType {
    /// It can.
    #[default]
    Confidential,
    /// It runs where others can read it.
    Public,
}

/// A grant type that a client can be registered for (RFC 7591 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum GrantType {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §4.3: deprecated, behind two locks.
    Password,
    /// RFC 6749 §6.
    RefreshToken,
}

impl GrantType {
    /// The value of `grant_type` and of `grant_types`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
        }
    }
}

impl From<GrantType> for &'static str {
    fn from(grant_type: GrantType) -> Self {
        grant_type.as_str()
    }
}

impl TryFrom<String> for GrantType {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "authorization_code" => Ok(Self::AuthorizationCode),
            "client_credentials" => Ok(Self::ClientCredentials),
            "password" => Ok(Self::Password),
            "refresh_token" => Ok(Self::RefreshToken),
            // RFC 9700 §2.1.2: refused by name, so that whoever follows an old guide learns why.
            "implicit" => Err("the implicit grant is disabled on this server, use authorization_code with PKCE"),
            _ => Err("a grant type is authorization_code, client_credentials, password or refresh_token"),
        }
    }
}

/// How a client authenticates at the token endpoint (RFC 7591 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenEndpointAuthMethod {
    /// HTTP Basic.
    ClientSecretBasic,
    /// `client_id` and `client_secret` in the body.
    ClientSecretPost,
    /// `client_id` alone: public clients.
    None,
}

/// The form of a client's access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessTokenFormat {
    /// A JWT by RFC 9068.
    #[default]
    Jwt,
    /// 256 random bits.
    Opaque,
}

fn default_realm() -> Name {
    Name::constant("default")
}

fn yes() -> bool {
    true
}

impl Client {
    /// Whether it is registered for `grant_type`.
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.metadata.grant_types.contains(&grant_type)
    }

    /// What it may ask for.
    pub fn allowed(&self) -> Allowed<'_> {
        Allowed { scopes: &self.metadata.scopes, defaults: &self.metadata.default_scopes }
    }

    /// The method it registered, explicitly or by its type.
    pub fn auth_method(&self) -> TokenEndpointAuthMethod {
        self.metadata.auth_method()
    }

    /// The secrets that may be used at `now`.
    pub fn live_secrets(&self, now: Timestamp) -> impl Iterator<Item = &StoredSecret> {
        self.secrets.iter().filter(move |stored| stored.is_live(now))
    }

    /// The live secret that `secret` is, if any. Every live secret is compared, so that time does not tell which one it was.
    pub fn live_secret(&self, secret: &ClientSecret, now: Timestamp) -> Option<&StoredSecret> {
        self.live_secrets(now).fold(None, |found, stored| if stored.matches(secret) { Some(stored) } else { found })
    }

    /// Whether `key` is one of its live anonymous keys. Every live key is compared, as for secrets.
    pub fn has_live_key(&self, key: &AnonymousKey, now: Timestamp) -> bool {
        let live = self.anonymous_keys.iter().filter(|stored| stored.is_live(now));
        live.filter(|stored| stored.matches_key(key)).count() > 0
    }

    /// The client after its tokens were revoked at `now`: what was issued up to and including this second is dead.
    pub fn with_tokens_revoked(mut self, now: Timestamp) -> Self {
        self.tokens_valid_from = now.plus(1);
        self
    }
}

impl ClientMetadata {
    /// The method given, or the one that goes with the type.
    pub fn auth_method(&self) -> TokenEndpointAuthMethod {
        self.token_endpoint_auth_method.unwrap_or(match self.client_type {
            ClientType::Confidential => TokenEndpointAuthMethod::ClientSecretBasic,
            ClientType::Public => TokenEndpointAuthMethod::None,
        })
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::super::fresh::Fresh;
    use super::*;

    /// A confidential client with one secret, and that secret.
    pub(crate) fn client(metadata: serde_json::Value) -> (Client, ClientSecret) {
        let mut json = serde_json::json!({"client_name": "c1", "grant_types": ["client_credentials"]});
        json.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        let fresh = Fresh::new(Timestamp::from_unix(1_000), [7; 32]);
        let secret = ClientSecret::generate(&fresh);
        let client = Client {
            client_id: ClientId::parse("c1").unwrap(),
            metadata: serde_json::from_value(json).unwrap(),
            secrets: vec![StoredSecret::of(&secret, None, &fresh)],
            anonymous_keys: Vec::new(),
            tokens_valid_from: fresh.now,
            created_at: fresh.now,
            updated_at: fresh.now,
            version: 1,
        };
        (client, secret)
    }
}
