//! The real binaries as processes behind a Lambda Runtime API, on one table with a server in this process that seeds it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use local::engine::Engine;
use local::runtime_api::{Function, FunctionError};
use serde_json::{Value, json};
use shared::runtime::{Endpoints, KEY_FILE, now};
use shared::store::Store;

use crate::permissions::{DEPLOYED, access_key};
use crate::shapes::{Sent, rest};
use crate::support::{ADMIN_SECRET, Fault, ISSUER, Proxy, Server, claims, json_of};

/// The directory of the binaries, built once per run with the profile of this test.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // target/<profile>/deps/it-<hash>
        let directory = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .args(["build", "--quiet", "--locked", "--target-dir"])
            .arg(directory.parent().unwrap());
        for package in DEPLOYED.into_iter().chain(["local"]) {
            cargo.args(["-p", package]);
        }
        if directory.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the functions do not build");
        directory
    })
}

/// A directory of this test's own, gone when it ends.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("gatewright-it-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A table that is seeded, and what the functions are configured with to use it.
pub struct Deployment {
    pub server: Server,
    /// Between the functions and the table.
    pub proxy: Arc<Proxy>,
    variables: Vec<(String, String)>,
    _data: Directory,
}

impl Deployment {
    pub async fn start(variables: &[(&str, &str)]) -> Self {
        let server = Server::at(now().unix(), variables).await;
        let data = Directory::new();
        std::fs::write(data.0.join(KEY_FILE), [7; 32]).unwrap();
        let proxy = Proxy::start(server.proxy.engine()).await;
        let table = server.table().to_owned();
        let own = [
            ("GATEWRIGHT_ISSUER", ISSUER),
            ("GATEWRIGHT_TABLE", &table),
            ("GATEWRIGHT_DATA", data.0.to_str().unwrap()),
            ("GATEWRIGHT_LOG", "trace"),
            ("AWS_ENDPOINT_URL_DYNAMODB", proxy.url()),
            ("AWS_SECRET_ACCESS_KEY", "canary-of-the-secret-access-key"),
            ("AWS_SESSION_TOKEN", "canary-of-the-session-token"),
        ];
        let variables = own.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        server.fixtures().await;
        Self { server, proxy, variables, _data: data }
    }

    /// A function of it, changed by these variables; an empty value takes one away.
    pub async fn function(&self, name: &str, changes: &[(&str, &str)]) -> Function {
        let is_changed = |(known, _): &&(String, String)| changes.iter().any(|(name, _)| name == known);
        let kept = self.variables.iter().filter(|variable| !is_changed(variable)).cloned();
        let changed = changes.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let own = [("AWS_ACCESS_KEY_ID".to_owned(), access_key(name))];
        Function::start(name, &built().join(name), &kept.chain(changed).chain(own).collect::<Vec<_>>(), 1).await.unwrap()
    }

    /// The function of this name from a file that was built elsewhere.
    pub async fn started(&self, name: &str, file: &Path) -> Function {
        Function::start(name, file, &self.variables, 1).await.unwrap()
    }
}

/// Hands a function an event.
pub async fn invoke(function: &Function, event: &Value) -> Result<Value, FunctionError> {
    let answer = function.invoke(Bytes::from(event.to_string())).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

fn token_request(authorization: &str) -> Sent<'_> {
    Sent { authorization, form: "grant_type=client_credentials", ..Sent::post("/oauth2/token") }
}

#[tokio::test]
async fn a_token_made_by_one_process_opens_the_route_of_another_until_a_third_revokes_it() {
    // HT-01, G-03, G-04, A-05, 5.6 rows 1, 2, 6 with processes as nodes
    let deployment = Deployment::start(&[("GATEWRIGHT_FEED_SECONDS", "1")]).await;
    let client = deployment.server.client("c_cc", json!({})).await;
    let (token, introspect) = (deployment.function("token", &[]).await, deployment.function("introspect", &[]).await);
    let (revoke, authorizer) = (deployment.function("revoke", &[]).await, deployment.function("authorizer", &[]).await);
    let answer = invoke(&token, &rest(&token_request(&client))).await.unwrap();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let jwt = body["access_token"].as_str().unwrap().to_owned();
    let form = format!("token={jwt}");
    let about = |path| Sent { authorization: &client, form: &form, ..Sent::post(path) };
    let event = authorizer_event(&format!("Bearer {jwt}"));
    let introspected =
        async |function: &Function| invoke(function, &rest(&about("/oauth2/introspect"))).await.unwrap()["body"].as_str().unwrap().to_owned();
    assert!(introspected(&introspect).await.starts_with("{\"active\":true,"));
    assert_eq!(invoke(&authorizer, &event).await.unwrap()["policyDocument"]["Statement"][0]["Effect"], "Allow");
    // Every process is new: nothing but the table remains.
    introspect.stop().await;
    let introspect = deployment.function("introspect", &[]).await;
    assert!(introspected(&introspect).await.starts_with("{\"active\":true,"));
    assert_eq!(invoke(&revoke, &rest(&about("/oauth2/revoke"))).await.unwrap()["statusCode"], 200);
    assert_eq!(introspected(&introspect).await, "{\"active\":false}");
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(invoke(&authorizer, &event).await.unwrap_err(), error("Unauthorized", "Unauthorized"));
}

fn error(error_type: &str, error_message: &str) -> FunctionError {
    FunctionError { error_type: error_type.to_owned(), error_message: error_message.to_owned() }
}

fn authorizer_event(authorization: &str) -> Value {
    json!({"type": "TOKEN", "authorizationToken": authorization, "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:abc/prod/GET/orders/1"})
}

#[tokio::test]
async fn the_authorizer_answers_every_shape_of_event_in_its_own_form() {
    // AU-01, AU-02, AU-05, AU-06, AU-07, AU-08, AU-11, X-01
    let deployment = Deployment::start(&[]).await;
    let root = json!({"name": "chat", "audience": "https://chat.example/", "scopes": [{"value": "talk"}], "access": "public", "base_path": "/"});
    deployment.server.create("/apis", root).await;
    let client = deployment.server.client("c_cc", json!({})).await;
    let bearer = format!("Bearer {}", deployment.server.token(&client, "").await);
    let policy = deployment.function("authorizer", &[]).await;
    let simple = deployment.function("authorizer", &[("GATEWRIGHT_AUTHORIZER_RESPONSE", "simple")]).await;
    let arn = "arn:aws:execute-api:eu-central-1:123456789012:abc/prod/GET/orders/1";
    let shapes = |authorization: &str| {
        let headers = json!({"Authorization": authorization, "X-Other": "1"});
        [
            ("TOKEN", authorizer_event(authorization)),
            (
                "REQUEST",
                json!({"type": "REQUEST", "methodArn": arn, "path": "/orders/1", "httpMethod": "GET", "headers": headers, "multiValueHeaders": {"Authorization": [authorization]}}),
            ),
            (
                "HTTP 1.0",
                json!({"version": "1.0", "type": "REQUEST", "methodArn": arn, "path": "/orders/1", "httpMethod": "GET", "headers": headers, "identitySource": authorization}),
            ),
            (
                "HTTP 2.0",
                json!({"version": "2.0", "type": "REQUEST", "routeArn": arn, "rawPath": "/prod/orders/1", "headers": headers, "identitySource": [authorization],
                    "requestContext": {"http": {"method": "GET"}}}),
            ),
        ]
    };
    for (function, is_simple) in [(&policy, false), (&simple, true)] {
        for (shape, event) in shapes(&bearer) {
            let answer = invoke(function, &event).await.unwrap_or_else(|error| panic!("{shape}: {error}"));
            let allowed = if is_simple && shape == "HTTP 2.0" {
                &answer["isAuthorized"] == true
            } else {
                answer["policyDocument"]["Statement"][0]["Effect"] == "Allow"
            };
            assert!(allowed && answer["context"]["client_id"] == "c_cc", "{shape}: {answer}");
        }
        for (shape, event) in shapes("Bearer garbage") {
            let answer = invoke(function, &event).await;
            if is_simple && shape == "HTTP 2.0" {
                assert_eq!(answer.unwrap(), json!({"isAuthorized": false, "context": {}}));
            } else {
                assert_eq!(answer.unwrap_err(), error("Unauthorized", "Unauthorized"), "{shape}");
            }
        }
        let connect = json!({"type": "REQUEST", "methodArn": "arn:aws:execute-api:eu-central-1:123456789012:abc/prod/$connect", "headers": {"Host": "x"}, "requestContext": {"routeKey": "$connect"}});
        assert_eq!(invoke(function, &connect).await.unwrap()["policyDocument"]["Statement"][0]["Effect"], "Allow");
        assert!(printed(function, "{\"FeedAge\":").await.contains("{\"FeedAge\":"), "the templates' alarm waits for this");
    }
}

#[tokio::test]
async fn what_is_no_call_is_a_typed_error_and_the_process_lives() {
    // HT-26, AU-09, SE-06, SE-08
    let deployment = Deployment::start(&[]).await;
    let s3 = json!({"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "k"}}}]});
    let bus = json!({"version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "detail": {}});
    let events = [
        json!({}),
        json!(null),
        json!([]),
        json!("x"),
        json!(1),
        s3,
        bus,
        json!({"warmup": true}),
        json!({"httpMethod": 1, "path": []}),
        json!({"headers": "x"}),
    ];
    for name in ["token", "introspect", "revoke", "metadata", "admin", "authorizer"] {
        let function = deployment.function(name, &[]).await;
        let pids = function.pids();
        for event in &events {
            let error = invoke(&function, event).await.expect_err(&format!("{name} {event}"));
            let is_readable = !matches!(event, Value::String(_) | Value::Number(_) | Value::Null)
                && !["headers", "path"].iter().any(|member| event.get(member).is_some());
            let expected = if name == "authorizer" && is_readable { "Unauthorized" } else { "UnsupportedEvent" };
            assert_eq!(error.error_type, expected, "{name} {event}: {error}");
            for leak in ["/src/", "panicked", deployment.server.table()] {
                assert!(!error.error_message.contains(leak), "{name} {event}: {error}");
            }
        }
        let junk = function.invoke(Bytes::from(vec![b'{'; 5_000_000])).await.unwrap_err();
        assert!(junk.error_message.len() < 1_000, "{name}: {} characters", junk.error_message.len());
        assert_eq!(function.pids(), pids, "{name}");
        let output = function.output();
        assert!(!output.contains("panicked"), "{name}: {output}");
    }
}

#[tokio::test]
async fn a_deadline_is_met_although_the_table_is_silent() {
    // HT-27, SF-04, SF-07
    let deployment = Deployment::start(&[]).await;
    let client = deployment.server.client("c_cc", json!({})).await;
    let bearer = format!("Bearer {}", deployment.server.token(&client, "").await);
    let (token, authorizer) = (deployment.function("token", &[]).await, deployment.function("authorizer", &[]).await);
    assert_eq!(invoke(&token, &rest(&token_request(&client))).await.unwrap()["statusCode"], 200);
    assert!(invoke(&authorizer, &authorizer_event("Bearer garbage")).await.is_err());
    let pids = (token.pids(), authorizer.pids());
    deployment.proxy.inject(Fault::Silence, "", usize::MAX);
    let left = Duration::from_millis(300);
    let begun = Instant::now();
    let answer = token.invoke_within(left, Bytes::from(rest(&token_request(&client)).to_string())).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((&answer["statusCode"], &answer["headers"]["retry-after"]), (&json!(503), &json!("1")));
    let failure = authorizer.invoke_within(left, Bytes::from(authorizer_event(&bearer).to_string())).await.unwrap_err();
    assert_eq!(failure, error("Unavailable", "the call could not be decided"));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    deployment.proxy.heal();
    assert_eq!(invoke(&token, &rest(&token_request(&client))).await.unwrap()["statusCode"], 200);
    assert_eq!(invoke(&authorizer, &authorizer_event(&bearer)).await.unwrap()["principalId"], "c_cc");
    assert_eq!((token.pids(), authorizer.pids()), pids);
}

/// What the function printed, once it has printed `sentence`.
pub async fn printed(function: &Function, sentence: &str) -> String {
    for _ in 0..100 {
        if function.output().contains(sentence) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    function.output()
}

#[tokio::test]
async fn a_wrong_variable_stops_the_start_with_a_sentence() {
    // HT-30, SF-19
    let deployment = Deployment::start(&[]).await;
    let nowhere = format!("/nowhere/{KEY_FILE}");
    for (name, variable, value, sentence) in [
        ("token", "GATEWRIGHT_ISSUER", "", "GATEWRIGHT_ISSUER must be set to the issuer's URL"),
        ("introspect", "GATEWRIGHT_ISSUER", "http://auth.example", "GATEWRIGHT_ISSUER must be https (http only on a loopback address)"),
        ("revoke", "GATEWRIGHT_TABLE", "a b", "GATEWRIGHT_TABLE must be 3 to 255 of the characters A-Z a-z 0-9 - _ ."),
        ("authorize", "GATEWRIGHT_BRAND_COLOR", "red", "GATEWRIGHT_BRAND_COLOR must be #rrggbb"),
        ("authorize", "GATEWRIGHT_TABLE", "another-table", "the table did not answer: ResourceNotFoundException"),
        ("metadata", "GATEWRIGHT_FEED_SECONDS", "soon", "GATEWRIGHT_FEED_SECONDS must be 1 to 300"),
        ("authorizer", "GATEWRIGHT_AUTHORIZER_RESPONSE", "iam", "GATEWRIGHT_AUTHORIZER_RESPONSE must be policy or simple"),
        ("admin", "GATEWRIGHT_ADMIN_API", "yes", "GATEWRIGHT_ADMIN_API must be on or off"),
        ("admin", "GATEWRIGHT_LOG", "loud", "GATEWRIGHT_LOG must be off, error, warn, info, debug or trace"),
        ("token", "GATEWRIGHT_DATA", "", "GATEWRIGHT_KMS_KEY_ID must name the KMS key that seals the signing keys"),
        ("token", "GATEWRIGHT_DATA", "/nowhere", nowhere.as_str()),
        ("rotate-keys", "GATEWRIGHT_DATA", "", "GATEWRIGHT_KMS_KEY_ID must name the KMS key that seals the signing keys"),
        ("token", "GATEWRIGHT_TABLE", "another-table", "the table did not answer: ResourceNotFoundException"),
        ("authorizer", "GATEWRIGHT_TABLE", "another-table", "the table did not answer: ResourceNotFoundException"),
    ] {
        let function = deployment.function(name, &[(variable, value)]).await;
        assert_eq!(invoke(&function, &json!({})).await.unwrap_err().error_type, "Runtime.ExitError", "{name} {variable}={value}");
        let output = printed(&function, sentence).await;
        assert!(output.contains(sentence), "{name} {variable}={value}: {output}");
        assert!(!output.contains("canary"), "{output}");
    }
}

#[tokio::test]
async fn the_schedule_makes_the_first_key_once() {
    // MD-15, AD-11, issue 5 item 1
    let engine = Engine::start(None, 0).await.unwrap();
    let store = Store::new(Endpoints::local(engine.url()).dynamodb(), "empty".to_owned());
    store.create_table().await.unwrap();
    let data = Directory::new();
    std::fs::write(data.0.join(KEY_FILE), [7; 32]).unwrap();
    let own = [
        ("GATEWRIGHT_ISSUER", ISSUER),
        ("GATEWRIGHT_TABLE", "empty"),
        ("GATEWRIGHT_DATA", data.0.to_str().unwrap()),
        ("AWS_ENDPOINT_URL_DYNAMODB", engine.url()),
    ];
    let variables = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let start = async |name: &str| Function::start(name, &built().join(name), &variables, 1).await.unwrap();
    let token = start("token").await;
    assert_eq!(invoke(&token, &json!({})).await.unwrap_err().error_type, "Runtime.ExitError");
    let sentence = "there is no active signing key, run rotate-keys or bootstrap";
    assert!(printed(&token, sentence).await.contains(sentence));
    let rotate = start("rotate-keys").await;
    assert_eq!(invoke(&rotate, &json!({"source": "aws.events"})).await.unwrap(), json!({"rotated": ["ES256"]}));
    assert_eq!(invoke(&rotate, &json!({})).await.unwrap(), json!({"rotated": []}));
    // The templates' alarm waits for this at every run.
    let figure = "{\"KeyAge\":0,\"Table\":\"empty\",\"_aws\":{";
    assert!(printed(&rotate, figure).await.contains(figure));
    // A function that could not start is started again by the next event.
    let answer = invoke(&token, &rest(&token_request("Basic YTpi"))).await.unwrap();
    assert_eq!(answer["statusCode"], 401);
}

#[tokio::test]
async fn nothing_that_a_function_prints_or_answers_holds_a_secret() {
    // SE-05, SE-06, SE-07, G4, CA-11, CVE-2023-30610: every function at its most talkative, with good and bad calls and a failing table.
    let deployment = Deployment::start(&[("GATEWRIGHT_TOKENINFO", "on")]).await;
    let server = &deployment.server;
    let created = server.create("/clients", json!({"client_id": "c_cc", "client_name": "c", "grant_types": ["client_credentials"], "scopes": ["https://orders.example/read"], "introspect": true})).await;
    let secret = created["client_secret"].as_str().unwrap().to_owned();
    let client = crate::support::basic("c_cc", &secret);
    let opaque = server.client("c_op", json!({"access_token_format": "opaque"})).await;
    let (jwt, opaque_token, admin) = (server.token(&client, "").await, server.token(&opaque, "").await, server.admin_token().await);
    let mut canaries: Vec<String> = ["canary-of", "CanaryInTheForm", "CanaryInTheQuery", ADMIN_SECRET].map(str::to_owned).to_vec();
    canaries.extend([&secret, &jwt, &opaque_token, &admin].map(String::clone));
    canaries.extend([&client, &opaque].map(|header| header.strip_prefix("Basic ").unwrap().to_owned()));
    canaries.extend([&jwt, &admin].map(|token| token.rsplit('.').next().unwrap().to_owned()));
    let forms = [
        "grant_type=client_credentials".to_owned(),
        format!("grant_type=client_credentials&client_id=c_cc&client_secret={secret}"),
        "grant_type=CanaryInTheForm&scope=CanaryInTheForm&client_secret=CanaryInTheForm&client_id=CanaryInTheForm".to_owned(),
        "grant_type=client_credentials&scope=CanaryInTheForm&%zz=CanaryInTheForm".to_owned(),
        format!("token={jwt}"),
        format!("token={opaque_token}&token_type_hint=CanaryInTheForm"),
        format!("token={jwt}CanaryInTheForm"),
        format!("access_token={opaque_token}"),
    ];
    let bearer = format!("Bearer {admin}");
    let mut answers = String::new();
    let mut outputs = String::new();
    for (name, paths) in [
        ("token", ["/oauth2/token"].as_slice()),
        ("introspect", &["/oauth2/introspect", "/oauth2/tokeninfo"]),
        ("revoke", &["/oauth2/revoke"]),
        ("metadata", &["/.well-known/jwks.json"]),
        ("admin", &["/admin/v1/clients", "/admin/v1/clients/c_cc/secrets"]),
    ] {
        let function = deployment.function(name, &[]).await;
        // Under a fault a few are enough: each waits for the retries.
        for (fault, most) in [(None, 8), (Some(Fault::Error), 3), (Some(Fault::Garbage), 2)] {
            for path in paths {
                for form in forms.iter().take(most) {
                    let kinds =
                        [client.as_str(), opaque.as_str(), bearer.as_str(), "Basic CanaryInTheForm", "Bearer CanaryInTheForm"].into_iter().take(most);
                    for authorization in kinds {
                        if let Some(fault) = fault {
                            deployment.proxy.inject(fault, "", 4);
                        }
                        let sent =
                            Sent { authorization, form, query: "client_secret=CanaryInTheQuery&access_token=CanaryInTheQuery", ..Sent::post(path) };
                        match invoke(&function, &rest(&sent)).await {
                            // The one place where a token belongs.
                            Ok(answer) if *path == "/oauth2/token" && answer["statusCode"] == 200 => {}
                            Ok(answer) => answers.push_str(&answer.to_string()),
                            Err(error) => answers.push_str(&error.to_string()),
                        }
                        deployment.proxy.heal();
                    }
                }
            }
        }
        outputs.push_str(&function.output());
    }
    let authorizer = deployment.function("authorizer", &[]).await;
    for fault in [None, Some(Fault::Error)] {
        for authorization in [format!("Bearer {jwt}"), format!("Bearer {opaque_token}"), client.clone(), format!("Bearer {jwt}CanaryInTheForm")] {
            if let Some(fault) = fault {
                deployment.proxy.inject(fault, "", 4);
            }
            answers.push_str(&match invoke(&authorizer, &authorizer_event(&authorization)).await {
                Ok(answer) => answer.to_string(),
                Err(error) => error.to_string(),
            });
            deployment.proxy.heal();
        }
    }
    outputs.push_str(&authorizer.output());
    for line in
        ["token issued", "token refused", "introspection refused", "revocation refused", "admin request refused", "call refused", "answered 503"]
    {
        assert!(outputs.contains(line), "nothing was printed of `{line}`");
    }
    for (what, text) in [("printed", &outputs), ("answered", &answers)] {
        for canary in &canaries {
            let found = text.lines().find(|line| line.contains(canary.as_str()));
            assert!(found.is_none(), "{canary} was {what}: {}", found.unwrap_or_default());
        }
    }
    for internal in [server.table(), "arn:aws", "dynamodb", "127.0.0.1"] {
        let answers = answers.replace("arn:aws:execute-api:eu-central-1:123456789012:abc/prod/GET/orders/1", "");
        assert!(!answers.contains(internal), "{internal} was answered");
    }
    assert_eq!(json_of(&server.get("/orders/1", &jwt).await)["message"], "Unauthorized", "the calls above revoked it");
    assert!(outputs.contains(claims(&jwt)["jti"].as_str().unwrap()), "a revocation is logged by its jti");
}
