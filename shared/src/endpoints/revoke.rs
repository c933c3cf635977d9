//! `POST /oauth2/revoke` (RFC 7009).

use std::net::IpAddr;

use http::StatusCode;

use super::cors;
use super::evidence::Evidence;
use super::request::Request;
use super::respond::{self, Refusal, Response};
use super::sign_in::authenticated;
use super::tally::{Happened, Tally};
use crate::oauth::access_token::TokenRecord;
use crate::oauth::change::AuditEvent;
use crate::oauth::client_auth::Credentials;
use crate::oauth::form::Form;
use crate::oauth::fresh::Fresh;
use crate::oauth::grant::{GrantToken, Kind};
use crate::oauth::revocation;
use crate::store::{Commit, Count, Key};

/// How often a grant is revoked again because another request was faster with it.
const ATTEMPTS: usize = 8;

/// Where it is.
const PATH: &str = "/oauth2/revoke";

/// The endpoint and what it needs: clients, people, token records, origins and public keys (read), grants (read, conditional write), failed
/// sign-ins (read, write), revocations, the feed and the audit trail (write).
pub struct Endpoint {
    /// What is known of tokens.
    pub evidence: Evidence,
    /// What it counts.
    pub tally: Tally,
}

impl Endpoint {
    /// Answers a request.
    pub async fn handle(&self, request: Request, fresh: Fresh) -> Response {
        let Evidence { store, keyring } = &self.evidence;
        cors::for_listed(store, keyring.issuer(), PATH, &request, self.answer(&request, &fresh)).await
    }

    async fn answer(&self, request: &Request, fresh: &Fresh) -> Response {
        let response = match self.revoke(request, fresh).await {
            Ok(()) => respond::empty(StatusCode::OK),
            Err(refusal) => {
                log::info!(endpoint = "revoke", reason = refusal.fault(); "revocation refused");
                refusal.response()
            }
        };
        // A table that has just failed is not waited for a second time (SF-03).
        if response.status() != StatusCode::SERVICE_UNAVAILABLE {
            self.tally.flush_if_due(&self.evidence.store, fresh).await;
        }
        response
    }

    async fn revoke(&self, request: &Request, fresh: &Fresh) -> Result<(), Refusal> {
        let form = request.form(self.evidence.keyring.issuer(), PATH)?;
        let credentials = Credentials::parse(&request.authorization(), &form)?;
        let token = form.get("token").unwrap_or_default();
        // `token_type_hint` is not needed: a token tells its own kind (RFC 7009 §2.1 lets a server ignore the hint).
        if let Some(refresh_token) = GrantToken::parse(Kind::Refresh, token) {
            return self.give_back(&refresh_token, &form, (&credentials, request.source), fresh).await;
        }
        let examined = self.evidence.examine(token, Some(credentials.client_id()), fresh.now).await?;
        let registered = examined.found.client(credentials.client_id())?;
        let caller = authenticated(&self.evidence.store, &credentials, (registered, request.source), fresh).await?;
        form.required("token")?;
        //= https://www.rfc-editor.org/rfc/rfc7009#section-2.2
        //# invalid tokens do not cause an error response since the client cannot handle such an error in a reasonable way.
        let Ok(claims) = &examined.claims else { return Ok(()) };
        revocation::decide(&caller, claims)?;
        let record = examined.record()?;
        let is_dead = fresh.now >= claims.exp || record.as_ref().is_some_and(|record| record.revoked_at.is_some());
        if !is_dead {
            let record = record.unwrap_or_else(|| TokenRecord { claims: claims.clone(), format: examined.format, revoked_at: None });
            self.evidence.store.revoke_token(&record, &audit(&caller.client_id, &claims.jti, fresh), fresh).await?;
            self.tally.add(Some(&caller.client_id), Happened::plain(Count::TokensRevoked), fresh.now);
            log::info!(endpoint = "revoke", client_id = caller.client_id.as_str(), jti = claims.jti; "token revoked");
        }
        Ok(())
    }

    /// Ends the grant of a refresh token: with it die all its access tokens (G-14).
    async fn give_back(
        &self,
        token: &GrantToken,
        form: &Form,
        (credentials, source): (&Credentials, Option<IpAddr>),
        fresh: &Fresh,
    ) -> Result<(), Refusal> {
        let store = &self.evidence.store;
        let mut found = store.batch().with(Key::Client(credentials.client_id())).with(Key::Grant(&token.grant_id)).read().await?;
        let caller = authenticated(store, credentials, (found.client(credentials.client_id())?, source), fresh).await?;
        form.required("token")?;
        for _ in 0..ATTEMPTS {
            let grant = found.grant(&token.grant_id)?;
            let Some(revoked) = revocation::give_back(&caller, token, grant.as_ref(), fresh.now)? else { return Ok(()) };
            let audit = AuditEvent {
                user_id: Some(revoked.user_id.clone()),
                ..AuditEvent { event: "grant.revoked".into(), ..audit(&caller.client_id, revoked.grant_id.as_str(), fresh) }
            };
            if store.change_grant(&revoked, None, &audit, fresh).await? == Commit::Done {
                self.tally.add(Some(&caller.client_id), Happened::plain(Count::TokensRevoked), fresh.now);
                log::info!(endpoint = "revoke", client_id = caller.client_id.as_str(), grant_id = revoked.grant_id.as_str(); "grant revoked");
                return Ok(());
            }
            // A refresh was faster: its token is one of the same grant.
            found.extend(store.batch().with(Key::Grant(&token.grant_id)).read().await?);
        }
        Err(Refusal::Unavailable("other requests kept being faster with the same grant".to_owned()))
    }
}

fn audit(owner: &crate::oauth::ids::ClientId, jti: &str, fresh: &Fresh) -> AuditEvent {
    AuditEvent { client_id: Some(owner.clone()), object: Some(jti.to_owned()), ..AuditEvent::done(fresh.now, "token.revoked", owner.as_str()) }
}
