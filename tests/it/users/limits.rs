//! What fits into one transaction, and into one page.

use serde_json::{Value, json};

use super::{changes, refused, seen};
use crate::browser::{CALLBACK, user};
use crate::support::Server;

/// `count` names that begin with `prefix`.
fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{prefix}{at:02}")).collect()
}

/// The most roles, and the most groups, that a user has.
const OF_USER: usize = 20;

/// The most roles that a client, a group or a privilege has.
const OF_OTHERS: usize = 30;

#[tokio::test]
async fn the_largest_change_of_each_object_is_one_transaction() {
    let server = Server::start().await;
    server.fixtures().await;
    let (old, new) = (names("old", OF_OTHERS), names("new", OF_OTHERS));
    for name in old.iter().chain(&new) {
        server.roles(&[name]).await;
        server.create("/groups", json!({"name": name, "realm": "staff"})).await;
    }
    let (few, fewer) = (&old[..OF_USER], &new[..OF_USER]);
    let id = user(&server, "alice", json!({"roles": few, "groups": few})).await;
    let uris: Vec<String> = (0..20).map(|at| format!("{CALLBACK}/{at}")).collect();
    server.client("app", json!({"grant_types": ["authorization_code"], "redirect_uris": uris, "roles": old})).await;
    server.create("/groups", json!({"name": "all", "roles": old})).await;
    server.create("/privileges", json!({"name": "all", "api": "orders", "roles": old})).await;
    // Every name of each list goes and another comes, and a new name for the object with it.
    for (path, patch, most) in [
        (format!("/users/{id}"), json!({"username": "alicia", "roles": fewer, "groups": fewer, "password": null}), OF_USER),
        ("/clients/app".to_owned(), json!({"client_name": "other", "roles": new}), OF_OTHERS),
        ("/groups/all".to_owned(), json!({"roles": new}), OF_OTHERS),
        ("/privileges/all".to_owned(), json!({"roles": new}), OF_OTHERS),
    ] {
        changes(&server, "PATCH", &path, patch).await;
        let too_many = [&new[..], &old[..]].concat();
        let faults = refused(&server, "PATCH", &path, json!({"roles": too_many[..=most]})).await;
        assert_eq!(faults, (400, vec!["/roles".to_owned()]), "{path}");
        assert_eq!(seen(&server, &path).await["version"], 2, "{path}");
    }
    assert_eq!(refused(&server, "PATCH", &format!("/users/{id}"), json!({"groups": new[..=OF_USER]})).await, (400, vec!["/groups".to_owned()]));
    // The uses were counted: what nobody names any more can go, what is named cannot.
    for (path, status) in [("/roles/old00", 204), ("/groups/old00", 204), ("/roles/new00", 409), ("/groups/new00", 409)] {
        assert_eq!(server.admin("DELETE", path, Value::Null).await.status(), status, "{path}");
    }
}
