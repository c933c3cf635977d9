//! A model of API Gateway's authorizer: the events that it sends, what it makes of the answers, and its cache.

use std::collections::HashMap;

use local::gateway::allows;
use local::node::working_as;
use serde_json::{Value, json};
use shared::endpoints::authorizer::{Endpoint, Failure};

use super::world::{GATEWAY, Outcome};
use crate::support::Server;

pub const ACCOUNT: &str = "arn:aws:execute-api:eu-central-1:123456789012";

/// A kind of authorizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    RestToken,
    RestRequest,
    HttpPolicy,
    /// Needs a function with `GATEWRIGHT_AUTHORIZER_RESPONSE=simple`.
    HttpSimple,
}

pub const SHAPES: [Shape; 4] = [Shape::RestToken, Shape::RestRequest, Shape::HttpPolicy, Shape::HttpSimple];

/// What an authorizer said; `None`: `Unauthorized`, an error, of which the gateway makes a 401 and never keeps it.
pub type Said = Option<Value>;

/// The ARN of a call on a stage.
pub fn arn(gateway: &str, method: &str, path: &str) -> String {
    format!("{ACCOUNT}:{gateway}/{method}{path}")
}

/// The event about a call; `with_route` where the route is an identity source of an HTTP API.
pub fn event(shape: Shape, gateway: &str, authorization: &str, method: &str, path: &str, with_route: bool) -> Value {
    let arn = arn(gateway, method, path);
    let (api, stage) = gateway.split_once('/').unwrap();
    match shape {
        Shape::RestToken => json!({"type": "TOKEN", "authorizationToken": authorization, "methodArn": arn}),
        Shape::RestRequest => json!({"type": "REQUEST", "methodArn": arn, "resource": "/{proxy+}", "path": path, "httpMethod": method,
            "headers": {"Authorization": authorization}, "multiValueHeaders": {"Authorization": [authorization]},
            "requestContext": {"apiId": api, "stage": stage, "httpMethod": method}}),
        Shape::HttpPolicy | Shape::HttpSimple => {
            let route = format!("{method} {path}");
            let sources = if with_route { json!([authorization, route]) } else { json!([authorization]) };
            json!({"version": "2.0", "type": "REQUEST", "routeArn": arn, "identitySource": sources, "routeKey": route, "rawPath": format!("/{stage}{path}"),
                "rawQueryString": "", "headers": {"authorization": authorization}, "requestContext": {"apiId": api, "stage": stage, "http": {"method": method, "path": path}}})
        }
    }
}

/// Asks an authorizer about a call.
pub async fn ask(server: &Server, endpoint: &Endpoint, event: Value) -> Said {
    match working_as("authorizer", endpoint.handle(serde_json::from_value(event).unwrap(), server.fresh())).await {
        Ok(answer) => Some(serde_json::to_value(answer).unwrap()),
        Err(Failure::Unauthorized) => None,
        Err(Failure::Unavailable(why)) => panic!("500: {why}"),
    }
}

/// What the gateway makes of an answer for the call that `arn` names, be it the one that was asked about or another.
pub fn outcome(said: &Said, arn: &str) -> Outcome {
    let Some(answer) = said else { return Outcome::Unauthorized };
    let passes = answer["isAuthorized"].as_bool().unwrap_or_else(|| allows(&answer["policyDocument"], arn));
    if passes { Outcome::Pass } else { Outcome::Forbidden }
}

/// Answers by their identity sources, each for as long as the TTL says.
pub struct Cache<T> {
    ttl: u64,
    kept: HashMap<String, (u64, T)>,
}

impl<T: Clone> Cache<T> {
    pub fn new(ttl: u64) -> Self {
        Self { ttl, kept: HashMap::new() }
    }

    pub fn find(&self, key: &str, now: u64) -> Option<T> {
        self.kept.get(key).filter(|(until, _)| now < *until).map(|(_, kept)| kept.clone())
    }

    pub fn keep(&mut self, key: String, now: u64, value: T) {
        self.kept.insert(key, (now + self.ttl, value));
    }
}

/// A stage of one kind of authorizer with `Authorization` as its identity source, and the cache of its TTL.
pub struct Stage<'s> {
    server: &'s Server,
    shape: Shape,
    cache: Cache<Said>,
}

impl<'s> Stage<'s> {
    pub fn new(server: &'s Server, shape: Shape, ttl: u64) -> Self {
        Self { server, shape, cache: Cache::new(ttl) }
    }

    /// What comes of a call; the authorizer is asked where the cache does not answer.
    pub async fn call(&mut self, token: &str, method: &str, path: &str) -> Outcome {
        let (arn, now) = (arn(GATEWAY, method, path), self.server.now());
        if let Some(said) = self.cache.find(token, now) {
            return outcome(&said, &arn);
        }
        let event = event(self.shape, GATEWAY, &format!("Bearer {token}"), method, path, false);
        let said = ask(self.server, &self.server.node().authorizer, event).await;
        if said.is_some() {
            self.cache.keep(token.to_owned(), now, said.clone());
        }
        outcome(&said, &arn)
    }
}
