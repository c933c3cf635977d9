//! The authorization request and the pages that it leads through.

use serde_json::{Value, json};
use shared::endpoints::Response;

use super::{OTHER, public_client, started};
use crate::browser::{Browser, CALLBACK, CHALLENGE, PASSWORD, People, field, location, parameter};
use crate::support::{ISSUER, Server, claims, encoded, json_of, shown};

/// What a person sees next: the id of a form, `page` for a refusal that goes nowhere, or what the client is told.
fn seen(response: &Response) -> String {
    let html = String::from_utf8_lossy(response.body()).into_owned();
    match response.status().as_u16() {
        303 => {
            let to = location(response);
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
        assert_eq!(asked(&server, &[], &format!("{more}&client_id=c_code")).await, "page");
        assert_eq!(asked(&server, &[], &format!("{more}&redirect_uri={}", encoded(CALLBACK))).await, "page");
        assert_eq!(asked(&server, &[("redirect_uri", "")], more).await, "page");
    }
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
        assert_eq!(answer.status(), 400, "{refused}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_to_the_client() {
    // AZ-11, AZ-12, AZ-14, AZ-16, PK-02, PK-03, PK-04, PK-09, O-09, TE-14, TE-28
    let (server, _) = started().await;
    let long = "s".repeat(4_097);
    let (short, other_length, too_long) = (&CHALLENGE[1..], format!("{CHALLENGE}A"), "A".repeat(129));
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
    let dump = server.dump().await;
    assert!(dump.contains("grant.denied") && !dump.contains("code_issued") && !dump.contains("gw_ac_"), "a denial is kept, and no code");
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
}

#[tokio::test]
async fn consent_is_asked_for_what_is_new_and_by_a_public_client_each_time() {
    // AZ-19, AZ-26, G-19, I-26
    let (server, people) = started().await;
    let both = "https://orders.example/read https://orders.example/write";
    let page = people.sign_in(&server, &People::url(&[("scope", both)]), "alice", PASSWORD).await;
    assert_eq!(String::from_utf8_lossy(page.body()).matches("name=\"allow\"").count(), 2);
    let back = location(&people.browser.press(&server, &page, "approve", &[("allow", "read")]).await);
    let tokens = json_of(&people.redeem(&server, &parameter(&back, "code").unwrap()).await);
    assert_eq!((&tokens["scope"], &claims(tokens["access_token"].as_str().unwrap())["scope"]), (&json!("read"), &json!("read")));
    // What was allowed once is not asked again, and what is asked with it is asked alone.
    assert_eq!(seen(&people.browser.open(&server, &People::url(&[])).await), "code");
    let page = people.browser.open(&server, &People::url(&[("scope", both)])).await;
    let html = String::from_utf8_lossy(page.body()).into_owned();
    assert!(html.contains("https://orders.example/write") && !html.contains("https://orders.example/read"), "{html}");
    let back = location(&people.browser.press(&server, &page, "approve", &[("allow", "write")]).await);
    assert_eq!(json_of(&people.redeem(&server, &parameter(&back, "code").unwrap()).await)["scope"], json!("read write"));
    // AZ-17: who allows nothing of it has said no.
    public_client(&server, &people, json!({})).await;
    for fields in [&[][..], &[("allow", "read")], &[("allow", "read")]] {
        let page = people.browser.open(&server, &People::url(&[("client_id", "p1")])).await;
        assert_eq!(seen(&page), "consent");
        let expected = if fields.is_empty() { "access_denied" } else { "code" };
        assert_eq!(seen(&people.browser.press(&server, &page, "approve", fields).await), expected);
    }
}

#[tokio::test]
async fn the_consent_page_shows_who_asks_and_nothing_in_it_runs() {
    // AZ-20, AZ-21, AZ-22, AZ-30, G-15
    let (server, _) = started().await;
    for (name, inert) in [
        ("<script>alert(1)</script>", "&#60;script&#62;alert(1)&#60;/script&#62;"),
        ("\"><img src=x onerror=alert(1)>", "&#34;&#62;&#60;img src=x onerror=alert(1)&#62;"),
        ("The \u{202e}bank\u{2066}", "The bank<"),
    ] {
        server.admin("PATCH", "/clients/c_code", json!({"client_name": name})).await;
        let other = People::default();
        let page = other.sign_in(&server, &People::url(&[]), "alice", PASSWORD).await;
        let html = String::from_utf8_lossy(page.body()).into_owned();
        for shown in [inert, "https://app.example<", "https://orders.example/read", "alice"] {
            assert!(html.contains(shown), "{shown}: {html}");
        }
        let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").contains("form-action 'self' https://app.example;"));
        assert_eq!((header("strict-transport-security").as_str(), header("x-content-type-options").as_str()), ("max-age=31536000", "nosniff"));
        assert!(!html.contains("src=\"http") && !html.contains("url("), "nothing is loaded from elsewhere");
    }
    let long = server.admin("PATCH", "/clients/c_code", json!({"client_name": "x".repeat(10_000)})).await;
    assert_eq!(long.status(), 400);
    // A CSP knows no address of IPv6 and no host of a private scheme: their scheme has to do.
    for (uri, source) in
        [("http://[::1]:5000/cb", "http:"), ("com.example.app:/cb", "com.example.app:"), ("com.example.app://cb/x", "com.example.app:")]
    {
        server.admin("PATCH", "/clients/c_code", json!({"client_name": "x", "redirect_uris": [uri]})).await;
        let page = Browser::default().open(&server, &People::url(&[("redirect_uri", uri)])).await;
        let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains(&format!("form-action 'self' {source};")), "{policy}");
    }
}

#[tokio::test]
async fn a_form_is_good_only_in_the_browser_that_it_was_made_for_and_once() {
    // AZ-24, AZ-25, AZ-29, G-15
    let (server, people) = started().await;
    let page = people.sign_in(&server, &People::url(&[]), "alice", PASSWORD).await;
    let cookies = people.browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let (request, proof) = (field(&page, "request"), field(&page, "proof"));
    let post = async |cookies: &str, origin: &str, request: &str, proof: &str, more: &str| {
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded"), ("origin", origin)];
        if !cookies.is_empty() {
            headers.push(("cookie", cookies));
        }
        let body = format!("request={}&proof={}&action=approve&allow=read{more}", encoded(request), encoded(proof));
        seen(&server.send("POST", "/oauth2/authorize", &headers, body).await)
    };
    assert_eq!(post(&cookies, ISSUER, &request, "", "").await, "page", "without a proof");
    assert_eq!(post("", ISSUER, &request, &proof, "").await, "page", "without a cookie");
    assert_eq!(post(&cookies, "https://evil.example", &request, &proof, "").await, "page", "from another site");
    assert_eq!(post(&cookies, "https://auth.example.evil.example", &request, &proof, "").await, "page");
    // Another browser's proof, and the proof of another request.
    let (other, second) = (People::default(), people.browser.open(&server, &People::url(&[("state", "second")])).await);
    let stolen = other.sign_in(&server, &People::url(&[]), "alice", PASSWORD).await;
    assert_eq!(post(&cookies, ISSUER, &request, &field(&stolen, "proof"), "").await, "page");
    assert_eq!(post(&cookies, ISSUER, &field(&stolen, "request"), &field(&stolen, "proof"), "").await, "page");
    assert_eq!(post(&cookies, ISSUER, &request, &field(&second, "proof"), "").await, "page");
    let cut = &request[..request.len() - 1];
    assert_eq!(post(&cookies, ISSUER, cut, &proof, "").await, "page");
    assert!(!server.dump().await.contains("grant#"));
    // Whatever is added, the grant is what the page showed.
    let more = "&allow=write&scope=https%3A%2F%2Forders.example%2Fwrite&client_id=p1&redirect_uri=https%3A%2F%2Fevil.example&code_challenge=x&sub=u-1&state=evil";
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", "null"), ("cookie", cookies.as_str())];
    let body = format!("request={}&proof={}&action=approve&allow=read{more}", encoded(&request), encoded(&proof));
    let back = location(&server.send("POST", "/oauth2/authorize", &headers, body).await);
    assert!(back.starts_with(CALLBACK) && parameter(&back, "state").as_deref() == Some("xyz"), "{back}");
    let tokens = json_of(&people.redeem(&server, &parameter(&back, "code").unwrap()).await);
    assert_eq!((&tokens["scope"], &claims(tokens["access_token"].as_str().unwrap())["sub"]), (&json!("read"), &json!(people.alice)));
    assert_eq!(post(&cookies, ISSUER, &request, &proof, "").await, "page", "a second time");
    // A request that was denied stays denied, and one that was allowed is not denied any more.
    let denied = people.browser.open(&server, &People::url(&[("scope", "https://orders.example/write")])).await;
    assert_eq!(seen(&people.browser.press(&server, &denied, "deny", &[]).await), "access_denied");
    for button in ["approve", "deny"] {
        assert_eq!(seen(&people.browser.press(&server, &denied, button, &[("allow", "write")]).await), "page", "{button}");
    }
    assert_eq!(seen(&people.browser.press(&server, &page, "deny", &[]).await), "page");
    server.pass(900);
    let late = people.browser.press(&server, &second, "approve", &[("allow", "read")]).await;
    assert_eq!(seen(&late), "page", "after a quarter of an hour");
}

#[tokio::test]
async fn who_only_looks_starts_nothing() {
    // AZ-27, AZ-28, CO-02, CO-03. That no answer opens itself to other origins is checked of every answer.
    let (server, people) = started().await;
    people.sign_in(&server, &People::url(&[]), "alice", PASSWORD).await;
    people.code(&server).await;
    let cookies = people.browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let grants = async || server.dump().await.matches("\"grant#").count();
    let before = grants().await;
    let url = People::url(&[]);
    let head = server.send("HEAD", &url, &[("cookie", &cookies)], "").await;
    assert_eq!((head.status().as_u16(), head.body().is_empty()), (200, true));
    let ahead = server.send("GET", &url, &[("cookie", &cookies), ("sec-purpose", "prefetch;prerender")], "").await;
    assert_eq!((ahead.status().as_u16(), ahead.headers().get("location")), (204, None));
    for method in ["OPTIONS", "PUT", "DELETE", "PATCH"] {
        let headers = [("origin", OTHER), ("access-control-request-method", "POST"), ("cookie", cookies.as_str())];
        assert_eq!(server.send(method, &url, &headers, "").await.status(), 405, "{method}");
    }
    for origin in [OTHER, "null", "https://app.example"] {
        server.send("GET", &url.replace("c_code", "nobody"), &[("origin", origin)], "").await;
        server.send("OPTIONS", "/oauth2/token", &[("origin", origin), ("access-control-request-method", "POST")], "").await;
    }
    assert_eq!(grants().await, before);
    let signed_out = json_of(&server.admin("GET", "/audit?client_id=c_code", Value::Null).await);
    assert!(signed_out["items"].as_array().unwrap().iter().any(|event| event["event"] == "grant.allowed"));
}
