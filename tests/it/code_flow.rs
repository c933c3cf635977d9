//! The authorization code grant, from the first page to the last refresh token.

mod authorize;
mod codes;
mod meetings;
mod pages;
mod processes;
mod public;
mod races;
mod refresh;
mod sign_in;
mod tries;

use std::future::poll_fn;
use std::task::Poll;

use serde_json::{Value, json};

use crate::browser::{CALLBACK, PASSWORD, People, location, parameter};
use crate::http::outcome;
use crate::support::{ISSUER, Server, claims, encoded, is_active, json_of, shown};

/// Somebody else's site.
const OTHER: &str = "https://evil.example";

/// The public client `p1` that alice is assigned to.
async fn public_client(server: &Server, people: &People, changes: Value) {
    let mut body = json!({"client_type": "public", "grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK],
        "realm": "staff"});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    server.client("p1", body).await;
    assert_eq!(server.admin("PUT", &format!("/clients/p1/assignments/users/{}", people.alice), Value::Null).await.status(), 204);
}

/// Another confidential client that alice is assigned to; gives its `Authorization`.
async fn other_client(server: &Server, people: &People) -> String {
    let body = json!({"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK], "realm": "staff", "introspect": true});
    let other = server.client("c_two", body).await;
    assert_eq!(server.admin("PUT", &format!("/clients/c_two/assignments/users/{}", people.alice), Value::Null).await.status(), 204);
    other
}

/// A refresh by a client, in short (`200`, `400 invalid_grant`), and the next refresh token.
async fn refreshed(server: &Server, client: &str, token: &str, more: &str) -> (String, String) {
    let form = format!("grant_type=refresh_token&refresh_token={}{more}", encoded(token));
    let answer = server.post("/oauth2/token", client, &form).await;
    (outcome(&answer), json_of(&answer)["refresh_token"].as_str().unwrap_or_default().to_owned())
}

/// Does all of these at once and gives what they gave, in order.
async fn together<F: Future>(tasks: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = tasks.into_iter().map(|task| (Box::pin(task), None)).collect();
    poll_fn(|context| {
        for (task, answer) in running.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(ready) = task.as_mut().poll(context) {
                *answer = Some(ready);
            }
        }
        if running.iter().all(|(_, answer)| answer.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, answer)| answer).collect()
}

async fn started() -> (Server, People) {
    let server = Server::start().await;
    server.fixtures().await;
    let people = People::of(&server).await;
    (server, people)
}

#[tokio::test]
async fn a_user_signs_in_allows_and_the_client_gets_a_token_for_them() {
    // O-08, AZ-01, AZ-16, AZ-23, TE-17, I-20, I-26, PK-01
    let (server, people) = started().await;
    let page = people.sign_in(&server, &People::url(&[]), "Alice", PASSWORD).await;
    assert!(String::from_utf8_lossy(page.body()).contains("The shop&#39;s app"), "{}", shown(&page));
    let back = location(&people.browser.press(&server, &page, "approve", &[("allow", "read")]).await);
    assert!(back.starts_with(&format!("{CALLBACK}?code=gw_ac_")), "{back}");
    assert_eq!((parameter(&back, "state").unwrap(), parameter(&back, "iss").unwrap()), ("xyz".to_owned(), ISSUER.to_owned()));
    let answer = people.redeem(&server, &parameter(&back, "code").unwrap()).await;
    let tokens = json_of(&answer);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"], &tokens["scope"]), (&json!("Bearer"), &json!(3600), &json!("read")));
    assert!(tokens["refresh_token"].as_str().unwrap().starts_with("gw_rt_"));
    let token = tokens["access_token"].as_str().unwrap();
    let said = claims(token);
    assert_eq!(
        (&said["sub"], &said["sub_type"], &said["client_id"], &said["roles"]),
        (&json!(people.alice), &json!("user"), &json!("c_code"), &json!(["clerk"]))
    );
    let principal = &json_of(&server.get("/orders/1", token).await)["principal"];
    assert_eq!(
        (&principal["sub"], &principal["username"], &principal["roles"], &principal["realm"]),
        (&json!(people.alice), &json!("alice"), &json!("clerk"), &json!("staff"))
    );
    let seen = json_of(&server.post("/oauth2/introspect", &people.client, &format!("token={token}")).await);
    assert_eq!((&seen["active"], &seen["username"], &seen["sub_type"]), (&json!(true), &json!("alice"), &json!("user")));
}

#[tokio::test]
async fn a_code_is_good_once_and_its_replay_ends_everything_it_gave() {
    // TE-20, TE-21, O-08
    let (server, people) = started().await;
    let code = people.code(&server).await;
    let tokens = json_of(&people.redeem(&server, &code).await);
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(server.get("/orders/1", token).await.status(), 200);
    let replay = people.redeem(&server, &code).await;
    assert_eq!((replay.status().as_u16(), &json_of(&replay)["error"]), (400, &json!("invalid_grant")));
    assert_eq!(json_of(&server.post("/oauth2/introspect", &people.client, &format!("token={token}")).await), json!({"active": false}));
    server.pass(6);
    assert_eq!(server.get("/orders/1", token).await.status(), 401);
    let refresh = format!("grant_type=refresh_token&refresh_token={}", tokens["refresh_token"].as_str().unwrap());
    assert_eq!(outcome(&server.post("/oauth2/token", &people.client, &refresh).await), "400 invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_replay_ends_the_family() {
    // RT-01, RT-02, RT-03, RT-06, G-16, I-29
    let (server, people) = started().await;
    let first = people.granted(&server).await;
    let refresh = async |token: &str| server.post("/oauth2/token", &people.client, &format!("grant_type=refresh_token&refresh_token={token}")).await;
    let second = json_of(&refresh(&first.refresh_token).await)["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(second, first.refresh_token);
    // The retry of a client whose connection broke gets the same successor.
    assert_eq!(json_of(&refresh(&first.refresh_token).await)["refresh_token"], json!(second));
    let third = json_of(&refresh(&second).await)["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(outcome(&refresh(&first.refresh_token).await), "400 invalid_grant");
    assert_eq!(outcome(&refresh(&third).await), "400 invalid_grant", "the family is dead");
    assert_eq!(json_of(&server.post("/oauth2/introspect", &people.client, &format!("token={}", first.access_token)).await), json!({"active": false}));
}

#[tokio::test]
async fn who_may_not_use_the_client_is_told_after_the_password() {
    // I-11, I-13
    let (server, people) = started().await;
    let answer = people.sign_in(&server, &People::url(&[]), "bob", PASSWORD).await;
    let back = location(&answer);
    assert_eq!((parameter(&back, "error").as_deref(), parameter(&back, "state").as_deref()), (Some("access_denied"), Some("xyz")));
    for (username, password) in [("bob", "wrong password"), ("dave", PASSWORD), ("nobody", PASSWORD)] {
        let answer = People::default().sign_in(&server, &People::url(&[]), username, password).await;
        assert!(String::from_utf8_lossy(answer.body()).contains("Username or password is wrong."), "{username}");
    }
    people.browser.cookies.borrow_mut().clear();
    let alice = people.granted(&server).await;
    assert_eq!(server.admin("DELETE", &format!("/clients/c_code/assignments/users/{}", people.alice), Value::Null).await.status(), 204);
    let refresh = format!("grant_type=refresh_token&refresh_token={}", alice.refresh_token);
    assert_eq!(outcome(&server.post("/oauth2/token", &people.client, &refresh).await), "400 invalid_grant");
    assert_eq!(json_of(&server.post("/oauth2/introspect", &people.client, &format!("token={}", alice.access_token)).await), json!({"active": false}));
}

#[tokio::test]
async fn the_password_grant_needs_both_switches() {
    // M-17, I-11, TE-28, 5.3
    let on = Server::with(&[("GATEWRIGHT_PASSWORD_GRANT", "on")]).await;
    on.fixtures().await;
    let people = People::of(&on).await;
    let client = crate::browser::password_client(&on, json!({})).await;
    let ask = async |server: &Server, client: &str, username: &str, password: &str| {
        let form = format!("grant_type=password&username={username}&password={}&scope={}", encoded(password), encoded("https://orders.example/read"));
        let answer = server.post("/oauth2/token", client, &form).await;
        (answer.status().as_u16(), json_of(&answer))
    };
    assert_eq!(ask(&on, &client, "bob", PASSWORD).await.1["error_description"], json!("user is not assigned to this application"));
    on.admin("PUT", &format!("/clients/c_ropc/assignments/users/{}", people.alice), Value::Null).await;
    let (status, tokens) = ask(&on, &client, "alice", PASSWORD).await;
    assert_eq!((status, tokens.get("refresh_token"), &tokens["scope"]), (200, None, &json!("read")));
    assert_eq!(ask(&on, &client, "alice", "wrong").await.1["error"], json!("invalid_grant"));
    assert_eq!(ask(&on, &people.client, "alice", PASSWORD).await.1["error"], json!("unauthorized_client"));
    let (off, _) = started().await;
    let client = crate::browser::password_client(&off, json!({})).await;
    assert_eq!(ask(&off, &client, "alice", PASSWORD).await.1["error"], json!("unsupported_grant_type"));
}
