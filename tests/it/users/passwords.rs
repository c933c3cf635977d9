//! The password grant: who may use it, what it answers, what it writes down.

use expect_test::expect;
use serde_json::{Value, json};

use super::{by_password, changes, with_passwords};
use crate::browser::{PASSWORD, user};
use crate::http::{assert_nothing_written, outcome};
use crate::support::{encoded, json_of, shown};

#[tokio::test]
async fn guessing_by_the_password_grant_has_to_wait_whoever_the_name_is() {
    // LO-01, LO-06, T-23, seeds 3.2: known, deactivated, without a password, unknown. Longer than any password, so nothing is hashed.
    let (server, _, client) = with_passwords().await;
    user(&server, "erin", json!({"password": null})).await;
    let long = "x".repeat(1_025);
    for name in ["alice", "dave", "erin", "nobody"] {
        let mut answers = Vec::new();
        for _ in 0..10 {
            answers.push(shown(&server.post("/oauth2/token", &client, &format!("grant_type=password&username={name}&password={long}")).await));
        }
        expect![[r#"
            400 Bad Request
            cache-control: no-store
            content-type: application/json
            pragma: no-cache
            x-content-type-options: nosniff

            {"error":"invalid_grant","error_description":"the code, refresh token or password is not valid"}"#]]
        .assert_eq(&answers[0]);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{name}");
        let form = format!("grant_type=password&username={name}&password={}", encoded(PASSWORD));
        expect![[r#"
            429 Too Many Requests
            cache-control: no-store
            content-type: application/json
            pragma: no-cache
            retry-after: 1
            x-content-type-options: nosniff

            {"error":"slow_down","error_description":"too many failed tries, wait before the next"}"#]]
        .assert_eq(&shown(&server.post("/oauth2/token", &client, &form).await));
    }
}

#[tokio::test]
async fn it_is_for_confidential_clients_and_gives_no_refresh_token() {
    // seeds 5.3, I-29: public: never; a client that refreshes other grants gets none for this one, whatever the scope says
    let (server, people, client) = with_passwords().await;
    let public = json!({"client_name": "p", "client_type": "public", "grant_types": ["password"], "realm": "staff"});
    let refused = server.admin("POST", "/clients", public).await;
    assert_eq!((refused.status().as_u16(), &json_of(&refused)["errors"][0]["pointer"]), (400, &json!("/grant_types/0")));
    changes(&server, "PUT", &format!("/clients/c_ropc/assignments/users/{}", people.alice), Value::Null).await;
    let grants = json!({"grant_types": ["password", "authorization_code", "refresh_token"], "redirect_uris": [crate::browser::CALLBACK]});
    changes(&server, "PATCH", "/clients/c_ropc", grants).await;
    for scope in ["https://orders.example/read", "offline_access https://orders.example/read"] {
        let form = format!("grant_type=password&username=alice&password={}&scope={}", encoded(PASSWORD), encoded(scope));
        let tokens = json_of(&server.post("/oauth2/token", &client, &form).await);
        assert_eq!((tokens.get("refresh_token"), &tokens["scope"]), (None, &json!("read")), "{tokens}");
    }
}

#[tokio::test]
async fn credentials_come_in_a_form_and_nowhere_else() {
    // I-16
    let (server, people, client) = with_passwords().await;
    changes(&server, "PUT", &format!("/clients/c_ropc/assignments/users/{}", people.alice), Value::Null).await;
    let query = format!("grant_type=password&username=alice&password={}", encoded(PASSWORD));
    server.proxy.calls();
    let body = json!({"grant_type": "password", "username": "alice", "password": PASSWORD}).to_string();
    let headers = [("authorization", client.as_str()), ("content-type", "application/json")];
    assert_eq!(outcome(&server.send("POST", "/oauth2/token", &headers, body).await), "400 invalid_request");
    assert_eq!(outcome(&server.post(&format!("/oauth2/token?{query}"), &client, "").await), "400 invalid_request");
    let (user, password) = query.rsplit_once('&').unwrap();
    assert_eq!(outcome(&server.post(&format!("/oauth2/token?{password}"), &client, user).await), "400 invalid_request");
    assert_nothing_written(&server);
    assert_eq!(outcome(&server.post("/oauth2/token", &client, &query).await), "200");
}

#[tokio::test]
async fn a_token_that_was_given_is_on_record_as_deprecated_and_a_refused_one_is_not() {
    // M-17, AD-13
    let (server, people, client) = with_passwords().await;
    let entries = async || {
        let audit = json_of(&server.admin("GET", "/audit?client_id=c_ropc", Value::Null).await);
        let events: Vec<Value> = audit["items"].as_array().unwrap().iter().filter(|event| event["reason"] == "deprecated_grant").cloned().collect();
        events
    };
    assert_eq!(by_password(&server, &client, "alice", PASSWORD).await.0, "400 invalid_grant", "not assigned");
    changes(&server, "PUT", &format!("/clients/c_ropc/assignments/users/{}", people.alice), Value::Null).await;
    assert_eq!(by_password(&server, &client, "alice", "wrong password").await.0, "400 invalid_grant");
    let form = format!("grant_type=password&username=alice&password={}&scope=", encoded(PASSWORD));
    assert_eq!(outcome(&server.post("/oauth2/token", &client, &format!("{form}https://billing.example/read")).await), "400 invalid_scope");
    assert!(entries().await.is_empty());
    assert_eq!(by_password(&server, &client, "alice", PASSWORD).await.0, "200");
    let expected = json!({"time": "2026-11-20T18:00:00Z", "event": "password.granted", "actor": "c_ropc", "client_id": "c_ropc",
        "user_id": people.alice, "outcome": "done", "reason": "deprecated_grant"});
    assert_eq!(entries().await, [expected]);
}
