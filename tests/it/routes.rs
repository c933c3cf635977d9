//! Which privilege decides a call, and what it asks for: real clients and tokens through the gateway model.

use std::collections::HashMap;

use expect_test::expect;
use serde_json::{Value, json};
use shared::endpoints::Response;

use crate::support::{Server, json_of, shown};

/// The rows of 5.1: its number, the call, who calls, the statuses that may be answered. Of rows that leave a choice it stands here which
/// was made: a path that could be read in two ways is 403 with a good token and 401 without (X-01: an authorizer has no 400).
pub const ROWS: [(u8, &str, &str, &str, u16); 38] = [
    (1, "GET", "/soda/a", "dev", 200),
    (2, "GET", "/soda/a", "emp", 403),
    (3, "GET", "/soda/latest/employees/7", "dev", 403),
    (4, "GET", "/soda/latest/employees/7", "emp", 200),
    (5, "GET", "/soda/latest/employees", "emp", 200),
    (5, "GET", "/soda/latest/employees", "nobody", 401),
    (6, "GET", "/soda/latest/employees/", "nobody", 401),
    (6, "GET", "/soda/latest/employees/", "emp", 200),
    (7, "GET", "/soda/latest/employeesX", "emp", 403),
    (7, "GET", "/soda/latest/employeesX", "dev", 200),
    (8, "GET", "/soda/latest/employees/7/photo", "nobody", 200),
    (8, "GET", "/soda/latest/employees/7/photo", "dev", 200),
    (8, "GET", "/soda/latest/employees/7/photo/x", "nobody", 401),
    (9, "GET", "/soda/latest/employees/7/photo", "bad", 401),
    (9, "GET", "/soda/latest/employees/7/photo", "elsewhere", 401),
    (10, "DELETE", "/soda/latest/employees/7", "emp", 403),
    (11, "DELETE", "/soda/latest/employees/7", "mgr", 200),
    (11, "GET", "/soda/latest/employees/7", "mgr", 403),
    (12, "HEAD", "/soda/latest/employees/7", "nobody", 401),
    (12, "HEAD", "/soda/latest/employees/7", "emp", 200),
    (13, "OPTIONS", "/soda/latest/employees/7", "nobody", 401),
    (14, "GET", "/soda//latest/employees/7", "dev", 403),
    (14, "GET", "/soda/./latest/employees/7", "dev", 403),
    (14, "GET", "/soda/x/../latest/employees/7", "dev", 403),
    (14, "GET", "/soda/x/../latest/employees/7/photo", "nobody", 401),
    (15, "GET", "/soda/latest%2Femployees/7", "dev", 403),
    (15, "GET", "/soda/latest%2Femployees/7/photo", "nobody", 401),
    (16, "GET", "/SODA/latest/employees/7", "nobody", 401),
    (16, "GET", "/SODA/latest/employees/7", "emp", 403),
    (17, "GET", "/soda/latest/employees/7?x=/public", "nobody", 401),
    (17, "GET", "/soda/latest/employees/7?x=/photo", "emp", 200),
    (18, "GET", "/nowhere", "dev", 403),
    (18, "GET", "/nowhere", "nobody", 401),
    (19, "GET", "/soda/latest/employees/7", "x_emp", 200),
    (20, "GET", "/soda/anonymous", "nobody", 401),
    (20, "GET", "/soda/anonymous", "none", 403),
    (20, "GET", "/soda/anonymous", "anonymous", 200),
    (20, "GET", "/soda/anonymous", "bad", 401),
];

/// Makes the privileges of 5.1 and a client for each kind of caller; gives a token and the Basic `Authorization` of each.
pub async fn soda(server: &Server) -> HashMap<&'static str, (String, String)> {
    for (name, audience) in [("soda", "https://soda.example/"), ("elsewhere", "https://elsewhere.example/")] {
        server.create("/apis", json!({"name": name, "audience": audience, "scopes": [{"value": "read"}]})).await;
    }
    let mut tokens = HashMap::new();
    for (name, roles) in [
        ("dev", vec!["dev"]),
        ("emp", vec!["emp"]),
        ("mgr", vec!["mgr"]),
        ("x_emp", vec!["x", "emp"]),
        ("none", vec![]),
        ("anonymous", vec!["anonymous"]),
    ] {
        let client = server.client(name, json!({"roles": roles, "scopes": ["https://soda.example/read"]})).await;
        tokens.insert(name, (server.token(&client, "").await, client));
    }
    let client = server.client("elsewhere", json!({"roles": ["dev"], "scopes": ["https://elsewhere.example/read"]})).await;
    tokens.insert("elsewhere", (server.token(&client, "").await, client));
    for (name, route, changes) in [
        ("p1", json!({"path": "/soda/*"}), json!({"roles": ["dev"]})),
        ("p2", json!({"path": "/soda/latest/employees/*"}), json!({"roles": ["emp"]})),
        ("p3", json!({"path": "/soda/latest/employees/{id}/photo"}), json!({"access": "public"})),
        ("p4", json!({"path": "/soda/latest/employees/*", "methods": ["DELETE"]}), json!({"roles": ["mgr"]})),
        ("p5", json!({"path": "/soda/anonymous"}), json!({"roles": ["anonymous"]})),
    ] {
        let mut body = json!({"name": name, "api": "soda", "routes": [route]});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        server.create("/privileges", body).await;
    }
    tokens
}

pub async fn call(server: &Server, method: &str, target: &str, token: Option<&str>) -> Response {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    server.send(method, target, &headers, "").await
}

pub async fn status(server: &Server, target: &str, token: &str) -> u16 {
    server.get(target, token).await.status().as_u16()
}

pub async fn open(server: &Server, target: &str) -> u16 {
    server.send("GET", target, &[], "").await.status().as_u16()
}

/// Does something as the administrator, and lets the authorizer's view become too old to be used.
pub async fn change(server: &Server, method: &str, path: &str, body: Value) {
    let response = server.admin(method, path, body).await;
    assert!(response.status().is_success(), "{method} {path} {}", shown(&response));
    server.pass(6);
}

/// The Api `customers` of the fixtures (scopes read and write), closed but for its privileges.
pub async fn customers(access: &str) -> Server {
    let server = Server::start().await;
    let scopes = json!([{"value": "read"}, {"value": "write"}]);
    server.create("/apis", json!({"name": "customers", "audience": "https://orders.example/", "scopes": scopes, "access": access})).await;
    server
}

pub fn challenge(response: &Response) -> String {
    format!("{} {}", response.status().as_u16(), response.headers()["www-authenticate"].to_str().unwrap())
}

#[tokio::test]
async fn the_most_specific_route_decides_and_nothing_else() {
    // 5.1 #1 to #20; O-05, AU-19, AU-20, T-18: in this order, and again by a second node in the other
    let server = Server::start().await;
    let tokens = soda(&server).await;
    let other = server.another().await;
    for (node, rows) in [(&server, ROWS.to_vec()), (&other, ROWS.iter().rev().copied().collect())] {
        for (row, method, target, caller, expected) in rows {
            let token = match caller {
                "nobody" => None,
                "bad" => Some("bad"),
                name => Some(tokens[name].0.as_str()),
            };
            let response = call(node, method, target, token).await;
            assert_eq!(response.status().as_u16(), expected, "#{row} {method} {target} {caller} {}", shown(&response));
            assert!(expected == 200 || !shown(&response).contains("principal"), "#{row}: no data");
        }
    }
}

#[tokio::test]
async fn no_link_of_the_chain_can_be_missing() {
    // O-01, O-04, O-06, O-12, O-17, T-16, T-17, G-17: client > role > privilege > route
    let server = customers("deny").await;
    let client = server.client("c_none", json!({})).await;
    let token = server.token(&client, "").await;
    let route = "/customers/validation/1";
    server.roles(&["license_role"]).await;
    // No mapping. Closed by default; open where the Api says so.
    assert_eq!((open(&server, route).await, status(&server, route, &token).await), (401, 403));
    change(&server, "PATCH", "/apis/customers", json!({"access": "public"})).await;
    assert_eq!((open(&server, route).await, status(&server, route, &token).await), (200, 200));
    // The privilege, and no role yet: the token is issued, the route is closed.
    change(&server, "POST", "/privileges", json!({"name": "license_priv", "api": "customers", "roles": ["license_role"]})).await;
    expect![[r#"
        401 Unauthorized
        cache-control: no-store
        content-type: application/json
        www-authenticate: Bearer realm="gatewright"

        {"message":"Unauthorized"}"#]]
    .assert_eq(&shown(&server.send("GET", route, &[], "").await));
    let fresh = server.token(&client, "").await;
    expect![[r#"
        403 Forbidden
        cache-control: no-store
        content-type: application/json
        www-authenticate: Bearer realm="gatewright", error="insufficient_scope"

        {"message":"Forbidden"}"#]]
    .assert_eq(&shown(&server.get(route, &fresh).await));
    // The role: also the token that was there before works.
    change(&server, "PUT", "/clients/c_none/roles/license_role", Value::Null).await;
    for token in [&token, &fresh] {
        assert_eq!((status(&server, route, token).await, status(&server, "/customers/validation/2", token).await), (200, 200));
    }
    change(&server, "DELETE", "/clients/c_none/roles/license_role", Value::Null).await;
    assert_eq!((status(&server, route, &token).await, status(&server, route, &server.token(&client, "").await).await), (403, 403));
    change(&server, "PATCH", "/clients/c_none", json!({"roles": ["license_role"]})).await;
    assert_eq!(status(&server, route, &token).await, 200);
    change(&server, "PATCH", "/clients/c_none", json!({"active": false})).await;
    assert_eq!(status(&server, route, &token).await, 401);
    change(&server, "PATCH", "/clients/c_none", json!({"active": true, "roles": []})).await;
    // A privilege that asks for no role: any good token, and only that.
    change(&server, "PATCH", "/privileges/license_priv", json!({"roles": []})).await;
    assert_eq!((open(&server, route).await, status(&server, route, &token).await), (401, 200));
    // The mapping is taken away: said twice where that opens the route, closed where the Api is.
    assert_eq!(server.admin("DELETE", "/privileges/license_priv", Value::Null).await.status(), 409);
    assert_eq!(open(&server, route).await, 401);
    change(&server, "PATCH", "/apis/customers", json!({"access": "deny"})).await;
    change(&server, "DELETE", "/privileges/license_priv", Value::Null).await;
    assert_eq!((open(&server, route).await, status(&server, route, &token).await), (401, 403));
}

#[tokio::test]
async fn a_role_and_a_scope_are_two_things() {
    // O-13, O-12, T-17, I-22, I-25, BE-07
    let server = customers("deny").await;
    let privilege = json!({"name": "p", "api": "customers", "roles": ["clerk"], "scopes": ["read"]});
    let write = ["https://orders.example/write"];
    let clients = [
        server.client("neither", json!({"scopes": write})).await,
        server.client("role", json!({"scopes": write, "roles": ["clerk"]})).await,
        server.client("scope", json!({})).await,
        server.client("both", json!({"roles": ["clerk"]})).await,
    ];
    server.create("/privileges", privilege).await;
    let mut answers = String::new();
    for client in &clients {
        let response = server.get("/customers/1", &server.token(client, "").await).await;
        answers.push_str(&match response.status().as_u16() {
            200 => format!("200 {}\n", json_of(&response)["principal"]["privilege"]),
            _ => format!("{}\n", challenge(&response)),
        });
    }
    expect![[r#"
        403 Bearer realm="gatewright", error="insufficient_scope", scope="read"
        403 Bearer realm="gatewright", error="insufficient_scope", scope="read"
        403 Bearer realm="gatewright", error="insufficient_scope"
        200 "p"
    "#]]
    .assert_eq(&answers);
}

#[tokio::test]
async fn any_or_all_of_the_scopes() {
    // G-18, BE-07, I-22: the challenge names all that the route asks for
    let server = customers("deny").await;
    let client = server.client("c", json!({"scopes": ["https://orders.example/read", "https://orders.example/write"]})).await;
    let any = json!({"name": "any", "api": "customers", "routes": [{"path": "/customers/any"}], "scopes": ["read", "write"]});
    let all = json!({"name": "all", "api": "customers", "routes": [{"path": "/customers/all"}], "scopes": ["read", "write"], "scopes_match": "all"});
    let write = json!({"name": "write", "api": "customers", "routes": [{"path": "/customers/write"}], "scopes": ["write"]});
    for body in [any, all, write] {
        server.create("/privileges", body).await;
    }
    let mut answers = String::new();
    for scope in ["read", "write", "read write"] {
        let full: Vec<String> = scope.split(' ').map(|value| format!("https://orders.example/{value}")).collect();
        let token = server.token(&client, &format!("scope={}", full.join("+"))).await;
        for route in ["any", "all", "write"] {
            let response = server.get(&format!("/customers/{route}"), &token).await;
            let said = if response.status() == 200 { "200".to_owned() } else { challenge(&response) };
            answers.push_str(&format!("{scope} on {route}: {said}\n"));
        }
    }
    expect![[r#"
        read on any: 200
        read on all: 403 Bearer realm="gatewright", error="insufficient_scope", scope="read write"
        read on write: 403 Bearer realm="gatewright", error="insufficient_scope", scope="write"
        write on any: 200
        write on all: 403 Bearer realm="gatewright", error="insufficient_scope", scope="read write"
        write on write: 200
        read write on any: 200
        read write on all: 200
        read write on write: 200
    "#]]
    .assert_eq(&answers);
}

#[tokio::test]
async fn an_endpoints_roles_replace_those_of_its_api() {
    // M-08, M-09: any of the roles, and those of the most specific route alone
    let server = customers("deny").await;
    let mut tokens = Vec::new();
    for (name, roles) in [("clerk", vec!["clerk"]), ("manager", vec!["manager"]), ("bob", vec![])] {
        let client = server.client(name, json!({"roles": roles})).await;
        tokens.push(server.token(&client, "").await);
    }
    let statuses = async |method: &str, path: &str| {
        let mut statuses = Vec::new();
        for token in &tokens {
            statuses.push(call(&server, method, path, Some(token)).await.status().as_u16());
        }
        statuses
    };
    change(&server, "POST", "/privileges", json!({"name": "api", "api": "customers", "roles": ["clerk", "manager"]})).await;
    assert_eq!(statuses("GET", "/customers/validation/1").await, [200, 200, 403]);
    change(&server, "PATCH", "/privileges/api", json!({"roles": ["clerk"]})).await;
    let endpoint = json!({"name": "endpoint", "api": "customers", "routes": [{"methods": ["DELETE"], "path": "/customers/validation/{id}"}], "roles": ["manager"]});
    change(&server, "POST", "/privileges", endpoint).await;
    assert_eq!(statuses("GET", "/customers/validation/1").await, [200, 403, 403]);
    assert_eq!(statuses("DELETE", "/customers/validation/1").await, [403, 200, 403]);
}

#[tokio::test]
async fn a_route_for_users_refuses_what_speaks_for_a_client() {
    // I-21, T-34: nothing is lacking that the client could ask for, so no scope is named
    let server = customers("public").await;
    let client = server.client("c", json!({"roles": ["clerk"]})).await;
    let token = server.token(&client, "").await;
    let users = json!({"name": "users", "api": "customers", "routes": [{"path": "/customers/users"}], "subjects": ["user"], "roles": ["clerk"], "scopes": ["read"]});
    let clients = json!({"name": "clients", "api": "customers", "routes": [{"path": "/customers/clients"}], "subjects": ["client"]});
    for body in [users, clients] {
        server.create("/privileges", body).await;
    }
    let principal = json_of(&server.get("/customers/clients", &token).await)["principal"].clone();
    assert_eq!((&principal["sub"], &principal["sub_type"], &principal["username"]), (&json!("c"), &json!("client"), &Value::Null));
    expect![[r#"403 Bearer realm="gatewright", error="insufficient_scope""#]].assert_eq(&challenge(&server.get("/customers/users", &token).await));
    assert_eq!(open(&server, "/customers/users").await, 401);
}

#[tokio::test]
async fn an_api_that_is_taken_from_a_client_is_closed_to_it() {
    // M-01: attached by a scope of the Api
    let server = customers("authenticated").await;
    server
        .create("/apis", json!({"name": "status", "audience": "https://status.example/", "scopes": [{"value": "read"}], "access": "authenticated"}))
        .await;
    let client = server.client("c_cc", json!({"scopes": ["https://orders.example/read", "https://status.example/read"]})).await;
    let token = server.token(&client, "scope=https://orders.example/read").await;
    let route = "/customers/validation/1";
    assert_eq!(status(&server, route, &token).await, 200);
    change(&server, "PATCH", "/clients/c_cc", json!({"scopes": ["https://status.example/read"]})).await;
    assert_eq!(status(&server, route, &token).await, 403);
    let question = json!({"token": token, "method": "GET", "path": route}).to_string();
    let said = json_of(&server.send("POST", "/oauth2/diagnose", &[("authorization", &client)], question).await);
    assert_eq!((&said["code"], &said["gate"]), (&json!("api_not_in_backend"), &json!("route")));
    assert!(said["remedy"].as_str().unwrap().contains("attach"), "{said}");
    change(&server, "PATCH", "/clients/c_cc", json!({"scopes": ["https://orders.example/read"]})).await;
    assert_eq!(status(&server, route, &token).await, 200);
    // I-22: a token of another Api, also one whose audience only begins alike, is none.
    server
        .create("/apis", json!({"name": "evil", "audience": "https://orders.example.evil/", "scopes": [{"value": "read"}], "base_path": "/evil"}))
        .await;
    let evil = server.client("evil", json!({"scopes": ["https://orders.example.evil/read"]})).await;
    assert_eq!(status(&server, route, &server.token(&evil, "").await).await, 401);
}

#[tokio::test]
async fn a_path_is_what_it_is_and_a_method_too() {
    // AU-19, AU-20, AU-21, AU-22, M-02, M-03: an open corner of a closed Api stays a corner
    let server = customers("deny").await;
    let token = server.token(&server.client("c_cc", json!({})).await, "").await;
    server
        .create(
            "/privileges",
            json!({"name": "open", "api": "customers", "routes": [{"path": "/customers/public/*", "methods": ["GET"]}], "access": "public"}),
        )
        .await;
    for path in [
        "/customers/public",
        "/customers/public/",
        "/customers/public/x",
        "/customers/public/x?/../admin",
        "/customers/public/x/y%20z",
        "/customers/public/%3d",
    ] {
        assert_eq!(open(&server, path).await, 200, "{path}");
    }
    for path in [
        "/customers/public/%3b",
        "/customers/public/x;y",
        "/customers/public/../admin",
        "/customers/public/%2e%2e/admin",
        "/customers/public%2f..%2fadmin",
        "/customers/public/..%2fadmin",
        "//customers/public/x",
        "/customers//public/x",
        "/customers/public//x",
        "/customers/public/..;/admin",
        "/customers/public/.",
        "/customers/PUBLIC/x",
        "/customers/public/x#/admin",
        "/customers/public/x%00",
        "/customers/public/x%5c..%5cadmin",
        "/customers/public/%252e%252e/admin",
        "/customers/pub%6Cic/x",
        "/customers/public/*",
        "/customers/public/x%2a/..",
        "/customers/publicx",
        "/customers/public%20",
        "/customers/ｐublic/x",
        "/customers",
        "/customers/admin",
        "/internal/anything",
        "/",
    ] {
        assert_eq!(open(&server, path).await, 401, "{path}");
        assert_eq!(status(&server, path, &token).await, 403, "{path}");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        assert_eq!(call(&server, method, "/customers/public/x", None).await.status(), 401, "{method}");
        assert_eq!(call(&server, method, "/customers/public/x", Some(&token)).await.status(), 403, "{method}");
    }
    assert_eq!(call(&server, "get", "/customers/public/x", Some(&token)).await.status(), 401, "no method of a gateway");
    let headers = [
        ("x-http-method-override", "GET"),
        ("x-method-override", "GET"),
        ("x-forwarded-uri", "/customers/public/x"),
        ("x-original-url", "/customers/public/x"),
        ("x-rewrite-url", "/customers/public/x"),
    ];
    assert_eq!(server.send("POST", "/customers/public/x", &headers, "").await.status(), 401);
    assert_eq!(server.send("GET", "/customers/admin", &headers, "").await.status(), 401);
    assert_eq!(server.send("GET", "/admin/v1/clients", &headers, "").await.status(), 401);
}
