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

/// The client's secret.
fn secret() -> Result<String, Fault> {
    let missing = || Fault::new("the client's secret is missing: set GATEWRIGHT_CLIENT_SECRET or pipe it to standard input");
    kept("GATEWRIGHT_CLIENT_SECRET")?.ok_or_else(missing)
}

/// What opens something, from where no other process can read it: this variable, or standard input where that is no terminal.
///
/// # Errors
/// Where standard input cannot be read.
pub fn kept(name: &str) -> Result<Option<String>, Fault> {
    if let Some(value) = variable(name) {
        return Ok(Some(value));
    }
    let mut input = stdin();
    if input.is_terminal() {
        return Ok(None);
    }
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(|error| Fault::new(format!("standard input cannot be read: {error}")))?;
    let text = text.trim_end_matches(['\r', '\n']);
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}
