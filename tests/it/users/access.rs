//! What users may do: at the token endpoint, at introspection, at a route, and what diagnosis says of it.

use serde_json::{Value, json};

use super::{by_password, changes, with_passwords};
use crate::browser::{PASSWORD, People, user};
use crate::diagnose::{admin, question, told};
use crate::http::outcome;
use crate::support::{Server, claims, encoded, json_of};

const NOT_ASSIGNED: &str = "user is not assigned to this application";

/// What introspection, the route and diagnosis say of a token, after the feed's bound.
async fn everywhere(server: &Server, people: &People, token: &str) -> (bool, u16, String, Value) {
    server.pass(6);
    let introspected = json_of(&server.post("/oauth2/introspect", &people.client, &format!("token={token}")).await);
    let route = server.get("/orders/1", token).await.status().as_u16();
    let said = told(server, &admin(server).await, &question(token, "GET", "/orders/1")).await;
    assert_eq!(said["verdict"] == "accepted", route == 200, "{said}");
    (introspected["active"] == true, route, said["code"].as_str().unwrap().to_owned(), said["gate"].clone())
}

#[tokio::test]
async fn only_who_is_assigned_may_use_a_client_that_enforces_it() {
    // I-11
    let (server, people, client) = with_passwords().await;
    let bob = user(&server, "bob2", json!({})).await;
    changes(&server, "PUT", &format!("/clients/c_ropc/assignments/users/{}", people.alice), Value::Null).await;
    assert_eq!(by_password(&server, &client, "alice", PASSWORD).await.0, "200");
    let (said, body) = by_password(&server, &client, "bob2", PASSWORD).await;
    assert_eq!((said.as_str(), &body["error_description"]), ("400 invalid_grant", &json!(NOT_ASSIGNED)));
    // Only who knows the password is told.
    let (said, body) = by_password(&server, &client, "bob2", "a wrong password").await;
    assert_eq!(said, "400 invalid_grant");
    assert_ne!(body["error_description"], json!(NOT_ASSIGNED));
    changes(&server, "PUT", &format!("/clients/c_ropc/assignments/users/{bob}"), Value::Null).await;
    assert_eq!(by_password(&server, &client, "bob2", PASSWORD).await.0, "200");
    changes(&server, "DELETE", &format!("/clients/c_ropc/assignments/users/{bob}"), Value::Null).await;
    assert_eq!(by_password(&server, &client, "bob2", PASSWORD).await.1["error_description"], json!(NOT_ASSIGNED));
    // By a group, for as long as they are in it and it is assigned.
    changes(&server, "PUT", &format!("/groups/clerks/members/{bob}"), Value::Null).await;
    assert_eq!(by_password(&server, &client, "bob2", PASSWORD).await.0, "400 invalid_grant");
    changes(&server, "PUT", "/clients/c_ropc/assignments/groups/clerks", Value::Null).await;
    assert_eq!(by_password(&server, &client, "bob2", PASSWORD).await.0, "200");
    changes(&server, "DELETE", &format!("/groups/clerks/members/{bob}"), Value::Null).await;
    assert_eq!(by_password(&server, &client, "bob2", PASSWORD).await.0, "400 invalid_grant");
    changes(&server, "PATCH", "/clients/c_ropc", json!({"enforce_assignments": false})).await;
    assert_eq!(by_password(&server, &client, "bob2", PASSWORD).await.0, "200");
}

#[tokio::test]
async fn assignments_do_not_concern_the_clients_own_tokens() {
    // I-12
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_both", json!({"enforce_assignments": true, "realm": "staff"})).await;
    let said = claims(&server.token(&client, "").await);
    assert_eq!((&said["sub"], &said["sub_type"]), (&json!("c_both"), &json!("client")));
}

#[tokio::test]
async fn a_client_that_is_made_again_begins_without_assignments_and_so_does_a_group() {
    // I-11
    let (server, people, client) = with_passwords().await;
    changes(&server, "PUT", "/clients/c_ropc/assignments/groups/clerks", Value::Null).await;
    assert_eq!(by_password(&server, &client, "alice", PASSWORD).await.0, "200");
    changes(&server, "DELETE", &format!("/groups/clerks/members/{}", people.alice), Value::Null).await;
    changes(&server, "DELETE", "/groups/clerks", Value::Null).await;
    server.pass(1);
    server.create("/groups", json!({"name": "clerks", "realm": "staff"})).await;
    changes(&server, "PUT", &format!("/groups/clerks/members/{}", people.alice), Value::Null).await;
    assert_eq!(by_password(&server, &client, "alice", PASSWORD).await.0, "400 invalid_grant", "another group of the name");
    changes(&server, "PUT", &format!("/clients/c_ropc/assignments/users/{}", people.alice), Value::Null).await;
    assert_eq!(by_password(&server, &client, "alice", PASSWORD).await.0, "200");
    changes(&server, "DELETE", "/clients/c_ropc", Value::Null).await;
    server.pass(1);
    let client = crate::browser::password_client(&server, json!({})).await;
    assert_eq!(by_password(&server, &client, "alice", PASSWORD).await.0, "400 invalid_grant", "another client of the id");
}

#[tokio::test]
async fn the_claims_of_a_user_are_in_their_tokens_beside_the_servers_own() {
    // TE-32
    let server = Server::start().await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    changes(
        &server,
        "PATCH",
        &format!("/users/{}", people.alice),
        json!({"claims": {"department": "sales", "levels": [1, 2], "https://x.example/y": true}}),
    )
    .await;
    let token = Box::pin(people.granted(&server)).await.access_token;
    let said = claims(&token);
    assert_eq!((&said["department"], &said["levels"], &said["https://x.example/y"]), (&json!("sales"), &json!([1, 2]), &json!(true)));
    assert_eq!((&said["sub"], &said["client_id"], &said["sub_type"]), (&json!(people.alice), &json!("c_code"), &json!("user")));
    assert_eq!(server.get("/orders/1", &token).await.status(), 200);
}

#[tokio::test]
async fn a_change_without_a_password_ends_nothing_and_none_at_all_ends_sign_in() {
    // LO-10
    let server = Server::start().await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    let granted = Box::pin(people.granted(&server)).await;
    changes(&server, "PATCH", &format!("/users/{}", people.alice), json!({"username": "alicia", "claims": {"a": 1}})).await;
    assert_eq!(everywhere(&server, &people, &granted.access_token).await.1, 200);
    changes(&server, "PATCH", &format!("/users/{}", people.alice), json!({"password": null})).await;
    assert_eq!(everywhere(&server, &people, &granted.access_token).await.1, 401);
    assert_eq!(super::seen(&server, &format!("/users/{}", people.alice)).await["has_password"], json!(false));
    let answer = Box::pin(People::default().sign_in(&server, &People::url(&[]), "alicia", PASSWORD)).await;
    assert!(String::from_utf8_lossy(answer.body()).contains("Username or password is wrong."));
}

#[tokio::test]
async fn who_is_deactivated_is_nobody_until_they_are_activated_again() {
    // I-13, 5.5: user_inactive
    let server = Server::start().await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    let granted = Box::pin(people.granted(&server)).await;
    let path = format!("/users/{}", people.alice);
    changes(&server, "PATCH", &path, json!({"active": false})).await;
    assert_eq!(everywhere(&server, &people, &granted.access_token).await, (false, 401, "user_inactive".to_owned(), json!("token")));
    let refresh = format!("grant_type=refresh_token&refresh_token={}", encoded(&granted.refresh_token));
    assert_eq!(outcome(&server.post("/oauth2/token", &people.client, &refresh).await), "400 invalid_grant");
    changes(&server, "PATCH", &path, json!({"active": true})).await;
    assert_eq!(everywhere(&server, &people, &granted.access_token).await, (true, 200, "ok".to_owned(), Value::Null));
    changes(&server, "DELETE", &path, Value::Null).await;
    assert_eq!(everywhere(&server, &people, &granted.access_token).await, (false, 401, "user_inactive".to_owned(), json!("token")));
}

#[tokio::test]
async fn who_is_no_longer_assigned_is_told_so_by_diagnosis_at_the_issuance_gate() {
    // I-11, 5.5: user_not_assigned
    let server = Server::start().await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    let token = Box::pin(people.granted(&server)).await.access_token;
    let path = format!("/clients/c_code/assignments/users/{}", people.alice);
    changes(&server, "DELETE", &path, Value::Null).await;
    assert_eq!(everywhere(&server, &people, &token).await, (false, 401, "user_not_assigned".to_owned(), json!("issuance")));
    changes(&server, "PUT", &path, Value::Null).await;
    assert_eq!(everywhere(&server, &people, &token).await, (true, 200, "ok".to_owned(), Value::Null));
    changes(&server, "DELETE", &path, Value::Null).await;
    changes(&server, "PATCH", "/clients/c_code", json!({"enforce_assignments": false})).await;
    assert_eq!(everywhere(&server, &people, &token).await.1, 200);
}
