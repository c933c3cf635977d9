//! Signing in on the way of a request: the page that asks for it, and what comes back from there.

use http::StatusCode;

use super::super::request::Request;
use super::super::respond::{self, Refusal, Response};
use super::super::sign_in::{SignIn, Try, sign_in};
use super::browser::Browser;
use super::pages::{SignInPage, nonce, page, plain, see_other};
use super::{Asked, Endpoint};
use crate::oauth::change::AuditEvent;
use crate::oauth::form::Form;
use crate::oauth::fresh::Fresh;
use crate::oauth::password::Password;
use crate::oauth::sign_in::{Cookie, SESSION_LIFE, Session};

impl Endpoint {
    pub(super) async fn sign_in(&self, request: &Request, form: &Form, asked: &Asked, browser: &Browser, fresh: &Fresh) -> Result<Response, Refusal> {
        let username = form.get("username").unwrap_or_default();
        let password = form.get("password").and_then(Password::presented);
        let what = Try { realm: asked.client.metadata.realm.as_str(), username, password: password.as_ref(), source: request.source };
        let user = match sign_in(&self.store, &what, fresh).await? {
            SignIn::Good(user) => user,
            SignIn::Wrong => {
                let alert = "Username or password is wrong.";
                return Ok(self.sign_in_page(asked, browser, (username, Some(alert)), StatusCode::OK, fresh));
            }
            SignIn::Wait(seconds) => {
                let alert = format!("Too many attempts. Try again in {seconds} {}.", if seconds == 1 { "second" } else { "seconds" });
                let mut response = self.sign_in_page(asked, browser, (username, Some(&alert)), StatusCode::TOO_MANY_REQUESTS, fresh);
                respond::set(&mut response, http::header::RETRY_AFTER, &seconds.to_string());
                return Ok(response);
            }
        };
        let audit = AuditEvent {
            client_id: Some(asked.client.client_id.clone()),
            user_id: Some(user.user_id.clone()),
            ..AuditEvent::done(fresh.now, "user.signed_in", user.user_id.as_str())
        };
        // LO-07: whoever knew the browser's session before knows nothing of this one.
        let (session, before) = (Cookie::generate("session", fresh), browser.session.as_ref().map(Cookie::digest));
        let begun = (session.digest(), Session::of(&user, fresh.now));
        self.store.begin_session((&begun.0, &begun.1), before.as_deref(), &audit, fresh).await?;
        // The page that follows is got, so that going back and reloading post no password.
        let mut response = see_other(&self.url(&asked.pending));
        self.set_cookie(&mut response, "session", &session.expose(), SESSION_LIFE);
        Ok(response)
    }

    pub(super) fn sign_in_page(
        &self,
        asked: &Asked,
        browser: &Browser,
        (username, alert): (&str, Option<&str>),
        status: StatusCode,
        fresh: &Fresh,
    ) -> Response {
        let new;
        let (cookie, is_new) = match &browser.browser {
            Some(cookie) => (cookie, false),
            None => {
                new = Cookie::generate("browser", fresh);
                (&new, true)
            }
        };
        let (sealed, nonce) = (asked.pending.sealed(fresh.now), nonce(fresh));
        let client_name = plain(&asked.client.metadata.client_name);
        let template = SignInPage {
            brand: &self.brand,
            nonce: &nonce,
            action: &self.action(),
            client_name: &client_name,
            request: &sealed,
            proof: &cookie.sign(&sealed),
            username,
            alert,
        };
        let mut response = page(status, &template, &nonce, &self.brand, Some(asked.request.redirect.origin()));
        if is_new {
            self.set_cookie(&mut response, "browser", &cookie.expose(), SESSION_LIFE);
        }
        response
    }
}
