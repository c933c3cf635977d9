//! The same for who may call what: roles, privileges and Apis that one node changes.

use std::time::Duration;

use serde_json::{Value, json};

use super::Pair;
use crate::support::{Fault, Server, basic, json_of, shown};

/// Who may read orders.
fn readers(roles: Value) -> Value {
    json!({"name": "readers", "api": "orders", "routes": [{"methods": ["GET"], "path": "/orders/*"}], "roles": roles})
}

impl Pair {
    /// Orders are closed but for clerks, which both clients are; B's authorizer knows all of it.
    async fn of_clerks() -> Self {
        let pair = Self::start().await;
        pair.a.roles(&["clerk", "boss"]).await;
        for client in ["c_one", "c_two"] {
            pair.changes("PUT", &format!("/clients/{client}/roles/clerk"), Value::Null).await;
        }
        pair.changes("POST", "/privileges", readers(json!(["clerk"]))).await;
        pair.changes("PATCH", "/apis/orders", json!({"access": "deny"})).await;
        pair.a.pass(5);
        pair.seen([200, 200]).await;
        pair
    }

    /// A changes something.
    async fn changes(&self, method: &str, path: &str, body: Value) {
        let response = self.a.admin(method, path, body).await;
        assert!(response.status().is_success(), "{method} {path}: {}", shown(&response));
    }
}

#[tokio::test]
async fn a_role_that_is_taken_is_gone_at_the_other_node() {
    // 5.6 row 10, O-12, MI-10: the same token, and nothing is asked but the feed and, for who has lost it, the client.
    let pair = Pair::of_clerks().await;
    pair.changes("DELETE", "/clients/c_one/roles/clerk", Value::Null).await;
    pair.learns([403, 200], "Query 1").await;
    pair.changes("PATCH", "/clients/c_two", json!({"roles": ["boss"]})).await;
    pair.a.pass(5);
    assert_eq!(pair.b.get("/orders/1", &pair.tokens[1]).await.status(), 403);
    assert_eq!(pair.b.proxy.calls(), "BatchGetItem 1, Query 1");
}

#[tokio::test]
async fn a_role_that_is_given_opens_the_route_at_the_other_node_at_once() {
    // 5.6 row 10, O-12: a refusal looks at the feed before it is due, three times in a second; after that, within the bound.
    let pair = Pair::of_clerks().await;
    pair.changes("PATCH", "/privileges/readers", json!({"roles": ["boss"]})).await;
    pair.a.pass(5);
    pair.seen([403, 403]).await;
    pair.a.pass(1);
    pair.changes("PUT", "/clients/c_one/roles/boss", Value::Null).await;
    let response = pair.b.get("/orders/1", &pair.tokens[0]).await;
    assert_eq!((response.status().as_u16(), &json_of(&response)["principal"]["roles"]), (200, &json!("clerk boss")));
    assert_eq!(pair.b.proxy.calls(), "BatchGetItem 1, Query 1");
    pair.a.pass(1);
    for calls in ["Query 1", "Query 1", "Query 1", "", ""] {
        assert_eq!(pair.b.get("/orders/1", &pair.tokens[1]).await.status(), 403);
        assert_eq!(pair.b.proxy.calls(), calls);
    }
    pair.changes("PUT", "/clients/c_two/roles/boss", Value::Null).await;
    pair.seen([200, 403]).await;
    pair.a.pass(1);
    pair.seen([200, 200]).await;
}

#[tokio::test]
async fn a_privilege_that_is_made_closes_at_the_other_node() {
    // MI-10, 5.6: one read of the Apis and one of the privileges, for all tokens together.
    let pair = Pair::of_clerks().await;
    let narrower = json!({"name": "bosses", "api": "orders", "routes": [{"path": "/orders/1"}], "roles": ["boss"]});
    pair.changes("POST", "/privileges", narrower).await;
    pair.learns([403, 403], "BatchGetItem 1, Query 2").await;
    assert_eq!(pair.b.get("/orders/2", &pair.tokens[0]).await.status(), 200);
}

#[tokio::test]
async fn the_first_privilege_of_an_api_closes_at_the_other_node() {
    // MI-10: B has known the Api as one without privileges.
    let pair = Pair::start().await;
    pair.a.roles(&["clerk"]).await;
    pair.changes("POST", "/privileges", readers(json!(["clerk"]))).await;
    pair.learns([403, 403], "BatchGetItem 1, Query 2").await;
    pair.changes("DELETE", "/privileges/readers", Value::Null).await;
    pair.a.pass(1);
    pair.seen([200, 200]).await;
}

#[tokio::test]
async fn a_privilege_that_is_changed_or_deleted_closes_at_the_other_node() {
    // MI-10, 5.6
    for (method, body) in [
        ("PATCH", json!({"roles": ["boss"]})),
        ("PATCH", json!({"scopes": ["write"]})),
        ("PATCH", json!({"subjects": ["user"]})),
        ("PATCH", json!({"routes": [{"path": "/orders/2"}]})),
        ("DELETE", Value::Null),
    ] {
        let pair = Pair::of_clerks().await;
        pair.changes(method, "/privileges/readers", body).await;
        // Where none is left there is none to read.
        pair.learns([403, 403], if method == "DELETE" { "BatchGetItem 1, Query 1" } else { "BatchGetItem 1, Query 2" }).await;
    }
}

#[tokio::test]
async fn a_privilege_that_is_made_changed_or_deleted_opens_at_the_other_node_at_once() {
    // MI-10, MI-01
    let pair = Pair::of_clerks().await;
    let posts = async |token: &str| {
        let authorization = format!("Bearer {token}");
        pair.b.send("POST", "/orders/1", &[("authorization", &authorization)], "").await.status().as_u16()
    };
    let steps = [
        (
            "POST",
            "/privileges",
            json!({"name": "writers", "api": "orders", "routes": [{"methods": ["POST"], "path": "/orders/*"}], "roles": ["boss"]}),
            403,
        ),
        ("PATCH", "/privileges/writers", json!({"roles": ["boss", "clerk"]}), 200),
        ("POST", "/privileges", json!({"name": "bosses", "api": "orders", "routes": [{"path": "/orders/1"}], "roles": ["boss"]}), 403),
        ("DELETE", "/privileges/bosses", Value::Null, 200),
        ("DELETE", "/privileges/writers", Value::Null, 403),
        ("PATCH", "/apis/orders", json!({"access": "authenticated"}), 200),
    ];
    for (method, path, body, expected) in steps {
        // What closes takes as long as the feed; what opens, no time.
        pair.a.pass(1);
        pair.changes(method, path, body).await;
        if expected == 403 {
            pair.a.pass(5);
        }
        assert_eq!(posts(&pair.tokens[0]).await, expected, "{method} {path}");
        assert_eq!(posts(&pair.tokens[1]).await, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn a_route_that_becomes_public_or_stops_to_be_is_so_at_the_other_node() {
    // MI-10, O-10: asked for without a token.
    let pair = Pair::of_clerks().await;
    let anonymous = async || pair.b.send("GET", "/orders/1", &[], "").await.status().as_u16();
    assert_eq!(anonymous().await, 401);
    pair.changes("PATCH", "/privileges/readers?make_public=true", json!({"roles": [], "access": "public"})).await;
    // Who says nothing is refused without another look: a public route opens when the feed says it.
    assert_eq!(anonymous().await, 401);
    pair.a.pass(5);
    assert_eq!(anonymous().await, 200);
    pair.changes("PATCH", "/privileges/readers", json!({"roles": ["clerk"], "access": "protected"})).await;
    pair.a.pass(4);
    assert_eq!(anonymous().await, 200);
    pair.a.pass(1);
    assert_eq!(anonymous().await, 401);
    pair.seen([200, 200]).await;
}

#[tokio::test]
async fn what_changes_at_one_api_costs_another_one_read_and_a_changed_role_none() {
    // MI-10: without the Apis it is not known whose privileges are remembered, so those of the first call are read once more.
    let pair = Pair::of_clerks().await;
    pair.changes("POST", "/privileges", json!({"name": "payers", "api": "billing", "roles": ["boss"]})).await;
    pair.learns([200, 200], "BatchGetItem 1, Query 2").await;
    pair.changes("PATCH", "/roles/boss", json!({"description": "changed"})).await;
    pair.learns([200, 200], "Query 1").await;
}

#[tokio::test]
async fn a_changed_api_with_privileges_is_read_again_by_the_other_node() {
    // MI-10: its privileges too, because its base path is part of them.
    let pair = Pair::of_clerks().await;
    pair.changes("PATCH", "/apis/orders", json!({"gateway": "other/stage"})).await;
    pair.learns([403, 403], "BatchGetItem 1, Query 2").await;
    pair.changes("PATCH", "/apis/orders", json!({"gateway": null, "access": "authenticated"})).await;
    pair.a.pass(1);
    pair.seen([200, 200]).await;
    // No privilege names POST: what the Api says is what counts.
    let posts = async || {
        let authorization = format!("Bearer {}", pair.tokens[0]);
        pair.b.send("POST", "/orders/1", &[("authorization", &authorization)], "").await.status().as_u16()
    };
    assert_eq!(posts().await, 200);
    pair.changes("PATCH", "/apis/orders", json!({"access": "deny"})).await;
    pair.a.pass(5);
    assert_eq!(posts().await, 403);
}

#[tokio::test]
async fn a_client_that_loses_its_scopes_loses_the_api_at_the_other_node() {
    // 5.5 api_not_in_backend, MI-10: the token that has the scope opens nothing any more.
    let pair = Pair::of_clerks().await;
    pair.changes("PATCH", "/clients/c_one", json!({"scopes": ["https://billing.example/read"], "default_scopes": []})).await;
    pair.learns([403, 200], "Query 1").await;
}

#[tokio::test]
async fn the_bound_is_what_the_variable_says() {
    // CONTRACT 1 `GATEWRIGHT_FEED_SECONDS`
    for seconds in [1_u64, 60] {
        let a = Server::with(&[("GATEWRIGHT_FEED_SECONDS", &seconds.to_string())]).await;
        a.fixtures().await;
        let b = a.another().await;
        let token = a.token(&a.client("c_cc", json!({"roles": ["clerk"]})).await, "").await;
        assert_eq!(a.admin("POST", "/privileges", readers(json!(["clerk"]))).await.status(), 201);
        a.pass(60);
        assert_eq!(b.get("/orders/1", &token).await.status(), 200);
        assert_eq!(a.admin("DELETE", "/clients/c_cc/roles/clerk", Value::Null).await.status(), 204);
        a.pass(seconds - 1);
        assert_eq!(b.get("/orders/1", &token).await.status(), 200, "{seconds}");
        a.pass(1);
        assert_eq!(b.get("/orders/1", &token).await.status(), 403, "{seconds}");
    }
}

#[tokio::test]
async fn privileges_that_were_read_before_a_change_are_not_remembered_after_it() {
    // CC-05 at the authorizer: a slow read of the privileges overlaps with their change and with the feed that tells of it.
    let pair = Pair::of_clerks().await;
    let elsewhere = async || assert_eq!(pair.b.send("GET", "/nowhere", &[], "").await.status(), 401);
    pair.changes("PATCH", "/privileges/readers", json!({"scopes": ["read"]})).await;
    pair.a.pass(5);
    // B has forgotten the privileges and has read the Apis: what is left to read for a call is the privileges alone.
    elsewhere().await;
    pair.b.proxy.inject(Fault::Late, "Query", 1);
    pair.b.proxy.calls();
    let slow = async { pair.b.get("/orders/1", &pair.tokens[0]).await.status().as_u16() };
    let change = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(pair.b.proxy.calls(), "Query 1");
        pair.changes("PATCH", "/privileges/readers", json!({"roles": ["boss"]})).await;
        pair.a.pass(5);
        elsewhere().await;
    };
    let (first, ()) = tokio::join!(Box::pin(slow), Box::pin(change));
    assert_eq!(first, 200, "it was open when it was read");
    pair.seen([403, 403]).await;
}

#[tokio::test]
async fn a_reader_that_lags_is_asked_nothing_that_decides() {
    // MI-12, MI-01 to MI-03: lists are empty where the index has seen nothing, and every decision is right all the same.
    let pair = Pair::of_clerks().await;
    for list in ["/clients", "/roles", "/privileges"] {
        assert_eq!(json_of(&pair.b.admin("GET", list, Value::Null).await)["items"], json!([]), "{list}");
    }
    let client = pair.a.client("c_new", json!({"roles": ["clerk"], "introspect": true})).await;
    let token = pair.b.token(&client, "").await;
    let active = async |node: &Server| json_of(&node.post("/oauth2/introspect", &client, &format!("token={token}")).await)["active"].clone();
    assert_eq!((active(&pair.a).await, active(&pair.b).await), (json!(true), json!(true)));
    assert_eq!(pair.b.get("/orders/1", &token).await.status(), 200);
    assert_eq!(pair.a.post("/oauth2/revoke", &client, &format!("token={token}")).await.status(), 200);
    assert_eq!((active(&pair.a).await, active(&pair.b).await), (json!(false), json!(false)));
    // A role in use stays, although no list shows who uses it; a name in use is in use.
    assert_eq!(pair.b.admin("DELETE", "/roles/clerk", Value::Null).await.status(), 409);
    assert_eq!(pair.b.admin("POST", "/roles", json!({"name": "clerk"})).await.status(), 409);
    assert_eq!(pair.b.admin("POST", "/privileges", readers(json!(["clerk"]))).await.status(), 409);
    assert_eq!(pair.b.admin("DELETE", "/apis/orders", Value::Null).await.status(), 409);
    let explained = json_of(&pair.b.admin("GET", "/routes/explain?method=GET&path=/orders/1", Value::Null).await);
    assert_eq!(explained["winner"]["privilege"], "readers", "{explained}");
    // A new secret and the end of the old one, at once.
    let secret = pair.a.create("/clients/c_new/secrets", json!({})).await;
    let new = basic("c_new", secret["client_secret"].as_str().unwrap());
    assert_eq!(pair.b.post("/oauth2/token", &new, "grant_type=client_credentials").await.status(), 200);
    pair.changes("DELETE", &format!("/clients/c_new/secrets/{}", secret["secret_id"].as_str().unwrap()), Value::Null).await;
    assert_eq!(pair.b.post("/oauth2/token", &new, "grant_type=client_credentials").await.status(), 401);
}
