//! Requests that meet in a known order: a node waits for one answer of the table while another node serves somebody else.

use serde_json::{Value, json};
use shared::endpoints::Response;

use super::races::redemption;
use super::{is_active, other_client, refreshed, started};
use crate::browser::{CALLBACK, PASSWORD, People};
use crate::http::outcome;
use crate::support::{Fault, Server, basic, json_of};

const DEAD: &str = "400 invalid_grant";

/// What `node` answers to a token request, if its call number `place` to the table is answered only after `meanwhile`.
async fn held<T>(node: &Server, place: usize, client: &str, form: &str, meanwhile: impl Future<Output = T>) -> (Response, T) {
    node.proxy.inject_after(place, Fault::Held, "", 1);
    tokio::join!(node.post("/oauth2/token", client, form), node.proxy.while_held(meanwhile))
}

fn refresh(token: &str) -> String {
    format!("grant_type=refresh_token&refresh_token={token}")
}

#[tokio::test]
async fn who_saw_the_code_unused_and_was_slower_ends_nothing() {
    // 5.6 row 4, G-08, CC-01: at either node; whoever comes later ends everything.
    let (a, people) = started().await;
    let b = a.another().await;
    for (slow, fast) in [(&a, &b), (&b, &a)] {
        let code = people.code(&a).await;
        let (loser, winner) = held(slow, 0, &people.client, &redemption(&code), people.redeem(fast, &code)).await;
        assert_eq!((outcome(&loser).as_str(), outcome(&winner).as_str()), (DEAD, "200"));
        let tokens = json_of(&winner);
        let access = tokens["access_token"].as_str().unwrap();
        assert!(is_active(slow, &people.client, access).await, "the winner keeps what it got");
        let (status, next) = refreshed(slow, &people.client, tokens["refresh_token"].as_str().unwrap(), "").await;
        assert_eq!(status, "200");
        assert_eq!(outcome(&people.redeem(slow, &code).await), DEAD);
        assert!(!is_active(fast, &people.client, access).await, "the replay came later");
        assert_eq!(refreshed(fast, &people.client, &next, "").await.0, DEAD);
    }
}

#[tokio::test]
async fn a_replay_that_meets_a_refresh_ends_the_grant_all_the_same() {
    // CC-03, TE-21, TE-20: it saw the code used from the start, so that another was faster with the grant is no excuse. The same the other way
    // round: a refresh that meets the replay gets nothing.
    let (a, people) = started().await;
    let b = a.another().await;
    for replay_is_held in [true, false] {
        let code = people.code(&a).await;
        let first = json_of(&people.redeem(&a, &code).await);
        let token = first["refresh_token"].as_str().unwrap();
        let (replayed, renewed) = if replay_is_held {
            held(&a, 0, &people.client, &redemption(&code), b.post("/oauth2/token", &people.client, &refresh(token))).await
        } else {
            let (renewed, replayed) = held(&a, 0, &people.client, &refresh(token), people.redeem(&b, &code)).await;
            (replayed, renewed)
        };
        assert_eq!(outcome(&replayed), DEAD);
        assert_eq!(outcome(&renewed), if replay_is_held { "200" } else { DEAD });
        let mut given = vec![first.clone()];
        given.extend((renewed.status() == 200).then(|| json_of(&renewed)));
        for tokens in given {
            assert!(!is_active(&b, &people.client, tokens["access_token"].as_str().unwrap()).await, "{replay_is_held}");
            assert_eq!(refreshed(&b, &people.client, tokens["refresh_token"].as_str().unwrap(), "").await.0, DEAD, "{replay_is_held}");
        }
    }
}

#[tokio::test]
async fn what_is_granted_while_it_is_taken_away_is_dead() {
    // CC-04, CC-05, RT-10, RT-14: at each call to the table of a redemption and of a refresh. What undoes itself (deactivation) is not among it:
    // that is asked for with every use of a token.
    let (a, mut people) = started().await;
    let b = a.another().await;
    let other = other_client(&a, &people).await;
    let user = format!("/users/{}", people.alice);
    let withdrawal = format!("{user}/grants/c_code");
    let token = people.granted(&a).await.refresh_token;
    a.proxy.calls();
    assert_eq!(refreshed(&a, &people.client, &token, "").await.0, "200");
    assert_eq!(a.proxy.calls(), "BatchGetItem 3, TransactWriteItems 1", "four places, of a redemption too");
    for (event, method, path, body) in [
        ("password", "PATCH", user.as_str(), json!({"password": "another password of hers"})),
        ("withdrawal", "DELETE", &withdrawal, Value::Null),
        ("revoke-tokens", "POST", "/clients/c_code/revoke-tokens", Value::Null),
        ("client deleted", "DELETE", "/clients/c_code", Value::Null),
    ] {
        for is_refresh in [false, true] {
            for place in 0..4 {
                let context = format!("{event}, {is_refresh}, {place}");
                let form = if is_refresh { refresh(&people.granted(&a).await.refresh_token) } else { redemption(&people.code(&a).await) };
                let (answer, ended) = held(&a, place, &people.client, &form, b.admin(method, path, body.clone())).await;
                assert!(ended.status().is_success(), "{context}");
                a.pass(6);
                match event {
                    "password" => {
                        assert_eq!(b.admin("PATCH", &user, json!({"password": PASSWORD})).await.status(), 200);
                        people.browser.cookies.borrow_mut().clear();
                    }
                    "client deleted" => people.client = made_again(&b, &people).await,
                    _ => {}
                }
                assert!(["200", DEAD, "401 invalid_client"].contains(&outcome(&answer).as_str()), "{context}: {}", outcome(&answer));
                if answer.status() == 200 {
                    let given = json_of(&answer);
                    let access = given["access_token"].as_str().unwrap();
                    assert!(!is_active(&b, &other, access).await, "{context}");
                    assert_eq!(refreshed(&b, &people.client, given["refresh_token"].as_str().unwrap(), "").await.0, DEAD, "{context}");
                    assert_eq!(b.get("/orders/1", access).await.status(), 401, "{context}");
                }
                assert_eq!(outcome(&b.post("/oauth2/token", &people.client, &form).await), DEAD, "{context}");
            }
        }
    }
}

/// Makes `c_code` again and assigns alice to it.
async fn made_again(server: &Server, people: &People) -> String {
    let body = json!({"client_id": "c_code", "client_name": "The shop's app", "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [CALLBACK], "realm": "staff", "scopes": ["https://orders.example/read", "https://orders.example/write"]});
    let created = server.create("/clients", body).await;
    assert_eq!(server.admin("PUT", &format!("/clients/c_code/assignments/users/{}", people.alice), Value::Null).await.status(), 204);
    basic("c_code", created["client_secret"].as_str().unwrap())
}
