//! Username and password at the gateway.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::browser::{PASSWORD, People};
use crate::support::{Server, json_of, shown};

fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// The Api `orders` takes passwords; alice may use the client `be1` (realm `staff`), and `be2` is of another realm.
async fn started() -> (Server, String) {
    let server = Server::with(&[("GATEWRIGHT_PASSWORD_GRANT", "on")]).await;
    server.fixtures().await;
    assert_eq!(server.admin("PATCH", "/apis/orders", json!({"basic_auth": true})).await.status(), 200);
    let people = People::of(&server).await;
    let be1 = server.client("be1", json!({"grant_types": ["password"], "realm": "staff"})).await;
    server.client("be2", json!({"grant_types": ["password"], "realm": "partners"})).await;
    assert_eq!(server.admin("PUT", &format!("/clients/be1/assignments/users/{}", people.alice), Value::Null).await.status(), 204);
    server.pass(200);
    (server, be1)
}

async fn call(server: &Server, authorization: &str, backend: Option<(&str, &str)>) -> shared::endpoints::Response {
    let mut headers = vec![("authorization", authorization)];
    headers.extend(backend);
    server.send("GET", "/orders/1", &headers, "").await
}

const BE1: Option<(&str, &str)> = Some(("Oracle-Mobile-Backend-Id", "be1"));

#[tokio::test]
async fn the_same_principal_as_by_token() {
    // M-10, M-11, M-12
    let (server, be1) = started().await;
    let answer = call(&server, &basic("alice", PASSWORD), BE1).await;
    assert_eq!(answer.status(), 200, "{}", shown(&answer));
    let by_password = json_of(&answer)["principal"].clone();
    let form = format!("grant_type=password&username=alice&password={}", crate::support::encoded(PASSWORD));
    let token = json_of(&server.post("/oauth2/token", &be1, &form).await)["access_token"].as_str().unwrap().to_owned();
    let by_token = json_of(&server.get("/orders/1", &token).await)["principal"].clone();
    for member in ["principalId", "sub", "sub_type", "client_id", "username", "realm", "scope", "roles", "aud"] {
        assert_eq!(by_password[member], by_token[member], "{member}");
    }
    assert_eq!((by_password.get("jti"), by_password.get("exp")), (None, None));
    for name in ["oracle-mobile-backend-id", "X-Client-Id"] {
        assert_eq!(call(&server, &basic("ALICE", PASSWORD), Some((name, "be1"))).await.status(), 200, "{name}");
    }
    // M-11: a name beyond ASCII, and M-13: whoever was let in has to say it again
    let zoe = crate::browser::user(&server, "zoë", json!({})).await;
    assert_eq!(server.admin("PUT", &format!("/clients/be1/assignments/users/{zoe}"), Value::Null).await.status(), 204);
    assert_eq!(json_of(&call(&server, &basic("Zoë", PASSWORD), BE1).await)["principal"]["username"], json!("zoë"));
    for backend in [vec![], vec![("x-client-id", "be1")]] {
        assert_eq!(server.send("GET", "/orders/1", &backend, "").await.status(), 401);
    }
}

#[tokio::test]
async fn without_the_right_backend_there_is_no_realm() {
    // M-11, M-12, M-13
    let (server, _) = started().await;
    let right = basic("alice", PASSWORD);
    assert_eq!(call(&server, &right, BE1).await.status(), 200);
    server.node().flush(&server.fresh()).await;
    for (backend, authorization, calls) in [
        // No user is looked for without a client of ours, and none is signed in without their password.
        (None, &right, ""),
        (Some(("x-client-id", "nobody")), &right, "BatchGetItem 1"),
        (BE1, &basic("alice", "wrong password"), "BatchGetItem 3, TransactWriteItems 1"),
    ] {
        server.proxy.calls();
        let refused = call(&server, authorization, backend).await;
        assert_eq!(server.proxy.calls(), calls, "{backend:?}");
        let challenges: Vec<&str> = refused.headers().get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
        let expected = vec![r#"Bearer realm="gatewright""#, r#"Basic realm="gatewright", charset="UTF-8""#];
        assert_eq!((refused.status().as_u16(), challenges), (401, expected), "{backend:?}");
    }
    for backend in [Some(("x-client-id", "be2")), Some(("x-client-id", "nobody")), Some(("x-client-id", ""))] {
        assert_eq!(call(&server, &right, backend).await.status(), 401, "{backend:?}");
    }
    for wrong in [basic("alice", "wrong password"), basic("bob", PASSWORD), basic("dave", PASSWORD), basic("", PASSWORD), "Basic ***".to_owned()] {
        assert_eq!(call(&server, &wrong, BE1).await.status(), 401, "{wrong}");
    }
    assert_eq!(server.send("GET", "/orders/1", &[("x-client-id", "be1")], "").await.status(), 401);
    // An Api that does not take passwords takes none, and says so.
    let other = server.send("GET", "/billing/1", &[("authorization", &right), ("x-client-id", "be1")], "").await;
    assert_eq!((other.status().as_u16(), other.headers().get_all("www-authenticate").iter().count()), (401, 1));
}

#[tokio::test]
async fn a_password_that_was_right_is_not_hashed_again_and_dies_with_a_change() {
    // T-04, LO-10: a proof in memory for a minute at most, ended by the feed
    let (server, _) = started().await;
    let right = basic("alice", PASSWORD);
    assert_eq!(call(&server, &right, BE1).await.status(), 200);
    server.proxy.calls();
    assert_eq!(call(&server, &right, BE1).await.status(), 200);
    assert_eq!(server.proxy.calls(), "");
    let id =
        json_of(&server.admin("GET", "/users?realm=staff&username=alice", Value::Null).await)["items"][0]["user_id"].as_str().unwrap().to_owned();
    assert_eq!(server.admin("PATCH", &format!("/users/{id}"), json!({"password": "another password"})).await.status(), 200);
    server.pass(6);
    assert_eq!(call(&server, &right, BE1).await.status(), 401);
    assert_eq!(call(&server, &basic("alice", "another password"), BE1).await.status(), 200);
    assert_eq!(server.admin("PATCH", &format!("/users/{id}"), json!({"active": false})).await.status(), 200);
    server.pass(6);
    assert_eq!(call(&server, &basic("alice", "another password"), BE1).await.status(), 401);
}

#[tokio::test]
async fn guessing_at_the_gateway_is_slowed_down_as_everywhere() {
    // LO-01
    let (server, _) = started().await;
    for _ in 0..10 {
        assert_eq!(call(&server, &basic("alice", "wrong password"), BE1).await.status(), 401);
    }
    assert_eq!(call(&server, &basic("alice", PASSWORD), BE1).await.status(), 401, "it has to wait");
    server.pass(2);
    assert_eq!(call(&server, &basic("alice", PASSWORD), BE1).await.status(), 200);
}
