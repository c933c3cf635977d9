//! `/admin/v1/privileges` and `/admin/v1/routes/explain`.

use expect_test::expect;
use serde_json::{Value, json};

use crate::support::{Server, json_of, shown, status};

/// An answer in short: its status, and what it says is wrong.
async fn answer(server: &Server, method: &str, path: &str, body: Value) -> String {
    let response = server.admin(method, path, body).await;
    let said = serde_json::from_slice::<Value>(response.body()).unwrap_or_default();
    let what = said.get("errors").map(Value::to_string).or_else(|| said["detail"].as_str().map(str::to_owned));
    format!("{} {}", response.status().as_u16(), what.unwrap_or_default()).trim_end().to_owned()
}

/// The Apis of the fixtures, and `soda`, which is open unless a privilege protects it.
async fn server() -> Server {
    let server = Server::start().await;
    server.fixtures().await;
    server
        .create(
            "/apis",
            json!({"name": "soda", "audience": "https://soda.example/", "scopes": [{"value": "read"}, {"value": "write"}], "access": "public"}),
        )
        .await;
    server.roles(&["clerk", "manager"]).await;
    server
}

fn privilege(name: &str, api: &str, routes: Value) -> Value {
    json!({"name": name, "api": api, "routes": routes})
}

#[tokio::test]
async fn a_privilege_is_made_shown_changed_and_deleted() {
    // O-03, O-20, AD-05, AD-07
    let server = server().await;
    let made = server.admin("POST", "/privileges", json!({"name": "license_priv", "api": "orders", "roles": ["clerk"]})).await;
    expect![[r#"
        201 Created
        cache-control: no-store
        content-type: application/json
        etag: "1"
        pragma: no-cache
        x-content-type-options: nosniff

        {"access":"protected","api":"orders","created_at":"2026-11-20T18:00:00Z","name":"license_priv","roles":["clerk"],"scopes":[],"scopes_match":"any","subjects":["user","client"],"updated_at":"2026-11-20T18:00:00Z","version":1}"#]].assert_eq(&shown(&made));
    let everything = json!({"name": "all", "api": "orders", "routes": [{"methods": ["GET", "DELETE"], "path": "/orders/{id}/photo"}, {"path": "/orders/v1/:id/*"}],
        "roles": ["clerk", "manager"], "scopes": ["read", "write"], "scopes_match": "all", "subjects": ["client"], "access": "protected"});
    let made = server.admin("POST", "/privileges", everything).await;
    expect![[r#"
        201 Created
        cache-control: no-store
        content-type: application/json
        etag: "1"
        pragma: no-cache
        x-content-type-options: nosniff

        {"access":"protected","api":"orders","created_at":"2026-11-20T18:00:00Z","name":"all","roles":["clerk","manager"],"routes":[{"methods":["GET","DELETE"],"path":"/orders/{id}/photo"},{"path":"/orders/v1/:id/*"}],"scopes":["read","write"],"scopes_match":"all","subjects":["client"],"updated_at":"2026-11-20T18:00:00Z","version":1}"#]].assert_eq(&shown(&made));
    assert_eq!(shown(&made).replacen("201 Created", "200 OK", 1), shown(&server.admin("GET", "/privileges/all", Value::Null).await));
    server.pass(60);
    let patch = json!({"routes": null, "roles": null, "scopes": null, "scopes_match": null, "subjects": null, "access": null});
    assert_eq!(
        answer(&server, "PATCH", "/privileges/all", patch.clone()).await,
        "409 a route is as specific as one of the privilege license_priv for the same calls",
        "taken back to its defaults it is the other one"
    );
    assert_eq!(status(&server, "DELETE", "/privileges/license_priv", Value::Null).await, 204);
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        etag: "2"
        pragma: no-cache
        x-content-type-options: nosniff

        {"access":"protected","api":"orders","created_at":"2026-11-20T18:00:00Z","name":"all","roles":[],"scopes":[],"scopes_match":"any","subjects":["user","client"],"updated_at":"2026-11-20T18:01:00Z","version":2}"#]].assert_eq(&shown(&server.admin("PATCH", "/privileges/all", patch).await));
    let token = format!("Bearer {}", server.admin_token().await);
    for (method, body) in [("PATCH", r#"{"roles": []}"#), ("DELETE", "")] {
        for (tag, expected) in [("\"1\"", 412), ("2", 412)] {
            let headers = [("authorization", token.as_str()), ("if-match", tag)];
            assert_eq!(server.send(method, "/admin/v1/privileges/all", &headers, body).await.status(), expected, "{method} {tag}");
        }
    }
    let headers = [("authorization", token.as_str()), ("if-match", "\"2\"")];
    assert_eq!(server.send("DELETE", "/admin/v1/privileges/all", &headers, "").await.status(), 204);
    for (method, body) in [("GET", Value::Null), ("PATCH", json!({})), ("DELETE", Value::Null)] {
        assert_eq!(status(&server, method, "/privileges/all", body).await, 404, "{method}");
    }
    for method in ["PUT", "POST"] {
        let refused = server.admin(method, "/privileges/all", json!({})).await;
        assert_eq!((refused.status().as_u16(), refused.headers()["allow"].to_str().unwrap()), (405, "GET, PATCH, DELETE"));
    }
    assert_eq!(server.create("/privileges", json!({"name": "all", "api": "billing"})).await["version"], 1, "the name is free again, for any Api");
}

#[tokio::test]
async fn privileges_are_listed_by_name_page_by_page_and_by_api() {
    // AD-07
    let server = server().await;
    for (at, name) in ["p4", "p1", "p3", "p0", "p2"].into_iter().enumerate() {
        let api = ["orders", "billing"][at % 2];
        server.create("/privileges", privilege(name, api, json!([{"path": format!("/{api}/{name}")}]))).await;
    }
    let names = async |query: &str| {
        let page = json_of(&server.admin("GET", &format!("/privileges?{query}"), Value::Null).await);
        let names: Vec<String> = page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect();
        (names.join(" "), page["next_cursor"].as_str().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default())
    };
    let (first, next) = names("limit=2").await;
    let (second, after) = names(&format!("limit=2{next}")).await;
    let (third, end) = names(&format!("limit=2{after}")).await;
    assert_eq!([first, second, third, end].join("|"), "p0 p1|p2 p3|p4|");
    assert_eq!(names("api=billing").await, ("p0 p1".to_owned(), String::new()));
    assert_eq!(names("api=nothing").await.0, "");
    assert_eq!(status(&server, "GET", "/privileges?limit=0", Value::Null).await, 400);
}

#[tokio::test]
async fn faults_of_a_privilege_are_pointed_at() {
    // O-03, O-11, T-19, AD-08, AD-14
    let server = server().await;
    let with = |changes: Value| {
        let mut body = json!({"name": "p", "api": "orders"});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    let path = |path: &str| with(json!({"routes": [{"path": path}]}));
    let mut answers = String::new();
    for body in [
        json!({}),
        json!({"name": "p"}),
        with(json!({"name": "a,b"})),
        with(json!({"api": "nothing", "scopes": ["read"]})),
        with(json!({"api": "gatewright-admin"})),
        with(json!({"modules": ["orders"], "routes": [{"path": "/orders", "method": "GET"}]})),
        with(json!({"routes": [{"path": "/orders", "method": "GET"}]})),
        with(json!({"routes": []})),
        with(json!({"routes": ["/orders"]})),
        with(json!({"routes": [{}]})),
        with(json!({"routes": [{"path": "/orders", "methods": []}]})),
        with(json!({"routes": [{"path": "/orders", "methods": ["GET", "GET"]}]})),
        with(json!({"routes": [{"path": "/orders", "methods": ["HEAD"]}]})),
        with(json!({"routes": [{"path": "/orders", "methods": ["get"]}]})),
        with(json!({"routes": [{"path": "/orders"}, {"path": "/elsewhere"}, {"path": "/ordersX"}, {"path": "/{any}"}]})),
        path("orders"),
        path("/orders/"),
        path("/orders//x"),
        path("/orders/../x"),
        path("/orders/%2e"),
        path("/orders/a%2Fb"),
        path("/orders/a*"),
        path("/orders/*/x"),
        path("/orders/{id"),
        path("/orders/{proxy+}"),
        path("/orders/{}"),
        path("/orders/x?y"),
        path("/orders/é"),
        path(&format!("/orders{}", "/x".repeat(32))),
        with(json!({"roles": ["clerk", "nothing"]})),
        with(json!({"roles": ["clerk", "clerk"]})),
        with(json!({"roles": "clerk"})),
        with(json!({"roles": ["a,b"]})),
        with(json!({"scopes": ["read", "https://orders.example/write"]})),
        with(json!({"scopes": ["read", "read"]})),
        with(json!({"scopes_match": "some"})),
        with(json!({"subjects": []})),
        with(json!({"subjects": ["anonymous"]})),
        with(json!({"subjects": ["user", "user"]})),
        with(json!({"access": "authenticated"})),
        with(json!({"access": "public", "roles": ["clerk"]})),
        with(json!({"access": "public", "scopes": ["read"]})),
    ] {
        let said = answer(&server, "POST", "/privileges", body.clone()).await;
        assert!(said.starts_with("400 [{"), "{body} {said}");
        answers.push_str(&format!("{:.90}\n    {said}\n", body.to_string()));
    }
    expect![[r#"
        {}
            400 [{"detail":"missing field `name`","pointer":"/name"}]
        {"name":"p"}
            400 [{"detail":"missing field `api`","pointer":"/api"}]
        {"api":"orders","name":"a,b"}
            400 [{"detail":"a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -","pointer":"/name"}]
        {"api":"nothing","name":"p","scopes":["read"]}
            400 [{"detail":"no api has this name","pointer":"/api"}]
        {"api":"gatewright-admin","name":"p"}
            400 [{"detail":"no api has this name","pointer":"/api"}]
        {"api":"orders","modules":["orders"],"name":"p","routes":[{"method":"GET","path":"/orders"
            400 [{"detail":"is not a member of this object","pointer":"/routes/0/method"}]
        {"api":"orders","name":"p","routes":[{"method":"GET","path":"/orders"}]}
            400 [{"detail":"is not a member of this object","pointer":"/routes/0/method"}]
        {"api":"orders","name":"p","routes":[]}
            400 [{"detail":"must be 1 to 100; left out, it is the whole api","pointer":"/routes"}]
        {"api":"orders","name":"p","routes":["/orders"]}
            400 [{"detail":"invalid type: string \"/orders\", expected an object with a path","pointer":"/routes/0"}]
        {"api":"orders","name":"p","routes":[{}]}
            400 [{"detail":"missing field `path`","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"methods":[],"path":"/orders"}]}
            400 [{"detail":"must name methods, each once; left out, it is any method","pointer":"/routes/0/methods"}]
        {"api":"orders","name":"p","routes":[{"methods":["GET","GET"],"path":"/orders"}]}
            400 [{"detail":"must name methods, each once; left out, it is any method","pointer":"/routes/0/methods"}]
        {"api":"orders","name":"p","routes":[{"methods":["HEAD"],"path":"/orders"}]}
            400 [{"detail":"HEAD is asked what GET is, name GET","pointer":"/routes/0/methods/0"}]
        {"api":"orders","name":"p","routes":[{"methods":["get"],"path":"/orders"}]}
            400 [{"detail":"a method is GET, POST, PUT, PATCH, DELETE or OPTIONS; without methods a route takes any","pointer":"/routes/0/methods/0"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders"},{"path":"/elsewhere"},{"path":"/or
            400 [{"detail":"must lie at or below the base_path of the api, /orders","pointer":"/routes/1/path"},{"detail":"must lie at or below the base_path of the api, /orders","pointer":"/routes/2/path"},{"detail":"must lie at or below the base_path of the api, /orders","pointer":"/routes/3/path"}]
        {"api":"orders","name":"p","routes":[{"path":"orders"}]}
            400 [{"detail":"a path begins with a slash","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/"}]}
            400 [{"detail":"a path has no empty, dot or encoded segments, and no trailing slash (it is matched with and without)","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders//x"}]}
            400 [{"detail":"a path has no empty, dot or encoded segments, and no trailing slash (it is matched with and without)","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/../x"}]}
            400 [{"detail":"a path has no empty, dot or encoded segments, and no trailing slash (it is matched with and without)","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/%2e"}]}
            400 [{"detail":"a path has no empty, dot or encoded segments, and no trailing slash (it is matched with and without)","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/a%2Fb"}]}
            400 [{"detail":"a path has no empty, dot or encoded segments, and no trailing slash (it is matched with and without)","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/a*"}]}
            400 [{"detail":"a star stands alone, at the end: /*","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/*/x"}]}
            400 [{"detail":"a path has no empty, dot or encoded segments, and no trailing slash (it is matched with and without)","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/{id"}]}
            400 [{"detail":"a path has no empty, dot or encoded segments, and no trailing slash (it is matched with and without)","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/{proxy+}"}]}
            400 [{"detail":"the rest of a path is written /*","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/{}"}]}
            400 [{"detail":"a parameter is {name} or :name, of letters, digits and _","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/x?y"}]}
            400 [{"detail":"a path has no empty, dot or encoded segments, and no trailing slash (it is matched with and without)","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/é"}]}
            400 [{"detail":"a path has no empty, dot or encoded segments, and no trailing slash (it is matched with and without)","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","routes":[{"path":"/orders/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/
            400 [{"detail":"a path has at most 400 characters and 32 segments","pointer":"/routes/0/path"}]
        {"api":"orders","name":"p","roles":["clerk","nothing"]}
            400 [{"detail":"there is no role nothing, make it first","pointer":"/roles/1"}]
        {"api":"orders","name":"p","roles":["clerk","clerk"]}
            400 [{"detail":"names a role twice","pointer":"/roles"}]
        {"api":"orders","name":"p","roles":"clerk"}
            400 [{"detail":"invalid type: string \"clerk\", expected a sequence","pointer":"/roles"}]
        {"api":"orders","name":"p","roles":["a,b"]}
            400 [{"detail":"a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -","pointer":"/roles/0"}]
        {"api":"orders","name":"p","scopes":["read","https://orders.example/write"]}
            400 [{"detail":"is no scope value of the api (the value alone, without the audience)","pointer":"/scopes/1"}]
        {"api":"orders","name":"p","scopes":["read","read"]}
            400 [{"detail":"names a scope twice","pointer":"/scopes"}]
        {"api":"orders","name":"p","scopes_match":"some"}
            400 [{"detail":"unknown variant `some`, expected `any` or `all`","pointer":"/scopes_match"}]
        {"api":"orders","name":"p","subjects":[]}
            400 [{"detail":"must be user, client or both, each once","pointer":"/subjects"}]
        {"api":"orders","name":"p","subjects":["anonymous"]}
            400 [{"detail":"unknown variant `anonymous`, expected `user` or `client`","pointer":"/subjects/0"}]
        {"api":"orders","name":"p","subjects":["user","user"]}
            400 [{"detail":"must be user, client or both, each once","pointer":"/subjects"}]
        {"access":"authenticated","api":"orders","name":"p"}
            400 [{"detail":"unknown variant `authenticated`, expected `protected` or `public`","pointer":"/access"}]
        {"access":"public","api":"orders","name":"p","roles":["clerk"]}
            400 [{"detail":"a public privilege asks for no roles and no scopes","pointer":"/access"}]
        {"access":"public","api":"orders","name":"p","scopes":["read"]}
            400 [{"detail":"a public privilege asks for no roles and no scopes","pointer":"/access"}]
    "#]].assert_eq(&answers);
    let listed = json_of(&server.admin("GET", "/privileges", Value::Null).await);
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test]
async fn a_patch_is_checked_like_a_new_privilege() {
    // AD-06, AD-14
    let server = server().await;
    server.create("/privileges", json!({"name": "p", "api": "orders", "roles": ["clerk"]})).await;
    let mut answers = String::new();
    for patch in [
        json!({"name": "q"}),
        json!({"api": "billing"}),
        json!({"name": null}),
        json!({"roles": ["nothing"]}),
        json!({"scopes": ["delete"]}),
        json!({"routes": [{"path": "/billing"}]}),
        json!({"routes": [{"path": "/orders/{a}"}, {"path": "/orders/{b}"}]}),
        json!({"access": "public"}),
        json!({"version": 2}),
    ] {
        answers.push_str(&format!("{patch} {}\n", answer(&server, "PATCH", "/privileges/p", patch.clone()).await));
    }
    expect![[r#"
        {"name":"q"} 400 [{"detail":"cannot be changed, make another privilege","pointer":"/name"}]
        {"api":"billing"} 400 [{"detail":"cannot be changed, make another privilege","pointer":"/api"}]
        {"name":null} 400 [{"detail":"missing field `name`","pointer":"/name"}]
        {"roles":["nothing"]} 400 [{"detail":"there is no role nothing, make it first","pointer":"/roles/0"}]
        {"scopes":["delete"]} 400 [{"detail":"is no scope value of the api (the value alone, without the audience)","pointer":"/scopes/0"}]
        {"routes":[{"path":"/billing"}]} 400 [{"detail":"must lie at or below the base_path of the api, /orders","pointer":"/routes/0/path"}]
        {"routes":[{"path":"/orders/{a}"},{"path":"/orders/{b}"}]} 409 two routes of the privilege are equally specific for the same calls
        {"access":"public"} 400 [{"detail":"a public privilege asks for no roles and no scopes","pointer":"/access"}]
        {"version":2} 400 [{"detail":"is not a member of this object","pointer":"/version"}]
    "#]]
    .assert_eq(&answers);
    assert_eq!(status(&server, "PATCH", "/privileges/p", json!({"name": "p", "api": "orders"})).await, 200, "what they are");
    assert_eq!(json_of(&server.admin("GET", "/privileges/p", Value::Null).await)["roles"], json!(["clerk"]));
}

#[tokio::test]
async fn two_routes_that_no_call_could_choose_between_are_refused() {
    // 5.1 rule 4, O-03
    let server = server().await;
    let wide = json!([{"path": "/orders/{id}"}, {"path": "/orders/v1/{id}/*", "methods": ["GET", "PUT"]}, {"path": "/orders/{a}/x"}]);
    server.create("/privileges", privilege("first", "orders", wide)).await;
    server.create("/privileges", json!({"name": "whole", "api": "orders"})).await;
    let mut answers = String::new();
    for (path, methods) in [
        ("/orders/:other", None),
        ("/orders/{id}", Some("GET")),
        ("/orders/v1/{x}/*", Some("POST")),
        ("/orders/v1/{x}/*", Some("GET")),
        ("/orders/v1/{x}/*", None),
        ("/orders/v1/{x}", Some("GET")),
        ("/orders/y/{b}", None),
        ("/orders/y/{b}/{c}", None),
        ("/orders/*", None),
        ("/orders/*", Some("GET")),
        ("/orders", None),
        ("/orders/{id}/*", None),
    ] {
        let methods = methods.map(|method| vec![method]);
        let body = privilege("new", "orders", json!([{"path": path, "methods": methods}]));
        let said = answer(&server, "POST", "/privileges", body).await;
        answers.push_str(&format!("{path} {methods:?} {said}\n"));
        status(&server, "DELETE", "/privileges/new", Value::Null).await;
    }
    expect![[r#"
        /orders/:other None 409 a route is as specific as one of the privilege first for the same calls
        /orders/{id} Some(["GET"]) 201
        /orders/v1/{x}/* Some(["POST"]) 201
        /orders/v1/{x}/* Some(["GET"]) 409 a route is as specific as one of the privilege first for the same calls
        /orders/v1/{x}/* None 201
        /orders/v1/{x} Some(["GET"]) 201
        /orders/y/{b} None 409 a route is as specific as one of the privilege first for the same calls
        /orders/y/{b}/{c} None 201
        /orders/* None 409 a route is as specific as one of the privilege whole for the same calls
        /orders/* Some(["GET"]) 201
        /orders None 201
        /orders/{id}/* None 201
    "#]]
    .assert_eq(&answers);
    let own = json!([{"path": "/orders/a/{x}"}, {"path": "/orders/{y}/b"}]);
    expect!["409 two routes of the privilege are equally specific for the same calls"]
        .assert_eq(&answer(&server, "POST", "/privileges", privilege("own", "orders", own)).await);
    assert_eq!(status(&server, "POST", "/privileges", json!({"name": "other", "api": "billing"})).await, 201, "another Api's routes");
    expect!["409 a privilege of this name exists"].assert_eq(&answer(&server, "POST", "/privileges", json!({"name": "whole", "api": "soda"})).await);
}

#[tokio::test]
async fn of_two_privileges_that_tie_at_once_one_is_made() {
    // MI-02, 5.1 rule 4: the names differ, so that only the routes can tell
    let server = server().await;
    let other = server.another().await;
    for round in 0..20 {
        let path = format!("/orders/{round}/*");
        let (one, two) = (privilege("one", "orders", json!([{"path": path}])), privilege("two", "orders", json!([{"path": path}])));
        let both = tokio::join!(status(&server, "POST", "/privileges", one), status(&other, "POST", "/privileges", two));
        assert!([(201, 409), (409, 201)].contains(&both), "{both:?}");
        let made = if both.0 == 201 { "one" } else { "two" };
        let listed = json_of(&server.admin("GET", "/privileges", Value::Null).await);
        assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["name"]), (1, &json!(made)));
        assert_eq!(status(&other, "DELETE", &format!("/privileges/{made}"), Value::Null).await, 204);
    }
    // Of one name, on two Apis: also one.
    for _ in 0..5 {
        let (one, two) = (json!({"name": "p", "api": "orders"}), json!({"name": "p", "api": "billing"}));
        let both = tokio::join!(status(&server, "POST", "/privileges", one), status(&other, "POST", "/privileges", two));
        assert!([(201, 409), (409, 201)].contains(&both), "{both:?}");
        assert_eq!(status(&server, "DELETE", "/privileges/p", Value::Null).await, 204);
    }
    // A privilege, and the deletion of its Api.
    let made = json!({"name": "p", "api": "billing"});
    let both = tokio::join!(status(&server, "POST", "/privileges", made), status(&other, "DELETE", "/apis/billing", Value::Null));
    assert!([(201, 409), (400, 204)].contains(&both), "{both:?}");
}
