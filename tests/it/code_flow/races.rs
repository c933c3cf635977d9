//! Requests that meet: at two nodes, at once, and with answers that are lost. `N` is how many rounds a race has; `make test-race` has the same over
//! two processes (`tests/races`).

use serde_json::{Value, json};

use super::{is_active, refreshed, started, together};
use crate::browser::{PASSWORD, People, location, parameter};
use crate::http::outcome;
use crate::support::{Fault, Server, json_of};

/// How many rounds, unless `N` says.
fn rounds(usual: usize) -> usize {
    std::env::var("N").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// The answers of `count` equal requests sent to two nodes at once: how often each, and the bodies of those that were granted.
async fn at_once(nodes: [&Server; 2], count: usize, client: &str, form: &str) -> (Vec<String>, Vec<Value>) {
    let answers = together((0..count).map(|at| nodes[at % 2].post("/oauth2/token", client, form))).await;
    let outcomes: Vec<String> = answers.iter().map(outcome).collect();
    let bodies = answers.iter().filter(|answer| answer.status() == 200).map(json_of).collect();
    // SF-03: whoever could not be served in the crush is told to come again, and has got nothing.
    assert!(outcomes.iter().all(|outcome| ["200", "400 invalid_grant", "503 temporarily_unavailable"].contains(&outcome.as_str())), "{outcomes:?}");
    (outcomes, bodies)
}

pub(super) fn redemption(code: &str) -> String {
    let (uri, verifier) = (crate::support::encoded(crate::browser::CALLBACK), crate::browser::VERIFIER);
    format!("grant_type=authorization_code&code={code}&redirect_uri={uri}&code_verifier={verifier}")
}

#[tokio::test]
async fn of_two_who_redeem_a_code_at_once_one_wins_and_keeps_it() {
    // 5.6 row 4, G-08, CC-01: one of the two, whichever is faster; a later one ends all.
    let (a, people) = started().await;
    let b = a.another().await;
    for round in 0..rounds(50) {
        let code = people.code(&a).await;
        let nodes = if round % 2 == 0 { [&a, &b] } else { [&b, &a] };
        let (outcomes, granted) = at_once(nodes, 2, &people.client, &redemption(&code)).await;
        assert_eq!(granted.len(), 1, "{round}: {outcomes:?}");
        assert!(outcomes.contains(&"400 invalid_grant".to_owned()), "{round}: {outcomes:?}");
        let token = granted[0]["access_token"].as_str().unwrap();
        // Which of the two orders it was only `meetings` can know.
        assert_eq!(outcome(&people.redeem(&b, &code).await), "400 invalid_grant");
        assert!(!is_active(&a, &people.client, token).await, "{round}: the replay came later");
    }
}

#[tokio::test]
async fn of_a_hundred_who_redeem_a_code_one_wins() {
    // CC-01, TE-20, TE-21
    let (a, people) = started().await;
    let b = a.another().await;
    let (mut won, wanted) = (0, rounds(2));
    for round in 0..wanted + 3 {
        let code = people.code(&a).await;
        let (outcomes, granted) = at_once([&a, &b], 100, &people.client, &redemption(&code)).await;
        // On a machine that is busy with other tests the table may not answer in time, the winner too: then it is asked once more.
        let was_too_much = outcomes.iter().any(|outcome| outcome.starts_with("503"));
        assert!(granted.len() == 1 || (granted.is_empty() && was_too_much), "{round}: {outcomes:?}");
        let Some(granted) = granted.first() else { continue };
        won += 1;
        // Whoever saw the code unused has raced, and ends nothing.
        if is_active(&b, &people.client, granted["access_token"].as_str().unwrap()).await {
            assert_eq!(refreshed(&a, &people.client, granted["refresh_token"].as_str().unwrap(), "").await.0, "200", "{round}");
        }
        // The dust has settled: whoever comes now is late, and everything is dead.
        assert_eq!(outcome(&people.redeem(&a, &code).await), "400 invalid_grant");
        assert!(!is_active(&b, &people.client, granted["access_token"].as_str().unwrap()).await);
        assert_eq!(refreshed(&b, &people.client, granted["refresh_token"].as_str().unwrap(), "").await.0, "400 invalid_grant");
        if won == wanted {
            break;
        }
    }
    assert_eq!(won, wanted);
}

#[tokio::test]
async fn of_a_hundred_who_refresh_all_get_the_same_successor_or_nothing() {
    // CC-02, 5.6 row 5, RT-06, CVE-2026-1035
    let (a, people) = started().await;
    let b = a.another().await;
    let used = async || {
        let audit = json_of(&a.admin("GET", "/audit?client_id=c_code&limit=100", Value::Null).await);
        audit["items"].as_array().unwrap().iter().filter(|event| event["event"] == "grant.used").count()
    };
    let (mut large, wanted) = (0, rounds(3));
    for (round, count) in (0..wanted).map(|round| (round, if round == 0 { 100 } else { 10 })).chain([(wanted, 100), (wanted + 1, 100)]) {
        if round >= wanted && large > 0 {
            break;
        }
        let token = people.granted(&a).await.refresh_token;
        let before = used().await;
        let (outcomes, granted) = at_once([&a, &b], count, &people.client, &format!("grant_type=refresh_token&refresh_token={token}")).await;
        assert!(!granted.is_empty() || outcomes.iter().any(|outcome| outcome.starts_with("503")), "{round}: {outcomes:?}");
        if granted.is_empty() {
            continue;
        }
        large += usize::from(count == 100);
        assert!(!outcomes.contains(&"400 invalid_grant".to_owned()), "{outcomes:?}");
        let successor = granted[0]["refresh_token"].as_str().unwrap().to_owned();
        assert!(granted.iter().all(|tokens| tokens["refresh_token"] == json!(successor)), "{round}: the family has forked");
        if round < 5 {
            assert_eq!(used().await - before, 1, "{round}: one rotation is on record");
        }
        let (status, next) = refreshed(&b, &people.client, &successor, "").await;
        assert_eq!(status, "200", "{round}");
        assert_eq!(refreshed(&a, &people.client, &token, "").await.0, "400 invalid_grant", "{round}: its successor was used");
        assert_eq!(refreshed(&a, &people.client, &next, "").await.0, "400 invalid_grant", "{round}");
        for tokens in granted {
            assert!(!is_active(&b, &people.client, tokens["access_token"].as_str().unwrap()).await, "{round}");
        }
    }
    assert!(large > 0, "of a hundred at once, none was ever served");
}

#[tokio::test]
async fn a_replay_that_meets_the_successor_ends_the_family() {
    // CC-03, MI-05
    let (a, people) = started().await;
    let b = a.another().await;
    for round in 0..rounds(10) {
        let first = people.granted(&a).await;
        let mut tokens = vec![first.access_token];
        let mut renewed = async |node: &Server, token: &str| {
            let given = json_of(&node.post("/oauth2/token", &people.client, &format!("grant_type=refresh_token&refresh_token={token}")).await);
            tokens.push(given["access_token"].as_str().unwrap().to_owned());
            given["refresh_token"].as_str().unwrap().to_owned()
        };
        let second = renewed(&a, &first.refresh_token).await;
        let third = renewed(&b, &second).await;
        let nodes = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let forms = [&third, &first.refresh_token].map(|token| format!("grant_type=refresh_token&refresh_token={token}"));
        let (honest, replay) =
            tokio::join!(nodes.0.post("/oauth2/token", &people.client, &forms[0]), nodes.1.post("/oauth2/token", &people.client, &forms[1]));
        assert_eq!(outcome(&replay), "400 invalid_grant", "{round}");
        if honest.status() == 200 {
            let given = json_of(&honest);
            tokens.push(given["access_token"].as_str().unwrap().to_owned());
            assert_eq!(refreshed(&a, &people.client, given["refresh_token"].as_str().unwrap(), "").await.0, "400 invalid_grant", "{round}");
        }
        for token in tokens {
            assert!(!is_active(&b, &people.client, &token).await, "{round}");
        }
    }
}

#[tokio::test]
async fn nothing_lives_on_after_it_was_shut_out() {
    // CC-04, CC-05, RT-14, keycloak#51312: whatever was granted while it happened is dead once both have answered.
    let (a, people) = started().await;
    let b = a.another().await;
    let user = format!("/users/{}", people.alice);
    for round in 0..rounds(9) {
        let (granted, code) = (people.granted(&a).await, people.code(&a).await);
        let refresh = format!("grant_type=refresh_token&refresh_token={}", granted.refresh_token);
        let (form, is_refresh) = if round % 3 == 1 { (redemption(&code), false) } else { (refresh, true) };
        let end = async {
            match round % 3 {
                0 => b.post("/oauth2/revoke", &people.client, &format!("token={}", granted.refresh_token)).await,
                _ => b.admin("PATCH", &user, json!({"active": false})).await,
            }
        };
        let (answer, ended) = tokio::join!(a.post("/oauth2/token", &people.client, &form), end);
        assert_eq!(ended.status(), 200, "{round}");
        assert!(["200", "400 invalid_grant"].contains(&outcome(&answer).as_str()), "{round}: {}", outcome(&answer));
        if answer.status() == 200 {
            let given = json_of(&answer);
            assert!(!is_active(&b, &people.client, given["access_token"].as_str().unwrap()).await, "{round}");
            assert_eq!(refreshed(&a, &people.client, given["refresh_token"].as_str().unwrap(), "").await.0, "400 invalid_grant", "{round}");
        }
        assert!(!is_refresh || !is_active(&a, &people.client, &granted.access_token).await, "{round}");
        if round % 3 != 0 {
            a.pass(1);
            assert_eq!(a.admin("PATCH", &user, json!({"active": true})).await.status(), 200);
        }
    }
}

#[tokio::test]
async fn a_request_is_allowed_once_however_often_the_button_is_pressed() {
    // AZ-29, CC-07, MI-06
    let (a, people) = started().await;
    let b = a.another().await;
    let page = people.sign_in(&a, &People::url(&[]), "alice", PASSWORD).await;
    let pressed = together((0..20).map(|at| people.browser.press(if at % 2 == 0 { &a } else { &b }, &page, "approve", &[("allow", "read")]))).await;
    let codes: Vec<String> =
        pressed.iter().filter(|answer| answer.status() == 303).filter_map(|answer| parameter(&location(answer), "code")).collect();
    assert_eq!(codes.len(), 1);
    assert!(pressed.iter().all(|answer| [303, 400, 503].contains(&answer.status().as_u16())));
    assert_eq!(outcome(&people.redeem(&b, &codes[0]).await), "200");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_again() {
    // CC-08, CC-09: of each conditional write of a grant. The SDK repeats the request; the table knows it by its token.
    let (server, people) = started().await;
    people.granted(&server).await;
    let lose = |times: usize| server.proxy.inject(Fault::AnswerLost, "TransactWriteItems", times);
    for times in [1, 2] {
        lose(times);
        let code = people.code(&server).await;
        server.proxy.heal();
        lose(times);
        let answer = people.redeem(&server, &code).await;
        server.proxy.heal();
        assert_eq!(outcome(&answer), "200", "{times}");
        let tokens = json_of(&answer);
        let refresh = tokens["refresh_token"].as_str().unwrap();
        lose(times);
        let (status, next) = refreshed(&server, &people.client, refresh, "").await;
        server.proxy.heal();
        assert_eq!(status, "200", "{times}");
        assert!(is_active(&server, &people.client, tokens["access_token"].as_str().unwrap()).await);
        lose(times);
        let revoked = server.post("/oauth2/revoke", &people.client, &format!("token={next}")).await;
        server.proxy.heal();
        assert_eq!(outcome(&revoked), "200", "{times}");
        assert!(!is_active(&server, &people.client, tokens["access_token"].as_str().unwrap()).await);
    }
}

#[tokio::test]
async fn a_client_that_was_not_answered_may_ask_again() {
    // CC-10, CC-11. Every answer of the table is lost: the client is told 503 and what was written is as if it had got the answer.
    let (server, people) = started().await;
    let granted = people.granted(&server).await;
    let form = format!("grant_type=refresh_token&refresh_token={}", granted.refresh_token);
    server.proxy.inject(Fault::AnswerLost, "TransactWriteItems", usize::MAX);
    assert_eq!(outcome(&server.post("/oauth2/token", &people.client, &form).await), "503 temporarily_unavailable");
    server.proxy.heal();
    let (status, next) = refreshed(&server, &people.client, &granted.refresh_token, "").await;
    assert_eq!(status, "200", "the retry of a refresh gets the one successor");
    assert_eq!(refreshed(&server, &people.client, &next, "").await.0, "200");
    // A code that was used is used: the user is asked again.
    let code = people.code(&server).await;
    server.proxy.inject(Fault::AnswerLost, "TransactWriteItems", usize::MAX);
    assert_eq!(outcome(&people.redeem(&server, &code).await), "503 temporarily_unavailable");
    server.proxy.heal();
    assert_eq!(outcome(&people.redeem(&server, &code).await), "400 invalid_grant");
    assert_eq!(phase_of(&server, &code).await, "revoked", "nothing that was never shown lives");
    // Nothing was written: the code and the token are as they were.
    let (code, granted) = (people.code(&server).await, people.granted(&server).await);
    for fault in [Fault::Error, Fault::Throttle] {
        for operation in ["BatchGetItem", "TransactWriteItems"] {
            server.proxy.inject(fault, operation, usize::MAX);
            assert_eq!(outcome(&people.redeem(&server, &code).await), "503 temporarily_unavailable", "{fault:?}");
            assert_eq!(refreshed(&server, &people.client, &granted.refresh_token, "").await.0, "503 temporarily_unavailable", "{fault:?}");
            let revoked = server.post("/oauth2/revoke", &people.client, &format!("token={}", granted.refresh_token)).await;
            assert_eq!(outcome(&revoked), "503 temporarily_unavailable", "{fault:?}");
            let page = people.browser.open(&server, &People::url(&[])).await;
            assert_eq!(page.status(), 503, "{fault:?}");
            server.proxy.heal();
        }
    }
    assert_eq!(outcome(&people.redeem(&server, &code).await), "200");
    assert_eq!(refreshed(&server, &people.client, &granted.refresh_token, "").await.0, "200");
    assert!(is_active(&server, &people.client, &granted.access_token).await);
}

/// The phase of a code's grant, as it stands in the table.
async fn phase_of(server: &Server, code: &str) -> String {
    let grant_id = code.strip_prefix("gw_ac_").unwrap().split('.').next().unwrap();
    let table: Value = serde_json::from_str(&server.dump().await).unwrap();
    let is_it = |item: &&Value| item["pk"]["S"] == json!(format!("grant#{grant_id}"));
    let doc = table["Items"].as_array().unwrap().iter().find(is_it).unwrap()["doc"]["S"].as_str().unwrap().to_owned();
    serde_json::from_str::<Value>(&doc).unwrap()["phase"]["phase"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_transaction_that_is_still_under_way_is_waited_for() {
    // CC-09: the SDK asks again with the same token. That a token was another transaction's can only be a fault: nothing is said to be done.
    let (server, people) = started().await;
    let granted = people.granted(&server).await;
    let (form, revocation) =
        (format!("grant_type=refresh_token&refresh_token={}", granted.refresh_token), format!("token={}", granted.refresh_token));
    for (fault, times, expected) in [
        (Fault::InProgress, usize::MAX, "503 temporarily_unavailable"),
        (Fault::Mismatch, 1, "503 temporarily_unavailable"),
        (Fault::InProgress, 1, "200"),
        (Fault::InProgress, 2, "200"),
    ] {
        let code = people.code(&server).await;
        let inject = || server.proxy.inject(fault, "TransactWriteItems", times);
        inject();
        assert_eq!(outcome(&people.redeem(&server, &code).await), expected, "{fault:?} {times}");
        inject();
        assert_eq!(outcome(&server.post("/oauth2/token", &people.client, &form).await), expected, "{fault:?} {times}");
        inject();
        assert_eq!(people.browser.open(&server, &People::url(&[])).await.status(), if expected == "200" { 303 } else { 503 }, "{fault:?} {times}");
        server.proxy.heal();
        assert_eq!(phase_of(&server, &code).await, if expected == "200" { "active" } else { "code_issued" }, "{fault:?} {times}");
        assert!(is_active(&server, &people.client, &granted.access_token).await);
    }
    server.proxy.inject(Fault::InProgress, "TransactWriteItems", 1);
    assert_eq!(outcome(&server.post("/oauth2/revoke", &people.client, &revocation).await), "200");
    assert!(!is_active(&server, &people.client, &granted.access_token).await);
}

/// What a process is killed in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    SignIn,
    Approve,
    Code,
    Refresh,
    Revoke,
}

#[tokio::test]
async fn a_node_that_dies_between_two_calls_leaves_nothing_stuck() {
    // CC-11, RT-05: at each call of each flow the node is gone; another one takes the client's retry.
    let (server, people) = started().await;
    people.code(&server).await;
    let write = People::url(&[("scope", "https://orders.example/write")]);
    for flow in [Flow::SignIn, Flow::Approve, Flow::Code, Flow::Refresh, Flow::Revoke] {
        let mut place = 0;
        loop {
            let dying = server.another().await;
            let (code, granted) = (people.code(&server).await, people.granted(&server).await);
            if flow == Flow::Approve {
                // So that there is something to allow.
                assert_eq!(server.admin("DELETE", &format!("/users/{}/grants/c_code", people.alice), Value::Null).await.status(), 204);
            }
            let visitor = People { alice: people.alice.clone(), client: people.client.clone(), ..People::default() };
            let page = match flow {
                Flow::Approve => visitor.sign_in(&server, &write, "alice", PASSWORD).await,
                _ => visitor.browser.open(&server, &write).await,
            };
            let form = match flow {
                Flow::Code => redemption(&code),
                _ => format!("grant_type=refresh_token&refresh_token={}", granted.refresh_token),
            };
            let revocation = format!("token={}", granted.refresh_token);
            let asked = async |node: &Server| match flow {
                Flow::SignIn => visitor.browser.press(node, &page, "sign_in", &[("username", "alice"), ("password", PASSWORD)]).await,
                Flow::Approve => visitor.browser.press(node, &page, "approve", &[("allow", "write")]).await,
                Flow::Code | Flow::Refresh => node.post("/oauth2/token", &people.client, &form).await,
                Flow::Revoke => node.post("/oauth2/revoke", &people.client, &revocation).await,
            };
            // The call is done and its answer never read: dropped in the middle, as a process that is killed drops it.
            dying.proxy.inject_after(place, Fault::Held, "", 1);
            let was_killed = tokio::select! {
                _ = asked(&dying) => false,
                () = dying.proxy.holding() => true,
            };
            let context = format!("{flow:?} {place}");
            let again = asked(&server).await;
            let said = outcome(&again);
            match flow {
                Flow::SignIn => assert_eq!(said, "303", "{context}"),
                Flow::Approve => assert!(["303", "400"].contains(&said.as_str()), "{context}: {said}"),
                // A code that gave something to nobody gives nothing to anybody.
                Flow::Code => {
                    assert!(["200", "400 invalid_grant"].contains(&said.as_str()), "{context}: {said}");
                    assert_eq!(phase_of(&server, &code).await, if said == "200" { "active" } else { "revoked" }, "{context}");
                }
                Flow::Refresh => {
                    assert_eq!(said, "200", "{context}");
                    let next = json_of(&again)["refresh_token"].as_str().unwrap().to_owned();
                    assert_eq!(refreshed(&server, &people.client, &next, "").await.0, "200", "{context}");
                }
                Flow::Revoke => {
                    assert_eq!(said, "200", "{context}");
                    assert!(!is_active(&server, &people.client, &granted.access_token).await, "{context}");
                }
            }
            // Whoever begins again gets what they asked for.
            visitor.code_of(&server, &[("scope", "https://orders.example/write")]).await;
            if !was_killed {
                break;
            }
            place += 1;
        }
        assert!(place >= 2, "{flow:?} was killed at {place} calls");
    }
}
