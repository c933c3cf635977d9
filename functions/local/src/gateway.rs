//! A model of a REST API stage: it asks the authorizer about every call, and an echo API answers those that may pass. It shows
//! nothing that the templates' gateway responses could not.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use shared::endpoints::{Request, Response};
use shared::oauth::bearer::Challenge;

/// The API id and the stage of the model.
pub const GATEWAY: &str = "local/local";

/// What an authorizer said, or how it failed.
pub type Authorization = Result<Value, String>;

/// The REST `REQUEST` event about a call.
pub fn event(request: &Request) -> Value {
    let mut single = Map::new();
    let mut multi = Map::new();
    for name in request.headers.keys() {
        let values: Vec<Value> = request.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into()).collect();
        single.insert(name.to_string(), values.last().cloned().unwrap_or_default());
        multi.insert(name.to_string(), values.into());
    }
    json!({
        "type": "REQUEST",
        "methodArn": arn(request),
        "resource": "/{proxy+}",
        "path": request.path,
        "httpMethod": request.method.as_str(),
        "headers": single,
        "multiValueHeaders": multi,
        "queryStringParameters": request.query.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "requestContext": {"apiId": "local", "stage": "local", "httpMethod": request.method.as_str(), "path": request.path},
    })
}

fn arn(request: &Request) -> String {
    format!("arn:aws:execute-api:local:000000000000:{GATEWAY}/{}{}", request.method, request.path)
}

/// The gateway's answer, given the authorizer's.
pub fn answer(request: &Request, authorization: Authorization) -> Response {
    let answer = match authorization {
        Ok(answer) => answer,
        Err(message) if message == "Unauthorized" => return refused(StatusCode::UNAUTHORIZED, "Unauthorized", Some(Challenge::MissingToken)),
        Err(_) => return refused(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error", None),
    };
    let says = |pointer: &str, value: &str| answer.pointer(pointer).is_some_and(|said| said == value);
    let is_allowed = says("/policyDocument/Statement/0/Effect", "Allow")
        && says("/policyDocument/Statement/0/Action", "execute-api:Invoke")
        && says("/policyDocument/Statement/0/Resource", &arn(request));
    let context = answer.get("context").and_then(Value::as_object);
    if !is_allowed {
        let scope = context.and_then(|context| context.get("scope")).and_then(Value::as_str);
        return refused(StatusCode::FORBIDDEN, "Forbidden", Some(Challenge::InsufficientScope { scope }));
    }
    let mut principal = context.cloned().unwrap_or_default();
    principal.insert("principalId".to_owned(), answer.get("principalId").cloned().unwrap_or_default());
    let query: Map<String, Value> = request.query.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    respond(StatusCode::OK, &json!({"method": request.method.as_str(), "path": request.path, "query": query, "principal": principal}))
}

/// What the gateway response templates render: on a 403 they can use the authorizer's context, on a 401 they cannot.
fn refused(status: StatusCode, message: &str, challenge: Option<Challenge<'_>>) -> Response {
    let mut response = respond(status, &json!({"message": message}));
    if let Some(value) = challenge.and_then(|challenge| HeaderValue::from_str(&challenge.header(None)).ok()) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

fn respond(status: StatusCode, body: &Value) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut response = Response::new(body.to_string().into());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
