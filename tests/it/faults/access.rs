//! The authorizer when what it must know of privileges cannot be read, or only slowly, or in pieces.

use std::time::{Duration, Instant};

use local::gateway::allows;
use serde_json::{Value, json};
use shared::endpoints::authorizer::{Failure, ResponseFormat};

use super::{Call, FAULTS, Scene};
use crate::replay::authorizer;
use crate::support::{Fault, Server};

/// What the gateway answers: to a clerk, to somebody without the role, to nobody.
async fn statuses(server: &Server, clerk: &str, other: &str, path: &str) -> [u16; 3] {
    let anonymous = server.send("GET", path, &[], "").await.status().as_u16();
    [server.get(path, clerk).await.status().as_u16(), server.get(path, other).await.status().as_u16(), anonymous]
}

/// An Api that is open to everybody but for its privileges, so that to know only some of them is to open a route: one closes each of
/// `/shop/0` to `/shop/11` to all but clerks. Gives a server, and a token of a clerk and one of somebody else.
async fn shop() -> (Server, String, String) {
    let server = Server::start().await;
    server.create("/apis", json!({"name": "shop", "audience": "https://shop.example/", "scopes": [{"value": "read"}], "access": "public"})).await;
    server.roles(&["clerk"]).await;
    for at in 0..12 {
        let routes = json!([{"path": format!("/shop/{at}")}]);
        server.create("/privileges", json!({"name": format!("p{at:02}"), "api": "shop", "routes": routes, "roles": ["clerk"]})).await;
    }
    let mut tokens = Vec::new();
    for (id, roles) in [("c_clerk", json!(["clerk"])), ("c_other", json!([]))] {
        let client = server.client(id, json!({"scopes": ["https://shop.example/read"], "roles": roles})).await;
        tokens.push(server.token(&client, "").await);
    }
    let [clerk, other] = tokens.try_into().unwrap();
    (server, clerk, other)
}

#[tokio::test]
async fn privileges_that_come_in_pages_are_read_to_the_last_one() {
    // SF-09, SF-05: an empty page first, and then one privilege a page.
    let (server, clerk, other) = shop().await;
    let node = server.another().await;
    node.warm().await;
    node.proxy.calls();
    node.proxy.page();
    assert_eq!(node.get("/shop/11", &clerk).await.status(), 200);
    assert_eq!(node.proxy.calls(), "BatchGetItem 1, Query 14", "the last page says that it is the last by being empty");
    for at in 0..12 {
        assert_eq!(statuses(&node, &clerk, &other, &format!("/shop/{at}")).await, [200, 403, 401], "{at}");
    }
    assert_eq!(statuses(&node, &clerk, &other, "/shop/12").await, [200, 200, 200]);
}

#[tokio::test]
async fn some_of_the_privileges_are_none() {
    // SF-05, SF-07, SF-09, AU-04: the read fails at each page, in each way; who does not know all of them decides nothing.
    let (server, clerk, other) = shop().await;
    for page in 0..13 {
        let node = server.another().await;
        node.proxy.page();
        node.proxy.inject_after(page, FAULTS[page % FAULTS.len()], "Query", usize::MAX);
        for path in ["/shop/11", "/shop/0", "/shop/12"] {
            assert_eq!(node.get(path, &other).await.status(), 500, "{page} {path}");
            assert_eq!(node.send("GET", path, &[], "").await.status(), 500, "{page} {path}");
        }
        node.proxy.heal();
        assert_eq!(statuses(&node, &clerk, &other, "/shop/11").await, [200, 403, 401], "{page}");
    }
}

#[tokio::test]
async fn a_slow_read_of_the_privileges_is_waited_for_and_a_silent_one_is_not() {
    // SF-04, SF-07, AU-04
    let (server, clerk, other) = shop().await;
    let late = server.another().await;
    late.proxy.inject(Fault::Late, "Query", usize::MAX);
    assert_eq!(late.get("/shop/0", &other).await.status(), 403);
    assert_eq!(late.get("/shop/0", &clerk).await.status(), 200);
    let silent = server.another().await;
    silent.proxy.inject(Fault::Silence, "Query", usize::MAX);
    let begun = Instant::now();
    assert_eq!(silent.get("/shop/0", &other).await.status(), 500);
    assert!(begun.elapsed() < Duration::from_millis(3_300), "{:?}", begun.elapsed());
    silent.proxy.heal();
    assert_eq!(statuses(&silent, &clerk, &other, "/shop/0").await, [200, 403, 401]);
}

#[tokio::test]
async fn an_instance_that_begins_while_the_table_fails_allows_nothing_and_recovers() {
    // AU-29, AU-04, SF-07, SF-13: no keys, no Apis, no privileges yet; each operation, each fault.
    let (server, clerk, other) = shop().await;
    for operation in ["", "BatchGetItem", "Query"] {
        for fault in FAULTS {
            let node = server.another().await;
            node.proxy.inject(fault, operation, usize::MAX);
            assert_eq!(statuses(&node, &clerk, &other, "/shop/0").await, [500; 3], "{operation} {fault:?}");
            assert_eq!(statuses(&node, &clerk, &other, "/shop/12").await, [500; 3], "{operation} {fault:?}");
            // Not even a token of nobody is told from a good one.
            let garbage = node.get("/shop/0", "garbage").await.status();
            assert!(garbage == 500 || garbage == 401, "{operation} {fault:?} {garbage}");
            node.proxy.heal();
            assert_eq!(statuses(&node, &clerk, &other, "/shop/0").await, [200, 403, 401], "{operation} {fault:?}");
        }
    }
    let node = server.another().await;
    node.proxy.inject(Fault::Silence, "", usize::MAX);
    let begun = Instant::now();
    assert_eq!(node.get("/shop/0", &clerk).await.status(), 500);
    assert!(begun.elapsed() < Duration::from_millis(3_300), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_feed_that_cannot_be_read_closes_guarded_and_public_routes_after_the_bound_and_not_before() {
    // SF-07, AU-04, AU-17: what is known counts for as long as it may; then nothing does, however long it lasts.
    let (server, clerk, other) = shop().await;
    server.pass(200); // Away from the border between two partitions of the feed.
    for fault in FAULTS {
        assert_eq!(statuses(&server, &clerk, &other, "/shop/0").await, [200, 403, 401], "{fault:?}");
        server.proxy.inject(fault, "Query", usize::MAX);
        server.pass(4);
        assert_eq!(server.get("/shop/0", &clerk).await.status(), 200, "{fault:?}");
        assert_eq!(server.send("GET", "/shop/12", &[], "").await.status(), 200, "{fault:?}");
        // A refusal would look at the feed first: what it cannot be sure of it does not say.
        assert_eq!(server.get("/shop/0", &other).await.status(), 500, "{fault:?}");
        for seconds in [1, 5, 60] {
            server.pass(seconds);
            assert_eq!(statuses(&server, &clerk, &other, "/shop/0").await, [500; 3], "{fault:?}");
            assert_eq!(statuses(&server, &clerk, &other, "/shop/12").await, [500; 3], "{fault:?}");
        }
        server.proxy.heal();
        assert_eq!(statuses(&server, &clerk, &other, "/shop/0").await, [200, 403, 401], "{fault:?}");
    }
}

#[tokio::test]
async fn a_failure_is_no_answer_in_any_shape() {
    // AU-04, SF-07: neither a policy nor a simple response that a gateway would cache; and the reason is not told.
    let scene = Scene::start().await;
    let token = scene.prepare(Call::GuardedRoute).await;
    let arn = "arn:aws:execute-api:local:000000000000:local/local/GET/guarded/1";
    let bearer = format!("Bearer {token}");
    let (policy, simple) = (&scene.server.node().authorizer, authorizer(&scene.server, ResponseFormat::Simple));
    for endpoint in [policy, &simple] {
        let ask = async |event: &Value| {
            let event = serde_json::from_value(event.clone()).unwrap();
            endpoint.handle(event, scene.server.fresh()).await.map(|answer| serde_json::to_value(answer).unwrap())
        };
        scene.server.proxy.inject(Fault::Error, "Query", usize::MAX);
        let http = json!({"version": "2.0", "type": "REQUEST", "routeArn": arn, "rawPath": "/guarded/1", "headers": {"authorization": bearer}});
        for event in [
            json!({"type": "TOKEN", "authorizationToken": bearer, "methodArn": arn}),
            json!({"type": "REQUEST", "methodArn": arn, "httpMethod": "GET", "path": "/guarded/1", "headers": {"authorization": bearer}}),
            http.clone(),
        ] {
            let failure = ask(&event).await.unwrap_err();
            assert!(matches!(failure, Failure::Unavailable(_)), "{event}");
            assert_eq!(failure.to_string(), "the call could not be decided");
        }
        scene.server.proxy.heal();
        let answer = ask(&http).await.unwrap();
        assert!(answer["isAuthorized"] == true || allows(&answer["policyDocument"], arn), "{answer}");
    }
}

#[tokio::test]
async fn a_feed_that_cannot_be_read_closes_the_gate() {
    // SF-07, AU-04, AU-17: a warm authorizer that knows the token does not allow what it can no longer be sure of.
    let scene = Scene::start().await;
    let token = scene.prepare(Call::Route).await;
    assert_eq!(scene.server.get("/orders/1", &token).await.status(), 200);
    let ask = async || {
        let event = json!({"type": "TOKEN", "authorizationToken": format!("Bearer {token}"), "methodArn": "arn:aws:execute-api:local:000000000000:local/local/GET/orders/1"});
        scene.server.node().authorize(serde_json::from_value(event).unwrap(), scene.server.fresh()).await
    };
    for fault in [Fault::Error, Fault::Throttle, Fault::Garbage, Fault::AnswerLost] {
        scene.server.pass(5);
        scene.server.proxy.inject(fault, "Query", usize::MAX);
        for _ in 0..2 {
            let failure = ask().await.map(|_| ()).unwrap_err();
            assert!(matches!(failure, Failure::Unavailable(_)), "{fault:?}");
            assert_eq!(failure.to_string(), "the call could not be decided", "{fault:?}");
        }
        // Nobody without a token is let in either, on any route.
        assert_eq!(scene.server.send("GET", "/orders/1", &[], "").await.status(), 500, "{fault:?}");
        scene.server.proxy.heal();
        assert!(ask().await.is_ok(), "{fault:?}");
    }
}
