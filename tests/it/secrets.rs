//! What is secret stays so: in the table, in answers, under faults.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{ADMIN, ADMIN_SECRET, Fault, Server, basic, json_of};

/// A value as it may stand in a dump: itself, and its plain SHA-256 in every usual spelling.
fn spellings(secret: &str) -> Vec<String> {
    let mut spellings = vec![secret.to_owned(), STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret)];
    // The JSON string in the dump escapes quotes only; a part is as telling as the whole.
    spellings.push(secret.chars().skip(secret.chars().count() / 2).collect());
    for text in [secret.to_owned(), secret.rsplit('_').next().unwrap().to_owned()] {
        let hash = digest(&SHA256, text.as_bytes());
        spellings.extend([STANDARD.encode(hash.as_ref()), URL_SAFE_NO_PAD.encode(hash.as_ref())]);
        spellings.push(hash.as_ref().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        }));
    }
    spellings
}

#[tokio::test]
async fn the_table_holds_no_secret_and_no_token() {
    // SE-01, SE-02, SE-03, O-14, AD-12: after a busy run, everything that was ever shown or sent is looked for
    let server = Server::with(&[("GATEWRIGHT_TOKENINFO", "on")]).await;
    server.fixtures().await;
    server.create("/apis", json!({"name": "rsa", "audience": "https://rsa.example/", "scopes": [{"value": "read"}], "signing_alg": "RS256", "access": "authenticated"})).await;
    let mut known = BTreeSet::from([ADMIN_SECRET.to_owned()]);
    for (number, format) in ["jwt", "opaque", "jwt", "opaque"].into_iter().enumerate() {
        let id = format!("busy{number}");
        let created = server
            .create(
                "/clients",
                json!({"client_id": id, "client_name": id, "grant_types": ["client_credentials"], "access_token_format": format,
            "scopes": ["https://orders.example/read", "https://rsa.example/read"], "default_scopes": ["https://orders.example/read"]}),
            )
            .await;
        let secret = created["client_secret"].as_str().unwrap().to_owned();
        assert!(URL_SAFE_NO_PAD.decode(secret.strip_prefix("gw_cs_").unwrap()).unwrap().len() >= 32, "SE-03");
        let second = server.create(&format!("/clients/{id}/secrets"), json!({})).await["client_secret"].as_str().unwrap().to_owned();
        let client = basic(&id, &secret);
        for scope in ["https://orders.example/read", "https://rsa.example/read"] {
            let token = server.token(&client, &format!("scope={scope}")).await;
            server.post("/oauth2/introspect", &client, &format!("token={token}")).await;
            server.post("/oauth2/tokeninfo", &client, &format!("access_token={token}")).await;
            server.get("/orders/1", &token).await;
            server.get("/rsa/1", &token).await;
            if number > 1 {
                server.post("/oauth2/revoke", &client, &format!("token={token}")).await;
            }
            known.insert(token);
        }
        // What a mistaken client sends in the wrong place is nobody's to keep either.
        server.post("/oauth2/token", &basic(&id, "canary-wrong-secret"), "grant_type=client_credentials").await;
        server.post("/oauth2/token", &basic("canary-unknown-client", &second), "grant_type=client_credentials").await;
        server
            .post(
                &format!("/oauth2/token?client_secret={second}"),
                &client,
                "grant_type=client_credentials&scope=canary-scope&password=canary-password",
            )
            .await;
        server.get("/orders/1?access_token=canary-query", "canary-bearer").await;
        server.send("GET", "/orders/canary-path", &[("authorization", "Basic Y2FuYXJ5OmJhc2lj")], "").await;
        known.extend([secret, second]);
    }
    let admin = server.admin_token().await;
    server.get("/admin/v1/clients", &admin).await;
    known.insert(admin);
    server.admin("POST", "/keys/rotate", Value::Null).await;
    server.node().flush(&server.fresh()).await;
    let dump = server.dump().await;
    assert!(dump.contains("busy3") && dump.len() > 10_000, "the dump is one");
    for secret in &known {
        for spelling in spellings(secret) {
            assert!(!dump.contains(&spelling), "{spelling} of {secret}");
        }
    }
    // How a JWT begins, whichever member of its header comes first: `eyJ` alone is in a sealed key or a digest now and then.
    for canary in ["canary", "PRIVATE KEY", "gw_cs_", "gw_at_", "eyJhbGciOi", "eyJ0eXAiOi", "eyJraWQiOi"] {
        assert!(!dump.contains(canary), "{canary}");
    }
    // SE-02: what is in the table opens nothing.
    let items: Value = serde_json::from_str(&dump).unwrap();
    let mut values = BTreeSet::new();
    collect(&items, &mut values);
    let client = basic("busy0", "x");
    for value in values.iter().filter(|value| value.len() >= 16 && value.len() <= 200) {
        assert_eq!(server.get("/admin/v1/clients", value).await.status(), 401, "{value}");
    }
    assert_eq!(server.post("/oauth2/introspect", &client, "token=x").await.status(), 401);
}

/// Every string in `value`, those in JSON documents inside strings included.
fn collect(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => object.values().for_each(|value| collect(value, into)),
        Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
        Value::String(text) => {
            match serde_json::from_str::<Value>(text) {
                Ok(inner @ (Value::Object(_) | Value::Array(_))) => collect(&inner, into),
                _ if text.bytes().all(|byte| byte.is_ascii_graphic()) => drop(into.insert(text.clone())),
                _ => {}
            };
        }
        _ => {}
    }
}

#[tokio::test]
async fn the_same_secret_is_stored_differently_each_time() {
    // SE-01: each digest has a salt of its own
    use shared::oauth::fresh::Fresh;
    use shared::oauth::secret::{ClientSecret, StoredSecret};
    let secret = ClientSecret::new(ADMIN_SECRET.to_owned());
    let stored = || StoredSecret::of(&secret, None, &shared::runtime::fresh().unwrap() as &Fresh);
    let (one, two) = (stored(), stored());
    assert!(one.salt != two.salt && one.digest != two.digest);
    assert!(one.matches(&secret) && two.matches(&secret));
}

#[tokio::test]
async fn answers_under_faults_say_nothing_of_the_inside() {
    // SE-06, SF-02, SF-05, SF-06: `Server::send` looks for internals in every answer; here the answers are the faults' own
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    let admin = format!("Bearer {}", server.admin_token().await);
    let root = basic(ADMIN, ADMIN_SECRET);
    for fault in [Fault::Error, Fault::Throttle, Fault::Garbage] {
        server.proxy.inject(fault, "", usize::MAX);
        let answers = [
            server.post("/oauth2/token", &root, "grant_type=client_credentials").await,
            server.post("/oauth2/introspect", &client, &format!("token={token}")).await,
            server.post("/oauth2/revoke", &client, &format!("token={token}")).await,
            server.send("GET", "/healthz", &[], "").await,
            server.send("GET", "/admin/v1/clients", &[("authorization", &admin)], "").await,
            server.send("POST", "/admin/v1/clients", &[("authorization", &admin)], "{}").await,
        ];
        server.proxy.heal();
        for answer in answers {
            assert_eq!(answer.status(), 503, "{fault:?}");
            let body = json_of(&answer).to_string();
            for inside in [server.table(), "BatchGetItem", "injected", "Internal", "127.0.0.1", "Exception", &token] {
                assert!(!body.contains(inside), "{fault:?} {inside} {body}");
            }
        }
    }
    assert_eq!(json_of(&server.post("/oauth2/introspect", &client, &format!("token={token}")).await)["active"], true);
}
