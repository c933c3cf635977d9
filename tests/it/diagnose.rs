//! `POST /oauth2/diagnose`: why is my token rejected?

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use serde_json::{Value, json};
use shared::endpoints::Response;

use crate::agreement::agree;
use crate::forge::Forge;
use crate::http::{assert_nothing_written, outcome};
use crate::support::{ADMIN, ADMIN_SECRET, ISSUER, Server, basic, claims, json_of, shown};

pub async fn asked(server: &Server, authorization: &str, question: &Value) -> Response {
    let headers = [("authorization", authorization), ("content-type", "application/json")];
    server.send("POST", "/oauth2/diagnose", &headers[usize::from(authorization.is_empty())..], question.to_string()).await
}

pub fn question(token: &str, method: &str, path: &str) -> Value {
    json!({"token": token, "method": method, "path": path})
}

/// The answer to an administrator with this `Authorization`.
pub async fn told(server: &Server, admin: &str, question: &Value) -> Value {
    let response = asked(server, admin, question).await;
    assert_eq!(response.status(), 200, "{}", shown(&response));
    json_of(&response)
}

pub async fn admin(server: &Server) -> String {
    format!("Bearer {}", server.admin_token().await)
}

/// A whole answer with what differs from run to run replaced.
fn steady(answer: &Value) -> String {
    let mut text = format!("{answer:#}");
    for member in ["jti", "iat", "exp"] {
        if let Some(value) = answer["token"].get(member) {
            text = text.replace(&format!("\"{member}\": {value}"), &format!("\"{member}\": [{member}]"));
        }
    }
    text
}

/// The Api `orders` with a privilege for each thing that a route may ask for, the client that has none of them, and a token of it.
async fn orders() -> (Server, String, String) {
    let server = Server::start().await;
    server.fixtures().await;
    let route = |name: &str| json!([{"path": format!("/orders/{name}")}]);
    server.roles(&["clerk", "manager"]).await;
    for body in [
        json!({"name": "writers", "api": "orders", "routes": route("write"), "scopes": ["write"]}),
        json!({"name": "clerks", "api": "orders", "routes": route("clerks"), "scopes": ["read"], "roles": ["clerk", "manager"]}),
        json!({"name": "people", "api": "orders", "routes": route("people"), "subjects": ["user"]}),
        json!({"name": "open", "api": "orders", "routes": route("open"), "access": "public"}),
    ] {
        server.create("/privileges", body).await;
    }
    server.create("/apis", json!({"name": "closed", "audience": "https://closed.example/"})).await;
    let client = server.client("c_cc", json!({"client_name": "The shop"})).await;
    let token = server.token(&client, "").await;
    (server, client, token)
}

#[tokio::test]
async fn every_code_comes_with_its_gate_and_a_remedy_that_helps() {
    // 5.5, I-22 to I-25: what the remedy (or the detail) of each must mention
    let (server, client, token) = orders().await;
    let root = admin(&server).await;
    let forge = Forge::of(&server).await;
    let parts: Vec<&str> = token.split('.').collect();
    let payload = |member: &str, value: Value| {
        let mut payload = claims(&token);
        payload[member] = value;
        payload
    };
    let billing = server.client("billing", json!({"scopes": ["https://billing.example/read"]})).await;
    let billing = server.token(&billing, "").await;
    let short = server.client("short", json!({"access_token_ttl": 1})).await;
    let short = server.token(&short, "").await;
    let mut gone = Vec::new();
    for id in ["revoked", "all_revoked", "deactivated", "deleted", "detached"] {
        let client = server.client(id, json!({})).await;
        gone.push(server.token(&client, "").await);
    }
    server.pass(1);
    assert_eq!(server.admin("DELETE", &format!("/tokens/{}", claims(&gone[0])["jti"].as_str().unwrap()), Value::Null).await.status(), 204);
    for (method, path, body) in [
        ("POST", "/clients/all_revoked/revoke-tokens", json!({})),
        ("PATCH", "/clients/deactivated", json!({"active": false})),
        ("DELETE", "/clients/deleted", Value::Null),
        ("PATCH", "/clients/detached", json!({"scopes": []})),
    ] {
        assert!(server.admin(method, path, body).await.status().is_success(), "{path}");
    }
    let cut = &token[..token.len() - 50];
    let stranger = Forge::stranger("nobody");
    let open = "/orders/open";
    let mut answers = String::new();
    for (token, path, code, mentioned) in [
        ("", "/orders/1", "token_missing", vec!["Authorization: Bearer <token>"]),
        ("", open, "ok", vec![]),
        ("Basic YTpi", open, "not_bearer", vec!["`Bearer`"]),
        (&*format!("Bearer: {token}"), open, "not_bearer", vec!["colon"]),
        ("random", open, "malformed", vec!["new token"]),
        (&*format!("{}.{}.", parts[0], parts[1]), open, "signature_absent", vec!["signature", "not usable"]),
        (cut, open, "bad_signature", vec!["signature", "not usable"]),
        (&*stranger.token(&stranger.header(), &claims(&token)), open, "unknown_key", vec!["signature", "key", "not usable"]),
        (
            &*forge.token(&forge.header(), &payload("iss", json!("https://other.example"))),
            open,
            "wrong_issuer",
            vec!["https://other.example", ISSUER],
        ),
        (&short, open, "expired", vec!["2026-11-20T18:00:01Z"]),
        (&*forge.token(&forge.header(), &payload("iat", json!(server.now() + 61))), open, "not_yet_valid", vec!["clock"]),
        (&gone[0], open, "revoked", vec!["2026-11-20T18:00:01Z"]),
        (&gone[1], open, "revoked", vec!["2026-11-20T18:00:0"]),
        (&gone[2], open, "client_inactive", vec!["deactivated", "activate"]),
        (&gone[3], open, "client_inactive", vec!["deleted"]),
        (&billing, open, "audience_mismatch", vec!["https://billing.example/", "https://orders.example/", "https://orders.example/read"]),
        (&token, "/billing/1", "audience_mismatch", vec!["https://billing.example/read"]),
        (&token, "/orders//1", "path_ambiguous", vec!["dot segments"]),
        (&token, "/nowhere", "route_denied", vec!["base_path"]),
        (&gone[4], "/orders/1", "api_not_in_backend", vec!["attach the api orders"]),
        (&token, "/orders/people", "subject_type", vec!["authorization_code"]),
        (&token, "/orders/write", "scope_missing", vec!["any of", "https://orders.example/write", "`read`"]),
        (&token, "/orders/clerks", "role_missing", vec!["clerk, manager", "c_cc"]),
        (&token, "/orders/1", "ok", vec![]),
    ] {
        let said = told(&server, &root, &question(token, "GET", path)).await;
        assert_eq!(said["code"], code, "{said}");
        let (detail, remedy) = (said["detail"].as_str().unwrap(), said["remedy"].as_str().unwrap());
        for word in mentioned {
            assert!(detail.contains(word) || remedy.contains(word), "{code}: {word}: {detail} / {remedy}");
        }
        assert!(code == "ok" || !remedy.is_empty());
        assert_eq!(agree(&server, &root, token, "GET", path).await, code == "ok", "{code}");
        answers.push_str(&format!("{} {code}: {detail}. {remedy}.\n", said["gate"].as_str().unwrap_or("-")));
    }
    let backend = json!({"token": token, "method": "GET", "path": "/orders/1", "client_id": "be2"});
    let said = told(&server, &client, &backend).await;
    assert_eq!((&said["code"], &said["gate"]), (&json!("backend_mismatch"), &json!("route")));
    assert!(said["detail"].as_str().unwrap().contains("c_cc"), "the backend of the token: {said}");
    expect![[r#"
        token token_missing: the route asks for a token, and the call has none. send the header `Authorization: Bearer <token>`.
        - ok: the call passes. nothing to do.
        token not_bearer: what was sent is no bearer token. spell the scheme `Bearer`, then one space, then the token, without colon, comma or quotes.
        token not_bearer: what was sent is no bearer token. spell the scheme `Bearer`, then one space, then the token, without colon, comma or quotes.
        token malformed: this is no access token of this server. request a new token at the token endpoint and send it as it is.
        token signature_absent: the token's signature was cut off: its claims can be read, but the token is not usable. send the whole token, signature included, or request a new one.
        token bad_signature: the token's signature does not fit its content: it was altered or cut, and is not usable. send the token exactly as the token endpoint gave it, signature included.
        token unknown_key: the token's signature is by a key that is not, or no longer, in this server's key set: it is not usable. request a new token at the token endpoint: keys are replaced, and old ones retired.
        token wrong_issuer: the token is from the issuer https://other.example, this server is https://auth.example. request the token from https://auth.example, or call the API of https://other.example.
        token expired: the token expired at 2026-11-20T18:00:01Z, and it is 2026-11-20T18:00:01Z now. request a new token at the token endpoint.
        token not_yet_valid: the token is from the future: it was issued at 2026-11-20T18:01:02Z, and it is 2026-11-20T18:00:01Z now. set the clocks.
        token revoked: the token was revoked at 2026-11-20T18:00:01Z. request a new token at the token endpoint.
        token revoked: the token was revoked with all tokens of its client that were issued before 2026-11-20T18:00:02Z. request a new token at the token endpoint.
        token client_inactive: the client deactivated is deactivated. activate the client: set `active` to true.
        token client_inactive: the client deleted was deleted. register a client, activate it and request a new token.
        token audience_mismatch: the token is for the audience https://billing.example/, the route wants https://orders.example/. request a token with the scope https://orders.example/read.
        token audience_mismatch: the token is for the audience https://orders.example/, the route wants https://billing.example/. request a token with the scope https://billing.example/read.
        route path_ambiguous: the path can be read in more than one way. send the path without dot segments, empty segments, wildcards, encoded slashes and needless percent-encoding.
        route route_denied: no api has this path. check path and gateway, or register an api whose base_path covers it.
        route api_not_in_backend: the client detached has no scope of the api orders any more. attach the api orders to the client: give it one of the api's scopes.
        route subject_type: the privilege people asks for a token that speaks for a user, and this one speaks for a client. use the authorization_code grant.
        route scope_missing: the privilege writers asks for any of the scopes `write`, the token was granted `read`. request a token with any of https://orders.example/write; the client must be allowed it.
        route role_missing: the privilege clerks asks for one of the roles clerk, manager, c_cc has no role. give c_cc one of the roles clerk, manager; the same token works then.
        - ok: the call passes. nothing to do.
    "#]].assert_eq(&answers);
}

#[tokio::test]
async fn an_answer_says_what_the_token_is_and_what_the_route_asks_for() {
    // I-23, I-24, I-25, CONTRACT 5
    let (server, client, token) = orders().await;
    let accepted = told(&server, &client, &question(&token, "GET", "/orders/1")).await;
    expect![[r#"
        {
          "code": "ok",
          "detail": "the call passes",
          "gate": null,
          "remedy": "nothing to do",
          "route": {
            "access": "authenticated",
            "anonymous": null,
            "api": "orders",
            "audience": "https://orders.example/",
            "methods": null,
            "pattern": null,
            "privilege": null,
            "roles_any_of": [],
            "scopes": [],
            "scopes_match": "any",
            "subjects": []
          },
          "token": {
            "aud": [
              "https://orders.example/"
            ],
            "client_id": "c_cc",
            "exp": [exp],
            "iat": [iat],
            "iss": "https://auth.example",
            "jti": [jti],
            "scope": "read",
            "sub": "c_cc",
            "sub_type": "client"
          },
          "verdict": "accepted"
        }"#]]
    .assert_eq(&steady(&accepted));
    expect![[r#"
        {
          "code": "role_missing",
          "detail": "the privilege clerks asks for one of the roles clerk, manager, c_cc has no role",
          "gate": "route",
          "remedy": "give c_cc one of the roles clerk, manager; the same token works then",
          "route": {
            "access": "protected",
            "anonymous": null,
            "api": "orders",
            "audience": "https://orders.example/",
            "methods": null,
            "pattern": "/orders/clerks",
            "privilege": "clerks",
            "roles_any_of": [
              "clerk",
              "manager"
            ],
            "scopes": [
              "read"
            ],
            "scopes_match": "any",
            "subjects": [
              "user",
              "client"
            ]
          },
          "token": {
            "aud": [
              "https://orders.example/"
            ],
            "client_id": "c_cc",
            "exp": [exp],
            "iat": [iat],
            "iss": "https://auth.example",
            "jti": [jti],
            "scope": "read",
            "sub": "c_cc",
            "sub_type": "client"
          },
          "verdict": "rejected"
        }"#]]
    .assert_eq(&steady(&told(&server, &client, &question(&token, "GET", "/orders/clerks")).await));
    // I-24: the signature left off, so that it can be shown to anybody.
    let cut = token.rsplit_once('.').unwrap().0;
    let mut unsigned = accepted;
    for (member, value) in [
        ("verdict", "rejected"),
        ("gate", "token"),
        ("code", "signature_absent"),
        ("detail", "the token's signature was cut off: its claims can be read, but the token is not usable"),
        ("remedy", "send the whole token, signature included, or request a new one"),
    ] {
        unsigned[member] = json!(value);
    }
    unsigned["route"] = Value::Null;
    assert_eq!(told(&server, &client, &question(cut, "GET", "/orders/1")).await, unsigned, "it is not known to be a token of the client's");
    assert_eq!(json_of(&server.post("/oauth2/introspect", &client, &format!("token={cut}")).await), json!({"active": false}));
    assert_eq!(server.get("/orders/1", cut).await.status(), 401);
    expect![[r#"
        {
          "code": "token_missing",
          "detail": "the route asks for a token, and the call has none",
          "gate": "token",
          "remedy": "send the header `Authorization: Bearer <token>`",
          "route": null,
          "token": null,
          "verdict": "rejected"
        }"#]]
    .assert_eq(&steady(&told(&server, &client, &question("", "DELETE", "/nowhere")).await));
}

#[tokio::test]
async fn the_owner_of_a_token_may_ask_and_an_administrator() {
    // 5.5: anyone else 401 or 403. I-23
    let (server, client, token) = orders().await;
    let other = server.client("other", json!({})).await;
    let others = server.token(&other, "").await;
    let opaque = server.client("opaque", json!({"access_token_format": "opaque"})).await;
    let opaque_token = server.token(&opaque, "").await;
    let reader = server.client("reader", json!({"scopes": ["urn:gatewright:admin:tokens.read"]})).await;
    let reader = format!("Bearer {}", server.token(&reader, "").await);
    let writer = server.client("writer", json!({"scopes": ["urn:gatewright:admin:tokens.write", "urn:gatewright:admin:access.read"]})).await;
    let writer = format!("Bearer {}", server.token(&writer, "").await);
    server.admin("POST", "/clients", json!({"client_id": "public", "client_name": "public", "client_type": "public", "grant_types": ["authorization_code"], "redirect_uris": ["https://a.example/cb"], "description": "x"})).await;
    let off = server.client("c_off", json!({"active": false})).await;
    server.proxy.calls();
    let about = question(&token, "GET", "/orders/1");
    for (who, authorization, expected) in [
        ("its owner", &*client, "200"),
        ("an administrator of tokens", &reader, "200"),
        ("another client", &other, "403 access_denied"),
        ("a client of the admin API, by its secret", &basic(ADMIN, ADMIN_SECRET), "403 access_denied"),
        ("nobody", "", "401 invalid_client"),
        ("a wrong secret", &basic("c_cc", "wrong"), "401 invalid_client"),
        ("a public client", &basic("public", ""), "401 invalid_client"),
        ("an inactive client", &off, "401 invalid_client"),
        ("the token itself", &format!("Bearer {token}"), "401 invalid_token"),
        ("another's token", &format!("Bearer {others}"), "401 invalid_token"),
        ("garbage", "Bearer garbage", "401 invalid_token"),
        ("an administrator of something else", &writer, "403 insufficient_scope"),
    ] {
        let response = asked(&server, authorization, &about).await;
        assert_eq!(outcome(&response), expected, "{who} {}", shown(&response));
        assert!(expected == "200" || !shown(&response).contains("https://orders.example/"), "{who}: {}", shown(&response));
    }
    expect![[r#"
        403 Forbidden
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        www-authenticate: Bearer realm="gatewright", error="insufficient_scope", scope="urn:gatewright:admin:tokens.read"
        x-content-type-options: nosniff

        {"error":"insufficient_scope","error_description":"the access token is not one that may do this"}"#]]
    .assert_eq(&shown(&asked(&server, &writer, &about).await));
    expect![[r#"
        403 Forbidden
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"access_denied","error_description":"the token is another client's: its owner or an administrator may ask"}"#]]
    .assert_eq(&shown(&asked(&server, &other, &about).await));
    // Nor about a cut, an expired or an opaque one of another's; about one's own of any kind, and about nothing.
    let cut = token.rsplit_once('.').unwrap().0;
    for foreign in [cut, &opaque_token] {
        assert_eq!(outcome(&asked(&server, &other, &question(foreign, "GET", "/orders/1")).await), "403 access_denied");
    }
    assert_eq!(outcome(&asked(&server, &opaque, &question(&opaque_token, "GET", "/orders/1")).await), "200");
    // What a route asks for is told beside a genuine token: elsewhere it takes `access.read`.
    let unsigned = others.rsplit_once('.').unwrap().0;
    for nobodys in ["", "garbage", "Basic x", "a.b.c", "gw_at_unknown", unsigned] {
        for path in ["/orders/1", "/orders/clerks", "/orders/open"] {
            let answer = asked(&server, &other, &question(nobodys, "GET", path)).await;
            assert_eq!((outcome(&answer).as_str(), &json_of(&answer)["route"]), ("200", &Value::Null), "{nobodys} {path}");
            let told = json_of(&asked(&server, &reader, &question(nobodys, "GET", path)).await);
            assert_eq!(told["route"]["api"], "orders", "{nobodys} {path}");
        }
    }
    assert_eq!(json_of(&asked(&server, &other, &question(&others, "GET", "/orders/clerks")).await)["route"]["privilege"], "clerks");
    server.pass(3600);
    assert_eq!(json_of(&asked(&server, &client, &about).await)["code"], "expired");
    assert_eq!(outcome(&asked(&server, &other, &about).await), "403 access_denied");
    assert_nothing_written(&server);
}

#[tokio::test]
async fn a_question_is_a_small_json_object() {
    // HT-03, AD-14
    let (server, client, token) = orders().await;
    let about = question(&token, "GET", "/orders/1").to_string();
    let send = async |method: &str, headers: &[(&str, &str)], body: &str| {
        let headers = [&[("authorization", client.as_str())], headers].concat();
        server.send(method, "/oauth2/diagnose", &headers, body.to_owned()).await
    };
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let refused = send(method, &[], "").await;
        assert_eq!((refused.status().as_u16(), refused.headers()["allow"].to_str().unwrap()), (405, "POST"), "{method}");
    }
    for body in [
        "",
        "null",
        "[]",
        "x",
        "token=x&method=GET&path=/",
        r#"{"token":"x"}"#,
        r#"{"method":"GET"}"#,
        r#"{"token":1,"method":"GET","path":"/"}"#,
        r#"{"token":null,"method":"GET","path":"/"}"#,
        r#"{"token":"x","method":"GET","path":"/","backend":"be1"}"#,
        r#"{"token":"x","token":"y","method":"GET","path":"/"}"#,
        r#"{"token":"x","method":"GET","path":["/"]}"#,
        &format!("{about} x"),
        r#"{"token":"x","method":"GET","path":"/","client_id":["a"]}"#,
    ] {
        assert_eq!(outcome(&send("POST", &[], body).await), "400 invalid_request", "{body}");
    }
    assert_eq!(send("POST", &[], &format!("{about}{}", " ".repeat(70_000))).await.status(), 413);
    assert_eq!(send("POST", &[("content-encoding", "gzip")], &about).await.status(), 415);
    assert_eq!(outcome(&send("POST", &[], r#"{"method":"GET","path":"/orders/open"}"#).await), "200", "no token is a question too");
}

#[tokio::test]
async fn an_answer_never_holds_a_token_a_secret_or_another_clients_data() {
    // 5.5, SE-06
    let (server, client, token) = orders().await;
    server.client("neighbour", json!({"client_name": "The neighbour", "roles": ["clerk"], "contacts": ["n@example.com"], "owner": "somebody"})).await;
    let decoded = STANDARD.decode(client.strip_prefix("Basic ").unwrap()).unwrap();
    let secret = String::from_utf8(decoded).unwrap().split_once(':').unwrap().1.to_owned();
    assert!(secret.len() > 30);
    let cut = token.rsplit_once('.').unwrap();
    let opaque = server.client("opaque", json!({"access_token_format": "opaque", "contacts": ["o@example.com"]})).await;
    let opaque_token = server.token(&opaque, "").await;
    for (who, token) in [
        (&client, &*token),
        (&client, cut.0),
        (&client, "gw_at_unknown"),
        (&client, &format!("Bearer: {token}")),
        (&client, &format!("{token}, x")),
        (&opaque, &opaque_token),
    ] {
        for path in ["/orders/1", "/orders/clerks", "/orders/write", "/orders/people", "/billing/1", "/nowhere", "/orders//1"] {
            let text = String::from_utf8(asked(&server, who, &question(token, "GET", path)).await.body().to_vec()).unwrap();
            for forbidden in [token, cut.1, cut.0, &opaque_token, &secret, "neighbour", "example.com", "The shop", "secret", "digest", "gw_"] {
                assert!(forbidden.is_empty() || !text.contains(forbidden), "{forbidden}: {text}");
            }
        }
    }
}
