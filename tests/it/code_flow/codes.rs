//! Authorization codes at the token endpoint, and PKCE.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::oauth::fresh::Fresh;
use shared::oauth::grant::{Allowed, Grant, GrantId, Redemption};
use shared::oauth::ids::ClientId;
use shared::oauth::pkce::{CodeChallenge, CodeVerifier};
use shared::oauth::time::Timestamp;
use shared::oauth::user::{Epoch, UserId};

use super::{is_active, other_client, public_client, refreshed, started};
use crate::browser::{Browser, CALLBACK, CHALLENGE, PASSWORD, People, VERIFIER, location, parameter};
use crate::http::outcome;
use crate::support::{Server, claims, encoded, json_of};

/// The redemption of a code with these parameters; `-` is left out.
async fn redeemed(server: &Server, client: &str, code: &str, redirect_uri: &str, verifier: &str) -> String {
    let pairs = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri), ("code_verifier", verifier)];
    let pairs: Vec<String> = pairs.iter().filter(|(_, value)| *value != "-").map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    outcome(&server.post("/oauth2/token", client, &pairs.join("&")).await)
}

#[tokio::test]
async fn a_code_is_its_clients_and_goes_where_it_was_sent() {
    // TE-18, TE-19, CVE-2026-28513
    let (server, people) = started().await;
    let other = other_client(&server, &people).await;
    public_client(&server, &people, json!({})).await;
    let second = "https://app.example/second";
    assert_eq!(server.admin("PATCH", "/clients/c_code", json!({"redirect_uris": [CALLBACK, second]})).await.status(), 200);
    let code = people.code(&server).await;
    assert_eq!(redeemed(&server, &other, &code, CALLBACK, VERIFIER).await, "400 invalid_grant");
    let as_public = format!("grant_type=authorization_code&code={code}&redirect_uri={}&code_verifier={VERIFIER}&client_id=p1", encoded(CALLBACK));
    assert_eq!(outcome(&server.post("/oauth2/token", "", &as_public).await), "400 invalid_grant");
    assert_eq!(outcome(&server.post("/oauth2/token", "", &as_public.replace("=p1", "=c_code")).await), "401 invalid_client");
    for uri in [
        "-",
        "",
        second,
        "https://app.example/cb/",
        "https://app.example/CB",
        "https://app.example:443/cb",
        "https://app.example/c%62",
        "https://other.example/",
    ] {
        assert_eq!(redeemed(&server, &people.client, &code, uri, VERIFIER).await, "400 invalid_grant", "{uri}");
    }
    // None of them has burnt it.
    assert_eq!(redeemed(&server, &people.client, &code, CALLBACK, VERIFIER).await, "200");
}

#[tokio::test]
async fn a_replay_is_found_however_late_and_at_whichever_node() {
    // TE-20, TE-21, MI-04, G-08
    let (server, people) = started().await;
    let other_node = server.another().await;
    for (wait, node) in [(0, &server), (1, &server), (30, &other_node), (3_000, &other_node)] {
        let code = people.code(&server).await;
        let tokens = json_of(&people.redeem(&other_node, &code).await);
        let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
        assert!(is_active(&server, &people.client, access).await);
        let successor = refreshed(&server, &people.client, refresh, "").await.1;
        server.pass(wait);
        assert_eq!(outcome(&people.redeem(node, &code).await), "400 invalid_grant", "{wait}");
        for node in [&server, &other_node] {
            assert!(!is_active(node, &people.client, access).await, "{wait}");
            assert_eq!(refreshed(node, &people.client, &successor, "").await.0, "400 invalid_grant", "{wait}");
        }
    }
}

#[tokio::test]
async fn a_code_is_good_for_a_minute() {
    // TE-23, TE-24, G-20. The item is still in the table: its time to live is no part of the decision.
    let (server, people) = started().await;
    let code = people.code(&server).await;
    server.pass(59);
    assert_eq!(outcome(&people.redeem(&server, &code).await), "200");
    let code = people.code(&server).await;
    server.pass(60);
    let dump = server.dump().await;
    assert!(dump.contains(code.strip_prefix("gw_ac_").unwrap().split('.').next().unwrap()));
    assert_eq!(outcome(&people.redeem(&server, &code).await), "400 invalid_grant");
    server.pass(3_600);
    assert_eq!(outcome(&people.redeem(&server, &code).await), "400 invalid_grant");
    // G-20: every grant says when it may go, and that is long after.
    let table: Value = serde_json::from_str(&server.dump().await).unwrap();
    let grants: Vec<&Value> =
        table["Items"].as_array().unwrap().iter().filter(|item| item["pk"]["S"].as_str().unwrap().starts_with("grant#")).collect();
    assert_eq!(grants.len(), 2);
    for item in grants {
        let doc: Value = serde_json::from_str(item["doc"]["S"].as_str().unwrap()).unwrap();
        let goes_at = item["ttl"]["N"].as_str().unwrap().parse::<u64>().unwrap();
        assert!(goes_at > doc["expires_at"].as_u64().unwrap() + 86_400 && goes_at > server.now() + 3_600, "{item}");
    }
}

#[tokio::test]
async fn the_verifier_must_be_the_challenges_and_there_is_one_try() {
    // PK-01, PK-05, PK-06, PK-07, TE-22, O-08
    let (server, people) = started().await;
    let other = "A".repeat(43);
    let newline = format!("{VERIFIER}\n");
    let upper = VERIFIER.to_uppercase();
    let (short, long) = (&VERIFIER[..42], "A".repeat(129));
    for (verifier, expected, burns) in [
        ("-", "400 invalid_request", false),
        ("", "400 invalid_request", false),
        (short, "400 invalid_grant", false),
        (long.as_str(), "400 invalid_grant", false),
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX!", "400 invalid_grant", false),
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r wW1gFWFOEjXk", "400 invalid_grant", false),
        (newline.as_str(), "400 invalid_grant", false),
        (other.as_str(), "400 invalid_grant", true),
        (CHALLENGE, "400 invalid_grant", true),
        (upper.as_str(), "400 invalid_grant", true),
    ] {
        let code = people.code(&server).await;
        assert_eq!(redeemed(&server, &people.client, &code, CALLBACK, verifier).await, expected, "{verifier:?}");
        let second = redeemed(&server, &people.client, &code, CALLBACK, VERIFIER).await;
        assert_eq!(second, if burns { "400 invalid_grant" } else { "200" }, "{verifier:?}");
    }
    // PK-05: the hash of one character is a challenge like any other, and the character no verifier.
    let hash_of_a = "ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs";
    let code = people.code_of(&server, &[("code_challenge", hash_of_a)]).await;
    assert_eq!(redeemed(&server, &people.client, &code, CALLBACK, "a").await, "400 invalid_grant");
}

#[tokio::test]
async fn a_code_gives_no_scope_that_was_taken_from_the_client() {
    // RT-08, G-16: what is left of it, and nothing where nothing is left
    let (server, people) = started().await;
    let both = "https://orders.example/read https://orders.example/write";
    for (left, expected) in [("https://orders.example/write", Some("write")), ("https://billing.example/read", None)] {
        let all = json!(["https://orders.example/read", "https://orders.example/write"]);
        server.admin("PATCH", "/clients/c_code", json!({"scopes": all})).await;
        let code = people.code_of(&server, &[("scope", both)]).await;
        assert_eq!(server.admin("PATCH", "/clients/c_code", json!({"scopes": [left]})).await.status(), 200);
        let answer = people.redeem(&server, &code).await;
        assert_eq!(outcome(&answer), if expected.is_some() { "200" } else { "400 invalid_grant" }, "{left}");
        assert_eq!(json_of(&answer)["scope"].as_str(), expected);
        if expected.is_some() {
            assert_eq!(claims(json_of(&answer)["access_token"].as_str().unwrap())["scope"], json!("write"));
        }
    }
}

#[tokio::test]
async fn a_stolen_code_is_nothing_in_another_flow() {
    // PK-10: both codes are of the same public client, in two browsers, each with a challenge of its own
    let (server, people) = started().await;
    public_client(&server, &people, json!({})).await;
    let theirs = "thisverifieristheattackersownverifieritis43.";
    let challenge = "lDt3fKXbnAifFamOVAoFo4tdISBrhfx0iIsq59bD5XI";
    let mine = people.code_of(&server, &[("client_id", "p1")]).await;
    let attacker = People { alice: people.alice.clone(), ..People::default() };
    let ask = [("client_id", "p1"), ("code_challenge", challenge)];
    let attackers = attacker.code_of(&server, &ask).await;
    let redeem = async |code: &str, verifier: &str| {
        let form = format!("grant_type=authorization_code&client_id=p1&code={code}&redirect_uri={}&code_verifier={verifier}", encoded(CALLBACK));
        outcome(&server.post("/oauth2/token", "", &form).await)
    };
    assert_eq!(redeem(&attackers, VERIFIER).await, "400 invalid_grant");
    assert_eq!(redeem(&mine, theirs).await, "400 invalid_grant");
    let (mine, attackers) = (people.code_of(&server, &[("client_id", "p1")]).await, attacker.code_of(&server, &ask).await);
    assert_eq!((redeem(&mine, VERIFIER).await.as_str(), redeem(&attackers, theirs).await.as_str()), ("200", "200"), "each with its own");
}

#[tokio::test]
async fn values_of_one_kind_open_nothing_of_another() {
    // TE-26, RT-15, 5.4 (a refresh token is no access token), CVE-2026-4282
    let (server, people) = started().await;
    let (code, granted) = (people.code(&server).await, people.granted(&server).await);
    let session = people.browser.cookies.borrow()["__Host-gatewright_session"].clone();
    let (access, refresh) = (&granted.access_token, &granted.refresh_token);
    let grant_id = code.strip_prefix("gw_ac_").unwrap();
    let retyped = (format!("gw_rt_{grant_id}"), format!("gw_ac_{}", refresh.strip_prefix("gw_rt_").unwrap()));
    for wrong in [refresh, access, &session, &retyped.1] {
        assert_eq!(redeemed(&server, &people.client, wrong, CALLBACK, VERIFIER).await, "400 invalid_grant", "{wrong}");
    }
    for wrong in [&code, access, &session, &retyped.0] {
        assert_eq!(refreshed(&server, &people.client, wrong, "").await.0, "400 invalid_grant", "{wrong}");
    }
    let resource_server = server.client("c_rs", json!({})).await;
    assert!(is_active(&server, &resource_server, access).await);
    for wrong in [&code, refresh, &session, &retyped.0, &retyped.1] {
        for caller in [&people.client, &resource_server] {
            assert!(!is_active(&server, caller, wrong).await, "{wrong}");
        }
        assert_eq!(server.get("/orders/1", wrong).await.status(), 401, "{wrong}");
        if wrong != refresh {
            assert_eq!(outcome(&server.post("/oauth2/revoke", &people.client, &format!("token={wrong}")).await), "200", "{wrong}");
        }
        let browser = Browser::default();
        browser.cookies.borrow_mut().insert("__Host-gatewright_session".to_owned(), wrong.replace("gw_ac_", ""));
        if *wrong != session {
            assert_eq!(browser.open(&server, &People::url(&[])).await.status(), 200, "no session: the sign-in page");
        }
    }
    // What was abused is untouched for its own purpose.
    assert_eq!(outcome(&people.redeem(&server, &code).await), "200");
    assert_eq!(refreshed(&server, &people.client, refresh, "").await.0, "200");
    assert!(is_active(&server, &people.client, access).await);
    assert_eq!(people.browser.open(&server, &People::url(&[])).await.status(), 303, "the session");
}

/// A value, altered in every way that a decoder might forgive.
fn altered(value: &str) -> Vec<String> {
    let mut all = vec![value[..value.len() - 1].to_owned(), format!("{value}A"), format!("{value}="), format!("{value}=="), format!(" {value}")];
    all.extend([
        format!("{value} "),
        format!("{value}\n"),
        format!("{value}\0"),
        value.to_uppercase(),
        value.to_lowercase(),
        value.replacen('_', "%5F", 1),
    ]);
    for (at, byte) in value.bytes().enumerate().skip(5).step_by(3).chain([(value.len() - 1, *value.as_bytes().last().unwrap())]) {
        for bit in [0, 1, 4] {
            let mut bytes = value.as_bytes().to_vec();
            bytes[at] = byte ^ (1 << bit);
            all.extend(String::from_utf8(bytes).ok().filter(|text| text != value));
        }
    }
    all.retain(|text| text != value);
    all
}

#[tokio::test]
async fn an_altered_code_or_token_is_nobodys() {
    // TE-27, RT-07, CVE-2026-27840. A guess changes nothing: the right value is still good afterwards.
    let (server, people) = started().await;
    let (code, granted) = (people.code(&server).await, people.granted(&server).await);
    for wrong in altered(&code) {
        assert_eq!(redeemed(&server, &people.client, &wrong, CALLBACK, VERIFIER).await, "400 invalid_grant", "{wrong:?}");
    }
    for wrong in altered(&granted.refresh_token) {
        assert_eq!(refreshed(&server, &people.client, &wrong, "").await.0, "400 invalid_grant", "{wrong:?}");
        assert_eq!(outcome(&server.post("/oauth2/revoke", &people.client, &format!("token={}", encoded(&wrong))).await), "200");
    }
    for wrong in altered(&granted.access_token) {
        assert!(!is_active(&server, &people.client, &wrong).await, "{wrong:?}");
    }
    assert_eq!(outcome(&people.redeem(&server, &code).await), "200");
    assert_eq!(refreshed(&server, &people.client, &granted.refresh_token, "").await.0, "200");
}

#[tokio::test]
async fn who_was_shut_out_after_the_code_was_made_gets_nothing_for_it() {
    // TE-30, RT-16, I-13, CVE-2025-64521
    let (server, people) = started().await;
    let set = async |path: &str, active: bool| assert_eq!(server.admin("PATCH", path, json!({"active": active})).await.status(), 200);
    let user = format!("/users/{}", people.alice);
    let code = people.code(&server).await;
    set(&user, false).await;
    assert_eq!(outcome(&people.redeem(&server, &code).await), "400 invalid_grant");
    set(&user, true).await;
    let code = people.code(&server).await;
    set("/clients/c_code", false).await;
    assert_eq!(outcome(&people.redeem(&server, &code).await), "401 invalid_client");
    set("/clients/c_code", true).await;
    let code = people.code(&server).await;
    server.admin("DELETE", &format!("/clients/c_code/assignments/users/{}", people.alice), Value::Null).await;
    assert_eq!(outcome(&people.redeem(&server, &code).await), "400 invalid_grant");
    assert_eq!(parameter(&location(&people.browser.open(&server, &People::url(&[])).await), "error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn the_numbers_of_an_answer_agree() {
    // TE-31, TE-02: of each grant that a user is behind
    let server = Server::with(&[("GATEWRIGHT_PASSWORD_GRANT", "on")]).await;
    server.fixtures().await;
    let people = People::of(&server).await;
    let with_password = crate::browser::password_client(&server, json!({"enforce_assignments": false})).await;
    let asked =
        format!("grant_type=password&username=alice&password={}&scope=read&resource={}", encoded(PASSWORD), encoded("https://orders.example/"));
    let resource_server = server.client("c_rs", json!({})).await;
    for ttl in [json!(null), json!(60)] {
        server.admin("PATCH", "/clients/c_code", json!({"access_token_ttl": ttl})).await;
        let first = json_of(&people.redeem(&server, &people.code(&server).await).await);
        let refresh = format!("grant_type=refresh_token&refresh_token={}", first["refresh_token"].as_str().unwrap());
        let second = json_of(&server.post("/oauth2/token", &people.client, &refresh).await);
        let by_password = json_of(&server.post("/oauth2/token", &with_password, &asked).await);
        for (tokens, life) in [(first, ttl.as_u64()), (second, ttl.as_u64()), (by_password, None)] {
            let token = tokens["access_token"].as_str().unwrap();
            let (said, seen) = (claims(token), json_of(&server.post("/oauth2/introspect", &resource_server, &format!("token={token}")).await));
            assert_eq!(tokens["expires_in"], json!(life.unwrap_or(3_600)));
            for times in [said, seen] {
                assert_eq!(times["exp"].as_u64().unwrap() - times["iat"].as_u64().unwrap(), life.unwrap_or(3_600));
            }
        }
    }
}

#[tokio::test]
async fn the_table_holds_nothing_that_opens_anything() {
    // PK-12, SE-01, SE-02
    let (server, people) = started().await;
    let (code, granted) = (people.code(&server).await, people.granted(&server).await);
    let successor = refreshed(&server, &people.client, &granted.refresh_token, "").await.1;
    let dump = server.dump().await;
    let cookies: Vec<String> = people.browser.cookies.borrow().values().cloned().collect();
    let secret = |token: &str| token.split('.').nth(1).unwrap().to_owned();
    for value in [VERIFIER.to_owned(), secret(&code), secret(&granted.refresh_token), secret(&successor), granted.access_token].iter().chain(&cookies)
    {
        assert!(!dump.contains(value.as_str()), "{value}");
    }
}

#[test]
fn codes_and_refresh_tokens_have_nothing_in_common() {
    // TE-25: 256 bits each, and every place of them takes every value
    let (client_id, user_id) = (ClientId::parse("c1").unwrap(), UserId::parse("u-0123456789abcdef01234567").unwrap());
    let mut secrets = BTreeSet::new();
    for at in 0..10_000_u64 {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&at.to_be_bytes());
        let fresh = Fresh::new(Timestamp::from_unix(1), seed);
        let allowed = Allowed {
            client_id: &client_id,
            user_id: &user_id,
            aud: "https://orders.example/",
            scope: Vec::new(),
            redirect_uri: CALLBACK,
            challenge: CodeChallenge::parse(CHALLENGE).unwrap(),
            epoch: Epoch { password: Timestamp::default(), withdrawn: None },
        };
        let (grant, code) = Grant::allow(GrantId::parse(&fresh.id("grant")).unwrap(), allowed, &fresh);
        let verifier = CodeVerifier::parse(VERIFIER).unwrap();
        let redemption = Redemption { code: &code, client_id: &client_id, redirect_uri: Some(CALLBACK), verifier: &verifier, refresh_life: Some(60) };
        let refresh = grant.redeem(&redemption, false, &fresh).answer.unwrap().unwrap();
        for token in [code, refresh] {
            secrets.insert(token.expose().split_once('.').unwrap().1.to_owned());
        }
    }
    assert!(secrets.len() == 20_000 && secrets.iter().all(|secret| secret.len() == 43));
    // The last place holds four bits.
    for at in 0..42 {
        let mut counts = BTreeMap::<u8, usize>::new();
        secrets.iter().for_each(|secret| *counts.entry(secret.as_bytes()[at]).or_default() += 1);
        assert!(counts.len() == 64 && counts.values().all(|count| (200..430).contains(count)), "{at}: {counts:?}");
    }
}
