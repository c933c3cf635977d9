//! `/admin/v1/users`, `/groups` and the assignments of clients.

use serde_json::{Value, json};

use crate::browser::{PASSWORD, People, user};
use crate::support::{Server, json_of, shown};

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
    for path in [format!("/users/{id}"), "/users".to_owned(), "/audit".to_owned()] {
        let text = shown(&server.admin("GET", &path, Value::Null).await);
        assert!(!text.contains(PASSWORD) && !text.contains("digest") && !text.contains("salt"), "{text}");
    }
    assert!(!server.dump().await.contains(PASSWORD));
}
