//! Client authentication at the endpoints (RFC 6749 §2.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use serde_json::{Value, json};

use crate::http::{assert_nothing_written, outcome};
use crate::support::{ADMIN, ADMIN_SECRET, Server, basic, encoded, json_of, shown};

const GRANT: &str = "grant_type=client_credentials";

fn raw(joined: &[u8]) -> String {
    format!("Basic {}", STANDARD.encode(joined))
}

async fn token(server: &Server, authorization: &str, form: &str) -> String {
    outcome(&server.post("/oauth2/token", authorization, &format!("{GRANT}&{form}")).await)
}

/// A server with the client `c_cc`, and its secret.
async fn with_client(changes: Value) -> (Server, String) {
    let server = Server::start().await;
    server.fixtures().await;
    let mut body =
        json!({"client_id": "c_cc", "client_name": "c_cc", "grant_types": ["client_credentials"], "scopes": ["https://orders.example/read"]});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let created = server.create("/clients", body).await;
    let secret = created["client_secret"].as_str().unwrap_or_default().to_owned();
    (server, secret)
}

#[tokio::test]
async fn the_right_secret_by_the_registered_method() {
    // CA-01, CA-08, CA-10, CA-12, A-04
    let (server, secret) = with_client(json!({})).await;
    let right = basic("c_cc", &secret);
    for spelling in [right.clone(), right.replace("Basic", "basic"), right.replace("Basic", "BASIC"), right.replace("Basic ", "Basic  ")] {
        assert_eq!(token(&server, &spelling, "").await, "200", "{spelling}");
    }
    assert_eq!(token(&server, &right, "client_id=c_cc").await, "200", "the same id in the body is no second method");
    assert_eq!(token(&server, "", &format!("client_id=c_cc&client_secret={secret}")).await, "401 invalid_client", "registered for Basic");
    assert_eq!(token(&server, right.strip_prefix("Basic ").unwrap(), "").await, "401 invalid_client", "A-04: without the word Basic");

    let created = server
        .create(
            "/clients",
            json!({"client_id": "c_post", "client_name": "c_post", "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "client_secret_post", "scopes": ["https://orders.example/read"]}),
        )
        .await;
    let secret = created["client_secret"].as_str().unwrap();
    assert_eq!(token(&server, "", &format!("client_id=c_post&client_secret={secret}")).await, "200");
    assert_eq!(token(&server, &basic("c_post", secret), "").await, "401 invalid_client", "registered for the body");
}

#[tokio::test]
async fn every_failure_looks_the_same() {
    // CA-02, CA-03, CA-07, CA-11, CA-15, CA-16, A-06, SE-04 (the body; the time is measured elsewhere)
    let (server, secret) = with_client(json!({})).await;
    server.client("c_off", json!({"active": false})).await;
    server.proxy.calls();
    let reference = server.post("/oauth2/token", &basic("c_cc", "wrong"), GRANT).await;
    expect![[r#"
        401 Unauthorized
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        www-authenticate: Basic realm="gatewright"
        x-content-type-options: nosniff

        {"error":"invalid_client","error_description":"client authentication failed"}"#]]
    .assert_eq(&shown(&reference));
    let megabyte = "A".repeat(1 << 20);
    let headers = [
        basic("nobody", "wrong"),
        basic("nobody", &secret),
        basic("c_cc", ""),
        basic("", ""),
        basic("", &secret),
        basic("c_off", "x"),
        basic("c_cc", &secret[..secret.len() - 1]),
        basic("c_cc", &format!("{secret}x")),
        basic("c_cc", &secret.to_uppercase()),
        basic("c_cc", &format!("{secret} ")),
        // CA-16: identifiers are compared byte by byte.
        basic("C_CC", &secret),
        basic("c_cc ", &secret),
        basic(" c_cc", &secret),
        basic("c_cc\0", &secret),
        basic("ｃ_cc", &secret),
        basic("c\u{301}_cc", &secret),
        // CA-07
        raw(b"c_cc"),
        raw(b"c_cc:\xff"),
        raw(b"\xff:x"),
        raw(b":"),
        raw(b""),
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic ###".to_owned(),
        "Basic Y19jYw".to_owned(),
        format!("Basic {megabyte}"),
        format!("Basic {}", STANDARD.encode(format!("c_cc:{megabyte}"))),
        format!("Bearer {secret}"),
        format!("Digest {secret}"),
        secret.clone(),
    ];
    for header in headers {
        assert_eq!(shown(&server.post("/oauth2/token", &header, GRANT).await), shown(&reference), "{header:.80}");
    }
    let bodies = [
        "client_id=c_cc&client_secret=wrong".to_owned(),
        "client_id=nobody&client_secret=wrong".to_owned(),
        "client_id=nobody".to_owned(),
        "client_id=c_cc".to_owned(),
        format!("client_secret={secret}"),
        format!("client_id=C_CC&client_secret={secret}"),
        format!("client_id=c_cc%00&client_secret={secret}"),
        format!("client_id=c_cc%20&client_secret={secret}"),
        format!("client_id=%EF%BD%83_cc&client_secret={secret}"),
        "client_id=c_cc&client_secret=".to_owned(),
        String::new(),
    ];
    for body in bodies {
        assert_eq!(shown(&server.post("/oauth2/token", "", &format!("{GRANT}&{body}")).await), shown(&reference), "{body}");
    }
    // CA-11: never in the query.
    let in_query = server.post(&format!("/oauth2/token?client_id=c_cc&client_secret={secret}&{GRANT}"), "", GRANT).await;
    assert_eq!(shown(&in_query), shown(&reference));
    assert_nothing_written(&server);
    // A-06: with good credentials a bad request is a bad request.
    assert_eq!(outcome(&server.post("/oauth2/token", &basic("c_cc", &secret), "grant_type=foo").await), "400 unsupported_grant_type");
}

#[tokio::test]
async fn id_and_secret_are_form_decoded_once() {
    // CA-04, CA-05, CA-06. ADMIN_SECRET has `:`, `%`, `+`, `&`, `=`, space, é and an emoji.
    let server = Server::start().await;
    let encoded_secret = encoded(ADMIN_SECRET);
    let good = [
        encoded_secret.clone(),
        encoded_secret.replace("%20", "+"),
        encoded_secret.to_lowercase(),
        encoded_secret.replace("%3A", ":"),
        encoded_secret.replace("%2C", ",").replace("%21", "!").replace("%26", "&").replace("%3D", "="),
    ];
    for secret in good {
        assert_eq!(token(&server, &raw(format!("root:{secret}").as_bytes()), "").await, "200", "{secret}");
    }
    // Pinned: the encoding is required. A raw `+` is a space, and a raw `%` is malformed: one secret has one meaning.
    let bad = [
        ADMIN_SECRET.to_owned(),
        encoded_secret.replace("%2B", "+"),
        encoded_secret.replace("%25", "%"),
        encoded_secret.replace("%25", "%zz"),
        encoded_secret.replace('%', "%25"),
        encoded_secret.replace("%3A", "%253A"),
        ADMIN_SECRET.replace('%', ""),
        "%".to_owned(),
        "%zz".to_owned(),
    ];
    for secret in bad {
        assert_eq!(token(&server, &raw(format!("root:{secret}").as_bytes()), "").await, "401 invalid_client", "{secret}");
    }
    assert_eq!(token(&server, &raw(format!("r%6Fot:{encoded_secret}").as_bytes()), "").await, "200", "the id is encoded too");
}

#[tokio::test]
async fn one_method_at_a_time() {
    // CA-09, CA-10
    let (server, secret) = with_client(json!({})).await;
    let right = basic("c_cc", &secret);
    server.proxy.calls();
    for form in [
        format!("client_secret={secret}"),
        format!("client_id=c_cc&client_secret={secret}"),
        "client_assertion=x&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
        "client_assertion=x".to_owned(),
        "client_id=c_other".to_owned(),
        "client_id=C_CC".to_owned(),
    ] {
        assert_eq!(token(&server, &right, &form).await, "400 invalid_request", "{form}");
    }
    assert_eq!(token(&server, "", &format!("client_id=c_cc&client_secret={secret}&client_assertion=x")).await, "400 invalid_request");
    assert_eq!(token(&server, "", "client_id=c_cc&client_assertion=x").await, "401 invalid_client", "assertions are not offered (CA-26)");
    assert_nothing_written(&server);
    expect![[r#"
        400 Bad Request
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"invalid_request","error_description":"the request uses more than one client authentication method"}"#]]
    .assert_eq(&shown(&server.post("/oauth2/token", &right, &format!("{GRANT}&client_secret={secret}")).await));
}

#[tokio::test]
async fn a_public_client_is_known_by_its_name_alone_and_passes_for_nothing_more() {
    // CA-13. An empty `client_secret` is an absent one (TE-10, RFC 6749 §3.2), so it is the public client's own method.
    let (server, _) = with_client(json!({})).await;
    server
        .create(
            "/clients",
            json!({"client_id": "p1", "client_name": "p1", "client_type": "public", "grant_types": ["authorization_code"],
        "redirect_uris": ["http://127.0.0.1/cb"]}),
        )
        .await;
    assert_eq!(token(&server, "", "client_id=p1").await, "400 unauthorized_client", "known, and without this grant");
    assert_eq!(token(&server, "", "client_id=p1&client_secret=").await, "400 unauthorized_client");
    assert_eq!(token(&server, "", "client_id=p1&client_secret=x").await, "401 invalid_client");
    assert_eq!(token(&server, &basic("p1", ""), "").await, "401 invalid_client");
    assert_eq!(token(&server, "", "client_id=c_cc").await, "401 invalid_client", "a confidential client has to prove itself");
    assert_eq!(outcome(&server.post("/oauth2/revoke", "", "client_id=p1&token=x").await), "200");
}

#[tokio::test]
async fn a_confidential_client_authenticates_everywhere() {
    // CA-14, IN-02, RV-06, CVE-2026-53512
    let (server, secret) = with_client(json!({})).await;
    let minted = server.token(&basic("c_cc", &secret), "").await;
    server.proxy.calls();
    for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
        for credentials in ["client_id=c_cc", "client_id=c_cc&client_secret=", "client_id=c_cc&client_secret=wrong", ""] {
            let response = server.post(path, "", &format!("{GRANT}&token={minted}&{credentials}")).await;
            assert_eq!(outcome(&response), "401 invalid_client", "{path} {credentials}");
            assert_eq!(response.headers()["www-authenticate"], "Basic realm=\"gatewright\"");
        }
    }
    assert_nothing_written(&server);
    let told = server.post("/oauth2/introspect", &basic("c_cc", &secret), &format!("token={minted}")).await;
    assert_eq!(json_of(&told)["active"], true, "nothing revoked it");
}

#[tokio::test]
async fn secrets_are_rotated_without_a_gap() {
    // CA-29, I-05, MI-02
    let (server, old) = with_client(json!({})).await;
    let other_node = server.another().await;
    let neighbour = server.client("neighbour", json!({})).await;
    let first_token = server.token(&basic("c_cc", &old), "").await;
    let listed = json_of(&server.admin("GET", "/clients/c_cc/secrets", Value::Null).await);
    let old_id = listed["items"][0]["secret_id"].as_str().unwrap().to_owned();
    let new = server.create("/clients/c_cc/secrets", json!({})).await["client_secret"].as_str().unwrap().to_owned();
    for node in [&server, &other_node] {
        for secret in [&old, &new] {
            assert_eq!(token(node, &basic("c_cc", secret), "").await, "200");
        }
    }
    assert_eq!(server.admin("DELETE", &format!("/clients/c_cc/secrets/{old_id}"), Value::Null).await.status(), 204);
    for node in [&server, &other_node] {
        assert_eq!(token(node, &basic("c_cc", &old), "").await, "401 invalid_client");
        assert_eq!(token(node, &basic("c_cc", &new), "").await, "200");
        assert_eq!(token(node, &neighbour, "").await, "200");
        let told = node.post("/oauth2/introspect", &basic("c_cc", &new), &format!("token={first_token}")).await;
        assert_eq!(json_of(&told)["active"], true, "tokens that were issued stay good");
    }
}

#[tokio::test]
async fn an_expired_secret_is_a_wrong_one() {
    // CA-30
    let (server, first) = with_client(json!({})).await;
    let made = server.create("/clients/c_cc/secrets", json!({"expires_in": 60})).await;
    let secret = made["client_secret"].as_str().unwrap();
    server.pass(59);
    assert_eq!(token(&server, &basic("c_cc", secret), "").await, "200");
    server.pass(1);
    assert_eq!(token(&server, &basic("c_cc", secret), "").await, "401 invalid_client");
    assert_eq!(token(&server, &basic("c_cc", &first), "").await, "200");
    assert_eq!(token(&server, &basic(ADMIN, ADMIN_SECRET), "").await, "200");
}

#[tokio::test]
async fn guesses_at_a_clients_secret_have_to_wait_and_the_client_has_not() {
    // LO-04, LO-05, CA-15
    let server = Server::with(&[("GATEWRIGHT_TOKENINFO", "on")]).await;
    server.fixtures().await;
    let right = server.client("c_cc", json!({})).await;
    let other_node = server.another().await;
    let from = async |node: &Server, source: &str, path: &str, authorization: &str| {
        let (kind, body) = match path {
            "/oauth2/diagnose" => ("application/json", json!({"token": "x", "method": "GET", "path": "/"}).to_string()),
            _ => ("application/x-www-form-urlencoded", format!("{GRANT}&token=x&access_token=x")),
        };
        let headers = [("content-type", kind), ("authorization", authorization), ("x-forwarded-for", "192.0.2.1")];
        node.send_from(Some(source), "POST", path, &headers, body).await
    };
    let paths = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/oauth2/tokeninfo", "/oauth2/diagnose"];
    let (wrong, nobody) = (basic("c_cc", &"x".repeat(43)), basic("c_nobody", &"x".repeat(43)));
    // Unknown clients and known ones are counted as one, at every endpoint and every node.
    for at in 0..50 {
        let (node, authorization) = (if at % 2 == 0 { &server } else { &other_node }, if at % 3 == 0 { &nobody } else { &wrong });
        let path = paths[at % 5];
        assert_eq!(outcome(&from(node, "198.51.100.7", path, authorization).await), "401 invalid_client", "{at}");
    }
    for path in paths {
        for authorization in [&wrong, &nobody] {
            let refused = from(&other_node, "198.51.100.7", path, authorization).await;
            assert_eq!(outcome(&refused), "429 slow_down", "{path}");
            assert_eq!(refused.headers()["retry-after"], "1");
        }
    }
    // What waits costs a read and is written down nowhere: so the row's 10,000 guesses are 500 here.
    server.proxy.calls();
    for _ in 0..500 {
        assert_eq!(from(&server, "198.51.100.7", "/oauth2/token", &wrong).await.status(), 429);
    }
    assert_nothing_written(&server);
    // The client itself is let in, and so is everybody's mistake from elsewhere.
    assert_eq!(outcome(&from(&server, "198.51.100.7", "/oauth2/token", &right).await), "200");
    assert_eq!(outcome(&from(&server, "198.51.100.8", "/oauth2/token", &wrong).await), "401 invalid_client");
    server.pass(1);
    assert_eq!(outcome(&from(&server, "198.51.100.7", "/oauth2/token", &wrong).await), "401 invalid_client");
    assert_eq!(from(&server, "198.51.100.7", "/oauth2/token", &wrong).await.headers()["retry-after"], "2");
}
