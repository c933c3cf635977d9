//! `/oauth2/authorize`: the authorization endpoint (RFC 6749 §3.1), with sign-in and consent.
//!
//! Nothing is kept of a request until the user has decided. The pages carry it, together with a proof that it was made for this browser; each step
//! reads it again from the start, against the table as it is then. Its id becomes the grant's, and a grant is written only where
//! there is none: so a request is allowed once, or denied once.

mod browser;
mod pages;
mod sign_in;
mod sign_out;

use http::header::{ORIGIN, SET_COOKIE};
use http::{HeaderValue, Method, StatusCode};

use browser::{Browser, Pending, cookie_name};
pub use pages::Brand;
use pages::{AskedScope, ConsentPage, FaultPage, nonce, page, plain, see_other, without_body};

use super::request::Request;
use super::respond::{self, Refusal, Response};
use crate::oauth::api::{Api, Apis};
use crate::oauth::authorize::{AuthorizationRequest, AuthorizeError, PageFault, Parameters, encoded, known};
use crate::oauth::change::AuditEvent;
use crate::oauth::client::Client;
use crate::oauth::consent::{Consent, is_remembered};
use crate::oauth::form::Form;
use crate::oauth::fresh::Fresh;
use crate::oauth::grant::{Allowed, Grant, GrantId, GrantToken};
use crate::oauth::ids::Issuer;
use crate::oauth::sign_in::Cookie;
use crate::oauth::time::{CLOCK_SKEW, Timestamp};
use crate::oauth::user::{Epoch, Person, User};
use crate::store::{Commit, Found, Key, Store, StoreError};

/// How long a page may lie before it is used, in seconds.
const PAGE_LIFE: u64 = 900;

/// How often an approval is decided again because the consent was changed in the meantime.
const ATTEMPTS: usize = 4;

/// The path of the endpoint under the issuer.
const PATH: &str = "/oauth2/authorize";

/// The endpoint and what it needs: clients, Apis, users, groups and assignments (read), sessions, consents, failed sign-ins (read, write),
/// grants and the audit trail (write).
pub struct Endpoint {
    /// The table.
    pub store: Store,
    /// This server.
    pub issuer: Issuer,
    /// How the pages look.
    pub brand: Brand,
}

/// A request that is right, and whose client is.
struct Asked {
    client: Client,
    apis: Apis,
    request: AuthorizationRequest,
    pending: Pending,
}

/// An answer that ends the way through the pages early.
type Ended = Box<Response>;

impl Endpoint {
    /// Opens the connection to the table at start.
    ///
    /// # Errors
    /// Where the table did not answer.
    pub async fn warm(&self) -> Result<(), StoreError> {
        self.store.batch().with(Key::Apis).read().await.map(|_| ())
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request, fresh: Fresh) -> Response {
        let answer = match request.path_under(&self.issuer) {
            PATH => self.answer(&request, &fresh).await,
            sign_out::PATH => self.sign_out(&request, &fresh).await,
            _ => Err(Refusal::NotFound),
        };
        let response = answer.unwrap_or_else(|refusal| {
            log::info!(endpoint = "authorize", reason = refusal.fault(); "authorization refused");
            match refusal {
                Refusal::Unavailable(_) => self.unavailable(&fresh),
                refusal => pages::secured(refusal.response()),
            }
        });
        without_body(&request.method, response)
    }

    async fn answer(&self, request: &Request, fresh: &Fresh) -> Result<Response, Refusal> {
        match request.method {
            // Whoever looks ahead for somebody else sees nothing and starts nothing (AZ-28).
            Method::GET | Method::HEAD if request.headers.contains_key("sec-purpose") => Ok(pages::secured(respond::empty(StatusCode::NO_CONTENT))),
            Method::GET | Method::HEAD => self.begin(request, request.query.clone(), fresh).await,
            Method::POST => {
                let form = request.form_of_page(&self.issuer, PATH)?;
                match form.get("action") {
                    Some(action) => self.go_on(request, action, &form, fresh).await,
                    None => self.begin(request, form.into_pairs(), fresh).await,
                }
            }
            _ => Err(Refusal::MethodNotAllowed("GET, HEAD, POST")),
        }
    }

    /// A request of a client: the sign-in page, the consent page, or at once what the user has allowed before.
    async fn begin(&self, request: &Request, parameters: Vec<(String, String)>, fresh: &Fresh) -> Result<Response, Refusal> {
        let id = GrantId::parse(&fresh.id("grant")).ok_or(Refusal::NotFound)?;
        let pending = Pending { id, at: fresh.now, parameters: known(parameters) };
        let browser = Browser::of(request, self.is_secure());
        let (asked, found) = match self.asked(pending, browser.session.as_ref(), fresh).await? {
            Ok(asked) => asked,
            Err(ended) => return Ok(*ended),
        };
        match self.signed_in(&browser, &found, &asked.client, fresh.now).await? {
            Some((user, session)) => self.ask_or_allow(request, &asked, user, session, fresh).await,
            None => Ok(self.sign_in_page(&asked, &browser, ("", None), StatusCode::OK, fresh)),
        }
    }

    /// A button of a page.
    async fn go_on(&self, request: &Request, action: &str, form: &Form, fresh: &Fresh) -> Result<Response, Refusal> {
        let browser = Browser::of(request, self.is_secure());
        let sealed = form.get("request").unwrap_or_default();
        let pending = Pending::open(sealed).filter(|pending| pending.at <= fresh.now.plus(CLOCK_SKEW) && fresh.now.since(pending.at) < PAGE_LIFE);
        let has_proof = browser.proof_is_right(sealed, form.get("proof").unwrap_or_default());
        let Some(pending) = pending.filter(|_| self.is_ours(request) && has_proof) else {
            return Ok(self.fault(
                StatusCode::BAD_REQUEST,
                ("This page has expired", "It was open for too long, or was made for another browser.", BACK),
                fresh,
            ));
        };
        let (asked, found) = match self.asked(pending, browser.session.as_ref(), fresh).await? {
            Ok(asked) => asked,
            Err(ended) => return Ok(*ended),
        };
        if action == "sign_in" {
            return self.sign_in(request, form, &asked, &browser, fresh).await;
        }
        let again = self.url(&asked.pending);
        let Some((user, session)) = self.signed_in(&browser, &found, &asked.client, fresh.now).await? else { return Ok(see_other(&again)) };
        match action {
            "approve" => {
                let ticked: Vec<&str> = form.all("allow").collect();
                self.approve(&asked, user, &ticked, fresh).await
            }
            "deny" => self.deny(&asked, &user, "the user did not allow it", fresh).await,
            "sign_out" => {
                self.store.end_session(&session.digest()).await?;
                let mut response = see_other(&again);
                self.set_cookie(&mut response, "session", "", 0);
                Ok(response)
            }
            _ => Ok(self.fault(StatusCode::BAD_REQUEST, ("There is no such button", "The form was changed on its way.", BACK), fresh)),
        }
    }

    /// Reads a request against the table as it is now, and the session with it.
    async fn asked(&self, pending: Pending, session: Option<&Cookie>, fresh: &Fresh) -> Result<Result<(Asked, Found), Ended>, StoreError> {
        let parameters = Parameters(&pending.parameters);
        let client_id = parameters.client_id();
        let session = session.map(Cookie::digest);
        let batch = self.store.batch().with(Key::Apis).with_some(client_id.as_ref().map(Key::Client));
        let found = batch.with_some(session.as_deref().map(Key::Session)).read().await?;
        let client = client_id.as_ref().map_or(Ok(None), |client_id| found.client(client_id))?;
        let redirect = match parameters.redirect(client.as_ref()) {
            Ok(redirect) => redirect,
            Err(fault) => return Ok(Err(Box::new(self.page_fault(fault, fresh)))),
        };
        let apis = found.apis()?;
        let Some(client) = client else { return Ok(Err(Box::new(self.page_fault(PageFault::UnknownClient, fresh)))) };
        match parameters.request(redirect.clone(), &client, &apis) {
            Ok(request) => Ok(Ok((Asked { client, apis, request, pending }, found))),
            Err(error) => {
                log::info!(endpoint = "authorize", client_id = client.client_id.as_str(), reason = error.code; "authorization refused");
                Ok(Err(Box::new(see_other(&redirect.with_error(&error, &self.issuer)))))
            }
        }
    }

    /// Who is signed in in this browser, if they are of the client's realm, and by which cookie.
    async fn signed_in<'b>(
        &self,
        browser: &'b Browser,
        found: &Found,
        client: &Client,
        now: Timestamp,
    ) -> Result<Option<(User, &'b Cookie)>, StoreError> {
        let whose = self.whose(browser, found, now).await?;
        Ok(whose.filter(|(user, _)| user.metadata.realm == client.metadata.realm))
    }

    /// Whose session the browser has, if it is alive.
    async fn whose<'b>(&self, browser: &'b Browser, found: &Found, now: Timestamp) -> Result<Option<(User, &'b Cookie)>, StoreError> {
        let Some(cookie) = &browser.session else { return Ok(None) };
        let Some(session) = found.session(&cookie.digest())? else { return Ok(None) };
        let user = self.store.batch().with(Key::User(&session.user_id)).read().await?.user(&session.user_id)?;
        Ok(user.filter(|user| session.is_alive(user, now)).map(|user| (user, cookie)))
    }

    /// Whether a form may come from a page of ours: one of another site is nobody's; `null` is what browsers send from a page without a
    /// referrer.
    fn is_ours(&self, request: &Request) -> bool {
        let origin = request.headers.get(ORIGIN).map(HeaderValue::as_bytes);
        origin.is_none_or(|origin| origin == b"null" || origin == self.issuer.origin().as_bytes())
    }

    /// The consent page for what was not allowed before, or the code.
    async fn ask_or_allow(&self, request: &Request, asked: &Asked, user: User, session: &Cookie, fresh: &Fresh) -> Result<Response, Refusal> {
        let (person, consent) = match self.person(asked, user).await? {
            Ok(person) => person,
            Err(ended) => return Ok(*ended),
        };
        let api = asked.api()?;
        let full = |value: &str| format!("{}{value}", api.metadata.audience);
        let is_new = |value: &&String| !is_remembered(consent.as_ref(), &asked.client, &full(value));
        let new: Vec<&String> = asked.request.scope.iter().filter(is_new).collect();
        if new.is_empty() && request.method != Method::HEAD {
            return self.allow(asked, &person, asked.request.scope.clone(), None, fresh).await?.ok_or_else(kept_changing);
        }
        let describe = |value: &&String| {
            let scope = api.metadata.scopes.iter().find(|scope| scope.value == **value && !scope.description.is_empty());
            scope.map_or_else(|| (*value).clone(), |scope| plain(&scope.description))
        };
        let titles: Vec<String> = new.iter().map(describe).collect();
        let scopes = new.iter().zip(&titles).map(|(value, title)| AskedScope { value, title, full: full(value) }).collect();
        let (sealed, nonce) = (asked.pending.sealed(fresh.now), nonce(fresh));
        let (client_name, username) = (plain(&asked.client.metadata.client_name), plain(&person.user.metadata.username));
        let template = ConsentPage {
            brand: &self.brand,
            nonce: &nonce,
            action: &self.action(),
            client_name: &client_name,
            redirect_origin: asked.request.redirect.origin(),
            request: &sealed,
            proof: &session.sign(&sealed),
            username: &username,
            scopes,
        };
        Ok(page(StatusCode::OK, &template, &nonce, &self.brand, Some(asked.request.redirect.origin())))
    }

    async fn approve(&self, asked: &Asked, user: User, ticked: &[&str], fresh: &Fresh) -> Result<Response, Refusal> {
        for _ in 0..ATTEMPTS {
            let (person, earlier) = match self.person(asked, user.clone()).await? {
                Ok(person) => person,
                Err(ended) => return Ok(*ended),
            };
            let api = asked.api()?;
            let full = |value: &str| format!("{}{value}", api.metadata.audience);
            // What the page showed is what it can allow; what was allowed before it did not show.
            let is_allowed = |value: &&String| ticked.contains(&value.as_str()) || is_remembered(earlier.as_ref(), &asked.client, &full(value));
            let scope: Vec<String> = asked.request.scope.iter().filter(is_allowed).cloned().collect();
            if scope.is_empty() {
                return self.deny(asked, &person.user, "the user allowed nothing of it", fresh).await;
            }
            let consent = Consent::given(earlier.as_ref(), &asked.client, scope.iter().map(|value| full(value)), fresh.now);
            // Another page was answered in the meantime, or an administrator withdrew what was allowed: read it again.
            if let Some(response) = self.allow(asked, &person, scope, Some(&consent), fresh).await? {
                return Ok(response);
            }
        }
        Err(kept_changing())
    }

    /// Writes the grant and sends its code to the client; `None`: the consent is not as it was read.
    async fn allow(
        &self,
        asked: &Asked,
        person: &Person,
        scope: Vec<String>,
        consent: Option<&Consent>,
        fresh: &Fresh,
    ) -> Result<Option<Response>, Refusal> {
        let (grant, code) = asked.grant(&person.user, person.epoch, scope, fresh);
        let answer = see_other(&asked.request.redirect.with_code(&code.expose(), &self.issuer));
        self.decided(&grant, consent, ("grant.allowed", answer), fresh).await
    }

    /// Writes that the user said no, so that the page that asked cannot say yes later, and tells the client.
    async fn deny(&self, asked: &Asked, user: &User, why: &'static str, fresh: &Fresh) -> Result<Response, Refusal> {
        let (grant, _) = asked.grant(user, Epoch::of(user), Vec::new(), fresh);
        let answer = self.to_client(asked, &AuthorizeError::denied(why));
        self.decided(&grant.revoked(fresh.now), None, ("grant.denied", answer), fresh).await?.ok_or_else(kept_changing)
    }

    /// Writes what became of a request, once.
    async fn decided(
        &self,
        grant: &Grant,
        consent: Option<&Consent>,
        (event, answer): (&'static str, Response),
        fresh: &Fresh,
    ) -> Result<Option<Response>, Refusal> {
        let audit = AuditEvent {
            client_id: Some(grant.client_id.clone()),
            user_id: Some(grant.user_id.clone()),
            object: Some(grant.grant_id.as_str().to_owned()),
            ..AuditEvent::done(fresh.now, event, grant.user_id.as_str())
        };
        match self.store.decide(grant, consent, &audit, fresh).await? {
            Commit::Done => Ok(Some(answer)),
            Commit::Stale => Ok(None),
            Commit::Exists => {
                let used = ("This page was used before", "What it asked for has been answered already.", BACK);
                Ok(Some(self.fault(StatusCode::BAD_REQUEST, used, fresh)))
            }
        }
    }

    /// The user as the client sees them, if they may use it, and what they allowed it before.
    async fn person(&self, asked: &Asked, user: User) -> Result<Result<(Person, Option<Consent>), Ended>, StoreError> {
        let (person, consent) = self.store.person_and_consent(user, &asked.client).await?;
        // I-11: told only after the password was right.
        if !person.may_use(&asked.client) {
            return Ok(Err(Box::new(self.to_client(asked, &AuthorizeError::denied("user is not assigned to this application")))));
        }
        Ok(Ok((person, consent)))
    }

    fn to_client(&self, asked: &Asked, error: &AuthorizeError) -> Response {
        see_other(&asked.request.redirect.with_error(error, &self.issuer))
    }

    fn page_fault(&self, fault: PageFault, fresh: &Fresh) -> Response {
        let (text, advice) = match fault {
            PageFault::UnknownClient => ("The application that sent you here is not known to this server.", "Nothing was sent anywhere."),
            PageFault::UnknownRedirect => ("The application asked to be answered at an address that is not its own.", "Nothing was sent there."),
        };
        log::info!(endpoint = "authorize", reason = if fault == PageFault::UnknownClient { "unknown_client" } else { "unknown_redirect" }; "authorization refused");
        self.fault(StatusCode::BAD_REQUEST, ("This link cannot be used", text, advice), fresh)
    }

    fn unavailable(&self, fresh: &Fresh) -> Response {
        let text = ("Not available right now", "The server cannot answer at this moment.", "Try again in a moment.");
        let mut response = self.fault(StatusCode::SERVICE_UNAVAILABLE, text, fresh);
        respond::set(&mut response, http::header::RETRY_AFTER, "1");
        response
    }

    fn fault(&self, status: StatusCode, (title, text, advice): (&str, &str, &str), fresh: &Fresh) -> Response {
        let nonce = nonce(fresh);
        page(status, &FaultPage { brand: &self.brand, nonce: &nonce, title, text, advice }, &nonce, &self.brand, None)
    }

    /// The URL that asks for the same again.
    fn url(&self, pending: &Pending) -> String {
        let pair = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
        format!("{}{PATH}?{}", self.issuer.as_str(), pending.parameters.iter().map(pair).collect::<Vec<_>>().join("&"))
    }

    fn action(&self) -> String {
        format!("{}{PATH}", self.issuer.path())
    }

    fn is_secure(&self) -> bool {
        self.issuer.as_str().starts_with("https:")
    }

    /// A cookie for this host alone; on loopback, where there is no TLS, without the prefix that demands it.
    fn set_cookie(&self, response: &mut Response, name: &str, value: &str, life: u64) {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        let cookie = format!("{}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax{secure}", cookie_name(name, self.is_secure()));
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
}

fn kept_changing() -> Refusal {
    Refusal::Unavailable("the consent kept changing".to_owned())
}

const BACK: &str = "Go back to the application and start again.";

impl Asked {
    fn api(&self) -> Result<&Api, Refusal> {
        self.request.api(&self.apis).ok_or_else(|| Refusal::Unavailable("the api of a request is gone".to_owned()))
    }

    /// The grant that the request becomes, and its code.
    fn grant(&self, user: &User, epoch: Epoch, scope: Vec<String>, fresh: &Fresh) -> (Grant, GrantToken) {
        let allowed = Allowed {
            client_id: &self.client.client_id,
            user_id: &user.user_id,
            aud: &self.request.aud,
            scope,
            redirect_uri: self.request.redirect.uri(),
            challenge: self.request.challenge.clone(),
            epoch,
        };
        Grant::allow(self.pending.id.clone(), allowed, fresh)
    }
}
