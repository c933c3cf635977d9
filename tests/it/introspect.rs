//! `POST /oauth2/introspect` and `/oauth2/tokeninfo`.

use expect_test::expect;
use serde_json::{Value, json};

use crate::http::{outcome, pinned};
use crate::support::{ADMIN, ADMIN_SECRET, Server, basic, claims, encoded, json_of, shown};

const INACTIVE: &str = r#"{"active":false}"#;

/// A server with the fixtures, the client `c_cc` and the introspector `c_all`; gives their `Authorization`.
async fn with_clients(variables: &[(&str, &str)]) -> (Server, String, String) {
    let server = Server::with(variables).await;
    server.fixtures().await;
    let owner = server.client("c_cc", json!({})).await;
    let introspector = server.client("c_all", json!({"introspect": true})).await;
    (server, owner, introspector)
}

/// The body of an introspection.
async fn told(server: &Server, caller: &str, token: &str) -> String {
    let response = server.post("/oauth2/introspect", caller, &format!("token={}", encoded(token))).await;
    assert_eq!(outcome(&response), "200");
    String::from_utf8(response.body().to_vec()).unwrap()
}

async fn is_active(server: &Server, caller: &str, token: &str) -> bool {
    let body = told(server, caller, token).await;
    assert!(body == INACTIVE || body.starts_with("{\"active\":true,"), "{body}");
    body != INACTIVE
}

#[tokio::test]
async fn a_good_token_is_told_in_full() {
    // IN-01, IN-11, I-21, seeds 3.3; the same for a JWT and for an opaque token
    let (server, owner, introspector) = with_clients(&[]).await;
    let token = server.token(&owner, "").await;
    let response = server.post("/oauth2/introspect", &introspector, &format!("token={token}")).await;
    let whole = pinned(&response, &["jti"]);
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"active":true,"scope":"read","client_id":"c_cc","token_type":"Bearer","exp":1795201200,"iat":1795197600,"nbf":1795197600,"sub":"c_cc","sub_type":"client","aud":["https://orders.example/"],"iss":"https://auth.example","jti":"[jti]"}"#]].assert_eq(&whole);
    assert_eq!(json_of(&response)["jti"], claims(&token)["jti"]);
    let opaque = server.client("c_opaque", json!({"access_token_format": "opaque"})).await;
    let token = server.token(&opaque, "").await;
    let response = server.post("/oauth2/introspect", &introspector, &format!("token={token}")).await;
    assert_eq!(pinned(&response, &["jti"]).replace("c_opaque", "c_cc"), whole);
}

#[tokio::test]
async fn callers_authenticate() {
    // IN-02, IN-04, IN-08, G-12
    let (server, owner, introspector) = with_clients(&[]).await;
    let created = json!({"client_id": "p1", "client_name": "p1", "client_type": "public", "grant_types": ["authorization_code"], "redirect_uris": ["http://127.0.0.1/cb"]});
    server.create("/clients", created).await;
    let token = server.token(&owner, "").await;
    let form = format!("token={token}");
    let ask = async |target: &str, authorization: &str, form: &str| outcome(&server.post(target, authorization, form).await);
    let path = "/oauth2/introspect";
    assert_eq!(ask(path, "", &form).await, "401 invalid_client");
    assert_eq!(ask(path, &basic("c_cc", "wrong"), &form).await, "401 invalid_client");
    assert_eq!(ask(path, "", &format!("{form}&client_id=p1")).await, "401 invalid_client", "a public client cannot authenticate");
    assert_eq!(ask(path, &format!("Bearer {token}"), &form).await, "401 invalid_client");
    assert_eq!(ask(&format!("{path}?{form}"), &introspector, "").await, "400 invalid_request", "a token in the query is none");
    assert_eq!(ask(path, &introspector, "").await, "400 invalid_request");
    assert_eq!(ask(path, &introspector, "token=").await, "400 invalid_request");
    assert_eq!(ask(path, &introspector, &format!("{form}&{form}")).await, "400 invalid_request");
    assert_eq!(ask(path, &introspector, &format!("{form}&token=x")).await, "400 invalid_request");
    expect![[r#"
        405 Method Not Allowed
        allow: POST
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_request","error_description":"use POST"}"#]]
    .assert_eq(&shown(&server.send("GET", &format!("{path}?{form}"), &[("authorization", &introspector)], "").await));
}

#[tokio::test]
async fn whatever_is_no_good_token_is_just_inactive() {
    // IN-03, IN-05, G-11
    let (server, _, introspector) = with_clients(&[]).await;
    let stranger = Server::with(&[("GATEWRIGHT_ISSUER", "https://other.example")]).await;
    let foreign = stranger.admin_token().await;
    let own = server.admin_token().await;
    let parts: Vec<&str> = own.split('.').collect();
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    let bad = [
        "x".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        " ".to_owned(),
        "null".to_owned(),
        "gw_at_".to_owned(),
        format!("gw_at_{}", "A".repeat(43)),
        foreign,
        own[..own.len() / 2].to_owned(),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{unsigned}.{}.", parts[1]),
        format!("{unsigned}.{}.{}", parts[1], parts[2]),
        "a".repeat(60_000),
        "é🔑\0".to_owned(),
        "root".to_owned(),
    ];
    for token in bad {
        assert_eq!(told(&server, &introspector, &token).await, INACTIVE, "{token:.100}");
    }
    for hint in ["refresh_token", "foo", "access_token", ""] {
        let response = server.post("/oauth2/introspect", &introspector, &format!("token={own}&token_type_hint={hint}")).await;
        assert_eq!(json_of(&response)["active"], true, "{hint}");
    }
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"active":false}"#]]
    .assert_eq(&shown(&server.post("/oauth2/introspect", &introspector, "token=x").await));
}

#[tokio::test]
async fn a_token_is_shown_to_those_whom_it_concerns() {
    // IN-06, IN-07, G-12: its owner, the resource server of its audience, introspectors. Nobody else, not even the admin client.
    let (server, owner, introspector) = with_clients(&[]).await;
    let (resource_server, other) = (server.client("c_rs", json!({})).await, server.client("c_other", json!({})).await);
    server.admin("PATCH", "/apis/billing", json!({"resource_server_client_id": "c_rs2"})).await;
    let other_resource_server = server.client("c_rs2", json!({})).await;
    let both = server.client("c_both", json!({"scopes": ["https://orders.example/read", "https://billing.example/read"]})).await;
    for format in ["jwt", "opaque"] {
        for id in ["c_cc", "c_both"] {
            server.admin("PATCH", &format!("/clients/{id}"), json!({"access_token_format": format})).await;
        }
        let orders = server.token(&owner, "").await;
        let billing = server.token(&both, "resource=https://billing.example/").await;
        let mut sees = String::new();
        for (name, caller) in [
            ("owner", &owner),
            ("introspector", &introspector),
            ("c_rs of orders", &resource_server),
            ("c_rs2 of billing", &other_resource_server),
            ("other client", &other),
            ("admin", &basic(ADMIN, ADMIN_SECRET)),
            ("owner of both", &both),
        ] {
            sees.push_str(&format!("{name}: {} {}\n", is_active(&server, caller, &orders).await, is_active(&server, caller, &billing).await));
        }
        expect![[r#"
            owner: true false
            introspector: true true
            c_rs of orders: true false
            c_rs2 of billing: false true
            other client: false false
            admin: false false
            owner of both: false true
        "#]]
        .assert_eq(&sees);
    }
}

#[tokio::test]
async fn a_token_is_inactive_from_its_exp_on() {
    // IN-09, X-05
    let (server, owner, _) = with_clients(&[]).await;
    for format in ["jwt", "opaque"] {
        server.admin("PATCH", "/clients/c_cc", json!({"access_token_format": format})).await;
        let token = server.token(&owner, "").await;
        server.pass(3_599);
        assert!(is_active(&server, &owner, &token).await);
        server.pass(1);
        assert!(!is_active(&server, &owner, &token).await);
        server.pass(1_000_000);
        assert!(!is_active(&server, &owner, &token).await);
    }
}

#[tokio::test]
async fn both_nodes_say_the_same() {
    // IN-12, G-10, 5.6 #2
    let (server, owner, introspector) = with_clients(&[]).await;
    let other_node = server.another().await;
    for format in ["jwt", "opaque"] {
        server.admin("PATCH", "/clients/c_cc", json!({"access_token_format": format})).await;
        let token = server.token(&owner, "").await;
        let here = told(&server, &introspector, &token).await;
        assert_eq!(told(&other_node, &introspector, &token).await, here);
        assert_ne!(here, INACTIVE);
        server.pass(3_600);
        assert_eq!(
            (told(&server, &introspector, &token).await, told(&other_node, &introspector, &token).await),
            (INACTIVE.to_owned(), INACTIVE.to_owned())
        );
    }
}

#[tokio::test]
async fn tokeninfo_has_the_names_of_oag() {
    // seeds 3.4, G-10, G-11, T-28
    let (server, owner, introspector) = with_clients(&[("GATEWRIGHT_TOKENINFO", "on")]).await;
    let token = server.token(&owner, "").await;
    server.pass(100);
    let ask = async |authorization: &str, form: &str| server.post("/oauth2/tokeninfo", authorization, form).await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"audience":"c_cc","scope":"read","expires_in":3500}"#]]
    .assert_eq(&shown(&ask(&introspector, &format!("access_token={token}")).await));
    expect![[r#"
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_request","error_description":"the token is not valid"}"#]]
    .assert_eq(&shown(&ask(&introspector, "access_token=x").await));
    assert_eq!(outcome(&ask("", &format!("access_token={token}")).await), "401 invalid_client");
    assert_eq!(outcome(&ask(&introspector, &format!("token={token}")).await), "400 invalid_request");
    assert_eq!(outcome(&ask(&introspector, "").await), "400 invalid_request");
    let other = server.client("c_other", json!({})).await;
    assert_eq!(shown(&ask(&other, &format!("access_token={token}")).await), shown(&ask(&other, "access_token=x").await), "not for everybody");
    let query = format!("/oauth2/tokeninfo?access_token={token}");
    assert_eq!(outcome(&server.send("GET", &query, &[("authorization", &introspector)], "").await), "405 invalid_request");
    assert_eq!(outcome(&server.post(&query, &introspector, "").await), "400 invalid_request");
}

#[tokio::test]
async fn tokeninfo_is_off_unless_it_is_switched_on() {
    let (server, owner, introspector) = with_clients(&[]).await;
    let token = server.token(&owner, "").await;
    server.proxy.calls();
    for method in ["POST", "GET"] {
        let headers = [("authorization", introspector.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let response = server.send(method, "/oauth2/tokeninfo", &headers, format!("access_token={token}")).await;
        assert_eq!(outcome(&response), "404 not_found");
    }
    assert_eq!(server.proxy.calls(), "");
}

#[tokio::test]
async fn every_state_of_a_token_is_the_same_everywhere() {
    // seeds 5.4, G-17, MD-16, I-15. Columns: introspect, tokeninfo, route, revoke by its owner.
    let mut table = String::new();
    for format in ["jwt", "opaque"] {
        for state in
            ["live", "expired", "revoked", "all revoked", "client deactivated", "client deleted", "key withdrawn", "api deleted", "altered", "cut"]
        {
            if format == "opaque" && state == "key withdrawn" {
                continue;
            }
            let (server, owner, introspector) = with_clients(&[("GATEWRIGHT_TOKENINFO", "on")]).await;
            server.admin("PATCH", "/clients/c_cc", json!({"access_token_format": format})).await;
            let mut token = server.token(&owner, "").await;
            match state {
                "expired" => server.pass(3_600),
                "revoked" => drop(server.post("/oauth2/revoke", &owner, &format!("token={token}")).await),
                "all revoked" => drop(server.admin("POST", "/clients/c_cc/revoke-tokens", Value::Null).await),
                "client deactivated" => drop(server.admin("PATCH", "/clients/c_cc", json!({"active": false})).await),
                "client deleted" => drop(server.admin("DELETE", "/clients/c_cc", Value::Null).await),
                "key withdrawn" => drop(server.admin("POST", "/keys/rotate", json!({"emergency": true})).await),
                "api deleted" => drop(server.admin("DELETE", "/apis/orders", Value::Null).await),
                "altered" => token.replace_range(40..41, if &token[40..41] == "A" { "B" } else { "A" }),
                "cut" => token.truncate(token.len() - 50.min(token.len() / 2)),
                _ => {}
            }
            let active = is_active(&server, &introspector, &token).await;
            let tokeninfo = outcome(&server.post("/oauth2/tokeninfo", &introspector, &format!("access_token={token}")).await);
            let route = server.get("/orders/1", &token).await.status().as_u16();
            let revoke = outcome(&server.post("/oauth2/revoke", &owner, &format!("token={token}")).await);
            table.push_str(&format!("{format} {state}: {active}, {tokeninfo}, {route}, {revoke}\n"));
        }
    }
    expect![[r#"
        jwt live: true, 200, 200, 200
        jwt expired: false, 400 invalid_request, 401, 200
        jwt revoked: false, 400 invalid_request, 401, 200
        jwt all revoked: false, 400 invalid_request, 401, 200
        jwt client deactivated: false, 400 invalid_request, 401, 401 invalid_client
        jwt client deleted: false, 400 invalid_request, 401, 401 invalid_client
        jwt key withdrawn: false, 400 invalid_request, 401, 200
        jwt api deleted: false, 400 invalid_request, 401, 200
        jwt altered: false, 400 invalid_request, 401, 200
        jwt cut: false, 400 invalid_request, 401, 200
        opaque live: true, 200, 200, 200
        opaque expired: false, 400 invalid_request, 401, 200
        opaque revoked: false, 400 invalid_request, 401, 200
        opaque all revoked: false, 400 invalid_request, 401, 200
        opaque client deactivated: false, 400 invalid_request, 401, 401 invalid_client
        opaque client deleted: false, 400 invalid_request, 401, 401 invalid_client
        opaque api deleted: false, 400 invalid_request, 401, 200
        opaque altered: false, 400 invalid_request, 401, 200
        opaque cut: false, 400 invalid_request, 401, 200
    "#]]
    .assert_eq(&table);
}

#[tokio::test]
async fn an_introspection_costs_one_read() {
    // G10
    let (server, owner, introspector) = with_clients(&[]).await;
    let opaque = server.client("c_opaque", json!({"access_token_format": "opaque"})).await;
    let mut costs = String::new();
    let jwt_token = server.token(&owner, "").await;
    let opaque_token = server.token(&opaque, "").await;
    for (what, caller, token) in [
        ("a JWT", &introspector, jwt_token.as_str()),
        ("a JWT of its own", &owner, &jwt_token),
        ("an opaque token of another client", &introspector, &opaque_token),
        ("an opaque token of its own", &opaque, &opaque_token),
        ("an unknown opaque token", &introspector, &format!("gw_at_{}", "A".repeat(43))),
        ("no token of ours", &introspector, "x"),
    ] {
        server.proxy.calls();
        told(&server, caller, token).await;
        costs.push_str(&format!("{what}: {}\n", server.proxy.calls()));
    }
    expect![[r#"
        a JWT: BatchGetItem 1
        a JWT of its own: BatchGetItem 1
        an opaque token of another client: BatchGetItem 2
        an opaque token of its own: BatchGetItem 1
        an unknown opaque token: BatchGetItem 1
        no token of ours: BatchGetItem 1
    "#]]
    .assert_eq(&costs);
}
