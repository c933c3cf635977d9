//! Which pages may read an answer. `Server::send` finds every header that opens an answer to anybody it must not be opened to.

mod listed;

use expect_test::expect;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, VARY};
use serde_json::json;
use shared::endpoints::Response;

use crate::binaries::Deployment;
use crate::browser::{CALLBACK, People, VERIFIER};
use crate::http::{assert_nothing_written, outcome, pinned};
use crate::shapes::{Sent, same};
use crate::support::{Server, basic, encoded, json_of, shown};

const SPA: &str = "https://spa.example";
const OTHER: &str = "https://evil.example";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ENDPOINTS: [&str; 2] = ["/oauth2/token", "/oauth2/revoke"];

/// A public client of the realm `staff` that lists these origins.
async fn page_client(server: &Server, client_id: &str, origins: &[&str]) {
    let body = json!({"client_type": "public", "grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK], "realm": "staff",
        "enforce_assignments": false, "allowed_origins": origins});
    server.client(client_id, body).await;
}

/// Two nodes on one table, of which neither sees what is not read consistently, and the client `spa`, which lists one origin.
async fn nodes() -> (Server, Server) {
    let a = Server::start().await;
    a.fixtures().await;
    page_client(&a, "spa", &[SPA]).await;
    let b = a.another().await;
    a.proxy.lag();
    b.proxy.lag();
    (a, b)
}

/// A form that a page of `origin` sends.
async fn posted(server: &Server, path: &str, origin: &str, form: &str) -> Response {
    server.send("POST", path, &[FORM, ("origin", origin)], form.to_owned()).await
}

/// What a browser asks before it sends what a page of `origin` wants to send.
async fn preflight(server: &Server, path: &str, origin: &str) -> Response {
    let headers = [("origin", origin), ("access-control-request-method", "POST"), ("access-control-request-headers", "content-type")];
    server.send("OPTIONS", path, &headers, "").await
}

/// The origin whose pages may read an answer, if there is one.
fn opened(response: &Response) -> Option<&str> {
    response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|origin| origin.to_str().unwrap())
}

#[tokio::test]
async fn a_page_of_a_listed_origin_gets_tokens_and_gives_them_back() {
    // CO-01, CO-04, O-23: what one node was told, the other does at once
    let (a, b) = nodes().await;
    let people = Box::pin(People::of(&a)).await;
    for path in ENDPOINTS {
        expect![[r#"
            204 No Content
            access-control-allow-headers: content-type
            access-control-allow-methods: POST
            access-control-allow-origin: https://spa.example
            access-control-max-age: 600
            cache-control: no-store
            pragma: no-cache
            vary: Origin
            x-content-type-options: nosniff

        "#]]
        .assert_eq(&shown(&preflight(&b, path, SPA).await));
    }
    let code = people.code_of(&a, &[("client_id", "spa")]).await;
    let form = format!("grant_type=authorization_code&code={code}&redirect_uri={}&code_verifier={VERIFIER}&client_id=spa", encoded(CALLBACK));
    let answer = posted(&b, "/oauth2/token", SPA, &form).await;
    expect![[r#"
        200 OK
        access-control-allow-origin: https://spa.example
        access-control-expose-headers: WWW-Authenticate, Retry-After
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        vary: Origin
        x-content-type-options: nosniff

        {"access_token":"[jwt]","token_type":"Bearer","expires_in":3600,"scope":"read","refresh_token":"[gw_rt]"}"#]]
    .assert_eq(&pinned(&answer, &["refresh_token"]));
    let form = format!("grant_type=refresh_token&refresh_token={}&client_id=spa", json_of(&answer)["refresh_token"].as_str().unwrap());
    let answer = posted(&b, "/oauth2/token", SPA, &form).await;
    assert_eq!((answer.status().as_u16(), opened(&answer)), (200, Some(SPA)));
    let form = format!("token={}&client_id=spa", json_of(&answer)["refresh_token"].as_str().unwrap());
    expect![[r#"
        200 OK
        access-control-allow-origin: https://spa.example
        access-control-expose-headers: WWW-Authenticate, Retry-After
        cache-control: no-store
        pragma: no-cache
        vary: Origin
        x-content-type-options: nosniff

    "#]]
    .assert_eq(&shown(&posted(&b, "/oauth2/revoke", SPA, &form).await));
}

#[tokio::test]
async fn an_error_can_be_read_like_a_success() {
    // CO-06, CO-04
    let (_, server) = nodes().await;
    let long = "x".repeat(70_000);
    let grant = "grant_type=refresh_token&refresh_token=x&client_id=spa";
    for path in ENDPOINTS {
        let mut answers = String::new();
        for (method, content_type, form) in [
            ("POST", FORM.1, grant),
            ("POST", FORM.1, "client_id=spa"),
            ("POST", FORM.1, "client_id=spa&client_id=spa"),
            ("POST", FORM.1, "client_id=nobody&grant_type=refresh_token&token=x"),
            ("POST", FORM.1, "client_id=spa&client_secret=x&grant_type=refresh_token&token=x"),
            ("POST", FORM.1, ""),
            ("POST", "application/json", "{}"),
            ("POST", FORM.1, &long),
            ("GET", FORM.1, grant),
            ("OPTIONS", FORM.1, grant),
        ] {
            let answer = server.send(method, path, &[("content-type", content_type), ("origin", SPA)], form.to_owned()).await;
            let header = |name| answer.headers()[name].to_str().unwrap();
            assert_eq!(
                (opened(&answer), header(ACCESS_CONTROL_EXPOSE_HEADERS), header(VARY)),
                (Some(SPA), "WWW-Authenticate, Retry-After", "Origin"),
                "{form:.80}"
            );
            answers.push_str(&format!("{method} {form:.80}: {}\n", outcome(&answer)));
        }
        let expected = match path {
            "/oauth2/token" => expect![[r#"
                POST grant_type=refresh_token&refresh_token=x&client_id=spa: 400 invalid_grant
                POST client_id=spa: 400 invalid_request
                POST client_id=spa&client_id=spa: 400 invalid_request
                POST client_id=nobody&grant_type=refresh_token&token=x: 401 invalid_client
                POST client_id=spa&client_secret=x&grant_type=refresh_token&token=x: 401 invalid_client
                POST : 401 invalid_client
                POST {}: 400 invalid_request
                POST xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: 413 invalid_request
                GET grant_type=refresh_token&refresh_token=x&client_id=spa: 405 invalid_request
                OPTIONS grant_type=refresh_token&refresh_token=x&client_id=spa: 405 invalid_request
            "#]],
            _ => expect![[r#"
                POST grant_type=refresh_token&refresh_token=x&client_id=spa: 400 invalid_request
                POST client_id=spa: 400 invalid_request
                POST client_id=spa&client_id=spa: 400 invalid_request
                POST client_id=nobody&grant_type=refresh_token&token=x: 401 invalid_client
                POST client_id=spa&client_secret=x&grant_type=refresh_token&token=x: 401 invalid_client
                POST : 401 invalid_client
                POST {}: 400 invalid_request
                POST xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: 413 invalid_request
                GET grant_type=refresh_token&refresh_token=x&client_id=spa: 405 invalid_request
                OPTIONS grant_type=refresh_token&refresh_token=x&client_id=spa: 405 invalid_request
            "#]],
        };
        expected.assert_eq(&answers);
    }
    expect![[r#"
        401 Unauthorized
        access-control-allow-origin: https://spa.example
        access-control-expose-headers: WWW-Authenticate, Retry-After
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        vary: Origin
        www-authenticate: Basic realm="gatewright"
        x-content-type-options: nosniff

        {"error":"invalid_client","error_description":"client authentication failed"}"#]]
    .assert_eq(&shown(&posted(&server, "/oauth2/token", SPA, "client_id=nobody&grant_type=refresh_token").await));
    expect![[r#"
        400 Bad Request
        access-control-allow-origin: https://spa.example
        access-control-expose-headers: WWW-Authenticate, Retry-After
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        vary: Origin
        x-content-type-options: nosniff

        {"error":"invalid_grant","error_description":"the code, refresh token or password is not valid"}"#]]
    .assert_eq(&shown(&posted(&server, "/oauth2/token", SPA, grant).await));
}

#[tokio::test]
async fn a_page_reads_only_what_its_own_client_is_told() {
    // O-18, O-23: an origin that one client lists does not open the answers to another one
    let (_, server) = nodes().await;
    let confidential = server.client("c_cc", json!({})).await;
    let secret = json_of(&server.admin("POST", "/clients/c_cc/secrets", json!({})).await)["client_secret"].as_str().unwrap().to_owned();
    page_client(&server, "other", &[OTHER]).await;
    let token = "grant_type=client_credentials";
    let post = format!("{token}&client_id=c_cc&client_secret={}", encoded(&secret));
    server.admin("PATCH", "/clients/c_cc", json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    let read = posted(&server, "/oauth2/token", SPA, &post).await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        vary: Origin
        x-content-type-options: nosniff

        {"access_token":"[jwt]","token_type":"Bearer","expires_in":3600,"scope":"read"}"#]]
    .assert_eq(&shown(&read));
    server.admin("PATCH", "/clients/c_cc", json!({"token_endpoint_auth_method": "client_secret_basic"})).await;
    for (path, form) in [("/oauth2/token", token), ("/oauth2/token", "grant_type=x"), ("/oauth2/revoke", "token=x"), ("/oauth2/revoke", "")] {
        let headers = [FORM, ("origin", SPA), ("authorization", confidential.as_str())];
        let answer = server.send("POST", path, &headers, form).await;
        assert_eq!((opened(&answer), answer.headers()[VARY].to_str().unwrap()), (None, "Origin"), "{}", shown(&answer));
        let public = posted(&server, path, SPA, &format!("{form}&client_id=other")).await;
        assert_eq!((opened(&public), public.status().is_server_error()), (None, false), "{}", shown(&public));
    }
    // A failed authentication is nobody's: whoever develops the page sees why it does not work.
    let headers = [FORM, ("origin", SPA), ("authorization", &basic("c_cc", "wrong"))];
    let answer = server.send("POST", "/oauth2/token", &headers, token).await;
    assert_eq!((answer.status().as_u16(), opened(&answer)), (401, Some(SPA)));
    // A browser does not send what the question was not allowed.
    assert_eq!(preflight(&server, "/oauth2/token", SPA).await.headers()["access-control-allow-headers"], "content-type");
}

#[tokio::test]
async fn the_documents_are_open_to_every_page() {
    // CO-01
    let server = Server::start().await;
    let path = "/.well-known/oauth-authorization-server";
    let plain = server.send("GET", path, &[], "").await;
    let etag = plain.headers()["etag"].to_str().unwrap().to_owned();
    for origin in [SPA, "null", "x"] {
        let asked = server.send("GET", path, &[("origin", origin)], "").await;
        assert_eq!(shown(&asked), shown(&plain), "one cached copy is good for all");
    }
    server.proxy.calls();
    for path in [path, "/.well-known/openid-configuration", "/.well-known/jwks.json", "/.well-known/oauth-protected-resource/admin/v1"] {
        for method in ["GET", "HEAD"] {
            let answer = server.send(method, path, &[("origin", OTHER)], "").await;
            assert_eq!((answer.status().as_u16(), opened(&answer), answer.headers().get(VARY)), (200, Some("*"), None), "{method} {path}");
        }
        expect![[r#"
            204 No Content
            access-control-allow-headers: content-type
            access-control-allow-methods: GET
            access-control-allow-origin: *
            access-control-max-age: 600
            cache-control: no-store
            pragma: no-cache
            x-content-type-options: nosniff

        "#]]
        .assert_eq(&shown(&preflight(&server, path, OTHER).await));
        for headers in [[("origin", OTHER)], [("access-control-request-method", "GET")]] {
            assert_eq!(server.send("OPTIONS", path, &headers, "").await.status(), 405, "no question of a browser's");
        }
    }
    let unchanged = server.send("GET", path, &[("if-none-match", &etag), ("origin", OTHER)], "").await;
    assert_eq!((unchanged.status().as_u16(), opened(&unchanged)), (304, Some("*")));
    assert_eq!(server.send("GET", "/healthz", &[("origin", OTHER)], "").await.status(), 200);
    assert_eq!(preflight(&server, "/healthz", OTHER).await.status(), 405);
    assert_nothing_written(&server);
}

#[tokio::test]
async fn what_is_not_for_pages_stays_closed_to_listed_origins_too() {
    // CO-03, AZ-27: `Server::send` finds any header that opens one of these
    let (_, server) = nodes().await;
    let token = format!("Bearer {}", server.admin_token().await);
    for path in ["/oauth2/authorize", "/oauth2/introspect", "/oauth2/diagnose", "/admin/v1/clients", "/admin/v1/clients/spa"] {
        let asked = preflight(&server, path, SPA).await;
        assert!([401, 405].contains(&asked.status().as_u16()), "{path}: {}", shown(&asked));
        for method in ["GET", "POST", "OPTIONS"] {
            let headers = [("origin", SPA), ("access-control-request-method", "POST"), ("authorization", token.as_str()), FORM];
            let answer = server.send(method, path, &headers, "").await;
            assert_eq!(answer.headers().get(VARY), None, "{method} {path}");
        }
    }
    for path in ["/oauth2/token/", "/oauth2/tokeninfo", "/oauth2/x"] {
        assert_eq!(preflight(&server, path, SPA).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_pages_request_gets_one_answer_however_it_comes() {
    // CO-01, CO-05, HT-01: every event that a gateway makes of it, to the real binaries
    let deployment = Deployment::start(&[]).await;
    page_client(&deployment.server, "spa", &[SPA]).await;
    let (token, revoke) = (deployment.function("token", &[]).await, deployment.function("revoke", &[]).await);
    let metadata = deployment.function("metadata", &[]).await;
    let question = |path, origin| Sent { method: "OPTIONS", content_type: "", origin, ..Sent::post(path) };
    same(
        &token,
        &question("/oauth2/token", SPA),
        expect![[r#"
        204
        access-control-allow-headers: content-type
        access-control-allow-methods: POST
        access-control-allow-origin: https://spa.example
        access-control-max-age: 600
        cache-control: no-store
        pragma: no-cache
        vary: Origin
        x-content-type-options: nosniff
        x-request-id: [id]

    "#]],
    )
    .await;
    same(
        &revoke,
        &question("/oauth2/revoke", SPA),
        expect![[r#"
        204
        access-control-allow-headers: content-type
        access-control-allow-methods: POST
        access-control-allow-origin: https://spa.example
        access-control-max-age: 600
        cache-control: no-store
        pragma: no-cache
        vary: Origin
        x-content-type-options: nosniff
        x-request-id: [id]

    "#]],
    )
    .await;
    same(
        &token,
        &question("/oauth2/token", OTHER),
        expect![[r#"
        204
        cache-control: no-store
        pragma: no-cache
        vary: Origin
        x-content-type-options: nosniff
        x-request-id: [id]

    "#]],
    )
    .await;
    same(
        &metadata,
        &question("/.well-known/jwks.json", OTHER),
        expect![[r#"
        204
        access-control-allow-headers: content-type
        access-control-allow-methods: GET
        access-control-allow-origin: *
        access-control-max-age: 600
        cache-control: no-store
        pragma: no-cache
        x-content-type-options: nosniff
        x-request-id: [id]

    "#]],
    )
    .await;
    let form = "grant_type=refresh_token&refresh_token=x&client_id=spa";
    same(
        &token,
        &Sent { origin: SPA, form, ..Sent::post("/oauth2/token") },
        expect![[r#"
        400
        access-control-allow-origin: https://spa.example
        access-control-expose-headers: WWW-Authenticate, Retry-After
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        vary: Origin
        x-content-type-options: nosniff
        x-request-id: [id]

        {"error":"invalid_grant","error_description":"the code, refresh token or password is not valid"}"#]],
    )
    .await;
    same(
        &revoke,
        &Sent { origin: SPA, form: "token=x&client_id=spa", ..Sent::post("/oauth2/revoke") },
        expect![[r#"
        200
        access-control-allow-origin: https://spa.example
        access-control-expose-headers: WWW-Authenticate, Retry-After
        cache-control: no-store
        pragma: no-cache
        vary: Origin
        x-content-type-options: nosniff
        x-request-id: [id]

    "#]],
    )
    .await;
}

#[tokio::test]
async fn an_issuer_with_a_path_opens_the_same() {
    // HT-09, CO-01
    let server = Server::with(&[("GATEWRIGHT_ISSUER", "https://auth.example/t1")]).await;
    server.fixtures().await;
    page_client(&server, "spa", &[SPA]).await;
    for path in ["/t1/oauth2/token", "/oauth2/token", "/t1/oauth2/revoke"] {
        for (origin, expected) in [(SPA, Some(SPA)), (OTHER, None)] {
            let asked = preflight(&server, path, origin).await;
            assert_eq!((asked.status().as_u16(), opened(&asked)), (204, expected), "{path}");
            assert_eq!(opened(&posted(&server, path, origin, "client_id=spa").await), expected, "{path}");
        }
    }
    for path in ["/t1/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/t1"] {
        assert_eq!(opened(&server.send("GET", path, &[("origin", OTHER)], "").await), Some("*"), "{path}");
    }
}
