//! What holds of every answer of every test.

use http::HeaderMap;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, PRAGMA, RETRY_AFTER, SET_COOKIE, VARY, WWW_AUTHENTICATE,
};
use serde_json::Value;
use shared::endpoints::Response;

/// G1, G5..G8 of the catalogue and the headers that a status asks for. `Server::send` asks this of every answer of every test.
pub fn check(method: &str, target: &str, response: &Response) {
    let status = response.status().as_u16();
    let text = format!("{method} {target:.80}: {response:?}");
    let headers = response.headers();
    assert!(status < 500 || (status == 503 && headers.contains_key(RETRY_AFTER)), "G1 {text}");
    let is_for_people = target.starts_with("/oauth2/authorize");
    assert!(is_for_people || !headers.contains_key(SET_COOKIE), "G6 {text}");
    check_origins(target.split('?').next().unwrap(), headers, &text);
    assert!(headers.get_all(CONTENT_TYPE).iter().count() <= 1, "G8 {text}");
    if let Some(length) = headers.get(CONTENT_LENGTH) {
        assert_eq!(length.to_str().unwrap(), response.body().len().to_string(), "G8 {text}");
    }
    assert!(status != 401 || headers.contains_key(WWW_AUTHENTICATE), "{text}");
    assert!(status != 405 || headers.contains_key(ALLOW), "{text}");
    if is_for_people {
        crate::browser::check_headers(response);
    }
    if response.body().is_empty() {
        return;
    }
    assert!(headers.contains_key(CONTENT_TYPE), "G8 {text}");
    assert!(!response.body().starts_with(b"\xEF\xBB\xBF"), "G7 {text}");
    if is_for_people && headers[CONTENT_TYPE].as_bytes().starts_with(b"text/html") {
        return crate::browser::check(response);
    }
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_else(|error| panic!("G7 {error} {text}"));
    assert!(body.is_object(), "G7 {text}");
    if target == "/oauth2/token" {
        check_token_answer(status, headers, &body, &text);
    }
    if let Some(description) = body.get("error_description") {
        let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        assert!(description.as_str().unwrap().bytes().all(allowed), "G5 {text}");
    }
    // SE-06: nothing of the inside is shown.
    for inside in ["dynamodb", "DynamoDB", "arn:", "aws", "panicked", ".rs:", "pk", "TableName"] {
        assert!(status < 400 || !String::from_utf8_lossy(response.body()).contains(inside), "SE-06 {text}");
    }
}

/// OK-T of the catalogue, and E400 and E401 as far as a cache could do harm (TE-17, TE-31, RT-01, M-17).
fn check_token_answer(status: u16, headers: &HeaderMap, body: &Value, text: &str) {
    assert_eq!((headers[CACHE_CONTROL].as_bytes(), headers[PRAGMA].as_bytes()), (&b"no-store"[..], &b"no-cache"[..]), "OK-T {text}");
    if status != 200 {
        return;
    }
    let (token, life) = (body["access_token"].as_str().unwrap(), body["expires_in"].as_u64().unwrap());
    assert!(body["token_type"] == "Bearer" && body["scope"].is_string() && life > 0, "OK-T {text}");
    assert!(body.get("refresh_token").is_none_or(Value::is_string), "OK-T {text}");
    if !token.starts_with("gw_at_") {
        let said = crate::support::claims(token);
        assert_eq!(said["exp"].as_u64().unwrap() - said["iat"].as_u64().unwrap(), life, "TE-31 {text}");
    }
}

/// O-18, CO-01 to CO-03: the documents open themselves to every page alike, two endpoints to one origin, no other, and none to credentials.
fn check_origins(path: &str, headers: &HeaderMap, text: &str) {
    let is_opened = headers.keys().any(|name| name.as_str().starts_with("access-control-"));
    let origins: Vec<_> = headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().map(|origin| origin.to_str().unwrap()).collect();
    if path.starts_with("/.well-known/") {
        assert_eq!(origins, ["*"], "CO-01 {text}");
    } else if ["/oauth2/token", "/oauth2/revoke"].contains(&path) && is_opened {
        assert!(origins.len() == 1 && !["*", "null"].contains(&origins[0]) && headers[VARY] == "Origin", "CO-02 {text}");
    } else {
        assert!(!is_opened, "CO-03 {text}");
    }
    assert!(!headers.contains_key("access-control-allow-credentials"), "CO-02 {text}");
}
