//! The documented events of `infra/events` get the answers that a plain request gets (HT-01, AU-01, AU-05..08).

use std::fs;
use std::path::Path;

use local::gateway::allows;
use serde_json::{Value, json};
use shared::runtime::ProxyEvent;

use crate::support::{Server, json_of};

/// The events whose file names begin with `kind`, with the `Authorization` header put in.
fn events(kind: &str, authorization: &str) -> Vec<(String, Value)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/events");
    let mut events = Vec::new();
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with(kind) {
            let text = fs::read_to_string(&path).unwrap().replace("BASIC", authorization).replace("BEARER", authorization);
            events.push((name, serde_json::from_str(&text).unwrap()));
        }
    }
    events
}

#[tokio::test]
async fn every_documented_event_gets_a_token() {
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let events = events("token.", &client);
    assert_eq!(events.len(), 6);
    for (name, event) in events {
        let (request, _) = serde_json::from_value::<ProxyEvent>(event).unwrap().into_request().unwrap();
        let response = server.functions.answer(request, server.fresh()).await;
        assert_eq!(json_of(&response)["scope"], "read", "{name}");
    }
}

#[tokio::test]
async fn every_documented_authorizer_event_gets_a_policy_for_its_own_route() {
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let token = server.token(&client, "").await;
    for (authorization, passes) in [(format!("Bearer {token}"), Some(true)), (format!("Bearer {token}x"), None)] {
        let events = events("authorizer.", &authorization);
        assert_eq!(events.len(), 4);
        for (name, event) in events {
            let answer = server.node().authorize(serde_json::from_value(event).unwrap(), server.fresh()).await;
            let answer = answer.ok().map(|answer| serde_json::to_value(answer).unwrap());
            let resource = "arn:aws:execute-api:eu-central-1:123456789012:abc123/prod/GET/orders/1";
            assert_eq!(answer.map(|answer| allows(&answer["policyDocument"], resource)), passes, "{name}");
        }
    }
}
