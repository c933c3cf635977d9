//! What becomes of a token for a user in each of its states, at every endpoint that is shown it.

use expect_test::expect;
use serde_json::{Value, json};

use super::changes;
use crate::browser::People;
use crate::forge::Forge;
use crate::http::outcome;
use crate::support::{Server, claims, encoded, is_active, json_of, shown};

/// A server with tokeninfo, its people and a client that may introspect everything.
async fn started() -> (Server, People, String) {
    let server = Server::with(&[("GATEWRIGHT_TOKENINFO", "on")]).await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    let introspector = server.client("c_all", json!({"introspect": true})).await;
    (server, people, introspector)
}

/// What is said of an access token and of the refresh token beside it.
async fn everywhere(server: &Server, people: &People, introspector: &str, (access, refresh): (&str, &str)) -> String {
    let access_form = format!("token={}", encoded(access));
    let introspect = is_active(server, introspector, access).await;
    let tokeninfo = outcome(&server.post("/oauth2/tokeninfo", introspector, &format!("access_{access_form}")).await);
    let route = server.get("/orders/1", access).await.status().as_u16();
    let form = format!("grant_type=refresh_token&refresh_token={}", encoded(refresh));
    let refreshed = outcome(&server.post("/oauth2/token", &people.client, &form).await);
    let revoke = outcome(&server.post("/oauth2/revoke", &people.client, &access_form).await);
    let give_back = outcome(&server.post("/oauth2/revoke", &people.client, &format!("token={}", encoded(refresh))).await);
    format!("{introspect}, {tokeninfo}, {route}, {refreshed}, {revoke}, {give_back}")
}

#[tokio::test]
async fn tokeninfo_names_the_user() {
    // CONTRACT 2, I-15
    let (server, people, introspector) = started().await;
    let token = Box::pin(people.granted(&server)).await.access_token;
    server.pass(10);
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"audience":"c_code","user_id":"alice","scope":"read","expires_in":3590}"#]]
    .assert_eq(&shown(&server.post("/oauth2/tokeninfo", &introspector, &format!("access_token={token}")).await));
}

#[tokio::test]
async fn every_state_of_a_users_token_is_the_same_everywhere() {
    // seeds 5.4, RV-04. Columns: introspect, tokeninfo, route, refresh, revoke of the access token, of the refresh token, by their client.
    let states = [
        "live",
        "expired",
        "access token revoked",
        "refresh token revoked",
        "refresh token expired",
        "user deactivated",
        "user deleted",
        "unassigned",
        "new password",
        "client deactivated",
        "client deleted",
        "key withdrawn",
        "refresh token as access token",
    ];
    let mut table = String::new();
    for format in ["jwt", "opaque"] {
        for state in states {
            if format == "opaque" && ["key withdrawn", "refresh token as access token"].contains(&state) {
                continue;
            }
            let (server, people, introspector) = Box::pin(started()).await;
            let client = json!({"access_token_format": format, "refresh_token_ttl": if state == "refresh token expired" { 100 } else { 86_400 }});
            changes(&server, "PATCH", "/clients/c_code", client).await;
            let granted = Box::pin(people.granted(&server)).await;
            let (mut access, refresh) = (granted.access_token, granted.refresh_token);
            let user = format!("/users/{}", people.alice);
            let revoke = async |token: &str| drop(server.post("/oauth2/revoke", &people.client, &format!("token={token}")).await);
            match state {
                "expired" => server.pass(3_600),
                "access token revoked" => revoke(&access).await,
                "refresh token revoked" => revoke(&refresh).await,
                "refresh token expired" => server.pass(100),
                "user deactivated" => changes(&server, "PATCH", &user, json!({"active": false})).await,
                "user deleted" => changes(&server, "DELETE", &user, Value::Null).await,
                "unassigned" => changes(&server, "DELETE", &format!("/clients/c_code/assignments{user}"), Value::Null).await,
                "new password" => changes(&server, "PATCH", &user, json!({"password": "another long password"})).await,
                "client deactivated" => changes(&server, "PATCH", "/clients/c_code", json!({"active": false})).await,
                "client deleted" => changes(&server, "DELETE", "/clients/c_code", Value::Null).await,
                "key withdrawn" => changes(&server, "POST", "/keys/rotate", json!({"emergency": true})).await,
                "refresh token as access token" => access.clone_from(&refresh),
                _ => {}
            }
            let said = Box::pin(everywhere(&server, &people, &introspector, (&access, &refresh))).await;
            table.push_str(&format!("{format} {state}: {said}\n"));
        }
    }
    expect![[r#"
        jwt live: true, 200, 200, 200, 200, 200
        jwt expired: false, 400 invalid_request, 401, 200, 200, 200
        jwt access token revoked: false, 400 invalid_request, 401, 200, 200, 200
        jwt refresh token revoked: false, 400 invalid_request, 401, 400 invalid_grant, 200, 200
        jwt refresh token expired: true, 200, 200, 400 invalid_grant, 200, 200
        jwt user deactivated: false, 400 invalid_request, 401, 400 invalid_grant, 200, 200
        jwt user deleted: false, 400 invalid_request, 401, 400 invalid_grant, 200, 200
        jwt unassigned: false, 400 invalid_request, 401, 400 invalid_grant, 200, 200
        jwt new password: false, 400 invalid_request, 401, 400 invalid_grant, 200, 200
        jwt client deactivated: false, 400 invalid_request, 401, 401 invalid_client, 401 invalid_client, 401 invalid_client
        jwt client deleted: false, 400 invalid_request, 401, 401 invalid_client, 401 invalid_client, 401 invalid_client
        jwt key withdrawn: false, 400 invalid_request, 401, 200, 200, 200
        jwt refresh token as access token: false, 400 invalid_request, 401, 200, 200, 200
        opaque live: true, 200, 200, 200, 200, 200
        opaque expired: false, 400 invalid_request, 401, 200, 200, 200
        opaque access token revoked: false, 400 invalid_request, 401, 200, 200, 200
        opaque refresh token revoked: false, 400 invalid_request, 401, 400 invalid_grant, 200, 200
        opaque refresh token expired: true, 200, 200, 400 invalid_grant, 200, 200
        opaque user deactivated: false, 400 invalid_request, 401, 400 invalid_grant, 200, 200
        opaque user deleted: false, 400 invalid_request, 401, 400 invalid_grant, 200, 200
        opaque unassigned: false, 400 invalid_request, 401, 400 invalid_grant, 200, 200
        opaque new password: false, 400 invalid_request, 401, 400 invalid_grant, 200, 200
        opaque client deactivated: false, 400 invalid_request, 401, 401 invalid_client, 401 invalid_client, 401 invalid_client
        opaque client deleted: false, 400 invalid_request, 401, 401 invalid_client, 401 invalid_client, 401 invalid_client
    "#]]
    .assert_eq(&table);
}

#[tokio::test]
async fn a_forged_token_for_a_user_is_nothing_anywhere_and_revokes_nothing() {
    // seeds 5.4, I-15, JW-01
    let (server, people, introspector) = started().await;
    let granted = Box::pin(people.granted(&server)).await;
    let (good, said, forge) = (&granted.access_token, claims(&granted.access_token), Forge::of(&server).await);
    let other_issuer = {
        let mut said = said.clone();
        said["iss"] = json!("https://other.example");
        said
    };
    let mut unsigned = forge.header();
    unsigned["alg"] = json!("none");
    let unsigned = forge.token(&unsigned, &said);
    for (what, token) in [
        ("a stranger's signature", Forge::stranger(&forge.kid).token(&forge.header(), &said)),
        ("alg none", unsigned.clone()),
        ("alg none, no signature", unsigned[..=unsigned.rfind('.').unwrap()].to_owned()),
        ("another issuer", forge.token(&forge.header(), &other_issuer)),
        ("cut", good[..good.len() - 10].to_owned()),
    ] {
        let refresh = format!("gw_rt_{}", "A".repeat(43));
        let said = Box::pin(everywhere(&server, &people, &introspector, (&token, &refresh))).await;
        assert_eq!(said, "false, 400 invalid_request, 401, 400 invalid_grant, 200, 200", "{what}");
        assert!(is_active(&server, &introspector, good).await, "{what}");
    }
    let tokens = json_of(&server.admin("GET", &format!("/tokens?user_id={}", people.alice), Value::Null).await);
    assert_eq!(tokens["items"].as_array().unwrap().len(), 1);
}
