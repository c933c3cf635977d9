//! The authorizer behind the model of a REST API stage, in this process.

use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Server, claims, json_of, shown};

/// The status of a GET with these `Authorization` headers.
async fn status(server: &Server, path: &str, authorization: &[&str]) -> u16 {
    let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("authorization", *value)).collect();
    server.send("GET", path, &headers, "").await.status().as_u16()
}

/// `text` with the values that differ from run to run replaced.
fn steady(text: &str, token: &str) -> String {
    text.replace(claims(token)["jti"].as_str().unwrap(), "[jti]")
}

#[tokio::test]
async fn a_good_token_reaches_the_api_with_its_principal() {
    // O-17, AU-16, AU-28, A-11
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({"roles": ["license_role", "clerk"]})).await;
    let token = server.token(&client, "").await;
    let response = server.get("/orders/1?x=1&y=a%20b", &token).await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json

        {"method":"GET","path":"/orders/1","principal":{"aud":"https://orders.example/","client_id":"c_cc","exp":"1795201200","jti":"[jti]","principalId":"c_cc","realm":"default","roles":"license_role clerk","scope":"read","sub":"c_cc","sub_type":"client"},"query":{"x":"1","y":"a b"}}"#]].assert_eq(&steady(&shown(&response), &token));
    assert_eq!(server.get("/orders/2", &token).await.status(), 200);
}

#[tokio::test]
async fn a_call_without_a_good_token_is_challenged() {
    // BE-05, BE-06, BE-09, O-04, T-35, X-03: the gateway's 401 is one and the same, with no error code.
    let server = Server::start().await;
    server.fixtures().await;
    let expected = expect![[r#"
        401 Unauthorized
        cache-control: no-store
        content-type: application/json
        www-authenticate: Bearer realm="gatewright"

        {"message":"Unauthorized"}"#]];
    expected.assert_eq(&shown(&server.send("GET", "/orders/1", &[], "").await));
    expected.assert_eq(&shown(&server.get("/orders/1", "garbage").await));
    expected.assert_eq(&shown(&server.send("GET", "/orders/1", &[("authorization", "Basic YTpi")], "").await));
}

#[tokio::test]
async fn a_path_that_is_no_apis_is_closed() {
    // O-01, AU-03, BE-07, BE-09
    let server = Server::start().await;
    server.fixtures().await;
    server.create("/apis", json!({"name": "closed", "audience": "https://closed.example/", "scopes": [{"value": "read"}]})).await;
    let client = server.client("c_cc", json!({"scopes": ["https://closed.example/read"]})).await;
    let token = server.token(&client, "").await;
    let expected = expect![[r#"
        403 Forbidden
        cache-control: no-store
        content-type: application/json
        www-authenticate: Bearer realm="gatewright", error="insufficient_scope"

        {"message":"Forbidden"}"#]];
    for path in ["/closed", "/closed/1", "/nowhere", "/", "/closedX"] {
        expected.assert_eq(&shown(&server.get(path, &token).await));
        assert_eq!(status(&server, path, &[]).await, 401, "{path}");
    }
}

#[tokio::test]
async fn the_scheme_is_bearer_in_any_case_and_nothing_else() {
    // BE-01, BE-02, BE-08, I-18, M-18, A-10, AU-10, AU-26, HT-14
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    for scheme in ["Bearer ", "bearer ", "BEARER ", "Bearer  "] {
        assert_eq!(status(&server, "/orders/1", &[&format!("{scheme}{token}")]).await, 200, "{scheme}");
    }
    let refused = [
        format!("Bearer\t{token}"),
        format!("Bearer{token}"),
        format!("Bearer: {token}"),
        format!("Bearer {token},"),
        format!("Bearer {token} x"),
        format!("Bearer \"{token}\""),
        format!("Bearer {token}, Bearer {token}"),
        format!("Basic {token}"),
        format!("Token {token}"),
        format!("DPoP {token}"),
        token.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
    ];
    for header in &refused {
        assert_eq!(status(&server, "/orders/1", &[header]).await, 401, "{header}");
    }
    let good = format!("Bearer {token}");
    for pair in [[good.as_str(), "Bearer bad"], ["Bearer bad", &good], [&good, &good], ["Basic YTpi", &good]] {
        assert_eq!(status(&server, "/orders/1", &pair).await, 401, "{pair:?}");
    }
    for name in ["authentication", "authorization_", "x-authorization", "proxy-authorization"] {
        assert_eq!(server.send("GET", "/orders/1", &[(name, &good)], "").await.status(), 401, "{name}");
    }
}

#[tokio::test]
async fn a_token_anywhere_but_in_the_header_is_none() {
    // BE-03, BE-04, I-18
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    let uri = format!("/orders/1?access_token={token}");
    assert_eq!(server.send("GET", &uri, &[], "").await.status(), 401);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(server.send("POST", "/orders/1", &form, format!("access_token={token}")).await.status(), 401);
}

#[tokio::test]
async fn a_public_api_takes_no_token_and_refuses_a_bad_one() {
    // O-01, O-04, T-06, T-16, CONTRACT 4
    let server = Server::start().await;
    server.fixtures().await;
    server.create("/apis", json!({"name": "status", "audience": "https://status.example/", "scopes": [{"value": "read"}], "access": "public"})).await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json

        {"method":"GET","path":"/status/now","principal":{"principalId":"anonymous","sub_type":"anonymous"},"query":{}}"#]]
    .assert_eq(&shown(&server.send("GET", "/status/now", &[], "").await));
    let good = server.client("c_ok", json!({"scopes": ["https://status.example/read"]})).await;
    let good = server.token(&good, "").await;
    assert_eq!(json_of(&server.get("/status/now", &good).await)["principal"]["sub"], "c_ok");
    let other = server.client("c_cc", json!({})).await;
    let other = server.token(&other, "").await;
    let bad = ["Bearer garbage".to_owned(), "Basic YTpi".to_owned(), String::new(), format!("Bearer {other}"), format!("Bearer {good}x")];
    for header in &bad {
        assert_eq!(status(&server, "/status/now", &[header]).await, 401, "{header}");
    }
    // Protected again, the same call is refused (O-04).
    server.admin("PATCH", "/apis/status", json!({"access": "authenticated"})).await;
    server.pass(6);
    assert_eq!(status(&server, "/status/now", &[]).await, 401);
    assert_eq!(server.get("/status/now", &good).await.status(), 200);
}

#[tokio::test]
async fn a_token_is_good_for_its_own_audience_only() {
    // I-22, AU-18, JW-16: one token, two Apis; one gateway path, two tokens.
    let server = Server::start().await;
    server.fixtures().await;
    let evil = json!({"name": "evil", "audience": "https://orders.example.evil/", "scopes": [{"value": "read"}], "access": "authenticated"});
    server.create("/apis", evil).await;
    let mut tokens = Vec::new();
    for (id, scope) in [("c_o", "https://orders.example/read"), ("c_b", "https://billing.example/read"), ("c_e", "https://orders.example.evil/read")]
    {
        let client = server.client(id, json!({"scopes": [scope]})).await;
        tokens.push(server.token(&client, "").await);
    }
    for _ in 0..2 {
        for (row, token) in tokens.iter().enumerate() {
            for (column, path) in ["/orders/1", "/billing/1", "/evil/1"].into_iter().enumerate() {
                let expected = if row == column { 200 } else { 401 };
                assert_eq!(server.get(path, token).await.status(), expected, "token {row} on {path}");
            }
        }
    }
}

#[tokio::test]
async fn an_admin_token_opens_no_route_and_a_route_token_no_admin_path() {
    // I-22, AD-01
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    assert_eq!(server.get("/orders/1", &server.admin_token().await).await.status(), 401);
    assert_eq!(server.get("/admin/v1/clients", &token).await.status(), 401);
}

#[tokio::test]
async fn a_token_dies_at_its_expiry_although_its_item_is_there() {
    // A-11, X-05, JW-14, SF-10, 5.4 row 2
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({"access_token_ttl": 60})).await;
    let token = server.token(&client, "").await;
    assert_eq!(server.get("/orders/1", &token).await.status(), 200);
    server.pass(59);
    assert_eq!(server.get("/orders/1", &token).await.status(), 200);
    server.pass(1);
    assert_eq!(server.get("/orders/1", &token).await.status(), 401);
    let cold = server.another().await;
    assert_eq!(cold.get("/orders/1", &token).await.status(), 401);
    assert!(server.dump().await.contains(claims(&token)["jti"].as_str().unwrap()));
}

#[tokio::test]
async fn an_opaque_token_works_like_any_other() {
    // JW-25, AU-01
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_op", json!({"access_token_format": "opaque"})).await;
    let token = server.token(&client, "").await;
    assert_eq!(server.get("/orders/1", &token).await.status(), 200);
    server.proxy.calls();
    assert_eq!(server.get("/orders/1", &token).await.status(), 200);
    assert_eq!(server.proxy.calls(), "");
    assert_eq!(server.get("/billing/1", &token).await.status(), 401);
    let (head, last) = token.split_at(token.len() - 1);
    for altered in [head.to_owned(), format!("{token}A"), format!("{head}{}", if last == "A" { "B" } else { "A" }), token.to_uppercase()] {
        assert_eq!(server.get("/orders/1", &altered).await.status(), 401, "{altered}");
    }
    assert_eq!(server.post("/oauth2/revoke", &client, &format!("token={token}")).await.status(), 200);
    server.pass(6);
    assert_eq!(server.get("/orders/1", &token).await.status(), 401);
    assert!(!server.dump().await.contains(&token));
}

#[tokio::test]
async fn a_client_that_is_switched_off_or_deleted_has_no_living_token() {
    // G-17, 5.4 row 4
    let server = Server::start().await;
    server.fixtures().await;
    let off = server.client("c_off", json!({})).await;
    let gone = server.client("c_gone", json!({})).await;
    let (off, gone) = (server.token(&off, "").await, server.token(&gone, "").await);
    for token in [&off, &gone] {
        assert_eq!(server.get("/orders/1", token).await.status(), 200);
    }
    assert_eq!(server.admin("PATCH", "/clients/c_off", json!({"active": false})).await.status(), 200);
    assert_eq!(server.admin("DELETE", "/clients/c_gone", Value::Null).await.status(), 204);
    server.pass(6);
    for token in [&off, &gone] {
        assert_eq!(server.get("/orders/1", token).await.status(), 401);
    }
    // Switched on again it is the same client; made again it is another one.
    assert_eq!(server.admin("PATCH", "/clients/c_off", json!({"active": true})).await.status(), 200);
    server.client("c_gone", json!({})).await;
    server.pass(6);
    assert_eq!(server.get("/orders/1", &off).await.status(), 200);
    assert_eq!(server.get("/orders/1", &gone).await.status(), 401);
}

#[tokio::test]
async fn a_path_that_could_be_read_in_two_ways_passes_nowhere() {
    // AU-19, AU-13, AU-22, HT-10, HT-11, X-10
    let server = Server::start().await;
    server.fixtures().await;
    let public = json!({"name": "pub", "audience": "https://pub.example/", "scopes": [{"value": "read"}], "access": "public"});
    server.create("/apis", public).await;
    let tricks = [
        "/pub/../orders/1",
        "/pub/%2e%2e/orders/1",
        "/pub%2f..%2forders/1",
        "/pub/..;/orders/1",
        "/pub/..%3B/orders",
        "//orders/1",
        "/PUB/1",
        "/pubX",
        "/pub%00",
        "/pub/%",
        "/pub/a%2Fb",
        "/pub/a%5Cb",
        "/pub/%2561",
        "/ｐub/1",
        "/pub/*",
        "/pub/a b",
        "/orders/../pub/a",
        "/%70ub/a",
        "/pub/./a",
        "/pub//a",
    ];
    for path in tricks {
        assert_eq!(status(&server, path, &[]).await, 401, "{path}");
    }
    for path in ["/pub", "/pub/", "/pub/a", "/pub/a%40b", "/pub/%c3%a9"] {
        assert_eq!(status(&server, path, &[]).await, 200, "{path}");
    }
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    for path in ["/orders/*", "/orders/a%2fb", "/orders/%00", "/orders/..;/pub", "/pub/../orders/1", "/orders//1", "/orders/%31"] {
        assert_eq!(server.get(path, &token).await.status(), 403, "{path}");
    }
}

#[tokio::test]
async fn first_sight_of_a_token_is_one_batch_and_then_there_is_nothing() {
    // G10, performance: "authorizer: first sight of a token 1 batch, then 0 apart from one feed poll"
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    // Away from the border between two partitions of the feed, and from what it tells of the client's creation.
    server.pass(200);
    server.warm().await;
    let (first, second) = (server.token(&client, "").await, server.token(&client, "").await);
    let get = async |token: &str, expected: &str| {
        server.proxy.calls();
        assert_eq!(server.get("/orders/1", token).await.status(), 200);
        assert_eq!(server.proxy.calls(), expected);
    };
    get(&first, "BatchGetItem 1").await;
    get(&first, "").await;
    get(&second, "BatchGetItem 1").await;
    get(&second, "").await;
    server.pass(4);
    get(&first, "").await;
    server.pass(1);
    get(&first, "Query 1").await;
    get(&first, "").await;
    get(&second, "").await;
    // A call without a token needs nothing that is not known.
    assert_eq!(status(&server, "/orders/1", &[]).await, 401);
    assert_eq!(server.proxy.calls(), "");
    // Once a minute the counts go along: of the client, of the server, and a line of the audit trail.
    server.pass(60);
    get(&first, "BatchWriteItem 1, Query 1, UpdateItem 2").await;
}

#[tokio::test]
async fn the_feed_is_polled_as_often_as_configured() {
    // G10, GATEWRIGHT_FEED_SECONDS
    let server = Server::with(&[("GATEWRIGHT_FEED_SECONDS", "30")]).await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    server.get("/orders/1", &token).await;
    server.proxy.calls();
    let mut polls = Vec::new();
    for _ in 0..40 {
        server.pass(29);
        assert_eq!(server.get("/orders/1", &token).await.status(), 200);
        let calls = server.proxy.calls();
        polls.push(calls.split(", ").find_map(|call| call.strip_prefix("Query ")).unwrap_or("0").to_owned());
        server.pass(1);
    }
    // From the second round on a poll is due at each call; near the border of a partition it is two queries.
    assert_eq!(polls[0], "0");
    assert!(polls[1..].iter().all(|queries| queries == "1" || queries == "2"), "{polls:?}");
    assert!(polls.iter().filter(|queries| *queries == "2").count() < 20, "{polls:?}");
}

#[tokio::test]
async fn warm_authorizers_do_not_mix_concurrent_callers_up() {
    // AU-18, JW-24
    let server = Server::start().await;
    server.fixtures().await;
    let mut tokens = Vec::new();
    for name in ["a", "ab", "abc", "b"] {
        let client = server.client(name, json!({})).await;
        tokens.push((name, server.token(&client, "").await));
    }
    let done = AtomicUsize::new(0);
    let call = async |name: &str, token: &str| {
        for _ in 0..50 {
            let answer = json_of(&server.get("/orders/1", token).await);
            assert_eq!((&answer["principal"]["client_id"], &answer["principal"]["jti"]), (&json!(name), &claims(token)["jti"]));
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let calls: Vec<_> = tokens.iter().map(|(name, token)| call(name, token)).collect();
    let [one, two, three, four] = calls.try_into().unwrap_or_else(|_| unreachable!());
    tokio::join!(one, two, three, four);
    assert_eq!(done.load(Ordering::Relaxed), 200);
}
