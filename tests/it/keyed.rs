//! Anonymous callers who are still tied to a client: an Api with `anonymous: "keyed"` asks them for the client's anonymous key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use expect_test::expect;
use serde_json::{Value, json};
use shared::endpoints::Response;

use crate::agreement::agree;
use crate::browser::{PASSWORD, People};
use crate::diagnose::{admin, question, told};
use crate::support::{Server, basic, json_of, shown};

const ID: &str = "Oracle-Mobile-Backend-Id";

/// The keyed Api `status`, public but for `/status/deep` and `/status/closed`, and the clients `be1` (which has a token of it), `be2` and
/// `app` (public).
struct Backends {
    server: Server,
    be1: String,
    token: String,
}

impl Backends {
    async fn start() -> Self {
        let server = Server::with(&[("GATEWRIGHT_PASSWORD_GRANT", "on")]).await;
        server.fixtures().await;
        let api =
            json!({"name": "status", "audience": "https://status.example/", "scopes": [{"value": "read"}], "access": "public", "anonymous": "keyed"});
        server.create("/apis", api).await;
        server.roles(&["clerk"]).await;
        server.create("/privileges", json!({"name": "closed", "api": "status", "routes": [{"path": "/status/closed"}], "roles": ["clerk"]})).await;
        let be1 = server.client("be1", json!({"scopes": ["https://status.example/read"], "realm": "staff"})).await;
        server.client("be2", json!({})).await;
        let app = json!({"client_type": "public", "grant_types": ["authorization_code"], "redirect_uris": ["https://app.example/cb"], "scopes": []});
        server.client("app", app).await;
        let token = server.token(&be1, "").await;
        // Away from the border between two partitions of the feed.
        server.pass(200);
        Self { server, be1, token }
    }

    /// A new key of a client, and its id.
    async fn key(&self, client_id: &str, body: Value) -> (String, String) {
        let made = self.server.create(&format!("/clients/{client_id}/anonymous-keys"), body).await;
        (made["anonymous_key"].as_str().unwrap().to_owned(), made["key_id"].as_str().unwrap().to_owned())
    }

    async fn call(&self, path: &str, authorization: &str, backends: &[(&str, &str)]) -> Response {
        call(&self.server, path, authorization, backends).await
    }
}

async fn call(server: &Server, path: &str, authorization: &str, backends: &[(&str, &str)]) -> Response {
    let mut headers = backends.to_vec();
    headers.extend((!authorization.is_empty()).then_some(("authorization", authorization)));
    server.send("GET", path, &headers, "").await
}

fn header(client_id: &str, key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client_id}:{key}")))
}

#[tokio::test]
async fn a_call_without_a_token_says_by_a_key_which_clients_app_it_comes_from() {
    // M-05, M-04, M-06, AU-16
    let backends = Backends::start().await;
    let (key, _) = backends.key("be1", json!({})).await;
    let (other, _) = backends.key("be2", json!({})).await;
    let (of_app, _) = backends.key("app", json!({})).await;
    let refused = expect![[r#"
        401 Unauthorized
        cache-control: no-store
        content-type: application/json
        www-authenticate: Basic realm="gatewright", charset="UTF-8"
        www-authenticate: Bearer realm="gatewright"

        {"message":"Unauthorized"}"#]];
    refused.assert_eq(&shown(&backends.call("/status", "", &[(ID, "be1")]).await));
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json

        {"method":"GET","path":"/status","principal":{"client_id":"be1","principalId":"anonymous","realm":"staff","sub_type":"anonymous"},"query":{}}"#]]
    .assert_eq(&shown(&backends.call("/status", &header("be1", &key), &[(ID, "be1")]).await));
    refused.assert_eq(&shown(&backends.call("/status", &header("be2", &other), &[(ID, "be1")]).await));
    refused.assert_eq(&shown(&backends.call("/status", "", &[]).await));
    // The other header says the same, the scheme is spelled anyhow, and an app that keeps no secret has a key too.
    assert_eq!(backends.call("/status/a", &header("be1", &key).replace("Basic", "bAsIc"), &[("x-client-id", "be1")]).await.status(), 200);
    let of_app = json_of(&backends.call("/status", &header("app", &of_app), &[(ID, "app")]).await)["principal"].clone();
    assert_eq!(of_app, json!({"client_id": "app", "principalId": "anonymous", "realm": "default", "sub_type": "anonymous"}));
    // A good token needs no key, and counts for its client as before.
    let by_token = json_of(&backends.server.get("/status", &backends.token).await)["principal"].clone();
    assert_eq!((&by_token["sub"], &by_token["sub_type"]), (&json!("be1"), &json!("client")));
    let usage = async |client_id: &str| {
        let items = json_of(&backends.server.admin("GET", &format!("/usage?client_id={client_id}"), Value::Null).await)["items"].clone();
        let line = |item: &Value| format!("{} {} {}", item["principal"], item["calls_allowed"], item["calls_anonymous"]);
        items.as_array().unwrap().iter().map(line).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(usage("be1").await, r#""client" 1 null, "anonymous" null 2"#);
    assert_eq!(usage("app").await, r#""anonymous" null 1"#);
    assert_eq!(usage("be2").await, "", "a wrong key is nobody's doing");
    let stats = json_of(&backends.server.admin("GET", "/stats/latest/instance", Value::Null).await);
    assert_eq!((&stats["items"][0]["calls_anonymous"], &stats["items"][0]["calls_denied"]), (&json!(3), &json!(3)));
}

#[tokio::test]
async fn whatever_is_no_live_key_of_the_one_client_that_is_named_is_refused() {
    // M-05, 5.1 rule 5
    let backends = Backends::start().await;
    let (key, _) = backends.key("be1", json!({"expires_in": 60})).await;
    let good = header("be1", &key);
    let status = async |authorization: &str, named: &[(&str, &str)]| backends.call("/status", authorization, named).await.status().as_u16();
    assert_eq!(status(&good, &[(ID, "be1")]).await, 200);
    for named in [
        &[][..],
        &[(ID, "be2")],
        &[(ID, "BE1")],
        &[(ID, "")],
        &[(ID, "be1,be2")],
        &[(ID, "be1"), (ID, "be1")],
        &[(ID, "be1"), ("x-client-id", "be1")],
        &[(ID, "be1"), ("x-client-id", "be2")],
    ] {
        assert_eq!(status(&good, named).await, 401, "{named:?}");
    }
    let secret = String::from_utf8(STANDARD.decode(backends.be1.strip_prefix("Basic ").unwrap()).unwrap()).unwrap();
    let secret = secret.split_once(':').unwrap().1.to_owned();
    let cut = key[..key.len() - 1].to_owned();
    for wrong in [
        header("be2", &key),
        header("nobody", &key),
        header("", &key),
        header("be1", &cut),
        header("be1", &format!("{key}A")),
        header("be1", &key["gw_ak_".len()..]),
        header("be1", &format!("gw_ak_{}", URL_SAFE_NO_PAD.encode([7; 32]))),
        header("be1", ""),
        format!("Basic {}", STANDARD.encode(&key)),
        format!("Basic {key}"),
        format!("Bearer {key}"),
        // A client's secret is no key.
        header("be1", &secret),
        backends.be1.clone(),
    ] {
        assert_eq!(status(&wrong, &[(ID, "be1")]).await, 401, "{wrong}");
        let named = wrong.strip_prefix("Basic ").and_then(|value| String::from_utf8(STANDARD.decode(value).ok()?).ok());
        let named = named.as_ref().and_then(|joined| joined.split(':').next()).unwrap_or_default();
        assert!(named == "be1" || status(&wrong, &[(ID, named)]).await == 401, "{wrong}");
    }
    // A protected route is not opened, whatever protects it; the Api's other routes are not closed by that.
    for path in ["/status/closed", "/orders/1", "/nowhere", "/status//a"] {
        assert_eq!(backends.call(path, &good, &[(ID, "be1")]).await.status(), 401, "{path}");
    }
    // An inactive client's is dead at once where it was not seen before, and lives again with it; an expired one is dead.
    let fresh = backends.server.another().await;
    assert_eq!(backends.server.admin("PATCH", "/clients/be1", json!({"active": false})).await.status(), 200);
    assert_eq!(call(&fresh, "/status", &good, &[(ID, "be1")]).await.status(), 401);
    assert_eq!(backends.server.admin("PATCH", "/clients/be1", json!({"active": true})).await.status(), 200);
    assert_eq!(call(&fresh, "/status", &good, &[(ID, "be1")]).await.status(), 200, "what was made so a moment ago is looked for");
    backends.server.pass(59);
    assert_eq!(status(&good, &[(ID, "be1")]).await, 200);
    backends.server.pass(1);
    assert_eq!(status(&good, &[(ID, "be1")]).await, 401);
}

#[tokio::test]
async fn a_key_authenticates_nobody() {
    // M-05, T-06, CA-01: at no endpoint, by no method
    let backends = Backends::start().await;
    let (key, _) = backends.key("be1", json!({})).await;
    let (of_app, _) = backends.key("app", json!({})).await;
    let server = &backends.server;
    for (id, key) in [("be1", &key), ("app", &of_app)] {
        let wrong = [(basic(id, key), String::new()), (String::new(), format!("&client_id={id}&client_secret={key}"))];
        for (authorization, form) in wrong {
            for (path, body) in [
                ("/oauth2/token", "grant_type=client_credentials".to_owned()),
                ("/oauth2/introspect", format!("token={}", backends.token)),
                ("/oauth2/revoke", format!("token={}", backends.token)),
            ] {
                let answer = server.post(path, &authorization, &format!("{body}{form}")).await;
                assert_eq!((answer.status().as_u16(), &json_of(&answer)["error"]), (401, &json!("invalid_client")), "{path} {id} {form}");
            }
        }
        let asked = question(&backends.token, "GET", "/status").to_string();
        let headers = [("authorization", basic(id, key)), ("content-type", "application/json".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(server.send("POST", "/oauth2/diagnose", &headers, asked).await.status(), 401);
        let bearer = format!("Bearer {key}");
        assert_eq!(server.send("GET", "/admin/v1/clients", &[("authorization", &bearer)], "").await.status(), 401);
    }
    assert_eq!(server.get("/status", &backends.token).await.status(), 200, "nothing was revoked by it");
}

#[tokio::test]
async fn what_is_spelled_as_a_key_is_never_tried_as_a_password() {
    // M-05, LO-01, T-04: on an Api that takes both, no hash and no failed sign-in
    let backends = Backends::start().await;
    let server = &backends.server;
    assert_eq!(server.admin("PATCH", "/apis/status", json!({"basic_auth": true})).await.status(), 200);
    let people = People::of(server).await;
    assert_eq!(server.admin("PUT", &format!("/clients/be1/assignments/users/{}", people.alice), Value::Null).await.status(), 204);
    let (key, _) = backends.key("be1", json!({})).await;
    server.pass(200);
    let named = [(ID, "be1")];
    for wrong in [format!("gw_ak_{}", URL_SAFE_NO_PAD.encode([7; 32])), key[..20].to_owned(), format!("{key}A")] {
        for username in ["alice", "be1"] {
            for _ in 0..8 {
                assert_eq!(backends.call("/status", &header(username, &wrong), &named).await.status(), 401);
            }
        }
    }
    assert_eq!(backends.call("/status", &header("be1", &key), &named).await.status(), 200);
    let by_password = backends.call("/status", &header("alice", PASSWORD), &named).await;
    assert_eq!((by_password.status().as_u16(), &json_of(&by_password)["principal"]["username"]), (200, &json!("alice")), "nothing to wait for");
}

#[tokio::test]
async fn an_api_that_asks_for_no_key_takes_a_good_one_and_refuses_a_wrong_one() {
    // M-05 (pinned), M-04, 5.1 rule 5: apps can ship their key before the Api asks for it
    let backends = Backends::start().await;
    let (key, _) = backends.key("be1", json!({})).await;
    let server = &backends.server;
    assert_eq!(json_of(&server.admin("PATCH", "/apis/status", json!({"anonymous": null})).await)["anonymous"], "open");
    server.pass(6);
    let principal = |answer: &Response| json_of(answer)["principal"].clone();
    assert_eq!(principal(&backends.call("/status", "", &[]).await), json!({"principalId": "anonymous", "sub_type": "anonymous"}));
    let with_key = backends.call("/status", &header("be1", &key), &[(ID, "be1")]).await;
    assert_eq!((with_key.status().as_u16(), &principal(&with_key)["client_id"]), (200, &json!("be1")));
    let wrong = backends.call("/status", &header("be1", &key), &[(ID, "be2")]).await;
    assert_eq!((wrong.status().as_u16(), wrong.headers().get_all("www-authenticate").iter().count()), (401, 1));
    // And what is asked for is one of two words.
    let refused = server.admin("PATCH", "/apis/status", json!({"anonymous": "yes"})).await;
    assert_eq!((refused.status().as_u16(), &json_of(&refused)["errors"][0]["pointer"]), (400, &json!("/anonymous")));
}

#[tokio::test]
async fn keys_are_listed_shown_once_and_at_most_two() {
    // M-05, I-05, AD-03, AD-12
    let backends = Backends::start().await;
    let server = &backends.server;
    let path = "/clients/app/anonymous-keys";
    let pinned = |text: &str| -> String {
        let ids = text.split("\"key_id\":\"").enumerate();
        ids.map(|(at, part)| if at == 0 { part.to_owned() } else { format!("\"key_id\":\"[id]{}", &part[24..]) }).collect()
    };
    let first = server.admin("POST", path, Value::Null).await;
    expect![[r#"
        201 Created
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"anonymous_key":"[gw_ak]","created_at":"2026-11-20T18:03:20Z","expires_at":null,"key_id":"[id]"}"#]]
    .assert_eq(&pinned(&shown(&first)));
    let (key, id) = backends.key("app", json!({"expires_in": 3600})).await;
    let third = server.admin("POST", path, json!({})).await;
    assert_eq!((third.status().as_u16(), &json_of(&third)["detail"]), (409, &json!("the client has two live anonymous keys, delete one first")));
    let listed = server.admin("GET", path, Value::Null).await;
    assert_eq!(
        pinned(std::str::from_utf8(listed.body()).unwrap()),
        r#"{"items":[{"created_at":"2026-11-20T18:03:20Z","expires_at":null,"key_id":"[id]"},{"created_at":"2026-11-20T18:03:20Z","expires_at":"2026-11-20T19:03:20Z","key_id":"[id]"}],"next_cursor":null}"#
    );
    assert_eq!(server.admin("POST", path, json!({"expires_in": 0})).await.status(), 400);
    assert_eq!(server.admin("PUT", path, json!({})).await.headers()["allow"], "GET, POST");
    // A secret's place is not a key's: neither is found in the other's.
    assert_eq!(server.admin("DELETE", &format!("/clients/app/secrets/{id}"), Value::Null).await.status(), 404);
    assert_eq!(server.admin("DELETE", &format!("{path}/{id}"), Value::Null).await.status(), 204);
    assert_eq!(server.admin("DELETE", &format!("{path}/{id}"), Value::Null).await.status(), 404);
    assert_eq!(json_of(&server.admin("GET", "/clients/be1/secrets", Value::Null).await)["items"].as_array().unwrap().len(), 1);
    // Scopes of the admin API are asked for as for secrets.
    let reader = server.client("reader", json!({"scopes": ["urn:gatewright:admin:clients.read", "urn:gatewright:admin:audit.read"]})).await;
    let bearer = format!("Bearer {}", server.token(&reader, "").await);
    for (method, target, expected) in [("GET", path.to_owned(), 200), ("POST", path.to_owned(), 403), ("DELETE", format!("{path}/{id}"), 403)] {
        let answer = server.send(method, &format!("/admin/v1{target}"), &[("authorization", &bearer)], "").await;
        assert_eq!(answer.status().as_u16(), expected, "{method} {target}");
    }
    let audit = json_of(&server.admin("GET", "/audit?client_id=app", Value::Null).await);
    let events: Vec<&str> = audit["items"].as_array().unwrap().iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(events.iter().filter(|event| **event == "client.anonymous_key_created").count(), 2, "{events:?}");
    assert!(events.contains(&"client.anonymous_key_deleted"));
    // SE-01: nothing of a key is in the table, nor in any answer but the first.
    server.node().flush(&server.fresh()).await;
    let dump = server.dump().await;
    for known in [key.as_str(), json_of(&first)["anonymous_key"].as_str().unwrap()] {
        assert!(!dump.contains(&known["gw_ak_".len()..]) && !dump.contains("gw_ak_") && !audit.to_string().contains(known));
    }
    for answer in [listed, server.admin("GET", "/clients/app", Value::Null).await] {
        assert!(!shown(&answer).contains("gw_ak") && !shown(&answer).contains("digest"));
    }
}

#[tokio::test]
async fn a_warm_authorizer_knows_a_key_by_heart_and_hears_of_its_end() {
    // M-05, 5.6 rows 7 and 10, G-01: two nodes; what is deleted or made at one counts at the other within GATEWRIGHT_FEED_SECONDS
    let backends = Backends::start().await;
    let (first, id) = backends.key("be1", json!({})).await;
    backends.server.pass(200);
    let b = backends.server.another().await;
    backends.server.proxy.lag();
    b.proxy.lag();
    b.warm().await;
    let at_b = async |key: &str| call(&b, "/status", &header("be1", key), &[(ID, "be1")]).await.status().as_u16();
    b.proxy.calls();
    assert_eq!(at_b(&first).await, 200);
    assert_eq!(b.proxy.calls(), "BatchGetItem 1, Query 1", "the client, and the privileges of an Api that is called for the first time");
    assert_eq!((at_b(&first).await, b.proxy.calls().as_str()), (200, ""));
    // A new one passes at once.
    let (second, _) = backends.key("be1", json!({})).await;
    assert_eq!(at_b(&second).await, 200);
    assert_eq!((at_b(&first).await, at_b(&second).await), (200, 200));
    backends.server.pass(5);
    at_b(&first).await;
    assert_eq!(backends.server.admin("DELETE", &format!("/clients/be1/anonymous-keys/{id}"), Value::Null).await.status(), 204);
    backends.server.pass(4);
    assert_eq!(at_b(&first).await, 200, "B may believe what it knows for as long as the contract says");
    backends.server.pass(1);
    assert_eq!((at_b(&first).await, at_b(&second).await), (401, 200));
    for change in [json!({"active": false}), json!({"active": true})] {
        assert_eq!(backends.server.admin("PATCH", "/clients/be1", change.clone()).await.status(), 200);
        backends.server.pass(5);
        assert_eq!(at_b(&second).await, if change["active"] == true { 200 } else { 401 });
    }
    // And of a client that is made again: it has none of the earlier one's keys.
    assert_eq!(backends.server.admin("DELETE", "/clients/be1", Value::Null).await.status(), 204);
    backends.server.client("be1", json!({})).await;
    backends.server.pass(5);
    assert_eq!(at_b(&second).await, 401);
}

#[tokio::test]
async fn an_allowed_call_is_allowed_alone() {
    // M-05, AU-12: a policy that the gateway caches under the key says nothing of any other call; and whose plan it counts for
    let backends = Backends::start().await;
    let (key, _) = backends.key("be1", json!({})).await;
    let plan = json!({"usage_identifier_key": "the-value-of-a-usage-plans-api-key"});
    assert_eq!(backends.server.admin("PATCH", "/clients/be1", plan).await.status(), 200);
    backends.server.pass(6);
    let arn = "arn:aws:execute-api:local:000000000000:local/local/GET/status/a";
    let ask = async |event: Value| {
        let event = serde_json::from_value(event).unwrap();
        backends.server.node().authorize(event, backends.server.fresh()).await.map(|answer| serde_json::to_value(answer).unwrap())
    };
    let headers = json!({"Authorization": header("be1", &key), "x-client-id": "be1"});
    let answer = ask(json!({"type": "REQUEST", "methodArn": arn, "path": "/status/a", "headers": headers})).await.unwrap();
    assert_eq!(
        answer,
        json!({
            "principalId": "anonymous",
            "policyDocument": {"Version": "2012-10-17", "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": arn}]},
            "context": {"sub_type": "anonymous", "client_id": "be1", "realm": "staff"},
            "usageIdentifierKey": "the-value-of-a-usage-plans-api-key",
        })
    );
    // A TOKEN authorizer sees no other header, so nothing names the client.
    assert!(ask(json!({"type": "TOKEN", "methodArn": arn, "authorizationToken": header("be1", &key)})).await.is_err());
}

#[tokio::test]
async fn explanation_and_diagnosis_know_of_the_key_that_is_asked_for() {
    // M-05, 5.5: a call without a token is `ok` only where it would pass
    let backends = Backends::start().await;
    let (key, _) = backends.key("be1", json!({})).await;
    let server = &backends.server;
    let root = admin(server).await;
    for path in ["/status", "/status/closed", "/orders/1", "/nowhere"] {
        assert!(!agree(server, &root, "", "GET", path).await, "{path}");
        assert!(!agree(server, &root, &header("be1", &key), "GET", path).await, "{path}: no backend is named");
        assert_eq!(agree(server, &root, &backends.token, "GET", path).await, path == "/status", "{path}");
    }
    let said = told(server, &root, &question("", "GET", "/status")).await;
    assert_eq!((&said["gate"], &said["code"], &said["route"]["anonymous"]), (&json!("token"), &json!("key_missing"), &json!("keyed")));
    for (path, anonymous) in [("/status", json!("keyed")), ("/status/closed", Value::Null), ("/orders/1", Value::Null)] {
        let explained = json_of(&server.admin("GET", &format!("/routes/explain?method=GET&path={path}"), Value::Null).await);
        assert_eq!(explained["asks"]["anonymous"], anonymous, "{path}");
    }
    assert_eq!(server.admin("PATCH", "/apis/status", json!({"anonymous": "open"})).await.status(), 200);
    server.pass(6);
    assert!(agree(server, &root, "", "GET", "/status").await);
}
