//! `gatewright explain`: which gate closes on a call, why, and what to do; without a token, what the route asks for.

use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};
use shared::oauth::time::Timestamp;

use crate::access::route_in_words;
use crate::arguments::ExplainArguments;
use crate::fault::Fault;
use crate::http_client::encoded;
use crate::output::{Output, plain};
use crate::server::Server;
use crate::token::kept;

/// Runs the command; the exit code tells whether the call passes.
///
/// # Errors
/// Where the server cannot be reached or refuses to answer.
pub async fn run(wanted: &ExplainArguments, url: Option<&str>, output: &Output) -> Result<ExitCode, Fault> {
    let token = kept("GATEWRIGHT_TOKEN")?;
    if token.is_none() && wanted.backend.is_some() {
        return Err(Fault::new("--as is about a call with a token: set GATEWRIGHT_TOKEN or pipe the token to standard input"));
    }
    let server = Server::reach(url).await?;
    let (answer, lines, code) = match token {
        Some(token) => {
            let answer = diagnosis(wanted, &token, &server).await?;
            let passes = answer.get("verdict").is_some_and(|verdict| verdict == "accepted");
            let lines = gates(&format!("{} {}", wanted.method, wanted.path), &answer);
            (answer, lines, if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        None => {
            let answer = route(wanted, &server).await?;
            let lines = contest(&answer);
            (answer, lines, ExitCode::SUCCESS)
        }
    };
    output.line(&if output.json { answer.to_string() } else { lines })?;
    Ok(code)
}

async fn diagnosis(wanted: &ExplainArguments, token: &str, server: &Server) -> Result<Value, Fault> {
    let mut question = json!({"token": token, "method": wanted.method, "path": wanted.path});
    if let Some(members) = question.as_object_mut() {
        members.extend(wanted.gateway.iter().map(|gateway| ("gateway".to_owned(), gateway.as_str().into())));
        members.extend(wanted.backend.iter().map(|backend| ("client_id".to_owned(), backend.as_str().into())));
    }
    server.diagnose(&question).await
}

async fn route(wanted: &ExplainArguments, server: &Server) -> Result<Value, Fault> {
    // A route is chosen without the query.
    let path = wanted.path.split('?').next().unwrap_or_default();
    let mut query = format!("method={}&path={}", encoded(&wanted.method), encoded(path));
    if let Some(gateway) = &wanted.gateway {
        query.push_str(&format!("&gateway={}", encoded(gateway)));
    }
    server.ask(Method::GET, &format!("/routes/explain?{query}"), None).await
}

/// The three gates, one line each.
fn gates(call: &str, answer: &Value) -> String {
    const GATES: [&str; 3] = ["issuance", "token", "route"];
    let closed = answer.get("gate").and_then(Value::as_str).and_then(|gate| GATES.iter().position(|known| *known == gate));
    let claims = answer.get("token").filter(|claims| claims.is_object());
    let is_proven = is_genuine(&text(answer, "code"));
    let state = |at: usize| match closed {
        Some(closed) if at == closed => "CLOSED",
        Some(closed) if at > closed => "-",
        _ if at == 0 && !is_proven => "?",
        _ => "open",
    };
    let says = |at: usize| match (closed, at) {
        (Some(closed), at) if at == closed => text(answer, "detail"),
        (_, 0) => issuance(claims, is_proven),
        (Some(closed), at) if at > closed => format!("not reached; {}", asks(answer.get("route"))),
        (_, 1) => format!("genuine and alive until {}", claims.map(|claims| time(claims, "exp")).unwrap_or_default()),
        _ => asks(answer.get("route")),
    };
    let head = match closed {
        Some(_) => format!("{} does not pass: {}", plain(call), text(answer, "code")),
        None => format!("{} passes", plain(call)),
    };
    let lines = GATES.iter().enumerate().map(|(at, gate)| format!("  {gate:8}  {:6}  {}", state(at), says(at)));
    let to_do = closed.map(|_| format!("\n\nTo do: {}", text(answer, "remedy"))).unwrap_or_default();
    format!("{head}\n\n{}{to_do}", lines.collect::<Vec<_>>().join("\n"))
}

/// Whether a token that got this far was issued by this server: its signature or its record says so.
fn is_genuine(code: &str) -> bool {
    let unproven = ["token_missing", "key_missing", "not_bearer", "malformed", "signature_absent", "bad_signature", "unknown_key", "wrong_issuer"];
    !unproven.contains(&code)
}

fn issuance(claims: Option<&Value>, is_proven: bool) -> String {
    let Some(claims) = claims else { return "nothing in it says who it was issued to".to_owned() };
    let whom = text(claims, "client_id");
    let says = if is_proven { "" } else { "unproven: " };
    let subject = text(claims, "sub");
    let speaks_for = if subject == whom || subject.is_empty() { String::new() } else { format!(" for {subject}") };
    format!("{says}to {whom}{speaks_for} at {}, scope `{}` of {}", time(claims, "iat"), text(claims, "scope"), names(claims, "aud").join(" "))
}

/// What the route asks for.
fn asks(route: Option<&Value>) -> String {
    let Some(route) = route.filter(|route| route.is_object()) else { return "no api has this path".to_owned() };
    let (api, audience, privilege) = (text(route, "api"), text(route, "audience"), text(route, "privilege"));
    let no_token = if text(route, "anonymous") == "keyed" { "no token, but without one for an anonymous key" } else { "no token" };
    match text(route, "access").as_str() {
        "public" if privilege.is_empty() => format!("no privilege names the route, and the api {api} asks for {no_token}"),
        "public" => format!("the privilege {privilege} asks for {no_token}"),
        "authenticated" => format!("no privilege names the route, and the api {api} asks for any token for {audience}"),
        "deny" => format!("no privilege names the route, and the api {api} is closed where none does"),
        _ => {
            let needs_all = text(route, "scopes_match") == "all";
            let (scopes, roles) = (names(route, "scopes"), names(route, "roles_any_of"));
            let mut asks = vec![format!("a token for {audience}")];
            match scopes.as_slice() {
                [] => {}
                [_, _, ..] if needs_all => asks.push(format!("the scopes {}", joined(&scopes, "and"))),
                _ => asks.push(format!("the scope {}", joined(&scopes, "or"))),
            }
            if !roles.is_empty() {
                asks.push(format!("the role {}", joined(&roles, "or")));
            }
            if let [subject] = names(route, "subjects").as_slice() {
                asks.push(format!("a {subject} as its subject"));
            }
            format!("the privilege {privilege} asks for {}", joined(&asks, "and"))
        }
    }
}

/// Who wins a route, who loses and why, and what the winner asks for.
fn contest(answer: &Value) -> String {
    let call = format!("{} {}", text(answer, "method"), text(answer, "path"));
    let api = text(answer, "api");
    if api.is_empty() {
        return format!("{call} is on no api's path");
    }
    let losers = answer.get("losers").and_then(Value::as_array).into_iter().flatten();
    let mut rows = Vec::new();
    match answer.get("winner").filter(|winner| winner.is_object()) {
        Some(winner) => rows.push(["wins".to_owned(), text(winner, "privilege"), pattern(winner), String::new()]),
        None => rows.push(["wins".to_owned(), "no privilege".to_owned(), String::new(), String::new()]),
    }
    rows.extend(losers.map(|loser| ["loses".to_owned(), text(loser, "privilege"), pattern(loser), text(loser, "because")]));
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or_default();
    let (one, two) = (width(1), width(2));
    let lines = rows.iter().map(|[what, privilege, route, because]| {
        let line = format!("  {what:5}  {privilege:one$}  {route:two$}  {because}");
        line.trim_end().to_owned()
    });
    format!("{call} is on the api {api}\n\n{}\n\n{}", lines.collect::<Vec<_>>().join("\n"), capitalised(&asks(answer.get("asks"))))
}

fn pattern(route: &Value) -> String {
    if route.get("path").is_some_and(Value::is_string) { plain(&route_in_words(route)) } else { "the whole api".to_owned() }
}

fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

fn joined(items: &[String], with: &str) -> String {
    match items.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} {with} {last}", before.join(", ")),
        _ => items.join(""),
    }
}

fn text(object: &Value, member: &str) -> String {
    object.get(member).and_then(Value::as_str).map(plain).unwrap_or_default()
}

fn names(object: &Value, member: &str) -> Vec<String> {
    object.get(member).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(plain).collect()
}

fn time(claims: &Value, member: &str) -> String {
    claims.get(member).and_then(Value::as_u64).map(|seconds| Timestamp::from_unix(seconds).rfc3339()).unwrap_or_else(|| "an unknown time".to_owned())
}
