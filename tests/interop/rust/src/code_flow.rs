//! O-08, A-08, RT-01: the crate `oauth2` makes the authorization URL with PKCE, redeems the code and refreshes.

use std::collections::BTreeMap;

use interop::{Outcome, expect, variable};
use oauth2::basic::{BasicClient, BasicErrorResponseType};
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    TokenResponse, TokenUrl,
};

use crate::{agent, route, send, text};

/// A whole code flow of a client, from the URL to the second refresh token.
pub fn code_flow(id: &str, secret: Option<&str>) -> Outcome {
    let issuer = variable("ISSUER")?;
    let mut client = BasicClient::new(ClientId::new(variable(id)?))
        .set_auth_uri(AuthUrl::new(format!("{issuer}/oauth2/authorize")).map_err(text)?)
        .set_token_uri(TokenUrl::new(format!("{issuer}/oauth2/token")).map_err(text)?)
        .set_redirect_uri(RedirectUrl::new(variable("REDIRECT_URI")?).map_err(text)?);
    if let Some(secret) = secret {
        client = client.set_client_secret(ClientSecret::new(variable(secret)?));
    }
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let scope = Scope::new("https://orders.example/read".to_owned());
    let (url, state) = client.authorize_url(CsrfToken::new_random).add_scope(scope).set_pkce_challenge(challenge).url();
    let back = allow(&issuer, url.as_str())?;
    expect(back.get("state") == Some(state.secret()), "the state comes back")?;
    // The crate leaves the check of RFC 9207 to its user.
    expect(back.get("iss") == Some(&encoded(&issuer)), format!("the issuer names itself: {back:?}"))?;
    let code = AuthorizationCode::new(back.get("code").cloned().ok_or("no code came back")?);
    let again = (code.clone(), PkceCodeVerifier::new(verifier.secret().clone()));

    let tokens = client.exchange_code(code).set_pkce_verifier(verifier).request(&send).map_err(text)?;
    expect(route(&issuer, tokens.access_token().secret())? == 200, "the route takes the token")?;
    let refresh_token = tokens.refresh_token().ok_or("no refresh token")?;
    let refreshed = client.exchange_refresh_token(refresh_token).request(&send).map_err(text)?;
    expect(refreshed.refresh_token().is_some_and(|next| next.secret() != refresh_token.secret()), "the refresh token rotates")?;
    expect(route(&issuer, refreshed.access_token().secret())? == 200, "the route takes the refreshed token")?;
    match client.exchange_code(again.0).set_pkce_verifier(again.1).request(&send) {
        Err(RequestTokenError::ServerResponse(answer)) if *answer.error() == BasicErrorResponseType::InvalidGrant => Ok(()),
        other => Err(format!("a code was good twice: {other:?}")),
    }
}

/// The user: signs in and allows what is asked, by the cookies and forms that a browser would send. Gives what the application is told.
fn allow(issuer: &str, url: &str) -> Result<BTreeMap<String, String>, String> {
    let redirect_uri = variable("REDIRECT_URI")?;
    let (username, password) = (variable("USERNAME")?, variable("PASSWORD")?);
    let mut cookies = BTreeMap::new();
    let mut next = (url.to_owned(), None);
    for _ in 0..8 {
        let (location, page) = visit(&next.0, next.1.take(), &mut cookies)?;
        if let Some(location) = location {
            if let Some((address, query)) = location.split_once('?')
                && address == redirect_uri
            {
                return Ok(query
                    .split('&')
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect());
            }
            next.0 = location;
            continue;
        }
        let value = |name: &str| between(&page, &format!("name=\"{name}\" value=\"")).ok_or(format!("no field {name}: {page}"));
        let mut fields = vec![("request", value("request")?), ("proof", value("proof")?)];
        if page.contains("id=\"sign-in\"") {
            fields.extend([("action", "sign_in".to_owned()), ("username", username.clone()), ("password", password.clone())]);
        } else {
            fields.extend([("action", "approve".to_owned()), ("allow", value("allow")?)]);
        }
        let action = between(&page, "action=\"").ok_or("no form")?;
        let form: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        next = (format!("{issuer}{action}"), Some(form.join("&")));
    }
    Err("the pages go round in circles".to_owned())
}

/// One request of the browser: where it is sent, and the page that it is shown.
fn visit(url: &str, form: Option<String>, cookies: &mut BTreeMap<String, String>) -> Result<(Option<String>, String), String> {
    let cookie = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let answer = match form {
        Some(form) => agent().post(url).header("cookie", cookie).header("content-type", "application/x-www-form-urlencoded").send(form),
        None => agent().get(url).header("cookie", cookie).call(),
    };
    let mut answer = answer.map_err(text)?;
    for cookie in answer.headers().get_all("set-cookie") {
        let pair = cookie.to_str().ok().and_then(|cookie| cookie.split(';').next()?.split_once('='));
        if let Some((name, value)) = pair {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }
    let location = answer.headers().get("location").and_then(|location| location.to_str().ok()).map(str::to_owned);
    expect(location.is_some() || answer.status().as_u16() == 200, format!("{url}: {}", answer.status()))?;
    Ok((location, answer.body_mut().read_to_string().map_err(text)?))
}

fn between(text: &str, start: &str) -> Option<String> {
    text.split_once(start).and_then(|(_, rest)| rest.split_once('"')).map(|(value, _)| value.to_owned())
}

/// A value of a form or of a query, as the server writes it too.
fn encoded(value: &str) -> String {
    let byte = |byte: u8| if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(byte).collect()
}
