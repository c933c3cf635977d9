//! What a user has allowed a client, seen and withdrawn by an administrator.

use serde_json::{Value, json};

use crate::browser::{CALLBACK, People};
use crate::http::outcome;
use crate::support::{Server, basic, is_active, json_of};

#[tokio::test]
async fn what_was_allowed_is_listed_and_withdrawn_with_all_that_it_gave() {
    // G-19, RT-10
    let server = Server::start().await;
    server.fixtures().await;
    let people = People::of(&server).await;
    let granted = people.granted(&server).await;
    let path = format!("/users/{}/grants", people.alice);
    let listed = json_of(&server.admin("GET", &path, Value::Null).await);
    assert_eq!(listed["items"], json!([{"client_id": "c_code", "scopes": ["https://orders.example/read"], "allowed_at": "2026-11-20T18:00:00Z"}]));
    assert_eq!(server.get("/orders/1", &granted.access_token).await.status(), 200);
    let tokens = json_of(&server.admin("GET", &format!("/tokens?user_id={}", people.alice), Value::Null).await);
    assert_eq!((&tokens["items"][0]["sub"], &tokens["items"][0]["client_id"]), (&json!(people.alice), &json!("c_code")), "CONTRACT 3 `tokens`");
    assert_eq!(server.admin("DELETE", &format!("{path}/c_code"), Value::Null).await.status(), 204);
    assert_eq!(json_of(&server.admin("GET", &path, Value::Null).await)["items"], json!([]));
    assert_eq!(
        json_of(&server.post("/oauth2/introspect", &people.client, &format!("token={}", granted.access_token)).await),
        json!({"active": false})
    );
    let refresh = format!("grant_type=refresh_token&refresh_token={}", granted.refresh_token);
    assert_eq!(outcome(&server.post("/oauth2/token", &people.client, &refresh).await), "400 invalid_grant");
    server.pass(6);
    assert_eq!(server.get("/orders/1", &granted.access_token).await.status(), 401);
    // The client has to ask again, and what is allowed then is good.
    let page = people.browser.open(&server, &People::url(&[])).await;
    assert!(String::from_utf8_lossy(page.body()).contains("id=\"consent\""));
    let again = people.granted(&server).await;
    assert_eq!(server.get("/orders/1", &again.access_token).await.status(), 200);
    assert_eq!(server.admin("DELETE", &format!("{path}/nobody"), Value::Null).await.status(), 404);
    assert_eq!(server.admin("POST", &path, json!({})).await.status(), 405);
}

#[tokio::test]
async fn what_a_client_was_allowed_does_not_pass_to_another_of_its_name() {
    // G-19, RT-10, AZ-19: deleted and made again, the client has to ask, and what it had is dead.
    let server = Server::start().await;
    server.fixtures().await;
    let people = People::of(&server).await;
    let (granted, code) = (people.granted(&server).await, people.code(&server).await);
    assert_eq!(people.browser.open(&server, &People::url(&[])).await.status(), 303, "it need not ask again");
    assert_eq!(server.admin("DELETE", "/clients/c_code", Value::Null).await.status(), 204);
    server.pass(1);
    let body = json!({"client_id": "c_code", "client_name": "The shop's app", "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [CALLBACK], "realm": "staff", "enforce_assignments": false,
        "scopes": ["https://orders.example/read", "https://orders.example/write"]});
    let made = server.create("/clients", body).await;
    let people = People { client: basic("c_code", made["client_secret"].as_str().unwrap()), ..people };
    let page = people.browser.open(&server, &People::url(&[])).await;
    assert!(page.status() == 200 && String::from_utf8_lossy(page.body()).contains("id=\"consent\""));
    let refresh = format!("grant_type=refresh_token&refresh_token={}", granted.refresh_token);
    assert_eq!(outcome(&server.post("/oauth2/token", &people.client, &refresh).await), "400 invalid_grant");
    assert_eq!(outcome(&people.redeem(&server, &code).await), "400 invalid_grant");
    assert!(!is_active(&server, &people.client, &granted.access_token).await);
    let again = people.granted(&server).await;
    assert!(is_active(&server, &people.client, &again.access_token).await);
}

#[tokio::test]
async fn revoke_tokens_ends_what_users_have_allowed_the_client_so_far() {
    // CONTRACT 3 `revoke-tokens`, G-14: codes, access tokens and refresh tokens, of this client and of no other
    let server = Server::start().await;
    server.fixtures().await;
    let people = People::of(&server).await;
    let (granted, code) = (people.granted(&server).await, people.code(&server).await);
    let other = server.client("c_other", json!({"introspect": true})).await;
    let others = server.token(&other, "").await;
    assert_eq!(server.admin("POST", "/clients/c_code/revoke-tokens", Value::Null).await.status(), 204);
    let refresh = format!("grant_type=refresh_token&refresh_token={}", granted.refresh_token);
    assert_eq!(outcome(&server.post("/oauth2/token", &people.client, &refresh).await), "400 invalid_grant");
    assert_eq!(outcome(&people.redeem(&server, &code).await), "400 invalid_grant");
    assert!(!is_active(&server, &other, &granted.access_token).await);
    assert!(is_active(&server, &other, &others).await, "another client's");
    server.pass(6);
    assert_eq!(server.get("/orders/1", &granted.access_token).await.status(), 401);
    // What is allowed later is good, and was not asked for again.
    let again = people.granted(&server).await;
    assert_eq!(server.get("/orders/1", &again.access_token).await.status(), 200);
}
