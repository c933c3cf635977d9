//! The deployed binaries as processes: the same front, the same port, but every call goes through the Lambda Runtime API as an event.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use shared::endpoints::{Request, Response, respond_unavailable};
use shared::oauth::ids::Issuer;
use shared::routes::{Function as Served, function_of};
use shared::runtime::Error;
use shared::store::Store;

use crate::gateway::Authorization;
use crate::runtime_api::Function;

/// The functions that are started.
pub const FUNCTIONS: [&str; 7] = ["token", "introspect", "revoke", "authorize", "metadata", "admin", "authorizer"];

/// The running functions.
pub struct Processes {
    functions: HashMap<&'static str, Function>,
    issuer: Issuer,
    store: Store,
}

impl Processes {
    /// Starts the binaries in `directory` (`<name>` or `<name>/bootstrap`) with these variables.
    ///
    /// # Errors
    /// Where one cannot be started.
    pub async fn start(directory: &Path, issuer: Issuer, variables: &[(String, String)], instances: usize, store: Store) -> Result<Self, Error> {
        let mut functions = HashMap::new();
        for name in FUNCTIONS {
            let deployed = directory.join(name).join("bootstrap");
            let binary = if deployed.exists() { deployed } else { directory.join(name) };
            let function = Function::start(name, &binary, variables, instances).await;
            let function = function.map_err(|error| Error::new(format!("{} cannot be started: {error}", binary.display())))?;
            functions.insert(name, function);
        }
        Ok(Self { functions, issuer, store })
    }

    /// Lets the functions' lines through to this process's standard error.
    pub fn print_output(&self) {
        self.functions.values().for_each(Function::print_output);
    }

    /// The table that they work on.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The issuer.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// A running function.
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.get(name)
    }

    /// The answer of the function that serves the path; `None` where none does.
    pub async fn answer(&self, request: &Request) -> Option<Response> {
        let name = function_of(request.path_under(&self.issuer)).map(Served::name)?;
        let answer = self.function(name)?.invoke(Bytes::from(event(request).to_string())).await;
        Some(match answer {
            Ok(answer) => response(&answer).unwrap_or_else(bad_gateway),
            Err(error) => {
                log::error!(function = name, reason = error.to_string(); "the function failed");
                bad_gateway()
            }
        })
    }

    /// What the authorizer says of a call.
    pub async fn authorize(&self, event: &Value) -> Authorization {
        let Some(authorizer) = self.function("authorizer") else { return Err("the authorizer is not running".to_owned()) };
        let answer = authorizer.invoke(Bytes::from(event.to_string())).await.map_err(|error| error.error_message)?;
        serde_json::from_slice(&answer).map_err(|error| error.to_string())
    }
}

/// A request as a REST API's proxy integration sends it.
pub fn event(request: &Request) -> Value {
    let mut headers = Map::new();
    let mut multi_headers = Map::new();
    for name in request.headers.keys() {
        let values: Vec<Value> = request.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into()).collect();
        headers.insert(name.to_string(), values.last().cloned().unwrap_or_default());
        multi_headers.insert(name.to_string(), values.into());
    }
    let mut query: Map<String, Value> = Map::new();
    for (name, value) in &request.query {
        if let Some(values) = query.entry(name.clone()).or_insert_with(|| json!([])).as_array_mut() {
            values.push(value.as_str().into());
        }
    }
    json!({
        "resource": "/{proxy+}",
        "path": request.path,
        "httpMethod": request.method.as_str(),
        "headers": headers,
        "multiValueHeaders": multi_headers,
        "multiValueQueryStringParameters": query,
        "requestContext": {"identity": {"sourceIp": request.source.map(|source| source.to_string())}, "stage": "local", "path": request.path, "httpMethod": request.method.as_str()},
        "body": if request.body.is_empty() { Value::Null } else { STANDARD.encode(&request.body).into() },
        "isBase64Encoded": !request.body.is_empty(),
    })
}

/// The answer that a proxy integration's JSON stands for.
pub fn response(answer: &[u8]) -> Option<Response> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let status = u16::try_from(answer.get("statusCode")?.as_u64()?).ok()?;
    let mut response = Response::new(Bytes::from(answer.get("body").and_then(Value::as_str).unwrap_or_default().to_owned()));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    let members = |name| answer.get(name).and_then(Value::as_object).into_iter().flatten();
    let single = members("headers").map(|(name, value)| (name, std::slice::from_ref(value)));
    let multi = members("multiValueHeaders").map(|(name, values)| (name, values.as_array().map(Vec::as_slice).unwrap_or_default()));
    for (name, values) in single.chain(multi) {
        let name: HeaderName = name.parse().ok()?;
        for value in values {
            response.headers_mut().append(&name, HeaderValue::from_str(value.as_str()?).ok()?);
        }
    }
    Some(response)
}

fn bad_gateway() -> Response {
    let mut response = respond_unavailable();
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    *response.body_mut() = Bytes::from_static(br#"{"message":"Internal server error"}"#);
    response
}
