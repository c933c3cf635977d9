//! Authorizer events: REST `TOKEN` and `REQUEST`, HTTP API 1.0 and 2.0, WebSocket `$connect`. Only the fields that are used are read.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::basic::UserPass;
use crate::oauth::bearer;
use crate::oauth::gates;
use crate::oauth::ids::ClientId;
use crate::oauth::path::CanonicalPath;
use crate::oauth::privilege::Method;
use crate::oauth::rights::LONGEST_RESOURCE;
use crate::oauth::secret::AnonymousKey;

/// An event as API Gateway sends it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    version: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    method_arn: Option<String>,
    route_arn: Option<String>,
    authorization_token: Option<String>,
    headers: Option<Headers>,
    multi_value_headers: Option<Headers>,
    route_key: Option<String>,
    identity_source: Option<OneOrMany>,
    path: Option<String>,
    raw_path: Option<String>,
    http_method: Option<String>,
    request_context: Option<RequestContext>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RequestContext {
    http: Option<HttpContext>,
    identity: Option<Source>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    source_ip: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HttpContext {
    method: Option<String>,
    #[serde(rename = "sourceIp")]
    source_ip: Option<String>,
}

/// The headers of a call that are looked at; every other one is passed over.
#[derive(Debug, Default)]
struct Headers {
    authorization: Vec<String>,
    /// The clients (backends) that the call says it is for.
    backends: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
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
                let mut headers = Headers::default();
                while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    let values = match name.len() {
                        13 if name.eq_ignore_ascii_case("authorization") => &mut headers.authorization,
                        24 if name.eq_ignore_ascii_case("oracle-mobile-backend-id") => &mut headers.backends,
                        11 if name.eq_ignore_ascii_case("x-client-id") => &mut headers.backends,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    match map.next_value()? {
                        OneOrMany::One(value) => values.push(value),
                        OneOrMany::Many(many) => values.extend(many),
                        OneOrMany::Null(()) => {}
                    }
                }
                Ok(headers)
            }
        }

        deserializer.deserialize_map(Map)
    }
}

/// A call that API Gateway asks about.
#[derive(Debug)]
pub(super) struct Asked {
    /// The ARN that names the method and path.
    pub arn: String,
    /// Where in the ARN the method begins, after the stage; `None` where it names no method of HTTP.
    pub method_at: Option<usize>,
    /// What the rules see of it.
    pub call: gates::Call,
    /// What the call presents.
    pub presented: Presented,
    /// Where it came from, as the gateway says.
    pub source: Option<IpAddr>,
}

/// What a call presents, in its own memory.
#[derive(Debug)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub(super) enum Presented {
    Nothing,
    Bearer(String),
    Basic(UserPass),
    Key { client_id: ClientId, key: AnonymousKey },
    Unusable,
}

impl Asked {
    /// The bearer token, if it is one that the call presents.
    pub fn token(&self) -> Option<&str> {
        if let Presented::Bearer(token) = &self.presented { Some(token) } else { None }
    }

    /// The start of every ARN of the stage, up to the slash before the method.
    pub fn stage(&self) -> Option<&str> {
        self.method_at.and_then(|at| self.arn.get(..at))
    }

    /// Whether a policy that names the ARN speaks of this call alone.
    pub fn is_one_resource(&self) -> bool {
        is_one_resource(&self.arn)
    }
}

fn is_one_resource(arn: &str) -> bool {
    !arn.contains(['*', '?']) && arn.len() <= LONGEST_RESOURCE
}

impl Event {
    /// Whether the gateway could take a simple response: only HTTP APIs with payload 2.0.
    pub fn takes_simple_responses(&self) -> bool {
        self.version.as_deref() == Some("2.0")
    }

    /// Whether a cached answer would be used for other routes than the one that was decided: the route is no identity source.
    pub(super) fn names_no_route(&self) -> bool {
        let sources: &[String] = match &self.identity_source {
            Some(OneOrMany::One(source)) => std::slice::from_ref(source),
            Some(OneOrMany::Many(sources)) => sources,
            Some(OneOrMany::Null(())) | None => &[],
        };
        !self.route_key.as_ref().is_some_and(|route| sources.contains(route)) && !self.raw_path.as_ref().is_some_and(|path| sources.contains(path))
    }

    /// What the gateway asks about; `None` where the event is none of an authorizer's.
    pub(super) fn asked(self) -> Option<Asked> {
        let presented = self.presented();
        let backends = self.backends();
        let is_v2 = self.takes_simple_responses();
        let arn = if is_v2 { self.route_arn.or(self.method_arn) } else { self.method_arn }?;
        let place = Arn::parse(&arn)?;
        let RequestContext { http, identity } = self.request_context.unwrap_or_default();
        let http = http.unwrap_or_default();
        let source = identity.and_then(|identity| identity.source_ip).or(http.source_ip).and_then(|address| address.parse().ok());
        let method = self.http_method.or(http.method);
        // The event's method and the ARN's are the same fact said twice; where they differ, the event is not the gateway's (AU-20).
        if method.is_some_and(|method| method != place.method) {
            return None;
        }
        let sent = if is_v2 { self.raw_path } else { self.path };
        let path = match sent {
            Some(sent) => path_of_api(&sent, &place),
            None => CanonicalPath::parse(place.path),
        };
        // A `*` or `?` in the path would be a wildcard in the policy (AU-13); what is longer is no resource (AU-14).
        let path = path.filter(|_| is_one_resource(&arn));
        let method_at = (place.method != WEBSOCKET_METHOD).then(|| arn.find(place.gateway).map(|at| at + place.gateway.len() + 1)).flatten();
        let call = gates::Call { gateway: place.gateway.to_owned(), method: place.method.to_owned(), path, backends };
        Some(Asked { method_at, call, presented, source, arn })
    }

    fn presented(&self) -> Presented {
        let header = |values: &[String]| {
            let values: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
            match bearer::presented(&values) {
                bearer::Presented::Nothing => Presented::Nothing,
                bearer::Presented::Bearer(token) => Presented::Bearer(token.to_owned()),
                bearer::Presented::Unusable => user_pass(&values).map_or(Presented::Unusable, by_basic),
            }
        };
        if self.kind.as_deref() == Some("TOKEN") {
            return header(self.authorization_token.as_ref().filter(|token| !token.is_empty()).map(std::slice::from_ref).unwrap_or_default());
        }
        self.values_of(|headers| &headers.authorization).map_or(Presented::Nothing, header)
    }

    fn backends(&self) -> Vec<String> {
        self.values_of(|headers| &headers.backends).map(<[String]>::to_vec).unwrap_or_default()
    }

    /// The values of a header. Several of one header stand only in the multi-value map; a REST event has both.
    fn values_of(&self, header: impl Fn(&Headers) -> &Vec<String>) -> Option<&[String]> {
        let all = self.multi_value_headers.as_ref().map(&header).filter(|all| !all.is_empty());
        all.or_else(|| self.headers.as_ref().map(&header)).map(Vec::as_slice)
    }
}

/// Username and password (RFC 7617 §2): UTF-8, apart at the first colon, and nothing form-encoded as it is for clients.
fn user_pass(headers: &[&[u8]]) -> Option<UserPass> {
    let [header] = headers else { return None };
    let (scheme, value) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    let joined = STANDARD.decode(value.trim_matches(' ')).ok().filter(|_| scheme.eq_ignore_ascii_case("Basic"))?;
    let (username, password) = std::str::from_utf8(&joined).ok()?.split_once(':')?;
    Some(UserPass { username: username.to_owned(), password: password.to_owned() })
}

/// What is spelled as an anonymous key is nobody's password: it costs no hash, and no failed sign-in of a user of that name.
fn by_basic(given: UserPass) -> Presented {
    if !given.password.starts_with(AnonymousKey::PREFIX) {
        return Presented::Basic(given);
    }
    let key = ClientId::parse(&given.username).zip(AnonymousKey::parse(&given.password));
    key.map_or(Presented::Unusable, |(client_id, key)| Presented::Key { client_id, key })
}

/// The path on the API, from the path as it was sent (with a stage or a base path mapping in front) and the path of the ARN.
///
/// The ARN alone would do if it kept the percent-encoding; the sent path alone would do if it had no prefix. Where the two do not
/// agree about the end of the path, or what is in front of it is no path, there is none: `//orders` is not `/orders` behind a mapping.
fn path_of_api(sent: &str, place: &Arn<'_>) -> Option<CanonicalPath> {
    if place.path == "/" || place.method == WEBSOCKET_METHOD {
        return CanonicalPath::parse(place.path);
    }
    let prefixes = sent.char_indices().filter(|(_, character)| *character == '/').map(|(at, _)| at);
    let mut ends = prefixes.filter_map(|at| sent.get(at..));
    let is_same = |end: &&str| *end == place.path || decoded(end).is_some_and(|decoded| decoded == place.path.as_bytes());
    let end = ends.find(is_same)?;
    let prefix = sent.strip_suffix(end)?;
    let is_mapping = prefix.is_empty() || !prefix.ends_with('/') && CanonicalPath::parse(prefix).is_some();
    CanonicalPath::parse(end).filter(|_| is_mapping)
}

fn decoded(path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
                digit(rest.next()?)? << 4 | digit(rest.next()?)?
            }
            other => other,
        });
    }
    Some(bytes)
}

const WEBSOCKET_METHOD: &str = "$connect";

/// `arn:aws:execute-api:region:account:apiId/stage/METHOD/path`, taken apart.
struct Arn<'a> {
    gateway: &'a str,
    method: &'a str,
    path: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (scheme, partition, service, _region, account) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let resource = parts.next()?;
        if scheme != "arn" || !partition.starts_with("aws") || service != "execute-api" || account.is_empty() {
            return None;
        }
        let (api_id, rest) = resource.split_once('/')?;
        let (stage, rest) = rest.split_once('/')?;
        if api_id.is_empty() || stage.is_empty() {
            return None;
        }
        let gateway = resource.get(..api_id.len() + 1 + stage.len())?;
        if rest == WEBSOCKET_METHOD {
            return Some(Self { gateway, method: WEBSOCKET_METHOD, path: "/" });
        }
        let (method, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        Method::could_be(method).then_some(Self { gateway, method, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:execute-api:eu-central-1:123456789012:abc/prod/GET/orders/1";

    fn call(event: serde_json::Value) -> Option<Asked> {
        serde_json::from_value::<Event>(event).unwrap().asked()
    }

    #[test]
    fn every_shape_says_the_same() {
        // AU-01, AU-05, AU-06, AU-07, AU-08, AU-23
        let bearer = "Bearer abc";
        for event in [
            serde_json::json!({"type": "TOKEN", "authorizationToken": bearer, "methodArn": ARN}),
            serde_json::json!({"type": "REQUEST", "methodArn": ARN, "path": "/orders/1", "httpMethod": "GET", "headers": {"AUTHORIZATION": bearer}, "multiValueHeaders": {"AUTHORIZATION": [bearer]}}),
            serde_json::json!({"type": "REQUEST", "methodArn": ARN, "path": "/mapping/orders/1", "httpMethod": "GET", "headers": null, "multiValueHeaders": {"authorization": [bearer]}}),
            serde_json::json!({"version": "1.0", "type": "REQUEST", "methodArn": ARN, "identitySource": "Bearer abc,other", "authorizationToken": "Bearer abc,other", "path": "/orders/1",
                "httpMethod": "GET", "headers": {"Authorization": bearer}}),
            serde_json::json!({"version": "2.0", "type": "REQUEST", "routeArn": ARN, "identitySource": [bearer], "rawPath": "/prod/orders/1", "headers": {"authorization": bearer},
                "requestContext": {"http": {"method": "GET"}}}),
        ] {
            let call = call(event.clone()).unwrap_or_else(|| panic!("{event}"));
            assert_eq!(
                (call.call.gateway.as_str(), call.call.path.unwrap().as_str(), call.presented),
                ("abc/prod", "/orders/1", Presented::Bearer("abc".to_owned())),
                "{event}"
            );
        }
    }

    #[test]
    fn what_stands_before_the_path_is_a_stage_or_a_mapping() {
        // a gateway that normalises what it matches, and hands on what was sent.
        let path = |sent: &str| {
            let event = serde_json::json!({"type": "REQUEST", "methodArn": ARN, "path": sent, "httpMethod": "GET", "headers": {}});
            call(event).unwrap().call.path.map(|path| path.as_str().to_owned())
        };
        for sent in ["/orders/1", "/prod/orders/1", "/mapping/v1/orders/1"] {
            assert!(path(sent).is_some(), "{sent}");
        }
        for sent in ["//orders/1", "/prod//orders/1", "/a/../orders/1", "/a/./orders/1", "/%2e%2e/orders/1", "orders/1"] {
            assert_eq!(path(sent), None, "{sent}");
        }
    }

    #[test]
    fn a_websocket_connects_to_the_root() {
        // AU-11
        let arn = "arn:aws:execute-api:eu-central-1:123456789012:abc/prod/$connect";
        let call = call(serde_json::json!({"type": "REQUEST", "methodArn": arn, "headers": {"Authorization": "Bearer abc"}})).unwrap();
        assert_eq!((call.call.path.unwrap().as_str(), call.call.gateway.as_str()), ("/", "abc/prod"));
    }

    #[test]
    fn missing_and_doubled_credentials_are_told_apart() {
        // AU-09, AU-10, AU-26
        let presented = |headers: serde_json::Value, multi: serde_json::Value| {
            call(serde_json::json!({"type": "REQUEST", "methodArn": ARN, "headers": headers, "multiValueHeaders": multi, "identitySource": null}))
                .unwrap()
                .presented
        };
        let null = serde_json::Value::Null;
        assert_eq!(presented(null.clone(), null.clone()), Presented::Nothing);
        assert_eq!(presented(serde_json::json!({"Authorization": null}), null.clone()), Presented::Nothing);
        assert_eq!(presented(serde_json::json!({"Authorization": ""}), null.clone()), Presented::Unusable);
        assert_eq!(
            presented(serde_json::json!({"Authorization": "Bearer a"}), serde_json::json!({"Authorization": ["Bearer a", "Bearer b"]})),
            Presented::Unusable
        );
        assert_eq!(presented(serde_json::json!({"Authorization": "Bearer a", "authorization": "Bearer b"}), null.clone()), Presented::Unusable);
        assert_eq!(presented(serde_json::json!({"authorization": "Bearer a,Bearer b"}), null), Presented::Unusable);
        let token =
            |token: serde_json::Value| call(serde_json::json!({"type": "TOKEN", "authorizationToken": token, "methodArn": ARN})).unwrap().presented;
        assert_eq!(
            (token(serde_json::json!(null)), token(serde_json::json!("")), token(serde_json::json!("abc"))),
            (Presented::Nothing, Presented::Nothing, Presented::Unusable)
        );
    }

    #[test]
    fn an_anonymous_key_is_told_from_a_password_by_its_spelling() {
        // M-05, T-04: whatever begins as a key does is never tried as a password
        let given = |username: &str, password: &str| {
            let basic = format!("basic {}", STANDARD.encode(format!("{username}:{password}")));
            call(serde_json::json!({"type": "REQUEST", "methodArn": ARN, "headers": {"Authorization": basic}})).unwrap().presented
        };
        let key = format!("gw_ak_{}", "A".repeat(43));
        let parsed = AnonymousKey::parse(&key).unwrap();
        assert_eq!(given("be1", &key), Presented::Key { client_id: ClientId::parse("be1").unwrap(), key: parsed });
        for (username, password) in
            [("no client's id", key.as_str()), ("", &key), ("be1", "gw_ak_"), ("be1", &key[..48]), ("be1", &format!("{key}A"))]
        {
            assert_eq!(given(username, password), Presented::Unusable, "{username} {password}");
        }
        let password = key.replace("gw_ak_", "gw_cs_");
        assert_eq!(given("be1", &password), Presented::Basic(UserPass { username: "be1".to_owned(), password }));
    }

    #[test]
    fn arns_are_taken_apart_exactly() {
        // AU-23, AU-22
        let arn = |resource: &str| {
            Arn::parse(&format!("arn:aws-cn:execute-api:cn-north-1:123456789012:{resource}"))
                .map(|arn| format!("{} {} {}", arn.gateway, arn.method, arn.path))
        };
        assert_eq!(arn("abc/$default/GET/").as_deref(), Some("abc/$default GET /"));
        assert_eq!(arn("abc/test-invoke-stage/GET").as_deref(), Some("abc/test-invoke-stage GET /"));
        assert_eq!(arn("abc/prod/GET/a:b/c").as_deref(), Some("abc/prod GET /a:b/c"));
        for wrong in ["", "abc", "abc/prod", "/prod/GET/x", "abc//GET/x", "abc/prod/get/x", "abc/prod//x", "abc/prod/*/x"] {
            assert_eq!(arn(wrong), None, "{wrong}");
        }
        for wrong in ["", "arn", "arn:aws:s3:::bucket", "arn:evil:execute-api:r:1:abc/prod/GET/x", "arn:aws:execute-api:r::abc/prod/GET/x"] {
            assert!(Arn::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn an_event_that_contradicts_itself_is_nobodys() {
        // AU-20, AU-21
        let event = |method: &str, path: &str| call(serde_json::json!({"type": "REQUEST", "methodArn": ARN, "httpMethod": method, "path": path}));
        assert!(event("POST", "/orders/1").is_none() && event("get", "/orders/1").is_none());
        assert!(event("GET", "/orders/2").unwrap().call.path.is_none());
        assert!(event("GET", "/orders/1").unwrap().call.path.is_some());
    }

    #[test]
    fn a_path_with_a_wildcard_character_names_no_one_resource() {
        // AU-13
        let arn = "arn:aws:execute-api:eu-central-1:123456789012:abc/prod/GET/orders/*";
        assert!(call(serde_json::json!({"type": "TOKEN", "methodArn": arn})).unwrap().call.path.is_none());
    }
}
