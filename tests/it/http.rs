//! What holds of every answer, and what odd requests get: paths, methods, headers, encodings, sizes.

use bytes::Bytes;
use expect_test::expect;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, PRAGMA, RETRY_AFTER, SET_COOKIE, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use shared::endpoints::{Keyring, Request, Response, Tally, token};

use crate::support::{ADMIN, ADMIN_SECRET, Server, basic, json_of, shown};

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

/// An answer in short: `200`, or `400 invalid_scope`.
pub fn outcome(response: &Response) -> String {
    let error = serde_json::from_slice::<Value>(response.body()).ok().and_then(|body| body["error"].as_str().map(str::to_owned));
    match error {
        Some(error) => format!("{} {error}", response.status().as_u16()),
        None => response.status().as_u16().to_string(),
    }
}

/// A whole answer with the values of these members, wherever they stand in the body, replaced by their names.
pub fn pinned(response: &Response, members: &[&str]) -> String {
    let mut text = shown(response);
    if let Ok(body) = serde_json::from_slice::<Value>(response.body()) {
        hide(&body, members, &mut text);
    }
    text
}

fn hide(value: &Value, members: &[&str], text: &mut String) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match value {
                    Value::String(secret) if members.contains(&name.as_str()) => {
                        *text = text.replace(&format!("\"{secret}\""), &format!("\"[{name}]\""))
                    }
                    other => hide(other, members, text),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| hide(value, members, text)),
        _ => {}
    }
}

/// G3: what the server asked of the table since the last look was reading.
pub fn assert_nothing_written(server: &Server) {
    let calls = server.proxy.calls();
    let is_read = |call: &str| ["BatchGetItem", "GetItem", "Query"].contains(&call.split(' ').next().unwrap());
    assert!(calls.is_empty() || calls.split(", ").all(is_read), "G3 {calls}");
}

fn request(method: Method, path: &str, body: impl Into<Bytes>) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&basic(ADMIN, ADMIN_SECRET)).unwrap());
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    Request { method, path: path.to_owned(), query: Vec::new(), headers, body: body.into(), source: None }
}

async fn sent(server: &Server, request: Request) -> Response {
    let (method, path) = (request.method.to_string(), request.path.clone());
    let response = server.functions.answer(request, server.fresh()).await;
    check(&method, &path, &response);
    response
}

const GRANT: &str = "grant_type=client_credentials";

#[tokio::test]
async fn paths_are_taken_as_they_are() {
    // HT-10, HT-11, HT-23. What is not exactly a path of ours is not found, or is somebody's route and then wants a token.
    let server = Server::start().await;
    server.proxy.calls();
    let odd = [
        "/oauth2/token/",
        "/oauth2//token",
        "//oauth2/token",
        "/./oauth2/token",
        "/x/../oauth2/token",
        "//evil.example/..",
        "/oauth2/token;x",
        "/oauth2/token%2f",
        "/oauth2/%74oken",
        "/oauth2/%2574oken",
        "/oauth2/token%00",
        "/oauth2/TOKEN",
        "/OAuth2/token",
        "/oauth2/token/x",
        "/oauth2",
        "/oauth2/",
        "/oauth2/x",
        "/admin",
        "/admin%2f..%2foauth2/token",
        "/x",
        "/",
        "",
        "/admin/../oauth2/token",
        "/token",
    ];
    let mut answers = String::new();
    for path in odd {
        let response = sent(&server, request(Method::POST, path, GRANT)).await;
        assert!(!response.headers().contains_key("location"), "{path}");
        answers.push_str(&format!("{path} {}\n", outcome(&response)));
    }
    expect![[r#"
        /oauth2/token/ 404 not_found
        /oauth2//token 404 not_found
        //oauth2/token 401
        /./oauth2/token 401
        /x/../oauth2/token 401
        //evil.example/.. 401
        /oauth2/token;x 404 not_found
        /oauth2/token%2f 404 not_found
        /oauth2/%74oken 404 not_found
        /oauth2/%2574oken 404 not_found
        /oauth2/token%00 404 not_found
        /oauth2/TOKEN 404 not_found
        /OAuth2/token 401
        /oauth2/token/x 404 not_found
        /oauth2 404 not_found
        /oauth2/ 404 not_found
        /oauth2/x 404 not_found
        /admin 404 not_found
        /admin%2f..%2foauth2/token 401
        /x 401
        / 401
         401
        /admin/../oauth2/token 401
        /token 401
    "#]]
    .assert_eq(&answers);
    expect![[r#"
        404 Not Found
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"not_found","error_description":"there is nothing at this path"}"#]]
    .assert_eq(&shown(&sent(&server, request(Method::GET, "/oauth2/x", "")).await));
    assert_nothing_written(&server);
}

#[tokio::test]
async fn no_spelling_of_the_admin_api_gets_around_its_token() {
    // HT-11
    let server = Server::start().await;
    for path in [
        "/admin/v1/clients",
        "/admin/v1/clients/",
        "/admin//v1/clients",
        "/admin/v1//clients",
        "/admin/v1/../v1/clients",
        "/admin/v1/%63lients",
        "/admin/v1/clients%00",
        "/admin/",
        "/admin/v2/clients",
    ] {
        let response = sent(&server, Request { headers: HeaderMap::new(), ..request(Method::GET, path, "") }).await;
        assert_eq!(response.status(), 401, "{path}");
    }
    let authorization = format!("Bearer {}", server.admin_token().await);
    for path in
        ["/admin/v1/clients/", "/admin//v1/clients", "/admin/v1//clients", "/admin/v1/../v1/clients", "/admin/v1/%63lients", "/Admin/v1/clients"]
    {
        let response = server.send("GET", path, &[("authorization", &authorization)], "").await;
        assert!([403, 404].contains(&response.status().as_u16()), "{path}: {}", shown(&response));
    }
}

#[tokio::test]
async fn the_method_is_the_one_of_the_request_line() {
    // HT-12, HT-25
    let server = Server::start().await;
    let root = basic(ADMIN, ADMIN_SECRET);
    for name in ["x-http-method-override", "x-method-override", "x-http-method"] {
        let headers = [("authorization", root.as_str()), ("content-type", "application/x-www-form-urlencoded"), (name, "GET")];
        assert_eq!(outcome(&server.send("POST", "/oauth2/token", &headers, GRANT).await), "200", "{name}");
        let headers = [("authorization", root.as_str()), ("content-type", "application/x-www-form-urlencoded"), (name, "POST")];
        assert_eq!(outcome(&server.send("GET", "/oauth2/token", &headers, GRANT).await), "405 invalid_request", "{name}");
    }
    assert_eq!(outcome(&server.post("/oauth2/token", &root, &format!("{GRANT}&_method=PUT")).await), "200");
    for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/.well-known/jwks.json", "/healthz"] {
        for method in ["TRACE", "OPTIONS", "CONNECT", "PATCH", "FOO"] {
            let response = server.send(method, path, &[("origin", "https://evil.example"), ("authorization", &root)], "secret=1").await;
            assert_eq!(response.status(), 405, "{method} {path}");
            assert!(!shown(&response).contains("secret=1"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn headers_that_proxies_write_change_nothing() {
    // HT-13, HT-14, MD-06
    let server = Server::start().await;
    let plain = shown(&server.send("GET", "/.well-known/oauth-authorization-server", &[], "").await);
    let forged = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-uri", "/admin/v1/clients"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-original-url", "/admin/v1/clients"),
        ("x-rewrite-url", "/admin/v1/clients"),
        ("x_forwarded_for", "::1"),
        ("x-user-id", "root"),
        ("authorization_", "Bearer x"),
        ("connection", "authorization"),
        ("x-amzn-trace-id", "Root=1"),
        ("x-request-id", "mine"),
    ];
    assert_eq!(shown(&server.send("GET", "/.well-known/oauth-authorization-server", &forged, "").await), plain);
    let mut headers = forged.to_vec();
    let root = basic(ADMIN, ADMIN_SECRET);
    headers.extend([("authorization", root.as_str()), ("content-type", "application/x-www-form-urlencoded")]);
    let response = server.send("POST", "/oauth2/token", &headers, GRANT).await;
    assert_eq!(outcome(&response), "200", "Connection: authorization does not take the credentials away");
    let unauthenticated = server.send("GET", "/admin/v1/clients", &forged, "").await;
    assert_eq!(unauthenticated.status(), 401);
}

#[tokio::test]
async fn two_authorization_headers_are_one_too_many() {
    // HT-04, TE-08. Names come in any case: every event shape becomes the same map.
    let server = Server::start().await;
    let root = basic(ADMIN, ADMIN_SECRET);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(outcome(&server.send("POST", "/oauth2/token", &[("AUTHORIZATION", &root), form], GRANT).await), "200");
    for second in [root.as_str(), "Basic eDp5", ""] {
        let headers = [("authorization", root.as_str()), ("Authorization", second), form];
        assert_eq!(outcome(&server.send("POST", "/oauth2/token", &headers, GRANT).await), "400 invalid_request", "{second:?}");
    }
    let token = format!("Bearer {}", server.admin_token().await);
    let twice = server.send("GET", "/admin/v1/clients", &[("authorization", &token), ("authorization", &token)], "").await;
    assert_eq!(twice.status(), 401);
}

#[tokio::test]
async fn bad_encodings_are_refused_not_repaired() {
    // HT-16, HT-17. Pinned: a malformed escape is an error, never a literal percent sign.
    let server = Server::start().await;
    let bad: [&[u8]; 9] = [b"%", b"%g1", b"%u0041", b"%2", b"\xff\xfe", b"%ED%A0%80", b"%C3", b"%FF", b"%C0%AF"];
    for bytes in bad {
        for name in [&b"scope"[..], b"unknown", b"grant_type"] {
            let body = [GRANT.as_bytes(), b"&", name, b"x=", bytes].concat();
            assert_eq!(outcome(&sent(&server, request(Method::POST, "/oauth2/token", body)).await), "400 invalid_request", "{bytes:?}");
        }
        let mut raw = request(Method::POST, "/oauth2/token", GRANT);
        if let Ok(value) = HeaderValue::from_bytes(&[b"Basic ", bytes].concat()) {
            raw.headers.insert("authorization", value);
            assert_eq!(outcome(&sent(&server, raw).await), "401 invalid_client", "{bytes:?}");
        }
        let mut raw = request(Method::GET, "/admin/v1/clients", "");
        if let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", bytes].concat()) {
            raw.headers.insert("authorization", value);
            assert_eq!(sent(&server, raw).await.status(), 401, "{bytes:?}");
        }
        let mut raw = request(Method::POST, "/oauth2/token", GRANT);
        raw.headers.insert(HeaderName::from_static("x-anything"), HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(outcome(&sent(&server, raw).await), "200", "a header that nobody reads");
    }
    assert_eq!(outcome(&server.post("/oauth2/token", &basic(ADMIN, ADMIN_SECRET), &format!("{GRANT}&a=%252F")).await), "200");
}

#[tokio::test]
async fn a_body_has_at_most_64_kb() {
    // HT-18
    let server = Server::start().await;
    let of_length = |length: usize| format!("{GRANT}&x={}", "a".repeat(length - GRANT.len() - 3));
    let root = basic(ADMIN, ADMIN_SECRET);
    assert_eq!(outcome(&server.post("/oauth2/token", &root, &of_length(65_536)).await), "200");
    server.proxy.calls();
    for length in [65_537, 1 << 20, 6 << 20, 10 << 20] {
        for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
            assert_eq!(outcome(&server.post(path, &root, &of_length(length)).await), "413 invalid_request", "{path} {length}");
        }
    }
    assert_eq!(server.proxy.calls(), "", "nothing was asked of the table");
    expect![[r#"
        413 Payload Too Large
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_request","error_description":"the body is longer than 64 kB"}"#]]
    .assert_eq(&shown(&server.post("/oauth2/token", &root, &of_length(65_537)).await));
    expect![[r#"
        413 Payload Too Large
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"the body is longer than 64 kB","status":413,"title":"Payload Too Large","type":"about:blank"}"#]]
    .assert_eq(&shown(&server.admin("POST", "/clients", json!({"client_name": "a".repeat(65_537)})).await));
}

#[tokio::test]
async fn floods_are_refused_in_bounded_time() {
    // HT-19
    let server = Server::start().await;
    let root = basic(ADMIN, ADMIN_SECRET);
    let flood: String = (0..10_000).map(|n| format!("&{n:x}")).collect();
    let scopes: String = (0..9_000).map(|n| format!("{n:x}+")).collect();
    let deep = format!("{{\"client_name\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let began = std::time::Instant::now();
    assert_eq!(outcome(&server.post("/oauth2/token", &root, &format!("{GRANT}{flood}")).await), "400 invalid_request");
    assert_eq!(outcome(&server.post("/oauth2/token", &root, &format!("{GRANT}&scope={scopes}")).await), "400 invalid_scope");
    let authorization = format!("Bearer {}", server.admin_token().await);
    assert_eq!(server.send("POST", "/admin/v1/clients", &[("authorization", &authorization)], deep).await.status(), 400);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[tokio::test]
async fn compressed_bodies_are_refused() {
    // HT-20
    let server = Server::start().await;
    let root = basic(ADMIN, ADMIN_SECRET);
    for coding in ["gzip", "br", "deflate", "identity, gzip", "GZIP"] {
        let headers = [("authorization", root.as_str()), ("content-type", "application/x-www-form-urlencoded"), ("content-encoding", coding)];
        for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
            assert_eq!(outcome(&server.send("POST", path, &headers, GRANT).await), "415 invalid_request", "{coding} {path}");
        }
        let authorization = format!("Bearer {}", server.admin_token().await);
        let headers = [("authorization", authorization.as_str()), ("content-encoding", coding)];
        assert_eq!(server.send("POST", "/admin/v1/clients", &headers, "{}").await.status(), 415, "{coding}");
    }
    let headers = [("authorization", root.as_str()), ("content-type", "application/x-www-form-urlencoded"), ("content-encoding", "identity")];
    assert_eq!(outcome(&server.send("POST", "/oauth2/token", &headers, GRANT).await), "200");
}

#[tokio::test]
async fn answers_are_json_whatever_is_accepted() {
    // HT-22, T-35
    let server = Server::start().await;
    let long = "text/html,".repeat(10_000);
    for accept in ["text/html", "*/*;q=0", "application/xml", &long] {
        for (method, path) in
            [("POST", "/oauth2/token"), ("GET", "/oauth2/token"), ("GET", "/admin/v1/clients"), ("GET", "/.well-known/jwks.json"), ("GET", "/x")]
        {
            let response = server.send(method, path, &[("accept", accept)], "").await;
            assert_eq!(shown(&response), shown(&server.send(method, path, &[], "").await));
            assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_function_answers_its_own_paths_only() {
    // HT-29
    let server = Server::start().await;
    let node = server.node();
    let keyring = Keyring::new(node.store.clone(), None, node.config().issuer.clone());
    let endpoint =
        token::Endpoint { store: node.store.clone(), keyring: keyring.into(), feed_seconds: 5, password_grant: false, tally: Tally::default() };
    server.proxy.calls();
    for path in ["/oauth2/revoke", "/oauth2/introspect", "/admin/v1/clients", "/oauth2/token/", "/prod/oauth2/token"] {
        let response = endpoint.handle(request(Method::POST, path, GRANT), server.fresh()).await;
        assert_eq!(outcome(&response), "404 not_found", "{path}");
    }
    assert_eq!(server.proxy.calls(), "");
}

#[tokio::test]
async fn refused_requests_write_nothing_and_the_server_goes_on() {
    // G2, G3
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    server.proxy.calls();
    let refused = [
        server.post("/oauth2/token", "", GRANT).await,
        server.post("/oauth2/token", &basic("c_cc", "wrong"), GRANT).await,
        server.post("/oauth2/token", &basic("nobody", "x"), GRANT).await,
        server.post("/oauth2/token", &client, "grant_type=foo").await,
        server.post("/oauth2/token", &client, &format!("{GRANT}&scope=x")).await,
        server.post("/oauth2/introspect", "", &format!("token={token}")).await,
        server.post("/oauth2/revoke", "", &format!("token={token}")).await,
        server.post("/oauth2/revoke", &client, "").await,
        server.get("/admin/v1/clients", &token).await,
        server.send("POST", "/admin/v1/clients", &[("authorization", &format!("Bearer {token}"))], "{}").await,
    ];
    assert!(refused.iter().all(|response| response.status().is_client_error()));
    assert_nothing_written(&server);
    assert_eq!(json_of(&server.post("/oauth2/introspect", &client, &format!("token={token}")).await)["active"], true);
}
