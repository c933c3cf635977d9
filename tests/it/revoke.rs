//! `POST /oauth2/revoke`.

use expect_test::expect;
use serde_json::{Value, json};

use crate::http::{assert_nothing_written, outcome};
use crate::support::{Fault, Server, basic, claims, is_active, json_of, shown};

/// A server with the fixtures and the clients `c_cc` and `c_other`; gives their `Authorization`.
async fn with_clients() -> (Server, String, String) {
    let server = Server::start().await;
    server.fixtures().await;
    let owner = server.client("c_cc", json!({})).await;
    let other = server.client("c_other", json!({"introspect": true})).await;
    // The first use of a secret on a day is a write of its own.
    server.token(&owner, "").await;
    server.token(&other, "").await;
    server.proxy.calls();
    (server, owner, other)
}

#[tokio::test]
async fn a_revoked_token_is_dead() {
    // RV-01, RV-02, RV-07, RV-11, G-13
    let (server, owner, other) = with_clients().await;
    for format in ["jwt", "opaque"] {
        server.admin("PATCH", "/clients/c_cc", json!({"access_token_format": format})).await;
        for hint in ["", "&token_type_hint=access_token", "&token_type_hint=refresh_token", "&token_type_hint=nonsense"] {
            let (token, kept) = (server.token(&owner, "").await, server.token(&owner, "").await);
            let form = format!("token={token}{hint}");
            expect![[r#"
                200 OK
                cache-control: no-store
                pragma: no-cache
                x-content-type-options: nosniff

            "#]]
            .assert_eq(&shown(&server.post("/oauth2/revoke", &owner, &form).await));
            assert!(!is_active(&server, &other, &token).await);
            assert_eq!(server.get("/orders/1", &token).await.status(), 401, "RV-11: at the authorizer, which never saw it before");
            assert!(is_active(&server, &other, &kept).await, "no other token");
            assert_eq!(outcome(&server.post("/oauth2/revoke", &owner, &form).await), "200", "again");
        }
    }
}

#[tokio::test]
async fn what_is_no_live_token_of_ours_is_revoked_already() {
    // RV-02: nothing is written for unknown, malformed, expired or revoked tokens
    let (server, owner, _) = with_clients().await;
    let opaque = server.client("c_opaque", json!({"access_token_format": "opaque"})).await;
    let (jwt, dead, gone) = (server.token(&owner, "").await, server.token(&owner, "").await, server.token(&opaque, "").await);
    assert_eq!(outcome(&server.post("/oauth2/revoke", &owner, &format!("token={dead}")).await), "200");
    server.proxy.calls();
    let unknown = format!("gw_at_{}", "A".repeat(43));
    for token in ["x", "a.b.c", "gw_at_x", &unknown, &jwt[..jwt.len() - 1], &dead] {
        assert_eq!(outcome(&server.post("/oauth2/revoke", &owner, &format!("token={token}")).await), "200", "{token}");
        assert_nothing_written(&server);
    }
    server.pass(3_600);
    server.node().flush(&server.fresh()).await;
    server.proxy.calls();
    for (client, token) in [(&owner, &jwt), (&opaque, &gone)] {
        assert_eq!(outcome(&server.post("/oauth2/revoke", client, &format!("token={token}")).await), "200");
        assert_nothing_written(&server);
    }
}

#[tokio::test]
async fn only_the_owner_revokes() {
    // RV-05, G-13, T-29, CVE-2016-6582
    let (server, owner, other) = with_clients().await;
    for format in ["jwt", "opaque"] {
        server.admin("PATCH", "/clients/c_cc", json!({"access_token_format": format})).await;
        let token = server.token(&owner, "").await;
        server.proxy.calls();
        expect![[r#"
            400 Bad Request
            cache-control: no-store
            content-type: application/json
            pragma: no-cache
            x-content-type-options: nosniff

            {"error":"unauthorized_client","error_description":"the token was not issued to this client"}"#]]
        .assert_eq(&shown(&server.post("/oauth2/revoke", &other, &format!("token={token}")).await));
        assert_nothing_written(&server);
        assert!(is_active(&server, &owner, &token).await);
    }
}

#[tokio::test]
async fn callers_authenticate_and_say_which_token() {
    // RV-06, RV-08, G-13, CVE-2018-1000211; public clients are in code_flow/public.rs
    let (server, owner, other) = with_clients().await;
    let token = server.token(&owner, "").await;
    server.proxy.calls();
    let form = format!("token={token}");
    let path = "/oauth2/revoke";
    for (authorization, form) in
        [("", form.clone()), ("", format!("{form}&client_id=c_cc")), (&basic("c_cc", "x"), form.clone()), (&basic("nobody", "x"), form.clone())]
    {
        assert_eq!(outcome(&server.post(path, authorization, &form).await), "401 invalid_client", "{form}");
    }
    for wrong in ["", "token=", &format!("{form}&{form}"), &format!("{form}&token=x")] {
        assert_eq!(outcome(&server.post(path, &owner, wrong).await), "400 invalid_request", "{wrong}");
    }
    assert_eq!(outcome(&server.post(&format!("{path}?{form}"), &owner, "").await), "400 invalid_request", "not in the query");
    let get = server.send("GET", &format!("{path}?{form}"), &[("authorization", &owner)], "").await;
    assert_eq!((outcome(&get).as_str(), get.headers()["allow"].to_str().unwrap()), ("405 invalid_request", "POST"));
    assert_nothing_written(&server);
    assert!(is_active(&server, &other, &token).await);
}

#[tokio::test]
async fn a_revocation_that_was_not_written_is_not_confirmed() {
    // RV-09, CVE-2020-15223
    let (server, owner, other) = with_clients().await;
    let token = server.token(&owner, "").await;
    let form = format!("token={token}");
    for fault in [Fault::Error, Fault::Throttle, Fault::Garbage] {
        server.proxy.inject(fault, if fault == Fault::Garbage { "BatchGetItem" } else { "TransactWriteItems" }, usize::MAX);
        let response = server.post("/oauth2/revoke", &owner, &form).await;
        server.proxy.heal();
        assert_eq!(
            (outcome(&response).as_str(), response.headers()["retry-after"].to_str().unwrap()),
            ("503 temporarily_unavailable", "1"),
            "{fault:?}"
        );
        assert!(is_active(&server, &other, &token).await, "{fault:?}");
    }
    assert_eq!(outcome(&server.post("/oauth2/revoke", &owner, &form).await), "200");
    assert!(!is_active(&server, &other, &token).await);
}

#[tokio::test]
async fn a_revocation_counts_on_the_other_node_at_once() {
    // RV-10, MI-03, 5.6 #6, G-07
    let (server, owner, other) = with_clients().await;
    let other_node = server.another().await;
    for round in 0..100 {
        let (issuing, asking) = if round % 2 == 0 { (&server, &other_node) } else { (&other_node, &server) };
        let token = issuing.token(&owner, "").await;
        assert!(is_active(asking, &other, &token).await);
        assert_eq!(outcome(&issuing.post("/oauth2/revoke", &owner, &format!("token={token}")).await), "200");
        assert!(!is_active(asking, &other, &token).await, "{round}");
    }
}

#[tokio::test]
async fn a_revocation_costs_one_read_and_one_write() {
    // G10, and RV-11 where only revocations are recorded: the write is the record.
    let (server, owner, other) = with_clients().await;
    server
        .create(
            "/apis",
            json!({"name": "light", "audience": "https://light.example/", "scopes": [{"value": "read"}], "token_records": "revocations",
        "access": "authenticated"}),
        )
        .await;
    let light = server.client("c_light", json!({"scopes": ["https://light.example/read"]})).await;
    for client in [&owner, &light] {
        let token = server.token(client, "").await;
        assert!(is_active(&server, &other, &token).await);
        server.proxy.calls();
        assert_eq!(outcome(&server.post("/oauth2/revoke", client, &format!("token={token}")).await), "200");
        assert_eq!(server.proxy.calls(), "BatchGetItem 1, TransactWriteItems 1");
        assert!(!is_active(&server, &other, &token).await);
    }
}

#[tokio::test]
async fn a_revocation_is_on_record() {
    // AD-13, I-04
    let (server, owner, _) = with_clients().await;
    let token = server.token(&owner, "").await;
    server.post("/oauth2/revoke", &owner, &format!("token={token}")).await;
    let audit = json_of(&server.admin("GET", "/audit?client_id=c_cc", Value::Null).await);
    let revoked: Vec<&Value> = audit["items"].as_array().unwrap().iter().filter(|event| event["event"] == "token.revoked").collect();
    let expected = json!({"time": "2026-11-20T18:00:00Z", "event": "token.revoked", "actor": "c_cc", "client_id": "c_cc", "object": claims(&token)["jti"], "outcome": "done"});
    assert_eq!(revoked, [&expected]);
}
