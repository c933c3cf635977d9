//! Our functions: their events and answers.

use std::rc::Rc;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::function::Subject;
use crate::seed::Setup;

/// A scope of an Api that keeps a record of every token.
pub const ORDERS: &str = "https://orders.example/read";
/// A scope of an Api that keeps records of revocations only, and whose privileges no policy can list.
pub const STOCK: &str = "https://stock.example/read";

/// How a policy begins that allows all that the client may call, and one that allows the one call. A denied call's lists rights, too.
const LISTED: &str = r#""Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["arn:aws:execute-api:eu-central-1:123456789012:local/local/GET/orders/*""#;
const ONE_CALL: &str = r#""Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"arn:aws:execute-api:eu-central-1:123456789012:local/local/GET/stock/1""#;

/// All but `revoke`.
pub fn subjects(setup: &Setup) -> Vec<Subject> {
    let tokens: Rc<[String]> = setup.tokens.as_slice().into();
    let token = |name, scope| {
        let event = token_event(&setup.client_id, &setup.client_secret, scope);
        subject(setup, name, "token", "access_token", move |_| event.clone())
    };
    let seen = authorizer_event("/orders/1", nth(&tokens, 0));
    let seen_one = authorizer_event("/stock/1", &setup.stock_token);
    let unseen = Rc::clone(&tokens);
    let (client_id, client_secret) = (setup.client_id.clone(), setup.client_secret.clone());
    vec![
        token("token", ORDERS),
        token("token_revocations", STOCK),
        subject(setup, "authorizer_seen", "authorizer", LISTED, move |_| seen.clone()),
        subject(setup, "authorizer_unseen", "authorizer", LISTED, move |n| authorizer_event("/orders/1", nth(&unseen, n))),
        subject(setup, "authorizer_one_call", "authorizer", ONE_CALL, move |_| seen_one.clone()),
        subject(setup, "introspect", "introspect", r#"\"active\":true"#, move |n| {
            form_event("/oauth2/introspect", &client_id, &client_secret, &[("token", nth(&tokens, n))])
        }),
    ]
}

/// Revokes a token per event.
pub fn revoke(setup: &Setup) -> Subject {
    let tokens: Rc<[String]> = setup.tokens.as_slice().into();
    let (client_id, client_secret) = (setup.client_id.clone(), setup.client_secret.clone());
    subject(setup, "revoke", "revoke", r#""statusCode":200"#, move |n| {
        form_event("/oauth2/revoke", &client_id, &client_secret, &[("token", nth(&tokens, n))])
    })
}

fn subject(setup: &Setup, name: &'static str, file: &'static str, expect: &'static str, event: impl Fn(usize) -> Bytes + 'static) -> Subject {
    Subject { name, file, env: setup.env.clone(), event: Box::new(event), expect }
}

fn nth(tokens: &[String], n: usize) -> &str {
    tokens.get(n % tokens.len()).map_or("", String::as_str)
}

/// API Gateway's event for a token request of a client.
pub fn token_event(client_id: &str, client_secret: &str, scope: &str) -> Bytes {
    form_event("/oauth2/token", client_id, client_secret, &[("grant_type", "client_credentials"), ("scope", scope)])
}

/// API Gateway's event for a form posted by a client to `path` (REST API, payload version 1.0).
pub fn form_event(path: &str, client_id: &str, client_secret: &str, form: &[(&str, &str)]) -> Bytes {
    let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
    let body = body.join("&");
    let credentials = BASE64_STANDARD.encode(format!("{client_id}:{client_secret}"));
    let headers = [
        ("Accept", "*/*".to_owned()),
        ("Authorization", format!("Basic {credentials}")),
        ("Content-Type", "application/x-www-form-urlencoded".to_owned()),
        ("Host", "auth.example".to_owned()),
        ("User-Agent", "curl/8.5.0".to_owned()),
        ("X-Amzn-Trace-Id", "Root=1-68f0c0de-0123456789abcdef01234567".to_owned()),
        ("X-Forwarded-For", "203.0.113.7".to_owned()),
        ("X-Forwarded-Port", "443".to_owned()),
        ("X-Forwarded-Proto", "https".to_owned()),
    ];
    let mut event = request(path, "POST", &headers);
    merge(&mut event, json!({"body": body, "isBase64Encoded": false}));
    event.to_string().into()
}

/// API Gateway's event for a GET of `path`.
pub fn get_event(path: &str, authorization: &str) -> Bytes {
    let mut headers = vec![("Accept", "*/*".to_owned()), ("Host", "auth.example".to_owned())];
    if !authorization.is_empty() {
        headers.push(("Authorization", authorization.to_owned()));
    }
    request(path, "GET", &headers).to_string().into()
}

/// API Gateway's event for an authorizer of type REQUEST, for a call with `token`.
pub fn authorizer_event(path: &str, token: &str) -> Bytes {
    let headers = [
        ("Accept", "*/*".to_owned()),
        ("Authorization", format!("Bearer {token}")),
        ("Host", "api.example".to_owned()),
        ("User-Agent", "curl/8.5.0".to_owned()),
        ("X-Amzn-Trace-Id", "Root=1-68f0c0de-0123456789abcdef01234567".to_owned()),
        ("X-Forwarded-For", "203.0.113.7".to_owned()),
        ("X-Forwarded-Port", "443".to_owned()),
        ("X-Forwarded-Proto", "https".to_owned()),
    ];
    let mut event = request(path, "GET", &headers);
    merge(
        &mut event,
        json!({
            "type": "REQUEST",
            "methodArn": format!("arn:aws:execute-api:eu-central-1:123456789012:local/local/GET{path}"),
        }),
    );
    event.to_string().into()
}

/// What both kinds of event have in common.
fn request(path: &str, method: &str, headers: &[(&str, String)]) -> Value {
    let single: Value = headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let multi: Value = headers.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
    json!({
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": single,
        "multiValueHeaders": multi,
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "pathParameters": {"proxy": path.trim_start_matches('/')},
        "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "local",
            "domainName": "auth.example",
            "extendedRequestId": "JKJaXmPLvHcESHA=",
            "httpMethod": method,
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "curl/8.5.0"},
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "requestTime": "15/Oct/2026:10:00:00 +0000",
            "requestTimeEpoch": 1_792_058_400_000_u64,
            "resourcePath": "/{proxy+}",
            "stage": "local",
        },
    })
}

fn percent_encode(value: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(escape).collect()
}

fn merge(event: &mut Value, more: Value) {
    if let (Value::Object(event), Value::Object(more)) = (event, more) {
        event.extend(more);
    }
}
