//! `/admin/v1/apis`, `/tokens` and `/keys`.

use expect_test::expect;
use serde_json::{Value, json};

use crate::http::{outcome, pinned};
use crate::support::{Server, claims, is_active, json_of, shown};

#[tokio::test]
async fn an_api_is_made_shown_changed_and_deleted() {
    // I-02, O-20
    let server = Server::start().await;
    let least = server.admin("POST", "/apis", json!({"name": "least", "audience": "https://least.example/"})).await;
    expect![[r#"
        201 Created
        cache-control: no-store
        content-type: application/json
        etag: "1"
        pragma: no-cache
        x-content-type-options: nosniff

        {"access":"deny","access_token_ttl":3600,"anonymous":"open","audience":"https://least.example/","base_path":"/least","basic_auth":false,"created_at":"2026-11-20T18:00:00Z","gateway":null,"name":"least","resource_server_client_id":null,"scopes":[],"signing_alg":"ES256","tags":[],"token_records":"full","updated_at":"2026-11-20T18:00:00Z","version":1}"#]].assert_eq(&shown(&least));
    let everything = json!({"name": "all", "audience": "urn:all:", "base_path": "/v1/all", "gateway": "abc123/prod", "scopes": [{"value": "read", "description": "Read it"}, {"value": "write"}],
        "access": "public", "anonymous": "keyed", "basic_auth": true, "access_token_ttl": 86_400, "signing_alg": "RS256", "token_records": "revocations", "resource_server_client_id": "c_rs", "tags": ["fin"]});
    expect![[r#"
        201 Created
        cache-control: no-store
        content-type: application/json
        etag: "1"
        pragma: no-cache
        x-content-type-options: nosniff

        {"access":"public","access_token_ttl":86400,"anonymous":"keyed","audience":"urn:all:","base_path":"/v1/all","basic_auth":true,"created_at":"2026-11-20T18:00:00Z","gateway":"abc123/prod","name":"all","resource_server_client_id":"c_rs","scopes":[{"description":"Read it","full_scope":"urn:all:read","value":"read"},{"description":"","full_scope":"urn:all:write","value":"write"}],"signing_alg":"RS256","tags":["fin"],"token_records":"revocations","updated_at":"2026-11-20T18:00:00Z","version":1}"#]].assert_eq(&shown(&server.admin("POST", "/apis", everything).await));
    let listed = json_of(&server.admin("GET", "/apis", Value::Null).await);
    assert_eq!(
        listed["items"],
        json!([json_of(&server.admin("GET", "/apis/all", Value::Null).await), json_of(&least)]),
        "the admin API itself is not in the list"
    );
    server.pass(60);
    let patched = server.admin("PATCH", "/apis/all", json!({"access": null, "tags": [], "scopes": [{"value": "read"}], "gateway": null})).await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        etag: "2"
        pragma: no-cache
        x-content-type-options: nosniff

        {"access":"deny","access_token_ttl":86400,"anonymous":"keyed","audience":"urn:all:","base_path":"/v1/all","basic_auth":true,"created_at":"2026-11-20T18:00:00Z","gateway":null,"name":"all","resource_server_client_id":"c_rs","scopes":[{"description":"","full_scope":"urn:all:read","value":"read"}],"signing_alg":"RS256","tags":[],"token_records":"revocations","updated_at":"2026-11-20T18:01:00Z","version":2}"#]].assert_eq(&shown(&patched));
    assert_eq!(server.admin("DELETE", "/apis/all", Value::Null).await.status(), 204);
    for (method, body) in [("GET", Value::Null), ("PATCH", json!({})), ("DELETE", Value::Null)] {
        assert_eq!(server.admin(method, "/apis/all", body).await.status(), 404, "{method}");
    }
    for (method, body) in [("GET", Value::Null), ("PATCH", json!({"access": "public"})), ("DELETE", Value::Null)] {
        assert_eq!(server.admin(method, "/apis/gatewright-admin", body).await.status(), 404, "{method}: the admin API is nobody's to change");
    }
}

#[tokio::test]
async fn an_api_has_its_name_audience_place_and_scopes_alone() {
    // I-02, T-08, 5.2 #14
    let server = Server::start().await;
    server.fixtures().await;
    let mut answers = String::new();
    for body in [
        json!({"name": "orders", "audience": "https://x.example/"}),
        json!({"name": "x", "audience": "https://orders.example/"}),
        json!({"name": "x", "audience": "https://x.example/", "base_path": "/orders"}),
        json!({"name": "x", "audience": "https://orders.example/re", "scopes": [{"value": "ad"}]}),
        json!({"name": "gatewright-admin", "audience": "https://x.example/"}),
        json!({"name": "x", "audience": "urn:gatewright:admin:"}),
        json!({"name": "x", "audience": "urn:gatewright:", "scopes": [{"value": "admin:clients.write"}]}),
    ] {
        let response = server.admin("POST", "/apis", body.clone()).await;
        assert_eq!(response.status(), 409, "{body}");
        answers.push_str(&format!("{body}\n    {}\n", json_of(&response)["detail"].as_str().unwrap()));
    }
    expect![[r#"
        {"audience":"https://x.example/","name":"orders"}
            an api of this name exists
        {"audience":"https://orders.example/","name":"x"}
            an api of this audience exists
        {"audience":"https://x.example/","base_path":"/orders","name":"x"}
            the api orders has this base_path on the same gateway
        {"audience":"https://orders.example/re","name":"x","scopes":[{"value":"ad"}]}
            the full scope https://orders.example/read would belong to two apis
        {"audience":"https://x.example/","name":"gatewright-admin"}
            an api of this name exists
        {"audience":"urn:gatewright:admin:","name":"x"}
            an api of this audience exists
        {"audience":"urn:gatewright:","name":"x","scopes":[{"value":"admin:clients.write"}]}
            the full scope urn:gatewright:admin:clients.write would belong to two apis
    "#]]
    .assert_eq(&answers);
    assert_eq!(
        server
            .admin("POST", "/apis", json!({"name": "x", "audience": "https://x.example/", "base_path": "/orders", "gateway": "a/b"}))
            .await
            .status(),
        201,
        "on a gateway of its own"
    );
    assert_eq!(server.admin("PATCH", "/apis/billing", json!({"base_path": "/orders"})).await.status(), 409);
}

#[tokio::test]
async fn faults_of_an_api_are_pointed_at() {
    // AD-08, AD-14
    let server = Server::start().await;
    server.fixtures().await;
    let mut answers = String::new();
    for body in [
        json!({}),
        json!({"name": "a b", "audience": "https://x.example/"}),
        json!({"name": "x", "audience": "x"}),
        json!({"name": "x", "audience": "https://x.example/#a"}),
        json!({"name": "x", "audience": "https://x.example/", "scopes": [{"value": "a b"}, {"value": "r"}, {"value": "r"}, {"value": ""}], "access_token_ttl": 86_401}),
        json!({"name": "x", "audience": "https://x.example/", "scopes": ["read"]}),
        json!({"name": "x", "audience": "https://x.example/", "scopes": [{"value": "r", "extra": 1}]}),
        json!({"name": "x", "audience": "https://x.example/", "access": "open", "signing_alg": "none"}),
        json!({"name": "x", "audience": "https://x.example/", "signing_alg": "HS256"}),
        json!({"name": "x", "audience": "https://x.example/", "token_records": "some"}),
        json!({"name": "x", "audience": "https://x.example/", "base_path": "x/", "gateway": "a"}),
        json!({"name": "x", "audience": "https://x.example/", "base_path": "/a/../b", "access_token_ttl": 0}),
        json!({"name": "x", "audience": "https://x.example/", "version": 7}),
    ] {
        let response = server.admin("POST", "/apis", body.clone()).await;
        assert_eq!(response.status(), 400, "{body} {}", shown(&response));
        answers.push_str(&format!("{body}\n    {}\n", json_of(&response)["errors"]));
    }
    expect![[r#"
        {}
            [{"detail":"missing field `name`","pointer":"/name"}]
        {"audience":"https://x.example/","name":"a b"}
            [{"detail":"a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -","pointer":"/name"}]
        {"audience":"x","name":"x"}
            [{"detail":"must be an absolute URI or URN of at most 200 characters, without a fragment","pointer":"/audience"}]
        {"audience":"https://x.example/#a","name":"x"}
            [{"detail":"must be an absolute URI or URN of at most 200 characters, without a fragment","pointer":"/audience"}]
        {"access_token_ttl":86401,"audience":"https://x.example/","name":"x","scopes":[{"value":"a b"},{"value":"r"},{"value":"r"},{"value":""}]}
            [{"detail":"must be 1 to 100 characters of RFC 6749 section 3.3","pointer":"/scopes/0/value"},{"detail":"stands in the list twice","pointer":"/scopes/2/value"},{"detail":"must be 1 to 100 characters of RFC 6749 section 3.3","pointer":"/scopes/3/value"},{"detail":"must be 1 to 86400 seconds","pointer":"/access_token_ttl"}]
        {"audience":"https://x.example/","name":"x","scopes":["read"]}
            [{"detail":"invalid type: string \"read\", expected an object with a value","pointer":"/scopes/0"}]
        {"audience":"https://x.example/","name":"x","scopes":[{"extra":1,"value":"r"}]}
            [{"detail":"is not a member of this object","pointer":"/scopes/0/extra"}]
        {"access":"open","audience":"https://x.example/","name":"x","signing_alg":"none"}
            [{"detail":"unknown variant `open`, expected one of `deny`, `authenticated`, `public`","pointer":"/access"}]
        {"audience":"https://x.example/","name":"x","signing_alg":"HS256"}
            [{"detail":"unknown variant `HS256`, expected `ES256` or `RS256`","pointer":"/signing_alg"}]
        {"audience":"https://x.example/","name":"x","token_records":"some"}
            [{"detail":"unknown variant `some`, expected `full` or `revocations`","pointer":"/token_records"}]
        {"audience":"https://x.example/","base_path":"x/","gateway":"a","name":"x"}
            [{"detail":"must be `/` or segments of unreserved characters, without a trailing slash","pointer":"/base_path"},{"detail":"must be null or \"apiId/stage\"","pointer":"/gateway"}]
        {"access_token_ttl":0,"audience":"https://x.example/","base_path":"/a/../b","name":"x"}
            [{"detail":"must be `/` or segments of unreserved characters, without a trailing slash","pointer":"/base_path"},{"detail":"must be 1 to 86400 seconds","pointer":"/access_token_ttl"}]
        {"audience":"https://x.example/","name":"x","version":7}
            [{"detail":"is not a member of this object","pointer":"/version"}]
    "#]].assert_eq(&answers);
    for (patch, pointer) in [
        (json!({"name": "y"}), "/name"),
        (json!({"audience": "https://y.example/"}), "/audience"),
        (json!({"audience": null}), "/audience"),
        (json!({"unknown": 1}), "/unknown"),
        (json!({"scopes": [{"value": "read", "descripton": "x"}]}), "/scopes/0/descripton"),
    ] {
        let response = server.admin("PATCH", "/apis/orders", patch.clone()).await;
        assert_eq!((response.status().as_u16(), &json_of(&response)["errors"][0]["pointer"]), (400, &json!(pointer)), "{patch}");
    }
}

#[tokio::test]
async fn changes_of_apis_are_not_lost() {
    // AD-05
    let server = Server::start().await;
    server.fixtures().await;
    let other_node = server.another().await;
    let token = format!("Bearer {}", server.admin_token().await);
    let change = async |node: &Server, name: &str, tag: &str, patch: Value| {
        let headers = [("authorization", token.as_str()), ("if-match", tag)];
        node.send("PATCH", &format!("/admin/v1/apis/{name}"), &headers, patch.to_string()).await.status().as_u16()
    };
    let both = tokio::join!(
        change(&server, "orders", "\"1\"", json!({"access_token_ttl": 1})),
        change(&other_node, "orders", "\"1\"", json!({"access_token_ttl": 2}))
    );
    assert!([(200, 412), (412, 200)].contains(&both), "{both:?}");
    assert_eq!(change(&server, "orders", "\"1\"", json!({})).await, 412);
    // Two Apis at once: both changes stay, though they are one item.
    let both =
        tokio::join!(change(&server, "orders", "*", json!({"tags": ["here"]})), change(&other_node, "billing", "*", json!({"tags": ["there"]})));
    assert_eq!(both, (200, 200));
    let listed = json_of(&server.admin("GET", "/apis", Value::Null).await);
    assert_eq!((&listed["items"][0]["tags"], &listed["items"][1]["tags"]), (&json!(["there"]), &json!(["here"])));
    let gone = server.send("DELETE", "/admin/v1/apis/orders", &[("authorization", &token), ("if-match", "\"1\"")], "").await;
    assert_eq!(gone.status(), 412);
}

#[tokio::test]
async fn what_an_api_says_counts_for_its_next_token() {
    // MI-10, T-37: on both nodes at once
    let server = Server::start().await;
    server.fixtures().await;
    let other_node = server.another().await;
    let client = server.client("c_cc", json!({})).await;
    assert_eq!(json_of(&other_node.post("/oauth2/token", &client, "grant_type=client_credentials").await)["expires_in"], 3_600);
    server.admin("PATCH", "/apis/orders", json!({"access_token_ttl": 60, "signing_alg": "RS256"})).await;
    for node in [&server, &other_node] {
        let response = json_of(&node.post("/oauth2/token", &client, "grant_type=client_credentials").await);
        assert_eq!(response["expires_in"], 60);
        assert!(response["access_token"].as_str().unwrap().starts_with("eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJSUzI1NiIs"), "{response}");
        assert!(is_active(&server, &client, response["access_token"].as_str().unwrap()).await);
    }
    server.admin("PATCH", "/apis/orders", json!({"scopes": [{"value": "write"}]})).await;
    for node in [&server, &other_node] {
        assert_eq!(outcome(&node.post("/oauth2/token", &client, "grant_type=client_credentials").await), "400 invalid_scope");
    }
}

#[tokio::test]
async fn live_tokens_are_listed_and_can_be_revoked() {
    // CONTRACT 3: records only, never the token
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let opaque = server.client("c_opaque", json!({"access_token_format": "opaque"})).await;
    let (first, second, third) = (server.token(&client, "").await, server.token(&client, "").await, server.token(&opaque, "").await);
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"items":[{"aud":"https://orders.example/","client_id":"c_opaque","expires_at":"2026-11-20T19:00:00Z","format":"opaque","issued_at":"2026-11-20T18:00:00Z","jti":"[jti]","revoked_at":null,"scope":"read","sub":"c_opaque","sub_type":"client"}],"next_cursor":null}"#]].assert_eq(&pinned(&server.admin("GET", "/tokens?client_id=c_opaque", Value::Null).await, &["jti"]));
    let jti = claims(&first)["jti"].as_str().unwrap().to_owned();
    assert_eq!(json_of(&server.admin("GET", "/tokens?client_id=c_cc", Value::Null).await)["items"].as_array().unwrap().len(), 2);
    expect![[r#"
        204 No Content
        cache-control: no-store
        pragma: no-cache
        x-content-type-options: nosniff

    "#]]
    .assert_eq(&shown(&server.admin("DELETE", &format!("/tokens/{jti}"), Value::Null).await));
    assert!(!is_active(&server, &client, &first).await && is_active(&server, &client, &second).await);
    let left = json_of(&server.admin("GET", "/tokens?client_id=c_cc", Value::Null).await);
    assert_eq!(left["items"].as_array().unwrap().iter().map(|token| &token["jti"]).collect::<Vec<_>>(), [&claims(&second)["jti"]]);
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"aud":"https://orders.example/","client_id":"c_cc","expires_at":"2026-11-20T19:00:00Z","format":"jwt","issued_at":"2026-11-20T18:00:00Z","jti":"[jti]","revoked_at":"2026-11-20T18:00:00Z","scope":"read","sub":"c_cc","sub_type":"client"}"#]].assert_eq(&pinned(&server.admin("GET", &format!("/tokens/{jti}"), Value::Null).await, &["jti"]));
    assert_eq!(server.admin("DELETE", &format!("/tokens/{jti}"), Value::Null).await.status(), 204, "again");
    for unknown in ["x", &third] {
        assert_eq!(server.admin("GET", &format!("/tokens/{unknown}"), Value::Null).await.status(), 404);
        assert_eq!(server.admin("DELETE", &format!("/tokens/{unknown}"), Value::Null).await.status(), 404);
    }
    server.pass(3_600);
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"items":[],"next_cursor":null}"#]]
    .assert_eq(&shown(&server.admin("GET", "/tokens?client_id=c_cc", Value::Null).await));
}

#[tokio::test]
async fn keys_are_listed_with_their_phases() {
    // MD-15, AD-11, AD-12
    let server = Server::start().await;
    let phases = async || {
        let body = json_of(&server.admin("GET", "/keys", Value::Null).await);
        body["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| format!("{} {}", key["alg"].as_str().unwrap(), key["phase"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"items":[{"active_from":"2026-11-20T18:00:00Z","alg":"ES256","created_at":"2026-11-20T18:00:00Z","kid":"[kid]","phase":"active","withdrawn_at":null}],"next_cursor":null}"#]].assert_eq(&pinned(&server.admin("GET", "/keys", Value::Null).await, &["kid"]));
    expect![[r#"
        202 Accepted
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"items":[{"active_from":"2026-11-20T18:00:00Z","alg":"ES256","created_at":"2026-11-20T18:00:00Z","kid":"[kid]","phase":"active","withdrawn_at":null},{"active_from":"2026-11-20T20:15:00Z","alg":"ES256","created_at":"2026-11-20T18:00:00Z","kid":"[kid]","phase":"next","withdrawn_at":null}]}"#]].assert_eq(&pinned(&server.admin("POST", "/keys/rotate", Value::Null).await, &["kid"]));
    assert_eq!(phases().await, ["ES256 active", "ES256 next"]);
    server.pass(8_100);
    assert_eq!(phases().await, ["ES256 retired", "ES256 active"]);
    server.pass(86_400 + 300);
    assert_eq!(phases().await, ["ES256 gone", "ES256 active"]);
    assert_eq!(server.admin("POST", "/keys/rotate", json!({"emergency": true})).await.status(), 202);
    assert_eq!(phases().await, ["ES256 withdrawn", "ES256 active"], "the key that was gone is not brought back by the one that went");
    // A load balancer takes 10 keys: what is published by hand leaves room for the schedule.
    for _ in 0..7 {
        assert_eq!(server.admin("POST", "/keys/rotate", Value::Null).await.status(), 202);
        server.pass(8_100);
    }
    let refused = server.admin("POST", "/keys/rotate", Value::Null).await;
    assert_eq!(refused.status(), 409);
    assert!(String::from_utf8_lossy(refused.body()).contains("the key set is as large as verifiers take"), "{refused:?}");
    assert_eq!(server.admin("POST", "/keys/rotate", json!({"emergency": true})).await.status(), 202);
    server.pass(86_400 + 300);
    assert_eq!(server.admin("POST", "/keys/rotate", Value::Null).await.status(), 202);
    for wrong in [json!({"emergency": "yes"}), json!({"now": true}), json!([])] {
        assert_eq!(server.admin("POST", "/keys/rotate", wrong.clone()).await.status(), 400, "{wrong}");
    }
}
