//! `POST /oauth2/token`.

use expect_test::expect;
use serde_json::json;

use crate::support::{Server, claims, json_of, shown};

#[tokio::test]
async fn a_client_gets_a_token() {
    // TE-01, TE-02, TE-03, A-05, I-10, I-17, O-07, G-01
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    let response = server.post("/oauth2/token", &client, "grant_type=client_credentials").await;
    expect![[r#"
        200 OK
        cache-control: no-store
        content-type: application/json
        pragma: no-cache
        x-content-type-options: nosniff

        {"access_token":"[jwt]","token_type":"Bearer","expires_in":3600,"scope":"read"}"#]].assert_eq(&shown(&response));
    let token = json_of(&response)["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token)["aud"], json!(["https://orders.example/"]));
}

#[tokio::test]
async fn a_token_costs_one_read_and_one_write() {
    // G10
    let server = Server::start().await;
    server.fixtures().await;
    let client = server.client("c_cc", json!({})).await;
    server.token(&client, "").await;
    server.proxy.calls();
    server.token(&client, "").await;
    assert_eq!(server.proxy.calls(), "BatchGetItem 1, PutItem 1");
}
