//! `/admin/v1/users`, `/groups` and the assignments of clients.

mod access;
mod epochs;
mod feed;
mod limits;
mod objects;
mod passwords;
mod states;

use serde_json::{Value, json};

use crate::browser::{PASSWORD, People, user};
use crate::http::outcome;
use crate::support::{Server, encoded, json_of, shown};

/// A change by the administrator that succeeds.
async fn changes(server: &Server, method: &str, path: &str, body: Value) {
    let response = server.admin(method, path, body).await;
    assert!(response.status().is_success(), "{method} {path}: {}", shown(&response));
}

/// An object or a list as the administrator sees it.
async fn seen(server: &Server, path: &str) -> Value {
    let response = server.admin("GET", path, Value::Null).await;
    assert_eq!(response.status(), 200, "{path}: {}", shown(&response));
    json_of(&response)
}

/// An administrator's answer as its status and the pointers of its faults.
async fn refused(server: &Server, method: &str, path: &str, body: Value) -> (u16, Vec<String>) {
    let response = server.admin(method, path, body).await;
    let faults = json_of(&response)["errors"].as_array().cloned().unwrap_or_default();
    (response.status().as_u16(), faults.iter().map(|fault| fault["pointer"].as_str().unwrap().to_owned()).collect())
}

/// A server where the password grant is on, its people and the client `c_ropc` of the realm `staff`.
async fn with_passwords() -> (Server, People, String) {
    let server = Server::with(&[("GATEWRIGHT_PASSWORD_GRANT", "on")]).await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    let client = crate::browser::password_client(&server, json!({})).await;
    (server, people, client)
}

/// A token request by password: the outcome and the body.
async fn by_password(server: &Server, client: &str, username: &str, password: &str) -> (String, Value) {
    let form =
        format!("grant_type=password&username={}&password={}&scope={}", encoded(username), encoded(password), encoded("https://orders.example/read"));
    let answer = server.post("/oauth2/token", client, &form).await;
    (outcome(&answer), json_of(&answer))
}

#[tokio::test]
async fn a_user_has_the_roles_of_their_groups() {
    // M-07, I-21
    let server = Server::start().await;
    server.fixtures().await;
    People::of(&server).await;
    let erin = server.create("/users", json!({"realm": "staff", "username": "erin", "password": PASSWORD})).await;
    assert_eq!((erin.get("password"), &erin["has_password"], &erin["roles"]), (None, &json!(true), &json!([])));
    let id = erin["user_id"].as_str().unwrap().to_owned();
    assert_eq!(server.admin("PUT", &format!("/groups/clerks/members/{id}"), Value::Null).await.status(), 204);
    let shown_again = json_of(&server.admin("GET", &format!("/users/{id}"), Value::Null).await);
    assert_eq!((&shown_again["groups"], &shown_again["roles"], &shown_again["own_roles"]), (&json!(["clerks"]), &json!(["clerk"]), &json!([])));
    let again = |realm: &str, username: &str| json!({"realm": realm, "username": username, "password": PASSWORD});
    assert_eq!(server.admin("POST", "/users", again("staff", "ERIN")).await.status(), 409, "one spelling");
    assert_eq!(server.admin("POST", "/users", again("partners", "erin")).await.status(), 201);
    let listed = json_of(&server.admin("GET", "/users?realm=staff&username=Erin", Value::Null).await);
    assert_eq!(listed["items"][0]["user_id"], json!(id));
    assert_eq!(server.admin("DELETE", "/groups/clerks", Value::Null).await.status(), 409);
    assert_eq!(
        server.admin("POST", "/clients", json!({"client_id": id, "client_name": "x", "grant_types": ["client_credentials"]})).await.status(),
        400
    );
    assert_eq!(server.admin("DELETE", &format!("/users/{id}"), Value::Null).await.status(), 204);
    assert_eq!(server.admin("GET", &format!("/users/{id}"), Value::Null).await.status(), 404);
    assert_eq!(server.admin("POST", "/users", again("staff", "erin")).await.status(), 201, "the name is free again");
}

#[tokio::test]
async fn no_password_and_no_digest_of_one_is_shown() {
    // SE-01, I-14
    let server = Server::start().await;
    let id = user(&server, "alice", json!({})).await;
    for path in [format!("/users/{id}"), "/users".to_owned(), "/audit".to_owned(), format!("/audit?user_id={id}")] {
        let text = shown(&server.admin("GET", &path, Value::Null).await);
        assert!(!text.contains(PASSWORD) && !text.contains("digest") && !text.contains("salt"), "{text}");
    }
    assert!(!server.dump().await.contains(PASSWORD));
}

#[tokio::test]
async fn usage_tells_users_from_their_client() {
    // M-06
    let (server, people, client) = with_passwords().await;
    changes(&server, "PUT", &format!("/clients/c_ropc/assignments/users/{}", people.alice), Value::Null).await;
    changes(&server, "PATCH", "/clients/c_ropc", json!({"grant_types": ["password", "client_credentials"]})).await;
    let own = server.token(&client, &format!("scope={}", encoded("https://orders.example/read"))).await;
    let (said, tokens) = by_password(&server, &client, "alice", PASSWORD).await;
    assert_eq!(said, "200");
    for _ in 0..3 {
        assert_eq!(server.get("/orders/1", tokens["access_token"].as_str().unwrap()).await.status(), 200);
    }
    assert_eq!(server.get("/nowhere", tokens["access_token"].as_str().unwrap()).await.status(), 403);
    assert_eq!(server.get("/orders/1", &own).await.status(), 200);
    server.node().flush(&server.fresh()).await;
    let of = |principal: &str, members: Value| {
        let mut item = json!({"client_id": "c_ropc", "log_day": "2026-11-20", "principal": principal});
        item.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        item
    };
    let expected = json!([
        of("client", json!({"tokens_issued": 1, "calls_allowed": 1})),
        of("user", json!({"tokens_issued": 1, "calls_allowed": 3, "calls_denied": 1}))
    ]);
    assert_eq!(seen(&server, "/usage?client_id=c_ropc").await["items"], expected);
    let stats = seen(&server, "/stats/latest/instance").await;
    assert_eq!((&stats["items"][0]["calls_allowed"], stats["items"][0].get("user_calls_allowed")), (&json!(4), None));
}

#[tokio::test]
async fn the_audit_trail_is_found_by_user_and_by_client() {
    let server = Server::start().await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    Box::pin(people.granted(&server)).await;
    let events = async |query: &str| -> Vec<String> {
        let listed = seen(&server, &format!("/audit?{query}")).await;
        listed["items"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    };
    let by_user = events(&format!("user_id={}", people.alice)).await;
    for event in ["user.created", "client.assigned", "user.signed_in"] {
        assert_eq!(by_user.iter().filter(|own| *own == event).count(), 1, "{event}: {by_user:?}");
    }
    let by_client = events("client_id=c_code").await;
    for event in ["client.created", "client.assigned", "user.signed_in"] {
        assert_eq!(by_client.iter().filter(|own| *own == event).count(), 1, "{event}: {by_client:?}");
    }
    let by_both = events(&format!("client_id=c_code&user_id={}", people.alice)).await;
    assert!(by_both.contains(&"client.assigned".to_owned()) && !by_both.contains(&"user.created".to_owned()), "{by_both:?}");
    // In the whole trail it stands once.
    let all = events("limit=100").await;
    assert_eq!(all.iter().filter(|event| *event == "user.signed_in").count(), 1, "{all:?}");
    // Page by page it is the same.
    let mut paged = Vec::new();
    let mut next = String::new();
    loop {
        let page = seen(&server, &format!("/audit?user_id={}&limit=1{next}", people.alice)).await;
        paged.extend(page["items"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(paged, by_user);
    assert_eq!(events("user_id=u-000000000000000000000000").await, [""; 0]);
    assert_eq!(refused(&server, "GET", "/audit?user_id=alice", Value::Null).await, (400, vec!["?user_id".to_owned()]));
}
