//! The documents under `/.well-known/` (RFC 8414, 7517, 9728) and `/healthz`.

use std::sync::Arc;

use aws_lc_rs::digest;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH, PRAGMA};
use http::{Method, StatusCode};
use serde::Serialize;

use super::cors;
use super::keyring::Keyring;
use super::request::Request;
use super::respond::{self, Refusal, Response};
use crate::oauth::fresh::Fresh;
use crate::oauth::metadata::{AuthorizationServerMetadata, ProtectedResourceMetadata};
use crate::store::{Key, Store};

/// How long, in seconds, a document may be cached: much shorter than a key is published ahead of its use.
const CACHED_FOR: &str = "public, max-age=300";

/// The endpoint and what it needs: the public keys (read).
pub struct Endpoint {
    /// The table.
    pub store: Store,
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// How old, in seconds, this instance's view of the keys may be.
    pub feed_seconds: u64,
    /// Whether the password grant is offered.
    pub password_grant: bool,
}

impl Endpoint {
    /// Answers a request.
    pub async fn handle(&self, request: Request, fresh: Fresh) -> Response {
        let answer = self.answer(&request, &fresh);
        // The documents are public; whether the table answers is not.
        if request.path_under(self.keyring.issuer()).starts_with("/.well-known/") {
            cors::for_everybody(&request, answer).await
        } else {
            answer.await
        }
    }

    async fn answer(&self, request: &Request, fresh: &Fresh) -> Response {
        let mut response = self.document(request, fresh).await.unwrap_or_else(|refusal| {
            log::info!(endpoint = "metadata", reason = refusal.fault(); "document refused");
            refusal.response()
        });
        if request.method == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        response
    }

    async fn document(&self, request: &Request, fresh: &Fresh) -> Result<Response, Refusal> {
        let issuer = self.keyring.issuer();
        // RFC 8414 §3.1 puts the well-known part between host and path; OpenID Connect Discovery §4 puts it behind. Both are answered.
        let under = request.path_under(issuer);
        let name = under.strip_suffix(issuer.path()).filter(|name| name.starts_with("/.well-known/")).unwrap_or(under);
        let is_known =
            matches!(name, "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration" | "/.well-known/jwks.json" | "/healthz");
        let protected_resource = format!("/.well-known/oauth-protected-resource{}{}", issuer.path(), ProtectedResourceMetadata::ADMIN_PATH);
        if !is_known && request.path != protected_resource {
            return Err(Refusal::NotFound);
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            return Err(Refusal::MethodNotAllowed("GET, HEAD"));
        }
        match name {
            "/healthz" => self.health(fresh).await,
            "/.well-known/oauth-authorization-server" => Ok(cacheable(request, &AuthorizationServerMetadata::oauth(issuer, self.password_grant))),
            "/.well-known/openid-configuration" => Ok(cacheable(request, &AuthorizationServerMetadata::openid(issuer, self.password_grant))),
            "/.well-known/jwks.json" => {
                if self.keyring.is_older_than(self.feed_seconds, fresh.now) {
                    self.keyring.read(fresh.now).await?;
                }
                Ok(cacheable(request, &self.keyring.set().document(fresh.now)))
            }
            _ => Ok(cacheable(request, &ProtectedResourceMetadata::admin(issuer))),
        }
    }

    /// Whether the table answers: `{"store":"ok"}`, or 503.
    async fn health(&self, fresh: &Fresh) -> Result<Response, Refusal> {
        let found = self.store.batch().with(Key::Keys).read().await?;
        self.keyring.take(found.keys()?, fresh.now);
        Ok(respond::json(StatusCode::OK, &serde_json::json!({"store": "ok"})))
    }
}

/// A public document with a validator.
fn cacheable(request: &Request, document: &impl Serialize) -> Response {
    let mut response = respond::json(StatusCode::OK, document);
    let hash = digest::digest(&digest::SHA256, response.body());
    let etag: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{etag}\"");
    if request.headers.get(IF_NONE_MATCH).is_some_and(|tags| tags.as_bytes() == etag.as_bytes()) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Bytes::new();
    }
    response.headers_mut().remove(PRAGMA);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(CACHED_FOR));
    respond::set(&mut response, ETAG, &etag);
    response
}
