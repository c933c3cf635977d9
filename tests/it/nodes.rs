//! Two nodes on one table: what one has written, the other's endpoints know at once (seeds 5.6; nothing here waits).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::oauth::keys::{KEY_LIFE, PUBLISH_AHEAD};

use crate::metadata::kid;
use crate::support::{Server, basic, claims, json_of};

const CREDENTIALS: &str = "grant_type=client_credentials";

async fn nodes() -> (Server, Server) {
    let a = Server::start().await;
    a.fixtures().await;
    let b = a.another().await;
    // MI-12, X-06: whatever is not read consistently is not seen.
    a.proxy.lag();
    b.proxy.lag();
    (a, b)
}

async fn introspected(server: &Server, authorization: &str, token: &str) -> Value {
    json_of(&server.post("/oauth2/introspect", authorization, &format!("token={token}")).await)
}

#[tokio::test]
async fn a_new_client_gets_a_token_at_the_other_node_at_once() {
    // 5.6 row 1, MI-01, G-02, T-25
    let (a, b) = nodes().await;
    for round in 0..20 {
        let id = format!("c_{round}");
        // B has just looked for it in vain.
        assert_eq!(b.post("/oauth2/token", &basic(&id, "not yet"), CREDENTIALS).await.status(), 401);
        let client = a.client(&id, json!({})).await;
        assert_eq!(b.post("/oauth2/token", &client, CREDENTIALS).await.status(), 200);
    }
}

#[tokio::test]
async fn a_token_of_one_node_says_the_same_at_the_other() {
    // 5.6 row 2, G-04, G-10, IN-12
    let a = Server::with(&[("GATEWRIGHT_TOKENINFO", "on")]).await;
    a.fixtures().await;
    let b = a.another().await;
    let server = a.client("c_rs", json!({"scopes": []})).await;
    let client = a.client("c_cc", json!({})).await;
    for format in ["jwt", "opaque"] {
        a.admin("PATCH", "/clients/c_cc", json!({"access_token_format": format})).await;
        let token = a.token(&client, "").await;
        let (at_a, at_b) = (introspected(&a, &server, &token).await, introspected(&b, &server, &token).await);
        assert_eq!((&at_a["active"], &at_a), (&json!(true), &at_b));
        let info = json_of(&b.post("/oauth2/tokeninfo", &server, &format!("access_token={token}")).await);
        assert_eq!(info, json!({"audience": "c_cc", "scope": "read", "expires_in": 3600}));
        let route = json_of(&b.get("/orders/1", &token).await)["principal"].clone();
        assert_eq!((&route["jti"], &route["client_id"]), (&at_a["jti"], &at_a["client_id"]));
    }
}

#[tokio::test]
async fn a_revoked_token_is_inactive_at_the_other_node_at_once() {
    // 5.6 row 6, RV-10, MI-03, G-13
    let (a, b) = nodes().await;
    let server = a.client("c_rs", json!({"scopes": []})).await;
    let client = a.client("c_cc", json!({})).await;
    for round in 0..25 {
        let (issuer, other) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let token = issuer.token(&client, "").await;
        assert_eq!(introspected(other, &server, &token).await["active"], true);
        assert_eq!(issuer.post("/oauth2/revoke", &client, &format!("token={token}")).await.status(), 200);
        assert_eq!(introspected(other, &server, &token).await, json!({"active": false}));
        // Not seen before by this node's authorizer, so there is nothing to wait for.
        assert_eq!(other.get("/orders/1", &token).await.status(), 401);
    }
}

#[tokio::test]
async fn a_deactivated_client_gets_no_token_at_the_other_node() {
    // 5.6 row 7, AD-10
    let (a, b) = nodes().await;
    let server = a.client("c_rs", json!({"scopes": []})).await;
    let client = a.client("c_cc", json!({})).await;
    let token = b.token(&client, "").await;
    a.admin("PATCH", "/clients/c_cc", json!({"active": false})).await;
    assert_eq!(b.post("/oauth2/token", &client, CREDENTIALS).await.status(), 401);
    assert_eq!(introspected(&b, &server, &token).await, json!({"active": false}));
    a.admin("PATCH", "/clients/c_cc", json!({"active": true})).await;
    assert_eq!(b.post("/oauth2/token", &client, CREDENTIALS).await.status(), 200);
}

#[tokio::test]
async fn a_rotated_secret_counts_at_the_other_node() {
    // 5.6 row 8, MI-02, CA-29
    let (a, b) = nodes().await;
    let old = a.client("c_cc", json!({})).await;
    let old_id = json_of(&a.admin("GET", "/clients/c_cc/secrets", Value::Null).await)["items"][0]["secret_id"].as_str().unwrap().to_owned();
    assert_eq!(b.post("/oauth2/token", &old, CREDENTIALS).await.status(), 200);
    let created = a.create("/clients/c_cc/secrets", json!({})).await;
    let new = basic("c_cc", created["client_secret"].as_str().unwrap());
    for secret in [&old, &new] {
        assert_eq!(b.post("/oauth2/token", secret, CREDENTIALS).await.status(), 200);
    }
    assert_eq!(a.admin("DELETE", &format!("/clients/c_cc/secrets/{old_id}"), Value::Null).await.status(), 204);
    assert_eq!(b.post("/oauth2/token", &old, CREDENTIALS).await.status(), 401);
    assert_eq!(b.post("/oauth2/token", &new, CREDENTIALS).await.status(), 200);
}

#[tokio::test]
async fn a_node_whose_clock_is_ahead_takes_a_token_and_does_not_make_it_live_longer() {
    // 5.6 row 11, SF-16, JW-14
    let a = Server::start().await;
    a.fixtures().await;
    let server = a.client("c_rs", json!({"scopes": []})).await;
    let client = a.client("c_cc", json!({})).await;
    for skew in [-60_i64, -30, 30, 60] {
        let b = a.another_at(a.now().checked_add_signed(skew).unwrap()).await;
        let token = a.token(&client, "").await;
        assert_eq!(introspected(&b, &server, &token).await["active"], true, "{skew}");
        assert_eq!(b.get("/orders/1", &token).await.status(), 200, "{skew}");
        b.set(claims(&token)["exp"].as_u64().unwrap() - 1);
        assert_eq!(introspected(&b, &server, &token).await["active"], true, "{skew}");
        b.pass(1);
        assert_eq!(introspected(&b, &server, &token).await, json!({"active": false}), "{skew}");
        assert_eq!(b.get("/orders/1", &token).await.status(), 401, "{skew}");
    }
    // Further behind than clocks may differ, the token is from a future that is not believed.
    let far = a.another_at(a.now() - 61).await;
    let token = a.token(&client, "").await;
    assert_eq!(introspected(&far, &server, &token).await, json!({"active": false}));
}

#[tokio::test]
async fn a_restarted_server_knows_what_the_table_knows() {
    // G-03, X-09: every process is new; nothing but the table remained.
    let (a, _) = nodes().await;
    let server = a.client("c_rs", json!({"scopes": []})).await;
    let client = a.client("c_cc", json!({})).await;
    let (live, dead) = (a.token(&client, "").await, a.token(&client, "").await);
    a.post("/oauth2/revoke", &client, &format!("token={dead}")).await;
    let later = a.another().await;
    later.proxy.lag();
    assert_eq!(introspected(&later, &server, &live).await["active"], true);
    assert_eq!(introspected(&later, &server, &dead).await, json!({"active": false}));
    assert_eq!(later.get("/orders/1", &live).await.status(), 200);
    assert_eq!(later.get("/orders/1", &dead).await.status(), 401);
    assert_eq!(later.post("/oauth2/token", &client, CREDENTIALS).await.status(), 200);
}

#[tokio::test]
async fn two_nodes_that_start_at_once_make_one_key_and_one_administrator() {
    // MI-09, AD-11, G-02
    let a = Server::start().await;
    let b = a.another().await;
    let (fresh_a, fresh_b) = (a.fresh(), b.fresh());
    let (one, two) = tokio::join!(a.node().prepare(&fresh_a), b.node().prepare(&fresh_b));
    assert!(one.is_ok() && two.is_ok());
    let admin = json_of(&a.admin("GET", "/keys", Value::Null).await);
    assert_eq!(admin["items"].as_array().unwrap().len(), 1, "{admin}");
    // Two emergencies at the same moment never make two active keys. The token that asked for the second may have died of the first.
    let path = "/keys/rotate";
    let (one, two) = tokio::join!(a.admin("POST", path, json!({"emergency": true})), b.admin("POST", path, json!({"emergency": true})));
    let statuses = [one.status().as_u16(), two.status().as_u16()];
    assert!(statuses.contains(&202) && statuses.iter().all(|status| [202, 401].contains(status)), "{statuses:?}");
    a.pass(5);
    let keys = json_of(&a.admin("GET", "/keys", Value::Null).await);
    let active = keys["items"].as_array().unwrap().iter().filter(|key| key["phase"] == "active").count();
    assert_eq!(active, 1, "{keys}");
}

#[tokio::test]
async fn a_rotation_finds_the_next_key_of_another_and_makes_no_second() {
    // AD-11
    let a = Server::start().await;
    let b = a.another().await;
    for node in [&a, &b] {
        assert_eq!(node.admin("POST", "/keys/rotate", Value::Null).await.status(), 202);
    }
    let keys = json_of(&b.admin("GET", "/keys", Value::Null).await);
    let phases: Vec<&str> = keys["items"].as_array().unwrap().iter().map(|key| key["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["active", "next"], "{keys}");
}

#[tokio::test]
async fn the_schedule_alone_replaces_a_key_before_its_end_and_drops_it_when_its_tokens_are_gone() {
    // MD-15, AD-11: three lives of a key. The sealed half goes with the public one.
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let signed_by = async || kid(&server.token(&client, "").await);
    let mut kids = BTreeSet::from([signed_by().await]);
    for life in 1..=3 {
        server.pass(KEY_LIFE - PUBLISH_AHEAD);
        server.node().prepare(&server.fresh()).await.unwrap();
        assert!(kids.contains(&signed_by().await), "published ahead of its use");
        server.pass(PUBLISH_AHEAD);
        kids.insert(signed_by().await);
        assert_eq!((kids.len(), server.dump().await.matches("\"key#").count()), (life + 1, 2));
    }
}
