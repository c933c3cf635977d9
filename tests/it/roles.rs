//! `/admin/v1/roles`, and the roles of clients.

use expect_test::expect;
use serde_json::{Value, json};

use crate::http::assert_nothing_written;
use crate::support::{Server, json_of, limited, shown, status};

async fn detail(server: &Server, method: &str, path: &str, body: Value) -> String {
    let answer = json_of(&server.admin(method, path, body).await);
    format!("{} {}", answer["status"], answer["detail"].as_str().unwrap())
}

async fn roles_of(server: &Server, client: &str) -> Value {
    json_of(&server.admin("GET", &format!("/clients/{client}"), Value::Null).await)["roles"].clone()
}

#[tokio::test]
async fn a_role_is_made_shown_changed_and_deleted() {
    // O-02, O-20, AD-05
    let server = Server::start().await;
    let made = server.admin("POST", "/roles", json!({"name": "license_role", "description": "May read licenses"})).await;
    expect![[r#"
        201 Created
        cache-control: no-store
        content-type: application/json
        etag: "1"
        pragma: no-cache
        x-content-type-options: nosniff

        {"created_at":"2026-11-20T18:00:00Z","description":"May read licenses","name":"license_role","updated_at":"2026-11-20T18:00:00Z","version":1}"#]].assert_eq(&shown(&made));
    assert_eq!(shown(&made).replacen("201 Created", "200 OK", 1), shown(&server.admin("GET", "/roles/license_role", Value::Null).await));
    server.pass(60);
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        etag: "2"
        pragma: no-cache
        x-content-type-options: nosniff

        {"created_at":"2026-11-20T18:00:00Z","description":"é 🔑","name":"license_role","updated_at":"2026-11-20T18:01:00Z","version":2}"#]]
    .assert_eq(&shown(&server.admin("PATCH", "/roles/license_role", json!({"description": "é 🔑"})).await));
    // RFC 7396: null takes a member back to its default.
    let back = json_of(&server.admin("PATCH", "/roles/license_role", json!({"description": null})).await);
    assert_eq!((&back["description"], &back["version"]), (&json!(""), &json!(3)));
    let gone = server.admin("DELETE", "/roles/license_role", Value::Null).await;
    assert_eq!((gone.status().as_u16(), gone.body().len()), (204, 0));
    for (method, body) in [("GET", Value::Null), ("PATCH", json!({})), ("DELETE", Value::Null)] {
        assert_eq!(status(&server, method, "/roles/license_role", body).await, 404, "{method}");
    }
    assert_eq!(server.create("/roles", json!({"name": "license_role"})).await["version"], 1, "the name is free again");
}

#[tokio::test]
async fn a_name_is_one_roles_and_lists_no_others() {
    // O-02, T-19
    let server = Server::start().await;
    server.create("/roles", json!({"name": "clerk"})).await;
    expect!["409 a role of this name exists"].assert_eq(&detail(&server, "POST", "/roles", json!({"name": "clerk"})).await);
    assert_eq!(status(&server, "POST", "/roles", json!({"name": "Clerk"})).await, 201, "names keep their case");
    let mut answers = String::new();
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "a,b"}),
        json!({"name": "a b"}),
        json!({"name": "a\u{0}b"}),
        json!({"name": "a/b"}),
        json!({"name": "rôle"}),
        json!({"name": "r".repeat(65)}),
        json!({"name": ["a"]}),
        json!({"name": "a", "description": 1}),
        json!({"name": "a", "description": "x".repeat(501)}),
        json!({"name": "a", "description": "a\nb"}),
        json!({"name": "a", "users": [], "version": 7}),
    ] {
        let response = server.admin("POST", "/roles", body.clone()).await;
        assert_eq!(response.status(), 400, "{body} {}", shown(&response));
        answers.push_str(&format!("{:.50} {}\n", body.to_string(), json_of(&response)["errors"]));
    }
    expect![[r#"
        {} [{"detail":"missing field `name`","pointer":"/name"}]
        {"name":""} [{"detail":"a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -","pointer":"/name"}]
        {"name":"a,b"} [{"detail":"a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -","pointer":"/name"}]
        {"name":"a b"} [{"detail":"a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -","pointer":"/name"}]
        {"name":"a\u0000b"} [{"detail":"a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -","pointer":"/name"}]
        {"name":"a/b"} [{"detail":"a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -","pointer":"/name"}]
        {"name":"rôle"} [{"detail":"a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -","pointer":"/name"}]
        {"name":"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr [{"detail":"a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -","pointer":"/name"}]
        {"name":["a"]} [{"detail":"invalid type: sequence, expected a string","pointer":"/name"}]
        {"description":1,"name":"a"} [{"detail":"invalid type: integer `1`, expected a string","pointer":"/description"}]
        {"description":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx [{"detail":"must be at most 500 characters without control characters","pointer":"/description"}]
        {"description":"a\nb","name":"a"} [{"detail":"must be at most 500 characters without control characters","pointer":"/description"}]
        {"name":"a","users":[],"version":7} [{"detail":"is not a member of this object","pointer":"/users"},{"detail":"is not a member of this object","pointer":"/version"}]
    "#]].assert_eq(&answers);
    expect![[r#"
        400 Bad Request
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"the request has faults, see errors","errors":[{"detail":"cannot be changed, make another role","pointer":"/name"}],"status":400,"title":"Bad Request","type":"about:blank"}"#]].assert_eq(&shown(&server.admin("PATCH", "/roles/clerk", json!({"name": "other"})).await));
    assert_eq!(status(&server, "PATCH", "/roles/clerk", json!({"name": "clerk"})).await, 200, "the name it has");
    assert_eq!(status(&server, "PATCH", "/roles/clerk", json!({"uses": 0})).await, 400);
    for path in ["/roles/a%20b", "/roles/a,b", "/roles/", "/roles/clerk/", "/roles/clerk/x"] {
        assert_eq!(status(&server, "GET", path, Value::Null).await, 404, "{path}");
    }
}

#[tokio::test]
async fn roles_are_listed_by_name_page_by_page() {
    // AD-07: every role once, whatever the page
    let server = Server::start().await;
    let mut names: Vec<String> = (0..7).map(|number| format!("role{number}")).collect();
    for name in names.iter().rev() {
        server.create("/roles", json!({"name": name, "description": name})).await;
    }
    for limit in [1, 3, 7, 100] {
        let (mut listed, mut next) = (Vec::new(), String::new());
        loop {
            let page = json_of(&server.admin("GET", &format!("/roles?limit={limit}{next}"), Value::Null).await);
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit && items.iter().all(|item| item["name"] == item["description"]), "{page}");
            listed.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(listed, names, "{limit}");
    }
    assert_eq!(status(&server, "DELETE", "/roles/role3", Value::Null).await, 204);
    names.remove(3);
    let listed = json_of(&server.admin("GET", "/roles", Value::Null).await);
    assert_eq!(listed["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
    for query in ["limit=0", "limit=101", "limit=x", "cursor=%21", "limit=1&limit=2"] {
        assert_eq!(status(&server, "GET", &format!("/roles?{query}"), Value::Null).await, 400, "{query}");
    }
}

#[tokio::test]
async fn whoever_reads_roles_needs_access_read_and_whoever_changes_them_access_write() {
    // I-01, AD-01, AD-02, BE-07
    let server = Server::start().await;
    server.fixtures().await;
    server.create("/roles", json!({"name": "clerk"})).await;
    server.client("c_cc", json!({})).await;
    let all_others = ["clients.read", "clients.write", "apis.read", "apis.write", "tokens.read", "tokens.write", "keys.read", "audit.read"];
    let (none, read, write) = (
        limited(&server, "none", &all_others).await,
        limited(&server, "read", &["access.read"]).await,
        limited(&server, "write", &["access.write"]).await,
    );
    server.proxy.calls();
    let body = json!({"name": "x"});
    for (method, path, scope) in [
        ("GET", "/roles", "access.read"),
        ("GET", "/roles/clerk", "access.read"),
        ("POST", "/roles", "access.write"),
        ("PATCH", "/roles/clerk", "access.write"),
        ("DELETE", "/roles/clerk", "access.write"),
        ("GET", "/privileges", "access.read"),
        ("GET", "/privileges/x", "access.read"),
        ("POST", "/privileges", "access.write"),
        ("PATCH", "/privileges/x", "access.write"),
        ("DELETE", "/privileges/x", "access.write"),
        ("GET", "/routes/explain?method=GET&path=/orders", "access.read"),
    ] {
        let without = if scope == "access.read" { &write } else { &read };
        for token in [&none, without] {
            let refused = server.admin_as(token, method, path, &[], body.clone()).await;
            let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
            let expected = format!("error=\"insufficient_scope\", scope=\"urn:gatewright:admin:{scope}\"");
            assert_eq!((refused.status().as_u16(), challenge.contains(&expected)), (403, true), "{method} {path} {challenge}");
        }
        let nobody = server.send(method, &format!("/admin/v1{path}"), &[], body.to_string()).await;
        assert_eq!(nobody.status(), 401, "{method} {path}");
    }
    // What a client has is the client's: access.write gives no role away.
    for method in ["PUT", "DELETE"] {
        assert_eq!(server.admin_as(&write, method, "/clients/c_cc/roles/clerk", &[], Value::Null).await.status(), 403, "{method}");
    }
    assert_nothing_written(&server);
    assert_eq!(server.admin_as(&read, "GET", "/roles/clerk", &[], Value::Null).await.status(), 200);
    assert_eq!(server.admin_as(&write, "POST", "/roles", &[], body).await.status(), 201);
    assert_eq!(server.admin_as(&none, "PUT", "/clients/c_cc/roles/clerk", &[], Value::Null).await.status(), 204);
}

#[tokio::test]
async fn a_change_for_another_version_of_a_role_does_not_happen() {
    // AD-05, RFC 9110 §13.1.1
    let server = Server::start().await;
    server.create("/roles", json!({"name": "clerk"})).await;
    let token = server.admin_token().await;
    let patch = async |node: &Server, tag: &str, text: &str| {
        node.admin_as(&token, "PATCH", "/roles/clerk", &[("if-match", tag)], json!({"description": text})).await.status().as_u16()
    };
    assert_eq!(patch(&server, "\"1\"", "first").await, 200);
    for stale in ["\"1\"", "\"3\"", "2", "W/\"2\"", ""] {
        assert_eq!(patch(&server, stale, "stale").await, 412, "{stale}");
        assert_eq!(server.admin_as(&token, "DELETE", "/roles/clerk", &[("if-match", stale)], Value::Null).await.status(), 412, "{stale}");
    }
    assert_eq!(json_of(&server.admin("GET", "/roles/clerk", Value::Null).await)["description"], "first");
    // At once, on two nodes: one happens with a tag, both without one.
    let other = server.another().await;
    for round in 2..10 {
        let tag = format!("\"{round}\"");
        let both = tokio::join!(patch(&server, &tag, "here"), patch(&other, &tag, "there"));
        assert!([(200, 412), (412, 200)].contains(&both), "{both:?}");
    }
    assert_eq!(tokio::join!(patch(&server, "*", "here"), patch(&other, "*", "there")), (200, 200));
    assert_eq!(server.admin_as(&token, "DELETE", "/roles/clerk", &[("if-match", "\"12\"")], Value::Null).await.status(), 204);
}

#[tokio::test]
async fn a_client_is_given_a_role_and_it_is_taken_again() {
    // O-12, O-20, AD-06: both are idempotent
    let server = Server::start().await;
    server.fixtures().await;
    server.client("c_none", json!({})).await;
    server.roles(&["license_role", "clerk"]).await;
    for role in ["license_role", "clerk", "license_role"] {
        let given = server.admin("PUT", &format!("/clients/c_none/roles/{role}"), Value::Null).await;
        assert_eq!((given.status().as_u16(), given.body().len()), (204, 0));
    }
    assert_eq!(roles_of(&server, "c_none").await, json!(["license_role", "clerk"]));
    for _ in 0..2 {
        assert_eq!(status(&server, "DELETE", "/clients/c_none/roles/license_role", Value::Null).await, 204);
    }
    assert_eq!(roles_of(&server, "c_none").await, json!(["clerk"]));
    for path in ["/clients/nobody/roles/clerk", "/clients/c_none/roles/nothing", "/clients/c_none/roles/a%2Cb", "/clients/c_none/roles/"] {
        assert_eq!(status(&server, "PUT", path, Value::Null).await, 404, "{path}");
    }
    assert_eq!(status(&server, "DELETE", "/clients/nobody/roles/clerk", Value::Null).await, 404);
    expect![[r#"
        405 Method Not Allowed
        allow: PUT, DELETE
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"use PUT, DELETE","status":405,"title":"Method Not Allowed","type":"about:blank"}"#]]
    .assert_eq(&shown(&server.admin("POST", "/clients/c_none/roles/clerk", json!({})).await));
    assert_eq!(roles_of(&server, "c_none").await, json!(["clerk"]));
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_pointed_at() {
    // O-03, O-11, AD-08, AD-14
    let server = Server::start().await;
    server.fixtures().await;
    server.client("c_cc", json!({"roles": ["clerk"]})).await;
    let body = json!({"client_name": "new", "grant_types": ["client_credentials"], "roles": ["clerk", "nothing", "nobody"]});
    expect![[r#"
        400 Bad Request
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"the request has faults, see errors","errors":[{"detail":"there is no role nothing, make it first","pointer":"/roles/1"},{"detail":"there is no role nobody, make it first","pointer":"/roles/2"}],"status":400,"title":"Bad Request","type":"about:blank"}"#]].assert_eq(&shown(&server.admin("POST", "/clients", body).await));
    let patched = json_of(&server.admin("PATCH", "/clients/c_cc", json!({"roles": ["nothing"]})).await);
    assert_eq!((&patched["status"], &patched["errors"][0]["pointer"]), (&json!(400), &json!("/roles/0")));
    let twice = json_of(&server.admin("PATCH", "/clients/c_cc", json!({"roles": ["clerk", "clerk"]})).await);
    assert_eq!((&twice["status"], &twice["errors"][0]["pointer"]), (&json!(400), &json!("/roles")));
    assert_eq!(roles_of(&server, "c_cc").await, json!(["clerk"]));
}

#[tokio::test]
async fn a_role_in_use_cannot_be_deleted_and_is_free_when_nothing_uses_it() {
    // O-02
    let server = Server::start().await;
    server.fixtures().await;
    server.roles(&["manager"]).await;
    let delete = async || detail(&server, "DELETE", "/roles/manager", Value::Null).await;
    let privilege = json!({"name": "p", "api": "orders", "roles": ["manager"]});
    let one = "409 the role is used 1 times: take it from the clients, users, groups and privileges that name it first";
    // By a client: created with it, given it, patched to it; released by taking, patching and deleting.
    server.client("c_1", json!({"roles": ["manager"]})).await;
    assert_eq!(delete().await, one);
    assert_eq!(status(&server, "DELETE", "/clients/c_1/roles/manager", Value::Null).await, 204);
    server.create("/privileges", privilege.clone()).await;
    assert_eq!(delete().await, one);
    // Twice taken is once less, not twice.
    assert_eq!(status(&server, "DELETE", "/clients/c_1/roles/manager", Value::Null).await, 204);
    assert_eq!(delete().await, one);
    for _ in 0..2 {
        assert_eq!(status(&server, "PUT", "/clients/c_1/roles/manager", Value::Null).await, 204);
    }
    expect!["409 the role is used 2 times: take it from the clients, users, groups and privileges that name it first"].assert_eq(&delete().await);
    // By the privilege: released by patching it, or deleting it.
    assert_eq!(status(&server, "PATCH", "/privileges/p", json!({"roles": []})).await, 200);
    assert_eq!(delete().await, one);
    assert_eq!(status(&server, "PATCH", "/clients/c_1", json!({"roles": null})).await, 200);
    assert_eq!(status(&server, "PATCH", "/privileges/p", json!({"roles": ["manager"]})).await, 200);
    assert_eq!(delete().await, one);
    assert_eq!(status(&server, "DELETE", "/privileges/p", Value::Null).await, 204);
    assert_eq!(status(&server, "PATCH", "/clients/c_1", json!({"roles": ["manager"]})).await, 200);
    assert_eq!(delete().await, one);
    assert_eq!(status(&server, "DELETE", "/clients/c_1", Value::Null).await, 204);
    // What is refused uses nothing.
    assert_eq!(status(&server, "POST", "/clients", json!({"client_name": "x", "grant_types": [], "roles": ["manager"], "x": 1})).await, 400);
    server.create("/privileges", json!({"name": "p", "api": "orders"})).await;
    assert_eq!(status(&server, "POST", "/privileges", privilege.clone()).await, 409);
    assert_eq!(status(&server, "DELETE", "/roles/manager", Value::Null).await, 204);
}

#[tokio::test]
async fn a_role_that_is_given_and_deleted_at_once_is_never_both() {
    // O-02, MI-02: two nodes
    let server = Server::start().await;
    server.fixtures().await;
    let other = server.another().await;
    server.client("c_cc", json!({})).await;
    for round in 0..10 {
        server.roles(&["clerk"]).await;
        let privilege = json!({"name": "p", "api": "orders", "roles": ["clerk"]});
        let (used, deleted) = match round % 2 {
            0 => {
                tokio::join!(status(&server, "PUT", "/clients/c_cc/roles/clerk", Value::Null), status(&other, "DELETE", "/roles/clerk", Value::Null))
            }
            _ => tokio::join!(status(&server, "POST", "/privileges", privilege), status(&other, "DELETE", "/roles/clerk", Value::Null)),
        };
        let is_there = status(&server, "GET", "/roles/clerk", Value::Null).await == 200;
        assert_eq!((used < 300, deleted == 409, deleted == 204), (is_there, is_there, !is_there), "{used} {deleted}");
        assert!(used < 500, "{used}");
        status(&server, "DELETE", "/clients/c_cc/roles/clerk", Value::Null).await;
        status(&server, "DELETE", "/privileges/p", Value::Null).await;
    }
}

#[tokio::test]
async fn the_audit_trail_says_who_did_what_to_roles() {
    // AD-11, I-04, G3
    let server = Server::start().await;
    server.fixtures().await;
    server.client("c_cc", json!({})).await;
    server.pass(60);
    server.create("/roles", json!({"name": "clerk"})).await;
    server.admin("PATCH", "/roles/clerk", json!({"description": "x"})).await;
    server.admin("PUT", "/clients/c_cc/roles/clerk", Value::Null).await;
    assert_eq!(status(&server, "DELETE", "/roles/clerk", Value::Null).await, 409, "leaves no entry");
    server.admin("DELETE", "/clients/c_cc/roles/clerk", Value::Null).await;
    server.admin("DELETE", "/roles/clerk", Value::Null).await;
    let trail = json_of(&server.admin("GET", "/audit?from=2026-11-20T18:00:30Z&limit=100", Value::Null).await);
    let mut lines: Vec<String> =
        trail["items"].as_array().unwrap().iter().filter(|entry| entry["event"] != "token.issued").map(Value::to_string).collect();
    lines.sort();
    expect![[r#"
        {"actor":"root","client_id":"c_cc","event":"client.role_granted","object":"clerk","outcome":"done","time":"2026-11-20T18:01:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.role_taken","object":"clerk","outcome":"done","time":"2026-11-20T18:01:00Z"}
        {"actor":"root","event":"role.changed","object":"clerk","outcome":"done","time":"2026-11-20T18:01:00Z"}
        {"actor":"root","event":"role.created","object":"clerk","outcome":"done","time":"2026-11-20T18:01:00Z"}
        {"actor":"root","event":"role.deleted","object":"clerk","outcome":"done","time":"2026-11-20T18:01:00Z"}"#]]
    .assert_eq(&lines.join("\n"));
}
