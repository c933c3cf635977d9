//! The authorizer's events and answers, shape by shape.

use std::collections::BTreeSet;

use expect_test::expect;
use local::gateway::allows;
use serde_json::{Value, json};
use shared::endpoints::authorizer::Failure;

use crate::support::{Server, claims};

const GATEWAY: &str = "arn:aws:execute-api:eu-central-1:123456789012:abc/prod";

/// What the authorizer says to an event.
async fn ask(server: &Server, event: Value) -> Result<Value, Failure> {
    let event = serde_json::from_value(event).unwrap();
    let answer = server.node().authorize(event, server.fresh()).await?;
    Ok(serde_json::to_value(answer).unwrap())
}

/// The same event in every shape that a REST API, an HTTP API or a WebSocket sends, with this `Authorization`.
fn shapes(authorization: &str) -> Vec<(&'static str, Value)> {
    let arn = format!("{GATEWAY}/GET/orders/1");
    let context = json!({"http": {"method": "GET", "path": "/orders/1"}, "stage": "prod", "apiId": "abc"});
    vec![
        ("TOKEN", json!({"type": "TOKEN", "authorizationToken": authorization, "methodArn": arn})),
        (
            "REQUEST",
            json!({"type": "REQUEST", "methodArn": arn, "resource": "/{proxy+}", "path": "/orders/1", "httpMethod": "GET", "headers": {"Authorization": authorization},
                "multiValueHeaders": {"Authorization": [authorization]}, "requestContext": {"stage": "prod", "apiId": "abc"}}),
        ),
        (
            "HTTP 1.0",
            json!({"version": "1.0", "type": "REQUEST", "methodArn": arn, "identitySource": format!("{authorization},x"), "authorizationToken": format!("{authorization},x"),
                "resource": "/orders/{id}", "path": "/orders/1", "httpMethod": "GET", "headers": {"authorization": authorization}}),
        ),
        (
            "HTTP 2.0",
            json!({"version": "2.0", "type": "REQUEST", "routeArn": arn, "identitySource": [authorization], "routeKey": "GET /orders/{id}", "rawPath": "/prod/orders/1",
                "rawQueryString": "", "headers": {"authorization": authorization}, "requestContext": context}),
        ),
    ]
}

async fn started(variables: &[(&str, &str)]) -> (Server, String) {
    let server = Server::with(variables).await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({"roles": ["clerk"]})).await;
    let token = server.token(&client, "").await;
    (server, token)
}

#[tokio::test]
async fn every_shape_gets_the_same_policy() {
    // AU-01, AU-05, AU-06, AU-08, AU-13, AU-16, AU-28
    let (server, token) = started(&[]).await;
    let mut said = BTreeSet::new();
    for (shape, event) in shapes(&format!("Bearer {token}")) {
        let answer = ask(&server, event).await.unwrap_or_else(|failure| panic!("{shape}: {failure}")).to_string();
        assert!(!answer.contains(&token), "{shape}");
        said.insert(answer.replace(claims(&token)["jti"].as_str().unwrap(), "[jti]").replace(GATEWAY, "…"));
    }
    assert_eq!(said.len(), 1, "{said:?}");
    expect![[r#"{"context":{"aud":"https://orders.example/","client_id":"c_cc","exp":"1795201200","jti":"[jti]","realm":"default","roles":"clerk","scope":"read","sub":"c_cc","sub_type":"client"},"policyDocument":{"Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["…/GET/orders/*","…/GET/orders","…/HEAD/orders/*","…/HEAD/orders","…/POST/orders/*","…/POST/orders","…/PUT/orders/*","…/PUT/orders","…/PATCH/orders/*","…/PATCH/orders","…/DELETE/orders/*","…/DELETE/orders","…/OPTIONS/orders/*","…/OPTIONS/orders"]},{"Action":"execute-api:Invoke","Effect":"Deny","Resource":["…/*//*","…/*/./*","…/*/../*","…/*/.","…/*/..","…/*;*","…/*%3b*","…/*%3B*","…/*/.%*","…/*/..%*","…/*%2e*","…/*%2E*","…/*%2f*","…/*%2F*","…/*%5c*","…/*%5C*","…/*%25*","…/*%0*","…/*%1*","…/*%7f*","…/*%7F*","…/*%c0*","…/*%C0*","…/*%c1*","…/*%C1*","…/*\\*"]}],"Version":"2012-10-17"},"principalId":"c_cc"}"#]].assert_eq(said.first().unwrap());
}

#[tokio::test]
async fn a_bad_token_is_unauthorized_in_every_shape() {
    // AU-02, AU-06, AU-09, AU-26, X-01
    let (server, token) = started(&[]).await;
    let revoked = format!("Bearer {token}");
    let client_token = server.admin_token().await;
    let deleted = server.admin("DELETE", &format!("/tokens/{}", claims(&token)["jti"].as_str().unwrap()), Value::Null).await;
    assert_eq!(deleted.status(), 204);
    for authorization in ["", "Bearer", "Bearer garbage", "Basic YTpi", "garbage", &revoked, &format!("Bearer {client_token}")] {
        for (shape, event) in shapes(authorization) {
            assert_eq!(ask(&server, event).await.unwrap_err().to_string(), "Unauthorized", "{shape} {authorization:?}");
        }
    }
}

#[tokio::test]
async fn a_good_token_on_a_closed_route_is_a_policy_that_denies() {
    // AU-03, O-01
    let (server, token) = started(&[]).await;
    let arn = format!("{GATEWAY}/GET/elsewhere");
    let event = json!({"type": "TOKEN", "authorizationToken": format!("Bearer {token}"), "methodArn": arn});
    let answer = ask(&server, event).await.unwrap();
    // The call first, then what the principal may call elsewhere: a cached policy is right for every route.
    assert_eq!(answer["policyDocument"]["Statement"][0], json!({"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": arn}));
    assert!(!allows(&answer["policyDocument"], &arn) && allows(&answer["policyDocument"], &format!("{GATEWAY}/GET/orders/1")));
    assert_eq!(answer["context"]["challenge"], r#"Bearer realm="gatewright", error="insufficient_scope""#);
    assert_eq!((&answer["principalId"], &answer["context"]["sub"]), (&json!("c_cc"), &json!("c_cc")));
}

#[tokio::test]
async fn an_http_api_can_have_simple_responses_and_nobody_else() {
    // AU-07, AU-08
    let (server, token) = started(&[("GATEWRIGHT_AUTHORIZER_RESPONSE", "simple")]).await;
    let (_, simple) = shapes(&format!("Bearer {token}")).pop().unwrap();
    let answer = ask(&server, simple).await.unwrap().to_string().replace(claims(&token)["jti"].as_str().unwrap(), "[jti]");
    expect![[r#"{"context":{"aud":"https://orders.example/","client_id":"c_cc","exp":"1795201200","jti":"[jti]","realm":"default","roles":"clerk","scope":"read","sub":"c_cc","sub_type":"client"},"isAuthorized":true}"#]].assert_eq(&answer);
    let (_, bad) = shapes("Bearer garbage").pop().unwrap();
    assert_eq!(ask(&server, bad).await.unwrap(), json!({"isAuthorized": false, "context": {}}));
    let closed = json!({"version": "2.0", "type": "REQUEST", "routeArn": format!("{GATEWAY}/GET/elsewhere"), "rawPath": "/elsewhere",
        "headers": {"authorization": format!("Bearer {token}")}});
    let closed = ask(&server, closed).await.unwrap();
    let challenge = r#"Bearer realm="gatewright", error="insufficient_scope""#;
    assert_eq!((&closed["isAuthorized"], &closed["context"]["challenge"]), (&json!(false), &json!(challenge)));
    for (shape, event) in &shapes(&format!("Bearer {token}"))[..3] {
        let answer = ask(&server, event.clone()).await.unwrap();
        assert_eq!((&answer["policyDocument"]["Statement"][0]["Effect"], answer.get("isAuthorized")), (&json!("Allow"), None), "{shape}");
    }
    for (shape, event) in &shapes("Bearer garbage")[..3] {
        assert_eq!(ask(&server, event.clone()).await.unwrap_err(), Failure::Unauthorized, "{shape}");
    }
}

#[tokio::test]
async fn a_websocket_connects_where_the_root_is_an_apis() {
    // AU-11
    let (server, token) = started(&[]).await;
    server
        .create("/apis", json!({"name": "chat", "audience": "https://chat.example/", "scopes": [{"value": "talk"}], "access": "authenticated", "base_path": "/", "gateway": "abc/prod"}))
        .await;
    let talker = server.client("c_ws", json!({"scopes": ["https://chat.example/talk"]})).await;
    let talker = server.token(&talker, "").await;
    server.pass(6);
    let connect = |token: &str| {
        json!({"type": "REQUEST", "methodArn": format!("{GATEWAY}/$connect"), "headers": {"Authorization": format!("Bearer {token}")}, "multiValueHeaders": {"Authorization": [format!("Bearer {token}")]},
        "requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "stage": "prod", "apiId": "abc"}})
    };
    let statement = &ask(&server, connect(&talker)).await.unwrap()["policyDocument"]["Statement"][0];
    assert_eq!(statement, &json!({"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": format!("{GATEWAY}/$connect")}));
    assert_eq!(ask(&server, connect(&token)).await.unwrap_err(), Failure::Unauthorized);
    let unsigned =
        json!({"type": "REQUEST", "methodArn": format!("{GATEWAY}/$connect"), "headers": {}, "queryStringParameters": {"access_token": talker}});
    assert_eq!(ask(&server, unsigned).await.unwrap_err(), Failure::Unauthorized);
}

#[tokio::test]
async fn an_api_on_a_named_stage_is_on_no_other() {
    // AU-13, AU-18, AU-23, CONTRACT 3 `gateway`
    let (server, _) = started(&[]).await;
    let api = |name: &str, gateway: Value| json!({"name": name, "audience": format!("https://{name}.example/"), "scopes": [{"value": "read"}], "access": "authenticated", "base_path": "/things", "gateway": gateway});
    server.create("/apis", api("here", json!("abc/prod"))).await;
    server.create("/apis", api("there", json!("abc/test"))).await;
    let mut tokens = Vec::new();
    for name in ["here", "there"] {
        let client = server.client(name, json!({"scopes": [format!("https://{name}.example/read")]})).await;
        tokens.push(server.token(&client, "").await);
    }
    server.pass(6);
    let at = async |token: &str, gateway: &str| {
        let arn = format!("arn:aws:execute-api:eu-central-1:123456789012:{gateway}/GET/things/1");
        let event = json!({"type": "TOKEN", "authorizationToken": format!("Bearer {token}"), "methodArn": arn});
        match ask(&server, event).await {
            Ok(answer) => {
                let policy = &answer["policyDocument"];
                // AU-13: whatever is allowed is of this very stage.
                let text = policy.to_string();
                let stage = format!("arn:aws:execute-api:eu-central-1:123456789012:{gateway}/");
                assert_eq!(text.matches("arn:").count(), text.matches(&stage).count(), "{text}");
                if allows(policy, &arn) { "Allow".to_owned() } else { "Deny".to_owned() }
            }
            Err(failure) => failure.to_string(),
        }
    };
    let [here, there] = tokens.as_slice() else { unreachable!() };
    assert_eq!([at(here, "abc/prod").await, at(there, "abc/test").await], ["Allow", "Allow"]);
    assert_eq!([at(here, "abc/test").await, at(there, "abc/prod").await], ["Unauthorized", "Unauthorized"]);
    // On a stage that no Api names there is no Api at this path.
    assert_eq!([at(here, "xyz/prod").await, at(here, "abc/PROD").await], ["Deny", "Deny"]);
}

#[tokio::test]
async fn what_a_client_sends_beside_its_token_moves_nothing() {
    // AU-20, AU-21, HT-12, HT-13
    let (server, token) = started(&[]).await;
    server.create("/apis", json!({"name": "closed", "audience": "https://closed.example/", "scopes": [{"value": "read"}]})).await;
    server.pass(6);
    let headers = json!({"Authorization": format!("Bearer {token}"), "X-Forwarded-Uri": "/orders/1", "X-Original-URL": "/orders/1", "X-Rewrite-URL": "/orders/1",
        "X-HTTP-Method-Override": "GET", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"});
    let event = |path: &str, method: &str, arn: &str| json!({"type": "REQUEST", "methodArn": format!("{GATEWAY}/{arn}"), "path": path, "httpMethod": method, "headers": headers});
    let effect = async |event: Value| match ask(&server, event).await {
        Ok(answer) => answer["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap().to_owned(),
        Err(failure) => failure.to_string(),
    };
    assert_eq!(effect(event("/orders/1", "GET", "GET/orders/1")).await, "Allow");
    assert_eq!(effect(event("/closed/1", "GET", "GET/closed/1")).await, "Unauthorized", "the audience is the closed Api's");
    assert_eq!(effect(event("/elsewhere", "POST", "POST/elsewhere")).await, "Deny");
    // The event's path and method are the ARN's, or it is no event of the gateway.
    for (path, method, arn) in [("/orders/1", "GET", "GET/closed/1"), ("/orders/1", "GET", "GET/elsewhere")] {
        assert_eq!(effect(event(path, method, arn)).await, "Deny", "{path} {arn}");
    }
    for (method, arn) in [("GET", "DELETE/orders/1"), ("get", "GET/orders/1"), ("DELETE", "GET/orders/1"), ("get", "get/orders/1")] {
        assert_eq!(effect(event("/orders/1", method, arn)).await, "Unauthorized", "{method} {arn}");
    }
}

#[tokio::test]
async fn events_that_are_none_open_nothing() {
    // AU-09, AU-23, AU-10, HT-26
    let (server, token) = started(&[]).await;
    let bearer = format!("Bearer {token}");
    let arn = format!("{GATEWAY}/GET/orders/1");
    for event in [
        json!({}),
        json!({"type": "TOKEN", "authorizationToken": bearer}),
        json!({"type": "TOKEN", "authorizationToken": bearer, "methodArn": ""}),
        json!({"type": "TOKEN", "authorizationToken": bearer, "methodArn": "arn:aws:s3:::orders"}),
        json!({"type": "TOKEN", "authorizationToken": bearer, "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:abc"}),
        json!({"type": "TOKEN", "authorizationToken": null, "methodArn": arn}),
        json!({"type": "TOKEN", "methodArn": arn, "headers": {"Authorization": bearer}}),
        json!({"type": "REQUEST", "methodArn": arn, "authorizationToken": bearer}),
        json!({"type": "REQUEST", "methodArn": arn, "path": "/orders/1", "headers": null, "multiValueHeaders": null, "identitySource": []}),
        json!({"version": "2.0", "routeArn": arn, "rawPath": "/orders/1", "identitySource": [""], "headers": {"authorization": ""}}),
        json!({"version": "2.0", "routeArn": arn, "rawPath": "/orders/1", "identitySource": [bearer], "headers": {}}),
        json!({"version": "2.0", "routeArn": arn, "rawPath": "/orders/1", "headers": {"authorization": format!("{bearer},{bearer}")}}),
        json!({"type": "REQUEST", "methodArn": arn, "path": "/orders/1", "headers": {"Authorization": bearer, "authorization": bearer}}),
        json!({"type": "REQUEST", "methodArn": arn, "path": "/orders/1", "headers": {"Authorization": bearer}, "multiValueHeaders": {"Authorization": ["Bearer bad", bearer]}}),
    ] {
        assert_eq!(ask(&server, event.clone()).await.unwrap_err(), Failure::Unauthorized, "{event}");
    }
    // More than API Gateway takes as a resource is never an allow (AU-14).
    let long = format!("{GATEWAY}/GET/orders/{}", "a".repeat(512));
    let event = json!({"type": "TOKEN", "authorizationToken": bearer, "methodArn": long});
    assert_eq!(ask(&server, event).await.unwrap()["policyDocument"]["Statement"][0]["Effect"], "Deny");
}
