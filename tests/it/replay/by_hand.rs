//! What the random worlds show, and what they leave out, by example.

use serde_json::{Value, json};
use shared::endpoints::authorizer::ResponseFormat;

use super::gateway::{Cache, Shape, Stage, arn, ask, event, outcome};
use super::world::{GATEWAY, Outcome};
use super::{assert_within_limits, authorizer};
use crate::support::{Server, claims};

/// A server with the Api `orders`, closed but for these privileges, and a token of a client with both of its scopes and the role `clerk`.
async fn started(privileges: &[Value]) -> (Server, String) {
    let server = Server::start().await;
    let scopes = json!([{"value": "read"}, {"value": "write"}]);
    server.create("/apis", json!({"name": "orders", "audience": "https://orders.example/", "scopes": scopes})).await;
    let both = json!(["https://orders.example/read", "https://orders.example/write"]);
    let client = server.client("c_cc", json!({"scopes": both, "default_scopes": both, "roles": ["clerk"]})).await;
    for (at, privilege) in privileges.iter().enumerate() {
        let mut body = json!({"name": format!("p{at}"), "api": "orders"});
        body.as_object_mut().unwrap().extend(privilege.as_object().unwrap().clone());
        server.create("/privileges?make_public=true", body).await;
    }
    let token = server.token(&client, "").await;
    (server, token)
}

fn route(methods: Value, path: &str) -> Value {
    json!({"routes": [{"methods": methods, "path": path}]})
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn policy(server: &Server, token: &str, gateway: &str, path: &str) -> Value {
    ask(server, &server.node().authorizer, event(Shape::RestRequest, gateway, &bearer(token), "GET", path, false)).await.unwrap()
}

#[tokio::test]
async fn one_route_and_then_another_within_the_ttl_get_each_their_answer() {
    // AU-12, X-07: GET /a, then POST /b with the same token; and in the other order, with a refusal first.
    let (server, token) = started(&[route(json!(["GET"]), "/orders/a"), route(json!(["POST"]), "/orders/b")]).await;
    server.roles(&["boss"]).await;
    server.create("/privileges", json!({"name": "bosses", "api": "orders", "routes": [{"path": "/orders/c"}], "roles": ["boss"]})).await;
    let expected = [
        ("GET", "/orders/a", true),
        ("POST", "/orders/b", true),
        ("POST", "/orders/a", false),
        ("POST", "/orders/c", false),
        ("HEAD", "/orders/a", true),
    ];
    for shape in [Shape::RestToken, Shape::RestRequest, Shape::HttpPolicy] {
        for first in 0..expected.len() {
            let mut stage = Stage::new(&server, shape, 300);
            for (method, path, passes) in expected[first..].iter().chain(&expected) {
                let expected = if *passes { Outcome::Pass } else { Outcome::Forbidden };
                assert_eq!(stage.call(&token, method, path).await, expected, "{shape:?} {method} {path}, first {first}");
            }
        }
    }
}

#[tokio::test]
async fn an_ambiguous_path_does_not_close_the_stage_for_the_ttl() {
    // AU-12, X-03: its refusal is cached like any other.
    let (server, token) = started(&[json!({})]).await;
    for path in ["/orders//1", "/orders/../orders/1", "/orders/a%2Fb", "/orders/%61"] {
        let mut stage = Stage::new(&server, Shape::RestToken, 300);
        assert_eq!(stage.call(&token, "GET", path).await, Outcome::Forbidden, "{path}");
        assert_eq!(stage.call(&token, "GET", path).await, Outcome::Forbidden, "{path}");
        assert_eq!(stage.call(&token, "GET", "/orders/1").await, Outcome::Pass, "after {path}");
    }
    // And the other way round: what was cached for a good path passes none of the spellings that are refused everywhere (AU-19).
    let mut stage = Stage::new(&server, Shape::RestToken, 300);
    assert_eq!(stage.call(&token, "GET", "/orders/1").await, Outcome::Pass);
    for path in [
        "/orders//1",
        "/orders/./1",
        "/orders/../billing",
        "/orders/..",
        "/orders/a%2Fb",
        "/orders/%2e%2e/b",
        "/orders/..;v/b",
        "/orders/%5c",
        "/orders/%00",
    ] {
        assert_eq!(stage.call(&token, "GET", path).await, Outcome::Forbidden, "{path}");
    }
    // What is more than one resource in a policy is denied alone, whatever else its ARN covers: nothing is opened by it.
    let answer = policy(&server, &token, GATEWAY, "/orders/*").await;
    let all = answer["policyDocument"]["Statement"].as_array().unwrap();
    assert_eq!(all, &[json!({"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": arn(GATEWAY, "GET", "/orders/*")})]);
}

#[tokio::test]
async fn a_cached_policy_and_the_authorizer_differ_only_where_the_docs_say_so() {
    // docs/access-rules.md, "Caching at the gateway": inside a subtree that is open as a whole, and nowhere else.
    let (server, token) = started(&[json!({})]).await;
    let long = format!("/orders/{}", "a".repeat(395));
    for path in ["/orders/%61", "/orders/a%7Eb", "/orders/a*", "/orders/{a}", "/orders/%ff", &long] {
        let cached = policy(&server, &token, GATEWAY, "/orders/1").await;
        let own = policy(&server, &token, GATEWAY, path).await;
        let arn = arn(GATEWAY, "GET", path);
        assert_eq!((outcome(&Some(cached), &arn), outcome(&Some(own), &arn)), (Outcome::Pass, Outcome::Forbidden), "{path}");
    }
    // A privilege on one path below: the subtree is no longer open as a whole, and nothing is passed by another spelling of its name.
    server.roles(&["boss"]).await;
    server.create("/privileges", json!({"name": "secret", "api": "orders", "routes": [{"path": "/orders/a"}], "roles": ["boss"]})).await;
    server.pass(6);
    for path in ["/orders/%61", "/orders/a", "/orders/a/", "/orders/a*"] {
        let cached = policy(&server, &token, GATEWAY, "/orders/1").await;
        assert_eq!(outcome(&Some(cached), &arn(GATEWAY, "GET", path)), Outcome::Forbidden, "{path}");
    }
}

#[tokio::test]
async fn rights_that_do_not_fit_a_policy_make_it_name_the_one_call() {
    // AU-14: 100 routes by name, or 10.
    for (routes, lists_all) in [(100, false), (10, true)] {
        let paths: Vec<Value> = (0..routes).map(|at| json!({"methods": ["GET"], "path": format!("/orders/{at}/{}", "name".repeat(10))})).collect();
        let (server, token) = started(&[json!({"routes": paths}), json!({"routes": [{"methods": ["PUT"], "path": "/orders/last"}]})]).await;
        let path = format!("/orders/7/{}", "name".repeat(10));
        let answer = policy(&server, &token, GATEWAY, &path).await;
        assert_within_limits(&answer);
        assert_eq!(outcome(&Some(answer.clone()), &arn(GATEWAY, "GET", &path)), Outcome::Pass);
        assert_eq!(outcome(&Some(answer.clone()), &arn(GATEWAY, "PUT", "/orders/last")) == Outcome::Pass, lists_all);
        let refused = policy(&server, &token, GATEWAY, "/orders").await;
        assert_within_limits(&refused);
        assert_eq!(outcome(&Some(refused), &arn(GATEWAY, "GET", &path)) == Outcome::Pass, lists_all, "{routes}");
    }
    // One path so long that its ARN is no resource: refused, and never shortened.
    let long = format!("/orders/{}", "a".repeat(380));
    let (server, token) = started(&[route(json!(["GET"]), &long), json!({"routes": [{"path": "/orders/b"}]})]).await;
    assert_eq!(outcome(&Some(policy(&server, &token, GATEWAY, &long).await), &arn(GATEWAY, "GET", &long)), Outcome::Pass);
    let far = format!("{}/{}", "a".repeat(60), "s".repeat(60));
    let answer = policy(&server, &token, &far, &long).await;
    assert_eq!(outcome(&Some(answer), &arn(&far, "GET", &long)), Outcome::Forbidden);
}

#[tokio::test]
async fn a_simple_response_without_the_route_in_its_key_is_another_routes_too_and_is_warned_of() {
    // AU-15, AU-07: a yes and a no for one route are the yes and the no of all; with a TTL of 0 they are not.
    let (server, token) = started(&[route(json!(["GET"]), "/orders/a")]).await;
    let asked = async |path: &str, with_route: bool| {
        let simple = authorizer(&server, ResponseFormat::Simple);
        let said = ask(&server, &simple, event(Shape::HttpSimple, GATEWAY, &bearer(&token), "GET", path, with_route)).await;
        // An instance warns once: if it has, it will not again.
        (said, !simple.memory.warns_once())
    };
    let uncached = [("/orders/a", Outcome::Pass), ("/orders/b", Outcome::Forbidden)];
    for (ttl, with_route) in [(300, false), (300, true), (0, false)] {
        for first in [0, 1] {
            let mut cache = Cache::new(ttl);
            for (path, expected) in [uncached[first], uncached[1 - first], uncached[first]] {
                let key = if with_route { path.to_owned() } else { String::new() };
                let said = match cache.find(&key, 0) {
                    Some(said) => said,
                    None => {
                        let (said, warned) = asked(path, with_route).await;
                        assert_eq!(warned, !with_route, "{ttl} {with_route}");
                        cache.keep(key, 0, said.clone());
                        said
                    }
                };
                // This is the setting that the function warns of: the answer to the first call is the answer to every call.
                let expected = if ttl > 0 && !with_route { uncached[first].1 } else { expected };
                assert_eq!(outcome(&said, &arn(GATEWAY, "GET", path)), expected, "{ttl} {with_route} {path}");
            }
        }
    }
    // A policy needs no warning: it says for which routes it is.
    let policy = authorizer(&server, ResponseFormat::Policy);
    ask(&server, &policy, event(Shape::HttpPolicy, GATEWAY, &bearer(&token), "GET", "/orders/a", false)).await;
    assert!(policy.memory.warns_once());
}

#[tokio::test]
async fn a_revocation_counts_after_the_ttl_and_the_feed_and_no_later() {
    // AU-17, X-07: the function's own bound is 5 s; the gateway adds its TTL, which the templates set to 0.
    for ttl in [0, 60, 300] {
        let (server, token) = started(&[json!({})]).await;
        server.pass(200);
        let mut stage = Stage::new(&server, Shape::RestRequest, ttl);
        assert_eq!(stage.call(&token, "GET", "/orders/1").await, Outcome::Pass);
        let jti = claims(&token)["jti"].as_str().unwrap().to_owned();
        assert_eq!(server.admin("DELETE", &format!("/tokens/{jti}"), Value::Null).await.status(), 204);
        let mut lived = 0;
        while stage.call(&token, "GET", "/orders/1").await == Outcome::Pass {
            server.pass(1);
            lived += 1;
            assert!(lived <= ttl + 5, "{ttl}");
        }
        assert!(lived >= ttl, "the model does cache: {ttl} {lived}");
        assert_eq!(stage.call(&token, "GET", "/orders/1").await, Outcome::Unauthorized);
    }
}

#[tokio::test]
async fn an_expired_token_is_not_allowed_from_the_functions_own_memory() {
    // AU-17: it has seen the token a second before; only the gateway's cache can be older.
    let (server, token) = started(&[json!({})]).await;
    let expires = claims(&token)["exp"].as_u64().unwrap();
    let (mut uncached, mut cached) = (Stage::new(&server, Shape::RestToken, 0), Stage::new(&server, Shape::RestToken, 300));
    server.set(expires - 1);
    assert_eq!(uncached.call(&token, "GET", "/orders/1").await, Outcome::Pass);
    assert_eq!(cached.call(&token, "GET", "/orders/1").await, Outcome::Pass);
    server.set(expires);
    assert_eq!(uncached.call(&token, "GET", "/orders/1").await, Outcome::Unauthorized);
    server.set(expires + 298);
    assert_eq!(cached.call(&token, "GET", "/orders/1").await, Outcome::Pass);
    server.set(expires + 299);
    assert_eq!(cached.call(&token, "GET", "/orders/1").await, Outcome::Unauthorized);
}

#[tokio::test]
async fn what_is_remembered_of_one_stage_api_or_scope_is_not_used_for_another() {
    // AU-18, CVE-2026-33496, CVE-2021-32701: the same token on two stages, two tokens of one client, of one Api, with other scopes.
    let server = Server::start().await;
    let api = |name: &str, gateway: Value| json!({"name": name, "audience": format!("https://{name}.example/"), "scopes": [{"value": "read"}, {"value": "write"}], "base_path": "/things", "gateway": gateway});
    server.create("/apis", api("here", json!("abc/prod"))).await;
    server.create("/apis", api("there", json!("abc/test"))).await;
    let elsewhere =
        json!({"name": "both", "audience": "https://both.example/", "scopes": [{"value": "read"}], "base_path": "/both", "access": "authenticated"});
    server.create("/apis", elsewhere).await;
    for (api, scope) in [("here", "read"), ("there", "write")] {
        server.create("/privileges", json!({"name": api, "api": api, "scopes": [scope]})).await;
    }
    let scopes = ["here.example/read", "here.example/write", "there.example/read", "there.example/write", "both.example/read"];
    let full: Vec<String> = scopes.iter().map(|scope| format!("https://{scope}")).collect();
    let client = server.client("c_cc", json!({"scopes": full})).await;
    let mut tokens = Vec::new();
    for scope in &full {
        tokens.push(server.token(&client, &format!("scope={scope}")).await);
    }
    let expected = [
        ("abc/prod", "/things/1", [Some(true), Some(false), None, None, None]),
        ("abc/test", "/things/1", [None, None, Some(false), Some(true), None]),
        ("abc/prod", "/both/1", [None, None, None, None, Some(true)]),
        ("abc/test", "/both/1", [None, None, None, None, Some(true)]),
        ("abc/else", "/both/1", [None, None, None, None, Some(true)]),
    ];
    for _ in 0..2 {
        for (gateway, path, of_tokens) in expected {
            for (token, expected) in tokens.iter().zip(of_tokens) {
                let said = ask(&server, &server.node().authorizer, event(Shape::RestRequest, gateway, &bearer(token), "GET", path, false)).await;
                let got = outcome(&said, &arn(gateway, "GET", path));
                let expected = expected.map_or(Outcome::Unauthorized, |passes| if passes { Outcome::Pass } else { Outcome::Forbidden });
                assert_eq!(got, expected, "{gateway} {path} {}", claims(token));
                // AU-13: and a policy speaks of no stage but the one that it was asked for on.
                let text = said.map(|answer| answer["policyDocument"].to_string()).unwrap_or_default();
                assert_eq!(text.matches("arn:").count(), text.matches(&format!("arn:aws:execute-api:eu-central-1:123456789012:{gateway}/")).count());
            }
        }
        // The same once more after what was remembered of clients and Apis is read again.
        server.admin("PATCH", "/clients/c_cc", json!({"description": "changed"})).await;
        server.admin("PATCH", "/apis/both", json!({"tags": ["changed"]})).await;
        server.pass(5);
    }
    // A token that another begins with is another token.
    let (whole, cut) = (&tokens[0], &tokens[0][..tokens[0].len() - 1]);
    for (token, expected) in [(whole.as_str(), Outcome::Pass), (cut, Outcome::Unauthorized), (&format!("{whole}A"), Outcome::Unauthorized)] {
        let said = ask(&server, &server.node().authorizer, event(Shape::RestToken, "abc/prod", &bearer(token), "GET", "/things/1", false)).await;
        assert_eq!(outcome(&said, &arn("abc/prod", "GET", "/things/1")), expected);
    }
}
