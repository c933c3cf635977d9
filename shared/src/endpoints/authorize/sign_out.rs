//! `/oauth2/authorize/sign-out`: ends the browser's session, for people who see no consent page to do it on. Looking at it changes nothing.

use http::{Method, StatusCode};

use super::super::request::Request;
use super::super::respond::{Refusal, Response};
use super::browser::Browser;
use super::pages::{SignOutPage, nonce, page, plain};
use super::{BACK, Endpoint};
use crate::oauth::fresh::Fresh;
use crate::oauth::sign_in::Cookie;
use crate::store::Key;

/// The path under the issuer.
pub(super) const PATH: &str = "/oauth2/authorize/sign-out";

/// What the form's proof is of: no request is spelled so.
const CONTENT: &str = "sign out";

impl Endpoint {
    pub(super) async fn sign_out(&self, request: &Request, fresh: &Fresh) -> Result<Response, Refusal> {
        let browser = Browser::of(request, self.is_secure());
        match request.method {
            Method::GET | Method::HEAD => {
                let digest = browser.session.as_ref().map(Cookie::digest);
                let found = self.store.batch().with_some(digest.as_deref().map(Key::Session)).read().await?;
                let whose = self.whose(&browser, &found, fresh.now).await?;
                let signed_in = whose.map(|(user, session)| (plain(&user.metadata.username), session.sign(CONTENT)));
                Ok(self.sign_out_page(signed_in.as_ref(), fresh))
            }
            Method::POST => {
                let form = request.form_of_page(&self.issuer, PATH)?;
                let proof = form.get("proof").unwrap_or_default();
                let session = browser.session.as_ref().filter(|session| self.is_ours(request) && session.signed(CONTENT, proof));
                let Some(session) = session else {
                    let expired = ("This page has expired", "It was made for another session, or for another browser.", BACK);
                    return Ok(self.fault(StatusCode::BAD_REQUEST, expired, fresh));
                };
                self.store.end_session(&session.digest()).await?;
                let mut response = self.sign_out_page(None, fresh);
                self.set_cookie(&mut response, "session", "", 0);
                Ok(response)
            }
            _ => Err(Refusal::MethodNotAllowed("GET, HEAD, POST")),
        }
    }

    /// Asks whoever is signed in (a name, and the proof of the form), or says that nobody is.
    fn sign_out_page(&self, signed_in: Option<&(String, String)>, fresh: &Fresh) -> Response {
        let (nonce, action) = (nonce(fresh), format!("{}{PATH}", self.issuer.path()));
        page(StatusCode::OK, &SignOutPage { brand: &self.brand, nonce: &nonce, action: &action, signed_in }, &nonce, &self.brand, None)
    }
}
