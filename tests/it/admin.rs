//! The admin API: who may, what requests must look like, what lists are.

use std::collections::BTreeSet;

use expect_test::expect;
use serde_json::{Value, json};

use crate::http::{assert_nothing_written, outcome, pinned};
use crate::support::{ADMIN, ADMIN_SECRET, Server, basic, json_of, limited, shown};

/// Every path of the admin API with the methods that it takes and the scope that each asks for.
const ROUTES: [(&str, &str, &str); 22] = [
    ("GET", "/clients", "clients.read"),
    ("POST", "/clients", "clients.write"),
    ("GET", "/clients/c_cc", "clients.read"),
    ("PATCH", "/clients/c_cc", "clients.write"),
    ("DELETE", "/clients/c_cc", "clients.write"),
    ("POST", "/clients/c_cc/revoke-tokens", "tokens.write"),
    ("GET", "/clients/c_cc/secrets", "clients.read"),
    ("POST", "/clients/c_cc/secrets", "clients.write"),
    ("DELETE", "/clients/c_cc/secrets/x", "clients.write"),
    ("GET", "/apis", "apis.read"),
    ("POST", "/apis", "apis.write"),
    ("GET", "/apis/orders", "apis.read"),
    ("PATCH", "/apis/orders", "apis.write"),
    ("DELETE", "/apis/orders", "apis.write"),
    ("GET", "/tokens", "tokens.read"),
    ("GET", "/tokens/x", "tokens.read"),
    ("DELETE", "/tokens/x", "tokens.write"),
    ("GET", "/keys", "keys.read"),
    ("POST", "/keys/rotate", "keys.write"),
    ("GET", "/audit", "audit.read"),
    ("GET", "/usage", "stats.read"),
    ("GET", "/stats/latest/instance", "stats.read"),
];

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

async fn call(server: &Server, method: &str, path: &str, authorization: &str, body: &str) -> shared::endpoints::Response {
    server.send(method, &format!("/admin/v1{path}"), &[("authorization", authorization), ("content-type", "application/json")], body.to_owned()).await
}

#[tokio::test]
async fn nothing_is_to_be_had_without_a_token_of_the_admin_api() {
    // A-01, AD-01, MD-19, I-01, G4: every route, every method, unknown paths too
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let of_another_api = format!("Bearer {}", server.token(&client, "").await);
    let short = server.client("short", json!({"scopes": ["urn:gatewright:admin:clients.read"], "access_token_ttl": 1})).await;
    let expired = format!("Bearer {}", server.token(&short, "").await);
    server.pass(1);
    let token = server.admin_token().await;
    server.node().flush(&server.fresh()).await;
    server.proxy.calls();
    let bad = [
        of_another_api,
        expired,
        "Bearer x".to_owned(),
        format!("Bearer: {token}"),
        format!("Bearer{token}"),
        format!("Token {token}"),
        token.clone(),
        "Bearer ".to_owned(),
        basic(ADMIN, ADMIN_SECRET),
    ];
    let unknown = ["", "/", "/x", "/clients/c_cc/x", "/clients/c_cc/secrets/x/y", "/users", "/roles", "/keys/x", "/stats", "/clients/../keys"];
    for path in ROUTES.iter().map(|(_, path, _)| *path).chain(unknown) {
        for method in METHODS {
            let none = server.send(method, &format!("/admin/v1{path}"), &[], "{}").await;
            assert_eq!(none.status(), 401, "{method} {path}");
            assert_eq!(
                none.headers()["www-authenticate"],
                "Bearer realm=\"gatewright\", resource_metadata=\"https://auth.example/.well-known/oauth-protected-resource/admin/v1\""
            );
        }
        for authorization in &bad {
            let response = call(&server, "GET", path, authorization, "").await;
            assert_eq!(response.status(), 401, "{path} {authorization}");
        }
    }
    assert_nothing_written(&server);
    let in_query = server.send("GET", &format!("/admin/v1/clients?access_token={token}"), &[], "").await;
    assert_eq!(in_query.status(), 401, "I-18");
    expect![[r#"
        401 Unauthorized
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        www-authenticate: Bearer realm="gatewright", resource_metadata="https://auth.example/.well-known/oauth-protected-resource/admin/v1"
        x-content-type-options: nosniff

        {"detail":"send an access token of the admin API as Authorization: Bearer","status":401,"title":"Unauthorized","type":"about:blank"}"#]]
    .assert_eq(&shown(&in_query));
    expect![[r#"
        401 Unauthorized
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        www-authenticate: Bearer realm="gatewright", error="invalid_token", resource_metadata="https://auth.example/.well-known/oauth-protected-resource/admin/v1"
        x-content-type-options: nosniff

        {"detail":"the access token is not valid for the admin API","status":401,"title":"Unauthorized","type":"about:blank"}"#]].assert_eq(&shown(&call(&server, "GET", "/clients", "Bearer x", "").await));
}

#[tokio::test]
async fn each_route_asks_for_its_scope() {
    // I-01, A-12, AD-01: with every scope but the one that is asked for, and with that one alone
    let server = Server::start().await;
    server.fixtures().await;
    server.client("c_cc", json!({})).await;
    let values: BTreeSet<&str> = ROUTES.iter().map(|(_, _, value)| *value).collect();
    for value in &values {
        let others: Vec<&str> = values.iter().filter(|other| *other != value).copied().collect();
        let without = format!("Bearer {}", limited(&server, &format!("no.{value}"), &others).await);
        let with = format!("Bearer {}", limited(&server, &format!("only.{value}"), &[value]).await);
        for (method, path, _) in ROUTES.iter().filter(|(_, _, wanted)| wanted == value) {
            server.node().flush(&server.fresh()).await;
            server.proxy.calls();
            let refused = call(&server, method, path, &without, "{}").await;
            assert_eq!(refused.status(), 403, "{method} {path}");
            let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
            assert!(
                challenge.starts_with("Bearer ")
                    && challenge.contains(&format!("error=\"insufficient_scope\", scope=\"urn:gatewright:admin:{value}\"")),
                "{challenge}"
            );
            assert_nothing_written(&server);
            // Bad bodies and unknown objects, so that nothing is deleted on the way: all of it behind the gate.
            let path = path.replace("c_cc", "nobody").replace("orders", "nothing");
            let passed = call(&server, method, &path, &with, "[]").await;
            assert!([200, 400, 404].contains(&passed.status().as_u16()), "{method} {path} {}", shown(&passed));
        }
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_405() {
    let server = Server::start().await;
    let token = format!("Bearer {}", server.admin_token().await);
    for (_, path, _) in ROUTES {
        let takes: BTreeSet<&str> = ROUTES.iter().filter(|(_, other, _)| *other == path).map(|(method, _, _)| *method).collect();
        for method in METHODS.iter().filter(|method| !takes.contains(*method)) {
            let response = call(&server, method, path, &token, "{}").await;
            assert_eq!(response.status(), 405, "{method} {path}");
            let allow: BTreeSet<&str> = response.headers()["allow"].to_str().unwrap().split(", ").collect();
            assert_eq!(allow, takes, "{path}");
        }
    }
    expect![[r#"
        405 Method Not Allowed
        allow: GET, POST
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"use GET, POST","status":405,"title":"Method Not Allowed","type":"about:blank"}"#]]
    .assert_eq(&shown(&call(&server, "PUT", "/clients", &token, "{}").await));
    expect![[r#"
        404 Not Found
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"there is nothing at this path","status":404,"title":"Not Found","type":"about:blank"}"#]]
    .assert_eq(&shown(&call(&server, "GET", "/clients/nobody", &token, "").await));
}

#[tokio::test]
async fn statistics_are_for_their_reader() {
    // A-02, A-03, A-10, A-12, script 4
    let server = Server::start().await;
    server.fixtures().await;
    let made = server
        .admin(
            "POST",
            "/clients",
            json!({"client_id": "stats-reader", "client_name": "stats-reader", "contacts": ["ops@example.com"],
        "grant_types": ["client_credentials"], "scopes": ["urn:gatewright:admin:stats.read"]}),
        )
        .await;
    assert_eq!(made.status(), 201);
    let client = basic("stats-reader", json_of(&made)["client_secret"].as_str().unwrap());
    let granted = json_of(&server.post("/oauth2/token", &client, "grant_type=client_credentials").await);
    assert_eq!((granted["scope"].as_str(), granted["expires_in"].as_u64()), (Some("stats.read"), Some(3_600)));
    let token = granted["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    server.node().flush(&server.fresh()).await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"items":[{"log_day":"2026-11-20","tokens_issued":4}]}"#]]
    .assert_eq(&shown(&call(&server, "GET", "/stats/latest/instance", &bearer, "").await));
    assert_eq!(
        call(&server, "GET", "/stats/latest/instance", &format!("Bearer: {token}"), "").await.status(),
        401,
        "A-10: with a colon, as the document prints it"
    );
    expect![[r#"
        403 Forbidden
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        www-authenticate: Bearer realm="gatewright", error="insufficient_scope", scope="urn:gatewright:admin:clients.write", resource_metadata="https://auth.example/.well-known/oauth-protected-resource/admin/v1"
        x-content-type-options: nosniff

        {"detail":"the access token lacks the scope urn:gatewright:admin:clients.write","status":403,"title":"Forbidden","type":"about:blank"}"#]].assert_eq(&shown(&call(&server, "POST", "/clients", &bearer, "{}").await));
    let ordinary = server.client("c_cc", json!({})).await;
    assert_eq!(server.get("/admin/v1/stats/latest/instance", &server.token(&ordinary, "").await).await.status(), 401, "a token of another audience");
}

#[tokio::test]
async fn the_first_administrator_is_made_once() {
    // A-02: a documented bootstrap that works once
    use shared::endpoints::bootstrap::{Given, bootstrap};
    let server = Server::start().await;
    let node = server.node();
    assert!(bootstrap(&node.store, Given { client_id: None, client_secret: None }, false, &server.fresh()).await.unwrap().is_none());
    let forced = bootstrap(&node.store, Given { client_id: None, client_secret: None }, true, &server.fresh()).await.unwrap().unwrap();
    let token = server.token(&basic(forced.client_id.as_str(), forced.client_secret.expose()), "").await;
    assert_eq!(server.get("/admin/v1/clients", &token).await.status(), 200);
    assert_eq!(
        outcome(&server.post("/oauth2/token", &basic(ADMIN, ADMIN_SECRET), "grant_type=client_credentials").await),
        "200",
        "the first one stays"
    );
}

#[tokio::test]
async fn the_whole_interface_can_be_switched_off() {
    // A-13
    let server = Server::with(&[("GATEWRIGHT_ADMIN_API", "off")]).await;
    let token = server.admin_token().await;
    for path in ROUTES.iter().map(|(_, path, _)| *path).chain(["/x"]) {
        for method in METHODS {
            assert_eq!(call(&server, method, path, &format!("Bearer {token}"), "{}").await.status(), 404, "{method} {path}");
            assert_eq!(server.send(method, &format!("/admin/v1{path}"), &[], "").await.status(), 404, "{method} {path}");
        }
    }
    assert_eq!(outcome(&server.post("/oauth2/introspect", &basic(ADMIN, ADMIN_SECRET), &format!("token={token}")).await), "200");
}

#[tokio::test]
async fn bodies_are_read_strictly() {
    // AD-14, AD-08, CVE-2026-27896
    let server = Server::start().await;
    let token = format!("Bearer {}", server.admin_token().await);
    server.proxy.calls();
    let good = r#""client_name":"x","grant_types":["client_credentials"]"#;
    let mut answers = String::new();
    for body in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        format!("{{{good}}} x"),
        format!("{{{good}}}{{}}"),
        format!("{{{good},\"client_name\":\"y\"}}"),
        format!("{{{good},\"Client_Name\":\"y\"}}"),
        format!("{{{good},\"unknown\":1,\"a/b~c\":2}}"),
        format!("{{{good},\"client_secret\":\"mine\"}}"),
        format!("{{{good},\"access_token_ttl\":NaN}}"),
        format!("{{{good},\"access_token_ttl\":1e400}}"),
        format!("{{{good},\"access_token_ttl\":1.5}}"),
        format!("{{{good},\"access_token_ttl\":-1}}"),
        format!("{{{good},\"access_token_ttl\":\"60\"}}"),
        format!("{{{good},\"active\":\"true\"}}"),
        format!("{{{good},\"tags\":[\"a\",1]}}"),
        format!("{{{good},\"tags\":[\"a b\"]}}"),
        format!("{{{good},\"scopes\":[\"https://nothing.example/read\"]}}"),
        format!("{{{good},\"client_id\":\"a b\"}}"),
        format!("{{{good},\"client_id\":7}}"),
        r#"{"client_name":"x"}"#.to_owned(),
        r#"{"client_name":"x","grant_types":[]}"#.to_owned(),
        r#"{"client_name":"x","grant_types":["implicit"]}"#.to_owned(),
        r#"{"client_name":"x","grant_types":["foo"]}"#.to_owned(),
        r#"{"client_name":" ","grant_types":["client_credentials","client_credentials"],"description":"a\u0000b","contacts":["x"]}"#.to_owned(),
        r#"{"client_name":"x","client_type":"public","grant_types":["client_credentials"]}"#.to_owned(),
        r#"{"client_name":"x","grant_types":["authorization_code"]}"#.to_owned(),
    ] {
        let response = call(&server, "POST", "/clients", &token, &body).await;
        assert_eq!(response.status(), 400, "{body}");
        let problem = json_of(&response);
        answers.push_str(&format!("{body}\n    {}\n", problem["errors"]));
    }
    assert_nothing_written(&server);
    expect![[r#"

            [{"detail":"is not JSON without repeated members: EOF while parsing a value at line 1 column 0","pointer":""}]
        null
            [{"detail":"must be a JSON object","pointer":""}]
        []
            [{"detail":"must be a JSON object","pointer":""}]
        {
            [{"detail":"is not JSON without repeated members: EOF while parsing an object at line 1 column 1","pointer":""}]
        {"client_name":"x","grant_types":["client_credentials"]} x
            [{"detail":"is not JSON without repeated members: trailing characters at line 1 column 58","pointer":""}]
        {"client_name":"x","grant_types":["client_credentials"]}{}
            [{"detail":"is not JSON without repeated members: trailing characters at line 1 column 57","pointer":""}]
        {"client_name":"x","grant_types":["client_credentials"],"client_name":"y"}
            [{"detail":"is not JSON without repeated members: a member stands twice at line 1 column 74","pointer":""}]
        {"client_name":"x","grant_types":["client_credentials"],"Client_Name":"y"}
            [{"detail":"is not a member of this object","pointer":"/Client_Name"}]
        {"client_name":"x","grant_types":["client_credentials"],"unknown":1,"a/b~c":2}
            [{"detail":"is not a member of this object","pointer":"/a~1b~0c"},{"detail":"is not a member of this object","pointer":"/unknown"}]
        {"client_name":"x","grant_types":["client_credentials"],"client_secret":"mine"}
            [{"detail":"is not a member of this object","pointer":"/client_secret"}]
        {"client_name":"x","grant_types":["client_credentials"],"access_token_ttl":NaN}
            [{"detail":"is not JSON without repeated members: expected value at line 1 column 76","pointer":""}]
        {"client_name":"x","grant_types":["client_credentials"],"access_token_ttl":1e400}
            [{"detail":"is not JSON without repeated members: number out of range at line 1 column 80","pointer":""}]
        {"client_name":"x","grant_types":["client_credentials"],"access_token_ttl":1.5}
            [{"detail":"invalid type: floating point `1.5`, expected a whole number","pointer":"/access_token_ttl"}]
        {"client_name":"x","grant_types":["client_credentials"],"access_token_ttl":-1}
            [{"detail":"invalid value: integer `-1`, expected a whole number","pointer":"/access_token_ttl"}]
        {"client_name":"x","grant_types":["client_credentials"],"access_token_ttl":"60"}
            [{"detail":"invalid type: string \"60\", expected a whole number","pointer":"/access_token_ttl"}]
        {"client_name":"x","grant_types":["client_credentials"],"active":"true"}
            [{"detail":"invalid type: string \"true\", expected a boolean","pointer":"/active"}]
        {"client_name":"x","grant_types":["client_credentials"],"tags":["a",1]}
            [{"detail":"invalid type: integer `1`, expected a string","pointer":"/tags/1"}]
        {"client_name":"x","grant_types":["client_credentials"],"tags":["a b"]}
            [{"detail":"a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -","pointer":"/tags/0"}]
        {"client_name":"x","grant_types":["client_credentials"],"scopes":["https://nothing.example/read"]}
            [{"detail":"is no full scope (audience and value) of any api","pointer":"/scopes/0"}]
        {"client_name":"x","grant_types":["client_credentials"],"client_id":"a b"}
            [{"detail":"must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -","pointer":"/client_id"}]
        {"client_name":"x","grant_types":["client_credentials"],"client_id":7}
            [{"detail":"must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -","pointer":"/client_id"}]
        {"client_name":"x"}
            [{"detail":"missing field `grant_types`","pointer":"/grant_types"}]
        {"client_name":"x","grant_types":[]}
            [{"detail":"must name at least one grant type","pointer":"/grant_types"}]
        {"client_name":"x","grant_types":["implicit"]}
            [{"detail":"the implicit grant is disabled on this server, use authorization_code with PKCE","pointer":"/grant_types/0"}]
        {"client_name":"x","grant_types":["foo"]}
            [{"detail":"a grant type is authorization_code, client_credentials, password or refresh_token","pointer":"/grant_types/0"}]
        {"client_name":" ","grant_types":["client_credentials","client_credentials"],"description":"a\u0000b","contacts":["x"]}
            [{"detail":"must be 1 to 100 characters without control characters","pointer":"/client_name"},{"detail":"must be at most 500 characters without control characters","pointer":"/description"},{"detail":"must be at most 10 e-mail addresses","pointer":"/contacts"},{"detail":"stands in the list twice","pointer":"/grant_types/1"}]
        {"client_name":"x","client_type":"public","grant_types":["client_credentials"]}
            [{"detail":"a public client cannot use client_credentials","pointer":"/grant_types/0"}]
        {"client_name":"x","grant_types":["authorization_code"]}
            [{"detail":"must name at least one, because the client uses authorization_code","pointer":"/redirect_uris"}]
    "#]].assert_eq(&answers);
    expect![[r#"
        400 Bad Request
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"the request has faults, see errors","errors":[{"detail":"is not a member of this object","pointer":"/x"}],"status":400,"title":"Bad Request","type":"about:blank"}"#]].assert_eq(&shown(&call(&server, "POST", "/clients", &token, "{\"x\":1}").await));
}

#[tokio::test]
async fn parameters_of_lists_are_checked() {
    // AD-07
    let server = Server::start().await;
    let mut answers = String::new();
    for target in [
        "/clients?limit=0",
        "/clients?limit=-1",
        "/clients?limit=1000000000",
        "/clients?limit=101",
        "/clients?limit=x",
        "/clients?limit=1.0",
        "/clients?cursor=!",
        "/clients?cursor=%C3%A9",
        "/clients?cursor=AA",
        "/tokens",
        "/tokens?client_id=a%20b",
        "/usage",
        "/audit?from=yesterday",
        "/audit?client_id=root&to=1",
        "/audit?from=2026-11-18T00:00:00Z",
    ] {
        let response = server.admin("GET", target, Value::Null).await;
        assert_eq!(response.status(), 400, "{target}");
        answers.push_str(&format!("{target} {}\n", json_of(&response)["errors"]));
    }
    expect![[r#"
        /clients?limit=0 [{"detail":"must be 1 to 100","pointer":"?limit"}]
        /clients?limit=-1 [{"detail":"must be 1 to 100","pointer":"?limit"}]
        /clients?limit=1000000000 [{"detail":"must be 1 to 100","pointer":"?limit"}]
        /clients?limit=101 [{"detail":"must be 1 to 100","pointer":"?limit"}]
        /clients?limit=x [{"detail":"must be 1 to 100","pointer":"?limit"}]
        /clients?limit=1.0 [{"detail":"must be 1 to 100","pointer":"?limit"}]
        /clients?cursor=! [{"detail":"is none that this list gave","pointer":"?cursor"}]
        /clients?cursor=%C3%A9 [{"detail":"is none that this list gave","pointer":"?cursor"}]
        /clients?cursor=AA [{"detail":"is none that this list gave","pointer":"?cursor"}]
        /tokens [{"detail":"must name a client, or user_id a user","pointer":"?client_id"}]
        /tokens?client_id=a%20b [{"detail":"must name a client, or user_id a user","pointer":"?client_id"}]
        /usage [{"detail":"must name a client","pointer":"?client_id"}]
        /audit?from=yesterday [{"detail":"must be an RFC 3339 time","pointer":"?from"}]
        /audit?client_id=root&to=1 [{"detail":"must be an RFC 3339 time","pointer":"?to"}]
        /audit?from=2026-11-18T00:00:00Z [{"detail":"must be on the same UTC day as to, unless client_id or user_id is given","pointer":"?from"}]
    "#]]
    .assert_eq(&answers);
}

/// Walks a list and gives the values of `member`, page by page.
async fn walk(server: &Server, path: &str, limit: usize, member: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let joint = if path.contains('?') { "&" } else { "?" };
        let target = format!("{path}{joint}limit={limit}{}", if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") });
        let response = server.admin("GET", &target, Value::Null).await;
        assert_eq!(response.status(), 200, "{}", shown(&response));
        let body = json_of(&response);
        pages.push(body["items"].as_array().unwrap().iter().map(|item| item[member].as_str().unwrap().to_owned()).collect::<Vec<_>>());
        assert!(pages.len() < 100 && pages.last().unwrap().len() <= limit);
        match body["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn a_walk_through_a_list_meets_everything_once() {
    // AD-07: clients, apis, tokens, audit; while others are being made and deleted
    let server = Server::start().await;
    server.fixtures().await;
    let owner = server.client("walker", json!({})).await;
    let mut expected: Vec<String> = (0..12).map(|number| format!("c{number:02}")).collect();
    for id in &expected {
        server.client(id, json!({"tags": [if id.ends_with('1') { "odd" } else { "even" }]})).await;
        let audience = format!("https://{id}.example/");
        server.create("/apis", json!({"name": id, "audience": audience})).await;
        server.token(&owner, "").await;
        server.pass(1);
    }
    let apis: Vec<String> = ["billing".to_owned()].into_iter().chain(expected.clone()).chain(["orders".to_owned()]).collect();
    expected.extend(["root".to_owned(), "walker".to_owned()]);
    for limit in [1, 3, 7, 14, 100] {
        assert_eq!(walk(&server, "/clients", limit, "client_id").await.concat(), expected, "{limit}");
        assert_eq!(walk(&server, "/apis", limit, "name").await.concat(), apis, "{limit}");
        let tokens = walk(&server, "/tokens?client_id=walker", limit, "jti").await.concat();
        assert_eq!((tokens.len(), tokens.iter().collect::<BTreeSet<_>>().len()), (12, 12), "{limit}");
        let tagged = walk(&server, "/clients?tag=odd", limit, "client_id").await.concat();
        assert_eq!(tagged, ["c01", "c11"], "I-06 {limit}");
    }
    // Walking is itself on record, later.
    server.pass(60);
    let until_now = "/audit?to=2026-11-20T18:00:30Z";
    let everything = walk(&server, until_now, 100, "time").await.concat();
    for limit in [1, 5] {
        assert_eq!(walk(&server, until_now, limit, "time").await.concat(), everything, "{limit}");
    }
    assert!(everything.is_sorted() && everything.len() >= 28, "{everything:?}");

    // Under changes: what was there all the time is met exactly once.
    let first = json_of(&server.admin("GET", "/clients?limit=5", Value::Null).await);
    server.admin("DELETE", "/clients/c04", Value::Null).await;
    server.admin("DELETE", "/clients/c05", Value::Null).await;
    server.client("c00-new", json!({})).await;
    server.client("c09-new", json!({})).await;
    let rest = json_of(&server.admin("GET", &format!("/clients?cursor={}", first["next_cursor"].as_str().unwrap()), Value::Null).await);
    let ids = |page: &Value| page["items"].as_array().unwrap().iter().map(|item| item["client_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        [ids(&first), ids(&rest)].concat(),
        ["c00", "c01", "c02", "c03", "c04", "c06", "c07", "c08", "c09", "c09-new", "c10", "c11", "root", "walker"]
    );
}

#[tokio::test]
async fn who_did_what_is_on_record() {
    // AD-13, I-04: every change, by whom, when and to what; and no secret
    let server = Server::start().await;
    server.fixtures().await;
    let mut secrets = vec![ADMIN_SECRET.to_owned()];
    let made = server
        .create(
            "/clients",
            json!({"client_id": "c_cc", "client_name": "c_cc", "grant_types": ["client_credentials"], "scopes": ["https://orders.example/read"]}),
        )
        .await;
    secrets.push(made["client_secret"].as_str().unwrap().to_owned());
    let second = server.create("/clients/c_cc/secrets", json!({})).await;
    secrets.push(second["client_secret"].as_str().unwrap().to_owned());
    let client = basic("c_cc", &secrets[2]);
    let (token, other) = (server.token(&client, "").await, server.token(&client, "").await);
    server.admin("PATCH", "/clients/c_cc", json!({"description": "d"})).await;
    server.admin("DELETE", &format!("/clients/c_cc/secrets/{}", made["secret_id"].as_str().unwrap()), Value::Null).await;
    let jti = crate::support::claims(&token)["jti"].as_str().unwrap().to_owned();
    server.admin("DELETE", &format!("/tokens/{jti}"), Value::Null).await;
    server.post("/oauth2/revoke", &client, &format!("token={other}")).await;
    server.post("/oauth2/token", &client, "grant_type=client_credentials&scope=nonsense").await;
    server.get("/orders/1", &token).await;
    server.admin("POST", "/clients/c_cc/revoke-tokens", Value::Null).await;
    server.admin("PATCH", "/apis/orders", json!({"access_token_ttl": 60})).await;
    server.admin("POST", "/keys/rotate", Value::Null).await;
    server.admin("DELETE", "/clients/c_cc", Value::Null).await;
    server.admin("DELETE", "/apis/orders", Value::Null).await;
    server.node().flush(&server.fresh()).await;
    secrets.extend([token, other]);
    let lines = |response: &shared::endpoints::Response| {
        let body = json_of(response);
        let mut lines: Vec<String> = body["items"].as_array().unwrap().iter().map(Value::to_string).collect();
        lines.sort();
        lines.join("\n")
    };
    let all = server.admin("GET", "/audit?limit=100", Value::Null).await;
    let of_client = server.admin("GET", "/audit?client_id=c_cc", Value::Null).await;
    for secret in &secrets {
        assert!(!shown(&all).contains(secret.as_str()) && !shown(&of_client).contains(secret.as_str()));
    }
    assert!(json_of(&of_client)["items"].as_array().unwrap().iter().all(|event| event["client_id"] == "c_cc"));
    let other_jti = crate::support::claims(&secrets[4])["jti"].as_str().unwrap().to_owned();
    let keys = json_of(&server.admin("GET", "/keys", Value::Null).await);
    let mut names = vec![(jti.as_str(), "[jti]"), (&other_jti, "[other jti]")];
    names.extend([(made["secret_id"].as_str().unwrap(), "[first secret]"), (second["secret_id"].as_str().unwrap(), "[second secret]")]);
    names.extend(keys["items"].as_array().unwrap().iter().map(|key| (key["kid"].as_str().unwrap(), "[kid]")));
    let tidy = |text: String| names.iter().fold(text, |text, (name, kind)| text.replace(name, kind));
    expect![[r#"
        {"actor":"c_cc","client_id":"c_cc","count":1,"event":"call.denied","object":"orders","outcome":"refused","reason":"revoked","sub":"c_cc","sub_type":"client","time":"2026-11-20T18:00:00Z"}
        {"actor":"c_cc","client_id":"c_cc","count":1,"event":"token.refused","outcome":"refused","reason":"invalid_scope","time":"2026-11-20T18:00:00Z"}
        {"actor":"c_cc","client_id":"c_cc","count":2,"event":"token.issued","outcome":"done","sub":"c_cc","sub_type":"client","time":"2026-11-20T18:00:00Z"}
        {"actor":"c_cc","client_id":"c_cc","event":"token.revoked","object":"[other jti]","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.changed","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.created","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.deleted","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.secret_created","object":"[second secret]","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.secret_deleted","object":"[first secret]","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.tokens_revoked","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"token.revoked","object":"[jti]","outcome":"done","time":"2026-11-20T18:00:00Z"}"#]].assert_eq(&tidy(lines(&of_client)));
    expect![[r#"
        {"actor":"c_cc","client_id":"c_cc","count":1,"event":"call.denied","object":"orders","outcome":"refused","reason":"revoked","sub":"c_cc","sub_type":"client","time":"2026-11-20T18:00:00Z"}
        {"actor":"c_cc","client_id":"c_cc","count":1,"event":"token.refused","outcome":"refused","reason":"invalid_scope","time":"2026-11-20T18:00:00Z"}
        {"actor":"c_cc","client_id":"c_cc","count":2,"event":"token.issued","outcome":"done","sub":"c_cc","sub_type":"client","time":"2026-11-20T18:00:00Z"}
        {"actor":"c_cc","client_id":"c_cc","event":"token.revoked","object":"[other jti]","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"cli","client_id":"root","event":"client.bootstrapped","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.changed","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.created","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.deleted","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.secret_created","object":"[second secret]","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.secret_deleted","object":"[first secret]","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"client.tokens_revoked","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"c_cc","event":"token.revoked","object":"[jti]","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"root","count":1,"event":"token.issued","outcome":"done","sub":"root","sub_type":"client","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","client_id":"root","count":12,"event":"token.issued","outcome":"done","sub":"root","sub_type":"client","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","event":"api.changed","object":"orders","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","event":"api.created","object":"billing","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","event":"api.created","object":"orders","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","event":"api.deleted","object":"orders","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"root","event":"keys.rotated","object":"[kid]","outcome":"done","time":"2026-11-20T18:00:00Z"}
        {"actor":"schedule","event":"keys.rotated","object":"[kid]","outcome":"done","time":"2026-11-20T18:00:00Z"}"#]].assert_eq(&tidy(lines(&all)));
    // Nothing changes or removes an entry.
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(server.admin(method, "/audit", json!({})).await.status(), 405);
    }
}

#[tokio::test]
async fn usage_is_counted_per_client_and_day() {
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let neighbour = server.client("neighbour", json!({})).await;
    let token = server.token(&client, "").await;
    server.token(&client, "").await;
    server.token(&neighbour, "").await;
    server.post("/oauth2/token", &client, "grant_type=foo").await;
    server.post("/oauth2/introspect", &client, "token=x").await;
    assert_eq!(server.get("/orders/1", &token).await.status(), 200);
    assert_eq!(server.get("/billing/1", &token).await.status(), 401);
    server.post("/oauth2/revoke", &client, &format!("token={token}")).await;
    server.node().flush(&server.fresh()).await;
    server.pass(86_400);
    server.token(&client, "").await;
    server.node().flush(&server.fresh()).await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"items":[{"calls_allowed":1,"calls_denied":1,"client_id":"c_cc","introspections":1,"log_day":"2026-11-20","principal":"client","tokens_issued":2,"tokens_refused":1,"tokens_revoked":1},{"client_id":"c_cc","log_day":"2026-11-21","principal":"client","tokens_issued":1}],"next_cursor":null}"#]].assert_eq(&pinned(&server.admin("GET", "/usage?client_id=c_cc", Value::Null).await, &[]));
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"items":[{"client_id":"neighbour","log_day":"2026-11-20","principal":"client","tokens_issued":1}],"next_cursor":null}"#]]
    .assert_eq(&pinned(&server.admin("GET", "/usage?client_id=neighbour&from=2026-11-20T00:00:00Z&to=2026-11-20T23:59:59Z", Value::Null).await, &[]));
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"items":[],"next_cursor":null}"#]]
    .assert_eq(&pinned(&server.admin("GET", "/usage?client_id=nobody", Value::Null).await, &[]));
}
