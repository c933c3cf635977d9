//! The data of our functions, made as a user makes it: a local run on the bench's store, its admin API, and a heap of
//! tokens from the token function.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use local::runtime_api::Function;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::function::binary;
use crate::{Error, store, subject};

pub const ADMIN: (&str, &str) = ("bench-admin", "bench-admin-secret-0123456789abcdef0123456789");

/// What is in the table, and how a function comes to it.
pub struct Setup {
    pub env: Vec<(String, String)>,
    pub client_id: String,
    pub client_secret: String,
    /// Distinct access tokens for `subject::ORDERS`.
    pub tokens: Vec<String>,
    /// One for `subject::STOCK`.
    pub stock_token: String,
}

/// Two Apis, which differ in their token records and privileges, one client for both, and `tokens` tokens.
pub async fn seed(engine: &str, replayed: &str, tokens: usize) -> Result<Setup, Error> {
    let data: PathBuf = binary("../bench-data")?;
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    std::fs::create_dir_all(&data)?;
    let data = data.to_str().ok_or("the target directory's name is not UTF-8")?;
    let mut env = store::env(engine);
    for (name, value) in [("GATEWRIGHT_ISSUER", "https://auth.example"), ("GATEWRIGHT_TABLE", "gatewright"), ("GATEWRIGHT_DATA", data)] {
        env.push((name.to_owned(), value.to_owned()));
    }

    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut server = Command::new(binary("local")?)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .env("GATEWRIGHT_DYNAMODB_ENDPOINT", engine)
        .env("GATEWRIGHT_ADMIN_CLIENT_ID", ADMIN.0)
        .env("GATEWRIGHT_ADMIN_CLIENT_SECRET", ADMIN.1)
        .env("PORT", port.to_string())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let (client_id, client_secret) = make_apis_and_client(port).await?;
    server.kill().await?;

    let mut setup = Setup { env, client_id, client_secret, tokens: Vec::new(), stock_token: String::new() };
    setup.tokens = fetch_tokens(&setup, subject::ORDERS, tokens).await?;
    setup.stock_token = fetch_tokens(&setup, subject::STOCK, 1).await?.pop().unwrap_or_default();
    // From here on the functions are measured, on answers that come at once.
    for (_, endpoint) in setup.env.iter_mut().filter(|(name, _)| name == store::ENDPOINT) {
        endpoint.clear();
        endpoint.push_str(replayed);
    }
    Ok(setup)
}

async fn make_apis_and_client(port: u16) -> Result<(String, String), Error> {
    wait_until_ready(port).await?;
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", ADMIN.0, ADMIN.1)));
    let form = "grant_type=client_credentials&scope=urn:gatewright:admin:apis.write+urn:gatewright:admin:access.write\
        +urn:gatewright:admin:clients.write";
    let admin = post(port, "/oauth2/token", &basic, "application/x-www-form-urlencoded", form).await?;
    let bearer = format!("Bearer {}", text(&admin, "access_token")?);

    post(port, "/admin/v1/roles", &bearer, "application/json", &json!({"name": "clerk"}).to_string()).await?;
    for (name, audience, records) in [("orders", "https://orders.example/", "full"), ("stock", "https://stock.example/", "revocations")] {
        let api = json!({
            "name": name, "audience": audience, "scopes": [{"value": "read", "description": "read"}],
            "base_path": format!("/{name}"), "token_records": records,
        });
        post(port, "/admin/v1/apis", &bearer, "application/json", &api.to_string()).await?;
    }
    // What is below a path can be listed in a policy, what is one segment below it cannot.
    for (api, path) in [("orders", "/orders/*"), ("stock", "/stock/{id}")] {
        let privilege = json!({
            "name": format!("{api}-read"), "api": api, "routes": [{"methods": ["GET"], "path": path}], "roles": ["clerk"], "scopes": ["read"],
        });
        post(port, "/admin/v1/privileges", &bearer, "application/json", &privilege.to_string()).await?;
    }
    let client = json!({
        "client_name": "bench", "client_type": "confidential", "grant_types": ["client_credentials"],
        "scopes": [subject::ORDERS, subject::STOCK], "roles": ["clerk"], "introspect": true,
    });
    let client = post(port, "/admin/v1/clients", &bearer, "application/json", &client.to_string()).await?;
    Ok((text(&client, "client_id")?, text(&client, "client_secret")?))
}

async fn fetch_tokens(setup: &Setup, scope: &str, count: usize) -> Result<Vec<String>, Error> {
    let function = Function::start("token", &binary("token")?, &setup.env, 1).await?;
    let event = subject::token_event(&setup.client_id, &setup.client_secret, scope);
    let mut tokens = Vec::new();
    for _ in 0..count {
        let answer = function.invoke(event.clone()).await.map_err(|error| format!("{error}\n{}", function.output()))?;
        let answer: Value = serde_json::from_slice(&answer)?;
        tokens.push(text(&serde_json::from_str(&text(&answer, "body")?)?, "access_token")?);
    }
    function.stop().await;
    Ok(tokens)
}

pub fn text(object: &Value, member: &str) -> Result<String, Error> {
    let value = object.get(member).and_then(Value::as_str);
    Ok(value.ok_or_else(|| format!("no `{member}` in {object}"))?.to_owned())
}

pub async fn wait_until_ready(port: u16) -> Result<(), Error> {
    for _ in 0..200 {
        if send(port, "GET /healthz", "", "text/plain", "").await.is_ok_and(|(status, _)| status == "200") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("the local run was not ready within 10 seconds".into())
}

pub async fn post(port: u16, path: &str, authorization: &str, content_type: &str, body: &str) -> Result<Value, Error> {
    let (status, answer) = send(port, &format!("POST {path}"), authorization, content_type, body).await?;
    if !status.starts_with('2') {
        return Err(format!("POST {path}: {status} {answer}").into());
    }
    Ok(serde_json::from_str(&answer)?)
}

/// A handful of small requests to our own server are no reason for an HTTP client. HTTP/1.0, so that no answer is chunked.
async fn send(port: u16, request: &str, authorization: &str, content_type: &str, body: &str) -> Result<(String, String), Error> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let head = format!("{request} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {authorization}\r\nContent-Type: {content_type}");
    stream.write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without a body")?;
    let status = head.split(' ').nth(1).ok_or("an answer without a status")?;
    Ok((status.to_owned(), body.to_owned()))
}
