//! How an origin comes to be listed and stops being it, what any other is told, and what looking for one costs.

use expect_test::expect;
use http::header::VARY;
use serde_json::{Value, json};

use super::{ENDPOINTS, FORM, OTHER, SPA, nodes, opened, page_client, posted, preflight};
use crate::http::{assert_nothing_written, outcome};
use crate::support::{Fault, json_of, shown};

#[tokio::test]
async fn no_other_origin_is_told_anything() {
    // CO-02 (CVE-2024-41657), O-23: but for `Vary` the answer is the one that a server gets
    let (_, server) = nodes().await;
    let long = format!("https://spa.example.{}", "a".repeat(4_000));
    let grant = "grant_type=refresh_token&refresh_token=x&client_id=spa";
    let forms = [("/oauth2/token", grant), ("/oauth2/revoke", "token=x&client_id=spa")];
    let mut plain = Vec::new();
    for (path, form) in forms {
        plain.push(server.post(path, "", form).await);
    }
    let mut reads = String::new();
    for origin in [
        OTHER,
        "null",
        "*",
        "",
        "http://spa.example",
        "https://spa.example:443",
        "https://spa.example:8443",
        "https://spa.example/",
        "https://spa.example.",
        "https://spa.example.evil.example",
        "https://evilspa.example",
        "https://evil.spa.example",
        "https://spa.exampl",
        "https://spa.example@evil.example",
        "https://spa.example%00.evil.example",
        "https://spa.example, https://evil.example",
        "https://evil.example https://spa.example",
        "HTTPS://SPA.EXAMPLE",
        "https://Spa.example",
        "https://spa.examplе",
        "//spa.example",
        "spa.example",
        "https://auth.example",
        &long,
    ] {
        for ((path, form), plain) in forms.iter().zip(&plain) {
            server.proxy.calls();
            let mut answer = posted(&server, path, origin, form).await;
            let calls = server.proxy.calls();
            assert_eq!(answer.headers_mut().remove(VARY).unwrap(), "Origin", "{origin:.80}");
            assert_eq!(shown(&answer), shown(plain), "{origin:.80}");
            match calls.as_str() {
                "BatchGetItem 1" => {}
                "BatchGetItem 1, GetItem 1" => reads.push_str(&format!("{path} {origin}\n")),
                other => panic!("{origin:.80}: {other}"),
            }
            let mut asked = preflight(&server, path, origin).await;
            assert_eq!(asked.headers_mut().remove(VARY).unwrap(), "Origin", "{origin:.80}");
            assert_eq!((asked.status().as_u16(), opened(&asked), asked.headers().len()), (204, None, 3), "{origin:.80}");
        }
    }
    expect![[r#"
        /oauth2/token https://evil.example
        /oauth2/revoke https://evil.example
        /oauth2/token https://spa.example:8443
        /oauth2/revoke https://spa.example:8443
        /oauth2/token https://spa.example.evil.example
        /oauth2/revoke https://spa.example.evil.example
        /oauth2/token https://evilspa.example
        /oauth2/revoke https://evilspa.example
        /oauth2/token https://evil.spa.example
        /oauth2/revoke https://evil.spa.example
        /oauth2/token https://spa.exampl
        /oauth2/revoke https://spa.exampl
        /oauth2/token https://auth.example
        /oauth2/revoke https://auth.example
    "#]]
    .assert_eq(&reads);
    for path in ENDPOINTS {
        let twice = server.send("POST", path, &[FORM, ("origin", SPA), ("origin", SPA)], grant).await;
        assert_eq!((opened(&twice), twice.headers()[VARY].to_str().unwrap()), (None, "Origin"));
    }
}

#[tokio::test]
async fn a_thousand_questions_are_no_request() {
    // CO-05: not authenticated, not written, not counted; the endpoint itself does not hear of them
    let (a, b) = nodes().await;
    b.pass(120);
    b.node().flush(&b.fresh()).await;
    let everything = async || serde_json::from_str::<Value>(&a.dump().await).unwrap();
    let before = everything().await;
    b.proxy.calls();
    for round in 0..250 {
        for path in ENDPOINTS {
            let headers = [
                ("origin", if round % 2 == 0 { SPA } else { OTHER }),
                ("access-control-request-method", "POST"),
                ("authorization", "Basic c3BhOndyb25n"),
                FORM,
            ];
            let answer = b.send("OPTIONS", path, &headers, "client_id=spa&client_secret=wrong").await;
            assert_eq!((answer.status().as_u16(), opened(&answer)), (204, (round % 2 == 0).then_some(SPA)));
            // Whatever it is that a page wants to send, and however it is asked.
            let headers = [("origin", SPA), ("access-control-request-method", "DELETE"), ("access-control-request-headers", "x-anything")];
            let answer = b.send("OPTIONS", path, &headers, "").await;
            assert_eq!(answer.headers()["access-control-allow-methods"], "POST");
        }
    }
    assert_eq!(b.proxy.calls(), "GetItem 1000");
    b.pass(120);
    b.node().flush(&b.fresh()).await;
    assert_nothing_written(&b);
    assert_eq!(everything().await, before);
}

#[tokio::test]
async fn a_request_of_a_server_costs_nothing_more() {
    // G10: one read more where there is an `Origin`, none where there is not
    let (_, server) = nodes().await;
    let mut costs = String::new();
    for (path, form) in [("/oauth2/token", "grant_type=refresh_token&refresh_token=x&client_id=spa"), ("/oauth2/revoke", "token=x&client_id=spa")] {
        for (origin, name) in [("", "no origin"), (SPA, "listed"), (OTHER, "not listed"), ("null", "no real one")] {
            server.proxy.calls();
            match origin {
                "" => server.post(path, "", form).await,
                origin => posted(&server, path, origin, form).await,
            };
            costs.push_str(&format!("{path}, {name}: {}\n", server.proxy.calls()));
        }
    }
    expect![[r#"
        /oauth2/token, no origin: BatchGetItem 1
        /oauth2/token, listed: BatchGetItem 1, GetItem 1
        /oauth2/token, not listed: BatchGetItem 1, GetItem 1
        /oauth2/token, no real one: BatchGetItem 1
        /oauth2/revoke, no origin: BatchGetItem 1
        /oauth2/revoke, listed: BatchGetItem 1, GetItem 1
        /oauth2/revoke, not listed: BatchGetItem 1, GetItem 1
        /oauth2/revoke, no real one: BatchGetItem 1
    "#]]
    .assert_eq(&costs);
}

#[tokio::test]
async fn an_origin_is_listed_until_the_last_client_lets_it_go() {
    // O-23; what one node is told counts at the other with the next request
    let (a, b) = nodes().await;
    let is_open = async |origin: &str| opened(&preflight(&b, "/oauth2/token", origin).await).is_some();
    let change = async |client: &str, origins: Value| {
        let answer = a.admin("PATCH", &format!("/clients/{client}"), json!({"allowed_origins": origins})).await;
        assert_eq!(answer.status(), 200, "{}", shown(&answer));
        json_of(&answer)["allowed_origins"].clone()
    };
    page_client(&a, "two", &[SPA, "http://127.0.0.1:5173"]).await;
    assert!(is_open("http://127.0.0.1:5173").await && !is_open("http://127.0.0.1:5174").await && !is_open("http://127.0.0.1").await);
    assert_eq!(change("two", json!([SPA, "https://next.example"])).await, json!([SPA, "https://next.example"]));
    assert!(!is_open("http://127.0.0.1:5173").await && is_open("https://next.example").await && is_open(SPA).await);
    // A change of something else, and the same again, leave everything where it is.
    a.admin("PATCH", "/clients/two", json!({"description": "x", "client_name": "Two"})).await;
    change("two", json!(["https://next.example", SPA])).await;
    assert!(is_open("https://next.example").await && is_open(SPA).await);
    assert_eq!(change("two", Value::Null).await, json!([]), "null is the default");
    assert!(!is_open("https://next.example").await && is_open(SPA).await, "the other client lists it still");
    change("two", json!([SPA])).await;
    assert_eq!(a.admin("DELETE", "/clients/spa", Value::Null).await.status(), 204);
    assert!(is_open(SPA).await, "the other client lists it still");
    let answer = posted(&b, "/oauth2/token", SPA, "grant_type=refresh_token&refresh_token=x&client_id=two").await;
    assert_eq!((outcome(&answer), opened(&answer)), ("400 invalid_grant".to_owned(), Some(SPA)));
    // A deactivated client keeps its place; one that is gone does not, nor does one that is made again by its id.
    a.admin("PATCH", "/clients/two", json!({"active": false})).await;
    assert!(is_open(SPA).await);
    assert_eq!(a.admin("DELETE", "/clients/two", Value::Null).await.status(), 204);
    assert!(!is_open(SPA).await);
    page_client(&a, "spa", &[]).await;
    assert!(!is_open(SPA).await);
    assert!(!a.dump().await.contains("\"SS\""), "no set is left");
    change("spa", json!([SPA])).await;
    assert!(is_open(SPA).await);
}

#[tokio::test]
async fn only_exact_origins_can_be_listed_and_only_by_public_clients() {
    // O-18, O-23
    let (server, _) = nodes().await;
    assert_eq!(json_of(&server.admin("GET", "/clients/spa", Value::Null).await)["allowed_origins"], json!([SPA]));
    let change = async |changes: Value| json_of(&server.admin("PATCH", "/clients/spa", changes).await)["errors"].clone();
    let eleven: Vec<String> = (1..=11).map(|port| format!("https://spa.example:{port}")).collect();
    assert_eq!(change(json!({"allowed_origins": eleven})).await, json!([{"pointer": "/allowed_origins", "detail": "must be at most 10"}]));
    assert_eq!(change(json!({"allowed_origins": SPA})).await[0]["pointer"], "/allowed_origins");
    assert_eq!(change(json!({"allowed_origins": [SPA, 1]})).await[0]["pointer"], "/allowed_origins/1");
    expect![[r#"
        [
          {
            "detail": "must be an origin as browsers send it: https, or http on 127.0.0.1 or [::1], a lower-case host, a port if it is not the scheme's own, and nothing behind it",
            "pointer": "/allowed_origins/0"
          },
          {
            "detail": "stands in the list twice",
            "pointer": "/allowed_origins/2"
          },
          {
            "detail": "must be an origin as browsers send it: https, or http on 127.0.0.1 or [::1], a lower-case host, a port if it is not the scheme's own, and nothing behind it",
            "pointer": "/allowed_origins/3"
          }
        ]"#]].assert_eq(&format!("{:#}", change(json!({"allowed_origins": ["https://spa.example/", SPA, SPA, "*"]})).await));
    expect![[r#"
        [
          {
            "detail": "must be empty for a confidential client, because a page cannot keep its secret",
            "pointer": "/allowed_origins"
          }
        ]"#]]
    .assert_eq(&format!("{:#}", change(json!({"client_type": "confidential"})).await));
    assert_eq!(change(json!({"client_type": "confidential", "allowed_origins": []})).await, Value::Null);
    assert_eq!(opened(&preflight(&server, "/oauth2/token", SPA).await), None);
}

#[tokio::test]
async fn a_table_that_does_not_answer_opens_nothing() {
    // SF-03, SF-11: the 503 as ever, and nobody waits twice
    let (_, server) = nodes().await;
    let grant = "grant_type=refresh_token&refresh_token=x&client_id=spa";
    for fault in [Fault::Error, Fault::Throttle, Fault::Garbage] {
        for path in ENDPOINTS {
            for is_question in [true, false] {
                server.proxy.calls();
                server.proxy.inject(fault, "GetItem", usize::MAX);
                let answer = if is_question { preflight(&server, path, SPA).await } else { posted(&server, path, SPA, grant).await };
                let calls = server.proxy.calls();
                assert!(calls.starts_with("GetItem ") && !calls.contains(','), "{fault:?}: {calls}");
                server.proxy.heal();
                expect![[r#"
                    503 Service Unavailable
                    cache-control: no-store
                    content-type: application/json
                    pragma: no-cache
                    retry-after: 1
                    vary: Origin
                    x-content-type-options: nosniff

                    {"error":"temporarily_unavailable","error_description":"the server cannot answer now, try again"}"#]]
                .assert_eq(&shown(&answer));
            }
        }
    }
    // Where the table fails later, it is the client's own request that failed, and its page sees it.
    server.proxy.inject(Fault::Error, "BatchGetItem", usize::MAX);
    let answer = posted(&server, "/oauth2/token", SPA, grant).await;
    server.proxy.heal();
    assert_eq!((answer.status().as_u16(), opened(&answer)), (503, Some(SPA)));
    for clients in [json!({"S": "spa"}), json!({"SS": ["spa", "no client's id"]})] {
        let item = json!({"pk": {"S": format!("origin#{SPA}")}, "sk": {"S": "origin"}, "clients": clients});
        assert_eq!(server.proxy.ask("PutItem", &json!({"TableName": server.table(), "Item": item}).to_string()).await, "{}");
        let answer = preflight(&server, "/oauth2/token", SPA).await;
        assert_eq!((answer.status().as_u16(), opened(&answer)), (503, None));
    }
}
