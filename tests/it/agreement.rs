//! Diagnosis and the gateway agree: `ok` is said exactly where the real call is 200.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::diagnose::{admin, asked, question, told};
use crate::forge::Forge;
use crate::routes::{ROWS, soda};
use crate::support::{ISSUER, Server, claims};

/// Whether the real call passes, and whether diagnosis says so: both are asked, with the same `Authorization`, and agree.
pub async fn agree(server: &Server, admin: &str, token: &str, method: &str, target: &str) -> bool {
    let header = if token.contains(' ') { token.to_owned() } else { format!("Bearer {token}") };
    let headers = [("authorization", header.as_str())];
    let real = server.send(method, target, &headers[usize::from(token.is_empty())..], "").await.status().as_u16();
    let said = told(server, admin, &question(token, method, target)).await;
    let code = said["code"].as_str().unwrap();
    let gate = match real {
        200 => Value::Null,
        401 => json!("token"),
        403 => json!("route"),
        other => panic!("{other}"),
    };
    assert_eq!((code == "ok", &said["gate"]), (real == 200, &gate), "{method} {target} {token:.60}: {real}, but {said}");
    assert_eq!(said["verdict"], if real == 200 { "accepted" } else { "rejected" });
    real == 200
}

#[tokio::test]
async fn it_says_ok_exactly_where_the_call_passes() {
    // 5.5, the property, over all rows of 5.1
    let server = Server::start().await;
    let tokens = soda(&server).await;
    let root = admin(&server).await;
    let mut passed = 0;
    for (row, method, target, caller, expected) in ROWS {
        let token = match caller {
            "nobody" => "",
            "bad" => "bad",
            name => &tokens[name].0,
        };
        assert_eq!(agree(&server, &root, token, method, target).await, expected == 200, "#{row}");
        // And with everybody else's token, and with none.
        for token in tokens.values().map(|(token, _)| token.as_str()).chain(["", "Bearer", "Basic YTpi", "Bearer: x", "Bearer "]) {
            passed += usize::from(agree(&server, &root, token, method, target).await);
        }
    }
    assert!((40..400).contains(&passed), "{passed}: neither always nor never");
}

#[tokio::test]
async fn it_says_ok_exactly_where_the_token_is_good() {
    // 5.5, the property, over the rows of 5.4: on a route with a privilege, on one of its Api alone, on a public one, and on none
    let server = Server::start().await;
    server.fixtures().await;
    server.create("/apis", json!({"name": "gone", "audience": "https://gone.example/", "scopes": [{"value": "read"}], "access": "public"})).await;
    for (name, path, access) in [("p", "/orders/p", "protected"), ("open", "/orders/open", "public")] {
        server.create("/privileges", json!({"name": name, "api": "orders", "routes": [{"path": path}], "access": access})).await;
    }
    let root = admin(&server).await;
    let mut states = Vec::new();
    for (what, changes) in [
        ("live", json!({})),
        ("live opaque", json!({"access_token_format": "opaque"})),
        ("revoked", json!({})),
        ("revoked opaque", json!({"access_token_format": "opaque"})),
        ("all revoked", json!({})),
        ("deactivated", json!({})),
        ("deleted", json!({})),
        ("deleted and made again", json!({})),
        ("of an api that is deleted", json!({"scopes": ["https://gone.example/read"]})),
        ("of the admin api", json!({"scopes": ["urn:gatewright:admin:access.read"]})),
        ("expired", json!({"access_token_ttl": 5})),
    ] {
        let id = what.replace(' ', "_");
        let client = server.client(&id, changes).await;
        let token = server.token(&client, "").await;
        assert!(agree(&server, &root, &token, "GET", "/orders/open").await || what.starts_with("of "), "{what}: good before");
        states.push((what, id, client, token));
    }
    server.pass(1);
    for (what, id, client, token) in &states {
        match *what {
            "revoked" | "revoked opaque" => assert_eq!(server.post("/oauth2/revoke", client, &format!("token={token}")).await.status(), 200),
            "all revoked" => assert_eq!(server.admin("POST", &format!("/clients/{id}/revoke-tokens"), json!({})).await.status(), 204),
            "deactivated" => assert_eq!(server.admin("PATCH", &format!("/clients/{id}"), json!({"active": false})).await.status(), 200),
            "deleted" | "deleted and made again" => {
                assert_eq!(server.admin("DELETE", &format!("/clients/{id}"), Value::Null).await.status(), 204);
                if what.ends_with("again") {
                    server.client(id, json!({})).await;
                }
            }
            "of an api that is deleted" => assert_eq!(server.admin("DELETE", "/apis/gone", Value::Null).await.status(), 204),
            _ => {}
        }
    }
    server.pass(6);
    let live = states[0].3.clone();
    let forge = Forge::of(&server).await;
    let parts: Vec<&str> = live.split('.').collect();
    let with = |member: &str, value: Value| {
        let mut payload = claims(&live);
        payload[member] = value;
        payload
    };
    let none = URL_SAFE_NO_PAD.encode(r#"{"typ":"at+jwt","alg":"none"}"#);
    let mut tokens: Vec<(String, String, bool)> =
        states.iter().map(|(what, _, _, token)| ((*what).to_owned(), token.clone(), what.starts_with("live"))).collect();
    for (what, token, is_good) in [
        ("live, as a header", format!("bearer  {live}"), true),
        ("forged anew", forge.token(&forge.header(), &claims(&live)), true),
        ("by a stranger's key", Forge::stranger(&forge.kid).token(&forge.header(), &claims(&live)), false),
        (
            "by an unknown key",
            {
                let stranger = Forge::stranger("nobody");
                stranger.token(&stranger.header(), &claims(&live))
            },
            false,
        ),
        ("cut", format!("{}.{}.", parts[0], parts[1]), false),
        ("cut with its dot", format!("{}.{}", parts[0], parts[1]), false),
        ("cut by 50", live[..live.len() - 50].to_owned(), false),
        ("alg none", format!("{none}.{}.", parts[1]), false),
        ("alg none, signed", format!("{none}.{}.{}", parts[1], parts[2]), false),
        ("wrong iss", forge.token(&forge.header(), &with("iss", json!("https://evil.example"))), false),
        ("issuer with a slash", forge.token(&forge.header(), &with("iss", json!(format!("{ISSUER}/")))), false),
        ("two audiences", forge.token(&forge.header(), &with("aud", json!(["https://orders.example/", "https://x.example/"]))), false),
        ("no record of it", forge.token(&forge.header(), &with("jti", json!("nothing"))), false),
        ("from the future", forge.token(&forge.header(), &with("iat", json!(server.now() + 61))), false),
        ("garbage", "garbage".to_owned(), false),
        ("opaque, unknown", format!("gw_at_{}", "A".repeat(43)), false),
        ("with a comma", format!("{live},"), false),
        ("two of them", format!("Bearer {live}, Bearer {live}"), false),
        ("with a tab", format!("Bearer\t{live}"), false),
    ] {
        tokens.push((what.to_owned(), token, is_good));
    }
    for (what, token, is_good) in &tokens {
        for (path, wanted) in
            [("/orders/p", true), ("/orders/other", true), ("/orders/open", true), ("/billing/1", false), ("/nowhere", false), ("/orders/%2e", false)]
        {
            assert_eq!(agree(&server, &root, token, "GET", path).await, *is_good && wanted, "{what} on {path}");
        }
    }
    // The key is retired at last: it takes every token with it.
    let retired = server.admin("POST", "/keys/rotate", json!({"emergency": true})).await;
    assert_eq!(retired.status(), 202);
    server.pass(6);
    let root = admin(&server).await;
    for path in ["/orders/p", "/orders/open"] {
        assert!(!agree(&server, &root, &live, "GET", path).await);
        assert!(agree(&server, &root, &states[1].3, "GET", path).await, "no key signed an opaque token");
    }
}

#[tokio::test]
async fn it_takes_gateway_backend_method_and_path_as_the_call_has_them() {
    // 5.5, M-14, AU-19, AU-20
    let server = Server::start().await;
    server.fixtures().await;
    server.create("/privileges", json!({"name": "p", "api": "orders"})).await;
    server.create("/apis", json!({"name": "own", "audience": "https://own.example/", "scopes": [{"value": "read"}], "base_path": "/own", "gateway": "local/local", "access": "authenticated"})).await;
    let client = server.client("c_cc", json!({"scopes": ["https://orders.example/read", "https://own.example/read"]})).await;
    let token = server.token(&client, "scope=https://orders.example/read").await;
    let root = admin(&server).await;
    for (method, path) in [
        ("PROPFIND", "/orders/1"),
        ("GET", "/orders/a%40b"),
        ("GET", "/orders/%61"),
        ("GET", "/orders/1?"),
        ("GET", "/orders/1?/../x"),
        ("GET", "/orders/1#x"),
        ("GET", "/orders/é"),
        ("TRACE", "/orders"),
    ] {
        agree(&server, &root, &token, method, path).await;
    }
    let long = format!("/orders/{}", "x".repeat(400));
    assert!(!agree(&server, &root, &token, "GET", &long).await);
    // What no gateway sends is neither accepted nor rejected.
    for method in ["get", "", "$connect", "GET "] {
        assert_eq!(asked(&server, &client, &question(&token, method, "/orders/1")).await.status(), 400, "{method}");
    }
    for (backend, real) in [("c_cc", 200), ("c_other", 403), ("", 403)] {
        let headers = [("authorization", &*format!("Bearer {token}")), ("x-client-id", backend)];
        assert_eq!(server.send("GET", "/orders/1", &headers, "").await.status(), real, "{backend}");
        let said = told(&server, &root, &json!({"token": token, "method": "GET", "path": "/orders/1", "client_id": backend})).await;
        assert_eq!(said["code"], if real == 200 { "ok" } else { "backend_mismatch" }, "{backend}");
    }
    let own = server.token(&client, "scope=https://own.example/read").await;
    assert_eq!(server.get("/own/1", &own).await.status(), 200);
    for (gateway, code) in [(json!("local/local"), "ok"), (json!("local/other"), "route_denied"), (Value::Null, "route_denied")] {
        let said = told(&server, &root, &json!({"token": own, "method": "GET", "path": "/own/1", "gateway": gateway})).await;
        assert_eq!(said["code"], code, "{gateway}");
    }
}
