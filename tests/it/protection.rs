//! What keeps a protected route protected: changes that would open it, Apis that privileges name, and the explanation of who wins.

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Server, json_of, shown, status};

/// The Apis `soda`, open unless a privilege protects it, and `orders`, closed unless one opens it.
async fn server() -> Server {
    let server = Server::start().await;
    for (name, access) in [("soda", "public"), ("orders", "deny")] {
        let scopes = json!([{"value": "read"}, {"value": "write"}]);
        server.create("/apis", json!({"name": name, "audience": format!("https://{name}.example/"), "scopes": scopes, "access": access})).await;
    }
    server.roles(&["clerk"]).await;
    server
}

async fn protect(server: &Server, name: &str, routes: Value, changes: Value) {
    let mut body = json!({"name": name, "api": "soda", "routes": routes});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    server.create("/privileges", body).await;
}

/// Who made routes public by what, in the order of the names.
async fn opened(server: &Server) -> Vec<String> {
    let trail = json_of(&server.admin("GET", "/audit?limit=100", Value::Null).await);
    let entries = trail["items"].as_array().unwrap().iter().filter(|entry| entry["event"] == "route_became_public");
    let mut said: Vec<String> = entries.map(|entry| format!("{} {}", entry["actor"].as_str().unwrap(), entry["object"].as_str().unwrap())).collect();
    said.sort();
    said
}

/// Whether anybody may GET the path.
async fn is_open(server: &Server, path: &str) -> bool {
    server.pass(6);
    match server.send("GET", path, &[], "").await.status().as_u16() {
        200 => true,
        401 => false,
        other => panic!("{path} {other}"),
    }
}

#[tokio::test]
async fn the_last_protection_of_a_route_goes_only_by_an_explicit_word() {
    // O-06, T-16
    let server = server().await;
    protect(&server, "p", json!([{"path": "/soda/*"}]), json!({"roles": ["clerk"]})).await;
    assert!(!is_open(&server, "/soda/1").await);
    let refused = server.admin("DELETE", "/privileges/p", Value::Null).await;
    expect![[r#"
        409 Conflict
        cache-control: no-store
        content-type: application/problem+json
        pragma: no-cache
        x-content-type-options: nosniff

        {"detail":"a route would become public by this; say make_public=true in the query if it should","status":409,"title":"Conflict","type":"about:blank"}"#]].assert_eq(&shown(&refused));
    for query in ["?make_public=false", "?make_public=", "?public=true"] {
        assert_eq!(status(&server, "DELETE", &format!("/privileges/p{query}"), Value::Null).await, 409, "{query}");
    }
    for query in ["?make_public=yes", "?make_public=TRUE", "?make_public=1", "?make_public=true&make_public=true"] {
        assert_eq!(status(&server, "DELETE", &format!("/privileges/p{query}"), Value::Null).await, 400, "{query}");
    }
    // Moving it elsewhere, or to fewer methods, opens what it leaves.
    for routes in [
        json!([{"path": "/soda/a/*"}]),
        json!([{"path": "/soda/*", "methods": ["GET", "POST", "PUT", "PATCH", "DELETE"]}]),
        // TRACE is left, and whatever else HTTP has.
        json!([{"path": "/soda/*", "methods": ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]}]),
        json!([{"path": "/soda/{a}/*"}]),
    ] {
        assert_eq!(status(&server, "PATCH", "/privileges/p", json!({"routes": routes})).await, 409, "{routes}");
    }
    assert!(!is_open(&server, "/soda/1").await && opened(&server).await.is_empty());
    assert_eq!(status(&server, "PATCH", "/privileges/p", json!({"routes": null})).await, 200, "the whole Api is no less");
    assert_eq!(status(&server, "PATCH", "/privileges/p?make_public=true", json!({"routes": [{"path": "/soda/a/*"}]})).await, 200);
    assert!(is_open(&server, "/soda/1").await && !is_open(&server, "/soda/a").await);
    assert_eq!(opened(&server).await, ["root p"]);
    assert_eq!(status(&server, "DELETE", "/privileges/p?make_public=true", Value::Null).await, 204);
    assert!(is_open(&server, "/soda/a").await);
    assert_eq!(opened(&server).await, ["root p", "root p"]);
}

#[tokio::test]
async fn what_is_still_protected_needs_no_word() {
    // O-06, T-16: not asked once too often either
    let server = server().await;
    protect(&server, "all", Value::Null, json!({})).await;
    protect(&server, "inner", json!([{"path": "/soda/a/*", "methods": ["GET"]}, {"path": "/soda/{x}/b"}]), json!({"roles": ["clerk"]})).await;
    assert_eq!(status(&server, "DELETE", "/privileges/inner", Value::Null).await, 204, "all is around it");
    // Under a public one, the inner one is the last protection.
    assert_eq!(status(&server, "PATCH", "/privileges/all", json!({"access": "public"})).await, 200, "it says so itself");
    assert_eq!(opened(&server).await, ["root all"]);
    protect(&server, "inner", json!([{"path": "/soda/a/*"}]), json!({"roles": ["clerk"]})).await;
    assert_eq!(status(&server, "DELETE", "/privileges/inner", Value::Null).await, 409);
    // Several that cover it together.
    protect(&server, "get", json!([{"path": "/soda/a/*", "methods": ["GET"]}]), json!({})).await;
    assert_eq!(status(&server, "DELETE", "/privileges/inner", Value::Null).await, 409, "only GET is covered");
    protect(&server, "rest", json!([{"path": "/soda/a/*", "methods": ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]}]), json!({})).await;
    assert_eq!(status(&server, "DELETE", "/privileges/get", Value::Null).await, 204, "inner is behind it");
    // A public one may go: that closes nothing that the Api does not open.
    assert_eq!(status(&server, "DELETE", "/privileges/all", Value::Null).await, 204);
    // A closed Api's routes stay closed.
    server.create("/privileges", json!({"name": "closed", "api": "orders"})).await;
    assert_eq!(status(&server, "PATCH", "/privileges/closed", json!({"routes": [{"path": "/orders/x"}]})).await, 200);
    assert_eq!(status(&server, "DELETE", "/privileges/closed", Value::Null).await, 204);
    assert_eq!(opened(&server).await, ["root all"]);
    // One that is public from the start opens routes that were closed, and the trail says so.
    server.create("/privileges", json!({"name": "door", "api": "orders", "routes": [{"path": "/orders/door"}], "access": "public"})).await;
    assert_eq!(opened(&server).await, ["root all", "root door"]);
    assert!(is_open(&server, "/orders/door").await && !is_open(&server, "/orders/doors").await);
}

#[tokio::test]
async fn two_protections_that_go_at_once_do_not_open_what_each_left_to_the_other() {
    // T-16, MI-02: two nodes
    let server = server().await;
    let other = server.another().await;
    for _ in 0..10 {
        protect(&server, "one", json!([{"path": "/soda/a/*"}]), json!({})).await;
        protect(&server, "two", json!([{"path": "/soda/a/{x}"}, {"path": "/soda/*"}]), json!({})).await;
        let both = tokio::join!(status(&server, "DELETE", "/privileges/one", Value::Null), status(&other, "DELETE", "/privileges/two", Value::Null));
        // `two` leaves `/soda` open however it goes; `one` may go as long as `two` is there.
        assert_eq!(both, (204, 409));
        assert_eq!(status(&server, "DELETE", "/privileges/two?make_public=true", Value::Null).await, 204);
        protect(&server, "one", json!([{"path": "/soda/*"}]), json!({})).await;
        protect(&server, "two", json!([{"path": "/soda/{x}/*"}, {"path": "/soda"}]), json!({})).await;
        let both = tokio::join!(status(&server, "DELETE", "/privileges/one", Value::Null), status(&other, "DELETE", "/privileges/two", Value::Null));
        assert!([(204, 409), (409, 204)].contains(&both), "{both:?}");
        assert_eq!(server.send("GET", "/soda/1", &[], "").await.status(), 401);
        for name in ["one", "two"] {
            status(&server, "DELETE", &format!("/privileges/{name}?make_public=true"), Value::Null).await;
        }
    }
}

#[tokio::test]
async fn an_api_that_privileges_name_keeps_what_they_name() {
    // O-03, O-20: an Api with privileges is neither deleted nor moved away under them
    let server = server().await;
    server.create("/privileges", json!({"name": "p", "api": "orders", "routes": [{"path": "/orders/v1/{id}"}], "scopes": ["read"]})).await;
    let mut answers = String::new();
    for (method, patch) in [
        ("DELETE", Value::Null),
        ("PATCH", json!({"base_path": "/elsewhere"})),
        ("PATCH", json!({"base_path": "/orders/v2"})),
        ("PATCH", json!({"scopes": [{"value": "write"}]})),
        ("PATCH", json!({"scopes": null})),
        ("PATCH", json!({"scopes": [{"value": "read"}]})),
        ("PATCH", json!({"base_path": "/orders/v1"})),
        ("PATCH", json!({"base_path": "/"})),
        ("PATCH", json!({"access": "authenticated", "tags": ["x"], "access_token_ttl": 60})),
    ] {
        let response = server.admin(method, "/apis/orders", patch.clone()).await;
        let said = json_of(&response)["detail"].as_str().unwrap_or_default().to_owned();
        answers.push_str(&format!("{method} {patch} {} {said}\n", response.status().as_u16()));
    }
    expect![[r#"
        DELETE null 409 privileges name routes of the api, delete them first
        PATCH {"base_path":"/elsewhere"} 409 the privilege p names routes or scopes that the api would lose
        PATCH {"base_path":"/orders/v2"} 409 the privilege p names routes or scopes that the api would lose
        PATCH {"scopes":[{"value":"write"}]} 409 the privilege p names routes or scopes that the api would lose
        PATCH {"scopes":null} 409 the privilege p names routes or scopes that the api would lose
        PATCH {"scopes":[{"value":"read"}]} 200 
        PATCH {"base_path":"/orders/v1"} 200 
        PATCH {"base_path":"/"} 200 
        PATCH {"access":"authenticated","access_token_ttl":60,"tags":["x"]} 200 
    "#]]
    .assert_eq(&answers);
    // The whole Api, wherever that is: it moves along.
    server.create("/privileges", json!({"name": "whole", "api": "soda"})).await;
    assert_eq!(status(&server, "PATCH", "/apis/soda", json!({"base_path": "/cola"})).await, 200);
    assert!(!is_open(&server, "/cola/1").await && !is_open(&server, "/soda/1").await);
    // But not to where a route of its own says the same.
    protect(&server, "route", json!([{"path": "/cola/v1/*"}]), json!({})).await;
    assert_eq!(status(&server, "PATCH", "/apis/soda", json!({"base_path": "/cola/v1"})).await, 409);
    // Without privileges it may go.
    for name in ["whole", "route"] {
        assert_eq!(status(&server, "DELETE", "/apis/soda", Value::Null).await, 409);
        assert_eq!(status(&server, "DELETE", &format!("/privileges/{name}?make_public=true"), Value::Null).await, 204);
    }
    assert_eq!(status(&server, "DELETE", "/apis/soda", Value::Null).await, 204);
}

#[tokio::test]
async fn the_audit_trail_says_who_did_what_to_privileges() {
    // AD-11, O-06
    let server = server().await;
    server.pass(60);
    protect(&server, "p", Value::Null, json!({"roles": ["clerk"]})).await;
    assert_eq!(status(&server, "DELETE", "/privileges/p", Value::Null).await, 409, "leaves no entry");
    server.admin("PATCH", "/privileges/p", json!({"roles": []})).await;
    server.admin("DELETE", "/privileges/p?make_public=true", Value::Null).await;
    let trail = json_of(&server.admin("GET", "/audit?from=2026-11-20T18:00:30Z&limit=100", Value::Null).await);
    let entries = trail["items"].as_array().unwrap().iter().filter(|entry| entry["event"] != "token.issued");
    let mut lines: Vec<String> = entries.map(Value::to_string).collect();
    lines.sort();
    expect![[r#"
        {"actor":"root","event":"privilege.changed","object":"p","outcome":"done","time":"2026-11-20T18:01:00Z"}
        {"actor":"root","event":"privilege.created","object":"p","outcome":"done","time":"2026-11-20T18:01:00Z"}
        {"actor":"root","event":"privilege.deleted","object":"p","outcome":"done","time":"2026-11-20T18:01:00Z"}
        {"actor":"root","event":"route_became_public","object":"p","outcome":"done","time":"2026-11-20T18:01:00Z"}"#]]
    .assert_eq(&lines.join("\n"));
}

#[tokio::test]
async fn the_winner_of_a_route_and_what_it_asks_for_are_explained() {
    // T-18, O-05, 5.1 rules 3, 4 and 6
    let server = server().await;
    protect(&server, "p1", json!([{"path": "/soda/*"}]), json!({"roles": ["clerk"], "scopes": ["read", "write"], "scopes_match": "all"})).await;
    protect(&server, "p2", json!([{"path": "/soda/latest/employees/*"}]), json!({"subjects": ["user"]})).await;
    protect(&server, "p3", json!([{"path": "/soda/latest/employees/{id}/photo"}]), json!({"access": "public"})).await;
    protect(&server, "p4", json!([{"path": "/soda/latest/employees/*", "methods": ["DELETE"]}]), json!({})).await;
    protect(&server, "p5", json!([{"path": "/soda/{a}"}, {"path": "/soda/{a}/*"}]), json!({})).await;
    let explained =
        async |method: &str, path: &str| json_of(&server.admin("GET", &format!("/routes/explain?method={method}&path={path}"), Value::Null).await);
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"api":"soda","asks":{"access":"public","anonymous":"open","api":"soda","audience":"https://soda.example/","methods":null,"pattern":"/soda/latest/employees/{id}/photo","privilege":"p3","roles_any_of":[],"scopes":[],"scopes_match":"any","subjects":["user","client"]},"losers":[{"because":"has fewer literal segments than the winner","methods":["DELETE"],"path":"/soda/latest/employees/*","privilege":"p4"},{"because":"has fewer literal segments than the winner","methods":null,"path":"/soda/latest/employees/*","privilege":"p2"},{"because":"has fewer literal segments than the winner","methods":null,"path":"/soda/{a}/*","privilege":"p5"},{"because":"has fewer literal segments than the winner","methods":null,"path":"/soda/*","privilege":"p1"}],"method":"DELETE","path":"/soda/latest/employees/7/photo","winner":{"methods":null,"path":"/soda/latest/employees/{id}/photo","privilege":"p3"}}"#]].assert_eq(&shown(&server.admin("GET", "/routes/explain?method=DELETE&path=/soda/latest/employees/7/photo", Value::Null).await));
    let mut answers = String::new();
    for (method, path) in [
        ("GET", "/soda"),
        ("GET", "/soda/"),
        ("GET", "/soda/a"),
        ("GET", "/soda/a/b"),
        ("HEAD", "/soda/latest/employees/7"),
        ("DELETE", "/soda/latest/employees"),
        ("DELETE", "/soda/latest/employeesX"),
        ("PROPFIND", "/soda/latest/employees"),
        ("GET", "/soda/a%2540b"),
        ("GET", "/sodaX"),
        ("GET", "/SODA"),
        ("GET", "/orders/1"),
        ("GET", "/"),
        ("GET", "/admin/v1/clients"),
    ] {
        let said = explained(method, path).await;
        let losers: Vec<String> =
            said["losers"].as_array().unwrap().iter().map(|loser| format!("{} {}", loser["privilege"], loser["because"])).collect();
        answers
            .push_str(&format!("{method} {} {} {} {} {losers:?}\n", said["path"], said["api"], said["winner"]["privilege"], said["asks"]["access"]));
    }
    expect![[r#"
        GET "/soda" "soda" "p1" "protected" []
        GET "/soda/" "soda" "p1" "protected" []
        GET "/soda/a" "soda" "p5" "protected" ["\"p5\" \"ends in /*, and the winner does not\"", "\"p1\" \"ends in /*, and the winner does not\""]
        GET "/soda/a/b" "soda" "p5" "protected" ["\"p1\" \"has fewer segments than the winner\""]
        HEAD "/soda/latest/employees/7" "soda" "p2" "protected" ["\"p5\" \"has fewer literal segments than the winner\"", "\"p1\" \"has fewer literal segments than the winner\""]
        DELETE "/soda/latest/employees" "soda" "p4" "protected" ["\"p2\" \"takes any method, and the winner names its own\"", "\"p5\" \"has fewer literal segments than the winner\"", "\"p1\" \"has fewer literal segments than the winner\""]
        DELETE "/soda/latest/employeesX" "soda" "p5" "protected" ["\"p1\" \"has fewer segments than the winner\""]
        PROPFIND "/soda/latest/employees" "soda" "p2" "protected" ["\"p5\" \"has fewer literal segments than the winner\"", "\"p1\" \"has fewer literal segments than the winner\""]
        GET "/soda/a@b" "soda" "p5" "protected" ["\"p5\" \"ends in /*, and the winner does not\"", "\"p1\" \"ends in /*, and the winner does not\""]
        GET "/sodaX" null null null []
        GET "/SODA" null null null []
        GET "/orders/1" "orders" null "deny" []
        GET "/" null null null []
        GET "/admin/v1/clients" null null null []
    "#]].assert_eq(&answers);
    // A gateway's own Api.
    server.create("/apis", json!({"name": "own", "audience": "https://own.example/", "base_path": "/soda", "gateway": "abc/prod"})).await;
    assert_eq!(explained("GET", "/soda/1").await["api"], "soda");
    assert_eq!(explained("GET", "/soda/1&gateway=abc/test").await["api"], "soda");
    let own = explained("GET", "/soda/1&gateway=abc/prod").await;
    assert_eq!((&own["api"], &own["winner"], &own["asks"]["access"]), (&json!("own"), &Value::Null, &json!("deny")));
    // What is not one path has no winner.
    let mut answers = String::new();
    for query in [
        "",
        "?method=GET",
        "?path=/soda",
        "?method=GET&path=",
        "?method=GET&path=soda",
        "?method=GET&path=/soda//a",
        "?method=GET&path=/soda/../a",
        "?method=GET&path=/soda/%252e",
        "?method=GET&path=/soda/*",
        "?method=GET&path=/soda&path=/orders",
        "?method=get&path=/soda",
    ] {
        let response = server.admin("GET", &format!("/routes/explain{query}"), Value::Null).await;
        answers.push_str(&format!("{query} {} {}\n", response.status().as_u16(), json_of(&response)["errors"]));
    }
    expect![[r#"
         400 [{"detail":"must name a method, in capitals: GET","pointer":"?method"}]
        ?method=GET 400 [{"detail":"must be a path","pointer":"?path"}]
        ?path=/soda 400 [{"detail":"must name a method, in capitals: GET","pointer":"?method"}]
        ?method=GET&path= 400 [{"detail":"must be a path","pointer":"?path"}]
        ?method=GET&path=soda 400 [{"detail":"is not in the canonical spelling, no call of it passes","pointer":"?path"}]
        ?method=GET&path=/soda//a 400 [{"detail":"is not in the canonical spelling, no call of it passes","pointer":"?path"}]
        ?method=GET&path=/soda/../a 400 [{"detail":"is not in the canonical spelling, no call of it passes","pointer":"?path"}]
        ?method=GET&path=/soda/%252e 400 [{"detail":"is not in the canonical spelling, no call of it passes","pointer":"?path"}]
        ?method=GET&path=/soda/* 400 [{"detail":"is not in the canonical spelling, no call of it passes","pointer":"?path"}]
        ?method=GET&path=/soda&path=/orders 400 [{"detail":"is repeated","pointer":"?path"}]
        ?method=get&path=/soda 400 [{"detail":"must name a method, in capitals: GET","pointer":"?method"}]
    "#]]
    .assert_eq(&answers);
    let refused = server.admin("POST", "/routes/explain", json!({})).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["allow"].to_str().unwrap()), (405, "GET"));
    assert_eq!(status(&server, "GET", "/routes", Value::Null).await, 404);
    assert_eq!(status(&server, "GET", "/routes/x", Value::Null).await, 404);
}

#[tokio::test]
async fn an_api_within_a_public_one_is_not_opened_unseen() {
    // T-16, O-06: deleting or moving the inner Api leaves its paths to the outer one.
    let server = Server::start().await;
    let api = |name: &str, base_path: &str, access: &str| json!({"name": name, "audience": format!("https://{name}.example/"), "base_path": base_path, "access": access});
    server.create("/apis", api("outer", "/o", "public")).await;
    server.create("/apis", api("inner", "/o/i", "deny")).await;
    let refused = [
        ("PATCH", "/apis/inner", json!({"gateway": "x/y"})),
        ("PATCH", "/apis/inner", json!({"base_path": "/elsewhere"})),
        ("DELETE", "/apis/inner", Value::Null),
    ];
    for (method, path, body) in &refused {
        assert_eq!(server.admin(method, path, body.clone()).await.status(), 409, "{method} {body}");
    }
    assert_eq!(server.send("GET", "/o/i/1", &[], "").await.status(), 401);
    assert_eq!(server.admin("DELETE", "/apis/inner?make_public=true", Value::Null).await.status(), 204);
    assert_eq!(server.admin("PATCH", "/apis/outer", json!({"access": "deny"})).await.status(), 200);
    assert_eq!(server.admin("PATCH", "/apis/outer", json!({"access": "public"})).await.status(), 200, "the explicit word");
    server.pass(6);
    assert_eq!(server.send("GET", "/o/i/1", &[], "").await.status(), 200);
    let audit = json_of(&server.admin("GET", "/audit", Value::Null).await);
    let opened: Vec<&str> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["event"] == "route_became_public")
        .map(|event| event["object"].as_str().unwrap())
        .collect();
    // Entries of one second are in no order.
    assert!(opened.len() == 2 && opened.contains(&"inner") && opened.contains(&"outer"), "{opened:?}");
}
