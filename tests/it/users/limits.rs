//! What fits into one transaction, and into one page.

use serde_json::{Value, json};

use super::{changes, refused, seen};
use crate::browser::{CALLBACK, People, user};
use crate::support::{Server, json_of};

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

/// All items of a list, page by page.
async fn walk(server: &Server, path: &str, limit: usize) -> Vec<Value> {
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let page = seen(server, &format!("{path}?limit={limit}{next}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit, "{page}");
        found.extend(items.iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else { break found };
        next = format!("&cursor={cursor}");
    }
}

#[tokio::test]
async fn assignments_and_grants_are_paged_as_other_lists_are() {
    // CONTRACT 3
    let server = Server::start().await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    changes(&server, "PUT", "/clients/c_code/assignments/groups/clerks", Value::Null).await;
    let erin = user(&server, "erin", json!({})).await;
    changes(&server, "PUT", &format!("/clients/c_code/assignments/users/{erin}"), Value::Null).await;
    let consents = ["~app", "a", "b", "zz~"];
    for client in consents {
        server.client(client, json!({"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK], "realm": "staff"})).await;
        changes(&server, "PUT", &format!("/clients/{client}/assignments/users/{}", people.alice), Value::Null).await;
        people.code_of(&server, &[("client_id", client)]).await;
    }
    let mut users = [people.alice.clone(), erin];
    users.sort_unstable();
    let assigned = [json!({"group": "clerks"}), json!({"user_id": users[0]}), json!({"user_id": users[1]})];
    let grants = format!("/users/{}/grants", people.alice);
    for limit in [1, 2, 3, 100] {
        assert_eq!(walk(&server, "/clients/c_code/assignments", limit).await, assigned, "{limit}");
        let ids: Vec<Value> = walk(&server, &grants, limit).await.into_iter().map(|grant| grant["client_id"].clone()).collect();
        assert_eq!(ids, ["a", "b", "zz~", "~app"], "{limit}");
    }
    for path in ["/clients/c_code/assignments", &grants] {
        for (query, pointer) in [("limit=0", "?limit"), ("limit=101", "?limit"), ("cursor=%20", "?cursor")] {
            assert_eq!(refused(&server, "GET", &format!("{path}?{query}"), Value::Null).await, (400, vec![pointer.to_owned()]), "{path} {query}");
        }
    }
    // What a deleted client was allowed is listed, and can be withdrawn.
    changes(&server, "DELETE", "/clients/~app", Value::Null).await;
    assert_eq!(walk(&server, &grants, 100).await.len(), 4);
    for _ in 0..2 {
        changes(&server, "DELETE", &format!("{grants}/~app"), Value::Null).await;
        assert_eq!(walk(&server, &grants, 2).await.len(), 3);
    }
    for (path, status) in [(format!("{grants}/nobody"), 404), (format!("{grants}/a%20b"), 404)] {
        assert_eq!(server.admin("DELETE", &path, Value::Null).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_page_of_users_is_two_reads_and_one_for_all_their_groups() {
    let server = Server::start().await;
    server.roles(&["clerk", "boss"]).await;
    let groups = names("g", 110);
    for name in &groups {
        let role = if name == "g07" { "boss" } else { "clerk" };
        server.create("/groups", json!({"name": name, "realm": "staff", "roles": [role]})).await;
    }
    for at in 0..6 {
        user(&server, &format!("u{at}"), json!({"groups": groups[at * 18..(at + 1) * 18]})).await;
    }
    let token = server.admin_token().await;
    server.proxy.calls();
    let page = json_of(&server.get("/admin/v1/users?limit=100", &token).await);
    // The token's record; the list; the users; 108 groups, of which a read takes a hundred.
    assert_eq!(server.proxy.calls(), "BatchGetItem 4, Query 1");
    for shown in page["items"].as_array().unwrap() {
        let expected = if shown["username"] == "u0" { json!(["boss", "clerk"]) } else { json!(["clerk"]) };
        assert_eq!(shown["roles"], expected, "{shown}");
        assert_eq!(seen(&server, &format!("/users/{}", shown["user_id"].as_str().unwrap())).await, *shown);
    }
    assert_eq!(page["items"].as_array().unwrap().len(), 6);
}
