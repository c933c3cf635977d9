//! Who calls: what a call says of itself, and what the API behind the gateway learns of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use http::header::SET_COOKIE;
use serde_json::{Value, json};
use shared::endpoints::Response;

use crate::browser::{CALLBACK, PASSWORD, People, location, password_client};
use crate::routes::{challenge, change, customers, open, status};
use crate::support::{Server, encoded, json_of, shown};

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
    // M-19, M-04, AU-16, AU-28, T-06, X-02
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
    // X-02: the gateway asks about calls without a credential too, so a bad one is refused here or nowhere.
    assert_eq!(server.get("/customers/open", "garbage").await.status(), 401);
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
        let answer = server.node().authorize(serde_json::from_value(event).unwrap(), server.fresh()).await.unwrap();
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

#[tokio::test]
async fn the_audit_trail_says_which_user_or_client_a_token_and_a_call_were_of() {
    // O-19: who, what, when, outcome, reason, for each user apart
    let server = Server::with(&[("GATEWRIGHT_PASSWORD_GRANT", "on")]).await;
    server.fixtures().await;
    change(&server, "PATCH", "/apis/orders", json!({"basic_auth": true})).await;
    let people = Box::pin(People::of(&server)).await;
    let machine = server.client("c_cc", json!({})).await;
    let with_password = password_client(&server, json!({})).await;
    let bob = json_of(&server.admin("GET", "/users?realm=staff&username=bob", Value::Null).await)["items"][0]["user_id"].as_str().unwrap().to_owned();
    for id in [&people.alice, &bob] {
        change(&server, "PUT", &format!("/clients/c_ropc/assignments/users/{id}"), Value::Null).await;
    }
    let of_alice = Box::pin(people.granted(&server)).await.access_token;
    let by_password = async |username: &str| {
        let form = format!("grant_type=password&username={username}&password={}&scope=https%3A%2F%2Forders.example%2Fread", encoded(PASSWORD));
        json_of(&server.post("/oauth2/token", &with_password, &form).await)["access_token"].as_str().unwrap().to_owned()
    };
    let (of_bob, again_of_alice) = (by_password("bob").await, by_password("alice").await);
    let of_machine = server.token(&machine, "").await;
    server.pass(200);
    for token in [&of_alice, &of_alice, &again_of_alice, &of_bob, &of_machine] {
        assert_eq!(server.get("/orders/1", token).await.status(), 200);
    }
    let by_basic = format!("Basic {}", STANDARD.encode(format!("bob:{PASSWORD}")));
    assert_eq!(server.send("GET", "/orders/1", &[("authorization", &by_basic), ("x-client-id", "c_ropc")], "").await.status(), 200);
    assert_eq!(server.get("/nowhere", &of_alice).await.status(), 403);
    assert_eq!(server.get("/billing/1", &of_machine).await.status(), 401);
    server.node().flush(&server.fresh()).await;
    let trail = async |query: String| {
        let listed = json_of(&server.admin("GET", &format!("/audit?limit=100&{query}"), Value::Null).await);
        let of_tokens =
            |event: &&Value| event["event"].as_str().unwrap().starts_with("token.") || event["event"].as_str().unwrap().starts_with("call.");
        let mut lines: Vec<String> = listed["items"].as_array().unwrap().iter().filter(of_tokens).map(Value::to_string).collect();
        lines.sort();
        lines.join("\n").replace(&people.alice, "[alice]").replace(&bob, "[bob]")
    };
    expect![[r#"
        {"actor":"[alice]","client_id":"c_code","count":1,"event":"call.denied","outcome":"refused","reason":"route_denied","sub":"[alice]","sub_type":"user","time":"2026-11-20T18:03:38Z","user_id":"[alice]"}
        {"actor":"[alice]","client_id":"c_code","count":1,"event":"token.issued","outcome":"done","sub":"[alice]","sub_type":"user","time":"2026-11-20T18:00:18Z","user_id":"[alice]"}
        {"actor":"[alice]","client_id":"c_code","count":2,"event":"call.allowed","object":"orders","outcome":"done","sub":"[alice]","sub_type":"user","time":"2026-11-20T18:03:38Z","user_id":"[alice]"}
        {"actor":"[alice]","client_id":"c_ropc","count":1,"event":"call.allowed","object":"orders","outcome":"done","sub":"[alice]","sub_type":"user","time":"2026-11-20T18:03:38Z","user_id":"[alice]"}
        {"actor":"[alice]","client_id":"c_ropc","count":1,"event":"token.issued","outcome":"done","sub":"[alice]","sub_type":"user","time":"2026-11-20T18:00:18Z","user_id":"[alice]"}"#]].assert_eq(&trail(format!("user_id={}", people.alice)).await);
    expect![[r#"
        {"actor":"[bob]","client_id":"c_ropc","count":1,"event":"token.issued","outcome":"done","sub":"[bob]","sub_type":"user","time":"2026-11-20T18:00:18Z","user_id":"[bob]"}
        {"actor":"[bob]","client_id":"c_ropc","count":2,"event":"call.allowed","object":"orders","outcome":"done","sub":"[bob]","sub_type":"user","time":"2026-11-20T18:03:38Z","user_id":"[bob]"}"#]].assert_eq(&trail(format!("user_id={bob}")).await);
    expect![[r#"
        {"actor":"c_cc","client_id":"c_cc","count":1,"event":"call.allowed","object":"orders","outcome":"done","sub":"c_cc","sub_type":"client","time":"2026-11-20T18:03:38Z"}
        {"actor":"c_cc","client_id":"c_cc","count":1,"event":"call.denied","object":"billing","outcome":"refused","reason":"audience_mismatch","sub":"c_cc","sub_type":"client","time":"2026-11-20T18:03:38Z"}
        {"actor":"c_cc","client_id":"c_cc","count":1,"event":"token.issued","outcome":"done","sub":"c_cc","sub_type":"client","time":"2026-11-20T18:00:18Z"}"#]].assert_eq(&trail("client_id=c_cc".to_owned()).await);
    assert_eq!(trail(format!("client_id=c_ropc&user_id={bob}")).await, trail(format!("user_id={bob}")).await);
    let by_client = trail("client_id=c_ropc".to_owned()).await;
    assert_eq!((by_client.matches("\"sub\":\"[alice]\"").count(), by_client.matches("\"sub\":\"[bob]\"").count()), (2, 2), "{by_client}");
}

#[tokio::test]
async fn many_principals_are_written_before_they_are_too_many_for_one_request() {
    // O-19, SF-03: 100 lines go along at once, and 25 to a round trip
    let server = Server::start().await;
    server.fixtures().await;
    let mut clients = Vec::new();
    for number in 0..50 {
        clients.push(server.client(&format!("c_{number}"), json!({})).await);
    }
    for client in &clients {
        server.token(client, "").await;
    }
    server.node().flush(&server.fresh()).await;
    for (at, client) in clients.iter().enumerate() {
        server.token(client, "").await;
        server.proxy.calls();
        assert_eq!(server.post("/oauth2/token", client, "grant_type=client_credentials&scope=nonsense").await.status(), 400);
        let expected = if at == 49 { "BatchGetItem 1, BatchWriteItem 4, UpdateItem 51" } else { "BatchGetItem 1" };
        assert_eq!(server.proxy.calls(), expected, "{at}");
    }
    let audit = json_of(&server.admin("GET", "/audit?client_id=c_7&from=2026-11-20T18:00:00Z", Value::Null).await);
    let reasons: Vec<&Value> = audit["items"].as_array().unwrap().iter().filter(|event| event["event"] == "token.refused").collect();
    assert_eq!((reasons.len(), &reasons[0]["reason"], reasons[0].get("sub")), (1, &json!("invalid_scope"), None), "nobody's token: {audit}");
}

#[tokio::test]
async fn a_session_in_a_browser_opens_pages_and_no_api() {
    // O-22, M-13: a cookie is no credential outside `/oauth2/authorize`, and nothing else sets one
    let server = Server::start().await;
    server.fixtures().await;
    server.create("/apis", json!({"name": "open", "audience": "https://open.example/", "access": "public"})).await;
    let people = Box::pin(People::of(&server)).await;
    let token = Box::pin(people.granted(&server)).await.access_token;
    let cookies = people.browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    assert!(cookies.contains("__Host-gatewright_session="), "{cookies}");
    let bearer = format!("Bearer {token}");
    let (cookie, both) = ([("cookie", cookies.as_str())], [("cookie", cookies.as_str()), ("authorization", bearer.as_str())]);
    for (method, path, without, with) in [
        ("GET", "/orders/1", 401, 200),
        ("POST", "/orders/1", 401, 200),
        ("GET", "/open/1", 200, 401),
        ("GET", "/nowhere", 401, 403),
        ("GET", "/admin/v1/clients", 401, 401),
        ("POST", "/admin/v1/users", 401, 401),
        ("DELETE", "/admin/v1/clients/c_code", 401, 401),
        ("POST", "/oauth2/token", 400, 400),
        ("POST", "/oauth2/introspect", 400, 400),
        ("POST", "/oauth2/revoke", 400, 400),
        ("POST", "/oauth2/diagnose", 401, 401),
        ("GET", "/.well-known/openid-configuration", 200, 200),
        ("GET", "/.well-known/jwks.json", 200, 200),
        ("GET", "/healthz", 200, 200),
    ] {
        for (headers, expected) in [(&cookie[..], without), (&both[..], with)] {
            let answer = server.send(method, path, headers, "").await;
            assert_eq!(answer.status(), expected, "{method} {path} {}", headers.len());
            assert!(!answer.headers().contains_key(SET_COOKIE), "{method} {path}");
            // The same without the cookie.
            let bare = server.send(method, path, &headers[1..], "").await;
            assert_eq!(shown(&bare), shown(&answer), "{method} {path}");
        }
    }
    assert_eq!(location(&people.browser.open(&server, &People::url(&[])).await).split('?').next(), Some(CALLBACK), "but it is a session");
}
