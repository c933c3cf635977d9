//! The table as `docs/storage-schema.md` describes it, and what becomes of items that are old or broken.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use shared::oauth::ids::ClientId;
use shared::oauth::time::Timestamp;
use shared::oauth::user::UserId;
use shared::store::{Key, SchemaItem, load_example};

use crate::browser::People;
use crate::support::{ADMIN_SECRET, Server, claims, json_of};

const PAGE: &str = include_str!("../../docs/storage-schema.md");

/// The examples of the page, by kind.
fn examples() -> BTreeMap<String, Value> {
    let blocks = PAGE.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks
        .map(|block| {
            let example: Value = serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"));
            (kind(example["pk"].as_str().unwrap()).to_owned(), example)
        })
        .collect()
}

fn kind(partition: &str) -> &str {
    partition.split('#').next().unwrap()
}

/// A server that has done a bit of everything.
async fn busy() -> Server {
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("shop", json!({"roles": ["clerk"], "contacts": ["ops@example.com"], "tags": ["fin"]})).await;
    let opaque = server.client("shop-opaque", json!({"access_token_format": "opaque"})).await;
    let (token, other) = (server.token(&client, "").await, server.token(&opaque, "").await);
    for token in [&token, &other] {
        assert_eq!(server.get("/orders/1", token).await.status(), 200);
    }
    server.post("/oauth2/introspect", &client, &format!("token={token}")).await;
    server.post("/oauth2/token", "Basic YTpi", "grant_type=client_credentials").await;
    for (client, token) in [(&client, &token), (&opaque, &other)] {
        assert_eq!(server.post("/oauth2/revoke", client, &format!("token={token}")).await.status(), 200);
    }
    server.create("/clients/shop/secrets", json!({"expires_in": 3600})).await;
    server.create("/clients/shop/anonymous-keys", json!({})).await;
    assert_eq!(server.admin("PATCH", "/clients/shop", json!({"client_name": "The shop"})).await.status(), 200);
    server.client("shop-page", json!({"client_type": "public", "grant_types": ["refresh_token"], "allowed_origins": ["https://shop.example"]})).await;
    assert_eq!(server.admin("PATCH", "/apis/orders", json!({"signing_alg": "RS256"})).await.status(), 200);
    assert_eq!(server.admin("POST", "/keys/rotate", json!({"emergency": true})).await.status(), 202);
    assert_eq!(server.admin("DELETE", "/clients/shop-opaque", Value::Null).await.status(), 204);
    server
        .create(
            "/privileges",
            json!({"name": "orders.write", "api": "orders", "routes": [{"methods": ["POST"], "path": "/orders/*"}], "roles": ["clerk"]}),
        )
        .await;
    Box::pin(people(&server)).await;
    server.pass(6);
    server.get("/orders/1", &token).await;
    server.node().flush(&server.fresh()).await;
    server
}

/// What users leave in the table.
async fn people(server: &Server) {
    let alice = People::of(server).await;
    let granted = alice.granted(server).await;
    assert_eq!(
        server.post("/oauth2/token", &alice.client, &format!("grant_type=refresh_token&refresh_token={}", granted.refresh_token)).await.status(),
        200
    );
    alice.wrong_password(server).await;
    // A group is assigned, a request is denied, and what was allowed is withdrawn and allowed again.
    let page = alice.browser.open(server, &People::url(&[("scope", "https://orders.example/write")])).await;
    alice.browser.press(server, &page, "deny", &[]).await;
    for (method, path) in
        [("PUT", "/clients/c_code/assignments/groups/clerks".to_owned()), ("DELETE", format!("/users/{}/grants/c_code", alice.alice))]
    {
        assert_eq!(server.admin(method, &path, Value::Null).await.status(), 204, "{path}");
    }
    alice.granted(server).await;
}

/// The items of the table, as the engine has them: attribute name to type and value.
async fn items(server: &Server) -> Vec<Map<String, Value>> {
    let dump: Value = serde_json::from_str(&server.dump().await).unwrap();
    assert_eq!(dump.get("LastEvaluatedKey"), None);
    dump["Items"].as_array().unwrap().iter().map(|item| item.as_object().unwrap().clone()).collect()
}

/// A string attribute.
fn text<'a>(item: &'a Map<String, Value>, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap()
}

#[test]
fn every_example_is_read_as_what_its_key_says() {
    let examples = examples();
    let kinds: Vec<&str> = examples.keys().map(String::as_str).collect();
    let all = [
        "apis",
        "assignments",
        "attempts",
        "audit",
        "bootstrap",
        "client",
        "client-name",
        "consent",
        "deleted-client",
        "feed",
        "grant",
        "group",
        "key",
        "keys",
        "origin",
        "privilege-name",
        "privileges",
        "role",
        "session",
        "stats",
        "token",
        "usage",
        "user",
        "user-audit",
        "user-token",
        "username",
    ];
    assert_eq!(kinds, all, "one example of each kind");
    for (kind, example) in &examples {
        let loaded = load_example(example).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let (partition, sort) = (example["pk"].as_str().unwrap(), example["sk"].as_str().unwrap());
        let place = |sort: &str| -> (Timestamp, String) {
            let (at, id) = sort.split_once('#').unwrap();
            (Timestamp::from_unix(at.parse().unwrap()), id.to_owned())
        };
        let day = sort.to_owned();
        let id = |text: &Value| ClientId::parse(text.as_str().unwrap()).unwrap();
        // The key that the store would give it.
        let (expected_partition, expected_sort) = match loaded {
            SchemaItem::Client(client) => {
                assert_eq!((json!(client.version), json!(client.client_id)), (example["v"].clone(), example["place"].clone()));
                (Key::Client(&client.client_id).partition(), Key::Client(&client.client_id).sort())
            }
            SchemaItem::Apis(apis) => {
                assert_eq!(json!(apis.version), example["v"]);
                (Key::Apis.partition(), Key::Apis.sort())
            }
            SchemaItem::Role(role) => {
                assert_eq!((json!(role.version), json!(role.name)), (example["v"].clone(), example["place"].clone()));
                (Key::Role(role.name.as_str()).partition(), Key::Role(role.name.as_str()).sort())
            }
            SchemaItem::Privilege(privilege) => {
                assert_eq!((json!(privilege.version), json!(privilege.metadata.name)), (example["v"].clone(), example["place"].clone()));
                let key = Key::Privilege { api: privilege.metadata.api.as_str(), name: privilege.metadata.name.as_str() };
                (key.partition(), key.sort())
            }
            SchemaItem::User(user) => {
                assert_eq!((json!(user.version), json!(user.user_id)), (example["v"].clone(), example["place"].clone()));
                (Key::User(&user.user_id).partition(), Key::User(&user.user_id).sort())
            }
            SchemaItem::Group(group) => {
                assert_eq!((json!(group.version), json!(group.metadata.name)), (example["v"].clone(), example["place"].clone()));
                (Key::Group(group.metadata.name.as_str()).partition(), Key::Group(group.metadata.name.as_str()).sort())
            }
            SchemaItem::Grant(grant) => {
                assert_eq!(json!(grant.version), example["v"]);
                (Key::Grant(&grant.grant_id).partition(), Key::Grant(&grant.grant_id).sort())
            }
            SchemaItem::Session(session) => {
                assert_eq!(json!(session.expires_at), example["ttl"]);
                let digest = partition.split_once('#').unwrap().1;
                (Key::Session(digest).partition(), Key::Session(digest).sort())
            }
            SchemaItem::Consent(consent) => {
                let user_id = UserId::parse(partition.split_once('#').unwrap().1).unwrap();
                let key = Key::Consent { user_id: &user_id, client: &consent.client_id };
                (key.partition(), key.sort())
            }
            SchemaItem::Attempts(attempts) => {
                assert_eq!(json!(attempts.version), example["v"]);
                let whose = partition.split_once('#').unwrap().1;
                (Key::Attempts(whose).partition(), Key::Attempts(whose).sort())
            }
            SchemaItem::Keys(keys) => {
                assert_eq!(json!(keys.version), example["v"]);
                (Key::Keys.partition(), Key::Keys.sort())
            }
            SchemaItem::Token(record) => {
                assert_eq!(json!(record.revoked_at), example["revoked_at"]);
                assert_eq!(json!(record.claims.exp.plus(3_600)), example["ttl"]);
                (Key::Token(&record.claims.jti).partition(), Key::Token(&record.claims.jti).sort())
            }
            SchemaItem::Feed(_) => {
                let (at, id) = place(sort);
                (Key::Feed { at, id: &id }.partition(), Key::Feed { at, id: &id }.sort())
            }
            SchemaItem::Audit(event) => {
                let (at, id) = place(sort);
                assert_eq!(event.time, at);
                let key = match &event.user_id {
                    Some(user_id) if kind == "user-audit" => Key::UserAudit { user_id, at, id: &id },
                    _ => Key::Audit { at, id: &id },
                };
                (key.partition(), key.sort())
            }
            SchemaItem::Attributes => {
                let name = partition.split_once('#').map_or("", |(_, name)| name);
                let own = ClientId::parse(name);
                let assigned = UserId::parse(sort.strip_prefix("user#").unwrap_or_default());
                let since = Timestamp::from_unix(name.split_once('#').and_then(|(_, since)| since.parse().ok()).unwrap_or_default());
                let client = ClientId::parse(name.split_once('#').map_or("x", |(client, _)| client)).unwrap();
                let key = match (kind.as_str(), &own) {
                    ("assignments", _) => Key::AssignedUser { client: &client, since, user_id: assigned.as_ref().unwrap() },
                    ("username", _) => {
                        let (realm, canonical) = name.split_once('#').unwrap();
                        Key::Username { realm, canonical }
                    }
                    ("client-name", _) => Key::ClientName(name),
                    ("privilege-name", _) => Key::PrivilegeName(name),
                    ("origin", _) => Key::Origin(name),
                    ("deleted-client", Some(own)) => Key::ClientTombstone(own),
                    ("user-token", _) => Key::TokenOfUser(name),
                    ("key", _) => Key::SealedKey(name),
                    ("usage", Some(own)) => Key::Usage { client_id: own, day: &day },
                    ("stats", _) => Key::Stats { day: &day },
                    ("bootstrap", _) => Key::Bootstrap,
                    _ => panic!("{example}"),
                };
                if let Some(named) = example.get("client_id") {
                    id(named);
                }
                (key.partition(), key.sort())
            }
        };
        assert_eq!((partition, sort), (expected_partition.as_str(), expected_sort.as_str()), "{kind}");
    }
}

#[tokio::test]
async fn what_the_server_writes_is_what_the_page_shows() {
    // Every kind is written; no item has an attribute, nor a document a member, that the page does not name.
    let server = busy().await;
    let examples = examples();
    let mut seen = BTreeSet::new();
    for item in items(&server).await {
        let kind = kind(text(&item, "pk")).to_owned();
        let example = examples.get(&kind).unwrap_or_else(|| panic!("no example of {kind}: {item:?}"));
        for (name, value) in &item {
            let described = example.get(name).is_some() || PAGE.contains(&format!("`{name}`"));
            assert!(described, "{kind}: the attribute {name} is not described");
            let kind_of_value = value.as_object().unwrap().keys().next().unwrap().as_str();
            let expected = match (name.as_str(), example.get(name)) {
                ("sealed", _) => "B",
                ("clients", _) => "SS",
                (_, Some(Value::Number(_))) | ("ttl" | "v" | "revoked_at" | "group_since", _) => "N",
                (_, None) if kind == "usage" || kind == "stats" => "N",
                _ => "S",
            };
            assert_eq!(kind_of_value, expected, "{kind}: {name}");
        }
        for name in example
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| !["list", "place", "revoked_at", "uses"].contains(&name.as_str()) && kind != "usage" && kind != "stats")
        {
            assert!(item.contains_key(name), "{kind}: the page shows {name}, the item has none: {item:?}");
        }
        if let Some(doc) = item.get("doc") {
            let doc: Value = serde_json::from_str(doc["S"].as_str().unwrap()).unwrap();
            for name in doc.as_object().unwrap().keys() {
                let described = example["doc"].get(name).is_some() || PAGE.contains(&format!("`{name}`"));
                assert!(described, "{kind}: the member {name} of doc is not described");
            }
        }
        // The store reads back what it wrote.
        let plain: Map<String, Value> = item
            .iter()
            .filter(|(_, value)| value.get("B").is_none())
            .map(|(name, value)| {
                let text = value.get("S").or(value.get("SS"));
                (name.clone(), text.cloned().unwrap_or_else(|| json!(value["N"].as_str().unwrap().parse::<u64>().unwrap())))
            })
            .collect();
        load_example(&Value::Object(plain)).unwrap();
        seen.insert(kind);
    }
    assert_eq!(seen.iter().collect::<Vec<_>>(), examples.keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_that_opens_anything_is_in_the_table() {
    // SE-01, SE-02, AD-12, JW-25
    let server = Server::start().await;
    server.fixtures().await;
    let mut secrets = vec![ADMIN_SECRET.to_owned(), server.admin_token().await];
    for (id, format) in [("c_jwt", "jwt"), ("c_op", "opaque")] {
        let body = json!({"client_id": id, "client_name": id, "grant_types": ["client_credentials"], "scopes": ["https://orders.example/read"], "access_token_format": format});
        let secret = server.create("/clients", body).await["client_secret"].as_str().unwrap().to_owned();
        secrets.push(server.token(&crate::support::basic(id, &secret), "").await);
        secrets.push(secret);
    }
    let signatures: Vec<String> =
        secrets.iter().filter(|secret| secret.starts_with("ey")).map(|jwt| jwt.rsplit('.').next().unwrap().to_owned()).collect();
    let dump = server.dump().await;
    for secret in secrets.iter().chain(&signatures) {
        assert!(!dump.contains(secret.as_str()) && !dump.contains(&STANDARD.encode(secret)), "{secret}");
    }
    for item in items(&server).await.iter().filter(|item| text(item, "pk").starts_with("key#")) {
        let sealed = STANDARD.decode(item["sealed"]["B"].as_str().unwrap()).unwrap();
        // PKCS#8 of a P-256 key names its curve.
        assert!(!sealed.windows(8).any(|window| window == b"\x2a\x86\x48\xce\x3d\x03\x01\x07"));
    }
}

#[tokio::test]
async fn ttls_lie_behind_everything_that_an_item_is_needed_for() {
    // SF-10, X-05, G-20: an item is deleted late or not at all, and never before nobody can ask for it.
    let server = busy().await;
    let now = server.now();
    for item in items(&server).await {
        let ttl = item.get("ttl").map(|ttl| ttl["N"].as_str().unwrap().parse::<u64>().unwrap());
        match kind(text(&item, "pk")) {
            "token" => {
                let doc: Value = serde_json::from_str(text(&item, "doc")).unwrap();
                assert_eq!(ttl, Some(doc["claims"]["exp"].as_u64().unwrap() + 3_600));
            }
            // Longer than the longest life of a token.
            "feed" | "deleted-client" => assert!(ttl.unwrap() > now + 86_400, "{item:?}"),
            "audit" | "user-audit" => assert!(ttl.unwrap() > now + 399 * 86_400, "{item:?}"),
            // A grant is remembered for as long as a token that it gave could live, a session until it ends, a failure until it is forgiven.
            "grant" => {
                let doc: Value = serde_json::from_str(text(&item, "doc")).unwrap();
                assert_eq!(ttl, Some(doc["expires_at"].as_u64().unwrap() + 90_000));
            }
            "session" => {
                let doc: Value = serde_json::from_str(text(&item, "doc")).unwrap();
                assert_eq!(ttl, Some(doc["expires_at"].as_u64().unwrap()));
            }
            "user-token" => assert!(ttl.unwrap() > now, "{item:?}"),
            "attempts" => assert!(ttl.unwrap() >= now + 3_600, "{item:?}"),
            _ => assert_eq!(ttl, None, "{item:?}"),
        }
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_read_closes_what_needs_it() {
    // SF-11: a missing attribute, a wrong type, an unknown version, 300 kB; 503 and 500, no panic, and nothing opens.
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    let jti = claims(&token)["jti"].as_str().unwrap().to_owned();
    let put = async |item: Value| {
        let answer = server.proxy.ask("PutItem", &json!({"TableName": server.table(), "Item": item}).to_string()).await;
        assert_eq!(answer, "{}");
    };
    let all = items(&server).await;
    let original = |partition: &str| Value::Object(all.iter().find(|item| text(item, "pk") == partition).unwrap().clone());
    for (partition, closes_token) in
        [("client#c_cc".to_owned(), true), ("apis".to_owned(), true), (format!("token#{jti}"), false), ("keys".to_owned(), false)]
    {
        let item = original(&partition);
        let broken = |doc: Value| {
            let mut broken = item.clone();
            broken["doc"] = doc;
            broken
        };
        let mut without = item.clone();
        without.as_object_mut().unwrap().remove("doc");
        for (what, item) in [
            ("no doc", without),
            ("a number", broken(json!({"N": "1"}))),
            ("no JSON", broken(json!({"S": "{"}))),
            ("another shape", broken(json!({"S": "{\"schema\":2}"}))),
            ("null", broken(json!({"S": "null"}))),
            ("300 kB", broken(json!({"S": "x".repeat(300_000)}))),
        ] {
            put(item).await;
            // A node that knows nothing yet.
            let node = server.another().await;
            let context = format!("{partition}: {what}");
            assert_eq!(node.get("/orders/1", &token).await.status(), 500, "{context}");
            let introspected = node.post("/oauth2/introspect", &client, &format!("token={token}")).await;
            assert_eq!(introspected.status(), 503, "{context}");
            if closes_token {
                assert_eq!(node.post("/oauth2/token", &client, "grant_type=client_credentials").await.status(), 503, "{context}");
            }
        }
        put(item).await;
        assert_eq!(server.another().await.get("/orders/1", &token).await.status(), 200);
    }
}

#[tokio::test]
async fn a_record_that_is_deleted_early_takes_its_token_along() {
    // SF-10: "early deletion can only invalidate"
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    let key = json!({"pk": {"S": format!("token#{}", claims(&token)["jti"].as_str().unwrap())}, "sk": {"S": "token"}});
    server.proxy.ask("DeleteItem", &json!({"TableName": server.table(), "Key": key}).to_string()).await;
    assert_eq!(server.get("/orders/1", &token).await.status(), 401);
    assert_eq!(json_of(&server.post("/oauth2/introspect", &client, &format!("token={token}")).await), json!({"active": false}));
}
