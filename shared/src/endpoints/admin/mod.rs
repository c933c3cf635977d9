//! The admin API, `/admin/v1`: every object of the chain as JSON. It is itself an Api: audience `urn:gatewright:admin:`.

mod apis;
mod body;
mod clients;
mod groups;
mod keys;
mod privileges;
mod problem;
mod reports;
mod roles;
mod secrets;
mod tokens;
mod users;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::{ETAG, IF_MATCH};
use serde::Serialize;
use serde_json::Value;

use super::evidence::Evidence;
use super::request::Request;
use super::respond::{self, Response};
use super::rotate;
use problem::Problem;
use secrets::Kind;

use crate::oauth::api::ADMIN_AUDIENCE;
use crate::oauth::bearer::{self, Challenge, Presented};
use crate::oauth::change::AuditEvent;
use crate::oauth::fresh::Fresh;
use crate::oauth::ids::ClientId;
use crate::oauth::metadata::ProtectedResourceMetadata;

/// How often a change is decided again because somebody else was first.
const ATTEMPTS: usize = 4;

/// The endpoint and what it needs: everything but private keys in the clear.
pub struct Endpoint {
    /// What is known of tokens, and the table.
    pub evidence: Evidence,
    /// Makes keys.
    pub rotate: Arc<rotate::Endpoint>,
    /// Whether the admin API exists at all.
    pub enabled: bool,
}

/// Who asks, and what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    actor: String,
    scopes: Option<Vec<String>>,
}

impl Caller {
    /// Somebody whom IAM lets write to the table: the command line. They may do everything.
    pub fn operator() -> Self {
        Self { actor: "cli".to_owned(), scopes: None }
    }

    /// Whether the caller holds this scope value of the admin API.
    fn holds(&self, value: &str) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|scope| scope == value))
    }

    fn require(&self, value: &'static str) -> Result<(), Problem> {
        if self.holds(value) { Ok(()) } else { Err(Problem::MissingScope(value)) }
    }
}

impl Endpoint {
    /// Answers a request.
    pub async fn handle(&self, request: Request, fresh: Fresh) -> Response {
        let answer = match self.caller(&request, &fresh).await {
            Ok(caller) => self.answer(&caller, &request, &fresh).await,
            Err(problem) => Err(problem),
        };
        self.respond(&request, answer)
    }

    /// Answers a request of somebody who is known already.
    pub async fn handle_for(&self, caller: &Caller, request: Request, fresh: Fresh) -> Response {
        let answer = self.answer(caller, &request, &fresh).await;
        self.respond(&request, answer)
    }

    fn respond(&self, request: &Request, answer: Result<Response, Problem>) -> Response {
        answer.unwrap_or_else(|problem| {
            log::info!(endpoint = "admin", method = request.method.as_str(), reason = problem.fault(); "admin request refused");
            let metadata = ProtectedResourceMetadata::admin_url(self.evidence.keyring.issuer());
            problem.response(&metadata)
        })
    }

    /// The token gate of the admin API.
    async fn caller(&self, request: &Request, fresh: &Fresh) -> Result<Caller, Problem> {
        if !self.enabled {
            return Err(Problem::NotFound);
        }
        let authorization = request.authorization();
        let token = match bearer::presented(&authorization) {
            Presented::Nothing => return Err(Problem::Unauthorized(Challenge::MissingToken)),
            Presented::Unusable => return Err(Problem::Unauthorized(Challenge::InvalidToken)),
            Presented::Bearer(token) => token,
        };
        let examined = self.evidence.examine(token, None, fresh.now).await?;
        match examined.verdict(&self.evidence.keyring, fresh.now)? {
            Ok(claims) if claims.aud == ADMIN_AUDIENCE => {
                Ok(Caller { actor: claims.sub.clone(), scopes: Some(claims.scope.split(' ').map(str::to_owned).collect()) })
            }
            _ => Err(Problem::Unauthorized(Challenge::InvalidToken)),
        }
    }

    async fn answer(&self, caller: &Caller, request: &Request, fresh: &Fresh) -> Result<Response, Problem> {
        let mut names: Vec<&str> = request.query.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(Problem::parameter(name, "is repeated"));
        }
        let context = Context { endpoint: self, caller, request, fresh };
        let under = request.path_under(self.evidence.keyring.issuer());
        let path = under.strip_prefix("/admin/v1/").ok_or(Problem::NotFound)?;
        let segments: Vec<&str> = path.split('/').collect();
        let method = &request.method;
        match (method.as_str(), segments.as_slice()) {
            ("GET", ["clients"]) => context.list_clients().await,
            ("POST", ["clients"]) => context.create_client().await,
            ("GET", ["clients", id]) => context.show_client(id).await,
            ("PATCH", ["clients", id]) => context.change_client(id).await,
            ("DELETE", ["clients", id]) => context.delete_client(id).await,
            ("POST", ["clients", id, "revoke-tokens"]) => context.revoke_client_tokens(id).await,
            ("GET", ["clients", id, "secrets"]) => context.list_secrets(id, Kind::Secret).await,
            ("POST", ["clients", id, "secrets"]) => context.create_secret(id, Kind::Secret).await,
            ("DELETE", ["clients", id, "secrets", secret_id]) => context.delete_secret(id, Kind::Secret, secret_id).await,
            ("GET", ["clients", id, "anonymous-keys"]) => context.list_secrets(id, Kind::AnonymousKey).await,
            ("POST", ["clients", id, "anonymous-keys"]) => context.create_secret(id, Kind::AnonymousKey).await,
            ("DELETE", ["clients", id, "anonymous-keys", key_id]) => context.delete_secret(id, Kind::AnonymousKey, key_id).await,
            ("PUT", ["clients", id, "roles", role]) => context.grant_role(id, role).await,
            ("DELETE", ["clients", id, "roles", role]) => context.take_role(id, role).await,
            ("GET", ["clients", id, "assignments"]) => context.list_assignments(id).await,
            ("PUT", ["clients", id, "assignments", kind @ ("users" | "groups"), name]) => context.assign(id, kind, name).await,
            ("DELETE", ["clients", id, "assignments", kind @ ("users" | "groups"), name]) => context.unassign(id, kind, name).await,
            ("GET", ["users"]) => context.list_users().await,
            ("POST", ["users"]) => context.create_user().await,
            ("GET", ["users", id]) => context.show_user(id).await,
            ("PATCH", ["users", id]) => context.change_user(id).await,
            ("DELETE", ["users", id]) => context.delete_user(id).await,
            ("GET", ["users", id, "grants"]) => context.list_grants(id).await,
            ("DELETE", ["users", id, "grants", client]) => context.withdraw_grants(id, client).await,
            ("GET", ["groups"]) => context.list_groups().await,
            ("POST", ["groups"]) => context.create_group().await,
            ("GET", ["groups", name]) => context.show_group(name).await,
            ("PATCH", ["groups", name]) => context.change_group(name).await,
            ("DELETE", ["groups", name]) => context.delete_group(name).await,
            ("PUT", ["groups", name, "members", user_id]) => context.add_member(name, user_id).await,
            ("DELETE", ["groups", name, "members", user_id]) => context.remove_member(name, user_id).await,
            ("GET", ["roles"]) => context.list_roles().await,
            ("POST", ["roles"]) => context.create_role().await,
            ("GET", ["roles", name]) => context.show_role(name).await,
            ("PATCH", ["roles", name]) => context.change_role(name).await,
            ("DELETE", ["roles", name]) => context.delete_role(name).await,
            ("GET", ["privileges"]) => context.list_privileges().await,
            ("POST", ["privileges"]) => context.create_privilege().await,
            ("GET", ["privileges", name]) => context.show_privilege(name).await,
            ("PATCH", ["privileges", name]) => context.change_privilege(name).await,
            ("DELETE", ["privileges", name]) => context.delete_privilege(name).await,
            ("GET", ["routes", "explain"]) => context.explain_route().await,
            ("GET", ["apis"]) => context.list_apis().await,
            ("POST", ["apis"]) => context.create_api().await,
            ("GET", ["apis", name]) => context.show_api(name).await,
            ("PATCH", ["apis", name]) => context.change_api(name).await,
            ("DELETE", ["apis", name]) => context.delete_api(name).await,
            ("GET", ["tokens"]) => context.list_tokens().await,
            ("GET", ["tokens", jti]) => context.show_token(jti).await,
            ("DELETE", ["tokens", jti]) => context.revoke_token(jti).await,
            ("GET", ["keys"]) => context.list_keys().await,
            ("POST", ["keys", "rotate"]) => context.rotate_keys().await,
            ("GET", ["audit"]) => context.list_audit().await,
            ("GET", ["usage"]) => context.usage().await,
            ("GET", ["stats", "latest", "instance"]) => context.stats().await,
            (_, known) => Err(allowed(known).map_or(Problem::NotFound, Problem::MethodNotAllowed)),
        }
    }
}

/// The methods of a path that exists, for a request that used another.
fn allowed(segments: &[&str]) -> Option<&'static str> {
    match segments {
        ["clients" | "apis" | "roles" | "privileges" | "users" | "groups"] => Some("GET, POST"),
        ["clients", _, "roles", _] | ["groups", _, "members", _] | ["clients", _, "assignments", "users" | "groups", _] => Some("PUT, DELETE"),
        ["clients", _, "assignments"] | ["users", _, "grants"] => Some("GET"),
        ["users", _, "grants", _] => Some("DELETE"),
        ["routes", "explain"] => Some("GET"),
        ["clients" | "apis" | "roles" | "privileges" | "users" | "groups", _] => Some("GET, PATCH, DELETE"),
        ["clients", _, "secrets" | "anonymous-keys"] => Some("GET, POST"),
        ["clients", _, "secrets" | "anonymous-keys", _] => Some("DELETE"),
        ["clients", _, "revoke-tokens"] | ["keys", "rotate"] => Some("POST"),
        ["tokens", _] => Some("GET, DELETE"),
        ["tokens" | "keys" | "audit" | "usage"] | ["stats", "latest", "instance"] => Some("GET"),
        _ => None,
    }
}

/// A request that is being answered.
struct Context<'a> {
    endpoint: &'a Endpoint,
    caller: &'a Caller,
    request: &'a Request,
    fresh: &'a Fresh,
}

impl Context<'_> {
    fn store(&self) -> &crate::store::Store {
        &self.endpoint.evidence.store
    }

    /// The audit entry of what this request does.
    fn audit(&self, event: &str, client_id: Option<&ClientId>, object: Option<&str>) -> AuditEvent {
        let done = AuditEvent::done(self.fresh.now, event, &self.caller.actor);
        AuditEvent { client_id: client_id.cloned(), object: object.map(str::to_owned), ..done }
    }

    /// RFC 9110 §13.1.1: a change that was meant for another version does not happen.
    fn if_match(&self, version: u64) -> Result<(), Problem> {
        match self.request.headers.get(IF_MATCH).map(|tag| tag.as_bytes()) {
            None | Some(b"*") => Ok(()),
            Some(tag) if tag == etag(version).as_bytes() => Ok(()),
            Some(_) => Err(Problem::PreconditionFailed),
        }
    }

    /// `?limit=`: 1 to 100, by default 50.
    fn limit(&self) -> Result<usize, Problem> {
        match self.request.query("limit").map(str::parse::<usize>) {
            None => Ok(50),
            Some(Ok(limit)) if (1..=100).contains(&limit) => Ok(limit),
            Some(_) => Err(Problem::parameter("limit", "must be 1 to 100")),
        }
    }

    /// `?cursor=`: the place that an earlier page of this list ended at.
    fn cursor(&self) -> Result<Option<String>, Problem> {
        let Some(cursor) = self.request.query("cursor") else { return Ok(None) };
        let place = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let place = place.filter(|place| !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_graphic()));
        place.map(Some).ok_or_else(|| Problem::parameter("cursor", "is none that this list gave"))
    }

    fn client_id(&self) -> Result<ClientId, Problem> {
        let id = self.request.query("client_id").and_then(ClientId::parse);
        id.ok_or_else(|| Problem::parameter("client_id", "must name a client"))
    }
}

/// A page of a list.
fn page(items: Vec<Value>, next: Option<String>) -> Response {
    #[derive(Serialize)]
    struct Body {
        items: Vec<Value>,
        next_cursor: Option<String>,
    }
    respond::json(StatusCode::OK, &Body { items, next_cursor: next.map(|place| URL_SAFE_NO_PAD.encode(place)) })
}

/// An object with its version as a validator.
fn object(status: StatusCode, body: &Value, version: u64) -> Response {
    let mut response = respond::json(status, body);
    respond::set(&mut response, ETAG, &etag(version));
    response
}

fn etag(version: u64) -> String {
    format!("\"{version}\"")
}
