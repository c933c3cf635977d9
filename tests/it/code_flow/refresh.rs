//! Refresh tokens: rotation, what ends them, and giving them back.

use serde_json::{Value, json};

use super::{is_active, other_client, public_client, refreshed, started};
use crate::browser::{Browser, CALLBACK, PASSWORD, People, VERIFIER, location, parameter};
use crate::http::{assert_nothing_written, outcome};
use crate::support::{Server, claims, encoded, json_of};

const DEAD: &str = "400 invalid_grant";

/// A refresh by the public client `p1`.
async fn refreshed_public(server: &Server, token: &str) -> (String, String) {
    refreshed(server, "", token, "&client_id=p1").await
}

#[tokio::test]
async fn a_public_client_rotates_too() {
    // RT-01, RT-02, RT-03, RT-07
    let (server, people) = started().await;
    public_client(&server, &people, json!({})).await;
    let code = people.code_of(&server, &[("client_id", "p1")]).await;
    let form = format!("grant_type=authorization_code&client_id=p1&code={code}&redirect_uri={}&code_verifier={VERIFIER}", encoded(CALLBACK));
    let tokens = json_of(&server.post("/oauth2/token", "", &form).await);
    let first = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(refreshed(&server, "", first, "").await.0, "401 invalid_client", "without saying who");
    assert_eq!(refreshed(&server, &people.client, first, "").await.0, DEAD, "another client's");
    let confidential = people.granted(&server).await.refresh_token;
    assert_eq!(refreshed_public(&server, &confidential).await.0, DEAD, "a confidential client's");
    assert_eq!(refreshed(&server, "", &confidential, "&client_id=c_code").await.0, "401 invalid_client", "CVE-2026-53512: a name proves nothing");
    assert_eq!(refreshed(&server, &people.client, &confidential, "").await.0, "200", "it stays what it was for its owner");
    let (status, second) = refreshed_public(&server, first).await;
    assert!(status == "200" && second != first && second.starts_with("gw_rt_"));
    let (_, third) = refreshed_public(&server, &second).await;
    assert_eq!(refreshed_public(&server, first).await.0, DEAD);
    assert_eq!(refreshed_public(&server, &third).await.0, DEAD);
    let other = other_client(&server, &people).await;
    assert!(!is_active(&server, &other, tokens["access_token"].as_str().unwrap()).await);
}

#[tokio::test]
async fn the_order_of_a_family_needs_no_clock_and_outlives_every_process() {
    // RT-03, RT-04, RT-05, MI-05. All within one second; the replay comes to a node that was started after.
    let (server, people) = started().await;
    for replayed in [0, 1, 10, 18] {
        let granted = people.granted(&server).await;
        let (mut family, mut access) = (vec![granted.refresh_token], vec![granted.access_token]);
        for _ in 0..20 {
            let form = format!("grant_type=refresh_token&refresh_token={}", family.last().unwrap());
            let tokens = json_of(&server.post("/oauth2/token", &people.client, &form).await);
            family.push(tokens["refresh_token"].as_str().unwrap().to_owned());
            access.push(tokens["access_token"].as_str().unwrap().to_owned());
        }
        let restarted = server.another().await;
        assert_eq!(refreshed(&restarted, &people.client, &family[replayed], "").await.0, DEAD, "{replayed}");
        assert_eq!(refreshed(&server, &people.client, &family[20], "").await.0, DEAD, "{replayed}");
        for node in [&server, &restarted] {
            for token in &access {
                assert!(!is_active(node, &people.client, token).await, "{replayed}");
            }
        }
    }
}

#[tokio::test]
async fn a_retry_gets_the_same_successor_for_ten_seconds() {
    // RT-06, CC-10
    let (server, people) = started().await;
    for (wait, expected) in [(0, "200"), (10, "200"), (11, DEAD)] {
        let first = people.granted(&server).await.refresh_token;
        let (_, second) = refreshed(&server, &people.client, &first, "").await;
        server.pass(wait);
        let (status, again) = refreshed(&server, &people.client, &first, "").await;
        assert_eq!(status, expected, "{wait}");
        if status == "200" {
            assert_eq!(again, second);
        }
        assert_eq!(refreshed(&server, &people.client, &second, "").await.0, expected, "{wait}: one family, alive or dead");
    }
    // Its successor was used: then it is no retry, however early.
    let first = people.granted(&server).await.refresh_token;
    let (_, second) = refreshed(&server, &people.client, &first, "").await;
    let (_, third) = refreshed(&server, &people.client, &second, "").await;
    assert_eq!(refreshed(&server, &people.client, &first, "").await.0, DEAD);
    assert_eq!(refreshed(&server, &people.client, &third, "").await.0, DEAD);
}

#[tokio::test]
async fn scope_and_resource_shrink_and_never_grow() {
    // RT-07, RT-08, RT-09, G-16
    let (server, people) = started().await;
    let other = other_client(&server, &people).await;
    let both = "https://orders.example/read https://orders.example/write";
    let code = people.code_of(&server, &[("scope", both)]).await;
    let mut token = json_of(&people.redeem(&server, &code).await)["refresh_token"].as_str().unwrap().to_owned();
    for refused in [
        "&scope=admin",
        "&scope=https%3A%2F%2Fbilling.example%2Fread",
        "&scope=read%09write",
        "&scope=%22",
        "&scope=%C3%A9",
        "&scope=a%5Cb",
        "&scope=READ",
    ] {
        assert_eq!(refreshed(&server, &people.client, &token, refused).await.0, "400 invalid_scope", "{refused}");
    }
    assert_eq!(refreshed(&server, &people.client, &token, "&resource=https%3A%2F%2Fbilling.example%2F").await.0, "400 invalid_target");
    assert_eq!(refreshed(&server, &other, &token, "").await.0, DEAD);
    assert_eq!(refreshed(&server, "", &token, "").await.0, "401 invalid_client");
    // Nothing of that has used it.
    let both = encoded(both);
    for (asked, given) in [
        ("&scope=read", "read"),
        ("&scope=https%3A%2F%2Forders.example%2Fwrite", "write"),
        ("&scope=read+read", "read"),
        (&format!("&scope={both}"), "read write"),
        ("&resource=https%3A%2F%2Forders.example%2F", "read write"),
        ("&scope=offline_access", "read write"),
        ("", "read write"),
    ] {
        let answer = json_of(&server.post("/oauth2/token", &people.client, &format!("grant_type=refresh_token&refresh_token={token}{asked}")).await);
        assert_eq!(answer["scope"], json!(given), "{asked}");
        token = answer["refresh_token"].as_str().unwrap().to_owned();
    }
    // What the client may not have any more, no grant gives it.
    server.admin("PATCH", "/clients/c_code", json!({"scopes": ["https://orders.example/write"]})).await;
    let answer = json_of(&server.post("/oauth2/token", &people.client, &format!("grant_type=refresh_token&refresh_token={token}")).await);
    assert_eq!(answer["scope"], json!("write"));
    let token = answer["refresh_token"].as_str().unwrap();
    assert_eq!(refreshed(&server, &people.client, token, "&scope=read").await.0, "400 invalid_scope");
}

#[tokio::test]
async fn what_the_user_did_not_tick_is_never_refreshed_into() {
    // RT-08, G-16, AZ-26: the client may have both, asked for both, and was allowed one
    let (server, people) = started().await;
    let both = "https://orders.example/read https://orders.example/write";
    let page = people.sign_in(&server, &People::url(&[("scope", both)]), "alice", PASSWORD).await;
    let back = location(&people.browser.press(&server, &page, "approve", &[("allow", "read")]).await);
    let mut token = json_of(&people.redeem(&server, &parameter(&back, "code").unwrap()).await)["refresh_token"].as_str().unwrap().to_owned();
    for more in ["", "&scope=read", ""] {
        for refused in ["&scope=write", "&scope=read+write", "&scope=https%3A%2F%2Forders.example%2Fwrite"] {
            assert_eq!(refreshed(&server, &people.client, &token, refused).await.0, "400 invalid_scope", "{refused}");
        }
        let form = format!("grant_type=refresh_token&refresh_token={token}{more}");
        let tokens = json_of(&server.post("/oauth2/token", &people.client, &form).await);
        assert_eq!((&tokens["scope"], &claims(tokens["access_token"].as_str().unwrap())["scope"]), (&json!("read"), &json!("read")), "{more}");
        token = tokens["refresh_token"].as_str().unwrap().to_owned();
    }
}

#[tokio::test]
async fn signing_out_and_waits_after_failed_sign_ins_end_no_grant() {
    // RT-10, RT-16, and what is pinned of them
    let (server, people) = started().await;
    let granted = people.granted(&server).await;
    let code = people.code(&server).await;
    let page = people.browser.open(&server, &People::url(&[("scope", "https://orders.example/write")])).await;
    location(&people.browser.press(&server, &page, "sign_out", &[]).await);
    assert!(!people.browser.cookies.borrow().contains_key("__Host-gatewright_session"));
    let guesser = People::default();
    for at in 0..11 {
        let status = guesser.sign_in(&server, &People::url(&[]), "alice", "wrong").await.status();
        assert_eq!(status, if at < 10 { 200 } else { 429 }, "{at}");
    }
    assert_eq!(outcome(&people.redeem(&server, &code).await), "200");
    assert_eq!(refreshed(&server, &people.client, &granted.refresh_token, "").await.0, "200");
    assert!(is_active(&server, &people.client, &granted.access_token).await);
}

#[tokio::test]
async fn a_grant_is_only_as_good_as_its_user_and_its_client() {
    // RT-10, RT-16, 5.4, I-13, LO-10, CVE-2026-43983
    let (server, people) = started().await;
    let other = other_client(&server, &people).await;
    let user = format!("/users/{}", people.alice);
    let group = format!("/groups/clerks/members/{}", people.alice);
    let assignment = format!("/clients/c_code/assignments/users/{}", people.alice);
    for (event, method, path, body, expected) in [
        ("the user is deactivated", "PATCH", &user, json!({"active": false}), DEAD),
        ("a new password", "PATCH", &user, json!({"active": true, "password": "another password of hers"}), DEAD),
        ("the password again", "PATCH", &user, json!({"password": PASSWORD}), DEAD),
        ("a group less", "DELETE", &group, Value::Null, "200"),
        ("the client is deactivated", "PATCH", &"/clients/c_code".to_owned(), json!({"active": false}), "401 invalid_client"),
        ("the client is active again", "PATCH", &"/clients/c_code".to_owned(), json!({"active": true}), "200"),
        ("unassigned", "DELETE", &assignment, Value::Null, DEAD),
        ("assigned again", "PUT", &assignment, Value::Null, "200"),
        ("the client is gone", "DELETE", &"/clients/c_code".to_owned(), Value::Null, "401 invalid_client"),
    ] {
        let is_undone = event.starts_with("the client is active") || event.starts_with("assigned");
        let granted = if is_undone { None } else { Some(fresh_grant(&server, &people, event).await) };
        server.pass(1);
        let answer = server.admin(method, path, body).await;
        assert!(answer.status().is_success(), "{event}: {}", answer.status());
        let Some(granted) = granted else { continue };
        assert_eq!(refreshed(&server, &people.client, &granted.refresh_token, "").await.0, expected, "{event}");
        assert_eq!(is_active(&server, &other, &granted.access_token).await, expected == "200", "{event}");
        server.pass(6);
        assert_eq!(server.get("/orders/1", &granted.access_token).await.status() == 200, expected == "200", "{event}");
        let revoked = outcome(&server.post("/oauth2/revoke", &people.client, &format!("token={}", granted.refresh_token)).await);
        assert_eq!(revoked, if expected.starts_with("401") { expected } else { "200" }, "{event}");
        if event == "the user is deactivated" {
            server.admin("PATCH", &user, json!({"active": true})).await;
        }
    }
}

/// A grant of alice, whatever her password is by now.
async fn fresh_grant(server: &Server, people: &People, event: &str) -> crate::browser::Granted {
    if event == "the password again" {
        people.browser.cookies.borrow_mut().clear();
        people.sign_in(server, &People::url(&[]), "alice", "another password of hers").await;
    }
    people.granted(server).await
}

#[tokio::test]
async fn a_refresh_token_that_nobody_uses_expires_and_a_family_does_too() {
    // RT-11
    let (server, people) = started().await;
    server.admin("PATCH", "/clients/c_code", json!({"refresh_token_ttl": 100})).await;
    let mut token = people.granted(&server).await.refresh_token;
    for _ in 0..5 {
        server.pass(99);
        let (status, next) = refreshed(&server, &people.client, &token, "").await;
        assert_eq!(status, "200");
        token = next;
    }
    server.pass(100);
    assert_eq!(refreshed(&server, &people.client, &token, "").await.0, DEAD);
    let day = 86_400;
    server.admin("PATCH", "/clients/c_code", json!({"refresh_token_ttl": null})).await;
    let mut token = people.granted(&server).await.refresh_token;
    for _ in 0..7 {
        server.pass(25 * day);
        let (status, next) = refreshed(&server, &people.client, &token, "").await;
        assert_eq!(status, "200");
        token = next;
    }
    server.pass(5 * day - 1);
    let (status, last) = refreshed(&server, &people.client, &token, "").await;
    assert_eq!(status, "200");
    server.pass(1);
    assert_eq!(refreshed(&server, &people.client, &last, "").await.0, DEAD, "180 days after the sign-in, whatever was refreshed");
}

#[tokio::test]
async fn who_may_not_refresh_gets_no_refresh_token() {
    // RT-12, I-29, 5.3: registration decides, not the scope
    let (server, people) = started().await;
    for (grants, scope, expected) in [
        (json!(["authorization_code"]), "https://orders.example/read", false),
        (json!(["authorization_code"]), "offline_access https://orders.example/read", false),
        (json!(["authorization_code", "refresh_token"]), "https://orders.example/read", true),
        (json!(["authorization_code", "refresh_token"]), "https://orders.example/read offline_access", true),
    ] {
        server.admin("PATCH", "/clients/c_code", json!({"grant_types": grants})).await;
        let tokens = json_of(&people.redeem(&server, &people.code_of(&server, &[("scope", scope)]).await).await);
        assert_eq!((tokens.get("refresh_token").is_some(), &tokens["scope"]), (expected, &json!("read")), "{tokens}");
    }
    let token = people.granted(&server).await.refresh_token;
    server.admin("PATCH", "/clients/c_code", json!({"grant_types": ["authorization_code"]})).await;
    assert_eq!(refreshed(&server, &people.client, &token, "").await.0, "400 unauthorized_client");
}

#[tokio::test]
async fn who_gives_a_refresh_token_back_ends_its_grant_and_no_other() {
    // G-14, RV-03, RV-05, RV-09, 5.4, RT-15
    let (server, people) = started().await;
    let other = other_client(&server, &people).await;
    let kept = people.granted(&server).await;
    let revoke = async |client: &str, token: &str, more: &str| outcome(&server.post("/oauth2/revoke", client, &format!("token={token}{more}")).await);
    for (age, hint) in [(0, ""), (1, "&token_type_hint=refresh_token"), (2, "&token_type_hint=access_token")] {
        let granted = people.granted(&server).await;
        let mut family = vec![granted.refresh_token.clone()];
        for _ in 0..2 {
            family.push(refreshed(&server, &people.client, family.last().unwrap(), "").await.1);
        }
        server.proxy.calls();
        assert_eq!(revoke(&other, &family[age], "").await, "400 unauthorized_client");
        assert_eq!(revoke("", &family[age], "").await, "401 invalid_client");
        assert_nothing_written(&server);
        assert!(is_active(&server, &people.client, &granted.access_token).await);
        assert_eq!(server.get("/orders/1", &granted.access_token).await.status(), 200);
        server.proxy.calls();
        assert_eq!(revoke(&people.client, &family[age], hint).await, "200");
        assert_eq!(server.proxy.calls(), "BatchGetItem 1, TransactWriteItems 1");
        assert_eq!(revoke(&people.client, &family[age], hint).await, "200", "again");
        assert_nothing_written(&server);
        assert_eq!(refreshed(&server, &people.client, &family[2], "").await.0, DEAD);
        assert!(!is_active(&server, &people.client, &granted.access_token).await);
        server.pass(6);
        assert_eq!(server.get("/orders/1", &granted.access_token).await.status(), 401, "at the authorizer, which had seen it");
    }
    assert!(is_active(&server, &people.client, &kept.access_token).await, "another grant of the same user and client");
    assert_eq!(refreshed(&server, &people.client, &kept.refresh_token, "").await.0, "200");
    assert!(!is_active(&server, &people.client, &kept.refresh_token).await, "5.4: introspection knows access tokens only");
    let audit = json_of(&server.admin("GET", "/audit?client_id=c_code", Value::Null).await);
    assert_eq!(audit["items"].as_array().unwrap().iter().filter(|event| event["event"] == "grant.revoked").count(), 3);
}

#[tokio::test]
async fn metadata_lists_exactly_the_grants_that_work() {
    // 5.3, PK-11, O-09
    for switch in ["off", "on"] {
        let server = Server::with(&[("GATEWRIGHT_PASSWORD_GRANT", switch)]).await;
        let metadata = json_of(&server.send("GET", "/.well-known/oauth-authorization-server", &[], "").await);
        let listed: Vec<&str> = metadata["grant_types_supported"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!((&metadata["code_challenge_methods_supported"], &metadata["response_types_supported"]), (&json!(["S256"]), &json!(["code"])));
        let client = server.client("c_cc", json!({"scopes": []})).await;
        for grant in [
            "authorization_code",
            "client_credentials",
            "refresh_token",
            "password",
            "implicit",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "urn:ietf:params:oauth:grant-type:saml2-bearer",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "Authorization_Code",
        ] {
            let form = format!("grant_type={}&code=x&code_verifier={VERIFIER}&refresh_token=x&username=x&password=x", encoded(grant));
            let is_offered = outcome(&server.post("/oauth2/token", &client, &form).await) != "400 unsupported_grant_type";
            assert_eq!(is_offered, listed.contains(&grant), "{grant}");
        }
        let authorize = metadata["authorization_endpoint"].as_str().unwrap().strip_prefix(crate::support::ISSUER).unwrap();
        assert_eq!(Browser::default().open(&server, authorize).await.status(), 400, "it is there, and asks who");
    }
}

#[tokio::test]
async fn the_code_and_the_pages_are_the_same_at_every_node() {
    // 5.6 row 3, MI-06, G-08, MI-12
    let (a, people) = started().await;
    let b = a.another().await;
    a.proxy.lag();
    b.proxy.lag();
    let url = People::url(&[]);
    let page = people.browser.open(&a, &url).await;
    let answer = people.browser.press(&b, &page, "sign_in", &[("username", "alice"), ("password", PASSWORD)]).await;
    let page = people.browser.open(&a, location(&answer).strip_prefix(crate::support::ISSUER).unwrap()).await;
    let back = location(&people.browser.press(&b, &page, "approve", &[("allow", "read")]).await);
    let tokens = json_of(&people.redeem(&a, &parameter(&back, "code").unwrap()).await);
    let (status, next) = refreshed(&b, &people.client, tokens["refresh_token"].as_str().unwrap(), "").await;
    assert_eq!(status, "200");
    assert_eq!(refreshed(&a, &people.client, &next, "").await.0, "200");
}

#[tokio::test]
async fn who_is_let_in_again_finds_what_they_had() {
    // RT-10, and what is pinned of it: deactivating shuts a user out; a new password is what ends sessions and grants for good.
    let (server, people) = started().await;
    let user = format!("/users/{}", people.alice);
    let granted = people.granted(&server).await;
    for (active, expected) in [(false, DEAD), (true, "200")] {
        server.admin("PATCH", &user, json!({"active": active})).await;
        assert_eq!(refreshed(&server, &people.client, &granted.refresh_token, "").await.0, expected, "{active}");
        assert_eq!(is_active(&server, &people.client, &granted.access_token).await, active);
    }
}
