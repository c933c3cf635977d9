//! Roles and privileges: which roles, scopes and subjects open which routes of an Api. Data, not code; closed unless something opens.

use serde::{Deserialize, Serialize};

use super::access_token::SubjectType;
use super::api::{Api, Apis};
use super::ids::Name;
use super::invalid::{Invalid, repeated};
use super::path::PathPattern;
use super::time::Timestamp;

/// A role: a name that clients, users and groups have, and privileges ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// The name.
    pub name: Name,
    /// What it is for, for people.
    #[serde(default)]
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Rises with every change.
    pub version: u64,
}

/// A privilege as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privilege {
    /// What the administrator said.
    pub metadata: PrivilegeMetadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Rises with every change.
    pub version: u64,
}

/// What an administrator says of a privilege; the defaults are the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivilegeMetadata {
    /// Names the privilege in the admin API and in the authorizer's context; unique.
    pub name: Name,
    /// The Api whose routes these are.
    pub api: Name,
    /// The routes; `None`: everything at and below the Api's base path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<Route>>,
    /// The roles, any of which opens the routes; empty: none is asked for.
    #[serde(default)]
    pub roles: Vec<Name>,
    /// The scope values that are asked for; empty: none.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whether one of the scopes suffices.
    #[serde(default)]
    pub scopes_match: ScopesMatch,
    /// Who may pass: people, clients for themselves, or both.
    #[serde(default = "everybody")]
    pub subjects: Vec<SubjectType>,
    /// Whether a token is asked for at all.
    #[serde(default)]
    pub access: PrivilegeAccess,
}

/// Routes of one pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "an object with a path")]
pub struct Route {
    /// The methods; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<Method>>,
    /// The paths, from the root of the gateway's stage.
    pub path: PathPattern,
}

/// A method that API Gateway routes by; HEAD is asked what GET is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Method {
    /// GET, and HEAD.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
}

/// Whether one of several scopes suffices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopesMatch {
    /// One suffices.
    #[default]
    Any,
    /// All are needed.
    All,
}

/// Whether a privilege asks for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivilegeAccess {
    /// It does.
    #[default]
    Protected,
    /// Anybody may pass; a bad token is still refused.
    Public,
}

fn everybody() -> Vec<SubjectType> {
    vec![SubjectType::User, SubjectType::Client]
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 6] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// The method of a call; `None` for one that only a route of any method matches.
    pub fn of(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.spellings().contains(&method))
    }

    /// Whether a call behind the gateway could have this method, known or not: methods are case-sensitive (RFC 9110 §9.1), and a gateway
    /// has only such in capitals.
    pub fn could_be(method: &str) -> bool {
        !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase())
    }

    /// The methods of HTTP that it stands for (RFC 9110 §9.3.2: HEAD asks for what GET would give).
    pub fn spellings(self) -> &'static [&'static str] {
        match self {
            Self::Get => &["GET", "HEAD"],
            Self::Post => &["POST"],
            Self::Put => &["PUT"],
            Self::Patch => &["PATCH"],
            Self::Delete => &["DELETE"],
            Self::Options => &["OPTIONS"],
        }
    }

    /// The method's bit in a set of methods.
    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl From<Method> for &'static str {
    fn from(method: Method) -> Self {
        method.spellings().first().copied().unwrap_or_default()
    }
}

impl TryFrom<String> for Method {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "HEAD" => Err("HEAD is asked what GET is, name GET"),
            known => Self::of(known).ok_or("a method is GET, POST, PUT, PATCH, DELETE or OPTIONS; without methods a route takes any"),
        }
    }
}

impl PrivilegeMetadata {
    /// Finds what is wrong, given the Apis of the server; whether its roles exist is for the table to say.
    ///
    /// # Errors
    /// Every fault, each with a JSON pointer to its field.
    pub fn checked(self, apis: &Apis) -> Result<Self, Vec<Invalid>> {
        let mut faults = Vec::new();
        match apis.named(self.api.as_str()) {
            Some(api) => self.find_faults_with(api, &mut faults),
            None => faults.push(Invalid::new("/api", "no api has this name")),
        }
        if self.routes.as_ref().is_some_and(|routes| routes.is_empty() || routes.len() > 100) {
            faults.push(Invalid::new("/routes", "must be 1 to 100; left out, it is the whole api"));
        }
        for (at, route) in self.routes.iter().flatten().enumerate() {
            let repeats =
                |methods: &[Method]| methods.iter().enumerate().any(|(at, method)| methods.iter().take(at).any(|earlier| earlier == method));
            if route.methods.as_ref().is_some_and(|methods| methods.is_empty() || repeats(methods)) {
                faults.push(Invalid::new(format!("/routes/{at}/methods"), "must name methods, each once; left out, it is any method"));
            }
        }
        for (pointer, count, most) in [("/roles", self.roles.len(), MOST_ROLES), ("/scopes", self.scopes.len(), 50)] {
            if count > most {
                faults.push(Invalid::new(pointer, format!("must be at most {most}")));
            }
        }
        if repeated(&self.roles) {
            faults.push(Invalid::new("/roles", "names a role twice"));
        }
        if repeated(&self.scopes) {
            faults.push(Invalid::new("/scopes", "names a scope twice"));
        }
        if self.subjects.is_empty() || repeated(&self.subjects) {
            faults.push(Invalid::new("/subjects", "must be user, client or both, each once"));
        }
        if self.access == PrivilegeAccess::Public && !(self.roles.is_empty() && self.scopes.is_empty()) {
            faults.push(Invalid::new("/access", "a public privilege asks for no roles and no scopes"));
        }
        if faults.is_empty() { Ok(self) } else { Err(faults) }
    }

    fn find_faults_with(&self, api: &Api, faults: &mut Vec<Invalid>) {
        for (at, route) in self.routes.iter().flatten().enumerate() {
            if !route.path.is_within(&api.metadata.base_path) {
                let detail = format!("must lie at or below the base_path of the api, {}", api.metadata.base_path);
                faults.push(Invalid::new(format!("/routes/{at}/path"), detail));
            }
        }
        for (at, scope) in self.scopes.iter().enumerate() {
            if !api.has_scope(scope) {
                faults.push(Invalid::new(format!("/scopes/{at}"), "is no scope value of the api (the value alone, without the audience)"));
            }
        }
    }

    /// Whether it fits `api` as that is to be: its routes still on the Api, its scopes still the Api's.
    pub fn fits(&self, api: &Api) -> bool {
        let mut faults = Vec::new();
        self.find_faults_with(api, &mut faults);
        faults.is_empty()
    }
}

/// The most roles that a client, a group or a privilege has.
///
/// INVARIANT: a change of all of them is one transaction, with a write for each role that goes, for each that comes, and for what else changes
/// with the object; DynamoDB takes a hundred.
pub(crate) const MOST_ROLES: usize = 30;

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    /// A privilege of the Api `soda`, changed by `changes`.
    pub(crate) fn privilege(name: &str, changes: serde_json::Value) -> Privilege {
        let mut json = serde_json::json!({"name": name, "api": "soda"});
        json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        Privilege { metadata: serde_json::from_value(json).unwrap(), created_at: Timestamp::default(), updated_at: Timestamp::default(), version: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::api::fixture::api;
    use super::fixture::privilege;
    use super::*;

    fn faults(changes: serde_json::Value) -> Vec<String> {
        let apis = Apis::new(vec![api("soda", "https://soda.example/", &["read", "write"])], 1);
        let checked = privilege("p", changes).metadata.checked(&apis);
        checked.err().unwrap_or_default().into_iter().map(|fault| fault.pointer.into_owned()).collect()
    }

    #[test]
    fn a_privilege_names_what_exists() {
        // O-03, O-11
        assert_eq!(faults(serde_json::json!({})), [""; 0]);
        assert_eq!(faults(serde_json::json!({"routes": [{"methods": ["GET"], "path": "/soda/{id}"}], "roles": ["r"], "scopes": ["read"]})), [""; 0]);
        assert_eq!(faults(serde_json::json!({"api": "nothing"})), ["/api"]);
        let wrong = serde_json::json!({"routes": [{"path": "/elsewhere"}, {"methods": [], "path": "/soda"}, {"methods": ["GET", "GET"], "path": "/soda"}],
            "scopes": ["https://soda.example/read"], "roles": ["r", "r"], "subjects": [], "access": "public"});
        assert_eq!(faults(wrong), ["/routes/0/path", "/scopes/0", "/routes/1/methods", "/routes/2/methods", "/roles", "/subjects", "/access"]);
        assert_eq!(faults(serde_json::json!({"routes": []})), ["/routes"]);
    }

    #[test]
    fn head_is_get_and_other_methods_are_only_any() {
        // 5.1 #12, AU-20
        assert_eq!((Method::of("GET"), Method::of("HEAD")), (Some(Method::Get), Some(Method::Get)));
        assert_eq!((Method::of("get"), Method::of("TRACE"), Method::of("$connect")), (None, None, None));
        assert!(Method::try_from("HEAD".to_owned()).unwrap_err().contains("GET"));
        assert!(["GET", "HEAD", "PROPFIND"].into_iter().all(Method::could_be));
        assert!(!["", "get", "Get", "GET ", "$connect", "*"].into_iter().any(Method::could_be));
    }
}
