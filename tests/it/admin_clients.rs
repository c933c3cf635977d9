//! `/admin/v1/clients` and what hangs on a client: secrets, and the death of its tokens.

use expect_test::expect;
use serde_json::{Value, json};

use crate::http::{outcome, pinned};
use crate::support::{Server, basic, claims, is_active, json_of, shown};

const GENERATED: [&str; 2] = ["secret_id", "client_id"];

#[tokio::test]
async fn a_client_is_made_shown_changed_and_deleted() {
    // I-01, I-03, I-06, I-14, M-15, AD-03, O-10, O-20
    let server = Server::start().await;
    server.fixtures().await;
    server.roles(&["clerk"]).await;
    let everything = json!({"client_id": "c_all", "client_name": "All of it", "client_type": "confidential",
        "grant_types": ["client_credentials", "authorization_code", "refresh_token"], "token_endpoint_auth_method": "client_secret_post",
        "scopes": ["https://orders.example/read", "https://orders.example/write"], "default_scopes": ["https://orders.example/read"], "roles": ["clerk"],
        "redirect_uris": ["https://app.example/cb"], "realm": "staff", "enforce_assignments": false, "active": false, "introspect": true,
        "access_token_format": "opaque", "access_token_ttl": 120, "refresh_token_ttl": 1000, "description": "d", "owner": "o", "contacts": ["ops@example.com"], "tags": ["fin"]});
    expect![[r#"
        201 Created
        cache-control: no-store
        content-type: application/json
        etag: "1"
        pragma: no-cache
        x-content-type-options: nosniff

        {"access_token_format":"opaque","access_token_ttl":120,"active":false,"allowed_origins":[],"client_id":"c_all","client_name":"All of it","client_secret":"[gw_cs]","client_type":"confidential","contacts":["ops@example.com"],"created_at":"2026-11-20T18:00:00Z","default_scopes":["https://orders.example/read"],"description":"d","enforce_assignments":false,"grant_types":["client_credentials","authorization_code","refresh_token"],"introspect":true,"owner":"o","realm":"staff","redirect_uris":["https://app.example/cb"],"refresh_token_ttl":1000,"roles":["clerk"],"scopes":["https://orders.example/read","https://orders.example/write"],"secret_id":"[secret_id]","tags":["fin"],"token_endpoint":"https://auth.example/oauth2/token","token_endpoint_auth_method":"client_secret_post","updated_at":"2026-11-20T18:00:00Z","version":1}"#]].assert_eq(&pinned(&server.admin("POST", "/clients", everything).await, &["secret_id"]));
    let least = server.admin("POST", "/clients", json!({"client_name": "least", "grant_types": ["client_credentials"]})).await;
    expect![[r#"
        201 Created
        cache-control: no-store
        content-type: application/json
        etag: "1"
        pragma: no-cache
        x-content-type-options: nosniff

        {"access_token_format":"jwt","access_token_ttl":null,"active":true,"allowed_origins":[],"client_id":"[client_id]","client_name":"least","client_secret":"[gw_cs]","client_type":"confidential","contacts":[],"created_at":"2026-11-20T18:00:00Z","default_scopes":[],"description":"","enforce_assignments":true,"grant_types":["client_credentials"],"introspect":false,"owner":"","realm":"default","redirect_uris":[],"refresh_token_ttl":null,"roles":[],"scopes":[],"secret_id":"[secret_id]","tags":[],"token_endpoint":"https://auth.example/oauth2/token","token_endpoint_auth_method":"client_secret_basic","updated_at":"2026-11-20T18:00:00Z","version":1}"#]].assert_eq(&pinned(&least, &GENERATED));
    assert_eq!(json_of(&least)["client_id"].as_str().unwrap().len(), 24);
    let public = json!({"client_id": "p1", "client_name": "public", "client_type": "public", "grant_types": ["authorization_code"], "redirect_uris": ["http://127.0.0.1/cb"]});
    expect![[r#"
        201 Created
        cache-control: no-store
        content-type: application/json
        etag: "1"
        pragma: no-cache
        x-content-type-options: nosniff

        {"access_token_format":"jwt","access_token_ttl":null,"active":true,"allowed_origins":[],"client_id":"p1","client_name":"public","client_type":"public","contacts":[],"created_at":"2026-11-20T18:00:00Z","default_scopes":[],"description":"","enforce_assignments":true,"grant_types":["authorization_code"],"introspect":false,"owner":"","realm":"default","redirect_uris":["http://127.0.0.1/cb"],"refresh_token_ttl":null,"roles":[],"scopes":[],"tags":[],"token_endpoint":"https://auth.example/oauth2/token","token_endpoint_auth_method":"none","updated_at":"2026-11-20T18:00:00Z","version":1}"#]].assert_eq(&pinned(&server.admin("POST", "/clients", public).await, &GENERATED[..1]));

    let shown_again = server.admin("GET", "/clients/c_all", Value::Null).await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        etag: "1"
        pragma: no-cache
        x-content-type-options: nosniff

        {"access_token_format":"opaque","access_token_ttl":120,"active":false,"allowed_origins":[],"client_id":"c_all","client_name":"All of it","client_type":"confidential","contacts":["ops@example.com"],"created_at":"2026-11-20T18:00:00Z","default_scopes":["https://orders.example/read"],"description":"d","enforce_assignments":false,"grant_types":["client_credentials","authorization_code","refresh_token"],"introspect":true,"owner":"o","realm":"staff","redirect_uris":["https://app.example/cb"],"refresh_token_ttl":1000,"roles":["clerk"],"scopes":["https://orders.example/read","https://orders.example/write"],"tags":["fin"],"token_endpoint":"https://auth.example/oauth2/token","token_endpoint_auth_method":"client_secret_post","updated_at":"2026-11-20T18:00:00Z","version":1}"#]].assert_eq(&shown(&shown_again));
    let list = server.admin("GET", "/clients", Value::Null).await;
    assert!(json_of(&list)["items"].as_array().unwrap().contains(&json_of(&shown_again)));
    assert!(!shown(&list).contains("client_secret\"") && !shown(&list).contains("gw_cs") && !shown(&list).contains("digest"), "AD-03");

    server.pass(60);
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        etag: "2"
        pragma: no-cache
        x-content-type-options: nosniff

        {"access_token_format":"opaque","access_token_ttl":null,"active":true,"allowed_origins":[],"client_id":"c_all","client_name":"All of it","client_type":"confidential","contacts":["ops@example.com"],"created_at":"2026-11-20T18:00:00Z","default_scopes":["https://orders.example/read"],"description":"new","enforce_assignments":false,"grant_types":["client_credentials","authorization_code","refresh_token"],"introspect":true,"owner":"o","realm":"staff","redirect_uris":["https://app.example/cb"],"refresh_token_ttl":1000,"roles":["clerk"],"scopes":["https://orders.example/read","https://orders.example/write"],"tags":["fin"],"token_endpoint":"https://auth.example/oauth2/token","token_endpoint_auth_method":"client_secret_post","updated_at":"2026-11-20T18:01:00Z","version":2}"#]].assert_eq(&shown(&server.admin("PATCH", "/clients/c_all", json!({"description": "new", "access_token_ttl": null, "active": true})).await));
    expect![[r#"
        204 No Content
        cache-control: no-store
        pragma: no-cache
        x-content-type-options: nosniff

    "#]]
    .assert_eq(&shown(&server.admin("DELETE", "/clients/c_all", Value::Null).await));
    for (method, body) in [("GET", Value::Null), ("PATCH", json!({})), ("DELETE", Value::Null)] {
        assert_eq!(server.admin(method, "/clients/c_all", body).await.status(), 404, "{method}");
    }
    for path in ["/clients/c%20c", "/clients/%", "/clients/c_all/secrets", "/clients/aé"] {
        assert_eq!(server.admin("GET", path, Value::Null).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn ids_and_names_are_given_once() {
    // I-06, AD-04, O-11
    let server = Server::start().await;
    server.fixtures().await;
    server.client("c_cc", json!({"client_name": "one"})).await;
    server.client("c_two", json!({"client_name": "two"})).await;
    let create = async |id: &str, name: &str| {
        server.admin("POST", "/clients", json!({"client_id": id, "client_name": name, "grant_types": ["client_credentials"]})).await
    };
    expect![[r#"
        409 Conflict
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"a client of this client_id or client_name exists","status":409,"title":"Conflict","type":"about:blank"}"#]]
    .assert_eq(&shown(&create("c_cc", "other").await));
    assert_eq!(create("other", "one").await.status(), 409);
    assert_eq!(server.admin("PATCH", "/clients/c_two", json!({"client_name": "one"})).await.status(), 409);
    assert_eq!(json_of(&server.admin("GET", "/clients/c_two", Value::Null).await)["client_name"], "two");
    // A name that is given up is free, and so is that of a deleted client.
    assert_eq!(server.admin("PATCH", "/clients/c_two", json!({"client_name": "three"})).await.status(), 200);
    assert_eq!(create("four", "two").await.status(), 201);
    assert_eq!(server.admin("PATCH", "/clients/c_two", json!({"client_name": "two"})).await.status(), 409);
    assert_eq!(server.admin("DELETE", "/clients/four", Value::Null).await.status(), 204);
    assert_eq!(server.admin("PATCH", "/clients/c_two", json!({"client_name": "two"})).await.status(), 200);
}

#[tokio::test]
async fn of_fifty_that_create_one_client_one_succeeds() {
    // AD-04, on two nodes
    let server = Server::start().await;
    let other_node = server.another().await;
    let token = server.admin_token().await;
    let body = |number: usize| json!({"client_id": "contested", "client_name": format!("n{number}"), "grant_types": ["client_credentials"]});
    let mut attempts = tokio::task::JoinSet::new();
    let nodes = std::sync::Arc::new([server, other_node]);
    for number in 0..50 {
        let (nodes, token, body) = (std::sync::Arc::clone(&nodes), token.clone(), body(number));
        attempts.spawn(async move {
            let response = nodes[number % 2].admin_as(&token, "POST", "/clients", &[], body).await;
            (response.status().as_u16(), json_of(&response)["client_secret"].as_str().map(str::to_owned))
        });
    }
    let answers = attempts.join_all().await;
    let made: Vec<_> = answers.iter().filter(|(status, _)| *status == 201).collect();
    assert_eq!((made.len(), answers.iter().filter(|(status, _)| *status == 409).count()), (1, 49), "{answers:?}");
    let secret = made[0].1.as_ref().unwrap();
    let response = nodes[0].post("/oauth2/token", &basic("contested", secret), "grant_type=client_credentials").await;
    assert_eq!(outcome(&response), "400 invalid_scope", "the one secret that was shown is the client's; it only has no scope");
    let listed = json_of(&nodes[1].admin("GET", "/clients", Value::Null).await);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_change_meant_for_another_version_does_not_happen() {
    // AD-05, RFC 9110 §13.1.1
    let server = Server::start().await;
    server.fixtures().await;
    server.client("c_cc", json!({})).await;
    let token = server.admin_token().await;
    let patch =
        async |tag: &str, text: &str| server.admin_as(&token, "PATCH", "/clients/c_cc", &[("if-match", tag)], json!({"description": text})).await;
    let read = server.admin("GET", "/clients/c_cc", Value::Null).await;
    let tag = read.headers()["etag"].to_str().unwrap();
    assert_eq!(tag, "\"1\"");
    let first = patch(tag, "first").await;
    assert_eq!((first.status().as_u16(), first.headers()["etag"].to_str().unwrap()), (200, "\"2\""));
    expect![[r#"
        412 Precondition Failed
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"the object has another version than If-Match says, read it again","status":412,"title":"Precondition Failed","type":"about:blank"}"#]].assert_eq(&shown(&patch(tag, "second").await));
    for stale in ["\"1\"", "\"3\"", "2", "W/\"2\"", "x", ""] {
        assert_eq!(patch(stale, "stale").await.status(), 412, "{stale}");
        assert_eq!(server.admin_as(&token, "DELETE", "/clients/c_cc", &[("if-match", stale)], Value::Null).await.status(), 412, "{stale}");
    }
    assert_eq!(json_of(&server.admin("GET", "/clients/c_cc", Value::Null).await)["description"], "first");
    assert_eq!(patch("*", "any").await.status(), 200);
    assert_eq!(server.admin_as(&token, "DELETE", "/clients/c_cc", &[("if-match", "\"3\"")], Value::Null).await.status(), 204);
    assert_eq!(patch("\"3\"", "gone").await.status(), 404);

    // At once, on two nodes, with one tag: one happens.
    let other_node = server.another().await;
    server.client("c_two", json!({})).await;
    for round in 1..=10 {
        let tag = format!("\"{round}\"");
        let change = async |node: &Server, text: &str| {
            node.admin_as(&token, "PATCH", "/clients/c_two", &[("if-match", &tag)], json!({"description": text})).await.status().as_u16()
        };
        let (here, there) = tokio::join!(change(&server, "here"), change(&other_node, "there"));
        assert!([(200, 412), (412, 200)].contains(&(here, there)), "{here} {there}");
        let winner = if here == 200 { "here" } else { "there" };
        assert_eq!(json_of(&server.admin("GET", "/clients/c_two", Value::Null).await)["description"], winner);
    }
    // Without a tag both happen, one after the other, and neither is lost.
    let set = async |node: &Server, patch: Value| node.admin_as(&token, "PATCH", "/clients/c_two", &[], patch).await.status().as_u16();
    let both = tokio::join!(set(&server, json!({"owner": "here"})), set(&other_node, json!({"tags": ["there"]})));
    assert_eq!(both, (200, 200));
    let after = json_of(&server.admin("GET", "/clients/c_two", Value::Null).await);
    assert_eq!((&after["owner"], &after["tags"], &after["version"]), (&json!("here"), &json!(["there"]), &json!(13)));
}

#[tokio::test]
async fn a_patch_is_a_merge_patch() {
    // RFC 7396: null takes a member back to its default, lists are replaced, what is not named stays
    let server = Server::start().await;
    server.fixtures().await;
    server.client("c_cc", json!({"tags": ["a", "b"], "roles": ["x"], "access_token_ttl": 60, "realm": "staff", "access_token_format": "opaque", "description": "d"})).await;
    let before = json_of(&server.admin("GET", "/clients/c_cc", Value::Null).await);
    let unchanged = json_of(&server.admin("PATCH", "/clients/c_cc", json!({})).await);
    for (member, value) in before.as_object().unwrap().iter().filter(|(member, _)| *member != "version") {
        assert_eq!(unchanged[member], *value, "{member}");
    }
    let patched = json_of(
        &server
            .admin(
                "PATCH",
                "/clients/c_cc",
                json!({"tags": ["c"], "roles": null, "access_token_ttl": null, "realm": null, "access_token_format": null}),
            )
            .await,
    );
    let of =
        |object: &Value| ["tags", "roles", "access_token_ttl", "realm", "access_token_format", "description"].map(|member| object[member].clone());
    assert_eq!(of(&patched), [json!(["c"]), json!([]), json!(null), json!("default"), json!("jwt"), json!("d")]);
    for (wrong, pointer) in [
        (json!({"grant_types": null}), "/grant_types"),
        (json!({"client_name": null}), "/client_name"),
        (json!({"client_id": "other"}), "/client_id"),
        (json!({"client_secret": "x"}), "/client_secret"),
        (json!({"version": 9}), "/version"),
        (json!({"tokens_valid_from": 0}), "/tokens_valid_from"),
        (json!({"secrets": []}), "/secrets"),
        (json!({"scopes": ["x"]}), "/scopes/0"),
        (json!({"default_scopes": ["https://billing.example/read"]}), "/default_scopes/0"),
        (json!({"tags": [{}]}), "/tags/0"),
        (json!({"client_type": "public"}), "/grant_types/0"),
    ] {
        let response = server.admin("PATCH", "/clients/c_cc", wrong.clone()).await;
        assert_eq!((response.status().as_u16(), &json_of(&response)["errors"][0]["pointer"]), (400, &json!(pointer)), "{wrong}");
    }
    assert_eq!(json_of(&server.admin("GET", "/clients/c_cc", Value::Null).await), patched, "nothing of a refused patch is written");
}

#[tokio::test]
async fn nobody_gives_away_more_than_they_have() {
    // A-12, CONTRACT 3: not by creating, changing, deleting, nor by a secret of a client that may do more
    let server = Server::start().await;
    server.fixtures().await;
    let scopes = json!(["urn:gatewright:admin:clients.write", "urn:gatewright:admin:clients.read"]);
    let limited = server.client("limited", json!({"scopes": scopes})).await;
    let token = server.token(&limited, "").await;
    server.client("c_cc", json!({})).await;
    server.client("strong", json!({"scopes": ["urn:gatewright:admin:keys.write"]})).await;
    let secret_id = json_of(&server.admin("GET", "/clients/strong/secrets", Value::Null).await)["items"][0]["secret_id"].as_str().unwrap().to_owned();
    let keys = json!(["urn:gatewright:admin:keys.write"]);
    let new = |scopes: &Value| json!({"client_id": "new", "client_name": "new", "grant_types": ["client_credentials"], "scopes": scopes});
    let deletion = format!("/clients/strong/secrets/{secret_id}");
    let strong = json_of(&server.admin("GET", "/clients/strong", Value::Null).await);
    for (method, path, body) in [
        ("POST", "/clients", new(&keys)),
        ("PATCH", "/clients/c_cc", json!({"scopes": keys})),
        ("PATCH", "/clients/limited", json!({"scopes": ["urn:gatewright:admin:clients.write", "urn:gatewright:admin:keys.write"]})),
        ("PATCH", "/clients/strong", json!({"description": "x"})),
        ("PATCH", "/clients/strong", json!({"active": false})),
        ("PATCH", "/clients/strong", json!({"scopes": []})),
        ("PATCH", "/clients/strong", json!({"scopes": null})),
        ("DELETE", "/clients/strong", Value::Null),
        ("POST", "/clients/strong/secrets", json!({})),
        ("DELETE", deletion.as_str(), Value::Null),
        ("PATCH", "/clients/root", json!({"active": false, "scopes": []})),
        ("DELETE", "/clients/root", Value::Null),
        ("POST", "/clients/root/secrets", Value::Null),
    ] {
        assert_eq!(server.admin_as(&token, method, path, &[], body).await.status(), 403, "{method} {path}");
    }
    expect![[r#"
        403 Forbidden
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        www-authenticate: Bearer realm="gatewright", error="insufficient_scope", scope="urn:gatewright:admin:keys.write", resource_metadata="https://auth.example/.well-known/oauth-protected-resource/admin/v1"
        x-content-type-options: nosniff

        {"detail":"the client has or would have the scope urn:gatewright:admin:keys.write, which the access token lacks","status":403,"title":"Forbidden","type":"about:blank"}"#]].assert_eq(&shown(&server.admin_as(&token, "POST", "/clients", &[], new(&keys)).await));
    assert_eq!(json_of(&server.admin("GET", "/clients/strong", Value::Null).await), strong);
    // What it holds itself it may give.
    assert_eq!(server.admin_as(&token, "POST", "/clients", &[], new(&scopes)).await.status(), 201);
    assert_eq!(server.admin_as(&token, "PATCH", "/clients/c_cc", &[], json!({"description": "x"})).await.status(), 200);
    // What counts is the token, not what its client could ask for.
    let narrow = server.token(&limited, "scope=urn:gatewright:admin:clients.write").await;
    assert_eq!(server.admin_as(&narrow, "PATCH", "/clients/new", &[], json!({"description": "x"})).await.status(), 403);
}

#[tokio::test]
async fn a_client_has_at_most_two_live_secrets() {
    // I-05, CONTRACT 3
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    server.token(&client, "").await;
    let second = server.admin("POST", "/clients/c_cc/secrets", json!({"expires_in": 3_600})).await;
    expect![[r#"
        201 Created
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"client_secret":"[gw_cs]","created_at":"2026-11-20T18:00:00Z","expires_at":"2026-11-20T19:00:00Z","secret_id":"[secret_id]"}"#]]
    .assert_eq(&pinned(&second, &["secret_id"]));
    expect![[r#"
        409 Conflict
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"the client has two live secrets, delete one first","status":409,"title":"Conflict","type":"about:blank"}"#]]
    .assert_eq(&shown(&server.admin("POST", "/clients/c_cc/secrets", Value::Null).await));
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"items":[{"created_at":"2026-11-20T18:00:00Z","expires_at":null,"last_used_at":"2026-11-20T00:00:00Z","secret_id":"[secret_id]"},{"created_at":"2026-11-20T18:00:00Z","expires_at":"2026-11-20T19:00:00Z","last_used_at":null,"secret_id":"[secret_id]"}],"next_cursor":null}"#]].assert_eq(&pinned(&server.admin("GET", "/clients/c_cc/secrets", Value::Null).await, &["secret_id"]));
    server.pass(3_600);
    let third = server.admin("POST", "/clients/c_cc/secrets", json!({"expires_in": null})).await;
    assert_eq!(third.status(), 201, "an expired one is no live one");
    let ids = json_of(&server.admin("GET", "/clients/c_cc/secrets", Value::Null).await)["items"].clone();
    assert_eq!(ids.as_array().unwrap().len(), 2, "{ids}");
    for wrong in [
        json!({"expires_in": 0}),
        json!({"expires_in": -1}),
        json!({"expires_in": 315_360_001}),
        json!({"expires_in": "1"}),
        json!({"client_secret": "mine"}),
    ] {
        assert_eq!(server.admin("POST", "/clients/c_cc/secrets", wrong.clone()).await.status(), 400, "{wrong}");
    }
    assert_eq!(server.admin("DELETE", "/clients/c_cc/secrets/nothing", Value::Null).await.status(), 404);
    let public = json!({"client_id": "p1", "client_name": "p1", "client_type": "public", "grant_types": ["authorization_code"], "redirect_uris": ["http://127.0.0.1/cb"]});
    server.create("/clients", public).await;
    assert_eq!(server.admin("POST", "/clients/p1/secrets", Value::Null).await.status(), 409);
    // Many at once: never more than two.
    server.client("c_new", json!({})).await;
    let token = server.admin_token().await;
    let nodes = std::sync::Arc::new([server.another().await, server.another().await]);
    let mut attempts = tokio::task::JoinSet::new();
    for number in 0..10 {
        let (nodes, token) = (std::sync::Arc::clone(&nodes), token.clone());
        attempts.spawn(async move { nodes[number % 2].admin_as(&token, "POST", "/clients/c_new/secrets", &[], Value::Null).await.status().as_u16() });
    }
    let answers = attempts.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [201, 409, 503].contains(status)), "{answers:?}");
}

#[tokio::test]
async fn the_tokens_of_a_deleted_client_stay_dead_when_its_id_is_used_again() {
    // AD-09
    let server = Server::start().await;
    server.fixtures().await;
    let caller = server.client("c_all", json!({"introspect": true})).await;
    let other_node = server.another().await;
    for (format, pause) in [("jwt", 0), ("opaque", 0), ("jwt", 1), ("opaque", 600)] {
        let first = server.client("c_cc", json!({"access_token_format": format})).await;
        let old = server.token(&first, "").await;
        assert_eq!(server.get("/orders/1", &old).await.status(), 200);
        server.admin("DELETE", "/clients/c_cc", Value::Null).await;
        assert!(!is_active(&server, &caller, &old).await && !is_active(&other_node, &caller, &old).await);
        server.pass(pause);
        let second = server.client("c_cc", json!({"access_token_format": format})).await;
        assert_eq!(outcome(&server.post("/oauth2/token", &first, "grant_type=client_credentials").await), "401 invalid_client");
        let new = server.token(&second, "").await;
        for node in [&server, &other_node] {
            assert!(!is_active(node, &caller, &old).await, "{format} {pause}");
            assert!(is_active(node, &caller, &new).await, "{format} {pause}");
        }
        // An authorizer that knew the first client learns of the second within GATEWRIGHT_FEED_SECONDS.
        server.pass(5);
        assert_eq!(other_node.get("/orders/1", &new).await.status(), 200);
        assert_eq!(other_node.get("/orders/1", &old).await.status(), 401);
        server.admin("DELETE", "/clients/c_cc", Value::Null).await;
        server.pass(1);
    }
}

#[tokio::test]
async fn revoking_all_tokens_kills_the_old_and_lets_new_ones_live_from_the_same_second_on() {
    // CONTRACT 3, MI-03, AD-09
    let server = Server::start().await;
    server.fixtures().await;
    let other_node = server.another().await;
    server.create("/apis", json!({"name": "light", "audience": "https://light.example/", "scopes": [{"value": "read"}], "token_records": "revocations", "access": "authenticated"})).await;
    let neighbour = server.client("neighbour", json!({"introspect": true})).await;
    for (id, scope, format) in [
        ("c_jwt", "https://orders.example/read", "jwt"),
        ("c_opaque", "https://orders.example/read", "opaque"),
        ("c_light", "https://light.example/read", "jwt"),
    ] {
        let client = server.client(id, json!({"scopes": [scope], "access_token_format": format})).await;
        let (old, theirs) = (server.token(&client, "").await, server.token(&neighbour, "").await);
        assert!(is_active(&server, &neighbour, &old).await);
        let response = server.admin("POST", &format!("/clients/{id}/revoke-tokens"), Value::Null).await;
        assert_eq!((response.status().as_u16(), response.body().len()), (204, 0));
        let new = server.token(&client, "").await;
        if format == "jwt" {
            assert_eq!(claims(&new)["exp"].as_u64().unwrap() - claims(&new)["iat"].as_u64().unwrap(), 3_600);
        }
        for node in [&server, &other_node] {
            assert!(!is_active(node, &neighbour, &old).await, "{id}");
            assert!(is_active(node, &neighbour, &new).await, "{id}");
            assert!(is_active(node, &neighbour, &theirs).await, "{id}");
        }
        server.pass(3_600);
        assert!(is_active(&server, &neighbour, &new).await, "dated one second on, so that it lives its whole life");
        server.pass(1);
        assert!(!is_active(&server, &neighbour, &new).await);
    }
    assert_eq!(server.admin("POST", "/clients/nobody/revoke-tokens", Value::Null).await.status(), 404);
}
