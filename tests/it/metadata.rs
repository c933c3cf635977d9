//! The documents under `/.well-known/`, `/healthz`, and the life of signing keys as others see it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use expect_test::expect;
use serde_json::{Value, json};
use shared::oauth::jws::UnverifiedJws;
use shared::oauth::keys::{KeySet, PublishedKey};
use shared::oauth::time::Timestamp;

use crate::http::{outcome, pinned};
use crate::support::{Fault, Server, claims, json_of, shown};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const JWKS: &str = "/.well-known/jwks.json";
const RESOURCE: &str = "/.well-known/oauth-protected-resource/admin/v1";

async fn document(server: &Server, path: &str) -> Value {
    let response = server.send("GET", path, &[], "").await;
    assert_eq!(response.status(), 200, "{path}");
    json_of(&response)
}

/// The `kid` of a JWT.
pub fn kid(token: &str) -> String {
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// Whether a verifier that has nothing but this key set believes the signature.
fn verifies(token: &str, jwks: &Value) -> bool {
    let published = |jwk: &Value| PublishedKey {
        jwk: serde_json::from_value(jwk.clone()).unwrap(),
        created_at: Timestamp::default(),
        active_from: Timestamp::default(),
        withdrawn_at: None,
    };
    let set = KeySet { keys: jwks["keys"].as_array().unwrap().iter().map(published).collect(), version: 1 };
    let keys = set.verification_keys();
    keys.iter().filter(|key| key.kid() == kid(token)).any(|key| UnverifiedJws::parse(token).unwrap().verify(key).is_some())
}

#[tokio::test]
async fn the_documents_say_exactly_this() {
    // MD-01, MD-02, MD-05, MD-08, MD-09, MD-11, MD-18, I-27
    let server = Server::start().await;
    expect![[r#"
        200 OK
        access-control-allow-origin: *
        cache-control: public, max-age=300
        content-type: application/json
        etag: "7fadcabe638a5473"
        x-content-type-options: nosniff

        {"issuer":"https://auth.example","authorization_endpoint":"https://auth.example/oauth2/authorize","token_endpoint":"https://auth.example/oauth2/token","jwks_uri":"https://auth.example/.well-known/jwks.json","response_types_supported":["code"],"response_modes_supported":["query"],"grant_types_supported":["authorization_code","client_credentials","refresh_token"],"code_challenge_methods_supported":["S256"],"token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","none"],"revocation_endpoint":"https://auth.example/oauth2/revoke","revocation_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","none"],"introspection_endpoint":"https://auth.example/oauth2/introspect","introspection_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],"authorization_response_iss_parameter_supported":true}"#]].assert_eq(&shown(&server.send("GET", OAUTH, &[], "").await));
    expect![[r#"
        200 OK
        access-control-allow-origin: *
        cache-control: public, max-age=300
        content-type: application/json
        etag: "a37e96b9203804e2"
        x-content-type-options: nosniff

        {"issuer":"https://auth.example","authorization_endpoint":"https://auth.example/oauth2/authorize","token_endpoint":"https://auth.example/oauth2/token","jwks_uri":"https://auth.example/.well-known/jwks.json","response_types_supported":["code"],"response_modes_supported":["query"],"grant_types_supported":["authorization_code","client_credentials","refresh_token"],"code_challenge_methods_supported":["S256"],"token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","none"],"revocation_endpoint":"https://auth.example/oauth2/revoke","revocation_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post","none"],"introspection_endpoint":"https://auth.example/oauth2/introspect","introspection_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],"authorization_response_iss_parameter_supported":true,"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256","ES256"]}"#]].assert_eq(&shown(&server.send("GET", OPENID, &[], "").await));
    expect![[r#"
        200 OK
        access-control-allow-origin: *
        cache-control: public, max-age=300
        content-type: application/json
        etag: "6b880cda0d9bb243"
        x-content-type-options: nosniff

        {"resource":"https://auth.example/admin/v1","authorization_servers":["https://auth.example"],"scopes_supported":["urn:gatewright:admin:clients.read","urn:gatewright:admin:clients.write","urn:gatewright:admin:apis.read","urn:gatewright:admin:apis.write","urn:gatewright:admin:access.read","urn:gatewright:admin:access.write","urn:gatewright:admin:users.read","urn:gatewright:admin:users.write","urn:gatewright:admin:tokens.read","urn:gatewright:admin:tokens.write","urn:gatewright:admin:keys.read","urn:gatewright:admin:keys.write","urn:gatewright:admin:audit.read","urn:gatewright:admin:stats.read"],"bearer_methods_supported":["header"]}"#]].assert_eq(&shown(&server.send("GET", RESOURCE, &[], "").await));
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"store":"ok"}"#]]
    .assert_eq(&shown(&server.send("GET", "/healthz", &[], "").await));
    let (oauth, openid) = (document(&server, OAUTH).await, document(&server, OPENID).await);
    for (member, value) in oauth.as_object().unwrap() {
        assert_eq!(openid[member], *value, "MD-11 {member}");
        assert!(value.as_array().is_none_or(|list| !list.is_empty()), "MD-05 {member}");
    }
    assert!(!openid.to_string().contains("none\",\"RS256") && !openid["id_token_signing_alg_values_supported"].to_string().contains("none"));
    assert_eq!(claims(&server.admin_token().await)["iss"], oauth["issuer"], "I-27");
}

#[tokio::test]
async fn what_is_advertised_works_and_nothing_else_does() {
    // MD-04, MD-10, seeds 5.3
    let server = Server::start().await;
    server.fixtures().await;
    let metadata = document(&server, OAUTH).await;
    let path_of = |member: &str| metadata[member].as_str().unwrap().strip_prefix(crate::support::ISSUER).unwrap().to_owned();
    let (token_path, introspect_path, revoke_path) = (path_of("token_endpoint"), path_of("introspection_endpoint"), path_of("revocation_endpoint"));
    let basic = server.client("c_basic", json!({})).await;
    let created = json!({"client_id": "c_post", "client_name": "c_post", "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_post",
        "scopes": ["https://orders.example/read"]});
    let post = format!("client_id=c_post&client_secret={}", server.create("/clients", created).await["client_secret"].as_str().unwrap());
    let public = json!({"client_id": "p1", "client_name": "p1", "client_type": "public", "grant_types": ["authorization_code"], "redirect_uris": ["http://127.0.0.1/cb"]});
    server.create("/clients", public).await;
    let attempts =
        [("client_secret_basic", basic.as_str(), String::new()), ("client_secret_post", "", post), ("none", "", "client_id=p1".to_owned())];
    for (member, path, good) in [
        ("token_endpoint_auth_methods_supported", &token_path, ["200", "200", "400 unauthorized_client"]),
        ("introspection_endpoint_auth_methods_supported", &introspect_path, ["200", "200", "401 invalid_client"]),
        ("revocation_endpoint_auth_methods_supported", &revoke_path, ["200", "200", "200"]),
    ] {
        for ((method, authorization, credentials), expected) in attempts.iter().zip(good) {
            let response = server.post(path, authorization, &format!("grant_type=client_credentials&token=x&{credentials}")).await;
            assert_eq!(outcome(&response), expected, "{member} {method}");
            let is_listed = metadata[member].as_array().unwrap().contains(&json!(method));
            assert_eq!(is_listed, expected != "401 invalid_client", "{member} {method}");
        }
    }
    // Which grants are listed and which work: code_flow/refresh.rs.
    assert_eq!(path_of("jwks_uri"), JWKS);
    document(&server, JWKS).await;
}

#[tokio::test]
async fn an_issuer_with_a_path_is_found_in_every_form() {
    // MD-02, MD-03, MD-06, MD-18, MD-20, I-27
    let server = Server::with(&[("GATEWRIGHT_ISSUER", "https://as.example/t1")]).await;
    let plain = Server::start().await;
    let expected = json_of(&plain.send("GET", OAUTH, &[], "").await).to_string().replace(crate::support::ISSUER, "https://as.example/t1");
    for path in ["/.well-known/oauth-authorization-server/t1", "/t1/.well-known/oauth-authorization-server", OAUTH] {
        assert_eq!(document(&server, path).await.to_string(), expected, "{path}");
    }
    for path in ["/.well-known/openid-configuration/t1", "/t1/.well-known/openid-configuration"] {
        assert_eq!(document(&server, path).await["issuer"], "https://as.example/t1", "{path}");
    }
    for path in ["/t1/.well-known/jwks.json", JWKS] {
        assert_eq!(document(&server, path).await["keys"].as_array().unwrap().len(), 1, "{path}");
    }
    let resource = document(&server, "/.well-known/oauth-protected-resource/t1/admin/v1").await;
    assert_eq!(
        (&resource["resource"], &resource["authorization_servers"]),
        (&json!("https://as.example/t1/admin/v1"), &json!(["https://as.example/t1"]))
    );
    let challenge = server.send("GET", "/t1/admin/v1/clients", &[], "").await;
    assert_eq!(
        challenge.headers()["www-authenticate"],
        "Bearer realm=\"gatewright\", resource_metadata=\"https://as.example/.well-known/oauth-protected-resource/t1/admin/v1\""
    );
    // The endpoints answer with and without the path: a base path mapping may have taken it away.
    let root = crate::support::basic(crate::support::ADMIN, crate::support::ADMIN_SECRET);
    for path in ["/t1/oauth2/token", "/oauth2/token"] {
        let response = server.post(path, &root, "grant_type=client_credentials").await;
        assert_eq!(claims(json_of(&response)["access_token"].as_str().unwrap())["iss"], "https://as.example/t1", "{path}");
    }
    for path in [
        "/.well-known/oauth-authorization-server/t2",
        "/.well-known/openid-configuration/t2",
        "/t1/.well-known/x",
        "/.well-known/oauth-protected-resource/t2/admin/v1",
        "/.well-known/oauth-protected-resource/admin/v1",
        "/.well-known/oauth-authorization-server/t1/t1",
        "/.well-known/oauth-authorization-server/t1x",
    ] {
        assert_eq!(outcome(&server.send("GET", path, &[], "").await), "404 not_found", "{path}");
    }
    for path in ["/t2/.well-known/openid-configuration", "/t1x/.well-known/jwks.json", "/t2/oauth2/token"] {
        // Not under the issuer: to the local gateway somebody's API, which wants a token.
        assert_eq!(server.send("GET", path, &[], "").await.status(), 401, "{path}");
    }
}

#[tokio::test]
async fn unknown_documents_are_not_found() {
    // MD-20
    let server = Server::start().await;
    for path in [
        "/.well-known/x",
        "/.well-known/",
        "/.well-known/jwks.json/",
        "/.well-known/oauth-authorization-server/t2",
        "/.well-known/JWKS.json",
        "/healthz/x",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/oauth2",
    ] {
        assert_eq!(outcome(&server.send("GET", path, &[], "").await), "404 not_found", "{path}");
    }
    expect![[r#"
        404 Not Found
        access-control-allow-origin: *
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"error":"not_found","error_description":"there is nothing at this path"}"#]]
    .assert_eq(&shown(&server.send("GET", "/.well-known/x", &[], "").await));
}

#[tokio::test]
async fn documents_are_read_only_and_cacheable() {
    // MD-07, MD-08, HT-24
    let server = Server::start().await;
    let other_node = server.another().await;
    for path in [OAUTH, OPENID, JWKS, RESOURCE, "/healthz"] {
        let get = server.send("GET", path, &[], "").await;
        assert_eq!(shown(&other_node.send("GET", path, &[], "").await), shown(&get), "same bytes on the other node: {path}");
        let head = server.send("HEAD", path, &[], "").await;
        assert_eq!((head.status(), head.headers(), head.body().len()), (get.status(), get.headers(), 0), "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let response = server.send(method, path, &[], "x=1").await;
            assert_eq!(
                (outcome(&response).as_str(), response.headers()["allow"].to_str().unwrap()),
                ("405 invalid_request", "GET, HEAD"),
                "{method} {path}"
            );
        }
        let Some(etag) = get.headers().get("etag") else {
            assert_eq!(path, "/healthz");
            continue;
        };
        assert_eq!(get.headers()["cache-control"], "public, max-age=300");
        let unchanged = server.send("GET", path, &[("if-none-match", etag.to_str().unwrap())], "").await;
        assert_eq!((unchanged.status().as_u16(), unchanged.body().len(), unchanged.headers().get("etag")), (304, 0, Some(etag)), "{path}");
        assert_eq!(server.send("GET", path, &[("if-none-match", "\"x\"")], "").await.status(), 200);
    }
}

#[tokio::test]
async fn the_key_set_is_public_and_has_nothing_private() {
    // MD-12, MD-13, MD-14, I-19, T-37
    let server = Server::start().await;
    server.fixtures().await;
    server.create("/apis", json!({"name": "rsa", "audience": "https://rsa.example/", "scopes": [{"value": "read"}], "signing_alg": "RS256", "access": "authenticated"})).await;
    let mut response = server.send("GET", JWKS, &[], "").await;
    response.headers_mut().remove("etag").unwrap();
    expect![[r#"
        200 OK
        access-control-allow-origin: *
        cache-control: public, max-age=300
        content-type: application/json
        x-content-type-options: nosniff

        {"keys":[{"kid":"[kid]","alg":"ES256","use":"sig","kty":"EC","crv":"P-256","x":"[x]","y":"[y]"},{"kid":"[kid]","alg":"RS256","use":"sig","kty":"RSA","n":"[n]","e":"AQAB"}]}"#]].assert_eq(&pinned(&response, &["kid", "x", "y", "n"]));
    let jwks = json_of(&response);
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.iter().map(|key| key["kid"].as_str().unwrap()).collect::<BTreeSet<_>>().len(), 2);
    assert_eq!(keys[1]["n"].as_str().unwrap().len(), 342, "2048 bits");
    let dump = server.dump().await;
    assert!(!dump.contains("PRIVATE KEY") && !dump.contains("\"d\""), "AD-12");

    // I-19: with this set alone, tokens of both algorithms verify.
    let rsa = server.client("c_rsa", json!({"scopes": ["https://rsa.example/read"]})).await;
    for token in [server.token(&rsa, "").await, server.admin_token().await] {
        assert!(verifies(&token, &jwks));
        let (header, rest) = token.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        let mut other = claims(&token);
        other["scope"] = "write".into();
        assert!(!verifies(&format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(other.to_string())), &jwks));
        assert_ne!(payload, signature);
    }
    assert_eq!(server.get("/rsa/1", &server.token(&rsa, "").await).await.status(), 200);
}

#[tokio::test]
async fn a_rotation_is_seen_before_it_is_needed() {
    // MD-15, MI-09, AD-11, 5.6 #9: every half hour of a whole rotation, on both nodes, alternately.
    let server = Server::start().await;
    server.fixtures().await;
    let other_node = server.another().await;
    server
        .create("/apis", json!({"name": "long", "audience": "https://long.example/", "scopes": [{"value": "read"}], "access_token_ttl": 86_400}))
        .await;
    let client = server.client("c_cc", json!({"introspect": true, "scopes": ["https://long.example/read"]})).await;
    let nodes = [&server, &other_node];
    let mut tokens: Vec<(u64, String)> = Vec::new();
    let mut kids = BTreeSet::new();
    let mut longest_set = 0;
    let is_active = async |node: &Server, token: &str| {
        json_of(&node.post("/oauth2/introspect", &client, &format!("token={token}")).await)["active"].as_bool().unwrap()
    };
    for sample in 0..80_u64 {
        if sample == 2 {
            // Two rotations on two nodes at the same moment are one.
            let (here, there) =
                tokio::join!(server.admin("POST", "/keys/rotate", Value::Null), other_node.admin("POST", "/keys/rotate", Value::Null));
            assert_eq!((here.status().as_u16(), there.status().as_u16()), (202, 202));
        }
        let seen = [document(&server, JWKS).await, document(&other_node, JWKS).await];
        longest_set = longest_set.max(seen[0]["keys"].as_array().unwrap().len());
        for node in nodes {
            let token = node.token(&client, "").await;
            kids.insert(kid(&token));
            assert!(seen.iter().all(|jwks| verifies(&token, jwks)), "sample {sample}: the key is in no set that was seen before the token");
            tokens.push((server.now() + 86_400, token));
        }
        // A few of the old ones, on both nodes: good until their exp, by our word and by the set that is served.
        for (exp, token) in tokens.iter().step_by(15) {
            let is_live = server.now() < *exp;
            for (node, jwks) in nodes.iter().zip(&seen) {
                assert_eq!(is_active(node, token).await, is_live, "sample {sample}");
                assert!(!is_live || verifies(token, jwks), "sample {sample}");
            }
        }
        server.pass(1_800);
    }
    assert_eq!((kids.len(), longest_set), (2, 2), "one rotation took place, and the old key went in the end");
    assert_eq!(document(&server, JWKS).await["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_emergency_ends_a_key_at_once() {
    // MD-16, AD-11
    let server = Server::start().await;
    server.fixtures().await;
    let other_node = server.another().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    let introspect =
        async |node: &Server, token: &str| json_of(&node.post("/oauth2/introspect", &client, &format!("token={token}")).await)["active"].clone();
    assert_eq!((introspect(&server, &token).await, introspect(&other_node, &token).await), (json!(true), json!(true)));
    let rotated = server.admin("POST", "/keys/rotate", json!({"emergency": true})).await;
    expect![[r#"
        202 Accepted
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"items":[{"active_from":"2026-11-20T18:00:00Z","alg":"ES256","created_at":"2026-11-20T18:00:00Z","kid":"[kid]","phase":"withdrawn","withdrawn_at":"2026-11-20T18:00:00Z"},{"active_from":"2026-11-20T18:00:00Z","alg":"ES256","created_at":"2026-11-20T18:00:00Z","kid":"[kid]","phase":"active","withdrawn_at":null}]}"#]].assert_eq(&pinned(&rotated, &["kid"]));
    assert_eq!((introspect(&server, &token).await, introspect(&other_node, &token).await), (json!(false), json!(false)));
    assert_eq!(server.get("/orders/1", &token).await.status(), 401);
    let jwks = document(&server, JWKS).await;
    assert!(!verifies(&token, &jwks));
    let new = server.token(&client, "").await;
    assert!(verifies(&new, &jwks));
    assert_eq!(introspect(&server, &new).await, true);
    // The other node learns of it within GATEWRIGHT_FEED_SECONDS.
    server.pass(5);
    assert_eq!(introspect(&other_node, &new).await, true);
    assert_eq!(kid(&other_node.token(&client, "").await), kid(&new));
    assert_eq!(document(&other_node, JWKS).await, jwks);
}

#[tokio::test]
async fn a_key_that_is_new_elsewhere_is_known_when_a_token_of_it_comes() {
    // IN-12, RV-10, MI-09, 5.6 #2, #6: a key of an emergency, and the first RS256 key, sign at once, and a node may have read the keys just now.
    let server = Server::start().await;
    server.fixtures().await;
    let other_node = server.another().await;
    let client = server.client("c_cc", json!({})).await;
    let introspect = async |token: &str| json_of(&other_node.post("/oauth2/introspect", &client, &format!("token={token}")).await)["active"].clone();
    assert_eq!(introspect(&server.token(&client, "").await).await, true);
    server.admin("POST", "/keys/rotate", json!({"emergency": true})).await;
    let new = server.token(&client, "").await;
    assert_eq!(introspect(&new).await, true, "the other node looks again before it says no");
    server.admin("POST", "/keys/rotate", json!({"emergency": true})).await;
    let newest = server.token(&client, "").await;
    assert_eq!(outcome(&other_node.post("/oauth2/revoke", &client, &format!("token={newest}")).await), "200");
    assert_eq!(json_of(&server.post("/oauth2/introspect", &client, &format!("token={newest}")).await), json!({"active": false}), "200 means revoked");
    // A name that no key has costs no more than that look.
    other_node.proxy.calls();
    let (header, rest) = newest.split_once('.').unwrap();
    let header = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap().replace(&kid(&newest), "000000000000000000000000");
    assert_eq!(introspect(&format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))).await, false);
    assert_eq!(other_node.proxy.calls(), "BatchGetItem 1");
}

#[tokio::test]
async fn a_server_without_its_table_is_not_healthy() {
    // G-06, SF-02
    let server = Server::start().await;
    for fault in [Fault::Error, Fault::Throttle, Fault::Garbage] {
        server.proxy.inject(fault, "", usize::MAX);
        let response = server.send("GET", "/healthz", &[], "").await;
        expect![[r#"
            503 Service Unavailable
            cache-control: no-store
            content-type: application/json
            pragma: no-cache
            retry-after: 1
            x-content-type-options: nosniff

            {"error":"temporarily_unavailable","error_description":"the server cannot answer now, try again"}"#]]
        .assert_eq(&shown(&response));
        let root = crate::support::basic(crate::support::ADMIN, crate::support::ADMIN_SECRET);
        assert_eq!(outcome(&server.post("/oauth2/token", &root, "grant_type=client_credentials").await), "503 temporarily_unavailable");
        server.proxy.heal();
        assert_eq!(outcome(&server.send("GET", "/healthz", &[], "").await), "200");
    }
}
