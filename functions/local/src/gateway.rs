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
        "requestContext": {"identity": {"sourceIp": request.source.map(|source| source.to_string())}, "apiId": "local", "stage": "local", "httpMethod": request.method.as_str(), "path": request.path},
    })
}

fn arn(request: &Request) -> String {
    format!("arn:aws:execute-api:local:000000000000:{GATEWAY}/{}{}", request.method, request.path)
}

/// The gateway's answer, given the authorizer's. `takes_basic`: the template's 401 lists a Basic challenge as well.
pub fn answer(request: &Request, authorization: Authorization, takes_basic: bool) -> Response {
    let answer = match authorization {
        Ok(answer) => answer,
        Err(message) if message == "Unauthorized" => {
            let mut response = refused(StatusCode::UNAUTHORIZED, "Unauthorized", Some(&Challenge::MissingToken.header(None)));
            if takes_basic {
                response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"gatewright\", charset=\"UTF-8\""));
            }
            return response;
        }
        Err(_) => return refused(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error", None),
    };
    let context = answer.get("context").and_then(Value::as_object);
    if !allows(answer.get("policyDocument").unwrap_or(&Value::Null), &arn(request)) {
        let challenge = context.and_then(|context| context.get("challenge")).and_then(Value::as_str);
        return refused(StatusCode::FORBIDDEN, "Forbidden", challenge);
    }
    let mut principal = context.cloned().unwrap_or_default();
    principal.insert("principalId".to_owned(), answer.get("principalId").cloned().unwrap_or_default());
    let query: Map<String, Value> = request.query.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    respond(StatusCode::OK, &json!({"method": request.method.as_str(), "path": request.path, "query": query, "principal": principal}))
}

/// Whether a policy allows a call: something allows it, and nothing denies it.
pub fn allows(policy: &Value, arn: &str) -> bool {
    let statements = policy.get("Statement").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let speaks = |effect: &str| {
        statements.iter().any(|statement| {
            let resources = match statement.get("Resource") {
                Some(Value::Array(resources)) => resources.as_slice(),
                Some(resource) => std::slice::from_ref(resource),
                None => &[],
            };
            let is_about = |resource: &Value| resource.as_str().is_some_and(|pattern| matches(pattern.as_bytes(), arn.as_bytes()));
            statement.get("Effect").is_some_and(|own| own == effect)
                && statement.get("Action").is_some_and(|action| action == "execute-api:Invoke")
                && resources.iter().any(is_about)
        })
    };
    speaks("Allow") && !speaks("Deny")
}

/// IAM's wildcards: `*` is any characters, slashes included, `?` is one.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut star) = ((0, 0), None);
    loop {
        match (pattern.get(at.0), text.get(at.1)) {
            (Some(b'*'), _) => {
                star = Some(at);
                at.0 += 1;
            }
            (Some(b'?'), Some(_)) => at = (at.0 + 1, at.1 + 1),
            (Some(one), Some(other)) if one == other => at = (at.0 + 1, at.1 + 1),
            (None, None) => return true,
            // The last star takes one character more.
            _ => match star {
                Some((pattern_at, text_at)) if text_at < text.len() => {
                    star = Some((pattern_at, text_at + 1));
                    at = (pattern_at + 1, text_at + 1);
                }
                _ => return false,
            },
        }
    }
}

/// What the gateway response templates render: on a 403 the challenge from the authorizer's context, on a 401 the same for everybody.
fn refused(status: StatusCode, message: &str, challenge: Option<&str>) -> Response {
    let mut response = respond(status, &json!({"message": message}));
    if let Some(value) = challenge.and_then(|challenge| HeaderValue::from_str(challenge).ok()) {
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

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_are_iams() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a/*", "a/", true),
            ("a/*", "a/b/c", true),
            ("a/*", "a", false),
            ("*/b", "a/x/b", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbX", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
