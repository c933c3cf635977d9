//! Which pages may read an answer (the CORS protocol of the Fetch standard). It stands around an endpoint, whose own rules do not know of
//! it; an endpoint that it does not stand around is closed to every page of another origin.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{Method, StatusCode};

use super::request::Request;
use super::respond::{self, Refusal, Response};
use crate::oauth::client_auth::Credentials;
use crate::oauth::ids::{ClientId, Issuer};
use crate::oauth::origin::Origin;
use crate::store::Store;

/// The headers of an answer that a client needs (CO-04).
const EXPOSED: &str = "WWW-Authenticate, Retry-After";

/// The `answer` of the endpoint at `path`, readable for pages of the origins that a client lists. A request without an `Origin` costs nothing.
pub(super) async fn for_listed(store: &Store, issuer: &Issuer, path: &str, request: &Request, answer: impl Future<Output = Response>) -> Response {
    if !request.headers.contains_key(ORIGIN) || request.path_under(issuer) != path {
        return answer.await;
    }
    // What is no origin, or two, is listed by nobody and not looked for.
    let origin = origin(request);
    let listed = match &origin {
        Some(origin) => store.clients_of_origin(origin).await.map_err(Refusal::from),
        None => Ok(Vec::new()),
    };
    let is_preflight = is_preflight(request);
    let mut response = match &listed {
        // The table has just failed: the endpoint does not wait for it a second time (SF-03).
        Err(refusal) => {
            log::info!(endpoint = path, reason = refusal.fault(); "cross-origin request refused");
            refusal.response()
        }
        Ok(_) if is_preflight => respond::empty(StatusCode::NO_CONTENT),
        Ok(_) => answer.await,
    };
    respond::set(&mut response, VARY, "Origin");
    let clients = listed.unwrap_or_default();
    // Who failed to authenticate is nobody, and their page has to see that they did.
    let client = if response.status() == StatusCode::UNAUTHORIZED { None } else { named(request, issuer, path) };
    let may_read = !clients.is_empty() && client.is_none_or(|client| clients.contains(&client));
    if let Some(origin) = origin.filter(|_| may_read) {
        respond::set(&mut response, ACCESS_CONTROL_ALLOW_ORIGIN, origin.as_str());
        if is_preflight {
            allow(&mut response, "POST");
        } else {
            respond::set(&mut response, ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
    response
}

/// The `answer` of an endpoint whose answers are public, readable for every page.
pub(super) async fn for_everybody(request: &Request, answer: impl Future<Output = Response>) -> Response {
    let is_preflight = request.headers.contains_key(ORIGIN) && is_preflight(request);
    let mut response = if is_preflight { respond::empty(StatusCode::NO_CONTENT) } else { answer.await };
    // The same for everybody, so that one cached copy is good for all.
    respond::set(&mut response, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    if is_preflight {
        allow(&mut response, "GET");
    }
    response
}

/// A browser's question whether it may send a request (CO-05): answered without authentication, and nothing is written or counted.
fn is_preflight(request: &Request) -> bool {
    request.method == Method::OPTIONS && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// What a preflight is told. `Authorization` is not among the headers: a client that authenticates with it lists no origins (O-18).
fn allow(response: &mut Response, method: &str) {
    respond::set(response, ACCESS_CONTROL_ALLOW_METHODS, method);
    respond::set(response, ACCESS_CONTROL_ALLOW_HEADERS, "content-type");
    respond::set(response, ACCESS_CONTROL_MAX_AGE, "600");
}

/// The origin of the page that asks, if the request names exactly one.
fn origin(request: &Request) -> Option<Origin> {
    let mut values = request.headers.get_all(ORIGIN).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Origin::parse(value.to_str().ok()?),
        _ => None,
    }
}

/// The client that the request says it comes from, if it says so.
fn named(request: &Request, issuer: &Issuer, path: &str) -> Option<ClientId> {
    let form = request.form(issuer, path).ok()?;
    Credentials::parse(&request.authorization(), &form).ok().map(|credentials| credentials.client_id().clone())
}
