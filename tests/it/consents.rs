//! What a user has allowed a client, seen and withdrawn by an administrator.

use serde_json::{Value, json};

use crate::browser::People;
use crate::support::{Server, json_of};

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
    assert_eq!(server.post("/oauth2/token", &people.client, &refresh).await.status(), 400);
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
