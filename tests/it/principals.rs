//! Who calls: what a call says of itself, and what the API behind the gateway learns of it.

use expect_test::expect;
use serde_json::{Value, json};
use shared::endpoints::Response;

use crate::routes::{challenge, change, customers, open, status};
use crate::support::json_of;

#[tokio::test]
async fn a_call_that_names_another_backend_than_the_tokens_is_refused() {
    // M-14, T-07: the header is not needed, and cannot contradict
    let server = customers("deny").await;
    let client = server.client("be1", json!({})).await;
    server.client("be2", json!({})).await;
    let token = format!("Bearer {}", server.token(&client, "").await);
    server.create("/privileges", json!({"name": "p", "api": "customers"})).await;
    server.create("/privileges", json!({"name": "open", "api": "customers", "routes": [{"path": "/customers/open"}], "access": "public"})).await;
    let statuses = async |headers: &[(&str, &str)]| {
        let headers = [&[("authorization", token.as_str())], headers].concat();
        let mut statuses = [0; 2];
        for (at, path) in ["/customers/1", "/customers/open"].into_iter().enumerate() {
            let response = server.send("GET", path, &headers, "").await;
            assert!(response.status() != 403 || !challenge(&response).contains("scope="), "no scope would help");
            statuses[at] = response.status().as_u16();
        }
        statuses
    };
    for name in ["oracle-mobile-backend-id", "Oracle-Mobile-Backend-ID", "x-client-id"] {
        assert_eq!(statuses(&[]).await, [200, 200]);
        assert_eq!(statuses(&[(name, "be1")]).await, [200, 200], "{name}");
        for other in ["be2", "BE1", "", "be1 ", "be1,be2", "nobody"] {
            assert_eq!(statuses(&[(name, other)]).await, [403, 403], "{name} {other}");
        }
        assert_eq!(statuses(&[(name, "be1"), (name, "be2")]).await, [403, 403], "{name}");
        assert_eq!(statuses(&[(name, "be2"), (name, "be1")]).await, [403, 403], "{name}");
    }
    assert_eq!(statuses(&[("oracle-mobile-backend-id", "be1"), ("x-client-id", "be2")]).await, [403, 403]);
    // Nobody's token, nobody's contradiction.
    assert_eq!(server.send("GET", "/customers/open", &[("x-client-id", "be2")], "").await.status(), 200);
    assert_eq!(server.send("GET", "/customers/1", &[("x-client-id", "be1")], "").await.status(), 401, "a header is no credential");
}

#[tokio::test]
async fn the_api_learns_who_calls_and_by_what_right_and_nothing_that_the_caller_says() {
    // M-19, M-04, AU-16, AU-28, T-06
    let server = customers("deny").await;
    let client = server.client("c_cc", json!({"roles": ["clerk", "manager"]})).await;
    let token = server.token(&client, "").await;
    server.create("/privileges", json!({"name": "license_priv", "api": "customers", "roles": ["manager"], "scopes": ["read"]})).await;
    server.create("/privileges", json!({"name": "open", "api": "customers", "routes": [{"path": "/customers/open"}], "access": "public"})).await;
    let forged = [("x-principal", "admin"), ("principalid", "admin"), ("x-amzn-request-context", "{\"sub\":\"admin\"}"), ("roles", "admin")];
    let bearer = format!("Bearer {token}");
    let with_token = [&[("authorization", bearer.as_str())], &forged[..]].concat();
    let steady = |response: &Response| {
        let mut principal = json_of(response)["principal"].clone();
        assert!(principal.as_object().unwrap().values().all(Value::is_string), "{principal}");
        if let Some(jti) = principal.get_mut("jti") {
            *jti = json!("[jti]");
        }
        principal.to_string()
    };
    expect![[r#"{"aud":"https://orders.example/","client_id":"c_cc","exp":"1795201200","jti":"[jti]","principalId":"c_cc","privilege":"license_priv","realm":"default","roles":"clerk manager","scope":"read","sub":"c_cc","sub_type":"client"}"#]].assert_eq(&steady(&server.send("GET", "/customers/validation/1?sub=admin&principal=admin", &with_token, "").await));
    expect![[r#"{"aud":"https://orders.example/","client_id":"c_cc","exp":"1795201200","jti":"[jti]","principalId":"c_cc","privilege":"open","realm":"default","roles":"clerk manager","scope":"read","sub":"c_cc","sub_type":"client"}"#]].assert_eq(&steady(&server.send("GET", "/customers/open", &with_token, "").await));
    expect![[r#"{"principalId":"anonymous","privilege":"open","sub_type":"anonymous"}"#]]
        .assert_eq(&steady(&server.send("GET", "/customers/open", &forged, "").await));
    // The roles of now, not those of the day of issue; and no privilege where none decides.
    change(&server, "DELETE", "/clients/c_cc/roles/clerk", Value::Null).await;
    assert_eq!(json_of(&server.get("/customers/1", &token).await)["principal"]["roles"], "manager");
    change(&server, "PATCH", "/apis/customers", json!({"access": "authenticated"})).await;
    change(&server, "DELETE", "/privileges/license_priv", Value::Null).await;
    let principal = json_of(&server.get("/customers/1", &token).await)["principal"].clone();
    assert_eq!((&principal["client_id"], principal.get("privilege")), (&json!("c_cc"), None));
    // M-04: closed again, it asks.
    change(&server, "PATCH", "/privileges/open", json!({"access": "protected"})).await;
    assert_eq!((open(&server, "/customers/open").await, status(&server, "/customers/open", &token).await), (401, 200));
}

#[tokio::test]
async fn a_usage_plans_key_is_the_administrators_to_give() {
    // AU-27: absent unless configured, never from the call
    let server = customers("deny").await;
    let token = server.token(&server.client("c_cc", json!({})).await, "").await;
    server.create("/privileges", json!({"name": "p", "api": "customers"})).await;
    let key = async || {
        server.pass(6);
        let event = json!({"type": "REQUEST", "methodArn": "arn:aws:execute-api:local:000000000000:local/local/GET/customers/1", "httpMethod": "GET", "path": "/customers/1",
            "headers": {"authorization": format!("Bearer {token}"), "x-api-key": "a-key-that-the-caller-sent", "usageIdentifierKey": "x"},
            "requestContext": {"identity": {"apiKey": "a-key-that-the-caller-sent"}}});
        let answer = server.node().authorizer.handle(serde_json::from_value(event).unwrap(), server.fresh()).await.unwrap();
        serde_json::to_value(answer).unwrap().get("usageIdentifierKey").cloned()
    };
    assert_eq!(key().await, None);
    assert_eq!(json_of(&server.admin("GET", "/clients/c_cc", Value::Null).await)["usage_identifier_key"], Value::Null);
    for wrong in [json!("short"), json!("x".repeat(129)), json!(7), json!("a key with spaces, long enough")] {
        let refused = server.admin("PATCH", "/clients/c_cc", json!({"usage_identifier_key": wrong})).await;
        assert_eq!((refused.status().as_u16(), &json_of(&refused)["errors"][0]["pointer"]), (400, &json!("/usage_identifier_key")), "{wrong}");
    }
    change(&server, "PATCH", "/clients/c_cc", json!({"usage_identifier_key": "the-key-of-a-usage-plan"})).await;
    assert_eq!(key().await, Some(json!("the-key-of-a-usage-plan")));
    change(&server, "PATCH", "/clients/c_cc", json!({"usage_identifier_key": null})).await;
    assert_eq!(key().await, None);
}
