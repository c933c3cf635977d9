//! `POST /oauth2/diagnose`: why is my token rejected? The gates decide as at the gateway, from the table's truth, and the first one that
//! closes is explained to the client that owns the token, or to an administrator.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::evidence::{Evidence, Examined};
use super::request::Request;
use super::respond::{self, Refusal, Response};
use super::route_view::RouteView;
use super::sign_in::authenticated;
use crate::oauth::api::{ADMIN_AUDIENCE, Api, Apis};
use crate::oauth::bearer::{self, Challenge};
use crate::oauth::client_auth::Credentials;
use crate::oauth::diagnosis::Circumstances;
use crate::oauth::error::TokenError;
use crate::oauth::form::Form;
use crate::oauth::fresh::Fresh;
use crate::oauth::gates::{Call, Presented, judge};
use crate::oauth::ids::ClientId;
use crate::oauth::jws;
use crate::oauth::path::CanonicalPath;
use crate::oauth::privilege::Method;
use crate::oauth::route_table::RouteTable;
use crate::oauth::token_gate::{Parties, Recorded};
use crate::store::{Found, Key};

/// What is asked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// A token, or the value of an `Authorization` header.
    #[serde(default)]
    token: String,
    method: String,
    path: String,
    #[serde(default)]
    gateway: Option<String>,
    /// The client (backend) that the call would name in a header.
    #[serde(default)]
    client_id: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    verdict: &'static str,
    gate: Option<&'static str>,
    code: &'static str,
    detail: String,
    remedy: String,
    token: Option<Value>,
    route: Option<RouteView<'a>>,
}

/// Who asks.
enum Caller {
    /// An administrator: about any token.
    Admin,
    /// A client: about its own.
    Client(ClientId),
}

/// Answers an operator: somebody whom IAM lets read the table, the command line. They may ask about any token.
pub async fn diagnose_for_operator(evidence: &Evidence, question: &[u8], fresh: &Fresh) -> Response {
    let answer = diagnosis(evidence, &Caller::Admin, question, fresh).await;
    answer.unwrap_or_else(|refusal| {
        log::info!(endpoint = "diagnose", reason = refusal.fault(); "diagnosis refused");
        refusal.response()
    })
}

/// Answers a request.
pub(super) async fn diagnose(evidence: &Evidence, request: &Request, fresh: &Fresh) -> Result<Response, Refusal> {
    if request.method != http::Method::POST {
        return Err(Refusal::MethodNotAllowed("POST"));
    }
    request.small_and_plain()?;
    let caller = caller(evidence, request, fresh).await?;
    diagnosis(evidence, &caller, &request.body, fresh).await
}

/// Answers a question, as far as who asks may know.
async fn diagnosis(evidence: &Evidence, caller: &Caller, question: &[u8], fresh: &Fresh) -> Result<Response, Refusal> {
    let question: Question = serde_json::from_slice(question)
        .map_err(|_| TokenError::invalid_request("the body must be JSON with token, method and path, and at most gateway and client_id"))?;
    // The gateway has no such call: it would be neither accepted nor rejected.
    if !Method::could_be(&question.method) {
        return Err(TokenError::invalid_request("method must be as it is sent, in capitals: GET").into());
    }
    let sent = Sent::read(&question.token);
    let examined = match sent {
        Sent::Token(token) => Some(evidence.examine(token, None, fresh.now).await?),
        Sent::Nothing | Sent::Unusable => None,
    };
    let decoded = decoded(&sent, examined.as_ref(), evidence);
    if let Caller::Client(client_id) = caller
        && decoded.as_ref().and_then(|claims| claims.get("client_id")).is_some_and(|owner| owner != client_id.as_str())
    {
        return Err(Refusal::NotOwner);
    }
    answer(evidence, caller, (&question, &sent), examined, decoded, fresh).await
}

async fn answer(
    evidence: &Evidence,
    caller: &Caller,
    (question, sent): (&Question, &Sent<'_>),
    examined: Option<Examined>,
    decoded: Option<Map<String, Value>>,
    fresh: &Fresh,
) -> Result<Response, Refusal> {
    let path = question.path.split('?').next().unwrap_or_default();
    let call = Call {
        gateway: question.gateway.clone().unwrap_or_default(),
        method: question.method.clone(),
        path: CanonicalPath::parse(path),
        backends: Vec::from_iter(question.client_id.clone()),
    };
    let apis = apis(evidence, examined.as_ref()).await?;
    let table = match call.api(&apis) {
        Some(api) => Some(table(evidence, api).await?),
        None => None,
    };
    let protection = call.protection(&apis, table.as_ref());
    let claims = examined.as_ref().and_then(|examined| examined.claims.as_ref().ok());
    let record = examined.as_ref().map_or(Ok(None), Examined::record)?;
    let client = match (&examined, claims) {
        (Some(examined), Some(claims)) => examined.found.client(&claims.client_id)?,
        _ => None,
    };
    let grant = match (&examined, claims.and_then(|claims| claims.grant_id.as_ref())) {
        (Some(examined), Some(grant_id)) => examined.found.grant(grant_id)?,
        _ => None,
    };
    let person = examined.as_ref().and_then(|examined| examined.person.as_ref());
    let parties = Parties { client: client.as_ref(), person, grant: grant.as_ref() };
    let presented = match (sent, &examined) {
        (Sent::Unusable, _) => Presented::Unusable,
        (_, None) => Presented::Nothing,
        (_, Some(Examined { claims: Err(fault), .. })) => Presented::Forged(*fault),
        (_, Some(examined @ Examined { claims: Ok(claims), .. })) => Presented::Token {
            claims,
            recorded: Recorded::of(record.as_ref()),
            key_is_trusted: examined.kid().is_none_or(|kid| evidence.keyring.set().trusts(kid, fresh.now)),
            parties,
        },
    };
    let closed = judge(&call, presented, &apis, protection.as_ref(), fresh.now).err();
    let token_issuer = decoded.as_ref().and_then(|claims| claims.get("iss")).and_then(Value::as_str);
    let issuer = evidence.keyring.issuer();
    let (record, protection) = (record.as_ref(), protection.as_ref());
    let circumstances = Circumstances { issuer, token_issuer, claims, record, parties, protection, now: fresh.now };
    // What a route asks for is to be had with `access.read`; to a client it is told for the sake of a token that it really has.
    let may_see_route = claims.is_some() || matches!(caller, Caller::Admin);
    let route = protection.filter(|_| may_see_route).map(RouteView::of);
    let diagnosis = closed.map(|closed| closed.explain(&circumstances));
    let (detail, remedy) = match diagnosis {
        Some(diagnosis) => (diagnosis.detail, diagnosis.remedy),
        None => ("the call passes".to_owned(), "nothing to do".to_owned()),
    };
    let verdict = if closed.is_some() { "rejected" } else { "accepted" };
    let (gate, code) = (closed.map(|closed| closed.gate()), closed.map_or("ok", |closed| closed.code()));
    Ok(respond::json(StatusCode::OK, &Answer { verdict, gate, code, detail, remedy, token: decoded.map(Value::Object), route }))
}

/// What the question's token is.
enum Sent<'q> {
    Nothing,
    Token(&'q str),
    Unusable,
}

impl<'q> Sent<'q> {
    fn read(text: &'q str) -> Self {
        let is_header = text.contains([' ', ':', '\t']) || text.eq_ignore_ascii_case("bearer");
        match (text.is_empty(), is_header) {
            (true, _) => Self::Nothing,
            (_, false) => Self::Token(text),
            (_, true) => match bearer::presented(&[text.as_bytes()]) {
                bearer::Presented::Bearer(token) => Self::Token(token),
                bearer::Presented::Nothing | bearer::Presented::Unusable => Self::Unusable,
            },
        }
    }
}

/// What the token says, proven or not: it is the asker's own.
fn decoded(sent: &Sent<'_>, examined: Option<&Examined>, evidence: &Evidence) -> Option<Map<String, Value>> {
    let proven = examined.and_then(|examined| examined.claims.as_ref().ok());
    let value = match (proven, sent) {
        (Some(claims), _) => serde_json::to_value(claims.to_jwt(evidence.keyring.issuer())).ok(),
        (None, Sent::Token(token)) => jws::unverified_claims(token),
        (None, _) => None,
    };
    value.and_then(|value| if let Value::Object(claims) = value { Some(claims) } else { None })
}

async fn caller(evidence: &Evidence, request: &Request, fresh: &Fresh) -> Result<Caller, Refusal> {
    let authorization = request.authorization();
    if let bearer::Presented::Bearer(token) = bearer::presented(&authorization) {
        let examined = evidence.examine(token, None, fresh.now).await?;
        return match examined.verdict(&evidence.keyring, fresh.now)? {
            Ok(claims) if claims.aud == ADMIN_AUDIENCE => match claims.scope.split(' ').any(|scope| scope == "tokens.read") {
                true => Ok(Caller::Admin),
                false => Err(Refusal::Bearer(Challenge::InsufficientScope { scope: Some("urn:gatewright:admin:tokens.read") })),
            },
            _ => Err(Refusal::Bearer(Challenge::InvalidToken)),
        };
    }
    let credentials = Credentials::parse(&authorization, &Form::default())?;
    let found = evidence.store.batch().with(Key::Client(credentials.client_id())).read().await?;
    let client = authenticated(&evidence.store, &credentials, (found.client(credentials.client_id())?, request.source), fresh).await?;
    Ok(Caller::Client(client.client_id.clone()))
}

async fn apis(evidence: &Evidence, examined: Option<&Examined>) -> Result<Apis, Refusal> {
    // A token that is not genuine brought no Apis along.
    let read: Found;
    let found = match examined.filter(|examined| examined.claims.is_ok()) {
        Some(examined) => &examined.found,
        None => {
            read = evidence.store.batch().with(Key::Apis).read().await?;
            &read
        }
    };
    Ok(found.apis()?)
}

async fn table(evidence: &Evidence, api: &Api) -> Result<RouteTable, Refusal> {
    let privileges = if api.privileges == 0 { Vec::new() } else { evidence.store.privileges_of(&api.metadata.name).await? };
    Ok(RouteTable::new(&api.metadata.base_path, privileges))
}
