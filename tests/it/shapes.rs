//! The same call as every event that can bring it: same status, headers and body from the real binaries.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::{Expect, expect};
use local::runtime_api::Function;
use serde_json::{Map, Value, json};
use shared::runtime::decoded_query;

use crate::binaries::{Deployment, invoke};
use crate::support::redacted;

/// A call as a client sends it.
#[derive(Clone, Copy)]
pub struct Sent<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub authorization: &'a str,
    pub content_type: &'a str,
    /// The origin of the page that sends it; a browser's question, if the method is OPTIONS.
    pub origin: &'a str,
    pub form: &'a str,
}

impl<'a> Sent<'a> {
    pub fn post(path: &'a str) -> Self {
        Self { method: "POST", path, query: "", authorization: "", content_type: "application/x-www-form-urlencoded", origin: "", form: "" }
    }

    pub fn get(path: &'a str) -> Self {
        Self { method: "GET", content_type: "", ..Self::post(path) }
    }

    fn headers(&self, case: fn(&str) -> String) -> Vec<(String, String)> {
        let asked = if self.method == "OPTIONS" { "POST" } else { "" };
        let all = [
            ("Authorization", self.authorization),
            ("Content-Type", self.content_type),
            ("Origin", self.origin),
            ("Access-Control-Request-Method", asked),
            ("Host", "auth.example"),
            ("X-Request-Id", "forged"),
        ];
        all.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (case(name), (*value).to_owned())).collect()
    }

    /// The parameters as a gateway hands them over: decoded, or as they were sent.
    fn parameters(&self, decoded: bool) -> BTreeMap<String, Vec<String>> {
        let pairs = if decoded {
            decoded_query(self.query).unwrap()
        } else {
            self.query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        pairs.into_iter().for_each(|(name, value)| parameters.entry(name).or_default().push(value));
        parameters
    }
}

fn single(headers: &[(String, String)]) -> Value {
    headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>().into()
}

fn multi(headers: &[(String, String)]) -> Value {
    headers.iter().map(|(name, value)| (name.clone(), json!([value]))).collect::<Map<_, _>>().into()
}

fn last(parameters: &BTreeMap<String, Vec<String>>) -> Value {
    parameters.iter().map(|(name, values)| (name.clone(), json!(values.last()))).collect::<Map<_, _>>().into()
}

fn unless_empty(value: Value) -> Value {
    if value.as_object().is_some_and(Map::is_empty) { Value::Null } else { value }
}

fn body(sent: &Sent<'_>, base64: bool) -> Value {
    match (sent.form, base64) {
        ("", _) => Value::Null,
        (form, true) => STANDARD.encode(form).into(),
        (form, false) => form.into(),
    }
}

/// A call as a REST API's proxy integration hands it over.
pub fn rest(sent: &Sent<'_>) -> Value {
    v1(sent, false, None)
}

fn v1(sent: &Sent<'_>, base64: bool, version: Option<&str>) -> Value {
    let headers = sent.headers(if version.is_some() { str::to_lowercase } else { str::to_owned });
    let parameters = sent.parameters(true);
    let mut event = json!({"resource": "/{proxy+}", "path": sent.path, "httpMethod": sent.method, "headers": single(&headers), "multiValueHeaders": multi(&headers),
        "queryStringParameters": unless_empty(last(&parameters)), "multiValueQueryStringParameters": unless_empty(json!(parameters)), "pathParameters": {"proxy": "x"},
        "stageVariables": null, "body": body(sent, base64), "isBase64Encoded": base64,
        "requestContext": {"stage": "prod", "path": format!("/prod{}", sent.path), "httpMethod": sent.method, "identity": {"sourceIp": "192.0.2.1"}}});
    if let Some(version) = version {
        event["version"] = version.into();
    }
    event
}

/// A call as an HTTP API hands it over.
pub fn v2(sent: &Sent<'_>, base64: bool, stage: &str) -> Value {
    let prefix = if stage == "$default" { String::new() } else { format!("/{stage}") };
    let path = format!("{prefix}{}", sent.path);
    let joined: Map<String, Value> = sent.parameters(true).into_iter().map(|(name, values)| (name, values.join(",").into())).collect();
    json!({"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": sent.query, "queryStringParameters": joined,
        "headers": single(&sent.headers(str::to_lowercase)), "body": body(sent, base64), "isBase64Encoded": base64,
        "requestContext": {"stage": stage, "http": {"method": sent.method, "path": path, "sourceIp": "192.0.2.1"}, "domainName": "x.lambda-url.eu-central-1.on.aws"}})
}

fn alb(sent: &Sent<'_>, base64: bool, multi_value: bool) -> Value {
    let headers = sent.headers(str::to_lowercase);
    let parameters = sent.parameters(false);
    let mut event = json!({"path": sent.path, "httpMethod": sent.method, "body": if sent.form.is_empty() { json!("") } else { body(sent, base64) }, "isBase64Encoded": base64,
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/x/1"}}});
    if multi_value {
        event["multiValueHeaders"] = multi(&headers);
        event["multiValueQueryStringParameters"] = json!(parameters);
    } else {
        event["headers"] = single(&headers);
        event["queryStringParameters"] = last(&parameters);
    }
    event
}

/// The call as every event that can bring it.
fn events(sent: &Sent<'_>) -> Vec<(&'static str, Value)> {
    let (default, stage) = ("$default", "prod");
    let mut only_multi = v1(sent, false, None);
    only_multi["headers"] = Value::Null;
    only_multi["queryStringParameters"] = Value::Null;
    vec![
        ("REST", rest(sent)),
        ("REST, base64", v1(sent, true, None)),
        ("REST, multi-value maps only", only_multi),
        ("HTTP 1.0", v1(sent, false, Some("1.0"))),
        ("HTTP 1.0, base64", v1(sent, true, Some("1.0"))),
        ("HTTP 2.0", v2(sent, false, default)),
        ("HTTP 2.0, stage, base64", v2(sent, true, stage)),
        ("function URL", v2(sent, true, default)),
        ("ALB", alb(sent, false, false)),
        ("ALB, base64", alb(sent, true, false)),
        ("ALB, multi-value", alb(sent, true, true)),
    ]
}

/// What the caller gets of it: status, headers, body. The request id is the server's own.
fn received(answer: &Value) -> String {
    let mut headers: Vec<String> = Vec::new();
    for map in ["headers", "multiValueHeaders"] {
        for (name, value) in answer[map].as_object().into_iter().flatten() {
            let values = value.as_array().map_or_else(|| vec![value.clone()], Clone::clone);
            headers.extend(values.iter().map(|value| format!("{name}: {}\n", value.as_str().unwrap())));
        }
    }
    // The challenge once more, for HTTP APIs (X-04).
    if let Some(place) = headers.iter().position(|header| header.starts_with("gatewright-challenge: ")) {
        let again = headers.remove(place).replace("gatewright-challenge", "www-authenticate");
        assert!(headers.contains(&again), "{answer}");
    }
    headers.sort();
    let own = headers.iter_mut().find(|header| header.starts_with("x-request-id: 00000000-0000-4000-8000-"));
    *own.unwrap_or_else(|| panic!("no request id of the server's own: {answer}")) = "x-request-id: [id]\n".to_owned();
    assert_eq!(answer["isBase64Encoded"], false);
    format!("{}\n{}\n{}", answer["statusCode"], headers.concat(), redacted(answer["body"].as_str().unwrap()))
}

/// Every shape of the call gets this answer.
pub async fn same(function: &Function, sent: &Sent<'_>, expected: Expect) {
    let mut first = None;
    for (shape, event) in events(sent) {
        let answer = invoke(function, &event).await.unwrap_or_else(|error| panic!("{shape}: {error}"));
        let text = received(&answer);
        assert_eq!(&text, first.get_or_insert(text.clone()), "{shape}");
    }
    expected.assert_eq(&first.unwrap());
}

#[tokio::test]
async fn a_token_request_gets_one_answer_however_it_comes() {
    // HT-01, HT-02, HT-08, HT-28, X-08
    let deployment = Deployment::start(&[]).await;
    let client = deployment.server.client("c_cc", json!({})).await;
    let function = deployment.function("token", &[]).await;
    let good = Sent {
        authorization: &client,
        form: "grant_type=client_credentials&scope=https%3A%2F%2Forders.example%2Fread",
        ..Sent::post("/oauth2/token")
    };
    same(
        &function,
        &good,
        expect![[r#"
        200
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

        {"access_token":"[jwt]","token_type":"Bearer","expires_in":3600,"scope":"read"}"#]],
    )
    .await;
    same(
        &function,
        &Sent { authorization: "Basic YTpi", ..good },
        expect![[r#"
        401
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        www-authenticate: Basic realm="gatewright"
        x-content-type-options: nosniff
        x-request-id: [id]

        {"error":"invalid_client","error_description":"client authentication failed"}"#]],
    )
    .await;
    same(
        &function,
        &Sent { form: "", ..good },
        expect![[r#"
        400
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

        {"error":"invalid_request","error_description":"the parameter grant_type is missing"}"#]],
    )
    .await;
    same(
        &function,
        &Sent { content_type: "application/json", ..good },
        expect![[r#"
        400
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

        {"error":"invalid_request","error_description":"the body must be application/x-www-form-urlencoded"}"#]],
    )
    .await;
    same(
        &function,
        &Sent { authorization: &client, ..Sent::get("/oauth2/token") },
        expect![[r#"
        405
        allow: POST
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

        {"error":"invalid_request","error_description":"use POST"}"#]],
    )
    .await;
}

#[tokio::test]
async fn introspection_and_revocation_get_one_answer_however_they_come() {
    // HT-01, HT-29
    let deployment = Deployment::start(&[]).await;
    let client = deployment.server.client("c_cc", json!({})).await;
    let token = deployment.server.token(&client, "").await;
    let form = format!("token={token}");
    let (introspect, revoke) = (deployment.function("introspect", &[]).await, deployment.function("revoke", &[]).await);
    let about = |path| Sent { authorization: &client, form: &form, ..Sent::post(path) };
    for (_, event) in events(&about("/oauth2/introspect")) {
        let answer = invoke(&introspect, &event).await.unwrap();
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!((&body["active"], &body["client_id"]), (&json!(true), &json!("c_cc")));
    }
    same(
        &revoke,
        &about("/oauth2/revoke"),
        expect![[r#"
        200
        cache-control: no-store
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

    "#]],
    )
    .await;
    same(
        &introspect,
        &about("/oauth2/introspect"),
        expect![[r#"
        200
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

        {"active":false}"#]],
    )
    .await;
    // Another function's path is nothing here.
    same(
        &revoke,
        &about("/oauth2/token"),
        expect![[r#"
        404
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

        {"error":"not_found","error_description":"there is nothing at this path"}"#]],
    )
    .await;
    same(
        &introspect,
        &about("/oauth2/revoke"),
        expect![[r#"
        404
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

        {"error":"not_found","error_description":"there is nothing at this path"}"#]],
    )
    .await;
}

#[tokio::test]
async fn documents_and_the_admin_api_get_one_answer_however_they_come() {
    // HT-01, HT-05, HT-06, HT-09, AU-11
    let deployment = Deployment::start(&[]).await;
    let admin = format!("Bearer {}", deployment.server.admin_token().await);
    let (metadata, function) = (deployment.function("metadata", &[]).await, deployment.function("admin", &[]).await);
    same(
        &metadata,
        &Sent::get("/healthz"),
        expect![[r#"
        200
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

        {"store":"ok"}"#]],
    )
    .await;
    same(
        &metadata,
        &Sent::get("/.well-known/unknown"),
        expect![[r#"
        404
        access-control-allow-origin: *
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

        {"error":"not_found","error_description":"there is nothing at this path"}"#]],
    )
    .await;
    let get = |path, query| Sent { authorization: &admin, query, ..Sent::get(path) };
    same(
        &function,
        &Sent::get("/admin/v1/clients"),
        expect![[r#"
        401
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        www-authenticate: Bearer realm="gatewright", resource_metadata="https://auth.example/.well-known/oauth-protected-resource/admin/v1"
        x-content-type-options: nosniff
        x-request-id: [id]

        {"detail":"send an access token of the admin API as Authorization: Bearer","status":401,"title":"Unauthorized","type":"about:blank"}"#]],
    )
    .await;
    // Decoded once, wherever that happens: `%31` is 1, and `%2531` is not.
    let limited = get("/admin/v1/apis", "limit=%31&unknown=a%2Bb+c%26d");
    for (shape, event) in events(&limited) {
        let answer = invoke(&function, &event).await.unwrap();
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!((body["items"].as_array().map(Vec::len), &body["items"][0]["name"]), (Some(1), &json!("billing")), "{shape}");
    }
    same(&function, &get("/admin/v1/apis", "limit=%2531"), expect![[r#"
        400
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

        {"detail":"the request has faults, see errors","errors":[{"detail":"must be 1 to 100","pointer":"?limit"}],"status":400,"title":"Bad Request","type":"about:blank"}"#]]).await;
}

#[tokio::test]
async fn an_issuer_with_a_path_is_served_with_and_without_it() {
    // HT-09, MD-03: a stage or a base path mapping that the gateway keeps in the path.
    let issuer = "https://auth.example/t1";
    let deployment = Deployment::start(&[("GATEWRIGHT_ISSUER", issuer)]).await;
    let client = deployment.server.client("c_cc", json!({})).await;
    let (token, metadata) = (deployment.function("token", &[]).await, deployment.function("metadata", &[]).await);
    for (path, expected) in [
        ("/t1/oauth2/token", 200),
        ("/oauth2/token", 200),
        ("/t2/oauth2/token", 404),
        ("/t1/t1/oauth2/token", 404),
        ("/t1oauth2/token", 404),
        ("/T1/oauth2/token", 404),
        ("/prod/oauth2/token", 404),
    ] {
        let sent = Sent { authorization: &client, form: "grant_type=client_credentials", ..Sent::post(path) };
        for (shape, event) in events(&sent) {
            assert_eq!(invoke(&token, &event).await.unwrap()["statusCode"], expected, "{shape} {path}");
        }
    }
    for path in ["/.well-known/oauth-authorization-server/t1", "/t1/.well-known/openid-configuration", "/.well-known/openid-configuration/t1"] {
        let answer = invoke(&metadata, &rest(&Sent::get(path))).await.unwrap();
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!((&body["issuer"], &body["token_endpoint"]), (&json!(issuer), &json!("https://auth.example/t1/oauth2/token")), "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_its_event_says_is_a_bad_request() {
    // HT-02, HT-03
    let deployment = Deployment::start(&[]).await;
    let client = deployment.server.client("c_cc", json!({})).await;
    let function = deployment.function("token", &[]).await;
    let sent = Sent { authorization: &client, form: "grant_type=client_credentials", ..Sent::post("/oauth2/token") };
    for (what, body, flag, expected) in [
        ("no base64", json!("***"), json!(true), 400),
        ("plain text with the flag", json!("grant_type=client_credentials"), json!(true), 400),
        ("the flag as text", json!("grant_type=client_credentials"), json!("true"), 400),
        ("the flag as a number", json!("grant_type=client_credentials"), json!(1), 400),
        ("no flag", json!("grant_type=client_credentials"), Value::Null, 200),
        ("no body", Value::Null, json!(true), 400),
    ] {
        let mut event = rest(&sent);
        event["body"] = body;
        event["isBase64Encoded"] = flag;
        assert_eq!(invoke(&function, &event).await.unwrap()["statusCode"], expected, "{what}");
    }
    for absent in [
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "multiValueHeaders",
        "requestContext",
        "stageVariables",
        "resource",
        "pathParameters",
    ] {
        let mut event = rest(&sent);
        event[absent] = Value::Null;
        assert_eq!(invoke(&function, &event).await.unwrap()["statusCode"], 200, "{absent} null");
        event.as_object_mut().unwrap().remove(absent);
        assert_eq!(invoke(&function, &event).await.unwrap()["statusCode"], 200, "{absent} absent");
    }
    let bare = json!({"httpMethod": "POST", "path": "/oauth2/token"});
    assert_eq!(invoke(&function, &bare).await.unwrap()["statusCode"], 400);
    let cookies = json!({"version": "2.0", "rawPath": "/oauth2/token", "cookies": ["a=1", "a=2", "x".repeat(8_000)], "requestContext": {"http": {"method": "POST"}}});
    assert_eq!(invoke(&function, &cookies).await.unwrap()["statusCode"], 400);
}

#[tokio::test]
async fn a_parameter_that_comes_twice_is_refused_in_every_shape() {
    // HT-05; a comma in a value is no second value.
    let deployment = Deployment::start(&[]).await;
    let admin = format!("Bearer {}", deployment.server.admin_token().await);
    let function = deployment.function("admin", &[]).await;
    for (query, expected) in [("limit=1&limit=1", 400), ("limit=1", 200)] {
        for (shape, event) in events(&Sent { authorization: &admin, query, ..Sent::get("/admin/v1/apis") }) {
            // A load balancer without multi-value maps has only the last one to show.
            if shape.starts_with("ALB") && shape != "ALB, multi-value" && query.contains('&') {
                continue;
            }
            let answer = invoke(&function, &event).await.unwrap();
            assert_eq!(answer["statusCode"], expected, "{shape} {query}");
        }
    }
    same(&function, &Sent { authorization: &admin, query: "limit=1%2C1", ..Sent::get("/admin/v1/apis") }, expect![[r#"
        400
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

        {"detail":"the request has faults, see errors","errors":[{"detail":"must be 1 to 100","pointer":"?limit"}],"status":400,"title":"Bad Request","type":"about:blank"}"#]]).await;
}
