//! `POST /oauth2/token`: the token endpoint (RFC 6749 §3.2).

use std::sync::Arc;

use http::StatusCode;

use super::keyring::{Keyring, KeyringError};
use super::request::Request;
use super::respond::{self, Refusal, Response};
use super::tally::{Happened, Tally};
use crate::oauth::api::{Apis, SigningAlg};
use crate::oauth::client::Client;
use crate::oauth::client_auth::{AuthenticatedClient, Credentials, authenticate};
use crate::oauth::error::TokenError;
use crate::oauth::form::Form;
use crate::oauth::fresh::Fresh;
use crate::oauth::time::Timestamp;
use crate::oauth::token::{Issued, IssuedForm, TokenRequest, TokenResponse, decide};
use crate::store::{Count, Key, Store};

/// The endpoint and what it needs: clients and Apis (read), token records (write), the signing keys (open).
pub struct Endpoint {
    /// The table.
    pub store: Store,
    /// The keys.
    pub keyring: Arc<Keyring>,
    /// How old, in seconds, this instance's view of the keys may be.
    pub feed_seconds: u64,
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
        let response = self.token(&request, &fresh).await.unwrap_or_else(|refusal| {
            log::info!(endpoint = "token", reason = refusal.fault(); "token refused");
            refusal.response()
        });
        // A table that has just failed is not waited for a second time (SF-03).
        if response.status() != StatusCode::SERVICE_UNAVAILABLE {
            self.tally.flush_if_due(&self.store, &fresh).await;
        }
        response
    }

    async fn token(&self, request: &Request, fresh: &Fresh) -> Result<Response, Refusal> {
        let form = request.form(self.keyring.issuer(), "/oauth2/token")?;
        let credentials = Credentials::parse(&request.authorization(), &form)?;
        let keys = self.keyring.is_older_than(self.feed_seconds, fresh.now).then_some(Key::Keys);
        let found = self.store.batch().with(Key::Client(credentials.client_id())).with(Key::Apis).with_some(keys).read().await?;
        let registered = found.client(credentials.client_id())?;
        // Refusals are told to a client that exists, not to any name that a stranger gives.
        let known = registered.as_ref().map(|_| credentials.client_id());
        let decided = self.decided(&credentials, registered, &form, &found.apis()?, fresh).inspect_err(|error| {
            self.tally.add(known, Happened { reason: Some(error.fault()), ..Happened::plain(Count::TokensRefused) }, fresh.now);
        });
        let (client, issued) = decided?;

        self.keyring.take(found.keys()?, fresh.now);
        let response = self.signed(&issued, fresh).await?;
        if let Some(record) = &issued.record {
            self.store.put_token(record).await?;
        }
        self.noted(&client, fresh).await;
        log::info!(endpoint = "token", client_id = client.client_id.as_str(), jti = issued.claims.jti; "token issued");
        Ok(response)
    }

    fn decided(
        &self,
        credentials: &Credentials,
        registered: Option<Client>,
        form: &Form,
        apis: &Apis,
        fresh: &Fresh,
    ) -> Result<(AuthenticatedClient, Issued), TokenError> {
        let client = authenticate(credentials, registered, fresh.now)?;
        let issued = decide(&TokenRequest::parse(form)?, &client, apis, fresh)?;
        Ok((client, issued))
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
        let body = TokenResponse { access_token, token_type: "Bearer", expires_in: claims.exp.since(claims.iat), scope: &claims.scope };
        Ok(respond::json(StatusCode::OK, &body))
    }

    /// Counts the token, and notes the first use of a secret on a day: one write more, once a day.
    async fn noted(&self, client: &AuthenticatedClient, fresh: &Fresh) {
        self.tally.add(Some(&client.client_id), Happened::plain(Count::TokensIssued), fresh.now);
        if let Some(secret_id) = client.secret_first_used_on(fresh.now)
            && let Err(error) = Box::pin(self.store.note_secret_use(client, secret_id, fresh.now)).await
        {
            log::warn!(endpoint = "token", reason = error.to_string(); "the use of a secret was not noted");
        }
    }
}
