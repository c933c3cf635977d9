//! MD-17, I-19: the crate `jsonwebtoken` verifies tokens of both algorithms by the key set; an expired one, another audience, another
//! issuer and an altered token it does not take. It fetches nothing and keeps nothing: that is its user's.

use std::time::Duration;

use interop::{Outcome, expect, variable};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use oauth2::basic::BasicClient;
use oauth2::{ClientId, ClientSecret, TokenResponse, TokenUrl};
use serde_json::Value;

use crate::{agent, send, text};

/// One line of docs/verifiers.md: `algorithm`, with the clients whose variables begin with `of_rsa`.
pub fn verifies(algorithm: Algorithm, audience: &str, of_rsa: &str) -> Outcome {
    let issuer = variable("ISSUER")?;
    let discovery: Value = serde_json::from_str(&get(&format!("{issuer}/.well-known/openid-configuration"))?).map_err(text)?;
    let set: JwkSet = serde_json::from_str(&get(discovery.get("jwks_uri").and_then(Value::as_str).ok_or("no jwks_uri")?)?).map_err(text)?;
    let verified = |token: &str, audience: &str, issuer: &str| {
        let kid = decode_header(token).map_err(text)?.kid.ok_or("no kid")?;
        let key = DecodingKey::from_jwk(set.find(&kid).ok_or("no such key")?).map_err(text)?;
        let mut validation = Validation::new(algorithm);
        (validation.leeway, validation.aud, validation.iss) = (0, Some([audience.to_owned()].into()), Some([issuer.to_owned()].into()));
        decode::<Value>(token, &key, &validation).map(|token| token.claims).map_err(|error| error.to_string())
    };
    let token = token_of(&issuer, &format!("{of_rsa}CLIENT"))?;
    let claims = verified(&token, audience, &issuer)?;
    let client_id = variable(&format!("{of_rsa}CLIENT_ID"))?;
    expect(claims.get("client_id").and_then(Value::as_str) == Some(&client_id), "the token is the client's")?;

    let refused = |fault: &str, token: &str, audience: &str, issuer: &str| match verified(token, audience, issuer) {
        Err(error) => expect(error == fault, format!("{fault} was expected: {error}")),
        Ok(claims) => Err(format!("{fault} was expected: {claims}")),
    };
    refused("InvalidAudience", &token, "https://other.example/", &issuer)?;
    refused("InvalidIssuer", &token, audience, "https://other.example")?;
    let other = token_of(&issuer, &format!("{of_rsa}HASTY"))?;
    // The other token's claims under the first one's signature.
    let (signed, mut parts) = (token.rsplit('.').next().ok_or("no signature")?, other.split('.'));
    let (header, payload) = (parts.next().ok_or("no header")?, parts.next().ok_or("no payload")?);
    refused("InvalidSignature", &format!("{header}.{payload}.{signed}"), audience, &issuer)?;
    std::thread::sleep(Duration::from_secs(2));
    refused("ExpiredSignature", &other, audience, &issuer)
}

fn token_of(issuer: &str, client: &str) -> Result<String, String> {
    let client = BasicClient::new(ClientId::new(variable(&format!("{client}_ID"))?))
        .set_client_secret(ClientSecret::new(variable(&format!("{client}_SECRET"))?))
        .set_token_uri(TokenUrl::new(format!("{issuer}/oauth2/token")).map_err(text)?);
    let answer = client.exchange_client_credentials().request(&send).map_err(text)?;
    Ok(answer.access_token().secret().clone())
}

fn get(url: &str) -> Result<String, String> {
    agent().get(url).call().map_err(text)?.body_mut().read_to_string().map_err(text)
}
