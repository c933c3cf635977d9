//! The authorization request and the pages that it leads through.

use serde_json::json;
use shared::endpoints::Response;

use super::{public_client, started};
use crate::browser::{Browser, CALLBACK, CHALLENGE, PASSWORD, People, location, parameter};
use crate::support::{ISSUER, Server, encoded, json_of, shown};

/// What a person sees next: the id of a form, `page` for a refusal that goes nowhere (that it has no `Location` is checked of every answer), or
/// what the client is told.
pub(super) fn seen(response: &Response) -> String {
    let html = String::from_utf8_lossy(response.body()).into_owned();
    match response.status().as_u16() {
        303 => {
            let to = location(response);
            assert!(response.body().is_empty(), "{}", shown(response));
            // AZ-16, RFC 9207: who answers is said, once, with every answer.
            assert_eq!(parameter(&to, "iss").as_deref(), Some(ISSUER), "{to}");
            assert!(to.starts_with("https://app.example/cb") || to.starts_with("http://127.0.0.1"), "{to}");
            parameter(&to, "error").unwrap_or_else(|| "code".to_owned())
        }
        200 if html.contains("id=\"sign-in\"") => "sign-in".to_owned(),
        200 if html.contains("id=\"consent\"") => "consent".to_owned(),
        400 if html.contains("id=\"fault\"") => "page".to_owned(),
        _ => panic!("{}", shown(response)),
    }
}

/// What the request with these changes leads to, by GET and by POST.
async fn asked(server: &Server, changes: &[(&str, &str)], more: &str) -> String {
    let url = format!("{}{more}", People::url(changes));
    let got = seen(&Browser::default().open(server, &url).await);
    let (path, form) = url.split_once('?').unwrap();
    assert_eq!(seen(&server.post(path, "", form).await), got, "AZ-02: {url}");
    got
}

#[tokio::test]
async fn nobody_is_sent_to_a_place_that_is_not_proven_to_be_the_clients() {
    // AZ-03, AZ-04, AZ-05, AZ-07, AZ-10, AZ-12, O-08
    let (server, _) = started().await;
    for more in ["", "&response_type=token", "&scope=nonsense", "&request_uri=https%3A%2F%2Fevil.example%2Fr"] {
        for client_id in ["", "nobody", "c_code ", "C_CODE", "c_code\0", "../c_code"] {
            assert_eq!(asked(&server, &[("client_id", client_id), ("redirect_uri", "https://evil.example/cb")], more).await, "page", "{client_id}");
        }
        for second in ["c_code", "nobody"] {
            assert_eq!(asked(&server, &[], &format!("{more}&client_id={second}")).await, "page");
            let attackers = [("redirect_uri", "https://evil.example/cb")];
            assert_eq!(asked(&server, &attackers, &format!("{more}&client_id={second}")).await, "page");
        }
        assert_eq!(asked(&server, &[], &format!("{more}&redirect_uri={}", encoded(CALLBACK))).await, "page");
        assert_eq!(asked(&server, &[("redirect_uri", "")], more).await, "page");
        assert_eq!(asked(&server, &[("redirect_uri", "")], &format!("{more}&redirect_uri=")).await, "page");
    }
    // AZ-10: missing is missing, however many are registered, and by OpenID too.
    server.admin("PATCH", "/clients/c_code", json!({"redirect_uris": [CALLBACK, "https://app.example/second"]})).await;
    assert_eq!(asked(&server, &[("redirect_uri", "https://app.example/second")], "").await, "sign-in");
    for scope in ["https://orders.example/read", "openid"] {
        assert_eq!(asked(&server, &[("redirect_uri", ""), ("scope", scope)], "").await, "page");
    }
    server.admin("PATCH", "/clients/c_code", json!({"redirect_uris": [CALLBACK]})).await;
    assert_eq!(asked(&server, &[("redirect_uri", ""), ("scope", "openid")], "").await, "page");
    let long = format!("{CALLBACK}{}", "/".repeat(4_000));
    for hostile in [
        "https://evil.example/cb",
        "https://app.example.evil.example/cb",
        "https://evil.example/?https://app.example/cb",
        "https://app.example@evil.example/cb",
        "https://app.example:password@evil.example/cb",
        "https://app.example\\@evil.example/cb",
        "https://evil.example\\.app.example/cb",
        "https:\\\\app.example\\cb",
        "https:/app.example/cb",
        "https:app.example/cb",
        "//app.example/cb",
        "/cb",
        "app.example/cb",
        "https://app.example/cb/",
        "https://app.example//cb",
        "https://app.example/./cb",
        "https://app.example/x/../cb",
        "https://app.example/cb/..",
        "https://app.example/cb;x",
        "https://app.example/c%62",
        "https://app.example/cb%2f",
        "https://app.example/cb%00",
        "https://app.example/cb?",
        "https://app.example/cb?x=1",
        "https://app.example/cb#",
        "https://app.example/cb#x",
        "https://app.example/cb%23x",
        "https://app.example/CB",
        "https://APP.example/cb",
        "HTTPS://app.example/cb",
        "http://app.example/cb",
        "https://app.example:443/cb",
        "https://app.example:444/cb",
        "https://app.example./cb",
        "https://аpp.example/cb",
        "https://app。example/cb",
        "https://xn--pp-7ka.example/cb",
        " https://app.example/cb",
        "https://app.example/cb ",
        "https://app.example/cb\n",
        "https://app.example/cb\r\nset-cookie: x=1",
        "\thttps://app.example/cb",
        "https://*.example/cb",
        "*",
        "null",
        "javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example/x",
        "https://app.example/cb,https://evil.example/cb",
        "https://app.example/cb https://evil.example/cb",
        long.as_str(),
    ] {
        assert_eq!(asked(&server, &[("redirect_uri", hostile)], "").await, "page", "{hostile:?}");
    }
    let array = format!("&redirect_uri%5B%5D={}", encoded(CALLBACK));
    assert_eq!(asked(&server, &[("redirect_uri", "")], &array).await, "page");
    server.admin("PATCH", "/clients/c_code", json!({"active": false})).await;
    assert_eq!(asked(&server, &[], "").await, "page", "TE-30: of a client that may do nothing");
}

#[tokio::test]
async fn a_query_of_a_redirect_uri_is_kept_and_a_loopback_port_is_free() {
    // AZ-06, AZ-08, AZ-09, AZ-15
    let (server, people) = started().await;
    server.admin("PATCH", "/clients/c_code", json!({"redirect_uris": ["https://app.example/cb?a=1"]})).await;
    for other in ["https://app.example/cb?a=2", "https://app.example/cb?a=1&b=2", "https://app.example/cb", "https://app.example/cb?a=1&"] {
        assert_eq!(asked(&server, &[("redirect_uri", other)], "").await, "page", "{other}");
    }
    let page = people.sign_in(&server, &People::url(&[("redirect_uri", "https://app.example/cb?a=1")]), "alice", PASSWORD).await;
    let back = location(&people.browser.press(&server, &page, "approve", &[("allow", "read")]).await);
    assert!(back.starts_with("https://app.example/cb?a=1&code=gw_ac_"), "{back}");
    public_client(&server, &people, json!({"redirect_uris": ["http://127.0.0.1/cb"]})).await;
    for (uri, expected) in [
        ("http://127.0.0.1:51004/cb", "sign-in"),
        ("http://127.0.0.1/cb", "sign-in"),
        ("http://localhost:51004/cb", "page"),
        ("http://127.0.0.1:51004/other", "page"),
        ("http://127.0.0.2/cb", "page"),
        ("http://127.1/cb", "page"),
        ("http://0x7f.1/cb", "page"),
        ("http://2130706433/cb", "page"),
        ("http://[::1]:51004/cb", "page"),
        ("https://127.0.0.1:51004/cb", "page"),
        ("http://127.0.0.1:51004@evil.example/cb", "page"),
        ("http://127.0.0.1:x/cb", "page"),
        ("http://127.0.0.1:/cb", "page"),
    ] {
        assert_eq!(asked(&server, &[("client_id", "p1"), ("redirect_uri", uri)], "").await, expected, "{uri}");
    }
    for refused in [
        "javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example/x",
        "http://app.example/cb",
        "https://app.example/cb#x",
        "https://app.example/cb?code=evil",
        "https://app.example/cb?x=1&iss=https://evil.example",
        "https://app.example/cb?st%61te=1",
        "https://app.example;script-src/cb",
    ] {
        let answer = server.admin("PATCH", "/clients/c_code", json!({"redirect_uris": [refused]})).await;
        assert_eq!((answer.status().as_u16(), &json_of(&answer)["errors"][0]["pointer"]), (400, &json!("/redirect_uris/0")), "{refused}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_to_the_client() {
    // AZ-11, AZ-12, AZ-14, AZ-16, AZ-18 (at once, and nobody is signed in), PK-02, PK-03, PK-04, PK-08 (no client is exempt), PK-09, O-09, TE-14, TE-28
    let (server, people) = started().await;
    let long = "s".repeat(4_097);
    let (short, other_length, longest, too_long) = (&CHALLENGE[1..], format!("{CHALLENGE}A"), "A".repeat(128), "A".repeat(129));
    for (changes, expected) in [
        (("response_type", ""), "invalid_request"),
        (("response_type", "foo"), "unsupported_response_type"),
        (("response_type", "code code"), "unsupported_response_type"),
        (("response_type", "code token"), "unsupported_response_type"),
        (("response_type", "CODE"), "unsupported_response_type"),
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", "id_token"), "unsupported_response_type"),
        (("response_type", "none"), "unsupported_response_type"),
        (("response_mode", "fragment"), "invalid_request"),
        (("state", long.as_str()), "invalid_request"),
        (("request", "ey.J.x"), "request_not_supported"),
        (("request_uri", "https://app.example/r"), "request_not_supported"),
        (("scope", "nonsense"), "invalid_scope"),
        (("scope", "https://billing.example/read"), "invalid_scope"),
        (("scope", "https://orders.example/READ"), "invalid_scope"),
        (("scope", "a\"b"), "invalid_scope"),
        (("resource", "https://billing.example/"), "invalid_target"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", "s256"), "invalid_request"),
        (("code_challenge_method", "S512"), "invalid_request"),
        (("code_challenge", short), "invalid_request"),
        (("code_challenge", other_length.as_str()), "invalid_request"),
        (("code_challenge", longest.as_str()), "invalid_request"),
        (("code_challenge", too_long.as_str()), "invalid_request"),
        (("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c="), "invalid_request"),
        (("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"), "invalid_request"),
        (("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw/cM"), "invalid_request"),
        (("code_challenge", "É9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c"), "invalid_request"),
    ] {
        assert_eq!(asked(&server, &[changes], "").await, expected, "{changes:?}");
        let to = location(&Browser::default().open(&server, &People::url(&[changes])).await);
        assert_eq!(parameter(&to, "state").as_deref(), (changes.0 != "state").then_some("xyz"), "{to}");
        assert!(!to.contains("access_token") && !to.contains("code=gw"), "{to}");
    }
    for repeated in ["state=xyz", "scope=read", "code_challenge=x", "response_type=code", "code_challenge_method=S256", "response_mode=query"] {
        let more = if repeated.starts_with("response_mode") { format!("&{repeated}&{repeated}") } else { format!("&{repeated}") };
        assert_eq!(asked(&server, &[], &more).await, "invalid_request", "{repeated}");
        let to = location(&Browser::default().open(&server, &format!("{}{more}", People::url(&[]))).await);
        assert_eq!(parameter(&to, "state").as_deref(), (repeated != "state=xyz").then_some("xyz"), "{to}");
    }
    // PK-02, PK-04: a public client without a challenge, and an empty one is none.
    public_client(&server, &people, json!({})).await;
    for client_id in ["c_code", "p1"] {
        for (name, more) in [("code_challenge", ""), ("code_challenge", "&code_challenge="), ("code_challenge_method", "&code_challenge_method=")] {
            assert_eq!(asked(&server, &[("client_id", client_id), (name, "")], more).await, "invalid_request", "{client_id} {name}");
        }
        assert_eq!(asked(&server, &[("client_id", client_id)], "").await, "sign-in");
    }
    server.client("c_cc", json!({"redirect_uris": [CALLBACK]})).await;
    assert_eq!(asked(&server, &[("client_id", "c_cc")], "").await, "unauthorized_client");
    let implicit = json!({"client_name": "x", "grant_types": ["implicit"], "redirect_uris": [CALLBACK]});
    let refused = server.admin("POST", "/clients", implicit).await;
    assert!(refused.status() == 400 && String::from_utf8_lossy(refused.body()).contains("disabled on this server"), "{}", shown(&refused));
}

#[tokio::test]
async fn state_comes_back_byte_for_byte() {
    // AZ-14, AZ-15, AZ-17, O-08
    let (server, people) = started().await;
    let long = "s".repeat(4_096);
    for state in ["a b", "a+b", "100%", "x&code=y", "x#y", "\"'<>", "🔑é", "x\r\nset-cookie: a=b", "&error=x&iss=y", "%2526", long.as_str(), ""] {
        let url = People::url(&[("state", state)]);
        let mut page = people.browser.open(&server, &url).await;
        if seen(&page) == "sign-in" {
            page = people.sign_in(&server, &url, "alice", PASSWORD).await;
        }
        let answer = people.browser.press(&server, &page, "deny", &[]).await;
        let to = location(&answer);
        assert_eq!((seen(&answer).as_str(), parameter(&to, "state").unwrap_or_default().as_str()), ("access_denied", state), "{to}");
        assert_eq!((parameter(&to, "code"), state.is_empty() && to.contains("state")), (None, false), "{to}");
    }
    let empty = format!("{}&state=", People::url(&[("state", "")]));
    let to = location(&people.browser.press(&server, &people.browser.open(&server, &empty).await, "deny", &[]).await);
    assert!(!to.contains("state"), "{to}");
    let dump = server.dump().await;
    assert!(dump.contains("grant.denied") && !dump.contains("code_issued") && !dump.contains("gw_ac_"), "a denial is kept, and no code");
    // With a code too there is one of each, and they are the server's.
    people.code(&server).await;
    for state in ["x&code=y", "&error=x&iss=y", "x\r\nset-cookie: a=b"] {
        let to = location(&people.browser.open(&server, &People::url(&[("state", state)])).await);
        assert!(parameter(&to, "code").unwrap().starts_with("gw_ac_") && to.matches("code=").count() == 1, "{to}");
        assert_eq!((parameter(&to, "state").as_deref(), parameter(&to, "error")), (Some(state), None), "{to}");
    }
    let to = location(&people.browser.open(&server, &empty).await);
    assert!(parameter(&to, "code").is_some() && !to.contains("state"), "{to}");
}

#[tokio::test]
async fn parameters_that_nobody_knows_change_nothing() {
    // AZ-13, AZ-02, IN-08
    let (server, people) = started().await;
    let many: String = (0..500).map(|at| format!("&extra_{at}=foobar")).collect();
    let url = format!("{}{many}", People::url(&[]));
    let page = people.sign_in(&server, &url, "alice", PASSWORD).await;
    assert_eq!(seen(&people.browser.press(&server, &page, "approve", &[("allow", "read")]).await), "code");
    let (path, form) = url.split_once('?').unwrap();
    assert_eq!(seen(&server.post(path, "", form).await), "sign-in");
    assert_eq!(server.post(path, "", &format!("{form}&x={}", "x".repeat(70_000))).await.status(), 413);
    // AZ-13: of a GET the gateway in front has the say; here what nobody knows is not carried on.
    let long = Browser::default().open(&server, &format!("{url}&x={}", "x".repeat(70_000))).await;
    assert!(seen(&long) == "sign-in" && long.body().len() < 10_000);
    // AZ-02: whoever is signed in gets by POST what they get by GET.
    for (scope, expected) in [("https://orders.example/read", "code"), ("https://orders.example/write", "consent"), ("x", "invalid_scope")] {
        let url = People::url(&[("scope", scope)]);
        assert_eq!(seen(&people.browser.open(&server, &url).await), expected);
        assert_eq!(seen(&people.browser.post(&server, &url).await), expected);
    }
}
