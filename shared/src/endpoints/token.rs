//! `POST /oauth2/token`: the token endpoint (RFC 6749 §3.2).

use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;

use super::cors;
use super::keyring::{Keyring, KeyringError};
use super::request::Request;
use super::respond::{self, Refusal, Response};
use super::sign_in::{SignIn, Try, authenticated, sign_in};
use super::tally::{Happened, Tally};
use crate::oauth::access_token::Claims;
use crate::oauth::api::SigningAlg;
use crate::oauth::change::AuditEvent;
use crate::oauth::client::{Client, GrantType};
use crate::oauth::client_auth::{AuthenticatedClient, Credentials};
use crate::oauth::fresh::Fresh;
use crate::oauth::grant::{Grant, GrantToken, Phase};
use crate::oauth::time::Timestamp;
use crate::oauth::token::{Decision, Facts, Issued, IssuedForm, TokenRequest, TokenResponse, decide, password};
use crate::oauth::user::Person;
use crate::store::{Commit, Count, Found, Key, Store, StoreError};

/// How often a request is decided again because another was faster with the same grant.
const ATTEMPTS: usize = 4;

/// Where it is.
const PATH: &str = "/oauth2/token";

/// The endpoint and what it needs: clients, Apis, people, origins (read), grants (read, conditional write), failed sign-ins (read, write),
/// token records, the notes of a secret's use, the audit trail and the counts (write), the signing keys (open).
pub struct Endpoint {
    /// The table.
    pub store: Store,
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// How old, in seconds, this instance's view of the keys may be.
    pub feed_seconds: u64,
    /// Whether the password grant is offered.
    pub password_grant: bool,
    /// What it counts.
    pub tally: Tally,
}

impl Endpoint {
    /// Opens at start the key that the first token will need.
    ///
    /// # Errors
    /// Where there is none yet, or it cannot be opened.
    pub async fn warm(&self, now: Timestamp) -> Result<(), KeyringError> {
        self.keyring.signer(SigningAlg::ES256, now).await.map(|_| ())
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request, fresh: Fresh) -> Response {
        cors::for_listed(&self.store, self.keyring.issuer(), PATH, &request, self.answer(&request, &fresh)).await
    }

    async fn answer(&self, request: &Request, fresh: &Fresh) -> Response {
        let response = self.token(request, fresh).await.unwrap_or_else(|refusal| {
            log::info!(endpoint = "token", reason = refusal.fault(); "token refused");
            refusal.response()
        });
        // A table that has just failed is not waited for a second time (SF-03).
        if response.status() != StatusCode::SERVICE_UNAVAILABLE {
            self.tally.flush_if_due(&self.store, fresh).await;
        }
        response
    }

    async fn token(&self, request: &Request, fresh: &Fresh) -> Result<Response, Refusal> {
        let form = request.form(self.keyring.issuer(), PATH)?;
        let credentials = Credentials::parse(&request.authorization(), &form)?;
        // What is wrong with the request is told to a client that has proven itself.
        let asked = TokenRequest::parse(&form, self.password_grant);
        let grant_id = asked.as_ref().ok().and_then(TokenRequest::grant_id).cloned();
        let keys = self.keyring.is_older_than(self.feed_seconds, fresh.now).then_some(Key::Keys);
        let batch = self.store.batch().with(Key::Client(credentials.client_id())).with(Key::Apis).with_some(keys);
        let found = batch.with_some(grant_id.as_ref().map(Key::Grant)).read().await?;
        let registered = found.client(credentials.client_id())?;
        // Refusals are told to a client that exists, not to any name that a stranger gives.
        let known = registered.as_ref().map(|_| credentials.client_id());
        self.keyring.take(found.keys()?, fresh.now);
        let issued = match authenticated(&self.store, &credentials, (registered, request.source), fresh).await {
            Ok(client) => match asked {
                Ok(asked) => self.granted(&asked, &client, found, request.source, fresh).await.map(|issued| (client, issued)),
                Err(error) => Err(error.into()),
            },
            Err(refusal) => Err(refusal),
        };
        let (client, (issued, response)) = issued.inspect_err(|refusal| {
            if let Refusal::OAuth(error) = refusal {
                self.tally.add(known, Happened { reason: Some(error.fault()), ..Happened::plain(Count::TokensRefused) }, fresh.now);
            }
        })?;
        self.noted(&client, &issued.claims, fresh).await;
        log::info!(endpoint = "token", client_id = client.client_id.as_str(), jti = issued.claims.jti; "token issued");
        Ok(response)
    }

    /// Decides, signs and writes; again where another request was faster with the same grant.
    async fn granted(
        &self,
        asked: &TokenRequest,
        client: &AuthenticatedClient,
        mut found: Found,
        source: Option<IpAddr>,
        fresh: &Fresh,
    ) -> Result<(Issued, Response), Refusal> {
        let apis = found.apis()?;
        let mut was_unused = false;
        for _ in 0..ATTEMPTS {
            let grant = asked.grant_id().map_or(Ok(None), |grant_id| found.grant(grant_id))?;
            let person = match asked {
                // A client that may not use the grant does not get a password tried.
                TokenRequest::Password(asked) if client.may_use(GrantType::Password) => self.signed_in(asked, client, source, fresh).await?,
                _ => self.person_of(grant.as_ref(), client).await?,
            };
            let facts = Facts { client, apis: &apis, grant: grant.as_ref(), person: person.as_ref(), raced: was_unused };
            was_unused = grant.as_ref().is_some_and(Grant::is_unused);
            let Decision { change, answer } = decide(asked, &facts, fresh);
            let response = match &answer {
                Ok(issued) => Some(self.signed(issued, fresh).await?),
                Err(_) => None,
            };
            let record = answer.as_ref().ok().and_then(|issued| issued.record.as_ref());
            let commit = match (&change, record) {
                (Some(grant), record) => self.store.change_grant(grant, record, &grant_audit(grant, answer.is_ok(), fresh), fresh).await?,
                (None, Some(record)) => self.store.put_token(record).await.map(|()| Commit::Done)?,
                (None, None) => Commit::Done,
            };
            if commit == Commit::Done {
                let issued = answer?;
                if let (TokenRequest::Password(_), Some(person)) = (asked, &person) {
                    let audit = AuditEvent {
                        client_id: Some(client.client_id.clone()),
                        user_id: Some(person.user.user_id.clone()),
                        reason: Some("deprecated_grant".to_owned()),
                        ..AuditEvent::done(fresh.now, "password.granted", client.client_id.as_str())
                    };
                    self.store.put_audit(&audit, &fresh.id("audit password")).await?;
                }
                let response = response.ok_or_else(|| Refusal::Unavailable("an issued token has an answer".to_owned()))?;
                return Ok((issued, response));
            }
            if let Some(grant_id) = asked.grant_id() {
                found.extend(self.store.batch().with(Key::Grant(grant_id)).read().await?);
            }
        }
        Err(Refusal::Unavailable("other requests kept being faster with the same grant".to_owned()))
    }

    async fn person_of(&self, grant: Option<&Grant>, client: &Client) -> Result<Option<Person>, StoreError> {
        let Some(grant) = grant else { return Ok(None) };
        match self.store.batch().with(Key::User(&grant.user_id)).read().await?.user(&grant.user_id)? {
            Some(user) => self.store.person(user, client).await.map(Some),
            None => Ok(None),
        }
    }

    /// The user whose password was presented, if it was theirs.
    async fn signed_in(&self, asked: &password::Request, client: &Client, source: Option<IpAddr>, fresh: &Fresh) -> Result<Option<Person>, Refusal> {
        let what = Try { realm: client.metadata.realm.as_str(), username: &asked.username, password: asked.password.as_ref(), source };
        match sign_in(&self.store, &what, fresh).await? {
            SignIn::Good(user) => Ok(Some(self.store.person(*user, client).await?)),
            SignIn::Wrong => Ok(None),
            SignIn::Wait(seconds) => Err(Refusal::TooManyTries(seconds)),
        }
    }

    async fn signed(&self, issued: &Issued, fresh: &Fresh) -> Result<Response, Refusal> {
        let claims = &issued.claims;
        let jwt;
        let access_token = match &issued.form {
            IssuedForm::Opaque(token) => token.expose(),
            IssuedForm::Jwt(alg) => {
                let key = self.keyring.signer(*alg, fresh.now).await?;
                let signed = key.sign(&claims.to_jwt(self.keyring.issuer()));
                jwt = signed.map_err(|_| Refusal::Unavailable("the token could not be signed".to_owned()))?;
                &jwt
            }
        };
        let refresh_token = issued.refresh_token.as_ref().map(GrantToken::expose);
        let body =
            TokenResponse { access_token, token_type: "Bearer", expires_in: claims.exp.since(claims.iat), scope: &claims.scope, refresh_token };
        Ok(respond::json(StatusCode::OK, &body))
    }

    /// Counts the token, and notes the first use of a secret on a day: one write more, once a day.
    async fn noted(&self, client: &AuthenticatedClient, claims: &Claims, fresh: &Fresh) {
        self.tally.add(Some(&client.client_id), Happened { claims: Some(claims), ..Happened::plain(Count::TokensIssued) }, fresh.now);
        if let Some(secret_id) = client.secret_first_used_on(fresh.now)
            && let Err(error) = Box::pin(self.store.note_secret_use(client, secret_id, fresh.now)).await
        {
            log::warn!(endpoint = "token", reason = error.to_string(); "the use of a secret was not noted");
        }
    }
}

/// What a change of a grant says in the audit trail.
fn grant_audit(grant: &Grant, is_issued: bool, fresh: &Fresh) -> AuditEvent {
    let event = match (&grant.phase, is_issued) {
        (Phase::Revoked { .. }, _) => "grant.revoked",
        (_, true) => "grant.used",
        (_, false) => "grant.changed",
    };
    AuditEvent {
        client_id: Some(grant.client_id.clone()),
        user_id: Some(grant.user_id.clone()),
        object: Some(grant.grant_id.as_str().to_owned()),
        reason: matches!(grant.phase, Phase::Revoked { .. }).then(|| "replay or wrong verifier".to_owned()),
        ..AuditEvent::done(fresh.now, event, grant.client_id.as_str())
    }
}
