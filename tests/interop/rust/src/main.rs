//! the crate `oauth2` gets a token with only token URL, id and secret, and uses it. MD-17: `jsonwebtoken` verifies it.

mod code_flow;
mod verifiers;

use std::process::ExitCode;
use std::time::Duration;

use interop::{Outcome, Report, expect, variable};
use oauth2::basic::{BasicClient, BasicErrorResponseType};
use oauth2::{
    ClientId, ClientSecret, HttpRequest, HttpResponse, IntrospectionUrl, RequestTokenError, RevocationUrl, Scope, StandardRevocableToken,
    TokenIntrospectionResponse, TokenResponse, TokenUrl,
};

fn main() -> ExitCode {
    let mut report = Report::default();
    report.note("oauth2 (Rust): token, route, introspection, revocation", &uses_a_token());
    report.note("oauth2 (Rust) reads the refusal of a wrong secret", &reads_a_refusal());
    report.note(
        "oauth2 (Rust), a web application: code with PKCE, route, refresh; a code is good once",
        &code_flow::code_flow("APP_ID", Some("APP_SECRET")),
    );
    report.note("oauth2 (Rust), a native application: code with PKCE, route, refresh; a code is good once", &code_flow::code_flow("NATIVE_ID", None));
    for (algorithm, audience, of_rsa) in
        [(jsonwebtoken::Algorithm::ES256, "https://orders.example/", ""), (jsonwebtoken::Algorithm::RS256, "https://ledger.example/", "RSA_")]
    {
        let name = format!("jsonwebtoken (Rust) takes {algorithm:?}, and none that is expired, for others, of another issuer or altered");
        report.note(&name, &verifiers::verifies(algorithm, audience, of_rsa));
    }
    report.end()
}

fn uses_a_token() -> Outcome {
    let issuer = variable("ISSUER")?;
    let id = variable("CLIENT_ID")?;
    let url = |name: &str| format!("{issuer}/oauth2/{name}");
    // The crate revokes over https only; the requests are ours to send, and the server is on loopback.
    let revocation_url = url("revoke").replacen("http:", "https:", 1);
    let client = BasicClient::new(ClientId::new(id.clone()))
        .set_client_secret(ClientSecret::new(variable("CLIENT_SECRET")?))
        .set_token_uri(TokenUrl::new(url("token")).map_err(text)?)
        .set_introspection_url(IntrospectionUrl::new(url("introspect")).map_err(text)?)
        .set_revocation_url(RevocationUrl::new(revocation_url).map_err(text)?);

    let token = client.exchange_client_credentials().add_scope(Scope::new("https://orders.example/read".to_owned())).request(&send).map_err(text)?;
    expect(token.expires_in() == Some(Duration::from_secs(3_600)), "the token lives an hour")?;
    let access_token = token.access_token();
    expect(route(&issuer, access_token.secret())? == 200, "the route takes the token")?;
    let seen = client.introspect(access_token).request(&send).map_err(text)?;
    expect(seen.active() && seen.client_id().is_some_and(|seen| seen.as_str() == id), "introspection knows the token")?;
    let revocable = StandardRevocableToken::AccessToken(access_token.clone());
    client.revoke_token(revocable).map_err(text)?.request(&send).map_err(text)?;
    let seen = client.introspect(access_token).request(&send).map_err(text)?;
    expect(!seen.active(), "the revoked token is inactive")?;
    // The authorizer learns of it by its feed, within GATEWRIGHT_FEED_SECONDS.
    for _ in 0..40 {
        if route(&issuer, access_token.secret())? == 401 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Err("the route still takes the revoked token".to_owned())
}

fn reads_a_refusal() -> Outcome {
    let client = BasicClient::new(ClientId::new(variable("CLIENT_ID")?))
        .set_client_secret(ClientSecret::new("wrong".to_owned()))
        .set_token_uri(TokenUrl::new(format!("{}/oauth2/token", variable("ISSUER")?)).map_err(text)?);
    match client.exchange_client_credentials().request(&send) {
        Err(RequestTokenError::ServerResponse(answer)) if *answer.error() == BasicErrorResponseType::InvalidClient => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Sends the crate's request as it is, but for the scheme.
fn send(request: HttpRequest) -> Result<HttpResponse, ureq::Error> {
    let (mut parts, body) = request.into_parts();
    parts.uri = parts.uri.to_string().replacen("https:", "http:", 1).parse().unwrap_or(parts.uri);
    let mut answer = agent().run(http::Request::from_parts(parts, body))?;
    let body = answer.body_mut().read_to_vec()?;
    let (parts, _) = answer.into_parts();
    Ok(HttpResponse::from_parts(parts, body))
}

fn route(issuer: &str, token: &str) -> Result<u16, String> {
    let answer = agent().get(format!("{issuer}/orders/1")).header("authorization", format!("Bearer {token}")).call();
    answer.map(|answer| answer.status().as_u16()).map_err(text)
}

fn agent() -> ureq::Agent {
    let timeout = Some(Duration::from_secs(10));
    ureq::Agent::config_builder().timeout_global(timeout).max_redirects(0).http_status_as_error(false).build().new_agent()
}

fn text(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}
