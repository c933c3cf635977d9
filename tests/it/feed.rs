//! Two nodes on one table: what one changes, the other's warm authorizer learns of within `GATEWRIGHT_FEED_SECONDS`. The table lags
//! wherever it may (MI-12): only what is read consistently is seen.

mod access;

use serde_json::{Value, json};

use crate::forge::Forge;
use crate::support::{Fault, START, Server, claims};

/// Two nodes, and on the second a warm authorizer that knows a token of each of two clients.
struct Pair {
    a: Server,
    b: Server,
    clients: [String; 2],
    tokens: [String; 2],
}

impl Pair {
    async fn start() -> Self {
        let a = Server::start().await;
        a.fixtures().await;
        let b = a.another().await;
        a.proxy.lag();
        b.proxy.lag();
        let clients = [a.client("c_one", json!({})).await, a.client("c_two", json!({})).await];
        // Away from the border between two partitions of the feed, and from what it tells of all this.
        a.pass(200);
        let tokens = [a.token(&clients[0], "").await, a.token(&clients[1], "").await];
        b.warm().await;
        let pair = Self { a, b, clients, tokens };
        pair.seen([200, 200]).await;
        pair
    }

    /// What B's authorizer says to the two tokens.
    async fn seen(&self, expected: [u16; 2]) {
        for (token, expected) in self.tokens.iter().zip(expected) {
            assert_eq!(self.b.get("/orders/1", token).await.status(), expected);
        }
        self.b.proxy.calls();
    }

    /// After a change at A: B still believes what it knows for as long as the contract says, and then refuses what changed; the other
    /// token costs no read of its own.
    async fn learns(&self, expected: [u16; 2], reads: &str) {
        self.a.pass(4);
        self.seen([200, 200]).await;
        self.a.pass(1);
        assert_eq!(self.b.get("/orders/1", &self.tokens[1]).await.status(), expected[1]);
        assert_eq!(self.b.proxy.calls(), reads);
        self.seen(expected).await;
        assert_eq!(self.b.get("/orders/1", &self.tokens[1]).await.status(), expected[1]);
        // A refusal that a change could undo looks at the feed again; what passes costs nothing.
        assert_eq!(self.b.proxy.calls(), if expected[1] == 403 { "Query 1" } else { "" });
    }
}

#[tokio::test]
async fn what_was_made_a_moment_ago_is_not_refused_by_a_warm_authorizer() {
    // 5.6 rows 1 and 2, MI-01: a new Api, a new client and its token, at once and in the same second; who is refused costs little.
    let server = Server::start().await;
    server.proxy.lag();
    server.pass(200); // Away from the border between two partitions of the feed.
    server.warm().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    server.proxy.calls();
    assert_eq!(server.get("/orders/1", &token).await.status(), 200);
    assert_eq!(server.proxy.calls(), "BatchGetItem 2, Query 1");
    for _ in 0..20 {
        assert_eq!(server.get("/nowhere", &token).await.status(), 403);
    }
    assert_eq!(server.proxy.calls(), "Query 2", "refusals look at the feed at most three times a second");
}

#[tokio::test]
async fn a_revoked_token_is_refused_by_the_other_node_and_the_others_are_not_read_again() {
    // 5.6 row 6, G-07, RV-03, RV-11, MI-03, AU-17
    let pair = Pair::start().await;
    assert_eq!(pair.a.post("/oauth2/revoke", &pair.clients[0], &format!("token={}", pair.tokens[0])).await.status(), 200);
    pair.learns([401, 200], "Query 1").await;
}

#[tokio::test]
async fn a_token_revoked_by_an_administrator_is_refused_by_the_other_node() {
    // 5.6 row 6
    let pair = Pair::start().await;
    let jti = claims(&pair.tokens[0])["jti"].as_str().unwrap().to_owned();
    assert_eq!(pair.a.admin("DELETE", &format!("/tokens/{jti}"), Value::Null).await.status(), 204);
    pair.learns([401, 200], "Query 1").await;
}

#[tokio::test]
async fn a_deactivated_client_is_refused_by_the_other_node() {
    // 5.6 row 7, G-17, AD-10
    let pair = Pair::start().await;
    assert_eq!(pair.a.admin("PATCH", "/clients/c_one", json!({"active": false})).await.status(), 200);
    pair.learns([401, 200], "Query 1").await;
    // Row 7: at the token endpoint there is nothing to wait for.
    assert_eq!(pair.b.post("/oauth2/token", &pair.clients[0], "grant_type=client_credentials").await.status(), 401);
}

#[tokio::test]
async fn a_deleted_client_is_refused_by_the_other_node() {
    // AD-09, G-17
    let pair = Pair::start().await;
    assert_eq!(pair.a.admin("DELETE", "/clients/c_one", Value::Null).await.status(), 204);
    pair.learns([401, 200], "Query 1").await;
    assert_eq!(pair.b.post("/oauth2/token", &pair.clients[0], "grant_type=client_credentials").await.status(), 401);
}

#[tokio::test]
async fn all_tokens_of_a_client_can_be_revoked_at_once() {
    // CONTRACT 3 `revoke-tokens`
    let pair = Pair::start().await;
    pair.a.pass(1);
    pair.seen([200, 200]).await;
    assert_eq!(pair.a.admin("POST", "/clients/c_one/revoke-tokens", Value::Null).await.status(), 204);
    pair.a.pass(5);
    pair.seen([401, 200]).await;
    let fresh = pair.a.token(&pair.clients[0], "").await;
    assert_eq!(pair.b.get("/orders/1", &fresh).await.status(), 200);
}

#[tokio::test]
async fn a_changed_api_is_read_again_by_the_other_node() {
    // MI-10: one read for the Apis, shared by all tokens.
    let pair = Pair::start().await;
    assert_eq!(pair.a.admin("PATCH", "/apis/orders", json!({"access": "deny"})).await.status(), 200);
    pair.learns([403, 403], "BatchGetItem 1, Query 1").await;
    assert_eq!(pair.a.admin("DELETE", "/apis/orders", Value::Null).await.status(), 204);
    pair.a.pass(5);
    pair.seen([401, 401]).await;
}

#[tokio::test]
async fn a_withdrawn_key_is_trusted_by_nobody() {
    // MD-16, 5.4 "signing key retired", JW-09 "kid of a retired key"
    let pair = Pair::start().await;
    let forge = Forge::of(&pair.a).await;
    assert_eq!(pair.a.admin("POST", "/keys/rotate", json!({"emergency": true})).await.status(), 202);
    pair.learns([401, 401], "BatchGetItem 1, Query 1").await;
    // Neither an old token that was never seen nor a new one under the old key; a new token is good at once.
    let mut unseen = claims(&pair.tokens[0]);
    unseen["jti"] = json!("unseen");
    assert_eq!(pair.b.get("/orders/1", &forge.token(&forge.header(), &unseen)).await.status(), 401);
    let fresh = pair.a.token(&pair.clients[0], "").await;
    assert_eq!(pair.b.get("/orders/1", &fresh).await.status(), 200);
    let jwks = String::from_utf8(pair.b.send("GET", "/.well-known/jwks.json", &[], "").await.body().to_vec()).unwrap();
    assert!(!jwks.contains(&forge.kid), "{jwks}");
}

#[tokio::test]
async fn a_rotated_key_leaves_old_tokens_good_and_new_ones_too() {
    // 5.6 row 9, MI-09, MD-15: a node signs only with what both have published.
    let pair = Pair::start().await;
    assert_eq!(pair.a.admin("POST", "/keys/rotate", json!({})).await.status(), 202);
    let old = Forge::of(&pair.a).await.kid;
    let mut kids = Vec::new();
    for _ in 0..40 {
        pair.a.pass(300);
        for node in [&pair.a, &pair.b] {
            let token = node.token(&pair.clients[0], "").await;
            let kid = kid_of(&token);
            let jwks = String::from_utf8(pair.b.send("GET", "/.well-known/jwks.json", &[], "").await.body().to_vec()).unwrap();
            assert!(jwks.contains(&kid), "signed with {kid}, published {jwks}");
            for verifier in [&pair.a, &pair.b] {
                assert_eq!(verifier.get("/orders/1", &token).await.status(), 200);
            }
            if kids.last() != Some(&kid) {
                kids.push(kid);
            }
        }
    }
    assert_eq!((kids.len(), &kids[0]), (2, &old), "one change, at the same moment on both nodes: {kids:?}");
}

fn kid_of(token: &str) -> String {
    use base64::Engine as _;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_instance_that_was_frozen_forgets_instead_of_catching_up() {
    // X-09, AU-17, DESIGN 3
    let pair = Pair::start().await;
    for revoked in [false, true] {
        if revoked {
            assert_eq!(pair.a.post("/oauth2/revoke", &pair.clients[0], &format!("token={}", pair.tokens[0])).await.status(), 200);
        }
        pair.a.pass(1_000);
        pair.b.proxy.calls();
        assert_eq!(pair.b.get("/orders/1", &pair.tokens[0]).await.status(), if revoked { 401 } else { 200 });
        let calls = pair.b.proxy.calls();
        assert!(calls.starts_with("BatchGetItem 1") && !calls.contains("Query"), "{calls}");
    }
    pair.a.pass(7_200);
    pair.seen([401, 401]).await;
}

#[tokio::test]
async fn what_a_node_with_a_slow_clock_writes_is_seen_all_the_same() {
    // SF-16: writers' clocks may be 60 s behind, or ahead.
    for skew in [-60_i64, 60] {
        let pair = Pair::start().await;
        let writer = pair.a.another_at(pair.a.now().checked_add_signed(skew).unwrap()).await;
        // B has just looked at the feed, so that the entry's time lies before (or far after) what B followed to.
        pair.a.pass(5);
        writer.pass(5);
        pair.seen([200, 200]).await;
        assert_eq!(writer.post("/oauth2/revoke", &pair.clients[0], &format!("token={}", pair.tokens[0])).await.status(), 200);
        pair.learns([401, 200], "Query 1").await;
    }
}

#[tokio::test]
async fn an_entry_on_the_other_side_of_a_partitions_border_is_seen() {
    // One partition of the feed is 600 s; START is a border.
    for skew in [-60_i64, 0, 60] {
        let pair = Pair::start().await;
        pair.a.pass(START + 600 - pair.a.now() - 7);
        pair.seen([200, 200]).await;
        let writer = pair.a.another_at(pair.a.now().checked_add_signed(skew).unwrap()).await;
        assert_eq!(writer.post("/oauth2/revoke", &pair.clients[0], &format!("token={}", pair.tokens[0])).await.status(), 200);
        pair.a.pass(10);
        pair.seen([401, 200]).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_keep_an_authorizer_from_learning() {
    // SF-17
    for back in [6, 60, 3_600] {
        let pair = Pair::start().await;
        let before = pair.a.now();
        pair.a.set(before - back);
        assert_eq!(pair.a.post("/oauth2/revoke", &pair.clients[0], &format!("token={}", pair.tokens[0])).await.status(), 200);
        pair.a.pass(5);
        assert_eq!(pair.b.get("/orders/1", &pair.tokens[0]).await.status(), 401, "{back}");
        pair.a.pass(6);
        assert_eq!(pair.b.get("/orders/1", &pair.tokens[0]).await.status(), 401, "{back}");
    }
}

#[tokio::test]
async fn what_was_read_before_a_change_is_not_remembered_after_it() {
    // CC-05 at the authorizer: a slow first sight of a token overlaps with its revocation and with the feed that tells of it.
    for what in ["token", "client"] {
        let pair = Pair::start().await;
        let late = pair.a.token(&pair.clients[0], "").await;
        pair.a.pass(4);
        pair.b.proxy.inject(Fault::Late, "BatchGetItem", 1);
        let slow = async { pair.b.get("/orders/1", &late).await.status().as_u16() };
        let change = async {
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            if what == "token" {
                assert_eq!(pair.a.post("/oauth2/revoke", &pair.clients[0], &format!("token={late}")).await.status(), 200);
            } else {
                assert_eq!(pair.a.admin("PATCH", "/clients/c_one", json!({"active": false})).await.status(), 200);
            }
            pair.a.pass(2);
            assert_eq!(pair.b.get("/orders/1", &pair.tokens[1]).await.status(), 200);
        };
        // It was good when it was read.
        let (first, ()) = tokio::join!(Box::pin(slow), Box::pin(change));
        assert_eq!(first, 200, "{what}");
        assert_eq!(pair.b.get("/orders/1", &late).await.status(), 401, "{what}");
    }
}
