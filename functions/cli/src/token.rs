//! `gatewright token`: an access token by client credentials, as any client of the server would fetch it.

use std::io::{IsTerminal, Read, stdin};

use serde_json::Value;

use crate::arguments::TokenArguments;
use crate::fault::Fault;
use crate::http_client::HttpClient;
use crate::output::{Output, plain};
use crate::place::{Credentials, LocalRun, find_issuer, variable};

/// Runs the command.
///
/// # Errors
/// Where there is no secret, or the server cannot be reached or refuses.
pub fn run(wanted: &TokenArguments, url: Option<&str>, output: &Output) -> Result<(), Fault> {
    let issuer = find_issuer(url, &variable, LocalRun::find(&variable))?;
    let credentials = Credentials { client_id: wanted.client_id.clone(), client_secret: secret()? };
    let scope = wanted.scopes.join(" ");
    let mut parameters = Vec::new();
    if !scope.is_empty() {
        parameters.push(("scope", scope.as_str()));
    }
    if let Some(resource) = &wanted.resource {
        parameters.push(("resource", resource));
    }
    let answer = HttpClient::new(issuer).token(&credentials, &parameters)?;
    if output.json {
        return output.line(&answer.to_string());
    }
    // The token alone, so that TOKEN=$(gatewright token ...) is one.
    output.line(&plain(answer.get("access_token").and_then(Value::as_str).unwrap_or_default()))
}

/// The client's secret, from where no other process can read it.
fn secret() -> Result<String, Fault> {
    if let Some(secret) = variable("GATEWRIGHT_CLIENT_SECRET") {
        return Ok(secret);
    }
    let missing = || Fault::new("the client's secret is missing: set GATEWRIGHT_CLIENT_SECRET or pipe it to standard input");
    let mut input = stdin();
    if input.is_terminal() {
        return Err(missing());
    }
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(|error| Fault::new(format!("standard input cannot be read: {error}")))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() { Err(missing()) } else { Ok(secret.to_owned()) }
}
