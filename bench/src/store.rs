//! The embedded DynamoDB, in this process.

use dynoxide::Database;
use tokio::net::TcpListener;

use crate::Error;

/// Serves an empty database in memory until this process ends, with the floors' table in it; returns the endpoint.
pub async fn start() -> Result<String, Error> {
    let database = Database::memory()?;
    database.create_table(serde_json::from_value(serde_json::json!({
        "TableName": "floor",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    }))?)?;
    // About as large as a client's record.
    database.put_item(serde_json::from_value(serde_json::json!({
        "TableName": "floor",
        "Item": {
            "pk": {"S": "client#floor"},
            "sk": {"S": "client"},
            "client_name": {"S": "the floor's client"},
            "client_type": {"S": "confidential"},
            "grant_types": {"SS": ["client_credentials"]},
            "scopes": {"SS": ["https://orders.example/read"]},
            "secret_digest": {"B": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="},
            "active": {"BOOL": true},
            "version": {"N": "1"},
        },
    }))?)?;

    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    Ok(endpoint)
}

/// The variable that leads a function to the store.
pub const ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// What leads a function to the store at `endpoint`.
pub fn env(endpoint: &str) -> Vec<(String, String)> {
    vec![(ENDPOINT.to_owned(), endpoint.to_owned())]
}
