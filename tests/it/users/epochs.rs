//! What a grant stands on: a new password or a withdrawal in the same second as what it ends, and in the middle of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{by_password, changes, seen, with_passwords};
use crate::browser::{Granted, PASSWORD, People, location, parameter, user};
use crate::diagnose::{admin, question, told};
use crate::http::outcome;
use crate::support::{Fault, Server, encoded, is_active, json_of};

const SECOND: &str = "the second password";
const THIRD: &str = "the third password";

/// Two nodes where alice may use the clients `c_code` and `c_ropc`; the second one's authorizer is warm.
async fn started() -> (Server, Server, People, String) {
    let (server, people, ropc) = with_passwords().await;
    changes(&server, "PUT", &format!("/clients/c_ropc/assignments/users/{}", people.alice), Value::Null).await;
    server.pass(200);
    let other_node = server.another().await;
    other_node.warm().await;
    (server, other_node, people, ropc)
}

/// Whether the browser is signed in.
async fn is_signed_in(server: &Server, people: &People) -> bool {
    let page = people.browser.open(server, &People::url(&[])).await;
    !String::from_utf8_lossy(page.body()).contains("id=\"sign-in\"")
}

/// What alice opens at one moment, with this password: a session, a code, a grant, a token by password.
struct Opened {
    code: String,
    granted: Granted,
    by_password: String,
}

impl Opened {
    async fn with(server: &Server, people: &People, ropc: &str, password: &str) -> Self {
        Box::pin(people.sign_in(server, &People::url(&[]), "alice", password)).await;
        let (code, granted) = (Box::pin(people.code(server)).await, Box::pin(people.granted(server)).await);
        let by_password = by_password(server, ropc, "alice", password).await.1["access_token"].as_str().unwrap().to_owned();
        Self { code, granted, by_password }
    }

    /// What each of it still is: the two access tokens by introspection and at the other node's route, the code and the refresh token.
    async fn still_good(&self, server: &Server, other_node: &Server, people: &People, ropc: &str) -> [bool; 6] {
        let refresh = format!("grant_type=refresh_token&refresh_token={}", encoded(&self.granted.refresh_token));
        [
            is_active(server, &people.client, &self.granted.access_token).await,
            is_active(server, ropc, &self.by_password).await,
            other_node.get("/orders/1", &self.granted.access_token).await.status() == 200,
            other_node.get("/orders/1", &self.by_password).await.status() == 200,
            outcome(&people.redeem(server, &self.code).await) == "200",
            outcome(&server.post("/oauth2/token", &people.client, &refresh).await) == "200",
        ]
    }
}

#[tokio::test]
async fn two_new_passwords_in_one_second_end_what_was_opened_before_and_between() {
    // LO-10
    let (server, other_node, people, ropc) = started().await;
    let path = format!("/users/{}", people.alice);
    let first = Opened::with(&server, &people, &ropc, PASSWORD).await;
    assert_eq!(other_node.get("/orders/1", &first.granted.access_token).await.status(), 200);
    changes(&server, "PATCH", &path, json!({"password": SECOND})).await;
    assert!(!is_signed_in(&server, &people).await);
    let answer = Box::pin(people.sign_in(&server, &People::url(&[]), "alice", PASSWORD)).await;
    assert!(String::from_utf8_lossy(answer.body()).contains("Username or password is wrong."));
    let said = told(&server, &admin(&server).await, &question(&first.granted.access_token, "GET", "/orders/1")).await;
    assert_eq!((&said["gate"], &said["code"]), (&json!("token"), &json!("revoked")));
    let second = Opened::with(&server, &people, &ropc, SECOND).await;
    // A warm authorizer that remembers the user of a moment ago lets in what was opened since.
    assert_eq!(other_node.get("/orders/1", &second.granted.access_token).await.status(), 200);
    assert_eq!(other_node.get("/orders/1", &second.by_password).await.status(), 200);
    assert!(is_signed_in(&server, &people).await);
    changes(&server, "PATCH", &path, json!({"password": THIRD})).await;
    assert!(!is_signed_in(&server, &people).await);
    let third = Opened::with(&server, &people, &ropc, THIRD).await;
    server.pass(5);
    assert_eq!(first.still_good(&server, &other_node, &people, &ropc).await, [false; 6]);
    assert_eq!(second.still_good(&server, &other_node, &people, &ropc).await, [false; 6]);
    assert_eq!(third.still_good(&server, &other_node, &people, &ropc).await, [true; 6]);
}

#[tokio::test]
async fn two_withdrawals_in_one_second_end_what_was_allowed_before_and_between() {
    // G-19
    let (server, other_node, people, ropc) = started().await;
    let withdraw = async || {
        for client in ["c_code", "c_ropc"] {
            changes(&server, "DELETE", &format!("/users/{}/grants/{client}", people.alice), Value::Null).await;
        }
    };
    let first = Opened::with(&server, &people, &ropc, PASSWORD).await;
    withdraw().await;
    let second = Opened::with(&server, &people, &ropc, PASSWORD).await;
    assert_eq!(other_node.get("/orders/1", &second.granted.access_token).await.status(), 200);
    // A node whose clock is a little ahead, or a withdrawal that takes its time.
    let ahead = server.another_at(server.now() + 4).await;
    withdraw().await;
    let between = by_password(&ahead, &ropc, "alice", PASSWORD).await.1["access_token"].as_str().unwrap().to_owned();
    withdraw().await;
    let third = Opened::with(&server, &people, &ropc, PASSWORD).await;
    assert!(!is_active(&server, &ropc, &between).await);
    server.pass(5);
    assert_eq!(first.still_good(&server, &other_node, &people, &ropc).await, [false; 6]);
    assert_eq!(second.still_good(&server, &other_node, &people, &ropc).await, [false; 6]);
    assert_eq!(third.still_good(&server, &other_node, &people, &ropc).await, [true; 6]);
}

/// `slow` at `server`, whose read number `spared` is answered late, and `change` in the middle of it.
async fn in_the_middle<T>(server: &Server, spared: usize, slow: impl Future<Output = T>, change: impl Future<Output = ()>) -> T {
    server.proxy.inject_after(spared, Fault::Late, "BatchGetItem", 1);
    let change = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        change.await;
    };
    // Whoever is first, what is asserted afterwards holds.
    tokio::join!(slow, change).0
}

#[tokio::test]
async fn a_withdrawal_in_the_middle_of_an_approval_is_not_undone_by_it() {
    // G-19, AZ-19
    let (server, other_node, people, _) = started().await;
    let granted = Box::pin(people.granted(&server)).await;
    let grants = format!("/users/{}/grants", people.alice);
    let withdraw = async || changes(&other_node, "DELETE", &format!("{grants}/c_code"), Value::Null).await;
    // The page asks for `write`, because `read` was allowed before.
    let page = people.browser.open(&server, &People::url(&[("scope", "https://orders.example/read https://orders.example/write")])).await;
    let approved = Box::pin(in_the_middle(&server, 2, people.browser.press(&server, &page, "approve", &[("allow", "write")]), withdraw())).await;
    assert!(!is_active(&server, &people.client, &granted.access_token).await);
    let allowed = seen(&server, &grants).await["items"].to_string();
    assert!(!allowed.contains("orders.example/read"), "{allowed}");
    let answer = people.redeem(&server, &parameter(&location(&approved), "code").unwrap()).await;
    assert!(outcome(&answer) == "400 invalid_grant" || json_of(&answer)["scope"] == "write", "{}", outcome(&answer));
    // What is remembered needs no page: the code that comes at once is of no use after a withdrawal.
    let again =
        Box::pin(in_the_middle(&server, 2, people.browser.open(&server, &People::url(&[("scope", "https://orders.example/write")])), withdraw()))
            .await;
    if again.status() == 303 {
        assert_eq!(outcome(&people.redeem(&server, &parameter(&location(&again), "code").unwrap()).await), "400 invalid_grant");
    }
    assert_eq!(seen(&server, &grants).await["items"], json!([]));
}

#[tokio::test]
async fn a_new_password_in_the_middle_of_a_sign_in_ends_what_the_old_one_opens() {
    // LO-10
    let (server, other_node, people, ropc) = started().await;
    let path = format!("/users/{}", people.alice);
    let page = people.browser.open(&server, &People::url(&[])).await;
    let press = people.browser.press(&server, &page, "sign_in", &[("username", "alice"), ("password", PASSWORD)]);
    Box::pin(in_the_middle(&server, 2, press, changes(&other_node, "PATCH", &path, json!({"password": SECOND})))).await;
    assert!(!is_signed_in(&server, &people).await);
    server.pass(10);
    let asked = by_password(&server, &ropc, "alice", SECOND);
    let (_, body) = Box::pin(in_the_middle(&server, 2, asked, changes(&other_node, "PATCH", &path, json!({"password": THIRD})))).await;
    if let Some(token) = body["access_token"].as_str() {
        assert!(!is_active(&server, &ropc, token).await);
    }
    // Somebody else's password ends nothing of hers.
    let mine = by_password(&server, &ropc, "alice", THIRD).await.1["access_token"].as_str().unwrap().to_owned();
    let erin = user(&server, "erin", json!({})).await;
    changes(&server, "PATCH", &format!("/users/{erin}"), json!({"password": SECOND})).await;
    assert!(is_active(&server, &ropc, &mine).await);
}
