//! The consent page and the forms: what they show, whom they serve, and what nobody can do to them.

use serde_json::{Value, json};

use super::authorize::seen;
use super::{OTHER, public_client, started};
use crate::browser::{Browser, CALLBACK, PASSWORD, People, SIGN_OUT, field, location, parameter};
use crate::support::{ISSUER, Server, claims, encoded, json_of};

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
    let (server, people) = started().await;
    for (name, inert) in [
        ("<script>alert(1)</script>", "&#60;script&#62;alert(1)&#60;/script&#62;"),
        ("\"><img src=x onerror=alert(1)>", "&#34;&#62;&#60;img src=x onerror=alert(1)&#62;"),
        ("The \u{202e}bank\u{2066}", "The bank<"),
        ("\u{200e}The\u{200f} \u{61c}bank\u{202a}\u{2069}", "The bank<"),
        // A homoglyph is a letter: what tells it from the other client is the host.
        ("The sh\u{43e}p&s app", "The sh\u{43e}p&#38;s app"),
    ] {
        assert_eq!(server.admin("PATCH", "/clients/c_code", json!({"client_name": name})).await.status(), 200);
        let other = People::default();
        let page = other.sign_in(&server, &People::url(&[]), "alice", PASSWORD).await;
        let html = String::from_utf8_lossy(page.body()).into_owned();
        for shown in [inert, "https://app.example<", "https://orders.example/read", "alice"] {
            assert!(html.contains(shown), "{shown}: {html}");
        }
        let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").contains("form-action 'self' https://app.example;"));
    }
    let long = server.admin("PATCH", "/clients/c_code", json!({"client_name": "x".repeat(10_000)})).await;
    assert_eq!((long.status().as_u16(), &json_of(&long)["errors"][0]["pointer"]), (400, &json!("/client_name")));
    // What others have written: the name of a user, the description of a scope.
    let hostile = "<b>\u{202e}x</b>";
    let scopes = json!([{"value": "read", "description": format!("Read {hostile}")}, {"value": "write"}]);
    assert_eq!(server.admin("PATCH", "/apis/orders", json!({"scopes": scopes})).await.status(), 200);
    assert_eq!(server.admin("PATCH", &format!("/users/{}", people.alice), json!({"username": hostile})).await.status(), 200);
    let page = people.sign_in(&server, &People::url(&[]), hostile, PASSWORD).await;
    let html = String::from_utf8_lossy(page.body()).into_owned();
    assert!(html.contains("Read &#60;b&#62;x&#60;/b&#62;<") && html.contains(">&#60;b&#62;x&#60;/b&#62;<"), "{html}");
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
    // AZ-29: another user's request with this user's cookie, and the other way round.
    assert_eq!(server.admin("PUT", &format!("/clients/c_code/assignments/users/{}", bob_of(&server).await), Value::Null).await.status(), 204);
    let bobs = People::default();
    let his = bobs.sign_in(&server, &People::url(&[]), "bob", PASSWORD).await;
    assert_eq!((seen(&his).as_str(), field(&his, "request") == request), ("consent", false));
    assert_eq!(post(&cookies, ISSUER, &field(&his, "request"), &field(&his, "proof"), "").await, "page");
    assert_eq!(seen(&bobs.browser.press(&server, &page, "approve", &[("allow", "read")]).await), "page");
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

/// The id of bob.
async fn bob_of(server: &Server) -> String {
    let found = json_of(&server.admin("GET", "/users?realm=staff&username=bob", Value::Null).await);
    found["items"][0]["user_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_button_works_for_another_site_or_without_a_proof() {
    // AZ-24: signing in, allowing, denying and signing out; what is refused has done nothing
    let (server, people) = started().await;
    let consent = people.sign_in(&server, &People::url(&[]), "alice", PASSWORD).await;
    let stranger = Browser::default();
    let sign_in = stranger.open(&server, &People::url(&[])).await;
    let filled = format!("&username=alice&password={}", encoded(PASSWORD));
    for (browser, page, action, more) in [
        (&stranger, &sign_in, "sign_in", filled.as_str()),
        (&people.browser, &consent, "sign_out", ""),
        (&people.browser, &consent, "deny", ""),
        (&people.browser, &consent, "approve", "&allow=read"),
    ] {
        let (request, proof) = (encoded(&field(page, "request")), encoded(&field(page, "proof")));
        let cookies = browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        for (origin, proof) in [
            (ISSUER, ""),
            (ISSUER, &proof[1..]),
            (OTHER, &proof),
            ("https://auth.example:444", &proof),
            ("http://auth.example", &proof),
            ("https://app.example", &proof),
        ] {
            let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin), ("cookie", cookies.as_str())];
            let body = format!("request={request}&proof={proof}&action={action}{more}");
            let answer = server.send("POST", "/oauth2/authorize", &headers, body).await;
            assert_eq!((seen(&answer).as_str(), answer.headers().contains_key("set-cookie")), ("page", false), "{action} {origin}");
        }
        assert_eq!(seen(&people.browser.open(&server, &People::url(&[])).await), "consent", "the session is as it was: {action}");
    }
    assert!(!server.dump().await.contains("grant#"));
    assert_eq!(seen(&people.browser.press(&server, &consent, "approve", &[("allow", "read")]).await), "code", "and so is the request");
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
    let new = People::url(&[("scope", "https://orders.example/write")]);
    // AZ-28: what scans links gets the page as often as it likes, and the first is still good.
    let first = people.browser.open(&server, &new).await;
    for _ in 0..3 {
        assert_eq!(seen(&people.browser.open(&server, &new).await), "consent");
        assert_eq!(seen(&Browser::default().open(&server, &new).await), "sign-in");
    }
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
        server.send("GET", &new, &[("origin", origin)], "").await;
        let page = server.send("GET", &new, &[("origin", origin), ("cookie", &cookies)], "").await;
        assert_eq!(seen(&page), "consent");
        server.send("OPTIONS", "/oauth2/token", &[("origin", origin), ("access-control-request-method", "POST")], "").await;
    }
    assert_eq!(grants().await, before);
    assert_eq!(seen(&people.browser.press(&server, &first, "approve", &[("allow", "write")]).await), "code");
    let signed_out = json_of(&server.admin("GET", "/audit?client_id=c_code", Value::Null).await);
    assert!(signed_out["items"].as_array().unwrap().iter().any(|event| event["event"] == "grant.allowed"));
}

#[tokio::test]
async fn who_is_never_asked_again_signs_out_on_a_page_of_its_own() {
    // LO-09, AZ-23, AZ-24, AZ-28, RT-10: at one node, and it holds at the other; what was granted before lives on
    let (server, people) = started().await;
    let other_node = server.another().await;
    let granted = people.granted(&server).await;
    let browser = &people.browser;
    assert_eq!(seen(&browser.open(&server, &People::url(&[])).await), "code", "nothing is asked");
    let page = browser.open(&server, SIGN_OUT).await;
    let html = String::from_utf8_lossy(page.body()).into_owned();
    assert!(page.status() == 200 && html.contains("You are signed in as <strong id=\"username\">alice</strong>"), "{html}");
    assert!(html.contains("<form id=\"sign-out\" method=\"post\" action=\"/oauth2/authorize/sign-out\">"), "{html}");
    // Neither looking, nor a form without the session's proof, nor one of another site or another session ends it.
    let stranger = People::default();
    stranger.sign_in(&server, &People::url(&[]), "alice", PASSWORD).await;
    let theirs = field(&stranger.browser.open(&server, SIGN_OUT).await, "proof");
    for proof in ["", "x", &theirs] {
        assert_eq!(seen(&browser.sign_out(&server, proof).await), "page", "{proof}");
    }
    let cookies = browser.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let proof = field(&page, "proof");
    let from_elsewhere = [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://evil.example"), ("cookie", &cookies)];
    assert_eq!(seen(&server.send("POST", SIGN_OUT, &from_elsewhere, format!("proof={}", encoded(&proof))).await), "page");
    assert_eq!(server.send("DELETE", SIGN_OUT, &[("cookie", &cookies)], "").await.status(), 405);
    assert_eq!(server.send("HEAD", SIGN_OUT, &[("cookie", &cookies)], "").await.status(), 200);
    assert_eq!(seen(&browser.open(&other_node, &People::url(&[])).await), "code", "the session lives");
    let signed_out = browser.sign_out(&other_node, &proof).await;
    let html = String::from_utf8_lossy(signed_out.body()).into_owned();
    assert!(signed_out.status() == 200 && html.contains("You are signed out") && !html.contains("<form"), "{html}");
    assert!(!browser.cookies.borrow().contains_key("__Host-gatewright_session"));
    // Who kept the cookie has nothing of it, at either node.
    for node in [&server, &other_node] {
        assert_eq!(seen(&node.send("GET", &People::url(&[]), &[("cookie", &cookies)], "").await), "sign-in");
        let again = node.send("GET", SIGN_OUT, &[("cookie", &cookies)], "").await;
        assert!(String::from_utf8_lossy(again.body()).contains("You are signed out"));
    }
    assert_eq!(seen(&stranger.browser.open(&server, &People::url(&[])).await), "code", "another session of the same user is another one");
    let refresh = format!("grant_type=refresh_token&refresh_token={}", encoded(&granted.refresh_token));
    assert_eq!(server.post("/oauth2/token", &people.client, &refresh).await.status(), 200);
}
