//! The table fails, in every way, at every call, under every endpoint: nothing opens, nothing is said that is not known.

mod access;
mod people;

use std::time::{Duration, Instant};

use expect_test::expect;
use serde_json::{Value, json};
use shared::endpoints::Response;

use crate::support::{Fault, Server, basic, json_of, shown};

/// A request to each endpoint that reads or writes the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Token,
    OpaqueToken,
    Introspect,
    IntrospectOpaque,
    TokenInfo,
    Revoke,
    RevokeOpaque,
    Health,
    KeySet,
    CreateClient,
    ChangeClient,
    CreateSecret,
    CreateApi,
    ChangeApi,
    ListClients,
    ListTokens,
    DeleteToken,
    Rotate,
    Audit,
    Stats,
    CreateRole,
    DeleteRole,
    GiveRole,
    ListRoles,
    CreatePrivilege,
    ChangePrivilege,
    DeletePrivilege,
    ListPrivileges,
    Explain,
    Diagnose,
    Route,
    OpaqueRoute,
    /// A route that a privilege guards, which the authorizer has yet to read.
    GuardedRoute,
}

const CALLS: [Call; 33] = [
    Call::Token,
    Call::OpaqueToken,
    Call::Introspect,
    Call::IntrospectOpaque,
    Call::TokenInfo,
    Call::Revoke,
    Call::RevokeOpaque,
    Call::Health,
    Call::KeySet,
    Call::CreateClient,
    Call::ChangeClient,
    Call::CreateSecret,
    Call::CreateApi,
    Call::ChangeApi,
    Call::ListClients,
    Call::ListTokens,
    Call::DeleteToken,
    Call::Rotate,
    Call::Audit,
    Call::Stats,
    Call::CreateRole,
    Call::DeleteRole,
    Call::GiveRole,
    Call::ListRoles,
    Call::CreatePrivilege,
    Call::ChangePrivilege,
    Call::DeletePrivilege,
    Call::ListPrivileges,
    Call::Explain,
    Call::Diagnose,
    Call::Route,
    Call::OpaqueRoute,
    Call::GuardedRoute,
];

const FAULTS: [Fault; 4] = [Fault::Error, Fault::Throttle, Fault::AnswerLost, Fault::Garbage];

/// What is said to whoever asks, and not asked for again: credentials that ended, a role that may not, a region that does not know them.
const REFUSALS: [Fault; 3] = [Fault::ExpiredToken, Fault::AccessDenied, Fault::UnrecognizedClient];

/// A server and what the calls need.
struct Scene {
    server: Server,
    admin: std::sync::Mutex<String>,
    jwt_client: String,
    opaque_client: String,
    introspector: String,
    /// A clerk of the Api `guarded`, which a privilege opens to clerks.
    guarded_client: String,
}

impl Scene {
    async fn start() -> Self {
        let server = Server::with(&[("GATEWRIGHT_TOKENINFO", "on")]).await;
        server.fixtures().await;
        let jwt_client = server.client("c_jwt", json!({})).await;
        let opaque_client = server.client("c_opaque", json!({"access_token_format": "opaque"})).await;
        let introspector = server.client("c_any", json!({"scopes": [], "introspect": true})).await;
        let scopes = json!([{"value": "read"}, {"value": "write"}]);
        server.create("/apis", json!({"name": "guarded", "audience": "https://guarded.example/", "scopes": scopes})).await;
        let guarded_client = server.client("c_guarded", json!({"scopes": ["https://guarded.example/read"], "roles": ["clerk"]})).await;
        let guards = json!([{"path": "/guarded/1"}, {"path": "/guarded/2"}]);
        server.create("/privileges", json!({"name": "guards", "api": "guarded", "routes": guards, "roles": ["clerk"]})).await;
        server.create("/privileges", json!({"name": "moves", "api": "guarded", "routes": [{"path": "/guarded/here"}]})).await;
        let admin = server.admin_token().await.into();
        let scene = Self { server, admin, jwt_client, opaque_client, introspector, guarded_client };
        // The first use of a secret on a day is noted; after this, a call is what it is every time.
        scene.server.token(&scene.jwt_client, "").await;
        scene.server.token(&scene.opaque_client, "").await;
        scene.server.token(&scene.guarded_client, "").await;
        scene
    }

    /// What `call` needs: made while all is well.
    async fn prepare(&self, call: Call) -> String {
        match call {
            Call::Introspect | Call::TokenInfo | Call::Revoke | Call::Route => self.server.token(&self.jwt_client, "").await,
            Call::IntrospectOpaque | Call::RevokeOpaque | Call::OpaqueRoute => self.server.token(&self.opaque_client, "").await,
            Call::DeleteToken => crate::support::claims(&self.server.token(&self.jwt_client, "").await)["jti"].as_str().unwrap().to_owned(),
            Call::CreateSecret | Call::GiveRole => {
                let id = self.server.fresh().hex_id("client");
                self.server.client(&id, json!({})).await;
                id
            }
            Call::DeleteRole => {
                let name = self.server.fresh().hex_id("role");
                self.server.roles(&[&name]).await;
                name
            }
            Call::DeletePrivilege => {
                let name = self.server.fresh().hex_id("privilege");
                assert_eq!(self.send(Call::CreatePrivilege, &name).await.status(), 201);
                name
            }
            Call::Diagnose => self.server.token(&self.guarded_client, "").await,
            Call::GuardedRoute => {
                let token = self.server.token(&self.guarded_client, "").await;
                let name = self.server.fresh().hex_id("name");
                assert_eq!(self.send(Call::ChangePrivilege, &name).await.status(), 200);
                // A call on no Api makes the authorizer follow the feed and read the Apis: the privileges are left.
                self.server.pass(5);
                assert_eq!(self.server.send("GET", "/nowhere", &[], "").await.status(), 401);
                token
            }
            // Due, so that each of these reads.
            Call::KeySet => {
                self.server.pass(5);
                String::new()
            }
            // While a next key waits, a rotation has nothing to do: an emergency takes that key into use.
            Call::Rotate => {
                self.server.admin("POST", "/keys/rotate", json!({"emergency": true})).await;
                *self.admin.lock().unwrap() = self.server.admin_token().await;
                String::new()
            }
            _ => self.server.fresh().hex_id("name"),
        }
    }

    async fn send(&self, call: Call, prepared: &str) -> Response {
        let Self { server, jwt_client, opaque_client, introspector, guarded_client, .. } = self;
        let admin = async |method: &str, path: &str, body: Value| {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let authorization = format!("Bearer {}", self.admin.lock().unwrap());
            let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
            server.send(method, &format!("/admin/v1{path}"), &headers, body).await
        };
        match call {
            Call::Token => server.post("/oauth2/token", jwt_client, "grant_type=client_credentials").await,
            Call::OpaqueToken => server.post("/oauth2/token", opaque_client, "grant_type=client_credentials").await,
            Call::Introspect | Call::IntrospectOpaque => server.post("/oauth2/introspect", introspector, &format!("token={prepared}")).await,
            Call::TokenInfo => server.post("/oauth2/tokeninfo", introspector, &format!("access_token={prepared}")).await,
            Call::Revoke => server.post("/oauth2/revoke", jwt_client, &format!("token={prepared}")).await,
            Call::RevokeOpaque => server.post("/oauth2/revoke", opaque_client, &format!("token={prepared}")).await,
            Call::Health => server.send("GET", "/healthz", &[], "").await,
            Call::KeySet => server.send("GET", "/.well-known/jwks.json", &[], "").await,
            Call::CreateClient => {
                let body = json!({"client_id": prepared, "client_name": prepared, "grant_types": ["client_credentials"]});
                admin("POST", "/clients", body).await
            }
            Call::ChangeClient => admin("PATCH", "/clients/c_any", json!({"description": prepared})).await,
            Call::CreateSecret => admin("POST", &format!("/clients/{prepared}/secrets"), json!({})).await,
            Call::CreateApi => admin("POST", "/apis", json!({"name": format!("a{prepared}"), "audience": format!("urn:{prepared}:")})).await,
            Call::ChangeApi => admin("PATCH", "/apis/billing", json!({"tags": [format!("t{prepared}")]})).await,
            Call::ListClients => admin("GET", "/clients", Value::Null).await,
            Call::ListTokens => admin("GET", "/tokens?client_id=c_jwt", Value::Null).await,
            Call::DeleteToken => admin("DELETE", &format!("/tokens/{prepared}"), Value::Null).await,
            Call::Rotate => admin("POST", "/keys/rotate", json!({})).await,
            Call::Audit => admin("GET", "/audit?client_id=c_jwt", Value::Null).await,
            Call::Stats => admin("GET", "/stats/latest/instance", Value::Null).await,
            Call::CreateRole => admin("POST", "/roles", json!({"name": prepared})).await,
            Call::DeleteRole => admin("DELETE", &format!("/roles/{prepared}"), Value::Null).await,
            Call::GiveRole => admin("PUT", &format!("/clients/{prepared}/roles/clerk"), Value::Null).await,
            Call::ListRoles => admin("GET", "/roles", Value::Null).await,
            Call::CreatePrivilege => {
                let routes = json!([{"path": format!("/guarded/{prepared}")}]);
                admin("POST", "/privileges", json!({"name": prepared, "api": "guarded", "routes": routes, "roles": ["clerk"]})).await
            }
            Call::ChangePrivilege => {
                let routes = json!([{"path": format!("/guarded/{prepared}/moved")}]);
                admin("PATCH", "/privileges/moves", json!({"routes": routes})).await
            }
            Call::DeletePrivilege => admin("DELETE", &format!("/privileges/{prepared}"), Value::Null).await,
            Call::ListPrivileges => admin("GET", "/privileges", Value::Null).await,
            Call::Explain => admin("GET", "/routes/explain?method=GET&path=/guarded/1", Value::Null).await,
            Call::Diagnose => {
                let body = json!({"token": prepared, "method": "GET", "path": "/guarded/1"}).to_string();
                let headers = [("authorization", guarded_client.as_str()), ("content-type", "application/json")];
                server.send("POST", "/oauth2/diagnose", &headers, body).await
            }
            Call::Route | Call::OpaqueRoute => server.get("/orders/1", prepared).await,
            Call::GuardedRoute => server.get("/guarded/1", prepared).await,
        }
    }
}

/// What the call answers when nothing is wrong.
fn good(call: Call) -> u16 {
    match call {
        Call::CreateClient | Call::CreateSecret | Call::CreateApi | Call::CreateRole | Call::CreatePrivilege => 201,
        Call::Rotate => 202,
        Call::DeleteToken | Call::DeleteRole | Call::GiveRole | Call::DeletePrivilege => 204,
        _ => 200,
    }
}

/// What the call must answer while the table does not: 503, or the gateway's 500 for an authorizer that fails.
fn assert_closed(call: Call, response: &Response, context: &str) {
    let text = shown(response);
    let expected = if matches!(call, Call::Route | Call::OpaqueRoute | Call::GuardedRoute) { 500 } else { 503 };
    assert_eq!(response.status(), expected, "{context}: {text}");
    if expected == 503 {
        assert_eq!(response.headers()["retry-after"], "1", "{context}: {text}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{context}: {text}");
    }
    for leak in
        ["access_token\"", "\"active\"", "\"verdict\"", "client_secret", "principal", "dynamodb", "127.0.0.1", "injected", "Throughput", "token#"]
    {
        assert!(!text.contains(leak), "{context} says {leak}: {text}");
    }
}

/// The operations that `call` makes when nothing is wrong.
async fn operations(scene: &Scene, call: Call) -> Vec<&'static str> {
    let prepared = scene.prepare(call).await;
    scene.server.proxy.calls();
    assert_eq!(scene.send(call, &prepared).await.status(), good(call), "{call:?}");
    let calls = scene.server.proxy.calls();
    let known = ["BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"];
    let made: Vec<&'static str> = known.into_iter().filter(|name| calls.split(", ").any(|call| call.starts_with(&format!("{name} ")))).collect();
    assert_eq!(made.len(), calls.split(", ").filter(|call| !call.is_empty()).count(), "{calls}");
    // In one process, a report first writes what was counted; whether that works is not the report's matter.
    let is_own = |name: &&str| !matches!(call, Call::Audit | Call::Stats) || !matches!(*name, "BatchWriteItem" | "UpdateItem");
    made.into_iter().filter(is_own).collect()
}

#[tokio::test]
async fn a_fault_that_passes_is_not_noticed() {
    // SF-01, CC-08, CC-09, SF-20: each endpoint, each call to the table, each kind of fault, once.
    let scene = Scene::start().await;
    let mut cases = 0;
    for call in CALLS {
        for operation in operations(&scene, call).await {
            for fault in FAULTS {
                let context = format!("{call:?}, {operation}, {fault:?}, once");
                let prepared = scene.prepare(call).await;
                scene.server.proxy.inject(fault, operation, 1);
                let response = scene.send(call, &prepared).await;
                scene.server.proxy.heal();
                // An answer that cannot be read is not asked for again where the SDK takes it for the service's last word; then it is
                // a failure, never a fact.
                match fault {
                    Fault::Garbage if response.status() != good(call) => assert_closed(call, &response, &context),
                    _ => assert_eq!(response.status(), good(call), "{context}: {}", shown(&response)),
                }
                cases += 1;
            }
        }
    }
    assert!(cases > 100, "{cases}");
}

#[tokio::test]
async fn a_fault_that_lasts_is_said_and_nothing_else() {
    // SF-02, SF-03, SF-05, SF-06, SF-07, SF-12, RV-09, AU-04, T-26: the same, lasting, and refusals; then the table is back and the request is repeated.
    let scene = Scene::start().await;
    for call in CALLS {
        for operation in operations(&scene, call).await {
            for fault in FAULTS.into_iter().chain(REFUSALS) {
                let context = format!("{call:?}, {operation}, {fault:?}, lasting");
                let prepared = scene.prepare(call).await;
                scene.server.proxy.inject(fault, operation, usize::MAX);
                let begun = Instant::now();
                let response = scene.send(call, &prepared).await;
                assert!(begun.elapsed() < Duration::from_secs(3), "{context}: {:?}", begun.elapsed());
                scene.server.proxy.heal();
                assert_closed(call, &response, &context);
                // What was written although the answer was lost is there; what was not, was not: the caller may send the same again.
                let again = scene.send(call, &prepared).await.status().as_u16();
                let may_exist = fault == Fault::AnswerLost || fault == Fault::Garbage;
                let is_right = again == good(call) || (may_exist && (again == 409 || (good(call) == 204 && again == 404)));
                assert!(is_right, "{context}: then {again}");
            }
        }
    }
}

#[tokio::test]
async fn a_table_that_is_gone_is_said_by_every_endpoint() {
    // SF-02, SF-06, T-26, G-06: everything fails; unknown clients and bad tokens are told from a table that does not answer.
    let scene = Scene::start().await;
    let live = scene.server.token(&scene.jwt_client, "").await;
    scene.server.proxy.inject(Fault::Error, "", usize::MAX);
    let expected = expect![[r#"
        503 Service Unavailable
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        retry-after: 1
        x-content-type-options: nosniff

        {"error":"temporarily_unavailable","error_description":"the server cannot answer now, try again"}"#]];
    let unknown = basic("nobody", "nothing");
    expected.assert_eq(&shown(&scene.server.post("/oauth2/token", &scene.jwt_client, "grant_type=client_credentials").await));
    expected.assert_eq(&shown(&scene.server.post("/oauth2/token", &unknown, "grant_type=client_credentials").await));
    expected.assert_eq(&shown(&scene.server.post("/oauth2/introspect", &scene.introspector, &format!("token={live}")).await));
    expected.assert_eq(&shown(&scene.server.post("/oauth2/introspect", &scene.introspector, "token=garbage").await));
    expected.assert_eq(&shown(&scene.server.post("/oauth2/revoke", &scene.jwt_client, &format!("token={live}")).await));
    expected.assert_eq(&shown(&scene.server.send("GET", "/healthz", &[], "").await));
    let admin = scene.admin.lock().unwrap().clone();
    assert_eq!(scene.server.get("/admin/v1/clients", &admin).await.status(), 503);
    assert_eq!(scene.server.get("/orders/1", &live).await.status(), 500);
    scene.server.proxy.heal();
    assert_eq!(json_of(&scene.server.send("GET", "/healthz", &[], "").await), json!({"store": "ok"}));
    assert_eq!(scene.server.get("/orders/1", &live).await.status(), 200);
    assert_eq!(json_of(&scene.server.post("/oauth2/introspect", &scene.introspector, &format!("token={live}")).await)["active"], true);
}

#[tokio::test]
async fn no_endpoint_waits_for_a_silent_table_longer_than_three_seconds() {
    // SF-04, SF-03: at the first call, and where there are two, at the second. The scenes are apart, so that they can wait side by side.
    let case = async |call: Call, operation: &'static str| {
        let scene = Scene::start().await;
        let prepared = scene.prepare(call).await;
        // Counts are due as well, and must not be waited for too.
        scene.server.pass(61);
        scene.server.proxy.inject(Fault::Silence, operation, usize::MAX);
        let begun = Instant::now();
        let response = scene.send(call, &prepared).await;
        let waited = begun.elapsed();
        assert!(waited < Duration::from_millis(3_300), "{call:?}, {operation}: {waited:?}");
        assert_closed(call, &response, &format!("{call:?}, {operation}, silence"));
        scene.server.proxy.heal();
        assert_eq!(scene.send(call, &prepared).await.status(), good(call), "{call:?}, {operation}, after the silence");
    };
    tokio::join!(
        Box::pin(case(Call::Token, "")),
        Box::pin(case(Call::Token, "PutItem")),
        Box::pin(case(Call::Introspect, "")),
        Box::pin(case(Call::Revoke, "TransactWriteItems")),
        Box::pin(case(Call::Health, "")),
        Box::pin(case(Call::CreateClient, "TransactWriteItems")),
        Box::pin(case(Call::Route, "")),
        Box::pin(case(Call::OpaqueRoute, "BatchGetItem")),
    );
}

#[tokio::test]
async fn counts_that_cannot_be_written_hold_nobody_up() {
    // SF-15, SF-03: many clients' counts are due, and only they meet a silent table.
    let scene = Scene::start().await;
    for number in 0..5 {
        let client = scene.server.client(&format!("c_{number}"), json!({})).await;
        let token = scene.server.token(&client, "").await;
        assert_eq!(scene.server.get("/orders/1", &token).await.status(), 200);
    }
    let token = scene.server.token(&scene.jwt_client, "").await;
    scene.server.pass(61);
    scene.server.proxy.inject(Fault::Silence, "UpdateItem", usize::MAX);
    let begun = Instant::now();
    let (route, issued) = tokio::join!(Box::pin(scene.server.get("/orders/1", &token)), Box::pin(scene.send(Call::Token, "")));
    assert!(begun.elapsed() < Duration::from_millis(3_300), "{:?}", begun.elapsed());
    assert_eq!((route.status().as_u16(), issued.status().as_u16()), (200, 200));
}

#[tokio::test]
async fn a_revocation_that_was_not_written_is_not_confirmed() {
    // RV-09, CVE-2020-15223; SF-05: and a token without its durable record is never shown.
    let scene = Scene::start().await;
    let token = scene.prepare(Call::Revoke).await;
    let active = async || json_of(&scene.server.post("/oauth2/introspect", &scene.introspector, &format!("token={token}")).await)["active"].clone();
    scene.server.proxy.inject(Fault::Error, "TransactWriteItems", usize::MAX);
    assert_eq!(scene.send(Call::Revoke, &token).await.status(), 503);
    assert_eq!(active().await, true);
    scene.server.proxy.inject(Fault::Throttle, "PutItem", usize::MAX);
    let before = scene.server.dump().await.matches("token#").count();
    assert_eq!(scene.send(Call::Token, "").await.status(), 503);
    scene.server.proxy.heal();
    assert_eq!(scene.server.dump().await.matches("token#").count(), before);
    assert_eq!(scene.send(Call::Revoke, &token).await.status(), 200);
    assert_eq!(active().await, false);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_recognised_as_ones_own() {
    // CC-08, CC-09: created once, answered 201 with the secret that works, one line in the audit trail.
    let scene = Scene::start().await;
    scene.server.proxy.inject(Fault::AnswerLost, "TransactWriteItems", 1);
    let response = scene.send(Call::CreateClient, "lost").await;
    assert_eq!(response.status(), 201, "{}", shown(&response));
    let client = basic("lost", json_of(&response)["client_secret"].as_str().unwrap());
    // It has no scopes: what is refused is the scope, not the secret.
    assert_eq!(json_of(&scene.server.post("/oauth2/token", &client, "grant_type=client_credentials").await)["error"], "invalid_scope");
    let audit = json_of(&scene.server.admin("GET", "/audit?client_id=lost", Value::Null).await);
    let created = audit["items"].as_array().unwrap().iter().filter(|entry| entry["event"] == "client.created").count();
    assert_eq!(created, 1, "{audit}");
}
