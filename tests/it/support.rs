//! A server of one's own per test: the real endpoints behind the real SDK and a real engine, with a clock that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use local::engine::Engine;
use local::front::Functions;
use local::node::{Node, working_as};
use serde_json::{Value, json};
use shared::endpoints::bootstrap::{Given, bootstrap};
use shared::endpoints::{Request, Response};
use shared::oauth::fresh::Fresh;
use shared::oauth::ids::ClientId;
use shared::oauth::secret::ClientSecret;
use shared::oauth::time::Timestamp;
use shared::runtime::{Config, Endpoints, decoded_query};
use shared::store::{Sealer, Store};

use crate::permissions::Caller;
pub use crate::proxy::{Fault, Proxy};

/// When every test begins: 2026-11-20T18:00:00Z.
pub const START: u64 = 1_795_197_600;
pub const ISSUER: &str = "https://auth.example";
pub const ADMIN: &str = "root";
pub const ADMIN_SECRET: &str = "a secret: with %, +, & and é = 🔑!";

static SEEDS: AtomicU64 = AtomicU64::new(1);

/// A server in this process.
pub struct Server {
    pub functions: Functions,
    /// What lies between the SDK and the engine: it counts calls and injects faults.
    pub proxy: Arc<Proxy>,
    clock: Arc<AtomicU64>,
    table: String,
    variables: Vec<(String, String)>,
    _engine: Option<Arc<Engine>>,
}

impl Server {
    /// A server with an empty table, a signing key and the admin client `root`.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same, configured by these variables of the contract.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        Self::at(START, variables).await
    }

    /// The same, with a clock that begins at `now`: real binaries beside it read the real one.
    pub async fn at(now: u64, variables: &[(&str, &str)]) -> Self {
        // `make test-engines` runs the same tests on another engine; each test then has a table of its own there.
        let (engine, url) = match std::env::var("GATEWRIGHT_TEST_DYNAMODB") {
            Ok(url) => (None, url),
            Err(_) => {
                let engine = Engine::start(None, 0).await.unwrap();
                let url = engine.url().to_owned();
                (Some(Arc::new(engine)), url)
            }
        };
        let proxy = Proxy::start(&url).await;
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let table = format!("t{}-{}", std::process::id(), SEEDS.fetch_add(1, Ordering::Relaxed));
        let server = Self::on(proxy, table, variables, Arc::new(AtomicU64::new(now)), engine);
        let fresh = server.fresh();
        server.node().prepare(&fresh).await.unwrap();
        let given = Given { client_id: ClientId::parse(ADMIN), client_secret: Some(ClientSecret::new(ADMIN_SECRET.to_owned())) };
        bootstrap(&server.node().store, given, false, &server.fresh()).await.unwrap().unwrap();
        server
    }

    /// Another node: a server of its own on the same table and the same clock.
    pub async fn another(&self) -> Self {
        let proxy = Proxy::start(self.proxy.engine()).await;
        Self::on(proxy, self.table.clone(), self.variables.clone(), Arc::clone(&self.clock), self._engine.clone())
    }

    /// Another node whose clock is its own and begins at `now`.
    pub async fn another_at(&self, now: u64) -> Self {
        let proxy = Proxy::start(self.proxy.engine()).await;
        Self::on(proxy, self.table.clone(), self.variables.clone(), Arc::new(AtomicU64::new(now)), self._engine.clone())
    }

    fn on(proxy: Arc<Proxy>, table: String, variables: Vec<(String, String)>, clock: Arc<AtomicU64>, engine: Option<Arc<Engine>>) -> Self {
        let get = |name: &str| match name {
            "GATEWRIGHT_TABLE" => Some(table.clone()),
            _ => variables
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
                .or((name == "GATEWRIGHT_ISSUER").then(|| ISSUER.to_owned())),
        };
        let config = Config::from_environment(&get).unwrap();
        let client = Endpoints::local(proxy.url()).dynamodb();
        let client = aws_sdk_dynamodb::Client::from_conf(client.config().to_builder().credentials_provider(Caller).build());
        let store = Store::new(client, table.clone());
        let node = Node::new(config, store, Sealer::file(&[7; 32]).unwrap());
        Self { functions: Functions::Here(Box::new(node)), proxy, clock, table, variables, _engine: engine }
    }

    pub fn node(&self) -> &Node {
        match &self.functions {
            Functions::Here(node) => node,
            Functions::Processes(_) => unreachable!("a test's server runs in its process"),
        }
    }

    pub fn table(&self) -> &str {
        &self.table
    }

    /// Moves the clock on.
    pub fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sets the clock.
    pub fn set(&self, now: u64) {
        self.clock.store(now, Ordering::Relaxed);
    }

    pub fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// The time of the test, and randomness that is new with each call.
    pub fn fresh(&self) -> Fresh {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&SEEDS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        Fresh::new(Timestamp::from_unix(self.now()), seed)
    }

    /// Does what the authorizer's function does before its first event.
    pub async fn warm(&self) {
        working_as("authorizer", self.node().authorizer.warm(Timestamp::from_unix(self.now()))).await.unwrap();
    }

    /// Sends a request; the target may have a query.
    pub async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
        self.send_from(None, method, target, headers, body).await
    }

    /// The same from an address.
    pub async fn send_from(&self, source: Option<&str>, method: &str, target: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let request = Request {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            path: path.to_owned(),
            query: decoded_query(query).unwrap(),
            headers: map,
            body: body.into(),
            source: source.map(|address| address.parse().unwrap()),
        };
        let response = Box::pin(self.functions.answer(request, self.fresh())).await;
        if shared::routes::is_ours(path) {
            crate::answers::check(method, target, &response);
        } else {
            assert!(!response.headers().contains_key("set-cookie"), "M-13 {method} {target}");
        }
        response
    }

    /// POSTs a form, with an `Authorization` header unless it is empty.
    pub async fn post(&self, path: &str, authorization: &str, form: &str) -> Response {
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        if !authorization.is_empty() {
            headers.push(("authorization", authorization));
        }
        self.send("POST", path, &headers, form.to_owned()).await
    }

    /// GETs a path with a bearer token.
    pub async fn get(&self, path: &str, token: &str) -> Response {
        self.send("GET", path, &[("authorization", &format!("Bearer {token}"))], "").await
    }

    /// An access token by client credentials; panics where it is refused.
    pub async fn token(&self, authorization: &str, form: &str) -> String {
        let response = self.post("/oauth2/token", authorization, &format!("grant_type=client_credentials&{form}")).await;
        assert_eq!(response.status(), 200, "{}", shown(&response));
        json_of(&response)["access_token"].as_str().unwrap().to_owned()
    }

    /// An access token of the admin client with every admin scope.
    pub async fn admin_token(&self) -> String {
        self.token(&basic(ADMIN, ADMIN_SECRET), "").await
    }

    /// Calls the admin API as the admin client.
    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Response {
        self.admin_as(&self.admin_token().await, method, path, &[], body).await
    }

    /// Calls the admin API with this bearer token and these more headers.
    pub async fn admin_as(&self, token: &str, method: &str, path: &str, more: &[(&str, &str)], body: Value) -> Response {
        let authorization = format!("Bearer {token}");
        let headers = [&[("authorization", authorization.as_str()), ("content-type", "application/json")], more].concat();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, &format!("/admin/v1{path}"), &headers, body).await
    }

    /// Makes an object by the admin API and gives what it answered; panics where it is refused.
    pub async fn create(&self, path: &str, body: Value) -> Value {
        let response = self.admin("POST", path, body).await;
        assert_eq!(response.status(), 201, "{}", shown(&response));
        json_of(&response)
    }

    /// The Apis of the specification's fixtures: `orders` (read, write) and `billing` (read), both `authenticated`.
    pub async fn fixtures(&self) {
        self.create(
            "/apis",
            json!({"name": "orders", "audience": "https://orders.example/", "scopes": [{"value": "read"}, {"value": "write"}],
            "access": "authenticated", "resource_server_client_id": "c_rs"}),
        )
        .await;
        self.create(
            "/apis",
            json!({"name": "billing", "audience": "https://billing.example/", "scopes": [{"value": "read"}], "access": "authenticated"}),
        )
        .await;
    }

    /// A confidential client with client credentials and the scope `https://orders.example/read`, changed by `changes`;
    /// gives its Basic `Authorization`.
    pub async fn client(&self, client_id: &str, changes: Value) -> String {
        let mut body = json!({"client_id": client_id, "client_name": client_id, "grant_types": ["client_credentials"], "scopes": ["https://orders.example/read"]});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let roles: Vec<&str> = body["roles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        self.roles(&roles).await;
        let created = self.create("/clients", body).await;
        basic(client_id, created["client_secret"].as_str().unwrap_or_default())
    }

    /// Makes the roles that do not exist yet.
    pub async fn roles(&self, names: &[&str]) {
        for name in names {
            let status = self.admin("POST", "/roles", json!({"name": name})).await.status();
            assert!(status == 201 || status == 409, "{name}: {status}");
        }
    }

    /// Everything in the table, as the engine's own text: for looking for what must not be in it.
    pub async fn dump(&self) -> String {
        self.proxy.scan(&self.table).await
    }
}

/// The status of what the admin API answers to the admin client.
pub async fn status(server: &Server, method: &str, path: &str, body: Value) -> u16 {
    server.admin(method, path, body).await.status().as_u16()
}

/// Whether a token is good, as introspection says to this caller.
pub async fn is_active(server: &Server, caller: &str, token: &str) -> bool {
    let seen = json_of(&server.post("/oauth2/introspect", caller, &format!("token={}", encoded(token))).await);
    assert!(seen["active"] == true || seen == json!({"active": false}), "{seen}");
    seen["active"] == true
}

/// A token of a new client that has just these scopes of the admin API.
pub async fn limited(server: &Server, client_id: &str, values: &[&str]) -> String {
    let scopes: Vec<String> = values.iter().map(|value| format!("urn:gatewright:admin:{value}")).collect();
    let client = server.client(client_id, json!({"scopes": scopes})).await;
    server.token(&client, "").await
}

/// `Authorization: Basic` as RFC 6749 §2.3.1 has it.
pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

/// A value as it stands in a form.
pub fn encoded(value: &str) -> String {
    value
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The JSON of an answer.
pub fn json_of(response: &Response) -> Value {
    serde_json::from_slice(response.body()).unwrap_or_else(|error| panic!("{error}: {}", shown(response)))
}

/// The claims of a JWT, unverified.
pub fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// A whole answer as text: status, headers in order of their names, body. JWTs and generated values are shortened to their kind.
pub fn shown(response: &Response) -> String {
    let mut headers: Vec<String> = response.headers().iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect();
    headers.sort();
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    format!("{}\n{}\n{}", response.status(), headers.concat(), redacted(&body))
}

/// `text` with JWTs as `[jwt]` and generated secrets and tokens as `[gw_cs]`, `[gw_at]`.
pub fn redacted(text: &str) -> String {
    let words = text.split_inclusive(|character: char| !(character.is_ascii_alphanumeric() || "-_.".contains(character)));
    words
        .map(|word| {
            let (value, end) = match word.char_indices().last() {
                Some((at, last)) if !(last.is_ascii_alphanumeric() || "-_.".contains(last)) => word.split_at(at),
                _ => (word, ""),
            };
            match value {
                jwt if jwt.starts_with("ey") && jwt.matches('.').count() == 2 => format!("[jwt]{end}"),
                value if value.starts_with("gw_") => format!("[{}]{end}", &value[..5]),
                _ => word.to_owned(),
            }
        })
        .collect()
}
