//! Signing in: guessing, sessions, cookies.

use serde_json::{Value, json};
use shared::endpoints::Response;

use super::{started, together};
use crate::browser::{Browser, PASSWORD, People, field, location};
use crate::support::{Server, encoded, json_of, shown};

const SESSION: &str = "__Host-gatewright_session";

/// A sign-in from the address `source` with these headers besides; `page` is any sign-in page of the browser.
pub(super) async fn tried_from(
    server: &Server,
    browser: &Browser,
    page: &Response,
    username: &str,
    password: &str,
    source: Option<&str>,
    more: &[(&str, &str)],
) -> Response {
    let cookies = browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded"), ("cookie", cookies.as_str())];
    headers.extend(more);
    let (request, proof) = (field(page, "request"), field(page, "proof"));
    let fields = [("request", request.as_str()), ("proof", &proof), ("action", "sign_in"), ("username", username), ("password", password)];
    let body = fields.map(|(name, value)| format!("{name}={}", encoded(value))).join("&");
    server.send_from(source, "POST", "/oauth2/authorize", &headers, body).await
}

/// A sign-in without an address.
async fn tried(server: &Server, browser: &Browser, page: &Response, username: &str, password: &str) -> u16 {
    tried_from(server, browser, page, username, password, None, &[]).await.status().as_u16()
}

#[tokio::test]
async fn parallel_guesses_at_two_nodes_are_counted_as_one_row() {
    // LO-01, MI-08, CVE-2024-4629
    let (server, _) = started().await;
    let other_node = server.another().await;
    let browser = Browser::default();
    let page = browser.open(&server, &People::url(&[])).await;
    // A thousand, fifty at once: of more at once the embedded engine answers most later than the SDK waits. That is a 503, before the
    // password is looked at, and a busy machine gives some of them here too.
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let tries = (0..50).map(|at| tried(if at % 2 == 0 { &server } else { &other_node }, &browser, &page, "alice", "wrong"));
        statuses.extend(together(tries).await);
    }
    let looked_at = statuses.iter().filter(|status| **status == 200).count();
    assert!((1..=10).contains(&looked_at) && statuses.iter().all(|status| [200, 429, 503].contains(status)), "{statuses:?}");
    assert_eq!(tried(&other_node, &browser, &page, "alice", PASSWORD).await, 429, "the right one waits too");
}

#[tokio::test]
async fn an_account_waits_longer_each_time_and_never_for_good() {
    // LO-02, LO-03
    let (server, people) = started().await;
    let browser = Browser::default();
    let page = browser.open(&server, &People::url(&[])).await;
    // One counter, whatever the spelling.
    for name in ["alice", "ALICE", "Alice", "ａｌｉｃｅ", "aLiCe", "alicE", "ALICe", "AlIcE", "alIce", "aliCe"] {
        assert_eq!(tried(&server, &browser, &page, name, "wrong").await, 200, "{name}");
    }
    let answer = tried_from(&server, &browser, &page, "alice", PASSWORD, None, &[]).await;
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "1"), "the right one waits too");
    assert!(String::from_utf8_lossy(answer.body()).contains("Too many attempts"), "{}", shown(&answer));
    assert_eq!(tried(&server, &browser, &page, "bob", "wrong").await, 200, "nobody else does");
    server.pass(1);
    assert_eq!(tried(&server, &browser, &page, "alice", "wrong").await, 200);
    server.pass(1);
    assert_eq!(tried(&server, &browser, &page, "alice", PASSWORD).await, 429);
    server.pass(1);
    assert_eq!(tried(&server, &browser, &page, "alice", PASSWORD).await, 303);
    // Forgotten with the first one that was right.
    for _ in 0..9 {
        assert_eq!(tried(&server, &browser, &page, "alice", "wrong").await, 200);
    }
    assert_eq!(tried(&server, &browser, &page, "alice", PASSWORD).await, 303);
    drop(people);
}

#[tokio::test]
async fn a_source_is_its_network_and_no_header() {
    // LO-05, HT-13, CVE-2026-45364
    let (server, _) = started().await;
    let browser = Browser::default();
    let page = browser.open(&server, &People::url(&[])).await;
    // An address in a header is nobody's; the addresses of one subscriber are one. The passwords are longer
    // than any, so none is worked on.
    for at in 0..50 {
        let (address, forged) = (format!("2001:db8:1:2:{at:x}::1"), format!("192.0.2.{at}"));
        let headers = [("x-forwarded-for", forged.as_str()), ("x-real-ip", &forged), ("forwarded", &forged)];
        let status = tried_from(&server, &browser, &page, &format!("u{at}"), &"x".repeat(1_025), Some(&address), &headers).await.status();
        assert_eq!(status, 200, "{at}");
    }
    let from = async |address: &str| {
        tried_from(&server, &browser, &page, "alice", PASSWORD, Some(address), &[("x-forwarded-for", "203.0.113.1")]).await.status().as_u16()
    };
    assert_eq!(from("2001:db8:1:2:ffff::9").await, 429);
    assert_eq!(from("2001:db8:1:3::1").await, 303, "the neighbour");
    assert_eq!(from("192.0.2.7").await, 303);
}

#[tokio::test]
async fn nobody_learns_who_exists() {
    // LO-06, CVE-2024-41952: page, status, headers, and the wait after ten tries, for known, deactivated, passwordless and unknown names. That
    // the work is the same is a matter of the calls that it takes, below; that one password is hashed for each, of `nobodys_work`.
    let (server, _) = started().await;
    crate::browser::user(&server, "erin", json!({"password": null})).await;
    let mut answers = Vec::new();
    for name in ["bob", "dave", "erin", "nobody", "bob\u{202e}"] {
        let browser = Browser::default();
        let page = browser.open(&server, &People::url(&[])).await;
        let mut of_name = vec![alike(&tried_from(&server, &browser, &page, name, "wrong", None, &[]).await)];
        for _ in 0..9 {
            // Longer than any password: counted, and not hashed.
            of_name.push(alike(&tried_from(&server, &browser, &page, name, &"x".repeat(1_025), None, &[]).await));
        }
        let waits = tried_from(&server, &browser, &page, name, PASSWORD, None, &[]).await;
        assert_eq!((waits.status().as_u16(), waits.headers()["retry-after"].to_str().unwrap()), (429, "1"), "{name}");
        of_name.push(alike(&waits));
        answers.push(of_name);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

/// A page without what is new with each request, and the name that was typed.
fn alike(answer: &Response) -> String {
    let nonce = String::from_utf8_lossy(answer.body()).split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let text = shown(answer).replace(&nonce, "[nonce]");
    let is_own = |line: &&str| !["name=\"request\"", "name=\"proof\"", "name=\"username\"", "content-length"].iter().any(|part| line.contains(part));
    text.lines().filter(is_own).collect::<Vec<_>>().join("\n")
}

/// Whether a browser with this session is signed in.
async fn is_signed_in(node: &Server, session: &str) -> bool {
    let browser = Browser::default();
    browser.cookies.borrow_mut().insert(SESSION.to_owned(), session.to_owned());
    let page = browser.open(node, &People::url(&[])).await;
    String::from_utf8_lossy(page.body()).contains("id=\"consent\"")
}

/// Signs alice in and gives the session.
async fn session_of(server: &Server, people: &People) -> String {
    people.sign_in(server, &People::url(&[]), "alice", PASSWORD).await;
    people.browser.cookies.borrow()[SESSION].clone()
}

#[tokio::test]
async fn a_session_is_new_with_each_sign_in() {
    // LO-07, LO-09, CVE-2024-7341
    let (server, people) = started().await;
    let other_node = server.another().await;
    let url = People::url(&[]);
    // A session that somebody has put into the browser is not the one that is signed in.
    let planted = "A".repeat(43);
    people.browser.cookies.borrow_mut().insert(SESSION.to_owned(), planted.clone());
    let first = session_of(&server, &people).await;
    assert!(first != planted && !is_signed_in(&server, &planted).await && is_signed_in(&other_node, &first).await);
    // Signing in again, on a page that lay open, ends the session before.
    let page = open_without_session(&server, &people).await;
    assert_eq!(people.browser.press(&server, &page, "sign_in", &[("username", "alice"), ("password", PASSWORD)]).await.status(), 303);
    let second = people.browser.cookies.borrow()[SESSION].clone();
    assert!(second != first && !is_signed_in(&other_node, &first).await && is_signed_in(&server, &second).await);
    // "Not you?" at one node ends it at the other.
    let page = people.browser.open(&server, &url).await;
    assert_eq!(people.browser.press(&server, &page, "sign_out", &[]).await.status(), 303);
    assert!(!is_signed_in(&other_node, &second).await && !people.browser.cookies.borrow().contains_key(SESSION));
}

/// The sign-in page as the browser had it before anybody signed in.
async fn open_without_session(server: &Server, people: &People) -> Response {
    let earlier = Browser::default();
    let kept: Vec<(String, String)> = people.browser.cookies.borrow().clone().into_iter().filter(|(name, _)| name != SESSION).collect();
    earlier.cookies.borrow_mut().extend(kept);
    earlier.open(server, &People::url(&[])).await
}

#[tokio::test]
async fn a_session_dies_with_what_it_stands_on() {
    // LO-09, LO-10: a new password, a deactivated user, eight hours
    let (server, people) = started().await;
    let other_node = server.another().await;
    let user = format!("/users/{}", people.alice);
    let undone =
        [(json!({"password": "another password of hers"}), json!({"password": PASSWORD})), (json!({"active": false}), json!({"active": true}))];
    for (change, undo) in undone {
        let session = session_of(&server, &people).await;
        assert!(is_signed_in(&other_node, &session).await);
        server.pass(1);
        assert_eq!(server.admin("PATCH", &user, change.clone()).await.status(), 200);
        assert!(!is_signed_in(&other_node, &session).await, "{change}");
        server.pass(1);
        assert_eq!(server.admin("PATCH", &user, undo).await.status(), 200);
        if change.get("password").is_some() {
            assert!(!is_signed_in(&other_node, &session).await, "{change}");
        }
        people.browser.cookies.borrow_mut().clear();
    }
    let session = session_of(&server, &people).await;
    server.pass(8 * 3_600 - 1);
    assert!(is_signed_in(&server, &session).await);
    server.pass(1);
    assert!(!is_signed_in(&server, &session).await);
}

#[tokio::test]
async fn a_session_is_of_one_realm() {
    // M-13: who is signed in for the clients of one realm is nobody to those of another
    let (server, people) = started().await;
    people.sign_in(&server, &People::url(&[]), "alice", PASSWORD).await;
    server.admin("PATCH", "/clients/c_code", json!({"realm": "partners"})).await;
    let page = people.browser.open(&server, &People::url(&[])).await;
    assert!(String::from_utf8_lossy(page.body()).contains("id=\"sign-in\""), "{}", shown(&page));
    let answer = people.browser.press(&server, &page, "sign_in", &[("username", "alice"), ("password", PASSWORD)]).await;
    assert!(String::from_utf8_lossy(answer.body()).contains("Username or password is wrong."), "{}", shown(&answer));
}

#[tokio::test]
async fn hostile_input_is_refused_and_costs_nothing() {
    // LO-12. That nothing longer than 1,024 bytes is hashed is a unit test of `Password::presented`.
    let (server, _) = started().await;
    let browser = Browser::default();
    let page = browser.open(&server, &People::url(&[])).await;
    server.proxy.calls();
    assert_eq!(tried(&server, &browser, &page, "alice", &"x".repeat(1_000_000)).await, 413);
    assert_eq!(server.proxy.calls(), "", "nobody's digest was read, so nothing was hashed");
    for (username, password) in [
        ("alice", "x".repeat(257)),
        ("alice", "x".repeat(1_025)),
        ("alice", "🔑".to_owned()),
        ("🔑", "x".to_owned()),
        ("alice", "\0".to_owned()),
        ("ali\0ce", "x".to_owned()),
        (&"a".repeat(10_000), "x".to_owned()),
        ("", "x".to_owned()),
        ("alice", String::new()),
    ] {
        let answer = tried_from(&server, &browser, &page, username, &password, None, &[]).await;
        assert_eq!(answer.status(), 200, "{username:.20} {}", shown(&answer));
    }
    let cookies = (0..1_000_000).map(|at| format!("c{at}=x")).collect::<Vec<_>>().join("; ");
    let url = People::url(&[]);
    assert_eq!(server.send("GET", &url, &[("cookie", &cookies)], "").await.status(), 200);
    for cookie in ["__Host-gatewright_session=", "__Host-gatewright_session=x", "__Host-gatewright_browser=\"", "=;=;;", "__Host-gatewright_session"]
    {
        assert_eq!(server.send("GET", &url, &[("cookie", cookie)], "").await.status(), 200, "{cookie}");
    }
    for body in ["action=sign_in&username=%ff&password=%fe", "action=sign_in", "action=%00", "action=sign_in&request=x&proof=x", "%"] {
        let answer = server.post("/oauth2/authorize", "", body).await;
        assert_eq!(answer.status(), 400, "{body}: {}", shown(&answer));
    }
}

#[tokio::test]
async fn a_sign_in_is_on_record_without_its_secrets() {
    // AD-13, SE-01, SE-02
    let (server, people) = started().await;
    people.sign_in(&server, &People::url(&[]), "alice", PASSWORD).await;
    let audit = json_of(&server.admin("GET", "/audit?client_id=c_code", Value::Null).await);
    let events: Vec<&Value> = audit["items"].as_array().unwrap().iter().filter(|event| event["event"] == "user.signed_in").collect();
    assert_eq!((events.len(), &events[0]["user_id"]), (1, &json!(people.alice)));
    let session = people.browser.cookies.borrow()["__Host-gatewright_session"].clone();
    let dump = server.dump().await;
    assert!(!dump.contains(&session) && !dump.contains(PASSWORD));
    assert!(
        location(&people.browser.press(&server, &people.browser.open(&server, &People::url(&[])).await, "approve", &[("allow", "read")]).await)
            .contains("code=")
    );
}

#[tokio::test]
async fn whoever_guesses_names_sees_the_same_round_trips() {
    // SE-04, LO-06: an unknown name, a wrong password, a user without a password and one who is deactivated; at the page, and by the password grant
    let server = Server::with(&[("GATEWRIGHT_PASSWORD_GRANT", "on")]).await;
    server.fixtures().await;
    let people = Box::pin(People::of(&server)).await;
    let client = crate::browser::password_client(&server, json!({})).await;
    crate::browser::user(&server, "erin", json!({"password": null})).await;
    assert_eq!(server.post("/oauth2/token", &client, "grant_type=password&username=x&password=y").await.status(), 400);
    let browser = &people.browser;
    let page = browser.open(&server, &People::url(&[])).await;
    for (username, password) in [("nobody", PASSWORD), ("alice", "wrong password"), ("erin", PASSWORD), ("dave", PASSWORD)] {
        server.proxy.calls();
        assert_eq!(tried(&server, browser, &page, username, password).await, 200, "{username}");
        assert_eq!(server.proxy.calls(), "BatchGetItem 3, TransactWriteItems 1", "{username}");
        let form = format!("grant_type=password&username={username}&password={}", encoded(password));
        assert_eq!(crate::http::outcome(&server.post("/oauth2/token", &client, &form).await), "400 invalid_grant", "{username}");
        assert_eq!(server.proxy.calls(), "BatchGetItem 3, TransactWriteItems 1", "{username}");
    }
}
