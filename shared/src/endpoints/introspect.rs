//! `POST /oauth2/introspect` (RFC 7662), `POST /oauth2/diagnose`, and, where it is switched on, the OAG-shaped `POST /oauth2/tokeninfo`.

use http::StatusCode;

use super::diagnose::diagnose;
use super::evidence::{Evidence, Examined};
use super::request::Request;
use super::respond::{self, Refusal, Response};
use super::sign_in::authenticated;
use super::tally::{Happened, Tally};
use crate::oauth::access_token::Claims;
use crate::oauth::client_auth::Credentials;
use crate::oauth::error::TokenError;
use crate::oauth::form::Form;
use crate::oauth::fresh::Fresh;
use crate::oauth::introspection::{IntrospectionResponse, TokenInfo, admit, may_see};
use crate::store::Count;

/// The endpoint and what it needs: clients, Apis, privileges, people, grants, token records and public keys (read), failed sign-ins (read,
/// write).
pub struct Endpoint {
    /// What is known of tokens.
    pub evidence: Evidence,
    /// Whether tokeninfo is offered.
    pub tokeninfo: bool,
    /// What it counts.
    pub tally: Tally,
}

impl Endpoint {
    /// Answers a request.
    pub async fn handle(&self, request: Request, fresh: Fresh) -> Response {
        let answer = match request.path_under(self.evidence.keyring.issuer()) {
            "/oauth2/tokeninfo" => self.tokeninfo(&request, &fresh).await,
            "/oauth2/diagnose" => diagnose(&self.evidence, &request, &fresh).await,
            _ => self.introspect(&request, &fresh).await,
        };
        let response = answer.unwrap_or_else(|refusal| {
            log::info!(endpoint = "introspect", reason = refusal.fault(); "introspection refused");
            refusal.response()
        });
        // A table that has just failed is not waited for a second time (SF-03).
        if response.status() != StatusCode::SERVICE_UNAVAILABLE {
            self.tally.flush_if_due(&self.evidence.store, &fresh).await;
        }
        response
    }

    async fn introspect(&self, request: &Request, fresh: &Fresh) -> Result<Response, Refusal> {
        let form = request.form(self.evidence.keyring.issuer(), "/oauth2/introspect")?;
        let examined = self.examined(request, &form, "token", fresh).await?;
        let body = match self.seen(&examined, fresh)? {
            Some(claims) => IntrospectionResponse::active(claims, examined.0.person.as_ref(), self.evidence.keyring.issuer()),
            None => IntrospectionResponse::inactive(),
        };
        Ok(respond::json(StatusCode::OK, &body))
    }

    async fn tokeninfo(&self, request: &Request, fresh: &Fresh) -> Result<Response, Refusal> {
        if !self.tokeninfo {
            return Err(Refusal::NotFound);
        }
        let form = request.form(self.evidence.keyring.issuer(), "/oauth2/tokeninfo")?;
        let examined = self.examined(request, &form, "access_token", fresh).await?;
        let claims = self.seen(&examined, fresh)?.ok_or(TokenError::DeadToken)?;
        Ok(respond::json(StatusCode::OK, &TokenInfo::of(claims, examined.0.person.as_ref(), fresh.now)))
    }

    /// The token in the parameter `name`, examined, and its caller, authenticated: one round trip for both.
    async fn examined(&self, request: &Request, form: &Form, name: &'static str, fresh: &Fresh) -> Result<(Examined, Credentials), Refusal> {
        let credentials = Credentials::parse(&request.authorization(), form)?;
        let token = form.get(name).unwrap_or_default();
        let examined = self.evidence.examine(token, Some(credentials.client_id()), fresh.now).await?;
        let registered = examined.found.client(credentials.client_id())?;
        let caller = authenticated(&self.evidence.store, &credentials, (registered, request.source), fresh).await?;
        admit(&caller)?;
        form.required(name)?;
        self.tally.add(Some(&caller.client_id), Happened::plain(Count::Introspections), fresh.now);
        Ok((examined, credentials))
    }

    /// What the token says, if it is good and the caller may know.
    fn seen<'a>(&self, (examined, credentials): &'a (Examined, Credentials), fresh: &Fresh) -> Result<Option<&'a Claims>, Refusal> {
        let Ok(claims) = examined.verdict(&self.evidence.keyring, fresh.now)? else { return Ok(None) };
        let caller = examined.found.client(credentials.client_id())?;
        let apis = examined.found.apis()?;
        Ok(caller.filter(|caller| may_see(caller, claims, &apis)).map(|_| claims))
    }
}
