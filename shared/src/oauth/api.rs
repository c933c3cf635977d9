//! Resource servers ("Api"): an audience, its scopes, where its routes are, what protects the routes that nothing names.

use serde::{Deserialize, Serialize};

use super::ids::{ClientId, Name};
use super::invalid::Invalid;
use super::scope::is_scope_token;
use super::time::Timestamp;

/// The longest life that an access token may be given, in seconds.
pub const LONGEST_TOKEN_LIFE: u64 = 86_400;

/// The audience of the admin API, which is itself an Api.
pub const ADMIN_AUDIENCE: &str = "urn:gatewright:admin:";

/// The scope values of the admin API.
pub const ADMIN_SCOPES: [&str; 14] = [
    "clients.read",
    "clients.write",
    "apis.read",
    "apis.write",
    "access.read",
    "access.write",
    "users.read",
    "users.write",
    "tokens.read",
    "tokens.write",
    "keys.read",
    "keys.write",
    "audit.read",
    "stats.read",
];

/// What an administrator says of an Api; the defaults are the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiMetadata {
    /// Names the Api in the admin API; unique.
    pub name: Name,
    /// The `aud` of its tokens (RFC 9068 §2.2): an absolute URI or URN; a full scope is audience and value, with nothing between.
    pub audience: String,
    /// Where its routes begin; `/name` unless given.
    #[serde(default)]
    pub base_path: String,
    /// The API Gateway stage that its routes are on (`apiId/stage`); `None`: any.
    #[serde(default)]
    pub gateway: Option<String>,
    /// Its scopes.
    #[serde(default)]
    pub scopes: Vec<ApiScope>,
    /// What routes ask for that no privilege names.
    #[serde(default)]
    pub access: Access,
    /// What its public routes ask of a call without a token.
    #[serde(default)]
    pub anonymous: Anonymous,
    /// Whether its routes also take HTTP Basic.
    #[serde(default)]
    pub basic_auth: bool,
    /// The life of its access tokens, in seconds.
    #[serde(default = "an_hour")]
    pub access_token_ttl: u64,
    /// The algorithm that signs its tokens.
    #[serde(default)]
    pub signing_alg: SigningAlg,
    /// Whether every token has a record, or only revoked ones.
    #[serde(default)]
    pub token_records: TokenRecords,
    /// The client that may introspect the tokens of this audience (RFC 7662 §4).
    #[serde(default)]
    pub resource_server_client_id: Option<ClientId>,
    /// For sorting and finding.
    #[serde(default)]
    pub tags: Vec<Name>,
}

/// One scope value of an Api.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object with a value")]
pub struct ApiScope {
    /// The value, as it stands in a token's `scope`.
    pub value: String,
    /// What it allows, for people.
    #[serde(default)]
    pub description: String,
}

/// What a route asks for that no privilege names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Nobody passes.
    #[default]
    Deny,
    /// Any good token of this audience passes.
    Authenticated,
    /// No token is asked for; a bad one is still refused.
    Public,
}

/// What the public routes of an Api ask of a call without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anonymous {
    /// Nothing.
    #[default]
    Open,
    /// An anonymous key, which says which client's app it is: an identifier, not a proof.
    Keyed,
}

/// The algorithm that signs an Api's tokens (RFC 7518 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum SigningAlg {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    ES256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits: for verifiers that know only RSA.
    RS256,
}

/// Which tokens have a record in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenRecords {
    /// Every token: it can be listed, and a token without its record is dead.
    #[default]
    Full,
    /// Only revoked tokens: nothing is written at issuance.
    Revocations,
}

fn an_hour() -> u64 {
    3_600
}

/// An Api as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// What the administrator said.
    pub metadata: ApiMetadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Since when every token of it has a record; `None` while only revocations are recorded.
    #[serde(default)]
    pub records_since: Option<Timestamp>,
    /// How many privileges name its routes: an Api without any needs no read of them.
    #[serde(default)]
    pub privileges: usize,
    /// Rises with every change.
    pub version: u64,
}

impl Api {
    /// The part of `full_scope` after this audience, where it is one of this Api's values.
    pub fn value_of<'a>(&self, full_scope: &'a str) -> Option<&'a str> {
        let value = full_scope.strip_prefix(self.metadata.audience.as_str())?;
        self.has_scope(value).then_some(value)
    }

    /// Whether it takes HTTP Basic, for a password or for an anonymous key: then its 401 says so.
    pub fn takes_basic(&self) -> bool {
        self.metadata.basic_auth || self.metadata.anonymous == Anonymous::Keyed
    }

    /// Whether `value` is one of this Api's scope values.
    pub fn has_scope(&self, value: &str) -> bool {
        self.metadata.scopes.iter().any(|scope| scope.value == value)
    }

    fn full_scopes(&self) -> impl Iterator<Item = String> + '_ {
        self.metadata.scopes.iter().map(|scope| format!("{}{}", self.metadata.audience, scope.value))
    }
}

/// Every Api of the server, the admin API first: one aggregate, because names, audiences, base paths and full scopes are unique across it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apis {
    all: Vec<Api>,
    /// Rises with every change of any Api.
    pub version: u64,
}

/// Why an Api cannot be added to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiConflict {
    /// Another Api has this name.
    Name,
    /// Another Api has this audience.
    Audience,
    /// Another Api on the same gateway has this base path.
    BasePath(Name),
    /// The full scope could also be read as another Api's.
    FullScope(String),
}

impl Apis {
    /// The Apis that the table holds, and the admin API, which it does not hold.
    pub fn new(stored: Vec<Api>, version: u64) -> Self {
        let mut all = stored;
        all.insert(0, admin_api());
        Self { all, version }
    }

    /// The Apis that an administrator made.
    pub fn stored(&self) -> impl Iterator<Item = &Api> {
        self.all.iter().skip(1)
    }

    /// Every Api, the admin API included.
    pub fn iter(&self) -> impl Iterator<Item = &Api> {
        self.all.iter()
    }

    /// The Api of this name.
    pub fn named(&self, name: &str) -> Option<&Api> {
        self.stored().find(|api| api.metadata.name.as_str() == name)
    }

    /// The Api of this audience, compared byte by byte.
    pub fn of_audience(&self, audience: &str) -> Option<&Api> {
        self.all.iter().find(|api| api.metadata.audience == audience)
    }

    /// The one Api and scope value that a full scope names.
    pub fn resolve<'a>(&self, full_scope: &'a str) -> Option<(&Api, &'a str)> {
        self.all.iter().find_map(|api| api.value_of(full_scope).map(|value| (api, value)))
    }

    /// The Apis with `api` added, or in the place of the one called `replacing`.
    ///
    /// # Errors
    /// What of it another Api already has.
    pub fn with(&self, api: Api, replacing: Option<&Name>) -> Result<Self, ApiConflict> {
        let others = || self.all.iter().filter(|other| Some(&other.metadata.name) != replacing);
        let new = &api.metadata;
        if others().any(|other| other.metadata.name == new.name) {
            return Err(ApiConflict::Name);
        }
        if others().any(|other| other.metadata.audience == new.audience) {
            return Err(ApiConflict::Audience);
        }
        // The same base path on one named gateway and on any gateway is no tie: the named one is the more specific.
        let same_place = |other: &&Api| other.metadata.base_path == new.base_path && other.metadata.gateway == new.gateway;
        if let Some(other) = others().find(same_place) {
            return Err(ApiConflict::BasePath(other.metadata.name.clone()));
        }
        // A full scope must name one Api and one value only (seeds T-08, 5.2 #14).
        let taken = |full_scope: &String| others().any(|other| other.full_scopes().any(|theirs| theirs == *full_scope));
        if let Some(full_scope) = api.full_scopes().find(taken) {
            return Err(ApiConflict::FullScope(full_scope));
        }
        let mut all: Vec<Api> = self.all.clone();
        match all.iter_mut().find(|other| Some(&other.metadata.name) == replacing) {
            Some(place) => *place = api,
            None => all.push(api),
        }
        Ok(Self { all, version: self.version + 1 })
    }

    /// The Apis with the Api called `name` having this many privileges; the version rises in any case, because the routes have changed.
    pub fn with_privileges(&self, name: &Name, privileges: usize) -> Self {
        let mut all = self.all.clone();
        for api in all.iter_mut().filter(|api| api.metadata.name == *name) {
            api.privileges = privileges;
        }
        Self { all, version: self.version + 1 }
    }

    /// The Apis without the one called `name`.
    pub fn without(&self, name: &Name) -> Self {
        let kept = self.all.iter().filter(|api| api.metadata.name != *name).cloned();
        Self { all: kept.collect(), version: self.version + 1 }
    }
}

fn admin_api() -> Api {
    let scope = |value: &&str| ApiScope { value: (*value).to_owned(), description: String::new() };
    Api {
        metadata: ApiMetadata {
            name: Name::constant("gatewright-admin"),
            audience: ADMIN_AUDIENCE.to_owned(),
            base_path: String::new(),
            gateway: None,
            scopes: ADMIN_SCOPES.iter().map(scope).collect(),
            access: Access::Deny,
            anonymous: Anonymous::Open,
            basic_auth: false,
            access_token_ttl: an_hour(),
            signing_alg: SigningAlg::ES256,
            token_records: TokenRecords::Full,
            resource_server_client_id: None,
            tags: Vec::new(),
        },
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        records_since: Some(Timestamp::default()),
        privileges: 0,
        version: 0,
    }
}

impl ApiMetadata {
    /// Fills in what depends on other fields and finds what is wrong.
    ///
    /// # Errors
    /// Every fault, each with a JSON pointer to its field.
    pub fn checked(mut self) -> Result<Self, Vec<Invalid>> {
        let mut faults = Vec::new();
        if self.base_path.is_empty() {
            self.base_path = format!("/{}", self.name);
        }
        if !is_absolute_uri(&self.audience) {
            faults.push(Invalid::new("/audience", "must be an absolute URI or URN of at most 200 characters, without a fragment"));
        }
        if !is_base_path(&self.base_path) {
            faults.push(Invalid::new("/base_path", "must be `/` or segments of unreserved characters, without a trailing slash"));
        }
        if self.gateway.as_deref().is_some_and(|gateway| !is_gateway(gateway)) {
            faults.push(Invalid::new("/gateway", "must be null or \"apiId/stage\""));
        }
        if self.scopes.len() > 100 {
            faults.push(Invalid::new("/scopes", "must be at most 100"));
        }
        for (at, scope) in self.scopes.iter().enumerate() {
            if !is_scope_token(&scope.value) || scope.value.len() > 100 {
                faults.push(Invalid::new(format!("/scopes/{at}/value"), "must be 1 to 100 characters of RFC 6749 section 3.3"));
            }
            if self.scopes.iter().take(at).any(|earlier| earlier.value == scope.value) {
                faults.push(Invalid::new(format!("/scopes/{at}/value"), "stands in the list twice"));
            }
        }
        if !(1..=LONGEST_TOKEN_LIFE).contains(&self.access_token_ttl) {
            faults.push(Invalid::new("/access_token_ttl", "must be 1 to 86400 seconds"));
        }
        if faults.is_empty() { Ok(self) } else { Err(faults) }
    }
}

/// Whether `text` is an absolute URI (RFC 3986 §4.3) of characters that are safe in a scope: with a scheme, without a fragment.
pub fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_is_one = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let names_something = !rest.trim_start_matches('/').is_empty();
    scheme_is_one && names_something && text.len() <= 200 && is_scope_token(text) && !text.contains(['#', '<', '>'])
}

fn is_base_path(path: &str) -> bool {
    let segment_is_plain =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    path == "/" || (path.len() <= 200 && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment_is_plain)))
}

fn is_gateway(gateway: &str) -> bool {
    let part_is_one = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_$".contains(&byte));
    gateway.len() <= 200 && gateway.split_once('/').is_some_and(|(api_id, stage)| part_is_one(api_id) && part_is_one(stage))
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    pub(crate) fn api(name: &str, audience: &str, scopes: &[&str]) -> Api {
        let json = serde_json::json!({
            "name": name, "audience": audience, "scopes": scopes.iter().map(|value| serde_json::json!({"value": value})).collect::<Vec<_>>(),
        });
        let metadata: ApiMetadata = serde_json::from_value(json).unwrap();
        Api {
            metadata: metadata.checked().unwrap(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
            records_since: None,
            privileges: 0,
            version: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::api;
    use super::*;

    #[test]
    fn a_full_scope_names_one_api_only() {
        // I-02, T-08, 5.2 #14
        let apis = Apis::new(vec![], 0).with(api("orders", "https://orders.example/", &["read", "write"]), None).unwrap();
        assert_eq!(apis.resolve("https://orders.example/read").map(|(api, value)| (api.metadata.name.as_str(), value)), Some(("orders", "read")));
        assert_eq!(apis.resolve("https://orders.example/"), None);
        let split_elsewhere = apis.with(api("other", "https://orders.exa", &["mple/read"]), None);
        assert_eq!(split_elsewhere, Err(ApiConflict::FullScope("https://orders.example/read".to_owned())));
        assert_eq!(apis.with(api("orders", "https://x.example/", &[]), None), Err(ApiConflict::Name));
        assert_eq!(apis.with(api("x", "https://orders.example/", &[]), None), Err(ApiConflict::Audience));
        assert_eq!(apis.with(api("x", ADMIN_AUDIENCE, &[]), None), Err(ApiConflict::Audience));
    }

    #[test]
    fn an_api_may_be_replaced_by_itself_and_removed() {
        let orders = api("orders", "https://orders.example/", &["read"]);
        let apis = Apis::new(vec![orders.clone()], 7);
        let replaced = apis.with(orders.clone(), Some(&orders.metadata.name)).unwrap();
        assert_eq!((replaced.stored().count(), replaced.version), (1, 8));
        assert_eq!(replaced.without(&orders.metadata.name).stored().count(), 0);
    }

    #[test]
    fn absolute_uris_are_told_from_everything_else() {
        for good in ["https://orders.example/", "urn:gatewright:admin:", "api://default"] {
            assert!(is_absolute_uri(good), "{good}");
        }
        for bad in ["", "orders", "/orders", "https://", "https:", "https://a#b", "https://a b", "1a:b", ":x"] {
            assert!(!is_absolute_uri(bad), "{bad}");
        }
    }

    #[test]
    fn faults_name_their_fields() {
        let json = serde_json::json!({"name": "a", "audience": "x", "base_path": "/a/", "gateway": "g", "access_token_ttl": 0,
            "scopes": [{"value": "a b"}, {"value": "r"}, {"value": "r"}]});
        let metadata: ApiMetadata = serde_json::from_value(json).unwrap();
        let pointers: Vec<_> = metadata.checked().unwrap_err().into_iter().map(|fault| fault.pointer.into_owned()).collect();
        assert_eq!(pointers, ["/audience", "/base_path", "/gateway", "/scopes/0/value", "/scopes/2/value", "/access_token_ttl"]);
    }
}
