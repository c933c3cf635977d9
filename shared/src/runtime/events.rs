//! Events of API Gateway (REST v1, HTTP API v1 and v2), ALB and function URLs, to and from what the endpoints understand. Only the
//! fields that are used are read; the same call gives the same request whichever way it comes (HT-01).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::endpoints::{Request, Response};
use crate::oauth::form;

/// An HTTP call as an event.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyEvent {
    version: Option<String>,
    http_method: Option<String>,
    path: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    query_string_parameters: Option<HashMap<String, Option<String>>>,
    multi_value_query_string_parameters: Option<HashMap<String, Option<Vec<String>>>>,
    headers: Option<Headers>,
    multi_value_headers: Option<Headers>,
    cookies: Option<Vec<String>>,
    body: Option<String>,
    is_base64_encoded: serde_json::Value,
    request_context: Option<RequestContext>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RequestContext {
    stage: Option<String>,
    http: Option<HttpContext>,
    identity: Option<Identity>,
    elb: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HttpContext {
    method: Option<String>,
    #[serde(rename = "sourceIp")]
    source_ip: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    source_ip: Option<String>,
}

/// The way an event came, which its answer has to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// API Gateway payload 1.0: REST APIs, and HTTP APIs configured for it.
    V1,
    /// API Gateway payload 2.0 and function URLs.
    V2,
    /// An application load balancer.
    Alb {
        /// Whether the target group has multi-value headers switched on.
        multi_value: bool,
    },
}

/// Why an event is no request.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is no HTTP call: some other service's event, or none.
    NotHttp,
    /// It is one, and its body or headers cannot be read; the answer is 400.
    Http(Shape, &'static str),
}

impl ProxyEvent {
    /// The request, and the way its answer has to go back.
    ///
    /// # Errors
    /// What is wrong with the event.
    pub fn into_request(self) -> Result<(Request, Shape), Unreadable> {
        let context = self.request_context.unwrap_or_default();
        let is_v2 = self.version.as_deref() == Some("2.0");
        let shape = match (is_v2, &context.elb) {
            (true, _) => Shape::V2,
            (false, Some(_)) => Shape::Alb { multi_value: self.multi_value_headers.is_some() },
            (false, None) => Shape::V1,
        };
        let source = match (&context.http, &context.identity) {
            (Some(http), _) if is_v2 => http.source_ip.as_deref(),
            (_, Some(identity)) => identity.source_ip.as_deref(),
            _ => None,
        };
        let source = source.and_then(|address| address.parse().ok());
        let method = if is_v2 { context.http.and_then(|http| http.method) } else { self.http_method };
        let path = if is_v2 { self.raw_path } else { self.path };
        let (Some(method), Some(path)) = (method, path) else { return Err(Unreadable::NotHttp) };
        let unreadable = |what| Unreadable::Http(shape, what);
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| unreadable("the method is none"))?;
        let path = without_stage(path, is_v2, context.stage.as_deref());
        let mut headers = match (self.multi_value_headers, self.headers) {
            (Some(Headers(all)), _) if !all.is_empty() => all,
            (_, Some(Headers(single))) => single,
            _ => HeaderMap::new(),
        };
        for cookie in self.cookies.unwrap_or_default() {
            let cookie = HeaderValue::from_str(&cookie).map_err(|_| unreadable("a cookie is malformed"))?;
            headers.append(http::header::COOKIE, cookie);
        }
        let query = match (is_v2, self.multi_value_query_string_parameters, self.query_string_parameters) {
            (true, _, _) => decoded_query(self.raw_query_string.as_deref().unwrap_or_default()),
            (false, Some(multi), _) => pairs(multi.into_iter().map(|(name, values)| (name, values.unwrap_or_default())), shape),
            (false, None, Some(single)) => pairs(single.into_iter().map(|(name, value)| (name, Vec::from_iter(value))), shape),
            (false, None, None) => Some(Vec::new()),
        };
        let query = query.ok_or_else(|| unreadable("the query is not valid UTF-8 or its percent-encoding is malformed"))?;
        let body = match (self.is_base64_encoded, self.body) {
            (_, None) => Bytes::new(),
            (serde_json::Value::Null | serde_json::Value::Bool(false), Some(text)) => Bytes::from(text),
            (serde_json::Value::Bool(true), Some(text)) => {
                Bytes::from(STANDARD.decode(text).map_err(|_| unreadable("the body is not base64, as the event says"))?)
            }
            (_, Some(_)) => return Err(unreadable("isBase64Encoded is neither true nor false")),
        };
        Ok((Request { method, path, query, headers, body, source }, shape))
    }
}

/// Payload 2.0 puts the stage in front of the path (but for `$default`); REST does not.
fn without_stage(path: String, is_v2: bool, stage: Option<&str>) -> String {
    let stage = stage.filter(|stage| is_v2 && *stage != "$default");
    let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage)).filter(|rest| rest.starts_with('/'));
    rest.map(str::to_owned).unwrap_or(path)
}

/// A raw query string, decoded once.
pub fn decoded_query(raw: &str) -> Option<Vec<(String, String)>> {
    let pairs = raw.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((form::decode(name.as_bytes())?, form::decode(value.as_bytes())?))
        })
        .collect()
}

/// API Gateway has decoded the parameters, a load balancer has not.
fn pairs(parameters: impl Iterator<Item = (String, Vec<String>)>, shape: Shape) -> Option<Vec<(String, String)>> {
    let mut query = Vec::new();
    for (name, values) in parameters {
        for value in values {
            query.push(match shape {
                Shape::Alb { .. } => (form::decode(name.as_bytes())?, form::decode(value.as_bytes())?),
                Shape::V1 | Shape::V2 => (name.clone(), value),
            });
        }
    }
    Some(query)
}

/// The headers that an endpoint looks at; every other one is passed over.
const USED_HEADERS: [&str; 9] = [
    "access-control-request-method",
    "authorization",
    "content-type",
    "content-encoding",
    "cookie",
    "if-match",
    "if-none-match",
    "origin",
    "sec-purpose",
];

/// A header map of either form: a value, or a list of values, under a name of any case.
#[derive(Debug, Default)]
struct Headers(HeaderMap);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<'a> {
    One(#[serde(borrow)] Cow<'a, str>),
    Many(Vec<String>),
    Null(()),
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = HeaderMap::new();
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    let Some(name) = USED_HEADERS.iter().find(|used| used.eq_ignore_ascii_case(&name)) else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let mut append = |value: &str| {
                        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                            headers.append(HeaderName::from_static(name), value);
                        }
                    };
                    match map.next_value()? {
                        OneOrMany::One(value) => append(&value),
                        OneOrMany::Many(values) => values.iter().for_each(|value| append(value)),
                        OneOrMany::Null(()) => {}
                    }
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_map(Map)
    }
}

/// Carries the challenge once more to an HTTP API, which renames an integration's `WWW-Authenticate` to `x-amzn-remapped-www-authenticate`: its
/// parameter mapping in the templates gives the challenge its name back and drops this header.
const CHALLENGE: &str = "gatewright-challenge";

/// An answer as the gateway wants it back.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyResponse {
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_description: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    multi_value_headers: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

impl ProxyResponse {
    /// The answer in the shape that the request came in.
    pub fn new(response: &Response, shape: Shape) -> Self {
        let mut answer = Self {
            status_code: response.status().as_u16(),
            status_description: matches!(shape, Shape::Alb { .. }).then(|| response.status().to_string()),
            headers: BTreeMap::new(),
            multi_value_headers: BTreeMap::new(),
            cookies: Vec::new(),
            body: String::from_utf8_lossy(response.body()).into_owned(),
            is_base64_encoded: false,
        };
        for name in response.headers().keys() {
            let values = response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned);
            let values: Vec<String> = values.collect();
            match (shape, values.as_slice()) {
                (Shape::V2, _) if name == http::header::SET_COOKIE => answer.cookies = values,
                (Shape::V2, _) if name == http::header::WWW_AUTHENTICATE => {
                    let challenge = values.join(", ");
                    answer.headers.insert(CHALLENGE.to_owned(), challenge.clone());
                    answer.headers.insert(name.to_string(), challenge);
                }
                (Shape::V1, [_, _, ..]) | (Shape::Alb { multi_value: true }, _) => {
                    answer.multi_value_headers.insert(name.to_string(), values);
                }
                _ => drop(answer.headers.insert(name.to_string(), values.join(", "))),
            }
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: serde_json::Value) -> Result<(Request, Shape), Unreadable> {
        serde_json::from_value::<ProxyEvent>(event).unwrap().into_request()
    }

    #[test]
    fn every_shape_gives_the_same_request() {
        // HT-01, HT-02, HT-04, HT-09, X-08
        let body = "a=1&b=%2B";
        let encoded = STANDARD.encode(body);
        for (event, shape) in [
            (
                serde_json::json!({"httpMethod": "POST", "path": "/p", "headers": {"If-Match": "1"}, "multiValueHeaders": {"If-Match": ["1"]}, "body": body, "isBase64Encoded": false,
                "requestContext": {"stage": "prod"}, "multiValueQueryStringParameters": {"q": ["a+b", "é"]}}),
                Shape::V1,
            ),
            (
                serde_json::json!({"version": "1.0", "httpMethod": "POST", "path": "/p", "headers": {"if-match": "1"}, "body": encoded, "isBase64Encoded": true,
                "multiValueQueryStringParameters": {"q": ["a+b", "é"]}}),
                Shape::V1,
            ),
            (
                serde_json::json!({"version": "2.0", "rawPath": "/prod/p", "rawQueryString": "q=a%2Bb&q=%C3%A9", "headers": {"if-match": "1"}, "body": encoded, "isBase64Encoded": true,
                "requestContext": {"stage": "prod", "http": {"method": "POST"}}}),
                Shape::V2,
            ),
            (
                serde_json::json!({"version": "2.0", "rawPath": "/p", "rawQueryString": "q=a%2Bb&q=%C3%A9", "headers": {"if-match": "1"}, "body": body,
                "requestContext": {"stage": "$default", "http": {"method": "POST"}}}),
                Shape::V2,
            ),
            (
                serde_json::json!({"httpMethod": "POST", "path": "/p", "multiValueHeaders": {"if-match": ["1"]}, "body": body, "isBase64Encoded": false,
                "multiValueQueryStringParameters": {"q": ["a%2Bb", "%C3%A9"]}, "requestContext": {"elb": {"targetGroupArn": "x"}}}),
                Shape::Alb { multi_value: true },
            ),
        ] {
            let (request, came) = read(event.clone()).unwrap();
            assert_eq!((request.method.as_str(), request.path.as_str(), &request.body[..], came), ("POST", "/p", body.as_bytes(), shape), "{event}");
            assert_eq!(request.headers.get_all("if-match").iter().collect::<Vec<_>>(), ["1"], "{event}");
            assert_eq!(request.query, [("q".to_owned(), "a+b".to_owned()), ("q".to_owned(), "é".to_owned())], "{event}");
        }
    }

    #[test]
    fn an_http_api_gets_the_challenge_under_a_name_that_it_does_not_change() {
        //
        let answer = |shape| {
            let response = http::Response::builder().status(401).header("www-authenticate", "Bearer").header("www-authenticate", "Basic");
            serde_json::to_value(ProxyResponse::new(&response.body(Bytes::new()).unwrap(), shape)).unwrap()
        };
        let v2 = serde_json::json!({"gatewright-challenge": "Bearer, Basic", "www-authenticate": "Bearer, Basic"});
        assert_eq!(answer(Shape::V2)["headers"], v2);
        assert_eq!(answer(Shape::V1)["multiValueHeaders"], serde_json::json!({"www-authenticate": ["Bearer", "Basic"]}));
    }

    #[test]
    fn bodies_that_are_not_what_the_event_says_are_bad_requests() {
        // HT-02
        for (body, flag) in [("***", serde_json::json!(true)), ("a=1", serde_json::json!("true")), ("a=1", serde_json::json!(1))] {
            let event = serde_json::json!({"httpMethod": "POST", "path": "/p", "body": body, "isBase64Encoded": flag});
            assert!(matches!(read(event), Err(Unreadable::Http(Shape::V1, _))));
        }
    }

    #[test]
    fn nothing_but_a_method_and_a_path_is_needed() {
        // HT-03, HT-26
        let event = serde_json::json!({"httpMethod": "GET", "path": "/p", "headers": null, "body": null, "queryStringParameters": null, "multiValueHeaders": null, "requestContext": null});
        assert!(read(event).is_ok());
        for none in [serde_json::json!({}), serde_json::json!({"Records": [{"eventSource": "aws:s3"}]}), serde_json::json!({"version": "2.0"})] {
            assert_eq!(read(none).unwrap_err(), Unreadable::NotHttp);
        }
    }

    #[test]
    fn two_spellings_of_a_header_are_two_values() {
        // HT-04
        let event = serde_json::json!({"httpMethod": "GET", "path": "/p", "headers": {"Authorization": "a", "authorization": "b"}});
        assert_eq!(read(event).unwrap().0.authorization(), [b"a", b"b"]);
    }

    #[test]
    fn an_answer_goes_back_the_way_the_request_came() {
        // HT-08
        let mut response = Response::new(Bytes::from("{}"));
        response.headers_mut().append("set-cookie", HeaderValue::from_static("a=1"));
        response.headers_mut().append("set-cookie", HeaderValue::from_static("b=2"));
        let json = |shape| serde_json::to_value(ProxyResponse::new(&response, shape)).unwrap();
        let cookies = serde_json::json!(["a=1", "b=2"]);
        assert_eq!(json(Shape::V1)["multiValueHeaders"]["set-cookie"], cookies);
        assert_eq!(json(Shape::V2)["cookies"], cookies);
        assert_eq!(json(Shape::Alb { multi_value: true })["multiValueHeaders"]["set-cookie"], cookies);
        assert_eq!(json(Shape::Alb { multi_value: true })["statusDescription"], "200 OK");
    }
}
