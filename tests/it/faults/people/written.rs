//! What is shown is in the table: no session, no code, no consent, no token without its durable record, and none that is denied.

use std::time::{Duration, Instant};

use http::header::SET_COOKIE;
use serde_json::{Value, json};

use super::{Call, Scene, assert_closed, good};
use crate::browser::{Browser, CALLBACK, VERIFIER, location, parameter};
use crate::support::{Fault, encoded, json_of, shown};

/// How many items of each of these kinds there are.
async fn counts<const N: usize>(scene: &Scene, kinds: [&str; N]) -> [usize; N] {
    let table = scene.server.dump().await;
    kinds.map(|kind| table.matches(&format!("\"pk\":{{\"S\":\"{kind}#")).count())
}

const KINDS: [&str; 5] = ["session", "grant", "consent", "token", "user-audit"];

#[tokio::test]
async fn what_could_not_be_written_is_nowhere() {
    // SF-05, RV-09: each write of each of these calls fails; the table is as it was, but for the notes of tries
    let scene = Box::pin(Scene::start()).await;
    // A sign-in first notes the try, and takes the note back when the password was right.
    for (call, before_it) in [
        (Call::SignIn, 2),
        (Call::Approve, 0),
        (Call::Deny, 0),
        (Call::BeginAllowed, 0),
        (Call::Code, 0),
        (Call::Refresh, 0),
        (Call::Password, 0),
        (Call::GiveBack, 0),
        (Call::Withdraw, 0),
    ] {
        for fault in [Fault::Error, Fault::Throttle] {
            let prepared = Box::pin(scene.prepare(call)).await;
            let before = counts(&scene, KINDS).await;
            assert!(before.iter().all(|count| *count > 0), "{before:?}");
            scene.server.proxy.inject_after(before_it, fault, "TransactWriteItems", usize::MAX);
            let response = Box::pin(scene.send(call, &prepared)).await;
            scene.server.proxy.heal();
            assert_closed(call, &response, &format!("{call:?}, {fault:?}"));
            assert_eq!(counts(&scene, KINDS).await, before, "{call:?}, {fault:?}");
            assert_eq!(Box::pin(scene.send(call, &prepared)).await.status(), good(call), "{call:?}, {fault:?}");
        }
    }
}

#[tokio::test]
async fn what_is_shown_after_a_lost_answer_is_good() {
    // CC-08, SF-05: each write is done and its answer lost, once; what the SDK's retry then gives is the one thing that there is
    let scene = Box::pin(Scene::start()).await;
    let Scene { server, people, .. } = &scene;
    let after = async |call: Call| {
        let prepared = Box::pin(scene.prepare(call)).await;
        let before = counts(&scene, ["grant", "session"]).await;
        server.proxy.inject(Fault::AnswerLost, "TransactWriteItems", 1);
        let response = Box::pin(scene.send(call, &prepared)).await;
        server.proxy.heal();
        assert_eq!(response.status(), good(call), "{call:?}: {}", shown(&response));
        let now = counts(&scene, ["grant", "session"]).await;
        (response, prepared, [now[0] - before[0], now[1] - before[1]])
    };
    let (allowed, _, new) = after(Call::Approve).await;
    assert_eq!(new, [1, 0]);
    let code = parameter(&location(&allowed), "code").unwrap();
    let form = format!("client_id=p1&grant_type=authorization_code&code={code}&redirect_uri={}&code_verifier={VERIFIER}", encoded(CALLBACK));
    assert_eq!(server.post("/oauth2/token", "", &form).await.status(), 200);
    let (_, prepared, new) = after(Call::SignIn).await;
    assert_eq!(new, [0, 1]);
    let page = scene.page(&prepared.browser).await;
    assert!(shown(&page).contains("id=\"consent\""), "{}", shown(&page));
    for call in [Call::Code, Call::Refresh] {
        let tokens = json_of(&after(call).await.0);
        assert_eq!(server.get("/orders/1", tokens["access_token"].as_str().unwrap()).await.status(), 200, "{call:?}");
        let form = format!("grant_type=refresh_token&refresh_token={}", tokens["refresh_token"].as_str().unwrap());
        assert_eq!(server.post("/oauth2/token", &people.client, &form).await.status(), 200, "{call:?}: the family lives");
    }
    let (_, given_back, _) = after(Call::GiveBack).await;
    assert_eq!(Box::pin(scene.send(Call::Refresh, &given_back)).await.status(), 400);
}

#[tokio::test]
async fn a_sign_in_that_was_not_finished_leaves_no_way_in() {
    // SF-05, LO-07: the password was right, and the table failed: there is no new session, and the earlier one is as it was
    let scene = Box::pin(Scene::start()).await;
    let prepared = Box::pin(scene.prepare(Call::SignInAgain)).await;
    let cookies = prepared.browser.cookies.borrow().clone();
    scene.server.proxy.inject_after(2, Fault::Error, "TransactWriteItems", usize::MAX);
    let response = Box::pin(scene.send(Call::SignInAgain, &prepared)).await;
    scene.server.proxy.heal();
    assert_closed(Call::SignInAgain, &response, "the session is not written");
    assert!(!response.headers().contains_key(SET_COOKIE) && *prepared.browser.cookies.borrow() == cookies);
    let page = scene.page(&prepared.browser).await;
    assert!(shown(&page).contains("id=\"consent\""), "the earlier session lives: {}", shown(&page));
    assert_eq!(Box::pin(scene.send(Call::SignInAgain, &prepared)).await.status(), 303, "and the page that was there still signs in");
    let with_earlier = Browser { cookies: std::cell::RefCell::new(cookies) };
    assert!(shown(&scene.page(&with_earlier).await).contains("id=\"sign-in\""), "which ends the earlier session");
}

#[tokio::test]
async fn nobody_waits_for_a_silent_table_on_a_page_or_for_a_token() {
    // SF-04, SF-03: at the first call, and at the write. The scenes are made one by one, because that hashes passwords.
    let mut scenes = Vec::new();
    for _ in 0..7 {
        scenes.push(Box::pin(Scene::start()).await);
    }
    let case = async |at: usize, call: Call, operation: &'static str| {
        let scene = &scenes[at];
        let prepared = Box::pin(scene.prepare(call)).await;
        let proxy = &scene.node(&prepared).proxy;
        proxy.inject(Fault::Silence, operation, usize::MAX);
        let begun = Instant::now();
        let response = Box::pin(scene.send(call, &prepared)).await;
        let waited = begun.elapsed();
        assert!(waited < Duration::from_millis(3_300), "{call:?}, {operation}: {waited:?}");
        assert_closed(call, &response, &format!("{call:?}, {operation}, silence"));
        proxy.heal();
        assert_eq!(Box::pin(scene.send(call, &prepared)).await.status(), good(call), "{call:?}, {operation}, after the silence");
    };
    tokio::join!(
        Box::pin(case(0, Call::Begin, "")),
        Box::pin(case(1, Call::SignIn, "TransactWriteItems")),
        Box::pin(case(2, Call::Approve, "TransactWriteItems")),
        Box::pin(case(3, Call::Code, "TransactWriteItems")),
        Box::pin(case(4, Call::Refresh, "")),
        Box::pin(case(5, Call::Basic, "BatchGetItem")),
        Box::pin(case(6, Call::Password, "TransactWriteItems")),
    );
}

#[tokio::test]
async fn the_administrator_who_made_a_user_is_told_so() {
    // SF-05: what is shown of a user is read before the write, so that nothing that is done is denied
    let scene = Box::pin(Scene::start()).await;
    for call in [Call::CreateUser, Call::ChangeUser] {
        let prepared = Box::pin(scene.prepare(call)).await;
        let order = Box::pin(scene.operations(call)).await;
        let reads = order.iter().find(|(name, _)| *name == "BatchGetItem").unwrap().1;
        // Every read but those before the write fails.
        scene.server.proxy.inject_after(reads, Fault::Error, "BatchGetItem", usize::MAX);
        let response = Box::pin(scene.send(call, &prepared)).await;
        scene.server.proxy.heal();
        assert_eq!(response.status(), good(call), "{call:?}: {}", shown(&response));
    }
    let made = json!({"realm": "staff", "username": "told", "groups": ["clerks"]});
    let answer = scene.server.admin("POST", "/users", made).await;
    assert_eq!((json_of(&answer)["roles"].clone(), json_of(&answer)["own_roles"].clone()), (json!(["clerk"]), json!([])));
    assert_ne!(json_of(&answer)["user_id"], Value::Null);
}
