//! Users, groups and assignments as objects of the admin API.

use serde_json::{Value, json};

use super::{changes, refused, seen};
use crate::browser::{People, user};
use crate::support::{ADMIN, ADMIN_SECRET, Server, basic, json_of, shown};

#[tokio::test]
async fn what_is_not_said_of_a_user_or_a_group_has_its_default() {
    // M-07
    let server = Server::start().await;
    let erin = server.create("/users", json!({"username": "Erin"})).await;
    let id = erin["user_id"].as_str().unwrap();
    assert!(id.starts_with("u-") && id.len() == 26, "{id}");
    let expected = json!({"user_id": id, "realm": "default", "username": "Erin", "roles": [], "own_roles": [], "groups": [], "active": true,
        "claims": {}, "has_password": false, "version": 1, "created_at": "2026-11-20T18:00:00Z", "updated_at": "2026-11-20T18:00:00Z"});
    assert_eq!(erin, expected);
    let group = server.create("/groups", json!({"name": "clerks"})).await;
    let expected = json!({"name": "clerks", "realm": "default", "roles": [], "version": 1,
        "created_at": "2026-11-20T18:00:00Z", "updated_at": "2026-11-20T18:00:00Z"});
    assert_eq!(group, expected);
}

#[tokio::test]
async fn faults_of_users_and_groups_are_pointed_at() {
    // AD-14, TE-32
    let server = Server::start().await;
    server.roles(&["clerk"]).await;
    server.create("/groups", json!({"name": "sales", "realm": "partners"})).await;
    for (body, pointers) in [
        (json!({}), vec!["/username"]),
        (json!({"username": ""}), vec!["/username"]),
        (json!({"username": " erin"}), vec!["/username"]),
        (json!({"username": "a\u{0}b"}), vec!["/username"]),
        (json!({"username": 1}), vec!["/username"]),
        (json!({"username": "erin", "user_id": "u-000000000000000000000000"}), vec!["/user_id"]),
        (json!({"username": "erin", "own_roles": []}), vec!["/own_roles"]),
        (json!({"username": "erin", "sub": "root", "Password": "x"}), vec!["/Password", "/sub"]),
        (json!({"username": "erin", "realm": "a b"}), vec!["/realm"]),
        (json!({"username": "erin", "active": "yes"}), vec!["/active"]),
        (json!({"username": "erin", "password": "short"}), vec!["/password"]),
        (json!({"username": "erin", "password": 12_345_678}), vec!["/password"]),
        (json!({"username": "erin", "password": "x".repeat(257)}), vec!["/password"]),
        (json!({"username": "erin", "roles": ["clerk", "nobody"]}), vec!["/roles/1"]),
        (json!({"username": "erin", "roles": ["clerk", "clerk"]}), vec!["/roles"]),
        (json!({"username": "erin", "groups": ["nowhere"]}), vec!["/groups/0"]),
        (json!({"username": "erin", "groups": ["sales"]}), vec!["/groups/0"]),
        (json!({"username": "erin", "claims": {"deep": {"er": 1}}}), vec!["/claims"]),
        (json!({"username": "erin", "claims": {"long": "x".repeat(2_000)}}), vec!["/claims"]),
        (json!([]), vec![""]),
    ] {
        assert_eq!(refused(&server, "POST", "/users", body.clone()).await, (400, pointers.iter().map(|at| (*at).to_owned()).collect()), "{body}");
    }
    for (body, pointers) in [
        (json!({}), vec!["/name"]),
        (json!({"name": "a b"}), vec!["/name"]),
        (json!({"name": "x", "members": []}), vec!["/members"]),
        (json!({"name": "x", "roles": ["nobody"]}), vec!["/roles/0"]),
        (json!({"name": "x", "roles": ["clerk", "clerk"]}), vec!["/roles"]),
    ] {
        assert_eq!(refused(&server, "POST", "/groups", body.clone()).await, (400, pointers.iter().map(|at| (*at).to_owned()).collect()), "{body}");
    }
    assert_eq!(seen(&server, "/users").await["items"], json!([]), "nothing was made");
}

#[tokio::test]
async fn nobody_sets_a_claim_that_is_the_servers() {
    // TE-32
    let server = Server::start().await;
    let id = user(&server, "alice", json!({})).await;
    for claim in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "roles", "sub_type", "cnf", "act", "grant_id", "username"] {
        let claims = json!({"claims": {claim: "x"}});
        assert_eq!(refused(&server, "PATCH", &format!("/users/{id}"), claims).await, (400, vec!["/claims".to_owned()]), "{claim}");
    }
}

#[tokio::test]
async fn a_user_is_changed_by_merge_and_under_the_version_that_was_seen() {
    // RFC 9110 §13.1.1, RFC 7396
    let server = Server::start().await;
    server.roles(&["clerk"]).await;
    let id = user(&server, "alice", json!({"claims": {"a": 1, "b": 2}})).await;
    let path = format!("/users/{id}");
    let token = format!("Bearer {}", server.admin_token().await);
    let send = async |method: &str, path: &str, tag: &str, body: Value| {
        let headers = [("authorization", token.as_str()), ("content-type", "application/json"), ("if-match", tag)];
        server.send(method, &format!("/admin/v1{path}"), &headers, body.to_string()).await
    };
    let changed = send("PATCH", &path, "\"1\"", json!({"roles": ["clerk"], "username": "alicia", "claims": {"a": null, "c": 3}})).await;
    assert_eq!((changed.status().as_u16(), changed.headers()["etag"].to_str().unwrap()), (200, "\"2\""), "{}", shown(&changed));
    let body = json_of(&changed);
    assert_eq!(
        (&body["version"], &body["username"], &body["roles"], &body["claims"]),
        (&json!(2), &json!("alicia"), &json!(["clerk"]), &json!({"b": 2, "c": 3}))
    );
    assert_eq!(seen(&server, &path).await, body);
    assert_eq!(send("PATCH", &path, "\"1\"", json!({"active": false})).await.status(), 412);
    assert_eq!(send("DELETE", &path, "\"1\"", Value::Null).await.status(), 412);
    // null takes a member back to its default; the realm stays.
    changes(&server, "PATCH", &path, json!({"roles": null, "claims": null})).await;
    assert_eq!((&seen(&server, &path).await["roles"], &seen(&server, &path).await["claims"]), (&json!([]), &json!({})));
    assert_eq!(refused(&server, "PATCH", &path, json!({"realm": "partners"})).await, (400, vec!["/realm".to_owned()]));
    assert_eq!(refused(&server, "PATCH", &path, json!({"username": null})).await, (400, vec!["/username".to_owned()]));
    // The name that was left is free, the one that was taken is not.
    user(&server, "alice", json!({})).await;
    assert_eq!(refused(&server, "PATCH", &path, json!({"username": "ALICE"})).await.0, 409);
    changes(&server, "PATCH", &path, json!({"username": "ALICIA"})).await;
    assert_eq!(send("DELETE", &path, "\"4\"", Value::Null).await.status(), 204);

    server.create("/groups", json!({"name": "clerks"})).await;
    let changed = send("PATCH", "/groups/clerks", "\"1\"", json!({"roles": ["clerk"]})).await;
    assert_eq!((changed.status().as_u16(), changed.headers()["etag"].to_str().unwrap()), (200, "\"2\""), "{}", shown(&changed));
    assert_eq!(send("PATCH", "/groups/clerks", "\"1\"", json!({"roles": []})).await.status(), 412);
    for fixed in [json!({"name": "other"}), json!({"realm": "staff"})] {
        assert_eq!(refused(&server, "PATCH", "/groups/clerks", fixed).await.0, 400);
    }
    assert_eq!(send("DELETE", "/groups/clerks", "\"1\"", Value::Null).await.status(), 412);
    assert_eq!(send("DELETE", "/groups/clerks", "\"2\"", Value::Null).await.status(), 204);
}

#[tokio::test]
async fn lists_of_users_and_groups_are_paged_and_filtered() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let realm = if name == "e" { "partners" } else { "staff" };
        ids.push(server.create("/users", json!({"realm": realm, "username": name})).await["user_id"].as_str().unwrap().to_owned());
        server.create("/groups", json!({"name": name, "realm": realm})).await;
    }
    let all = async |list: &str, member: &str, limit: usize| {
        let (mut found, mut next) = (Vec::new(), String::new());
        loop {
            let page = seen(&server, &format!("{list}limit={limit}{next}")).await;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{page}");
            found.extend(items.iter().map(|item| item[member].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break found };
            next = format!("&cursor={cursor}");
        }
    };
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    for limit in [1, 2, 5, 100] {
        assert_eq!(all("/users?", "user_id", limit).await, sorted, "{limit}");
        assert_eq!(all("/groups?", "name", limit).await, ["a", "b", "c", "d", "e"], "{limit}");
        assert_eq!(all("/groups?realm=staff&", "name", limit).await, ["a", "b", "c", "d"], "{limit}");
        assert_eq!(all("/users?realm=partners&", "username", limit).await, ["e"], "{limit}");
    }
    for (query, found) in
        [("realm=partners&username=E", 1), ("realm=staff&username=e", 0), ("username=e", 0), ("realm=nowhere", 0), ("username=%20", 0)]
    {
        assert_eq!(seen(&server, &format!("/users?{query}")).await["items"].as_array().unwrap().len(), found, "{query}");
    }
    for query in ["limit=0", "limit=101", "limit=x", "cursor=%20", "realm=a&realm=b"] {
        assert_eq!(refused(&server, "GET", &format!("/users?{query}"), Value::Null).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_in_the_way_409() {
    let server = Server::start().await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    let (alice, nobody) = (people.alice.as_str(), "u-000000000000000000000000");
    for (method, path) in [
        ("GET", format!("/users/{nobody}")),
        ("GET", "/users/alice".to_owned()),
        ("DELETE", format!("/users/{nobody}")),
        ("GET", "/groups/nowhere".to_owned()),
        ("DELETE", "/groups/nowhere".to_owned()),
        ("PUT", format!("/groups/nowhere/members/{alice}")),
        ("PUT", format!("/groups/clerks/members/{nobody}")),
        ("DELETE", format!("/groups/nowhere/members/{alice}")),
        ("PUT", format!("/clients/nowhere/assignments/users/{alice}")),
        ("PUT", format!("/clients/c_code/assignments/users/{nobody}")),
        ("PUT", "/clients/c_code/assignments/groups/nowhere".to_owned()),
        ("DELETE", format!("/clients/c_code/assignments/users/{nobody}")),
        ("GET", "/clients/nowhere/assignments".to_owned()),
        ("PUT", format!("/clients/c_code/assignments/others/{alice}")),
    ] {
        assert_eq!(server.admin(method, &path, Value::Null).await.status(), 404, "{method} {path}");
    }
    for (method, path, allow) in [
        ("PUT", "/users".to_owned(), "GET, POST"),
        ("POST", format!("/users/{alice}"), "GET, PATCH, DELETE"),
        ("POST", "/groups/clerks".to_owned(), "GET, PATCH, DELETE"),
        ("GET", format!("/groups/clerks/members/{alice}"), "PUT, DELETE"),
        ("POST", "/clients/c_code/assignments".to_owned(), "GET"),
        ("GET", format!("/clients/c_code/assignments/users/{alice}"), "PUT, DELETE"),
    ] {
        let response = server.admin(method, &path, Value::Null).await;
        assert_eq!((response.status().as_u16(), response.headers()["allow"].to_str().unwrap()), (405, allow), "{method} {path}");
    }
    for (path, body) in [("/users", json!({"realm": "staff", "username": "alice"})), ("/groups", json!({"name": "clerks", "realm": "other"}))] {
        assert_eq!(server.admin("POST", path, body).await.status(), 409, "{path}");
    }
    // A role that a user or a group has is in use; so is a group with a member.
    changes(&server, "PATCH", &format!("/users/{alice}"), json!({"roles": ["manager"]})).await;
    for path in ["/roles/manager", "/roles/clerk", "/groups/clerks"] {
        assert_eq!(server.admin("DELETE", path, Value::Null).await.status(), 409, "{path}");
    }
    changes(&server, "DELETE", &format!("/users/{alice}"), Value::Null).await;
    for path in ["/roles/manager", "/groups/clerks", "/roles/clerk"] {
        assert_eq!(server.admin("DELETE", path, Value::Null).await.status(), 204, "{path}");
    }
}

#[tokio::test]
async fn members_and_assignments_are_put_and_taken_however_often() {
    // M-07, I-11
    let server = Server::start().await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    let erin = user(&server, "erin", json!({})).await;
    for _ in 0..2 {
        changes(&server, "PUT", &format!("/groups/clerks/members/{erin}"), Value::Null).await;
        changes(&server, "PUT", &format!("/clients/c_code/assignments/users/{erin}"), Value::Null).await;
        changes(&server, "PUT", "/clients/c_code/assignments/groups/clerks", Value::Null).await;
    }
    assert_eq!(seen(&server, &format!("/users/{erin}")).await["groups"], json!(["clerks"]));
    let mut users = [people.alice.clone(), erin.clone()];
    users.sort_unstable();
    let expected = json!([{"group": "clerks"}, {"user_id": users[0]}, {"user_id": users[1]}]);
    assert_eq!(seen(&server, "/clients/c_code/assignments").await, json!({"items": expected, "next_cursor": null}));
    // A group of another realm has no members of this one.
    server.create("/groups", json!({"name": "partners", "realm": "partners"})).await;
    assert_eq!(refused(&server, "PUT", &format!("/groups/partners/members/{erin}"), Value::Null).await.0, 400);
    for _ in 0..2 {
        changes(&server, "DELETE", &format!("/groups/clerks/members/{erin}"), Value::Null).await;
        changes(&server, "DELETE", &format!("/clients/c_code/assignments/users/{erin}"), Value::Null).await;
        changes(&server, "DELETE", "/clients/c_code/assignments/groups/clerks", Value::Null).await;
    }
    assert_eq!(seen(&server, &format!("/users/{erin}")).await["groups"], json!([]));
    assert_eq!(seen(&server, "/clients/c_code/assignments").await["items"], json!([{"user_id": people.alice}]));
}

#[tokio::test]
async fn each_path_asks_for_its_own_scope() {
    // A missing scope is a 403 that names it.
    let server = Server::start().await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    let alice = &people.alice;
    for (method, path, scope) in [
        ("GET", "/users".to_owned(), "users.read"),
        ("GET", format!("/users/{alice}"), "users.read"),
        ("POST", "/users".to_owned(), "users.write"),
        ("PATCH", format!("/users/{alice}"), "users.write"),
        ("DELETE", format!("/users/{alice}"), "users.write"),
        ("GET", "/groups".to_owned(), "users.read"),
        ("GET", "/groups/clerks".to_owned(), "users.read"),
        ("POST", "/groups".to_owned(), "users.write"),
        ("PATCH", "/groups/clerks".to_owned(), "users.write"),
        ("DELETE", "/groups/clerks".to_owned(), "users.write"),
        ("PUT", format!("/groups/clerks/members/{alice}"), "users.write"),
        ("DELETE", format!("/groups/clerks/members/{alice}"), "users.write"),
        ("GET", "/clients/c_code/assignments".to_owned(), "clients.read"),
        ("PUT", format!("/clients/c_code/assignments/users/{alice}"), "clients.write"),
        ("DELETE", format!("/clients/c_code/assignments/users/{alice}"), "clients.write"),
        ("GET", format!("/audit?user_id={alice}"), "audit.read"),
    ] {
        let all = ["users.read", "users.write", "clients.read", "clients.write", "audit.read", "access.write"];
        let others: Vec<String> = all.iter().filter(|own| **own != scope).map(|own| format!("urn%3Agatewright%3Aadmin%3A{own}")).collect();
        let token = server.token(&basic(ADMIN, ADMIN_SECRET), &format!("scope={}", others.join("+"))).await;
        let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", "application/json")];
        let response = server.send(method, &format!("/admin/v1{path}"), &headers, "{}").await;
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap()).unwrap_or_default();
        assert!(response.status() == 403 && challenge.contains(&format!("urn:gatewright:admin:{scope}")), "{method} {path}: {}", shown(&response));
        assert_eq!(server.send(method, &format!("/admin/v1{path}"), &[], "").await.status(), 401, "{method} {path}");
    }
    assert_eq!(seen(&server, &format!("/users/{alice}")).await["version"], json!(1), "nothing was changed");
}
